"""Initializers: bounds, deviations, fans, generators, and how deep nets keep their scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.nn import init

OUT, IN = 300, 200
CASES: list[tuple[str, Any, float, bool]] = [
    ("lecun_uniform_", {}, np.sqrt(1 / IN), True),
    ("lecun_normal_", {}, np.sqrt(1 / IN), False),
    ("xavier_uniform_", {}, np.sqrt(2 / (IN + OUT)), True),
    ("xavier_normal_", {}, np.sqrt(2 / (IN + OUT)), False),
    ("xavier_uniform_", {"gain": 4.0}, 4 * np.sqrt(2 / (IN + OUT)), True),
    ("kaiming_uniform_", {}, np.sqrt(2 / IN), True),
    ("kaiming_normal_", {}, np.sqrt(2 / IN), False),
    ("kaiming_normal_", {"mode": "fan_out"}, np.sqrt(2 / OUT), False),
    ("kaiming_uniform_", {"a": 0.5}, np.sqrt(2 / 1.25 / IN), True),
    ("kaiming_uniform_", {"nonlinearity": "tanh"}, 5 / 3 / np.sqrt(IN), True),
    ("kaiming_normal_", {"nonlinearity": "relu"}, np.sqrt(2 / IN), False),
]


@pytest.mark.parametrize(("name", "options", "std", "uniform"), CASES)
def test_standard_deviation_mean_and_bound(
    name: str, options: dict[str, Any], std: float, uniform: bool
) -> None:
    weight = nn.Parameter(np.zeros((OUT, IN)))
    assert getattr(init, name)(weight, **options, rng=0) is weight
    draws = weight.data
    assert draws.std() == pytest.approx(std, rel=0.01)
    assert abs(draws.mean()) < 4 * std / np.sqrt(draws.size)
    if uniform:
        bound = np.sqrt(3) * std
        assert 0.999 * bound < np.abs(draws).max() <= bound
    else:
        assert np.abs(draws).max() > 3.5 * std
        assert np.mean(np.abs(draws) < std) == pytest.approx(0.6827, abs=0.01)


def test_the_bounds_are_those_of_the_papers() -> None:
    shape = (30, 50)
    glorot = init.xavier_uniform_(np.empty(shape), rng=0)
    he = init.kaiming_uniform_(np.empty(shape), rng=0)
    lecun = init.lecun_uniform_(np.empty(shape), rng=0)
    # The same draws, scaled: so the ratio to the bound is the same for all three.
    np.testing.assert_allclose(glorot / np.sqrt(6 / 80), he / np.sqrt(6 / 50), atol=1e-14)
    np.testing.assert_allclose(lecun / np.sqrt(3 / 50), he / np.sqrt(6 / 50), atol=1e-14)


def test_fans_count_the_receptive_field() -> None:
    assert init.calculate_fan_in_and_fan_out(np.empty((8, 3, 5, 5))) == (75, 200)
    assert init.calculate_fan_in_and_fan_out(nn.Parameter(np.empty((2, 3)))) == (3, 2)
    with pytest.raises(ValueError, match=r"shape \(out, in, ...\), got \(3,\)"):
        init.calculate_fan_in_and_fan_out(np.empty(3))


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [
        ("linear", None, 1.0),
        ("sigmoid", None, 1.0),
        ("tanh", None, 5 / 3),
        ("relu", None, np.sqrt(2)),
        ("leaky_relu", None, np.sqrt(2 / 1.0001)),
        ("leaky_relu", 0.2, np.sqrt(2 / 1.04)),
        ("selu", None, 0.75),
    ],
)
def test_gains(name: str, param: float | None, gain: float) -> None:
    assert init.calculate_gain(name, param) == pytest.approx(gain, rel=1e-15)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"one of linear, .*, leaky_relu; got 'gelu'"):
        init.calculate_gain("gelu")
    with pytest.raises(ValueError, match='mode is "fan_in" or "fan_out", got \'fan\''):
        init.kaiming_normal_(np.empty((2, 2)), mode="fan")
    with pytest.raises(ValueError, match="got 'cauchy'"):
        init.variance_scaling_(np.empty((2, 2)), 1.0, 2, "cauchy")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fan must be positive, got 0"):
        init.variance_scaling_(np.empty((2, 0)), 1.0, 0, "normal")


def test_plain_fills() -> None:
    w = np.empty((2, 3))
    assert (init.zeros_(w) == 0).all()
    assert (init.ones_(w) == 1).all()
    assert (init.constant_(w, 2.5) == 2.5).all()
    draws = init.uniform_(np.empty(10_000), -1.0, 3.0, rng=0)
    assert draws.min() >= -1
    assert draws.max() <= 3
    assert draws.std() == pytest.approx(4 / np.sqrt(12), rel=0.02)
    assert init.normal_(np.empty(10_000), 5.0, 0.1, rng=0).mean() == pytest.approx(5.0, abs=0.01)


def test_scalars_and_float32_keep_their_kind() -> None:
    scalar = tg.Value(0.0)
    assert isinstance(init.uniform_(scalar, 1.0, 2.0, rng=0).data, float)
    assert 1.0 <= scalar.data <= 2.0
    single = nn.Parameter(np.zeros((3, 3), np.float32))
    assert init.kaiming_normal_(single, rng=0).dtype == np.float32


def test_a_generator_goes_on_and_a_seed_repeats() -> None:
    rng = np.random.default_rng(3)
    a, b = (init.kaiming_normal_(np.empty((4, 4)), rng=rng) for _ in range(2))
    assert (a != b).all()
    np.testing.assert_array_equal(a, init.kaiming_normal_(np.empty((4, 4)), rng=3))
    assert (init.lecun_normal_(np.empty((4, 4))) != init.lecun_normal_(np.empty((4, 4)))).all()


@pytest.mark.parametrize("n", [10, 100, 1000])
def test_the_sum_of_products_has_deviation_sqrt_n_times_delta(n: int) -> None:
    # L47, with δ = 1/√n: the sum keeps the scale of its inputs.
    rng = np.random.default_rng(n)
    w = init.lecun_normal_(np.empty((10_000, n)), rng=rng)
    x = rng.normal(size=n)
    x /= np.sqrt(np.mean(x**2))
    assert (w @ x).std() == pytest.approx(1.0, rel=0.03)
    np.testing.assert_allclose((w @ (10 * x)).std(), 10 * (w @ x).std(), rtol=1e-12)


def depth_scales(initializer: Any, layers: int, activation: Any, seed: int) -> list[float]:
    """RMS of the activations, layer by layer, width 256."""
    rng = np.random.default_rng(seed)
    h, scales = rng.normal(size=(64, 256)), []
    for _ in range(layers):
        h = activation(h @ initializer(np.empty((256, 256)), rng=rng).T)
        scales.append(float(np.sqrt(np.mean(h**2))))
    return scales


def test_he_keeps_the_scale_of_a_deep_relu_net_and_small_weights_lose_it() -> None:
    # L50: 50 ReLU layers of width 256.
    he = depth_scales(init.kaiming_normal_, 50, lambda z: np.maximum(z, 0), seed=0)
    assert 0.1 < min(he) <= max(he) < 10
    assert depth_scales(init.lecun_normal_, 50, lambda z: np.maximum(z, 0), seed=0)[-1] < 1e-6
    tiny = depth_scales(
        lambda w, rng: init.normal_(w, 0, 0.01, rng), 50, lambda z: np.maximum(z, 0), seed=0
    )
    assert tiny[-1] < 1e-30


def test_glorot_against_pytorchs_default_in_a_tanh_net() -> None:
    # L49: ratio of activations, last to first of 10 layers: .36 against .0065.
    glorot = depth_scales(init.xavier_uniform_, 10, np.tanh, seed=1)
    default = depth_scales(
        lambda w, rng: init.uniform_(w, -1 / 16, 1 / 16, rng), 10, np.tanh, seed=1
    )
    assert glorot[-1] / glorot[0] > 0.15
    assert default[-1] / default[0] < 0.03


@pytest.mark.parametrize("shape", [(6, 6), (3, 8), (8, 3), (4, 2, 3, 3)])
def test_orthogonal_matrices_keep_lengths(shape: tuple[int, ...]) -> None:
    w = init.orthogonal_(nn.Parameter(np.zeros(shape)), gain=2.0, rng=0).data.reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)
    with pytest.raises(ValueError, match=r"at least two axes, got shape \(3,\)"):
        init.orthogonal_(np.empty(3))


def test_truncated_draws_lie_within_their_bounds() -> None:
    w = init.trunc_normal_(np.empty(20_000), 1.0, 2.0, 0.0, 4.0, rng=0)
    assert 0.0 <= w.min() < 0.01
    assert 3.99 < w.max() <= 4.0
    # of N(1, 4) within [0, 4]: mean 1 + 2 (phi(-.5) - phi(1.5)) / (Phi(1.5) - Phi(-.5))
    assert w.mean() == pytest.approx(1.7125, abs=0.02)
    with pytest.raises(ValueError, match="hardly a draw"):
        init.trunc_normal_(np.empty(3), 0.0, 1.0, 5.0, 6.0)


def test_eye_takes_matrices_alone() -> None:
    np.testing.assert_array_equal(init.eye_(np.empty((3, 2))), np.eye(3, 2))
    with pytest.raises(ValueError, match=r"eye_ fills matrices, got shape \(2, 2, 2\)"):
        init.eye_(np.empty((2, 2, 2)))
