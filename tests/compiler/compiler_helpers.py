"""What the tests of the compiler share: comparison of nests, and counts of instructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lecture as tg
from tinygrad_lecture.engine import nest


def leaves(tree: Any) -> list[Any]:
    """Return the leaves of a nest."""
    return nest.flatten(tree)[0]


def bare(x: Any) -> Any:
    """Return the number or array behind a Value, guards and all taken off."""
    return x._data if isinstance(x, tg.Value) else x


def kind(x: Any) -> tuple[bool, type, Any, Any]:
    """Say what a caller can tell about a result besides its numbers."""
    data = bare(x)
    plain = float if isinstance(data, float) else type(data)  # np.float64 is a float
    return isinstance(x, tg.Value), plain, np.shape(data), np.asarray(data).dtype


def agree(got: Any, want: Any, rtol: float = 1e-12) -> None:
    """Hold two nests against each other: structure, types, shapes, dtypes, and the numbers.

    Differences are measured against the largest number, as cancellation makes small ones.
    """
    assert nest.flatten(got)[1] == nest.flatten(want)[1]
    ours, theirs = leaves(got), leaves(want)
    assert list(map(kind, ours)) == list(map(kind, theirs))
    numbers = [np.asarray(bare(x)) for x in theirs if not isinstance(bare(x), (str, type(None)))]
    sizes = [np.abs(x[np.isfinite(x)]).max(initial=0.0) for x in numbers if x.dtype.kind == "f"]
    largest = max(sizes, default=0.0)
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(bare(b), (str, type(None))):
            assert a == b
        else:
            np.testing.assert_allclose(bare(a), bare(b), rtol=rtol, atol=rtol * largest)


def path_of(compiled: Any) -> Any:
    """Return the only path of a compiled function."""
    (paths,) = compiled.paths.values()
    (path,) = paths
    return path


def paths_of(compiled: Any) -> int:
    """Count the recorded paths."""
    return sum(map(len, compiled.paths.values()))


def products(program: Any) -> tuple[int, int]:
    """Count matrix products, and those with an axis of one: sums by ones, matrix times vector."""
    shapes = [program.shape[i] for i, name in enumerate(program.op) if name == "matmul"]
    thin = sum(1 in shape for shape in shapes)
    return len(shapes) - thin, thin


def gathers(program: Any) -> list[int]:
    """Return how many elements each gather fetches one by one."""
    return [program.size(i) for i, name in enumerate(program.op) if name == "take"]


def grown(tree: Any, by: float = 0.9, shift: float = 0.05) -> Any:
    """Return a nest of numbers and arrays with all of them moved; Values are rebound."""

    def moved(x: Any) -> Any:
        if isinstance(x, tg.Value):
            x.data = x.data * by + shift
            return x
        return x * by + shift if isinstance(x, (float, np.ndarray)) else x

    return nest.nest_map(moved, tree)


def gradients_of(parameters: list[tg.Value]) -> list[Any]:
    """Return copies of all gradients."""
    return [np.array(p.grad) if np.ndim(p.grad) else p.grad for p in parameters]


def run_elsewhere(function: Callable[..., Any], *args: Any, rtol: float = 1e-12) -> Any:
    """Record at one point, hold the program against the function there and at two others.

    Returns the program; there has to be one path, and no call that fell back to the function.
    """
    compiled: Any = tg.compile(function)
    compiled(*args)
    for by, shift in ((1.0, 0.0), (0.9, 0.05), (-1.3, 0.2)):
        point = grown(args, by, shift)
        want = function(*point)
        agree(compiled(*point), want, rtol)
    assert compiled.eager_calls == 0
    path = path_of(compiled)
    assert path.calls == 4
    return path.program
