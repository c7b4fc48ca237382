"""The op table: every op is one row, and everything else is derived from the rows."""

from . import cumulative, elementwise, indexing, products, reductions, shaping, softmax  # the rows

from . import methods  # isort: skip  # what Value gets from them
from .custom import op, remove_op
from .table import PUBLIC, TABLE, Op

__all__ = [
    "PUBLIC", "TABLE", "Op", "cumulative", "elementwise", "indexing", "methods", "op", "products",
    "reductions", "remove_op", "shaping", "softmax",
]  # fmt: skip
