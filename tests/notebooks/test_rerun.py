"""Notebooks run, run again, and give what they keep."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbclient", reason="notebooks need nbclient")
pytest.importorskip("ipykernel", reason="notebooks need ipykernel")

import nbformat
from rerun import BYTES, SECONDS, code, differences, kernel, load, rtol_of

from tinygrad_lecture.teach import lessons

COURSE = [pytest.param(lesson.path, id=lesson.name) for lesson in lessons()]


@pytest.mark.slow
@pytest.mark.parametrize("path", COURSE)
def test_a_notebook_gives_what_it_keeps_in_order_and_with_every_cell_run_again(path: Path) -> None:
    notebook = load(path)
    wrong: list[str] = []
    with kernel(notebook) as execute:
        for times in (1, 2):  # first in order, then each cell twice
            start = time.perf_counter()
            for place, cell in code(notebook):
                kept = [nbformat.from_dict(output) for output in cell.outputs]
                # Experiments and figures keep nothing from run to run, and take the longest.
                slow = re.search(r"\b(experiments|plots)\.", cell.source)
                for _ in range(1 if slow else times):
                    now = execute(cell, place)
                    found = differences(kept, now, rtol_of(cell))
                    wrong += [f"{cell.id}, run in pass {times}: {text}" for text in found]
                cell.outputs = kept
            assert time.perf_counter() - start < SECONDS * times
    assert wrong == []


@pytest.mark.parametrize("path", COURSE)
def test_a_notebook_reads_well_where_it_is_not_run(path: Path) -> None:
    notebook, text = load(path), path.read_text(encoding="utf-8")
    assert path.stat().st_size < BYTES
    assert [c.execution_count for _, c in code(notebook)] == [*range(1, len(code(notebook)) + 1)]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id
        assert all(re.fullmatch(r"rtol=\S+", t) for t in cell.metadata.get("tags", ())), cell.id
        for output in cell.get("outputs", ()):
            assert output.output_type in ("stream", "execute_result", "display_data"), cell.id
            assert output.get("name") != "stderr", cell.id
            assert set(output.get("data", ())) <= {
                "text/plain",
                "text/html",
                "image/svg+xml",
                "image/png",
            }, cell.id
    assert not re.search(r"at 0x[0-9a-f]{6}|/home/|/tmp/|<dc:date>", text)


@pytest.mark.parametrize("path", COURSE)
def test_a_notebook_has_the_form_of_the_course(path: Path) -> None:
    notebook = load(path)
    ids = [cell.id for cell in notebook.cells]
    assert ids[0] == "title"
    assert "setup" in ids
    assert ids[-1] == "gradient-check"
    assert 2 <= sum(bool(re.fullmatch(r"exercise-\d-answer", id)) for id in ids) <= 4
    assert "check" in notebook.cells[-1].source
    pictures = [kind for _, c in code(notebook) for o in c.outputs for kind in o.get("data", ())]
    assert {"image/svg+xml", "image/png"} & set(pictures)
    goals = notebook.cells[0].source.partition("**Goals.**")[2].partition("\n\n")[0]
    assert len(goals.splitlines()) == 3


def stream(text: str) -> list[Any]:
    return [nbformat.from_dict({"output_type": "stream", "name": "stdout", "text": text})]


def shown(**data: str) -> list[Any]:
    data = {kind.replace("_", "/"): text for kind, text in data.items()}
    return [nbformat.from_dict({"output_type": "display_data", "data": data, "metadata": {}})]


@pytest.mark.parametrize(
    ("kept", "now", "rtol", "same"),
    [
        ("loss 0.693147", "loss 0.693148", 1e-6, True),
        ("loss 0.693147", "loss 0.693150", 1e-6, False),
        ("loss 0.30", "loss 0.29999", 1e-6, True),
        ("loss 1.5e-17", "loss -3.25e-16", 1e-6, True),
        ("loss 1.234e-03", "loss 1.235e-03", 1e-6, True),
        ("loss 1.234e-03", "loss 1.236e-03", 1e-6, False),
        ("[1. 2.]", "[1. 3.]", 1e-6, False),
        ("[-1.5]", "[1.5]", 1e-6, False),
        ("9 of 10 right", "10 of 10 right", 1e-6, False),
        ("9 of 10 right", "10 of 10 right", 0.2, True),
        ("1,234 ops", "1,235 ops", 1e-6, False),
        ("α = 0.1   good", "α = 0.1 good", 1e-6, True),
        ("0.5: good", "0.5: diverging", float("inf"), False),
        ("12.3 s", "99.9 s", float("inf"), True),
        ("0.5", "nan", float("inf"), False),
        ("0.5", "0.5 0.5", 1e-6, False),
        ("10⁵", "10⁶", 1e-6, False),
        ("error 3.5e-18 … 1.4e-17 (6)", "error 0 (6)", 1e-6, True),
        ("error −3.5e-18 … 1.4e-17 (6)", "error 1e-3 (6)", 1e-6, False),
        ("error 0 … 0.5 (6)", "error 0 (6)", 1e-6, False),
    ],
)  # fmt: skip
def test_numbers_are_compared_by_their_values_and_words_exactly(
    kept: str, now: str, rtol: float, same: bool
) -> None:
    assert (differences(stream(kept), stream(now), rtol) == []) is same


def test_outputs_are_compared_in_number_and_kind() -> None:
    a, b = stream("a"), shown(text_html="<b>1.0</b>", text_plain="1.0")
    assert differences(a + b, a + b, 1e-6) == []
    assert len(differences(a, a + b, 1e-6)) == 2
    assert len(differences(a, b, 1e-6)) == 2
    assert len(differences(b, shown(text_html="<b>2.0</b>", text_plain="1.0"), 1e-6)) == 1
    # Of a picture the kind: its bytes depend on fonts and layout.
    picture = {"image_svg+xml": "<svg/>", "text_plain": "a drawing"}
    assert differences(shown(**picture), shown(**{**picture, "text_plain": "b"}), 1e-6) == []
    assert differences(shown(**picture), a, 1e-6) != []
