"""Checkpoints, early stopping, patience: which weights of a training are worth keeping."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data, nn, optim, train
from .figure import Figure
from .outcome import Check, Outcome, at_least, at_most, equals
from .registry import claim
from .training import MakeOptimizer, accuracy, generators, logits, network, nll

__all__ = ["early_stopping", "patience_rule", "resume_is_exact"]


@claim("L42", "a resumed training equals the uninterrupted one bit for bit, eagerly and compiled")
def resume_is_exact(
    *,
    epochs: int = 6,
    optimizer: MakeOptimizer = optim.Adam,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Stop a training after half of its epochs, go on from its checkpoint in new objects, compare.

    Parameters
    ----------
    epochs : int
        Of the whole training.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        No effect: it is quick; seed of data, weights and orders.

    Returns
    -------
    Outcome
    """
    points = data.Dataset(*data.spirals(120, noise=0.2, seed=seed), n_classes=3)
    held_out = [data.spirals(60, noise=0.2, seed=seed + 1)]

    def run(epochs: int, compile: bool, path: Path, resume: Any = None) -> train.Run:
        model = nn.Sequential(
            nn.Linear(2, 16, rng=seed), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 3, rng=seed)
        )
        return train.fit(
            model, nn.CrossEntropyLoss(), optimizer(model.parameters(), lr=0.02),
            data.DataLoader(points, 16, seed=seed), held_out, epochs=epochs, compile=compile,
            callbacks=[train.Checkpoint(path)], resume=resume,
        )  # fmt: skip

    differences, later = [], []
    with tempfile.TemporaryDirectory() as folder:
        for compile in (False, True):
            whole, parts = Path(folder) / f"whole-{compile}.npz", Path(folder) / f"{compile}.npz"
            run(epochs, compile, whole)
            first = run(epochs // 2, compile, parts)
            second = run(epochs, compile, parts, train.load_checkpoint(parts))
            same = [train.load_checkpoint(path) for path in (whole, parts)]
            differences.append(_different(*same))
            saved: Any = nn.Sequential(
                nn.Linear(2, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 3)
            )
            saved.load_state_dict(same[1]["model"])
            offline = train.evaluate(saved, held_out, nn.CrossEntropyLoss())["loss"]
            later.append(offline == second.history[-1]["val_loss"])
            assert first.epoch == epochs // 2
    checks = [
        Check("parts of the state that differ, eagerly and compiled", differences, equals(0)),
        Check("the saved model's loss is the one measured while training", later, equals(True)),
    ]
    return Outcome(checks)


def _different(a: Any, b: Any) -> int:
    """Count the leaves in which two trees of plain data differ, bit for bit."""
    if isinstance(a, dict):
        if set(a) != set(b):
            return 1
        return sum(_different(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return 1
        return sum(_different(x, y) for x, y in zip(a, b, strict=True))
    return int(np.asarray(a).tobytes() != np.asarray(b).tobytes())


class _Last(train.Callback):
    """Keeps the weights of the last epoch, which `fit` exchanges for the best ones."""

    def on_epoch(self, run: train.Run) -> None:
        if run.epoch == run.epochs:
            self.state = run.model.state_dict()


def _overfit(
    rng: np.random.Generator,
    steps: int,
    optimizer: MakeOptimizer,
    callbacks: Sequence[train.Callback],
) -> tuple[train.Run, tuple[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]:
    """Train on 120 points of spirals, 15 % of their labels random; return run and other data.

    2-50-50-3 tanh, full batches, Adam α = 0.005; validated on 500 points every 10 steps.
    """
    X, y = data.spirals(120, noise=0.5, seed=rng)
    y = np.where(rng.random(120) < 0.15, rng.integers(3, size=120), y)
    validation, test = (data.spirals(n, noise=0.5, seed=rng) for n in (500, 2000))
    model = network([2, 50, 50, 3], nn.Tanh, rng)
    run = train.fit(
        model, nn.CrossEntropyLoss(), optimizer(model.parameters(), lr=0.005), [(X, y)] * 10,
        [validation], epochs=steps // 10, callbacks=callbacks, compile=True, progress=False,
    )  # fmt: skip
    return run, validation, test


@claim("L43", "the weights of the best validation epoch are better than the last: stop early")
def early_stopping(
    *,
    steps: int = 3000,
    seeds: int = 8,
    optimizer: MakeOptimizer = optim.Adam,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Overfit spirals with random labels, and compare the best weights with the last.

    2-50-50-3 tanh nets, 120 points with 15 % random labels, full batches, Adam α = 0.005; validated
    on 500 points every 10 steps.

    Parameters
    ----------
    steps : int
        Updates.
    seeds : int
        Data sets and nets.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Two seeds and a third of the steps; seed of data and weights.

    Returns
    -------
    Outcome
        Figure: training and validation loss over steps, of the first seed.
    """
    seeds, steps = (2, steps // 3) if quick else (seeds, steps)
    rows, restored, when = [], [], []
    figure = Figure("15 % random labels", "step", "loss", (), "log", "log")
    for i, rng in enumerate(generators(seed, seeds)):
        last, stopping = _Last(), train.EarlyStopping(patience=10**9)
        run, validation, test = _overfit(rng, steps, optimizer, [last, stopping])
        model = run.model
        validated = np.array([row["val_loss"] for row in run.history])
        assert run.best is not None
        restored.append(
            run.best.epoch == stopping.best_at == 1 + validated.argmin()
            and nll(logits(model, validation[0]), validation[1]) == validated.min()
        )
        best = _quality(model, test)
        model.load_state_dict(last.state)
        rows.append([*best, *_quality(model, test)])
        when.append(10 * run.best.epoch)
        if i == 0:
            at = 10 * np.arange(1, len(validated) + 1)
            figure = figure.add("training", at, [row["train_loss"] for row in run.history])
            figure = figure.add("validation", at, validated)
    table = np.array(rows)
    checks = [
        Check("share of seeds with a best test NLL of at most 0.6 times the last",
              np.mean(table[:, 0] <= 0.6 * table[:, 2]), at_least(7 / 8), 1.0),
        Check("the weights are those of the lowest validation loss", restored, equals(True)),
        Check("test NLL, best epoch", table[:, 0], None, "0.20 to 0.29"),
        Check("test NLL, last epoch", table[:, 2], None, "0.61 to 1.25"),
        Check("mean gain in test accuracy", np.mean(table[:, 1] - table[:, 3])),
        Check("step of the best epoch", when, None, "below 100"),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)


def _quality(model: nn.Module, test: tuple[NDArray[Any], NDArray[Any]]) -> tuple[float, float]:
    out = logits(model, test[0])
    return float(nll(out, test[1])), float(accuracy(out, test[1]))


def _stops(sequence: dict[int, float], patience: train.Patience, most: int) -> int:
    """Feed scores by iteration (1.0 elsewhere); return the iteration at which it stops."""
    for iteration in range(1, most + 1):
        if patience.step(iteration, sequence.get(iteration, 1.0)):
            return iteration
    return most + 1


@claim("L44", "patience doubles the time at a significant gain; any gain moves the best weights")
def patience_rule(
    *,
    steps: int = 3000,
    seeds: int = 8,
    patience: Any = train.Patience,
    optimizer: MakeOptimizer = optim.Adam,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Feed patience with scores made by hand, and let it end the trainings of L43.

    Parameters
    ----------
    steps : int
        Updates of a training that is not stopped.
    seeds : int
        Data sets and nets.
    patience : callable
        ``patience(initial)`` with ``step(iteration, score)``.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Two seeds and a third of the steps; seed of data and weights.

    Returns
    -------
    Outcome
        Figure: step at which each training stopped, and that of its best weights.
    """
    seeds, steps = (2, steps // 3) if quick else (seeds, steps)
    early, late, small = patience(200), patience(200), patience(200)
    gains = {i: 1.0 - 0.001 * (i - 99) for i in range(100, 104)}  # 0.4 % of the best in all
    scripted = [
        _stops({100: 0.5}, early, 1000),
        _stops({100: 0.9, 150: 0.5}, late, 1000),
        _stops(gains, small, 1000),
    ]
    stopped, at_best, whole_best = [], [], []
    for rng, twin in zip(generators(seed, seeds), generators(seed, seeds), strict=True):
        rule = patience(200)
        run, *_ = _overfit(rng, steps, optimizer, [rule])
        whole, *_ = _overfit(twin, steps, optimizer, [])
        assert run.best is not None
        assert whole.best is not None
        stopped.append(run.step)
        at_best.append(10 * run.best.epoch)
        whole_best.append(run.best.score == whole.best.score)
    checks = [
        Check("stops at, best at 100 of initially 200", scripted[0], equals(200)),
        Check("stops at, a significant gain at 150", scripted[1], equals(300)),
        Check("stops at, gains of 0.1 % at 100 to 103", scripted[2], equals(200)),
        Check("best at, gains of 0.1 % at 100 to 103", small.best_at, equals(103)),
        Check(f"steps of {steps} taken in L43's trainings", stopped, at_most(600), 200),
        Check("step of their best weights", at_best, None, "below 100"),
        Check("the best weights are those of the whole training", whole_best, equals(True)),
    ]
    figure = Figure("trainings of L43 with patience", "seed", "step")
    figure = figure.add("stopped", np.arange(seeds), stopped, style="points")
    return Outcome(checks, figure=figure.add("best", np.arange(seeds), at_best, style="points"))
