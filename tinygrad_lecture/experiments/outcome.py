"""What an experiment hands back: checks against thresholds, notes, and data for a figure."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal, TypeAlias

import numpy as np

from ..errors import UsageError
from .figure import Figure

__all__ = [
    "Bound",
    "Check",
    "Outcome",
    "above",
    "at_least",
    "at_most",
    "below",
    "between",
    "equals",
    "near",
]

Number: TypeAlias = float | bool
Relation: TypeAlias = Literal["<", "≤", ">", "≥", "=", "in"]


def _inside(x: Number, interval: tuple[float, float]) -> bool:
    return interval[0] <= x <= interval[1]


RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "≤": operator.le,
    ">": operator.gt,
    "≥": operator.ge,
    "=": operator.eq,
    "in": _inside,
}


@dataclass(frozen=True)
class Bound:
    """A threshold as data: a relation and a number, or an interval for "in".

    A number that is nan keeps no bound.

    Attributes
    ----------
    relation : {"<", "≤", ">", "≥", "=", "in"}
    value : float, bool or (float, float)

    Examples
    --------
    >>> from tinygrad_lecture.experiments import below, near
    >>> print(below(1e-3), below(1e-3).holds(2e-3), near(10, rel=0.1))
    < 0.001 False in [9, 11]
    """

    relation: Relation
    value: Number | tuple[float, float]

    def holds(self, x: Number) -> bool:
        """Tell whether a measured number keeps the bound."""
        return bool(RELATIONS[self.relation](x, self.value))

    def __str__(self) -> str:
        if isinstance(self.value, tuple):
            low, high = map(_text, self.value)
            if low != high:
                return f"in [{low}, {high}]"
            half = (self.value[1] - self.value[0]) / 2
            return f"= {low} ± {half:.2g}"
        return f"{self.relation} {_text(self.value)}"


def below(x: float) -> Bound:
    """Bound < x."""
    return Bound("<", x)


def at_most(x: float) -> Bound:
    """Bound ≤ x."""
    return Bound("≤", x)


def above(x: float) -> Bound:
    """Bound > x."""
    return Bound(">", x)


def at_least(x: float) -> Bound:
    """Bound ≥ x."""
    return Bound("≥", x)


def equals(x: Number) -> Bound:
    """Bound = x, exactly: for counts and for yes or no."""
    return Bound("=", x)


def between(low: float, high: float) -> Bound:
    """Bound low ≤ … ≤ high."""
    return Bound("in", (low, high))


def near(x: float, *, rel: float = 0.0, abs: float = 0.0) -> Bound:
    """Bound x − d ≤ … ≤ x + d with d = rel·|x| + abs."""
    distance = rel * math.fabs(x) + abs
    return Bound("in", (x - distance, x + distance))


def _text(x: Number) -> str:
    return str(x) if isinstance(x, bool) else f"{x:.4g}"


def _plain(x: Any) -> Number | list[Any]:
    """Return measured numbers as Python's own: a float, a bool, or a list of these."""
    plain: Number | list[Any] = np.asarray(x).tolist()
    return plain


@dataclass(frozen=True)
class Check:
    """One measured number, or several, beside the threshold that all of them have to keep.

    Attributes
    ----------
    name : str
        What was measured, in a few words.
    measured : float, bool or list of these
        Arrays come in as nested lists.
    bound : Bound or None
        None: reported and not asserted, as rules of thumb are.
    reference : float or str, optional
        What plain NumPy code without this package gave when the threshold was chosen.

    Raises
    ------
    UsageError
        If nothing was measured: an empty list would keep any bound.

    Examples
    --------
    >>> from tinygrad_lecture.experiments import Check, below
    >>> print(Check("loss", [0.2, 0.5], below(0.3)))
    loss: 0.2 … 0.5 (2), < 0.3: fails
    """

    name: str
    measured: Any
    bound: Bound | None = None
    reference: float | str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "measured", _plain(self.measured))
        if not self.numbers:
            raise UsageError(f"check {self.name!r}: measured must hold at least one number")

    @property
    def numbers(self) -> list[Number]:
        """All measured numbers, in one flat list."""
        flat: list[Number] = np.ravel(self.measured).tolist()
        return flat

    @property
    def holds(self) -> bool:
        """Whether every measured number keeps the bound; true without a bound."""
        return self.bound is None or all(self.bound.holds(x) for x in self.numbers)

    @property
    def verdict(self) -> str:
        """Give "holds", "fails" or "reported"."""
        if self.bound is None:
            return "reported"
        return "holds" if self.holds else "fails"

    @property
    def measured_text(self) -> str:
        """The number, or the range of several and how many they are."""
        if len(self.numbers) == 1:
            return _text(self.numbers[0])
        low, high = min(self.numbers), max(self.numbers)
        if any(math.isnan(x) for x in self.numbers):
            low, high = math.nan, math.nan  # min and max would hide it, or not, by the order
        texts = dict.fromkeys((_text(low), _text(high)))  # one, if they look the same
        return f"{' … '.join(texts)} ({len(self.numbers)})"

    @property
    def reference_text(self) -> str:
        """The reference, or nothing."""
        if self.reference is None or isinstance(self.reference, str):
            return self.reference or ""
        return _text(self.reference)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON: inf and nan become text."""
        bound = self.bound
        threshold = None
        if bound is not None:
            threshold = {"relation": bound.relation, "value": _strict(bound.value)}
        return {
            "name": self.name,
            "measured": _strict(self.measured),
            "threshold": threshold,
            "reference": _strict(self.reference),
            "verdict": self.verdict,
        }

    def __str__(self) -> str:
        bound = "" if self.bound is None else f", {self.bound}"
        reference = f" (reference {self.reference_text})" if self.reference_text else ""
        return f"{self.name}: {self.measured_text}{bound}: {self.verdict}{reference}"


def _strict(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return [_strict(item) for item in x]
    if isinstance(x, float) and not math.isfinite(x):
        return str(x)
    return x


@dataclass(frozen=True, eq=False, repr=False)
class Outcome:
    """What an experiment measured; printed, it is a list of its checks, in a notebook a table.

    Attributes
    ----------
    checks : sequence of Check
        At least one of them with a bound.
    notes : tuple of str
        What a reader should know beside the numbers.
    figure : Figure or None
    data : dict
        Whatever else was measured, by name, for notebooks: arrays and numbers.

    Raises
    ------
    UsageError
        If no check has a bound: such an outcome could not fail.

    Examples
    --------
    >>> from tinygrad_lecture.experiments import Check, Outcome, below
    >>> outcome = Outcome([Check("loss", 0.2, below(0.3), reference=0.21)])
    >>> print(outcome)
    loss: 0.2, < 0.3: holds (reference 0.21)
    >>> outcome.holds
    True
    """

    checks: Sequence[Check]
    notes: tuple[str, ...] = ()
    figure: Figure | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if all(check.bound is None for check in self.checks):
            raise UsageError("an outcome needs at least one check with a bound, or it cannot fail")

    @property
    def holds(self) -> bool:
        """Whether all checks hold."""
        return all(check.holds for check in self.checks)

    def __getitem__(self, name: str) -> Check:
        """Return the check of this name; KeyError lists the names."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"no check {name!r}; there are {[check.name for check in self.checks]}")

    def __str__(self) -> str:
        return "\n".join([*map(str, self.checks), *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Give notebooks a table: a check a row, its number beside its threshold."""
        rows = [("measured", "", "threshold", "", "reference")]
        rows += [
            (c.name, c.measured_text, "" if c.bound is None else str(c.bound), c.verdict,
             c.reference_text)
            for c in self.checks
        ]  # fmt: skip
        used = [k for k in range(5) if any(row[k] for row in rows[1:])]
        lines = [
            "".join(f"<{tag}>{escape(row[k])}</{tag}>" for k in used)
            for row, tag in zip(rows, ("th", *["td"] * len(self.checks)), strict=True)
        ]
        table = "\n".join(f"<tr>{line}</tr>" for line in lines)
        notes = "".join(f"\n<p>{escape(note)}</p>" for note in self.notes)
        return f"<table>\n{table}\n</table>{notes}"
