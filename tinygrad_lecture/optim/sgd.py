"""Stochastic gradient descent with momentum, in PyTorch's and in the lecture's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..engine import Value
from ._checks import check_entry, check_number
from .optimizer import Group, Optimizer, Params

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent on whatever batch the loss was computed from (L16, L18, L30, L32).

    With g the gradient (plus λθ for weight decay λ), α the learning rate, μ the momentum and τ
    the dampening, one step is:

    =============  ====================================  =================================
    ..             ``momentum_form="pytorch"``           ``momentum_form="lecture"``
    =============  ====================================  =================================
    μ = 0          θ ← θ − αg                            θ ← θ − αg
    μ > 0          v ← μv + (1 − τ)g, at first v = g;    V ← μV − αg, at first V = −αg;
    ..             θ ← θ − αv                            θ ← θ + V
    μ, nesterov    v as above; θ ← θ − α(g + μv)         V as above; θ ← θ + μV − αg
    =============  ====================================  =================================

    At a constant α both forms take the same path (V = −αv). When α changes they differ: the
    lecture's V keeps the old step sizes, PyTorch's form rescales the whole velocity at once.
    Nesterov's gradient belongs at the look-ahead point x + μV (Sutskever et al. 2013): the
    parameters here *are* that point, θ = x + μV, which turns the rule for x into the one in the
    table.

    Parameters
    ----------
    params : iterable of Value or of groups
        See `Optimizer`.
    lr : float
        Learning rate α ≥ 0.
    momentum : float
        μ in [0, 1).
    dampening : float
        τ in [0, 1], PyTorch's form only.
    weight_decay : float
        λ ≥ 0: adds λθ to the gradient, that is λ/2 ‖θ‖² to the loss.
    nesterov : bool
        Needs momentum > 0 and dampening = 0.
    momentum_form : {"pytorch", "lecture"}

    Raises
    ------
    TypeError, ValueError
        For bad parameters or settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(1.0)
    >>> optimizer = tg.optim.SGD([x], lr=0.1)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (x * x).backward()
    ...     _ = optimizer.step()
    >>> round(x.data, 12)  # (1 - 2 lr) ** 3
    0.512
    """

    def __init__(
        self,
        params: Params,
        lr: float,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        momentum_form: Literal["pytorch", "lecture"] = "pytorch",
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "momentum_form": momentum_form,
        }
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        """Refuse settings out of their ranges."""
        check_number("SGD", "lr", group["lr"])
        momentum = check_number("SGD", "momentum", group["momentum"], high=1.0)
        dampening = check_number("SGD", "dampening", group["dampening"])
        check_number("SGD", "weight_decay", group["weight_decay"])
        if group["momentum_form"] not in ("pytorch", "lecture"):
            raise ValueError(
                f'SGD: momentum_form is "pytorch" or "lecture", got {group["momentum_form"]!r}'
            )
        if dampening > 1.0:
            raise ValueError(f"SGD: dampening must be at most 1, got {dampening:g}")
        if dampening and group["momentum_form"] == "lecture":
            raise ValueError('SGD: dampening belongs to momentum_form="pytorch", set it to 0')
        if group["nesterov"] and (momentum == 0.0 or dampening):
            raise ValueError("SGD: nesterov=True needs momentum > 0 and dampening = 0")

    def check_state(self, entry: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        """Refuse a state that cannot belong to the parameter."""
        check_entry(entry, shape, ("momentum_buffer",), numbers=())

    def update(self, group: Group, params: list[Value]) -> None:
        """Apply the formulas of the class to one group."""
        lr, mu, decay = group["lr"], group["momentum"], group["weight_decay"]
        dampening, nesterov = group["dampening"], group["nesterov"]
        lecture = group["momentum_form"] == "lecture"
        for p in params:
            theta, g = p._current(), p.grad
            if decay:
                g = g + decay * theta
            if not mu:
                p._rebind(theta - lr * g)
                continue
            state = self.state.setdefault(p, {})
            v = state.get("momentum_buffer")
            if lecture:
                v = -lr * g if v is None else mu * v - lr * g
                p._rebind(theta + (mu * v - lr * g if nesterov else v))
            else:
                v = (
                    1.0 * g if v is None else mu * v + ((1.0 - dampening) * g if dampening else g)
                )  # 1.0 *: an array of its own
                p._rebind(theta - lr * (g + mu * v if nesterov else v))
            state["momentum_buffer"] = v
