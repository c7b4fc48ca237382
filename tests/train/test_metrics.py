"""Accuracy and confusion matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lecture.train import accuracy, confusion_matrix, format_confusion


def test_accuracy_counts_rows_whose_largest_logit_is_right() -> None:
    logits = np.array([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0], [-3.0, -2.0, -1.0]])
    assert accuracy(logits, np.array([0, 0, 1])) == 2 / 3


def test_confusion_matrix_by_hand() -> None:
    matrix = confusion_matrix([0, 0, 1, 2, 2, 2], [0, 2, 1, 2, 2, 0])
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 2]]
    assert matrix.dtype == np.int64


def test_rows_count_labels_columns_predictions_and_the_diagonal_the_hits() -> None:
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(5, size=(2, 300))
    matrix = confusion_matrix(labels, predictions, 7)
    assert matrix.shape == (7, 7)
    assert matrix.sum(axis=1).tolist() == np.bincount(labels, minlength=7).tolist()
    assert matrix.sum(axis=0).tolist() == np.bincount(predictions, minlength=7).tolist()
    assert matrix.trace() == (labels == predictions).sum()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_small_integer_types_do_not_overflow(dtype: Any) -> None:
    labels = np.full(3, 99, dtype)
    assert confusion_matrix(labels, labels)[99, 99] == 3


def test_no_samples_give_zeros() -> None:
    assert confusion_matrix([], [], 2).tolist() == [[0, 0], [0, 0]]
    assert confusion_matrix([], []).shape == (0, 0)


@pytest.mark.parametrize(
    ("labels", "predictions", "classes", "message"),
    [
        ([0, 1], [0], None, r"\(2,\) and predictions \(1,\)"),
        ([[0]], [[0]], None, "vectors of one length"),
        ([0.0, 1.0], [0.0, 1.0], None, "must be integers, got float64"),
        ([0, 2], [0, 1], 2, r"in 0\.\.1, got 0\.\.2"),
        ([0, 1], [-1, 1], 2, r"in 0\.\.1, got -1\.\.1"),
    ],
)
def test_confusion_matrix_refuses(
    labels: Any, predictions: Any, classes: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        confusion_matrix(labels, predictions, classes)


def test_the_text_is_aligned_and_shows_what_was_found() -> None:
    matrix = np.zeros((11, 11), np.int64)
    matrix[0, 0], matrix[0, 10], matrix[10, 10] = 120, 3, 7
    lines = format_confusion(matrix).splitlines()
    assert len(lines) == 12
    assert lines[0].split() == ["true\\predicted", *map(str, range(11)), "found"]
    assert lines[1].split() == ["0", "120", *["."] * 9, "3", "97.6%"]
    assert lines[2].split() == ["1", *["."] * 11, "-"]
    assert lines[11].split() == ["10", *["."] * 10, "7", "100.0%"]
    column = lines[0].index(" 10 ") + 2
    assert lines[1][column] == "3"
    assert lines[11][column] == "7"
    assert len({len(line) for line in lines[1:]}) == 1
