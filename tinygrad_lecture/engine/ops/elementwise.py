"""Elementwise rows: arithmetic, exponentials, trigonometry, activations, choices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..modes import HOT, TRACING, recorder
from ..value import Value, apply, bare, brief_type, raw
from . import numerics
from .fast import elementwise, text_rule
from .table import FUNCTIONS, NAMES, elementwise_row, linear, publish, register

WIDE = ((-3.0, 3.0),)
POSITIVE = ((0.3, 3.0),)
INSIDE = ((-0.9, 0.9),)
APART = ((0.5, 2.0), (-2.0, -0.5))
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)

NAMES.update(TWO_OVER_SQRT_PI=TWO_OVER_SQRT_PI, LN2=math.log(2.0), LN10=math.log(10.0))
HOT.update(TWO_OVER_SQRT_PI=TWO_OVER_SQRT_PI, LN2=math.log(2.0), LN10=math.log(10.0))


# ------------------------------------------------------------------------------ arithmetic

add = elementwise(
    "add", "x + y", ("1.0", "1.0"), np.add, operator="add", symbol="+", bounded=True,
    summary="Sum", example=("2.0, 3.0", "1.0"),
)  # fmt: skip
sub = elementwise(
    "subtract", "x - y", ("1.0", "-1.0"), np.subtract, operator="sub", symbol="-", bounded=True,
    summary="Difference", example=("2.0, 3.0", "1.0"),
)  # fmt: skip
mul = elementwise(
    "multiply", "x * y", ("y", "x"), np.multiply, operator="mul", symbol="*",
    summary="Product", example=("2.0, 3.0", "3.0"),
)  # fmt: skip
div = elementwise(
    "divide", "x / y", ("1 / y", "-out / y"), np.true_divide, operator="truediv", symbol="/",
    domain=((-2.0, 2.0), (0.5, 2.0)), summary="Quotient", example=("1.0, 2.0", "0.5"),
)  # fmt: skip
floor_divide = elementwise(
    "floor_divide", "x // y", ("0.0", "0.0"), np.floor_divide, operator="floordiv", symbol="//",
    domain=((2.1, 2.9), (1.0, 1.0)), branch="np.floor_divide(x, y)", analytic=False, bounded=True,
    summary="Rounded-down quotient: constant on each piece", example=("7.0, 2.0", "0.0"),
)  # fmt: skip
mod = elementwise(
    "mod", "x % y", ("1.0", "-(x // y)"), np.mod, operator="mod", symbol="%",
    domain=((2.1, 2.9), (0.98, 1.04)), branch="np.floor_divide(x, y)", analytic=False,
    numpy=[np.mod], summary="Remainder with the sign of y", example=("7.5, 2.0", "1.0"),
)  # fmt: skip
negative = elementwise(
    "negative", "-x", "-1.0", np.negative, symbol="-", bounded=True, summary="Negation",
    example=("2.0", "-1.0"),
)  # fmt: skip
Value.__neg__ = negative  # type: ignore[method-assign]
Value.__pos__ = lambda self: self  # type: ignore[method-assign]


def _power_dx(x: Any, y: Any) -> Any:
    """y·x^(y-1), and exactly 0 where y is 0."""
    if type(x) is float and type(y) is float:
        return 0.0 if y == 0.0 else y * math.pow(x, y - 1.0)
    if not isinstance(y, (Value, np.ndarray)):
        return 0.0 if y == 0 else y * power(x, y - 1.0) if y != 1 else 1.0
    usual = np.isfinite(np.reciprocal(bare(x)))  # elsewhere 0·x^-1 would be nan
    return y * power(where(usual | np.not_equal(bare(y), 0), x, 1.0), y - 1.0)


def _power_dy(out: Any, x: Any, y: Any) -> Any:
    """x^y·log x, and 0 at x = 0 for positive y; nan for negative x."""
    if type(x) is float and type(y) is float:
        return 0.0 if x == 0.0 and y > 0.0 else out * math.log(x)
    flat = np.equal(bare(x), 0) & np.greater(bare(y), 0)
    return where(flat, 0.0, out * log(where(flat, 1.0, x)))


NAMES.update(power_dx=_power_dx, power_dy=_power_dy)
HOT.update(power_dx=_power_dx, power_dy=_power_dy)

power = elementwise(
    "power", "x ** y", ("power_dx(x, y)", "power_dy(out, x, y)"), np.power, operator="pow",
    scalar=("pow(x, y)", "power_dx(x, y)", "power_dy(out, x, y)"), symbol="**",
    domain=((0.3, 2.0), (-2.0, 2.0)), numpy=[np.power, np.float_power],
    summary="Power; d/dx is y x^(y-1), d/dy is x^y log x", example=("3.0, 2.0", "6.0"),
)  # fmt: skip
absolute = elementwise(
    "abs", "|x|", "sign(x)", numerics.absolute, scalar=("fabs(x)", "sign_float(x)"),
    numpy=[np.abs, np.fabs], branch="np.sign(x)", domain=((0.2, 2.0),),
    summary="Absolute value; the derivative at 0 is 0", example=("-3.0", "-1.0"),
)  # fmt: skip
Value.__abs__ = absolute  # type: ignore[method-assign]


def _sign_float(x: float) -> float:
    return (x > 0) - (x < 0) + 0.0 if x == x else x


HOT.update(sign_float=_sign_float)
sign = elementwise(
    "sign", "sign(x)", "0.0", np.sign, scalar=("sign_float(x)", "0.0"), domain=((0.2, 2.0),),
    branch="np.sign(x)", analytic=False, bounded=True, summary="Sign; its derivative is 0",
    example=("2.0", "0.0"),
)  # fmt: skip
square = elementwise(
    "square", "x * x", "2 * x", np.square, symbol="²", summary="Square", example=("3.0", "6.0"),
)  # fmt: skip
reciprocal = elementwise(
    "reciprocal", "1 / x", "-out * out", np.reciprocal, domain=POSITIVE, symbol="1/",
    summary="Reciprocal", example=("2.0", "-0.25"),
)  # fmt: skip

# ------------------------------------------------------------ exponentials, logarithms, roots

exp = elementwise("exp", "exp(x)", "out", np.exp, summary="e^x", example=("0.0", "1.0"))
expm1 = elementwise(
    "expm1", "expm1(x)", "out + 1", np.expm1, summary="e^x - 1, exact near 0",
    example=("0.0", "1.0"),
)  # fmt: skip
log = elementwise(
    "log", "log(x)", "1 / x", np.log, domain=POSITIVE, summary="Natural logarithm",
    example=("2.0", "0.5"),
)  # fmt: skip
log1p = elementwise(
    "log1p", "log1p(x)", "1 / (1 + x)", np.log1p, domain=POSITIVE,
    summary="log(1 + x), exact near 0", example=("1.0", "0.5"),
)  # fmt: skip
log2 = elementwise(
    "log2", "log2(x)", "1 / (x * LN2)", np.log2, domain=POSITIVE, summary="Logarithm to base 2",
    example=("1.0", "1.4426950408889634"),
)  # fmt: skip
log10 = elementwise(
    "log10", "log10(x)", "1 / (x * LN10)", np.log10, domain=POSITIVE,
    summary="Logarithm to base 10", example=("1.0", "0.43429448190325176"),
)  # fmt: skip
sqrt = elementwise(
    "sqrt", "sqrt(x)", "0.5 / out", np.sqrt, domain=POSITIVE, symbol="√", summary="Square root",
    example=("4.0", "0.25"),
)  # fmt: skip
cbrt = elementwise(
    "cbrt", "cbrt(x)", "1 / (3 * out * out)", np.cbrt, domain=POSITIVE, analytic=False,
    symbol="∛", summary="Cube root", example=("1.0", "0.3333333333333333"),
)  # fmt: skip

# ------------------------------------------------------------------------------ trigonometry

sin = elementwise(
    "sin", "sin(x)", "cos(x)", np.sin, domain=WIDE, summary="Sine",
    example=("0.0", "1.0"),
)  # fmt: skip
cos = elementwise(
    "cos", "cos(x)", "-sin(x)", np.cos, domain=WIDE, summary="Cosine",
    example=("1.0", "-0.8414709848078965"),
)  # fmt: skip
tan = elementwise(
    "tan", "tan(x)", "1 + out * out", np.tan, domain=((-1.2, 1.2),), summary="Tangent",
    example=("0.0", "1.0"),
)  # fmt: skip
arcsin = elementwise(
    "arcsin", "asin(x)", "1 / sqrt(1 - x * x)", np.arcsin, domain=INSIDE,
    summary="Inverse sine", example=("0.0", "1.0"),
)  # fmt: skip
arccos = elementwise(
    "arccos", "acos(x)", "-1 / sqrt(1 - x * x)", np.arccos, domain=INSIDE,
    summary="Inverse cosine", example=("0.0", "-1.0"),
)  # fmt: skip
arctan = elementwise(
    "arctan", "atan(x)", "1 / (1 + x * x)", np.arctan, domain=WIDE,
    summary="Inverse tangent", example=("1.0", "0.5"),
)  # fmt: skip
arctan2 = elementwise(
    "arctan2", "atan2(x, y)", ("y / (x * x + y * y)", "-x / (x * x + y * y)"), np.arctan2,
    domain=APART, analytic=False, summary="Angle of the point (y, x), in NumPy's order",
    example=("0.0, 2.0", "0.5"),
)  # fmt: skip
sinh = elementwise(
    "sinh", "sinh(x)", "cosh(x)", np.sinh,
    summary="Hyperbolic sine", example=("0.0", "1.0"),
)  # fmt: skip
cosh = elementwise(
    "cosh", "cosh(x)", "sinh(x)", np.cosh,
    summary="Hyperbolic cosine", example=("0.0", "0.0"),
)  # fmt: skip
tanh = elementwise(
    "tanh", "tanh(x)", "1 - out * out", np.tanh,
    summary="Hyperbolic tangent (L55)", example=("0.0", "1.0"),
)  # fmt: skip
arcsinh = elementwise(
    "arcsinh", "asinh(x)", "1 / sqrt(x * x + 1)", np.arcsinh,
    summary="Inverse hyperbolic sine", example=("0.0", "1.0"),
)  # fmt: skip
arccosh = elementwise(
    "arccosh", "acosh(x)", "1 / (sqrt(x - 1) * sqrt(x + 1))", np.arccosh, domain=((1.3, 3.0),),
    summary="Inverse hyperbolic cosine", example=("2.0", "0.5773502691896258"),
)  # fmt: skip
arctanh = elementwise(
    "arctanh", "atanh(x)", "1 / (1 - x * x)", np.arctanh, domain=INSIDE,
    summary="Inverse hyperbolic tangent", example=("0.0", "1.0"),
)  # fmt: skip


def _hypot_part(x: Any, out: Any) -> Any:
    """X / out, and 0 where out is 0, as for every norm."""
    if type(x) is float and type(out) is float:
        return x / out if out else 0.0
    return x / where(bare(out) == 0, 1.0, out)


NAMES.update(hypot_part=_hypot_part)
HOT.update(hypot_part=_hypot_part)
hypot = elementwise(
    "hypot", "hypot(x, y)", ("hypot_part(x, out)", "hypot_part(y, out)"), np.hypot, domain=APART,
    analytic=False, summary="√(x² + y²); the derivative at (0, 0) is 0",
    example=("3.0, 4.0", "0.6"),
)  # fmt: skip
erf = elementwise(
    "erf", "erf(x)", "TWO_OVER_SQRT_PI * exp(-x * x)", numerics.erf, analytic=False,
    summary="Error function, 2/√π ∫ e^(-t²) dt from 0 to x",
    example=("0.0", "1.1283791670955126"),
)  # fmt: skip

# ------------------------------------------------------------------------------- activations

HOT.update(
    sigmoid_float=numerics.sigmoid_float, softplus_float=numerics.softplus_float,
)  # fmt: skip
sigmoid = elementwise(
    "sigmoid", "1 / (1 + exp(-x))", "out * (1 - out)", numerics.sigmoid, symbol="σ",
    scalar=("sigmoid_float(x)", "out * (1.0 - out)"),
    summary="Logistic function, stable on both sides (L01)", example=("0.0", "0.25"),
)  # fmt: skip
log_sigmoid = elementwise(
    "log_sigmoid", "-softplus(-x)", "sigmoid(-x)", numerics.log_sigmoid,
    scalar=("-softplus_float(-x)", "sigmoid_float(-x)"), summary="log of the logistic function",
    example=("0.0", "0.5"),
)  # fmt: skip
softplus = elementwise(
    "softplus", "log(1 + exp(x))", "sigmoid(x)", numerics.softplus,
    scalar=("softplus_float(x)", "sigmoid_float(x)"), summary="Smooth ReLU, without overflow",
    example=("0.0", "0.5"),
)  # fmt: skip
relu = elementwise(
    "relu", "max(x, 0)", "raw(x) > 0", lambda x: np.maximum(x, 0), numpy=[],
    scalar=("x if x > 0.0 or x != x else 0.0", "1.0 if x > 0.0 else 0.0"), branch="x > 0",
    domain=((0.2, 2.0),), analytic=False, bounded=True,
    summary="Rectifier (L56); the derivative at 0 is 0", example=("2.0", "1.0"),
)  # fmt: skip

_LEAKY = register(
    elementwise_row(
        "leaky_relu", numerics.leaky_relu,
        (text_rule("leaky_relu", "out, x, slope", "np.where(raw(x) > 0, 1.0, slope)"),),
        formula="x if x > 0 else slope * x", derivatives=("1 if x > 0 else slope",), bounded=True,
        branch=text_rule("leaky_relu", "x, slope", "x > 0"), analytic=False,
        cases=lambda rng: ((rng.uniform(-2.0, -0.2, (2, 3)),), {"slope": 0.1}),
    )
)  # fmt: skip


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where positive, slope·x elsewhere (L59); the derivative at 0 is the slope.

    Parameters
    ----------
    x : number, array_like or Value
    slope : float, default 0.01

    Returns
    -------
    float, ndarray or Value
        Of the shape of x.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.leaky_relu)(-3.0)
    0.01
    """
    return apply(_LEAKY, (x,), {"slope": float(slope)})


publish("leaky_relu", leaky_relu)

_ELU = register(
    elementwise_row(
        "elu", numerics.elu,
        (text_rule("elu", "out, x, alpha", "where(raw(x) > 0, 1.0, out + alpha)"),),
        formula="x if x > 0 else alpha * (exp(x) - 1)", analytic=False,
        derivatives=("1 if x > 0 else out + alpha",),
        branch=text_rule("elu", "x, alpha", "x > 0"),
        cases=lambda rng: ((rng.uniform(-2.0, -0.2, (2, 3)),), {"alpha": 1.3}),
    )
)  # fmt: skip


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where positive, alpha·(e^x - 1) elsewhere (L59; Clevert et al., 2015).

    Parameters
    ----------
    x : number, array_like or Value
    alpha : float, default 1

    Returns
    -------
    float, ndarray or Value
        Of the shape of x.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(tg.elu)(0.0)
    1.0
    """
    return apply(_ELU, (x,), {"alpha": float(alpha)})


publish("elu", elu)

# ----------------------------------------------------------------------------------- choices

_TIE = "0.5 * (raw(x) == raw(y))"

maximum = elementwise(
    "maximum", "max(x, y)", (f"(raw(x) > raw(y)) + {_TIE}", f"(raw(y) > raw(x)) + {_TIE}"),
    np.maximum, domain=APART, branch="np.sign(x - y)", analytic=False, symbol="max", bounded=True,
    scalar=(
        "x if x > y or x != x else y",
        "1.0 if x > y else 0.5 if x == y else 0.0",
        "1.0 if y > x else 0.5 if x == y else 0.0",
    ),
    summary="The larger of two; at a tie each has half of the derivative",
    example=("2.0, 1.0", "1.0"),
)  # fmt: skip
minimum = elementwise(
    "minimum", "min(x, y)", (f"(raw(x) < raw(y)) + {_TIE}", f"(raw(y) < raw(x)) + {_TIE}"),
    np.minimum, domain=APART, branch="np.sign(x - y)", analytic=False, symbol="min", bounded=True,
    scalar=(
        "x if x < y or x != x else y",
        "1.0 if x < y else 0.5 if x == y else 0.0",
        "1.0 if y < x else 0.5 if x == y else 0.0",
    ),
    summary="The smaller of two; at a tie each has half of the derivative",
    example=("1.0, 1.0", "0.5"),
)  # fmt: skip

_CLIP = register(
    elementwise_row(
        "clip", numerics.clip, (lambda out, x, low, high: _between(bare(x), low, high),),
        formula="min(max(x, low), high)", derivatives=("1 if low < x < high else 0",),
        branch=lambda x, low, high: _side(x, low, high), analytic=False, bounded=True,
        cases=lambda rng: ((rng.uniform(-0.4, 0.4, (2, 3)),), {"low": -0.5, "high": 0.5}),
    )
)  # fmt: skip


def _side(x: Any, low: float | None, high: float | None) -> Any:
    below = 0 if low is None else np.less_equal(x, low) * 1
    return (0 if high is None else np.greater_equal(x, high) * 2) + below


def _between(x: Any, low: float | None, high: float | None) -> Any:
    outside = False
    if low is not None:
        outside = outside | np.less_equal(x, low)
    if high is not None:
        outside = outside | np.greater_equal(x, high)
    return np.logical_not(outside) * 1.0


def clip(x: Any, low: float | None = None, high: float | None = None) -> Any:
    """x kept within [low, high]; the derivative is 0 at a bound and beyond.

    Parameters
    ----------
    x : number, array_like or Value
    low, high : float or None
        Constants; None leaves a side open.

    Returns
    -------
    float, ndarray or Value
        Of the shape of x.

    Raises
    ------
    ValueError, TypeError
        If both bounds are None, or low > high, or a bound is not a number.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.clip(x, -1, 1))(1.0)
    0.0
    """
    if low is None and high is None:
        raise ValueError("low and high are both None: clip needs at least one bound")
    bounds: tuple[tuple[str, Any], ...] = (("low", low), ("high", high))
    for name, bound in bounds:
        if isinstance(bound, Value) or np.ndim(bound):
            raise TypeError(
                f"{name} has to be a number, and {brief_type(bound)} came: tg.maximum and "
                "tg.minimum take arrays, and differentiate both operands"
            )
    low, high = (None if b is None else float(b) for b in (low, high))
    if low is not None and high is not None and low > high:
        raise ValueError(f"low={low} lies above high={high}")
    return apply(_CLIP, (x,), {"low": low, "high": high})


def _numpy_clip(
    a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Any:
    """NumPy's names of the bounds: a_min and a_max, or min and max."""
    return clip(a, a_min if min is None else min, a_max if max is None else max)


_numpy_clip.__qualname__ = "clip"
publish("clip", clip)
FUNCTIONS[np.clip] = _numpy_clip

_WHERE = linear(
    "where", lambda x, y, condition: np.where(condition, x, y),
    lambda g, x, y, condition: where(condition, g, 0.0),
    lambda g, x, y, condition: where(condition, 0.0, g),
    jointly=True, formula="x if condition else y",
    branch=lambda x, y, condition: condition,
    cases=lambda rng: ((rng.random((2, 3)) < 0.5, rng.normal(size=(2, 3)), rng.normal(size=3)), {}),
)  # fmt: skip


def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, y elsewhere.

    The operand that was not taken gets an exactly zero adjoint, and passes on exactly zero even
    where its own derivative is inf or nan.

    Parameters
    ----------
    condition : bool, array of bool
        A Value counts by its truth; no derivative flows through it.
    x, y : number, array_like or Value

    Returns
    -------
    float, ndarray or Value
        Broadcast from all three.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.where(x > 0, tg.sqrt(x), 0.0))(0.0)
    0.0
    """
    if TRACING and isinstance(condition, Value) and recorder() is not None:
        return apply(_WHERE, (x, y), {"condition": bare(condition)})
    condition = np.array(raw(condition), dtype=bool)
    return apply(_WHERE, (x, y), {"condition": condition if condition.ndim else bool(condition)})


publish("where", where, [np.where])
