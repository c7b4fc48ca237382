"""The registry: every id of the lecture from L01 to L70 is there, names are unique and found."""

from __future__ import annotations

import inspect

import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import experiments
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.experiments import Check, Outcome, above, claim, no_claim, registry


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test register claims that are gone after it."""
    monkeypatch.setattr(registry, "_CLAIMS", dict(registry._CLAIMS))


def test_every_id_from_l01_to_l70_is_registered() -> None:
    here = {c.id for c in experiments.claims()}
    assert {f"L{i:02d}" for i in range(1, 71)} <= here


def test_claims_are_in_the_order_of_the_lecture_and_say_what_they_claim() -> None:
    every = experiments.claims()
    assert [c.id for c in every] == sorted(c.id for c in every)
    for c in every:
        assert c.statement
        assert "\n" not in c.statement
        assert len(c.statement) <= 120, c
        assert (c.experiment is None) == bool(c.reason), c


@pytest.mark.parametrize(
    "one", [c for c in experiments.claims() if c.experiment], ids=lambda c: f"{c.id}-{c.name}"
)
def test_experiments_are_public_documented_and_take_keywords_alone(one: registry.Claim) -> None:
    assert one.experiment is not None
    assert getattr(tg.experiments, one.name) is one.experiment
    assert (inspect.getdoc(one.experiment) or "").count("\n") > 3
    parameters = inspect.signature(one.experiment).parameters
    assert {p.kind for p in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert all(p.default is not inspect.Parameter.empty for p in parameters.values())
    assert (parameters["quick"].default, parameters["seed"].default) == (False, 0)


def test_names_are_ids_in_any_case_or_experiments() -> None:
    names = ["sgd_noise_floor", "sgd_without_noise"]
    assert [c.name for c in experiments.claims(["l20"])] == names
    assert [c.name for c in experiments.claims(reversed(names))] == names
    assert experiments.claims([]) == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("L2", "L20"), ("l200", "L20"), ("sgd_noise_flor", "sgd_noise_floor"), ("", "L01, L02, L03")],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(
        UsageError, match=rf"there is no claim {name!r}; the nearest are .*{nearest}"
    ):
        experiments.claims([name])


@pytest.mark.usefixtures("scratch")
def test_claims_register_once_and_with_an_id() -> None:
    @claim("L99", "one is above zero")
    def one_is_above_zero(*, quick: bool = False, seed: int = 0) -> Outcome:
        return Outcome([Check("one", 1.0, above(0.0))])

    no_claim("L98", "all is well", reason="nothing to measure")
    assert [(c.name, c.reason) for c in experiments.claims(["L98", "L99"])] == [
        ("L98", "nothing to measure"),
        ("one_is_above_zero", ""),
    ]
    with pytest.raises(UsageError, match=r"'one_is_above_zero' is registered already, .* of L99"):
        claim("L97", "again")(one_is_above_zero)
    with pytest.raises(UsageError, match=r"a claim's id is L and two digits \(L07\), got 'X1'"):
        no_claim("X1", "", reason="none")
