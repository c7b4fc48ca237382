"""Descent on quadratics: optimal settings, exact rates, and how many steps they mean.

On f(w) = ½ Σ λᵢ wᵢ² every coordinate goes its own way, and each rule below multiplies the state of
a coordinate by a fixed matrix: the largest modulus of the eigenvalues, over all λᵢ, is the rate at
which the distance shrinks per step (Polyak 1964; Goh 2017, distill.pub/2017/momentum).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import nn, optim
from ..engine import square, sum
from ..errors import UsageError
from .figure import Figure
from .outcome import Check, Outcome, above, at_most, below, near
from .registry import claim
from .training import MakeOptimizer, training_step

__all__ = [
    "Settings",
    "critical_damping",
    "momentum_beats_gd",
    "momentum_stability",
    "nesterov_rate",
    "optimal_gd",
    "optimal_momentum",
    "optimal_nesterov",
    "spectral_radius",
    "steps_to",
]


class Settings(NamedTuple):
    """Step size α, momentum β, and the rate that they give."""

    alpha: float
    beta: float
    rate: float


def _extremes(lams: ArrayLike) -> tuple[float, float]:
    values = np.asarray(lams, float)
    if not (values.size and np.all(values > 0) and np.all(np.isfinite(values))):
        raise UsageError(f"lams must be positive and finite curvatures, at least one; got {lams!r}")
    return float(values.min()), float(values.max())


def optimal_gd(lams: ArrayLike) -> Settings:
    """Best step size of gradient descent: α = 2/(λ₁ + λₙ), rate (κ − 1)/(κ + 1) (L31).

    Parameters
    ----------
    lams : array_like of float
        Curvatures λ > 0; only the smallest and the largest matter, κ = λₙ/λ₁.

    Raises
    ------
    UsageError
        If there are none, or one is not positive and finite.

    Examples
    --------
    >>> from tinygrad_lecture.experiments import quadratic
    >>> quadratic.optimal_gd([1.0, 3.0])
    Settings(alpha=0.5, beta=0.0, rate=0.5)
    """
    low, high = _extremes(lams)
    return Settings(2.0 / (low + high), 0.0, (high - low) / (high + low))


def optimal_momentum(lams: ArrayLike) -> Settings:
    """Best settings of momentum, z ← βz + ∇f, w ← w − αz (L31).

    α = (2/(√λ₁ + √λₙ))², β = ((√λₙ − √λ₁)/(√λₙ + √λ₁))², rate √β = (√κ − 1)/(√κ + 1).

    Examples
    --------
    >>> from tinygrad_lecture.experiments import quadratic
    >>> quadratic.optimal_momentum([1.0, 9.0])
    Settings(alpha=0.25, beta=0.25, rate=0.5)
    """
    low, high = map(math.sqrt, _extremes(lams))
    rate = (high - low) / (high + low)
    return Settings((2.0 / (low + high)) ** 2, rate**2, rate)


def optimal_nesterov(lams: ArrayLike) -> Settings:
    """Settings of Nesterov's theory: α = 1/λₙ, β = (√κ − 1)/(√κ + 1), rate 1 − 1/√κ (L32).

    Examples
    --------
    >>> from tinygrad_lecture.experiments import quadratic
    >>> alpha, beta, rate = quadratic.optimal_nesterov([1.0, 100.0])
    >>> alpha, round(beta, 4), rate
    (0.01, 0.8182, 0.9)
    """
    low, high = _extremes(lams)
    root = math.sqrt(high / low)
    return Settings(1.0 / high, (root - 1.0) / (root + 1.0), 1.0 - 1.0 / root)


def critical_damping(alpha: float, lam: float) -> float:
    """Smallest β at which a coordinate does not only decay but swings: (1 − √(αλ))² (L31).

    There the two eigenvalues meet, and the coordinate shrinks fastest, by √β a step.

    Examples
    --------
    >>> from tinygrad_lecture.experiments import quadratic
    >>> quadratic.critical_damping(0.25, 1.0)
    0.25
    """
    return (1.0 - math.sqrt(alpha * lam)) ** 2


def spectral_radius(alpha: float, beta: float, lams: ArrayLike, *, nesterov: bool = False) -> float:
    """Rate of momentum on a quadratic: < 1 means that it converges (L31, L32).

    Parameters
    ----------
    alpha, beta : float
        Step size and momentum; β = 0 is gradient descent.
    lams : array_like of float
        Curvatures.
    nesterov : bool
        Take the gradient at the look-ahead point.

    Returns
    -------
    float
        Largest modulus of the eigenvalues, over all λ, of [[β, λ], [−αβ, 1 − αλ]], which takes
        (z, w) to the next step; for Nesterov's rule of [[(1 + β)(1 − αλ), −β(1 − αλ)], [1, 0]],
        which takes two successive points to the next two.

    Examples
    --------
    >>> from tinygrad_lecture.experiments import quadratic
    >>> round(quadratic.spectral_radius(0.25, 0.25, [1.0, 9.0]), 6)
    0.5
    >>> round(quadratic.spectral_radius(0.7, 0.0, [1.0, 3.0]), 6)  # GD diverges: 0.7 > 2/3
    1.1
    """
    _extremes(lams)
    lam = np.asarray(lams, float).ravel()
    one = np.ones_like(lam)
    if nesterov:
        shrink = 1.0 - alpha * lam
        rows = [[(1.0 + beta) * shrink, -beta * shrink], [one, 0.0 * one]]
    else:
        rows = [[beta * one, lam], [-alpha * beta * one, 1.0 - alpha * lam]]
    matrices = np.moveaxis(np.array(rows), -1, 0)
    return float(np.abs(np.linalg.eigvals(matrices)).max())


def steps_to(
    tolerance: float,
    lams: ArrayLike,
    optimizer: MakeOptimizer,
    *,
    most: int = 200_000,
    **settings: Any,
) -> NDArray[np.float64]:
    """Distances ‖wₜ‖/‖w₀‖ on f = ½ Σ λᵢ wᵢ² from w₀ = 1, until one is below a tolerance.

    Parameters
    ----------
    tolerance : float
    lams : array_like of float, shape (n,)
    optimizer : callable
        ``optimizer(params, **settings)``.
    most : int
        Steps after which to give up.
    **settings
        For the optimizer.

    Returns
    -------
    ndarray of float64
        After 0, 1, 2, ... steps; it has one number more than there were steps.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.experiments import quadratic
    >>> quadratic.steps_to(0.2, [1.0, 1.0], tg.optim.SGD, lr=0.5)
    array([1.   , 0.5  , 0.25 , 0.125])
    """
    lam = np.asarray(lams, float)
    w = nn.Parameter(np.ones(lam.shape))
    step = training_step(optimizer([w], **settings), lambda: 0.5 * sum(lam * square(w)))
    scale = 1.0 / math.sqrt(lam.size)
    distances = [1.0]
    with np.errstate(over="ignore"):  # a rule that diverges ends with inf
        while tolerance <= distances[-1] < math.inf and len(distances) <= most:
            step()
            distances.append(scale * float(np.linalg.norm(w.data)))
    return np.array(distances)


@claim("L31", "momentum needs about √κ steps where gradient descent needs κ")
def momentum_beats_gd(
    *,
    kappas: Sequence[float] = (100.0, 1e4),
    n: int = 20,
    tolerance: float = 1e-6,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Count the steps of both rules, at their best settings, on quadratics of n log-spaced λ.

    From w₀ = 1 two coordinates of n shrink at the optimal rate ρ of gradient descent, so that it
    needs ln(τ√(n/2))/ln ρ steps to the tolerance τ: 634 for κ = 100, 63 322 for κ = 10⁴.

    Parameters
    ----------
    kappas : sequence of float
        Condition numbers λₙ/λ₁ > 1.
    n : int
        Coordinates.
    tolerance : float
        Of ‖w‖/‖w₀‖.
    optimizer : callable
        ``optimizer(params, lr=α, momentum=β)``.
    quick, seed
        The first condition number alone; nothing is drawn.

    Returns
    -------
    Outcome
        Figure: distance over steps.
    """
    known = {100.0: (634, 87), 1e4: (63_322, 996)}
    checks = []
    figure = Figure("quadratic", "step", "‖w‖ / ‖w₀‖", x_scale="log", y_scale="log")
    for kappa in kappas[:1] if quick else kappas:
        lams = np.geomspace(1.0, kappa, n)
        gd, momentum = optimal_gd(lams), optimal_momentum(lams)
        expected = known.get(kappa, (None, None))
        counts = []
        for label, best, reference in (
            ("gradient descent", gd, expected[0]),
            ("momentum", momentum, expected[1]),
        ):
            path = steps_to(tolerance, lams, optimizer, lr=best.alpha, momentum=best.beta)
            counts.append(len(path) - 1)
            at = np.unique(np.geomspace(1, len(path) - 1, 200).astype(int))
            figure = figure.add(f"{label}, κ = {kappa:g}", at, path[at])
            bound = None if reference is None else near(reference, rel=0.1)
            checks.append(Check(f"steps of {label}, κ = {kappa:g}", counts[-1], bound, reference))
        theory = math.log(tolerance * math.sqrt(n / 2)) / math.log(gd.rate)
        checks += [
            Check(
                f"steps of gradient descent over theory, κ = {kappa:g}",
                counts[0] / theory, near(1.0, rel=0.02),
            ),
            Check(
                f"steps saved by momentum, over √κ, κ = {kappa:g}",
                counts[0] / counts[1] / math.sqrt(kappa), above(0.5),
            ),
        ]  # fmt: skip
    return Outcome(checks, figure=figure)


@claim("L31", "momentum converges if and only if 0 < αλ < 2 + 2β; its best rate is √β")
def momentum_stability(
    *,
    kappa: float = 100.0,
    betas: Sequence[float] = (0.0, 0.5, 0.9, 0.99),
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Hold the formulas against eigenvalues, and the limit against runs at 0.1 % beside it.

    Parameters
    ----------
    kappa : float
        Condition number for the rate.
    betas : sequence of float
        Momenta in [0, 1) for the limit.
    optimizer : callable
        ``optimizer(params, lr=α, momentum=β)``.
    quick, seed
        A tenth of the steps; nothing is drawn.

    Returns
    -------
    Outcome
        Figure: rate over αλ, for each β.
    """
    best = optimal_momentum([1.0, kappa])
    critical = [
        abs(spectral_radius(a, critical_damping(a, 1.0), [1.0]) - abs(1.0 - math.sqrt(a)))
        for a in np.linspace(0.05, 3.5, 24)
    ]
    limits = [2.0 + 2.0 * b for b in betas]
    inside = [spectral_radius(0.999 * x, b, [1.0]) for x, b in zip(limits, betas, strict=True)]
    outside = [spectral_radius(1.001 * x, b, [1.0]) for x, b in zip(limits, betas, strict=True)]
    steps = 4_000 if quick else 40_000
    ends: dict[float, list[float]] = {0.999: [], 1.001: []}
    for factor, found in ends.items():
        for limit, beta in zip(limits, betas, strict=True):
            w = nn.Parameter(1.0)
            step = training_step(
                optimizer([w], lr=factor * limit, momentum=beta), lambda w=w: 0.5 * square(w)
            )
            taken, high = 0, 1.0
            while taken < steps and 1e-9 < high < 1e9:
                high = 0.0
                for _ in range(100):  # it swings: what counts is how far
                    step()
                    high = max(high, abs(w.data))
                taken += 100
            found.append(high)
    figure = Figure("rate of momentum", "α λ", "spectral radius")
    for beta, limit in zip(betas, limits, strict=True):
        x = np.linspace(0.001, 1.02 * limit, 200)
        figure = figure.add(f"β = {beta:g}", x, [spectral_radius(a, beta, [1.0]) for a in x])
    return Outcome(
        [
            Check(
                f"rate at the best settings − √β, κ = {kappa:g}",
                abs(spectral_radius(best.alpha, best.beta, [1.0, kappa]) - math.sqrt(best.beta)),
                at_most(1e-6),
            ),
            Check("rate at critical damping − √β", critical, at_most(1e-6)),
            Check("rate at αλ = 0.999 (2 + 2β)", inside, below(1.0)),
            Check("rate at αλ = 1.001 (2 + 2β)", outside, above(1.0)),
            Check("|w| in a run at 0.999 (2 + 2β)", ends[0.999], below(1.0)),
            Check("|w| in a run at 1.001 (2 + 2β)", ends[1.001], above(1.0)),
        ],
        figure=figure,
    )


@claim("L32", "Nesterov's rule shrinks by 1 − 1/√κ a step in the full batch")
def nesterov_rate(
    *,
    kappa: float = 100.0,
    n: int = 20,
    steps: int = 400,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Measure the rate of SGD with ``nesterov=True`` on a quadratic, beside its eigenvalues.

    Parameters
    ----------
    kappa : float
        Condition number.
    n : int
        Coordinates, with log-spaced λ.
    steps : int
        The rate is measured over the second half of them.
    optimizer : callable
        ``optimizer(params, lr=α, momentum=β, nesterov=True)``.
    quick, seed
        Half of the steps; nothing is drawn.

    Returns
    -------
    Outcome
        Figure: distance over steps, beside the theory.
    """
    steps = steps // 2 if quick else steps
    lams = np.geomspace(1.0, kappa, n)
    best = optimal_nesterov(lams)
    path = steps_to(
        0.0, lams, optimizer, most=steps, lr=best.alpha, momentum=best.beta, nesterov=True
    )
    half = steps // 2
    rate = float((path[steps] / path[half]) ** (1.0 / (steps - half)))
    radius = spectral_radius(best.alpha, best.beta, lams, nesterov=True)
    # Two equal eigenvalues: the distance is (a + bt)ρᵗ, and the factor (a + bt) is in the rate too.
    growth = (steps / half) ** (1.0 / (steps - half))
    figure = Figure("Nesterov's rule", "step", "‖w‖ / ‖w₀‖", y_scale="log")
    figure = figure.add("measured", np.arange(steps + 1), path)
    return Outcome(
        [
            Check("spectral radius − (1 − 1/√κ)", abs(radius - best.rate), at_most(1e-6)),
            Check(
                "measured rate over (1 − 1/√κ)", rate / (best.rate * growth), near(1.0, rel=2e-3)
            ),
        ],
        figure=figure.add("(1 − 1/√κ)ᵗ", np.arange(steps + 1), best.rate ** np.arange(steps + 1)),
    )
