"""Derivatives of functions: arguments, nests, nesting, and every route against every route."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg

X = np.array([0.3, -1.2, 0.7])


def f(x: Any) -> Any:
    return (tg.sin(x) * x * x).sum() + x[0] * x[1] * x[2]


def test_argnums_and_nests() -> None:
    def g(p: Any, q: Any, *, k: float) -> Any:
        return p["w"] * p["b"][0] * q * k

    (dp, dq) = tg.grad(g, (0, 1))({"w": 2.0, "b": (3.0, None)}, 5.0, k=0.5)

    assert dp == {"w": 7.5, "b": (5.0, None)}
    assert dq == 3.0
    assert tg.grad(g, -1)({"w": 2.0, "b": (3.0, None)}, 5.0, k=0.5) == 3.0


@pytest.mark.parametrize("argnums", [2, -3, (0, 0), "x"])
def test_bad_argnums_are_named(argnums: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"argnums|iterable|str"):
        tg.grad(lambda a, b: a * b, argnums)(1.0, 2.0)


def test_perturbations_are_not_confused() -> None:
    assert tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0))(2.0) == 1.0
    assert tg.grad(lambda x: x * tg.jvp(lambda y: x * y, (1.0,), (1.0,))[1])(3.0) == 6.0


def test_third_derivative_and_constants() -> None:
    assert tg.grad(tg.grad(tg.grad(lambda x: x**3)))(2.0) == 6.0
    assert tg.grad(lambda x: 3.0)(1.0) == 0.0
    assert tg.grad(tg.grad(lambda x: 3.0 * x))(1.0) == 0.0
    assert tg.grad(tg.grad(lambda x: x**2))(0.0) == 2.0


def test_routes_to_the_second_derivative_agree() -> None:
    full = tg.hessian(f)(X)
    rows = tg.jacobian(tg.grad(f))(X)
    columns = tg.jacobian(tg.grad(f), mode="forward")(X)
    products = np.stack([tg.hvp(f, X, e) for e in np.eye(3)], axis=1)
    h = 1e-5
    numeric = np.stack(
        [(tg.grad(f)(X + h * e) - tg.grad(f)(X - h * e)) / (2 * h) for e in np.eye(3)]
    )

    for other in (rows, columns, products, full.T):
        np.testing.assert_allclose(other, full, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(numeric, full, rtol=1e-7, atol=1e-8)


def test_forward_equals_reverse() -> None:
    v = np.array([1.0, 2.0, -0.5])
    out, tangent = tg.jvp(f, (X,), (v,))

    assert out == f(X)
    np.testing.assert_allclose(tangent, tg.grad(f)(X) @ v, rtol=1e-13)


def test_a_pullback_may_be_used_again() -> None:
    out, pullback = tg.vjp(lambda x: x * x, X)

    np.testing.assert_array_equal(out, X * X)
    for e in np.eye(3):
        np.testing.assert_array_equal(pullback(e)[0], 2 * X * e)
    with pytest.raises(ValueError, match=r"cotangents hold shape \(2,\) where \(3,\) is needed"):
        pullback(np.ones(2))


def test_transforms_are_pure_and_work_inside_no_grad() -> None:
    w = tg.Value(2.0)
    with tg.no_grad():
        assert tg.grad(lambda x: w * x)(3.0) == 2.0

    assert w.grad is None


def test_values_in_give_values_with_derivatives() -> None:
    x = tg.Value(2.0)
    slope = tg.grad(lambda t: t**3)(x)
    slope.backward()

    assert slope.data == 12.0
    assert x.grad == 12.0


@pytest.mark.parametrize(
    ("function", "message"),
    [(lambda x: x, "return a scalar"), (lambda x: "no", "return one number")],
)
def test_outputs_that_are_no_scalar_are_refused(function: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        tg.grad(function)(X)


def test_a_second_derivative_through_a_rebound_leaf_raises_and_a_first_is_right() -> None:
    p = tg.Value(3.0, name="p")
    y = p * p
    p.data = 100.0
    y.backward()

    assert p.grad == 6.0
