"""A graph as DOT text, with nothing in it that a name or formula could break out of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from .colors import THEMES, Theme, scale, writing
from .graph import Edge, Graph, Node
from .labels import number, shape_text, short, visible

__all__ = ["Look", "write_dot"]

FONT = "Arial"


@dataclass(frozen=True, slots=True)
class Look:
    """How a graph is drawn; see `tinygrad_lecture.draw`."""

    passes: str = "both"
    color: str = "kind"
    digits: int = 4
    theme: str = "light"
    title: str = ""
    legend: tuple[str, ...] = ()

    @property
    def colors(self) -> Theme:
        """The theme's colours."""
        return THEMES[self.theme]


def write_dot(graph: Graph, look: Look) -> str:
    """Return DOT text; the same graph and look give the same text."""
    colors = look.colors
    lines = [
        "digraph backprop {",
        f'  graph [rankdir=LR, bgcolor="{colors.background}", fontname="{FONT}", fontsize=14, '
        f'fontcolor="{colors.text}", labelloc=t, labeljust=l, nodesep=0.25, ranksep=0.4, '
        f"label=<{_heading(graph, look)}>, tooltip={_quoted(look.title or 'graph')}]",
        f'  node [shape=plain, fontname="{FONT}", fontsize=12, fontcolor="{colors.text}"]',
        f'  edge [fontname="{FONT}", fontsize=11, color="{colors.faint}", '
        f'fontcolor="{colors.adjoint}", arrowsize=0.7]',
    ]
    paint = _paint(graph, look)
    inside: dict[str, list[str]] = {}
    for node in graph.nodes:
        inside.setdefault(node.group, []).append(_node(node, look, *paint(node)))
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
    rows = [f"<B>{_html(look.title)}</B>"] if look.title else []
    rows += [
        f'<FONT POINT-SIZE="11" COLOR="{look.colors.faint}">{_html(text, 160)}</FONT>'
        for text in (*look.legend, *graph.notes)
    ]
    return "".join(f'{row}<BR ALIGN="LEFT"/>' for row in rows)


def _html(text: str, longest: int = 48) -> str:
    return escape(short(visible(text), longest), quote=True)


def _quoted(text: str) -> str:
    """Return a quoted string of DOT in which backslashes and entities stand for themselves."""
    inner = escape(visible(text), quote=False).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def _node(node: Node, look: Look, fill: str, text: str, adjoint: str) -> str:
    colors = look.colors
    border = colors.border(node.kind)
    head = _heads(node)
    rows = [f'<TR><TD COLSPAN="2"><B>{_html(line)}</B></TD></TR>' for line in head]
    rows += [
        f'<TR><TD COLSPAN="2"><FONT POINT-SIZE="10">{_html(line)}</FONT></TD></TR>'
        for line in node.details
    ]
    cells = []
    if look.passes != "backward" and node.primal is not None:
        cells.append(_html(number(node.primal, look.digits)))
    if look.passes != "forward" and node.kind not in ("constant", "module", "instruction"):
        cells.append(f'<FONT COLOR="{adjoint}">∂ {_html(number(node.adjoint, look.digits))}</FONT>')
    if len(cells) == 1:
        rows.append(f'<TR><TD COLSPAN="2">{cells[0]}</TD></TR>')
    elif cells:
        rows.append(f"<TR>{''.join(f'<TD>{cell}</TD>' for cell in cells)}</TR>")
    leaf = node.kind in ("parameter", "input", "constant")
    style = ' STYLE="ROUNDED"' if leaf else ""
    width = 3 if node.kind in ("parameter", "module") else 1
    label = (
        f'<TABLE BORDER="{width}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3"{style} '
        f'BGCOLOR="{fill}" COLOR="{border}">{"".join(rows)}</TABLE>'
    )
    return (
        f'{node.id} [id="{node.id}", tooltip={_quoted(_told(node))}, fontcolor="{text}", '
        f"label=<{label}>]"
    )


def _heads(node: Node) -> list[str]:
    shape = f"  {shape_text(node.shape)}" if node.shape else ""
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
        parts.append(f'label=<<FONT COLOR="{look.colors.adjoint}"> {_html(text, 24)} </FONT>>')
    if edge.count > 1:
        parts.append(f'label="×{edge.count:,}", fontcolor="{look.colors.faint}", penwidth=2')
    return f"{edge.source} -> {edge.target} [{', '.join(parts)}]"


def _paint(graph: Graph, look: Look) -> Any:
    """Return the function from a node to its fill, its text and the colour of its adjoint."""
    colors = look.colors
    if look.color == "kind":
        return lambda node: (colors.fill(node.kind), colors.text, colors.adjoint)
    if look.color == "level":
        top = max((node.level for node in graph.nodes), default=0) or 1

        def by_level(node: Node) -> tuple[str, str, str]:
            fill = scale(node.level / top)
            return fill, writing(fill), writing(fill)

        return by_level
    sizes = {node.id: _size(node.adjoint) for node in graph.nodes}
    logs = [math.log10(s) for s in sizes.values() if s is not None and 0 < s < math.inf]
    low, high = min(logs, default=0.0), max(logs, default=0.0)
    if high - low < 2:  # within two powers of ten, nothing vanishes and nothing explodes
        low, high = (low + high) / 2 - 1, (low + high) / 2 + 1

    def by_adjoint(node: Node) -> tuple[str, str, str]:
        size = sizes[node.id]
        if size is None:  # not computed, or a constant
            return colors.background, colors.text, colors.text
        if size == 0:  # dead: grey is not on the scale
            return "#8c8c8c", "#000000", "#000000"
        if not math.isfinite(size):
            return "#d55e00", "#000000", "#000000"
        fill = scale((math.log10(size) - low) / (high - low))
        return fill, writing(fill), writing(fill)

    return by_adjoint


def _size(adjoint: Any) -> float | None:
    """Return the largest |adjoint|; nan if one is nan."""
    if adjoint is None:
        return None
    with np.errstate(all="ignore"):
        return float(np.max(np.abs(adjoint), initial=0.0))
