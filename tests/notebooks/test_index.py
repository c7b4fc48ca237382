"""Each id of the lecture is in the notebook of its part, there alone, and a cell measures it."""

from __future__ import annotations

import json
import re

import pytest

from tinygrad_lecture.experiments import claims
from tinygrad_lecture.teach import lessons

SPANS = {
    "00": (71, 71), "01": (1, 9), "02": (10, 14), "03": (15, 29), "04": (30, 37), "05": (38, 45),
    "06": (46, 53), "07": (54, 60), "08": (61, 70),
}  # fmt: skip
PARTS = {part: {f"L{k:02}" for k in range(a, b + 1)} for part, (a, b) in SPANS.items()}
SOURCES = {
    lesson.number: {
        cell["id"]: "".join(cell["source"])
        for cell in json.loads(lesson.path.read_text(encoding="utf-8"))["cells"]
    }
    for lesson in lessons()
}
BEYOND = ("09", "10", "11")
"""Notebooks that go beyond the lecture."""


def ids_in(text: str) -> set[str]:
    return set(re.findall(r"\bL\d\d\b", text))


def text_of(part: str) -> str:
    return "\n".join(SOURCES[part].values())


def test_the_parts_hold_every_id_once() -> None:
    assert sorted(id for part in PARTS.values() for id in part) == [
        f"L{k:02}" for k in range(1, 72)
    ]


@pytest.mark.parametrize("part", [*PARTS, *BEYOND])
def test_a_notebook_names_the_ids_of_its_part_and_no_other(part: str) -> None:
    assert ids_in(text_of(part)) == PARTS.get(part, set())


@pytest.mark.parametrize("part", [part for part in PARTS if part != "00"])
def test_a_cell_runs_an_experiment_of_every_id(part: str) -> None:
    called = set(re.findall(r"\bexperiments\.(\w+)\(", text_of(part)))
    measured = {claim.id for claim in claims() if claim.name in called}
    assert PARTS[part] - measured == set()


def test_the_course_is_complete_and_nothing_else_is_in_it() -> None:
    assert sorted(SOURCES) == sorted((*PARTS, *BEYOND))
