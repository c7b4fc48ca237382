"""Averages of predictions (L38): the claim notices ensembles that do not average."""

from __future__ import annotations

from typing import Any

from tinygrad_lecture import experiments, nn
from tinygrad_lecture.train import Ensemble


def first_alone(models: Any, combine: str) -> nn.Module:
    return Ensemble(models[:1], "logit")


def test_one_net_is_no_ensemble() -> None:
    outcome = experiments.ensembles(combine=first_alone, quick=True, steps=60)
    assert outcome["MSE(mean f) − (mean MSE − mean variance)"].verdict == "fails"
