"""Hypothesis strategies that several test files share, and the naive references beside them.

The references are independent of the engine: scalars go through dual numbers, followed
recursively with the derivative of each op written out by hand; arrays go through NumPy alone.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Line = tuple[str, tuple[int | float, ...]]
"""Name of an op, and its operands: an int is the position of an earlier value, a float a constant."""


@dataclass(frozen=True)
class Program:
    """A straight-line program on scalars: first the inputs, then one new value per line."""

    inputs: tuple[float, ...]
    lines: tuple[Line, ...]

    def run(self, inputs: Sequence[Any], ops: dict[str, Callable[..., Any]]) -> list[Any]:
        """Return the inputs and the value of each line."""
        values = list(inputs)
        for name, operands in self.lines:
            values.append(ops[name](*(values[k] if isinstance(k, int) else k for k in operands)))
        return values


Dual = tuple[float, float]
"""A number and its derivative."""


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def _maximum(a: Dual, b: Dual) -> Dual:
    if a[0] == b[0]:
        return a[0], (a[1] + b[1]) / 2
    return max(a, b)


DUAL: dict[str, Callable[..., Dual]] = {
    "add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "subtract": lambda a, b: (a[0] - b[0], a[1] - b[1]),
    "multiply": lambda a, b: (a[0] * b[0], a[1] * b[0] + a[0] * b[1]),
    "ratio": lambda a, b: (
        a[0] / (b[0] ** 2 + 1),
        a[1] / (b[0] ** 2 + 1) - a[0] * 2 * b[0] * b[1] / (b[0] ** 2 + 1) ** 2,
    ),
    "power": lambda a, b: (
        (a[0] ** 2 + 1) ** math.tanh(b[0]),
        (a[0] ** 2 + 1) ** math.tanh(b[0])
        * (
            math.tanh(b[0]) * 2 * a[0] * a[1] / (a[0] ** 2 + 1)
            + math.log(a[0] ** 2 + 1) * (1 - math.tanh(b[0]) ** 2) * b[1]
        ),
    ),
    "maximum": _maximum,
    "sin": lambda a: (math.sin(a[0]), math.cos(a[0]) * a[1]),
    "tanh": lambda a: (math.tanh(a[0]), a[1] / math.cosh(min(abs(a[0]), 300)) ** 2),
    "sigmoid": lambda a: (_sigmoid(a[0]), a[1] * _sigmoid(a[0]) * _sigmoid(-a[0])),
    "bell": lambda a: (math.exp(-a[0] * a[0]), -2 * a[0] * a[1] * math.exp(-a[0] * a[0])),
    "relu": lambda a: (max(a[0], 0.0), a[1] if a[0] > 0 else 0.0),
    "abs": lambda a: (abs(a[0]), a[1] * ((a[0] > 0) - (a[0] < 0))),
    "negative": lambda a: (-a[0], -a[1]),
}  # fmt: skip
BINARY = ("add", "subtract", "multiply", "ratio", "power", "maximum")


def on(functions: Any) -> dict[str, Callable[..., Any]]:
    """Return the ops of `DUAL` written in the functions of `functions` (the package, say)."""
    return {
        "add": operator.add, "subtract": operator.sub, "multiply": operator.mul,
        "ratio": lambda a, b: a / (b**2 + 1), "negative": operator.neg, "abs": abs,
        "power": lambda a, b: (a**2 + 1) ** functions.tanh(b), "maximum": functions.maximum,
        "sin": functions.sin, "tanh": functions.tanh, "sigmoid": functions.sigmoid,
        "bell": lambda a: functions.exp(-a * a), "relu": functions.relu,
    }  # fmt: skip


def dual(program: Program, inputs: Sequence[float], wrt: int, of: int = -1) -> Dual:
    """Return one value of a program and its derivative by one input: by recursion, naively."""

    @functools.lru_cache(maxsize=None, typed=True)  # position 1 is not the constant 1.0
    def at(k: int | float) -> Dual:
        if isinstance(k, float):
            return k, 0.0
        if k < len(inputs):
            return inputs[k], 1.0 if k == wrt else 0.0
        name, operands = program.lines[k - len(inputs)]
        return DUAL[name](*map(at, operands))

    return at(of % (len(inputs) + len(program.lines)))


numbers = st.floats(-2, 2, allow_subnormal=False) | st.sampled_from([0.0, 1.0, -1.0, 0.5])


@st.composite
def programs(draw: st.DrawFn, most_inputs: int = 3, most_lines: int = 14) -> Program:
    """Draw a program on scalars whose numbers stay of moderate size."""
    inputs = tuple(draw(st.lists(numbers, min_size=1, max_size=most_inputs)))
    lines: list[Line] = []
    sizes = [abs(x) for x in inputs]
    for _ in range(draw(st.integers(1, most_lines))):
        name = draw(st.sampled_from(sorted(DUAL)))
        earlier = st.integers(0, len(sizes) - 1)
        operands: tuple[int | float, ...] = (draw(earlier),)
        if name in BINARY:
            second = draw(earlier | numbers)
            operands = (*operands, second) if draw(st.booleans()) else (second, *operands)
        program = Program(inputs, (*lines, (name, operands)))
        size = abs(dual(program, inputs, 0)[0])
        if size < 1e4:
            lines.append(program.lines[-1])
            sizes.append(size)
    return Program(inputs, tuple(lines))


ArrayOp = Callable[[Any, Any], Any]

ARRAY_OPS: dict[str, ArrayOp] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "ratio": lambda a, b: a / (b * b + 1),
    "matmul": lambda a, b: a @ b,
    "sin": lambda a, b: np.sin(a),
    "tanh": lambda a, b: np.tanh(a),
    "sum of all": lambda a, b: a.sum(),
    "sum over the first": lambda a, b: a.sum(axis=0),
    "mean over the last, kept": lambda a, b: a.mean(axis=-1, keepdims=True),
    "variance": lambda a, b: a.var(axis=-1),
    "running sum": lambda a, b: np.cumsum(a),
    "flatten": lambda a, b: a.reshape(-1),
    "transpose": lambda a, b: a.T,
    "first of the last": lambda a, b: a[..., 0],
    "backwards": lambda a, b: a[::-1],
    "some twice": lambda a, b: a[[0, -1, 0]],
    "new axis": lambda a, b: a[None],
    "join": lambda a, b: np.concatenate([np.ravel(a), np.ravel(b)]),
    "stack": lambda a, b: np.stack([a, a]),
    "spread": lambda a, b: np.broadcast_to(a, (2, *np.shape(a))),
}
"""Smooth ops that NumPy's arrays and Values both answer; some need only the first operand."""
NEED_ELEMENTS = ("mean over the last, kept", "variance")
NEED_AN_AXIS = (*NEED_ELEMENTS, "sum over the first")  # NumPy gives scalars an axis 0, we do not


@dataclass(frozen=True)
class ArrayProgram:
    """A straight-line program on arrays that returns one number, to which all values contribute."""

    inputs: tuple[NDArray[np.float64], ...]
    lines: tuple[tuple[str, int, int], ...]

    def run(self, *inputs: Any) -> Any:
        """Return the sum of the sines of all values: of NumPy's arrays, or of Values."""
        values = list(inputs)
        for name, i, j in self.lines:
            values.append(ARRAY_OPS[name](values[i], values[j]))
        total: Any = 0.0
        for v in values:
            total = total + np.sum(np.sin(v))
        return total

    def numeric(self, h: float = 1e-5) -> list[NDArray[np.float64]]:
        """Return the gradient by central differences, in NumPy alone."""
        found = []
        for k, x in enumerate(self.inputs):
            g = np.zeros_like(x)
            for place in np.ndindex(x.shape):
                up, down = [np.copy(a) for a in self.inputs], [np.copy(a) for a in self.inputs]
                up[k][place] += h
                down[k][place] -= h
                g[place] = (self.run(*up) - self.run(*down)) / (2 * h)
            found.append(g)
        return found


@st.composite
def array_programs(draw: st.DrawFn, most_lines: int = 7) -> ArrayProgram:
    """Draw a program on one to three small arrays, size 0 and shape () included."""
    shapes = st.sampled_from([(), (1,), (3,), (2, 3), (3, 2), (2, 1), (1, 3), (0,), (2, 0)])
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    inputs = tuple(
        np.asarray(rng.uniform(-1, 1, draw(shapes))) for _ in range(draw(st.integers(1, 3)))
    )
    values: list[Any] = list(inputs)
    lines = []
    for _ in range(draw(st.integers(1, most_lines))):
        name = draw(st.sampled_from(sorted(ARRAY_OPS)))
        i, j = (draw(st.integers(0, len(values) - 1)) for _ in range(2))
        if name in (NEED_ELEMENTS if np.size(values[i]) == 0 else ()):
            continue
        if name in (NEED_AN_AXIS if np.ndim(values[i]) == 0 else ()):
            continue
        try:
            out = ARRAY_OPS[name](values[i], values[j])
        except (ValueError, IndexError, TypeError):  # the shapes do not fit
            continue
        if np.size(out) <= 40 and np.all(np.abs(out) < 100):
            values.append(out)
            lines.append((name, i, j))
    return ArrayProgram(inputs, tuple(lines))


# ------------------------------------------------------------------------------ arrays and axes


@st.composite
def float_arrays(
    draw: st.DrawFn,
    shapes: st.SearchStrategy[tuple[int, ...]],
    dtype: Any = np.float64,
    low: float = -2.0,
    high: float = 2.0,
) -> NDArray[Any]:
    """Arrays of a drawn shape, evenly spread over [low, high), from a drawn seed."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return rng.uniform(low, high, draw(shapes)).astype(dtype)


def some_shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes with few and short axes."""
    sides = st.integers(min_side, max_side)
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcast_shapes(
    draw: st.DrawFn, max_dims: int = 3, max_side: int = 3
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast against each other, axes of length 0 and 1 included."""
    common = draw(some_shapes(max_dims=max_dims, max_side=max_side))

    def shrunk() -> tuple[int, ...]:
        kept = common[draw(st.integers(0, len(common))) :]
        return tuple(1 if draw(st.booleans()) else n for n in kept)

    return shrunk(), shrunk()


@st.composite
def axes_of_rank(draw: st.DrawFn, ndim: int) -> int | tuple[int, ...] | None:
    """An ``axis`` argument: None, an int or a tuple of ints, each counted from either end."""
    if draw(st.booleans()) or not ndim:
        return draw(st.sampled_from([None, ()])) if not ndim else None
    chosen = draw(st.lists(st.integers(0, ndim - 1), min_size=1, max_size=ndim, unique=True))
    signed = tuple(a - ndim * draw(st.integers(0, 1)) for a in chosen)
    return signed[0] if len(signed) == 1 and draw(st.booleans()) else signed


@st.composite
def reduction_calls(
    draw: st.DrawFn, min_side: int = 0
) -> tuple[NDArray[Any], int | tuple[int, ...] | None, bool]:
    """An array, an axis argument that fits it, and whether to keep the reduced axes."""
    x = draw(float_arrays(some_shapes(min_side=min_side)))
    return x, draw(axes_of_rank(x.ndim)), draw(st.booleans())
