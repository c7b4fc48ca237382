"""Exercises about steps of adapted size: RMSprop, Adam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..exercise import Exercise
from .rules import Rule, State, flat, forgetful


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
        ("ε is missing: g / (√r + ε)",
         lambda *args, **settings: _rmsprop(*args, **settings | {"eps": 0.0})),
        ("r starts at 1, and 0 is asked for", partial(_rmsprop, start=1.0)),
        ("r is divided by 1 − αᵗ: that is Adam's correction, RMSprop has none",
         partial(_rmsprop, corrected=True)),
        ("the squares are summed up and never forgotten (that is Adagrad): r ← α r + (1 − α) g²",
         partial(_rmsprop, summed=True)),
        ("r starts at 0 again in each step: keep it in the object (self.r)", forgetful(_rmsprop)),
        ("θ moves with the old r: change r first", partial(_rmsprop, old=True)),
        ("the sign: the steps go up the gradient",
         lambda theta, *rest, **settings: [2 * theta - _rmsprop(theta, *rest, **settings)[0]]),
    ],
    flat(SQUARES),
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
        ("ε is missing: m̂ / (√v̂ + ε)",
         lambda *args, **settings: _adam(*args, **settings | {"eps": 0.0})),
        ("the gradient is not squared: v is the mean of g²", partial(_adam, power=1)),
        ("the weights 1 − β are missing in m and v", partial(_adam, weights=False)),
        ("m and v start at 0 again in each step: keep them in the object", forgetful(_adam)),
        ("the sign: the steps go up the gradient",
         lambda theta, *rest, **settings: [2 * theta - _adam(theta, *rest, **settings)[0]]),
    ],
    flat(MOMENTS),
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
