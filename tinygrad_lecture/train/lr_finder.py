"""The learning rate range test (lecture L28)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiler import compile as compiled
from ..errors import UsageError
from ..nn import Module
from ..optim import Optimizer
from .preserve import preserved

__all__ = ["LRRange", "LRSuggestion", "lr_range_test"]


class LRSuggestion(NamedTuple):
    """Learning rates that a range test suggests: a constant one, and the ends of a cycle."""

    lr: float
    base_lr: float
    max_lr: float


@dataclass(frozen=True)
class LRRange:
    """Losses over learning rates.

    Attributes
    ----------
    lrs, losses, smoothed : ndarray, shape (steps,)
        Rates, the loss of the batch at each, and its running mean. The test ends early where the
        loss blows up.
    blew_up : bool
        Whether it did.
    """

    lrs: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    blew_up: bool

    def suggest(self) -> LRSuggestion:
        """Read learning rates from the curve.

        ``max_lr`` is where the smoothed loss is smallest: beyond it training gets worse. A third
        of it is a good constant rate, a quarter the lower end of a cycle (Smith 2017 gives a third
        or a quarter as ``base_lr``). The rate of steepest descent, which other tools suggest, was
        found to vary a hundredfold between seeds.

        Raises
        ------
        UsageError
            If the smallest loss lies at an end of the range, with what to change.
        """
        best = int(self.smoothed.argmin())
        if best == 0:
            raise UsageError(
                f"the loss never fell below that at lr_min={self.lrs[0]:g}: lower lr_min, or take"
                " more steps"
            )
        if best == len(self.lrs) - 1 and not self.blew_up:
            raise UsageError(
                f"the loss still fell at lr_max={self.lrs[-1]:g}: raise lr_max to see where it ends"
            )
        top = float(self.lrs[best])
        return LRSuggestion(top / 3, top / 4, top)


def lr_range_test(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    train: Iterable[Any],
    lr_min: float = 1e-5,
    lr_max: float = 100.0,
    steps: int = 300,
    *,
    mode: Literal["exp", "linear"] = "exp",
    smooth: float = 0.95,
    stop_factor: float = 4.0,
    compile: bool = True,
) -> LRRange:
    """Train a little at rising learning rates and see where it goes well (L28; Smith 2017).

    At step k of K the rate is ``lr_min (lr_max/lr_min)^(k/(K−1))``, or rises linearly as in the
    paper. Losses are smoothed by a running mean whose start is corrected, as Adam does it:
    ``a ← smooth·a + (1 − smooth)·loss``, divided by ``1 − smoothᵏ⁺¹``. The test stops where the
    loss is not finite or its mean above `stop_factor` times the smallest.

    Model, optimizer, loader and all random generators are as before afterwards, bit by bit.

    Parameters
    ----------
    model, loss, optimizer, train
        As for `fit`. Further parameter groups keep the ratio of their rates to the first one's.
    lr_min, lr_max : float
        0 < lr_min < lr_max.
    steps : int
        K ≥ 2; the data are run through as often as it takes.
    mode : {"exp", "linear"}
    smooth : float
        In [0, 1).
    stop_factor : float
        Above 1.
    compile : bool
        Compile the step, as `fit` does.

    Returns
    -------
    LRRange

    Raises
    ------
    UsageError
        For settings out of their range, data without batches or that can be run through only once.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.spirals(300, noise=0.2, seed=0)
    >>> spirals = tg.data.Dataset(X, y, "spirals", n_classes=3)
    >>> model = tg.nn.Sequential(
    ...     tg.nn.Linear(2, 32, rng=0), tg.nn.Tanh(), tg.nn.Linear(32, 3, rng=1)
    ... )
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> loader = tg.data.DataLoader(spirals, 32, seed=0)
    >>> found = tg.train.lr_range_test(model, tg.nn.CrossEntropyLoss(), optimizer, loader)
    >>> 0.1 < found.suggest().lr < 2
    True
    """
    if not 0 < lr_min < lr_max < math.inf:
        raise UsageError(f"lr_range_test needs 0 < lr_min < lr_max, got {lr_min} and {lr_max}")
    if steps < 2:
        raise UsageError(f"lr_range_test: steps must be at least 2, got {steps}")
    if mode not in ("exp", "linear"):
        raise UsageError(f'lr_range_test: mode is "exp" or "linear", got {mode!r}')
    if not 0 <= smooth < 1:
        raise UsageError(f"lr_range_test: smooth must be at least 0 and below 1, got {smooth}")
    if not stop_factor > 1:
        raise UsageError(f"lr_range_test: stop_factor must be above 1, got {stop_factor}")
    spaced = np.geomspace if mode == "exp" else np.linspace
    lrs = spaced(lr_min, lr_max, steps)

    def step(inputs: Any, targets: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(inputs), targets)
        value.backward()
        optimizer.step(value)
        return value

    take_step = compiled(step) if compile else step
    groups = optimizer.param_groups
    first = groups[0]["lr"]
    ratios = [group["lr"] / first if first else 1.0 for group in groups]
    losses: list[float] = []
    smoothed: list[float] = []
    total, blew_up = 0.0, False
    with preserved(model, loss, optimizer, train), np.errstate(over="ignore", invalid="ignore"):
        model.train()
        for lr, (inputs, targets) in zip(lrs, endless(train), strict=False):
            for group, ratio in zip(groups, ratios, strict=True):
                group["lr"] = float(lr) * ratio
            number = take_step(inputs, targets).item()
            blew_up = not math.isfinite(number)
            if blew_up:
                break
            total = smooth * total + (1 - smooth) * number
            losses.append(number)
            smoothed.append(total / (1 - smooth ** len(losses)))
            blew_up = smoothed[-1] > stop_factor * min(smoothed)
            if blew_up:
                break
    if not losses:
        raise UsageError("lr_range_test: the first loss is not finite: the model cannot be trained")
    return LRRange(lrs[: len(losses)], np.array(losses), np.array(smoothed), blew_up)


def endless(batches: Iterable[Any]) -> Iterator[Any]:
    """Run through the data again and again."""
    if isinstance(batches, Iterator):
        raise UsageError("the training data are run through again and again: give a loader or list")
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise UsageError("the training data gave no batches")
