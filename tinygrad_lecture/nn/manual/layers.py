"""Layers by hand: linear maps, maxout, batch normalization, dropout, flattening."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import init
from ..init import Rng
from ._module import Array


class Linear:
    """``Y = X @ W.T + b``; backward dX = dY W, dW = dY^T X, db = sum of the rows of dY.

    Parameters
    ----------
    in_features, out_features : int
    rng : numpy.random.Generator, int or None
        Source of the weight, U(-c, c) with c = sqrt(3 / in_features); the bias starts at 0 (L48).

    Attributes
    ----------
    weight : ndarray, shape (out_features, in_features)
    bias : ndarray, shape (out_features,)
    grads : dict
        ``"weight"`` and ``"bias"`` after `backward`.
    """

    def __init__(self, in_features: int, out_features: int, *, rng: Rng = None) -> None:
        self.weight: Array = init.lecun_uniform_(np.empty((out_features, in_features)), rng)
        self.bias: Array = np.zeros(out_features)
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array) -> Array:
        """Map rows (N, in) to (N, out)."""
        self._x = x
        return x @ self.weight.T + self.bias

    def backward(self, grad_output: Array) -> Array:
        """Map dL/dY (N, out) to dL/dX (N, in); store dL/dW and dL/db."""
        self.grads = {"weight": grad_output.T @ self._x, "bias": grad_output.sum(axis=0)}
        return grad_output @ self.weight


class ScaledLinear(Linear):
    """``Y = scale (X @ W.T + b)`` (L46): every gradient has the factor too.

    Parameters
    ----------
    in_features, out_features : int
    scale : float
    rng : numpy.random.Generator, int or None
    """

    def __init__(
        self, in_features: int, out_features: int, scale: float, *, rng: Rng = None
    ) -> None:
        super().__init__(in_features, out_features, rng=rng)
        self.weight = self.weight / scale
        self.scale = float(scale)

    def forward(self, x: Array) -> Array:
        """Map rows (N, in) to (N, out)."""
        return self.scale * super().forward(x)

    def backward(self, grad_output: Array) -> Array:
        """Map dL/dY (N, out) to dL/dX (N, in)."""
        return super().backward(self.scale * grad_output)


class Maxout(Linear):
    """The largest of k linear pieces; the gradient goes to that piece alone (L57).

    Parameters
    ----------
    in_features, out_features, num_pieces : int
    rng : numpy.random.Generator, int or None
    """

    def __init__(
        self, in_features: int, out_features: int, num_pieces: int = 2, *, rng: Rng = None
    ) -> None:
        super().__init__(in_features, out_features * num_pieces, rng=rng)
        self.num_pieces = num_pieces

    def forward(self, x: Array) -> Array:
        """Map rows (N, in) to (N, out)."""
        pieces = super().forward(x).reshape(len(x), -1, self.num_pieces)
        self._winner = pieces.argmax(axis=-1)[..., None]
        return np.take_along_axis(pieces, self._winner, -1)[..., 0]

    def backward(self, grad_output: Array) -> Array:
        """Map dL/dY (N, out) to dL/dX (N, in)."""
        spread = np.zeros((*grad_output.shape, self.num_pieces))
        np.put_along_axis(spread, self._winner, grad_output[..., None], -1)
        return super().backward(spread.reshape(len(grad_output), -1))


class BatchNorm1d:
    """Normalization over the batch, with the derivative of the paper, step by step (L51, L52).

    ``dx = (dxhat - mean(dxhat) - xhat mean(dxhat xhat)) / sqrt(var + eps)`` is what the three
    lines of `backward` come to.

    Parameters
    ----------
    num_features : int
    eps : float

    Attributes
    ----------
    weight, bias : ndarray, shape (num_features,)
    grads : dict
        ``"weight"`` and ``"bias"`` after `backward`.
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        self.weight: Array = np.ones(num_features)
        self.bias: Array = np.zeros(num_features)
        self.eps = eps
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array) -> Array:
        """Normalize rows (N, C) with the statistics of the batch."""
        self._centered = x - x.mean(axis=0)
        self._var = (self._centered**2).mean(axis=0) + self.eps
        self._xhat = self._centered / np.sqrt(self._var)
        out: Array = self.weight * self._xhat + self.bias
        return out

    def backward(self, grad_output: Array) -> Array:
        """Map dL/dY (N, C) to dL/dX (N, C); store dL/dweight and dL/dbias."""
        n = len(grad_output)
        self.grads = {
            "weight": (grad_output * self._xhat).sum(axis=0), "bias": grad_output.sum(axis=0),
        }  # fmt: skip
        d_xhat = grad_output * self.weight
        d_var = (d_xhat * self._centered).sum(axis=0) * -0.5 * self._var**-1.5
        d_mean = -(d_xhat / np.sqrt(self._var)).sum(axis=0)
        d_mean = d_mean - 2.0 * d_var * self._centered.mean(axis=0)  # 0, but for rounding
        dx: Array = d_xhat / np.sqrt(self._var) + d_var * 2.0 * self._centered / n + d_mean / n
        return dx


class Dropout:
    """``x keep / (1 - p)``; the derivative is the same factor (L70).

    Parameters
    ----------
    p : float
        In [0, 1).
    rng : numpy.random.Generator, int or None
    """

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        self.p = p
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Array) -> Array:
        """Drop elements by chance."""
        self._factor = (self.rng.random(x.shape) >= self.p) / (1.0 - self.p)
        return x * self._factor

    def backward(self, grad_output: Array) -> Array:
        """Drop the same elements of the gradient."""
        return grad_output * self._factor


class Flatten:
    """Join all axes but the first; backward takes them apart again."""

    def forward(self, x: Array) -> Array:
        """Map (N, ...) to (N, features)."""
        self._shape: Any = x.shape
        return x.reshape(len(x), -1)

    def backward(self, grad_output: Array) -> Array:
        """Map (N, features) to (N, ...)."""
        return grad_output.reshape(self._shape)
