"""Monitoring (L41, L42): claims notice numbers that are wrong, and models that are not those saved."""

from __future__ import annotations

from typing import Any

import pytest

from tinygrad_lecture import experiments, train


def test_wrong_numbers_are_seen() -> None:
    def wrong(*args: Any) -> Any:
        rows = train.look(*args)
        return [{**row, "act_std": 1.001 * row["act_std"], "dead_fraction": 0.0} for row in rows]

    outcome = experiments.monitor_sees_layers(look=wrong)
    assert outcome["monitored numbers − by hand"].verdict == "fails"
    assert outcome["dead fraction, biases of −10"].verdict == "fails"


def test_a_monitor_that_touches_the_weights_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Touching(train.Monitor):
        def on_step(self, run: train.Run) -> None:
            super().on_step(run)
            for p in run.model.parameters():
                p.data = p.data * (1 + 1e-15)

    monkeypatch.setattr(train, "Monitor", Touching)
    outcome = experiments.monitor_sees_layers()
    assert outcome["weights that monitoring changed, eagerly and compiled"].verdict == "fails"


def test_the_model_at_hand_in_the_place_of_saved_ones_is_seen() -> None:
    def lazy(folder: Any, functions: Any, model: Any) -> Any:
        rows = train.analyze(folder, functions, model)
        return [{name: f(model) for name, f in functions.items()} for _ in rows]

    outcome = experiments.offline_equals_online(analyze=lazy)
    assert outcome["measured afterwards − while training"].verdict == "fails"
