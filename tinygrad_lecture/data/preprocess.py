"""Preprocessing of inputs, fitted on the training part alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.data.dataset import Dataset
from tinygrad_lecture.errors import UsageError

_ROWS = 1024  # of one piece, when a whole data set is read through


class Standardize:
    """Shift and scale each feature to mean 0 and standard deviation 1 (lecture L47, L66).

    ``z = (x − mean) / std``, with the statistics of the data given to `fit`: the training part,
    never the validation or test part. A feature that was constant in `fit` is only shifted. A
    fitted object can be called, so it serves as a transform: ``dataset.map(standardize)``.

    Attributes
    ----------
    mean, std
        Statistics of shape ``X.shape[1:]`` in float64, with divisor n; `std` is 1 for a constant
        feature.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> X = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> standardize = tg.data.Standardize().fit(X)
    >>> standardize.transform(X)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> standardize.inverse(standardize.transform(X))
    array([[1., 5.],
           [3., 5.]])
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    def fit(self, X: NDArray[Any] | Dataset) -> Standardize:
        """Take the statistics of `X`; give the object itself back.

        Parameters
        ----------
        X
            Array of shape (n, ...), or a dataset, whose inputs are read with its transforms and
            piece by piece, so that a large one is never held in floats as a whole.

        Raises
        ------
        UsageError
            If `X` has no rows, or a value is not finite.
        """
        X = as_dataset(X)
        # Everything is measured in u = (x − low) / range, between 0 and 1: nothing can overflow,
        # and a large offset cancels before it costs digits.
        low = np.full(X.sample_shape, np.inf)
        high = np.full(X.sample_shape, -np.inf)
        for start, x in pieces(X):
            check_finite(x, start)
            low, high = np.minimum(low, x.min(axis=0)), np.maximum(high, x.max(axis=0))
        with np.errstate(over="ignore"):  # the check below says it in words
            spread = high - low
        if not np.isfinite(spread).all():
            raise UsageError("X must have features whose range fits into float64")
        unit = np.where(spread > 0, spread, 1.0)
        mean = sum(((x - low) / unit).sum(axis=0) for _, x in pieces(X)) / len(X)
        squares = sum((((x - low) / unit - mean) ** 2).sum(axis=0) for _, x in pieces(X))
        std = unit * np.sqrt(squares / len(X))
        self.mean = low + unit * mean
        self.std = np.where(std > 0, std, 1.0)
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """(X − mean) / std; float32 and float16 keep their type, anything else gives float64."""
        X = self._checked(X)
        dtype = X.dtype if X.dtype.kind == "f" else np.float64
        return ((X - self.mean) / self.std).astype(dtype, copy=False)

    def inverse(self, Z: NDArray[Any]) -> NDArray[Any]:
        """Z · std + mean, which undoes `transform`."""
        Z = self._checked(Z)
        dtype = Z.dtype if Z.dtype.kind == "f" else np.float64
        return (Z * self.std + self.mean).astype(dtype, copy=False)

    __call__ = transform

    def state_dict(self) -> dict[str, NDArray[np.float64]]:
        """Copies of the statistics, as plain arrays."""
        self._check_fitted()
        return {"mean": self.mean.copy(), "std": self.std.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the statistics that `state_dict` gave.

        Raises
        ------
        UsageError
            If a key is missing or strange, or the arrays are not statistics of one shape.
        """
        if set(state) != {"mean", "std"}:
            raise UsageError(f"state must have the keys mean and std, got {sorted(state)}")
        mean, std = (np.array(state[key], dtype=np.float64) for key in ("mean", "std"))
        if mean.shape != std.shape or not np.isfinite(mean).all() or not (std > 0).all():
            raise UsageError(
                f"state must hold finite means and positive deviations of one shape, "
                f"got shapes {mean.shape} and {std.shape}"
            )
        self.mean, self.std = mean, std

    def _check_fitted(self) -> None:
        if not hasattr(self, "mean"):
            raise UsageError("Standardize has no statistics yet: call fit(X) with training data")

    def _checked(self, X: NDArray[Any]) -> NDArray[Any]:
        self._check_fitted()
        X = np.asarray(X)
        if X.ndim == 0 or X.shape[1:] != self.mean.shape:
            features = "".join(f", {size}" for size in self.mean.shape)
            raise UsageError(f"X must have shape (n{features}) as in fit, got {X.shape}")
        return X


def as_dataset(X: NDArray[Any] | Dataset) -> Dataset:
    """`X` itself if it is a dataset, otherwise one with `X` as inputs."""
    if isinstance(X, Dataset):
        return X
    X = np.asarray(X)
    if X.ndim == 0 or len(X) == 0:
        raise UsageError(f"X must have at least one row, got shape {X.shape}")
    return Dataset(X, np.zeros(len(X)), "X")


def pieces(dataset: Dataset) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Inputs of a dataset in float64, some rows at a time, each with the number of its first."""
    for start in range(0, len(dataset), _ROWS):
        yield start, dataset[start : start + _ROWS][0].astype(np.float64)


def check_finite(x: NDArray[np.float64], start: int) -> None:
    """Refuse a piece that holds inf or nan, and say where."""
    bad = np.argwhere(~np.isfinite(x))
    if len(bad) > 0:
        row, *feature = bad[0].tolist()
        raise UsageError(
            f"X must be finite, got {x[tuple(bad[0])]} "
            f"in row {start + row}, feature {tuple(feature)}"
        )
