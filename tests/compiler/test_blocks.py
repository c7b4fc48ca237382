"""Updates of long arrays: run block by block, over what they replace."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.compiler import blas, blocks
from tinygrad_lecture.compiler.blocks import BLOCK

N = 3 * BLOCK + 17
Update = Callable[[Any, Any, list[Any]], Any]

UPDATES: dict[str, Update] = {
    "in place": lambda p, x, ps: (p * 0.9 - x) * 0.5,
    "the old value twice": lambda p, x, ps: (p * 0.9 - x) + p,
    "the old value last": lambda p, x, ps: p - (p * 0.1 + x * 0.3) * (p * 0.2),
    "its own first element": lambda p, x, ps: p * 0.9 - x * p[0],
    "an element of what is under way": lambda p, x, ps: (p * 0.9) * 2.0 - x * (p * 0.9)[7],
    "an element of the other": lambda p, x, ps: (p * 0.9 - x) * 0.5 - x * ps[1].data[3],
    "an element of the first": lambda p, x, ps: (p * 0.9) * ps[0].data[-1] - x,
    "turned around": lambda p, x, ps: p * 0.5 - x * p[::-1],
    "a combination": lambda p, x, ps: p * 0.9 + x * 0.1,
    "a multiple subtracted": lambda p, x, ps: p - 0.1 * x,
    "a multiple first": lambda p, x, ps: x * 0.1 + p,
    "of itself": lambda p, x, ps: p * 0.9 + p * 0.1,
    "the other way around": lambda p, x, ps: x * 0.1 - p * 0.9,
    "a product needed again": lambda p, x, ps: (p * 0.9 + x * 0.1) * (x * 0.1),
    "the old product needed again": lambda p, x, ps: (p * 0.9 + x * 0.1) - (p * 0.9) * x,
    "a combination of combinations": lambda p, x, ps: (p * 0.9 + x * 0.1) * 0.5 - (x * x) * 0.3,
    "in another precision": lambda p, x, ps: (
        (p.astype("f8") * (1.0 + 1e-9) - 1e-9 * x - 1.0).astype(p.dtype)
    ),
    "by another precision": lambda p, x, ps: ((p * x.astype("f8")) * 0.5 - 1e-9).astype(p.dtype),
}  # fmt: skip


def steps(update: Update, dtype: Any, sizes: tuple[int, ...]) -> tuple[list[Any], Any]:
    rng = np.random.default_rng(0)
    parameters = [nn.Parameter(rng.normal(size=n).astype(dtype)) for n in sizes]

    def step(*xs: Any) -> None:
        with tg.no_grad():
            new = [update(p.data, x, parameters) for p, x in zip(parameters, xs, strict=True)]
            for p, value in zip(parameters, new, strict=True):
                p.data = value

    return parameters, step


@pytest.fixture(params=["BLAS", "NumPy"])
def adds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a·x + b·y is one call."""
    if request.param == "NumPy":
        monkeypatch.setattr(blocks, "axpby", lambda dtype: None)
        return False
    return blas.axpby(np.dtype(np.float32)) is not None


def late(compiled: Any) -> str:
    return "\n".join(compiled.program.exe.late)


@pytest.mark.parametrize("sizes", [(N,), (N, N), (N, 10)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.usefixtures("adds")
def test_updates_in_blocks_are_those_of_whole_arrays(
    name: str, dtype: Any, sizes: tuple[int, ...]
) -> None:
    if "element of the other" in name and len(sizes) < 2:
        pytest.skip("there is no other")
    eager, step = steps(UPDATES[name], dtype, sizes)
    compiled, other = steps(UPDATES[name], dtype, sizes)
    fast = tg.compile(other)
    rng = np.random.default_rng(1)
    for _ in range(3):
        xs = [rng.normal(size=n).astype(dtype) for n in sizes]
        step(*xs)
        fast(*xs)
    for a, b in zip(eager, compiled, strict=True):
        assert a.dtype == b.dtype == dtype
        rounding = 8 * np.finfo(dtype).eps * np.abs(a.data).max()
        np.testing.assert_allclose(b.data, a.data, rtol=0, atol=rounding)


def test_parameters_do_not_keep_the_scratch_memory_of_a_step_alive() -> None:
    layer = nn.Linear(100, 10, rng=0)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    def step(x: Any) -> None:
        optimizer.zero_grad()
        tg.exp(layer(x) * 0.01).sum().backward()
        optimizer.step()

    fast = tg.compile(step)
    fast(np.ones((20_000, 100)))
    fast(np.ones((20_000, 100)))
    needed = fast.program.stats()["memory_bytes"]
    assert needed > 1.5e6  # 20,000 × 10 results
    del fast
    gc.collect()
    held = {id(a.base): a.base.nbytes for p in layer.parameters() for a in (p.data, p.grad)}
    assert sum(held.values()) < 100_000


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("make", "calls"),
    [
        (lambda ps: optim.SGD(ps, lr=0.1), 1),
        (lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9), 2),
        (lambda ps: optim.Adam(ps, lr=0.1), 3),
        (lambda ps: optim.RMSprop(ps, lr=0.1), 2),
    ],
    ids=["SGD", "momentum", "Adam", "RMSprop"],
)
def test_an_optimizer_adds_in_place(make: Any, calls: int, dtype: Any, adds: bool) -> None:
    def trainer(*ps: Any) -> Any:
        optimizer = make(ps)

        def step(x: Any) -> None:
            optimizer.zero_grad()
            sum((p * x + tg.square(p)).sum() for p in ps).backward()
            optimizer.step()

        return step

    rng = np.random.default_rng(0)
    start = rng.normal(size=(2, N)).astype(dtype)
    ps, qs = ([nn.Parameter(a) for a in start] for _ in range(2))
    eager, fast = trainer(*ps), tg.compile(trainer(*qs))
    for _ in range(4):
        x = rng.normal(size=N).astype(dtype)
        eager(x)
        fast(x)
        for p, q in zip(ps, qs, strict=True):
            rounding = 1e3 * np.finfo(dtype).eps * np.abs(p.data).max()
            np.testing.assert_allclose(q.data, p.data, rtol=0, atol=rounding)
    assert late(fast).count("axpby") == calls * adds


@pytest.mark.parametrize("rate", [0.0, -0.0, 0.5, np.inf, np.nan])
@pytest.mark.usefixtures("adds")
def test_what_is_not_finite_is_multiplied_by_zero_as_well(rate: float) -> None:
    """BLAS leaves y as it is where a is 0: NumPy's 0·inf is nan."""
    start = np.random.default_rng(0).normal(size=N)

    def trainer(w: Any) -> Any:
        optimizer = optim.SGD([w], lr=0.1)
        optimizer.param_groups[0]["lr"] = rate

        def step(x: Any) -> None:
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()

        return step

    p, q = nn.Parameter(start), nn.Parameter(start)
    eager, fast = trainer(p), tg.compile(trainer(q))
    x = np.ones(N)
    x[5], x[9] = np.inf, -np.inf
    with np.errstate(all="ignore"):
        for _ in range(2):
            eager(x)
            fast(x)
            np.testing.assert_array_equal(q.data, p.data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 7, 1000, 40_000])
def test_the_library_adds(size: int, dtype: Any) -> None:
    add = blas.axpby(np.dtype(dtype))
    if add is None:
        pytest.skip("NumPy's library of linear algebra has no axpby")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, size)).astype(dtype)
    wanted = 0.3 * x + 1.7 * y
    a, b, one = add.number(0.3), add.number(1.7), blas.SIZE(1)
    at_x, at_y = blas.ADDRESS(x.ctypes.data), blas.ADDRESS(y.ctypes.data)
    add.call(blas.SIZE(size), a, at_x, one, b, at_y, one)
    np.testing.assert_allclose(y, wanted, rtol=4 * np.finfo(dtype).eps, atol=1e-6)


def test_there_is_no_library_for_other_numbers_or_without_its_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uncached = blas.axpby.__wrapped__
    assert uncached(np.dtype(int)) is None
    monkeypatch.setattr(blas, "NAMES", ("no_{}_such_name",))
    assert uncached(np.dtype(float)) is None
    monkeypatch.setattr(blas, "NAMES", ("scipy_cblas_{}axpby64_",))
    monkeypatch.setattr(blas, "_adds", lambda function, dtype: False)
    assert uncached(np.dtype(float)) is None
    monkeypatch.setattr(blas, "library", lambda: None)
    assert uncached(np.dtype(float)) is None
