"""Can one neuron do it?  Decided exactly, with a proof either way (L01, L02).

Labels y of points x are separable iff some θ has s·θᵀ(x, 1) > 0 for all of them, s = ±1 by the
label.  By Gordan's theorem (1873) either there is such a θ, or numbers λ ≥ 0, not all 0, with
Σ λ s (x, 1) = 0: the convex hulls of the two classes meet.  One linear program finds which.

It is solved by the simplex method in whole numbers.  A solver in floating point, such as SciPy's
HiGHS, answers up to a tolerance, which is no decision; the perceptron decides by its bound, but for
truth tables that grows as nⁿ (n = 10: 3·10⁷ mistakes).  Exact pivots on a table of n + 2 rows are
cheap, need no further package, and give weights or a proof, both of which anybody can check.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from .function import BooleanFunction, vertices
from .network import ThresholdNeuron
from .perceptron import _samples

__all__ = ["Separation", "count_threshold_functions", "separate"]

MAX_COUNTED = 5


@dataclass(frozen=True, eq=False)
class Separation:
    """Whether a hyperplane divides labelled points, and why.

    Attributes
    ----------
    neuron : ThresholdNeuron or None
        One that is right on all points, by a margin, with weights that are whole numbers for
        points that are; None if there is none.
    conflict : dict of int to int
        The proof that there is none: numbers of points with positive weights, for which the
        weighted sums of both classes are the same, as are their total weights.  Else empty.
    """

    neuron: ThresholdNeuron | None
    conflict: dict[int, int]

    def __bool__(self) -> bool:
        return self.neuron is not None


def separate(X: ArrayLike, y: ArrayLike) -> Separation:
    """Decide exactly whether one neuron can give labels to points, and find it.

    Parameters
    ----------
    X : array_like, shape (N, n)
        Finite; floating-point numbers count as the fractions that they are.
    y : array_like of 0 and 1, shape (N,)

    Returns
    -------
    Separation
        True iff there is a neuron.

    Raises
    ------
    UsageError
        If shapes or labels do not fit; or for points so near to each other that the weights that
        divide them are no longer right when rounded to double precision.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> X = logic.vertices(2)
    >>> logic.separate(X, [0, 0, 0, 1]).neuron
    ThresholdNeuron(w=[2.0, 2.0], b=-3)
    >>> logic.separate(X, [0, 1, 1, 0]).conflict  # (0,0) + (1,1) = (0,1) + (1,0)
    {0: 1, 1: 1, 2: 1, 3: 1}
    """
    samples, labels = _samples(X, y)
    signs = 2 * labels - 1
    columns = _whole(samples) * signs.astype(object)[:, None]
    theta, weights = _gordan(columns)
    if theta is None:
        return Separation(None, {i: w for i, w in enumerate(weights) if w})
    scale = max(map(abs, theta))
    exact = scale < 2**53  # then all are floats as they are
    floats = np.array([float(t if exact else Fraction(t, scale)) for t in theta])
    neuron = ThresholdNeuron(floats[:-1], floats[-1])
    if not np.array_equal(neuron(samples[:, :-1]), labels):
        raise UsageError(
            f"the points are separable, but only by weights finer than double precision: {theta}"
        )
    return Separation(neuron, {})


def _whole(samples: NDArray[np.float64]) -> NDArray[Any]:
    """Return the rows as Python integers, all times one number."""
    if np.array_equal(samples, np.rint(samples)) and np.abs(samples).max() < 2**53:
        return samples.astype(np.int64).astype(object)
    fractions = [[Fraction(x) for x in row] for row in samples.tolist()]
    denominator = math.lcm(*(x.denominator for row in fractions for x in row))
    return np.array([[int(x * denominator) for x in row] for row in fractions], dtype=object)


def _gordan(columns: NDArray[Any]) -> tuple[list[int] | None, list[int]]:
    """Return θ with θᵀc > 0 for all rows c of ``columns``, or None and λ ≥ 0 with Σ λ c = 0.

    Phase 1 of the simplex method on Aλ = 0, Σλ = 1: it makes the sum of one more, artificial,
    variable per row as small as can be.  If that is 0, λ is found; otherwise the dual solution is
    θ.  Bland's rule (the first column that improves; in ties, the first variable leaves) ends
    always.  Pivots without fractions, after Edmonds: all entries share one denominator, the last
    pivot, so each division is exact.
    """
    N, d = columns.shape
    rows = d + 1
    table = np.zeros((rows + 1, N + rows + 1), dtype=object)  # the last row: reduced costs
    table[:d, :N] = columns.T
    table[d, :N] = table[d, -1] = 1
    table[:rows, N:-1] = np.eye(rows, dtype=int)
    table[-1, :N] = -table[:rows, :N].sum(axis=0)
    table[-1, -1] = -1
    basis = list(range(N, N + rows))
    denominator = 1
    while True:
        improving = np.flatnonzero(table[-1, :N] < 0)
        if not improving.size:
            break
        j = improving[0]
        candidates = [i for i in range(rows) if table[i, j] > 0]
        i = min(candidates, key=lambda r: (Fraction(table[r, -1], table[r, j]), basis[r]))
        pivot = table[i, j]
        row = table[i].copy()
        table = (table * pivot - np.outer(table[:, j], row)) // denominator
        table[i] = row
        basis[i], denominator = int(j), pivot
    if table[-1, -1] != 0:
        theta = [int(c) - denominator for c in table[-1, N : N + d]]
        divisor = math.gcd(*theta)
        return [t // divisor for t in theta], []
    weights = [0] * N
    for i, j in enumerate(basis):
        if j < N:
            weights[j] = int(table[i, -1])
    divisor = math.gcd(*weights)
    return None, [w // divisor for w in weights]


def count_threshold_functions(n: int) -> int:
    """Count the Boolean functions of n inputs that one neuron can compute (L01).

    4, 14, 104, 1882 and 94572 of the 4, 16, 256, 65536 and 2³² for n = 1 to 5.  Weights that are
    whole numbers up to 2⁻ⁿ(n+1)^((n+1)/2) suffice for all of them (Muroga 1971, Threshold Logic and
    Its Applications), so they are tried.  Only weights ≥ 0 need to be: they give the functions that
    no input makes smaller, and each of those stands for 2ᵏ, where k inputs matter and are negated
    or not.

    Parameters
    ----------
    n : int
        1 to 5.

    Raises
    ------
    UsageError
        For n outside of that range.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> [logic.count_threshold_functions(n) for n in (1, 2, 3, 4)]
    [4, 14, 104, 1882]
    """
    if not 1 <= n <= MAX_COUNTED:
        raise UsageError(f"n must be 1 to {MAX_COUNTED}, got {n}")
    largest = math.isqrt((n + 1) ** (n + 1)) >> n
    X = vertices(n).astype(np.int64)
    found: set[bytes] = set()
    for weights in itertools.product(range(largest + 1), repeat=n):
        sums = X @ np.array(weights)
        thresholds = np.arange(sums.max() + 2)
        found.update(map(bytes, np.packbits(sums >= thresholds[:, None], axis=1)))
    return sum(2 ** _essential(code, n) for code in found)


def _essential(code: bytes, n: int) -> int:
    """Count the inputs on which a function depends."""
    table = np.unpackbits(np.frombuffer(code, np.uint8), count=2**n).reshape((2,) * n)
    return sum(not np.array_equal(table.take(0, k), table.take(1, k)) for k in range(n))


def single_neuron(function: BooleanFunction) -> Separation:
    """Decide whether one neuron computes a Boolean function."""
    return separate(function.X, function.table)
