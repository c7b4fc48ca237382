"""Principal components and whitening, fitted on the training part alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.data import _checks
from tinygrad_lecture.data.dataset import Dataset
from tinygrad_lecture.data.preprocess import as_dataset, check_finite, pieces
from tinygrad_lecture.errors import UsageError


class PCAWhiten:
    """Centre, turn to principal axes and scale each to variance 1 (lecture L66).

    With the mean μ and the eigenvectors V and eigenvalues λ of the covariance (divisor n) of the
    data given to `fit`, ``z = (x − μ) V / √(λ + eps)``: the features of z are uncorrelated, with
    variance λ/(λ + eps). For a linear layer with a squared loss the Hessian becomes the identity,
    so that gradient descent needs one step (LeCun, Bottou, Orr and Müller 1998, *Efficient
    BackProp*, section 4.3). A fitted object can be called, so it serves as a transform:
    ``dataset.map(whiten)``.

    Parameters
    ----------
    eps
        Added to each variance, ≥ 0: a little keeps directions that are mostly noise small.
    n_components
        How many axes to keep, those of largest variance first. By default all that have a
        variance beyond rounding (more than d·2⁻⁵²·λ₁), so that constant or repeated features do
        no harm. Data in very different units are better standardized before.

    Attributes
    ----------
    mean
        Of shape (d,).
    components
        Principal axes as rows, of shape (k, d); the largest entry of each is positive.
    variances
        Variance along each, of shape (k,), descending.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> X = np.random.default_rng(0).normal(size=(500, 2)) @ np.array([[3.0, 1.0], [0.0, 0.1]])
    >>> Z = tg.data.PCAWhiten().fit(X).transform(X)
    >>> np.abs(np.cov(Z.T, bias=True)).round(6)
    array([[1., 0.],
           [0., 1.]])
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    variances: NDArray[np.float64]

    def __init__(self, eps: float = 0.0, n_components: int | None = None) -> None:
        self.eps = _checks.deviation("eps", eps)
        self.n_components = (
            None if n_components is None else _checks.count("n_components", n_components, 1)
        )

    def fit(self, X: NDArray[Any] | Dataset) -> PCAWhiten:
        """Take mean and principal axes of `X`; give the object itself back.

        Parameters
        ----------
        X
            Array of shape (n, d), or a dataset with such inputs, which is read piece by piece.

        Raises
        ------
        UsageError
            If `X` has another shape, a value is not finite, or `n_components` asks for axes along
            which the data do not vary (unless `eps` is positive).
        """
        X = as_dataset(X)
        if len(X.sample_shape) != 1:
            raise UsageError(
                f"X must have shape (n, d) to have principal axes, got {(len(X), *X.sample_shape)}"
            )
        (d,) = X.sample_shape
        mean = np.zeros(d)
        for start, x in pieces(X):
            check_finite(x, start)
            mean += x.sum(axis=0) / len(X)
        covariance = np.zeros((d, d))
        for _, x in pieces(X):
            covariance += (x - mean).T @ (x - mean) / len(X)
        if not np.isfinite(covariance).all():
            raise UsageError("X must have features whose squares fit into float64: scale it first")
        variances, axes = np.linalg.eigh(covariance)
        variances, components = np.maximum(variances[::-1], 0), axes[:, ::-1].T
        rank = int(np.count_nonzero(variances > d * np.finfo(float).eps * variances[0]))
        kept = self.n_components or (d if self.eps > 0 else rank)
        if kept > d or (kept > rank and self.eps == 0) or kept == 0:
            raise UsageError(
                f"n_components must be at most {rank}, the number of directions in which these "
                f"{len(X)} samples of {d} features vary, got {self.n_components}; a positive eps "
                f"allows {d}"
            )
        largest = np.abs(components).argmax(axis=1)
        components = components * np.sign(components[np.arange(d), largest])[:, None]
        self.mean, self.components, self.variances = mean, components[:kept], variances[:kept]
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Map (n, d) to (n, k); float32 and float16 keep their type, others give float64."""
        X = self._checked("X", X, 1)
        return self._typed(X, (X - self.mean) @ self.components.T / self._scale())

    def inverse(self, Z: NDArray[Any]) -> NDArray[Any]:
        """Map (n, k) to (n, d), which undoes `transform` within the axes that were kept."""
        Z = self._checked("Z", Z, 0)
        return self._typed(Z, (Z * self._scale()) @ self.components + self.mean)

    __call__ = transform

    def state_dict(self) -> dict[str, NDArray[np.float64]]:
        """Copies of mean, axes, variances and eps, as plain arrays."""
        self._check_fitted()
        return {
            "mean": self.mean.copy(),
            "components": self.components.copy(),
            "variances": self.variances.copy(),
            "eps": np.array(self.eps),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` gave.

        Raises
        ------
        UsageError
            If a key is missing or strange, or shapes or values do not fit together.
        """
        if set(state) != {"mean", "components", "variances", "eps"}:
            raise UsageError(
                f"state must have the keys components, eps, mean and variances, got {sorted(state)}"
            )
        mean, components, variances, eps = (
            np.array(state[key], dtype=np.float64)
            for key in ("mean", "components", "variances", "eps")
        )
        fits = components.shape == (*variances.shape, *mean.shape) and components.ndim == 2
        if not (fits and eps.shape == () and np.isfinite(components).all() and eps >= 0):
            raise UsageError(
                f"state must hold components (k, d), variances (k,), mean (d,) and eps ≥ 0, "
                f"got shapes {components.shape}, {variances.shape}, {mean.shape} and {eps.shape}"
            )
        if not (np.isfinite(mean).all() and (variances + eps > 0).all()):
            raise UsageError("state must hold finite means and positive variances")
        self.mean, self.components, self.variances, self.eps = (
            mean,
            components,
            variances,
            eps.item(),
        )

    def _scale(self) -> NDArray[np.float64]:
        return np.sqrt(self.variances + self.eps)

    def _check_fitted(self) -> None:
        if not hasattr(self, "mean"):
            raise UsageError("PCAWhiten has no statistics yet: call fit(X) with training data")

    def _checked(self, name: str, array: NDArray[Any], axis: int) -> NDArray[Any]:
        self._check_fitted()
        array, features = np.asarray(array), self.components.shape[axis]
        if array.ndim != 2 or array.shape[1] != features:
            raise UsageError(f"{name} must have shape (n, {features}) as in fit, got {array.shape}")
        return array

    @staticmethod
    def _typed(given: NDArray[Any], result: NDArray[Any]) -> NDArray[Any]:
        return result.astype(given.dtype if given.dtype.kind == "f" else np.float64, copy=False)
