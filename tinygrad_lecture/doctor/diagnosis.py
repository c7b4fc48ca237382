"""The findings of all rooms together, as text and as plain data."""

from __future__ import annotations

import platform
import sys
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from .extras import BASE, Extra, Package, extras, find_package, requirements
from .machine import Blas, cpus, find_blas, find_browser, folders
from .pictures import Picture, describe_dot, pictures

__all__ = ["Diagnosis", "diagnose"]

HOME = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found; true if nothing is broken.

    Attributes
    ----------
    base : tuple of Package
        What is always needed: NumPy.
    extras : tuple of Extra
    dot : str
        By what graphs are laid out.
    pictures : tuple of Picture
    blas : Blas
    folders : dict
        Why a folder cannot be written to, or an empty text, by its path.
    browser : str or None
        For tests of pages.
    """

    base: tuple[Package, ...]
    extras: tuple[Extra, ...]
    dot: str
    pictures: tuple[Picture, ...]
    blas: Blas
    folders: dict[str, str]
    browser: str | None

    @property
    def broken(self) -> list[str]:
        """What is there and does not work; that something is missing is no fault."""
        found = [str(p) for p in self.base if p.state != "there"]
        for extra in self.extras:
            found += [
                f"{extra.name}: {p}" for p in extra.packages if p.state in ("broken", "too old")
            ]
        found += [
            f"{p.name} cannot be drawn: {p.reason}"
            for p in self.pictures
            if not (p.drawn or p.missing)
        ]
        return list(dict.fromkeys(found))

    @property
    def install(self) -> list[str]:
        """The pip lines for what is missing, too old or broken."""
        wanted = [
            e.name
            for e in self.extras
            if e.usual and any(p.state in ("missing", "too old") for p in e.packages)
        ]
        old = any(p.state == "too old" for e in self.extras if e.usual for p in e.packages)
        upgrade = "--upgrade " * old
        lines = [f'pip install {upgrade}"tinygrad_lecture[{",".join(wanted)}]"'] if wanted else []
        bad = [p.name for e in self.extras for p in e.packages if p.state == "broken"]
        if bad:
            lines.append(f"pip install --force-reinstall {' '.join(dict.fromkeys(bad))}")
        return lines

    def __bool__(self) -> bool:
        return not self.broken

    def to_json(self) -> dict[str, Any]:
        """Return the findings as plain dicts, lists, strings and numbers."""
        return {
            "verdict": "broken" if self.broken else "well",
            "version": __version__,
            "home": str(HOME),
            "python": platform.python_version(),
            "executable": sys.executable,
            "platform": platform.platform(),
            "cpus": cpus(),
            "base": [asdict(p) for p in self.base],
            "extras": [
                {"name": e.name, "usual": e.usual, "state": e.state,
                 "packages": [asdict(p) for p in e.packages]}
                for e in self.extras
            ],
            "dot": self.dot,
            "pictures": [asdict(p) for p in self.pictures],
            "blas": asdict(self.blas),
            "folders": self.folders,
            "browser": self.browser,
            "broken": self.broken,
            "install": self.install,
        }  # fmt: skip

    def __str__(self) -> str:
        base = ", ".join(map(str, self.base))
        lines = [
            f"tinygrad_lecture {__version__} in {HOME}",
            f"Python {platform.python_version()} ({sys.executable}), {base}",
            f"{platform.platform()}, {cpus()} CPUs",
            "",
            "extras",
            *(line for e in self.extras if e.usual for line in _lines(e)),
            "for development, grading or comparison",
            *(line for e in self.extras if not e.usual for line in _lines(e)),
            "pictures",
            f"    graphs: {self.dot}",
            *(
                f"  {'✓' if p.drawn else '○' if p.missing else '✗'} {p.name:<11} "
                f"{'drawn' if p.drawn else p.reason}"
                for p in self.pictures
            ),
            "linear algebra",
            f"    {self.blas}",
            "folders",
            *(
                f"  {'✗' if why else '✓'} {folder}: {why or 'can be written to'}"
                for folder, why in self.folders.items()
            ),
            "browser",
            f"    {self.browser or 'no Chromium (only tests of pages need one)'}",
            "",
        ]
        if self.broken:
            lines += ["broken:", *(f"  {text}" for text in self.broken)]
        if self.install:
            lines += ["to install what is missing:", *(f"  {line}" for line in self.install)]
        if not (self.broken or self.install):
            lines.append("all usual extras are there")
        return "\n".join(lines)


def _lines(extra: Extra) -> list[str]:
    """Return an extra with its packages; of one that is there, nothing more has to be told."""
    mark = {"there": "✓", "missing": "○", "too old": "✗", "broken": "✗"}[extra.state]
    if extra.usual or extra.state in ("too old", "broken"):
        shown = [p for p in extra.packages if extra.usual or p.state in ("too old", "broken")]
        told = ", ".join(map(str, shown))
    else:
        there = sum(p.state == "there" for p in extra.packages)
        told = f"{there} of {len(extra.packages)} packages"
    lines = _wrapped(f"{mark} {extra.name:<11} {told}", 2)
    gone = [p.name for p in extra.packages if p.state == "missing"]
    if gone and not extra.usual:
        lines += _wrapped(f"missing: {', '.join(gone)}", 16)
        lines.append(" " * 16 + f'pip install "tinygrad_lecture[{extra.name}]"')
    return lines


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text, 100, initial_indent=" " * indent, subsequent_indent=" " * 16, break_on_hyphens=False
    )


def diagnose() -> Diagnosis:
    """Look at what is there.

    Returns
    -------
    Diagnosis
        Printed, it shows everything.

    Examples
    --------
    >>> from tinygrad_lecture.doctor import diagnose
    >>> found = diagnose()
    >>> found.base[0].name, found.base[0].state
    ('numpy', 'there')
    """
    base = tuple(find_package(needed, tried=True) for needed in requirements()[BASE])
    return Diagnosis(
        base, tuple(extras()), describe_dot(), tuple(pictures()), find_blas(),
        folders(), find_browser(),
    )  # fmt: skip
