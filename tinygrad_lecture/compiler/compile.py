"""`compile`: a function that records on its first call, and runs its program afterwards."""

from __future__ import annotations

import functools
import gc
import threading
import types
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from ..engine import nest
from ..engine.guard import unguarded
from ..engine.modes import TRACING, debugging, differentiating, recorder
from ..engine.recording import Cell
from ..engine.value import Value
from .deliver import COMPILED
from .expand import expand
from .feed import MISS
from .foreign import Surroundings
from .fuse import fuse
from .lift import lift
from .pack import pack
from .path import Path
from .plan import plan
from .program import Program
from .record import Recording, run_traced, take_down
from .simplify import simplify
from .turn import turn

__all__ = ["Compiled", "build", "compile"]

MOST_PATHS = 16
FLAT = {np.ndarray, float, int}


class Compiled:
    """A function that runs as a program; made by `compile`.

    Attributes
    ----------
    function : callable
        The original.
    exact : bool
    programs : list of Path
        All programs, for all shapes and paths.
    eager_calls : int
        How many calls were answered by the original, because an operation was invalid.
    """

    def __init__(self, function: Callable[..., Any], *, exact: bool) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.exact = exact
        self.paths: dict[Any, list[Path]] = {}
        self.eager_calls = 0
        self._last: Path | None = None
        self._lock = threading.RLock()

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind to an object, so that a method may be compiled."""
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", repr(self.function))
        return f"<compiled {name}, {len(self.programs)} program(s)>"

    @property
    def programs(self) -> list[Path]:
        """All programs that were made so far."""
        return [path for paths in self.paths.values() for path in paths]

    @property
    def program(self) -> Path:
        """The program that ran last.

        Raises
        ------
        RuntimeError
            Before the first call.
        """
        if self._last is None:
            raise RuntimeError(
                f"{self!r} has no program yet: it is recorded at the first call, since shapes and "
                "branches depend on the arguments"
            )
        return self._last

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program for these arguments; record it first if there is none."""
        if (TRACING and recorder() is not None) or differentiating() or debugging():
            return self.function(*args, **kwargs)
        flat: Any = args
        if kwargs or not FLAT.issuperset(map(type, args)):
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
            with self._lock:  # a program has one memory
                for k, path in enumerate(paths):
                    result = path.run(flat)
                    if result is not MISS:
                        if k:
                            paths.insert(0, paths.pop(k))
                        self._last = path
                        return result
                self._last = self._record(args, kwargs, paths)
                result = self._last.run(flat, fresh=True)
        except FloatingPointError:
            self.eager_calls += 1
            return self.function(*args, **kwargs)
        if result is MISS:
            raise RuntimeError("a path does not hold for the inputs that it was recorded with")
        return result

    def _record(self, args: Any, kwargs: Any, paths: list[Path]) -> Path:
        if len(paths) >= MOST_PATHS:
            raise RuntimeError(_too_many(self, paths))
        surroundings = Surroundings(self.function, (args, kwargs))
        collecting = gc.isenabled()
        gc.disable()  # a record of a million objects, all of them needed: nothing to be found
        times = {"start": perf_counter()}
        try:
            traced = run_traced(self.function, args, kwargs)
            surroundings.check(traced)
            recording = take_down(traced)
            times["record"] = perf_counter()
            program = build(recording, exact=self.exact, times=times)
            path = Path(recording, program, self.function, exact=self.exact)  # lets the record go
        finally:
            if collecting:
                gc.enable()
        times["execute"] = perf_counter()
        names, at = list(times), list(times.values())
        path.build_seconds = {n: b - a for n, a, b in zip(names[1:], at, at[1:], strict=False)}
        paths.insert(0, path)
        return path


def _too_many(compiled: Compiled, paths: list[Path]) -> str:
    """Say why there are so many paths: which comparisons, or which settings, differ."""
    sites = [f"{file}:{line}" for p in paths for _, _, (file, line) in p.recording.guards]
    if sites:
        often = max(dict.fromkeys(sites), key=sites.count)
        return (
            f"{compiled!r}: {MOST_PATHS} paths were recorded for one set of shapes, and these "
            f"inputs take another one. The comparison at {often} decides: write it as "
            "tg.where(condition, x, y), tg.maximum or tg.minimum, which need no branch, or leave "
            "this function uncompiled"
        )
    fixed = {key for p in paths for _, key, _ in p.surface.fixed}
    return (
        f"{compiled!r}: {MOST_PATHS} programs were recorded for one set of shapes, because what "
        f"is fixed while recording keeps changing: one of {', '.join(sorted(map(str, fixed)))}"
    )


def build(
    recording: Recording, *, exact: bool = False, times: dict[str, float] | None = None
) -> Program:
    """Run the passes on a recorded program.

    Returns
    -------
    Program
        Planned; or, if it is to run as straight-line code, without places.
    """
    times = {} if times is None else times
    program = simplify(recording.program, recording.values, exact=exact)
    if exact:
        return program
    expanded = expand(program)
    if expanded is not program:
        program = simplify(expanded)
    times["simplify"] = perf_counter()
    lifted = lift(program)
    times["lift"] = perf_counter()
    if lifted is None:
        return simplify(program, exact=True)
    lifted = fuse(turn(pack(lifted, _alike(recording))))
    program = plan(lifted, _updates(recording, lifted))
    times["plan"] = perf_counter()
    return program


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
            if x._a is not None and x._op is not COMPILED:
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
    """Make a function run at the speed of NumPy code written for it.

    At the first call with arguments of a certain nest, shapes and dtypes the function is recorded:
    it runs once, and what it did to numbers becomes a program of few array operations, however
    many single scalars it was written with.  Later calls run the program.

    Parameters
    ----------
    function : callable
        Of numbers, arrays, Values or nests of them; anything else among the arguments counts by
        identity.  It may take derivatives (``tg.compile(tg.value_and_grad(loss))``), and it may
        be a whole training step that calls ``loss.backward()``, ``optimizer.step()`` and
        ``zero_grad()``.  Leaves, buffers, settings and state of optimizers that it uses are read
        at each call and hold afterwards what an eager call would have left, to rounding.  Other
        numbers and arrays that it closes over are constants.
    exact : bool, default False
        Run every op by the engine's own function in the recorded order: equal to the eager result
        to the last bit, and still many times faster for scalars.  Otherwise sums may be added up
        in another order.

    Returns
    -------
    Compiled
        Called like the function.  ``.program`` tells about the program that ran last:
        ``.program.explain()``, ``.program.source()``, ``.program.stats()``.

    Raises
    ------
    TypeError
        If `function` is not callable.
    RecordingError
        From the call, if the function does what a program cannot repeat: it prints a value, uses
        it as a Python number or index, or changes something else than leaves, buffers and
        optimizers.
    RuntimeError
        From the call, if more than 16 paths through the function have been recorded for one set
        of shapes, naming the comparison that decides.

    Notes
    -----
    A comparison that Python branches on is a guard: the program holds for its outcome alone, and
    another outcome records another program.  Comparisons of arrays, `where`, `maximum` and the
    like are part of the program.  Random ops draw afresh at each call.

    Where an operation is invalid (0·inf, inf - inf), an eager backward pass keeps an exactly zero
    adjoint exactly zero; such calls are answered by the original function.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> def loss(w):
    ...     total = 0.0
    ...     for x, y in [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]:
    ...         error = w[0] * x + w[1] - y
    ...         total = total + error * error
    ...     return total
    >>> fast = tg.compile(tg.value_and_grad(loss))
    >>> fast([1.0, 0.0])
    (14.0, [-16.0, -12.0])
    >>> fast([2.0, 1.0])
    (0.0, [0.0, 0.0])
    """
    if not callable(function):
        raise TypeError(
            f"compile takes a function, and {type(function).__name__} came: "
            "tg.compile(f)(x), not tg.compile(f(x))"
        )
    return Compiled(function, exact=exact)
