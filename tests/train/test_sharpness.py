"""Sharpness: half the trace of the Hessian, weights put back, and its dependence on scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import sharpness


class Bowl(nn.Module):
    """Σ hᵢ wᵢ² / 2 as a model without inputs."""

    def __init__(self, h: Any, w: Any, dtype: Any = float) -> None:
        self.h = np.asarray(h, dtype)
        self.w = nn.Parameter(np.asarray(w, dtype))

    def forward(self, x: Any) -> Any:
        return 0.5 * tg.sum(self.h * self.w * self.w)


def itself(output: Any, target: Any) -> Any:
    return output


NOTHING = [(np.zeros((1, 1)), np.zeros((1, 1)))]


def test_the_rise_is_half_the_trace_at_a_minimum_and_slopes_cancel() -> None:
    for w in (np.zeros(3), np.array([1.0, -2.0, 5.0])):
        result = sharpness(Bowl([1.0, 10.0, 100.0], w), NOTHING, itself, eps=0.1, draws=4000)
        assert result.rise == pytest.approx(0.1**2 / 2 * 111, abs=4 * result.error)
        assert result.error < 0.03
        assert result.loss == pytest.approx(0.5 * np.sum(np.square(w) * [1, 10, 100]))


def test_a_sharp_minimum_is_sharper_than_a_flat_one() -> None:
    flat, sharp = (sharpness(Bowl([h], [0.0]), NOTHING, itself).rise for h in (1.0, 100.0))

    assert sharp == pytest.approx(100 * flat)


def relu_net(scale: float) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(2, 8, rng=0), nn.ReLU(), nn.Linear(8, 2, rng=1))
    for name, p in net.named_parameters():
        if name != "2.bias":
            p.data = p.data * (scale if name.startswith("0") else 1 / scale)
    return net


def test_the_same_function_has_any_sharpness_and_relative_noise_takes_that_out() -> None:
    """Dinh et al. 2017: layers scaled against each other."""
    X, y = tg.data.moons(60, seed=0)
    plain, scaled = relu_net(1.0), relu_net(30.0)
    assert np.allclose(plain(X).data, scaled(X).data)
    options: dict[str, Any] = {"eps": 0.05, "draws": 40}
    loss = nn.CrossEntropyLoss()

    one, other = (sharpness(net, [(X, y)], loss, **options).rise for net in (plain, scaled))
    assert other > 20 * one
    one, other = (
        sharpness(net, [(X, y)], loss, relative=True, **options).rise for net in (plain, scaled)
    )
    assert other == pytest.approx(one, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_come_back_bit_by_bit_even_if_the_loss_raises(dtype: Any) -> None:
    model = Bowl([1.0, 2.0], [0.1, 0.2], dtype)
    before = model.state_dict()["w"]
    sharpness(model, NOTHING, itself)
    calls = []

    def fails(output: Any, target: Any) -> Any:
        calls.append(output)
        if len(calls) == 3:
            raise RuntimeError("stop")
        return output

    with pytest.raises(RuntimeError, match="stop"):
        sharpness(model, NOTHING, fails)
    after = model.state_dict()["w"]
    assert after.dtype == dtype
    assert np.array_equal(after, before)


def test_the_same_seed_gives_the_same() -> None:
    model = Bowl([1.0, 2.0], [0.1, 0.2])

    assert sharpness(model, NOTHING, itself, seed=3) == sharpness(model, NOTHING, itself, seed=3)
    assert sharpness(model, NOTHING, itself, seed=3) != sharpness(model, NOTHING, itself, seed=4)


def test_bad_arguments_are_refused() -> None:
    model = Bowl([1.0], [0.0])
    with pytest.raises(UsageError, match="eps must be a positive number, got 0"):
        sharpness(model, NOTHING, itself, eps=0)
    with pytest.raises(UsageError, match="draws must be at least 2, got 1"):
        sharpness(model, NOTHING, itself, draws=1)
    with pytest.raises(UsageError, match="once per draw: give a list"):
        sharpness(model, iter(NOTHING), itself)
