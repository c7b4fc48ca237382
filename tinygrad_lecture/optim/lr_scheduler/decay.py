"""Rates that fall: in stairs, exponentially, like 1/t, like a power."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence

from .._checks import check_count, check_number, check_positive
from ..optimizer import Optimizer
from .scheduler import LRScheduler

__all__ = [
    "BengioLR",
    "BottouLR",
    "ExponentialLR",
    "InverseTimeLR",
    "LambdaLR",
    "MultiStepLR",
    "PolynomialLR",
    "StepLR",
]

Factor = Callable[[int], float]


class LambdaLR(LRScheduler):
    """Any schedule: lr(t) = lr₀·λ(t) (L21).

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or sequence of callables
        Factor at step t = 0, 1, ...; one function, or one for each parameter group.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        If there are not as many functions as groups.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=0.5)
    >>> tg.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (t + 1)).lrs(4)
    array([0.5       , 0.25      , 0.16666667, 0.125     ])
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        groups = len(self._checked(optimizer).param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ValueError(
                f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} parameter groups; give"
                " one, or one for each group"
            )
        super().__init__(optimizer, last_epoch)

    def lr_at(self, t: int) -> list[float]:
        """lr₀·λ(t), with the function of each group."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [float(base * factor(t)) for base, factor in pairs]


class StepLR(LRScheduler):
    """Staircase: lr(t) = lr₀·γ^⌊t / step_size⌋ (L26).

    Each drop lowers the noise floor that SGD ends on (L20).

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
        Steps between two drops, ≥ 1.
    gamma : float
        γ ≥ 0.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> tg.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5).lrs(5)
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = check_count("StepLR", "step_size", step_size)
        self.gamma = check_number("StepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """lr₀·γ^⌊t / step_size⌋."""
        return float(base * self.gamma ** (t // self.step_size))


class MultiStepLR(LRScheduler):
    """Staircase with drops at given steps: lr(t) = lr₀·γ^(number of milestones ≤ t) (L26).

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
        Steps ≥ 0 at which the rate drops; twice the same drops twice.
    gamma : float
        γ ≥ 0.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> tg.optim.lr_scheduler.MultiStepLR(optimizer, [1, 3], gamma=0.5).lrs(5)
    array([1.  , 0.5 , 0.5 , 0.25, 0.25])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(check_count("MultiStepLR", "milestones", m, 0) for m in milestones)
        self.gamma = check_number("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """lr₀·γ^(number of milestones ≤ t)."""
        return float(base * self.gamma ** bisect.bisect_right(self.milestones, t))


class ExponentialLR(LRScheduler):
    """Exponential decay: lr(t) = lr₀·γᵗ (L21).

    With γ < 1 the sum of all rates is lr₀/(1 − γ): gradients of length 1 cannot carry the
    parameters farther than that, wherever the optimum is (`robbins_monro`).

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
        γ ≥ 0.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> tg.optim.lr_scheduler.ExponentialLR(optimizer, 0.9).lrs(4)
    array([1.   , 0.9  , 0.81 , 0.729])
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = check_number("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """lr₀·γᵗ."""
        return float(base * self.gamma**t)


class InverseTimeLR(LRScheduler):
    """Decay like 1/t: lr(t) = lr₀ / (1 + t/t₀) (L21).

    Fulfils the conditions of Robbins and Monro (1951).  With lr₀ = t₀ = 1 it is 1, ½, ⅓, ...:
    SGD on the squared distance to samples then holds their mean at each moment.

    Parameters
    ----------
    optimizer : Optimizer
    t0 : float
        Steps after which half of the rate is left, > 0.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> tg.optim.lr_scheduler.InverseTimeLR(optimizer, t0=2).lrs(4)
    array([1.   , 0.667, 0.5  , 0.4  ])
    """

    def __init__(self, optimizer: Optimizer, t0: float, last_epoch: int = -1) -> None:
        self.t0 = check_positive("InverseTimeLR", "t0", t0)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """lr₀ / (1 + t/t₀)."""
        return base / (1.0 + t / self.t0)


class PolynomialLR(LRScheduler):
    """Down to 0 along a power: lr(t) = lr₀·(1 − min(t, T)/T)^power (L26).

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int
        T ≥ 1; from there on the rate is 0.
    power : float
        1 is a straight line.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> tg.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4, power=2).lrs(5)
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = check_count("PolynomialLR", "total_iters", total_iters)
        self.power = check_number("PolynomialLR", "power", power)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """lr₀·(1 − min(t, T)/T)^power."""
        return float(base * (1.0 - min(t, self.total_iters) / self.total_iters) ** self.power)


class BottouLR(LRScheduler):
    """Bottou's rates: γ(t) = γ₀ / (1 + λγ₀t)^power (L22; Bottou, SGD Tricks, 2012).

    For a loss with the regularizer λ/2 ‖θ‖² and plain SGD, power 1 is asymptotically the best
    rate 1/(λt).  For averaged SGD (`ASGD`, `swa_utils.AveragedModel`) the text advises ¾.

    Parameters
    ----------
    optimizer : Optimizer
        Its lr is γ₀, best chosen on a small sample of the data.
    lam : float
        λ > 0, the strong convexity: as a rule the weight decay.
    power : float
        1 or 3/4 in the text.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=0.5)
    >>> tg.optim.lr_scheduler.BottouLR(optimizer, lam=2.0).lrs(4)
    array([0.5       , 0.25      , 0.16666667, 0.125     ])
    """

    def __init__(
        self, optimizer: Optimizer, lam: float, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.lam = check_positive("BottouLR", "lam", lam)
        self.power = check_number("BottouLR", "power", power)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """γ₀ / (1 + λγ₀t)^power."""
        return float(base / (1.0 + self.lam * base * t) ** self.power)


class BengioLR(LRScheduler):
    """Constant first, then like 1/t: lr(t) = lr₀·τ / max(t, τ) (L68; Bengio 2012, eq. 7).

    Parameters
    ----------
    optimizer : Optimizer
    tau : float
        τ > 0: until there the rate stays.
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> tg.optim.lr_scheduler.BengioLR(optimizer, tau=2).lrs(6)
    array([1.   , 1.   , 1.   , 0.667, 0.5  , 0.4  ])
    """

    def __init__(self, optimizer: Optimizer, tau: float, last_epoch: int = -1) -> None:
        self.tau = check_positive("BengioLR", "tau", tau)
        super().__init__(optimizer, last_epoch)

    def rate(self, t: int, base: float) -> float:
        """lr₀·τ / max(t, τ)."""
        return base * self.tau / max(t, self.tau)
