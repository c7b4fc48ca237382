"""Long arrays, block by block: a block of all that an update needs stays in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .blas import ADDRESS, SIZE, axpby
from .pack import ELEMENTWISE
from .program import Program, View, rows_of
from .ufuncs import UFUNCS

if TYPE_CHECKING:
    from .execute import Executable

__all__ = ["BLOCK", "BLOCKWISE", "block_lines", "elementwise_runs"]


BLOCK = 32_768
"""Long elementwise chains are run in blocks of so many elements, which stay in the cache."""


ONE = SIZE(1)

BLOCKWISE = ELEMENTWISE - {"cast"}
"""Ops that are run in blocks, whose results share memory: all of one dtype."""


def _is_number(program: Program, x: Any) -> bool:
    return (program.shape[x] if type(x) is int else getattr(x, "shape", ())) == ()


def elementwise_runs(program: Program) -> list[list[int]]:
    """Return runs of rows that are elementwise on the same long arrays: they are run in blocks."""
    runs: list[list[int]] = []
    run: list[int] = []

    def fits(i: int) -> bool:
        shape = program.shape[i]
        if program.op[i] not in BLOCKWISE or len(shape) != 1 or shape[0] < 2 * BLOCK:
            return False
        if run and (shape, program.dtype[i]) != (program.shape[run[0]], program.dtype[run[0]]):
            return False
        for x in program.args[i]:
            if type(x) is int and program.shape[x] not in (shape, ()):
                return False
            if (type(x) is View and x.shape != ()) or isinstance(x, np.ndarray):
                return False
            if _is_number(program, x) and any(
                r in run or (program.op[r] == "input" and program.shape[r]) for r in rows_of(x)
            ):
                return False  # one of these blocks may be where it lies
        return True

    for i in range(max(program.late, 0), len(program)):
        if fits(i):
            run.append(i)
            continue
        if len(run) > 1:
            runs.append(run)
        run = []
        if fits(i):
            run = [i]
    if len(run) > 1:
        runs.append(run)
    return runs


class Combination(NamedTuple):
    """A row of a·x ± b·y that takes the place of y, where nobody needs the products else.

    Attributes
    ----------
    products : tuple of int
        The rows of a·x and b·y, but for factors of 1.
    a, b : operand
        Numbers.
    x, y : int
        Rows.
    sign : str
        "-" if a·x is subtracted.
    """

    products: tuple[int, ...]
    a: Any
    x: int
    b: Any
    y: int
    sign: str


def combinations(program: Program, run: list[int]) -> dict[int, Combination]:
    """Return the rows of a run that are linear combinations in the place of an operand."""
    readers: dict[int, list[int]] = {}
    for i, args in enumerate(program.args):
        for x in args:
            for r in rows_of(x):
                readers.setdefault(r, []).append(i)
    leaving = {r for x in program.outputs for r in rows_of(x)}

    def product(row: Any, reader: int) -> tuple[Any, int] | None:
        """Return (number, row) if a row is their product, and its place is as it was until then."""
        if row not in run or program.op[row] != "multiply" or row in leaving:
            return None
        number, x = sorted(program.args[row], key=lambda a: not _is_number(program, a))
        if readers[row] != [reader] or not _is_number(program, number) or _is_number(program, x):
            return None
        between = run[run.index(row) + 1 : run.index(reader)]
        stays = all(program.place[k] != program.place[x] for k in between)
        return (number, x) if stays else None

    found: dict[int, Combination] = {}
    for i in run:
        if program.op[i] not in ("add", "subtract"):
            continue
        sign = "-" if program.op[i] == "subtract" else ""
        for y, row in [program.args[i], *([program.args[i][::-1]] if not sign else [])]:
            if _is_number(program, y) or _is_number(program, row):
                continue
            a, x = product(row, i) or (1.0, row)
            b, old = product(y, i) or (1.0, y)
            if program.place[old] != program.place[i]:
                b, old = 1.0, y
            products = tuple(k for k, factor in ((row, x), (y, old)) if k != factor)
            lies = program.place[old] == program.place[i] != program.place[x]
            if products and lies:
                found[i] = Combination(products, a, x, b, old, sign)
                break
    return found


def block_lines(exe: Executable, run: list[int]) -> list[str]:
    """Return the lines that run long elementwise ops block by block."""
    program = exe.program
    n = program.shape[run[0]][0]
    starts = range(0, n, BLOCK)
    names: dict[Any, str] = {}
    values: list[list[Any]] = []

    def each(key: Any, name: str, ofblocks: list[Any]) -> str:
        """Return the name of what differs from block to block."""
        if key not in names:
            names[key] = name
            values.append(ofblocks)
        return names[key]

    def blocks(x: int) -> list[Any]:
        array = exe.array(x)
        small = len(array) <= BLOCK  # only one block of it is kept
        return [array[: min(BLOCK, n - k)] if small else array[k : k + BLOCK] for k in starts]

    def operand(x: Any, dtype: Any) -> str:
        if type(x) is int and program.shape[x] == (n,):
            return each(x, f"b{len(names)}", blocks(x))
        return exe.operand(x, dtype)

    def address(x: int) -> str:
        return each(("address", x), f"p{len(names)}", [ADDRESS(b.ctypes.data) for b in blocks(x)])

    def line(i: int) -> str:
        op, dtype = program.op[i], program.dtype[i]
        args = ", ".join(operand(x, dtype) for x in program.args[i])
        exe.names[op] = UFUNCS[op]
        keyword = "out=" if op in ("maximum", "minimum") else ""
        return f"{op}({args}, {keyword}{operand(i, dtype)})"

    add = axpby(program.dtype[run[0]])
    combined = {} if add is None else combinations(program, run)
    products = {row for one in combined.values() for row in one.products}
    before: list[str] = []
    body: list[str] = []

    def number(kind: Any, x: Any, sign: str = "") -> str:
        k = len(before) // 2
        before.append(f"factor{k} = {sign}{exe.operand(x, program.dtype[run[0]])}.item()")
        before.append(f"weight{k} = {exe.name(kind, 'number')}(factor{k})")
        return str(k)

    for i in run:
        if i in products:
            continue
        if add is None or i not in combined:
            body.append(line(i))
            continue
        one = combined[i]
        a, b = number(add.number, one.a, one.sign), number(add.number, one.b)
        size = each("size", "n", [SIZE(min(BLOCK, n - k)) for k in starts])
        step = exe.name(ONE, "one")
        x, y = address(one.x), address(one.y)
        body += [
            f"if factor{a} and factor{b}:",  # otherwise it would not see an inf or nan in x or y
            f"    {exe.name(add.call, 'axpby')}"
            f"({size}, weight{a}, {x}, {step}, weight{b}, {y}, {step})",
            "else:",
            *(f"    {line(row)}" for row in sorted({*one.products, i})),
        ]
    tuples = exe.name(list(zip(*values, strict=True))[::-1], "blocks")
    loop = f"for {', '.join(names.values())}, in {tuples}:"
    return [*before, loop, *(f"    {text}" for text in body)]
