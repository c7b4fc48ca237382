"""Rows that pick elements and put them somewhere: indexing, functional writes, padding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..modes import TRACING, recorder
from ..value import Value, apply, plain_params, raw
from .elementwise import where
from .numerics import is_basic, scatter_add, scatter_set
from .shaping import axes_of, operand, ravel, reshape, shape_of, small
from .table import NAMES, Op, composed, linear, other, publish


def _index(index: Any) -> Any:
    """Check an index, and copy its arrays: a later write to them must not change a record."""
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)
    if isinstance(index, Value):
        if TRACING and recorder() is not None and index.dtype.kind in "iu" and index.ndim:
            return index
        raise TypeError(
            "an index has to be integers or booleans, and a Value came: use v.data.astype(int)"
        )
    if isinstance(index, (list, np.ndarray)):
        array = np.array(index)
        if array.size and array.dtype.kind not in "iub":
            raise TypeError(f"an index array has to hold integers or booleans, not {array.dtype}")
        return array if array.size else array.astype(int) if array.dtype.kind == "f" else array
    return index


def _zeros(x: Any, g: Any) -> Any:
    return np.zeros(shape_of(x), getattr(g, "dtype", None))


_GETITEM: Op = linear(
    "getitem", lambda x, index: x[index],
    lambda g, x, index: apply(_AT_ADD, (_zeros(x, g), g), {"index": index}),
    symbol="[ ]", formula="x[index]",
    cases=lambda rng: ((rng.normal(size=(3, 4)), _EXAMPLES[rng.integers(len(_EXAMPLES))]), {}),
)  # fmt: skip
_AT_ADD: Op = linear(
    "at_add", lambda x, value, index: scatter_add(x, index, value),
    lambda g, x, value, index: g, lambda g, x, value, index: g[index], jointly=True,
    symbol="x[i] + v", formula="x with x[index] + value",
    cases=lambda rng: ((rng.normal(size=(3, 4)), ([0, 2, 0],), rng.normal(size=(3, 4))), {}),
)  # fmt: skip
_AT_SET = linear(
    "at_set", lambda x, value, index: scatter_set(x, index, value),
    lambda g, x, value, index: at_set(g, index, 0.0),
    lambda g, x, value, index: _of_last_written(g[index], shape_of(x), index), jointly=True,
    symbol="x[i] = v", formula="x with x[index] = value",
    cases=lambda rng: ((rng.normal(size=(3, 4)), (slice(1, 3), 2), rng.normal(size=2)), {}),
)  # fmt: skip
_EXAMPLES: tuple[Any, ...] = (
    1, (slice(None), -1), (slice(None, None, -2), slice(1, 3)), (Ellipsis, 0), (None, 2),
    np.array([True, False, True]), [0, 2, 0], ([0, 1], [3, 3]), (np.array([[0], [2]]), slice(1, 4)),
    np.arange(12).reshape(3, 4) % 2 == 0,
)  # fmt: skip


def _of_last_written(g: Any, shape: tuple[int, ...], index: Any) -> Any:
    """Return g where a write at `index` stands in the end, 0 where a later one replaced it."""
    if is_basic(index):
        return g
    places = np.arange(math.prod(shape)).reshape(shape)[index]
    order = np.arange(places.size).reshape(places.shape)
    final = np.zeros(math.prod(shape), int)
    final[places] = order
    return where(final[places] == order, g, 0.0)


def getitem(x: Any, index: Any) -> Any:
    """x[index], for every kind of index that NumPy has.

    Elements taken twice gain both adjoints.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> import numpy as np
    >>> tg.grad(lambda x: x[[0, 0, 1]].sum())(np.array([1.0, 2.0, 3.0]))
    array([2., 1., 0.])
    """
    x, index = operand(x), _index(index)
    if np.ndim(raw(x)):
        return apply(_GETITEM, (x,), {"index": index})
    try:  # NumPy's axisless arrays know ..., None and booleans
        places = np.zeros((), int)[index]
    except IndexError:
        raise TypeError(f"a scalar cannot be indexed with {index!r}") from None
    return reshape(x, (1,))[places]


def at_add(x: Any, index: Any, value: Any) -> Any:
    """Return a copy of x with `value` added at `index`: the functional ``x[index] += value``.

    Indices that occur twice gain both values.

    Parameters
    ----------
    x : array_like or Value
    index : anything that NumPy indexes with
    value : number, array_like or Value
        Broadcast to the shape of ``x[index]``.

    Returns
    -------
    ndarray or Value

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.at_add([1.0, 2.0], [0, 0], 10.0)
    array([21.,  2.])
    """
    return _write(_AT_ADD, x, index, value)


def at_set(x: Any, index: Any, value: Any) -> Any:
    """Return a copy of x with `value` at `index`: the functional ``x[index] = value``.

    Where an index occurs twice the last value stands, and it alone gets an adjoint.

    Parameters
    ----------
    x : array_like or Value
    index : anything that NumPy indexes with
    value : number, array_like or Value
        Broadcast to the shape of ``x[index]``.

    Returns
    -------
    ndarray or Value

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda v: tg.at_set([1.0, 2.0], 0, v).sum())(5.0)
    1.0
    """
    return _write(_AT_SET, x, index, value)


def _write(row: Op, x: Any, index: Any, value: Any) -> Any:
    x, value, index = operand(x), operand(value), _index(index)
    if np.ndim(raw(x)) == 0:
        raise TypeError(f"{row.name} writes into an array, and a scalar came")
    place = raw(x)[plain_params(index)].shape
    try:
        fits = np.broadcast_shapes(place, shape_of(value)) == place
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"value of shape {shape_of(value)} does not fit x[index] of shape {place}")
    return apply(row, (x, value), {"index": index})


publish("getitem", getitem)
publish("at_add", at_add)
publish("at_set", at_set)
Value.__getitem__ = getitem  # type: ignore[method-assign]


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Take elements along an axis; of the flattened array by default.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.take([1.0, 2.0, 3.0], [2, 0])
    array([3., 1.])
    """
    x, indices = operand(x), _integers(indices, "take")
    if axis is None:
        return getitem(ravel(x), indices)
    (axis,) = axes_of(axis, len(shape_of(x)), "take")
    return getitem(x, (*(slice(None),) * axis, indices))


def _integers(indices: Any, name: str) -> Any:
    if TRACING and isinstance(indices, Value) and recorder() is not None:
        return indices
    array = np.asarray(indices)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: indices have to be integers, not {array.dtype}; write x[mask] for a mask"
        )
    return array.astype(int, copy=False)


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """Take, in each row along an axis, the elements that its row of `indices` names.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.take_along_axis([[1.0, 2.0], [3.0, 4.0]], [[1], [0]], axis=1)
    array([[2.],
           [3.]])
    """
    x, indices = operand(x), _integers(indices, "take_along_axis")
    if axis is None:
        return ravel(x)[indices.ravel()]
    (axis,) = axes_of(axis, len(shape_of(x)), "take_along_axis")
    if indices.ndim != len(shape_of(x)):
        raise ValueError(
            f"indices have {indices.ndim} axes, and x has {len(shape_of(x))}: they have to agree"
        )
    place = [
        np.arange(n).reshape((1,) * i + (n,) + (1,) * (indices.ndim - i - 1))
        for i, n in enumerate(shape_of(x))
    ]
    place[axis] = indices
    return x[tuple(place)]


def flip(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """Reverse the order along axes, all by default.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.flip([1.0, 2.0, 3.0])
    array([3., 2., 1.])
    """
    x = operand(x)
    axes = axes_of(axis, len(shape_of(x)), "flip")
    steps = tuple(
        slice(None, None, -1) if i in axes else slice(None) for i in range(len(shape_of(x)))
    )
    return x[steps] if steps else x


def roll(x: Any, shift: int | tuple[int, ...], axis: int | tuple[int, ...] | None = None) -> Any:
    """Shift along axes, around the end; the flattened array by default.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.roll([1.0, 2.0, 3.0], 1)
    array([3., 1., 2.])
    """
    x = operand(x)
    source = np.roll(np.arange(math.prod(shape_of(x))).reshape(shape_of(x)), shift, axis)
    return getitem(ravel(x), source)


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element along an axis; of the flattened array by default.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.repeat(x, 3).sum())([1.0, 2.0])
    [3.0, 3.0]
    """
    x = operand(x) if axis is not None else ravel(x)
    (axis,) = axes_of(0 if axis is None else axis, len(shape_of(x)), "repeat")
    return take(x, np.repeat(np.arange(shape_of(x)[axis]), repeats), axis)


def tile(x: Any, reps: int | tuple[int, ...]) -> Any:
    """Repeat the whole array `reps` times along each axis.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.tile([1.0, 2.0], 2)
    array([1., 2., 1., 2.])
    """
    x = operand(x)
    return getitem(ravel(x), np.tile(np.arange(math.prod(shape_of(x))).reshape(shape_of(x)), reps))


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonal of two axes, as the last axis of the result.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.diagonal([[1.0, 2.0], [3.0, 4.0]])
    array([1., 4.])
    """
    x = operand(x)
    places = np.arange(math.prod(shape_of(x))).reshape(shape_of(x))
    return ravel(x)[np.diagonal(places, offset, axis1, axis2)]


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum of the diagonal.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.trace)([[1.0, 2.0], [3.0, 4.0]])
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return NAMES["sum"](diagonal(x, offset, axis1, axis2), axis=-1)


def _inside(widths: Any, shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for (a, _), n in zip(widths, shape, strict=True))


_PAD = other(
    "pad", lambda x, widths, constant: np.pad(x, widths, constant_values=constant),
    lambda g, out, x, widths, constant: g[_inside(widths, shape_of(x))],
    lambda t, out, x, widths, constant: pad(t, widths), needed=frozenset(),
    formula="x within a border of a constant",
    cases=lambda rng: ((small(rng), ((1, 2), (0, 1))), {"constant_values": 2.0}),
)  # fmt: skip


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Any:
    """Add a border of a constant.

    Parameters
    ----------
    x : array_like or Value
    pad_width : int, (before, after), or one such pair per axis
    mode : {"constant"}
    constant_values : float, default 0

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.pad([1.0, 2.0], (1, 0))
    array([0., 1., 2.])
    """
    if mode != "constant":
        raise ValueError(
            f"mode={mode!r}: pad knows 'constant' alone; build others with tg.concatenate"
        )
    x = operand(x)
    if not shape_of(x):
        return x
    widths = np.broadcast_to(np.asarray(pad_width), (len(shape_of(x)), 2))
    if widths.dtype.kind not in "iu" or (widths < 0).any():
        raise ValueError(f"pad_width has to hold integers of 0 or more, not {pad_width!r}")
    pairs = tuple((int(a), int(b)) for a, b in widths)
    return apply(_PAD, (x,), {"widths": pairs, "constant": float(constant_values)})


publish("pad", pad, [np.pad])
for _name, _function, _numpy, _case in (
    ("take", take, np.take, lambda rng: ((small(rng), [2, 0, 2], 1), {})),
    (
        "take_along_axis", take_along_axis, np.take_along_axis,
        lambda rng: ((small(rng), [[1, 1], [0, 2]], 1), {}),
    ),
    ("flip", flip, np.flip, lambda rng: ((small(rng), 1), {})),
    ("roll", roll, np.roll, lambda rng: ((small(rng), 2, 1), {})),
    ("repeat", repeat, np.repeat, lambda rng: ((small(rng), [1, 0, 2], 1), {})),
    ("tile", tile, np.tile, lambda rng: ((small(rng), (2, 1)), {})),
    ("diagonal", diagonal, np.diagonal, lambda rng: ((rng.normal(size=(3, 4)), 1), {})),
    ("trace", trace, np.trace, lambda rng: ((rng.normal(size=(3, 3)),), {})),
):  # fmt: skip
    composed(_name, _function, _case, [_numpy])
