"""Part of `lift`: chains of scalar additions become sums of terms.

A term is coefficient · factor · factor.  Products that are used once, multiples and negatives are
taken into the sums that use them.  All rows are looked at together: who is taken in by whom makes
a forest, and a term belongs to the root above it, times the coefficients on the way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .program import Ints, Program

__all__ = ["Sums"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


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
        self.program = program
        n = len(program)
        first, second = program.args.first, program.args.second
        names, code = program.codes()

        def op(name: str) -> Mask:
            return scalar & (code == names.get(name, -1))

        left, right = is_const[first], is_const[second] & (second >= 0)
        multiply, two = op("multiply"), op("add") | op("subtract")
        negative = op("negative")
        size = np.abs(value[second])  # to divide by one that is neither tiny nor huge is, to
        divided = op("divide") & right & (size > 1e-300) & (size < 1e300)  # rounding, to multiply
        times = multiply & (left | right)
        product = multiply & ~times
        pure = negative | times | divided  # a coefficient times one operand
        linear = pure | two

        # An edge leads from a linear op to an operand, with a coefficient.
        operand = np.where(times & ~right, second, first)
        c = np.where(negative, -1.0, 1.0)
        c[times] = np.where(right, value[second], value[first])[times]
        c[divided] = 1.0 / value[second[divided]]
        at, pairs = np.flatnonzero(linear), np.flatnonzero(two)
        to = np.concatenate([operand[at], second[pairs]])
        position = np.repeat([0, 1], [len(at), len(pairs)])
        c = np.concatenate([c[at], np.where(code[pairs] == names.get("subtract", -1), -1.0, 1.0)])
        at = np.concatenate([at, pairs])

        # What is used once, by an addition, is taken in; by a multiple only if no products are in
        # it: c·(a·b + …) stays as it is.
        once = program.args.uses(program.outputs) == 1
        inner = once[to] & (linear | product)[to]
        above, factor = np.arange(n), np.ones(n)
        chosen = np.flatnonzero(inner & ~(times | divided)[at])
        above[to[chosen]] = at[chosen]
        carrying = np.zeros(n, bool)
        carrying[_chased(above, factor)[0][product]] = True
        taken = inner & ~((times | divided)[at] & carrying[to])
        chosen = np.flatnonzero(taken)
        above[to[chosen]], factor[to[chosen]] = at[chosen], c[chosen]
        below = np.zeros(n, np.int64)
        below[to[chosen]] = position[chosen]
        root, scale = _chased(above, factor)
        alone = above == np.arange(n)

        # A multiple is never an operand: what it is a multiple of, is.
        link, times_it = np.arange(n), np.ones(n)
        chosen = np.flatnonzero(pure[at])
        link[at[chosen]], times_it[at[chosen]] = to[chosen], c[chosen]
        end, multiple_of = _chased(link, times_it)
        multiple = pure & alone[end] & ~is_const[end]

        free = np.flatnonzero(~taken)
        at, to, c, position = at[free], to[free], c[free] * scale[at[free]], position[free]
        c *= np.where(multiple[to], multiple_of[to], np.where(is_const[to], value[to], 1.0))
        f = np.where(is_const[to], -1, np.where(multiple[to], end[to], to))
        p = np.flatnonzero(product)
        factors = []
        coefficient = scale[p]
        for x in (first[p], second[p]):
            known = multiple[x] & (once[x] | (multiple_of[x] == 1.0))
            coefficient = coefficient * np.where(known, multiple_of[x], 1.0)
            factors.append(np.where(known, end[x], x))
        self.c = np.concatenate([c, coefficient])
        self.f = np.concatenate([f, factors[0]])
        self.g = np.concatenate([np.full(len(free), -1), factors[1]])
        self._root = np.concatenate([root[at], root[p]])
        self._order = np.concatenate([2 * at + position, 2 * above[p] + below[p]])
        self._summed = linear | product
        self.here = self._summed & alone
        self._multiple = multiple

    def levels(self, placed: Mask) -> list[Ints]:
        """Return the rows that are still read, by their longest path from the inputs.

        Of the rows without operands, those are given that have to be `placed`.
        """
        program, args = self.program, self.program.args
        n = len(program)
        computed = args.first >= 0
        others = np.flatnonzero(~self._summed & computed)
        more = [(a, i) for i, ids in args.more.items() for a in ids[2:]]
        rest = np.array(more, np.int64).reshape(-1, 2).T
        source = np.concatenate([args.first[others], args.second[others], self.f, self.g, rest[0]])
        target = np.concatenate([others, others, self._root, self._root, rest[1]])
        # What nobody reads any more is a multiple, and it does not read another multiple.
        edges = np.flatnonzero((source >= 0) & ~self._multiple[target])
        read = ~self._multiple
        read[source[edges]] = read[program.outputs] = True
        edges = np.flatnonzero((source >= 0) & read[target] & computed[source])
        edges = edges[np.argsort(target[edges], kind="stable")]
        level = computed.astype(np.int64).tolist()
        for a, i in zip(source[edges].tolist(), target[edges].tolist(), strict=True):
            if level[a] >= level[i]:
                level[i] = level[a] + 1
        at = np.array(level)
        self._lay_out(at, read)
        taken_in = self._summed & ~self.here
        rows = np.flatnonzero(read & ~taken_in & (computed | placed))
        rows = rows[np.argsort(at[rows], kind="stable")]
        return np.split(rows, np.flatnonzero(np.diff(at[rows])) + 1) if len(rows) else []

    def _lay_out(self, level: Ints, read: Mask) -> None:
        kept = np.flatnonzero(read[self._root])
        root = self._root[kept]
        kept = kept[np.lexsort((self._order[kept], level[root] * len(level) + root))]
        self.c, self.f, self.g = self.c[kept], self.f[kept], self.g[kept]
        root = self._root[kept]
        self.count = np.bincount(root, minlength=len(level))
        begin = np.flatnonzero(np.diff(root, prepend=-1))
        self.start = np.zeros(len(level), np.int64)
        self.start[root[begin]] = begin


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
