"""Part of `execute`: a large argument is read where it lies, instead of being copied first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .program import Program, View, rows_of, strides_of

__all__ = ["Borrowed", "borrowable"]

LARGE = 16_384
"""Elements from which on it takes longer to copy an argument than to name its views anew."""


def borrowable(program: Program, kept: Iterable[int] = ()) -> list[int]:
    """Return the rows of large arguments that nobody looks at but the text of `run`.

    Parameters
    ----------
    program : Program
        Planned.
    kept : iterable of int
        Rows that are read elsewhere.
    """
    late = program.late if program.late >= 0 else len(program)
    others = {r for x in program.outputs for r in rows_of(x)} | set(kept)
    for i, args in enumerate(program.args):
        if i >= late or program.op[i] in ("pick", "label_index"):
            others |= {r for x in args for r in rows_of(x)}
    return [
        i
        for i, name in enumerate(program.op)
        if name == "input"
        and program.params[i]["cell"].kind == "argument"
        and program.size(i) >= LARGE
        and program.place[i].memory == f"row{i}"
        and i not in others
    ]


class Borrowed:
    """An argument that the text of a program reads where it lies.

    Parameters
    ----------
    position : int
        Of the argument.
    shape, dtype
        As the program reads it.
    lent : ndarray or None
        Memory that the program writes to while it reads the argument.

    Attributes
    ----------
    views : dict of View to str
        What the text reads of it, and the names of these.
    """

    def __init__(self, position: int, shape: tuple[int, ...], dtype: Any, lent: Any) -> None:
        self.position, self.shape, self.dtype, self.lent = position, shape, dtype, lent
        self.strides = strides_of(shape)
        self.views: dict[View, str] = {}
        self.own: Any = None

    def read(self, array: Any) -> Any:
        """Return the argument, or a copy if it lies otherwise or in that memory."""
        if self._suits(array):
            return array
        if self.own is None:
            self.own = np.empty(self.shape, self.dtype)
        self.own[...] = array
        return self.own

    def name(self, view: View) -> str:
        """Return the name of a view."""
        return self.views.setdefault(view, f"x{view.row}_{len(self.views)}")

    def view_of(self, argument: str, view: View, array_of: str) -> str:
        """Return the expression of a view; the general one takes ten times as long."""
        offset, shape, strides = int(view.offset), *(tuple(map(int, x)) for x in view[2:])
        if shape == self.shape and strides == self.strides:
            return argument
        if shape == self.shape[::-1] and strides == self.strides[::-1]:
            return f"{argument}.T"
        if strides == (1,) and shape == (math.prod(self.shape),):
            return f"{argument}.reshape(-1)"
        return f"{array_of}({argument}, {offset}, {shape}, {strides})"

    def _suits(self, array: Any) -> bool:
        if type(array) is not np.ndarray or array.dtype != self.dtype:
            return False
        flags = array.flags
        if not flags.c_contiguous or not flags.aligned:
            return False
        owner = array
        while type(owner.base) is np.ndarray:
            owner = owner.base
        if owner.base is None:
            return owner is not self.lent
        return self.lent is None or not np.may_share_memory(array, self.lent)
