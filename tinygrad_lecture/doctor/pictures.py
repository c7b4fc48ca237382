"""Which pictures can be drawn: each kind is tried."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..draw import draw, render
from ..draw.layout import INSTALL as INSTALL_GRAPHS
from ..draw.layout import PORT, find_dot
from ..engine import Value
from ..errors import UsageError
from ..plots import activations
from ..plots.sheet import INSTALL as INSTALL_PLOTS

__all__ = ["Picture", "describe_dot", "pictures"]

BEGINS = {"svg": (b"<?xml", b"<svg", b"<!DOCTYPE"), "png": (b"\x89PNG",), "pdf": (b"%PDF",)}


@dataclass(frozen=True)
class Picture:
    """A kind of picture.

    Attributes
    ----------
    name : str
    drawn : bool
        Whether it could be drawn just now.
    missing : bool
        Whether nothing is wrong but that a package or program is not installed.
    reason : str
        Why it could not be drawn, with what would be right.
    """

    name: str
    drawn: bool
    missing: bool = False
    reason: str = ""


def describe_dot() -> str:
    """Return by what graphs are laid out."""
    program = find_dot()
    if program is None:
        return f"neither Graphviz's dot on the PATH nor {PORT}: {INSTALL_GRAPHS}"
    name = PORT if PORT in Path(program).name else "Graphviz's dot"
    if importlib.util.find_spec("graphviz") is None:
        return f"{name} ({program}), but without Python's graphviz: {INSTALL_GRAPHS}"
    return f"{name} ({program})"


def pictures() -> list[Picture]:
    """Try each kind of picture."""
    program = find_dot()
    no_graphs = program is None or importlib.util.find_spec("graphviz") is None
    no_plots = importlib.util.find_spec("matplotlib") is None
    graph = draw(Value(2.0, name="x") * Value(3.0, name="y"), passes="forward")
    graphs, plots = INSTALL_GRAPHS * no_graphs, INSTALL_PLOTS * no_plots
    pdf = "needs Graphviz's own dot" * (no_graphs or PORT in str(program))
    return [
        _tried("graph.svg", lambda: render(graph.dot(), "svg"), graphs),
        _tried("graph.png", lambda: render(graph.dot(), "png"), graphs),
        _tried("graph.pdf", lambda: render(graph.dot(), "pdf"), pdf),
        _tried("plot.svg", lambda: activations("tanh").svg().encode(), plots),
        _tried("plot.png", lambda: activations("tanh").png(dpi=50), plots),
    ]


def _tried(name: str, make: Callable[[], bytes], missing: str) -> Picture:
    """Draw a picture, unless it is known what is missing for it."""
    if missing:
        return Picture(name, False, True, missing)
    try:
        content = make()
    except UsageError as error:
        return Picture(name, False, False, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return Picture(name, False, False, f"{type(error).__name__}: {error}".splitlines()[0])
    if not content.lstrip().startswith(BEGINS[Path(name).suffix[1:]]):
        return Picture(name, False, False, f"it begins with {content[:16]!r}")
    return Picture(name, True)
