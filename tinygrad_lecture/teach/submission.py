"""A student's file as a module: Python, or a notebook, whose cells are run one after the other."""

from __future__ import annotations

import importlib.util
import io
import json
import linecache
import re
import sys
import tokenize
from collections.abc import Iterator, Sequence
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
        found = json.loads(path.read_text(encoding="utf-8-sig"))["cells"]
        sources = ["".join(c["source"]) for c in found if c["cell_type"] == "code"]
    except (KeyError, RecursionError, TypeError, UnicodeDecodeError, ValueError):
        raise StudentError("it is no notebook (of format 4)") from None
    yield from map(plain, sources)


# Magics that run the rest of the cell, or of the line; all others are for other languages.
RUN_CELL = re.compile(r"\s*%%(time|timeit|capture|prun)\b.*")
RUN_LINE = re.compile(r"(\s*)%time\s+(?!-)(.+)")
# A magic or a shell command, perhaps with a name for its result, or a question.
MAGIC = re.compile(r"(\s*)([%!?].*|[\w\s,]+=\s*[%!].*|[\w.]+\?\??\s*)")


def plain(source: str) -> str:
    r"""Return a cell as Python: as it stands, if it is Python.

    Otherwise statements that are magics or commands give way to one that does nothing; a cell in
    another language is left out.

    Examples
    --------
    >>> from tinygrad_lecture.teach.submission import plain
    >>> plain("%matplotlib inline\nx = (17\n% 5)")
    'pass\nx = (17\n% 5)'
    """
    if _python(source):
        return source
    lines = source.split("\n")
    first = next(k for k, line in enumerate(lines) if line.strip())
    if lines[first].lstrip().startswith("%%"):
        if not RUN_CELL.match(lines[first]):
            return ""
        lines[first] = ""  # lines keep their numbers
        if _python("\n".join(lines)):
            return "\n".join(lines)
    for k, line in enumerate(lines):
        found = MAGIC.fullmatch(line)
        if found is None or not _begins(lines[:k]):
            continue
        timed = RUN_LINE.fullmatch(line)
        lines[k] = timed[1] + timed[2] if timed else found[1] + "pass"
        while line.endswith("\\") and not timed and k + 1 < len(lines):  # it goes on
            k += 1
            line, lines[k] = lines[k], ""
    return "\n".join(lines)


def _python(source: str) -> bool:
    try:
        compile(source, "cell", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    except (MemoryError, RecursionError, ValueError):  # told when the cell runs
        return True
    return True


def _begins(lines: Sequence[str]) -> bool:
    """Whether a statement may begin behind these lines: no string and no bracket is open."""
    text = io.StringIO("\n".join(lines) + "\n" if lines else "")
    try:
        for _ in tokenize.generate_tokens(text.readline):
            pass
    except tokenize.TokenError:
        return False
    except SyntaxError:  # another mistake, which is told when the cell runs
        return True
    return True


def run_cell(module: ModuleType, name: str, source: str) -> None:
    """Run one cell in the name space of the module."""
    module.__dict__.setdefault("display", lambda *shown, **options: None)
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    code: CodeType = compile(source, name, "exec")
    exec(code, module.__dict__)
