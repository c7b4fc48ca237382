"""What the functions of this package share: operands and checks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine import Value, reshape
from ...engine.ops.shaping import operand


def as_operand(x: Any) -> Any:
    """Leave Values and float arrays alone; numbers, integers and nested lists become arrays."""
    x = operand(x)
    if isinstance(x, Value) or (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        return x
    return np.asarray(x, float)


def as_numbers(x: Any) -> Any:
    """Do as `as_operand` does, but keep a number as a Python float."""
    return float(x) if isinstance(x, (int, float)) else as_operand(x)


def per_channel(parameter: Any, x: Any, name: str) -> Any:
    """Give a parameter of shape (C,) the shape in which it broadcasts along axis 1 of x.

    One number is for all channels; rows without a batch, (C,), count as channels too.
    """
    shape = parameter.shape
    if len(shape) != 1:
        raise ValueError(f"{name}: the parameter must have shape (C,), got {shape}")
    if shape == (1,):
        return parameter
    axis = 1 if len(x.shape) > 1 else 0
    if len(x.shape) <= axis or x.shape[axis] != shape[0]:
        raise ValueError(
            f"{name}: {shape[0]} channels need an input of shape ({shape[0]},) or (N, {shape[0]},"
            f" ...), got {x.shape}"
        )
    return reshape(parameter, (shape[0],) + (1,) * (len(x.shape) - axis - 1))


def check_probability(name: str, p: float) -> None:
    """Refuse a probability of being dropped outside of [0, 1)."""
    if not 0.0 <= p < 1.0:
        raise ValueError(f"{name}: p must be at least 0 and below 1, got {p}")
