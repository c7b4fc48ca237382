"""Neural networks on the engine: modules, layers, losses, initializers, and a scalar MLP."""

from __future__ import annotations

from . import functional, init, manual
from .containers import ModuleList, Sequential
from .hooks import RemovableHandle
from .layers import Dropout, Linear, ReLU, Sigmoid, Standardize, Tanh
from .losses import CrossEntropyLoss, MSELoss
from .module import IncompatibleKeys, Module, Parameter
from .normalization import BatchNorm1d
from .scalar import MLP, Layer, Neuron
from .summary import summary

__all__ = [
    "MLP",
    "BatchNorm1d",
    "CrossEntropyLoss",
    "Dropout",
    "IncompatibleKeys",
    "Layer",
    "Linear",
    "MSELoss",
    "Module",
    "ModuleList",
    "Neuron",
    "Parameter",
    "ReLU",
    "RemovableHandle",
    "Sequential",
    "Sigmoid",
    "Standardize",
    "Tanh",
    "functional",
    "init",
    "manual",
    "summary",
]
