"""Likely causes of a wrong gradient: known mistakes, each tried on the numbers.

A cause is named only if it explains the numbers: a transpose is named when the transposed
gradient agrees with the numeric one, a factor when all ratios are the same.  What is left over is
described by where it happens.  All comparisons are made on the coordinates that were measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from .numeric import Array
from .report import shape_text

_CLOSE = 1e-4


@dataclass(frozen=True)
class Evidence:
    """What is known about one argument with a wrong gradient.

    Attributes
    ----------
    point : ndarray
        The argument.
    claimed : ndarray
        The claimed gradient, in whatever shape it came.
    indices : ndarray of int
        The flat indices that were measured.
    numeric : ndarray
        The numeric gradient there.
    others : dict
        Numeric gradients of other arguments of this shape, by name, at the same indices (nan
        where not measured).
    lengths : frozenset of int
        Lengths of axes and numbers of elements of inputs and outputs: what a mean divides by.
    with_ones : ndarray or None
        The claimed gradient for a grad_output of ones, if that is not what was used.
    lost : callable
        Gives pairs (description, gradient of this argument) with one mistake made.
    tracked : bool
        Whether the gradient comes from the engine.
    """

    point: Array
    claimed: Array
    indices: Array
    numeric: Array
    others: dict[str, Array] = field(default_factory=dict)
    lengths: frozenset[int] = frozenset()
    with_ones: Array | None = None
    lost: Callable[[], Iterable[tuple[str, Array]]] = lambda: ()
    tracked: bool = False

    def at(self, gradient: Array) -> Array:
        """Return a gradient at the measured indices."""
        return gradient.reshape(-1)[self.indices]


def likely_cause(e: Evidence) -> str:
    """Return the likeliest causes, at most two, as one text; empty if none fits."""
    if not np.all(np.isfinite(e.numeric)) or not e.indices.size:
        return ""
    if not np.all(np.isfinite(e.claimed)):
        return "yours is not finite: 0/0, inf - inf, the log of 0 or an overflow on the way"
    found: list[str] = []
    with np.errstate(all="ignore"):
        for rule in _SHAPES if e.claimed.shape != e.point.shape else _RULES:
            for cause in rule(e):
                if cause not in found:
                    found.append(cause)
            if len(found) >= 2:
                break
    return "; or ".join(found[:2])


def close(a: Array, b: Array) -> bool:
    """Whether two gradients agree, measured against the largest entry."""
    size = float(np.max(np.abs(b), initial=0.0))
    return bool(size > 0 and np.all(np.abs(a - b) <= _CLOSE * size))


def ratio(a: Array, b: Array) -> float | None:
    """Return c if a = c b for all entries that count, otherwise None."""
    counts = np.abs(b) > 1e-6 * np.max(np.abs(b), initial=0.0)
    if not counts.any():
        return None
    ratios = a[counts] / b[counts]
    c = float(np.median(ratios))
    if np.all(np.abs(a - c * b) <= _CLOSE * np.max(np.abs(a), initial=0.0)):
        return c
    return None


# ------------------------------------------------------------------ gradients of another shape


def _of_transpose(e: Evidence) -> Iterator[str]:
    if e.claimed.ndim == 2 and e.claimed.T.shape == e.point.shape:
        right = close(e.at(e.claimed.T), e.numeric)
        yield "transpose: the shape is that of .T" + (
            ", and the transposed numbers are right" if right else ""
        )


def _of_broadcast(e: Evidence) -> Iterator[str]:
    """A gradient in the shape of the result: the sum over the spread axes is missing."""
    extra = e.claimed.ndim - e.point.ndim
    if extra < 0:
        return
    axes = list(range(extra))
    for axis, length in enumerate(e.point.shape):
        if length == 1 and e.claimed.shape[axis + extra] != 1:
            axes.append(axis + extra)
        elif length != e.claimed.shape[axis + extra]:
            return
    if axes:
        summed = e.claimed.sum(axis=tuple(axes)).reshape(e.point.shape)
        mean = summed / np.prod([e.claimed.shape[axis] for axis in axes])
        which = f"axis {axes[0]}" if len(axes) == 1 else f"the axes {tuple(axes)}"
        text = f"missing sum over {which}, along which the argument was broadcast"
        if close(e.at(summed), e.numeric):
            text += " (summed, the numbers are right)"
        elif close(e.at(mean), e.numeric):
            text += " (averaged, the numbers are right)"
        yield text


def _of_sum(e: Evidence) -> Iterator[str]:
    if e.claimed.size == 1 and e.point.size > 1:
        total = float(e.numeric.sum())
        text = "one number for a whole array: summed or averaged away"
        if e.indices.size == e.point.size and np.isclose(float(e.claimed.reshape(())), total):
            text += " (it is the sum of the right gradient)"
        yield text


def _of_reshape(e: Evidence) -> Iterator[str]:
    if e.claimed.size == e.point.size and e.claimed.T.shape != e.point.shape:
        same = close(e.at(e.claimed), e.numeric)
        yield f"shape {shape_text(e.claimed.shape)} for {shape_text(e.point.shape)}: reshape" + (
            ", the numbers are right" if same else ""
        )


_SHAPES = (_of_transpose, _of_broadcast, _of_sum, _of_reshape)


# ------------------------------------------------------------------ gradients of the right shape


def _zero(e: Evidence) -> Iterator[str]:
    if not np.any(e.claimed):
        yield (
            "zero gradient: cut off on the way (.data, .detach() or a rounding step)"
            if e.tracked
            else "zero gradient: it is never filled in"
        )


def _cotangent(e: Evidence) -> Iterator[str]:
    if e.with_ones is not None and e.with_ones.shape == e.claimed.shape:
        same = close(e.with_ones, e.claimed)
        if same:
            yield "grad_output is not used: the gradient is the same for every grad_output"


def _lost(e: Evidence) -> Iterator[str]:
    a = e.at(e.claimed)
    for description, gradient in e.lost():
        g = e.at(np.asarray(gradient, dtype=np.float64))
        if close(a, g):
            yield description
            return


def _transpose(e: Evidence) -> Iterator[str]:
    square = e.point.ndim == 2 and e.point.shape[0] == e.point.shape[1] > 1
    if square and close(e.at(e.claimed.T), e.numeric):
        yield "transpose: .T of the gradient is right"


def _swap(e: Evidence) -> Iterator[str]:
    a = e.at(e.claimed)
    for name, numeric in e.others.items():
        if np.all(np.isfinite(numeric)) and close(a, numeric):
            yield f"the gradient of {name} in the place of this one"


def _factor(e: Evidence) -> Iterator[str]:
    c = ratio(e.at(e.claimed), e.numeric)
    if c is None or c == 0.0:
        return
    sign = "sign, and " if c < 0 else ""
    size = abs(c)
    if np.isclose(size, 1.0, rtol=_CLOSE):
        if c < 0:
            yield "sign: minus the gradient is right"
        return
    times = max(size, 1 / size)
    n = round(times) if times < 1e9 else 0
    if not np.isclose(times, n, rtol=_CLOSE):
        yield f"{sign}factor {size:.6g} in every coordinate"
        return
    if n in e.lengths or n > 2:
        sure = "" if n in e.lengths else "perhaps "
        if size > 1:
            yield f"{sign}factor {n}: {sure}a sum where the function has a mean over {n}"
        else:
            yield f"{sign}factor 1/{n}: {sure}a mean over {n} where the function has a sum"
    if n == 2 and size > 1:
        yield f"{sign}factor 2: the ½ of ½x² forgotten, or a contribution counted twice"
    elif n == 2:
        yield f"{sign}factor 1/2: the 2 of 2x forgotten, or only one of two uses counted"


def _addition(e: Evidence) -> Iterator[str]:
    gap = e.at(e.claimed) - e.numeric
    x = e.at(e.point)
    if e.indices.size < 2 or np.ptp(x) == 0:
        return
    c = ratio(gap, x)
    if c:
        what = "missing" if c < 0 else "one too many"
        yield f"it differs by {c:.4g}·x: the derivative of a term {abs(c) / 2:.4g}·Σx² is {what}"
    elif close(gap, np.full(gap.shape, np.median(gap))):
        yield f"it differs by {np.median(gap):.4g} in every coordinate"


def _order(e: Evidence) -> Iterator[str]:
    a = e.at(e.claimed)
    if a.size < e.point.size or a.size < 2 or np.ptp(e.numeric) == 0:
        return
    if close(np.sort(a), np.sort(e.numeric)) and not close(a, e.numeric):
        yield "the right numbers in another order (flip, roll, permutation or reshape)"


def _place(e: Evidence) -> Iterator[str]:
    a = e.at(e.claimed)
    wrong = np.abs(a - e.numeric) > _CLOSE * np.maximum(np.abs(a), np.abs(e.numeric))
    if wrong.all() or not wrong.any():
        return
    x = e.at(e.point)
    for text, where in (("x < 0", x < 0), ("x > 0", x > 0)):
        if np.array_equal(wrong, where):
            yield f"wrong just where {text}: a condition on the sign"
            return
    places = np.unravel_index(e.indices, e.point.shape)
    for axis, place in enumerate(places):
        hit = np.unique(place[wrong])
        if hit.size == 1 and wrong.sum() > 1 and np.array_equal(place == hit[0], wrong):
            yield f"wrong just at index {int(hit[0])} of axis {axis}"
            return
    if len(places) == 2 and np.array_equal(places[0] == places[1], wrong):
        yield "wrong just on the diagonal"
        return
    if not np.any(a[wrong]):
        yield "zero where it is wrong: some coordinates are never filled in"


_RULES: Sequence[Callable[[Evidence], Iterator[str]]] = (
    _zero,
    _cotangent,
    _transpose,
    _swap,
    _lost,
    _factor,
    _addition,
    _order,
    _place,
)
