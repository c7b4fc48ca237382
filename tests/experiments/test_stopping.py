"""Checkpoints and early stopping (L42, L43): claims notice what is not saved or not kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import experiments, optim, train
from tinygrad_lecture.experiments.stopping import _different


class Forgetful(optim.Adam):
    """Adam whose state is not saved."""

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "state": {}}


def test_an_optimizer_that_forgets_is_seen() -> None:
    outcome = experiments.resume_is_exact(optimizer=Forgetful)
    assert outcome["parts of the state that differ, eagerly and compiled"].verdict == "fails"


def test_one_bit_is_a_difference() -> None:
    a = {"x": [np.ones(3), 2.0], "y": "text"}
    assert _different(a, {"x": [np.ones(3), 2.0], "y": "text"}) == 0
    assert _different(a, {"x": [np.ones(3), np.nextafter(2.0, 3.0)], "y": "other"}) == 2
    assert _different(a, {"x": [np.ones(3)], "z": "text"}) == 1
    assert _different(a["x"], [np.ones(3)]) == 1


def test_the_last_weights_are_not_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = train.fit

    def keeps_last(model: Any, *args: Any, callbacks: Any, **settings: Any) -> train.Run:
        run = fit(model, *args, callbacks=callbacks, **settings)
        model.load_state_dict(callbacks[0].state)
        return run

    monkeypatch.setattr(train, "fit", keeps_last)
    outcome = experiments.early_stopping(quick=True, seeds=1, steps=1500)
    name = "share of seeds with a best test NLL of at most 0.6 times the last"
    assert outcome[name].verdict == "fails"
    assert outcome["the weights are those of the lowest validation loss"].verdict == "fails"


class EveryGain(train.Patience):
    """Patience that takes any gain for a significant one."""

    def __init__(self, initial: int) -> None:
        super().__init__(initial, threshold=1.0)


class Tripled(train.Patience):
    def __init__(self, initial: int) -> None:
        super().__init__(initial, increase=3.0)


@pytest.mark.parametrize(
    ("patience", "check"),
    [
        (EveryGain, "stops at, gains of 0.1 % at 100 to 103"),
        (Tripled, "stops at, a significant gain at 150"),
    ],
)
def test_another_patience_is_seen(patience: Any, check: str) -> None:
    outcome = experiments.patience_rule(patience=patience, seeds=1, steps=100)
    assert outcome[check].verdict == "fails"
