"""Clipping of gradients, in place, between ``backward()`` and ``optimizer.step()``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine import Value, abs, divide, max, maximum, minimum, norm, power, stack, sum
from ..engine.value import raw

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def clip_grad_norm_(
    parameters: Value | Iterable[Value],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = True,
) -> Any:
    """Scale all gradients by one factor, so that together they are no longer than `max_norm`.

    With ‖g‖ the norm of all gradients as one vector, g ← g · min(1, max_norm / (‖g‖ + 10⁻⁶)): the
    direction stays (Pascanu, Mikolov and Bengio 2013).  It works in compiled steps too, and PyTorch
    has the same formula, 10⁻⁶ included.  Where `train.fit` takes the steps, let the optimizer call
    it: ``optimizer.register_step_pre_hook(lambda *_: clip_grad_norm_(parameters, 1.0))``, with
    ``parameters`` a list.

    Parameters
    ----------
    parameters : Value or iterable of Value
        Those without a gradient count as 0.
    max_norm : float
        > 0.
    norm_type : float
        p >= 1 of the p-norm (Σ |gᵢ|ᵖ)^(1/p), or ``inf`` for the largest |gᵢ|.
    error_if_nonfinite : bool
        False lets a nan or inf through, which makes all gradients nan or 0.  It is PyTorch's
        default, and not ours: one such step ends a training.

    Returns
    -------
    float
        ‖g‖ before clipping; 0 if there are no gradients.  Inside of a compiled function, the Value
        that stands for it.

    Raises
    ------
    RuntimeError
        If ‖g‖ is not finite, with the name of a parameter to blame; all gradients are as before.
    TypeError, ValueError
        If something else than Values is passed, or a setting is out of its range.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value([0.0, 0.0])
    >>> (x * [30.0, -40.0]).sum().backward()
    >>> tg.nn.utils.clip_grad_norm_(x, max_norm=5.0)
    50.0
    >>> x.grad.round(6)
    array([ 3., -4.])
    """
    name = "clip_grad_norm_"
    max_norm = _positive(name, "max_norm", max_norm)
    if not norm_type >= 1.0:
        raise ValueError(f"{name}: norm_type must be at least 1, or inf, got {norm_type!r}")
    ready = _with_gradients(name, parameters)
    if not ready:
        return 0.0
    sizes = stack([_norm(p.grad, norm_type) for _, p in ready])
    total = _norm(sizes, norm_type)
    total = total if isinstance(total, Value) else float(total)
    if error_if_nonfinite and not np.isfinite(total):
        _refuse(name, ready)
        raise RuntimeError(
            f"{name}: all gradients are finite, but their norm is not: it overflows; scale the"
            " loss, or use clip_grad_value_"
        )
    factor = minimum(divide(max_norm, total + 1e-6), 1.0)
    for _, p in ready:
        _replace(p, factor * p.grad)
    return total


def clip_grad_value_(
    parameters: Value | Iterable[Value], clip_value: float, error_if_nonfinite: bool = True
) -> None:
    """Bring every number of the gradients into [−clip_value, clip_value].

    The direction changes, other than with `clip_grad_norm_`; it works in compiled steps too.

    Parameters
    ----------
    parameters : Value or iterable of Value
        Those without a gradient are left alone.
    clip_value : float
        > 0.
    error_if_nonfinite : bool
        False clips ±inf and leaves nan, as PyTorch always does.

    Raises
    ------
    RuntimeError
        If a gradient holds nan or inf, with the parameter's name; all gradients are as before.
    TypeError, ValueError
        If something else than Values is passed, or a setting is out of its range.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value([0.0, 0.0])
    >>> (x * [30.0, -0.5]).sum().backward()
    >>> tg.nn.utils.clip_grad_value_(x, 1.0)
    >>> x.grad
    array([ 1. , -0.5])
    """
    name = "clip_grad_value_"
    clip_value = _positive(name, "clip_value", clip_value)
    ready = _with_gradients(name, parameters)
    if error_if_nonfinite and not all(np.all(np.isfinite(p.grad)) for _, p in ready):
        _refuse(name, ready)
    for _, p in ready:
        _replace(p, minimum(maximum(p.grad, -clip_value), clip_value))


def _positive(function: str, name: str, value: Any) -> float:
    number = float(value)
    if not 0.0 < number < math.inf:
        raise ValueError(f"{function}: {name} must be above 0 and finite, got {value!r}")
    return number


def _with_gradients(function: str, parameters: Value | Iterable[Value]) -> list[tuple[int, Value]]:
    """Return the parameters that have a gradient, with their numbers."""
    if not isinstance(parameters, (Value, Iterable)):
        raise TypeError(
            f"{function}: parameters must be Values, such as model.parameters(); got"
            f" {type(parameters).__name__}"
        )
    found = [parameters] if isinstance(parameters, Value) else list(parameters)
    for i, p in enumerate(found):
        if not isinstance(p, Value):
            raise TypeError(f"{function}: parameter {i} is {type(p).__name__}, a Value is needed")
    return [(i, p) for i, p in enumerate(found) if p.grad is not None]


def _norm(x: Any, p: float) -> Any:
    """Return the p-norm of all numbers of x, without overflow by the square of a large one."""
    if p == 2.0:
        return norm(x)
    if p == math.inf:
        return max(abs(x))
    return power(sum(power(abs(x), p)), 1.0 / p)


def _refuse(function: str, ready: list[tuple[int, Value]]) -> None:
    """Raise RuntimeError for the first gradient that is not finite, if there is one."""
    for i, p in ready:
        g = np.asarray(raw(p.grad))  # bare, while a step is recorded too: it ends here
        bad = ~np.isfinite(g)
        if bad.any():
            place = f" at [{', '.join(map(str, np.argwhere(bad)[0]))}]" if g.ndim else ""
            raise RuntimeError(
                f"{function}: the gradient of {p.name or f'parameter {i}'}, shape {p.shape}, holds"
                f" {g[bad][0]}{place}; nothing was"
                " clipped. tg.debug() finds the operation that made it"
            )


def _replace(p: Value, g: Any) -> None:
    """Set a gradient, which stays marked as used if an optimizer has used it."""
    used = p._b
    p.grad = g
    p._b = used
