"""Nets side by side take the paths that they would take alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.experiments import Stack, stacked_cross_entropy, train_stack


def net(seed: int, hidden: int = 5, bias: bool = True) -> tg.nn.Sequential:
    rng = np.random.default_rng(seed)
    return tg.nn.Sequential(
        tg.nn.Linear(2, hidden, rng=rng, bias=bias), tg.nn.Tanh(), tg.nn.Linear(hidden, 3, rng=rng)
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("optimizer", [tg.optim.SGD, tg.optim.Adam])
def test_each_net_trains_as_if_alone(optimizer: Any, compiled: bool, bias: bool) -> None:
    nets = [net(seed, bias=bias) for seed in range(3)]
    stack = Stack(nets)
    together = optimizer(stack.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        together.zero_grad()
        losses = stacked_cross_entropy(stack(x), y)
        tg.sum(losses).backward()
        together.step()
        return losses

    X, y = tg.data.spirals(60, seed=0)
    batches = np.random.default_rng(0).integers(60, size=(20, 3, 16))
    run = tg.compile(step) if compiled else step
    losses = np.array([run(X[rows], y[rows]).data for rows in batches])

    for s, alone in enumerate(nets):
        one = optimizer(alone.parameters(), lr=0.1)
        for t, rows in enumerate(batches[:, s]):
            one.zero_grad()
            loss = tg.nn.functional.cross_entropy(alone(X[rows]), y[rows])
            loss.backward()
            one.step()
            assert loss.data == pytest.approx(losses[t, s], rel=1e-12)
    np.testing.assert_allclose(stack(X).data, np.stack([n(X).data for n in nets]), rtol=1e-10)


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(UsageError, match="all with the same layers"):
        Stack([])
    with pytest.raises(UsageError, match="all with the same layers"):
        Stack([net(0), net(1, hidden=6)])
    norm = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=0), tg.nn.BatchNorm1d(3))
    with pytest.raises(UsageError, match="cannot hold BatchNorm1d, which has a state"):
        Stack([norm])


@pytest.mark.parametrize("batch", [None, 16])
def test_train_stack_gives_each_net_its_own_samples_and_batches(batch: int | None) -> None:
    sets = [tg.data.spirals(40, seed=seed) for seed in range(2)]
    X, y = (np.stack(arrays) for arrays in zip(*sets, strict=True))
    stack = Stack([net(0), net(1)])
    together = tg.optim.SGD(stack.parameters(), lr=0.5)

    class Halving:
        def step(self) -> None:
            together.param_groups[0]["lr"] /= 2

    losses = train_stack(
        stack, together, X, y, 5, batch=batch,
        rngs=[np.random.default_rng(seed) for seed in (5, 6)], scheduler=Halving(),
    )  # fmt: skip
    assert losses.shape == (5, 2)
    for s in range(2):
        alone, rng = net(s), np.random.default_rng(5 + s)
        one = tg.optim.SGD(alone.parameters(), lr=0.5)
        order = np.empty(0, int)  # a pass has two batches of 16; the last 8 rows are left out
        for t in range(5):
            if batch and t % 2 == 0:
                order = rng.permutation(40)
            rows = order[:16] if t % 2 == 0 else order[16:32]
            x, labels = (X[s][rows], y[s][rows]) if batch else (X[s], y[s])
            one.zero_grad()
            loss = tg.nn.functional.cross_entropy(alone(x), labels)
            loss.backward()
            one.step()
            one.param_groups[0]["lr"] /= 2
            assert loss.data == pytest.approx(losses[t, s], rel=1e-12)
