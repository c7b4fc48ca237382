"""Losses of a prediction and a target of one shape, element by element (L15)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from ... import engine
from ...engine import Value
from ._operands import as_operand

__all__ = [
    "Reduction", "binary_cross_entropy", "binary_cross_entropy_with_logits", "half_mse_loss",
    "hinge_loss", "huber_loss", "kl_div", "l1_loss", "l2_penalty", "mse_loss", "perceptron_loss",
    "reduced", "smooth_l1_loss", "soft_margin_loss",
]  # fmt: skip

Reduction = Literal["mean", "sum", "none"]
"""How the losses of a batch become one number; "none" leaves them as they are."""


def reduced(losses: Any, reduction: str) -> Any:
    """Average the losses, add them up, or leave them as they are."""
    if reduction == "mean":
        if losses.size == 0:
            raise ValueError('reduction="mean" of an empty batch is undefined; use "sum" or "none"')
        return engine.mean(losses)
    if reduction == "sum":
        return engine.sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f'reduction is "mean", "sum" or "none", got {reduction!r}')


def same_shape(name: str, prediction: Any, target: Any) -> tuple[Any, Any]:
    """Return both as operands, refusing shapes that would broadcast."""
    prediction, target = as_operand(prediction), as_operand(target)
    if prediction.shape != target.shape:
        raise ValueError(
            f"{name}: prediction has shape {prediction.shape}, target has shape {target.shape};"
            " they must be equal: reshape one of them, e.g. target.reshape(-1, 1) for one output"
        )
    return prediction, target


def mse_loss(prediction: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return the squared error ``(prediction - target) ** 2``, averaged, summed or as it is (L15).

    There is no factor 1/2, as in PyTorch: against the slide's 1/2 the gradient is doubled, see
    `half_mse_loss`.

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
    prediction, target = same_shape("mse_loss", prediction, target)
    return reduced(engine.square(prediction - target), reduction)


def half_mse_loss(prediction: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return ``(prediction - target) ** 2 / 2``: the slide's ``(1/N) sum 1/2 (f - y)^2`` (L15).

    Its gradient is ``(prediction - target) / N``, that of a sum of squares divided by 2 N, so that
    learning rates do not carry over between the two.  Arguments and errors as for `mse_loss`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda f: tg.nn.functional.half_mse_loss(f, 1.0))(3.0)
    2.0
    """
    prediction, target = same_shape("half_mse_loss", prediction, target)
    return reduced(0.5 * engine.square(prediction - target), reduction)


def l1_loss(prediction: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return the absolute error ``|prediction - target|``, whose derivative at 0 is 0.

    Arguments and errors as for `mse_loss`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> float(tg.nn.functional.l1_loss([1.0, 2.0], [0.0, 4.0]))
    1.5
    """
    prediction, target = same_shape("l1_loss", prediction, target)
    return reduced(engine.abs(prediction - target), reduction)


def huber_loss(
    prediction: Any, target: Any, reduction: Reduction = "mean", delta: float = 1.0
) -> Any:
    """Return ``d^2 / 2`` where ``|d| <= delta``, and ``delta (|d| - delta / 2)`` beyond.

    Huber 1964: squares for small errors d, and slopes that an outlier cannot drive above delta.

    Parameters
    ----------
    prediction, target, reduction
        As for `mse_loss`.
    delta : float
        > 0.

    Raises
    ------
    ValueError
        As `mse_loss`, and for a delta that is not positive.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.huber_loss([1.0, 10.0], [0.0, 0.0], "none").tolist()
    [0.5, 9.5]
    """
    _positive("huber_loss", "delta", delta)
    prediction, target = same_shape("huber_loss", prediction, target)
    size = engine.abs(prediction - target)
    inner = engine.minimum(size, delta)
    return reduced(0.5 * engine.square(inner) + delta * (size - inner), reduction)


def smooth_l1_loss(
    prediction: Any, target: Any, reduction: Reduction = "mean", beta: float = 1.0
) -> Any:
    """Return `huber_loss` divided by its delta, here beta; `l1_loss` for beta 0.

    Raises
    ------
    ValueError
        As `mse_loss`, and for a negative beta.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.smooth_l1_loss([1.0, 10.0], [0.0, 0.0], "none", beta=2.0).tolist()
    [0.25, 9.0]
    """
    if beta == 0.0:
        return l1_loss(prediction, target, reduction)
    _positive("smooth_l1_loss", "beta", beta)
    return huber_loss(prediction, target, reduction, beta) / beta


def binary_cross_entropy(
    prediction: Any, target: Any, reduction: Reduction = "mean", *, weight: Any = None
) -> Any:
    """Return ``-(t log p + (1 - t) log(1 - p))`` of probabilities p and targets t.

    A logarithm counts as -100 at least, as in PyTorch, so that a probability of exactly 0 or 1 has
    a finite loss; its derivative is 0 there.  `binary_cross_entropy_with_logits` has no such flat
    places (L54).

    Parameters
    ----------
    prediction : Value or array_like
        Probabilities, in [0, 1].
    target : array_like or Value
        Of the same shape, in [0, 1].
    reduction : {"mean", "sum", "none"}
    weight : array_like, optional
        Factors of the single losses; they broadcast.

    Raises
    ------
    ValueError
        As `mse_loss`, and for a prediction outside of [0, 1].

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.binary_cross_entropy([0.5, 0.0], [1.0, 1.0], "none").round(4).tolist()
    [0.6931, 100.0]
    """
    p, t = same_shape("binary_cross_entropy", prediction, target)
    outside = (p < 0.0) | (p > 1.0)
    recorded = isinstance(outside, Value)  # numbers may be others in the next call then
    if not recorded and np.any(outside):
        raise ValueError(
            "binary_cross_entropy: predictions must be probabilities in [0, 1]; for logits there is"
            " binary_cross_entropy_with_logits"
        )
    # the constant under the logarithm is never the result: it only keeps log 0 away
    yes = engine.where(p > 0.0, engine.log(engine.where(p > 0.0, p, 1.0)), -100.0)
    no = engine.where(p < 1.0, engine.log1p(-engine.where(p < 1.0, p, 0.0)), -100.0)
    losses = -(t * engine.clip(yes, -100.0) + (1.0 - t) * engine.clip(no, -100.0))
    if recorded:  # nan makes a program ask the original, which raises
        losses = engine.where(outside, math.nan, losses)
    return reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    logits: Any,
    target: Any,
    reduction: Reduction = "mean",
    *,
    weight: Any = None,
    pos_weight: Any = None,
) -> Any:
    """Return the binary cross-entropy of ``sigmoid(logits)``, from the logits themselves (L54).

    ``t softplus(-z) + (1 - t) softplus(z)``: exact for logits of any size, and with the derivative
    ``sigmoid(z) - t``, which is flat only where the answer is right.

    Parameters
    ----------
    logits : Value or array_like
    target : array_like or Value
        Of the same shape, in [0, 1].
    reduction : {"mean", "sum", "none"}
    weight : array_like, optional
        Factors of the single losses; they broadcast.
    pos_weight : array_like, optional
        Factor of the part of the positive class, for unequal classes.

    Raises
    ------
    ValueError
        As `mse_loss`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> z = tg.Value([-1000.0, 1000.0])
    >>> loss = tg.nn.functional.binary_cross_entropy_with_logits(z, [1.0, 1.0], "sum")
    >>> loss.backward()
    >>> loss.item(), z.grad.tolist()
    (1000.0, [-1.0, -0.0])
    """
    z, t = same_shape("binary_cross_entropy_with_logits", logits, target)
    positive = t * engine.softplus(-z)
    if pos_weight is not None:
        positive = pos_weight * positive
    losses = positive + (1.0 - t) * engine.softplus(z)
    return reduced(losses if weight is None else losses * weight, reduction)


def hinge_loss(
    scores: Any,
    target: Any,
    reduction: Reduction = "mean",
    margin: float = 1.0,
    squared: bool = False,
) -> Any:
    """Return ``max(0, margin - y f)`` of scores f and targets y = -1 or 1, or its square.

    The loss of the support vector machine, and of micrograd's demo.  Its derivative is 0 from the
    margin on.

    Parameters
    ----------
    scores : Value or array_like
    target : array_like
        Of the same shape, of -1 and 1.
    reduction : {"mean", "sum", "none"}
    margin : float
    squared : bool

    Raises
    ------
    ValueError
        As `mse_loss`, and for targets other than -1 and 1.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.hinge_loss([0.5, 2.0, -3.0], [1.0, 1.0, 1.0], "none").tolist()
    [0.5, 0.0, 4.0]
    """
    losses = engine.relu(margin - _signed("hinge_loss", scores, target))
    return reduced(engine.square(losses) if squared else losses, reduction)


def perceptron_loss(scores: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return ``max(0, -y f)`` of scores f and targets y = -1 or 1 (L17).

    Gradient descent on it is the perceptron's rule: -y x on a mistake, and nothing else.  (On the
    boundary itself the derivative is 0.)  Arguments and errors as for `hinge_loss`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.perceptron_loss([0.5, 2.0, -3.0], [1.0, 1.0, 1.0], "none").tolist()
    [0.0, 0.0, 3.0]
    """
    return reduced(engine.relu(-_signed("perceptron_loss", scores, target)), reduction)


def soft_margin_loss(scores: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return ``log(1 + exp(-y f))`` of scores f and targets y = -1 or 1: the logistic loss.

    It equals `binary_cross_entropy_with_logits` for targets (y + 1) / 2.  Arguments and errors as
    for `hinge_loss`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.soft_margin_loss([0.0, -1000.0], [1.0, 1.0], "none").round(4).tolist()
    [0.6931, 1000.0]
    """
    return reduced(engine.softplus(-_signed("soft_margin_loss", scores, target)), reduction)


def kl_div(
    log_prediction: Any,
    target: Any,
    reduction: Reduction | Literal["batchmean"] = "mean",
    *,
    log_target: bool = False,
) -> Any:
    """Return ``t (log t - log p)``, the terms of the Kullback-Leibler divergence from p to t.

    Parameters
    ----------
    log_prediction : Value or array_like
        log p, of `log_softmax` for example.
    target : array_like or Value
        t, of the same shape; where it is 0 the term is 0.
    reduction : {"mean", "batchmean", "sum", "none"}
        The divergence itself is the sum divided by the number of rows: "batchmean".
    log_target : bool
        Whether log t is given instead of t.

    Raises
    ------
    ValueError
        As `mse_loss`.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> p, t = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
    >>> round(float(tg.nn.functional.kl_div(np.log(p), t, "batchmean")), 6)
    0.693147
    """
    log_p, t = same_shape("kl_div", log_prediction, target)
    if log_target:
        terms = engine.exp(t) * (t - log_p)
    else:
        terms = engine.where(t > 0.0, t * (engine.log(engine.where(t > 0.0, t, 1.0)) - log_p), 0.0)
    if reduction != "batchmean":
        return reduced(terms, reduction)
    if not terms.shape or not terms.shape[0]:
        raise ValueError(f'kl_div: reduction="batchmean" needs rows, got shape {terms.shape}')
    return engine.sum(terms) / terms.shape[0]


def l2_penalty(parameters: Iterable[Any], weight_decay: float) -> Any:
    """Return ``weight_decay / 2 * sum ||p||^2``, to be added to a loss (L61).

    Its gradient is ``weight_decay * p``, which is what the optimizers' ``weight_decay`` adds.

    Parameters
    ----------
    parameters : iterable of Value or ndarray
        At least one; biases are often left out.
    weight_decay : float
        >= 0.

    Raises
    ------
    ValueError
        For a negative weight_decay, or no parameters.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> w = tg.Value([3.0, 4.0])
    >>> tg.nn.functional.l2_penalty([w], 0.1).item()
    1.25
    """
    if not weight_decay >= 0.0:
        raise ValueError(f"l2_penalty: weight_decay must be at least 0, got {weight_decay}")
    squares = [engine.sum(engine.square(p)) for p in parameters]
    if not squares:
        raise ValueError("l2_penalty: no parameters came (an iterator is used up by its first use)")
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    return 0.5 * weight_decay * total


def _signed(name: str, scores: Any, target: Any) -> Any:
    """Return y f, refusing targets other than -1 and 1 where they are known."""
    scores, target = same_shape(name, scores, target)
    if isinstance(target, np.ndarray) and not np.all(np.abs(target) == 1.0):
        raise ValueError(
            f"{name}: targets must be -1 or 1; for targets 0 and 1 pass 2 * target - 1"
        )
    return target * scores


def _positive(name: str, setting: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name}: {setting} must be positive and finite, got {value}")
