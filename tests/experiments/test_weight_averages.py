"""Averages of weights (L40): claims notice another noise, and averages that do not average."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import experiments, nn, optim
from tinygrad_lecture.optim.swa_utils import AveragedModel


def test_momentum_makes_noise_that_an_average_takes_away_less_well() -> None:
    def momentum(params: Any, lr: float) -> optim.SGD:
        return optim.SGD(params, lr=lr, momentum=0.9)

    assert not experiments.ema_noise(quick=True, optimizer=momentum).holds


def newest(model: nn.Module, avg_fn: Any) -> AveragedModel:
    return AveragedModel(model, lambda averaged, current, n: current)


def test_a_copy_of_the_weights_is_no_average() -> None:
    assert not experiments.ema_noise(quick=True, chains=400, average_of=newest).holds
    outcome = experiments.ema_stabilizes(steps=1500, quick=True, average_of=newest)
    assert [c.verdict for c in outcome.checks[:2]] == ["fails", "fails"]


def test_the_formula_of_the_variance_against_its_series() -> None:
    # avg = (1 − d) Σ dᵏ θ(t − k) with cov(θ(t), θ(t − k)) = ρᵏ.
    d, rho = 0.9, 0.7
    k = np.arange(400)
    weights = (1 - d) * d**k
    variance = weights @ rho ** np.abs(k[:, None] - k) @ weights
    assert variance == pytest.approx((1 - d) / (1 + d) * (1 + d * rho) / (1 - d * rho))
