"""Whatever a name says is shown as text: nothing in it becomes DOT, SVG or HTML."""

from __future__ import annotations

import html.parser
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.draw import Drawing, draw, layout
from tinygrad_lecture.draw.colors import luminance
from tinygrad_lecture.draw.labels import short, visible
from tinygrad_lecture.errors import UsageError

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "</TD><TD>", "<script>alert(1)</script>", "&lt;", "&amp;amp;", '"', '\\"', "\\", "\\N\\G\\l", "a\nb", "\r\n\t",
    "]; e9 [label=\"x\"", "-->", "<!-- -->", "]]>", "{a|b}", "%s", "x" * 10_000, "\x00\x1b[2J", "\u202eevil", "\ud800",
    "\ufffe", "∂ σ ₁", "日本語", "<TABLE>", "'", "$(rm)", "#{", "\u2028",
]  # fmt: skip


def picture(name: str) -> Drawing:
    x, y = tg.Value(2.0, name=name), tg.Value(3.0, name="plain")
    out = x * y
    out.backward()
    return draw(out, title=name)


def shape_of(root: ElementTree.Element) -> list[str]:
    """Return the elements of a picture, by what they are."""
    return [element.tag for element in root.iter()]


PLAIN = shape_of(ElementTree.fromstring(picture("x").svg()))


def hostile_names(test: Callable[[str], None]) -> Callable[[], None]:
    for name in HOSTILE:
        test = example(name)(test)
    return given(
        st.text(st.characters(), min_size=1, max_size=60).filter(
            lambda t: t.strip() and not t.startswith("−")
        )
    )(test)


@settings(max_examples=60, deadline=None)
@hostile_names
def test_names_are_shown_literally_in_svg_and_html(name: str) -> None:
    drawn = picture(name)
    root = ElementTree.fromstring(drawn.svg())
    assert shape_of(root) == PLAIN
    texts = ["".join(t.itertext()).replace("\xa0", " ") for t in root.iter(f"{SVG}text")]
    shown = short(visible(name))
    assert shown in texts  # the name of the leaf, as it is
    assert f"out = {short(f'{visible(name)} · plain')}" in texts
    tips = {
        a.attrib["{http://www.w3.org/1999/xlink}title"].replace("\xa0", " ")
        for a in root.iter(f"{SVG}a")
    }
    assert f"{visible(name)} (input)" in tips  # all of it, however long
    page = _Page(drawn.html())
    assert page.title == visible(name)
    assert not page.scripts


@settings(max_examples=60, deadline=None)
@hostile_names
def test_names_make_no_statements_of_dot(name: str) -> None:
    drawn = picture(name)
    dot = drawn.dot()
    dot.encode()  # no lone surrogate
    assert len(dot.splitlines()) == len(picture("x").dot().splitlines())
    statements = [line.split("[")[0].strip() for line in dot.splitlines()[4:-1]]
    assert statements == ["e0", "e1", "e2", "e0 -> e2", "e1 -> e2"]
    assert json.loads(drawn.json())["nodes"][0]["label"] == name


class _Page(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.title, self.scripts, self._in = "", 0, ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = self._in or ("title" if tag == "title" and not self.title else "")
        self.scripts += tag == "script" or any(name.startswith("on") for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in:
            self.title += data


def hostile_model(text: str) -> Drawing:
    """Draw a model whose class, attributes, parameters, constants and title are all this text."""

    class Inner(nn.Module):
        def __init__(self) -> None:
            self.weight = nn.Parameter(2.0)
            self.weight.name = text
            self.shift = tg.Value(np.array([1.0, 2.0]), name=text).detach()

        def forward(self, x: Any) -> Any:
            return tg.tanh(self.weight * x) + self.shift

    class Outer(nn.Module):
        def __init__(self) -> None:
            vars(self)[text] = Inner()
            self.again = vars(self)[text]

        def forward(self, x: Any) -> Any:
            return tg.sum(self.again(x))

    Inner.__name__ = Outer.__name__ = text.replace("\x00", "") or "x"
    return draw(Outer(), 3.0, title=text, depth=None)


def skeleton(dot: str) -> list[str]:
    """Return the statements of DOT without their attributes."""
    return [line.split("[")[0].strip() for line in dot.splitlines()]


@settings(max_examples=40, deadline=None)
@hostile_names
def test_names_of_modules_and_attributes_are_shown_literally(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()  # a class cannot be named by half a character
    drawn, plain = hostile_model(text), hostile_model("plain")
    assert skeleton(drawn.dot()) == skeleton(plain.dot())
    root = ElementTree.fromstring(drawn.svg())
    assert shape_of(root) == shape_of(ElementTree.fromstring(plain.svg()))
    texts = ["".join(t.itertext()).replace("\xa0", " ") for t in root.iter(f"{SVG}text")]
    kind = visible(text.replace("\x00", "") or "x")
    assert short(kind) in texts  # the frame of the outer module
    assert short(f"{visible(text)}: {kind}") in texts  # and of the inner one, by its attribute
    assert not _Page(drawn.html()).scripts
    json.loads(drawn.json())


def test_a_name_of_blanks_is_a_name() -> None:
    drawn = picture("   ")
    ElementTree.fromstring(drawn.svg())
    assert drawn.graph["e0"].label == "   "


def test_saved_files_are_what_their_ending_says(tmp_path: Path) -> None:
    drawn = picture("x")
    starts = {
        "a.svg": b"<?xml", "b.PNG": b"\x89PNG", "c.dot": b"digraph", "d.gv": b"digraph", "e.html": b"<!DOCTYPE html>",
        "f.json": b"{",
    }  # fmt: skip
    for name, start in starts.items():
        path = tmp_path / name
        drawn.save(path)
        assert path.read_bytes().startswith(start)


def test_a_page_loads_nothing() -> None:
    page = picture("x").html()
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert links == []


def test_wrong_endings_and_places_are_told(tmp_path: Path) -> None:
    drawn = picture("x")
    with pytest.raises(
        UsageError, match=r"a.gif: the ending must be one of .svg, .png, .pdf, .dot"
    ):
        drawn.save("a.gif")
    with pytest.raises(UsageError, match=r"cannot write .*: No such file"):
        drawn.save(tmp_path / "nowhere" / "a.dot")


def test_a_notebook_gets_svg_or_dot_text(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = picture("x")
    bundle = drawn._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<?xml")
    monkeypatch.setattr(layout, "find_dot", lambda: None)
    bundle = drawn._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert 'pip install "tinygrad_lecture[viz]"' in bundle["text/plain"]
    assert bundle["text/plain"].endswith(drawn.dot())


@pytest.mark.parametrize(("width", "shown"), [(500.0, 500), (900.0, 630), (3000.0, 1800)])
def test_a_notebook_gets_a_picture_that_fits_its_cell(
    width: float, shown: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = picture("x")
    whole = re.sub(
        r'<svg width="[^"]*" height="[^"]*"', f'<svg width="{width}pt" height="100pt"', drawn.svg()
    )
    monkeypatch.setattr(Drawing, "svg", lambda self: whole)
    svg = drawn._repr_mimebundle_()["image/svg+xml"]
    assert f'<svg width="{shown:g}pt" height="{100 * shown / width:g}pt"' in svg
    assert len(svg) == pytest.approx(len(whole), abs=10)


def nodes_of(drawn: Drawing) -> dict[str, str]:
    found = (re.match(r" *(e\w+) \[", line) for line in drawn.dot().splitlines())
    return {match.group(1): match.string for match in found if match}


def test_dead_exploding_and_missing_adjoints_are_told_apart() -> None:
    x, z = tg.Value(-1.0, name="x"), tg.Value(3.0, name="z")
    out = x.relu() + z * 1e6
    out.backward()
    drawn = draw(out, color="adjoint")
    lines = nodes_of(drawn)
    assert "DASHED" in lines["e0"]  # dead: relu'(-1) = 0
    assert "DASHED" not in lines["e1"]
    small, large = (re.findall(r'BGCOLOR="(#\w+)"', lines[id])[0] for id in ("e4", "e1"))
    assert luminance(small) < luminance(large)  # ∂ = 1 against ∂ = 10⁶
    x.grad = float("inf")
    assert 'BGCOLOR="#d55e00"' in nodes_of(draw(out, color="adjoint"))["e0"]


def test_colour_by_level_goes_over_the_whole_scale() -> None:
    dot = draw(tg.tanh(tg.exp(tg.Value(0.5))), color="level").dot()
    assert 'BGCOLOR="#00224e"' in dot
    assert 'BGCOLOR="#fee838"' in dot


def test_the_dark_theme_has_its_own_background() -> None:
    x = tg.Value(1.0)
    assert 'bgcolor="#16181d"' in draw(x * x, theme="dark").dot()
    assert 'bgcolor="#ffffff"' in draw(x * x).dot()
