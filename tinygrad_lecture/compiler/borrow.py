"""Part of `execute`: a large argument is read where it lies, instead of being copied first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .memory import array_of
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
    """What the text of a program calls an argument and its views.

    Parameters
    ----------
    names : dict of str to object
        What the text refers to.
    shape, dtype
        Of the argument, as the program reads it.
    """

    def __init__(self, names: dict[str, Any], shape: tuple[int, ...], dtype: Any) -> None:
        self.names, self.shape, self.dtype = names, shape, dtype
        self.strides = strides_of(shape)
        self.views: dict[str, View] = {}
        self.own: Any = None

    def bind(self, array: Any, lent: Any) -> None:
        """Name an argument, or a copy if it lies otherwise or where the program writes."""
        if not self._suits(array, lent):
            if self.own is None:
                self.own = np.empty(self.shape, self.dtype)
            self.own[...] = array
            array = self.own
        for name, (_, offset, shape, strides) in self.views.items():
            if shape == self.shape and strides == self.strides:
                self.names[name] = array
            elif shape == self.shape[::-1] and strides == self.strides[::-1]:
                self.names[name] = array.T  # made in a tenth of the time
            else:
                self.names[name] = array_of(array, offset, shape, strides)

    def _suits(self, array: Any, lent: Any) -> bool:
        if type(array) is not np.ndarray or array.dtype != self.dtype:
            return False
        flags = array.flags
        if not flags.c_contiguous or not flags.aligned:
            return False
        owner = array
        while type(owner.base) is np.ndarray:
            owner = owner.base
        if owner.base is None:
            return owner is not lent
        return lent is None or not np.may_share_memory(array, lent)

    def release(self) -> None:
        """Forget the argument, which is the caller's."""
        for name in self.views:
            self.names[name] = None
