"""Part of `lift`: chains of scalar additions become sums of terms.

A term is coefficient · factor · factor.  Products that are used once, multiples and negatives are
taken into the sums that use them.  All rows are looked at together: who is taken in by whom makes
a forest, and a term belongs to the root above it, times the coefficients on the way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .program import Ints, Program

__all__ = ["Sums"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class _Edges(NamedTuple):
    """From linear ops to their operands, with coefficients: edge k is the position-th of its op."""

    at: Ints
    to: Ints
    c: Floats
    position: Ints


class Sums:
    """The sums of a program.

    Parameters
    ----------
    program : Program
    scalar : ndarray of bool
        Which rows are scalar ops.
    is_const, value : ndarray
        Which rows are constants, and what they are.

    Attributes
    ----------
    here : ndarray of bool
        Which rows are sums that are left.
    c, f, g : ndarray
        Coefficients, first and second factors of all terms; -1 where there is none.  After
        `levels` they lie level by level and sum by sum, in the order of the program.
    start, count : ndarray of int
        Where the terms of a row begin in these, and how many there are.
    """

    def __init__(self, program: Program, scalar: Mask, is_const: Mask, value: Floats) -> None:
        self.program, self.is_const, self.value = program, is_const, value
        self._kinds(scalar)
        edges = self._edges()
        self._take_in(edges)
        self._find_multiples(edges)
        self._terms(edges)

    def _kinds(self, scalar: Mask) -> None:
        """Tell the ops that sums are made of by what they do."""
        args, value = self.program.args, self.value
        names, code = self.program.codes()

        def op(name: str) -> Mask:
            found: Mask = scalar & (code == names.get(name, -1))
            return found

        left, right = self.is_const[args.first], self.is_const[args.second] & (args.second >= 0)
        multiply, self.negative, self.subtract = op("multiply"), op("negative"), op("subtract")
        self.two = op("add") | self.subtract
        self.divided = op("divide") & right & _has_inverse(value[args.second])
        self.times = multiply & (left | right)
        self.first_is_const = self.times & ~right
        self.product = multiply & ~self.times
        self.scaled = self.times | self.divided
        self.pure = self.negative | self.scaled  # a coefficient times one operand
        self.linear = self.pure | self.two

    def _edges(self) -> _Edges:
        """Return what leads from linear ops to their operands."""
        first, second, value = self.program.args.first, self.program.args.second, self.value
        operand = np.where(self.first_is_const, second, first)
        c = np.where(self.negative, -1.0, 1.0)
        c[self.times] = np.where(self.first_is_const, value[first], value[second])[self.times]
        c[self.divided] = 1.0 / value[second[self.divided]]
        at, pairs = np.flatnonzero(self.linear), np.flatnonzero(self.two)
        return _Edges(
            np.concatenate([at, pairs]),
            np.concatenate([operand[at], second[pairs]]),
            np.concatenate([c[at], np.where(self.subtract[pairs], -1.0, 1.0)]),
            np.repeat([0, 1], [len(at), len(pairs)]),
        )

    def _take_in(self, edges: _Edges) -> None:
        """Find the root above each row, and the coefficient on the way there.

        What is used once, by an addition, is taken in; by a multiple only if it is one product or
        has none in it: c·(a·b + …) stays as it is.
        """
        at, to, c, position = edges
        n = len(self.program)
        self.once = self.program.args.uses(self.program.outputs) == 1
        inner = self.once[to] & (self.linear | self.product)[to]
        self.above, factor = np.arange(n), np.ones(n)
        added = np.flatnonzero(inner & ~self.scaled[at])
        self.above[to[added]] = at[added]
        single = self.product.copy()  # a product, or a multiple of one
        single[at[inner & self.scaled[at] & self.product[to]]] = True
        carrying = np.zeros(n, bool)
        carrying[_chased(self.above, factor)[0][single]] = True
        self.taken = inner & ~(self.scaled[at] & carrying[to] & ~self.product[to])
        chosen = np.flatnonzero(self.taken)
        self.above[to[chosen]], factor[to[chosen]] = at[chosen], c[chosen]
        self.side = np.zeros(n, np.int64)
        self.side[to[chosen]] = position[chosen]
        self.root, self.scale = _chased(self.above, factor)
        self.here = (self.linear | self.product) & (self.above == np.arange(n))

    def _find_multiples(self, edges: _Edges) -> None:
        """Find what is a multiple of what: no sum has a multiple as operand."""
        n = len(self.program)
        link, factor = np.arange(n), np.ones(n)
        chosen = np.flatnonzero(self.pure[edges.at])
        link[edges.at[chosen]], factor[edges.at[chosen]] = edges.to[chosen], edges.c[chosen]
        self.end, self.factor = _chased(link, factor)
        alone = self.above == np.arange(n)
        self.multiple = self.pure & alone[self.end] & ~self.is_const[self.end]

    def _terms(self, edges: _Edges) -> None:
        """Write all terms down: of operands that were not taken in, and of products."""
        at, to, c, position = (column[~self.taken] for column in edges)
        constant, multiple = self.is_const[to], self.multiple[to]
        c = c * self.scale[at] * np.where(multiple, self.factor[to], 1.0)
        c *= np.where(constant, self.value[to], 1.0)
        f = np.where(constant, -1, np.where(multiple, self.end[to], to))
        products = np.flatnonzero(self.product)
        scale = self.scale[products]
        factors = []
        for x in (self.program.args.first[products], self.program.args.second[products]):
            known = self.multiple[x] & (self.once[x] | (self.factor[x] == 1.0))
            scale = scale * np.where(known, self.factor[x], 1.0)
            factors.append(np.where(known, self.end[x], x))
        self.c = np.concatenate([c, scale])
        self.f = np.concatenate([f, factors[0]])
        self.g = np.concatenate([np.full(len(f), -1), factors[1]])
        self.owner = np.concatenate([self.root[at], self.root[products]])
        written = 2 * self.above[products] + self.side[products]
        self.order = np.concatenate([2 * at + position, written])

    def levels(self, placed: Mask) -> list[Ints]:
        """Return the rows that are still read, by their longest path from the inputs.

        Of the rows without operands, those are given that have to be `placed`.
        """
        program, args = self.program, self.program.args
        computed, summed = args.first >= 0, self.linear | self.product
        others = np.flatnonzero(~summed & computed)
        more = [(a, i) for i, ids in args.more.items() for a in ids[2:]]
        rest = np.array(more, np.int64).reshape(-1, 2).T
        source = np.concatenate([args.first[others], args.second[others], self.f, self.g, rest[0]])
        target = np.concatenate([others, others, self.owner, self.owner, rest[1]])
        # What nobody reads any more is a multiple, and it does not read another multiple.
        edges = np.flatnonzero((source >= 0) & ~self.multiple[target])
        read = ~self.multiple
        read[source[edges]] = read[program.outputs] = True
        edges = np.flatnonzero((source >= 0) & read[target] & computed[source])
        edges = edges[np.argsort(target[edges], kind="stable")]
        level = computed.astype(np.int64).tolist()
        for a, i in zip(source[edges].tolist(), target[edges].tolist(), strict=True):
            if level[a] >= level[i]:
                level[i] = level[a] + 1
        at = np.array(level)
        self._lay_out(at, read)
        taken_in = summed & ~self.here
        rows = np.flatnonzero(read & ~taken_in & (computed | placed))
        rows = rows[np.argsort(at[rows], kind="stable")]
        return np.split(rows, np.flatnonzero(np.diff(at[rows])) + 1) if len(rows) else []

    def _lay_out(self, level: Ints, read: Mask) -> None:
        kept = np.flatnonzero(read[self.owner])
        root = self.owner[kept]
        kept = kept[np.lexsort((self.order[kept], level[root] * len(level) + root))]
        self.c, self.f, self.g = self.c[kept], self.f[kept], self.g[kept]
        root = self.owner[kept]
        self.count = np.bincount(root, minlength=len(level))
        begin = np.flatnonzero(np.diff(root, prepend=-1))
        self.start = np.zeros(len(level), np.int64)
        self.start[root[begin]] = begin


def _has_inverse(x: Floats) -> Mask:
    """Whether to divide by x is, to rounding, to multiply by its inverse."""
    size = np.abs(x)
    good: Mask = (size > 1e-300) & (size < 1e300)
    return good


def _chased(above: Ints, factor: Floats) -> tuple[Ints, Floats]:
    """Return the end of each row's way up, and the product of the factors on it.

    Each round doubles the steps that are made; `above` of an end is the end itself.
    """
    above, factor = above.copy(), factor.copy()
    moving = np.flatnonzero(above[above] != above)
    while moving.size:
        through = above[moving]
        factor[moving] *= factor[through]
        above[moving] = above[through]
        moving = moving[above[above[moving]] != above[moving]]
    return above, factor
