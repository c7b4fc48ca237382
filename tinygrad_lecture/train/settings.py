"""`Settings` of a training job, and the recipe of each data set that fills what is not given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UsageError
from .choices import ACTIVATIONS, INITIALIZERS, OPTIMIZERS, SCHEDULES, choose

__all__ = ["IDX_RECIPE", "RECIPES", "Settings", "as_text"]

RECIPES: dict[str, dict[str, Any]] = {
    "digits": {  # of six, the best in 4 folds of the training and validation parts: 0.9885
        "hidden": (256, 128),
        "epochs": 60,
        "lr": 0.05,
        "batch": 32,
        "weight_decay": 1e-3,
        "schedule": "cosine",
        "dropout": 0.3,
        "batch_norm": True,
    },
    "moons": {"hidden": (32, 32), "epochs": 60, "lr": 0.05, "batch": 32, "weight_decay": 1e-4},
    "circles": {"hidden": (32, 32), "epochs": 60, "lr": 0.05, "batch": 32, "weight_decay": 1e-4},
    "spirals": {"hidden": (64, 64), "epochs": 100, "lr": 0.05, "batch": 32, "weight_decay": 1e-4},
    "xor": {"hidden": (16,), "epochs": 200, "lr": 0.1, "batch": 4, "weight_decay": 0.0},
}
IDX_RECIPE: dict[str, Any] = {
    "hidden": (128, 64), "epochs": 15, "lr": 0.05, "batch": 64, "weight_decay": 1e-4,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What decides a training, apart from the data themselves.

    Parameters
    ----------
    dataset : str
        Name for `tinygrad_lecture.data.load`, or a folder of IDX files.
    hidden : tuple of int
        Widths of the hidden layers; empty for a linear classifier.
    epochs, batch : int
        At least 1.
    lr : float
        Positive.
    momentum : float
        In [0, 1).
    weight_decay : float
        At least 0.
    seed : int
        At least 0; of the start weights and of the order of samples.  The division of the data into
        parts does not depend on it, so that runs can be compared.
    optimizer, init, activation, schedule : str
        Names of `tinygrad_lecture.train.choices`.
    batch_norm : bool
        Batch normalization before each activation (L51).
    residual : bool
        A shortcut around each hidden layer: ``x + f(x)`` where the widths agree (L58).
    dropout : float
        Probability after each activation, in [0, 1).
    early_stopping : int
        Epochs without progress after which to stop (L43); 0 is never.
    ema : float
        Decay of the exponential average of the weights that is validated and kept (L40), in [0, 1);
        0 is none.
    monitor : int or None
        Look at all layers before every so many steps (L41); None is at the start of epochs, of
        all at first and of ever fewer, so that there are some dozens; 0 is never.

    Raises
    ------
    UsageError
        If a setting is out of its range.

    Examples
    --------
    >>> from tinygrad_lecture.train import Settings
    >>> Settings.of("xor", lr=0.2).lr
    0.2
    """

    dataset: str
    hidden: tuple[int, ...]
    epochs: int
    lr: float
    batch: int
    momentum: float
    weight_decay: float
    seed: int
    optimizer: str = "sgd"
    init: str = "kaiming_uniform"
    activation: str = "relu"
    batch_norm: bool = False
    residual: bool = False
    dropout: float = 0.0
    schedule: str = "constant"
    ema: float = 0.0
    early_stopping: int = 0
    monitor: int | None = None

    def __post_init__(self) -> None:
        rules = [
            (
                "hidden",
                "widths of at least 1, as in 64,32",
                all(width >= 1 for width in self.hidden),
            ),
            ("epochs", "at least 1", self.epochs >= 1),
            ("batch", "at least 1", self.batch >= 1),
            ("lr", "a positive number", 0 < self.lr < np.inf),
            ("momentum", "at least 0 and below 1", 0 <= self.momentum < 1),
            ("weight_decay", "a number of at least 0", 0 <= self.weight_decay < np.inf),
            ("seed", "at least 0", self.seed >= 0),
            ("dropout", "at least 0 and below 1", 0 <= self.dropout < 1),
            ("ema", "at least 0 (none) and below 1", 0 <= self.ema < 1),
            ("early_stopping", "at least 0 epochs (0 is never)", self.early_stopping >= 0),
            ("monitor", "at least 0 steps (0 is never)", (self.monitor or 0) >= 0),
        ]
        choose("optimizer", self.optimizer, OPTIMIZERS)
        choose("init", self.init, INITIALIZERS)
        choose("activation", self.activation, ACTIVATIONS)
        choose("schedule", self.schedule, SCHEDULES)
        for name, rule, holds in rules:
            if not holds:
                raise UsageError(f"{name} must be {rule}; got {as_text(getattr(self, name))}")

    @classmethod
    def of(cls, dataset: str, **given: Any) -> Settings:
        """Fill what is not given from the recipe of the data set."""
        recipe = RECIPES.get(dataset, IDX_RECIPE)
        return cls(**{"dataset": dataset, "momentum": 0.9, "seed": 0, **recipe, **given})


def as_text(setting: Any) -> str:
    """Return a setting as the command line writes it."""
    if isinstance(setting, tuple):
        return ",".join(map(str, setting)) or "none"
    return str(setting)
