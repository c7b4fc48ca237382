"""What one trial of ``tinygrad-lecture search`` and ``babysit`` trains: a classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from .. import nn
from ..data import DataLoader, Dataset, Splits, load
from ..errors import UsageError
from ..optim import SGD
from .job import ROWS, _mean_and_std, build
from .loop import fit
from .metrics import accuracy
from .run import Run
from .space import Distribution, integers, loguniform, uniform

__all__ = ["SPACE", "ClassifierTrial", "classifier", "parameter_space", "train_quietly"]

SPACE: dict[str, Distribution] = {
    "lr": loguniform(1e-4, 1.0),
    "weight_decay": loguniform(1e-6, 1e-1),
}
"""What is searched unless the user says otherwise."""

KINDS: dict[str, Callable[[float, float], Distribution]] = {
    "lr": loguniform,
    "weight_decay": loguniform,
    "momentum": uniform,
    "batch": lambda low, high: integers(_whole(low), _whole(high), log=True),
    "width": lambda low, high: integers(_whole(low), _whole(high), log=True),
}
"""How each hyper-parameter is drawn; ``width`` is that of all hidden layers."""


def parameter_space(ranges: Mapping[str, tuple[float, float]]) -> dict[str, Distribution]:
    """Return the space for ranges of hyper-parameters by name.

    Raises
    ------
    UsageError
        For an unknown name or ends that make no range.

    Examples
    --------
    >>> from tinygrad_lecture.train.tune import parameter_space
    >>> print(parameter_space({"lr": (1e-3, 0.1)})["lr"])
    [0.001, 0.1] (log)
    """
    for name in ranges:
        if name not in KINDS:
            raise UsageError(f"a search draws {', '.join(KINDS)}; got {name!r}")
    return {name: KINDS[name](low, high) for name, (low, high) in ranges.items()}


def classifier(
    train: Dataset, hidden: Sequence[int], rng: np.random.Generator | int
) -> nn.Sequential:
    """Return an untrained network for a data set, the same as that of ``tinygrad-lecture train``.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.train.tune import classifier
    >>> len(classifier(tg.data.load("moons").train, [8], rng=0))
    4
    """
    dtype = np.dtype(np.float32) if train[:1][0].dtype == np.float32 else np.dtype(np.float64)
    sizes = [train.sample_shape[0], *hidden, int(train.n_classes or 0)]
    return build(sizes, *_mean_and_std(train), dtype, np.random.default_rng(rng))


def train_quietly(
    model: nn.Module,
    data: Splits,
    params: Mapping[str, Any],
    seed: np.random.Generator | int,
    measure: Literal["loss", "accuracy"] = "loss",
) -> Run:
    """Train by SGD with the given lr, momentum, weight_decay, batch and epochs."""
    optimizer = SGD(
        model.parameters(), params["lr"], params["momentum"], weight_decay=params["weight_decay"]
    )
    return fit(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        DataLoader(data.train, params["batch"], seed=seed),
        DataLoader(data.validation, ROWS, shuffle=False),
        epochs=params["epochs"],
        metrics={"accuracy": accuracy},
        monitor=f"val_{measure}",
        mode="min" if measure == "loss" else "max",
        progress=False,
    )


@dataclass(frozen=True)
class ClassifierTrial:
    """Train a classifier on a data set and return its validation loss or accuracy.

    An object of this class is the ``function`` of `random_search`; it can travel to other
    processes, where the data are loaded once.

    Parameters
    ----------
    source : str
        Name or folder for `tinygrad_lecture.data.load`.
    hidden : tuple of int
    settings : dict
        What is not drawn: lr, momentum, weight_decay, batch, epochs.
    measure : {"loss", "accuracy"}
        Of the best epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.train.tune import ClassifierTrial
    >>> settings = {"momentum": 0.9, "weight_decay": 0.0, "batch": 32, "epochs": 3}
    >>> trial = ClassifierTrial("moons", (16,), settings, "accuracy")
    >>> trial({"lr": 0.1}, np.random.default_rng(0)) > 0.9
    True
    """

    source: str
    hidden: tuple[int, ...]
    settings: dict[str, Any]
    measure: Literal["loss", "accuracy"] = "loss"

    def __call__(self, params: dict[str, Any], rng: np.random.Generator) -> float:
        """Train with `params` over the settings."""
        data, all_params = _load_once(self.source), self.settings | params
        hidden = self.hidden
        if "width" in params:
            hidden = (params["width"],) * len(hidden)
        run = train_quietly(
            classifier(data.train, hidden, rng), data, all_params, rng, self.measure
        )
        assert run.best is not None  # an epoch was finished, or DivergenceError came
        return run.best.score


@lru_cache(maxsize=1)
def _load_once(source: str) -> Splits:
    return load(source)


def _whole(number: float) -> int:
    if number != int(number):
        raise UsageError(f"batch and width have integers as ends, got {number}")
    return int(number)
