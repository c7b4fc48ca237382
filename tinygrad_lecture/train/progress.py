"""Progress on a terminal: by tqdm where it is installed, otherwise one rewritten line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from collections.abc import Sized
from types import TracebackType
from typing import Any, Self, TextIO

from .run import Callback, Run

__all__ = ["Progress", "ProgressBar"]


class Progress:
    """Progress through a known amount of work, on stderr, and only if that is a terminal.

    Parameters
    ----------
    total : int or None
        Number of units, if known.
    description : str
        Text in front.
    unit : str
        What is counted: one of them.
    start : int
        Units done before.
    stream : text file, optional
        stderr by default.

    Examples
    --------
    >>> from tinygrad_lecture.train import Progress
    >>> with Progress(3, "counting") as progress:
    ...     for _ in range(3):
    ...         progress.update()
    """

    interval = 0.1  # seconds between two drawings

    def __init__(
        self,
        total: int | None,
        description: str = "",
        unit: str = "step",
        start: int = 0,
        stream: TextIO | None = None,
    ) -> None:
        self.total, self.description, self.unit, self.done = total, description, unit, start
        self.stream = sys.stderr if stream is None else stream
        self.note = ""
        self._drawn = 0.0
        self._bar: Any = None
        self.enabled = self.stream.isatty()
        # tqdm is optional and only of use on a terminal, so it is looked up here.
        if self.enabled and importlib.util.find_spec("tqdm") is not None:
            self._bar = importlib.import_module("tqdm").tqdm(
                total=total, desc=description, unit=f" {unit}s", initial=start, file=self.stream,
                dynamic_ncols=True, mininterval=self.interval,
            )  # fmt: skip

    def due(self) -> bool:
        """Tell whether a new note would be seen now: texts need not be made more often."""
        return self.enabled and time.monotonic() - self._drawn >= self.interval

    def update(self, amount: int = 1, note: str | None = None) -> None:
        """Count units as done, and perhaps change the text behind."""
        self.done += amount
        if not self.enabled:
            return
        if note is not None:
            self.note = note
        if self._bar is not None:
            if note is not None:
                self._bar.set_postfix_str(note, refresh=False)
                self._drawn = time.monotonic()
            self._bar.update(amount)
        elif time.monotonic() - self._drawn >= self.interval:
            self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        share = f"{self.done / self.total:4.0%} " if self.total else ""
        count = f"{self.done}/{self.total}" if self.total else f"{self.done}"
        line = f"{self.description}: {share}{count} {self.unit}s {self.note}"
        self.stream.write(f"\r\x1b[2K{line}")
        self.stream.flush()

    def close(self) -> None:
        """Draw the last state and leave the line."""
        if not self.enabled:
            return
        self.enabled = False
        if self._bar is not None:
            self._bar.close()
        else:
            self._draw()
            self.stream.write("\n")
            self.stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ProgressBar(Callback):
    """Show steps, epoch, loss and metrics of a training on stderr, if that is a terminal."""

    def on_start(self, run: Run) -> None:
        """Open the bar."""
        per_epoch = len(run.train) if isinstance(run.train, Sized) else None
        total = None if per_epoch is None else per_epoch * run.epochs
        self.progress = Progress(total, "training", start=run.step)

    def on_step(self, run: Run) -> None:
        """Count the step; now and then, tell the epoch's means so far."""
        note = None
        if self.progress.due():
            last = run.history[-1] if run.history else {}
            shown = run.means.result() | {k: v for k, v in last.items() if k.startswith("val_")}
            numbers = " ".join(f"{name}={value:.4g}" for name, value in shown.items())
            note = f"epoch {run.epoch + 1}/{run.epochs} {numbers}"
        self.progress.update(note=note)

    def on_end(self, run: Run) -> None:
        """Close the bar."""
        self.progress.close()
