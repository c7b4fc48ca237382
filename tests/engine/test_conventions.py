"""The table of conventions is what the engine answers: each row, by scalars, arrays and both modes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.engine.conventions import Convention

ROWS = tg.conventions()


@pytest.mark.parametrize("row", ROWS, ids=[row.point for row in ROWS])
def test_the_engine_answers_as_the_row_says(row: Convention) -> None:
    found = row.run()

    np.testing.assert_array_equal(found, row.answer)
    assert type(found) is type(row.answer)
    with tg.no_grad():
        np.testing.assert_array_equal(row.run(), row.answer)


def test_the_table_prints_every_row() -> None:
    lines = str(ROWS).splitlines()

    assert repr(ROWS) == str(ROWS)
    assert len(lines) == len(ROWS) + 1
    assert lines[0].split() == ["point", "derivative", "reason"]
    for line, row in zip(lines[1:], ROWS, strict=True):
        assert line.startswith(row.point)
        assert str(row.answer) in line
        assert line.endswith(row.reason)


def test_points_are_distinct_and_reasons_are_given() -> None:
    points = [row.point for row in ROWS]

    assert len(set(points)) == len(points)
    assert all(row.reason for row in ROWS)


def test_every_point_that_the_design_names_has_a_row() -> None:
    text = str(ROWS)
    named = [
        "relu'(0)", "abs'(0)", "maximum", "minimum", "max over", "min over", "clip", "norm(", "std of", "logsumexp",
        "x**0", "x**0.5", "0**y", "(-2)**y", "softplus", "log_sigmoid", "prod(", "where(", "sqrt'(0)", "arcsin'(1)",
        "arctan2(0, 0)", "sigmoid'",
    ]  # fmt: skip

    assert [name for name in named if name not in text] == []


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("relu", 0.0, 0.0), ("relu", -0.0, 0.0), ("abs", 0.0, 0.0), ("abs", -0.0, 0.0), ("sign", 0.0, 0.0),
        ("sqrt", 0.0, math.inf), ("log", 0.0, math.inf), ("softplus", 0.0, 0.5), ("log_sigmoid", 0.0, 0.5),
        ("arcsin", -1.0, math.inf), ("arccos", -1.0, -math.inf), ("leaky_relu", 0.0, 0.01), ("elu", 0.0, 1.0),
    ],
)  # fmt: skip
def test_a_kink_is_the_same_by_every_route(name: str, at: float, expected: float) -> None:
    f = getattr(tg, name)
    scalar, array = tg.Value(at), tg.Value([at, 1.0])
    f(scalar).backward()
    with np.errstate(divide="ignore"):
        f(array[:1]).sum().backward()

    assert scalar.grad == expected
    np.testing.assert_array_equal(array.grad, [expected, 0.0])
    assert tg.grad(f)(at) == expected
    assert tg.jvp(f, (at,), (1.0,))[1] == expected
    assert tg.jvp(f, (at,), (0.0,))[1] == 0.0
    if math.isfinite(expected):
        assert tg.grad(lambda x: tg.grad(f)(x) + x)(at) == pytest.approx(1.0 + second(name))


def second(name: str) -> float:
    """Return the second derivative: that of the piece which the first was taken from."""
    return {"softplus": 0.25, "log_sigmoid": -0.25, "elu": 1.0}.get(name, 0.0)


def test_ties_share_the_derivative_and_sum_up_to_one() -> None:
    for n in (2, 3, 7):
        for f in (tg.max, tg.min):
            g = tg.grad(f)(np.full(n, 2.5))
            np.testing.assert_allclose(g, np.full(n, 1 / n))
    m = np.array([[1.0, 1.0], [2.0, 0.0]])
    np.testing.assert_array_equal(
        tg.grad(lambda x: tg.max(x, axis=1).sum())(m), [[0.5, 0.5], [1, 0]]
    )
    np.testing.assert_array_equal(tg.grad(lambda x: tg.max(x, axis=0).sum())(m), [[0, 1], [1, 0]])
