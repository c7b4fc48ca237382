"""`robbins_monro`: whether a schedule may converge, by its sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .scheduler import LRScheduler

__all__ = ["RobbinsMonro", "robbins_monro"]

EXACT = 14
"""Steps below 2^14 are all added up; later blocks are sampled."""
LAST = 50
"""Blocks of doubled length go up to step 2^50."""
TAIL = 10
"""The last blocks, which tell how the sums go on."""
SAMPLES = 256


@dataclass(frozen=True)
class RobbinsMonro:
    """What `robbins_monro` found.

    Attributes
    ----------
    travel : float
        Σα(t), the farthest that gradients of length 1 could carry; inf if the sum diverges.
    noise : float
        Σα(t)², which bounds the noise that stays; inf if the sum diverges.
    exponent : float
        p, if α(t) falls like t⁻ᵖ at last; inf if it falls faster than any power.
    satisfied : bool
        Whether Σα = ∞ and Σα² < ∞.
    reason : str
        One sentence.
    """

    travel: float
    noise: float
    exponent: float
    satisfied: bool
    reason: str

    def __bool__(self) -> bool:
        return self.satisfied


def robbins_monro(
    schedule: LRScheduler | Callable[[int], float], *, tolerance: float = 0.01
) -> RobbinsMonro:
    """Say whether a schedule fulfils the conditions of Robbins and Monro (1951, L21).

    They are::

        Σ α(t) = ∞      (else SGD may stop before it arrives)
        Σ α(t)² < ∞     (else its noise never dies)

    A finite number of steps proves nothing about sums, so this is a diagnosis: the rates are
    summed in blocks of doubled length up to step 2⁵⁰ (about 10¹⁵; all steps below 2¹⁴, 256 of
    each later block), and the ratio of the last blocks gives the exponent p of α(t) ~ t⁻ᵖ.  The
    conditions hold for ½ < p ≤ 1.  What differs from t⁻ᵖ by logarithms alone is not told apart,
    and neither are exponents within ``tolerance`` of ½ and 1.

    Parameters
    ----------
    schedule : LRScheduler or callable
        The first group's rate at step 0, 1, ...; or a function of t.
    tolerance : float
        p ≤ 1 + tolerance counts as a sum that diverges, p > ½ + tolerance as squares that do not.

    Returns
    -------
    RobbinsMonro
        True in an ``if`` when both conditions hold.

    Raises
    ------
    ValueError
        If a rate is negative or not finite; and what the schedule raises, if it has an end.

    Examples
    --------
    >>> from tinygrad_lecture.optim.lr_scheduler import robbins_monro
    >>> robbins_monro(lambda t: 1 / (t + 1)).satisfied
    True
    >>> print(robbins_monro(lambda t: 0.1).reason)
    the squares do not add up to a finite sum (exponent 0 ≤ 1/2): the noise never dies
    >>> slow = robbins_monro(lambda t: 0.001 * 0.999**t)
    >>> print(slow.reason)
    the rates add up to 1 only: SGD may stop before it arrives
    """
    at = (lambda t: schedule.lr_at(t)[0]) if isinstance(schedule, LRScheduler) else schedule
    blocks = np.array(list(_blocks(at)))
    sums, squares = blocks.T
    with np.errstate(divide="ignore"):
        logs = np.log2(sums[-TAIL:])
    finite = bool(np.isfinite(logs[-1]))
    exponent = 1.0 - float(logs[-1] - logs[0]) / (TAIL - 1) if finite else math.inf
    if abs(exponent) < tolerance:
        exponent = 0.0
    far, calm = exponent <= 1.0 + tolerance, exponent > 0.5 + tolerance
    travel = math.inf if far else float(sums.sum())
    if not far:
        reason = f"the rates add up to {travel:.4g} only: SGD may stop before it arrives"
    elif not calm:
        reason = (
            f"the squares do not add up to a finite sum (exponent {exponent:.3g} ≤ 1/2): the noise"
            " never dies"
        )
    else:
        reason = f"both conditions hold (exponent {exponent:.3g})"
    noise = float(squares.sum()) if calm else math.inf
    return RobbinsMonro(travel, noise, exponent, far and calm, reason)


def _blocks(at: Callable[[int], float]) -> Iterator[tuple[float, float]]:
    """Yield Σα and Σα² over the steps [0, 1), [1, 2), [2, 4), [4, 8), ..."""
    rng = np.random.default_rng(0)  # samples spread unevenly, so that no cycle hides from them
    for k in range(LAST + 1):
        start, length = (0, 1) if k == 0 else (2 ** (k - 1), 2 ** (k - 1))
        if k <= EXACT:
            steps, weight = list(range(start, start + length)), 1.0
        else:
            spots = start + length * (np.arange(SAMPLES) + rng.random(SAMPLES)) / SAMPLES
            steps, weight = [int(t) for t in spots], length / SAMPLES
        rates = np.array([float(at(t)) for t in steps])
        bad = ~(np.isfinite(rates) & (rates >= 0.0))
        if bad.any():
            t = steps[int(bad.argmax())]
            raise ValueError(
                f"robbins_monro: the rate at step {t} is {float(at(t))!r}; rates have to be finite"
                " and ≥ 0"
            )
        yield weight * float(rates.sum()), weight * float((rates**2).sum())
