"""`grade`: an exercise of a whole class, each file in a process of its own.

A student's code is taken for careless, not for hostile.  A crash, a loop that never ends, too much
memory, ``sys.exit`` or a million printed lines spoil one file and no other; but nothing here keeps
code that wants to from reading or deleting what the account that runs it may.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from ..data.seeding import Seed, as_integer
from ..errors import UsageError
from ..train.machine import THREADS
from .exercises import exercise
from .report import Item, Report
from .student import PACKAGE, Limits
from .submission import ENDINGS
from .worker import Job, blank, main

__all__ = ["Graded", "find_files", "grade"]

START = 15.0  # seconds that Python and NumPy may take to begin
PACKAGES = str(Path(PACKAGE).parent)


@dataclass(frozen=True)
class Graded:
    """The grade of one file.

    Attributes
    ----------
    file : Path
    report : Report
    seconds : float
        That its processes took.
    """

    file: Path
    report: Report
    seconds: float

    @property
    def full(self) -> bool:
        """Whether it has all points."""
        return self.report.points == self.report.possible

    def to_json(self) -> dict[str, Any]:
        """Return the grade as plain dicts, lists, strings and numbers."""
        document = self.report.to_json()
        del document["name"]
        return {"file": str(self.file), "seconds": round(self.seconds, 3), **document}


def find_files(names: Sequence[str]) -> list[Path]:
    """Return the files that are named: by themselves, by a folder, or by a pattern.

    A folder stands for all ``*.py`` and ``*.ipynb`` below it, without hidden folders.

    Raises
    ------
    UsageError
        If a name leads to no file.
    """
    found: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            below = sorted(f for f in path.rglob("*") if f.suffix in ENDINGS and f.is_file())
            files = [f for f in below if not _hidden(f.relative_to(path))]
        elif path.is_file():
            files = [path]
        else:
            matches = glob.glob(name, recursive=True)  # noqa: PTH207 - absolute ones, too
            files = sorted(Path(f) for f in matches if Path(f).is_file())
        if not files:
            what = (
                "no *.py and no *.ipynb in it"
                if path.is_dir()
                else "no such file, folder or pattern"
            )
            raise UsageError(f"{name}: {what}")
        found |= dict.fromkeys(files)
    return list(found)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def grade(
    files: Sequence[Path | str],
    name: str,
    *,
    seed: Seed = 0,
    limits: Limits | None = None,
    jobs: int = 1,
    tick: Callable[[Graded], None] = lambda graded: None,
) -> list[Graded]:
    r"""Check an exercise in many files.

    Parameters
    ----------
    files : sequence of paths
        Python files or notebooks, of which the code cells are run; each in a new process, in an
        empty folder, without input.
    name : str
        Of the exercise, see `EXERCISES`.
    seed : int or numpy.random.Generator
        Of the cases: the same for all files.
    limits : Limits, optional
        10 s for the import and for each call, and 1024 MB in all, by default.  A process is ended
        from outside after three times this time, and some seconds for its start.
    jobs : int
        Processes side by side.
    tick : callable
        Gets each grade as soon as it is there.

    Returns
    -------
    list of Graded
        In the order of `files`.

    Raises
    ------
    UsageError
        If there is no such exercise or file.
    RuntimeError
        If Python and the package start for none of the files.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import tinygrad_lecture as tg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "lena.py")
    ...     _ = file.write_text("def backprop(entries):\n    return [1.0 for _ in entries]")
    ...     lena = tg.teach.grade([file], "backprop")[0]
    >>> lena.report.points
    0.0
    """
    exercise(name)
    if jobs < 1:
        raise UsageError(f"jobs must be at least 1, got {jobs}")
    paths = [Path(file) for file in files]
    for path in paths:
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
    grader = _Grader(name, as_integer(seed), limits or Limits())
    with ThreadPoolExecutor(jobs) as threads:
        futures = {threads.submit(grader.grade, path): k for k, path in enumerate(paths)}
        found: dict[int, Graded] = {}
        try:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                tick(future.result())
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            grader.stop()
            raise
    if len(grader.silent) == len(paths) > 0:
        raise grader.silent[0]
    return [found[k] for k in range(len(paths))]


class NotStartedError(RuntimeError):
    """A process did not get as far as the student's file."""


class _Grader:
    """Starts processes, waits for them, and reads what they wrote."""

    def __init__(self, name: str, seed: int, limits: Limits) -> None:
        self.exercise, self.seed, self.limits = exercise(name), seed, limits
        self.allowed = 3 * limits.seconds + START if limits.seconds else None
        self.running: set[subprocess.Popen[bytes]] = set()
        self.silent: list[NotStartedError] = []
        self.stopped = False
        self.lock = threading.Lock()

    def grade(self, file: Path) -> Graded:
        """Return the grade of a file; what goes wrong with it is its reason, and stops no other."""
        start = time.monotonic()
        try:
            items = self._items(file)
        except (OSError, RuntimeError, ValueError) as error:
            if isinstance(error, NotStartedError):
                self.silent.append(error)
            reason = f"it could not be graded: {error}"
            items = [item for part in self.exercise.parts for item in blank(part, reason)]
        return Graded(file, Report(self.exercise.name, tuple(items)), time.monotonic() - start)

    def _items(self, file: Path) -> list[Item]:
        items: list[Item] = []
        parts = self.exercise.parts
        done = 0
        while done < len(parts):
            lines, reason = self._run(file, done)
            for part, line in zip((None, *parts[done:]), lines, strict=False):
                if isinstance(line, str):
                    items += blank(part, line) if part is not None else []
                else:
                    items += line
            done += max(len(lines) - 1, 0)  # the first line is about the file
            if done < len(parts):
                # A crash costs one part, and running out of time all that are left.
                lost = parts[done:] if reason.startswith(LATE) else parts[done : done + 1]
                items += [item for part in lost for item in blank(part, reason)]
                done += len(lost)
        return items

    def _run(self, file: Path, first: int) -> tuple[list[list[Item] | str], str]:
        """Return the lines about the parts that a new process did, and why it did no more."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            here = Path(folder, "here")
            here.mkdir()
            results, log = Path(folder, "results.jsonl"), Path(folder, "log.txt")
            cpu_seconds = int(self.allowed) + 1 if self.allowed else 0
            job = Job(
                str(file.resolve()), self.exercise.name, first, self.seed,
                self.limits.seconds, self.limits.megabytes, cpu_seconds, str(results),
            )  # fmt: skip
            # Held open: a file that deletes the folder does not take the results with it.
            with results.open("w+b") as written, log.open("w+b") as told:
                process = self._start(job, here, told)
                try:
                    process.wait(self.allowed)
                    late = False
                except subprocess.TimeoutExpired:
                    late = True
                finally:
                    self._end(process)
                whole = _text(written).split("\n")[:-1]
                if not whole:
                    tail = _text(told).strip()[-2000:]
                    raise NotStartedError(f"the process for {file} did not start: {tail}")
        return _read(whole[1:]), self._late() if late else _ended(process.returncode)

    def _late(self) -> str:
        return (
            f"{LATE} {self.allowed:g} s in all: a loop that never ends and catches every error "
            "(except: without a name), or calls each of which is slow"
        )

    def _start(self, job: Job, here: Path, log: Any) -> subprocess.Popen[bytes]:
        paths = [PACKAGES, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg",
        }  # fmt: skip
        for name in THREADS:  # processes side by side should not each take all CPUs
            environment.setdefault(name, "1")
        command = f"from {main.__module__} import main; main()"
        with self.lock:
            if self.stopped:
                raise RuntimeError("grading was ended")
            process = subprocess.Popen(
                [sys.executable, "-P", "-B", "-c", command, json.dumps(asdict(job))],
                cwd=here, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=log, start_new_session=True,
            )  # fmt: skip
            self.running.add(process)
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End a process with all that it started."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        with self.lock:
            self.running.discard(process)

    def stop(self) -> None:
        """End all that is running, and start nothing more."""
        with self.lock:
            self.stopped = True
            running = list(self.running)
        for process in running:
            self._end(process)


LATE = "it takes longer than"


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


def _read(lines: Sequence[str]) -> list[list[Item] | str]:
    """Return what a process told about each part."""
    try:
        told = [json.loads(line) for line in lines]
        return [t if isinstance(t, str) else [Item(**item) for item in t] for t in told]
    except (TypeError, ValueError):
        raise ValueError("it writes into the results of its own process") from None


def _ended(code: int) -> str:
    """Return the reason for a process that ended before it was done."""
    if code >= 0:
        return f"it ends the whole process (os._exit, code {code})"
    name = signal.Signals(-code).name
    more = ": perhaps out of memory" if name == "SIGKILL" else ""
    return f"it crashes the whole process ({name}{more})"
