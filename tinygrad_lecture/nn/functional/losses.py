"""Losses (L15, L54)."""

from __future__ import annotations

from typing import Any, Literal

from ... import engine
from ._operands import as_operand

__all__ = ["cross_entropy", "mse_loss"]

Reduction = Literal["mean", "sum", "none"]


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
    prediction, target = as_operand(prediction), as_operand(target)
    if prediction.shape != target.shape:
        raise ValueError(
            f"mse_loss: prediction has shape {prediction.shape}, target has shape {target.shape};"
            " they must be equal: reshape one of them, e.g. target.reshape(-1, 1) for one output"
        )
    return _reduce(engine.square(prediction - target), reduction)
