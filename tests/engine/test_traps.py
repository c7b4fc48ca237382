"""Numerical traps: where other engines have stumbled, each with what is guaranteed here.

Where it makes sense a trap is set twice, for a scalar (which stays a Python float from end to
end) and for an array, and both have to give the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.engine import TABLE

INF, NAN = math.inf, math.nan

F = Callable[[Any], Any]

quiet = np.errstate(all="ignore")
"""For tests whose values, on arrays, make NumPy speak on the way forward."""


def on_scalar(f: F, x: float) -> tuple[float, float]:
    """Return value and derivative of `f` at a Python float."""
    value, slope = tg.value_and_grad(f)(float(x))
    assert type(value) is type(slope) is float
    return value, slope


def on_array(f: F, x: float) -> tuple[float, float]:
    """Return value and derivative of `f` at an array of one number among others."""
    with np.errstate(all="ignore"):
        out, pullback = tg.vjp(f, np.array([x, 0.7]))
    return float(out[0]), float(pullback(np.array([1.0, 0.0]))[0][0])


both = pytest.mark.parametrize("ask", [on_scalar, on_array], ids=["scalar", "array"])
Ask = Callable[[F, float], tuple[float, float]]


def equal(x: Any, y: Any) -> bool:
    return bool(np.array_equal(x, y, equal_nan=True))


def gradient(f: F, x: Any) -> Any:
    with np.errstate(all="ignore"):
        return tg.grad(f)(np.asarray(x, dtype=float))


# ------------------------------------------------------------------- softmax and log-softmax


@pytest.mark.parametrize("size", [1e3, 1e6, 1e300])
def test_softmax_of_large_logits_is_finite(size: float) -> None:
    x = np.array([size, -size, size])
    np.testing.assert_array_equal(tg.softmax(x), [0.5, 0.0, 0.5])
    np.testing.assert_allclose(tg.log_softmax(x), [-math.log(2), -2 * size, -math.log(2)], 1e-3)
    assert np.isfinite(gradient(lambda v: tg.softmax(v)[0], x)).all()
    np.testing.assert_array_equal(gradient(lambda v: tg.log_softmax(v)[1], x), [-0.5, 1.0, -0.5])


def test_softmax_does_not_change_with_a_shift() -> None:
    x = np.array([0.25, -1.5, 2.0])
    np.testing.assert_allclose(tg.softmax(x + 1024), tg.softmax(x), rtol=1e-15)
    np.testing.assert_allclose(tg.log_softmax(x + 1024), tg.log_softmax(x), rtol=1e-13)


def test_log_softmax_gradient_divides_by_no_probability() -> None:
    """g - softmax·Σg, finite where the probability is 0."""
    g = gradient(lambda v: tg.log_softmax(v)[1], [0.0, -1000.0])
    np.testing.assert_array_equal(g, [-1.0, 1.0])
    f32 = tg.Value(np.array([0.0, -200.0], np.float32))
    tg.log_softmax(f32)[1].backward()
    np.testing.assert_array_equal(f32.grad, np.array([-1.0, 1.0], np.float32))


def test_softmax_of_one_infinite_logit_is_one_hot() -> None:
    x = np.array([1.0, INF, -3.0])
    np.testing.assert_array_equal(tg.softmax(x), [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(tg.log_softmax(x), [-INF, 0.0, -INF])
    np.testing.assert_array_equal(gradient(lambda v: tg.softmax(v)[1], x), [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(gradient(lambda v: tg.log_softmax(v)[1], x), [0.0, 0.0, 0.0])
    both_rows = tg.softmax(np.array([[1.0, INF], [0.0, 0.0]]))
    np.testing.assert_array_equal(both_rows, [[0.0, 1.0], [0.5, 0.5]])


def test_softmax_of_several_infinite_logits_is_undecided() -> None:
    assert np.isnan(tg.softmax([INF, INF, 0.0])).all()
    assert np.isnan(tg.log_softmax([INF, INF, 0.0])).all()


def test_softmax_with_excluded_classes() -> None:
    x = np.array([0.0, -INF, 0.0])
    np.testing.assert_array_equal(tg.softmax(x), [0.5, 0.0, 0.5])
    np.testing.assert_array_equal(tg.log_softmax(x), [-math.log(2), -INF, -math.log(2)])
    np.testing.assert_array_equal(gradient(lambda v: tg.softmax(v)[0], x), [0.25, 0.0, -0.25])
    np.testing.assert_array_equal(gradient(lambda v: tg.log_softmax(v)[0], x), [0.5, 0.0, -0.5])


@pytest.mark.parametrize("function", [tg.softmax, tg.log_softmax])
def test_a_fully_excluded_row_does_not_poison_the_others(function: Callable[..., Any]) -> None:
    x = np.array([[0.0, 1.0], [-INF, -INF]])
    keep = np.array([[True], [False]])
    masked = gradient(lambda v: tg.where(keep, function(v), 0.0)[:, 0].sum(), x)
    np.testing.assert_array_equal(masked[1], [0.0, 0.0])
    np.testing.assert_allclose(masked[0], gradient(lambda v: function(v)[0], x[0]))
    pushed = tg.jvp(function, (x,), (np.array([[1.0, 0.0], [0.0, 0.0]]),))[1]
    np.testing.assert_array_equal(pushed[1], [0.0, 0.0])


@pytest.mark.parametrize(
    ("logits", "loss", "slope"),
    [
        ([1000.0, -1000.0], 0.0, [0.0, 0.0]),
        ([-1000.0, 1000.0], 2000.0, [-1.0, 1.0]),
        ([0.0, -INF], 0.0, [0.0, 0.0]),
        ([INF, 0.0], 0.0, [0.0, 0.0]),
        ([0.0, INF], INF, [-1.0, 1.0]),
        ([0.0, 0.0], math.log(2), [-0.5, 0.5]),
    ],
)
def test_cross_entropy_on_logits_is_p_minus_y_everywhere(
    logits: list[float], loss: float, slope: list[float]
) -> None:
    assert tg.softmax_cross_entropy([logits], [0])[0] == pytest.approx(loss, rel=1e-15)
    g = gradient(lambda v: tg.softmax_cross_entropy(v, [0]).sum(), [logits])
    np.testing.assert_array_equal(g, [slope])


def test_an_undecided_row_of_a_batch_does_not_poison_the_others() -> None:
    x = np.array([[0.0, 0.0], [-INF, -INF], [INF, INF]])
    losses = tg.softmax_cross_entropy(x, [0, 0, 0])
    np.testing.assert_array_equal(losses, [math.log(2), NAN, NAN])
    keep = np.array([True, False, False])
    g = gradient(lambda v: tg.where(keep, tg.softmax_cross_entropy(v, [0] * 3), 0.0).sum(), x)
    np.testing.assert_array_equal(g, [[-0.5, 0.5], [0.0, 0.0], [0.0, 0.0]])


# ------------------------------------------------------------------------------ log-sum-exp


@both
def test_logsumexp_of_minus_infinity_alone_has_gradient_0(ask: Ask) -> None:
    assert ask(lambda x: tg.logsumexp(x, axis=()), -INF) == (-INF, 0.0)
    assert on_scalar(tg.logsumexp, -INF) == (-INF, 0.0)
    value, slope = tg.value_and_grad(tg.logsumexp)(np.array([-INF, -INF]))
    assert value == -INF
    np.testing.assert_array_equal(slope, [0.0, 0.0])


def test_logsumexp_over_rows_of_which_one_is_empty_of_probability() -> None:
    x = np.array([[-INF, -INF], [0.0, -INF], [0.0, 0.0]])
    np.testing.assert_array_equal(tg.logsumexp(x, axis=1), [-INF, 0.0, math.log(2)])
    g = gradient(lambda v: tg.logsumexp(v, axis=1).sum(), x)
    np.testing.assert_array_equal(g, [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    h = tg.hvp(lambda v: tg.logsumexp(v), np.array([-INF, -INF]), np.ones(2))
    np.testing.assert_array_equal(h, [0.0, 0.0])


def test_rows_at_both_infinities_are_kept_apart() -> None:
    x = np.array([[-INF, -INF], [INF, 1000.0], [0.0, 0.0]])
    np.testing.assert_array_equal(tg.logsumexp(x, axis=1), [-INF, INF, math.log(2)])
    np.testing.assert_array_equal(tg.softmax(x)[1:], [[1.0, 0.0], [0.5, 0.5]])
    g = gradient(lambda v: tg.logsumexp(v, axis=1).sum(), x)
    np.testing.assert_array_equal(g, [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5]])


def test_logsumexp_neither_overflows_nor_vanishes() -> None:
    for shift in (1000.0, -1000.0, 1e300):
        assert tg.logsumexp([shift, shift]) == pytest.approx(shift + math.log(2), rel=1e-15)
        np.testing.assert_array_equal(gradient(tg.logsumexp, [shift, shift]), [0.5, 0.5])
    assert tg.logsumexp([0.0, INF]) == INF
    np.testing.assert_array_equal(gradient(tg.logsumexp, [0.0, INF]), [0.0, 1.0])
    assert tg.logsumexp(np.zeros(0)) == -INF


# ------------------------------------------------------------------------- sigmoid and tanh


@both
@pytest.mark.parametrize(
    ("x", "value"), [(1000.0, 1.0), (-1000.0, 0.0), (INF, 1.0), (-INF, 0.0), (0.0, 0.5)]
)
def test_sigmoid_far_out(ask: Ask, x: float, value: float) -> None:
    assert ask(tg.sigmoid, x) == (value, value * (1 - value))


@both
def test_sigmoid_keeps_its_small_tail(ask: Ask) -> None:
    value, slope = ask(tg.sigmoid, -700.0)
    assert value == pytest.approx(math.exp(-700), rel=1e-12)
    assert slope == pytest.approx(math.exp(-700), rel=1e-12)


@both
@pytest.mark.parametrize(
    ("x", "value"), [(1000.0, 1.0), (-1000.0, -1.0), (INF, 1.0), (-INF, -1.0), (0.0, 0.0)]
)
def test_tanh_far_out(ask: Ask, x: float, value: float) -> None:
    assert ask(tg.tanh, x) == (value, 1 - value * value)


@both
@pytest.mark.parametrize("f", [tg.sigmoid, tg.tanh, tg.softplus, tg.log_sigmoid, tg.erf])
@pytest.mark.parametrize("x", [1000.0, -1000.0])
def test_second_derivatives_far_out_are_0(ask: Ask, f: F, x: float) -> None:
    assert ask(lambda v: tg.grad(lambda u: tg.sum(f(u)))(v), x)[1] == 0.0


@both
def test_sigmoid_and_tanh_pass_nan_on(ask: Ask) -> None:
    for f in (tg.sigmoid, tg.tanh, tg.softplus, tg.log_sigmoid, tg.relu):
        assert math.isnan(ask(f, NAN)[0])


# ---------------------------------------------------------------- softplus and log-sigmoid


@both
@pytest.mark.parametrize(
    ("x", "value", "slope"),
    [(1000.0, 1000.0, 1.0), (-1000.0, 0.0, 0.0), (INF, INF, 1.0), (-INF, 0.0, 0.0), (0.0, math.log(2), 0.5)],
)  # fmt: skip
def test_softplus_far_out_and_at_0(ask: Ask, x: float, value: float, slope: float) -> None:
    assert ask(tg.softplus, x) == pytest.approx((value, slope), rel=1e-15)
    assert ask(tg.log_sigmoid, -x) == pytest.approx((-value, slope), rel=1e-15)


@both
def test_softplus_keeps_its_small_tail(ask: Ask) -> None:
    assert ask(tg.softplus, -50.0)[0] == pytest.approx(math.exp(-50), rel=1e-12)
    assert ask(tg.log_sigmoid, 50.0)[0] == pytest.approx(-math.exp(-50), rel=1e-12)


@both
def test_formulas_built_from_max_and_abs_are_not_what_is_differentiated(ask: Ask) -> None:
    """With relu'(0) = abs'(0) = 0, max(x,0) + log1p(e^-|x|) would have slope 0 at 0, not 0.5."""
    assert ask(tg.log_sigmoid, 0.0)[1] == 0.5
    assert ask(tg.softplus, 0.0)[1] == 0.5
    assert ask(lambda x: tg.softplus(x) - 1.0 * x, 0.0)[1] == -0.5  # BCE on logits, target 1
    assert ask(tg.arcsinh, 0.0) == (0.0, 1.0)
    assert ask(lambda x: tg.grad(lambda u: tg.sum(tg.log_sigmoid(u)))(x), 0.0)[1] == -0.25
    assert ask(lambda x: tg.relu(x) + tg.log1p(tg.exp(-abs(x))), 0.0)[1] == 0.0  # as it says


# ----------------------------------------------------------------------------------- p log p


@both
def test_p_log_p_at_0_by_where(ask: Ask) -> None:
    value, slope = ask(lambda p: tg.where(p > 0, p * tg.log(p), 0.0), 0.0)
    assert (value, slope) == (0.0, 0.0)
    value, slope = ask(lambda p: tg.where(p > 0, p * tg.log(p), 0.0), 0.5)
    assert slope == pytest.approx(math.log(0.5) + 1)


def test_entropy_of_a_distribution_with_zeros() -> None:
    def entropy(p: Any) -> Any:
        return -tg.sum(tg.where(p > 0, p * tg.log(p), 0.0))

    p = np.array([0.5, 0.0, 0.5])
    with np.errstate(divide="ignore", invalid="ignore"):
        value, slope = tg.value_and_grad(entropy)(p)
        _, pushed = tg.jvp(entropy, (p,), (np.array([0.0, 1.0, 0.0]),))
    assert value == pytest.approx(math.log(2))
    np.testing.assert_allclose(slope, [math.log(2) - 1, 0.0, math.log(2) - 1], rtol=1e-14)
    assert pushed == 0.0


# -------------------------------------------------------------------------------------- where

SINGULAR: dict[str, tuple[F, float]] = {
    "log(0)": (tg.log, 0.0),
    "log(-1)": (tg.log, -1.0),
    "log1p(-1)": (tg.log1p, -1.0),
    "log2(0)": (tg.log2, 0.0),
    "log10(0)": (tg.log10, 0.0),
    "sqrt(0)": (tg.sqrt, 0.0),
    "sqrt(-1)": (tg.sqrt, -1.0),
    "cbrt(0)": (tg.cbrt, 0.0),
    "reciprocal(0)": (tg.reciprocal, 0.0),
    "1/0": (lambda x: 1 / x, 0.0),
    "0/0": (lambda x: x / x, 0.0),
    "x/0": (lambda x: x / 0.0, 1.0),
    "0**-1": (lambda x: x**-1, 0.0),
    "0**0.5": (lambda x: x**0.5, 0.0),
    "(-1)**0.5": (lambda x: x**0.5, -1.0),
    "0**0": (lambda x: x**x, 0.0),
    "2**x": (lambda x: 2**x, 5000.0),
    "(-2)**x": (lambda x: (-2.0) ** x, 3.0),
    "x**x": (lambda x: x**x, -2.0),
    "exp": (tg.exp, 1000.0),
    "expm1": (tg.expm1, 1000.0),
    "sinh": (tg.sinh, 1000.0),
    "cosh": (tg.cosh, -1000.0),
    "sin(inf)": (tg.sin, INF),
    "tan(inf)": (tg.tan, INF),
    "arcsin(1)": (tg.arcsin, 1.0),
    "arcsin(2)": (tg.arcsin, 2.0),
    "arccos(-1)": (tg.arccos, -1.0),
    "arccosh(1)": (tg.arccosh, 1.0),
    "arccosh(0)": (tg.arccosh, 0.0),
    "arctanh(1)": (tg.arctanh, 1.0),
    "arctan2(0,0)": (lambda x: tg.arctan2(x, x), 0.0),
    "x % 0": (lambda x: x % 0.0, 1.0),
    "1 % x": (lambda x: 1 % x, 0.0),
    "x // 0": (lambda x: x // 0.0, 1.0),
    "square": (lambda x: tg.square(x) * x, 1e200),
    "x*inf": (lambda x: x * INF, 0.0),
    "x*nan": (lambda x: x * NAN, 1.0),
    "x*log(x)": (lambda x: x * tg.log(x), 0.0),
    "tanh(inf)*inf": (lambda x: tg.tanh(x) * x, INF),
    "sqrt(sum)": (lambda x: tg.sqrt(x * x), 0.0),
}
singular = pytest.mark.parametrize("name", SINGULAR)


@both
@singular
def test_the_branch_not_taken_contributes_exactly_0(ask: Ask, name: str) -> None:
    f, x = SINGULAR[name]

    def left(v: Any) -> Any:
        return tg.where(False, f(v), 3.0 * v)

    def right(v: Any) -> Any:
        return tg.where(True, 3.0 * v, f(v))

    def mask(v: Any) -> Any:
        return tg.where(v == x, 3.0 * v, f(v)) if x == x else left(v)

    for g in (left, right, mask):
        assert ask(g, x) == (3.0 * x, 3.0)


@singular
def test_the_branch_not_taken_has_no_tangent_either(name: str) -> None:
    f, x = SINGULAR[name]
    assert tg.jvp(lambda v: tg.where(False, f(v), 3.0 * v), (x,), (1.0,))[1] == 3.0
    with np.errstate(all="ignore"):
        _, t = tg.jvp(
            lambda v: tg.where(np.array([False, True]), f(v), 3.0 * v),
            (np.array([x, 0.7]),),
            (np.array([1.0, 0.0]),),
        )
    np.testing.assert_array_equal(t, [3.0, 0.0])


@both
@singular
def test_a_factor_of_exactly_0_stops_the_adjoint(ask: Ask, name: str) -> None:
    f, x = SINGULAR[name]
    assert ask(lambda v: 0.0 * f(v) + 3.0 * v, x)[1] == 3.0


@singular
def test_scalars_and_arrays_agree_at_singular_points(name: str) -> None:
    f, x = SINGULAR[name]
    assert equal(on_scalar(f, x), on_array(f, x))


REDUCING: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "prod": (tg.prod, [INF, 0.0]),
    "var": (tg.var, [INF, 1.0]),
    "std": (tg.std, [NAN, 1.0]),
    "norm": (tg.norm, [INF, 1.0]),
    "mean": (tg.mean, [INF, -INF]),
    "logsumexp": (tg.logsumexp, [NAN, 0.0]),
    "softmax": (lambda v: tg.softmax(v)[0], [-INF, -INF]),
    "log_softmax": (lambda v: tg.log_softmax(v)[0], [INF, INF]),
    "max": (tg.max, [NAN, 1.0]),
    "cumprod": (lambda v: tg.cumprod(v)[1], [INF, 0.0]),
    "cumsum": (lambda v: tg.cumsum(v)[1], [INF, -INF]),
    "sort": (lambda v: tg.sort(v)[0] * INF, [0.0, 1.0]),
    "dot": (lambda v: v @ np.array([INF, NAN]), [0.0, 1.0]),
    "einsum": (lambda v: tg.einsum("i,i,i", v, v, np.array([INF, NAN])), [0.0, 1.0]),
    "cross-entropy": (lambda v: tg.softmax_cross_entropy(v[None], [0])[0], [-INF, -INF]),
    "getitem": (lambda v: v[0] * NAN, [0.0, 1.0]),
}


@pytest.mark.parametrize("name", REDUCING)
def test_a_reduction_not_taken_contributes_exactly_0(name: str) -> None:
    f, point = REDUCING[name]
    x = np.array(point)
    with np.errstate(all="ignore"):
        g = tg.grad(lambda v: tg.where(False, f(v), 3.0 * v.sum()))(x)
        _, t = tg.jvp(lambda v: tg.where(False, f(v), 1.0), (x,), (np.ones(2),))
        zero = tg.vjp(f, x)[1](0.0)[0]
    np.testing.assert_array_equal(g, [3.0, 3.0])
    np.testing.assert_array_equal(zero, [0.0, 0.0])
    assert t == 0.0


@pytest.mark.parametrize("name", sorted(n for n, row in TABLE.items() if row.kind == "elementwise"))
@pytest.mark.parametrize("x", [NAN, INF, -INF, 0.0, -1.0, 1.0, 1e300, -1000.0])
def test_an_exactly_zero_adjoint_contributes_exactly_zero_to_every_op(name: str, x: float) -> None:
    """Missing numbers that a mask takes out, say: whatever the op makes of them."""
    row = TABLE[name]
    params = {"clip": (0, 1)}.get(name, ())
    for y in (x, 1.0, 0.0, NAN) if row.arity == 2 else (x,):
        points = [x, y][: row.arity]
        with np.errstate(all="ignore"):
            arrays = [np.array([p, p]) for p in points]
            for operands, zero in ((points, 0.0), (arrays, np.zeros(2))):
                out, pullback = tg.vjp(lambda *v: row.call(*v, *params), *operands)
                for g in pullback(zero):
                    np.testing.assert_array_equal(g, zero)
                still = [zero] * len(operands)
                _, t = tg.jvp(lambda *v: row.call(*v, *params), operands, still)
                np.testing.assert_array_equal(t, zero)
                assert np.shape(out) == np.shape(zero)


def test_only_the_masked_elements_of_an_array_are_stopped() -> None:
    x = np.array([4.0, 0.0, 0.0])
    g = gradient(lambda v: tg.where(np.array([True, False, True]), tg.sqrt(v), 0.0).sum(), x)
    np.testing.assert_array_equal(g, [0.25, 0.0, INF])


# ----------------------------------------------------------------------- sqrt, norm, spread


@both
def test_sqrt_at_0_is_infinite_unless_nothing_asks(ask: Ask) -> None:
    assert ask(tg.sqrt, 0.0) == (0.0, INF)
    assert ask(lambda x: 0.0 * tg.sqrt(x), 0.0) == (0.0, 0.0)
    assert ask(lambda x: x**0.5, 0.0) == (0.0, INF)


def test_norm_at_0_has_gradient_0() -> None:
    assert on_scalar(tg.norm, 0.0) == (0.0, 0.0)
    np.testing.assert_array_equal(gradient(tg.norm, [0.0, 0.0]), [0.0, 0.0])
    rows = gradient(lambda v: tg.norm(v, axis=1).sum(), [[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_array_equal(rows, [[0.0, 0.0], [0.6, 0.8]])
    assert tg.grad(tg.hypot, (0, 1))(0.0, 0.0) == (0.0, 0.0)
    pair = tg.grad(lambda x, y: tg.hypot(x, y).sum(), (0, 1))(
        np.array([0.0, 3.0]), np.array([0.0, 4.0])
    )
    np.testing.assert_array_equal(pair, [[0.0, 0.6], [0.0, 0.8]])
    assert tg.jvp(tg.norm, (np.zeros(2),), (np.ones(2),))[1] == 0.0


def test_sqrt_of_a_sum_of_squares_is_another_matter_and_sumsq_is_smooth() -> None:
    assert np.isnan(gradient(lambda v: tg.sqrt(tg.sum(v * v)), [0.0, 0.0])).all()
    np.testing.assert_array_equal(gradient(lambda v: tg.sum(tg.square(v)), [0.0, 0.0]), [0.0, 0.0])
    np.testing.assert_array_equal(tg.hessian(lambda v: tg.sum(v * v))(np.zeros(2)), 2 * np.eye(2))


@pytest.mark.parametrize("constant", [0.0, 2.0, 0.1, -0.3, 1e-9, 1e17, 1 / 3])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 1001])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_std_of_a_constant_is_0_with_gradient_0(constant: float, n: int, dtype: Any) -> None:
    """However the mean of n equal numbers rounds."""
    v = tg.Value(np.full(n, constant, dtype))
    out = tg.std(v)
    out.backward()
    assert out.data == 0.0
    np.testing.assert_array_equal(v.grad, np.zeros(n))
    assert tg.var(v).data == 0.0
    np.testing.assert_allclose(
        gradient(tg.var, np.full(n, constant)), 0.0, atol=1e-15 * abs(constant)
    )


def test_std_of_a_scalar_and_of_a_constant_row_among_others() -> None:
    assert on_scalar(tg.std, 0.1) == (0.0, 0.0)
    assert on_scalar(tg.var, 0.1) == (0.0, 0.0)
    g = gradient(lambda v: tg.std(v, axis=1).sum(), [[0.1, 0.1, 0.1], [1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(g[0], [0.0, 0.0, 0.0])
    np.testing.assert_allclose(g[1], np.array([-1.0, 0.0, 1.0]) / (3 * math.sqrt(2 / 3)))


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize(
    ("shape", "axis", "ddof", "n"),
    [((3,), None, 3, "3 elements"), ((3,), None, 4, "3 elements"), ((1,), None, 1, "1 element"),
     ((2, 3), 0, 2, "2 elements"), ((0,), None, 0, "0 elements"), ((), None, 1, "1 element")],
)  # fmt: skip
def test_ddof_of_n_or_more_raises(name: str, shape: Any, axis: Any, ddof: int, n: str) -> None:
    message = rf"{name} over {n}, x of shape .*, with ddof={ddof}: it divides by n - ddof"
    x = np.ones(shape) if shape else 1.0
    for v in (x, tg.Value(x)):
        with pytest.raises(ValueError, match=message):
            getattr(tg, name)(v, axis=axis, ddof=ddof)
    with pytest.raises(ValueError, match="mean over 0 elements"):
        tg.mean(np.ones((0, 3)), axis=0)


# ---------------------------------------------------------------------------------- kinks


@both
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_abs_at_0_is_0(ask: Ask, zero: float) -> None:
    assert ask(abs, zero) == (0.0, 0.0)
    assert ask(tg.abs, zero) == (0.0, 0.0)
    assert ask(tg.sign, zero) == (0.0, 0.0)


@both
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_relu_at_0_is_0(ask: Ask, zero: float) -> None:
    assert ask(tg.relu, zero) == (0.0, 0.0)
    assert ask(lambda x: tg.leaky_relu(x, 0.2), zero)[1] == 0.2
    assert ask(tg.elu, zero) == (0.0, 1.0)


@both
@pytest.mark.parametrize(
    ("x", "slope"), [(-1.0, 0.0), (1.0, 0.0), (0.0, 1.0), (2.0, 0.0), (-INF, 0.0), (-0.999, 1.0)]
)
def test_clip_at_the_bound_and_beyond_is_0(ask: Ask, x: float, slope: float) -> None:
    assert ask(lambda v: tg.clip(v, -1, 1), x)[1] == slope
    assert ask(lambda v: tg.clip(v, -1), -1.0)[1] == 0.0
    assert ask(lambda v: tg.clip(v, None, 1), 1.0)[1] == 0.0
    assert ask(lambda v: tg.clip(v, 0.5, 0.5), 0.5)[1] == 0.0


@both
@pytest.mark.parametrize("f", [tg.maximum, tg.minimum])
def test_one_variable_twice_totals_1(ask: Ask, f: Callable[..., Any]) -> None:
    assert ask(lambda x: f(x, x), 2.0) == (2.0, 1.0)
    assert ask(lambda x: f(x, x + 0.0), 2.0) == (2.0, 1.0)
    assert ask(lambda x: f(x, 2.0), 2.0) == (2.0, 0.5)
    assert ask(lambda x: f(2.0, x), 2.0) == (2.0, 0.5)


@pytest.mark.parametrize("f", [tg.max, tg.min])
def test_ties_share_evenly(f: Callable[..., Any]) -> None:
    np.testing.assert_array_equal(gradient(f, [2.0, 2.0]), [0.5, 0.5])
    np.testing.assert_array_equal(gradient(f, [2.0, 2.0, 2.0, 2.0]), [0.25] * 4)
    rows = gradient(lambda v: f(v, axis=1).sum(), [[1.0, 1.0], [3.0, 4.0]])
    np.testing.assert_array_equal(rows[0], [0.5, 0.5])
    assert rows[1].sum() == 1.0
    assert on_scalar(f, 2.0) == (2.0, 1.0)
    x = tg.Value(2.0)
    f([x, x, x]).backward()
    assert x.grad == 1.0
    _, t = tg.jvp(f, (np.array([2.0, 2.0]),), (np.array([1.0, 3.0]),))
    assert t == 2.0


def test_ties_share_evenly_among_the_winners_alone() -> None:
    np.testing.assert_array_equal(gradient(tg.max, [1.0, 3.0, 3.0]), [0.0, 0.5, 0.5])
    np.testing.assert_array_equal(gradient(tg.min, [1.0, 1.0, 3.0]), [0.5, 0.5, 0.0])
    np.testing.assert_array_equal(gradient(tg.max, [INF, INF, 0.0]), [0.5, 0.5, 0.0])
    np.testing.assert_array_equal(
        gradient(lambda v: tg.maximum(v, np.array([1.0, 2.0, 3.0])).sum(), [2.0, 2.0, 2.0]),
        [1.0, 0.5, 0.0],
    )


def test_argmax_goes_to_the_first() -> None:
    v = tg.Value([1.0, 3.0, 3.0])
    assert np.argmax(v) == 1
    assert np.argmin(tg.Value([1.0, 1.0])) == 0
    g = gradient(lambda v: v[int(np.argmax(v))], [1.0, 3.0, 3.0])  # as maxout picks its piece
    np.testing.assert_array_equal(g, [0.0, 1.0, 0.0])


# ------------------------------------------------------------------------------------ pow


@both
@pytest.mark.parametrize("x", [0.0, -0.0, 2.0, -2.0, INF, -INF, NAN, 1e300])
@pytest.mark.parametrize("n", [0, 0.0])
def test_power_0_is_constant_exactly(ask: Ask, x: float, n: float) -> None:
    assert ask(lambda v: v**n, x) == (1.0, 0.0)


@both
@pytest.mark.parametrize(
    ("n", "value", "slope"),
    [(2, 0.0, 0.0), (3, 0.0, 0.0), (1.5, 0.0, 0.0), (1, 0.0, 1.0), (1.0, 0.0, 1.0), (0.5, 0.0, INF),
     (0.25, 0.0, INF), (-1, INF, -INF), (-2, INF, -INF), (-0.5, INF, -INF)],
)  # fmt: skip
def test_base_0_by_exponent(ask: Ask, n: float, value: float, slope: float) -> None:
    assert ask(lambda v: v**n, 0.0) == (value, slope)
    assert ask(lambda v: v ** tg.Value(float(n)), 0.0) == (value, slope)
    exponents = np.array([n, 2.0])
    if ask is on_array:
        assert ask(lambda v: v**exponents, 0.0) == (value, slope)


@both
@pytest.mark.parametrize(("n", "slope"), [(2.0, 0.0), (1.0, 0.0), (0.5, 0.0), (0.0, -INF)])
def test_base_0_by_the_exponent(ask: Ask, n: float, slope: float) -> None:
    assert ask(lambda y: 0.0**y, n)[1] == slope
    assert ask(lambda y: tg.Value(0.0) ** y, n)[1] == slope


@both
def test_a_negative_base_has_no_derivative_by_the_exponent_and_only_if_asked_for(ask: Ask) -> None:
    assert ask(lambda x: x**2, -3.0) == (9.0, -6.0)
    assert ask(lambda x: x**3, -2.0) == (-8.0, 12.0)
    assert ask(lambda x: x**-1, -2.0) == (-0.5, -0.25)
    assert ask(lambda x: x ** tg.Value(2.0), -3.0) == (9.0, -6.0)
    value, slope = ask(lambda y: (-3.0) ** y, 2.0)
    assert value == 9.0
    assert math.isnan(slope)


@both
@pytest.mark.parametrize(
    ("n", "second"), [(0, 0.0), (1, 0.0), (2, 2.0), (3, 0.0), (2.0, 2.0), (4, 0.0)]
)
def test_second_derivatives_of_powers_at_0(ask: Ask, n: float, second: float) -> None:
    assert ask(lambda x: tg.grad(lambda u: tg.sum(u**n))(x), 0.0)[1] == second


def test_cross_derivatives_of_powers_where_the_first_is_0() -> None:
    """d/dx x^y is 0 at y = 0, and d²/dxdy is 1/x there."""
    for x in (2.0, -2.0, 0.5):
        assert tg.grad(tg.grad(lambda x, y: x**y), 1)(x, 0.0) == 1 / x
        columns = tg.grad(lambda y, x=x: tg.sum(tg.grad(lambda v: tg.sum(v**y))(np.array([x]))))
        np.testing.assert_array_equal(columns(np.array([0.0])), [1 / x])


# ------------------------------------------------------------------------ Python against IEEE

IEEE: dict[str, tuple[F, float, float]] = {
    "(-8)**(1/3)": (lambda x: x ** (1 / 3), -8.0, NAN),
    "0**-1": (lambda x: x**-1, 0.0, INF),
    "(-0)**-1": (lambda x: x**-1, -0.0, -INF),
    "10**x": (lambda x: 10**x, 400.0, INF),
    "x**10": (lambda x: x**10, 1e40, INF),
    "1/0": (lambda x: 1 / x, 0.0, INF),
    "-1/0": (lambda x: -1 / x, 0.0, -INF),
    "1/-0": (lambda x: 1 / x, -0.0, -INF),
    "0/0": (lambda x: x / 0, 0.0, NAN),
    "x/0": (lambda x: x / 0, 1.0, INF),
    "x//0": (lambda x: x // 0, 1.0, INF),
    "x%0": (lambda x: x % 0, 1.0, NAN),
    "log(0)": (tg.log, 0.0, -INF),
    "log(-1)": (tg.log, -1.0, NAN),
    "log1p(-1)": (tg.log1p, -1.0, -INF),
    "log2(0)": (tg.log2, 0.0, -INF),
    "log10(-1)": (tg.log10, -1.0, NAN),
    "sqrt(-1)": (tg.sqrt, -1.0, NAN),
    "exp(1000)": (tg.exp, 1000.0, INF),
    "expm1(1000)": (tg.expm1, 1000.0, INF),
    "sinh(-1000)": (tg.sinh, -1000.0, -INF),
    "cosh(1000)": (tg.cosh, 1000.0, INF),
    "sin(inf)": (tg.sin, INF, NAN),
    "cos(inf)": (tg.cos, -INF, NAN),
    "arcsin(2)": (tg.arcsin, 2.0, NAN),
    "arccosh(0)": (tg.arccosh, 0.0, NAN),
    "arctanh(1)": (tg.arctanh, 1.0, INF),
    "arctanh(2)": (tg.arctanh, 2.0, NAN),
    "inf-inf": (lambda x: x - x, INF, NAN),
    "0*inf": (lambda x: x * INF, 0.0, NAN),
    "1e200**2": (tg.square, 1e200, INF),
}


@both
@pytest.mark.parametrize("name", IEEE)
def test_results_follow_ieee_where_python_would_raise_or_turn_complex(ask: Ask, name: str) -> None:
    f, x, expected = IEEE[name]
    value, slope = ask(f, x)
    assert equal(value, expected)
    assert equal(slope, on_array(f, x)[1])
    assert type(tg.Value(x)._data) is float
    assert type(f(tg.Value(x))._data) is float


@pytest.mark.parametrize("name", IEEE)
@pytest.mark.parametrize("data", [float, lambda x: [x, 0.7]], ids=["scalar", "array"])
def test_debug_mode_names_the_op(name: str, data: Callable[[float], Any]) -> None:
    f, x, _ = IEEE[name]
    with (
        np.errstate(all="ignore"),
        tg.debug(),
        pytest.raises(FloatingPointError, match=r"^\w+\(.*\) gave .* at .*test_traps\.py:\d+$"),
    ):
        f(tg.Value(data(x)))


@both
def test_bare_numbers_follow_ieee_as_well(ask: Ask) -> None:
    assert tg.divide(1, 0) == INF
    assert tg.power(0.0, -1) == INF
    assert math.isnan(tg.power(-8.0, 1 / 3))
    assert tg.log(0.0) == -INF
    assert tg.exp(1000) == INF


# ------------------------------------------------------------- products with zeros, without /


@quiet
@pytest.mark.parametrize(
    ("x", "g"),
    [
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]), ([2.0, 0.0, 4.0], [0.0, 8.0, 0.0]), ([0.0, 3.0], [3.0, 0.0]),
        ([2.0, 0.0, 0.0], [0.0, 0.0, 0.0]), ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]), ([0.0], [1.0]), ([], []),
        ([1e200, 1e200, 0.0], [0.0, 0.0, INF]), ([1e-200, 1e-200, 5.0], [5e-200, 5e-200, 0.0]),
    ],
)  # fmt: skip
def test_prod_with_zeros(x: list[float], g: list[float]) -> None:
    np.testing.assert_array_equal(gradient(tg.prod, x), g)
    columns = gradient(lambda v: tg.prod(v, axis=0).sum(), [[a, 1.0] for a in x] or np.ones((0, 2)))
    np.testing.assert_array_equal(columns[:, 0], g)
    one_by_one = [tg.jvp(tg.prod, (np.array(x),), (e,))[1] for e in np.eye(len(x))]
    np.testing.assert_array_equal(one_by_one, g)


def test_prod_of_a_scalar_at_0() -> None:
    assert on_scalar(tg.prod, 0.0) == (0.0, 1.0)


def test_prod_over_two_axes_with_one_zero_and_two() -> None:
    x = np.array([[[2.0, 0.0], [3.0, 1.0]], [[0.0, 5.0], [0.0, 7.0]]])
    g = gradient(lambda v: tg.prod(v, axis=(1, 2)).sum(), x)
    np.testing.assert_array_equal(g, [[[0.0, 6.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])


@pytest.mark.parametrize(
    "x", [[2.0, 3.0, 4.0], [2.0, 0.0, 4.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 5.0]]
)
def test_cumprod_with_zeros(x: list[float]) -> None:
    n = len(x)
    expected = np.array(
        [
            [math.prod(x[:i] + x[i + 1 : k + 1]) if i <= k else 0.0 for i in range(n)]
            for k in range(n)
        ]
    )
    for mode in ("reverse", "forward"):
        np.testing.assert_array_equal(tg.jacobian(tg.cumprod, mode=mode)(np.array(x)), expected)
    rows = tg.jacobian(lambda v: tg.cumprod(v, axis=1)[0])(np.array([x, x]))[:, 0]
    np.testing.assert_array_equal(rows, expected)


def test_second_derivatives_of_products_with_zeros() -> None:
    np.testing.assert_array_equal(tg.hessian(tg.prod)(np.zeros(2)), [[0.0, 1.0], [1.0, 0.0]])
    expected = [[0.0, 0.0, 0.0], [0.0, 0.0, 5.0], [0.0, 5.0, 0.0]]
    np.testing.assert_array_equal(tg.hessian(tg.prod)(np.array([5.0, 0.0, 0.0])), expected)
    last = tg.hessian(lambda v: tg.cumprod(v)[-1])(np.array([5.0, 0.0, 0.0]))
    np.testing.assert_array_equal(last, expected)


# ------------------------------------------------------------------ inverse functions at ±1


@both
@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [(tg.arcsin, 1.0, INF), (tg.arcsin, -1.0, INF), (tg.arccos, 1.0, -INF), (tg.arccos, -1.0, -INF),
     (tg.arccosh, 1.0, INF), (tg.arctanh, 1.0, INF)],
)  # fmt: skip
def test_inverse_functions_at_the_edge(ask: Ask, f: F, x: float, slope: float) -> None:
    assert ask(f, x)[1] == slope
    assert ask(lambda v: 0.0 * f(v), x)[1] == 0.0


@both
@pytest.mark.parametrize("tracked", [False, True])
def test_arctan2_at_the_origin_has_no_direction(ask: Ask, tracked: bool) -> None:
    origin = tg.Value(0.0) if tracked else 0.0
    value, slope = ask(lambda x: tg.arctan2(x, origin), 0.0)
    assert value == 0.0
    assert math.isnan(slope)
    assert math.isnan(ask(lambda x: tg.arctan2(origin, x), 0.0)[1])
    assert math.isnan(ask(lambda x: tg.arctan2(x, 0.0 * x), 0.0)[1])
    assert ask(lambda x: 0.0 * tg.arctan2(x, origin) + x, 0.0)[1] == 1.0


@pytest.mark.parametrize("data", [1.0, np.array([1.0, 0.5])], ids=["scalar", "array"])
@pytest.mark.parametrize("name", ["arcsin", "arccos"])
def test_debug_mode_names_an_infinite_derivative(name: str, data: Any) -> None:
    with tg.debug():
        out = tg.sum(getattr(tg, name)(tg.Value(data, name="x")))
        with pytest.raises(
            FloatingPointError, match=rf"the derivative of {name}\(.*\) is not finite"
        ):
            out.backward()


def test_debug_mode_names_arctan2_at_the_origin() -> None:
    with tg.debug():
        out = tg.arctan2(tg.Value(0.0), tg.Value(0.0))
        with pytest.raises(
            FloatingPointError, match=r"the derivative of arctan2\(0\., 0\.\) is not"
        ):
            out.backward()


# -------------------------------------------------- 0·inf in products with zero adjoints

BAD = np.array([[INF, 1.0], [NAN, 2.0]])


@both
@pytest.mark.parametrize("bad", [INF, -INF, NAN])
def test_zero_adjoint_through_a_product(ask: Ask, bad: float) -> None:
    assert ask(lambda x: tg.where(False, x * bad, x), 2.0) == (2.0, 1.0)
    assert ask(lambda x: tg.where(False, bad * x, x), 2.0) == (2.0, 1.0)
    assert ask(lambda x: tg.where(False, x * tg.Value(bad), x), 2.0) == (2.0, 1.0)
    assert ask(lambda x: tg.where(False, x / (1 / bad), x), 2.0) == (2.0, 1.0)


PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {
    "matmul": lambda a, b: a @ b,
    "dot": tg.dot,
    "tensordot": lambda a, b: tg.tensordot(a, b, 1),
    "einsum": lambda a, b: tg.einsum("ij,jk->ik", a, b),
    "stack": lambda a, b: (a[None] @ b[None])[0],
    "broadcast stack": lambda a, b: (a[None] @ b)[0],
}


@quiet
@pytest.mark.parametrize("name", PRODUCTS)
def test_zero_adjoints_through_matrix_products(name: str) -> None:
    """Column 1 of a @ bad asks for column 1 of bad alone, and that is finite."""
    product = PRODUCTS[name]
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    pick = np.array([[0.0, 1.0], [0.0, 0.0]])

    (g,) = tg.vjp(lambda x: product(x, BAD), a)[1](pick)
    np.testing.assert_array_equal(g, [[1.0, 2.0], [0.0, 0.0]])
    (h,) = tg.vjp(lambda x: product(BAD, x), a)[1](pick.T)
    np.testing.assert_array_equal(h, [[NAN, 0.0], [2.0, 0.0]])
    _, t = tg.jvp(lambda x: product(x, BAD), (a,), (np.array([[0.0, 1.0], [0.0, 0.0]]),))
    np.testing.assert_array_equal(t, [[NAN, 2.0], [0.0, 0.0]])
    _, t = tg.jvp(lambda x: product(BAD, x), (a,), (np.array([[0.0, 0.0], [0.0, 1.0]]),))
    np.testing.assert_array_equal(t, [[0.0, 1.0], [0.0, 2.0]])


@quiet
@pytest.mark.parametrize("bad", [INF, -INF, NAN])
def test_zero_adjoints_through_products_of_vectors(bad: float) -> None:
    v, w = np.array([1.0, 2.0]), np.array([bad, 3.0])
    matrix = np.array([[bad, 1.0], [2.0, 3.0]])
    zero = np.zeros(2)
    for f in (lambda x: x @ w, lambda x: tg.dot(w, x), lambda x: tg.einsum("i,i", x, w)):
        np.testing.assert_array_equal(tg.vjp(f, v)[1](0.0)[0], zero)
        np.testing.assert_array_equal(tg.vjp(f, v)[1](2.0)[0], 2.0 * w)
    for f in (lambda x: matrix @ x, lambda x: tg.einsum("ij,j->i", matrix, x)):
        np.testing.assert_array_equal(tg.vjp(f, v)[1](np.array([0.0, 1.0]))[0], [2.0, 3.0])
        np.testing.assert_array_equal(tg.vjp(f, v)[1](np.array([1.0, 0.0]))[0], [bad, 1.0])
    np.testing.assert_array_equal(
        tg.vjp(lambda x: x @ matrix, v)[1](np.array([0.0, 1.0]))[0], [1.0, 3.0]
    )
    pick = np.array([[0.0, 1.0], [0.0, 0.0]])
    for f in (lambda x: tg.outer(x, w), lambda x: tg.einsum("i,j", x, w)):
        np.testing.assert_array_equal(tg.vjp(f, v)[1](pick)[0], [3.0, 0.0])
    np.testing.assert_array_equal(tg.vjp(lambda x: tg.outer(w, x), v)[1](pick)[0], [0.0, bad])


@quiet
def test_signs_of_infinity_survive_in_matrix_products() -> None:
    b = np.array([[INF, -INF], [1.0, INF]])
    up, down = np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0]])
    for product in (lambda a, b: a @ b, lambda a, b: tg.einsum("ij,jk->ik", a, b)):
        pull = tg.vjp(lambda x, p=product: p(x, b), np.ones((1, 2)))[1]
        np.testing.assert_array_equal(pull(up)[0], [[INF, 1.0]])
        np.testing.assert_array_equal(pull(down)[0], [[-INF, -1.0]])
        np.testing.assert_array_equal(pull(np.array([[1.0, 1.0]]))[0], [[NAN, INF]])
        np.testing.assert_array_equal(pull(np.array([[1.0, -1.0]]))[0], [[INF, -INF]])
        np.testing.assert_array_equal(pull(np.array([[0.0, 0.0]]))[0], [[0.0, 0.0]])


@quiet
def test_zero_adjoints_through_products_of_three() -> None:
    v, w, u = np.array([1.0, 2.0]), np.array([INF, 3.0]), np.array([0.0, 5.0])
    pull = tg.vjp(lambda x: tg.einsum("i,i,i->i", x, w, u), v)[1]
    np.testing.assert_array_equal(pull(np.array([0.0, 1.0]))[0], [0.0, 15.0])
    np.testing.assert_array_equal(pull(np.array([1.0, 1.0]))[0], [NAN, 15.0])


# -------------------------------------------- second order is not cut by the shortcut for zeros


@both
def test_second_derivatives_where_the_first_is_0(ask: Ask) -> None:
    def twice(f: F) -> F:
        return lambda x: tg.grad(lambda u: tg.sum(f(u)))(x)

    assert ask(twice(lambda x: x * x), 0.0) == (0.0, 2.0)
    assert ask(twice(lambda x: x**2), 0.0) == (0.0, 2.0)
    assert ask(twice(tg.square), 0.0) == (0.0, 2.0)
    assert ask(twice(tg.cos), 0.0) == (0.0, -1.0)
    assert ask(twice(tg.cosh), 0.0) == (0.0, 1.0)
    assert ask(twice(lambda x: x * tg.sin(x)), 0.0) == (0.0, 2.0)
    assert ask(twice(lambda x: x * x * 0.0), 0.0) == (0.0, 0.0)
    assert ask(twice(lambda x: 0.0 * x), 3.0) == (0.0, 0.0)
    assert ask(twice(lambda x: 3.0 * x), 3.0) == (3.0, 0.0)
    assert ask(twice(twice(lambda x: x**3)), 0.0) == (0.0, 6.0)
    assert ask(twice(twice(lambda x: x * x * x)), 0.0) == (0.0, 6.0)
    assert ask(twice(lambda x: x**3), 2.0) == (12.0, 12.0)


def test_cross_derivatives_where_the_first_is_0() -> None:
    for f in (lambda v: v[0] * v[1], tg.prod, lambda v: tg.einsum("i,i->i", v, v[::-1])[0]):
        np.testing.assert_array_equal(tg.hessian(f)(np.zeros(2)), [[0.0, 1.0], [1.0, 0.0]])
        np.testing.assert_array_equal(tg.hvp(f, np.zeros(2), np.array([1.0, 0.0])), [0.0, 1.0])
    np.testing.assert_array_equal(tg.hessian(lambda v: v @ v)(np.zeros(2)), 2 * np.eye(2))
    np.testing.assert_array_equal(tg.hessian(lambda v: tg.sum(v**2))(np.zeros(2)), 2 * np.eye(2))
    np.testing.assert_array_equal(
        tg.hessian(lambda v: tg.var(v))(np.zeros(2)), [[0.5, -0.5], [-0.5, 0.5]]
    )
    x, y = np.zeros((1, 2)), np.zeros((2, 1))
    mixed = tg.grad(lambda a: tg.sum(tg.grad(lambda b: tg.sum(a @ b))(y) * np.ones((2, 1))))(x)
    np.testing.assert_array_equal(mixed, [[1.0, 1.0]])


def test_a_gradient_penalty_at_0() -> None:
    """|grad f|² of f = w·x² at x = 0 still depends on w's neighbours in the right way."""
    w = tg.Value(3.0)
    slope = tg.grad(lambda x: w * x * x)(tg.Value(0.0))
    (slope * slope).backward()
    assert w.grad == 0.0
    curve = tg.grad(tg.grad(lambda x: w * x * x))(tg.Value(0.0))
    curve.backward()
    assert (curve.data, w.grad) == (6.0, 2.0)


# ------------------------------------------------------------------------------ conventions


def test_the_table_of_conventions_holds_the_kinks_above_on_arrays_too() -> None:
    by_point = {row.point: row.answer for row in tg.conventions()}
    for point, f, x in (
        ("relu'(0)", tg.relu, 0.0), ("abs'(0)", tg.abs, 0.0), ("sqrt'(0)", tg.sqrt, 0.0),
        ("cbrt'(0)", tg.cbrt, 0.0), ("log'(0)", tg.log, 0.0), ("arcsin'(1)", tg.arcsin, 1.0),
        ("arccos'(1)", tg.arccos, 1.0), ("log_sigmoid'(0)", tg.log_sigmoid, 0.0),
        ("softplus'(0)", tg.softplus, 0.0), ("sigmoid'(-1000)", tg.sigmoid, -1000.0),
    ):  # fmt: skip
        assert by_point[point] == on_array(f, x)[1] == on_scalar(f, x)[1]
