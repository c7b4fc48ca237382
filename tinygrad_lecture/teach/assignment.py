"""An exercise as the source notebook of an nbgrader assignment."""

from __future__ import annotations

import re
from typing import Any

from ..errors import UsageError
from .exercises import exercise

__all__ = ["assignment"]

TEXT = """\
# {title}

{statement}

The last cell checks your code and tells the points, and for each point that is missing the reason.
"""

CHECK = """\
from tinygrad_lecture import teach

report = teach.exercise("{name}").check(globals())
report.score({points:g})  # prints the report; the number is the score\
"""


def assignment(name: str, points: float = 10.0) -> dict[str, Any]:
    """Return an exercise as a notebook for nbgrader.

    It has the statement, a cell where the student writes, with a place for the teacher's solution
    between ``### BEGIN SOLUTION`` and ``### END SOLUTION``, and a graded cell, whose last line
    gives partial credit.

    Parameters
    ----------
    name : str
        Of the exercise, see `EXERCISES`.
    points : float
        That the graded cell is worth.

    Returns
    -------
    dict
        In the notebook format 4.5; ``json.dumps`` makes the file of it.

    Raises
    ------
    UsageError
        If there is no such exercise, or `points` is not positive.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> notebook = tg.teach.assignment("backprop")
    >>> print("".join(notebook["cells"][2]["source"]))
    from tinygrad_lecture import teach
    <BLANKLINE>
    report = teach.exercise("backprop").check(globals())
    report.score(10)  # prints the report; the number is the score
    """
    task = exercise(name)
    if not 0 < points < float("inf"):
        raise UsageError(f"points must be positive, got {points!r}")
    stub = re.sub(
        r"^( *)\.\.\.$", r"\1### BEGIN SOLUTION\n\1...\n\1### END SOLUTION", task.stub.strip(),
        flags=re.MULTILINE,
    )  # fmt: skip
    text = TEXT.format(title=task.title.capitalize(), statement=task.statement.strip())
    cells = [
        _cell("markdown", f"{name}-task", text.strip(), locked=True),
        _cell("code", f"{name}-solution", stub, solution=True),
        _cell(
            "code", f"{name}-check", CHECK.format(name=name, points=points), locked=True,
            grade=True, points=points,
        ),
    ]  # fmt: skip
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip


def _cell(
    kind: str, name: str, source: str, *, locked: bool = False, solution: bool = False,
    grade: bool = False, points: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return a cell with what nbgrader (schema 3) wants to know about it."""
    about = {
        "grade": grade, "grade_id": name, "locked": locked, "schema_version": 3,
        "solution": solution, "task": False,
    }  # fmt: skip
    if points is not None:
        about["points"] = points
    cell: dict[str, Any] = {
        "cell_type": kind, "id": name.replace("_", "-"), "metadata": {"nbgrader": about},
        "source": source.splitlines(keepends=True),
    }  # fmt: skip
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell
