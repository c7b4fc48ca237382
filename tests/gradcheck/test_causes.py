"""Typical errors in hand-written gradients: each is found, and called by its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_lecture as tg
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.gradcheck import Report, Verdict, gradcheck
from tinygrad_lecture.gradcheck.causes import Evidence, likely_cause

Array = NDArray[Any]
Loss = Callable[..., tuple[Any, Any]]

RNG = np.random.default_rng(11)
W = RNG.normal(size=(3, 3))
TALL = RNG.normal(size=(4, 3))
X = RNG.normal(size=(5, 3))
Y = RNG.normal(size=(5, 3))
v = RNG.normal(size=4)


def wrong(fn: Loss, *inputs: Any, **options: Any) -> Report:
    report = gradcheck(fn, *inputs, **options)
    assert report.verdict is Verdict.WRONG
    return report


def residual(w: Array) -> Array:
    out: Array = X @ w - Y
    return out


# ------------------------------------------------------------- each a wrong line of homework

FAULTS: dict[str, tuple[Loss, tuple[Any, ...], str]] = {
    "forgot the 2 of the square": (
        lambda w: (np.sum(residual(w) ** 2), X.T @ residual(w)),
        (W,),
        "factor 1/2: the 2 of 2x forgotten",
    ),
    "forgot the half": (
        lambda w: (0.5 * np.sum(residual(w) ** 2), 2 * X.T @ residual(w)),
        (W,),
        "factor 2: the ½ of ½x² forgotten",
    ),
    "sum where the loss has a mean": (
        lambda w: (0.5 * np.sum(residual(w) ** 2) / 5, X.T @ residual(w)),
        (W,),
        "factor 5: perhaps a sum where the function has a mean over 5",
    ),
    "mean where the loss has a sum": (
        lambda w: (0.5 * np.sum(residual(w) ** 2), X.T @ residual(w) / 5),
        (W,),
        "factor 1/5: perhaps a mean over 5 where the function has a sum",
    ),
    "minus": (
        lambda w: (0.5 * np.sum(residual(w) ** 2), X.T @ (Y - X @ w)),
        (W,),
        "sign: minus the gradient is right",
    ),
    "minus and a factor": (
        lambda w: (np.sum(residual(w) ** 2), X.T @ (Y - X @ w)),
        (W,),
        "sign, and factor 1/2",
    ),
    "another factor": (
        lambda w: (np.sum(residual(w) ** 2), 2.6 * X.T @ residual(w)),
        (W,),
        "factor 1.3 in every coordinate",
    ),
    "transposed, square": (
        lambda w: (0.5 * np.sum(residual(w) ** 2), residual(w).T @ X),
        (W,),
        "transpose: .T of the gradient is right",
    ),
    "transposed, not square": (
        lambda w: (np.sum(np.sin(w)), np.cos(w).T),
        (TALL,),
        "transpose: the shape is that of .T, and the transposed numbers are right",
    ),
    "bias not summed over the batch": (
        lambda b: (np.sum(np.tanh(X + b)), 1 - np.tanh(X + b) ** 2),
        (np.zeros(3),),
        "missing sum over axis 0, along which the argument was broadcast (summed, the numbers",
    ),
    "column not summed over the rows": (
        lambda c: (np.mean(np.tanh(X + c)), (1 - np.tanh(X + c) ** 2) / 3),
        (RNG.normal(size=(5, 1)),),
        "missing sum over axis 1",
    ),
    "neither axis summed": (
        lambda c: (np.sum(np.tanh(X + c)), 1 - np.tanh(X + c) ** 2),
        (RNG.normal(size=(1, 1)),),
        "missing sum over the axes (0, 1)",
    ),
    "summed away": (
        lambda w: (np.sum(w**2), np.array([np.sum(2 * w)])),
        (v,),
        "one number for a whole array: summed or averaged away (it is the sum of the right",
    ),
    "averaged instead of not summed": (
        lambda b: (np.sum(np.tanh(X + b)) / 5, 1 - np.tanh(X + b) ** 2),
        (np.zeros(3),),
        "missing sum over axis 0, along which the argument was broadcast (averaged, the numbers",
    ),
    "neither summed nor right": (
        lambda b: (np.sum(np.tanh(X + b)), 7 - np.tanh(X + b) ** 2),
        (np.zeros(3),),
        "missing sum over axis 0, along which the argument was broadcast",
    ),
    "summed away and wrong": (
        lambda w: (np.sum(w**2), np.array([1.0])),
        (v,),
        "one number for a whole array: summed or averaged away",
    ),
    "flattened": (
        lambda w: (np.sum(np.sin(w)), np.cos(w).ravel()),
        (TALL,),
        "shape (12,) for 4×3: reshape, the numbers are right",
    ),
    "never filled in": (
        lambda w: (np.sum(w**2), np.zeros_like(w)),
        (v,),
        "zero gradient: it is never filled in",
    ),
    "one use of two": (
        lambda w: (np.sum(w * np.sin(w)), np.sin(w)),
        (v,),
        "= for +=: w is used 2 times and only one use is counted",
    ),
    "one use of an inner value": (
        lambda w: (np.sum(np.exp(w) * np.sin(np.exp(w))), np.sin(np.exp(w)) * np.exp(w)),
        (0.3 * v,),
        "used 2 times and only one use is counted",
    ),
    "regularizer forgotten": (
        lambda w: (np.sum(np.sin(w)) + 0.35 * np.sum(w**2), np.cos(w)),
        (v,),
        "it differs by -0.7·x: the derivative of a term 0.35·Σx² is missing",
    ),
    "regularizer too much": (
        lambda w: (np.sum(np.sin(w)), np.cos(w) + 0.7 * w),
        (v,),
        "it differs by 0.7·x: the derivative of a term 0.35·Σx² is one too many",
    ),
    "a constant too much": (
        lambda w: (np.sum(np.sin(w)), np.cos(w) + 0.25),
        (v,),
        "it differs by 0.25 in every coordinate",
    ),
    "rows in another order": (
        lambda w: (np.sum(np.sin(w)), np.cos(w)[::-1]),
        (v,),
        "the right numbers in another order",
    ),
    "leak of a leaky relu forgotten": (
        lambda w: (np.sum(np.where(w > 0, w, 0.1 * w)), np.where(w > 0, 1.0, 0.0)),
        (np.array([-1.0, 2.0, -3.0, 4.0]),),
        "wrong just where x < 0: a condition on the sign",
    ),
    "mask the wrong way round": (
        lambda w: (np.sum(np.where(w > 0, 3 * w, w)), np.where(w > 0, 2.0, 1.0)),
        (np.array([-1.0, 2.0, -3.0, 4.0]),),
        "wrong just where x > 0",
    ),
    "a row left out of the loop": (
        lambda w: (np.sum(np.sin(w)), np.vstack([np.cos(w[:3]), np.cos(w[3:]) + 1])),
        (TALL,),
        "wrong just at index 3 of axis 0",
    ),
    "the diagonal": (
        lambda w: (np.sum(np.sin(w)), np.cos(w) + np.eye(3)),
        (W,),
        "wrong just on the diagonal",
    ),
    "some never filled in": (
        lambda w: (np.sum(np.sin(w)), np.cos(w) * np.array([1, 0, 1, 0])),
        (np.array([0.3, 0.6, -0.2, -0.4]),),
        "zero where it is wrong: some coordinates are never filled in",
    ),
}


@pytest.mark.parametrize("name", list(FAULTS))
def test_fault(name: str) -> None:
    fn, inputs, cause = FAULTS[name]

    def homework(w: Any) -> Any:
        return fn(w)

    report = wrong(homework, *inputs)

    assert cause in " ".join(report.causes)


def test_gradients_of_two_arguments_swapped() -> None:
    def f(a: Array, b: Array) -> Any:
        return np.sum(np.sin(a) * b), (np.sin(a), np.cos(a) * b)

    report = wrong(f, v, v[::-1].copy())

    assert report.arguments[0].cause == "the gradient of b in the place of this one"
    assert report.arguments[1].cause == "the gradient of a in the place of this one"


def test_a_number_of_the_wrong_size() -> None:
    def f(x: Any) -> Any:
        return x**2, x

    assert "factor 1/2" in wrong(f, 1.5).causes[0]


def test_a_gradient_that_fits_nothing_gets_no_cause() -> None:
    report = wrong(lambda x: (np.sum(np.sin(x)), np.cos(x) ** 3 + x**2 + 0.3), v)

    assert report.causes == []


def test_a_shape_that_fits_nothing_is_told() -> None:
    report = wrong(lambda x: (np.sum(x), np.ones((8, 3))), v, kind="pair")

    assert report.causes == []
    assert report.arguments[0].remarks == ("your gradient has the shape 8×3, the argument (4,)",)
    assert all(math.isnan(c.analytic) for c in report.coordinates())


def test_a_function_of_values_that_is_cut_off() -> None:
    report = wrong(lambda x: x.data**2 + 0.0 * x, 1.5)

    assert report.causes == [
        "x: zero gradient: cut off on the way (.data, .detach() or a rounding step)"
    ]


def test_a_function_of_values_that_returns_no_value() -> None:
    report = wrong(lambda x: np.sum(x.data**2), v, kind="values")

    assert "zero gradient" in report.causes[0]


def test_conventions_at_a_kink_that_do_not_add_up() -> None:
    report = wrong(lambda x: tg.relu(x) - tg.relu(-x), 0.0)

    assert report.coordinates()[0].remark == "other branches on either side"
    assert report.causes == [
        "x: the point is at a kink of relu, and the conventions for the derivatives there do not "
        "add up to the slope"
    ]


class TestPairs:
    """How the second part of (value, gradient) is assigned to the arguments."""

    def test_one_gradient_is_that_of_the_first_argument(self) -> None:
        def loss(w: Array, x: Array, y: Array) -> Any:
            r = x @ w - y
            return 0.5 * np.sum(r**2), x.T @ r

        report = gradcheck(loss, W, X, Y)

        assert report.verdict is Verdict.PASS
        assert [a.name for a in report.arguments] == ["w"]
        assert "there is one gradient, that of w; held constant: x, y" in report.remarks

    def test_a_dict_by_name(self) -> None:
        def loss(w: Array, b: Array) -> Any:
            return np.sum(np.sin(w)) * b, {"w": np.cos(w) * b, "b": np.sum(np.sin(w))}

        assert gradcheck(loss, v, 2.0).verdict is Verdict.PASS

    def test_a_dict_for_a_dict(self) -> None:
        def loss(p: dict[str, Any], x: Array) -> Any:
            return np.sum(p["w"] * x) + p["b"] ** 2, {"w": x, "b": 2 * p["b"]}

        report = gradcheck(loss, {"w": v, "b": 0.5}, v)

        assert report.verdict is Verdict.PASS
        assert [a.name for a in report.arguments] == ["p['w']", "p['b']"]

    def test_an_array_for_a_list_of_numbers(self) -> None:
        assert gradcheck(lambda x: (x[0] * x[1], np.array(x[::-1])), [2.0, 3.0]).passed

    def test_a_list_around_the_one_gradient(self) -> None:
        assert gradcheck(lambda x: (np.sum(x**2), [2 * x]), v).passed

    def test_a_missing_part_is_wrong_if_the_value_depends_on_it(self) -> None:
        def loss(w: Array, b: Array) -> Any:
            return np.sum(np.sin(w)) * b, {"w": np.cos(w) * b}

        report = wrong(loss, v, 2.0)

        assert [a.verdict for a in report.arguments] == [Verdict.PASS, Verdict.WRONG]
        assert report.causes == ["b: no gradient is given: a return or an assignment is missing"]
        assert "constants=('b',) or --constant b" in report.arguments[1].remarks[0]

    def test_a_missing_part_is_fine_if_it_does_not_matter(self) -> None:
        report = gradcheck(lambda w, b: (np.sum(w**2), {"w": 2 * w}), v, 2.0)

        assert report.verdict is Verdict.PASS
        assert "b: no gradient is given, and the output does not depend on it" in report.remarks

    def test_values_as_value_and_gradient(self) -> None:
        def f(x: Any) -> Any:
            value = tg.Value(x)
            out = (value * value).sum()
            out.backward()
            return out, value.grad

        assert gradcheck(f, v, kind="pair").passed

    def test_two_outputs_of_a_function_of_values(self) -> None:
        def f(x: Any) -> Any:
            return (x * x).sum(), x * 3.0

        assert gradcheck(f, v).verdict is Verdict.WRONG
        assert gradcheck(f, v, kind="values").verdict is Verdict.PASS
        assert gradcheck(f, tg.Value(v)).verdict is Verdict.PASS

    def test_a_number_and_something_else_are_two_outputs(self) -> None:
        assert gradcheck(lambda x: ((x * x).sum(), x[:3]), v).kind == "a function of Values"
        assert gradcheck(lambda x: ((x * x).sum(), x.mean()), v).kind == "a function of Values"

    def test_the_function_writes_into_its_argument(self) -> None:
        def relu(x: Array) -> Any:
            gradient = (x > 0) * 1.0
            x[x < 0] = 0.0
            return np.sum(x), gradient

        x = np.array([-1.0, 2.0])
        report = gradcheck(relu, x, kind="pair")

        assert x.tolist() == [-1.0, 2.0]
        assert (
            "relu writes into x, which changes the caller's array: work on a copy" in report.remarks
        )

    @pytest.mark.parametrize(
        ("fn", "inputs", "message"),
        [
            (lambda x: (x, {"y": x}), (1.0,), "<lambda> gave a gradient for 'y'; the inputs are x"),
            (lambda p: (p["w"], 1.0), ({"w": 1.0},), "of type float for a dict with the keys 'w'"),
            (
                lambda p: (p[0], [1.0]),
                ([1.0, 2.0],),
                "gave a list of 1 as the gradient of a list of 2",
            ),
            (lambda x: (1.0, "up"), (1.0,), r"\(number, str\), which is no gradient of x"),
            (lambda x: 1.0, (1.0,), r"returned float, and a pair \(value, gradient\)"),
            (lambda x: (x, x), (np.ones(2),), r"returned a tuple of 2, and a pair"),
        ],
    )
    def test_bad_pairs(self, fn: Any, inputs: Any, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            gradcheck(fn, *inputs, kind="pair")

    def test_a_nest_in_another_shape(self) -> None:
        with pytest.raises(
            UsageError, match=r"gave an array of shape \(3,\) as the gradient of a list"
        ):
            gradcheck(lambda p: (p["w"][0], {"w": np.ones(3)}), {"w": [1.0, 2.0]}, kind="pair")

    def test_a_gradient_of_text_in_a_dict(self) -> None:
        with pytest.raises(UsageError, match="f gave a gradient of type str"):
            gradcheck(lambda x: (x, {"x": "up"}), 1.0, name="f")


def test_no_cause_without_numbers() -> None:
    evidence = Evidence(np.ones(2), np.ones(2), np.array([0]), np.array([np.nan]))

    assert likely_cause(evidence) == ""


def test_all_numeric_slopes_zero() -> None:
    evidence = Evidence(np.ones(2), np.array([1.0, 2.0]), np.array([0, 1]), np.zeros(2))

    assert likely_cause(evidence) == ""
