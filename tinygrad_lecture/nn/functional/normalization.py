"""Batch normalization, fused and composed (L51, L52)."""

from __future__ import annotations

from typing import Any

from ...engine import mean, normalize, reshape, sqrt, square
from ._operands import as_operand

__all__ = ["batch_norm"]


def batch_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    eps: float = 1e-5,
    *,
    fused: bool = False,
) -> Any:
    """``weight * (x - mean) / sqrt(var + eps) + bias``, channel by channel (L51).

    Ioffe and Szegedy 2015, arXiv:1502.03167.  (PyTorch's function updates the running statistics
    as well; here `BatchNorm1d` does, so that this one changes nothing.)

    Parameters
    ----------
    x : Value or array_like, shape (N, C, ...)
    running_mean, running_var : array_like of shape (C,), or None
        Used in the place of those of the batch where `training` is false.
    weight, bias : Value or ndarray of shape (C,), or None
    training : bool
        Whether to use mean and biased variance of the batch.
    eps : float
        At least 0.
    fused : bool
        Differentiate the normalization by one rule in closed form, `tinygrad_lecture.normalize`,
        instead of through its parts (L52).  The result is the same to rounding.

    Returns
    -------
    Value or ndarray
        Of the shape of x.

    Raises
    ------
    ValueError
        For an x with less than two axes, or without running statistics where they are needed.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> x = np.array([[1.0, 10.0], [3.0, 50.0]])
    >>> tg.nn.functional.batch_norm(x, training=True, eps=0.0)
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    x = as_operand(x)
    if len(x.shape) < 2:
        raise ValueError(f"batch_norm: x must have shape (N, C, ...), got {x.shape}")
    axes = (0, *range(2, len(x.shape)))
    if training and fused:
        out = normalize(x, axes, eps)
        out = out if weight is None else out * along(weight, x)
        return out if bias is None else out + along(bias, x)
    if training:
        average = mean(x, axes)
        centered = x - along(average, x)
        variance = mean(square(centered), axes)
    elif running_mean is None or running_var is None:
        raise ValueError("batch_norm: running_mean and running_var are needed without training")
    else:
        centered, variance = x - along(running_mean, x), running_var
    return scaled(centered, variance, weight, bias, eps)


def along(channels: Any, x: Any) -> Any:
    """Give numbers of shape (C,) the shape in which they broadcast along axis 1 of x."""
    return channels if len(x.shape) == 2 else reshape(channels, (-1,) + (1,) * (len(x.shape) - 2))


def scaled(centered: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Divide what has mean 0 by its deviation, scale and shift it."""
    scale = 1.0 / sqrt(variance + eps)
    if weight is not None:
        scale = scale * weight
    out = centered * along(scale, centered)
    return out if bias is None else out + along(bias, centered)
