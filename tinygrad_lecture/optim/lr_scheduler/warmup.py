"""The first steps: rates that start low, and a momentum that does."""

from __future__ import annotations

from .._checks import check_count, check_number
from ..optimizer import Group, Optimizer
from .scheduler import LRScheduler, check_momentum, momentum_setting

__all__ = ["ConstantLR", "LinearLR", "MomentumWarmup"]


class LinearLR(LRScheduler):
    """Linear warm-up: lr(t) = lr₀·(a + (b − a)·min(t, T)/T).

    Parameters
    ----------
    optimizer : Optimizer
    start_factor, end_factor : float
        a and b ≥ 0.
    total_iters : int
        T ≥ 1.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    A warm-up before another schedule:

    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> fall = CosineAnnealingLR(optimizer, T_max=4)
    >>> SequentialLR(optimizer, [warm_up, fall], milestones=[2]).lrs(7).round(3)
    array([0.5  , 0.75 , 1.   , 0.854, 0.5  , 0.146, 0.   ])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = check_number("LinearLR", "start_factor", start_factor)
        self.end_factor = check_number("LinearLR", "end_factor", end_factor)
        self.total_iters = check_count("LinearLR", "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """lr₀·(a + (b − a)·min(t, T)/T)."""
        share = min(t, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * share)


class ConstantLR(LRScheduler):
    """Constant warm-up: lr₀·factor for T steps, then lr₀.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float
        ≥ 0.
    total_iters : int
        T ≥ 1.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> tg.optim.lr_scheduler.ConstantLR(optimizer, factor=0.25, total_iters=2).lrs(4)
    array([0.25, 0.25, 1.  , 1.  ])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.factor = check_number("ConstantLR", "factor", factor)
        self.total_iters = check_count("ConstantLR", "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """lr₀·factor before T, lr₀ from there on."""
        return base * self.factor if t < self.total_iters else base


class MomentumWarmup(LRScheduler):
    """Raise the momentum, not the rate: μ(t) = start + (end − start)·min(t, T)/T (L69).

    Hinton's lecture 6c: begin with a small momentum (.5), since the first gradients are large; go
    over to the final one (.9) when they have calmed down.  The step that a constant gradient g
    ends on is −αg/(1 − μ) (L30), five times as long by then.

    Adam and its relatives have β₁ in the place of μ; that one is moved then.  The rates stay what
    they are, so another schedule can step beside this one.

    Parameters
    ----------
    optimizer : Optimizer
        With a setting ``momentum`` or ``betas``.
    start, end : float
        In [0, 1).
    steps : int
        T ≥ 1.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        If the optimizer has no momentum, or for settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0, momentum=0.5)
    >>> schedule = tg.optim.lr_scheduler.MomentumWarmup(optimizer, steps=2)
    >>> [round(schedule.momentum_at(t), 6) for t in range(4)]
    [0.5, 0.7, 0.9, 0.9]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start: float = 0.5,
        end: float = 0.9,
        steps: int = 100,
        last_epoch: int = -1,
    ) -> None:
        self.start = check_number("MomentumWarmup", "start", start, high=1.0)
        self.end = check_number("MomentumWarmup", "end", end, high=1.0)
        self.steps = check_count("MomentumWarmup", "steps", steps)
        check_momentum("MomentumWarmup", self._checked(optimizer))
        super().__init__(optimizer, last_epoch)

    def momentum_at(self, t: int) -> float:
        """Momentum at step t ≥ 0."""
        return self.start + (self.end - self.start) * min(t, self.steps) / self.steps

    def lr_at(self, t: int) -> list[float]:
        """Rates as they are: this schedule does not move them."""
        return self._rates()

    def settings_at(self, t: int) -> list[Group]:
        """The momentum of each group."""
        return [momentum_setting(g, self.momentum_at(t)) for g in self.optimizer.param_groups]

    def step(self) -> None:
        """Go on to the next step, whatever the rates are by now."""
        self.last_epoch += 1
        self._restore()
