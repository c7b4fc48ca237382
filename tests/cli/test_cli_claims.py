"""``tinygrad-lecture claims``."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tinygrad_lecture import experiments
from tinygrad_lecture.cli import main
from tinygrad_lecture.experiments import Check, Outcome, below, registry


def scratch_fails(*, quick: bool = False, seed: int = 0) -> Outcome:
    return Outcome([Check("loss", [0.5, 2.0], below(1.0), reference=0.7)], notes=("a note",))


def scratch_raises(*, quick: bool = False, seed: int = 0) -> Outcome:
    raise RuntimeError("nothing to see")


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_CLAIMS", dict(registry._CLAIMS))
    experiments.claim("L98", "a claim that fails")(scratch_fails)
    experiments.claim("L99", "a claim that raises")(scratch_raises)


def test_the_table_has_claim_measured_threshold_and_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["claims", "L20", "--quick", "--executor", "serial"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "claim", "measured", "reference", "threshold", "verdict"]
    assert lines[1].startswith("L20  with a constant α")
    assert lines[1].endswith("holds")
    ratio = next(line for line in lines if "floor at α = 0.1 over" in line)
    assert "in [9.423, 11.52]" in ratio
    assert lines[-1].startswith("2 claims, all hold")


@pytest.mark.usefixtures("scratch")
def test_a_claim_that_fails_or_raises_is_exit_1_and_stops_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        main(["claims", "L98", "l99", "sgd_without_noise", "--quick", "--executor", "serial"]) == 1
    )
    out = capsys.readouterr().out
    assert "RuntimeError: nothing to see" in out
    assert "0.5 … 2 (2)" in out
    assert "3 claims, 2 fail: scratch_fails, scratch_raises (" in out


@pytest.mark.usefixtures("scratch")
def test_json_has_everything_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--json", "--quick", "--executor", "serial", "--seed", "3"]
    assert main(["claims", "L98", "L99", "sgd_without_noise", *options]) == 1
    document: Any = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert {key: document[key] for key in ("verdict", "quick", "seed")} == {
        "verdict": "fails", "quick": True, "seed": 3,
    }  # fmt: skip
    good, fails, raises = document["claims"]
    assert set(good) == set(fails) == set(raises)
    assert (good["id"], good["name"], good["verdict"]) == ("L20", "sgd_without_noise", "holds")
    assert good["seconds"] >= 0
    assert fails["checks"] == [
        {
            "name": "loss", "measured": [0.5, 2.0], "reference": 0.7, "verdict": "fails",
            "threshold": {"relation": "<", "value": 1.0},
        }
    ]  # fmt: skip
    assert fails["notes"] == ["a note"]
    assert (raises["verdict"], raises["error"]) == ("error", "RuntimeError: nothing to see")


def document(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    assert main(["claims", "L20", "L25", "--quick", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    for one in found["claims"]:
        del one["seconds"]
    return found


@pytest.mark.parametrize(
    "options", ["--executor threads", "--workers 1", "--workers 2", "--executor dask --workers 2"]
)
def test_where_claims_run_changes_nothing(options: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "dask" in options:
        pytest.importorskip("distributed")
    serial = document(capsys, "--executor", "serial")
    assert document(capsys, *options.split()) == serial


def test_dask_is_an_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["claims", "L20", "--quick", "--executor", "dask"]) == 2
    assert 'pip install "tinygrad_lecture[distributed]"' in capsys.readouterr().err


def test_a_cluster_that_is_not_there_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    assert main(["claims", "L20", "--quick", "--executor", "dask:nowhere"]) == 2
    assert capsys.readouterr().err.startswith("tinygrad-lecture: error: --executor dask:nowhere: ")


def test_the_list_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(experiments.claims())
    assert main(["claims", "L20", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["sgd_noise_floor", "sgd_without_noise"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["L2O"], "there is no claim 'L2O'; the nearest are L20"),
        (["L20", "--workers", "0"], "a number of workers of at least 1, got '0'"),
        (
            ["L20", "--executor", "clouds"],
            "processes, serial, threads, dask or dask:ADDRESS, got 'clouds'",
        ),
        (
            ["L20", "--executor", "dask:"],
            "processes, serial, threads, dask or dask:ADDRESS, got 'dask:'",
        ),
        (["L20", "--executor", "threads:2"], "dask or dask:ADDRESS, got 'threads:2'"),
        (["L20", "--seed", "-1"], "--seed must be at least 0, got -1"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claims", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
