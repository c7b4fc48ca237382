"""Initializers: every one draws with the standard deviation ``gain / sqrt(fan)`` (L47-L50).

A trailing underscore means "in place", as in PyTorch: a `Value` gets new data, an ndarray is
written into.  All randomness comes from ``rng``: a `numpy.random.Generator`, a seed, or None for
fresh entropy. Passing one generator to several layers gives them different numbers; passing one
seed to several layers gives them the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..engine import Value

__all__ = [
    "calculate_fan_in_and_fan_out",
    "calculate_gain",
    "constant_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "variance_scaling_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

Rng = np.random.Generator | int | None
Distribution = Literal["normal", "uniform"]
T = TypeVar("T", Value, NDArray[Any])


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the recommended gain for a nonlinearity (PyTorch's table).

    Parameters
    ----------
    nonlinearity : str
        ``linear``, ``conv2d``, ``sigmoid`` (1), ``tanh`` (5/3), ``relu`` (sqrt 2), ``leaky_relu``
        (sqrt(2 / (1 + slope^2))), ``selu`` (3/4).
    param : float, optional
        Negative slope of ``leaky_relu``; default 0.01.

    Raises
    ------
    ValueError
        For an unknown name, with the list of known ones.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.nn.init.calculate_gain("relu") ** 2
    2.0000000000000004
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1.0 + slope**2))
    gains = {
        "linear": 1.0,
        "conv2d": 1.0,
        "sigmoid": 1.0,
        "tanh": 5.0 / 3.0,
        "relu": math.sqrt(2.0),
        "selu": 0.75,
    }
    if nonlinearity not in gains:
        known = ", ".join([*gains, "leaky_relu"])
        raise ValueError(
            f"calculate_gain: nonlinearity must be one of {known}; got {nonlinearity!r}"
        )
    return gains[nonlinearity]


def calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight of shape ``(out, in, *kernel)``.

    Raises
    ------
    ValueError
        For fewer than two axes: a bias has no fan.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.nn.init.calculate_fan_in_and_fan_out(np.empty((10, 64)))
    (64, 10)
    """
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(f"fan_in and fan_out need a weight of shape (out, in, ...), got {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _fill(tensor: T, numbers: NDArray[Any]) -> T:
    if isinstance(tensor, Value):
        tensor.data = numbers.astype(tensor.dtype)
    else:
        tensor[...] = numbers
    return tensor


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, rng: Rng = None) -> T:
    """Fill with draws from U(a, b); the standard deviation is (b - a) / sqrt(12)."""
    return _fill(tensor, np.random.default_rng(rng).uniform(a, b, tensor.shape))


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, rng: Rng = None) -> T:
    """Fill with draws from N(mean, std^2)."""
    return _fill(tensor, np.random.default_rng(rng).normal(mean, std, tensor.shape))


def constant_(tensor: T, val: float) -> T:
    """Fill with one number."""
    return _fill(tensor, np.full(tensor.shape, float(val)))


def zeros_(tensor: T) -> T:
    """Fill with zeros: what biases start from (L48)."""
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def variance_scaling_(
    tensor: T, gain: float, fan: float, distribution: Distribution, rng: Rng = None
) -> T:
    """Fill with zero-mean draws of standard deviation ``gain / sqrt(fan)``.

    The sum of n products of such weights with inputs of mean square 1 has standard deviation
    ``gain * sqrt(n / fan)``, which is the rule behind all initializers here (L47).

    Parameters
    ----------
    tensor : Value or ndarray
    gain : float
        Factor for what the following nonlinearity takes away, see `calculate_gain`.
    fan : float
        Number of summed terms that is to be compensated, > 0.
    distribution : {"normal", "uniform"}
        The uniform draw has the bound ``gain * sqrt(3 / fan)``, since std(U(-c, c)) = c / sqrt(3).
    rng : Generator, int or None

    Raises
    ------
    ValueError
        For a fan that is not positive, or an unknown distribution.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> w = tg.nn.init.variance_scaling_(np.empty((200, 50)), 1.0, 50, "uniform", rng=0)
    >>> bool(abs(w).max() <= (3 / 50) ** 0.5)
    True
    """
    if not fan > 0:
        raise ValueError(f"variance_scaling_: fan must be positive, got {fan}")
    std = gain / math.sqrt(fan)
    if distribution == "normal":
        return normal_(tensor, 0.0, std, rng)
    if distribution == "uniform":
        bound = math.sqrt(3.0) * std
        return uniform_(tensor, -bound, bound, rng)
    raise ValueError(
        f'variance_scaling_: distribution is "normal" or "uniform", got {distribution!r}'
    )


def _fan(tensor: Any, mode: str) -> int:
    fan_in, fan_out = calculate_fan_in_and_fan_out(tensor)
    if mode == "fan_in":
        return fan_in
    if mode == "fan_out":
        return fan_out
    raise ValueError(f'mode is "fan_in" or "fan_out", got {mode!r}')


def lecun_uniform_(tensor: T, rng: Rng = None) -> T:
    """Fill from U(-c, c), c = sqrt(3 / fan_in), variance 1 / fan_in (LeCun et al. 1998; L48)."""
    return variance_scaling_(tensor, 1.0, _fan(tensor, "fan_in"), "uniform", rng)


def lecun_normal_(tensor: T, rng: Rng = None) -> T:
    """Fill from N(0, 1 / fan_in) (LeCun et al. 1998; L47)."""
    return variance_scaling_(tensor, 1.0, _fan(tensor, "fan_in"), "normal", rng)


def xavier_uniform_(tensor: T, gain: float = 1.0, rng: Rng = None) -> T:
    """Fill from U(-c, c), c = gain * sqrt(6 / (fan_in + fan_out)) (L49).

    Glorot & Bengio 2010, eq. 16; the variance is gain^2 * 2 / (fan_in + fan_out).

    Parameters
    ----------
    tensor : Value or ndarray
        Shape ``(out, in, ...)``.
    gain : float
        See `calculate_gain`; 4 for sigmoid units (Bengio 2012; L68).
    rng : Generator, int or None

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> w = tg.nn.init.xavier_uniform_(np.empty((30, 20)), rng=0)
    >>> bool(abs(w).max() <= (6 / 50) ** 0.5)
    True
    """
    return variance_scaling_(
        tensor, gain, sum(calculate_fan_in_and_fan_out(tensor)) / 2, "uniform", rng
    )


def xavier_normal_(tensor: T, gain: float = 1.0, rng: Rng = None) -> T:
    """Fill from N(0, gain^2 * 2 / (fan_in + fan_out)) (Glorot & Bengio 2010, eq. 12; L49)."""
    return variance_scaling_(
        tensor, gain, sum(calculate_fan_in_and_fan_out(tensor)) / 2, "normal", rng
    )


def kaiming_uniform_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Rng = None,
) -> T:
    """Fill from U(-c, c), c = gain * sqrt(3 / fan): sqrt(6 / fan_in) for ReLU (L50).

    He et al. 2015.  The factor 2 under the root makes up for ReLU: for z symmetric about 0,
    E[relu(z)^2] = Var(z) / 2.

    Parameters
    ----------
    tensor : Value or ndarray
        Shape ``(out, in, ...)``.
    a : float
        Negative slope of the rectifier, used by ``leaky_relu`` only; 0 is ReLU.
    mode : {"fan_in", "fan_out"}
        Keep the scale of activations on the way forward, or of gradients on the way back.
    nonlinearity : str
        Name for `calculate_gain`.
    rng : Generator, int or None

    Raises
    ------
    ValueError
        For an unknown mode or nonlinearity, or a tensor with fewer than two axes.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> w = tg.nn.init.kaiming_uniform_(np.empty((30, 24)), rng=0)
    >>> bool(abs(w).max() <= (6 / 24) ** 0.5)
    True
    """
    return variance_scaling_(
        tensor, calculate_gain(nonlinearity, a), _fan(tensor, mode), "uniform", rng
    )


def kaiming_normal_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Rng = None,
) -> T:
    """Fill from N(0, gain^2 / fan): variance 2 / fan_in for ReLU (He et al. 2015; L50).

    Parameters and errors as in `kaiming_uniform_`.
    """
    return variance_scaling_(
        tensor, calculate_gain(nonlinearity, a), _fan(tensor, mode), "normal", rng
    )


def trunc_normal_(
    tensor: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, rng: Rng = None
) -> T:
    """Fill with draws from N(mean, std^2) that lie in [a, b]: others are drawn again.

    Parameters
    ----------
    tensor : Value or ndarray
    mean, std : float
        std > 0.
    a, b : float
        Bounds themselves, not multiples of std; they leave some room about the mean.
    rng : Generator, int or None

    Raises
    ------
    ValueError
        For bounds that are less than one in ten thousand draws wide.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> w = tg.nn.init.trunc_normal_(np.empty((100, 100)), std=0.02, a=-0.04, b=0.04, rng=0)
    >>> bool(abs(w).max() <= 0.04)
    True
    """
    low, high = (0.5 * (1.0 + math.erf((x - mean) / (std * math.sqrt(2.0)))) for x in (a, b))
    if not high - low >= 1e-4:
        raise ValueError(f"trunc_normal_: hardly a draw from N({mean}, {std}^2) lies in [{a}, {b}]")
    generator = np.random.default_rng(rng)
    numbers = generator.normal(mean, std, tensor.shape)
    while (outside := (numbers < a) | (numbers > b)).any():
        numbers[outside] = generator.normal(mean, std, int(outside.sum()))
    return _fill(tensor, numbers)


def eye_(tensor: T) -> T:
    """Fill a matrix with ones on its diagonal and zeros elsewhere.

    Raises
    ------
    ValueError
        For another number of axes than 2.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.nn.init.eye_(np.empty((2, 3)))
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    if len(tensor.shape) != 2:
        raise ValueError(f"eye_ fills matrices, got shape {tensor.shape}")
    return _fill(tensor, np.eye(*tensor.shape))


def orthogonal_(tensor: T, gain: float = 1.0, rng: Rng = None) -> T:
    """Fill with a random orthogonal matrix times the gain (Saxe et al. 2013, arXiv:1312.6120).

    Rows are orthonormal, or columns if there are more rows; a weight of more axes counts as a
    matrix ``(out, rest)``.  A product of any number of them keeps all lengths.

    Parameters
    ----------
    tensor : Value or ndarray
        At least two axes.
    gain : float
    rng : Generator, int or None

    Raises
    ------
    ValueError
        For fewer than two axes.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> w = tg.nn.init.orthogonal_(np.empty((3, 5)), rng=0)
    >>> bool(np.allclose(w @ w.T, np.eye(3)))
    True
    """
    if len(tensor.shape) < 2:
        raise ValueError(f"orthogonal_ needs at least two axes, got shape {tensor.shape}")
    rows = tensor.shape[0]
    columns = math.prod(tensor.shape[1:])
    draws = np.random.default_rng(rng).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draws)
    q *= np.sign(np.diagonal(r))  # so that all orthogonal matrices are equally likely
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def reset(weight: Value, bias: Value | None, rng: Rng, init: Callable[..., Any] | None) -> None:
    """Give a layer its start values: by an initializer, with bias 0, or as PyTorch does.

    PyTorch draws both from U(-c, c), c = 1 / sqrt(fan_in), sqrt(3) times smaller than the lecture's
    rule of thumb (L48).
    """
    generator = np.random.default_rng(rng)
    if init is not None:
        init(weight, rng=generator)
        return
    bound = 1.0 / math.sqrt(_fan(weight, "fan_in"))
    uniform_(weight, -bound, bound, generator)
    if bias is not None:
        uniform_(bias, -bound, bound, generator)
