"""Measuring a model on data without training it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..nn import Module
from ..nn.evaluating import evaluating

__all__ = ["Metric", "RunningMeans", "evaluate", "predict"]

Metric = Callable[[NDArray[Any], NDArray[Any]], float]
Batch = tuple[Any, Any]


class RunningMeans:
    """Means over samples of numbers that come batch by batch.

    Examples
    --------
    >>> from tinygrad_lecture.train.evaluate import RunningMeans
    >>> means = RunningMeans()
    >>> means.add(3, {"loss": 1.0})
    >>> means.add(1, {"loss": 5.0})
    >>> means.result()
    {'loss': 2.0}
    """

    def __init__(self) -> None:
        self.samples = 0
        self._sums: dict[str, float] = {}

    def add(self, samples: int, means: Mapping[str, float]) -> None:
        """Take in the means of one batch."""
        self.samples += samples
        for name, mean in means.items():
            self._sums[name] = self._sums.get(name, 0.0) + samples * mean

    def result(self, prefix: str = "") -> dict[str, float]:
        """Return the means so far."""
        return {prefix + name: total / self.samples for name, total in self._sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the sums so far."""
        return {"samples": self.samples, "sums": dict(self._sums)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the sums that `state_dict` gave."""
        self.samples, self._sums = int(state["samples"]), dict(state["sums"])


def measure(
    output: Any, targets: Any, loss: Any, value: float, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """Return the means over one batch: the loss (a sum is divided by the rows) and the metrics."""
    summed = getattr(loss, "reduction", "mean") == "sum"
    row = {"loss": value / len(targets) if summed else value}
    if metrics:
        plain = np.asarray(output.data if hasattr(output, "backward") else output)
        row.update((name, metric(plain, targets)) for name, metric in metrics.items())
    return row


def evaluate(
    model: Module,
    batches: Iterable[Batch],
    loss: Callable[[Any, Any], Any],
    metrics: Mapping[str, Metric] | None = None,
) -> dict[str, float]:
    """Return the mean loss and metrics over all samples: the empirical risk of L15.

    Parameters
    ----------
    model : Module
        Called in evaluation mode without recording; its mode is restored afterwards.
    batches : iterable of (inputs, targets)
        A `DataLoader`, or a list with one pair.
    loss : callable
        ``loss(model(inputs), targets)``, a mean or a sum over the rows.
    metrics : dict of str to callable, optional
        Each ``metric(outputs, targets)`` gets plain arrays and returns a mean over the rows.

    Returns
    -------
    dict of str to float
        ``"loss"`` and the metrics, weighted by the number of samples in each batch.

    Raises
    ------
    UsageError
        If there are no batches.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> model = tg.nn.Linear(2, 2, rng=0, init=lambda weight, rng: tg.nn.init.zeros_(weight))
    >>> batch = (np.ones((4, 2)), np.array([0, 1, 1, 0]))
    >>> evaluated = tg.train.evaluate(model, [batch], tg.nn.CrossEntropyLoss())
    >>> round(evaluated["loss"], 6)  # ln 2
    0.693147
    """
    means = RunningMeans()
    with evaluating(model):
        for inputs, targets in batches:
            output = model(inputs)
            value = loss(output, targets)
            number = value.item() if hasattr(value, "item") else float(value)
            means.add(len(targets), measure(output, targets, loss, number, metrics or {}))
    if not means.samples:
        raise UsageError("evaluate: there is nothing to evaluate on, the data gave no batches")
    return means.result()


def predict(model: Module, inputs: NDArray[Any], batch_size: int = 1024) -> NDArray[Any]:
    """Return the model's outputs for all rows of ``inputs`` as a plain array.

    Parameters
    ----------
    model : Module
        Called in evaluation mode without recording.
    inputs : ndarray, shape (N, ...), N >= 1
    batch_size : int
        Rows per call, >= 1.

    Raises
    ------
    UsageError
        If there are no rows, or the batch size is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.train.predict(tg.nn.ReLU(), np.array([[-1.0], [2.0], [3.0]]), batch_size=2).tolist()
    [[0.0], [2.0], [3.0]]
    """
    if batch_size < 1 or not len(inputs):
        raise UsageError(
            f"predict: needs rows and a batch_size of at least 1, got {len(inputs)} rows and"
            f" batch_size {batch_size}"
        )
    parts = []
    with evaluating(model):
        for start in range(0, len(inputs), batch_size):
            output = model(inputs[start : start + batch_size])
            parts.append(np.asarray(output.data if hasattr(output, "backward") else output))
    return np.concatenate(parts)
