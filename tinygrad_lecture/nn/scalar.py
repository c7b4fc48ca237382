"""Neurons made of single scalars, with micrograd's names: `Neuron`, `Layer`, `MLP`.

Every weight is its own `Value` and every product its own op, so the whole of backpropagation can be
looked at number by number.  The array layers of `nn` compute the same with a few large ops.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import Value
from ..engine.parts import UNWATCHED, WATCHING, part
from .init import Rng

__all__ = ["MLP", "Layer", "Neuron"]


class _Scalars(ABC):
    """What the three share: a list of parameters whose gradients can be forgotten."""

    @abstractmethod
    def parameters(self) -> list[Value]:
        """All weights and biases."""

    def zero_grad(self) -> None:
        """Forget all gradients before the next backward pass."""
        for parameter in self.parameters():
            parameter.grad = None


class Neuron(_Scalars):
    """``relu(sum_i w_i x_i + b)``, or the sum alone (L01).

    Parameters
    ----------
    nin : int
        Number of inputs.
    nonlin : bool
        Whether ReLU is applied.
    rng : numpy.random.Generator, int or None
        Source of the weights, U(-1, 1); the bias starts at 0.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> n = tg.nn.Neuron(2, rng=0)
    >>> n, len(n.parameters())
    (ReLUNeuron(2), 3)
    >>> n.w[0].data, n.w[1].data, n.b.data = 1.0, -2.0, 0.5
    >>> n([3.0, 1.0]).data
    1.5
    """

    def __init__(self, nin: int, nonlin: bool = True, *, rng: Rng = None) -> None:
        draws = np.random.default_rng(rng).uniform(-1.0, 1.0, nin)
        self.w = [Value(float(draw), name=f"w{i}") for i, draw in enumerate(draws)]
        self.b = Value(0.0, name="b")
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Any]) -> Value:
        """Return the activation for ``nin`` numbers or Values."""
        if len(x) != len(self.w):
            raise ValueError(f"{self!r} takes {len(self.w)} inputs, got {len(x)}")
        with part(self) if WATCHING else UNWATCHED:
            activation = self.b
            for weight, value in zip(self.w, x, strict=True):
                activation = activation + weight * value
            return activation.relu() if self.nonlin else activation

    def parameters(self) -> list[Value]:
        """Weights, then the bias."""
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(_Scalars):
    """``nout`` neurons that see the same inputs.

    Parameters
    ----------
    nin, nout : int
        Numbers of inputs and of neurons.
    rng : numpy.random.Generator, int or None
    **kwargs
        Passed to each `Neuron` (``nonlin``).

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> layer = tg.nn.Layer(3, 2, nonlin=False, rng=0)
    >>> layer
    Layer of [LinearNeuron(3), LinearNeuron(3)]
    >>> len(layer([1.0, 2.0, 3.0]))
    2
    """

    def __init__(self, nin: int, nout: int, *, rng: Rng = None, **kwargs: Any) -> None:
        generator = np.random.default_rng(rng)
        self.neurons = [Neuron(nin, rng=generator, **kwargs) for _ in range(nout)]

    def __call__(self, x: Sequence[Any]) -> Any:
        """Return the list of outputs, or the only one bare, as micrograd does."""
        with part(self) if WATCHING else UNWATCHED:
            outputs = [neuron(x) for neuron in self.neurons]
        return outputs[0] if len(outputs) == 1 else outputs

    def parameters(self) -> list[Value]:
        """Parameters of all neurons in turn."""
        return [parameter for neuron in self.neurons for parameter in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(repr, self.neurons))}]"


class MLP(_Scalars):
    """Layers in a chain: ReLU everywhere but at the output.

    Parameters
    ----------
    nin : int
        Number of inputs.
    nouts : sequence of int
        Widths of the layers, the output last.
    rng : numpy.random.Generator, int or None

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> model = tg.nn.MLP(2, [16, 16, 1], rng=1337)
    >>> len(model.parameters())
    337
    >>> output = model([0.5, -1.0])
    >>> output.backward()
    """

    def __init__(self, nin: int, nouts: Sequence[int], *, rng: Rng = None) -> None:
        generator = np.random.default_rng(rng)
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [
            Layer(sizes[i], sizes[i + 1], nonlin=i != last, rng=generator)
            for i in range(len(nouts))
        ]

    def __call__(self, x: Any) -> Any:
        """Return the output of the last layer."""
        with part(self) if WATCHING else UNWATCHED:
            for layer in self.layers:
                # A hidden layer of one neuron gives a bare Value; the next layer wants a sequence.
                x = layer([x] if isinstance(x, Value) else x)
        return x

    def parameters(self) -> list[Value]:
        """Parameters of all layers in turn."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(repr, self.layers))}]"
