"""What becomes one call, or a call on a smaller array."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.compiler.fuse import LONG

rng = np.random.default_rng(0)
WIDE, SHORT = LONG + 9, LONG - 1


def norms(x: Any, y: Any) -> Any:
    return (x * y).sum(axis=1)


def scaled(x: Any, y: Any) -> Any:
    return y.sum(axis=1, keepdims=True) * (2.0 * x)


def scaled_on_the_left(x: Any, y: Any) -> Any:
    return (x * 0.5) * y.mean(axis=1, keepdims=True)


def scaled_by_a_row(x: Any, y: Any) -> Any:
    return (3.0 * x) * y.max(axis=0)


def squares(x: Any, y: Any) -> Any:
    return ((x - y) ** 2).sum(axis=1)


def read_twice(x: Any, y: Any) -> Any:
    product = x * y
    return product.sum(axis=1), product


def read_twice_scaled(x: Any, y: Any) -> Any:
    twice = 2.0 * x
    return twice * y.sum(axis=1, keepdims=True), twice


def arrays(n: int = 5, k: int = WIDE, dtype: Any = np.float64) -> tuple[Any, Any]:
    return rng.normal(size=(n, k)).astype(dtype), rng.normal(size=(n, k)).astype(dtype)


def ops(compiled: Any) -> dict[str, int]:
    found: dict[str, int] = compiled.program.stats()["by_op"]
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("function", "multiplications", "dots"),
    [
        (norms, 0, 1), (scaled, 2, 0), (scaled_on_the_left, 3, 0), (scaled_by_a_row, 2, 0),
        (squares, 0, 1), (read_twice, 1, 0), (read_twice_scaled, 3, 0),
    ],
)  # fmt: skip
def test_the_calls_are_fewer_and_the_numbers_the_same(
    function: Callable[..., Any], multiplications: int, dots: int, dtype: Any
) -> None:
    fast = tg.compile(lambda x, y: function(tg.Value(x), tg.Value(y)))
    fast(*arrays(dtype=dtype))
    assert ops(fast).get("multiply", 0) == multiplications
    assert ops(fast).get("dots", 0) == dots
    x, y = arrays(dtype=dtype)
    found, wanted = fast(x, y), function(tg.Value(x), tg.Value(y))
    both = zip(*(v if type(v) is tuple else (v,) for v in (found, wanted)), strict=True)
    for a, b in both:
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        rtol = 1e-4 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(a.data, b.data, rtol=rtol, atol=rtol)
    scope: dict[str, Any] = {}
    exec(compile(fast.program.source(), "<source>", "exec"), scope)
    first = found[0] if type(found) is tuple else found
    np.testing.assert_allclose(scope["program"]([x, y])[0], first.data, rtol=1e-5, atol=1e-5)


def test_short_rows_are_added_up_together() -> None:
    fast = tg.compile(lambda x, y: norms(tg.Value(x), tg.Value(y)))
    fast(*arrays(k=SHORT))
    assert "dots" not in ops(fast)
    assert ops(fast)["matmul"] == 1


def test_batch_norm_by_columns_makes_no_array_of_squares() -> None:
    """Where a product is turned, sums over the batch go along rows."""
    model = tg.nn.Sequential(
        tg.nn.Linear(300, 256, rng=0, bias=False), tg.nn.BatchNorm1d(256), tg.nn.ReLU(),
        tg.nn.Linear(256, 3, rng=1),
    )  # fmt: skip
    criterion, labels = tg.nn.CrossEntropyLoss(), rng.integers(0, 3, 128)

    def step(x: Any) -> Any:
        model.zero_grad()
        loss = criterion(model(x), labels)
        loss.backward()
        return loss

    fast = tg.compile(step)
    fast(rng.normal(size=(128, 300)))
    assert ops(fast)["dots"] == 2  # of the variance, and of its gradient
    program = fast.program.program
    large = [
        program.args[i] for i, op in enumerate(program.op)
        if op == "multiply" and program.size(i) == 256 * 128
    ]  # fmt: skip
    assert large
    assert not any(type(x) is float for args in large for x in args)  # 2·(x - mean), of squares
    x = rng.normal(size=(128, 300))
    found = [fast(x).data, *(p.grad for p in model.parameters())]
    for a, b in zip(found, [step(x).data, *(p.grad for p in model.parameters())], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [8192, 3 * 8191, 16384, 5 * 10_007])
@pytest.mark.parametrize("op", [tg.maximum, tg.minimum])
@pytest.mark.parametrize("first", [True, False])
def test_maximum_with_a_number_goes_by_long_rows(op: Any, size: int, first: bool) -> None:
    def f(x: Any) -> Any:
        x = tg.Value(x)
        return op(0.25, x) if first else op(x, 0.25)

    fast = tg.compile(f)
    fast(np.zeros(size))
    x = rng.normal(size=size)
    x[:4] = np.inf, -np.inf, 0.25, -0.0
    np.testing.assert_array_equal(fast(x).data, f(x).data)
    x[7] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(fast(x).data, f(x).data)


def relu_twice(x: Any, w: Any) -> Any:
    return (tg.relu(tg.relu(x @ w) @ w.T) @ w).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_maximum_is_asked_when_the_answer_is_read(dtype: Any) -> None:
    f = tg.value_and_grad(relu_twice, argnums=(0, 1))
    fast = tg.compile(f)
    fast(*arrays(40, 30, dtype)[:1], rng.normal(size=(30, 20)).astype(dtype))
    program = fast.program.program
    questions = [i for i, op in enumerate(program.op) if op == "greater"]
    assert len(questions) == 2
    for i in questions:
        assert program.op[program.args[i][0]] == "maximum"
        assert i in program.args[i + 1]
    for x in (np.zeros((40, 30)), -np.zeros((40, 30)), rng.integers(-1, 2, (40, 30))):
        point = x.astype(dtype), rng.integers(-1, 2, (30, 20)).astype(dtype)
        (value, grads), (wanted, exact) = fast(*point), f(*point)
        assert value == wanted
        for a, b in zip(grads, exact, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_question_that_is_an_answer_is_asked_at_once() -> None:
    fast = tg.compile(lambda x: (tg.maximum(x, 0.0) * 2.0, x > 0.0))
    x = rng.normal(size=(3, 5))
    doubled, asked = fast(x)
    np.testing.assert_array_equal(doubled.data, 2 * np.maximum(x, 0))
    np.testing.assert_array_equal(asked, x > 0)
