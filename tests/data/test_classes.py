from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinygrad_lecture.data import (
    DataLoader,
    Dataset,
    shuffle_by_class,
    signed_targets,
    sort_by_class,
)
from tinygrad_lecture.errors import UsageError


def labelled(y: Any) -> Dataset:
    """Inputs are the numbers of the rows, so that an order can be read from them."""
    return Dataset(np.arange(len(y)), np.asarray(y), "toy", n_classes=int(max(y)) + 1)


def equal_neighbours(y: NDArray[Any]) -> int:
    return int(np.count_nonzero(y[1:] == y[:-1]))


@given(y=st.lists(st.integers(0, 4), min_size=1, max_size=40), seed=st.integers(0, 2**32))
def test_neighbours_differ_wherever_that_is_possible_and_nothing_is_lost(
    y: list[int], seed: int
) -> None:
    rows, labels = shuffle_by_class(labelled(y), seed)[:]

    assert sorted(rows.tolist()) == list(range(len(y)))
    assert [y[row] for row in rows] == labels.tolist()
    if 2 * max(np.bincount(y)) <= len(y) + 1:
        assert equal_neighbours(labels) == 0


@pytest.mark.parametrize("shares", [(1, 1, 1), (6, 3, 1), (9, 1), (5, 5), (96, 2, 2)])
def test_every_piece_holds_the_classes_in_their_shares(shares: tuple[int, ...]) -> None:
    y = np.repeat(np.arange(len(shares)), np.multiply(shares, 1000 // sum(shares)))
    _, labels = shuffle_by_class(labelled(y), seed=3)[:]
    exact = np.bincount(y) / len(y)

    for start in range(0, len(y) - 99, 100):
        piece = np.bincount(labels[start : start + 100], minlength=len(shares))
        assert np.abs(piece - 100 * exact).max() <= (2 if max(exact) <= 0.5 else 3)


def test_the_order_is_random_and_repeatable() -> None:
    data = labelled(np.arange(300) % 3)
    first, again, other = (shuffle_by_class(data, seed)[:][0] for seed in (0, 0, 1))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert abs(np.corrcoef(np.arange(300), first)[0, 1]) < 0.2


def test_sorting_keeps_the_order_within_a_class() -> None:
    rows, labels = sort_by_class(labelled([2, 0, 1, 0, 2]))[:]

    assert (rows.tolist(), labels.tolist()) == ([1, 3, 2, 0, 4], [0, 0, 1, 2, 2])


def test_a_loader_mixes_the_classes_anew_in_each_epoch_and_resumes() -> None:
    data = labelled(np.arange(40) % 4)
    loader = DataLoader(data, 8, shuffle="by_class", seed=5)
    epochs = [list(loader), list(loader)]

    for batches in epochs:
        assert equal_neighbours(np.concatenate([y for _, y in batches])) == 0
    assert epochs[0][0][0].tolist() != epochs[1][0][0].tolist()
    later = DataLoader(data, 8, shuffle="by_class")
    later.load_state_dict({**loader.state_dict(), "epoch": 1, "batch": 2})
    assert [X.tolist() for X, _ in later] == [X.tolist() for X, _ in epochs[1][2:]]
    with pytest.raises(UsageError, match="saved with shuffle='by_class', this loader has True"):
        DataLoader(data, 8).load_state_dict(loader.state_dict())


def test_signed_targets() -> None:
    assert signed_targets(np.array([1, 0]), 2).tolist() == [[-1, 1], [1, -1]]
    assert signed_targets(np.zeros(0, np.int64), 2).shape == (0, 2)


@pytest.mark.parametrize("y", [[0, 3], [-1], [0.5], [[0]]])
def test_labels_that_are_none_are_refused(y: Any) -> None:
    with pytest.raises(UsageError, match=r"labels must be integers from 0 to 2 of shape \(n,\)"):
        signed_targets(y, 3)


def test_without_classes_there_is_no_order_of_classes() -> None:
    regression = Dataset(np.zeros((3, 1)), np.zeros(3), "line")
    for order in (sort_by_class, shuffle_by_class):
        with pytest.raises(UsageError, match=r"'line' has no classes to order"):
            order(regression)
    with pytest.raises(UsageError, match=r"'line' has no classes to order"):
        DataLoader(regression, shuffle="by_class")
    with pytest.raises(UsageError, match="shuffle must be True, False or \"by_class\", got 'yes'"):
        DataLoader(regression, shuffle="yes")  # type: ignore[arg-type]
