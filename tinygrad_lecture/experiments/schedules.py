"""Schedules of the learning rate: conditions, staircases, cycles, plateaus (L21 to L29, L45)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..data.seeding import generator
from ..engine import square, sum
from ..optim import lr_scheduler as schedules
from ..optim.swa_utils import get_swa_avg_fn
from .figure import Figure
from .outcome import Check, Outcome, above, at_most, below, equals, near
from .registry import claim
from .stack import Stack, stacked_cross_entropy
from .training import (
    MakeOptimizer,
    batches_for_each,
    generators,
    logits,
    network,
    nll,
    spirals_for_each,
    training_step,
)

__all__ = [
    "averaged_sgd",
    "bengio_schedule",
    "cosine_cycles",
    "cyclical_rates",
    "plateau_rules",
    "robbins_monro_conditions",
    "staircase",
]

MakeSchedule = Callable[[optim.Optimizer], Any]


def one_rate(lr: float) -> optim.SGD:
    """Return an optimizer of nothing in particular, for its schedule."""
    return optim.SGD([nn.Parameter(0.0)], lr=lr)


def _mean_of_samples(y: NDArray[np.float64], schedule: MakeSchedule, lr: float) -> Any:
    """Run SGD on ½(θ − y)² from θ = 1, one row of samples a step, for each column."""
    theta = nn.Parameter(np.ones(y.shape[1]))
    rule = optim.SGD([theta], lr=lr)
    step = training_step(rule, lambda row: 0.5 * sum(square(theta - row)))
    plan = schedule(rule)
    for row in y:
        step(row)
        plan.step()
    return theta.data


def regression(
    schedule: MakeSchedule, lr: float, steps: int, seeds: int, noise: float, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Run SGD on linear regressions in 5 dimensions side by side; yield the errors w − w*.

    One sample a step, x ~ N(0, I), y = w*ᵀx + noise; so the excess risk is ½‖w − w*‖².
    """
    rng = generator(seed)
    truth = rng.normal(size=(seeds, 5))
    w = nn.Parameter(np.zeros((seeds, 5)))
    rule = optim.SGD([w], lr=lr)
    step = training_step(rule, lambda x, y: 0.5 * sum(square(sum(w * x, axis=1) - y)))
    plan = schedule(rule)
    for _ in range(steps):
        x = rng.normal(size=(seeds, 5))
        step(x, np.sum(truth * x, axis=1) + noise * rng.normal(size=seeds))
        plan.step()
        yield w.data - truth


def risk(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the excess risk of each regression."""
    return np.asarray(0.5 * np.sum(np.square(errors), axis=1))


@claim(
    "L21", "rates have to add up to ∞ and their squares not: 1/i arrives, 0.999ⁱ stops on the way"
)
def robbins_monro_conditions(
    *,
    steps: int = 20_000,
    seeds: int = 20,
    noise: float = 0.5,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Measure where SGD ends with schedules that fulfil the conditions, and with others.

    Parameters
    ----------
    steps, seeds : int
        Of the regressions in 5 dimensions.
    noise : float
        Of their targets.
    quick, seed
        A quarter of the steps; seed of samples.

    Returns
    -------
    Outcome
        Figure: excess risk over steps.
    """
    steps = steps // 4 if quick else steps
    harmonic: MakeSchedule = lambda rule: schedules.LambdaLR(rule, lambda t: 1.0 / (t + 1))  # noqa: E731
    samples = generator(seed).normal(size=(200, 4000))
    means = _mean_of_samples(samples, harmonic, 1.0)
    still = np.zeros((10_000, 1))
    left = _mean_of_samples(still, lambda rule: schedules.ExponentialLR(rule, 0.999), 0.001)
    slow = _mean_of_samples(still, harmonic, 0.1)
    plans: dict[str, tuple[MakeSchedule, float, float]] = {
        "α = 0.01": (lambda rule: schedules.LambdaLR(rule, lambda t: 1.0), 0.01, 3.4e-3),
        "0.1·0.999ⁱ": (lambda rule: schedules.ExponentialLR(rule, 0.999), 0.1, 2.6e-4),
        "1/(i + 10)": (lambda rule: schedules.InverseTimeLR(rule, 10.0), 0.1, 4.3e-5),
    }
    figure = Figure("schedules", "step", "excess risk", x_scale="log", y_scale="log")
    checks = [
        Check("θ − mean of the samples, α = 1/i", np.max(np.abs(means - samples.mean(0))),
              at_most(1e-12)),
        Check("its variance, times n", np.var(means) * len(samples), near(1.0, rel=0.1)),
        Check("error left for ever by 0.001·0.999ⁱ", left[0], near(0.368, abs=1e-3), 0.368),
        Check("error left by 0.1/i after 10⁴ steps", slow[0], near(0.3725, abs=1e-3), 0.3725),
        Check("conditions hold for 1/i", bool(schedules.robbins_monro(harmonic(one_rate(1.0)))),
              equals(True)),
        Check("conditions hold for 0.999ⁱ",
              bool(schedules.robbins_monro(schedules.ExponentialLR(one_rate(1.0), 0.999))),
              equals(False)),
    ]  # fmt: skip
    ends = []
    for name, (plan, lr, reference) in plans.items():
        path = [risk(e).mean() for e in regression(plan, lr, steps, seeds, noise, seed)]
        ends.append(float(np.mean(path[-steps // 100 :])))
        checks.append(Check(f"excess risk, {name}", ends[-1], reference=reference))
        spots = np.unique(np.geomspace(1, steps, 100).astype(int))
        figure = figure.add(name, spots, np.array(path)[spots - 1])
    checks += [
        Check("risk of the constant rate over that of 0.999ⁱ", ends[0] / ends[1], above(1.0), 13.0),
        Check("risk of 0.999ⁱ over that of 1/(i + 10)", ends[1] / ends[2], above(1.0), 6.0),
    ]
    return Outcome(checks, figure=figure)


@claim("L22", "the average of SGD's weights has less excess risk than the last of them")
def averaged_sgd(
    *,
    steps: int = 5000,
    begin: int = 500,
    seeds: int = 40,
    gamma: float = 0.05,
    noise: float = 0.5,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Run Bottou's averaged SGD, γ_t = γ₀(1 + γ₀t)^(−3/4), on regressions in 5 dimensions.

    Parameters
    ----------
    steps, begin : int
        Updates, and where the average begins.
    seeds : int
        Regressions.
    gamma, noise : float
        γ₀, and the noise of the targets.
    quick, seed
        Half of the regressions; seed of samples.

    Returns
    -------
    Outcome
        Figure: excess risk over steps, of the weights and of their average.
    """
    seeds = seeds // 2 if quick else seeds
    plan: MakeSchedule = lambda rule: schedules.BottouLR(rule, lam=1.0, power=0.75)  # noqa: E731
    mean, average = get_swa_avg_fn(), np.zeros((seeds, 5))
    curves: list[tuple[float, float]] = []
    last = average
    for t, errors in enumerate(regression(plan, gamma, steps, seeds, noise, seed)):
        last = np.array(errors)
        average = mean(average, last, t - begin) if t > begin else last
        curves.append((float(risk(last).mean()), float(risk(average).mean())))
    theta = nn.Parameter(np.zeros(3))
    rule = optim.ASGD([theta], lr=0.1, lambd=0.0, t0=0.0)
    path = []
    for g in generator(seed).normal(size=(50, 3)):
        theta.grad = g
        rule.step()
        path.append(np.array(theta.data))
    running = np.max(np.abs(rule.state[theta]["ax"] - np.mean(path[1:], axis=0)))
    rates = schedules.BottouLR(one_rate(gamma), lam=2.0).lrs(1000)
    formula = gamma / (1.0 + 2.0 * gamma * np.arange(1000))
    checks = [
        Check("γ₀/(1 + λγ₀t) − rates of BottouLR", np.max(np.abs(rates - formula)), at_most(1e-15)),
        Check("ASGD, t₀ = 0: average − mean from the second step on", running, at_most(1e-12)),
        Check("excess risk of the last weights", float(risk(last).mean()), reference=2.6e-4),
        Check("excess risk of the average", float(risk(average).mean()), reference=1.0e-4),
        Check("average over last", risk(average).mean() / risk(last).mean(), below(1.0), 0.38),
        Check("share of regressions in which the average is better",
              np.mean(risk(average) < risk(last)), reference=0.8),
    ]  # fmt: skip
    figure = Figure("averaged SGD", "step", "excess risk", y_scale="log")
    spots = np.arange(1, steps + 1, 20)
    for name, curve in zip(("last weights", "average"), np.transpose(curves), strict=True):
        figure = figure.add(name, spots, curve[::20])
    return Outcome(checks, figure=figure)


@claim("L26", "each drop of the learning rate lowers SGD's noise floor to α/(2 − α)")
def staircase(
    *,
    alphas: tuple[float, ...] = (0.3, 0.1, 0.03, 0.01),
    chains: int = 4000,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Run SGD on ½(θ − y)², y ~ N(0, 1), down a staircase of step sizes.

    Parameters
    ----------
    alphas : tuple of float
        The stairs; each is as many steps long as its noise needs to settle and be measured.
    chains : int
        Independent runs.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        A quarter of the chains; seed of the samples.

    Returns
    -------
    Outcome
        Figure: variance over steps.
    """
    chains = chains // 4 if quick else chains
    rng = generator(seed)
    theta = nn.Parameter(np.zeros(chains))
    rule = optimizer([theta], lr=1.0)
    step = training_step(rule, lambda y: 0.5 * sum(square(theta - y)))
    lengths = [math.ceil(18 / a) for a in alphas]
    ends = np.cumsum(lengths)
    plan = schedules.LambdaLR(
        rule, lambda t: alphas[min(int(np.searchsorted(ends, t, "right")), len(alphas) - 1)]
    )
    variances = []
    for _ in range(int(ends[-1])):
        step(rng.normal(size=chains))
        plan.step()
        variances.append(float(np.mean(np.square(theta.data))))
    checks = []
    for a, end in zip(alphas, ends.tolist(), strict=True):
        floor = float(np.mean(variances[end - math.ceil(10 / a) : end]))
        checks.append(Check(f"variance at α = {a:g}", floor, near(a / (2 - a), rel=0.05)))
    stairs = schedules.StepLR(one_rate(1.0), 3, 0.1).lrs(9)
    many = schedules.MultiStepLR(one_rate(1.0), [3, 6], 0.1).lrs(9)
    formula = 0.1 ** (np.arange(9) // 3)
    for name, rates in (("StepLR", stairs), ("MultiStepLR", many)):
        checks.append(
            Check(f"rates of {name} − 0.1^⌊t/3⌋", np.max(np.abs(rates - formula)), at_most(1e-15))
        )
    figure = Figure("staircase", "step", "variance of θ", y_scale="log")
    return Outcome(checks, figure=figure.add("SGD", np.arange(1, ends[-1] + 1), variances))


@claim("L27", "a rate that goes up and down trains better than staying at either end of its range")
def cyclical_rates(
    *,
    low: float = 0.25,
    high: float = 1.0,
    half: int = 125,
    seeds: int = 8,
    n: int = 400,
    noise: float = 0.4,
    batch: int = 16,
    steps: int = 1000,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train 2-32-32-3 with tanh on spirals by SGD: triangular, both ends of its range, and others.

    Parameters
    ----------
    low, high : float
        Range of the triangular rate.
    half : int
        Steps from one end to the other.
    seeds, n, noise, batch, steps
        Nets, samples and their noise, samples in a batch, updates.
    quick, seed
        Four nets, without the two schedules that are reported for comparison; seed of all.

    Returns
    -------
    Outcome
        Figure: rates over steps.
    """
    seeds = min(seeds, 4) if quick else seeds
    plans: dict[str, tuple[float, MakeSchedule, float]] = {
        "triangular": (low, lambda o: schedules.CyclicLR(o, low, high, half), 0.027),
        f"fixed {low:g}": (low, lambda o: schedules.LambdaLR(o, lambda t: 1.0), 0.056),
        f"fixed {high:g}": (high, lambda o: schedules.LambdaLR(o, lambda t: 1.0), 0.057),
        "cosine": (high, lambda o: schedules.CosineAnnealingLR(o, steps), 0.019),
        "staircase": (high, lambda o: schedules.StepLR(o, steps // 3, 0.3), 0.030),
    }
    names = list(plans)[: 3 if quick else None]
    figure = Figure("rates", "step", "learning rate")
    losses, checks = {}, []
    for name in names:
        lr, plan, reference = plans[name]
        rngs = generators(seed, seeds)
        X, y = spirals_for_each(rngs, n, noise)
        stack = Stack([network([2, 32, 32, 3], nn.Tanh, rng) for rng in rngs])
        rule = optim.SGD(stack.parameters(), lr=lr)
        schedule = plan(rule)
        step = training_step(rule, lambda x, t, stack=stack: stacked_cross_entropy(stack(x), t))
        for x, labels in batches_for_each(X, y, batch, steps, rngs):
            step(x, labels)
            schedule.step()
        losses[name] = float(np.mean(nll(logits(stack, X), y)))
        checks.append(Check(f"mean training loss, {name}", losses[name], reference=reference))
        figure = figure.add(name, np.arange(steps), schedule.lrs(steps))
    by_hand = [0.1, 0.35, 0.6, 0.85, 1.1, 0.85, 0.6, 0.35, 0.1, 0.35]
    rates = schedules.CyclicLR(one_rate(0.1), 0.1, 1.1, 4).lrs(10)
    for name in names[1:3]:
        ratio = losses["triangular"] / losses[name]
        checks.append(Check(f"loss, triangular over {name}", ratio, below(1.0)))
    checks.append(
        Check("rates from 0.1 to 1.1 in 4 steps − by hand", np.max(np.abs(rates - by_hand)),
              at_most(1e-12))
    )  # fmt: skip
    notes = ("a cosine or a staircase is as good: nothing is claimed about these",)
    return Outcome(checks, notes=notes, figure=figure)


@claim("L29", "cosine cycles begin at α₀, end just above 0, and start again")
def cosine_cycles(
    *,
    alpha: float = 0.2,
    total: int = 100,
    cycles: int = 4,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Compare `SnapshotCosineLR` with its formula, α₀/2·(cos(π·mod(t − 1, L)/L) + 1), L = ⌈T/M⌉.

    Parameters
    ----------
    alpha : float
        α₀.
    total, cycles : int
        T and M.
    quick, seed
        No effect: nothing is random.

    Returns
    -------
    Outcome
        Figure: the rates.
    """
    length = -(-total // cycles)
    rates = schedules.SnapshotCosineLR(one_rate(alpha), total, cycles).lrs(total)
    restarts = schedules.CosineAnnealingWarmRestarts(one_rate(alpha), length).lrs(total)
    t = np.arange(1, total + 1)
    formula = alpha / 2 * (np.cos(np.pi * ((t - 1) % length) / length) + 1)
    last = alpha / 2 * (1 - math.cos(math.pi / length))
    checks = [
        Check("rates − formula", np.max(np.abs(rates - formula)), at_most(1e-15)),
        Check("first rate of each cycle − α₀", np.max(np.abs(rates[::length] - alpha)),
              at_most(1e-15)),
        Check("last rate of a cycle − α₀/2·(1 − cos π/L)", abs(rates[length - 1] - last),
              at_most(1e-15)),
        Check("last rate of a cycle", rates[length - 1], above(0.0)),
        Check("rates − those of warm restarts", np.max(np.abs(rates - restarts)), at_most(1e-15)),
    ]  # fmt: skip
    return Outcome(checks, figure=Figure("cosine cycles", "step", "α").add("α(t)", t, rates))


def drops(calls: int, **settings: Any) -> list[int]:
    """Return at which calls, counted from 1, a constant metric lowers the rate."""
    rule = one_rate(1.0)
    plan = schedules.ReduceLROnPlateau(rule, **settings)
    found, lr = [], 1.0
    for call in range(1, calls + 1):
        plan.step(1.0)
        if rule.param_groups[0]["lr"] != lr:
            lr = rule.param_groups[0]["lr"]
            found.append(call)
    return found


@claim("L45", "on a plateau the rate drops after `patience` bad calls, and rests in the cooldown")
def plateau_rules(*, quick: bool = False, seed: int = 0) -> Outcome:
    """Feed `ReduceLROnPlateau` with a metric that never improves, and see when it acts.

    Parameters
    ----------
    quick, seed
        No effect: nothing is random.

    Returns
    -------
    Outcome
    """
    rule = one_rate(1.0)
    plan = schedules.ReduceLROnPlateau(rule, patience=0, min_lr=0.05)
    for _ in range(5):
        plan.step(1.0)
    lowest = rule.param_groups[0]["lr"]
    small = drops(5, patience=0, eps=1.0)
    improving = one_rate(1.0)
    plan = schedules.ReduceLROnPlateau(improving, patience=0)
    for loss in (1.0, 0.9, 0.8, 0.7):
        plan.step(loss)
    expected: dict[str, tuple[dict[str, Any], list[int]]] = {
        "patience 2": ({"patience": 2}, [4, 7, 10]),
        "patience 2, cooldown 2": ({"patience": 2, "cooldown": 2}, [4, 9]),
        "patience 0": ({"patience": 0, "eps": 0.0}, [2, 3, 4, 5, 6, 7, 8, 9, 10]),
    }
    checks = [
        Check(f"drops at calls {', '.join(map(str, want[:4]))}: {name}", drops(10, **how) == want,
              equals(True))
        for name, (how, want) in expected.items()
    ]  # fmt: skip
    checks += [
        Check("rate for min_lr = 0.05", lowest, equals(0.05)),
        Check("drops smaller than eps", len(small), equals(0)),
        Check("rate while the metric improves", improving.param_groups[0]["lr"], equals(1.0)),
    ]
    return Outcome(checks)


@claim("L68", "Bengio's schedule keeps α₀ until τ and falls as τ/t: it fulfils both conditions")
def bengio_schedule(
    *, alpha: float = 0.01, tau: int = 50, quick: bool = False, seed: int = 0
) -> Outcome:
    """Compare `BengioLR` with α₀τ/max(t, τ), and ask `robbins_monro` about it.

    Parameters
    ----------
    alpha, tau
        α₀ and τ.
    quick, seed
        No effect: nothing is random.

    Returns
    -------
    Outcome
        Figure: the rates.
    """
    plan = schedules.BengioLR(one_rate(alpha), tau)
    t = np.arange(1, 2001)
    rates = plan.lrs(2001)[1:]
    formula = alpha * tau / np.maximum(t, tau)
    checks = [
        Check("rates − α₀τ/max(t, τ)", np.max(np.abs(rates - formula)), at_most(1e-15)),
        Check("largest change until τ", np.max(np.abs(np.diff(rates[:tau]))), equals(0.0)),
        Check(
            "rate at 2τ over that at τ", rates[2 * tau - 1] / rates[tau - 1], near(0.5, rel=1e-12)
        ),
        Check("both conditions hold", bool(schedules.robbins_monro(plan)), equals(True)),
    ]
    figure = Figure("Bengio's schedule", "step", "α", x_scale="log", y_scale="log")
    return Outcome(checks, figure=figure.add("α(t)", t, rates))
