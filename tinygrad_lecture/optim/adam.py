"""Adam and AdamW: steps scaled by moving averages of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import Value, divide, maximum, sqrt
from ._checks import check_betas, check_entry, check_flag, check_number
from .optimizer import Group, Optimizer, Params

__all__ = ["Adam", "AdamW"]


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
    problems on which Adam does not converge.  ``amsgrad=True`` mends those (Reddi, Kale and Kumar
    2018): the largest v so far, which never shrinks, takes the place of v in the root.

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
        it does all of the gradient; `AdamW` does not.
    amsgrad : bool
        Whether the root is taken of the largest v so far.
    bias_correction : bool
        False leaves the divisions by 1 − βᵗ out (RMSprop with momentum), to see what they are for:
        the first step is (1 − β₁)/√(1 − β₂) = 3.16 times as long then.

    Attributes
    ----------
    state : dict
        By parameter: ``step`` (t, a float), ``exp_avg`` (m), ``exp_avg_sq`` (v), and with amsgrad
        ``max_exp_avg_sq``.

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

    decoupled = False  # whether weight decay acts beside the gradient: AdamW

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        bias_correction: bool = True,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "bias_correction": bias_correction,
        }
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        """Refuse settings out of their ranges."""
        name = type(self).__name__
        check_number(name, "lr", group["lr"])
        check_betas(name, group["betas"])
        check_number(name, "eps", group["eps"])
        check_number(name, "weight_decay", group["weight_decay"])
        check_flag(name, "amsgrad", group["amsgrad"])
        check_flag(name, "bias_correction", group["bias_correction"])

    def check_state(self, entry: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        """Refuse a state that lacks a part, or whose parts cannot belong to the parameter."""
        check_entry(entry, shape, ("exp_avg", "exp_avg_sq"), optional=("max_exp_avg_sq",))

    def update(self, group: Group, params: list[Value]) -> None:
        """Apply the formulas of the class to one group."""
        lr, eps, decay = group["lr"], group["eps"], group["weight_decay"]
        beta1, beta2 = group["betas"]
        for p in params:
            theta, g = p._current(), p.grad
            if decay:
                if self.decoupled:
                    theta = theta - (lr * decay) * theta
                else:
                    g = g + decay * theta
            state = self.state.setdefault(p, {})
            m, v = (1.0 - beta1) * g, (1.0 - beta2) * (g * g)
            t = 1.0
            if state:
                t = state["step"] + t
                m, v = beta1 * state["exp_avg"] + m, beta2 * state["exp_avg_sq"] + v
            state["step"], state["exp_avg"], state["exp_avg_sq"] = t, m, v
            if group["amsgrad"]:
                v = maximum(state.get("max_exp_avg_sq", v), v)
                state["max_exp_avg_sq"] = v
            root, scale = 1.0, lr
            if group["bias_correction"]:
                root = sqrt(1.0 - beta2**t)
                scale = lr * root / (1.0 - beta1**t)
            p._rebind(theta - scale * divide(m, sqrt(v) + eps * root))


class AdamW(Adam):
    """Adam whose weight decay is not rescaled (Loshchilov and Hutter 2019, arXiv:1711.05101).

    The decay leaves the gradient alone, and with it the averages m and v of `Adam`::

        θ ← θ − αλθ − α m̂ / (√v̂ + ε)

    So all weights shrink at the same rate, where Adam's decay is divided by √v̂ as the gradient is:
    weights with large gradients hardly decay there.  As in PyTorch, and unlike in the paper, α
    scales the decay as well.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, bias_correction
        See `Adam`.
    weight_decay : float
        λ ≥ 0; PyTorch's default is 0.01.

    Raises
    ------
    TypeError, ValueError
        For bad parameters or settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(1.0)
    >>> optimizer = tg.optim.AdamW([x], lr=0.1, weight_decay=0.5)
    >>> (3.0 * x).backward()
    >>> _ = optimizer.step()
    >>> round(x.data, 6)  # 1 - 0.1 * 0.5 * 1 - 0.1
    0.85
    """

    decoupled = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        bias_correction: bool = True,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, bias_correction=bias_correction
        )
