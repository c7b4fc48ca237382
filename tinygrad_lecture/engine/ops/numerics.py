"""Primals on raw arrays that NumPy lacks, or that need care to be stable.

All accept complex arrays where the op is analytic, so that the complex step goes through them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x), by the branch in which the exponential cannot overflow."""
    if np.iscomplexobj(x):
        return 1 / (1 + np.exp(-x))
    e = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), 1.0, e) / (1.0 + e)


def sigmoid_float(x: float) -> float:
    """`sigmoid` of a float."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def softplus(x: Any) -> Any:
    """log(1 + e^x) without overflow."""
    return np.log1p(np.exp(x)) if np.iscomplexobj(x) else np.logaddexp(0, x)


def softplus_float(x: float) -> float:
    """`softplus` of a float."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x))) if x == x else x


def log_sigmoid(x: Any) -> Any:
    """log of `sigmoid`, by softplus."""
    return -softplus(-x)


def leaky_relu(x: Any, slope: float) -> Any:
    """X where positive, slope·x elsewhere."""
    return np.where(np.greater(x, 0), x, np.multiply(x, slope))


def elu(x: Any, alpha: float) -> Any:
    """X where positive, alpha·(e^x - 1) elsewhere."""
    return np.where(np.greater(x, 0), x, alpha * np.expm1(np.minimum(x, 0)))


_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: Any) -> Any:
    """The error function, from the C library, element by element (about 60 ns each)."""
    x = np.asarray(x)
    return _erf(x.astype(np.float64)).astype(x.dtype) if x.ndim else math.erf(x)


def absolute(x: Any) -> Any:
    """|x|; on complex operands the analytic continuation of it, x·sign(re x)."""
    return x * np.sign(np.real(x)) if np.iscomplexobj(x) else np.abs(x)


def clip(x: Any, low: float | None, high: float | None) -> Any:
    """Clip to [low, high]; None leaves a side open."""
    return np.clip(x, low, high)


def variance(x: Any, axis: tuple[int, ...], ddof: float, keepdims: bool) -> Any:
    """Sum of squared deviations over n - ddof, also of complex operands, unconjugated."""
    x = np.asarray(x)
    n = math.prod(x.shape[i] for i in axis)
    # from the first element on, so that a constant has deviation 0 exactly, however it rounds
    x = x - x[tuple(slice(1) if i in axis else slice(None) for i in range(x.ndim))]
    d = x - np.mean(x, axis=axis, keepdims=True)
    return np.sum(d * d, axis=axis, keepdims=keepdims) / (n - ddof)


def norm(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Euclidean norm, scaled so that squares neither overflow nor vanish."""
    if np.iscomplexobj(x):
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    if not np.size(x):
        return np.sqrt(np.sum(x, axis=axis, keepdims=keepdims))
    scale = np.max(np.abs(x), axis=axis, keepdims=True)
    scale = np.where((scale > 0) & np.isfinite(scale), scale, np.ones_like(scale))
    scaled = x / scale
    out = scale * np.sqrt(np.sum(scaled * scaled, axis=axis, keepdims=True))
    return out if keepdims else np.squeeze(out, axis=axis)


def _shifted(x: Any, axis: tuple[int, ...]) -> tuple[Any, Any]:
    """Return e^(x - top) and top, the largest x along the axes (0 for -inf and nan).

    One +inf gives a one-hot row; several are undecided, hence nan.
    """
    top = np.max(np.real(x), axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, np.zeros_like(top))
    infinite = np.isposinf(top)
    if not np.any(infinite):
        return np.exp(x - shift), shift
    hot = np.isposinf(np.real(x))
    several = np.sum(hot, axis=axis, keepdims=True) > 1
    with np.errstate(over="ignore"):  # in rows that are replaced
        e = np.exp(x - shift)
    e = np.where(infinite, np.where(several, np.nan, hot * 1.0), e)
    return e.astype(np.result_type(x)), np.where(infinite, top, shift)


def softmax(x: Any, axis: tuple[int, ...]) -> Any:
    """e^x over its sum."""
    e, _ = _shifted(x, axis)
    with np.errstate(invalid="ignore"):  # a row of -inf alone has no distribution: nan
        return e / np.sum(e, axis=axis, keepdims=True)


def logsumexp(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """log Σ e^x; -inf where all are -inf."""
    e, top = _shifted(x, axis)
    with np.errstate(divide="ignore"):
        out = np.log(np.sum(e, axis=axis, keepdims=True)) + top
    out = np.where(np.isposinf(top), top, out).astype(out.dtype)
    return out if keepdims else np.squeeze(out, axis=axis)


def log_softmax(x: Any, axis: tuple[int, ...]) -> Any:
    """X - log Σ e^x."""
    e, top = _shifted(x, axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        if np.any(np.isposinf(top)):
            return np.where(
                np.isposinf(top), np.log(e), x - top - np.log(np.sum(e, axis=axis, keepdims=True))
            )
        return x - top - np.log(np.sum(e, axis=axis, keepdims=True))


def scatter_add(x: Any, index: Any, value: Any) -> Any:
    """Return x with `value` added at `index`, repeated indices each time."""
    out = np.array(x, dtype=np.result_type(x, value))
    if is_basic(index):
        out[index] += value
    else:
        np.add.at(out, index, value)
    return out


def scatter_set(x: Any, index: Any, value: Any) -> Any:
    """Return x with `value` written at `index`."""
    out = np.array(x, dtype=np.result_type(x, value))
    out[index] = value
    return out


def is_basic(index: Any) -> bool:
    """Whether an index is made of ints, slices, ellipsis and newaxis alone: nothing twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        p is None
        or p is Ellipsis
        or (isinstance(p, (int, np.integer, slice)) and not isinstance(p, bool))
        for p in parts
    )
