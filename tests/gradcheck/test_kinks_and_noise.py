"""Kinks are not errors, and noise is not one either; a wrong gradient is, at a kink as well."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture.gradcheck import Verdict, gradcheck

KINKS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "relu": (tg.relu, (0.0,)),
    "abs": (abs, (0.0,)),
    "leaky relu": (lambda x: tg.leaky_relu(x, 0.1), (0.0,)),
    "maximum": (tg.maximum, (1.0, 1.0)),
    "minimum": (tg.minimum, (-1.0, -1.0)),
    "clip": (lambda x: tg.clip(x, 0.0, 1.0), (1.0,)),
    "where": (lambda x: tg.where(x.data > 0, x, 3.0 * x), (0.0,)),
    "max of an array": (lambda x: x.max(), (np.array([1.0, 1.0]),)),
    "min of a row": (lambda x: x.min(axis=1), (np.array([[2.0, 2.0], [1.0, 1.0]]),)),
    "norm": (tg.norm, (np.zeros(2),)),
    "branch": (lambda x: x * 2.0 if x > 1.0 else x + 1.0, (1.0,)),
    "branch on data": (lambda x: x * 2.0 if x.data > 1.0 else x + 1.0, (1.0,)),
    "hinge": (lambda x: tg.relu(1.0 - x) ** 1, (1.0,)),
}


@pytest.mark.parametrize("name", list(KINKS))
def test_a_kink_is_called_kink(name: str) -> None:
    fn, inputs = KINKS[name]

    report = gradcheck(fn, *inputs)

    assert report.verdict is Verdict.KINK
    assert report.exit_code == 3
    assert all(a.words == "no slope to compare with" for a in report.arguments)
    assert "every coordinate is at a kink: check at another point" in report.arguments[0].remarks


def test_sort_of_equal_numbers_is_a_kink() -> None:
    weights = np.array([1.0, 3.0])

    report = gradcheck(lambda x: (tg.sort(x) * weights).sum(), np.array([1.0, 1.0]))

    assert report.verdict is Verdict.KINK


def test_a_subgradient_outside_of_the_slopes_is_wrong() -> None:
    def relu(x: Any) -> Any:
        return np.maximum(x, 0.0), np.where(x >= 0, 1.5, 0.0)

    report = gradcheck(relu, 0.0)

    assert report.verdict is Verdict.WRONG
    assert "outside of the one-sided slopes 0 and 1 at a kink" in str(report)


def test_theanos_max_of_a_tie_is_no_subgradient() -> None:
    def f(x: Any) -> Any:
        return np.max(x), (x == np.max(x)) * 1.0

    report = gradcheck(lambda x: (np.max(x) * 2, f(x)[1] * 3), np.array([1.0, 1.0]))

    assert report.verdict is Verdict.WRONG


def test_some_kinks_do_not_spoil_the_rest() -> None:
    report = gradcheck(tg.relu, np.array([0.0, 1.0, -1.0]))

    assert report.verdict is Verdict.PASS
    assert report.arguments[0].count(Verdict.KINK) == 1
    assert report.arguments[0].remarks == ("1 of 3 coordinates are at a kink",)
    assert report.worst_error < 1e-12


def test_an_argument_at_kinks_only_leaves_the_question_open() -> None:
    report = gradcheck(lambda x, w: tg.relu(x) * w, 0.0, 2.0)

    assert [a.verdict for a in report.arguments] == [Verdict.KINK, Verdict.PASS]
    assert report.verdict is Verdict.KINK


def test_a_wrong_gradient_beside_kinks_is_wrong() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.maximum(x, 0)), np.where(x > 0, 1.5, 0.0)

    report = gradcheck(f, np.array([0.0, 1.0]))

    assert report.verdict is Verdict.WRONG


@pytest.mark.parametrize("x", [1e-5, -1e-5, 1e-9, -1e-12])
def test_near_a_kink_is_no_kink(x: float) -> None:
    def relu(x: Any) -> Any:
        return np.maximum(x, 0.0), (x > 0) * 1.0

    assert gradcheck(tg.relu, x).verdict is Verdict.PASS
    assert gradcheck(relu, x).verdict is Verdict.PASS
    assert gradcheck(relu, np.array([x, 1.0])[0]).verdict is Verdict.PASS


@pytest.mark.parametrize("gap", [1e-7, 1e-5, 1e-3, 0.1])
def test_soft_thresholding_is_flat_in_the_middle(gap: float) -> None:
    def soft(x: Any) -> Any:
        return np.sum(np.sign(x) * np.maximum(np.abs(x) - gap, 0)), (np.abs(x) > gap) * 1.0

    assert gradcheck(soft, np.array([0.0, 1.0])).verdict is Verdict.PASS


def test_smooth_where_branches_meet() -> None:
    # elu with alpha = 1 changes its formula at 0, but not its slope.
    assert gradcheck(lambda x: tg.elu(x, 1.0), 0.0).verdict is Verdict.PASS
    assert gradcheck(lambda x: x * abs(x), 0.0).verdict is Verdict.PASS
    assert gradcheck(lambda x: tg.relu(x) ** 2, 0.0).verdict is Verdict.PASS


def test_extrema_are_no_kinks() -> None:
    for f in (np.square, np.cos, np.cosh):
        report = gradcheck(lambda x, f=f: (float(f(x)), 0.0), 0.0, kind="pair")
        assert report.verdict is Verdict.PASS


class TestNoise:
    def test_internal_float32_is_measured_with_long_steps(self) -> None:
        def f(x: Any) -> Any:
            return float(np.float64(np.sum(np.sin(x.astype(np.float32))))), np.cos(x)

        def detached(x: Any) -> Any:
            return f(x)[0], 0 * x

        x = np.array([0.5, 1.0])
        right, wrong = gradcheck(f, x), gradcheck(detached, x)

        assert right.verdict is Verdict.PASS
        assert max(c.error_bar for c in right.coordinates()) > 1e-8
        assert wrong.verdict is Verdict.WRONG

    def test_a_coarse_staircase_is_step_noise(self) -> None:
        report = gradcheck(lambda x: (float(np.round(np.sin(x), 3)), np.cos(x)), 1.0)

        assert report.verdict is Verdict.NOISE
        assert report.exit_code == 3
        assert "no step shows the slope well enough" in str(report)
        assert report.arguments[0].words == "cannot tell"

    def test_a_coarse_staircase_does_not_hide_a_wrong_sign(self) -> None:
        report = gradcheck(lambda x: (float(np.round(np.sin(x), 4)), -np.cos(x)), 1.0)

        assert report.verdict is Verdict.WRONG

    def test_what_varies_within_the_shortest_step(self) -> None:
        report = gradcheck(lambda x: (float(np.sin(1e15 * x)), 1e15 * np.cos(1e15 * x)), 1.0)

        assert report.verdict is Verdict.NOISE
        assert "the function varies faster than the shortest step" in str(report)

    def test_slopes_that_cancel_exactly_in_theory(self) -> None:
        x = np.array([0.1, 0.7, -0.3])

        for complex_step in (True, False):
            report = gradcheck(lambda b, x: tg.softmax(x + b), 0.3, x, complex_step=complex_step)
            assert report.verdict is Verdict.PASS

    def test_a_tanh_in_saturation(self) -> None:
        for x in (8.0, 17.0, 40.0):
            assert gradcheck(tg.tanh, x).verdict is Verdict.PASS
            assert gradcheck(tg.erf, x / 4).verdict is Verdict.PASS
        for x in np.linspace(3.8, 4.2, 9):
            assert gradcheck(lambda x: tg.tanh(x * x), x).verdict is Verdict.PASS

    def test_a_wrong_slope_in_saturation_is_wrong(self) -> None:
        def f(x: Any) -> Any:
            return np.tanh(x), 2 / np.cosh(x) ** 2

        report = gradcheck(f, 15.3)

        assert report.verdict is Verdict.WRONG

    def test_a_small_wrong_slope_that_is_steady_is_not_called_rounding(self) -> None:
        def f(x: Any) -> Any:
            return 1e8 + 1e-8 * x, 2e-8 + 0 * x

        report = gradcheck(f, 1.0, kind="pair")

        assert report.verdict is Verdict.WRONG
        assert report.coordinates()[0].method == "complex step"


class TestComplexStep:
    def test_a_numpy_function_that_takes_complex_numbers(self) -> None:
        report = gradcheck(lambda x: (np.sum(np.exp(x)), np.exp(x)), np.array([0.3, 1.0]))

        assert {c.method for c in report.coordinates()} == {"complex step"}

    @pytest.mark.parametrize(
        ("f", "df"),
        [
            (lambda x: np.abs(x) + 2 * x, lambda x: 3.0),  # abs is not analytic
            (lambda x: np.real(x) ** 2, lambda x: 2 * x),  # drops the imaginary part
            (lambda x: float(np.real(x)), lambda x: 1.0),
            (lambda x: math.exp(x), lambda x: math.exp(x)),  # raises
            (lambda x: np.conj(x) * 3, lambda x: 3.0),
            (lambda x: np.real(x * np.conj(x)) + 0j * x, lambda x: 2 * np.real(x)),
            (lambda x: x * (3 if np.iscomplexobj(x) else 2), lambda x: 2.0),
        ],
    )
    def test_functions_that_are_not_analytic_are_measured_by_differences(
        self, f: Any, df: Any
    ) -> None:
        def g(x: Any) -> Any:
            value = f(x)
            return (value if np.iscomplexobj(x) else float(np.real(value))), df(x)

        report = gradcheck(g, 1.5, kind="pair")

        assert report.verdict is Verdict.PASS

    def test_a_wrong_gradient_that_agrees_with_a_false_complex_step(self) -> None:
        # conj(x) has the complex "slope" -1, and so has the claim.
        def f(x: Any) -> Any:
            return np.conj(x), -1.0

        assert gradcheck(f, 1.5, kind="pair").verdict is Verdict.WRONG


SMOOTH: dict[str, Callable[[Any], Any]] = {
    "sin": tg.sin,
    "tanh": tg.tanh,
    "exp": lambda x: tg.exp(-x * x),
    "softplus": tg.softplus,
    "sigmoid": tg.sigmoid,
    "rational": lambda x: x / (1.0 + x * x),
    "sqrt": lambda x: tg.sqrt(1.0 + x * x),
    "erf": tg.erf,
    "cubic": lambda x: x**3 - 2.0 * x,
    "abs": lambda x: abs(x) * x + abs(x - 1.0),
    "relu": lambda x: tg.relu(x) - 0.1 * tg.relu(1.0 - x),
    "log": lambda x: tg.log(abs(x) + 0.1),
}


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(SMOOTH)),
    st.floats(-50, 50, allow_subnormal=False) | st.floats(-1e-6, 1e-6, allow_subnormal=False),
    st.booleans(),
)
def test_a_right_gradient_is_never_called_wrong(name: str, x: float, by_hand: bool) -> None:
    def pair(x: Any) -> Any:
        value = tg.Value(x)
        out = SMOOTH[name](value)
        out.backward()
        return out.item(), value.grad

    report = gradcheck(pair if by_hand else SMOOTH[name], x, kind="pair" if by_hand else "values")

    assert report.verdict is not Verdict.WRONG


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(SMOOTH)),
    st.floats(0.05, 0.9) | st.floats(-2.0, -0.05),
    st.sampled_from([1.001, 0.999, -1.0, 2.0, 0.5, 0.0]),
)
def test_a_scaled_gradient_is_always_called_wrong(name: str, x: float, factor: float) -> None:
    def pair(x: Any) -> Any:
        value = tg.Value(x)
        out = SMOOTH[name](value)
        out.backward()
        return out.item(), value.grad * factor

    if abs(tg.grad(SMOOTH[name])(x)) > 1e-3:
        assert gradcheck(pair, x).verdict is Verdict.WRONG
