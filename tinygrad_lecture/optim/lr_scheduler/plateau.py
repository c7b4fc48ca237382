"""`ReduceLROnPlateau`: a rate that falls when a measured number stops to get better."""

from __future__ import annotations

import math
from typing import Any, Literal

from .._checks import check_choice, check_count, check_number
from ..optimizer import Optimizer
from .scheduler import Scheduler

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(Scheduler):
    """Reduce the rate when a metric has stopped to improve (L45; PyTorch's rule).

    `step` takes the metric a, in this order:

    1. a is better than the best so far: it is the new best, and the count of bad calls is 0;
       otherwise the count goes up (nan is never better);
    2. during a cooldown, the cooldown goes down by one and the count is 0;
    3. count > patience: lr ← max(lr·factor, min_lr), unless that changes it by ``eps`` at most;
       a cooldown begins, the count is 0.

    ========  ===============================  ================================
    better    ``threshold_mode="rel"``         ``threshold_mode="abs"``
    ========  ===============================  ================================
    ``min``   a < best·(1 − threshold)         a < best − threshold
    ``max``   a > best·(1 + threshold)         a > best + threshold
    ========  ===============================  ================================

    With a metric below 0, ``"rel"`` moves the threshold the wrong way: then take ``"abs"``.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}
        Whether a lower or a higher metric is better.
    factor : float
        In [0, 1).
    patience : int
        Bad calls that are forgiven, ≥ 0: with constant metric and patience 2, the rate falls at
        the calls 4, 7, 10, ....
    threshold : float
        ≥ 0.
    threshold_mode : {"rel", "abs"}
    cooldown : int
        Calls after a reduction in which bad ones do not count, ≥ 0.
    min_lr : float or list of float
        Lowest rate; a list has one for each parameter group.
    eps : float
        Smallest change that is made, ≥ 0.

    Attributes
    ----------
    best : float
        At first inf or −inf.
    num_bad_epochs, cooldown_counter : int

    Raises
    ------
    TypeError, ValueError
        For settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (0.5, 0.4, 0.4, 0.4, 0.4):
    ...     scheduler.step(loss)
    ...     print(scheduler.get_last_lr()[0])
    1.0
    1.0
    1.0
    0.1
    0.1
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        name = "ReduceLROnPlateau"
        super().__init__(optimizer)
        self.mode = check_choice(name, "mode", mode, ("min", "max"))
        self.factor = check_number(name, "factor", factor, high=1.0)
        self.patience = check_count(name, "patience", patience, 0)
        self.threshold = check_number(name, "threshold", threshold)
        self.threshold_mode = check_choice(name, "threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown = check_count(name, "cooldown", cooldown, 0)
        self.min_lrs = self._per_group("min_lr", min_lr)
        self.eps = check_number(name, "eps", eps)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    def is_better(self, metric: float) -> bool:
        """Whether a metric beats the best so far by the threshold."""
        sign = 1.0 if self.mode == "max" else -1.0
        margin = self.threshold
        if self.threshold_mode == "rel":
            margin = self.best * self.threshold if math.isfinite(self.best) else 0.0
            return sign * metric > sign * (self.best + sign * margin)
        return sign * metric > sign * self.best + margin

    def step(self, metrics: Any) -> None:
        """Look at the metric of one more epoch; a number or a scalar `Value`."""
        metric = float(getattr(metrics, "data", metrics))
        self.last_epoch += 1
        if self.is_better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = self._rates()
        if self.num_bad_epochs > self.patience:
            lowered = [
                max(lr * self.factor, low) for lr, low in zip(rates, self.min_lrs, strict=True)
            ]
            rates = [
                new if old - new > self.eps else old
                for old, new in zip(rates, lowered, strict=True)
            ]
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._put([{"lr": lr} for lr in rates])
