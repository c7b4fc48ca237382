"""Scores for a search, in a file that other processes can import."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def bowl(params: dict[str, Any], rng: np.random.Generator) -> float:
    """Best at lr = 0.01; 16 is the best width, and matters little."""
    off = 0.0 if "width" not in params else math.log(params["width"] / 16) ** 2
    return math.log10(params["lr"] / 1e-2) ** 2 + 0.3 * off


def noisy_bowl(params: dict[str, Any], rng: np.random.Generator) -> float:
    """The same with a little noise from the trial's own generator."""
    return bowl(params, rng) + 0.05 * float(rng.random())
