"""Comparisons are plain bools, and whoever watches is told which way each decision went."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.engine.modes import watch_branches

COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
SYMBOLS = dict(zip(COMPARISONS, ("<", "<=", ">", ">=", "==", "!="), strict=True))
UFUNCS = [np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal]


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize(
    ("a", "b"), [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (np.nan, 1.0), (0.0, -0.0)]
)
def test_comparing_scalars_gives_a_plain_bool(
    compare: Callable[[Any, Any], Any], a: float, b: float
) -> None:
    expected = compare(a, b)
    for x, y in (
        (tg.Value(a), b),
        (a, tg.Value(b)),
        (tg.Value(a), tg.Value(b)),
        (tg.Value(a), int(b)),
    ):
        assert compare(x, y) is expected


@pytest.mark.parametrize("compare", COMPARISONS)
def test_comparing_arrays_gives_a_plain_array_of_bools(compare: Callable[[Any, Any], Any]) -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    for x, y in (
        (tg.Value(a), b),
        (a, tg.Value(b)),
        (tg.Value(a), tg.Value(b)),
        (tg.Value(a), 2),
        (tg.Value(a), [2, 2, 2]),
    ):
        found = compare(x, y)
        assert type(found) is np.ndarray
        assert found.dtype == bool
        np.testing.assert_array_equal(found, compare(a, b))


@pytest.mark.parametrize(("compare", "ufunc"), list(zip(COMPARISONS, UFUNCS, strict=True)))
def test_numpys_comparisons_answer_in_the_same_way(
    compare: Callable[[Any, Any], Any], ufunc: Any
) -> None:
    assert bool(ufunc(tg.Value(1.0), 2.0)) is compare(1.0, 2.0)
    assert bool(compare(np.float64(1.0), tg.Value(2.0))) is compare(1.0, 2.0)
    np.testing.assert_array_equal(
        ufunc([1.0, 3.0], tg.Value([2.0, 2.0])), compare(np.array([1.0, 3.0]), 2)
    )


def test_comparing_with_what_is_no_number() -> None:
    v = tg.Value(1.0)

    assert (v == None) is False  # noqa: E711 - the operator is what is tested
    assert (v != None) is True  # noqa: E711
    assert (v == "1") is False
    assert v in [2.0, v]
    with pytest.raises(TypeError):
        _ = v < "1"


def test_control_flow_follows_the_numbers() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            return x * x
        return -x if x else x * 7.0

    assert [tg.grad(f)(p) for p in (3.0, -2.0, 0.0)] == [6.0, -1.0, 7.0]
    assert sorted([tg.Value(2.0), tg.Value(1.0)], key=lambda v: v.item())[0] == 1.0
    assert max(tg.Value(2.0), tg.Value(5.0)).data == 5.0


# -------------------------------------------------------------------------------- watching


@pytest.mark.parametrize("compare", COMPARISONS)
def test_each_comparison_is_logged_with_its_outcome(compare: Callable[[Any, Any], Any]) -> None:
    x, w = tg.Value(1.0), tg.Value([1.0, 2.0])
    with watch_branches() as log:
        compare(x, 2.0)
        compare(w, 1.5)
        UFUNCS[COMPARISONS.index(compare)](x, 2.0)

    symbol = SYMBOLS[compare]
    one = bytes([compare(1.0, 2.0)])
    assert log == [
        (symbol, one),
        (symbol, bytes([compare(1.0, 1.5), compare(2.0, 1.5)])),
        (symbol, one),
    ]


def test_truth_is_logged() -> None:
    with watch_branches() as log:
        if tg.Value(1.0) and not tg.Value(0.0):
            pass

    assert log == [("bool", b"\x01"), ("bool", b"\x00")]


KINKED: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    "relu": (tg.relu, 1.0, -1.0),
    "leaky_relu": (tg.leaky_relu, 1.0, -1.0),
    "elu": (tg.elu, 1.0, -1.0),
    "abs": (abs, 1.0, -1.0),
    "sign": (tg.sign, 1.0, -1.0),
    "maximum": (lambda x: tg.maximum(x, 0.5), 1.0, 0.0),
    "minimum": (lambda x: tg.minimum(0.5, x), 1.0, 0.0),
    "clip": (lambda x: tg.clip(x, -1, 1), 0.5, 1.5),
    "floor_divide": (lambda x: x // 1.0, 0.5, 1.5),
    "mod": (lambda x: x % 1.0, 0.5, 1.5),
    "where": (lambda x: tg.where(np.array([True, False]), x, 0.0), 1.0, None),
    "max": (lambda x: tg.max(x), [1.0, 2.0], [2.0, 1.0]),
    "min": (lambda x: tg.min(x), [1.0, 2.0], [2.0, 1.0]),
    "sort": (lambda x: tg.sort(x), [1.0, 2.0], [2.0, 1.0]),
}


@pytest.mark.parametrize("name", KINKED)
def test_each_kinked_op_logs_which_piece_it_is_on(name: str) -> None:
    f, one, other = KINKED[name]

    def log_at(point: Any) -> list[tuple[str, bytes]]:
        with watch_branches() as log:
            f(tg.Value(point))
        return list(log)

    assert [label for label, _ in log_at(one)] == [name]
    assert log_at(one) == log_at(one)
    if other is not None:
        assert log_at(one) != log_at(other)


def test_watching_follows_ieee_without_a_word() -> None:
    with np.errstate(all="raise"), watch_branches() as log:
        for x, y in ((1.0, 0.0), (np.inf, np.inf), (np.nan, 1.0)):
            results = [
                tg.Value(x) // y,
                tg.Value(x) % y,
                tg.maximum(tg.Value(x), y),
                tg.Value(x) // tg.Value(y),
            ]
            assert all(type(r.data) is float for r in results)
        tg.sort(tg.Value([np.nan, 1.0]))

    assert len(log) == 13


def test_smooth_ops_and_raw_numbers_log_nothing() -> None:
    with watch_branches() as log:
        x = tg.Value([0.5, 2.0])
        (tg.exp(x) * x / (1 + x**2)).sum().backward()
        tg.relu(-1.0)
        tg.max([1.0, 2.0])
        assert tg.Value(1.0).item() > 0

    assert log == []


def test_logs_nest_and_end() -> None:
    x = tg.Value(1.0)
    with watch_branches() as outer:
        x.relu()
        with watch_branches() as inner:
            abs(x)
        x.relu()
    x.relu()

    assert [label for label, _ in outer] == ["relu", "abs", "relu"]
    assert [label for label, _ in inner] == ["abs"]


def test_equal_logs_mean_the_same_piece() -> None:
    def log_at(point: float) -> list[tuple[str, bytes]]:
        with watch_branches() as log:
            x = tg.Value(point)
            y = x * 2.0 if x > 1 else x.relu()
            tg.grad(lambda v: tg.maximum(v, y) * v)(x)
        return list(log)

    assert log_at(2.0) == log_at(2.5)
    assert log_at(2.0) != log_at(0.5)
    assert log_at(0.5) != log_at(-0.5)
