"""Numeric derivatives on plain callables: steps, differences, and the V-curve of their error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.gradcheck import numeric_gradient, sweep_steps, taylor_test
from tinygrad_lecture.gradcheck.numeric import (
    EPS,
    Evaluation,
    Line,
    coordinate_scale,
    power_of_two,
    steps_for,
)
from tinygrad_lecture.gradcheck.sweep import estimate, sweep_line

Array = NDArray[Any]


def line_of(f: Callable[..., Any], x: Any, direction: Any = 0, **options: Any) -> Line:
    at = np.asarray(x)

    def evaluate(arrays: Sequence[Array]) -> Evaluation:
        with np.errstate(all="ignore"):
            return Evaluation(np.asarray(f(arrays[0]), dtype=np.float64).reshape(-1))

    base = evaluate([at])
    return Line(evaluate, [at], base, np.ones(base.values.size), 0, direction, **options)


class TestSteps:
    @pytest.mark.parametrize("h", [1e-300, 3e-6, 0.7, 1.0, 5.0, 1e300])
    def test_steps_are_powers_of_two_nearby(self, h: float) -> None:
        step = power_of_two(h)

        assert math.frexp(step)[0] == 0.5
        assert 0.7 < step / h < 1.5

    def test_the_scale_of_a_zero_is_that_of_its_neighbours(self) -> None:
        assert coordinate_scale(np.array([0.0, -4.0])).tolist() == [4.0, 4.0]
        assert coordinate_scale(np.zeros(2)).tolist() == [1.0, 1.0]
        assert coordinate_scale(np.array([1e-300, 2.0])).tolist() == [2.0, 2.0]
        assert coordinate_scale(np.zeros((0, 3))).shape == (0, 3)

    def test_the_step_is_relative_to_the_coordinate(self) -> None:
        small = steps_for(1e-8, 1e-8, 1e-8, EPS, float(np.spacing(1e-8)))
        large = steps_for(1e8, 1e8, 1e8, EPS, float(np.spacing(1e8)))

        assert 2**-18 < small.first[0] / 1e-8 < 2**-16
        assert 2**-18 < large.first[0] / 1e8 < 2**-16

    def test_the_step_grows_with_the_error_of_the_outputs(self) -> None:
        single = float(np.finfo(np.float32).eps)

        step = steps_for(1.0, 1.0, 1.0, single, EPS).first[0]

        assert step == power_of_two(single ** (1 / 3))

    @pytest.mark.parametrize("x", [1e-8, 0.3, 1e8, 1e300])
    def test_a_ladder_ascends_in_powers_of_two_and_stays_above_the_spacing(self, x: float) -> None:
        spacing = float(np.spacing(x))
        ladder = steps_for(x, x, x, EPS, spacing).ladder()

        assert ladder == sorted(set(ladder))
        assert all(math.frexp(h)[0] == 0.5 for h in ladder)
        assert ladder[0] >= 4 * spacing
        assert ladder[-1] >= min(x, 1.0) / 64


class TestLine:
    def test_the_difference_is_divided_by_the_step_really_taken(self) -> None:
        x, h = 1e8, 1e-7  # x + h is not a number of the dtype

        probe = line_of(lambda a: a, x).probe(h)

        assert probe.central == 1.0

    def test_outputs_that_do_not_move_contribute_no_noise(self) -> None:
        probe = line_of(lambda a: [a * 2.0, 1e9], 1.0).probe(2.0**-17)

        assert probe.central == 2.0
        assert probe.noise < 1e-9 < probe.blind

    def test_the_slope_along_a_direction_is_corrected_for_rounding(self) -> None:
        x = np.full(50, 1e6)
        direction = np.linspace(0.1, 0.3, 50)
        gradient = np.cos(np.arange(50.0))
        exact = float(np.sum(gradient * direction))

        plain = line_of(lambda a: np.sum(gradient * (a - 1e6)), x, direction).probe(2.0**-30)
        corrected = line_of(
            lambda a: np.sum(gradient * (a - 1e6)), x, direction, gradient=gradient
        ).probe(2.0**-30)

        assert abs(plain.central - exact) > 1e-3
        assert abs(corrected.central - exact) < 1e-9

    def test_a_gradient_that_is_not_finite_corrects_nothing(self) -> None:
        x, direction = np.ones(2), np.ones(2)

        probe = line_of(np.sum, x, direction, gradient=np.array([np.nan, 1.0])).probe(0.5)

        assert probe.central == 2.0

    def test_one_side_outside_of_the_domain(self) -> None:
        probe = line_of(np.sqrt, 0.0).probe(0.25)

        assert not probe.two_sided
        assert probe.forward == 2.0
        assert math.isnan(probe.backward)


class TestNumericGradient:
    def test_central_differences_are_accurate_to_the_square_and_forward_to_the_first(self) -> None:
        x = np.array([0.5, 1.5])
        exact = np.exp(x)

        def f(a: Array) -> Any:
            return np.sum(np.exp(a))

        forward = np.abs(numeric_gradient(f, x, scheme="forward") - exact).max()
        central = np.abs(numeric_gradient(f, x) - exact).max()

        assert central < 1e-9 < forward < 1e-6

    def test_halving_the_step_quarters_the_error(self) -> None:
        errors = [float(numeric_gradient(np.exp, 1.0, step=h)) - math.e for h in (1e-2, 5e-3)]

        assert errors[0] / errors[1] == pytest.approx(4.0, abs=0.5)

    def test_lecture_figures_at_h_1e_minus_5(self) -> None:
        central = abs(float(numeric_gradient(np.sin, 1.0, step=1e-5)) - math.cos(1.0))
        forward = abs(
            float(numeric_gradient(np.sin, 1.0, step=1e-5, scheme="forward")) - math.cos(1.0)
        )

        assert central < 1e-10
        assert 1e-6 < forward < 1e-5

    def test_the_complex_step_is_exact_to_rounding(self) -> None:
        x = np.array([[0.3, 2.0], [1.0, -1.0]])

        found = numeric_gradient(lambda a: np.sum(np.exp(a) * a), x, scheme="complex")

        np.testing.assert_allclose(found, np.exp(x) * (1 + x), rtol=1e-15)

    def test_an_empty_array_has_an_empty_gradient(self) -> None:
        assert numeric_gradient(np.sum, np.zeros((0, 2))).shape == (0, 2)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"scheme": "sideways"}, "scheme must be 'central', 'forward' or 'complex', got 'side"),
            ({"step": 0.0}, "step must be positive, got 0.0"),
        ],
    )
    def test_bad_options(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            numeric_gradient(np.sum, [1.0], **options)

    @pytest.mark.parametrize("f", [lambda x: x, lambda x: "text"])
    def test_the_function_has_to_return_a_number(self, f: Any) -> None:
        with pytest.raises(UsageError, match="f must return one number, got"):
            numeric_gradient(f, [1.0, 2.0])


class TestSweep:
    def test_the_error_curve_is_a_v_with_its_bottom_near_the_best_step(self) -> None:
        sweep = sweep_steps(np.exp, 1.0)
        true = sweep.errors_against(math.e)
        bottom = min(range(len(true)), key=true.__getitem__)

        assert true[0] > 1e3 * true[bottom] < true[-1]
        assert abs(math.log2(sweep.best.step / sweep.steps[bottom])) <= 4
        assert abs(sweep.best.value - math.e) <= 8 * sweep.best.error < 1e-8

    def test_its_text_marks_the_best_step(self) -> None:
        text = str(sweep_steps(np.exp, 1.0, ratio=16.0))

        assert text.splitlines()[0].split() == ["step", "slope", "error"]
        assert text.count("<- best") == 1

    def test_along_a_direction(self) -> None:
        sweep = sweep_steps(lambda x: np.sum(x**2), [1.0, 2.0], [1.0, -1.0], ratio=4.0)

        assert sweep.best.value == pytest.approx(-2.0, abs=1e-9)
        assert len(sweep.derivatives) == len(sweep.steps) == len(sweep.errors)

    @pytest.mark.parametrize(
        ("f", "x", "slope"),
        [
            (np.sin, 1e8, math.cos(1e8)),
            (np.sin, 1e-8, 1.0),
            (lambda x: x + 1, 1e-8, 1.0),
            (lambda x: 1 / x, 1e-6, -1e12),
            (lambda x: x**20, 3.0, 20 * 3.0**19),
            (lambda x: 1 + x**3, 0.0, 0.0),
            (lambda x: x * 1.5, 1e300, 1.5),
            (lambda x: np.abs(x - 1 - 1e-7), 1.0, -1.0),
            (lambda x: np.maximum(x, 0), 1e-5, 1.0),
            (lambda x: np.maximum(x, 0), -1e-5, 0.0),
            (lambda x: 1 + np.maximum(x, 0), -1e-5, 0.0),
            (lambda x: np.where(x > 0, x, 0.01 * x), -1e-5, 0.01),
            (lambda x: np.float64(np.sin(np.float32(x))), 1.0, math.cos(1.0)),
            (lambda x: np.abs(x) ** 1.5, 0.0, 0.0),
        ],
    )
    def test_the_error_bar_covers_the_error(self, f: Any, x: float, slope: float) -> None:
        best = sweep_steps(f, x, ratio=4.0).best

        assert not best.kink
        assert abs(best.value - slope) <= 8 * best.error + 1e-12 * abs(slope)
        assert best.error <= 1e-4 * max(abs(slope), 1e-3)

    @pytest.mark.parametrize(
        ("f", "low", "high"),
        [
            (np.abs, -1.0, 1.0),
            (lambda x: np.maximum(x, 0), 0.0, 1.0),
            (lambda x: 1e6 + np.abs(x), -1.0, 1.0),
            (lambda x: 3 * x + np.maximum(x, 0) + 5 * x**2, 3.0, 4.0),
        ],
    )
    def test_a_kink_gives_the_one_sided_slopes(self, f: Any, low: float, high: float) -> None:
        best = sweep_steps(f, 0.0, ratio=4.0).best

        assert best.kink
        assert best.low == pytest.approx(low, abs=1e-3)
        assert best.high == pytest.approx(high, abs=1e-3)

    def test_a_cusp_and_a_jump_have_unbounded_slopes(self) -> None:
        cusp = sweep_steps(lambda x: np.sqrt(np.abs(x)), 0.0, ratio=4.0).best
        jump = sweep_steps(lambda x: np.where(x > 0, 1.0, 0.0), 0.0, ratio=4.0).best

        assert cusp.kink
        assert cusp.unbounded
        assert cusp.low < -1e4 < 1e4 < cusp.high
        assert jump.kink
        assert jump.low <= 0.0 < 1e4 < jump.high

    def test_the_edge_of_a_domain_gives_a_one_sided_slope(self) -> None:
        smooth = sweep_steps(lambda x: x**1.5 + 2 * x, 0.0, ratio=4.0).best
        steep = sweep_steps(np.sqrt, 0.0, ratio=4.0).best
        left = sweep_steps(lambda x: np.sqrt(-x) * x + x, 0.0, ratio=4.0).best

        assert smooth.edge
        assert smooth.value == pytest.approx(2.0, abs=1e-4)
        assert steep.edge
        assert steep.unbounded
        assert left.edge
        assert left.value == pytest.approx(1.0, abs=1e-4)

    def test_an_isolated_point_has_no_slope(self) -> None:
        best = sweep_steps(lambda x: np.where(x == 1.0, 1.0, np.nan), 1.0, ratio=4.0).best

        assert math.isnan(best.value)
        assert best.error == math.inf

    def test_a_staircase_is_told_from_a_flat_piece(self) -> None:
        rounded = sweep_steps(lambda x: np.round(np.sin(x), 3), 1.0, ratio=4.0)
        flat = sweep_steps(lambda x: np.sign(x) * np.maximum(np.abs(x) - 1e-4, 0), 0.0, ratio=4.0)

        assert rounded.rounded
        assert abs(rounded.best.value - math.cos(1.0)) <= 8 * rounded.best.error
        assert not flat.rounded
        assert flat.best.value == 0.0

    def test_two_slopes_at_short_and_at_long_steps_widen_the_error_bar(self) -> None:
        best = sweep_steps(lambda x: x + np.float64(np.float32(x)), 1.0, ratio=4.0).best

        assert best.error >= 0.5

    def test_what_varies_within_the_shortest_step_may_be_steep(self) -> None:
        best = sweep_steps(lambda x: np.sin(1e15 * x), 1.0, ratio=4.0).best

        assert best.steepness < 1e15

    def test_an_oscillation_is_not_read_at_steps_over_many_periods(self) -> None:
        best = sweep_steps(lambda x: np.sin(1e5 * x), 0.3, ratio=4.0).best

        assert best.value == pytest.approx(1e5 * math.cos(3e4), rel=1e-4)

    def test_one_probe_alone_is_no_estimate(self) -> None:
        probes = sweep_line(line_of(np.exp, 1.0), [2.0**-17]).probes

        assert math.isinf(estimate(probes).error)


class TestTaylor:
    def test_order_2_if_right_and_1_if_wrong(self) -> None:
        x = np.array([0.5, 1.0, -2.0])

        right = taylor_test(lambda a: np.sum(np.exp(a)), np.exp(x), x)
        wrong = taylor_test(lambda a: np.sum(np.exp(a)), 1.001 * np.exp(x), x)

        assert right.order == pytest.approx(2.0, abs=0.05)
        assert wrong.order < 1.5
        assert str(right) == f"Taylor remainder of order {right.order:.2f} (right: 2, wrong: 1)"
        assert len(right.steps) == len(right.remainders)

    def test_order_3_where_the_second_derivative_vanishes(self) -> None:
        assert taylor_test(lambda a: np.sum(a**3), np.zeros(2), [0.0, 0.0]).order == pytest.approx(
            3
        )

    def test_a_linear_function_leaves_nothing(self) -> None:
        taylor = taylor_test(lambda a: np.sum(a), np.ones(3), np.ones(3), [1.0, 2.0, 3.0])

        assert math.isnan(taylor.order)
        assert str(taylor) == "Taylor remainder: nothing but rounding"

    def test_the_direction_comes_from_the_seed(self) -> None:
        first, again, other = (
            taylor_test(lambda a: np.sum(np.sin(a)), np.cos, [0.5, 1.0], seed=s) for s in (3, 3, 4)
        )

        assert first == again != other

    def test_the_gradient_needs_the_shape_of_x(self) -> None:
        with pytest.raises(UsageError, match=r"gradient must have the shape \(2,\) of x, got \(3,"):
            taylor_test(np.sum, np.ones(3), np.ones(2))
