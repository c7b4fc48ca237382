"""What a function could change besides the leaves, buffers and optimizers that a recording sees.

Python code can append a loss to a list or count its calls.  A program would not do that again, so
it is found while recording, and refused: containers, arrays, random generators and plain objects
that the function reaches (by its closure, its globals, its ``self``, its arguments) are compared
before and after.
"""

from __future__ import annotations

import array
import collections
import random
import threading
import types
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..engine.recording import Recorder, RecordingError
from ..engine.sweep import PACKAGE
from ..engine.value import Value

__all__ = ["Surroundings"]

PLAIN = (bool, int, float, str, bytes, type(None), np.generic)
MOST = 2000
"""So many objects are looked at; a data set in a list of lists is not gone through to its end."""


class Surroundings:
    """The mutable objects around a function, and what they held before it was recorded."""

    def __init__(self, function: Callable[..., Any], arguments: Any) -> None:
        self.before: dict[int, tuple[str, Any, Any]] = {}
        self.cells: list[tuple[str, Any, Any]] = []
        self.globals: list[tuple[str, dict[str, Any], Any]] = []
        self.chance = _chance()
        stack = list(self._reached(function))
        stack.append(("arguments", arguments))
        seen: set[int] = set()
        while stack and len(seen) < MOST:
            name, x = stack.pop()
            if id(x) in seen or isinstance(x, (*PLAIN, Value, types.ModuleType, type)):
                continue
            seen.add(id(x))
            if type(x).__module__.startswith(__package__):
                x = getattr(x, "function", None)  # of a compiled function; the rest is our own
            if isinstance(x, types.CellType):
                self.cells.append((name, x, _content(x)))
                stack.append((name, _content(x)))
            elif isinstance(x, (types.FunctionType, types.MethodType)):
                stack += list(self._reached(x))
            else:
                held = _snapshot(x)
                if held is None:
                    if isinstance(x, tuple):
                        stack += [(name, item) for item in x]
                    continue
                self.before[id(x)] = name, x, held
                if not isinstance(held, (dict, list)):
                    continue
                items = held.items() if isinstance(held, dict) else enumerate(held)
                stack += [(f"{name}[{k!r}]" if isinstance(x, dict) else _member(name, k, x), item)
                          for k, item in list(items)[:MOST]]  # fmt: skip

    def _reached(self, function: Any) -> Iterator[tuple[str, Any]]:
        """Yield what a function can reach, with the names by which it does."""
        if isinstance(function, types.MethodType):
            yield "self", function.__self__
            function = function.__func__
        code = getattr(function, "__code__", None)
        if code is None:
            inner = getattr(function, "__wrapped__", None)
            if inner is not None:
                yield from self._reached(inner)
            return
        cells = zip(code.co_freevars, function.__closure__ or (), strict=False)
        if code.co_filename.startswith((PACKAGE, "<op ")):  # what we keep for ourselves
            inner = ((name, _content(cell)) for name, cell in cells)
            yield from ((name, x) for name, x in inner if callable(x))
            return
        yield from cells
        for name in code.co_names:
            if name in function.__globals__:
                self.globals.append((name, function.__globals__, function.__globals__[name]))
                yield name, function.__globals__[name]

    def check(self, recorder: Recorder) -> None:
        """Raise if something was changed that a program would not change again.

        Raises
        ------
        RecordingError
            Naming what was changed.
        """
        handled = recorder.handled()
        (python, numpy), (old_python, old_numpy) = _chance(), self.chance
        if numpy != old_numpy or (python != old_python and self._may_draw()):
            self._refuse_chance("Python's or NumPy's global random state")
        for name, cell, content in self.cells:
            if not _is(_content(cell), content):
                self._refuse(name)
        for name, names, content in self.globals:
            if not _is(names.get(name), content):
                self._refuse(f"the global {name}")
        for name, x, held in self.before.values():
            if id(x) in handled or (hasattr(x, "__dict__") and id(vars(x)) in handled):
                continue
            if not _same(held, _snapshot(x)):
                if isinstance(x, np.random.Generator):
                    self._refuse_chance(name)
                self._refuse(name)

    def _may_draw(self) -> bool:
        """Whether it can have been the function that drew from Python's random state.

        Other threads may draw as well (Dask's workers do): then the function has to name it.
        """
        owner = getattr(random.random, "__self__", None)
        known = [x for _, _, x in (*self.globals, *self.cells)]
        named = (x is random or getattr(x, "__self__", None) is owner for x in known)
        return threading.active_count() == 1 or any(named)

    def _refuse_chance(self, name: str) -> None:
        raise RecordingError(
            f"the function draws from {name}, and its program would use the same numbers again and "
            "again: use tg.nn.functional.dropout, which draws afresh, or draw outside and pass the "
            "numbers as an argument"
        )

    def _refuse(self, name: str) -> None:
        raise RecordingError(
            f"the function changes {name}, which its program would not do again: return the "
            "value and keep it outside, e.g. losses.append(step(x, y).item())"
        )


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _chance() -> Any:
    """Return the global random states."""
    legacy: Any = np.random.get_state()  # noqa: NPY002 - to notice that somebody uses it
    return random.getstate(), (legacy[1].tobytes(), legacy[2])


def _snapshot(x: Any) -> Any:
    """Return what tells that a mutable object was changed: a shallow copy, a checksum, a state."""
    if isinstance(x, (list, set, collections.deque)):
        return list(x)
    if isinstance(x, (bytearray, array.array)):
        return bytes(x)
    if isinstance(x, np.ndarray):
        whole = x.size <= 1_000_000 and x.dtype.kind in "fiubc"
        return zlib.crc32(np.ascontiguousarray(x).data.cast("B")) if whole and x.size else None
    if isinstance(x, np.random.Generator):
        return repr(x.bit_generator.state)
    if isinstance(x, dict):
        return dict(x)
    module = type(x).__module__ or ""
    if hasattr(x, "__dict__") and not module.startswith(("numpy", "builtins")):
        return dict(vars(x))
    return None


def _member(name: str, k: Any, x: Any) -> str:
    return f"{name}.{k}" if isinstance(k, str) else f"{name}[{k}]"


def _same(a: Any, b: Any) -> bool:
    """Compare snapshots by identity: == of arrays and Values is something else."""
    if type(a) is not type(b):
        return False
    if not isinstance(a, (dict, list)):
        return bool(a == b)
    if len(a) != len(b):
        return False
    if isinstance(a, dict):
        return all(k in b and _is(v, b[k]) for k, v in a.items())
    return all(map(_is, a, b))


def _is(x: Any, y: Any) -> bool:
    return x is y or (isinstance(x, PLAIN) and type(x) is type(y) and bool(x == y))
