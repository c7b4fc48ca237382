"""Exercises as nbgrader assignments: generated, handed in, graded, and the scores in the gradebook."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from wrong_solutions import WRONG, solution, wrong_source

import tinygrad_lecture as tg
from tinygrad_lecture import teach
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.teach import EXERCISES

SOLVED = {
    "right": solution("tanh"),
    "wrong": wrong_source("tanh", WRONG["tanh"][1]),
    "loop": solution("tanh").replace("return grad_output", "while True: pass\n        return 0"),
    "syntax": "class Tanh(:",
}


def code(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


@pytest.mark.parametrize("name", EXERCISES)
def test_the_notebook_of_an_exercise(name: str) -> None:
    text, place, check = teach.assignment(name, points=4)["cells"]

    assert EXERCISES[name].statement.strip() in code(text)
    stub = EXERCISES[name].stub
    assert code(place).count("### BEGIN SOLUTION") == stub.count("    ...\n") > 0
    exec(code(place), {})
    assert check["metadata"]["nbgrader"]["points"] == 4
    assert code(check).splitlines()[-1].startswith("report.score(4)")
    assert [c["metadata"]["nbgrader"]["locked"] for c in (text, place, check)] == [
        True,
        False,
        True,
    ]


def test_the_notebooks_are_valid() -> None:
    nbformat = pytest.importorskip("nbformat")

    for name in EXERCISES:
        nbformat.validate(nbformat.from_dict(teach.assignment(name)))


def test_bad_arguments() -> None:
    with pytest.raises(UsageError, match="no exercise 'tan'"):
        teach.assignment("tan")
    with pytest.raises(UsageError, match="points must be positive, got 0"):
        teach.assignment("tanh", points=0)


def edited(notebook: dict[str, Any], solved: str) -> str:
    """A notebook with another solution cell."""
    text, place, check = notebook["cells"]
    return json.dumps(notebook | {"cells": [text, place | {"source": solved}, check]})


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("nbgrader") is None, reason="needs nbgrader (extra grading)"
)
def test_an_assignment_from_the_teacher_to_the_gradebook(tmp_path: Path) -> None:
    def nbgrader(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments, "--log-level=INFO"], cwd=tmp_path,
            env=os.environ
            | {"PYTHONPATH": str(Path(tg.__file__).parents[1])}
            # nbgrader calls alembic as a program.
            | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stderr

    source = tmp_path / "source" / "lecture" / "tanh.ipynb"
    source.parent.mkdir(parents=True)
    inside = f"### BEGIN SOLUTION\n{SOLVED['right']}\n### END SOLUTION"
    source.write_text(edited(teach.assignment("tanh", points=5), inside))
    nbgrader("generate_assignment", "lecture", "--create")

    released = json.loads((tmp_path / "release" / "lecture" / "tanh.ipynb").read_text())
    assert "YOUR CODE HERE" in code(released["cells"][1])
    assert "np.tanh" not in json.dumps(released)
    for student, solved in SOLVED.items():
        handed_in = tmp_path / "submitted" / student / "lecture" / "tanh.ipynb"
        handed_in.parent.mkdir(parents=True)
        handed_in.write_text(edited(released, solved))
    unchanged = tmp_path / "submitted" / "unchanged" / "lecture" / "tanh.ipynb"
    unchanged.parent.mkdir(parents=True)
    unchanged.write_text(json.dumps(released))
    nbgrader("autograde", "lecture", "--create")
    nbgrader("export")

    with (tmp_path / "grades.csv").open() as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    # Of 10 points in the exercise, 5 in the assignment.
    assert scores == {"right": 5.0, "wrong": 2.5, "loop": 1.75, "syntax": 0.0, "unchanged": 0.0}
    graded = (tmp_path / "autograded" / "wrong" / "lecture" / "tanh.ipynb").read_text()
    assert "1 \\u2212 y: the square is missing" in graded or "1 − y: the square" in graded
