"""no_grad, debug and the watching of branches, each in its own thread alone."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.engine import watch_branches


def test_no_grad_records_nothing_and_ends_after_an_exception() -> None:
    x = tg.Value(2.0)

    @tg.no_grad()
    def evaluate() -> None:
        assert (x * x).is_leaf
        assert float(x) == 2.0
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        evaluate()

    assert not (x * x).is_leaf
    with pytest.raises(TypeError, match="silently lose its gradient"):
        float(x)


def test_no_grad_in_one_thread_does_not_stop_recording_in_another() -> None:
    inside, done = threading.Event(), threading.Event()

    def evaluate() -> None:
        with tg.no_grad():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=evaluate)
    thread.start()
    inside.wait(10)
    x = tg.Value(2.0)
    y = x * x
    done.set()
    thread.join()

    assert not y.is_leaf


def test_debug_names_op_operands_file_and_line_forward() -> None:
    with (
        tg.debug(),
        pytest.raises(FloatingPointError, match=r"log\(0\.\) gave -inf at .*test_modes\.py:\d+"),
    ):
        tg.log(tg.Value(0.0))


def test_debug_names_the_op_behind_a_bad_derivative_and_the_way_to_the_output() -> None:
    with tg.debug():
        x = tg.Value(0.0)
        root = tg.sqrt(x)
        root.name = "root"
        out = root * 2.0
        with pytest.raises(
            FloatingPointError, match=r"derivative of sqrt.*test_modes\.py:\d+.*root"
        ):
            out.backward()

    assert x.grad is None


def test_branches_are_logged() -> None:
    x = tg.Value(np.array([1.0, -1.0]))
    with watch_branches() as log:
        _ = x > 0
        x.relu()
        tg.where(np.array([True, False]), x, 0.0)

    assert [label for label, _ in log] == [">", "relu", "where"]
    with watch_branches() as other:
        _ = -x > 0
    assert other[0] != log[0]
