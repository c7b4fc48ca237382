"""Checks of settings that optimizers and schedules share."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np


def check_number(
    owner: str, name: str, value: Any, low: float = 0.0, high: float = math.inf
) -> float:
    """Return a hyper-parameter as a float, or raise ValueError that says what would be right."""
    number = float(value)
    if not (low <= number < high):
        upper = "" if high == math.inf else f" and below {high:g}"
        raise ValueError(f"{owner}: {name} must be at least {low:g}{upper}, got {value!r}")
    return number


def check_count(owner: str, name: str, value: Any, low: int = 1) -> int:
    """Return a number of steps as an int, or raise ValueError."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{owner}: {name} must be an integer, got {value!r}") from None
    if number < low:
        raise ValueError(f"{owner}: {name} must be at least {low}, got {number}")
    return number


def check_choice(owner: str, name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return one of the choices, or raise ValueError that lists them."""
    if value not in choices:
        listed = ", ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"{owner}: {name} must be one of {listed}, got {value!r}")
    return str(value)


def check_positive(owner: str, name: str, value: Any) -> float:
    """Return a number above 0 as a float, or raise ValueError."""
    number = float(value)
    if not 0.0 < number < math.inf:
        raise ValueError(f"{owner}: {name} must be above 0 and finite, got {value!r}")
    return number


def check_betas(owner: str, betas: Any) -> None:
    """Raise ValueError unless these are two numbers in [0, 1)."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"{owner}: betas must be a pair such as (0.9, 0.999), got {betas!r}")
    check_number(owner, "betas[0]", betas[0], high=1.0)
    check_number(owner, "betas[1]", betas[1], high=1.0)


def check_flag(owner: str, name: str, value: Any) -> None:
    """Raise ValueError unless this is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{owner}: {name} must be True or False, got {value!r}")


def check_entry(
    entry: Mapping[str, Any],
    shape: tuple[int, ...],
    arrays: tuple[str, ...],
    numbers: tuple[str, ...] = ("step",),
    optional: tuple[str, ...] = (),
) -> None:
    """Raise ValueError unless a state has these parts: numbers >= 0, and arrays of a shape."""
    needed = (*numbers, *arrays)
    if not set(needed) <= set(entry) <= {*needed, *optional}:
        raise ValueError(f"it has {', '.join(entry)}, not {', '.join(needed)}")
    for key, value in entry.items():
        if key in numbers:
            if not (isinstance(value, float) and value >= 0):
                raise ValueError(f"{key} must be a number of at least 0, got {value!r}")
        elif not isinstance(value, (float, np.ndarray)) or np.shape(value) != shape:
            raise ValueError(f"{key} must have the parameter's shape {shape}, got {value!r}")
