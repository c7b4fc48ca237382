"""The process in which one file of a student is checked; `grading` starts it, and can end it.

It writes one line of JSON for each part of the exercise that is done, so that what was reached
counts even if the process dies in the next part.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .exercise import Bench
from .exercises import exercise
from .report import Item
from .student import Limits, NotDone, StudentError, begin, in_use, warm_up
from .submission import load

__all__ = ["Job", "blank", "main"]

FILE_BYTES = 64 * 2**20
# What starts a process, by the names of Python's audit events.
STARTS = {
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
    "pty.spawn", "subprocess.Popen",
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """What one process does.

    Attributes
    ----------
    file : str
        The student's file.
    exercise : str
    first : int
        Number of the part to begin with.
    seed : int
    seconds, megabytes : float
        Of each call; the memory also of all.
    cpu_seconds : int
        Of the process, which ends itself then, even if nobody is left to end it.
    results : str
        Where the lines are written.
    """

    file: str
    exercise: str
    first: int
    seed: int
    seconds: float
    megabytes: float
    cpu_seconds: int
    results: str


def main() -> None:
    """Do the job that stands in the arguments, and end the process."""
    job = Job(**json.loads(sys.argv[1]))
    with Path(job.results).open("a", encoding="utf-8") as results:

        def tell(line: Any) -> None:
            results.write(json.dumps(line) + "\n")
            results.flush()

        tell("started")
        # What a student's code prints goes nowhere, however much it is.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        restrict(job)
        for told in check(job):
            tell(told if isinstance(told, str) else [asdict(item) for item in told])
    # Threads that a student's code may have left would keep the process alive.
    os._exit(0)


def check(job: Job) -> Iterator[list[Item] | str]:
    """Give the items about the file, then those of each part, or why there are none."""
    task = exercise(job.exercise)
    limits = Limits(job.seconds, job.megabytes)
    held, problem = load(Path(job.file), task.entry, limits)
    about: list[Item] = []
    if problem is not None and job.first == 0 and held is not None:
        reason = f"the file does not run to its end: {problem}"
        about.append(Item("file", "it runs to its end", 0.0, "wrong", reason))
    yield about

    def find() -> Any:
        if held is not None and held is not ...:
            return held
        raise problem or NotDone(f"there is no {task.entry} yet")

    bench = Bench(find, begin(limits), job.seed)
    for part in task.parts[job.first :]:
        try:
            yield part(bench)
        except Exception:  # noqa: BLE001 - a mistake of ours must not look like the student's
            told = " | ".join(traceback.format_exc().strip().splitlines()[-3:])
            yield f"the check itself failed, which is no fault of the file: {told}"


def blank(part: Callable[[Bench], list[Item]], reason: str) -> list[Item]:
    """Return the items of a part, all of them wrong for the same reason."""

    def find() -> Any:
        raise StudentError(reason)

    return part(Bench(find, Limits(), 0))


def restrict(job: Job) -> None:
    """Give the process limits of its own, and let it start no other one."""

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in STARTS:
            raise PermissionError(f"no process may be started here ({event})")

    sys.addaudithook(watch)
    if importlib.util.find_spec("resource") is None:
        return  # not POSIX
    resource = importlib.import_module("resource")
    lower(resource, resource.RLIMIT_CORE, 0)
    lower(resource, resource.RLIMIT_FSIZE, FILE_BYTES)
    if job.cpu_seconds:
        lower(resource, resource.RLIMIT_CPU, job.cpu_seconds)
    warm_up()  # linear algebra ends the process where it gets no memory for its buffers
    used = in_use()
    if job.megabytes and used is not None:
        lower(resource, resource.RLIMIT_AS, used + int(job.megabytes * 2**20))


def lower(resource: Any, which: int, most: int) -> None:
    """Set a limit, unless it is lower already."""
    hard = resource.getrlimit(which)[1]
    if hard == resource.RLIM_INFINITY or hard > most:
        resource.setrlimit(which, (most, most))
