"""What moves while single neurons and SAT nets learn, and what XOR nets say (L05, L09, L17)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import data, logic, nn, optim
from ..data.seeding import generator
from .depth import right, train_binary
from .figure import Figure
from .outcome import Check, Outcome, above, at_least, at_most, equals
from .registry import claim
from .training import generators, logits, network, training_step

__all__ = ["decision_regions", "perceptron_path", "sat_path"]


@claim("L17", "each mistake brings θ nearer to a solution by γ, and lengthens it by R² at most")
def perceptron_path(*, n: int = 60, quick: bool = False, seed: int = 0) -> Outcome:
    """Follow the hyperplane of a perceptron in the plane, mistake by mistake (Novikoff 1962).

    Parameters
    ----------
    n : int
        Points from N(0, I) that a known line divides.
    quick, seed
        No effect, as it is quick; seed of points and line.

    Returns
    -------
    Outcome
        Figure: the points, and the hyperplane at the start, on the way, and at the end.
    """
    rng = generator(seed)
    teacher = np.append(rng.normal(size=2), 0.3)
    teacher /= np.linalg.norm(teacher)
    X = rng.normal(size=(4 * n, 2))
    ones = np.column_stack([X, np.ones(len(X))])
    X, ones = (rows[np.abs(ones @ teacher) > 0.1][:n] for rows in (X, ones))
    y = (ones @ teacher >= 0).astype(int)
    fit = logic.Perceptron(2).fit(X, y, max_epochs=10_000)
    gamma, radius = np.min(np.abs(ones @ teacher)), np.max(np.linalg.norm(ones, axis=1))
    k = np.arange(len(fit.trace))
    nearer = fit.trace @ teacher - k * gamma
    longer = np.sum(np.square(fit.trace), axis=1) - k * radius**2
    figure = Figure("a perceptron learns", "x₁", "x₂")
    for label in (0, 1):
        figure = figure.add(f"y = {label}", *X[y == label].T, style="points")
    for at in sorted({1, len(k) // 4, len(k) // 2, len(k) - 1}):
        w1, w2, b = fit.trace[at]
        ends = np.array([-3.0, 3.0])
        if abs(w2) > 1e-9:
            figure = figure.add(f"after {at} mistake{'s' * (at > 1)}", ends, -(w1 * ends + b) / w2)
    checks = [
        Check("converged", fit.converged, equals(True)),
        Check("θᵀθ* − kγ after k mistakes", nearer, at_least(-1e-9)),
        Check("‖θ‖² − kR² after k mistakes", longer, at_most(1e-9)),
    ]
    return Outcome(checks, figure=figure)


@claim("L05", "one hidden neuron divides the plane by parallel lines only, and never learns XOR")
def decision_regions(
    *, seeds: int = 20, steps: int = 3000, quick: bool = False, seed: int = 0
) -> Outcome:
    """Train 2-H-1 on XOR for H = 1, 2, 3, and map what the net of the least loss of each says.

    Parameters
    ----------
    seeds, steps : int
        Nets of each width, and steps of gradient descent with α = 1.
    quick, seed
        Half of the nets; seed of start weights.

    Returns
    -------
    Outcome
        Figure: the output over the plane for each width, with the boundary of ½, and the points.
    """
    seeds = seeds // 2 if quick else seeds
    X, y = data.xor()
    axis = np.linspace(-0.5, 1.5, 81)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    figure = Figure("what 1, 2, 3 hidden neurons say", "x₁", "x₂")
    for label in (0, 1):
        figure = figure.add(f"y = {label}", *X[y == label].T, style="points")
    checks = []
    for width in (1, 2, 3):
        models = [network([2, width, 1], nn.Tanh, rng) for rng in generators(seed, seeds)]
        z = train_binary(list(models), X, y, 1.0, steps)
        best = int(np.argmin(np.mean(np.logaddexp(0.0, z) - y * z, axis=1)))
        bound = at_most(0.75) if width == 1 else equals(1.0)
        checks.append(Check(f"best accuracy, {width} hidden", float(right(z, y).max()), bound))
        output = 1.0 / (1.0 + np.exp(-logits(models[best], grid)))
        figure = figure.add_surface(
            f"{width} hidden", axis, axis, output.reshape(81, 81), levels=(0.5,)
        )
    return Outcome(checks, figure=figure)


@claim("L09", "while a SAT net learns, violated clauses go down with its loss, to none")
def sat_path(
    *, n: int = 50, ratio: float = 3.0, seeds: int = 5, quick: bool = False, seed: int = 0
) -> Outcome:
    """Train SAT nets of planted formulas, and count the violated clauses on the way.

    Parameters
    ----------
    n, ratio
        Variables, and clauses per variable.
    seeds : int
        Formulas; each net has up to 10 starts.
    quick, seed
        No effect, as it is quick; seed of formulas and weights.

    Returns
    -------
    Outcome
        Figure: loss and violated clauses over steps, for the first formula.
    """
    figure = Figure("a SAT net learns", "step", "loss, clauses")
    lowest, together = [], []
    for k in range(seeds):
        cnf = logic.CNF.random_ksat(n, round(ratio * n), seed=1000 * seed + k, planted=True)
        best: NDArray[np.float64] = np.full((1, 2), np.inf)
        for start in range(10):
            net = logic.SATNet(cnf, rng=np.random.default_rng([seed, k, start]))
            step = training_step(optim.Adam(net.parameters(), lr=0.1), net)
            path = np.array([(step().item(), cnf.violated(net.assignment())) for _ in range(300)])
            if path[:, 1].min() < best[:, 1].min():
                best = path
            if best[:, 1].min() == 0:
                break
        lowest.append(best[:, 1].min())
        together.append(np.corrcoef(best[:, 0], best[:, 1])[0, 1])
        if k == 0:
            t = np.arange(1, 301)
            figure = figure.add("loss", t, best[:, 0]).add("violated clauses", t, best[:, 1])
    checks = [
        Check("fewest violated clauses", lowest, equals(0.0)),
        Check("correlation of loss and violated clauses", together, above(0.5)),
    ]
    return Outcome(checks, figure=figure)
