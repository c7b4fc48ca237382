"""Checkpoints of a training: written while it runs, read to go on bit for bit (L42)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import UsageError
from .archive import load_archive, save_archive
from .run import Callback, Run

__all__ = [
    "Checkpoint",
    "CheckpointManager",
    "load_checkpoint",
    "restore_checkpoint",
    "save_checkpoint",
]

KIND = "checkpoint"


class Checkpoint(Callback):
    """Save the whole state of the training to one file, before the first step and then regularly.

    A crash at any moment leaves the last complete file.

    Parameters
    ----------
    path : path
        The ``.npz`` file; its folder must exist.
    every : int
        Save after every so many epochs or steps, >= 1, and after the last epoch.
    unit : {"epoch", "step"}
    info : dict, optional
        Plain data that is saved along: which data, which settings.

    Raises
    ------
    UsageError
        If ``every`` is below 1, the unit is unknown, or the file cannot be written.

    See Also
    --------
    load_checkpoint : gives what ``fit(..., resume=...)`` takes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import tinygrad_lecture as tg
    >>> def training(epochs, file, resume=None):
    ...     model = tg.nn.Linear(2, 2, rng=0)
    ...     optimizer = tg.optim.Adam(model.parameters(), lr=0.1)
    ...     loss, saving = tg.nn.CrossEntropyLoss(), tg.train.Checkpoint(file)
    ...     tg.train.fit(
    ...         model,
    ...         loss,
    ...         optimizer,
    ...         tg.data.moons(40, seed=0),
    ...         batch_size=10,
    ...         epochs=epochs,
    ...         callbacks=[saving],
    ...         resume=resume,
    ...     )
    ...     return model.weight.data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "checkpoint.npz"
    ...     whole = training(5, file)
    ...     _ = training(2, file)
    ...     resumed = training(5, file, tg.train.load_checkpoint(file))
    >>> bool((whole == resumed).all())
    True
    """

    last = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int = 1,
        unit: Literal["epoch", "step"] = "epoch",
        info: Mapping[str, Any] | None = None,
    ) -> None:
        name = type(self).__name__
        if every < 1:
            raise UsageError(f"{name}: every must be at least 1, got {every}")
        if unit not in ("epoch", "step"):
            raise UsageError(f'{name}: unit is "epoch" or "step", got {unit!r}')
        self.path = Path(path)
        self.every, self.unit, self.info = every, unit, dict(info or {})

    def save(self, run: Run) -> None:
        """Write the state now."""
        save_archive(self.path, KIND, {**run.state_dict(), "info": self.info})

    def on_start(self, run: Run) -> None:
        """Save, so that there is something to resume from at any moment."""
        self.save(run)

    def on_step(self, run: Run) -> None:
        """Save after every ``every`` steps, if the unit is "step"."""
        if self.unit == "step" and run.step % self.every == 0:
            self.save(run)

    def on_epoch(self, run: Run) -> None:
        """Save after every ``every`` epochs and after the last, also if a callback ends it."""
        due = self.unit == "epoch" and run.epoch % self.every == 0
        if due or run.epoch == run.epochs or run.reason != "running":
            self.save(run)


class CheckpointManager(Checkpoint):
    """Keep the checkpoints of several moments of a training in a folder (L42).

    Files are called ``step-00000123.npz``, by the number of finished steps.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    keep : int or None
        How many of the newest files stay, >= 1; None keeps all, for `analyze`.
    every, unit, info
        As in `Checkpoint`.

    Raises
    ------
    UsageError
        If ``keep`` or ``every`` is below 1, the unit is unknown, the folder cannot be written, or
        it holds checkpoints of a later step than the training that starts: they are another's.

    Examples
    --------
    >>> import tempfile
    >>> import tinygrad_lecture as tg
    >>> model, loss = tg.nn.Linear(2, 2, rng=0), tg.nn.CrossEntropyLoss()
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     manager = tg.train.CheckpointManager(folder, keep=2)
    ...     run = tg.train.fit(
    ...         model, loss, optimizer, tg.data.moons(40, seed=0), epochs=5, callbacks=[manager]
    ...     )
    ...     [path.name for path in manager.paths()]
    ...     manager.load()["epoch"]
    ['step-00000004.npz', 'step-00000005.npz']
    5
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        keep: int | None = 3,
        every: int = 1,
        unit: Literal["epoch", "step"] = "epoch",
        info: Mapping[str, Any] | None = None,
    ) -> None:
        if keep is not None and keep < 1:
            raise UsageError(f"CheckpointManager: keep must be at least 1 or None, got {keep}")
        super().__init__(folder, every, unit, info)
        self.folder, self.keep = Path(folder), keep

    def paths(self) -> list[Path]:
        """Return the checkpoints in the folder, oldest step first."""
        return checkpoint_paths(self.folder)

    def load(self) -> dict[str, Any]:
        """Return the newest state, for ``fit(..., resume=state)``.

        Raises
        ------
        UsageError
            If there is none, or it is damaged; the message names the one before it.
        """
        paths = self.paths()
        if not paths:
            raise UsageError(f"{self.folder} holds no checkpoints (files step-<number>.npz)")
        try:
            return load_checkpoint(paths[-1])
        except UsageError as error:
            before = f"; the one before it is {paths[-2].name}" if len(paths) > 1 else ""
            raise UsageError(f"{error}{before}") from error

    def save(self, run: Run) -> None:
        """Write the state now, and remove files beyond ``keep``."""
        self.path = self.folder / f"step-{run.step:08d}.npz"
        super().save(run)
        if self.keep is not None:
            for old in self.paths()[: -self.keep]:
                old.unlink()

    def on_start(self, run: Run) -> None:
        """Make the folder, refuse one that belongs to another training, and save."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write into {self.folder}: {error.strerror}") from error
        later = [path.name for path in self.paths() if step_of(path) > run.step]
        if later:
            raise UsageError(
                f"{self.folder} holds checkpoints of later steps ({later[-1]}), and this training"
                f" starts at step {run.step}: resume from them, or choose another folder"
            )
        super().on_start(run)


def checkpoint_paths(folder: Path) -> list[Path]:
    """Return the files of a `CheckpointManager`, oldest step first."""
    found = [path for path in folder.glob("step-*.npz") if re.fullmatch(r"step-\d+", path.stem)]
    return sorted(found, key=step_of)


def step_of(path: Path) -> int:
    """Return the step in the name of a file."""
    return int(path.stem.removeprefix("step-"))


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the state that `Checkpoint` or `save_checkpoint` saved.

    Nothing in the file is run: it holds arrays and JSON.

    Raises
    ------
    UsageError
        If the file is missing, truncated, damaged, or something else.
    """
    return load_archive(path, KIND)


def save_checkpoint(path: str | os.PathLike[str], **parts: Any) -> None:
    """Save parts of a training loop of your own: model, optimizer, scheduler, loader, generator.

    Parameters
    ----------
    path : path
        The ``.npz`` file, replaced in one step.
    **parts
        Objects with a ``state_dict()``, NumPy generators, or plain data (numbers, text, arrays,
        lists and dicts of them).

    Raises
    ------
    UsageError
        If the file cannot be written.
    TypeError
        If a part is something else.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> model, rng = tg.nn.Linear(2, 1, rng=0), np.random.default_rng(0)
    >>> optimizer = tg.optim.Adam(model.parameters())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "mine.npz"
    ...     tg.train.save_checkpoint(file, model=model, optimizer=optimizer, rng=rng, step=7)
    ...     there = rng.random()
    ...     rest = tg.train.restore_checkpoint(file, model=model, optimizer=optimizer, rng=rng)
    >>> rest, rng.random() == there
    ({'step': 7}, True)
    """
    save_archive(path, KIND, {name: _state(part) for name, part in parts.items()})


def restore_checkpoint(path: str | os.PathLike[str], **parts: Any) -> dict[str, Any]:
    """Bring parts back to what `save_checkpoint` saved under the same names.

    Parameters
    ----------
    path : path
    **parts
        The objects, with a ``load_state_dict()``, or NumPy generators.

    Returns
    -------
    dict
        What else the file holds.

    Raises
    ------
    UsageError
        If the file cannot be read, lacks a part, or a part does not fit.

    See Also
    --------
    save_checkpoint : with an example.
    """
    state = load_checkpoint(path)
    missing = [name for name in parts if name not in state]
    if missing:
        raise UsageError(f"{path} holds no {missing[0]!r}; it has {', '.join(state)}")
    for name, part in parts.items():
        saved = state.pop(name)
        try:
            if isinstance(part, np.random.Generator):
                part.bit_generator.state = saved
            else:
                part.load_state_dict(saved)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{path}: {name} does not fit: {error}") from error
    return state


def _state(part: Any) -> Any:
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    return part.state_dict() if hasattr(part, "state_dict") else part
