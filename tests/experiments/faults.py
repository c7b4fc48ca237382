"""Optimizers that are wrong in a known way, for experiments that have to notice it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_lecture import optim


def sgd(factor: float = 1.0, **settings: Any) -> Callable[..., optim.SGD]:
    """Return a maker of SGD whose step size is wrong by a factor, or with other settings."""

    def make(params: Any, lr: float, **others: Any) -> optim.SGD:
        return optim.SGD(params, lr=factor * lr, **(others | settings))

    return make
