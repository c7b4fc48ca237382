"""Exercises about layers: linear, tanh, maxout, a residual block."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine import tanh
from ...nn.functional import maxout
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

# ---------------------------------------------------------------------------------- maxout


def _maxout(inputs: dict[str, Any], params: dict[str, Any]) -> Any:
    k, out, n_in = params["W"].shape
    flat = params["W"].transpose(1, 0, 2).reshape(out * k, n_in)
    return maxout(inputs["x"] @ flat.T + params["b"].T.reshape(out * k), k)


def _maxout_case(rng: Rng, n: int, n_in: int, out: int, k: int, what: str = "") -> Case:
    return Case(
        {"x": rng.normal(size=(n, n_in))},
        {"W": rng.normal(size=(k, out, n_in)), "b": rng.normal(size=(k, out))},
        rng.normal(size=(n, out)), what,
    )  # fmt: skip


def _maxout_cases(rng: Rng) -> list[Case]:
    return [_maxout_case(rng, *shape) for shape in ((5, 3, 4, 2), (6, 2, 3, 3))]


def _pieces(c: Case, bias: bool = True) -> Any:
    z = np.einsum("ni,koi->nko", c.inputs["x"], c.params["W"])
    return z + c.params["b"] if bias else z


def _spread(c: Case, share: Any) -> dict[str, Any]:
    """The gradients for a share of each piece, of shape (N, k, out)."""
    d = c.grad_output[:, None, :] * share
    return {
        "x": np.einsum("nko,koi->ni", d, c.params["W"]),
        "W": np.einsum("nko,ni->koi", d, c.inputs["x"]),
        "b": d.sum(axis=0),
    }


def _winner(c: Case, bias: bool = True) -> Any:
    z = _pieces(c, bias)
    return np.arange(z.shape[1])[None, :, None] == z.argmax(axis=1)[:, None, :]


def _ties(c: Case) -> Any:
    z = _pieces(c)
    return z == z.max(axis=1, keepdims=True)


def _routes(name: str) -> list[Mistake]:
    return [
        M("the gradient goes to all pieces; it belongs to the largest one alone",
          lambda c: _spread(c, np.ones_like(_pieces(c)))[name]),
        M("the gradient is split among the pieces; it belongs to the largest one alone",
          lambda c: _spread(c, np.full_like(_pieces(c), 1 / _pieces(c).shape[1]))[name]),
        M("the gradient goes to the positive pieces (that is ReLU); it belongs to the largest one",
          lambda c: _spread(c, _pieces(c) > 0)[name]),
        M("the largest piece is looked up without its bias",
          lambda c: _spread(c, _winner(c, bias=False))[name]),
        M("the gradient goes to the smallest piece (argmin for argmax)",
          lambda c: _spread(c, np.arange(len(c.params["W"]))[None, :, None]
                            == _pieces(c).argmin(axis=1)[:, None, :])[name]),
    ]  # fmt: skip


def _tied(rng: Rng) -> Case:
    """Two pieces that are equal."""
    c = _maxout_case(rng, 4, 3, 2, 2, "two equal pieces")
    for p in c.params.values():
        p[1] = p[0]
    return c


def _tie_mistakes(name: str) -> list[Mistake]:
    return [
        M("of equal pieces, each gets the gradient; the first alone gets it (np.argmax)",
          lambda c: _spread(c, _ties(c))[name]),
        M("of equal pieces, each gets half of the gradient; the first alone gets it (np.argmax)",
          lambda c: _spread(c, _ties(c) / 2)[name]),
    ]  # fmt: skip


MAXOUT = Layer(
    _maxout,
    lambda cls, params: cls(params["W"], params["b"]),
    _maxout_cases,
    {"forward": 3.0, "x": 1.5, "W": 1.5, "b": 1.0},
    {
        "forward": [
            M("the mean of the pieces, and the largest is asked for",
              lambda c: _pieces(c).mean(axis=1)),
            M("the sum of the pieces, and the largest is asked for",
              lambda c: _pieces(c).sum(axis=1)),
            M("the smallest of the pieces, and the largest is asked for",
              lambda c: _pieces(c).min(axis=1)),
            M("the biases are missing", lambda c: _pieces(c, bias=False).max(axis=1)),
            M("the piece with the largest absolute value; the largest one is asked for",
              lambda c: np.take_along_axis(
                  _pieces(c), np.abs(_pieces(c)).argmax(axis=1)[:, None, :], 1)[:, 0]),
            M("max(0, ·) is taken as well: maxout has no ReLU behind it",
              lambda c: np.maximum(_pieces(c).max(axis=1), 0)),
        ],
        "x": _routes("x"),
        "W": _routes("W"),
        "b": [
            M("missing sum over axis 0: the bias is added in every row",
              lambda c: c.grad_output[:, None, :] * _winner(c)),
            *_routes("b"),
        ],
    },
    [Edge("two equal pieces: the first one gets the gradient", 1.0, _tied, ("b",),
          _tie_mistakes("b")),
     single(_maxout_cases)],
    1.5,
)  # fmt: skip

maxout_ = Exercise(
    "maxout", "the largest of k linear pieces", ("L57",), "Maxout",
    """
Each output of a maxout layer is the largest of k linear pieces: z_j = x W_jᵀ + b_j for j = 0 …
k−1, h = max_j z_j.  W has shape (k, out, in), b has shape (k, out), x has shape (N, in).  In the
backward pass, the gradient goes to the largest piece alone; of equal ones, to the first.""",
    '''
import numpy as np


class Maxout:
    def __init__(self, W, b):
        """W has shape (k, out, in), b has shape (k, out)."""
        self.W, self.b = W, b

    def forward(self, x):
        """Return h, shape (N, out), and keep what backward needs."""
        ...

    def backward(self, grad_output):
        """Return dL/dx, shape (N, in); store self.dW and self.db in the shapes of W and b."""
        ...
''', MAXOUT.parts,
)  # fmt: skip

# ---------------------------------------------------------------------------------- residual


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
