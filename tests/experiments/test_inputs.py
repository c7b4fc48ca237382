"""Inputs (L66): claims notice when whitening or the order make no difference."""

from __future__ import annotations

from typing import Any

import pytest

from tinygrad_lecture import data, experiments, optim


def test_without_whitening_descent_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "PCAWhiten", data.Standardize)
    outcome = experiments.whitened_inputs()
    assert outcome["steps to 1e-6, whitened"].verdict == "fails"
    assert outcome["condition of the Hessian, whitened"].verdict == "fails"


def test_the_order_does_not_matter_without_steps() -> None:
    def crawling(params: Any, lr: float) -> optim.SGD:
        return optim.SGD(params, lr=1e-9)

    outcome = experiments.class_order(epochs=3, optimizer=crawling, quick=True)
    assert outcome["share of seeds with a ratio of at least 2"].verdict == "fails"
