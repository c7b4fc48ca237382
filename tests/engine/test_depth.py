"""No recursion anywhere: depth is limited by memory alone."""

from __future__ import annotations

import copy
import json
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg

DEEP = 100_000


def chain(x: Any, n: int) -> Any:
    y = x
    for _ in range(n):
        y = y * 1.00001 + 0.00001
    return y


def test_a_million_chained_ops_are_recorded_differentiated_drawn_as_table_and_freed() -> None:
    n = 1_000_000
    x = tg.Value(1.0)
    y = x
    for _ in range(n):
        y = y * 1.000001
    y.backward()
    tape = tg.Tape(y)
    table = tape.table()
    middle = weakref.ref(tape.values[n // 2])

    assert x.grad == pytest.approx(1.000001**n, rel=1e-9)
    assert len(tape) == n + 1
    assert len(table.splitlines()) == 42
    assert f"... {n + 1 - 40} more ..." in table
    assert tape.stats()["entries"] == n + 1
    del tape, y
    assert middle() is None


@pytest.mark.slow
def test_a_million_chained_ops_in_every_other_way() -> None:
    n = 1_000_000
    x = tg.Value(1.0, name="x")
    y = x
    for _ in range(n):
        y = y * 1.000001
    tape = tg.Tape(y)

    assert sum(1 for _ in tape.steps()) == n
    assert tape.replay({"x": 2.0}) == pytest.approx(2 * y.item(), rel=1e-12)
    tape.verify()
    assert tape.table(limit=None).count("\n") == n + 1
    assert len(json.loads(tape.to_json())["entries"]) == n + 1
    assert tg.jvp(lambda x: chain(x, n // 2), (1.0,), (1.0,))[1] == pytest.approx(
        tg.grad(lambda x: chain(x, n // 2))(1.0), rel=1e-9
    )


@pytest.mark.parametrize("data", [1.0, [1.0, 2.0]], ids=["scalars", "arrays"])
def test_100000_chained_ops(data: Any) -> None:
    x = tg.Value(data)
    y = chain(x, DEEP // 2)
    ref = weakref.ref(y)
    y.backward(np.ones(2) if y.ndim else None)
    slope = 1.00001 ** (DEEP // 2)

    np.testing.assert_allclose(x.grad, np.full(np.shape(data), slope), rtol=1e-9)
    assert len(tg.Tape(y)) == DEEP + 1
    assert "Value" in repr(y)
    del y
    assert ref() is None


def test_a_shared_value_at_every_step() -> None:
    x = tg.Value(1e-5)
    y: Any = 0.0
    for _ in range(DEEP):
        y = y + x
    y.backward()

    assert x.grad == DEEP


def test_the_tape_of_a_deep_chain() -> None:
    x = tg.Value(1.0, name="x")
    y = chain(x, 5_000)
    tape = tg.Tape(y)

    tape.verify()
    assert tape.replay({"x": 1.0}) == y.data
    assert sum(1 for _ in tape.steps()) == 10_000
    assert len(json.loads(tape.to_json())["entries"]) == 10_001
    assert tape.table(limit=None).count("\n") == 10_001


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: tg.grad(f)(1.0),
        lambda f: tg.jvp(f, (1.0,), (1.0,))[1],
        lambda f: tg.vjp(f, 1.0)[1](1.0)[0],
        lambda f: tg.jacobian(f)(1.0),
        lambda f: tg.jacobian(f, mode="forward")(1.0),
    ],
)
def test_transforms_of_deep_chains(transform: Callable[[Any], float]) -> None:
    assert transform(lambda x: chain(x, 10_000)) == pytest.approx(1.00001**10_000, rel=1e-9)


def test_second_derivatives_of_deep_chains() -> None:
    def f(x: Any) -> Any:
        for _ in range(2_500):
            x = x + 1e-4 * tg.sin(x)
        return x

    expected, h = tg.grad(f), 1e-5
    numeric = (expected(1.0 + h) - expected(1.0 - h)) / (2 * h)
    assert tg.grad(tg.grad(f))(1.0) == pytest.approx(numeric, rel=1e-6)
    assert tg.hvp(f, 1.0, 1.0) == pytest.approx(numeric, rel=1e-6)


def test_debug_mode_and_branch_watching_on_a_deep_chain() -> None:
    with tg.debug(), tg.engine.watch_branches() as log:
        x = tg.Value(1.0)
        y = x
        for _ in range(3_000):
            y = tg.relu(y * 1.0001)
        y.backward()

    assert len(log) == 3_000
    assert x.grad == pytest.approx(1.0001**3_000)


def test_blame_at_the_bottom_of_a_deep_chain() -> None:
    with tg.debug():
        x = tg.Value(0.0)
        y = chain(tg.sqrt(x), 3_000)
        y.name = "loss"
        with pytest.raises(FloatingPointError, match=r"derivative of sqrt.*loss"):
            y.backward()


def test_copies_of_leaves_under_a_deep_chain() -> None:
    x = tg.Value([1.0, 2.0])
    y = chain(x, DEEP // 4)
    twin = copy.deepcopy({"x": x, "n": 3})["x"]

    assert isinstance(twin, tg.Value)
    assert twin.is_leaf
    assert y.detach().is_leaf
    assert copy.copy(y).is_leaf
    with pytest.raises(TypeError, match=r"result of add, .* use \.detach\(\)"):
        copy.deepcopy(y)


def test_the_recursion_limit_was_never_needed() -> None:
    assert sys.getrecursionlimit() < DEEP
