"""The history of a training as a file that grows by a line per epoch."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from ..errors import UsageError
from .archive import write_atomically
from .run import Callback, Run

__all__ = ["MetricsCSV"]


class MetricsCSV(Callback):
    """Keep ``run.history`` in a CSV file, with numbers that reading gives back exactly.

    At the start the file is written anew from the history: empty for a fresh training, and for a
    resumed one without the rows of epochs that came after the checkpoint.

    Parameters
    ----------
    path : path
        The file; its folder must exist.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_start(self, run: Run) -> None:
        """Write the epochs that there are."""
        text = _lines(run.history, header=True)
        write_atomically(self.path, lambda file: file.write(text.encode()))

    def on_epoch(self, run: Run) -> None:
        """Append the epoch."""
        try:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(_lines(run.history[-1:], header=len(run.history) == 1))
        except OSError as error:
            raise UsageError(f"cannot write {self.path}: {error.strerror or error}") from error


def _lines(rows: list[dict[str, float]], header: bool) -> str:
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
