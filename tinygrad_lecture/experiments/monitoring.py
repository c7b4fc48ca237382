"""What to monitor: layers over time, online and from saved models."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import data, nn, optim, train
from ..nn import functional as F
from .figure import Figure
from .outcome import Check, Outcome, above, at_most, equals
from .registry import claim

__all__ = ["monitor_sees_layers", "offline_equals_online"]

ROUNDING = 1e-12


def _net(seed: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2, 16, rng=seed), nn.ReLU(), nn.Linear(16, 12, rng=seed + 1), nn.Tanh(),
        nn.Linear(12, 3, rng=seed + 2),
    )  # fmt: skip


def _fit(
    seed: int, callbacks: Sequence[train.Callback], compile: bool, epochs: int = 4
) -> nn.Sequential:
    model = _net(seed)
    points = data.Dataset(*data.spirals(120, noise=0.2, seed=seed), n_classes=3)
    train.fit(
        model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        data.DataLoader(points, 30, seed=seed), epochs=epochs, callbacks=callbacks,
        compile=compile, progress=False,
    )  # fmt: skip
    return model


@claim(
    "L41", "a monitor sees dead and saturated units, measures what is there, and changes nothing"
)
def monitor_sees_layers(
    *, look: Callable[..., Any] = train.look, quick: bool = False, seed: int = 0
) -> Outcome:
    """Hold a monitor's numbers against a pass by hand; kill units, and saturate others.

    Parameters
    ----------
    look : callable
        ``look(model, loss, inputs, targets)`` returns a row per layer.
    quick, seed
        No effect: it is quick; seed of data and weights.

    Returns
    -------
    Outcome
        Figure: deviation of the activations over the steps of a training, by layer.
    """
    X, y = data.spirals(100, noise=0.2, seed=seed)
    model: Any = _net(seed)
    rows = look(model, nn.CrossEntropyLoss(), X, y)
    z1 = X @ model[0].weight.data.T + model[0].bias.data
    h1 = np.maximum(z1, 0.0)
    h2 = np.tanh(h1 @ model[2].weight.data.T + model[2].bias.data)
    z3 = h2 @ model[4].weight.data.T + model[4].bias.data
    p = np.exp(z3) / np.exp(z3).sum(axis=1, keepdims=True)
    d3 = (p - np.eye(3)[y]) / len(y)
    d_h2 = d3 @ model[4].weight.data
    d_z2 = d_h2 * (1.0 - h2**2)
    d_h1 = d_z2 @ model[2].weight.data
    by_hand = {
        0: (z1, d_h1 * (z1 > 0)), 1: (h1, d_h1), 3: (h2, d_h2), 4: (z3, d3),
    }  # fmt: skip
    differences = [
        abs(rows[i][name] - value)
        for i, (act, adjoint) in by_hand.items()
        for name, value in (
            ("act_mean", act.mean()), ("act_std", act.std()),
            ("grad_mean", adjoint.mean()), ("grad_std", adjoint.std()),
        )
    ]  # fmt: skip
    differences += [
        abs(rows[1]["dead_fraction"] - np.mean(~(h1 > 0).any(axis=0))),
        abs(rows[3]["saturated_fraction"] - np.mean(np.abs(h2) > 0.99)),
    ]
    dead: Any = _net(seed)
    dead[0].bias.data = np.full(16, -10.0)
    saturated: Any = _net(seed)
    for i in (0, 2):
        saturated[i].weight.data = 100.0 * saturated[i].weight.data
    monitor = train.Monitor(every=1)
    changed = []
    for compile in (False, True):
        watched, alone = _fit(seed, [monitor], compile), _fit(seed, [], compile)
        changed.append(
            sum(
                a.data.tobytes() != b.data.tobytes()
                for a, b in zip(watched.parameters(), alone.parameters(), strict=True)
            )
        )
    checks = [
        Check("monitored numbers − by hand", differences, at_most(ROUNDING)),
        Check("dead fraction, biases of −10",
              look(dead, nn.CrossEntropyLoss(), X, y)[1]["dead_fraction"], equals(1.0)),
        Check("saturated fraction, weights × 100",
              look(saturated, nn.CrossEntropyLoss(), X, y)[3]["saturated_fraction"], above(0.8)),
        Check("weights that monitoring changed, eagerly and compiled", changed, equals(0)),
    ]  # fmt: skip
    figure = Figure("layers of a training", "step", "deviation of the activations")
    for layer in ("1", "3", "4"):
        seen = [r for r in monitor.rows[: len(monitor.rows) // 2] if r["layer"] == layer]
        figure = figure.add(f"layer {layer}", [r["step"] for r in seen],
                            [r["act_std"] for r in seen])  # fmt: skip
    return Outcome(checks, figure=figure)


@claim("L42", "what saved models are measured to be afterwards is what was measured while training")
def offline_equals_online(
    *, analyze: Callable[..., Any] = train.analyze, quick: bool = False, seed: int = 0
) -> Outcome:
    """Measure a training after each epoch, and its saved models in the end.

    Parameters
    ----------
    analyze : callable
        ``analyze(folder, functions, model)`` returns a row per saved model.
    quick, seed
        No effect: it is quick; seed of data and weights.

    Returns
    -------
    Outcome
        Figure: loss over epochs, measured afterwards.
    """
    X, y = data.spirals(100, noise=0.2, seed=seed + 1)
    measures: dict[str, Callable[[Any], float]] = {
        "loss": lambda model: float(F.cross_entropy(model(X), y).item()),
        "deviation of the activations": lambda model: float(
            train.look(model, nn.CrossEntropyLoss(), X, y)[3]["act_std"]
        ),
        "norm of the weights": lambda model: float(np.linalg.norm(model[2].weight.data)),
    }
    online: list[list[float]] = []

    class Measuring(train.Callback):
        def on_epoch(self, run: train.Run) -> None:
            online.append([measure(run.model) for measure in measures.values()])

    with tempfile.TemporaryDirectory() as folder:
        model = _fit(seed, [train.CheckpointManager(folder, keep=None), Measuring()], compile=True)
        offline = analyze(folder, measures, model)[1:]
    after = np.array([[row[name] for name in measures] for row in offline])
    checks = [
        Check("saved models without the first", len(offline), equals(len(online))),
        Check("measured afterwards − while training", np.abs(after - np.array(online)).ravel(),
              at_most(0.0)),
    ]  # fmt: skip
    figure = Figure("saved models", "epoch", "loss")
    return Outcome(checks, figure=figure.add("loss", np.arange(1, len(after) + 1), after[:, 0]))
