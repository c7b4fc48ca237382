"""The gradient checker: a claimed gradient against the function's own values.

`gradcheck` is the one call; the command line is ``tinygrad-lecture gradcheck``.  The numeric
derivatives behind it are of use by themselves: `numeric_gradient`, `sweep_steps` (the V-curve of
the error over the step), `taylor_test`.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from .check import gradcheck
from .numeric import numeric_gradient
from .problem import TargetError
from .report import ArgumentResult, Coordinate, GradientError, Report
from .sweep import sweep_steps
from .taylor import taylor_test
from .verdicts import Verdict

__all__ = [
    "ArgumentResult",
    "Coordinate",
    "GradientError",
    "Report",
    "TargetError",
    "Verdict",
    "gradcheck",
    "numeric_gradient",
    "sweep_steps",
    "taylor_test",
]


class _Room(types.ModuleType):
    """The room under its name in the package is the function: ``tg.gradcheck(f, x)``."""

    def __call__(self, fn: Any, *inputs: Any, **options: Any) -> Report:
        """Call `gradcheck`."""
        return gradcheck(fn, *inputs, **options)


sys.modules[__name__].__class__ = _Room
