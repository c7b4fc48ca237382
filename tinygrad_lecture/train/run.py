"""`Run`: a training under way, and `Callback`: what looks into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from ..errors import UsageError
from ..nn import Module
from ..optim import Optimizer
from .evaluate import Metric, RunningMeans
from .state import load_random_state, random_state

__all__ = ["Best", "Callback", "DivergenceError", "Run"]


class Best(NamedTuple):
    """The best epoch so far."""

    epoch: int
    score: float
    weights: dict[str, Any]


@dataclass(eq=False, repr=False)
class Run:
    """A training under way: what `fit` hands to callbacks, and what it returns.

    Attributes
    ----------
    model, loss, optimizer, train, validation, metrics, average
        What `fit` was called with; the data as batches.
    epochs : int
        How many epochs the training is to have in all.
    monitor, mode
        Column of `history` that decides which epoch is best, and "min" or "max".
    epoch, step, batch : int
        Finished epochs, finished optimizer steps, finished steps of the epoch under way.
    inputs, targets
        The batch of the step under way, or of the last one.
    history : list of dict
        One row per finished epoch: epoch, step, lr, train_loss, val_loss, metrics.
    best : Best or None
        The best epoch, with a copy of its weights.
    means : RunningMeans
        Loss and metrics of the epoch under way.
    reason : str
        How it ended: "finished", "interrupted", "diverged", "failed", or what a callback gave to
        `stop`.
    """

    model: Module
    loss: Callable[[Any, Any], Any]
    optimizer: Optimizer
    train: Iterable[Any]
    validation: Iterable[Any] | None
    epochs: int
    metrics: Mapping[str, Metric]
    monitor: str
    mode: Literal["min", "max"]
    callbacks: Sequence[Callback] = ()
    average: Any = None
    epoch: int = 0
    step: int = 0
    batch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: Best | None = None
    means: RunningMeans = field(default_factory=RunningMeans)
    reason: str = "running"
    inputs: Any = None
    targets: Any = None
    loader_state: Any = None
    take_step: Callable[[Any, Any], tuple[Any, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.take_step = self._step
        self.mark_data()

    def __repr__(self) -> str:
        told = f"<Run {self.reason}, {self.epoch} of {self.epochs} epochs, {self.step:,} steps"
        if self.best is not None:
            told += f", best {self.monitor} {self.best.score:.4g} at epoch {self.best.epoch}"
        return f"{told}>"

    def _step(self, inputs: Any, targets: Any) -> tuple[Any, Any]:
        """Take one training step; return outputs and loss.  A loss of inf or nan moves nothing."""
        self.optimizer.zero_grad()
        output = self.model(inputs)
        value = self.loss(output, targets)
        if np.isfinite(value):
            value.backward()
            self.optimizer.step(value)
        return output, value

    @property
    def score(self) -> float:
        """What the last epoch has in the column that decides which epoch is best.

        Raises
        ------
        UsageError
            If there is no such column.
        """
        row = self.history[-1]
        if self.monitor not in row:
            raise UsageError(f"fit: monitor is one of {', '.join(row)}; got {self.monitor!r}")
        return row[self.monitor]

    def better(self, score: float, than: float) -> bool:
        """Tell whether one score is better than another, by `mode`; a nan never is."""
        return score < than if self.mode == "min" else score > than

    def stop(self, reason: str) -> None:
        """Ask for an end after the current epoch; called by callbacks."""
        self.reason = reason

    def mark_data(self) -> None:
        """Remember where the training data stand at the beginning of an epoch."""
        if hasattr(self.train, "state_dict"):
            self.loader_state = self.train.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides how the training goes on, as a tree of plain data.

        Weights and buffers, optimizer, random generators of the modules, the order of the training
        data, the state of callbacks that have a ``state_dict`` and of the averaged model, counts,
        history, and the best epoch with its weights; after any step, not only between epochs.
        """
        state: dict[str, Any] = {
            "identity": self._identity(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": random_state(self.model, self.loss),
            "loader": self.loader_state,
            "epochs": self.epochs,
            "epoch": self.epoch,
            "step": self.step,
            "batch": self.batch,
            "means": self.means.state_dict(),
            "history": self.history,
            "best": None if self.best is None else self.best._asdict(),
            "reason": self.reason,
        }
        for name, part in self._stateful().items():
            state[name] = part.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        A training that a callback had stopped stays so, unless it is to have more epochs now.

        Raises
        ------
        UsageError
            If a part is missing or does not fit this model, loss, optimizer or data; model and
            optimizer are then as they were.
        """
        before = self.model.state_dict(), self.optimizer.state_dict()
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self._check_identity(state["identity"])
            load_random_state(state["random"], self.model, self.loss)
            self.loader_state = state["loader"]
            if self.loader_state is not None and hasattr(self.train, "load_state_dict"):
                self.train.load_state_dict(self.loader_state)
            for name, part in self._stateful().items():
                part.load_state_dict(state[name])
            self.epoch, self.step = int(state["epoch"]), int(state["step"])
            self.batch = int(state["batch"])
            self.means.load_state_dict(state["means"])
            self.history = [dict(row) for row in state["history"]]
            self.best = None if state["best"] is None else Best(**state["best"])
            self.reason = state["reason"] if self.epochs <= state["epochs"] else "running"
        except (KeyError, ValueError, TypeError) as error:
            self.model.load_state_dict(before[0])
            self.optimizer.load_state_dict(before[1])
            reason = f"the saved state has no {error}" if isinstance(error, KeyError) else error
            raise UsageError(f"cannot resume: {reason}") from error

    def _identity(self) -> dict[str, str]:
        """Describe what arrays do not tell: two networks may have the same shapes."""
        loss = self.loss if isinstance(self.loss, Module) else type(self.loss)
        return {
            "model": repr(self.model),
            "loss": repr(loss) if isinstance(loss, Module) else loss.__qualname__,
            "optimizer": type(self.optimizer).__qualname__,
        }

    def _check_identity(self, saved: Mapping[str, str]) -> None:
        for name, own in self._identity().items():
            if saved[name] != own:
                theirs, ours = _first_difference(saved[name], own)
                raise UsageError(f"it was saved with the {name} {theirs}, and this one is {ours}")

    def _stateful(self) -> dict[str, Any]:
        """Name the averaged model and the callbacks, as far as they have a state."""
        parts: dict[str, Any] = {"average": self.average}
        for callback in self.callbacks:
            kind = type(callback).__name__
            twins = sum(name.startswith(f"callback {kind} ") for name in parts)
            parts[f"callback {kind} {twins}"] = callback
        return {name: part for name, part in parts.items() if hasattr(part, "state_dict")}


def _first_difference(a: str, b: str) -> tuple[str, str]:
    """Return the first lines of two texts that differ."""
    for one, other in zip(a.splitlines(), b.splitlines(), strict=False):
        if one != other:
            return one.strip(), other.strip()
    lines = len(a.splitlines()), len(b.splitlines())
    return f"of {lines[0]} lines", f"of {lines[1]} lines"


class Callback:
    """Base of what looks into a training; override what is needed.

    A callback that has ``state_dict()`` and ``load_state_dict()`` is part of each checkpoint.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> class StopBelow(tg.train.Callback):
    ...     def on_epoch(self, run):
    ...         if run.history[-1]["train_loss"] < 0.01:
    ...             run.stop("the training loss is below 0.01")
    """

    last: bool = False
    """Whether it is called after all others: what saves the state sees what they did to it."""

    def on_start(self, run: Run) -> None:
        """Before the first step, after a resumed state was loaded."""

    def on_batch(self, run: Run) -> None:
        """Before each step; ``run.inputs`` and ``run.targets`` are its batch."""

    def on_step(self, run: Run) -> None:
        """After each optimizer step; ``run.means`` holds the epoch's means so far."""

    def on_epoch(self, run: Run) -> None:
        """After each epoch; ``run.history[-1]`` is its row, ``run.best`` is up to date."""

    def on_end(self, run: Run) -> None:
        """At the end, however it came; the best weights are back in the model."""


class DivergenceError(ArithmeticError):
    """The loss became inf or nan; the best weights are back in the model.

    Attributes
    ----------
    run : Run
    step, epoch, batch : int
        The step that was not taken, all counted from 1.
    cause : str
        The first op, or the parameter or input, that was not finite.
    """

    def __init__(self, message: str, run: Run, cause: str = "") -> None:
        super().__init__(message)
        self.run, self.cause = run, cause
        self.step, self.epoch, self.batch = run.step + 1, run.epoch + 1, run.batch + 1
