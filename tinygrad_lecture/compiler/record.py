"""Pass 1, record: run a function once, and write its graph down as a program."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine import nest
from ..engine.guard import unguarded
from ..engine.recording import DETACH, Cell, Draw, Recorder, RecordingError
from ..engine.sweep import parameters
from ..engine.value import Value, next_number
from .program import FLOAT, Ints, Operands, Program, Slot

__all__ = ["Recording", "run_traced", "take_down", "traced_params"]

_NUMBER = attrgetter("_n")
_NAME = attrgetter("_op.name")


@dataclass
class Recording:
    """A recorded function: its program, and where inputs come from and outputs go to.

    Attributes
    ----------
    recorder : Recorder
    program : Program
    results : list of (row, type)
        One per leaf of the returned nest: a row of the program, or -1 and the constant itself;
        and what the function gives there when it is called eagerly: a Value, or a bare array or
        number, of which only the type of a number counts.
    structure : nest
        Of what the function returned.
    outputs : list of (Cell, row or constant)
        What is written to places outside.
    guards : list of (row, outcome, site)
    draws : list of (row, Draw)
    nodes, rows : list
        The recorded Values, in the order in which they were made, and the row of each.
    values : ndarray of float
        Results of the scalar ops at this call, by row; nan where there is none.
    """

    recorder: Recorder
    program: Program
    results: list[tuple[int, Any]]
    structure: Any
    outputs: list[tuple[Cell, int, Any]]
    guards: list[tuple[int, bool, tuple[str, int]]]
    draws: list[tuple[int, Draw]]
    nodes: list[Value]
    rows: list[int]
    values: NDArray[np.float64]

    def forget(self) -> None:
        """Let the graph go: what runs the program needs to know places alone."""
        self.nodes, self.rows, self.values = [], [], np.empty(0)
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
    graph = _Graph(recorder.start, resolve)
    graph.collect([resolve(v, v._n + 1) for v in wanted])
    writer = _Writer(recorder, graph)
    writer.write()
    program, nodes = writer.program, writer.nodes

    def row(v: Any) -> tuple[int, Any]:
        if isinstance(v, Value):
            return writer.row(resolve(v, v._n + 1)), None
        return -1, v

    tracked = _tracked(nodes, recorder) if any(isinstance(v, Value) for v in leaves) else set()
    results, kinds = [], recorder.kinds
    for v in leaves:
        i, constant = row(v)
        results.append(
            (i, constant if i < 0 else Value if v._n in tracked else kinds.get(v._n, float))
        )
    outputs = [(cell, *row(v)) for cell, v in recorder.outputs.items()]
    guards = [(row(g.value)[0], g.outcome, g.site) for g in recorder.guards]
    program.outputs = [i for i, _ in results if i >= 0]
    program.outputs += [i for _, i, _ in outputs if i >= 0]
    program.outputs += [i for i, _, _ in guards]
    draws = [(writer.row(d.value), d) for d in recorder.draws if graph.place(d.value) >= 0]
    return Recording(
        recorder, program, results, structure, outputs, guards, draws, nodes, writer.rows,
        writer.values,
    )  # fmt: skip


def _tracked(nodes: list[Value], recorder: Recorder) -> set[int]:
    """Return the numbers of what an eager call gives as a Value.

    That is what depends, not detached, on a leaf of the user.
    """
    found: set[int] = set()
    is_leaf, copies = recorder.is_leaf, recorder.copies
    if not any(v._a is None or id(v) in copies for v in nodes if v._n not in recorder.sources):
        return found
    for v in nodes:
        if v._a is None or type(v._a) is tuple:
            if is_leaf(v) or (v._a is not None and any(v._a[i]._n in found for i in v._q)):
                found.add(v._n)
        elif v._a._n in found or (v._q is not None and v._b._n in found):
            found.add(v._n)
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


class _Graph:
    """All Values behind some, detached ones included.

    What was recorded has running numbers, and so its place in lists; the k-th Value from outside
    has the place -2 - k, and -1 stands for none.  What a record of a scalar op says about its
    operands is taken down in the same walk, as places.
    """

    def __init__(self, start: int, resolve: _Resolver) -> None:
        self.start, self.resolve = start, resolve
        n = next_number() - start
        self.made: list[Any] = [None] * n
        self.seen = bytearray(n)
        self.outside: list[Value] = []
        self.places: dict[int, int] = {}
        self.first, self.second = [-1] * n, [-1] * n
        self.constants: list[float] = []
        self.constant_of: list[int] = []  # places of the ops that have these as second operand
        self.turned: list[int] = []  # places of those that have them as first operand

    def place(self, v: Value) -> int:
        """Return the place of a Value; -1 if it does not belong to the graph."""
        at = v._n - self.start
        if at < 0:
            return self.places.get(v._n, -1)
        return at if self.seen[at] else -1

    def _come_from_outside(self, v: Value) -> int:
        if v._a is not None:
            raise RecordingError(
                "the function uses a Value that was computed outside of it, by "
                f"{v._op.name}: compute it inside, or pass it as an argument, or take v.detach()"
            )
        if v._n not in self.places:
            self.outside.append(v)
            self.places[v._n] = -1 - len(self.outside)
        return self.places[v._n]

    def collect(self, roots: list[Value]) -> None:
        """Find everything behind the roots.

        Raises
        ------
        RecordingError
            If one of them was computed before the recording.
        """
        made, seen, start, resolve = self.made, self.seen, self.start, self.resolve
        first, second, bindings = self.first, self.second, self.resolve.bindings
        keep_constant, keep_place = self.constants.append, self.constant_of.append
        stack = list(roots)
        pop, push = stack.pop, stack.append
        while stack:
            v = pop()
            at = v._n - start
            if at < 0:
                self._come_from_outside(v)
                continue
            while not seen[at]:  # along first operands, most of which are new
                made[at], seen[at] = v, 1
                a, b = v._a, v._b
                if a is None:
                    break
                if type(a) is tuple:  # and not by its _p: one object fewer to look at
                    below = [x for x in a if isinstance(x, Value)] + traced_params(b or None)
                    stack += [resolve(x, v._n) for x in below]
                    break
                if v._q is not None:
                    if bindings:
                        b = resolve(b, v._n)
                    to = b._n - start
                    if to < 0:
                        to = self._come_from_outside(b)
                    elif not seen[to]:
                        push(b)
                    second[at] = to
                elif b is not None:
                    if type(b) is tuple:
                        self.turned.append(at)
                        b = b[0]
                    keep_constant(b)
                    keep_place(at)
                if bindings:
                    a = resolve(a, v._n)
                to = a._n - start
                if to < 0:
                    first[at] = self._come_from_outside(a)
                    break
                first[at] = to
                v, at = a, to


class _Writer:
    """Writes Values down as rows: scalar ops in long runs, all else one by one."""

    def __init__(self, recorder: Recorder, graph: _Graph) -> None:
        self.recorder, self.graph, self.resolve = recorder, graph, graph.resolve
        self.program = Program()
        self.row_at = np.full(len(graph.made) + len(graph.outside) + 1, -1)  # by place
        self.constants: dict[Any, int] = {}
        self.cells = {v._n: cell for cell, v in recorder.inputs.items()}
        self.drawn = {draw.value._n: draw for draw in recorder.draws}
        self.nodes: list[Value] = []
        self.rows: list[int] = []

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

    def row(self, v: Value) -> int:
        """Return the row of a Value."""
        return int(self.row_at[self.graph.place(v)])

    def operand(self, a: Value, v: Value) -> int:
        """Return the row of what `a` stood for when `v` used it."""
        return self.row(self.resolve(a, v._n))

    def write(self) -> None:
        """Write all nodes down, in the order in which they were recorded."""
        graph, program, row_at = self.graph, self.program, self.row_at
        constants = self._constants()
        for v in sorted(graph.outside, key=_NUMBER):
            row_at[graph.place(v)] = self._leaf(v)
        here = np.flatnonzero(np.frombuffer(graph.seen, np.uint8))
        nodes = list(itertools.compress(graph.made, graph.seen))
        first = np.array(graph.first, np.int64)
        scalar = first[here] != -1
        done = 0
        for k in [*np.flatnonzero(~scalar).tolist(), len(nodes)]:
            if run := k - done:
                row_at[here[done:k]] = np.arange(len(program), len(program) + run)
                program.op += map(_NAME, nodes[done:k])
                program.args += [()] * run
                program.params += [{}] * run
                program.shape += [()] * run
                program.dtype += [FLOAT] * run
                program.count += [1] * run
                program.note += [""] * run
            if k < len(nodes):
                v = nodes[k]
                row_at[here[k]] = self._leaf(v) if v._a is None else self._record(v)
            done = k + 1
        self._scalar_operands(here[scalar], first, constants)
        self.values = np.full(len(program), np.nan)
        self.values[row_at[here[scalar]]] = [v._data for v in itertools.compress(nodes, scalar)]
        self.nodes = [*sorted(graph.outside, key=_NUMBER), *nodes]
        self.rows = [*(self.row(v) for v in self.nodes[: -len(nodes)]), *row_at[here].tolist()]

    def _constants(self) -> Ints:
        """Write the constants among the operands of scalar ops; return the row of each.

        They come first, so that they do not interrupt the rest.
        """
        values = self.graph.constants
        bits = np.array(values, float).view(np.int64)  # 0.0 and -0.0, and each nan, are their own
        _, start, which = np.unique(bits, return_index=True, return_inverse=True)
        rows = np.empty(len(start), np.int64)
        for k in np.argsort(start).tolist():
            rows[k] = self.constant(values[start[k]])
        return rows[which.reshape(-1)]

    def _scalar_operands(self, at: Ints, first: Ints, constants: Ints) -> None:
        """Fill in the operands of the scalar ops at these places."""
        graph, row_at = self.graph, self.row_at
        a, b = row_at[first], row_at[np.array(graph.second, np.int64)]
        b[graph.constant_of] = constants
        turned = graph.turned
        a[turned], b[turned] = b[turned], a[turned]
        args = self.program.args = Operands.of(self.program.args)
        args.first[row_at[at]], args.second[row_at[at]] = a[at], b[at]

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
            return self.operand(v._a[0], v)
        args = tuple(
            self.operand(a, v) if isinstance(a, Value) else self.constant(x)
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
            extra.append(self.operand(params, v))
            return Slot(start + len(extra) - 1)
        if isinstance(params, dict):
            return {k: self._slots(x, v, start, extra) for k, x in params.items()}
        if type(params) in (tuple, list):
            return type(params)(self._slots(x, v, start, extra) for x in params)
        return params
