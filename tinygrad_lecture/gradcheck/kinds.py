"""Which of the four kinds a target is, and the `Problem` for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from tinygrad_lecture.engine.ops.fast import ARGUMENTS
from tinygrad_lecture.engine.ops.table import Op, ScaledOp
from tinygrad_lecture.engine.value import Value
from tinygrad_lecture.errors import UsageError

from .arguments import Argument, Inputs, parameter_names, take_apart
from .handwritten import (
    PairProblem,
    leaf_values,
    looks_like_pair,
    pair_constants,
    plain_inputs,
)
from .modules import module_problem
from .parameters import is_module
from .problem import Problem, TargetError, brief
from .values import ValuesProblem, returns_values

KINDS = ("auto", "values", "pair", "module")


def problem_for(
    target: Any,
    inputs: Sequence[Any],
    *,
    seed: int = 0,
    constants: Collection[str | int] = (),
    kind: str = "auto",
    name: str | None = None,
) -> Problem:
    """Make the problem for a target and its inputs; see `gradcheck` for the parameters.

    Raises
    ------
    UsageError
        If the target is no function, module or row, or takes other inputs.
    """
    label = name or target_name(target)
    if not isinstance(target, Op | ScaledOp):
        target = getattr(target, "row", target)  # the function of a user's op
    if isinstance(target, Op | ScaledOp):
        return _row_problem(target, inputs, seed, label)
    if isinstance(target, type) and is_module(target):
        target = _instance(target, label)
    if kind == "module" or (kind == "auto" and is_module(target)):
        return _module(target, inputs, constants, label)
    if not callable(target):
        raise UsageError(
            f"{label} is of type {type(target).__name__}: a function, an object with forward and "
            "backward, or a row of the op table can be checked"
        )
    names = parameter_names(target, len(inputs))
    _check_count(target, inputs, label)
    parts = take_apart(inputs, names, constants)
    low = [a.name for a in parts.arguments if a.given != np.float64]
    try:
        problem = _function(target, inputs, parts, names, constants, kind, label)
        problem.evaluate(problem.point)
    except TargetError:
        if not low:
            raise
        problem = _function(target, inputs, as_given(parts), names, constants, kind, label)
        problem.notes.append(
            f"{label} does not take float64 for {', '.join(low)}: checked in "
            f"{parts.arguments[0].given}, with wider tolerances"
        )
    else:
        if low:
            problem.notes.append(f"{', '.join(low)}: promoted to float64 for the check")
    return problem


def as_given(inputs: Inputs) -> Inputs:
    """Return the inputs in the dtypes in which they came."""
    arguments = tuple(
        Argument(a.name, a.value.astype(a.given), a.given, a.scalar) for a in inputs.arguments
    )
    return Inputs(arguments, inputs.trees, inputs.tracked)


def target_name(target: Any) -> str:
    """Return a name for a target.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.kinds import target_name
    >>> target_name(len)
    'len'
    """
    return str(
        getattr(target, "__name__", None) or getattr(target, "name", None) or type(target).__name__
    )


def _row_problem(row: Any, inputs: Sequence[Any], seed: int, label: str) -> Problem:
    kwargs: dict[str, Any] = {}
    if not inputs:
        inputs, kwargs = row.sample(np.random.default_rng(seed))
    names = [f"operand {k}" for k in range(len(inputs))]
    if row.kind == "elementwise":
        names = list(ARGUMENTS[: len(inputs)])
    loose = [k for k, item in enumerate(inputs) if not _float_leaves(item)]
    parts = take_apart(inputs, names, loose)
    return ValuesProblem(label, lambda *args: row.call(*args, **kwargs), parts)


def _float_leaves(item: Any) -> bool:
    """Whether an operand is made of floats, unlike indices and masks."""
    if isinstance(item, list | tuple):
        return all(map(_float_leaves, item))
    return isinstance(item, Value) or np.asarray(item).dtype.kind == "f"


def _instance(cls: type, label: str) -> Any:
    try:
        inspect.signature(cls).bind()
    except TypeError as error:
        raise UsageError(
            f"{label} is a class and its constructor takes arguments ({error}): check an "
            f"instance, {label}(...)"
        ) from None
    try:
        return cls()
    except Exception as error:
        raise TargetError(label, error) from error


def _module(
    target: Any, inputs: Sequence[Any], constants: Collection[str | int], label: str
) -> Problem:
    if not is_module(target):
        raise UsageError(f"kind='module': {label} has no methods forward and backward")
    names = parameter_names(target.forward, len(inputs))
    _check_count(target.forward, inputs, f"{label}.forward")
    own = [c for c in constants if isinstance(c, int) or c in names]
    parts = take_apart(inputs, names, own, required=False)
    return module_problem(label, target, parts, names, constants)


def _check_count(fn: Callable[..., Any], inputs: Sequence[Any], label: str) -> None:
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):  # some built-in functions have no signature
        return
    try:
        signature.bind(*inputs)
    except TypeError as error:
        raise UsageError(f"{label}{signature} got {len(inputs)} inputs: {error}") from None


def _function(
    fn: Callable[..., Any],
    inputs: Sequence[Any],
    parts: Inputs,
    names: Sequence[str],
    constants: Collection[str | int],
    kind: str,
    label: str,
) -> Problem:
    values = ValuesProblem(label, fn, parts)
    if kind == "values" or (kind == "auto" and parts.tracked):
        return values
    if kind == "auto" and not looks_like_pair(_sniff(values, fn, parts), parts):
        return values
    pair = PairProblem(label, fn, parts, names)
    result = pair.call(pair.point)
    if not looks_like_pair(result, parts):
        raise UsageError(
            f"{label} returned (number, {brief(result[1])}), which is no gradient of "
            f"{', '.join(a.name for a in parts.arguments)}"
        )
    loose = pair_constants(result, parts)
    if loose:
        held = ", ".join(names[k] for k in loose)
        pair = PairProblem(label, fn, take_apart(inputs, names, {*constants, *loose}), names)
        pair.notes.append(f"there is one gradient, that of {names[0]}; held constant: {held}")
    if kind == "auto":
        pair.notes.append("taken for (value, gradient); kind='values' takes it for two outputs")
    return pair


def _sniff(values: ValuesProblem, fn: Callable[..., Any], parts: Inputs) -> Any:
    """Call a function with Values, or with plain numbers if it does not take them."""
    refusal = None
    result = None
    leaves = leaf_values(values.point)
    try:
        result = values.run(lambda: fn(*parts.build(lambda k: leaves[k])))
    except TargetError as error:
        refusal = error
    if refusal is None and returns_values(result):
        return result
    numbers = plain_inputs(values, values.point)
    try:
        plain = values.run(lambda: fn(*parts.build(numbers)))
    except TargetError as error:
        if refusal is None:
            return result
        # A method of Values that arrays do not have says nothing; the first error does.
        told = refusal if isinstance(error.original, AttributeError) else error
        raise told from told.original
    if refusal is not None and not looks_like_pair(plain, parts):
        raise UsageError(
            f"{values.name} does not take Values ({refusal.original}), and for plain numbers it "
            f"returns {brief(plain)}: a function of Values, or one that returns "
            "(value, gradient), can be checked"
        )
    return plain
