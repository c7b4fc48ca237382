"""Views: which elements of a result an operand reads, and what rearranging ops make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .program import Gather, Program, View, strides_of

__all__ = ["as_view", "element_offsets", "rearranged", "through", "viewed"]

Ints = NDArray[np.int64]


def as_view(row: int, offsets: Ints) -> View | None:
    """Return the view that reads these offsets of a row, if there is one."""
    shape = offsets.shape
    if offsets.size == 0:
        return View(row, 0, shape, strides_of(shape))
    start = int(offsets.flat[0])
    strides = []
    for axis, n in enumerate(shape):
        if n == 1:
            strides.append(0)
            continue
        index = [0] * len(shape)
        index[axis] = 1
        strides.append(int(offsets[tuple(index)]) - start)
    want: Any = start
    for axis, (n, s) in enumerate(zip(shape, strides, strict=True)):
        steps = np.arange(n) * s
        want = want + steps.reshape((n,) + (1,) * (len(shape) - axis - 1))
    return View(row, start, shape, tuple(strides)) if (offsets == want).all() else None


def element_offsets(view: View) -> Ints:
    """Return the offset of every element of a view."""
    offsets: Any = view.offset
    for axis, (n, s) in enumerate(zip(view.shape, view.strides, strict=True)):
        offsets = offsets + (np.arange(n) * s).reshape((n,) + (1,) * (len(view.shape) - axis - 1))
    return np.asarray(offsets)


def through(x: Any, where: list[Any]) -> Any:
    """Return an operand where its row became a part of another."""
    if type(x) is int:
        return where[x]
    if type(x) is Gather:
        rows, offsets = x.rows.copy(), x.offsets.copy()
        for r in np.unique(x.rows).tolist():
            here = x.rows == r
            if type(where[r]) is View:
                inside = element_offsets(where[r]).reshape(-1)
                rows[here], offsets[here] = where[r].row, inside[x.offsets[here]]
            else:
                rows[here] = where[r]
        return Gather(rows, offsets)
    if type(x) is not View:
        return x
    target = where[x.row]
    if type(target) is int:
        return x._replace(row=target)
    inside = element_offsets(target).reshape(-1)
    offsets = inside[element_offsets(x)]
    return as_view(target.row, offsets) or Gather(np.full(offsets.shape, target.row), offsets)


def viewed(
    name: str, operand: Any, params: dict[str, Any], new: Program, shape: Any, dtype: Any
) -> View | None:
    """Return the view that a row of another arrangement is, if it is one."""
    if name not in ("reshape", "transpose", "broadcast_to", "getitem", "identity"):
        return None
    if type(operand) is int:
        view = View(operand, 0, new.shape[operand], strides_of(new.shape[operand]))
    elif type(operand) is View:
        view = operand
    else:
        return None
    if new.dtype[view.row] != dtype:
        return None
    return rearranged(view, name, params, shape)


def rearranged(view: View, name: str, params: dict[str, Any], shape: Any) -> View | None:
    """Apply a rearranging op to a view, with NumPy doing the arithmetic of strides."""
    # a byte per element, at addresses that are never read: only strides and offsets are asked for
    size = view.offset + 1 + sum(
        max(0, (n - 1) * s) for n, s in zip(view.shape, view.strides, strict=True)
    )  # fmt: skip
    memory = np.empty(max(size, 1), np.int8)
    array = np.lib.stride_tricks.as_strided(
        memory[view.offset :], view.shape, view.strides, writeable=False
    )
    if name == "getitem":
        index = params["index"]
        parts = index if type(index) is tuple else (index,)
        basic = all(
            p is None or p is Ellipsis or isinstance(p, (int, np.integer, slice)) for p in parts
        )
        if not basic or any(isinstance(p, (bool, np.bool_)) for p in parts):
            return None
        array = array[index]
        if not isinstance(array, np.ndarray):
            return View(view.row, _offset_of(view, parts), (), ())
    elif name == "transpose":
        array = array.transpose(params["axes"])
    elif name == "broadcast_to":
        array = np.broadcast_to(array, shape)
    elif name == "reshape":
        reshaped = array.view()
        try:
            reshaped.shape = shape
        except AttributeError:
            return None
        array = reshaped
    offset = array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return View(view.row, offset, array.shape, array.strides)


def _offset_of(view: View, parts: Any) -> int:
    offset = view.offset
    explicit = [p for p in parts if p is not Ellipsis and p is not None]
    for p, n, s in zip(explicit, view.shape, view.strides, strict=True):
        offset += (int(p) % n) * s
    return offset
