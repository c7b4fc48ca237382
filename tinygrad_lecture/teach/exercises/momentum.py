"""Exercises about the velocity: momentum, Nesterov's gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..exercise import Exercise
from .rules import Rule, State, forgetful, rates


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
         forgetful(_momentum)),
        ("the gradient is damped by 1 − μ: V ← μV − αg takes it whole",
         partial(_momentum, damp=True)),
        ("PyTorch's form, v ← μv + g and θ ← θ − αv: when α changes it rescales all of the "
         "velocity; in V ← μV − αg old steps keep their α", partial(_momentum, keeps_rate=False)),
        ("μ multiplies θ itself, and belongs to the velocity", _theta_momentum),
        ("θ moves by the old velocity: change V first, then θ ← θ + V", _from_fresh),
        ("the velocity never shrinks: μ is missing in V ← μV − αg", _undamped),
        ("this is Nesterov's form, θ ← θ + μV − αg; here θ ← θ + V is asked for", _looking),
    ],
    rates(PAIR),
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
         forgetful(_nesterov)),
        ("μV is missing in the new velocity: V ← μV − αg", _without),
    ],
    rates(PAIR),
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
