"""One neuron, XOR, parity, SAT (L01 to L09): against independent formulas; faults are seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import experiments, logic
from tinygrad_lecture.experiments import depth
from tinygrad_lecture.experiments.training import network
from tinygrad_lecture.experiments.xor_surface import lowest_pass, xor_losses
from tinygrad_lecture.gradcheck import gradcheck
from tinygrad_lecture.nn import Tanh


def test_training_side_by_side_is_gradient_descent_on_each() -> None:
    X, y = np.array([[0.0, 1.0], [2.0, -1.0], [1.0, 1.0]]), np.array([1, 0, 1])
    models: list[Any] = [network([2, 1], Tanh, np.random.default_rng(s)) for s in range(2)]
    starts: list[Any] = [(m[0].weight.data.copy(), m[0].bias.data.copy()) for m in models]
    z = depth.train_binary(models, X, y, 0.3, 5)
    for row, (w, b) in zip(z, starts, strict=True):
        for _ in range(5):
            error = 1 / (1 + np.exp(-(X @ w[0] + b))) - y
            w, b = w - 0.3 * (error @ X / 3)[None], b - 0.3 * error.mean()
        np.testing.assert_allclose(row, X @ w[0] + b, rtol=1e-12)
    np.testing.assert_allclose(models[1](X).data[:, 0], z[1], rtol=1e-12)


@pytest.mark.parametrize("n", [2, 3])
def test_the_best_threshold_neuron_is_the_best_of_all_functions_of_one(n: int) -> None:
    best = max(
        np.mean(f.table == logic.parity(n).table)
        for f in (
            logic.BooleanFunction.of([int(c) for c in f"{k:0{2**n}b}"]) for k in range(2**2**n)
        )
        if logic.separate(f.X, f.table)
    )
    assert depth._best_threshold(n) == best


def test_a_wrong_gate_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logic, "OR", logic.AND)
    outcome = experiments.gates_as_neurons(most=3)
    assert outcome["rows on which OR is wrong, 1 to 3 inputs"].verdict == "fails"


def test_a_wrong_net_of_parity_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logic, "parity_tree", logic.AND)
    outcome = experiments.depth_of_parity(most=4)
    assert outcome["rows on which one of them is wrong"].verdict == "fails"


def test_a_solver_that_claims_too_much_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logic, "solve_by_gradient", lambda cnf, **_: logic.Answer("UNSATISFIABLE"))
    outcome = experiments.sat_by_gradient(formulas=4, n=6)
    assert outcome["formulas said to be unsatisfiable"].verdict == "fails"
    assert outcome["solved of the satisfiable ones, m/n ≤ 3"].verdict == "fails"


@pytest.mark.parametrize(
    "name",
    [
        "single_neuron", "xor_by_one_neuron", "features_by_hand", "gates_as_neurons", "sat_loss",
        "boolean_approximation", "perceptron_path", "decision_regions", "sat_path", "xor_stuck",
    ],
)  # fmt: skip
def test_quick_claims_hold(name: str) -> None:
    outcome = getattr(experiments, name)(quick=True)
    assert all(check.verdict != "fails" for check in outcome.checks)


def test_losses_of_weights_are_those_of_nets() -> None:
    X, y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
    nets: list[Any] = [network([2, 2, 1], Tanh, np.random.default_rng(s)) for s in range(3)]
    theta = np.stack([np.concatenate([p.data.ravel() for p in net.parameters()]) for net in nets])
    z = np.stack([net(X).data[:, 0] for net in nets])
    want = np.mean(np.logaddexp(0.0, z) - y * z, axis=1)
    np.testing.assert_allclose(xor_losses(theta), want, rtol=1e-12)
    assert gradcheck(xor_losses, theta).verdict == "pass"


def test_the_lowest_pass_goes_around_a_hill() -> None:
    heights = np.array([[0.0, 9.0, 1.0], [2.0, 9.0, 3.0], [4.0, 5.0, 6.0]])
    assert lowest_pass(heights, (0, 0), (0, 2)) == 6.0
    assert lowest_pass(heights, (0, 0), (1, 0)) == 2.0
    assert lowest_pass(heights, (0, 0), (0, 0)) == 0.0
