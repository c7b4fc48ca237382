"""`gradcheck`: one call from a function and its inputs to a report."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from tinygrad_lecture.errors import UsageError

from .examine import Examination
from .inspector import Settings
from .kinds import KINDS, problem_for
from .numeric import EPS, Array
from .problem import Problem
from .report import ArgumentResult, Report
from .verdicts import Verdict, worst

_PRINTABLE = 60


def gradcheck(
    fn: Any,
    *inputs: Any,
    seed: int = 0,
    order: int = 1,
    rtol: float | None = None,
    atol: float = 0.0,
    raise_on_failure: bool = False,
    max_coordinates: int = 256,
    complex_step: bool | str = "auto",
    constants: Collection[str | int] = (),
    kind: str = "auto",
    name: str | None = None,
) -> Report:
    """Compare a gradient with the function's own values.

    Parameters
    ----------
    fn : callable, object or op row
        A function of Values (the engine's derivative is checked); a NumPy function that returns
        ``(value, gradient)``; an object with NumPy ``forward`` and ``backward``, whose float
        array attributes are checked as parameters; or a row of the op table.
    *inputs : numbers, arrays, Values, and nests of them in tuples, lists and dicts
        Where to check.  Floats; float32 and float16 are promoted to float64 for the check.
    seed : int, default 0
        Seed of the cotangent and of whatever else is drawn; the same seed gives the same report.
    order : {1, 2}, default 1
        2 checks the derivative of the gradient as well.
    rtol : float, optional
        |yours - numeric| <= atol + rtol max(|yours|, |numeric|) passes; 1e-6 by default, and
        the square root of its eps for a function that computes in less than float64.
    atol : float, default 0
        Absolute tolerance.  What differences cannot resolve is judged by their error bars, so
        that none is needed for gradients that are 0.
    raise_on_failure : bool, default False
        Raise `GradientError` unless the verdict is pass.
    max_coordinates : int, default 256
        Inputs with more numbers than this are compared along random directions, with a search
        for the guilty coordinate, and in some coordinates of every argument.
    complex_step : {"auto", True, False}, default "auto"
        Whether to measure slopes with complex numbers too; True demands that the function takes
        them.
    constants : collection of str or int
        Names or positions of inputs that are not varied, such as labels.
    kind : {"auto", "values", "pair", "module"}, default "auto"
        What fn is.  A function that returns a pair (number, something in the shape of the
        arguments) is taken for a (value, gradient); ``kind="values"`` says otherwise.
    name : str, optional
        Name in the report.

    Returns
    -------
    Report
        Its `verdict`: pass, wrong gradient, kink, step noise or nondeterministic.

    Raises
    ------
    UsageError
        For inputs that cannot be checked, and (as `TargetError`) if fn raises.
    GradientError
        If `raise_on_failure` is set and the verdict is not pass.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> print(tg.gradcheck(lambda x, w: (x * w).tanh().sum(), np.array([0.5, 1.0]), 2.0))
    gradcheck <lambda>: pass
    argument  shape   compared    worst  in words  verdict
    x         (2,)      2 of 2  ...  happy     pass
    w         number    1 of 1  ...  happy     pass
    >>> def loss(w):  # homework: the 2 is missing in the gradient
    ...     return np.sum(w**2), w
    >>> tg.gradcheck(loss, np.array([1.0, 3.0])).verdict.value
    'wrong gradient'
    """
    check_options(
        order=order, rtol=rtol, atol=atol, max_coordinates=max_coordinates,
        complex_step=complex_step, kind=kind,
    )  # fmt: skip
    problem = problem_for(fn, inputs, seed=seed, constants=constants, kind=kind, name=name)
    report = check_problem(
        problem, seed=seed, order=order, rtol=rtol, atol=atol, max_coordinates=max_coordinates,
        complex_step=complex_step,
    )  # fmt: skip
    return report.raise_for_failure() if raise_on_failure else report


def check_problem(
    problem: Problem,
    *,
    seed: int = 0,
    order: int = 1,
    rtol: float | None = None,
    atol: float = 0.0,
    max_coordinates: int = 256,
    complex_step: bool | str = "auto",
    verdict_only: bool = False,
) -> Report:
    """Check a problem; see `gradcheck` for the parameters.

    With `verdict_only`, the check of an argument stops at the first wrong coordinate, and no
    causes are looked for.
    """
    used = 0.0

    def examine(which: Problem, current: int) -> tuple[list[ArgumentResult], Array]:
        nonlocal used
        base = which.evaluate(which.point)  # tells the accuracy of the outputs
        used = max(used, rtol if rtol is not None else default_rtol(which.eps))
        demanded = None if complex_step == "auto" else bool(complex_step)
        settings = Settings(used, atol, demanded, seed, verdict_only)
        examination = Examination(which, base, settings, max_coordinates, current)
        results = examination.run()
        reason = examination.inspector.complex_reason
        if complex_step is True and reason:
            raise UsageError(
                f"complex_step=True: {which.name} does not allow it, as {reason}; use "
                "complex_step='auto'"
            )
        return results, examination.cotangent

    arguments, cotangent = examine(problem, 1)
    remarks = list(dict.fromkeys(problem.notes))
    if order == 2 and worst(a.verdict for a in arguments) is Verdict.WRONG:
        remarks.append("order 2 was not checked, as the gradient itself is wrong")
    elif order == 2:
        arguments = arguments + examine(problem.derivative(cotangent), 2)[0]
    return Report(
        problem.name, problem.kind, tuple(arguments), seed, order, used, atol, tuple(remarks),
        printable(problem),
    )  # fmt: skip


def default_rtol(eps: float) -> float:
    """1e-6, or the square root of eps where a function computes in less than float64."""
    return max(1e-6, eps**0.5) if eps > EPS else 1e-6


def printable(problem: Problem) -> dict[str, Any]:
    """Return the point as numbers and nested lists, if it is small."""
    if sum(a.size for a in problem.arguments) > _PRINTABLE:
        return {}
    return {a.name: _as_list(a.value) for a in problem.arguments}


def _as_list(x: Array) -> Any:
    return np.asarray(x, dtype=np.float64).tolist()


def check_options(
    *,
    order: Any = 1,
    rtol: Any = None,
    atol: Any = 0.0,
    max_coordinates: Any = 1,
    complex_step: Any = "auto",
    kind: Any = "auto",
) -> None:
    """Refuse options that make no sense.

    Raises
    ------
    UsageError
        With the name of the option, what came, and what would be right.
    """
    if order not in (1, 2):
        raise UsageError(f"order must be 1 or 2, got {order!r}")
    if rtol is not None and not 0 < rtol < 1:
        raise UsageError(f"rtol must be between 0 and 1, got {rtol!r}")
    if not atol >= 0:
        raise UsageError(f"atol must not be negative, got {atol!r}")
    if not max_coordinates >= 1:
        raise UsageError(f"max_coordinates must be at least 1, got {max_coordinates!r}")
    if complex_step not in ("auto", True, False):
        raise UsageError(f"complex_step must be 'auto', True or False, got {complex_step!r}")
    if kind not in KINDS:
        raise UsageError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
