"""The Taylor remainder test: a gradient is right if what it leaves is of second order.

Along a direction v, R(h) = |f(x + h v) - f(x) - h <g, v>| falls with h² if g is the gradient, and
only with h if it is not (Bottou's check of one example, Q(z, w + d) = Q(z, w) + d·g, with an
exponent).  The exponent is read off a fit on logarithmic axes, above the rounding noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lecture.errors import UsageError

from .numeric import EPS, Array, Evaluation, Line


@dataclass(frozen=True)
class Taylor:
    """Remainders and their order.

    Attributes
    ----------
    steps, remainders : tuple of float
        h and R(h), above the rounding noise.
    order : float
        2 if the gradient is right, 1 if it is wrong (3 or more where f'' vanishes along v);
        nan if the remainder is rounding noise from the first step on, as for a linear f.
    """

    steps: tuple[float, ...]
    remainders: tuple[float, ...]
    order: float

    def __str__(self) -> str:
        if math.isnan(self.order):
            return "Taylor remainder: nothing but rounding"
        return f"Taylor remainder of order {self.order:.2f} (right: 2, wrong: 1)"


def taylor_line(line: Line, slope: float, largest: float = 2.0**-4) -> Taylor:
    """Fit the order of the remainder along a line with the claimed slope <g, v>."""
    steps, remainders = [], []
    middle, u = line.base.values, line.cotangent
    for k in range(12):
        h = largest * 0.5**k
        result = line.evaluate(line.displaced(h))
        with np.errstate(all="ignore"):
            noise = line.eps * float(
                np.sum(np.abs(u) * np.maximum(abs(result.values), abs(middle)))
            )
            remainder = abs(float(np.sum(u * (result.values - middle))) - h * slope)
        if math.isfinite(remainder) and remainder > 64 * noise:
            steps.append(h)
            remainders.append(remainder)
    return Taylor(tuple(steps), tuple(remainders), _order(steps, remainders))


def _order(steps: Sequence[float], remainders: Sequence[float]) -> float:
    if len(steps) < 4:
        return math.nan
    # The shortest steps are free of higher orders.
    logs = np.log2(np.array([steps[-6:], remainders[-6:]]))
    return float(np.polyfit(logs[0], logs[1], 1)[0])


def taylor_test(
    f: Callable[[Array], Any], gradient: Any, x: Any, direction: Any = None, *, seed: int = 0
) -> Taylor:
    """Order of the Taylor remainder that a claimed gradient leaves.

    Parameters
    ----------
    f : callable
        ``f(x)`` returns one number.
    gradient : array_like or callable
        The claimed gradient at x, or a function that gives it.
    x : array_like of floats
        Where.
    direction : array_like, optional
        v; drawn from `seed` if not given.
    seed : int, default 0
        Seed of the direction.

    Raises
    ------
    UsageError
        If the gradient has not the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.gradcheck import taylor_test
    >>> right = taylor_test(lambda x: np.sum(np.sin(x)), np.cos, [0.5, 1.0])
    >>> wrong = taylor_test(lambda x: np.sum(np.sin(x)), np.sin, [0.5, 1.0])
    >>> round(right.order), round(wrong.order)
    (2, 1)
    """
    at = np.array(x, dtype=np.float64)
    g = np.asarray(gradient(at) if callable(gradient) else gradient, dtype=np.float64)
    if g.shape != at.shape:
        raise UsageError(f"gradient must have the shape {at.shape} of x, got {g.shape}")
    if direction is None:
        direction = np.random.default_rng(seed).uniform(0.5, 1.0, at.shape)
    v = np.asarray(direction, dtype=np.float64)

    def evaluate(arrays: Sequence[Array]) -> Evaluation:
        return Evaluation(np.asarray(f(arrays[0]), dtype=np.float64).reshape(-1))

    base = evaluate([at])
    line = Line(evaluate, [at], base, np.ones(base.values.size), 0, v, eps=EPS, gradient=g)
    return taylor_line(line, float(np.sum(g * v)))
