"""What the learning rate does to a training: too low, good, too high, and a test for the range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .. import data, nn, optim
from ..nn import functional as F
from ..train import diagnose_curve, lr_range_test
from .figure import Figure
from .outcome import Check, Outcome, above, at_least, below, equals
from .registry import claim
from .stack import Stack, stacked_cross_entropy
from .training import (
    MakeOptimizer,
    batches,
    batches_for_each,
    generators,
    logits,
    network,
    nll,
    spirals_for_each,
    training_step,
)

__all__ = ["lr_curves", "lr_range"]


@claim("L25", "a low α is slow, a good one trains, a very high one ends above chance")
def lr_curves(
    *,
    lrs: Sequence[float] = (0.001, 0.01, 0.1, 1.0, 3.0, 10.0),
    seeds: int = 20,
    n: int = 300,
    noise: float = 0.2,
    batch: int = 32,
    steps: int = 600,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train 2-32-32-3 with tanh on `data.spirals` by SGD with each learning rate.

    Parameters
    ----------
    lrs : sequence of float
        Learning rates.
    seeds : int
        Nets, each with its own data and start weights.
    n, noise
        Samples and their noise.
    batch, steps
        Samples in a batch, and updates.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Ten nets, and only the learning rates with a threshold; seed of data, weights and batches.

    Returns
    -------
    Outcome
        Figure: loss of the batches over steps, mean over the seeds.
    """
    seeds = min(seeds, 10) if quick else seeds
    chance = np.log(3.0)
    bounds = {0.001: above(0.6), 0.1: below(0.06), 1.0: below(0.02)}
    figure = Figure("learning rates", "step", "loss", y_scale="log")
    checks = []
    for lr in [lr for lr in lrs if lr in bounds or lr == 10.0] if quick else lrs:
        rngs = generators(seed, seeds)  # the same data, start and batches for each α
        X, y = spirals_for_each(rngs, n, noise)
        stack = Stack([network([2, 32, 32, 3], nn.Tanh, rng) for rng in rngs])
        rule = optimizer(stack.parameters(), lr=lr)
        step = training_step(rule, lambda x, y, stack=stack: stacked_cross_entropy(stack(x), y))
        path = [step(x, t).data for x, t in batches_for_each(X, y, batch, steps, rngs)]
        ends = nll(logits(stack, X), y)
        checks.append(Check(f"final loss, α = {lr:g}", ends, bounds.get(lr)))
        if lr == 10.0:
            checks.append(Check("share above ln 3, α = 10", np.mean(ends > chance), at_least(0.9)))
        verdicts = [diagnose_curve(curve) for curve in np.transpose(path)]
        common, votes = Counter(verdicts).most_common(1)[0]
        checks.append(Check(f"share of curves that say {common}, α = {lr:g}", votes / seeds))
        figure = figure.add(f"α = {lr:g}", np.arange(steps), np.mean(path, axis=1))
    notes = ("at α = 10 a net in a hundred or so gets away and trains: no bound holds for all",)
    return Outcome(checks, notes=notes, figure=figure)


@claim("L28", "a range test over rising α finds a rate that trains, and leaves the model as it was")
def lr_range(
    *,
    seeds: int = 6,
    n: int = 300,
    noise: float = 0.2,
    batch: int = 32,
    steps: int = 600,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Run `train.lr_range_test` on the net of `lr_curves`, then train at a third of its best rate.

    Parameters
    ----------
    seeds : int
        Nets, each with its own data and start weights.
    n, noise
        Samples of `data.spirals` and their noise.
    batch, steps
        Samples in a batch; updates of the training afterwards.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Two nets; seed of data, weights and batches.

    Returns
    -------
    Outcome
        Figure: smoothed loss over α, for each net.
    """
    figure = Figure("learning rate range test", "α", "smoothed loss", (), "log", "log")
    lowest, blown, ends, restored, trained = [], [], [], [], []
    for s, rng in enumerate(generators(seed, 2 if quick else seeds)):
        X, y = data.spirals(n, noise=noise, seed=rng)
        model = network([2, 32, 32, 3], nn.Tanh, rng)
        rule = optimizer(model.parameters(), lr=0.1)
        loader = data.DataLoader(data.Dataset(X, y, "spirals", n_classes=3), batch, seed=rng)
        before = model.state_dict()
        found = lr_range_test(model, nn.CrossEntropyLoss(), rule, loader, 1e-4, 100.0, 300)
        after = model.state_dict()
        restored += [np.array_equal(after[key], value) for key, value in before.items()]
        figure = figure.add(f"net {s}", found.lrs, found.smoothed)
        lowest.append(found.suggest().max_lr)
        blown.append(found.blew_up)
        ends.append(found.lrs[-1])

        rule = optimizer(model.parameters(), lr=found.suggest().lr)
        step = training_step(rule, lambda x, y, model=model: F.cross_entropy(model(x), y))
        for x, labels in batches(X, y, batch, steps, rng):
            step(x, labels)
        trained.append(nll(logits(model, X), y))
    return Outcome(
        [
            Check("the loss blew up within the range", blown, equals(True)),
            Check("α at the lowest smoothed loss", lowest, None, "0.6 to 1.5"),
            Check("α where the loss blew up", ends, None, "2.3 to 3.1"),
            Check("final loss at a third of the former", trained, below(0.05), "≤ 0.015"),
            Check("weights after the test are those before, bit by bit", restored, equals(True)),
        ],
        figure=figure,
    )
