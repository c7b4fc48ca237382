"""Nets side by side take the paths that they would take alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.experiments import Stack, stacked_cross_entropy


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
