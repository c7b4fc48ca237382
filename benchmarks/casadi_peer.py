"""CasADi's scalar expressions: value and gradient as one `Function`, called and by buffer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from candidates import Candidate


def function(n: int, value: Callable[[list[Any]], Any]) -> Any:
    """Build value and gradient of a function of n scalars; the virtual machine runs it."""
    import casadi

    x = casadi.SX.sym("x", n)
    out = value(casadi.vertsplit(x))
    return casadi.Function("f", [x], [out, casadi.gradient(out, x)])


def by_call(n: int, value: Callable[[list[Any]], Any], x: np.ndarray) -> Candidate:
    """Call the function as a function: matrices of CasADi go in and come out."""
    f = function(n, value)

    def check() -> list[Any]:
        out, gradient = f(x)
        return [float(out), np.array(gradient).ravel()]

    return Candidate(lambda: f(x), check)


def by_buffer(n: int, value: Callable[[list[Any]], Any], x: np.ndarray) -> Candidate:
    """Let the function read and write memory of NumPy, its fastest interface."""
    f = function(n, value)
    x, out, gradient = x.copy(), np.zeros(1), np.zeros(n)
    buffer, run = f.buffer()
    buffer.set_arg(0, memoryview(x))
    buffer.set_res(0, memoryview(out))
    buffer.set_res(1, memoryview(gradient))

    def check() -> list[Any]:
        run()
        return [out[0], gradient.copy()]

    candidate = Candidate(run, check)
    candidate.kept = (f, buffer, x, out, gradient)  # type: ignore[attr-defined]
    return candidate
