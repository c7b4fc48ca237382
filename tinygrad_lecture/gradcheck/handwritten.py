"""Functions that return ``(value, gradient)``: homework, and objectives for SciPy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lecture.engine.value import Value
from tinygrad_lecture.errors import UsageError

from .arguments import Argument, Inputs, Slot, slots
from .numeric import Array, Evaluation
from .problem import NotAnalytic, NotTraceable, Problem, brief, is_scalar


def looks_like_pair(result: Any, inputs: Inputs) -> bool:
    """Whether a result is a number together with something like the gradient of the arguments.

    The second part may be a dict, a nest with one entry per argument, or an array with as many
    numbers as the first argument, or a multiple or fraction of that: a transposed gradient, or
    one that misses a sum, is to be reported and not to be taken for a second output.
    """
    if not isinstance(result, tuple) or len(result) != 2 or not is_scalar(result[0]):
        return False
    gradient = result[1]
    if isinstance(gradient, dict):
        return True
    checked = [tree for tree in inputs.trees if slots(tree)]
    if isinstance(gradient, list | tuple):
        return len(gradient) == len(checked) or len(gradient) == len(slots(checked[0]))
    data = gradient.data if isinstance(gradient, Value) else gradient
    array = np.asarray(data)
    size = inputs.arguments[0].size
    if array.dtype.kind not in "fiu":
        return False
    if array.ndim == 0 or size * array.size == 0:
        return size == array.size
    return array.size % size == 0 or size % array.size == 0


def pair_constants(result: tuple[Any, Any], inputs: Inputs) -> list[int]:
    """Return the call arguments for which a pair gives no gradient: they are held constant."""
    owners = [k for k, tree in enumerate(inputs.trees) if slots(tree)]
    gradient = result[1]
    if isinstance(gradient, dict) and not isinstance(inputs.trees[owners[0]], dict):
        return []
    if isinstance(gradient, list | tuple) and len(gradient) == len(owners):
        return []
    return owners[1:]


class PairProblem(Problem):
    """A function that returns its value and its gradient."""

    kind = "a function that returns (value, gradient)"

    def __init__(
        self, name: str, fn: Callable[..., Any], inputs: Inputs, names: Sequence[str]
    ) -> None:
        super().__init__(name, inputs)
        self.fn = fn
        self.names = list(names)

    def call(self, arrays: Sequence[Array]) -> tuple[Any, Any]:
        """Call the function with copies, so that it may write into its arguments."""
        result = self.run(lambda: self.fn(*self.inputs.build(plain_inputs(self, arrays))))
        if not isinstance(result, tuple) or len(result) != 2 or not is_scalar(result[0]):
            raise UsageError(
                f"{self.name} returned {brief(result)}, and a pair (value, gradient) with one "
                "number as value is needed"
            )
        return result

    def evaluate(self, arrays: Sequence[Array]) -> Evaluation:
        """Return the value."""
        return Evaluation(self.flatten(self.call(arrays)[0]))

    def gradient(self, arrays: Sequence[Array], cotangent: Array) -> list[Any]:
        """Return the gradient as it comes, times the cotangent of the value."""
        found = match_gradient(self.name, self.call(arrays)[1], self.inputs, self.names)
        return [None if g is None else as_real(g, self.name) * cotangent[0] for g in found]

    def evaluate_complex(self, arrays: Sequence[Array]) -> Array:
        """Call the function with complex numbers, if it takes them."""
        return call_complex(lambda: self.fn(*self.inputs.build(plain_inputs(self, arrays)))[0])

    def writes(self) -> list[str]:
        """Call the function, and see which arguments have changed."""
        return written(self, lambda wrap: self.fn(*self.inputs.build(wrap)))

    def trace(self) -> tuple[Any, list[Value]]:
        """Call the function with Values."""
        leaves = leaf_values(self.point)
        result = trace_call(lambda: self.fn(*self.inputs.build(lambda k: leaves[k])))
        return result[0], leaves

    def at(self, arrays: Sequence[Array]) -> PairProblem:
        """Return the same function at another point."""
        return PairProblem(self.name, self.fn, moved(self.inputs, arrays), self.names)


def leaf_values(arrays: Sequence[Array]) -> list[Value]:
    """Return a leaf for each array."""
    return [Value(float(a) if a.ndim == 0 else a) for a in arrays]


def trace_call(call: Callable[[], Any]) -> Any:
    """Call a NumPy function with Values.

    Raises
    ------
    NotTraceable
        If it raises, or gives no Value.
    """
    try:
        with np.errstate(all="ignore"):
            result = call()
    except Exception as error:
        raise NotTraceable from error
    parts = result if isinstance(result, tuple) else (result,)
    if not isinstance(parts[0], Value):
        raise NotTraceable
    return result


def moved(inputs: Inputs, arrays: Sequence[Array]) -> Inputs:
    """Return the inputs with other values."""
    arguments = tuple(
        Argument(a.name, np.array(x, dtype=a.value.dtype), a.given, a.scalar)
        for a, x in zip(inputs.arguments, arrays, strict=True)
    )
    return Inputs(arguments, inputs.trees, inputs.tracked)


def plain_inputs(problem: Problem, arrays: Sequence[Array]) -> Callable[[int], Any]:
    """Return what puts plain numbers and copies of arrays into the slots."""

    def wrap(index: int) -> Any:
        array = arrays[index]
        return array[()] if problem.arguments[index].scalar else array.copy()

    return wrap


def written(problem: Problem, call: Callable[[Callable[[int], Any]], Any]) -> list[str]:
    """Return the names of the arguments that a call changes."""
    copies = [a.copy() for a in problem.point]
    problem.run(lambda: call(lambda k: copies[k][()] if problem.arguments[k].scalar else copies[k]))
    return [
        argument.name
        for argument, copy in zip(problem.arguments, copies, strict=True)
        if not np.array_equal(argument.value, copy)
    ]


def call_complex(call: Callable[[], Any]) -> Array:
    """Call a NumPy function with complex numbers.

    Raises
    ------
    NotAnalytic
        If it raises, or drops the imaginary part.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            result = call()
            parts = result if isinstance(result, list | tuple) else [result]
            arrays = [np.asarray(p).reshape(-1) for p in parts]
        except Exception as error:
            raise NotAnalytic(f"it does not take complex numbers ({error})") from error
    if not any(a.dtype.kind == "c" for a in arrays):
        raise NotAnalytic("it drops the imaginary part")
    return np.concatenate([a.astype(np.complex128) for a in arrays])


def as_real(gradient: Any, name: str) -> Array:
    """Return a gradient as a float64 array.

    Raises
    ------
    UsageError
        If it is not made of real numbers.
    """
    array = np.asarray(gradient.data if isinstance(gradient, Value) else gradient)
    if array.dtype.kind not in "fiu":
        raise UsageError(
            f"{name} gave a gradient of type {type(gradient).__name__} ({array.dtype}); "
            "a real number or array is needed"
        )
    return np.asarray(array, dtype=np.float64)


def match_gradient(name: str, gradient: Any, inputs: Inputs, names: Sequence[str]) -> list[Any]:
    """Assign the parts of a returned gradient to the arguments.

    Raises
    ------
    UsageError
        If its structure is not that of the arguments.
    """
    found: list[Any] = [None] * len(inputs.arguments)
    owners = [k for k, tree in enumerate(inputs.trees) if slots(tree)]
    first = inputs.trees[owners[0]]
    if isinstance(gradient, dict) and not isinstance(first, dict):
        for k in owners:
            _match(name, inputs.trees[k], gradient.get(names[k]), found)
        unknown = [key for key in gradient if key not in names]
        if unknown:
            raise UsageError(
                f"{name} gave a gradient for {unknown[0]!r}; the inputs are {', '.join(names)}"
            )
    elif len(owners) > 1:
        for k, part in zip(owners, gradient, strict=True):
            _match(name, inputs.trees[k], part, found)
    elif isinstance(gradient, list | tuple) and len(gradient) == 1 and isinstance(first, Slot):
        found[first.index] = gradient[0]
    else:
        _match(name, first, gradient, found)
    return found


def _match(name: str, tree: Any, gradient: Any, found: list[Any]) -> None:
    if isinstance(tree, Slot):
        found[tree.index] = gradient
    elif isinstance(tree, dict):
        if not isinstance(gradient, dict):
            raise UsageError(
                f"{name} gave a gradient of type {type(gradient).__name__} for a dict with the "
                f"keys {', '.join(map(repr, tree))}; a dict with these keys is needed"
            )
        for key, part in tree.items():
            _match(name, part, gradient.get(key), found)
    elif isinstance(tree, list | tuple) and gradient is not None:
        if np.ndim(gradient) == 0 or len(gradient) != len(tree):
            raise UsageError(
                f"{name} gave {brief(gradient)} as the gradient of {brief(tree)}; one part for "
                "each is needed"
            )
        for part, g in zip(tree, gradient, strict=True):
            _match(name, part, g, found)
