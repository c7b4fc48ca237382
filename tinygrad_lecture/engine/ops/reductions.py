"""Reductions over axes: sums, means, spreads, products, extremes, norms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..value import apply, bare, raw
from . import numerics
from .cumulative import cumprod, distinct
from .elementwise import where
from .indexing import flip
from .shaping import (
    axes_of,
    broadcast_to,
    concatenate,
    operand,
    reshape,
    transpose,
)
from .table import FUNCTIONS, Call, linear, publish, reduction

Axis = int | tuple[int, ...] | None


def cases_of(
    name_to_value: Callable[[np.random.Generator], Any],
) -> Callable[[np.random.Generator], Call]:
    """Make cases that reduce over all axes, one, or two, with and without keeping them."""

    def cases(rng: np.random.Generator) -> Call:
        axis = (None, 0, -1, (0, 2))[rng.integers(4)]
        return (name_to_value(rng),), {"axis": axis, "keepdims": bool(rng.integers(2))}

    return cases


def some_normal(rng: np.random.Generator) -> Any:
    """Draw an array of three axes."""
    return rng.normal(size=(2, 3, 2))


def reduce(row: Any, x: Any, axis: Axis, keepdims: bool, **params: Any) -> Any:
    """Apply a reduction row over checked axes."""
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
    cases=cases_of(some_normal),
)  # fmt: skip
_MEAN = linear(
    "mean", lambda x, axis, keepdims: np.mean(x, axis=axis, keepdims=keepdims),
    lambda g, x, axis, keepdims: _spread(g * (1.0 / count(x, axis)), x, axis), symbol="mean",
    formula="Σ x / n", cases=cases_of(some_normal),
)  # fmt: skip
_VAR = reduction(
    "var", lambda x, axis, ddof, keepdims: numerics.variance(x, axis, ddof, keepdims),
    lambda out, x, axis, ddof: (x - mean(x, axis, keepdims=True)) * (2.0 / (count(x, axis) - ddof)),
    symbol="var", formula="Σ (x - mean)² / (n - ddof)", derivatives=("2 (x - mean) / (n - ddof)",),
    cases=cases_of(some_normal),
)  # fmt: skip


def _std_slope(out: Any, x: Any, axis: tuple[int, ...], ddof: float) -> Any:
    flat = bare(out) == 0
    slope = (x - mean(x, axis, keepdims=True)) / (where(flat, 1.0, out) * (count(x, axis) - ddof))
    return where(flat, 0.0, slope)


_STD = reduction(
    "std", lambda x, axis, ddof, keepdims: np.sqrt(numerics.variance(x, axis, ddof, keepdims)),
    _std_slope, symbol="std", formula="√var",
    derivatives=("(x - mean) / ((n - ddof) out), 0 where out = 0",), cases=cases_of(some_normal),
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
    symbol="Π", formula="Π x", derivatives=("product of the others",), cases=cases_of(some_normal),
)  # fmt: skip


def _winners(x: Any, axis: tuple[int, ...], best: Any) -> Any:
    hit = x == best
    return hit / np.maximum(np.sum(hit, axis=axis, keepdims=True), 1)


def _extreme(name: str, of: Callable[..., Any]) -> Any:
    return reduction(
        name, lambda x, axis, keepdims: of(x, axis=axis, keepdims=keepdims),
        lambda out, x, axis: _winners(bare(x), axis, bare(out)), symbol=name, formula=f"{name} x",
        derivatives=("1 / (number of ties) where reached, else 0",), analytic=False,
        branch=lambda x, axis, keepdims: x == of(x, axis=axis, keepdims=True),
        cases=cases_of(distinct),
    )  # fmt: skip


_MAX = _extreme("max", np.max)
_MIN = _extreme("min", np.min)


def _norm_slope(out: Any, x: Any, axis: tuple[int, ...]) -> Any:
    return x / where(bare(out) == 0, 1.0, out)


_NORM = reduction(
    "norm", lambda x, axis, keepdims: numerics.norm(x, axis, keepdims), _norm_slope, symbol="‖·‖",
    formula="√Σ x²", derivatives=("x / out, 0 where out = 0",), cases=cases_of(some_normal),
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
    return reduce(_SUM, x, axis, keepdims)


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
    return reduce(_MEAN, x, axis, keepdims)


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
    return reduce(_VAR, x, axis, keepdims, ddof=ddof)


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
    return reduce(_STD, x, axis, keepdims, ddof=ddof)


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Product over axes; parameters as in `sum`.

    The derivative is the product of the *other* factors, so zeros are no special case.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.prod)([2.0, 0.0, 4.0])
    [0.0, 8.0, 0.0]
    """
    return reduce(_PROD, x, axis, keepdims)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Maximum over axes; parameters as in `sum`.  Ties share the derivative evenly.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.max)([1.0, 3.0, 3.0])
    [0.0, 0.5, 0.5]
    """
    return reduce(_MAX, x, axis, keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Minimum over axes; parameters as in `sum`.  Ties share the derivative evenly.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.min)([1.0, 3.0, 3.0])
    [1.0, 0.0, 0.0]
    """
    return reduce(_MIN, x, axis, keepdims)


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
        return reduce(_NORM, x, axis, keepdims)
    if ord in (1, math.inf) and (isinstance(axis, int) or np.ndim(raw(operand(x))) <= 1):
        size = abs(operand(x))
        return sum(size, axis, keepdims) if ord == 1 else max(size, axis, keepdims)
    raise ValueError(
        f"ord={ord!r} with axis={axis!r}: norm knows the Euclidean norm (None, 'fro', or 2 of "
        "vectors), and 1 and inf of vectors"
    )


for _name, _function, _numpy in (
    ("sum", sum, np.sum), ("mean", mean, np.mean), ("prod", prod, np.prod), ("max", max, np.max),
    ("min", min, np.min), ("norm", norm, np.linalg.norm),
):  # fmt: skip
    publish(_name, _function, [_numpy])


def _numpy_spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's order of parameters: (a, axis, dtype, out, ddof, keepdims)."""

    def call(a: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
        return function(a, axis, ddof, keepdims)

    call.__qualname__ = function.__name__
    return call


publish("var", var)
publish("std", std)
FUNCTIONS[np.var] = _numpy_spread(var)
FUNCTIONS[np.std] = _numpy_spread(std)
