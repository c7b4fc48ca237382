"""Pass 2, simplify: constants, x·1, x + 0, the same thing computed twice, and what nobody reads.

Nothing is simplified that changes a result: 0·x stays, since x may be inf.  With `exact`, x + 0
stays as well, since it turns -0 into 0.  Without it, 1·x of scalars is left to `lift`, for which
it is a coefficient like others: data that happen to be 1 must not make an op look irregular.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .program import Ints, Operands, Program

__all__ = ["drop_unused", "simplify"]

COMMUTE = {"add", "multiply", "maximum", "minimum", "hypot", "equal", "not_equal"}
TURNED = {
    "less": "greater", "less_equal": "greater_equal", "greater": "less",
    "greater_equal": "less_equal",
}  # fmt: skip
SAME = {"identity", "reshape", "broadcast_to", "astype", "transpose"}
RULED = (
    "add", "subtract", "multiply", "divide", "power", "square", "sqrt", *TURNED,
)  # fmt: skip
ADD, SUBTRACT, MULTIPLY = range(3)
EITHER = {ADD, MULTIPLY}
OTHER = -1


def simplify(
    program: Program, values: NDArray[np.float64] | None = None, *, exact: bool = False
) -> Program:
    """Return a simpler program.

    Where `values` of the scalar ops at some inputs are given, only those are compared that agree
    there: what is computed twice comes out twice.
    """
    op, params = program.op, program.params
    n = len(op)
    args = program.args = Operands.of(program.args)
    first, second = args.first, args.second
    plain = np.array([not s and not p for s, p in zip(program.shape, params, strict=True)], bool)
    scalar = plain & (first >= 0)  # of which there may be very many
    scalar[list(args.more)] = False
    names, code = program.codes(RULED)
    alias = _rules(program, scalar, names, code, exact)
    same = np.arange(n + 1)
    same[:n][alias >= 0] = alias[alias >= 0]
    while (same[same] != same).any():
        same = same[same]
    first, second = same[first], np.where(second < 0, n, same[second])
    alone = np.zeros(n, bool) if exact else _partial_sums(args, code < 2, program.outputs)
    single = scalar & (alias < 0) & ~alone
    if values is not None:
        single &= _repeated(values, args, code, names)
    todo = np.flatnonzero(single | (~scalar & (args.first >= 0)))
    code[~scalar] = OTHER
    rep = list(range(n + 1))
    found: dict[Any, int] = {}
    known = found.setdefault
    columns = (todo, first[todo], second[todo], code[todo])
    for i, a, b, kind in zip(*(column.tolist() for column in columns), strict=True):
        if kind == OTHER:
            args[i] = ids = tuple([rep[same[a]] for a in args[i]])
            row = _same(program, i, op[i], ids, exact)
            if row is None:
                other = _key(op[i], ids, params[i])
                row = i if other is None else known(other, i)
        else:
            a, b = rep[a], rep[b]
            if a > b and kind in EITHER:
                a, b = b, a
            row = known((a * n + b) * 256 + kind, i)
        if row != i:
            rep[i] = row
    new = np.array(rep)[same] if todo.size else same
    chosen = np.flatnonzero(scalar)
    args.first[chosen] = new[args.first[chosen]]
    args.second[chosen] = np.where(args.second[chosen] < 0, -1, new[args.second[chosen]])
    program.outputs = new[program.outputs].tolist() if program.outputs else []
    return drop_unused(program)


def _rules(program: Program, scalar: Any, names: dict[str, int], code: Ints, exact: bool) -> Ints:
    """Apply what follows from constant operands of scalar ops; return which row one repeats."""
    op, first, second = program.op, program.args.first, program.args.second
    value = np.full(len(op) + 1, np.nan)  # the last one is of no operand
    for i in [i for i, name in enumerate(op) if name == "const" and program.shape[i] == ()]:
        value[i] = program.params[i]["value"]
    left, right = value[first], value[second]

    def rows(name: str, mask: Any = True) -> Ints:
        return np.flatnonzero(scalar & (code == names[name]) & mask)

    alias = np.full(len(op), -1)
    rules = [("subtract", right, 0.0, first), ("divide", right, 1.0, first)]
    if exact:
        rules += [("multiply", right, 1.0, first), ("multiply", left, 1.0, second)]
    else:
        rules += [("add", right, 0.0, first), ("add", left, 0.0, second)]
        rules += [("power", right, 1.0, first)]
    for name, constant, neutral, other in rules:
        chosen = rows(name, constant == neutral)
        alias[chosen] = other[chosen]

    def rename(chosen: Ints, new: str, x: Ints, y: Any) -> None:
        first[chosen], second[chosen] = x[chosen], y if type(y) is int else y[chosen]
        code[chosen] = names[new]
        for i in chosen.tolist():
            op[i] = new

    for name, turned in TURNED.items():  # x > y and y < x are the same question
        rename(rows(name, first > second), turned, second, first)
    if not exact:
        rename(rows("power", right == 0.5), "sqrt", first, -1)
        rename(rows("power", right == 2.0), "multiply", first, first)
        rename(rows("square"), "multiply", first, first)
    return alias


def _repeated(values: NDArray[np.float64], args: Operands, code: Ints, names: Any) -> Any:
    """Tell which rows have a value that others have, too (and, seldom, one that is like it)."""
    values, first = values.copy(), args.first
    squares = np.flatnonzero((code == names["multiply"]) & (first == args.second))
    roots = np.flatnonzero(code == names["sqrt"])
    with np.errstate(all="ignore"):  # of these, some were written as powers
        values[squares] = np.square(values[first[squares]])
        values[roots] = np.sqrt(values[first[roots]])
    bucket = (values.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(44)).astype(int)
    return (np.bincount(bucket) > 1)[bucket]


def _partial_sums(args: Operands, adding: Any, outputs: list[int]) -> Any:
    """Tell which scalar additions only feed one other addition.

    These are left alone: where data repeat, two sums may begin alike, and with a common beginning
    they would no longer look like the others of their kind.
    """
    summed = np.zeros(len(args) + 1, bool)
    summed[args.first[adding]] = summed[args.second[adding]] = True
    return adding & (args.uses(outputs) == 1) & summed[:-1]


def _same(program: Program, i: int, name: str, ids: tuple[int, ...], exact: bool) -> int | None:
    """Return the row that row `i`, of or with arrays, would only repeat."""
    params, shape, dtype = program.params[i], program.shape[i], program.dtype[i]

    def like(j: int) -> bool:
        return program.shape[j] == shape and program.dtype[j] == dtype

    def is_constant(j: int, value: float) -> bool:
        return program.op[j] == "const" and bool(np.all(program.params[j]["value"] == value))

    if name in ("multiply", "add", "subtract", "divide"):
        neutral = 1.0 if name in ("multiply", "divide") else 0.0
        if exact and (not neutral or len(shape) > 1):
            return None  # how the elements lie, which settles the order of sums, may change too
        pairs = (ids, ids[::-1]) if name in ("multiply", "add") else (ids,)
        for other, one in pairs:
            if like(other) and is_constant(one, neutral):
                return other
    elif name in SAME:
        if name == "transpose" and list(params["axes"]) != sorted(params["axes"]):
            return None
        if like(ids[0]):
            return ids[0]
    elif name == "sum" and like(ids[0]) and not params["axis"]:
        return ids[0]
    return None


def _key(name: str, ids: tuple[int, ...], params: dict[str, Any]) -> Any:
    """Return what two rows that compute the same thing have in common; None if not known."""
    if not params:
        if name in COMMUTE and len(ids) == 2 and ids[0] > ids[1]:
            return name, ids[1], ids[0]
        return name, *ids
    frozen = _frozen(params)
    return None if frozen is None else (name, ids, frozen)


def _frozen(x: Any) -> Any:
    if isinstance(x, dict):
        items = [(k, _frozen(v)) for k, v in x.items() if k != "_row"]
        return None if any(v is None for _, v in items) else tuple(items)
    if type(x) in (tuple, list):
        parts = [_frozen(v) for v in x]
        return None if any(v is None for v in parts) else tuple(parts)
    if isinstance(x, np.ndarray):
        return ("array", x.dtype.str, x.shape, x.tobytes()) if x.size < 10_000 else None
    if isinstance(x, slice):
        return "slice", x.start or "0", x.stop or "end", x.step or "1"
    if x is None:
        return "none"
    try:
        hash(x)
    except TypeError:
        return None
    return type(x).__name__, x


def drop_unused(program: Program) -> Program:
    """Return the program without rows that no output needs."""
    args = Operands.of(program.args)
    uses, used = args.uses(program.outputs), np.ones(len(args), bool)
    unread = np.flatnonzero(uses == 0)
    while unread.size:
        used[unread] = False
        read = [args.first[unread], args.second[unread]]
        read += [np.array(args.more[i][2:]) for i in unread.tolist() if i in args.more]
        rows, times = np.unique(np.concatenate(read), return_counts=True)
        uses[rows[rows >= 0]] -= times[rows >= 0]
        unread = rows[(rows >= 0) & (uses[rows] == 0)]
    kept = np.flatnonzero(used)
    where = np.full(len(program) + 1, -1)
    where[kept] = np.arange(len(kept))
    new = program.only(kept.tolist(), args.moved(kept, where))
    new.outputs = where[program.outputs].tolist() if program.outputs else []
    return new
