"""Reading curves of the loss: what they say about the learning rate and about the capacity."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

__all__ = ["CurveVerdict", "GapVerdict", "diagnose_curve", "diagnose_gap"]

CurveVerdict: TypeAlias = Literal["too_low", "good", "too_high", "diverging"]
GapVerdict: TypeAlias = Literal["overfitting", "no_gap", "fine"]
PIECES = 10  # of a curve, each seen as its mean: single batches are noisy


def diagnose_curve(
    losses: Sequence[float] | NDArray[np.floating], start: float | None = None, floor: float = 0.0
) -> CurveVerdict:
    """Tell from a training loss whether the learning rate was too low, good or too high (L25).

    The curve is cut into ten pieces, and each is seen as its mean. With all losses measured from
    `floor`:

    - "diverging": a loss is not finite, or the last piece is above 3 times the start;
    - "good": the last piece is below half of the start;
    - "too_high": otherwise, if the pieces go up by more than a quarter of the start in all, or if
      the loss fell by more than a quarter and then stopped (the second half brought less than a
      twentieth of the fall): it fell quickly and stays high;
    - "too_low": otherwise; it falls slowly, or not at all.

    These are rules of thumb for a run that would be long enough at a good rate. A model that cannot
    fit the data looks as if its learning rate were wrong, and a dead one as if it were too low.

    Parameters
    ----------
    losses : sequence of float
        Training losses of steps or of epochs, at least 2.
    start : float, optional
        Loss before training; the first of the losses by default.
    floor : float
        Loss that cannot be undercut, such as the entropy of noisy labels.

    Raises
    ------
    UsageError
        For fewer losses, or a start that is not above the floor.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> t = np.arange(100)
    >>> [tg.train.diagnose_curve(1.1 * np.exp(-rate * t)) for rate in (1e-4, 0.1, -0.1)]
    ['too_low', 'good', 'diverging']
    >>> tg.train.diagnose_curve(1.0 + 0.5 * np.sin(t))
    'too_high'
    """
    curve = np.asarray(losses, dtype=float) - floor
    if curve.ndim != 1 or len(curve) < 2:
        raise UsageError(f"a curve needs at least 2 losses, got shape {curve.shape}")
    if not np.isfinite(curve).all():
        return "diverging"
    begin = float(curve[0]) if start is None else float(start) - floor
    if not begin > 0:
        raise UsageError(
            f"the start must be above the floor, got start={begin + floor:g}, floor={floor:g}"
        )
    means = [float(piece.mean()) for piece in np.array_split(curve, min(PIECES, len(curve)))]
    if means[-1] > 3 * begin:
        return "diverging"
    if means[-1] < begin / 2:
        return "good"
    ups = sum(max(0.0, after - before) for before, after in itertools.pairwise(means))
    fall, late = begin - means[-1], means[(len(means) - 1) // 2] - means[-1]
    stuck = fall > begin / 4 and late < fall / 20
    return "too_high" if ups > begin / 4 or stuck else "too_low"


def diagnose_gap(train: float, validation: float, ratio: float = 1.5) -> GapVerdict:
    """Tell from the losses on both parts whether a model fits too well or has too little capacity.

    The rule of cs231n (L65): a big gap means overfitting (regularize, get more data), none means
    that the model could be larger. "Big" is a question of taste, here of `ratio`.

    Parameters
    ----------
    train, validation : float
        Mean losses at the end, ≥ 0.
    ratio : float
        Validation over training loss above which there is overfitting, > 1; below its twentieth
        part of the way from 1, there is no gap.

    Returns
    -------
    {"overfitting", "no_gap", "fine"}

    Raises
    ------
    UsageError
        For negative or non-finite losses, or a ratio of at most 1.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> [tg.train.diagnose_gap(0.1, v) for v in (0.3, 0.12, 0.1)]
    ['overfitting', 'fine', 'no_gap']
    """
    if not (np.isfinite([train, validation]).all() and min(train, validation) >= 0):
        raise UsageError(f"losses must be finite and at least 0, got {train} and {validation}")
    if not ratio > 1:
        raise UsageError(f"ratio must be above 1, got {ratio}")
    if validation > ratio * train:
        return "overfitting"
    return "no_gap" if validation <= (1 + (ratio - 1) / 20) * train else "fine"
