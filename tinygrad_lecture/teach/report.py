"""The report of a check: points, and for each point that is missing a reason in words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Literal, TypeAlias

__all__ = ["Item", "Report"]

Result: TypeAlias = Literal["right", "wrong", "not done yet"]
MARKS: dict[Result, str] = {"right": "✓", "wrong": "✗", "not done yet": "○"}


@dataclass(frozen=True)
class Item:
    """One thing that was looked at.

    Attributes
    ----------
    part : str
        What it belongs to: ``"forward"``, ``"backward"``, ``"edge cases"`` ...
    check : str
        What was compared.
    possible : float
        Points for it.
    result : {"right", "wrong", "not done yet"}
    reason : str
        What is wrong, or empty.
    """

    part: str
    check: str
    possible: float
    result: Result = "right"
    reason: str = ""

    @property
    def points(self) -> float:
        """All the points, or none."""
        return self.possible if self.result == "right" else 0.0

    def __str__(self) -> str:
        told = "" if self.result == "right" else f": {self.result}"
        more = f": {self.reason}" if self.reason else ""
        count = f"{number(self.points)} of {number(self.possible)}"
        return f"{MARKS[self.result]} {self.part}, {self.check} ({count}){told}{more}"


@dataclass(frozen=True, repr=False)
class Report:
    """What a check has to say; true if everything is right.

    It shows itself, in a notebook as a table.  In a graded cell of nbgrader, ``report.score(5)``
    as the last line prints the report and gives the share of 5 points.

    Attributes
    ----------
    name : str
        What was checked.
    items : tuple of Item

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> def softmax(x):
    ...     return np.exp(x) / np.exp(x).sum()
    >>> report = tg.teach.check_forward(softmax, tg.softmax, np.zeros((3, 2)))
    >>> report.points, bool(report)
    (0.0, False)
    """

    name: str
    items: tuple[Item, ...]

    @property
    def points(self) -> float:
        """Points that were reached."""
        return float(sum(item.points for item in self.items))

    @property
    def possible(self) -> float:
        """Points that could be reached."""
        return float(sum(item.possible for item in self.items))

    @property
    def share(self) -> float:
        """Part of the points, from 0 to 1."""
        return self.points / self.possible if self.possible else 0.0

    @property
    def parts(self) -> dict[str, tuple[float, float]]:
        """Points reached and possible, by part."""
        found: dict[str, tuple[float, float]] = {}
        for item in self.items:
            points, possible = found.get(item.part, (0.0, 0.0))
            found[item.part] = (points + item.points, possible + item.possible)
        return found

    @property
    def reasons(self) -> list[str]:
        """Why points are missing, each reason once."""
        told: dict[str, str] = {}
        for item in self.items:
            if item.result != "right":
                reason = item.reason or item.result
                # The same cause with the numbers of another case tells nothing new.
                told.setdefault(reason.split("; yours")[0], reason)
        return list(told.values())

    def __bool__(self) -> bool:
        return all(item.result == "right" for item in self.items)

    def score(self, out_of: float) -> float:
        """Print the report, and return the share of `out_of` points: nbgrader's partial credit."""
        print(self)  # noqa: T201 - in a graded cell, the reason has to be seen beside the number
        return round(self.share * out_of, 6)

    def raise_for_failure(self) -> Report:
        """Return the report itself if everything is right.

        Raises
        ------
        AssertionError
            Otherwise, with the report as its message.
        """
        if not self:
            raise AssertionError(f"\n{self}")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists, strings and numbers."""
        return {
            "name": self.name,
            "points": self.points,
            "possible": self.possible,
            "items": [
                {
                    "part": item.part,
                    "check": item.check,
                    "points": item.points,
                    "possible": item.possible,
                    "result": item.result,
                    "reason": item.reason or None,
                }
                for item in self.items
            ],
        }

    def __str__(self) -> str:
        head = f"{self.name}: {number(self.points)} of {number(self.possible)} points"
        return "\n".join([head, *(f"  {item}" for item in self.items)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show notebooks a table."""
        rows = "\n".join(
            f"<tr><td>{MARKS[item.result]}</td><td>{escape(item.part)}</td>"
            f"<td>{escape(item.check)}</td>"
            f"<td>{number(item.points)} of {number(item.possible)}</td>"
            f'<td style="text-align:left">{escape(item.reason or item.result)}</td></tr>'
            for item in self.items
        )
        count = f"{number(self.points)} of {number(self.possible)} points"
        return f"<b>{escape(self.name)}: {count}</b>\n<table>\n{rows}\n</table>"


def number(x: float) -> str:
    """Return points as text: 3, 2.5.

    Examples
    --------
    >>> from tinygrad_lecture.teach.report import number
    >>> number(3.0), number(2.5)
    ('3', '2.5')
    """
    return f"{x:.4g}"
