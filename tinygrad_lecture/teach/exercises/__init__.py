"""The twelve graded exercises, in the order of the lecture."""

from __future__ import annotations

import difflib

from ...errors import UsageError
from ..exercise import Exercise
from .adaptive import adam, rmsprop
from .layers import linear, tanh_
from .losses import softmax_cross_entropy
from .maxout import maxout_
from .momentum import momentum, nesterov
from .normalization import batch_norm
from .perceptron import perceptron
from .residual import residual
from .reverse import backprop

__all__ = ["EXERCISES", "exercise"]

EXERCISES = {
    e.name: e
    for e in (
        perceptron, linear, tanh_, softmax_cross_entropy, backprop, momentum, nesterov, rmsprop,
        adam, batch_norm, maxout_, residual,
    )
}  # fmt: skip
"""All exercises by name."""


def exercise(name: str) -> Exercise:
    """Return one of the graded exercises.

    Printed, it shows statement, points and stub; ``exercise(name).check(solution)`` checks a
    solution.

    Parameters
    ----------
    name : str
        A name of `EXERCISES`.

    Raises
    ------
    UsageError
        If there is none of this name.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> print(tg.teach.exercise("tanh").entry)
    Tanh
    >>> class Tanh:
    ...     def forward(self, x):
    ...         self.y = np.tanh(x)
    ...         return self.y
    ...
    ...     def backward(self, grad_output):
    ...         return grad_output * (1 - self.y)
    >>> report = tg.teach.exercise("tanh").check(Tanh)
    >>> print(report.points, report.reasons[0])
    5.0 1 − y: the square is missing, 1 − y²
    """
    if name not in EXERCISES:
        close = difflib.get_close_matches(name, EXERCISES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"no exercise {name!r}: there are {', '.join(EXERCISES)}{hint}")
    return EXERCISES[name]
