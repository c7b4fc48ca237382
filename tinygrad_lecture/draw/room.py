"""Room for text: how wide it is, and what a layout would not know of.

A layout knows how wide ASCII is in its font.  It takes each byte of anything else to be as wide as
a space, which is too little for some letters.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable

from .graph import Graph

__all__ = ["BARE", "FAR", "goes_down", "needed", "reach", "width"]

USUAL, LOWER, RAISED, WIDE, OTHER = 0.66, 0.68, 0.55, 1.05, 1.1
"""Widths of DejaVu Sans in parts of the font's size: of ASCII; and beyond it of small letters, of
raised or lowered signs, of those of East Asia, and of the widest of all others."""
BOLD = 1.13
"""Bold text is wider by this factor."""
EM = {
    **dict.fromkeys("'ijlIJ.,:;|/\\ f·", 0.35),
    **dict.fromkeys('()[]-!rt"⌊⌋', 0.44),
    **dict.fromkeys("sckz*_?‖∂", 0.55),
    **dict.fromkeys("ABCKRVXZ", 0.7),
    **dict.fromkeys("DGHNOQUw&#+<=>^~−×∞", 0.85),
    **dict.fromkeys("mM%@W…", 1.0),
}

SPACE = 0.35
"""What a layout takes each byte beyond ASCII for."""

SCREEN = 1200
"""A graph that would be wider than so many points goes from top to bottom if that is narrower."""
STEP = 50
"""Between two levels, for an arrow and its label."""
BARE, FAR = 1000, 8000
"""With edges that reach so far in all, they have no labels; farther, and the graph is summarised.

A layout places each level that an edge goes past, and its label as well: it would take minutes.
Without labels, and with less patience (`dot.QUICK`), it takes a few seconds up to FAR.
"""
TANGLED = 5
"""Levels that edges go past, for each node, from which on this matters: a net's are fewer."""


def width(text: str, size: float, bold: bool = False) -> float:
    """Return how many points wide a line of text is in DejaVu Sans, about.

    Examples
    --------
    >>> from tinygrad_lecture.draw.room import width
    >>> round(width("w · x", 12)), round(width("w · x", 12, bold=True)), round(width("日本", 12))
    (31, 35, 25)
    """
    return size * sum(map(_em, text)) * (BOLD if bold else 1)


def needed(text: str, size: float, bold: bool = False) -> int:
    """Return the width of a cell in which text stays even if a layout takes it to be shorter.

    Returns
    -------
    int
        In points; 0 if the layout takes it to be as wide as it is.

    Examples
    --------
    >>> from tinygrad_lecture.draw.room import needed
    >>> needed("v3 = w · x", 12), needed("ЖЖЖ", 12)
    (0, 55)
    """
    known = sum(SPACE * len(c.encode("utf-8", "replace")) for c in text if not c.isascii())
    real = sum(_em(c) for c in text if not c.isascii()) * (BOLD if bold else 1)
    lacking = max(0.0, real - known) * size
    # The layout puts the start of the text as if it were centred.
    return math.ceil(width(text, size, bold) + lacking) if lacking > 1 else 0


def _em(c: str) -> float:
    known = EM.get(c)
    if known is not None:
        return known
    if c.isascii():
        return USUAL
    kind = unicodedata.category(c)
    if kind in ("Mn", "Me", "Cf"):  # drawn over others, or not at all
        return 0.0
    if unicodedata.east_asian_width(c) in "WF":
        return WIDE
    if kind == "Lm" or unicodedata.decomposition(c).startswith(("<super>", "<sub>")):
        return RAISED
    return LOWER if kind == "Ll" else OTHER


def goes_down(graph: Graph, widths: Iterable[float]) -> bool:
    """Tell whether a graph is better drawn from top to bottom than from left to right.

    Parameters
    ----------
    graph : Graph
    widths : iterable of float
        Of its nodes, in points.
    """
    widest: Counter[int] = Counter()
    total: Counter[int] = Counter()
    for node, points in zip(graph.nodes, map(round, widths), strict=True):
        widest[node.level] = max(widest[node.level], points)
        total[node.level] += points
    right = sum(points + STEP for points in widest.values())
    return right > SCREEN and max(total.values()) < right


def reach(graph: Graph) -> int:
    """Return how many levels all edges reach over together; 0 if that is little for so many nodes.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.draw.room import reach
    >>> x = tg.Value(0.5)
    >>> y = x
    >>> for _ in range(50):
    ...     y = y * y + x  # x is 50 times near the end of an edge, and far from its start
    >>> reach(tg.draw(tg.tanh(x)).graph), reach(tg.draw(y).graph)
    (0, 2700)
    """
    level = {node.id: node.level for node in graph.nodes}
    start = dict(level)
    made = {edge.target for edge in graph.edges}
    first: dict[str, int] = {}
    for edge in graph.edges:
        if edge.source not in made:  # a leaf is drawn just before its first use
            first[edge.source] = min(first.get(edge.source, level[edge.target]), level[edge.target])
    start.update((id, use - 1) for id, use in first.items())
    spans = [abs(level[edge.target] - start[edge.source]) for edge in graph.edges]
    past = sum(max(0, span - 1) for span in spans)
    return sum(spans) if past > TANGLED * len(graph) else 0
