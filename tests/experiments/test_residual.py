"""Residual nets (L58): claims notice missing shortcuts and missing training."""

from __future__ import annotations

from typing import Any

import pytest

from tinygrad_lecture import experiments, nn, optim


def test_without_shortcuts_deep_nets_do_not_train(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = nn.ResNetMLP

    def without(depth: int, width: int, rng: Any) -> nn.Module:
        return plain(depth, width, residual=False, rng=rng)

    monkeypatch.setattr(nn, "ResNetMLP", without)
    outcome = experiments.residual_trains_150_layers(quick=True, depth=100, steps=40)
    assert outcome["accuracy, residual, 100 layers"].verdict == "fails"


def test_a_block_that_does_not_start_at_0_is_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    block = nn.ResidualBlock

    def random(*args: Any, **settings: Any) -> nn.Module:
        return block(*args, **{**settings, "zero_init_last": False})

    monkeypatch.setattr(nn, "ResidualBlock", random)
    assert [c.verdict for c in experiments.residual_identity().checks] == ["fails"] * 2


def test_nets_that_overflow_count_as_not_trained() -> None:
    def wild(params: Any, **settings: Any) -> optim.SGD:
        return optim.SGD(params, lr=1e6)

    outcome = experiments.residual_trains_150_layers(optimizer=wild, depth=30, steps=30, quick=True)
    assert not outcome.holds
