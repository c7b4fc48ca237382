"""Large arguments are read where they lie; whatever cannot be read there is copied."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.compiler.borrow import LARGE

ROWS, COLUMNS = 200, 100
assert ROWS * COLUMNS >= LARGE

rng = np.random.default_rng(0)
W = rng.normal(size=(COLUMNS, 7))


def product(x: Any) -> Any:
    return (x @ W).sum()


def reused(x: Any) -> Any:
    return (tg.exp(x * 0.1) @ W + x.sum(axis=1, keepdims=True)).sum() + tg.maximum(x, 0.0).sum()


def turned(x: Any) -> Any:
    return (W.T @ x.T).max(axis=0).sum() + x[3:9, 2:5].sum() + x[5].sum()


FUNCTIONS = {f.__name__: f for f in (product, reused, turned)}


def unaligned(a: np.ndarray) -> np.ndarray:
    raw = np.zeros(a.nbytes + 1, np.uint8)
    found = raw[1:].view(a.dtype).reshape(a.shape)
    found[...] = a
    assert not found.flags.aligned
    return found


def frozen(a: np.ndarray) -> np.ndarray:
    a = a.copy()
    a.flags.writeable = False
    return a


def sparse(a: np.ndarray) -> np.ndarray:
    return np.repeat(a, 2, axis=1)[:, ::2]


class _Sub(np.ndarray):
    """An array of another type."""


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "own": np.copy,
    "part": lambda a: np.concatenate([a, a])[ROWS:],
    "by columns": np.asfortranarray,
    "every second": sparse,
    "from the end": lambda a: a[::-1].copy()[::-1],
    "read-only": frozen,
    "unaligned": unaligned,
    "subclass": lambda a: a.copy().view(_Sub),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_layout_gives_the_same(name: str, layout: str) -> None:
    f = tg.value_and_grad(FUNCTIONS[name])
    fast = tg.compile(f)
    fast(rng.normal(size=(ROWS, COLUMNS)))
    x = LAYOUTS[layout](rng.normal(size=(ROWS, COLUMNS)))
    before = np.array(x)
    for _ in range(2):
        (value, gradient), (wanted, exact) = fast(x), f(x)
        np.testing.assert_allclose(value, wanted, rtol=1e-12)
        np.testing.assert_allclose(gradient, exact, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(x, before)
        if x.flags.writeable:
            x[...] = before = before + 1


def test_a_large_argument_takes_no_memory_of_the_program() -> None:
    fast = tg.compile(product)
    x = np.ones((ROWS, COLUMNS))
    fast(x)
    without = fast.program.stats()["memory_bytes"]
    assert without < x.nbytes
    fast(np.asfortranarray(x))  # has to be copied
    assert fast.program.stats()["memory_bytes"] == without + x.nbytes


@pytest.mark.parametrize("fails", [False, True])
def test_an_argument_is_not_kept_alive(fails: bool) -> None:
    loss = nn.CrossEntropyLoss()
    fast = tg.compile(lambda x, y: loss(x @ W, y))
    fast(np.ones((ROWS, COLUMNS)), np.zeros(ROWS, int))
    x = np.ones((ROWS, COLUMNS))
    alive = weakref.ref(x)
    if fails:
        with pytest.raises(ValueError, match=r"labels have to lie in 0\.\.6"):
            fast(x, np.full(ROWS, 7))
    else:
        fast(x, np.ones(ROWS, int))
    del x
    assert alive() is None


@pytest.mark.parametrize("which", ["data", "grad", "part of data"])
def test_an_argument_may_be_memory_that_the_program_changes(which: str) -> None:
    """The gradient is written before the argument is read for the last time."""

    def trainer() -> tuple[Any, Any]:
        w = tg.Value(np.random.default_rng(1).normal(size=(COLUMNS, ROWS)), name="w")
        optimizer = optim.SGD([w], lr=0.01)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = tg.tanh(w @ x * 0.01).sum() * 0.1
            loss.backward()
            optimizer.step()
            return loss

        return w, step

    (w, step), (v, other) = trainer(), trainer()
    fast = tg.compile(other)
    start = rng.normal(size=(ROWS, COLUMNS))
    step(start)
    fast(start)
    for _ in range(3):
        found = []
        for p, run in ((w, step), (v, fast)):
            array = {"data": p.data, "grad": p.grad, "part of data": p.data[:]}[which]
            x = np.reshape(array, (ROWS, COLUMNS))
            found.append(float(run(x).data))
        assert found[0] == pytest.approx(found[1], rel=1e-12)
        np.testing.assert_allclose(v.data, w.data, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(v.grad, w.grad, rtol=1e-11, atol=1e-13)


def test_one_array_may_be_two_arguments() -> None:
    fast = tg.compile(tg.grad(lambda x, y: (x * y).sum() + (x @ W).sum(), argnums=(0, 1)))
    x = rng.normal(size=(ROWS, COLUMNS))
    fast(x, x + 1)
    a, b = fast(x, x)
    np.testing.assert_allclose(a, x + W.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(b, x, rtol=1e-12)
