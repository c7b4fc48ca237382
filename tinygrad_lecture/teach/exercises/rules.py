"""What the exercises about optimizers have in common: a rule, its wrong forms, and its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..exercise import Bench
from ..judge import Mistake, Pair
from ..optimizers import (
    Problem,
    apart_item,
    first_item,
    path_pairs,
    problem,
    steps_item,
    trajectory,
)
from ..report import Item

Rng = np.random.Generator
State = dict[str, Any]
Step = Callable[..., list[Any]]


@dataclass(frozen=True)
class Rule:
    """The parts of an exercise about an optimizer.

    Attributes
    ----------
    step : callable
        The right formula, for `trajectory`.
    settings : dict
        Of the cases.
    wrong : sequence of pairs
        Words and a wrong formula.
    edge : tuple
        Name of the edge case, and a function that draws it.
    ahead : bool
        Whether a method ``lookahead`` is needed.
    """

    step: Step
    settings: dict[str, Any]
    wrong: Sequence[tuple[str, Step]]
    edge: tuple[str, Callable[[Rng], Problem]]
    ahead: bool = False

    def right(self, task: Problem) -> Any:
        """Return the right path."""
        return trajectory(self.step, task)

    @property
    def mistakes(self) -> list[Mistake]:
        """The wrong formulas, as paths."""
        return [Mistake(words, partial(trajectory, step)) for words, step in self.wrong]

    def steps(self, bench: Bench) -> list[Item]:
        """Return the items of the first step and of all steps."""
        rng = bench.rng(0)
        tasks = [problem(rng, shape, settings=self.settings) for shape in ((4,), (2, 3))]
        pairs = self._pairs(bench, tasks, set())
        return [
            first_item(pairs, 3.0, self.mistakes),
            steps_item("steps", "all steps", 4.0, pairs, self.mistakes),
        ]

    def edge_cases(self, bench: Bench) -> list[Item]:
        """Return the items of the edge cases."""
        rng, written = bench.rng(1), set[str]()
        check, draw = self.edge
        tasks = [
            draw(rng),
            problem(rng, (), settings=self.settings, what="θ is one number"),
            problem(rng, settings=self.settings),
        ]
        drawn, scalar, apart = self._pairs(bench, tasks, written)
        return [
            steps_item("edge cases", check, 1.0, [drawn], self.mistakes),
            steps_item("edge cases", "θ may be one number", 0.5, [scalar], self.mistakes),
            apart_item(self._make(bench), apart, bench.limits, written, 1.5),
        ]

    @property
    def parts(self) -> tuple[Callable[[Bench], list[Item]], ...]:
        """Return the parts of the exercise."""
        return self.steps, self.edge_cases

    def _pairs(self, bench: Bench, tasks: list[Problem], written: set[str]) -> list[Pair]:
        tasks = [replace(task, ahead=self.ahead) for task in tasks]
        return path_pairs(self._make(bench), self.right, tasks, bench.limits, written)

    @staticmethod
    def _make(bench: Bench) -> Callable[..., Any]:
        return lambda **settings: bench.find()(**settings)


def forgetful(step: Step) -> Step:
    """Return a formula that remembers nothing."""
    return lambda theta, gradient, state, t, lr, **settings: step(
        theta, gradient, {}, 1, lr, **settings
    )


def rates(settings: dict[str, Any]) -> tuple[str, Callable[[Rng], Problem]]:
    """Return the edge case of a learning rate that changes."""

    def draw(rng: Rng) -> Problem:
        return problem(
            rng, settings=settings, rates={2: 0.03, 4: 0.2}, what="lr is changed between the steps"
        )

    return "self.lr is changed between the steps", draw


def flat(settings: dict[str, Any]) -> tuple[str, Callable[[Rng], Problem]]:
    """Return the edge case of a gradient that is always 0."""

    def draw(rng: Rng) -> Problem:
        task = problem(rng, settings=settings, what="one gradient is always 0")
        task.curvature[0] = 0.0
        task.noise[:, 0] = 0.0
        return task

    return "a gradient that is always 0 moves nothing", draw
