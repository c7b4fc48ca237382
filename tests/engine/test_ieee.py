"""Scalars follow IEEE, never Python's exceptions, and say what arrays of one number say."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.engine import TABLE

INF, NAN = math.inf, math.nan
POINTS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.0,
    INF,
    -INF,
    NAN,
    1e308,
    -1e308,
    1e-308,
    -1e-308,
    5e-324,
    710.0,
    -745.0,
    1 / 3,
]
ELEMENTWISE = [name for name, row in TABLE.items() if row.kind == "elementwise"]
BOUNDS = {"clip": {"low": -1.0, "high": 1.0}}

# np.power itself answers differently here, by whether the exponent is an array or one number.
UNDECIDED = {("power", (-0.0, 0.5)), ("power", (-INF, 0.5))}


def same(a: float, b: float, *, sign_of_zero: bool) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if a == b:
        return not sign_of_zero or math.copysign(1, a) == math.copysign(1, b)
    return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-322)


def answers(f: Callable[..., Any], tracked: list[Any], operands: list[Any]) -> list[float]:
    """Return the value and the gradients of one call."""
    with np.errstate(all="ignore"):
        y = f(*operands)
        y.backward(np.ones(y.shape) if y.ndim else None)
    if y.ndim == 0:
        assert type(y.data) is float
        assert all(type(v.grad) is float for v in tracked)
    return [float(np.squeeze(x)) for x in (y.data, *(v.grad for v in tracked))]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_scalars_say_what_arrays_say(name: str) -> None:
    row = TABLE[name]

    def f(*operands: Any) -> Any:
        return row.call(*operands, **BOUNDS.get(name, {}))

    for point in itertools.product(POINTS, repeat=row.arity):
        if (name, point) in UNDECIDED:
            continue
        scalars, arrays = [tg.Value(x) for x in point], [tg.Value([x]) for x in point]
        found, expected = answers(f, scalars, list(scalars)), answers(f, arrays, list(arrays))
        for k, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert same(a, b, sign_of_zero=k == 0), (name, point, found, expected)


OPERATORS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
]


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("constant_first", [True, False])
def test_a_constant_on_either_side_says_what_a_value_says(
    op: Callable[[Any, Any], Any], constant_first: bool
) -> None:
    for x, c in itertools.product(POINTS, [*POINTS, 0, 3, -1]):
        pair = (c, x) if constant_first else (x, c)
        if op is operator.pow and ("power", pair) in UNDECIDED:
            continue
        k, values = tg.Value(c), [tg.Value(x), tg.Value(x), tg.Value([x])]
        constants = [c, k, np.array([c], float)]
        pairs = [
            (d, v) if constant_first else (v, d) for v, d in zip(values, constants, strict=True)
        ]
        found = [answers(op, [v], list(p)) for v, p in zip(values, pairs, strict=True)]
        for other in found[1:]:
            for i, (a, b) in enumerate(zip(found[0], other, strict=True)):
                assert same(a, b, sign_of_zero=i == 0), (op, pair, found)


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda v: v(1.0) / v(0.0), INF), (lambda v: v(-1.0) / v(0.0), -INF), (lambda v: v(0.0) / v(0.0), NAN),
        (lambda v: 1 / v(0.0), INF), (lambda v: v(1.0) / 0, INF), (lambda v: v(1.0) / -0.0, -INF),
        (lambda v: v(0.0) ** -1, INF), (lambda v: v(-0.0) ** -1, -INF), (lambda v: 0 ** v(-1.0), INF),
        (lambda v: v(-8.0) ** (1 / 3), NAN), (lambda v: (-8.0) ** v(1 / 3), NAN), (lambda v: v(10.0) ** 400, INF),
        (lambda v: v(0.0) ** 0, 1.0), (lambda v: v(NAN) ** 0, 1.0), (lambda v: v(1.0) // 0, INF), (lambda v: v(1.0) % 0, NAN),
        (lambda v: tg.exp(v(1000.0)), INF), (lambda v: tg.log(v(0.0)), -INF), (lambda v: tg.log(v(-1.0)), NAN),
        (lambda v: tg.sqrt(v(-1.0)), NAN), (lambda v: tg.cosh(v(1000.0)), INF), (lambda v: tg.arcsin(v(2.0)), NAN),
        (lambda v: tg.arctanh(v(1.0)), INF), (lambda v: tg.log1p(v(-1.0)), -INF), (lambda v: tg.sin(v(INF)), NAN),
        (lambda v: v(1e308) * v(10.0), INF), (lambda v: v(1e308) + v(1e308), INF), (lambda v: v(INF) - v(INF), NAN),
        (lambda v: tg.reciprocal(v(0.0)), INF), (lambda v: tg.hypot(v(1e308), v(1e308)), 1.4142135623730951e308),
        (lambda v: tg.square(v(1e200)), INF), (lambda v: tg.expm1(v(1000.0)), INF), (lambda v: tg.sinh(v(-1000.0)), -INF),
    ],
)  # fmt: skip
def test_where_python_raises_or_goes_complex_scalars_give_the_ieee_value(
    f: Callable[[Any], Any], expected: float
) -> None:
    y = f(tg.Value)

    assert type(y.data) is float
    assert same(y.data, expected, sign_of_zero=False)
    y.backward()
    with tg.no_grad():
        assert same(f(tg.Value).data, expected, sign_of_zero=False)


def test_no_warning_accompanies_a_scalar() -> None:
    with np.errstate(all="raise"):
        x = tg.Value(0.0)
        y = 1 / x + tg.log(x) + tg.exp(tg.Value(1e4)) + x**-1.5 + tg.sqrt(x - 1.0)
        y.backward()
        tg.grad(tg.grad(lambda v: 1 / v))(0.0)
        tg.jvp(tg.log, (0.0,), (1.0,))


def test_functions_of_raw_floats_follow_ieee_as_well() -> None:
    assert tg.divide(1.0, 0.0) == INF
    assert tg.log(0.0) == -INF
    assert math.isnan(tg.power(-8.0, 1 / 3))
    assert type(tg.exp(1000.0)) is float
    assert tg.exp(1000.0) == INF


@pytest.mark.parametrize("data", [-0.0, [-0.0]])
def test_the_sign_of_zero_is_kept(data: Any) -> None:
    for v in (
        tg.Value(data),
        +tg.Value(data),
        tg.Value(data) * 1.0,
        tg.Value(data) + -0.0,
        abs(tg.Value(data)) * -1.0,
    ):
        assert np.signbit(v.data)
