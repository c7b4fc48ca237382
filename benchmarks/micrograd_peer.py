"""micrograd's `Value` with sin, tanh and exp added in its own manner; imported lazily."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import micrograd.engine

sys.setrecursionlimit(10**6)  # micrograd's backward recurses as deep as the graph

Micrograd = micrograd.engine.Value


def _unary(forward: Callable[[float], float], slope: Callable[[float, float], float]) -> Any:
    """Return a function for micrograd's Value, in micrograd's own manner."""

    def method(self: Any) -> Any:
        out = Micrograd(forward(self.data), (self,), "f")

        def _backward() -> None:
            self.grad += slope(self.data, out.data) * out.grad

        out._backward = _backward
        return out

    return method


Micrograd.sin = _unary(math.sin, lambda x, out: math.cos(x))
Micrograd.tanh = _unary(math.tanh, lambda x, out: 1 - out * out)
Micrograd.exp = _unary(math.exp, lambda x, out: out)
