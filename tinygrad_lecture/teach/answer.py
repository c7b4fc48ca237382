"""`check_answer`: a number or array that a student computed, beside what is right."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ..engine import Value
from ..errors import UsageError
from ..gradcheck.causes import ratio
from ..gradcheck.numeric import Array
from ..gradcheck.problem import brief
from .judge import as_array
from .report import MARKS, Result

__all__ = ["Answer", "check_answer"]


@dataclass(frozen=True, repr=False)
class Answer:
    """What a check of an answer has to say; true if the answer is right.

    Attributes
    ----------
    what : str
        What was asked for.
    result : {"right", "wrong", "not done yet"}
    reason : str
        What is wrong, or empty.
    """

    what: str
    result: Result
    reason: str = ""

    @property
    def points(self) -> int:
        """1 for a right answer, 0 otherwise."""
        return int(self.result == "right")

    def __bool__(self) -> bool:
        return self.result == "right"

    def __str__(self) -> str:
        more = f": {self.reason}" if self.reason else ""
        return f"{MARKS[self.result]} {self.what}: {self.result}{more}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show notebooks the same in one line."""
        more = f": {escape(self.reason)}" if self.reason else ""
        return f"{MARKS[self.result]} {escape(self.what)}: <b>{self.result}</b>{more}"


def check_answer(answer: Any, expected: Any, *, what: str, rtol: float = 1e-6) -> Answer:
    """Compare an answer with what is right; it never raises for an answer, whatever that is.

    ``|answer - expected| <= rtol max|expected|`` in every element is right (``rtol`` itself, where
    all of `expected` is 0).  None and ``...`` are not done yet.

    Parameters
    ----------
    answer : object
        What a student gave: a number, an array, a Value, a bool, a text, or nothing yet.
    expected : number, bool, str or array_like
        What is right; finite.
    what : str
        Name of it in the report.
    rtol : float
        Non-negative.

    Returns
    -------
    Answer

    Raises
    ------
    UsageError
        If `expected` is no number, array or text, is not finite, or `rtol` is negative.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.teach.check_answer(..., 0.25, what="slope")
    ○ slope: not done yet
    >>> tg.teach.check_answer(0.5, 0.25, what="slope")
    ✗ slope: wrong: it is 2 times what is right
    >>> bool(tg.teach.check_answer(1 / 4, 0.25, what="slope"))
    True
    """
    if not rtol >= 0:
        raise UsageError(f"check_answer: rtol must not be negative, got {rtol!r}")
    if answer is None or answer is ...:
        return Answer(what, "not done yet")
    if isinstance(expected, str):
        if not isinstance(answer, str):
            return Answer(what, "wrong", f"a text is asked for, and {_kind(answer)} came")
        text = str.__str__(answer)  # a class of the student's may show itself otherwise, or not
        same = text.strip().casefold() == expected.strip().casefold()
        return Answer(what, "right") if same else Answer(what, "wrong", f"not {text!r}")
    right = _numbers(expected)
    if right is None:
        raise UsageError(
            "check_answer: expected must be a real number, an array of them or a text, got "
            f"{brief(expected)}"
        )
    if not np.isfinite(right).all():
        raise UsageError(f"check_answer: expected must be finite, got {expected!r}")
    given = _numbers(answer)
    if given is None:
        return Answer(what, "wrong", f"numbers are asked for, and {_kind(answer)} came")
    with np.errstate(all="ignore"):
        reason = _reason(given, right, rtol)
    return Answer(what, "wrong", reason) if reason else Answer(what, "right")


def _numbers(answer: Any) -> Array | None:
    """Return an answer as an array of floats; None if it is none."""
    if isinstance(answer, list | tuple):
        return as_array([x.data if isinstance(x, Value) else x for x in answer])
    return as_array(answer.data if isinstance(answer, Value) else answer)


def _kind(answer: Any) -> str:
    return type(answer).__name__


def _reason(given: Array, right: Array, rtol: float) -> str:
    """Say what is wrong, or nothing."""
    if given.shape != right.shape:
        return f"the shape is {given.shape}, and should be {right.shape}"
    if not np.isfinite(given).all():
        return "it holds inf or nan"
    scale = float(np.max(np.abs(right), initial=0.0)) or 1.0
    off = np.abs(given - right) > rtol * scale
    if not off.any():
        return ""
    factor = ratio(given, right)
    if factor is not None and np.isclose(factor, -1.0):
        return "the sign is wrong"
    if factor and f"{factor:.3g}" != "1":
        return f"it is {factor:.3g} times what is right"
    if right.shape:
        return f"{int(off.sum())} of {right.size} numbers are off"
    return "it is too " + ("large" if given > right else "small")
