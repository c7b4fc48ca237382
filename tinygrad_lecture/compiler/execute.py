"""Pass 5, execute: the program as straight-line Python, one NumPy call per row.

What is printed by `source` is the same program, without the memory that was planned for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.ops import TABLE
from .blas import column_added
from .blocks import BLOCK, block_lines, elementwise_runs
from .borrow import Borrowed
from .memory import array_of, zeroed
from .numbers import Numbers
from .program import FLOAT, Gather, Program, Slot, View, rows_of, strides_of, whole
from .ufuncs import UFUNCS

__all__ = ["Executable"]

FEW_LABELS = 1024
LINE = 64
COLUMNS = 16_384  # elements of a matrix to which the library adds a column
ROW = 8192


class Executable:
    """A planned program with memory: `run` computes all rows from what lies in the inputs.

    Attributes
    ----------
    memories : dict of str to ndarray
        Flat memories by name.
    names : dict of str to object
        What the text of `run` refers to.
    early, late : list of str
        The text of `run`, and of `commit`.
    lent : ndarray or None
        The piece of memory in which lies what objects outside will hold.
    borrowed : dict of int to Borrowed
        Arguments that are not copied.
    calls_out : bool
        Whether it calls anything but NumPy: what may look at the running context.
    eager_errors : tuple of exception types
        What `run` raises where an eager call goes on.
    """

    eager_errors: tuple[type[Exception], ...] = (ArithmeticError,)

    def __init__(
        self,
        program: Program,
        guards: Sequence[tuple[Any, bool]] = (),
        by_factors: Sequence[int] = (),
        borrowed: Sequence[int] = (),
    ) -> None:
        self.program = program
        self.calls_out = False
        self.squares: dict[int, tuple[int, int]] = {}  # where the factors' squares are summed up
        self.sums: list[float] = [0.0] * (2 * len(by_factors))
        self.memories: dict[str, Any] = {}
        self.names: dict[str, Any] = {}
        self._known: dict[Any, str] = {}
        self._rows: dict[Any, Any] = {}
        self._views: dict[Any, Any] = {}
        self._operands: dict[Any, str] = {}
        self.starts = np.array([place.offset for place in program.place], np.int64)
        self._allocate(set(borrowed))
        self.borrowed = {
            i: Borrowed(
                program.params[i]["cell"].owner, program.shape[i], program.dtype[i], self.lent
            )
            for i in borrowed
        }
        asked: dict[int, list[tuple[Any, bool]]] = {}
        for operand, outcome in dict.fromkeys(guards):
            row = operand if type(operand) is int else operand.row
            asked.setdefault(row, []).append((operand, outcome))
        late = program.late if program.late >= 0 else len(program)
        runs = {run[0]: run for run in elementwise_runs(program)}
        numbers = Numbers(program, (i for run in runs.values() for i in run))
        early: list[str] = []
        lines: list[str] = []
        i = 0
        while i < len(program):
            if i == late:
                early, lines = lines, []
            if i in runs:
                lines += block_lines(self, runs[i])
                i = runs[i][-1] + 1
                continue
            if i in by_factors:  # just before the product, as one factor may be in the cache still
                lines += self._sum_squares(i)
            lines += numbers.lines(self, i) if i in numbers.rows else self._row(i)
            for operand, outcome in asked.get(i, ()):
                asks = numbers.number(operand) or self.operand(operand)
                lines.append(f"if bool({asks}) is not {outcome}:")
                lines.append("    return False")
            i += 1
        early, self.late = (lines, []) if late >= len(program) else (early, lines)
        reads = []
        for i, argument in self.borrowed.items():
            read = self.name(argument.read, "read")
            reads.append(f"x{i} = {read}(flat[{argument.position}])")
            for view, name in argument.views.items():
                of = argument.view_of(f"x{i}", view, self.name(array_of, "array_of"))
                reads.append(f"{name} = {of}")
        self.early = [*reads, *numbers.head(self), *early]
        self.run = self._function("run", "flat", self.early)
        self.commit = self._function("commit", "", self.late)

    def _function(self, name: str, parameters: str, lines: list[str]) -> Callable[..., Any]:
        text = f"def {name}({parameters}):\n"
        text += "".join(f"    {line}\n" for line in lines or ["pass"])
        scope: dict[str, Any] = {}
        exec(compile(text, "<compiled program>", "exec"), self.names, scope)
        function: Callable[..., Any] = scope[name]
        return function

    def place(self, operand: Any) -> tuple[str, int]:
        """Return memory and position of the first element of an operand."""
        view = whole(self.program, operand) if type(operand) is int else operand
        place = self.program.place[view.row]
        return place.memory, place.offset + view.offset

    def _allocate(self, borrowed: set[int]) -> None:
        program = self.program
        sizes: dict[str, tuple[int, np.dtype[Any]]] = {}
        for i, (memory, offset) in enumerate(program.place):
            if i in borrowed:
                continue
            size = BLOCK if memory.startswith("block") else program.size(i)
            end = offset + max(size, 1)
            old = sizes.get(memory, (0, program.dtype[i]))[0]
            sizes[memory] = (max(old, end), program.dtype[i])
        leaving = {program.place[r].memory for x in program.outputs for r in rows_of(x)}
        lent = {memory for memory in leaving if not memory.startswith(("arena", "block"))}
        spare = sum(size * dtype.itemsize for size, dtype in sizes.values()) // 16
        for group in (lent, sizes.keys() - lent):  # who keeps a parameter keeps no scratch memory
            self.memories |= _side_by_side({m: sizes[m] for m in sizes if m in group}, spare)
        self.lent = next((self.memories[m].base for m in lent if m in self.memories), None)
        for i, name in enumerate(program.op):
            if name == "const":
                self.array(i)[...] = program.params[i]["value"]

    def memory_bytes(self) -> int:
        """Return how much memory the program holds: results, constants and indices."""
        held = {id(x): x for x in self.names.values() if isinstance(x, np.ndarray)}
        own = [x for x in held.values() if x.base is None]
        own += [x.own for x in self.borrowed.values() if x.own is not None]
        return int(sum(m.nbytes for m in [*self.memories.values(), *own]))

    def array(self, row: int) -> Any:
        """Return the result of a row, as an array; of a block, where only a block is kept."""
        view = whole(self.program, row)
        if self.program.place[row].memory.startswith("block"):
            view = View(row, 0, (BLOCK,), (1,))
        return self.view(view)

    def side_by_side(self, rows: Sequence[int]) -> list[Any]:
        """Return the elements of rows as flat arrays: one for rows that touch each other."""
        pieces: list[tuple[str, int, int]] = []
        places = [(*self.program.place[r], self.program.size(r)) for r in rows]
        for memory, start, size in sorted(places):
            end = start + size
            if pieces and pieces[-1][0] == memory and pieces[-1][2] == start:
                memory, start, _ = pieces.pop()
            pieces.append((memory, start, end))
        return [array_of(self.memories[m], i, (j - i,), (1,)) for m, i, j in pieces]

    def view(self, view: View) -> Any:
        """Return the array that a view stands for: one object for all that lie in the same place.

        Most results lie where an operand did, and an array object has to come into the cache too.
        """
        memory, start = self.program.place[view.row]
        key = memory, start + view.offset, view.shape, view.strides
        if key not in self._views:
            self._views[key] = array_of(self.memories[memory], *key[1:])
        return self._views[key]

    def name(self, x: Any, prefix: str = "a", dtype: Any = np.float64) -> str:
        """Return the name under which the text knows an object."""
        key: Any = id(x)
        if type(x) is float:  # an array without axes: NumPy would convert a float at each call
            key = ("number", x.hex(), dtype)
            x = np.array(x, dtype)
        if key not in self._known:
            self._known[key] = f"{prefix}{len(self._known)}"
            self.names[self._known[key]] = x
        return self._known[key]

    def operand(self, x: Any, dtype: Any = np.float64) -> str:
        """Return the name of an operand; a float becomes a number of the dtype."""
        if type(x) not in (int, View):
            return self.name(x, "c", dtype)
        if x not in self._operands:
            view = whole(self.program, x) if type(x) is int else x
            if view.row in self.borrowed:
                self._operands[x] = self.borrowed[view.row].name(view)
            else:
                self._operands[x] = self.name(self.view(view), "v")
        return self._operands[x]

    # -------------------------------------------------------------------------------- rows

    def _row(self, i: int) -> list[str]:
        program = self.program
        op, args, params = program.op[i], program.args[i], program.params[i]
        if op in ("input", "inputs", "draw", "const"):
            return []
        out = self.operand(i)
        if op == "matmul" and self._suits_dot(i, args):
            return [f"{self._method(args[0], 'dot')}({self.operand(args[1])}, {out})"]
        if op in UFUNCS and not params.get("_row"):
            return [self._ufunc(i, op, args, out)]
        method = getattr(self, f"_{op}", None)
        if method is not None and not (op == "where" and len(args) == 2):  # a constant condition
            result: list[str] = method(i, args, params, out)
            return result
        return self._call(i, args, params, out)

    def _sum_squares(self, i: int) -> list[str]:
        """Return the lines that sum up the squares of a product's factors."""
        start = 2 * len(self.squares)
        self.squares[i] = (start, start + 1)
        rows = [row for x in self.program.args[i] for row in rows_of(x)]
        flat = [View(row, 0, (self.program.size(row),), (1,)) for row in rows]
        sums = self.name(self.sums, "sums")
        return [
            f"{sums}[{start + k}] = {self._method(x, 'dot')}({self.operand(x)})"
            for k, x in enumerate(flat)
        ]

    def _suits_dot(self, i: int, args: Any) -> bool:
        """Whether ndarray.dot, which is called faster than matmul, takes these matrices."""
        kinds = [self.program.dtype[i]]
        for x in args:
            if type(x) is np.ndarray:
                kinds.append(x.dtype)
            elif type(x) in (int, View):
                kinds.append(self._dtype(x))
            else:
                return False
        two = all(len(np.shape(x) if type(x) is np.ndarray else self._shape(x)) == 2 for x in args)
        return two and len(self.program.shape[i]) == 2 and len(set(kinds)) == 1

    def _shape(self, x: Any) -> tuple[int, ...]:
        return self.program.shape[x] if type(x) is int else x.shape

    def _ufunc(self, i: int, op: str, args: Any, out: str) -> str:
        dtype = self.program.dtype[i]
        if dtype.kind != "f":  # a comparison: of what it compares
            dtype = next((self._dtype(x) for x in args if self._dtype(x) is not None), FLOAT)
        self.names[op] = UFUNCS[op]
        if op not in ("maximum", "minimum"):
            add = self._column_added(i, op, args)
            if add is not None:
                return f"{self.name(add, 'add_column')}()"
            return f"{op}({', '.join(self.operand(x, dtype) for x in args)}, {out})"
        rows = self._in_rows(i, args)
        if rows is not None:
            return f"{op}({', '.join(self.name(x) for x in rows[:-1])}, out={self.name(rows[-1])})"
        return f"{op}({', '.join(self.operand(x, dtype) for x in args)}, out={out})"

    def _column_added(self, i: int, op: str, args: Any) -> Callable[[], None] | None:
        """Return what adds a column to a matrix in its place, or None where the row does not."""
        shape = self.program.shape[i]
        if op not in ("add", "subtract") or len(shape) != 2 or math.prod(shape) < COLUMNS:
            return None
        for matrix, x in (args, args[::-1])[: 1 if op == "subtract" else 2]:
            x = whole(self.program, x) if type(x) is int else x
            if type(x) is not View or len(x.shape) != 2 or x.row in {matrix, *self.borrowed}:
                continue
            column = x.shape[0] == shape[0] and x.strides[0] and 0 in (x.strides[1], x.shape[1] - 1)
            same = self._same_place(matrix, i) and self.program.shape[matrix] == shape
            if column and same and self._dtype(x) == self.program.dtype[i]:
                vector = self.view(View(x.row, x.offset, x.shape[:1], x.strides[:1]))
                return column_added(self.array(i), vector, -1.0 if op == "subtract" else 1.0)
        return None

    def _in_rows(self, i: int, args: Any) -> list[Any] | None:
        """Return operands and result of an op on a long array and a number, as long rows.

        NumPy's maximum of an array and a number takes three times that of two arrays; so does one
        with a row of less than 8,192 numbers, the length of its buffers.
        """
        size = self.program.size(i)
        length = next((n for n in range(ROW, 2 * ROW) if size % n == 0), 0)
        if not length or not any(type(x) is float for x in args):
            return None
        found = []
        for x in args:
            if type(x) is float:
                key = ("row", x.hex(), length, self.program.dtype[i])
                if key not in self._rows:
                    self._rows[key] = np.full(length, x, self.program.dtype[i])
                found.append(self._rows[key])
            elif (
                type(x) is int
                and x not in self.borrowed
                and self.program.size(x) == size
                and self._dtype(x) == self.program.dtype[i]
            ):
                found.append(self.array(x).reshape(-1, length))
            else:
                return None
        return [*found, self.array(i).reshape(-1, length)]

    def _dtype(self, x: Any) -> Any:
        if type(x) in (int, View):
            return self.program.dtype[x if type(x) is int else x.row]
        return None

    def _relu(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        self.names["maximum"] = np.maximum
        return [f"maximum({self.operand(args[0])}, {self.operand(0.0)}, out={out})"]

    def _copy(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        self.names["copyto"] = np.copyto
        return [f"copyto({out}, {self.operand(args[0])})"]

    def _take(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        gather: Gather = args[0]
        memory = self.memories["arena"]
        index = self.starts[gather.rows] + gather.offsets
        return [f"{self.name(memory.take)}({self.name(index, 'index')}, None, {out}, 'clip')"]

    def _pack(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        self.names["copyto"] = np.copyto
        lines, at = [], 0
        for x in args:
            shape = self.program.shape[x] if type(x) is int else x.shape
            part = View(i, at, shape, strides_of(shape))
            at += math.prod(shape)
            if type(x) is not int or self.place(x) != self.place(part):
                lines.append(f"copyto({self.operand(part)}, {self.operand(x)})")
        return lines

    def _cast(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        self.names["copyto"] = np.copyto
        return [f"copyto({out}, {self.operand(args[0])}, 'unsafe')"]

    def _where(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        x, y, c = (self.operand(a) for a in args)
        self.names.update(copyto=np.copyto, not_equal=np.not_equal)
        return [f"copyto({out}, {y})", f"copyto({out}, {x}, where=not_equal({c}, 0))"]

    def _pick(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        flat = self.name(self._array(args[0]).reshape(-1).take, "take")
        return [f"{flat}({self.operand(args[1])}, None, {out}, 'clip')"]

    def _label_index(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        self.names["add"] = np.add
        n, classes = self.program.shape[i][0], params["classes"]
        start = self.name(np.arange(n) * classes, "index")
        labels = self.operand(args[0])
        refuse = self.name(_refuse_labels(classes), "refuse")
        if max(n, classes) <= FEW_LABELS:  # reductions have to come into the cache first
            known = self.name(frozenset(range(classes)), "classes")
            wrong = f"not {known}.issuperset({self._method(args[0], 'tolist')}())"
        else:
            self.names["maximum"] = np.maximum
            unsigned = self.name(_unsigned(self._array(args[0])), "unsigned")
            wrong = f"maximum.reduce({unsigned}) >= {classes}"
        return [f"if {wrong}: {refuse}({labels})", f"add({labels}, {start}, {out})"]

    def _add_at(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        index, flat = self.operand(args[1]), self._array(i).reshape(-1)
        some = self.name(np.empty(self._shape(args[1]), self.program.dtype[i]), "some")
        amount = self.operand(float(params["amount"]), self.program.dtype[i])
        self.names.update(copyto=np.copyto, add=np.add)
        copy = f"copyto({out}, {self.operand(args[0])})"
        return [
            *([] if self._same_place(args[0], i) else [copy]),
            f"{self.name(flat.take, 'take')}({index}, None, {some}, 'clip')",
            f"add({some}, {amount}, {some})",
            f"{self.name(flat.put, 'put')}({index}, {some})",
        ]

    def _array(self, x: Any) -> Any:
        if type(x) is np.ndarray:
            return x
        return self.array(x) if type(x) is int else self.view(x)

    def _method(self, x: Any, method: str) -> str:
        """Return the text of a method of an operand, looked up already if the operand stays."""
        if any(row in self.borrowed for row in rows_of(x)):
            return f"{self.operand(x)}.{method}"
        return self.name(getattr(self._array(x), method), method)

    def _same_place(self, x: Any, i: int) -> bool:
        return type(x) is int and self.program.place[x] == self.program.place[i]

    def _scatter(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        places = params["places"]
        clear = [f"{out}.fill(0)"] if len(places) < self.program.size(i) else []
        return [*clear, f"{out}[{self.name(places, 'index')}] = {self.operand(args[0])}"]

    def _reduceat(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        self.names["add"] = np.add
        starts = self.name(params["starts"], "index")
        return [f"add.reduceat({self.operand(args[0])}, {starts}, 0, None, {out})"]

    def _sum(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        return self._reduce("add", i, args, params, out)

    def _max(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        return self._reduce("maximum", i, args, params, out)

    def _min(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        return self._reduce("minimum", i, args, params, out)

    def _reduce(self, ufunc: str, i: int, args: Any, params: Any, out: str) -> list[str]:
        self.names[ufunc] = UFUNCS[ufunc]
        axis = params["axis"]
        return [
            f"{ufunc}.reduce({self.operand(args[0])}, {axis}, None, {out}, {params['keepdims']})"
        ]

    def _dots(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        self.names["vecdot"] = np.vecdot
        x, y = (self.operand(a) for a in args)
        return [f"vecdot({x}, {y}, {out})"]

    def _call(self, i: int, args: Any, params: Any, out: str) -> list[str]:
        """Run a row of the op table as the engine does, and copy its result."""
        op = self.program.op[i]
        row = params.get("_row") or TABLE[op]
        rest = {k: v for k, v in params.items() if k != "_row"}
        used = slots_of(rest)
        count = len(args) - len(used)
        names = [self.operand(x) for x in args]
        values = ", ".join(
            f"{n}.item()" if self._is_scalar(x) else n for n, x in zip(names, args, strict=True)
        )
        self.calls_out = True
        self.names["copyto"] = np.copyto
        call = self.name(caller(row.run, rest, count), f"{op}_")
        return [f"copyto({out}, {call}({values}))"]

    def _is_scalar(self, x: Any) -> bool:
        if type(x) is int:
            return self.program.shape[x] == ()
        return type(x) is View and x.shape == ()


def _unsigned(labels: Any) -> Any:
    """Return labels as unsigned numbers, in which negative ones are the largest."""
    return labels.view(f"u{labels.dtype.itemsize}")


def _refuse_labels(classes: int) -> Callable[[Any], None]:
    def refuse(labels: Any) -> None:
        raise ValueError(
            f"labels have to lie in 0..{classes - 1} for {classes} classes, and "
            f"{labels.min()}..{labels.max()} came"
        )

    return refuse


def slots_of(params: Any) -> list[Slot]:
    if type(params) is Slot:
        return [params]
    if isinstance(params, dict):
        params = list(params.values())
    if type(params) in (tuple, list):
        return [s for x in params for s in slots_of(x)]
    return []


def caller(run: Any, params: dict[str, Any], count: int) -> Callable[..., Any]:
    """Return a function of plain operands that runs a row with its parameters filled in."""
    if not slots_of(params):
        return lambda *values: run(values, params)

    def fill(x: Any, values: Any) -> Any:
        if type(x) is Slot:
            return values[x.position]
        if isinstance(x, dict):
            return {k: fill(v, values) for k, v in x.items()}
        if type(x) in (tuple, list):
            return type(x)(fill(v, values) for v in x)
        return x

    return lambda *values: run(values[:count], fill(params, values))


def _side_by_side(sizes: dict[str, tuple[int, np.dtype[Any]]], spare: int) -> dict[str, Any]:
    """Return zeroed memories of so many elements, each from the start of a cache line on.

    They are one piece, so that they fill large pages; see `zeroed` for what is to spare.
    """
    starts, end = {}, 0
    for name, (size, dtype) in sizes.items():
        starts[name] = end
        end += -(-size * dtype.itemsize // LINE) * LINE
    raw = zeroed(end + LINE, spare)
    first = -raw.ctypes.data % LINE
    return {
        name: raw[first + starts[name] :][: size * dtype.itemsize].view(dtype)
        for name, (size, dtype) in sizes.items()
    }
