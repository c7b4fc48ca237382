"""Optimizers: small classes that read like their formulas; schedules of their settings."""

from __future__ import annotations

from . import lr_scheduler, swa_utils
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .adamax import Adamax
from .asgd import ASGD
from .gain import GainSGD
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "GainSGD",
    "Optimizer",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]
