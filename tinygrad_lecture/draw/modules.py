"""Calls of modules on a tape: which entry belongs to which call, and what a call is named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..engine import Value
from ..engine.parts import Part
from .graph import Group

__all__ = ["Modules"]

_NUMBER = re.compile(r"\d+")


class Modules:
    """The calls of modules behind a tape.

    An entry belongs to the innermost call that made it.  A parameter was made before; it belongs
    to the first call of the module that holds it.

    Parameters
    ----------
    parts : sequence of Part
        In the order of their starts.
    values : sequence of Value
        Of the tape, in its order.
    """

    def __init__(self, parts: Sequence[Part], values: Sequence[Value]) -> None:
        self.calls = list(parts)
        self._chains: list[tuple[int, ...]] = []
        for k, part in enumerate(parts):
            self._chains.append((*(self._chains[part.parent] if part.parent >= 0 else ()), k))
        self.deepest = max(map(len, self._chains), default=0) - 1
        self._names = [self._name(k) for k in range(len(parts))]
        owner = {
            id(leaf): k
            for k in reversed(range(len(parts)))
            for _, leaf in _held(parts[k].thing)
            if isinstance(leaf, Value)
        }
        self._innermost: list[int] = []
        open: list[int] = []
        k = 0
        for v in values:
            while k < len(parts) and parts[k].start < v._n:
                open.append(k)
                k += 1
            while open and parts[open[-1]].stop < v._n:
                open.pop()
            inside = open[-1] if open else -1
            self._innermost.append(owner.get(id(v), -1) if v._op is None else inside)

    def innermost(self, i: int) -> int:
        """Return the call that entry i belongs to; -1 if there is none."""
        return self._innermost[i]

    def at_depth(self, i: int, depth: int | None) -> int:
        """Return the call at this depth that entry i lies in: 0 is the outermost; -1 for none."""
        return -1 if depth is None else self._up(self._innermost[i], depth)

    def call_at(self, i: int, call: int) -> int:
        """Return the call that entry i lies in, as deep as another one."""
        return self._up(self._innermost[i], len(self._chains[call]) - 1)

    def _up(self, call: int, depth: int) -> int:
        if call < 0:
            return -1
        chain = self._chains[call]
        return chain[depth] if depth < len(chain) else -1

    def kind(self, call: int) -> str:
        """Return the class of what was called."""
        return type(self.calls[call].thing).__name__

    def title(self, call: int, times: int = 1) -> str:
        """Return name and class; of several alike, the class alone."""
        name = self._names[call]
        return self.kind(call) if times > 1 or not name else f"{name}: {self.kind(call)}"

    def pattern(self, call: int) -> tuple[tuple[str, str], ...]:
        """Return names and classes from the outermost call to this one, without numbers.

        Calls of one pattern may be alike: items of one list, or one model for many samples.
        """
        return tuple((_NUMBER.sub("", self._names[k]), self.kind(k)) for k in self._chains[call])

    def _name(self, call: int) -> str:
        """Return the attribute, or the place in a list, under which the caller holds it."""
        part = self.calls[call]
        if part.parent < 0:
            return ""
        held = _held(self.calls[part.parent].thing)
        return next((name for name, item in held if item is part.thing), "")

    def frame(self, call: int, frames: dict[int, None]) -> str:
        """Return the id of the group of a call, and note that it, and all around it, are drawn."""
        if call < 0:
            return ""
        for k in self._chains[call]:
            frames[k] = None
        return f"g{call}"

    def groups(self, frames: dict[int, None]) -> tuple[Group, ...]:
        """Return the groups that were noted, outer ones first."""
        return tuple(
            Group(f"g{k}", self.title(k), f"g{p}" if (p := self.calls[k].parent) >= 0 else "")
            for k in sorted(frames)
        )


def _held(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of a module with their names, and the items of its lists."""
    for name, item in vars(thing).items():
        if isinstance(item, (list, tuple)):
            for k, one in enumerate(item):
                yield f"{name}[{k}]", one
        else:
            yield name, item
