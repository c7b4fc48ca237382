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

from .contract import Part, SumClass
from .program import FLOAT, Gather, Operands, Program, View, rows_of, strides_of
from .sums import Sums
from .views import as_view, through, viewed

__all__ = ["lift"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NARROW = 200
"""Scalar ops per level below which straight-line Python (40 ns an op) beats a few array calls."""

FEW = 24
"""A level with several groups of fewer scalar ops than this is irregular: it has a pool."""

PIECES = 16
"""Slices that are put end to end rather than taken element by element."""

POOL = 256
"""Groups of fewer scalar ops join the pool of their level: an array call costs more."""


def lift(program: Program) -> Program | None:
    """Return a program whose scalar ops are grouped into array ops; None if that would not pay."""
    return Lifter(program).run()


class Lifter:
    """The state of the pass: which array row and element each scalar row became."""

    def __init__(self, program: Program) -> None:
        self.old = program
        self.new = Program()
        n = len(program)
        args = program.args = Operands.of(program.args)
        self.base = np.full(n, -1, np.int64)  # array row that holds a scalar, -1: not yet
        self.offset = np.zeros(n, np.int64)
        array = np.array([bool(shape) for shape in program.shape], bool)
        loose = np.array(
            [d == FLOAT and not p for d, p in zip(program.dtype, program.params, strict=True)], bool
        )
        third = np.full(n, -1, np.int64)
        for i, ids in args.more.items():
            third[i] = ids[2]
        self.columns = (args.first, args.second, third)
        from_array = [(column >= 0) & array[column] for column in self.columns]
        self.scalar = ~array & loose & (args.first >= 0) & ~np.any(from_array, axis=0)
        names, code = program.codes(("const", "input", "power", "draw"))
        self.is_const = ~array & (code == names["const"])
        self.value = np.zeros(n)
        constants = np.flatnonzero(self.is_const).tolist()
        self.value[constants] = [program.params[i]["value"] for i in constants]
        self.placed = array | (code == names["draw"])  # scalar inputs have their place already
        self.inputs = np.flatnonzero(~array & (code == names["input"]))
        powers = np.flatnonzero((code == names["power"]) & self.is_const[args.second])
        self.kind = code  # what to lift together: of one op, and with one exponent
        self.kind[powers] = len(names) + args.second[powers]
        self.whole: dict[int, Any] = {}  # operand that an array row became: an int or a View
        self.size = n
        self.goal = self._goals()
        self.made: dict[float, int] = {}
        self.ones: dict[int, Ints] = {}
        self.arrays: set[int] = set()
        self.const_row = -1

    # ------------------------------------------------------------------------------ driver

    def run(self) -> Program | None:
        """Lift level by level."""
        old = self.old
        self._sources()
        self.sums = Sums(old, self.scalar, self.is_const, self.value)
        levels = self.sums.levels(self.placed)
        if not any(old.shape) and len(old) < NARROW * len(levels):
            return None
        for rows in levels:
            scalar = self.scalar[rows]
            if scalar.any():
                self._level(rows[scalar])
            for i in rows[~scalar].tolist():
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

    def _sources(self) -> None:
        """Put all scalar inputs into one row, in the order in which they were made."""
        old, new = self.old, self.new
        scalars = self.inputs.tolist()
        if scalars:
            cells = [old.params[i]["cell"] for i in scalars]
            row = new.add("inputs", (), {"cells": cells}, (len(scalars),), count=0,
                          note=f"{len(scalars)} scalar inputs")  # fmt: skip
            self.base[scalars] = row
            self.offset[scalars] = np.arange(len(scalars))

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

    def _level(self, rows: Ints) -> None:
        """Lift the scalar ops of one level."""
        summed = self.sums.here[rows]
        others = rows[~summed]
        others = others[np.argsort(self.kind[others], kind="stable")]
        for members in np.split(others, np.flatnonzero(np.diff(self.kind[others])) + 1):
            if members.size:
                self._elementwise(self.old.op[members[0]], members)
        if summed.any():
            self._sums(rows[summed])

    def _elementwise(self, name: str, members: Ints) -> None:
        """Lift scalar ops of one name, split by where their operands come from if that pays."""
        columns = [column[members] for column in self.columns]
        args = np.stack([column for column in columns if column[0] >= 0], axis=1)
        bases = np.where(self.is_const[args], -2, self.base[args])
        classes: list[Ints] = []
        rest = np.arange(len(members))
        if len(members) >= 2 * FEW and (bases != bases[0]).any():
            _, which, counts = np.unique(bases, axis=0, return_inverse=True, return_counts=True)
            which = which.reshape(-1)
            least = POOL if _irregular(counts) else FEW
            classes = [np.flatnonzero(which == k) for k in np.flatnonzero(counts >= least)]
            rest = np.flatnonzero(counts[which] < least)
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

    def _sums(self, members: Ints) -> None:
        """Lift the sums of one level: classes of like sums, then what is irregular."""
        sums = self.sums
        lengths = sums.count[members]
        start = int(sums.start[members[0]])
        part = slice(start, start + int(lengths.sum()))
        c, f, g = sums.c[part], sums.f[part], sums.g[part]
        owner = np.repeat(np.arange(len(members)), lengths)
        owner, c, f, g = self._merged(owner, c, f, g)
        left, right = self._bases(f), self._bases(g)
        swap = (right < left) & (g >= 0)
        inside = (right == left) & (g >= 0) & (f != g)
        if inside.any():
            swap[inside] = _crossed(f[inside], g[inside])
        f, g = np.where(swap, g, f), np.where(swap, f, g)
        left, right = np.where(swap, right, left), np.where(swap, left, right)
        if self.ones and self._with_ones(owner, c, f, g, left, right):
            right = self._bases(g)
            swap = (right < left) & (g >= 0)
            f, g = np.where(swap, g, f), np.where(swap, f, g)
            left, right = np.where(swap, right, left), np.where(swap, left, right)
        key = left * (len(self.new) + 3) + right
        which = _classes(owner, key, len(members))[owner]
        sizes = np.bincount(which)
        least = POOL if _irregular(sizes) else 1
        chosen = np.flatnonzero((sizes < least)[which])
        if chosen.size:
            self._pooled(members, owner[chosen], c[chosen], f[chosen], g[chosen])
        for k in np.flatnonzero(sizes >= least):
            terms = np.flatnonzero(which == k)
            who = np.unique(owner[terms])
            self._class(members[who], key[terms], c[terms], f[terms], g[terms])

    def ones_below(self, factors: Ints) -> Ints | None:
        """Return a 1 for each row of factors, put below the column of a matrix that they are.

        The matrix becomes a pack of itself and a row of ones; None if the factors of a row are
        not in one column of one matrix of results.
        """
        base = int(self.base[factors[0, 0]])
        new = self.new
        if (self.base[factors] != base).any() or len(new.shape[base]) != 2:
            return None
        k, n = new.shape[base]
        column = self.offset[factors] % n
        if (column != column[:, :1]).any() or n < 2:
            return None
        if base not in self.ones:
            if new.op[base] in ("input", "inputs", "const", "draw") or base in self.arrays:
                return None
            ones = new.add("const", (), {"value": np.ones((1, n))}, (1, n), count=0)
            row = new.add(
                "pack", (base, ones), None, (k + 1, n), count=0, note="with a row of ones"
            )
            self.base[self.base == base] = row
            start = self._grow(n)
            made = slice(start, start + n)
            self.base[made], self.offset[made] = row, k * n + np.arange(n)
            self.is_const[made] = False
            self.ones[row] = np.arange(start, start + n)
            base = row
        return self.ones[base][column[:, :1]]

    def _with_ones(self, owner: Ints, c: Floats, f: Ints, g: Ints, left: Ints, right: Ints) -> bool:
        """Make a sum over a row of adjoints a sum of products with 1, as its neighbours are.

        It is the gradient of a bias; those of the weights have other factors from a matrix with
        a row of ones, if the bias was taken in on the way forward.
        """
        changed = False
        for row, ones in self.ones.items():
            partners = np.unique(np.concatenate([left[right == row], right[left == row]]))
            for base in partners[partners >= 0].tolist():
                n = len(ones)
                if len(self.new.shape[base]) != 2 or self.new.shape[base][1] != n:
                    continue
                linear = (left == base) & (g < 0) & (c == 1.0)
                counts = np.bincount(owner[linear], minlength=int(owner.max()) + 1)
                whole = linear & (counts[owner] == n)
                if whole.any():
                    g[whole] = ones[self.offset[f[whole]] % n]
                    changed = True
        return changed

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
        parts = [Part(c[:, a:b], f[:, a:b], g[:, a:b]) for a, b in itertools.pairwise(cuts)]
        parts.sort(key=lambda part: -part.length)
        SumClass(self, rows, parts).emit()

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
        view = viewed(name, args[0], params, new, shape, old.dtype[i]) if args else None
        if view is not None:
            self._keep(i, view)
            return
        self._keep(i, new.copy_row(old, i, args))

    def _keep(self, i: int, operand: Any) -> None:
        self.whole[i] = operand
        self.arrays.update(rows_of(operand))
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
            pieces = self._pieces(operand) if type(operand) is Gather else ()
            op = "pack" if pieces else "take" if type(operand) is Gather else "copy"
            row = new.add(op, pieces or (operand,), None, shape, count=0,
                          note="scalars to an array")  # fmt: skip
            self._keep(i, row)
            return
        operand = self._operand(rows[order])
        row = new.add(
                "scatter", (operand,), {"places": places[order]}, (size,), old.dtype[i], 0,
                "scalars to an array",
            )  # fmt: skip
        self._keep(i, View(row, 0, shape, strides_of(shape)))

    def _pieces(self, gather: Gather) -> tuple[Any, ...]:
        """Return the slices that a gather puts end to end, or nothing if it is no few slices."""
        rows, offsets = gather.rows.ravel(), gather.offsets.ravel()
        cuts = np.flatnonzero((np.diff(rows) != 0) | (np.diff(offsets) != 1)) + 1
        if len(cuts) >= PIECES or len(cuts) * FEW > len(rows):
            return ()
        return tuple(
            int(rows[a])
            if b - a == self.new.size(rows[a])
            else View(int(rows[a]), int(offsets[a]), (b - a,), (1,))
            for a, b in itertools.pairwise([0, *cuts.tolist(), len(rows)])
        )

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
            where.append(new.copy_row(old, i, tuple(through(x, where) for x in old.args[i])))
            continue
        if key not in made:
            n = old.size(key[0])
            args = (View(where[key[0]], 0, (n,), (1,)), key[1])
            made[key] = new.add("multiply", args, None, (n,), count=n, note=f"{n} multiples")
        where.append(old.args[i][0]._replace(row=made[key]))
    new.outputs = [through(x, where) for x in old.outputs]
    return new


def _irregular(sizes: Ints) -> bool:
    """Tell from the sizes of the groups of a level that there is little order in it."""
    return int(((sizes > 0) & (sizes < FEW)).sum()) > 2


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
