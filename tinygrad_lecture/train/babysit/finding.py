"""`Finding`: what a check of the babysitting list has to say, and what the checks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ...compiler import compile as compiled
from ...nn import Module
from ...optim import Optimizer

__all__ = ["Finding", "Loss", "Verdict", "training_step"]

Verdict: TypeAlias = Literal["ok", "warning", "failed"]
Loss: TypeAlias = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    check : str
        Name of the check.
    verdict : {"ok", "warning", "failed"}
        "failed" means that training makes no sense before this is mended.
    text : str
        What was found, and what to do about it.
    numbers : dict
        What was measured, as plain data.
    """

    check: str
    verdict: Verdict
    text: str
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is nothing to object."""
        return self.verdict == "ok"

    def __str__(self) -> str:
        return f"{self.verdict:<8}{self.check}: {self.text}"


def training_step(
    model: Module, loss: Loss, optimizer: Optimizer, compile: bool
) -> Callable[[Any, Any], Any]:
    """Return a function that takes one step of training on a batch and returns the loss."""

    def step(inputs: Any, targets: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(inputs), targets)
        value.backward()
        optimizer.step(value)
        return value

    return compiled(step) if compile else step
