"""The op table against numbers, and tests of the tester."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.gradcheck import Verdict
from tinygrad_lecture.gradcheck.builtin import (
    RowResult,
    check_rows,
    faulty,
    has_derivative,
    modes_error,
    row_generator,
    row_problem,
    rows,
    rows_table,
)


def test_one_row_by_name() -> None:
    assert [row.name for row in rows("tanh")] == ["tanh"]
    assert [row.name for row in rows()] == list(tg.TABLE)


def test_an_unknown_row() -> None:
    with pytest.raises(UsageError, match=r"--op tanhh: the op table has no such row; did you mean"):
        rows("tanhh")
    with pytest.raises(UsageError, match=r"--op zzzz: the op table has no such row; it has add, "):
        rows("zzzz")


def test_results_of_a_row() -> None:
    ticks = []
    [result] = check_rows(rows("sigmoid"), samples=2, tick=lambda: ticks.append(1))

    assert result.verdict is Verdict.PASS
    assert len(result.reports) == 2
    assert result.complex
    assert 0.0 <= result.worst_error(1) < 1e-12
    assert 0.0 <= result.worst_error(2) < 1e-12
    assert result.modes_error < 1e-12
    assert result.to_json()["verdict"] == "pass"
    assert ticks == [1]


def test_first_order_alone() -> None:
    [result] = check_rows(rows("erf"), order=1)

    assert not result.complex
    assert result.worst_error(2) == 0.0
    assert result.to_json()["error_order_2"] is None
    assert rows_table([result]).splitlines()[1].split()[-4] == "-"


def test_each_row_has_its_own_draws() -> None:
    alone = check_rows(rows("exp"))[0]
    among = check_rows([*rows("sin"), *rows("exp")])[1]

    assert alone.to_json() == among.to_json()


def test_the_seed_decides() -> None:
    points = [
        row_problem(tg.TABLE["exp"], row_generator(tg.TABLE["exp"], seed)).point[0].ravel()[0]
        for seed in (0, 0, 1)
    ]

    assert points[0] == points[1] != points[2]


def test_the_table_ends_with_a_count_and_the_reports_of_failures() -> None:
    [good] = check_rows(rows("exp"))
    report = next(r for r in faulty(tg.TABLE["tanh"]) if r.verdict is Verdict.WRONG)
    bad = RowResult("tanh", "elementwise", "(-2, 2)", (report,), 0.0, 1)

    text = rows_table([good, bad])

    assert "1 of 2 ops pass" in text
    assert "gradcheck tanh: wrong gradient" in text


def test_modes_that_disagree_are_wrong() -> None:
    [good] = check_rows(rows("exp"))

    result = RowResult("exp", "elementwise", "", good.reports, 1e-3, 2)

    assert result.verdict is Verdict.WRONG


def test_a_forward_mode_that_differs_is_noticed() -> None:
    spoilt = tg.TABLE["exp"].with_scaled_derivative(1.01)
    problem = row_problem(spoilt, row_generator(spoilt, 0))
    right = row_problem(tg.TABLE["exp"], row_generator(tg.TABLE["exp"], 0))
    rng = np.random.default_rng(0)

    assert modes_error(right, rng) < 1e-12
    assert modes_error(problem, rng) < 1e-12  # both modes carry the same fault
    assert problem.evaluate(problem.point).values == pytest.approx(
        right.evaluate(right.point).values
    )


@pytest.mark.parametrize("factor", [1.001, 0.999, -1.0, 2.0])
@pytest.mark.parametrize("name", ["multiply", "exp", "matmul", "softmax", "max", "getitem"])
def test_faults_of_any_size_are_found(name: str, factor: float) -> None:
    reports = faulty(tg.TABLE[name], factor)

    assert has_derivative(reports)
    assert all(r.verdict is Verdict.WRONG for r in reports)
    worst = reports[0].coordinates()[0]
    assert worst.argument.startswith(("operand ", "x", "y"))
    assert worst.analytic == pytest.approx(factor * worst.numeric, rel=1e-5)
    assert all(r.name == name for r in reports)


def test_a_users_op_is_checked_like_the_others() -> None:
    tg.op("right_op_of_a_user", lambda x: x**3, "3 * x * x", analytic=True)
    tg.op("wrong_op_of_a_user", lambda x: x**3, "2 * x * x")
    try:
        results = check_rows([*rows("right_op_of_a_user"), *rows("wrong_op_of_a_user")])
    finally:
        tg.remove_op("right_op_of_a_user")
        tg.remove_op("wrong_op_of_a_user")

    assert [r.verdict for r in results] == [Verdict.PASS, Verdict.WRONG]
    assert results[0].complex
