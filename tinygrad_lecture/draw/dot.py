"""A graph as DOT text, with nothing in it that a name or formula could break out of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np

from .colors import THEMES, Theme, scale, writing
from .graph import KINDS, Edge, Graph, Node
from .labels import number, shape_text, short, visible
from .layout import SANS
from .room import needed, width

__all__ = ["Look", "box_width", "write_dot"]

FONT = SANS
"""Graphviz knows its widths; DejaVu Sans, which Linux has in its place, has the same."""
PADDING = 5
"""Around the text in a box, in points."""
BAD = "#d55e00"
"""Of adjoints that are inf or nan."""


class Paint(NamedTuple):
    """Colours of a node: its fill, its text, its adjoint; and whether its border is dashed."""

    fill: str
    text: str
    adjoint: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """How a graph is drawn; see `tinygrad_lecture.draw`.

    Attributes
    ----------
    passes, color, digits, theme, title
        As there.
    legend : tuple of str
        Lines below the title.
    down : bool
        From top to bottom rather than from left to right.
    bare : bool
        Local derivatives in the tooltips of edges alone.
    """

    passes: str = "both"
    color: str = "kind"
    digits: int = 4
    theme: str = "light"
    title: str = ""
    legend: tuple[str, ...] = ()
    down: bool = False
    bare: bool = False

    @property
    def colors(self) -> Theme:
        """The theme's colours."""
        return THEMES[self.theme]


QUICK = "nslimit=1, mclimit=0.1, "
"""Less patience of a layout with edges that reach far: it is over in seconds, not minutes."""


def write_dot(graph: Graph, look: Look) -> str:
    """Return DOT text; the same graph and look give the same text."""
    colors = look.colors
    lines = [
        "digraph backprop {",
        f"  graph [rankdir={'TB' if look.down else 'LR'}, newrank=true, labelloc=t, labeljust=l, "
        f"nodesep=0.25, ranksep=0.4, {QUICK if look.bare else ''}"
        f'bgcolor="{colors.background}", fontname="{FONT}", '
        f'fontsize=14, fontcolor="{colors.text}", tooltip={_quoted(look.title or "graph")}, '
        f"label=<{_heading(graph, look)}>]",
        f'  node [shape=plain, fontname="{FONT}", fontsize=12, fontcolor="{colors.text}"]',
        f'  edge [fontname="{FONT}", fontsize=11, color="{colors.faint}", '
        f'fontcolor="{colors.adjoint}", arrowsize=0.7]',
    ]
    paint = _paint(graph, look)
    inside: dict[str, list[str]] = {}
    for node in graph.nodes:
        inside.setdefault(node.group, []).append(_node(node, look, paint(node)))
    frames: dict[str, list[Any]] = {}
    for group in graph.groups:
        frames.setdefault(group.parent, []).append(group)

    def put(id: str, depth: int) -> None:  # as deep as modules are nested
        indent = "  " * depth
        lines.extend(indent + line for line in inside.get(id, ()))
        for group in frames.get(id, ()):
            lines.append(f'{indent}subgraph "cluster_{group.id}" {{')
            lines.append(
                f'{indent}  graph [id="{group.id}", style=rounded, color="{colors.faint}", '
                f'bgcolor="{colors.background}", tooltip={_quoted(group.label)}, '
                f"label=<{_html(group.label)}>]"
            )
            put(group.id, depth + 1)
            lines.append(f"{indent}}}")

    put("", 1)
    lines.extend(f"  {_edge(edge, look)}" for edge in graph.edges)
    lines.append("}")
    return "\n".join(lines) + "\n"


def _heading(graph: Graph, look: Look) -> str:
    """Return title, legend, notes, and the colours that occur with what they mean."""
    faint = f'POINT-SIZE="11" COLOR="{look.colors.faint}"'
    rows = [f"<B>{_html(look.title, 100)}</B>"] if look.title else []
    rows += [f"<FONT {faint}>{_html(text, 160)}</FONT>" for text in (*look.legend, *graph.notes)]
    cells = [
        f'<TD BGCOLOR="{fill}" BORDER="1" COLOR="{border}" STYLE="ROUNDED">'
        f'<FONT POINT-SIZE="10" COLOR="{text}">{_html(meaning)}</FONT></TD>'
        for fill, border, text, meaning in _swatches(graph, look)
    ]
    table = [f'<TR><TD ALIGN="LEFT">{row}</TD></TR>' for row in rows]
    if cells:
        table.append(
            '<TR><TD ALIGN="LEFT"><TABLE BORDER="0" CELLBORDER="0" CELLSPACING="4" '
            f'CELLPADDING="3"><TR>{"".join(cells)}</TR></TABLE></TD></TR>'
        )
    return (
        f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2">{"".join(table)}</TABLE>'
    )


def _swatches(graph: Graph, look: Look) -> list[tuple[str, str, str, str]]:
    """Return fill, border, colour of text and meaning of what the colours say."""
    colors = look.colors
    if look.color == "kind":
        there = {node.kind for node in graph.nodes}
        return [
            (colors.fills[kind], colors.border(kind), colors.text, kind)
            for kind in KINDS
            if kind in there
        ]
    if look.color == "level":
        ends = (0, max((node.level for node in graph.nodes), default=0))
        return [
            (fill, fill, writing(fill), f"level {level}")
            for level, fill in zip(ends, (scale(0.0), scale(1.0)), strict=True)
        ]
    low, high = _decades(graph)
    found = [
        (scale(x), scale(x), writing(scale(x)), f"|∂| = {10 ** (low + x * (high - low)):.2g}")
        for x in (0.0, 0.5, 1.0)
    ]
    ground = colors.background
    return [
        *found, (BAD, BAD, "#000000", "inf or nan"),
        (ground, ground, colors.text, "dashed: ∂ is exactly 0"),
    ]  # fmt: skip


def escaped(text: str) -> str:
    """Return text as it stands in a label: each of its characters for itself."""
    # Graphviz takes backslashes for escapes, \N for one, in labels of this kind as well.
    safe = escape(text, quote=True).replace("\\", "\\\\")
    return safe.replace("  ", " &#160;")  # of several spaces it would keep one


def _html(text: str, longest: int = 48) -> str:
    return escaped(short(visible(text), longest))


def _quoted(text: str) -> str:
    """Return a tooltip as a quoted string of DOT, in which everything stands for itself."""
    # Graphviz goes twice over tooltips for escapes, and over entities once.
    inner = escape(visible(text), quote=False).replace("\\", "\\" * 4).replace('"', '\\"')
    return f'"{inner}"'


class _Line(NamedTuple):
    """A row of a box: its cells, each with a colour if it is not that of the node."""

    cells: tuple[tuple[str, str], ...]
    size: int = 12
    bold: bool = False

    def width(self) -> float:
        """Return how many points wide it is."""
        return sum(width(text, self.size, self.bold) + 2 * PADDING for text, _ in self.cells)

    def html(self) -> str:
        """Return the row of an HTML table with two columns."""
        across = ' COLSPAN="2"' if len(self.cells) == 1 else ""
        cells = []
        for text, color in self.cells:
            points = needed(text, self.size, self.bold)
            room = f' WIDTH="{points + 2 * PADDING}"' if points else ""
            cells.append(f"<TD{across}{room}>{self._font(escaped(text), color)}</TD>")
        return f"<TR>{''.join(cells)}</TR>"

    def _font(self, text: str, color: str) -> str:
        if self.bold:
            text = f"<B>{text}</B>"
        style = (f' POINT-SIZE="{self.size}"' if self.size != 12 else "") + (
            f' COLOR="{color}"' if color else ""
        )
        return f"<FONT{style}>{text}</FONT>" if style else text


def _lines(node: Node, look: Look, adjoint: str = "") -> list[_Line]:
    """Return what is written in a box."""
    lines = [_Line(((line, ""),), bold=True) for line in _heads(node)]
    lines += [_Line(((short(visible(line), 96), ""),), size=10) for line in node.details]
    cells = []
    if look.passes != "backward" and node.primal is not None:
        cells.append((number(node.primal, look.digits), ""))
    if look.passes != "forward" and node.kind not in ("constant", "module", "instruction"):
        cells.append((f"∂ {number(node.adjoint, look.digits)}", adjoint))
    return [*lines, _Line(tuple(cells))] if cells else lines


def box_width(node: Node, look: Look) -> float:
    """Return how many points wide the box of a node is, about."""
    return max((line.width() for line in _lines(node, look)), default=0.0)


def _node(node: Node, look: Look, paint: Paint) -> str:
    rows = "".join(line.html() for line in _lines(node, look, paint.adjoint))
    styles = ["ROUNDED"] if node.kind in ("parameter", "input", "constant") else []
    styles += ["DASHED"] if paint.dashed else []
    style = f' STYLE="{",".join(styles)}"' if styles else ""
    thick = 3 if node.kind in ("parameter", "module") else 1
    label = (
        f'<TABLE BORDER="{thick}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="{PADDING}"{style} '
        f'BGCOLOR="{paint.fill}" COLOR="{look.colors.border(node.kind)}">{rows}</TABLE>'
    )
    return (
        f'{node.id} [id="{node.id}", tooltip={_quoted(_told(node))}, fontcolor="{paint.text}", '
        f"label=<{label}>]"
    )


def _heads(node: Node) -> list[str]:
    shape = f"  [{shape_text(node.shape)}]" if node.shape else ""
    times = f" ×{node.count:,}" if node.count > 1 else ""
    if node.formula and node.formula != node.label:
        return [f"{short(visible(node.label))} = {short(visible(node.formula))}{shape}{times}"]
    if node.kind == "constant" and not node.shape:
        return []
    return [f"{short(visible(node.label))}{shape}{times}"]


def _told(node: Node) -> str:
    kind = "" if node.kind in ("module", "instruction") else f" ({node.kind})"
    formula = f" = {node.formula}" if node.formula else ""
    return "; ".join([f"{node.label}{formula}{kind}", *node.details])


def _edge(edge: Edge, look: Look) -> str:
    shown = edge.derivative is not None and look.passes != "forward"
    text = number(edge.derivative, look.digits) if shown else ""
    told = f"{edge.source} to {edge.target}" + (f": local derivative {text}" if shown else "")
    parts = [f'id="{edge.id}"', f"tooltip={_quoted(told)}"]
    if look.passes == "backward":
        parts.append("dir=back")
    if shown and not look.bare:
        parts.append(f'label=<<FONT COLOR="{look.colors.adjoint}"> {_html(text, 32)} </FONT>>')
    if edge.count > 1:
        parts.append(f'label="×{edge.count:,}", fontcolor="{look.colors.faint}", penwidth=2')
    return f"{edge.source} -> {edge.target} [{', '.join(parts)}]"


def _paint(graph: Graph, look: Look) -> Callable[[Node], Paint]:
    """Return the function from a node to its colours."""
    colors = look.colors
    if look.color == "kind":
        return lambda node: Paint(colors.fills[node.kind], colors.text, colors.adjoint)
    if look.color == "level":
        top = max((node.level for node in graph.nodes), default=0) or 1

        def by_level(node: Node) -> Paint:
            fill = scale(node.level / top)
            return Paint(fill, writing(fill), writing(fill))

        return by_level
    low, high = _decades(graph)

    def by_adjoint(node: Node) -> Paint:
        size = _size(node.adjoint)
        if size is None or size == 0:  # not computed, or dead
            return Paint(colors.background, colors.text, colors.text, dashed=size == 0)
        fill = scale((math.log10(size) - low) / (high - low)) if math.isfinite(size) else BAD
        return Paint(fill, writing(fill), writing(fill))

    return by_adjoint


def _decades(graph: Graph) -> tuple[float, float]:
    """Return the range of log10 |∂|: at least two powers of ten, or small changes look large."""
    sizes = [_size(node.adjoint) for node in graph.nodes]
    logs = [math.log10(s) for s in sizes if s is not None and 0 < s < math.inf]
    low, high = min(logs, default=0.0), max(logs, default=0.0)
    middle = (low + high) / 2
    return (low, high) if high - low > 2 else (middle - 1, middle + 1)


def _size(adjoint: Any) -> float | None:
    """Return the largest |adjoint|; nan if one is nan."""
    if adjoint is None:
        return None
    with np.errstate(all="ignore"):
        return float(np.max(np.abs(adjoint), initial=0.0))
