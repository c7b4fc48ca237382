"""`no_grad` and `debug`: what they change, where they end, and whom they do not concern."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.engine.modes import HOT, current, watch_branches

HERE = re.escape(__file__)


def line_of(text: str) -> int:
    """Return the number of the line of this file that ends with a marker comment."""
    lines = inspect.getsource(inspect.getmodule(line_of)).splitlines()  # type: ignore[arg-type]
    (number,) = (k for k, line in enumerate(lines, 1) if line.endswith(f"# {text}"))
    return number


def is_off() -> bool:
    """Return whether no mode is active: not here, and not in the flag of the fast functions."""
    return not HOT["special"] and current() == type(current())()


@pytest.fixture(autouse=True)
def modes_are_off_before_and_after() -> Any:
    assert is_off()
    yield
    assert is_off()


# --------------------------------------------------------------------------------- no_grad


@pytest.mark.parametrize("data", [3.0, [3.0, 1.0]], ids=["scalar", "array"])
def test_no_grad_records_nothing(data: Any) -> None:
    x = tg.Value(data, name="x")
    with tg.no_grad():
        y = tg.sin(x * x + 1.0).sum()
    z = x * 2.0

    assert y.is_leaf
    assert y.data == pytest.approx(np.sin(np.square(data) + 1).sum())
    assert len(tg.Tape(y)) == 1
    assert not z.is_leaf


def test_every_kind_of_op_is_silent_under_no_grad() -> None:
    v, w = tg.Value(0.5), tg.Value(np.ones((2, 2)))
    with tg.no_grad():
        results = [
            v + v, 2 * v, v**2, -v, abs(v), v.relu(), tg.maximum(v, 0.0), w @ w, w[0], w.T, w.sum(), tg.softmax(w),
            np.exp(w), tg.concatenate([w, w]), tg.stack([v, v]), tg.sort(w), tg.where(w > 0, w, 0.0), v / v, v % 2,
            *tg.split(w, 2), tg.einsum("ij->j", w), tg.tensordot(w, w), tg.at_set(w, 0, v), tg.std(w),
        ]  # fmt: skip

    assert all(type(r) is tg.Value and r.is_leaf for r in results)


def test_no_grad_nests() -> None:
    x = tg.Value(1.0)
    with tg.no_grad():
        with tg.no_grad():
            assert (x * x).is_leaf
        assert (x * x).is_leaf
    assert not (x * x).is_leaf


def test_no_grad_is_a_decorator_and_may_be_used_again() -> None:
    @tg.no_grad()
    def evaluate(v: tg.Value) -> tg.Value:
        """Docstring."""
        return v * v

    assert evaluate(tg.Value(3.0)).is_leaf
    assert evaluate(tg.Value(3.0)).is_leaf
    assert evaluate.__doc__ == "Docstring."
    assert not (tg.Value(3.0) * 2.0).is_leaf


def test_what_was_recorded_before_may_be_differentiated_under_no_grad() -> None:
    x = tg.Value(3.0)
    y = x * x
    with tg.no_grad():
        y.backward()

    assert x.grad == 6.0


def test_a_value_of_no_grad_is_a_leaf_of_what_comes_later() -> None:
    x = tg.Value(3.0)
    with tg.no_grad():
        h = x * x
    (h * x).backward()

    assert h.grad == 3.0
    assert x.grad == 9.0


@pytest.mark.parametrize("mode", [tg.no_grad, tg.debug, watch_branches])
def test_an_exception_ends_a_mode(mode: Callable[[], Any]) -> None:
    with pytest.raises(KeyError, match="inside"), mode(), mode():
        raise KeyError("inside")

    assert is_off()
    assert not (tg.Value(1.0) * 2.0).is_leaf


def test_modes_may_be_entered_by_hand() -> None:
    first, second = tg.no_grad(), tg.debug()
    with contextlib.ExitStack() as stack:
        stack.enter_context(first)
        stack.enter_context(second)
        assert current().debugging
        assert not current().recording
    assert is_off()


def test_modes_combine() -> None:
    with tg.debug(), tg.no_grad(), pytest.raises(FloatingPointError, match="log"):
        tg.log(tg.Value(0.0))
    with tg.no_grad(), watch_branches() as log:
        assert tg.Value(1.0).relu().is_leaf
    assert log == [("relu", b"\x01")]


def test_derivatives_are_taken_under_no_grad_as_well() -> None:
    def f(x: Any) -> Any:
        return (x**3).sum()

    point = np.array([1.0, 2.0])
    with tg.no_grad():
        np.testing.assert_array_equal(tg.grad(f)(point), [3, 12])
        assert tg.value_and_grad(f)(2.0) == (8.0, 12.0)
        assert tg.grad(tg.grad(f))(2.0) == 12.0
        assert tg.jvp(f, (2.0,), (1.0,)) == (8.0, 12.0)
        np.testing.assert_array_equal(tg.hessian(f)(point), [[6, 0], [0, 12]])
        np.testing.assert_array_equal(tg.jacobian(f, mode="forward")(point), [3, 12])
        np.testing.assert_array_equal(tg.vjp(f, point)[1](2.0)[0], [6, 24])
        np.testing.assert_array_equal(tg.hvp(f, point, [1.0, 0.0] * np.ones(2)), [6, 0])
        assert (tg.Value(1.0) * 2.0).is_leaf


def test_no_grad_inside_of_a_function_makes_a_constant() -> None:
    def f(x: Any) -> Any:
        with tg.no_grad():
            scale = x * 10.0
        return x * scale

    assert tg.grad(f)(2.0) == 20.0
    assert tg.jvp(f, (2.0,), (1.0,)) == (40.0, 20.0)
    assert tg.grad(tg.grad(f))(2.0) == 0.0


# ------------------------------------------------------------------------ debug, going forward


def test_debug_raises_at_the_first_op_in_forward_order() -> None:
    x = tg.Value(-1.0, name="x")

    def loss() -> Any:
        y = tg.log(x)  # the first bad op
        return tg.sqrt(y) + 1.0 / (x + 1.0)

    with tg.debug(), pytest.raises(FloatingPointError) as caught:
        loss()

    line = line_of("the first bad op")
    assert str(caught.value) == f"log(-1.) gave nan at {__file__}:{line}"


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (lambda: tg.Value(1.0) / tg.Value(0.0), r"divide\(1\., 0\.\) gave inf"),
        (lambda: 1.0 / tg.Value(0.0), r"divide\(1\., 0\.\) gave inf"),
        (lambda: tg.Value(1.0) / 0, r"divide\(1\., 0\.\) gave inf"),
        (lambda: tg.Value(1e200) * 1e200, r"multiply\(1\.e\+200, 1\.e\+200\) gave inf"),
        (lambda: tg.Value(1000.0).exp(), r"exp\(1000\.\) gave inf"),
        (lambda: tg.Value(-8.0) ** (1 / 3), r"power\(-8\., 0\.333333\) gave nan"),
        (lambda: np.exp(tg.Value([0.0, 1000.0])), r"exp\(\[   0\., 1000\.\]\) gave \[ 1\., inf\]"),
        (lambda: tg.Value([1.0, np.inf]).sum(), r"sum\(\[ 1\., inf\]\) gave inf"),
        (
            lambda: tg.Value(np.r_[np.zeros(8), 1.0]) / np.zeros(9),
            r"divide\(<float64\[9\] min 0, max 1>, <float64\[9\] min 0, max 0>\) gave <float64\[9\] .*9 not finite>",
        ),
    ],
)  # fmt: skip
def test_debug_names_the_op_and_its_operands(run: Callable[[], Any], text: str) -> None:
    found = pytest.raises(FloatingPointError, match=rf"{text} at {HERE}:\d+")
    with np.errstate(all="ignore"), tg.debug(), found:
        run()


def test_debug_names_the_line_of_the_user_not_one_of_the_package() -> None:
    def loss(x: Any) -> Any:
        return tg.log(x).sum()  # the user's line

    line = line_of("the user's line")
    runs: list[Callable[[], Any]] = [
        lambda: tg.grad(loss)(0.0),
        lambda: tg.jvp(loss, (0.0,), (1.0,)),
        lambda: tg.hessian(loss)(0.0),
        lambda: tg.jacobian(loss)(0.0),
        lambda: loss(tg.Value(0.0)),
    ]
    for run in runs:
        with (
            tg.debug(),
            pytest.raises(FloatingPointError, match=rf"log\(0\.\) gave -inf at {HERE}:{line}$"),
        ):
            run()


def test_debug_says_nothing_about_finite_numbers_and_constants() -> None:
    with tg.debug():
        x = tg.Value([1.0, 2.0])
        y = (x * x).sum()
        y.backward()
        assert tg.Value(np.inf).data == np.inf

    np.testing.assert_array_equal(x.grad, [2, 4])


def test_outside_of_debug_nothing_raises() -> None:
    x = tg.Value(0.0)
    y = 1.0 / x + tg.log(x)
    y.backward()

    assert np.isnan(y.data)


# ----------------------------------------------------------------------- debug, going backward


def test_debug_names_the_op_whose_derivative_is_not_finite_and_the_way_to_the_loss() -> None:
    with tg.debug():
        w = tg.Value(0.0, name="w")
        h = w * 1.0
        h.name = "hidden"
        s = tg.sqrt(h)  # a slope that is infinite
        s.name = "root"
        out = s * 3.0 + 1.0
        out.name = "loss"
        with pytest.raises(FloatingPointError) as caught:
            out.backward()

    line = line_of("a slope that is infinite")
    assert str(caught.value) == (
        f"the derivative of sqrt(0.) is not finite, recorded at {__file__}:{line} (adjoint 3. came in); "
        "on the way to the output: root -> loss"
    )
    assert w.grad is None


def test_debug_names_the_derivative_of_an_array() -> None:
    with tg.debug():
        w = tg.Value([0.0, 4.0], name="w")
        out = tg.sqrt(w).sum()
        with pytest.raises(FloatingPointError, match=rf"derivative of sqrt\(\[0\., 4\.\]\) is not finite, recorded at "
                                                     rf"{HERE}:\d+ \(adjoint \[1\., 1\.\] came in\)$"):  # fmt: skip
            out.backward()


def test_debug_on_what_was_recorded_outside_of_it_knows_no_line() -> None:
    out = tg.sqrt(tg.Value(0.0))
    with (
        tg.debug(),
        pytest.raises(
            FloatingPointError, match=r"derivative of sqrt\(0\.\) is not finite \(adjoint"
        ),
    ):
        out.backward()


def test_debug_going_backward_over_scalars_that_were_recorded_outside_of_it() -> None:
    steep = tg.log(tg.Value(5e-324))  # 1 / x is inf, without an exception on the way
    large = (tg.Value(1e-200) * 1e200) * 1e200
    fine = tg.Value(2.0) * tg.Value(3.0) + 1.0
    with tg.debug():
        fine.backward()
        with pytest.raises(FloatingPointError, match=r"derivative of log\(5\.e-324\) is not"):
            steep.backward()
        with pytest.raises(FloatingPointError, match=r"of multiply\(1\., 1\.e\+200\) is not"):
            large.backward(1e200)


def test_the_way_to_the_loss_leaves_out_what_does_not_lead_there() -> None:
    with tg.debug():
        x, y = tg.Value(0.0), tg.Value(2.0)
        root = tg.sqrt(x)
        beside = y * 3.0
        beside.name = "beside"
        out = root + beside
        out.name = "sum"
        with pytest.raises(FloatingPointError, match=r"on the way to the output: sum$"):
            out.backward()


def test_debug_blames_the_second_operand_too_and_shows_constants() -> None:
    with tg.debug():
        x, y = tg.Value(0.0), tg.Value(0.0)
        bad = x**y  # d/dy = log 0
        with pytest.raises(FloatingPointError, match=r"derivative of power\(0\., 0\.\)"):
            bad.backward()
        with pytest.raises(FloatingPointError, match=r"derivative of power\(0\., 0\.5\)"):
            (x**0.5).backward()


def test_debug_lets_zero_adjoints_pass() -> None:
    with tg.debug():
        x = tg.Value(0.0)
        (tg.sqrt(x) * 0.0).backward()
        assert tg.grad(lambda v: tg.where(v > 0, tg.sqrt(v), 0.0))(0.0) == 0.0

    assert x.grad == 0.0


def test_debug_in_gradients_of_functions() -> None:
    with tg.debug(), pytest.raises(FloatingPointError, match=r"derivative of sqrt\(0\.\)"):
        tg.grad(lambda v: tg.sqrt(v) * 2.0)(0.0)


def test_a_bad_seed_is_no_fault_of_an_op() -> None:
    with tg.debug():
        x = tg.Value(1.0)
        (x * 2.0).backward(np.inf)

    assert x.grad == np.inf


# --------------------------------------------------------------------------------- threads


def test_no_grad_in_one_thread_does_not_stop_recording_in_another() -> None:
    entered, finish = threading.Event(), threading.Event()
    inside: list[bool] = []

    def silent() -> None:
        with tg.no_grad():
            inside.append((tg.Value(1.0) * 2.0).is_leaf)
            entered.set()
            assert finish.wait(10)
            inside.append((tg.Value([1.0]) * 2.0).is_leaf)

    thread = threading.Thread(target=silent)
    thread.start()
    assert entered.wait(10)
    x, w = tg.Value(3.0), tg.Value([1.0, 2.0])
    y, z = x * x, (w * w).sum()
    recorded = [y.is_leaf, z.is_leaf, tg.grad(lambda v: v * v)(2.0) == 4.0]
    with pytest.raises(TypeError, match="silently lose"):
        float(x)
    finish.set()
    thread.join()
    y.backward()
    z.backward()

    assert recorded == [False, False, True]
    assert inside == [True, True]
    assert x.grad == 6.0


def test_a_thread_starts_with_no_modes() -> None:
    found: list[bool] = []

    def record() -> None:
        found.append((tg.Value(1.0) * 2.0).is_leaf)

    with tg.no_grad(), tg.debug():
        thread = threading.Thread(target=record)
        thread.start()
        thread.join()

    assert found == [False]


def test_debug_and_branch_logs_belong_to_their_thread() -> None:
    with tg.debug(), watch_branches() as log:
        thread = threading.Thread(target=lambda: tg.log(tg.Value(0.0)).relu())
        thread.start()
        thread.join()

    assert log == []


def test_many_threads_switch_modes_at_once() -> None:
    wrong: list[str] = []

    def work(k: int) -> None:
        for _ in range(200):
            x = tg.Value(float(k))
            if k % 2:
                with tg.no_grad():
                    if not (x * x).is_leaf:
                        wrong.append("recorded under no_grad")
            y = x * x
            y.backward()
            if x.grad != 2.0 * k or tg.grad(lambda v: v * v * v)(1.0) != 3.0:
                wrong.append("wrong gradient")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_gradients_in_several_threads_leave_a_shared_value_alone() -> None:
    shared, vector = tg.Value(2.0), tg.Value([1.0, 2.0])
    shared.grad = 7.0
    failures: list[BaseException] = []

    def power(x: Any) -> Any:
        for _ in range(10):
            x = x * shared
        return (x * vector).sum() + x * shared

    def work() -> None:
        try:
            for _ in range(60):
                assert tg.grad(power)(1.0) == 5 * 2.0**10
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert (shared.grad, vector.grad) == (7.0, None)
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert failures == []
    assert (shared.grad, vector.grad) == (7.0, None)


def test_no_grad_in_one_asyncio_task_does_not_stop_recording_in_another() -> None:
    async def silent(entered: asyncio.Event, finish: asyncio.Event) -> bool:
        with tg.no_grad():
            entered.set()
            await finish.wait()
            return (tg.Value(1.0) * 2.0).is_leaf

    async def loud(entered: asyncio.Event, finish: asyncio.Event) -> bool:
        await entered.wait()
        recorded = not (tg.Value(1.0) * 2.0).is_leaf
        finish.set()
        return recorded

    async def main() -> list[bool]:
        entered, finish = asyncio.Event(), asyncio.Event()
        return list(await asyncio.gather(silent(entered, finish), loud(entered, finish)))

    assert asyncio.run(main()) == [True, True]


def test_nesting_of_derivatives_belongs_to_the_thread() -> None:
    results: list[Any] = []

    def f(x: Any) -> Any:
        thread = threading.Thread(target=lambda: results.append(tg.grad(lambda y: y * y)(3.0)))
        thread.start()
        thread.join()
        return x * x

    assert tg.grad(f)(2.0) == 4.0
    assert results == [6.0]
    assert type(results[0]) is float


def test_a_function_that_raises_ends_the_nesting() -> None:
    def fail(x: Any) -> Any:
        raise KeyError("inside")

    for transform in (tg.grad, tg.jacobian, tg.hessian, tg.value_and_grad):
        with pytest.raises(KeyError):
            transform(fail)(1.0)
    with pytest.raises(KeyError):
        tg.jvp(fail, (1.0,), (1.0,))
    with pytest.raises(KeyError):
        tg.vjp(fail, 1.0)
    with tg.no_grad(), pytest.raises(KeyError):
        tg.grad(fail)(1.0)

    assert type(tg.grad(lambda x: x * x)(1.0)) is float
