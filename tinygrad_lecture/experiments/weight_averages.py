"""Averages of weights: a net that is tested with the mean of its last steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn, optim
from ..data.seeding import generator
from ..engine import square, sum
from ..optim.swa_utils import AveragedModel, get_ema_avg_fn
from .figure import Figure
from .outcome import Check, Outcome, at_least, below, near
from .registry import claim
from .stack import Stack, stacked_cross_entropy
from .training import (
    MakeOptimizer,
    batches_for_each,
    generators,
    logits,
    network,
    nll,
    spirals_for_each,
    training_step,
)

__all__ = ["ema_noise", "ema_stabilizes"]


@claim("L40", "an average of the last 200 steps has a twentieth of the variance of the steps")
def ema_noise(
    *,
    alpha: float = 0.1,
    decay: float = 0.995,
    chains: int = 2000,
    optimizer: MakeOptimizer = optim.SGD,
    average_of: Callable[..., AveragedModel] = AveragedModel,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Average the weights of SGD on ½(θ − y)², y ~ N(0, 1), exponentially.

    θ is an autoregression with ρ = 1 − α; the variance of its exponential average is
    (1 − d)/(1 + d) · (1 + dρ)/(1 − dρ) times its own: 0.0455 for α = 0.1 and d = 0.995.

    Parameters
    ----------
    alpha : float
        Step size.
    decay : float
        d of the average.
    chains : int
        Independent runs, which are the elements of one array.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    average_of : callable
        ``average_of(model, avg_fn)``.
    quick, seed
        A quarter of the chains; seed of the samples.

    Returns
    -------
    Outcome
        Figure: one run, and its average, over steps.
    """
    chains = chains // 4 if quick else chains
    rng = generator(seed)

    class Point(nn.Module):
        def __init__(self) -> None:
            self.theta = nn.Parameter(np.zeros(chains))

    point = Point()
    average: Any = average_of(point, get_ema_avg_fn(decay))
    step = training_step(
        optimizer(point.parameters(), lr=alpha),
        lambda y: 0.5 * sum(square(point.theta - y)),
    )
    memory = round(1.0 / (1.0 - decay))
    variances, path = [], []
    for t in range(16 * memory):
        step(rng.normal(size=chains))
        average.update_parameters(point)
        path.append((point.theta.data[0], average.module.theta.data[0]))
        if t >= 6 * memory and t % (memory // 4) == 0:
            variances.append((np.mean(point.theta.data**2), np.mean(average.module.theta.data**2)))
    own, averaged = np.mean(variances, axis=0)
    rho = 1.0 - alpha
    theory = (1 - decay) / (1 + decay) * (1 + decay * rho) / (1 - decay * rho)
    shown = np.array(path)[-8 * memory :]
    figure = Figure(f"SGD at α = {alpha:g}", "step", "θ")
    for column, name in enumerate(("θ", "its average")):
        figure = figure.add(name, np.arange(len(shown)), shown[:, column])
    known = 0.0455 if (alpha, decay) == (0.1, 0.995) else None
    checks = [
        Check("variance of the average over that of θ", averaged / own, near(theory, rel=0.1),
              known),
        Check("variance of θ over α/(2 − α)", own * (2 - alpha) / alpha, near(1.0, rel=0.03)),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)


@claim("L40", "tested with averaged weights, a net at a large constant α is better and steadier")
def ema_stabilizes(
    *,
    alpha: float = 0.5,
    decay: float = 0.995,
    steps: int = 6000,
    seeds: int = 10,
    optimizer: MakeOptimizer = optim.SGD,
    average_of: Callable[..., AveragedModel] = AveragedModel,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train 2-20-3 tanh nets on spirals, batches of 4, and test weights and averages of weights.

    Parameters
    ----------
    alpha : float
        Constant step size.
    decay : float
        d in θ_avg ← d θ_avg + (1 − d) θ, which starts at the first weights.
    steps : int
        Updates; tested every 50 in their second half.
    seeds : int
        Data sets and nets, trained side by side.
    optimizer : callable
        ``optimizer(params, lr=α)``; it has to work element by element.
    average_of : callable
        ``average_of(model, avg_fn)``.
    quick, seed
        A third of the steps; seed of data, weights and orders.

    Returns
    -------
    Outcome
        Figure: test loss over steps, of the first seed.
    """
    steps = steps // 3 if quick else steps
    rngs = generators(seed, seeds)
    X, y = spirals_for_each(rngs, 500, 0.6)
    X_test, y_test = spirals_for_each(rngs, 1000, 0.6)
    stack = Stack([network([2, 20, 3], nn.Tanh, rng) for rng in rngs])
    average = average_of(stack, get_ema_avg_fn(decay))
    step = training_step(
        optimizer(stack.parameters(), lr=alpha),
        lambda x, labels: stacked_cross_entropy(stack(x), labels),
    )
    rows: list[Any] = []
    for t, (x, labels) in enumerate(batches_for_each(X, y, 4, steps, rngs)):
        step(x, labels)
        average.update_parameters(stack)
        if t >= steps // 2 and t % 50 == 0:
            rows.append([nll(logits(net, X_test), y_test) for net in (stack, average.module)])
    losses = np.array(rows)  # (tests, 2, seeds)
    spread, means = losses.std(axis=0), losses.mean(axis=0)
    figure = Figure(f"SGD at α = {alpha:g}", "step", "test loss")
    at = steps // 2 + 50 * np.arange(len(losses))
    for column, name in enumerate(("weights", "averaged weights")):
        figure = figure.add(name, at, losses[:, column, 0])
    checks = [
        Check("deviation of the test loss, averaged over plain", spread[1] / spread[0],
              below(0.5), "at most 0.23"),
        Check("share of seeds in which the mean test loss is lower",
              np.mean(means[1] < means[0]), at_least(0.9), 1.0),
        Check("mean test loss, averaged weights", means[1].mean(), None, 0.38),
        Check("mean test loss, weights", means[0].mean(), None, 0.51),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)
