"""`fit`: the training loop, with validation, callbacks and the best weights kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from ..compiler import compile as compiled
from ..engine import debug
from ..errors import UsageError
from ..nn import Module
from ..optim import Optimizer
from .evaluate import Metric, RunningMeans, evaluate, measure

__all__ = ["Best", "Callback", "DivergenceError", "Run", "fit"]


class Best(NamedTuple):
    """The best epoch so far."""

    epoch: int
    score: float
    weights: dict[str, Any]


@dataclass(eq=False)
class Run:
    """A training under way: what `fit` hands to callbacks, and what it returns.

    Attributes
    ----------
    model, loss, optimizer, train, validation, metrics
        What `fit` was called with.
    epochs : int
        How many epochs the training is to have in all.
    monitor, mode
        Column of `history` that decides which epoch is best, and "min" or "max".
    epoch, step : int
        Finished epochs, finished optimizer steps.
    history : list of dict
        One row per finished epoch: epoch, step, lr, train_loss, val_loss, metrics.
    best : Best or None
        The best epoch, with a copy of its weights.
    means : RunningMeans
        Loss and metrics of the epoch under way.
    reason : str
        How it ended: "finished", "interrupted", "diverged", or what a callback gave to `stop`.
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
    epoch: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: Best | None = None
    means: RunningMeans = field(default_factory=RunningMeans)
    reason: str = "running"
    take_step: Callable[[Any, Any], tuple[Any, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.take_step = self._step

    def _step(self, inputs: Any, targets: Any) -> tuple[Any, Any]:
        """Take one training step; return outputs and loss.  A loss of inf or nan moves nothing."""
        self.optimizer.zero_grad()
        output = self.model(inputs)
        value = self.loss(output, targets)
        if np.isfinite(value):
            value.backward()
            self.optimizer.step()
        return output, value

    def stop(self, reason: str) -> None:
        """Ask for an end after the current epoch; called by callbacks."""
        self.reason = reason

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides how the training goes on, as a tree of plain data.

        Weights and buffers, optimizer, the state of the training data's shuffling (and of callbacks
        that have a ``state_dict``), epoch, step, history, best epoch with its weights.
        """
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "history": self.history,
            "best": None if self.best is None else self.best._asdict(),
        }
        for name, part in self._stateful().items():
            state[name] = part.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises
        ------
        UsageError
            If a part is missing or does not fit this model, optimizer or data.
        """
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            for name, part in self._stateful().items():
                part.load_state_dict(state[name])
            self.epoch, self.step = int(state["epoch"]), int(state["step"])
            self.history = [dict(row) for row in state["history"]]
            self.best = None if state["best"] is None else Best(**state["best"])
        except KeyError as error:
            raise UsageError(f"cannot resume: the saved state has no {error}") from error
        except (ValueError, TypeError) as error:
            raise UsageError(f"cannot resume: {error}") from error

    def _stateful(self) -> dict[str, Any]:
        """Name the loader and the callbacks, as far as they have a state."""
        parts: dict[str, Any] = {"loader": self.train}
        for callback in self.callbacks:
            kind = type(callback).__name__
            twins = sum(name.startswith(f"callback {kind} ") for name in parts)
            parts[f"callback {kind} {twins}"] = callback
        return {name: part for name, part in parts.items() if hasattr(part, "state_dict")}


class Callback:
    """Base of what looks into a training; override what is needed.

    A callback that has ``state_dict()`` and ``load_state_dict()`` is part of each checkpoint.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> class Patience(tg.train.Callback):
    ...     def on_epoch(self, run):
    ...         if run.epoch - run.best.epoch >= 3:
    ...             run.stop("no better epoch for 3 epochs")
    """

    def on_start(self, run: Run) -> None:
        """Before the first step, after a resumed state was loaded."""

    def on_step(self, run: Run) -> None:
        """After each optimizer step; ``run.means`` holds the epoch's means so far."""

    def on_epoch(self, run: Run) -> None:
        """After each epoch; ``run.history[-1]`` is its row, ``run.best`` is up to date."""

    def on_end(self, run: Run) -> None:
        """At the end, however it came; the best weights are back in the model."""


class DivergenceError(ArithmeticError):
    """The loss became inf or nan.  ``run`` is the `Run`; the best weights are back in its model."""

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run


def fit(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    train: Iterable[Any],
    validation: Iterable[Any] | None = None,
    *,
    epochs: int,
    metrics: Mapping[str, Metric] | None = None,
    monitor: str | None = None,
    mode: Literal["min", "max"] = "min",
    callbacks: Sequence[Callback] = (),
    resume: Mapping[str, Any] | None = None,
    compile: bool = False,
) -> Run:
    """Train a model, and end with the weights of its best epoch (L13, L16, L18, L43).

    Each step: clear gradients, forward, loss, ``backward()``, ``optimizer.step()``.  After each
    epoch the validation data are measured.  However the training ends - epochs done, a callback,
    Ctrl-C, a loss that is not finite - the model holds the weights of the best finished epoch
    afterwards; a nan is never better.  Before the first finished epoch, Ctrl-C leaves the weights
    as they are, and a diverging loss brings back those before training.

    Parameters
    ----------
    model : Module
        Trained in place.
    loss : callable
        ``loss(model(inputs), targets)`` gives a scalar Value.
    optimizer : Optimizer
        Over the model's parameters.
    train : iterable of (inputs, targets)
        Run through once per epoch; a `DataLoader` shuffles anew each time.
    validation : iterable of (inputs, targets), optional
        Decides which epoch is best; without it the training loss does.
    epochs : int
        Epochs in all, resumed ones included; >= 0.
    metrics : dict of str to callable, optional
        ``{"accuracy": accuracy}`` adds columns ``train_accuracy`` and ``val_accuracy``.
    monitor : str, optional
        Column that decides which epoch is best: ``val_loss``, or ``train_loss`` without validation.
    mode : {"min", "max"}
        Whether small or large is better; of equal epochs the first is best.
    callbacks : sequence of Callback
        Called in this order.
    compile : bool, default False
        Compile the step (`tinygrad_lecture.compile`): several times faster for small networks, and
        the same to rounding.  It is recorded once per batch size; model and loss must not change
        anything but parameters, buffers and what the optimizer keeps.
    resume : dict, optional
        What `load_checkpoint` gave: training goes on from there, bit for bit as if it had never
        ended.

    Returns
    -------
    Run
        With history, best epoch and the reason of the end.

    Raises
    ------
    UsageError
        For epochs below 0, no training batches, a monitor that is no column, or a state that does
        not fit.
    DivergenceError
        At the first loss that is not finite, naming epoch, batch, step and the first op that gave a
        non-finite number.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.xor(signed=True)
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 8, rng=0), tg.nn.Tanh(), tg.nn.Linear(8, 2, rng=1))
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=0.5)
    >>> run = tg.train.fit(model, tg.nn.CrossEntropyLoss(), optimizer, [(X, y)], epochs=100)
    >>> run.reason, run.history[-1]["train_loss"] < 0.1
    ('finished', True)
    """
    if epochs < 0:
        raise UsageError(f"fit: epochs must be at least 0, got {epochs}")
    if mode not in ("min", "max"):
        raise UsageError(f'fit: mode is "min" or "max", got {mode!r}')
    run = Run(
        model, loss, optimizer, train, validation, epochs, dict(metrics or {}),
        monitor or ("train_loss" if validation is None else "val_loss"), mode, tuple(callbacks),
    )  # fmt: skip
    if compile:
        run.take_step = compiled(run._step)
    if resume is not None:
        run.load_state_dict(resume)
    initial = model.state_dict()
    failure: DivergenceError | None = None
    try:
        for callback in run.callbacks:
            callback.on_start(run)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told below
            while run.epoch < run.epochs and run.reason == "running":
                _epoch(run)
        if run.reason == "running":
            run.reason = "finished"
    except KeyboardInterrupt:
        run.reason = "interrupted"
    except DivergenceError as error:
        run.reason, failure = "diverged", error
    if run.best is not None:
        model.load_state_dict(run.best.weights)
    elif failure is not None:
        model.load_state_dict(initial)
    for callback in run.callbacks:
        callback.on_end(run)
    if failure is not None:
        raise failure
    return run


def _epoch(run: Run) -> None:
    run.model.train()
    run.means = RunningMeans()
    for batch, (inputs, targets) in enumerate(run.train, start=1):
        output, value = run.take_step(inputs, targets)
        number = value.item()
        if not math.isfinite(number):
            raise DivergenceError(
                f"the loss is {number} at step {run.step + 1} (epoch {run.epoch + 1}, batch"
                f" {batch}): {_first_bad_op(run, inputs, targets)}",
                run,
            )
        run.step += 1
        run.means.add(len(targets), measure(output, targets, run.loss, number, run.metrics))
        for callback in run.callbacks:
            callback.on_step(run)
    if not run.means.samples:
        raise UsageError("fit: the training data gave no batches")
    row = {
        "epoch": run.epoch + 1,
        "step": run.step,
        "lr": float(run.optimizer.param_groups[0]["lr"]),
    }
    row.update(run.means.result("train_"))
    if run.validation is not None:
        measured = evaluate(run.model, run.validation, run.loss, run.metrics)
        row.update((f"val_{name}", number) for name, number in measured.items())
    if run.monitor not in row:
        raise UsageError(f"fit: monitor is one of {', '.join(row)}; got {run.monitor!r}")
    score = row[run.monitor]
    better = run.best is None or (
        score < run.best.score if run.mode == "min" else score > run.best.score
    )
    run.history.append(row)
    run.epoch += 1
    if math.isfinite(score) and better:
        run.best = Best(run.epoch, score, run.model.state_dict())
    for callback in run.callbacks:
        callback.on_epoch(run)


def _first_bad_op(run: Run, inputs: Any, targets: Any) -> str:
    """Run the step again with `debug`, which raises at the first op that is not finite."""
    try:
        with debug():
            run.loss(run.model(inputs), targets)
    except FloatingPointError as error:
        return str(error)
    return "try a smaller learning rate"
