"""Rows that give elements another arrangement: shapes, axes, dtypes, joining.  All are linear."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..value import Value, apply, raw
from .table import NAMES, Op, composed, linear, publish, register


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


def small(rng: np.random.Generator) -> Any:
    """Draw a small matrix, for cases."""
    return rng.normal(size=(2, 3))


# ------------------------------------------------------------------------------------ shapes

_RESHAPE = linear(
    "reshape", lambda x, shape: np.reshape(x, shape),
    lambda g, x, shape: reshape(g, shape_of(x)), formula="x in another shape",
    cases=lambda rng: ((small(rng), (3, 2)), {}),
)  # fmt: skip
_TRANSPOSE = linear(
    "transpose", lambda x, axes: np.transpose(x, axes),
    lambda g, x, axes: transpose(g, tuple(sorted(axes, key=axes.__getitem__))), symbol="T",
    formula="x with its axes in another order",
    cases=lambda rng: ((rng.normal(size=(2, 3, 2)),), {"axes": (None, (1, 2, 0))[rng.integers(2)]}),
)  # fmt: skip
IDENTITY = linear(
    "identity", lambda x: x, lambda g, x: g, formula="x", cases=lambda rng: ((small(rng),), {}),
)  # fmt: skip
_BROADCAST = linear(
    "broadcast_to", lambda x, shape: np.broadcast_to(x, shape), lambda g, x, shape: g,
    formula="x repeated to fill a shape",
    cases=lambda rng: ((rng.normal(size=(3, 1)), (2, 3, 4)), {}),
)  # fmt: skip
_ASTYPE = linear(
    "astype", lambda x, dtype: np.asarray(x).astype(dtype), lambda g, x, dtype: g, analytic=False,
    formula="x in another dtype",
    cases=lambda rng: ((small(rng), np.float64), {}),
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
composed("ravel", ravel, lambda rng: ((small(rng),), {}), [np.ravel])
composed("swapaxes", swapaxes, lambda rng: ((small(rng), 0, 1), {}), [np.swapaxes])
composed("moveaxis", moveaxis, lambda rng: ((rng.normal(size=(2, 3, 4)), 0, 2), {}), [np.moveaxis])
composed("expand_dims", expand_dims, lambda rng: ((small(rng), (0, 2)), {}), [np.expand_dims])
composed("squeeze", squeeze, lambda rng: ((rng.normal(size=(1, 3, 1)),), {}), [np.squeeze])

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


def _scatter_run(values: Any, params: Any) -> Any:
    complex_step = any(type(v) is complex for v in values)
    out = np.zeros(math.prod(params["shape"]), complex if complex_step else params["dtype"])
    out[list(params["places"])] = values
    return out.reshape(params["shape"])


def _scatter_jvp(
    tangents: dict[int, Any], out: Any, *values: Any, places: Any, shape: Any, dtype: Any
) -> Any:
    return scatter(list(tangents.values()), [places[i] for i in tangents], shape, dtype)


# what `stack` of scalars is made of, and the adjoint of an array that was read number by number
SCATTER = Op(
    "scatter", "linear", -1, _scatter_run,
    lambda i, g, out, *values, places, shape, dtype: reshape(g, (-1,))[places[i]],
    _scatter_jvp, symbol="[v, ...]", needed=frozenset(),
    formula="scalars at their places, zero elsewhere",
)  # fmt: skip


def scatter(
    values: Sequence[Any], places: Sequence[int], shape: tuple[int, ...], dtype: Any = np.float64
) -> Any:
    """Return an array of zeros with scalars at given distinct places of the flattened array."""
    params = {"places": tuple(places), "shape": tuple(shape), "dtype": np.dtype(dtype)}
    return apply(SCATTER, tuple(values), params)


NAMES["scatter"] = scatter


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
    if shapes[0] == () and any(isinstance(row, Value) for row in rows):
        return scatter(rows, range(len(rows)), (len(rows),))
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
composed("stack", stack, lambda rng: (([small(rng), small(rng)],), {"axis": 1}), [np.stack])
composed("split", split, lambda rng: ((small(rng), [1], 1), {}), [np.split])
