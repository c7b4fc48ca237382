"""Linear, activations, Standardize: values and gradients against hand formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (1, 3), (3,), (2, 4, 3), (0, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_linear_value_and_gradients(bias: bool, shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    layer = nn.Linear(3, 2, bias, rng=rng, dtype=dtype)
    x = tg.Value(rng.normal(size=shape).astype(dtype))
    seed = rng.normal(size=(*shape[:-1], 2)).astype(dtype)
    y = layer(x)
    y.backward(seed=seed)

    W, X, G = layer.weight.data, x.data.reshape(-1, 3), seed.reshape(-1, 2)
    b = layer.bias.data if layer.bias is not None else 0.0
    tolerance: Any = {"rtol": 1e-12, "atol": 1e-14}
    if dtype is np.float32:
        tolerance = {"rtol": 2e-5, "atol": 1e-6}
    assert y.dtype == dtype
    assert y.shape == (*shape[:-1], 2)
    np.testing.assert_allclose(y.data.reshape(-1, 2), X @ W.T + b, **tolerance)
    np.testing.assert_allclose(x.grad.reshape(-1, 3), G @ W, **tolerance)
    np.testing.assert_allclose(layer.weight.grad, G.T @ X, **tolerance)
    assert layer.weight.grad.dtype == dtype
    if layer.bias is not None:
        np.testing.assert_allclose(layer.bias.grad, G.sum(axis=0), **tolerance)


def test_linear_takes_nested_lists_and_integer_images() -> None:
    layer = nn.Linear(2, 1, rng=0)
    layer.load_state_dict({"weight": [[1.0, 2.0]], "bias": [0.5]})
    assert layer([[1, 2], [3, 4]]).data.tolist() == [[5.5], [11.5]]
    assert layer(np.array([[1, 2]], dtype=np.uint8)).data.tolist() == [[5.5]]


@pytest.mark.parametrize("x", [np.ones((4, 2)), np.ones(2), 1.0, np.ones((3, 1))])
def test_linear_refuses_inputs_of_another_width(x: Any) -> None:
    with pytest.raises(ValueError, match=r"must end in 3, the number of columns of the weight"):
        nn.Linear(3, 2, rng=0)(x)


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 2), (2, 0), (-1, 1)])
def test_linear_refuses_empty_sizes(inputs: int, outputs: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1, got {inputs}, {outputs}"):
        nn.Linear(inputs, outputs)


def test_linear_starts_as_pytorch_does_unless_told_otherwise() -> None:
    layer = nn.Linear(100, 400, rng=0)
    weight, bias = layer.weight.data, layer.bias.data  # type: ignore[union-attr]
    assert np.abs(weight).max() <= 0.1
    assert np.abs(bias).max() <= 0.1
    assert weight.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.02)
    he = nn.Linear(100, 400, rng=0, init=nn.init.kaiming_normal_)
    assert he.weight.data.std() == pytest.approx(np.sqrt(2 / 100), rel=0.02)
    assert not he.bias.data.any()  # type: ignore[union-attr]


def test_the_same_seed_gives_the_same_layer_and_a_generator_goes_on() -> None:
    a, b = nn.Linear(3, 2, rng=7), nn.Linear(3, 2, rng=7)
    np.testing.assert_array_equal(a.weight.data, b.weight.data)
    rng = np.random.default_rng(7)
    c, d = nn.Linear(3, 2, rng=rng), nn.Linear(3, 2, rng=rng)
    np.testing.assert_array_equal(a.weight.data, c.weight.data)
    assert (c.weight.data != d.weight.data).all()
    assert (nn.Linear(3, 2).weight.data != nn.Linear(3, 2).weight.data).all()


POINTS = np.array([[-3.0, -0.5, 0.0], [0.25, 2.0, 30.0]])


@pytest.mark.parametrize(
    ("layer", "value", "slope"),
    [
        (nn.ReLU(), lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
        (nn.Tanh(), np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (
            nn.Sigmoid(),
            lambda x: 1 / (1 + np.exp(-x)),
            lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
        ),
    ],
    ids=["ReLU", "Tanh", "Sigmoid"],
)
def test_activation_values_slopes_and_plain_arrays(
    layer: nn.Module, value: Any, slope: Any
) -> None:
    x = tg.Value(POINTS)
    y = layer(x)
    y.sum().backward()
    np.testing.assert_allclose(y.data, value(POINTS), rtol=1e-14)
    np.testing.assert_allclose(x.grad, slope(POINTS), rtol=1e-12, atol=1e-15)
    plain = layer(POINTS)
    assert type(plain) is np.ndarray
    np.testing.assert_array_equal(plain, y.data)
    assert layer(tg.Value(0.0)).item() == value(0.0)
    assert list(layer.parameters()) == []


def test_relu_is_idempotent_and_a_dead_unit_gets_no_gradient() -> None:
    relu, layer = nn.ReLU(), nn.Linear(2, 3, rng=0)
    np.testing.assert_array_equal(relu(relu(POINTS)), relu(POINTS))
    layer.bias.data = np.array([-100.0, 1.0, 1.0])  # type: ignore[union-attr]
    (relu(layer(np.ones((4, 2)))) ** 2).sum().backward()
    assert not layer.weight.grad[0].any()
    assert layer.bias.grad[0] == 0.0  # type: ignore[union-attr]


def test_standardize_shifts_scales_and_is_part_of_the_state() -> None:
    layer = nn.Standardize([1.0, 2.0], [2.0, 0.5])
    x = tg.Value([[3.0, 3.0]])
    y = layer(x)
    y.sum().backward()
    assert y.data.tolist() == [[1.0, 2.0]]
    assert x.grad.tolist() == [[0.5, 2.0]]
    twin = nn.Standardize([0.0, 0.0], [1.0, 1.0])
    twin.load_state_dict(layer.state_dict())
    assert twin(x).data.tolist() == [[1.0, 2.0]]
    single = nn.Standardize(0.5, 2.0, dtype=np.float32)
    assert single(np.ones((1, 2), np.float32)).dtype == np.float32


@pytest.mark.parametrize("std", [0.0, [1.0, -1.0], float("nan")])
def test_standardize_refuses_deviations_that_are_not_positive(std: Any) -> None:
    with pytest.raises(ValueError, match="every std must be positive"):
        nn.Standardize(0.0, std)
