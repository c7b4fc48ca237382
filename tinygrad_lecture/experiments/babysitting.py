"""The babysitting list: what its checks measure on nets that are fine, and on nets that are not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data, nn, optim
from ..nn import functional as F
from ..nn import init
from ..train import babysit, diagnose_gap
from .figure import Figure
from .outcome import Check, Outcome, at_least, at_most, below, between, equals
from .registry import claim
from .training import MakeOptimizer, generators, network, training_step

__all__ = ["initial_loss", "learning_rate_probe", "overfit_twenty", "update_ratio"]


@claim(
    "L61", "the loss starts at ln C if the last layer is small, and rises with the regularization"
)
def initial_loss(
    *, classes: int = 10, seeds: int = 10, quick: bool = False, seed: int = 0
) -> Outcome:
    """Check the initial loss of 20-50-C ReLU nets with He's weights, and with a small last layer.

    Parameters
    ----------
    classes : int
        C.
    seeds : int
        Nets and batches.
    quick, seed
        No effect: it is quick; seed of inputs, labels and weights.

    Returns
    -------
    Outcome
        Figure: loss over the strength of the regularization.
    """
    full, small, rises, differences = [], [], [], []
    lams = (1e-3, 1e-1, 1e1, 1e3)
    figure = Figure("loss at the start", "λ", "loss", (), "log", "log")
    for i, rng in enumerate(generators(seed, seeds)):
        batch = rng.normal(size=(200, 20)), rng.integers(classes, size=200)
        model: Any = network([20, 50, classes], nn.ReLU, rng, init.kaiming_normal_)
        full.append(babysit.check_initial_loss(model, batch, classes))
        model[2].weight.data = 0.01 * model[2].weight.data
        small.append(babysit.check_initial_loss(model, batch, classes))
        found = babysit.check_regularization(model, batch, lams)
        rises.append(found.ok)
        losses = np.array(found.numbers["losses"])
        norm = np.sum([np.sum(p.data**2) for p in model.parameters()])
        expected = losses[0] + 0.5 * np.array([0.0, *lams]) * norm
        differences.append(np.max(np.abs(losses / expected - 1.0)))
        if i == 0:
            figure = figure.add("measured", lams, losses[1:])
    checks = [
        Check("|loss − ln C|, last layer × 0.01",
              [abs(f.numbers["loss"] - math.log(classes)) for f in small], below(0.01)),
        Check("the check of it is passed", [f.ok for f in small], equals(True)),
        Check("loss, He's weights", [f.numbers["loss"] for f in full], None, "2.96 to 3.25"),
        Check("the check warns of it", [f.ok for f in full], equals(False)),
        Check("the loss rises with λ", rises, equals(True)),
        Check("loss(λ)/(loss(0) + ½λ‖W‖²) − 1", differences, at_most(1e-12)),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)


class _NoGradient(nn.Module):
    """A net with the most common bug: nothing of the loss arrives at its weights."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def forward(self, x: Any) -> Any:
        return 0.0 * self.net(x) + self.net(x).detach()


@claim("L62", "twenty examples are learned by heart; a net whose gradients are lost does not pass")
def overfit_twenty(*, seeds: int = 10, quick: bool = False, seed: int = 0) -> Outcome:
    """Overfit 20 points of spirals with 2-50-3 tanh nets, Adam α = 0.01, 500 steps.

    Parameters
    ----------
    seeds : int
        Data sets and nets.
    quick, seed
        Three seeds; seed of data and weights.

    Returns
    -------
    Outcome
    """
    found, broken = [], []
    for i, rng in enumerate(generators(seed, 3 if quick else seeds)):
        points = data.Dataset(*data.spirals(300, noise=0.2, seed=rng), n_classes=3)
        model = network([2, 50, 3], nn.Tanh, rng)
        found.append(babysit.overfit_tiny(model, points, seed=i))
        if i == 0:
            broken.append(babysit.overfit_tiny(_NoGradient(model), points, seed=i, steps=50))
    checks = [
        Check("accuracy on 20 examples", [f.numbers["accuracy"] for f in found], equals(1.0), 1.0),
        Check("loss on them", [f.numbers["loss"] for f in found], below(0.02), 0.003),
        Check("the check is passed", [f.ok for f in found], equals(True)),
        Check("without gradients the check is passed", [f.ok for f in broken], equals(False)),
    ]
    return Outcome(checks)


@claim("L63", "a rate is too low where the loss barely moves, too high where it explodes")
def learning_rate_probe(
    *,
    lrs: Sequence[float] = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0, 10.0, 1e3),
    epochs: int = 10,
    seeds: int = 4,
    steps: int = 600,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Probe rates for a 2-32-32-3 tanh net on spirals, batches of 32, and train at the chosen one.

    Parameters
    ----------
    lrs : sequence of float
        Rates to try.
    epochs : int
        Of each probe, over 300 samples.
    seeds : int
        Data sets and nets.
    steps : int
        Of the training at the chosen rate.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        One seed; seed of data, weights and orders.

    Returns
    -------
    Outcome
        Figure: loss of the probes over steps, of the first seed.
    """
    verdicts: dict[float, list[str]] = {lr: [] for lr in lrs}
    chosen, ends, cut = [], [], []
    figure = Figure("probes", "step", "loss", (), "linear", "log")
    for i, rng in enumerate(generators(seed, 1 if quick else seeds)):
        points = data.Dataset(*data.spirals(300, noise=0.2, seed=rng), n_classes=3)
        weights = int(rng.integers(2**31))

        def build(weights: int = weights) -> nn.Module:
            return network([2, 32, 32, 3], nn.Tanh, np.random.default_rng(weights))

        loader = data.DataLoader(points, 32, seed=i)
        probes, finding = babysit.probe_lr(build, loader, lrs, epochs, optimizer=optimizer)
        for probe in probes:
            verdicts[probe.lr].append(probe.verdict)
            if i == 0:
                kept = np.array(probe.losses)
                kept = kept[np.isfinite(kept)]
                figure = figure.add(f"α = {probe.lr:g}", np.arange(len(kept)), kept)
        cut.append(len(probes[-1].losses) < epochs * len(loader))
        chosen.append(finding.numbers.get("lr", math.nan))
        ends.append(_trained(build(), optimizer, chosen[-1], loader, steps))
    checks = [
        Check(f"α = {lrs[0]:g} is too low", [v == "too_low" for v in verdicts[lrs[0]]],
              equals(True)),
        Check(f"α = {lrs[-1]:g} diverges", [v == "diverging" for v in verdicts[lrs[-1]]],
              equals(True)),
        Check("chosen α", chosen, between(0.1, 3.0), "0.1 to 3 work"),
        Check(f"loss after {steps} steps at the chosen α", ends, below(0.1)),
        Check(f"the probe of α = {lrs[-1]:g} was stopped early", cut, equals(True)),
    ]  # fmt: skip
    return Outcome(checks, figure=figure, data={"verdicts": verdicts})


def _trained(
    model: nn.Module, optimizer: MakeOptimizer, lr: float, loader: data.DataLoader, steps: int
) -> float:
    """Return the loss on all samples after some steps."""
    step = training_step(
        optimizer(model.parameters(), lr=lr), lambda x, y: F.cross_entropy(model(x), y)
    )
    taken = 0
    while taken < steps:
        for x, y in loader:
            step(x, y)
            taken += 1
    X, y = loader.dataset[:]
    return float(F.cross_entropy(model(X), y).item())


@claim(
    "L65", "updates of 10⁻³ to 10⁻² of the weights learn; a large gap to validation is overfitting"
)
def update_ratio(
    *,
    alphas: Sequence[float] = (0.001, 0.01, 0.1, 0.3, 1.0),
    steps: int = 600,
    seeds: int = 4,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Measure ‖ΔW‖/‖W‖ at some step sizes, for the net of L25, beside the loss that they reach.

    Parameters
    ----------
    alphas : sequence of float
        Step sizes.
    steps : int
        Updates.
    seeds : int
        Data sets and nets.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        One seed and half of the steps; seed of data, weights and orders.

    Returns
    -------
    Outcome
        Figure: loss over the ratio.
    """
    seeds, steps = (1, steps // 2) if quick else (seeds, steps)
    ratios: dict[float, list[float]] = {a: [] for a in alphas}
    losses: dict[float, list[float]] = {a: [] for a in alphas}
    differences, doubled = [], []
    for i, rng in enumerate(generators(seed, seeds)):
        points = data.Dataset(*data.spirals(300, noise=0.2, seed=rng), n_classes=3)
        loader = data.DataLoader(points, 32, drop_last=True, seed=i)
        weights = int(rng.integers(2**31))
        for alpha in alphas:
            model = network([2, 32, 32, 3], nn.Tanh, np.random.default_rng(weights))
            rule = optimizer(model.parameters(), lr=alpha)
            found = babysit.check_update_ratio(model, loader, rule, steps=20)
            ratios[alpha].append(float(np.median(list(found.numbers.values()))))
            losses[alpha].append(_trained(model, optimizer, alpha, loader, steps))
        first = [_first_ratio(np.random.default_rng(weights), points, a, optimizer)
                 for a in (0.1, 0.2)]  # fmt: skip
        differences.append(np.max(np.abs(first[0][0] - first[0][1])))
        doubled.append(np.max(np.abs(first[1][0] / first[0][0] - 2.0)))
    means = {a: float(np.exp(np.mean(np.log(losses[a])))) for a in alphas}
    best = min(means, key=lambda a: means[a])
    figure = Figure("net of L25", "‖ΔW‖/‖W‖ per step", "loss", (), "log", "log")
    figure = figure.add("α from 0.001 to 1", [np.median(ratios[a]) for a in alphas],
                        [means[a] for a in alphas], style="points")  # fmt: skip
    verdicts = [diagnose_gap(0.1, v) == w for v, w in
                ((0.5, "overfitting"), (0.12, "fine"), (0.1, "no_gap"))]  # fmt: skip
    checks = [
        Check("ratio told − ‖W' − W‖/‖W‖", differences, at_most(1e-12)),
        Check("first ratio at twice the α, over the first ratio, − 2", doubled, at_most(1e-9)),
        Check("ratio at the best α", np.median(ratios[best]), None, "3e-3 to 1.5e-2"),
        *(
            Check(f"loss at α = {a:g}, ratio {np.median(ratios[a]):.1g}", means[a])
            for a in alphas
        ),
        Check("verdicts of gaps 0.1 → 0.5, 0.12, 0.1", verdicts, equals(True)),
        Check("largest ratio over smallest", max(map(np.median, ratios.values()))
              / min(map(np.median, ratios.values())), at_least(10.0)),
    ]  # fmt: skip
    note = "ratios are medians of the first 20 steps; they shrink as the loss does"
    return Outcome(checks, (note,), figure)


def _first_ratio(
    rng: np.random.Generator, points: data.Dataset, alpha: float, optimizer: MakeOptimizer
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the check tells of the first step, and the same measured here."""
    model = network([2, 32, 32, 3], nn.Tanh, rng)
    X, y = points[:]
    rule = optimizer(model.parameters(), lr=alpha)
    told = babysit.check_update_ratio(model, [(X, y)], rule, steps=1)
    before = [p.data.copy() for p in model.parameters() if p.ndim > 1]
    training_step(rule, lambda: F.cross_entropy(model(X), y))()
    after = [p.data for p in model.parameters() if p.ndim > 1]
    ratios = [np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in zip(before, after, strict=True)]
    return np.array(list(told.numbers.values())), np.array(ratios)
