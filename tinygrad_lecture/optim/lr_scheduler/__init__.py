"""Schedules of the learning rate: pure functions of the step, with PyTorch's interface."""

from __future__ import annotations

from .combine import ChainedScheduler, SequentialLR
from .cyclic import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    OneCycleLR,
    SnapshotCosineLR,
)
from .decay import (
    BengioLR,
    BottouLR,
    ExponentialLR,
    InverseTimeLR,
    LambdaLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .plateau import ReduceLROnPlateau
from .robbins_monro import RobbinsMonro, robbins_monro
from .scheduler import LRScheduler, Scheduler
from .warmup import ConstantLR, LinearLR, MomentumWarmup

__all__ = [
    "BengioLR",
    "BottouLR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "InverseTimeLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MomentumWarmup",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "RobbinsMonro",
    "Scheduler",
    "SequentialLR",
    "SnapshotCosineLR",
    "StepLR",
    "robbins_monro",
]
