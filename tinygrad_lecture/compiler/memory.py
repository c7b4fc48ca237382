"""Part of `plan`: which memory each result gets, and for how long."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from .blocks import BLOCKWISE, elementwise_runs
from .program import FLOAT, Gather, Place, Program, View, rows_of, strides_of

__all__ = ["INPLACE", "KEPT", "STATE", "Allocation", "array_of", "last_reads", "zeroed"]


ALIGN = 8  # elements: 64 bytes of float64
LARGE_PAGE = 2 << 20  # bytes

STATE = "state"
"""Prefix of the memories that objects outside share with the program."""


KEPT = {"input", "inputs", "draw", "const"}
"""Rows that are not computed: their memory is their own for all of the run."""


INPLACE = BLOCKWISE | {
    "square", "sin", "cos", "expm1", "log1p", "floor_divide", "mod", "greater", "less", "add_at",
}  # fmt: skip


class _Arena:
    """Slots of one memory, given out first fit and taken back."""

    def __init__(self) -> None:
        self.size = 0
        self.free: list[tuple[int, int]] = []

    def take(self, n: int) -> int:
        n = max(n, 1)
        for k, (start, length) in enumerate(self.free):
            if length >= n:
                if length == n:
                    del self.free[k]
                else:
                    self.free[k] = (start + n, length - n)
                return start
        if self.free and self.free[-1][0] + self.free[-1][1] == self.size:
            start, length = self.free.pop()
            self.size = start + n
            return start
        self.size += n
        return self.size - n

    def give(self, start: int, n: int) -> None:
        self.free.append((start, max(n, 1)))
        self.free.sort()
        merged = [self.free[0]]
        for s, length in self.free[1:]:
            last, size = merged[-1]
            if last + size == s:
                merged[-1] = (last, size + length)
            else:
                merged.append((s, length))
        self.free = merged


def _rounded(n: int) -> int:
    return -(-max(n, 1) // ALIGN) * ALIGN


def _gathered(program: Program) -> set[int]:
    """Return rows that elements are gathered from: they have to lie in the arena."""
    found: set[int] = set()
    for args in program.args:
        for x in args:
            if type(x) is Gather:
                found.update(np.unique(x.rows).tolist())
    return found


def last_reads(program: Program) -> list[int]:
    """Return for each row the last row that reads it; outputs are read at the end."""
    last = list(range(len(program)))
    for i, args in enumerate(program.args):
        for x in args:
            for row in rows_of(x):
                last[row] = i
    for x in program.outputs:
        for row in rows_of(x):
            last[row] = len(program)
    return last


class Allocation:
    """Gives every row a place."""

    def __init__(
        self, program: Program, over: dict[int, int], updates: Sequence[tuple[int, int]]
    ) -> None:
        self.program, self.over = program, over
        self.shared = {row for _, row in updates}
        self.arenas: dict[str, _Arena] = {}
        self.place: dict[int, Place] = {}
        self.states: dict[str, int] = {}
        self.gathered = _gathered(program)
        self.last = last_reads(program)
        self.outputs = {r for x in program.outputs for r in rows_of(x)}
        self.handed_out = {
            r
            for x in program.outputs
            for r in rows_of(x)
            if program.shape[r] and (type(x) is int or x.shape)
        }

    def run(self) -> None:
        """Fill the column `place`."""
        program = self.program
        self._packs()
        for i, name in enumerate(program.op):
            if name in KEPT and i not in self.place:
                self._keep(i)
        self._blocks()
        dying: dict[int, list[int]] = {}
        for row, i in enumerate(self.last):
            dying.setdefault(i, []).append(row)
        for i in range(len(program)):
            if program.op[i] in KEPT:
                continue
            if i not in self.place:
                self._compute(i)
            for row in dying.get(i, ()):
                self._release(row, i)
        program.place = [self.place[i] for i in range(len(program))]

    def _state(self, dtype: Any, size: int, kind: str = STATE) -> Place:
        memory = f"{kind}_{dtype.name}"
        at = self.states.get(memory, 0)
        self.states[memory] = at + _rounded(size)
        return Place(memory, at)

    def _packs(self) -> None:
        """Place the members of packs side by side, as far as they are free to be placed."""
        program = self.program
        for i, name in enumerate(program.op):
            if name != "pack":
                continue
            members = program.args[i]
            shared = any(m in self.shared for m in members)
            kind = STATE if shared else "packs"
            self.place[i] = start = self._state(program.dtype[i], program.size(i), kind)
            at = start.offset
            for m in members:
                if type(m) is int:
                    free = m not in self.place and m not in self.gathered and m not in self.over
                    if free:
                        self.place[m] = Place(start.memory, at)
                    at += program.size(m)
                else:
                    at += math.prod(m.shape)

    def _keep(self, i: int) -> None:
        program = self.program
        if i in self.gathered or program.op[i] == "inputs" or program.shape[i] == ():
            memory = arena_name(program.dtype[i])
            arena = self.arenas.setdefault(memory, _Arena())
            self.place[i] = Place(memory, arena.take(_rounded(program.size(i))))
        elif i in self.shared:
            self.place[i] = self._state(program.dtype[i], program.size(i))
        else:
            self.place[i] = Place(f"row{i}", 0)

    def _blocks(self) -> None:
        """Give results that live within one run of long elementwise ops a block of memory each."""
        program = self.program
        for run in elementwise_runs(program):
            inside, free, made = set(run), list[int](), 0
            slot: dict[int, int] = {}
            new = {old: k for k, old in self.over.items() if k in inside}
            for i in run:
                for x in program.args[i]:  # an op may write over what it reads last
                    if type(x) is int and x in slot and self.last[x] == i:
                        free.append(slot.pop(x))
                keep = i in self.place or i in self.outputs or i in self.over
                if keep or self.last[i] not in inside:
                    continue
                for x in program.args[i]:  # what is written there later may be prepared there
                    alike = x in new and program.dtype[x] == program.dtype[i]
                    if alike and self.last[x] == i and self.last[i] <= new[x]:
                        self.place[i] = self.place[x]
                if i in self.place:
                    continue
                if not free:
                    free.append(made)
                    made += 1
                slot[i] = free.pop()
                self.place[i] = Place(f"block{run[0]}_{slot[i]}", 0)
            for i in run:
                if self.place.get(i, Place("", 0)).memory.startswith("block"):
                    self.last[i] = -1

    def _compute(self, i: int) -> None:
        program = self.program
        if i in self.over:
            self.place[i] = self.place[self.over[i]]
            return
        memory = arena_name(program.dtype[i])
        if i in self.handed_out and program.shape[i] != () and i not in self.gathered:
            self.place[i] = Place(f"row{i}", 0)
            return
        over = self._overwritable(i, memory)
        if over is not None:
            self.place[i] = self.place[over]
            self.last[over] = -1
            return
        arena = self.arenas.setdefault(memory, _Arena())
        self.place[i] = Place(memory, arena.take(_rounded(program.size(i))))

    def _release(self, row: int, i: int) -> None:
        program = self.program
        if self.last[row] == i and program.op[row] not in KEPT and row not in self.outputs:
            where = self.place[row]
            if where.memory in self.arenas:
                self.arenas[where.memory].give(where.offset, _rounded(program.size(row)))

    def _overwritable(self, i: int, memory: str) -> int | None:
        """Return a row that dies here and lies exactly as the result of row i will."""
        program = self.program
        if program.op[i] not in INPLACE:
            return None
        operands = program.args[i]
        for x in operands:
            if type(x) is View and _reads_alike(program, i, x, x.row):
                x = x.row if math.prod(x.shape) == program.size(x.row) else -1
            if (
                type(x) is int
                and self.last[x] == i
                and program.op[x] not in KEPT
                and x not in self.outputs
                and self.place[x].memory == memory
                and program.dtype[x] == program.dtype[i]
                and program.size(x) == program.size(i)
                and all(_reads_alike(program, i, y, x) for y in operands)
            ):
                return x
        return None


def _reads_alike(program: Program, i: int, y: Any, x: int) -> bool:
    """Whether operand y, if it reads row x, reads each element where row i writes it."""
    if type(y) is int and y == x:
        return program.shape[x] == program.shape[i]
    if type(y) is View and y.row == x:
        return y.offset == 0 and y.shape == program.shape[i] and y.strides == strides_of(y.shape)
    return True


def array_of(memory: Any, offset: int, shape: Any, strides: Any) -> Any:
    """Return a view of a flat memory; offset and strides count elements."""
    if 0 in shape:
        return np.empty(shape, memory.dtype)
    size = memory.itemsize
    return np.ndarray(shape, memory.dtype, memory, offset * size, tuple(s * size for s in strides))


def zeroed(size: int, spare: int = 0) -> Any:
    """Return so many bytes, all zero; on large pages where they fill them.

    NumPy asks for large pages too, but its memory may have been in use before, on small ones: an
    optimizer's pass over all parameters and moments then takes up to a tenth longer.

    Parameters
    ----------
    size : int
    spare : int
        How much of the last large page may stay unused.
    """
    large = (size + spare) // LARGE_PAGE * LARGE_PAGE
    large = min(large, -(-size // LARGE_PAGE) * LARGE_PAGE)
    if not large or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.zeros(size, np.uint8)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS  # what is not touched is never there
    fresh = mmap.mmap(-1, max(size, large) + LARGE_PAGE, flags=flags)
    piece = np.frombuffer(fresh, np.uint8)
    start = -piece.ctypes.data % LARGE_PAGE
    with suppress(OSError):  # a kernel may have no large pages
        fresh.madvise(mmap.MADV_HUGEPAGE, start, large)
    return piece[start : start + size]


def arena_name(dtype: np.dtype[Any]) -> str:
    """Return the name of the memory that results of a dtype share."""
    return "arena" if dtype == FLOAT else f"arena_{dtype.name}"
