"""A graph as data: nodes, edges and groups under ids that stay the same from run to run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["KINDS", "Edge", "Graph", "Group", "Node"]

KINDS = (
    "parameter", "input", "constant", "arithmetic", "function", "linear", "reduction", "other",
    "module", "instruction",
)  # fmt: skip
"""What a node can be; each has its colour."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a picture.

    Attributes
    ----------
    id : str
        "e12" for entry 12 of the tape, "e12_c0" for the constant that is its operand 0, "m7" for
        a box of several entries of which 7 is the first, "r3" for row 3 of a program.
    kind : str
        One of `KINDS`.
    op : str
        Name of the op, "leaf", "constant", or the class of a module.
    label : str
        What stands for it in formulas: its name, ``v12``, or a number.
    formula : str
        In terms of the labels of its operands; empty for leaves.
    shape : tuple of int
    primal, adjoint : float, ndarray or None
        An adjoint of None was not computed.  A box has the numbers of all its entries, if they are
        scalars.
    level : int
        Longest way from a leaf.
    group : str
        Id of the group that it lies in; empty at the top.
    count : int
        How many entries it stands for.
    details : tuple of str
        Further lines in the picture.
    """

    id: str
    kind: str
    op: str
    label: str
    formula: str = ""
    shape: tuple[int, ...] = ()
    primal: Any = None
    adjoint: Any = None
    level: int = 0
    group: str = ""
    count: int = 1
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """From an operand to what is computed from it.

    Attributes
    ----------
    id : str
        "e12_0" goes into entry 12, as its operand 0; between boxes, "m3_m7".
    source, target : str
        Ids of nodes.
    operand : int
        Which operand of the target; -1 between boxes.
    derivative : float, ndarray, str or None
        Local derivative of the target with respect to this operand; the rule as text for ops that
        are not elementwise; None where there is none.
    count : int
        How many edges it stands for.
    """

    id: str
    source: str
    target: str
    operand: int = -1
    derivative: Any = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """A frame around nodes: one call of a module.

    Attributes
    ----------
    id, parent : str
        The parent is empty at the top.
    label : str
    """

    id: str
    label: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes, edges and groups, in an order that depends on nothing but the computation.

    Attributes
    ----------
    nodes, edges, groups : tuple
    outputs : tuple of str
        Ids of the nodes that hold the outputs.
    notes : tuple of str
        What the reader of a picture has to know: what was left out or drawn as one.
    entries : int
        How many entries the tape has, drawn or not.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(3.0, name="x")
    >>> graph = tg.draw(x * x).graph
    >>> [node.id for node in graph], [(e.id, e.source, e.target) for e in graph.edges]
    (['e0', 'e1'], [('e1_0', 'e0', 'e1'), ('e1_1', 'e0', 'e1')])
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...] = ()
    outputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    entries: int = 0
    _by_id: dict[str, Node] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_id.update((node.id, node) for node in self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __contains__(self, id: object) -> bool:
        """Return whether there is a node of this id."""
        return id in self._by_id

    def __getitem__(self, id: str) -> Node:
        """Return the node of this id."""
        return self._by_id[id]

    def parents(self, id: str) -> tuple[Node, ...]:
        """Return the operands of a node, in their order."""
        return tuple(self[edge.source] for edge in self.edges if edge.target == id)

    def children(self, id: str) -> tuple[Node, ...]:
        """Return what is computed from a node."""
        return tuple(self[edge.target] for edge in self.edges if edge.source == id)

    def to_json(self) -> str:
        """Return the graph as JSON text; inf and nan as text, the numbers of a box as a range."""
        return json.dumps(
            {
                "entries": self.entries, "outputs": self.outputs, "notes": self.notes,
                "nodes": [
                    {
                        "id": n.id, "kind": n.kind, "op": n.op, "label": n.label,
                        "formula": n.formula, "shape": n.shape, "level": n.level,
                        "group": n.group, "count": n.count, "details": n.details,
                        "primal": _plain(n.primal, n.count), "adjoint": _plain(n.adjoint, n.count),
                    }
                    for n in self.nodes
                ],
                "edges": [
                    {
                        "id": e.id, "source": e.source, "target": e.target, "operand": e.operand,
                        "derivative": _plain(e.derivative), "count": e.count,
                    }
                    for e in self.edges
                ],
                "groups": [{"id": g.id, "label": g.label, "parent": g.parent} for g in self.groups],
            },
            indent=1,
        )  # fmt: skip


def _plain(x: Any, count: int = 1) -> Any:
    """Return numbers and arrays as JSON can hold them."""
    if x is None or isinstance(x, str):
        return x
    if count > 1:
        return {"min": _plain(np.min(x)), "max": _plain(np.max(x))}
    if np.ndim(x):
        return [_plain(item) for item in np.asarray(x)]
    number = float(x)
    return number if np.isfinite(number) else str(number)
