"""Part of a path: the function that writes what a program computed to objects outside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..engine.ops.table import Op
from ..engine.recording import Cell
from ..engine.value import Value, leaf, new, next_number
from .straight import StraightCode
from .surface import Surface
from .text import Text

__all__ = ["COMPILED", "Delivery"]


def _no_record(*args: Any, **params: Any) -> Any:
    raise TypeError(
        "the result of a compiled function has no record to go back through: call backward() "
        "inside of the function and compile the whole step, or compile its derivative, "
        "tg.compile(tg.value_and_grad(f))"
    )


COMPILED = Op("compiled", "plain", 1, _no_record, _no_record, _no_record, symbol="compiled")
_SOURCE = leaf(0.0)

COMMON = {"_p", "_q", "_b"}
"""Attributes of leaves that a call sets alike: number of the last rebind, and marks."""

FEW = 24
"""Up to so many numbers are read one by one: `take` has to come into the cache first."""


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


def _bare_number(old: Any, x: float) -> Any:
    """Return a number in the form in which an item of a dict had it: some are arrays of no axes."""
    if not isinstance(old, np.ndarray):
        return x
    fresh = np.empty((), old.dtype)  # in half the time that an array takes to be made of a number
    fresh[()] = x
    return fresh


class Delivery:
    """What a path does with the results of its program.

    Parameters
    ----------
    surface : Surface
    exe : Executable or StraightCode
    memories : dict of Cell to ndarray
        Where the program reads arrays.
    lend : bool
        Whether places outside may hold memory of the program; else they are given copies.

    Attributes
    ----------
    deliver : callable
        Takes the arguments as a flat list, writes to all places but those that hold memory of
        the program, and returns the answer.
    lent : list of (Cell, ndarray)
        Those places, and what they are to hold.
    """

    def __init__(
        self, surface: Surface, exe: Any, memories: dict[Cell, Any], *, lend: bool
    ) -> None:
        self.lent: list[tuple[Cell, Any]] = []
        self._exe, self._memories, self._lend = exe, memories, lend
        self._places: dict[int, int] = {}
        text = self._text = Text(surface.reached, once=not surface.made)
        text.names.update(as_value=_result, next_number=next_number, bare_number=_bare_number)
        answers = iter([self._answer(row, kind) for row, kind in surface.results])
        answer = _nested(surface.structure, answers, text)
        self._write_leaves(surface)
        self._write_items(surface)
        text.lines = [*self._numbers(), f"answer = {answer}", *text.lines, "return answer"]
        self.deliver: Callable[[Any], Any] = text.function("deliver", "flat")

    def _answer(self, row: Any, kind: Any) -> str:
        if row is None:
            return self._text.name(kind)
        if kind is float:
            return self._value(row)
        made = "as_value" if kind is Value else self._text.name(kind)  # a bool, or a position
        return f"{made}({self._value(row)})"

    def _value(self, row: Any) -> str:
        """Return the expression of a result."""
        exe, text = self._exe, self._text
        if isinstance(exe, StraightCode):
            result = f"{text.name(exe.results)}[{exe.slot[row]}]"
            return f"{result}.copy()" if exe.program.shape[row] else result
        array = self._array(row)
        memory, place = exe.place(row)
        if array.ndim == 0:
            if memory != "arena":
                return f"{text.name(array)}.item()"
            return f"numbers[{self._places.setdefault(place, len(self._places))}]"
        return f"{text.name(array)}.copy()"

    def _array(self, row: Any) -> Any:
        return self._exe.array(row) if type(row) is int else self._exe.view(row)

    def _numbers(self) -> list[str]:
        """Return the line that reads all numbers that are needed."""
        text = self._text
        if not self._places:
            return []
        arena = self._exe.memories["arena"]
        if len(self._places) <= FEW:
            items = [f"{text.name(arena[at : at + 1])}.item()" for at in self._places]
            return [f"numbers = [{', '.join(items)}]"]
        index = text.name(np.array(list(self._places), np.int64))
        return [f"numbers = {text.name(arena.take)}({index}, None, None, 'clip').tolist()"]

    def _lends(self, row: Any, cell: Cell) -> bool:
        """Whether a place is to hold memory of the program between runs; note it if so."""
        if isinstance(self._exe, StraightCode) or not self._lend or self._is_number(row):
            return False
        array, memory = self._array(row), self._memories.get(cell)
        lends = cell.kind == "grad" or (memory is not None and _same_memory(array, memory))
        if lends:  # a view of its own: the engine marks it read-only
            self.lent.append((cell, array.view()))
        return lends

    def _write_leaves(self, surface: Surface) -> None:
        """Write the lines that give leaves their data, gradients and marks."""
        leaves: dict[Any, tuple[Any, dict[str, str]]] = {}  # what is assigned to attributes of each

        def leaf_of(owner: Any) -> dict[str, str]:
            return leaves.setdefault(owner if isinstance(owner, int) else id(owner), (owner, {}))[1]

        for cell, row, constant in surface.written:
            if cell.kind == "item":
                continue
            if cell.kind == "data":
                leaf_of(cell.owner).update(_p="now", _q="None")
            if row is None:
                leaf_of(cell.owner)[f"_{cell.kind}"] = self._text.name(constant)
            elif not self._lends(row, cell):
                leaf_of(cell.owner)[f"_{cell.kind}"] = self._value(row)
        for owner, mark in surface.marks:
            leaf_of(owner)["_b"] = repr(mark)
        self._assign(list(leaves.values()))

    def _write_items(self, surface: Surface) -> None:
        """Write the lines that give dicts their items; some of them call hooks then."""
        text = self._text
        alike: dict[tuple[str, str], list[str]] = {}  # dicts that get the same number by key
        for cell, row, constant in surface.written:
            if cell.kind != "item":
                continue
            if row is None:
                value = "{}" if isinstance(constant, dict) else text.name(constant)
                text.lines.append(f"{text.read(cell)} = {value}")
            elif self._lends(row, cell):
                continue
            elif not self._is_number(row):
                text.lines.append(f"{text.read(cell)} = {self._value(row)}")
            elif text.once and type(cell.owner) is dict:  # others, such as hooks', want their order
                owners = alike.setdefault((text.key(cell), self._value(row)), [])
                owners.append(text.owner(cell.owner))
            else:
                place, old = text.read(cell), f"{text.owner(cell.owner)}.get({text.key(cell)})"
                text.lines.append(f"{place} = bare_number({old}, {self._value(row)})")
        for (key, value), owners in alike.items():
            text.lines.append(f"for owner in ({', '.join(owners)},):")
            text.lines.append(f"    owner[{key}] = bare_number(owner.get({key}), {value})")

    def _is_number(self, row: Any) -> bool:
        shape = self._exe.program.shape[row] if type(row) is int else row.shape
        return bool(shape == ())

    def _assign(self, leaves: list[tuple[Any, dict[str, str]]]) -> None:
        """Write the lines that assign to attributes of leaves: a loop for those that are alike."""
        text = self._text
        if any("_p" in values for _, values in leaves):
            text.lines.append("now = next_number()")
        groups: dict[Any, list[tuple[Any, dict[str, str]]]] = {}
        for owner, values in leaves:
            if isinstance(owner, int):
                text.lines += [f"flat[{owner}].{name} = {x}" for name, x in values.items()]
                continue
            kind = tuple((name, x if name in COMMON else None) for name, x in values.items())
            groups.setdefault(kind, []).append((owner, values))
        for kind, members in groups.items():
            names = [name for name, x in kind if x is None]
            owners = text.name([owner for owner, _ in members])
            if names:
                columns = [_column([values[name] for _, values in members]) for name in names]
                owners = f"zip({', '.join([owners, *columns])}, strict=True)"
            targets = ", ".join(["p", *(f"p.{name}" for name in names)])
            text.lines.append(f"for {targets} in {owners}:")
            common = [f"    p.{name} = {x}" for name, x in kind if x is not None]
            text.lines += common or ["    pass"]


def _column(values: list[str]) -> str:
    """Return the expression of a list of values; a slice where they are neighbours in one."""
    found = re.fullmatch(r"(\w+)\[(\d+)\]", values[0])
    if found:
        name, start = found[1], int(found[2])
        if values == [f"{name}[{start + k}]" for k in range(len(values))]:
            return f"{name}[{start}:{start + len(values)}]"
    return f"[{', '.join(values)}]"


def _same_memory(x: Any, y: Any) -> bool:
    return bool(x.__array_interface__["data"] == y.__array_interface__["data"])
