"""Checks of arguments that several files of this room share."""

from __future__ import annotations

import math
import operator
from typing import SupportsIndex

from tinygrad_lecture.errors import UsageError


def count(name: str, value: SupportsIndex, least: int) -> int:
    """`value` as an integer that is at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise UsageError(f"{name} must be an integer, got {value!r}") from None
    if number < least:
        raise UsageError(f"{name} must be at least {least}, got {number}")
    return number


def deviation(name: str, value: float) -> float:
    """`value` as a standard deviation: finite and not negative."""
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{name} must be a finite standard deviation ≥ 0, got {value!r}")
    return float(value)
