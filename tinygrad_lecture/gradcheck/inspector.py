"""Comparison of claimed and measured slopes along single coordinates and directions.

The cheap question comes first: does the difference quotient at the usual step agree, with both
sides smooth?  Only what does not agree is looked at with a sweep of steps, which costs some forty
evaluations and gives a slope with an error bar.  Where the function takes complex numbers, the
complex step Im f(x + ih) / h gives the slope without any error of differences; it is believed only
as far as the differences do not contradict it, since abs, max or a dropped imaginary part make it
silently wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .numeric import UNDERFLOW, Array, Evaluation, Line, StepRange, coordinate_scale, steps_for
from .problem import NotAnalytic, Problem, TargetError
from .report import Coordinate
from .sweep import Estimate, sweep_line
from .verdicts import SURE, Tolerance, Verdict, judge, relative_error

_ROUNDING = 64.0
_NEARBY = 2.0**-8
_IMAGINARY = 2.0**-120
_LARGE = 5000


BRANCHES = "other branches on either side"


@dataclass(frozen=True)
class Settings:
    """How to compare.

    Attributes
    ----------
    rtol, atol : float
        Tolerances.
    complex_step : bool or None
        Whether to use the complex step; None: where it works.
    seed : int
        Seed of all that is drawn.
    verdict_only : bool
        Whether to stop at the first wrong coordinate, and to look for no causes.
    """

    rtol: float
    atol: float
    complex_step: bool | None
    seed: int
    verdict_only: bool = False


class Inspector:
    """A problem at its point, with one cotangent and the gradient that is claimed for it."""

    def __init__(
        self,
        problem: Problem,
        base: Evaluation,
        cotangent: Array,
        gradient: Sequence[Array],
        settings: Settings,
    ) -> None:
        self.problem = problem
        self.base = base
        self.cotangent = cotangent
        self.gradient = list(gradient)
        self.settings = settings
        self.point = problem.point
        self.scales = [coordinate_scale(x).reshape(-1) for x in self.point]
        self.output_size = float(np.sum(np.abs(cotangent * base.values)))
        self.complex_reason = "" if settings.complex_step is not False else "switched off"
        # Complex arithmetic is slow: where differences agree, large problems do without.
        self.large = sum(x.size for x in self.point) > _LARGE
        self._nearby: list[tuple[list[Array], list[Array]]] | None = None
        self._complex_point: list[Array] | None = None

    def evaluate(self, arrays: Sequence[Array]) -> Evaluation:
        """Return the outputs; nan where the target raises next to the point."""
        try:
            return self.problem.evaluate(arrays)
        except TargetError:
            return Evaluation(np.full(self.base.values.size, np.nan), None)

    def line(self, k: int, direction: int | Array) -> Line:
        """Return the line through the point along a coordinate or direction of argument k."""
        gradient = None if isinstance(direction, int) else self.gradient[k]
        return Line(
            self.evaluate, self.point, self.base, self.cotangent, k, direction,
            eps=self.problem.eps, gradient=gradient,
        )  # fmt: skip

    def steps(self, k: int, i: int) -> StepRange:
        """Return the steps for coordinate i of argument k."""
        x = self.point[k].reshape(-1)[i]
        scale = self.scales[k]
        return steps_for(
            float(x),
            float(scale[i]),
            float(scale.max()),
            self.problem.eps,
            float(np.spacing(abs(x))),
        )

    # ------------------------------------------------------------------ one coordinate

    def coordinate(self, k: int, i: int, *, thorough: bool = True) -> Coordinate:
        """Compare coordinate i (flat) of argument k.

        Parameters
        ----------
        k, i : int
            Argument and flat index.
        thorough : bool, default True
            Whether to sweep over all steps if the usual one does not agree, or over a few.
        """
        claimed = float(self.gradient[k].reshape(-1)[i])
        line, steps = self.line(k, i), self.steps(k, i)
        exact = None if self.large else self.complex_slope(k, i)
        quick = self._quick(line, steps, claimed)
        if quick is not None:
            method, value = "central difference", quick
            if exact is not None and self._equal(claimed, exact):
                method, value = "complex step", exact
            return self._result(k, i, claimed, value, 0.0, Verdict.PASS, method, "")
        if self.large:
            exact = self.complex_slope(k, i)
        ladder = steps.ladder()
        if not thorough:
            ladder = ladder[len(ladder) // 4 :: 3]
        sweep = sweep_line(line, ladder)
        measured = sweep.best
        method = "one-sided difference" if measured.edge else "central difference"
        if exact is not None and not measured.kink and not measured.edge:
            if self._contradicts(measured, exact):
                self.complex_reason = "it is not analytic"
            else:
                method = "complex step"
                measured = self._complex_estimate(k, i, exact)
        tolerance = Tolerance(self.settings.rtol, self.settings.atol, self._floor(k, i, claimed))
        verdict, remark = judge(claimed, measured, tolerance)
        if verdict is Verdict.WRONG and all(p.clean is False for p in sweep.probes):
            remark = BRANCHES
        elif verdict is Verdict.WRONG and self._erratic(k, i, claimed, measured.value, exact):
            verdict, remark = Verdict.PASS, "rounding beside the outputs"
        value, bar = measured.value, measured.error
        return self._result(k, i, claimed, value, bar, verdict, method, remark)

    def _result(
        self, k: int, i: int, claimed: float, value: float, bar: float, verdict: Verdict,
        method: str, remark: str,
    ) -> Coordinate:  # fmt: skip
        argument = self.problem.arguments[k]
        index = tuple(map(int, np.unravel_index(i, argument.shape))) if argument.shape else ()
        error = relative_error(claimed, value)
        if verdict is Verdict.PASS and remark:
            error = 0.0  # both are zero to within rounding
        return Coordinate(argument.name, index, claimed, value, bar, error, verdict, method, remark)

    def _equal(self, a: float, b: float) -> bool:
        return Tolerance(self.settings.rtol, self.settings.atol).equal(a, b)

    def _quick(self, line: Line, steps: StepRange, claimed: float) -> float | None:
        """Return the slope at one of the usual steps if it agrees and both sides look smooth."""
        for step in steps.first:
            probe = line.probe(step)
            smooth = probe.jump <= probe.size / 256 + 32 * probe.noise
            if not probe.two_sided or probe.clean is False or not smooth:
                return None
            if not self._equal(claimed, probe.central):
                continue
            if probe.moved:
                return probe.central
            # Nothing moves and nothing is claimed.  A function that rounds may only seem flat.
            longer = line.probe(min(step * 1024, steps.largest))
            return 0.0 if not longer.moved else None
        return None

    def _contradicts(self, measured: Estimate, exact: float) -> bool:
        gap = abs(measured.value - exact)
        return gap > SURE * measured.error and gap > 1e-6 * max(abs(measured.value), abs(exact))

    # ------------------------------------------------------------------ rounding or not

    def _rounding(self, k: int, i: int) -> float:
        """Size below which a slope may be rounding, if it proves to be."""
        small = min(1.0, float(self.scales[k][i]))
        return _ROUNDING * self.problem.eps * self.output_size / small

    def _floor(self, k: int, i: int, claimed: float) -> float:
        """Size below which the claimed slope counts as 0: 0 if it proves to be more.

        Rounding is recognised by its randomness: at points nearby a derivative is about the
        same, and a difference that should cancel is not.
        """
        floor = self._rounding(k, i)
        if claimed == 0.0 or not abs(claimed) <= floor:
            return floor
        others = [float(g[k].reshape(-1)[i]) for _, g in self.nearby()]
        steady = all(abs(other - claimed) <= 0.2 * abs(claimed) for other in others)
        return 0.0 if steady else floor

    def _erratic(
        self, k: int, i: int, claimed: float, measured: float, exact: float | None
    ) -> bool:
        """Whether claimed and measured slope differ by rounding: differently nearby.

        1 - tanh² keeps few digits where tanh saturates; a wrong formula is wrong by the same
        factor at points nearby, and has all its digits.  Differences do not see that much.
        """
        gap = abs(claimed - measured)
        if exact is None or exact != measured:
            return gap <= self._rounding(k, i) / 16
        if not gap <= self._rounding(k, i) or claimed == 0.0 or exact == 0.0:
            return False
        if _few_digits(claimed):
            return True
        ratio = claimed / exact
        for number, (_, gradient) in enumerate(self.nearby()):
            other = self.complex_slope(k, i, number)
            if other is None or other == 0.0:
                return True
            nearby = float(gradient[k].reshape(-1)[i]) / other
            if abs(nearby - ratio) > 0.2 * abs(ratio - 1):
                return True
        return False

    def nearby(self) -> list[tuple[list[Array], list[Array]]]:
        """Return three points nearby, and the claimed gradients there."""
        if self._nearby is None:
            self._nearby = []
            for number in range(3):
                rng = np.random.default_rng((self.settings.seed, number))
                arrays = [
                    np.array(x * (1 + _NEARBY * rng.uniform(-1, 1, x.shape)), x.dtype)
                    for x in self.point
                ]
                found = self.problem.gradient(arrays, self.cotangent)
                gradient = [
                    np.zeros(x.shape) if g is None or g.shape != x.shape else g
                    for g, x in zip(found, self.point, strict=True)
                ]
                self._nearby.append((arrays, gradient))
        return self._nearby

    # ------------------------------------------------------------------ complex step

    def complex_slope(
        self, k: int, direction: int | Array, number: int | None = None
    ) -> float | None:
        """Return Im <u, F(x + i h v)> / h, or None if the target takes no complex numbers.

        `number` asks for the slope at a point nearby instead.
        """
        if self.complex_reason:
            return None
        point = self.point if number is None else self.nearby()[number][0]
        arrays = [x.astype(np.complex128) for x in point]
        if isinstance(direction, int):
            h = _IMAGINARY * float(self.scales[k][direction])
            arrays[k].reshape(-1)[direction] += 1j * h
        else:
            h = _IMAGINARY
            arrays[k] = arrays[k] + 1j * h * direction
        try:
            values = self.problem.evaluate_complex(arrays)
        except NotAnalytic as reason:
            self.complex_reason = str(reason)
            return None
        with np.errstate(all="ignore"):
            slope = float(np.sum(self.cotangent * (values.imag / h)))
            same = number is not None or np.allclose(
                values.real, self.base.values, rtol=1e-9, atol=1e-9 * (1 + self.output_size)
            )
        if not same:
            self.complex_reason = "its values for complex numbers are others"
            return None
        lost = slope == 0.0 and h < 1e-200  # the imaginary part may have underflowed
        return slope if math.isfinite(slope) and not lost else None

    def _complex_estimate(self, k: int, i: int, exact: float) -> Estimate:
        """Return a complex-step slope with its error bar.

        Its truncation error is of the order h², with h = 2^-120 of the coordinate: what is as
        small counts as 0.  And if a slope that is small beside the outputs changes much at a point
        nearby, it is nothing but rounding.
        """
        scale = float(self.scales[k][i])
        nothing = 1e-60 * max(1.0, self.output_size) / scale
        if abs(exact) <= nothing:
            lost = UNDERFLOW / (_IMAGINARY * scale)  # an imaginary part this small is rounded to 0
            return Estimate(0.0, lost if exact == 0.0 else nothing, 0.0)
        if abs(exact) <= self._rounding(k, i):
            other = self.complex_slope(k, i, number=0)
            if other is None or abs(other - exact) > 0.2 * abs(exact):
                return Estimate(exact, abs(exact), 0.0)
        return Estimate(exact, _ROUNDING * self.problem.eps * abs(exact), 0.0)

    # ------------------------------------------------------------------ directions

    def direction(self, k: int, direction: Array) -> tuple[Verdict, float, Estimate]:
        """Compare the slope along a direction of argument k.

        The tolerance belongs to a typical coordinate, not to the sum of all, so that one wrong
        coordinate among many is noticed.

        Returns
        -------
        verdict : Verdict
        gap : float
            How far apart the slopes are.
        measured : Estimate
        """
        terms = self.gradient[k] * direction
        claimed = float(np.sum(terms))
        count = int(np.count_nonzero(direction))
        typical = float(np.sqrt(np.sum(terms**2) / max(count, 1)))
        line = self.line(k, direction)
        eps = self.problem.eps
        steps = steps_for(1.0, 1.0, 1.0, eps, eps)
        allowed = self.settings.rtol * typical + self.settings.atol
        measured = _at_two_steps(line, steps.first[0])
        if measured is not None:
            gap = abs(claimed - measured.value)
            if gap <= allowed:
                return Verdict.PASS, gap, measured
            if gap > 8 * SURE * measured.error:
                return Verdict.WRONG, gap, measured
        measured = sweep_line(line, steps.ladder()).best
        exact = None if measured.kink or measured.edge else self.complex_slope(k, direction)
        if exact is not None and not self._contradicts(measured, exact):
            measured = Estimate(exact, 4 * eps * float(np.sum(np.abs(terms))), 0.0)
        gap = abs(claimed - measured.value)
        if measured.kink or measured.edge or not math.isfinite(gap):
            verdict, _ = judge(claimed, measured, Tolerance(self.settings.rtol))
            return verdict, gap, measured
        if gap <= allowed:
            return Verdict.PASS, gap, measured
        if gap > SURE * measured.error:
            return Verdict.WRONG, gap, measured
        blunt = SURE * measured.error > 0.1 * typical
        return (Verdict.NOISE if blunt else Verdict.PASS), gap, measured


def _few_digits(x: float) -> bool:
    """Whether the last 30 of the 53 binary digits are 0, as after a cancellation."""
    return int(math.frexp(x)[0] * 2**53) % 2**30 == 0


def _at_two_steps(line: Line, step: float) -> Estimate | None:
    """Return the slope from two steps; None where a kink, a stair or an edge is near."""
    short, long = line.probe(step), line.probe(8 * step)
    for probe in (short, long):
        smooth = probe.jump <= probe.size / 64 + 32 * probe.noise
        if not probe.two_sided or not probe.moved or probe.clean is False or not smooth:
            return None
    error = max(abs(long.central - short.central), 8 * short.noise)
    return Estimate(short.central, error, step)
