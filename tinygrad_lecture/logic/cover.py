"""The cheapest cover of elements by sets, exactly: branch and bound.

Each chart is reduced by what cannot be otherwise (sets that alone hold an element; sets and
elements that others dominate), bounded from below by Lagrangian relaxation, and freed of sets that
cost too much to be in a better cover.  The method is textbook: Coudert 1996, "On solving covering
problems"; Beasley 1990, "A Lagrangian heuristic for set-covering problems".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["cover"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

ROOT_STEPS, STEPS = 300, 40


def cover(covers: ArrayLike, costs: ArrayLike) -> list[int]:
    """Return the numbers of the sets that cover all elements at the smallest sum of costs.

    Parameters
    ----------
    covers : array_like of bool, shape (sets, elements)
        Each element is in some set.
    costs : array_like of int, shape (sets,)
        Positive.

    Returns
    -------
    list of int
        In ascending order.

    Examples
    --------
    >>> from tinygrad_lecture.logic.cover import cover
    >>> cover([[1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]], [3, 2, 2])
    [1, 2]
    """
    search = _Search(np.asarray(covers, np.float64), np.asarray(costs, np.float64))
    return search.run()


class _Search:
    """The best cover so far, and nodes that may hold a better one."""

    def __init__(self, covers: Floats, costs: Floats) -> None:
        # All sums of costs are multiples of their common divisor, so bounds round up to it.
        self.covers, self.costs = covers, costs / math.gcd(*costs.astype(int).tolist())
        self.best: list[int] = list(range(len(costs)))
        self.best_cost = math.inf

    def run(self) -> list[int]:
        sets, elements = (np.arange(size) for size in self.covers.shape)
        self.offer(self.greedy(sets, elements, self.costs), [])
        # sets and elements that are left, sets that were taken, prices of the elements
        stack: list[tuple[Indices, Indices, list[int], Floats]]
        stack = [(sets, elements, [], np.zeros(elements.size))]
        while stack:
            sets, elements, chosen, prices = stack.pop()
            if (node := self.bound(sets, elements, chosen, prices)) is None:
                continue
            sets, elements, chosen, prices = node
            # The element in the fewest sets: one of them has to be taken, the cheapest first, and
            # what was tried before is not tried again beside the others.
            matrix = self.covers[np.ix_(sets, elements)]
            element = int(np.argmin(matrix.sum(axis=0)))
            options = np.flatnonzero(matrix[:, element])
            rest = self.costs[sets] - matrix @ prices[elements]
            options = options[np.argsort(rest[options], kind="stable")]
            branches = []
            for k, i in enumerate(options):
                left = np.delete(sets, options[: k + 1])
                branches.append((left, elements[matrix[i] == 0], [*chosen, int(sets[i])], prices))
            stack.extend(reversed(branches))
        return sorted(self.best)

    def offer(self, sets: Indices | list[int], chosen: list[int]) -> None:
        """Keep a cover if it is better than the best so far."""
        whole = [*chosen, *(int(i) for i in sets)]
        cost = float(self.costs[whole].sum())
        if cost < self.best_cost:
            self.best, self.best_cost = whole, cost

    def bound(
        self, sets: Indices, elements: Indices, chosen: list[int], prices: Floats
    ) -> tuple[Indices, Indices, list[int], Floats] | None:
        """Simplify a node as far as it goes; None if nothing better can come of it."""
        steps = STEPS if chosen else ROOT_STEPS
        while True:
            sets, elements, taken = self.reduce(sets, elements)
            chosen = chosen + taken
            room = self.best_cost - self.costs[chosen].sum()
            if room <= 0 or (elements.size and not sets.size):
                return None
            if not elements.size:
                self.offer([], chosen)
                return None
            matrix, costs = self.covers[np.ix_(sets, elements)], self.costs[sets]
            if not matrix.any(axis=0).all():
                return None
            low, own, rest = _relax(matrix, costs, prices[elements], room, steps)
            prices = prices.copy()
            prices[elements] = own
            self.offer(self.greedy(sets, elements, rest), chosen)
            room = self.best_cost - self.costs[chosen].sum()
            if math.ceil(low - 1e-6) >= room:
                return None
            keep = np.ceil(low + np.maximum(rest, 0) - 1e-6) < room
            if keep.all():
                return sets, elements, chosen, prices
            sets = sets[keep]

    def reduce(self, sets: Indices, elements: Indices) -> tuple[Indices, Indices, list[int]]:
        """Take essential sets, and leave out dominated sets and elements."""
        taken: list[int] = []
        while sets.size and elements.size:
            matrix, costs = self.covers[np.ix_(sets, elements)], self.costs[sets]
            counts = matrix.sum(axis=0)
            essential = np.flatnonzero(matrix[:, counts == 1].any(axis=1))
            if essential.size:
                taken += sets[essential].tolist()
                elements = elements[~matrix[essential].any(axis=0)]
                sets = np.delete(sets, essential)
                continue
            # An element goes if all sets of another one hold it; of equal ones the first stays.
            keep = ~_dominated(matrix.T, np.zeros(elements.size), superset=True)
            if not keep.all():
                elements = elements[keep]
                continue
            keep = ~_dominated(matrix, costs, superset=False) & matrix.any(axis=1)
            if keep.all():
                break
            sets = sets[keep]
        return sets, elements, taken

    def greedy(self, sets: Indices, elements: Indices, costs: Floats) -> list[int]:
        """Return a cover: what is cheapest per new element, without what others make idle."""
        matrix = self.covers[np.ix_(sets, elements)]
        open_, chosen = np.ones(elements.size), []
        while open_.any():
            new = matrix @ open_
            score = np.where(new > 0, np.maximum(costs, 1e-3) / np.maximum(new, 1), np.inf)
            i = int(np.argmin(score))
            if not np.isfinite(score[i]):
                return list(range(len(self.costs)))
            chosen.append(i)
            open_ *= 1 - matrix[i]
        counts = matrix[chosen].sum(axis=0)
        for i in sorted(chosen, key=lambda i: -self.costs[sets[i]]):
            if (counts - matrix[i] >= 1).all():
                counts -= matrix[i]
                chosen.remove(i)
        return [int(sets[i]) for i in chosen]


def _dominated(rows: Floats, costs: Floats, superset: bool) -> NDArray[np.bool_]:
    """Tell which rows contain another one (superset), or are contained in one no dearer."""
    sizes = rows.sum(axis=1)
    common = rows @ rows.T
    # [i, k]: row i contains row k, or is contained in it.
    inside = common == (sizes[None, :] if superset else sizes[:, None])
    inside &= costs[None, :] <= costs[:, None]
    # Of two rows that dominate each other, the first stays.
    mutual = inside & inside.T
    inside &= ~mutual | (np.arange(len(rows))[None, :] < np.arange(len(rows))[:, None])
    np.fill_diagonal(inside, False)
    return np.asarray(inside.any(axis=1))


def _relax(
    matrix: Floats, costs: Floats, prices: Floats, room: float, steps: int
) -> tuple[float, Floats, Floats]:
    """Return a lower bound of the cost of a cover, the elements' prices, and the sets' rests.

    For prices u ≥ 0, Σu + Σ_i min(0, c_i − Σ_{j in i} u_j) is a bound; the best one is sought along
    its subgradient.
    """
    best = -math.inf, prices, costs
    pace, stuck = 1.0, 0
    u = prices
    if not u.any():
        u = (costs[:, None] / matrix.sum(axis=1, keepdims=True) * matrix + 1e9 * (1 - matrix)).min(
            axis=0
        )
    for _ in range(steps):
        rest = costs - matrix @ u
        picked = rest < 0
        low = float(u.sum() + rest[picked].sum())
        if low > best[0]:
            best, stuck = (low, u, rest), 0
            if low >= room:
                break
        elif (stuck := stuck + 1) >= 8:
            pace, stuck = pace / 2, 0
        slope = 1.0 - picked @ matrix
        length = float(slope @ slope)
        if length == 0:
            break
        u = np.maximum(u + pace * 1.05 * (room - low) / length * slope, 0.0)
    return best
