"""Batch normalization: layers whose output has mean and scale of its own choice."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..engine import Value, astype, mean, square
from ..engine.value import bare
from .functional._operands import as_operand
from .functional.normalization import along, batch_norm, scaled
from .module import Module, Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d"]


class BatchNorm1d(Module):
    """Normalize each channel over the batch, then scale and shift it (L51; PyTorch's layer).

    Ioffe and Szegedy 2015, arXiv:1502.03167.  In training, with the sums over the n numbers that
    the batch has for a channel (n = N for an input (N, C), n = N·L for (N, C, L))::

        μ = Σx / n        σ² = Σ(x − μ)² / n        y = γ (x − μ) / √(σ² + ε) + β

    The derivative goes through μ and σ² as well (L52).  Besides, running statistics follow those
    of the batches with the momentum a, the variance being the unbiased one::

        running_mean ← (1 − a) running_mean + a μ
        running_var  ← (1 − a) running_var  + a σ² n / (n − 1)

    In evaluation they take the places of μ and σ², so that the output for one row does not depend
    on the rest of the batch.  A factor on the weights of the layer before cancels, but for ε
    (L53).

    Parameters
    ----------
    num_features : int
        C, the number of channels, >= 1.
    eps : float
        ε >= 0, which keeps a constant channel from division by 0.
    momentum : float or None
        a in [0, 1], the weight of the newest batch.  (The momentum of optimizers counts the other
        way round.)  None gives each batch the same weight: the plain mean of all of them.
    affine : bool
        Whether to learn ``weight`` (γ, at first 1) and ``bias`` (β, at first 0).
    track_running_stats : bool
        Whether to keep running statistics; without, evaluation uses the batch, as training does.
    fused : bool
        Differentiate the normalization by the one rule of L52 in closed form, rather than through
        its parts: the same to rounding, and no faster (the rule computes the scale once more).
    dtype : dtype
        float64 by default.

    Attributes
    ----------
    weight, bias : Parameter or None
        Of shape (C,).
    running_mean, running_var : ndarray or None
        Buffers of shape (C,), at first 0 and 1.
    num_batches_tracked : ndarray or None
        Buffer of shape (): a count, in float64 as all numbers of the engine are (PyTorch's int64
        is taken by `load_state_dict`).

    Raises
    ------
    ValueError
        For settings out of their ranges; when called, for an input that is not (N, C) or
        (N, C, L), and where batch statistics are used, for fewer than two numbers per channel,
        whose variance says nothing.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> layer = tg.nn.BatchNorm1d(2)
    >>> x = np.array([[1.0, 10.0], [3.0, 50.0]])
    >>> layer(x).data.round(4)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> layer.running_mean, layer.running_var  # a tenth of the way to 2, 30 and 2, 800
    (array([0.2, 3. ]), array([ 1.1, 80.9]))
    >>> layer.eval()(np.array([[0.2, 3.0]])).data
    array([[0., 0.]])
    """

    _shapes: tuple[str, ...] = ("(N, {0})", "(N, {0}, L)")

    weight: Parameter | None
    bias: Parameter | None
    running_mean: NDArray[Any] | None
    running_var: NDArray[Any] | None
    num_batches_tracked: NDArray[Any] | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        fused: bool = False,
        dtype: DTypeLike = np.float64,
    ) -> None:
        name = type(self).__name__
        if num_features < 1:
            raise ValueError(f"{name}: num_features must be at least 1, got {num_features}")
        if not 0.0 <= eps < math.inf:
            raise ValueError(f"{name}: eps must be at least 0 and finite, got {eps}")
        if momentum is not None and not 0.0 <= momentum <= 1.0:
            raise ValueError(
                f"{name}: momentum must lie in [0, 1], or be None for the plain mean over all"
                f" batches, got {momentum}"
            )
        self.num_features = int(num_features)
        self.eps = float(eps)
        self.momentum = None if momentum is None else float(momentum)
        self.affine = bool(affine)
        self.track_running_stats = bool(track_running_stats)
        self.fused = bool(fused)
        self.weight = Parameter(np.ones(self.num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(self.num_features, dtype)) if affine else None
        if track_running_stats:
            self.register_buffer("running_mean", np.zeros(self.num_features, dtype))
            self.register_buffer("running_var", np.ones(self.num_features, dtype))
            self.register_buffer("num_batches_tracked", 0.0)
        else:
            self.running_mean = self.running_var = self.num_batches_tracked = None

    def reset_running_stats(self) -> None:
        """Forget the batches seen: mean 0, variance 1, none counted."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean = np.zeros_like(self.running_mean)
            self.running_var = np.ones_like(self.running_var)
            self.num_batches_tracked = np.array(0.0)

    def forward(self, x: Any) -> Any:
        """Normalize ``x``; the shape stays."""
        x = as_operand(x)
        axes = [shape.count(",") + 1 for shape in self._shapes]
        if len(x.shape) not in axes or x.shape[1] != self.num_features:
            shapes = [shape.format(self.num_features) for shape in self._shapes]
            raise ValueError(
                f"{type(self).__name__}: the input must have shape {' or '.join(shapes)}, got"
                f" {x.shape}"
            )
        if not self.training and self.running_mean is not None:
            centered = x - along(self.running_mean, x)
            return scaled(centered, self.running_var, self.weight, self.bias, self.eps)
        n = x.size // self.num_features
        if n < 2:
            raise ValueError(
                f"{type(self).__name__}: statistics of a batch need at least 2 values per channel,"
                f" got {n} in an input of shape {x.shape}"
                + ("; call .eval() to use the running ones" if self.track_running_stats else "")
            )
        over = (0, *range(2, len(x.shape)))
        if self.fused:
            out = batch_norm(
                x, weight=self.weight, bias=self.bias, training=True, eps=self.eps, fused=True
            )
            if self.running_mean is not None:
                numbers = bare(x)
                average = mean(numbers, over)
                variance = mean(square(numbers - along(average, x)), over)
                self._track(average, variance * (n / (n - 1)))
            return out
        average = mean(x, over)
        centered = x - along(average, x)
        variance = mean(square(centered), over)
        if self.running_mean is not None:
            self._track(bare(average), bare(variance) * (n / (n - 1)))
        return scaled(centered, variance, self.weight, self.bias, self.eps)

    def _track(self, average: Any, variance: Any) -> None:
        """Move the running statistics toward those of a batch."""
        assert self.num_batches_tracked is not None
        self.num_batches_tracked = self.num_batches_tracked + 1
        count: Any = self.num_batches_tracked
        if not isinstance(count, Value):
            count = float(count)  # an array without axes would make float32 statistics float64
        a = 1.0 / count if self.momentum is None else self.momentum
        for name, new in (("running_mean", average), ("running_var", variance)):
            old = getattr(self, name)
            moved = (1 - a) * old + a * new
            setattr(self, name, moved if moved.dtype == old.dtype else astype(moved, old.dtype))

    def extra_repr(self) -> str:
        """Settings, as PyTorch prints them."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum},"
            f" affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm2d(BatchNorm1d):
    """`BatchNorm1d` of images (N, C, H, W): a channel has N·H·W numbers (PyTorch's layer).

    Parameters, attributes and errors are those of `BatchNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> images = np.random.default_rng(0).normal(3.0, 2.0, size=(4, 2, 5, 5))
    >>> y = tg.nn.BatchNorm2d(2)(images).data
    >>> bool(np.allclose(y.mean((0, 2, 3)), 0)), bool(np.allclose(y.var((0, 2, 3)), 1, atol=1e-4))
    (True, True)
    """

    _shapes = ("(N, {0}, H, W)",)
