"""The whole list in order, for the classifier of ``tinygrad-lecture train`` (L61 to L65)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

import numpy as np

from ...data import DataLoader, load, shuffle_by_class
from ...nn import CrossEntropyLoss
from ...optim import SGD
from ..evaluate import evaluate
from ..search import loguniform, random_search
from ..settings import Settings
from ..trials import SerialExecutor
from ..tune import ClassifierTrial, classifier, train_quietly
from .before import check_initial_loss, check_inputs, check_regularization, overfit_tiny
from .during import check_gap, check_update_ratio
from .finding import Finding, Verdict
from .rates import probe_lr

__all__ = ["CHECKS", "walk"]

CHECKS = 8
"""Findings of a walk that is not cut short."""
ROWS = 1000  # that the checks before training look at
STEPS = 200  # that a learning rate is probed for, about


def walk(
    settings: Settings,
    *,
    trials: int = 12,
    executor: Executor | None = None,
    tick: Callable[[], object] | None = None,
) -> Iterator[Finding]:
    """Go through the babysitting list for a data set, one finding after the other.

    Inputs, initial loss, regularization, a tiny subset, learning rates by decades, a random search
    around the best of them, then a training with what it found: update ratios and the gap.

    Parameters
    ----------
    settings : Settings
        Data, network, batch size, momentum, epochs and seed; learning rate and weight decay are
        what is looked for.
    trials : int
        Of the search.
    executor : concurrent.futures.Executor, optional
        For the search; this thread by default.
    tick : callable, optional
        Called after each trial of the search.

    Yields
    ------
    Finding
        The walk ends early if no learning rate is good.

    Examples
    --------
    >>> from tinygrad_lecture.train import Settings
    >>> from tinygrad_lecture.train.babysit import walk
    >>> for finding in walk(Settings.of("moons", epochs=10), trials=3):
    ...     print(finding.verdict, finding.check)
    ok inputs
    warning initial loss
    ok regularization
    ok overfit a tiny subset
    ok learning rate
    ok search
    ok update ratio
    ok gap
    """
    data = load(settings.dataset)

    def build() -> Any:
        return classifier(data.train, settings.hidden, settings.seed)

    inputs, labels = data.train[:ROWS]
    model = build()
    yield check_inputs(np.asarray(model[0](inputs)))
    yield check_initial_loss(model, (inputs, labels), int(data.train.n_classes or 0))
    yield check_regularization(model, (inputs, labels))
    yield overfit_tiny(model, data.train, seed=settings.seed)

    part = shuffle_by_class(data.train, settings.seed).take(slice(STEPS * settings.batch))
    loader = DataLoader(part, settings.batch, seed=settings.seed)
    short = math.ceil(STEPS / len(loader))

    def momentum(params: Any, lr: float) -> SGD:
        return SGD(params, lr, settings.momentum)

    _, rates = probe_lr(build, loader, epochs=short, optimizer=momentum)
    yield rates
    if "lr" not in rates.numbers:
        return

    fixed = {"momentum": settings.momentum, "batch": settings.batch, "epochs": short}
    lr = rates.numbers["lr"]
    search = random_search(
        {"lr": loguniform(lr / 10, lr * 10), "weight_decay": loguniform(1e-6, 1e-1)},
        ClassifierTrial(settings.dataset, settings.hidden, fixed),
        trials,
        seed=settings.seed,
        executor=executor or SerialExecutor(),
        tick=None if tick is None else lambda tried: tick(),
    )
    best = search.best.params
    told = (
        f"of {trials} trials of {short} epochs, lr {best['lr']:.3g} and weight decay"
        f" {best['weight_decay']:.3g} do best: validation loss {search.best.score:.4g}"
    )
    verdict: Verdict = "warning" if search.edges else "ok"
    yield Finding("search", verdict, "; ".join([told, *search.edges]), dict(best))

    model = build()
    optimizer = SGD(model.parameters(), best["lr"], settings.momentum)
    yield check_update_ratio(model, loader, optimizer)
    params = fixed | best | {"epochs": settings.epochs}
    train_quietly(model, data, params, settings.seed)
    losses = [
        evaluate(model, DataLoader(part, ROWS, shuffle=False), CrossEntropyLoss())["loss"]
        for part in (data.train, data.validation)
    ]
    yield check_gap(*losses)
