"""Which rows are looked through for nan: the last ones in which one would be seen."""

from __future__ import annotations

import pytest

from tinygrad_lecture.compiler.invalid import checked_rows
from tinygrad_lecture.compiler.program import Place, Program, View


@pytest.mark.parametrize(
    ("op", "operand", "checked"),
    [
        ("multiply", 1, [2]),
        ("maximum", 1, [2]),
        ("greater", 1, [1, 2]),  # its answer is 0 for nan
        ("power", 1, [1, 2]),  # nan to the 0 is 1
        ("multiply", View(1, 0, (3, 2), (1, 3)), [2]),  # the transpose
        ("multiply", View(1, 0, (2, 2), (3, 1)), [1, 2]),  # two columns of three
        ("multiply", View(1, 1, (2, 3), (0, 0)), [1, 2]),  # one element, six times
    ],
)
def test_a_result_is_checked_unless_its_nan_is_seen_later(
    op: str, operand: int | View, checked: list[int]
) -> None:
    program = Program()
    program.add("input", shape=(2, 3))
    program.add("exp", (0,), shape=(2, 3))
    program.add(op, (operand, 2.0), shape=(2, 3))
    program.place = [Place(f"row{i}", 0) for i in range(3)]
    assert checked_rows(program, [1, 2]) == checked
