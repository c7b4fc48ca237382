"""Answers of students: right, wrong with a reason, not done yet; never an exception."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.teach import check_answer

A = np.array([1.0, -2.0, 4.0])


class Rude:
    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no numbers")


class Whisper(str):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("answer", "expected", "result", "reason"),
    [
        (..., 1.0, "not done yet", ""),
        (None, A, "not done yet", ""),
        (1, 1.0, "right", ""),
        (np.float32(0.5), 0.5, "right", ""),
        (tg.Value(A), A, "right", ""),
        (A.tolist(), A, "right", ""),
        (True, True, "right", ""),
        (False, True, "wrong", "it is too small"),
        (1.0 + 2e-6, 1.0, "wrong", "it is too large"),
        (1.00001 * A, A, "wrong", "3 of 3 numbers are off"),
        ([0.0, 2.0], [0.0, 1.0], "wrong", "it is 2 times what is right"),
        (tuple(map(tg.Value, A)), A, "right", ""),
        ([tg.Value(1.0), [2.0]], A, "wrong", "numbers are asked for, and list came"),
        (Rude(), 1.0, "wrong", "numbers are asked for, and Rude came"),
        (Whisper("x"), "kink", "wrong", "not 'x'"),
        (Whisper("Kink"), "kink", "right", ""),
        (10**400, 1.0, "wrong", "numbers are asked for, and int came"),
        (0.0, 0.0, "right", ""),
        (3.0, 0.0, "wrong", "it is too large"),
        (-A, A, "wrong", "the sign is wrong"),
        (3 * A, A, "wrong", "it is 3 times what is right"),
        ([1.0, -2.0, 5.0], A, "wrong", "1 of 3 numbers are off"),
        (A[:2], A, "wrong", "the shape is (2,), and should be (3,)"),
        (A[None], A, "wrong", "the shape is (1, 3), and should be (3,)"),
        ([1.0, np.nan, 2.0], A, "wrong", "it holds inf or nan"),
        ("many", 3.0, "wrong", "numbers are asked for, and str came"),
        ([[1.0], [1.0, 2.0]], A, "wrong", "numbers are asked for, and list came"),
        (1j, 1.0, "wrong", "numbers are asked for, and complex came"),
        (print, 1.0, "wrong", "numbers are asked for, and builtin_function_or_method came"),
        (" Kink ", "kink", "right", ""),
        ("pass", "kink", "wrong", "not 'pass'"),
        (1.0, "kink", "wrong", "a text is asked for, and float came"),
    ],
)
def test_answers(answer: Any, expected: Any, result: str, reason: str) -> None:
    found = check_answer(answer, expected, what="it")
    assert (found.result, found.reason) == (result, reason)
    assert found.points == int(bool(found)) == int(result == "right")


def test_the_tolerance_is_relative_to_the_largest_number() -> None:
    assert check_answer([100.0, 0.9], [100.0, 1.0], what="x", rtol=1e-3)
    assert not check_answer([100.0, 0.8], [100.0, 1.0], what="x", rtol=1e-3)


def test_it_shows_itself() -> None:
    wrong = check_answer(-1.0, 1.0, what="a < b")
    assert str(wrong) == "✗ a < b: wrong: the sign is wrong"
    assert wrong._repr_html_() == "✗ a &lt; b: <b>wrong</b>: the sign is wrong"


@pytest.mark.parametrize(
    ("expected", "rtol", "message"),
    [
        (np.inf, 1e-6, "expected must be finite, got inf"),
        (1.0, -1.0, "rtol must not be negative"),
        (1j, 1e-6, "expected must be a real number, an array of them or a text, got complex"),
        (["a"], 1e-6, "expected must be a real number, .* got a list of 1"),
        (None, 1e-6, "expected must be a real number, .* got NoneType"),
    ],
)
def test_bad_checks_are_refused(expected: Any, rtol: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_answer(1.0, expected, what="x", rtol=rtol)
