"""The program: help, version, unknown commands, one-line errors, exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import cli

ROOT = str(Path(tg.__file__).parents[1])


def module(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tinygrad_lecture", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": ROOT, "PATH": "", "HOME": "/nonexistent"}, **options,
    )  # fmt: skip


def test_the_package_runs_as_a_module() -> None:
    done = module("--version")
    assert done.stdout.strip() == f"tinygrad-lecture {tg.__version__}"
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["gradcheck", "--help"]])
def test_help_ends_with_0_and_shows_an_example(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "usage: tinygrad-lecture" in out
    assert "exit code" in out
    if len(arguments) > 1:
        assert "examples:" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["train", "digits", "--speed", "1"], "unrecognized arguments: --speed 1"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tinygrad-lecture: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert "--help" in captured.err


def test_ctrl_c_outside_of_a_training_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_lecture.cli.train.train_classifier", interrupted)
    assert cli.main(["train", "xor"]) == 130
    assert capsys.readouterr().err == "tinygrad-lecture: interrupted\n"


def test_a_reader_that_went_away_is_no_traceback(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tinygrad_lecture", "train", "xor", "--epochs", "1",
         "--out", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": ROOT},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=120) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is Linux's")
def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tinygrad_lecture", "conventions"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "tinygrad-lecture: error: the output: No space left on device\n"


def test_too_little_memory_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["graph", "--expr", "sum(x*x)", "--shape", "x=100000000000000"]
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith("tinygrad-lecture: error: not enough memory: Unable to allocate")
    assert said.count("\n") == 1
