"""The exercise about maxout."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...nn.functional import maxout
from ..exercise import Edge, Exercise, Layer, single
from ..judge import Mistake
from ..reference import Case

Rng = np.random.Generator
M = Mistake


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
