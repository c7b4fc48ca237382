"""`Program`: what all passes of the compiler work on, and the verifier that runs between them.

A program is a list of instructions, kept as columns, since a recorded one has one row per scalar
op and easily hundreds of thousands of them.  Row i computes one number or array, once, from
operands that are defined before it:

- an int i: the whole result of row i;
- a `View` of a result: offset, shape and strides, counted in elements; costs nothing to read;
- a `Gather`: elements of several results, picked one by one;
- anything else is a constant: a float or an array.

Recorded programs have ints alone.  `lift` makes array rows, with views and gathers, out of the
scalar ones; `plan` gives every result a place in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Gather", "Operands", "Place", "Program", "ProgramError", "Slot", "View", "strides_of",
    "verify",
]  # fmt: skip

Shape = tuple[int, ...]
Ints = NDArray[np.int64]
FLOAT = np.dtype(np.float64)


class View(NamedTuple):
    """Elements of the result of a row, at offset + Σ index · stride; strides count elements."""

    row: int
    offset: int
    shape: Shape
    strides: Shape


@dataclass(frozen=True, slots=True, eq=False)
class Gather:
    """Elements of several results, of the shape of the two arrays."""

    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @property
    def shape(self) -> Shape:
        """Shape of what is gathered."""
        return self.rows.shape


class Slot(NamedTuple):
    """Stands in the parameters of a row for its operand at this position."""

    position: int


class Place(NamedTuple):
    """Where a result lies: in which memory, from which element on."""

    memory: str
    offset: int


class ProgramError(AssertionError):
    """A pass made a program that does not hold together: a fault of the compiler."""


class Operands(Sequence[tuple[int, ...]]):
    """The operands of many rows, as a column that NumPy can go through at once.

    Attributes
    ----------
    first, second : ndarray of int
        -1 where there is none.
    more : dict of int to tuple
        All operands of the rows that have more than two.
    """

    def __init__(self, first: Ints, second: Ints, more: dict[int, tuple[int, ...]]) -> None:
        self.first, self.second, self.more = first, second, more

    @classmethod
    def of(cls, args: Sequence[tuple[int, ...]]) -> Operands:
        """Return the operands of a program, which may be of this kind already."""
        if isinstance(args, Operands):
            return args
        operands = cls(np.full(len(args), -1), np.full(len(args), -1), {})
        for i, ids in enumerate(args):
            if ids:
                operands[i] = ids
        return operands

    def moved(self, rows: Ints, where: Ints) -> Operands:
        """Return the operands of the rows that stay; row i is now ``where[i]``, -1 stays -1."""
        more = {
            int(where[i]): tuple(where[list(ids)].tolist())
            for i, ids in self.more.items()
            if where[i] >= 0
        }
        return Operands(where[self.first[rows]], where[self.second[rows]], more)

    def uses(self, outputs: Sequence[int]) -> Ints:
        """Return how often each row is read; being an output counts twice."""
        rest = [*(i for ids in self.more.values() for i in ids[2:]), *outputs, *outputs]
        read = np.concatenate([self.first, self.second, np.array(rest, np.int64)])
        return np.bincount(read + 1, minlength=len(self) + 1)[1:]

    def __len__(self) -> int:
        return len(self.first)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        for i, (a, b) in enumerate(zip(self.first.tolist(), self.second.tolist(), strict=True)):
            yield (a, b) if b >= 0 and i not in self.more else self._rare(i, a)

    def __getitem__(self, i: Any) -> Any:
        a, b = int(self.first[i]), int(self.second[i])
        return (a, b) if b >= 0 and i not in self.more else self._rare(i, a)

    def __setitem__(self, i: int, ids: tuple[int, ...]) -> None:
        self.first[i], self.second[i] = (*ids, -1, -1)[:2]
        if len(ids) > 2:
            self.more[i] = ids

    def _rare(self, i: int, a: int) -> tuple[int, ...]:
        return self.more.get(i) or ((a,) if a >= 0 else ())


@dataclass
class Program:
    """Columns of instructions, and which results leave the program.

    Attributes
    ----------
    op : list of str
        "input" (its parameter ``cell`` says where from), "draw", "const", or a name of an op.
    args : list of tuple, or Operands
        Operands (see the module) of each row.
    params : list of dict
    shape, dtype : list
        Of each result.
    count : list of int
        How many recorded scalar ops a row stands for.
    note : list of str
        What a row was made from, for `explain`.
    outputs : list of operands
        Results that leave the program.
    place : list of Place
        Where each result lies; empty before `plan`.
    late : int
        From this row on, memory that others see is changed; nothing may fail any more.
    """

    op: list[str] = field(default_factory=list)
    args: Any = field(default_factory=list)
    params: list[dict[str, Any]] = field(default_factory=list)
    shape: list[Shape] = field(default_factory=list)
    dtype: list[np.dtype[Any]] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    note: list[str] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    place: list[Place] = field(default_factory=list)
    late: int = -1

    def __len__(self) -> int:
        return len(self.op)

    def add(
        self,
        op: str,
        args: tuple[Any, ...] = (),
        params: dict[str, Any] | None = None,
        shape: Shape = (),
        dtype: np.dtype[Any] = FLOAT,
        count: int = 1,
        note: str = "",
    ) -> int:
        """Append a row, and return its number."""
        self.op.append(op)
        self.args.append(args)
        self.params.append(_NONE if params is None else params)
        self.shape.append(shape)
        self.dtype.append(dtype)
        self.count.append(count)
        self.note.append(note)
        return len(self.op) - 1

    def copy_row(self, other: Program, i: int, args: tuple[Any, ...]) -> int:
        """Append row `i` of another program with other operands."""
        return self.add(
            other.op[i], args, other.params[i], other.shape[i], other.dtype[i], other.count[i],
            other.note[i],
        )  # fmt: skip

    def only(self, rows: list[int], args: Sequence[tuple[Any, ...]]) -> Program:
        """Return a program of some of the rows, with new operands."""
        pick = itemgetter(*rows) if len(rows) > 1 else lambda column: [column[i] for i in rows]
        return Program(
            list(pick(self.op)),
            args,
            list(pick(self.params)),
            list(pick(self.shape)),
            list(pick(self.dtype)),
            list(pick(self.count)),
            list(pick(self.note)),
        )

    def codes(self, names: Iterable[str] = ()) -> tuple[dict[str, int], Ints]:
        """Return a number for each name of an op, those of `names` first, and each row's."""
        numbers = {name: k for k, name in enumerate(dict.fromkeys([*names, *self.op]))}
        return numbers, np.fromiter(map(numbers.__getitem__, self.op), np.int64, len(self))

    def size(self, i: int) -> int:
        """Return the number of elements of a result."""
        return math.prod(self.shape[i])


_NONE: dict[str, Any] = {}


def whole(program: Program, row: int) -> View:
    """Return the view of all of a result."""
    shape = program.shape[row]
    return View(row, 0, shape, strides_of(shape))


def strides_of(shape: Shape) -> Shape:
    """Return the strides, in elements, of a contiguous array."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def rows_of(operand: Any) -> Iterator[int]:
    """Yield the rows that an operand reads."""
    if type(operand) is int:
        yield operand
    elif type(operand) is View:
        yield operand.row
    elif type(operand) is Gather:
        yield from np.unique(operand.rows).tolist()


def verify(program: Program) -> Program:
    """Check that a program holds together, and return it.

    Raises
    ------
    ProgramError
        If a column is short, an operand is not defined before its use or reaches outside of its
        row, or an output does not exist.
    """
    n = len(program)
    for name in ("args", "params", "shape", "dtype", "count", "note"):
        if len(getattr(program, name)) != n:
            raise ProgramError(f"column {name} has {len(getattr(program, name))} rows, not {n}")
    for i in range(n):
        for operand in program.args[i]:
            for row in rows_of(operand):
                if not 0 <= row < i:
                    raise ProgramError(f"row {i} ({program.op[i]}) reads row {row}")
            if type(operand) is View:
                ends = [
                    (k - 1) * s for k, s in zip(operand.shape, operand.strides, strict=True) if k
                ]
                low = operand.offset + sum(e for e in ends if e < 0)
                high = operand.offset + sum(e for e in ends if e > 0)
                if math.prod(operand.shape) and not 0 <= low <= high < program.size(operand.row):
                    raise ProgramError(f"row {i}: {operand} reaches outside of its row")
            elif type(operand) is Gather:
                sizes = np.array([program.size(r) for r in range(i)])
                if (
                    operand.rows.size
                    and ((operand.offsets < 0) | (operand.offsets >= sizes[operand.rows])).any()
                ):
                    raise ProgramError(f"row {i} gathers outside of a row")
    for operand in program.outputs:
        for row in rows_of(operand):
            if not 0 <= row < n:
                raise ProgramError(f"output {operand} is no row")
    return program
