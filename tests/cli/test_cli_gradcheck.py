"""``tinygrad-lecture gradcheck``: targets, exit codes, and one line per bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.cli import main
from tinygrad_lecture.engine import TABLE

PACKAGE = Path(tg.__file__).resolve().parent

SOURCE = """
import numpy as np
import tinygrad_lecture as tg

print("imported")

def values(x):
    print("called")
    return (x * tg.sin(x)).sum()

def product(W, x):
    return W @ x

def right(x):
    return float((x**3).sum()), 3 * x**2

def wrong(x):
    return float((x**3).sum()), 2 * x**2

def sometimes(x):
    return float(x**2), 2 * x if x < 3 else x

def classify(logits, labels):
    return -tg.log_softmax(logits, axis=1)[np.arange(len(labels)), labels].sum()

def fails(x):
    raise RuntimeError("no luck")

def noisy(x):
    return x * tg.Value(np.random.default_rng().uniform())

def steps(x):
    return float(np.round(np.sin(x), 3)), np.cos(x)

def text(x):
    return "text"

class Linear:
    def __init__(self, n_out=2):
        self.W = np.arange(3.0 * n_out).reshape(n_out, 3)
        self.b = np.ones(n_out)

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

layer = Linear(4)
number = 3.0
"""

LINE = SOURCE.splitlines().index('    raise RuntimeError("no luck")') + 1


@pytest.fixture
def homework(tmp_path: Path) -> str:
    path = tmp_path / "homework.py"
    path.write_text(SOURCE)
    return str(path)


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("values", "--shape x=3", 0),
        ("values", "--shape x=3 --order 2", 0),
        ("product", "--shape W=2,3 --shape x=3", 0),
        ("right", "--at x=[1,2,-3]", 0),
        ("classify", "--shape logits=3,4 --at labels=[0,3,1] --constant labels", 0),
        ("Linear", "--shape x=4,3", 0),
        ("Linear", "--shape x=4,3 --at n_out=5", 0),
        ("layer", "--shape x=4,3", 0),
        ("Forgetful", "--shape x=4,3 --constant b", 0),
        ("wrong", "--shape x=3", 1),
        ("wrong", "", 1),
        ("Forgetful", "--shape x=4,3", 1),
        ("sometimes", "--at x=4.0", 1),
        ("noisy", "", 3),
        ("steps", "--at x=1.0", 3),
    ],
)
def test_targets_and_exit_codes(
    homework: str, name: str, options: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gradcheck", f"{homework}:{name}", *options.split()]) == code

    verdict = capsys.readouterr().out.splitlines()[0].rsplit(": ", 1)[1]
    assert (verdict == "pass") == (code == 0)
    assert (verdict == "wrong gradient") == (code == 1)


@pytest.mark.parametrize(
    ("target", "options", "code"),
    [
        ("tinygrad_lecture:relu", "--at x=0.0", 3),
        ("tinygrad_lecture:hypot", "--at x=3 --at y=4.0", 0),
        ("tinygrad_lecture.nn.manual:Tanh", "--shape x=2,3", 0),
        (
            "tinygrad_lecture.nn.manual:Linear",
            "--at in_features=3 --at out_features=2 --shape x=5,3",
            0,
        ),
    ],
)
def test_targets_in_modules(target: str, options: str, code: int) -> None:
    assert main(["gradcheck", target, *options.split()]) == code


def test_the_report_of_a_wrong_layer(homework: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["gradcheck", f"{homework}:Forgetful", "--shape", "x=4,3"])

    out = capsys.readouterr().out
    assert out.splitlines()[1].startswith("argument  shape  compared")
    assert "b         (2,)     2 of 2" in out


def test_json_is_alone_on_stdout(homework: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcheck", f"{homework}:values", "--shape", "x=2", "--json"]) == 0

    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["verdict"] == "pass"
    assert document["kind"] == "a function of Values"
    assert "imported" in captured.err
    assert "called" in captured.err


def test_json_of_a_wrong_gradient(homework: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcheck", f"{homework}:wrong", "--shape", "x=2", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "wrong gradient"
    assert document["arguments"][0]["coordinates"][0]["verdict"] == "wrong gradient"


def test_the_same_seed_prints_the_same(homework: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for seed in ("1", "1", "2"):
        main(["gradcheck", f"{homework}:wrong", "--shape", "x=3", "--seed", seed])
        printed.append(capsys.readouterr().out)

    assert printed[0] == printed[1] != printed[2]


def test_tolerances(homework: str) -> None:
    target = ["gradcheck", f"{homework}:wrong", "--at", "x=1.0"]

    assert main([*target, "--rtol", "0.5"]) == 0
    assert main([*target, "--atol", "1.5"]) == 0


def test_the_kind_can_be_said(homework: str) -> None:
    assert main(["gradcheck", f"{homework}:right", "--kind", "pair"]) == 0
    assert main(["gradcheck", f"{homework}:right", "--kind", "module"]) == 2


# ------------------------------------------------------------------ searching


def test_a_search_prints_the_smallest_failing_input(
    homework: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gradcheck", f"{homework}:sometimes", "--at", "x=1.0", "--trials", "100"]) == 1

    out = capsys.readouterr().out
    assert "smallest failing input of" in out
    assert "  x = 3.0" in out


def test_a_search_that_finds_nothing(homework: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcheck", f"{homework}:right", "--trials", "20"]) == 0
    assert "no failing input among 20 (of 20 tried" in capsys.readouterr().out


def test_a_search_as_json(homework: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcheck", f"{homework}:sometimes", "--trials", "100", "--json"]) == 1

    document = json.loads(capsys.readouterr().out)
    assert document["search"]["failed"] is True
    assert document["point"] == {"x": 3.0}


def test_a_search_over_many_numbers_names_the_seed(
    homework: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--shape", "x=100", "--trials", "3"]
    assert main(["gradcheck", f"{homework}:wrong", *options]) == 1
    assert "  (seed) = 0" in capsys.readouterr().out


# ------------------------------------------------------------------ bad input: exit code 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{}:vlaues", "homework.py has no name 'vlaues'; did you mean values?"),
        ("missing.py:f", "no file missing.py"),
        (
            "not_there.at_all:f",
            "no module called not_there; for a file, write path/to/file.py:name",
        ),
        ("nonsense", "TARGET 'nonsense' names nothing in a file: write path/to/file.py:name or"),
        ("{}:fails", f"fails raised RuntimeError: no luck (at {{}}:{LINE})"),
        ("{}:number", "number is of type float: a function, a class with forward and backward"),
        ("{}:text", "text does not take Values|returned str"),
        ("{}:product", "W, x were numbers: give shapes, as in --shape W=3,4"),
        ("{}:product --shape W=2,3 --shape x=2", "raised ValueError"),
        ("{}:right --at x='text'", "no float input to check: x came"),
        ("{}:right --constant x", "no float input to check: x came"),
        ("{}:right --constant y", "--constant: {}:right has no input y (it has x)"),
        ("{}:right --shape y=3", "--shape: {}:right has no input y (it has x)"),
        ("{}:right --shape x=3x4", "--shape x=3x4: write NAME=LENGTHS, as in --shape x=3,4"),
        ("{}:right --at x=[1,", "'[1,' is no number or list of numbers"),
        ("{}:right --at x=[[1],[2,3]]", "the rows have different lengths"),
        ("{}:right --at x=1.0 --at x=2.0", "--at gives x twice"),
        ("{}:right --at x=1.0 --shape x=3", "--shape and --at both give x: one is enough"),
        ("{}:right --order 2", "order=2 needs a function of Values"),
        ("{}:right --order 3", "invalid choice: 3"),
        ("{}:right --rtol -1", "rtol must be between 0 and 1, got -1.0"),
        ("{}:right --atol -1", "atol must not be negative, got -1.0"),
        ("{}:right --seed -1", "seed must not be negative, got -1"),
        ("{}:right --trials 0", "trials must be at least 1, got 0"),
        ("{}:right --op tanh", "--op goes with --builtin"),
        ("", "TARGET is missing: "),
        ("--builtin --op tanhh", "--op tanhh: the op table has no such row; did you mean tanh"),
        ("--builtin {}:right", "--builtin checks the op table, and goes without target"),
        ("--builtin --trials 3", "--builtin checks the op table, and goes without trials"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    homework: str, arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [a.replace("{}", homework) for a in arguments.split()]

    assert main(["gradcheck", *filled]) == 2

    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line not in ("imported", "called")]
    assert captured.out == ""
    assert len(lines) == 1
    assert lines[0].startswith("tinygrad-lecture: error: ")
    assert any(part in lines[0] for part in message.replace("{}", homework).split("|"))


def test_a_syntax_error_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.py"
    path.write_text("x = 1\ndef f(x:\n")

    assert main(["gradcheck", f"{path}:f"]) == 2
    assert f"{path}:2: syntax error: " in capsys.readouterr().err


# ------------------------------------------------------------------ the op table


def test_builtin_lists_every_op(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcheck", "--builtin"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "op", "kind", "domain", "order", "1", "order", "2", "modes", "complex", "verdict",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:-1]] == list(TABLE)
    assert all(line.endswith("  pass") for line in lines[1:-1])
    assert lines[-1] == f"{len(TABLE)} of {len(TABLE)} ops pass"


def test_builtin_of_one_op_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcheck", "--builtin", "--op", "tanh", "--json", "--order", "1"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "pass"
    assert [row["name"] for row in document["ops"]] == ["tanh"]
    assert document["ops"][0]["error_order_2"] is None


def test_builtin_with_a_wrong_op(capsys: pytest.CaptureFixture[str]) -> None:
    tg.op("wrong_op_for_the_cli", lambda x: x**3, "3.003 * x * x")
    try:
        code = main(["gradcheck", "--builtin", "--op", "wrong_op_for_the_cli"])
    finally:
        tg.remove_op("wrong_op_for_the_cli")

    out = capsys.readouterr().out
    assert code == 1
    assert "0 of 1 ops pass" in out
    assert "gradcheck wrong_op_for_the_cli: wrong gradient" in out
    assert "factor 1.001 in every coordinate" in out


# ------------------------------------------------------------------ as a process


def test_as_a_process_in_the_folder_of_the_homework(homework: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tinygrad_lecture", "gradcheck", "homework:wrong", "--json"],
        cwd=Path(homework).parent, env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert json.loads(done.stdout)["exit_code"] == 1
    assert "Traceback" not in done.stderr
