"""Many nets of one architecture as one: the same layers with an axis of nets in front.

The loss of a stack is the sum of the losses of its nets, so each net gets its own gradient and,
with an optimizer that works element by element, takes the very path that it would take alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..compiler import compile
from ..engine import mean, sum, swapaxes
from ..errors import UsageError
from ..nn import functional as F

__all__ = ["Stack", "stacked_cross_entropy", "train_stack"]


class Stack(nn.Module):
    """Nets of `Linear` layers and activations, side by side.

    Parameters
    ----------
    nets : sequence of Sequential
        S ≥ 1 nets with layers of the same kinds and sizes; their start weights are copied.

    Raises
    ------
    UsageError
        If the nets differ, or a layer other than `Linear` has parameters or buffers.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> nets = [
    ...     tg.nn.Sequential(tg.nn.Linear(2, 8, rng=i), tg.nn.Tanh(), tg.nn.Linear(8, 3, rng=i))
    ...     for i in range(5)
    ... ]
    >>> x = np.ones((4, 2))
    >>> y = tg.experiments.Stack(nets)(x)
    >>> y.shape
    (5, 4, 3)
    >>> bool(np.allclose(y.data[2], nets[2](x).data))
    True
    """

    def __init__(self, nets: Sequence[nn.Sequential]) -> None:
        if not nets or len({repr(net) for net in nets}) != 1:
            raise UsageError("Stack needs one net or more, all with the same layers")
        self.nets = len(nets)
        self.layers = nn.ModuleList(_stacked(layers) for layers in zip(*nets, strict=True))

    def forward(self, x: Any) -> Any:
        """Map ``x`` (N, in), for all nets, or (S, N, in), one for each, to (S, N, out)."""
        for layer in self.layers:
            x = layer(x)
        return x


class StackedLinear(nn.Module):
    """`Linear` layers side by side: ``Y[s] = X[s] @ W[s].T + b[s]``."""

    bias: nn.Parameter | None

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        self.weight = nn.Parameter(np.stack([layer.weight.data for layer in layers]))
        biases = [layer.bias.data[None, :] for layer in layers if layer.bias is not None]
        self.bias = nn.Parameter(np.stack(biases)) if biases else None  # (S, 1, out)

    def forward(self, x: Any) -> Any:
        """Map (N, in) or (S, N, in) to (S, N, out)."""
        y = x @ swapaxes(self.weight, 1, 2)
        return y if self.bias is None else y + self.bias


def _stacked(layers: Sequence[nn.Module]) -> nn.Module:
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    if linear:
        return StackedLinear(linear)
    if layers[0].state_dict():
        raise UsageError(f"Stack cannot hold {type(layers[0]).__name__}, which has a state")
    return layers[0]


def stacked_cross_entropy(logits: Any, labels: Any) -> Any:
    """Return the mean cross-entropy of each net of a stack, shape (S,).

    Parameters
    ----------
    logits : Value or ndarray, shape (S, N, C)
    labels : ndarray of int, shape (N,) or (S, N)
    """
    S, N, C = logits.shape
    labels = np.broadcast_to(labels, (S, N))
    losses = F.cross_entropy(logits.reshape(S * N, C), labels.reshape(S * N), "none")
    return mean(losses.reshape(S, N), axis=1)


def train_stack(
    stack: Stack,
    optimizer: optim.Optimizer,
    X: NDArray[Any],
    y: NDArray[Any],
    steps: int,
    *,
    batch: int | None = None,
    rngs: Sequence[np.random.Generator] = (),
    scheduler: Any = None,
) -> NDArray[np.float64]:
    """Train nets side by side, each on its own samples; return their losses, (steps, S).

    Parameters
    ----------
    stack : Stack
        S nets.
    optimizer : Optimizer
        Of ``stack.parameters()``; it has to work element by element.
    X, y : ndarray, shapes (S, n, in) and (S, n)
        Samples and labels of each net.
    steps : int
        Updates.
    batch : int, optional
        Rows of a mini-batch, drawn in a new order for each pass over the samples; all samples by
        default.
    rngs : sequence of Generator
        One for each net, for its mini-batches.
    scheduler : optional
        Its ``step()`` is called after each update.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.spirals(60, seed=0)
    >>> nets = [tg.nn.Sequential(tg.nn.Linear(2, 3, rng=seed)) for seed in range(2)]
    >>> stack = tg.experiments.Stack(nets)
    >>> rule = tg.optim.SGD(stack.parameters(), lr=0.1)
    >>> losses = tg.experiments.train_stack(stack, rule, np.stack([X] * 2), np.stack([y] * 2), 10)
    >>> losses.shape, bool(np.all(losses[-1] < losses[0]))
    ((10, 2), True)
    """

    @compile
    def step(x: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        losses = stacked_cross_entropy(stack(x), labels)
        sum(losses).backward()
        optimizer.step()
        return losses

    n = X.shape[1]
    net = np.arange(stack.nets)[:, None]
    order, position = np.empty((stack.nets, 0), dtype=np.intp), 0
    path = []
    for _ in range(steps):
        if batch is None:
            x, labels = X, y
        else:
            if position + batch > order.shape[1]:
                order, position = np.stack([rng.permutation(n) for rng in rngs]), 0
            rows = order[:, position : position + batch]
            position += batch
            x, labels = X[net, rows], y[net, rows]
        path.append(np.array(step(x, labels).data))
        if scheduler is not None:
            scheduler.step()
    return np.array(path)
