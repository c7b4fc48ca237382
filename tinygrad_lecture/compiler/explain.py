"""What a compiled program tells about itself: its instructions, its figures, its source."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .program import Gather, Program, View

if TYPE_CHECKING:
    from .path import Path

__all__ = ["explain", "figures", "shape_of"]

SOURCES = ("input", "inputs", "draw", "const")


def flops(program: Program, i: int) -> int:
    """Return how many floating-point operations row i makes."""
    op, size = program.op[i], program.size(i)
    if op in SOURCES or op in ("copy", "take", "scatter", "pack", "cast", "pick", "label_index"):
        return 0
    read = [shape_of(program, x) for x in program.args[i]]
    if op == "matmul":
        return 2 * size * (read[0][-1] if read[0] else 1)
    if op in ("sum", "max", "min", "reduceat"):
        return max(math.prod(read[0]) - size, 0)
    if op == "dots":
        return 2 * math.prod(read[0])
    return size


def traffic(program: Program, i: int) -> int:
    """Return how many bytes row i reads and writes."""
    if program.op[i] in SOURCES:
        return 0
    read = sum(math.prod(shape_of(program, x)) * _itemsize(program, x, i) for x in program.args[i])
    return read + program.size(i) * program.dtype[i].itemsize


def shape_of(program: Program, x: Any) -> tuple[int, ...]:
    """Return the shape of an operand."""
    if type(x) is int:
        return program.shape[x]
    if type(x) in (View, Gather):
        shape: tuple[int, ...] = x.shape
        return shape
    return np.shape(x)


def _itemsize(program: Program, x: Any, i: int) -> int:
    if type(x) is int:
        return program.dtype[x].itemsize
    if type(x) is View:
        return program.dtype[x.row].itemsize
    return 0 if type(x) is float else program.dtype[i].itemsize


def figures(path: Path) -> dict[str, Any]:
    """Return the figures of a program; see `Path.stats`."""
    program = path.program
    rows = [i for i in range(len(program)) if program.op[i] not in SOURCES]
    straight = not program.place
    return {
        "kind": "straight-line Python" if straight else "array instructions",
        "recorded_ops": path.recorded_ops,
        "instructions": len(rows),
        "by_op": dict(Counter(program.op[i] for i in rows).most_common()),
        "matrix_products": sum(program.op[i] == "matmul" for i in rows),
        "gathered_elements": sum(program.size(i) for i in rows if program.op[i] == "take"),
        "flops": sum(flops(program, i) for i in rows),
        "bytes_moved": sum(traffic(program, i) for i in rows),
        "memory_bytes": path.exe.memory_bytes(),
        "guards": len(path.surface.guards),
        "build_seconds": path.build_seconds,
        "calls": path.calls,
        "moves": path.moves,
    }


def explain(path: Path, limit: int | None = 200) -> str:
    """Return the listing of a program; see `Path.explain`."""
    program, figure = path.program, figures(path)
    head = [
        f"{figure['recorded_ops']:,} recorded ops became {figure['instructions']:,} "
        f"{'statements' if not program.place else 'instructions'}: {_why(path)}",
        f"{figure['matrix_products']} matrix products, {figure['flops']:,} floating-point "
        f"operations, {figure['bytes_moved']:,} bytes moved, {figure['memory_bytes']:,} bytes of "
        "memory",
    ]
    for _, outcome, (file, line) in path.recording.guards:
        head.append(f"holds while the comparison at {file}:{line} is {outcome}")
    head = list(dict.fromkeys(head))
    table = [["no", "instruction", "shape", "stands for", "flops", "bytes", "what it is"]]
    shown = range(len(program)) if program.place else range(0)
    for i in shown:
        if program.op[i] == "const":
            continue
        made = program.op[i] not in SOURCES
        table.append(
            [
                str(i), f"{program.op[i]}({', '.join(_text(x) for x in program.args[i])})",
                "×".join(map(str, program.shape[i])) or "number",
                f"{program.count[i]:,}" if made else "", f"{flops(program, i):,}" if made else "",
                f"{traffic(program, i):,}" if made else "", program.note[i],
            ]
        )  # fmt: skip
    left_out = 0
    if limit is not None and len(table) > limit + 1:
        left_out = len(table) - 1 - limit
        table = table[: limit + 1]
    widths = [max(len(row[k]) for row in table) for k in range(7)]
    right = (0, 3, 4, 5)
    lines = [
        "  ".join(
            cell.rjust(w) if k in right else cell.ljust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    if left_out:
        lines.append(f"... {left_out:,} more ...")
    return "\n".join([*head, *(lines if program.place else [])])


def _why(path: Path) -> str:
    if path.exact:
        return "exact=True runs each op by the engine's own function, in the recorded order"
    if not path.program.place:
        return "too narrow to lift, so it runs as straight-line Python"
    return "ops of one kind that do not depend on each other were lifted to one array op"


def _text(x: Any) -> str:
    if type(x) is int:
        return f"r{x}"
    if type(x) is View:
        return f"r{x.row}[{x.offset}+]" if x.offset else f"r{x.row}~"
    if type(x) is float:
        return f"{x:g}"
    if type(x) is Gather:
        return f"{x.rows.size} elements"
    return f"constant {'×'.join(map(str, np.shape(x)))}"


# ----------------------------------------------------------------------------------- source
