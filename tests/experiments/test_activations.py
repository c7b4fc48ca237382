"""Activations and output layers (L54 to L60): claims notice what does not train as they say."""

from __future__ import annotations

from typing import Any

from tinygrad_lecture import experiments, optim


def crawling(params: Any, lr: float, **settings: Any) -> optim.SGD:
    return optim.SGD(params, lr=1e-6 * lr)


def test_without_steps_tanh_does_not_fit() -> None:
    outcome = experiments.tanh_trains_where_sigmoid_sticks(optimizer=crawling, steps=40, quick=True)
    assert outcome["accuracy, tanh"].verdict == "fails"


def test_without_steps_no_relu_net_trains() -> None:
    outcome = experiments.dead_relu_units(optimizer=crawling, steps=60, quick=True)
    assert outcome["nets that trained"].verdict == "fails"


def test_steps_of_sign_are_never_flat() -> None:
    """Adam divides the scale of the gradient out, so that squared errors lose no time."""
    outcome = experiments.cross_entropy_is_never_flat(optimizer=optim.Adam, quick=True)
    assert outcome["ratio from -10"].verdict == "fails"
