"""`tg.op`: a user's own op as one row, with all that the built-in rows have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numeric_derivatives import (
    Problem,
    check_gradients,
    gradients,
    numeric_gradients,
    objection,
)

import tinygrad_lecture as tg
from tinygrad_lecture.engine import PUBLIC, TABLE
from tinygrad_lecture.engine.ops.table import NAMES, UFUNCS


@pytest.fixture(autouse=True)
def _the_table_is_left_as_it_was() -> Iterator[None]:
    before = dict(TABLE), dict(PUBLIC), dict(UFUNCS)
    yield
    for name in set(TABLE) - set(before[0]):
        tg.remove_op(name)
    assert (dict(TABLE), dict(PUBLIC), dict(UFUNCS)) == before


def gauss_forward(x: Any) -> Any:
    return np.exp(-x * x)


def by_text() -> Callable[..., Any]:
    return tg.op("gauss", gauss_forward, "-2 * x * out", analytic=True)


def by_callable() -> Callable[..., Any]:
    return tg.op("gauss", gauss_forward, lambda out, x: -2 * x * out, analytic=True)


def by_tg_functions() -> Callable[..., Any]:
    return tg.op("gauss", gauss_forward, "-2 * x * exp(-square(x))", analytic=True)


def by_a_tuple_of_one() -> Callable[..., Any]:
    return tg.op("gauss", gauss_forward, (lambda out, x: tg.exp(-x * x) * x * -2,), analytic=True)


unary = pytest.mark.parametrize("make", [by_text, by_callable, by_tg_functions, by_a_tuple_of_one])


def blend_by_text() -> Callable[..., Any]:
    return tg.op("blend", lambda x, y: x * x * np.sin(y), ("2 * x * sin(y)", "x * x * cos(y)"))


def blend_by_callables() -> Callable[..., Any]:
    return tg.op(
        "blend",
        lambda x, y: x * x * np.sin(y),
        (lambda out, x, y: 2 * x * tg.sin(y), lambda out, x, y: x * x * tg.cos(y)),
    )


def blend_by_both() -> Callable[..., Any]:
    return tg.op(
        "blend", lambda x, y: x * x * np.sin(y), ("2 * out / x", lambda out, x, y: x * x * tg.cos(y)),
        domain=((0.5, 2.0), (-2, 2)),
    )  # fmt: skip


binary = pytest.mark.parametrize("make", [blend_by_text, blend_by_callables, blend_by_both])


@unary
def test_value_and_derivatives_of_a_unary_op(make: Callable[[], Any]) -> None:
    gauss = make()
    x = 0.5
    e = math.exp(-0.25)

    assert gauss(x) == pytest.approx(e, rel=1e-15)
    assert type(gauss(x)) is float
    assert tg.grad(gauss)(x) == pytest.approx(-e, rel=1e-15)
    assert tg.grad(tg.grad(gauss))(x) == pytest.approx((4 * x * x - 2) * e, rel=1e-14)
    third = tg.grad(tg.grad(tg.grad(gauss)))(x)
    assert third == pytest.approx((12 * x - 8 * x**3) * e, rel=1e-13)
    assert tg.jvp(gauss, (x,), (3.0,))[1] == pytest.approx(-3 * e, rel=1e-15)
    assert tg.hvp(gauss, x, 2.0) == pytest.approx(2 * (4 * x * x - 2) * e, rel=1e-14)


@unary
@pytest.mark.parametrize("shape", [(3,), (2, 3), (0,), (1, 1)])
def test_arrays_go_through_a_unary_op(make: Callable[[], Any], shape: tuple[int, ...]) -> None:
    gauss = make()
    x = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_array_equal(gauss(x), gauss_forward(x))
    np.testing.assert_array_equal(gauss(tg.Value(x)).data, gauss_forward(x))
    check_gradients(gauss, x)
    h = tg.hvp(lambda v: gauss(v).sum(), x, np.ones(shape))
    np.testing.assert_allclose(h, (4 * x * x - 2) * gauss_forward(x), rtol=1e-12, atol=1e-15)
    f32 = tg.Value(x.astype(np.float32))
    gauss(f32).sum().backward()
    assert f32.grad.dtype == np.float32


@binary
@pytest.mark.parametrize(
    ("left", "right"), [((), ()), ((3,), ()), ((), (3,)), ((2, 1), (3,)), ((0,), (1,)), ((2, 2), (2, 2))]
)  # fmt: skip
def test_a_binary_op_broadcasts(
    make: Callable[[], Any], left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    blend = make()
    rng = np.random.default_rng(1)
    x, y = (rng.uniform(0.5, 1.5, s) for s in (left, right))
    primals = [z if np.ndim(z) else float(z) for z in (x, y)]
    np.testing.assert_allclose(blend(*primals), x * x * np.sin(y), rtol=1e-15)
    check_gradients(blend, *primals)
    check_gradients(lambda v: blend(v, primals[1]), primals[0])
    check_gradients(lambda v: blend(primals[0], v), primals[1])
    hessian = tg.jvp(tg.grad(lambda *z: tg.sum(blend(*z)), (0, 1)), primals, primals)[1]
    turned = tg.vjp(tg.grad(lambda *z: tg.sum(blend(*z)), (0, 1)), *primals)[1](tuple(primals))
    for a, b in zip(hessian, turned, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@unary
def test_both_modes_and_the_numbers_agree(make: Callable[[], Any]) -> None:
    gauss = make()
    x = np.array([0.3, -1.2])
    forward = tg.jacobian(gauss, mode="forward")(x)
    np.testing.assert_allclose(forward, tg.jacobian(gauss)(x), rtol=1e-15)
    np.testing.assert_allclose(np.diag(forward), -2 * x * gauss_forward(x), rtol=1e-15)


@unary
def test_an_own_op_mixes_with_the_built_in_ones(make: Callable[[], Any]) -> None:
    gauss = make()
    check_gradients(lambda a, b: tg.softmax(gauss(a @ b) + a[0]), np.eye(3) * 0.3, np.ones(3))


# ------------------------------------------------------------------------------- its own row


@unary
def test_the_row_is_complete(make: Callable[[], Any]) -> None:
    gauss = make()
    row = TABLE["gauss"]
    assert gauss.row is row
    assert PUBLIC["gauss"] is gauss is NAMES["gauss"]
    assert (row.name, row.kind, row.arity, row.symbol) == ("gauss", "elementwise", 1, "gauss")
    assert row.formula == "gauss(x)"
    assert row.domain == ((-2.0, 2.0),)
    assert len(row.derivatives) == len(row.partials) == 1
    assert row.derivatives[0]
    assert gauss.__name__ == gauss.__qualname__ == "gauss"
    assert f"d/dx = {row.derivatives[0]}" in gauss.__doc__


def test_label_formula_summary_and_domain_can_be_given() -> None:
    swish = tg.op(
        "own_swish", lambda x, y: x / (1 + np.exp(-x * y)),
        ("sigmoid(x * y) + x * y * sigmoid(x * y) * sigmoid(-x * y)", "x * x * sigmoid(x * y) * sigmoid(-x * y)"),
        domain=(-1, 3), symbol="sw", formula="x * sigmoid(y * x)", summary="Swish (L60)",
    )  # fmt: skip
    row = TABLE["own_swish"]
    assert row.domain == ((-1.0, 3.0), (-1.0, 3.0))
    assert (row.symbol, row.formula) == ("sw", "x * sigmoid(y * x)")
    assert swish.__doc__ is not None
    assert swish.__doc__.startswith("Swish (L60), elementwise.")
    check_gradients(swish, np.array([-1.0, 0.0, 2.0]), 1.5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [by_text, by_callable, blend_by_text, blend_by_both])
def test_its_samples_pass_the_comparison_and_a_scaled_row_fails(
    make: Callable[[], Any], seed: int
) -> None:
    row = make().row
    args, kwargs = row.sample(np.random.default_rng(seed))
    good = Problem(row.call, args, kwargs)
    bad = Problem(row.with_scaled_derivative(1.001).call, args, kwargs)
    c = good.cotangents(np.random.default_rng(5))
    numeric = numeric_gradients(good.weighted(c), good.primals)
    assert objection(gradients(good.weighted(c), good.primals), numeric) == ""
    assert objection(gradients(bad.weighted(c), good.primals), numeric) != ""


def test_a_wrong_derivative_is_objected_to() -> None:
    wrong = tg.op("wrong", np.sin, "-cos(x)")
    assert objection(gradients(wrong, [0.5]), numeric_gradients(wrong, [0.5])) != ""


def test_it_stands_on_the_tape_and_replays() -> None:
    gauss = by_text()
    x = tg.Value([0.5, 1.0], name="x")
    tape = tg.Tape(gauss(x).sum())
    assert [e.op for e in tape] == ["leaf", "gauss", "sum"]
    np.testing.assert_allclose(
        tape[1].derivatives[0], -2 * x.data * gauss_forward(np.array([0.5, 1.0]))
    )
    assert tape.replay({"x": np.zeros(2)}) == 2.0
    step = 2.0**-100
    moved = tape.replay({"x": np.array([0.5 + 1j * step, 1.0])})
    assert np.imag(moved) / step == pytest.approx(-math.exp(-0.25), rel=1e-14)
    tape.verify()


def test_an_op_that_is_not_analytic_takes_no_complex_step() -> None:
    own = tg.op("own_abs", np.abs, lambda out, x: tg.sign(x))
    x = tg.Value(-2.0)
    with pytest.raises(TypeError, match="own_abs is not analytic, so it takes no complex data"):
        tg.Tape(own(x)).replay({x: 1j})


def test_debug_mode_names_it() -> None:
    pole = tg.op("pole", lambda x: 1 / x, "-out * out")
    with (
        np.errstate(divide="ignore"),
        tg.debug(),
        pytest.raises(FloatingPointError, match=r"^pole\(\[0\.\]\) gave \[inf\] at .*test_custom"),
    ):
        pole(tg.Value([0.0]))


def test_scalars_follow_ieee_where_python_would_raise() -> None:
    pole = tg.op("pole", lambda x: 1 / np.asarray(x), "-1 / (x * x)")
    assert pole(tg.Value(0.0)).data == math.inf
    assert tg.grad(pole)(0.0) == -math.inf
    assert tg.grad(lambda x: tg.where(x > 0, pole(x), 0.0))(0.0) == 0.0
    root = tg.op("root", np.sqrt, lambda out, x: 0.5 / out)
    assert tg.grad(root)(0.0) == math.inf
    assert tg.grad(lambda x: 0.0 * root(x))(0.0) == 0.0


def test_it_takes_integers_lists_and_refuses_the_rest() -> None:
    gauss = by_text()
    assert gauss(0) == 1.0
    np.testing.assert_array_equal(gauss([0, 0]), [1.0, 1.0])
    with pytest.raises(
        TypeError, match="gauss takes numbers, arrays and Values, and 'a' of type str"
    ):
        gauss("a")
    with pytest.raises(TypeError, match=r"^gauss takes 1 operand, and 2 came$"):
        gauss(1.0, 2.0)
    with pytest.raises(TypeError, match=r"^blend takes 2 operands, and 1 came$"):
        blend_by_text()(1.0)


def test_no_grad_records_nothing() -> None:
    with tg.no_grad():
        assert by_text()(tg.Value(0.5)).is_leaf


def test_a_ufunc_that_no_row_has_dispatches_here_until_the_op_is_removed() -> None:
    tg.op("own_exp2", np.exp2, f"out * {math.log(2)}")
    out: Any = np.exp2(tg.Value([3.0]))
    assert isinstance(out, tg.Value)
    assert tg.Tape(out)[-1].op == "own_exp2"
    tg.remove_op("own_exp2")
    with pytest.raises(TypeError, match=r"np\.exp2 has no derivative here"):
        np.exp2(tg.Value([3.0]))


def test_a_ufunc_of_a_built_in_row_keeps_its_row() -> None:
    tg.op("own_exp", np.exp, "out")
    assert tg.Tape(np.exp(tg.Value([1.0])))[-1].op == "exp"
    tg.remove_op("own_exp")
    assert tg.Tape(np.exp(tg.Value([1.0])))[-1].op == "exp"


def test_a_text_may_use_another_own_op() -> None:
    by_text()
    bell = tg.op("bell", lambda x: np.sqrt(np.pi) / 2 * np.vectorize(math.erf)(x), "gauss(x)")
    assert tg.grad(bell)(0.5) == pytest.approx(math.exp(-0.25), rel=1e-15)
    assert tg.grad(tg.grad(bell))(0.5) == pytest.approx(-math.exp(-0.25), rel=1e-14)


# --------------------------------------------------------------------------------- removal


def test_removal_takes_the_row_away_and_frees_its_name() -> None:
    gauss = by_text()
    tg.remove_op("gauss")
    assert "gauss" not in TABLE
    assert "gauss" not in PUBLIC
    assert "gauss" not in NAMES
    assert tg.grad(gauss)(0.5) == pytest.approx(-math.exp(-0.25))  # what is recorded stays right
    again = by_callable()
    assert TABLE["gauss"] is again.row  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["exp", "add", "concatenate", "no_such_op", ""])
def test_only_own_ops_are_removed(name: str) -> None:
    with pytest.raises(KeyError, match=f"name={name!r} is not a user's op"):
        tg.remove_op(name)


# ---------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (("2x", np.sin, "cos(x)"), ValueError, "name='2x' has to be an identifier, as it becomes a function"),
        (("", np.sin, "cos(x)"), ValueError, "name='' has to be an identifier"),
        (("lambda", np.sin, "cos(x)"), ValueError, "name='lambda' has to be an identifier"),
        (("a b", np.sin, "cos(x)"), ValueError, "name='a b' has to be an identifier"),
        (("exp", np.exp, "out"), ValueError, "name='exp': the op table has that row already; choose another"),
        (("np", np.sin, "cos(x)"), ValueError, "name='np' means something else in derivative texts"),
        (("raw", np.sin, "cos(x)"), ValueError, "name='raw' means something else in derivative texts"),
        (("own", 3.0, "cos(x)"), TypeError, "forward has to be callable, not float"),
        (("own", np.sin, ()), ValueError, "an op has one or two operands, and 0 were given"),
        (("own", np.sin, ("1.0",) * 3), ValueError, "an op has one or two operands, and 3 were given"),
        (("own", lambda x: x, ("1.0", "1.0")), TypeError, "forward has to take 2 arguments"),
        (("own", lambda x, y: x, "1.0"), TypeError, "forward has to take 1 argument$"),
        (("own", lambda: 1.0, "1.0"), TypeError, "forward has to take 1 argument$"),
        (("own", np.sin, lambda x: x), TypeError, "derivatives has to take 2 arguments"),
        (("own", np.sin, 1.0), TypeError, "derivatives have to be text or callables, not float"),
        (("own", np.sin, (None,)), TypeError, "derivatives have to be text or callables, not NoneType"),
        (("own", np.sin, "cos(x"), ValueError, r"derivatives: 'cos\(x' is not an expression: "),
        (("own", np.sin, "y = x"), ValueError, "derivatives: 'y = x' is not an expression"),
        (("own", np.sin, ""), ValueError, "derivatives: '' is not an expression"),
        (("own", np.sin, "cosine(x)"), ValueError, r"'cosine\(x\)' uses 'cosine', and texts know out, x and"),
        (("own", np.sin, "cos(y)"), ValueError, r"'cos\(y\)' uses 'y', and texts know out, x and the tg"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(
    args: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tg.op(*args)


@pytest.mark.parametrize("domain", [(2.0, -2.0), ((0, 1), (1, 2)), ((1, 0),)])
def test_a_domain_has_to_be_a_range_for_each_operand(domain: Any) -> None:
    with pytest.raises(
        ValueError, match=r"domain=.* has to give low <= high for each of 1 operands"
    ):
        tg.op("own", np.sin, "cos(x)", domain=domain)


def test_a_forward_without_a_signature_is_taken_at_its_word() -> None:
    larger = tg.op("larger", max, ("1.0 * (raw(x) > raw(y))", "1.0 * (raw(y) >= raw(x))"))
    assert tg.grad(larger, (0, 1))(2.0, 1.0) == (1.0, 0.0)


def test_a_refused_op_leaves_nothing_behind() -> None:
    with pytest.raises(ValueError, match="is not an expression"):
        tg.op("own", np.sin, "cos(")
    assert "own" not in TABLE
    assert "own" not in NAMES


@pytest.mark.parametrize("operand", [np.ones(3), tg.Value(np.ones(3))], ids=["array", "Value"])
def test_a_forward_that_does_not_work_element_by_element_is_refused(operand: Any) -> None:
    total = tg.op("total", np.sum, "1.0")
    with pytest.raises(
        ValueError, match=r"total gave shape \(\) for operands of shapes \[\(3,\)\]"
    ):
        total(operand)
