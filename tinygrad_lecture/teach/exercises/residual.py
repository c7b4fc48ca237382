"""The exercise about a residual block."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine import tanh
from ..exercise import Edge, Exercise, Layer, single
from ..judge import Mistake
from ..reference import Case

Rng = np.random.Generator
M = Mistake


def _residual(inputs: dict[str, Any], params: dict[str, Any]) -> Any:
    hidden = tanh(inputs["x"] @ params["W1"].T + params["b1"])
    return inputs["x"] + hidden @ params["W2"].T + params["b2"]


def _residual_case(rng: Rng, n: int, width: int, hidden: int, what: str = "") -> Case:
    return Case(
        {"x": rng.normal(size=(n, width))},
        {"W1": 0.5 * rng.normal(size=(hidden, width)), "b1": rng.normal(size=hidden),
         "W2": 0.5 * rng.normal(size=(width, hidden)), "b2": rng.normal(size=width)},
        rng.normal(size=(n, width)), what,
    )  # fmt: skip


def _residual_cases(rng: Rng) -> list[Case]:
    return [_residual_case(rng, *shape) for shape in ((5, 3, 3), (4, 2, 5))]


def _hidden(c: Case) -> Any:
    return np.tanh(c.inputs["x"] @ c.params["W1"].T + c.params["b1"])


def _branch(c: Case) -> Any:
    return _hidden(c) @ c.params["W2"].T + c.params["b2"]


def _before(c: Case, slope: Any) -> Any:
    """The gradient before the activation."""
    return (c.grad_output @ c.params["W2"]) * slope(_hidden(c))


def _right_slope(h: Any) -> Any:
    return 1 - h**2


def _slopes(result: Any) -> list[Mistake]:
    return [
        M("the derivative of tanh, 1 − h², is missing",
          lambda c: result(c, _before(c, lambda _: 1.0))),
        M("the derivative of tanh is 1 − h², and 1 − h is used",
          lambda c: result(c, _before(c, lambda h: 1 - h))),
    ]  # fmt: skip


def _as_x(c: Case, before: Any) -> Any:
    return c.grad_output + before @ c.params["W1"]


def _shortcut(c: Case) -> Any:
    """The whole gradient of x, taken for that of the branch."""
    return _as_x(c, _before(c, _right_slope))


RESIDUAL = Layer(
    _residual,
    lambda cls, p: cls(p["W1"], p["b1"], p["W2"], p["b2"]),
    _residual_cases,
    {"forward": 3.0, "x": 2.0, "W1": 0.5, "b1": 0.5, "W2": 0.5, "b2": 0.5},
    {
        "forward": [
            M("the shortcut is missing: y = x + F(x)", _branch),
            M("the shortcut is counted twice", lambda c: 2 * c.inputs["x"] + _branch(c)),
            M("the shortcut is subtracted", lambda c: _branch(c) - c.inputs["x"]),
            M("tanh is applied behind the sum as well: y = x + F(x) has none there",
              lambda c: np.tanh(c.inputs["x"] + _branch(c))),
            M("the activation tanh inside of F is missing",
              lambda c: c.inputs["x"] + (c.inputs["x"] @ c.params["W1"].T + c.params["b1"])
              @ c.params["W2"].T + c.params["b2"]),
        ],
        "x": [
            M("the shortcut is missing on the way back: dL/dx = dL/dy + (dF/dx)ᵀ dL/dy, the first "
              "term never shrinks", lambda c: _shortcut(c) - c.grad_output),
            M("the gradient of the shortcut alone: the way through F is missing",
              lambda c: c.grad_output),
            M("the shortcut is counted twice on the way back",
              lambda c: _shortcut(c) + c.grad_output),
            M("the two ways are multiplied, and contributions of two uses add up",
              lambda c: c.grad_output * (_shortcut(c) - c.grad_output)),
            *_slopes(_as_x),
        ],
        "W1": _slopes(lambda c, before: before.T @ c.inputs["x"]),
        "b1": [
            M("missing sum over axis 0: the bias is added to every row",
              lambda c: _before(c, _right_slope)),
            *_slopes(lambda c, before: before.sum(axis=0)),
        ],
        "b2": [
            M("missing sum over axis 0: the bias is added to every row", lambda c: c.grad_output),
        ],
    },
    [Edge("a branch of zeros: the block is the identity", 1.0,
          lambda rng: _zero_branch(_residual_case(rng, 3, 2, 4, "all parameters 0")),
          ("forward", "x")),
     single(_residual_cases)],
    1.5,
)  # fmt: skip


def _zero_branch(c: Case) -> Case:
    for p in c.params.values():
        p[:] = 0.0
    return c


residual = Exercise(
    "residual", "a residual block: the gradient's shortcut", ("L58",), "Residual",
    """
A residual block adds its input to what two layers make of it: y = x + F(x) with F(x) = tanh(x W1ᵀ
+ b1) W2ᵀ + b2.  x and y have shape (N, width), W1 has shape (hidden, width), W2 has shape (width,
hidden).  In the backward pass x has two uses, and their contributions add up.""",
    '''
import numpy as np


class Residual:
    def __init__(self, W1, b1, W2, b2):
        self.W1, self.b1, self.W2, self.b2 = W1, b1, W2, b2

    def forward(self, x):
        """Return x + F(x), shape (N, width), and keep what backward needs."""
        ...

    def backward(self, grad_output):
        """Return dL/dx; store self.dW1, self.db1, self.dW2 and self.db2."""
        ...
''', RESIDUAL.parts,
)  # fmt: skip
