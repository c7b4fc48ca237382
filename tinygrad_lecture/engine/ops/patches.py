"""Patches of images as columns (im2col), and the sum of patches back to images (col2im)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..value import apply, raw
from .shaping import operand
from .table import linear, publish

Pair = tuple[int, int]


def _windows(kernel: Pair, stride: Pair, dilation: Pair, out: Pair) -> Iterator[Any]:
    """Yield each place in the kernel, and the elements of all patches that lie there."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            starts = i * dilation[0], j * dilation[1]
            yield (
                i,
                j,
                tuple(
                    slice(start, start + step * n, step)
                    for start, step, n in zip(starts, stride, out, strict=True)
                ),
            )


def _patches(x: Any, kernel: Pair, stride: Pair, padding: tuple[Pair, Pair], dilation: Pair) -> Any:
    x = np.pad(x, ((0, 0), (0, 0), *padding)) if any(map(any, padding)) else x
    size = x.shape[2:]
    out = tuple(map(patch_count, size, kernel, stride, dilation))
    found = np.empty((x.shape[1], *kernel, x.shape[0], *out), x.dtype)
    for i, j, (rows, columns) in _windows(kernel, stride, dilation, out):  # type: ignore[arg-type]
        found[:, i, j] = x[:, :, rows, columns].transpose(1, 0, 2, 3)
    return found


def _overlay(x: Any, size: Pair, stride: Pair, padding: tuple[Pair, Pair], dilation: Pair) -> Any:
    (top, bottom), (left, right) = padding
    whole = size[0] + top + bottom, size[1] + left + right
    image = np.zeros((x.shape[0], x.shape[3], *whole), x.dtype)
    for i, j, (rows, columns) in _windows(x.shape[1:3], stride, dilation, x.shape[4:]):
        image[:, :, rows, columns] += x[:, i, j]
    inside = image[:, :, top : top + size[0], left : left + size[1]]
    return np.ascontiguousarray(inside.transpose(1, 0, 2, 3))


def patch_count(size: int, kernel: int, stride: int, dilation: int) -> int:
    """Return how many patches fit into a length."""
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def _some_patches(rng: np.random.Generator) -> Any:
    stride, dilation = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    return (rng.normal(size=(2, 2, 5, 4)), (2, 2)), {
        "stride": stride, "padding": ((1, 0), (0, 2)), "dilation": dilation,
    }  # fmt: skip


_PATCHES = linear(
    "patches", _patches,
    lambda g, x, kernel, **params: overlay(g, np.shape(raw(x))[2:], **params),
    formula="every window of x", cases=_some_patches,
)  # fmt: skip
_OVERLAY = linear(
    "overlay", _overlay,
    lambda g, x, size, **params: patches(g, np.shape(raw(x))[1:3], **params),
    formula="Σ of windows where they came from",
    cases=lambda rng: ((rng.normal(size=(2, 2, 2, 1, 3, 2)), (4, 3)), {}),
)  # fmt: skip


def patches(
    x: Any, kernel: int | Pair, stride: int | Pair = 1, padding: Any = 0, dilation: int | Pair = 1
) -> Any:
    """Collect all windows of images: what turns a convolution into one matrix product (im2col).

    Parameters
    ----------
    x : array_like or Value, shape (N, C, H, W)
    kernel, stride, dilation : int, or (int, int)
        Size of a window, steps between windows, and steps within one; vertical first, each at
        least 1.
    padding : int, (int, int), or ((top, bottom), (left, right))
        Zeros around each image.

    Returns
    -------
    ndarray or Value, shape (C, kernel height, kernel width, N, rows, columns)
        Reshaped to (C kh kw, N rows columns), a matrix with one column for each window.

    Raises
    ------
    ValueError
        For an input without four axes, sizes out of range, or a window larger than the image.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> image = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> tg.patches(image, 2).reshape(4, 4).T  # a row for each window
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    """
    x = operand(x)
    shape = np.shape(raw(x))
    if len(shape) != 4:
        raise ValueError(f"patches needs images of shape (N, C, H, W), and {shape} came")
    params = _settings(stride, padding, dilation)
    kernel = pair("kernel", kernel)
    for n, k, d, sides in zip(
        shape[2:], kernel, params["dilation"], params["padding"], strict=True
    ):
        if n + sum(sides) < d * (k - 1) + 1:
            raise ValueError(
                f"a window of {d * (k - 1) + 1} (kernel {kernel}, dilation {params['dilation']})"
                f" does not fit into an image {shape} with padding {params['padding']}"
            )
    return apply(_PATCHES, (x,), {"kernel": kernel, **params})


def overlay(
    x: Any, size: int | Pair, stride: int | Pair = 1, padding: Any = 0, dilation: int | Pair = 1
) -> Any:
    """Add windows up where they came from: the transpose of `patches` (col2im).

    Parameters
    ----------
    x : array_like or Value, shape (C, kernel height, kernel width, N, rows, columns)
    size : int, or (int, int)
        Height and width of the images.
    stride, padding, dilation
        As for `patches`.

    Returns
    -------
    ndarray or Value, shape (N, C, H, W)

    Raises
    ------
    ValueError
        For sizes out of range, or an x that is not the `patches` of such an image.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.overlay(np.ones((1, 2, 2, 1, 2, 2)), 3)[0, 0]  # how many windows hold each place
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    x = operand(x)
    shape = np.shape(raw(x))
    size, params = pair("size", size), _settings(stride, padding, dilation)
    whole = [n + sum(sides) for n, sides in zip(size, params["padding"], strict=True)]
    if len(shape) != 6 or shape[4:] != tuple(
        map(patch_count, whole, shape[1:3], params["stride"], params["dilation"])
    ):
        raise ValueError(f"x of shape {shape} is not the patches of an image of size {size}")
    return apply(_OVERLAY, (x,), {"size": size, **params})


def pair(name: str, x: Any, least: int = 1) -> Pair:
    """Return one or two integers as a pair."""
    both = x if isinstance(x, (tuple, list)) else (x, x)
    if len(both) != 2 or not all(isinstance(n, (int, np.integer)) and n >= least for n in both):
        raise ValueError(f"{name}={x!r} has to be an int of at least {least}, or two of them")
    return int(both[0]), int(both[1])


def _settings(stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    both = padding if isinstance(padding, (tuple, list)) else (padding, padding)
    sides = tuple(
        pair("padding", both[i] if i < len(both) else None, 0)
        if isinstance(padding, (tuple, list))
        else pair("padding", padding, 0)
        for i in range(2)
    )
    return {
        "stride": pair("stride", stride), "padding": sides, "dilation": pair("dilation", dilation),
    }  # fmt: skip


publish("patches", patches)
publish("overlay", overlay)
