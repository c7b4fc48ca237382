"""Large arguments: random directions, bisection, and some coordinates of every argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_lecture as tg
from tinygrad_lecture.gradcheck import Verdict, gradcheck

Array = NDArray[Any]

LARGE = np.random.default_rng(3).normal(size=200_000)


def spoilt(spoil: Any) -> Any:
    """sum(sin(x)) with a spoilt gradient, and a record of the number of calls."""

    def f(x: Array) -> Any:
        f.calls += 1  # type: ignore[attr-defined]
        gradient = np.cos(x)
        spoil(gradient)
        return float(np.sum(np.sin(x))), gradient

    f.calls = 0  # type: ignore[attr-defined]
    return f


@pytest.mark.parametrize(("index", "factor"), [(1, 1.5), (77_777, 0.0), (199_998, -1.0)])
def test_one_wrong_coordinate_among_200000_is_found(index: int, factor: float) -> None:
    def spoil(gradient: Array) -> None:
        gradient[index] *= factor

    f = spoilt(spoil)
    report = gradcheck(f, LARGE, max_coordinates=20)

    worst = report.coordinates()[0]
    assert report.verdict is Verdict.WRONG
    assert worst.index == (index,)
    assert worst.numeric == pytest.approx(np.cos(LARGE[index]), rel=1e-6)
    assert report.arguments[0].count(Verdict.WRONG) == 1
    assert f.calls < 600


def test_several_wrong_coordinates_are_found() -> None:
    def spoil(gradient: Array) -> None:
        gradient[[5, 150_000]] *= 0.5

    report = gradcheck(spoilt(spoil), LARGE, max_coordinates=20)

    wrong = {c.index for c in report.coordinates() if c.verdict is Verdict.WRONG}
    assert wrong == {(5,), (150_000,)}


def test_two_swapped_entries_do_not_cancel() -> None:
    def spoil(gradient: Array) -> None:
        gradient[[1000, 90_000]] = gradient[[90_000, 1000]]

    assert gradcheck(spoilt(spoil), LARGE, max_coordinates=20).verdict is Verdict.WRONG


def test_a_right_large_gradient_passes_with_few_calls() -> None:
    f = spoilt(lambda gradient: None)

    report = gradcheck(f, LARGE, max_coordinates=20)

    assert report.verdict is Verdict.PASS
    assert report.arguments[0].directions == 2
    assert f.calls < 120
    assert "+ 2 directions" in str(report)


def test_a_large_function_of_values() -> None:
    report = gradcheck(lambda x: (tg.tanh(x) * x).mean(), LARGE[:20_000], max_coordinates=20)

    assert report.verdict is Verdict.PASS


def test_a_wrong_entry_in_a_mean_over_many() -> None:
    def f(x: Array) -> Any:
        gradient = 2 * x / x.size
        gradient[31_337] *= 2
        return float(np.mean(x**2)), gradient

    assert gradcheck(f, LARGE[:50_000], max_coordinates=20).coordinates()[0].index == (31_337,)


def test_some_coordinates_of_every_argument_are_compared() -> None:
    def f(a: Any, b: Any, c: Any, d: Any) -> Any:
        return (a * a).sum() + (b * b).sum() + (c * c).sum() + d * d

    report = gradcheck(f, LARGE[:5000].reshape(50, 100), LARGE[:3000], LARGE[:3], 0.5)

    assert report.verdict is Verdict.PASS
    assert [len(a.coordinates) for a in report.arguments] == [32, 32, 3, 1]
    assert [a.directions for a in report.arguments] == [2, 2, 0, 0]
    indices = {c.index for c in report.arguments[0].coordinates}
    assert {(0, 0), (49, 99)} <= indices


def test_the_sample_depends_on_the_seed_alone() -> None:
    def f(x: Any) -> Any:
        return (x * x).sum()

    first, again, other = (gradcheck(f, LARGE[:3000], seed=s) for s in (0, 0, 1))

    assert first == again
    assert {c.index for c in first.coordinates()} != {c.index for c in other.coordinates()}


def test_entries_that_are_not_finite_are_looked_at_first() -> None:
    def spoil(gradient: Array) -> None:
        gradient[4321] = np.nan

    report = gradcheck(spoilt(spoil), LARGE, max_coordinates=20)

    assert report.verdict is Verdict.WRONG
    assert report.coordinates()[0].index == (4321,)


def test_a_kink_somewhere_is_no_error() -> None:
    x = LARGE[:3000].copy()
    x[1234] = 0.0

    report = gradcheck(lambda x: tg.relu(x).sum(), x, max_coordinates=20)

    assert report.verdict is Verdict.PASS
    assert "a random direction meets a kink, and tells little" in report.arguments[0].remarks


def test_the_edge_of_the_domain_somewhere_is_no_error() -> None:
    x = np.abs(LARGE[:3000])
    x[1234] = 0.0

    report = gradcheck(lambda x: (x**1.5).sum(), x, max_coordinates=20)

    assert report.verdict is Verdict.PASS


def test_a_direction_that_is_too_noisy_says_so() -> None:
    def f(x: Array) -> Any:
        return float(np.round(np.sum(x**2), 1)), 2 * x

    report = gradcheck(f, LARGE[:3000], max_coordinates=8)

    assert "a random direction is too noisy to show one wrong coordinate among all" in (
        report.arguments[0].remarks
    )


def test_an_error_that_no_coordinate_shows_alone() -> None:
    """The gradient is wrong in all coordinates by less than each one's tolerance."""
    report = gradcheck(
        lambda x: (float(np.sum(np.sin(x))), np.cos(x) + 1e-6 * np.sign(x)), LARGE[:100_000],
        rtol=1e-4, max_coordinates=8,
    )  # fmt: skip

    assert report.verdict in (Verdict.PASS, Verdict.WRONG)
    if report.verdict is Verdict.WRONG:
        assert "no single coordinate was found guilty" in report.arguments[0].remarks[0]


def test_many_wrong_coordinates_get_a_short_sweep_each() -> None:
    calls = [0]

    def f(x: Array) -> Any:
        calls[0] += 1
        return float(np.sum(np.sin(x))), np.cos(x) + 1.0

    report = gradcheck(f, LARGE[:200])

    assert report.arguments[0].count(Verdict.WRONG) == 200
    assert calls[0] < 200 * 30
