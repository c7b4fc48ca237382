"""The scale of a weight decides how fast it learns, although the function is the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..engine import mean, square
from .figure import Figure
from .outcome import Check, Outcome, at_most, between
from .registry import claim
from .training import MakeOptimizer, training_step

__all__ = ["scale_matters"]


def _losses(
    scale: float | None,
    data: tuple[NDArray[Any], NDArray[Any]],
    optimizer: MakeOptimizer,
    lr: float,
    goal: float,
    most: int = 20_000,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit o = scale · w x until the loss is below the goal; return losses and slopes scale · w."""
    x, y = data
    layer: Any = (
        nn.Linear(1, 1, bias=False) if scale is None else nn.ScaledLinear(1, 1, scale, bias=False)
    )
    layer.weight.data = np.array([[-1.0 if scale is None else -1.0 / scale]])
    step = training_step(
        optimizer(layer.parameters(), lr=lr), lambda: 0.5 * mean(square(layer(x) - y))
    )
    losses, slopes = [math.inf], []
    while losses[-1] > goal and len(losses) <= most:
        slopes.append(layer.weight.data.item() * (1.0 if scale is None else scale))
        losses.append(step().item())
    return np.array(losses[1:]), np.array(slopes)


@claim("L46", "a weight 10 times as large behind a factor 1/10 learns 100 times as slowly by SGD")
def scale_matters(
    *,
    scale: float = 0.1,
    alpha: float = 0.05,
    adam_alpha: float = 0.01,
    adam: MakeOptimizer = optim.Adam,
    sgd: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Fit y = 2x from o = −x, as w₁x and as (1/10) w₂x with w₂ = 10 w₁, to 1 % of the loss.

    The gradient by w₂ is 10 times smaller and the way 10 times longer: 100 times the steps.  Steps
    that do not depend on the scale of the gradient (Adam) need 10 times as many.

    Parameters
    ----------
    scale : float
        The factor.
    alpha, adam_alpha : float
        Step sizes of SGD and of Adam.
    adam, sgd : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        No effect: it is quick; seed of the inputs.

    Returns
    -------
    Outcome
        Figure: loss over steps.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 1))
    x = x / np.sqrt(np.mean(x**2))
    data = x, 2.0 * x
    goal = 0.01 * 4.5  # 1 % of the loss at the start
    figure = Figure("y = 2x from −x", "step", "loss", (), "log", "log")
    steps: dict[tuple[str, bool], int] = {}
    slopes: dict[tuple[str, bool], NDArray[np.float64]] = {}
    for name, optimizer, lr in (("SGD", sgd, alpha), ("Adam", adam, adam_alpha)):
        for scaled in (False, True):
            losses, way = _losses(scale if scaled else None, data, optimizer, lr, goal)
            steps[name, scaled], slopes[name, scaled] = len(losses), way
            label = f"{name}, {'(1/10) w₂x' if scaled else 'w₁x'}"
            figure = figure.add(label, np.arange(1, len(losses) + 1), losses)
    _, same = _losses(scale, data, sgd, alpha / scale**2, goal)
    way = slopes["SGD", False]
    n = min(len(same), len(way))
    checks = [
        Check("slopes with 100 times the step size − those of w₁x",
              np.max(np.abs(same[:n] - way[:n])), at_most(1e-12)),
        Check("steps of SGD, w₁x", steps["SGD", False], None, 21),
        Check("steps of SGD, (1/10) w₂x", steps["SGD", True], None, 2108),
        Check("ratio of SGD", steps["SGD", True] / steps["SGD", False], between(95, 105), 100.4),
        Check("steps of Adam, w₁x", steps["Adam", False], None, 339),
        Check("steps of Adam, (1/10) w₂x", steps["Adam", True], None, 3197),
        Check("ratio of Adam", steps["Adam", True] / steps["Adam", False], between(8, 11), 9.4),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)
