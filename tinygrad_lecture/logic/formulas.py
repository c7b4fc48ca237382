"""Families of formulas: lists of clauses, from a seed."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data import _checks
from ..data.seeding import Seed, generator
from ..errors import UsageError

Clauses = list[list[int]]


def random_ksat(n: int, m: int, k: int, seed: Seed, planted: bool | ArrayLike) -> Clauses:
    """m clauses of k distinct variables each, with random signs; see `CNF.random_ksat`."""
    n, m, k = _checks.count("n", n, 1), _checks.count("m", m, 0), _checks.count("k", k, 1)
    if k > n:
        raise UsageError(f"k must be at most n={n}: a clause has distinct variables; got {k}")
    rng = generator(seed)
    hidden = _planted(planted, n, rng)
    variables = _distinct(n, m, k, rng)
    signs = rng.integers(2, size=(m, k), dtype=np.int64).astype(bool)
    if hidden is not None:
        while (again := (signs != hidden[variables]).all(axis=1)).any():
            signs[again] = rng.integers(2, size=(again.sum(), k), dtype=np.int64).astype(bool)
    clauses: Clauses = np.where(signs, variables + 1, -variables - 1).tolist()
    return clauses


def _planted(
    planted: bool | ArrayLike, n: int, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    if planted is False:
        return None
    if planted is True:
        return rng.integers(2, size=n).astype(bool)
    hidden = np.asarray(planted)
    if hidden.shape != (n,) or not np.isin(hidden, (0, 1)).all():
        raise UsageError(f"planted must be True or {n} truth values, got shape {hidden.shape}")
    return hidden.astype(bool)


def _distinct(n: int, m: int, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw m rows of k different numbers below n."""
    if k * k > n:
        return np.argsort(rng.random((m, n)), axis=1)[:, :k]
    rows = rng.integers(n, size=(m, k))
    while True:  # repeats are rare: less than half of the rows have one
        ordered = np.sort(rows, axis=1)
        again = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        if not again.any():
            return rows
        rows[again] = rng.integers(n, size=(again.sum(), k))


def pigeonhole(holes: int) -> tuple[int, Clauses]:
    """holes + 1 pigeons into holes; see `CNF.pigeonhole`."""
    holes = _checks.count("holes", holes, 1)
    sits = np.arange(1, (holes + 1) * holes + 1).reshape(holes + 1, holes).tolist()
    clauses: Clauses = [list(row) for row in sits]
    for hole in range(holes):
        clauses += [[-a[hole], -b[hole]] for a, b in itertools.combinations(sits, 2)]
    return (holes + 1) * holes, clauses


def parity_chain(n: int, seed: Seed, satisfiable: bool) -> tuple[int, Clauses]:
    """Two chains of XOR over the same inputs; see `CNF.parity_chain`."""
    n = _checks.count("n", n, 2)
    orders = (np.arange(n), generator(seed).permutation(n))
    clauses: Clauses = []
    variables = n
    ends = []
    for order in orders:
        last, *rest = (order + 1).tolist()
        for x in rest:
            variables += 1
            clauses += _xor(variables, last, x)
            last = variables
        ends.append(last)
    clauses += [[ends[0]], [ends[1] if satisfiable else -ends[1]]]
    return variables, clauses


def _xor(t: int, a: int, b: int) -> Clauses:
    """Clauses of t = a ⊕ b."""
    return [[-t, a, b], [-t, -a, -b], [t, -a, b], [t, a, -b]]
