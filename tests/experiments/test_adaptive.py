"""Adaptive steps (L35, L37): claims notice another Adam."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import experiments, nn, optim
from tinygrad_lecture.experiments import adaptive


class Slow(optim.Adam):
    """Averages that forget at other speeds."""

    def __init__(self, params: Any, **settings: Any) -> None:
        super().__init__(params, betas=(0.8, 0.99), **settings)


def test_other_averages_are_seen() -> None:
    outcome = experiments.adam_steps(optimizer=Slow)
    assert outcome["first step/α without correction"].verdict == "fails"
    assert outcome["first step/α + g/(|g| + ε)"].verdict == "holds"


def test_steps_taken_are_the_differences_of_the_path() -> None:
    theta = nn.Parameter(np.array([1.0, 2.0]))
    steps = adaptive.steps_taken(
        optim.SGD([theta], lr=0.5), theta, np.array([[2.0, 0.0], [0.0, 4.0]])
    )
    assert steps.tolist() == [[-1.0, 0.0], [0.0, -2.0]]
    assert theta.data.tolist() == [0.0, 0.0]


def test_descent_in_turned_coordinates_is_the_same_for_sgd() -> None:
    lams = np.array([0.5, 1.0, 4.0])
    Q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turned = (Q * lams) @ Q.T
    straight = adaptive._descend(np.diag(lams), optim.SGD, 20, lr=0.1)
    rotated = adaptive._descend((turned + turned.T) / 2, optim.SGD, 20, lr=0.1)
    assert rotated == pytest.approx(straight, abs=1e-12)
    # ‖w‖/‖w₀‖ by the formula: each coordinate shrinks by 1 − αλ a step.
    w = (1 - 0.1 * lams) ** 20
    assert straight[-1] == pytest.approx(np.linalg.norm(w) / np.sqrt(3))


def test_adam_in_the_place_of_sgd_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def adam(params: Any, lr: float, momentum: float = 0.0) -> optim.Adam:
        return optim.Adam(params, lr=0.01)

    monkeypatch.setattr(optim, "SGD", adam)
    assert experiments.badly_scaled(quick=True)["‖w‖/‖w₀‖, SGD"].verdict == "fails"
