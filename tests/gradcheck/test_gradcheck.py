"""`gradcheck` as it is called from Python: inputs, options, orders, dtypes, and what it refuses."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.gradcheck import GradientError, Report, TargetError, Verdict, gradcheck

X = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]])


def pair(f: Any, gradient: Any) -> Any:
    """A hand-written function from value and gradient."""
    return lambda *args: (f(*args), gradient(*args))


class TestInputs:
    def test_nests_of_numbers_arrays_and_values(self) -> None:
        def f(params: dict[str, Any], pair: tuple[Any, list[Any]]) -> Any:
            hidden = (pair[0] @ params["W"] + params["b"]).tanh()
            return hidden * pair[1][0] + pair[1][1]

        report = gradcheck(
            f, {"W": X.T, "b": tg.Value([0.5, 0.25])}, (X, [tg.Value(2.0), 0.5, None][:2])
        )

        assert report.verdict is Verdict.PASS
        assert [a.name for a in report.arguments] == [
            "params['W']",
            "params['b']",
            "pair[0]",
            "pair[1][0]",
            "pair[1][1]",
        ]
        assert [a.size for a in report.arguments] == [6, 2, 6, 1, 1]

    def test_an_empty_place_in_a_nest(self) -> None:
        report = gradcheck(lambda p: p["w"] * 2.0, {"w": 1.5, "bias": None})

        assert [a.name for a in report.arguments] == ["p['w']"]

    def test_sizes_0_and_shape_0(self) -> None:
        report = gradcheck(lambda x, y: x.sum() + y * y, np.zeros((0, 3)), np.array(1.5))

        assert report.verdict is Verdict.PASS
        assert [(a.shape, len(a.coordinates)) for a in report.arguments] == [((0, 3), 0), ((), 1)]
        assert report.arguments[0].remarks == ("it is empty: there is nothing to compare",)

    def test_star_arguments_have_names(self) -> None:
        report = gradcheck(lambda *xs: xs[0] * xs[1], 1.0, 2.0)

        assert [a.name for a in report.arguments] == ["xs0", "xs1"]

    def test_functions_without_a_signature_have_names(self) -> None:
        assert [a.name for a in gradcheck(max, 1.0, 2.0).arguments] == ["x0", "x1"]

    def test_several_outputs_in_a_nest_with_plain_numbers_between(self) -> None:
        report = gradcheck(lambda x: {"a": (x * x, 3), "b": [None, x.sum()]}, X)

        assert report.verdict is Verdict.PASS

    def test_no_input_is_changed(self) -> None:
        x = X.copy()
        v = tg.Value(X)

        gradcheck(lambda a, b: (a * b).sum(), x, v)

        assert np.array_equal(x, X)
        assert v.grad is None

    @pytest.mark.parametrize(
        ("inputs", "message"),
        [
            ((2,), r"input x is 2, and derivatives need floats: pass floats \(2.0 instead of 2\)"),
            ((True,), r"input x is True, and derivatives need floats"),
            ((np.array([1, 2]),), r"input x is an array of int64.*constants=\('x',\)"),
            ((np.int64(3),), "input x is .*3.*derivatives need floats"),
            (([1.0, 2],), r"input x\[1\] is 2.*constants=\('x',\)"),
            (("abc",), "input x is of type str: floats, arrays of floats, Values and nests"),
            ((1j,), "input x is of type complex"),
            ((np.array([1j]),), r"input x is complex \(complex128\); the checker varies real"),
            ((np.array(["a"]),), "input x is of type ndarray"),
            (([1.0, math.nan],), r"input x\[1\] is nan; derivatives need finite inputs"),
            ((np.array([[1.0, -np.inf]]),), r"input x\[0, 1\] is -inf; derivatives need finite"),
            ((), r"<lambda>\(x\) got 0 inputs: missing a required argument: 'x'"),
            ((1.0, 2.0), r"<lambda>\(x\) got 2 inputs: too many positional arguments"),
            (([],), "no float input to check: x came; give at least one float or array"),
        ],
    )
    def test_other_inputs_are_refused(self, inputs: Any, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            gradcheck(lambda x: x, *inputs)

    def test_nothing_to_vary(self) -> None:
        with pytest.raises(UsageError, match="no float input to check: nothing came"):
            gradcheck(lambda: 1.0)


class TestConstants:
    def test_by_name_and_by_position(self) -> None:
        def loss(logits: Any, labels: Any, scale: Any) -> Any:
            return -tg.log_softmax(logits, axis=1)[np.arange(len(labels)), labels].sum() * scale

        report = gradcheck(loss, X, np.array([2, 0]), 3, constants=("labels", 2))

        assert report.verdict is Verdict.PASS
        assert [a.name for a in report.arguments] == ["logits"]

    def test_labels_are_handed_through_as_they_are(self) -> None:
        seen = []

        def loss(logits: Any, labels: Any) -> Any:
            seen.append(labels)
            return tg.log_softmax(logits, axis=1)[np.arange(2), labels].sum()

        labels = np.array([2, 0])
        report = gradcheck(loss, X, labels, constants=("labels",))

        assert report.verdict is Verdict.PASS
        assert all(item is labels for item in seen)

    @pytest.mark.parametrize("constant", ["z", 5, -1])
    def test_unknown_ones_are_refused(self, constant: Any) -> None:
        with pytest.raises(UsageError, match=f"constants: no input is called {constant!r}; the in"):
            gradcheck(lambda x: x, 1.0, constants=(constant,))


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"order": 3}, "order must be 1 or 2, got 3"),
            ({"rtol": 0.0}, "rtol must be between 0 and 1, got 0.0"),
            ({"rtol": 2.0}, "rtol must be between 0 and 1, got 2.0"),
            ({"atol": -1.0}, "atol must not be negative, got -1.0"),
            ({"max_coordinates": 0}, "max_coordinates must be at least 1, got 0"),
            ({"complex_step": "yes"}, "complex_step must be 'auto', True or False, got 'yes'"),
            ({"kind": "thing"}, "kind must be one of auto, values, pair, module, got 'thing'"),
        ],
    )
    def test_bad_options_are_refused(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            gradcheck(lambda x: x, 1.0, **options)

    def test_raise_on_failure(self) -> None:
        wrong = pair(lambda x: x * x, lambda x: x)

        with pytest.raises(GradientError, match=r"args0 .* wrong gradient") as caught:
            gradcheck(wrong, 1.5, raise_on_failure=True)

        assert isinstance(caught.value, AssertionError)
        assert caught.value.report.exit_code == 1

    def test_inconclusive_raises_too_unless_allowed(self) -> None:
        report = gradcheck(tg.relu, 0.0)

        with pytest.raises(GradientError, match="kink"):
            report.raise_for_failure()
        assert report.raise_for_failure(allow_inconclusive=True) is report

    def test_rtol_and_atol(self) -> None:
        off = pair(lambda x: x * x, lambda x: 2.001 * x)

        assert gradcheck(off, 1.5).verdict is Verdict.WRONG
        assert gradcheck(off, 1.5, rtol=1e-2).verdict is Verdict.PASS
        assert gradcheck(off, 1.5, atol=1e-2).verdict is Verdict.PASS

    def test_the_same_seed_gives_the_same_report(self) -> None:
        def f(x: Any) -> Any:
            return x.tanh() * x

        first, again, other = (gradcheck(f, X, seed=s) for s in (1, 1, 2))

        assert first.to_json() == again.to_json()
        assert first.coordinates()[0].analytic != other.coordinates()[0].analytic

    def test_the_complex_step_is_used_where_it_works(self) -> None:
        report = gradcheck(lambda x: tg.exp(x) * x, X)

        assert {c.method for c in report.coordinates()} == {"complex step"}
        assert report.worst_error < 1e-14

    def test_the_complex_step_can_be_switched_off(self) -> None:
        report = gradcheck(lambda x: tg.exp(x) * x, X, complex_step=False)

        assert {c.method for c in report.coordinates()} == {"central difference"}
        assert report.verdict is Verdict.PASS

    def test_the_complex_step_can_be_demanded(self) -> None:
        assert gradcheck(lambda x: x * x, 1.5, complex_step=True).verdict is Verdict.PASS
        with pytest.raises(UsageError, match="complex_step=True: f does not allow it, as erf is"):
            gradcheck(lambda x: tg.erf(x), 0.5, complex_step=True, name="f")

    def test_the_name_in_the_report(self) -> None:
        assert gradcheck(lambda x: x, 1.0, name="identity").name == "identity"
        assert str(gradcheck(lambda x: x, 1.0)).startswith("gradcheck <lambda>: pass")


class TestSecondOrder:
    def test_a_right_second_derivative_passes(self) -> None:
        report = gradcheck(lambda x, w: (tg.sin(x) * w**3).sum(), X, 1.5, order=2)

        assert report.verdict is Verdict.PASS
        assert [(a.name, a.order) for a in report.arguments] == [
            ("x", 1),
            ("w", 1),
            ("x", 2),
            ("w", 2),
        ]
        assert "x (order 2)" in str(report)

    def test_a_wrong_second_derivative_is_found(self) -> None:
        # Right as a number, but cut off from its own derivative.
        bent = tg.op(
            "bent_for_order_2",
            lambda x: x**3,
            lambda out, x: 3.0 * x.detach() * x if isinstance(x, tg.Value) else 3.0 * x * x,
        )
        try:
            report = gradcheck(bent, 1.5, order=2)
        finally:
            tg.remove_op("bent_for_order_2")

        assert [a.verdict for a in report.arguments] == [Verdict.PASS, Verdict.WRONG]
        assert "factor 1/2" in report.arguments[1].cause

    def test_it_is_left_out_if_the_first_is_wrong(self) -> None:
        faulty = tg.TABLE["tanh"].with_scaled_derivative(1.01)

        report = gradcheck(faulty, 0.5, order=2)

        assert [a.order for a in report.arguments] == [1]
        assert "order 2 was not checked, as the gradient itself is wrong" in report.remarks

    def test_where_the_gradient_is_infinite_there_is_none(self) -> None:
        report = gradcheck(tg.sqrt, 0.0, order=2)

        assert report.arguments[1].verdict is Verdict.NOISE
        assert "the gradient is not finite here" in report.arguments[1].remarks[0]

    def test_numpy_gradients_have_no_derivative(self) -> None:
        with pytest.raises(UsageError, match="order=2 needs a function of Values; f is a function"):
            gradcheck(pair(np.square, lambda x: 2 * x), 1.5, order=2, name="f")


class TestDtypes:
    @pytest.mark.parametrize("dtype", [np.float32, np.float16])
    def test_low_precision_is_promoted_and_said(self, dtype: Any) -> None:
        report = gradcheck(lambda x: (x * x).sum(), X.astype(dtype))

        assert report.verdict is Verdict.PASS
        assert report.remarks == ("x: promoted to float64 for the check",)
        assert report.rtol == 1e-6

    def test_a_function_that_insists_on_float32_is_checked_in_float32(self) -> None:
        def f(x: Any) -> tuple[Any, Any]:
            if x.dtype != np.float32:
                raise TypeError("float32 only")
            return np.sum(np.sin(x)), np.cos(x)

        def g(x: Any) -> tuple[Any, Any]:
            return f(x)[0], 1.01 * f(x)[1]

        right, wrong = gradcheck(f, X.astype(np.float32)), gradcheck(g, X.astype(np.float32))

        assert right.verdict is Verdict.PASS
        assert 1e-4 < right.rtol < 1e-3
        assert "f does not take float64 for x: checked in float32" in " ".join(right.remarks)
        assert wrong.verdict is Verdict.WRONG

    def test_a_function_that_raises_whatever_it_gets_raises(self) -> None:
        def f(x: Any) -> Any:
            raise TypeError("never")

        with pytest.raises(TargetError, match="f raised TypeError: never"):
            gradcheck(f, X.astype(np.float32))

    def test_results_in_float32_widen_step_and_tolerance(self) -> None:
        report = gradcheck(lambda x: tg.astype(tg.sin(x), np.float32), X)

        assert report.verdict is Verdict.PASS
        assert report.rtol == pytest.approx(np.finfo(np.float32).eps ** 0.5)

    def test_values_in_float32(self) -> None:
        v = tg.Value(X.astype(np.float32))

        assert gradcheck(lambda x: (x**2).sum(), v).verdict is Verdict.PASS


class TestScales:
    @pytest.mark.parametrize("scale", [1e-8, 1e-3, 1e3, 1e8])
    def test_smooth_functions_pass_at_any_scale(self, scale: float) -> None:
        x = scale * X

        for complex_step in (True, False):
            report = gradcheck(
                lambda x: (tg.sin(x / scale) + x**2).sum(), x, complex_step=complex_step
            )
            assert report.verdict is Verdict.PASS

    def test_coordinates_of_very_different_sizes(self) -> None:
        x = np.array([1e8, 1e-8, 1.0])

        assert gradcheck(lambda x: tg.log(x).sum(), x, complex_step=False).verdict is Verdict.PASS
        assert gradcheck(lambda x: (x * x).sum(), x).verdict is Verdict.PASS

    def test_a_wrong_slope_that_is_tiny_beside_the_value_is_found_by_the_complex_step(self) -> None:
        x = np.array([1e8, 1e-8])

        report = gradcheck(pair(lambda x: np.sum(x**2), lambda x: 2 * x * [1.0, 2.0]), x)

        assert report.verdict is Verdict.WRONG
        assert report.coordinates()[0].index == (1,)

    def test_without_the_complex_step_it_is_called_tiny(self) -> None:
        x = np.array([1e8, 1e-8])

        report = gradcheck(pair(lambda x: float(np.sum(x**2)), lambda x: 2 * x), x)

        assert report.verdict is Verdict.PASS
        assert {c.remark for c in report.coordinates()} == {"", "tiny beside the other slopes"}

    def test_a_slope_that_nothing_can_show_is_step_noise(self) -> None:
        def f(x: Any) -> tuple[float, float]:
            return float(1e8 + 1e-8 * x), 1e-8

        report = gradcheck(f, 1.0)

        assert report.verdict is Verdict.NOISE
        assert report.exit_code == 3


class TestBadFunctions:
    def test_what_it_raises_comes_with_file_and_line(self) -> None:
        def f(x: Any) -> Any:
            raise KeyError("lost")

        with pytest.raises(
            TargetError, match=r"f raised KeyError: 'lost' \(at .*test_gradcheck.py"
        ):
            gradcheck(f, 1.0)

    def test_the_original_error_is_kept(self) -> None:
        with pytest.raises(TargetError) as caught:
            gradcheck(lambda x: x @ np.ones(7), X)

        assert isinstance(caught.value.original, ValueError)
        assert caught.value.__cause__ is caught.value.original

    def test_usage_errors_of_the_package_pass_through(self) -> None:
        def f(x: Any) -> Any:
            raise UsageError("pred has shape (3, 1), target (3,)")

        with pytest.raises(UsageError, match=r"^pred has shape"):
            gradcheck(f, 1.0)

    @pytest.mark.parametrize(
        ("result", "message"),
        [
            (None, r"f returned None; a real number, .* is needed \(is a return missing\?\)"),
            ("text", "f returned str of <U4; a real number"),
            (True, "f returned bool of bool; a real number"),
            (1j, "f returned complex of complex128"),
            ([], "f returned no number at all, but a list of 0"),
            (np.zeros((0, 2)), r"f returned no number at all, but an array of shape \(0, 2\)"),
            ({"a": ()}, "f returned no number at all, but a dict of 1"),
        ],
    )
    def test_results_that_are_no_numbers(self, result: Any, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            gradcheck(lambda x: result, 1.0, kind="values", name="f")

    def test_an_empty_value(self) -> None:
        with pytest.raises(UsageError, match=r"but a Value of shape \(0,\)"):
            gradcheck(lambda x: x[:0], np.ones(2))

    def test_an_output_that_changes_its_shape(self) -> None:
        with pytest.raises(
            UsageError, match=r"f returned shapes \[\(2,\)\] here and \[\(3,\)\] at"
        ):
            gradcheck(lambda x: x[x.data > 1.0], np.array([1.0, 2.0, 3.0]) + 1e-9 * X[0], name="f")

    @pytest.mark.parametrize(("x", "value"), [(-1.0, "nan"), (0.0, "-inf")])
    def test_a_function_that_is_not_finite_at_the_point(self, x: float, value: str) -> None:
        with pytest.raises(UsageError, match=rf"log returned {value} \(output number 0\) at this"):
            gradcheck(tg.log, x)

    def test_what_is_neither_function_nor_module(self) -> None:
        with pytest.raises(UsageError, match="float is of type float: a function, an object with"):
            gradcheck(3.0, 1.0)

    def test_a_result_without_values_and_without_gradient(self) -> None:
        with pytest.raises(UsageError, match=r"sqrt does not take Values \(.*it returns float"):
            gradcheck(math.sqrt, 2.0)

    def test_a_function_that_takes_values_alone_and_returns_a_number(self) -> None:
        report = gradcheck(lambda x: x.detach().item() ** 2, 1.5)

        assert report.verdict is Verdict.WRONG
        assert "zero gradient: cut off on the way" in report.causes[0]

    def test_a_named_tuple_result_is_a_nest(self) -> None:
        class Two(NamedTuple):
            a: Any
            b: Any

        assert gradcheck(lambda x: Two(x * 2.0, x.sum()), X).verdict is Verdict.PASS


class TestState:
    def test_random_functions(self) -> None:
        rng = np.random.default_rng(0)

        report = gradcheck(lambda x: x * rng.uniform(), 1.0)

        assert report.verdict is Verdict.NONDETERMINISTIC
        assert "two calls with the same inputs differ by" in report.arguments[0].remarks[0]

    def test_random_gradients(self) -> None:
        rng = np.random.default_rng(0)

        report = gradcheck(lambda x, y: (x * y, (y + rng.normal(), x)), 1.0, 2.0, kind="pair")

        assert [a.verdict for a in report.arguments] == [Verdict.NONDETERMINISTIC, Verdict.PASS]
        assert report.arguments[0].remarks == ("two calls with the same inputs give two gradients",)

    def test_a_state_that_changes_later(self) -> None:
        calls = [0]

        def f(x: Any) -> Any:
            calls[0] += 1
            return x * (1.0 if calls[0] < 8 else 2.0)

        report = gradcheck(f, 1.0)

        assert report.verdict is Verdict.NONDETERMINISTIC
        assert "it keeps a state" in report.arguments[0].remarks[0]

    def test_noise_in_the_last_bits_is_no_nondeterminism(self) -> None:
        calls = [0]

        def f(x: Any) -> Any:
            calls[0] += 1
            return x * x * (1.0 + 2.0**-52 * (calls[0] % 2))

        assert gradcheck(f, np.array([1.0, 1.5]), rtol=1e-4).verdict is not Verdict.NONDETERMINISTIC


class TestNotFinite:
    def test_a_nan_in_the_gradient(self) -> None:
        report = gradcheck(pair(np.sum, lambda x: np.where(x > 0, 1.0, np.nan)), X)

        assert report.verdict is Verdict.WRONG
        assert math.isnan(report.worst_error)
        assert "yours is nan, and the numeric slope is finite" in str(report)
        assert "yours is not finite: 0/0, inf - inf, the log of 0" in report.causes[0]

    def test_an_infinite_gradient(self) -> None:
        assert gradcheck(pair(np.square, lambda x: np.inf), 1.5).verdict is Verdict.WRONG

    def test_sqrt_at_0_has_no_slope(self) -> None:
        report = gradcheck(tg.sqrt, 0.0)

        assert report.verdict is Verdict.KINK
        assert report.coordinates()[0].analytic == math.inf

    def test_a_function_that_raises_outside_of_its_domain(self) -> None:
        def f(x: Any) -> tuple[Any, Any]:
            if x > 1.0:
                raise ValueError("x must not exceed 1")
            return x**2, 2 * x

        report = gradcheck(f, 1.0)

        assert report.verdict is Verdict.KINK
        assert report.coordinates()[0].remark == "the domain ends here"

    def test_far_from_the_edge_the_domain_does_not_matter(self) -> None:
        assert gradcheck(lambda x: tg.log(x), 1e-3, complex_step=False).verdict is Verdict.PASS


def test_the_room_is_callable() -> None:
    room: Any = tg.gradcheck

    report = room(lambda x: x * x, 1.5, name="square")

    assert isinstance(report, Report)
    assert report.name == "square"
    assert room.Verdict is Verdict
