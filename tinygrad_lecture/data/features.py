"""Hand-designed features φ(x): how one neuron was made to do more (lecture L03)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.data import _checks
from tinygrad_lecture.errors import UsageError

Feature = Callable[[NDArray[Any]], NDArray[Any]]


class FeatureMap:
    """Features of a batch, side by side: φ(X) = [f₁(X), f₂(X), …].

    A transform for `Dataset.map`; a linear classifier on φ(x) divides the space of x along curves.

    Parameters
    ----------
    *features
        Functions that take a batch of shape (n, ...) and give n numbers, or an array (n, k).

    Raises
    ------
    UsageError
        Without features; and when called, if one gives another number of rows.

    Examples
    --------
    XOR is linear in OR and AND: (x₁ OR x₂) AND NOT (x₁ AND x₂).

    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> phi = tg.data.FeatureMap(lambda x: x.max(axis=1), lambda x: x.min(axis=1))
    >>> X, y = tg.data.xor()
    >>> phi(X).tolist()
    [[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    >>> ((phi(X) @ np.array([1.0, -1.0]) > 0.5) == y).all()
    np.True_
    """

    def __init__(self, *features: Feature) -> None:
        if not features or not all(callable(feature) for feature in features):
            raise UsageError(f"FeatureMap needs functions of a batch, got {features!r}")
        self.features = features

    def __call__(self, X: NDArray[Any]) -> NDArray[Any]:
        """Map a batch (n, ...) to (n, number of features)."""
        columns = []
        for number, feature in enumerate(self.features):
            column = np.asarray(feature(X))
            if column.ndim not in (1, 2) or len(column) != len(X):
                raise UsageError(
                    f"feature {number} must give {len(X)} numbers or rows for {len(X)} samples, "
                    f"got shape {column.shape}"
                )
            columns.append(column if column.ndim == 2 else column[:, None])
        return np.concatenate(columns, axis=1)


class Polynomial:
    """Products of up to `degree` features: x₁, x₂, x₁², x₁x₂, x₂² and so on.

    With degree 2, one neuron divides the plane along conic sections: `circles` become linear. The
    constant is left out, since a layer has its bias. d features give C(d + degree, degree) − 1.

    Parameters
    ----------
    degree
        At least 1.

    Raises
    ------
    UsageError
        For a degree below 1; and when called, for a batch that is not of shape (n, d).

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.data.Polynomial(2)(np.array([[2.0, 3.0]]))
    array([[2., 3., 4., 6., 9.]])
    """

    def __init__(self, degree: int) -> None:
        self.degree = _checks.count("degree", degree, 1)

    def __call__(self, X: NDArray[Any]) -> NDArray[Any]:
        """Map a batch (n, d) to (n, number of products)."""
        X = np.asarray(X)
        if X.ndim != 2:
            raise UsageError(f"X must have shape (n, d) for polynomial features, got {X.shape}")
        products = [
            X[:, factors].prod(axis=1)
            for degree in range(1, self.degree + 1)
            for factors in map(list, combinations_with_replacement(range(X.shape[1]), degree))
        ]
        return np.column_stack(products)
