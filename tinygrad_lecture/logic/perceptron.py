"""Rosenblatt's perceptron, with Novikoff's bound on its mistakes (L17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data import _checks
from ..errors import UsageError
from .network import ThresholdNeuron

__all__ = ["Perceptron", "PerceptronFit", "mistake_bound"]


@dataclass(frozen=True, eq=False)
class PerceptronFit:
    """What a call of `Perceptron.fit` did.

    Attributes
    ----------
    mistakes : int
        Updates: each follows one mistake.
    epochs : int
        Passes over the data, the last one without a mistake if it converged.
    converged : bool
        Whether all samples are right.
    trace : ndarray, shape (mistakes + 1, n + 1)
        Weights and bias at the start and after each update.
    """

    mistakes: int
    epochs: int
    converged: bool
    trace: NDArray[np.float64]


class Perceptron:
    """Learns a hyperplane from its mistakes alone: θ ← θ − α(o − y)x, o = [θᵀx ≥ 0] (L17).

    The bias is the weight of a constant input 1.  For data that a hyperplane divides, from θ = 0,
    it stops after at most (R/γ)² mistakes, see `mistake_bound`; otherwise it makes mistakes for
    ever.  Rosenblatt 1958, Psychological Review 65; Novikoff 1962.

    Parameters
    ----------
    n : int
        Number of inputs.
    lr : float
        α > 0.  From θ = 0 it scales θ and changes no prediction.

    Attributes
    ----------
    theta : ndarray, shape (n + 1,)
        Weights, then the bias; 0 at the start.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> X, y = logic.vertices(2), [0, 0, 0, 1]
    >>> perceptron = logic.Perceptron(2)
    >>> fit = perceptron.fit(X, y)
    >>> fit.converged, fit.mistakes
    (True, 11)
    >>> perceptron.neuron
    ThresholdNeuron(w=[2.0, 1.0], b=-3)
    """

    def __init__(self, n: int, lr: float = 1.0) -> None:
        self.n = _checks.count("n", n, 1)
        if not 0 < lr < np.inf:
            raise UsageError(f"lr must be positive, got {lr}")
        self.lr = float(lr)
        self.theta = np.zeros(self.n + 1)

    @property
    def neuron(self) -> ThresholdNeuron:
        """The learnt neuron."""
        return ThresholdNeuron(self.theta[:-1], self.theta[-1])

    def __call__(self, X: ArrayLike) -> Any:
        """Return 0 or 1 for inputs of shape (..., n)."""
        return self.neuron(X)

    def update(self, x: ArrayLike, y: int) -> bool:
        """Look at one sample, and learn if it is a mistake; returns whether it was one."""
        return self._learn(np.append(np.asarray(x, np.float64), 1.0), int(y))

    def _learn(self, x: NDArray[np.float64], y: int) -> bool:
        o = int(self.theta @ x >= 0)
        if o != y:
            self.theta = self.theta - self.lr * (o - y) * x
        return o != y

    def fit(self, X: ArrayLike, y: ArrayLike, max_epochs: int = 1000) -> PerceptronFit:
        """Go through the samples in turn until all are right; goes on from the present weights.

        Parameters
        ----------
        X : array_like, shape (N, n)
        y : array_like of 0 and 1, shape (N,)
        max_epochs : int
            Passes after which it gives up.

        Raises
        ------
        UsageError
            If shapes or labels do not fit.
        """
        samples, labels = _samples(X, y)
        if samples.shape[1] != self.n + 1:
            raise UsageError(f"X must have shape (N, {self.n}), got {np.shape(X)}")
        trace, pairs = [self.theta], list(zip(samples, labels.tolist(), strict=True))
        for epoch in range(1, _checks.count("max_epochs", max_epochs, 1) + 1):
            before = len(trace)
            trace += [self.theta for x, label in pairs if self._learn(x, label)]
            if len(trace) == before:
                return PerceptronFit(before - 1, epoch, True, np.array(trace))
        return PerceptronFit(len(trace) - 1, max_epochs, False, np.array(trace))


def mistake_bound(X: ArrayLike, y: ArrayLike, neuron: ThresholdNeuron) -> float:
    """Novikoff's bound (R/γ)² on the mistakes of a perceptron that starts from 0.

    R is the largest ‖(x, 1)‖, and γ the margin of any θ* = (w, b) that divides the data, the
    smallest ±θ*ᵀ(x, 1)/‖θ*‖: each neuron gives a valid bound, that of the largest margin the best.

    Parameters
    ----------
    X : array_like, shape (N, n)
    y : array_like of 0 and 1, shape (N,)
    neuron : ThresholdNeuron
        One that is right on all samples, and has none on its hyperplane.

    Raises
    ------
    UsageError
        If the neuron does not divide the data strictly.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.mistake_bound(logic.vertices(2), [0, 0, 0, 1], logic.AND(2))
    51.0
    """
    samples, labels = _samples(X, y)
    theta = np.append(neuron.w, neuron.b)
    margin = float(np.min((2 * labels - 1) * (samples @ theta)))
    if margin <= 0:
        raise UsageError(f"{neuron!r} does not divide the data: the margin is {margin:g}")
    # In one product, so that whole numbers stay whole.
    return float(np.max(np.sum(samples**2, axis=1)) * (theta @ theta) / margin**2)


def _samples(X: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the samples with a constant input 1 behind, and labels, after a look at both."""
    samples, labels = np.asarray(X, np.float64), np.asarray(y)
    if samples.ndim != 2 or labels.shape != samples.shape[:1] or not labels.size:
        raise UsageError(
            f"X must have shape (N, n) and y (N,), got {samples.shape} and {labels.shape}"
        )
    if not np.isin(labels, (0, 1)).all():
        raise UsageError(f"y must hold 0 and 1, got {labels[~np.isin(labels, (0, 1))][0]}")
    if not np.isfinite(samples).all():
        raise UsageError("X must be finite")
    return np.column_stack([samples, np.ones(len(samples))]), labels.astype(np.int64)
