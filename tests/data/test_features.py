from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_lecture as tg
from tinygrad_lecture.compiler import compile as compiled
from tinygrad_lecture.data import Dataset, FeatureMap, Polynomial, circles, xor
from tinygrad_lecture.errors import UsageError


def trained_neuron(X: NDArray[Any], y: NDArray[Any], seed: int, steps: int = 400) -> float:
    """Accuracy of a single neuron after full-batch gradient descent."""
    neuron = tg.nn.Linear(X.shape[1], 1, rng=seed)
    optimizer = tg.optim.SGD(neuron.parameters(), lr=2.0)

    @compiled
    def step() -> None:
        optimizer.zero_grad()
        z = neuron(X)
        tg.mean(tg.softplus(z) - y[:, None] * z).backward()  # binary cross-entropy of σ(z)
        optimizer.step()

    for _ in range(steps):
        step()
    return float(np.mean((neuron(X).data[:, 0] >= 0) == y))


@pytest.mark.parametrize("seed", range(10))
def test_a_single_neuron_learns_xor_on_or_and_and(seed: int) -> None:
    """The claim of L03."""
    X, y = xor()
    phi = FeatureMap(lambda x: x.max(axis=1), lambda x: x.min(axis=1))

    assert trained_neuron(phi(X), y, seed) == 1
    assert trained_neuron(X, y, seed) <= 0.75


def test_circles_are_linear_in_products_of_two_features() -> None:
    X, y = circles(200, noise=0.05, seed=0)

    assert trained_neuron(Polynomial(2)(X), y, 0) > 0.99
    assert trained_neuron(X, y, 0) < 0.7


def test_products_are_in_order_of_degree_and_counted_by_the_binomial() -> None:
    X = np.array([[2.0, 3.0, 5.0]])

    assert Polynomial(2)(X)[0].tolist() == [2, 3, 5, 4, 6, 10, 9, 15, 25]
    for degree in range(1, 5):
        assert Polynomial(degree)(X).shape == (1, comb(3 + degree, degree) - 1)


def test_a_map_takes_columns_and_blocks_and_serves_as_transform() -> None:
    phi = FeatureMap(lambda x: x.sum(axis=1), lambda x: x[:, :2])
    data = Dataset(np.arange(6).reshape(2, 3), np.zeros(2)).map(phi)

    assert data[:][0].tolist() == [[3, 0, 1], [12, 3, 4]]
    assert data.sample_shape == (3,)


def test_features_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match=r"FeatureMap needs functions of a batch, got \(\)"):
        FeatureMap()
    with pytest.raises(UsageError, match="FeatureMap needs functions of a batch"):
        FeatureMap(3)  # type: ignore[arg-type]
    with pytest.raises(
        UsageError, match=r"feature 1 must give 2 numbers or rows for 2 samples, got shape \(\)"
    ):
        FeatureMap(lambda x: x, lambda x: x.sum())(np.zeros((2, 3)))
    with pytest.raises(UsageError, match="degree must be at least 1, got 0"):
        Polynomial(0)
    with pytest.raises(UsageError, match=r"X must have shape \(n, d\)"):
        Polynomial(2)(np.zeros(3))
