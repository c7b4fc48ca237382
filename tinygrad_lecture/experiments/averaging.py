"""Averages of predictions: ensembles of nets, and of snapshots of one net."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data, nn, optim
from ..nn import functional as F
from ..train import Ensemble, SnapshotEnsemble, fit
from .figure import Figure
from .outcome import Check, Outcome, at_least, at_most, below
from .registry import claim
from .training import (
    MakeOptimizer,
    accuracy,
    batches,
    generators,
    logits,
    network,
    nll,
    training_step,
)

__all__ = ["ensembles", "snapshot_ensemble"]


def _classifier(
    X: NDArray[Any],
    y: NDArray[Any],
    steps: int,
    rng: np.random.Generator,
    optimizer: MakeOptimizer,
) -> nn.Sequential:
    """Train the 2-32-32-3 tanh net of L25, batches of 32, α = 0.1."""
    model = network([2, 32, 32, 3], nn.Tanh, rng)
    step = training_step(
        optimizer(model.parameters(), lr=0.1), lambda x, labels: F.cross_entropy(model(x), labels)
    )
    for x, labels in batches(X, y, 32, steps, rng):
        step(x, labels)
    return model


@claim(
    "L38", "averaged predictions are better than the members' mean, by what the members disagree"
)
def ensembles(
    *,
    members: int = 5,
    seeds: int = 10,
    steps: int = 600,
    optimizer: MakeOptimizer = optim.SGD,
    combine: Any = Ensemble,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train nets on noisy spirals that differ in start weights and order alone; average them.

    Whatever the data: NLL(mean p) ≤ mean NLL, and MSE(mean f) = mean MSE − mean variance (Krogh
    and Vedelsby 1995).

    Parameters
    ----------
    members : int
        Nets of an ensemble.
    seeds : int
        Data sets, with an ensemble each.
    steps : int
        Updates of a net.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    combine : callable
        ``combine(models, combine="prob" | "logit")``.
    quick, seed
        Three seeds; seed of data, weights and orders.

    Returns
    -------
    Outcome
        Figure: negative log-likelihood of members and ensembles, by seed.
    """
    seeds = 3 if quick else seeds
    rows: list[list[float]] = []
    identities = []
    for rng in generators(seed, seeds):
        X, y = data.spirals(300, noise=0.8, seed=rng)
        X_test, y_test = data.spirals(2000, noise=0.8, seed=rng)
        nets = [_classifier(X, y, steps, rng, optimizer) for _ in range(members)]
        apart = np.stack([logits(net, X_test) for net in nets])
        together = logits(combine(nets, combine="prob"), X_test)
        rows.append([
            nll(together, y_test), np.mean(nll(apart, np.broadcast_to(y_test, (members, 2000)))),
            accuracy(together, y_test), np.mean(accuracy(apart, y_test)),
        ])  # fmt: skip
        mean_output = logits(combine(nets, combine="logit"), X_test)
        targets = rng.normal(size=mean_output.shape)
        identities.append(
            np.mean((mean_output - targets) ** 2)
            - (np.mean((apart - targets) ** 2) - np.mean(apart.var(axis=0)))
        )
    table = np.array(rows)
    gains = table[:, 2] - table[:, 3]
    checks = [
        Check("NLL of the ensemble − mean NLL of its members", table[:, 0] - table[:, 1],
              at_most(0.0)),
        Check("MSE(mean f) − (mean MSE − mean variance)", np.abs(identities), at_most(1e-10)),
        Check("mean NLL of ensembles", table[:, 0].mean(), None, 0.617),
        Check("mean NLL of members", table[:, 1].mean(), None, 0.642),
        Check("NLL of ensembles over that of members", table[:, 0].mean() / table[:, 1].mean(),
              below(0.99), 0.961),
        Check("share of seeds in which the accuracy is above the members' mean",
              np.mean(gains > 0), at_least(0.8), 0.8),
        Check("mean gain in accuracy", gains.mean(), at_least(0.0)),
    ]  # fmt: skip
    figure = Figure("spirals with noise 0.8", "seed", "negative log-likelihood")
    for name, column in (("ensemble", 0), ("mean of the members", 1)):
        figure = figure.add(name, np.arange(seeds), table[:, column], style="points")
    return Outcome(checks, figure=figure)


@claim("L39", "snapshots of one training with a cyclic rate make an ensemble better than its last")
def snapshot_ensemble(
    *,
    total: int = 4000,
    cycles: int = 5,
    lr0: float = 1.0,
    seeds: int = 10,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train 2-30-30-3 tanh nets on noisy spirals, batches of 20, and average their snapshots.

    Parameters
    ----------
    total : int
        Updates.
    cycles : int
        Cycles of the rate, with a snapshot at the end of each.
    lr0 : float
        Rate at the start of a cycle.
    seeds : int
        Data sets and nets.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Three seeds; seed of data, weights and orders.

    Returns
    -------
    Outcome
        Figure: negative log-likelihood of ensemble and last snapshot, by seed.
    """
    seeds = 3 if quick else seeds
    rows = []
    for i, rng in enumerate(generators(seed, seeds)):
        points = data.Dataset(*data.spirals(200, noise=0.8, seed=rng), n_classes=3)
        X_test, y_test = data.spirals(2000, noise=0.8, seed=rng)
        model = network([2, 30, 30, 3], nn.Tanh, rng)
        loader = data.DataLoader(points, 20, seed=i)
        snapshots = SnapshotEnsemble(total, cycles, lr0)
        fit(
            model, nn.CrossEntropyLoss(), optimizer(model.parameters(), lr=lr0), loader,
            epochs=-(-total // len(loader)), callbacks=[snapshots], compile=True,
        )  # fmt: skip
        all_of_them = logits(snapshots.ensemble(), X_test)
        last = logits(snapshots.ensemble(last=1), X_test)
        rows.append([
            nll(all_of_them, y_test), nll(last, y_test),
            accuracy(all_of_them, y_test), accuracy(last, y_test),
        ])  # fmt: skip
    table = np.array(rows)
    gains = table[:, 2] - table[:, 3]
    figure = Figure("spirals with noise 0.8", "seed", "negative log-likelihood")
    for name, column in ((f"{cycles} snapshots", 0), ("the last one", 1)):
        figure = figure.add(name, np.arange(seeds), table[:, column], style="points")
    checks = [
        Check("share of seeds in which the NLL is lower than the last snapshot's",
              np.mean(table[:, 0] < table[:, 1]), at_least(0.8), 1.0),
        Check("mean NLL, snapshots", table[:, 0].mean(), None, 0.68),
        Check("mean NLL, the last one", table[:, 1].mean(), None, 0.92),
        Check("mean gain in accuracy", gains.mean(), at_least(0.0), 0.014),
        Check("share of seeds in which the accuracy is not lower", np.mean(gains >= 0), None, 0.9),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)
