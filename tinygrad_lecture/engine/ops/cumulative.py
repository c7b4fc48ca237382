"""Ops along one axis that keep its length: running sum and product, sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..value import apply, bare, raw
from .indexing import flip, take_along_axis
from .shaping import axes_of, concatenate, operand, reshape
from .table import linear, other, publish, times


def distinct(rng: np.random.Generator) -> Any:
    """Draw numbers that lie well apart, for ops with kinks at ties."""
    return rng.permutation(12).reshape(2, 3, 2) * 0.3 + rng.uniform(-0.1, 0.1, (2, 3, 2)) - 1.5


def _one_axis(x: Any, axis: int | None, name: str) -> tuple[Any, int]:
    x = operand(x)
    if axis is None:
        return reshape(x, (-1,)), 0
    return x, axes_of(axis, np.ndim(raw(x)), name)[0]


_CUMSUM = linear(
    "cumsum", lambda x, axis: np.cumsum(x, axis=axis),
    lambda g, x, axis: flip(cumsum(flip(g, axis), axis), axis), formula="running Σ",
    cases=lambda rng: ((rng.normal(size=(2, 3)),), {"axis": (None, 0, 1)[rng.integers(3)]}),
)  # fmt: skip


def _rows(x: Any, axis: int) -> list[Any]:
    head = (slice(None),) * axis
    return [x[(*head, i)] for i in range(np.shape(raw(x))[axis])]


def _stacked(rows: list[Any], axis: int, like: Any) -> Any:
    if not rows:
        return np.zeros(np.shape(raw(like)))
    shape = np.shape(raw(like))
    one = tuple(1 if i == axis else n for i, n in enumerate(shape))
    return concatenate([reshape(row, one) for row in rows], axis)


def _cumprod_vjp(g: Any, out: Any, x: Any, axis: int) -> Any:
    """Σ_{j≥k} g_j Π_{i≤j, i≠k} x_i, by a recurrence that never divides."""
    gs, xs = _rows(g, axis), _rows(x, axis)
    before: list[Any] = [np.ones(np.shape(raw(xs[0])))] if xs else []
    for xk in xs[:-1]:
        before.append(before[-1] * xk)
    parts: list[Any] = []
    rest: Any = None
    for k in reversed(range(len(xs))):
        rest = gs[k] if rest is None else gs[k] + times(rest, xs[k + 1])
        parts.append(times(rest, before[k]))
    return _stacked(parts[::-1], axis, x)


def _cumprod_jvp(t: Any, out: Any, x: Any, axis: int) -> Any:
    ts, xs, outs = _rows(t, axis), _rows(x, axis), _rows(out, axis)
    parts = ts[:1]
    for tk, xk, before in zip(ts[1:], xs[1:], outs[:-1], strict=True):
        last = parts[-1]
        parts.append(times(last, xk) + times(tk, before))
    return _stacked(parts, axis, x)


_CUMPROD = other(
    "cumprod", lambda x, axis: np.cumprod(x, axis=axis), _cumprod_vjp, _cumprod_jvp,
    formula="running Π",
    cases=lambda rng: ((rng.normal(size=(2, 3)),), {"axis": (None, 0, 1)[rng.integers(3)]}),
)  # fmt: skip


def cumsum(x: Any, axis: int | None = None) -> Any:
    """Running sum along an axis; of the flattened array by default.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.cumsum(x).sum())([1.0, 2.0, 3.0])
    [3.0, 2.0, 1.0]
    """
    x, axis = _one_axis(x, axis, "cumsum")
    return apply(_CUMSUM, (x,), {"axis": axis})


def cumprod(x: Any, axis: int | None = None) -> Any:
    """Running product along an axis; of the flattened array by default.  Zeros are no special case.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.cumprod(x).sum())([2.0, 0.0, 3.0])
    [1.0, 8.0, 0.0]
    """
    x, axis = _one_axis(x, axis, "cumprod")
    return apply(_CUMPROD, (x,), {"axis": axis})


publish("cumsum", cumsum, [np.cumsum])
publish("cumprod", cumprod, [np.cumprod])


def _order(x: Any, axis: int) -> Any:
    return np.argsort(bare(x), axis=axis, kind="stable")


_SORT = other(
    "sort", lambda x, axis: np.sort(x, axis=axis, kind="stable"),
    lambda g, out, x, axis: take_along_axis(g, np.argsort(_order(x, axis), axis=axis), axis),
    lambda t, out, x, axis: take_along_axis(t, _order(x, axis), axis), analytic=False,
    branch=_order, formula="x in ascending order",
    cases=lambda rng: ((distinct(rng),), {"axis": int(rng.integers(-1, 3))}),
)  # fmt: skip


def sort(x: Any, axis: int | None = -1) -> Any:
    """Sort in ascending order along an axis; equal elements keep their order.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.sort(x)[0])([3.0, 1.0])
    [0.0, 1.0]
    """
    x, axis = _one_axis(x, axis, "sort")
    return apply(_SORT, (x,), {"axis": axis})


publish("sort", sort, [np.sort])
