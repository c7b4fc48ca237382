"""The op table: every op is one row, and everything else is derived from the rows."""

from . import (  # the rows
    cumulative,
    elementwise,
    indexing,
    normalizing,
    patches,
    products,
    reductions,
    shaping,
    softmax,
)

from . import methods  # isort: skip  # what Value gets from them
from .custom import op, remove_op
from .table import PUBLIC, TABLE, Op

__all__ = [
    "PUBLIC", "TABLE", "Op", "cumulative", "elementwise", "indexing", "methods", "normalizing",
    "op", "patches", "products", "reductions", "remove_op",
    "shaping", "softmax",
]  # fmt: skip
