"""A data set in memory, and the three parts that a training needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.data import _checks
from tinygrad_lecture.errors import UsageError

Array: TypeAlias = NDArray[Any]
Rows: TypeAlias = int | slice | NDArray[Any]
Transform: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs and targets, one sample a row, with transforms that run batch by batch.

    ``dataset[rows]`` gives the pair ``(X, y)`` for an index, a slice or an array of indices, with
    the transforms applied; ``dataset[:]`` gives all of it. `inputs` is what is *stored*: images
    read from files stay bytes there, and become floats only in the batch at hand. So MNIST takes
    47 MB and not the 188 MB of float32, let alone the 376 MB of float64.

    Parameters
    ----------
    inputs
        Real array of shape (n, ...), n ≥ 1, kept as it is and without a copy.
    targets
        Real array of shape (n, ...). With `n_classes`: integer labels of shape (n,).
    name
        What messages and files call the data.
    n_classes
        Number of classes, labels run from 0 to n_classes − 1; `None` for regression.
    transforms
        Functions applied in turn to each batch of inputs; each keeps the number of rows.

    Raises
    ------
    UsageError
        If the shapes or labels do not fit these rules.

    Notes
    -----
    All arrays that a dataset hands out are read-only. The caller's own arrays stay writable; who
    changes them changes the dataset.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> dataset = tg.data.Dataset([[1, 2], [3, 4], [5, 6]], [0, 1, 0], "toy", n_classes=2)
    >>> dataset
    Dataset('toy': 3 samples of shape (2,), int64, 2 classes)
    >>> halves = dataset.map(lambda x: x / 2)
    >>> X, y = halves[1:]
    >>> print(X, y)
    [[1.5 2. ]
     [2.5 3. ]] [1 0]
    """

    inputs: Array
    targets: Array
    name: str = "data"
    n_classes: int | None = None
    transforms: tuple[Transform, ...] = ()

    def __post_init__(self) -> None:
        inputs, targets = _read_only(self.inputs), _read_only(self.targets)
        for role, array in (("inputs", inputs), ("targets", targets)):
            if array.dtype.kind not in "buif":
                raise UsageError(f"{role} must be an array of real numbers, got {array.dtype}")
            if array.ndim == 0 or len(array) == 0:
                raise UsageError(f"{role} must have at least one row, got shape {array.shape}")
        if len(inputs) != len(targets):
            raise UsageError(
                f"inputs and targets must have the same number of rows, "
                f"got shapes {inputs.shape} and {targets.shape}"
            )
        if self.n_classes is not None:
            _check_labels(targets, _checks.count("n_classes", self.n_classes, 1))
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "targets", targets)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Rows) -> tuple[Array, Array]:
        if isinstance(rows, int | np.integer):
            X, y = self[np.array([rows])]
            return X[0], y[0]
        X, y = self.inputs[rows], self.targets[rows]
        for transform in self.transforms:
            X = transform(X)
        if len(X) != len(y):
            raise UsageError(f"the transforms of {self.name!r} made {len(X)} rows out of {len(y)}")
        return _read_only(X), _read_only(y)

    def __repr__(self) -> str:
        first, _ = self[:1]
        kind = "regression" if self.n_classes is None else f"{self.n_classes} classes"
        return (
            f"Dataset({self.name!r}: {len(self)} samples of shape {first.shape[1:]}, "
            f"{first.dtype}, {kind})"
        )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one input, after the transforms."""
        return self[:1][0].shape[1:]

    def take(self, rows: slice | NDArray[Any]) -> Dataset:
        """Smaller dataset of these rows: a slice shares the memory, an array of indices copies."""
        return replace(self, inputs=self.inputs[rows], targets=self.targets[rows])

    def map(self, *transforms: Transform) -> Dataset:
        """Same dataset with these transforms after its own; a fitted `Standardize` is one."""
        return replace(self, transforms=(*self.transforms, *transforms))


class Splits(NamedTuple):
    """The three parts of a data set: to learn from, to choose by, and to judge by once.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> train, validation, test = tg.data.load("digits")
    >>> len(train), len(validation), len(test)
    (1258, 270, 269)
    """

    train: Dataset
    validation: Dataset
    test: Dataset


def _read_only(values: Any) -> Array:
    view = np.asarray(values).view()
    view.flags.writeable = False
    return view


def _check_labels(labels: Array, n_classes: int) -> None:
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UsageError(
            f"targets must be integer labels of shape (n,) when n_classes is given, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    outside = np.flatnonzero((labels < 0) | (labels >= n_classes))
    if len(outside) > 0:
        raise UsageError(
            f"targets must be labels from 0 to {n_classes - 1}, "
            f"got {labels[outside[0]]} in row {outside[0]}"
        )
