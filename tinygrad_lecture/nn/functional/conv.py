"""Convolution and pooling of images, as products and maxima of patches (im2col)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import engine
from ...engine.ops.patches import pair, patch_count
from ...engine.value import bare
from ._operands import as_operand

__all__ = ["avg_pool2d", "conv2d", "max_pool2d"]

Ints = int | tuple[int, int]


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Slide filters over images: cross-correlation, which deep learning calls convolution.

    ``Y[n, o, r, c] = bias[o] + sum_ijk W[o, i, j, k] X[n, i, r s + j d, c s + k d]`` with stride s
    and dilation d.  All patches of the input become the columns of a matrix, so that it is a
    single matrix product, forward and backward.

    Parameters
    ----------
    x : Value or array_like, shape (N, C, H, W)
    weight : Value or ndarray, shape (out, C / groups, kernel height, kernel width)
    bias : Value, ndarray or None, shape (out,)
    stride, dilation : int or (int, int)
        Steps between patches, and within one; vertical first.
    padding : int, (int, int), "valid" or "same"
        Zeros on both sides; "same" keeps height and width, with stride 1 only.
    groups : int
        Split channels and filters into so many parts that do not see each other.

    Returns
    -------
    Value or ndarray, shape (N, out, rows, columns)

    Raises
    ------
    ValueError
        For shapes and settings that do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> image = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> edges = np.array([[[[-1.0, 1.0]]]])
    >>> tg.nn.functional.conv2d(image, edges)[0, 0]
    array([[1., 1.],
           [1., 1.],
           [1., 1.]])
    """
    x, weight = as_operand(x), as_operand(weight)
    if len(x.shape) != 4 or len(weight.shape) != 4:
        raise ValueError(
            "conv2d: x must have shape (N, C, H, W) and weight (out, C / groups, kernel height,"
            f" kernel width), got {x.shape} and {weight.shape}"
        )
    n, channels = x.shape[:2]
    out, each, *kernel = weight.shape
    if groups < 1 or channels != each * groups or out % groups:
        raise ValueError(
            f"conv2d: groups={groups} must divide the {channels} channels of x into parts of the"
            f" {each} that the weight {weight.shape} takes, and its {out} filters"
        )
    sides = _sides("conv2d", padding, kernel, stride, dilation)
    cols = engine.patches(x, tuple(kernel), stride, sides, dilation)
    rows, columns = cols.shape[4:]
    if groups == 1:
        depth = each * kernel[0] * kernel[1]
        y = engine.reshape(weight, (out, depth)) @ engine.reshape(cols, (depth, -1))
    else:
        parts = engine.reshape(cols, (groups, each * kernel[0] * kernel[1], n * rows * columns))
        y = engine.matmul(engine.reshape(weight, (groups, out // groups, parts.shape[1])), parts)
    y = engine.transpose(engine.reshape(y, (out, n, rows, columns)), (1, 0, 2, 3))
    return y if bias is None else y + engine.reshape(bias, (out, 1, 1))


def max_pool2d(
    x: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> Any:
    """Take the largest number of each window of each channel.

    The derivative goes to that number alone; of equal ones to the first, row by row.

    Parameters
    ----------
    x : Value or array_like, shape (N, C, H, W)
    kernel_size : int or (int, int)
    stride : int, (int, int) or None
        The kernel size by default, so that windows do not overlap.
    padding : int or (int, int)
        What lies outside is never the largest; at most half of the kernel.
    dilation : int or (int, int)
    ceil_mode : bool
        Whether a last window that hangs over the border counts.

    Returns
    -------
    Value or ndarray, shape (N, C, rows, columns)

    Raises
    ------
    ValueError
        For an input without four axes, or settings that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    x = as_operand(x)
    windows = _windows("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode, True)
    places = np.reshape(np.arange(windows.shape[1]), (-1, 1, 1, 1))
    first = np.argmax(bare(windows), axis=1, keepdims=True)
    return engine.transpose(
        engine.sum(engine.where(places == first, windows, 0.0), 1), (1, 0, 2, 3)
    )


def avg_pool2d(
    x: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Take the mean of each window of each channel.

    Parameters
    ----------
    x, kernel_size, stride, padding, ceil_mode
        As for `max_pool2d`.
    count_include_pad : bool
        Whether padded zeros count as numbers of the mean.

    Returns
    -------
    Value or ndarray, shape (N, C, rows, columns)

    Raises
    ------
    ValueError
        For an input without four axes, or settings that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.nn.functional.avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    x = as_operand(x)
    window = (x, kernel_size, stride, padding, 1, ceil_mode, False)
    total = engine.sum(_windows("avg_pool2d", *window), 1)
    inside = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if count_include_pad:  # zeros that were padded on purpose, not what only ceil_mode hangs over
        sides = pair("padding", padding, 0)
        inside = np.pad(inside, ((0, 0), (0, 0), *((p, p) for p in sides)), constant_values=1.0)
        window = (*window[:3], 0, *window[4:])
    count = np.sum(_windows("avg_pool2d", inside, *window[1:]), 1)
    return engine.transpose(total * (1.0 / count), (1, 0, 2, 3))


def _sides(name: str, padding: Any, kernel: Any, stride: Any, dilation: Any) -> Any:
    """Return zeros before and after, for both axes."""
    if padding == "valid":
        padding = 0
    if padding == "same":
        if pair("stride", stride) != (1, 1):
            raise ValueError(f'{name}: padding="same" needs stride 1, got {stride}')
        totals = [d * (k - 1) for k, d in zip(kernel, pair("dilation", dilation), strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise ValueError(f'{name}: padding is a number, two, "valid" or "same", got {padding!r}')
    return tuple((p, p) for p in pair("padding", padding, 0))


def _windows(
    name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
    low: bool,
) -> Any:  # fmt: skip
    """Return the windows of a pooling as (C, kernel, N, rows, columns), padded low or with 0."""
    if len(x.shape) != 4:
        raise ValueError(f"{name}: x must have shape (N, C, H, W), got {x.shape}")
    kernel = pair("kernel_size", kernel_size)
    stride = kernel if stride is None else pair("stride", stride)
    dilation = pair("dilation", dilation)
    sides = []
    for n, k, s, p, d in zip(
        x.shape[2:], kernel, stride, pair("padding", padding, 0), dilation, strict=True
    ):
        if 2 * p > k:
            raise ValueError(f"{name}: padding {padding} is more than half of kernel_size {kernel}")
        count = patch_count(n + 2 * p, k, s, d)
        if ceil_mode and count * s < n + p and (n + 2 * p - d * (k - 1) - 1) % s:
            count += 1  # a last window, if it starts inside of what is there
        sides.append((p, max(p, (count - 1) * s + d * (k - 1) + 1 - n - p)))
    if low and any(map(any, sides)):  # the lowest number, as inf would be an error to `debug`
        x = engine.pad(x, ((0, 0), (0, 0), *sides), constant_values=float(np.finfo(x.dtype).min))
        sides = [(0, 0), (0, 0)]
    windows = engine.patches(x, kernel, stride, tuple(sides), dilation)
    c, _, _, n, rows, columns = windows.shape
    return engine.reshape(windows, (c, kernel[0] * kernel[1], n, rows, columns))
