"""Modules in a chain: they train, they are saved and loaded, and they do not forget gradients."""

from __future__ import annotations

import numpy as np

from .. import data, nn, optim
from .figure import Figure
from .outcome import Check, Outcome, equals
from .registry import claim
from .training import MakeOptimizer, accuracy, generators, logits, network, training_step

__all__ = ["chained_modules_train"]


@claim(
    "L13", "a chain of modules learns the spirals completely; its state survives a copy bit by bit"
)
def chained_modules_train(
    *,
    seeds: int = 5,
    n: int = 300,
    steps: int = 1000,
    lr: float = 0.1,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train 2-32-32-3 with tanh on `data.spirals` (noise 0.1) in the full batch, with momentum.

    Parameters
    ----------
    seeds : int
        Trainings, each with its own data and start weights.
    n : int
        Samples.
    steps : int
        Forward, loss, backward, update.
    lr : float
        Step size.
    optimizer : callable
        ``optimizer(params, lr=lr, momentum=0.9)``.
    quick, seed
        Two trainings; seed of data and weights.

    Returns
    -------
    Outcome
        Figure: losses over steps.
    """
    accuracies, copies, doubled = [], [], []
    figure = Figure("spirals", "step", "loss", y_scale="log")
    for s, rng in enumerate(generators(seed, 2 if quick else seeds)):
        X, y = data.spirals(n, noise=0.1, seed=rng)
        model = network([2, 32, 32, 3], nn.Tanh, rng)
        step = training_step(
            optimizer(model.parameters(), lr=lr, momentum=0.9),
            lambda model=model, X=X, y=y: nn.functional.cross_entropy(model(X), y),
        )
        losses = [step().item() for _ in range(steps)]
        figure = figure.add(f"training {s}", np.arange(steps), losses)
        accuracies.append(float(accuracy(logits(model, X), y)))

        other = network([2, 32, 32, 3], nn.Tanh, rng)
        other.load_state_dict(model.state_dict())
        copies.append(np.array_equal(logits(other, X), logits(model, X)))
        gradients = []
        for _ in range(2):
            nn.functional.cross_entropy(other(X), y).backward()
            gradients.append([p.grad for p in other.parameters()])
        doubled += [np.array_equal(b, 2 * a) for a, b in zip(*gradients, strict=True)]
    return Outcome(
        [
            Check("accuracy on the training samples", accuracies, equals(1.0)),
            Check("a net with the state of another has its outputs", copies, equals(True)),
            Check("without zero_grad the next gradient is the double", doubled, equals(True)),
        ],
        figure=figure,
    )
