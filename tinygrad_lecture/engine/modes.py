"""Modes of the engine: ``no_grad``, ``debug``, and the watching of branches.

Recording a scalar takes under a microsecond, so the ordinary path may not look up a mode for
each op.  One list (`HOT["special"]`) holds a token per mode that is active in *any* thread;
while it is empty, ops take the fast path.  Otherwise they ask `current()`, which belongs to the
running thread (or asyncio task): a mode never leaks from one thread into another.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Site = tuple[str, int]

_active: list[object] = []

HOT: dict[str, Any] = {"special": _active}
"""Globals of the generated fast functions; ``special`` is true while a mode is active."""

TRACING: list[object] = []
"""Holds a token per recorder that is active in any thread.

A recorder of its own list, because ops stay on their fast path while a function is recorded:
the graph that they leave is the record.  Only what would get out of the graph asks for it.
"""


@dataclass(frozen=True, slots=True)
class Modes:
    """What is switched on in the running thread."""

    recording: bool = True
    debugging: bool = False
    watchers: tuple[list[tuple[str, bytes]], ...] = ()
    recorder: Any = None
    sites: dict[int, Site] = field(default_factory=dict)


_DEFAULT = Modes()
_current: contextvars.ContextVar[Modes] = contextvars.ContextVar("tinygrad_lecture_modes")
_nesting: contextvars.ContextVar[int] = contextvars.ContextVar("tinygrad_lecture_nesting")


def current() -> Modes:
    """Return the modes of the running thread."""
    return _current.get(_DEFAULT)


def debugging() -> bool:
    """Whether the running thread is inside of a `debug` block."""
    return bool(_active) and current().debugging


@contextlib.contextmanager
def _switched(modes: Modes) -> Iterator[None]:
    token = _current.set(modes)
    _active.append(token)  # append and remove are atomic, so threads need no lock
    try:
        yield
    finally:
        _active.remove(token)
        _current.reset(token)


def recorder() -> Any:
    """Return the recorder that is active in the running thread, or None."""
    return current().recorder if TRACING else None


@contextlib.contextmanager
def recorded_by(recorder: Any) -> Iterator[None]:
    """Let `recorder` see whatever would otherwise leave the graph inside the block."""
    modes = current()
    token = _current.set(replace(modes, recorder=recorder, recording=True))
    TRACING.append(token)
    try:
        yield
    finally:
        TRACING.remove(token)
        _current.reset(token)


def draw(rng: np.random.Generator | int | None, shape: tuple[int, ...]) -> Any:
    """Draw uniform numbers in [0, 1): the one way in which random ops take them.

    A compiled function draws afresh at each run: from the same generator, in the same order; from
    a seed, the same numbers each time.
    """
    import numpy as np  # by now it is loaded

    active = recorder()
    return np.random.default_rng(rng).random(shape) if active is None else active.draw(rng, shape)


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside the block, in this thread only; also usable as a decorator.

    Results are leaves without history; ``float(v)`` is allowed inside.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(3.0)
    >>> with tg.no_grad():
    ...     y = x * x
    >>> y.is_leaf
    True
    """
    with _switched(replace(current(), recording=False)):
        yield


@contextlib.contextmanager
def debug() -> Iterator[None]:
    """Raise at the first op whose result, or whose derivative, is not finite.

    Forward, the op is named as it runs, with its operands and the caller's file and line.
    Backward, the op that turned a finite adjoint into a non-finite one is named, with the file
    and line that recorded it and the named values between it and the output.

    Raises
    ------
    FloatingPointError
        At the first inf or nan.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> with tg.debug():  # doctest: +ELLIPSIS
    ...     tg.log(tg.Value(0.0))
    Traceback (most recent call last):
        ...
    FloatingPointError: log(0.) gave -inf at ...
    """
    with _switched(replace(current(), debugging=True, sites={})):
        yield


@contextlib.contextmanager
def watch_branches() -> Iterator[list[tuple[str, bytes]]]:
    r"""Log which way each comparison, ``bool()`` and kinked op went inside the block.

    Yields
    ------
    list of (str, bytes)
        One pair per decision: what decided, and its outcome.  Two runs with equal logs went
        through the same piece of the function, so that a derivative holds on both.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.engine.modes import watch_branches
    >>> with watch_branches() as log:
    ...     _ = tg.Value(2.0).relu()
    >>> log
    [('relu', b'\x01')]
    """
    log: list[tuple[str, bytes]] = []
    with _switched(replace(current(), watchers=(*current().watchers, log))):
        yield log


def differentiating() -> bool:
    """Whether a derivative is being taken around the running code."""
    return _nesting.get(0) > 0


@contextlib.contextmanager
def nested() -> Iterator[bool]:
    """Mark that a derivative is being taken; yield whether one already was, outside of it.

    Taking a derivative records, also inside of `no_grad`, which is about what is kept outside.
    """
    depth = _nesting.get(0)
    token = _nesting.set(depth + 1)
    modes = current()
    again = (
        contextlib.nullcontext() if modes.recording else _switched(replace(modes, recording=True))
    )
    try:
        with again:
            yield depth > 0
    finally:
        _nesting.reset(token)
