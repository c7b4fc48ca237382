"""Formulas as text: Python's own results, no evaluation of Python, faults by column."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture.draw.formula import FUNCTIONS, Formula
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.expressions import ExpressionError

NAMES = {"a": 0.7, "b": -1.3, "c": 2.1}


def written(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from([*NAMES, "2", "0.5", "1e-1", "pi"])
    if not depth:
        return leaf
    inner = written(depth - 1)
    return st.one_of(
        leaf,
        st.tuples(inner, st.sampled_from([" + ", "-", "*", " - -"]), inner).map("".join),
        inner.map(lambda t: f"-{t}"),
        inner.map(lambda t: f"({t})"),
        inner.map(lambda t: f"tanh({t})"),
        st.tuples(inner, inner).map(lambda t: f"maximum({t[0]}, {t[1]})"),
        inner.map(lambda t: f"(abs({t}) + 1)**-2**2"),
    )


@given(written(4))
def test_results_are_those_of_python(text: str) -> None:
    known = {"tanh": math.tanh, "maximum": max, "abs": abs, "pi": math.pi}
    wanted = eval(text, {"__builtins__": {}}, {**known, **NAMES})
    assert Formula.parse(text).evaluate(NAMES) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "was expected, got the end"),
        ("tanh(w*x +)", 11, 'a variable, a number, a function, "-" or "(" was expected, got ")"'),
        ("(a", 1, 'this "(" is never closed'),
        ("a)", 2, 'this ")" closes nothing'),
        ("tahn(x)", 1, "there is no function tahn; did you mean tan or tanh?"),
        ("1 + tanh", 5, "tanh is a function: write tanh(...)"),
        ("tanh(a, b)", 1, "tanh takes 1 argument, got 2"),
        ("maximum(a)", 1, "maximum takes 2 arguments, got 1"),
        ("(a, b)", 3, 'a "," stands between the arguments of a function alone'),
        ("a, b", 2, 'a "," stands between the arguments of a function alone'),
        ("a b", 3, '")" was expected, got "b"'),
        ("a^2", 2, "'^' cannot be part of an expression; a power is written **"),
        ("x.__class__", 2, "'.' cannot be part of an expression"),
        ("2(3)", 2, 'an operator (+, -, *, /, **, @) was expected, got "("'),
        ("__import__('os')", 1, "there is no function __import__; there are abs, add"),
        ("a = 1", 3, "values go with --at"),
    ],
)
def test_faults_are_told_by_column(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Formula.parse(text)
    assert caught.value.column == column
    assert message in str(caught.value)


def test_missing_values_are_named() -> None:
    with pytest.raises(UsageError, match=r"'w\*x' needs a value for x: write --at x=1"):
        Formula.parse("w*x").evaluate({"w": 1.0})


def test_every_function_is_called_with_values() -> None:
    for name, count in FUNCTIONS.items():
        text = f"{name}({', '.join('xy'[:count])})"
        values = {"x": tg.Value(np.array([0.3, 0.4])), "y": tg.Value(np.array([0.5, 0.6]))}
        if name == "arccosh":
            values["x"] = tg.Value(np.array([1.3, 1.4]))
        assert isinstance(Formula.parse(text).evaluate(values), tg.Value), name


def test_nesting_is_as_deep_as_the_text_is_long() -> None:
    assert Formula.parse("(" * 10_000 + "x" + ")" * 10_000).names == ("x",)
    assert Formula.parse("+".join(["x"] * 10_000)).evaluate({"x": 1.0}) == 10_000.0


def test_plain_numbers_follow_ieee() -> None:
    assert Formula.parse("1/0 + x").evaluate({"x": 1.0}) == math.inf
