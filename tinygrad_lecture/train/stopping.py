"""When to end a training: at a standstill (L16), early stopping (L43), patience (L44)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from ..errors import UsageError
from ..nn import Module
from .run import Callback, Run

__all__ = ["EarlyStopping", "Patience", "Standstill"]


class Standstill(Callback):
    """Stop when the training loss changes by less than ``tol`` from one epoch to the next (L16).

    The rule of gradient descent on all samples; a loss of mini-batches is never quite still.  What
    `fit` does with ``tol=``.

    Parameters
    ----------
    tol : float
        Above 0.

    Raises
    ------
    UsageError
        If it is not.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.xor(signed=True)
    >>> model = tg.nn.Linear(2, 2, rng=0)
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=1.0)
    >>> run = tg.train.fit(
    ...     model, tg.nn.CrossEntropyLoss(), optimizer, (X, y), epochs=1000, tol=1e-6
    ... )
    >>> run.reason, run.epoch < 100
    ('the training loss changes by less than 1e-06', True)
    """

    def __init__(self, tol: float) -> None:
        if not 0.0 < tol < math.inf:
            raise UsageError(f"Standstill: tol must be above 0 and finite, got {tol!r}")
        self.tol = float(tol)

    def on_epoch(self, run: Run) -> None:
        """Compare the last two epochs."""
        losses = [row["train_loss"] for row in run.history[-2:]]
        if len(losses) == 2 and abs(losses[1] - losses[0]) < self.tol:
            run.stop(f"the training loss changes by less than {self.tol:g}")


class _Stopping(Callback):
    """What both rules share: the best score so far, and where the model had it."""

    mode: Literal["min", "max"]

    def __init__(self, mode: Literal["min", "max"]) -> None:
        if mode not in ("min", "max"):
            raise UsageError(f'{type(self).__name__}: mode is "min" or "max", got {mode!r}')
        self.mode = mode
        self.best_score: float | None = None
        self.best_at: int | None = None
        self.best_state: dict[str, Any] | None = None

    def _loss(self, score: float) -> float:
        """Return what is to be small, whatever the mode."""
        return score if self.mode == "min" else -score

    def _note(self, at: int, score: float, model: Module | None) -> float:
        """Keep the score and the weights if they are the best; return the best loss before."""
        before = math.inf if self.best_score is None else self._loss(self.best_score)
        if math.isfinite(score) and self._loss(score) < before:
            self.best_score, self.best_at = float(score), at
            if model is not None:
                self.best_state = model.state_dict()
        return before

    def restore(self, model: Module) -> None:
        """Load the best weights into a model.

        Raises
        ------
        UsageError
            If no step had a finite score and a model, so that there are none.
        """
        if self.best_state is None:
            raise UsageError(
                f"{type(self).__name__}.restore: there are no best weights yet; call step() with"
                " the model, and with a score that is finite"
            )
        model.load_state_dict(self.best_state)

    def on_start(self, run: Run) -> None:
        """Check that `fit` looks for the same direction."""
        if run.mode != self.mode:
            raise UsageError(
                f"{type(self).__name__} has mode={self.mode!r}, and fit has mode={run.mode!r}: both"
                " judge the same number, give both the same"
            )

    def _after_epoch(self, run: Run) -> None:
        if run.best is not None:  # the same copy, not a second one
            self.best_state = run.best.weights


class EarlyStopping(_Stopping):
    """Stop once the score has not improved for a while (L43).

    As a callback of `fit` it looks at the number that decides which epoch is best, after each
    epoch; on its own, call `step` after each measurement.  Two rules are kept apart: whatever is
    better, by however little, gives the best weights; only what is better by more than
    ``min_delta`` counts as progress.  A score of nan or inf is never better.

    Parameters
    ----------
    patience : int
        How many measurements in a row may be without progress, >= 1: the training stops at that
        many.
    min_delta : float
        Progress is ``score < reference - min_delta`` (for "max" ``score > reference + min_delta``),
        where the reference is the score of the last progress; >= 0.
    mode : {"min", "max"}
        Whether small or large scores are better.

    Attributes
    ----------
    best_score, best_at, best_state
        The best score, the number of its measurement (from 1), and a copy of the weights.
    bad : int
        Measurements since the last progress.

    Raises
    ------
    UsageError
        For settings out of range.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> stopping = tg.train.EarlyStopping(patience=2)
    >>> [stopping.step(score) for score in (3.0, 2.0, float("nan"), 2.5)]
    [False, False, False, True]
    >>> stopping.best_score, stopping.best_at
    (2.0, 2)
    """

    def __init__(
        self,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        super().__init__(mode)
        if patience < 1:
            raise UsageError(f"EarlyStopping: patience must be at least 1, got {patience}")
        if not 0 <= min_delta < math.inf:
            raise UsageError(f"EarlyStopping: min_delta must be at least 0, got {min_delta}")
        self.patience, self.min_delta = patience, min_delta
        self.bad = self.count = 0
        self.reference: float | None = None

    def step(self, score: float, model: Module | None = None) -> bool:
        """Take in a measurement; return whether to stop.

        Parameters
        ----------
        score : float
        model : Module, optional
            Its weights are copied if the score is the best so far.
        """
        self.count += 1
        self._note(self.count, score, model)
        bar = math.inf if self.reference is None else self._loss(self.reference) - self.min_delta
        if math.isfinite(score) and self._loss(score) < bar:
            self.reference, self.bad = float(score), 0
        else:
            self.bad += 1
        return self.bad >= self.patience

    def on_epoch(self, run: Run) -> None:
        """Judge the epoch."""
        if self.step(run.score):
            run.stop(f"no progress in {run.monitor} for {self.patience} epochs")
        self._after_epoch(run)

    def state_dict(self) -> dict[str, Any]:
        """Return the counts and scores; the weights are those of the run."""
        names = ("bad", "count", "reference", "best_score", "best_at")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for name in ("bad", "count", "reference", "best_score", "best_at"):
            setattr(self, name, state[name])


class Patience(_Stopping):
    """Train as long again as it took to the last significant improvement (L44).

    The algorithm of Bengio (2012, arXiv 1206.5533) and the Theano tutorial, counted in updates::

        while iteration < patience:
            if score < threshold * best:  # significant
                patience = max(patience, iteration * increase)

    Two separate rules: any improvement gives the best weights, only a significant one extends the
    patience.  For scores that may be negative the bar is ``best - (1 - threshold) * |best|``, which
    is ``threshold * best`` where best > 0.  A score of nan or inf is never better.

    Parameters
    ----------
    initial : int
        Updates that are made in any case, >= 1; the tutorial takes 5000 to 10000.
    increase : float
        Factor > 1 of the iteration of a significant improvement.
    threshold : float
        Share of the best score that counts as significant, in (0, 1].
    mode : {"min", "max"}

    Attributes
    ----------
    patience : float
        Where the training stops, as things stand.
    best_score, best_at, best_state
        The best score, its iteration, and a copy of the weights.

    Raises
    ------
    UsageError
        For settings out of range.

    Examples
    --------
    A significant gain at iteration 150 doubles it, a small one at 160 moves the best only:

    >>> import tinygrad_lecture as tg
    >>> patience = tg.train.Patience(200)
    >>> [patience.step(i, score) for i, score in ((100, 1.0), (150, 0.9), (160, 0.899))]
    [False, False, False]
    >>> patience.patience, patience.best_at
    (300.0, 160)
    >>> patience.step(299, 1.0), patience.step(300, 1.0)
    (False, True)

    To lower the learning rate instead of stopping, call ``renew`` when `step` says True.
    """

    def __init__(
        self,
        initial: int,
        increase: float = 2.0,
        threshold: float = 0.995,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        super().__init__(mode)
        rules = [
            ("initial", initial, initial >= 1, "at least 1"),
            ("increase", increase, 1 < increase < math.inf, "above 1"),
            ("threshold", threshold, 0 < threshold <= 1, "above 0 and at most 1"),
        ]
        for name, value, holds, rule in rules:
            if not holds:
                raise UsageError(f"Patience: {name} must be {rule}, got {value}")
        self.patience: float = initial
        self.increase, self.threshold = increase, threshold

    def step(self, iteration: int, score: float, model: Module | None = None) -> bool:
        """Take in the score at an iteration; return whether the patience is used up.

        Parameters
        ----------
        iteration : int
            Finished updates.
        score : float
        model : Module, optional
            Its weights are copied if the score is the best so far.
        """
        before = self._note(iteration, score, model)
        bar = before if math.isinf(before) else before - (1 - self.threshold) * abs(before)
        if math.isfinite(score) and self._loss(score) < bar:
            self.patience = max(self.patience, iteration * self.increase)
        return iteration >= self.patience

    def renew(self, iteration: int) -> None:
        """Be patient until ``increase`` times an iteration."""
        self.patience = max(self.patience, iteration * self.increase)

    def on_epoch(self, run: Run) -> None:
        """Judge the epoch by the number of updates so far."""
        if self.step(run.step, run.score):
            run.stop(f"patience used up after {run.step} steps")
        self._after_epoch(run)

    def state_dict(self) -> dict[str, Any]:
        """Return patience and scores; the weights are those of the run."""
        return {name: getattr(self, name) for name in ("patience", "best_score", "best_at")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for name in ("patience", "best_score", "best_at"):
            setattr(self, name, state[name])
