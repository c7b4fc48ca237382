"""One compiled path of a function: its program with memory, fed from and written back to objects.

Arrays that a call changes (parameters, moments of an optimizer) are updated in place: the object
that the user sees holds the very memory that the program works on.  Nobody else may look at that
memory meanwhile, so before each run the references to it are counted; where somebody kept an
older view, or a graph that needs it, the program moves to memory of its own first.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy as np

from ..engine import nest
from ..engine.recording import Cell
from ..engine.value import Value, leaf, next_number
from .execute import Executable
from .program import Program
from .record import Recording

__all__ = ["MISS", "Path"]

MISS = object()
"""Answer of a path whose guards do not hold for these inputs."""

MOST_MOVES = 8
"""After so many moves, what is written back is copied: somebody keeps looking at it."""


class Path:
    """A recorded path through a function, ready to run.

    Parameters
    ----------
    recording : Recording
        Where inputs come from and outputs go to.
    program : Program
        Planned; its outputs are those of the recording, in the same order.
    """

    def __init__(self, recording: Recording, program: Program) -> None:
        self.recording, self.program = recording, program
        self.calls = self.fallbacks = self.moves = 0
        outputs = list(program.outputs)
        rows = iter(outputs)
        self.results = [
            (next(rows) if i >= 0 else None, tracked) for i, tracked in recording.results
        ]
        self.written = [
            (cell, next(rows) if i >= 0 else None, x) for cell, i, x in recording.outputs
        ]
        self.guards = [(next(rows), outcome) for _, outcome, _ in recording.guards]
        recorder = recording.recorder
        self.absent, self.fixed, self.equal = recorder.absent, recorder.fixed, recorder.equal
        self.generators = [
            draw.rng for _, draw in recording.draws if isinstance(draw.rng, np.random.Generator)
        ]
        self._set_up()

    # ---------------------------------------------------------------------------- set up

    def _set_up(self) -> None:
        """Give the program memory, and write the functions that feed it and write back."""
        program = self.program
        self.exe = exe = Executable(program, self.guards)
        self.watched: list[tuple[Any, int]] = []
        self.draws: list[tuple[Any, Any]] = []
        self.vectors: list[tuple[list[Value], Any]] = []
        self.own: dict[Cell, Any] = {}
        text = Text()
        for i, name in enumerate(program.op):
            if name == "inputs":
                self._load_numbers(text, program.params[i]["cells"], exe.array(i))
            elif name == "input":
                self._load_array(text, program.params[i]["cell"], exe.array(i))
            elif name == "draw":
                self.draws.append((program.params[i]["draw"].rng, exe.array(i)))
        self.last: list[Any] = [None] * len(self.vectors)
        self.load = text.function("load", "flat")
        self.write_back = self._writer()
        self.fits = self._checker()

    def _load_numbers(self, text: Text, cells: list[Cell], memory: Any) -> None:
        if len(cells) > 8 and all(c.kind == "data" and _is_known(c) for c in cells):
            self.vectors.append(([c.owner for c in cells], memory))
            return
        if len(cells) > 8:
            reads = ", ".join(text.read(cell) for cell in cells)
            text.lines.append(f"{text.name(memory)}[:] = [{reads}]")
            return
        for k, cell in enumerate(cells):
            text.lines.append(f"{text.name(memory)}[{k}] = {text.read(cell)}")

    def _load_array(self, text: Text, cell: Cell, memory: Any) -> None:
        name = text.name(memory)
        if cell.kind == "argument":
            text.lines.append(f"{name}[...] = {text.read(cell)}")
            return
        self.own[cell] = memory
        text.lines += [f"x = {text.read(cell)}", f"if x is not {name}:", f"    {name}[...] = x"]

    def _checker(self) -> Callable[[Any], bool]:
        """Write the function that tells whether what was fixed is as it was while recording."""
        text = Text()
        checks = []
        for container, key, value in self.fixed:
            default = ", True" if key == "training" else ""
            wanted = True if key == "training" and value is None else value
            by = "is" if wanted is None or isinstance(wanted, bool) else "=="
            checks.append(f"{text.name(container)}.get({key!r}{default}) {by} {wanted!r}")
        for first, key, other in self.equal:
            checks.append(f"{text.name(first)}[{key!r}] == {text.name(other)}.get({key!r})")
        for cell in self.absent:
            if cell.kind == "item":
                checks.append(f"{text.name(cell.key)} not in {text.name(cell.owner)}")
            else:
                checks.append(f"{text.read(cell)} is None")
        present = [cell for cell in self.own if cell.kind == "item"]
        checks += [f"{c.key!r} in {text.name(c.owner)}" for c in present]
        text.lines.append(f"return {' and '.join(dict.fromkeys(checks)) or 'True'}")
        fits: Callable[[Any], bool] = text.function("fits", "flat")
        return fits

    def _writer(self) -> Callable[[Any], Any]:
        """Write the function that puts results into the objects outside, and returns the answer."""
        exe, text = self.exe, Text()
        places: list[int] = []
        lent: list[Any] = []
        lend = self.moves < MOST_MOVES

        def value(row: Any, *, lending: bool = False) -> str:
            array = exe.array(row) if type(row) is int else exe.view(row)
            memory, place = exe.place(row)
            if array.ndim == 0:
                if memory != "arena":
                    return f"{text.name(array)}.item()"
                places.append(place)
                return f"numbers[{len(places) - 1}]"
            if lending and lend:
                lent.append(array)
                return text.name(array)
            return f"{text.name(array)}.copy()"

        answers = []
        for row, tracked in self.results:
            if row is None:
                answers.append(text.name(tracked))
            else:
                answers.append(f"leaf({value(row)})" if tracked else value(row))
        grads: list[tuple[Value, int]] = []
        for cell, row, constant in self.written:
            if row is None:
                text.write(cell, text.name(constant))
                continue
            scalar = self._is_scalar(row)
            mine = self.own.get(cell)
            if mine is not None and not scalar and self._same_memory(row, mine):
                value_text = text.name(mine) if lend else f"{text.name(mine)}.copy()"
                if lend:
                    lent.append(mine)
            else:
                value_text = value(row, lending=cell.kind == "grad")
                listed = value_text.startswith("numbers")
                if listed and cell.kind == "grad" and _is_known(cell):
                    grads.append((cell.owner, len(places) - 1))
                    continue
            text.write(cell, value_text)
        self._write_gradients(text, grads)
        text.names.update(leaf=leaf, next_number=next_number, np=np, bare_number=_bare_number)
        answer = (
            "results[0]" if self.recording.structure == "*" else "unflatten(structure, results)"
        )
        text.names.update(unflatten=nest.unflatten, structure=self.recording.structure)
        head = []
        if places:
            text.names["take"] = exe.memories["arena"].take
            text.names["index"] = np.array(places, np.int64)
            head.append("numbers = take(index, None, None, 'clip').tolist()")
        text.lines = [*head, f"results = [{', '.join(answers)}]", *text.lines, f"return {answer}"]
        self.lent = lent
        write_back: Callable[[Any], Any] = text.function("write_back", "flat")
        return write_back

    def _is_scalar(self, row: Any) -> bool:
        return (self.program.shape[row] if type(row) is int else row.shape) == ()

    def _same_memory(self, row: Any, mine: Any) -> bool:
        array = self.exe.array(row) if type(row) is int else self.exe.view(row)
        return bool(array.__array_interface__["data"] == mine.__array_interface__["data"])

    def _write_gradients(self, text: Text, grads: list[tuple[Value, int]]) -> None:
        """Write many scalar gradients in one loop, and the marks of all leaves."""
        marks = {id(o): (o, mark) for o, mark in self.recording.recorder.marks}
        owners, slots = [p for p, _ in grads], [i for _, i in grads]
        if owners:
            first = slots[0]
            numbers = (
                f"numbers[{first}:{slots[-1] + 1}]"
                if slots == list(range(first, first + len(slots)))
                else f"[numbers[i] for i in {text.name(slots)}]"
            )
            cleared = all(marks.get(id(p), (p, True))[1] is None for p in owners)
            text.lines.append(f"for p, p._grad in zip({text.name(owners)}, {numbers}):")
            text.lines.append("    p._b = None" if cleared else "    pass")
            if cleared:
                for p in owners:
                    marks.pop(id(p), None)
        for owner, mark in marks.values():
            target = f"flat[{owner}]" if isinstance(owner, int) else text.name(owner)
            text.lines.append(f"{target}._b = {mark!r}")

    # --------------------------------------------------------------------------------- run

    def run(self, flat: list[Any]) -> Any:
        """Load inputs, run, write back; MISS if a guard does not hold.

        Raises
        ------
        FloatingPointError
            If an operation was invalid, such as 0·inf: nothing has been written then.
        """
        for array, count in self.watched:
            if getrefcount(array) > count:
                self._move()
                break
        if self.vectors:
            self._load_vectors()
        self.load(flat)
        states = [rng.bit_generator.state for rng in self.generators] if self.draws else ()
        for rng, memory in self.draws:
            np.random.default_rng(rng).random(out=memory)
        exe = self.exe
        try:
            with np.errstate(invalid="raise", divide="ignore", over="ignore", under="ignore"):
                held = exe.run()
        except ArithmeticError as error:
            self._rewind(states)
            raise FloatingPointError from error
        except BaseException:
            self._rewind(states)
            raise
        if held is False:
            self._rewind(states)
            return MISS
        if exe.late:
            with np.errstate(all="ignore"):
                exe.commit()
        self.calls += 1
        answer = self.write_back(flat)
        if self.lent and not self.watched:
            self._watch()
        return answer

    def _load_vectors(self) -> None:
        last = self.last
        for k, (owners, memory) in enumerate(self.vectors):
            now = [p._data for p in owners]
            if now != last[k]:
                memory[...] = now
                last[k] = now

    def _move(self) -> None:
        """Leave the memory to whoever else refers to it, and go on in memory of our own."""
        self.moves += 1
        self._set_up()

    def _rewind(self, states: Any) -> None:
        if states:
            for rng, state in zip(self.generators, states, strict=True):
                rng.bit_generator.state = state

    def _watch(self) -> None:
        """Count the references to memory that objects outside share with the program."""
        shared = list({id(x): x for a in self.lent for x in (a, a.base)}.values())
        self.watched = [(x, 0) for x in shared]
        del shared
        self.watched = [(x, getrefcount(x)) for x, _ in self.watched]


def _is_known(cell: Cell) -> bool:
    return not isinstance(cell.owner, int)


def _bare_number(old: Any, x: Any) -> Any:
    """Return a number in the form in which an item of a dict had it: some are arrays of no axes."""
    return np.asarray(x, old.dtype) if isinstance(old, np.ndarray) else x


class Text:
    """The text of a function under way, and the objects that it names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self._known: dict[int, str] = {}

    def name(self, x: Any) -> str:
        """Return the name of an object."""
        if id(x) not in self._known:
            self._known[id(x)] = f"x{len(self._known)}"
            self.names[self._known[id(x)]] = x
        return self._known[id(x)]

    def read(self, cell: Cell) -> str:
        """Return the expression that reads a place."""
        owner = self.name(cell.owner) if _is_known(cell) else f"flat[{cell.owner}]"
        if cell.kind == "argument":
            return owner
        if cell.kind in ("data", "grad"):
            return f"{owner}._{cell.kind}"
        if cell.kind == "element":
            return f"{owner}[{cell.key[0]!r}][{cell.key[1]}]"
        return f"{owner}[{cell.key!r}]"

    def write(self, cell: Cell, value: str) -> None:
        """Append the lines that write to a place."""
        owner = self.name(cell.owner) if _is_known(cell) else f"flat[{cell.owner}]"
        if cell.kind == "grad":
            self.lines.append(f"{owner}._grad = {value}")
        elif cell.kind == "data":
            self.lines += [f"{owner}._data = {value}", f"{owner}._p = next_number()"]
            self.lines.append(f"{owner}._q = None")
        else:
            key = repr(cell.key) if isinstance(cell.key, str) else self.name(cell.key)
            plain = value.startswith("numbers") or value.endswith(".item()")
            if plain:
                value = f"bare_number({owner}.get({key}), {value})"
            self.lines.append(f"{owner}[{key}] = {value}")

    def function(self, name: str, parameters: str) -> Any:
        """Compile the text."""
        body = "".join(f"    {line}\n" for line in self.lines or ["pass"])
        scope: dict[str, Any] = {}
        exec(compile(f"def {name}({parameters}):\n{body}", f"<compiled {name}>", "exec"),
             self.names, scope)  # fmt: skip
        return scope[name]
