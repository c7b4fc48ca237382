"""What a stepper shows, step by step: the forward pass, then the backward pass of `Tape.steps`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..engine import Step, Tape
from ..engine.sweep import operands, parameters, tracked
from .build import rule_of
from .graph import Graph
from .labels import formula, number, shape_text, short, visible

__all__ = ["Frame", "Term", "frames_of"]

LOCAL, RULE = "local derivative", "rule of the incoming g for"
SUM, WHOLE = "sum so far", "sum, complete"
NAME, FORMULA = 24, 96
"""Longest name in a ∂y/∂x, and longest formula; the graph's tooltips have all of them."""
FEW, WIDE = 36, 12
"""An array of so many elements, with so many in a row, is written out."""


class Term(NamedTuple):
    """A part of the equation of a frame.

    Attributes
    ----------
    sign : str
        What stands before it: ``=``, ``×``, ``+`` or ``→``; empty at the start of a line.
    name : str
        What it is: "incoming adjoint", say.
    of : str
        Of what: ``∂y/∂x``; may be empty.
    text : str
        The formula or number; of small arrays, rows on lines of their own.
    """

    sign: str
    name: str
    of: str
    text: str

    def __str__(self) -> str:
        of = f" {self.of}:" if self.of else ""
        text = self.text.replace("\n", "")
        return f"{self.sign} {self.name}{of} {text}".lstrip()


@dataclass(frozen=True, slots=True)
class Frame:
    """One step: an entry is computed, or passes its adjoint on to one operand.

    Attributes
    ----------
    entry : int
        Position on the tape of the entry that lights up.
    terms : tuple of Term
        The equation with numbers put in.
    target : int or None
        In the backward pass, the operand whose sum grows; at its start, the output itself.
    operand : int or None
        Which operand of the entry that is; None in the forward pass and at the start of the
        backward pass.
    total : float, ndarray or None
        The sum so far, of which the last one is the adjoint; None in the forward pass.
    """

    entry: int
    terms: tuple[Term, ...]
    target: int | None = None
    operand: int | None = None
    total: Any = None

    def __str__(self) -> str:
        """Return the step in one line."""
        text = "forward " if self.target is None else "backward"
        for k, term in enumerate(self.terms):
            text += ("" if term.sign else ";" if k else " ") + f" {term}"
        return text


def frames_of(tape: Tape, graph: Graph, names: Mapping[int, str], digits: int) -> list[Frame]:
    """Return the steps of both passes that concern the entries of a graph.

    Parameters
    ----------
    tape : Tape
        With one output, of one number.
    graph : Graph
        Entries of the tape one by one: these are computed, and their adjoints are summed up.  What
        entries outside of it contribute comes in one step.
    names : mapping of int to str
        From ``id(value)`` to what Values without a name of their own are called.
    digits : int
        Significant digits.
    """
    told = _Told(tape, graph, names, digits)
    chosen = {int(node.id[1:]): None for node in graph if node.kind != "constant"}
    root = tape.position(tape.roots[0])
    seed = np.ones(tape.roots[0].shape) if tape.roots[0].ndim else 1.0
    frames = [Frame(i, told.forward(i)) for i in chosen]
    totals: dict[int, Any] = {}
    outside: dict[int, Any] = {}
    if root in chosen:
        totals[root] = seed
        start = Term("", "start", told.by(root), told.all(seed))
        frames.append(Frame(root, (start,), root, None, seed))

    def gather(*entries: int) -> None:
        for j in entries:
            if j in outside:
                total = outside.pop(j)
                frames.append(Frame(j, told.outside(j, totals.get(j, 0.0), total), j, None, total))
                totals[j] = total

    for step in tape.steps(seed, into=chosen):
        i, j = step.entry.number, step.target
        if i not in chosen:
            outside[j] = step.total
            continue
        gather(i, j)
        terms = told.backward(step, totals.get(j, 0.0))
        frames.append(Frame(i, terms, j, step.operand, step.total))
        totals[j] = step.total
    gather(*sorted(outside, reverse=True))
    last = {frame.target: k for k, frame in enumerate(frames)}
    for k in last.values():
        *parts, end = frames[k].terms
        if end.name == SUM:
            frames[k] = replace(frames[k], terms=(*parts, end._replace(name=WHOLE)))
    return frames


class _Told:
    """Numbers, names and formulas as text."""

    def __init__(self, tape: Tape, graph: Graph, names: Mapping[int, str], digits: int) -> None:
        self.tape, self.graph, self.names, self.digits = tape, graph, names, digits
        self.output = self.short(tape.position(tape.roots[0]))

    def short(self, i: int) -> str:
        v = self.tape.values[i]
        return short(visible(v.name or self.names.get(id(v)) or f"v{i}"), NAME)

    def by(self, i: int, of: int | None = None) -> str:
        """Return ∂y/∂x for entry i; y is the output, or another entry."""
        return f"∂{self.output if of is None else self.short(of)}/∂{self.short(i)}"

    def all(self, x: Any) -> str:
        """Return a number, or all of a small array, or the range of a larger one."""
        shape = np.shape(x)
        if not shape:
            return number(x, self.digits)
        if len(shape) > 2 or np.size(x) > FEW or shape[-1] > WIDE or not np.size(x):
            return f"{shape_text(shape)}: {number(x, self.digits)}"
        rows = np.asarray(x, dtype=float).reshape(-1, shape[-1])
        cells = [[number(item, self.digits) for item in row] for row in rows.tolist()]
        wide = max(len(cell) for row in cells for cell in row) if len(cells) > 1 else 0
        lines = [f"[{', '.join(cell.rjust(wide) for cell in row)}]" for row in cells]
        return "[" + ",\n ".join(lines) + "]" if len(shape) > 1 else lines[0]

    def forward(self, i: int) -> tuple[Term, ...]:
        v, node = self.tape.values[i], self.graph[f"e{i}"]
        value = self.all(v._data)
        if v._op is None:
            return (Term("", node.kind, self.short(i), value),)
        flows = dict(tracked(v))
        numbers = []
        for k, a in enumerate(operands(v)):
            data = getattr(a, "_data", a)
            if np.ndim(data) < 2 and np.size(data) <= 3:
                numbers.append(number(data, self.digits))
            elif k in flows:
                numbers.append(self.short(self.tape.position(a)))
            else:
                numbers.append(short(visible(self.graph[f"e{i}_c{k}"].label), NAME))
        symbols = short(visible(node.formula), FORMULA)
        put_in = formula(v._op.name, v._op.symbol, numbers, parameters(v))
        terms = [Term("", "formula", "", f"{self.short(i)} = {symbols}")]
        if put_in != node.formula:
            terms.append(Term("=", "numbers put in", "", short(visible(put_in), FORMULA)))
        terms.append(Term("=", "value", "", value))
        derivatives = self.tape[i].derivatives
        for k, a in flows.items():
            name, text = self.derivative(rule_of(derivatives, k))
            terms.append(Term("", name, self.by(self.tape.position(a), i), text))
        return tuple(terms)

    def derivative(self, rule: Any) -> tuple[str, str]:
        return (RULE, visible(rule)) if isinstance(rule, str) else (LOCAL, self.all(rule))

    def backward(self, step: Step, before: Any) -> tuple[Term, ...]:
        i, j = step.entry.number, step.target
        rule = rule_of(step.entry.derivatives, step.operand)
        name, text = self.derivative(rule)
        incoming, sign = ("incoming adjoint g", "→") if name == RULE else ("incoming adjoint", "×")
        contribution = self.all(step.contribution)
        return (
            Term("", incoming, self.by(i), self.all(step.incoming)),
            Term(sign, name, self.by(j, i), text),
            Term("=", "contribution", "", contribution),
            Term("", "sum before", "", self.all(before)),
            Term("+", "contribution", "", contribution),
            Term("=", SUM, self.by(j), self.all(step.total)),
        )

    def outside(self, j: int, before: Any, total: Any) -> tuple[Term, ...]:
        with np.errstate(invalid="ignore"):
            added = total - before
        return (
            Term("", "sum before", "", self.all(before)),
            Term("+", "from entries outside", "", self.all(added)),
            Term("=", SUM, self.by(j), self.all(total)),
        )
