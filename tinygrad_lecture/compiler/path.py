"""One compiled path of a function: its program with memory, fed from and written back to objects.

Arrays that a call changes (parameters, moments of an optimizer) are updated in place: the object
that the user sees holds the very memory that the program works on.  Nobody else may look at that
memory meanwhile, so before each run the references to it are counted; where somebody kept an
older view, or a graph that needs it, the program moves to memory of its own first.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from operator import gt, is_, is_not
from sys import getrefcount
from typing import Any

import numpy as np

from ..engine.ops.table import Op
from ..engine.recording import Cell
from ..engine.value import Value, leaf, new, next_number
from .borrow import borrowable
from .execute import Executable
from .explain import explain, figures
from .invalid import checked_rows, has_small_factors, nan_check
from .program import Operands, Program
from .record import Recording
from .source import source
from .straight import StraightCode
from .text import Text, bare_number, is_known

__all__ = ["COMPILED", "MISS", "Path"]

MISS = object()
"""Answer of a path whose guards do not hold for these inputs."""


def _no_record(*args: Any, **params: Any) -> Any:
    raise TypeError(
        "the result of a compiled function has no record to go back through: call backward() "
        "inside of the function and compile the whole step, or compile its derivative, "
        "tg.compile(tg.value_and_grad(f))"
    )


COMPILED = Op("compiled", "plain", 1, _no_record, _no_record, _no_record, symbol="compiled")
_SOURCE = leaf(0.0)


def _nested(structure: Any, leaves: Iterator[str], text: Text) -> str:
    """Return the expression that puts leaves into a nest, as `nest.unflatten` does."""
    if structure is None:
        return "None"
    if isinstance(structure, dict):
        items = [f"{text.name(k)}: {_nested(x, leaves, text)}" for k, x in structure.items()]
        return f"{{{', '.join(items)}}}"
    if isinstance(structure, (tuple, list)):
        items = [_nested(x, leaves, text) for x in structure]
        if hasattr(structure, "_fields"):
            return f"{text.name(type(structure))}({', '.join(items)})"
        inner = ", ".join(items) + ("," if len(items) == 1 and type(structure) is tuple else "")
        return f"[{inner}]" if isinstance(structure, list) else f"({inner})"
    return next(leaves)


def _result(x: Any) -> Value:
    """Return a result where an eager call gives a Value: its derivative is refused, not lost."""
    v = new(Value)
    v._data, v._op, v._a, v._b, v._p, v._q, v._grad = (
        x,
        COMPILED,
        (_SOURCE,),
        {},
        (0.0,),
        (0,),
        None,
    )
    v._n = next_number()
    return v


def _is_like(x: Any, known: Any) -> bool:
    """Whether an array has the dtype that a program was made for; a leaf keeps its shape."""
    return isinstance(x, np.ndarray) and x.dtype == known.dtype


MOST_MOVES = 8
"""After so many moves, what is written back is copied: somebody keeps looking at it."""


FEW = 24
"""Up to so many numbers are read one by one: `take` has to come into the cache first."""


def _quiet_context() -> contextvars.Context:
    """Return a context in which NumPy warns of nothing: entered faster than one is made."""
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    return context


class Path:
    """A recorded path through a function, ready to run.

    Parameters
    ----------
    recording : Recording
        Where inputs come from and outputs go to.
    program : Program
        Planned; its outputs are those of the recording, in the same order.
    """

    def __init__(
        self, recording: Recording, program: Program, function: Any = None, *, exact: bool = False
    ) -> None:
        self.recording, self.program = recording, program
        self.function, self.exact = function, exact
        self.recorded_ops = int((Operands.of(recording.program.args).first >= 0).sum())
        self.build_seconds: dict[str, float] = {}
        self.calls = self.fallbacks = self.moves = 0
        outputs = list(program.outputs)
        rows = iter(outputs)
        self.results = [(next(rows) if i >= 0 else None, kind) for i, kind in recording.results]
        self.written = [
            (cell, next(rows) if i >= 0 else None, x) for cell, i, x in recording.outputs
        ]
        self.guards = [(next(rows), outcome) for _, outcome, _ in recording.guards]
        recorder = recording.recorder
        self.absent, self.fixed, self.equal = recorder.absent, recorder.fixed, recorder.equal
        self.reached = recorder.reached
        self.made = {id(x) for _, _, x in recording.outputs if isinstance(x, dict)}
        self.generators = [
            draw.rng for _, draw in recording.draws if isinstance(draw.rng, np.random.Generator)
        ]
        recording.forget()
        self._set_up()

    # ------------------------------------------------------------------- what it tells

    def explain(self, limit: int | None = 200) -> str:
        """Return the program as a table of instructions.

        For each: shape of the result, how many recorded scalar ops it stands for, floating-point
        operations, bytes read and written, and what it was lifted from; a "take" row says how many
        elements had to be picked one by one, and from how many results.

        Parameters
        ----------
        limit : int or None
            Show at most so many instructions.

        Examples
        --------
        >>> import tinygrad_lecture as tg
        >>> f = tg.compile(tg.value_and_grad(lambda x: x * x))
        >>> f(3.0)
        (9.0, 6.0)
        >>> print(f.program.explain())
        5 recorded ops became 2 statements: too narrow to lift, so it runs as straight-line Python
        0 matrix products, 2 floating-point operations, 48 bytes moved, 72 bytes of memory
        """
        return explain(self, limit)

    def source(self) -> str:
        """Return the program as Python code that runs on its own.

        It defines ``program(inputs)``, which takes a list of numbers and arrays and returns one;
        its first lines say which.  What runs is the same, with memory planned ahead.  Where an
        operation is invalid, such as 0·inf, it gives nan, and the compiled function asks the
        original one instead.

        Raises
        ------
        TypeError
            If it calls functions of the engine that have no source to be printed.
        """
        return source(self)

    def stats(self) -> dict[str, Any]:
        """Return figures of the program.

        Returns
        -------
        dict
            ``kind``, ``recorded_ops``, ``instructions``, ``by_op``, ``matrix_products``,
            ``gathered_elements``, ``flops``, ``bytes_moved``, ``memory_bytes`` (all that it holds
            while it runs), ``guards``, ``build_seconds`` by pass, ``calls``, ``moves`` (how often
            it had to leave memory that somebody else kept).
        """
        return figures(self)

    # ---------------------------------------------------------------------------- set up

    def _set_up(self) -> None:
        """Give the program memory, and write the functions that feed it and write back."""
        program = self.program
        exe: Any
        rows = [row for row, _ in self.results] + [row for _, row, _ in self.written]
        leaving = [row for row in rows if row is not None]
        checked: list[int] = []
        if program.place:
            checked = checked_rows(program, leaving)
            by_factors = [row for row in checked if has_small_factors(program, row)]
            exe = Executable(program, self.guards, by_factors, borrowable(program, checked))
        else:
            exe = StraightCode(program, self.guards)
        self.exe = exe
        self.quiet = None if exe.calls_out else _quiet_context()
        self.watched: list[int] = []
        self.draws: list[tuple[Any, Any]] = []
        self.vectors: list[tuple[list[Value], Any]] = []
        self.own: dict[Cell, Any] = {}
        self.read: list[Cell] = []
        text = Text(self.reached, once=True)
        held: list[tuple[str, Any, list[str]]] = []
        for i, name in enumerate(program.op):
            if isinstance(exe, StraightCode):
                self._load_slot(text, i)
            elif name == "inputs":
                self._load_numbers(text, program.params[i]["cells"], exe.array(i))
            elif i in exe.borrowed:
                bind, cell = text.name(exe.borrowed[i].bind), program.params[i]["cell"]
                text.lines.append(f"{bind}({text.read(cell)}, {text.name(exe.lent)})")
            elif name == "input":
                self._load_array(text, program.params[i]["cell"], exe.array(i), held)
            elif name == "draw":
                self.draws.append((program.params[i]["draw"].rng, exe.array(i)))
        if held:
            reads, known, loads = zip(*held, strict=True)
            text.names.update(is_not=is_not)
            text.lines.append(
                f"if any(map(is_not, [{', '.join(reads)}], {text.name(list(known))})):"
            )
            text.lines += [f"    {line}" for lines in loads for line in lines]
        self.borrowed = [] if isinstance(exe, StraightCode) else list(exe.borrowed.values())
        self.last: list[Any] = [None] * len(self.vectors)
        self.load = text.function("load", "flat")
        self.unknown = nan_check(exe, leaving, checked, Text(self.reached))
        self.write_back = self._writer()
        self.fits = self._checker()

    def _load_slot(self, text: Text, i: int) -> None:
        """Load an input of straight-line code."""
        program, params = self.program, self.program.params[i]
        if program.op[i] == "input":
            self.read.append(params["cell"])
        target = f"{text.name(self.exe.results)}[{self.exe.slot.get(i)}]"
        if program.op[i] == "input":
            read = text.read(params["cell"])
            text.lines.append(
                f"{target} = {read}" if program.shape[i] else f"{target} = float({read})"
            )
        elif program.op[i] == "draw":
            text.names["default_rng"] = np.random.default_rng
            rng, shape = text.name(params["draw"].rng), program.shape[i]
            text.lines.append(f"{target} = default_rng({rng}).random({shape or None})")

    def _load_numbers(self, text: Text, cells: list[Cell], memory: Any) -> None:
        self.read += cells
        if len(cells) > 8 and all(c.kind == "data" and is_known(c) for c in cells):
            self.vectors.append(([c.owner for c in cells], memory))
            return
        if len(cells) > 8:
            reads = ", ".join(text.read(cell) for cell in cells)
            text.lines.append(f"{text.name(memory)}[:] = [{reads}]")
            return
        for k, cell in enumerate(cells):
            text.lines.append(f"{text.name(memory)}[{k}] = {text.read(cell)}")

    def _load_array(
        self, text: Text, cell: Cell, memory: Any, held: list[tuple[str, Any, list[str]]]
    ) -> None:
        """Load an array, now or, if its owner should hold the memory itself, where it does not."""
        self.read.append(cell)
        name = text.name(memory)
        if cell.kind == "argument":
            text.lines.append(f"{name}[...] = {text.read(cell)}")
            return
        # what objects outside hold is a view of its own: the engine marks it read-only
        given = self.own[cell] = memory.view()
        shown = text.name(given)
        load = [f"x = {text.read(cell)}", f"if x is not {shown}:", f"    {name}[...] = x"]
        held.append((text.read(cell), given, load))

    def _checker(self) -> Callable[[Any], bool]:
        """Write the function that tells whether what was fixed is as it was while recording."""
        text = Text(self.reached)
        checks = []
        for container, key, value in self.fixed:
            default = ", True" if key == "training" else ""
            wanted = True if key == "training" and value is None else value
            by = "is" if wanted is None or isinstance(wanted, bool) else "=="
            checks.append(f"{text.owner(container)}.get({key!r}{default}) {by} {wanted!r}")
        for _, owner, attribute, keys in self.reached.values():
            whole = f"{text.name(owner)}.{attribute}"
            if keys and not any(cell.key is keys[0] for cell in self.absent):
                checks.append(f"{text.name(keys[0])} in {whole}")
        for first, key, other in self.equal:
            checks.append(f"{text.owner(first)}[{key!r}] == {text.owner(other)}.get({key!r})")
        for cell in self.absent:
            if cell.kind == "item":
                if id(cell.owner) in self.made:
                    continue
                known = repr(cell.key) if isinstance(cell.key, str) else text.name(cell.key)
                checks.append(f"{known} not in {text.owner(cell.owner)}")
            else:
                checks.append(f"{text.read(cell)} is None")
        leaves = [cell for cell in self.read if cell.kind == "data" and cell in self.own]
        if leaves:  # some may have been bound to other arrays
            text.names.update(is_=is_, is_like=_is_like)
            pair = (
                f"[{', '.join(map(text.read, leaves))}], {text.name([*map(self.own.get, leaves)])}"
            )
            checks.append(f"(all(map(is_, {pair})) or all(map(is_like, {pair})))")
        for cell in self.read:
            if cell.kind == "item":
                checks.append(f"{cell.key!r} in {text.owner(cell.owner)}")
            elif cell.kind == "grad":
                checks.append(f"{text.read(cell)} is not None")
        text.lines.append(f"return {' and '.join(dict.fromkeys(checks)) or 'True'}")
        fits: Callable[[Any], bool] = text.function("fits", "flat")
        return fits

    def _writer(self) -> Callable[[Any], Any]:
        """Write the function that puts results into the objects outside, and returns the answer."""
        exe, text = self.exe, Text(self.reached, once=not self.made)
        places: list[int] = []
        lent: list[tuple[Cell, Any]] = []
        lend = self.moves < MOST_MOVES

        def value(row: Any, cell: Cell | None = None) -> str:
            if isinstance(exe, StraightCode):
                result = f"{text.name(exe.results)}[{exe.slot[row]}]"
                return f"{result}.copy()" if self.program.shape[row] else result
            array = exe.array(row) if type(row) is int else exe.view(row)
            memory, place = exe.place(row)
            if array.ndim == 0:
                if memory != "arena":
                    return f"{text.name(array)}.item()"
                places.append(place)
                return f"numbers[{len(places) - 1}]"
            if cell is not None and lend:
                lent.append((cell, array))
                return text.name(array)
            return f"{text.name(array)}.copy()"

        answers = []
        for row, kind in self.results:
            if row is None:
                answers.append(text.name(kind))
            elif kind is float:
                answers.append(value(row))
            else:  # a bool, or a position
                made = "as_value" if kind is Value else text.name(kind)
                answers.append(f"{made}({value(row)})")
        grads: list[tuple[Value, int]] = []
        for cell, row, constant in self.written:
            if row is None:
                text.write(cell, "{}" if isinstance(constant, dict) else text.name(constant))
                continue
            scalar = self._is_scalar(row)
            mine = self.own.get(cell)
            if mine is not None and not scalar and self._same_memory(row, mine):
                value_text = text.name(mine) if lend else f"{text.name(mine)}.copy()"
                if lend:
                    lent.append((cell, mine))
            else:
                value_text = value(row, cell if cell.kind == "grad" else None)
                listed = value_text.startswith("numbers")
                if listed and cell.kind == "grad" and is_known(cell):
                    grads.append((cell.owner, len(places) - 1))
                    continue
            text.write(cell, value_text, number=scalar)
        self._write_gradients(text, grads)
        text.names.update(as_value=_result, next_number=next_number, np=np, bare_number=bare_number)
        answer = _nested(self.recording.structure, iter(answers), text)
        head = []
        if 0 < len(places) <= FEW:
            arena = exe.memories["arena"]
            items = ", ".join(f"{text.name(arena[at : at + 1])}.item()" for at in places)
            head.append(f"numbers = [{items}]")
        elif places:
            text.names["take"] = exe.memories["arena"].take
            text.names["index"] = np.array(places, np.int64)
            head.append("numbers = take(index, None, None, 'clip').tolist()")
        text.lines = [*head, f"answer = {answer}", *text.lines, "return answer"]
        self.references, self.lending = self._counter(lent), bool(lent)
        write_back: Callable[[Any], Any] = text.function("write_back", "flat")
        return write_back

    def _is_scalar(self, row: Any) -> bool:
        return (self.program.shape[row] if type(row) is int else row.shape) == ()

    def _same_memory(self, row: Any, mine: Any) -> bool:
        if isinstance(self.exe, StraightCode):
            return False
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
        if self.watched and any(map(gt, self.references(flat), self.watched)):
            self._move()
        if self.vectors:
            self._load_vectors()
        states = [rng.bit_generator.state for rng in self.generators] if self.generators else None
        self.load(flat)
        for rng, memory in self.draws:
            np.random.default_rng(rng).random(out=memory)
        if self.quiet is None:
            with np.errstate(all="ignore"):
                held = self._compute(states)
        else:
            held = self.quiet.run(self._compute, states)
        if held is False:
            return MISS
        self.calls += 1
        answer = self.write_back(flat)
        if self.lending and not self.watched:
            self.watched = self.references(flat)
        return answer

    def _compute(self, states: Any) -> Any:
        """Run and commit the program; False, with nothing changed, if a guard does not hold."""
        exe = self.exe
        try:
            held = exe.run()
            if held is not False and self.unknown():
                raise FloatingPointError("the result is not a number")
        except BaseException as error:
            self._rewind(states)
            if isinstance(error, exe.eager_errors):
                raise FloatingPointError from error
            raise
        finally:
            for argument in self.borrowed:
                argument.release()
        if held is False:
            self._rewind(states)
        else:
            exe.commit()
        return held

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

    def _counter(self, lent: list[tuple[Cell, Any]]) -> Callable[[Any], list[int]]:
        """Write the function that counts who refers to memory that objects outside share.

        The object that an array was lent to is not counted, whether it still holds it or not: a
        reference that somebody else keeps must not pass for its.
        """
        text = Text(self.reached, once=True)
        text.names["getrefcount"] = getrefcount
        counts = []
        for cell, array in lent:
            name, held = text.name(array), text.read(cell)
            if cell.kind == "item":
                held = f"{text.owner(cell.owner)}.get({cell.key!r})"
            counts.append(f"getrefcount({name}) - ({held} is {name})")
        bases = {id(array.base): array.base for _, array in lent}
        counts += [f"getrefcount({text.name(base)})" for base in bases.values()]
        text.lines.append(f"return [{', '.join(counts)}]")
        counter: Callable[[Any], list[int]] = text.function("references", "flat")
        return counter
