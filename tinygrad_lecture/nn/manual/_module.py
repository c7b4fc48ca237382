"""What modules by hand look like from outside."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]


class Module(Protocol):
    """Anything with a forward pass and the backward pass that belongs to it."""

    def forward(self, x: Array) -> Array:
        """Compute the output, and keep what `backward` needs."""

    def backward(self, grad_output: Array) -> Array:
        """Map dL/d output to dL/d input."""
