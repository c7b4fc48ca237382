"""The op table against numbers, and the test of the tester.

Every row is called at random points of its domain, and its derivative is checked in first and
second order, by differences and, where it is analytic, by the complex step; and the forward mode
has to agree with the reverse mode, <u, J v> = <Jᵀ u, v>.  `faulty` checks a row whose derivative
was scaled: the checker has to object.
"""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lecture.engine.nest import flatten, nest_map
from tinygrad_lecture.engine.ops.table import TABLE, Op, ScaledOp
from tinygrad_lecture.engine.transforms import jvp, vjp
from tinygrad_lecture.errors import UsageError

from .check import check_problem
from .examine import draw_cotangent
from .kinds import problem_for
from .problem import Problem
from .report import Report, plain, table
from .verdicts import Verdict, relative_error, worst

_MODES_AGREE = 1e-9


@dataclass(frozen=True)
class RowResult:
    """What was found out about one row of the op table.

    Attributes
    ----------
    name, kind, domain : str
        As in the table.
    reports : tuple of Report
        One per random call.
    modes_error : float
        How far <u, J v> and <Jᵀ u, v> are apart, relatively, at worst.
    order : int
        Up to which order it was checked.
    """

    name: str
    kind: str
    domain: str
    reports: tuple[Report, ...]
    modes_error: float
    order: int

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict; wrong if the modes disagree."""
        found = [r.verdict for r in self.reports]
        if not self.modes_error <= _MODES_AGREE:
            found.append(Verdict.WRONG)
        return worst(found)

    def worst_error(self, order: int) -> float:
        """Return the largest relative error of an order."""
        errors = [a.worst_error for r in self.reports for a in r.arguments if a.order == order]
        return float(np.max(errors)) if errors else 0.0

    @property
    def complex(self) -> bool:
        """Whether the complex step was used."""
        return any(c.method == "complex step" for r in self.reports for c in r.coordinates())

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "domain": self.domain,
            "verdict": str(self.verdict),
            "error_order_1": plain(self.worst_error(1)),
            "error_order_2": plain(self.worst_error(2)) if self.order > 1 else None,
            "modes_error": plain(self.modes_error),
            "complex_step": self.complex,
        }


def rows(name: str | None = None) -> list[Op]:
    """Return the rows of the op table, or the one with a name.

    Raises
    ------
    UsageError
        If there is no row of this name.
    """
    if name is None:
        return list(TABLE.values())
    if name not in TABLE:
        near = difflib.get_close_matches(name, TABLE, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(TABLE)}"
        raise UsageError(f"--op {name}: the op table has no such row; {hint}")
    return [TABLE[name]]


def check_rows(
    chosen: Iterable[Op],
    *,
    seed: int = 0,
    samples: int = 3,
    order: int = 2,
    tick: Callable[[], None] = lambda: None,
    **options: Any,
) -> list[RowResult]:
    """Check rows of the op table.

    Parameters
    ----------
    chosen : iterable of Op
        The rows.
    seed : int, default 0
        Seed of the random calls.
    samples : int, default 3
        Calls per row.
    order : {1, 2}, default 2
        Up to which order.
    tick : callable
        Called after each row.
    **options
        For `check_problem`.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.builtin import check_rows, rows
    >>> [result] = check_rows(rows("tanh"))
    >>> result.name, result.verdict.value
    ('tanh', 'pass')
    """
    results = []
    for row in chosen:
        rng = row_generator(row, seed)
        reports = []
        modes = 0.0
        for _ in range(samples):
            problem = row_problem(row, rng)
            reports.append(check_problem(problem, seed=seed, order=order, **options))
            modes = max(modes, modes_error(problem, rng))
        domain = ", ".join(f"({low:g}, {high:g})" for low, high in row.domain) or "cases"
        results.append(RowResult(row.name, row.kind, domain, tuple(reports), modes, order))
        tick()
    return results


def row_generator(row: Op | ScaledOp, seed: int) -> np.random.Generator:
    """Return the generator for a row: its draws do not depend on the other rows."""
    return np.random.default_rng((seed, zlib.crc32(row.name.encode())))


def row_problem(row: Op | ScaledOp, rng: np.random.Generator) -> Problem:
    """Return the problem of a row at one random call."""
    return problem_for(row, (), seed=int(rng.integers(2**31)))


def modes_error(problem: Problem, rng: np.random.Generator) -> float:
    """Relative difference of <u, J v>, by the forward mode, and <Jᵀ u, v>, by the reverse mode."""
    leaves = [float(x) if x.ndim == 0 else x for x in problem.point]
    tangents = [_plain(np.asarray(rng.uniform(0.5, 1.5, np.shape(x)))) for x in leaves]

    def call(*values: Any) -> Any:
        return problem.call(values)  # type: ignore[attr-defined]

    out, tangent = jvp(call, leaves, tangents)
    parts = [np.asarray(o, dtype=np.float64) for o in flatten(out)[0]]
    weights = iter([draw_cotangent(rng, p.size).reshape(p.shape) for p in parts])
    cotangent = nest_map(lambda o: _plain(next(weights)), out)
    pulled = vjp(call, *leaves)[1](cotangent)
    forward = sum(
        float(np.sum(u * np.asarray(t)))
        for u, t in zip(flatten(cotangent)[0], flatten(tangent)[0], strict=True)
    )
    terms = [float(np.sum(np.asarray(g) * v)) for g, v in zip(pulled, tangents, strict=True)]
    size = max(map(abs, terms), default=0.0)
    if abs(forward - sum(terms)) <= 1e-13 * size:
        return 0.0
    return relative_error(forward, sum(terms))


def _plain(weights: Any) -> Any:
    return float(weights) if weights.ndim == 0 else weights


def faulty(row: Op, factor: float = 1.001, *, seed: int = 0, samples: int = 3) -> list[Report]:
    """Check a row whose derivative is multiplied by `factor`, at the points of `check_rows`.

    The checker itself is on trial here: a report that passes, although the derivative is not 0
    there, is a failure of the checker.
    """
    spoilt = row.with_scaled_derivative(factor)
    rng = row_generator(row, seed)
    return [check_problem(row_problem(spoilt, rng), seed=seed) for _ in range(samples)]


def has_derivative(reports: Sequence[Report]) -> bool:
    """Whether any numeric slope in some reports is not 0: otherwise no factor can be noticed."""
    return any(c.numeric != 0.0 for r in reports for c in r.coordinates())


def rows_table(results: Sequence[RowResult]) -> str:
    """Return the results as a table, failures first in the list below it."""
    header = ["op", "kind", "domain", "order 1", "order 2", "modes", "complex", "verdict"]
    lines = table(header, [_cells(r) for r in results], {0, 1, 2, 7})
    bad = [r for r in results if r.verdict is not Verdict.PASS]
    passed = len(results) - len(bad)
    lines.append(f"{passed} of {len(results)} ops pass")
    for result in bad:
        lines.append("")
        worst_report = max(result.reports, key=lambda r: r.exit_code != 0)
        lines.append(str(worst_report))
    return "\n".join(lines)


def _cells(r: RowResult) -> list[str]:
    second = f"{r.worst_error(2):.1e}" if r.order > 1 else "-"
    return [
        r.name, r.kind, r.domain, f"{r.worst_error(1):.1e}", second, f"{r.modes_error:.1e}",
        "yes" if r.complex else "no", r.verdict,
    ]  # fmt: skip
