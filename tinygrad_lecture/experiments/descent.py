"""Empirical risk, and its descent by the gradient over all samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import nn, optim
from ..data.seeding import generator
from ..engine import grad, mean, square
from .figure import Figure
from .outcome import Check, Outcome, above, at_most, below, near
from .quadratic import steps_to
from .registry import claim
from .stack import Stack, stacked_cross_entropy
from .training import (
    MakeOptimizer,
    generators,
    logits,
    network,
    nll,
    spirals_for_each,
    training_step,
)

__all__ = [
    "gd_stability_limit",
    "gd_steps_shrink",
    "loss_scales",
    "overfitting_gap",
]


@claim("L15", "sum without ½ and mean with ½ have the same minimum, and gradients 2N times apart")
def loss_scales(*, n: int = 40, features: int = 5, quick: bool = False, seed: int = 0) -> Outcome:
    """Compare the gradients of Σ (f − y)² and of (1/N) Σ ½ (f − y)², f = θᵀx.

    Parameters
    ----------
    n, features : int
        Samples, and their features.
    quick, seed
        Without effect, as it is quick; seed of data and θ.

    Returns
    -------
    Outcome
        The largest stable step size differs by the same factor.
    """
    rng = generator(seed)
    X, y, theta = rng.normal(size=(n, features)), rng.normal(size=n), rng.normal(size=features)
    summed = nn.MSELoss(reduction="sum")
    halved = nn.HalfMSELoss()
    a = grad(lambda t: summed(X @ t, y))(theta)
    b = grad(lambda t: halved(X @ t, y))(theta)
    best = np.linalg.lstsq(X, y)[0]
    flat = [
        np.abs(grad(loss)(best)).max()
        for loss in (lambda t: summed(X @ t, y), lambda t: halved(X @ t, y))
    ]
    return Outcome(
        [
            Check("gradients, ratio over 2N", a / (2 * n * b), near(1.0, abs=1e-12)),
            Check("gradients at the least squares solution", flat, at_most(1e-12)),
        ]
    )


@claim("L15", "the empirical risk of a net that overfits is below its risk")
def overfitting_gap(
    *,
    nets: int = 10,
    n: int = 60,
    steps: int = 600,
    optimizer: MakeOptimizer = optim.Adam,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train a net far too large for its few samples; compare with the loss on 2000 fresh ones.

    Parameters
    ----------
    nets : int
        Nets 2-64-64-3 with tanh, each with its own samples of `data.spirals` (noise 0.4).
    n : int
        Training samples of each.
    steps : int
        Steps in the full batch.
    optimizer : callable
        ``optimizer(params, lr=0.01)``.
    quick, seed
        A third of the steps; seed of data and start weights.

    Returns
    -------
    Outcome
        Figure: both losses of each net.
    """
    steps = steps // 3 if quick else steps
    rngs = generators(seed, nets)
    models = Stack([network([2, 64, 64, 3], nn.Tanh, rng) for rng in rngs])
    X, y = spirals_for_each(rngs, n, noise=0.4)
    step = training_step(
        optimizer(models.parameters(), lr=0.01), lambda: stacked_cross_entropy(models(X), y)
    )
    for _ in range(steps):
        step()
    train = nll(logits(models, X), y)
    X_test, y_test = spirals_for_each(rngs, 2000, noise=0.4)
    test = nll(logits(models, X_test), y_test)
    figure = Figure("risk and empirical risk", "net", "loss", y_scale="log")
    for name, losses in (("training samples", train), ("fresh samples", test)):
        figure = figure.add(name, np.arange(nets), losses, style="bars")
    return Outcome(
        [
            Check("loss on the samples", train, below(0.1)),
            Check("fresh minus training loss, mean of the nets", np.mean(test - train), above(0.0)),
            Check("fresh minus training loss", test - train),
        ],
        figure=figure,
    )


@claim("L16", "gradient descent converges on a quadratic if and only if α < 2/λ_max")
def gd_stability_limit(
    *,
    kappas: Sequence[float] = (1.0, 10.0, 100.0),
    margin: float = 0.001,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Run gradient descent on ½ Σ λᵢ wᵢ², λ from 1 to κ, at (2 ∓ margin)/κ.

    The coordinate of the largest curvature is multiplied by 1 − ακ = −1 ± margin in each step.

    Parameters
    ----------
    kappas : sequence of float
        Condition numbers, which are the largest λ.
    margin : float
        Distance to the limit; 20/margin steps are taken.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        A tenth of the steps, at ten times the margin; nothing is drawn.

    Returns
    -------
    Outcome
        Figure: distance to the minimum over steps.
    """
    margin = 10 * margin if quick else margin
    steps = round(20 / margin)
    at = np.unique(np.geomspace(1, steps, 100).astype(int))
    figure = Figure("gradient descent at its limit", "step", "‖w‖", x_scale="log", y_scale="log")
    ends: dict[float, list[float]] = {2 - margin: [], 2 + margin: []}
    for kappa in kappas:
        lams = np.geomspace(1.0, kappa, 10)
        for factor, found in ends.items():
            path = steps_to(0.0, lams, optimizer, most=steps, lr=factor / kappa)
            found.append(float(path[steps]))
            figure = figure.add(f"α = {factor:g}/κ, κ = {kappa:g}", at, path[at])
    inside, outside = ends
    return Outcome(
        [
            Check(f"‖w‖ at α = {inside:g}/κ", ends[inside], below(1e-6)),
            Check(f"‖w‖ at α = {outside:g}/κ", ends[outside], above(1e6)),
        ],
        figure=figure,
    )


@claim("L16", "at a fixed α the steps of gradient descent shrink by themselves")
def gd_steps_shrink(
    *,
    alpha: float = 1.0,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Follow gradient and step in a linear regression, ½ mean (θᵀx − y)², in the full batch.

    Parameters
    ----------
    alpha : float
        Step size, as a part of 1/λ_max.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Without effect, as it is quick; seed of data and start.

    Returns
    -------
    Outcome
        Figure: length of gradient and step over steps.
    """
    rng = generator(seed)
    X, y = rng.normal(size=(200, 5)), rng.normal(size=200)
    lr = alpha / float(np.linalg.eigvalsh(X.T @ X / len(X)).max())
    theta = nn.Parameter(rng.normal(size=5))
    step = training_step(optimizer([theta], lr=lr), lambda: 0.5 * mean(square(X @ theta - y)))
    gradients, moves = [], []
    for _ in range(400):
        before = theta.data
        step()
        gradients.append(float(np.linalg.norm(X.T @ (X @ before - y) / len(X))))
        moves.append(float(np.linalg.norm(theta.data - before)))
    above_rounding = np.array(gradients) > 1e-12
    growth = np.diff(np.array(moves)[above_rounding])
    at = np.arange(1, len(moves) + 1)
    figure = Figure("gradient descent at a fixed α", "step", "length", y_scale="log")
    return Outcome(
        [
            Check("length of a step minus that of the one before", growth.max(), below(0.0)),
            Check("length of the last gradient", gradients[-1], below(1e-8)),
            Check("length of the last step", moves[-1], below(1e-8)),
            Check("step over gradient, over α", moves[0] / gradients[0] / lr, near(1.0, rel=1e-9)),
        ],
        figure=figure.add("gradient", at, gradients).add("step", at, moves),
    )
