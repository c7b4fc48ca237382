"""Classes with NumPy ``forward`` and ``backward``, the lecture's modular implementation (L12).

``forward(x, ...)`` computes the output from its inputs and the object's parameters;
``backward(grad_output)`` returns or stores the derivatives with respect to both (see
`parameters` for the names).  A loss may write ``backward()`` without an argument.

Every evaluation works on a deep copy, so that accumulating gradients, caches and random
generators inside the object are as they were.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from tinygrad_lecture.engine.value import Value
from tinygrad_lecture.errors import UsageError

from .arguments import Argument, Inputs, Slot, slots
from .handwritten import (
    as_real,
    call_complex,
    leaf_values,
    match_gradient,
    moved,
    plain_inputs,
    trace_call,
    written,
)
from .numeric import Array, Evaluation
from .parameters import Path, find_gradient, follow, gradient_at, parameter_paths, place, spellings
from .problem import Problem, brief


class ModuleProblem(Problem):
    """One call of ``forward``, with inputs and parameters as arguments.

    Parameters
    ----------
    name : str
        Name of the class.
    module : object
        The instance; it is never changed.
    inputs : Inputs
        Inputs of ``forward`` followed by the parameters, one tree for each.
    names : sequence of str
        Names of the inputs of ``forward``.
    parameters : sequence of tuple
        Where in the module the parameters are.
    """

    kind = "a class with forward and backward"

    def __init__(
        self,
        name: str,
        module: Any,
        inputs: Inputs,
        names: Sequence[str],
        parameters: Sequence[Path],
    ) -> None:
        super().__init__(name, inputs)
        self.module = module
        self.names = list(names)
        self.parameters = list(parameters)

    def forward(self, arrays: Sequence[Array]) -> tuple[Any, Any]:
        """Return a copy of the module after ``forward``, and the output."""
        return self._forward(plain_inputs(self, arrays))

    def _forward(self, wrap: Callable[[int], Any]) -> tuple[Any, Any]:
        module = copy.deepcopy(self.module)
        built = self.inputs.build(wrap)
        count = len(self.names)
        for path, value in zip(self.parameters, built[count:], strict=True):
            place(module, path, value)
        return module, module.forward(*built[:count])

    def evaluate(self, arrays: Sequence[Array]) -> Evaluation:
        """Return the outputs of ``forward``."""
        return Evaluation(self.flatten(self.run(lambda: self.forward(arrays))[1]))

    def backward(self, arrays: Sequence[Array], cotangent: Array | None) -> tuple[Any, Any, float]:
        """Run both passes; return the module, what ``backward`` returned, and a factor for it."""
        module, out = self.run(lambda: self.forward(arrays))
        size = self.flatten(out).size
        incoming = np.ones(size) if cotangent is None else cotangent
        given = self._incoming(out, incoming)
        returned = self.run(lambda: module.backward(*given))
        return module, returned, 1.0 if given else float(incoming[0])

    def gradient(self, arrays: Sequence[Array], cotangent: Array) -> list[Any]:
        """Run ``forward`` and ``backward``, and collect what was returned and stored."""
        module, returned, factor = self.backward(arrays, cotangent)
        found = self._stored(module)
        count = len(self.names)
        inputs = [k for k, tree in enumerate(self.inputs.trees[:count]) if slots(tree)]
        if isinstance(returned, dict):
            self._from_dict(returned, found)
        elif returned is not None and inputs:
            self._from_parts(returned, inputs, found)
        return [None if g is None else as_real(g, self.name) * factor for g in found]

    def _incoming(self, out: Any, cotangent: Array) -> list[Any]:
        """Return the arguments of ``backward``: the derivative with respect to the output."""
        parts = self.unflatten(cotangent)
        required, possible = _arguments(self.module.backward)
        if possible == 0:
            if len(parts) != 1 or np.ndim(parts[0]) != 0:
                raise UsageError(
                    f"{self.name}.backward takes no argument, which fits an output of one number "
                    f"(a loss); forward returned {brief(out)}: write backward(self, grad_output)"
                )
            return []
        if isinstance(out, list | tuple):
            return parts if required == len(parts) else [type(out)(parts)]
        if required > 1:
            raise UsageError(
                f"{self.name}.backward needs {required} arguments; the checker calls "
                "backward(grad_output)"
            )
        return [np.float64(parts[0]) if np.ndim(parts[0]) == 0 else parts[0].copy()]

    def _stored(self, module: Any) -> list[Any]:
        """Return the gradients that ``backward`` left in the module."""
        found: list[Any] = [None] * len(self.arguments)
        count = len(self.names)
        for tree, path in zip(self.inputs.trees[count:], self.parameters, strict=True):
            found[tree.index] = gradient_at(module, path)
        for k, (tree, name) in enumerate(zip(self.inputs.trees, self.names, strict=False)):
            if isinstance(tree, Slot):
                stored = find_gradient(module, name)
                found[tree.index] = (
                    find_gradient(module, "input") if stored is None and k == 0 else stored
                )
        return found

    def _from_parts(self, returned: Any, inputs: list[int], found: list[Any]) -> None:
        """Assign a returned array or tuple: the inputs first, then perhaps the parameters."""
        trees = [self.inputs.trees[k] for k in inputs]
        trees += self.inputs.trees[len(self.names) :]
        parts = [returned]
        if isinstance(returned, list | tuple) and (len(inputs) > 1 or isinstance(trees[0], Slot)):
            parts = list(returned)
        if len(parts) not in (1, len(inputs), len(trees)):
            raise UsageError(
                f"{self.name}.backward returned {brief(returned)}: {len(inputs)} for the inputs, "
                f"or {len(trees)} with the parameters, are needed"
            )
        for tree, part in zip(trees, parts, strict=False):
            if part is not None:
                one = Inputs(self.arguments, (tree,), tracked=False)
                for k, g in enumerate(match_gradient(self.name, part, one, ["x"])):
                    found[k] = found[k] if g is None else g

    def _from_dict(self, returned: dict[Any, Any], found: list[Any]) -> None:
        known = [*self.names, *(str(path[-1]) for path in self.parameters)]
        for key, part in returned.items():
            match = [k for k, name in enumerate(known) if key in spellings(name)]
            if not match:
                raise UsageError(
                    f"{self.name}.backward gave a gradient for {key!r}; inputs and parameters "
                    f"are {', '.join(known)}"
                )
            for index in slots(self.inputs.trees[match[0]]):
                found[index] = part

    def evaluate_complex(self, arrays: Sequence[Array]) -> Array:
        """Run ``forward`` with complex inputs and parameters, if it takes them."""
        return call_complex(lambda: self.forward(arrays)[1])

    def optional(self, k: int) -> bool:
        """Whether argument k is an input after the first, such as the targets of a loss."""
        return any(k in slots(tree) for tree in self.inputs.trees[1 : len(self.names)])

    def writes(self) -> list[str]:
        """Run both passes, and see which inputs have changed."""
        return written(self, lambda wrap: self._both(wrap))

    def _both(self, wrap: Callable[[int], Any]) -> None:
        module, out = self._forward(wrap)
        module.backward(*self._incoming(out, np.ones(self.flatten(out).size)))

    def trace(self) -> tuple[Any, list[Value]]:
        """Run ``forward`` with Values."""
        leaves = leaf_values(self.point)
        return trace_call(lambda: self._forward(lambda k: leaves[k])[1]), leaves

    def at(self, arrays: Sequence[Array]) -> ModuleProblem:
        """Return the same module with other inputs and parameters."""
        inputs = moved(self.inputs, arrays)
        return ModuleProblem(self.name, self.module, inputs, self.names, self.parameters)


def _arguments(fn: Any) -> tuple[int, int]:
    """Return how many positional arguments a function requires, and how many it takes."""
    required = possible = 0
    for p in inspect.signature(fn).parameters.values():
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL):
            possible += 1
            required += p.default is p.empty and p.kind is not p.VAR_POSITIONAL
    return required, possible


def module_problem(
    name: str, module: Any, inputs: Inputs, names: Sequence[str], constants: Collection[Any] = ()
) -> ModuleProblem:
    """Make the problem for an instance: find its parameters and add them to the inputs.

    Parameters
    ----------
    name : str
        Name of the class, for messages.
    module : object
        An instance.
    inputs : Inputs
        Inputs of ``forward``.
    names : sequence of str
        Their names.
    constants : collection
        Names of parameters that are not varied.

    Raises
    ------
    UsageError
        If the object cannot be copied, or has no float to vary.
    """
    try:
        copy.deepcopy(module)
    except Exception as error:
        raise UsageError(
            f"{name} cannot be copied ({error}), and each evaluation needs a fresh copy: keep "
            "files, locks and iterators out of the object"
        ) from error
    bare = ModuleProblem(name, module, inputs, names, [])
    after = bare.backward(bare.point, None)[0]
    arguments = list(inputs.arguments)
    trees = list(inputs.trees)
    paths = []
    labels = parameter_paths(module, after)
    for label, path in labels.items():
        if label in constants:
            continue
        value = follow(module, path)
        array = np.asarray(value)
        number = not isinstance(value, np.ndarray)
        arguments.append(Argument(label, array.astype(np.float64), array.dtype, number))
        trees.append(Slot(len(arguments) - 1))
        paths.append(path)
    known = [*names, *labels]
    unknown = [c for c in constants if isinstance(c, str) and c not in known]
    if unknown:
        raise UsageError(
            f"constants: {name} has no input or parameter {unknown[0]} (it has {', '.join(known)})"
        )
    if not arguments:
        raise UsageError(f"no float input to check: {name} has neither float inputs nor parameters")
    whole = Inputs(tuple(arguments), tuple(trees), tracked=False)
    return ModuleProblem(name, module, whole, names, paths)
