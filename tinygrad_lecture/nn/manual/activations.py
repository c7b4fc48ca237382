"""Activations by hand: a value, and a local derivative of input and output (L54 to L60, L67)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ...engine.ops.numerics import erf, sigmoid
from ._module import Array

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


class _Elementwise(ABC):
    """The Jacobian of an elementwise function is diagonal, so backward is a product (L11)."""

    @abstractmethod
    def value(self, x: Array) -> Any:
        """Return the output."""

    @abstractmethod
    def slope(self, x: Array, y: Array) -> Any:
        """Return dy/dx, of input and output."""

    def forward(self, x: Array) -> Any:
        """Apply to every element."""
        self._x, self._out = x, self.value(x)
        return self._out

    def backward(self, grad_output: Array) -> Any:
        """Multiply by the local derivative."""
        product: Array = grad_output * self.slope(self._x, self._out)
        return product


class Tanh(_Elementwise):
    """``tanh(x)``; the local derivative is ``1 - tanh(x)^2``, from the output alone."""

    def value(self, x: Array) -> Any:
        """tanh x."""
        return np.tanh(x)

    def slope(self, x: Array, y: Array) -> Any:
        """1 - y²."""
        return 1.0 - y**2


class Sigmoid(_Elementwise):
    """``1 / (1 + exp(-x))``, computed as ``(1 + tanh(x/2)) / 2``; derivative ``s (1 - s)``."""

    def value(self, x: Array) -> Any:
        """σ(x)."""
        return 0.5 * (1.0 + np.tanh(0.5 * x))

    def slope(self, x: Array, y: Array) -> Any:
        """y (1 - y)."""
        return y * (1.0 - y)


class ReLU(_Elementwise):
    """``max(0, x)``; the derivative is 1 where x > 0, otherwise 0 (also at 0)."""

    def value(self, x: Array) -> Any:
        """max(0, x)."""
        return np.where(x > 0, x, 0.0)

    def slope(self, x: Array, y: Array) -> Any:
        """1 or 0."""
        return (x > 0) * 1.0


class LeakyReLU(_Elementwise):
    """``x`` where positive, ``negative_slope * x`` elsewhere; the derivative at 0 is the slope."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def value(self, x: Array) -> Any:
        """X or a x."""
        return np.where(x > 0, x, self.negative_slope * x)

    def slope(self, x: Array, y: Array) -> Any:
        """1 or a."""
        return np.where(x > 0, 1.0, self.negative_slope)


class ELU(_Elementwise):
    """``x`` where positive, ``alpha (exp(x) - 1)`` elsewhere, with derivative ``y + alpha``."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def value(self, x: Array) -> Any:
        """X or a (eˣ - 1)."""
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0.0)))

    def slope(self, x: Array, y: Array) -> Any:
        """1 or y + a = a eˣ."""
        return np.where(x > 0, 1.0, y + self.alpha)


class SELU(_Elementwise):
    """``1.0507 ELU(x)`` with alpha 1.6733."""

    def value(self, x: Array) -> Any:
        """λ x or λ α (eˣ - 1)."""
        return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0.0)))

    def slope(self, x: Array, y: Array) -> Any:
        """λ or y + λ α."""
        return np.where(x > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA)


class GELU(_Elementwise):
    """``x Phi(x)`` with the normal distribution function; derivative ``Phi(x) + x phi(x)``."""

    def value(self, x: Array) -> Any:
        """X Φ(x)."""
        self._phi: Array = 0.5 * (1.0 + erf(x * math.sqrt(0.5)))
        return x * self._phi

    def slope(self, x: Array, y: Array) -> Any:
        """Φ(x) + x φ(x)."""
        return self._phi + x * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


class Softplus(_Elementwise):
    """``log(1 + exp(x))``; its derivative is the sigmoid."""

    def value(self, x: Array) -> Any:
        """log(1 + eˣ)."""
        return np.logaddexp(0.0, x)

    def slope(self, x: Array, y: Array) -> Any:
        """σ(x)."""
        slope: Array = sigmoid(x)
        return slope


class SiLU(_Elementwise):
    """``x sigmoid(x)``; derivative ``y + s (1 - y)`` (L60)."""

    def value(self, x: Array) -> Any:
        """X σ(x)."""
        self._s: Array = sigmoid(x)
        return x * self._s

    def slope(self, x: Array, y: Array) -> Any:
        """Y + σ (1 - y)."""
        return y + self._s * (1.0 - y)


class Swish(_Elementwise):
    """``x sigmoid(beta x)`` with a trainable beta (L60).

    ``df/dx = beta f + s (1 - beta f)`` and ``df/dbeta = x^2 s (1 - s)``, summed over all elements.

    Attributes
    ----------
    beta : ndarray, shape (1,)
    grads : dict
        ``"beta"`` after `backward`.
    """

    def __init__(self, beta: float = 1.0) -> None:
        self.beta: Array = np.array([beta])
        self.grads: dict[str, Array] = {}

    def value(self, x: Array) -> Any:
        """X σ(βx)."""
        self._s: Array = sigmoid(self.beta * x)
        return x * self._s

    def slope(self, x: Array, y: Array) -> Any:
        """Β y + σ (1 - β y)."""
        return self.beta * y + self._s * (1.0 - self.beta * y)

    def backward(self, grad_output: Array) -> Any:
        """Multiply by the local derivative; store dL/dbeta."""
        wrt_beta = grad_output * self._x**2 * self._s * (1.0 - self._s)
        self.grads = {"beta": wrt_beta.sum(keepdims=True).reshape(1)}
        return super().backward(grad_output)


class PReLU(_Elementwise):
    """Leaky ReLU with one trainable slope: ``dL/dweight`` is the sum of ``g x`` where x <= 0.

    Attributes
    ----------
    weight : ndarray, shape (1,)
    grads : dict
        ``"weight"`` after `backward`.
    """

    def __init__(self, init: float = 0.25) -> None:
        self.weight: Array = np.array([init])
        self.grads: dict[str, Array] = {}

    def value(self, x: Array) -> Any:
        """X or w x."""
        return np.where(x > 0, x, self.weight * x)

    def slope(self, x: Array, y: Array) -> Any:
        """1 or w."""
        return np.where(x > 0, 1.0, self.weight)

    def backward(self, grad_output: Array) -> Any:
        """Multiply by the local derivative; store dL/dweight."""
        held = np.where(self._x > 0, 0.0, grad_output * self._x)
        self.grads = {"weight": held.sum(keepdims=True).reshape(1)}
        return super().backward(grad_output)


class Softsign(_Elementwise):
    """``x / (1 + |x|)``; derivative ``1 / (1 + |x|)^2``."""

    def value(self, x: Array) -> Any:
        """X / (1 + |x|)."""
        return x / (1.0 + np.abs(x))

    def slope(self, x: Array, y: Array) -> Any:
        """1 / (1 + |x|)²."""
        return 1.0 / (1.0 + np.abs(x)) ** 2


class Hardtanh(_Elementwise):
    """x kept within [min_val, max_val]; the derivative is 0 at a bound and beyond."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val, self.max_val = min_val, max_val

    def value(self, x: Array) -> Any:
        """X within its bounds."""
        return np.clip(x, self.min_val, self.max_val)

    def slope(self, x: Array, y: Array) -> Any:
        """1 inside."""
        return ((x > self.min_val) & (x < self.max_val)) * 1.0


class LeCunTanh(_Elementwise):
    """``1.7159 tanh(2 x / 3) + twist x`` (L67)."""

    def __init__(self, twist: float = 0.0) -> None:
        self.twist = twist

    def value(self, x: Array) -> Any:
        """1.7159 tanh(2x/3) + a x."""
        self._tanh = np.tanh(2.0 / 3.0 * x)
        return 1.7159 * self._tanh + self.twist * x

    def slope(self, x: Array, y: Array) -> Any:
        """1.7159 · 2/3 (1 - tanh²) + a."""
        return 1.7159 * (2.0 / 3.0) * (1.0 - self._tanh**2) + self.twist


class Softmax:
    """``exp(x) / sum(exp(x))`` of each row; the Jacobian is ``diag(y) - y y^T``, so symmetric."""

    def forward(self, x: Array) -> Any:
        """Map rows to distributions."""
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self._out: Array = e / e.sum(axis=-1, keepdims=True)
        return self._out

    def backward(self, grad_output: Array) -> Any:
        """y ⊙ (g - <g, y>)."""
        inner = (grad_output * self._out).sum(axis=-1, keepdims=True)
        return self._out * (grad_output - inner)


class LogSoftmax:
    """``x - log(sum(exp(x)))`` of each row; backward ``g - softmax(x) sum(g)``."""

    def forward(self, x: Array) -> Any:
        """Map rows to logarithms of distributions."""
        shifted = x - x.max(axis=-1, keepdims=True)
        self._out: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return self._out

    def backward(self, grad_output: Array) -> Any:
        """G - eʸ Σ g."""
        return grad_output - np.exp(self._out) * grad_output.sum(axis=-1, keepdims=True)
