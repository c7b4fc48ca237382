"""Reductions, cumulative ops, softmax and sorting."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..value import Value, apply, raw
from . import numerics
from .elementwise import where
from .shaping import (
    at_add,
    axes_of,
    broadcast_to,
    concatenate,
    flip,
    operand,
    reshape,
    take_along_axis,
    transpose,
)
from .table import Call, linear, other, publish, reduction, select, times

Axis = int | tuple[int, ...] | None


def _case(
    name_to_value: Callable[[np.random.Generator], Any],
) -> Callable[[np.random.Generator], Call]:
    """Make cases that reduce over all axes, one, or two, with and without keeping them."""

    def cases(rng: np.random.Generator) -> Call:
        axis = (None, 0, -1, (0, 2))[rng.integers(4)]
        return (name_to_value(rng),), {"axis": axis, "keepdims": bool(rng.integers(2))}

    return cases


def _normal(rng: np.random.Generator) -> Any:
    return rng.normal(size=(2, 3, 2))


def _distinct(rng: np.random.Generator) -> Any:
    return rng.permutation(12).reshape(2, 3, 2) * 0.3 + rng.uniform(-0.1, 0.1, (2, 3, 2)) - 1.5


def _reduce(row: Any, x: Any, axis: Axis, keepdims: bool, **params: Any) -> Any:
    x = operand(x)
    axes = axes_of(axis, np.ndim(raw(x)), row.name)
    if row is _MEAN or params:
        _nonempty(row.name, x, axes, params.get("ddof", 0))
    return apply(row, (x,), {"axis": axes, **params, "keepdims": bool(keepdims)})


def count(x: Any, axis: tuple[int, ...]) -> int:
    """Return how many elements one result of a reduction is made of."""
    return math.prod(np.shape(raw(x))[i] for i in axis)


def _spread(g: Any, x: Any, axis: tuple[int, ...]) -> Any:
    shape = np.shape(raw(x))
    if not shape:
        return g
    if type(g) is float:
        return np.full(shape, g, raw(x).dtype)
    kept = reshape(g, tuple(1 if i in axis else n for i, n in enumerate(shape)))
    return broadcast_to(kept, shape)


_SUM = linear(
    "sum", lambda x, axis, keepdims: np.sum(x, axis=axis, keepdims=keepdims),
    lambda g, x, axis, keepdims: _spread(g, x, axis), symbol="Σ", formula="Σ x",
    cases=_case(_normal),
)  # fmt: skip
_MEAN = linear(
    "mean", lambda x, axis, keepdims: np.mean(x, axis=axis, keepdims=keepdims),
    lambda g, x, axis, keepdims: _spread(g * (1.0 / count(x, axis)), x, axis), symbol="mean",
    formula="Σ x / n", cases=_case(_normal),
)  # fmt: skip
_VAR = reduction(
    "var", lambda x, axis, ddof, keepdims: numerics.variance(x, axis, ddof, keepdims),
    lambda out, x, axis, ddof: (x - mean(x, axis, keepdims=True)) * (2.0 / (count(x, axis) - ddof)),
    symbol="var", formula="Σ (x - mean)² / (n - ddof)", derivatives=("2 (x - mean) / (n - ddof)",),
    cases=_case(_normal),
)  # fmt: skip


def _std_slope(out: Any, x: Any, axis: tuple[int, ...], ddof: float) -> Any:
    flat = raw(out) == 0
    slope = (x - mean(x, axis, keepdims=True)) / (where(flat, 1.0, out) * (count(x, axis) - ddof))
    return where(flat, 0.0, slope)


_STD = reduction(
    "std", lambda x, axis, ddof, keepdims: np.sqrt(numerics.variance(x, axis, ddof, keepdims)),
    _std_slope, symbol="std", formula="√var",
    derivatives=("(x - mean) / ((n - ddof) out), 0 where out = 0",), cases=_case(_normal),
)  # fmt: skip


def _prod_slope(out: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """Product of the others, as prefix times suffix: right also where factors are zero."""
    shape = np.shape(raw(x))
    if not shape:
        return 1.0
    rest = tuple(i for i in range(len(shape)) if i not in axis)
    order = rest + axis
    flat = reshape(transpose(x, order), (*(shape[i] for i in rest), count(x, axis)))
    others = _before(flat) * flip(_before(flip(flat, -1)), -1)
    back = reshape(others, tuple(shape[i] for i in order))
    return transpose(back, tuple(int(i) for i in np.argsort(order)))


def _before(x: Any) -> Any:
    """Return the product of the elements before each, along the last axis."""
    one = np.ones((*np.shape(raw(x))[:-1], 1), raw(x).dtype)
    return concatenate([one, cumprod(x, -1)[..., :-1]], -1) if np.shape(raw(x))[-1] else x


_PROD = reduction(
    "prod", lambda x, axis, keepdims: np.prod(x, axis=axis, keepdims=keepdims), _prod_slope,
    symbol="Π", formula="Π x", derivatives=("product of the others",), cases=_case(_normal),
)  # fmt: skip


def _winners(x: Any, axis: tuple[int, ...], best: Any) -> Any:
    hit = x == best
    return hit / np.maximum(np.sum(hit, axis=axis, keepdims=True), 1)


def _extreme(name: str, of: Callable[..., Any]) -> Any:
    return reduction(
        name, lambda x, axis, keepdims: of(x, axis=axis, keepdims=keepdims),
        lambda out, x, axis: _winners(raw(x), axis, raw(out)), symbol=name, formula=f"{name} x",
        derivatives=("1 / (number of ties) where reached, else 0",), analytic=False,
        branch=lambda x, axis, keepdims: x == of(x, axis=axis, keepdims=True),
        cases=_case(_distinct),
    )  # fmt: skip


_MAX = _extreme("max", np.max)
_MIN = _extreme("min", np.min)


def _softmax_or_zero(out: Any, x: Any, axis: tuple[int, ...]) -> Any:
    empty = np.isneginf(raw(out).real)
    if not np.ndim(raw(x)):
        return 0.0 if empty else 1.0
    return where(empty, 0.0, softmax(where(empty, 0.0, x), axis))


_LOGSUMEXP = reduction(
    "logsumexp", lambda x, axis, keepdims: numerics.logsumexp(x, axis, keepdims),
    _softmax_or_zero, symbol="logΣexp", formula="log Σ exp x", derivatives=("softmax(x)",),
    cases=_case(_normal),
)  # fmt: skip


def _norm_slope(out: Any, x: Any, axis: tuple[int, ...]) -> Any:
    return x / where(raw(out) == 0, 1.0, out)


_NORM = reduction(
    "norm", lambda x, axis, keepdims: numerics.norm(x, axis, keepdims), _norm_slope, symbol="‖·‖",
    formula="√Σ x²", derivatives=("x / out, 0 where out = 0",), cases=_case(_normal),
)  # fmt: skip


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum over axes.

    Parameters
    ----------
    x : array_like or Value
    axis : int, tuple of int or None
        All axes by default.
    keepdims : bool
        Keep the reduced axes with length 1.

    Returns
    -------
    float, ndarray or Value

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.sum)([1.0, 2.0])
    [1.0, 1.0]
    """
    return _reduce(_SUM, x, axis, keepdims)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean over axes; parameters as in `sum`.

    Raises
    ------
    ValueError
        If there is nothing to take the mean of.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.mean)([1.0, 2.0])
    [0.5, 0.5]
    """
    return _reduce(_MEAN, x, axis, keepdims)


def _nonempty(name: str, x: Any, axis: tuple[int, ...], ddof: float) -> None:
    n = count(x, axis)
    if n <= ddof:
        raise ValueError(
            f"{name} over {n} element{'s' * (n != 1)}, x of shape {np.shape(raw(x))}, with "
            f"ddof={ddof:g}: it divides by n - ddof, so n has to be larger"
        )


def var(x: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Variance over axes, Σ (x - mean)² / (n - ddof); other parameters as in `sum`.

    Raises
    ------
    ValueError
        If ddof is n or more.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.var)([1.0, 3.0])
    [-1.0, 1.0]
    """
    return _reduce(_VAR, x, axis, keepdims, ddof=ddof)


def std(x: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Standard deviation over axes; the derivative of the std of a constant is 0.

    Raises
    ------
    ValueError
        If ddof is n or more.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.std)([1.0, 3.0])
    [-0.5, 0.5]
    """
    return _reduce(_STD, x, axis, keepdims, ddof=ddof)


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Product over axes; parameters as in `sum`.

    The derivative is the product of the *other* factors, so zeros are no special case.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.prod)([2.0, 0.0, 4.0])
    [0.0, 8.0, 0.0]
    """
    return _reduce(_PROD, x, axis, keepdims)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Maximum over axes; parameters as in `sum`.  Ties share the derivative evenly.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.max)([1.0, 3.0, 3.0])
    [0.0, 0.5, 0.5]
    """
    return _reduce(_MAX, x, axis, keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Minimum over axes; parameters as in `sum`.  Ties share the derivative evenly.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.min)([1.0, 3.0, 3.0])
    [1.0, 0.0, 0.0]
    """
    return _reduce(_MIN, x, axis, keepdims)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log Σ exp x over axes, shifted by the maximum; of all -inf it is -inf with derivative 0.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.logsumexp)([1000.0, 1000.0])
    [0.5, 0.5]
    """
    return _reduce(_LOGSUMEXP, x, axis, keepdims)


def norm(x: Any, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """Vector norm over axes; the derivative of the Euclidean norm at 0 is 0.

    Parameters
    ----------
    x : array_like or Value
    ord : {None, 2, "fro", 1, inf}
        Euclidean by default (for a matrix: Frobenius).
    axis, keepdims
        As in `sum`.

    Raises
    ------
    ValueError
        For any other `ord`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.norm)([3.0, 4.0])
    [0.6, 0.8]
    >>> tg.grad(tg.norm)([0.0, 0.0])
    [0.0, 0.0]
    """
    if ord in (None, "fro") or (ord == 2 and (axis is not None or np.ndim(raw(operand(x))) <= 1)):
        return _reduce(_NORM, x, axis, keepdims)
    if ord in (1, math.inf) and (isinstance(axis, int) or np.ndim(raw(operand(x))) <= 1):
        size = abs(operand(x))
        return sum(size, axis, keepdims) if ord == 1 else max(size, axis, keepdims)
    raise ValueError(
        f"ord={ord!r} with axis={axis!r}: norm knows the Euclidean norm (None, 'fro', or 2 of "
        "vectors), and 1 and inf of vectors"
    )


for _name, _function, _numpy in (
    ("sum", sum, np.sum), ("mean", mean, np.mean), ("prod", prod, np.prod), ("max", max, np.max),
    ("min", min, np.min), ("norm", norm, np.linalg.norm), ("logsumexp", logsumexp, None),
):  # fmt: skip
    publish(_name, _function, [_numpy] if _numpy else [])


def _numpy_spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's order of parameters: (a, axis, dtype, out, ddof, keepdims)."""

    def call(a: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
        return function(a, axis, ddof, keepdims)

    call.__qualname__ = function.__name__
    return call


publish("var", _numpy_spread(var), [np.var])
publish("std", _numpy_spread(std), [np.std])
publish("var", var)
publish("std", std)

# -------------------------------------------------------------------------------- cumulative


def _one_axis(x: Any, axis: int | None, name: str) -> tuple[Any, int]:
    x = operand(x)
    if axis is None:
        return reshape(x, (-1,)), 0
    return x, axes_of(axis, np.ndim(raw(x)), name)[0]


_CUMSUM = linear(
    "cumsum", lambda x, axis: np.cumsum(x, axis=axis),
    lambda g, x, axis: flip(cumsum(flip(g, axis), axis), axis), formula="running Σ",
    cases=lambda rng: ((rng.normal(size=(2, 3)),), {"axis": (None, 0, 1)[rng.integers(3)]}),
)  # fmt: skip


def _rows(x: Any, axis: int) -> list[Any]:
    head = (slice(None),) * axis
    return [x[(*head, i)] for i in range(np.shape(raw(x))[axis])]


def _stacked(rows: list[Any], axis: int, like: Any) -> Any:
    if not rows:
        return np.zeros(np.shape(raw(like)))
    shape = np.shape(raw(like))
    one = tuple(1 if i == axis else n for i, n in enumerate(shape))
    return concatenate([reshape(row, one) for row in rows], axis)


def _cumprod_vjp(g: Any, out: Any, x: Any, axis: int) -> Any:
    """Σ_{j≥k} g_j Π_{i≤j, i≠k} x_i, by a recurrence that never divides."""
    gs, xs = _rows(g, axis), _rows(x, axis)
    before: list[Any] = [np.ones(np.shape(raw(xs[0])))] if xs else []
    for xk in xs[:-1]:
        before.append(before[-1] * xk)
    parts: list[Any] = []
    rest: Any = None
    for k in reversed(range(len(xs))):
        rest = gs[k] if rest is None else gs[k] + times(rest, xs[k + 1])
        parts.append(times(rest, before[k]))
    return _stacked(parts[::-1], axis, x)


def _cumprod_jvp(t: Any, out: Any, x: Any, axis: int) -> Any:
    ts, xs, outs = _rows(t, axis), _rows(x, axis), _rows(out, axis)
    parts = ts[:1]
    for tk, xk, before in zip(ts[1:], xs[1:], outs[:-1], strict=True):
        last = parts[-1]
        parts.append(times(last, xk) + times(tk, before))
    return _stacked(parts, axis, x)


_CUMPROD = other(
    "cumprod", lambda x, axis: np.cumprod(x, axis=axis), _cumprod_vjp, _cumprod_jvp,
    formula="running Π",
    cases=lambda rng: ((rng.normal(size=(2, 3)),), {"axis": (None, 0, 1)[rng.integers(3)]}),
)  # fmt: skip


def cumsum(x: Any, axis: int | None = None) -> Any:
    """Running sum along an axis; of the flattened array by default.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.cumsum(x).sum())([1.0, 2.0, 3.0])
    [3.0, 2.0, 1.0]
    """
    x, axis = _one_axis(x, axis, "cumsum")
    return apply(_CUMSUM, (x,), {"axis": axis})


def cumprod(x: Any, axis: int | None = None) -> Any:
    """Running product along an axis; of the flattened array by default.  Zeros are no special case.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.cumprod(x).sum())([2.0, 0.0, 3.0])
    [1.0, 8.0, 0.0]
    """
    x, axis = _one_axis(x, axis, "cumprod")
    return apply(_CUMPROD, (x,), {"axis": axis})


publish("cumsum", cumsum, [np.cumsum])
publish("cumprod", cumprod, [np.cumprod])

# ----------------------------------------------------------------------------------- softmax


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
    x, labels = operand(logits), np.array(labels)
    shape = np.shape(raw(x))
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
    return apply(_NLL, (x,), {"labels": labels})


publish("softmax_cross_entropy", softmax_cross_entropy)

# ----------------------------------------------------------------------------------- sorting


def _order(x: Any, axis: int) -> Any:
    return np.argsort(raw(x), axis=axis, kind="stable")


_SORT = other(
    "sort", lambda x, axis: np.sort(x, axis=axis, kind="stable"),
    lambda g, out, x, axis: take_along_axis(g, np.argsort(_order(x, axis), axis=axis), axis),
    lambda t, out, x, axis: take_along_axis(t, _order(x, axis), axis), analytic=False,
    branch=_order, formula="x in ascending order",
    cases=lambda rng: ((_distinct(rng),), {"axis": int(rng.integers(-1, 3))}),
)  # fmt: skip


def sort(x: Any, axis: int | None = -1) -> Any:
    """Sort in ascending order along an axis; equal elements keep their order.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.sort(x)[0])([3.0, 1.0])
    [0.0, 1.0]
    """
    x, axis = _one_axis(x, axis, "sort")
    return apply(_SORT, (x,), {"axis": axis})


publish("sort", sort, [np.sort])
