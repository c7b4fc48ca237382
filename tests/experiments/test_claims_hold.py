"""Every registered claim holds: quickly in each run of the tests, at full length in the slow ones."""

from __future__ import annotations

import pytest

from tinygrad_lecture.experiments import Claim, claims
from tinygrad_lecture.experiments.run import measure

every = pytest.mark.parametrize(
    "one", [c for c in claims() if c.experiment], ids=lambda c: f"{c.id}-{c.name}"
)


def check(one: Claim, quick: bool) -> None:
    result = measure(one, quick=quick)
    assert result.verdict == "holds", f"{result.trace}{result.outcome}"


@every
def test_quick_claim_holds(one: Claim) -> None:
    check(one, quick=True)


@every
@pytest.mark.slow
def test_claim_holds(one: Claim) -> None:
    check(one, quick=False)
