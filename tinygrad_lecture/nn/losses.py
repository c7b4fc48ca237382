"""Losses as modules: called with (prediction, target), they give a scalar `Value`."""

from __future__ import annotations

from typing import Any, get_args

from . import functional as F
from .functional import Reduction
from .module import Module

__all__ = ["CrossEntropyLoss", "MSELoss"]


class _Loss(Module):
    """The one setting that all losses have."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        if reduction not in get_args(Reduction):
            raise ValueError(
                f'{type(self).__name__}: reduction is "mean", "sum" or "none", got {reduction!r}'
            )
        self.reduction: Reduction = reduction

    def extra_repr(self) -> str:
        """The reduction, since mean and sum differ by the factor N in every gradient."""
        return f"reduction={self.reduction!r}"


class CrossEntropyLoss(_Loss):
    """Softmax and negative log-likelihood in one, from logits and integer labels (L54).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over the rows; the mean by default.

    See Also
    --------
    tinygrad_lecture.nn.functional.cross_entropy : formula, shapes and errors.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> loss = tg.nn.CrossEntropyLoss()
    >>> logits = tg.Value([[2.0, 0.0], [0.0, 0.0]])
    >>> round(loss(logits, [0, 1]).item(), 4)
    0.41
    """

    def forward(self, logits: Any, labels: Any) -> Any:
        """Loss of logits (N, C) against labels (N,)."""
        return F.cross_entropy(logits, labels, self.reduction)


class MSELoss(_Loss):
    """Mean squared error without the factor 1/2 (L15); shapes must be equal.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over all elements; the mean by default.

    See Also
    --------
    tinygrad_lecture.nn.functional.mse_loss : formula and errors.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.MSELoss(reduction="sum")(tg.Value([1.0, 2.0]), [0.0, 4.0]).item()
    5.0
    """

    def forward(self, prediction: Any, target: Any) -> Any:
        """Loss of a prediction against a target of the same shape."""
        return F.mse_loss(prediction, target, self.reduction)
