"""Losses by hand: ``forward(prediction, target)`` is a number, ``backward`` starts the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.ops.numerics import sigmoid
from ._module import Array


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


class HalfMSE:
    """``sum((f - y)^2) / 2 N``, N elements; backward ``(f - y) / N`` (L15)."""

    def forward(self, prediction: Array, target: Array) -> float:
        """Loss of a prediction and a target of one shape."""
        _same_shape("HalfMSE", prediction, target)
        self._difference = prediction - target
        return float(0.5 * np.mean(self._difference**2))

    def backward(self, grad_output: float = 1.0) -> Array:
        """Return dL/df."""
        return self._difference * (grad_output / self._difference.size)


class BCEWithLogits:
    """Mean binary cross-entropy of logits; backward ``(sigmoid(z) - t) / N`` (L54)."""

    def forward(self, logits: Array, target: Array) -> float:
        """Loss of logits and targets in [0, 1], of one shape."""
        _same_shape("BCEWithLogits", logits, target)
        self._residual = sigmoid(logits) - target
        losses = target * np.logaddexp(0.0, -logits) + (1.0 - target) * np.logaddexp(0.0, logits)
        return float(np.mean(losses))

    def backward(self, grad_output: float = 1.0) -> Array:
        """Return dL/dlogits."""
        gradient: Array = self._residual * (grad_output / self._residual.size)
        return gradient


class Hinge:
    """Mean of ``max(0, 1 - y f)``; backward ``-y / N`` where it is positive."""

    def forward(self, scores: Array, target: Array) -> float:
        """Loss of scores and targets -1 and 1, of one shape."""
        _same_shape("Hinge", scores, target)
        losses = np.maximum(0.0, 1.0 - target * scores)
        self._slope = np.where(losses > 0.0, -target, 0.0)
        return float(np.mean(losses))

    def backward(self, grad_output: float = 1.0) -> Array:
        """Return dL/df."""
        return self._slope * (grad_output / self._slope.size)


def _same_shape(name: str, prediction: Array, target: Array) -> None:
    if np.shape(prediction) != np.shape(target):
        raise ValueError(
            f"{name}: prediction has shape {np.shape(prediction)}, target has shape"
            f" {np.shape(target)}; they must be equal"
        )
