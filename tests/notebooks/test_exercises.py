"""Exercises of the notebooks: unsolved they say so, and with the solutions all are right."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lecture import teach

COURSE = teach.lessons()[0].path.parent
SOLUTIONS = Path(__file__).parent / "solutions"
NAMES = sorted(path.stem for path in SOLUTIONS.glob("*.txt"))


def code_of(name: str) -> dict[str, str]:
    """Return the sources of the code cells of a notebook by their ids."""
    notebook = json.loads((COURSE / f"{name}.ipynb").read_text(encoding="utf-8"))
    return {
        cell["id"]: "".join(cell["source"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    }


def solutions_of(name: str) -> dict[str, str]:
    """Return what a file of solutions has for each cell: ``# %% cell-id``, then its code."""
    text = (SOLUTIONS / f"{name}.txt").read_text(encoding="utf-8")
    parts = re.split(r"^# %% (\S+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def defined(statement: ast.stmt) -> str:
    """Return the name that a statement gives a meaning to, or nothing."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return statement.name
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return ""


def solved(source: str, solution: str) -> str:
    """Return a cell in which the solution's statements stand where those of their names stood."""
    answers = {defined(statement): statement for statement in ast.parse(solution).body}
    cell = ast.parse(source)
    used = {defined(statement) for statement in cell.body} & set(answers)
    assert used == set(answers), f"the cell lacks {set(answers) - used}"
    cell.body = [answers.get(defined(s), s) if defined(s) else s for s in cell.body]
    return ast.unparse(cell)


def shown_by(cell: str, space: dict[str, Any]) -> Any:
    """Run a cell and return the value of its last line, which a notebook shows."""
    *body, last = ast.parse(cell).body
    exec(compile(ast.Module(body, []), "cell", "exec"), space)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "cell", "eval"), space)
    exec(compile(ast.Module([last], []), "cell", "exec"), space)
    return None


def answers(
    name: str, solve: bool, monkeypatch: pytest.MonkeyPatch
) -> list[teach.Answer | teach.Item]:
    """Run the first cell of a notebook and those of its exercises; return what the checks said."""
    found: list[teach.Answer | teach.Item] = []
    check = teach.check_answer

    def kept(*args: Any, **options: Any) -> teach.Answer:
        answer = check(*args, **options)
        found.append(answer)
        return answer

    monkeypatch.setattr(teach, "check_answer", kept)
    cells, solutions = code_of(name), solutions_of(name)
    assert 2 <= len(solutions) <= 4
    assert {id for id in cells if re.fullmatch(r"exercise-\d-answer", id)} == set(solutions)
    space: dict[str, Any] = {"__name__": "notebook"}
    exec(cells["setup"], space)
    for id, solution in solutions.items():
        before = len(found)
        shown = shown_by(solved(cells[id], solution) if solve else cells[id], space)
        if isinstance(shown, teach.Report):
            found += shown.items
        assert len(found) > before, f"{id} checks nothing"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_solutions_are_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [a for a in answers(name, True, monkeypatch) if a.result != "right"] == []


@pytest.mark.parametrize("name", NAMES)
def test_unsolved_exercises_are_not_done_yet(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {a.result for a in answers(name, False, monkeypatch)} == {"not done yet"}
