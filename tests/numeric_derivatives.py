"""Derivatives by numbers, to hold those of the engine against.

A `Problem` is one call of an op, seen as a function of its float operands one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_lecture as tg

Array = NDArray[Any]


def is_float(x: Any) -> bool:
    """Whether an argument is one that derivatives are taken with respect to."""
    return type(x) is float or (isinstance(x, np.ndarray) and x.dtype.kind == "f")


class Problem:
    """A call ``function(*args, **kwargs)`` as a function of its float operands.

    Float arrays, floats, and the members of lists of float arrays are operands; the rest
    (indices, masks, axes, subscripts) stays as it is.  Outputs come as a list.
    """

    def __init__(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> None:
        self.function, self.args, self.kwargs = function, tuple(args), kwargs
        self.primals: list[Any] = []
        for arg in self.args:
            if is_float(arg):
                self.primals.append(arg)
            elif isinstance(arg, list) and arg and all(map(is_float, arg)):
                self.primals += arg

    def __call__(self, *operands: Any) -> list[Any]:
        rest = iter(operands)
        args = []
        for arg in self.args:
            if is_float(arg):
                args.append(next(rest))
            elif isinstance(arg, list) and arg and all(map(is_float, arg)):
                args.append([next(rest) for _ in arg])
            else:
                args.append(arg)
        out = self.function(*args, **self.kwargs)
        return out if isinstance(out, list) else [out]

    def like(self, x: Any, rng: np.random.Generator) -> Any:
        """Draw something of the shape of `x`, away from 0."""
        size = np.shape(x)
        drawn = rng.uniform(0.5, 1.5, size) * rng.choice([-1.0, 1.0], size)
        return float(drawn) if size == () else drawn

    def cotangents(self, rng: np.random.Generator) -> list[Any]:
        """Draw one cotangent per output."""
        return [self.like(out, rng) for out in self(*self.primals)]

    def tangents(self, rng: np.random.Generator) -> list[Any]:
        """Draw one tangent per operand."""
        return [self.like(x, rng) for x in self.primals]

    def weighted(self, cotangents: Sequence[Any]) -> Callable[..., Any]:
        """Return the scalar function Σ cotangent · output."""
        return lambda *operands: sum(
            tg.sum(out * c) for out, c in zip(self(*operands), cotangents, strict=True)
        )

    def curved(self, cotangents: Sequence[Any]) -> Callable[..., Any]:
        """Return the scalar function Σ cotangent · output², curved also where the op is linear."""
        return lambda *operands: sum(
            tg.sum(out * out * c) for out, c in zip(self(*operands), cotangents, strict=True)
        )


def numeric_gradients(
    f: Callable[..., Any], primals: Sequence[Any], step: float = 2.0**-9
) -> list[Any]:
    """Return the gradient of scalar `f` by central differences of fourth order."""

    def along(i: int) -> Callable[[Any], Any]:
        return lambda x: f(*primals[:i], x, *primals[i + 1 :])

    return [_gradient(along(i), x, step) for i, x in enumerate(map(np.asarray, primals))]


def _gradient(f: Callable[[Any], Any], x: Array, step: float) -> Array:
    result = np.zeros(x.shape)
    for index in np.ndindex(x.shape):

        def at(h: float, index: tuple[int, ...] = index) -> Any:
            moved = x.copy()
            moved[index] += h
            return f(float(moved) if moved.ndim == 0 else moved)

        near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
        result[index] = (8 * near - far) / (12 * step)
    return result


def numeric_direction(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], step: float = 2.0**-9
) -> list[Any]:
    """Return the derivative of the list that `f` gives along tangents, numerically."""

    def at(h: float) -> list[Any]:
        return list(f(*(x + h * t for x, t in zip(primals, tangents, strict=True))))

    one, minus_one, two, minus_two = (at(k * step) for k in (1, -1, 2, -2))
    return [
        (8 * (np.asarray(a) - b) - (np.asarray(c) - d)) / (12 * step)
        for a, b, c, d in zip(one, minus_one, two, minus_two, strict=True)
    ]


def objection(ours: Sequence[Any], numeric: Sequence[Any], rtol: float = 1e-6) -> str:
    """Compare gradients, one per operand; say what differs, or nothing."""
    assert len(ours) == len(numeric)
    for i, (a, n) in enumerate(zip(ours, numeric, strict=True)):
        if np.shape(a) != np.shape(n):
            return f"operand {i}: shape {np.shape(a)} for {np.shape(n)}"
        scale = max(1e-3, float(np.max(np.abs(n), initial=0.0)))
        if not np.allclose(a, n, rtol=rtol, atol=1e-3 * rtol * scale + 1e-10):
            return f"operand {i}: {a} for {n}"
    return ""


def gradients(f: Callable[..., Any], primals: Sequence[Any]) -> list[Any]:
    """Return the engine's gradient of scalar `f` with respect to all primals."""
    return list(tg.grad(f, tuple(range(len(primals))))(*primals))


def check_gradients(f: Callable[..., Any], *primals: Any, rtol: float = 1e-6) -> None:
    """Hold the engine's gradients of Σ w·f, with fixed irregular weights w, against numbers."""

    def weighted(*operands: Any) -> Any:
        out = f(*operands)
        n = int(np.size(out.data if isinstance(out, tg.Value) else out))
        weights = np.cos(np.arange(1.0, n + 1.0)) + 1.5
        shape = np.shape(out.data if isinstance(out, tg.Value) else out)
        return tg.sum(out * weights.reshape(shape))

    ours = gradients(weighted, primals)
    assert objection(ours, numeric_gradients(weighted, primals), rtol) == ""
