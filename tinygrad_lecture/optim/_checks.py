"""Checks of settings that optimizers and schedules share."""

from __future__ import annotations

import math
import operator
from typing import Any


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
