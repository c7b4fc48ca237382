"""`check_forward` and `check_backward`: functions of a student beside a reference."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..data.seeding import Seed, as_integer
from ..engine import Value
from ..errors import UsageError
from ..gradcheck.arguments import parameter_names
from ..gradcheck.kinds import target_name
from ..gradcheck.numeric import Array
from .cases import checked_points, examples_like
from .judge import Mistake, Pair, as_array, judge
from .reference import Case, reference_for
from .report import Item, Report
from .student import Limits, StudentError, begin, run

__all__ = ["check_backward", "check_forward"]


def check_forward(
    student: Callable[..., Any],
    reference: Callable[..., Any],
    *inputs: Any,
    cases: int = 4,
    seed: Seed = 0,
    points: float = 1.0,
    rtol: float = 1e-6,
    limits: Limits | None = None,
    mistakes: Sequence[Mistake] = (),
    name: str | None = None,
) -> Report:
    """Compare a student's function with the reference.

    Parameters
    ----------
    student : callable
        Takes NumPy arrays; whatever it does, the report says it, and nothing is raised.
    reference : callable
        The right function, of arrays or Values.
    *inputs : numbers and arrays
        An example of the arguments: the first case.  The others have its shapes.
    cases : int
        Number of cases.
    seed : int or numpy.random.Generator
        Of the other cases.
    points : float
        Points to reach: all, if every case is right, or none.
    rtol : float
        Tolerance, relative to the largest right number.
    limits : Limits, optional
        Of each call: 10 s and 1024 MB by default.
    mistakes : sequence of Mistake
        Known errors; their formulas get a `Case`.
    name : str, optional
        Name in the report.

    Returns
    -------
    Report
        With an item for the values, and one without points if an input was written into.

    Raises
    ------
    UsageError
        If the example does not fit the reference, `cases` is less than 1, `points` are negative, or
        `seed` is neither a non-negative integer nor a generator.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> def sigmoid(x):
    ...     return 1 / (1 + np.exp(x))
    >>> tg.teach.check_forward(sigmoid, tg.sigmoid, np.array([0.5, 1.0]))
    sigmoid: 0 of 1 points
      ✗ forward, values (0 of 1): wrong: yours 0.26..., right 0.73... at [1]
    """
    label = name or target_name(student)
    points = checked_points(points)
    names = parameter_names(reference, len(inputs))
    limits = begin(limits)
    written: set[str] = set()
    pairs = []
    for values in examples_like(inputs, cases, seed):
        case = Case(dict(zip(names, values, strict=True)), rtol=rtol)
        right = _right(reference, values)
        got = _call(student, values, names, written, limits)
        pairs.append(Pair(got, right, case, rtol=rtol))
    return Report(label, (judge("forward", "values", points, pairs, mistakes), *wrote(written)))


def check_backward(
    student: Callable[..., Any],
    reference: Any,
    *inputs: Any,
    cases: int = 4,
    seed: Seed = 0,
    points: float = 1.0,
    rtol: float = 1e-6,
    limits: Limits | None = None,
    mistakes: Mapping[str, Sequence[Mistake]] | None = None,
    name: str | None = None,
) -> Report:
    """Compare a student's backward pass with the engine's, and say what is wrong with it.

    Parameters
    ----------
    student : callable
        ``student(grad_output, *inputs)`` with the derivative of a loss with respect to the output
        returns the derivatives with respect to the inputs: one, or a tuple in their order (floats
        only), or a dict by name.
    reference : callable
        The function itself, of Values (not its derivative, which the engine finds).
    *inputs : numbers and arrays
        An example of its arguments.  Integers are held constant.
    points : float
        Shared among the inputs.
    mistakes : mapping, optional
        Known errors by the name of an input.
    cases, seed, rtol, limits, name
        See `check_forward`.

    Returns
    -------
    Report
        With an item for each input.  Reasons are those of the gradient checker: a transpose, a
        factor, a sign, a missing sum over the batch, a lost contribution (= for +=) ...

    Raises
    ------
    UsageError
        If the example does not fit the reference, or the reference is no function of Values.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> def backward(g, x, W):
    ...     return g @ W, x.T @ g
    >>> report = tg.teach.check_backward(
    ...     backward, lambda x, W: x @ W.T, np.ones((5, 2)), np.ones((3, 2)), points=2
    ... )
    >>> print(report)
    backward: 1 of 2 points
      ✓ backward, dL/dx (1 of 1)
      ✗ backward, dL/dW (0 of 1): wrong: transpose: the shape is that of .T, and the transposed
      numbers are right; the shape is 2×3 and should be 3×2
    """
    label = name or target_name(student)
    points = checked_points(points)
    names = parameter_names(reference, len(inputs))
    truth_of = reference_for(reference, names, inputs)
    limits = begin(limits)
    rng = np.random.default_rng(as_integer(seed))
    written: set[str] = set()
    found: dict[str, list[Pair]] = {}
    for values in examples_like(inputs, cases, seed):
        inside = dict(zip(names, values, strict=True))
        output = truth_of.truth(Case(inside)).output
        incoming: Any = rng.normal(size=output.shape)
        case = Case(inside, {}, incoming if output.ndim else float(incoming), rtol=rtol)
        truth = truth_of.truth(case)
        if not truth.gradients:
            raise UsageError(
                f"reference: {target_name(reference)} must be a function of Values of floats; it "
                "returned no Value, or no input is a float"
            )

        def call(g: Any, values: Sequence[Any] = values) -> Any:
            return _call(student, [g, *values], ["grad_output", *names], written, limits)

        floats = list(truth.gradients)
        got = parts_by_name(call(case.grad_output), floats)

        def with_ones(key: str, call: Any, case: Case, names: list[str]) -> Array | None:
            ones = np.ones_like(case.grad_output)
            return as_array(parts_by_name(call(ones), names)[key]) if ones.size > 1 else None

        for key in floats:
            ones = functools.partial(with_ones, key, call, case, floats)
            pair = Pair(
                got[key], truth.gradients[key], case,
                evidence=truth.evidence(key, case, ones), rtol=rtol,
            )  # fmt: skip
            found.setdefault(key, []).append(pair)
    each = points / len(found)
    items = [
        judge("backward", f"dL/d{key}", each, pairs, (mistakes or {}).get(key, ()))
        for key, pairs in found.items()
    ]
    return Report(label, (*items, *wrote(written)))


def wrote(names: set[str]) -> list[Item]:
    """Return an item without points that tells which inputs were written into."""
    if not names:
        return []
    return [Item("edge cases", "inputs stay as they are", 0.0, "wrong", writes(names))]


def writes(names: set[str]) -> str:
    """Return the reason for inputs that were written into."""
    which = ", ".join(sorted(names))
    return f"it writes into {which}, the caller's array: work on a copy (out = a + b, not a += b)"


def _right(reference: Callable[..., Any], values: Sequence[Any]) -> Array:
    try:
        out = reference(*[x.copy() if isinstance(x, np.ndarray) else x for x in values])
    except Exception as error:
        raise UsageError(f"reference: it raises {type(error).__name__}: {error}") from error
    return np.asarray(out.data if isinstance(out, Value) else out, dtype=np.float64)


def _call(
    student: Callable[..., Any],
    values: Sequence[Any],
    names: Sequence[str],
    written: set[str],
    limits: Limits,
) -> Any:
    """Call a student's function with copies, note which it changes, and return result or error."""
    copies = [x.copy() if isinstance(x, np.ndarray) else x for x in values]
    try:
        return run(lambda: student(*copies), limits)
    except StudentError as error:
        return error
    finally:
        written |= changed(dict(zip(names, values, strict=True)), copies)


def changed(before: dict[str, Any], after: Sequence[Any]) -> set[str]:
    """Return the names of the arrays that are not what they were."""
    return {
        name
        for (name, x), y in zip(before.items(), after, strict=True)
        if isinstance(x, np.ndarray) and not np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
    }


def parts_by_name(returned: Any, names: Sequence[str], needed: int | None = None) -> dict[str, Any]:
    """Assign what a backward pass returned to the names, in their order.

    Parameters
    ----------
    returned : object
        One gradient, a tuple or a dict of them, or a `StudentError`.  A list is several gradients
        where several are needed, otherwise one.
    names : sequence of str
    needed : int, optional
        How many of the names have to be there, all by default; the others may be stored instead.
    """
    needed = len(names) if needed is None else needed
    if isinstance(returned, StudentError):
        return dict.fromkeys(names, returned)
    if isinstance(returned, dict):
        return {name: returned.get(name, returned.get(f"d{name}")) for name in names}
    several = isinstance(returned, tuple) or (isinstance(returned, list) and needed > 1)
    parts = returned if several else (returned,)
    if several and not needed <= len(parts) <= len(names):
        few = names[:needed] if len(parts) < needed else names
        error = StudentError(
            f"it returned {len(parts)} gradients, and {len(few)} are needed: {', '.join(few)}"
        )
        return dict.fromkeys(names, error)
    return dict.fromkeys(names) | dict(zip(names, parts, strict=False))
