"""The lecture "Neural Networks and Deep Learning, 3 & 4" as software.

Not related to tinygrad/tinygrad.  ``import tinygrad_lecture as tg`` brings the engine: `Value`,
its ops as functions, `Tape`, and the transforms `grad`, `vjp`, `jvp`, `jacobian`, `hvp` and
`hessian`; the rooms `nn`, `optim`, `data`, `train` and `gradcheck` load when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

from .engine import (
    Tape,
    Value,
    conventions,
    debug,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    op,
    remove_op,
    value_and_grad,
    vjp,
)
from .engine.ops.elementwise import (
    absolute as abs,
)
from .engine.ops.elementwise import (
    add,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cbrt,
    clip,
    cos,
    cosh,
    elu,
    erf,
    exp,
    expm1,
    floor_divide,
    hypot,
    leaky_relu,
    log,
    log1p,
    log2,
    log10,
    log_sigmoid,
    maximum,
    minimum,
    mod,
    negative,
    power,
    reciprocal,
    relu,
    sigmoid,
    sign,
    sin,
    sinh,
    softplus,
    sqrt,
    square,
    tan,
    tanh,
    where,
)
from .engine.ops.elementwise import (
    div as divide,
)
from .engine.ops.elementwise import (
    mul as multiply,
)
from .engine.ops.elementwise import (
    sub as subtract,
)
from .engine.ops.products import dot, einsum, matmul, outer, tensordot
from .engine.ops.reductions import (
    cumprod,
    cumsum,
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    softmax,
    softmax_cross_entropy,
    sort,
    std,
    sum,
    var,
)
from .engine.ops.shaping import (
    astype,
    at_add,
    at_set,
    broadcast_to,
    concatenate,
    diagonal,
    expand_dims,
    flip,
    getitem,
    moveaxis,
    pad,
    ravel,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    take,
    take_along_axis,
    tile,
    trace,
    transpose,
)

__version__ = "0.1.0"

ROOMS = ("data", "gradcheck", "nn", "optim", "train")


def __getattr__(name: str) -> Any:
    """Load a room when it is first used, so that importing the package costs NumPy alone."""
    if name in ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
