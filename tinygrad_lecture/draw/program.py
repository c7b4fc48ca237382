"""Pictures of compiled programs, beside the scalar ops that they were made from."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..compiler.compile import Compiled
from ..compiler.compile import build as build_program
from ..compiler.explain import SOURCES
from ..compiler.path import Path
from ..compiler.program import Gather, Program, View, rows_of, strides_of
from ..compiler.record import Recording, run_traced, take_down
from ..compiler.views import element_offsets
from ..engine import TABLE, nest
from ..engine.recording import Cell
from ..errors import UsageError
from .build import kind_of, merge
from .dot import Look
from .drawing import Drawing
from .graph import Edge, Graph, Group, Node
from .labels import formula, number, shape_text
from .room import BARE, FAR, reach

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
    sides, names = [], {}
    if isinstance(obj, Compiled) and inputs:
        recording = take_down(run_traced(obj.function, tuple(inputs), {}))
        names = argument_names(obj.function, inputs)
        sides.append(_scalar_side(recording, limit, names))
        program = build_program(recording, exact=obj.exact)
        gives = _gives(recording, program, names)
    elif inputs:
        raise UsageError("inputs go with the compiled function, not with one of its programs")
    elif isinstance(obj, Program):
        program, gives = obj, {}
    else:
        path = _path(obj)
        program, gives = path.program, _gives(path.recording, path.program, names)
    sides.append(_instructions(program, limit, names, gives))
    graph = Graph(
        tuple(node for side in sides for node in side.nodes),
        tuple(edge for side in sides for edge in side.edges),
        tuple(side.group for side in sides),
        notes=tuple(side.note for side in sides if side.note),
    )
    title = look.title or f"program of {name}".removesuffix(" of ")
    bare = reach(graph) > BARE
    return Drawing(graph, replace(look, title=title, passes="forward", down=True, bare=bare))


class _Read(NamedTuple):
    """Some of the single numbers that a program takes in as one row: one node each."""

    row: int
    offsets: tuple[int, ...]


Key = int | _Read
"""What one node stands for, before any are merged: a row, or a part of one."""


class _Side(NamedTuple):
    nodes: list[Node]
    edges: list[Edge]
    group: Group
    note: str


def _path(obj: Compiled | Path) -> Path:
    if isinstance(obj, Path):
        return obj
    try:
        return obj.program
    except RuntimeError as error:
        raise UsageError(
            f"{error}; or give the arguments of a call: tg.draw(compiled, *args)"
        ) from None


def argument_names(function: Callable[..., Any], inputs: Sequence[Any]) -> dict[int, str]:
    """Return what the leaves of the arguments of a call are named, by their number."""
    try:
        keys = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin
        return {}
    names: dict[int, str] = {}
    for key, x in zip(keys, inputs, strict=False):
        if key.kind is inspect.Parameter.VAR_POSITIONAL:
            break
        leaves, _ = nest.flatten(x)
        for k in range(len(leaves)):
            whole = len(leaves) == 1 and leaves[0] is x
            names[len(names)] = key.name if whole else f"{key.name}[{k}]"
    return names


def _cell_name(cell: Cell, names: Mapping[int, str]) -> str:
    """Return what a place is called; nothing for an argument without a name."""
    if isinstance(cell.owner, int):
        return names.get(cell.owner, "")
    return cell.describe().removesuffix(".data")


def _together(names: Iterable[str]) -> str:
    """Return different names as one: w, or [w0, w1], or [w0, w1, …, b]."""
    each = list(dict.fromkeys(names))
    if len(each) == 1:
        return each[0]
    return f"[{', '.join(each if len(each) <= 4 else [*each[:2], '…', each[-1]])}]"


def _gives(recording: Recording, program: Program, names: Mapping[int, str]) -> dict[int, str]:
    """Return for the rows that leave a program what they are: results, and new contents."""
    given: dict[int, list[str]] = {}
    left = iter(program.outputs)
    results = [next(left) for i, _ in recording.results if i >= 0]
    for k, x in enumerate(results):
        for row in rows_of(x):
            given.setdefault(row, []).append("the result" if len(results) == 1 else f"result {k}")
    for cell, i, _ in recording.outputs:
        for row in rows_of(next(left)) if i >= 0 else ():
            given.setdefault(row, []).append(f"new {_cell_name(cell, names)}")
    return {row: _told(each) for row, each in given.items()}


def _told(given: list[str]) -> str:
    new = [text.removeprefix("new ") for text in given if text.startswith("new ")]
    results = list(dict.fromkeys(text for text in given if not text.startswith("new ")))
    return "gives " + ", ".join(results[:3] + (["new " + _together(new)] if new else []))


class _Rows:
    """A program as nodes: what each reads, and how operands are called in formulas."""

    def __init__(self, program: Program, prefix: str, names: Mapping[int, str]) -> None:
        self.program, self.prefix, self.names = program, prefix, names
        rows = [i for i, op in enumerate(program.op) if op != "const"]
        self.reads: dict[Key, list[Key]] = {
            i: [key for x in program.args[i] for key in self.sources(x)] for i in rows
        }
        parts: dict[int, dict[_Read, None]] = {}
        for keys in self.reads.values():
            for key in keys:
                if isinstance(key, _Read):
                    parts.setdefault(key.row, {})[key] = None
        self.keys: list[Key] = []
        self.ids: dict[Key, str] = {}
        for i in rows:
            here: Iterable[Key] = sorted(parts[i]) if i in parts else [i]
            for k, key in enumerate(here):
                self.keys.append(key)
                self.ids[key] = f"{prefix}{i}" + (f"_{k}" if i in parts else "")
        self.level: dict[Key, int] = {}
        for key in self.keys:
            before = (self.level.get(other, -1) for other in self.reads.get(key, ()))
            self.level[key] = 0 if isinstance(key, _Read) else 1 + max(before, default=-1)

    def sources(self, x: Any) -> list[Key]:
        """Return what an operand reads."""
        op = self.program.op
        keys: list[Key] = []
        for row in rows_of(x):
            if op[row] != "inputs":
                keys.append(row)
                continue
            if type(x) is View:
                offsets = element_offsets(x)
            elif type(x) is Gather:
                offsets = x.offsets[x.rows == row]
            else:
                offsets = np.arange(self.program.size(row))
            keys.append(_Read(row, tuple(np.unique(offsets).tolist())))
        return [key for key in keys if isinstance(key, _Read) or op[key] != "const"]

    def cells(self, key: Key) -> list[Cell]:
        """Return the places that a source takes its numbers from."""
        if isinstance(key, _Read):
            cells = self.program.params[key.row]["cells"]
            return [cells[k] for k in key.offsets]
        cell = self.program.params[key].get("cell")
        return [cell] if isinstance(cell, Cell) else []

    def name(self, key: Key) -> str:
        """Return the label of a node, by which formulas call it."""
        row = key.row if isinstance(key, _Read) else key
        if self.program.op[row] in SOURCES:
            known = [name for name in (_cell_name(c, self.names) for c in self.cells(key)) if name]
            if known:
                return _together(known)
        return f"{self.prefix}{row}"

    def operand(self, x: Any) -> str:
        """Return an operand as text: a label, a part of what is labelled, or a constant."""
        if type(x) is float:
            return number(x, 4)
        if type(x) is Gather:
            rows = [self.name(key) for key in self.sources(x)]
            return f"{x.rows.size} elements of {' and '.join(dict.fromkeys(rows))}"
        if type(x) not in (int, View):
            return f"constant {shape_text(np.shape(x))}".strip()
        row = next(rows_of(x))
        if self.program.op[row] == "const":
            value = self.program.params[row].get("value")
            return number(value, 4) if type(value) is float else "constant"
        label = self.name(self.sources(x)[0])
        if type(x) is int or self.program.op[row] == "inputs":
            return label
        shape = self.program.shape[row]
        if len(shape) > 1 and (x.shape, x.strides) == (shape[::-1], strides_of(shape)[::-1]):
            return f"{label}ᵀ"
        whole = math.prod(x.shape) == math.prod(shape) and x.strides == strides_of(x.shape)
        return label if whole else f"{label}[{x.offset}+]"

    def formula(self, i: int) -> str:
        """Return a row as text."""
        op = self.program.op[i]
        row = TABLE.get(op)
        operands = [self.operand(x) for x in self.program.args[i]]
        return formula(op, row.symbol if row else op, operands, {})

    def source_kind(self, key: Key) -> str:
        """Return "parameter" for what leaves hold, and "input" for all else."""
        cells = self.cells(key)
        own = all(c.kind == "data" and not isinstance(c.owner, int) for c in cells)
        return "parameter" if cells and own else "input"

    def part(self, key: Key, times: int) -> Node:
        """Return the node of some of the single numbers that a program takes in."""
        size = len(key.offsets) if isinstance(key, _Read) else 0
        details = (f"{size:,} numbers",) if size > 1 else ()
        return Node(
            "", self.source_kind(key), "inputs", self.name(key), count=times, details=details
        )

    def side(self, group: Group, limit: int, node: Callable[[int, list[int]], Node]) -> _Side:
        """Return the nodes under a frame; those that are alike are one if they are many.

        So they are where edges would go so far that a layout took minutes.
        """
        program = self.program

        def op(key: Key) -> Any:
            return (
                (program.op[key.row], self.name(key)) if isinstance(key, _Read) else program.op[key]
            )

        def alike(key: Key) -> Any:
            shape = () if isinstance(key, _Read) else program.shape[key]
            return self.level[key], op(key), shape

        def alone(key: Key) -> Any:
            return key

        for same in (alone, alike):
            boxes = merge(self.keys, same)
            if len(set(boxes.values())) > limit:
                continue
            side = self._drawn(group, boxes, node)
            if reach(Graph(tuple(side.nodes), tuple(side.edges))) <= FAR:
                return side
        return self._drawn(group, merge(self.keys, op), node)

    def _drawn(
        self, group: Group, boxes: dict[Key, Key], node: Callable[[int, list[int]], Node]
    ) -> _Side:
        members: dict[Key, list[Key]] = {}
        for key in self.keys:
            members.setdefault(boxes[key], []).append(key)
        nodes = []
        for first, inside in members.items():
            rows = [key for key in inside if not isinstance(key, _Read)]
            made = node(rows[0], rows) if rows else self.part(first, len(inside))
            nodes.append(replace(made, id=self.ids[first], level=self.level[first], group=group.id))
        arrows: Counter[tuple[Key, Key]] = Counter()
        for key in self.keys:
            for other in dict.fromkeys(self.reads.get(key, ())):
                if boxes[other] != boxes[key]:
                    arrows[boxes[other], boxes[key]] += 1
        edges = [
            Edge(f"{self.ids[t]}_{self.ids[s].removeprefix(self.prefix)}", self.ids[s], self.ids[t],
                 count=count)
            for (s, t), count in arrows.items()
        ]  # fmt: skip
        note = ""
        if len(nodes) < len(self.keys):
            note = f"{group.label}, {len(nodes):,} nodes: ×n stands for n that are alike"
        return _Side(nodes, edges, group, note)


def _instructions(
    program: Program, limit: int, names: Mapping[int, str], gives: Mapping[int, str]
) -> _Side:
    rows = _Rows(program, "r", names)

    def node(i: int, inside: list[int]) -> Node:
        op, shape, times = program.op[i], program.shape[i], len(inside)
        if op in SOURCES:
            note = program.note[i] if times == 1 else ""
            return Node(
                "", rows.source_kind(i), op, rows.name(i) if times == 1 else op, "", shape,
                count=times, details=(note,) if note else (),
            )  # fmt: skip
        stands = sum(program.count[k] for k in inside)
        details = []
        if stands:
            details.append(f"stands for {stands:,} scalar op{'s' if stands > 1 else ''}")
        if times == 1:
            details += [text for text in (program.note[i], gives.get(i, "")) if text]
        return Node(
            "", "instruction", op, rows.name(i) if times == 1 else op,
            rows.formula(i) if times == 1 else "", shape, count=times, details=tuple(details),
        )  # fmt: skip

    made = sum(op not in SOURCES for op in program.op)
    frame = Group("gr", f"compiled: {made:,} instruction{'s' if made > 1 else ''}")
    return rows.side(frame, limit, node)


def _scalar_side(recording: Recording, limit: int, names: Mapping[int, str]) -> _Side:
    program = recording.program
    rows = _Rows(program, "s", names)
    named = {row: v.name for v, row in zip(recording.nodes, recording.rows, strict=True) if v.name}

    def node(i: int, inside: list[int]) -> Node:
        op, times = program.op[i], len(inside)
        if op in SOURCES:
            return Node(
                "", rows.source_kind(i), op, rows.name(i) if times == 1 else op, "",
                program.shape[i], count=times,
            )  # fmt: skip
        return Node(
            "", kind_of(TABLE.get(op)), op, named.get(i, rows.name(i)) if times == 1 else op,
            rows.formula(i) if times == 1 else "", program.shape[i], count=times,
        )  # fmt: skip

    made = sum(op not in SOURCES for op in program.op)
    return rows.side(Group("gs", f"recorded: {made:,} ops"), limit, node)
