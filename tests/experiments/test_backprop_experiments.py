"""Backpropagation and gradient checks (L10 to L14): the claims notice wrong gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import experiments
from tinygrad_lecture.engine import TABLE
from tinygrad_lecture.experiments import backprop, gradient_check
from tinygrad_lecture.gradcheck import builtin
from tinygrad_lecture.nn import manual


def test_a_backward_by_hand_without_its_transpose_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def faulty(self: manual.Linear, grad_output: Any) -> Any:
        self.grads = {"weight": grad_output.T @ self._x, "bias": grad_output.mean(axis=0)}
        return grad_output @ self.weight

    monkeypatch.setattr(manual.Linear, "backward", faulty)
    outcome = experiments.manual_backprop(quick=True)
    assert outcome["Tanh: gradient of the input, difference"].holds
    assert not outcome["Tanh: gradients of weights, biases, difference"].holds


def test_a_wrong_op_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    tg.op("gauss", lambda x: np.exp(-x * x), "-2.002 * x * out")
    monkeypatch.setattr(backprop, "rows", lambda: [TABLE["tanh"], TABLE["gauss"]])
    try:
        outcome = experiments.ops_pass_gradcheck(quick=True)
    finally:
        tg.remove_op("gauss")
    assert outcome["ops whose derivative is wrong"].measured == 1
    assert outcome.notes == ("gauss fails",)
    assert not outcome.holds


def test_a_wrong_gradient_leaves_a_remainder_of_first_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong(f: Any) -> Any:
        return lambda *x: 1.001 * tg.grad(f)(*x)

    monkeypatch.setattr(gradient_check, "grad", wrong)
    assert not experiments.taylor_remainder(quick=True).holds
    assert not experiments.difference_errors(quick=True).holds


def test_a_checker_that_passes_all_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        gradient_check, "faulty", lambda row, **options: builtin.faulty(row, 1.0, **options)
    )
    outcome = experiments.checker_notices_faults(quick=True)
    assert (
        outcome["of these, faults that were missed"].measured
        == outcome["ops with a spoilt derivative"].measured
    )
    assert not outcome.holds


def test_scalar_ops_of_the_gradient_are_few() -> None:
    outcome = experiments.scalars_and_arrays_agree(quick=True)
    ratios = np.array(outcome["ops of loss and gradient over those of the loss"].measured)
    assert np.all(
        (ratios > 2) & (ratios < 5)
    )  # each product of the loss becomes two in its gradient
