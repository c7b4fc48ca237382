"""A sweep over many steps: the V-curve of the error, its bottom, and what the two sides tell.

The error of a difference quotient falls with h² as the step shrinks, until rounding makes it
grow with 1/h: a V on logarithmic axes.  Without knowing the derivative, the V is visible in the
differences between neighbouring steps.  With D_j the slope at step h_j, d_j = |D_j - D_(j-1)|,

    error_j = max(d_j, max_(i<=j) d_i h_(i-1) / h_j, rounding_j, 2^-18 |slope+ - slope-|),

where the second term carries the noise seen at shorter steps over to longer ones: noise is
random, two neighbours may agree by luck, but its amplitude d_i h_(i-1) stays.  The best step is
where error_j is smallest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .numeric import (
    EPS,
    Array,
    Evaluation,
    Line,
    Probe,
    StepRange,
    coordinate_scale,
    steps_for,
)

_BEYOND = 30.0
"""An error this many times the smallest one lies on the far side of the V."""

_UNEVEN = 2.0**-18
"""Where the two sides differ, the mean of their slopes is doubted by this part of it."""

_CERTAIN = 16.0
"""A slope that exceeds the rounding bound this many times is not rounding."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A numeric slope and how well it is known.

    Attributes
    ----------
    value, error : float
        The slope and the size of its error; nan and inf if no step works.
    step : float
        The step it comes from.
    low, high : float
        The one-sided slopes at a kink, otherwise nan.
    edge : bool
        Whether the function is finite on one side only.
    unbounded : bool
        Whether the slope grows without end as the step shrinks, as sqrt does at 0.
    steepness : float
        A slope at least as steep as this may hide below the shortest step.
    span : float
        The largest slope that was seen at this and longer steps: what counts as large here.
    """

    value: float
    error: float
    step: float
    low: float = math.nan
    high: float = math.nan
    edge: bool = False
    unbounded: bool = False
    steepness: float = math.inf
    span: float = 0.0

    @property
    def kink(self) -> bool:
        """Whether the two sides have different slopes."""
        return not math.isnan(self.low)


@dataclass(frozen=True)
class Sweep:
    """Slopes at many steps.

    Attributes
    ----------
    probes : tuple of Probe
        Ascending steps.
    rounded : bool
        Whether the function is a staircase at short steps.
    """

    probes: tuple[Probe, ...]
    rounded: bool = False

    @property
    def steps(self) -> list[float]:
        """The steps, ascending."""
        return [p.step for p in self.probes]

    @property
    def derivatives(self) -> list[float]:
        """The central difference quotient at each step."""
        return [p.central for p in self.probes]

    @property
    def errors(self) -> list[float]:
        """The estimated error at each step: the V-curve."""
        return _v_curve(self.probes)

    @property
    def best(self) -> Estimate:
        """The slope at the bottom of the V, or what is known instead."""
        return estimate(self.probes, rounded=self.rounded)

    def errors_against(self, exact: float) -> list[float]:
        """Return |D(h) - exact| at each step, for the picture of the V-curve."""
        return [abs(p.central - exact) for p in self.probes]

    def __str__(self) -> str:
        best = self.best
        lines = [f"{'step':>10}  {'slope':>23}  {'error':>9}"]
        for probe, error in zip(self.probes, self.errors, strict=True):
            mark = "  <- best" if probe.step == best.step else ""
            lines.append(f"{probe.step:10.2e}  {probe.central:23.16g}  {error:9.1e}{mark}")
        return "\n".join(lines)


def sweep_line(line: Line, steps: Sequence[float]) -> Sweep:
    """Probe a line at each of the ascending steps."""
    probes = tuple(line.probe(h) for h in steps)
    first = next((p for p in probes if p.moved), None)
    flat_before = first is not None and first is not probes[0]
    return Sweep(probes, rounded=flat_before and first is not None and _on_stairs(line, first.step))


def _on_stairs(line: Line, step: float) -> bool:
    """Whether a function that is flat at shorter steps than this one is a staircase.

    It may as well be flat between two kinks.  Where it has moved, a staircase is flat again.
    """

    def at(t: float) -> Array:
        return line.evaluate(line.displaced(t)).values

    side = step if not np.array_equal(at(step), line.base.values) else -step
    return any(np.array_equal(at(side * f), at(side * (f + 2.0**-10))) for f in (1.0, 1.25))


def sweep_steps(
    f: Callable[[Array], Any], x: Any, direction: Any = 0, *, ratio: float = 2.0
) -> Sweep:
    """Slopes of a NumPy function over all sensible steps (L14's picture of the V).

    Parameters
    ----------
    f : callable
        ``f(x)`` returns one number.
    x : array_like of floats
        Where.
    direction : int or array_like, default 0
        A flat index of x, or a direction in its shape.
    ratio : float, default 2
        Ratio of neighbouring steps.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.gradcheck import sweep_steps
    >>> sweep = sweep_steps(np.exp, 0.0)
    >>> sweep.best.step, round(sweep.best.value, 9)
    (7.62939453125e-06, 1.0)
    """
    at = np.array(x, dtype=np.float64)
    way = direction if isinstance(direction, int) else np.asarray(direction, dtype=np.float64)

    def evaluate(arrays: Sequence[Array]) -> Evaluation:
        with np.errstate(all="ignore"):
            return Evaluation(np.asarray(f(arrays[0]), dtype=np.float64).reshape(-1))

    base = evaluate([at])
    line = Line(evaluate, [at], base, np.ones(base.values.size), 0, way)
    return sweep_line(line, _range(at, way).ladder(ratio))


def _range(at: Array, way: int | Array) -> StepRange:
    if isinstance(way, int):
        size, value = coordinate_scale(at).reshape(-1), float(at.reshape(-1)[way])
        return steps_for(value, float(size[way]), float(size.max()), EPS, float(np.spacing(value)))
    return steps_for(1.0, 1.0, 1.0, EPS, EPS)


def _v_curve(probes: Sequence[Probe]) -> list[float]:
    errors: list[float] = []
    amplitude = 0.0
    for j, probe in enumerate(probes):
        before = probes[j - 1] if j else probes[min(1, len(probes) - 1)]
        gap = abs(probe.central - before.central)
        if j:
            amplitude = max(amplitude, gap * before.step)
        error = max(gap, amplitude / probe.step, probe.doubt, _UNEVEN * probe.jump)
        errors.append(error if math.isfinite(error) else math.inf)
    return errors


def estimate(probes: Sequence[Probe], *, rounded: bool = False) -> Estimate:
    """Read the slope off the probes of a sweep (ascending steps).

    `rounded` tells that the function is flat at short steps because it rounds its results.

    In order: a function that is finite on one side only gives a one-sided slope; probes on the
    branches of the middle are preferred if there are any; slopes that differ between the sides
    down to the shortest step give a kink; otherwise the bottom of the V.
    """
    two_sided = [p for p in probes if p.two_sided]
    if len(two_sided) < 2:
        return _one_sided(probes)
    clean = [p for p in two_sided if p.clean]
    seen = clean if len(clean) >= 2 else two_sided
    moved = [p for p in seen if p.moved]
    if rounded and len(moved) >= 2:
        found = _plateau(moved) or _bottom(moved)
    else:
        found = _cusp(seen) or _plateau(seen) or _bottom(seen)
    span = max(p.size for p in two_sided if p.step >= found.step)
    return replace(found, steepness=_steepness(two_sided), span=span)


def _bottom(probes: Sequence[Probe]) -> Estimate:
    """Return the slope at the first bottom of the V.

    Beyond it, steps that leave the reach of the Taylor expansion may agree with each other as
    well, as those over many periods of a sine do.  They count only if both sides agree too; then
    the function has two slopes, one at short and one at long steps, and neither can be trusted.
    """
    errors = _v_curve(probes)
    first = 0
    for j, error in enumerate(errors):
        if error < errors[first]:
            first = j
        elif error > _BEYOND * errors[first]:
            break
    best = probes[first]
    error = errors[first]
    for probe, other in list(zip(probes, errors, strict=True))[j:]:
        apart = abs(probe.central - best.central)
        sharp = other <= 1e-3 * abs(probe.central) and probe.jump <= probe.size / 16
        if sharp and apart > 8 * (error + other):
            error = max(error, apart)
    return Estimate(best.central, error, best.step, unbounded=_unbounded(probes, "central"))


def _steepness(probes: Sequence[Probe]) -> float:
    """Return the slopes at the shortest steps if they fall with the step, not for rounding; or inf.

    A function that varies within the shortest step, as sin(1e12 x) does near 1, shows no slope
    at any step, and one as steep as this may hide.
    """
    short = [p for p in probes if p.moved][:4]
    if len(short) < 4 or short[0].size < 8 * short[3].size:
        return math.inf
    if any(p.jump <= _CERTAIN * p.noise for p in short):
        return math.inf
    return short[0].size / 8


def _plateau(probes: Sequence[Probe]) -> Estimate | None:
    """Find steps over which the one-sided slopes differ by about the same: a kink in reach.

    For a smooth function their difference is h f'', for noise it goes with 1/h; only a kink
    keeps it constant.  If shorter steps see the same difference, the kink is at the point
    itself; if they could see it and do not, it is nearby, and they have the slope.
    """
    for k, first in enumerate(probes):
        window = [p for p in probes[k:] if p.step <= 64 * first.step]
        if len(window) < 4 or first.jump <= _CERTAIN * first.noise:
            continue
        if all(_alike(first, p) for p in window):
            shown = [p for p in probes if _CERTAIN * p.doubt <= 0.3 * first.jump]
            if shown[0].jump > 0.3 * first.jump:
                best = shown[0]
                return Estimate(best.central, best.noise, best.step, low=best.low, high=best.high)
            smooth = [p for p in shown if p.jump <= 0.3 * first.jump and p.step < first.step]
            slope = _bottom(smooth)
            reach = next(p for p in smooth if p.step == slope.step)  # it may graze the kink
            return replace(slope, error=max(slope.error, reach.jump / 2))
    return None


def _alike(first: Probe, p: Probe) -> bool:
    """Whether the one-sided slopes at two steps are about the same, measured by their jump."""
    steady = abs(p.central - first.central) <= first.jump
    return steady and first.jump / 3 <= p.jump <= 3 * first.jump


def _cusp(probes: Sequence[Probe]) -> Estimate | None:
    """Find one-sided slopes whose difference grows like a power of 1/h: a cusp, or a jump."""
    short = probes[: max(4, len(probes) // 2)]
    if len(short) < 4 or any(p.jump <= _CERTAIN * p.noise for p in short):
        return None
    ratios = [a.jump / b.jump for a, b in itertools.pairwise(short)]
    if min(ratios) < 1.2 or max(ratios) > 1.05 * min(ratios):
        return None
    best = short[0]
    low, high = min(best.low, 0.0), max(best.high, 0.0)
    return Estimate(best.central, best.noise, best.step, low=low, high=high, unbounded=True)


def _one_sided(probes: Sequence[Probe]) -> Estimate:
    """Slope from the side on which the function is finite, extrapolated to h = 0."""
    for side in ("forward", "backward"):
        seen = [p for p in probes if math.isfinite(getattr(p, side))]
        if len(seen) < 4:
            continue
        best = Estimate(math.nan, math.inf, seen[0].step, edge=True)
        amplitude = 0.0
        for before, probe in itertools.pairwise(seen):
            short, long = getattr(before, side), getattr(probe, side)
            amplitude = max(amplitude, abs(long - short) * before.step)
            error = max(abs(long - short), amplitude / before.step, before.noise)
            if error < best.error:
                ratio = probe.step / before.step
                value = (ratio * short - long) / (ratio - 1)
                best = Estimate(value, error, before.step, edge=True)
        return Estimate(
            best.value, best.error, best.step, edge=True, unbounded=_unbounded(seen, side)
        )
    return Estimate(math.nan, math.inf, probes[0].step if probes else math.nan, edge=True)


def _unbounded(probes: Sequence[Probe], side: str) -> bool:
    """Whether the slope keeps growing like a power of 1/h over the shorter half of the steps."""
    half = [abs(getattr(p, side)) for p in probes[: max(4, len(probes) // 2)]]
    growing = all(short > 1.2 * long for short, long in itertools.pairwise(half))
    return growing and len(half) >= 4 and probes[0].noise < 0.01 * half[0]
