"""Trying something on a model that shall be as before afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..nn import Module
from ..optim import Optimizer
from .state import undisturbed

__all__ = ["preserved"]


@contextlib.contextmanager
def preserved(
    model: Module, loss: Any = None, optimizer: Optimizer | None = None, data: Any = None
) -> Iterator[None]:
    """Put everything back after the block, bit by bit: it may train as it likes.

    Weights, buffers, gradients, modes and random generators of model and loss, settings and state
    of the optimizer, and the place of a `DataLoader`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.train.preserve import preserved
    >>> model = tg.nn.Linear(1, 1, rng=0)
    >>> before = model.weight.item()
    >>> with preserved(model):
    ...     model.weight.data = model.weight.data + 1.0
    >>> model.weight.item() == before
    True
    """
    weights = [(p, np.array(p.data)) for p in model.parameters()]
    memory = None if optimizer is None else optimizer.state_dict()
    place = data.state_dict() if hasattr(data, "state_dict") else None
    with undisturbed(model, loss):
        try:
            yield
        finally:
            for p, array in weights:
                p.data = array
            if optimizer is not None:
                optimizer.load_state_dict(memory)  # type: ignore[arg-type]
            if place is not None:
                data.load_state_dict(place)
