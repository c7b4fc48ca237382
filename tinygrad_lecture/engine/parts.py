"""Which part of a model made which records: calls of modules, noted by running numbers.

Records are numbered as they are made, so whatever a call of a module makes lies between the number
at its start and the number at its end.  Nobody pays for that until somebody watches.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .value import next_number

__all__ = ["UNWATCHED", "WATCHING", "Part", "part", "watch_parts"]

WATCHING: list[object] = []
"""Holds a token per log that is kept in any thread."""

UNWATCHED = contextlib.nullcontext()
"""For ``with part(self) if WATCHING else UNWATCHED``."""


@dataclass(slots=True)
class Part:
    """One call of a part of a model.

    Attributes
    ----------
    thing : object
        What was called.
    start, stop : int
        Records made inside have numbers between these two.
    parent : int
        Position in the log of the call around it; -1 at the top.
    """

    thing: Any
    start: int
    stop: int = -1
    parent: int = -1


@dataclass(slots=True)
class _Log:
    parts: list[Part] = field(default_factory=list)
    open: list[int] = field(default_factory=list)


_log: contextvars.ContextVar[_Log | None] = contextvars.ContextVar(
    "tinygrad_lecture_parts", default=None
)


@contextlib.contextmanager
def watch_parts() -> Iterator[list[Part]]:
    """Log the calls of modules inside the block, in this thread only.

    Yields
    ------
    list of Part
        In the order of their starts.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.engine.parts import watch_parts
    >>> net = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.Tanh())
    >>> with watch_parts() as parts:
    ...     _ = net([1.0, 2.0])
    >>> [(type(part.thing).__name__, part.parent) for part in parts]
    [('Sequential', -1), ('Linear', 0), ('Tanh', 0)]
    """
    log = _Log()
    token = _log.set(log)
    WATCHING.append(log)
    try:
        yield log.parts
    finally:
        WATCHING.remove(log)
        _log.reset(token)


@contextlib.contextmanager
def part(thing: Any) -> Iterator[None]:
    """Note that what is recorded inside the block is made by `thing`, if somebody watches."""
    log = _log.get()
    if log is None:  # another thread watches
        yield
        return
    log.open.append(len(log.parts))
    call = Part(thing, next_number(), parent=log.open[-2] if len(log.open) > 1 else -1)
    log.parts.append(call)
    try:
        yield
    finally:
        call.stop = next_number()
        log.open.pop()
