"""From a tape to a graph: entries one by one, or several drawn as one box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from ..engine import Tape, Value
from ..engine.ops.table import Op
from ..engine.parts import Part
from ..engine.sweep import operands, parameters, tracked, zero_filled
from ..errors import UsageError
from .graph import Edge, Graph, Node
from .labels import formula, number
from .modules import Modules
from .room import FAR, reach

__all__ = ["build", "kind_of", "merge", "rule_of"]

ARITHMETIC = {
    "add", "subtract", "multiply", "divide", "floor_divide", "mod", "negative", "power", "square",
    "reciprocal", "abs", "sign", "maximum", "minimum", "clip", "where",
}  # fmt: skip
SUMS = {"sum", "mean", "cumsum"}

K = TypeVar("K")


def build(
    tape: Tape,
    *,
    names: Mapping[int, str] | None = None,
    parts: Sequence[Part] = (),
    depth: int | None = None,
    focus: Any = None,
    radius: int = 2,
    limit: int = 400,
    digits: int = 4,
    tidy: bool = False,
) -> Graph:
    """Return the graph of a tape.

    Parameters
    ----------
    tape : Tape
    names : mapping of int to str, optional
        From ``id(value)`` to what Values without a name of their own are called.
    parts : sequence of Part
        Calls of modules while the tape was recorded.
    depth, focus, radius, limit, digits
        As for `tinygrad_lecture.draw`.
    tidy : bool
        Draw fewer nodes also where edges go so far that a layout would take minutes.
    """
    modules = Modules(parts, tape.values)
    skeleton = _Skeleton(tape, modules, names or {}, digits)
    chosen = _around(skeleton, focus, radius)
    notes = []
    if len(chosen) < len(tape):
        notes.append(
            f"{len(chosen):,} of {len(tape):,} entries: those within {radius} steps of the focus"
        )
    size = len(chosen)
    if depth is not None and depth < 0:
        raise UsageError(f"depth must not be negative, got {depth}")
    if depth is not None and not modules.calls:
        raise UsageError(
            "depth goes by calls of modules, and none were seen: draw a model or function with "
            "its inputs, tg.draw(model, x, depth=1)"
        )
    ways = _ways(skeleton, modules, chosen, depth, limit)
    for boxes, held, deep in ways:
        drawn = len(set(boxes.values()))
        if drawn > limit and deep != LAST:
            continue
        told = [*notes, *_counted(boxes, size)]
        graph = _assemble(skeleton, held, chosen, boxes, told, None if deep == LAST else deep)
        if not tidy or deep == LAST or reach(graph) <= FAR:
            return graph
    raise AssertionError("the last way is always taken")


LAST = -2
"""Stands for a depth: what is of one op is one node, however many or few that are."""
Way = tuple[dict[int, int], Modules | None, int | None]


def _ways(
    skeleton: _Skeleton, modules: Modules, chosen: list[int], depth: int | None, limit: int
) -> Iterator[Way]:
    """Yield ways to draw entries as nodes, from many nodes to few."""
    if depth is None and len(chosen) <= limit:
        yield {i: i for i in chosen}, modules, None
    for deep in range(modules.deepest if depth is None else depth, -1, -1):
        boxes = _by_module(skeleton, modules, chosen, deep)
        yield boxes, modules, deep
        outside = [i for i in chosen if modules.at_depth(i, deep) < 0]
        yield boxes | merge(outside, skeleton.op_alone), modules, deep
    alike = merge(chosen, skeleton.alike, limit)
    if alike:
        yield alike, None, None
    yield merge(chosen, skeleton.op_alone), None, LAST


def _counted(boxes: dict[int, int], size: int) -> list[str]:
    drawn = len(set(boxes.values()))
    if drawn == size:
        return []
    return [f"{size:,} entries drawn as {drawn:,} nodes: ×n stands for n that are alike"]


def kind_of(op: Op | None) -> str:
    """Return the kind of node that an op gives; None stands for one outside of the table."""
    if op is None:
        return "other"
    if op.name in ARITHMETIC:
        return "arithmetic"
    if op.kind == "elementwise":
        return "function"
    if op.name in SUMS or op.kind == "reduction":
        return "reduction"
    return "linear" if op.kind == "linear" or op.name == "linear" else "other"


class _Skeleton:
    """What is to be known of all entries, be they a million."""

    def __init__(self, tape: Tape, modules: Modules, names: Mapping[int, str], digits: int) -> None:
        self.tape, self.modules, self.names, self.digits = tape, modules, names, digits
        self.values = tape.values
        place = {v._n: i for i, v in enumerate(self.values)}
        self.inputs: list[tuple[int, ...]] = []
        self.level: list[int] = []
        for v in self.values:
            into = tuple([place[a._n] for _, a in tracked(v)])
            self.inputs.append(into)
            self.level.append(1 + max([self.level[i] for i in into]) if into else 0)

    def op(self, i: int) -> str:
        op = self.values[i]._op
        return "leaf" if op is None else op.name

    def alike(self, i: int) -> Any:
        """Return what entries share that are drawn as one."""
        v = self.values[i]
        return self.level[i], self.op(i), self.kind(i), v.shape

    def op_alone(self, i: int) -> Any:
        return self.op(i), self.kind(i)

    def kind(self, i: int) -> str:
        v = self.values[i]
        op = v._op
        if op is None:  # nn's parameters are a kind of Value; those of scalar neurons are held
            own = type(v) is not Value or self.modules.innermost(i) >= 0
            return "parameter" if own else "input"
        return kind_of(op)

    def name(self, i: int) -> str:
        v = self.values[i]
        return v.name or self.names.get(id(v), "")

    def label(self, i: int) -> str:
        return self.name(i) or f"v{i}"


def _around(skeleton: _Skeleton, focus: Any, radius: int) -> list[int]:
    """Return the entries within a radius of the focus, along edges either way."""
    n = len(skeleton.values)
    if focus is None:
        return list(range(n))
    if radius < 0:
        raise UsageError(f"radius must not be negative, got {radius}")
    users: list[list[int]] = [[] for _ in range(n)]
    for i, into in enumerate(skeleton.inputs):
        for j in into:
            users[j].append(i)
    near = {_found(skeleton, item) for item in (focus if isinstance(focus, list) else [focus])}
    edge = near
    for _ in range(radius):
        edge = {j for i in edge for j in (*skeleton.inputs[i], *users[i])} - near
        near |= edge
        edge = {i for i in edge if skeleton.inputs[i]}  # other uses of a leaf are not near
    return sorted(near)


def _found(skeleton: _Skeleton, focus: Any) -> int:
    n = len(skeleton.values)
    if isinstance(focus, Value):
        if focus not in skeleton.tape:
            raise UsageError(f"focus {focus!r} is not behind what is drawn")
        return skeleton.tape.position(focus)
    if isinstance(focus, str):
        at = [i for i in range(n) if focus in (skeleton.name(i), f"v{i}")]
        if not at:
            known = list(dict.fromkeys(filter(None, map(skeleton.name, range(n)))))[:8]
            raise UsageError(
                f"focus {focus!r} names nothing here; names are {', '.join(known) or 'not given'}"
                ", and every entry is v and its number"
            )
        return at[-1]
    if isinstance(focus, int) and 0 <= focus < n:
        return focus
    raise UsageError(f"focus must be a Value, a name or a number below {n}; got {focus!r}")


def _by_module(
    skeleton: _Skeleton, modules: Modules, chosen: list[int], depth: int
) -> dict[int, int]:
    """Return for each entry the first one of its box: a call at this depth, with its twins."""
    call = {i: modules.at_depth(i, depth) for i in chosen}
    inside: dict[int, list[int]] = {}
    for i, c in call.items():
        if c >= 0:
            inside.setdefault(c, []).append(i)
    twin: dict[Any, int] = {}
    first: dict[int, int] = {}
    for c, members in inside.items():
        ops = Counter(skeleton.op(i) for i in members if skeleton.values[i]._op is not None)
        level = min((skeleton.level[i] for i in members if skeleton.level[i]), default=0)
        key = (modules.pattern(c), level, tuple(sorted(ops.items())))
        first[c] = twin.setdefault(key, members[0])
    return {i: first[c] if c >= 0 else i for i, c in call.items()}


def merge(chosen: list[K], same: Callable[[K], Any], limit: int | None = None) -> dict[K, K]:
    """Return for each entry the first one that is the same; nothing if they are too many."""
    first: dict[Any, K] = {}
    boxes: dict[K, K] = {}
    for i in chosen:
        boxes[i] = first.setdefault(same(i), i)
        if limit is not None and len(first) > limit:
            return {}
    return boxes


def _assemble(
    skeleton: _Skeleton,
    modules: Modules | None,
    chosen: list[int],
    boxes: dict[int, int],
    notes: list[str],
    depth: int | None,
) -> Graph:
    members: dict[int, list[int]] = {}
    for i in chosen:
        members.setdefault(boxes[i], []).append(i)
    ids: dict[int, str] = {}
    nodes: list[Node] = []
    edges: list[Edge] = []
    frames: dict[int, None] = {}
    for first, inside in members.items():
        call = -1 if modules is None else modules.at_depth(first, depth)
        group = ""
        if modules is not None:
            around = modules.calls[call].parent if call >= 0 else modules.innermost(first)
            group = modules.frame(around, frames)
        if call >= 0 and modules is not None:
            ids[first] = f"m{first}"
            nodes.append(_module_box(skeleton, modules, call, inside, group))
        elif len(inside) > 1:
            ids[first] = f"m{first}"
            nodes.append(_alike_box(skeleton, inside, group))
        else:
            ids[first] = f"e{first}"
            node, constants = _entry(skeleton, first, group)
            nodes += [*constants, node]
            edges += [
                Edge(f"e{first}_{c.id.rpartition('_c')[2]}", c.id, node.id,
                     int(c.id.rpartition("_c")[2]))
                for c in constants
            ]  # fmt: skip
    crossing: Counter[tuple[int, int]] = Counter()
    for i in chosen:
        target = boxes[i]
        whole = len(members[target]) == 1 and ids[target].startswith("e")
        derivatives = skeleton.tape[i].derivatives if whole else ()
        for (k, _), j in zip(tracked(skeleton.values[i]), skeleton.inputs[i], strict=True):
            if j not in boxes:  # outside of the focus
                continue
            source = boxes[j]
            if whole:
                rule = rule_of(derivatives, k)
                edges.append(Edge(f"e{i}_{k}", ids[source], ids[target], k, rule))
            elif source != target:
                crossing[source, target] += 1
    edges += [
        Edge(f"{ids[s]}_{ids[t]}", ids[s], ids[t], count=count)
        for (s, t), count in crossing.items()
    ]
    outputs = [skeleton.tape.position(root) for root in skeleton.tape.roots]
    return Graph(
        tuple(nodes), tuple(edges),
        () if modules is None else modules.groups(frames),
        tuple(dict.fromkeys(ids[boxes[i]] for i in outputs if i in boxes)),
        tuple(notes), len(skeleton.values),
    )  # fmt: skip


def rule_of(derivatives: Sequence[Any], k: int) -> Any:
    """Return the local derivative by operand k; a text that has one for each is taken apart."""
    rule = derivatives[k]
    if not isinstance(rule, str):
        return rule
    each = rule.split(", ")
    return (each[k] if len(each) >= len(derivatives) else rule).replace(".T", "ᵀ")


def _adjoint(v: Value) -> Any:
    return None if v._grad is None else zero_filled(v)


def _entry(skeleton: _Skeleton, i: int, group: str) -> tuple[Node, list[Node]]:
    """Return the node of an entry, and those of its constant operands."""
    v = skeleton.values[i]
    own = (v.shape, v._data, _adjoint(v), skeleton.level[i], group)
    if v._op is None:
        return Node(f"e{i}", skeleton.kind(i), "leaf", skeleton.label(i), "", *own), []
    labels, constants = [], []
    flows = {k for k, _ in tracked(v)}
    for k, a in enumerate(operands(v)):
        if k in flows:
            labels.append(skeleton.label(skeleton.tape.position(a)))
            continue
        data = a._data if isinstance(a, Value) else a
        shape = np.shape(data)
        name = a.name if isinstance(a, Value) else None
        text = name or (f"c{i}" if shape else number(data, skeleton.digits))
        labels.append(text)
        constants.append(
            Node(f"e{i}_c{k}", "constant", "constant", text, "", shape, data, None, 0, group)
        )
    text = formula(v._op.name, v._op.symbol, labels, parameters(v))
    return Node(f"e{i}", skeleton.kind(i), v._op.name, skeleton.label(i), text, *own), constants


def _numbers(values: list[Value], of: Callable[[Value], Any]) -> Any:
    """Return one array of the numbers of scalars; None if there are arrays, or some are missing."""
    found = [of(v) for v in values]
    return np.array(found) if all(type(x) is float for x in found) else None


def _alike_box(skeleton: _Skeleton, inside: list[int], group: str) -> Node:
    values = [skeleton.values[i] for i in inside]
    op = skeleton.op(inside[0])
    one = values[0].shape if len({v.shape for v in values}) == 1 else ()
    row = values[0]._op
    text = "leaves" if row is None else op
    levels = {skeleton.level[i] for i in (inside[0], inside[-1])}
    return Node(
        f"m{inside[0]}", skeleton.kind(inside[0]), op, text, "", one,
        _numbers(values, lambda v: v._data), _numbers(values, lambda v: v._grad), min(levels),
        group, len(inside),
    )  # fmt: skip


def _module_box(
    skeleton: _Skeleton, modules: Modules, call: int, inside: list[int], group: str
) -> Node:
    values = [skeleton.values[i] for i in inside]
    held = [v for v in values if v._op is None]
    times = len({modules.call_at(i, call) for i in inside})
    made = Counter(skeleton.op(i) for i in inside if skeleton.values[i]._op is not None)
    details = []
    if made:
        details.append(", ".join(f"{n:,} {op}" for op, n in made.most_common(4)))
    if held:
        size = sum(v.size for v in held)
        details.append(f"{size:,} parameter{'s' if size > 1 else ''}")
    last = values[-1]
    return Node(
        f"m{inside[0]}", "module", modules.kind(call), modules.title(call, times), "",
        last.shape, None, _numbers(values, lambda v: _largest(v._grad)),
        min((skeleton.level[i] for i in inside if skeleton.level[i]), default=0), group, times,
        tuple(details),
    )  # fmt: skip


def _largest(g: Any) -> Any:
    return None if g is None else float(np.max(np.abs(g), initial=0.0))
