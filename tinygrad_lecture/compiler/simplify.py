"""Pass 2, simplify: constants, x·1, x + 0, the same thing computed twice, and what nobody reads.

Nothing is simplified that changes a result: 0·x stays, since x may be inf.  With `exact`, x + 0
stays as well, since it turns -0 into 0.  Without it, 1·x of scalars is left to `lift`, for which
it is a coefficient like others: data that happen to be 1 must not make an op look irregular.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program

__all__ = ["drop_unused", "simplify"]

COMMUTE = {"add", "multiply", "maximum", "minimum", "hypot", "equal", "not_equal"}
TURNED = {
    "less": "greater", "less_equal": "greater_equal", "greater": "less",
    "greater_equal": "less_equal",
}  # fmt: skip
SAME = {"identity", "reshape", "broadcast_to", "astype", "transpose"}


def simplify(program: Program, *, exact: bool = False) -> tuple[Program, list[int]]:
    """Return a simpler program, and the new row of each old one."""
    found: dict[Any, int] = {}
    op, args, params, shape = program.op, program.args, program.params, program.shape
    rep = list(range(len(op)))
    zeros, ones, powers = _constants(program)
    partial = [False] * len(op) if exact else _partial_sums(program)
    for i, name in enumerate(op):
        ids = args[i]
        if not ids:
            continue
        if len(ids) == 2:
            a, b = rep[ids[0]], rep[ids[1]]
            if params[i] or shape[i]:
                ids = (a, b)
            else:  # a scalar op, of which there may be very many
                if name == "multiply":
                    if exact and (a in ones or b in ones):
                        rep[i] = b if a in ones else a
                        continue
                    ids = (a, b) if a < b else (b, a)
                elif name == "add":
                    if (a in zeros or b in zeros) and not exact:
                        rep[i] = b if a in zeros else a
                        continue
                    ids = (a, b) if a < b else (b, a)
                elif name == "power" and not exact and b in powers:
                    exponent = powers[b]
                    if exponent == 1.0:
                        rep[i] = a
                        continue
                    op[i] = name = "multiply" if exponent == 2.0 else "sqrt"
                    args[i] = ids = (a, a) if exponent == 2.0 else (a,)
                    rep[i] = found.setdefault((name, *ids) if exponent != 2.0 else (name, ids), i)
                    continue
                elif name in TURNED and a > b:  # x > y and y < x are the same question
                    op[i] = name = TURNED[name]
                    a, b = b, a
                    ids = (a, b)
                else:
                    ids = (a, b)
                    if (name == "subtract" and b in zeros) or (name == "divide" and b in ones):
                        rep[i] = a
                        continue
                args[i] = (a, b)
                if not partial[i]:
                    rep[i] = found.setdefault((name, ids), i)
                continue
        elif name == "square" and not exact and not shape[i]:
            a = rep[ids[0]]
            op[i], args[i] = "multiply", (a, a)
            rep[i] = found.setdefault(("multiply", (a, a)), i)
            continue
        else:
            ids = tuple([rep[a] for a in ids])
        args[i] = ids
        if shape[i] or params[i]:
            same = _same(program, i, name, ids, exact)
            if same is not None:
                rep[i] = same
                continue
        key = _key(name, ids, params[i])
        if key is not None:
            rep[i] = found.setdefault(key, i)
    program.outputs = [rep[i] for i in program.outputs]
    kept, position = drop_unused(program)
    return kept, [position[j] for j in rep]


def _partial_sums(program: Program) -> list[bool]:
    """Tell which scalar additions only feed one other addition.

    These are left alone: where data repeat, two sums may begin alike, and with a common beginning
    they would no longer look like the others of their kind.
    """
    op = program.op
    uses = [0] * len(op)
    summed = [False] * len(op)
    for name, ids in zip(op, program.args, strict=True):
        adding = name == "add" or name == "subtract"
        for a in ids:
            uses[a] += 1
            summed[a] = adding
    for i in program.outputs:
        uses[i] += 2
    return [
        n == 1 and inner and (name == "add" or name == "subtract")
        for n, inner, name in zip(uses, summed, op, strict=True)
    ]


def _constants(program: Program) -> tuple[set[int], set[int], dict[int, float]]:
    """Return the rows of the scalar constants 0 and 1, and of exponents that are simple."""
    zeros, ones, powers = set(), set(), {}
    for i, name in enumerate(program.op):
        if name == "const" and program.shape[i] == ():
            value = program.params[i]["value"]
            if value == 0.0:
                zeros.add(i)
            elif value == 1.0:
                ones.add(i)
            if value in (0.5, 1.0, 2.0):
                powers[i] = value
    return zeros, ones, powers


def _same(program: Program, i: int, name: str, ids: tuple[int, ...], exact: bool) -> int | None:
    """Return the row that row `i`, of or with arrays, would only repeat."""
    params, shape, dtype = program.params[i], program.shape[i], program.dtype[i]

    def like(j: int) -> bool:
        return program.shape[j] == shape and program.dtype[j] == dtype

    def is_constant(j: int, value: float) -> bool:
        return program.op[j] == "const" and bool(np.all(program.params[j]["value"] == value))

    if name in ("multiply", "add", "subtract", "divide"):
        neutral = 1.0 if name in ("multiply", "divide") else 0.0
        if exact and not neutral:
            return None
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


def drop_unused(program: Program) -> tuple[Program, list[int]]:
    """Return the program without rows that no output needs, and the new row of each old one."""
    used = [False] * len(program)
    for i in program.outputs:
        used[i] = True
    args = program.args
    for i in range(len(program) - 1, -1, -1):
        if used[i]:
            for a in args[i]:
                used[a] = True
    kept = [i for i, keep in enumerate(used) if keep]
    where = [-1] * len(program)
    for j, i in enumerate(kept):
        where[i] = j
    new = program.only(kept, [tuple([where[a] for a in args[i]]) for i in kept])
    new.outputs = [where[i] for i in program.outputs]
    return new, where
