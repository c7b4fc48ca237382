"""`Drawing`: a picture that shows itself, and saves itself by the ending of a file's name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .dot import Look, write_dot
from .graph import Graph
from .labels import number, short, visible
from .layout import FORMATS, TEXT, render, save_dot, write

__all__ = ["Drawing"]

ENDINGS = (*(f".{name}" for name in FORMATS), *TEXT, ".html", ".json")
CELL = 630.0
"""Width of a notebook's cell, in points, at least."""
READABLE = 0.6
"""Smallest scale at which labels can be read."""


@dataclass(frozen=True)
class Drawing:
    """A graph and how it looks; made by `tinygrad_lecture.draw`.

    Attributes
    ----------
    graph : Graph
        What is drawn, as data.
    look : Look
        Passes, colours, digits, theme, title.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> w, x = tg.Value(3.0, name="w"), tg.Value(2.0, name="x")
    >>> picture = tg.draw(w * x, passes="forward")
    >>> picture
    <Drawing of 3 nodes and 2 edges>
    >>> "v2 = w · x" in picture.dot()
    True
    """

    graph: Graph
    look: Look

    def dot(self) -> str:
        """Return DOT text; it needs no other package, and is the same for the same graph."""
        return write_dot(self.graph, self.look)

    def svg(self) -> str:
        """Return an SVG picture.

        Raises
        ------
        UsageError
            As `render`.
        """
        return render(self.dot(), "svg").decode()

    def png(self) -> bytes:
        """Return a PNG picture.

        Raises
        ------
        UsageError
            As `render`.
        """
        return render(self.dot(), "png")

    def html(self) -> str:
        """Return a page with the picture, that loads nothing.

        Raises
        ------
        UsageError
            As `render`.
        """
        colors = self.look.colors
        svg = self.svg()
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(visible(self.look.title or 'graph'))}</title>\n"
            f"<style>body {{ margin: 1rem; background: {colors.background}; }}"
            " svg { max-width: 100%; height: auto; }</style>\n</head>\n<body>\n"
            f"{svg[svg.index('<svg') :]}\n</body>\n</html>\n"
        )

    def json(self) -> str:
        """Return the graph as JSON text."""
        return self.graph.to_json()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file as its ending says: .svg, .png, .pdf, .dot, .gv, .html or .json.

        Raises
        ------
        UsageError
            If the ending is another one, the file cannot be written, or as `render`.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import tinygrad_lecture as tg
        >>> x = tg.Value(3.0, name="x")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "square.dot")
        ...     tg.draw(x * x).save(path)
        ...     path.read_text(encoding="utf-8")[:18]
        'digraph backprop {'
        """
        file = Path(path)
        ending = file.suffix.lower()
        if ending not in ENDINGS:
            raise UsageError(f"{file}: the ending must be one of {', '.join(ENDINGS)}")
        if ending in (".html", ".json"):
            write(file, (self.html() if ending == ".html" else self.json()).encode())
        else:
            save_dot(self.dot(), file)

    def __str__(self) -> str:
        """Return the nodes as a table, for terminals."""
        digits = self.look.digits
        back = self.look.passes != "forward"
        rows = [("node", "formula", "value", "derivative" if back else "")]
        rows += [
            (
                short(visible(node.label)) + (f" ×{node.count:,}" if node.count > 1 else ""),
                short(visible(node.formula)) if node.formula else node.kind,
                "" if node.primal is None else number(node.primal, digits),
                number(node.adjoint, digits) if back and node.kind != "constant" else "",
            )
            for node in self.graph
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([visible(self.look.title), *self.graph.notes, *lines])

    def __repr__(self) -> str:
        return f"<Drawing of {len(self.graph)} nodes and {len(self.graph.edges)} edges>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the picture for a notebook; without a dot, DOT text and what is missing."""
        try:
            return {"image/svg+xml": _fitted(self.svg()), "text/plain": repr(self)}
        except UsageError as error:
            return {"text/plain": f"{self!r}: {error}\n\n{self.dot()}"}


def _fitted(svg: str) -> str:
    """Scale a picture down to a cell of a notebook, but not so far that one cannot read it.

    Notebooks show it as an image of the size that it names, and cut off what is too wide.
    """
    size = re.search(r'<svg width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    if size is None:
        return svg
    width, height = map(float, size.groups())
    scale = min(1.0, max(CELL / width, READABLE))
    start, end = size.span()
    return f'{svg[:start]}<svg width="{scale * width:g}pt" height="{scale * height:g}pt"{svg[end:]}'
