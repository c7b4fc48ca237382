"""The inputs of a check: which numbers of a nest of tuples, lists and dicts are varied.

Every float leaf becomes an `Argument` with a name such as ``params['W'][0]``; everything that is
named a constant is handed through as it is.  The check runs in float64 whatever the dtype was.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_lecture.engine.value import Value
from tinygrad_lecture.errors import UsageError

from .numeric import EPS, Array


@dataclass(frozen=True, eq=False)
class Argument:
    """One float array (or number) whose gradient is checked.

    Attributes
    ----------
    name : str
        Name of the parameter, with the path inside a nest.
    value : ndarray
        The point; shape ``()`` for a number.
    given : numpy.dtype
        The dtype that came in.
    scalar : bool
        Whether it came as a plain number rather than an array.
    """

    name: str
    value: Array
    given: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float64))
    scalar: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the argument."""
        return self.value.shape

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return int(self.value.size)

    @property
    def eps(self) -> float:
        """Accuracy of the dtype in which the check runs."""
        return max(EPS, float(np.finfo(self.value.dtype).eps))


@dataclass(frozen=True)
class Slot:
    """Where argument number `index` goes in a nest."""

    index: int


@dataclass(frozen=True)
class Inputs:
    """Call arguments, taken apart.

    Attributes
    ----------
    arguments : tuple of Argument
        The float leaves, in order.
    trees : tuple
        The call arguments with a `Slot` in place of each float leaf.
    tracked : bool
        Whether a `Value` was among them.
    """

    arguments: tuple[Argument, ...]
    trees: tuple[Any, ...]
    tracked: bool

    def build(self, wrap: Callable[[int], Any]) -> list[Any]:
        """Return the call arguments with ``wrap(index)`` in place of each float leaf."""
        return [_map(tree, wrap) for tree in self.trees]


def slots(tree: Any) -> list[int]:
    """Return the numbers of the float leaves in a tree with `Slot` marks."""
    found: list[int] = []
    _map(tree, found.append)
    return found


def _map(tree: Any, wrap: Callable[[int], Any]) -> Any:
    if isinstance(tree, Slot):
        return wrap(tree.index)
    if isinstance(tree, dict):
        return {key: _map(item, wrap) for key, item in tree.items()}
    if isinstance(tree, list):
        return [_map(item, wrap) for item in tree]
    if type(tree) is tuple:
        return tuple(_map(item, wrap) for item in tree)
    return tree


def take_apart(
    inputs: Sequence[Any],
    names: Sequence[str],
    constants: Iterable[str | int] = (),
    *,
    required: bool = True,
) -> Inputs:
    """Find the float leaves of the call arguments.

    Parameters
    ----------
    inputs : sequence
        Numbers, arrays, Values, and nests of them.
    names : sequence of str
        A name for each.
    constants : iterable of str or int
        Names or positions of call arguments that are not varied.
    required : bool, default True
        Whether there has to be a float leaf.

    Raises
    ------
    UsageError
        For an unknown constant, for leaves that are not floats, and for no float at all.
    """
    fixed = _fixed(names, constants)
    found: list[Argument] = []
    tracked = False

    def visit(leaf: Any, name: str) -> Any:
        nonlocal tracked
        if leaf is None:
            return None
        if isinstance(leaf, dict):
            return {key: visit(item, f"{name}[{key!r}]") for key, item in leaf.items()}
        if isinstance(leaf, list):
            return [visit(item, f"{name}[{k}]") for k, item in enumerate(leaf)]
        if type(leaf) is tuple:
            return tuple(visit(item, f"{name}[{k}]") for k, item in enumerate(leaf))
        tracked = tracked or isinstance(leaf, Value)
        found.append(_argument(leaf, name))
        return Slot(len(found) - 1)

    trees = tuple(item if k in fixed else visit(item, names[k]) for k, item in enumerate(inputs))
    if required and not found:
        what = ", ".join(names) if inputs else "nothing"
        raise UsageError(f"no float input to check: {what} came; give at least one float or array")
    return Inputs(tuple(found), trees, tracked)


def _fixed(names: Sequence[str], constants: Iterable[str | int]) -> set[int]:
    fixed = set()
    for constant in constants:
        if isinstance(constant, int) and 0 <= constant < len(names):
            fixed.add(constant)
        elif constant in names:
            fixed.add(list(names).index(str(constant)))
        else:
            raise UsageError(
                f"constants: no input is called {constant!r}; the inputs are {', '.join(names)}"
            )
    return fixed


def _argument(leaf: Any, name: str) -> Argument:
    data = leaf.data if isinstance(leaf, Value) else leaf
    scalar = isinstance(data, float | np.floating)
    if isinstance(data, str | bytes) or not isinstance(data, np.ndarray | np.generic | float):
        raise UsageError(_refusal(name, data))
    array = np.array(data)
    if array.dtype.kind == "c":
        raise UsageError(
            f"input {name} is complex ({array.dtype}); the checker varies real numbers: split it "
            "into a real and an imaginary part"
        )
    if array.dtype.kind != "f":
        raise UsageError(_refusal(name, data))
    value = array.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(value))
    if bad.size:
        where = (
            "" if value.ndim == 0 else str(list(map(int, np.unravel_index(bad[0], value.shape))))
        )
        raise UsageError(
            f"input {name}{where} is {value.reshape(-1)[bad[0]]}; derivatives need finite inputs"
        )
    return Argument(name, value, array.dtype, scalar)


def _refusal(name: str, data: Any) -> str:
    root = name.split("[", maxsplit=1)[0]
    if isinstance(data, bool | int) or (
        isinstance(data, np.ndarray | np.generic) and data.dtype.kind in "iub"
    ):
        kind = f"an array of {data.dtype}" if isinstance(data, np.ndarray) else f"{data!r}"
        return (
            f"input {name} is {kind}, and derivatives need floats: pass floats "
            f"(2.0 instead of 2), or constants=({root!r},) if it is not to be varied"
        )
    return (
        f"input {name} is of type {type(data).__name__}: floats, arrays of floats, Values and "
        f"nests of them are varied; pass constants=({root!r},) for anything else"
    )


def parameter_names(fn: Callable[..., Any], count: int) -> list[str]:
    """Return names for `count` positional arguments, from the signature if there is one.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.arguments import parameter_names
    >>> parameter_names(lambda W, *rest: None, 3)
    ['W', 'rest0', 'rest1']
    """
    names: list[str] = []
    rest = "x"
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):  # some built-in functions have no signature
        parameters = []
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            rest = parameter.name
    extra = count - len(names)
    return names[:count] + [f"{rest}{k}" for k in range(extra)]
