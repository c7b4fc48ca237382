"""Rprop: steps of a size of their own for each parameter, along the sign of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..engine import Value, maximum, minimum, sign, where
from ._checks import check_choice, check_entry, check_number
from .optimizer import Group, Optimizer, Params

__all__ = ["Rprop"]

VARIANTS = ("rprop+", "rprop-", "irprop+", "irprop-")


class Rprop(Optimizer):
    """Resilient backpropagation in four variants (L33; Riedmiller and Braun 1993).

    Each number of a parameter has a step size Δ, at first Δ = α.  It grows while the gradient g
    keeps its sign, and shrinks when the sign changes, because then a minimum was jumped over.  With
    s = g · g₋, g₋ the stored gradient of the step before, and 0 before the first step::

        s > 0:  Δ ← min(η⁺Δ, Δmax)      s < 0:  Δ ← max(η⁻Δ, Δmin)
        θ ← θ − sign(g) Δ

    What else happens where s < 0 makes the variants (Igel and Hüsken 2000):

    ============  =========================================================================
    ``rprop-``    nothing else: the step as above
    ``rprop+``    the step before is taken back instead, and g₋ ← 0
    ``irprop-``   no step, and g₋ ← 0; this is PyTorch's, and the default
    ``irprop+``   the step before is taken back if the loss grew, else no step; and g₋ ← 0
    ============  =========================================================================

    g₋ ← 0 has s = 0 follow: a step with the smaller Δ, which does not change once more.

    Only for full batches: it would follow the sign of most of the gradients of mini-batches, not
    the sign of their mean.  `RMSprop` is the repair.

    Parameters
    ----------
    params : iterable of Value or of groups
        See `Optimizer`.
    lr : float
        α ≥ 0, the first Δ: PyTorch's 0.01; Riedmiller and Braun have 0.1.  No later step reads it.
    etas : pair of float
        η⁻ in (0, 1) and η⁺ > 1.
    step_sizes : pair of float
        Δmin and Δmax, 0 ≤ Δmin ≤ Δmax.
    variant : {"irprop-", "irprop+", "rprop-", "rprop+"}
        "irprop+" needs the loss: ``optimizer.step(loss)``, or a closure that returns it.

    Attributes
    ----------
    state : dict
        By parameter: ``prev`` (g₋) and ``step_size`` (Δ); for the "+" variants ``change``, the last
        change of θ; for "irprop+" ``loss``, the loss before it.

    Raises
    ------
    TypeError, ValueError
        For bad parameters or settings out of their ranges; by ``step``, if "irprop+" gets no loss.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(1.0)
    >>> optimizer = tg.optim.Rprop([x], lr=0.5)
    >>> for _ in range(3):  # steps of 0.5, 0.6, and none where the slope turned
    ...     optimizer.zero_grad()
    ...     (1000.0 * x * x).backward()
    ...     _ = optimizer.step()
    ...     print(round(x.data, 6))
    0.5
    -0.1
    -0.1
    """

    def __init__(
        self,
        params: Params,
        lr: float = 0.01,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        variant: Literal["irprop-", "irprop+", "rprop-", "rprop+"] = "irprop-",
    ) -> None:
        self._loss: Any = None
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "variant": variant}
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        """Refuse settings out of their ranges."""
        check_number("Rprop", "lr", group["lr"])
        check_choice("Rprop", "variant", group["variant"], VARIANTS)
        for name, wanted in (("etas", "(0.5, 1.2)"), ("step_sizes", "(1e-6, 50.0)")):
            pair = group[name]
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ValueError(f"Rprop: {name} must be a pair such as {wanted}, got {pair!r}")
        minus, plus = group["etas"]
        if not 0.0 < minus < 1.0 < plus < float("inf"):
            raise ValueError(f"Rprop: etas must be 0 < η⁻ < 1 < η⁺, got {group['etas']!r}")
        low, high = group["step_sizes"]
        if not 0.0 <= low <= high < float("inf"):
            raise ValueError(
                f"Rprop: step_sizes must be 0 <= smallest <= largest, got {group['step_sizes']!r}"
            )

    def check_state(self, entry: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        """Refuse a state that lacks a part, or whose parts cannot belong to the parameter."""
        if not isinstance(entry.get("loss", 0.0), float):
            raise ValueError(f"loss must be a number, got {entry['loss']!r}")
        rest = {key: value for key, value in entry.items() if key != "loss"}
        check_entry(rest, shape, ("prev", "step_size"), numbers=(), optional=("change",))

    def see_loss(self, loss: Any) -> None:
        """Keep the loss for this step."""
        if loss is None and any(group["variant"] == "irprop+" for group in self.param_groups):
            raise ValueError(
                'Rprop: variant="irprop+" compares the loss with that of the step before; call'
                " optimizer.step(loss), or step(closure) with a closure that returns the loss"
            )
        self._loss = loss._current() if isinstance(loss, Value) else loss

    def update(self, group: Group, params: list[Value]) -> None:
        """Apply the formulas of the class to one group."""
        minus, plus = group["etas"]
        low, high = group["step_sizes"]
        variant, loss = group["variant"], self._loss
        for p in params:
            theta, g = p._current(), p.grad
            state = self.state.setdefault(p, {})
            if not state:  # s = 0: Δ = α, as everything of g's shape and dtype
                size = minimum(maximum(0.0 * theta + group["lr"], low), high)
                change = -sign(g) * size
            else:
                s = sign(g) * sign(state["prev"])  # the product g · g₋ could underflow
                size, turned = state["step_size"], s < 0
                size = where(s > 0, plus * size, where(turned, minus * size, size))
                size = minimum(maximum(size, low), high)
                if variant != "rprop-":
                    g = where(turned, 0.0, g)
                change = -sign(g) * size
                if variant == "rprop+":
                    change = where(turned, -state["change"], change)
                elif variant == "irprop+":
                    grew = loss > state["loss"]
                    change = where(turned, where(grew, -state["change"], 0.0), change)
            p._rebind(theta + change)
            state["prev"], state["step_size"] = 1.0 * g, size
            if variant in ("rprop+", "irprop+"):
                state["change"] = change
            if variant == "irprop+":
                state["loss"] = 1.0 * loss
