"""Part of `lift`: chains of scalar additions become sums of terms.

A term is coefficient · factor · factor.  Products that are used once, multiples and negatives are
taken into the sums that use them.
"""

from __future__ import annotations

import itertools

import numpy as np

from .program import Program

__all__ = ["Sums"]

LONG = 512
"""Sums of more terms are not multiplied out: a chain of such would take quadratic time."""


def _has_inverse(x: float) -> bool:
    """Whether to divide by x is, to rounding, to multiply by its inverse."""
    return 1e-300 < abs(x) < 1e300


Terms = list[tuple[float, int, int]]
"""The terms of a sum: coefficient, first factor, second factor; -1 where there is none."""


def _is_multiple(terms: Terms) -> bool:
    """Whether a sum is a coefficient times one thing."""
    return len(terms) == 1 and terms[0][2] < 0 <= terms[0][1]


class Sums:
    """The sums of a program.

    Parameters
    ----------
    program : Program
    scalar : list of bool
        Which rows are scalar ops.
    is_const, value : list
        Which rows are constants, and what they are.

    Attributes
    ----------
    terms : dict of int to list
        Terms by row, of all sums that are left.
    c, f, g : ndarray
        Coefficients, first and second factors of all terms, after `flatten`.
    start, count : dict of int to int
        Where the terms of a row begin in these, and how many there are.
    """

    def __init__(
        self, program: Program, scalar: list[bool], is_const: list[bool], value: list[float]
    ) -> None:
        self.old, self.scalar, self.is_const, self.value = program, scalar, is_const, value
        self.terms: dict[int, Terms] = {}
        self._find()

    def __contains__(self, row: int) -> bool:
        return row in self.terms

    def _find(self) -> None:
        """Turn chains of additions into sums; `terms` holds those that remain."""
        old = self.old
        op, args = old.op, old.args
        n = len(old)
        uses = [0] * n
        for ids in args:
            for a in ids:
                uses[a] += 1
        for i in old.outputs:
            uses[i] += 2
        sums, is_const, values = self.terms, self.is_const, self.value
        known_sum = sums.get

        def include(terms: Terms, sign: float, a: int, *, scaling: bool = False) -> None:
            known = known_sum(a)
            if known is None:
                terms.append((sign * values[a], -1, -1) if is_const[a] else (sign, a, -1))
            elif _is_multiple(known) or (
                uses[a] == 1
                and (not scaling or all(b < 0 for _, _, b in known))
                and (sign == 1.0 or len(known) <= LONG)
            ):
                terms += known if sign == 1.0 else [(sign * c, f, g) for c, f, g in known]
            else:
                terms.append((sign, a, -1))

        for i, scalar in enumerate(self.scalar):
            if not scalar:
                continue
            name, ids = op[i], args[i]
            if name == "multiply":
                a, b = ids
                if is_const[a] or is_const[b]:
                    terms: Terms = []
                    c, x = (values[b], a) if is_const[b] else (values[a], b)
                    include(terms, c, x, scaling=True)
                    sums[i] = terms
                    continue
                c = 1.0
                known = known_sum(a)
                while known is not None and _is_multiple(known):
                    if uses[a] != 1 and known[0][0] != 1.0:
                        break
                    c *= known[0][0]
                    a = known[0][1]
                    known = known_sum(a)
                known = known_sum(b)
                while known is not None and _is_multiple(known):
                    if uses[b] != 1 and known[0][0] != 1.0:
                        break
                    c *= known[0][0]
                    b = known[0][1]
                    known = known_sum(b)
                sums[i] = [(c, a, b)]
            elif name == "add" or name == "subtract":
                a, b = ids
                known = known_sum(a)
                if known is not None and uses[a] == 1:
                    terms = known  # taken over whole: a chain of n additions costs n steps
                    del sums[a]
                else:
                    terms = []
                    include(terms, 1.0, a)
                include(terms, 1.0 if name == "add" else -1.0, b)
                sums[i] = terms
            elif name == "negative":
                terms = []
                include(terms, -1.0, ids[0])
                sums[i] = terms
            elif name == "divide" and is_const[ids[1]] and _has_inverse(values[ids[1]]):
                terms = []
                include(terms, 1.0 / values[ids[1]], ids[0], scaling=True)
                sums[i] = terms

    def levels(self) -> list[list[int]]:
        """Return the rows that are still read, by their longest path from the inputs."""
        old, sums, args = self.old, self.terms, self.old.args
        n = len(old)
        needed = bytearray(n + 1)  # one more, for the factor -1
        for i in old.outputs:
            needed[i] = 1
        for i in range(n - 1, -1, -1):
            if needed[i]:
                terms = sums.get(i)
                if terms is None:
                    for a in args[i]:
                        needed[a] = 1
                else:
                    for _, a, b in terms:
                        needed[a] = needed[b] = 1
        level = [0] * (n + 1)
        by_level: list[list[int]] = [[]]
        shape, op = old.shape, old.op
        for i, ids in enumerate(args):
            if not needed[i]:
                continue
            if not ids:
                if shape[i] or op[i] == "draw":  # scalar inputs have their place already
                    by_level[0].append(i)
                continue
            terms = sums.get(i)
            at = 0
            if terms is None:
                for a in ids:
                    if level[a] > at:
                        at = level[a]
            else:
                for _, a, b in terms:
                    if level[a] > at:
                        at = level[a]
                    if level[b] > at:
                        at = level[b]
            at += 1
            level[i] = at
            if at >= len(by_level):
                by_level.append([])
            by_level[at].append(i)
        return [rows for rows in by_level if rows]

    def flatten(self, levels: list[list[int]]) -> None:
        """Lay the terms of all sums end to end, level by level."""
        sums = self.terms
        order = [i for rows in levels for i in rows if i in sums]
        terms = [sums[i] for i in order]
        lengths = np.array([len(t) for t in terms], np.int64)
        ends = np.cumsum(lengths)
        self.start = dict(zip(order, (ends - lengths).tolist(), strict=True))
        self.count = dict(zip(order, lengths.tolist(), strict=True))
        numbers = itertools.chain.from_iterable(itertools.chain.from_iterable(terms))
        flat = np.fromiter(numbers, np.float64, 3 * int(lengths.sum())).reshape(-1, 3)
        self.c = flat[:, 0].copy()
        self.f, self.g = flat[:, 1].astype(np.int64), flat[:, 2].astype(np.int64)
