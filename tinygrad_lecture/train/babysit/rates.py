"""Which learning rates are too low, good, too high, and which is best (L22, L63)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...data import DataLoader
from ...errors import UsageError
from ...nn import CrossEntropyLoss, Module
from ...optim import SGD, Optimizer
from ..curves import CurveVerdict, diagnose_curve
from ..evaluate import evaluate
from .finding import Finding, Loss, training_step

__all__ = ["Probe", "calibrate_lr", "probe_lr"]

DECADES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Probe:
    """One learning rate of `probe_lr`: its verdict, and the loss at its end."""

    lr: float
    verdict: CurveVerdict
    loss: float
    losses: tuple[float, ...] = field(repr=False, default=())


def probe_lr(
    build: Callable[[], Module],
    data: Iterable[Any],
    lrs: Sequence[float] = DECADES,
    epochs: int = 1,
    loss: Loss | None = None,
    optimizer: Callable[..., Optimizer] = SGD,
    compile: bool = True,
) -> tuple[list[Probe], Finding]:
    """Train a little at each learning rate: too low, good, too high or diverging (L63).

    Training at a rate ends where the loss is above 3 times that at the start in the mean of ten
    steps, or not finite. Verdicts are those of `diagnose_curve`; a curve that looks "too_low" at a
    rate above one that is not too low belongs to a network that died, and counts as "too_high".

    Parameters
    ----------
    build : callable
        ``build()`` gives the same untrained model each time.
    data : iterable of (inputs, targets)
        A `DataLoader` is put back before each rate, so that all see the same batches.
    lrs : sequence of float
        Learning rates to try.
    epochs : int
    loss : callable, optional
        `CrossEntropyLoss` by default.
    optimizer : callable
        ``optimizer(parameters, lr=…)``.
    compile : bool

    Returns
    -------
    list of Probe, Finding
        One a rate; and what to take: the rate that ended lowest of the good ones. The check fails
        if no rate is good.

    Raises
    ------
    UsageError
        Without rates, or epochs below 1.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.spirals(300, noise=0.2, seed=0)
    >>> spirals = tg.data.Dataset(X, y, "spirals", n_classes=3)
    >>> def build():
    ...     layers = tg.nn.Linear(2, 32, rng=0), tg.nn.Tanh(), tg.nn.Linear(32, 3, rng=1)
    ...     return tg.nn.Sequential(*layers)
    >>> loader = tg.data.DataLoader(spirals, 32)
    >>> probes, finding = tg.train.babysit.probe_lr(build, loader, [1e-5, 1.0, 1e3], epochs=50)
    >>> [probe.verdict for probe in probes]
    ['too_low', 'good', 'diverging']
    """
    if not lrs or epochs < 1:
        raise UsageError(f"probe_lr needs learning rates and an epoch, got {lrs!r} and {epochs}")
    batches = list(data) if isinstance(data, Iterator) else data
    place = batches.state_dict() if isinstance(batches, DataLoader) else {}
    probes: list[Probe] = []
    for lr in sorted(lrs):
        if isinstance(batches, DataLoader):
            batches.load_state_dict(place)
        probe = _probe(build(), batches, lr, epochs, loss, optimizer, compile)
        if probe.verdict == "too_low" and any(p.verdict != "too_low" for p in probes):
            probe = replace(probe, verdict="too_high")
        probes.append(probe)
    if isinstance(batches, DataLoader):
        batches.load_state_dict(place)
    by_verdict: dict[str, list[str]] = {}
    for probe in probes:
        by_verdict.setdefault(probe.verdict.replace("_", " "), []).append(f"{probe.lr:g}")
    told = "; ".join(f"{verdict}: {', '.join(rates)}" for verdict, rates in by_verdict.items())
    good = [probe for probe in probes if probe.verdict == "good"]
    numbers: dict[str, Any] = {
        "probes": [{"lr": p.lr, "verdict": p.verdict, "loss": p.loss} for p in probes]
    }
    if not good:
        low, high = probes[0].verdict, probes[-1].verdict
        if high == "too_low":
            advice = "try larger rates or more epochs"
        elif low in ("diverging", "too_high"):
            advice = "try smaller rates"
        else:
            advice = "try rates between them, or more epochs"
        told = f"{told}: none is good, {advice}"
        return probes, Finding("learning rate", "failed", told, numbers)
    best = min(good, key=lambda probe: probe.loss)
    numbers["lr"] = best.lr
    text = f"{told}; {best.lr:g} ends lowest, at {best.loss:.3g}"
    if best.lr in (probes[0].lr, probes[-1].lr) and len(probes) > 1:
        text += ", and is the last one tried: try more"
        return probes, Finding("learning rate", "warning", text, numbers)
    return probes, Finding("learning rate", "ok", text, numbers)


def _probe(
    model: Module,
    batches: Iterable[Any],
    lr: float,
    epochs: int,
    loss: Loss | None,
    make: Callable[..., Optimizer],
    compile: bool,
) -> Probe:
    criterion = loss or CrossEntropyLoss()
    optimizer = make(model.parameters(), lr=lr)
    take_step = training_step(model.train(), criterion, optimizer, compile)
    losses: list[float] = []
    with np.errstate(all="ignore"):
        for inputs, targets in (batch for _ in range(epochs) for batch in batches):
            losses.append(take_step(inputs, targets).item())
            if not math.isfinite(losses[-1]):
                break
            if len(losses) >= 10 and np.mean(losses[-10:]) > 3 * losses[0]:
                break
    if not losses:
        raise UsageError("the training data gave no batches")
    tail = losses[-max(1, len(losses) // 10) :]
    verdict = diagnose_curve(losses) if len(losses) > 1 else "diverging"
    return Probe(lr, verdict, float(np.mean(tail)), tuple(losses))


def calibrate_lr(
    build: Callable[[], Module],
    sample: Iterable[Any],
    candidates: Sequence[float] = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0),
    epochs: int = 1,
    loss: Loss | None = None,
    optimizer: Callable[..., Optimizer] = SGD,
    compile: bool = True,
) -> float:
    """Return the learning rate that brings the loss on a small sample down furthest (L22).

    Bottou (2012), *Stochastic gradient descent tricks*, section 5.2: SGD converges at about the
    same speed whatever the size of the training set is, so its rate γ₀ can be chosen on a sample.
    Each candidate trains a new model; what counts is the loss on the whole sample afterwards.

    Parameters
    ----------
    build : callable
        ``build()`` gives the same untrained model each time.
    sample : iterable of (inputs, targets)
        Some batches of the training data.
    candidates : sequence of float
        At least one.
    epochs : int
        Passes over the sample, >= 1.
    loss, optimizer, compile
        As for `probe_lr`.

    Raises
    ------
    UsageError
        Without candidates, epochs or batches, or if no candidate gives a finite loss.

    Examples
    --------
    >>> import itertools
    >>> import tinygrad_lecture as tg
    >>> train = tg.data.split_digits().train
    >>> sample = list(itertools.islice(tg.data.DataLoader(train, 16), 30))
    >>> def build():
    ...     layers = tg.nn.Linear(64, 32, rng=0), tg.nn.Tanh(), tg.nn.Linear(32, 10, rng=1)
    ...     return tg.nn.Sequential(*layers)
    >>> tg.train.babysit.calibrate_lr(build, sample, [0.01, 0.1, 1.0, 10.0])
    1.0
    """
    batches = list(sample)
    if not candidates or epochs < 1 or not batches:
        raise UsageError(
            "calibrate_lr needs candidates, an epoch and a sample, got"
            f" {candidates!r}, {epochs} and {len(batches)} batches"
        )
    criterion = loss or CrossEntropyLoss()
    results: dict[float, float] = {}
    for lr in candidates:
        model = build().train()
        take_step = training_step(model, criterion, optimizer(model.parameters(), lr=lr), compile)
        with np.errstate(all="ignore"):
            for inputs, targets in (batch for _ in range(epochs) for batch in batches):
                if not math.isfinite(take_step(inputs, targets).item()):
                    break
            results[lr] = evaluate(model, batches, criterion)["loss"]
    finite = {lr: value for lr, value in results.items() if math.isfinite(value)}
    if not finite:
        raise UsageError(f"no candidate of {list(candidates)} gives a finite loss")
    return min(finite, key=lambda lr: finite[lr])
