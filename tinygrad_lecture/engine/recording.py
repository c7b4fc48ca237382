"""`Recorder`: runs a function once and keeps the graph, with all that goes in and comes out.

While a function is recorded, numbers that could differ in the next call are Values: arguments,
what is read from a leaf's ``.data`` or ``.grad``, settings and state of an optimizer, buffers of
a module, random draws.  So whatever is computed from them is part of the graph.  A place that
such a number is read from, or written to in the end, is a `Cell`.  A comparison gives a Value
too; when Python asks for its truth, the outcome is kept as a `Guard`.

What would leave the graph unseen (printing, ``float()``, use as an index) raises `RecordingError`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import sweep
from .modes import Site, recorded_by
from .ops.table import Op
from .value import Value, leaf, new, next_number, raw, seed_of, user_site

__all__ = ["Cell", "Draw", "Guard", "Recorder", "RecordingError"]


class RecordingError(TypeError):
    """A function does something that its record could not repeat."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A place outside of the graph that holds a number or an array.

    Attributes
    ----------
    kind : str
        "argument" (a raw one), "data" or "grad" (of a leaf), or "item" (of a dict, or of an
        object's ``__dict__``).
    owner : Value, dict or int
        The leaf or dict; an int stands for the argument at that position.
    key : object
        Key of the item.
    """

    kind: str
    owner: Any
    key: Any = None

    def __hash__(self) -> int:
        return hash((self.kind, id(self.owner) if not isinstance(self.owner, int) else self.owner))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cell) or self.kind != other.kind:
            return False
        owners, keys = (self.owner, other.owner), (self.key, other.key)
        return _same(*owners) and _same(*keys)

    def describe(self) -> str:
        """Name the place, for listings."""
        if self.kind == "element":
            return f"{self.key[0]}[{self.key[1]}]"
        if isinstance(self.owner, int):
            return f"argument {self.owner}" + ("" if self.kind == "argument" else f".{self.kind}")
        if self.kind == "item":
            return str(self.key)
        return f"{self.owner.name or 'leaf'}.{self.kind}"


@dataclass(frozen=True, slots=True)
class Guard:
    """A question that Python asked while recording, and its answer."""

    value: Value
    outcome: bool
    site: Site


@dataclass(frozen=True, slots=True)
class Draw:
    """Uniform random numbers that an op drew, from a generator, a seed or fresh entropy."""

    rng: Any
    shape: tuple[int, ...]
    value: Value


def _no_derivative(*args: Any, **params: Any) -> Any:
    raise TypeError("a detached value has no derivative")


DETACH = Op(
    "detach", "linear", 1, lambda values, params: values[0], _no_derivative, _no_derivative,
    symbol="detach", formula="x, as a constant", needed=frozenset(),
)  # fmt: skip


def _run_plain(values: Sequence[Any], params: dict[str, Any]) -> Any:
    return params["function"](*values, **params["kwargs"])


def plain_op(function: Any) -> Op:
    """Return the row of a function whose result carries no derivative: ``>``, isfinite, argmax."""
    return Op(
        function.__name__, "plain", -1, _run_plain, _no_derivative, _no_derivative,
        symbol=function.__name__, needed=frozenset(),
    )  # fmt: skip


_PLAIN: dict[Any, Op] = {}


@dataclass
class Recorder:
    """The record of one run of a function; see the module."""

    start: int = field(default_factory=next_number)
    inputs: dict[Cell, Value] = field(default_factory=dict)
    outputs: dict[Cell, Any] = field(default_factory=dict)
    absent: list[Cell] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    kinds: dict[int, type] = field(default_factory=dict)  # of numbers that are bools or positions
    draws: list[Draw] = field(default_factory=list)
    bindings: dict[int, list[tuple[int, Value]]] = field(default_factory=dict)
    sources: set[int] = field(default_factory=set)
    fixed: list[tuple[dict[Any, Any], Any, Any]] = field(default_factory=list)
    reached: dict[int, tuple[Any, Any, str, tuple[Any, ...]]] = field(default_factory=dict)
    equal: list[tuple[Any, Any, dict[Any, Any]]] = field(default_factory=list)
    result: Any = None
    _saved: dict[int, tuple[Value, Any]] = field(default_factory=dict)
    _adopted: dict[int, tuple[dict[Any, Any], dict[Any, Any]]] = field(default_factory=dict)
    _inner: list[Value] = field(default_factory=list)
    copies: dict[int, Value] = field(default_factory=dict)
    _generators: dict[int, tuple[np.random.Generator, Any]] = field(default_factory=dict)
    marks: list[tuple[Any, Any]] = field(default_factory=list)
    _argument_of: dict[int, int] = field(default_factory=dict)

    # ------------------------------------------------------------------------- running

    def run(self, function: Callable[[], Any], arguments: Sequence[Any] = ()) -> Any:
        """Call `function` once; ``result`` and ``outputs`` are what it gave and changed.

        All places that it wrote to are back to what they were afterwards.
        """
        self._argument_of = {
            id(v): i for i, v in enumerate(arguments) if isinstance(v, Value) and v._n < self.start
        }
        try:
            with recorded_by(self), np.errstate(all="ignore"):
                self.result = function()
            self._collect_outputs()
        finally:
            self._restore()
        return self.result

    def argument(self, position: int, data: Any) -> Value:
        """Return a traced Value for a raw argument."""
        return self._input(Cell("argument", position), data)

    def _input(self, cell: Cell, data: Any) -> Value:
        known = self.inputs.get(cell)
        if known is None:
            known = self.inputs[cell] = leaf(data)
            self.sources.add(known._n)
        return known

    def _owner(self, v: Value) -> Any:
        return self._argument_of.get(id(v), v)

    def _save(self, v: Value) -> None:
        if id(v) not in self._saved and v._a is None and v._n < self.start:
            self._saved[id(v)] = v, (v._data, v._grad, v._b, v._p, v._q)

    def _collect_outputs(self) -> None:
        for v, (_, grad, *_rest) in self._saved.values():
            owner = self._owner(v)
            self.marks.append((owner, v._b))
            if v._n in self.bindings:
                self.outputs[Cell("data", owner)] = self.bindings[v._n][-1][1]
            if v._grad is not grad:
                known = self.inputs.get(Cell("grad", owner))
                if v._grad is not known or known is None:
                    self.outputs[Cell("grad", owner)] = v._grad
        for container, before in self._adopted.values():
            for key, now in container.items():
                cell = Cell("item", container, key)
                traced = self._is_input(cell, now) or _holds_values(now)
                if now is before.get(key) or traced:
                    continue
                self.outputs[cell] = now
                if key not in before:
                    self.absent.append(cell)

    def _is_input(self, cell: Cell, now: Any) -> bool:
        """Whether a dict still holds what it was given for the time of the recording."""
        if now is self.inputs.get(cell):
            return True
        return isinstance(now, Value) and any(
            container is cell.owner and key == cell.key and now is self.inputs[Cell("item", a, key)]
            for a, key, container in self.equal
        )

    def _restore(self) -> None:
        for rng, state in self._generators.values():
            rng.bit_generator.state = state
        for v, (data, grad, b, p, q) in self._saved.values():
            v._data, v._grad, v._b, v._p, v._q = data, grad, b, p, q
        for container, before in self._adopted.values():
            for key in [key for key in container if key not in before]:
                del container[key]
            container.update(before)
        for v in self._inner:  # adjoints refer to what they are adjoints of: no cycles are left
            v._grad = None

    # ---------------------------------------------------------------- what Value asks for

    def primal(self, v: Value) -> Value:
        """Answer ``v.data``: the value, as a constant of differentiation."""
        bound = self.bindings.get(v._n)
        if bound is not None:
            return bound[-1][1]
        if v._op is DETACH or v._n in self.sources:
            return v
        return self._untracked(DETACH, (v,), {}, v._data)

    def copy_into(self, v: Value, source: Value) -> None:
        """Make `v` a new leaf with the traced data of `source`: ``Value(traced)``."""
        v._data, v._op, v._a, v._b = source._data, DETACH, (source,), {}
        v._p, v._q = (source._data,), ()
        self.copies[id(v)] = v

    def is_leaf(self, v: Value) -> bool:
        """Whether a Value would be a leaf if nothing were recorded."""
        return (v._a is None or id(v) in self.copies) and v._n not in self.sources

    def rebind(self, v: Value, fresh: Any) -> Any:
        """Note ``v.data = fresh``; return the bare data."""
        self._save(v)
        if not isinstance(fresh, Value):
            fresh = leaf(fresh)
        elif fresh._op is not DETACH and fresh._q != ():
            fresh = self._untracked(DETACH, (fresh,), {}, fresh._data)
        data = fresh._data
        self.bindings.setdefault(v._n, []).append((next_number(), fresh))
        return data

    def adjoint(self, v: Value) -> Any:
        """Answer ``v.grad``."""
        g = v._grad
        if g is None:
            if v._n < self.start and id(v) not in self._saved:
                self._save(v)
                self.absent.append(Cell("grad", self._owner(v)))
            return None
        if isinstance(g, Value):
            return self.primal(g)  # eagerly it is bare: no derivative flows through it
        self._save(v)
        full = sweep.zero_filled(v)
        v._grad = self._input(Cell("grad", self._owner(v)), full)
        return v._grad

    def set_adjoint(self, v: Value, g: Any) -> None:
        """Note ``v.grad = g``."""
        self._put_adjoint(v, g)
        if v._a is None:
            v._b = None

    def _put_adjoint(self, v: Value, g: Any) -> None:
        self._save(v)
        if v._a is not None:
            self._inner.append(v)
        v._grad = g if g is None or isinstance(g, Value) else leaf(_like(g, v))

    def spend_adjoint(self, v: Value) -> bool:
        """Mark a gradient as used, as `Value._spend_grad` does."""
        self._save(v)
        spent = v._b is True
        v._b = True
        return spent

    def backward(self, root: Value, seed: Any) -> None:
        """Record a backward pass: leaves gain the adjoint, inner values show it."""
        start = seed if isinstance(seed, Value) else seed_of(root, seed)
        nodes = sweep.collect([root])
        wanted = {n for n, v in nodes.items() if self.is_leaf(v)}
        adjoint = sweep.reverse_recorded(nodes, [(root, start)], wanted=wanted)
        for n, v in nodes.items():
            g = adjoint.get(n)
            if n in wanted:
                g = np.zeros_like(v._data) if g is None and type(v._data) is not float else g
                g = 0.0 if g is None else g
                old = self.adjoint(v)
                self._put_adjoint(v, g if old is None else old + g)
            elif g is not None:
                self._put_adjoint(v, g)

    def guard(self, v: Value, outcome: bool) -> None:
        """Keep the outcome of ``bool(v)``."""
        self.guards.append(Guard(v, outcome, user_site()))

    def refuse(self, v: Value, call: str) -> None:
        """Raise, because `call` would take a number out of the record."""
        file, line = user_site()
        raise RecordingError(
            f"{call} of a Value at {file}:{line} while the function is recorded: the number would "
            "be that of the recording in every later call. Return the Value and look at it "
            "outside, or decide with tg.where(condition, x, y) or `if v > 0:`, which are recorded"
        )

    def draw(self, rng: Any, shape: tuple[int, ...]) -> Value:
        """Draw uniform numbers, and draw them again at each run."""
        if isinstance(rng, np.random.Generator) and id(rng) not in self._generators:
            self._generators[id(rng)] = rng, rng.bit_generator.state
        numbers = np.random.default_rng(rng).random(shape)
        value = leaf(float(numbers) if np.ndim(numbers) == 0 else numbers)
        self.sources.add(value._n)
        self.draws.append(Draw(rng, shape, value))
        return value

    def plain(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Record a call whose result carries no derivative."""
        args, kwargs = _settings_by_name(function, args, kwargs)
        values = [raw(a) for a in args]
        out = function(*values, **kwargs)
        if not isinstance(out, (np.ndarray, np.generic, bool, float, int)):
            return out  # np.shape and the like
        if function in SHAPES:
            return out
        row = _PLAIN.setdefault(function, plain_op(function))
        data = out if isinstance(out, np.ndarray) and out.ndim else float(out)
        v = self._untracked(row, tuple(args), {"function": function, "kwargs": kwargs}, data)
        if type(data) is float:
            self.kinds[v._n] = bool if isinstance(out, np.bool_) else type(out)
        return v

    def reach(self, container: dict[Any, Any], owner: Any, attribute: str, *keys: Any) -> None:
        """Say that a dict is what ``owner.attribute[key]...`` is, whichever that is by then."""
        self.reached[id(container)] = container, owner, attribute, keys

    def adopt_new(self, container: dict[Any, Any]) -> None:
        """Take over a dict that was made while recording: what it holds is an output."""
        self._adopted.setdefault(id(container), (container, {}))

    def adopt(
        self,
        container: dict[Any, Any],
        traced: Iterable[Any],
        fixed: Iterable[Any] = (),
        alike: dict[Any, Any] | None = None,
    ) -> None:
        """Replace numbers and arrays of a dict by traced Values, for the time of the recording.

        What is not a number, and the `fixed` keys, have to be as they are in later runs.  Numbers
        of one key that are equal in several dicts with the same `alike` are one input: the steps
        that an optimizer counts for each parameter, say.  They have to be equal in later runs.
        """
        for key in fixed:
            self.fixed.append((container, key, container.get(key)))
        if id(container) not in self._adopted:
            self._adopted[id(container)] = container, dict(container)
        before = self._adopted[id(container)][1]
        for key in list(traced):
            data = container[key]
            if isinstance(data, Value) or key not in before:
                continue
            if isinstance(data, tuple) and data and all(type(x) is float for x in data):
                container[key] = tuple(
                    self._input(Cell("element", container, (key, i)), x) for i, x in enumerate(data)
                )
            elif _is_traced(data):
                data = data if isinstance(data, np.ndarray) and data.ndim else float(data)
                if alike is not None and type(data) is float and (key, data) in alike:
                    container[key], first = alike[key, data]
                    self.equal.append((first, key, container))
                    continue
                container[key] = self._input(Cell("item", container, key), data)
                if alike is not None and type(data) is float:
                    alike[key, data] = container[key], container
            elif data is None or isinstance(data, (bool, int, float, str)):
                self.fixed.append((container, key, data))

    def forget(self) -> None:
        """Let the graph go, and keep the places that it was connected to."""
        self.result = None
        self.inputs, self.outputs, self.bindings = {}, {}, {}
        self.guards, self.draws = [], []
        self._saved, self._adopted, self._inner, self.copies = {}, {}, [], {}

    def handled(self) -> set[int]:
        """Return the ids of the dicts whose changes are part of the record."""
        owners = (id(vars(owner)) for _, owner, _, _ in self.reached.values())
        return {*self._adopted, *owners}

    def any_tracked(self, values: Iterable[Any]) -> bool:
        """Whether one of these would be a Value if nothing were recorded."""
        stack = [v for v in values if isinstance(v, Value)]
        seen = {v._n for v in stack}
        while stack:
            v = stack.pop()
            if self.is_leaf(v):
                return True
            if v._a is None:
                continue
            for _, a in sweep.tracked(v):
                if a._n not in seen:
                    seen.add(a._n)
                    stack.append(a)
        return False

    def traced_params(self, params: Any) -> bool:
        """Whether parameters hold a traced Value, such as labels that are an argument."""
        if isinstance(params, dict):
            return any(map(self.traced_params, params.values()))
        if isinstance(params, (tuple, list)):
            return any(map(self.traced_params, params))
        return isinstance(params, Value)

    def _untracked(self, op: Op, args: tuple[Any, ...], params: dict[str, Any], data: Any) -> Value:
        v = new(Value)
        v._data, v._op, v._a, v._b, v._grad = data, op, args, params, None
        v._p, v._q = tuple(map(raw, args)), ()
        v._n = next_number()
        return v


SHAPES = {np.shape, np.ndim, np.size, np.array2string, np.array_repr, np.array_str, np.result_type,
          np.may_share_memory, np.shares_memory}  # fmt: skip
"""Plain functions whose answer does not depend on the numbers."""


def _same(a: Any, b: Any) -> bool:
    """Compare owners and keys: Values and dicts by identity, as == of Values is an op."""
    return a is b or (isinstance(a, (str, int, tuple)) and type(a) is type(b) and bool(a == b))


def _settings_by_name(function: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Return arguments with the axis and the like, after the arrays, given by name."""
    count = 1 + max(
        (i for i, a in enumerate(args) if isinstance(a, (Value, np.ndarray))), default=-1
    )
    if isinstance(function, np.ufunc) or count == len(args):
        return args, kwargs
    try:
        parameters = list(inspect.signature(function).parameters.values())[count:]
    except ValueError:  # some of NumPy's functions tell nobody how they are called
        return args, kwargs
    if any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters[: len(args) - count]):
        return args, kwargs
    names = (p.name for p in parameters)
    return args[:count], {**dict(zip(names, args[count:], strict=False)), **kwargs}


def _holds_values(x: Any) -> bool:
    return isinstance(x, tuple) and any(isinstance(item, Value) for item in x)


def _is_traced(data: Any) -> bool:
    if isinstance(data, np.ndarray):
        return data.dtype.kind in "fiu"
    return isinstance(data, (int, float, np.number)) and not isinstance(data, bool)


def _like(g: Any, v: Value) -> Any:
    """Return an adjoint in the shape and dtype of its Value."""
    if type(v._data) is float:
        return float(g)
    return np.broadcast_to(np.asarray(g, v._data.dtype), v._data.shape)
