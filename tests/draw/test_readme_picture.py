"""The README's picture says what `graph` draws now."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tinygrad_lecture.cli import main

PICTURES = Path(__file__).parents[2] / "notebooks" / "pictures"
EXPRESSION = ("--expr", "tanh(w*x + b)", "--at", "w=3,x=0.5,b=-1")

if not PICTURES.is_dir():
    pytest.skip("the README's pictures are in a checkout", allow_module_level=True)


def said(svg: Path) -> list[str]:
    """Return all texts, and the fills that tell light from dark."""
    elements = list(ET.parse(svg).iter())
    texts = [e.text or "" for e in elements if e.tag.endswith("text")]
    return sorted(texts) + sorted({e.get("fill", "") for e in elements})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_neuron(theme: str, tmp_path: Path) -> None:
    pytest.importorskip("graphviz")
    drawn = tmp_path / "neuron.svg"
    assert main(["graph", *EXPRESSION, "--theme", theme, "--out", str(drawn)]) == 0
    assert said(drawn) == said(PICTURES / f"neuron-{theme}.svg")
