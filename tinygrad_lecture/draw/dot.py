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

__all__ = ["Look", "write_dot"]

FONT = "Arial"
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
    """

    passes: str = "both"
    color: str = "kind"
    digits: int = 4
    theme: str = "light"
    title: str = ""
    legend: tuple[str, ...] = ()
    down: bool = False

    @property
    def colors(self) -> Theme:
        """The theme's colours."""
        return THEMES[self.theme]


def write_dot(graph: Graph, look: Look) -> str:
    """Return DOT text; the same graph and look give the same text."""
    colors = look.colors
    lines = [
        "digraph backprop {",
        f"  graph [rankdir={'TB' if look.down else 'LR'}, newrank=true, labelloc=t, labeljust=l, "
        f'nodesep=0.25, ranksep=0.4, bgcolor="{colors.background}", fontname="{FONT}", '
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
        f'<TD BGCOLOR="{fill}" STYLE="ROUNDED"><FONT POINT-SIZE="10" COLOR="{text}">'
        f"{_html(meaning)}</FONT></TD>"
        for fill, text, meaning in _swatches(graph, look)
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


def _swatches(graph: Graph, look: Look) -> list[tuple[str, str, str]]:
    """Return fill, colour of text and meaning of what the colours say."""
    colors = look.colors
    if look.color == "kind":
        there = {node.kind for node in graph.nodes}
        return [(colors.fills[kind], colors.text, kind) for kind in KINDS if kind in there]
    if look.color == "level":
        ends = (0, max((node.level for node in graph.nodes), default=0))
        return [
            (fill, writing(fill), f"level {level}")
            for level, fill in zip(ends, (scale(0.0), scale(1.0)), strict=True)
        ]
    low, high = _decades(graph)
    found = [
        (scale(x), writing(scale(x)), f"|∂| = {10 ** (low + x * (high - low)):.2g}")
        for x in (0.0, 0.5, 1.0)
    ]
    return [
        *found, (BAD, "#000000", "inf or nan"),
        (colors.background, colors.text, "dashed: ∂ is exactly 0"),
    ]  # fmt: skip


def _html(text: str, longest: int = 48) -> str:
    # Graphviz takes backslashes for escapes, \N for one, in labels of this kind as well.
    safe = escape(short(visible(text), longest), quote=True).replace("\\", "\\\\")
    return safe.replace("  ", " &#160;")  # of several spaces it would keep one


def _quoted(text: str) -> str:
    """Return a tooltip as a quoted string of DOT, in which everything stands for itself."""
    # Graphviz goes twice over tooltips for escapes, and over entities once.
    inner = escape(visible(text), quote=False).replace("\\", "\\" * 4).replace('"', '\\"')
    return f'"{inner}"'


def _node(node: Node, look: Look, paint: Paint) -> str:
    colors = look.colors
    border = colors.border(node.kind)
    head = _heads(node)
    rows = [f'<TR><TD COLSPAN="2"><B>{_html(line, 120)}</B></TD></TR>' for line in head]
    rows += [
        f'<TR><TD COLSPAN="2"><FONT POINT-SIZE="10">{_html(line)}</FONT></TD></TR>'
        for line in node.details
    ]
    cells = []
    if look.passes != "backward" and node.primal is not None:
        cells.append(_html(number(node.primal, look.digits)))
    if look.passes != "forward" and node.kind not in ("constant", "module", "instruction"):
        cells.append(
            f'<FONT COLOR="{paint.adjoint}">∂ {_html(number(node.adjoint, look.digits))}</FONT>'
        )
    if len(cells) == 1:
        rows.append(f'<TR><TD COLSPAN="2">{cells[0]}</TD></TR>')
    elif cells:
        rows.append(f"<TR>{''.join(f'<TD>{cell}</TD>' for cell in cells)}</TR>")
    styles = ["ROUNDED"] if node.kind in ("parameter", "input", "constant") else []
    styles += ["DASHED"] if paint.dashed else []
    style = f' STYLE="{",".join(styles)}"' if styles else ""
    width = 3 if node.kind in ("parameter", "module") else 1
    label = (
        f'<TABLE BORDER="{width}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3"{style} '
        f'BGCOLOR="{paint.fill}" COLOR="{border}">{"".join(rows)}</TABLE>'
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
    return f"{node.label}{formula}{kind}"


def _edge(edge: Edge, look: Look) -> str:
    parts = [f'id="{edge.id}"', f"tooltip={_quoted(f'{edge.source} to {edge.target}')}"]
    if look.passes == "backward":
        parts.append("dir=back")
    if edge.derivative is not None and look.passes != "forward":
        text = number(edge.derivative, look.digits)
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
