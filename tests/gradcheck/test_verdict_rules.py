"""What a claimed slope and a measured one say together."""

from __future__ import annotations

import math

import pytest

from tinygrad_lecture.gradcheck.sweep import Estimate
from tinygrad_lecture.gradcheck.verdicts import (
    Tolerance,
    Verdict,
    band,
    judge,
    relative_error,
    worst,
)

TOLERANCE = Tolerance(1e-6)


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        (3.0, 1.0, 0.5),
        (1.0, 3.0, 0.5),
        (-1.0, 1.0, 1.0),
        (0.0, 0.0, 0.0),
        (0.0, 1e-300, 1.0),
        (1e308, -1e308, 1.0),
        (1e308, 5e307, 1 / 3),
        (math.inf, math.inf, 0.0),
        (math.inf, 1.0, 1.0),
    ],
)
def test_the_relative_error_is_symmetric_and_never_overflows(
    a: float, b: float, error: float
) -> None:
    assert relative_error(a, b) == pytest.approx(error)


def test_the_relative_error_of_a_nan_is_nan() -> None:
    assert math.isnan(relative_error(math.nan, 1.0))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (0.5, "wrong, most likely"),
        (1e-3, "uncomfortable"),
        (1e-5, "fine with kinks, suspect without"),
        (1e-8, "happy"),
        (0.0, "happy"),
        (math.nan, "not a number"),
    ],
)
def test_the_bands_of_the_notes_in_words(error: float, words: str) -> None:
    assert band(error) == words


def test_exit_codes() -> None:
    assert [v.exit_code for v in Verdict] == [0, 1, 3, 3, 3]


def test_the_gravest_verdict_wins() -> None:
    assert worst([]) is Verdict.PASS
    assert worst([Verdict.PASS, Verdict.KINK]) is Verdict.KINK
    assert worst([Verdict.NOISE, Verdict.NONDETERMINISTIC]) is Verdict.NONDETERMINISTIC
    assert worst([Verdict.NOISE, Verdict.WRONG, Verdict.KINK]) is Verdict.WRONG


@pytest.mark.parametrize(
    ("claimed", "measured", "verdict"),
    [
        (1.0, Estimate(1.0 + 1e-7, 1e-12, 1e-5), Verdict.PASS),  # within the tolerance
        (1.0, Estimate(1.0 + 5e-6, 1e-6, 1e-5), Verdict.PASS),  # within a sharp bar
        (1.0, Estimate(1.001, 1e-5, 1e-5), Verdict.WRONG),  # outside of the bar
        (1.0, Estimate(1.1, 0.05, 1e-5), Verdict.NOISE),  # within a wide bar
        (1.0, Estimate(math.nan, math.inf, 1e-5, edge=True), Verdict.NOISE),
        (0.0, Estimate(0.0, 1e-3, 1e-5), Verdict.PASS),  # both zero
        (1e9, Estimate(1.0, 1e-3, 1e-5, steepness=1e8), Verdict.NOISE),
        (0.5, Estimate(0.5, 1e-12, 1e-9, low=0.0, high=1.0), Verdict.KINK),
        (1.0, Estimate(0.5, 1e-12, 1e-9, low=0.0, high=1.0), Verdict.KINK),
        (1.1, Estimate(0.5, 1e-12, 1e-9, low=0.0, high=1.0), Verdict.WRONG),
        (2.0, Estimate(2.0, 1e-3, 1e-9, edge=True), Verdict.KINK),
        (3.0, Estimate(2.0, 1e-4, 1e-9, edge=True), Verdict.WRONG),
        (3.0, Estimate(9.0, 4.0, 1e-9, edge=True, unbounded=True), Verdict.KINK),
        (math.nan, Estimate(1.0, 1e-9, 1e-5), Verdict.WRONG),
        (math.inf, Estimate(1.0, 1e-9, 1e-5), Verdict.WRONG),
        (math.inf, Estimate(9.0, 4.0, 1e-9, edge=True, unbounded=True), Verdict.KINK),
        (math.nan, Estimate(math.nan, math.inf, 1e-5), Verdict.NOISE),
        (math.nan, Estimate(1.0, math.inf, 1e-5), Verdict.NOISE),
    ],
)
def test_verdicts(claimed: float, measured: Estimate, verdict: Verdict) -> None:
    assert judge(claimed, measured, TOLERANCE)[0] is verdict


def test_what_is_rounding_on_both_sides_passes() -> None:
    tolerance = Tolerance(1e-6, floor=1e-14)

    assert judge(1e-16, Estimate(-3e-16, 1e-18, 0.0), tolerance)[0] is Verdict.PASS
    assert judge(1e-16, Estimate(1e-11, 1e-11, 1e-5), tolerance)[0] is Verdict.PASS
    assert judge(1e-16, Estimate(1e-3, 1e-3, 1e-5), tolerance)[0] is Verdict.NOISE


def test_an_absolute_tolerance_is_for_those_who_ask() -> None:
    measured = Estimate(1e-3, 1e-9, 1e-5)

    assert judge(2e-3, measured, TOLERANCE)[0] is Verdict.WRONG
    assert judge(2e-3, measured, Tolerance(1e-6, absolute=1e-2))[0] is Verdict.PASS
