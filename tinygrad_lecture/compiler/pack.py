"""Pass 3b, pack: the same update of many arrays becomes one update of all of them, end to end.

An optimizer does the same few ops to every parameter.  The results that leave the program are
compared from the end backwards: as long as the ops agree, they become one op on arrays laid end
to end (a "pack"); where they stop to agree, the operands are packed as they are.  `plan` then
places the operands side by side, so that packing costs nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np

from .program import Gather, Program, View, rows_of, strides_of

__all__ = ["ELEMENTWISE", "pack"]

ELEMENTWISE = {
    "add", "subtract", "multiply", "divide", "negative", "maximum", "minimum", "sqrt", "exp", "log",
    "abs", "tanh", "reciprocal", "power", "sign", "cast",
}  # fmt: skip


def pack(program: Program, groups: list[list[int]]) -> Program:
    """Return a program in which like updates are packed.

    Parameters
    ----------
    program : Program
        Lifted.
    groups : list of list of int
        Positions among the outputs of results that may be updated alike.
    """
    packer = _Packer(program)
    for positions in groups:
        rows = [program.outputs[k] for k in positions]
        rows = [r for r in dict.fromkeys(rows) if type(r) is int and program.shape[r]]
        for alike in packer.alike(rows):
            packer.match(alike)
    return packer.write() if packer.fused else program


class _Packer:
    """What is to be packed: tuples of rows that become one row, or lie side by side."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.fused: dict[tuple[int, ...], tuple[Any, ...]] = {}  # rows: the operands of their op
        self.packs: set[tuple[int, ...]] = set()
        self.member: dict[int, tuple[int, ...]] = {}
        self.readers: dict[int, list[int]] = defaultdict(list)
        for i, args in enumerate(program.args):
            for x in args:
                for r in rows_of(x):
                    self.readers[r].append(i)

    def alike(self, rows: list[int]) -> list[tuple[int, ...]]:
        """Split rows by op and dtype."""
        found: dict[Any, list[int]] = defaultdict(list)
        for r in rows:
            found[self.program.op[r], self.program.dtype[r]].append(r)
        return [tuple(members) for members in found.values() if len(members) > 1]

    def match(self, rows: tuple[int, ...]) -> bool:
        """Pack rows; fuse them if their ops agree.  False if they cannot be packed."""
        program = self.program
        if rows in self.fused or rows in self.packs:
            return True
        if len(set(rows)) != len(rows) or any(r in self.member for r in rows):
            return False
        if len({program.dtype[r] for r in rows}) > 1 or not all(program.shape[r] for r in rows):
            return False
        operands = self._operands(rows)
        for r in rows:
            self.member[r] = rows
        if operands is not None and not self._entangled(rows):
            agreed = []
            for x in operands:
                if _is_pack(x) and not self.match(x):
                    break
                agreed.append(x)
            else:
                self.fused[rows] = tuple(agreed)
                return True
        if any(program.op[r] == "const" for r in rows):
            for r in rows:
                del self.member[r]
            return False
        self.packs.add(rows)
        return True

    def _operands(self, rows: tuple[int, ...]) -> list[Any] | None:
        """Return per position a scalar that all rows share, or the tuple of their operands."""
        program = self.program
        first = rows[0]
        if program.op[first] not in ELEMENTWISE:
            return None
        if any(program.op[r] != program.op[first] or program.params[r] for r in rows):
            return None
        operands: list[Any] = []
        for column in zip(*(program.args[r] for r in rows), strict=True):
            if all(_is_scalar(program, x) for x in column):
                if any(not _same_scalar(x, column[0]) for x in column):
                    return None
                operands.append(column[0])
            else:
                whole = tuple(_whole_row(program, x) for x in column)
                sizes = [program.size(x) if x >= 0 else -1 for x in whole]
                if sizes != [program.size(r) for r in rows]:
                    return None
                operands.append(whole)
        return operands

    def _entangled(self, rows: tuple[int, ...]) -> bool:
        """Whether an operand of one of the rows depends on another of them."""
        operands = {x for r in rows for arg in self.program.args[r] for x in rows_of(arg)}
        last = max(operands, default=-1)
        stack, seen = list(rows), set(rows)
        while stack:
            for reader in self.readers[stack.pop()]:
                if reader in operands:
                    return True
                if reader <= last and reader not in seen:
                    seen.add(reader)
                    stack.append(reader)
        return False

    # ------------------------------------------------------------------------------ writing

    def write(self) -> Program:
        """Return the program with packs as rows, in an order in which all is defined first."""
        old = self.program
        new = Program()
        where: dict[int, Any] = {}
        done: dict[tuple[int, ...], int] = {}

        def needed(i: int) -> list[Any]:
            """List what has to be there before row i: rows, or packs."""
            rows = self.member.get(i)
            if rows in self.fused:
                return [
                    x
                    for arg in self.fused[rows]
                    for x in ([arg] if _is_pack(arg) else rows_of(arg))
                ]
            return [r for arg in old.args[i] for r in rows_of(arg)]

        def write_pack(rows: tuple[int, ...]) -> None:
            if rows in self.fused:
                write_row(rows[0])
                return
            total, dtype = sum(old.size(r) for r in rows), old.dtype[rows[0]]
            args = tuple(_moved(r, where) for r in rows)
            note = f"{len(rows)} arrays, end to end"
            done[rows] = new.add("pack", args, None, (total,), dtype, 0, note)

        def write_row(i: int) -> None:
            rows = self.member.get(i)
            if rows not in self.fused:
                where[i] = new.copy_row(old, i, tuple(_moved(x, where) for x in old.args[i]))
                return
            assert rows is not None
            args = tuple(done[x] if _is_pack(x) else _moved(x, where) for x in self.fused[rows])
            total = sum(old.size(r) for r in rows)
            row = new.add(
                old.op[i], args, None, (total,), old.dtype[i], sum(old.count[r] for r in rows),
                f"{len(rows)} × {old.op[i]}, end to end",
            )  # fmt: skip
            done[rows] = row
            start = 0
            for r in rows:
                where[r] = View(row, start, old.shape[r], strides_of(old.shape[r]))
                start += old.size(r)

        def visit(target: Any) -> None:
            stack = [target]
            while stack:
                x = stack[-1]
                if _is_pack(x):
                    if x in done:
                        stack.pop()
                        continue
                    before = needed(x[0]) if x in self.fused else list(x)
                else:
                    if x in where:
                        stack.pop()
                        continue
                    before = needed(x)
                missing = [b for b in before if (b not in done if _is_pack(b) else b not in where)]
                if missing:
                    stack.extend(missing)
                    continue
                stack.pop()
                if _is_pack(x):
                    write_pack(x)
                else:
                    write_row(x)

        for i in range(len(old)):
            if self.member.get(i) not in self.fused:
                visit(i)
        for i in range(len(old)):
            visit(i)
        new.outputs = [_moved(x, where) for x in old.outputs]
        return new


def _whole_row(program: Program, x: Any) -> int:
    """Return the row that an operand reads from end to end, in order; -1 if it does not."""
    if type(x) is int:
        return x
    if type(x) is View and x.offset == 0 and x.strides == strides_of(x.shape):
        return x.row if math.prod(x.shape) == program.size(x.row) else -1
    return -1


def _is_pack(x: Any) -> bool:
    return type(x) is tuple


def _moved(x: Any, where: dict[int, Any]) -> Any:
    if type(x) is int:
        return where[x]
    if type(x) is View:
        target = where[x.row]
        if type(target) is View:  # part of a fused row: contiguous there as well
            return View(target.row, target.offset + x.offset, x.shape, x.strides)
        return x._replace(row=target)
    if type(x) is Gather:
        rows, offsets = x.rows.copy(), x.offsets.copy()
        for r in np.unique(x.rows).tolist():
            target = where[r]
            here = x.rows == r
            rows[here] = target if type(target) is int else target.row
            offsets[here] += 0 if type(target) is int else target.offset
        return Gather(rows, offsets)
    return x


def _is_scalar(program: Program, x: Any) -> bool:
    if type(x) is int:
        return program.shape[x] == ()
    if type(x) is View:
        return x.shape == ()
    return type(x) is float


def _same_scalar(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)
