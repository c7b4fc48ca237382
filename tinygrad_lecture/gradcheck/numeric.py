"""Numeric derivatives: what a difference of function values says about a slope.

Everything here works on plain callables and knows nothing of the engine.  The checker looks at
a function F of several arrays along a *line*, t -> <u, F(x + t v)>, where v is one coordinate or
a direction in one argument and u weighs the outputs.  `Line.probe` measures it at +h and -h:
the central and the one-sided slopes, how far rounding may have moved them, and whether the two
sides took the same branches as the middle.

Steps follow three rules, each of which some well-known checker breaks:

* The step is relative to the coordinate and a power of two: h = eps^(1/3) |x| rounded to 2^k,
  which balances the truncation error h² |f'''| / 6 against the rounding error eps |f| / h.
* The difference is divided by the step really taken, (x + h) - (x - h) in floating point.
* eps belongs to the *worst* dtype on the way: a float32 result needs a step 150 times larger.

Outputs are subtracted first and weighed by u afterwards, so that outputs which do not move
contribute an exact zero instead of noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.errors import UsageError

Array: TypeAlias = NDArray[Any]

EPS = float(np.finfo(np.float64).eps)

UNDERFLOW = 1e-300
"""Changes smaller than this may get lost whatever the size of the result."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All outputs of one call, flattened, and the branches that it took.

    Attributes
    ----------
    values : ndarray, shape (outputs,), float64
    branches : object, optional
        Anything that compares equal when the same branches were taken; None if nobody watched.
    """

    values: Array
    branches: Any = None


Evaluate: TypeAlias = Callable[[Sequence[Array]], Evaluation]


@dataclass(frozen=True, slots=True)
class Probe:
    """What one pair of steps, +h and -h, says about the slope of <u, F> along a line.

    Attributes
    ----------
    step : float
        h.
    central, forward, backward : float
        The three difference quotients; nan where a side is not finite.
    low, high : float
        Sum over the outputs of the smaller and of the larger one-sided slope: where a kink is
        met, every choice of subgradients lies between.
    noise : float
        How far rounding of the outputs that moved may have moved the slopes.
    blind : float
        The same for all outputs: a slope below it may not show at all.
    size : float
        Sum of the absolute values of all one-sided slopes.
    moved : bool
        Whether any output changed at all.
    clean : bool or None
        Whether both sides took the branches of the middle; None if nobody watched.
    """

    step: float
    central: float
    forward: float
    backward: float
    low: float
    high: float
    noise: float
    blind: float
    size: float
    moved: bool
    clean: bool | None

    @property
    def two_sided(self) -> bool:
        """Whether the function is finite on both sides."""
        return math.isfinite(self.central)

    @property
    def doubt(self) -> float:
        """What rounding may hide: where nothing moved, a slope as large as `blind`."""
        return self.noise if self.moved else self.blind

    @property
    def jump(self) -> float:
        """Difference of the one-sided slopes, added up without cancellation."""
        return self.high - self.low


class Line:
    """F along x + t v in one argument, weighed by the cotangent u.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(arrays) -> Evaluation``.
    point : sequence of ndarray
        x, one array per argument.
    base : Evaluation
        F(x).
    cotangent : ndarray, shape (outputs,)
        u.
    which : int
        The argument that moves.
    direction : int or ndarray
        A flat index, for one coordinate, or v in the shape of the argument.
    eps : float, default 2.2e-16
        Relative accuracy of the outputs.
    gradient : ndarray, optional
        The gradient that is being checked.  Steps along a direction are rounded, each coordinate
        by itself; with the gradient this is corrected to first order.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        point: Sequence[Array],
        base: Evaluation,
        cotangent: Array,
        which: int,
        direction: int | Array,
        *,
        eps: float = EPS,
        gradient: Array | None = None,
    ) -> None:
        self.evaluate = evaluate
        self.point = point
        self.base = base
        self.cotangent = cotangent
        self.which = which
        self.direction = direction
        self.eps = eps
        self.gradient = gradient

    def displaced(self, t: float) -> list[Array]:
        """Return the arguments at x + t v; only the moving one is copied."""
        arrays = list(self.point)
        moving = arrays[self.which]
        if isinstance(self.direction, int):
            moving = moving.copy()
            moving.reshape(-1)[self.direction] += t
        else:
            moving = np.array(moving + t * self.direction, moving.dtype)
        arrays[self.which] = moving
        return arrays

    def _length(self, arrays: Sequence[Array], t: float) -> float:
        """Return the step really taken: x + t need not be a number of the dtype."""
        if not isinstance(self.direction, int):
            return t
        i, which = self.direction, self.which
        after, before = arrays[which].reshape(-1)[i], self.point[which].reshape(-1)[i]
        return float(after) - float(before)

    def probe(self, step: float) -> Probe:
        """Measure the slopes at +step and -step."""
        sides = []
        for t in (step, -step):
            arrays = self.displaced(t)
            sides.append((self.evaluate(arrays), self._length(arrays, t), self._bend(arrays, t)))
        (plus, ahead, bend_plus), (minus, behind, bend_minus) = sides
        middle, u = self.base.values, self.cotangent
        clean = None
        if self.base.branches is not None:
            clean = plus.branches == self.base.branches == minus.branches
        with np.errstate(all="ignore"):
            moved = (plus.values != middle) | (minus.values != middle)
            ahead_slopes = u * (plus.values - middle) / ahead
            behind_slopes = u * (minus.values - middle) / behind
            forward = _finite_sum(ahead_slopes) - bend_plus / ahead
            backward = _finite_sum(behind_slopes) - bend_minus / behind
            central = _finite_sum(u * (plus.values - minus.values)) - (bend_plus - bend_minus)
            sizes = np.abs(u) * np.fmax(
                np.abs(middle), np.fmax(abs(plus.values), abs(minus.values))
            )
            sizes[~np.isfinite(sizes)] = 0.0
            sizes += UNDERFLOW / self.eps
            unit = self.eps / (ahead - behind)
        return Probe(
            step=step,
            central=central / (ahead - behind),
            forward=forward,
            backward=backward,
            low=_finite_sum(np.minimum(ahead_slopes, behind_slopes)),
            high=_finite_sum(np.maximum(ahead_slopes, behind_slopes)),
            noise=unit * float(sizes[moved].sum()),
            blind=unit * float(sizes.sum()),
            size=float(np.sum(np.abs(ahead_slopes)) + np.sum(np.abs(behind_slopes))),
            moved=bool(moved.any()),
            clean=clean,
        )

    def _bend(self, arrays: Sequence[Array], t: float) -> float:
        """First-order effect of rounding each coordinate of x + t v."""
        if isinstance(self.direction, int) or self.gradient is None:
            return 0.0
        before, after = self.point[self.which], arrays[self.which]
        off = (after.astype(np.float64) - before) - t * self.direction
        effect = float(np.sum(self.gradient * off))
        return effect if math.isfinite(effect) else 0.0


def _finite_sum(terms: Array) -> float:
    total = float(np.sum(terms))
    return total if math.isfinite(total) else math.nan


def power_of_two(h: float) -> float:
    """Return the power of two next to h > 0, which x + h can often represent exactly.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.numeric import power_of_two
    >>> power_of_two(0.7)
    0.5
    """
    return math.ldexp(1.0, round(math.log2(h)))


def coordinate_scale(x: Array) -> Array:
    """Return the size to which the step of each coordinate is relative.

    |x_i| where it is not 0; for a 0, the largest |x_j| of the array, or 1 if all are 0.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.gradcheck.numeric import coordinate_scale
    >>> coordinate_scale(np.array([1e-8, 0.0, -3.0]))
    array([1.e-08, 3.e+00, 3.e+00])
    """
    size = np.abs(x.astype(np.float64))
    tiny = size < 1e-250
    typical = float(size.max(initial=0.0))
    return np.where(tiny, typical if typical >= 1e-250 else 1.0, size)


@dataclass(frozen=True, slots=True)
class StepRange:
    """The steps that make sense for one line.

    Attributes
    ----------
    first : tuple of float
        Steps to try before anything else, most promising first.
    smallest, largest : float
        Where a sweep begins and ends.
    """

    first: tuple[float, ...]
    smallest: float
    largest: float

    def ladder(self, ratio: float = 4.0) -> list[float]:
        """Return the steps of a sweep, ascending, powers of two."""
        low, high = math.log2(self.smallest), math.log2(self.largest)
        count = max(2, int((high - low) / math.log2(ratio)) + 1)
        return [power_of_two(self.smallest * ratio**k) for k in range(count)]


def steps_for(x: float, scale: float, neighbours: float, eps: float, spacing: float) -> StepRange:
    """Choose the steps for a coordinate.

    Parameters
    ----------
    x : float
        The coordinate.
    scale : float
        Its own size (see `coordinate_scale`).
    neighbours : float
        The largest size in its argument.
    eps : float
        Accuracy of the outputs.
    spacing : float
        Distance from x to the next number of its dtype.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.numeric import steps_for
    >>> steps_for(1.0, 1.0, 1.0, 2.2e-16, 2.2e-16).first  # 2**-17
    (7.62939453125e-06,)
    """
    best = eps ** (1 / 3)
    shortest = power_of_two(max(8 * spacing, 1e-290))
    first = []
    for size in (scale, max(scale, neighbours), 1.0):
        step = power_of_two(max(best * size, shortest))
        if step not in first and step <= max(scale, neighbours, 1.0):
            first.append(step)
    smallest = max(shortest, min(scale * 2.0**-40, 2.0**-30))
    largest = max(max(scale, neighbours, 1.0) / 8, smallest * 16)
    return StepRange(tuple(first), power_of_two(smallest), power_of_two(largest))


def numeric_gradient(
    f: Callable[[Array], Any], x: Any, *, scheme: str = "central", step: float | None = None
) -> Array:
    """Gradient of a number-valued NumPy function, by differences or by the complex step.

    Parameters
    ----------
    f : callable
        ``f(x)`` returns one number.
    x : array_like of floats
        Where.
    scheme : {"central", "forward", "complex"}
        (f(x+h) - f(x-h)) / 2h with error O(h²), (f(x+h) - f(x)) / h with error O(h) (L14), or
        Im f(x + ih) / h, exact to rounding for an analytic f that takes complex input
        (Squire and Trapp 1998).
    step : float, optional
        h; chosen for each coordinate if not given.

    Returns
    -------
    ndarray, shape of x

    Raises
    ------
    UsageError
        For an unknown scheme, a step that is not positive, or an f that returns no number.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.gradcheck import numeric_gradient
    >>> numeric_gradient(lambda x: np.sum(x**3), [1.0, 2.0]).round(6)
    array([ 3., 12.])
    """
    if scheme not in ("central", "forward", "complex"):
        raise UsageError(f"scheme must be 'central', 'forward' or 'complex', got {scheme!r}")
    if step is not None and not step > 0:
        raise UsageError(f"step must be positive, got {step!r}")
    at = np.array(x, dtype=np.float64)
    scale = coordinate_scale(at).reshape(-1)
    exponent = {"central": 1 / 3, "forward": 1 / 2, "complex": 6.0}[scheme]
    gradient = np.zeros(at.size)
    for i in range(at.size):
        h = power_of_two(EPS**exponent * float(scale[i])) if step is None else step
        gradient[i] = _quotient(f, at, i, h, scheme)
    return gradient.reshape(at.shape)


def _quotient(f: Callable[[Array], Any], at: Array, i: int, h: float, scheme: str) -> float:
    if scheme == "complex":
        moved = at.astype(np.complex128)
        moved.reshape(-1)[i] += 1j * h
        return _number(f(moved)).imag / h
    ahead, behind = at.copy(), at.copy()
    ahead.reshape(-1)[i] += h
    if scheme == "central":
        behind.reshape(-1)[i] -= h
    length = float(ahead.reshape(-1)[i] - behind.reshape(-1)[i])
    return (_number(f(ahead)) - _number(f(behind))).real / length


def _number(result: Any) -> complex:
    array = np.asarray(result)
    if array.size != 1 or array.dtype.kind not in "fiubc":
        raise UsageError(f"f must return one number, got shape {array.shape} of {array.dtype}")
    return complex(array.reshape(()))
