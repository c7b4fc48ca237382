"""Activations as modules, with PyTorch's names (L54 to L60, L67).

Those without parameters are their function and its settings, and nothing else; formulas, sources
and errors stand with the functions in `tinygrad_lecture.nn.functional`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from . import functional as F
from .module import Module, Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeCunTanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Swish",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Activation(Module):
    """A function of the input, and settings that are its other arguments."""

    function: ClassVar[Callable[..., Any]]

    def settings(self) -> dict[str, Any]:
        """Return the settings by name, in the order of the signature."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def forward(self, x: Any) -> Any:
        """Apply to x of any shape."""
        return type(self).function(x, **self.settings())

    def extra_repr(self) -> str:
        """Settings, as PyTorch prints them."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings().items())


@dataclass(eq=False, repr=False)
class ReLU(_Activation):
    """``max(0, x)``, with derivative 0 at 0 (L56).

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.ReLU()([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    function = staticmethod(F.relu)


@dataclass(eq=False, repr=False)
class ReLU6(_Activation):
    """``min(max(0, x), 6)``.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.ReLU6()([-1.0, 7.0]).tolist()
    [0.0, 6.0]
    """

    function = staticmethod(F.relu6)


@dataclass(eq=False, repr=False)
class LeakyReLU(_Activation):
    """``x`` where positive, ``negative_slope * x`` elsewhere (L59).

    Parameters
    ----------
    negative_slope : float
        0.01 as in PyTorch; cs231n, which the slides follow, draws 0.1.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.LeakyReLU(0.1)([-2.0, 3.0]).tolist()
    [-0.2, 3.0]
    """

    function = staticmethod(F.leaky_relu)

    negative_slope: float = 0.01


@dataclass(eq=False, repr=False)
class ELU(_Activation):
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere (L59).

    Parameters
    ----------
    alpha : float
        Minus the limit for large negative inputs.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.ELU()([-1000.0, 3.0]).tolist()
    [-1.0, 3.0]
    """

    function = staticmethod(F.elu)

    alpha: float = 1.0


@dataclass(eq=False, repr=False)
class CELU(_Activation):
    """``x`` where positive, ``alpha * (exp(x / alpha) - 1)`` elsewhere.

    Parameters
    ----------
    alpha : float
        > 0.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.CELU(2.0)([-1000.0, 3.0]).tolist()
    [-2.0, 3.0]
    """

    function = staticmethod(F.celu)

    alpha: float = 1.0


@dataclass(eq=False, repr=False)
class SELU(_Activation):
    """``1.0507 * elu(x, alpha=1.6733)``, which keeps mean 0 and variance 1.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.SELU()([0.0, 1.0]).tolist()
    [0.0, 1.0507009873554805]
    """

    function = staticmethod(F.selu)


@dataclass(eq=False, repr=False)
class GELU(_Activation):
    """``x * Phi(x)``, Phi the normal distribution function.

    Parameters
    ----------
    approximate : str
        "none", or "tanh" for the faster form that is off by up to 5e-4.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.GELU()([0.0, 1.0]).tolist()
    [0.0, 0.841344746068543]
    """

    function = staticmethod(F.gelu)

    approximate: str = "none"


@dataclass(eq=False, repr=False)
class Softplus(_Activation):
    """``log(1 + exp(beta * x)) / beta``, a smooth ReLU, without overflow.

    Parameters
    ----------
    beta : float
        Sharpness, > 0.
    threshold : float or None
        20 gives PyTorch's shortcut for ``beta * x > 20``; None needs none.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Softplus()([-1000.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """

    function = staticmethod(F.softplus)

    beta: float = 1.0
    threshold: float | None = None


@dataclass(eq=False, repr=False)
class SiLU(_Activation):
    """``x * sigmoid(x)``: `Swish` with beta 1 (L60).

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.SiLU()([0.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """

    function = staticmethod(F.silu)


@dataclass(eq=False, repr=False)
class Mish(_Activation):
    """``x * tanh(softplus(x))``.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Mish()([0.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """

    function = staticmethod(F.mish)


@dataclass(eq=False, repr=False)
class Sigmoid(_Activation):
    """``1 / (1 + exp(-x))`` without overflow (L01, L55).

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Sigmoid()([0.0, 1000.0]).tolist()
    [0.5, 1.0]
    """

    function = staticmethod(F.sigmoid)


@dataclass(eq=False, repr=False)
class LogSigmoid(_Activation):
    """``log(sigmoid(x))`` without underflow.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.LogSigmoid()([-1000.0, 1000.0]).tolist()
    [-1000.0, -0.0]
    """

    function = staticmethod(F.logsigmoid)


@dataclass(eq=False, repr=False)
class Hardsigmoid(_Activation):
    """``relu6(x + 3) / 6``: three straight pieces for the sigmoid.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Hardsigmoid()([-3.0, 0.0, 3.0]).tolist()
    [0.0, 0.5, 1.0]
    """

    function = staticmethod(F.hardsigmoid)


@dataclass(eq=False, repr=False)
class Hardswish(_Activation):
    """``x * hardsigmoid(x)``.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Hardswish()([0.0, 4.0]).tolist()
    [0.0, 4.0]
    """

    function = staticmethod(F.hardswish)


@dataclass(eq=False, repr=False)
class Tanh(_Activation):
    """Hyperbolic tangent: mean 0 and slope 1 at 0 (L55); ``tanh(x) = 2 sigmoid(2 x) - 1``.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Tanh()([0.0, 1000.0]).tolist()
    [0.0, 1.0]
    """

    function = staticmethod(F.tanh)


@dataclass(eq=False, repr=False)
class LeCunTanh(_Activation):
    """``1.7159 * tanh(2 x / 3) + twist * x``, which maps 1 to 1 and -1 to -1 (L67).

    Parameters
    ----------
    twist : float
        Slope of the linear term that keeps the derivative away from 0.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.LeCunTanh()([0.0, 1000.0]).tolist()
    [0.0, 1.7159]
    """

    function = staticmethod(F.lecun_tanh)

    twist: float = 0.0


@dataclass(eq=False, repr=False)
class Hardtanh(_Activation):
    """x kept within [min_val, max_val].

    Parameters
    ----------
    min_val : float
        Below max_val.
    max_val : float
        The derivative is 0 at both and beyond.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Hardtanh()([-3.0, 0.5, 2.0]).tolist()
    [-1.0, 0.5, 1.0]
    """

    function = staticmethod(F.hardtanh)

    min_val: float = -1.0
    max_val: float = 1.0


@dataclass(eq=False, repr=False)
class Softsign(_Activation):
    """``x / (1 + |x|)``: like tanh, with slower limits.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Softsign()([-1.0, 3.0]).tolist()
    [-0.5, 0.75]
    """

    function = staticmethod(F.softsign)


@dataclass(eq=False, repr=False)
class Tanhshrink(_Activation):
    """``x - tanh(x)``.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Tanhshrink()([0.0, 1000.0]).tolist()
    [0.0, 999.0]
    """

    function = staticmethod(F.tanhshrink)


@dataclass(eq=False, repr=False)
class Softshrink(_Activation):
    """x moved toward 0 by lambd, and 0 within [-lambd, lambd].

    Parameters
    ----------
    lambd : float
        >= 0.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Softshrink()([-2.0, 0.25, 2.0]).tolist()
    [-1.5, 0.0, 1.5]
    """

    function = staticmethod(F.softshrink)

    lambd: float = 0.5


@dataclass(eq=False, repr=False)
class Hardshrink(_Activation):
    """x, and 0 within [-lambd, lambd].

    Parameters
    ----------
    lambd : float
        >= 0.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Hardshrink()([-2.0, 0.25, 2.0]).tolist()
    [-2.0, 0.0, 2.0]
    """

    function = staticmethod(F.hardshrink)

    lambd: float = 0.5


@dataclass(eq=False, repr=False)
class Threshold(_Activation):
    """x where it exceeds the threshold, a constant elsewhere.

    Parameters
    ----------
    threshold : float
        Bound.
    value : float
        The constant.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Threshold(1.0, -1.0)([0.5, 2.0]).tolist()
    [-1.0, 2.0]
    """

    function = staticmethod(F.threshold)

    threshold: float
    value: float


@dataclass(eq=False, repr=False)
class Softmax(_Activation):
    """``exp(x) / sum(exp(x))`` along an axis (L54); a loss takes logits instead.

    Parameters
    ----------
    dim : int
        The axis; the last one by default.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Softmax()([1000.0, 1000.0]).tolist()
    [0.5, 0.5]
    """

    function = staticmethod(F.softmax)

    dim: int = -1


@dataclass(eq=False, repr=False)
class Softmin(_Activation):
    """Softmax of -x.

    Parameters
    ----------
    dim : int
        The axis; the last one by default.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.Softmin()([0.0, 1000.0]).tolist()
    [1.0, 0.0]
    """

    function = staticmethod(F.softmin)

    dim: int = -1


@dataclass(eq=False, repr=False)
class LogSoftmax(_Activation):
    """``x - log(sum(exp(x)))`` along an axis, finite for finite inputs (L54).

    Parameters
    ----------
    dim : int
        The axis; the last one by default.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.LogSoftmax()([1000.0, -1000.0]).tolist()
    [0.0, -2000.0]
    """

    function = staticmethod(F.log_softmax)

    dim: int = -1


@dataclass(eq=False, repr=False)
class GLU(_Activation):
    """``a * sigmoid(b)`` with a and b the two halves of an axis.

    Parameters
    ----------
    dim : int
        The axis; the last one by default.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> nn.GLU()([3.0, 0.0]).tolist()
    [1.5]
    """

    function = staticmethod(F.glu)

    dim: int = -1


class PReLU(Module):
    """Leaky ReLU with slopes that are learnt: ``x`` where positive, ``weight * x`` elsewhere.

    He et al. 2015, arXiv:1502.01852.

    Parameters
    ----------
    num_parameters : int
        1 for one slope, or the number of channels (axis 1) for one each.
    init : float
        Start value of the slopes.
    dtype : dtype
        float64 by default.

    Raises
    ------
    ValueError
        For num_parameters below 1; when called, for another number of channels.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> act = nn.PReLU()
    >>> act([-2.0, 3.0]).data.tolist(), act.weight.data.tolist()
    ([-0.5, 3.0], [0.25])
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike = np.float64
    ) -> None:
        if num_parameters < 1:
            raise ValueError(f"PReLU: num_parameters must be at least 1, got {num_parameters}")
        self.weight = Parameter(np.full(int(num_parameters), init, dtype))

    def forward(self, x: Any) -> Any:
        """Apply to x of shape (N, C, ...), or of any shape with one slope."""
        return F.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """Number of slopes, as PyTorch prints it."""
        return f"num_parameters={self.weight.size}"


class Swish(Module):
    """``x * sigmoid(beta * x)`` with a beta that may be trained (L60).

    Ramachandran et al. 2017, arXiv:1710.05941.  With beta 1, not trained, it is `SiLU`; with beta
    0 it is x / 2, and for large beta it comes within ``0.27846 / beta`` of ReLU.

    Parameters
    ----------
    beta : float
        Start value.
    trainable : bool
        Whether ``beta`` is a parameter; otherwise it stays a number.
    num_parameters : int
        1, or the number of channels (axis 1) for a beta each, as for `PReLU`.
    dtype : dtype
        float64 by default.

    Raises
    ------
    ValueError
        For num_parameters below 1; when called, for another number of channels.

    Examples
    --------
    >>> from tinygrad_lecture import nn
    >>> act = nn.Swish()
    >>> act([0.0, 1000.0]).data.tolist(), act.num_parameters()
    ([0.0, 1000.0], 1)
    >>> nn.Swish(beta=0.0, trainable=False)([-2.0, 2.0]).tolist()
    [-1.0, 1.0]
    """

    beta: Parameter | float

    def __init__(
        self,
        beta: float = 1.0,
        trainable: bool = True,
        num_parameters: int = 1,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if num_parameters < 1:
            raise ValueError(f"Swish: num_parameters must be at least 1, got {num_parameters}")
        self.trainable = bool(trainable)
        self.beta = (
            Parameter(np.full(int(num_parameters), beta, dtype)) if trainable else float(beta)
        )

    def forward(self, x: Any) -> Any:
        """Apply to x of shape (N, C, ...), or of any shape with one beta."""
        return F.swish(x, self.beta)

    def extra_repr(self) -> str:
        """Beta, if it is a number, or how many there are to be trained."""
        beta = self.beta
        return f"beta={beta}" if isinstance(beta, float) else f"trainable, {beta.size} beta"
