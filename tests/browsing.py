"""A headless Chromium for the tests of pages; without one they are skipped, in CI they fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tinygrad_lecture.doctor.machine import BROWSERS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def missing(reason: str) -> NoReturn:
    needed = (
        os.environ.get("CI") == "true" or os.environ.get("TINYGRAD_LECTURE_NEED_BROWSER") == "1"
    )
    if needed:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser: one that is installed, or Playwright's own."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing('no Playwright: pip install "tinygrad_lecture[browser]"')
    with sync_playwright() as playwright:
        program = next(filter(None, map(shutil.which, BROWSERS)), None)
        if program is None and not Path(playwright.chromium.executable_path).exists():
            missing("no Chromium: install one, or run `playwright install chromium`")
        started = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open pages from files; none of them may ask for anything else, or report an error."""
    told: list[str] = []
    asked: list[str] = []
    files: list[str] = []
    pages = []

    def open(html: str, size: tuple[int, int] = (1440, 900)) -> Page:
        file = tmp_path / f"page{len(files)}.html"
        file.write_bytes(html.encode())
        files.append(file.as_uri())
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        pages.append(page)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("dialog", lambda dialog: told.append(f"dialog: {dialog.message}"))
        page.goto(file.as_uri())
        return page

    yield open
    for page in pages:
        page.close()
    assert told == []
    assert asked == files
