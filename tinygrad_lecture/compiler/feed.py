"""Part of a path: the function that feeds a program, and tells whether the program may run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import is_, is_not
from typing import Any

import numpy as np

from ..engine.recording import Cell
from ..engine.value import Value
from .lend import Lent, is_like
from .straight import StraightCode
from .surface import Surface
from .text import Text, is_known

__all__ = ["MISS", "Feed"]

MISS = object()
"""Answer of a path that is not the one for these inputs."""

FEW = 8
"""Up to so many numbers are read one by one."""


def _alike(x: Any, wanted: Any) -> bool:
    return x is wanted or (type(x) is type(wanted) and bool(x == wanted))


class Feed:
    """What loads the inputs of a program.

    Attributes
    ----------
    load : callable
        Takes the arguments as a flat list, and whether they are those that were just recorded: a
        program may read an array in another precision than it had then.  Returns `MISS` if
        something is not as it was while recording (or not there any more), None if all places
        hold what was lent to them, and else what they hold.
    vectors : list of (list of Value, ndarray)
        Long runs of scalars and where they are read.
    draws : list of (generator, ndarray)
        Where random numbers are read.
    """

    def __init__(self, surface: Surface, exe: Any, lent: Lent) -> None:
        self.vectors: list[tuple[list[Value], Any]] = []
        self.draws: list[tuple[Any, Any]] = []
        self._exe, self._lent = exe, set(lent.cells)
        text = self._text = Text(surface.reached, once=True)
        text.names.update(MISS=MISS, is_=is_, is_not=is_not, is_like=is_like)
        self._check(surface)
        if lent.cells:
            reads, known = ", ".join(map(text.read, lent.cells)), text.name(lent.arrays)
            text.lines += [
                f"held = [{reads}]",
                f"if not any(map(is_not, held, {known})): held = None",
                f"elif not fresh and not {text.name(lent.suits)}(held): return MISS",
            ]
        self._load_all()
        held = "held" if lent.cells else "None"
        lines = [f"    {line}" for line in [*text.lines, f"return {held}"]]
        text.lines = ["try:", *lines, "except LookupError:", "    return MISS"]
        self.load: Callable[[Any, bool], Any] = text.function("load", "flat, fresh")

    # -------------------------------------------------------------------------------- check

    def _check(self, surface: Surface) -> None:
        """Write the lines that tell whether what was fixed is as it was while recording."""
        text = self._text
        self._compare([
            (container, key, True if key == "training" and value is None else value)
            for container, key, value in surface.fixed
        ])  # fmt: skip
        for container, _, _, keys in surface.reached.values():
            if keys and not any(cell.key is keys[0] for cell in surface.absent):
                text.owner(container)  # which has to be there
        checks = [
            f"{text.owner(first)}[{key!r}] == {text.owner(other)}[{key!r}]"
            for first, key, other in surface.equal
        ]
        for cell in surface.absent:
            if cell.kind != "item":
                checks.append(f"{text.read(cell)} is None")
            elif id(cell.owner) not in surface.made:
                checks.append(f"{text.key(cell)} not in {text.owner(cell.owner)}")
        likes = []
        for i, cell in self._read():
            if self._exe.program.op[i] == "input" and self._exe.program.place:
                if cell.kind != "argument" and cell not in self._lent:
                    likes.append((text.read(cell), self._exe.array(i)))
            elif cell.kind == "grad":
                checks.append(f"{text.read(cell)} is not None")
        if likes:
            reads, known = zip(*likes, strict=True)
            alike = f"all(map(is_like, [{', '.join(reads)}], {text.name(list(known))}))"
            checks.append(f"(fresh or {alike})")
        if checks:
            text.lines.append(f"if not ({' and '.join(dict.fromkeys(checks))}): return MISS")

    def _read(self) -> Iterator[tuple[int, Cell]]:
        """Yield the places that the program reads, with their rows."""
        program = self._exe.program
        for i, name in enumerate(program.op):
            if name == "input":
                yield i, program.params[i]["cell"]
            elif name == "inputs":
                yield from ((i, cell) for cell in program.params[i]["cells"])

    def _compare(self, fixed: Sequence[tuple[Any, Any, Any]]) -> None:
        """Write the line that looks values up in dicts and compares them.

        One line for all of them: a line for each takes longer to be read than to run.
        """
        if not fixed:
            return
        text = self._text
        text.names.update(get=dict.get, alike=_alike)
        containers, keys, values = map(list, zip(*fixed, strict=True))
        dicts = text.name(containers)
        if any(id(d) in text.reached for d in containers):
            dicts = f"[{', '.join(map(text.owner, containers))}]"
        missing = [True if key == "training" else None for key in keys]
        found, wanted = (
            f"map(get, {dicts}, {text.name(keys)}, {text.name(missing)})",
            text.name(values),
        )
        text.lines.append(f"if not all(map(is_, {found}, {wanted})):")
        text.lines.append(f"    if not all(map(alike, {found}, {wanted})): return MISS")

    # --------------------------------------------------------------------------------- load

    def _load_all(self) -> None:
        """Write the lines that load what the program reads."""
        exe, program, text = self._exe, self._exe.program, self._text
        draws: list[int] = []
        for i, name in enumerate(program.op):
            params = program.params[i]
            if name == "draw" and not program.place:
                draws.append(i)
            elif isinstance(exe, StraightCode):
                self._load_slot(i)
            elif name == "inputs":
                self._load_numbers(params["cells"], exe.array(i))
            elif name == "draw":
                self.draws.append((params["draw"].rng, exe.array(i)))
            elif name == "input" and i not in exe.borrowed and params["cell"] not in self._lent:
                memory, read = text.name(exe.array(i)), text.read(params["cell"])
                text.lines.append(f"{memory}[...] = {read}")
        for i in draws:  # nothing is drawn for a path that is not the one
            self._draw_slot(i)

    def _load_slot(self, i: int) -> None:
        """Load an input of straight-line code."""
        exe, text = self._exe, self._text
        if exe.program.op[i] == "input":
            read = text.read(exe.program.params[i]["cell"])
            read = read if exe.program.shape[i] else f"float({read})"
            text.lines.append(f"{text.name(exe.results)}[{exe.slot.get(i)}] = {read}")

    def _draw_slot(self, i: int) -> None:
        """Draw for straight-line code."""
        exe, text = self._exe, self._text
        text.names["default_rng"] = np.random.default_rng
        rng = text.name(exe.program.params[i]["draw"].rng)
        drawn = f"default_rng({rng}).random({exe.program.shape[i] or None})"
        text.lines.append(f"{text.name(exe.results)}[{exe.slot.get(i)}] = {drawn}")

    def _load_numbers(self, cells: list[Cell], memory: Any) -> None:
        text = self._text
        if len(cells) > FEW and all(c.kind == "data" and is_known(c) for c in cells):
            self.vectors.append(([c.owner for c in cells], memory))
        elif len(cells) > FEW:
            reads = ", ".join(map(text.read, cells))
            text.lines.append(f"{text.name(memory)}[:] = [{reads}]")
        else:
            text.lines += [
                f"{text.name(memory)}[{k}] = {text.read(c)}" for k, c in enumerate(cells)
            ]
