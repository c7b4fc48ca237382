"""The report of a check: dataclasses, a table for people, JSON for scripts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .verdicts import Verdict, band, worst

Index = tuple[int, ...]


@dataclass(frozen=True)
class Coordinate:
    """One number of a gradient, compared.

    Attributes
    ----------
    argument : str
        Name of the argument.
    index : tuple of int
        Where in it; ``()`` for a number.
    analytic, numeric : float
        Yours, and what the function values say.
    error_bar : float
        How far off the numeric value may be.
    relative_error : float
        |analytic - numeric| / (|analytic| + |numeric|).
    verdict : Verdict
        The answer for this number.
    method : str
        Where the numeric value comes from.
    remark : str
        More about the verdict, or empty.
    """

    argument: str
    index: Index
    analytic: float
    numeric: float
    error_bar: float
    relative_error: float
    verdict: Verdict
    method: str
    remark: str = ""

    @property
    def place(self) -> str:
        """Argument and index as one writes them."""
        return self.argument + (f"[{', '.join(map(str, self.index))}]" if self.index else "")


@dataclass(frozen=True)
class ArgumentResult:
    """All that was found out about one argument.

    Attributes
    ----------
    name : str
        Name of the argument.
    shape : tuple of int
        Its shape.
    order : int
        1 for the gradient, 2 for the derivative of the gradient.
    verdict : Verdict
        The answer for the argument.
    coordinates : tuple of Coordinate
        What was compared, worst first.
    directions : int
        Number of random directions that were compared besides (for large arguments).
    cause : str
        A likely cause of a wrong gradient, or empty.
    remarks : tuple of str
        What else there is to know.
    taylor : float
        Order of the Taylor remainder along a random direction; nan if there is none.
    """

    name: str
    shape: tuple[int, ...]
    order: int
    verdict: Verdict
    coordinates: tuple[Coordinate, ...]
    directions: int = 0
    cause: str = ""
    remarks: tuple[str, ...] = ()
    taylor: float = math.nan

    @property
    def size(self) -> int:
        """Number of coordinates of the argument."""
        return math.prod(self.shape)

    @property
    def worst_error(self) -> float:
        """The largest relative error away from kinks; 0 if there is none, nan if one is."""
        errors = [c.relative_error for c in self.coordinates if c.verdict is not Verdict.KINK]
        return math.nan if any(map(math.isnan, errors)) else max(errors, default=0.0)

    @property
    def words(self) -> str:
        """What the worst error means, in words."""
        if self.verdict is Verdict.KINK:
            return "no slope to compare with"
        if self.verdict in (Verdict.NOISE, Verdict.NONDETERMINISTIC):
            return "cannot tell"
        return band(self.worst_error)

    def count(self, verdict: Verdict) -> int:
        """Return how many of the compared coordinates got a verdict."""
        return sum(c.verdict is verdict for c in self.coordinates)


class GradientError(AssertionError):
    """A gradient check did not pass; the message is the report.

    Attributes
    ----------
    report : Report
        The report.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(f"\n{report}")
        self.report = report


@dataclass(frozen=True)
class Report:
    """The outcome of a gradient check; true if it passed.

    Attributes
    ----------
    name, kind : str
        The target, and what it was taken for.
    arguments : tuple of ArgumentResult
        One for each argument (and order).
    seed, order : int
        As given.
    rtol, atol : float
        The tolerances that were used.
    remarks : tuple of str
        What the user should know about how the check was done.
    point : dict
        The inputs by name, as plain numbers and lists, if they are small enough to print.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> report = tg.gradcheck(lambda x: x * tg.exp(x), 1.5)
    >>> report.verdict.value, report.exit_code, bool(report)
    ('pass', 0, True)
    """

    name: str
    kind: str
    arguments: tuple[ArgumentResult, ...]
    seed: int = 0
    order: int = 1
    rtol: float = 0.0
    atol: float = 0.0
    remarks: tuple[str, ...] = ()
    point: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict among the arguments."""
        return worst(a.verdict for a in self.arguments)

    @property
    def passed(self) -> bool:
        """Whether every argument passed."""
        return self.verdict is Verdict.PASS

    def __bool__(self) -> bool:
        return self.passed

    @property
    def exit_code(self) -> int:
        """0 pass, 1 wrong gradient, 3 inconclusive."""
        return self.verdict.exit_code

    @property
    def worst_error(self) -> float:
        """The largest relative error of all."""
        errors = [a.worst_error for a in self.arguments]
        return math.nan if any(map(math.isnan, errors)) else max(errors, default=0.0)

    @property
    def causes(self) -> list[str]:
        """The likely causes, one for each argument that has one."""
        return [f"{a.name}: {a.cause}" for a in self.arguments if a.cause]

    def coordinates(self) -> list[Coordinate]:
        """Return all compared coordinates, worst first."""
        return sort_coordinates([c for a in self.arguments for c in a.coordinates])

    def raise_for_failure(self, *, allow_inconclusive: bool = False) -> Report:
        """Return the report itself if it passed.

        Parameters
        ----------
        allow_inconclusive : bool, default False
            Whether kinks, step noise and nondeterminism are let through.

        Raises
        ------
        GradientError
            If the verdict is *wrong gradient*, or inconclusive and that is not allowed.
        """
        if self.exit_code == 1 or (self.exit_code == 3 and not allow_inconclusive):
            raise GradientError(self)
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists, strings and numbers; nan and inf as strings."""
        arguments = [
            {
                "name": a.name,
                "shape": list(a.shape),
                "order": a.order,
                "verdict": str(a.verdict),
                "cause": a.cause or None,
                "compared": len(a.coordinates),
                "size": a.size,
                "directions": a.directions,
                "worst_error": plain(a.worst_error),
                "taylor_order": plain(a.taylor),
                "remarks": list(a.remarks),
                "coordinates": [_coordinate_json(c) for c in a.coordinates[:20]],
            }
            for a in self.arguments
        ]
        return {
            "target": self.name,
            "kind": self.kind,
            "verdict": str(self.verdict),
            "exit_code": self.exit_code,
            "seed": self.seed,
            "order": self.order,
            "rtol": self.rtol,
            "atol": self.atol,
            "point": self.point,
            "remarks": list(self.remarks),
            "arguments": arguments,
        }

    def __str__(self) -> str:
        return "\n".join(_lines(self, most=8))


def sort_coordinates(coordinates: Sequence[Coordinate]) -> list[Coordinate]:
    """Return coordinates worst first: by verdict, then not-a-numbers, then relative error."""
    order = (Verdict.WRONG, Verdict.NONDETERMINISTIC, Verdict.NOISE, Verdict.KINK, Verdict.PASS)

    def key(c: Coordinate) -> tuple[int, float, float]:
        error = math.inf if math.isnan(c.relative_error) else c.relative_error
        return order.index(c.verdict), -error, -abs(c.analytic - c.numeric)

    return sorted(coordinates, key=key)


def plain(number: float) -> float | str:
    """Return a number as JSON has it: nan and inf, which it has not, as strings."""
    return number if math.isfinite(number) else str(number)


def _coordinate_json(c: Coordinate) -> dict[str, Any]:
    return {
        "index": list(c.index),
        "analytic": plain(c.analytic),
        "numeric": plain(c.numeric),
        "error_bar": plain(c.error_bar),
        "relative_error": plain(c.relative_error),
        "verdict": str(c.verdict),
        "method": c.method,
        "remark": c.remark or None,
    }


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: set[int]) -> list[str]:
    """Return lines of a table; columns in `left` are aligned to the left."""
    widths = [max(len(r[k]) for r in (header, *rows)) for k in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if k in left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _lines(report: Report, most: int) -> list[str]:
    lines = [f"gradcheck {report.name}: {report.verdict}"]
    rows = []
    for a in report.arguments:
        compared = f"{len(a.coordinates)} of {a.size}"
        if a.directions:
            compared += f" + {a.directions} directions"
        name = a.name if report.order == 1 else f"{a.name} (order {a.order})"
        rows.append(
            [name, shape_text(a.shape), compared, f"{a.worst_error:.1e}", a.words, a.verdict]
        )
    header = ["argument", "shape", "compared", "worst", "in words", "verdict"]
    lines += table(header, rows, {0, 1, 4, 5})
    bad = [c for c in report.coordinates() if c.verdict is not Verdict.PASS]
    if bad:
        lines.append("")
        lines += _coordinate_table(bad[:most])
        if len(bad) > most:
            lines.append(f"... and {len(bad) - most} more")
    for a in report.arguments:
        if a.cause:
            lines.append(f"likely cause, {a.name}: {a.cause}")
        lines += [f"note, {a.name}: {remark}" for remark in a.remarks]
    lines += [f"note: {remark}" for remark in report.remarks]
    return lines


def _coordinate_table(coordinates: Sequence[Coordinate]) -> list[str]:
    rows = [
        [
            c.place,
            f"{c.analytic:.8g}",
            f"{c.numeric:.8g}",
            f"{c.relative_error:.1e}",
            c.verdict,
            c.remark,
        ]
        for c in coordinates
    ]
    return table(["where", "yours", "numeric", "error", "verdict", "remark"], rows, {0, 4, 5})


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape as text; ``number`` for ``()``.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.report import shape_text
    >>> shape_text(()), shape_text((3, 4))
    ('number', '3×4')
    """
    if not shape:
        return "number"
    return "×".join(map(str, shape)) if len(shape) > 1 else f"({shape[0]},)"


def dumps(document: Any) -> str:
    """Return a document as JSON text, indented, strict."""
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)
