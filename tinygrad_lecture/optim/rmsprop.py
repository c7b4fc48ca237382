"""RMSprop: the idea of Rprop for mini-batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import Value, divide, maximum, sqrt
from ._checks import check_entry, check_flag, check_number
from .optimizer import Group, Optimizer, Params, decayed

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient (L34; Hinton, lecture 6e).

    With g the gradient (plus λθ for weight decay λ), γ = ``alpha``, and r = 0 at first::

        r ← γr + (1 − γ)g²

    =============================  ===============================
    ``eps_inside_sqrt=False``      θ ← θ − α g / (√r + ε)
    (PyTorch)
    ``eps_inside_sqrt=True``       θ ← θ − α g / √(r + ε)
    (the slide, TensorFlow)
    =============================  ===============================

    The two differ where gradients are small: for g = 10⁻⁶ and ε = 10⁻⁸ the step is 0.99α by
    PyTorch's form and 0.01α by the slide's.  If r ≈ g², a step is α sign(g), as in `Rprop`; over
    mini-batches, r stays the same for all of them, so that their gradients average.  As r starts
    at 0 without a correction, the first step is α/√(1 − γ) long.

    ``centered`` subtracts the square of the mean gradient m ← γm + (1 − γ)g: r − m², an estimate of
    the variance, takes the place of r (Graves 2013).  With momentum μ, v ← μv + g/√... comes first,
    and θ ← θ − αv.

    Parameters
    ----------
    params : iterable of Value or of groups
        See `Optimizer`.
    lr : float
        Learning rate α ≥ 0.
    alpha : float
        γ in [0, 1); PyTorch's default is 0.99, Hinton's is 0.9.
    eps : float
        ε ≥ 0.
    weight_decay : float
        λ ≥ 0: adds λθ to the gradient.
    momentum : float
        μ in [0, 1).
    centered : bool
        Whether r − m² takes the place of r.
    eps_inside_sqrt : bool
        Whether ε stands inside of the root.

    Attributes
    ----------
    state : dict
        By parameter: ``square_avg`` (r), and where they are needed ``grad_avg`` (m) and
        ``momentum_buffer`` (v).

    Raises
    ------
    TypeError, ValueError
        For bad parameters or settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(1.0)
    >>> optimizer = tg.optim.RMSprop([x], lr=0.01)
    >>> (1000.0 * x).backward()
    >>> _ = optimizer.step()
    >>> round(x.data, 6)  # 1 - 0.01 / sqrt(1 - 0.99)
    0.9
    """

    def __init__(
        self,
        params: Params,
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        eps_inside_sqrt: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "eps_inside_sqrt": eps_inside_sqrt,
        }
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        """Refuse settings out of their ranges."""
        check_number("RMSprop", "lr", group["lr"])
        check_number("RMSprop", "alpha", group["alpha"], high=1.0)
        check_number("RMSprop", "eps", group["eps"])
        check_number("RMSprop", "weight_decay", group["weight_decay"])
        check_number("RMSprop", "momentum", group["momentum"], high=1.0)
        check_flag("RMSprop", "centered", group["centered"])
        check_flag("RMSprop", "eps_inside_sqrt", group["eps_inside_sqrt"])

    def check_state(self, entry: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        """Refuse a state that lacks a part, or whose parts cannot belong to the parameter."""
        optional = ("grad_avg", "momentum_buffer")
        check_entry(entry, shape, ("square_avg",), numbers=(), optional=optional)

    def update(self, group: Group, params: list[Value]) -> None:
        """Apply the formulas of the class to one group."""
        lr, eps, decay = group["lr"], group["eps"], group["weight_decay"]
        gamma, mu = group["alpha"], group["momentum"]
        for p in params:
            theta = p._current()
            g = decayed(p.grad, theta, decay)
            state = self.state.setdefault(p, {})
            r = _average(state, "square_avg", gamma, g * g)
            if group["centered"]:
                m = _average(state, "grad_avg", gamma, g)
                r = maximum(r - m * m, 0.0)  # a variance, that rounding could make negative
            v = divide(g, sqrt(r + eps) if group["eps_inside_sqrt"] else sqrt(r) + eps)
            if mu:
                if "momentum_buffer" in state:
                    v = mu * state["momentum_buffer"] + v
                state["momentum_buffer"] = v
            p._rebind(theta - lr * v)


def _average(state: dict[str, Any], key: str, gamma: Any, x: Any) -> Any:
    """Take x into a running mean that begins at 0, and return it."""
    x = (1.0 - gamma) * x
    state[key] = gamma * state[key] + x if key in state else x
    return state[key]
