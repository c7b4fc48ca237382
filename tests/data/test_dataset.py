from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from tinygrad_lecture.data import Dataset, bytes_to_unit
from tinygrad_lecture.errors import UsageError


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(np.arange(12.0).reshape(4, 3), np.array([0, 1, 1, 0]), "toy", n_classes=2)


def test_rows_are_reached_by_index_slice_and_array(dataset: Dataset) -> None:
    x, label = dataset[1]
    X, y = dataset[1:3]
    Z, z = dataset[np.array([3, 0])]

    assert x.tolist() == [3, 4, 5]
    assert label == 1
    assert (X.tolist(), y.tolist()) == ([[3, 4, 5], [6, 7, 8]], [1, 1])
    assert (Z.tolist(), z.tolist()) == ([[9, 10, 11], [0, 1, 2]], [0, 0])
    assert dataset[-1][0].tolist() == [9, 10, 11]
    assert len(dataset) == 4


def test_transforms_run_in_turn_on_what_is_asked_for(dataset: Dataset) -> None:
    seen: list[int] = []

    def double(X: Any) -> Any:
        seen.append(len(X))
        return 2 * X

    mapped = dataset.map(double).map(lambda X: X[:, :2] + 1)

    assert seen == []
    assert mapped[2:][0].tolist() == [[13, 15], [19, 21]]
    assert seen == [2]
    assert mapped[0][0].tolist() == [1, 3]
    assert mapped.sample_shape == (2,)
    assert dataset[2:][0].tolist() == [[6, 7, 8], [9, 10, 11]]


def test_all_that_comes_out_is_read_only(dataset: Dataset) -> None:
    mapped = dataset.map(lambda X: X + 1)

    for X, y in (dataset[:], dataset[np.array([1, 2])], mapped[:2], mapped[0:0]):
        assert not X.flags.writeable
        assert not y.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        dataset.inputs[0] = 1


def test_the_callers_arrays_stay_writable_and_are_not_copied() -> None:
    X, y = np.zeros((2, 2)), np.array([0, 1])
    dataset = Dataset(X, y)
    X[0, 0] = 7

    assert dataset.inputs[0, 0] == 7
    assert np.shares_memory(dataset[:][0], X)


def test_fields_cannot_be_rebound(dataset: Dataset) -> None:
    with pytest.raises(AttributeError, match="cannot assign to field 'name'"):
        dataset.name = "other"  # type: ignore[misc]  # under test


def test_take_keeps_name_classes_and_transforms(dataset: Dataset) -> None:
    part = dataset.map(lambda X: -X).take(np.array([2, 0]))

    assert (part.name, part.n_classes, len(part)) == ("toy", 2, 2)
    assert part[:][0].tolist() == [[-6, -7, -8], [0, -1, -2]]
    assert np.shares_memory(dataset.take(slice(1, 3)).inputs, dataset.inputs)


def test_repr_says_what_it_is_and_not_what_it_holds(dataset: Dataset) -> None:
    images = Dataset(np.zeros((3, 4), np.uint8), np.zeros((3, 2)), "images").map(bytes_to_unit)

    assert repr(dataset) == "Dataset('toy': 4 samples of shape (3,), float64, 2 classes)"
    assert repr(images) == "Dataset('images': 3 samples of shape (4,), float32, regression)"


def test_it_can_be_sent_to_another_process(dataset: Dataset) -> None:
    images = Dataset(np.full((3, 4), 255, np.uint8), np.array([0, 1, 1]), "images", 2)
    copy = pickle.loads(pickle.dumps(images.map(bytes_to_unit)))

    assert repr(copy) == repr(images.map(bytes_to_unit))
    assert (copy[:][0] == 1).all()
    assert not copy[:][0].flags.writeable


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1j]], [0]), "inputs must be an array of real numbers, got complex128"),
        (([["a"]], [0]), "inputs must be an array of real numbers, got <U1"),
        (([[1.0]], [None]), "targets must be an array of real numbers, got object"),
        ((1.0, [0]), r"inputs must have at least one row, got shape \(\)"),
        ((np.zeros((0, 3)), []), r"inputs must have at least one row, got shape \(0, 3\)"),
        (
            (np.zeros((3, 2)), [0, 1]),
            r"the same number of rows, got shapes \(3, 2\) and \(2,\)",
        ),
        ((np.zeros((2, 2)), [0, 2], "x", 2), "labels from 0 to 1, got 2 in row 1"),
        ((np.zeros((2, 2)), [-1, 0], "x", 2), "labels from 0 to 1, got -1 in row 0"),
        (
            (np.zeros((2, 2)), [0.0, 1.0], "x", 2),
            r"integer labels of shape \(n,\) when n_classes is given, got float64 of shape \(2,\)",
        ),
        ((np.zeros((2, 2)), [[0], [1]], "x", 2), r"integer labels .* got int64 of shape \(2, 1\)"),
        ((np.zeros((2, 2)), [0, 0], "x", 0), "n_classes must be at least 1, got 0"),
    ],
)
def test_what_is_no_dataset_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Dataset(*arguments)


def test_a_transform_that_loses_rows_is_refused(dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="the transforms of 'toy' made 2 rows out of 4"):
        dataset.map(lambda X: X[::2])[:]
