"""Start weights (L47 to L50): the fixed point against its equation, claims against wrong scales."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import experiments
from tinygrad_lecture.nn import init


@pytest.mark.parametrize("gain", [1.2, 5 / 3, 3.0])
def test_the_fixed_point_solves_its_equation(gain: float) -> None:
    s = experiments.tanh_fixed_point(gain)
    z = np.random.default_rng(0).normal(size=1_000_000)
    assert np.sqrt(np.mean(np.tanh(gain * s * z) ** 2)) == pytest.approx(s, abs=2e-3)
    z, weight = np.polynomial.hermite_e.hermegauss(120)
    second_moment = np.sum(weight * np.tanh(gain * s * z) ** 2) / weight.sum()
    assert math.sqrt(second_moment) == pytest.approx(s, abs=3e-5)


def test_below_the_gain_1_the_fixed_point_is_0() -> None:
    assert experiments.tanh_fixed_point(0.9) < 1e-6


def test_the_slide_leaves_the_shrinking_of_tanh_out() -> None:
    # One layer of tanh on N(0, 1): E tanh² = 0.394, deviation 0.628 (L48).
    z, weight = np.polynomial.hermite_e.hermegauss(120)
    assert math.sqrt(np.sum(weight * np.tanh(z) ** 2) / weight.sum()) == pytest.approx(
        0.628, abs=5e-4
    )


def too_small(tensor: Any, a: float = 0.0, rng: Any = None) -> Any:
    return init.variance_scaling_(tensor, 0.95, tensor.shape[1], "normal", rng)


def test_claims_notice_a_wrong_scale() -> None:
    assert not experiments.variance_rule(start=too_small, quick=True).holds
    assert not experiments.gain_of_rectifiers(start=too_small, quick=True).holds


def test_a_shallow_net_keeps_weights_that_a_deep_one_loses() -> None:
    outcome = experiments.uniform_rule(depth=3, quick=True)
    assert outcome["deviation at the last layer, U(±1/√n)"].verdict == "fails"
    outcome = experiments.he_keeps_relu_alive(depth=2, width=32, quick=True)
    assert outcome["RMS at the last layer, N(0, 0.01²)"].verdict == "fails"
