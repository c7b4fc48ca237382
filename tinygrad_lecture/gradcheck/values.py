"""Functions of Values: the engine's derivative against numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lecture.engine.modes import no_grad, watch_branches
from tinygrad_lecture.engine.nest import flatten, nest_map, unflatten
from tinygrad_lecture.engine.tape import Tape
from tinygrad_lecture.engine.transforms import vjp
from tinygrad_lecture.engine.value import Value

from .arguments import Inputs, Slot
from .handwritten import leaf_values, moved
from .numeric import Array, Evaluation
from .problem import NotAnalytic, Problem, result_arrays


class ValuesProblem(Problem):
    """A function of Values, whose gradient the engine gives.

    Parameters
    ----------
    name : str
        Name of the function.
    fn : callable
        Takes Values in the places of the arguments.
    inputs : Inputs
        The call arguments.
    order : int, default 1
        1 for the function itself, 2 for a gradient that the engine computed.
    """

    kind = "a function of Values"

    def __init__(self, name: str, fn: Callable[..., Any], inputs: Inputs, order: int = 1) -> None:
        super().__init__(name, inputs)
        self.fn = fn
        self.order = order
        self.branches: list[str] = []
        self._tape: tuple[Tape, list[Value]] | None = None

    def call(self, leaves: Sequence[Any]) -> Any:
        """Call the function with Values; numbers that it returns besides become floats."""
        out = self.run(lambda: self.fn(*self.inputs.build(lambda k: leaves[k])))
        result_arrays(out, self.name)
        return nest_map(lambda o: o if isinstance(o, Value) else _constant(o), out)

    def evaluate(self, arrays: Sequence[Array]) -> Evaluation:
        """Run the function on numbers and write down the branches that it takes."""
        # The derivative of a derivative needs the record of the inner one.
        recording = no_grad() if self.order == 1 else contextlib.nullcontext()
        with recording, watch_branches() as log:
            out = self.call(leaf_values(arrays))
        if not self.branches:
            self.branches = list(dict.fromkeys(label for label, _ in log))
        return Evaluation(self.flatten(out), tuple(log))

    def gradient(self, arrays: Sequence[Array], cotangent: Array) -> list[Any]:
        """Pull the cotangent back through the record."""
        leaves = [float(a) if a.ndim == 0 else a for a in arrays]
        out, pullback = self.run(lambda: vjp(lambda *values: self.call(values), *leaves))
        self.flatten(out)
        parts = unflatten(flatten(out)[1], self.unflatten(cotangent))
        return [np.asarray(g, dtype=np.float64) for g in self.run(lambda: pullback(parts))]

    def derivative(self, cotangent: Array) -> ValuesProblem:
        """Return the gradient of <cotangent, outputs> as a function of Values."""

        def gradient_function(*values: Any) -> Any:
            out, pullback = vjp(lambda *inner: self.call(inner), *values)
            return pullback(unflatten(flatten(out)[1], self.unflatten(cotangent)))

        places = tuple(Slot(k) for k in range(len(self.arguments)))
        plain = Inputs(self.arguments, places, tracked=True)
        return ValuesProblem(self.name, gradient_function, plain, order=2)

    def evaluate_complex(self, arrays: Sequence[Array]) -> Array:
        """Replay the record with complex numbers; the rows of the op table say which ops can."""
        if self._tape is None:
            leaves = leaf_values(self.point)
            out = self.call(leaves)
            if not any(isinstance(o, Value) for o in flatten(out)[0]):
                raise NotAnalytic("no output is a Value")
            self._tape = Tape(out), leaves
        tape, leaves = self._tape
        on_tape = {id(v) for v in tape.values}
        data = {
            v: complex(a) if a.ndim == 0 else a
            for v, a in zip(leaves, arrays, strict=True)
            if id(v) in on_tape
        }
        try:
            with np.errstate(all="ignore"):
                out = tape.replay(data)
        except TypeError as error:
            raise NotAnalytic(str(error)) from error
        parts = [np.asarray(o, dtype=np.complex128).reshape(-1) for o in flatten(out)[0]]
        return np.concatenate(parts)

    def at(self, arrays: Sequence[Array]) -> ValuesProblem:
        """Return the same function at another point."""
        return ValuesProblem(self.name, self.fn, moved(self.inputs, arrays), self.order)


def _constant(item: Any) -> Any:
    array = np.asarray(item)
    return float(array) if array.ndim == 0 else array.astype(np.float64, copy=False)


def returns_values(result: Any) -> bool:
    """Whether a Value is among the results."""
    return any(isinstance(o, Value) for o in flatten(result)[0])
