"""The derivative of each op: by every route, against numbers and against each other.

The routes are reverse mode, forward mode, each of them while a derivative is recorded, central
differences, and the complex step.  The comparison itself is tested on faulty rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numeric_derivatives import (
    Problem,
    check_gradients,
    gradients,
    numeric_direction,
    numeric_gradients,
    objection,
)

import tinygrad_lecture as tg
from tinygrad_lecture.engine import TABLE

SEEDS = (0, 1, 2)

rows = pytest.mark.parametrize("name", sorted(TABLE))
seeds = pytest.mark.parametrize("seed", SEEDS)

# ------------------------------------------------ more points than one sample of a row reaches

MORE: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "abs": [((np.array([-1.5, 1.5]),), {}), ((-0.5,), {})],
    "sign": [((np.array([-1.5, 1.5]),), {}), ((-0.5,), {})],
    "relu": [((np.array([-1.5, 1.5]),), {}), ((-0.5,), {}), ((0.5,), {})],
    "leaky_relu": [((np.array([-1.5, 1.5]),), {}), ((-0.5,), {"slope": 0.2}), ((0.5,), {"slope": 0.2})],
    "elu": [((np.array([-1.5, 1.5]),), {}), ((-0.5,), {"alpha": 0.7}), ((0.5,), {"alpha": 0.7})],
    "clip": [((np.array([-1.5, 0.2, 1.5]), -1, 1), {}), ((np.array([-1.5, 0.2]), 0), {}),
             ((0.3, None, 1), {}), ((2.0, None, 1), {})],
    "maximum": [((np.array([1.0, 2.0]), np.array([2.0, 1.0])), {}), ((0.5, 1.5), {}), ((1.5, 0.5), {})],
    "minimum": [((np.array([1.0, 2.0]), np.array([2.0, 1.0])), {}), ((0.5, 1.5), {}), ((1.5, 0.5), {})],
    "power": [((np.array([-1.5, -0.5]), np.array([[2], [3]])), {}), ((np.array([1.5, 0.5]), -2.5), {})],
    "mod": [((-2.5, 2.0), {}), ((np.array([-7.5, 7.5]), -2.0), {})],
    "floor_divide": [((-2.5, 2.0), {}), ((np.array([-7.5, 7.5]), -2.0), {})],
    "arctan2": [((x, y), {}) for x in (-1.0, 1.0) for y in (-0.5, 0.5)],
    "hypot": [((np.array([3.0, -3.0]), np.array([[4.0], [-0.1]])), {})],
    "cbrt": [((np.array([-2.0, 2.0]),), {})],
    "reciprocal": [((np.array([-2.0, 2.0]),), {})],
    "log1p": [((np.array([-0.5, 2.0]),), {})],
    "sigmoid": [((np.array([-8.0, 8.0]),), {}), ((-8.0,), {}), ((8.0,), {})],
    "softplus": [((np.array([-8.0, 8.0]),), {}), ((-8.0,), {}), ((8.0,), {})],
    "log_sigmoid": [((np.array([-8.0, 8.0]),), {}), ((-8.0,), {}), ((8.0,), {})],
    "where": [((False, 1.5, 2.5), {}), ((True, np.ones(3), 2.5), {}),
              ((np.array([[True], [False]]), 1.5, np.ones((1, 3))), {})],
    "sum": [((2.5,), {}), ((2.5,), {"keepdims": True})],
    "mean": [((2.5,), {})],
    "prod": [((2.5,), {}), ((np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [2.0, 3.0, 4.0]]),), {"axis": 1})],
    "max": [((2.5,), {})],
    "min": [((2.5,), {})],
    "var": [((np.arange(5.0) ** 2,), {"ddof": 1}), ((np.arange(6.0).reshape(2, 3),), {"axis": 1, "ddof": 1})],
    "std": [((np.arange(5.0) ** 2,), {"ddof": 1}), ((np.array([[0.0, 1.0, 5.0]]),), {"axis": 1, "ddof": 0.5})],
    "norm": [((2.5,), {}), ((-2.5,), {}), ((np.array([3.0, -4.0]),), {"ord": 1}), ((np.array([3.0, -4.0]),), {"ord": math.inf})],
    "logsumexp": [((2.5,), {}), ((np.array([500.0, 501.0, -500.0]),), {})],
    "cumprod": [((np.array([2.0, 0.0, 3.0, 0.0, 5.0]),), {}), ((np.array([[2.0], [0.0], [3.0]]),), {"axis": 0})],
    "softmax_cross_entropy": [((np.array([[300.0, -300.0], [0.0, 1.0]]),), {"labels": [1, 1]})],
    "sort": [((np.array([3.0, 1.0, 2.0]),), {})],
    "broadcast_to": [((2.5, (2, 3)), {}), ((np.ones((1, 1)), (2, 3)), {})],
    "reshape": [((2.5, (1, 1)), {}), ((np.array([[2.5]]), ()), {})],
    "astype": [((np.array([1.5, 2.5]), np.float64), {}), ((1.5, np.float64), {})],
    "stack": [(([2.5, 3.5],), {}), (([np.ones(2), np.zeros(2)],), {"axis": -1})],
    "concatenate": [(([np.ones((2, 1)), np.ones((2, 3))],), {"axis": -1}),
                    (([np.ones((2, 1)), np.ones(3)],), {"axis": None})],
    "pad": [((np.ones((2, 2)), 1), {"constant_values": 3.0})],
    "split": [((np.arange(6.0), 3), {}), ((np.arange(6.0), [4, 2]), {})],
    "trace": [((np.arange(24.0).reshape(2, 3, 4), 1, 0, 2), {})],
    "diagonal": [((np.arange(24.0).reshape(2, 3, 4), -1, 2, 1), {})],
    "dot": [((2.0, np.ones(3)), {}), ((2.0, 3.0), {}), ((np.arange(3.0), np.arange(3.0)), {})],
}  # fmt: skip


def problems(name: str, call: Callable[..., Any] | None = None) -> list[Problem]:
    """Return calls of a row: some that it draws itself, and those above."""
    row = TABLE[name]
    drawn = [row.sample(np.random.default_rng(seed)) for seed in SEEDS]
    return [Problem(call or row.call, *c) for c in (*drawn, *MORE.get(name, []))]


def inner(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    return float(sum(np.sum(x * y) for x, y in zip(xs, ys, strict=True)))


def gradient_of(f: Callable[..., Any], n: int) -> Callable[..., list[Any]]:
    return lambda *operands: list(tg.grad(f, tuple(range(n)))(*operands))


# ------------------------------------------------------------------------------ first order


@rows
def test_reverse_mode_against_central_differences(name: str) -> None:
    for problem in problems(name):
        f = problem.weighted(problem.cotangents(np.random.default_rng(7)))
        found = gradients(f, problem.primals)
        assert objection(found, numeric_gradients(f, problem.primals)) == ""
        for x, g in zip(problem.primals, found, strict=True):
            assert type(g) is type(x)


@rows
def test_backward_gives_what_the_transforms_give(name: str) -> None:
    for problem in problems(name):
        f = problem.weighted(problem.cotangents(np.random.default_rng(7)))
        leaves = [tg.Value(x) for x in problem.primals]
        f(*leaves).backward()
        for leaf, g in zip(leaves, gradients(f, problem.primals), strict=True):
            np.testing.assert_array_equal(leaf.grad, g)


@rows
def test_forward_mode_equals_reverse_mode(name: str) -> None:
    rng = np.random.default_rng(8)
    for problem in problems(name):
        cotangents, tangents = problem.cotangents(rng), problem.tangents(rng)
        outputs, pushed = tg.jvp(problem, problem.primals, tangents)
        _, pullback = tg.vjp(problem, *problem.primals)
        pulled = pullback(cotangents)
        for out, t in zip(outputs, pushed, strict=True):
            assert np.shape(out) == np.shape(t)
            assert type(out) is type(t)
        scale = sum(float(np.sum(abs(x * t))) for x, t in zip(pulled, tangents, strict=True))
        assert abs(inner(cotangents, pushed) - inner(pulled, tangents)) <= 1e-13 * scale + 1e-13


@rows
def test_each_operand_alone_has_the_same_derivative(name: str) -> None:
    """An op may save work when an operand is a constant, and must not change what it says."""
    rng = np.random.default_rng(9)
    for problem in problems(name):
        cotangents, tangents = problem.cotangents(rng), problem.tangents(rng)
        f = problem.weighted(cotangents)
        together = gradients(f, problem.primals)
        for i, (x, t) in enumerate(zip(problem.primals, tangents, strict=True)):

            def alone(v: Any, i: int = i, problem: Problem = problem) -> list[Any]:
                return problem(*problem.primals[:i], v, *problem.primals[i + 1 :])

            g = tg.grad(f, i)(*problem.primals)
            np.testing.assert_allclose(g, together[i], rtol=1e-14, atol=1e-14)
            _, pushed = tg.jvp(alone, (x,), (t,))
            scale = float(np.sum(abs(g * t)))
            assert abs(inner(cotangents, pushed) - inner([g], [t])) <= 1e-13 * scale + 1e-13


@rows
def test_complex_step(name: str) -> None:
    """Where an op takes complex numbers, its derivative is known to the last digits."""
    row = TABLE[name]
    rng = np.random.default_rng(10)
    for problem in problems(name):
        tangents = problem.tangents(rng)
        leaves = [tg.Value(x) for x in problem.primals]
        tape = tg.Tape(problem(*leaves))
        step = 2.0**-100
        moved = {v: v._data + 1j * step * t for v, t in zip(leaves, tangents, strict=True)}
        if not row.analytic:
            with pytest.raises(TypeError, match=f"{name} is not analytic, so it takes no complex"):
                tape.replay(moved)
            continue
        if problem.kwargs.get("ord") == math.inf:
            continue  # the norm of that order is a maximum
        _, pushed = tg.jvp(problem, problem.primals, tangents)
        for out, t in zip(tape.replay(moved), pushed, strict=True):
            np.testing.assert_allclose(np.imag(out) / step, t, rtol=1e-11, atol=1e-12)


# ----------------------------------------------------------------------------- second order


@rows
def test_second_derivatives_by_three_routes(name: str) -> None:
    rng = np.random.default_rng(11)
    for problem in problems(name):
        tangents = problem.tangents(rng)
        f = problem.curved(problem.cotangents(rng))
        gradient = gradient_of(f, len(problem.primals))

        by_reverse = tg.vjp(gradient, *problem.primals)[1](tangents)
        _, by_forward = tg.jvp(gradient, problem.primals, tangents)
        numeric = numeric_direction(gradient, problem.primals, tangents)

        assert objection(by_reverse, numeric, rtol=1e-5) == ""
        for r, t in zip(by_reverse, by_forward, strict=True):
            scale = float(np.max(np.abs(r), initial=1.0))
            np.testing.assert_allclose(r, t, rtol=1e-10, atol=1e-12 * scale)


@pytest.mark.parametrize("name", sorted(n for n, row in TABLE.items() if row.kind != "composed"))
def test_a_recorded_gradient_equals_a_plain_one(name: str) -> None:
    for problem in problems(name):
        f = problem.weighted(problem.cotangents(np.random.default_rng(12)))
        n = len(problem.primals)
        recorded = gradient_of(f, n)(*(tg.Value(x) for x in problem.primals))
        for g, r in zip(gradient_of(f, n)(*problem.primals), recorded, strict=True):
            assert isinstance(r, tg.Value)
            assert r.shape == np.shape(g)
            np.testing.assert_allclose(r._data, g, rtol=1e-13, atol=1e-14)


@rows
def test_a_recorded_tangent_equals_a_plain_one(name: str) -> None:
    rng = np.random.default_rng(13)
    for problem in problems(name):
        tangents = problem.tangents(rng)
        _, pushed = tg.jvp(problem, problem.primals, tangents)
        _, recorded = tg.jvp(problem, [tg.Value(x) for x in problem.primals], tangents)
        for t, r in zip(pushed, recorded, strict=True):
            assert isinstance(r, tg.Value)
            assert r.shape == np.shape(t)
            np.testing.assert_allclose(r._data, t, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    "name", ["exp", "tanh", "sigmoid", "power", "divide", "softmax", "prod", "logsumexp", "matmul"]
)
def test_third_derivatives(name: str) -> None:
    problem = problems(name)[0]
    rng = np.random.default_rng(14)
    tangents = problem.tangents(rng)
    f = problem.curved(problem.cotangents(rng))

    def second(*operands: Any) -> list[Any]:
        gradient = gradient_of(f, len(operands))
        return list(tg.vjp(gradient, *operands)[1](tangents))

    third = tg.vjp(second, *problem.primals)[1](tangents)
    assert objection(third, numeric_direction(second, problem.primals, tangents), 1e-4) == ""


# ------------------------------------------------------------------------- the tester tested


@rows
def test_a_derivative_off_by_a_thousandth_is_objected_to(name: str) -> None:
    faulty = TABLE[name].with_scaled_derivative(1.001)
    for good, bad in zip(problems(name), problems(name, faulty.call), strict=True):
        if good.kwargs.get("ord") is not None:
            continue  # these norms are sums and maxima of other rows
        cotangents = good.cotangents(np.random.default_rng(7))
        f, g = good.weighted(cotangents), bad.weighted(cotangents)
        numeric = numeric_gradients(f, good.primals)
        assert objection(gradients(f, good.primals), numeric) == ""
        found = gradients(g, good.primals)
        shifts = set(TABLE[name].derivatives) == {"0.0"}
        for i, n in enumerate(numeric):  # each operand on its own
            flat = not np.any(np.abs(n) > 1e-9) and not shifts
            assert (objection([found[i]], [n]) == "") is flat
            if flat:
                assert len(numeric) > 1 or name in MORE


@rows
def test_a_scaled_row_is_wrong_in_forward_mode_too(name: str) -> None:
    faulty = TABLE[name].with_scaled_derivative(1.001)
    rng = np.random.default_rng(15)
    good, bad = problems(name)[0], problems(name, faulty.call)[0]
    tangents = good.tangents(rng)
    _, right = tg.jvp(good, good.primals, tangents)
    _, wrong = tg.jvp(bad, good.primals, tangents)
    for r, w in zip(right, wrong, strict=True):
        if name == "floor_divide":
            continue
        difference = np.asarray(w) - 1.001 * np.asarray(r)
        if name != "sign":
            np.testing.assert_allclose(difference, 0, atol=1e-12)
        assert not np.allclose(r, w, rtol=1e-6, atol=0)


# ------------------------------------------------------------------- scalars as arrays do it

ELEMENTWISE = sorted(n for n, row in TABLE.items() if row.kind == "elementwise")


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_scalars_and_arrays_agree(name: str) -> None:
    row = TABLE[name]
    args, kwargs = row.sample(np.random.default_rng(1))
    rng = np.random.default_rng(16)
    columns = []
    for i, x in enumerate(args):
        low, high = row.domain[i] if row.domain else (np.min(x), np.max(x))
        columns.append(rng.uniform(low, high, 12))
    n = len(columns)

    def f(*operands: Any) -> Any:
        return row.call(*operands, **kwargs)

    ones = np.ones(12)
    out, pullback = tg.vjp(f, *columns)
    first = pullback(ones)
    _, forward = tg.jvp(f, columns, [ones] * n)
    second = tg.vjp(gradient_of(lambda *x: tg.sum(f(*x) * f(*x)), n), *columns)[1]([ones] * n)
    for k in range(12):
        point = [float(c[k]) for c in columns]
        one, one_back = tg.vjp(f, *point)
        assert type(one) is float
        assert one == pytest.approx(out[k], rel=1e-14, abs=1e-15)
        assert one_back(1.0) == pytest.approx([g[k] for g in first], rel=1e-13, abs=1e-15)
        assert tg.jvp(f, point, [1.0] * n)[1] == pytest.approx(forward[k], rel=1e-13, abs=1e-14)
        curve = tg.vjp(gradient_of(lambda *x: f(*x) * f(*x), n), *point)[1]([1.0] * n)
        assert curve == pytest.approx([g[k] for g in second], rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("name", sorted(n for n in ELEMENTWISE if TABLE[n].arity == 2))
def test_scalar_operands_beside_constants_on_either_side(name: str) -> None:
    row = TABLE[name]
    rng = np.random.default_rng(17)
    x, y = (float(rng.uniform(low, high)) for low, high in row.domain)
    both = tg.grad(row.call, (0, 1))(x, y)
    assert tg.grad(lambda v: row.call(v, y))(x) == both[0]
    assert tg.grad(lambda v: row.call(x, v))(y) == both[1]
    whole = float(max(1, round(y))), float(max(1, round(x)))
    assert tg.grad(lambda v: row.call(v, int(whole[0])))(x) == tg.grad(row.call)(x, whole[0])
    assert tg.grad(lambda v: row.call(int(whole[1]), v))(y) == tg.grad(row.call, 1)(whole[1], y)


@pytest.mark.parametrize("name", sorted(n for n in ELEMENTWISE if TABLE[n].arity == 2))
@pytest.mark.parametrize(
    ("left", "right"),
    [((), (3,)), ((3,), ()), ((3, 1), (2,)), ((1,), (1, 3)), ((2, 1, 3), (4, 1)), ((0,), (1,)),
     ((1, 1), ()), ((2, 0), (1, 1)), ((0,), ())],
    ids=str,
)  # fmt: skip
def test_broadcast_operands_get_the_sum_in_their_own_shape(
    name: str, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    row = TABLE[name]
    rng = np.random.default_rng(18)
    (a, b), (c, d) = row.domain
    x, y = np.asarray(rng.uniform(a, b, left)), np.asarray(rng.uniform(c, d, right))
    shape = np.broadcast_shapes(left, right)
    cotangent = np.asarray(rng.normal(size=shape))

    _, pullback = tg.vjp(row.call, *(float(z) if z.ndim == 0 else z for z in (x, y)))
    found = pullback(cotangent)

    full = [np.array(np.broadcast_to(z, shape)) for z in (x, y)]
    spread = tg.vjp(row.call, *full)[1](cotangent)
    for z, g, s in zip((x, y), found, spread, strict=True):
        extra = len(shape) - z.ndim
        axes = tuple(i for i in range(len(shape)) if i < extra or z.shape[i - extra] == 1)
        expected = s.sum(axis=axes).reshape(z.shape)
        assert np.shape(g) == z.shape
        np.testing.assert_allclose(g, expected, rtol=1e-12, atol=1e-13)


# ------------------------------------------------------------------------- dtypes, and nothing


def as_float32(x: Any) -> Any:
    if isinstance(x, list):
        return [as_float32(item) for item in x]
    return x.astype(np.float32) if getattr(x, "dtype", None) == np.float64 else x


@rows
@seeds
def test_float32_gradients_stay_float32(name: str, seed: int) -> None:
    row = TABLE[name]
    args, kwargs = row.sample(np.random.default_rng(seed))
    wide = Problem(row.call, args, kwargs)
    narrow = Problem(row.call, [as_float32(a) for a in args], kwargs)
    cotangents = wide.cotangents(np.random.default_rng(19))
    leaves = [tg.Value(x) for x in narrow.primals]
    outs = narrow(*leaves)
    total: Any = sum(tg.sum(o * as_float32(c)) for o, c in zip(outs, cotangents, strict=True))
    total.backward()

    for out in outs:
        arrays = all(v.ndim for v in leaves)
        expected = np.float64 if name == "astype" or not (out.ndim and arrays) else np.float32
        assert out.dtype == expected
    for leaf, g in zip(leaves, gradients(wide.weighted(cotangents), wide.primals), strict=True):
        assert leaf.dtype == (np.float32 if leaf.ndim else np.float64)
        assert type(leaf.grad) is (np.ndarray if leaf.ndim else float)
        assert np.asarray(leaf.grad).dtype == leaf.dtype
        np.testing.assert_allclose(leaf.grad, g, rtol=2e-4, atol=2e-5)
    tangents = [as_float32(t) for t in narrow.tangents(np.random.default_rng(20))]
    for out, t in zip(*tg.jvp(narrow, narrow.primals, tangents), strict=True):
        assert np.asarray(t).dtype == np.asarray(out).dtype


NOTHING: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "where": [((np.zeros((0, 1), bool), np.ones((0, 2)), np.ones(2)), {}), ((True, np.ones(0), 1.0), {})],
    "reshape": [((np.ones((0, 3)), (3, 0)), {})],
    "transpose": [((np.ones((0, 3)),), {})],
    "identity": [((np.ones((0, 3)),), {})],
    "broadcast_to": [((np.ones((0, 1)), (0, 3)), {}), ((np.ones(1), (0,)), {}), ((2.0, (2, 0)), {})],
    "astype": [((np.ones((0, 3)), np.float32), {})],
    "ravel": [((np.ones((0, 3)),), {})],
    "swapaxes": [((np.ones((0, 3)), 0, 1), {})],
    "moveaxis": [((np.ones((0, 3, 1)), 0, 2), {})],
    "expand_dims": [((np.ones((0, 3)), 0), {})],
    "squeeze": [((np.ones((0, 1)),), {})],
    "getitem": [((np.ones((0, 3)), (slice(None), 1)), {}), ((np.ones(3), []), {}), ((np.ones(3), slice(0, 0)), {}),
                ((np.ones((2, 0)), 1), {}), ((np.ones(3), np.zeros(3, bool)), {})],
    "at_add": [((np.ones((0, 3)), (slice(None), 1), np.ones(0)), {}), ((np.ones(3), [], 1.0), {})],
    "at_set": [((np.ones((0, 3)), (slice(None), 1), np.ones(0)), {}), ((np.ones(3), [], np.ones(0)), {}),
               ((np.ones(3), np.zeros(3, bool), 1.0), {})],
    "pad": [((np.ones((0, 2)), 1), {})],
    "take": [((np.ones((0, 3)), [1], 1), {}), ((np.ones(3), []), {})],
    "take_along_axis": [((np.ones((0, 3)), np.zeros((0, 1), int), 1), {}), ((np.ones((2, 3)), np.zeros((2, 0), int), 1), {})],
    "flip": [((np.ones((0, 3)),), {})],
    "roll": [((np.ones((0, 3)), 1), {})],
    "repeat": [((np.ones((0, 3)), 2, 0), {}), ((np.ones(3), 0), {})],
    "tile": [((np.ones((0, 3)), 2), {}), ((np.ones(3), 0), {})],
    "diagonal": [((np.ones((0, 3)),), {}), ((np.ones((2, 2)), 5), {})],
    "trace": [((np.ones((0, 3)),), {})],
    "concatenate": [(([np.ones((0, 3)), np.ones((2, 3))],), {}), (([np.ones(0), np.ones(0)],), {})],
    "stack": [(([np.ones((0, 3)), np.ones((0, 3))],), {"axis": 1})],
    "split": [((np.ones((0, 3)), 2), {}), ((np.ones(3), [0, 3, 3]), {})],
    "linear": [((np.ones(a), np.ones(b), np.ones(b[0])), {}) for a, b in (
        ((0, 3), (2, 3)), ((2, 0), (3, 0)), ((2, 3), (0, 3)),
    )],
    "matmul": [((np.ones(a), np.ones(b)), {}) for a, b in (
        ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((0,), (0,)), ((0,), (0, 3)), ((2, 0), (0,)), ((0, 3), (3,)), ((3,), (3, 0)),
        ((4, 2, 0), (0, 3)), ((4, 2, 0), (4, 0, 3)), ((0, 2, 3), (3, 4)), ((0, 2, 3), (3,)), ((3,), (0, 3, 2)),
        ((2, 0, 3), (3,)), ((2, 3, 0), (0,)), ((0,), (2, 0, 3)), ((2, 3), (0, 3, 2)), ((1, 2, 3), (0, 3, 2)))],
    "einsum": [(("ij,jk->ik", np.ones((2, 0)), np.ones((0, 3))), {}), (("ii->", np.ones((0, 0))), {}),
               (("ij->i", np.ones((2, 0))), {}), (("...i,i", np.ones((0, 3)), np.ones(3)), {})],
    "tensordot": [((np.ones((2, 0)), np.ones((0, 3)), 1), {}), ((np.ones(0), np.ones(2), 0), {})],
    "dot": [((np.ones((2, 0)), np.ones((0, 3))), {}), ((np.ones(0), np.ones(0)), {}), ((2.0, np.ones(0)), {})],
    "outer": [((np.ones(0), np.ones(3)), {}), ((np.ones(3), np.ones((2, 0))), {})],
    "sum": [((np.ones((0, 3)),), {}), ((np.ones((0, 3)),), {"axis": 0}), ((np.ones((0, 3)),), {"axis": 1, "keepdims": True})],
    "mean": [((np.ones((0, 3)),), {"axis": 1})],
    "var": [((np.ones((0, 3)),), {"axis": 1})],
    "std": [((np.ones((0, 3)),), {"axis": 1})],
    "prod": [((np.ones((0, 3)),), {}), ((np.ones((0, 3)),), {"axis": 0}), ((np.ones((0, 3)),), {"axis": 1}),
             ((np.ones((2, 0, 3)),), {"axis": (0, 1)})],
    "max": [((np.ones((0, 3)),), {"axis": 1})],
    "min": [((np.ones((0, 3)),), {"axis": 1})],
    "logsumexp": [((np.ones((0, 3)),), {}), ((np.ones((0, 3)),), {"axis": 0}), ((np.ones((0, 3)),), {"axis": 1})],
    "norm": [((np.ones((0, 3)),), {}), ((np.ones((0, 3)),), {"axis": 0}), ((np.ones((0, 3)),), {"axis": 1})],
    "cumsum": [((np.ones((0, 3)),), {"axis": 0}), ((np.ones((0, 3)),), {"axis": 1}), ((np.ones(0),), {})],
    "cumprod": [((np.ones((0, 3)),), {"axis": 0}), ((np.ones((0, 3)),), {"axis": 1}), ((np.ones(0),), {})],
    "softmax": [((np.ones((0, 3)),), {}), ((np.ones((3, 0)),), {})],
    "log_softmax": [((np.ones((0, 3)),), {}), ((np.ones((3, 0)),), {})],
    "softmax_cross_entropy": [((np.ones((0, 3)),), {"labels": np.zeros(0, int)})],
    "sort": [((np.ones((0, 3)),), {"axis": 0}), ((np.ones((0, 3)),), {})],
    "normalize": [((np.ones((0, 3)),), {"axis": 1})],
    "patches": [((np.ones((0, 2, 3, 3)), 2), {}), ((np.ones((2, 0, 3, 3)), 2), {"padding": 1})],
    "overlay": [((np.ones((2, 2, 2, 0, 2, 2)), 3), {}), ((np.ones((0, 2, 2, 1, 2, 2)), 3), {})],
}  # fmt: skip
for _name in ELEMENTWISE:
    _extra = {"clip": (0, 1)}.get(_name, ())
    NOTHING[_name] = [
        ((*(np.ones(s),) * TABLE[_name].arity, *_extra), {}) for s in ((0,), (2, 0), (0, 1, 3))
    ]


def test_there_is_a_call_without_elements_for_every_row() -> None:
    assert set(NOTHING) == set(TABLE)


@rows
def test_arrays_without_elements_have_gradients_without_elements(name: str) -> None:
    for args, kwargs in NOTHING[name]:
        problem = Problem(TABLE[name].call, args, kwargs)
        rng = np.random.default_rng(21)
        cotangents, tangents = problem.cotangents(rng), problem.tangents(rng)
        outs, pullback = tg.vjp(problem, *problem.primals)
        pulled = pullback(cotangents)
        _, pushed = tg.jvp(problem, problem.primals, tangents)
        gradient = gradient_of(problem.curved(cotangents), len(problem.primals))
        twice = tg.vjp(gradient, *problem.primals)[1](tangents)

        for x, g, h in zip(problem.primals, pulled, twice, strict=True):
            assert np.shape(x) == np.shape(g) == np.shape(h)
            assert np.all(np.isfinite(g))
        for out, t in zip(outs, pushed, strict=True):
            assert np.shape(out) == np.shape(t)
        assert inner(cotangents, pushed) == pytest.approx(inner(pulled, tangents), abs=1e-13)


# ------------------------------------------------------------- derivatives as closed formulas

CLOSED: dict[str, Callable[[float], float]] = {
    "exp": math.exp,
    "expm1": math.exp,
    "log": lambda x: 1 / x,
    "log1p": lambda x: 1 / (1 + x),
    "log2": lambda x: 1 / (x * math.log(2)),
    "log10": lambda x: 1 / (x * math.log(10)),
    "sqrt": lambda x: 0.5 / math.sqrt(x),
    "cbrt": lambda x: math.cbrt(x) / (3 * x),
    "square": lambda x: 2 * x,
    "reciprocal": lambda x: -1 / x**2,
    "sin": math.cos,
    "cos": lambda x: -math.sin(x),
    "tan": lambda x: 1 / math.cos(x) ** 2,
    "arcsin": lambda x: 1 / math.sqrt(1 - x * x),
    "arccos": lambda x: -1 / math.sqrt(1 - x * x),
    "arctan": lambda x: 1 / (1 + x * x),
    "sinh": math.cosh,
    "cosh": math.sinh,
    "tanh": lambda x: 1 / math.cosh(x) ** 2,
    "arcsinh": lambda x: 1 / math.hypot(1, x),
    "arctanh": lambda x: 1 / ((1 - x) * (1 + x)),
    "sigmoid": lambda x: 1 / (2 + math.exp(x) + math.exp(-x)),
    "softplus": lambda x: 1 / (1 + math.exp(-x)),
    "log_sigmoid": lambda x: 1 / (1 + math.exp(x)),
    "erf": lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x),
}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("x", [0.15, 0.5, 0.85])
def test_derivatives_written_out_by_hand(name: str, x: float) -> None:
    assert tg.grad(getattr(tg, name))(x) == pytest.approx(CLOSED[name](x), rel=1e-13)
    (g,) = tg.grad(lambda v: getattr(tg, name)(v).sum())(np.array([x])).tolist()
    assert g == pytest.approx(CLOSED[name](x), rel=1e-13)


def test_closed_forms_of_two_operands() -> None:
    x, y = 1.5, 2.5
    assert tg.grad(tg.power, (0, 1))(x, y) == pytest.approx((y * x ** (y - 1), x**y * math.log(x)))
    assert tg.grad(tg.divide, (0, 1))(x, y) == pytest.approx((1 / y, -x / y**2))
    r2 = x * x + y * y
    assert tg.grad(tg.arctan2, (0, 1))(x, y) == pytest.approx((y / r2, -x / r2))
    assert tg.grad(tg.hypot, (0, 1))(x, y) == pytest.approx((x / r2**0.5, y / r2**0.5))
    assert tg.grad(tg.mod, (0, 1))(7.5, 2.0) == (1.0, -3.0)
    assert tg.grad(tg.floor_divide, (0, 1))(7.5, 2.0) == (0.0, 0.0)


def test_jacobian_of_softmax_is_diag_p_minus_p_p() -> None:
    x = np.array([0.1, -0.4, 1.2])
    p = tg.softmax(x)
    expected = np.diag(p) - np.outer(p, p)
    for mode in ("reverse", "forward"):
        np.testing.assert_allclose(tg.jacobian(tg.softmax, mode=mode)(x), expected, atol=1e-16)
        np.testing.assert_allclose(
            tg.jacobian(tg.log_softmax, mode=mode)(x), np.eye(3) - p, atol=1e-15
        )
    np.testing.assert_allclose(tg.hessian(tg.logsumexp)(x), expected, atol=1e-16)


def test_cross_entropy_gradient_is_p_minus_y() -> None:
    x = np.random.default_rng(22).normal(size=(4, 3))
    labels = np.array([0, 1, 2, 2])
    p = tg.softmax(x)
    expected = (p - np.eye(3)[labels]) / 4
    fused = tg.grad(lambda v: tg.mean(tg.softmax_cross_entropy(v, labels)))(x)
    plain = tg.grad(lambda v: -tg.mean(tg.log_softmax(v)[np.arange(4), labels]))(x)
    np.testing.assert_allclose(fused, expected, atol=1e-16)
    np.testing.assert_allclose(plain, expected, atol=1e-16)


def test_tanh_is_a_stretched_sigmoid() -> None:
    """L55: tanh z = 2σ(2z) - 1; tanh has mean 0 and slope 1 at 0, σ has ½ and ¼."""
    z = np.linspace(-4, 4, 9)
    np.testing.assert_allclose(tg.tanh(z), 2 * tg.sigmoid(2 * z) - 1, atol=1e-15)
    assert (tg.tanh(0.0), tg.grad(tg.tanh)(0.0)) == (0.0, 1.0)
    assert (tg.sigmoid(0.0), tg.grad(tg.sigmoid)(0.0)) == (0.5, 0.25)


def test_relu_is_idempotent_and_dead_units_receive_exactly_zero() -> None:
    """L56."""
    z = np.linspace(-4, 4, 9)
    np.testing.assert_array_equal(tg.relu(tg.relu(z)), tg.relu(z))
    w = tg.Value([[-1.0], [1.0]])
    tg.relu(w @ np.array([[1.0, 2.0]])).sum().backward()
    np.testing.assert_array_equal(w.grad, [[0.0], [3.0]])


def test_a_saturated_unit_learns_by_cross_entropy_and_not_by_squares() -> None:
    """L54: at logit -10 and target 1 the gradients are -0.99995 and -4.5e-5."""

    def squared(z: Any) -> Any:
        return 0.5 * (tg.sigmoid(z) - 1.0) ** 2

    assert tg.grad(lambda z: -tg.log_sigmoid(z))(-10.0) == pytest.approx(-0.99995, abs=1e-5)
    assert tg.grad(squared)(-10.0) == pytest.approx(-4.5e-5, rel=0.02)


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    "name", ["sum", "mean", "var", "std", "prod", "max", "min", "logsumexp", "norm"]
)
def test_reductions_over_every_axis_form(name: str, axis: Any, keepdims: bool) -> None:
    x = np.random.default_rng(23).permutation(12).reshape(3, 4) * 0.25 - 1.1
    check_gradients(lambda v: getattr(tg, name)(v, axis=axis, keepdims=keepdims), x)
