"""Averages of predictions (L38): the claim notices ensembles that do not average."""

from __future__ import annotations

from typing import Any

from tinygrad_lecture import experiments, nn, optim
from tinygrad_lecture.train import Ensemble


def first_alone(models: Any, combine: str) -> nn.Module:
    return Ensemble(models[:1], "logit")


def test_one_net_is_no_ensemble() -> None:
    outcome = experiments.ensembles(combine=first_alone, quick=True, steps=60)
    assert outcome["MSE(mean f) − (mean MSE − mean variance)"].verdict == "fails"


def test_snapshots_of_a_net_that_stands_still_are_no_ensemble() -> None:
    class Still(optim.SGD):
        def update(self, group: Any, params: Any) -> None:
            pass

    outcome = experiments.snapshot_ensemble(optimizer=Still, total=50, quick=True)
    name = "share of seeds in which the NLL is lower than the last snapshot's"
    assert outcome[name].verdict == "fails"
