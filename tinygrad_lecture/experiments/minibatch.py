"""A few samples at a time: how noisy the gradient is, and what the many updates are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..data.seeding import generator
from ..engine import grad, mean, square, sum
from .figure import Figure
from .outcome import Check, Outcome, at_most, below, near
from .registry import claim
from .training import MakeOptimizer, batches, generators, training_step

__all__ = ["lms", "lms_finds_least_squares", "minibatch_gradients", "sgd_beats_gd_per_pass"]


def _regression(
    n: int, features: int, noise: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw x ~ N(0, I) and y = θ*ᵀx + N(0, noise²), with θ* ~ N(0, I)."""
    X = rng.normal(size=(n, features))
    return X, X @ rng.normal(size=features) + rng.normal(0.0, noise, n)


@claim("L18", "the mini-batch gradient is right on average, and its variance falls like 1/B")
def minibatch_gradients(
    *,
    sizes: Sequence[int] = (1, 4, 16, 64),
    draws: int = 2000,
    n: int = 200,
    features: int = 5,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Draw mini-batches with replacement for a linear regression, and take all their gradients.

    Parameters
    ----------
    sizes : sequence of int
        Batch sizes B.
    draws : int
        Mini-batches of each size; each has its own copy of θ, all in one array.
    n, features : int
        Samples and parameters.
    quick, seed
        Without effect, as it is quick; seed of data, θ and draws.

    Returns
    -------
    Outcome
        Figure: variance, summed over the parameters, over B.
    """
    rng = generator(seed)
    X, y = _regression(n, features, 1.0, rng)
    theta = rng.normal(size=features)
    full = grad(lambda t: 0.5 * mean(square(X @ t - y)))(theta)
    each = (X @ theta - y)[:, None] * X
    per_sample = float(np.sum(np.var(each, axis=0)))
    variances, biases = [], []
    for size in sizes:
        rows = rng.integers(n, size=(draws, size))
        x, target = X[rows], y[rows]
        copies = np.tile(theta, (draws, 1, 1))
        g = grad(lambda t: 0.5 / size * sum(square(sum(x * t, axis=2) - target)))(copies)[:, 0]  # noqa: B023 - called at once
        variances.append(float(np.sum(np.var(g, axis=0))))
        errors = np.std(g, axis=0) / np.sqrt(draws)
        biases += ((g.mean(axis=0) - full) / errors).tolist()
    figure = Figure("mini-batches", "B", "variance of the gradient", x_scale="log", y_scale="log")
    figure = figure.add("measured", sizes, variances, style="points")
    return Outcome(
        [
            Check("mean minus the full gradient, in standard errors", np.abs(biases), below(4.0)),
            *(
                Check(
                    f"variance · B over that of one sample, B = {size}",
                    v * size / per_sample, near(1.0, rel=0.15),
                )
                for size, v in zip(sizes, variances, strict=True)
            ),
        ],
        figure=figure.add("that of one sample, over B", sizes, per_sample / np.array(sizes)),
    )  # fmt: skip


@claim(
    "L18", "one pass of SGD over the data gains more than the one step of GD that costs the same"
)
def sgd_beats_gd_per_pass(
    *,
    seeds: int = 20,
    n: int = 1000,
    features: int = 10,
    noise: float = 0.1,
    alpha: float = 0.02,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Linear regression from θ = 0: n steps, one sample each, against a step at α = 1/λ_max.

    Parameters
    ----------
    seeds : int
        Problems, each with its own data.
    n, features, noise
        Samples, their features, and the deviation of the noise in y.
    alpha : float
        Step size of SGD.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Five problems; seed of data and order.

    Returns
    -------
    Outcome
        Figure: loss over the samples seen.
    """
    ratios = []
    curves: list[NDArray[np.float64]] = []
    for rng in generators(seed, 5 if quick else seeds):
        X, y = _regression(n, features, noise, rng)

        def risk(theta: Any, X: Any = X, y: Any = y) -> float:
            return float(np.mean(np.square(X @ theta - y)) / 2)

        theta = nn.Parameter(np.zeros(features))
        fastest = 1 / np.linalg.eigvalsh(X.T @ X / n).max()
        training_step(
            optimizer([theta], lr=fastest),
            lambda theta=theta, X=X, y=y: 0.5 * mean(square(X @ theta - y)),
        )()
        after_gd = risk(theta.data)
        theta = nn.Parameter(np.zeros(features))
        step = training_step(
            optimizer([theta], lr=alpha),
            lambda x, y, theta=theta: 0.5 * mean(square(x @ theta - y)),
        )
        losses = []
        for x, target in batches(X, y, 1, n, rng):
            step(x, target)
            losses.append(risk(theta.data))
        ratios.append(losses[-1] / after_gd)
        curves.append(np.array(losses))
    figure = Figure("one pass of SGD", "samples", "loss", y_scale="log")
    return Outcome(
        [
            Check("loss after the pass over that of GD, median", np.median(ratios), at_most(0.1)),
            Check("the same, all problems", ratios, below(1.0), "1/60 to 1/23"),
        ],
        notes=("in one problem of ten the ratio is above 1/10: there one step of GD does most",),
        figure=figure.add("SGD, first problem", np.arange(1, n + 1), curves[0]),
    )  # fmt: skip


def lms(
    X: NDArray[Any],
    y: NDArray[Any],
    lr: float | Callable[[int], float],
    steps: int,
    *,
    theta: NDArray[Any] | None = None,
) -> NDArray[np.float64]:
    """SGD for linear regression without any engine: θ ← θ − α (o − y) x, o = θᵀx (L19).

    Widrow and Hoff's rule; ∂/∂θ ½(θᵀx − y)² = (o − y) x.  It looks like the perceptron's, but o is
    a real number, and correctly classified samples move θ too.

    Parameters
    ----------
    X, y : ndarray, shapes (n, d) and (n,)
        Samples, which are taken in turn, again and again.
    lr : float or callable
        α, or ``lr(i)`` for step i = 0, 1, ...
    steps : int
        Updates.
    theta : ndarray, shape (d,), optional
        Start; 0 by default.

    Returns
    -------
    ndarray of float64, shape (d,)

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> X, y = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([1.0, 2.0])
    >>> tg.experiments.lms(X, y, lr=0.1, steps=2)
    array([0.1, 0.4])
    """
    alpha = lr if callable(lr) else lambda _: lr
    t = np.zeros(X.shape[1]) if theta is None else np.array(theta, dtype=float)
    for i in range(steps):
        x, target = X[i % len(X)], y[i % len(X)]
        t = t - alpha(i) * (x @ t - target) * x
    return t


@claim("L19", "SGD with θ ← θ − α(o − y)x and α = 1/(i + 10) finds the least squares solution")
def lms_finds_least_squares(
    *,
    seeds: int = 10,
    n: int = 5000,
    features: int = 5,
    passes: int = 4,
    noise: float = 0.1,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Take the steps by the engine and by the formula, and compare with `numpy.linalg.lstsq`.

    Parameters
    ----------
    seeds : int
        Problems, each with its own data.
    n, features, noise
        Samples, their features, and the deviation of the noise in y.
    passes : int
        Passes over the samples.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Two problems and one pass; seed of the data.

    Returns
    -------
    Outcome
        Figure: distance to the least squares solution over steps, mean and range.
    """
    seeds, passes = (2, 1) if quick else (seeds, passes)
    problems = [_regression(n, features, noise, rng) for rng in generators(seed, seeds)]
    X, y = map(np.stack, zip(*problems, strict=True))
    theta = nn.Parameter(np.zeros((len(X), features)))  # one row a problem
    rule = optimizer([theta], lr=1.0)
    step = training_step(rule, lambda x, y: 0.5 * sum(square(sum(theta * x, axis=1) - y)))
    best = np.stack([np.linalg.lstsq(*problem)[0] for problem in problems])
    path = []
    for i in range(passes * n):
        rule.param_groups[0]["lr"] = 1 / (i + 10)
        step(X[:, i % n], y[:, i % n])
        path.append(np.linalg.norm(theta.data - best, axis=1) / np.linalg.norm(best, axis=1))
    formula = [lms(*problem, lambda i: 1 / (i + 10), passes * n) for problem in problems]
    at = np.unique(np.geomspace(1, len(path), 200).astype(int))
    distances = np.array(path)[at - 1]
    figure = Figure("SGD for linear regression", "step", "distance", x_scale="log", y_scale="log")
    figure = figure.add(
        "α = 1/(i + 10)",
        at,
        distances.mean(axis=1),
        low=distances.min(axis=1),
        high=distances.max(axis=1),
    )
    return Outcome(
        [
            Check("distance over the norm of the solution", path[-1], below(0.01), "≤ 0.001"),
            Check("engine minus formula", np.abs(theta.data - formula), at_most(1e-12)),
        ],
        figure=figure,
    )
