"""Dropout (L70)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import engine
from ...engine.modes import draw
from ._operands import as_operand, check_probability

__all__ = ["dropout"]


def dropout(
    x: Any,
    p: float = 0.5,
    training: bool = True,
    rng: np.random.Generator | int | None = None,
) -> Any:
    """Set elements to 0 with probability p and divide the rest by 1 - p (L70).

    Srivastava et al. 2014, JMLR 15, in the inverted form: ``y = x * keep / (1 - p)`` with keep 1
    or 0 by chance has the mean x, so that evaluation is the identity and needs no factor.  The
    derivative is the same factor, ``keep / (1 - p)``.

    Parameters
    ----------
    x : Value or array_like
    p : float
        Probability of a 0, in [0, 1).
    training : bool
        If false, x is returned as it is.
    rng : numpy.random.Generator, int or None
        Source of chance: a generator goes on from call to call; a seed gives the same zeros in
        each call; None is fresh entropy.

    Raises
    ------
    ValueError
        For p outside of [0, 1): at 1 nothing would be left to scale.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.dropout(np.ones(8), p=0.5, rng=0)
    array([2., 0., 0., 0., 2., 2., 2., 2.])
    >>> tg.nn.functional.dropout(np.ones(3), p=0.5, training=False)
    array([1., 1., 1.])
    """
    check_probability("dropout", p)
    if not training or not p:
        return x
    x = as_operand(x)
    keep = (draw(rng, x.shape) >= p) * (1.0 / (1.0 - p))
    if x.dtype.kind == "f" and keep.dtype != x.dtype:
        keep = engine.astype(keep, x.dtype)
    return x * keep
