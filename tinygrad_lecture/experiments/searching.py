"""Search for hyper-parameters: random draws beside a grid, and the edges of ranges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..train import SerialExecutor
from ..train.search import Stage, coarse_to_fine, loguniform, random_search, uniform
from .figure import Figure
from .outcome import Check, Outcome, at_most, between, equals
from .registry import claim

__all__ = ["coarse_to_fine_search", "random_beats_grid"]


@claim("L64", "where one parameter matters, nine random draws beat a 3×3 grid seven times in ten")
def random_beats_grid(*, draws: int = 2000, quick: bool = False, seed: int = 0) -> Outcome:
    """Search the nearest point to a random optimum x* ~ U(0, 1), with a parameter without effect.

    The grid has its values at 1/6, 1/2 and 5/6.  By theory random draws win in
    1 − 3(1 − (2/3)¹⁰)/10 = 70.5 % of all cases for optima far from the ends, and a bit less for
    others.

    Parameters
    ----------
    draws : int
        Optima, with a search each.
    quick, seed
        A quarter of the optima; seed of optima and searches.

    Returns
    -------
    Outcome
        Figure: distance to the optimum, sorted, for both.
    """
    draws = draws // 4 if quick else draws
    rng = np.random.default_rng(seed)
    space = {"matters": uniform(0.0, 1.0), "does_not": uniform(0.0, 1.0)}
    grid = [(x, y) for x in (1 / 6, 1 / 2, 5 / 6) for y in (1 / 6, 1 / 2, 5 / 6)]
    distances = np.empty((draws, 2))
    for i, optimum in enumerate(rng.uniform(size=draws).tolist()):

        def score(params: dict[str, Any], rng: Any, optimum: float = optimum) -> float:
            return abs(float(params["matters"]) - optimum)

        found = random_search(space, score, 9, seed=(seed, i), executor=SerialExecutor())
        by_grid = min(score({"matters": x, "does_not": y}, None) for x, y in grid)
        distances[i] = found.best.score, by_grid
    wins = np.mean(distances[:, 0] < distances[:, 1])
    figure = Figure("distance to the optimum after 9 trials", "share of searches", "distance")
    share = np.linspace(0.0, 1.0, draws)
    for name, column in (("random", 0), ("grid", 1)):
        figure = figure.add(name, share, np.sort(distances[:, column]))
    return Outcome(
        [Check("share of searches that random draws win", wins, between(0.65, 0.75), 0.70)],
        figure=figure,
    )


def kolmogorov_smirnov(sample: NDArray[Any]) -> float:
    """Return √n sup|F_n(u) − u| for a sample from [0, 1]; above 1.628, p < 0.01."""
    u, n = np.sort(sample), len(sample)
    steps = np.arange(n + 1) / n
    return float(math.sqrt(n) * max((steps[1:] - u).max(), (u - steps[:-1]).max()))


def _valley(params: dict[str, Any], rng: np.random.Generator) -> float:
    """Lowest at lr = 1e-2; fewer epochs tell less exactly."""
    noise = 0.3 * float(rng.random()) / float(params["epochs"])
    return abs(math.log10(params["lr"]) + 2.0) + noise


@claim("L64", "draws are uniform in the logarithm; finer stages find the optimum; edges are told")
def coarse_to_fine_search(*, trials: int = 2000, quick: bool = False, seed: int = 0) -> Outcome:
    """Draw log-uniform rates, search in two stages, and plant an optimum outside of the range.

    Parameters
    ----------
    trials : int
        Draws for the test of uniformity.
    quick, seed
        A quarter of the draws; seed of draws and searches.

    Returns
    -------
    Outcome
        Figure: scores over the rate, by stage.
    """
    trials = trials // 4 if quick else trials
    serial = SerialExecutor()
    drawn = random_search(
        {"lr": loguniform(1e-6, 1.0)}, _valley, trials, seed=seed, settings={"epochs": 1},
        executor=serial,
    )  # fmt: skip
    logs = np.array([math.log10(t.params["lr"]) for t in drawn.trials])
    stages = [Stage(20, {"epochs": 1}), Stage(20, {"epochs": 10})]
    searches = coarse_to_fine({"lr": loguniform(1e-6, 1e2)}, _valley, stages, seed=seed,
                              executor=serial)  # fmt: skip
    outside = random_search(
        {"lr": loguniform(1e-6, 1e-4)}, _valley, 20, seed=seed, settings={"epochs": 10},
        executor=serial,
    )  # fmt: skip
    inside = searches[1]
    figure = Figure("two stages of a search", "learning rate", "score", (), "log")
    for name, found in zip(("coarse", "fine"), searches, strict=True):
        figure = figure.add(name, [t.params["lr"] for t in found.trials],
                            [t.score for t in found.trials], style="points")  # fmt: skip
    checks = [
        Check("√n sup|F − u| of log10 of the draws", kolmogorov_smirnov((logs + 6.0) / 6.0),
              at_most(1.628)),
        Check("decades from the best rate to the optimum",
              abs(math.log10(inside.best.params["lr"]) + 2.0), at_most(0.2)),
        Check("warnings for an optimum outside of the range", len(outside.edges), equals(1)),
        Check("warnings for an optimum inside", len(searches[0].edges), equals(0)),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)
