"""Adam: steps scaled by moving averages of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine import Value, divide, sqrt
from ._checks import check_number
from .optimizer import Group, Optimizer, Params

__all__ = ["Adam"]

STATE = ("step", "exp_avg", "exp_avg_sq")


class Adam(Optimizer):
    """Adaptive moments (L35; Kingma and Ba 2015, arXiv:1412.6980, algorithm 1).

    With g the gradient (plus λθ for weight decay λ), α the learning rate, and m = v = 0 before
    the first step, step t = 1, 2, ... of a parameter is::

        m ← β₁m + (1 − β₁)g             v ← β₂v + (1 − β₂)g²
        m̂ = m / (1 − β₁ᵗ)               v̂ = v / (1 − β₂ᵗ)
        θ ← θ − α m̂ / (√v̂ + ε)

    The divisions by 1 − βᵗ take back the pull of the averages toward their start at 0: at t = 1,
    m̂ = g and v̂ = g², so the first step is α in the direction of −sign(g), whatever the scale of
    the loss.  It is computed in the order that the end of section 2 of the paper advises, in
    which the corrections are numbers and cost no work on arrays:
    θ ← θ − α√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m / (√v + ε√(1 − β₂ᵗ)).

    The paper's defaults are PyTorch's.  They are advice, not a guarantee: there are convex
    problems on which Adam does not converge (Reddi et al. 2018).

    Parameters
    ----------
    params : iterable of Value or of groups
        See `Optimizer`.
    lr : float
        Learning rate α ≥ 0.
    betas : pair of float
        β₁ and β₂ in [0, 1): how slowly the averages of g and g² forget.
    eps : float
        ε ≥ 0, outside of the root.  With 0, a gradient that was always 0 gives nan, as 0/0 does.
    weight_decay : float
        λ ≥ 0: adds λθ to the gradient, that is λ/2 ‖θ‖² to the loss.  Adam then rescales it as
        it does all of the gradient.

    Attributes
    ----------
    state : dict
        By parameter: ``step`` (t, a float), ``exp_avg`` (m) and ``exp_avg_sq`` (v).

    Raises
    ------
    TypeError, ValueError
        For bad parameters or settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(1.0)
    >>> optimizer = tg.optim.Adam([x], lr=0.1)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (x * x).backward()
    ...     _ = optimizer.step()
    >>> round(x.data, 6), optimizer.state[x]["step"]
    (0.701586, 3.0)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        """Refuse settings out of their ranges."""
        check_number("Adam", "lr", group["lr"])
        betas = group["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"Adam: betas must be a pair such as (0.9, 0.999), got {betas!r}")
        check_number("Adam", "betas[0]", betas[0], high=1.0)
        check_number("Adam", "betas[1]", betas[1], high=1.0)
        check_number("Adam", "eps", group["eps"])
        check_number("Adam", "weight_decay", group["weight_decay"])

    def check_state(self, entry: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        """Refuse a state that lacks a part, or whose parts cannot belong to the parameter."""
        if set(entry) != set(STATE):
            raise ValueError(f"it has {', '.join(entry)}, not {', '.join(STATE)}")
        step, m, v = (entry[key] for key in STATE)
        if not (isinstance(step, float) and step >= 0):
            raise ValueError(f"step must be a number of at least 0, got {step!r}")
        for key, moment in (("exp_avg", m), ("exp_avg_sq", v)):
            if not isinstance(moment, (float, np.ndarray)) or np.shape(moment) != shape:
                raise ValueError(f"{key} must have the parameter's shape {shape}, got {moment!r}")

    def update(self, group: Group, params: list[Value]) -> None:
        """Apply the formulas of the class to one group."""
        lr, eps, decay = group["lr"], group["eps"], group["weight_decay"]
        beta1, beta2 = group["betas"]
        for p in params:
            theta, g = p._current(), p.grad
            if decay:
                g = g + decay * theta
            state = self.state.setdefault(p, {})
            m, v = (1.0 - beta1) * g, (1.0 - beta2) * (g * g)
            t = 1.0
            if state:
                t = state["step"] + t
                m, v = beta1 * state["exp_avg"] + m, beta2 * state["exp_avg_sq"] + v
            root = sqrt(1.0 - beta2**t)
            scale = lr * root / (1.0 - beta1**t)
            p._rebind(theta - divide(scale * m, sqrt(v) + eps * root))
            state["step"], state["exp_avg"], state["exp_avg_sq"] = t, m, v
