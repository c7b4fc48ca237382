"""Modules by hand that hold others: backward goes through them in the opposite order (L13, L58)."""

from __future__ import annotations

import numpy as np

from ._module import Array, Module


class Sequential:
    """Chain of modules: forward in order, backward against it, by the chain rule.

    Parameters
    ----------
    *modules : objects with ``forward`` and ``backward``

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.nn import manual
    >>> net = manual.Sequential(
    ...     manual.Linear(2, 3, rng=0), manual.ReLU(), manual.Linear(3, 1, rng=1)
    ... )
    >>> net.forward(np.ones((5, 2))).shape, net.backward(np.ones((5, 1))).shape
    ((5, 1), (5, 2))
    """

    def __init__(self, *modules: Module) -> None:
        self.modules = list(modules)

    def forward(self, x: Array) -> Array:
        """Pass x through all modules."""
        for module in self.modules:
            x = module.forward(x)
        return x

    def backward(self, grad_output: Array) -> Array:
        """Pass the gradient back through all modules."""
        for module in reversed(self.modules):
            grad_output = module.backward(grad_output)
        return grad_output


class ResidualBlock:
    """``x + F(x)``: the gradient comes back by the shortcut as it is, and through F (L58).

    Parameters
    ----------
    *modules : objects with ``forward`` and ``backward``
        F, whose output has the shape of its input.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.nn import manual
    >>> block = manual.ResidualBlock(manual.Linear(2, 2, rng=0))
    >>> block.modules[0].weight[:] = 0.0
    >>> block.forward(np.ones((1, 2))), block.backward(np.ones((1, 2)))
    (array([[1., 1.]]), array([[1., 1.]]))
    """

    def __init__(self, *modules: Module) -> None:
        self.branch = Sequential(*modules)
        self.modules = self.branch.modules

    def forward(self, x: Array) -> Array:
        """x + F(x)."""
        return np.asarray(x + self.branch.forward(x))

    def backward(self, grad_output: Array) -> Array:
        """G + (dF/dx)ᵀ g."""
        return np.asarray(grad_output + self.branch.backward(grad_output))
