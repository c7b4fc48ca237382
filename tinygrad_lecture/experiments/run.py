"""Run many claims, here or on any executor: each is measured, timed and judged by itself."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import dataclass
from typing import Any

from ..train import local_processes
from ..train.blas import one_thread
from .outcome import Outcome
from .registry import Claim, claims

__all__ = ["Result", "run_claims"]


@dataclass(frozen=True, eq=False)
class Result:
    """A claim and what came out of it.

    Attributes
    ----------
    claim : Claim
    outcome : Outcome or None
        None if the experiment raised, or there is none.
    error : str
        The exception in a line, if the experiment raised.
    trace : str
        Its traceback.
    seconds : float
        CPU time of the process that ran it; of the whole process, so on an executor of threads
        it counts the neighbours too.
    """

    claim: Claim
    outcome: Outcome | None = None
    error: str = ""
    trace: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """Give "holds", "fails", "error" or "no claim"."""
        if self.claim.experiment is None:
            return "no claim"
        if self.outcome is None:
            return "error"
        return "holds" if self.outcome.holds else "fails"

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the claim."""
        return self.verdict in ("holds", "no claim")

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        outcome = self.outcome
        return {
            "id": self.claim.id,
            "name": self.claim.name,
            "claim": self.claim.statement,
            "verdict": self.verdict,
            "checks": [] if outcome is None else [check.to_json() for check in outcome.checks],
            "notes": [] if outcome is None else list(outcome.notes),
            "reason": self.claim.reason,
            "error": self.error,
            "seconds": round(self.seconds, 3),
        }


def run_claims(
    names: Iterable[str] | None = None,
    *,
    quick: bool = False,
    seed: int = 0,
    executor: Executor | None = None,
    tick: Callable[[Result], object] | None = None,
) -> list[Result]:
    """Measure claims; one that raises, or kills its process, fails, and the others go on.

    Parameters
    ----------
    names : iterable of str, optional
        Ids or names of experiments, see `claims`; all by default.
    quick : bool
        Fewer seeds and steps.
    seed : int
        Of all experiments; the thresholds were chosen with 0.
    executor : concurrent.futures.Executor, optional
        Where to run: processes, threads, or those of a cluster; in this thread by default.
        Outcomes do not depend on it.  If a worker dies and takes the others with it, what is left
        runs here, in a process of its own each.
    tick : callable, optional
        Called with each result when it is there, in no particular order.

    Returns
    -------
    list of Result
        In the order of the lecture.

    Raises
    ------
    UsageError
        For a name that nothing goes by.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> [result.verdict for result in tg.experiments.run_claims(["L20"], quick=True)]
    ['holds', 'holds']
    """
    chosen = claims(names)
    results: dict[str, Result] = {}

    def note(result: Result) -> None:
        results[result.claim.name] = result
        if tick is not None:
            tick(result)

    if executor is None:
        for one in chosen:
            note(measure(one, quick, seed))
    else:
        for one in _run_on(executor, chosen, quick, seed, note):
            # Its worker died, or that of a claim beside it: alone, each shows which one it is.
            with local_processes(1) as alone:
                note(_result(alone.submit(measure, one, quick, seed), one))
    return [results[one.name] for one in chosen]


def _run_on(
    executor: Executor, chosen: list[Claim], quick: bool, seed: int, note: Callable[[Result], None]
) -> list[Claim]:
    """Measure on an executor; return the claims that are left if it breaks."""
    futures, lost = {}, []
    for one in chosen:
        try:
            futures[executor.submit(measure, one, quick, seed)] = one
        except BrokenExecutor:
            lost.append(one)
    for future in as_completed(futures):
        if isinstance(future.exception(), BrokenExecutor):
            lost.append(futures[future])
        else:
            note(_result(future, futures[future]))
    return lost


def measure(one: Claim, quick: bool = False, seed: int = 0) -> Result:
    """Run the experiment of one claim."""
    if one.experiment is None:
        return Result(one)
    start = time.process_time()
    try:
        with one_thread():  # what is measured must not depend on how many share a product
            outcome = one.experiment(quick=quick, seed=seed)
    except Exception as error:  # noqa: BLE001 - reported with the claim, which fails
        return _failed(one, error, time.process_time() - start)
    return Result(one, outcome, seconds=time.process_time() - start)


def _result(future: Future[Result], one: Claim) -> Result:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - the worker died, or the result could not travel
        return _failed(one, error, 0.0)


def _failed(one: Claim, error: Exception, seconds: float) -> Result:
    line = f"{type(error).__name__}: {error}".splitlines()[0]
    return Result(one, None, line, "".join(traceback.format_exception(error)), seconds)
