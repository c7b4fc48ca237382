"""The linked readings (L68 to L70): claims notice layers and rules that do something else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import experiments, nn, optim
from tinygrad_lecture.optim import lr_scheduler


class Unscaled(nn.Dropout):
    """Dropout as it was first written: the factor 1/(1 − p) is left to evaluation."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) * (1.0 - self.p if self.training else 1.0)


def test_dropout_without_its_factor_loses_the_mean() -> None:
    outcome = experiments.dropout_keeps_the_mean(layer=Unscaled)
    assert outcome["mean of the outputs for ones"].verdict == "fails"


def test_noise_breaks_the_symmetry() -> None:
    class Noisy(optim.SGD):
        def update(self, group: Any, params: Any) -> None:
            rng = np.random.default_rng(0)
            for p in params:
                p.grad = p.grad + 1e-3 * rng.normal(size=p.shape)
            super().update(group, params)

    outcome = experiments.symmetry(optimizer=Noisy)
    assert outcome["largest difference of units that started equal"].verdict == "fails"


def test_another_warm_up_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    warmup = lr_scheduler.MomentumWarmup

    def longer(optimizer: Any, start: float, end: float, steps: int) -> Any:
        return warmup(optimizer, start=start, end=end, steps=2 * steps)

    monkeypatch.setattr(lr_scheduler, "MomentumWarmup", longer)
    assert not experiments.momentum_warmup().holds


def test_other_gains_are_seen() -> None:
    def slower(params: Any, lr: float) -> optim.GainSGD:
        return optim.GainSGD(params, lr=lr, increase=0.04)

    assert experiments.gains_by_hand(optimizer=slower)["gain − by hand"].verdict == "fails"
