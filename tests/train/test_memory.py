"""Graphs die with their last reference: memory stays flat without the cyclic collector."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import nn, optim
from tinygrad_lecture.train import evaluate

STEPS = 10_000
WARM = 3_000  # until then CPython fills its free lists of tuples and floats, and keeps them


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def traced_bytes() -> int:
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    return tracemalloc.get_traced_memory()[0]


# Every Python object is a block, arrays and Values among them, so a graph that stays shows in both;
# counting blocks is free, tracing bytes makes everything several times slower.
measures = pytest.mark.parametrize(
    ("measure", "allowed"),
    [
        pytest.param(sys.getallocatedblocks, 300, id="blocks"),
        pytest.param(traced_bytes, 10_000, id="bytes", marks=pytest.mark.slow),
    ],
)


def growth(step: Callable[[], Any], measure: Callable[[], int]) -> int:
    """What is held after STEPS more than after WARM of them."""
    kept, before = None, 0
    measure()
    try:
        for number in range(STEPS):
            kept = step()  # the last loss stays referenced, as in a notebook
            if number == WARM:
                before = measure()
        assert kept is not None
        return measure() - before
    finally:
        tracemalloc.stop()


def parts() -> tuple[nn.Sequential, nn.CrossEntropyLoss, Any, Any]:
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(4, 8, rng=rng), nn.ReLU(), nn.Linear(8, 3, rng=rng))
    return model, nn.CrossEntropyLoss(), rng.normal(size=(16, 4)), rng.integers(3, size=16)


@measures
def test_training_steps_that_keep_their_last_loss_do_not_grow(measure: Any, allowed: int) -> None:
    model, loss, X, y = parts()
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> Any:
        optimizer.zero_grad()
        value = loss(model(X), y)
        value.backward()
        optimizer.step()
        return value

    assert growth(step, measure) < allowed


@measures
def test_recorded_evaluations_that_keep_their_last_loss_do_not_grow(
    measure: Any, allowed: int
) -> None:
    model, loss, X, y = parts()
    assert growth(lambda: loss(model(X), y), measure) < allowed


@measures
def test_evaluations_without_recording_do_not_grow(measure: Any, allowed: int) -> None:
    model, loss, X, y = parts()
    assert growth(lambda: evaluate(model, [(X, y)], loss), measure) < allowed


@measures
def test_the_measure_sees_a_graph_that_stays(measure: Any, allowed: int) -> None:
    model, loss, X, y = parts()
    leak: list[Any] = []

    def step() -> Any:
        value = loss(model(X), y)
        if len(leak) < 20 or len(leak) % 100 == 0:  # one graph in a hundred is held
            leak.append(value)
        else:
            leak.append(None)
        return value

    assert growth(step, measure) > allowed
