"""Inputs: what centring, whitening and the order of the samples do to descent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data, nn, optim
from ..data.seeding import generator
from ..engine import mean, square
from .figure import Figure
from .outcome import Check, Outcome, above, at_least, at_most, near
from .registry import claim
from .stack import Stack, stacked_cross_entropy
from .training import MakeOptimizer, generators, logits, network, nll, training_step

__all__ = ["class_order", "whitened_inputs"]


def _steps_of_descent(
    X: NDArray[Any], y: NDArray[Any], optimizer: MakeOptimizer, most: int
) -> tuple[float, NDArray[np.float64]]:
    """Descend on ½ mean (Xw − y)² with α = 1/λₙ; return κ and the distances to the optimum."""
    lams = np.linalg.eigvalsh(X.T @ X / len(X))
    best = np.linalg.lstsq(X, y, rcond=None)[0]
    w = nn.Parameter(np.zeros(X.shape[1]))
    step = training_step(optimizer([w], lr=1.0 / lams[-1]), lambda: 0.5 * mean(square(X @ w - y)))
    distances = [1.0]
    while distances[-1] >= 1e-6 and len(distances) <= most:
        step()
        distances.append(float(np.linalg.norm(w.data - best) / np.linalg.norm(best)))
    return float(lams[-1] / lams[0]), np.array(distances)


@claim(
    "L66",
    "whitened inputs make the Hessian of a linear layer the identity: descent is done at once",
)
def whitened_inputs(
    *,
    n: int = 500,
    features: int = 5,
    most: int = 2500,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Regress on raw inputs, shifted and correlated, on standardized and on whitened ones.

    Parameters
    ----------
    n, features : int
        Shape of the inputs.
    most : int
        Steps after which to give up.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        No effect: it is quick; seed of the data.

    Returns
    -------
    Outcome
        Figure: distance to the optimum over steps.
    """
    rng = generator(seed)
    mixing = np.eye(features) + 0.9 * rng.normal(size=(features, features))
    raw = 5.0 + rng.normal(size=(n, features)) @ mixing * np.geomspace(0.1, 20.0, features)
    y = raw @ rng.normal(size=features) + rng.normal(size=n)
    y = y - y.mean()
    kinds = {
        "raw": raw,
        "standardized": data.Standardize().fit(raw).transform(raw),
        "whitened": data.PCAWhiten().fit(raw).transform(raw),
    }
    figure = Figure("linear regression", "step", "distance to the optimum", (), "log", "log")
    conditions, steps = {}, {}
    for kind, X in kinds.items():
        conditions[kind], distances = _steps_of_descent(X, y, optimizer, most)
        steps[kind] = len(distances) - 1
        figure = figure.add(kind, np.arange(1, len(distances) + 1), distances)
    checks = [
        Check("condition of the Hessian, raw", conditions["raw"], at_least(4000)),
        Check("condition of the Hessian, standardized", conditions["standardized"]),
        Check("condition of the Hessian, whitened", conditions["whitened"], near(1.0, abs=1e-6)),
        Check("steps to 1e-6, raw", steps["raw"], above(2000)),
        Check("steps to 1e-6, standardized", steps["standardized"]),
        Check("steps to 1e-6, whitened", steps["whitened"], at_most(2)),
    ]
    return Outcome(checks, figure=figure)


@claim(
    "L66", "one class after the other is a bad order: the loss ends at twice that of a shuffled one"
)
def class_order(
    *,
    alpha: float = 0.3,
    epochs: int = 30,
    seeds: int = 6,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train 2-32-32-3 tanh nets on spirals, batches of 10, in three orders.

    Sorted: the classes one after the other, the same in each epoch.  Shuffled: a new order each
    epoch.  Mixed: besides, neighbours differ in class.

    Parameters
    ----------
    alpha : float
        Step size.
    epochs : int
        Passes over 300 samples.
    seeds : int
        Data sets and nets, trained side by side.
    optimizer : callable
        ``optimizer(params, lr=α)``; it has to work element by element.
    quick, seed
        A third of the epochs; seed of data, weights and orders.

    Returns
    -------
    Outcome
        Figure: training loss over epochs, median over the seeds, by order.
    """
    epochs = epochs // 3 if quick else epochs
    sets = [
        data.Dataset(*data.spirals(300, noise=0.2, seed=rng), n_classes=3)
        for rng in generators(seed, seeds)
    ]
    X, y = np.stack([s[:][0] for s in sets]), np.stack([s[:][1] for s in sets])
    losses: dict[str, NDArray[np.float64]] = {}
    for order in ("sorted", "shuffled", "mixed"):
        loaders = [
            data.DataLoader(data.sort_by_class(s), 10, shuffle=False)
            if order == "sorted"
            else data.DataLoader(s, 10, shuffle=True if order == "shuffled" else "by_class", seed=i)
            for i, s in enumerate(sets)
        ]
        stack = Stack(
            [network([2, 32, 32, 3], nn.Tanh, rng) for rng in generators(seed + 1, seeds)]
        )
        step = training_step(
            optimizer(stack.parameters(), lr=alpha),
            lambda x, labels, stack=stack: stacked_cross_entropy(stack(x), labels),
        )
        rows = [nll(logits(stack, X), y)]
        for _ in range(epochs):
            for parts in zip(*loaders, strict=True):
                step(np.stack([x for x, _ in parts]), np.stack([labels for _, labels in parts]))
            rows.append(nll(logits(stack, X), y))
        losses[order] = np.array(rows)
    ratios = losses["sorted"][-1] / losses["shuffled"][-1]
    figure = Figure("order of the samples", "epoch", "training loss", (), "linear", "log")
    for order, values in losses.items():
        figure = figure.add(
            order, np.arange(epochs + 1), np.median(values, axis=1), low=values.min(axis=1),
            high=values.max(axis=1),
        )  # fmt: skip
    checks = [
        Check("loss of the sorted order over the shuffled", ratios, None, "6 to 19"),
        Check("share of seeds with a ratio of at least 2", np.mean(ratios >= 2.0),
              at_least(5 / 6), 1.0),
        Check("loss of the mixed order over the shuffled",
              losses["mixed"][-1] / losses["shuffled"][-1]),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)
