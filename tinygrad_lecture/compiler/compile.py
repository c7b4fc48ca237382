"""`compile`: a function that records on its first call, and runs its program afterwards."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import nest
from ..engine.guard import unguarded
from ..engine.modes import TRACING, current, recorder
from ..engine.recording import Cell
from ..engine.value import Value
from .expand import expand
from .lift import lift
from .pack import pack
from .path import MISS, Path
from .plan import plan
from .program import Program
from .record import Recording, run_traced, take_down
from .simplify import simplify

__all__ = ["Compiled", "compile"]

MOST_PATHS = 16
FLAT = {np.ndarray, float, int}


class Compiled:
    """A function that runs as a program; made by `compile`."""

    def __init__(self, function: Callable[..., Any], *, exact: bool) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.exact = exact
        self.paths: dict[Any, list[Path]] = {}
        self.eager_calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program for these arguments; record it first if there is none."""
        if (TRACING and recorder() is not None) or current().debugging:
            return self.function(*args, **kwargs)
        flat: Any = args
        if kwargs or not all(type(x) in FLAT for x in args):
            flat, structure = nest.flatten((args, kwargs))
            key = _signature(flat, structure)
            if key is None:  # an argument that is the result of ops: part of a larger graph
                return self.function(*args, **kwargs)
        else:
            key = tuple([(x.shape, x.dtype) if type(x) is np.ndarray else "number" for x in args])
        paths = self.paths.get(key)
        if paths is None:
            paths = self.paths[key] = []
        try:
            for k, path in enumerate(paths):
                if path.fits(flat):
                    result = path.run(flat)
                    if result is not MISS:
                        if k:
                            paths.insert(0, paths.pop(k))
                        return result
            result = self._record(args, kwargs, paths).run(flat)
        except FloatingPointError:
            self.eager_calls += 1
            return self.function(*args, **kwargs)
        if result is MISS:
            raise RuntimeError("a path does not hold for the inputs that it was recorded with")
        return result

    def _record(self, args: Any, kwargs: Any, paths: list[Path]) -> Path:
        collecting = gc.isenabled()
        gc.disable()  # a record of a million objects, all of them needed: nothing to be found
        try:
            recording = take_down(run_traced(self.function, args, kwargs))
            program, _ = simplify(recording.program, exact=self.exact)
            program, _ = simplify(expand(program))
            program = lift(program)
            program = pack(program, _alike(recording))
            program = plan(program, _updates(recording, program))
        finally:
            if collecting:
                gc.enable()
        path = Path(recording, program)
        paths.insert(0, path)
        return path


def _positions(recording: Recording) -> list[tuple[int, Cell]]:
    """Return the cells that are written, with their positions among the outputs."""
    at = sum(i >= 0 for i, _ in recording.results)
    found = []
    for cell, i, _ in recording.outputs:
        if i >= 0:
            found.append((at, cell))
            at += 1
    return found


def _alike(recording: Recording) -> list[list[int]]:
    """Return positions of outputs that an optimizer may have updated alike."""
    groups: dict[Any, list[int]] = {}
    for k, cell in _positions(recording):
        groups.setdefault((cell.kind, cell.key if cell.kind == "item" else None), []).append(k)
    return [positions for kind, positions in groups.items() if kind[0] != "grad"]


def _updates(recording: Recording, program: Program) -> list[tuple[int, int]]:
    """Return (output position, input row) of cells that are read and written."""
    rows = {
        program.params[i]["cell"]: i
        for i, name in enumerate(program.op)
        if name == "input" and program.shape[i]
    }
    return [(k, rows[cell]) for k, cell in _positions(recording) if cell in rows]


def _signature(flat: list[Any], structure: Any) -> Any:
    """Return what a path depends on: nest, shapes and dtypes; None for a Value with history."""
    kinds: list[Any] = []
    for x in flat:
        if type(x) is np.ndarray:
            kinds.append((x.shape, x.dtype))
        elif type(x) is float or type(x) is int:
            kinds.append("number")
        elif isinstance(x, Value):
            if x._a is not None:
                return None
            kinds.append(("value", x.shape, x.dtype))
        elif isinstance(x, (np.ndarray, np.number)):
            x = unguarded(x)
            kinds.append((x.shape, x.dtype) if x.shape else "number")
        elif isinstance(x, (bool, str)):
            kinds.append((type(x), x))
        else:
            kinds.append(_Same(x))
    return _hashable(structure), tuple(kinds)


class _Same:
    """An argument that is no number, by identity: kept alive, so that its id stays its own."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __hash__(self) -> int:
        return id(self.x)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.x is other.x


def _hashable(structure: Any) -> Any:
    if isinstance(structure, dict):
        return "dict", tuple((k, _hashable(v)) for k, v in structure.items())
    if isinstance(structure, (tuple, list)):
        return type(structure), tuple(map(_hashable, structure))
    return structure


def compile(function: Callable[..., Any], *, exact: bool = False) -> Compiled:
    """Make a function run at the speed of NumPy code written for it."""
    return Compiled(function, exact=exact)
