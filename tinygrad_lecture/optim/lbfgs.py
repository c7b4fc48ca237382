"""LBFGS: SciPy's quasi-Newton method over a closure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine import Value
from ..engine.modes import TRACING, recorder
from ..engine.recording import RecordingError
from ..errors import UsageError
from ._checks import check_count, check_number
from .optimizer import Group, Optimizer, Params

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Limited-memory BFGS, by SciPy (L70; Liu and Nocedal 1989; Byrd, Lu, Nocedal and Zhu 1995).

    A second-order method for full batches: from the last ``history_size`` changes of parameters
    and gradients it guesses what Newton's method would do, and a line search finds how far to go.
    So it has no learning rate, evaluates the closure several times in one ``step``, and needs the
    same loss each time: no mini-batches, no dropout.  SciPy's ``L-BFGS-B`` does the work, with
    PyTorch's names for its settings.  Unlike in PyTorch each ``step`` begins without memory: give
    ``max_iter`` what the whole search may take, rather than call ``step`` many times.

    ``step`` cannot be part of a compiled function; the closure can be one.

    Parameters
    ----------
    params : iterable of Value
        One group; settings of its own for a part of the parameters make no sense here.
    max_iter : int
        Iterations in one ``step``, >= 1.
    max_eval : int, optional
        Evaluations of the closure in one ``step``, about; ``max_iter * 5 // 4`` by default.
    tolerance_grad : float
        It ends where no number of the gradient is larger; SciPy's ``gtol``.
    tolerance_change : float
        It ends where the loss changes by less, relative to max(|loss|, 1); SciPy's ``ftol``.
    history_size : int
        Changes that are remembered, >= 1.

    Raises
    ------
    TypeError, ValueError
        For bad parameters or settings out of their ranges; by ``step``, without a closure.
    UsageError
        If SciPy is not installed.
    RuntimeError
        By ``step``, if the loss is not finite at the start.  Later points where it is not are left
        again: a step ends where the loss was smallest, however it ends.
    RecordingError
        By ``step`` inside of a compiled function.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value([-1.0, 2.0])
    >>> optimizer = tg.optim.LBFGS([x], max_iter=100)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2  # Rosenbrock's valley
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()  # the loss at the start
    104.0
    >>> x.data.round(4)
    array([1., 1.])
    """

    def __init__(
        self,
        params: Params,
        *,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
    ) -> None:
        self._minimize = _scipy_minimize()
        self._closure: Callable[[], Any] | None = None
        self._loss = math.nan
        defaults = {
            "max_iter": max_iter,
            "max_eval": max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
        }
        super().__init__(params, defaults)

    def add_param_group(self, group: Any) -> None:
        """Add the only group."""
        if self.param_groups:
            raise ValueError("LBFGS: it moves all parameters at once, and takes one group only")
        super().add_param_group(group)

    def check_group(self, group: Group) -> None:
        """Refuse settings out of their ranges."""
        for key in ("max_iter", "history_size"):
            check_count("LBFGS", key, group[key])
        if group["max_eval"] is not None:
            check_count("LBFGS", "max_eval", group["max_eval"])
        check_number("LBFGS", "tolerance_grad", group["tolerance_grad"])
        check_number("LBFGS", "tolerance_change", group["tolerance_change"])

    def step(self, closure: Callable[[], Any] | Value | float | None = None) -> Any:
        """Search for the minimum from here; return the loss at the start, as PyTorch does.

        Parameters
        ----------
        closure : callable
            Clears the gradients, computes the loss, calls ``backward()`` and returns the loss.
        """
        if not callable(closure):
            raise TypeError(
                "LBFGS: step(closure) needs a function that clears the gradients, computes the"
                f" loss, calls backward() and returns the loss; got {type(closure).__name__}"
            )
        if TRACING and recorder() is not None:
            raise RecordingError(
                "LBFGS.step() calls its closure as often as the numbers ask for, which cannot be"
                " recorded: compile the closure, and call step(closure) outside"
            )
        self._closure = closure
        try:
            return super().step(closure)
        finally:
            self._closure = None

    def see_loss(self, loss: Any) -> None:
        """Refuse to start where there is no loss."""
        self._loss = _number(loss)
        if not math.isfinite(self._loss):
            raise RuntimeError(f"LBFGS: the loss is {self._loss} at the start; nothing was moved")

    def update(self, group: Group, params: list[Value]) -> None:
        """Let SciPy search; where it starts, loss and gradient are known already."""
        start = _flat([p.data for p in params])
        best, lowest, slope_there = start, self._loss, _flat([p.grad for p in params])
        known = {start.tobytes(): (lowest, slope_there)}

        def evaluate(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            nonlocal best, lowest, slope_there
            if x.tobytes() in known:
                return known.pop(x.tobytes())
            _place(x, params)
            assert self._closure is not None
            loss = _number(self._closure())
            stale = {id(p) for p in params if p.grad is not None and p._spend_grad()}
            if stale and not self._warned:
                self._warn(stale)
            slope = _flat([0.0 * p.data if p.grad is None else p.grad for p in params])
            if not (math.isfinite(loss) and np.isfinite(slope).all()):
                return lowest + abs(lowest) + 1.0, slope_there  # higher: the step is cut
            if loss < lowest:
                best, lowest, slope_there = x.copy(), loss, slope
            return loss, slope

        max_iter = group["max_iter"]
        options = {
            "maxiter": max_iter,
            "maxfun": group["max_eval"] or max_iter * 5 // 4,
            "gtol": group["tolerance_grad"],
            "ftol": group["tolerance_change"],
            "maxcor": group["history_size"],
        }
        try:
            with np.errstate(all="ignore"):  # a line search looks too far now and then
                self._minimize(evaluate, start, jac=True, method="L-BFGS-B", options=options)
        finally:  # Ctrl-C included
            _place(best, params)


def _scipy_minimize() -> Any:
    try:
        from scipy.optimize import minimize  # an extra; see pyproject.toml
    except ImportError:
        raise UsageError('LBFGS needs SciPy: pip install "tinygrad_lecture[lbfgs]"') from None
    return minimize


def _number(loss: Any) -> float:
    return float(loss.item() if isinstance(loss, Value) else loss)


def _flat(arrays: list[Any]) -> NDArray[np.float64]:
    """Return all numbers in one row."""
    return np.concatenate([np.ravel(np.asarray(a, np.float64)) for a in arrays])


def _place(x: NDArray[np.float64], params: list[Value]) -> None:
    """Hand the numbers of a row back to the parameters, each in its shape and dtype."""
    for p in params:
        piece, x = x[: p.size], x[p.size :]
        p.data = piece.reshape(p.shape).astype(p.dtype) if p.shape else float(piece[0])
