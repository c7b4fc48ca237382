"""Pass 3, lift: many isomorphic scalar ops become few array ops.

1. Chains of additions become sums of terms; a term is coefficient · factor · factor.
2. The level of a row is its longest path from the inputs.  Rows of one level do not depend on
   each other, so rows of one level and op become one array row; its elements are put into the
   order of their first operands, so that operands turn out as slices of what came before.
3. Sums are told apart by where their terms come from.  A weight's gradient, say, has a hundred
   products from the data and two from the regularizer: two parts, of which each is regular.
4. A part of K products per sum, over sums whose left factors make U distinct rows and whose
   right factors make V distinct rows, about U·V sums in all, is a matrix product U×K by K×V,
   whatever loops or classes it was written with.  Layers, their transposes in the backward
   pass, gradients of weights and convolutions are all found like this.
5. What is left is irregular: products of gathered factors, added up segment by segment.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .program import FLOAT, Gather, Program, View, strides_of

__all__ = ["lift"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NARROW = 200
"""Scalar ops per level below which straight-line Python (40 ns an op) beats a few array calls."""

SMALL = 24
"""Groups of fewer scalar ops are pooled with others of their level, if there are others."""


def lift(program: Program) -> Program | None:
    """Return a program whose scalar ops are grouped into array ops; None if that would not pay."""
    return _Lifter(program).run()


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


class _Lifter:
    """The state of the pass: which array row and element each scalar row became."""

    def __init__(self, program: Program) -> None:
        self.old = program
        self.new = Program()
        n = len(program)
        self.base = np.full(n, -1, np.int64)  # array row that holds a scalar, -1: not yet
        self.offset = np.zeros(n, np.int64)
        self.scalar = [
            shape == () and not params and bool(args) and dtype == FLOAT
            for shape, params, args, dtype in zip(
                program.shape, program.params, program.args, program.dtype, strict=True
            )
        ]
        self.whole: dict[int, Any] = {}  # operand that an array row became: an int or a View
        self.is_const = np.zeros(n, bool)
        self.value = np.zeros(n)
        self.size = n
        self.goal = self._goals()
        self.made: dict[float, int] = {}
        self.const_row = -1

    # ------------------------------------------------------------------------------ driver

    def run(self) -> Program | None:
        """Lift level by level."""
        old = self.old
        self._constants()
        self._sources()
        self._find_sums()
        levels = self._levels()
        if not any(old.shape) and len(old) < NARROW * len(levels):
            return None
        self._flatten(levels)
        for rows in levels:
            scalars = [i for i in rows if self.scalar[i]]
            if scalars:
                self._level(scalars)
            if len(scalars) < len(rows):
                for i in rows:
                    if not self.scalar[i]:
                        self._array(i)
        self.new.outputs = [self._output(i) for i in old.outputs]
        return _multiples_together(self.new)

    def _goals(self) -> Ints:
        """Return where scalar rows will be wanted: their place in an array, or among the outputs.

        A matrix product whose elements all have a goal is laid out in that order.
        """
        old = self.old
        goal = np.full(len(old), -1, np.int64)
        for k, i in enumerate(old.outputs):
            goal[i] = k
        for i, name in enumerate(old.op):
            if name == "scatter":
                goal[list(old.args[i])] = old.params[i]["places"]
        return goal

    def _constants(self) -> None:
        for i, name in enumerate(self.old.op):
            if name == "const" and self.old.shape[i] == ():
                self.is_const[i] = True
                self.value[i] = self.old.params[i]["value"]

    def _sources(self) -> None:
        """Put all scalar inputs into one row, in the order in which they were made."""
        old, new = self.old, self.new
        scalars = [i for i, name in enumerate(old.op) if name == "input" and old.shape[i] == ()]
        if scalars:
            cells = [old.params[i]["cell"] for i in scalars]
            row = new.add("inputs", (), {"cells": cells}, (len(scalars),), count=0,
                          note=f"{len(scalars)} scalar inputs")  # fmt: skip
            self.base[scalars] = row
            self.offset[scalars] = np.arange(len(scalars))

    # ---------------------------------------------------------------------------- sums

    def _find_sums(self) -> None:
        """Turn chains of additions into sums; `sums` holds the terms of those that remain."""
        old = self.old
        op, args = old.op, old.args
        n = len(old)
        uses = [0] * n
        for ids in args:
            for a in ids:
                uses[a] += 1
        for i in old.outputs:
            uses[i] += 2
        self.sums: dict[int, Terms] = {}
        sums, is_const = self.sums, self.is_const.tolist()
        values = self.value.tolist()
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

    def _levels(self) -> list[list[int]]:
        """Return the rows that are still read, by their longest path from the inputs."""
        old, sums, args = self.old, self.sums, self.old.args
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

    def _flatten(self, levels: list[list[int]]) -> None:
        """Lay the terms of all sums end to end, level by level."""
        sums = self.sums
        order = [i for rows in levels for i in rows if i in sums]
        terms = [sums[i] for i in order]
        lengths = np.array([len(t) for t in terms], np.int64)
        ends = np.cumsum(lengths)
        self.term_start = dict(zip(order, (ends - lengths).tolist(), strict=True))
        self.term_count = dict(zip(order, lengths.tolist(), strict=True))
        columns = list(zip(*itertools.chain.from_iterable(terms), strict=True)) or [(), (), ()]
        self.c = np.array(columns[0], np.float64)
        self.f = np.array(columns[1], np.int64)
        self.g = np.array(columns[2], np.int64)

    # -------------------------------------------------------------------------- operands

    def _operand(self, rows: Ints) -> Any:
        """Return the operand that stands for scalar rows, in the shape of `rows`."""
        if self.is_const[rows.flat[0]] and self.is_const[rows].all():
            values = self.value[rows]
            first = values.flat[0]
            return float(first) if (values == first).all() else values
        if self.is_const[rows].any():
            self._place_constants(rows)
        return self._elements(self.base[rows], self.offset[rows])

    def _place_constants(self, rows: Ints) -> None:
        """Give constants a place, where they are mixed with results."""
        loose = np.unique(rows[self.is_const[rows] & (self.base[rows] < 0)])
        if loose.size:
            row = self.new.add("const", (), {"value": self.value[loose]}, loose.shape, count=0)
            self.base[loose] = row
            self.offset[loose] = np.arange(loose.size)

    def _elements(self, bases: Ints, offsets: Ints) -> Any:
        first = bases.flat[0]
        if (bases == first).all():
            view = as_view(int(first), offsets)
            if view is not None:
                return view
        return Gather(bases, offsets)

    def _place(self, rows: Any, row: int, offsets: Any = None) -> None:
        self.base[rows] = row
        self.offset[rows] = np.arange(len(rows)) if offsets is None else offsets

    # ----------------------------------------------------------------------------- a level

    def _level(self, rows: list[int]) -> None:
        """Lift the scalar ops of one level."""
        kinds: dict[Any, list[int]] = defaultdict(list)
        summed = []
        op, args, is_const = self.old.op, self.old.args, self.is_const
        for i in rows:
            if i in self.sums:
                summed.append(i)
            elif op[i] == "power" and is_const[args[i][1]]:
                kinds["power", float(self.value[args[i][1]])].append(i)
            else:
                kinds[op[i], None].append(i)
        for (name, _), members in kinds.items():
            self._elementwise(name, np.array(members))
        if summed:
            self._sums(summed)

    def _elementwise(self, name: str, members: Ints) -> None:
        """Lift scalar ops of one name, split by where their operands come from if that pays."""
        args = np.array([self.old.args[i] for i in members])
        bases = np.where(self.is_const[args], -2, self.base[args])
        classes: list[Ints] = []
        rest = np.arange(len(members))
        if len(members) >= 2 * SMALL and (bases != bases[0]).any():
            _, inverse, counts = np.unique(bases, axis=0, return_inverse=True, return_counts=True)
            inverse = inverse.reshape(-1)
            classes = [np.flatnonzero(inverse == k) for k in np.flatnonzero(counts >= SMALL)]
            rest = np.flatnonzero(counts[inverse] < SMALL)
        for chosen in [*classes, rest]:
            if chosen.size:
                columns = [a for a in args[chosen].T if not self.is_const[a].all()]
                order, shape = self._layout(columns)
                chosen = chosen[order]
                operands = tuple(self._operand(a.reshape(shape)) for a in args[chosen].T)
                row = self._emit(name, operands, shape)
                self._place(members[chosen], row)

    def _emit(self, name: str, operands: tuple[Any, ...], shape: tuple[int, ...]) -> int:
        """Append an elementwise row; third powers as products, which are faster."""
        n = math.prod(shape)
        if name == "power" and operands[1] == 3.0 and type(operands[1]) is float:
            x = operands[0]
            squared = self.new.add("multiply", (x, x), None, shape, count=n, note=f"{n} × square")
            return self.new.add("multiply", (squared, x), None, shape, count=n, note=f"{n} × cube")
        return self.new.add(name, operands, None, shape, count=n, note=f"{n} × {name}")

    def _layout(self, columns: list[Ints]) -> tuple[Ints, tuple[int, ...]]:
        """Return the order in which to put ops with these operands, and the shape of the result.

        An operand that is all of a matrix, each element once, leads: then others that go along
        its rows or columns are read by strides.  Otherwise the order is that of the first.
        """
        n = len(columns[0]) if columns else 0
        if not columns:
            return np.arange(1), (1,)
        for x in columns:
            base = int(self.base[x[0]])
            if base < 0 or self.is_const[x].any() or len(self.new.shape[base]) != 2:
                continue
            if self.new.size(base) != n or min(self.new.shape[base]) < 2:
                continue
            if (self.base[x] == base).all():
                order = np.argsort(self.offset[x], kind="stable")
                if (self.offset[x][order] == np.arange(n)).all():
                    return order, self.new.shape[base]
        keys = [k for x in columns[::-1] for k in (self.offset[x], self.base[x])]
        return np.lexsort(keys), (n,)

    # ------------------------------------------------------------------------------- sums

    def _sums(self, members: list[int]) -> None:
        """Lift the sums of one level: classes of like sums, then what is irregular."""
        count = self.term_count
        lengths = np.array([count[i] for i in members])
        start = self.term_start[members[0]]
        part = slice(start, start + int(lengths.sum()))
        c, f, g = self.c[part], self.f[part], self.g[part]
        owner = np.repeat(np.arange(len(members)), lengths)
        owner, c, f, g = self._merged(owner, c, f, g)
        left, right = self._bases(f), self._bases(g)
        swap = (right < left) & (g >= 0)
        inside = (right == left) & (g >= 0) & (f != g)
        if inside.any():
            swap[inside] = _crossed(f[inside], g[inside])
        f, g = np.where(swap, g, f), np.where(swap, f, g)
        left, right = np.where(swap, right, left), np.where(swap, left, right)
        key = left * (len(self.new) + 3) + right
        rows = np.array(members)
        which = _classes(owner, key, len(members))[owner]
        sizes = np.bincount(which)
        small = (sizes > 0) & (sizes < SMALL)
        if small.sum() > 2:
            chosen = np.flatnonzero(small[which])
            self._pooled(rows, owner[chosen], c[chosen], f[chosen], g[chosen])
            big = np.flatnonzero(sizes >= SMALL)
        else:
            big = np.flatnonzero(sizes)
        for k in big:
            terms = np.flatnonzero(which == k)
            who = np.unique(owner[terms])
            self._class(rows[who], key[terms], c[terms], f[terms], g[terms])

    def _bases(self, x: Ints) -> Ints:
        return np.where(x < 0, -1, self.base[x])

    def _merged(self, owner: Ints, c: Floats, f: Ints, g: Ints) -> Any:
        """Add up like terms of a sum: p·p differentiated gives p twice."""
        low, high = np.minimum(f, g), np.maximum(f, g)
        order = np.lexsort((low, high, owner))
        o, lo, hi = owner[order], low[order], high[order]
        same = (o[1:] == o[:-1]) & (lo[1:] == lo[:-1]) & (hi[1:] == hi[:-1])
        if not same.any():
            return owner, c, f, g
        starts = np.flatnonzero(np.concatenate(([True], ~same)))
        total = np.add.reduceat(c[order], starts)
        first = np.minimum.reduceat(order, starts)  # the place of the first of them is kept
        keep = np.argsort(first, kind="stable")
        first = first[keep]
        return owner[first], total[keep], f[first], g[first]

    def _class(self, rows: Ints, key: Ints, c: Floats, f: Ints, g: Ints) -> None:
        """Lift sums whose terms come from the same places, so many from each."""
        m = len(rows)
        per = len(key) // m
        order = np.argsort(key.reshape(m, per), axis=1, kind="stable")
        order += np.arange(m)[:, None] * per
        key, c, f, g = key[order], c[order], f[order], g[order]
        cuts = [0, *(np.flatnonzero(np.diff(key[0])) + 1).tolist(), per]
        parts = [_Part(c[:, a:b], f[:, a:b], g[:, a:b]) for a, b in itertools.pairwise(cuts)]
        parts.sort(key=lambda part: -part.length)
        _SumClass(self, rows, parts).emit()

    def _pooled(self, rows: Ints, owner: Ints, c: Floats, f: Ints, g: Ints) -> None:
        """Lift irregular sums: gathered products, added up segment by segment."""
        new = self.new
        counts = np.bincount(owner, minlength=len(rows))
        rank = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
        order = np.argsort(rank[owner], kind="stable")
        owner, c, f, g = owner[order], c[order], f[order], g[order]
        counts = np.sort(counts[counts > 0])[::-1]
        product, plain, alone = g >= 0, (g < 0) & (f >= 0), f < 0
        operand: Any
        if alone.any():
            f = f.copy()
            f[alone] = self._ones(c[alone])
            c = np.where(alone, 1.0, c)
            plain = plain | alone
        if not product.any():
            operand = self._operand(f)
        else:
            g = g.copy()
            if plain.any():
                g[plain] = self._ones(c[plain])
                c = np.where(plain, 1.0, c)
            row = new.add("multiply", (self._operand(f), self._operand(g)), None, f.shape,
                          count=len(f), note=f"{len(f)} products of irregular sums")  # fmt: skip
            operand = row
        if (c != 1.0).any():
            operand = new.add("multiply", (operand, c), None, f.shape, count=int((c != 1).sum()))
        who = owner[np.flatnonzero(np.diff(owner, prepend=-1))]
        if counts.max() > 1:
            starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
            operand = new.add(
                "reduceat", (operand,), {"starts": starts, "counts": counts}, (len(counts),),
                count=len(f) - len(counts), note=f"{len(counts)} irregular sums",
            )  # fmt: skip
        elif type(operand) is not int:
            operand = new.add("copy", (operand,), None, f.shape, count=0)
        self._place(rows[who], operand)

    def _ones(self, values: Floats) -> Ints:
        """Return scalar rows that hold constants, made for this."""
        distinct, inverse = np.unique(values, return_inverse=True)
        rows = np.empty(distinct.size, np.int64)
        for k, x in enumerate(distinct.tolist()):
            row = self.made.get(x)
            if row is None:
                row = self.made[x] = self._grow(1)
                self.is_const[row], self.value[row], self.base[row] = True, x, -1
            rows[k] = row
        return rows[inverse.reshape(-1)]

    def _grow(self, n: int) -> int:
        """Make room for more scalar rows, and return the first; by doubling, to copy seldom."""
        start = self.size
        self.size += n
        if self.size > len(self.base):
            more = max(n, len(self.base))
            for name in ("base", "offset", "is_const", "value"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros(more, old.dtype)]))
        return start

    def _sorted(self, rows: Ints) -> Ints:
        """Return the order that puts rows of operands where their first elements lie."""
        first = rows[:, 0]
        return np.lexsort((first, self.offset[first], self.base[first]))

    def _scaled(self, f: Ints, c: Floats) -> Ints:
        """Return rows that hold c·f: made for sums of products with coefficients of their own."""
        pairs, inverse = np.unique(
            np.stack([f.reshape(-1).astype(float), c.reshape(-1)]), axis=1, return_inverse=True
        )
        rows = pairs[0].astype(np.int64)
        row = self.new.add(
            "multiply", (self._operand(rows), pairs[1]), None, rows.shape, count=rows.size
        )
        start = self._grow(rows.size)
        made = slice(start, start + rows.size)
        self.is_const[made], self.base[made], self.offset[made] = False, row, np.arange(rows.size)
        return (start + inverse.reshape(-1)).reshape(f.shape)

    # ----------------------------------------------------------------------------- arrays

    def _array(self, i: int) -> None:
        """Copy a row of or with arrays, with new operands; views become operands."""
        old, new = self.old, self.new
        name, params, shape = old.op[i], old.params[i], old.shape[i]
        if name == "scatter":
            self._scatter(i)
            return
        if not old.args[i]:
            self.whole[i] = new.copy_row(old, i, ())
            if shape == ():
                self.base[i], self.offset[i] = self.whole[i], 0
            return
        args = tuple(self._read(a) for a in old.args[i])
        view = _viewed(name, args[0], params, new, shape, old.dtype[i]) if args else None
        if view is not None:
            self._keep(i, view)
            return
        self._keep(i, new.copy_row(old, i, args))

    def _keep(self, i: int, operand: Any) -> None:
        self.whole[i] = operand
        if self.old.shape[i] == ():
            self.base[i] = operand if type(operand) is int else operand.row
            self.offset[i] = 0 if type(operand) is int else operand.offset

    def _read(self, a: int) -> Any:
        """Return the operand that an old row became."""
        if a in self.whole:
            return self.whole[a]
        if self.is_const[a]:
            return float(self.value[a])
        return View(int(self.base[a]), int(self.offset[a]), (), ())

    def _scatter(self, i: int) -> None:
        old, new = self.old, self.new
        places, shape = np.array(old.params[i]["places"]), old.shape[i]
        rows = np.array(old.args[i])
        size = math.prod(shape)
        order = np.argsort(places)
        if len(places) == size and old.dtype[i] == FLOAT:
            operand = self._operand(rows[order].reshape(shape))
            if type(operand) is View and operand.strides == strides_of(shape):
                self._keep(i, operand)
                return
            op = "take" if type(operand) is Gather else "copy"
            row = new.add(op, (operand,), None, shape, count=0, note="scalars to an array")
            self._keep(i, row)
            return
        operand = self._operand(rows[order])
        row = new.add(
                "scatter", (operand,), {"places": places[order]}, (size,), old.dtype[i], 0,
                "scalars to an array",
            )  # fmt: skip
        self._keep(i, View(row, 0, shape, strides_of(shape)))

    def _output(self, i: int) -> Any:
        """Return the operand that an output became; a constant becomes a row."""
        operand = self._read(i)
        if type(operand) in (int, View):
            return operand
        return self.new.add("const", (), {"value": operand}, count=0)


def _multiples_together(old: Program) -> Program:
    """Compute multiples of parts of one result in one go, if together they are most of it.

    Every weight's gradient has a term of the regularizer, say, and all weights are one input.
    """
    found: dict[Any, list[int]] = defaultdict(list)
    for i, args in enumerate(old.args):
        if old.op[i] == "multiply" and type(args[1]) is float and type(args[0]) is View:
            source = args[0].row
            if old.op[source] in ("input", "inputs") and old.dtype[source] == FLOAT:
                found[source, args[1]].append(i)
    chosen = {
        key: rows
        for key, rows in found.items()
        if len(rows) > 1 and 2 * sum(old.size(i) for i in rows) >= old.size(key[0])
    }
    if not chosen:
        return old
    new = Program()
    where: list[Any] = []
    made: dict[Any, int] = {}
    part = {i: key for key, rows in chosen.items() for i in rows}
    for i in range(len(old)):
        key = part.get(i)
        if key is None:
            where.append(new.copy_row(old, i, tuple(_through(x, where) for x in old.args[i])))
            continue
        if key not in made:
            n = old.size(key[0])
            args = (View(where[key[0]], 0, (n,), (1,)), key[1])
            made[key] = new.add("multiply", args, None, (n,), count=n, note=f"{n} multiples")
        where.append(old.args[i][0]._replace(row=made[key]))
    new.outputs = [_through(x, where) for x in old.outputs]
    return new


def _through(x: Any, where: list[Any]) -> Any:
    """Return an operand where its row became a part of another."""
    if type(x) is int:
        return where[x]
    if type(x) is Gather:
        rows, offsets = x.rows.copy(), x.offsets.copy()
        for r in np.unique(x.rows).tolist():
            here = x.rows == r
            if type(where[r]) is View:
                inside = element_offsets(where[r]).reshape(-1)
                rows[here], offsets[here] = where[r].row, inside[x.offsets[here]]
            else:
                rows[here] = where[r]
        return Gather(rows, offsets)
    if type(x) is not View:
        return x
    target = where[x.row]
    if type(target) is int:
        return x._replace(row=target)
    inside = element_offsets(target).reshape(-1)
    offsets = inside[element_offsets(x)]
    return as_view(target.row, offsets) or Gather(np.full(offsets.shape, target.row), offsets)


def element_offsets(view: View) -> Ints:
    """Return the offset of every element of a view."""
    offsets: Any = view.offset
    for axis, (n, s) in enumerate(zip(view.shape, view.strides, strict=True)):
        offsets = offsets + (np.arange(n) * s).reshape((n,) + (1,) * (len(view.shape) - axis - 1))
    return np.asarray(offsets)


class _Part:
    """The terms that the sums of a class have from one pair of places."""

    def __init__(self, c: Floats, f: Ints, g: Ints) -> None:
        self.c, self.f, self.g = c, f, g
        self.length = c.shape[1]
        self.products = bool(g[0, 0] >= 0)
        self.alone = bool(f[0, 0] < 0)

    def taken(self, order: Ints) -> _Part:
        return _Part(self.c[order], self.f[order], self.g[order])


class _SumClass:
    """A class of like sums on its way to array rows."""

    def __init__(self, lifter: _Lifter, rows: Ints, parts: list[_Part]) -> None:
        self.lifter, self.rows, self.parts = lifter, rows, parts
        self.new = lifter.new

    def emit(self) -> None:
        """Emit rows for the parts, the longest first, which settles the order of the sums."""
        m = len(self.rows)
        lead = self.parts[0]
        slots = np.arange(m)
        total: Any = None
        if lead.length > 1:
            total, slots, shape, complete = self._contraction(lead)
            rest = self.parts[1:]
            if not complete:
                if rest:  # the sums are fewer than the products: pick them out first
                    total = View(total, 0, (math.prod(shape),), (1,))
                    order = np.argsort(slots, kind="stable")
                    picked = Gather(np.full(m, total.row, np.int64), slots[order].astype(np.int64))
                    view = as_view(total.row, slots[order])
                    total, slots = view or picked, np.empty(m, np.int64)
                    slots[order] = np.arange(m)
                    shape = (m,)
                else:
                    self.lifter._place(self.rows, total, slots)
                    return
        else:
            columns = [x for part in self.parts for x in (part.f[:, 0], part.g[:, 0]) if x[0] >= 0]
            shape, rest = (m,), self.parts
            grid = self._grid(lead) if lead.products else None
            if grid is not None:
                shape, slots = grid
            else:
                order, shape = self.lifter._layout(columns) if columns else (slots, shape)
                slots[order] = np.arange(m)
        order = np.empty(m, np.int64)
        order[slots] = np.arange(m)
        for part in rest:
            total = self._added(total, part.taken(order), shape)
        if type(total) is not int:
            total = self.new.add("copy", (total,), None, shape, count=0)
        self.lifter._place(self.rows, total, slots)

    def _grid(self, part: _Part) -> tuple[tuple[int, ...], Ints] | None:
        """Return shape and slots of an outer product, if single products make one."""
        lifter, f, g = self.lifter, part.f[:, 0], part.g[:, 0]
        rows, u = np.unique(f, return_inverse=True)
        columns, v = np.unique(g, return_inverse=True)
        if len(rows) * len(columns) != len(f) or min(len(rows), len(columns)) < 2:
            return None
        u = _inverse(lifter._sorted(rows[:, None]))[u.reshape(-1)]
        v = _inverse(lifter._sorted(columns[:, None]))[v.reshape(-1)]
        slots = u * len(columns) + v
        return ((len(rows), len(columns)), slots) if len(np.unique(slots)) == len(f) else None

    # ------------------------------------------------------------------- one term per sum

    def _added(self, total: Any, part: _Part, shape: tuple[int, ...]) -> Any:
        """Add a part to the total, column by column, or as a contraction of its own."""
        if part.length > 3:
            extra, slots, _, _ = self._contraction(part)
            view: Any = as_view(extra, slots.reshape(shape))
            if view is None:
                view = Gather(np.full(shape, extra, np.int64), slots.reshape(shape))
            return self._plus(total, 1.0, view, shape, 0)
        for k in range(part.length):
            c, f, g = (part.c[:, k], part.f[:, k], part.g[:, k])
            c, f, g = c.reshape(shape), f.reshape(shape), g.reshape(shape)
            coefficient: Any = float(c.flat[0]) if (c == c.flat[0]).all() else c
            if part.alone:
                total = self._plus(total, 1.0, coefficient, shape, f.size)
                continue
            operand = self.lifter._operand(f)
            if part.products:
                operand = self.new.add(
                    "multiply", (operand, self.lifter._operand(g)), None, shape, count=f.size,
                    note=f"{f.size} products",
                )  # fmt: skip
            total = self._plus(total, coefficient, operand, shape, f.size)
        return total

    def _plus(self, total: Any, c: Any, operand: Any, shape: tuple[int, ...], count: int) -> Any:
        add = self.new.add
        if type(c) is float and c in (1.0, -1.0) and total is not None:
            name = "add" if c == 1.0 else "subtract"
            return add(name, (total, operand), None, shape, count=count, note=f"{count} sums")
        if not (type(c) is float and c == 1.0):
            if type(c) is float and c == -1.0:
                operand = add("negative", (operand,), None, shape, count=count)
            else:
                operand = add("multiply", (operand, c), None, shape, count=count)
        if total is None:
            return operand
        return add("add", (total, operand), None, shape, count=count, note=f"{count} sums")

    # -------------------------------------------------------------------- K terms per sum

    def _contraction(self, part: _Part) -> tuple[int, Ints, tuple[int, ...], bool]:
        """Emit Σ_k c·f·g; return its row, the slot of each sum, its shape, and if all are used."""
        lifter, m, k = self.lifter, len(self.rows), part.length
        left, right, c = self._factors(part)
        best = None
        for order in self._orders(left, right):
            a, b = np.take_along_axis(left, order, 1), np.take_along_axis(right, order, 1)
            rows, u = _distinct(a)
            columns, v = _distinct(b)
            if best is None or len(rows) * len(columns) < best[0]:
                best = len(rows) * len(columns), a, b, rows, u, columns, v
                if best[0] <= m:
                    break
        assert best is not None
        cells, a, b, rows, u, columns, v = best
        scale = c if type(c) is float else None
        if cells > 2 * m + 8:
            return self._dots(a, b, scale, m, k)
        goal = lifter.goal[self.rows]
        if (goal >= 0).all():
            order_u, order_v = _by_goal(u, goal, len(rows)), _by_goal(v, goal, len(columns))
        else:
            order_u, order_v = lifter._sorted(a[rows]), lifter._sorted(b[columns])
        rows, columns = rows[order_u], columns[order_v]
        u, v = _inverse(order_u)[u], _inverse(order_v)[v]
        x, y = lifter._operand(a[rows]), lifter._operand(b[columns].T)
        if scale is not None and scale != 1.0:
            if isinstance(y, (float, np.ndarray)):
                y, scale = np.broadcast_to(np.multiply(y, scale), b[columns].T.shape), 1.0
            elif isinstance(x, (float, np.ndarray)):
                x, scale = np.broadcast_to(np.multiply(x, scale), a[rows].shape), 1.0
        x = np.full(a[rows].shape, x) if type(x) is float else x
        y = np.full(b[columns].T.shape, y) if type(y) is float else y
        shape = (len(rows), len(columns))
        row = self.new.add(
            "matmul", (x, y), None, shape, count=m * (2 * k - 1),
            note=f"{m} sums of {k} products: {len(rows)}×{k} by {k}×{len(columns)}",
        )  # fmt: skip
        if scale is not None and scale != 1.0:
            row = self.new.add("multiply", (row, scale), None, shape, count=m)
        slots = u * len(columns) + v
        complete = cells == m and len(np.unique(slots)) == m
        return row, slots, shape, complete

    def _factors(self, part: _Part) -> tuple[Ints, Ints, Any]:
        """Return left and right factors as scalar rows, and a common coefficient or None."""
        c = part.c
        common = bool((c == c.flat[0]).all())
        if part.products and common:
            return part.f, part.g, float(c.flat[0])
        if part.products:
            scaled = self.lifter._scaled(part.f, c)
            return scaled, part.g, 1.0
        return part.f, self.lifter._ones(c.reshape(-1)).reshape(c.shape), 1.0

    def _orders(self, left: Ints, right: Ints) -> Any:
        """Yield orders of the terms in which sums may turn out alike: sorted, and as written."""
        lifter = self.lifter
        for x in (left, right):
            if not lifter.is_const[x].any():
                position = lifter.base[x] * (1 << 32) + lifter.offset[x]
                yield np.argsort(position, axis=1, kind="stable")
        yield np.broadcast_to(np.arange(left.shape[1]), left.shape)

    def _dots(
        self, a: Ints, b: Ints, scale: float | None, m: int, k: int
    ) -> tuple[int, Ints, tuple[int, ...], bool]:
        """Emit dot products that share nothing: gathered factors, multiplied and added up."""
        order = self.lifter._sorted(a)
        a, b = a[order], b[order]
        x, y = self.lifter._operand(a), self.lifter._operand(b)
        note = f"{m} dot products of length {k} that share no factors"
        if type(y) is float:
            row = self.new.add("sum", (x,), {"axis": (1,), "keepdims": False}, (m,),
                               count=m * (k - 1), note=f"{m} sums of {k}")  # fmt: skip
            scale = y * (1.0 if scale is None else scale)
        else:
            row = self.new.add("dots", (x, y), None, (m,), count=m * (2 * k - 1), note=note)
        if scale is not None and scale != 1.0:
            row = self.new.add("multiply", (row, scale), None, (m,), count=m)
        return row, _inverse(order), (m,), True


def _inverse(order: Ints) -> Ints:
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return inverse


def _by_goal(which: Ints, goal: Ints, n: int) -> Ints:
    """Return the order of rows by the first place that an element of each has to come to."""
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, which, goal)
    return np.argsort(first, kind="stable")


def _distinct(x: Ints) -> tuple[Ints, Ints]:
    """Return the index of the first of each distinct row, and for each row which one it is."""
    packed = np.ascontiguousarray(x, np.int64)
    weights: Any = _WEIGHTS[: packed.shape[1]]
    if packed.shape[1] > len(_WEIGHTS):
        weights = np.random.default_rng(1).integers(1, 2**62, packed.shape[1]) | 1
    with np.errstate(over="ignore"):
        hashed: Any = (packed * weights).sum(axis=1)
    _, first, which = np.unique(hashed, return_index=True, return_inverse=True)
    if not (packed[first][which] == packed).all():  # two rows of one hash: compare in full
        _, first, which = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return first.astype(np.int64), which.reshape(-1).astype(np.int64)


_WEIGHTS = np.random.default_rng(0).integers(1, 2**62, 4096) | 1


def _crossed(f: Ints, g: Ints) -> NDArray[np.bool_]:
    """Tell which products to turn around, so that the same things are left in all of them.

    Factors of one place may still be of two kinds, weights and data, say: each is multiplied with
    the other kind only.  Every factor is looked at as left and as right; what a product ties
    together gets the same number, the smallest of all that are tied, until nothing changes.
    """
    ids, position = np.unique(np.concatenate([f, g]), return_inverse=True)
    a, b = position[: len(f)], position[len(f) :]
    n = len(ids)
    label = np.arange(2 * n)  # as left: even; as right: odd
    for _ in range(64):
        before = label.copy()
        for x, y in ((2 * a, 2 * b + 1), (2 * a + 1, 2 * b)):
            low = np.minimum(label[x], label[y])
            np.minimum.at(label, x, low)
            np.minimum.at(label, y, low)
        label = label[label]
        if (label == before).all():
            break
    left = label[::2] < label[1::2]
    crossed: NDArray[np.bool_] = ~left[a] & left[b]
    return crossed


def _classes(owner: Ints, key: Ints, m: int) -> Ints:
    """Number the sums by the places that their terms come from, and how many from each."""
    with np.errstate(over="ignore"):
        spread: Any = (key * 0x9E3779B97F4A7C1) ^ (key >> 7)
        mixed: Any = (spread * spread + key) * 0x5851F42D4C957F2D
    signature = np.zeros(m, np.int64)
    np.add.at(signature, owner, mixed)
    signature += np.bincount(owner, minlength=m) * 0x2545F4914F6CDD1D
    _, which = np.unique(signature, return_inverse=True)
    return which.reshape(-1)


def as_view(row: int, offsets: Ints) -> View | None:
    """Return the view that reads these offsets of a row, if there is one."""
    shape = offsets.shape
    if offsets.size == 0:
        return View(row, 0, shape, strides_of(shape))
    start = int(offsets.flat[0])
    strides = []
    for axis, n in enumerate(shape):
        if n == 1:
            strides.append(0)
            continue
        index = [0] * len(shape)
        index[axis] = 1
        strides.append(int(offsets[tuple(index)]) - start)
    want: Any = start
    for axis, (n, s) in enumerate(zip(shape, strides, strict=True)):
        steps = np.arange(n) * s
        want = want + steps.reshape((n,) + (1,) * (len(shape) - axis - 1))
    return View(row, start, shape, tuple(strides)) if (offsets == want).all() else None


def _viewed(
    name: str, operand: Any, params: dict[str, Any], new: Program, shape: Any, dtype: Any
) -> View | None:
    """Return the view that a row of another arrangement is, if it is one."""
    if name not in ("reshape", "transpose", "broadcast_to", "getitem", "identity"):
        return None
    if type(operand) is int:
        view = View(operand, 0, new.shape[operand], strides_of(new.shape[operand]))
    elif type(operand) is View:
        view = operand
    else:
        return None
    if new.dtype[view.row] != dtype:
        return None
    return rearranged(view, name, params, shape)


def rearranged(view: View, name: str, params: dict[str, Any], shape: Any) -> View | None:
    """Apply a rearranging op to a view, with NumPy doing the arithmetic of strides."""
    # a byte per element, at addresses that are never read: only strides and offsets are asked for
    size = view.offset + 1 + sum(
        max(0, (n - 1) * s) for n, s in zip(view.shape, view.strides, strict=True)
    )  # fmt: skip
    memory = np.empty(max(size, 1), np.int8)
    array = np.lib.stride_tricks.as_strided(
        memory[view.offset :], view.shape, view.strides, writeable=False
    )
    if name == "getitem":
        index = params["index"]
        parts = index if type(index) is tuple else (index,)
        basic = all(
            p is None or p is Ellipsis or isinstance(p, (int, np.integer, slice)) for p in parts
        )
        if not basic or any(isinstance(p, (bool, np.bool_)) for p in parts):
            return None
        array = array[index]
        if not isinstance(array, np.ndarray):
            return View(view.row, _offset_of(view, parts), (), ())
    elif name == "transpose":
        array = array.transpose(params["axes"])
    elif name == "broadcast_to":
        array = np.broadcast_to(array, shape)
    elif name == "reshape":
        reshaped = array.view()
        try:
            reshaped.shape = shape
        except AttributeError:
            return None
        array = reshaped
    offset = array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return View(view.row, offset, array.shape, array.strides)


def _offset_of(view: View, parts: Any) -> int:
    offset = view.offset
    explicit = [p for p in parts if p is not Ellipsis and p is not None]
    for p, n, s in zip(explicit, view.shape, view.strides, strict=True):
        offset += (int(p) % n) * s
    return offset
