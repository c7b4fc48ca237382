"""Momentum in the lecture's form and in PyTorch's, and Nesterov's look-ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import nn, optim
from ..data.seeding import generator
from ..engine import grad, square, sum
from .figure import Figure
from .outcome import Check, Outcome, at_most, near
from .registry import claim
from .training import MakeOptimizer, training_step

__all__ = ["momentum_forms", "nesterov_lookahead"]


def _path(
    optimizer: MakeOptimizer,
    alphas: Sequence[float],
    constant_gradient: bool = False,
    **settings: Any,
) -> list[float]:
    """Positions on ½x² from 1 (or, with the gradient 1 everywhere, on x from 0)."""
    x = nn.Parameter(0.0 if constant_gradient else 1.0)
    chosen = optimizer([x], lr=alphas[0], **settings)
    step = training_step(chosen, lambda: 1.0 * x if constant_gradient else 0.5 * square(x))
    positions = [x.data]
    for alpha in alphas:
        chosen.param_groups[0]["lr"] = alpha
        step()
        positions.append(x.data)
    return positions


@claim("L30", "both forms of momentum agree at a constant α, not when α changes")
def momentum_forms(
    *,
    mu: float = 0.9,
    alphas: tuple[float, float] = (0.1, 0.01),
    steps: int = 10,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Run both forms on ½x² from x = 1, with one step size, then with one that drops.

    The lecture's V ← μV − αg keeps the old α inside of V; PyTorch's θ ← θ − αv scales all of the
    velocity by the new one.  Under a constant gradient both move α g/(1 − μ) a step in the end.

    Parameters
    ----------
    mu : float
        Momentum.
    alphas : pair of float
        Step size of the first and of the second half.
    steps : int
        In each half.
    optimizer : callable
        ``optimizer(params, lr=α, momentum=μ, momentum_form="lecture" | "pytorch")``.
    quick, seed
        Without effect: it is quick, and nothing is drawn.

    Returns
    -------
    Outcome
        Figure: x over steps.
    """
    forms = ("lecture", "pytorch")
    first, second = alphas
    dropped = {
        form: _path(optimizer, [first] * steps + [second] * steps, momentum=mu, momentum_form=form)
        for form in forms
    }
    constant = {
        form: _path(optimizer, [first] * 200, momentum=mu, momentum_form=form) for form in forms
    }
    slid = {form: _path(optimizer, [first] * 400, True, momentum=mu, momentum_form=form)
            for form in forms}  # fmt: skip
    last_steps = [slid[form][-2] - slid[form][-1] for form in forms]
    figure = Figure(f"α from {first:g} to {second:g} after {steps} steps", "step", "x")
    for form in forms:
        figure = figure.add(form, np.arange(2 * steps + 1), dropped[form])
    defaults = (mu, alphas, steps) == (0.9, (0.1, 0.01), 10)
    checks = [
        Check(
            "difference of the forms at a constant α",
            np.abs(np.subtract(constant["lecture"], constant["pytorch"])).max(),
            at_most(1e-12),
        ),
        Check(
            "step under a constant gradient", last_steps, near(first / (1 - mu), rel=1e-9)
        ),
        *(
            Check(
                f"x after α dropped, {form}", dropped[form][-1],
                near(expected, abs=5e-7) if defaults else None, expected if defaults else None,
            )
            for form, expected in zip(forms, (-0.292384, -0.358355), strict=True)
        ),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)


@claim("L32", "PyTorch's Nesterov step is the look-ahead rule, seen from the look-ahead point")
def nesterov_lookahead(
    *,
    n: int = 6,
    alpha: float = 0.02,
    mu: float = 0.9,
    steps: int = 200,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Compare V ← μV − α∇J(θ + μV), θ ← θ + V with ``SGD(nesterov=True)`` on a quartic.

    The parameters of SGD have to be θ + μV of the look-ahead rule, at each step.

    Parameters
    ----------
    n : int
        Parameters of J = Σ (¼θ⁴ + ½cθ²), c ~ U(0.5, 5).
    alpha, mu : float
        Step size and momentum.
    steps : int
        Compared steps.
    optimizer : callable
        ``optimizer(params, lr=α, momentum=μ, nesterov=..., momentum_form=...)``.
    quick, seed
        A quarter of the steps; seed of J and of the start.

    Returns
    -------
    Outcome
        Figure: J over steps for Nesterov's rule and for plain momentum.
    """
    steps = steps // 4 if quick else steps
    rng = generator(seed)
    c, start = rng.uniform(0.5, 5.0, n), rng.normal(size=n)

    def J(w: Any) -> Any:  # noqa: N802 - its name in the formula
        return sum(0.25 * square(square(w)) + 0.5 * c * square(w))

    w = nn.Parameter(start)
    shifted = training_step(optimizer([w], lr=alpha, momentum=mu, nesterov=True), lambda: J(w))
    # The plain rule of momentum, with the gradient of another point put in.
    theta = nn.Parameter(start)
    heavy = optimizer([theta], lr=alpha, momentum=mu, momentum_form="lecture")
    velocity = np.zeros(n)
    plain = nn.Parameter(start)
    no_look = training_step(optimizer([plain], lr=alpha, momentum=mu), lambda: J(plain))
    differences, losses, plain_losses = [], [], []
    for _ in range(steps):
        losses.append(shifted().item())
        plain_losses.append(no_look().item())
        theta.grad = grad(J)(theta.data + mu * velocity)
        before = theta.data
        heavy.step()
        velocity = theta.data - before
        differences.append(float(np.max(np.abs(theta.data + mu * velocity - w.data))))
    figure = Figure("Nesterov's rule on a quartic", "step", "J", y_scale="log")
    figure = figure.add("Nesterov", np.arange(steps), losses)
    name = "largest difference of θ + μV and SGD's parameters"
    return Outcome(
        [Check(name, max(differences), at_most(1e-12))],
        figure=figure.add("momentum", np.arange(steps), plain_losses),
    )
