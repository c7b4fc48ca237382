"""The mathematics of layers and losses, without state: what `Linear`, `CrossEntropyLoss`, ... call.

Each function takes Values or plain arrays; with plain arrays only, plain numbers or arrays come
back.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .. import engine
from ..engine.modes import draw

__all__ = ["cross_entropy", "dropout", "linear", "mse_loss", "relu", "sigmoid", "tanh"]

Reduction = Literal["mean", "sum", "none"]

linear = engine.linear
relu = engine.relu
sigmoid = engine.sigmoid
tanh = engine.tanh


def _as_operand(x: Any) -> Any:
    """Leave Values and arrays alone, turn numbers and nested lists into an array."""
    return x if hasattr(x, "shape") else np.asarray(x, dtype=float)


def _reduce(losses: Any, reduction: str) -> Any:
    if reduction == "mean":
        if losses.size == 0:
            raise ValueError('reduction="mean" of an empty batch is undefined; use "sum" or "none"')
        return engine.mean(losses)
    if reduction == "sum":
        return engine.sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f'reduction is "mean", "sum" or "none", got {reduction!r}')


def cross_entropy(logits: Any, labels: Any, reduction: Reduction = "mean") -> Any:
    """Return the negative log-likelihood of integer labels under softmax of the logits (L54).

    For one row z with label y it is ``logsumexp(z) - z[y]``, computed with the maximum subtracted,
    and its gradient is ``softmax(z) - onehot(y)``: never flat, whatever the logits.

    Parameters
    ----------
    logits : Value or array_like, shape (N, C)
    labels : array_like of int, shape (N,)
        Classes ``0 .. C - 1``.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Value (or a number or array for plain logits)
        Of shape () or, for "none", (N,).

    Raises
    ------
    ValueError
        For logits that are not a matrix; labels that are not integers, have another shape or lie
        outside of the range; an unknown reduction; the mean of no rows.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> round(float(tg.nn.functional.cross_entropy(np.zeros((2, 10)), [3, 7])), 6)  # ln 10
    2.302585
    >>> z = tg.Value([[1000.0, 0.0]])
    >>> loss = tg.nn.functional.cross_entropy(z, [1])
    >>> loss.backward()
    >>> loss.item(), z.grad.tolist()
    (1000.0, [[1.0, -1.0]])
    """
    return _reduce(engine.softmax_cross_entropy(logits, labels), reduction)


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
    _check_probability("dropout", p)
    if not training or not p:
        return x
    x = _as_operand(x)
    keep = (draw(rng, x.shape) >= p) * (1.0 / (1.0 - p))
    if x.dtype.kind == "f" and keep.dtype != x.dtype:
        keep = engine.astype(keep, x.dtype)
    return x * keep


def _check_probability(name: str, p: float) -> None:
    if not 0.0 <= p < 1.0:
        raise ValueError(f"{name}: p must be at least 0 and below 1, got {p}")


def mse_loss(prediction: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return the squared error ``(prediction - target) ** 2``, averaged, summed or as it is (L15).

    There is no factor 1/2, as in PyTorch: against the slide's 1/2 the gradient is doubled.

    Parameters
    ----------
    prediction, target : Value or array_like
        Of one and the same shape.
    reduction : {"mean", "sum", "none"}
        "mean" is over all elements.

    Raises
    ------
    ValueError
        For different shapes, which would broadcast silently (N predictions of shape (N, 1) against
        targets (N,) make N x N differences); an unknown reduction; the mean of no elements.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> float(tg.nn.functional.mse_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    2.5
    """
    prediction, target = _as_operand(prediction), _as_operand(target)
    if prediction.shape != target.shape:
        raise ValueError(
            f"mse_loss: prediction has shape {prediction.shape}, target has shape {target.shape};"
            " they must be equal: reshape one of them, e.g. target.reshape(-1, 1) for one output"
        )
    return _reduce(engine.square(prediction - target), reduction)
