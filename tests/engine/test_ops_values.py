"""The value of each op, against NumPy's own function; on scalars also against `math`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_lecture as tg

INF, NAN = math.inf, math.nan
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 1e-300, 1e300, -1e300, 710.0, INF, -INF, NAN)
SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (2, 3), (1, 1, 2), (0,), (2, 0))

Reference = Callable[[Any], Any]

_erf = np.vectorize(math.erf, otypes=[float])

UNARY: dict[str, tuple[Reference, Callable[[float], float] | None, float, float]] = {
    "negative": (np.negative, lambda x: -x, -2, 2),
    "abs": (np.abs, math.fabs, -2, 2),
    "sign": (np.sign, lambda x: math.copysign(1.0, x), -2, 2),
    "exp": (np.exp, math.exp, -3, 3),
    "expm1": (np.expm1, math.expm1, -3, 3),
    "log": (np.log, math.log, 0.01, 3),
    "log1p": (np.log1p, math.log1p, -0.9, 3),
    "log2": (np.log2, math.log2, 0.01, 3),
    "log10": (np.log10, math.log10, 0.01, 3),
    "sqrt": (np.sqrt, math.sqrt, 0.01, 3),
    "cbrt": (np.cbrt, math.cbrt, -3, 3),
    "square": (np.square, lambda x: x * x, -3, 3),
    "reciprocal": (np.reciprocal, lambda x: 1 / x, 0.2, 3),
    "sin": (np.sin, math.sin, -6, 6),
    "cos": (np.cos, math.cos, -6, 6),
    "tan": (np.tan, math.tan, -1.5, 1.5),
    "arcsin": (np.arcsin, math.asin, -1, 1),
    "arccos": (np.arccos, math.acos, -1, 1),
    "arctan": (np.arctan, math.atan, -6, 6),
    "sinh": (np.sinh, math.sinh, -3, 3),
    "cosh": (np.cosh, math.cosh, -3, 3),
    "tanh": (np.tanh, math.tanh, -3, 3),
    "arcsinh": (np.arcsinh, math.asinh, -6, 6),
    "arccosh": (np.arccosh, math.acosh, 1, 6),
    "arctanh": (np.arctanh, math.atanh, -0.99, 0.99),
    "erf": (_erf, math.erf, -3, 3),
    "relu": (lambda x: np.maximum(x, 0), lambda x: max(x, 0.0), -2, 2),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: 1 / (1 + math.exp(-x)), -9, 9),
    "softplus": (
        lambda x: np.logaddexp(0, x),
        lambda x: math.log1p(math.exp(-abs(x))) + max(x, 0.0),
        -9,
        9,
    ),
    "log_sigmoid": (lambda x: -np.logaddexp(0, -x), None, -9, 9),
    "leaky_relu": (
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x: x if x > 0 else 0.01 * x,
        -2,
        2,
    ),
    "elu": (
        lambda x: np.where(x > 0, x, np.expm1(x)),
        lambda x: x if x > 0 else math.expm1(x),
        -2,
        2,
    ),
}
BINARY: dict[str, tuple[Any, Callable[[float, float], float]]] = {
    "add": (np.add, lambda x, y: x + y),
    "subtract": (np.subtract, lambda x, y: x - y),
    "multiply": (np.multiply, lambda x, y: x * y),
    "divide": (np.divide, lambda x, y: x / y),
    "floor_divide": (np.floor_divide, lambda x, y: x // y),
    "mod": (np.mod, lambda x, y: x % y),
    "power": (np.power, math.pow),
    "arctan2": (np.arctan2, math.atan2),
    "hypot": (np.hypot, math.hypot),
    "maximum": (np.maximum, max),
    "minimum": (np.minimum, min),
}

few = settings(max_examples=25)  # of each of many ops
unary = pytest.mark.parametrize("name", UNARY)
binary = pytest.mark.parametrize("name", BINARY)
float_dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f64", "f32"])


def op(name: str) -> Callable[..., Any]:
    return getattr(tg, name)  # type: ignore[no-any-return]


def same(x: Any, y: Any, ulp: int = 4) -> None:
    """Hold a result against a reference: shape, type, and values to a few ulp."""
    y = np.asarray(y)
    assert np.shape(x) == y.shape
    if y.ndim == 0:
        assert type(x) is float
    else:
        assert type(x) is np.ndarray
    eps = float(np.finfo(getattr(x, "dtype", np.float64)).eps)
    np.testing.assert_allclose(x, y, rtol=ulp * eps, atol=eps / 4)


def data(v: Any) -> Any:
    assert isinstance(v, tg.Value)
    return v._data


# ------------------------------------------------------------------------------- elementwise


@unary
@float_dtypes
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_unary_on_arrays(name: str, dtype: Any, shape: tuple[int, ...]) -> None:
    reference, _, low, high = UNARY[name]
    x = np.random.default_rng(1).uniform(low, high, shape).astype(dtype)
    with np.errstate(all="raise", under="ignore"):
        raw, tracked = op(name)(x), op(name)(tg.Value(x))

    expected = reference(x if shape else x.astype(np.float64))  # scalars are Python floats
    same(raw, expected)
    same(data(tracked), expected)
    if shape:
        assert raw.dtype == data(tracked).dtype == dtype


@unary
def test_unary_on_scalars_is_what_math_gives(name: str) -> None:
    reference, on_floats, low, high = UNARY[name]
    for x in np.random.default_rng(2).uniform(low, high, 20).tolist():
        tracked = data(op(name)(tg.Value(x)))
        same(tracked, reference(np.float64(x)))
        same(op(name)(x), tracked)
        if on_floats is not None:
            same(tracked, on_floats(x))


@unary
def test_unary_at_special_points_is_the_same_on_scalars_and_arrays(name: str) -> None:
    reference = UNARY[name][0]
    points = np.array(SPECIAL)
    with np.errstate(all="ignore"):
        on_array = data(op(name)(tg.Value(points)))
        expected = reference(points)
        bare = [op(name)(x) for x in SPECIAL]
    tracked = [data(op(name)(tg.Value(x))) for x in SPECIAL]  # no warning, no exception
    np.testing.assert_allclose(on_array, expected, rtol=1e-15, atol=1e-300)
    np.testing.assert_allclose(tracked, on_array, rtol=1e-15, atol=1e-300)
    np.testing.assert_allclose(bare, on_array, rtol=1e-15, atol=1e-300)


@unary
@pytest.mark.parametrize("x", [1, True, [1, 1], np.array([1, 1]), np.array([True]), np.float32(1)])
def test_integers_booleans_and_lists_are_taken(name: str, x: Any) -> None:
    with np.errstate(divide="ignore"):
        raw = op(name)(x)
        expected = UNARY[name][0](np.asarray(x, dtype=np.float64))
    assert np.shape(raw) == np.shape(x)
    np.testing.assert_allclose(raw, expected, rtol=1e-15)


@binary
@float_dtypes
@few
@given(shapes=strategies.broadcast_shapes(), seed=st.integers(0, 99))
def test_binary_on_arrays_that_broadcast(
    name: str, dtype: Any, shapes: tuple[tuple[int, ...], tuple[int, ...]], seed: int
) -> None:
    reference = BINARY[name][0]
    rng = np.random.default_rng(seed)
    x, y = (rng.uniform(0.3, 2.0, shape).astype(dtype) for shape in shapes)
    expected = reference(x, y)
    for a, b in ((x, y), (tg.Value(x), y), (x, tg.Value(y)), (tg.Value(x), tg.Value(y))):
        out = op(name)(a, b)
        out = out._data if isinstance(out, tg.Value) else out
        if dtype == np.float64:
            same(out, expected, 2)
        else:  # a scalar is a Python float, so that it is not rounded to float32 on the way
            np.testing.assert_allclose(out, expected, rtol=4e-7, atol=1e-6)
        if expected.ndim and x.ndim and y.ndim:
            assert out.dtype == dtype


@binary
def test_binary_on_scalars_is_what_python_gives(name: str) -> None:
    _, on_floats = BINARY[name]
    rng = np.random.default_rng(4)
    for x, y in rng.uniform(0.3, 3.0, (20, 2)).tolist():
        for a, b in ((tg.Value(x), tg.Value(y)), (tg.Value(x), y), (x, tg.Value(y))):
            same(data(op(name)(a, b)), on_floats(x, y))
        same(op(name)(x, y), on_floats(x, y))


@binary
def test_binary_at_special_points_is_the_same_on_scalars_and_arrays(name: str) -> None:
    x, y = (a.ravel() for a in np.meshgrid(SPECIAL, SPECIAL))
    if name == "power":  # C and NumPy have two minds about (-inf) ** 0.5
        keep = ~((x == -INF) & (y == 0.5))
        x, y = x[keep], y[keep]
    with np.errstate(all="ignore"):
        expected = BINARY[name][0](x, y)
        on_array = data(op(name)(tg.Value(x), tg.Value(y)))
    both = [data(op(name)(tg.Value(a), tg.Value(b))) for a, b in zip(x, y, strict=True)]
    first = [data(op(name)(tg.Value(a), float(b))) for a, b in zip(x, y, strict=True)]
    second = [data(op(name)(float(a), tg.Value(b))) for a, b in zip(x, y, strict=True)]
    bare = [op(name)(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    np.testing.assert_array_equal(on_array, expected)
    for found in (both, first, second, bare):
        np.testing.assert_allclose(found, expected, rtol=1e-15, atol=1e-300)


@binary
def test_a_python_number_does_not_widen_float32(name: str) -> None:
    x = np.array([1.5, 2.5], np.float32)
    for out in (op(name)(tg.Value(x), 2), op(name)(tg.Value(x), 0.75), op(name)(0.75, tg.Value(x))):
        assert out.dtype == np.float32
    assert op(name)(tg.Value(x), x.astype(np.float64)).dtype == np.float64


@pytest.mark.parametrize("name", ["add", "power", "maximum"])
def test_operands_that_do_not_broadcast_are_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"could not be broadcast together with shapes \(2,\) \(3,\)"
    ):
        op(name)(tg.Value(np.ones(2)), np.ones(3))


@pytest.mark.parametrize(
    ("bad", "came"),
    [
        ("two", "'two' of type str"),
        (None, "NoneType"),
        ({}, "dict"),
        ([None], "list"),
        (10**400, "int"),
    ],
)
@pytest.mark.parametrize("name", ["exp", "relu", "erf", "leaky_relu"])
def test_what_is_not_a_number_is_refused(name: str, bad: Any, came: str) -> None:
    with pytest.raises(
        TypeError, match=f"^{name} takes numbers, arrays and Values, and {came} came$"
    ):
        op(name)(bad)


@pytest.mark.parametrize("x", [2.0, np.array([1.0, 2.0])], ids=["scalar", "array"])
@pytest.mark.parametrize("z", [1j, np.array([1j, 2.0])], ids=["scalar", "array"])
def test_complex_constants_do_not_meet_values(x: Any, z: Any) -> None:
    v = tg.Value(x)
    for name in ("add", "multiply", "power"):
        for a, b in ((v, z), (z, v)):
            with pytest.raises(
                TypeError, match=f"{name} of a Value takes real numbers, and complex"
            ):
                op(name)(a, b)
    with pytest.raises(TypeError, match="multiply of a Value takes real numbers"):
        v * z


@pytest.mark.parametrize(
    "name", ["exp", "sin", "sqrt", "sigmoid", "softplus", "log_sigmoid", "norm", "var", "softmax"]
)
def test_bare_complex_arrays_go_through_analytic_ops(name: str) -> None:
    x = np.array([0.5, 1.5])
    out = op(name)(x + 1e-30j)
    assert np.iscomplexobj(out)
    np.testing.assert_allclose(np.real(out), op(name)(x), rtol=1e-15)


def test_lists_of_values_are_refused_by_elementwise_ops_with_the_rewrite() -> None:
    with pytest.raises(TypeError, match=r"exp got a list that holds Values: use tg\.stack"):
        tg.exp([tg.Value(1.0), tg.Value(2.0)])


# ------------------------------------------------------------------- ops with parameters


@pytest.mark.parametrize("slope", [0.01, 0.3, 0, -1])
@float_dtypes
def test_leaky_relu_and_elu_with_parameters(slope: float, dtype: Any) -> None:
    x = np.array([-2.0, -0.5, 0.0, 0.5, 2.0], dtype)
    leaky, elu = tg.leaky_relu(x, slope), tg.elu(x, slope)
    same(leaky, np.where(x > 0, x, slope * x))
    same(elu, np.where(x > 0, x, slope * np.expm1(x)))
    assert leaky.dtype == elu.dtype == dtype
    for xi in x.tolist():
        same(data(tg.leaky_relu(tg.Value(xi), slope)), xi if xi > 0 else slope * xi)
        same(data(tg.elu(tg.Value(xi), slope)), slope * math.expm1(xi) if xi < 0 else xi)


@pytest.mark.parametrize(
    ("low", "high"), [(-1, 1), (None, 0.5), (-0.5, None), (0.5, 0.5), (-INF, INF), (0, 2)]
)
@float_dtypes
def test_clip(low: float | None, high: float | None, dtype: Any) -> None:
    x = np.array([-2.0, -0.5, 0.0, 0.5, 2.0, INF, -INF, NAN], dtype)
    expected = np.clip(x, low, high)
    for out in (tg.clip(x, low, high), data(tg.clip(tg.Value(x), low=low, high=high))):
        np.testing.assert_array_equal(out, expected)
        assert out.dtype == dtype
    for xi, ei in zip(x.tolist(), expected.tolist(), strict=True):
        np.testing.assert_array_equal(data(tg.clip(tg.Value(xi), low, high)), ei)


@pytest.mark.parametrize(
    ("bounds", "error", "message"),
    [
        ((None, None), ValueError, "low and high are both None: clip needs at least one bound"),
        ((1, -1), ValueError, r"low=1\.0 lies above high=-1\.0"),
        (([0.0], 1), TypeError, r"low has to be a number, and list came: tg\.maximum and"),
        ((0, np.ones(2)), TypeError, r"high has to be a number, and an array of dtype float64"),
        ((None, tg.Value(1.0)), TypeError, r"high has to be a number, and Value came"),
    ],
)
def test_clip_refuses_bounds(bounds: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tg.clip(tg.Value([1.0, 2.0]), *bounds)


@float_dtypes
@few
@given(
    shapes=strategies.broadcast_shapes(),
    more=strategies.broadcast_shapes(max_dims=1),
    seed=st.integers(0, 99),
)
def test_where(dtype: Any, shapes: Any, more: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=s).astype(dtype) for s in shapes)
    common = np.broadcast_shapes(x.shape, y.shape)
    condition = rng.random(common[-1:] if seed % 2 else ()) < 0.5
    expected = np.where(condition, x, y)
    for out in (tg.where(condition, x, y), data(tg.where(condition, tg.Value(x), y))):
        assert np.shape(out) == expected.shape
        np.testing.assert_array_equal(out, expected)
        if expected.ndim and x.ndim and y.ndim:
            assert out.dtype == dtype


def test_where_takes_a_value_as_condition_by_its_truth() -> None:
    v = tg.Value([0.0, 1.0, -1.0])
    np.testing.assert_array_equal(tg.where(v, 1.0, 2.0), [2.0, 1.0, 1.0])
    assert tg.where(tg.Value(0.0), 1.0, 2.0) == 2.0
    np.testing.assert_array_equal(data(tg.where([True, False, True], v, 9.0)), [0.0, 9.0, -1.0])


def test_where_copies_its_condition() -> None:
    mask = np.array([True, False])
    v = tg.Value([1.0, 2.0])
    out = tg.where(mask, v, 0.0).sum()
    mask[:] = False
    out.backward()
    np.testing.assert_array_equal(v.grad, [1.0, 0.0])


# -------------------------------------------------------------------------------- reductions


def logsumexp(x: NDArray[Any], axis: Any = None, keepdims: bool = False) -> Any:
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def euclid(x: NDArray[Any], axis: Any = None, keepdims: bool = False) -> Any:
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min,
    "var": np.var, "std": np.std, "logsumexp": logsumexp, "norm": euclid,
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
@few
@given(call=strategies.reduction_calls(min_side=1), dtype=st.sampled_from([np.float64, np.float32]))
def test_reductions_over_all_axes_some_or_one(name: str, call: Any, dtype: Any) -> None:
    x, axis, keepdims = call
    x = x.astype(dtype)
    expected = np.asarray(REDUCTIONS[name](x, axis=axis, keepdims=keepdims))
    for out in (
        op(name)(x, axis=axis, keepdims=keepdims),
        data(op(name)(tg.Value(x), axis=axis, keepdims=keepdims)),
    ):
        assert np.shape(out) == expected.shape
        assert type(out) is (float if expected.ndim == 0 else np.ndarray)
        if expected.ndim:
            assert np.asarray(out).dtype == dtype
        eps = float(np.finfo(dtype).eps)
        np.testing.assert_allclose(out, expected, rtol=30 * eps, atol=10 * eps)


@pytest.mark.parametrize("name", ["sum", "prod", "logsumexp", "norm"])
@few
@given(call=strategies.reduction_calls(min_side=0))
def test_reductions_over_nothing_are_the_neutral_element(name: str, call: Any) -> None:
    x, axis, keepdims = call
    expected = np.asarray(REDUCTIONS[name](x, axis=axis, keepdims=keepdims))
    out = data(op(name)(tg.Value(x), axis=axis, keepdims=keepdims))
    assert np.shape(out) == expected.shape
    np.testing.assert_allclose(out, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("x", [2.5, [1.0, 4.0], [[1, 2], [3, 4]], np.array([True, False])])
def test_reductions_take_numbers_lists_and_integers(name: str, x: Any) -> None:
    out = op(name)(x)
    assert type(out) is float
    assert out == pytest.approx(float(REDUCTIONS[name](np.asarray(x, dtype=float))), rel=1e-15)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_list_of_values_is_stacked(name: str) -> None:
    values = [tg.Value(1.0), 4.0, tg.Value(2.0)]
    out = op(name)(values)
    assert data(out) == pytest.approx(op(name)([1.0, 4.0, 2.0]), rel=1e-15)
    rows = op(name)([[tg.Value(1.0), 2.0], [3.0, 4.0]], axis=0)
    np.testing.assert_allclose(data(rows), op(name)(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0))


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("ddof", [0, 1, 0.5])
def test_var_and_std_with_ddof(name: str, ddof: float) -> None:
    x = np.random.default_rng(5).normal(size=(3, 4))
    for axis in (None, 0, -1, (0, 1)):
        expected = getattr(np, name)(x, axis=axis, ddof=ddof)
        np.testing.assert_allclose(op(name)(x, axis, ddof), expected, rtol=1e-14)
        np.testing.assert_allclose(getattr(np, name)(tg.Value(x), axis, ddof=ddof).data, expected)


def test_var_is_exact_far_from_zero() -> None:
    x = np.array([1e8 + 1, 1e8 + 2, 1e8 + 3])
    assert tg.var(x) == pytest.approx(2 / 3, rel=1e-15)
    assert tg.std(x.astype(np.float32) * 0 + np.float32(1e8)) == 0.0


@pytest.mark.parametrize("order", [None, 2, 1, INF, "fro"])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_norms_of_vectors(order: Any, axis: Any) -> None:
    x = np.random.default_rng(6).normal(size=7 if axis is None else (3, 4))
    if order == "fro":
        assert tg.norm(x, order) == pytest.approx(np.linalg.norm(x), rel=1e-15)
        return
    expected = np.linalg.norm(x, order, axis)
    np.testing.assert_allclose(tg.norm(x, order, axis), expected, rtol=1e-15)
    np.testing.assert_allclose(data(tg.norm(tg.Value(x), order, axis)), expected, rtol=1e-15)


def test_norm_of_a_matrix_is_frobenius() -> None:
    x = np.random.default_rng(7).normal(size=(3, 4))
    for out in (tg.norm(x), tg.norm(x, "fro"), tg.norm(x, axis=(0, 1)), tg.norm(x, 2, (1, 0))):
        assert out == pytest.approx(np.linalg.norm(x, "fro"), rel=1e-15)


def test_norm_neither_overflows_nor_vanishes() -> None:
    assert tg.norm([3e200, 4e200]) == pytest.approx(5e200)
    assert tg.norm([3e-200, 4e-200]) == pytest.approx(5e-200)
    assert tg.norm([INF, 1.0]) == INF
    assert math.isnan(tg.norm([NAN, 1.0]))


@pytest.mark.parametrize(
    ("shape", "order", "axis"),
    [((2, 2), 2, None), ((2, 2), 1, None), ((3,), 3, None), ((2, 2), "nuc", None), ((3,), 0, None),
     ((2, 2), INF, (0, 1)), ((3,), -1, None)],
)  # fmt: skip
def test_other_norms_are_refused(shape: Any, order: Any, axis: Any) -> None:
    with pytest.raises(ValueError, match=f"ord={order!r} with axis=.*: norm knows the Euclidean"):
        tg.norm(tg.Value(np.ones(shape)), order, axis)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize(
    ("axis", "error", "message"),
    [
        (2, ValueError, r"axis=2 is out of range for an array with 2 axes"),
        (-3, ValueError, r"axis=-3 is out of range for an array with 2 axes"),
        ((0, -2), ValueError, r"axis=\(0, -2\) names an axis twice"),
        ("rows", TypeError, r"axis has to be an int or a tuple of ints, not 'rows'"),
        (1.0, TypeError, r"axis has to be an int or a tuple of ints, not 1\.0"),
    ],
)
def test_reductions_refuse_axes(name: str, axis: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{name}: {message}$"):
        op(name)(tg.Value(np.ones((2, 3))), axis=axis)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_of_nothing_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="zero-size array"):
        op(name)(tg.Value(np.ones((0, 2))), axis=0)
    assert op(name)(tg.Value(np.ones((0, 2))), axis=1).shape == (0,)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (3, 0), (1, 1)], ids=str)
def test_cumulative_ops(axis: int | None, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(8).normal(size=shape)
    for name in ("cumsum", "cumprod"):
        expected = getattr(np, name)(x, axis=axis)
        np.testing.assert_array_equal(op(name)(x, axis), expected)
        np.testing.assert_array_equal(data(op(name)(tg.Value(x), axis)), expected)
        assert op(name)(x.astype(np.float32), axis).dtype == np.float32
    np.testing.assert_array_equal(tg.sort(x, axis), np.sort(x, axis=axis))
    np.testing.assert_array_equal(data(tg.sort(tg.Value(x), axis)), np.sort(x, axis=axis))


def test_cumulative_ops_of_scalars() -> None:
    for name in ("cumsum", "cumprod", "sort"):
        np.testing.assert_array_equal(data(op(name)(tg.Value(2.0), axis=None)), [2.0])
        with pytest.raises(
            ValueError, match=f"^{name}: axis=0 is out of range for an array with 0"
        ):
            op(name)(tg.Value(2.0), axis=0)


def test_sort_puts_nan_last_and_keeps_the_order_of_equals() -> None:
    x = tg.Value([NAN, 2.0, 1.0, 2.0])
    out = tg.sort(x)
    np.testing.assert_array_equal(data(out), [1.0, 2.0, 2.0, NAN])
    out.backward(np.array([1.0, 10.0, 100.0, 1000.0]))
    np.testing.assert_array_equal(x.grad, [1000.0, 10.0, 1.0, 100.0])


# ----------------------------------------------------------------------------------- softmax


@pytest.mark.parametrize("axis", [0, -1, (0, 1), (-1,)])
@float_dtypes
def test_softmax_and_log_softmax(axis: Any, dtype: Any) -> None:
    x = np.random.default_rng(9).normal(size=(3, 4)).astype(dtype)
    e = np.exp(x)
    expected = e / e.sum(axis=axis, keepdims=True)
    eps = float(np.finfo(dtype).eps)
    for out in (tg.softmax(x, axis), data(tg.softmax(tg.Value(x), axis))):
        np.testing.assert_allclose(out, expected, rtol=8 * eps)
        assert out.dtype == dtype
    for out in (tg.log_softmax(x, axis), data(tg.log_softmax(tg.Value(x), axis))):
        np.testing.assert_allclose(out, np.log(expected), rtol=8 * eps, atol=8 * eps)
        assert out.dtype == dtype


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2)], ids=str)
def test_softmax_of_nothing_is_nothing(shape: tuple[int, ...]) -> None:
    for function in (tg.softmax, tg.log_softmax):
        assert function(np.zeros(shape)).shape == shape
        assert function(tg.Value(np.zeros(shape)), 0).shape == shape


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_a_scalar_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} needs an array with at least one axis"):
        op(name)(tg.Value(1.0))
    with pytest.raises(ValueError, match=f"^{name}: axis=2 is out of range"):
        op(name)([[1.0]], 2)


@float_dtypes
def test_softmax_cross_entropy_is_log_softmax_at_the_label(dtype: Any) -> None:
    x = np.random.default_rng(10).normal(size=(5, 3)).astype(dtype)
    labels = np.array([0, 2, 1, 1, 0])
    expected = -tg.log_softmax(x)[np.arange(5), labels]
    for y in (labels, labels.astype(np.uint8), labels.tolist()):
        out = data(tg.softmax_cross_entropy(tg.Value(x), y))
        np.testing.assert_allclose(out, expected, rtol=4e-6 if dtype == np.float32 else 1e-14)
        assert out.dtype == dtype
    assert tg.softmax_cross_entropy(np.zeros((0, 3)), np.zeros(0, int)).shape == (0,)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.ones(3), [0], r"logits have to have shape \(N, C\), not \(3,\)"),
        (
            np.ones((2, 3)),
            [0],
            r"labels have shape \(1,\); for logits \(2, 3\) it has to be \(2,\)",
        ),
        (np.ones((2, 3)), [0.0, 1.0], r"labels have to be integers .*, not float64"),
        (np.ones((2, 3)), [0, 3], r"labels have to lie in 0\.\.2 for 3 classes, and 0\.\.3 came"),
        (np.ones((2, 3)), [-1, 0], r"labels have to lie in 0\.\.2 for 3 classes, and -1\.\.0 came"),
    ],
)
def test_softmax_cross_entropy_refuses(logits: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tg.softmax_cross_entropy(logits, labels)


# ------------------------------------------------------------------------------------ shapes


SHAPE_CALLS: dict[str, list[tuple[tuple[int, ...], tuple[Any, ...]]]] = {
    "reshape": [((2, 3), ((3, 2),)), ((2, 3), (-1,)), ((2, 3), ((2, -1, 1),)), ((0, 3), ((3, 0),)),
                ((), ((1, 1),)), ((1,), ((),))],
    "ravel": [((2, 3), ()), ((), ()), ((0, 2), ())],
    "transpose": [((2, 3), ()), ((2, 3, 4), ((2, 0, 1),)), ((2, 3, 4), ((-1, 0, 1),)), ((), ()),
                  ((3,), ()), ((0, 2), ())],
    "swapaxes": [((2, 3, 4), (0, 2)), ((2, 3, 4), (-1, -2)), ((2, 3), (1, 1)), ((0, 3), (0, 1))],
    "moveaxis": [((2, 3, 4), (0, -1)), ((2, 3, 4), ((0, 1), (-1, 0))), ((2, 3, 4), ([2], [0]))],
    "expand_dims": [((2, 3), (0,)), ((2, 3), (-1,)), ((2, 3), ((0, 2),)), ((), (0,))],
    "squeeze": [((1, 3, 1), ()), ((1, 3, 1), (0,)), ((1, 3, 1), ((0, -1),)), ((1, 1), ()),
                ((0, 1), ())],
    "broadcast_to": [((3, 1), ((2, 3, 4),)), ((), ((2,),)), ((1,), (3,)), ((1, 0), ((2, 0),)),
                     ((3,), ((3,),)), ((), ((),))],
    "flip": [((2, 3), ()), ((2, 3), (0,)), ((2, 3), ((0, -1),)), ((), ()), ((0,), ())],
    "roll": [((2, 3), (1,)), ((2, 3), (-4, 1)), ((2, 3), ((1, 2), (0, 1))), ((), (3,)),
             ((2, 3), (2, (0, 1))), ((0, 2), (1, 1))],
    "tile": [((2, 3), (2,)), ((2, 3), ((2, 1),)), ((2,), ((2, 2, 1),)), ((), (3,)), ((2, 3), (0,)),
             ((2, 3), ((1, 0, 2),))],
    "repeat": [((2, 3), (2,)), ((2, 3), (2, 1)), ((2, 3), ([1, 0, 2], -1)), ((), (3,)),
               ((2, 3), (0, 0)), ((2, 3), (np.array([0, 3]), 0))],
    "diagonal": [((3, 3), ()), ((2, 4), (1,)), ((4, 2), (-2,)), ((2, 3, 4), (0, 1, 2)),
                 ((2, 3, 4), (1, -1, 0)), ((3, 3), (5,))],
    "trace": [((3, 3), ()), ((2, 4), (1,)), ((2, 3, 4), (0, 1, 2)), ((0, 0), ())],
    "take": [((2, 3), ([0, 5, -1],)), ((2, 3), (1, 0)), ((2, 3), ([[0, 2], [2, -3]], 1)),
             ((2, 3), ([0], -2)), ((4,), (np.array(2),)), ((), (0,))],
    "take_along_axis": [((2, 3), (np.array([[0, 0], [2, -1]]), 1)), ((2, 3), (np.array([[1]]), 1)),
                        ((2, 3), (np.array([[0, 1, 1]]), 0)), ((2, 3), (np.array([4, 0]), None)),
                        ((1, 3), (np.array([[0], [2]]), 1))],
    "pad": [((2, 3), (1,)), ((2, 3), ((1, 2),)), ((2, 3), (((0, 1), (2, 0)),)), ((), (2,)),
            ((2, 3), (((1,), (2,)),)), ((0,), (2,))],
    "split": [((4, 3), (2,)), ((4, 3), ([1, 3],)), ((4, 3), (3, 1)), ((4,), ([2, 2, 9],)),
              ((4,), ([-1],)), ((4, 3), ([1], -1)), ((0, 2), (3,))],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shape", "rest"),
    [(n, s, r) for n, calls in SHAPE_CALLS.items() for s, r in calls],
    ids=lambda x: str(x).replace("\n", ""),
)
@float_dtypes
def test_shape_ops_are_what_numpy_gives(
    name: str, shape: tuple[int, ...], rest: tuple[Any, ...], dtype: Any
) -> None:
    x = np.random.default_rng(11).normal(size=shape).astype(dtype)
    expected = getattr(np, name)(x, *rest)
    raw = op(name)(x if shape else float(x), *rest)
    tracked = op(name)(tg.Value(x), *rest)
    if name == "split":
        assert isinstance(raw, list)
        assert isinstance(tracked, list)
    else:
        expected, raw, tracked = [expected], [raw], [tracked]
    for e, r, t in zip(expected, raw, tracked, strict=True):
        for out in (r, data(t)):
            assert np.shape(out) == np.shape(e)
            assert type(out) is (float if np.ndim(e) == 0 else np.ndarray)
            np.testing.assert_allclose(out, e, rtol=1e-6 if name == "trace" else 0)
            if np.ndim(e) and shape:
                assert np.asarray(out).dtype == dtype


def test_method_forms_of_reshape_and_transpose() -> None:
    v = tg.Value(np.arange(6.0).reshape(1, 2, 3))
    assert v.reshape(3, 2).shape == v.reshape((3, 2)).shape == v.reshape([3, 2]).shape == (3, 2)
    assert v.reshape(-1).shape == (6,)
    assert v.transpose(2, 0, 1).shape == v.transpose((2, 0, 1)).shape == (3, 1, 2)
    assert v.T.shape == v.transpose().shape == (3, 2, 1)
    np.testing.assert_array_equal(v.T.data, np.arange(6.0).reshape(1, 2, 3).T)


@pytest.mark.parametrize("constant", [0.0, 2.5, -INF])
def test_pad_with_a_constant(constant: float) -> None:
    x = np.array([[1.0, 2.0]])
    expected = np.pad(x, ((1, 0), (0, 2)), constant_values=constant)
    for out in (tg.pad(x, ((1, 0), (0, 2)), constant_values=constant),
                data(tg.pad(tg.Value(x), ((1, 0), (0, 2)), "constant", constant))):  # fmt: skip
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", ["float16", np.float32, np.dtype(np.float64)])
def test_astype(dtype: Any) -> None:
    x = np.array([0.1, 2.0])
    out = data(tg.Value(x).astype(dtype))
    assert out.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(out, x.astype(dtype))
    assert data(tg.astype(tg.Value(0.1), dtype)) == float(np.asarray(0.1).astype(dtype))
    np.testing.assert_array_equal(tg.astype([1.7], int), [1])


@pytest.mark.parametrize("dtype", [int, bool, complex, "longdouble", object])
def test_astype_refuses_what_carries_no_derivative(dtype: Any) -> None:
    if np.dtype(dtype).itemsize == 8 and np.dtype(dtype).kind == "f":
        return  # a platform without longer floats
    with pytest.raises(TypeError, match="cannot carry a derivative: use float16, float32 or"):
        tg.Value([1.0]).astype(dtype)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
@float_dtypes
def test_concatenate_and_stack(axis: int | None, dtype: Any) -> None:
    rng = np.random.default_rng(12)
    a, b = rng.normal(size=(2, 3)).astype(dtype), rng.normal(size=(2, 3)).astype(dtype)
    for parts in ([a, tg.Value(b)], [tg.Value(a), tg.Value(b)], (tg.Value(a), b)):
        out = data(tg.concatenate(parts, axis=axis))
        np.testing.assert_array_equal(out, np.concatenate([a, b], axis=axis))
        assert out.dtype == dtype
        if axis is not None:
            np.testing.assert_array_equal(data(tg.stack(parts, axis)), np.stack([a, b], axis))
    np.testing.assert_array_equal(tg.concatenate([a, b], axis), np.concatenate([a, b], axis))


def test_concatenate_of_unequal_and_empty_parts() -> None:
    a, b = np.ones((2, 3)), np.zeros((0, 3))
    np.testing.assert_array_equal(data(tg.concatenate([tg.Value(a), b, a[:1]])), np.ones((3, 3)))
    assert data(tg.concatenate([tg.Value([1.0]), [2, 3]])).tolist() == [1.0, 2.0, 3.0]
    assert data(tg.concatenate([tg.Value(1.0), [2.0]], axis=None)).tolist() == [1.0, 2.0]
    assert data(tg.concatenate([*tg.Value([[1.0], [2.0]])])).tolist() == [1.0, 2.0]
    assert data(tg.stack([tg.Value(1.0), 2, np.float32(3.0)])).tolist() == [1.0, 2.0, 3.0]
    assert tg.stack([[1.0, 2.0], [3.0, 4.0]], axis=-1).tolist() == [[1.0, 3.0], [2.0, 4.0]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda v: tg.reshape(v, (4, 2)), ValueError, "cannot reshape array of size 6"),
        (lambda v: tg.transpose(v, (0,)), ValueError, r"axes=\(0,\) has to name each of the 2 axes once"),
        (lambda v: tg.transpose(v, (0, 0)), ValueError, r"transpose: axis=\(0, 0\) names an axis twice"),
        (lambda v: tg.swapaxes(v, 0, 2), ValueError, "swapaxes: axis=2 is out of range"),
        (lambda v: tg.moveaxis(v, (0, 1), 0), ValueError, r"source=\(0, 1\) and destination=0 differ in"),
        (lambda v: tg.moveaxis(v, 5, 0), ValueError, "moveaxis: axis=5 is out of range"),
        (lambda v: tg.expand_dims(v, 5), np.exceptions.AxisError, "out of bounds"),
        (lambda v: tg.squeeze(v, 0), ValueError, "size not equal to one"),
        (lambda v: tg.broadcast_to(v, (2, 4)), ValueError, "could not be broadcast"),
        (lambda v: tg.flip(v, 3), ValueError, "flip: axis=3 is out of range"),
        (lambda v: tg.pad(v, 1, mode="reflect"), ValueError, "mode='reflect': pad knows 'constant' alone"),
        (lambda v: tg.pad(v, -1), ValueError, "pad_width has to hold integers of 0 or more, not -1"),
        (lambda v: tg.pad(v, 1.5), ValueError, "pad_width has to hold integers of 0 or more, not 1.5"),
        (lambda v: tg.concatenate([]), ValueError, "parts is empty: concatenate needs at least one"),
        (lambda v: tg.concatenate([v, 1.0]), ValueError, r"parts hold a scalar: scalars are joined by tg\.stack"),
        (lambda v: tg.concatenate([v], 2), ValueError, "concatenate: axis=2 is out of range"),
        (lambda v: tg.concatenate([v, np.ones((2, 4))]), ValueError, "must match exactly"),
        (lambda v: tg.stack([]), ValueError, r"parts have the shapes \[\]: stack needs one shape"),
        (lambda v: tg.stack([v, 1.0]), ValueError, r"parts have the shapes \[\(\), \(2, 3\)\]: stack needs one"),
        (lambda v: tg.stack([v], 3), ValueError, "stack: axis=3 is out of range"),
        (lambda v: tg.split(v, 2, 1), ValueError, "sections=2 does not divide length 3 of axis 1"),
        (lambda v: tg.split(v, 0), ValueError, "sections=0 does not divide"),
        (lambda v: tg.split(v, 1, 2), ValueError, "split: axis=2 is out of range"),
        (lambda v: tg.repeat(v, 2, 2), ValueError, "repeat: axis=2 is out of range"),
        (lambda v: tg.take(v, [0], 2), ValueError, "take: axis=2 is out of range"),
        (lambda v: tg.take(v, 9), IndexError, "out of bounds"),
        (lambda v: tg.take(v, [0.0]), TypeError, "take: indices have to be integers, not float64"),
        (lambda v: tg.take(v, [True]), TypeError, r"not bool; write x\[mask\] for a mask"),
        (lambda v: tg.take_along_axis(v, [[0.5]], 0), TypeError, "take_along_axis: indices have to be"),
        (lambda v: tg.take_along_axis(v, [0], 0), ValueError, "indices have 1 axes, and x has 2: they have"),
        (lambda v: tg.take_along_axis(v, [[0]], 2), ValueError, "take_along_axis: axis=2 is out of"),
        (lambda v: tg.diagonal(v[0]), ValueError, "diag requires an array of at least two dimensions"),
        (lambda v: tg.cumsum(v, 2), ValueError, "cumsum: axis=2 is out of range"),
    ],
)  # fmt: skip
def test_shape_ops_refuse(call: Callable[[tg.Value], Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(tg.Value(np.ones((2, 3))))
