"""What the engine answers at kinks and singular points: one table, and each row can be run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import ops
from .transforms import grad

T = ops.PUBLIC
INF, NAN = math.inf, math.nan


@dataclass(frozen=True)
class Convention:
    """One row: what is asked, what the engine answers, and why.

    Attributes
    ----------
    point, reason : str
    answer : float or list of float
    run : callable
        Asks the engine; the result equals `answer`.
    """

    point: str
    answer: Any
    reason: str
    run: Callable[[], Any]


def _at(name: str, *point: Any, wrt: int = 0, **params: Any) -> Callable[[], Any]:
    return lambda: grad(lambda *args: T[name](*args, **params), wrt)(*point)


def _through(function: Callable[[Any], Any], point: Any) -> Callable[[], Any]:
    return lambda: grad(function)(point)


_SUBGRADIENT = "the subgradient of least norm"
_EVEN = "ties share evenly"
_LIMIT = "IEEE value of the formula"
_SELECT = "an exactly zero adjoint contributes exactly zero"

CONVENTIONS: tuple[Convention, ...] = (
    Convention("relu'(0)", 0.0, _SUBGRADIENT, _at("relu", 0.0)),
    Convention("abs'(0)", 0.0, _SUBGRADIENT, _at("abs", 0.0)),
    Convention("sign'(x)", 0.0, "constant on each side", _at("sign", 2.0)),
    Convention(
        "leaky_relu'(0), slope 0.01", 0.01, "the left branch holds at 0", _at("leaky_relu", 0.0)
    ),
    Convention("elu'(0), alpha 1", 1.0, "both sides agree", _at("elu", 0.0)),
    Convention("clip'(x) at a bound", 0.0, _SUBGRADIENT, _at("clip", 1.0, low=-1.0, high=1.0)),
    Convention("maximum(x, y) at x = y, d/dx", 0.5, _EVEN, _at("maximum", 1.0, 1.0)),
    Convention("minimum(x, y) at x = y, d/dy", 0.5, _EVEN, _at("minimum", 1.0, 1.0, wrt=1)),
    Convention(
        "maximum(x, x)",
        1.0,
        "both halves come back to x",
        _through(lambda x: T["maximum"](x, x), 2.0),
    ),
    Convention("max over [1, 3, 3]", [0.0, 0.5, 0.5], _EVEN, _at("max", [1.0, 3.0, 3.0])),
    Convention("min over [1, 1, 3]", [0.5, 0.5, 0.0], _EVEN, _at("min", [1.0, 1.0, 3.0])),
    Convention("norm([0, 0])", [0.0, 0.0], _SUBGRADIENT, _at("norm", [0.0, 0.0])),
    Convention("hypot(0, 0), d/dx", 0.0, _SUBGRADIENT, _at("hypot", 0.0, 0.0)),
    Convention(
        "std of a constant",
        [0.0, 0.0],
        "a constant stays one: 0 by symmetry",
        _at("std", [2.0, 2.0]),
    ),
    Convention("var of a constant", [0.0, 0.0], "smooth", _at("var", [2.0, 2.0])),
    Convention("sqrt'(0)", INF, _LIMIT, _at("sqrt", 0.0)),
    Convention("cbrt'(0)", INF, _LIMIT, _at("cbrt", 0.0)),
    Convention("log'(0)", INF, _LIMIT, _at("log", 0.0)),
    Convention("arcsin'(1)", INF, _LIMIT, _at("arcsin", 1.0)),
    Convention("arccos'(1)", -INF, _LIMIT, _at("arccos", 1.0)),
    Convention(
        "arctan2(0, 0), d/dx", NAN, "no direction is distinguished", _at("arctan2", 0.0, 0.0)
    ),
    Convention("x**0 at 0, d/dx", 0.0, "a constant, exactly", _at("power", 0.0, 0.0)),
    Convention("x**1 at 0, d/dx", 1.0, "the identity", _at("power", 0.0, 1.0)),
    Convention("x**2 at 0, d/dx", 0.0, "smooth", _at("power", 0.0, 2.0)),
    Convention("x**0.5 at 0, d/dx", INF, "as sqrt", _at("power", 0.0, 0.5)),
    Convention("0**y at y = 2, d/dy", 0.0, "0**y is 0 around y", _at("power", 0.0, 2.0, wrt=1)),
    Convention("0**y at y = 0, d/dy", -INF, _LIMIT, _at("power", 0.0, 0.0, wrt=1)),
    Convention("(-2)**y, d/dy", NAN, "only if asked for", _at("power", -2.0, 2.0, wrt=1)),
    Convention(
        "(-2)**y at y = 2, d/dx", -4.0, "the exponent is not asked", _at("power", -2.0, 2.0)
    ),
    Convention(
        "logsumexp of all -inf",
        [0.0, 0.0],
        "nothing to choose from",
        _at("logsumexp", [-INF, -INF]),
    ),
    Convention(
        "prod([2, 0, 4])", [0.0, 8.0, 0.0], "product of the others", _at("prod", [2.0, 0.0, 4.0])
    ),
    Convention(
        "prod([2, 0, 0])", [0.0, 0.0, 0.0], "product of the others", _at("prod", [2.0, 0.0, 0.0])
    ),
    Convention(
        "log_sigmoid'(0)", 0.5, "own rule, not one built from max and |x|", _at("log_sigmoid", 0.0)
    ),
    Convention(
        "softplus'(0)", 0.5, "own rule, not one built from max and |x|", _at("softplus", 0.0)
    ),
    Convention("sigmoid'(-1000)", 0.0, "no overflow", _at("sigmoid", -1000.0)),
    Convention(
        "where(x > 0, sqrt(x), 0) at 0",
        0.0,
        _SELECT,
        _through(lambda x: T["where"](x > 0, T["sqrt"](x), 0.0), 0.0),
    ),
    Convention("0 · sqrt(x) at 0", 0.0, _SELECT, _through(lambda x: 0.0 * T["sqrt"](x), 0.0)),
    Convention("x // y, d/dx", 0.0, "constant on each piece", _at("floor_divide", 7.0, 2.0)),
    Convention("x % y, d/dx", 1.0, "slope within each piece", _at("mod", 7.5, 2.0)),
)


class ConventionTable(tuple[Convention, ...]):
    """The rows, printed as an aligned table."""

    __slots__ = ()

    def __repr__(self) -> str:
        rows = [("point", "derivative", "reason")]
        rows += [(c.point, str(c.answer), c.reason) for c in self]
        a, b = (max(len(row[k]) for row in rows) for k in (0, 1))
        return "\n".join(f"{p:<{a}}  {d:<{b}}  {r}" for p, d, r in rows)

    __str__ = __repr__


def conventions() -> ConventionTable:
    """Return the table of conventions at kinks and singular points; it prints itself.

    Returns
    -------
    ConventionTable
        A tuple of `Convention` rows; each can be run.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> row = tg.conventions()[0]
    >>> row.point, row.answer, row.run()
    ("relu'(0)", 0.0, 0.0)
    """
    return ConventionTable(CONVENTIONS)
