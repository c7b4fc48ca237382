"""Pass 3d, fuse: fewer passes over large arrays where one NumPy call or a smaller array will do.

- A product whose rows are added up is one `vecdot`: the product itself is never stored.
- A number times a large array, times a small one that is broadcast: the number goes into the
  small one.
- Where ``x > 0`` is asked beside ``max(x, 0)``, as in the derivative of ReLU, it is the maximum
  that is asked, so that x may be overwritten; and not before the answer is read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, View, rows_of, strides_of
from .views import through

__all__ = ["fuse"]

LONG = 64
"""Rows shorter than this are added up faster together than one by one."""


def fuse(program: Program) -> Program:
    """Return a program that goes fewer times over large arrays, and keeps fewer of them."""
    return _questions_late(_fewer_passes(program))


def _fewer_passes(program: Program) -> Program:
    """Return a program with fewer large results."""
    readers = _readers(program)
    dots = {i: p for i in range(len(program)) if (p := _summed_product(program, i)) is not None}
    dots = {i: p for i, p in dots.items() if readers[p] == [i]}
    scales = {i: m for i in range(len(program)) if (m := _scaled_factor(program, i)) is not None}
    scales = {i: m for i, m in scales.items() if readers[m[0]] == [i]}
    gone = {*dots.values(), *(m for m, _ in scales.values())}
    if not gone:
        return program
    new = Program()
    where: list[Any] = []
    for i in range(len(program)):
        if i in gone:
            where.append(-1)
        elif i in dots:
            where.append(_vecdot(new, program, i, dots[i], where))
        elif i in scales:
            where.append(_rescaled(new, program, i, *scales[i], where))
        else:
            args = tuple(through(x, where) for x in program.args[i])
            where.append(new.copy_row(program, i, args))
    new.outputs = [through(x, where) for x in program.outputs]
    return new


def _readers(program: Program) -> list[list[int]]:
    """Return the rows that read each row; an output counts as one that is nowhere."""
    readers: list[list[int]] = [[] for _ in program.op]
    for i, args in enumerate(program.args):
        for row in {r for x in args for r in rows_of(x)}:
            readers[row].append(i)
    for x in program.outputs:
        for row in rows_of(x):
            readers[row].append(-1)
    return readers


def _summed_product(program: Program, i: int) -> int | None:
    """Return the product whose rows a row adds up: times ones, or ones times its transpose."""
    if program.op[i] != "matmul":
        return None
    left, right = program.args[i]
    row, ones = (right.row, left) if type(right) is View else (left, right)
    if type(row) is not int or program.op[row] != "multiply" or not _all_ones(program, ones):
        return None
    shape = program.shape[row]
    if len(shape) != 2 or shape[1] < LONG:
        return None
    across = row == left and program.shape[i] == (shape[0], 1)
    down = right == View(row, 0, shape[::-1], (1, shape[1])) and program.shape[i] == (1, shape[0])
    factors = program.args[row]
    whole = all(type(f) is int and program.shape[f] == shape for f in factors)
    alike = whole and all(program.dtype[f] == program.dtype[i] for f in factors)
    return row if alike and (across or down) else None


def _all_ones(program: Program, x: Any) -> bool:
    if type(x) is int and program.op[x] == "const":
        x = program.params[x]["value"]
    return isinstance(x, np.ndarray) and bool((x == 1).all())


def _vecdot(new: Program, program: Program, i: int, product: int, where: list[Any]) -> View:
    """Append the sums of a product's rows; they are read in the shape of row `i`."""
    n, k = program.shape[product]
    args = tuple(through(x, where) for x in program.args[product])
    count = program.count[i] + program.count[product]
    row = new.add("dots", args, None, (n,), program.dtype[i], count, f"{n} sums of {k} products")
    return View(row, 0, program.shape[i], strides_of(program.shape[i]))


def _scaled_factor(program: Program, i: int) -> tuple[int, int] | None:
    """Return (a factor that is a number times an array, position of the other, broadcast, one)."""
    if program.op[i] != "multiply":
        return None
    for position, (small, large) in enumerate((program.args[i], program.args[i][::-1])):
        if type(large) is not int or type(small) is not View or 0 not in small.strides:
            continue
        if program.op[large] != "multiply" or program.shape[large] != program.shape[i]:
            continue
        less = 2 * program.size(small.row) <= program.size(i)
        kinds = {program.dtype[r] for r in (i, large, small.row)}
        if less and len(kinds) == 1 and program.shape[small.row] and _number(program, large):
            return large, position
    return None


def _number(program: Program, row: int) -> tuple[Any, float] | None:
    """Return (array, number) if a row is the product of the two."""
    for x, c in (program.args[row], program.args[row][::-1]):
        if type(c) is float and type(x) is int and program.shape[x] == program.shape[row]:
            return x, c
    return None


def _rescaled(
    new: Program, program: Program, i: int, scaled: int, position: int, where: list[Any]
) -> int:
    """Append a product in which the number is in the broadcast factor."""
    found = _number(program, scaled)
    assert found is not None  # `_scaled_factor` has looked
    small = program.args[i][position]
    row = small.row
    factor = new.add(
        "multiply", (through(row, where), found[1]), None, program.shape[row], program.dtype[row]
    )
    args = [through(found[0], where), small._replace(row=factor)]
    count = program.count[i] + program.count[scaled]
    return new.add(
        "multiply", tuple(args), None, program.shape[i], program.dtype[i], count, program.note[i]
    )


def _questions_late(program: Program) -> Program:
    """Return a program that asks the maximum whether x > 0, and not before the answer is read.

    The answer may then be written over the maximum, as a rule: ReLU's derivative is read after
    the last product with ReLU's result.
    """
    readers = _readers(program)
    maxima = {
        program.args[i][0]: i
        for i, op in enumerate(program.op)
        if op == "maximum" and _with_zero(program, i)
    }
    due: dict[int, list[int]] = {}
    for i, op in enumerate(program.op):
        if op == "greater" and _with_zero(program, i) and program.args[i][0] in maxima:
            first = min(readers[i], default=-1)
            if max(i, maxima[program.args[i][0]]) < first:
                due.setdefault(first, []).append(i)
    later = {q for questions in due.values() for q in questions}
    if not later:
        return program
    new = Program()
    where: list[Any] = [-1] * len(program)
    for i in range(len(program)):
        for q in due.get(i, ()):
            args = (where[maxima[program.args[q][0]]], 0.0)
            where[q] = new.copy_row(program, q, args)
        if i not in later:
            where[i] = new.copy_row(program, i, tuple(through(x, where) for x in program.args[i]))
    new.outputs = [through(x, where) for x in program.outputs]
    return new


def _with_zero(program: Program, i: int) -> bool:
    """Whether a row is of a whole result and the number 0, in this order."""
    x, zero = program.args[i]
    return type(x) is int and bool(program.shape[x]) and type(zero) is float and zero == 0.0
