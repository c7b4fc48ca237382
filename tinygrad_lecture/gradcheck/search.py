"""Search for a failing input with hypothesis, and shrink it to the smallest."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lecture.errors import UsageError

from .arguments import Argument
from .check import check_problem
from .numeric import Array
from .problem import Problem
from .report import Report
from .verdicts import Verdict

_BOUND = 8.0
_LONGEST = 64


@dataclass(frozen=True)
class Found:
    """The outcome of a search.

    Attributes
    ----------
    report : Report or None
        Of the smallest failing input; None if there is none.
    tried, valid : int
        How many inputs were tried, and at how many the function could be checked.
    """

    report: Report | None
    tried: int
    valid: int


def search(
    problem: Problem,
    trials: int,
    *,
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
    **options: Any,
) -> Found:
    """Look for inputs, of the shapes of the problem's, at which the gradient is wrong.

    Parameters
    ----------
    problem : Problem
        The target and its shapes.
    trials : int
        How many inputs to try, at least 1; shrinking a failing one takes more.
    seed : int, default 0
        The same seed gives the same search.
    tick : callable
        Called for each input.
    **options
        For `check_problem`.

    Raises
    ------
    UsageError
        If hypothesis is not installed, or `trials` is not positive.
    """
    if trials < 1:
        raise UsageError(f"trials must be at least 1, got {trials}")
    try:
        import hypothesis
        from hypothesis import HealthCheck, settings, strategies
    except ImportError:  # an extra; see pyproject.toml
        raise UsageError(
            'the search needs hypothesis: pip install "tinygrad_lecture[search]"'
        ) from None
    counts = {"tried": 0, "valid": 0}

    def fails(arrays: tuple[Array, ...]) -> bool:
        tick()
        counts["tried"] += 1
        try:
            report = check_problem(problem.at(arrays), seed=seed, verdict_only=True, **options)
        except UsageError:  # outside of the domain
            return False
        counts["valid"] += 1
        return report.verdict is Verdict.WRONG

    points = strategies.tuples(*(_points(strategies, a) for a in problem.arguments))
    rules = settings(
        max_examples=trials, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    try:
        smallest = hypothesis.find(points, fails, settings=rules, random=random.Random(seed))
    except (hypothesis.errors.NoSuchExample, hypothesis.errors.Unsatisfiable):
        return Found(None, counts["tried"], counts["valid"])
    report = check_problem(problem.at(smallest), seed=seed, **options)
    return Found(report, counts["tried"], counts["valid"])


def _points(strategies: Any, argument: Argument) -> Any:
    """Return a strategy for an argument: number by number, or by a seed if there are many."""
    shape = argument.shape
    if argument.size > _LONGEST:
        return strategies.integers(0, 2**16).map(
            lambda n: np.random.default_rng(n).normal(size=shape) * (1 + n % 4)
        )
    number = strategies.floats(-_BOUND, _BOUND, allow_nan=False, allow_subnormal=False)
    numbers = strategies.lists(number, min_size=argument.size, max_size=argument.size)
    return numbers.map(lambda xs: np.array(xs, dtype=np.float64).reshape(shape))
