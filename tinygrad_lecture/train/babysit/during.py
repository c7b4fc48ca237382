"""Checks while a network is trained: sizes of updates, the gap to the validation loss (L65)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np

from ...errors import UsageError
from ...nn import CrossEntropyLoss, Module
from ...optim import Optimizer
from ..curves import diagnose_gap
from ..lr_finder import endless
from ..preserve import preserved
from .finding import Finding, Loss, training_step

__all__ = ["check_gap", "check_update_ratio"]


def check_update_ratio(
    model: Module,
    batches: Iterable[Any],
    optimizer: Optimizer,
    loss: Loss | None = None,
    steps: int = 20,
) -> Finding:
    """Measure how far a step moves each weight matrix: ‖W' − W‖ / ‖W‖ (L65).

    About 1e-3 is the rule of thumb of cs231n, an order of magnitude and no target: the nets of the
    lecture learn best at 3e-3 to 1.5e-2. Ratios outside of 1e-5 to 1e-1 are told.

    Parameters
    ----------
    model, batches, optimizer, loss
        As for `fit`; all are put back.
    steps : int
        The median over so many steps counts.

    Raises
    ------
    UsageError
        If steps is below 1, or the model has no weight matrix.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.load_digits()[:100]
    >>> model = tg.nn.Linear(64, 10, rng=0)
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> print(tg.train.babysit.check_update_ratio(model, [(X, y)], optimizer))
    ok      update ratio: ‖ΔW‖/‖W‖ per step is 0.028 (weight)
    """
    if steps < 1:
        raise UsageError(f"steps must be at least 1, got {steps}")
    weights = {name: p for name, p in model.named_parameters() if p.ndim > 1}
    if not weights:
        raise UsageError("the model has no weight matrix to look at")
    criterion = loss or CrossEntropyLoss()
    ratios: dict[str, list[float]] = {name: [] for name in weights}
    with preserved(model, criterion, optimizer, batches):
        take_step = training_step(model.train(), criterion, optimizer, compile=False)
        for inputs, targets in islice(endless(batches), steps):
            before = {name: np.array(p.data) for name, p in weights.items()}
            take_step(inputs, targets)
            for name, p in weights.items():
                size = np.linalg.norm(before[name])
                moved = np.linalg.norm(p.data - before[name])
                ratios[name].append(float(moved / size) if size else math.inf)
    medians = {name: float(np.median(values)) for name, values in ratios.items()}
    told = ", ".join(f"{ratio:.2g} ({name})" for name, ratio in medians.items())
    text = f"‖ΔW‖/‖W‖ per step is {told}"
    if max(medians.values()) > 1e-1:
        return Finding("update ratio", "warning", f"{text}: lower the learning rate", medians)
    if min(medians.values()) < 1e-5:
        return Finding("update ratio", "warning", f"{text}: raise the learning rate", medians)
    return Finding("update ratio", "ok", text, medians)


def check_gap(train: float, validation: float) -> Finding:
    """Say in words what `diagnose_gap` makes of the losses on both parts (L65).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> print(tg.train.babysit.check_gap(0.1, 0.3))
    warning gap: loss 0.1 in training, 0.3 in validation: overfitting: regularize, or get more data
    """
    numbers = {"train": train, "validation": validation}
    told = f"loss {train:.3g} in training, {validation:.3g} in validation"
    verdict = diagnose_gap(train, validation)
    if verdict == "overfitting":
        text = f"{told}: overfitting: regularize, or get more data"
        return Finding("gap", "warning", text, numbers)
    if verdict == "no_gap":
        return Finding("gap", "ok", f"{told}: no gap, so a larger network may do better", numbers)
    return Finding("gap", "ok", told, numbers)
