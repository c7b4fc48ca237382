"""`stepper`: a page that goes through both passes of a computation, one step at a time."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Literal

from ..errors import UsageError
from .build import build
from .colors import THEMES
from .dot import Look, box_width, write_dot
from .frames import Frame, frames_of
from .graph import Graph, Node
from .inline import inline
from .labels import number, shape_text, short, visible
from .layout import render, write
from .program import is_program
from .room import BARE, goes_down, reach
from .subject import subject_of

__all__ = ["Stepper", "stepper"]

HEIGHT = 720
"""Of the page inside of a notebook, in pixels."""
COLORS = ("background", "text", "faint", "adjoint")


def stepper(
    obj: Any,
    *inputs: Any,
    focus: Any = None,
    radius: int = 2,
    digits: int = 4,
    theme: Literal["light", "dark"] = "light",
    limit: int = 400,
    title: str | None = None,
) -> Stepper:
    """Step through the forward and the backward pass of a computation.

    The page shows the graph beside the tape.  Forward, one entry after the other is computed.
    Backward, one adjoint after the other is passed on: incoming adjoint × local derivative =
    contribution, which is added to the operand's sum.  These are the steps of `Tape.steps`; no
    ``.grad`` is read or touched.

    Parameters
    ----------
    obj : Value, Tape, module or function
        With one number as its output.  A module or function is run with the inputs.
    *inputs : optional
        As for `tinygrad_lecture.draw`.
    focus, radius : optional
        Step only through what is near, as for `tinygrad_lecture.draw`; what the rest contributes
        comes in one step.
    digits : int
        Significant digits.
    theme : {"light", "dark"}
    limit : int
        Most entries.
    title : str, optional
        Instead of one that names the output.

    Returns
    -------
    Stepper
        Shows itself in a notebook; ``save("steps.html")``; as text, one line per step.

    Raises
    ------
    UsageError
        If an option has no such choice, what came has no output or not one number as its output,
        there are more entries than the limit, or the focus is not there.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> w, x = tg.Value(3.0, name="w"), tg.Value(2.0, name="x")
    >>> print(tg.draw.stepper((w * x) ** 2, title="a square"))
    a square
    1  forward   input w: 3
    2  forward   input x: 2
    3  forward   formula v2 = w · x = numbers put in 3 · 2 = value 6; local derivative ∂v2/...
    """
    if theme not in THEMES:
        raise UsageError(f"theme must be one of {', '.join(THEMES)}; got {theme!r}")
    for name, x in (("digits", digits), ("limit", limit)):
        if not x >= 1:
            raise UsageError(f"{name} must be at least 1, got {x}")
    if is_program(obj):
        raise UsageError(
            "a compiled function has instructions, not entries: step through the function that it "
            "was made from"
        )
    subject = subject_of(obj, inputs)
    tape = subject.tape
    if len(tape.roots) != 1 or tape.roots[0].size != 1:
        one = f"an array of shape {tape.roots[0].shape}"
        came = one if len(tape.roots) == 1 else f"{len(tape.roots)} outputs"
        raise UsageError(f"the backward pass starts at one number, and {came} came: sum it up")
    if focus is None and len(tape) > limit:
        raise UsageError(
            f"{len(tape):,} entries are more than limit={limit} to step through: step through a "
            "part, focus=value, radius=2, or set a higher limit"
        )
    graph = build(
        tape, names=subject.names, parts=subject.parts, focus=focus, radius=radius, limit=limit,
        digits=digits,
    )  # fmt: skip
    single = [node for node in graph if node.kind != "constant" and node.id.startswith("e")]
    if len(single) > limit or any(node.id.startswith("m") for node in graph):
        raise UsageError(
            f"radius={radius} around the focus takes in more than limit={limit} entries: "
            "choose a smaller radius, or set a higher limit"
        )
    frames = tuple(frames_of(tape, graph, subject.names, digits))
    totals = {f"e{f.target}": f.total for f in frames if f.target is not None}
    known = tuple(replace(node, adjoint=totals.get(node.id)) for node in graph)
    root = tape.roots[0]
    name = subject.called or root.name or subject.names.get(id(root)) or f"v{len(tape) - 1}"
    look = Look(digits=digits, theme=theme, title=title or f"step by step: {name}")
    down = goes_down(graph, [box_width(node, look) for node in graph])
    look = replace(look, down=down, bare=reach(graph) > BARE)
    return Stepper(replace(graph, nodes=known), frames, look)


@dataclass(frozen=True)
class Stepper:
    """The steps of both passes and the graph that they go through; made by `stepper`.

    Attributes
    ----------
    graph : Graph
        What is stepped through.
    frames : tuple of Frame
        The steps, in their order.
    look : Look
        Digits, theme and title.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(3.0, name="x")
    >>> steps = tg.draw.stepper(x * x)
    >>> steps
    <Stepper of 2 entries and 5 steps>
    >>> [(frame.entry, frame.target, frame.total) for frame in steps.frames]
    [(0, None, None), (1, None, None), (1, 1, 1.0), (1, 0, 3.0), (1, 0, 6.0)]
    """

    graph: Graph
    frames: tuple[Frame, ...]
    look: Look

    def html(self) -> str:
        """Return the page: one file that loads nothing.

        Without a program that lays graphs out there is no picture in it, only the table, and what
        to install.
        """
        try:
            svg = render(write_dot(self.graph, replace(self.look, title=""))).decode()
            picture = inline(svg, self.graph)
        except UsageError as error:
            picture = f'<p class="missing">{escape(str(error))}</p>'
        colors = self.look.colors
        return Template(_part("html")).substitute(
            title=escape(visible(self.look.title)),
            theme=colors.name,
            colors="; ".join(f"--{k}: {getattr(colors, k)}" for k in COLORS),
            style=_part("css"),
            graph=picture,
            data=_embedded(self._data()),
            script=_part("js"),
        )

    def json(self) -> str:
        """Return rows and steps as JSON text: what the page reads."""
        return json.dumps(self._data(), ensure_ascii=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file that ends in .html.

        Raises
        ------
        UsageError
            If the ending is another one, or the file cannot be written.
        """
        file = Path(path)
        if file.suffix.lower() != ".html":
            raise UsageError(f"{file}: steps are a page, so the ending must be .html")
        write(file, self.html().encode())

    def __str__(self) -> str:
        """Return title and steps as text, one line for each."""
        wide = len(str(len(self.frames)))
        lines = [f"{k:{wide}}  {frame}" for k, frame in enumerate(self.frames, 1)]
        return "\n".join([visible(self.look.title), *self.graph.notes, *lines])

    def __repr__(self) -> str:
        return f"<Stepper of {len(self._rows())} entries and {len(self.frames)} steps>"

    def _repr_html_(self) -> str:
        """Return a frame with the page in it, for a notebook."""
        return (
            f'<iframe srcdoc="{escape(self.html())}" title="{escape(visible(self.look.title))}" '
            f'sandbox="allow-scripts" style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
        )

    def _rows(self) -> list[Node]:
        return [node for node in self.graph if node.kind != "constant"]

    def _data(self) -> dict[str, Any]:
        local: dict[str, list[str]] = {}
        for edge in self.graph.edges:
            if edge.derivative is not None:
                text = visible(number(edge.derivative, self.look.digits))
                local.setdefault(edge.target, []).append(text)
        return {
            "rows": [
                {
                    "id": node.id,
                    "head": _head(node),
                    "value": number(node.primal, self.look.digits),
                    "local": ", ".join(local.get(node.id, ())),
                }
                for node in self._rows()
            ],
            "frames": [self._frame(frame) for frame in self.frames],
        }

    def _frame(self, frame: Frame) -> dict[str, Any]:
        told: dict[str, Any] = {"at": f"e{frame.entry}", "terms": frame.terms}
        if frame.target is not None:
            told |= {"to": f"e{frame.target}", "sum": number(frame.total, self.look.digits)}
        if frame.operand is not None:
            told["edge"] = f"e{frame.entry}_{frame.operand}"
        return told


def _head(node: Node) -> str:
    shape = f" [{shape_text(node.shape)}]" if node.shape else ""
    formula = f" = {short(visible(node.formula))}" if node.formula else ""
    return f"{short(visible(node.label))}{formula}{shape}"


def _part(ending: str) -> str:
    return files(__package__).joinpath(f"stepper.{ending}").read_text(encoding="utf-8")


def _embedded(data: Any) -> str:
    """Return JSON for a script element, which only a ``<`` could end."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
