"""Linear maps, dropout, and fixed preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import functional as F
from . import init as initializers
from .functional._operands import check_probability
from .init import Rng
from .module import Module, Parameter

__all__ = ["Dropout", "Linear", "Standardize"]


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
        generator = np.random.default_rng(rng)
        if init is not None:
            init(self.weight, rng=generator)
            return
        bound = 1.0 / np.sqrt(self.in_features)
        initializers.uniform_(self.weight, -bound, bound, generator)
        if self.bias is not None:
            initializers.uniform_(self.bias, -bound, bound, generator)

    def forward(self, x: Any) -> Any:
        """Map ``x`` of shape (..., in_features) to (..., out_features)."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes, as PyTorch prints them."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features},"
            f" bias={self.bias is not None}"
        )


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
