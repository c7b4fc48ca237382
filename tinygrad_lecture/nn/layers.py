"""Linear maps and their kin, dropout, shapes, and fixed preprocessing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..engine import reshape
from . import functional as F
from . import init as initializers
from .functional._operands import as_operand, check_probability
from .init import Rng
from .module import Module, Parameter

__all__ = ["Dropout", "Flatten", "Identity", "Linear", "Maxout", "ScaledLinear", "Standardize"]


class Linear(Module):
    """Affine map of rows: ``Y = X @ W.T + b`` (L01, L12; PyTorch's ``nn.Linear``).

    Parameters
    ----------
    in_features, out_features : int
        Sizes >= 1; the weight has shape ``(out_features, in_features)``.
    bias : bool
        Whether to add a vector ``b`` of shape ``(out_features,)``.
    rng : numpy.random.Generator, int or None
        Source of the start values: one generator passed to all layers, or a seed (the same seed
        gives the same numbers), or None for fresh entropy.
    dtype : dtype
        float64 by default.
    init : callable or None
        An initializer ``init(weight, rng=rng)`` such as ``nn.init.kaiming_uniform_``; the bias is
        then 0 (L48).  None is PyTorch's default, U(-c, c) with c = 1 / sqrt(in_features) for both,
        which is sqrt(3) times smaller than the lecture's rule of thumb.

    Raises
    ------
    ValueError
        For sizes below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> layer = tg.nn.Linear(3, 2, rng=0)
    >>> layer(np.zeros((5, 3))).shape
    (5, 2)
    >>> layer.weight.shape, layer.bias.shape
    ((2, 3), (2,))
    """

    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: Rng = None,
        dtype: DTypeLike = np.float64,
        init: Callable[..., Any] | None = None,
    ) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(
                f"Linear: in_features and out_features must be at least 1, got {in_features},"
                f" {out_features}"
            )
        self.in_features = int(in_features)
        self.out_features = int(out_features)
        self.weight = Parameter(np.zeros((self.out_features, self.in_features), dtype))
        self.bias = Parameter(np.zeros(self.out_features, dtype)) if bias else None
        initializers.reset(self.weight, self.bias, rng, init)

    def forward(self, x: Any) -> Any:
        """Map ``x`` of shape (..., in_features) to (..., out_features)."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes, as PyTorch prints them."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features},"
            f" bias={self.bias is not None}"
        )


class ScaledLinear(Linear):
    """``Y = scale * (X @ W.T + b)``, at first the same function as `Linear` (L46).

    The start values are those of `Linear` divided by the scale, so that the layer computes the
    same.  But its weights are ``1 / scale`` times as large and their gradients ``scale`` times, so
    that a step of gradient descent moves the function ``scale^2`` times as far: at scale 1/10, 100
    times less.  With ``lr / scale^2`` the paths coincide.  Methods whose steps do not depend on
    the scale of the gradient (Adam, RMSprop) lose only a factor 10.

    Parameters
    ----------
    in_features, out_features : int
    scale : float
        Not 0, finite.
    bias, rng, dtype, init
        As for `Linear`.

    Raises
    ------
    ValueError
        For sizes below 1, or a scale of 0, inf or nan.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> plain, scaled = tg.nn.Linear(3, 2, rng=0), tg.nn.ScaledLinear(3, 2, scale=0.1, rng=0)
    >>> bool(np.allclose(plain(np.ones(3)).data, scaled(np.ones(3)).data))
    True
    >>> bool(np.allclose(scaled.weight.data, 10 * plain.weight.data))
    True
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        scale: float,
        bias: bool = True,
        *,
        rng: Rng = None,
        dtype: DTypeLike = np.float64,
        init: Callable[..., Any] | None = None,
    ) -> None:
        if not math.isfinite(scale) or scale == 0.0:
            raise ValueError(f"ScaledLinear: scale must be finite and not 0, got {scale}")
        super().__init__(in_features, out_features, bias, rng=rng, dtype=dtype, init=init)
        self.scale = float(scale)
        for parameter in self.parameters():
            parameter.data = parameter.data / self.scale

    def forward(self, x: Any) -> Any:
        """Map ``x`` of shape (..., in_features) to (..., out_features)."""
        return self.scale * super().forward(x)

    def extra_repr(self) -> str:
        """Sizes and scale."""
        return f"{super().extra_repr()}, scale={self.scale}"


class Maxout(Linear):
    """Units that take the largest of k linear pieces of their inputs (L57).

    Goodfellow et al. 2013, arXiv:1302.4389: ``h_i = max_j (x @ W[i, j] + b[i, j])``, j = 1 .. k, is
    a convex, piecewise linear function that is learnt; ReLU is ``max(0, z)`` and |x| is
    ``max(x, -x)``.  The derivative goes to the largest piece alone, of equal ones to the first.

    Parameters
    ----------
    in_features, out_features : int
        Inputs, and units.
    num_pieces : int
        k >= 1.
    bias, rng, dtype, init
        As for `Linear`; fan_in is in_features.

    Attributes
    ----------
    weight : Parameter, shape (out_features * num_pieces, in_features)
        The pieces of a unit follow each other: ``weight.data.reshape(out, k, in)[i, j]``.
    bias : Parameter or None, shape (out_features * num_pieces,)

    Raises
    ------
    ValueError
        For sizes below 1.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> unit = tg.nn.Maxout(2, 1, num_pieces=2, bias=False)  # XOR as max(a - b, b - a)
    >>> unit.weight.data = [[1.0, -1.0], [-1.0, 1.0]]
    >>> unit([[0, 0], [0, 1], [1, 0], [1, 1]]).data.ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        num_pieces: int = 2,
        bias: bool = True,
        *,
        rng: Rng = None,
        dtype: DTypeLike = np.float64,
        init: Callable[..., Any] | None = None,
    ) -> None:
        if out_features < 1 or num_pieces < 1:
            raise ValueError(
                f"Maxout: out_features and num_pieces must be at least 1, got {out_features},"
                f" {num_pieces}"
            )
        pieces = out_features * num_pieces
        super().__init__(in_features, pieces, bias, rng=rng, dtype=dtype, init=init)
        self.out_features, self.num_pieces = int(out_features), int(num_pieces)

    def forward(self, x: Any) -> Any:
        """Map ``x`` of shape (..., in_features) to (..., out_features)."""
        return F.maxout(super().forward(x), self.num_pieces)

    def extra_repr(self) -> str:
        """Sizes and the number of pieces."""
        return f"{super().extra_repr()}, num_pieces={self.num_pieces}"


class Identity(Module):
    """The input as it is: a place for a layer that may be left out.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.Identity()(3.0)
    3.0
    """

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x


class Flatten(Module):
    """Join axes into one: images (N, C, H, W) become rows (N, C·H·W) for `Linear`.

    Parameters
    ----------
    start_dim, end_dim : int
        First and last axis to join; negative ones count from the end.

    Raises
    ------
    ValueError
        When called, if the input has no such axes.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.nn.Flatten()(np.zeros((5, 3, 2, 2))).shape
    (5, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = int(start_dim), int(end_dim)

    def forward(self, x: Any) -> Any:
        """Join the axes of ``x``."""
        x = as_operand(x)
        n = len(x.shape)
        start, end = (d + n if d < 0 else d for d in (self.start_dim, self.end_dim))
        if not 0 <= start <= end < n:
            raise ValueError(
                f"Flatten: an input of shape {x.shape} has no axes {self.start_dim} to"
                f" {self.end_dim}"
            )
        joined = math.prod(x.shape[start : end + 1])
        return reshape(x, (*x.shape[:start], joined, *x.shape[end + 1 :]))

    def extra_repr(self) -> str:
        """Axes, as PyTorch prints them."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Dropout(Module):
    """Set elements to 0 by chance in training, ``x * keep / (1 - p)``; else the identity (L70).

    Srivastava et al. 2014, JMLR 15, in the inverted form, as PyTorch's ``nn.Dropout``.

    Parameters
    ----------
    p : float
        Probability of a 0, in [0, 1).
    rng : numpy.random.Generator, int or None
        Source of chance: a generator that other layers may share, or a seed (the same seed gives
        the same zeros, call for call), or None for fresh entropy.  It is no part of `state_dict`.

    Raises
    ------
    ValueError
        For p outside of [0, 1).

    See Also
    --------
    tinygrad_lecture.nn.functional.dropout : the function.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> layer = tg.nn.Dropout(0.5, rng=0)
    >>> layer(np.ones(8))
    array([2., 0., 0., 0., 2., 2., 2., 2.])
    >>> layer.eval()(np.ones(3))
    array([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        check_probability("Dropout", p)
        self.p = float(p)
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Any) -> Any:
        """Drop elements of ``x`` of any shape; the shape stays."""
        return F.dropout(x, self.p, self.training, self.rng)

    def extra_repr(self) -> str:
        """Probability, as PyTorch prints it."""
        return f"p={self.p}"


class Standardize(Module):
    """``(x - mean) / std`` with fixed statistics: preprocessing that is saved with the model (L47).

    Parameters
    ----------
    mean, std : number or array_like
        Buffers that broadcast against a batch; every ``std`` > 0.  Take them from the training
        data, with `tinygrad_lecture.data.Standardize` for one number per feature.
    dtype : dtype
        float64 by default.

    Raises
    ------
    ValueError
        If a ``std`` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> layer = tg.nn.Standardize(mean=2.0, std=0.5)
    >>> layer(np.array([[1.0, 2.0, 3.0]]))
    array([[-2.,  0.,  2.]])
    >>> sorted(layer.state_dict())
    ['mean', 'std']
    """

    mean: NDArray[Any]
    std: NDArray[Any]

    def __init__(self, mean: Any, std: Any, *, dtype: DTypeLike = np.float64) -> None:
        if not np.all(np.asarray(std) > 0):
            raise ValueError(f"Standardize: every std must be positive, got {std}")
        self.register_buffer("mean", np.asarray(mean, dtype))
        self.register_buffer("std", np.asarray(std, dtype))

    def forward(self, x: Any) -> Any:
        """Shift and scale; the shape stays."""
        return (x - self.mean) / self.std
