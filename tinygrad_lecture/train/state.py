"""What a model carries besides its weights: random generators, modes, buffers, gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import UsageError
from ..nn import Module

__all__ = ["generators", "load_random_state", "random_state", "undisturbed"]


def _modules(parts: tuple[Any, ...]) -> Iterator[tuple[str, Module]]:
    """Yield all modules of those parts that are modules (a loss may be a function)."""
    for number, part in enumerate(parts):
        if isinstance(part, Module):
            yield from part.named_modules(f"{number}")


def generators(*parts: Any) -> dict[str, np.random.Generator]:
    """Return the random generators that modules keep as attributes, by path.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.train.state import generators
    >>> list(generators(tg.nn.Sequential(tg.nn.Linear(2, 2), tg.nn.Dropout(0.5))))
    ['0.1.rng']
    """
    return {
        f"{path}.{name}": value
        for path, module in _modules(parts)
        for name, value in vars(module).items()
        if isinstance(value, np.random.Generator)
    }


def random_state(*parts: Any) -> dict[str, Any]:
    """Return where all generators of `generators` stand, as plain data."""
    return {path: rng.bit_generator.state for path, rng in generators(*parts).items()}


def load_random_state(state: Mapping[str, Any], *parts: Any) -> None:
    """Let the generators go on where `random_state` found them.

    Raises
    ------
    UsageError
        If there are other generators, or generators of another kind.
    """
    found = generators(*parts)
    if set(found) != set(state):
        raise UsageError(
            f"the saved state has random generators {sorted(state)}, this model has {sorted(found)}"
        )
    for path, rng in found.items():
        kind = rng.bit_generator.state["bit_generator"]
        if state[path]["bit_generator"] != kind:
            raise UsageError(
                f"the random generator {path} is a {kind}, the saved state has a"
                f" {state[path]['bit_generator']}"
            )
    for path, rng in found.items():
        rng.bit_generator.state = dict(state[path])


@contextlib.contextmanager
def undisturbed(*parts: Any) -> Iterator[None]:
    """Put everything back after the block that passes through the models inside may change.

    Buffers and other attributes of modules, modes, random generators and gradients (which are None
    when the block begins): a training that is looked at in such a block goes on to the last bit as
    if it had not been.  Parameters are not copied: the block must not move them.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.train.state import undisturbed
    >>> norm = tg.nn.BatchNorm1d(1)
    >>> with undisturbed(norm):
    ...     _ = norm(np.array([[1.0], [2.0]]))
    >>> norm.running_mean.item()
    0.0
    """
    modules = {id(module): module for _, module in _modules(parts)}.values()
    attributes = [
        (m, {k: np.array(v) if k in m._buffers else v for k, v in vars(m).items()}) for m in modules
    ]
    gradients = [
        (p, p._grad, p._b)  # a used gradient is marked, see Value._spend_grad
        for part in parts
        if isinstance(part, Module)
        for p in part.parameters()
    ]
    chance = random_state(*parts)
    for p, _, _ in gradients:
        p.grad = None
    try:
        yield
    finally:
        for module, saved in attributes:
            vars(module).clear()
            vars(module).update(saved)
        for p, gradient, mark in gradients:
            p._grad, p._b = gradient, mark
        load_random_state(chance, *parts)
