"""Text stays in its box: measured in DejaVu Sans, the widest of the usual fonts."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.draw import draw, layout, render

pytest.importorskip("matplotlib")
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font

SVG = "{http://www.w3.org/2000/svg}"
FONTS = {
    weight: FT2Font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))
    for weight in ("normal", "bold")
}


def length(text: str, points: float, weight: str) -> float:
    font = FONTS[weight]
    font.set_size(100 * points, 72)  # no rounding to pixels
    font.set_text(text)
    return float(font.get_width_height()[0]) / 6400


def margins(svg: str) -> list[tuple[str, float, float]]:
    """Return for every text in a box how far it is from the left and the right border."""
    found = []
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        if group.get("class") != "node":
            continue
        shapes = [*group.iter(f"{SVG}polygon"), *group.iter(f"{SVG}path")]
        xs = [
            float(x)
            for shape in shapes
            for x in re.findall(
                r"(-?[\d.]+),-?[\d.]+", shape.get("points", "") + shape.get("d", "")
            )
        ]
        for text in group.iter(f"{SVG}text"):
            written = (text.text or "").replace("\xa0", " ")
            start, size = float(text.attrib["x"]), float(text.attrib["font-size"])
            end = start + length(written, size, text.get("font-weight", "normal"))
            found.append((written, start - min(xs), max(xs) - end))
    assert found
    return found


@pytest.mark.parametrize(
    "name",
    ["w", "weight", "WWWWWW", "iiiiii", "−−−−−−", "∂∂∂∂∂∂", "σσσσσσσσσσ", "………", "······", "₁₂₃₄₅₆", "ᵀᵀᵀᵀ", "éééééé",
     "ЖЖЖЖЖЖ", "ΣΣΣΠΠΠ", "×××××××", "√∞‖⌊⌋≤≥", "é̩é̩é̩é̩", "αβγδλμω", "ÅÖÜß", "ﬀﬃ"],
)  # fmt: skip
def test_names_in_all_letters_stay_in_their_boxes(name: str) -> None:
    x = tg.Value(-2.5, name=name)
    y = tg.sigmoid(x * x)
    y.backward()
    for written, left, right in margins(draw(y).svg()):
        assert left >= 2, written
        assert right >= 2, written


def test_everything_in_a_model_and_a_program_stays_in_its_box() -> None:
    net = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=0), tg.nn.Sigmoid(), tg.nn.Linear(3, 1, rng=1))
    mlp = tg.nn.MLP(2, [4, 1], rng=0)
    step = tg.compile(lambda X: sum((1.0 - mlp(list(x))).relu() for x in X))
    X = np.random.default_rng(0).normal(size=(10, 2))
    step(X)
    for picture in (draw(net, X[0]), draw(mlp, [0.5, 1.0], depth=1), draw(step)):
        for written, left, right in margins(picture.svg()):
            assert min(left, right) >= 2, written


DOT = 'digraph { node [shape=box, fontname="Verdana"] "fontname=\\"Verdana\\"" }'


def test_svg_names_other_fonts_for_readers_without_verdana() -> None:
    svg = render(DOT, "svg").decode()
    assert 'font-family="Verdana,DejaVu Sans,sans-serif"' in svg
    assert "fontname=&quot;Verdana&quot;" in svg


def test_the_port_gets_the_name_of_its_own_font_for_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert layout.find_dot()
    assert render(DOT, "png") == render(
        DOT.replace('fontname="Verdana"', 'fontname="Arial"'), "png"
    )


def test_wide_graphs_go_down_if_that_is_narrower() -> None:
    def softmax_loss(z: Any) -> Any:
        p = tg.exp(z - tg.max(z))
        p = p / tg.sum(p)
        return -tg.log(p[0])

    assert draw(softmax_loss, np.array([2.0, -1.0, 0.5])).look.down
    y = tg.Value(1.0)
    for _ in range(20):
        y = tg.tanh(y)
    assert draw(y).look.down
    assert not draw(tg.tanh(tg.Value(1.0))).look.down
    wide = sum(tg.Value(float(k)) for k in range(30))
    assert not draw(wide, limit=10).look.down
