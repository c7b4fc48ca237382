"""Pass 4, plan: a place in memory for every result, and as few gathers as possible.

Results of one dtype share one arena; a slot is used again as soon as the last reader of its
result has run, and an elementwise op writes over an operand that nobody needs any more.  What is
left of gathers after `lift` is pooled: all elements that the following rows pick out of earlier
ones are fetched in one go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import BLOCK
from .memory import INPLACE, Allocation
from .pack import ELEMENTWISE
from .program import Gather, Program, View, rows_of, strides_of

__all__ = ["plan"]

Ints = NDArray[np.int64]


def plan(program: Program, updates: Sequence[tuple[int, int]] = ()) -> Program:
    """Return a program without gathers, whose rows all have a place.

    Parameters
    ----------
    program : Program
        Lifted.
    updates : sequence of (position of an output, row of an input)
        Pairs that are the same place outside of the program: the new value may be written over
        the old one.
    """
    program, where = _pooled_gathers(program)
    program, then = _contiguous_factors(program)
    updates = [(k, int(then[where[row]])) for k, row in updates]
    program, over, updates = _late_last(program, updates)
    Allocation(program, over, updates).run()
    return program


def _order_kept(old: Program, order: list[int], late: int) -> tuple[Program, Ints]:
    """Return the program with its rows in another order."""
    where = np.zeros(len(old), np.int64)
    for new, i in enumerate(order):
        where[i] = new
    program = old.only(order, [tuple(_moved(x, where) for x in old.args[i]) for i in order])
    program.outputs = [_moved(x, where) for x in old.outputs]
    program.late = late
    return program, where


def _late_last(
    program: Program, updates: Sequence[tuple[int, int]]
) -> tuple[Program, dict[int, int], list[tuple[int, int]]]:
    """Put updates in place last, with all that depends on them.

    Before them nothing outside has changed, so that a run can still be given up.
    """
    over = _updated_in_place(program, updates)
    late = set(over)
    for i, args in enumerate(program.args):
        if any(r in late for x in args for r in rows_of(x)):
            late.add(i)
    simple = ELEMENTWISE | {"copy", "pack"}
    if any(program.op[i] not in simple for i in late):
        over, late = {}, set()
    readers: dict[int, list[int]] = {}
    for i, args in enumerate(program.args):
        for x in args:
            for r in rows_of(x):
                readers.setdefault(r, []).append(i)
    outputs = {r for x in program.outputs for r in rows_of(x)}
    for i in range(len(program) - 1, -1, -1):  # what only prepares an update belongs to it
        packed = program.note[i].endswith("end to end") and program.op[i] in ELEMENTWISE
        if packed and i not in outputs and readers.get(i) and all(r in late for r in readers[i]):
            late.add(i)
    order = [i for i in range(len(program)) if i not in late]
    first_late = len(order)
    order += _long_together(program, sorted(late))
    place = {i: k for k, i in enumerate(order)}
    for i, old in list(over.items()):  # nobody may read the old value once it is overwritten
        olds = [old, *(program.args[old] if program.op[old] == "pack" else ())]
        reading = {r for x in olds for r in readers.get(x, ()) if r != old}
        after = any(place[r] > place[i] for r in reading)
        if after or (i in reading and program.op[i] not in INPLACE):
            del over[i]
    program, where = _order_kept(program, order, first_late)
    return (
        program,
        {int(where[i]): int(where[old]) for i, old in over.items()},
        [(k, int(where[row])) for k, row in updates],
    )


def _long_together(program: Program, rows: list[int]) -> list[int]:
    """Return rows with the long elementwise ones together, and what they do not need after them."""
    long = {i for i in rows if program.op[i] in ELEMENTWISE and program.size(i) >= 2 * BLOCK}
    after: set[int] = set()
    before = []
    for i in rows:
        depends = any(r in after or r in long for x in program.args[i] for r in rows_of(x))
        if i not in long and depends:
            after.add(i)
        elif i not in long:
            before.append(i)
    if any(r in after for i in long for x in program.args[i] for r in rows_of(x)):
        return rows
    return [*before, *_depth_first(program, long), *sorted(after)]


def _depth_first(program: Program, rows: set[int]) -> list[int]:
    """Return rows such that each is computed shortly before it is read: few are alive at once."""
    read = {r for i in rows for x in program.args[i] for r in rows_of(x) if r in rows}
    order: list[int] = []
    done: set[int] = set()
    stack = [(i, False) for i in sorted(rows - read, reverse=True)]
    while stack:
        i, ready = stack.pop()
        if ready:
            order.append(i)
        elif i not in done:
            done.add(i)
            stack.append((i, True))
            below = [r for x in program.args[i] for r in rows_of(x) if r in rows]
            stack += [(r, False) for r in reversed(below)]
    return order


def _updated_in_place(program: Program, updates: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return rows that may take the place of an input, or of a pack of them: the same cells."""
    over: dict[int, int] = {}
    parts: dict[int, list[tuple[int, int]]] = {}
    for k, row in updates:
        out = program.outputs[k]
        if type(out) is int:
            if program.shape[row] == program.shape[out]:
                over[out] = row
        elif type(out) is View:
            parts.setdefault(out.row, []).append((out.offset, row))
    packs = {args: i for i, args in enumerate(program.args) if program.op[i] == "pack"}
    for i, members in parts.items():
        members.sort()
        rows = tuple(row for _, row in members)
        sizes = [program.size(row) for row in rows]
        starts = [sum(sizes[:k]) for k in range(len(sizes))]
        if rows in packs and starts == [at for at, _ in members]:
            over[i] = packs[rows]
    return over


def _pooled_gathers(old: Program) -> tuple[Program, Ints]:
    """Replace gathers by rows that fetch many at once, and views of these."""
    new = Program()
    where = np.zeros(len(old), np.int64)
    ready: dict[tuple[int, int], View] = {}
    gathers = [
        (i, k)
        for i in range(len(old))
        for k, x in enumerate(old.args[i])
        if type(x) is Gather and old.op[i] != "take"
    ]
    latest = {(i, k): int(old.args[i][k].rows.max()) for i, k in gathers}
    at = 0
    for i in range(len(old)):
        args = old.args[i]
        if old.op[i] == "take":
            where[i] = new.copy_row(old, i, tuple(_moved(x, where) for x in args))
            continue
        if any(type(x) is Gather and (i, k) not in ready for k, x in enumerate(args)):
            pool = []
            for j, k in gathers[at : at + 400]:
                if (j, k) not in ready and latest[j, k] < i:
                    pool.append((j, k))
            _fetch(old, new, where, pool, ready)
        while at < len(gathers) and gathers[at][0] == i:
            at += 1
        args = tuple(
            ready[i, k] if type(x) is Gather else _moved(x, where)
            for k, x in enumerate(old.args[i])
        )
        where[i] = new.copy_row(old, i, args)
    new.outputs = [_moved(x, where) for x in old.outputs]
    return new, where


def _fetch(
    old: Program, new: Program, where: Ints, pool: list[tuple[int, int]],
    ready: dict[tuple[int, int], View],
) -> None:  # fmt: skip
    """Emit one row that gathers for all of the pool."""
    rows = np.concatenate([old.args[j][k].rows.reshape(-1) for j, k in pool])
    offsets = np.concatenate([old.args[j][k].offsets.reshape(-1) for j, k in pool])
    mapped = where[rows]
    sources = np.unique(mapped).size
    why = "no stride reaches them" if sources == 1 else f"they come from {sources} results"
    row = new.add(
        "take", (Gather(mapped, offsets),), None, rows.shape, count=0,
        note=f"{rows.size} elements picked one by one: {why}",
    )  # fmt: skip
    start = 0
    for j, k in pool:
        shape = old.args[j][k].shape
        ready[j, k] = View(row, start, shape, strides_of(shape))
        start += math.prod(shape)


def _moved(x: Any, where: Ints) -> Any:
    if type(x) is int:
        return int(where[x])
    if type(x) is View:
        return x._replace(row=int(where[x.row]))
    if type(x) is Gather:
        return Gather(where[x.rows], x.offsets)
    return x


def _contiguous_factors(old: Program) -> tuple[Program, Ints]:
    """Copy factors of matrix products that the linear algebra library could not read in place."""
    new = Program()
    where = np.zeros(len(old), np.int64)
    copies: dict[View, int] = {}
    for i in range(len(old)):
        args = tuple(_moved(x, where) for x in old.args[i])
        if old.op[i] == "matmul":
            args = (_factor(new, args[0], copies), _right_factor(new, args[1], copies))
        where[i] = new.copy_row(old, i, args)
    new.outputs = [_moved(x, where) for x in old.outputs]
    return new, where


def _factor(new: Program, x: Any, copies: dict[View, int]) -> Any:
    if isinstance(x, np.ndarray):
        return np.ascontiguousarray(x)
    if type(x) is not View or len(x.shape) < 2 or _fits_blas(x):
        return x
    if x not in copies:
        copies[x] = new.add("copy", (x,), None, x.shape, new.dtype[x.row], 0, "factor in one piece")
    return copies[x]


def _right_factor(new: Program, x: Any, copies: dict[View, int]) -> Any:
    """Turn a small right factor that lies transposed: the product wins more than a copy costs."""
    if type(x) is View and len(x.shape) == 2 and 256 <= math.prod(x.shape) <= BLOCK:
        turned = x.strides[0] == 1 and x.strides[1] > 1 and min(x.shape) > 16
        if turned and x not in copies:
            dtype = new.dtype[x.row]
            copies[x] = new.add("copy", (x,), None, x.shape, dtype, 0, "factor, turned")
        if turned:
            return copies[x]
    return _factor(new, x, copies)


def _fits_blas(x: View) -> bool:
    (n, m), (s, t) = x.shape[-2:], x.strides[-2:]
    row = (t == 1 or m == 1) and (s >= max(m, 1) or n == 1)
    column = (s == 1 or n == 1) and (t >= max(n, 1) or m == 1)
    return row or column


# ---------------------------------------------------------------------------------- memory
