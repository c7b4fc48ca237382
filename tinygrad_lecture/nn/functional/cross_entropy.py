"""Losses of class scores: cross-entropy and its kin (L54)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import engine
from ...engine import Value
from ...engine.ops.shaping import operand
from ._operands import as_operand
from .losses import Reduction, reduced

__all__ = ["cross_entropy", "multi_margin_loss", "nll_loss"]


def cross_entropy(
    logits: Any,
    target: Any,
    reduction: Reduction = "mean",
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Any:
    """Return the negative log-likelihood of classes under softmax of the logits (L54).

    For one row z with label y it is ``logsumexp(z) - z[y]``, computed with the maximum subtracted,
    and its gradient is ``softmax(z) - onehot(y)``: never flat, whatever the logits.

    Parameters
    ----------
    logits : Value or array_like, shape (N, C) or (N, C, ...)
    target : array_like of int, shape (N,) or (N, ...); or of float, in the shape of the logits
        Classes ``0 .. C - 1``; or a distribution over the classes for each row.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the weights of the labels; by their number without weights.
    weight : array_like, shape (C,), optional
        Factor of each class.
    ignore_index : int, optional
        Label of rows that do not count.  (PyTorch's default is -100; here no label is special
        unless you say so, and one out of range is refused.)  The mean of nothing but ignored rows
        is nan, as PyTorch's.
    label_smoothing : float
        e in [0, 1]: take ``(1 - e) onehot(y) + e / C`` in the place of the one-hot vector (Szegedy
        et al. 2015, arXiv:1512.00567).

    Returns
    -------
    Value (or a number or array for plain logits)
        Of shape () or, for "none", that of integer labels.

    Raises
    ------
    ValueError
        For logits without a class axis; labels that are not integers, have another shape or lie
        outside of the range; settings out of range; an unknown reduction; the mean of no rows.

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
    z, target = as_operand(logits), operand(target)
    plain = weight is None and ignore_index is None and not label_smoothing
    if plain and z.ndim <= 2 and not _is_distribution(z, target):
        return reduced(engine.softmax_cross_entropy(z, target), reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(
            f"cross_entropy: label_smoothing must lie in [0, 1], got {label_smoothing}"
        )
    if z.ndim < 2:
        raise ValueError(f"cross_entropy: logits must have shape (N, C, ...), got {z.shape}")
    log_p = engine.log_softmax(z, 1)
    if not _is_distribution(z, target):
        return _of_labels(
            "cross_entropy", log_p, target, reduction, weight, ignore_index, label_smoothing
        )
    if ignore_index is not None:
        raise ValueError("cross_entropy: ignore_index goes with integer labels, not distributions")
    if isinstance(target, np.ndarray) and not (
        np.all(target >= 0.0) and np.allclose(np.sum(target, axis=1), 1.0, atol=1e-4)
    ):
        raise ValueError(
            "cross_entropy: a float target holds distributions, at least 0 and with sum 1 over the"
            " classes (axis 1); labels are integers"
        )
    q = as_operand(target) * (1.0 - label_smoothing) + label_smoothing / z.shape[1]
    losses = -engine.sum(q * _weighted("cross_entropy", log_p, weight), 1)
    return reduced(losses, reduction)


def nll_loss(
    log_probabilities: Any,
    labels: Any,
    reduction: Reduction = "mean",
    *,
    weight: Any = None,
    ignore_index: int | None = None,
) -> Any:
    """Return ``-log_probabilities[label]`` of each row: `cross_entropy` after `log_softmax`.

    Parameters
    ----------
    log_probabilities : Value or array_like, shape (N, C) or (N, C, ...)
    labels : array_like of int, shape (N,) or (N, ...)
    reduction, weight, ignore_index
        As for `cross_entropy`.

    Raises
    ------
    ValueError
        As `cross_entropy`.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> round(float(tg.nn.functional.nll_loss(np.log([[0.25, 0.75]]), [1])), 6)
    0.287682
    """
    log_p = as_operand(log_probabilities)
    if log_p.ndim < 2:
        raise ValueError(
            f"nll_loss: log_probabilities must have shape (N, C, ...), got {log_p.shape}"
        )
    return _of_labels("nll_loss", log_p, operand(labels), reduction, weight, ignore_index, 0.0)


def multi_margin_loss(
    scores: Any, labels: Any, reduction: Reduction = "mean", p: int = 1, margin: float = 1.0
) -> Any:
    """Return ``sum_(i != y) max(0, margin - x[y] + x[i])^p / C``, the hinge loss of C classes.

    Crammer and Singer 2001 take the largest term, Weston and Watkins 1999 this sum (cs231n's SVM
    loss, without the division by C).

    Parameters
    ----------
    scores : Value or array_like, shape (N, C)
    labels : array_like of int, shape (N,)
    reduction : {"mean", "sum", "none"}
    p : {1, 2}
    margin : float

    Raises
    ------
    ValueError
        As `cross_entropy`, and for another p.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> float(tg.nn.functional.multi_margin_loss([[1.0, 2.0, 0.5, 0.0]], [0]))
    0.625
    """
    x = as_operand(scores)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p is 1 or 2, got {p}")
    if x.ndim != 2:
        raise ValueError(f"multi_margin_loss: scores must have shape (N, C), got {x.shape}")
    hot, valid = _one_hot("multi_margin_loss", x, operand(labels), None)
    own = engine.sum(engine.where(hot, x, 0.0), 1, keepdims=True)
    terms = engine.relu(engine.where(hot, 0.0, margin - own + x))
    losses = engine.sum(engine.square(terms) if p == 2 else terms, 1) / x.shape[1]
    return reduced(_told(losses, valid), reduction)


def _is_distribution(z: Any, target: Any) -> bool:
    """Whether targets are distributions: floats in the shape of the logits."""
    return bool(target.dtype.kind == "f" and target.shape == z.shape)


def _of_labels(
    name: str, log_p: Any, labels: Any, reduction: str, weight: Any, ignore_index: int | None,
    smoothing: float,
) -> Any:  # fmt: skip
    """Reduce the losses of integer labels, from logarithms of probabilities (N, C, ...)."""
    hot, valid = _one_hot(name, log_p, labels, ignore_index)
    weighted = _weighted(name, log_p, weight)
    losses = -engine.sum(engine.where(hot, weighted, 0.0), 1)
    if smoothing:
        counted = np.any(hot, axis=1)
        spread = engine.where(counted, -engine.sum(weighted, 1) / log_p.shape[1], 0.0)
        losses = (1.0 - smoothing) * losses + smoothing * spread
    losses = _told(losses, valid)
    if reduction != "mean" or (weight is None and ignore_index is None) or not losses.size:
        return reduced(losses, reduction)
    shares = _weighted(name, np.ones(log_p.shape, log_p.dtype), weight)
    return engine.divide(engine.sum(losses), engine.sum(engine.where(hot, shares, 0.0)))


def _weighted(name: str, x: Any, weight: Any) -> Any:
    """Multiply by the weights of the classes, along axis 1."""
    if weight is None:
        return x
    weight = as_operand(weight)
    if weight.shape != (x.shape[1],):
        raise ValueError(
            f"{name}: weight must have shape ({x.shape[1]},), a number for each class, got"
            f" {weight.shape}"
        )
    return x * engine.reshape(weight, (-1,) + (1,) * (x.ndim - 2))


def _one_hot(name: str, x: Any, labels: Any, ignore_index: int | None) -> tuple[Any, Any]:
    """Return which class each label is, (N, C, ...), and which labels are in order, or None.

    Labels of a function that is recorded may be others in the next call; where they are out of
    range then, the losses are made nan, so that the original is asked, which raises.
    """
    classes, shape = x.shape[1], (x.shape[0], *x.shape[2:])
    if labels.shape != shape:
        raise ValueError(
            f"{name}: for scores {x.shape} labels must have shape {shape}, got {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{name}: labels must be integers (class indices), not {labels.dtype}")
    known = np.reshape(np.arange(classes), (classes,) + (1,) * (len(shape) - 1))
    hot = engine.reshape(labels, (shape[0], 1, *shape[1:])) == known
    valid = np.any(hot, axis=1)
    if ignore_index is not None:
        hot, valid = hot & (known != ignore_index), valid | (labels == ignore_index)
    if isinstance(valid, Value):
        return hot, valid
    if not np.all(valid):
        wrong = labels[~valid]
        raise ValueError(
            f"{name}: labels must lie in 0..{classes - 1} for {classes} classes, and"
            f" {wrong.min()}..{wrong.max()} came"
            + ("; ignore_index=... leaves labels out" if ignore_index is None else "")
        )
    return hot, None


def _told(losses: Any, valid: Any) -> Any:
    return losses if valid is None else engine.where(valid, losses, math.nan)
