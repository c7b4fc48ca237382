"""SGD at a constant step size (L20): the claims notice another update rule."""

from __future__ import annotations

from typing import Any

from tinygrad_lecture import experiments, optim


def test_a_wrong_step_size_moves_the_floor() -> None:
    def faulty(params: Any, lr: float) -> optim.SGD:
        return optim.SGD(params, lr=1.1 * lr)

    outcome = experiments.sgd_noise_floor(alphas=[0.1], quick=True, optimizer=faulty)
    assert outcome["variance at α = 0.1"].verdict == "fails"


def test_momentum_makes_the_floor_higher_than_the_formula() -> None:
    def momentum(params: Any, lr: float) -> optim.SGD:
        return optim.SGD(params, lr=lr, momentum=0.9)

    assert not experiments.sgd_noise_floor(alphas=[0.03], quick=True, optimizer=momentum).holds


def test_a_vanishing_step_size_does_not_converge_to_the_point() -> None:
    def vanishing(params: Any, lr: float) -> optim.SGD:
        return optim.SGD(params, lr=1e-4)

    assert not experiments.sgd_without_noise(quick=True, optimizer=vanishing).holds
