"""grad, vjp, jvp, jacobian, hvp, hessian: arguments, results, nesting, purity, errors."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_lecture as tg

Point = NDArray[np.float64]


class Weights(NamedTuple):
    w: Any
    b: Any


def quartic(x: Any) -> Any:
    """Return a scalar of a vector of length 3 with a dense Hessian."""
    return (x * x).sum() ** 2.0 / 4.0 + tg.sin(x[0] * x[1]) + tg.exp(0.3 * x[2]) * x[0]


def field(x: Any) -> Any:
    """Return a 2 by 2 array of a vector of length 3."""
    return tg.stack(
        [tg.stack([x[0] * x[1], tg.sin(x[2])]), tg.stack([x.sum() ** 2.0, tg.exp(x[0])])]
    )


AT = np.array([0.7, -1.1, 0.4])


def numeric_gradient(f: Callable[[Any], Any], x: Point, h: float = 1e-5) -> Point:
    """Return central differences of a function of an array, in the shape out + in."""
    columns = []
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        columns.append((np.asarray(f(x + step)) - np.asarray(f(x - step))) / (2 * h))
    return np.stack(columns, -1).reshape(columns[0].shape + x.shape)


# -------------------------------------------------------------------- arguments and results


def test_a_scalar_gives_a_python_float() -> None:
    for point in (3.0, 3, np.float64(3), np.float32(3), np.array(3), np.array(3.0)):
        value, slope = tg.value_and_grad(lambda x: x * x)(point)
        assert (value, slope) == (9.0, 6.0)
        assert type(value) is type(slope) is float


def test_an_array_gives_an_array_of_its_own() -> None:
    x = np.array([1.0, 2.0])
    slope = tg.grad(lambda x: (x + 0.0).sum() + x.sum())(x)

    assert type(slope) is np.ndarray
    np.testing.assert_array_equal(slope, [2, 2])
    slope[0] = 5.0
    np.testing.assert_array_equal(x, [1, 2])


def test_integers_and_booleans_become_float64() -> None:
    points: list[Any] = [[1, 2], np.array([1, 2]), np.array([True, True])]
    for point in points:
        slope = tg.grad(tg.sum)(point)
        assert all(isinstance(s, float) for s in slope)
    assert tg.grad(lambda x: (x * x).sum())(np.array([1, 2])).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_small_floats_stay_in_every_result(dtype: type) -> None:
    x: Any = np.array([1, 2], dtype)

    def f(x: Any) -> Any:
        return (x * x * x).sum()

    assert tg.grad(f)(x).dtype == dtype
    assert tg.hessian(f)(x).dtype == dtype
    assert tg.hvp(f, x, x).dtype == dtype
    for mode in ("reverse", "forward"):
        assert tg.jacobian(lambda x: x * x, mode=mode)(x).dtype == dtype
    out, tangent = tg.jvp(lambda x: x * x, (x,), (x,))
    assert out.dtype == tangent.dtype == dtype
    assert tg.vjp(lambda x: x * x, x)[1](np.ones(2))[0].dtype == dtype


def test_argnums() -> None:
    def f(x: Any, y: Any, z: Any) -> Any:
        return x * y + z * z

    assert tg.grad(f)(2.0, 3.0, 5.0) == 3.0
    assert tg.grad(f, 1)(2.0, 3.0, 5.0) == 2.0
    assert tg.grad(f, argnums=-1)(2.0, 3.0, 5.0) == 10.0
    assert tg.grad(f, (0,))(2.0, 3.0, 5.0) == (3.0,)
    assert tg.grad(f, [2, 0])(2.0, 3.0, 5.0) == (10.0, 3.0)
    numpys: Any = (0, np.int64(2))
    assert tg.grad(f, numpys)(2.0, 3.0, 5.0) == (3.0, 10.0)
    assert tg.value_and_grad(f, (0, 1, 2))(2.0, 3.0, 5.0) == (31.0, (3.0, 2.0, 10.0))
    assert tg.jacobian(f, (1, 2))(2.0, 3.0, 5.0) == (2.0, 10.0)
    assert tg.hessian(f, (0, 1))(2.0, 3.0, 5.0) == ((0.0, 1.0), (1.0, 0.0))


def test_arguments_that_are_not_chosen_arrive_as_they_are() -> None:
    seen: list[Any] = []

    def f(x: Any, n: int, table: dict[str, str], *, flag: Any = None) -> Any:
        seen.extend([type(x), n, table, flag])
        return x**n

    assert tg.grad(f)(2.0, 3, {"a": "text"}, flag=object) == 12.0
    assert seen == [tg.Value, 3, {"a": "text"}, object]


def test_keyword_arguments_are_passed_on_and_not_differentiated() -> None:
    assert tg.grad(lambda x, *, scale: x * scale)(2.0, scale=5.0) == 5.0
    assert tg.jacobian(lambda x, scale: x * scale)(2.0, scale=5.0) == 5.0
    assert tg.hessian(lambda x, scale: x * x * scale)(2.0, scale=5.0) == 10.0


def test_nests_come_back_in_their_own_form() -> None:
    params = {
        "layers": [Weights(np.ones((2, 2)), None), Weights(2.0, (3.0, [4.0]))],
        "none": None,
        "empty": (),
    }

    def f(p: Any) -> Any:
        assert p["none"] is None
        assert p["empty"] == ()
        first, second = p["layers"]
        assert isinstance(first, Weights)
        return (first.w * first.w).sum() * second.w + second.b[0] * second.b[1][0]

    g = tg.grad(f)(params)

    assert list(g) == ["layers", "none", "empty"]
    assert isinstance(g["layers"], list)
    assert isinstance(g["layers"][0], Weights)
    np.testing.assert_array_equal(g["layers"][0].w, np.full((2, 2), 4.0))
    assert g["layers"][0].b is None
    assert g["layers"][1] == Weights(4.0, (4.0, [3.0]))
    assert g["none"] is None
    assert g["empty"] == ()


def test_lists_are_nests_and_functions_stack_them() -> None:
    assert tg.grad(lambda x: tg.sum(x) * x[0])([1.0, 2.0]) == [4.0, 1.0]
    assert tg.grad(tg.logsumexp)([0.0, 0.0]) == [0.5, 0.5]
    assert tg.grad(lambda x: tg.prod(x))([[2.0, 3.0], [4.0, 5.0]]) == [[60.0, 40.0], [30.0, 24.0]]


def test_the_arguments_themselves_are_not_changed() -> None:
    tree = {"w": [1.0, np.array([2.0, 3.0])]}

    def f(p: Any) -> Any:
        p["w"][0] = p["w"][0] * 2.0
        p["new"] = 1
        return p["w"][0] * p["w"][1].sum()

    assert tg.grad(f)(tree)["w"][0] == 10.0
    assert list(tree) == ["w"]
    assert tree["w"][0] == 1.0


def test_wrapped_functions_keep_their_name() -> None:
    for transform in (tg.grad, tg.value_and_grad, tg.jacobian, tg.hessian):
        assert transform(quartic).__name__ == "quartic"
        assert transform(quartic).__doc__ == quartic.__doc__


def test_any_callable_will_do() -> None:
    class Square:
        def __call__(self, x: Any) -> Any:
            return x * x

        def method(self, x: Any) -> Any:
            return x * x * x

    assert tg.grad(Square())(3.0) == 6.0
    assert tg.grad(Square().method)(3.0) == 27.0
    assert tg.grad(functools.partial(lambda a, x: a * x, 5.0))(3.0) == 5.0
    assert tg.grad(tg.tanh)(0.0) == 1.0
    assert tg.grad(math.prod)([2.0, 3.0, 4.0]) == [12.0, 8.0, 6.0]


def test_a_function_may_return_any_kind_of_number() -> None:
    for constant in (5, 5.0, np.float64(5), np.array(5.0), True, tg.Value(5.0)):
        value, slope = tg.value_and_grad(lambda x, c=constant: c)(2.0)
        assert float(value if not isinstance(value, tg.Value) else value.item()) in (5.0, 1.0)
        assert slope == 0.0


# ------------------------------------------------------------------------ constant functions


def test_constants_have_the_derivative_zero_not_none() -> None:
    x = np.ones((2, 3))

    np.testing.assert_array_equal(tg.grad(lambda x: 5.0)(x), np.zeros((2, 3)))
    assert tg.grad(lambda x, y: y * y, (0, 1))(1.0, 3.0) == (0.0, 6.0)
    assert tg.grad(lambda p: p["used"] * 2.0)({"used": 1.0, "unused": 1.0}) == {
        "used": 2.0,
        "unused": 0.0,
    }
    assert tg.grad(tg.grad(lambda x: 3.0 * x))(1.0) == 0.0
    assert tg.jvp(lambda x: 5.0, (1.0,), (1.0,)) == (5.0, 0.0)
    assert tg.vjp(lambda x: 5.0, 1.0)[1](1.0) == (0.0,)
    np.testing.assert_array_equal(tg.hessian(lambda x: x.sum())(np.ones(2)), np.zeros((2, 2)))
    np.testing.assert_array_equal(tg.hessian(lambda x: 1.0)(np.ones(2)), np.zeros((2, 2)))
    np.testing.assert_array_equal(tg.hvp(lambda x: x.sum(), np.ones(2), np.ones(2)), [0, 0])
    for mode in ("reverse", "forward"):
        np.testing.assert_array_equal(
            tg.jacobian(lambda x: np.ones(2), mode=mode)(x), np.zeros((2, 2, 3))
        )
        np.testing.assert_array_equal(tg.jacobian(lambda x: 1.0, mode=mode)(x), np.zeros((2, 3)))


def test_constants_made_of_values_of_the_outside() -> None:
    outside = tg.Value(3.0)
    y = outside * 2.0

    assert tg.grad(lambda x: y)(1.0) == 0.0
    assert tg.jvp(lambda x: y, (1.0,), (1.0,))[1] == 0.0


def test_arguments_without_elements() -> None:
    empty = np.zeros((0, 2))

    assert tg.grad(lambda x: (x * x).sum())(empty).shape == (0, 2)
    assert tg.hessian(lambda x: (x * x).sum())(empty).shape == (0, 2, 0, 2)
    for mode in ("reverse", "forward"):
        assert tg.jacobian(lambda x: x * 2.0, mode=mode)(empty).shape == (0, 2, 0, 2)
        assert tg.jacobian(lambda x: x.sum(), mode=mode)(empty).shape == (0, 2)
        assert tg.jacobian(lambda x: x[:0], mode=mode)(np.ones(3)).shape == (0, 3)
    assert tg.jvp(lambda x: x * 2.0, (empty,), (empty,))[1].shape == (0, 2)


# -------------------------------------------------------------- every route against every route


def test_gradient_by_six_routes() -> None:
    expected = numeric_gradient(quartic, AT)
    leaf = tg.Value(AT)
    quartic(leaf).backward()
    tape = tg.Tape(quartic(tg.Value(AT)))
    steps = {s.target: s.total for s in tape.steps()}
    routes = [
        tg.grad(quartic)(AT),
        leaf.grad,
        tg.vjp(quartic, AT)[1](1.0)[0],
        np.array([tg.jvp(quartic, (AT,), (unit,))[1] for unit in np.eye(3)]),
        tg.jacobian(quartic)(AT),
        tg.jacobian(quartic, mode="forward")(AT),
        steps[0],
        np.array([tape.replay({0: AT + 1e-30j * unit}).imag / 1e-30 for unit in np.eye(3)]),
        tg.grad(quartic)(tg.Value(AT)).data,
    ]

    for found in routes:
        np.testing.assert_allclose(found, expected, rtol=1e-8)
        np.testing.assert_allclose(found, routes[0], rtol=1e-13)


def test_hessian_by_eight_routes() -> None:
    def directional(x: Any, v: Any) -> Any:
        return tg.jvp(quartic, (x,), (v,))[1]

    units = np.eye(3)
    routes = [
        tg.hessian(quartic)(AT),
        tg.jacobian(tg.grad(quartic), mode="forward")(AT),
        tg.jacobian(tg.jacobian(quartic, mode="forward"))(AT),
        tg.jacobian(tg.jacobian(quartic, mode="forward"), mode="forward")(AT),
        np.stack([tg.hvp(quartic, AT, v) for v in units]),
        np.stack([tg.grad(directional)(AT, v) for v in units]),
        np.stack([tg.grad(lambda x, v=v: (tg.grad(quartic)(x) * v).sum())(AT) for v in units]),
        np.array(
            [
                [tg.jvp(lambda x, v=v: directional(x, v), (AT,), (u,))[1] for u in units]
                for v in units
            ]
        ),
        np.stack([tg.vjp(tg.grad(quartic), AT)[1](v)[0] for v in units]),
    ]

    np.testing.assert_allclose(
        routes[0], numeric_gradient(tg.grad(quartic), AT), rtol=1e-7, atol=1e-8
    )
    for found in routes:
        np.testing.assert_allclose(found, routes[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(routes[0], routes[0].T, rtol=1e-12)


def test_both_modes_of_the_jacobian_are_equal() -> None:
    reverse, forward = tg.jacobian(field)(AT), tg.jacobian(field, mode="forward")(AT)

    assert reverse.shape == forward.shape == (2, 2, 3)
    np.testing.assert_allclose(reverse, forward, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(reverse, numeric_gradient(field, AT), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_a_jacobian_of_nests_is_a_nest_of_nests(mode: str) -> None:
    def f(p: Any, x: Any) -> Any:
        return {"y": p["w"] * x, "z": (p["b"] * x.sum(), 3.0)}

    w, x = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    j = tg.jacobian(f, (0, 1), mode=mode)({"w": w, "b": 5.0}, x)

    np.testing.assert_array_equal(j["y"][0]["w"], np.diag(x))
    np.testing.assert_array_equal(j["y"][0]["b"], [0, 0])
    np.testing.assert_array_equal(j["y"][1], np.diag(w))
    np.testing.assert_array_equal(j["z"][0][0]["w"], [0, 0])
    assert j["z"][0][0]["b"] == 7.0
    np.testing.assert_array_equal(j["z"][0][1], [5, 5])
    np.testing.assert_array_equal(j["z"][1][1], [0, 0])
    assert j["z"][1][0]["b"] == 0.0


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_jacobians_of_scalars_and_of_one_element(mode: str) -> None:
    assert tg.jacobian(lambda x: x * x, mode=mode)(3.0) == 6.0
    assert type(tg.jacobian(lambda x: x * x, mode=mode)(3.0)) is float
    np.testing.assert_array_equal(tg.jacobian(lambda x: x * x, mode=mode)(np.array([3.0])), [[6.0]])
    np.testing.assert_array_equal(tg.jacobian(lambda x: x * np.array([1.0]), mode=mode)(3.0), [1.0])
    np.testing.assert_array_equal(
        tg.jacobian(lambda x: x * np.array([1.0, 2.0]), mode=mode)(3.0), [1, 2]
    )
    np.testing.assert_array_equal(tg.jacobian(lambda x: x.sum(), mode=mode)(np.array([3.0])), [1.0])


def test_hessian_of_several_arguments() -> None:
    def f(a: Any, b: Any) -> Any:
        return (a * a).sum() * b["s"] + a[0] * b["v"] @ b["v"]

    a, b = np.array([1.0, 2.0]), {"s": 3.0, "v": np.array([4.0, 5.0])}
    h = tg.hessian(f, (0, 1))(a, b)

    np.testing.assert_array_equal(h[0][0], [[6, 0], [0, 6]])
    np.testing.assert_array_equal(h[0][1]["s"], [2, 4])
    np.testing.assert_array_equal(h[0][1]["v"], [[8, 10], [0, 0]])
    np.testing.assert_array_equal(h[1]["s"][0], [2, 4])
    assert h[1]["s"][1]["s"] == 0.0
    np.testing.assert_array_equal(h[1]["v"][0], [[8, 0], [10, 0]])
    np.testing.assert_array_equal(h[1]["v"][1]["v"], [[2, 0], [0, 2]])


def test_hvp_of_nests_equals_the_hessian_times_the_vector() -> None:
    def f(p: Any) -> Any:
        return (p["w"] ** 3.0).sum() * p["b"]

    w, t = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    found = tg.hvp(f, {"w": w, "b": 3.0}, {"w": t, "b": 2.0})

    np.testing.assert_allclose(found["w"], 6 * 3 * w * t + 3 * w**2 * 2)
    assert found["b"] == pytest.approx((3 * w**2 * t).sum())


# ------------------------------------------------------------------------ derivatives of derivatives


DERIVATIVES: list[tuple[Callable[[Any], Any], Callable[[Any], list[float]]]] = [
    (lambda x: x**5, lambda x: [5.0 * x**4, 20.0 * x**3, 60.0 * x**2, 120.0 * x, 120.0, 0.0]),
    (tg.sin, lambda x: [math.cos(x), -math.sin(x), -math.cos(x), math.sin(x)]),
    (tg.exp, lambda x: [math.exp(x)] * 5),
    (lambda x: 1 / x, lambda x: [-(x**-2), 2 * x**-3, -6 * x**-4, 24 * x**-5]),
    (tg.log, lambda x: [1 / x, -(x**-2), 2 * x**-3]),
    (
        lambda x: x * tg.exp(2 * x),
        lambda x: [2**n * (x + n / 2) * math.exp(2 * x) for n in (1, 2, 3)],
    ),
    (lambda x: 2.0**x, lambda x: [math.log(2) ** k * 2**x for k in (1, 2, 3)]),
]


@pytest.mark.parametrize(("f", "derivatives"), DERIVATIVES)
def test_derivatives_of_any_order(
    f: Callable[[Any], Any], derivatives: Callable[[Any], list[float]]
) -> None:
    for expected in derivatives(0.6):
        f = tg.grad(f)
        assert f(0.6) == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_forward_mode_of_any_order() -> None:
    def derivative(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: tg.jvp(f, (x,), (1.0,))[1]

    f: Callable[[Any], Any] = tg.sin
    for expected in (math.cos(0.6), -math.sin(0.6), -math.cos(0.6), math.sin(0.6)):
        f = derivative(f)
        assert f(0.6) == pytest.approx(expected, rel=1e-12)
    mixed = tg.grad(derivative(tg.grad(derivative(lambda x: x**6))))
    assert mixed(2.0) == pytest.approx(360 * 4.0)


def test_zero_adjoints_are_not_skipped_while_a_derivative_is_recorded() -> None:
    """x·y at 0 has the gradient 0, and the mixed second derivative 1."""
    np.testing.assert_array_equal(tg.hessian(lambda x: x[0] * x[1])(np.zeros(2)), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(
        tg.hessian(lambda x: (x * x).sum() ** 2.0)(np.zeros(2)), np.zeros((2, 2))
    )
    assert tg.grad(tg.grad(lambda x: x * tg.sin(x)))(0.0) == 2.0
    assert tg.grad(tg.grad(lambda x: x * x * 0.5))(0.0) == 1.0
    assert tg.grad(tg.grad(tg.grad(lambda x: x * x * x)))(0.0) == 6.0
    assert tg.jvp(lambda x: tg.jvp(lambda y: y * y, (x,), (1.0,))[1], (0.0,), (1.0,))[1] == 2.0
    assert tg.hvp(lambda x: x * x * x, 0.0, 1.0) == 0.0
    # d/dx of x^y is exactly 0 at y = 0, but changes with y: by 1/x
    np.testing.assert_allclose(
        tg.hessian(lambda v: v[0] ** v[1])(np.array([2.0, 0.0])), [[0, 0.5], [0.5, np.log(2) ** 2]]
    )
    assert tg.hessian(lambda x, y: x**y, (0, 1))(2.0, 0.0)[0] == (0.0, 0.5)


def test_a_gradient_inside_of_a_loss() -> None:
    """A gradient penalty: the loss holds the squared length of a gradient."""
    kinds: list[type] = []

    def loss(w: Any) -> Any:
        slope = tg.grad(lambda x: (tg.tanh(w * x)).sum())(np.array([0.5, -1.0]))
        kinds.append(type(slope))
        return (slope * slope).sum()

    w = np.array([0.7, 0.2])
    np.testing.assert_allclose(tg.grad(loss)(w), numeric_gradient(loss, w), rtol=1e-7)
    assert kinds == [tg.Value] + [np.ndarray] * 4


# ------------------------------------------------------------------------ perturbation confusion


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0))(1.0), 1.0),
        (lambda: tg.grad(lambda x: x * tg.grad(lambda y: x * y)(2.0))(3.0), 6.0),
        (lambda: tg.grad(lambda x: tg.grad(lambda y: x * x * y)(2.0) * x)(3.0), 27.0),
        (lambda: tg.grad(lambda x: x * tg.grad(lambda y: x + y)(x))(1.0), 1.0),
        (lambda: tg.grad(lambda x: tg.grad(lambda x: x * x)(x) + x)(5.0), 3.0),
        (lambda: tg.grad(lambda x: tg.grad(lambda y: tg.grad(lambda z: x * y * z)(1.0) * y)(2.0) * x)(3.0), 24.0),
        (lambda: tg.jvp(lambda x: x * tg.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1], 1.0),
        (lambda: tg.jvp(lambda x: x * tg.jvp(lambda y: x * y, (2.0,), (1.0,))[1], (3.0,), (1.0,))[1], 6.0),
        (lambda: tg.jvp(lambda x: tg.jvp(lambda y: x, (1.0,), (1.0,))[1], (3.0,), (1.0,))[1], 0.0),
        (lambda: tg.grad(lambda x: x * tg.jvp(lambda y: x + y, (1.0,), (1.0,))[1])(1.0), 1.0),
        (lambda: tg.jvp(lambda x: x * tg.grad(lambda y: x + y)(1.0), (1.0,), (1.0,))[1], 1.0),
        (lambda: tg.grad(lambda x: tg.jvp(lambda y: y * x, (x,), (1.0,))[1])(3.0), 1.0),
        (lambda: tg.grad(lambda x: tg.jvp(lambda y: y * y, (2.0,), (x,))[1])(3.0), 4.0),
        (lambda: tg.grad(lambda x: tg.vjp(lambda y: y * y * x, 2.0)[1](x)[0])(3.0), 24.0),
        (lambda: tg.grad(lambda x: tg.hvp(lambda y: y * y * x, x, x))(3.0), 12.0),
        (lambda: tg.grad(lambda x: tg.hessian(lambda y: y**3 * x)(2.0))(3.0), 12.0),
        (lambda: tg.grad(lambda x: tg.jacobian(lambda y: x * y**2)(x))(3.0), 12.0),
        (lambda: tg.grad(lambda x: tg.grad(lambda y: 5.0)(x) + x)(3.0), 1.0),
    ],
)  # fmt: skip
def test_perturbations_are_not_confused(found: Callable[[], Any], expected: float) -> None:
    result = found()

    assert type(result) is float
    assert result == expected


def test_an_inner_function_that_leaks_its_values() -> None:
    leaked: list[Any] = []

    def inner(y: Any) -> Any:
        leaked.append(y * y)
        return y * y * y

    def outer(x: Any) -> Any:
        slope = tg.grad(inner)(x)  # 3 x²
        return slope + leaked[-1]  # + x²

    assert tg.grad(outer)(2.0) == 16.0


# --------------------------------------------------------------------------- Values as arguments


def test_values_as_arguments_give_values_that_can_be_differentiated() -> None:
    x = tg.Value(3.0, name="x")
    slope = tg.grad(lambda v: v**3)(x)

    assert isinstance(slope, tg.Value)
    assert slope.data == 27.0
    assert x.grad is None
    slope.backward()
    assert x.grad == 18.0


def test_results_join_the_graph_that_the_arguments_come_from() -> None:
    a = tg.Value([1.0, 2.0])
    b = a * a
    value, slope = tg.value_and_grad(lambda v: (v**2).sum())(b)
    (value + slope.sum()).backward()

    assert value.data == 17.0
    np.testing.assert_array_equal(slope.data, [2, 8])
    np.testing.assert_array_equal(a.grad, [4 * 1.0**3 + 4 * 1, 4 * 2.0**3 + 4 * 2])


def test_each_transform_takes_values() -> None:
    x, point = tg.Value([1.0, 2.0]), np.array([1.0, 2.0])

    def f(v: Any) -> Any:
        return (v**3).sum()

    pairs = [
        (tg.grad(f)(x), tg.grad(f)(point)),
        (tg.jvp(f, (x,), (point,))[1], tg.jvp(f, (point,), (point,))[1]),
        (tg.jvp(f, (point,), (x,))[1], tg.jvp(f, (point,), (point,))[1]),
        (tg.vjp(f, x)[1](1.0)[0], tg.vjp(f, point)[1](1.0)[0]),
        (tg.vjp(f, x)[1](tg.Value(1.0))[0], tg.vjp(f, point)[1](1.0)[0]),
        (tg.hvp(f, x, point), tg.hvp(f, point, point)),
        (tg.hessian(f)(x), tg.hessian(f)(point)),
        (tg.jacobian(lambda v: v * v)(x), tg.jacobian(lambda v: v * v)(point)),
        (tg.jacobian(lambda v: v * v, mode="forward")(x), tg.jacobian(lambda v: v * v)(point)),
    ]
    for found, expected in pairs:
        assert isinstance(found, tg.Value)
        np.testing.assert_array_equal(found.data, expected)
    for found, _ in pairs:
        x.zero_grad()
        found.sum().backward()
        assert x.grad is not None
        assert np.all(x.grad != 0)


def test_a_value_anywhere_among_the_arguments_counts() -> None:
    w = tg.Value(3.0)
    slope = tg.grad(lambda x, p, scale: x * x * p["w"] * scale)(2.0, {"w": w}, scale=tg.Value(1.0))

    assert isinstance(slope, tg.Value)
    slope.backward()
    assert w.grad == 4.0


def test_only_the_ways_through_the_argument_count() -> None:
    x = tg.Value(3.0)

    assert tg.grad(lambda v: v * x)(x).data == 3.0
    assert tg.grad(lambda a, b: a * b, (0, 1))(x, x)[1].data == 3.0
    assert tg.jvp(lambda v: v * x, (x,), (1.0,))[1].data == 3.0


def test_a_closed_over_value_is_a_constant_of_raw_arguments() -> None:
    w = tg.Value(3.0)

    assert tg.grad(lambda x: w * x * x)(2.0) == 12.0
    assert tg.jvp(lambda x: w * x, (2.0,), (1.0,)) == (6.0, 3.0)
    assert tg.jacobian(lambda x: w * x)(2.0) == 3.0
    assert w.grad is None


def test_tangents_that_are_values_can_be_differentiated() -> None:
    t = tg.Value(2.0)
    out, tangent = tg.jvp(lambda x: x * x, (3.0,), (t,))
    tangent.backward()

    assert (out.data, tangent.data, t.grad) == (9.0, 12.0, 6.0)


# ----------------------------------------------------------------------------------- purity


@pytest.mark.parametrize(
    "transform",
    [
        lambda f, x: tg.grad(f)(x), lambda f, x: tg.value_and_grad(f)(x), lambda f, x: tg.vjp(f, x)[1](1.0),
        lambda f, x: tg.jvp(f, (x,), (x,)), lambda f, x: tg.jacobian(f)(x), lambda f, x: tg.hessian(f)(x),
        lambda f, x: tg.jacobian(f, mode="forward")(x), lambda f, x: tg.hvp(f, x, x),
        lambda f, x: tg.grad(lambda y: tg.sum(tg.grad(f)(y)))(x),
    ],
)  # fmt: skip
@pytest.mark.parametrize("point", [2.0, np.array([1.0, 2.0]), tg.Value(2.0), tg.Value([1.0, 2.0])])
def test_transforms_touch_no_grad(transform: Callable[[Any, Any], Any], point: Any) -> None:
    w, used, array = tg.Value(3.0), tg.Value(4.0), tg.Value([1.0, 1.0])
    inner = w * 2.0
    (inner * used + (array * array).sum()).backward()
    inside: list[tg.Value] = []

    def f(x: Any) -> Any:
        fresh = tg.Value(5.0)
        product = x * fresh
        inside.extend([fresh, product])
        return (product * product * inner * w * used).sum() * array[0] + tg.sum(x * x)

    before = [np.copy(v.grad) for v in (w, used, inner, array)]
    transform(f, point)

    for v, g in zip((w, used, inner, array), before, strict=True):
        np.testing.assert_array_equal(v.grad, g)
    assert [v.grad for v in inside] == [None] * len(inside)
    if isinstance(point, tg.Value):
        assert point.grad is None


def test_a_failing_sweep_touches_no_grad_either() -> None:
    w = tg.Value(0.0)
    w.grad = 7.0
    with tg.debug(), pytest.raises(FloatingPointError):
        tg.grad(lambda x: tg.sqrt(w * x))(1.0)

    assert w.grad == 7.0


def test_recorded_values_of_the_outside_keep_the_adjoint_of_their_last_backward() -> None:
    x = tg.Value(3.0)
    y = x * x
    y.backward()
    tg.grad(lambda v: v * y * x)(2.0)

    assert (x.grad, y.grad) == (6.0, 1.0)


# ---------------------------------------------------------------------------------- vjp, jvp


def test_a_pullback_may_be_used_again_and_is_linear() -> None:
    out, pullback = tg.vjp(field, AT)
    a, b = np.arange(4.0).reshape(2, 2), np.array([[1.0, -1.0], [0.5, 2.0]])
    (first,), (second,) = pullback(a), pullback(b)

    np.testing.assert_array_equal(pullback(a)[0], first)
    np.testing.assert_allclose(pullback(2 * a - 3 * b)[0], 2 * first - 3 * second, rtol=1e-12)
    np.testing.assert_array_equal(pullback(np.zeros((2, 2)))[0], np.zeros(3))
    np.testing.assert_allclose(first, np.tensordot(a, tg.jacobian(field)(AT), 2), rtol=1e-12)
    np.testing.assert_array_equal(out, field(AT))


def test_jvp_is_the_jacobian_times_the_tangent() -> None:
    v = np.array([0.3, -2.0, 1.0])
    out, tangent = tg.jvp(field, (AT,), (v,))

    np.testing.assert_array_equal(out, field(AT))
    np.testing.assert_allclose(tangent, tg.jacobian(field)(AT) @ v, rtol=1e-12)
    np.testing.assert_allclose(tg.jvp(field, (AT,), (2 * v,))[1], 2 * tangent, rtol=1e-12)


def test_the_two_modes_are_transposes_of_each_other() -> None:
    rng = np.random.default_rng(3)
    v, u = rng.normal(size=3), rng.normal(size=(2, 2))

    assert np.sum(u * tg.jvp(field, (AT,), (v,))[1]) == pytest.approx(
        tg.vjp(field, AT)[1](u)[0] @ v, rel=1e-13
    )


def test_vjp_of_several_arguments_and_outputs() -> None:
    out, pullback = tg.vjp(
        lambda x, p: {"a": x * p[0], "b": (x.sum(), None, 7.0)}, np.array([1.0, 2.0]), (3.0,)
    )
    x_bar, p_bar = pullback({"a": [1.0, 1.0], "b": (10, None, 99)} | {"a": np.array([1.0, 1.0])})

    assert list(out) == ["a", "b"]
    np.testing.assert_array_equal(out["a"], [3, 6])
    assert out["b"] == (3.0, None, 7.0)
    np.testing.assert_array_equal(x_bar, [13, 13])
    assert p_bar == (3.0,)


def test_one_output_given_twice_gets_both_cotangents() -> None:
    def twice(x: Any) -> Any:
        y = x * x
        return y, y, x

    assert tg.vjp(twice, 3.0)[1]((1.0, 10.0, 100.0)) == (166.0,)
    assert tg.vjp(twice, tg.Value(3.0))[1]((1.0, 10.0, 100.0))[0].data == 166.0
    assert tg.jvp(twice, (3.0,), (1.0,)) == ((9.0, 9.0, 3.0), (6.0, 6.0, 1.0))


def test_cotangents_and_tangents_are_copied() -> None:
    x, seed = np.array([1.0, 2.0]), np.array([1.0, 1.0])
    (g,) = tg.vjp(lambda v: v, x)[1](seed)
    _, t = tg.jvp(lambda v: v, (x,), (seed,))
    seed[:] = 9

    np.testing.assert_array_equal(g, [1, 1])
    np.testing.assert_array_equal(t, [1, 1])


def test_integer_tangents_and_cotangents_count_as_floats() -> None:
    assert tg.jvp(lambda x: x * x, (3,), (1,)) == (9.0, 6.0)
    assert tg.vjp(lambda x: x * x, 3)[1](1) == (6.0,)
    np.testing.assert_array_equal(
        tg.vjp(lambda x: x * 2.0, [1, 2] * np.ones(2))[1](np.array([1, 2]))[0], [2, 4]
    )
    np.testing.assert_array_equal(
        tg.jvp(lambda x: x * 0.5, (np.ones(2),), (np.array([1, 2]),))[1], [0.5, 1]
    )


def test_jvp_skips_exact_zeros() -> None:
    assert tg.jvp(lambda x, y: tg.sqrt(x) * y, (0.0, 1.0), (0.0, 1.0)) == (0.0, 0.0)
    out, tangent = tg.jvp(tg.sqrt, (np.array([0.0, 4.0]),), (np.array([0.0, 1.0]),))
    np.testing.assert_array_equal(tangent, [0, 0.25])
    np.testing.assert_array_equal(out, [0, 2])


# ------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("argnums", "message"),
    [
        (2, "argnums=2 is not the position of one of the 2 arguments"),
        (-3, "argnums=-3 is not the position of one of the 2 arguments"),
        ((0, 5), "argnums=5 is not the position"),
        ((0, 1.0), r"argnums=1\.0 is not the position"),
        ((0, 0), r"argnums=\(0, 0\) names an argument twice"),
        ((0, -2), r"argnums=\(0, -2\) names an argument twice"),
        ("x", "argnums='x' is not the position"),
        ((), r"argnums=\(\) selects arguments that hold no numbers"),
    ],
)  # fmt: skip
def test_bad_argnums(argnums: Any, message: str) -> None:
    for transform in (tg.grad, tg.value_and_grad, tg.jacobian, tg.hessian):
        with pytest.raises(ValueError, match=message):
            transform(lambda x, y: x * y, argnums)(1.0, 2.0)


@pytest.mark.parametrize("empty", [None, (), {}, [None, {}]])
def test_arguments_without_numbers(empty: Any) -> None:
    with pytest.raises(ValueError, match="argnums=0 selects arguments that hold no numbers"):
        tg.grad(lambda x: 1.0)(empty)


@pytest.mark.parametrize(
    ("argument", "came"),
    [
        (1j, "complex came"),
        ("text", "'text' of type str came"),
        (object(), "object came"),
        (np.array([1j]), "dtype complex128"),
    ],
)
def test_arguments_that_are_no_real_numbers(argument: Any, came: str) -> None:
    with pytest.raises(
        TypeError,
        match=rf"argument\(s\) \[1\] are to be differentiated: data has to be real .*{came}",
    ):
        tg.grad(lambda x, y: x, 1)(1.0, argument)


def test_functions_that_return_no_scalar() -> None:
    with pytest.raises(ValueError, match=r"has to return a scalar, and an array of shape \(2,\) came: reduce it with "
                                         r"\.sum\(\), or use tg\.vjp or tg\.jacobian"):  # fmt: skip
        tg.grad(lambda x: x * 2.0)(np.ones(2))
    with pytest.raises(ValueError, match=r"shape \(1,\)"):
        tg.grad(lambda x: x)(np.ones(1))
    for result, came in (
        ((1.0, 2.0), "tuple"),
        (None, "NoneType"),
        ([1.0], "list"),
        ("a", "str"),
        ({}, "dict"),
    ):
        with pytest.raises(
            TypeError, match=f"has to return one number, and {came} came: use tg.vjp or tg.jacobian"
        ):
            tg.grad(lambda x, r=result: r)(1.0)


def test_hessian_and_hvp_need_a_scalar_function() -> None:
    with pytest.raises(ValueError, match="has to return a scalar"):
        tg.hessian(lambda x: x * x)(np.ones(2))
    with pytest.raises(ValueError, match="has to return a scalar"):
        tg.hvp(lambda x: x * x, np.ones(2), np.ones(2))


@pytest.mark.parametrize("mode", ["backward", "", None, "Reverse"])
def test_a_bad_mode(mode: Any) -> None:
    with pytest.raises(ValueError, match=rf"mode={mode!r} has to be 'reverse' or 'forward'"):
        tg.jacobian(lambda x: x, mode=mode)


def test_tangents_that_do_not_fit() -> None:
    with pytest.raises(
        ValueError, match=r"tangents have the structure \('\*',\), and \('\*', '\*'\) is needed"
    ):
        tg.jvp(lambda x, y: x * y, (1.0, 2.0), (1.0,))
    with pytest.raises(ValueError, match=r"tangents have the structure"):
        tg.jvp(lambda p: p["a"], ({"a": 1.0},), ({"b": 1.0},))
    with pytest.raises(ValueError, match=r"tangents hold shape \(\) where \(2,\) is needed"):
        tg.jvp(lambda x: x, (np.ones(2),), (1.0,))
    with pytest.raises(ValueError, match=r"tangents hold shape \(3,\) where \(2,\) is needed"):
        tg.hvp(lambda x: (x * x).sum(), np.ones(2), np.ones(3))


def test_cotangents_that_do_not_fit() -> None:
    _, pullback = tg.vjp(lambda x: (x, x.sum()), np.ones(2))

    with pytest.raises(
        ValueError, match=r"cotangents have the structure \*, and \('\*', '\*'\) is needed"
    ):
        pullback(1.0)
    with pytest.raises(ValueError, match=r"cotangents hold shape \(3,\) where \(2,\) is needed"):
        pullback((np.ones(3), 1.0))
    with pytest.raises(ValueError, match=r"cotangents hold shape \(2,\) where \(\) is needed"):
        pullback((np.ones(2), np.ones(2)))


def test_tracked_cotangents_of_an_untracked_run_are_refused() -> None:
    _, pullback = tg.vjp(lambda x: x * x, 3.0)

    with pytest.raises(
        TypeError, match=r"cotangents hold Values: call tg\.vjp with Values to differentiate twice"
    ):
        pullback(tg.Value(1.0))


@pytest.mark.parametrize("bad", [1j, "a", np.array(1j), object()])
def test_tangents_and_cotangents_that_are_no_real_numbers(bad: Any) -> None:
    with pytest.raises(TypeError, match="tangents: data has to be real numbers, and"):
        tg.jvp(lambda x: x * x, (1.0,), (bad,))
    with pytest.raises(TypeError, match="cotangents: data has to be real numbers, and"):
        tg.vjp(lambda x: x * x, 1.0)[1](bad)
    with pytest.raises(TypeError, match="tangents: data has to be real numbers, and"):
        tg.jvp(lambda x: x * x, (np.ones(2),), (np.ones(2) * 1j,))


def test_a_mistake_inside_of_the_function_comes_through_unchanged() -> None:
    with pytest.raises(ZeroDivisionError):
        tg.grad(lambda x: 1 // 0)(1.0)
    with pytest.raises(TypeError, match="silently lose its gradient"):
        tg.grad(lambda x: math.exp(x))(1.0)
    with pytest.raises(TypeError, match="missing 1 required positional"):
        tg.grad(lambda x, y: x)(1.0)
