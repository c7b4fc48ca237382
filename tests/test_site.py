"""The site of guides, course and reference: it builds without a warning, and its links lead on."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SITE = Path(__file__).parents[1] / ".ci" / "site"
if not SITE.is_dir():
    pytest.skip("the sources of the site are in a checkout", allow_module_level=True)


@pytest.fixture
def checker(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(SITE)
    return importlib.import_module("links")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="other.html#here">x</a>', None),
        ('<a href="#top">x</a><p id="top">', None),
        ('<a href="https://example.org/page#somewhere">x</a>', None),
        ('<img src="data:image/png;base64,AA==">', None),
        ('<a href="missing.html">x</a>', "is not there"),
        ('<a href="other.html#elsewhere">x</a>', "no such place"),
        ('<a href="#elsewhere">x</a>', "no such place"),
        ('<img src="figure.svg">', "is not there"),
        ('<source srcset="figure.svg">', "is not there"),
        ('<script src="https://cdn.example.org/math.js"></script>', "comes from a network"),
        ('<link rel="stylesheet" href="//fonts.example.org/css">', "comes from a network"),
    ],
)
def test_links(body: str, problem: str | None, checker: Any, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(body, encoding="utf-8")
    (tmp_path / "other.html").write_text('<h2 id="here">Here</h2>', encoding="utf-8")
    found = checker.problems(tmp_path)
    assert len(found) == (problem is not None)
    assert problem is None or (problem in found[0] and found[0].startswith("page.html: <"))


@pytest.mark.parametrize(
    ("tex", "part"),
    [
        (r"\Big\lfloor x\Big\rfloor", ">⌊</mo>"),
        (r"\mathbb E[x]", "<mi>𝔼</mi>"),
        (r"\mathbb R", "<mi>ℝ</mi>"),
        (r"\tfrac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
    ],
)
def test_formulas(tex: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("latex2mathml")
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(SITE)
    text = importlib.import_module("mathml").mathml(tex, "inline")
    assert text.startswith("<math")
    assert part in text
    assert "\\" not in text


def test_a_command_that_is_not_known_is_no_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("latex2mathml")
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(SITE)
    with pytest.raises(ValueError, match=r"\\nowhere is not known"):
        importlib.import_module("mathml").mathml(r"x + \nowhere", "inline")


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    if importlib.util.find_spec("sphinx") is None and not os.environ.get("CI"):
        pytest.skip('needs pip install "tinygrad_lecture[docs]"')
    command = [sys.executable, str(SITE / "build.py"), "--strict", str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "index.html").is_file()
    assert (tmp_path / "site" / "notebooks" / "README.html").is_file()
