"""The mathematics of layers and losses, without state: what `Linear`, `CrossEntropyLoss`, ... call.

Each function takes Values or plain arrays; with plain arrays only, plain numbers or arrays come
back.
"""

from __future__ import annotations

from ...engine import linear
from .activations import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    lecun_tanh,
    log_softmax,
    logsigmoid,
    maxout,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softmin,
    softplus,
    softshrink,
    softsign,
    swish,
    tanh,
    tanhshrink,
    threshold,
)
from .losses import Reduction, cross_entropy, mse_loss
from .noise import dropout

__all__ = [
    "Reduction",
    "celu",
    "cross_entropy",
    "dropout",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "lecun_tanh",
    "linear",
    "log_softmax",
    "logsigmoid",
    "maxout",
    "mish",
    "mse_loss",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "swish",
    "tanh",
    "tanhshrink",
    "threshold",
]
