"""``tinygrad-lecture search``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lecture.cli import main

QUICK = ["--stages", "4x2,3x3", "--executor", "serial"]


def test_stages_best_and_command_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "moons", *QUICK]) == 0
    out = capsys.readouterr().out

    assert "stage 1, 2 epochs a trial, lr in [0.0001, 1] (log), weight_decay in [1e-06, 0.1]" in out
    assert "stage 2, 3 epochs a trial" in out
    assert "best validation loss: " in out
    assert "\n  tinygrad-lecture train moons --lr " in out


def test_the_command_that_is_printed_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ranges = ["--range", "lr=0.01,0.5", "--range", "width=4,16", "--range", "batch=8,64"]
    ranges += ["--range", "momentum=0.5,0.95"]
    assert main(["search", "moons", *QUICK, *ranges, "--json"]) == 0
    command = json.loads(capsys.readouterr().out)["command"].split()
    assert main([*command[1:], "--out", str(tmp_path / "run")]) == 0
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]

    assert settings["epochs"] == 3
    assert 0.5 <= settings["momentum"] <= 0.95
    assert 4 <= settings["hidden"][0] == settings["hidden"][1] <= 16


def run_json(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    assert main(["search", "moons", *options, "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def test_json_has_all_trials_and_neither_executor_nor_journal_changes_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    document = run_json(capsys, *QUICK, "--seed", "3", "--measure", "accuracy")
    journal = str(tmp_path / "moons.jsonl")
    options = ["--stages", "4x2,3x3", "--seed", "3", "--measure", "accuracy", "--journal", journal]

    assert [len(stage["trials"]) for stage in document["stages"]] == [4, 3]
    best = document["stages"][1]["trials"]
    assert document["best"] in [trial["params"] for trial in best]
    assert run_json(capsys, *options, "--workers", "2") == document
    assert run_json(capsys, *options, "--executor", "serial") == document  # all from the journal
    assert len((tmp_path / "moons-1.jsonl").read_text().splitlines()) == 4
    assert run_json(capsys, *QUICK, "--seed", "4", "--measure", "accuracy") != document


def test_rates_that_diverge_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "digits", "--range", "lr=1e200,1e250", *QUICK]) == 2
    assert "none of the 4 trials gave a finite score: DivergenceError: the loss" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stages", "3"], "trials times epochs of each stage, as in 20x3,10x15; got '3'"),
        (["--stages", "0x3"], "trials times epochs"),
        (["--range", "lr"], "NAME=LOW,HIGH, as in lr=1e-4,1; got 'lr'"),
        (["--range", "lr=1,x"], "NAME=LOW,HIGH"),
        (["--range", "lr=1,0.1"], "a range needs finite ends, 0 < low < high; got 1.0 to 0.1"),
        (["--range", "eps=1,2"], "a search draws lr, weight_decay, momentum, batch, width; got"),
        (["--range", "batch=1.5,8"], "batch and width have integers as ends, got 1.5"),
        (["--range", "lr=1,2", "--range", "lr=1,3"], "--range lr came twice"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "moons", *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_an_unknown_data_set_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "moon", *QUICK]) == 2
    assert "unknown data set 'moon': did you mean 'moons'?" in capsys.readouterr().err
