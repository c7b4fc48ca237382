"""The course: where its notebooks are, what each is about, and a copy of them for a user."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError

__all__ = ["Lesson", "copy_course", "lessons"]

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "notebooks", PACKAGE.parent / "notebooks")
"""In an installed package, and in a checkout."""


@dataclass(frozen=True)
class Lesson:
    """A notebook of the course.

    Attributes
    ----------
    path : pathlib.Path
    title : str
        Without its number: "Backpropagation".
    goals : str
        What you can do after it, in three lines.
    """

    path: Path
    title: str
    goals: str

    @property
    def name(self) -> str:
        """Name of the file without its ending: "02-backprop"."""
        return self.path.stem

    @property
    def number(self) -> str:
        """The two digits that its name begins with."""
        return self.name[:2]


def lessons() -> list[Lesson]:
    """Return the notebooks of the course in their order.

    Raises
    ------
    UsageError
        If they are not where the package is, or one has no title and goals.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.teach.lessons()[-1].name
    '11-your-own'
    """
    found = next((sorted(p.glob("[0-9][0-9]-*.ipynb")) for p in PLACES if p.is_dir()), [])
    if not found:
        raise UsageError(
            f"the notebooks are not beside the package in {PACKAGE}: install the wheel again, or "
            "use a whole checkout"
        )
    return [_lesson(path) for path in found]


def _lesson(path: Path) -> Lesson:
    """Read title and goals from the first cell: ``# 02 · Title``, then ``**Goals.** …``."""
    try:
        cells: list[Any] = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "".join(cells[0]["source"])
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(f"{path}: it is no notebook: {error!r}") from None
    title = re.match(r"# \d\d · (.+)", text)
    goals = re.search(r"^\*\*Goals\.\*\* (.+?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    if title is None or goals is None:
        raise UsageError(f"{path}: its first cell must have a title and goals")
    return Lesson(path, title[1], goals[1])


def copy_course(folder: str | Path, *, force: bool = False) -> tuple[list[Path], list[Path]]:
    """Copy the notebooks into a folder, which is made if it is missing.

    Parameters
    ----------
    folder : str or pathlib.Path
    force : bool
        Overwrite notebooks that were changed; otherwise nothing at all is copied if there is one.

    Returns
    -------
    written, kept : list of pathlib.Path
        What was copied, and what was there and the same already.

    Raises
    ------
    UsageError
        If a notebook in the folder differs from the course's, or the folder cannot be written or
        has no name.
    """
    if not os.fspath(folder):
        raise UsageError("folder: the name of a folder is needed, got an empty text")
    folder = Path(folder)
    pairs = [(lesson.path, folder / lesson.path.name) for lesson in lessons()]
    try:
        missing = [(a, b) for a, b in pairs if not b.exists()]
        changed = [(a, b) for a, b in pairs if b.exists() and a.read_bytes() != b.read_bytes()]
        if changed and not force:
            names = ", ".join(b.name for _, b in changed)
            raise UsageError(
                f"{folder}: changed since it was copied, or from another version: {names}; "
                "nothing was copied. Choose another folder, or overwrite with --force"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for source, target in (*missing, *changed):
            shutil.copyfile(source, target)
    except OSError as error:
        raise UsageError(f"{folder}: cannot copy the notebooks: {error}") from None
    written = [target for _, target in (*missing, *changed)]
    return sorted(written), [target for _, target in pairs if target not in written]
