"""What moves while single neurons, XOR nets and SAT nets learn (L05, L09, L17)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .. import data, logic, nn, optim
from ..data.seeding import generator
from ..nn import functional as F
from .depth import binary_losses, right, train_binary
from .figure import Figure
from .outcome import Check, Outcome, above, at_least, at_most, below, equals
from .registry import claim
from .stack import Stack
from .training import generators, logits, network, training_step

__all__ = ["decision_regions", "perceptron_path", "sat_path", "xor_stuck"]


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
            figure = figure.add(f"after {at} mistakes", ends, -(w1 * ends + b) / w2)
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
    """Train 2-H-1 on XOR for H = 1, 2, 3, and map where the best net of each says 1.

    Parameters
    ----------
    seeds, steps : int
        Nets of each width, and steps of gradient descent with α = 1.
    quick, seed
        Half of the nets; seed of start weights.

    Returns
    -------
    Outcome
        Figure: points of a grid where the output is at least ½.
    """
    seeds = seeds // 2 if quick else seeds
    X, y = data.xor()
    axis = np.linspace(-0.5, 1.5, 41)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    figure = Figure("where the output is ≥ ½", "x₁", "x₂")
    checks = []
    for width in (1, 2, 3):
        models = [network([2, width, 1], nn.Tanh, rng) for rng in generators(seed, seeds)]
        z = train_binary(list(models), X, y, 1.0, steps)
        best = int(np.argmax(right(z, y)))
        bound = at_most(0.75) if width == 1 else equals(1.0)
        checks.append(Check(f"best accuracy, {width} hidden", float(right(z, y).max()), bound))
        inside = grid[logits(models[best], grid)[:, 0] >= 0]
        if len(inside):
            figure = figure.add(f"{width} hidden", *inside.T, style="points")
    return Outcome(checks, figure=figure)


@claim("L05", "2-2-1 nets on XOR get stuck at ½ ln 2: flat there, with a hill before the solution")
def xor_stuck(*, seeds: int = 40, steps: int = 6000, quick: bool = False, seed: int = 0) -> Outcome:
    """Look at the loss around nets that are stuck, and from one of them to one that learned XOR.

    Parameters
    ----------
    seeds, steps : int
        Nets, and steps of gradient descent with α = 1.
    quick, seed
        Half of the nets; seed of start weights.

    Returns
    -------
    Outcome
        Figure: loss on the line.
    """
    seeds = seeds // 2 if quick else seeds
    X, y = data.xor()
    models = [network([2, 2, 1], nn.Tanh, rng) for rng in generators(seed, seeds)]
    z = train_binary(models, X, y, 1.0, steps)
    learned = right(z, y) == 1.0
    losses = np.mean(np.logaddexp(0.0, z) - y * z, axis=1)
    stuck, solved = (models[int(np.flatnonzero(chosen)[0])] for chosen in (~learned, learned))
    s = np.linspace(0.0, 1.0, 101)
    between = [network([2, 2, 1], nn.Tanh, np.random.default_rng(0)) for _ in s]
    for model, t in zip(between, s, strict=True):
        ends = zip(stuck.parameters(), solved.parameters(), strict=True)
        for p, (a, b) in zip(model.parameters(), ends, strict=True):
            p.data = (1.0 - t) * a.data + t * b.data
    stack = Stack(between)
    path = np.asarray(
        binary_losses(
            stack(np.broadcast_to(X, (len(s), *X.shape)).copy()),
            np.broadcast_to(y.astype(float), (len(s), 4)).copy(),
        ).data
    )
    slopes = []
    for k in np.flatnonzero(~learned).tolist():
        models[k].zero_grad()
        F.binary_cross_entropy_with_logits(models[k](X)[:, 0], y.astype(float)).backward()
        slopes.append(math.sqrt(sum(float(np.sum(p.grad**2)) for p in models[k].parameters())))
    checks = [
        Check("loss of the stuck nets", losses[~learned], above(0.3), 0.347),
        Check("length of the gradient there", slopes, below(1e-3)),
        Check("loss of the others", losses[learned], below(0.02)),
        Check("highest loss on the line − loss of the stuck net", float(path.max() - path[0]),
              above(0.0)),
    ]  # fmt: skip
    figure = Figure("from a stuck net to one that learned", "way", "loss")
    return Outcome(checks, figure=figure.add("loss", s, path))


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
