"""Seeded cases: the inputs of a call, and further ones like them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.seeding import Seed, generator
from ..engine import Value
from ..errors import UsageError

__all__ = ["checked_number", "checked_points", "examples_like"]


def checked_number(name: str, value: Any) -> int:
    """Return how many cases or steps there are to be.

    Raises
    ------
    UsageError
        If it is no integer, or less than 1.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 1:
        raise UsageError(f"{name} must be an integer ≥ 1, got {value!r}")
    return int(value)


def checked_points(points: Any) -> float:
    """Return the points to reach.

    Raises
    ------
    UsageError
        If they are no finite number, or negative.
    """
    real = isinstance(points, int | float | np.integer | np.floating)
    if not real or not (math.isfinite(points) and points >= 0):
        raise UsageError(f"points must be a finite number ≥ 0, got {points!r}")
    return float(points)


def examples_like(inputs: Sequence[Any], count: int, seed: Seed) -> list[list[Any]]:
    """Return the inputs themselves and ``count - 1`` more of their shapes.

    Floats are drawn from the normal distribution, with the mean and the deviation of the given
    ones (1 where they are all the same); integers and bools come in another order; anything else
    stays.

    Raises
    ------
    UsageError
        If there is no input, a number is not finite, or `count` is less than 1.
    """
    count = checked_number("cases", count)
    if not inputs:
        raise UsageError("inputs are missing: give an example of each argument of the function")
    rng = generator(seed)
    first = [plain(x) for x in inputs]
    return [first] + [[_another(x, rng) for x in first] for _ in range(count - 1)]


def plain(x: Any) -> Any:
    """Return Values as arrays, numbers as floats, and arrays as copies."""
    data = x.data if isinstance(x, Value) else x
    if isinstance(data, list | tuple):
        data = np.asarray(data)
    if isinstance(data, np.ndarray | float) and not np.isfinite(data).all():
        raise UsageError(f"inputs must be finite, got {data!r}")
    return data.copy() if isinstance(data, np.ndarray) else data


def _another(x: Any, rng: np.random.Generator) -> Any:
    array = np.asarray(x)
    if array.dtype.kind == "f":
        spread = float(array.std()) if array.size > 1 else 0.0
        drawn = rng.normal(float(array.mean()) if array.size else 0.0, spread or 1.0, array.shape)
        return drawn.astype(array.dtype) if isinstance(x, np.ndarray) else float(drawn)
    if isinstance(x, np.ndarray) and array.dtype.kind in "iub":
        return rng.permuted(array.reshape(-1)).reshape(array.shape)
    return x
