from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinygrad_lecture.data import circles, moons, spirals, xor
from tinygrad_lecture.data.toys import Points
from tinygrad_lecture.errors import UsageError

DRAWN: list[Callable[..., Points]] = [moons, circles, spirals]


def assert_uniform(values: NDArray[Any], low: float, high: float) -> None:
    """Kolmogorov-Smirnov distance to U(low, high) below its quantile at p = 1e-4, and the ends."""
    u = (np.sort(values) - low) / (high - low)
    n = len(u)
    ranks = np.arange(n + 1) / n

    assert 0 <= u[0] < 10 / n
    assert 0 <= 1 - u[-1] < 10 / n
    assert max(np.max(ranks[1:] - u), np.max(u - ranks[:-1])) < 2.23 / np.sqrt(n)


def assert_equally_frequent(y: NDArray[Any], classes: int) -> None:
    n = len(y)
    sigma = np.sqrt(n * (1 / classes) * (1 - 1 / classes))

    assert set(y.tolist()) == set(range(classes))
    assert np.all(np.abs(np.bincount(y) - n / classes) < 4 * sigma)


def test_xor_is_the_truth_table() -> None:
    X, y = xor()

    assert X.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert y.tolist() == [0, 1, 1, 0]
    assert X.dtype == np.float64
    assert y.dtype == np.int64


def test_xor_signed_changes_the_inputs_only() -> None:
    X, y = xor(signed=True)

    assert X.tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert y.tolist() == [0, 1, 1, 0]
    assert (np.prod(X, axis=1) == 1 - 2 * y).all()


def test_no_threshold_unit_gets_more_than_three_rows_of_xor_right() -> None:
    X, y = xor()
    grid = np.linspace(-2, 2, 17)
    w1, w2, b = (axis.ravel() for axis in np.meshgrid(grid, grid, grid))
    scores = X @ np.stack([w1, w2]) + b

    assert np.max(np.mean((scores >= 0) == y[:, None], axis=0)) == 0.75


@pytest.mark.parametrize("draw", DRAWN)
@given(n=st.integers(1, 40), noise=st.floats(0, 3), seed=st.integers(0, 2**70))
def test_shapes_types_and_repeatability(
    draw: Callable[..., Points], n: int, noise: float, seed: int
) -> None:
    X, y = draw(n, noise=noise, seed=seed)
    again_X, again_y = draw(n, noise=noise, seed=seed)

    assert X.shape == (n, 2)
    assert X.dtype == np.float64
    assert y.shape == (n,)
    assert y.dtype == np.int64
    assert np.isfinite(X).all()
    assert np.array_equal(X, again_X)
    assert np.array_equal(y, again_y)


@pytest.mark.parametrize("draw", DRAWN)
def test_a_generator_goes_on_where_it_stands(draw: Callable[..., Points]) -> None:
    rng = np.random.default_rng(5)
    first, second = draw(50, seed=rng)[0], draw(50, seed=rng)[0]

    assert not np.array_equal(first, second)
    assert np.array_equal(first, draw(50, seed=np.random.default_rng(5))[0])
    assert np.array_equal(first, draw(50, seed=5)[0])


@pytest.mark.parametrize("draw", DRAWN)
def test_the_global_state_of_numpy_plays_no_part(draw: Callable[..., Points]) -> None:
    before = np.random.get_state(legacy=False)["state"]["key"]  # noqa: NPY002 - under test
    draw(20, seed=1)

    assert np.array_equal(
        before,
        np.random.get_state(legacy=False)["state"]["key"],  # noqa: NPY002 - under test
    )


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_spirals_follow_their_formula(classes: int) -> None:
    noise = 0.2
    X, y = spirals(5000, classes=classes, noise=noise, seed=3)
    t = 0.45 * np.hypot(X[:, 0], X[:, 1])
    turned = np.exp(1j * (np.arctan2(X[:, 1], X[:, 0]) - 2 * np.pi * y / classes - 4 * t))
    error = np.angle(turned)

    assert_uniform(t, 0.1, 1)
    assert_equally_frequent(y, classes)
    assert abs(error.mean()) < 4 * noise / np.sqrt(5000)
    assert error.std() == pytest.approx(noise, rel=0.05)
    assert abs(np.corrcoef(error, t)[0, 1]) < 4 / np.sqrt(5000)


def test_spirals_without_noise_lie_on_their_arms() -> None:
    X, y = spirals(500, noise=0, seed=8)
    t = 0.45 * np.hypot(X[:, 0], X[:, 1])
    angle = 2 * np.pi * y / 3 + 4 * t

    assert np.allclose(X, (t / 0.45 * np.array([np.cos(angle), np.sin(angle)])).T, atol=1e-14)


def test_circles_follow_their_formula() -> None:
    X, y = circles(5000, noise=0, seed=2, factor=0.3)

    assert np.allclose(np.hypot(X[:, 0], X[:, 1]), np.where(y == 0, 1, 0.3), atol=1e-14)
    assert_uniform(np.arctan2(X[:, 1], X[:, 0]), -np.pi, np.pi)
    assert_equally_frequent(y, 2)


def test_noise_of_circles_has_the_deviation_asked_for() -> None:
    X, y = circles(5000, noise=0.25, seed=2, factor=0)
    centre = X[y == 1]

    assert centre.std(axis=0) == pytest.approx([0.25, 0.25], rel=0.06)
    assert np.all(np.abs(centre.mean(axis=0)) < 4 * 0.25 / np.sqrt(len(centre)))


def test_moons_are_standardized() -> None:
    X, y = moons(4000, noise=0.1, seed=4)

    assert np.allclose(X.mean(axis=0), 0, atol=1e-12)
    assert np.allclose(X.std(axis=0), 1, atol=1e-12)
    assert_equally_frequent(y, 2)


def test_moons_without_noise_are_half_circles_up_to_the_scaling() -> None:
    X, y = moons(4000, noise=0, seed=4)
    # x = a·x̂ + b undoes the scaling: each axis from the ends of the moons, t in [0, π].
    upper, lower = X[y == 0], X[y == 1]
    a = 2 / np.ptp(upper[:, 0])
    x = a * (X[:, 0] - upper[:, 0].min()) - 1
    c = 1 / np.ptp(upper[:, 1])
    height = c * (X[:, 1] - upper[:, 1].min())
    t = np.where(y == 0, np.arccos(np.clip(x, -1, 1)), np.arccos(np.clip(1 - x, -1, 1)))
    expected = np.where(y == 0, np.sin(t), 0.5 - np.sin(t))

    assert np.allclose(height, expected, atol=0.01)
    assert_uniform(t, 0, np.pi)
    assert 2 / np.ptp(lower[:, 0]) == pytest.approx(a, rel=1e-3)


def test_noise_of_moons_has_the_deviation_asked_for() -> None:
    clean, _ = moons(20_000, noise=0, seed=6)
    noisy, y = moons(20_000, noise=0.5, seed=6)
    # The same points before the noise; the scale of the clean ones is known from the test above.
    upper = clean[y == 0]
    scale = np.array([2 / np.ptp(upper[:, 0]), 1 / np.ptp(upper[:, 1])])
    clean = clean * scale
    slopes = [np.cov(noisy[:, j], clean[:, j])[0, 1] / clean[:, j].var() for j in range(2)]
    noise = noisy / slopes - clean

    assert noise.std(axis=0) == pytest.approx([0.5, 0.5], rel=0.05)


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"n": 2.5}, "n must be an integer, got 2.5"),
        ({"noise": -0.1}, r"noise must be a finite standard deviation ≥ 0, got -0\.1"),
        ({"noise": float("nan")}, "noise must be a finite standard deviation ≥ 0, got nan"),
        ({"noise": float("inf")}, "noise must be a finite standard deviation ≥ 0, got inf"),
        ({"seed": -1}, "seed must be a non-negative integer or a numpy.random.Generator, got -1"),
        ({"seed": None}, "seed must be .* got None"),
        ({"seed": True}, "seed must be .* got True"),
        ({"seed": 0.5}, r"seed must be .* got 0\.5"),
    ],
)
def test_bad_arguments_are_named(
    draw: Callable[..., Points], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        draw(**arguments)


@pytest.mark.parametrize("factor", [-0.1, 1.0, float("nan")])
def test_circles_refuse_a_radius_outside_of_the_unit(factor: float) -> None:
    with pytest.raises(UsageError, match=f"factor must be a radius .* got {factor}"):
        circles(10, factor=factor)


def test_spirals_need_two_classes() -> None:
    with pytest.raises(UsageError, match="classes must be at least 2, got 1"):
        spirals(10, classes=1)
