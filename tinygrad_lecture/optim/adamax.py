"""Adamax: Adam with the largest recent gradient in place of the root of a mean square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import Value, abs, divide, maximum
from ._checks import check_betas, check_entry, check_number
from .optimizer import Group, Optimizer, Params, decayed

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adam in the limit of the infinity norm (L36; Kingma and Ba 2015, section 7.1).

    With g the gradient (plus λθ for weight decay λ), m = u = 0 at first, step t = 1, 2, ... is::

        m ← β₁m + (1 − β₁)g             u ← max(β₂u, |g| + ε)
        θ ← θ − α/(1 − β₁ᵗ) · m/u

    u is the largest recent |g|, fading by β₂ a step; unlike Adam's mean of squares it needs no
    correction for its start at 0.  The paper has no ε (``eps=0``: a gradient that was always 0
    then gives nan, as 0/0 does); PyTorch's is inside of the maximum.

    A step moves a parameter by at most α(1 − β₁)/(1 − β₁/β₂), which is 1.0091α at the defaults,
    if β₁ < β₂; the paper's |Δθ| ≤ α is slightly too tight.

    Parameters
    ----------
    params : iterable of Value or of groups
        See `Optimizer`.
    lr : float
        Learning rate α ≥ 0.
    betas : pair of float
        β₁ and β₂ in [0, 1).
    eps : float
        ε ≥ 0.
    weight_decay : float
        λ ≥ 0: adds λθ to the gradient.

    Attributes
    ----------
    state : dict
        By parameter: ``step`` (t), ``exp_avg`` (m) and ``exp_inf`` (u).

    Raises
    ------
    TypeError, ValueError
        For bad parameters or settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(1.0)
    >>> optimizer = tg.optim.Adamax([x], lr=0.1)
    >>> (1000.0 * x).backward()
    >>> _ = optimizer.step()
    >>> round(x.data, 6)  # the first step is lr, whatever the scale
    0.9
    """

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        """Refuse settings out of their ranges."""
        check_number("Adamax", "lr", group["lr"])
        check_betas("Adamax", group["betas"])
        check_number("Adamax", "eps", group["eps"])
        check_number("Adamax", "weight_decay", group["weight_decay"])

    def check_state(self, entry: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        """Refuse a state that lacks a part, or whose parts cannot belong to the parameter."""
        check_entry(entry, shape, ("exp_avg", "exp_inf"))

    def update(self, group: Group, params: list[Value]) -> None:
        """Apply the formulas of the class to one group."""
        lr, eps, decay = group["lr"], group["eps"], group["weight_decay"]
        beta1, beta2 = group["betas"]
        for p in params:
            theta = p._current()
            g = decayed(p.grad, theta, decay)
            state = self.state.setdefault(p, {})
            t, m, u = 1.0, (1.0 - beta1) * g, abs(g) + eps
            if state:
                t = state["step"] + t
                m, u = beta1 * state["exp_avg"] + m, maximum(beta2 * state["exp_inf"], u)
            p._rebind(theta - (lr / (1.0 - beta1**t)) * divide(m, u))
            state["step"], state["exp_avg"], state["exp_inf"] = t, m, u
