"""Rates that go up and down: cosine cycles, triangles, one cycle."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from .._checks import check_choice, check_count, check_number, check_positive
from ..optimizer import Group, Optimizer
from .scheduler import LRScheduler, check_momentum, momentum_setting

__all__ = [
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "OneCycleLR",
    "SnapshotCosineLR",
]


def cosine(start: float, end: float, share: float) -> float:
    """Half a wave of the cosine from ``start`` (share 0) to ``end`` (share 1)."""
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0


def linear(start: float, end: float, share: float) -> float:
    """A straight line from ``start`` (share 0) to ``end`` (share 1)."""
    return start + (end - start) * share


class CosineAnnealingLR(LRScheduler):
    """Half a cosine: lr(t) = η + (lr₀ − η)(1 + cos(πt/T)) / 2 (L29; arXiv:1608.03983, eq. 5).

    After T it rises again, back to lr₀ at 2T.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        T ≥ 1.
    eta_min : float
        η ≥ 0, the rate at T.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4).lrs(5).round(3)
    array([1.   , 0.854, 0.5  , 0.146, 0.   ])
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = check_count("CosineAnnealingLR", "T_max", T_max)
        self.eta_min = check_number("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """η + (lr₀ − η)(1 + cos(πt/T)) / 2."""
        return cosine(base, self.eta_min, t / self.T_max)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine again and again, each T_mult times as long as the one before (L29; SGDR).

    Loshchilov and Hutter, arXiv:1608.03983, eq. 5: with t steps since the last restart and T the
    length of this cycle, lr = η + (lr₀ − η)(1 + cos(πt/T)) / 2.

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        Length of the first cycle, ≥ 1.
    T_mult : int
        ≥ 1.
    eta_min : float
        η ≥ 0, the rate that a cycle falls to.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
    >>> scheduler.lrs(7).round(3)
    array([1.   , 0.5  , 1.   , 0.854, 0.5  , 0.146, 1.   ])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_0 = check_count("CosineAnnealingWarmRestarts", "T_0", T_0)
        self.T_mult = check_count("CosineAnnealingWarmRestarts", "T_mult", T_mult)
        self.eta_min = check_number("CosineAnnealingWarmRestarts", "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """η + (lr₀ − η)(1 + cos(π·share)) / 2, the share of the cycle that is over."""
        length = self.T_0
        if self.T_mult == 1:
            t = t % length
        else:
            while t >= length:
                t, length = t - length, length * self.T_mult
        return cosine(base, self.eta_min, t / length)


class SnapshotCosineLR(LRScheduler):
    """M cosine cycles within T steps, for snapshot ensembles (L29; arXiv:1704.00109, eq. 2).

    With C = ⌈T/M⌉ and t from 0 (the paper counts from 1)::

        lr(t) = lr₀/2 · (cos(π (t mod C) / C) + 1)

    The last rate of a cycle is lr₀/2 · (1 − cos(π/C)), small but not 0; a snapshot is taken after
    that step, at t + 1 = C, 2C, ....

    Parameters
    ----------
    optimizer : Optimizer
    total : int
        T ≥ 1, all steps: the paper changes the rate at each batch.
    cycles : int
        M, 1 ≤ M ≤ T.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.SnapshotCosineLR(optimizer, total=8, cycles=2)
    >>> scheduler.lrs(8).round(3)
    array([1.   , 0.854, 0.5  , 0.146, 1.   , 0.854, 0.5  , 0.146])
    >>> [t for t in range(8) if scheduler.ends_cycle(t)]
    [3, 7]
    """

    def __init__(self, optimizer: Optimizer, total: int, cycles: int, last_epoch: int = -1) -> None:
        self.total = check_count("SnapshotCosineLR", "total", total)
        self.cycles = check_count("SnapshotCosineLR", "cycles", cycles)
        if self.cycles > self.total:
            raise ValueError(
                f"SnapshotCosineLR: {self.cycles} cycles do not fit into total={self.total} steps"
            )
        super().__init__(optimizer, last_epoch)

    @property
    def length(self) -> int:
        """Steps of a cycle: C = ⌈T/M⌉."""
        return -(-self.total // self.cycles)

    def ends_cycle(self, t: int) -> bool:
        """Whether step t is the last of a cycle, after which a snapshot is taken."""
        return (t + 1) % self.length == 0 or t + 1 == self.total

    def rate(self, t: int, base: float) -> float:
        """lr₀/2 · (cos(π (t mod C) / C) + 1)."""
        return cosine(base, 0.0, t % self.length / self.length)


class CyclicLR(LRScheduler):
    """Cyclical learning rates, up and down in straight lines (L27; arXiv:1506.01186).

    With s = step_size_up = step_size_down::

        cycle = ⌊1 + t/(2s)⌋        x = |t/s − 2·cycle + 1|
        lr(t) = base + (max − base) · max(0, 1 − x) · scale

    =================  ==========================================================
    ``mode``           scale
    =================  ==========================================================
    ``"triangular"``   1
    ``"triangular2"``  2^−(cycle − 1): half the height in each cycle
    ``"exp_range"``    γᵗ (of the height alone, as in PyTorch and Keras; the text
    ..                 of the paper says that both boundaries shrink)
    =================  ==========================================================

    Parameters
    ----------
    optimizer : Optimizer
        Its own rates do not count.
    base_lr, max_lr : float or list of float
        Lowest and highest rate ≥ 0; a list has one for each parameter group.
    step_size_up : int
        Steps from the lowest to the highest, ≥ 1.  The paper advises 2 to 10 epochs.
    step_size_down : int, optional
        Steps back; as many as up by default.
    mode : {"triangular", "triangular2", "exp_range"}
    gamma : float
        γ ≥ 0 of ``"exp_range"``.
    scale_fn : callable, optional
        A scale of one's own, in the place of ``mode``.
    scale_mode : {"cycle", "iterations"}
        Whether ``scale_fn`` is given the cycle (1, 2, ...) or t.
    cycle_momentum : bool
        Move the momentum (β₁ of Adam) the other way, from ``max_momentum`` down to
        ``base_momentum`` and back.  False by default, as in the paper; PyTorch's default is True.
    base_momentum, max_momentum : float or list of float
        In [0, 1).
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        For settings out of their ranges, and with ``cycle_momentum`` for an optimizer without.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=0.1)
    >>> scheduler = tg.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 1.1, step_size_up=4)
    >>> scheduler.lrs(10)
    array([0.1 , 0.35, 0.6 , 0.85, 1.1 , 0.85, 0.6 , 0.35, 0.1 , 0.35])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = False,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        name = "CyclicLR"
        self._checked(optimizer)
        self.optimizer = optimizer
        self.min_lrs = self._per_group("base_lr", base_lr)
        self.max_lrs = self._per_group("max_lr", max_lr)
        self.step_size_up = check_count(name, "step_size_up", step_size_up)
        down = step_size_up if step_size_down is None else step_size_down
        self.step_size_down = check_count(name, "step_size_down", down)
        self.mode = check_choice(name, "mode", mode, ("triangular", "triangular2", "exp_range"))
        self.gamma = check_number(name, "gamma", gamma)
        self.scale_fn = scale_fn
        self.scale_mode = check_choice(name, "scale_mode", scale_mode, ("cycle", "iterations"))
        self.cycle_momentum = bool(cycle_momentum)
        self.base_momentums = self._per_group("base_momentum", base_momentum)
        self.max_momentums = self._per_group("max_momentum", max_momentum)
        if self.cycle_momentum:
            check_momentum(name, optimizer)
        super().__init__(optimizer, last_epoch)

    def scale(self, t: int) -> float:
        """How high the cycle of step t is, against the first."""
        cycle = 1 + t // (self.step_size_up + self.step_size_down)
        if self.scale_fn is not None:
            return float(self.scale_fn(cycle if self.scale_mode == "cycle" else t))
        if self.mode == "triangular2":
            return 1.0 / 2.0 ** (cycle - 1)
        return self.gamma**t if self.mode == "exp_range" else 1.0

    def height(self, t: int) -> float:
        """How far up the line is at step t, from 0 to 1 times `scale`."""
        up, down = self.step_size_up, self.step_size_down
        t_cycle = t % (up + down)
        share = t_cycle / up if t_cycle <= up else (up + down - t_cycle) / down
        return share * self.scale(t)

    def lr_at(self, t: int) -> list[float]:
        """Base + (max − base) · height, for each group."""
        height, pairs = self.height(t), zip(self.min_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in pairs]

    def settings_at(self, t: int) -> list[Group]:
        """Rates, and momenta the other way round."""
        settings = super().settings_at(t)
        if self.cycle_momentum:
            height, groups = self.height(t), self.optimizer.param_groups
            ranges = zip(self.base_momentums, self.max_momentums, strict=True)
            for new, group, (low, high) in zip(settings, groups, ranges, strict=True):
                new.update(momentum_setting(group, high - (high - low) * height))
        return settings


class OneCycleLR(LRScheduler):
    """One cycle: up to max_lr, then down far below the start (Smith and Topin, arXiv:1708.07120).

    With start = max_lr/div_factor, end = start/final_div_factor and N = total_steps, the rate
    goes from start to max_lr until step pct_start·N − 1, and from there to end until N − 1, along
    half a cosine or a line.  The momentum goes the other way round.

    Parameters
    ----------
    optimizer : Optimizer
        Its own rates do not count.
    max_lr : float or list of float
        Highest rate ≥ 0; a list has one for each parameter group.
    total_steps : int, optional
        N ≥ 1, or else both of the next two.
    epochs, steps_per_epoch : int, optional
        N = epochs · steps_per_epoch.
    pct_start : float
        Share of the steps that go up, in [0, 1].
    anneal_strategy : {"cos", "linear"}
    cycle_momentum : bool
        Move ``momentum`` (β₁ of Adam) from ``max_momentum`` to ``base_momentum`` and back.
    base_momentum, max_momentum : float or list of float
        In [0, 1).
    div_factor, final_div_factor : float
        > 0.
    three_phase : bool
        As the paper has it: up, down to start in as many steps, then to end.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        For settings out of their ranges; with ``cycle_momentum`` for an optimizer without; and
        for steps after N − 1, where the schedule is over.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.Adam([tg.Value(0.0)])
    >>> scheduler = tg.optim.lr_scheduler.OneCycleLR(
    ...     optimizer, max_lr=1.0, total_steps=8, pct_start=0.5, anneal_strategy="linear"
    ... )
    >>> scheduler.lrs(8).round(2)
    array([0.04, 0.36, 0.68, 1.  , 0.75, 0.5 , 0.25, 0.  ])
    >>> optimizer.param_groups[0]["betas"]
    (0.95, 0.999)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        name = "OneCycleLR"
        self._checked(optimizer)
        self.optimizer = optimizer
        if total_steps is not None:
            self.total_steps = check_count(name, "total_steps", total_steps)
        elif epochs is not None and steps_per_epoch is not None:
            self.total_steps = check_count(name, "epochs", epochs)
            self.total_steps *= check_count(name, "steps_per_epoch", steps_per_epoch)
        else:
            raise ValueError(f"{name}: give total_steps, or both epochs and steps_per_epoch")
        self.max_lrs = self._per_group("max_lr", max_lr)
        self.pct_start = check_number(name, "pct_start", pct_start)
        if self.pct_start > 1.0:
            raise ValueError(
                f"{name}: pct_start is a share of the steps in [0, 1], got {pct_start}"
            )
        self.anneal_strategy = check_choice(
            name, "anneal_strategy", anneal_strategy, ("cos", "linear")
        )
        self.cycle_momentum = bool(cycle_momentum)
        self.base_momentums = self._per_group("base_momentum", base_momentum)
        self.max_momentums = self._per_group("max_momentum", max_momentum)
        self.div_factor = check_positive(name, "div_factor", div_factor)
        self.final_div_factor = check_positive(name, "final_div_factor", final_div_factor)
        self.three_phase = bool(three_phase)
        if self.cycle_momentum:
            check_momentum(name, optimizer)
        super().__init__(optimizer, last_epoch)

    def _anneal(self, t: int, turns: list[float]) -> float:
        """Go through the turning points, from one end of a phase to the next."""
        if t >= self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {t} is beyond the last one, {self.total_steps - 1}, of"
                f" total_steps={self.total_steps}"
            )
        top = self.pct_start * self.total_steps - 1
        ends = [0.0, top, 2 * top, self.total_steps - 1] if self.three_phase else [
            0.0, top, self.total_steps - 1
        ]  # fmt: skip
        way = cosine if self.anneal_strategy == "cos" else linear
        last = len(turns) - 2
        phase = next((i for i in range(last) if t <= ends[i + 1]), last)
        length = ends[phase + 1] - ends[phase]
        return way(turns[phase], turns[phase + 1], (t - ends[phase]) / length if length else 1.0)

    def lr_at(self, t: int) -> list[float]:
        """Rates along the cycle, for each group."""
        rates = []
        for high in self.max_lrs:
            start = high / self.div_factor
            turns = [start, high, start] if self.three_phase else [start, high]
            rates.append(self._anneal(t, [*turns, start / self.final_div_factor]))
        return rates

    def settings_at(self, t: int) -> list[Group]:
        """Rates, and momenta the other way round."""
        settings = super().settings_at(t)
        if self.cycle_momentum:
            ranges = zip(self.base_momentums, self.max_momentums, strict=True)
            groups = self.optimizer.param_groups
            for new, group, (low, high) in zip(settings, groups, ranges, strict=True):
                turns = [high, low, high, high] if self.three_phase else [high, low, high]
                new.update(momentum_setting(group, self._anneal(t, turns)))
        return settings
