"""Calls into a student's code: what it raises becomes a reason, and it has limits.

In a notebook the code runs in the kernel itself.  There the time limit is an alarm (POSIX, main
thread), and the memory limit holds while the call lasts (Linux); a loop that catches every
exception escapes the alarm.  ``tinygrad-lecture grade`` runs files in processes of their own, which
can be ended from outside.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import linecache
import math
import mmap
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from ..errors import UsageError

__all__ = ["Limits", "NotDone", "StudentError", "run"]

PACKAGE = str(Path(__file__).resolve().parent.parent)
NUMPY = str(Path(np.__file__).parent)


class StudentError(Exception):
    """A student's code did not get through; the message is the reason."""


class NotDone(StudentError):  # noqa: N818 - an answer, not an error
    """A student has not written this yet."""


AGAIN = 0.1
"""Seconds after which the alarm rings again: in a callback of the garbage collector, exceptions are
lost."""


class TimeUp(BaseException):
    """The alarm; no Exception, so that ``except Exception`` in a student's code lets it pass."""


@dataclass(frozen=True)
class Limits:
    """What a call of a student's code may use.

    Parameters
    ----------
    seconds : float
        Time; 0 for no limit.  Within one check, once a call ran out of time, the others get a
        hundredth of it: a loop that never ends does not cost minutes.
    megabytes : float
        Memory beyond what is in use before; 0 for no limit.

    Raises
    ------
    UsageError
        For negative numbers.
    """

    seconds: float = 10.0
    megabytes: float = 1024.0
    _late: list[bool] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("seconds", "megabytes"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{name} must be a finite number ≥ 0, got {value!r}")

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the limits inside of the block, where the system can."""
        again = bool(self._late)
        try:
            with _alarm(self.seconds / 100 if again else self.seconds), _memory(self.megabytes):
                yield
        except TimeUp:
            self._late.append(True)
            raise StudentError(
                "it runs out of time again" if again else slow(self.seconds)
            ) from None


def begin(limits: Limits | None) -> Limits:
    """Return the limits for one check: as given, or the usual ones; no call was late yet."""
    return replace(limits or Limits())


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    possible = hasattr(signal, "setitimer") and (
        threading.current_thread() is threading.main_thread()
    )
    if not seconds or not possible:
        yield
        return

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise TimeUp

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, TimeUp):
            report(lost)

    report, sys.unraisablehook = sys.unraisablehook, hook
    before = signal.signal(signal.SIGALRM, ring)
    rest = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *rest)
        signal.signal(signal.SIGALRM, before)
        sys.unraisablehook = report


@functools.cache
def warm_up() -> None:
    """Let linear algebra make the buffers of its threads, which are not the student's."""
    x = np.ones((256, 256))
    x @ x


@contextlib.contextmanager
def _memory(megabytes: float) -> Iterator[None]:
    warm_up()
    used = in_use()
    if not megabytes or used is None:
        yield
        return
    resource = importlib.import_module("resource")  # POSIX only
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = used + int(megabytes * 2**20)
    if soft != resource.RLIM_INFINITY:
        most = min(most, soft)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def in_use() -> int | None:
    """Return the bytes of memory that this process has been given, where the system tells."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[0]) * mmap.PAGESIZE if statm.exists() else None


def run(call: Callable[[], Any], limits: Limits | None) -> Any:
    """Call a student's code; None as limits is for code of our own.

    Raises
    ------
    NotDone
        If it raises NotImplementedError.
    StudentError
        If it raises anything else, or runs into a limit.
    """
    if limits is None:
        return call()
    try:
        with limits.hold(), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()
    except (StudentError, KeyboardInterrupt):
        raise
    except NotImplementedError:
        raise NotDone("not done yet") from None
    except MemoryError as error:
        raise StudentError(_with_line(large(limits.megabytes), error)) from error
    except SystemExit as error:
        raise StudentError(_with_line("it ends the program (sys.exit)", error)) from error
    except BaseException as error:  # whatever a student derives from it, too
        raise StudentError(describe(error)) from error


def slow(seconds: float) -> str:
    """Return the reason for code that ran out of time."""
    return f"it takes longer than {seconds:g} s: perhaps a loop that never ends"


def large(megabytes: float) -> str:
    """Return the reason for code that ran out of memory."""
    return f"it needs more memory than the {megabytes:g} MB that it may use"


def describe(error: BaseException) -> str:
    """Return what was raised, with the line of the student's code.

    Examples
    --------
    >>> from tinygrad_lecture.teach.student import describe
    >>> describe(ValueError("no"))
    'it raises ValueError: no'
    """
    text = str(error).strip().split("\n")[0]
    if isinstance(error, RecursionError):
        text = "calls go too deep, use a loop"
    if isinstance(error, EOFError):
        return _with_line("it waits for input, and there is nobody to type it", error)
    if isinstance(error, SyntaxError):
        where = f"line {error.lineno}" + (f": {error.text.strip()}" if error.text else "")
        return f"it is not valid Python: {error.msg}" + (f" ({where})" if error.lineno else "")
    return _with_line(f"it raises {type(error).__name__}" + (f": {text}" if text else ""), error)


def _with_line(text: str, error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith((PACKAGE, NUMPY, sys.prefix, "<frozen"))]
    if not own:
        return text
    frame = own[-1]
    line = (linecache.getline(frame.filename, frame.lineno or 0) or frame.line or "").strip()
    return f"{text} (line {frame.lineno}{': ' + line if line else ''})"
