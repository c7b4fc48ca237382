"""A student's file as a module: Python, or a notebook, whose cells are run one after the other."""

from __future__ import annotations

import importlib.util
import json
import linecache
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from .student import Limits, StudentError, begin, run

__all__ = ["ENDINGS", "load"]

ENDINGS = (".py", ".ipynb")
NAME = "submission"


def load(path: Path, entry: str, limits: Limits) -> tuple[Any, StudentError | None]:
    """Return what a file calls `entry`, and what went wrong first while the file ran.

    A file that fails behind the definition, say in an experiment of the student's, has its entry
    all the same; so has a notebook of which another cell fails.
    """
    loader = SourceFileLoader(NAME, str(path))
    spec = ModuleSpec(NAME, loader, origin=str(path))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module  # as dataclasses and pickle expect
    sys.path.append(str(path.parent))  # last, so that a file called numpy.py hides nothing
    started = begin(limits)
    problems = []

    def attempt(call: Any) -> Any:
        try:
            return run(call, started)
        except StudentError as error:
            problems.append(error)

    if path.suffix == ".ipynb":
        for k, source in enumerate(attempt(lambda: list(cells(path))) or [], 1):
            attempt(lambda k=k, source=source: run_cell(module, f"{path.name}, cell {k}", source))
    else:
        attempt(lambda: loader.exec_module(module))
    return getattr(module, entry, None), problems[0] if problems else None


def cells(path: Path) -> Iterator[str]:
    """Give the code cells of a notebook, without what only Jupyter understands.

    Raises
    ------
    StudentError
        If the file is no notebook.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(c["source"]) for c in found if c["cell_type"] == "code"]
    except (KeyError, TypeError, UnicodeDecodeError, ValueError):
        raise StudentError("it is no notebook (of format 4)") from None
    for source in sources:
        if not source.lstrip().startswith("%%"):
            yield "\n".join(map(_plain, source.split("\n")))


def _plain(line: str) -> str:
    """Return a line of a cell; in place of a magic or shell command, one that does nothing."""
    code = line.lstrip()
    return line[: len(line) - len(code)] + "pass" if code.startswith(("%", "!")) else line


def run_cell(module: ModuleType, name: str, source: str) -> None:
    """Run one cell in the name space of the module."""
    module.__dict__.setdefault("display", lambda *shown, **options: None)
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    code: CodeType = compile(source, name, "exec")
    exec(code, module.__dict__)
