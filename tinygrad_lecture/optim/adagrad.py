"""Adagrad: a learning rate for each parameter, that falls with the gradients it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import Value, divide, sqrt
from ._checks import check_entry, check_number
from .optimizer import Group, Optimizer, Params, decayed

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Steps divided by the root of all squared gradients so far (L37; Duchi et al. 2011).

    With g the gradient (plus λθ for weight decay λ) and c = c₀ at first, step t = 1, 2, ... is::

        c ← c + g²
        θ ← θ − α/(1 + (t − 1)η) · g / (√c + ε)

    One step size is not enough where the loss is steep along one axis and flat along another; here
    each parameter has its own.  It only ever falls, about as 1/√t, which suits convex problems and
    rare features; `RMSprop` forgets old gradients instead.

    Parameters
    ----------
    params : iterable of Value or of groups
        See `Optimizer`.
    lr : float
        Learning rate α ≥ 0.
    lr_decay : float
        η ≥ 0: lets the rate fall on top.
    weight_decay : float
        λ ≥ 0: adds λθ to the gradient.
    initial_accumulator_value : float
        c₀ ≥ 0.
    eps : float
        ε ≥ 0, outside of the root.

    Attributes
    ----------
    state : dict
        By parameter: ``step`` (t) and ``sum`` (c).

    Raises
    ------
    TypeError, ValueError
        For bad parameters or settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(1.0)
    >>> optimizer = tg.optim.Adagrad([x], lr=0.1)
    >>> for _ in range(4):
    ...     optimizer.zero_grad()
    ...     (5.0 * x).backward()
    ...     _ = optimizer.step()
    >>> round(x.data, 6)  # 1 - 0.1 (1 + 1/√2 + 1/√3 + 1/√4)
    0.721554
    """

    def __init__(
        self,
        params: Params,
        lr: float = 0.01,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
        }
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        """Refuse settings out of their ranges."""
        for key in self.defaults:
            check_number("Adagrad", key, group[key])

    def check_state(self, entry: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        """Refuse a state that lacks a part, or whose parts cannot belong to the parameter."""
        check_entry(entry, shape, ("sum",))

    def update(self, group: Group, params: list[Value]) -> None:
        """Apply the formulas of the class to one group."""
        lr, eps, decay = group["lr"], group["eps"], group["weight_decay"]
        start = group["initial_accumulator_value"]
        for p in params:
            theta = p._current()
            g = decayed(p.grad, theta, decay)
            state = self.state.setdefault(p, {})
            t, c = 1.0, g * g
            if state:
                t, c = state["step"] + t, state["sum"] + c
            else:
                c = start + c
            rate = lr / (1.0 + (t - 1.0) * group["lr_decay"])
            p._rebind(theta - rate * divide(g, sqrt(c) + eps))
            state["step"], state["sum"] = t, c
