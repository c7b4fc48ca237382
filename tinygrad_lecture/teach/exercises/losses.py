"""The exercise about softmax and cross-entropy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...nn.functional import cross_entropy
from ..exercise import Edge, Exercise, Layer
from ..judge import Mistake
from ..reference import Case

Rng = np.random.Generator
M = Mistake


def _case(rng: Rng, n: int, classes: int, scale: float = 1.0, what: str = "") -> Case:
    logits = scale * rng.normal(size=(n, classes))
    return Case({"logits": logits, "labels": rng.integers(classes, size=n)}, what=what)


def _large(rng: Rng) -> Case:
    """Logits that overflow in exp, and others whose softmax is 0, whatever the seed."""
    c = _case(rng, 4, 3, 100.0, "logits around ±1000")
    c.inputs["logits"] += np.array([[1000.0], [-1000.0], [1000.0], [0.0]])
    return c


def _cases(rng: Rng) -> list[Case]:
    return [_case(rng, *shape) for shape in ((5, 3), (4, 4), (6, 2))]


def _log_softmax(c: Case, axis: int = 1) -> Any:
    z = c.inputs["logits"] - c.inputs["logits"].max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


def _softmax(c: Case, axis: int = 1) -> Any:
    return np.exp(_log_softmax(c, axis))


def _one_hot(c: Case) -> Any:
    logits = c.inputs["logits"]
    return np.eye(logits.shape[1])[c.inputs["labels"]]


def _chosen(c: Case, p: Any) -> Any:
    return p[np.arange(len(p)), c.inputs["labels"]]


def _losses(c: Case, axis: int = 1) -> Any:
    return -_chosen(c, _log_softmax(c, axis))


def _gradient(c: Case, axis: int = 1) -> Any:
    return (_softmax(c, axis) - _one_hot(c)) / len(_one_hot(c))


CROSS_ENTROPY = Layer(
    lambda inputs, _: cross_entropy(inputs["logits"], inputs["labels"]),
    lambda cls, _: cls(),
    _cases,
    {"forward": 3.0, "logits": 4.0},
    {
        "forward": [
            M("the sum over the rows, and the mean is asked for",
              lambda c: _losses(c).sum()),
            M("the mean is missing: one number is needed, not one for each row",
              _losses),
            M("the sign: −log p is the loss", lambda c: -_losses(c).mean()),
            M("softmax over axis 0 (the batch); over the classes of each row, axis 1, is right",
              lambda c: _losses(c, 0).mean()),
            M("the logarithm is missing: −log p", lambda c: -_chosen(c, _softmax(c)).mean()),
            M("logarithm to base 2, and the natural one is asked for",
              lambda c: _losses(c).mean() / np.log(2)),
            M("the mean over all N·C numbers, and the mean over the N rows is asked for",
              lambda c: _losses(c).mean() / _softmax(c).shape[1]),
        ],
        "logits": [
            M("the factor 1/N of the mean is missing",
              lambda c: _softmax(c) - _one_hot(c)),
            M("the sign: (softmax − onehot)/N", lambda c: -_gradient(c)),
            M("1 is not subtracted at the labels: softmax − onehot",
              lambda c: _softmax(c) / len(_one_hot(c))),
            M("softmax over axis 0 (the batch); over the classes of each row, axis 1, is right",
              lambda c: _gradient(c, 0)),
            M("−1/p is the derivative by the probability alone: the way through softmax is missing",
              lambda c: -_one_hot(c) / _softmax(c) / len(_one_hot(c))),
            M("divided by all N·C numbers, and 1/N is right",
              lambda c: _gradient(c) / _one_hot(c).shape[1]),
        ],
    },
    [Edge("large logits, ±1000", 1.0, _large, ("forward", "logits")),
     Edge("a batch of one row", 1.0, lambda rng: _case(rng, 1, 3, 1.0, "one row"),
          ("forward", "logits"))],
)  # fmt: skip

softmax_cross_entropy = Exercise(
    "softmax_cross_entropy", "softmax and cross-entropy as one loss", ("L54",),
    "SoftmaxCrossEntropy",
    """
The loss of logits z, shape (N, C), and integer labels, shape (N,), is the mean over the rows of
−log p, where p is the softmax probability of the label.  backward() takes no argument, as the
loss is where the way back begins, and returns dL/dz, shape (N, C).  Large logits must not
overflow: subtract the largest of each row first.""",
    '''
import numpy as np


class SoftmaxCrossEntropy:
    def forward(self, logits, labels):
        """Return the mean loss, one number, and keep what backward needs."""
        ...

    def backward(self):
        """Return dL/dlogits, shape (N, C)."""
        ...
''', CROSS_ENTROPY.parts,
)  # fmt: skip
