"""The activation functions of the lecture one by one: values, slopes, limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import data, nn, optim
from ..engine import Value, grad, sum
from ..gradcheck import gradcheck
from ..nn import functional as F
from .figure import Figure
from .outcome import Check, Outcome, above, at_most, below, equals, near
from .registry import claim
from .training import MakeOptimizer, training_step

__all__ = ["ACTIVATIONS", "activation_table", "lecun_tanh", "maxout", "swish"]

ACTIVATIONS: dict[str, tuple[Callable[[], nn.Module], tuple[float, ...]]] = {
    "sigmoid": (nn.Sigmoid, (0.5, 0.25, 0.0, 1.0, 0.0, 0.0)),
    "tanh": (nn.Tanh, (0.0, 1.0, -1.0, 1.0, 0.0, 0.0)),
    "LeCun's tanh": (nn.LeCunTanh, (0.0, 1.7159 * 2 / 3, -1.7159, 1.7159, 0.0, 0.0)),
    "ReLU": (nn.ReLU, (0.0, 0.0, 0.0, math.inf, 0.0, 1.0)),
    "leaky ReLU": (nn.LeakyReLU, (0.0, 0.01, -math.inf, math.inf, 0.01, 1.0)),
    "ELU": (nn.ELU, (0.0, 1.0, -1.0, math.inf, 0.0, 1.0)),
    "softplus": (nn.Softplus, (math.log(2), 0.5, 0.0, math.inf, 0.0, 1.0)),
    "Swish": (nn.SiLU, (0.0, 0.5, 0.0, math.inf, 0.0, 1.0)),
}
"""Modules by name, with f(0), f'(0), the limits of f at −∞ and ∞, and those of its slope."""


def _derivative(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return grad(lambda x: sum(f(x)))


@claim("L59", "the activation functions have the values, slopes and limits that their figures show")
def activation_table(*, quick: bool = False, seed: int = 0) -> Outcome:
    """Measure each activation of the lecture at 0 and far out, and its derivative by differences.

    Parameters
    ----------
    quick, seed
        No effect: it is quick; seed of the points for the differences.

    Returns
    -------
    Outcome
        Figure: the functions.
    """
    rng = np.random.default_rng(seed)
    figure = Figure("activations", "x", "f(x)")
    x = np.linspace(-4.0, 4.0, 321)
    checks = []
    # The slope of ReLU at 0 is 0 by convention, and that of leaky ReLU the one on the left.
    for name, (make, expected) in ACTIVATIONS.items():
        f: Any = make()
        slope = _derivative(f)
        at0, far = np.array([0.0]), np.array([-50.0, 50.0])
        limits = [
            float(y) if abs(y) < 2 else math.copysign(math.inf, y)
            for y in np.asarray(f(1e3 * far)).tolist()
        ]
        found = [
            float(np.asarray(f(at0))[0]), float(slope(at0)[0]), *limits, *slope(far).tolist()
        ]  # fmt: skip
        wrong = np.sum(~np.isclose(found, expected, rtol=1e-12, atol=1e-12))
        points = rng.uniform(0.1, 3.0, 8) * rng.choice([-1.0, 1.0], 8)  # kinks are at 0
        report = gradcheck(f, points)
        checks += [
            Check(f"{name}: of f(0), f'(0), limits, slopes, numbers that are wrong", wrong,
                  equals(0)),
            Check(f"{name}: derivative agrees with differences", report.verdict.value == "pass",
                  equals(True)),
        ]  # fmt: skip
        figure = figure.add(name, x, f(x))
    return Outcome(checks, figure=figure)


@claim("L57", "two maxout pieces make ReLU, leaky ReLU and |x|, and one unit computes XOR")
def maxout(*, n: int = 200, quick: bool = False, seed: int = 0) -> Outcome:
    """Set the pieces of maxout units by hand, and look where the gradient goes.

    Parameters
    ----------
    n : int
        Inputs, from N(0, 1).
    quick, seed
        No effect: it is quick; seed of inputs and weights.

    Returns
    -------
    Outcome
        Figure: the functions that a unit of two pieces can be.
    """
    rng = np.random.default_rng(seed)
    x = np.sort(rng.normal(size=n))
    figure = Figure("one input, two pieces", "x", "max(ax, bx)")
    distances = []
    for name, slopes, f in (
        ("ReLU", (0.0, 1.0), F.relu(x)),
        ("leaky ReLU", (0.01, 1.0), F.leaky_relu(x, 0.01)),
        ("|x|", (-1.0, 1.0), np.abs(x)),
    ):
        unit = nn.Maxout(1, 1, 2, bias=False)
        unit.weight.data = np.array(slopes)[:, None]
        y = unit(x[:, None]).data[:, 0]
        distances.append(np.max(np.abs(y - f)))
        figure = figure.add(name, x, y)
    X, labels = data.xor()
    gate = nn.Maxout(2, 1, 2, bias=False)
    gate.weight.data = np.array([[1.0, -1.0], [-1.0, 1.0]])
    layer = nn.Maxout(3, 4, 5, rng=rng)
    inputs = rng.normal(size=(6, 3))
    report = gradcheck(lambda v: F.maxout(F.linear(v, layer.weight.data, layer.bias), 5), inputs)
    v = Value(inputs)
    pieces = F.linear(v, layer.weight, layer.bias)
    sum(F.maxout(pieces, 5)).backward()
    tied = Value(np.array([[2.0, 2.0, 1.0]]))
    sum(F.maxout(tied, 3)).backward()
    assert pieces.grad is not None
    assert tied.grad is not None
    winners = pieces.data.reshape(6, 4, 5).argmax(axis=2)[..., None] == np.arange(5)
    checks = [
        Check("unit − ReLU, leaky ReLU, |x|", distances, at_most(0.0)),
        Check("max(x₁ − x₂, x₂ − x₁) − XOR", np.max(np.abs(gate(X).data[:, 0] - labels)),
              at_most(0.0)),
        Check("gradients − 1 for the largest piece, 0 for others",
              np.max(np.abs(pieces.grad.reshape(6, 4, 5) - winners)), at_most(0.0)),
        Check("gradients of tied pieces: the first alone wins", np.max(
            np.abs(tied.grad - [[1.0, 0.0, 0.0]])), at_most(0.0)),
        Check("derivative agrees with differences", report.verdict.value == "pass", equals(True)),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)


@claim("L60", "Swish, x σ(βx), lies between x/2 and ReLU; β can be trained")
def swish(
    *, steps: int = 200, optimizer: MakeOptimizer = optim.SGD, quick: bool = False, seed: int = 0
) -> Outcome:
    """Measure the minimum of Swish, its distance from ReLU, its derivatives, and a β that learns.

    Parameters
    ----------
    steps : int
        Full-batch updates of a net on spirals.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        A quarter of the steps; seed of data and weights.

    Returns
    -------
    Outcome
        Figure: Swish for some β.
    """
    steps = steps // 4 if quick else steps
    rng = np.random.default_rng(seed)
    x = np.linspace(-6.0, 6.0, 120_001)
    y = F.swish(x, 1.0)
    lowest = int(np.argmin(y))
    betas = (0.5, 1.0, 2.0, 8.0)
    gaps = [b * np.max(np.abs(F.swish(x, b) - F.relu(x))) for b in betas]
    v, beta = Value(x[::4000]), Value(1.7)
    sum(F.swish(v, beta)).backward()
    s = 1.0 / (1.0 + np.exp(-1.7 * v.data))
    f = v.data * s
    report = gradcheck(lambda x, b: F.swish(x, b), x[::4000], 1.7)
    X, labels = data.spirals(200, noise=0.1, seed=seed)
    act = nn.Swish()
    model = nn.Sequential(nn.Linear(2, 16, rng=rng), act, nn.Linear(16, 3, rng=rng))
    step = training_step(
        optimizer(model.parameters(), lr=0.5), lambda: F.cross_entropy(model(X), labels)
    )
    losses = [step().item() for _ in range(steps)]
    assert isinstance(act.beta, nn.Parameter)
    checks = [
        Check("minimum for β = 1", y[lowest], near(-0.27846, abs=1e-5), -0.27846),
        Check("where it is", x[lowest], near(-1.27846, abs=1e-3), -1.27846),
        Check("largest distance from ReLU, times β", gaps, near(0.27846, abs=1e-5), 0.27846),
        Check("β = 0 − x/2", np.max(np.abs(F.swish(x, 0.0) - x / 2)), at_most(1e-12)),
        Check("f' − (βf + σ(βx)(1 − βf))",
              np.max(np.abs(v.grad - (1.7 * f + s * (1 - 1.7 * f)))), at_most(1e-12)),
        Check("∂f/∂β − x²σ(1 − σ), summed",
              abs(beta.grad - np.sum(v.data**2 * s * (1 - s))), at_most(1e-10)),
        Check("derivatives agree with differences", report.verdict.value == "pass", equals(True)),
        Check("how far a trained β moves from 1", abs(float(act.beta.data[0]) - 1.0),
              above(0.01)),
        Check("loss after training over before", losses[-1] / losses[0], below(0.9)),
    ]  # fmt: skip
    figure = Figure("Swish", "x", "x σ(βx)")
    for b in (0.0, *betas):
        figure = figure.add(f"β = {b:g}", x[::500], F.swish(x[::500], b))
    return Outcome(checks, figure=figure)


@claim("L67", "1.7159 tanh(2x/3) maps ±1 to ±1, where its curvature is nearly the largest")
def lecun_tanh(*, draws: int = 1_000_000, quick: bool = False, seed: int = 0) -> Outcome:
    """Measure value, slope and curvature, and the deviation behind it for standard inputs.

    Parameters
    ----------
    draws : int
        Inputs from N(0, 1).
    quick, seed
        A tenth of the draws; seed of the inputs.

    Returns
    -------
    Outcome
        Figure: f, its slope and curvature.
    """
    draws = draws // 10 if quick else draws
    f = nn.LeCunTanh()
    slope = _derivative(f)
    curvature = _derivative(slope)
    x = np.linspace(0.9, 1.1, 20_001)
    peak = x[np.argmax(np.abs(curvature(x)))]
    outputs = np.asarray(f(np.random.default_rng(seed).normal(size=draws)))
    twisted = nn.LeCunTanh(twist=0.1)
    ends = np.asarray(f(np.array([1.0, -1.0])))
    targets = data.signed_targets([0, 1], 2)
    checks = [
        Check("f(1)", ends[0], near(0.9999973, abs=1e-7), 0.9999973),
        Check("f at ±1 − the signed targets", np.max(np.abs(ends - targets[0])), at_most(3e-6)),
        Check("where |f''| is largest", peak, near(1.5 * math.atanh(1 / math.sqrt(3)), abs=2e-5),
              0.98772),
        Check("f'(0)", slope(np.zeros(1)), near(1.7159 * 2 / 3, abs=1e-12), 1.144),
        Check("deviation behind it for N(0, 1)", outputs.std(), near(0.866, abs=3e-3), 0.866),
        Check("slope at 20 with the linear term 0.1x", _derivative(twisted)(np.array([20.0])),
              near(0.1, abs=1e-6)),
    ]  # fmt: skip
    z = np.linspace(-3.0, 3.0, 241)
    figure = Figure("LeCun's tanh", "x", "")
    figure = figure.add("f", z, f(z)).add("slope", z, slope(z)).add("curvature", z, curvature(z))
    return Outcome(checks, figure=figure)
