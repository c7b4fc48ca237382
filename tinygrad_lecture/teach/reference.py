"""What is right: a function of Values, a module of the package, or one with forward and backward.

A reference answers one question: what are the output and the gradients of a `Case`?
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine import Value
from ..errors import UsageError
from ..gradcheck.causes import Evidence
from ..gradcheck.numeric import Array
from ..gradcheck.parameters import follow, gradient_at, is_module, parameter_paths, place
from ..gradcheck.reuse import mistaken_gradients
from ..nn.module import Module

__all__ = ["Case", "Reference", "Truth", "reference_for"]


@dataclass(frozen=True)
class Case:
    """One seeded case.

    Attributes
    ----------
    inputs : dict
        Inputs by name; the gradient is asked for those that are floats.
    params : dict
        Parameters by name.
    grad_output : ndarray or float or None
        The derivative of the loss with respect to the output; None for a loss itself.
    what : str
        In words, for edge cases.
    rtol : float
        Relative tolerance.
    """

    inputs: dict[str, Any]
    params: dict[str, Array] = field(default_factory=dict)
    grad_output: Any = None
    what: str = ""
    rtol: float = 1e-6


@dataclass(frozen=True)
class Truth:
    """The right answers for a case.

    Attributes
    ----------
    output : ndarray
    gradients : dict
        By name of input or parameter.
    lost : callable
        Gives pairs (description, gradients by name) with one mistake made.
    """

    output: Array
    gradients: dict[str, Array]
    lost: Callable[[], Iterable[tuple[str, dict[str, Array]]]] = lambda: ()

    def evidence(self, name: str, case: Case, with_ones: Callable[[], Any]) -> Any:
        """Return what makes the evidence for the rules of the gradient checker."""

        def make(claimed: Array) -> Evidence:
            right = self.gradients[name]
            arrays = [np.asarray(x) for x in (*case.inputs.values(), *case.params.values())]
            shapes = [*(a.shape for a in arrays), self.output.shape]
            ones = with_ones()
            return Evidence(
                point=np.asarray((case.inputs | case.params)[name], dtype=np.float64),
                claimed=claimed,
                indices=np.arange(right.size),
                numeric=right.reshape(-1),
                others={
                    other: g.reshape(-1)
                    for other, g in self.gradients.items()
                    if other != name and g.shape == right.shape
                },
                lengths=frozenset(n for shape in shapes for n in (*shape, math.prod(shape))),
                with_ones=ones if ones is not None and ones.shape == claimed.shape else None,
                lost=lambda: ((text, g[name]) for text, g in self.lost()),
            )

        return make


class Reference:
    """A function of Values: ``function(inputs, params)`` with two dicts returns a Value."""

    def __init__(
        self,
        function: Callable[[dict[str, Any], dict[str, Any]], Any],
        params: dict[str, Array] | None = None,
    ) -> None:
        self.function = function
        self.params = params or {}

    def truth(self, case: Case) -> Truth:
        """Return output and gradients."""
        leaves: dict[str, Value] = {}

        def leaf(name: str, x: Any) -> Any:
            array = np.asarray(x)
            if array.dtype.kind != "f":
                return x
            array = array.astype(np.float64)
            leaves[name] = Value(float(array) if array.ndim == 0 else array)
            return leaves[name]

        inputs = {name: leaf(name, x) for name, x in case.inputs.items()}
        params = {name: leaf(name, x) for name, x in case.params.items()}
        output = self.call(inputs, params)
        if not isinstance(output, Value):
            return Truth(np.asarray(output, dtype=np.float64), {})
        data = np.asarray(output.data, dtype=np.float64)
        if output.shape and case.grad_output is None:
            return Truth(data, {})
        seed = 1.0 if case.grad_output is None else np.asarray(case.grad_output, np.float64)
        output.backward(seed if output.shape else float(seed))
        gradients = {name: self.gradient(name, v) for name, v in leaves.items()}
        names = list(leaves)

        def lost() -> Iterable[tuple[str, dict[str, Array]]]:
            for text, found in mistaken_gradients(output, seed, list(leaves.values()), names):
                yield text, dict(zip(names, found, strict=True))

        return Truth(data, gradients, lost)

    def call(self, inputs: dict[str, Any], params: dict[str, Any]) -> Any:
        """Call the function."""
        return self.function(inputs, params)

    def gradient(self, name: str, leaf: Value) -> Array:
        """Return the gradient of a leaf, 0 if the output does not depend on it."""
        return np.zeros(leaf.shape) if leaf.grad is None else np.asarray(leaf.grad, np.float64)


class ModuleReference(Reference):
    """A module of `tinygrad_lecture.nn`, never changed itself."""

    def __init__(self, module: Module) -> None:
        self.module = module
        params = {n: np.asarray(p.data, np.float64) for n, p in module.named_parameters()}
        super().__init__(lambda inputs, params: None, params)

    def call(self, inputs: dict[str, Any], params: dict[str, Any]) -> Any:
        """Call a copy that holds the leaves in place of its parameters."""
        module = copy.deepcopy(self.module)
        owned = dict(module.named_parameters())
        for name, value in params.items():
            owned[name].data = value.data
        self._owned = owned
        return module(*inputs.values())

    def gradient(self, name: str, leaf: Value) -> Array:
        """Return the gradient from the copy's parameters."""
        return super().gradient(name, self._owned.get(name, leaf))


class ManualReference(Reference):
    """An object with NumPy ``forward`` and ``backward``, such as those of `nn.manual`."""

    def __init__(self, module: Any, names: Sequence[str], inputs: Sequence[Any]) -> None:
        self.module = module
        probe = copy.deepcopy(module)
        probe.forward(*copy.deepcopy(list(inputs)))
        self.paths = parameter_paths(module, probe)
        params = {n: np.asarray(follow(module, p), np.float64) for n, p in self.paths.items()}
        super().__init__(lambda inputs, params: None, params)

    def truth(self, case: Case) -> Truth:
        """Return output and gradients."""
        module = copy.deepcopy(self.module)
        for name, path in self.paths.items():
            place(module, path, case.params[name].copy())
        output = np.asarray(module.forward(*case.inputs.values()), dtype=np.float64)
        if output.ndim and case.grad_output is None:
            return Truth(output, {})
        back = module.backward(*([] if case.grad_output is None else [case.grad_output]))
        floats = [n for n, x in case.inputs.items() if np.asarray(x).dtype.kind == "f"]
        parts = back if isinstance(back, tuple) else (back,)
        gradients = {n: np.asarray(g, np.float64) for n, g in zip(floats, parts, strict=False)}
        for name, path in self.paths.items():
            gradients[name] = np.asarray(gradient_at(module, path), np.float64)
        return Truth(output, gradients)


def reference_for(reference: Any, names: Sequence[str], inputs: Sequence[Any]) -> Reference:
    """Return the reference that an object stands for.

    Raises
    ------
    UsageError
        If it is none.
    """
    if isinstance(reference, Reference):
        return reference
    if isinstance(reference, Module):
        return ModuleReference(reference)
    if is_module(reference) and not isinstance(reference, type):
        return ManualReference(reference, names, inputs)
    if callable(reference) and not isinstance(reference, type):
        return Reference(lambda inputs, params: reference(*inputs.values(), **params))
    raise UsageError(
        f"reference: {brief_kind(reference)} came; a function of Values, a module of tg.nn or an "
        "object with forward and backward is needed"
    )


def brief_kind(item: Any) -> str:
    """Return what an object is, in a few words."""
    return f"the class {item.__name__}" if isinstance(item, type) else type(item).__name__
