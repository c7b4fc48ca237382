"""Many nets of one architecture as one: the same layers with an axis of nets in front.

The loss of a stack is the sum of the losses of its nets, so each net gets its own gradient and,
with an optimizer that works element by element, takes the very path that it would take alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import nn
from ..engine import mean, swapaxes
from ..errors import UsageError
from ..nn import functional as F

__all__ = ["Stack", "stacked_cross_entropy"]


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
