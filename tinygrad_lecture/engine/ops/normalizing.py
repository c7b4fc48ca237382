"""Normalization to mean 0 and variance 1 as one row, with the derivative in closed form (L52)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..value import apply, raw
from .elementwise import sqrt, square
from .reductions import Axis, mean, some_normal
from .shaping import axes_of, operand
from .table import other, publish, select, times


def _normalized(x: Any, axis: tuple[int, ...], eps: float) -> Any:
    d = x - np.mean(x, axis=axis, keepdims=True)
    return d * (1.0 / np.sqrt(np.mean(d * d, axis=axis, keepdims=True) + eps))


def _through(g: Any, out: Any, x: Any, axis: tuple[int, ...], eps: float) -> Any:
    """The Jacobian is symmetric, so that both modes are this."""
    scale = 1.0 / sqrt(mean(square(x - mean(x, axis, True)), axis, True) + eps)
    along = out * mean(times(g, out), axis, True)
    return select(g, (g - mean(g, axis, True) - along) * scale, axis)


_NORMALIZE = other(
    "normalize", _normalized, _through, _through, symbol="x̂", formula="(x - mean) / √(var + eps)",
    derivatives=("(g - mean g - out mean(g out)) / √(var + eps)",),
    cases=lambda rng: ((some_normal(rng),), {"axis": (None, 1, (0, 2))[rng.integers(3)]}),
)  # fmt: skip


def normalize(x: Any, axis: Axis = None, eps: float = 1e-5) -> Any:
    """(x - mean) / √(var + eps) over axes: what batch normalization does before it scales (L51).

    Its derivative, (g - mean g - out · mean(g · out)) / √(var + eps), is the one of the paper in
    compact form (Ioffe and Szegedy 2015, section 3; L52): adjoints lose their mean, and their part
    along the result.

    Parameters
    ----------
    x : array_like or Value
    axis : int, tuple of int or None
        Axes that share mean and (biased) variance; all by default.
    eps : float
        At least 0.

    Returns
    -------
    ndarray or Value
        Of the shape of x.

    Raises
    ------
    ValueError
        For a negative eps, or where no element is left.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.normalize(np.array([[1.0, 10.0], [3.0, 50.0]]), axis=0, eps=0.0)
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    x = operand(x)
    axes = axes_of(axis, np.ndim(raw(x)), "normalize")
    if not eps >= 0.0:
        raise ValueError(f"eps={eps}: normalize needs at least 0")
    if any(np.shape(raw(x))[i] == 0 for i in axes):
        raise ValueError(f"normalize of no elements: the shape is {np.shape(raw(x))}")
    return apply(_NORMALIZE, (x,), {"axis": axes, "eps": float(eps)})


publish("normalize", normalize)
