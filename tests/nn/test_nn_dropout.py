"""Dropout: zeros by chance and a scale in training, the identity in evaluation."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from numeric_derivatives import check_gradients

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.engine import modes
from tinygrad_lecture.nn import functional as F
from tinygrad_lecture.nn.functional import noise

POINTS = np.random.default_rng(5).normal(size=(40, 30))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_elements_are_zero_or_scaled(p: float, dtype: Any) -> None:
    x = tg.Value(POINTS.astype(dtype))
    y = nn.Dropout(p, rng=0)(x)
    kept = y.data != 0
    assert y.dtype == dtype
    assert 0 < kept.sum() < kept.size
    np.testing.assert_allclose(y.data[kept], x.data[kept] / (1.0 - p), rtol=1e-6)
    y.backward(seed=np.ones(x.shape, dtype))
    np.testing.assert_allclose(x.grad, kept / (1.0 - p), rtol=1e-6)
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.95])
def test_share_of_zeros_and_mean_are_as_promised(p: float) -> None:
    n = 100_000
    y = nn.Dropout(p, rng=1)(np.ones(n))
    sigma = math.sqrt(p * (1 - p) / n)
    assert abs((y == 0).mean() - p) < 5 * sigma
    assert abs(y.mean() - 1.0) < 5 * sigma / (1 - p)
    assert y.mean() == pytest.approx(1.0, abs=0.02)


def test_zeros_are_independent_between_neighbours_and_calls() -> None:
    layer = nn.Dropout(0.5, rng=2)
    a, b = layer(np.ones(100_000)) - 1.0, layer(np.ones(100_000)) - 1.0
    for left, right in [(a[1:], a[:-1]), (a, b)]:
        assert abs((left * right).mean()) < 5 / math.sqrt(len(left))


@pytest.mark.parametrize(
    "x", [POINTS, tg.Value(POINTS), tg.Value(2.0)], ids=["array", "Value", "0-d"]
)
def test_evaluation_and_p_0_are_the_identity_and_draw_nothing(x: Any) -> None:
    layer = nn.Dropout(0.5, rng=3)
    before = layer.rng.bit_generator.state
    assert layer.eval()(x) is x
    assert F.dropout(x, 0.5, training=False, rng=layer.rng) is x
    assert nn.Dropout(0.0, rng=layer.rng)(x) is x
    assert layer.rng.bit_generator.state == before
    layer.train()
    layer(x)
    assert layer.rng.bit_generator.state != before


def test_a_seed_fixes_the_zeros_and_a_generator_goes_on() -> None:
    a, b = nn.Dropout(rng=7), nn.Dropout(rng=7)
    first = a(POINTS)
    np.testing.assert_array_equal(first, b(POINTS))
    second = a(POINTS)
    assert (first != second).any()
    np.testing.assert_array_equal(second, b(POINTS))
    rng = np.random.default_rng(7)
    c, d = nn.Dropout(rng=rng), nn.Dropout(rng=rng)
    assert c.rng is d.rng is rng
    np.testing.assert_array_equal(c(POINTS), first)
    np.testing.assert_array_equal(d(POINTS), second)
    np.testing.assert_array_equal(F.dropout(POINTS, rng=7), first)
    np.testing.assert_array_equal(F.dropout(POINTS, rng=7), first)
    assert (F.dropout(POINTS) != F.dropout(POINTS)).any()
    assert (nn.Dropout()(POINTS) != nn.Dropout()(POINTS)).any()


def test_single_and_double_precision_drop_the_same() -> None:
    double = nn.Dropout(rng=7)(POINTS)
    single = nn.Dropout(rng=7)(POINTS.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single == 0, double == 0)


def test_a_copy_draws_the_same_as_its_original_and_not_from_it() -> None:
    layer = nn.Sequential(nn.Linear(30, 30, rng=0), nn.Dropout(rng=8))
    twin = copy.deepcopy(layer)
    np.testing.assert_array_equal(layer(POINTS).data, twin(POINTS).data)
    np.testing.assert_array_equal(layer(POINTS).data, twin(POINTS).data)


def test_numbers_come_from_the_engines_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    # A recording takes over `draw`: zero exactly where the number is below p.
    numbers = np.array([0.0, 0.2, 0.25, 0.9])
    asked = []

    def scripted(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        asked.append((rng, shape))
        return numbers

    assert vars(noise)["draw"] is modes.draw
    monkeypatch.setattr(noise, "draw", scripted)
    layer = nn.Dropout(0.25, rng=0)
    y = layer(np.array([3.0, 3.0, 3.0, -6.0]))
    assert y.tolist() == [0.0, 0.0, 4.0, -8.0]
    assert asked == [(layer.rng, (4,))]


@pytest.mark.parametrize("shape", [(4,), (3, 2), (2, 3, 2), (0, 2)])
def test_gradients_agree_with_differences(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(9).normal(size=shape)
    check_gradients(lambda v: F.dropout(v, 0.4, rng=10), x)


def test_the_gradient_is_zero_where_the_value_is_dropped() -> None:
    x = tg.Value(POINTS)
    y = nn.Dropout(0.5, rng=11)(x)
    (y**2).sum().backward()
    np.testing.assert_allclose(x.grad, 4.0 * y.data, rtol=1e-12)  # 2y · 2 where kept


def test_scalars_lists_and_integers_are_taken() -> None:
    layer = nn.Dropout(0.5, rng=12)
    drawn = [layer(tg.Value(3.0)).data for _ in range(50)]
    assert set(drawn) == {0.0, 6.0}
    assert {float(layer(3.0)) for _ in range(50)} == {0.0, 6.0}
    assert set(np.ravel(layer([[1.0] * 50, [2.0] * 50]))) == {0.0, 2.0, 4.0}
    scaled = nn.Dropout(0.2, rng=12)(np.ones(50, dtype=int))
    assert set(scaled) == {0.0, 1.25}


def test_a_layer_has_no_state_and_shows_its_probability() -> None:
    layer = nn.Dropout(0.25, rng=0)
    assert layer.state_dict() == {}
    assert list(layer.parameters()) == []
    assert repr(layer) == "Dropout(p=0.25)"
    assert nn.Dropout().p == 0.5


def test_modes_of_a_model_reach_it() -> None:
    model = nn.Sequential(nn.Linear(4, 4, rng=0), nn.Dropout(0.5, rng=0))
    x = np.ones((3, 4))
    assert (model(x).data == 0).any()
    np.testing.assert_array_equal(model.eval()(x).data, model[0](x).data)
    assert (model.train()(x).data == 0).any()


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_probabilities_outside_of_their_range_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match=f"^Dropout: p must be at least 0 and below 1, got {p}$"):
        nn.Dropout(p)
    for training in (True, False):
        with pytest.raises(ValueError, match=f"^dropout: p must be .* below 1, got {p}$"):
            F.dropout(POINTS, p, training)
