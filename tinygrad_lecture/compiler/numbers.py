"""Part of `execute`: a few numbers are computed by Python, which takes a tenth of NumPy's time.

The settings of an optimizer are such: rates, powers of betas, the number of the step.  A row of a
few of them is unrolled into one statement for each; what arrays read of them is put into memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .program import FLOAT, Gather, Program, View, whole

if TYPE_CHECKING:
    from .execute import Executable

__all__ = ["Numbers"]

FEW = 8
"""Longer rows stay with NumPy."""

TEXTS = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "negative": "-{0}",
    "square": "{0} * {0}", "divide": "quotient({0}, {1})", "power": "power_of({0}, {1})",
    "sqrt": "root({0})", "take": "{0}",
}  # fmt: skip
"""Ops on Python's numbers: where those raise, as NumPy."""


def _quotient(x: float, y: float) -> float:
    return x / y if y else float(np.divide(x, y))


def _power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except (ValueError, OverflowError):
        return float(np.power(x, y))


def _root(x: float) -> float:
    return math.sqrt(x) if x >= 0.0 else float(np.sqrt(x))


class Numbers:
    """The rows of a program that Python computes.

    Parameters
    ----------
    program : Program
        Planned.
    taken : iterable of int
        Rows that are run in another way.

    Attributes
    ----------
    rows : set of int
        They, and casts of one of their elements.
    """

    def __init__(self, program: Program, taken: Iterable[int] = ()) -> None:
        self.program = program
        self.rows: set[int] = set()
        self.sources = {
            i for i, op in enumerate(program.op) if op == "inputs" and program.size(i) <= FEW
        }
        self._used: set[int] = set()
        late = program.late if program.late >= 0 else len(program)
        for i in sorted({*range(late)} - {*taken}):
            if self._suits(i):
                self.rows.add(i)
        self._stored = self._read_by_arrays()

    def _suits(self, i: int) -> bool:
        program, shape = self.program, self.program.shape[i]
        if program.params[i] or not program.args[i]:
            return False
        if program.op[i] == "cast":
            to_float = shape == () and program.dtype[i].kind == "f"
            return to_float and self._elements(program.args[i][0], ()) is not None
        if program.op[i] not in TEXTS or program.dtype[i] != FLOAT:
            return False
        if len(shape) > 1 or not 0 < program.size(i) <= FEW:
            return False
        return all(self._elements(x, shape) is not None for x in program.args[i])

    def _elements(self, x: Any, shape: tuple[int, ...]) -> list[Any] | None:
        """Return the floats and (row, position) of an operand; None if it is not ours."""
        count = math.prod(shape)
        if type(x) is float:
            return [x] * count
        if type(x) is np.ndarray:
            return [float(v) for v in np.broadcast_to(x, shape).ravel()]
        if type(x) is Gather:
            found = _positions(x)
        else:
            view = whole(self.program, x) if type(x) is int else x
            if view.shape not in ((), (1,), shape):
                return None
            found = _positions(view)
            found = found if len(found) == count else found * count
        ours = all(row in self.sources or self._is_number(row) for row, _ in found)
        return found if ours and len(found) == count else None

    def _is_number(self, row: int) -> bool:
        return row in self.rows and self.program.op[row] != "cast"

    def _read_by_arrays(self) -> set[tuple[int, int]]:
        """Return the elements that have to lie in memory."""
        program = self.program
        if not self.rows:
            return set()
        others = [i for i in range(len(program)) if i not in self.rows]
        read = [x for i in others for x in program.args[i]] + list(program.outputs)
        ours = np.array(sorted(self.rows))
        found: set[tuple[int, int]] = set()
        for x in read:
            view = whole(program, x) if type(x) is int else x
            if type(view) is Gather and np.isin(view.rows, ours).any():
                found |= {(row, k) for row, k in _positions(view) if row in self.rows}
            elif type(view) is View and view.row in self.rows:
                found |= set(_positions(view))
        return found

    # ------------------------------------------------------------------------------- text

    def number(self, operand: Any) -> str | None:
        """Return the text of an operand that is one number of these; None if it is not."""
        found = self._elements(operand, ())
        return None if found is None else self._text(found[0])

    def _text(self, element: Any) -> str:
        if type(element) is float:
            return repr(element) if math.isfinite(element) else f"float('{element}')"
        row, k = element
        if row in self.sources:
            self._used.add(row)
            return f"i{row}[{k}]"
        return f"n{row}_{k}"

    def head(self, exe: Executable) -> list[str]:
        """Return the lines that read the inputs, once all others are written."""
        used = sorted(self._used)
        return [f"i{i} = {exe.name(exe.array(i).tolist, 'tolist')}()" for i in used]

    def lines(self, exe: Executable, i: int) -> list[str]:
        """Return the statements of a row."""
        program, shape = self.program, self.program.shape[i]
        exe.names.update(quotient=_quotient, power_of=_power, root=_root)
        columns = [self._elements(x, shape) or [] for x in program.args[i]]
        out = exe.operand(i)
        if program.op[i] == "cast":
            return [f"{out}[()] = {self._text(columns[0][0])}"]
        lines = []
        for k, elements in enumerate(zip(*columns, strict=True)):
            name = f"n{i}_{k}"
            lines.append(f"{name} = {TEXTS[program.op[i]].format(*map(self._text, elements))}")
            if (i, k) in self._stored:
                lines.append(f"{out}[{k if shape else '()'}] = {name}")
        return lines


def _positions(x: Any) -> list[tuple[int, int]]:
    """Return (row, position) of all elements of a View or Gather."""
    if type(x) is Gather:
        return list(zip(x.rows.ravel().tolist(), x.offsets.ravel().tolist(), strict=True))
    at = np.full(x.shape, x.offset)
    for axis, (n, step) in enumerate(zip(x.shape, x.strides, strict=True)):
        at += (np.arange(n) * step).reshape([-1 if a == axis else 1 for a in range(at.ndim)])
    return [(x.row, k) for k in at.ravel().tolist()]
