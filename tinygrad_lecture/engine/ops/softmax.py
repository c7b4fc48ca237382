"""Softmax and its kin: log-sum-exp, log-softmax, cross-entropy (L54)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..modes import TRACING, recorder
from ..value import Value, apply, bare, raw
from . import numerics
from .elementwise import where
from .indexing import at_add
from .reductions import Axis, cases_of, reduce, some_normal, sum
from .shaping import axes_of, operand, reshape
from .table import other, publish, reduction, select, times


def _softmax_or_zero(out: Any, x: Any, axis: tuple[int, ...]) -> Any:
    empty = np.equal(bare(out), -np.inf)
    if not np.ndim(raw(x)):
        return 0.0 if empty else 1.0
    return where(empty, 0.0, softmax(where(empty, 0.0, x), axis))


_LOGSUMEXP = reduction(
    "logsumexp", lambda x, axis, keepdims: numerics.logsumexp(x, axis, keepdims),
    _softmax_or_zero, symbol="logΣexp", formula="log Σ exp x", derivatives=("softmax(x)",),
    cases=cases_of(some_normal),
)  # fmt: skip


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log Σ exp x over axes, shifted by the maximum; of all -inf it is -inf with derivative 0.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.logsumexp)([1000.0, 1000.0])
    [0.5, 0.5]
    """
    return reduce(_LOGSUMEXP, x, axis, keepdims)


publish("logsumexp", logsumexp)


def _softmax_product(g: Any, out: Any, axis: tuple[int, ...]) -> Any:
    """out (g - Σ g out): the Jacobian of softmax is symmetric, so that both modes are this."""
    return select(g, out * (g - sum(times(g, out), axis, keepdims=True)), axis)


_SOFTMAX = other(
    "softmax", lambda x, axis: numerics.softmax(x, axis),
    lambda g, out, x, axis: _softmax_product(g, out, axis),
    lambda t, out, x, axis: _softmax_product(t, out, axis),
    formula="exp x / Σ exp x", derivatives=("out (g - Σ g out)",),
    cases=lambda rng: ((rng.normal(size=(2, 3)),), {"axis": (-1, 0, (0, 1))[rng.integers(3)]}),
)  # fmt: skip
_LOG_SOFTMAX = other(
    "log_softmax", lambda x, axis: numerics.log_softmax(x, axis),
    lambda g, out, x, axis: select(
        g, g - softmax(x, axis) * sum(g, axis, keepdims=True), axis
    ),
    lambda t, out, x, axis: t - sum(times(t, softmax(x, axis)), axis, keepdims=True),
    formula="x - log Σ exp x", derivatives=("g - softmax(x) Σ g",),
    cases=lambda rng: ((rng.normal(size=(2, 3)),), {"axis": (-1, 0, (0, 1))[rng.integers(3)]}),
)  # fmt: skip


def softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Any:
    """exp x / Σ exp x along an axis, shifted by the maximum (L54).

    One +inf gives a one-hot result, several give nan.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    x = operand(x)
    return apply(_SOFTMAX, (x,), {"axis": _some_axis(x, axis, "softmax")})


def log_softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Any:
    """x - log Σ exp x along an axis; finite for any finite logits (L54).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.log_softmax([1000.0, -1000.0])
    array([    0., -2000.])
    """
    x = operand(x)
    return apply(_LOG_SOFTMAX, (x,), {"axis": _some_axis(x, axis, "log_softmax")})


def _some_axis(x: Any, axis: Any, name: str) -> tuple[int, ...]:
    if np.ndim(raw(x)) == 0:
        raise ValueError(f"{name} needs an array with at least one axis, and a scalar came")
    return axes_of(axis, np.ndim(raw(x)), name)


publish("softmax", softmax)
publish("log_softmax", log_softmax)


def _nll(x: Any, labels: Any) -> Any:
    top = np.max(np.real(x), axis=1, keepdims=True)
    own = np.arange(len(labels)), labels
    if not np.isfinite(top).all():
        return -numerics.log_softmax(x, (1,))[own]
    shifted = x - top
    return np.log(np.sum(np.exp(shifted), axis=1)) - shifted[own]


def _nll_slope(x: Any, labels: Any) -> Any:
    p = softmax(x, 1)
    if isinstance(p, Value):
        return at_add(p, (np.arange(len(labels)), labels), -1.0)
    p[np.arange(len(labels)), labels] -= 1.0
    return p


_NLL = other(
    "softmax_cross_entropy", _nll,
    lambda g, out, x, labels: times(reshape(g, (-1, 1)), _nll_slope(x, labels)),
    lambda t, out, x, labels: sum(times(t, _nll_slope(x, labels)), 1),
    symbol="CE", formula="log Σ exp x - x[label]", derivatives=("softmax(x) - onehot(label)",),
    cases=lambda rng: ((rng.normal(size=(4, 3)),), {"labels": rng.integers(0, 3, 4)}),
)  # fmt: skip


def softmax_cross_entropy(logits: Any, labels: Any) -> Any:
    """Cross-entropy of each row of logits with its label, -log softmax(x)[label] (L54).

    One op, whose derivative softmax - onehot never saturates.

    Parameters
    ----------
    logits : array_like or Value of shape (N, C)
    labels : int array of shape (N,)
        Class indices from 0 to C - 1.

    Returns
    -------
    ndarray or Value of shape (N,)

    Raises
    ------
    ValueError
        If shapes or labels do not fit.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.softmax_cross_entropy([[0.0, 0.0], [1000.0, -1000.0]], [1, 0])
    array([0.69314718, 0.        ])
    """
    x, shape = operand(logits), np.shape(raw(operand(logits)))
    traced = TRACING and isinstance(labels, Value) and recorder() is not None
    given, labels = labels, np.array(raw(labels))
    if len(shape) != 2:
        raise ValueError(f"logits have to have shape (N, C), not {shape}")
    if labels.shape != shape[:1]:
        raise ValueError(
            f"labels have shape {labels.shape}; for logits {shape} it has to be {shape[:1]}"
        )
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels have to be integers (class indices), not {labels.dtype}")
    if labels.size and not 0 <= labels.min() <= labels.max() < shape[1]:
        raise ValueError(
            f"labels have to lie in 0..{shape[1] - 1} for {shape[1]} classes, and "
            f"{labels.min()}..{labels.max()} came"
        )
    return apply(_NLL, (x,), {"labels": given if traced else labels})


publish("softmax_cross_entropy", softmax_cross_entropy)
