"""Formulas as MathML, which browsers show by themselves: no script, no font, no network."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

LOG = logging.getLogger(__name__)
DELIMITERS = {r"\lfloor": "⌊", r"\rfloor": "⌋", r"\lceil": "⌈", r"\rceil": "⌉",
              r"\langle": "⟨", r"\rangle": "⟩"}  # fmt: skip
"""After ``\\Big`` the converter knows the signs, and not their names."""


def mathml(tex: str, display: str) -> str:
    """Return a formula of LaTeX as a ``math`` element.

    Raises
    ------
    ValueError
        Naming the command that is not known.
    """
    for command, sign in DELIMITERS.items():
        tex = re.sub(re.escape(command) + r"(?![a-zA-Z])\s?", sign, tex)
    text = convert(tex, display=display)
    if unknown := re.search(r"\\[a-zA-Z]+", text):
        raise ValueError(f"{unknown[0]} is not known in the formula {tex!r}")
    return re.sub(r'<mi mathvariant="double-struck">(\w)</mi>', _double_struck, text)


def _double_struck(match: re.Match[str]) -> str:
    """Browsers have the letter, and not the attribute."""
    for name in ("MATHEMATICAL DOUBLE-STRUCK CAPITAL", "DOUBLE-STRUCK CAPITAL"):
        try:
            return f"<mi>{unicodedata.lookup(f'{name} {match[1]}')}</mi>"
        except KeyError:
            continue
    return match[0]


def _visit(display: str) -> Any:
    def visit(translator: Any, node: nodes.Element) -> None:
        try:
            html = mathml(node.astext().strip(), display)
        except ValueError as error:
            LOG.warning("%s", error, location=node)
            html = translator.encode(node.astext())
        translator.body.append(f'<div class="math">{html}</div>' if display == "block" else html)
        raise nodes.SkipNode

    return visit


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (_visit("inline"), None), (_visit("block"), None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
