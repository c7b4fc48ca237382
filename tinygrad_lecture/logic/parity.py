"""Parity in three forms: why depth, and why counting, matters (L06).

A flat DNF of D inputs needs 2^(D−1) terms; a tree of XOR blocks 3(D−1) neurons in about 2·log₂ D
layers; and one hidden layer of D neurons that count is enough, since a threshold sees a sum.
"""

from __future__ import annotations

import numpy as np

from ..data import _checks
from .function import BooleanFunction, vertices
from .gates import XOR
from .network import ThresholdNet
from .normalform import DNFNet

__all__ = ["parity", "parity_counting", "parity_dnf", "parity_sizes", "parity_tree"]


def parity(D: int) -> BooleanFunction:
    """Return the function that is 1 iff an odd number of its D inputs is.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.parity(2)
    BooleanFunction('0110', names=('x1', 'x2'))
    """
    return BooleanFunction(vertices(D).sum(axis=1) % 2)


def parity_dnf(D: int) -> DNFNet:
    """Parity as a flat DNF: 2^(D−1) + 1 neurons.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.parity_dnf(4).n_units
    9
    """
    return DNFNet.from_truth_table(parity(D))


def parity_tree(D: int) -> ThresholdNet:
    """Parity as a balanced tree of D − 1 XOR blocks of three neurons: OR, AND, and o₁ − o₂ ≥ ½.

    Parameters
    ----------
    D : int
        At least 2.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> net = logic.parity_tree(5)
    >>> net.n_units, net.depth
    (12, 6)
    >>> net.function() == logic.parity(5)
    True
    """
    net = ThresholdNet(_checks.count("D", D, 2))
    values = list(range(D))  # numbers of those whose parity is wanted still
    while len(values) > 1:
        pairs = len(values) // 2
        start = net.n_inputs + net.n_units
        inputs, odd = values[: 2 * pairs], values[2 * pairs :]
        blocks = np.eye(pairs)
        net.add(np.kron(blocks, np.ones((2, 2))), np.tile([-0.5, -1.5], pairs), inputs)
        net.add(np.kron(blocks, [[1.0, -1.0]]), np.full(pairs, -0.5))
        values = [*range(start + 2 * pairs, start + 3 * pairs), *odd]
    return net


def parity_counting(D: int) -> ThresholdNet:
    """Parity by counting: h_k = [Σx ≥ k] for k = 1 … D, y = [Σ_k (−1)^(k+1) h_k ≥ ½].

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.parity_counting(8).n_units
    9
    """
    return XOR(D)


def parity_sizes(D: int) -> dict[str, int]:
    """Return the numbers of neurons of the three forms, side by side.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.parity_sizes(10)
    {'dnf': 513, 'tree': 27, 'counting': 11}
    """
    forms = {"dnf": parity_dnf, "tree": parity_tree, "counting": parity_counting}
    return {name: form(D).n_units for name, form in forms.items()}
