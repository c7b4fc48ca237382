"""Exercises about layers: linear, tanh."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine import tanh
from ..exercise import Edge, Exercise, Layer, single
from ..judge import Mistake
from ..reference import Case

Rng = np.random.Generator
M = Mistake

# ---------------------------------------------------------------------------------- linear


def _linear(inputs: dict[str, Any], params: dict[str, Any]) -> Any:
    return inputs["x"] @ params["W"].T + params["b"]


def _linear_case(rng: Rng, n: int, n_in: int, n_out: int, what: str = "") -> Case:
    return Case(
        {"x": rng.normal(size=(n, n_in))},
        {"W": rng.normal(size=(n_out, n_in)), "b": rng.normal(size=n_out)},
        rng.normal(size=(n, n_out)), what,
    )  # fmt: skip


def _linear_cases(rng: Rng) -> list[Case]:
    return [_linear_case(rng, *shape) for shape in ((5, 3, 3), (4, 3, 2), (6, 2, 4))]


LINEAR = Layer(
    _linear,
    lambda cls, params: cls(params["W"], params["b"]),
    _linear_cases,
    {"forward": 3.0, "x": 1.5, "W": 1.5, "b": 1.0},
    {
        "forward": [
            M("W is not transposed: x @ W.T + b, as W has a row for each output",
              lambda c: c.inputs["x"] @ c.params["W"] + c.params["b"]),
            M("the bias b is missing", lambda c: c.inputs["x"] @ c.params["W"].T),
            M("the bias is subtracted",
              lambda c: c.inputs["x"] @ c.params["W"].T - c.params["b"]),
        ],
        "x": [
            M("W is transposed once too often: dL/dx = grad_output @ W",
              lambda c: c.grad_output @ c.params["W"].T),
        ],
        "W": [
            M("transpose: dL/dW = grad_output.T @ x has the shape of W, yours that of W.T",
              lambda c: c.inputs["x"].T @ c.grad_output),
        ],
        "b": [
            M("missing sum over axis 0: the bias is added to every row, so its gradient is the "
              "sum over the rows", lambda c: c.grad_output),
        ],
    },
    [Edge("a batch of one row", 1.0, lambda rng: _linear_case(rng, 1, 3, 2, "one row"),
          ("forward", "x", "W", "b")),
     single(_linear_cases)],
    1.5,
)  # fmt: skip

linear = Exercise(
    "linear", "a linear layer with both passes", ("L12",), "Linear",
    """
A linear layer maps each row of x, shape (N, in), to y = x Wᵀ + b, shape (N, out).  Its backward
pass gets dL/dy and returns dL/dx; it stores dL/dW as self.dW and dL/db as self.db. Use NumPy
alone, and no loop over the rows.""",
    '''
import numpy as np


class Linear:
    def __init__(self, W, b):
        """W has shape (out, in), b has shape (out,)."""
        self.W, self.b = W, b

    def forward(self, x):
        """Return y = x Wᵀ + b, shape (N, out), and keep what backward needs."""
        ...

    def backward(self, grad_output):
        """Return dL/dx, shape (N, in); store self.dW and self.db."""
        ...
''', LINEAR.parts,
)  # fmt: skip

# ---------------------------------------------------------------------------------- tanh


def _tanh_cases(rng: Rng) -> list[Case]:
    return [
        Case({"x": rng.normal(size=shape)}, {}, rng.normal(size=shape)) for shape in ((4, 3), (5,))
    ]


TANH = Layer(
    lambda inputs, _: tanh(inputs["x"]),
    lambda cls, _: cls(),
    _tanh_cases,
    {"forward": 3.0, "x": 4.0},
    {
        "forward": [
            M("this is the logistic function σ(x), and tanh(x) = 2σ(2x) − 1 is asked for",
              lambda c: 1 / (1 + np.exp(-c.inputs["x"]))),
            M("the sign: this is −tanh(x)", lambda c: -np.tanh(c.inputs["x"])),
        ],
        "x": [
            M("1 − x² of the input: the derivative is 1 − y², of the output y = tanh(x)",
              lambda c: c.grad_output * (1 - c.inputs["x"] ** 2)),
            M("1 − y: the square is missing, 1 − y²",
              lambda c: c.grad_output * (1 - np.tanh(c.inputs["x"]))),
            M("y (1 − y) is the derivative of the logistic function; that of tanh is 1 − y²",
              lambda c: c.grad_output * np.tanh(c.inputs["x"]) * (1 - np.tanh(c.inputs["x"]))),
            M("tanh is applied twice: 1 − tanh(y)², and 1 − y² is right",
              lambda c: c.grad_output * (1 - np.tanh(np.tanh(c.inputs["x"])) ** 2)),
            M("grad_output is added, and the chain rule multiplies",
              lambda c: c.grad_output + 1 - np.tanh(c.inputs["x"]) ** 2),
            M("grad_output is not used: the chain rule multiplies the local derivative by it",
              lambda c: 1 - np.tanh(c.inputs["x"]) ** 2),
        ],
    },
    [Edge("large numbers, ±1000", 1.0,
          lambda rng: Case({"x": np.array([-1000.0, -2.0, 0.0, 1000.0])}, {}, rng.normal(size=4)),
          ("forward", "x")),
     single(_tanh_cases)],
    1.5,
)  # fmt: skip

tanh_ = Exercise(
    "tanh", "an activation with its derivative", ("L11", "L12", "L55"), "Tanh",
    """
tanh acts on every element, so its backward pass multiplies dL/dy, element by element, by the
local derivative, which the output alone tells.  It must not overflow for large numbers.""",
    '''
import numpy as np


class Tanh:
    def forward(self, x):
        """Return tanh(x), in the shape of x, and keep what backward needs."""
        ...

    def backward(self, grad_output):
        """Return dL/dx, in the shape of x."""
        ...
''', TANH.parts,
)  # fmt: skip
