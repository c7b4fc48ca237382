"""A file of JSON lines that grows as work gets done, and from which the work is taken up again."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import UsageError

__all__ = ["Journal"]


class Journal:
    """One object a line, appended and flushed; a line that a crash cut off is dropped.

    Parameters
    ----------
    path : path
        The file; its folder must exist.  What is in it already is read into `lines`.

    Raises
    ------
    UsageError
        If the file cannot be read or written, or is no journal.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from tinygrad_lecture.train.journal import Journal
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "log.jsonl")
    ...     Journal(path).append({"trial": 0})
    ...     Journal(path).lines
    [{'trial': 0}]
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self.lines: list[dict[str, Any]] = []
        try:
            text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
            whole = text[: text.rfind("\n") + 1]
            for number, line in enumerate(whole.splitlines(), start=1):
                entry = json.loads(line)
                if not isinstance(entry, dict):
                    raise ValueError(f"line {number} is no JSON object")
                self.lines.append(entry)
            if whole != text:
                with self.path.open("rb+") as file:
                    file.truncate(len(whole.encode()))
        except OSError as error:
            raise UsageError(f"cannot read {self.path}: {error.strerror or error}") from error
        except ValueError as error:
            raise UsageError(f"{self.path} is not a journal of trials: {error}") from error

    def append(self, entry: dict[str, Any]) -> None:
        """Write one line; what JSON has no form for is written as its repr."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, allow_nan=False, default=repr) + "\n")
        except OSError as error:
            raise UsageError(f"cannot write {self.path}: {error.strerror or error}") from error

    @staticmethod
    def plain(entry: Any) -> Any:
        """Return an entry as it comes back from the file."""
        return json.loads(json.dumps(entry, default=repr))
