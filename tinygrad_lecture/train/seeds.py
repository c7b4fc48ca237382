"""Results over seeds: a mean with its error bar, never one lucky run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..errors import UsageError
from .trials import run_trials

__all__ = ["ErrorBar", "error_bar", "over_seeds"]


@dataclass(frozen=True)
class ErrorBar:
    """Mean of a result over seeds, with its confidence interval.

    Attributes
    ----------
    values : tuple of float
        One a seed.
    confidence : float
        Of the interval.
    """

    values: tuple[float, ...]
    confidence: float = 0.95

    @property
    def mean(self) -> float:
        """The mean."""
        return float(np.mean(self.values))

    @property
    def std(self) -> float:
        """Standard deviation of the results, with divisor n − 1."""
        return float(np.std(self.values, ddof=1))

    @property
    def half_width(self) -> float:
        """t · std / √n, with Student's quantile t for n − 1 degrees of freedom."""
        n = len(self.values)
        return student_quantile((1 + self.confidence) / 2, n - 1) * self.std / math.sqrt(n)

    @property
    def low(self) -> float:
        """Lower end of the confidence interval of the mean."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the confidence interval of the mean."""
        return self.mean + self.half_width

    def __str__(self) -> str:
        n = len(self.values)
        return f"{self.mean:.4g} ± {self.half_width:.2g} ({self.confidence:.0%}, {n} seeds)"


def error_bar(values: Sequence[float], confidence: float = 0.95) -> ErrorBar:
    """Return mean and confidence interval of results that differ in their seeds alone.

    mean ± t·s/√n, with s the standard deviation of the results and t Student's quantile. It holds
    for results that are about normal, and speaks of the mean over seeds: single runs spread by s.

    Parameters
    ----------
    values : sequence of float
        At least two, finite.
    confidence : float
        Between 0 and 1.

    Raises
    ------
    UsageError
        For fewer values, ones that are not finite, or another confidence.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> bar = tg.train.error_bar([0.974, 0.970, 0.970])
    >>> print(bar)
    0.9713 ± 0.0057 (95%, 3 seeds)
    """
    numbers = tuple(float(value) for value in values)
    if len(numbers) < 2 or not np.isfinite(numbers).all():
        raise UsageError(f"an error bar needs two finite values or more, got {list(numbers)}")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must be between 0 and 1, got {confidence}")
    return ErrorBar(numbers, confidence)


def over_seeds(
    function: Callable[[np.random.Generator], float],
    n: int = 5,
    *,
    confidence: float = 0.95,
    **options: Any,
) -> ErrorBar:
    """Run a training with `n` seeds and return the mean of its result with an error bar.

    Parameters
    ----------
    function : callable
        ``function(rng)`` returns a number; see `run_trials` for what may travel.
    n : int
        Seeds, >= 2.
    confidence : float
    **options
        ``seed``, ``executor``, ``workers``, ``retries`` and ``tick`` of `run_trials`.

    Raises
    ------
    UsageError, TrialError, WorkerDeathError
        See `error_bar` and `run_trials`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> def height(rng):
    ...     return rng.normal(170, 10)
    >>> print(tg.train.over_seeds(height, 20, executor=tg.train.SerialExecutor()))
    170.2 ± 4.7 (95%, 20 seeds)
    """
    if n < 2:
        raise UsageError(f"an error bar needs at least 2 seeds, got n={n}")
    return error_bar(run_trials(partial(_call, function), [None] * n, **options), confidence)


def _call(function: Callable[[Any], float], _: None, rng: np.random.Generator) -> float:
    return function(rng)


def student_quantile(p: float, freedom: int) -> float:
    """Quantile of Student's t for a probability p in (½, 1) and whole degrees of freedom.

    Examples
    --------
    >>> from tinygrad_lecture.train.seeds import student_quantile
    >>> student_quantile(0.975, 4)
    2.7764451
    """
    low, high = 0.0, 1.0
    while student_cdf(high, freedom) < p:
        high *= 2
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if student_cdf(middle, freedom) < p else (low, middle)
    return middle


def student_cdf(t: float, freedom: int) -> float:
    """P(T ≤ t), t ≥ 0: the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = total = (cosine if odd else 1.0) if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return 0.5 + inside / 2
