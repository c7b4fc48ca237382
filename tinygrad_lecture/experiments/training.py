"""What many experiments do: build a small network, and take compiled steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..compiler import compile
from ..engine import no_grad

__all__ = ["MakeOptimizer", "accuracy_of", "batches", "logits", "network", "nll", "training_step"]

MakeOptimizer: TypeAlias = Callable[..., optim.Optimizer]
Init: TypeAlias = Callable[..., Any] | None


def network(
    widths: Sequence[int],
    activation: Callable[[], nn.Module],
    rng: np.random.Generator,
    init: Init = nn.init.lecun_normal_,
) -> nn.Sequential:
    """Return linear layers of these widths with an activation between each two of them."""
    model = nn.Sequential()
    for fan_in, fan_out in pairwise(widths):
        if len(model):
            model.append(activation())
        model.append(nn.Linear(fan_in, fan_out, rng=rng, init=init))
    return model


def training_step(optimizer: optim.Optimizer, loss: Callable[..., Any]) -> Callable[..., Any]:
    """Compile one step: clear gradients, ``loss(*args)``, backward, update; it returns the loss."""

    @compile
    def step(*args: Any) -> Any:
        optimizer.zero_grad()
        value = loss(*args)
        value.backward()
        optimizer.step()
        return value

    return step


def batches(
    X: NDArray[Any], y: NDArray[Any], size: int, steps: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield mini-batches of one size, in a new order for each pass over the data."""
    order = rng.permutation(len(X))
    position = 0
    for _ in range(steps):
        if position + size > len(X):
            order, position = rng.permutation(len(X)), 0
        rows = order[position : position + size]
        position += size
        yield X[rows], y[rows]


def logits(model: nn.Module, X: NDArray[Any]) -> NDArray[Any]:
    """Return a model's output as a plain array, without recording."""
    with no_grad():
        out: NDArray[Any] = np.asarray(model(X).data)
    return out


def nll(model: nn.Module, X: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the mean negative log-likelihood, in the mode that the model is in."""
    return float(nn.functional.cross_entropy(logits(model, X), y))


def accuracy_of(model: nn.Module, X: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the share of rows whose largest logit is that of the label."""
    return float(np.mean(np.argmax(logits(model, X), axis=1) == y))
