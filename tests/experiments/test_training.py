"""What the experiments share: batches, generators, steps, scores of nets side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import nn, optim
from tinygrad_lecture.experiments import Stack, stacked_cross_entropy, training


def test_batches_pass_over_the_data_in_new_orders() -> None:
    X = np.arange(10)[:, None]
    seen = list(training.batches(X, np.arange(10), 3, 7, np.random.default_rng(0)))
    assert len(seen) == 7
    for first in (0, 3, 6):  # three whole batches a pass; the tenth row waits
        rows = np.concatenate([y for _, y in seen[first : first + 3]])
        assert len(set(rows.tolist())) == len(rows)
    assert all((x[:, 0] == y).all() and len(y) == 3 for x, y in seen)
    assert seen[0][1].tolist() != seen[3][1].tolist()


def test_batches_of_nets_side_by_side_are_those_that_each_would_see() -> None:
    rngs = training.generators(0, 2)
    X, y = training.spirals_for_each(rngs, 12, 0.1)
    assert X.shape == (2, 12, 2)
    together = list(training.batches_for_each(X, y, 4, 5, training.generators(1, 2)))
    for s, rng in enumerate(training.generators(1, 2)):
        for (xs, ys), (x, labels) in zip(
            together, training.batches(X[s], y[s], 4, 5, rng), strict=True
        ):
            assert (xs[s] == x).all()
            assert (ys[s] == labels).all()


def test_generators_do_not_depend_on_how_many_there_are() -> None:
    few, many = training.generators(3, 2), training.generators(3, 5)
    assert [g.random() for g in few] == [g.random() for g in many[:2]]
    assert len({g.random() for g in training.generators(3, 5)}) == 5


def test_scores_of_a_stack_are_those_of_its_nets() -> None:
    rngs = training.generators(0, 3)
    nets = [training.network([2, 5, 3], nn.Tanh, rng) for rng in rngs]
    X, y = training.spirals_for_each(rngs, 40, 0.3)
    out = training.logits(Stack(nets), X)
    for s, net in enumerate(nets):
        alone = training.logits(net, X[s])
        assert training.nll(out, y)[s] == pytest.approx(training.nll(alone, y[s]))
        assert training.accuracy(out, y)[s] == training.accuracy(alone, y[s])
    assert training.accuracy(np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([0, 0])) == 0.5


def test_a_step_returns_the_loss_and_sums_those_of_nets_side_by_side() -> None:
    rng = np.random.default_rng(0)
    net: Any = training.network([2, 3], nn.Tanh, rng)
    X, y = rng.normal(size=(8, 2)), rng.integers(3, size=8)
    stack = Stack([net])
    alone = training.training_step(
        optim.SGD(net.parameters(), lr=0.5), lambda: nn.functional.cross_entropy(net(X), y)
    )
    together = training.training_step(
        optim.SGD(stack.parameters(), lr=0.5), lambda: stacked_cross_entropy(stack(X), y)
    )
    for _ in range(3):
        assert together().data.tolist() == pytest.approx([alone().item()])


def test_layer_outputs_are_those_of_a_kind_and_the_last() -> None:
    net = training.network([2, 4, 3], nn.ReLU, np.random.default_rng(0))
    x = np.ones((5, 2))
    hidden, last = training.layer_outputs(net, x, nn.ReLU)
    assert hidden.shape == (5, 4)
    assert (last.data == net(x).data).all()
