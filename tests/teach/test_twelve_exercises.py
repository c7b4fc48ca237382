"""The twelve exercises: right solutions get all points, stubs none, errors are called by their name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from wrong_solutions import WRONG, Wrong, solution, wrong_source

import tinygrad_lecture as tg
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.teach import EXERCISES, Report, exercise

NAMES = [
    "perceptron", "linear", "tanh", "softmax_cross_entropy", "backprop", "momentum", "nesterov",
    "rmsprop", "adam", "batch_norm", "maxout", "residual",
]  # fmt: skip
CASES = [pytest.param(n, w, id=f"{n}, {w.name}") for n, ws in WRONG.items() for w in ws]


def check(name: str, source: str, seed: int = 0) -> Report:
    namespace: dict[str, Any] = {}
    exec(compile(source, f"{name}.py", "exec"), namespace)
    return exercise(name).check(namespace, seed=seed)


def test_there_are_twelve_with_ten_points_and_five_errors_each() -> None:
    assert list(EXERCISES) == NAMES
    assert all(e.points == 10.0 for e in EXERCISES.values())
    assert all(len(WRONG[name]) >= 5 for name in NAMES)


@pytest.mark.parametrize("seed", [0, 7, 2**31])
@pytest.mark.parametrize("name", NAMES)
def test_a_right_solution_gets_all_points(name: str, seed: int) -> None:
    report = check(name, solution(name), seed)

    assert report, str(report)
    assert report.points == report.possible == 10.0


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_is_not_done_yet(name: str) -> None:
    report = check(name, exercise(name).stub)

    assert report.points == 0.0
    assert {item.result for item in report.items} == {"not done yet"}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_at_all_is_not_done_yet(name: str) -> None:
    report = exercise(name).check({})

    assert report.points == 0.0
    assert report.reasons == [f"there is no {exercise(name).entry} yet"]


@pytest.mark.parametrize("seed", [0, 5, 105, 125])
@pytest.mark.parametrize(("name", "wrong"), CASES)
def test_an_error_is_called_by_its_name(name: str, wrong: Wrong, seed: int) -> None:
    report = check(name, wrong_source(name, wrong), seed)

    assert report.points < 10.0
    assert any(wrong.phrase in reason for reason in report.reasons), str(report)


@pytest.mark.parametrize("name", NAMES)
def test_the_text_has_statement_points_and_stub(name: str) -> None:
    e = exercise(name)

    assert str(e).startswith(f"{name}: {e.title} (L")
    assert e.stub.strip() in str(e)
    assert "edge cases 3" in str(e)


@pytest.mark.parametrize(
    ("name", "error"), [("rmsprop", "Adagrad"), ("nesterov", "PyTorch"), ("adam", "no correction")]
)
def test_a_first_step_that_several_errors_share_is_told_by_the_path(name: str, error: str) -> None:
    wrong = next(w for w in WRONG[name] if w.name == error)
    (reason,) = check(name, wrong_source(name, wrong)).reasons
    assert wrong.phrase in reason


def test_an_unknown_exercise() -> None:
    with pytest.raises(UsageError, match=r"no exercise 'linera': there are .*did you mean linear"):
        exercise("linera")


def test_a_class_a_module_and_a_dict_can_be_checked() -> None:
    namespace: dict[str, Any] = {}
    exec(solution("tanh"), namespace)
    holder = type("Module", (), {"Tanh": namespace["Tanh"]})()

    assert exercise("tanh").check(namespace["Tanh"])
    assert exercise("tanh").check(namespace)
    assert exercise("tanh").check(holder)


def test_a_class_that_raises_in_its_constructor() -> None:
    source = "class Tanh:\n    def __init__(self):\n        raise ValueError('no luck')"
    report = check("tanh", source)

    assert report.points == 0.0
    assert report.reasons == ["it raises ValueError: no luck (line 3)"]


def test_the_reverse_pass_is_that_of_the_tape() -> None:
    namespace: dict[str, Any] = {}
    exec(solution("backprop"), namespace)
    x, y = tg.Value(0.7), tg.Value(-1.3)
    product = x * y
    out = (product + x.tanh()) * product
    out.backward()
    tape = tg.Tape(out)
    entries: list[list[tuple[int, float]]] = [[] for _ in tape.values]
    for step in tape.steps():
        entries[step.entry.number].append((step.target, float(step.derivative)))
    places = {id(v): k for k, v in enumerate(tape.values)}

    found = namespace["backprop"](entries)

    np.testing.assert_allclose(found[places[id(x)]], x.grad, rtol=1e-12)
    np.testing.assert_allclose(found[places[id(y)]], y.grad, rtol=1e-12)
