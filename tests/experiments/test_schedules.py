"""Schedules and sign steps (L21, L22, L26, L27, L29, L33, L34, L36, L45, L68): claims notice faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import experiments, optim
from tinygrad_lecture.experiments import schedules, sign_steps
from tinygrad_lecture.optim import lr_scheduler


def test_errors_of_a_regression_are_those_of_the_recursion() -> None:
    plan = lambda rule: lr_scheduler.InverseTimeLR(rule, 10.0)  # noqa: E731
    path = list(schedules.regression(plan, 0.1, 30, 2, 0.5, seed=3))
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(2, 5))
    w = np.zeros((2, 5))
    for t, errors in enumerate(path):
        x = rng.normal(size=(2, 5))
        y = np.sum(truth * x, axis=1) + 0.5 * rng.normal(size=2)
        w = w - 1.0 / (t + 10.0) * (np.sum(w * x, axis=1) - y)[:, None] * x
        np.testing.assert_allclose(errors, w - truth, atol=1e-12)


def test_a_plateau_is_noticed_after_the_patience() -> None:
    assert schedules.drops(12, patience=3) == [5, 9]
    assert schedules.drops(12, patience=1, cooldown=3) == [3, 8]


def test_hintons_gradients_have_mean_zero() -> None:
    g = sign_steps.hinton(3)
    assert g.shape == (30, 1)
    assert abs(g.sum()) < 1e-12
    assert (g < 0).sum() == 3


class Forgetful(optim.Adamax):
    """Averages over fewer gradients."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, lr=lr, betas=(0.8, 0.999))


class NoRoot(optim.RMSprop):
    """Always puts ε outside of the root."""

    def __init__(self, params: Any, eps_inside_sqrt: bool = False, **settings: Any) -> None:
        super().__init__(params, **settings)


def test_other_rules_are_seen() -> None:
    adamax = experiments.adamax_steps(optimizer=Forgetful)
    assert adamax["longest step/α for g_t = β₂ᵗ"].verdict == "fails"
    rmsprop = experiments.rmsprop_averages(optimizer=NoRoot)
    assert rmsprop["step/α for r = g², g = 10⁻⁶, ε inside of the root"].verdict == "fails"
    assert rmsprop["the same, ε outside"].verdict == "holds"


def test_other_stairs_are_seen() -> None:
    def halved(params: Any, lr: float) -> Any:
        return optim.SGD(params, lr=lr, momentum=0.5)

    outcome = experiments.staircase(optimizer=halved, quick=True)
    assert outcome["variance at α = 0.1"].verdict == "fails"


@pytest.mark.parametrize(
    "name", ["cosine_cycles", "plateau_rules", "bengio_schedule", "averaged_sgd", "staircase"]
)
def test_quick_claims_hold(name: str) -> None:
    outcome = getattr(experiments, name)(quick=True)
    assert all(check.verdict != "fails" for check in outcome.checks)
