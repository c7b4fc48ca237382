"""A graph dies with its last reference: without the cyclic collector, after every use of it."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def scalars() -> tuple[tg.Value, list[tg.Value]]:
    x, y = tg.Value(0.5), tg.Value(2.0)
    a = x * y + 2.0
    b = tg.exp(-a * a) / (a + 1.0) - 1.0 / a + a**2.0 + 2.0**a
    return tg.tanh(b) + tg.maximum(a, b), [a, b]


def arrays() -> tuple[tg.Value, list[tg.Value]]:
    w, x = tg.Value(np.ones((2, 3)), name="w"), tg.Value(np.ones(3))
    h = w @ x + np.ones(2)
    parts = [
        tg.softmax(h),
        h[[0, 1, 0]],
        h.reshape(2, 1),
        tg.sort(h),
        tg.cumprod(h),
        tg.where(h > 0, h, 0.0),
    ]
    return tg.concatenate([p.reshape(-1) for p in parts]).max() + tg.norm(h) + h.prod(), [h, *parts]


def mixed() -> tuple[tg.Value, list[tg.Value]]:
    s = tg.Value(3.0)
    rows = [s * float(k) for k in range(5)]
    v = tg.stack(rows)
    return (v * s).sum() * s, [*rows, v]


def backward_twice(out: tg.Value) -> None:
    out.backward()
    out.backward()


BUILDERS = [scalars, arrays, mixed]
USES: dict[str, Callable[[tg.Value], Any]] = {
    "nothing": lambda out: None,
    "backward": lambda out: out.backward(),
    "backward twice": backward_twice,
    "a tape": lambda out: tg.Tape(out),
    "a table": lambda out: str(tg.Tape(out)),
    "steps": lambda out: list(tg.Tape(out).steps()),
    "a replay": lambda out: tg.Tape(out).replay(),
    "a check": lambda out: tg.Tape(out).verify(),
    "json": lambda out: tg.Tape(out).to_json(),
    "repr": repr,
    "detaching": lambda out: out.detach(),
    "a comparison": lambda out: out > 0,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
@pytest.mark.parametrize("build", BUILDERS)
def test_a_graph_dies_with_its_last_reference(
    build: Callable[[], tuple[tg.Value, list[tg.Value]]], use: Callable[[tg.Value], Any]
) -> None:
    out, inner = build()
    leaves = [v for v in tg.Tape(out).values if v.is_leaf]
    refs = [weakref.ref(v) for v in (out, *inner, *leaves)]
    use(out)
    assert all(r() is not None for r in refs)
    del inner, leaves
    assert all(r() is not None for r in refs)
    del out

    assert [r() for r in refs] == [None] * len(refs)


def test_leaves_do_not_hold_what_was_made_of_them() -> None:
    for p in (tg.Value(1.0), tg.Value(np.ones(3))):
        out = (p * p).sum()
        out.backward()
        ref = weakref.ref(out)
        del out

        assert ref() is None
        assert p.grad is not None


def test_an_output_holds_what_it_was_made_of() -> None:
    x = tg.Value(1.0)
    ref = weakref.ref(x)
    y = x * 2.0
    del x
    assert ref() is not None
    y.backward()
    assert ref().grad == 2.0  # type: ignore[union-attr]


def test_raw_data_and_gradients_keep_no_graph_alive() -> None:
    w = tg.Value(np.ones(3))
    h = w * 2.0
    out = (h * h).sum()
    out.backward()
    kept = [
        h.data,
        h.grad,
        h.data[1:],
        h.data.copy(),
        np.asarray(h.data),
        out.data,
        h.item() if h.size == 1 else None,
    ]
    ref = weakref.ref(h)
    del h, out

    assert ref() is None
    np.testing.assert_array_equal(kept[0], [2, 2, 2])


def test_a_failing_backward_keeps_nothing() -> None:
    x = tg.Value(0.0)
    y = tg.sqrt(x * 1.0)
    with tg.debug(), pytest.raises(FloatingPointError):
        y.backward()
    ref = weakref.ref(y)
    del y

    assert ref() is None


def square_and_keep(refs: list[Any]) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y = x * x
        out = (y * y).sum()
        refs.extend(weakref.ref(v) for v in (x, y, out))
        return out

    return f


POINTS = [3.0, np.array([1.0, 2.0])]
TRANSFORMS: dict[str, Callable[[Any, Any], Any]] = {
    "grad": lambda f, x: tg.grad(f)(x),
    "value_and_grad": lambda f, x: tg.value_and_grad(f)(x),
    "grad of grad": lambda f, x: tg.grad(lambda y: tg.sum(tg.grad(f)(y)))(x),
    "vjp": lambda f, x: tg.vjp(f, x)[1](1.0),
    "jvp": lambda f, x: tg.jvp(f, (x,), (x,)),
    "jacobian, reverse": lambda f, x: tg.jacobian(f)(x),
    "jacobian, forward": lambda f, x: tg.jacobian(f, mode="forward")(x),
    "hessian": lambda f, x: tg.hessian(f)(x),
    "hvp": lambda f, x: tg.hvp(f, x, x),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
@pytest.mark.parametrize("x", POINTS, ids=["scalar", "array"])
def test_transforms_keep_nothing(x: Any, transform: Callable[[Any, Any], Any]) -> None:
    refs: list[Any] = []
    kept = transform(square_and_keep(refs), x)

    assert kept is not None
    assert len(refs) >= 3
    assert [r() for r in refs] == [None] * len(refs)


def test_a_pullback_holds_its_record_until_it_is_dropped() -> None:
    refs: list[Any] = []
    out, pullback = tg.vjp(square_and_keep(refs), np.array([1.0, 2.0]))
    pullback(1.0)
    assert refs[1]() is not None
    del pullback

    assert out == 17.0
    assert [r() for r in refs] == [None] * 3


def test_a_function_that_raises_keeps_nothing() -> None:
    refs: list[Any] = []

    def f(x: Any) -> Any:
        square_and_keep(refs)(x)
        raise KeyError("in the middle")

    with pytest.raises(KeyError, match="in the middle"):
        tg.grad(f)(2.0)

    assert [r() for r in refs] == [None] * 3


def test_modes_keep_nothing() -> None:
    with tg.debug(), tg.engine.watch_branches() as log:
        x = tg.Value([1.0, -2.0])
        y = x.relu().sum()
        y.backward()
        refs = [weakref.ref(x), weakref.ref(y)]
        del x, y
        assert [r() for r in refs] == [None, None]

    assert len(log) == 1


def test_a_parameter_forgets_the_dead_records_that_used_it() -> None:
    p = tg.Value(np.ones(2))
    alive = p * p
    for _ in range(1000):
        (p * p).sum()

    assert len(p._q) < 100
    with pytest.raises(ValueError, match=r"multiply .* still needs the array"):
        p.data[0] = 5.0
    del alive
    p.data[0] = 5.0
    assert p.data[0] == 5.0


def flat(step: Callable[[], Any], steps: int, limit: int = 3000) -> int:
    """Return by how many bytes memory grew over many steps that keep their last result."""
    last = [step() for _ in range(50)][-1]
    tracemalloc.start()
    for _ in range(50):
        last = step()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(steps):
        last = step()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert last is not None
    return grown


def test_memory_is_flat_over_10000_training_steps() -> None:
    w, b = tg.Value(0.1), tg.Value(0.2)
    m = tg.Value(np.ones((2, 2)))

    def scalar_step() -> tg.Value:
        loss = ((w * 1.5 + b).tanh() - 0.5) ** 2.0
        loss.backward()
        for p in (w, b):
            p.data -= 0.01 * p.grad
            p.zero_grad()
        return loss

    def array_step() -> tg.Value:
        loss = ((m @ np.ones(2)).tanh() ** 2.0).sum()
        m.grad = None
        loss.backward()
        m.data -= 0.01 * m.grad
        return loss

    assert flat(scalar_step, 10_000) < 3000
    assert flat(array_step, 1_000) < 3000


def test_memory_is_flat_over_10000_evaluation_steps_that_keep_the_last_loss() -> None:
    w, m = tg.Value(0.1), tg.Value(np.ones((2, 2)))

    assert flat(lambda: (w * 1.5).tanh() ** 2.0, 10_000) < 3000
    assert flat(lambda: (m @ np.ones(2)).tanh().sum(), 1_000) < 3000


def test_memory_is_flat_over_gradients_of_functions() -> None:
    g = tg.grad(lambda x: (x * x).tanh())
    for _ in range(4_000):  # CPython keeps up to 2,000 small tuples of each length for reuse
        g(0.3)

    assert flat(lambda: g(0.3), 2_000) < 3000
