"""Steps that adapt to each parameter: Adam, and what it is good for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..data.seeding import generator
from ..engine import square, sum
from .figure import Figure
from .outcome import Check, Outcome, above, at_most, below, equals, near
from .registry import claim
from .training import MakeOptimizer, training_step

__all__ = ["adam_steps", "badly_scaled"]


def steps_taken(
    optimizer: optim.Optimizer, theta: nn.Parameter, gradients: NDArray[Any]
) -> NDArray[np.float64]:
    """Feed an optimizer with gradients, one row a step; return what each step added to theta."""
    path = [np.array(theta.data)]
    for g in gradients:
        theta.grad = np.array(g)
        optimizer.step()
        path.append(np.array(theta.data))
    return np.diff(np.array(path), axis=0)


@claim("L35", "Adam's first step is α whatever the gradient's scale, thanks to its bias correction")
def adam_steps(
    *,
    alpha: float = 0.01,
    optimizer: MakeOptimizer = optim.Adam,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Measure Adam's first step and its invariance to the scale of gradients.

    Without the correction a step would be αm/√v, which is α(1 − 0.9ᵗ)/√(1 − 0.999ᵗ) for a constant
    gradient: 3.162α at first, 6.57α at most.

    Parameters
    ----------
    alpha : float
        Step size.
    optimizer : callable
        ``optimizer(params, lr=α, eps=ε, bias_correction=...)``.
    quick, seed
        No effect: it is quick; seed of random gradients.

    Returns
    -------
    Outcome
        Figure: steps for a constant gradient, with and without the correction.
    """
    rng = generator(seed)

    def run(gradients: NDArray[Any], **settings: Any) -> NDArray[np.float64]:
        theta = nn.Parameter(np.zeros(gradients.shape[1:]))
        rule = optimizer([theta], lr=alpha, **settings)
        return steps_taken(rule, theta, gradients) / alpha

    g = np.array([1e-9, 1e-8, 1e-4, 1.0, -1e6])
    first = run(g[None])[0]
    random = rng.normal(size=(50, 20))
    scaled = run(1e5 * random, eps=0.0) - run(random, eps=0.0)
    t = np.arange(1, 101)
    constant = np.ones((100, 1))
    corrected = -run(constant, eps=0.0)[:, 0]
    plain = -run(constant, eps=0.0, bias_correction=False)[:, 0]
    figure = Figure("constant gradient", "step", "step / α")
    figure = figure.add("Adam", t, corrected).add("without bias correction", t, plain)
    checks = [
        Check("first step/α + g/(|g| + ε)", np.abs(first + g / (np.abs(g) + 1e-8)), at_most(1e-9)),
        Check("steps for gradients 10⁵ times as large − steps", np.max(np.abs(scaled)),
              at_most(1e-9)),
        Check("steps for a constant gradient", corrected, near(1.0, abs=1e-9)),
        Check("first step/α without correction", plain[0], near(3.1623, abs=1e-4), 3.162),
        Check("largest step/α without correction", plain.max(), near(6.57, abs=5e-3), 6.57),
        Check("at which step", t[plain.argmax()], equals(12), 12),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)


def _descend(
    hessian: NDArray[Any], optimizer: Any, steps: int, **settings: Any
) -> NDArray[np.float64]:
    """Distances ‖w‖/‖w₀‖ on ½ wᵀHw from w₀ = 1 (in the coordinates of the eigenvectors)."""
    values, vectors = np.linalg.eigh(hessian)
    root = np.sqrt(values)[:, None] * vectors.T
    w = nn.Parameter(vectors @ np.ones(len(values)))
    step = training_step(optimizer([w], **settings), lambda: 0.5 * sum(square(root @ w)))
    distances = [1.0]
    scale = float(np.linalg.norm(w.data))
    for _ in range(steps):
        step()
        distances.append(float(np.linalg.norm(w.data)) / scale)
    return np.array(distances)


@claim(
    "L37",
    "steep and flat directions need steps of their own; rotated axes take that advantage away",
)
def badly_scaled(
    *,
    lams: Sequence[float] = (1e-3, 0.1, 10.0, 1e3),
    steps: int = 1000,
    rotations: int = 10,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Compare rules on a quadratic with very different curvatures, and on rotations of it.

    Gradient descent and momentum have the largest stable steps (1 % below the limit); they do not
    see rotations.

    Parameters
    ----------
    lams : sequence of float
        Curvatures λ > 0.
    steps : int
        Updates.
    rotations : int
        Random rotations.
    quick, seed
        Two rotations; seed of the rotations.

    Returns
    -------
    Outcome
        Figure: distance to the optimum over steps.
    """
    rng = generator(seed)
    highest = max(lams)
    rules: dict[str, tuple[Any, dict[str, float]]] = {
        "SGD": (optim.SGD, {"lr": 0.995 * 2.0 / highest}),
        "momentum 0.9": (optim.SGD, {"lr": 0.995 * 3.8 / highest, "momentum": 0.9}),
        "Adam": (optim.Adam, {"lr": 0.01}),
        "Adagrad": (optim.Adagrad, {"lr": 0.5}),
    }
    paths = {
        name: _descend(np.diag(lams), rule, steps, **settings)
        for name, (rule, settings) in rules.items()
    }
    turned: list[float] = []
    for i in range(2 if quick else rotations):
        Q, _ = np.linalg.qr(rng.normal(size=(len(lams), len(lams))))
        hessian = (Q * np.asarray(lams)) @ Q.T
        rule, settings = rules["Adam"]
        path = _descend((hessian + hessian.T) / 2, rule, steps, **settings)
        turned.append(path[-1])
        if i == 0:
            paths["Adam, rotated"] = path
    figure = Figure("½ Σ λw²", "step", "‖w‖ / ‖w₀‖", (), "linear", "log")
    for name, path in paths.items():
        figure = figure.add(name, np.arange(steps + 1), path)
    checks = [
        Check("‖w‖/‖w₀‖, SGD", paths["SGD"][-1], above(1e-3), 0.65),
        Check("‖w‖/‖w₀‖, momentum 0.9", paths["momentum 0.9"][-1], above(1e-3), 0.49),
        Check("‖w‖/‖w₀‖, Adam", paths["Adam"][-1], below(1e-3), 1e-6),
        Check("‖w‖/‖w₀‖, Adagrad", paths["Adagrad"][-1], below(1e-3)),
        Check("‖w‖/‖w₀‖, Adam, rotated", turned, above(0.1), 0.77),
    ]
    return Outcome(checks, figure=figure)
