"""Convolution and pooling as modules: a student's next step after the lecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..engine.ops.patches import pair
from . import functional as F
from . import init as initializers
from .functional.conv import Ints
from .init import Rng
from .module import Module, Parameter

__all__ = ["AvgPool2d", "Conv2d", "MaxPool2d"]


class Conv2d(Module):
    """Filters that slide over images (PyTorch's layer).

    Parameters
    ----------
    in_channels, out_channels : int
        Both >= 1, multiples of `groups`.
    kernel_size, stride, dilation : int or (int, int)
        Size of the filters, steps between patches, and steps within one.
    padding : int, (int, int), "valid" or "same"
        Zeros on both sides.
    groups : int
        Split channels and filters into so many parts that do not see each other.
    bias : bool
        Whether to add a number for each filter.
    rng, dtype, init
        As for `Linear`; PyTorch's default is U(-c, c), c = 1 / sqrt(fan_in), for both.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, kernel height, kernel width)
    bias : Parameter or None, shape (out_channels,)

    Raises
    ------
    ValueError
        For settings that do not fit; when called, for an input that does not.

    See Also
    --------
    tinygrad_lecture.nn.functional.conv2d : formula.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> layer = tg.nn.Conv2d(3, 8, kernel_size=3, padding=1, rng=0)
    >>> layer(np.zeros((2, 3, 5, 7))).shape
    (2, 8, 5, 7)
    """

    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: Rng = None,
        dtype: DTypeLike = np.float64,
        init: Callable[..., Any] | None = None,
    ) -> None:
        if in_channels < 1 or out_channels < 1 or groups < 1:
            raise ValueError(
                "Conv2d: in_channels, out_channels and groups must be at least 1, got"
                f" {in_channels}, {out_channels}, {groups}"
            )
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups={groups} must divide in_channels={in_channels} and"
                f" out_channels={out_channels}"
            )
        self.in_channels, self.out_channels = int(in_channels), int(out_channels)
        self.kernel_size = pair("kernel_size", kernel_size)
        self.stride, self.dilation = pair("stride", stride), pair("dilation", dilation)
        self.padding = padding if isinstance(padding, str) else pair("padding", padding, 0)
        self.groups = int(groups)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight = Parameter(np.zeros(shape, dtype))
        self.bias = Parameter(np.zeros(self.out_channels, dtype)) if bias else None
        initializers.reset(self.weight, self.bias, rng, init)

    def forward(self, x: Any) -> Any:
        """Map ``x`` (N, in_channels, H, W) to (N, out_channels, rows, columns)."""
        return F.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        """Settings, as PyTorch prints them."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        for name, usual in (("padding", (0, 0)), ("dilation", (1, 1)), ("groups", 1)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)!r}"
        return text if self.bias is not None else f"{text}, bias=False"


class _Pool(Module):
    """The settings that poolings share."""

    kernel_size: Ints
    stride: Ints
    padding: Ints

    def _set(self, kernel_size: Ints, stride: Ints | None, padding: Ints) -> None:
        pair("kernel_size", kernel_size), pair("padding", padding, 0)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        pair("stride", self.stride)
        self.padding = padding

    def extra_repr(self) -> str:
        """Settings, as PyTorch prints them."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool):
    """Largest number of each window (PyTorch's layer).

    Parameters
    ----------
    kernel_size, stride, padding, dilation, ceil_mode
        See `tinygrad_lecture.nn.functional.max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.nn.MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
    ) -> None:
        self._set(kernel_size, stride, padding)
        pair("dilation", dilation)
        self.dilation, self.ceil_mode = dilation, bool(ceil_mode)

    def forward(self, x: Any) -> Any:
        """Map (N, C, H, W) to (N, C, rows, columns)."""
        return F.max_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )

    def extra_repr(self) -> str:
        """Settings, as PyTorch prints them."""
        return f"{super().extra_repr()}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class AvgPool2d(_Pool):
    """Mean of each window (PyTorch's layer).

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad
        See `tinygrad_lecture.nn.functional.avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.nn.AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._set(kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad = bool(ceil_mode), bool(count_include_pad)

    def forward(self, x: Any) -> Any:
        """Map (N, C, H, W) to (N, C, rows, columns)."""
        return F.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )
