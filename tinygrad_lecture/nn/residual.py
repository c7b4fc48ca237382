"""Residual networks: layers that learn what to add to their input (L58)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..engine import relu
from . import init as initializers
from .containers import Sequential
from .init import Rng
from .layers import Linear
from .module import Module
from .normalization import BatchNorm1d

__all__ = ["ResNetMLP", "ResidualBlock"]


class ResidualBlock(Module):
    """``y = F(x) + S(x)`` with two layers F and a shortcut S (L58).

    He et al. 2015, arXiv:1512.03385.  The derivative, ``dL/dx = (I + dF/dx)^T dL/dy`` for the
    identity as S, has a way around the layers.  BN stands for batch normalization, or for nothing::

        basic      y = relu(BN2(W2 relu(BN1(W1 x))) + S(x))
        pre_act    y = S(x) + W2 relu(BN2(W1 relu(BN1(x))))        (He et al. 2016, 1603.05027)

    S is the identity; where the widths differ it is a linear map W_s with its own BN in the basic
    form (their option B).  A layer before a BN has no bias, which would cancel.

    Parameters
    ----------
    in_features, out_features : int
        The hidden width is out_features; out_features may be left out if it is in_features.
    pre_act : bool
        The second form.
    norm : bool
        Whether to use batch normalization.
    zero_init_last : bool
        Start with ``F(x) = 0``: the last scale (of BN2 in the basic form) or W2 is 0, so that the
        block starts as the identity (pre_act), or as relu of it.
    rng : numpy.random.Generator, int or None
        Source of the weights: `init.kaiming_normal_`, biases 0.
    dtype : dtype
        float64 by default.

    Raises
    ------
    ValueError
        For sizes below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> block = tg.nn.ResidualBlock(4, pre_act=True, norm=False, zero_init_last=True, rng=0)
    >>> x = np.arange(8.0).reshape(2, 4)
    >>> bool((block(x).data == x).all())
    True
    """

    shortcut: Module | None
    norm1: BatchNorm1d | None
    norm2: BatchNorm1d | None

    def __init__(
        self,
        in_features: int,
        out_features: int | None = None,
        pre_act: bool = False,
        norm: bool = True,
        zero_init_last: bool = False,
        *,
        rng: Rng = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        generator = np.random.default_rng(rng)
        width = in_features if out_features is None else out_features

        def linear(inputs: int, bias: bool) -> Linear:
            return Linear(
                inputs, width, bias, rng=generator, dtype=dtype, init=initializers.kaiming_normal_
            )

        self.pre_act = bool(pre_act)
        self.linear1 = linear(in_features, not norm)
        self.linear2 = linear(width, pre_act or not norm)
        self.norm1 = BatchNorm1d(in_features if pre_act else width, dtype=dtype) if norm else None
        self.norm2 = BatchNorm1d(width, dtype=dtype) if norm else None
        self.shortcut = None
        if width != in_features:
            self.shortcut = linear(in_features, not norm)
            if norm and not pre_act:
                self.shortcut = Sequential(self.shortcut, BatchNorm1d(width, dtype=dtype))
        if zero_init_last:
            last = self.linear2 if pre_act or self.norm2 is None else self.norm2
            assert last.weight is not None
            initializers.zeros_(last.weight)

    def forward(self, x: Any) -> Any:
        """Map ``x`` (N, in_features) to (N, out_features)."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        if self.pre_act:
            h = self.linear1(relu(_normalized(self.norm1, x)))
            return shortcut + self.linear2(relu(_normalized(self.norm2, h)))
        h = relu(_normalized(self.norm1, self.linear1(x)))
        return relu(_normalized(self.norm2, self.linear2(h)) + shortcut)

    def extra_repr(self) -> str:
        """The form of the block."""
        return f"pre_act={self.pre_act}"


def _normalized(norm: BatchNorm1d | None, x: Any) -> Any:
    return x if norm is None else norm(x)


class ResNetMLP(Module):
    """A deep network of residual blocks of one width: linear in, blocks, linear out (L58).

    Parameters
    ----------
    depth : int
        Number of weight layers: 2 for each block, one before and one after them; even, >= 2.
    width : int
        Of all hidden layers, >= 1.
    in_features, out_features : int
        Inputs and outputs; 2 each by default, as in the lecture's plane of points.
    residual : bool
        False takes the shortcuts away and leaves the same layers, a plain network for comparison.
    pre_act, norm, zero_init_last
        As for `ResidualBlock`; without norm and with ``zero_init_last`` a block is
        ``h + W2 relu(W1 relu(h))`` with W2 = 0 at first, which trains 150 layers.
    rng : numpy.random.Generator, int or None
    dtype : dtype
        float64 by default.

    Raises
    ------
    ValueError
        For a depth that is odd or below 2, or sizes below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> net = tg.nn.ResNetMLP(depth=20, width=8, rng=0)
    >>> net(np.zeros((5, 2))).shape, len(net.blocks)
    ((5, 2), 9)
    """

    def __init__(
        self,
        depth: int,
        width: int,
        in_features: int = 2,
        out_features: int = 2,
        *,
        residual: bool = True,
        pre_act: bool = True,
        norm: bool = False,
        zero_init_last: bool = True,
        rng: Rng = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if depth < 2 or depth % 2:
            raise ValueError(f"ResNetMLP: depth must be even and at least 2, got {depth}")
        generator = np.random.default_rng(rng)
        he = initializers.kaiming_normal_
        self.first = Linear(in_features, width, rng=generator, dtype=dtype, init=he)
        self.blocks = Sequential(
            *(
                (ResidualBlock if residual else _PlainBlock)(
                    width, None, pre_act, norm, zero_init_last and residual,
                    rng=generator, dtype=dtype,
                )
                for _ in range(depth // 2 - 1)
            )
        )  # fmt: skip
        self.last = Linear(width, out_features, rng=generator, dtype=dtype, init=he)

    def forward(self, x: Any) -> Any:
        """Map ``x`` (N, in_features) to (N, out_features)."""
        return self.last(self.blocks(self.first(x)))


class _PlainBlock(ResidualBlock):
    """The layers of a residual block without its shortcut."""

    def forward(self, x: Any) -> Any:
        """Map ``x`` (N, width) to (N, width)."""
        if self.pre_act:
            h = self.linear1(relu(_normalized(self.norm1, x)))
            return self.linear2(relu(_normalized(self.norm2, h)))
        h = relu(_normalized(self.norm1, self.linear1(x)))
        return relu(_normalized(self.norm2, self.linear2(h)))
