"""The commands `logic` and `sat`: output, exit codes, errors of one line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lecture.cli import main
from tinygrad_lecture.logic import CNF, BooleanFunction


def write(cnf: CNF, folder: Path) -> str:
    path = folder / "formula.cnf"
    cnf.write(path)
    return str(path)


def values(out: str) -> list[int]:
    numbers = [int(x) for line in out.splitlines() if line[:2] == "v " for x in line[2:].split()]
    assert numbers[-1] == 0
    return numbers[:-1]


@pytest.mark.parametrize("method", ["dpll", "gradient", "pysat"])
def test_a_planted_formula_is_satisfied(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if method == "pysat":
        pytest.importorskip("pysat")
    cnf = CNF.random_ksat(30, 90, seed=3, planted=True)
    assert main(["sat", write(cnf, tmp_path), "--method", method]) == 10
    out = capsys.readouterr().out
    assert "s SATISFIABLE" in out.splitlines()
    literals = values(out)
    assert sorted(map(abs, literals)) == list(range(1, 31))
    assert cnf.violated([literal > 0 for literal in literals]) == 0
    assert all(line[0] in "csv" and len(line) <= 80 for line in out.splitlines())


def test_an_unsatisfiable_formula(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(CNF.pigeonhole(3), tmp_path)
    assert main(["sat", path]) == 20
    assert "s UNSATISFIABLE" in capsys.readouterr().out
    assert main(["sat", path, "--method", "gradient", "--restarts", "2"]) == 0
    assert "s UNKNOWN" in capsys.readouterr().out
    assert main(["sat", path, "--limit", "0"]) == 0
    assert "s UNKNOWN" in capsys.readouterr().out


def test_where_the_gradient_method_runs_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(CNF.random_ksat(25, 90, seed=0, planted=True), tmp_path)
    outs = []
    for where in ("serial", "threads"):
        assert main(["sat", path, "--method", "gradient", "--executor", where]) == 10
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]


def test_standard_input_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stdin:
        buffer = io.BytesIO(b"c two clauses\np cnf 2 2\n1 -2 0\n2 0\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert main(["sat", "-", "--json"]) == 10
    report = json.loads(capsys.readouterr().out)
    assert report["status"] == "SATISFIABLE"
    assert report["assignment"] == [1, 2]
    assert (report["variables"], report["clauses"], report["method"]) == (2, 2, "dpll")
    monkeypatch.setattr(Stdin, "buffer", io.BytesIO(b"p cnf 2 1\n1 x 0\n"))
    assert main(["sat", "-"]) == 2
    assert "error: standard input: line 2: a literal is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sat", "nowhere.cnf"], "nowhere.cnf: cannot be read"),
        (["sat", "FILE", "--method", "magic"], "magic"),
        (["sat", "FILE", "--method", "gradient", "--restarts", "0"], "restarts"),
        (["sat", "FILE", "--limit", "-1"], "--limit"),
        (["sat", "FILE", "--workers", "0"], "at least 1"),
        (["logic", "a & (b |"], "column 9"),
        (["logic", "011"], "2, 4, 8"),
        (["logic", "a", "--seed", "-1"], "--seed"),
        (["logic", "a", "--dnf", "--cnf"], "not allowed with"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.cnf").write_text("p cnf 1 1\n1 0\n")
    arguments = [str(tmp_path / "good.cnf") if a == "FILE" else a for a in arguments]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err


def test_a_damaged_file_is_named_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.cnf"
    path.write_text("p cnf 2 1\n1 3 0\n")
    assert main(["sat", str(path)]) == 2
    assert "line 2" in capsys.readouterr().err


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["logic", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_xor_needs_a_hidden_layer(capsys: pytest.CaptureFixture[str]) -> None:
    report = told(capsys, "(a | b) & ~(a & b)")
    assert report["table"] == "0110"
    assert report["single_neuron"] is None
    assert sorted(report["conflict"]) == ["0", "1", "2", "3"]
    assert report["hidden_units"] == 2
    assert main(["logic", "0110"]) == 0
    assert "one neuron cannot do it: 01 + 10 (y = 1) and 00 + 11 (y = 0)" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["--dnf", "--cnf"])
@pytest.mark.parametrize("text", ["a & (b | c)", "a ^ b ^ c", "0", "~a"])
def test_formulas_are_the_function(
    form: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "0000" if text == "0" else text
    report = told(capsys, text, form, "--minimize")
    again = BooleanFunction.from_expression(report["formula"], report["names"])
    assert "".join(map(str, again.y.tolist())) == report["table"]


def test_one_neuron_that_can_do_it_is_right_on_all_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = told(capsys, "a & (b | c)")
    neuron = report["single_neuron"]
    f = BooleanFunction.of("a & (b | c)")
    sums = f.X @ neuron["weights"] + neuron["bias"]
    assert ((sums >= 0) == f.table).all()


def test_training_repairs_the_network(capsys: pytest.CaptureFixture[str]) -> None:
    report = told(capsys, "a ^ b", "--train")
    training = report["training"]
    assert training["wrong_rows"] == 0
    assert training["loss"] < training["loss_before"]
    assert main(["logic", "a ^ b", "--train"]) == 0
    assert "0 of 4 rows wrong" in capsys.readouterr().out


def test_long_tables_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logic", "a & b & c & d & e & f & g"]) == 0
    assert "… 64 more rows" in capsys.readouterr().out


def test_the_network_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("graphviz")
    file = tmp_path / "xor.dot"
    assert main(["logic", "left ^ right", "--draw", str(file)]) == 0
    assert capsys.readouterr().out.endswith(f"wrote {file}\n")
    text = file.read_text()
    assert text.count("headlabel") == 6  # connections
    for part in ('label="left"', 'label="right"', '="+1"', '="-1"', 'label="-0.5"'):
        assert part in text
    monkeypatch.setenv("PATH", "")
    assert main(["logic", "a ^ b", "--draw", str(tmp_path / "xor.png")]) == 0  # by the port
    assert (tmp_path / "xor.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    for name, words in (("xor.svg", "needs the program dot"), ("xor.txt", "ending must be")):
        assert main(["logic", "a ^ b", "--draw", str(tmp_path / name)]) == 2
        assert words in capsys.readouterr().err
    assert main(["logic", "a", "--draw", str(tmp_path / "no" / "x.dot")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_many_inputs_are_not_decided(capsys: pytest.CaptureFixture[str]) -> None:
    text = " & ".join("abcdefghijkl")
    assert told(capsys, text)["separable"] is None
    assert main(["logic", text]) == 0
    assert "decided up to 10 inputs only" in capsys.readouterr().out
    assert told(capsys, "a & b")["separable"] is True
    assert told(capsys, "a ^ b")["separable"] is False
