"""Exercises about optimizers: momentum, Nesterov's gradient, RMSprop, Adam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..exercise import Bench, Exercise
from ..judge import Mistake, Pair
from ..optimizers import (
    Problem,
    apart_item,
    first_item,
    path_pairs,
    problem,
    steps_item,
    trajectory,
)
from ..report import Item

Rng = np.random.Generator
State = dict[str, Any]
Step = Callable[..., list[Any]]


@dataclass(frozen=True)
class Rule:
    """The parts of an exercise about an optimizer.

    Attributes
    ----------
    step : callable
        The right formula, for `trajectory`.
    settings : dict
        Of the cases.
    wrong : sequence of pairs
        Words and a wrong formula.
    edge : tuple
        Name of the edge case, and a function that draws it.
    ahead : bool
        Whether a method ``lookahead`` is needed.
    """

    step: Step
    settings: dict[str, Any]
    wrong: Sequence[tuple[str, Step]]
    edge: tuple[str, Callable[[Rng], Problem]]
    ahead: bool = False

    def right(self, task: Problem) -> Any:
        """Return the right path."""
        return trajectory(self.step, task)

    @property
    def mistakes(self) -> list[Mistake]:
        """The wrong formulas, as paths."""
        return [Mistake(words, partial(trajectory, step)) for words, step in self.wrong]

    def steps(self, bench: Bench) -> list[Item]:
        """Return the items of the first step and of all steps."""
        rng = bench.rng(0)
        tasks = [problem(rng, shape, settings=self.settings) for shape in ((4,), (2, 3))]
        pairs = self._pairs(bench, tasks, set())
        return [
            first_item(pairs, 3.0, self.mistakes),
            steps_item("steps", "all steps", 4.0, pairs, self.mistakes),
        ]

    def edge_cases(self, bench: Bench) -> list[Item]:
        """Return the items of the edge cases."""
        rng, written = bench.rng(1), set[str]()
        check, draw = self.edge
        tasks = [
            draw(rng),
            problem(rng, (), settings=self.settings, what="θ is one number"),
            problem(rng, settings=self.settings),
        ]
        drawn, scalar, apart = self._pairs(bench, tasks, written)
        return [
            steps_item("edge cases", check, 1.0, [drawn], self.mistakes),
            steps_item("edge cases", "θ may be one number", 0.5, [scalar], self.mistakes),
            apart_item(self._make(bench), apart, bench.limits, written, 1.5),
        ]

    @property
    def parts(self) -> tuple[Callable[[Bench], list[Item]], ...]:
        """Return the parts of the exercise."""
        return self.steps, self.edge_cases

    def _pairs(self, bench: Bench, tasks: list[Problem], written: set[str]) -> list[Pair]:
        tasks = [replace(task, ahead=self.ahead) for task in tasks]
        return path_pairs(self._make(bench), self.right, tasks, bench.limits, written)

    @staticmethod
    def _make(bench: Bench) -> Callable[..., Any]:
        return lambda **settings: bench.find()(**settings)


def _no_state(step: Step) -> Step:
    """Return a formula that remembers nothing."""
    return lambda theta, gradient, state, t, lr, **settings: step(
        theta, gradient, {}, 1, lr, **settings
    )


def _rates(settings: dict[str, Any]) -> tuple[str, Callable[[Rng], Problem]]:
    def draw(rng: Rng) -> Problem:
        return problem(
            rng, settings=settings, rates={2: 0.03, 4: 0.2}, what="lr is changed between the steps"
        )

    return "self.lr is changed between the steps", draw


def _flat(settings: dict[str, Any]) -> tuple[str, Callable[[Rng], Problem]]:
    def draw(rng: Rng) -> Problem:
        task = problem(rng, settings=settings, what="one gradient is always 0")
        task.curvature[0] = 0.0
        task.noise[:, 0] = 0.0
        return task

    return "a gradient that is always 0 moves nothing", draw


# ---------------------------------------------------------------------------------- momentum


def _momentum(
    theta: Any, gradient: Any, s: State, t: int, lr: float, momentum: float, *,
    sign: float = 1.0, damp: bool = False, keeps_rate: bool = True,
) -> list[Any]:  # fmt: skip
    g = gradient(theta)
    if not keeps_rate:  # PyTorch's form
        s["v"] = momentum * s.get("v", 0.0) + g
        return [theta - lr * s["v"]]
    s["v"] = momentum * s.get("v", 0.0) - sign * (1 - momentum if damp else 1.0) * lr * g
    return [theta + s["v"]]


def _theta_momentum(theta: Any, gradient: Any, s: State, t: int, lr: float, momentum: float) -> Any:
    return [momentum * theta - lr * gradient(theta)]


def _from_fresh(theta: Any, gradient: Any, s: State, t: int, lr: float, momentum: float) -> Any:
    old, s["v"] = s.get("v", 0.0 * theta), momentum * s.get("v", 0.0) - lr * gradient(theta)
    return [theta + old]


def _undamped(theta: Any, gradient: Any, s: State, t: int, lr: float, momentum: float) -> Any:
    s["v"] = s.get("v", 0.0) - lr * gradient(theta)
    return [theta + s["v"]]


def _looking(theta: Any, gradient: Any, s: State, t: int, lr: float, momentum: float) -> Any:
    g = gradient(theta)
    s["v"] = momentum * s.get("v", 0.0) - lr * g
    return [theta + momentum * s["v"] - lr * g]


PAIR = {"lr": 0.1, "momentum": 0.8}

MOMENTUM = Rule(
    _momentum, PAIR,
    [
        ("the sign: the steps go up the gradient, V ← μV − αg goes down",
         partial(_momentum, sign=-1.0)),
        ("the velocity starts at 0 again in each step: keep it in the object (self.v)",
         _no_state(_momentum)),
        ("the gradient is damped by 1 − μ: V ← μV − αg takes it whole",
         partial(_momentum, damp=True)),
        ("PyTorch's form, v ← μv + g and θ ← θ − αv: when α changes it rescales all of the "
         "velocity; in V ← μV − αg old steps keep their α", partial(_momentum, keeps_rate=False)),
        ("μ multiplies θ itself, and belongs to the velocity", _theta_momentum),
        ("θ moves by the old velocity: change V first, then θ ← θ + V", _from_fresh),
        ("the velocity never shrinks: μ is missing in V ← μV − αg", _undamped),
        ("this is Nesterov's form, θ ← θ + μV − αg; here θ ← θ + V is asked for", _looking),
    ],
    _rates(PAIR),
)  # fmt: skip

momentum = Exercise(
    "momentum", "gradient descent with momentum", ("L30",), "Momentum",
    """
The velocity V is 0 at first.  Each step is V ← μV − αg, θ ← θ + V, with the gradient g, the
learning rate α = lr and μ = momentum.  The new θ is returned, and the arrays that came in stay as
they are. self.lr may be changed between two steps.""",
    '''
import numpy as np


class Momentum:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum = lr, momentum

    def step(self, theta, grad):
        """Return the new theta, in the shape of theta."""
        ...
''', MOMENTUM.parts,
)  # fmt: skip

# ---------------------------------------------------------------------------------- Nesterov


def _nesterov(
    theta: Any, gradient: Any, s: State, t: int, lr: float, momentum: float, *,
    ahead: Callable[[float], float] = lambda mu: mu, sign: float = 1.0, from_ahead: bool = False,
    again: bool = False,
) -> list[Any]:  # fmt: skip
    v = s.get("v", 0.0 * theta)
    point = theta + ahead(momentum) * v
    g = gradient(point)
    s["v"] = momentum * v - sign * lr * g
    new = (point if from_ahead else theta) + s["v"]
    return [point, new + momentum * s["v"] if again else new]


def _by_gradient(theta: Any, gradient: Any, s: State, t: int, lr: float, momentum: float) -> Any:
    point = theta + momentum * s.get("v", 0.0 * theta)
    g = gradient(point)
    s["v"] = momentum * s.get("v", 0.0) - lr * g
    return [point, theta + momentum * s["v"] - lr * g]


def _without(theta: Any, gradient: Any, s: State, t: int, lr: float, momentum: float) -> Any:
    point = theta + momentum * s.get("v", 0.0 * theta)
    s["v"] = -lr * gradient(point)
    return [point, theta + s["v"]]


NESTEROV = Rule(
    _nesterov, PAIR,
    [
        ("lookahead returns θ itself (that is plain momentum): the gradient is needed at θ + μV",
         partial(_nesterov, ahead=lambda mu: 0.0)),
        ("lookahead goes back instead of ahead: θ + μV, not θ − μV",
         partial(_nesterov, ahead=lambda mu: -mu)),
        ("lookahead goes the whole way V: μ is missing in θ + μV",
         partial(_nesterov, ahead=lambda mu: 1.0)),
        ("the step starts at the point ahead, which counts μV twice: θ ← θ + V",
         partial(_nesterov, from_ahead=True)),
        ("the step looks ahead once more: the gradient was already taken at θ + μV, so θ ← θ + V",
         partial(_nesterov, again=True)),
        ("PyTorch's form, θ ← θ + μV − αg, is for gradients taken at θ; here they were taken at "
         "θ + μV, so θ ← θ + V", _by_gradient),
        ("the sign: the steps go up the gradient, V ← μV − αg goes down",
         partial(_nesterov, sign=-1.0)),
        ("the velocity starts at 0 again in each step: keep it in the object (self.v)",
         _no_state(_nesterov)),
        ("μV is missing in the new velocity: V ← μV − αg", _without),
    ],
    _rates(PAIR),
    ahead=True,
)  # fmt: skip

nesterov = Exercise(
    "nesterov", "Nesterov's accelerated gradient", ("L32",), "Nesterov",
    """
Nesterov's gradient is taken at the point to which the velocity leads: V ← μV − α∇J(θ + μV), θ ← θ
+ V, with V = 0 at first.  lookahead(theta) returns that point, θ + μV; whoever uses the optimizer
computes the gradient there and hands it to step(theta, grad), which returns the new θ.""",
    '''
import numpy as np


class Nesterov:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum = lr, momentum

    def lookahead(self, theta):
        """Return the point at which the gradient of the next step is needed."""
        ...

    def step(self, theta, grad):
        """Return the new theta; grad was taken at lookahead(theta)."""
        ...
''', NESTEROV.parts,
)  # fmt: skip

# ---------------------------------------------------------------------------------- RMSprop


def _rmsprop(
    theta: Any, gradient: Any, s: State, t: int, lr: float, alpha: float, eps: float, *,
    inside: bool = False, swap: bool = False, power: int = 2, root: bool = True, start: float = 0.0,
    corrected: bool = False, summed: bool = False, old: bool = False,
) -> list[Any]:  # fmt: skip
    g = gradient(theta)
    keep = 1 - alpha if swap else alpha
    before = s.get("r", start + 0.0 * g)
    s["r"] = before + g * g if summed else keep * before + (1 - keep) * np.abs(g) ** power
    r = before if old else s["r"]
    if corrected:
        r = r / (1 - keep**t)
    scale = np.sqrt(r + eps) if inside else (np.sqrt(r) if root else r) + eps
    return [theta - lr * g / scale]


SQUARES = {"lr": 0.05, "alpha": 0.9, "eps": 1e-3}

RMSPROP = Rule(
    _rmsprop, SQUARES,
    [
        ("ε stands inside of the root, as on the slide; here it is √r + ε, as in PyTorch",
         partial(_rmsprop, inside=True)),
        ("α and 1 − α are exchanged: r ← α r + (1 − α) g²", partial(_rmsprop, swap=True)),
        ("the gradient is not squared: r is the mean of g²", partial(_rmsprop, power=1)),
        ("the root is missing: g / (√r + ε)", partial(_rmsprop, root=False)),
        ("r starts at 1, and 0 is asked for", partial(_rmsprop, start=1.0)),
        ("r is divided by 1 − αᵗ: that is Adam's correction, RMSprop has none",
         partial(_rmsprop, corrected=True)),
        ("the squares are summed up and never forgotten (that is Adagrad): r ← α r + (1 − α) g²",
         partial(_rmsprop, summed=True)),
        ("r starts at 0 again in each step: keep it in the object (self.r)", _no_state(_rmsprop)),
        ("θ moves with the old r: change r first", partial(_rmsprop, old=True)),
        ("the sign: the steps go up the gradient",
         lambda theta, *rest, **settings: [2 * theta - _rmsprop(theta, *rest, **settings)[0]]),
    ],
    _flat(SQUARES),
)  # fmt: skip

rmsprop = Exercise(
    "rmsprop", "RMSprop: steps divided by the size of the gradient", ("L34",), "RMSprop",
    """
r is a running mean of the squared gradient, 0 at first: r ← α r + (1 − α) g² with α = alpha.
Each step is θ ← θ − lr · g / (√r + ε), with ε = eps outside of the root.  Everything is done
element by element; the new θ is returned, and the arrays that came in stay as they are.""",
    '''
import numpy as np


class RMSprop:
    def __init__(self, lr=0.01, alpha=0.99, eps=1e-8):
        self.lr, self.alpha, self.eps = lr, alpha, eps

    def step(self, theta, grad):
        """Return the new theta, in the shape of theta."""
        ...
''', RMSPROP.parts,
)  # fmt: skip

# ---------------------------------------------------------------------------------- Adam


def _adam(
    theta: Any, gradient: Any, s: State, t: int, lr: float, betas: Sequence[float], eps: float, *,
    first: bool = True, second: bool = True, swap: bool = False, inside: bool = False,
    root: bool = True, clock: Callable[[int], int] = lambda t: t, power: int = 2,
    weights: bool = True,
) -> list[Any]:  # fmt: skip
    g = gradient(theta)
    b1, b2 = betas[::-1] if swap else betas
    s["m"] = b1 * s.get("m", 0.0) + (1 - b1 if weights else 1.0) * g
    s["v"] = b2 * s.get("v", 0.0) + (1 - b2 if weights else 1.0) * np.abs(g) ** power
    with np.errstate(all="ignore"):
        m = s["m"] / np.float64(1 - b1 ** clock(t)) if first else s["m"]
        v = s["v"] / np.float64(1 - b2 ** clock(t)) if second else s["v"]
        scale = np.sqrt(v + eps) if inside else (np.sqrt(v) if root else v) + eps
        return [theta - lr * m / scale]


MOMENTS = {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3}

ADAM = Rule(
    _adam, MOMENTS,
    [
        ("the bias correction is missing: m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ)",
         partial(_adam, first=False, second=False)),
        ("the bias correction of m is missing: m̂ = m/(1 − β₁ᵗ)", partial(_adam, first=False)),
        ("the bias correction of v is missing: v̂ = v/(1 − β₂ᵗ)", partial(_adam, second=False)),
        ("t starts at 0, where 1 − βᵗ is 0: it counts from 1",
         partial(_adam, clock=lambda t: t - 1)),
        ("t starts at 2: it counts from 1", partial(_adam, clock=lambda t: t + 1)),
        ("t stays 1 in the bias correction: it counts the steps",
         partial(_adam, clock=lambda t: 1)),
        ("β₁ and β₂ are exchanged: β₁ belongs to m, β₂ to v", partial(_adam, swap=True)),
        ("ε stands inside of the root: √v̂ + ε", partial(_adam, inside=True)),
        ("the root is missing: m̂ / (√v̂ + ε)", partial(_adam, root=False)),
        ("the gradient is not squared: v is the mean of g²", partial(_adam, power=1)),
        ("the weights 1 − β are missing in m and v", partial(_adam, weights=False)),
        ("m and v start at 0 again in each step: keep them in the object", _no_state(_adam)),
        ("the sign: the steps go up the gradient",
         lambda theta, *rest, **settings: [2 * theta - _adam(theta, *rest, **settings)[0]]),
    ],
    _flat(MOMENTS),
)  # fmt: skip

adam = Exercise(
    "adam", "Adam: adaptive moments", ("L35",), "Adam",
    """
Adam keeps running means of g and g², 0 at first: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g².  In
step t = 1, 2, … they are corrected, m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ), and θ ← θ − lr · m̂ /
(√v̂ + ε). The new θ is returned, and the arrays that came in stay as they are.""",
    '''
import numpy as np


class Adam:
    def __init__(self, lr=0.001, betas=(0.9, 0.999), eps=1e-8):
        self.lr, self.betas, self.eps = lr, betas, eps

    def step(self, theta, grad):
        """Return the new theta, in the shape of theta."""
        ...
''', ADAM.parts,
)  # fmt: skip
