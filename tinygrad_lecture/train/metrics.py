"""Measures of a trained classifier: accuracy and the confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["accuracy", "confusion_matrix", "format_confusion"]


def accuracy(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the share of rows whose largest logit is that of the label.

    Parameters
    ----------
    logits : ndarray, shape (N, C), N >= 1
    labels : ndarray of int, shape (N,)

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.train import accuracy
    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    return float(np.count_nonzero(logits.argmax(axis=1) == labels) / len(labels))


def confusion_matrix(
    labels: ArrayLike, predictions: ArrayLike, n_classes: int | None = None
) -> NDArray[np.int64]:
    """Count how often each class was taken for each.

    Parameters
    ----------
    labels, predictions : array_like of int, shape (N,)
        Classes ``0 .. n_classes - 1``.
    n_classes : int, optional
        By default one more than the largest class that occurs.

    Returns
    -------
    ndarray of int, shape (n_classes, n_classes)
        Entry (i, j) counts samples of class i that were predicted as j.

    Raises
    ------
    ValueError
        For different lengths, numbers that are not whole, or a class outside of the range.

    Examples
    --------
    >>> from tinygrad_lecture.train import confusion_matrix
    >>> confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1])
    array([[1, 1],
           [0, 2]])
    """
    true, predicted = np.asarray(labels), np.asarray(predictions)
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(
            f"confusion_matrix: labels {true.shape} and predictions {predicted.shape} must be"
            " vectors of one length"
        )
    both = np.concatenate([true, predicted])
    if both.size and both.dtype.kind not in "iu":
        raise ValueError(f"confusion_matrix: classes must be integers, got {both.dtype}")
    classes = n_classes
    if classes is None:
        classes = int(both.max()) + 1 if both.size else 0
    if both.size and not (both.min() >= 0 and both.max() < classes):
        raise ValueError(
            f"confusion_matrix: classes must be in 0..{classes - 1}, got {both.min()}..{both.max()}"
        )
    pairs = true.astype(np.int64) * classes + predicted.astype(np.int64)
    counts: NDArray[np.int64] = np.bincount(pairs, minlength=classes**2).astype(np.int64)
    return counts.reshape(classes, classes)


def format_confusion(matrix: NDArray[Any]) -> str:
    r"""Return a confusion matrix as aligned text, with the share found of each true class.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.train import format_confusion
    >>> print(format_confusion(np.array([[9, 1], [0, 10]])))
    true\predicted   0   1   found
                 0   9   1   90.0%
                 1   .  10  100.0%
    """
    classes = len(matrix)
    width = max(len(str(int(matrix.max(initial=0)))), len(str(classes - 1))) + 2
    corner = "true\\predicted"
    lines = [corner + "".join(f"{j:>{width}}" for j in range(classes)) + "   found"]
    for i, row in enumerate(matrix):
        cells = "".join(f"{count or '.':>{width}}" for count in row.tolist())
        found = f"{row[i] / row.sum():.1%}" if row.sum() else "-"
        lines.append(f"{i:>{len(corner)}}{cells}{found:>8}")
    return "\n".join(lines)
