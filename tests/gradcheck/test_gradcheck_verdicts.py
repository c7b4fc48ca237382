"""Each verdict and each typical error of a hand-written gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.engine import TABLE
from tinygrad_lecture.gradcheck import GradientError, Verdict, gradcheck
from tinygrad_lecture.gradcheck.builtin import check_rows, faulty

X = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]])


def claim(gradient: Any) -> Any:
    """A hand-written (value, gradient) of sum(x**3)."""

    def f(x: Any) -> tuple[float, Any]:
        return float((x**3).sum()), gradient(x)

    return f


def test_a_right_gradient_passes() -> None:
    report = gradcheck(claim(lambda x: 3 * x**2), X)

    assert report.verdict == Verdict.PASS
    assert report.exit_code == 0
    assert report.raise_for_failure() is report


@pytest.mark.parametrize(
    ("gradient", "cause"),
    [
        (lambda x: 6 * x**2, "factor 2"),
        (lambda x: 1.5 * x**2, "factor 1/2"),
        (lambda x: -3 * x**2, "sign"),
        (lambda x: 3 * x**2 / x.size, "mean"),
        (lambda x: 0 * x, "zero"),
    ],
)
def test_a_wrong_gradient_is_found_with_its_cause(gradient: Any, cause: str) -> None:
    report = gradcheck(claim(gradient), X)

    assert report.verdict == Verdict.WRONG
    assert report.exit_code == 1
    assert cause in " ".join(report.causes)
    with pytest.raises(GradientError, match="wrong gradient"):
        report.raise_for_failure()


def test_a_transposed_gradient_is_called_so() -> None:
    square = np.arange(9.0).reshape(3, 3) / 7 + 0.1

    report = gradcheck(claim(lambda x: (3 * x**2).T), square)

    assert report.verdict == Verdict.WRONG
    assert "transpose" in " ".join(report.causes)


def test_kinks_are_not_called_wrong() -> None:
    assert gradcheck(tg.relu, 0.0).verdict == Verdict.KINK
    assert gradcheck(abs, 0.0).verdict == Verdict.KINK
    assert gradcheck(lambda x: tg.maximum(x, 2.0), 2.0).verdict == Verdict.KINK


def test_a_nondeterministic_function_is_called_so() -> None:
    rng = np.random.default_rng(0)

    report = gradcheck(lambda x: (x * x).sum() + rng.normal(), X)

    assert report.verdict == Verdict.NONDETERMINISTIC
    assert report.exit_code == 3


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_badly_scaled_inputs_pass(scale: float) -> None:
    assert gradcheck(lambda x: (x * x).sum(), scale * X).verdict == Verdict.PASS


@pytest.mark.slow
def test_one_wrong_coordinate_among_200000_is_found() -> None:
    x = np.random.default_rng(1).normal(size=200_000)

    def gradient(x: Any) -> Any:
        g = 3 * x**2
        g[123_456] += 5.0
        return g

    report = gradcheck(claim(gradient), x)

    assert report.verdict == Verdict.WRONG
    assert report.coordinates()[0].index == (123_456,)


def test_second_order_is_checked_on_request() -> None:
    assert gradcheck(lambda x: (x**3 * tg.sin(x)).sum(), X, order=2).verdict == Verdict.PASS


def test_every_op_passes_in_both_orders() -> None:
    results = check_rows(list(TABLE.values()))

    assert {r.name for r in results if r.verdict != Verdict.PASS} == set()
    assert len(results) == len(TABLE)


@pytest.mark.parametrize("name", list(TABLE))
def test_each_op_with_its_derivative_scaled_by_1_001_fails(name: str) -> None:
    reports = faulty(TABLE[name])

    assert Verdict.WRONG in [r.verdict for r in reports]
    assert all(name in r.name for r in reports)


def test_the_room_is_the_function_too() -> None:
    room: Any = tg.gradcheck

    assert room(tg.exp, 1.0).verdict == Verdict.PASS
