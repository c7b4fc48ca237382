"""A few numbers of a program are computed by Python; they are what NumPy would give."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture.compiler import numbers
from tinygrad_lecture.compiler.execute import Executable

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.5, 1e-320, 1e300, np.inf, -np.inf, np.nan]
X = np.random.default_rng(0).normal(size=(40, 30))


@pytest.mark.parametrize("y", SPECIAL)
@pytest.mark.parametrize("x", SPECIAL)
def test_they_end_as_numpys_where_python_raises(x: float, y: float) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(numbers._quotient(x, y), np.divide(x, y))
        np.testing.assert_array_equal(numbers._root(x), np.sqrt(x))
        wanted = math.inf if (x, y) == (-math.inf, 0.5) else np.power(x, y)  # as C has it
        np.testing.assert_allclose(numbers._power(x, y), wanted, rtol=1e-15)


def scaled(x: Any, a: Any, b: Any, c: Any) -> Any:
    """Numbers beside an array: all of the ops, read by arrays, by others, and as results."""
    rate = a * b - c / (b**2 + 1.5)
    root = tg.sqrt(a * a + 1.0)
    power = (b * b + 0.5) ** c
    total = tg.sum(tg.tanh(x * rate) + root) * power
    return total, rate, -root, power * power


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3))
def test_compiled_is_eager(values: list[float]) -> None:
    fast = tg.compile(scaled)
    fast(X, 0.3, 0.7, 1.1)
    with np.errstate(all="ignore"):
        found, wanted = fast(X, *values), scaled(X, *values)
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(tg.Value(x).item(), tg.Value(y).item(), rtol=1e-13)
    assert len(fast.programs) == 1


def test_they_are_statements_of_python() -> None:
    fast = tg.compile(scaled)
    fast(X, 0.3, 0.7, 1.1)
    exe = fast.program.exe
    assert isinstance(exe, Executable)
    text = "\n".join(exe.early)
    assert "power_of(" in text
    assert "root(" in text
    assert "quotient(" in text
    assert not any(f"{op}(" in text for op in ("power", "divide", "take"))


def test_a_question_is_asked_of_a_number() -> None:
    def f(x: Any, a: Any) -> Any:
        return tg.sum(tg.sin(x) * a) if a > 0.5 else tg.sum(tg.cos(x))

    fast = tg.compile(f)
    for a in (0.7, 0.2, 0.9, -1.0):
        np.testing.assert_allclose(float(fast(X, a)), float(f(X, a)), rtol=1e-13)
    assert len(fast.programs) == 2


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (-1.0, 0.0), (np.inf, 2.0)])
def test_what_is_not_finite_goes_on(a: float, b: float) -> None:
    def f(x: Any, a: Any, b: Any) -> Any:
        return tg.sum(tg.tanh(x * (a / b)))

    fast = tg.compile(f)
    fast(X, 1.0, 2.0)
    with np.errstate(all="ignore"):
        wanted = np.tanh(X * np.divide(a, b)).sum()
        np.testing.assert_array_equal(float(fast(X, a, b)), wanted)
