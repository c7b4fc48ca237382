"""Networks of threshold neurons: exact as logic, and sigmoid networks of `nn` when asked."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import nn
from ..engine import concatenate
from ..errors import UsageError
from .function import BooleanFunction, vertices

__all__ = ["ThresholdNet", "ThresholdNeuron"]


class Layer(NamedTuple):
    """Neurons that see the same values, chosen among the net's inputs and the neurons before."""

    inputs: NDArray[np.intp]
    weight: NDArray[np.float64]  # (neurons, inputs)
    bias: NDArray[np.float64]  # (neurons,)


class ThresholdNet:
    """Layers of McCulloch–Pitts neurons, y = 1 iff wᵀx + b ≥ 0, else 0 (L04).

    The values of a net are numbered: its inputs first, then all neurons in the order in which they
    were added.  The last neuron is the output.

    Parameters
    ----------
    n_inputs : int
        At least 1.

    Examples
    --------
    The full XOR network of the lecture (L05): OR and AND, then "OR but not AND".

    >>> from tinygrad_lecture.logic import ThresholdNet, vertices
    >>> net = ThresholdNet(2).add([[1, 1], [1, 1]], [-0.5, -1.5]).add([[1, -1]], [-0.5])
    >>> net(vertices(2))
    array([0, 1, 1, 0])
    >>> net.n_units, net.n_hidden, net.depth
    (3, 2, 2)
    """

    def __init__(self, n_inputs: int) -> None:
        if n_inputs < 1:
            raise UsageError(f"n_inputs must be at least 1, got {n_inputs}")
        self.n_inputs = int(n_inputs)
        self.layers: list[Layer] = []

    def add(self, weight: ArrayLike, bias: ArrayLike, inputs: ArrayLike | None = None) -> Self:
        """Add a layer of neurons; returns the net.

        Parameters
        ----------
        weight : array_like, shape (neurons, len(inputs))
        bias : array_like, shape (neurons,)
        inputs : array_like of int, optional
            Numbers of the values that the neurons see; by default the layer before.

        Raises
        ------
        UsageError
            If the shapes do not fit together or a value is not there yet.
        """
        known = self.n_inputs + self.n_units
        last = len(self.layers[-1].bias) if self.layers else self.n_inputs
        positions = np.arange(known - last, known) if inputs is None else np.asarray(inputs, int)
        w, b = np.array(weight, np.float64), np.array(bias, np.float64)
        if b.ndim != 1 or b.size == 0 or w.shape != (*b.shape, *positions.shape):
            raise UsageError(
                f"weight must have shape (neurons, {positions.size}) and bias (neurons,),"
                f" got {w.shape} and {b.shape}"
            )
        if positions.size and not 0 <= positions.min() <= positions.max() < known:
            raise UsageError(f"inputs must be numbers of the {known} values so far")
        self.layers.append(Layer(positions, w, b))
        return self

    @property
    def n_units(self) -> int:
        """Number of neurons, the output included."""
        return sum(layer.bias.size for layer in self.layers)

    @property
    def n_hidden(self) -> int:
        """Number of hidden neurons."""
        return max(self.n_units - 1, 0)

    @property
    def depth(self) -> int:
        """Number of layers, the output included."""
        return len(self.layers)

    @property
    def n_connections(self) -> int:
        """Number of weights that are not 0: wires of the circuit."""
        return int(sum(np.count_nonzero(layer.weight) for layer in self.layers))

    def values(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the inputs and all neurons, shape (..., n_inputs + n_units).

        Raises
        ------
        UsageError
            If the last axis of X is not n_inputs long.
        """
        known = np.asarray(X, np.float64)
        if known.shape[-1:] != (self.n_inputs,):
            raise UsageError(f"X must have shape (..., {self.n_inputs}), got {known.shape}")
        for layer in self.layers:
            fired = known[..., layer.inputs] @ layer.weight.T + layer.bias >= 0
            known = np.concatenate([known, fired], axis=-1)
        return known

    def __call__(self, X: ArrayLike) -> Any:
        """Return the output, 0 or 1, for inputs of shape (..., n_inputs): shape (...,)."""
        return self.values(X)[..., -1].astype(np.int64)

    def function(self) -> BooleanFunction:
        """Return the Boolean function that the net computes."""
        return BooleanFunction(self(vertices(self.n_inputs)))

    def to_module(self, gain: float = 20.0) -> nn.Module:
        """Return the same network with sigmoid neurons, o = σ(gain·(wᵀx + b)), which trains on.

        Where every neuron stays a distance of ½ from its threshold, as all nets of this room do,
        an error of the first layer is at most σ(−gain/2).  A higher gain is nearer to logic, and
        has smaller gradients.

        Parameters
        ----------
        gain : float
            Positive.

        Returns
        -------
        Module
            Maps (N, n_inputs) to (N, 1), numbers in (0, 1).  A `Sequential` of `Linear` and
            `Sigmoid` if every layer sees the one before, so that ``[:-1]`` gives logits.

        Raises
        ------
        UsageError
            If the gain is not positive.

        Examples
        --------
        >>> from tinygrad_lecture import logic
        >>> net = logic.xor_net().to_module(gain=20)
        >>> net
        Sequential(
          (0): Linear(in_features=2, out_features=2, bias=True)
          (1): Sigmoid()
          (2): Linear(in_features=2, out_features=1, bias=True)
          (3): Sigmoid()
        )
        >>> net(logic.vertices(2)).data.round(3).ravel()
        array([0., 1., 1., 0.])
        """
        if not 0 < gain < np.inf:
            raise UsageError(f"gain must be positive, got {gain}")
        linear = [_linear(gain * layer.weight, gain * layer.bias) for layer in self.layers]
        if self._is_chain():
            return nn.Sequential(*(m for layer in linear for m in (layer, nn.Sigmoid())))
        return _Wired([layer.inputs for layer in self.layers], linear)

    def _is_chain(self) -> bool:
        first, last = 0, self.n_inputs
        for layer in self.layers:
            if not np.array_equal(layer.inputs, np.arange(first, last)):
                return False
            first, last = last, last + layer.bias.size
        return True

    def __repr__(self) -> str:
        sizes = "-".join(str(size) for size in (self.n_inputs, *(x.bias.size for x in self.layers)))
        return f"{type(self).__name__} {sizes}: {self.n_units} units"


class ThresholdNeuron(ThresholdNet):
    """One neuron, y = 1 iff wᵀx + b ≥ 0: a hyperplane that divides the space (L01).

    Parameters
    ----------
    w : array_like, shape (n,)
    b : float

    Raises
    ------
    UsageError
        If w is no vector of at least one number.

    Examples
    --------
    >>> from tinygrad_lecture.logic import ThresholdNeuron
    >>> neuron = ThresholdNeuron([1, 1], -1.5)
    >>> neuron([[0, 1], [1, 1]])
    array([0, 1])
    >>> neuron.activation([[0, 1], [1, 1]])
    array([-0.5,  0.5])
    """

    def __init__(self, w: ArrayLike, b: float) -> None:
        self.w, self.b = np.array(w, np.float64), float(b)
        if self.w.ndim != 1 or self.w.size == 0:
            raise UsageError(f"w must have shape (n,) with n ≥ 1, got {self.w.shape}")
        super().__init__(self.w.size)
        self.add(self.w[None], [self.b])

    def activation(self, X: ArrayLike) -> Any:
        """Return wᵀx + b for X of shape (..., n): the distance from the hyperplane times ‖w‖."""
        return np.asarray(X, np.float64) @ self.w + self.b

    def as_sigmoid(self, gain: float = 1.0) -> nn.Module:
        """Return the neuron σ(gain·(wᵀx + b)) of `nn`: at least ½ where this one gives 1."""
        return self.to_module(gain)

    def __repr__(self) -> str:
        return f"ThresholdNeuron(w={self.w.tolist()}, b={self.b:g})"


class _Wired(nn.Module):
    """Sigmoid layers that see chosen inputs and neurons before them."""

    def __init__(self, inputs: list[NDArray[np.intp]], layers: list[nn.Linear]) -> None:
        self.inputs = inputs
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Any) -> Any:
        """Map (N, inputs) to (N, 1)."""
        known = x
        for positions, layer in zip(self.inputs, self.layers, strict=True):
            fired = nn.functional.sigmoid(layer(known[..., positions]))
            known = concatenate([known, fired], axis=-1)
        return known[..., -1:]


def _linear(weight: NDArray[np.float64], bias: NDArray[np.float64]) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], rng=0)
    layer.weight.data = weight
    assert layer.bias is not None
    layer.bias.data = bias
    return layer
