"""``tinygrad-lecture gradcheck``: targets, exit codes, and one line per bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinygrad_lecture.cli import main

SOURCE = """
import numpy as np
import tinygrad_lecture as tg

def values(x):
    return (x * tg.sin(x)).sum()

def wrong(x):
    return float((x**3).sum()), 2 * x**2

def fails(x):
    raise RuntimeError("no luck")

class Linear:
    def __init__(self):
        self.W = np.arange(6.0).reshape(2, 3)
        self.b = np.ones(2)

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, g):
        self.dW = g.T @ self.x
        self.db = g.sum(0)
        return g @ self.W

class Forgetful(Linear):
    def backward(self, g):
        super().backward(g)
        self.db = g[0]
        return g @ self.W
"""


@pytest.fixture
def homework(tmp_path: Path) -> str:
    path = tmp_path / "homework.py"
    path.write_text(SOURCE)
    return str(path)


@pytest.mark.parametrize(
    ("name", "shape", "code"),
    [("values", "x=3", 0), ("wrong", "x=3", 1), ("Linear", "x=4,3", 0), ("Forgetful", "x=4,3", 1)],
)
def test_targets_and_exit_codes(
    homework: str, name: str, shape: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gradcheck", f"{homework}:{name}", "--shape", shape]) == code
    assert ("pass" if code == 0 else "wrong gradient") in capsys.readouterr().out


def test_json(homework: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcheck", f"{homework}:wrong", "--shape", "x=2", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "wrong gradient"


def test_a_kink_is_inconclusive() -> None:
    assert main(["gradcheck", "tinygrad_lecture:relu", "--at", "x=0.0"]) == 3


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{}:vlaues", "vlaues"),
        ("missing.py:f", "missing.py"),
        ("{}:fails", "no luck"),
        ("nonsense", "nonsense"),
    ],
)
def test_bad_targets_get_one_line(
    homework: str, target: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gradcheck", target.format(homework)]) == 2

    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_syntax_error_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.py"
    path.write_text("def f(x:\n")

    assert main(["gradcheck", f"{path}:f"]) == 2
    assert "broken.py" in capsys.readouterr().err


def test_builtin_lists_an_op(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcheck", "--builtin", "--op", "tanh"]) == 0
    assert "tanh" in capsys.readouterr().out
