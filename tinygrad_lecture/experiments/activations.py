"""Activations and output layers: slopes that vanish, and what trains in their place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..engine import Value, mean, square, sum
from ..nn import functional as F
from ..nn import init
from .figure import Figure
from .outcome import Check, Outcome, above, at_least, at_most, equals, near
from .registry import claim
from .stack import Stack, stacked_cross_entropy
from .training import (
    Init,
    MakeOptimizer,
    accuracy,
    generators,
    logits,
    network,
    spirals_for_each,
    training_step,
)

__all__ = [
    "cross_entropy_gradient",
    "cross_entropy_is_never_flat",
    "dead_relu_units",
    "tanh_trains_where_sigmoid_sticks",
]


@claim(
    "L54", "the gradient of softmax with cross-entropy is p − y: never flat, and never overflows"
)
def cross_entropy_gradient(
    *, n: int = 12, classes: int = 5, quick: bool = False, seed: int = 0
) -> Outcome:
    """Hold cross-entropy of logits against its formulas, and against squared errors.

    Parameters
    ----------
    n, classes : int
        Rows and classes of the logits.
    quick, seed
        No effect: it is quick; seed of logits and labels.

    Returns
    -------
    Outcome
        Figure: gradient by the logit of a two-class problem with target 1, for both losses.
    """
    rng = np.random.default_rng(seed)
    z, labels = Value(3.0 * rng.normal(size=(n, classes))), rng.integers(classes, size=n)
    F.cross_entropy(z, labels).backward()
    shifted = Value(z.data + 100.0)
    F.cross_entropy(shifted, labels).backward()
    p = np.exp(z.data) / np.exp(z.data).sum(axis=1, keepdims=True)
    assert z.grad is not None
    assert shifted.grad is not None
    huge = Value([[1000.0, -1000.0], [-1000.0, 1000.0]])
    loss = F.cross_entropy(huge, [1, 1])
    loss.backward()
    assert huge.grad is not None
    logits = np.linspace(-10.0, 10.0, 201)
    ce, mse = _logit_gradients(logits)
    figure = Figure("gradient by the logit, target 1", "logit", "gradient")
    checks = [
        Check("gradient − (p − y)/N", np.max(np.abs(z.grad - (p - np.eye(classes)[labels]) / n)),
              at_most(1e-12)),
        Check("gradient of logits + 100 − the same", np.max(np.abs(z.grad - shifted.grad)),
              at_most(1e-12)),
        Check("loss of logits ±1000", loss.item(), equals(1000.0)),
        Check("its gradient is finite", bool(np.isfinite(huge.grad).all()), equals(True)),
        Check("gradient at logit −10, target 1, cross-entropy", ce[0],
              near(-0.9999546, abs=1e-7), -0.99995),
        Check("gradient at logit −10, target 1, σ with ½(p − y)²", mse[0],
              near(-4.5394e-5, rel=1e-4), -4.5e-5),
    ]  # fmt: skip
    figure = figure.add("cross-entropy", logits, ce).add("½(p − y)²", logits, mse)
    return Outcome(checks, figure=figure)


def _binary_cross_entropy(z: Any, y: Any) -> Any:
    """Cross-entropy of two classes with the logits 0 and z, which is that of σ(z)."""
    pair = z.reshape(-1, 1) * np.array([[0.0, 1.0]])
    return F.cross_entropy(pair, y)


def _half_squares(z: Any, y: Any) -> Any:
    return 0.5 * mean(square(F.sigmoid(z) - y))


def _logit_gradients(logits: NDArray[Any]) -> list[NDArray[Any]]:
    gradients = []
    target = np.ones(len(logits), dtype=int)
    for loss in (_binary_cross_entropy, _half_squares):
        z = Value(logits)
        loss(z, target).backward()
        assert z.grad is not None
        gradients.append(len(logits) * z.grad)
    return gradients


@claim(
    "L54", "from a wrong start, squared errors of σ need 10 to 50 times the steps of cross-entropy"
)
def cross_entropy_is_never_flat(
    *,
    starts: Sequence[float] = (-10.0, -20.0),
    alpha: float = 1.0,
    goal: float = 2.0,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Count steps of σ(wx), x evenly in [−1, 1], target [x > 0], from w far below 0 to w > 2.

    Parameters
    ----------
    starts : sequence of float
        Start weights.
    alpha : float
        Step size of full-batch descent.
    goal : float
        Weight at which to stop.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        The first start alone; nothing is drawn.

    Returns
    -------
    Outcome
        Figure: w over steps.
    """
    x = np.linspace(-1.0, 1.0, 201)
    y = (x > 0).astype(int)
    figure = Figure("σ(wx)", "step", "w", (), "log")
    limits, known = {-10.0: 10.0, -20.0: 50.0}, {-10.0: (33, 655), -20.0: (52, 4866)}
    checks = []
    for start in starts[:1] if quick else starts:
        counts = []
        for name, loss in (("cross-entropy", _binary_cross_entropy), ("½(p − y)²", _half_squares)):
            w = nn.Parameter(start)
            step = training_step(optimizer([w], lr=alpha), lambda w=w, loss=loss: loss(w * x, y))
            path = [start]
            while path[-1] <= goal and len(path) < 100_000:
                step()
                path.append(w.data)
            counts.append(len(path) - 1)
            figure = figure.add(f"{name} from {start:g}", np.arange(1, len(path) + 1), path)
        references = known.get(start, (None, None))
        checks += [
            Check(f"steps from {start:g}, cross-entropy", counts[0], None, references[0]),
            Check(f"steps from {start:g}, ½(p − y)²", counts[1], None, references[1]),
            Check(f"ratio from {start:g}", counts[1] / counts[0],
                  at_least(limits.get(start, 10.0))),
        ]  # fmt: skip
    return Outcome(checks, figure=figure)


def _deep_spirals(
    activation: Callable[[], nn.Module],
    start: Init,
    optimizer: MakeOptimizer,
    alpha: float,
    steps: int,
    seeds: int,
    seed: int,
) -> tuple[NDArray[np.float64], Any]:
    """Train 8 layers of 20 units on spirals, full batch; return losses and accuracies by seed."""
    rngs = generators(seed, seeds)
    X, y = spirals_for_each(rngs, 300, 0.1)
    stack = Stack([network([2, *[20] * 8, 3], activation, rng, start) for rng in rngs])
    step = training_step(
        optimizer(stack.parameters(), lr=alpha, momentum=0.9),
        lambda: stacked_cross_entropy(stack(X), y),
    )
    losses = np.array([step().data for _ in range(steps)])
    return losses, accuracy(logits(stack, X), y)


@claim(
    "L55", "tanh has mean 0 and slope 1 at 0: eight layers of it train where sigmoids stay stuck"
)
def tanh_trains_where_sigmoid_sticks(
    *,
    alpha: float = 0.05,
    steps: int = 1500,
    seeds: int = 5,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train nets of 8 layers with 20 units on spirals, from Glorot's weights.

    Parameters
    ----------
    alpha : float
        Step size of full-batch descent with momentum 0.9.
    steps : int
        Updates.
    seeds : int
        Data sets and nets.
    optimizer : callable
        ``optimizer(params, lr=α, momentum=0.9)``; it has to work element by element.
    quick, seed
        One seed and half of the steps; seed of data and weights.

    Returns
    -------
    Outcome
        Figure: median loss over steps, with the range over the seeds.
    """
    seeds, steps = (1, steps // 2) if quick else (seeds, steps)
    z = np.linspace(-20.0, 20.0, 401)
    zero = [Value(0.0), Value(0.0)]
    F.tanh(zero[0]).backward()
    F.sigmoid(zero[1]).backward()
    runs = {
        name: _deep_spirals(kind, init.xavier_uniform_, optimizer, alpha, steps, seeds, seed)
        for name, kind in (("tanh", nn.Tanh), ("sigmoid", nn.Sigmoid))
    }
    figure = _loss_figure("8 layers of 20 units", {name: run[0] for name, run in runs.items()})
    checks = [
        Check("tanh z − (2σ(2z) − 1)", np.max(np.abs(F.tanh(z) - (2 * F.sigmoid(2 * z) - 1))),
              at_most(1e-12)),
        Check("slope of tanh at 0", zero[0].grad, equals(1.0)),
        Check("slope of σ at 0", zero[1].grad, equals(0.25)),
        Check("accuracy, tanh", runs["tanh"][1], equals(1.0), 1.0),
        Check("loss, sigmoid", runs["sigmoid"][0][-1], near(math.log(3), abs=0.02), math.log(3)),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)


@claim("L56", "dead ReLU units get no gradient, and whole nets of them can die")
def dead_relu_units(
    *,
    alpha: float = 0.05,
    steps: int = 1500,
    seeds: int = 10,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Count collapses of the ReLU net of L55 from He's weights; look at a dead unit's gradient.

    Parameters
    ----------
    alpha : float
        Step size of full-batch descent with momentum 0.9.
    steps : int
        Updates.
    seeds : int
        Data sets and nets.
    optimizer : callable
        As for `tanh_trains_where_sigmoid_sticks`.
    quick, seed
        Half of the seeds and a third of the steps; seed of data and weights.

    Returns
    -------
    Outcome
        Figure: median loss over steps, with the range over the seeds.
    """
    seeds, steps = (seeds // 2, steps // 3) if quick else (seeds, steps)
    rng = np.random.default_rng(seed)
    x = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    v = Value(x)
    sum(F.relu(v)).backward()
    layer: Any = nn.Linear(3, 4, rng=rng)
    layer.bias.data = np.array([-50.0, 0.0, 0.0, 0.0])  # the first unit is below 0 for all inputs
    out = nn.Linear(4, 2, rng=rng)
    F.cross_entropy(
        out(F.relu(layer(rng.normal(size=(30, 3))))), rng.integers(2, size=30)
    ).backward()
    losses, _ = _deep_spirals(nn.ReLU, init.kaiming_normal_, optimizer, alpha, steps, seeds, seed)
    collapsed = np.abs(losses[-1] - math.log(3)) < 0.05
    checks = [
        Check("derivative at −2, −½, 0, ½, 2", np.max(np.abs(v.grad - [0, 0, 0, 1, 1])), equals(0)),
        Check("relu(relu(x)) − relu(x)", np.max(np.abs(F.relu(F.relu(x)) - F.relu(x))), equals(0)),
        Check("gradient of a dead unit's weights", np.abs(layer.weight.grad[0]), equals(0)),
        Check("gradient of the living units' weights", np.abs(layer.weight.grad[1:]).max(axis=1),
              above(0)),
        Check("share of nets that collapsed to ln 3", collapsed.mean(), None, "2 of 5"),
        Check("nets that trained", int(np.sum(losses[-1] < 0.1)), at_least(1)),
    ]  # fmt: skip
    note = "collapses are rare here: 1 net of 40 from four seeds"
    figure = _loss_figure("8 layers of 20 ReLU units", {"ReLU": losses})
    return Outcome(checks, (note,), figure)


def _loss_figure(title: str, runs: dict[str, NDArray[np.float64]]) -> Figure:
    """Losses of shape (steps, seeds): their median with the range."""
    figure = Figure(title, "step", "loss", (), "linear", "log")
    for name, losses in runs.items():
        at = np.unique(np.linspace(0, len(losses) - 1, 300).astype(int))
        figure = figure.add(
            name, at, np.median(losses[at], axis=1), low=losses[at].min(axis=1),
            high=losses[at].max(axis=1),
        )  # fmt: skip
    return figure
