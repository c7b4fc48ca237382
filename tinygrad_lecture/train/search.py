"""Random search for hyper-parameters, from coarse to fine (lecture L63, L64)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from ..errors import UsageError
from .journal import Journal
from .space import (
    Choice,
    Distribution,
    Range,
    Space,
    check_space,
    choice,
    edge_warning,
    integers,
    loguniform,
    uniform,
)
from .trials import check_seed, run_trials, trial_rng

__all__ = [
    "Choice", "Distribution", "Range", "Search", "Space", "Stage", "Tried", "choice",
    "coarse_to_fine", "edge_warning", "integers", "loguniform", "random_search", "uniform",
]  # fmt: skip

Objective: TypeAlias = Callable[[dict[str, Any], np.random.Generator], float]
Tick: TypeAlias = Callable[["Tried"], object]
DRAWS, RUNS = 0, 1  # branches of the seed


@dataclass(frozen=True)
class Tried:
    """A trial of a search.

    Attributes
    ----------
    number : int
        From 0.
    params : dict
        What was drawn (and the settings of the stage).
    score : float
        nan if the trial broke down.
    error : str
        Why it broke down, or empty.
    seconds : float
        How long it took; not part of equality.
    """

    number: int
    params: dict[str, Any]
    score: float
    error: str = ""
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Search:
    """What a random search found; prints as a table of the best trials with its warnings.

    Attributes
    ----------
    space : dict
    mode : {"min", "max"}
    trials : tuple of Tried
        All, in the order of their numbers.
    """

    space: Space
    mode: Literal["min", "max"]
    trials: tuple[Tried, ...]

    @property
    def ranked(self) -> list[Tried]:
        """Trials with a finite score, the best first; of equal ones the earlier."""
        sign = 1 if self.mode == "min" else -1
        finite = [trial for trial in self.trials if math.isfinite(trial.score)]
        return sorted(finite, key=lambda trial: (sign * trial.score, trial.number))

    @property
    def best(self) -> Tried:
        """The trial with the best score.

        Raises
        ------
        UsageError
            If no trial gave a finite score.
        """
        if not self.ranked:
            reasons = {trial.error for trial in self.trials if trial.error}
            raise UsageError(
                f"none of the {len(self.trials)} trials gave a finite score"
                + (f": {min(reasons)}" if reasons else "")
            )
        return self.ranked[0]

    @property
    def edges(self) -> list[str]:
        """Warnings of `edge_warning` about the best three trials; none if there are fewer."""
        best = self.ranked[:3]
        return edge_warning(self.space, *(t.params for t in best)) if len(best) == 3 else []

    def narrowed(self, keep: float = 0.25) -> dict[str, Distribution]:
        """Return the part of the space that holds the best trials, this share of all.

        At least three of them; see `Range.around`.
        """
        if not 0 < keep <= 1:
            raise UsageError(f"keep must be a share above 0 and at most 1, got {keep}")
        best = [self.best, *self.ranked[1 : max(3, round(keep * len(self.trials)))]]
        return {
            name: part.around([trial.params[name] for trial in best], len(self.trials))
            for name, part in self.space.items()
        }

    def table(self, rows: int = 10) -> str:
        """Return the best trials as text, one a line."""
        names = list(self.space)
        cells = [["trial", "score", *names]]
        for trial in self.ranked[:rows]:
            numbers = [trial.score, *(trial.params[name] for name in names)]
            cells.append([str(trial.number), *map(_text, numbers)])
        widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
        return "\n".join(
            "  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)) for row in cells
        )

    def __str__(self) -> str:
        lost = len(self.trials) - len(self.ranked)
        lines = [self.table()] if self.ranked else []
        lines.append(
            f"{len(self.trials)} trials" + (f", {lost} of them broke down" if lost else "")
        )
        return "\n".join([*lines, *self.edges])


class Stage(NamedTuple):
    """A stage of `coarse_to_fine`: how many trials, and what else each of them is told."""

    trials: int
    settings: Mapping[str, Any] = {}


def random_search(
    space: Space,
    function: Objective,
    n: int,
    *,
    seed: int | Sequence[int] = 0,
    mode: Literal["min", "max"] = "min",
    settings: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    retries: int = 2,
    journal: str | PathLike[str] | None = None,
    tick: Tick | None = None,
) -> Search:
    """Try `n` draws from a space of hyper-parameters.

    Random draws find more than a grid of as many: n trials try n values of the one parameter that
    matters, and a grid only a few (Bergstra and Bengio 2012).

    Parameters
    ----------
    space : mapping of str to Distribution
        Made by `uniform`, `loguniform`, `integers`, `choice`.
    function : callable
        ``function(params, rng)`` gives a score.  All that it draws should come from `rng`, a
        generator of its own; see `run_trials` for what may travel to another process.  A score that
        is not finite, or an ArithmeticError such as `DivergenceError`, marks a trial that broke
        down; it is kept and never the best.
    n : int
        Trials, >= 1.  Trial number i draws the same whatever n is.
    seed : int or sequence of int
    mode : {"min", "max"}
        Whether small or large scores are better.
    settings : mapping, optional
        Further entries of ``params``, the same in all trials.
    executor, workers, retries
        See `run_trials`.
    journal : path, optional
        A file that gets a line of JSON with each trial as it ends.  If it is there already, its
        trials are not run again: a search that was stopped goes on, and one can be extended.
    tick : callable, optional
        Called with each `Tried` when it is done, in no particular order; with those of the journal
        as well.

    Returns
    -------
    Search

    Raises
    ------
    UsageError
        For bad settings, or a journal of another search.
    TrialError, WorkerDeathError
        See `run_trials`; with a journal, what was done until then is not lost.

    Examples
    --------
    >>> import math
    >>> from tinygrad_lecture.train import SerialExecutor
    >>> from tinygrad_lecture.train.search import loguniform, random_search, uniform
    >>> def score(params, rng):
    ...     return (math.log10(params["lr"]) + 2) ** 2 + 0.1 * params["momentum"]
    >>> space = {"lr": loguniform(1e-5, 1e-1), "momentum": uniform(0, 0.9)}
    >>> search = random_search(space, score, 20, seed=0, executor=SerialExecutor())
    >>> print(search.table(3))
    trial   score       lr  momentum
        6  0.0419   0.0101     0.419
        8   0.153  0.00468     0.442
       18   0.469  0.00226     0.516
    """
    parts, numbers = check_space(space), check_seed(seed)
    if n < 1:
        raise UsageError(f"a search needs at least 1 trial, got {n}")
    if mode not in ("min", "max"):
        raise UsageError(f'mode is "min" or "max", got {mode!r}')
    drawn = [_draw(parts, numbers, number) | dict(settings or {}) for number in range(n)]
    log = None if journal is None else Journal(journal)
    done = {} if log is None else _recall(log, drawn)

    def note(number: int, outcome: tuple[float, str, float]) -> None:
        done[number] = Tried(number, drawn[number], *outcome)
        if log is not None:
            log.append(_as_line(done[number]))
        if tick is not None:
            tick(done[number])

    for trial in list(done.values()):
        if tick is not None:
            tick(trial)
    left = [number for number in range(n) if number not in done]
    run_trials(
        partial(_try, function),
        [drawn[number] for number in left],
        seed=(*numbers, RUNS),
        numbers=left,
        executor=executor,
        workers=workers,
        retries=retries,
        tick=note,
    )
    return Search(parts, mode, tuple(done[number] for number in range(n)))


def coarse_to_fine(
    space: Space,
    function: Objective,
    stages: Sequence[Stage | tuple[int, Mapping[str, Any]]],
    *,
    keep: float = 0.25,
    seed: int | Sequence[int] = 0,
    journal: str | PathLike[str] | None = None,
    **options: Any,
) -> list[Search]:
    """Search in stages, each in the part of the space where the one before found its best (L64).

    First many trials of few epochs, which are enough to see what does not work at all; then fewer
    and longer ones in a smaller space.

    Parameters
    ----------
    space, function
        See `random_search`.
    stages : sequence of Stage
        ``Stage(trials, settings)``; the settings, such as ``{"epochs": 2}``, join the params.
    keep : float
        Share of the trials, the best ones, that the next stage searches around.
    seed : int or sequence of int
        Each stage draws from a branch of its own.
    journal : path, optional
        See `random_search`; stage k writes to ``<name>-k<suffix>``.
    **options
        Of `random_search`.

    Returns
    -------
    list of Search
        One a stage.  Scores of stages with different settings do not compare; the last one has
        the answer, and its `edges` and those of the first are worth a look.

    Raises
    ------
    UsageError
        Without stages, for bad settings, or if no trial of a stage gave a finite score.

    Examples
    --------
    >>> import math
    >>> from tinygrad_lecture.train import SerialExecutor
    >>> from tinygrad_lecture.train.search import Stage, coarse_to_fine, loguniform
    >>> def score(params, rng):
    ...     return abs(math.log10(params["lr"]) + 2) + 1 / params["epochs"]
    >>> stages = [Stage(20, {"epochs": 1}), Stage(10, {"epochs": 10})]
    >>> space = {"lr": loguniform(1e-7, 1e3)}
    >>> coarse, fine = coarse_to_fine(space, score, stages, executor=SerialExecutor())
    >>> print(coarse.space["lr"], fine.space["lr"], sep=", then ")
    [1e-07, 1e+03] (log), then [0.000235, 0.362] (log)
    >>> round(fine.best.params["lr"], 3)
    0.008
    """
    if not stages:
        raise UsageError("coarse_to_fine needs stages, such as [Stage(20, {'epochs': 2})]")
    searches: list[Search] = []
    for number, stage in enumerate(stages):
        trials, settings = stage
        file = None if journal is None else Path(journal)
        searches.append(
            random_search(
                searches[-1].narrowed(keep) if searches else space,
                function,
                trials,
                seed=(*check_seed(seed), number),
                settings=settings,
                journal=file and file.with_name(f"{file.stem}-{number + 1}{file.suffix}"),
                **options,
            )
        )
    return searches


def _draw(space: Space, seed: tuple[int, ...], number: int) -> dict[str, Any]:
    rng = trial_rng(seed, DRAWS, number)
    return {name: part.sample(rng) for name, part in space.items()}


def _try(
    function: Objective, params: dict[str, Any], rng: np.random.Generator
) -> tuple[float, str, float]:
    """Return score, error and seconds of one trial, in the worker."""
    begin, error = time.perf_counter(), ""
    try:
        score = function(dict(params), rng)
    except ArithmeticError as caught:
        score, error = math.nan, f"{type(caught).__name__}: {caught}"
    try:
        number = float(score)
    except (TypeError, ValueError):
        raise UsageError(f"a trial must return one number as its score, got {score!r}") from None
    return number, error, time.perf_counter() - begin


def _as_line(trial: Tried) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "params": trial.params,
        "score": trial.score if math.isfinite(trial.score) else str(trial.score),
        "error": trial.error,
        "seconds": round(trial.seconds, 3),
    }


def _recall(log: Journal, drawn: list[dict[str, Any]]) -> dict[int, Tried]:
    """Return the trials of a journal, if they are those of this search."""
    done = {}
    for line in log.lines:
        number = line["trial"]
        if number >= len(drawn):
            continue
        if line["params"] != log.plain(drawn[number]):
            raise UsageError(
                f"{log.path} is the journal of another search: its trial {number} had"
                f" {line['params']}, this search draws {drawn[number]}"
            )
        done[number] = Tried(
            number, drawn[number], float(line["score"]), line["error"], line["seconds"]
        )
    return done


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
