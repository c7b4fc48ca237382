"""Steps that look at signs: Rprop, RMSProp, AdaMax (L33, L34, L36)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..compiler import compile
from ..data.seeding import generator
from ..engine import square, sum
from ..nn import functional as F
from .adaptive import steps_taken
from .figure import Figure
from .outcome import Check, Outcome, above, at_most, below, equals, near
from .registry import claim
from .training import MakeOptimizer, generators, logits, network, nll, spirals_for_each

__all__ = ["adamax_steps", "rmsprop_averages", "rprop_family"]

Variant = Literal["irprop-", "irprop+", "rprop-", "rprop+"]
VARIANTS: tuple[Variant, ...] = ("rprop-", "rprop+", "irprop-", "irprop+")


def hinton(cycles: int) -> NDArray[np.float64]:
    """Return Hinton's gradients: nine of +0.1, one of −0.9, over and over; their mean is zero."""
    return np.tile(np.r_[np.full(9, 0.1), -0.9], cycles)[:, None]


def _steps_on(lams: NDArray[np.float64], variant: Variant) -> int:
    """Return from which step on ‖w‖_∞ < 1e-6, on ½ Σ λw² from w = 1."""
    w = nn.Parameter(np.ones(len(lams)))
    rule = optim.Rprop([w], lr=0.1, variant=variant)
    arrived = 0
    for t in range(1, 300):
        rule.zero_grad()
        loss = 0.5 * sum(lams * square(w))
        loss.backward()
        rule.step(loss)
        if np.max(np.abs(w.data)) >= 1e-6:
            arrived = t + 1
    return arrived


def _train(make: Callable[[Any], Any], seeds: int, n: int, steps: int, seed: int) -> Any:
    """Train 2-16-3 with tanh on all of the spirals at once; return the final losses."""
    losses = []
    for rng in generators(seed, seeds):
        X, y = spirals_for_each([rng], n, 0.1)
        model = network([2, 16, 3], nn.Tanh, rng)
        rule = make(model.parameters())
        step = _full_batch_step(model, rule)
        for _ in range(steps):
            step(X[0], y[0])
        losses.append(nll(logits(model, X[0]), y[0]))
    return np.array(losses)


def _full_batch_step(model: nn.Module, rule: optim.Optimizer) -> Callable[..., Any]:
    """Compile a step that shows its loss to the optimizer."""

    @compile
    def step(x: Any, t: Any) -> Any:
        rule.zero_grad()
        value = F.cross_entropy(model(x), t)
        value.backward()
        rule.step(value)
        return value

    return step


@claim("L33", "Rprop looks at signs alone: no scaling slows it down, but mini-batches mislead it")
def rprop_family(
    *,
    seeds: int = 10,
    n: int = 200,
    steps: int = 300,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Run the four variants on quadratics of any condition, on spirals, on Hinton's counterexample.

    Parameters
    ----------
    seeds, n, steps : int
        Nets, samples and full-batch steps on the spirals.
    quick, seed
        Two nets; seed of data and start weights.

    Returns
    -------
    Outcome
        Figure: final losses on the spirals.
    """
    seeds = min(seeds, 2) if quick else seeds
    checks, figure = [], Figure("spirals, full batch", "net", "final loss", y_scale="log")
    references = {"rprop-": 42, "rprop+": 59, "irprop-": 60, "irprop+": 48}
    for variant in VARIANTS:
        counts = [_steps_on(np.array([1.0, kappa]), variant) for kappa in (1.0, 1e2, 1e4, 1e6)]
        checks += [
            Check(f"steps to 1e-6, {variant}", counts[0], reference=references[variant]),
            Check(f"other counts for κ = 10², 10⁴, 10⁶, {variant}", len({*counts}) - 1, equals(0)),
        ]
    for variant in VARIANTS:
        make = partial(optim.Rprop, variant=variant)
        losses = _train(make, seeds, n, steps, seed)
        checks.append(Check(f"final loss on spirals, {variant}", losses, below(1e-3)))
        figure = figure.add(variant, np.arange(seeds), losses, style="points")
    plain = _train(partial(optim.SGD, lr=0.5), seeds, n, steps, seed)
    figure = figure.add("gradient descent", np.arange(seeds), plain, style="points")
    checks.append(Check("median loss, gradient descent at α = 0.5", np.median(plain),
                        above(0.01), 0.062))  # fmt: skip
    for name, rule, bound in (
        ("SGD", partial(optim.SGD, lr=0.1), at_most(1e-10)),
        ("Rprop", optim.Rprop, above(1000.0)),
    ):
        w = nn.Parameter(np.zeros(1))
        moved = abs(float(np.sum(steps_taken(rule([w]), w, hinton(200)))))
        checks.append(Check(f"drift under gradients of mean zero, {name}", moved, bound))
    return Outcome(checks, figure=figure)


@claim("L34", "RMSProp is Rprop for mini-batches: divided by an average, gradients still cancel")
def rmsprop_averages(
    *,
    alpha: float = 1e-3,
    cycles: int = 200,
    optimizer: MakeOptimizer = optim.RMSprop,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Measure RMSProp's steps, with ε inside and outside of the root, and its drift.

    Parameters
    ----------
    alpha : float
        Step size.
    cycles : int
        Of Hinton's ten gradients (nine of 0.1, one of −0.9), after 50 to settle.
    optimizer : callable
        ``optimizer(params, lr=α, alpha=γ, eps=ε, eps_inside_sqrt=…)``.
    quick, seed
        No effect: it is quick, and nothing is random.

    Returns
    -------
    Outcome
        Figure: drift over γ.
    """

    def run(gradients: NDArray[np.float64], **settings: Any) -> NDArray[np.float64]:
        theta = nn.Parameter(np.zeros(gradients.shape[1]))
        return steps_taken(optimizer([theta], lr=alpha, **settings), theta, gradients) / alpha

    tiny = np.array([[1e-6]])  # with γ = 0 the average is g² at once
    inside = -run(tiny, alpha=0.0, eps=1e-8, eps_inside_sqrt=True).item()
    outside = -run(tiny, alpha=0.0, eps=1e-8).item()
    first = -run(np.array([[3.0, -0.5]]), alpha=0.9, eps=0.0)[0] * np.array([1.0, -1.0])
    drift, gammas = [], (0.0, 0.9, 0.99)
    for gamma in gammas:
        path = run(hinton(50 + cycles), alpha=gamma, eps=1e-12)[500:]
        drift.append(abs(float(np.mean(path))))
    checks = [
        Check(
            "step/α for r = g², g = 10⁻⁶, ε inside of the root", inside, near(0.01, rel=1e-3), 0.01
        ),
        Check("the same, ε outside", outside, near(0.990, rel=1e-3), 0.990),
        Check("first step/α times √(1 − γ)", first * np.sqrt(0.1), near(1.0, abs=1e-9)),
        Check("drift/α of the sign alone (γ = 0)", drift[0], near(0.8, abs=1e-6), 0.8),
        Check("drift/α, γ = 0.9", drift[1], below(0.1), 0.068),
        Check("drift/α, γ = 0.99", drift[2], below(0.01), 0.0067),
    ]
    figure = Figure("gradients of mean zero", "γ", "drift / α")
    return Outcome(checks, figure=figure.add("RMSProp", gammas, drift, style="points"))


@claim("L36", "no step of AdaMax is longer than 1.0091 α")
def adamax_steps(
    *,
    sequences: int = 200,
    steps: int = 400,
    optimizer: MakeOptimizer = optim.Adamax,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Feed AdaMax with heavy-tailed gradients, with falling ones, and with zeros.

    The paper says |Δθ| ≤ α; the bound is α(1 − β₁)/(1 − β₁/β₂), which g_t = β₂ᵗ comes close to.

    Parameters
    ----------
    sequences, steps : int
        Random sequences of gradients, and their length.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        No effect: it is quick; seed of the gradients.

    Returns
    -------
    Outcome
        Figure: steps for g_t = β₂ᵗ.
    """
    rng = generator(seed)
    alpha, bound = 2e-3, (1 - 0.9) / (1 - 0.9 / 0.999)

    def run(gradients: NDArray[Any]) -> NDArray[np.float64]:
        theta = nn.Parameter(np.zeros(gradients.shape[1]))
        return steps_taken(optimizer([theta], lr=alpha), theta, gradients) / alpha

    random = run(rng.standard_cauchy((steps, sequences)))
    falling = -run(0.999 ** np.arange(1, steps + 1)[:, None])[:, 0]
    first = run(np.array([[2.0, -1e-3, 50.0]]))[0]
    checks = [
        Check("first step/α + sign(g)", np.abs(first + np.array([1.0, -1.0, 1.0])), at_most(1e-4)),
        Check("longest step/α of random gradients", np.max(np.abs(random)), at_most(bound + 1e-9)),
        Check("longest step/α for g_t = β₂ᵗ", np.max(falling), near(1.0091, abs=1e-4), 1.0091),
        Check("steps for g = 0 are 0", bool((run(np.zeros((5, 1))) == 0.0).all()), equals(True)),
    ]
    figure = Figure("AdaMax, g = 0.999ᵗ", "step", "step / α")
    return Outcome(checks, figure=figure.add("AdaMax", np.arange(1, steps + 1), falling))
