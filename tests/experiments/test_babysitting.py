"""Babysitting (L61 to L65): claims notice checks that pass everything, and nets that do not learn."""

from __future__ import annotations

from typing import Any

import pytest

from tinygrad_lecture import experiments, optim
from tinygrad_lecture.train import babysit
from tinygrad_lecture.train.babysit import Finding


def test_a_check_that_always_passes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = babysit.check_initial_loss

    def easy(*args: Any) -> Finding:
        return Finding("initial loss", "ok", "", original(*args).numbers)

    monkeypatch.setattr(babysit, "check_initial_loss", easy)
    assert experiments.initial_loss()["the check warns of it"].verdict == "fails"


def test_a_tiny_subset_that_is_always_passed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = babysit.overfit_tiny

    def easy(*args: Any, **settings: Any) -> Finding:
        return Finding("", "ok", "", original(*args, **{**settings, "steps": 2}).numbers)

    monkeypatch.setattr(babysit, "overfit_tiny", easy)
    outcome = experiments.overfit_twenty(seeds=1)
    assert outcome["without gradients the check is passed"].verdict == "fails"
    assert outcome["loss on them"].verdict == "fails"


def test_rates_that_are_all_the_same_are_seen() -> None:
    def same(params: Any, lr: float) -> optim.SGD:
        return optim.SGD(params, lr=0.1)

    outcome = experiments.learning_rate_probe(optimizer=same, lrs=(1e-5, 1e3), quick=True)
    assert outcome["α = 1e-05 is too low"].verdict == "fails"
    assert outcome["α = 1000 diverges"].verdict == "fails"
    outcome = experiments.update_ratio(optimizer=same, alphas=(0.1,), steps=20, quick=True)
    name = "first ratio at twice the α, over the first ratio, − 2"
    assert outcome[name].verdict == "fails"
