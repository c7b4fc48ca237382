"""The pages of the API reference: a page for each room, and one for each of its files."""

from __future__ import annotations

import importlib
import inspect
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sphinx.pycode import ModuleAnalyzer

PACKAGE = "tinygrad_lecture"
ROOMS = (
    "compiler", "gradcheck", "draw", "plots", "nn", "nn.functional", "nn.init", "nn.utils",
    "nn.manual", "optim", "optim.lr_scheduler", "optim.swa_utils", "data", "train",
    "train.babysit", "train.search", "logic", "experiments", "teach", "doctor", "errors",
)  # fmt: skip
"""The public rooms beside the engine, whose names are those of the package itself."""


@dataclass(frozen=True)
class Entry:
    """A public name: how users write it, what it is, and the file that it comes from."""

    path: str
    obj: Any
    file: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def doc(self) -> str:
        """The docstring; that of a constant stands below it in its file."""
        if inspect.isclass(self.obj) or inspect.isroutine(self.obj):
            return inspect.getdoc(self.obj) or ""
        return "\n".join(_constants(self.file)["", self.name])

    def directive(self) -> str:
        """Return what documents it; autodoc would give a constant the docstring of its class."""
        if inspect.isclass(self.obj):
            kind = "exception" if issubclass(self.obj, BaseException) else "class"
            return f".. auto{kind}:: {self.path}\n   :members:\n"
        if inspect.isroutine(self.obj):
            return f".. autofunction:: {self.path}\n"
        text = "\n".join(f"   {line}" for line in self.doc.splitlines())
        return f".. py:data:: {self.path}\n\n{text}\n"


def module_of(room: str) -> types.ModuleType:
    """Return the module of a room; the engine is the one without a name."""
    return importlib.import_module(f"{PACKAGE}.{room or 'engine'}")


def public(room: str) -> Iterator[Entry]:
    """Yield what a room makes public, apart from other rooms, in the order of its files."""
    module = module_of(room)
    names = getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]
    home = f"{PACKAGE}.{room}" if room else PACKAGE
    for name in names:
        obj = getattr(module, name)
        if not isinstance(obj, types.ModuleType) and getattr(obj, "__module__", "") != "__future__":
            yield Entry(f"{home}.{name}", obj, _file(module.__name__, name, obj))


def _file(room: str, name: str, obj: Any) -> str:
    """Name of the module that defines an object; for a constant, the one that makes it public."""
    file = str(getattr(obj, "__module__", ""))
    if file.startswith(f"{PACKAGE}.") and (inspect.isclass(obj) or inspect.isroutine(obj)):
        return file.replace(".ops.fast", ".ops.elementwise")  # where the rows stand
    for path, module in sorted(sys.modules.items()):
        known = path.startswith(PACKAGE) and vars(module).get(name) is obj
        if known and ("", name) in _constants(path):
            return path
    raise LookupError(f"{room}.{name} has no docstring, in the file that defines it, below it")


@cache
def _constants(module: str) -> dict[tuple[str, str], list[str]]:
    """Return the docstrings that stand below the constants of a module."""
    docs: dict[tuple[str, str], list[str]] = ModuleAnalyzer.for_module(module).find_attr_docs()
    return docs


@cache
def homes() -> dict[str, list[Entry]]:
    """Return the entries by room, each object in one of them: the room that its file lies in."""
    rooms = {room: list(public(room)) for room in ("", *ROOMS)}
    best: dict[int, str] = {}
    for room, entries in rooms.items():
        for entry in entries:
            inside = entry.file.startswith(module_of(room).__name__)
            if id(entry.obj) not in best or (inside and len(room) > len(best[id(entry.obj)])):
                best[id(entry.obj)] = room
    return {
        room: [entry for entry in entries if best[id(entry.obj)] == room]
        for room, entries in rooms.items()
    }


@cache
def canonical() -> dict[str, str]:
    """Return the home of each public path, for names that are public in several rooms."""
    known = {id(e.obj): e.path for entries in homes().values() for e in entries}
    return {entry.path: known[id(entry.obj)] for room in ("", *ROOMS) for entry in public(room)}


def pages() -> dict[str, str]:
    """Return the reference as reStructuredText by path."""
    out: dict[str, str] = {}
    for room, entries in homes().items():
        module, name = module_of(room).__name__, room or "engine"
        files: dict[str, list[Entry]] = {}
        for entry in entries:
            files.setdefault(entry.file, []).append(entry)
        text = [_title(f"tg.{room}" if room else "The engine"), f".. automodule:: {module}\n"]
        parts = {_stem(file, module): (file, found) for file, found in files.items()}
        if len(parts) == 1:
            text += [entry.directive() for entry in entries]
        else:
            for stem, (file, found) in parts.items():
                text += [_heading(f":doc:`{stem} <{name}/{stem}>`"), _summary(found)]
                about = [f".. automodule:: {file}\n   :no-index:\n"]
                body = [entry.directive() for entry in found]
                out[f"api/{name}/{stem}.rst"] = "\n".join([_title(stem), *about, *body])
            text += [".. toctree::\n   :hidden:\n", *(f"   {name}/{stem}" for stem in parts), ""]
        if aliases := _aliases(room, entries):
            text += [_heading("From other rooms"), aliases]
        out[f"api/{name}.rst"] = "\n".join(text)
    tree = "\n".join(f"   {room or 'engine'}" for room in ("", *ROOMS))
    out["api/index.rst"] = f"{_title('Reference')}\n{ABOUT}\n.. toctree::\n\n{tree}\n"
    return out


ABOUT = """\
All public names, from their docstrings.  ``tg`` stands for ``import tinygrad_lecture as tg``; the
names of the engine and ``tg.compile``, ``tg.record`` are directly below it.
"""


def _stem(file: str, module: str) -> str:
    return file.removeprefix(module).strip(".").removeprefix("ops.").replace(".", "-") or "room"


def _title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n"


def _heading(text: str) -> str:
    return f"{text}\n{'-' * len(text)}\n"


def _summary(entries: list[Entry]) -> str:
    """Return a table of names and the first lines of their docstrings."""
    rows = []
    for entry in entries:
        first = " ".join(entry.doc.split("\n\n")[0].split())
        rows.append(f"   * - :py:obj:`{entry.name} <{entry.path}>`\n     - {first}")
    return ".. list-table::\n   :widths: 1 3\n\n" + "\n".join(rows) + "\n"


def _aliases(room: str, entries: list[Entry]) -> str:
    """Return a list of what is public here and documented elsewhere."""
    mine = {entry.path for entry in entries}
    where = canonical()
    others = [entry.path for entry in public(room) if entry.path not in mine]
    if not others:
        return ""
    return ", ".join(f":py:obj:`{p.rpartition('.')[2]} <{where[p]}>`" for p in others) + "\n"
