"""Neural networks on the engine: modules, layers, losses, initializers, and a scalar MLP."""

from __future__ import annotations

from . import functional, init, manual
from .activations import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LeCunTanh,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softmin,
    Softplus,
    Softshrink,
    Softsign,
    Swish,
    Tanh,
    Tanhshrink,
    Threshold,
)
from .containers import ModuleList, Sequential
from .hooks import RemovableHandle
from .layers import Dropout, Linear, Standardize
from .losses import CrossEntropyLoss, MSELoss
from .module import IncompatibleKeys, Module, Parameter
from .normalization import BatchNorm1d
from .scalar import MLP, Layer, Neuron
from .summary import summary

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "MLP",
    "SELU",
    "BatchNorm1d",
    "CrossEntropyLoss",
    "Dropout",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "IncompatibleKeys",
    "Layer",
    "LeCunTanh",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Mish",
    "Module",
    "ModuleList",
    "Neuron",
    "PReLU",
    "Parameter",
    "ReLU",
    "ReLU6",
    "RemovableHandle",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Standardize",
    "Swish",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "functional",
    "init",
    "manual",
    "summary",
]
