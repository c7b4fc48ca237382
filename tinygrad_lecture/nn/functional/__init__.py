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
from .conv import avg_pool2d, conv2d, max_pool2d
from .losses import Reduction, cross_entropy, mse_loss
from .noise import dropout
from .normalization import batch_norm

__all__ = [
    "Reduction",
    "avg_pool2d",
    "batch_norm",
    "celu",
    "conv2d",
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
    "max_pool2d",
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
