"""What the checker needs to know about a target: values, claimed gradient, complex values.

`Problem` is the one interface between the four kinds of target and the numerics.  Everything that
a target can do wrong in answering (raise, return text, change its shape) is caught here.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lecture.engine.value import Value
from tinygrad_lecture.errors import UsageError

from .arguments import Argument, Inputs
from .numeric import EPS, Array, Evaluation

_PACKAGE = str(Path(__file__).resolve().parent.parent)


class TargetError(UsageError):
    """The target itself raised; the message has its file and line.

    Attributes
    ----------
    original : Exception
        What it raised.
    """

    def __init__(self, name: str, original: Exception) -> None:
        self.original = original
        text = str(original).strip().split("\n")[0]
        kind = type(original).__name__
        super().__init__(f"{name} raised {kind}: {text} (at {origin(original)})")


def run_target(name: str, call: Callable[[], Any]) -> Any:
    """Call into what the user wrote; what it raises becomes a `TargetError`."""
    try:
        with np.errstate(all="ignore"):
            return call()
    except UsageError:
        raise
    except Exception as error:
        raise TargetError(name, error) from error


class NotAnalytic(Exception):  # noqa: N818 (an answer, not an error)
    """The target does not take complex input; the message says why."""


class NotTraceable(Exception):  # noqa: N818 (an answer, not an error)
    """The target does not take Values."""


def origin(error: Exception) -> str:
    """Return ``file:line`` of the innermost frame outside of this package and NumPy."""
    frames = traceback.extract_tb(error.__traceback__)
    numpy = str(Path(np.__file__).parent)
    own = [f for f in frames if not f.filename.startswith((_PACKAGE, numpy, "<op ", "<frozen"))]
    frame = (own or list(frames))[-1]
    return f"{frame.filename}:{frame.lineno}"


class Problem(ABC):
    """A function of several arrays together with the gradient that is claimed for it.

    Attributes
    ----------
    name, kind : str
        Name of the target, and which of the kinds it is, in words.
    inputs : Inputs
        The float leaves that are varied, and where they go.
    notes : list of str
        What the user should know about how the check was done.
    shapes : list of tuple, or None
        Shapes of the outputs, known after the first evaluation.
    """

    kind = ""

    def __init__(self, name: str, inputs: Inputs) -> None:
        self.name = name
        self.inputs = inputs
        self.notes: list[str] = []
        self.shapes: list[tuple[int, ...]] | None = None
        self.eps = max((a.eps for a in inputs.arguments), default=EPS)

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The arguments that are varied."""
        return self.inputs.arguments

    @property
    def point(self) -> list[Array]:
        """The arrays at which the check is done."""
        return [a.value for a in self.arguments]

    @abstractmethod
    def evaluate(self, arrays: Sequence[Array]) -> Evaluation:
        """Return all outputs at a point, flattened."""

    @abstractmethod
    def gradient(self, arrays: Sequence[Array], cotangent: Array) -> list[Any]:
        """Return the claimed gradient of <cotangent, outputs>, one array or None per argument."""

    @abstractmethod
    def evaluate_complex(self, arrays: Sequence[Array]) -> Array:
        """Return the outputs for complex arrays.

        Raises
        ------
        NotAnalytic
            If the target cannot.
        """

    @abstractmethod
    def at(self, arrays: Sequence[Array]) -> Problem:
        """Return the same problem at another point."""

    def derivative(self, cotangent: Array) -> Problem:
        """Return the problem whose function is this gradient, for the second order.

        Raises
        ------
        UsageError
            If the gradient cannot be differentiated, as one written in NumPy.
        """
        raise UsageError(
            f"order=2 needs a function of Values; {self.name} is {self.kind}, whose gradient "
            "has no derivative of its own: use order=1"
        )

    def optional(self, k: int) -> bool:
        """Whether the target may leave out the gradient of argument k."""
        return False

    def writes(self) -> list[str]:
        """Return the names of the arguments that the target writes into."""
        return []

    def trace(self) -> tuple[Any, list[Value]]:
        """Return the outputs as recorded Values, and the leaves, to look for lost contributions.

        Raises
        ------
        NotTraceable
            If the function does not take Values.
        """
        raise NotTraceable

    def run(self, call: Callable[[], Any]) -> Any:
        """Call into the target; what it raises becomes a `TargetError`."""
        return run_target(self.name, call)

    def flatten(self, result: Any) -> Array:
        """Return a result as one float64 vector; its shapes have to stay what they were.

        Raises
        ------
        UsageError
            If the result is not made of real numbers, is empty, or changed its shapes.
        """
        arrays = result_arrays(result, self.name)
        shapes = [a.shape for a in arrays]
        if self.shapes is None:
            self.shapes = shapes
            # A result in float32, or in float64 with float32's digits, has float32's accuracy.
            for a in arrays:
                if a.dtype.itemsize < 8 and a.dtype.kind == "f":
                    self.eps = max(self.eps, float(np.finfo(a.dtype).eps))
        elif shapes != self.shapes:
            raise UsageError(
                f"{self.name} returned shapes {shapes} here and {self.shapes} at the first point; "
                "a derivative needs outputs of one shape"
            )
        return np.concatenate([a.astype(np.float64).reshape(-1) for a in arrays])

    def unflatten(self, vector: Array) -> list[Any]:
        """Return a vector over the outputs as arrays of their shapes, numbers for shape ()."""
        parts = []
        start = 0
        for shape in self.shapes or []:
            size = int(np.prod(shape))
            part = vector[start : start + size].reshape(shape)
            parts.append(float(part) if shape == () else part)
            start += size
        return parts


def result_arrays(result: Any, name: str) -> list[Array]:
    """Return the arrays in a result, in order.

    Raises
    ------
    UsageError
        If something in it is not a real number or an array of them, or if it holds no number.
    """
    found: list[Array] = []

    def visit(item: Any) -> None:
        if isinstance(item, dict | list | tuple):
            for part in item.values() if isinstance(item, dict) else item:
                if part is not None:
                    visit(part)
        else:
            array = np.asarray(item.data if isinstance(item, Value) else item)
            if array.dtype.kind not in "fiu":
                came = "None" if item is None else f"{type(item).__name__} of {array.dtype}"
                raise UsageError(
                    f"{name} returned {came}; a real number, an array of them or a nest of these "
                    "is needed" + (" (is a return missing?)" if item is None else "")
                )
            found.append(array)

    visit(result)
    if not sum(a.size for a in found):
        raise UsageError(f"{name} returned no number at all, but {brief(result)}")
    return found


def brief(item: Any) -> str:
    """Describe a result in a few words."""
    if isinstance(item, np.ndarray):
        return f"an array of shape {item.shape}"
    if isinstance(item, Value):
        return f"a Value of shape {item.shape}"
    if isinstance(item, tuple | list | dict):
        return f"a {type(item).__name__} of {len(item)}"
    return type(item).__name__


def is_scalar(item: Any) -> bool:
    """Whether an item is one real number."""
    data = item.data if isinstance(item, Value) else item
    if not isinstance(data, float | int | np.generic | np.ndarray) or isinstance(data, bool):
        return False
    return np.ndim(data) == 0 and np.asarray(data).dtype.kind in "fiu"
