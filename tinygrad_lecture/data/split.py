"""Splitting a data set into parts, with the classes in proportion."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.data.dataset import Dataset
from tinygrad_lecture.data.seeding import Seed, generator, permutation
from tinygrad_lecture.errors import UsageError


def split(
    dataset: Dataset,
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    seed: Seed = 0,
    stratify: bool | None = None,
) -> tuple[Dataset, ...]:
    """Divide a data set at random into disjoint parts that hold all of it.

    Parameters
    ----------
    dataset
        What to divide; the parts keep its name and transforms, and copy their rows.
    fractions
        Share of each part, positive, with sum 1. A part has ``n * fraction`` samples up to
        rounding (largest remainder).
    seed
        Integer or generator. The same seed gives the same parts in every version of NumPy.
    stratify
        Give each part its share of each class, up to one sample more or less. By default this
        is done where the data set has classes.

    Returns
    -------
    tuple of Dataset
        One a fraction. Within a part, samples keep the order that they had.

    Raises
    ------
    UsageError
        If the fractions are not shares of a whole, if a part would be empty, or if `stratify`
        is asked for without classes.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> digits = tg.data.load_digits()
    >>> train, test = tg.data.split(digits, (0.8, 0.2), seed=1)
    >>> len(train), len(test)
    (1438, 359)
    """
    if len(fractions) == 0 or not all(f > 0 for f in fractions) or abs(sum(fractions) - 1) > 1e-9:
        raise UsageError(f"fractions must be positive and have the sum 1, got {tuple(fractions)}")
    if stratify is None:
        stratify = dataset.n_classes is not None
    if stratify and dataset.n_classes is None:
        raise UsageError(f"stratify=True needs classes, and {dataset.name!r} has n_classes=None")
    sizes = _shares(len(dataset), fractions)
    if 0 in sizes:
        raise UsageError(
            f"{dataset.name!r} with {len(dataset)} samples is too small for the "
            f"fractions {tuple(fractions)}: the parts would have {sizes} samples"
        )
    order = permutation(generator(seed).bit_generator, len(dataset))
    part_of_row = np.empty(len(dataset), dtype=np.intp)
    if stratify:
        labels = dataset.targets[order]
        groups = [order[labels == label] for label in np.unique(labels)]
    else:
        groups = [order]
    table = _table([len(group) for group in groups], sizes, fractions)
    for group, counts in zip(groups, table, strict=True):
        part_of_row[group] = np.repeat(np.arange(len(sizes)), counts)
    return tuple(dataset.take(np.flatnonzero(part_of_row == part)) for part in range(len(sizes)))


def _shares(n: int, fractions: Sequence[float]) -> list[int]:
    """Whole numbers with sum `n`: round down, then the largest remainders get what is left."""
    exact = [n * fraction for fraction in fractions]
    shares = [math.floor(x) for x in exact]
    by_remainder = sorted(range(len(exact)), key=lambda j: shares[j] - exact[j])
    for j in by_remainder[: n - sum(shares)]:
        shares[j] += 1
    return shares


def _table(
    group_sizes: Sequence[int], part_sizes: Sequence[int], fractions: Sequence[float]
) -> NDArray[np.intp]:
    """Samples of each group (row) for each part (column), with both sums exact.

    Each entry is its exact value rounded down, plus 0 or 1. The extra ones form a matrix of zeros
    and ones with given sums; giving those of each row to the columns that still lack most finds
    it (Ryser 1957).
    """
    exact = np.outer(group_sizes, fractions)
    table = np.floor(exact + 1e-9).astype(np.intp)
    lacking = np.asarray(part_sizes) - table.sum(axis=0)
    for row, size in zip(table, group_sizes, strict=True):
        neediest = np.argsort(-lacking, kind="stable")[: size - row.sum()]
        row[neediest] += 1
        lacking[neediest] -= 1
    return table
