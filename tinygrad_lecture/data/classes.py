"""The order of classes and the form of targets (lecture L66, L67)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_lecture.data import _checks
from tinygrad_lecture.data.dataset import Dataset
from tinygrad_lecture.data.seeding import Seed, generator, permutation
from tinygrad_lecture.errors import UsageError


def sort_by_class(dataset: Dataset) -> Dataset:
    """Same samples, one class after the other: the order that stochastic descent likes least.

    Within a class the order stays. With small batches and no shuffling, each class is forgotten
    while the next one comes; L66 measures by how much.

    Raises
    ------
    UsageError
        If the dataset has no classes.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> data = tg.data.Dataset([[0.0], [1.0], [2.0], [3.0]], [1, 0, 1, 0], n_classes=2)
    >>> X, y = tg.data.sort_by_class(data)[:]
    >>> X[:, 0].tolist(), y.tolist()
    ([1.0, 3.0, 0.0, 2.0], [0, 0, 1, 1])
    """
    return dataset.take(np.argsort(class_labels(dataset), kind="stable"))


def shuffle_by_class(dataset: Dataset, seed: Seed = 0) -> Dataset:
    """Same samples in a random order in which neighbours differ in class.

    An example teaches most when it comes unexpected (LeCun, Bottou, Orr and Müller 1998, section
    4.2). Any piece of the order holds the classes in about their shares in the whole, as far as
    that goes together with unequal neighbours. Where one class has more than half of the samples
    (rounded up), equal neighbours cannot be avoided, and only the shares count.
    `DataLoader` draws such an order anew in each epoch with ``shuffle="by_class"``.

    Parameters
    ----------
    dataset
        With classes.
    seed
        Integer or generator. The same seed gives the same order in every version of NumPy.

    Raises
    ------
    UsageError
        If the dataset has no classes.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> data = tg.data.Dataset([[0.0]] * 9, [0, 0, 0, 0, 1, 1, 1, 2, 2], n_classes=3)
    >>> tg.data.shuffle_by_class(data, seed=1)[:][1].tolist()
    [0, 1, 2, 0, 1, 0, 2, 1, 0]
    """
    return dataset.take(mixed_order(class_labels(dataset), generator(seed).bit_generator))


def signed_targets(labels: ArrayLike, n_classes: int) -> NDArray[np.float64]:
    """Targets of −1 and 1 for outputs of `LeCunTanh`, one column a class (lecture L67).

    f(±1) = ±1 there, so that a unit reaches its target at a finite input, where its slope is
    large; targets at the asymptotes would drive the weights to infinity.

    Parameters
    ----------
    labels
        Integers of shape (n,), from 0 to n_classes − 1.
    n_classes
        At least 2.

    Raises
    ------
    UsageError
        If a label is not an integer of that range.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.data.signed_targets([0, 2], 3)
    array([[ 1., -1., -1.],
           [-1., -1.,  1.]])
    """
    n_classes, y = _checks.count("n_classes", n_classes, 2), np.asarray(labels)
    if (
        y.ndim != 1
        or y.dtype.kind not in "iu"
        or (y.size and not 0 <= y.min() <= y.max() < n_classes)
    ):
        raise UsageError(
            f"labels must be integers from 0 to {n_classes - 1} of shape (n,), "
            f"got {y.dtype} of shape {y.shape}"
            + (f" between {y.min()} and {y.max()}" if y.size else "")
        )
    return np.where(y[:, None] == np.arange(n_classes), 1.0, -1.0)


def class_labels(dataset: Dataset) -> NDArray[Any]:
    """Labels of a dataset that has classes."""
    if dataset.n_classes is None:
        raise UsageError(
            f"{dataset.name!r} has no classes to order (n_classes=None): give n_classes to Dataset"
        )
    return dataset.targets


def mixed_order(labels: NDArray[Any], bits: np.random.BitGenerator) -> NDArray[np.intp]:
    """Order of `shuffle_by_class`, as rows.

    Each place goes to the class that is furthest behind its share, of those that differ from the
    last; ties go to the class whose next sample has the smaller random rank. A class that makes
    up more than half of what is left must come now, or equal neighbours remain.
    """
    n, order = len(labels), permutation(bits, len(labels))
    _, classes = np.unique(labels[order], return_inverse=True)
    # Ranks of each class's samples in the random order, the next one last.
    ranks = [np.flatnonzero(classes == c)[::-1].tolist() for c in range(classes.max() + 1)]
    sizes = [len(r) for r in ranks]
    apart = 2 * max(sizes) <= n + 1
    last, mixed = -1, []
    for place in range(n):

        def urgency(c: int, place: int = place) -> tuple[bool, int, int]:
            left = len(ranks[c])
            behind = (place + 1) * sizes[c] - (sizes[c] - left) * n
            return (apart and 2 * left > n - place, behind, -ranks[c][-1])

        last = max((c for c, r in enumerate(ranks) if r and not (apart and c == last)), key=urgency)
        mixed.append(ranks[last].pop())
    return order[mixed]
