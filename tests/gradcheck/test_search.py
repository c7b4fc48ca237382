"""The search for a failing input."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.engine.value import raw
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.gradcheck import Verdict
from tinygrad_lecture.gradcheck.kinds import problem_for
from tinygrad_lecture.gradcheck.search import search


def wrong_beyond_3(x: Any) -> Any:
    return float(np.sum(x**2)), np.where(x < 3, 2 * x, x)


def test_the_smallest_failing_input_is_found() -> None:
    ticks = [0]

    def tick() -> None:
        ticks[0] += 1

    found = search(problem_for(wrong_beyond_3, (1.0,)), 200, tick=tick)

    assert found.report is not None
    assert found.report.verdict is Verdict.WRONG
    assert found.report.point == {"x": 3.0}
    assert found.tried == ticks[0] >= found.valid > 0


def test_the_smallest_array() -> None:
    found = search(problem_for(wrong_beyond_3, (np.ones((2, 2)),)), 200)

    assert found.report is not None
    values = np.array(found.report.point["x"])
    assert values.shape == (2, 2)
    assert sorted(values.ravel().tolist()) == [0.0, 0.0, 0.0, 3.0]


def test_the_same_seed_gives_the_same_search() -> None:
    first, again = (search(problem_for(wrong_beyond_3, (1.0,)), 50, seed=4) for _ in range(2))

    assert first == again


def test_a_right_gradient_is_not_found_wrong() -> None:
    found = search(problem_for(lambda x: (float(np.sin(x)), np.cos(x)), (1.0,)), 60)

    assert found.report is None
    assert found.tried == found.valid > 10


def test_inputs_outside_of_the_domain_do_not_count() -> None:
    found = search(problem_for(lambda x: (np.log(x), 1 / x), (1.0,)), 60)

    assert found.report is None
    assert 0 < found.valid < found.tried


def test_kinks_do_not_count_as_failures() -> None:
    found = search(problem_for(lambda x: (abs(x), np.sign(x)), (1.0,)), 60)

    assert found.report is None


def test_parameters_of_a_module_are_searched_too() -> None:
    class Scale:
        def __init__(self) -> None:
            self.w = np.array(1.0)

        def forward(self, x: Any) -> Any:
            self.x = x
            return float(self.w**2 * x)

        def backward(self, g: Any) -> None:
            self.dw = g * 2 * self.w * self.x * (1 + (self.w > 2))

    found = search(problem_for(Scale(), (1.0,), constants=("x",)), 100)

    assert found.report is not None
    assert found.report.point["w"] == pytest.approx(3.0, abs=1.0)


def test_a_function_of_values() -> None:
    op = tg.op("wrong_beyond_two", lambda x: x**2, lambda out, x: x * (1.0 + (raw(x) < 2)))
    try:
        found = search(problem_for(op, (1.0,)), 100)
    finally:
        tg.remove_op("wrong_beyond_two")

    assert found.report is not None
    assert found.report.point == {"x": 2.0}


def test_large_inputs_are_drawn_by_a_seed() -> None:
    def f(x: Any) -> Any:
        return float(np.sum(x**2)), np.where(x < 2.5, 2 * x, x)

    found = search(problem_for(f, (np.zeros(100),)), 60)

    assert found.report is not None


def test_the_number_of_trials_is_positive() -> None:
    with pytest.raises(UsageError, match="trials must be at least 1, got 0"):
        search(problem_for(wrong_beyond_3, (1.0,)), 0)


def test_without_hypothesis_the_pip_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)

    with pytest.raises(UsageError, match=r'pip install "tinygrad_lecture\[search\]"'):
        search(problem_for(wrong_beyond_3, (1.0,)), 5)
