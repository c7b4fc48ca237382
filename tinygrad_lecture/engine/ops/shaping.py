"""Rows that move elements about: shapes, axes, indexing, joining.  All are linear."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..value import Value, apply, raw
from .elementwise import where
from .numerics import is_basic, scatter_add, scatter_set
from .table import NAMES, Op, composed, linear, other, publish, register


def axes_of(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """Return axis as a tuple of non-negative ints; None means all axes."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    try:
        found = tuple(operator.index(a) + ndim * (operator.index(a) < 0) for a in axes)
    except TypeError:
        raise TypeError(f"{name}: axis has to be an int or a tuple of ints, not {axis!r}") from None
    if any(not 0 <= a < ndim for a in found):
        raise ValueError(f"{name}: axis={axis} is out of range for an array with {ndim} axes")
    if len(set(found)) != len(found):
        raise ValueError(f"{name}: axis={axis} names an axis twice")
    return found


def shape_of(x: Any) -> tuple[int, ...]:
    """Return the shape of a Value, array or number."""
    shape: tuple[int, ...] = getattr(x, "shape", ())
    return shape


def operand(x: Any) -> Any:
    """Return a list as an array (stacked, if it holds Values), and anything else as it is."""
    if isinstance(x, (Value, np.ndarray, float, int)):
        return x
    if isinstance(x, (list, tuple)) and any(isinstance(item, (Value, list, tuple)) for item in x):
        rows = [operand(item) for item in x]
        if any(isinstance(row, Value) for row in rows):
            return stack(rows)
    return np.asarray(x)


def _small(rng: np.random.Generator) -> Any:
    return rng.normal(size=(2, 3))


# ------------------------------------------------------------------------------------ shapes

_RESHAPE = linear(
    "reshape", lambda x, shape: np.reshape(x, shape),
    lambda g, x, shape: reshape(g, shape_of(x)), formula="x in another shape",
    cases=lambda rng: ((_small(rng), (3, 2)), {}),
)  # fmt: skip
_TRANSPOSE = linear(
    "transpose", lambda x, axes: np.transpose(x, axes),
    lambda g, x, axes: transpose(g, tuple(sorted(axes, key=axes.__getitem__))), symbol="T",
    formula="x with its axes in another order",
    cases=lambda rng: ((rng.normal(size=(2, 3, 2)),), {"axes": (None, (1, 2, 0))[rng.integers(2)]}),
)  # fmt: skip
IDENTITY = linear(
    "identity", lambda x: x, lambda g, x: g, formula="x", cases=lambda rng: ((_small(rng),), {}),
)  # fmt: skip
_BROADCAST = linear(
    "broadcast_to", lambda x, shape: np.broadcast_to(x, shape), lambda g, x, shape: g,
    formula="x repeated to fill a shape",
    cases=lambda rng: ((rng.normal(size=(3, 1)), (2, 3, 4)), {}),
)  # fmt: skip
_ASTYPE = linear(
    "astype", lambda x, dtype: np.asarray(x).astype(dtype), lambda g, x, dtype: g, analytic=False,
    formula="x in another dtype",
    cases=lambda rng: ((_small(rng), np.float64), {}),
)  # fmt: skip


def reshape(x: Any, shape: int | tuple[int, ...], *more: int) -> Any:
    """Give x another shape of the same size; one length may be -1.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.reshape(tg.Value([1.0, 2.0, 3.0, 4.0]), (2, 2)).shape
    (2, 2)
    """
    if type(x) is np.ndarray and isinstance(shape, tuple) and shape:
        return x.reshape(shape)
    x = operand(x)
    shape = (shape, *more) if isinstance(shape, (int, np.integer)) else tuple(shape)
    return apply(_RESHAPE, (x,), {"shape": tuple(int(n) for n in shape)})


def ravel(x: Any) -> Any:
    """Flatten to one axis.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.ravel([[1.0, 2.0], [3.0, 4.0]])
    array([1., 2., 3., 4.])
    """
    return reshape(x, (-1,))


def transpose(x: Any, axes: Any = None, *more: int) -> Any:
    """Permute the axes; reverse them by default.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.transpose(tg.Value([[1.0, 2.0]])).shape
    (2, 1)
    """
    x = operand(x)
    ndim = len(shape_of(x))
    if isinstance(axes, (int, np.integer)):
        axes = (int(axes), *more)
    order = tuple(range(ndim))[::-1] if axes is None else axes_of(tuple(axes), ndim, "transpose")
    if len(order) != ndim:
        raise ValueError(f"transpose: axes={axes} has to name each of the {ndim} axes once")
    return apply(_TRANSPOSE, (x,), {"axes": order})


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.swapaxes([[1.0, 2.0]], 0, 1).shape
    (2, 1)
    """
    order = list(range(len(shape_of(operand(x)))))
    (i,), (j,) = (axes_of(a, len(order), "swapaxes") for a in (axis1, axis2))
    order[i], order[j] = order[j], order[i]
    return transpose(x, order)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Move axes to new positions; the others keep their order.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> import numpy as np
    >>> tg.moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    ndim = len(shape_of(operand(x)))
    start, end = axes_of(source, ndim, "moveaxis"), axes_of(destination, ndim, "moveaxis")
    if len(start) != len(end):
        raise ValueError(
            f"moveaxis: source={source} and destination={destination} differ in length"
        )
    order = [i for i in range(ndim) if i not in start]
    for to, i in sorted(zip(end, start, strict=True)):
        order.insert(to, i)
    return transpose(x, order)


def expand_dims(x: Any, axis: int | tuple[int, ...]) -> Any:
    """Insert axes of length 1 at the given positions of the result.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.expand_dims([1.0, 2.0], 0).shape
    (1, 2)
    """
    return reshape(x, np.expand_dims(raw(operand(x)), axis).shape)


def squeeze(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """Remove axes of length 1: all of them, or those given.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.squeeze([[1.0, 2.0]]).shape
    (2,)
    """
    return reshape(x, np.squeeze(np.asarray(raw(operand(x))), axis).shape)


def broadcast_to(x: Any, shape: int | tuple[int, ...]) -> Any:
    """Repeat x, without copying, to fill a shape that it broadcasts to.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.broadcast_to(x, (3,)).sum())(1.0)
    3.0
    """
    if type(x) is np.ndarray and shape != ():
        return np.broadcast_to(x, shape)
    return apply(
        _BROADCAST, (operand(x),), {"shape": (shape,) if isinstance(shape, int) else tuple(shape)}
    )


def astype(x: Any, dtype: Any) -> Any:
    """Convert an array to another float dtype; the adjoint comes back in the old one.

    Raises
    ------
    TypeError
        For dtypes that cannot carry a derivative.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.astype(tg.Value([1.0]), "float32").dtype
    dtype('float32')
    """
    dtype = np.dtype(dtype)
    if isinstance(x, Value) and (dtype.kind != "f" or dtype.itemsize > 8):
        raise TypeError(
            f"dtype={dtype} cannot carry a derivative: use float16, float32 or float64, or "
            "v.data.astype(...) for bare numbers"
        )
    return apply(_ASTYPE, (operand(x),), {"dtype": dtype})


publish("identity", lambda x: apply(IDENTITY, (x,)))
publish("reshape", reshape, [np.reshape])
publish("transpose", transpose, [np.transpose])
publish("broadcast_to", broadcast_to, [np.broadcast_to])
publish("astype", astype)
composed("ravel", ravel, lambda rng: ((_small(rng),), {}), [np.ravel])
composed("swapaxes", swapaxes, lambda rng: ((_small(rng), 0, 1), {}), [np.swapaxes])
composed("moveaxis", moveaxis, lambda rng: ((rng.normal(size=(2, 3, 4)), 0, 2), {}), [np.moveaxis])
composed("expand_dims", expand_dims, lambda rng: ((_small(rng), (0, 2)), {}), [np.expand_dims])
composed("squeeze", squeeze, lambda rng: ((rng.normal(size=(1, 3, 1)),), {}), [np.squeeze])

# ---------------------------------------------------------------------------------- indexing


def _index(index: Any) -> Any:
    """Check an index, and copy its arrays: a later write to them must not change a record."""
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)
    if isinstance(index, Value):
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
    place = raw(x)[index].shape
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
    cases=lambda rng: ((_small(rng), ((1, 2), (0, 1))), {"constant_values": 2.0}),
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
    ("take", take, np.take, lambda rng: ((_small(rng), [2, 0, 2], 1), {})),
    (
        "take_along_axis", take_along_axis, np.take_along_axis,
        lambda rng: ((_small(rng), [[1, 1], [0, 2]], 1), {}),
    ),
    ("flip", flip, np.flip, lambda rng: ((_small(rng), 1), {})),
    ("roll", roll, np.roll, lambda rng: ((_small(rng), 2, 1), {})),
    ("repeat", repeat, np.repeat, lambda rng: ((_small(rng), [1, 0, 2], 1), {})),
    ("tile", tile, np.tile, lambda rng: ((_small(rng), (2, 1)), {})),
    ("diagonal", diagonal, np.diagonal, lambda rng: ((rng.normal(size=(3, 4)), 1), {})),
    ("trace", trace, np.trace, lambda rng: ((rng.normal(size=(3, 3)),), {})),
):  # fmt: skip
    composed(_name, _function, _case, [_numpy])

# ----------------------------------------------------------------------------------- joining


def _concatenate_vjp(i: int, g: Any, out: Any, *parts: Any, axis: int) -> Any:
    start = sum(shape_of(part)[axis] for part in parts[:i])
    head = (slice(None),) * axis
    return g[(*head, slice(start, start + shape_of(parts[i])[axis]))]


def _concatenate_jvp(tangents: dict[int, Any], out: Any, *parts: Any, axis: int) -> Any:
    rows = [tangents.get(i, np.zeros(shape_of(part))) for i, part in enumerate(parts)]
    return concatenate(rows, axis)


_CONCATENATE = register(
    Op(
        "concatenate", "linear", -1, lambda values, params: np.concatenate(values, **params),
        _concatenate_vjp, _concatenate_jvp, symbol="concat", needed=frozenset(),
        formula="parts, one after the other",
        cases=lambda rng: (([rng.normal(size=(2, 3)), rng.normal(size=(1, 3))],), {"axis": 0}),
    )
)  # fmt: skip


def concatenate(parts: Sequence[Any], axis: int | None = 0) -> Any:
    """Join arrays along an existing axis.

    Parameters
    ----------
    parts : sequence of array_like or Value
    axis : int or None
        None flattens the parts first.

    Raises
    ------
    ValueError
        If there are no parts, or a part is a scalar (use `stack`).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.concatenate([[1.0, 2.0], [3.0]])
    array([1., 2., 3.])
    """
    joined = [operand(part) if axis is not None else ravel(part) for part in parts]
    if not joined:
        raise ValueError("parts is empty: concatenate needs at least one array")
    if any(shape_of(part) == () for part in joined):
        raise ValueError("parts hold a scalar: scalars are joined by tg.stack, not by concatenate")
    (axis,) = axes_of(axis or 0, len(shape_of(joined[0])), "concatenate")
    return apply(_CONCATENATE, tuple(joined), {"axis": axis})


def stack(parts: Sequence[Any], axis: int = 0) -> Any:
    """Join scalars or arrays of one shape along a new axis.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.stack([tg.Value(1.0), 2.0]).data
    array([1., 2.])
    """
    rows = [operand(part) for part in parts]
    shapes = sorted({shape_of(row) for row in rows})
    if len(shapes) != 1:
        raise ValueError(
            f"parts have the shapes {shapes}: stack needs one shape, and at least one part"
        )
    (axis,) = axes_of(axis, len(shapes[0]) + 1, "stack")
    new_shape = (*shapes[0][:axis], 1, *shapes[0][axis:])
    return concatenate([reshape(row, new_shape) for row in rows], axis)


def split(x: Any, sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut along an axis: into equal sections, or before each of the given positions.

    Raises
    ------
    ValueError
        If the length is not a multiple of the number of sections.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.split([1.0, 2.0, 3.0], [1])
    [array([1.]), array([2., 3.])]
    """
    x = operand(x)
    (axis,) = axes_of(axis, len(shape_of(x)), "split")
    n = shape_of(x)[axis]
    if isinstance(sections, (int, np.integer)):
        if sections < 1 or n % sections:
            raise ValueError(f"sections={sections} does not divide length {n} of axis {axis}")
        cuts = [n // int(sections) * k for k in range(int(sections) + 1)]
    else:
        cuts = [0, *(int(c) for c in sections), n]
    head = (slice(None),) * axis
    return [x[(*head, slice(a, b))] for a, b in itertools.pairwise(cuts)]


publish("concatenate", concatenate, [np.concatenate])
composed("stack", stack, lambda rng: (([_small(rng), _small(rng)],), {"axis": 1}), [np.stack])
composed("split", split, lambda rng: ((_small(rng), [1], 1), {}), [np.split])
