"""`evaluating`: a model that is asked, not trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..engine import no_grad
from .module import Module

__all__ = ["evaluating"]


@contextlib.contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Record nothing and use evaluation mode inside the block; each module's mode comes back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
