"""Pictures of compiled programs, beside the scalar ops that they were made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..compiler.compile import Compiled
from ..compiler.compile import build as build_program
from ..compiler.explain import SOURCES
from ..compiler.path import Path
from ..compiler.program import Program, rows_of
from ..compiler.record import Recording, run_traced, take_down
from ..engine import TABLE
from ..engine.recording import Cell
from ..errors import UsageError
from .build import kind_of, merge
from .dot import Look
from .drawing import Drawing
from .graph import Edge, Graph, Group, Node
from .labels import formula, number, shape_text

__all__ = ["draw_program", "is_program"]


def is_program(obj: Any) -> bool:
    """Tell whether this is a compiled function, or one of its programs."""
    return isinstance(obj, (Compiled, Path, Program))


def draw_program(obj: Any, inputs: Sequence[Any], look: Look, limit: int) -> Drawing:
    """Draw instructions with how many scalar ops each stands for.

    Parameters
    ----------
    obj : Compiled, Path or Program
    inputs : sequence
        Of one call of a `Compiled`: it is recorded again, without effect, to draw the scalar ops
        that it starts from on the left.
    look : Look
    limit : int
        As for `tinygrad_lecture.draw`.
    """
    name = getattr(getattr(obj, "function", None), "__name__", "")
    if isinstance(obj, Compiled) and inputs:
        recording = take_down(run_traced(obj.function, tuple(inputs), {}))
        sides = [
            _scalar_side(recording, limit),
            _instructions(build_program(recording, exact=obj.exact), limit),
        ]
    else:
        if inputs:
            raise UsageError("inputs go with the compiled function, not with one of its programs")
        sides = [_instructions(_program(obj), limit)]
    graph = Graph(
        tuple(node for side in sides for node in side.nodes),
        tuple(edge for side in sides for edge in side.edges),
        tuple(side.group for side in sides),
        notes=tuple(side.note for side in sides if side.note),
    )
    title = look.title or f"program of {name}".removesuffix(" of ")
    return Drawing(graph, replace(look, title=title, passes="forward", down=True))


class _Side(NamedTuple):
    nodes: list[Node]
    edges: list[Edge]
    group: Group
    note: str


def _program(obj: Any) -> Program:
    if isinstance(obj, Program):
        return obj
    try:
        path: Path = obj.program if isinstance(obj, Compiled) else obj
    except RuntimeError as error:
        raise UsageError(
            f"{error}; or give the arguments of a call: tg.draw(compiled, *args)"
        ) from None
    return path.program


def _side(
    program: Program,
    prefix: str,
    group: Group,
    limit: int,
    node: Callable[[int, list[int]], Node],
) -> _Side:
    """Return the rows of a program under a frame, those that are alike as one if they are many."""
    rows = [i for i, op in enumerate(program.op) if op != "const"]
    reads = {i: [j for x in program.args[i] for j in rows_of(x)] for i in rows}
    level: dict[int, int] = {}
    for i in rows:
        level[i] = 1 + max((level.get(j, -1) for j in reads[i]), default=-1)
    boxes = {i: i for i in rows}
    alike: tuple[Callable[[int], Any], ...] = (
        lambda i: (level[i], program.op[i], program.shape[i]),
        lambda i: program.op[i],
    )
    for same in alike:
        if len(set(boxes.values())) > limit:
            boxes = merge(rows, same)
    members: dict[int, list[int]] = {}
    for i in rows:
        members.setdefault(boxes[i], []).append(i)
    nodes = [
        replace(node(first, inside), id=f"{prefix}{first}", level=level[first], group=group.id)
        for first, inside in members.items()
    ]
    arrows: Counter[tuple[int, int]] = Counter()
    for i in rows:
        for j in dict.fromkeys(reads[i]):
            if j in boxes and (boxes[j] != boxes[i]):
                arrows[boxes[j], boxes[i]] += 1
    edges = [
        Edge(f"{prefix}{t}_{s}", f"{prefix}{s}", f"{prefix}{t}", count=count)
        for (s, t), count in arrows.items()
    ]
    note = ""
    if len(nodes) < len(rows):
        note = f"{group.label}, {len(nodes):,} nodes: ×n stands for n that are alike"
    return _Side(nodes, edges, group, note)


def _labels(program: Program, prefix: str, args: Sequence[Any]) -> list[str]:
    """Return operands as text: rows by number, constants as they are."""
    labels = []
    for x in args:
        rows = list(rows_of(x))
        if len(rows) == 1:
            row = rows[0]
            value = program.params[row].get("value") if program.op[row] == "const" else None
            labels.append(f"{prefix}{row}" if type(value) is not float else number(value, 4))
        elif rows:
            labels.append(f"elements of {len(rows)} results")
        else:
            labels.append(number(x, 4) if type(x) is float else "constant")
    return labels


def _instructions(program: Program, limit: int) -> _Side:
    def node(i: int, inside: list[int]) -> Node:
        op, shape, times = program.op[i], program.shape[i], len(inside)
        source = op in SOURCES
        stands = sum(program.count[k] for k in inside)
        details = [shape_text(shape)] if source and shape else []
        if stands and not source:
            details.append(f"stands for {stands:,} scalar op{'s' if stands > 1 else ''}")
        if program.note[i] and times == 1:
            details.append(program.note[i])
        row = TABLE.get(op)
        text = formula(op, row.symbol if row else op, _labels(program, "r", program.args[i]), {})
        return Node(
            f"r{i}", "input" if source else "instruction", op,
            op if source or times > 1 else f"r{i}", "" if source or times > 1 else text,
            () if source else shape, count=times, details=tuple(details),
        )  # fmt: skip

    made = sum(op not in SOURCES for op in program.op)
    frame = Group("gr", f"compiled: {made:,} instruction{'s' if made > 1 else ''}")
    return _side(program, "r", frame, limit, node)


def _scalar_side(recording: Recording, limit: int) -> _Side:
    program = recording.program
    named = {row: v.name for v, row in zip(recording.nodes, recording.rows, strict=True) if v.name}

    def node(i: int, inside: list[int]) -> Node:
        op, times, row = program.op[i], len(inside), TABLE.get(program.op[i])
        if op in SOURCES:
            cell = program.params[i].get("cell")
            label = cell.describe() if isinstance(cell, Cell) else op
            own = isinstance(cell, Cell) and cell.kind == "data"
            return Node(
                f"s{i}", "parameter" if own else "input", op, label if times == 1 else op, "",
                program.shape[i], count=times,
            )  # fmt: skip
        text = formula(op, row.symbol if row else op, _labels(program, "s", program.args[i]), {})
        return Node(
            f"s{i}", kind_of(row), op, named.get(i, f"s{i}") if times == 1 else op,
            text if times == 1 else "", program.shape[i], count=times,
        )  # fmt: skip

    made = sum(op not in SOURCES for op in program.op)
    return _side(program, "s", Group("gs", f"recorded: {made:,} ops"), limit, node)
