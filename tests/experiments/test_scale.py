"""Scale of weights (L46): the claim notices rules that do or do not depend on it."""

from __future__ import annotations

import math

import pytest

from tinygrad_lecture import experiments, optim


def test_the_ratio_of_sgd_by_theory() -> None:
    # On ½(w − 2)² with E x² = 1 the error shrinks by 1 − α a step, or by 1 − α/100.
    outcome = experiments.scale_matters()
    steps = math.log(0.01) / 2 / math.log(1 - 0.05)
    slow = math.log(0.01) / 2 / math.log(1 - 0.0005)
    assert outcome["steps of SGD, w₁x"].measured == pytest.approx(steps, abs=2)
    assert outcome["steps of SGD, (1/10) w₂x"].measured == pytest.approx(slow, abs=2)


def test_exchanged_rules_are_seen() -> None:
    outcome = experiments.scale_matters(sgd=optim.Adam, alpha=0.01)
    assert outcome["ratio of SGD"].verdict == "fails"
    assert outcome["slopes with 100 times the step size − those of w₁x"].verdict == "fails"
    outcome = experiments.scale_matters(adam=optim.SGD)
    assert outcome["ratio of Adam"].verdict == "fails"
