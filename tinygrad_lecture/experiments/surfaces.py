"""Six rules on seven surfaces: where each of them wins, and where it loses (L37)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn, optim
from ..data.seeding import generator
from ..engine import exp, square, stack, sum
from .figure import Figure
from .outcome import Check, Outcome, at_least, at_most
from .registry import claim
from .training import MakeOptimizer, training_step

__all__ = ["no_rule_wins_everywhere"]

Floats = NDArray[np.float64]

RULES: dict[str, MakeOptimizer] = {
    "gradient descent": optim.SGD,
    "momentum": partial(optim.SGD, momentum=0.9),
    "Nesterov": partial(optim.SGD, momentum=0.9, nesterov=True),
    "Rprop": optim.Rprop,
    "RMSProp": partial(optim.RMSprop, alpha=0.9),
    "Adam": optim.Adam,
}


def _bowl(x: Any, y: Any) -> Any:
    return 0.5 * (square(x) + square(y))


def _ravine(x: Any, y: Any, steep: float = 300.0) -> Any:
    return 0.5 * (square(x) + steep * square(y))


def _turned(x: Any, y: Any) -> Any:
    half = np.sqrt(0.5)
    return _ravine(half * (x + y), half * (y - x))


def _plain(x: Any, y: Any) -> Any:
    return 1.0 - exp(-_bowl(x, y))


def _valley(x: Any, y: Any) -> Any:
    return square(1.0 - x) + 20.0 * square(y - square(x))


@dataclass(frozen=True)
class Landscape:
    """A function of two variables, and what a descent on it is like.

    Attributes
    ----------
    f : callable
        ``f(x, y)``, with the least value 0.
    start : (float, float)
    goal : float
        What f has to be below, and to stay below.
    noise : (float, float)
        Size of what is added to ∂f/∂x and ∂f/∂y: nine times in ten 0.1 of it, else −0.9.
    """

    f: Callable[[Any, Any], Any]
    start: tuple[float, float]
    goal: float = 1e-3
    noise: tuple[float, float] = (0.0, 0.0)


SURFACES: dict[str, Landscape] = {
    "bowl": Landscape(_bowl, (-1.5, 1.0)),
    "ravine": Landscape(_ravine, (-1.5, 1.0)),
    "turned ravine": Landscape(_turned, (-1.5, 0.6)),
    "plain": Landscape(_plain, (-3.4, 1.4)),
    "valley": Landscape(_valley, (-1.2, 1.0)),
    "noisy bowl": Landscape(_bowl, (-1.5, 1.0), 0.02, (3.0, 3.0)),
    # The gradient λ(x − ξ) of ½λ(x − ξ)², with λ = 1 and 100 and samples ξ about 0.
    "noisy ravine": Landscape(partial(_ravine, steep=100.0), (-1.5, 1.0), 0.1, (0.5, 50.0)),
}

WINS = {
    "gradient descent": "bowl", "momentum": "turned ravine", "Nesterov": "turned ravine",
    "Rprop": "ravine", "RMSProp": "noisy ravine", "Adam": "noisy ravine",
}  # fmt: skip
LOSES = {
    "gradient descent": "ravine", "momentum": "bowl", "Nesterov": "ravine",
    "Rprop": "noisy bowl", "RMSProp": "turned ravine", "Adam": "bowl",
}  # fmt: skip


@claim("L37", "no rule wins everywhere: each has surfaces where it is fast, and others where not")
def no_rule_wins_everywhere(
    *,
    rules: Mapping[str, MakeOptimizer] | None = None,
    steps: int = 700,
    chains: int = 40,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Count the steps of six rules to the minima of seven surfaces, each rule at its best α.

    α is the best of 15 for each rule and surface, from 0.001 to 3.2 in quarters of a decade. The
    surfaces: a bowl, a ravine along an axis (curvatures 1 and 300), the same turned by 45°, a well
    in a plain, a curved valley (Rosenbrock's), a bowl and a ravine with gradients of mini-batches.

    Parameters
    ----------
    rules : mapping of str to callable, optional
        Other rules in the place of some: ``rule(params, lr=α)``.
    steps : int
        Steps after which to give up.
    chains : int
        Independent runs on the noisy surfaces; their mean counts.
    quick, seed
        Half of the chains, α in half decades, and only the surfaces with a bound; seed of the
        noise.

    Returns
    -------
    Outcome
        Figure: steps over those of the fastest rule. ``data["steps"]`` has the counts by surface
        and rule (more than ``data["most"]``: never), ``data["rates"]`` the α, ``data["figures"]``
        the paths over each surface.
    """
    chosen = RULES | dict(rules or {})
    chains = chains // 2 if quick else chains
    rates = 10.0 ** np.arange(-3.0, 0.51, 0.5 if quick else 0.25)
    needed = {*WINS.values(), *LOSES.values()}
    counts: dict[str, dict[str, int]] = {}
    best_rates: dict[str, dict[str, float]] = {}
    figures: dict[str, Figure] = {}
    for place, surface in SURFACES.items():
        if quick and place not in needed:
            continue
        counts[place], best_rates[place] = {}, {}
        figures[place] = _picture(place, surface)
        for name, rule in chosen.items():
            heights, paths = _descend(surface, rule, rates, steps, chains, seed)
            arrived = _steps_below(heights, surface.goal)
            late = np.mean(heights[-steps // 10 :], axis=0)  # decides where none arrives
            best = int(np.lexsort((np.nan_to_num(late, nan=np.inf), arrived))[0])
            counts[place][name], best_rates[place][name] = int(arrived[best]), float(rates[best])
            way = paths[: min(int(arrived[best]), 150) + 1, best]
            figures[place] = figures[place].add(name, *way.T)
    slower = {
        place: {name: count / min(of.values()) for name, count in of.items()}
        for place, of in counts.items()
    }
    checks = []
    for name in RULES:
        for place, bound in ((WINS[name], at_most(2.0)), (LOSES[name], at_least(2.0))):
            text = f"{name}, {place}: steps over those of the fastest"
            checks.append(Check(text, slower[place][name], bound))
    numbered = ", ".join(f"{k} {place}" for k, place in enumerate(counts, 1))
    figure = Figure("steps over those of the fastest rule", numbered, "ratio", y_scale="log")
    for name in RULES:
        ratios = [of[name] for of in slower.values()]
        figure = figure.add(name, np.arange(1, len(ratios) + 1), ratios, style="points")
    return Outcome(
        checks,
        notes=(f"rules that do not arrive count with {steps + 1} steps",),
        figure=figure,
        data={"most": steps, "steps": counts, "rates": best_rates, "figures": figures},
    )


def _descend(
    surface: Landscape,
    rule: MakeOptimizer,
    rates: Floats,
    steps: int,
    chains: int,
    seed: int,
) -> tuple[Floats, Floats]:
    """Return mean heights (steps + 1, rates) and first paths (steps + 1, rates, 2)."""
    chains = chains if any(surface.noise) else 1
    starts = np.tile(np.array(surface.start), (chains, 1))
    points = [nn.Parameter(starts) for _ in rates]
    groups = [{"params": [p], "lr": float(lr)} for p, lr in zip(points, rates, strict=True)]

    def loss(tilt: Any) -> Any:
        w = stack(points)
        return sum(surface.f(w[..., 0], w[..., 1])) + sum(w * tilt)  # the tilt is the noise

    step = training_step(rule(groups, lr=0.1), loss)
    rng = generator(seed)
    heights, paths = [], []
    with np.errstate(all="ignore"):  # rates that are too high end with inf and nan
        for t in range(steps + 1):
            if t:
                spikes = np.where(rng.random((1, chains, 2)) < 0.1, -0.9, 0.1)
                step(np.repeat(np.array(surface.noise) * spikes, len(rates), axis=0))
            w = np.stack([p.data for p in points])
            heights.append(np.mean(np.asarray(surface.f(w[..., 0], w[..., 1])), axis=1))
            paths.append(w[:, 0])
    return np.array(heights), np.array(paths)


def _steps_below(heights: Floats, goal: float) -> NDArray[np.int64]:
    """Return after how many steps each column is below the goal and stays there."""
    above = ~(heights < goal)  # nan is above
    last = len(above) - 1 - np.argmax(above[::-1], axis=0)
    return np.where(above.any(axis=0), last + 1, 0)


def _picture(place: str, surface: Landscape) -> Figure:
    """Return the surface as a figure, for paths to be added."""
    wide = 1.25 * max(map(abs, surface.start))
    x, y = np.linspace(-wide, wide, 49), np.linspace(-0.75 * wide, 0.75 * wide, 49)
    z = np.asarray(surface.f(*np.meshgrid(x, y)))
    scale: Any = "linear" if place == "plain" else "log"
    figure = Figure(place, "x", "y")
    return figure.add_surface("f", x, y, np.maximum(z, 1e-4) if scale == "log" else z, scale=scale)
