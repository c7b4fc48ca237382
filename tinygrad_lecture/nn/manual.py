"""Backpropagation by hand: modules with explicit NumPy ``forward`` and ``backward`` (L12).

Each module keeps in ``forward`` what its ``backward`` needs; ``backward`` takes the derivative of
the loss with respect to the output and returns the one with respect to the input.  Parameter
gradients are stored in ``grads`` under the parameter's name and are replaced by every call (nothing
accumulates). No engine is involved: `tinygrad_lecture.gradcheck` and the tape check these formulas
from outside.

Examples
--------
>>> import numpy as np
>>> from tinygrad_lecture.nn import manual
>>> layer, act, loss = manual.Linear(2, 3, rng=0), manual.Tanh(), manual.SoftmaxCE()
>>> x, labels = np.array([[1.0, -1.0]]), np.array([2])
>>> value = loss.forward(act.forward(layer.forward(x)), labels)
>>> dx = layer.backward(act.backward(loss.backward()))
>>> dx.shape, layer.grads["weight"].shape
((1, 2), (3, 2))
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import init
from .init import Rng

__all__ = ["Linear", "ReLU", "Sigmoid", "SoftmaxCE", "Tanh"]

Array = NDArray[Any]


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


class Tanh:
    """``tanh(x)``; the local derivative is ``1 - tanh(x)^2``, from the output alone."""

    def forward(self, x: Array) -> Array:
        """Apply to every element."""
        self._out = np.tanh(x)
        return self._out

    def backward(self, grad_output: Array) -> Array:
        """Multiply by the local derivative: the Jacobian is diagonal (L11)."""
        return grad_output * (1.0 - self._out**2)


class Sigmoid:
    """``1 / (1 + exp(-x))``, computed as ``(1 + tanh(x/2)) / 2``; derivative ``s (1 - s)``."""

    def forward(self, x: Array) -> Array:
        """Apply to every element."""
        self._out = 0.5 * (1.0 + np.tanh(0.5 * x))
        return self._out

    def backward(self, grad_output: Array) -> Array:
        """Multiply by the local derivative."""
        return grad_output * self._out * (1.0 - self._out)


class ReLU:
    """``max(0, x)``; the derivative is 1 where x > 0, otherwise 0 (also at 0)."""

    def forward(self, x: Array) -> Array:
        """Apply to every element."""
        self._mask = x > 0
        return np.where(self._mask, x, 0.0)

    def backward(self, grad_output: Array) -> Array:
        """Let the gradient through where the input was positive."""
        return np.where(self._mask, grad_output, 0.0)


class SoftmaxCE:
    """Mean cross-entropy of softmax and labels; backward ``(softmax - onehot) / N`` (L54)."""

    def forward(self, logits: Array, labels: Any) -> float:
        """Return the mean loss of logits (N, C) and integer labels (N,)."""
        self._labels = np.asarray(labels)
        if self._labels.shape != logits.shape[:1] or self._labels.dtype.kind not in "iu":
            raise ValueError(
                f"SoftmaxCE: logits {logits.shape} need integer labels of shape {logits.shape[:1]},"
                f" got {self._labels.dtype} {self._labels.shape}"
            )
        shifted = logits - logits.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        total = exponentials.sum(axis=1, keepdims=True)
        self._softmax = exponentials / total
        rows = np.arange(len(logits))
        return float(np.mean(np.log(total[:, 0]) - shifted[rows, self._labels]))

    def backward(self, grad_output: float = 1.0) -> Array:
        """Return dL/dlogits, shape (N, C)."""
        gradient: Array = self._softmax * (grad_output / len(self._softmax))
        gradient[np.arange(len(gradient)), self._labels] -= grad_output / len(gradient)
        return gradient
