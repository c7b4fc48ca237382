"""Checkpoints of a training: written after epochs, read to go on bit for bit (L42)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .archive import load_archive, save_archive
from .loop import Callback, Run

__all__ = ["Checkpoint", "load_checkpoint"]

KIND = "checkpoint"


class Checkpoint(Callback):
    """Save the whole state of the training to one file, before the first epoch and after each.

    A crash at any moment leaves the last complete file.

    Parameters
    ----------
    path : path
        The ``.npz`` file; its folder must exist.
    every : int
        Save after every so many epochs, >= 1.

    Raises
    ------
    UsageError
        If ``every`` is below 1, or the file cannot be written.

    See Also
    --------
    load_checkpoint : gives what ``fit(..., resume=...)`` takes.
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        if every < 1:
            raise UsageError(f"Checkpoint: every must be at least 1, got {every}")
        self.path = Path(path)
        self.every = every

    def on_start(self, run: Run) -> None:
        """Save, so that there is something to resume from at any moment."""
        save_archive(self.path, KIND, run.state_dict())

    def on_epoch(self, run: Run) -> None:
        """Save after every ``every`` epochs and after the last."""
        if run.epoch % self.every == 0 or run.epoch == run.epochs:
            save_archive(self.path, KIND, run.state_dict())


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the state that `Checkpoint` saved, for ``fit(..., resume=state)``.

    Raises
    ------
    UsageError
        If the file is missing, truncated, damaged, or something else.
    """
    return load_archive(path, KIND)
