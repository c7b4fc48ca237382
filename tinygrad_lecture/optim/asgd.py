"""ASGD: stochastic gradient descent that also keeps the average of its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import Value, maximum
from ._checks import check_entry, check_number
from .optimizer import Group, Optimizer, Params, decayed

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Averaged stochastic gradient descent (L22; Polyak and Juditsky 1992, Bottou 2012).

    With g the gradient (plus that of the weight decay), step t = 1, 2, ... is::

        γ = α (1 + λα(t − 1))^(−κ)              μ = 1 / max(1, t − 1 − t₀)
        θ ← θ − γ(g + λθ)                       θ̄ ← (1 − μ)θ̄ + μθ

    with λ = ``lambd``, κ = ``alpha`` and t₀ = ``t0``.  λ is the weight of an L2 penalty in the
    loss, λ/2 ‖θ‖², of which the step takes care; it is how strongly convex the loss is known to
    be, and sets how fast γ falls: more slowly than the 1/t that suits θ itself, for noise is what
    the average θ̄ takes out.  It is the mean of the path from step t₀ + 2 on, and θ itself before.

    The model is at θ; what to evaluate in the end is θ̄, in ``optimizer.state[p]["ax"]``.  As in
    PyTorch ``t0`` is 10⁶ at first, which averages nothing: set it to where the path begins to
    hover, after the first epoch or so.  A rate α that a schedule changes counts at once, where
    PyTorch has a step of delay.

    Parameters
    ----------
    params : iterable of Value or of groups
        See `Optimizer`.
    lr : float
        Learning rate α ≥ 0 of the first step.
    lambd : float
        λ ≥ 0.
    alpha : float
        κ ≥ 0.
    t0 : float
        t₀ ≥ 0: number of the step after which averaging begins.
    weight_decay : float
        Adds this times θ to the gradient, on top of λθ.

    Attributes
    ----------
    state : dict
        By parameter: ``step`` (t) and ``ax`` (θ̄).

    Raises
    ------
    TypeError, ValueError
        For bad parameters or settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(0.0)
    >>> optimizer = tg.optim.ASGD([x], lr=1.0, lambd=0.0, t0=0)
    >>> for gradient in (0.0, 1.0, -1.0, 1.0, -1.0):
    ...     x.grad = gradient
    ...     _ = optimizer.step()
    >>> x.data, optimizer.state[x]["ax"]  # the path is 0, -1, 0, -1, 0
    (0.0, -0.5)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 0.01,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        """Refuse settings out of their ranges."""
        for key in self.defaults:
            check_number("ASGD", key, group[key])

    def check_state(self, entry: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        """Refuse a state that lacks a part, or whose parts cannot belong to the parameter."""
        check_entry(entry, shape, ("ax",))

    def update(self, group: Group, params: list[Value]) -> None:
        """Apply the formulas of the class to one group."""
        lr, lambd, decay = group["lr"], group["lambd"], group["weight_decay"]
        for p in params:
            theta = p._current()
            g = decayed(p.grad, theta, decay)
            state = self.state.setdefault(p, {})
            before = state.get("step", 0.0)
            rate = lr * (1.0 + lambd * lr * before) ** -group["alpha"]
            theta = theta - rate * (g + lambd * theta)
            p._rebind(theta)
            mean = 1.0 * theta  # an array of its own
            if state:
                mu = 1.0 / maximum(1.0, before - group["t0"])
                mean = (1.0 - mu) * state["ax"] + mu * theta
            state["step"], state["ax"] = before + 1.0, mean
