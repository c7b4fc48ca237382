"""Convolution and pooling by hand: loops over the places of the kernel."""

from __future__ import annotations

import numpy as np

from .. import init
from ..init import Rng
from ._module import Array


class Conv2d:
    """Filters that slide over images, with stride 1 and zeros around (cross-correlation).

    Each place (i, j) of the kernel sees the image shifted by (i, j): forward adds up W[:, :, i, j]
    times those, and backward goes the same ways back.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, padding : int
    rng : numpy.random.Generator, int or None

    Attributes
    ----------
    weight : ndarray, shape (out_channels, in_channels, kernel_size, kernel_size)
    bias : ndarray, shape (out_channels,)
    grads : dict
        ``"weight"`` and ``"bias"`` after `backward`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        padding: int = 0,
        *,
        rng: Rng = None,
    ) -> None:
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.weight: Array = init.lecun_uniform_(np.empty(shape), rng)
        self.bias: Array = np.zeros(out_channels)
        self.padding = padding
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array) -> Array:
        """Map (N, in, H, W) to (N, out, rows, columns)."""
        p, k = self.padding, self.weight.shape[2]
        self._x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        rows, columns = (n - k + 1 for n in self._x.shape[2:])
        out = np.zeros((len(x), len(self.weight), rows, columns)) + self.bias[:, None, None]
        for i, j in np.ndindex(k, k):
            shifted = self._x[:, :, i : i + rows, j : j + columns]
            out += np.einsum("oc,ncrs->nors", self.weight[:, :, i, j], shifted)
        return out

    def backward(self, grad_output: Array) -> Array:
        """Map dL/dY to dL/dX; store dL/dW and dL/db."""
        p, k = self.padding, self.weight.shape[2]
        rows, columns = grad_output.shape[2:]
        dx: Array = np.zeros(self._x.shape)
        dw: Array = np.zeros(self.weight.shape)
        for i, j in np.ndindex(k, k):
            shifted = (slice(None), slice(None), slice(i, i + rows), slice(j, j + columns))
            dw[:, :, i, j] = np.einsum("nors,ncrs->oc", grad_output, self._x[shifted])
            dx[shifted] += np.einsum("oc,nors->ncrs", self.weight[:, :, i, j], grad_output)
        self.grads = {"weight": dw, "bias": grad_output.sum(axis=(0, 2, 3))}
        return dx[:, :, p : dx.shape[2] - p, p : dx.shape[3] - p]


class MaxPool2d:
    """Largest number of each k by k block; the gradient goes there, to the first of equal ones.

    Parameters
    ----------
    kernel_size : int
        What is left over on the right and below is not looked at.
    """

    def __init__(self, kernel_size: int) -> None:
        self.kernel_size = kernel_size

    def forward(self, x: Array) -> Array:
        """Map (N, C, H, W) to (N, C, H // k, W // k)."""
        self._shape, k = x.shape, self.kernel_size
        n, c, rows, columns = x.shape[0], x.shape[1], x.shape[2] // k, x.shape[3] // k
        blocks = x[:, :, : rows * k, : columns * k].reshape(n, c, rows, k, columns, k)
        blocks = blocks.transpose(0, 1, 2, 4, 3, 5).reshape(n, c, rows, columns, k * k)
        self._winner = blocks.argmax(axis=-1)[..., None]
        return np.take_along_axis(blocks, self._winner, -1)[..., 0]

    def backward(self, grad_output: Array) -> Array:
        """Map dL/dY to dL/dX."""
        n, c, rows, columns = grad_output.shape
        k = self.kernel_size
        blocks = np.zeros((n, c, rows, columns, k * k))
        np.put_along_axis(blocks, self._winner, grad_output[..., None], -1)
        blocks = blocks.reshape(n, c, rows, columns, k, k).transpose(0, 1, 2, 4, 3, 5)
        dx = np.zeros(self._shape)
        dx[:, :, : rows * k, : columns * k] = blocks.reshape(n, c, rows * k, columns * k)
        return dx
