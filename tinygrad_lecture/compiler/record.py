"""Pass 1, record: run a function once, and write its graph down as a program."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import nest
from ..engine.guard import unguarded
from ..engine.recording import DETACH, Cell, Draw, Recorder, RecordingError
from ..engine.sweep import parameters
from ..engine.value import Value
from .program import FLOAT, Program, Slot

__all__ = ["Recording", "run_traced", "take_down", "traced_params"]


@dataclass
class Recording:
    """A recorded function: its program, and where inputs come from and outputs go to.

    Attributes
    ----------
    recorder : Recorder
    program : Program
    results : list of (row, tracked)
        One per leaf of the returned nest: a row of the program, or -1 and the constant itself;
        and whether the function gives a Value there when it is called eagerly.
    structure : nest
        Of what the function returned.
    outputs : list of (Cell, row or constant)
        What is written to places outside.
    guards : list of (row, outcome, site)
    """

    recorder: Recorder
    program: Program
    results: list[tuple[int, Any]]
    structure: Any
    outputs: list[tuple[Cell, int, Any]]
    guards: list[tuple[int, bool, tuple[str, int]]]
    draws: list[tuple[int, Draw]]
    values: dict[int, Value]
    row_of: dict[int, int]

    def forget(self) -> None:
        """Let the graph go: what runs the program needs to know places alone."""
        self.values, self.row_of = {}, {}
        self.program = Program()
        self.recorder.forget()


def run_traced(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Recorder:
    """Record one call, with numbers and arrays among the arguments traced."""
    flat, structure = nest.flatten((args, kwargs))
    recorder = Recorder()
    traced = [trace_argument(recorder, i, x) for i, x in enumerate(flat)]
    new_args, new_kwargs = nest.unflatten(structure, traced)
    recorder.run(lambda: function(*new_args, **new_kwargs), flat)
    return recorder


def trace_argument(recorder: Recorder, i: int, x: Any) -> Any:
    """Return a traced Value for a number or an array, and anything else as it is."""
    if isinstance(x, (np.ndarray, np.number)) and np.asarray(x).dtype.kind in "fiub":
        array = np.array(unguarded(x))
        if array.ndim == 0:
            return recorder.argument(i, float(array))
        return recorder.argument(i, array if array.dtype.isnative else array.astype(float))
    if type(x) is float or type(x) is int:
        return recorder.argument(i, float(x))
    return x


def take_down(recorder: Recorder) -> Recording:
    """Write the graph behind results, outputs and guards down as a program."""
    leaves, structure = nest.flatten(recorder.result)
    wanted = [v for v in leaves if isinstance(v, Value)]
    wanted += [v for v in recorder.outputs.values() if isinstance(v, Value)]
    wanted += [guard.value for guard in recorder.guards]
    resolve = _Resolver(recorder)
    wanted = [resolve(v, v._n + 1) for v in wanted]
    nodes = _collect(wanted, resolve)
    program = Program()
    writer = _Writer(program, recorder, resolve)
    writer.write(nodes)
    row_of = writer.row_of
    drawn = {draw.value._n: draw for draw in recorder.draws}

    def row(v: Any) -> tuple[int, Any]:
        if isinstance(v, Value):
            return row_of[resolve(v, v._n + 1)._n], None
        return -1, v

    tracked = _tracked(nodes, recorder) if any(isinstance(v, Value) for v in leaves) else set()
    results = []
    for v in leaves:
        i, constant = row(v)
        results.append((i, constant if i < 0 else v._n in tracked))
    outputs = [(cell, *row(v)) for cell, v in recorder.outputs.items()]
    guards = [(row(g.value)[0], g.outcome, g.site) for g in recorder.guards]
    program.outputs = [i for i, _ in results if i >= 0]
    program.outputs += [i for _, i, _ in outputs if i >= 0]
    program.outputs += [i for i, _, _ in guards]
    draws = [(row_of[n], draw) for n, draw in drawn.items() if n in row_of]
    return Recording(recorder, program, results, structure, outputs, guards, draws, nodes, row_of)


def _tracked(nodes: dict[int, Value], recorder: Recorder) -> set[int]:
    """Return the numbers of what an eager call gives as a Value.

    That is what depends, not detached, on a leaf of the user.
    """
    found: set[int] = set()
    if all(v._a is not None or n in recorder.sources for n, v in nodes.items()):
        return found
    for n in sorted(nodes):
        v = nodes[n]
        if v._a is None:
            if n not in recorder.sources:
                found.add(n)
        elif type(v._p) is float:
            if v._a._n in found or (v._q is not None and v._b._n in found):
                found.add(n)
        elif any(v._a[i]._n in found for i in v._q):
            found.add(n)
    return found


class _Resolver:
    """Finds what a leaf stood for when an op used it: its data may have been rebound since."""

    def __init__(self, recorder: Recorder) -> None:
        self.bindings = recorder.bindings

    def __call__(self, v: Value, number: int) -> Value:
        bound = self.bindings.get(v._n)
        if bound:
            for at, fresh in reversed(bound):
                if at < number:
                    return fresh
        return v


def traced_params(params: Any) -> list[Value]:
    """Return the Values among the parameters of an op."""
    if isinstance(params, Value):
        return [params]
    if isinstance(params, dict):
        params = list(params.values())
    if isinstance(params, (tuple, list)):
        return [v for item in params for v in traced_params(item)]
    return []


def _collect(roots: list[Value], resolve: _Resolver) -> dict[int, Value]:
    """Return all Values that the roots are made of, detached ones included, by number."""
    nodes = {v._n: v for v in roots}
    stack = list(nodes.values())
    bindings = resolve.bindings
    while stack:
        v = stack.pop()
        if v._a is None:
            continue
        if type(v._p) is float:
            below: Any = (v._a,) if v._q is None else (v._a, v._b)
        else:
            below = [a for a in v._a if isinstance(a, Value)]
            if v._b:
                below += traced_params(v._b)
        for a in below:
            if bindings and a._n in bindings:
                a = resolve(a, v._n)
            if a._n not in nodes:
                nodes[a._n] = a
                stack.append(a)
    return nodes


class _Writer:
    """Writes Values down as rows."""

    def __init__(self, program: Program, recorder: Recorder, resolve: _Resolver) -> None:
        self.program, self.recorder, self.resolve = program, recorder, resolve
        self.row_of: dict[int, int] = {}
        self.constants: dict[Any, int] = {}
        self.cells = {v._n: cell for cell, v in recorder.inputs.items()}
        self.drawn = {draw.value._n: draw for draw in recorder.draws}

    def constant(self, x: Any) -> int:
        """Return the row of a constant."""
        if type(x) is float:
            key = x if x else repr(x)  # 0.0 and -0.0 are equal, but not the same
            row = self.constants.get(key)
            if row is None:
                row = self.constants[key] = self.program.add("const", (), {"value": x}, count=0)
            return row
        array = np.asarray(x)
        return self.program.add("const", (), {"value": array}, array.shape, array.dtype, 0)

    def write(self, nodes: dict[int, Value]) -> None:
        """Write Values down, in the order in which they were recorded."""
        row_of, program, resolve, constant = self.row_of, self.program, self.resolve, self.constant
        rebound = bool(resolve.bindings)
        op, args = program.op.append, program.args.append
        pending = 0
        numbers = sorted(nodes)
        for n in itertools.takewhile(self.recorder.start.__gt__, numbers):
            if nodes[n]._a is not None:
                raise RecordingError(
                    "the function uses a Value that was computed outside of it, by "
                    f"{nodes[n]._op.name}: compute it inside, or pass it as an argument, or take "
                    "v.detach()"
                )
        for v in nodes.values():  # constants come first, so that they do not interrupt the rest
            b = v._b
            if type(v._p) is float and v._a is not None:
                if type(b) is float:
                    constant(b)
                elif type(b) is tuple:
                    constant(b[0])
        row = len(program)
        for n in numbers:
            v = nodes[n]
            if type(v._p) is not float or v._a is None:
                self._fill(pending)
                pending = 0
                row_of[n] = self._leaf(v) if v._a is None else self._record(v)
                row = len(program)
                continue
            a, b = v._a, v._b
            i = row_of[resolve(a, n)._n if rebound else a._n]
            if b is None:
                args((i,))
            elif type(b) is tuple:
                args((constant(b[0]), i))
            elif type(b) is float:
                args((i, constant(b)))
            else:
                args((i, row_of[resolve(b, n)._n if rebound else b._n]))
            op(v._op.name)
            row_of[n] = row
            row += 1
            pending += 1
        self._fill(pending)

    def _fill(self, pending: int) -> None:
        """Complete the columns of scalar ops, which all look alike."""
        if pending:
            program = self.program
            program.params.extend([{}] * pending)
            program.shape.extend([()] * pending)
            program.dtype.extend([FLOAT] * pending)
            program.count.extend([1] * pending)
            program.note.extend([""] * pending)

    def _leaf(self, v: Value) -> int:
        data, recorder = v._data, self.recorder
        shape = () if type(data) is float else data.shape
        dtype = FLOAT if type(data) is float else data.dtype
        if v._n in self.drawn:
            return self.program.add("draw", (), {"draw": self.drawn[v._n]}, shape, dtype, 0)
        cell = self.cells.get(v._n)
        if cell is None and v._n < recorder.start:
            cell = Cell("data", recorder._owner(v))
        if cell is None:
            return self.constant(data)
        return self.program.add("input", (), {"cell": cell}, shape, dtype, 0, cell.describe())

    def _record(self, v: Value) -> int:
        if v._op is DETACH:
            a = self.resolve(v._a[0], v._n)
            return self.row_of[a._n]
        args = tuple(
            self.row_of[self.resolve(a, v._n)._n] if isinstance(a, Value) else self.constant(x)
            for a, x in zip(v._a, v._p, strict=True)
        )
        params = parameters(v)
        if traced_params(params):
            extra: list[int] = []
            params = self._slots(params, v, len(args), extra)
            args += tuple(extra)
        data = v._data
        shape = () if type(data) is float else data.shape
        dtype = FLOAT if type(data) is float else data.dtype
        if v._op.kind == "plain" and isinstance(params["function"], np.ufunc):
            params = {}
        elif (v._op.kind != "elementwise" or params) and v._op.name != "matmul":
            params = {**params, "_row": v._op}
        return self.program.add(v._op.name, args, params, shape, dtype)

    def _slots(self, params: Any, v: Value, start: int, extra: list[int]) -> Any:
        if isinstance(params, Value):
            extra.append(self.row_of[self.resolve(params, v._n)._n])
            return Slot(start + len(extra) - 1)
        if isinstance(params, dict):
            return {k: self._slots(x, v, start, extra) for k, x in params.items()}
        if type(params) in (tuple, list):
            return type(params)(self._slots(x, v, start, extra) for x in params)
        return params
