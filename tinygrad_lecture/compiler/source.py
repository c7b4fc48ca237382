"""A compiled program as Python source that runs on its own."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.ops import TABLE
from .execute import slots_of
from .explain import shape_of
from .program import Gather, Program, Slot, View, strides_of
from .ufuncs import UFUNCS

if TYPE_CHECKING:
    from .path import Path

__all__ = ["source"]


HEADER = '''"""{title}

Call `program(inputs)` with a list of numbers and arrays:
{inputs}
It returns a list:
{outputs}
"""

'''


HELPERS = '''
def part(x, offset, shape, strides):
    """Return a view of x: offset and strides count elements."""
    step = x.itemsize
    strides = tuple(s * step for s in strides)
    return np.lib.stride_tricks.as_strided(np.ravel(x)[offset:], shape, strides)


def outcome(x):
    """Return a number as a float, and an array as it is."""
    return x if isinstance(x, np.ndarray) and x.ndim else float(x)


def scattered(values, places, shape, dtype):
    """Return zeros with values at places of the flattened array."""
    out = np.zeros(int(np.prod(shape)), dtype)
    out[places] = values
    return out.reshape(shape)


def constant(text, dtype, shape):
    """Return an array from its bytes."""
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)

'''


def source(path: Path) -> str:
    """Return a program as Python source; see `Path.source`."""
    program = path.program
    described = [f"    {k}. {name}" for k, name in enumerate(input_names(path))]
    given = [f"    {k}. {name}" for k, name in enumerate(output_names(path))]
    title = f"{getattr(path.function, '__name__', 'function')}, compiled by tinygrad_lecture."
    head = HEADER.format(
        title=title, inputs="\n".join(described) or "    nothing", outputs="\n".join(given)
    )
    body = _straight_source(path) if not program.place else _array_source(path)
    return head + body


def input_names(path: Path) -> list[str]:
    """Name what a program reads, in the order in which its source takes it."""
    names = []
    program = path.program
    for i, op in enumerate(program.op):
        if op == "input":
            shape = f", shape {program.shape[i]}" if program.shape[i] else ""
            names.append(program.params[i]["cell"].describe() + shape)
        elif op == "inputs":
            names += [cell.describe() for cell in program.params[i]["cells"]]
        elif op == "draw":
            names.append(f"uniform random numbers, shape {program.shape[i]}")
    return names


def output_names(path: Path) -> list[str]:
    """Name what a program gives, in the order in which its source returns it."""
    names = [f"result {k}" for k, (row, _) in enumerate(path.surface.results) if row is not None]
    names += [f"new {cell.describe()}" for cell, row, _ in path.surface.written if row is not None]
    return names


def _outputs(path: Path) -> list[Any]:
    rows = [row for row, _ in path.surface.results if row is not None]
    return rows + [row for _, row, _ in path.surface.written if row is not None]


class _Source:
    """The lines of an array program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.lines: list[str] = []
        self.uses_table = False

    def operand(self, x: Any) -> str:
        """Return the expression of an operand."""
        if type(x) is int:
            return f"r{x}"
        if type(x) is View:
            shape = self.program.shape[x.row]
            size = self.program.size(x.row)
            if x.offset == 0 and x.shape == shape and x.strides == strides_of(shape):
                return f"r{x.row}"
            if x.offset == 0 and x.strides == strides_of(x.shape) and math.prod(x.shape) == size:
                return f"r{x.row}.reshape({_tuple(x.shape)})"
            if x.shape == shape[::-1] and x.strides == strides_of(shape)[::-1] and x.offset == 0:
                return f"r{x.row}.T"
            return f"part(r{x.row}, {x.offset}, {_tuple(x.shape)}, {_tuple(x.strides)})"
        return literal(x)

    def row(self, i: int) -> None:
        """Append the lines of one row."""
        program = self.program
        op, params = program.op[i], program.params[i]
        args = [self.operand(x) for x in program.args[i] if type(x) is not Gather]
        note = f"  # {program.note[i]}" if program.note[i] else ""
        shape = _tuple(program.shape[i])
        dtype = program.dtype[i].name
        text: str | None = None
        if op == "const":
            text = literal(params["value"])
        elif op in UFUNCS and not params.get("_row"):
            text = f"np.{UFUNCS[op].__name__}({', '.join(args)})"
            if program.dtype[i].kind == "f" and UFUNCS[op].nout == 1 and _is_question(op):
                text += ".astype(float)" if program.shape[i] else " * 1.0"
        elif op == "relu":
            text = f"np.maximum({args[0]}, 0.0)"
        elif op == "copy":
            text = f"np.array({args[0]}).reshape({shape})"
        elif op == "cast":
            text = f"np.asarray({args[0]}, np.{dtype})"
        elif op == "pack":
            text = f"np.concatenate([{', '.join(f'np.ravel({a})' for a in args)}])"
        elif op in ("sum", "max", "min"):
            name = {"sum": "add", "max": "maximum", "min": "minimum"}[op]
            text = f"np.{name}.reduce({args[0]}, {params['axis']}, keepdims={params['keepdims']})"
        elif op == "dots":
            text = f"np.vecdot({args[0]}, {args[1]})"
        elif op == "reduceat":
            text = f"np.add.reduceat({args[0]}, {literal(params['starts'])})"
        elif op == "where":
            text = f"np.where(np.not_equal({args[2]}, 0), {args[0]}, {args[1]})"
        elif op == "pick":
            text = f"np.ravel({args[0]})[{args[1]}]"
        elif op == "label_index":
            n = program.shape[i][0]
            text = f"{args[0]} + np.arange({n}) * {params['classes']}"
        elif op == "take":
            self._take(i, program.args[i][0])
            return
        elif op == "scatter":
            self.lines += [
                f"r{i} = np.zeros({shape}, np.{dtype}){note}",
                f"r{i}[{literal(params['places'])}] = {args[0]}",
            ]
            return
        elif op == "add_at":
            self.lines += [
                f"r{i} = np.array({args[0]}, order='C'){note}",
                f"r{i}.reshape(-1)[{args[1]}] += {params['amount']!r}",
            ]
            return
        if text is None:
            text = self._call(i, args)
        self.lines.append(f"r{i} = {text}{note}")

    def _take(self, i: int, gather: Gather) -> None:
        rows = np.unique(gather.rows).tolist()
        sizes = [self.program.size(r) for r in rows]
        starts = dict(zip(rows, np.concatenate(([0], np.cumsum(sizes)[:-1])).tolist(), strict=True))
        lookup = np.zeros(max(rows) + 1, np.int64)
        lookup[rows] = [starts[r] for r in rows]
        index = lookup[gather.rows] + gather.offsets
        joined = ", ".join(f"np.ravel(r{r})" for r in rows)
        self.lines.append(
            f"r{i} = np.concatenate([{joined}])[{literal(index)}]  # {self.program.note[i]}"
        )

    def _call(self, i: int, args: list[str]) -> str:
        """Run a row of the op table as the engine does."""
        program = self.program
        scalars = [shape_of(program, x) == () for x in program.args[i]]
        values = [f"float({a})" if s else a for a, s in zip(args, scalars, strict=True)]
        called, table = called_text(program, i, values)
        self.uses_table |= table
        return f"np.asarray({called})"


def called_text(program: Program, i: int, args: list[str]) -> tuple[str, bool]:
    """Return the call of what has no text of its own, and whether it is of the op table."""
    op, params = program.op[i], {k: v for k, v in program.params[i].items() if k != "_row"}
    if "function" in params:
        kwargs = "".join(f", {k}={v!r}" for k, v in params["kwargs"].items())
        return f"np.{params['function'].__name__}({', '.join(args)}{kwargs})", False
    if op in UFUNCS and op not in TABLE:
        return f"np.{UFUNCS[op].__name__}({', '.join(args)})", False
    if op == "scatter":
        values, shape = f"[{', '.join(args)}]", _tuple(params["shape"])
        places = list(params["places"])
        return f"scattered({values}, {places}, {shape}, np.{params['dtype'].name})", False
    row = program.params[i].get("_row")
    name = row.name if row is not None else op
    if name not in TABLE:
        raise TypeError(f"{name} is no row of the op table, so its source is not known")
    count = len(args) - len(slots_of(params))
    return f"TABLE[{name!r}].run([{', '.join(args[:count])}], {_params(params, args)})", True


def _is_question(op: str) -> bool:
    return op.startswith(("less", "greater", "equal", "not_equal", "logical", "is", "signbit"))


def _params(x: Any, args: list[str]) -> str:
    if type(x) is Slot:
        return args[x.position]
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k!r}: {_params(v, args)}" for k, v in x.items()) + "}"
    if type(x) in (tuple, list):
        inner = ", ".join(_params(v, args) for v in x)
        return f"({inner},)" if type(x) is tuple else f"[{inner}]"
    if isinstance(x, np.ndarray):
        return literal(x)
    if isinstance(x, np.dtype):
        return f"np.dtype({x.name!r})"
    return repr(x)


def literal(x: Any) -> str:
    """Return the text of a constant, to the last bit."""
    if type(x) is float:
        return repr(x) if math.isfinite(x) else f"float({str(x)!r})"
    x = np.asarray(x)
    if x.ndim == 0:
        return literal(float(x))
    if x.size == 0:
        return f"np.zeros({_tuple(x.shape)}, np.{x.dtype.name})"
    if x.size <= 16 and x.dtype.kind in "fi" and np.isfinite(x).all():
        return f"np.array({x.tolist()!r}, np.{x.dtype.name})"
    if x.size and (x == x.flat[0]).all() and x.dtype.kind in "fib":
        return f"np.full({_tuple(x.shape)}, {x.flat[0].item()!r}, np.{x.dtype.name})"
    text = base64.b64encode(np.ascontiguousarray(x).tobytes()).decode()
    return f"constant({text!r}, np.{x.dtype.name}, {_tuple(x.shape)})"


def _tuple(shape: Any) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _array_source(path: Path) -> str:
    program = path.program
    text = _Source(program)
    at = 0
    asked: dict[int, list[Any]] = {}
    for operand, outcome in path.surface.guards:
        row = operand if type(operand) is int else operand.row
        asked.setdefault(row, []).append((operand, outcome))
    for i, op in enumerate(program.op):
        if op in ("input", "draw"):
            text.lines.append(f"r{i} = np.asarray(inputs[{at}], np.{program.dtype[i].name})")
            at += 1
        elif op == "inputs":
            n = len(program.params[i]["cells"])
            text.lines.append(f"r{i} = np.array(inputs[{at}:{at + n}], np.float64)")
            at += n
        else:
            text.row(i)
        for operand, outcome in dict.fromkeys(asked.get(i, ())):
            asked_for = f"bool({text.operand(operand)}) is {outcome}"
            text.lines.append(f"assert {asked_for}, 'these inputs take another path'")
    outs = ", ".join(f"np.array({text.operand(x)})" for x in _outputs(path))
    body = "".join(f"    {line}\n" for line in [*text.lines, f"return [{outs}]"])
    imports = "import base64\n\nimport numpy as np\n"
    if text.uses_table:
        imports += "\nfrom tinygrad_lecture.engine.ops import TABLE\n"
    return f"{imports}\n{HELPERS}\ndef program(inputs):\n{body}"


def _straight_source(path: Path) -> str:
    exe, program = path.exe, path.program
    names = {name for text in exe.texts for name in _names_of(text)} & set(exe.names) - {"r"}
    plain = sorted(name for name in names if name not in exe.called)
    lines = [f"from math import {', '.join(n for n in plain if n in math.__dict__)}"]
    lines = lines if lines[0].split("import ")[1] else []
    ours = [f"{name} = HOT[{name!r}]" for name in plain if name not in math.__dict__]
    calls = []
    table = False
    for name, row in sorted(exe.called.items()):
        args = [f"v[{k}]" for k in range(len(program.args[row]))]
        text, of_table = called_text(program, row, args)
        table |= of_table
        calls.append(f"{name} = lambda *v: outcome({text})")
    if calls:
        lines = ["import base64", "", "import numpy as np", *lines]
    if ours or table:
        lines.append("from tinygrad_lecture.engine.modes import HOT")
        lines.append("from tinygrad_lecture.engine.ops import TABLE")
    lines += ["", HELPERS if calls else "", *ours, *calls]
    fills = []
    at = 0
    for i, op in enumerate(program.op):
        if op in ("input", "draw"):
            if i in exe.slot:
                kept = f"np.asarray(inputs[{at}], np.{program.dtype[i].name})"
                value = kept if program.shape[i] else f"float(inputs[{at}])"
                fills.append(f"    r[{exe.slot[i]}] = {value}")
            at += 1
        elif op == "const" and i in exe.slot:
            fills.append(f"    r[{exe.slot[i]}] = {literal(program.params[i]['value'])}")
    parts = [text.replace("def run():", f"def run{k}(r):") for k, text in enumerate(exe.texts)]
    runs = [
        f"    assert run{k}(r) is not False, 'these inputs take another path'"
        for k in range(len(exe.texts))
    ]
    outs = ", ".join(f"r[{exe.slot[x]}]" for x in _outputs(path))
    main = [
        "def program(inputs):", f"    r = [None] * {len(exe.results)}", *fills, *runs,
        f"    return [{outs}]",
    ]  # fmt: skip
    return "\n".join([*lines, "", "", *(f"{p}\n" for p in parts), *main, ""])


def _names_of(text: str) -> set[str]:
    code = compile(text, "<source>", "exec")
    names: set[str] = set()
    stack = [code]
    while stack:
        current = stack.pop()
        names.update(current.co_names)
        stack += [c for c in current.co_consts if hasattr(c, "co_names")]
    return names
