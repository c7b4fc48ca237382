"""The index of the lecture: slides, functions, notebooks and claims."""

from __future__ import annotations

import operator

import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.cli import main
from tinygrad_lecture.experiments import PARTS, Slide, claims, index
from tinygrad_lecture.teach import lessons

SLIDES = [slide for part in PARTS for slide in part.slides]


def test_every_id_is_there_once_and_in_order() -> None:
    assert [slide.id for slide in SLIDES] == [f"L{k:02}" for k in range(1, 72)]
    assert {claim.id for claim in claims()} <= {slide.id for slide in SLIDES}


@pytest.mark.parametrize("slide", SLIDES, ids=lambda slide: slide.id)
def test_a_slide_is_about_functions_that_are_there(slide: Slide) -> None:
    assert slide.title
    assert slide.names
    for name in slide.names:
        assert callable(operator.attrgetter(name)(tg)), name


def test_each_part_has_a_notebook_of_the_course() -> None:
    notebooks = [part.notebook for part in PARTS]
    assert len(set(notebooks)) == len(notebooks)
    assert set(notebooks) <= {lesson.name for lesson in lessons()}


def test_a_notebook_names_the_ids_of_its_part() -> None:
    texts = {lesson.name: lesson.path.read_text(encoding="utf-8") for lesson in lessons()}
    missing = [s.id for part in PARTS for s in part.slides if s.id not in texts[part.notebook]]
    assert missing == []


def test_every_claim_stands_in_the_index() -> None:
    text = index()
    assert [c.name for c in claims() if f"(`{c.name}`)" not in text and c.experiment] == []


def test_the_readme_of_the_course_has_the_index_as_it_is_now() -> None:
    readme = lessons()[0].path.with_name("README.md").read_text(encoding="utf-8")
    written = readme.split("<!-- index -->\n")[1].split("<!-- /index -->")[0]
    assert written == index(), "out of date: python .ci/write_index.py"


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--index"]) == 0
    assert capsys.readouterr().out == index()


@pytest.mark.parametrize("more", [["L20"], ["--json"]])
def test_the_index_is_all_or_nothing(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--index", *more]) == 2
    assert "--index prints the whole lecture" in capsys.readouterr().err
