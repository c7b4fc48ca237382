"""Activation functions (L54 to L60, L67), and a few more that PyTorch has.

All are finite, and have finite derivatives, for inputs of any size that their formulas allow; at
kinks they answer as `tinygrad_lecture.conventions` says, which is what PyTorch does.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from ... import engine
from ...engine.value import bare
from ._operands import as_numbers, as_operand, per_channel

__all__ = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "leaky_relu", "lecun_tanh", "log_softmax", "logsigmoid", "maxout", "mish", "prelu", "relu",
    "relu6", "selu", "sigmoid", "silu", "softmax", "softmin", "softplus", "softshrink", "softsign",
    "swish", "tanh", "tanhshrink", "threshold",
]  # fmt: skip

relu = engine.relu
sigmoid = engine.sigmoid
tanh = engine.tanh
logsigmoid = engine.log_sigmoid

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """``x`` where positive, ``negative_slope * x`` elsewhere (L59; Maas et al. 2013).

    cs231n, which the slides follow, draws a slope of 0.1; 0.01 is PyTorch's.  The derivative at 0
    is the slope.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.leaky_relu([-2.0, 3.0], 0.1).tolist()
    [-0.2, 3.0]
    """
    return engine.leaky_relu(as_numbers(x), negative_slope)


def prelu(x: Any, weight: Any) -> Any:
    """Leaky ReLU with slopes that are learnt (He et al. 2015, arXiv:1502.01852).

    Parameters
    ----------
    x : Value or array_like
        Of shape (N, C, ...), or any with a single slope.
    weight : Value or ndarray, shape (1,) or (C,)
        Slopes where x is not positive: of all elements, or of each channel.

    Raises
    ------
    ValueError
        For a weight whose shape does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.prelu([[-2.0, -2.0]], np.array([0.5, 0.1])).tolist()
    [[-1.0, -0.2]]
    """
    x = as_operand(x)
    return engine.where(x > 0, x, per_channel(weight, x, "prelu") * x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere (L59; Clevert et al. 2015).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.elu([-1000.0, 3.0]).tolist()
    [-1.0, 3.0]
    """
    return engine.elu(as_numbers(x), alpha)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` where positive, ``alpha * (exp(x / alpha) - 1)`` elsewhere: smooth for every alpha > 0.

    Barron 2017, arXiv:1704.07483.

    Raises
    ------
    ValueError
        For an alpha that is not positive.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.nn.functional.celu(x, alpha=3.0))(0.0)
    1.0
    """
    _check_positive("celu", "alpha", alpha)
    return alpha * engine.elu(as_numbers(x) / alpha)


def selu(x: Any) -> Any:
    """``1.0507 * elu(x, alpha=1.6733)``, which keeps mean 0 and variance 1 (Klambauer et al. 2017).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.selu(1.0)
    1.0507009873554805
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def gelu(x: Any, approximate: Literal["none", "tanh"] = "none") -> Any:
    """``x * Phi(x)``, Phi the normal distribution function (Hendrycks & Gimpel 2016).

    Parameters
    ----------
    x : Value or array_like
    approximate : {"none", "tanh"}
        "tanh" is ``0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))``, off by up to 5e-4, and on
        arrays much faster than the exact form.

    Raises
    ------
    ValueError
        For another name.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> round(tg.nn.functional.gelu(1.0), 6), round(tg.nn.functional.gelu(1.0, "tanh"), 6)
    (0.841345, 0.841192)
    """
    x = as_numbers(x)
    if approximate == "none":
        return 0.5 * x * (1.0 + engine.erf(x * math.sqrt(0.5)))
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1.0 + engine.tanh(inner))
    raise ValueError(f'gelu: approximate is "none" or "tanh", got {approximate!r}')


def softplus(x: Any, beta: float = 1.0, threshold: float | None = None) -> Any:
    """``log(1 + exp(beta * x)) / beta``, a smooth ReLU, without overflow.

    Parameters
    ----------
    x : Value or array_like
    beta : float
        Sharpness, > 0.
    threshold : float or None
        PyTorch returns x itself where ``beta * x`` exceeds 20, which is off by up to 2e-9; give 20
        for the same.  None needs no threshold, since the formula used cannot overflow.

    Raises
    ------
    ValueError
        For a beta that is not positive.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.softplus([-1000.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """
    _check_positive("softplus", "beta", beta)
    x = as_numbers(x)
    out = engine.softplus(beta * x) / beta
    return out if threshold is None else engine.where(beta * x > threshold, x, out)


def silu(x: Any) -> Any:
    """``x * sigmoid(x)``: Swish with beta 1 (L60; Elfwing et al. 2017).

    Its minimum is -0.27846 at -1.27846.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> round(tg.nn.functional.silu(-1.27846), 5)
    -0.27846
    """
    x = as_numbers(x)
    return x * engine.sigmoid(x)


def swish(x: Any, beta: Any = 1.0) -> Any:
    """``f = x * sigmoid(beta * x)`` (L60; Ramachandran et al. 2017, arXiv:1710.05941).

    ``df/dx = beta f + sigmoid(beta x) (1 - beta f)`` and ``df/dbeta = x^2 s (1 - s)`` with s the
    sigmoid: beta 0 gives x / 2, and large ones ReLU.

    Parameters
    ----------
    x : Value or array_like
    beta : float, or Value or array of shape (1,) or (C,)
        For all elements, or for each channel (axis 1).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.swish([-2.0, 2.0], beta=0.0).tolist()
    [-1.0, 1.0]
    """
    x = as_numbers(x)
    if getattr(beta, "shape", ()):
        x = as_operand(x)
        beta = per_channel(beta, x, "swish")
    return x * engine.sigmoid(beta * x)


def mish(x: Any) -> Any:
    """``x * tanh(softplus(x))`` (Misra 2019).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> round(tg.nn.functional.mish(1.0), 6)
    0.865098
    """
    x = as_numbers(x)
    return x * engine.tanh(engine.softplus(x))


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x kept within [min_val, max_val]; the derivative is 0 at a bound and beyond.

    Raises
    ------
    ValueError
        If min_val does not lie below max_val.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.hardtanh([-3.0, 0.5, 2.0]).tolist()
    [-1.0, 0.5, 1.0]
    """
    if not min_val < max_val:
        raise ValueError(f"hardtanh: min_val must be below max_val, got {min_val} and {max_val}")
    return engine.clip(as_numbers(x), min_val, max_val)


def relu6(x: Any) -> Any:
    """``min(max(x, 0), 6)``.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.relu6([-1.0, 7.0]).tolist()
    [0.0, 6.0]
    """
    return hardtanh(x, 0.0, 6.0)


def hardsigmoid(x: Any) -> Any:
    """``relu6(x + 3) / 6``: three straight pieces for the sigmoid.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.hardsigmoid([-3.0, 0.0, 3.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    return relu6(as_numbers(x) + 3.0) / 6.0


def hardswish(x: Any) -> Any:
    """``x * hardsigmoid(x)`` (Howard et al. 2019, arXiv:1905.02244).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.hardswish([-4.0, 0.0, 4.0]).tolist()
    [-0.0, 0.0, 4.0]
    """
    x = as_numbers(x)
    return x * hardsigmoid(x)


def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``: like tanh, with slower limits (Glorot & Bengio 2010).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.softsign([-1.0, 3.0]).tolist()
    [-0.5, 0.75]
    """
    x = as_numbers(x)
    return x / (1.0 + engine.abs(x))


def tanhshrink(x: Any) -> Any:
    """``x - tanh(x)``.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.tanhshrink(1000.0)
    999.0
    """
    x = as_numbers(x)
    return x - engine.tanh(x)


def softshrink(x: Any, lambd: float = 0.5) -> Any:
    """x moved toward 0 by lambd, and 0 within [-lambd, lambd].

    Raises
    ------
    ValueError
        For a negative lambd.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.softshrink([-2.0, 0.25, 2.0]).tolist()
    [-1.5, 0.0, 1.5]
    """
    if lambd < 0.0:
        raise ValueError(f"softshrink: lambd must be at least 0, got {lambd}")
    x = as_numbers(x)
    return engine.relu(x - lambd) - engine.relu(-x - lambd)


def hardshrink(x: Any, lambd: float = 0.5) -> Any:
    """x, and 0 within [-lambd, lambd].

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.hardshrink([-2.0, 0.25, 2.0]).tolist()
    [-2.0, 0.0, 2.0]
    """
    x = as_numbers(x)
    return engine.where((x > lambd) | (x < -lambd), x, 0.0)


def threshold(x: Any, threshold: float, value: float) -> Any:
    """x where it exceeds the threshold, a constant elsewhere.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.threshold([0.5, 2.0], 1.0, -1.0).tolist()
    [-1.0, 2.0]
    """
    x = as_numbers(x)
    return engine.where(x > threshold, x, float(value))


def lecun_tanh(x: Any, twist: float = 0.0) -> Any:
    """``1.7159 * tanh(2 x / 3) + twist * x`` (L67; LeCun et al. 1998, Efficient BackProp).

    It maps -1 and 1 to themselves (to 2.7e-6), which are meant as targets: not the asymptotes, at
    which learning would drive weights to infinity.  Its curvature is largest at 0.98772, and the
    optional linear term keeps its derivative away from 0.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> round(tg.nn.functional.lecun_tanh(1.0), 7)
    0.9999973
    """
    x = as_numbers(x)
    out = 1.7159 * engine.tanh((2.0 / 3.0) * x)
    return out + twist * x if twist else out


def maxout(x: Any, num_pieces: int) -> Any:
    """Maximum over groups of ``num_pieces`` neighbours along the last axis (L57).

    Goodfellow et al. 2013, arXiv:1302.4389.  The derivative goes to the largest of a group alone;
    of equal ones to the first.

    Parameters
    ----------
    x : Value or array_like, shape (..., units * num_pieces)
    num_pieces : int
        k >= 1.

    Returns
    -------
    Value or ndarray, shape (..., units)

    Raises
    ------
    ValueError
        If the last axis cannot be divided into groups of k.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.maxout([[1.0, 5.0, 3.0, 2.0]], 2).tolist()
    [[5.0, 3.0]]
    """
    x = as_operand(x)
    if num_pieces < 1 or not x.shape or x.shape[-1] % num_pieces:
        raise ValueError(
            f"maxout: the last axis must have a multiple of num_pieces={num_pieces} elements,"
            f" num_pieces being at least 1; got an input of shape {x.shape}"
        )
    pieces = engine.reshape(x, (*x.shape[:-1], x.shape[-1] // num_pieces, num_pieces))
    if not pieces.size:
        return engine.sum(pieces, -1)
    winner = np.argmax(bare(pieces), axis=-1, keepdims=True)
    return engine.squeeze(engine.take_along_axis(pieces, winner, -1), -1)


def softmax(x: Any, dim: int = -1) -> Any:
    """``exp(x) / sum(exp(x))`` along an axis, shifted by the maximum (L54).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.softmax([1000.0, 1000.0]).tolist()
    [0.5, 0.5]
    """
    return engine.softmax(as_numbers(x), dim)


def softmin(x: Any, dim: int = -1) -> Any:
    """Softmax of -x.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.softmin([0.0, 1000.0]).tolist()
    [1.0, 0.0]
    """
    return engine.softmax(-as_numbers(x), dim)


def log_softmax(x: Any, dim: int = -1) -> Any:
    """``x - log(sum(exp(x)))`` along an axis; finite for any finite logits (L54).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.log_softmax([1000.0, -1000.0]).tolist()
    [0.0, -2000.0]
    """
    return engine.log_softmax(as_numbers(x), dim)


def glu(x: Any, dim: int = -1) -> Any:
    """``a * sigmoid(b)`` with a and b the two halves of an axis (Dauphin et al. 2016).

    Raises
    ------
    ValueError
        If the axis has an odd length.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.glu([3.0, 0.0]).tolist()
    [1.5]
    """
    x = as_operand(x)
    if not x.shape or x.shape[dim] % 2:
        raise ValueError(f"glu: axis {dim} must have an even length, got shape {x.shape}")
    a, b = engine.split(x, 2, dim)
    return a * engine.sigmoid(b)


def _check_positive(function: str, name: str, value: float) -> None:
    if not value > 0.0:
        raise ValueError(f"{function}: {name} must be positive, got {value}")
