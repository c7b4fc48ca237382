"""The op table: every op is one row, and everything else is derived from the rows."""

from . import elementwise, products, reductions, shaping  # the rows, in this order

from . import methods  # isort: skip  # what Value gets from them
from .custom import op, remove_op
from .table import PUBLIC, TABLE, Op

__all__ = [
    "PUBLIC",
    "TABLE",
    "Op",
    "elementwise",
    "methods",
    "op",
    "products",
    "reductions",
    "remove_op",
    "shaping",
]
