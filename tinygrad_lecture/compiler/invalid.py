"""Whether an operation of a run was invalid, such as 0·inf: which rows tell, and the check."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .memory import KEPT
from .program import Program, View, rows_of
from .straight import StraightCode
from .text import Text

__all__ = ["checked_rows", "has_small_factors", "nan_check"]

LARGE = 65_536
"""Elements of a product from which on it is its factors that are looked through for nan."""


SHOWING = {
    "add", "subtract", "multiply", "divide", "negative", "maximum", "minimum", "relu", "square",
    "sqrt", "exp", "log", "tanh", "sin", "cos", "abs", "reciprocal", "copy", "matmul", "dots",
    "sum", "max", "min",
}  # fmt: skip
"""Ops in whose result a nan of any operand is seen."""


def checked_rows(program: Program, leaving: Sequence[Any]) -> list[int]:
    """Return the rows of which one is nan if an operation was invalid.

    Parameters
    ----------
    program : Program
        Planned.
    leaving : sequence of operands
        Results, and what is written to objects outside.
    """
    late = program.late if program.late >= 0 else len(program)
    read = [*leaving, *(x for i in range(late, len(program)) for x in program.args[i])]
    rows = {r for x in read for r in rows_of(x)}
    computed = {r for r in rows if program.op[r] not in KEPT and r < late}
    if "where" in program.op:
        computed |= {i for i, op in enumerate(program.op) if op in ("input", "inputs")}
    for pack in [r for r in computed if program.op[r] == "pack"]:
        members = {r for x in program.args[pack] for r in rows_of(x)}
        computed -= members
        made = {r for r in members if program.op[r] not in KEPT}
        if not made or any(has_small_factors(program, r) for r in made):
            computed = computed - {pack} | made
    computed = {
        r for r in computed
        if program.dtype[r].kind == "f" and program.size(r)
        and not program.place[r].memory.startswith("block")
    }  # fmt: skip
    return sorted(_last_seen(program, computed, late))


def has_small_factors(program: Program, row: int) -> bool:
    """Whether a row is a large product of matrices that are smaller together."""
    args = program.args[row]
    if program.op[row] != "matmul" or program.size(row) < LARGE:
        return False
    once = [type(x) is int or (type(x) is View and 0 not in x.strides) for x in args]
    return all(once) and sum(program.size(r) for x in args for r in rows_of(x)) < program.size(row)


def _last_seen(program: Program, rows: set[int], late: int) -> set[int]:
    """Return those of some rows whose nan would not be seen in another one of them."""
    seen = set(rows)  # rows whose nan is looked for, or goes on to one where it is
    shown: set[int] = set()
    for i in range(late - 1, -1, -1):
        if i in seen and program.op[i] in SHOWING:
            for x in program.args[i]:
                for r in rows_of(x):
                    if _is_whole(program, x):
                        seen.add(r)
                        shown.add(r)
    return rows - shown


def _is_whole(program: Program, x: Any) -> bool:
    """Whether an operand reads every element of its row."""
    if type(x) is not View:
        return type(x) is int
    moved = [n for n, s in zip(x.shape, x.strides, strict=True) if s]
    return 0 not in x.shape and math.prod(moved) == program.size(x.row)


def nan_check(
    exe: Any, leaving: Sequence[Any], checked: Sequence[int], text: Text
) -> Callable[[], bool]:
    """Write the function that tells whether a nan came out, or in where it could be hidden.

    Then an eager call may answer otherwise: its backward pass keeps a zero adjoint at zero,
    where 0·inf and 0·nan are nan.  Whatever turned out like this goes on as a nan to the
    results, or to what the updates at the end start from.  Only `where` hides a nan that came
    in.
    """
    text.names["isnan"] = math.isnan
    if isinstance(exe, StraightCode):
        for row in dict.fromkeys(leaving):
            x = f"{text.name(exe.results)}[{exe.slot[row]}]"
            whole = not exe.program.shape[row]
            text.lines.append(f"x = {x}" if whole else f"x = {x}.ravel()")
            text.lines.append(f"if {'x != x' if whole else 'isnan(x.dot(x))'}: return True")
    else:
        text.names["isfinite"] = math.isfinite
        for row in exe.squares:
            # |Σ a·b|² ≤ Σ a² · Σ b²: where these are finite, nothing can have gone wrong
            flat = exe.array(row).reshape(-1)
            sums = text.name(exe.sums)
            fine = " and ".join(f"isfinite({sums}[{k}])" for k in exe.squares[row])
            question = f"isnan({text.name(flat.dot)}({text.name(flat)}))"
            text.lines.append(f"if not ({fine}) and {question}: return True")
        for flat in exe.side_by_side([row for row in checked if row not in exe.squares]):
            name = text.name(flat)
            question = f"isnan({text.name(flat.dot)}({name}))"
            if flat.size == 1:
                question = f"isnan({name}.item())"
            text.lines.append(f"if {question}: return True")
    text.lines.append("return False")
    check: Callable[[], bool] = text.function("unknown", "")
    return check
