"""What the linked readings recommend: broken symmetry, momentum that rises, gains, dropout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import data, nn, optim
from ..nn import functional as F
from ..optim import lr_scheduler
from .adaptive import steps_taken
from .figure import Figure
from .outcome import Check, Outcome, above, at_most, equals, near
from .registry import claim
from .training import MakeOptimizer, training_step

__all__ = ["dropout_keeps_the_mean", "gains_by_hand", "momentum_warmup", "symmetry"]


@claim("L69", "hidden units that start equal stay equal for ever; random ones do not")
def symmetry(
    *,
    steps: int = 100,
    hidden: int = 8,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train a net whose hidden units all start with the same weights, and one with random ones.

    In exact arithmetic the units stay equal.  In floating point a matrix product may round its
    columns differently; such a difference grows from step to step, and breaks the symmetry in the
    end, after some hundreds of steps here.

    Parameters
    ----------
    steps : int
        Full-batch updates on spirals, α = 0.5.
    hidden : int
        Units.
    optimizer : callable
        ``optimizer(params, lr=0.5)``.
    quick, seed
        No effect: it is quick; seed of data and weights.

    Returns
    -------
    Outcome
        Figure: loss over steps.
    """
    X, y = data.spirals(200, noise=0.1, seed=seed)
    figure = Figure(f"{hidden} hidden units", "step", "loss")
    spread, ends = {}, {}
    for kind in ("equal", "random"):
        model: Any = nn.Sequential(
            nn.Linear(2, hidden, rng=seed), nn.Tanh(), nn.Linear(hidden, 3, rng=seed)
        )
        if kind == "equal":
            model[0].weight.data = np.tile(model[0].weight.data[:1], (hidden, 1))
            model[0].bias.data = np.full(hidden, model[0].bias.data[0])
            model[2].weight.data = np.tile(model[2].weight.data[:, :1], (1, hidden))
        step = training_step(
            optimizer(model.parameters(), lr=0.5),
            lambda model=model: F.cross_entropy(model(X), y),
        )
        losses = [step().item() for _ in range(steps)]
        incoming = np.column_stack([model[0].weight.data, model[0].bias.data])
        spread[kind] = np.max(np.ptp(incoming, axis=0)).item()
        ends[kind] = losses[-1]
        figure = figure.add(kind, np.arange(steps), losses)
    checks = [
        Check("largest difference of units that started equal", spread["equal"], at_most(1e-9)),
        Check("largest difference of units that started random", spread["random"], above(0.1)),
        Check("loss of equal units over that of random ones", ends["equal"] / ends["random"],
              above(1.0)),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)


@claim(
    "L69",
    "the momentum rises from .5 to .9, and with it the final step αg/(1 − μ) from 2αg to 10αg",
)
def momentum_warmup(*, steps: int = 20, quick: bool = False, seed: int = 0) -> Outcome:
    """Measure the momentum over the warm-up, and the step under a constant gradient at its ends.

    Parameters
    ----------
    steps : int
        Of the warm-up.
    quick, seed
        No effect: it is quick, and nothing is drawn.

    Returns
    -------
    Outcome
        Figure: momentum over steps.
    """
    theta = nn.Parameter(np.zeros(1))
    optimizer = optim.SGD([theta], lr=0.01, momentum=0.5)
    schedule = lr_scheduler.MomentumWarmup(optimizer, start=0.5, end=0.9, steps=steps)
    momenta, ways = [], []

    def terminal() -> float:
        for _ in range(400):
            before = theta.data.item()
            theta.grad = np.ones(1)
            optimizer.step()
        return float(before - theta.data.item()) / 0.01

    ways.append(terminal())
    for _ in range(steps + 5):
        momenta.append(optimizer.param_groups[0]["momentum"])
        schedule.step()
    ways.append(terminal())
    expected = 0.5 + 0.4 * np.minimum(np.arange(steps + 5), steps) / steps
    checks = [
        Check("momentum − (.5 + .4 min(t, T)/T)", np.abs(np.subtract(momenta, expected)),
              at_most(1e-12)),
        Check("final step/(αg) at the start", ways[0], near(2.0, abs=1e-9)),
        Check("final step/(αg) at the end", ways[1], near(10.0, abs=1e-9)),
        Check("rate", optimizer.param_groups[0]["lr"], equals(0.01)),
    ]  # fmt: skip
    figure = Figure("momentum warm-up", "step", "momentum")
    return Outcome(checks, figure=figure.add("μ", np.arange(steps + 5), momenta))


@claim(
    "L69",
    "a gain grows by .05 while the gradient keeps its sign, and falls by 5 % when it does not",
)
def gains_by_hand(
    *, optimizer: Callable[..., Any] = optim.GainSGD, quick: bool = False, seed: int = 0
) -> Outcome:
    """Feed GainSGD with gradients whose signs are chosen, and compare its steps with the rule.

    Parameters
    ----------
    optimizer : callable
        ``optimizer(params, lr=α)``, gains within [.1, 10].
    quick, seed
        No effect: it is quick; seed of the random signs.

    Returns
    -------
    Outcome
        Figure: gains over steps.
    """
    rng = np.random.default_rng(seed)
    T = 250
    signs = {
        "constant sign": np.ones(T),
        "alternating sign": (-1.0) ** np.arange(T),
        "random sign": rng.choice([-1.0, 1.0], T),
    }
    gradients = np.stack(list(signs.values()), axis=1) * rng.uniform(0.5, 2.0, (T, 3))
    theta = nn.Parameter(np.zeros(3))
    measured = -steps_taken(optimizer([theta], lr=0.1), theta, gradients) / (0.1 * gradients)
    by_hand = np.ones((T, 3))
    for t in range(1, T):
        same = gradients[t] * gradients[t - 1] > 0
        gain = np.where(same, by_hand[t - 1] + 0.05, by_hand[t - 1] * 0.95)
        by_hand[t] = np.clip(gain, 0.1, 10.0)
    figure = Figure("gains", "step", "gain", (), "linear", "log")
    for i, name in enumerate(signs):
        figure = figure.add(name, np.arange(T), measured[:, i])
    checks = [
        Check("gain − by hand", np.abs(measured - by_hand).max(axis=0), at_most(1e-9)),
        Check("gain in the end, constant sign", measured[-1, 0], near(10.0, abs=1e-9)),
        Check("gain in the end, alternating sign", measured[-1, 1], near(0.1, abs=1e-9)),
        Check("mean gain, random sign", measured[:, 2].mean()),
    ]
    return Outcome(checks, figure=figure)


@claim("L70", "inverted dropout keeps the mean of its input, and is the identity in evaluation")
def dropout_keeps_the_mean(
    *,
    ps: Sequence[float] = (0.1, 0.3, 0.5),
    draws: int = 100_000,
    layer: Callable[..., nn.Module] = nn.Dropout,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Average dropout's outputs for an input of ones, beside their variance p/(1 − p).

    Parameters
    ----------
    ps : sequence of float
        Probabilities of a 0, in (0, 1).
    draws : int
        Elements.
    layer : callable
        ``layer(p, rng=rng)``.
    quick, seed
        No effect: it is quick; seed of the zeros.

    Returns
    -------
    Outcome
        Figure: mean over p.
    """
    x = np.ones(draws)
    outputs = [np.asarray(layer(p, rng=seed)(x)) for p in ps]
    some = np.random.default_rng(seed).normal(size=(50, 4))
    means = [out.mean() for out in outputs]
    variances = [out.var() * (1 - p) / p for p, out in zip(ps, outputs, strict=True)]
    evaluated = [np.max(np.abs(layer(p, rng=seed).eval()(some) - some)) for p in ps]
    without = np.max(np.abs(layer(0.0, rng=seed)(some) - some))
    try:
        layer(1.0, rng=seed)
        refused = False
    except ValueError:
        refused = True
    checks = [
        Check("mean of the outputs for ones", means, near(1.0, rel=0.01)),
        Check("their variance over p/(1 − p)", variances, near(1.0, rel=0.03)),
        Check("output − input in evaluation", evaluated, equals(0.0)),
        Check("output − input for p = 0", without, equals(0.0)),
        Check("p = 1, which would leave nothing, is refused", refused, equals(True)),
    ]
    figure = Figure("dropout of ones", "p", "mean")
    return Outcome(checks, figure=figure.add("measured", ps, means, style="points"))
