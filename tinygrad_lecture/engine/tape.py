"""`Tape`: the linear record (Wengert list) behind one or more outputs, to read and step through."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import nest, sweep
from .value import Value, raw, seed_of


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a tape.

    Attributes
    ----------
    number : int
        Position on the tape, from 0.
    op : str
        Name of the op, or "leaf".
    inputs : tuple
        Positions of the tracked operands as ints; constants as ``(value,)``.
    primal, adjoint : float, ndarray or None
        The adjoint is None if no backward pass has reached the entry.
    derivatives : tuple
        Local derivative per operand: a number or array for elementwise ops; for other ops the
        rule as text; None for a constant operand.
    name : str or None
    params : dict
        Axis, shape, index and the like.
    value : Value
    """

    number: int
    op: str
    inputs: tuple[Any, ...]
    primal: Any
    derivatives: tuple[Any, ...]
    adjoint: Any
    name: str | None
    params: dict[str, Any]
    value: Value


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a backward pass: one adjoint times one local derivative.

    Attributes
    ----------
    entry : Entry
        The op that is being differentiated.
    incoming : float or ndarray
        Its adjoint, complete by now.
    operand : int
        Which operand receives.
    target : int
        The operand's position on the tape.
    derivative : float, ndarray or str
        Local derivative with respect to that operand.
    contribution, total : float or ndarray
        incoming × derivative, in the operand's shape, and the operand's sum so far.
    """

    entry: Entry
    incoming: Any
    operand: int
    target: int
    derivative: Any
    contribution: Any
    total: Any


class Tape:
    """The ops behind one or more outputs, in the order in which they ran.

    Parameters
    ----------
    outputs : Value, or nest of Values
        Plain numbers in the nest are allowed, and have no record.

    Raises
    ------
    TypeError
        If there is no Value among the outputs.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> w, x = tg.Value(3.0, name="w"), tg.Value(2.0, name="x")
    >>> out = (w * x).tanh()
    >>> out.backward()
    >>> print(tg.Tape(out))
    no  name  op        inputs  primal    local derivative  adjoint
     0  w     leaf              3                           4.91531e-05
     1  x     leaf              2                           7.37296e-05
     2        multiply  0, 1    6         2, 3              2.45765e-05
     3        tanh      2       0.999988  2.45765e-05       1
    """

    def __init__(self, outputs: Any) -> None:
        self.outputs = outputs
        self.roots = [o for o in nest.flatten(outputs)[0] if isinstance(o, Value)]
        if not self.roots:
            raise TypeError(
                f"outputs hold no Value, so there is no record: {type(outputs).__name__} came"
            )
        nodes = sweep.collect(self.roots)
        self._numbers = sorted(nodes)
        self.values = [nodes[n] for n in self._numbers]

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Entry]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Entry:
        v = self.values[i]
        inputs = tuple(
            self.position(a) if a in self else (raw(a),) for a in sweep.operands(v)
        )  # what carries no derivative, such as a mask, is not on the tape
        return Entry(
            self.position(v), "leaf" if v._op is None else v._op.name, inputs, v._data,
            _derivatives(v), None if v._grad is None else sweep.zero_filled(v), v.name,
            sweep.parameters(v), v,
        )  # fmt: skip

    def __contains__(self, v: object) -> bool:
        if not isinstance(v, Value):
            return False
        i = bisect_left(self._numbers, v._n)
        return i < len(self) and self._numbers[i] == v._n

    def position(self, v: Value) -> int:
        """Return where a Value stands on this tape.

        Raises
        ------
        KeyError
            If it is not behind the outputs.
        """
        i = bisect_left(self._numbers, v._n)
        if v not in self:
            raise KeyError(f"{v!r} is not on this tape")
        return i

    def __repr__(self) -> str:
        return f"<Tape of {len(self)} entries, {len(self.roots)} output(s)>"

    def __str__(self) -> str:
        return self.table()

    def table(self, limit: int | None = 40, digits: int = 6) -> str:
        """Return the tape as the lecture's table.

        Parameters
        ----------
        limit : int or None
            Show at most so many rows, from both ends; None shows all.
        digits : int
            Significant digits.
        """
        n = len(self)
        shown = (
            range(n)
            if limit is None or n <= limit
            else [*range(limit // 2), *range(n - limit + limit // 2, n)]
        )
        rows = [["no", "name", "op", "inputs", "primal", "local derivative", "adjoint"]]
        rows += [_cells(self[i], digits) for i in shown]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        widths = [0 if all(row[k] == "" for row in rows[1:]) else w for k, w in enumerate(widths)]
        lines = []
        for k, row in enumerate(rows):
            if k == 1 + len(shown) // 2 and len(shown) < n:
                lines.append(f"... {n - len(shown)} more ...")
            cells = [
                c.rjust(w) if i == 0 else c.ljust(w)
                for i, (c, w) in enumerate(zip(row, widths, strict=True))
                if w
            ]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def steps(self, seed: Any = None, into: Container[int] | None = None) -> Iterator[Step]:
        """Go through the backward pass step by step, without touching any ``.grad``.

        Parameters
        ----------
        seed : optional
            As in `Value.backward`; the tape has to have one output.
        into : container of int, optional
            Only the steps whose operand is at one of these positions.

        Yields
        ------
        Step
            From the last op to the first; for each, one step per tracked operand.

        Examples
        --------
        >>> import tinygrad_lecture as tg
        >>> x = tg.Value(3.0)
        >>> for s in tg.Tape(x * x).steps():
        ...     print(s.incoming, "*", s.derivative, "=", s.contribution, "sum", s.total)
        1.0 * 3.0 = 3.0 sum 3.0
        1.0 * 3.0 = 3.0 sum 6.0
        """
        if len(self.roots) != 1:
            raise ValueError(f"steps go back from one output, and this tape has {len(self.roots)}")
        (root,) = self.roots
        totals: dict[int, Any] = {root._n: seed_of(root, seed)}
        for i in reversed(range(len(self))):
            v = self.values[i]
            if v._op is None or v._n not in totals:
                continue
            g, entry = totals[v._n], None
            for k, a in sweep.tracked(v):
                with np.errstate(all="ignore"):
                    c = sweep.contribution(v, k, g)
                total = totals[a._n] = totals[a._n] + c if a._n in totals else c
                to = self.position(a)
                if into is None or to in into:
                    entry = entry or self[i]
                    yield Step(entry, g, k, to, entry.derivatives[k], c, total)

    def replay(self, inputs: Mapping[Any, Any] | None = None) -> Any:
        """Run the ops again, one by one, with other data at the leaves.

        This follows the recorded path: a comparison that Python made while recording, and the
        condition of a `where`, are not on the tape and stay as they came out then.

        Parameters
        ----------
        inputs : mapping, optional
            From leaf (a Value, its position, or its name) to new data of the same shape.
            Complex data are allowed if every op that they reach is analytic.

        Returns
        -------
        nest
            Raw outputs, in the nest of the outputs.

        Raises
        ------
        KeyError, ValueError, TypeError
            If a key is no leaf of this tape, a shape differs, or an op takes no complex data.

        Examples
        --------
        >>> import tinygrad_lecture as tg
        >>> x = tg.Value(3.0, name="x")
        >>> tg.Tape(x * x).replay({"x": 5.0})
        25.0
        """
        data: dict[int, Any] = {}
        for key, new in (inputs or {}).items():
            v = self._leaf(key)
            if np.shape(new) != v.shape:
                raise ValueError(
                    f"inputs[{key!r}] has shape {np.shape(new)}; the leaf has {v.shape}"
                )
            data[v._n] = new if np.ndim(new) == 0 else np.asarray(new)
        for v in self.values:
            if v._n in data:
                continue
            if v._op is None:
                data[v._n] = v._data
                continue
            args = [data[a._n] if isinstance(a, Value) else raw(a) for a in sweep.operands(v)]
            kinds = [np.iscomplexobj(a) for a in args]
            if any(kinds) and not v._op.analytic:
                raise TypeError(f"{v._op.name} is not analytic, so it takes no complex data")
            out = v._op.run(args, sweep.parameters(v))
            if np.ndim(out) == 0:
                out = complex(out) if np.iscomplexobj(out) else float(out)
            data[v._n] = out
        return nest.nest_map(lambda o: data[o._n] if isinstance(o, Value) else o, self.outputs)

    def _leaf(self, key: Any) -> Value:
        if isinstance(key, Value):
            v = self.values[self.position(key)]
        elif isinstance(key, str):
            named = [v for v in self.values if v.name == key]
            if len(named) != 1:
                raise KeyError(f"{len(named)} values on this tape are named {key!r}")
            v = named[0]
        else:
            v = self.values[key]
        if v._op is not None:
            raise KeyError(f"{key!r} is the result of {v._op.name}; only leaves take new data")
        return v

    def to_json(self) -> str:
        """Return the tape as JSON text: a list of entries, arrays as nested lists."""
        import json  # only when asked for: importing the package stays cheap

        return json.dumps(
            {
                "outputs": [self.position(r) for r in self.roots],
                "entries": [
                    {
                        "number": e.number, "name": e.name, "op": e.op,
                        "inputs": [
                            i if isinstance(i, int) else {"constant": _plain(*i)} for i in e.inputs
                        ],
                        "params": {k: _plain(p) for k, p in e.params.items()},
                        "shape": list(np.shape(e.primal)), "primal": _plain(e.primal),
                        "derivatives": [_plain(d) for d in e.derivatives],
                        "adjoint": _plain(e.adjoint),
                    }
                    for e in self
                ],
            }
        )  # fmt: skip

    def stats(self) -> dict[str, Any]:
        """Return counts: entries, leaves, bytes held by the record, entries per op."""
        ops = Counter("leaf" if v._op is None else v._op.name for v in self.values)
        return {
            "entries": len(self),
            "leaves": ops.pop("leaf", 0),
            "bytes": sum(_bytes(v) for v in self.values),
            "ops": dict(ops.most_common()),
        }

    def verify(self) -> None:
        """Check that the record is sound; it always is, unless an op's rule is wrong.

        Raises
        ------
        AssertionError
            If an operand is not recorded before its use, a number occurs twice, an op has the
            wrong number of operands, a shape is inconsistent, or running an op again on the
            operands that it saw does not give its primal.
        """
        seen: set[int] = set()
        for v in self.values:
            for _, a in sweep.tracked(v):
                if a._n not in seen:
                    raise AssertionError(f"operand {a._n} of {v._op} is not defined before its use")
            if v._n in seen:
                raise AssertionError(f"number {v._n} is assigned twice")
            seen.add(v._n)
            if v._op is None:
                continue
            args = sweep.operands(v)
            if v._op.arity not in (-1, len(args)):
                raise AssertionError(f"{v._op} has {len(args)} operands, not {v._op.arity}")
            if any(isinstance(a, Value) and a._op is None and (a._p or -1) > v._n for a in args):
                continue  # a rebound leaf: what the op saw is gone
            with np.errstate(all="ignore"):
                again = v._op.run([raw(a) for a in args], sweep.parameters(v))
            if np.shape(again) != v.shape or not np.allclose(
                again, v._data, 1e-12, 1e-300, equal_nan=True
            ):
                raise AssertionError(f"{v._op} number {v._n} does not give its primal again")


def _derivatives(v: Value) -> tuple[Any, ...]:
    """Return the local derivative per operand: numbers, arrays, or the rule as text."""
    if v._op is None:
        return ()
    found: list[Any] = [None] * len(sweep.operands(v))
    for slot, (i, _) in enumerate(sweep.tracked(v)):
        if type(v._p) is float:
            found[i] = v._p if slot == 0 else v._q
        elif v._op.kind == "elementwise":
            with np.errstate(all="ignore"):
                found[i] = raw(v._op.partials[i](v._data, *v._p, **v._b))
        else:
            found[i] = v._op.derivatives[0] if v._op.derivatives else f"{v._op.name}'s transpose"
    return tuple(found)


def _cells(e: Entry, digits: int) -> list[str]:
    def show(x: Any) -> str:
        if isinstance(x, str):
            return x
        if np.ndim(x) == 0:
            return f"{float(x):.{digits}g}"
        return f"<{'×'.join(map(str, np.shape(x)))}>"

    def operand(i: Any) -> str:
        if isinstance(i, int):
            return str(i)
        return show(i[0]) if np.ndim(i[0]) else f"const {show(i[0])}"  # no number of an entry

    inputs = ", ".join(map(operand, e.inputs))
    params = ", ".join(
        f"{k}={_short(p)}" for k, p in e.params.items() if p is not None and p is not False
    )
    local = ", ".join(show(d) for d in e.derivatives if d is not None)
    return [
        str(e.number), e.name or "", f"{e.op}({params})" if params else e.op, inputs,
        show(e.primal), local, "not computed" if e.adjoint is None else show(e.adjoint),
    ]  # fmt: skip


def _short(p: Any) -> str:
    return f"<{'×'.join(map(str, p.shape))}>" if isinstance(p, np.ndarray) else str(p)


def _plain(x: Any) -> Any:
    """Return numbers and arrays as JSON can hold them; inf and nan as text."""
    if isinstance(x, np.ndarray):
        return [_plain(item) for item in x.tolist()] if x.ndim else _plain(x.item())
    if isinstance(x, (tuple, list)):
        return [_plain(item) for item in x]
    if isinstance(x, float) and not np.isfinite(x):
        return str(x)
    return x if x is None or isinstance(x, (bool, int, float, str)) else str(x)


def _bytes(v: Value) -> int:
    """Bytes that a record adds: the object, its numbers, and arrays that it does not share."""
    held = sys.getsizeof(v) + sys.getsizeof(v._n) + sys.getsizeof(v._data)
    if type(v._p) is tuple:
        held += sum(sys.getsizeof(part) for part in (v._p, v._a, v._b, v._q))
    return held
