"""`render`: DOT text to a picture, by whichever dot there is."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from ..errors import UsageError

__all__ = ["FORMATS", "find_dot", "render", "save_dot", "write"]

TEXT = (".dot", ".gv")
FORMATS = ("svg", "png", "pdf")
PORT = "graphviz-pure"
SECONDS = 120.0
SANS = "Verdana"
FALLBACK = f"{SANS},DejaVu Sans,sans-serif"
PORT_SANS = "Arial"
INSTALL = 'pip install "tinygrad_lecture[viz]"'


def find_dot() -> str | None:
    """Return the program that lays graphs out: a ``dot`` on the PATH, else graphviz-pure.

    graphviz-pure is a port of Graphviz that pip installs; it is found beside the running Python
    even if that environment is not on the PATH.

    Returns
    -------
    str or None
        Path of the program; None if there is neither.
    """
    scripts = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    return shutil.which("dot") or shutil.which(PORT, path=scripts)


def render(dot: str, format: str = "svg") -> bytes:
    """Lay a graph out and draw it.

    Parameters
    ----------
    dot : str
        DOT text.
    format : {"svg", "png", "pdf"}
        PDF needs Graphviz's own ``dot``.

    Returns
    -------
    bytes
        The file.  Other dots give other bytes for the same picture.

    Raises
    ------
    UsageError
        If the package graphviz or every dot is missing, the text is no DOT, the program cannot
        make this format, or it is not done after two minutes.

    Examples
    --------
    >>> from tinygrad_lecture.draw import render
    >>> render("digraph { a -> b }")[:5]  # doctest: +SKIP
    b'<?xml'
    """
    if format not in FORMATS:
        raise UsageError(f"format must be one of {', '.join(FORMATS)}; got {format!r}")
    program = find_dot()
    if program is None or importlib.util.find_spec("graphviz") is None:
        raise UsageError(
            f"a {format} picture needs the program dot or its port graphviz-pure: {INSTALL}; "
            "DOT text needs nothing"
        )
    if format == "png" and PORT in program:  # it draws in fonts of its own, by other names
        dot = dot.replace(f'fontname="{SANS}"', f'fontname="{PORT_SANS}"')
    # Optional, so it is imported here.  `graphviz.pipe` knows only a dot on the PATH.
    backend = importlib.import_module("graphviz.backend.execute")
    try:
        done = backend.run_check(
            [program, "-Kdot", f"-T{format}"], input=dot.encode(), capture_output=True, quiet=True,
            timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"the layout was not done after {SECONDS:g} s: draw fewer nodes (depth=, focus= or "
            "limit=)"
        ) from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().split("\n")[-1]
        hint = f"; {PORT} makes no PDF" if format == "pdf" and PORT in program else ""
        raise UsageError(f"{program} could not make the {format} picture{hint}: {said}") from None
    picture: bytes = done.stdout
    if format == "svg":
        family = 'font-family="{}"'.format
        picture = picture.replace(family(SANS).encode(), family(FALLBACK).encode())
    return picture


def save_dot(dot: str, path: str | os.PathLike[str]) -> None:
    """Write a graph as the ending of the file says: .dot and .gv hold the text, others a picture.

    Raises
    ------
    UsageError
        If the ending is another one than .dot, .gv, .svg, .png and .pdf, the file cannot be
        written, or as `render`.
    """
    file = Path(path)
    ending = file.suffix.lower()
    if ending in TEXT:
        write(file, dot.encode())
    elif ending[1:] in FORMATS:
        write(file, render(dot, ending[1:]))
    else:
        endings = ", ".join([*TEXT, *(f".{name}" for name in FORMATS)])
        raise UsageError(f"{file}: the ending must be one of {endings}")


def write(path: Path, content: bytes) -> None:
    """Write a file; that it cannot be written is told in one line."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
