"""The exercise about Rosenblatt's perceptron."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...gradcheck.numeric import Array
from ..exercise import Bench, Exercise
from ..functions import changed, writes
from ..judge import Mistake, Pair, judge
from ..report import Item
from ..student import StudentError

Rng = np.random.Generator
M = Mistake

Update = Callable[[Array, Array, float, float], Array]
"""``update(theta, x, y, lr)`` returns the new θ."""


def _output(theta: Array, x: Array) -> Any:
    return (x @ theta >= 0) * 1.0


def _update(theta: Array, x: Array, y: float, lr: float) -> Array:
    new: Array = theta - lr * (_output(theta, x) - y) * x
    return new


def _path(update: Update, case: dict[str, Any]) -> Any:
    """θ after each sample."""
    theta, points = case["theta"], []
    for x, y in zip(case["X"], case["y"], strict=True):
        theta = update(theta, x, float(y), case["lr"])
        points.append(theta)
    return np.array(points)


def _fit(
    case: dict[str, Any], *, update: Update = _update, last: bool = False, epochs: bool = False
) -> Any:
    """Mistakes, then θ."""
    theta, total, last_epoch = case["theta"], 0, 0
    for count in range(1, case["max_epochs"] + 1):
        mistakes, last_epoch = 0, count
        for x, y in zip(case["X"], case["y"], strict=True):
            mistakes += int(_output(theta, x) != y)
            theta = update(theta, x, float(y), case["lr"])
        total = mistakes if last else total + mistakes
        if not mistakes:
            break
    return np.array([last_epoch if epochs else total, *theta])


def _one_epoch(case: dict[str, Any]) -> Any:
    return _fit(case | {"max_epochs": 1})


def _samples(rng: Rng, n: int, features: int, separable: bool = True) -> dict[str, Any]:
    """Draw samples from which something is to be learned: no mistake of a student stays hidden.

    Both outputs occur, the second epoch has mistakes as well as the first, and no two updates of
    `UPDATES` lead the same way.
    """
    while True:
        case = _drawn(rng, n, features, separable)
        outputs = _output(case["theta"], case["X"])
        ways = [_path(update, case) for update in (_update, *(u for _, u in UPDATES))]
        apart = all(not np.allclose(a, b) for a, b in itertools.combinations(ways, 2))
        if 0 < outputs.sum() < n and apart and _fit(case | {"max_epochs": 2}, last=True)[0]:
            return case


def _drawn(rng: Rng, n: int, features: int, separable: bool) -> dict[str, Any]:
    X = np.c_[rng.normal(size=(n, features)), np.ones(n)]
    plane = rng.normal(size=features + 1)
    y = X @ plane >= 0
    if not separable:  # the same sample, once with each label
        X[1], y[0], y[1] = X[0], True, False
    return {
        "X": X, "y": y.astype(np.int64), "lr": 0.3,
        "theta": 0.3 * rng.normal(size=features + 1) - plane,  # mistakes of both kinds
        "max_epochs": 200 if separable else 7,
    }  # fmt: skip


UPDATES: list[tuple[str, Update]] = [
    ("the sign of the update: θ ← θ − α (o − y) x moves to the right answer, yours away from it",
     lambda t, x, y, lr: t + lr * (_output(t, x) - y) * x),
    ("the output is taken without the step Γ (that is the delta rule): o is 0 or 1",
     lambda t, x, y, lr: t - lr * (x @ t - y) * x),
    ("the learning rate is missing", lambda t, x, y, lr: t - (_output(t, x) - y) * x),
    ("θ changes also where the answer is right (Hebb's rule): only mistakes teach",
     lambda t, x, y, lr: t + lr * y * x),
    ("θ changes also where the answer is right (Hebb's rule): only mistakes teach",
     lambda t, x, y, lr: t + lr * (2 * y - 1) * x),
    ("learns from mistakes with y = 1 only: with y = 0, θ has to move by −α x (labels are 0 and 1)",
     lambda t, x, y, lr: t + lr * max(y - float(_output(t, x)), 0.0) * x),
    ("learns from mistakes with y = 0 only: with y = 1, θ has to move by +α x",
     lambda t, x, y, lr: t + lr * min(y - float(_output(t, x)), 0.0) * x),
    ("x is missing in the update: each weight moves by its own input",
     lambda t, x, y, lr: t - lr * (_output(t, x) - y)),
    ("the update is there twice", lambda t, x, y, lr: t - 2 * lr * (_output(t, x) - y) * x),
]  # fmt: skip


FITS = [
    M("the mistakes of the last epoch alone are returned; those of all are asked for",
      lambda c: _fit(c, last=True)),
    M("the number of epochs is returned, and that of mistakes is asked for",
      lambda c: _fit(c, epochs=True)),
    M("it stops after one epoch: go on until an epoch has no mistake", _one_epoch),
    *[Mistake(words, partial(_fit, update=update)) for words, update in UPDATES],
]  # fmt: skip


def _new(cls: Any, case: dict[str, Any]) -> Any:
    return cls(case["theta"].copy(), lr=case["lr"])


def _forward(bench: Bench) -> list[Item]:
    rng = bench.rng(0)
    pairs = []
    for shape in ((8, 2), (6, 4)):
        case = _samples(rng, *shape)
        got = bench.call(lambda cls, c=case: _new(cls, c).forward(c["X"].copy()))  # type: ignore[misc]
        pairs.append(Pair(got, _output(case["theta"], case["X"]), case))
    mistakes = [
        M("the step Γ is missing: 1 where θᵀx ≥ 0, otherwise 0", lambda c: c["X"] @ c["theta"]),
        M("the outputs are −1 and 1; 0 and 1 are asked for",
          lambda c: 2 * _output(c["theta"], c["X"]) - 1),
        M("0 and 1 are exchanged", lambda c: 1 - _output(c["theta"], c["X"])),
        M("the logistic function in the place of the step Γ",
          lambda c: 1 / (1 + np.exp(-c["X"] @ c["theta"]))),
        M("the bias, the last column of X, is left out",
          lambda c: _output(c["theta"][:-1], c["X"][:, :-1])),
    ]  # fmt: skip
    return [judge("forward", "outputs", 2.0, pairs, mistakes)]


def _learning(bench: Bench) -> list[Item]:
    rng = bench.rng(1)
    steps, fits = [], []
    for shape in ((12, 2), (10, 3)):
        case = _samples(rng, *shape)

        def learned(cls: Any, case: dict[str, Any] = case) -> Any:
            machine, points = _new(cls, case), []
            for x, y in zip(case["X"], case["y"], strict=True):
                machine.learn(x.copy(), int(y))
                points.append(np.array(machine.theta, dtype=np.float64))
            return np.array(points)

        def fitted(cls: Any, case: dict[str, Any] = case) -> Any:
            machine = _new(cls, case)
            count = machine.fit(case["X"].copy(), case["y"].copy(), max_epochs=case["max_epochs"])
            return None if count is None else np.array([count, *machine.theta], dtype=np.float64)

        steps.append(Pair(bench.call(learned), _path(_update, case), case))
        fits.append(Pair(bench.call(fitted), _fit(case), case))
    if all(_unmoved(pair) for pair in steps):  # as in the stub
        steps = [Pair(..., pair.right) for pair in steps]
    updates = [Mistake(words, lambda c, u=u: _path(u, c)) for words, u in UPDATES]  # type: ignore[misc]
    return [
        judge("learning", "θ after each sample", 3.0, steps, updates),
        judge("learning", "fit: mistakes, and θ at the end", 2.0, fits, FITS),
    ]


def _unmoved(pair: Pair) -> bool:
    still = np.tile(pair.case["theta"], (len(pair.right), 1))
    return isinstance(pair.got, np.ndarray) and np.array_equal(pair.got, still)


def _edges(bench: Bench) -> list[Item]:
    rng = bench.rng(2)
    case = _samples(rng, 6, 2)
    zero = case | {"theta": np.zeros(3)}
    at_zero = bench.call(lambda cls: _new(cls, zero).forward(case["X"].copy()))
    cycle = _samples(rng, 6, 2, separable=False)

    def count(cls: Any) -> Any:
        machine = _new(cls, cycle)
        return machine.fit(cycle["X"].copy(), cycle["y"].copy(), max_epochs=cycle["max_epochs"])

    written: set[str] = set()

    def arrays(cls: Any) -> Any:
        before = {"theta": case["theta"], "X": case["X"], "y": case["y"]}
        after = [x.copy() for x in before.values()]
        machine = cls(after[0], lr=0.5)
        told = machine.fit(after[1], after[2], max_epochs=5)
        written.update(changed(before, after))
        return told

    told = bench.call(arrays)
    stays = Pair(told if told is None or isinstance(told, StudentError) else 0.0, 0.0)
    if written:
        stays = Pair(StudentError(writes(written)), 0.0)
    return [
        judge("edge cases", "θᵀx = 0 gives 1", 1.0, [Pair(at_zero, np.ones(6), zero)],
              [M("Γ(0) = 1: the step is taken at θᵀx ≥ 0, and not only above 0",
                 lambda c: np.zeros(len(c["X"])))]),
        judge("edge cases", "no plane divides the samples: it stops after max_epochs", 1.0,
              [Pair(bench.call(count), _fit(cycle)[0], cycle)],
              [Mistake(m.words, lambda c, m=m: m.formula(c)[0]) for m in FITS]),  # type: ignore[misc]
        judge("edge cases", "arrays of the caller stay as they are", 1.0, [stays]),
    ]  # fmt: skip


perceptron = Exercise(
    "perceptron", "Rosenblatt's perceptron", ("L17",), "Perceptron",
    """
The perceptron answers o = Γ(θᵀx) with the step Γ: 1 where θᵀx ≥ 0, otherwise 0.  The last column
of X is 1, so that the last weight is the bias.  It learns from mistakes alone: θ ← θ − α (o − y)
x, with labels y of 0 and 1.  fit goes through the samples in turn, epoch after epoch, until an
epoch has no mistake, or max_epochs are over.""",
    '''
import numpy as np


class Perceptron:
    def __init__(self, theta, lr=1.0):
        """theta has shape (n,)."""
        self.theta, self.lr = theta, lr

    def forward(self, X):
        """Return 0 or 1 for each row of X, shape (N, n)."""
        ...

    def learn(self, x, y):
        """Look at one sample, x of shape (n,); change self.theta if it is a mistake."""
        ...

    def fit(self, X, y, max_epochs=100):
        """Learn until an epoch has no mistake; return the number of all mistakes."""
        ...
''', (_forward, _learning, _edges),
)  # fmt: skip
