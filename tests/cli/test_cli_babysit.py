"""``tinygrad-lecture babysit``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import data
from tinygrad_lecture.cli import main

QUICK = ["--trials", "3", "--epochs", "5", "--executor", "serial"]


def test_the_list_is_walked_and_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["babysit", "digits", *QUICK]) == 0
    out = capsys.readouterr().out

    assert "ok      inputs: mean" in out
    assert "warning initial loss: 2.691, and ln 10 = 2.303: make the weights of the last" in out
    assert "ok      regularization: the loss rises with it" in out
    assert "20 examples: accuracy 1" in out
    assert "learning rate: too low: 1e-06" in out
    assert "of 3 trials of " in out
    assert "‖ΔW‖/‖W‖ per step is" in out
    assert out.endswith("\nno check failed\n")


def test_json_is_one_object_and_a_failed_check_is_exit_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["babysit", "xor", "--hidden", "none", *QUICK, "--json"]) == 1
    document: Any = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)

    assert document["verdict"] == "failed"
    assert [f["check"] for f in document["findings"] if f["verdict"] == "failed"] == [
        "overfit a tiny subset", "learning rate",
    ]  # fmt: skip
    assert main(["babysit", "xor", "--hidden", "none", *QUICK]) == 1
    assert "2 of 5 checks failed" in capsys.readouterr().out


def test_shuffled_labels_cannot_be_generalized_and_the_gap_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for part, n in (("train", 200), ("t10k", 50)):
        images = rng.integers(256, size=(n, 8, 8)).astype(np.uint8)
        data.write_idx(tmp_path / f"{part}-images-idx3-ubyte", images)
        labels = np.arange(n, dtype=np.uint8) % 3
        data.write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels)
    assert main(["babysit", str(tmp_path), *QUICK, "--epochs", "30", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    gap = document["findings"][-1]

    assert gap["check"] == "gap"
    assert gap["verdict"] == "warning"
    assert "overfitting" in gap["text"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["moons", "--trials", "0"], "--trials must be at least 1, got 0"),
        (["moons", "--momentum", "1"], "momentum must be at least 0 and below 1; got 1.0"),
        (["moon"], "did you mean 'moons'?"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["babysit", *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
