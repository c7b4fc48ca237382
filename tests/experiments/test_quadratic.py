"""Descent on quadratics (L30 to L32): formulas against eigenvalues, claims against other rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture import experiments, optim
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.experiments import quadratic

kappas = st.floats(1.01, 1e5)


@given(kappas, st.floats(0.01, 100.0))
def test_optimal_settings_are_what_no_neighbour_beats(kappa: float, scale: float) -> None:
    lams = scale * np.array([1.0, kappa])
    for best in (quadratic.optimal_gd(lams), quadratic.optimal_momentum(lams)):
        radius = quadratic.spectral_radius(best.alpha, best.beta, lams)
        assert radius == pytest.approx(best.rate, abs=1e-6)  # double eigenvalues: √ε
        for factor in (0.98, 1.02):
            assert quadratic.spectral_radius(factor * best.alpha, best.beta, lams) > radius


@given(kappas)
def test_optimal_momentum_is_better_than_nesterov_and_that_than_descent(kappa: float) -> None:
    lams = [1.0, kappa]
    momentum, nesterov, gd = (
        quadratic.optimal_momentum(lams),
        quadratic.optimal_nesterov(lams),
        quadratic.optimal_gd(lams),
    )
    assert momentum.rate <= nesterov.rate + 1e-12
    assert momentum.rate <= gd.rate
    radius = quadratic.spectral_radius(nesterov.alpha, nesterov.beta, lams, nesterov=True)
    assert radius == pytest.approx(nesterov.rate, abs=1e-6)


def test_known_numbers() -> None:
    # κ = 9: √κ = 3, so (√κ−1)/(√κ+1) = 1/2; κ = 100: 99/101 and 1 − 1/10.
    assert quadratic.optimal_momentum([1.0, 9.0]) == (0.25, 0.25, 0.5)
    assert quadratic.optimal_gd([1.0, 99.0]) == (0.02, 0.0, 0.98)
    assert quadratic.optimal_nesterov([1.0, 100.0]).rate == pytest.approx(0.9)
    assert quadratic.critical_damping(0.25, 4.0) == 0.0
    # Without momentum the rate is max |1 − αλ|; the eigenvalues at β, αλ = 1: ±√−β... |·| = √β.
    assert quadratic.spectral_radius(0.3, 0.0, [1.0, 5.0]) == pytest.approx(0.7)
    assert quadratic.spectral_radius(1.0, 0.81, [1.0]) == pytest.approx(0.9)


@pytest.mark.parametrize("lams", [[], [0.0, 1.0], [-1.0], [math.inf], [math.nan]])
def test_curvatures_are_positive_and_finite(lams: list[float]) -> None:
    with pytest.raises(UsageError, match="lams must be positive and finite curvatures"):
        quadratic.optimal_gd(lams)


def test_counting_steps_gives_up() -> None:
    path = quadratic.steps_to(0.1, [1.0], optim.SGD, most=5, lr=2.0)  # |1 − α| = 1: for ever
    assert path.tolist() == [1.0] * 6


def slower(params: Any, lr: float, **settings: Any) -> optim.SGD:
    return optim.SGD(params, lr=0.5 * lr, **settings)


def without_momentum(params: Any, lr: float, **settings: Any) -> optim.SGD:
    return optim.SGD(params, lr=lr)


@pytest.mark.parametrize(
    "experiment",
    [experiments.momentum_beats_gd, experiments.momentum_stability, experiments.nesterov_rate],
)
def test_claims_notice_a_wrong_step_size(experiment: Any) -> None:
    assert not experiment(quick=True, optimizer=slower).holds


@pytest.mark.parametrize(
    "experiment",
    [
        experiments.momentum_beats_gd,
        experiments.momentum_stability,
        experiments.nesterov_rate,
        experiments.nesterov_lookahead,
        experiments.momentum_forms,
    ],
)
def test_claims_notice_that_momentum_is_missing(experiment: Any) -> None:
    assert not experiment(quick=True, optimizer=without_momentum).holds
