"""Verdicts on curves: the learning rates of L25, shapes by hand, gaps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import data, nn, optim
from tinygrad_lecture.compiler import compile as compiled
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import diagnose_curve, diagnose_gap


def losses(lr: float, seed: int, steps: int = 600) -> list[float]:
    """Losses of L25's net: spirals 0.2, 2-32-32-3 tanh, batches of 32, SGD."""
    X, y = data.spirals(300, noise=0.2, seed=seed)
    rng = np.random.default_rng(seed)

    def linear(i: int, o: int) -> nn.Linear:
        return nn.Linear(i, o, rng=rng, init=nn.init.lecun_normal_)

    model = nn.Sequential(linear(2, 32), nn.Tanh(), linear(32, 32), nn.Tanh(), linear(32, 3))
    optimizer, loss = optim.SGD(model.parameters(), lr), nn.CrossEntropyLoss()

    @compiled
    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), t)
        value.backward()
        optimizer.step()
        return value

    with np.errstate(all="ignore"):
        return [step(X[rows], y[rows]).item() for rows in rng.integers(300, size=(steps, 32))]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_learning_rates_of_the_lecture(seed: int) -> None:
    verdicts = {lr: diagnose_curve(losses(lr, seed)) for lr in (1e-5, 1e-3, 0.1, 1.0, 10.0, 1e3)}

    assert verdicts == {
        1e-5: "too_low", 1e-3: "too_low", 0.1: "good", 1.0: "good", 10.0: "diverging",
        1e3: "diverging",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        ([1.0, 1.0], "too_low"),
        ([1.0, 0.9, 0.85, 0.8], "too_low"),
        ([1.0, 0.4], "good"),
        ([1.0, 8.0, 3.0, 0.2], "good"),  # what counts is where it ends
        ([1.0, 0.6, 0.61, 0.6, 0.6, 0.6], "too_high"),  # fell quickly, stays high
        ([1.0, 1.6, 0.9, 1.5, 0.9], "too_high"),
        ([1.0, 2.0, 2.9], "too_high"),
        ([1.0, 2.0, 3.1], "diverging"),
        ([1.0, math.nan, 0.1], "diverging"),
        ([1.0, math.inf], "diverging"),
    ],
)
def test_shapes_by_hand(curve: list[float], verdict: str) -> None:
    assert diagnose_curve(curve) == verdict


def test_start_and_floor_count() -> None:
    assert diagnose_curve([1.0, 0.9], start=4.0) == "good"
    assert diagnose_curve([1.0, 0.6]) == "too_low"
    assert diagnose_curve([1.0, 0.6], floor=0.5) == "good"
    with pytest.raises(UsageError, match=r"above the floor, got start=1, floor=2"):
        diagnose_curve([1.0, 0.5], floor=2.0)
    with pytest.raises(UsageError, match=r"at least 2 losses, got shape \(1,\)"):
        diagnose_curve([1.0])


def test_gaps() -> None:
    assert diagnose_gap(0.0, 0.1) == "overfitting"
    assert diagnose_gap(0.0, 0.0) == "no_gap"
    assert diagnose_gap(1.0, 0.9) == "no_gap"
    assert diagnose_gap(1.0, 1.4) == "fine"
    assert diagnose_gap(1.0, 1.4, ratio=1.3) == "overfitting"
    assert tg.train.diagnose_gap(1.0, 1.01, ratio=1.4) == "no_gap"
    for pair in ((-1.0, 1.0), (1.0, math.nan)):
        with pytest.raises(UsageError, match="losses must be finite and at least 0"):
            diagnose_gap(*pair)
    with pytest.raises(UsageError, match="ratio must be above 1, got 1"):
        diagnose_gap(1.0, 1.0, ratio=1)
