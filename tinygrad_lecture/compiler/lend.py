"""Memory of a program that objects outside hold between its runs, and who else looks at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import gt
from sys import getrefcount
from typing import Any

import numpy as np

from ..engine.recording import Cell
from .text import Text

__all__ = ["Lent", "is_like"]


def is_like(x: Any, known: Any) -> bool:
    """Whether something is an array of the dtype and shape that a program was made for."""
    return isinstance(x, np.ndarray) and x.dtype == known.dtype and x.shape == known.shape


class Lent:
    """Arrays in a program's memory that places outside hold between its runs.

    What a call changes (parameters, moments of an optimizer) is updated in place: the object that
    the user sees holds the very memory that the program works on.  Nobody else may look at it
    while the program runs, so before each run the references to it are counted; a reference
    that somebody else keeps must not pass for the object's own, whether that holds it or not.

    Where every place still holds what was lent to it, nothing has to be read or written there.

    Parameters
    ----------
    pairs : sequence of (Cell, ndarray)
        Places, and what they are given: views, which the engine may mark read-only.
    memories : dict of Cell to ndarray
        Where the program reads what a place holds, if it does.
    reached : dict
        Ways to the owners; see `Text`.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Cell, Any]],
        memories: dict[Cell, Any],
        reached: dict[int, Any],
    ) -> None:
        self.cells = [cell for cell, _ in pairs]
        self.arrays = [array for _, array in pairs]
        self.memories = [memories.get(cell) for cell in self.cells]
        bases = {id(array.base): array.base for array in self.arrays}
        self._watched = [*self.arrays, *bases.values()]
        self._most: list[int] = []
        text = Text(reached, once=True)
        for cell, array in pairs:
            text.lines.append(f"{text.read(cell)} = {text.name(array)}")
        self._hand_out: Callable[[Any], None] = text.function("hand_out", "flat")

    def suits(self, held: Sequence[Any]) -> bool:
        """Whether the program can read what the places hold now."""
        read = zip(held, self.memories, strict=True)
        return all(memory is None or is_like(x, memory) for x, memory in read)

    def is_shared(self, held: Sequence[Any] | None) -> bool:
        """Whether somebody else refers to the memory.

        Parameters
        ----------
        held : sequence or None
            What the places hold now; None if that is what was lent to them.
        """
        counts = list(map(getrefcount, self._watched))
        if held is not None:  # which is one more reference, where the place itself may have none
            for k, array in enumerate(self.arrays):
                counts[k] += -1 if held[k] is array else 1
        return any(map(gt, counts, self._most))

    def take_in(self, held: Sequence[Any]) -> None:
        """Copy into the memory what the places hold instead of it."""
        for x, array, memory in zip(held, self.arrays, self.memories, strict=True):
            if memory is not None and x is not array:
                memory[...] = x

    def hand_out(self, flat: Any) -> None:
        """Let the places hold the memory; right after it, nobody else does."""
        self._hand_out(flat)
        if not self._most:
            self._most = list(map(getrefcount, self._watched))
