"""A student's code has limits, and what breaks it is a reason."""

from __future__ import annotations

import gc
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_lecture as tg
from tinygrad_lecture import teach
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.teach import Limits, Report
from tinygrad_lecture.teach.student import StudentError, begin, describe, run

Array = NDArray[Any]
X = np.random.default_rng(3).normal(size=(5, 3))


def reason(report: Report) -> str:
    assert not report
    return "\n".join(report.reasons)


class Own(BaseException):
    """No Exception: ``except Exception`` lets it pass."""


class TestRun:
    @pytest.mark.parametrize("error", [Own("no luck"), GeneratorExit("no luck")])
    def test_whatever_is_raised_is_told(self, error: BaseException) -> None:
        def fails(x: Array) -> Array:
            raise error

        report = teach.check_forward(fails, tg.tanh, X)
        assert f"it raises {type(error).__name__}: no luck (line" in reason(report)

    def test_ctrl_c_is_not_the_students(self) -> None:
        def interrupted(x: Array) -> Array:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            teach.check_forward(interrupted, tg.tanh, X)


class TestLimits:
    def test_time(self) -> None:
        def endless(x: Array) -> Array:
            while True:
                time.sleep(0.001)

        start = time.monotonic()
        report = teach.check_forward(endless, tg.tanh, X, cases=1, limits=Limits(seconds=0.2))
        assert time.monotonic() - start < 5.0
        assert "it takes longer than 0.2 s: perhaps a loop that never ends" in reason(report)

    @pytest.mark.skipif(sys.platform != "linux", reason="the memory limit is Linux's")
    def test_memory(self) -> None:
        def large(x: Array) -> Any:
            return np.ones(2**28)  # 2 GB

        report = teach.check_forward(large, tg.tanh, X, cases=1, limits=Limits(megabytes=100))
        assert "it needs more memory than the 100 MB that it may use (line" in reason(report)

    def test_in_another_thread_there_is_no_alarm(self) -> None:
        found: list[Report] = []
        thread = threading.Thread(
            target=lambda: found.append(teach.check_forward(np.tanh, tg.tanh, X))
        )
        thread.start()
        thread.join()
        assert found[0]

    def test_an_alarm_while_garbage_is_collected_rings_again(self) -> None:
        def slow(phase: str, info: Any) -> None:
            until = time.perf_counter() + 0.35
            while time.perf_counter() < until:
                pass

        def endless(x: Any) -> Any:
            gc.collect()
            while True:
                pass

        gc.callbacks.append(slow)
        try:
            report = teach.check_forward(endless, tg.tanh, X, cases=1, limits=Limits(seconds=0.2))
        finally:
            gc.callbacks.remove(slow)
        assert "it takes longer than 0.2 s" in reason(report)

    @pytest.mark.parametrize("bad", [{"seconds": -1.0}, {"megabytes": float("nan")}])
    def test_bad_limits(self, bad: dict[str, float]) -> None:
        with pytest.raises(UsageError, match="must be a finite number ≥ 0"):
            Limits(**bad)

    def test_after_a_late_call_the_others_get_a_hundredth(self) -> None:
        def sometimes(x: Array) -> Array:
            while x[0, 0] > 0:
                time.sleep(0.001)
            return np.tanh(x)

        x = np.ones((2, 2))
        start = time.monotonic()
        report = teach.check_forward(sometimes, tg.tanh, x, cases=8, limits=Limits(seconds=1.0))
        assert 1.0 < time.monotonic() - start < 4.0
        assert "it takes longer than 1 s" in reason(report)

    def test_an_endless_loop_does_not_cost_minutes(self) -> None:
        class Tanh:
            def forward(self, x: Array) -> Array:
                while True:
                    time.sleep(0.001)

            def backward(self, grad_output: Array) -> Array:
                return grad_output

        start = time.monotonic()
        report = teach.exercise("tanh").check(Tanh, limits=Limits(seconds=1.0))
        assert time.monotonic() - start < 4.0
        assert report.reasons == [
            "it takes longer than 1 s: perhaps a loop that never ends", "it runs out of time again",
        ]  # fmt: skip
        assert report.points == 0.0

    def test_a_new_check_begins_with_all_the_time(self) -> None:
        limits = Limits(seconds=0.2)
        for _ in range(2):
            with pytest.raises(StudentError, match=r"longer than 0\.2 s"):
                run(lambda: time.sleep(30), begin(limits))


def test_what_is_raised_is_described() -> None:
    with pytest.raises(SyntaxError) as bad:
        compile("def f(x):\n    return x +\n", "mine.py", "exec")

    assert describe(bad.value) == "it is not valid Python: invalid syntax (line 2: return x +)"
    assert describe(EOFError("EOF when reading a line")).startswith("it waits for input")
    assert describe(RecursionError("deep")).endswith("calls go too deep, use a loop")
