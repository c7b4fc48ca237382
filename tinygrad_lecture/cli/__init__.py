"""The command ``tinygrad-lecture``, also ``python -m tinygrad_lecture``.

Exit codes: 0 success, 1 negative verdict, 2 usage or bad input, 3 inconclusive, 130 ended by
Ctrl-C.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .. import __version__
from ..errors import UsageError
from . import (
    babysit,
    claims,
    conventions,
    doctor,
    gradcheck,
    grade,
    graph,
    logic,
    notebooks,
    sat,
    search,
    train,
)

__all__ = ["main", "parser"]

PROGRAM = "tinygrad-lecture"
COMMANDS = (
    train,
    babysit,
    search,
    gradcheck,
    grade,
    graph,
    claims,
    logic,
    sat,
    conventions,
    notebooks,
    doctor,
)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise what `main` prints and answers with exit code 2."""
        raise UsageError(f"{message} (try {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the program, with those of all commands."""
    program = _Parser(
        prog=PROGRAM,
        description="The lecture Neural Networks and Deep Learning, 3 & 4, as software.",
        epilog="exit codes: 0 success, 1 negative verdict, 2 usage or bad input, 3 inconclusive, "
        "130 ended by Ctrl-C",
    )
    program.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = program.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return program


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program name; those of the process by default.

    Returns
    -------
    int
        The exit code.

    Examples
    --------
    >>> from tinygrad_lecture.cli import main
    >>> main(["--version"])
    Traceback (most recent call last):
        ...
    SystemExit: 0
    """
    for stream in (sys.stdout, sys.stderr):
        # Names of files and signs such as ✗ that the terminal cannot show are written as escapes.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = parser().parse_args(argv)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (as in `| head`); nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError as error:
        print(
            f"{PROGRAM}: error: not enough memory: {str(error) or 'take smaller inputs'}",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        print(f"{PROGRAM}: error: the output: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
