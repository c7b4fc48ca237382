"""The engine: values, the op table, the tape, and transforms of functions."""

from . import nest
from .conventions import conventions
from .modes import debug, no_grad, watch_branches
from .ops import PUBLIC, TABLE, op, remove_op
from .tape import Entry, Step, Tape
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .value import Value

__all__ = [
    "PUBLIC", "TABLE", "Entry", "Step", "Tape", "Value", "conventions", "debug", "grad", "hessian",
    "hvp", "jacobian", "jvp", "nest", "no_grad", "op", "remove_op", "value_and_grad", "vjp",
    "watch_branches",
]  # fmt: skip
