"""From numbers to words: what a student's result has to do with the right one.

Gradients are explained by the rules of the gradient checker (`gradcheck.causes`), values by their
relatives here; before both come the known mistakes of an exercise, each of which is a wrong formula
whose numbers are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..gradcheck.causes import Evidence, close, likely_cause, ratio
from ..gradcheck.numeric import Array
from ..gradcheck.problem import brief
from ..gradcheck.report import shape_text
from .report import Item
from .student import NotDone, StudentError

__all__ = ["Mistake", "Pair", "judge"]

RTOL, ATOL = 1e-6, 1e-10


@dataclass(frozen=True)
class Mistake:
    """A typical error, as the formula that it comes to.

    Attributes
    ----------
    words : str
        What a student is told.
    formula : callable
        Gives the wrong result for a case, and the error is named if the student's agrees with it
        in all cases; or the error itself, if what the student gave is to be looked at otherwise.
    """

    words: str
    formula: Callable[[Any], Any]


@dataclass(frozen=True)
class Pair:
    """A result of a student beside the right one.

    Attributes
    ----------
    got : object
        The student's; a `StudentError` if there is none.
    right : ndarray
        As it should be.
    case : object
        For which inputs; handed to the formulas of known mistakes.
    what : str
        Which case this is, for the report, or empty.
    evidence : callable, optional
        For a gradient: makes the evidence for the checker's rules from the student's array.
    rtol : float
        Relative to the largest right number.
    """

    got: Any
    right: Any
    case: Any = None
    what: str = ""
    evidence: Callable[[Array], Evidence] | None = None
    rtol: float = RTOL


def judge(
    part: str, check: str, points: float, pairs: Sequence[Pair], mistakes: Sequence[Mistake] = ()
) -> Item:
    """Return the item for all results of one kind."""
    for pair in pairs:
        if isinstance(pair.got, NotDone) or pair.got is None or pair.got is ...:
            return Item(part, check, points, "not done yet", _unfinished(pair.got))
        failed = isinstance(pair.got, StudentError)
        reason = str(pair.got) if failed else _reason(pair)
        if reason:
            known = known_mistake(pairs, mistakes)
            where = f" ({pair.what})" if pair.what and not failed else ""
            return Item(part, check, points, "wrong", known or reason + where)
    return Item(part, check, points)


def _unfinished(got: Any) -> str:
    if isinstance(got, NotDone):
        return "" if str(got) == "not done yet" else str(got)
    return "it returns None" if got is None else ""


def known_mistake(pairs: Sequence[Pair], mistakes: Sequence[Mistake]) -> str:
    """Return the words of the first mistake that explains all results, or nothing."""
    if all(isinstance(pair.got, StudentError) for pair in pairs):
        return ""
    for mistake in mistakes:
        if all(_explains(mistake, pair) for pair in pairs):
            return mistake.words
    return ""


def _explains(mistake: Mistake, pair: Pair) -> bool:
    """Whether a formula gives the student's numbers, or fails where the student's code does."""
    got = as_array(pair.got)
    if got is None and not isinstance(pair.got, StudentError):
        return False
    try:
        with np.errstate(all="ignore"):
            wrong = as_array(mistake.formula(pair.case))
    except (ArithmeticError, LookupError, RecursionError, ValueError):
        return got is None
    return (
        got is not None
        and wrong is not None
        and (wrong.shape == got.shape and same(got, wrong, pair.rtol))
    )


def same(got: Array, right: Array, rtol: float) -> bool:
    """Whether two arrays agree, measured against the largest entry; nan and inf like theirs."""
    finite = np.isfinite(right)
    if not np.array_equal(finite, np.isfinite(got)):
        return False
    if not np.array_equal(got[~finite], right[~finite], equal_nan=True):
        return False
    size = float(np.max(np.abs(right[finite]), initial=0.0))
    return bool(np.all(np.abs(got[finite] - right[finite]) <= ATOL + rtol * size))


def as_array(item: Any) -> Array | None:
    """Return a result as float64 array; None if it is no real number and no array of them."""
    usual = isinstance(item, bool | int | float | list | tuple)
    if usual or hasattr(type(item), "__array__"):  # an instance may answer to any name
        try:
            array = np.asarray(item)
        except Exception:  # noqa: BLE001 - rows of different lengths, and any object
            return None
        if array.dtype.kind in "biuf":
            return array.astype(np.float64)
    return None


def _reason(pair: Pair) -> str:
    """Return what is wrong with a result, or nothing."""
    right = np.asarray(pair.right, dtype=np.float64)
    needed = "a number" if right.ndim == 0 else f"an array of shape {right.shape}"
    got = as_array(pair.got)
    if got is None:
        came = brief(pair.got)
        if isinstance(pair.got, np.ndarray):
            came += f" and dtype {pair.got.dtype}"
        return f"it gave {came}, and {needed} is needed"
    if got.shape == right.shape and same(got, right, pair.rtol):
        return ""
    with np.errstate(all="ignore"):
        cause = _cause(got, right, pair)
    return "; ".join(text for text in (cause, _place(got, right)) if text)


def _cause(got: Array, right: Array, pair: Pair) -> str:
    if got.size and not np.isfinite(got).all() and np.isfinite(right).all():
        return "nan or inf: an overflow, 0/0, inf − inf or the log of 0 on the way"
    if pair.evidence is not None:
        return likely_cause(pair.evidence(got))
    rules = _SHAPES if got.shape != right.shape else _VALUES
    return next((text for rule in rules for text in rule(got, right)), "")


def _place(got: Array, right: Array) -> str:
    """Return the worst number, or the shapes."""
    if got.shape != right.shape:
        return f"the shape is {shape_text(got.shape)} and should be {shape_text(right.shape)}"
    gap = np.where(np.isfinite(got), np.abs(got - right), np.inf)
    k = np.unravel_index(int(np.argmax(gap)), right.shape)
    where = f" at [{', '.join(map(str, k))}]" if k else ""
    return f"yours {got[k]:.6g}, right {right[k]:.6g}{where}"


# ------------------------------------------------------------------ values of another shape


def _transposed(got: Array, right: Array) -> Iterator[str]:
    if got.ndim == 2 and got.T.shape == right.shape:
        fine = same(got.T, right, RTOL)
        yield "transpose" + (": .T of it is right" if fine else "")


def _not_reduced(got: Array, right: Array) -> Iterator[str]:
    if right.ndim == 0 and got.size > 1:
        for name, number in (("mean", got.mean()), ("sum", got.sum())):
            if np.isclose(number, right, rtol=1e-5):
                yield f"one number is needed: the {name} is missing"


def _reduced(got: Array, right: Array) -> Iterator[str]:
    if got.size == 1 and right.size > 1:
        yield "one number for a whole array: summed or averaged away"


def _reshaped(got: Array, right: Array) -> Iterator[str]:
    if got.size == right.size:
        fine = same(got.reshape(right.shape), right, RTOL)
        yield "reshape" + (", the numbers are right" if fine else "")


_SHAPES = (_transposed, _not_reduced, _reduced, _reshaped)


# ------------------------------------------------------------------ values of the right shape


def _all_zero(got: Array, right: Array) -> Iterator[str]:
    if got.size > 1 and not np.any(got):
        yield "all zero: it is never filled in"


def _square_transposed(got: Array, right: Array) -> Iterator[str]:
    if got.ndim == 2 and got.shape[0] == got.shape[1] > 1 and close(got.T, right):
        yield "transpose: .T of it is right"


def _factor(got: Array, right: Array) -> Iterator[str]:
    c = ratio(got, right)
    if c is not None and c:
        if np.isclose(c, -1.0):
            yield "sign: minus this is right"
        elif right.size > 1:
            yield f"factor {c:.6g} in every number"


def _shifted(got: Array, right: Array) -> Iterator[str]:
    gap = got - right
    if gap.size > 1 and close(gap, np.full(gap.shape, np.median(gap))):
        yield f"off by {np.median(gap):.4g} in every number"


def _reordered(got: Array, right: Array) -> Iterator[str]:
    if got.size > 1 and np.ptp(right) and close(np.sort(got, None), np.sort(right, None)):
        yield "the right numbers in another order"


def _some_wrong(got: Array, right: Array) -> Iterator[str]:
    wrong = np.abs(got - right) > ATOL + RTOL * np.max(np.abs(right), initial=0.0)
    if not wrong.all():
        yield f"{int(wrong.sum())} of {wrong.size} numbers are wrong"


_VALUES = (_all_zero, _square_transposed, _factor, _shifted, _reordered, _some_wrong)
