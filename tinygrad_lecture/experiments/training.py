"""What many experiments do: build small networks, alone or side by side, and train them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import data, nn, optim
from ..compiler import compile
from ..engine import no_grad, sum
from ..nn import functional as F
from .stack import stacked_cross_entropy

__all__ = [
    "Init",
    "MakeOptimizer",
    "accuracy",
    "batches",
    "batches_for_each",
    "generators",
    "layer_outputs",
    "logits",
    "network",
    "nll",
    "spirals_for_each",
    "training_step",
]

MakeOptimizer: TypeAlias = Callable[..., optim.Optimizer]
Init: TypeAlias = Callable[..., Any] | None


def generators(seed: int, n: int) -> list[np.random.Generator]:
    """Return n generators, one for each repetition of an experiment."""
    return [np.random.default_rng([seed, i]) for i in range(n)]


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


def spirals_for_each(
    rngs: Sequence[np.random.Generator], n: int, noise: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw a spirals data set from each generator: X of shape (S, n, 2), y of shape (S, n)."""
    sets = [data.spirals(n, noise=noise, seed=rng) for rng in rngs]
    return np.stack([X for X, _ in sets]), np.stack([y for _, y in sets])


def layer_outputs(
    model: nn.Sequential, x: Any, kind: type[nn.Module] | tuple[type[nn.Module], ...]
) -> list[Any]:
    """Run a model; return what came out of its layers of one kind, and of the last layer."""
    outputs = []
    for layer in model:
        x = layer(x)
        if isinstance(layer, kind):
            outputs.append(x)
    return [*outputs, x]


def training_step(optimizer: optim.Optimizer, loss: Callable[..., Any]) -> Callable[..., Any]:
    """Compile one step: clear gradients, ``loss(*args)``, backward, update; it returns the loss.

    A loss of nets side by side, shape (S,), is summed, so that each net has its own gradient.
    """

    @compile
    def step(*args: Any) -> Any:
        optimizer.zero_grad()
        value = loss(*args)
        (sum(value) if value.shape else value).backward()
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


def batches_for_each(
    X: NDArray[Any],
    y: NDArray[Any],
    size: int,
    steps: int,
    rngs: Sequence[np.random.Generator],
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield mini-batches of nets side by side: of X (S, n, ...) and y (S, n), each in its order."""
    streams = [batches(X[s], y[s], size, steps, rng) for s, rng in enumerate(rngs)]
    for parts in zip(*streams, strict=True):
        yield np.stack([x for x, _ in parts]), np.stack([labels for _, labels in parts])


def logits(model: nn.Module, X: NDArray[Any]) -> NDArray[Any]:
    """Return a model's output as a plain array, without recording."""
    with no_grad():
        out: NDArray[Any] = model(X).data
    return out


def nll(logits: NDArray[Any], y: NDArray[Any]) -> Any:
    """Return the mean negative log-likelihood of logits (..., N, C), shape (...)."""
    if logits.ndim == 2:
        return float(F.cross_entropy(logits, y))
    return np.asarray(stacked_cross_entropy(logits, y))


def accuracy(logits: NDArray[Any], y: NDArray[Any]) -> Any:
    """Return the share of rows of logits (..., N, C) whose largest is the label's, shape (...)."""
    return np.mean(np.argmax(logits, axis=-1) == y, axis=-1)
