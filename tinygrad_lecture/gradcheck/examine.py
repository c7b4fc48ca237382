"""One examination: a problem at its point with one cotangent, argument by argument."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_lecture.errors import UsageError

from .directions import Guilt, compare_directions
from .explain import explain, explain_missing, explain_shape
from .handwritten import as_real
from .inspector import Inspector, Settings
from .numeric import EPS, Array, Evaluation
from .problem import Problem
from .report import ArgumentResult, Coordinate, sort_coordinates
from .taylor import taylor_line
from .verdicts import SURE, Verdict, worst

_SWEEPS = 32
"""So many coordinates of an argument are swept thoroughly; further ones get a short sweep."""

_NEGLIGIBLE = 1e-5
"""A slope that noise hides may be this part of the largest one of its argument."""

Compared = dict[int, Coordinate]
"""Comparisons of one argument by flat index."""


class Examination:
    """Compare the claimed gradient of a problem with its numbers.

    Parameters
    ----------
    problem : Problem
        What is examined.
    base : Evaluation
        Its outputs at the point.
    settings : Settings
        Tolerances and seed.
    most : int
        How many numbers are compared one by one.
    order : int
        For the results.
    """

    def __init__(
        self, problem: Problem, base: Evaluation, settings: Settings, most: int, order: int
    ) -> None:
        self.settings = settings
        self.problem = problem
        self.base = base
        self.most = most
        self.order = order
        self.rng = np.random.default_rng((settings.seed, order))
        self.cotangent = draw_cotangent(self.rng, base.values.size)
        self.claimed: list[Any] = []
        self.inspector = Inspector(problem, base, self.cotangent, [], settings)

    def run(self) -> list[ArgumentResult]:
        """Return a result for each argument.

        Raises
        ------
        UsageError
            If the function is not finite at the point.
        """
        problem = self.problem
        bad = np.flatnonzero(~np.isfinite(self.base.values))
        if bad.size and self.order == 2:
            return self._all(Verdict.NOISE, "the gradient is not finite here, so it has no slope")
        if bad.size:
            raise UsageError(
                f"{problem.name} returned {self.base.values[bad[0]]} (output number {int(bad[0])}) "
                "at this point; a derivative exists only where the function is finite: choose "
                "other inputs"
            )
        again = problem.evaluate(problem.point).values
        if not same(self.base.values, again):
            change = float(np.max(np.abs(self.base.values - again)))
            return self._all(
                Verdict.NONDETERMINISTIC,
                f"two calls with the same inputs differ by {change:.2g}: fix the seed of what is "
                "random, or switch it off (dropout)",
            )
        self.claimed = problem.gradient(problem.point, self.cotangent)
        twice = problem.gradient(problem.point, self.cotangent)
        # Where a gradient has another shape than its argument, nothing is claimed by number.
        self.inspector.gradient = [
            g if g is not None and g.shape == a.shape else np.zeros(a.shape)
            for g, a in zip(self.claimed, problem.arguments, strict=True)
        ]
        results: list[ArgumentResult] = []
        for k, argument in enumerate(problem.arguments):
            if self.claimed[k] is None and problem.optional(k):
                problem.notes.append(f"no gradient is given for {argument.name}: held constant")
            elif not same(self.claimed[k], twice[k]):
                remark = "two calls with the same inputs give two gradients"
                results += self._all(Verdict.NONDETERMINISTIC, remark)[k : k + 1]
            else:
                results += self._argument(k)
        if not same(self.base.values, problem.evaluate(problem.point).values):
            return self._all(
                Verdict.NONDETERMINISTIC,
                "the function gives other values now than at the beginning: it keeps a state",
            )
        spoilt = problem.writes() if self.order == 1 else []
        if spoilt:
            problem.notes.append(
                f"{problem.name} writes into {', '.join(spoilt)}, which changes the caller's "
                "array: work on a copy"
            )
        if self.settings.verdict_only:
            return results
        return explain(problem, self.claimed, self.cotangent, results)

    def _all(self, verdict: Verdict, remark: str) -> list[ArgumentResult]:
        return [
            ArgumentResult(a.name, a.shape, self.order, verdict, (), remarks=(remark,))
            for a in self.problem.arguments
        ]

    # ------------------------------------------------------------------ one argument

    def _argument(self, k: int) -> list[ArgumentResult]:
        """Compare one argument; no result if nothing is claimed and nothing depends on it."""
        argument, claimed = self.problem.arguments[k], self.claimed[k]
        found: Compared = {}
        swept = 0
        for i in self._chosen(k):
            found[i] = self.inspector.coordinate(k, i, thorough=swept < _SWEEPS)
            swept += found[i].verdict is not Verdict.PASS
            if self.settings.verdict_only and found[i].verdict is Verdict.WRONG:
                break
        if claimed is None:
            if not any(abs(c.numeric) > SURE * c.error_bar for c in found.values()):
                self.problem.notes.append(
                    f"{argument.name}: no gradient is given, and the output does not depend on it"
                )
                return []
            return [self._refused(k, found, *explain_missing(argument))]
        if claimed.shape != argument.shape:
            return [self._refused(k, found, *explain_shape(self.problem, k, claimed, found))]
        guilt = Guilt(Verdict.PASS)
        wrong = any(c.verdict is Verdict.WRONG for c in found.values())
        if len(found) < argument.size and not wrong:
            guilt = compare_directions(self.inspector, k, self.rng)
            found |= dict(guilt.found)
        return [self._result(k, _settled(found), guilt)]

    def _refused(self, k: int, found: Compared, cause: str, remark: str) -> ArgumentResult:
        """Return the result for a gradient that is not there, or not in the right shape."""
        argument = self.problem.arguments[k]
        coordinates = [
            replace(c, analytic=math.nan, relative_error=math.nan, verdict=Verdict.WRONG, remark="")
            for c in found.values()
        ]
        return ArgumentResult(
            argument.name, argument.shape, self.order, Verdict.WRONG,
            tuple(sort_coordinates(coordinates)), 0, cause, (remark,),
        )  # fmt: skip

    def _result(self, k: int, found: Compared, guilt: Guilt) -> ArgumentResult:
        argument = self.problem.arguments[k]
        verdicts = [c.verdict for c in found.values()]
        verdict = summary(verdicts)
        if guilt.verdict is Verdict.WRONG:
            verdict = Verdict.WRONG
        remarks = list(guilt.remarks)
        kinks = verdicts.count(Verdict.KINK)
        if verdict is Verdict.KINK:
            remarks.append("every coordinate is at a kink: check at another point")
        elif kinks:
            remarks.append(f"{kinks} of {len(verdicts)} coordinates are at a kink")
        if not argument.size:
            remarks.append("it is empty: there is nothing to compare")
        return ArgumentResult(
            argument.name, argument.shape, self.order, verdict,
            tuple(sort_coordinates(list(found.values()))), guilt.directions, "", tuple(remarks),
            self._taylor(k),
        )  # fmt: skip

    def _chosen(self, k: int) -> list[int]:
        """Return the flat indices to compare: all, or the ends, the odd ones and random others."""
        arguments = self.problem.arguments
        size = arguments[k].size
        share = max(4, self.most // (2 * len(arguments)))
        if sum(a.size for a in arguments) <= self.most or size <= share:
            return list(range(size))
        claimed = np.abs(self.inspector.gradient[k]).reshape(-1)
        chosen = [0, size - 1, int(np.argmax(np.nan_to_num(claimed)))]
        chosen += np.flatnonzero(~np.isfinite(claimed))[:3].tolist()
        chosen += self.rng.choice(size, share, replace=False).tolist()
        return list(dict.fromkeys(chosen))[:share]

    def _taylor(self, k: int) -> float:
        argument = self.problem.arguments[k]
        gradient = self.inspector.gradient[k]
        if not argument.size or not np.all(np.isfinite(gradient)):
            return math.nan
        size = self.inspector.scales[k].reshape(argument.shape)
        direction: Array = size * self.rng.uniform(0.5, 1.0, argument.shape)
        line = self.inspector.line(k, direction)
        return taylor_line(line, float(np.sum(gradient * direction))).order


def _settled(found: Compared) -> Compared:
    """Let slopes pass that noise hides if they are tiny beside others of the argument."""
    finite = [abs(c.numeric) for c in found.values() if math.isfinite(c.numeric)]
    limit = _NEGLIGIBLE * max(finite, default=0.0)
    settled = {}
    for i, c in found.items():
        hidden = abs(c.analytic - c.numeric) <= SURE * c.error_bar <= limit
        if c.verdict is Verdict.NOISE and hidden:
            c = replace(
                c, verdict=Verdict.PASS, relative_error=0.0, remark="tiny beside the other slopes"
            )
        settled[i] = c
    return settled


def summary(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict for an argument: some kinks do not spoil it, kinks alone say nothing."""
    rest = [v for v in verdicts if v is not Verdict.KINK]
    return worst(rest or verdicts)


def draw_cotangent(rng: np.random.Generator, size: int) -> Array:
    """Draw the weights of the outputs: 1 for a single one, otherwise ±(0.5 to 1.5).

    Equal weights would hide errors that cancel in a sum, as in batch normalization.
    """
    if size == 1:
        return np.ones(1)
    signs: Array = rng.choice(np.array([-1.0, 1.0]), size)
    return signs * rng.uniform(0.5, 1.5, size)


def same(a: Any, b: Any) -> bool:
    """Whether two results of the same call are equal up to the last bits; nan equals nan."""
    if a is None or b is None:
        return a is b
    x, y = as_real(a, "it"), as_real(b, "it")
    return x.shape == y.shape and bool(np.allclose(x, y, rtol=8 * EPS, atol=0.0, equal_nan=True))
