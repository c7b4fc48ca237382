"""``tinygrad-lecture graph``: pictures of formulas and of what is in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinygrad_lecture.cli import main

SOURCE = """
import tinygrad_lecture as tg

print("imported")
VALUE = tg.Value(2.0, name="kept") * 3.0
NET = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=0), tg.nn.Tanh(), tg.nn.Linear(3, 1, rng=1))
SCALARS = tg.nn.MLP(2, [3, 1], rng=0)
NUMBER = 3

class Scale(tg.nn.Module):
    def __init__(self, factor):
        self.factor = tg.nn.Parameter(float(factor))

    def forward(self, x):
        return self.factor * x

def loss(W, x, power=2):
    hidden = tg.tanh(W @ x)
    return (hidden**power).sum()

def classify(logits, labels):
    return tg.softmax_cross_entropy(logits, labels).sum()

def fails(x):
    raise RuntimeError("no luck")

@tg.compile
def fast(w, x):
    return tg.tanh(w * x)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with homework, and no dot on the PATH."""
    (tmp_path / "homework.py").write_text(SOURCE)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    return tmp_path


NEURON = ["graph", "--expr", "tanh(w*x+b)", "--at", "w=2,x=1,b=0"]


@pytest.mark.parametrize(
    ("file", "start"),
    [
        ("neuron.svg", b"<?xml"),
        ("neuron.png", b"\x89PNG"),
        ("neuron.dot", b"digraph"),
        ("neuron.html", b"<!DOCTYPE"),
        ("neuron.json", b"{"),
    ],
)
def test_the_readmes_command_writes_each_kind_of_file_without_a_dot(
    home: Path, capsys: pytest.CaptureFixture[str], file: str, start: bytes
) -> None:
    assert main([*NEURON, "--out", file]) == 0
    assert (home / file).read_bytes().startswith(start)
    assert capsys.readouterr().out == f"wrote {file}: 6 nodes\n"


def test_a_network_of_single_numbers_takes_a_list(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--constant", "x"]):
        assert main(["graph", "homework.py:SCALARS", "--at", "x=[1.0, -2.0]", *more]) == 0
    first, second = capsys.readouterr().out.split("forward and backward pass of MLP")[1:]
    assert "x[0]" in first
    assert "x[1]" in first
    assert "x[0]" not in second


def test_constants_have_no_derivative(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--at", "W=[[1.0, 2.0]],x=[3.0, 4.0]"]
    assert main(["graph", "homework.py:loss", *at, "--constant", "x", "--json"]) == 0
    nodes = json.loads(capsys.readouterr().out)["nodes"]
    assert [node["label"] for node in nodes if node["kind"] == "input"] == ["W"]


def test_a_value_is_not_named_by_variables_of_the_package(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["graph", "homework.py:VALUE"]) == 0
    assert "thing" not in capsys.readouterr().out


def test_without_a_file_the_nodes_are_printed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(NEURON) == 0
    assert capsys.readouterr().out.splitlines() == [
        "forward and backward pass of tanh(w*x+b)",
        "node  formula   value  derivative",
        "w     input     2      0.07065",
        "x     input     1      0.1413",
        "b     input     0      0.07065",
        "v3    w · x     2      0.07065",
        "v4    v3 + b    2      0.07065",
        "v5    tanh(v4)  0.964  1",
    ]


def test_lists_and_several_options(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", "--expr", "sum(x*y)", "--at", "x=[1, 2],y=[3,4]", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["nodes"][-1]["primal"] == 11.0
    assert document["nodes"][0]["adjoint"] == [3.0, 4.0]
    assert (
        main(["graph", "--expr", "x*x", "--at", "x=3", "--passes", "forward", "--digits", "2"]) == 0
    )
    assert "derivative" not in capsys.readouterr().out


def test_a_function_in_a_file_is_drawn_with_drawn_inputs(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["graph", "homework.py:loss", "--shape", "W=2,3", "--at", "x=[1,2,3]", "--json"]
    assert main(command) == 0
    first = capsys.readouterr()
    assert "imported" in first.err
    nodes = {n["label"]: n for n in json.loads(first.out)["nodes"]}
    assert nodes["W"]["shape"] == [2, 3]
    assert nodes["x"]["primal"] == [1.0, 2.0, 3.0]
    assert nodes["hidden"]["formula"] == "tanh(v2)"
    assert main(command) == 0
    assert capsys.readouterr().out == first.out  # the same seed
    assert main([*command, "--seed", "1"]) == 0
    assert capsys.readouterr().out != first.out


def test_constants_stay_labels(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "graph",
        "homework.py:classify",
        "--shape",
        "logits=2,3",
        "--at",
        "labels=[0,2]",
        "--constant",
        "labels",
    ]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["nodes"][0]["label"] == "logits"


def test_models_values_and_compiled_functions_are_drawn(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["graph", "homework.py:NET", "--shape", "x=5,2", "--depth", "1"]) == 0
    assert "2: Linear" in capsys.readouterr().out
    assert main(["graph", "homework.py:Scale", "--at", "factor=3,x=2"]) == 0
    assert "factor · x" in capsys.readouterr().out
    assert main(["graph", "homework.py:VALUE", "--focus", "kept", "--radius", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("kept")
    assert main(["graph", "homework.py:fast", "--at", "w=2,x=1"]) == 0
    assert "tanh(r" in capsys.readouterr().out
    assert main(["graph", "math:sqrt", "--at", "x=2"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of TARGET (path/to/file.py:name or package.module:name) and --expr is needed"),
        (["homework.py:loss", "--expr", "x"], "one of TARGET"),
        (["--expr", "tanh(w*x+b)", "--at", "w=2"], "needs a value for x, b: write --at x=1,b=1"),
        (["--expr", "tanh(w*x+"], "column 10: a variable, a number, a function"),
        (["--expr", ""], "column 1: a variable, a number, a function"),
        (["--expr", "x", "--at", "x=1,y=2"], "there is no input y; inputs are: x"),
        (["--expr", "x", "--at", "x=1", "--at", "x=2"], "--at gives x twice"),
        (
            ["--expr", "x", "--at", "x=1", "--shape", "x=2"],
            "x has a value by --at and a shape by --shape",
        ),
        (
            ["--expr", "x*x", "--at", "x=1", "--out", "a.gif"],
            "a.gif: the ending must be one of .svg",
        ),
        (
            ["--expr", "x*x", "--at", "x=1", "--out", "no/a.dot"],
            "cannot write no/a.dot: No such file",
        ),
        (["--expr", "x*x", "--at", "x=1", "--depth", "1"], "depth goes by calls of modules"),
        (["--expr", "x*x", "--at", "x=1", "--theme", "sepia"], "invalid choice: 'sepia'"),
        (["--expr", "1+2"], "1+2 returned no Value"),
        (["homework.py:los"], "homework.py has no name 'los'; did you mean loss or fails?"),
        (
            ["homework.py:NUMBER"],
            "homework.py:NUMBER is int: a function, a module, a Value or a Tape",
        ),
        (["homework.py:fails", "--at", "x=1"], "homework.py:fails raised RuntimeError: no luck"),
        (["homework.py:loss", "--seed", "-1"], "--seed must not be negative, got -1"),
        (
            ["--expr", "x*x", "--at", "x=1", "--step-through", "--out", "a.svg"],
            "--out a.svg: steps are a page, so the ending must be .html",
        ),
        (
            ["--expr", "x*x", "--at", "x=1", "--step-through", "--depth", "1"],
            "--depth goes without --step-through: steps show all entries",
        ),
        (
            ["--expr", "x*x", "--at", "x=1", "--step-through", "--color", "level"],
            "--color goes without --step-through",
        ),
        (
            ["--expr", "x*x", "--at", "x=1", "--step-through", "--limit", "1"],
            "2 entries are more than limit=1 to step through",
        ),
        (
            ["--expr", "x*x", "--at", "x=[1,2]", "--step-through"],
            "the backward pass starts at one number, and an array of shape (2,) came",
        ),
    ],
)
def test_bad_input_is_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["graph", *arguments]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line != "imported"]
    assert len(told) == 1
    assert message in told[0]


def test_without_any_renderer_the_error_says_what_to_install(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(home))
    assert main([*NEURON, "--out", "neuron.svg"]) == 2
    assert 'pip install "tinygrad_lecture[viz]"' in capsys.readouterr().err
    assert not (home / "neuron.svg").exists()
    assert main([*NEURON, "--out", "neuron.dot"]) == 0


def test_steps_are_printed_or_become_a_page(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*NEURON, "--step-through"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "step by step: tanh(w*x+b)"
    assert lines[4] == (
        " 4  forward   formula v3 = w · x = numbers put in 2 · 1 = value 2; "
        "local derivative ∂v3/∂w: 1; local derivative ∂v3/∂x: 2"
    )
    assert lines[8] == (
        " 8  backward  incoming adjoint ∂v5/∂v5: 1 × local derivative ∂v5/∂v4: 0.07065 = "
        "contribution 0.07065; sum before 0 + contribution 0.07065 = "
        "sum, complete ∂v5/∂v4: 0.07065"
    )
    assert main([*NEURON, "--step-through", "--theme", "dark", "--out", "steps.html"]) == 0
    assert capsys.readouterr().out == "wrote steps.html: 12 steps\n"
    page = (home / "steps.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<svg" in page
    assert main([*NEURON, "--step-through", "--json", "--digits", "2"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["head"] for row in document["rows"]][3:] == [
        "v3 = w · x",
        "v4 = v3 + b",
        "v5 = tanh(v4)",
    ]
    assert len(document["frames"]) == 12


def test_without_any_renderer_steps_are_a_page_with_the_table(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(home))
    assert main([*NEURON, "--step-through", "--out", "steps.html"]) == 0
    told = capsys.readouterr()
    assert told.out == "wrote steps.html: 12 steps\n"
    assert told.err.startswith("steps.html has the table alone: a picture needs the program dot")
    page = (home / "steps.html").read_text(encoding="utf-8")
    assert "<svg" not in page
    assert "tinygrad_lecture[viz]" in page
