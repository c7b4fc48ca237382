"""Activation functions (L59, L60, L67): claims notice other functions and wrong derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import experiments, nn
from tinygrad_lecture.experiments import nonlinearities


class Wrong(nn.Module):
    """ReLU with a derivative that a tenth of the positive side gets wrong."""

    def forward(self, x: Any) -> Any:
        y = tg.relu(x)
        return y if isinstance(y, np.ndarray) else y + 0.1 * (x.detach() - x)


def test_a_wrong_function_and_a_wrong_derivative_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {
        "ReLU": (nn.Softplus, nonlinearities.ACTIVATIONS["ReLU"][1]),
        "Swish": (Wrong, nonlinearities.ACTIVATIONS["ReLU"][1]),
    }
    monkeypatch.setattr(nonlinearities, "ACTIVATIONS", table)
    outcome = experiments.activation_table()
    assert outcome["ReLU: of f(0), f'(0), limits, slopes, numbers that are wrong"].measured == 2
    assert outcome["Swish: derivative agrees with differences"].verdict == "fails"


def test_the_table_against_the_formulas() -> None:
    for name, (make, (at0, _, low, high, _, _)) in nonlinearities.ACTIVATIONS.items():
        f: Any = make()
        assert np.asarray(f(np.zeros(1)))[0] == pytest.approx(at0), name
        for end, limit in ((-1e6, low), (1e6, high)):
            y = float(np.asarray(f(np.array([end])))[0])
            assert (abs(y) > 1e3) if math.isinf(limit) else y == pytest.approx(limit), name


def test_a_beta_that_is_not_trained_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def still(params: Any, lr: float) -> tg.optim.SGD:
        return tg.optim.SGD([p for p in params if p.shape != (1,)], lr=lr)

    assert experiments.swish(optimizer=still)["how far a trained β moves from 1"].verdict == "fails"


def test_another_tanh_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn, "LeCunTanh", lambda twist=0.0: nn.Tanh())
    outcome = experiments.lecun_tanh(quick=True)
    assert [check.verdict for check in outcome.checks] == ["fails"] * 6
