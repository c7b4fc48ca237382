"""Truth tables from tables, functions and expressions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.logic import BooleanFunction, vertices


def test_rows_are_in_the_order_of_binary_numbers() -> None:
    X = vertices(3)
    assert X.shape == (8, 3)
    assert [int("".join(str(int(x)) for x in row), 2) for row in X] == list(range(8))
    np.testing.assert_array_equal(vertices(2), tg.data.xor()[0])


@pytest.mark.parametrize(
    "source",
    ["0110", "a ^ b", lambda a, b: a != b, lambda a, b: (a + b) % 2, [0, 1, 1, 0],
     np.array([False, True, True, False]), np.array([0.0, 1.0, 1.0, 0.0])],
)  # fmt: skip
def test_every_source_gives_xor(source: Any) -> None:
    xor = BooleanFunction.of(source)
    assert xor == BooleanFunction("0110")
    assert hash(xor) == hash(BooleanFunction("0110"))
    assert ~xor == BooleanFunction("1001")
    assert xor != BooleanFunction("0111")
    np.testing.assert_array_equal(xor(tg.data.xor()[0]), tg.data.xor()[1])
    assert BooleanFunction.of(xor) is xor


def test_a_function_is_its_table_lookup_in_any_shape() -> None:
    f = BooleanFunction(np.random.default_rng(0).integers(2, size=32))
    np.testing.assert_array_equal(f(f.X.reshape(4, 8, 5)), f.y.reshape(4, 8))
    assert f([1, 0, 0, 0, 1]) == f.y[0b10001]
    with pytest.raises(ValueError, match="read-only"):
        f.table[0] = True


@pytest.mark.parametrize(
    ("table", "names", "message"),
    [
        ("01a1", None, "holds 0 and 1, got 'a'"),
        ([0, 2], None, "holds 0 and 1, got 2"),
        ([0.5, 1], None, "holds 0 and 1, got 0.5"),
        ([np.nan, 1.0], None, "holds 0 and 1, got nan"),
        ([0, 1, 1], None, r"2, 4, 8, … or 2\*\*20 values in one row, got the shape \(3,\)"),
        ([], None, r"got the shape \(0,\)"),
        ([1], None, r"got the shape \(1,\)"),
        ([[0, 1], [1, 0]], None, r"got the shape \(2, 2\)"),
        ("0110", ["a"], "names must be 2 different ones, got a"),
        ("0110", ["a", "a"], "names must be 2 different ones, got a, a"),
    ],
)
def test_bad_tables_are_refused(table: Any, names: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        BooleanFunction(table, names)


@pytest.mark.parametrize(
    ("f", "n", "message"),
    [
        (lambda a, b: ~(a & b), None, r"must return 0 or 1, got -1 for \(False, False\)"),
        (lambda a: None, None, "must return 0 or 1, got None"),
        (lambda *x: sum(x), 3, r"got 2 for \(False, True, True\)"),
        (lambda *x: 1, None, "n must be given"),
        (lambda: 1, None, "1 to 20 inputs, got 0"),
        (lambda *x: 1, 21, "1 to 20 inputs, got 21"),
    ],
)
def test_bad_functions_are_refused(f: Any, n: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        BooleanFunction.from_callable(f, n)


def test_bad_inputs_are_refused() -> None:
    f = BooleanFunction("0110")
    for X in ([[0, 1, 0]], [[0, 2]], [[0.5, 1]]):
        with pytest.raises(UsageError, match="rows of 2 numbers 0 or 1"):
            f(X)


def test_the_printed_table_reads_like_one() -> None:
    f = BooleanFunction.from_expression("long | b")
    assert str(f) == "long b | y\n   0 0 | 0\n   0 1 | 1\n   1 0 | 1\n   1 1 | 1"
    assert repr(f) == "BooleanFunction('0111', names=('long', 'b'))"
    assert "64 true rows" in repr(BooleanFunction([0, 1] * 64))
