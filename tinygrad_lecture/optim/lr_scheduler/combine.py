"""Schedules made of schedules: one after another, or one times another."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

from .._checks import check_count
from ..optimizer import Group, Optimizer
from .scheduler import LRScheduler

__all__ = ["ChainedScheduler", "SequentialLR"]


class Combined(LRScheduler):
    """A schedule over others, which are asked by `lr_at` and never stepped."""

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], last_epoch: int = -1
    ) -> None:
        self._checked(optimizer)
        self.schedulers = list(schedulers)
        for i, scheduler in enumerate(self.schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(
                    f"{self._name}: scheduler {i} is {type(scheduler).__name__}, which is not a"
                    " function of the step alone (a subclass of LRScheduler)"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{self._name}: scheduler {i} belongs to another optimizer")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return settings and position, and those of the parts as ``"schedulers"``."""
        return {**super().state_dict(), "schedulers": [s.state_dict() for s in self.schedulers]}

    def _check_state(self, state: Mapping[str, Any]) -> None:
        super()._check_state(state)
        parts = state["schedulers"]
        if len(parts) != len(self.schedulers):
            raise ValueError(
                f"{self._name}: the state has {len(parts)} schedulers, this one has"
                f" {len(self.schedulers)}"
            )
        for scheduler, part in zip(self.schedulers, parts, strict=True):
            scheduler._check_state(part)

    def _take(self, state: Mapping[str, Any]) -> None:
        super()._take({key: x for key, x in state.items() if key != "schedulers"})
        for scheduler, part in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler._take(part)

    def extra_repr(self) -> str:
        """Settings of the parts."""
        return ", ".join(f"{s._name}({s.extra_repr()})" for s in self.schedulers)


class SequentialLR(Combined):
    """One schedule after another, each with a count of its own from 0.

    Schedule k is asked from milestones[k − 1] on, as if that were its step 0.  A warm-up before
    another schedule is the common use (`LinearLR` shows it).

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : sequence of LRScheduler
        Made for this optimizer; they are not to be stepped themselves.
    milestones : sequence of int
        Steps at which the next one takes over: one less than there are schedules, rising.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError
        If a schedule is no function of the step alone, as `ReduceLROnPlateau` is not.
    ValueError
        For milestones that do not fit, or schedules of another optimizer.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.optim.lr_scheduler import ConstantLR, SequentialLR, StepLR
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> parts = [ConstantLR(optimizer, 0.1, total_iters=9), StepLR(optimizer, 2, gamma=0.5)]
    >>> SequentialLR(optimizer, parts, milestones=[2]).lrs(6)
    array([0.1, 0.1, 1. , 1. , 0.5, 0.5])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        schedulers = list(schedulers)
        self.milestones = [check_count("SequentialLR", "milestones", m) for m in milestones]
        if len(self.milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedulers need {max(len(schedulers) - 1, 0)}"
                f" milestones, one between each two, got {len(self.milestones)}"
            )
        if sorted(set(self.milestones)) != self.milestones:
            raise ValueError(f"SequentialLR: milestones must rise, got {self.milestones}")
        super().__init__(optimizer, schedulers, last_epoch)

    def part(self, t: int) -> tuple[LRScheduler, int]:
        """Return the schedule that rules step t, and what it counts then."""
        k = bisect.bisect_right(self.milestones, t)
        return self.schedulers[k], t - ([0, *self.milestones][k])

    def lr_at(self, t: int) -> list[float]:
        """Rates of the part that rules step t."""
        scheduler, own = self.part(t)
        return scheduler.lr_at(own)

    def settings_at(self, t: int) -> list[Group]:
        """Rates, and momenta if that part moves them."""
        scheduler, own = self.part(t)
        return scheduler.settings_at(own)


class ChainedScheduler(Combined):
    """The product of schedules: lr(t) = lr₀ · Π lrₖ(t)/lr₀.

    Parameters
    ----------
    schedulers : sequence of LRScheduler
        At least one, all made for the same optimizer; they are not to be stepped themselves.
    optimizer : Optimizer, optional
        That of the schedules.

    Raises
    ------
    TypeError, ValueError
        As `SequentialLR`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> parts = [ConstantLR(optimizer, 0.1, total_iters=2), ExponentialLR(optimizer, 0.5)]
    >>> ChainedScheduler(parts).lrs(4)
    array([0.1  , 0.05 , 0.25 , 0.125])
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        schedulers = list(schedulers)
        if not schedulers:
            raise ValueError("ChainedScheduler: there are no schedulers")
        if optimizer is None:
            optimizer = getattr(schedulers[0], "optimizer", None)
        super().__init__(self._checked(optimizer), schedulers)

    def lr_at(self, t: int) -> list[float]:
        """lr₀ times the factor that each part has at step t."""
        rates = list(self.base_lrs)
        for scheduler in self.schedulers:
            pairs = zip(scheduler.lr_at(t), scheduler.base_lrs, strict=True)
            factors = [lr / base if base else 0.0 for lr, base in pairs]
            rates = [rate * factor for rate, factor in zip(rates, factors, strict=True)]
        return rates
