"""Updates of long arrays: run block by block, over what they replace."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
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


@pytest.mark.parametrize("sizes", [(N,), (N, N), (N, 10)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UPDATES)
def test_updates_in_blocks_are_those_of_whole_arrays(
    name: str, dtype: Any, sizes: tuple[int, ...]
) -> None:
    if "the other" in name and len(sizes) < 2:
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
