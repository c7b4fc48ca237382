"""One run of the command: load a target, find a point, check it, search for a failing input."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad_lecture.errors import UsageError

from .check import check_problem
from .points import PointMaker
from .report import Report
from .search import Found, search
from .targets import load, seeded


@dataclass(frozen=True)
class Outcome:
    """What a run of the command found.

    Attributes
    ----------
    report : Report
        At the point, or at the smallest failing input if a search found one.
    found : Found or None
        The outcome of the search, if there was one.
    """

    report: Report
    found: Found | None = None

    @property
    def exit_code(self) -> int:
        """As in the report."""
        return self.report.exit_code

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data, with the search in ``search``."""
        document = self.report.to_json()
        if self.found is not None:
            document["search"] = {
                "tried": self.found.tried,
                "valid": self.found.valid,
                "failed": self.found.report is not None,
            }
        return document

    def __str__(self) -> str:
        lines = [str(self.report)]
        if self.found is not None and self.found.report is not None:
            lines.append(f"smallest failing input of {self.found.tried} tried:")
            point = self.report.point or {"(seed)": self.report.seed}
            lines += [f"  {name} = {value}" for name, value in point.items()]
        elif self.found is not None:
            lines.append(
                f"no failing input among {self.found.valid} (of {self.found.tried} tried, the "
                "others are outside of the domain)"
            )
        return "\n".join(lines)


def check_target(
    target: str,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    values: Mapping[str, Any] | None = None,
    constants: Collection[str] = (),
    seed: int = 0,
    kind: str = "auto",
    trials: int | None = None,
    tick: Callable[[], None] = lambda: None,
    **options: Any,
) -> Outcome:
    """Check what ``path/to/file.py:name`` or ``package.module:name`` names.

    Parameters
    ----------
    target : str
        A function of Values, a function that returns (value, gradient), a class (or an object)
        with forward and backward, or a ``tg.op``.
    shapes : mapping, optional
        Shapes of inputs that are drawn; numbers are drawn for the others.
    values : mapping, optional
        Inputs, and arguments of the constructor of a class.
    constants : collection of str
        Inputs and parameters that are not varied.
    seed : int, default 0
        Seed of all that is drawn, also of the global generators while the target is loaded.
    kind : str
        As for `gradcheck`.
    trials : int, optional
        Search so many inputs for a failing one.
    tick : callable
        Called for each trial.
    **options
        ``order``, ``rtol``, ``atol``, ``max_coordinates`` and ``complex_step`` of `gradcheck`.

    Raises
    ------
    UsageError
        For whatever is wrong with the target or the options.
    """
    if seed < 0:
        raise UsageError(f"seed must not be negative, got {seed}")
    with seeded(seed):
        thing = load(target)
        problem = PointMaker(
            thing, target, shapes or {}, values or {}, constants, seed, kind
        ).problem()
        report = check_problem(problem, seed=seed, **options)
        if trials is None:
            return Outcome(report)
        found = search(problem, trials, seed=seed, tick=tick, **options)
    return Outcome(report if found.report is None else found.report, found)
