"""Stochastic gradient descent at a constant step size: where it stops, and where it does not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import nn, optim
from ..data.seeding import generator
from ..engine import square, sum
from .figure import Figure
from .outcome import Check, Outcome, below, near
from .registry import claim
from .training import MakeOptimizer, training_step

__all__ = ["sgd_noise_floor", "sgd_without_noise"]


@claim("L20", "with a constant α, SGD stops at a noise floor: variance α s²/(2 − α)")
def sgd_noise_floor(
    *,
    alphas: Sequence[float] = (0.3, 0.1, 0.03, 0.01, 0.003),
    s: float = 1.0,
    chains: int = 4000,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Run SGD on ½(θ − y)², y ~ N(0, s²), and measure the stationary variance of θ.

    θ ← θ − α(θ − y) is an autoregression; its stationary variance is α s²/(2 − α).

    Parameters
    ----------
    alphas : sequence of float
        Step sizes in (0, 2).
    s : float
        Standard deviation of the samples.
    chains : int
        Independent runs, which are the elements of one array.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Fewer steps sizes and chains; seed of the samples.

    Returns
    -------
    Outcome
        Figure: variance over α, measured and by the formula.
    """
    if quick:
        alphas, chains = [a for a in alphas if a >= 0.01], chains // 2
    rng = generator(seed)
    floors = []
    for alpha in alphas:
        theta = nn.Parameter(np.zeros(chains))
        step = training_step(
            optimizer([theta], lr=alpha), lambda y, theta=theta: 0.5 * sum(square(theta - y))
        )
        relaxation = math.ceil(1 / alpha)
        for _ in range(8 * relaxation):
            step(rng.normal(0.0, s, chains))
        squares = []
        for _ in range(10 * relaxation):
            step(rng.normal(0.0, s, chains))
            squares.append(np.mean(np.square(theta.data)))
        floors.append(float(np.mean(squares)))
    expected = [a * s**2 / (2 - a) for a in alphas]
    checks = [
        Check(f"variance at α = {a:g}", floor, near(exact, rel=0.03))
        for a, floor, exact in zip(alphas, floors, expected, strict=True)
    ]
    if {0.1, 0.01} <= set(alphas):
        ratio = floors[list(alphas).index(0.1)] / floors[list(alphas).index(0.01)]
        checks.append(Check("floor at α = 0.1 over that at 0.01", ratio, near(10.47, rel=0.1)))
    figure = Figure(
        "noise floor of SGD", "α", "variance of θ", x_scale="log", y_scale="log"
    )  # fmt: skip
    figure = figure.add("α s²/(2 − α)", alphas, expected).add(
        "measured", alphas, floors, style="points"
    )
    return Outcome(checks, figure=figure)


@claim("L20", "where every sample can be fitted exactly, a constant α converges to the point")
def sgd_without_noise(
    *,
    alpha: float = 0.05,
    n: int = 200,
    features: int = 5,
    steps: int = 3000,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Run SGD, one sample a step, on a linear regression without noise, y = θ*ᵀx.

    Parameters
    ----------
    alpha : float
        Step size.
    n, features : int
        Samples and their features, from N(0, 1).
    steps : int
        Updates.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        A third of the steps; seed of data, start weights and order.

    Returns
    -------
    Outcome
        Figure: ‖θ − θ*‖² over steps.
    """
    steps = steps // 3 if quick else steps
    rng = generator(seed)
    X, truth = rng.normal(size=(n, features)), rng.normal(size=features)
    model = nn.Linear(features, 1, bias=False, rng=rng)
    step = training_step(
        optimizer(model.parameters(), lr=alpha), lambda x, y: 0.5 * sum(square(model(x) - y))
    )
    distances = []
    for i in rng.integers(n, size=steps):
        step(X[i : i + 1], (X[i : i + 1] @ truth)[:, None])
        distances.append(float(np.sum(np.square(model.weight.data[0] - truth))))
    figure = Figure("SGD without noise", "step", "squared distance to θ*", y_scale="log")
    return Outcome(
        [Check("squared distance to θ* at the end", distances[-1], below(1e-10))],
        figure=figure.add(f"α = {alpha:g}", np.arange(1, steps + 1), distances),
    )
