"""The perceptron: what a mistake teaches it, how many it makes, and when it never ends."""

from __future__ import annotations

import numpy as np

from .. import data, logic
from ..data.seeding import generator
from .figure import Figure
from .outcome import Check, Outcome, at_least, at_most, equals
from .registry import claim
from .training import generators

__all__ = ["perceptron_mistakes", "perceptron_on_xor", "perceptron_path"]


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


@claim("L17", "on separable data the perceptron stops after at most (R/γ)² mistakes")
def perceptron_mistakes(
    *,
    sets: int = 50,
    n: int = 100,
    features: int = 5,
    margin: float = 0.1,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Learn sets that a known hyperplane divides, and compare with Novikoff's bound for it.

    After a mistake with y = 1, θᵀx has grown by α‖x‖²; with y = 0 it has fallen by as much.

    Parameters
    ----------
    sets : int
        Sets of n points from N(0, I), in a space of random 2 to ``features`` dimensions.
    n, features, margin
        Points; dimensions; distance that points keep from the hyperplane.
    quick, seed
        Without effect, as it is quick; seed of points and hyperplanes.

    Returns
    -------
    Outcome
        Figure: mistakes over the bound.
    """
    mistakes, bounds, converged, growth = [], [], [], []
    for rng in generators(seed, sets):
        d = int(rng.integers(2, features + 1))
        teacher = logic.ThresholdNeuron(rng.normal(size=d), float(rng.normal()))
        X = rng.normal(size=(4 * n, d))
        distance = (X @ teacher.w + teacher.b) / np.linalg.norm(teacher.w)
        X = X[np.abs(distance) > margin][:n]
        y = teacher(X)
        fit = logic.Perceptron(d).fit(X, y, max_epochs=100_000)
        mistakes.append(fit.mistakes)
        bounds.append(logic.mistake_bound(X, y, teacher))
        converged.append(fit.converged)
        student = logic.Perceptron(d, lr=0.5)
        for x, label in zip(X, y.tolist(), strict=True):
            before = student.theta
            if student.update(x, label):
                x1 = np.append(x, 1.0)
                rise = (student.theta - before) @ x1 * (2 * label - 1)
                growth.append(abs(rise / (0.5 * x1 @ x1) - 1))
    ratios = np.array(mistakes) / bounds
    figure = Figure("mistakes of the perceptron", "(R/γ)²", "mistakes", (), "log", "log")
    return Outcome(
        [
            Check("converged", converged, equals(True)),
            Check("mistakes over (R/γ)²", ratios, at_most(1.0), "≤ 0.23"),
            Check("growth of ±θᵀx by a mistake over α‖x‖², minus 1", growth, at_most(1e-9)),
        ],
        figure=figure.add("sets", bounds, mistakes, style="points"),
    )


@claim("L17", "where no hyperplane divides the data, the perceptron makes mistakes for ever")
def perceptron_on_xor(*, epochs: int = 1000, quick: bool = False, seed: int = 0) -> Outcome:
    """Go through the four points of XOR again and again.

    Parameters
    ----------
    epochs : int
        Passes.
    quick, seed
        Without effect: it is quick, and nothing is drawn.

    Returns
    -------
    Outcome
        Figure: length of θ after each mistake, which stays bounded: the perceptron cycles.
    """
    X, y = data.xor()
    perceptron = logic.Perceptron(2)
    mistakes, accuracies = [], []
    lengths: list[float] = []
    for _ in range(epochs):
        fit = perceptron.fit(X, y, max_epochs=1)
        mistakes.append(fit.mistakes)
        accuracies.append(np.mean(perceptron(X) == y))
        lengths += np.linalg.norm(fit.trace[1:], axis=1).tolist()
    figure = Figure("the perceptron on XOR", "mistake", "‖θ‖")
    return Outcome(
        [
            Check("mistakes in a pass", mistakes, at_least(1)),
            Check("accuracy after a pass", accuracies, at_most(0.75)),
            Check("largest ‖θ‖", max(lengths), at_most(10.0)),
        ],
        figure=figure.add("θ", np.arange(len(lengths[:100])), lengths[:100]),
    )
