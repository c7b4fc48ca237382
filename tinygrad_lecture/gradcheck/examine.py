"""One examination: a problem at a point with one cotangent, argument by argument."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_lecture.errors import UsageError

from .causes import Evidence, likely_cause
from .directions import Guilt, compare_directions
from .handwritten import as_real
from .inspector import Inspector, Settings
from .numeric import EPS, Array, Evaluation
from .parameters import GRADIENT_NAMES
from .problem import NotTraceable, Problem
from .report import ArgumentResult, Coordinate, shape_text, sort_coordinates
from .reuse import lost_contributions
from .taylor import taylor_line
from .verdicts import SURE, Verdict, relative_error, worst

_SWEEPS = 32
"""So many coordinates of an argument are swept thoroughly; further ones get a short sweep."""

_NEGLIGIBLE = 1e-5
"""A slope that noise hides may be this part of the largest one of its argument."""


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
        self.problem = problem
        self.base = base
        self.settings = settings
        self.most = most
        self.order = order
        self.rng = np.random.default_rng((settings.seed, order))
        self.cotangent = draw_cotangent(self.rng, base.values.size)
        self.raw: list[Any] = []
        self.inspector = Inspector(problem, base, self.cotangent, [], settings)

    def run(self) -> list[ArgumentResult]:
        """Return a result for each argument."""
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
        self.raw = problem.gradient(problem.point, self.cotangent)
        self._claims()
        twice = problem.gradient(problem.point, self.cotangent)
        unsteady = [
            k
            for k, (a, b) in enumerate(zip(self.raw, twice, strict=True))
            if a is not None and not same(a, b)
        ]
        results = [
            self._nondeterministic(k) if k in unsteady else self._argument(k)
            for k in range(len(problem.arguments))
            if not (self.raw[k] is None and problem.optional(k))
        ]
        self._notes()
        if not same(self.base.values, problem.evaluate(problem.point).values):
            return self._all(
                Verdict.NONDETERMINISTIC,
                "the function gives other values now than at the beginning: it keeps a state",
            )
        results = [r for r in results if r is not None]
        return self._explain(results)

    def _claims(self) -> None:
        """Hand the inspector the claimed gradients, zeros where they have another shape."""
        self.inspector.gradient = [
            g if g is not None and g.shape == a.shape else np.zeros(a.shape)
            for g, a in zip(self.raw, self.problem.arguments, strict=True)
        ]

    def _all(self, verdict: Verdict, remark: str) -> list[ArgumentResult]:
        return [
            ArgumentResult(a.name, a.shape, self.order, verdict, (), remarks=(remark,))
            for a in self.problem.arguments
        ]

    def _nondeterministic(self, k: int) -> ArgumentResult:
        a = self.problem.arguments[k]
        remark = "two calls with the same inputs give two gradients"
        return ArgumentResult(
            a.name, a.shape, self.order, Verdict.NONDETERMINISTIC, (), remarks=(remark,)
        )

    def _notes(self) -> None:
        problem = self.problem
        held = [
            a.name
            for k, a in enumerate(problem.arguments)
            if self.raw[k] is None and problem.optional(k)
        ]
        if held:
            problem.notes.append(f"no gradient is given for {', '.join(held)}: held constant")
        if self.order == 1:
            spoilt = problem.writes()
            if spoilt:
                problem.notes.append(
                    f"{problem.name} writes into {', '.join(spoilt)}, which changes the caller's "
                    "array: work on a copy"
                )

    # ------------------------------------------------------------------ one argument

    def _argument(self, k: int) -> ArgumentResult | None:
        argument = self.problem.arguments[k]
        claimed = self.raw[k]
        inspector = self.inspector
        indices = self._chosen(k)
        swept = 0
        found: list[tuple[int, Coordinate]] = []
        for i in indices:
            c = inspector.coordinate(k, i, thorough=swept < _SWEEPS)
            swept += c.verdict is not Verdict.PASS
            found.append((i, c))
        if claimed is None:
            return self._missing(k, found)
        if claimed.shape != argument.shape:
            return self._misshapen(k, found)
        directions = 0
        remarks: list[str] = []
        wrong = any(c.verdict is Verdict.WRONG for _, c in found)
        if len(indices) < argument.size and not wrong:
            guilt = compare_directions(inspector, k, self.rng)
            directions = guilt.directions
            found += [(i, c) for i, c in guilt.found if i not in set(indices)]
            remarks += guilt.remarks
            if guilt.verdict is not Verdict.PASS and not guilt.found:
                found = self._settle(k, found)
                return self._result(k, found, guilt, remarks)
        found = self._settle(k, found)
        return self._result(k, found, Guilt(Verdict.PASS, directions), remarks)

    def _result(
        self, k: int, found: list[tuple[int, Coordinate]], guilt: Guilt, remarks: list[str]
    ) -> ArgumentResult:
        argument = self.problem.arguments[k]
        coordinates = [c for _, c in found]
        verdict = summary([*(c.verdict for c in coordinates)])
        if guilt.verdict is Verdict.WRONG:
            verdict = Verdict.WRONG
        kinks = sum(c.verdict is Verdict.KINK for c in coordinates)
        if kinks and verdict is Verdict.PASS:
            remarks.append(f"{kinks} of {len(coordinates)} coordinates are at a kink")
        if verdict is Verdict.KINK:
            remarks.append("every coordinate is at a kink: check at another point")
        if verdict is Verdict.WRONG and any("kink" in c.remark for c in coordinates):
            branches = getattr(self.problem, "branches", [])
            if branches:
                remarks.append(f"at a kink of {', '.join(branches)}: its conventions do not add up")
        if not argument.size:
            remarks.append("it is empty: there is nothing to compare")
        return ArgumentResult(
            argument.name, argument.shape, self.order, verdict,
            tuple(sort_coordinates(coordinates)), guilt.directions, "", tuple(remarks),
            self._taylor(k),
        )  # fmt: skip

    def _chosen(self, k: int) -> list[int]:
        """Return the flat indices to compare: all, or the largest, the odd ones and some others."""
        arguments = self.problem.arguments
        size = arguments[k].size
        if sum(a.size for a in arguments) <= self.most:
            return list(range(size))
        share = max(4, self.most // (2 * len(arguments)))
        if size <= share:
            return list(range(size))
        claimed = np.abs(self.inspector.gradient[k]).reshape(-1)
        chosen = [0, size - 1, int(np.argmax(np.nan_to_num(claimed)))]
        chosen += [int(i) for i in np.flatnonzero(~np.isfinite(claimed))[:3]]
        chosen += [int(i) for i in self.rng.choice(size, min(size, share), replace=False)]
        return list(dict.fromkeys(chosen))[:share]

    def _missing(self, k: int, found: list[tuple[int, Coordinate]]) -> ArgumentResult | None:
        """No gradient was given: wrong if the function depends on the argument."""
        argument = self.problem.arguments[k]
        if all(abs(c.numeric) <= SURE * c.error_bar or c.numeric == 0.0 for _, c in found):
            self.problem.notes.append(
                f"{argument.name}: no gradient is given, and the output does not depend on it"
            )
            return None
        name = argument.name.rsplit(".", 1)[-1]
        looked = ", ".join(pattern.format(name) for pattern in GRADIENT_NAMES[:3])
        cause = (
            f"no gradient is given for {argument.name} (is a return missing?); looked for "
            f"{looked}, grads[{name!r}]; if it is a constant, say constants=({argument.name!r},)"
        )
        coordinates = [replace(c, verdict=Verdict.WRONG) for _, c in found]
        return ArgumentResult(
            argument.name, argument.shape, self.order, Verdict.WRONG,
            tuple(sort_coordinates(coordinates)), 0, cause,
        )  # fmt: skip

    def _misshapen(self, k: int, found: list[tuple[int, Coordinate]]) -> ArgumentResult:
        argument, claimed = self.problem.arguments[k], self.raw[k]
        coordinates = [
            replace(
                c, analytic=math.nan, relative_error=math.nan, verdict=Verdict.WRONG, remark=""
            )
            for _, c in found
        ]
        cause = likely_cause(self._evidence(k, found))
        remark = (
            f"your gradient has the shape {shape_text(claimed.shape)}, the argument "
            f"{shape_text(argument.shape)}"
        )
        return ArgumentResult(
            argument.name, argument.shape, self.order, Verdict.WRONG,
            tuple(sort_coordinates(coordinates)), 0, cause, (remark,),
        )  # fmt: skip

    def _settle(self, k: int, found: list[tuple[int, Coordinate]]) -> list[tuple[int, Coordinate]]:
        """Let slopes pass that noise hides if they are tiny beside others of the argument."""
        largest = max((abs(c.numeric) for _, c in found if math.isfinite(c.numeric)), default=0.0)
        settled = []
        for i, c in found:
            bar = SURE * c.error_bar
            if (
                c.verdict is Verdict.NOISE
                and abs(c.analytic - c.numeric) <= bar <= _NEGLIGIBLE * largest
            ):
                c = replace(
                    c, verdict=Verdict.PASS, relative_error=0.0,
                    remark="tiny beside the other slopes",
                )  # fmt: skip
            settled.append((i, c))
        return settled

    def _taylor(self, k: int) -> float:
        argument = self.problem.arguments[k]
        gradient = self.inspector.gradient[k]
        if not argument.size or not np.all(np.isfinite(gradient)):
            return math.nan
        size = self.inspector.scales[k].reshape(argument.shape)
        direction = size * self.rng.uniform(0.5, 1.0, argument.shape)
        line = self.inspector.line(k, direction)
        return taylor_line(line, float(np.sum(gradient * direction))).order

    # ------------------------------------------------------------------ causes

    def _evidence(self, k: int, found: list[tuple[int, Coordinate]]) -> Evidence:
        problem, argument = self.problem, self.problem.arguments[k]
        indices = np.array([i for i, _ in found], dtype=np.intp)
        numeric = np.array([c.numeric for _, c in found])
        return Evidence(
            argument.value, self.raw[k], indices, numeric, {}, lengths(problem),
            self._with_ones(k), lambda: self._lost(k), problem.kind == "a function of Values",
        )  # fmt: skip

    def _with_ones(self, k: int) -> Array | None:
        if self.cotangent.size < 2 or self.problem.kind != "a class with forward and backward":
            return None
        ones = np.ones(self.cotangent.size)
        gradient: Array | None = self.problem.gradient(self.problem.point, ones)[k]
        return gradient

    def _lost(self, k: int) -> Iterable[tuple[str, Array]]:
        try:
            output, leaves = self.problem.trace()
        except NotTraceable:
            return
        if getattr(output, "size", 0) != self.cotangent.size:
            return
        seed = self.cotangent.reshape(output.shape) if output.shape else float(self.cotangent[0])
        for description, gradients in lost_contributions(output, seed, leaves):
            yield description, gradients[k]

    def _explain(self, results: list[ArgumentResult]) -> list[ArgumentResult]:
        """Add likely causes to the arguments with a wrong gradient."""
        names = [a.name for a in self.problem.arguments]
        explained = []
        for r in results:
            if r.verdict is Verdict.WRONG and not r.cause and r.coordinates:
                k = names.index(r.name)
                found = [(flat(c, r.shape), c) for c in r.coordinates]
                evidence = self._evidence(k, found)
                evidence = replace(evidence, others=self._others(r, results, evidence.indices))
                r = replace(r, cause=likely_cause(evidence))
            explained.append(r)
        return explained

    def _others(
        self, r: ArgumentResult, results: list[ArgumentResult], indices: Array
    ) -> dict[str, Array]:
        found = {}
        for other in results:
            if other.name != r.name and other.shape == r.shape:
                known = {flat(c, other.shape): c.numeric for c in other.coordinates}
                found[other.name] = np.array([known.get(int(i), math.nan) for i in indices])
        return found


def summary(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict for an argument: some kinks do not spoil it, kinks alone say nothing."""
    rest = [v for v in verdicts if v is not Verdict.KINK]
    return worst(rest) if rest else worst(verdicts)


def flat(c: Coordinate, shape: tuple[int, ...]) -> int:
    """Return the flat index of a coordinate."""
    return int(np.ravel_multi_index(c.index, shape)) if shape else 0


def lengths(problem: Problem) -> frozenset[int]:
    """Return the lengths and sizes of all inputs and outputs: what a mean may divide by."""
    shapes = [a.shape for a in problem.arguments] + list(problem.shapes or [])
    for tree in problem.inputs.trees:
        if isinstance(tree, np.ndarray):
            shapes.append(tree.shape)
    return frozenset(n for shape in shapes for n in (*shape, math.prod(shape)))


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
    if x.shape != y.shape:
        return False
    return bool(np.allclose(x, y, rtol=8 * EPS, atol=0.0, equal_nan=True))
