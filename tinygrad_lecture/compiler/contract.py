"""Part of `lift`: sums that look alike become matrix products and a few elementwise ops."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .program import Gather, View
from .views import as_view

if TYPE_CHECKING:
    from .lift import Lifter

__all__ = ["Part", "SumClass"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Part:
    """The terms that the sums of a class have from one pair of places."""

    def __init__(self, c: Floats, f: Ints, g: Ints) -> None:
        self.c, self.f, self.g = c, f, g
        self.length = c.shape[1]
        self.products = bool(g[0, 0] >= 0)
        self.alone = bool(f[0, 0] < 0)

    def taken(self, order: Ints) -> Part:
        """Return the part with its sums in another order."""
        return Part(self.c[order], self.f[order], self.g[order])


class SumClass:
    """A class of like sums on its way to array rows."""

    def __init__(self, lifter: Lifter, rows: Ints, parts: list[Part]) -> None:
        self.lifter, self.rows, self.parts = lifter, rows, parts
        self.new = lifter.new

    def emit(self) -> None:
        """Emit rows for the parts, the longest first, which settles the order of the sums."""
        m = len(self.rows)
        self._take_in_bias()
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

    def _take_in_bias(self) -> None:
        """Make a bias one more product, with 1, where it lies at the end of a row of weights.

        The other factors get a row of ones: one matrix product then does for both, here and in
        the gradient.
        """
        lifter, lead = self.lifter, self.parts[0]
        if lead.length < 2 or not lead.products:
            return
        for part in self.parts[1:]:
            if part.length == 1 and not part.products and not part.alone and (part.c == 1.0).all():
                f = np.concatenate([np.sort(lifter.offset[lead.f[0]]), lifter.offset[part.f[0]]])
                same = lifter.base[part.f[0, 0]] == lifter.base[lead.f[0, 0]]
                if not same or len(set(np.diff(f).tolist())) != 1:
                    continue
                ones = lifter.ones_below(lead.g)
                if ones is None:
                    return
                c = np.concatenate([lead.c, part.c], axis=1)
                f, g = np.concatenate([lead.f, part.f], 1), np.concatenate([lead.g, ones], 1)
                self.parts = [Part(c, f, g), *(p for p in self.parts[1:] if p is not part)]
                return

    def _grid(self, part: Part) -> tuple[tuple[int, ...], Ints] | None:
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

    def _added(self, total: Any, part: Part, shape: tuple[int, ...]) -> Any:
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

    def _contraction(self, part: Part) -> tuple[int, Ints, tuple[int, ...], bool]:
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

    def _factors(self, part: Part) -> tuple[Ints, Ints, Any]:
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
