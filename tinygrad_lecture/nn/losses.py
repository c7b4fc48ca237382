"""Losses as modules: called with (prediction, target), they give a scalar `Value` (L15, L54).

Formulas, shapes and errors stand with the functions in `tinygrad_lecture.nn.functional`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

from . import functional as F
from .functional import Reduction
from .module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HalfMSELoss", "HingeLoss", "HuberLoss",
    "KLDivLoss", "L1Loss", "MSELoss", "MultiMarginLoss", "NLLLoss", "PerceptronLoss",
    "SmoothL1Loss", "SoftMarginLoss",
]  # fmt: skip


class _Loss(Module):
    """The one setting that all losses have."""

    reductions: ClassVar[tuple[str, ...]] = get_args(Reduction)

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        if reduction not in self.reductions:
            known = " or ".join(
                [", ".join(f'"{r}"' for r in self.reductions[:-1]), f'"{self.reductions[-1]}"']
            )
            raise ValueError(f"{type(self).__name__}: reduction is {known}, got {reduction!r}")
        self.reduction: Reduction = reduction

    def _keep(self, name: str, weight: Any) -> None:
        """Keep an array of weights as a buffer, if there is one."""
        if weight is None:
            setattr(self, name, None)
        else:
            self.register_buffer(name, weight)

    def extra_repr(self) -> str:
        """The reduction, since mean and sum differ by the factor N in every gradient."""
        return f"reduction={self.reduction!r}"


class CrossEntropyLoss(_Loss):
    """Softmax and negative log-likelihood in one, from logits and integer labels (L54).

    Parameters
    ----------
    weight : array_like of shape (C,), optional
        Factor of each class; a buffer.
    ignore_index : int, optional
        Label of rows that do not count; PyTorch's default is -100, here there is none.
    reduction : {"mean", "sum", "none"}
        Over the rows; the mean by default.
    label_smoothing : float
        In [0, 1].

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

    weight: Any

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction=reduction)
        if not 0.0 <= label_smoothing <= 1.0:
            raise ValueError(
                f"CrossEntropyLoss: label_smoothing must lie in [0, 1], got {label_smoothing}"
            )
        self._keep("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = float(label_smoothing)

    def forward(self, logits: Any, labels: Any) -> Any:
        """Loss of logits (N, C, ...) against labels (N, ...), or distributions."""
        return F.cross_entropy(
            logits,
            labels,
            self.reduction,
            weight=self.weight,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """``-log_probabilities[label]``: what follows `LogSoftmax`.

    Parameters
    ----------
    weight, ignore_index, reduction
        As for `CrossEntropyLoss`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> log_p = tg.nn.LogSoftmax()([[2.0, 0.0], [0.0, 0.0]])
    >>> round(float(tg.nn.NLLLoss()(log_p, [0, 1])), 4)
    0.41
    """

    weight: Any

    def __init__(
        self, weight: Any = None, *, ignore_index: int | None = None, reduction: Reduction = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self._keep("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, log_probabilities: Any, labels: Any) -> Any:
        """Loss of log-probabilities (N, C, ...) against labels (N, ...)."""
        return F.nll_loss(
            log_probabilities,
            labels,
            self.reduction,
            weight=self.weight,
            ignore_index=self.ignore_index,
        )


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


class HalfMSELoss(_Loss):
    """``(f - y)^2 / 2``, the slide's squared error (L15): half of `MSELoss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.HalfMSELoss(reduction="sum")(tg.Value([1.0, 2.0]), [0.0, 4.0]).item()
    2.5
    """

    def forward(self, prediction: Any, target: Any) -> Any:
        """Loss of a prediction against a target of the same shape."""
        return F.half_mse_loss(prediction, target, self.reduction)


class L1Loss(_Loss):
    """Mean absolute error (L15).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.L1Loss()(tg.Value([1.0, 2.0]), [0.0, 4.0]).item()
    1.5
    """

    def forward(self, prediction: Any, target: Any) -> Any:
        """Loss of a prediction against a target of the same shape."""
        return F.l1_loss(prediction, target, self.reduction)


class HuberLoss(_Loss):
    """Squares for errors up to delta, straight lines beyond.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    delta : float
        > 0.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.HuberLoss(reduction="none")([1.0, 10.0], [0.0, 0.0]).tolist()
    [0.5, 9.5]
    """

    def __init__(self, *, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = float(delta)

    def forward(self, prediction: Any, target: Any) -> Any:
        """Loss of a prediction against a target of the same shape."""
        return F.huber_loss(prediction, target, self.reduction, self.delta)


class SmoothL1Loss(_Loss):
    """`HuberLoss` divided by its delta, here beta.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    beta : float
        >= 0; 0 gives `L1Loss`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.SmoothL1Loss(reduction="none", beta=2.0)([1.0, 10.0], [0.0, 0.0]).tolist()
    [0.25, 9.0]
    """

    def __init__(self, *, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = float(beta)

    def forward(self, prediction: Any, target: Any) -> Any:
        """Loss of a prediction against a target of the same shape."""
        return F.smooth_l1_loss(prediction, target, self.reduction, self.beta)


class BCELoss(_Loss):
    """Binary cross-entropy of probabilities; `BCEWithLogitsLoss` takes logits, and is never flat.

    Parameters
    ----------
    weight : array_like, optional
        Factors of the single losses; they broadcast; a buffer.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> round(float(tg.nn.BCELoss()([0.5, 0.5], [1.0, 0.0])), 6)
    0.693147
    """

    weight: Any

    def __init__(self, weight: Any = None, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self._keep("weight", weight)

    def forward(self, prediction: Any, target: Any) -> Any:
        """Loss of probabilities against targets of the same shape."""
        return F.binary_cross_entropy(prediction, target, self.reduction, weight=self.weight)


class BCEWithLogitsLoss(_Loss):
    """Sigmoid and binary cross-entropy in one, from logits (L54).

    Parameters
    ----------
    weight : array_like, optional
        Factors of the single losses; they broadcast; a buffer.
    reduction : {"mean", "sum", "none"}
    pos_weight : array_like, optional
        Factor of the positive class; a buffer.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> float(tg.nn.BCEWithLogitsLoss()([1000.0, -1000.0], [1.0, 1.0]))
    500.0
    """

    weight: Any
    pos_weight: Any

    def __init__(
        self, weight: Any = None, *, reduction: Reduction = "mean", pos_weight: Any = None
    ) -> None:
        super().__init__(reduction=reduction)
        self._keep("weight", weight)
        self._keep("pos_weight", pos_weight)

    def forward(self, logits: Any, target: Any) -> Any:
        """Loss of logits against targets of the same shape."""
        return F.binary_cross_entropy_with_logits(
            logits, target, self.reduction, weight=self.weight, pos_weight=self.pos_weight
        )


class HingeLoss(_Loss):
    """``max(0, margin - y f)`` of scores and targets -1 and 1, or its square.

    Parameters
    ----------
    margin : float
    squared : bool
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> float(tg.nn.HingeLoss()([0.5, 2.0], [1.0, 1.0]))
    0.25
    """

    def __init__(
        self, margin: float = 1.0, squared: bool = False, *, reduction: Reduction = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin, self.squared = float(margin), bool(squared)

    def forward(self, scores: Any, target: Any) -> Any:
        """Loss of scores against targets of the same shape."""
        return F.hinge_loss(scores, target, self.reduction, self.margin, self.squared)


class PerceptronLoss(_Loss):
    """``max(0, -y f)`` of scores and targets -1 and 1: gradient descent on it is the rule of L17.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> float(tg.nn.PerceptronLoss()([0.5, -3.0], [1.0, 1.0]))
    1.5
    """

    def forward(self, scores: Any, target: Any) -> Any:
        """Loss of scores against targets of the same shape."""
        return F.perceptron_loss(scores, target, self.reduction)


class SoftMarginLoss(_Loss):
    """``log(1 + exp(-y f))`` of scores and targets -1 and 1: the logistic loss.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> round(float(tg.nn.SoftMarginLoss()([0.0], [1.0])), 6)
    0.693147
    """

    def forward(self, scores: Any, target: Any) -> Any:
        """Loss of scores against targets of the same shape."""
        return F.soft_margin_loss(scores, target, self.reduction)


class MultiMarginLoss(_Loss):
    """Hinge loss of C classes: ``sum_(i != y) max(0, margin - x[y] + x[i])^p / C``.

    Parameters
    ----------
    p : {1, 2}
    margin : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> float(tg.nn.MultiMarginLoss()([[1.0, 2.0, 0.5, 0.0]], [0]))
    0.625
    """

    def __init__(self, p: int = 1, margin: float = 1.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.p, self.margin = p, float(margin)

    def forward(self, scores: Any, labels: Any) -> Any:
        """Loss of scores (N, C) against labels (N,)."""
        return F.multi_margin_loss(scores, labels, self.reduction, self.p, self.margin)


class KLDivLoss(_Loss):
    """Terms ``t (log t - log p)`` of the Kullback-Leibler divergence.

    Parameters
    ----------
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" is the divergence itself, averaged over the rows.
    log_target : bool
        Whether log t is given instead of t.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> loss = tg.nn.KLDivLoss(reduction="batchmean")
    >>> round(float(loss(np.log([[0.5, 0.5]]), [[1.0, 0.0]])), 6)
    0.693147
    """

    reductions = ("mean", "batchmean", "sum", "none")

    def __init__(
        self,
        *,
        reduction: Reduction | Literal["batchmean"] = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(reduction=reduction)  # type: ignore[arg-type]  # one more than others have
        self.log_target = bool(log_target)

    def forward(self, log_prediction: Any, target: Any) -> Any:
        """Loss of log-probabilities against targets of the same shape."""
        return F.kl_div(log_prediction, target, self.reduction, log_target=self.log_target)
