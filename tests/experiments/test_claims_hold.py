"""Every registered claim holds: quickly in each run of the tests, at full length in the slow ones."""

from __future__ import annotations

import pytest

from tinygrad_lecture.experiments import Claim, claims
from tinygrad_lecture.experiments.run import measure

CLAIMS = [c for c in claims() if c.experiment]

# Of these the quick form takes seconds as well.
HEAVY = {"no_rule_wins_everywhere", "residual_trains_150_layers", "sat_by_gradient"}


def named(one: Claim) -> str:
    return f"{one.id}-{one.name}"


def check(one: Claim, quick: bool) -> None:
    result = measure(one, quick=quick)
    assert result.verdict == "holds", f"{result.trace}{result.outcome}"


@pytest.mark.parametrize(
    "one",
    [pytest.param(c, marks=pytest.mark.slow if c.name in HEAVY else ()) for c in CLAIMS],
    ids=map(named, CLAIMS),
)
def test_quick_claim_holds(one: Claim) -> None:
    check(one, quick=True)


@pytest.mark.parametrize("one", CLAIMS, ids=named)
@pytest.mark.slow
def test_claim_holds(one: Claim) -> None:
    check(one, quick=False)
