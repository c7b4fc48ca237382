"""Logic gates as neurons (L04), features set by hand (L03), and the XOR network (L05).

Boundary biases as on the slide (OR b = −1, AND b = −2 with unit weights) put inputs on the
hyperplane itself; these gates keep a distance of ½, so their sigmoid versions work too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data import _checks
from .network import ThresholdNet, ThresholdNeuron

__all__ = ["AND", "NAND", "NOR", "NOT", "OR", "XOR", "phi_or_and", "xor_net"]


def AND(n: int = 2) -> ThresholdNeuron:  # noqa: N802 - the gate's name
    """Gate that is 1 iff all n inputs are: w = 1, b = ½ − n.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.AND(3)
    ThresholdNeuron(w=[1.0, 1.0, 1.0], b=-2.5)
    """
    return ThresholdNeuron(_ones(n), 0.5 - n)


def OR(n: int = 2) -> ThresholdNeuron:  # noqa: N802 - the gate's name
    """Gate that is 1 iff one of n inputs is: w = 1, b = −½.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.OR(2)(logic.vertices(2))
    array([0, 1, 1, 1])
    """
    return ThresholdNeuron(_ones(n), -0.5)


def NOT() -> ThresholdNeuron:  # noqa: N802 - the gate's name
    """Gate that is 1 iff its input is 0: w = −1, b = ½.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.NOT()([[0], [1]])
    array([1, 0])
    """
    return ThresholdNeuron([-1.0], 0.5)


def NAND(n: int = 2) -> ThresholdNeuron:  # noqa: N802 - the gate's name
    """Gate that is 1 iff not all n inputs are: w = −1, b = n − ½.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.NAND(2)(logic.vertices(2))
    array([1, 1, 1, 0])
    """
    return ThresholdNeuron(-_ones(n), n - 0.5)


def NOR(n: int = 2) -> ThresholdNeuron:  # noqa: N802 - the gate's name
    """Gate that is 1 iff no input is: w = −1, b = ½.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.NOR(2)(logic.vertices(2))
    array([1, 0, 0, 0])
    """
    return ThresholdNeuron(-_ones(n), 0.5)


def XOR(n: int = 2) -> ThresholdNet:  # noqa: N802 - the gate's name
    """Gate that is 1 iff an odd number of n inputs is: no neuron but a network (L02, L06).

    The hidden neurons count, h_k = [Σx ≥ k] for k = 1 … n, and y = [Σ_k (−1)^(k+1) h_k ≥ ½].
    For n = 2 they are OR and AND.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.XOR(3)(logic.vertices(3))
    array([0, 1, 1, 0, 1, 0, 0, 1])
    """
    k = np.arange(1, _checks.count("n", n, 1) + 1)
    net = ThresholdNet(n).add(np.ones((n, n)), 0.5 - k)
    return net.add([-((-1.0) ** k)], [-0.5])


def xor_net() -> ThresholdNet:
    """Return the full 2-2-1 XOR network of the lecture (L05), its weights set by hand.

    o₁ = OR(x), o₂ = AND(x), y = [o₁ − o₂ − ½ ≥ 0].

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.xor_net()(logic.vertices(2))
    array([0, 1, 1, 0])
    """
    return XOR(2)


def phi_or_and(X: ArrayLike) -> NDArray[np.float64]:
    """Features set by hand, φ(x) = [x₁ OR x₂, x₁ AND x₂], in which XOR is linear (L03).

    Parameters
    ----------
    X : array_like, shape (..., 2)
        Inputs 0 and 1.

    Returns
    -------
    ndarray, shape (..., 2)

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.phi_or_and(logic.vertices(2)).tolist()
    [[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    """
    return np.stack([OR(2)(X), AND(2)(X)], axis=-1).astype(np.float64)


def _ones(n: int) -> NDArray[np.float64]:
    return np.ones(_checks.count("n", n, 1))
