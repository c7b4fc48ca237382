"""`check_answer`: a number or array that a student computed, beside what is right."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Literal, TypeAlias

import numpy as np

from ..engine import Value
from ..errors import UsageError

__all__ = ["Answer", "check_answer"]

Result: TypeAlias = Literal["right", "wrong", "not done yet"]
MARKS: dict[Result, str] = {"right": "✓", "wrong": "✗", "not done yet": "○"}


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
        same = answer.strip().casefold() == expected.strip().casefold()
        return Answer(what, "right") if same else Answer(what, "wrong", f"not {answer!r}")
    right = np.asarray(expected, dtype=float)
    if not np.isfinite(right).all():
        raise UsageError(f"check_answer: expected must be finite, got {expected!r}")
    given = _numbers(answer)
    if given is None:
        return Answer(what, "wrong", f"numbers are asked for, and {_kind(answer)} came")
    reason = _reason(given, right, rtol)
    return Answer(what, "wrong", reason) if reason else Answer(what, "right")


def _numbers(answer: Any) -> Any:
    """Return an answer as an array of floats; None if it is none."""
    if isinstance(answer, Value):
        answer = answer.data
    try:
        array = np.asarray(answer)
    except ValueError:  # rows of different lengths
        return None
    return array.astype(float) if array.dtype.kind in "bfiu" else None


def _kind(answer: Any) -> str:
    return type(answer).__name__


def _reason(given: Any, right: Any, rtol: float) -> str:
    """Say what is wrong, or nothing."""
    if given.shape != right.shape:
        return f"the shape is {given.shape}, and should be {right.shape}"
    if not np.isfinite(given).all():
        return "it holds inf or nan"
    scale = float(np.max(np.abs(right), initial=0.0)) or 1.0
    if np.max(np.abs(given - right), initial=0.0) <= rtol * scale:
        return ""
    if np.max(np.abs(given + right)) <= rtol * scale:
        return "the sign is wrong"
    if right.all():
        ratios = given / right
        ratio = float(ratios.flat[0])
        if ratio and np.allclose(ratios, ratio, rtol=max(rtol, 1e-9)):
            return f"it is {ratio:.3g} times what is right"
    if right.shape:
        wrong = int(np.sum(np.abs(given - right) > rtol * scale))
        return f"{wrong} of {right.size} numbers are off"
    return "it is too " + ("large" if given > right else "small")
