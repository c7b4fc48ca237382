"""Backpropagation by hand: modules with explicit NumPy ``forward`` and ``backward`` (L12).

Each module keeps in ``forward`` what its ``backward`` needs; ``backward`` takes the derivative of
the loss with respect to the output and returns the one with respect to the input.  Parameter
gradients are stored in ``grads`` under the parameter's name and are replaced by every call (nothing
accumulates). No engine is involved: `tinygrad_lecture.gradcheck` and the tape check these formulas
from outside.  Names and settings are those of `tinygrad_lecture.nn`.

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

from .activations import (
    ELU,
    GELU,
    SELU,
    Hardtanh,
    LeakyReLU,
    LeCunTanh,
    LogSoftmax,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Swish,
    Tanh,
)
from .containers import ResidualBlock, Sequential
from .images import Conv2d, MaxPool2d
from .layers import BatchNorm1d, Dropout, Flatten, Linear, Maxout, ScaledLinear
from .losses import BCEWithLogits, HalfMSE, Hinge, SoftmaxCE

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "BCEWithLogits",
    "BatchNorm1d",
    "Conv2d",
    "Dropout",
    "Flatten",
    "HalfMSE",
    "Hardtanh",
    "Hinge",
    "LeCunTanh",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "Maxout",
    "PReLU",
    "ReLU",
    "ResidualBlock",
    "ScaledLinear",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxCE",
    "Softplus",
    "Softsign",
    "Swish",
    "Tanh",
]
