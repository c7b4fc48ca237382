"""`fit`: the training loop, with validation, callbacks and the best weights kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np

from ..compiler import compile as compiled
from ..data import DataLoader, Dataset
from ..engine import debug
from ..errors import UsageError
from ..nn import Module
from ..optim import Optimizer
from .evaluate import Metric, RunningMeans, evaluate, measure
from .progress import ProgressBar
from .run import Best, Callback, DivergenceError, Run
from .scheduling import Scheduling
from .state import load_random_state, random_state, undisturbed
from .stopping import Standstill

__all__ = ["fit"]

ROWS = 1024  # of one batch when nothing is learned from it


def fit(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    train_data: Any,
    validation: Any = None,
    *,
    epochs: int,
    batch_size: int | None = None,
    seed: int = 0,
    metrics: Mapping[str, Metric] | None = None,
    monitor: str | None = None,
    mode: Literal["min", "max"] = "min",
    callbacks: Sequence[Callback] = (),
    scheduler: Any = None,
    interval: Literal["epoch", "step"] = "epoch",
    average: Any = None,
    tol: float | None = None,
    resume: Mapping[str, Any] | None = None,
    restore_best: bool = True,
    compile: bool = True,
    progress: bool = True,
) -> Run:
    """Train a model, and end with the weights of its best epoch (L13, L16, L18, L43).

    Each step: clear gradients, forward, loss, ``backward()``, ``optimizer.step()``.  After each
    epoch the validation data are measured.  However the training ends - epochs done, a callback,
    Ctrl-C, an error, a loss that is not finite - the model holds the weights of the best finished
    epoch afterwards; a nan is never better, and weights that hold one are never kept.  Before the
    first finished epoch, Ctrl-C leaves the weights as they are, and a diverging loss brings back
    those before training.

    Parameters
    ----------
    model : Module
        Trained in place.
    loss : callable
        ``loss(model(inputs), targets)`` gives a scalar Value.
    optimizer : Optimizer
        Over the model's parameters.
    train_data : iterable of (inputs, targets), Dataset, or pair of arrays
        An iterable is run through once per epoch; a `DataLoader` shuffles anew each time.  A
        Dataset, or the tuple ``(X, y)``, is cut into batches of ``batch_size``.
    validation : as ``train_data``, optional
        Decides which epoch is best; without it the training loss does.
    epochs : int
        Epochs in all, resumed ones included; >= 0.
    batch_size : int, optional
        For a Dataset or pair: rows in a batch, shuffled by ``seed``; None is all rows at once, the
        gradient descent of L16.
    seed : int
        Of the order of samples, if ``batch_size`` is given.
    metrics : dict of str to callable, optional
        ``{"accuracy": accuracy}`` adds columns ``train_accuracy`` and ``val_accuracy``.
    monitor : str, optional
        Column that decides which epoch is best: ``val_loss``, or ``train_loss`` without validation.
    mode : {"min", "max"}
        Whether small or large is better; of equal epochs the first is best.
    callbacks : sequence of Callback
        Called in this order, those that save the state last.
    scheduler : object with ``step()``, optional
        Of `tinygrad_lecture.optim.lr_scheduler`; one whose ``step`` needs a metric gets the
        monitored number.
    interval : {"epoch", "step"}
        When ``scheduler.step()`` is called: after each epoch, or after each step of the optimizer.
    average : AveragedModel, optional
        Updated after each step (L40); it is validated, and its weights are kept, in place of the
        model's.
    tol : float, optional
        Stop when the training loss changes by less from one epoch to the next (L16).
    resume : dict, optional
        What `load_checkpoint` gave: training goes on from there, bit for bit as if it had never
        ended.
    restore_best : bool, default True
        False leaves the weights of the last step, unless the loss diverged.
    compile : bool, default True
        Compile the step (`tinygrad_lecture.compile`): several times faster for small networks, and
        the same to rounding.  It is recorded once per batch size; model and loss must not change
        anything but parameters, buffers and what the optimizer keeps.
    progress : bool, default True
        Show progress on stderr, if that is a terminal.

    Returns
    -------
    Run
        With history, best epoch and the reason of the end.

    Raises
    ------
    UsageError
        For epochs below 0, no training batches, a monitor that is no column, an unknown mode or
        interval, or a state that does not fit.
    DivergenceError
        At the first loss that is not finite, naming epoch, batch, step and the first op that gave a
        non-finite number.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.xor(signed=True)
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 8, rng=0), tg.nn.Tanh(), tg.nn.Linear(8, 2, rng=1))
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=0.5)
    >>> run = tg.train.fit(model, tg.nn.CrossEntropyLoss(), optimizer, (X, y), epochs=100)
    >>> run.reason, run.history[-1]["train_loss"] < 0.1
    ('finished', True)
    """
    if epochs < 0:
        raise UsageError(f"fit: epochs must be at least 0, got {epochs}")
    if mode not in ("min", "max"):
        raise UsageError(f'fit: mode is "min" or "max", got {mode!r}')
    all_callbacks = list(callbacks)
    if scheduler is not None:
        all_callbacks.insert(0, Scheduling(scheduler, interval))
    if tol is not None:
        all_callbacks.append(Standstill(tol))
    if progress and not any(isinstance(callback, ProgressBar) for callback in callbacks):
        all_callbacks.append(ProgressBar())
    run = Run(
        model, loss, optimizer, _batches(train_data, batch_size, seed),
        None if validation is None else _batches(validation, ROWS, None), epochs,
        dict(metrics or {}), monitor or ("train_loss" if validation is None else "val_loss"), mode,
        sorted(all_callbacks, key=lambda callback: callback.last), average,
    )  # fmt: skip
    if compile:
        run.take_step = compiled(run._step)
    if resume is not None:
        run.load_state_dict(resume)
    initial = model.state_dict()
    started: list[Callback] = []
    try:
        for callback in run.callbacks:
            started.append(callback)
            callback.on_start(run)
        with np.errstate(all="ignore"):  # what is not finite is told below
            while run.epoch < run.epochs and run.reason == "running":
                _epoch(run)
        if run.reason == "running":
            run.reason = "finished"
    except KeyboardInterrupt:
        run.reason = "interrupted"
    except DivergenceError:
        run.reason = "diverged"
        raise
    except BaseException:
        run.reason = "failed"
        raise
    finally:
        if run.best is not None and (restore_best or run.reason == "diverged"):
            model.load_state_dict(run.best.weights)
        elif run.reason == "diverged":
            model.load_state_dict(initial)
        for callback in started:
            callback.on_end(run)
    return run


def _batches(data: Any, batch_size: int | None, seed: int | None) -> Iterable[Any]:
    """Cut whole data into batches; without a seed in their order."""
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], tuple):
        data = Dataset(*data)
    if isinstance(data, Dataset):
        shuffle = seed is not None and batch_size is not None
        return DataLoader(data, batch_size or len(data), shuffle=shuffle, seed=seed or 0)
    batches: Iterable[Any] = data
    return batches


def _epoch(run: Run) -> None:
    run.model.train()
    batches = iter(run.train)
    if run.batch == 0:
        run.means = RunningMeans()
        run.mark_data()
    for inputs, targets in islice(batches, run.batch, None):
        run.inputs, run.targets = inputs, targets
        _step(run)
    if not run.means.samples:
        raise UsageError("fit: the training data gave no batches")
    row = {
        "epoch": run.epoch + 1,
        "step": run.step,
        "lr": float(run.optimizer.param_groups[0]["lr"]),
    }
    row.update(run.means.result("train_"))
    kept = run.model if run.average is None else run.average.module
    if run.validation is not None:
        measured = evaluate(kept, run.validation, run.loss, run.metrics)
        row.update((f"val_{name}", number) for name, number in measured.items())
    run.history.append(row)
    run.epoch, run.batch = run.epoch + 1, 0
    run.mark_data()
    score = run.score
    if math.isfinite(score) and (run.best is None or run.better(score, run.best.score)):
        weights = kept.state_dict()
        if all(np.isfinite(array).all() for array in weights.values()):
            run.best = Best(run.epoch, score, weights)
    for callback in run.callbacks:
        callback.on_epoch(run)


def _step(run: Run) -> None:
    for callback in run.callbacks:
        callback.on_batch(run)
    chance = random_state(run.model, run.loss)
    output, value = run.take_step(run.inputs, run.targets)
    number = value.item()
    if not math.isfinite(number):
        cause = _first_bad(run, chance)
        raise DivergenceError(
            f"the loss is {number} at step {run.step + 1} (epoch {run.epoch + 1}, batch"
            f" {run.batch + 1}): {cause}",
            run,
            cause,
        )
    run.step += 1
    run.batch += 1
    run.means.add(len(run.targets), measure(output, run.targets, run.loss, number, run.metrics))
    if run.average is not None:
        run.average.update_parameters(run.model)
    for callback in run.callbacks:
        callback.on_step(run)


def _first_bad(run: Run, chance: Mapping[str, Any]) -> str:
    """Name what was not finite first, by a second run of the step with the same random numbers."""
    for name, parameter in run.model.named_parameters():
        if not np.isfinite(parameter.data).all():
            return (
                f"parameter {name} was not finite any more after step {run.step}; try a smaller"
                " learning rate, or clip the gradients"
            )
    for name, array in (("inputs", run.inputs), ("targets", run.targets)):
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            bad = np.argwhere(~np.isfinite(array))
            if len(bad):
                place = ", ".join(map(str, bad[0]))
                return f"the {name} of the batch hold {array[tuple(bad[0])]} at [{place}]"
    try:
        with undisturbed(run.model, run.loss), debug():
            load_random_state(chance, run.model, run.loss)
            run.loss(run.model(run.inputs), run.targets).backward()
    except FloatingPointError as error:
        return str(error)
    return "try a smaller learning rate"
