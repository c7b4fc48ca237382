"""Toy sets in the plane: XOR, moons, circles and spirals.

Each returns ``(X, y)``: inputs of shape (n, 2) in float64 and class labels of shape (n,) in int64.
The class of each point is drawn uniformly, so that the classes are only about equally large.
The same seed gives the same points.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.data import _checks
from tinygrad_lecture.data.preprocess import Standardize
from tinygrad_lecture.data.seeding import Seed, generator
from tinygrad_lecture.errors import UsageError

Points: TypeAlias = tuple[NDArray[np.float64], NDArray[np.int64]]


def xor(signed: bool = False) -> Points:
    """Truth table of exclusive or (lecture L02): four points that no single line divides.

    Parameters
    ----------
    signed
        Write the inputs as −1 and 1 instead of 0 and 1. The labels stay the classes 0 and 1.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.xor()
    >>> for inputs, label in zip(X.tolist(), y.tolist()):
    ...     print(inputs, label)
    [0.0, 0.0] 0
    [0.0, 1.0] 1
    [1.0, 0.0] 1
    [1.0, 1.0] 0
    """
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([0, 1, 1, 0], dtype=np.int64)
    return (2 * X - 1 if signed else X), y


def moons(n: int = 256, noise: float = 0.1, seed: Seed = 0) -> Points:
    """Two interleaved half circles.

    With t ~ U(0, π), class 0 lies at (cos t, sin t) and class 1 at (1 − cos t, ½ − sin t). Each
    coordinate gets normal noise, then the set is standardized to mean 0 and deviation 1.

    Parameters
    ----------
    n
        Number of points, at least 1.
    noise
        Standard deviation of the noise, before the set is standardized.
    seed
        Integer or generator.

    Raises
    ------
    UsageError
        If `n` is not a positive integer, or `noise` is negative or not finite.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.moons(100, noise=0.1, seed=0)
    >>> X.shape, y.shape
    ((100, 2), (100,))
    >>> X.std(axis=0)
    array([1., 1.])
    """
    n, noise, rng = _checks.count("n", n, 1), _checks.deviation("noise", noise), generator(seed)
    y = rng.integers(2, size=n)
    t = rng.uniform(0, np.pi, size=n)
    upper = np.column_stack([np.cos(t), np.sin(t)])
    lower = np.column_stack([1 - np.cos(t), 0.5 - np.sin(t)])
    X = np.where(y[:, None] == 0, upper, lower) + rng.normal(0, noise, size=(n, 2))
    return Standardize().fit(X).transform(X), y


def circles(n: int = 256, noise: float = 0.1, seed: Seed = 0, factor: float = 0.5) -> Points:
    """Two circles around the origin: class 0 of radius 1, class 1 of radius `factor` inside it.

    Points are uniform on their circle; each coordinate gets normal noise.

    Parameters
    ----------
    n
        Number of points, at least 1.
    noise
        Standard deviation of the noise.
    seed
        Integer or generator.
    factor
        Radius of the inner circle, 0 ≤ factor < 1.

    Raises
    ------
    UsageError
        If an argument is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.circles(100, noise=0, seed=0)
    >>> radius = np.hypot(X[:, 0], X[:, 1])
    >>> bool(np.allclose(radius, np.where(y == 0, 1, 0.5)))
    True
    """
    n, noise, rng = _checks.count("n", n, 1), _checks.deviation("noise", noise), generator(seed)
    if not 0 <= factor < 1:
        raise UsageError(f"factor must be a radius with 0 ≤ factor < 1, got {factor!r}")
    y = rng.integers(2, size=n)
    angle = rng.uniform(0, 2 * np.pi, size=n)
    radius = np.where(y == 0, 1.0, factor)
    X = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + rng.normal(0, noise, size=(n, 2)), y


def spirals(n: int = 300, classes: int = 3, noise: float = 0.2, seed: Seed = 0) -> Points:
    """Arms of a spiral, one a class.

    With t ~ U(0.1, 1) and class c uniform, the angle is 2πc/classes + 4t + N(0, noise²) and the
    point is t·(cos angle, sin angle) / 0.45. The noise turns points about the origin, so it moves
    the outer ones further.

    Parameters
    ----------
    n
        Number of points, at least 1.
    classes
        Number of arms, at least 2.
    noise
        Standard deviation of the angle, in radians.
    seed
        Integer or generator.

    Raises
    ------
    UsageError
        If an argument is out of its range.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.spirals(600, classes=3, noise=0.2, seed=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((600, 2), [0, 1, 2])
    """
    n, noise, rng = _checks.count("n", n, 1), _checks.deviation("noise", noise), generator(seed)
    classes = _checks.count("classes", classes, 2)
    y = rng.integers(classes, size=n)
    t = rng.uniform(0.1, 1, size=n)
    angle = 2 * np.pi * y / classes + 4 * t + rng.normal(0, noise, size=n)
    return t[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]) / 0.45, y
