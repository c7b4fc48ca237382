"""Stepping a scheduler of learning rates inside of `fit`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from .run import Callback, Run

__all__ = ["Scheduling"]


class Scheduling(Callback):
    """Call ``scheduler.step()`` after each epoch or each step; what ``fit(scheduler=...)`` uses.

    Parameters
    ----------
    scheduler : object with ``step()``
        PyTorch's interface.  If its ``step`` needs an argument (`ReduceLROnPlateau`), it gets the
        number that decides which epoch is best.
    interval : {"epoch", "step"}

    Raises
    ------
    UsageError
        For another interval, or for one that needs a metric after each step.

    Examples
    --------
    Two schedulers, one on top of the other:

    >>> import tinygrad_lecture as tg
    >>> class Halve:
    ...     def __init__(self, optimizer):
    ...         self.optimizer = optimizer
    ...
    ...     def step(self):
    ...         self.optimizer.param_groups[0]["lr"] *= 0.5
    >>> model = tg.nn.Linear(1, 1, rng=0)
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=8.0)
    >>> halving = tg.train.Scheduling(Halve(optimizer), "epoch")
    >>> data = ([[0.0]], [[0.0]])
    >>> run = tg.train.fit(model, tg.nn.MSELoss(), optimizer, data, epochs=3, callbacks=[halving])
    >>> [row["lr"] for row in run.history]
    [8.0, 4.0, 2.0]
    """

    def __init__(self, scheduler: Any, interval: str = "epoch") -> None:
        if interval not in ("epoch", "step"):
            raise UsageError(f'interval is "epoch" or "step", got {interval!r}')
        needed = inspect.signature(scheduler.step).parameters.values()
        self.takes_metric = any(
            p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            for p in needed
        )
        if self.takes_metric and interval == "step":
            raise UsageError(
                f"{type(scheduler).__name__} needs a metric, and there is one after each epoch"
                ' only: use interval="epoch"'
            )
        self.scheduler, self.interval = scheduler, interval

    def on_step(self, run: Run) -> None:
        """Step, if the interval is "step"."""
        if self.interval == "step":
            self.scheduler.step()

    def on_epoch(self, run: Run) -> None:
        """Step, if the interval is "epoch"."""
        if self.interval == "epoch":
            self.scheduler.step(*([run.score] if self.takes_metric else []))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the scheduler, if it has one."""
        return self.scheduler.state_dict() if hasattr(self.scheduler, "state_dict") else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        if hasattr(self.scheduler, "load_state_dict"):
            self.scheduler.load_state_dict(state)
