"""Snapshot ensembles: several models out of one training (lecture L39)."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..nn import Module
from ..optim.lr_scheduler.cyclic import cosine
from .ensemble import Combine, Ensemble
from .run import Callback, Run

__all__ = ["SnapshotEnsemble"]


class SnapshotEnsemble(Callback):
    """Cycle the learning rate, and keep the weights at the end of each cycle (L39).

    The cosine cycles of L29 (Huang et al. 2017, arXiv:1704.00109, eq. 2), with C = ⌈T/M⌉ and the
    step t counted from 0::

        lr(t) = lr0/2 · (cos(π (t mod C) / C) + 1)

    A high rate throws the network out of its minimum, a falling one lets it settle in the next. So
    one training of T steps gives M models, whose probabilities are averaged.

    A callback of `fit`, which sets the rate of all parameter groups; do not give `fit` a scheduler
    besides. A checkpoint holds the snapshots too.

    Parameters
    ----------
    total : int
        T, all steps of the training (epochs times batches).
    cycles : int
        M, 1 ≤ M ≤ T.
    lr0 : float
        Rate at the start of a cycle, positive and rather high.

    Raises
    ------
    UsageError
        For settings out of their range.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.moons(100, seed=0)
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 8, rng=0), tg.nn.Tanh(), tg.nn.Linear(8, 2, rng=1))
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=1.0)
    >>> snapshots = tg.train.SnapshotEnsemble(total=200, cycles=4, lr0=1.0)
    >>> run = tg.train.fit(
    ...     model, tg.nn.CrossEntropyLoss(), optimizer, [(X, y)], epochs=200, callbacks=[snapshots]
    ... )
    >>> ensemble = snapshots.ensemble(last=3)
    >>> len(ensemble), tg.train.accuracy(ensemble(X).data, y) > 0.8
    (3, True)
    """

    def __init__(self, total: int, cycles: int, lr0: float) -> None:
        if not 1 <= cycles <= total:
            raise UsageError(f"1 ≤ cycles ≤ total is needed, got cycles={cycles}, total={total}")
        if not 0 < lr0 < math.inf:
            raise UsageError(f"lr0 must be a positive number, got {lr0}")
        self.total, self.cycles, self.lr0 = total, cycles, float(lr0)
        self.snapshots: list[dict[str, NDArray[Any]]] = []
        self._model: Module | None = None

    @property
    def length(self) -> int:
        """Steps of a cycle: C = ⌈T/M⌉."""
        return -(-self.total // self.cycles)

    def lr_at(self, t: int) -> float:
        """Rate of step t, from 0."""
        return cosine(self.lr0, 0.0, t % self.length / self.length)

    def on_start(self, run: Run) -> None:
        """Set the rate of the first step."""
        self._model = run.model
        self._set(run)

    def on_step(self, run: Run) -> None:
        """Keep the weights if a cycle has ended; set the rate of the next step."""
        last = run.step == self.total
        if run.step <= self.total and (run.step % self.length == 0 or last):
            self.snapshots.append(run.model.state_dict())
        self._set(run)

    def _set(self, run: Run) -> None:
        for group in run.optimizer.param_groups:
            group["lr"] = self.lr_at(run.step)

    def ensemble(self, last: int | None = None, combine: Combine = "prob") -> Ensemble:
        """Return the ensemble of the snapshots, in evaluation mode.

        Parameters
        ----------
        last : int, optional
            Take the last so many; all by default.
        combine : {"prob", "logit", "vote"}
            See `Ensemble`.

        Raises
        ------
        UsageError
            If no cycle has ended yet, or `last` is not between 1 and the number of snapshots.
        """
        if self._model is None or not self.snapshots:
            raise UsageError(
                f"there is no snapshot yet: the first is taken after {self.length} steps of fit"
            )
        number = len(self.snapshots) if last is None else last
        if not 1 <= number <= len(self.snapshots):
            raise UsageError(f"last must be between 1 and {len(self.snapshots)}, got {last}")
        models = []
        for state in self.snapshots[-number:]:
            model = copy.deepcopy(self._model)
            model.load_state_dict(state)
            model.zero_grad()
            models.append(model)
        return Ensemble(models, combine).eval()

    def state_dict(self) -> dict[str, Any]:
        """Return settings and snapshots, for a checkpoint."""
        settings = {"total": self.total, "cycles": self.cycles, "lr0": self.lr0}
        return {**settings, "snapshots": [dict(state) for state in self.snapshots]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises
        ------
        UsageError
            If it has other settings.
        """
        own = {"total": self.total, "cycles": self.cycles, "lr0": self.lr0}
        theirs = {name: state.get(name) for name in own}
        if theirs != own:
            raise UsageError(f"the saved snapshots are of {theirs}, this callback has {own}")
        self.snapshots = [
            {name: np.array(array) for name, array in snapshot.items()}
            for snapshot in state["snapshots"]
        ]
