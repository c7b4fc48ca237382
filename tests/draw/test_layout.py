"""`render` finds a dot: on the PATH, else the port of pip, else it says what to install."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tinygrad_lecture.draw import layout, render
from tinygrad_lecture.errors import UsageError

DOT = 'digraph { a [id="e0"]; b [id="e1"]; a -> b [id="e1_0"] }'


@pytest.fixture
def no_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty PATH: no dot of the system."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def fake_dot(folder: Path, body: str) -> Path:
    path = folder / "dot"
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return path


def test_without_a_dot_the_port_draws_svg_with_our_ids(no_path: Path) -> None:
    root = ElementTree.fromstring(render(DOT, "svg"))
    ids = {g.get("id") for g in root.iter("{http://www.w3.org/2000/svg}g")}
    assert {"e0", "e1", "e1_0"} <= ids


def test_without_a_dot_the_port_draws_png(no_path: Path) -> None:
    png = render(DOT, "png")
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(png[k : k + 4], "big") for k in (16, 20))
    assert width > 50
    assert height > 50


def test_a_dot_on_the_path_comes_first(no_path: Path) -> None:
    echo = "import sys; sys.stdout.write('|'.join(sys.argv[1:]) + '|' + sys.stdin.read())"
    program = fake_dot(no_path, echo)
    assert layout.find_dot() == str(program)
    assert render(DOT, "svg").decode() == f"-Kdot|-Tsvg|{DOT}"


def without(monkeypatch: pytest.MonkeyPatch, folder: Path, package: str | None) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(folder))
    if package is not None:
        spec = importlib.util.find_spec

        def find_spec(name: str, *rest: Any) -> Any:
            return None if name == package else spec(name, *rest)

        monkeypatch.setattr("importlib.util.find_spec", find_spec)


def test_without_any_dot_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, no_path: Path
) -> None:
    without(monkeypatch, no_path, None)
    with pytest.raises(UsageError, match=r'pip install "tinygrad_lecture\[viz\]"; DOT text needs'):
        render(DOT)


def test_without_the_package_graphviz_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, no_path: Path
) -> None:
    fake_dot(no_path, "")
    without(monkeypatch, no_path, "graphviz")
    with pytest.raises(UsageError, match=r'pip install "tinygrad_lecture\[viz\]"'):
        render(DOT)


def test_what_is_no_dot_is_told_in_one_line(no_path: Path) -> None:
    with pytest.raises(UsageError, match="could not make the svg picture") as caught:
        render("digraph {")
    assert "\n" not in str(caught.value)


def test_a_layout_that_takes_too_long_is_ended(
    monkeypatch: pytest.MonkeyPatch, no_path: Path
) -> None:
    fake_dot(no_path, "import time; time.sleep(60)")
    monkeypatch.setattr(layout, "SECONDS", 0.2)
    with pytest.raises(
        UsageError, match=r"not done after 0.2 s: draw fewer nodes \(depth=, focus="
    ):
        render(DOT)


def test_formats_are_named() -> None:
    with pytest.raises(UsageError, match="format must be one of svg, png, pdf; got 'gif'"):
        render(DOT, "gif")


@pytest.mark.skipif(os.name != "posix", reason="a fake dot is a script")
def test_the_port_says_that_it_makes_no_pdf(no_path: Path) -> None:
    with pytest.raises(UsageError, match="graphviz-pure makes no PDF"):
        render(DOT, "pdf")
