"""GainSGD: gradient descent with a gain for each weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import Value, maximum, minimum, sign, where
from ._checks import check_entry, check_number
from .optimizer import Group, Optimizer, Params, decayed

__all__ = ["GainSGD"]


class GainSGD(Optimizer):
    """Gradient descent whose rate has a factor for each weight (L69; Hinton, lecture 6d).

    With g the gradient (plus λθ for weight decay λ), g₋ that of the step before, and gains of 1 at
    first::

        gain ← gain + 0.05  if g · g₋ > 0,  else  gain · 0.95,  clipped to [0.1, 10]
        θ ← θ − α · gain · g

    A gain grows slowly while the gradient keeps its sign, and falls at once by a factor when the
    weight begins to swing; if signs are random, it hovers around 1.  Unlike `Rprop`, small
    gradients make small steps; use it with full batches or large ones all the same, so that signs
    change because of the surface and not of the sample.

    Parameters
    ----------
    params : iterable of Value or of groups
        See `Optimizer`.
    lr : float
        Learning rate α ≥ 0.
    clip : pair of float
        Smallest and largest gain, 0 ≤ smallest ≤ 1 ≤ largest.
    increase : float
        What is added to a gain, ≥ 0.
    decrease : float
        What a gain is multiplied by, in [0, 1).
    weight_decay : float
        λ ≥ 0: adds λθ to the gradient.

    Attributes
    ----------
    state : dict
        By parameter: ``prev`` (g₋) and ``gain``.

    Raises
    ------
    TypeError, ValueError
        For bad parameters or settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(1.0)
    >>> optimizer = tg.optim.GainSGD([x], lr=0.1)
    >>> for gradient in (1.0, 1.0, 1.0, -1.0):
    ...     x.grad = gradient
    ...     _ = optimizer.step()
    ...     print(round(optimizer.state[x]["gain"], 6))
    1.0
    1.05
    1.1
    1.045
    """

    def __init__(
        self,
        params: Params,
        lr: float,
        clip: tuple[float, float] = (0.1, 10.0),
        increase: float = 0.05,
        decrease: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "clip": clip,
            "increase": increase,
            "decrease": decrease,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        """Refuse settings out of their ranges."""
        check_number("GainSGD", "lr", group["lr"])
        check_number("GainSGD", "increase", group["increase"])
        check_number("GainSGD", "decrease", group["decrease"], high=1.0)
        check_number("GainSGD", "weight_decay", group["weight_decay"])
        clip = group["clip"]
        if not isinstance(clip, (tuple, list)) or len(clip) != 2:
            raise ValueError(f"GainSGD: clip must be a pair such as (0.1, 10.0), got {clip!r}")
        if not 0.0 <= clip[0] <= 1.0 <= clip[1] < float("inf"):
            raise ValueError(f"GainSGD: clip must be 0 <= smallest <= 1 <= largest, got {clip!r}")

    def check_state(self, entry: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        """Refuse a state that lacks a part, or whose parts cannot belong to the parameter."""
        check_entry(entry, shape, ("prev", "gain"), numbers=())

    def update(self, group: Group, params: list[Value]) -> None:
        """Apply the formulas of the class to one group."""
        lr, decay = group["lr"], group["weight_decay"]
        low, high = group["clip"]
        for p in params:
            theta = p._current()
            g = decayed(p.grad, theta, decay)
            state = self.state.setdefault(p, {})
            if state:
                gain = state["gain"]
                kept = sign(g) * sign(state["prev"]) > 0  # the product of both could underflow
                gain = where(kept, gain + group["increase"], gain * group["decrease"])
                gain = minimum(maximum(gain, low), high)
            else:
                gain = 0.0 * theta + 1.0
            p._rebind(theta - lr * (gain * g))
            state["prev"], state["gain"] = 1.0 * g, gain
