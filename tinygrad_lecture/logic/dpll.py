"""DPLL: search with unit propagation, small and complete."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .cnf import CNF


class Search:
    """State of a search (Davis, Logemann & Loveland 1962): a trail of literals that hold.

    Each clause watches two of its literals; as long as neither is false, the clause is neither
    violated nor down to its last literal, so only clauses that watch a literal that became false
    are looked at (Moskewicz et al. 2001, Chaff).  There is no recursion.
    """

    def __init__(self, cnf: CNF) -> None:
        self.n = cnf.n_variables
        self.value = [0] * (2 * self.n + 1)  # by literal (negative ones from the end): 1, -1, 0
        self.trail: list[int] = []
        self.done = 0  # literals of the trail whose clauses were looked at
        self.levels: list[tuple[int, int]] = []  # length of the trail and literal of each choice
        self.watches: defaultdict[int, list[list[int]]] = defaultdict(list)
        self.clauses: list[list[int]] = []
        self.decisions = self.propagations = 0
        self.failed = False
        for codes in cnf.groups:
            for row in codes.tolist():
                clause = [c + 1 if c < self.n else self.n - c - 1 for c in row]
                if len(clause) > 1:
                    self.clauses.append(clause)
                    self.watches[clause[0]].append(clause)
                    self.watches[clause[1]].append(clause)
                elif not clause or not self.assign(clause[0]):
                    self.failed = True

    def assign(self, literal: int) -> bool:
        """Let a literal hold; False if its negation does."""
        if self.value[literal]:
            return self.value[literal] > 0
        self.value[literal], self.value[-literal] = 1, -1
        self.trail.append(literal)
        return True

    def propagate(self) -> bool:
        """Let all literals hold that are the last of their clauses; False if one is violated."""
        value = self.value
        while self.done < len(self.trail):
            false = -self.trail[self.done]
            self.done += 1
            self.propagations += 1
            kept: list[list[int]] = []
            watching = self.watches[false]
            for i, clause in enumerate(watching):
                if clause[0] == false:
                    clause[0], clause[1] = clause[1], false
                if value[clause[0]] <= 0:
                    for k in range(2, len(clause)):
                        if value[clause[k]] >= 0:
                            clause[1], clause[k] = clause[k], false
                            self.watches[clause[1]].append(clause)
                            break
                    else:
                        kept.append(clause)
                        if not self.assign(clause[0]):
                            self.watches[false] = kept + watching[i + 1 :]
                            return False
                        continue
                    continue
                kept.append(clause)
            self.watches[false] = kept
        return True

    def choose(self) -> int:
        """Return the literal whose open clauses weigh most, 2^−length each, or 0 if none is open.

        Jeroslow & Wang 1990.
        """
        value = self.value
        weight: defaultdict[int, float] = defaultdict(float)
        for clause in self.clauses:
            free = []
            for literal in clause:
                state = value[literal]
                if state > 0:
                    break
                if not state:
                    free.append(literal)
            else:
                share = 2.0 ** -len(free)
                for literal in free:
                    weight[literal] += share
        best = max(weight, key=lambda v: (weight[v] + weight.get(-v, 0.0), weight[v]), default=0)
        return -best if weight.get(-best, 0.0) > weight.get(best, 0.0) else best

    def back(self) -> bool:
        """Undo choices up to one whose other side is open, and take that; False if there is none.

        The other side holds without a choice, as what the levels before it imply.
        """
        if not self.levels:
            return False
        length, literal = self.levels.pop()
        for gone in self.trail[length:]:
            self.value[gone] = self.value[-gone] = 0
        del self.trail[length:]
        self.done = length
        return self.assign(-literal)

    def run(
        self, limit: int | None = None, tick: Callable[[int], object] | None = None
    ) -> bool | None:
        """Search; True, False, or None if it would need more than ``limit`` choices."""
        if self.failed:
            return False
        while True:
            while not self.propagate():
                if not self.back():
                    return False
            literal = self.choose()
            if not literal:
                return True
            if self.decisions == limit:
                return None
            self.decisions += 1
            if tick is not None:
                tick(self.decisions)
            self.levels.append((len(self.trail), literal))
            self.assign(literal)

    def assignment(self) -> NDArray[np.bool_]:
        """Return the literals that hold as truth values; False for variables that are free."""
        return np.array([self.value[v] > 0 for v in range(1, self.n + 1)], dtype=bool)
