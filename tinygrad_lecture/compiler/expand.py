"""Pass 2b, expand: rows of arrays that are made of several NumPy calls, written out as such.

A row of the op table knows its value as one function that makes its own temporaries.  Written
out, the parts find their place in planned memory, and what forward and backward pass have in
common (the exponentials of a softmax) is computed once.  Rows that are not named here run as
the engine runs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .program import FLOAT, Program, Slot

__all__ = ["expand"]

INTEGER = np.dtype(np.intp)


def expand(program: Program) -> Program:
    """Return the program with composite rows of arrays written out."""
    if not any(program.shape) or not any(_concerns(program, i) for i in range(len(program))):
        return program
    _masks_as_numbers(program)
    writer = _Writer(program)
    for i in range(len(program)):
        writer.row(i)
    writer.new.outputs = [writer.where[i] for i in program.outputs]
    return writer.new


def _masks_as_numbers(program: Program) -> None:
    """Let comparisons that are only multiplied with give 0.0 and 1.0: booleans are slow factors."""
    wanted: dict[int, Any] = {}
    for i, (op, args) in enumerate(zip(program.op, program.args, strict=True)):
        for a in args:
            if program.dtype[a].kind == "b":
                dtype = program.dtype[i] if op == "multiply" and not program.params[i] else None
                wanted[a] = dtype if wanted.get(a, dtype) == dtype else None
    for a in program.outputs:
        wanted[a] = None
    for a, dtype in wanted.items():
        if dtype is not None and dtype.kind == "f" and program.op[a] in COMPARISONS:
            program.dtype[a] = dtype


COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}


def _concerns(program: Program, i: int) -> bool:
    """Whether a row is of arrays, and of a kind that is written out."""
    args = program.args[i]
    if not args or (program.op[i] not in RULES and program.dtype[args[0]] == FLOAT):
        return False
    return bool(program.shape[i]) or any(program.shape[a] for a in args)


class _Writer:
    """The program under way; `where` has the new row of each old one."""

    def __init__(self, old: Program) -> None:
        self.old, self.new = old, Program()
        self.where: list[int] = []
        self.casts: dict[tuple[int, Any], int] = {}
        self.constants: dict[Any, int] = {}

    def emit(
        self, op: str, *args: int, shape: Any, dtype: Any = FLOAT, note: str = "", **params: Any
    ) -> int:
        """Append a row."""
        if op == "reshape":
            params["shape"] = tuple(shape)
        return self.new.add(op, args, params, tuple(shape), np.dtype(dtype), 1, note)

    def constant(self, x: Any, dtype: Any = FLOAT) -> int:
        """Append a constant."""
        x = float(x) if np.ndim(x) == 0 else np.asarray(x, dtype)
        key = x if type(x) is float else (x.dtype, x.shape, x.tobytes())
        if key not in self.constants:
            kind = FLOAT if type(x) is float else x.dtype
            self.constants[key] = self.new.add("const", (), {"value": x}, np.shape(x), kind, 0)
        return self.constants[key]

    def row(self, i: int) -> None:
        """Write one old row."""
        old, where = self.old, self.where
        name, ids = old.op[i], old.args[i]
        if not ids:
            where.append(self.new.copy_row(old, i, ()))
            return
        args = tuple([where[a] for a in ids])
        shapes = old.shape
        if shapes[i] == () and not any(shapes[a] for a in ids):
            where.append(self.new.copy_row(old, i, args))
            return
        rule = RULES.get(name)
        empty = 0 in shapes[i] or any(0 in shapes[a] for a in ids)
        if rule is not None and not empty:
            params = {k: v for k, v in old.params[i].items() if k != "_row"}
            written = rule(self, i, args, **params)
            if written is not None:
                where.append(written)
                return
        if not old.params[i]:
            args = self._cast(args, old.dtype[i])
        where.append(self.new.copy_row(old, i, args))

    def _cast(self, args: tuple[int, ...], dtype: Any) -> tuple[int, ...]:
        """Cast computed scalars to the dtype of the arrays that they meet, as floats are."""
        if dtype.kind != "f" or dtype == FLOAT:
            return args
        new, cast = self.new, []
        for a in args:
            if new.shape[a] == () and new.op[a] != "const" and new.dtype[a] != dtype:
                if (a, dtype) not in self.casts:
                    self.casts[a, dtype] = self.emit("cast", a, shape=(), dtype=dtype)
                a = self.casts[a, dtype]
            cast.append(a)
        return tuple(cast)

    def like(self, i: int, op: str, *args: int) -> int:
        """Append a row of the shape and dtype of old row `i`."""
        return self.emit(op, *args, shape=self.old.shape[i], dtype=self.old.dtype[i])


Rule = Callable[..., int | None]


def _kept(shape: Any, axis: Any) -> tuple[int, ...]:
    return tuple(1 if k in axis else n for k, n in enumerate(shape))


def _mean(w: _Writer, i: int, args: Any, axis: Any, keepdims: bool) -> int:
    (x,) = args
    n = math.prod(w.new.shape[x][k] for k in axis)
    total = _sum(w, w.old.shape[i], args, axis, keepdims)
    if total is None:
        total = w.emit(
            "sum", x, shape=w.old.shape[i], dtype=w.old.dtype[i], axis=axis, keepdims=keepdims
        )
    return w.like(i, "multiply", total, w.constant(1.0 / n))


def _sum(w: _Writer, out: tuple[int, ...], args: Any, axis: Any, keepdims: bool) -> int | None:
    """Add up the rows or columns of a matrix as a product with ones, which is faster."""
    (x,) = args
    if w.new.op[x] == "negative":
        total = _reduced(w, "sum", w.new.args[x][0], axis)
        total = w.emit("negative", total, shape=w.new.shape[total], dtype=w.new.dtype[total])
        return w.emit("reshape", total, shape=out, dtype=w.new.dtype[total])
    shape, dtype = w.new.shape[x], w.new.dtype[x]
    if len(shape) != 2 or len(axis) != 1 or dtype.kind != "f" or dtype.itemsize < 4:
        return None
    n = shape[axis[0]]
    if not 8 <= n <= 4096:
        return None
    if axis == (0,):
        ones = w.constant(np.ones((1, n), dtype), dtype)
        total = w.emit("matmul", ones, x, shape=(1, shape[1]), dtype=dtype)
    else:
        ones = w.constant(np.ones((n, 1), dtype), dtype)
        total = w.emit("matmul", x, ones, shape=(shape[0], 1), dtype=dtype)
    if keepdims:
        return total
    return w.emit("reshape", total, shape=out, dtype=dtype)


def _max(w: _Writer, out: tuple[int, ...], args: Any, axis: Any, keepdims: bool) -> int | None:
    """Go along short rows of a matrix by columns: NumPy is slow at many short rows."""
    (x,) = args
    shape, dtype = w.new.shape[x], w.new.dtype[x]
    if len(shape) != 2 or axis != (1,) or not 2 <= shape[1] <= 32 or shape[0] < 16:
        return None
    flipped = w.emit("transpose", x, shape=shape[::-1], dtype=dtype, axes=(1, 0))
    copied = w.emit("copy", flipped, shape=shape[::-1], dtype=dtype)
    top = w.emit("max", copied, shape=shape[:1], dtype=dtype, axis=(0,), keepdims=False)
    return w.emit("reshape", top, shape=out, dtype=dtype)


def _linear(w: _Writer, i: int, args: Any) -> int:
    x, weight, *bias = args
    shape, dtype = w.new.shape[weight], w.new.dtype[weight]
    flipped = w.emit("transpose", weight, shape=shape[::-1], dtype=dtype, axes=(1, 0))
    out = w.like(i, "matmul", x, flipped)
    return w.like(i, "add", out, *bias) if bias else out


def _relu(w: _Writer, i: int, args: Any) -> int:
    return w.like(i, "maximum", args[0], w.constant(0.0))


def _square(w: _Writer, i: int, args: Any) -> int:
    return w.like(i, "multiply", args[0], args[0])


def _power(w: _Writer, i: int, args: Any) -> int | None:
    x, y = args
    if w.new.op[y] != "const" or w.new.shape[y] != () or w.new.shape[x] != w.old.shape[i]:
        return None
    exponent = w.new.params[y]["value"]
    if exponent == 1.0:
        return int(x)
    if exponent == 0.5:
        return w.like(i, "sqrt", x)
    if exponent == -1.0:
        return w.like(i, "reciprocal", x)
    if exponent in (2.0, 3.0, 4.0):
        squared = w.like(i, "multiply", x, x)
        if exponent == 2.0:
            return squared
        return w.like(i, "multiply", squared, x if exponent == 3.0 else squared)
    return None


def _multiply(w: _Writer, i: int, args: Any) -> int | None:
    """Let a constant factor go to the smaller operand."""
    new, shape = w.new, w.old.shape[i]
    for small, big in (args, args[::-1]):
        if new.op[big] == "multiply" and math.prod(new.shape[small]) < math.prod(shape):
            for c, x in (new.args[big], new.args[big][::-1]):
                if new.op[c] == "const" and new.shape[c] == () and new.shape[x] == shape:
                    if new.op[small] == "const":
                        return None
                    scaled = w.emit(
                        "multiply", small, c, shape=new.shape[small], dtype=new.dtype[small]
                    )
                    return w.like(i, "multiply", x, scaled)
    return None


def _divide(w: _Writer, i: int, args: Any) -> int | None:
    x, y = args
    if w.new.op[y] == "const" and w.new.shape[y] == () and w.new.shape[x] == w.old.shape[i]:
        inverse = w.new.params[y]["value"]
        if inverse and math.isfinite(1.0 / inverse) and abs(inverse) > 1e-300:
            return w.like(i, "multiply", x, w.constant(1.0 / inverse))
    return None


def _reduced(w: _Writer, op: str, x: int, axis: Any) -> int:
    """Append a reduction that keeps its axes, in its fastest form."""
    shape, dtype = w.new.shape[x], w.new.dtype[x]
    kept = _kept(shape, axis)
    rule = _sum if op == "sum" else _max
    written = rule(w, kept, (x,), axis, True)
    if written is not None:
        return written
    return w.emit(op, x, shape=kept, dtype=dtype, axis=axis, keepdims=True)


def _exponentials(w: _Writer, x: int, axis: Any) -> tuple[int, int, int]:
    """Return x - max x, its exponential, and the sum of that, along axes that are kept."""
    shape, dtype = w.new.shape[x], w.new.dtype[x]
    top = _reduced(w, "max", x, axis)
    shifted = w.emit("subtract", x, top, shape=shape, dtype=dtype)
    e = w.emit("exp", shifted, shape=shape, dtype=dtype)
    return shifted, e, _reduced(w, "sum", e, axis)


def _softmax(w: _Writer, i: int, args: Any, axis: Any) -> int:
    _, e, total = _exponentials(w, args[0], axis)
    return w.like(i, "divide", e, total)


def _log_softmax(w: _Writer, i: int, args: Any, axis: Any) -> int:
    shifted, _, total = _exponentials(w, args[0], axis)
    log = w.emit("log", total, shape=w.new.shape[total], dtype=w.new.dtype[total])
    return w.like(i, "subtract", shifted, log)


def _cross_entropy(w: _Writer, i: int, args: Any, labels: Any) -> int:
    shifted, _, total = _exponentials(w, args[0], (1,))
    n, c = w.new.shape[args[0]]
    log = w.emit("log", total, shape=(n, 1), dtype=w.old.dtype[i])
    flat = w.emit("reshape", log, shape=(n,), dtype=w.old.dtype[i])
    index = _flat_index(w, labels, args, n, c)
    own = w.emit("pick", shifted, index, shape=(n,), dtype=w.old.dtype[i])
    return w.like(i, "subtract", flat, own)


def _flat_index(w: _Writer, labels: Any, args: Any, n: int, c: int) -> int:
    """Return the row of row·C + label; labels that are an input are checked at each run."""
    if type(labels) is not Slot:
        return w.constant(np.arange(n) * c + np.asarray(labels), INTEGER)
    return w.emit("label_index", args[labels.position], shape=(n,), dtype=INTEGER, classes=c)


def _at_add(w: _Writer, i: int, args: Any, index: Any) -> int | None:
    """softmax - onehot, the one in-place write that training steps make."""
    x, value, *_ = args
    if not (type(index) is tuple and len(index) == 2 and w.new.shape[value] == ()):
        return None
    rows, labels = index
    shape = w.old.shape[i]
    if len(shape) != 2 or not isinstance(rows, np.ndarray) or w.new.op[value] != "const":
        return None
    if not np.array_equal(rows, np.arange(shape[0])):
        return None
    if type(labels) is not Slot and np.ndim(labels) != 1:
        return None
    flat = _flat_index(w, labels, args, *shape)
    amount = w.new.params[value]["value"]
    return w.emit(
        "add_at", x, flat, shape=shape, dtype=w.old.dtype[i], amount=amount,
    )  # fmt: skip


def _astype(w: _Writer, i: int, args: Any, dtype: Any) -> int:
    return w.like(i, "cast", args[0])


def _where(w: _Writer, i: int, args: Any, condition: Any) -> int:
    x, y, *_ = args
    if type(condition) is Slot:
        c = args[condition.position]
    else:
        c = w.constant(np.asarray(condition, bool), bool)
        if w.new.shape[c] == ():
            chosen = x if condition else y
            if w.new.shape[chosen] == w.old.shape[i] and w.new.dtype[chosen] == w.old.dtype[i]:
                return int(chosen)
    return w.like(i, "where", x, y, c)


RULES: dict[str, Rule] = {
    "sum": lambda w, i, args, **params: _sum(w, w.old.shape[i], args, **params),
    "max": lambda w, i, args, **params: _max(w, w.old.shape[i], args, **params),
    "mean": _mean,
    "linear": _linear,
    "relu": _relu,
    "square": _square,
    "power": _power,
    "multiply": _multiply,
    "divide": _divide,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "softmax_cross_entropy": _cross_entropy,
    "at_add": _at_add,
    "astype": _astype,
    "where": _where,
}
