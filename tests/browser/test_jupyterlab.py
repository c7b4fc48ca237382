"""Notebook 02 in JupyterLab: it opens, all cells run, the stepper steps, exercises answer."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from browsing import missing
from lab import jupyterlab

import tinygrad_lecture as tg
from tinygrad_lecture.teach import copy_course

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.slow

NAME = "02-backprop.ipynb"
WAIT = 120_000
"""Milliseconds in which all cells have to be done."""


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where screenshots go: $SCREENSHOTS, or a temporary folder."""
    chosen = os.environ.get("SCREENSHOTS")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def requests() -> list[str]:
    """Return the addresses that the page asked for, once it did."""
    return []


@pytest.fixture(scope="module")
def page(
    browser: Browser, requests: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """Open the notebook without its outputs, and run all its cells."""
    if importlib.util.find_spec("jupyterlab") is None:
        missing('no JupyterLab: pip install "tinygrad_lecture[browser]"')
    folder, home = tmp_path_factory.mktemp("course"), tmp_path_factory.mktemp("jupyter")
    copy_course(folder)
    notebook = json.loads((folder / NAME).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    (folder / NAME).write_text(json.dumps(notebook), encoding="utf-8")
    with jupyterlab(folder, home) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(30_000)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{address}/lab/tree/{NAME}")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        page.locator(".jp-NotebookPanel-toolbar").get_by_text("Python 3").wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        prompt = page.locator(".jp-CodeCell .jp-InputPrompt").last
        prompt.filter(has_text=re.compile(r"\[\d+\]")).wait_for(timeout=WAIT)
        yield page
        page.close()


def cell(page: Page, id: str) -> Locator:
    """Return the code cell of this id, by its place among the code cells."""
    course = next(lesson for lesson in tg.teach.lessons() if lesson.path.name == NAME)
    cells = json.loads(course.path.read_text(encoding="utf-8"))["cells"]
    ids = [c["id"] for c in cells if c["cell_type"] == "code"]
    return page.locator(".jp-CodeCell").nth(ids.index(id))


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def neuron() -> tuple[tg.Value, tg.Value]:
    """Return the loss of section 3, and its first weight."""
    w, x, b = tg.Value(0.6), tg.Value(2.0), tg.Value(-0.4)
    loss = ((w * x + b).tanh() - 1.0) ** 2
    loss.backward()
    return loss, w


def test_all_cells_ran_and_none_failed(page: Page, shots: Path) -> None:
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
    assert [int(prompt.strip("[]: ")) for prompt in prompts] == [*range(1, len(prompts) + 1)]
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    _, w = neuron()
    assert f"with the tape {w.grad:.6f}" in cell(page, "tape").inner_text()
    assert cell(page, "gradient-check").locator(".jp-OutputArea").inner_text().strip() == "pass"
    for id in ("tape-draw", "shortcuts-table", "train-figure", "net-figure", "exercise-3-answer"):
        cell(page, id).scroll_into_view_if_needed()
        page.screenshot(path=shots / f"02-{id}.png")


def test_pictures_are_not_wider_than_their_cell(page: Page) -> None:
    for id in ("tape-draw", "reuse-draw", "net-figure"):
        area = cell(page, id).locator(".jp-OutputArea-output").first
        wide = area.evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert wide[0] <= wide[1] + 1, id


def test_the_stepper_goes_through_both_passes(page: Page, shots: Path) -> None:
    loss, _ = neuron()
    frames = tg.draw.stepper(loss).frames
    cell(page, "stepper").scroll_into_view_if_needed()
    inside = cell(page, "stepper").frame_locator("iframe")
    status, step = inside.locator("#status"), inside.locator("#step")
    for k, frame in enumerate(frames, 1):
        direction = "forward" if frame.target is None else "backward"
        assert status.inner_text() == f"Step {k} of {len(frames)}, {direction} pass"
        if frame.target is not None:
            row = inside.locator("#tape tbody tr").nth(frame.target)
            shown = number(row.locator("td").nth(3).inner_text())
            assert shown == pytest.approx(frame.total, rel=1e-3)
        if k in (1, len(frames) // 2, len(frames) - 2, len(frames)):
            page.screenshot(path=shots / f"02-stepper-{k:02}.png")
        if k < len(frames):
            step.click()
    assert step.get_attribute("aria-disabled") == "true"
    rows = inside.locator("#tape tbody tr")
    found = [number(rows.nth(k).locator("td").nth(3).inner_text()) for k in range(rows.count())]
    tape = tg.Tape(loss)
    assert found == pytest.approx([tape[k].adjoint for k in range(len(tape))], rel=1e-3)


def test_the_stepper_answers_to_the_keyboard(page: Page) -> None:
    inside = cell(page, "stepper").frame_locator("iframe")
    inside.locator("#graph").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert inside.locator("#status").inner_text().startswith("Step 2 of")


def test_an_exercise_says_right_and_wrong(page: Page, shots: Path) -> None:
    exercise = cell(page, "exercise-2-answer")
    for answer, told in (("2", "wrong"), ("3", "right")):
        editor = exercise.locator(".cm-content")
        editor.click()
        for key in ("Control+Home", "Shift+End", "Delete"):
            editor.press(key)
        editor.press_sequentially(f"times = {answer}")
        assert editor.inner_text().startswith(f"times = {answer}\n")
        editor.press("Control+Enter")
        exercise.locator(".jp-OutputArea b", has_text=told).wait_for()
        page.screenshot(path=shots / f"02-exercise-{told}.png")


def test_nothing_was_asked_for_elsewhere(page: Page, requests: list[str]) -> None:
    assert requests
    hosts = {urlsplit(url).hostname for url in requests if not url.startswith(("data:", "blob:"))}
    assert hosts <= {"127.0.0.1", None}
