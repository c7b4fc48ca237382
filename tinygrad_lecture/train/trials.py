"""Many independent trials on an executor: local processes, threads, or the workers of a cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import operator
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ..errors import UsageError
from .blas import one_thread
from .machine import THREADS, cpus

__all__ = ["SerialExecutor", "TrialError", "WorkerDeathError", "local_processes", "run_trials"]

"""Environment variables that say how many threads linear algebra takes."""

Trial: TypeAlias = Callable[[Any, np.random.Generator], Any]
T = TypeVar("T")


class TrialError(RuntimeError):
    """A trial raised.  The message names the trial and its error; the traceback is a note.

    Attributes
    ----------
    number : int
        Of the trial, from 0.
    kind : str
        Name of the exception's class.
    """

    def __init__(self, number: int, kind: str, message: str) -> None:
        super().__init__(number, kind, message)
        self.number, self.kind = number, kind

    def __str__(self) -> str:
        number, kind, message = self.args
        return f"trial {number} raised {kind}: {message}"


class WorkerDeathError(RuntimeError):
    """The process under a trial died each time that the trial was run."""


class SerialExecutor(Executor):
    """An executor that runs each call at once, in the thread that submits it.

    For debugging, and for functions that cannot travel to another process.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> with tg.train.SerialExecutor() as executor:
    ...     executor.submit(max, 1, 2).result()
    2
    """

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call ``fn`` now; the future is done when this returns."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the future raises it where it is asked
            future.set_exception(error)
        return future


@contextlib.contextmanager
def local_processes(workers: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of new processes on this machine, which end with the block and with Ctrl-C.

    Each has one thread for linear algebra, unless the environment says otherwise: processes that
    start a thread for each CPU each get in each other's way.

    Parameters
    ----------
    workers : int, optional
        Processes; by default as many as there are CPUs.
    """
    pool = ProcessPoolExecutor(
        workers or cpus(),
        # A fork would copy a process whose progress bar and linear algebra have threads.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin_worker,
    )
    # Read when NumPy is loaded, so it has to be there before the processes start.
    added = {name: "1" for name in THREADS if name not in os.environ}
    os.environ.update(added)
    try:
        yield pool
    finally:
        for name in added:
            del os.environ[name]
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    """Let a new process end with Ctrl-C, and with the process that started it, killed or not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def run_trials(
    function: Trial,
    arguments: Iterable[Any],
    *,
    seed: int | Sequence[int] = 0,
    numbers: Sequence[int] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    retries: int = 2,
    tick: Callable[[int, Any], object] | None = None,
) -> list[Any]:
    """Call ``function(argument, rng)`` for each argument, wherever there is a free worker.

    Trial number i gets a generator of its own, from ``SeedSequence(seed, spawn_key=(i,))``: what
    it draws depends on `seed` and i alone.  So results depend neither on the executor, nor on the
    number of workers, nor on which trials end first, nor on how many more there are.  To the last
    bit: each trial has one thread for linear algebra (with OpenBLAS or MKL, on machines alike).

    A trial whose worker dies (killed, out of memory, crashed) is run again from its start.  Trials
    that were under way together in local processes run again one at a time, so that the one that
    kills its worker is known.

    Parameters
    ----------
    function : callable
        For other processes it must be importable: defined at the top level of a module (or
        `functools.partial` of such a function), and argument and result must be picklable, which
        `Value` and modules are not; a ``state_dict`` is.
    arguments : iterable
        One argument a trial.
    seed : int or sequence of int
        At least 0.  More than one number name a branch of a larger plan.
    numbers : sequence of int, optional
        Numbers of the trials, where some of a larger plan are run; 0, 1, 2, … by default.
    executor : concurrent.futures.Executor, optional
        Local processes by default, started anew (the spawn method), so a script needs its
        ``if __name__ == "__main__":``.  `SerialExecutor()`, a `ThreadPoolExecutor`, a
        `ProcessPoolExecutor`, Dask's ``client.get_executor()`` and the like.  Not shut down here.
        A pool of processes that breaks cannot be used again: the rest then runs in local ones.
    workers : int, optional
        Number of local processes; the number of CPUs by default.
    retries : int
        How often a trial may be run again after its worker died, >= 0.
    tick : callable, optional
        Called as ``tick(number, result)``, in this thread, when a trial is done, in no particular
        order.

    Returns
    -------
    list
        Results in the order of the arguments.

    Raises
    ------
    UsageError
        For settings out of their range, or a function that cannot travel to another process.
    TrialError
        If a trial raises: the first of those in the order of the arguments.  Trials that have
        not begun are given up.
    WorkerDeathError
        If the workers under a trial died more than ``retries`` times.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> def throw(sides, rng):
    ...     return int(rng.integers(1, sides + 1))
    >>> tg.train.run_trials(throw, [6, 6, 20], seed=1, executor=tg.train.SerialExecutor())
    [1, 6, 9]
    """
    if retries < 0:
        raise UsageError(f"retries must be at least 0, got {retries}")
    if workers is not None and workers < 1:
        raise UsageError(f"workers must be at least 1, got {workers}")
    arguments = list(arguments)
    numbers = range(len(arguments)) if numbers is None else numbers
    by_number = dict(zip(numbers, arguments, strict=True))
    plan = _Plan(function, by_number, check_seed(seed), retries, tick)
    rest = deque(by_number)
    if executor is not None:
        if isinstance(executor, ProcessPoolExecutor):
            _check_picklable(plan)
        rest = _run_on(executor, plan)
    if rest and plan.failure is None:
        _check_picklable(plan)
        _check_importable(function)
        _run_locally(plan, rest, workers or cpus())
    if plan.failure is not None:
        raise plan.failure
    return [plan.results[number] for number in by_number]


def check_seed(seed: int | Sequence[int]) -> tuple[int, ...]:
    """Return a seed, or the path to one, as integers of at least 0."""
    numbers = tuple(seed) if isinstance(seed, Sequence) else (seed,)
    try:
        path = tuple(map(operator.index, numbers))
    except TypeError:
        path = ()
    if not path or min(path) < 0:
        raise UsageError(f"seed must be an integer of at least 0, or several; got {seed!r}")
    return path


def trial_rng(seed: tuple[int, ...], *branch: int) -> np.random.Generator:
    """Return the generator of one trial."""
    first, *path = seed
    return np.random.default_rng(np.random.SeedSequence(first, spawn_key=(*path, *branch)))


@dataclass(frozen=True)
class _Failure:
    kind: str
    message: str
    trace: str


def _run_one(
    function: Trial, argument: Any, seed: tuple[int, ...], number: int, attempt: int
) -> Any:
    """Run a trial, in the worker.  What it raises is told in words: not all errors are picklable.

    The attempt makes another call of the same trial: a cluster keeps the results of equal calls.
    """
    try:
        with one_thread():  # the number of threads would show in the last bits
            return function(argument, trial_rng(seed, number))
    except Exception as error:  # noqa: BLE001 - raised again in run_trials, as TrialError
        return _Failure(type(error).__name__, str(error), traceback.format_exc())


@dataclass
class _Plan:
    """What is to be run, and what has come of it."""

    function: Trial
    arguments: dict[int, Any]
    seed: tuple[int, ...]
    retries: int
    tick: Callable[[int, Any], object] | None
    results: dict[int, Any] = field(default_factory=dict)
    deaths: Counter[int] = field(default_factory=Counter)
    failure: TrialError | None = None

    def submit(self, executor: Executor, number: int) -> Future[Any]:
        """Have a trial run."""
        argument, attempt = self.arguments[number], self.deaths[number]
        return executor.submit(_run_one, self.function, argument, self.seed, number, attempt)

    def settle(self, number: int, future: Future[Any]) -> None:
        """Take in what came of a trial; raise BrokenExecutor if its worker died."""
        error = future.exception()
        if isinstance(error, BrokenExecutor) or _killed(error):
            raise BrokenExecutor from error
        result = future.result() if error is None else _cannot_travel(error)
        if isinstance(result, _Failure):
            if self.failure is None or number < self.failure.number:
                self.failure = TrialError(number, result.kind, result.message)
                self.failure.add_note(result.trace)
            return
        self.results[number] = result
        if self.tick is not None:
            self.tick(number, result)

    def bury(self, number: int) -> None:
        """Count a death of the worker under a trial, and raise if it was one too many."""
        self.deaths[number] += 1
        if self.deaths[number] > self.retries:
            none = "" if self.results else (
                "; no trial has finished: does the script start its work under"
                ' `if __name__ == "__main__":`?'
            )  # fmt: skip
            raise WorkerDeathError(
                f"the worker under trial {number} ({self.arguments[number]!r}) died"
                f" {self.deaths[number]} times (killed, crashed or out of memory), and"
                f" retries={self.retries}{none}"
            )


def _run_on(executor: Executor, plan: _Plan) -> deque[int]:
    """Run all trials on an executor; return those that are left if it breaks."""
    rest: deque[int] = deque()
    waiting, running = deque(plan.arguments), dict[Future[Any], int]()
    while waiting or running:
        if waiting:
            number = waiting.popleft()
            try:
                running[plan.submit(executor, number)] = number
            except BrokenExecutor:
                rest.append(number)
        done = (
            [f for f in running if f.done()] if waiting else wait(running, None, FIRST_COMPLETED)[0]
        )
        for future in done:
            number = running.pop(future)
            try:
                plan.settle(number, future)
            except BrokenExecutor:
                if isinstance(future.exception(), BrokenExecutor):
                    rest.append(number)
                else:
                    plan.bury(number)
                    waiting.append(number)
        if plan.failure is not None:
            # Only what comes earlier in the order may still change which failure is told.
            waiting.clear()
            for future, number in list(running.items()):
                if number > plan.failure.number:
                    future.cancel()
                    del running[future]
    if rest and plan.retries == 0:
        raise WorkerDeathError(
            f"a worker of {type(executor).__name__} died (killed, crashed or out of memory) with"
            f" {len(rest)} trials unfinished, and retries=0"
        )
    return deque(sorted(rest))


def _run_locally(plan: _Plan, waiting: deque[int], workers: int) -> None:
    """Run trials in processes of this machine."""
    while waiting and plan.failure is None:
        for number in _run_in_pool(plan, waiting, min(workers, len(waiting))):
            alone = deque([number])
            while alone and plan.failure is None:
                alone.extend(_run_in_pool(plan, alone, 1))


def _run_in_pool(plan: _Plan, waiting: deque[int], workers: int) -> list[int]:
    """Run trials in one pool until all are done or a worker dies; return those then under way."""
    running: dict[Future[Any], int] = {}
    lost: list[int] = []
    with local_processes(workers) as pool:
        while not lost and (running or (waiting and plan.failure is None)):
            while waiting and len(running) < workers and plan.failure is None:
                try:
                    running[plan.submit(pool, waiting[0])] = waiting[0]
                except BrokenExecutor:  # a worker died just now
                    break
                waiting.popleft()
            done, _ = wait(running, None, FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenExecutor) for future in done):
                done, _ = wait(running)  # the whole pool is broken
            for future in done:
                number = running.pop(future)
                try:
                    plan.settle(number, future)
                except BrokenExecutor:
                    lost.append(number)
    for number in sorted(lost):
        plan.bury(number)
    return sorted(lost)


def _killed(error: BaseException | None) -> bool:
    """Tell whether Dask gave a task up because its workers died."""
    distributed = sys.modules.get("distributed")  # no error of it can come while it is not loaded
    return distributed is not None and isinstance(error, distributed.KilledWorker)


def _cannot_travel(error: BaseException) -> _Failure:
    """Say that argument or result of a trial could not be sent."""
    if not isinstance(error, Exception):
        raise error
    trace = "".join(traceback.format_exception(error))
    return _Failure(type(error).__name__, str(error), trace)


def _check_picklable(plan: _Plan) -> None:
    try:
        pickle.dumps((plan.function, plan.arguments))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{plan.function!r} and its arguments cannot be sent to another process ({error});"
            " define the function at the top level of a module, or pass executor=SerialExecutor()"
        ) from error


def _check_importable(function: Any) -> None:
    while isinstance(function, partial):
        function = function.func
    main = sys.modules.get("__main__")
    if getattr(function, "__module__", None) == "__main__" and not hasattr(main, "__file__"):
        raise UsageError(
            f"{function!r} was defined at the prompt or in a notebook, where new processes cannot"
            " find it; write it into a module and import it, or pass executor=SerialExecutor()"
        )
