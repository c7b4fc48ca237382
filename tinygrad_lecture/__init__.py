"""The lecture "Neural Networks and Deep Learning, 3 & 4" as software.

Not related to tinygrad/tinygrad.  ``import tinygrad_lecture as tg`` brings the engine: `Value`,
its ops as functions, `Tape`, and the transforms `grad`, `vjp`, `jvp`, `jacobian`, `hvp` and
`hessian`.  `record` and `compile`, and the rooms `nn`, `optim`, `data`, `draw`, `train`,
`logic`, `gradcheck` and `experiments`, load when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy  # noqa: F401 - first: deep inside of nested imports it takes half as long again

from .engine import *  # noqa: F403 - its __all__ names the whole public engine

__version__ = "0.1.0"

ROOMS = (
    "compiler",
    "data",
    "draw",
    "experiments",
    "gradcheck",
    "logic",
    "nn",
    "optim",
    "plots",
    "teach",
    "train",
)
COMPILER = ("BranchError", "RecordingError", "compile", "record")
"""What the compiler gives to the package itself."""


def __getattr__(name: str) -> Any:
    """Load a room when it is first used, so that importing the package costs NumPy alone."""
    if name in ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in COMPILER:
        return getattr(importlib.import_module(f"{__name__}.compiler"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
