"""Descent, by all samples and by a few (L13, L15 to L19, L23 to L25): formulas and faults."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from faults import sgd

import tinygrad_lecture as tg
from tinygrad_lecture import experiments, logic
from tinygrad_lecture.experiments import landscape, learning_rate, minibatch


def test_the_stability_limit_belongs_to_gd_alone() -> None:
    for wrong in (sgd(1.02), sgd(0.98), sgd(momentum=0.5)):
        assert not experiments.gd_stability_limit(kappas=[10.0], quick=True, optimizer=wrong).holds


def test_the_end_beside_the_limit_is_the_formula() -> None:
    outcome = experiments.gd_stability_limit(kappas=[1.0], margin=0.01, optimizer=tg.optim.SGD)
    assert outcome["‖w‖ at α = 2.01/κ"].measured == pytest.approx([1.01**2000], rel=1e-9)


def test_momentum_overshoots_so_its_steps_grow() -> None:
    assert not experiments.gd_steps_shrink(optimizer=sgd(momentum=0.9)).holds
    assert not experiments.gd_steps_shrink(alpha=2.1).holds


def test_without_overfitting_there_is_nothing_to_see() -> None:
    assert not experiments.overfitting_gap(nets=2, steps=30, optimizer=sgd()).holds


def test_a_loss_with_another_scale_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tg.nn.HalfMSELoss, "forward", tg.nn.MSELoss.forward)
    assert not experiments.loss_scales().holds


def test_a_biased_mini_batch_gradient_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def once(x: Any) -> Any:  # the full gradient is right, the others are 2 % too long
        calls.append(x)
        return (1.0 if len(calls) == 1 else 1.02) * tg.square(x)

    monkeypatch.setattr(minibatch, "square", once)
    outcome = experiments.minibatch_gradients(sizes=[64])
    assert outcome["variance · B over that of one sample, B = 64"].holds
    assert not outcome["mean minus the full gradient, in standard errors"].holds


def test_lms_by_hand() -> None:
    X, y = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([5.0, 1.0])
    # θ = 0: o = 0, θ = 0 − ½(0 − 5)(1, 2) = (2.5, 5); o = 5, θ = (2.5, 5) − ¼(5 − 1)(0, 1)
    steps = experiments.lms(X, y, lambda i: 0.5 / (i + 1), 2)
    np.testing.assert_allclose(steps, [2.5, 4.0], rtol=0, atol=1e-15)
    # o = 2.5 + 8 = 10.5, θ = (2.5, 4) − 0.1 · 5.5 (1, 2)
    np.testing.assert_allclose(
        experiments.lms(X, y, 0.1, 1, theta=steps), [1.95, 2.9], rtol=0, atol=1e-15
    )


def test_other_rules_than_lms_are_noticed() -> None:
    outcome = experiments.lms_finds_least_squares(quick=True, optimizer=sgd(weight_decay=1e-3))
    assert not outcome["engine minus formula"].holds
    assert not experiments.sgd_beats_gd_per_pass(quick=True, optimizer=sgd(0.01)).holds


def test_the_landscapes_are_the_formulas() -> None:
    assert experiments.saddle(1.0, 0.0) == 1.0
    assert experiments.saddle(0.0, math.sqrt(2.0)) == pytest.approx(-1.0, abs=1e-15)
    assert tg.grad(experiments.saddle, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
    assert tg.hessian(lambda y: experiments.saddle(0.0, y))(0.0) == -2.0
    exact = -math.exp(-4 / (2 * 0.49)) - 1.0 + 0.01
    assert experiments.two_wells(-1.0) == pytest.approx(exact, rel=1e-14)
    sharp, wide = (float(tg.hessian(experiments.two_wells)(x)) for x in (-1.0, 1.0))
    assert sharp == pytest.approx(100.0, rel=0.01)
    assert wide == pytest.approx(1 / 0.49 + 0.02, rel=0.01)


def test_without_noise_nothing_leaves() -> None:
    assert not experiments.saddle_escape(noise=0.0).holds
    assert not experiments.sharp_flat(sigma=0.0, chains=10, steps=500).holds


def test_momentum_may_rest_where_gd_cannot() -> None:
    outcome = experiments.gd_leaves_sharp_minimum(optimizer=sgd(momentum=0.5))
    assert not outcome["distance at the end, α = 2.1/f″"].holds


def test_wide_nets_have_no_bad_minima() -> None:
    outcome = experiments.loss_spread(widths=[6, 8], seeds=10)
    assert outcome["largest final loss, H = 8"].holds
    assert not outcome["largest final loss, H = 6"].holds


@pytest.mark.parametrize(
    ("lr", "factor", "noticed"),
    [
        (0.001, 100.0, "final loss, α = 0.001"),
        (0.1, 0.1, "final loss, α = 0.1"),
        (1.0, 0.03, "final loss, α = 1"),
        (10.0, 0.1, "share above ln 3, α = 10"),
    ],
)
def test_other_learning_rates_are_noticed(lr: float, factor: float, noticed: str) -> None:
    outcome = experiments.lr_curves(lrs=[lr], quick=True, optimizer=sgd(factor))
    assert not outcome[noticed].holds


def test_a_chain_that_does_not_train_is_noticed() -> None:
    assert not experiments.chained_modules_train(seeds=1, steps=20).holds


def test_a_sharpness_that_is_10_percent_too_large_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def faulty(*args: Any, **options: Any) -> Any:
        right = tg.train.sharpness(*args, **options)
        return right._replace(rise=1.1 * right.rise)

    monkeypatch.setattr(landscape, "sharpness", faulty)
    outcome = experiments.sharpness_depends_on_parameters(draws=10_000)
    assert not outcome["rise at the sharp minimum minus the formula, in standard errors"].holds


def test_a_perceptron_with_another_step_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = logic.Perceptron.update

    def faulty(self: logic.Perceptron, x: Any, y: int) -> bool:
        wrong = right(self, x, y)
        if wrong:
            self.theta = self.theta + 0.01 * y * np.append(x, 1.0)
        return wrong

    monkeypatch.setattr(logic.Perceptron, "update", faulty)
    outcome = experiments.perceptron_mistakes(sets=5)
    assert outcome["converged"].holds
    assert not outcome["growth of ±θᵀx by a mistake over α‖x‖², minus 1"].holds


def test_a_set_that_can_be_divided_is_no_xor(monkeypatch: pytest.MonkeyPatch) -> None:
    X, _ = tg.data.xor()
    monkeypatch.setattr(tg.data, "xor", lambda: (X, np.array([0, 0, 0, 1])))
    assert not experiments.perceptron_on_xor(epochs=50).holds


def test_a_range_test_that_forgets_the_weights_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(model: Any, *args: Any) -> Any:
        found = tg.train.lr_range_test(model, *args)
        model.load_state_dict({k: 1.5 * v for k, v in model.state_dict().items()})
        return found

    monkeypatch.setattr(learning_rate, "lr_range_test", faulty)
    outcome = experiments.lr_range(quick=True)
    assert not outcome["weights after the test are those before, bit by bit"].holds


def test_a_training_that_goes_badly_at_the_rate_found_is_noticed() -> None:
    outcome = experiments.lr_range(quick=True, optimizer=sgd(weight_decay=0.1))
    assert not outcome["final loss at a third of the former"].holds
