"""Large arguments: random directions, and bisection to the guilty coordinate.

One slope along a random direction tests all coordinates of an argument at once.  Each weighs
±(0.5 to 1) of its own size, so that neither signs nor sizes cancel by chance, and the tolerance is
that of one typical coordinate.  If the slope is wrong, so is it along one half of the coordinates
at least; halving again and again ends at a single coordinate after log2(n) comparisons.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from .inspector import Inspector
from .numeric import Array
from .report import Coordinate
from .verdicts import Verdict

_DIRECTIONS = 2
_CULPRITS = 4
_BUDGET = 160


@dataclass
class Guilt:
    """What directions told about an argument.

    Attributes
    ----------
    verdict : Verdict
        Of the directions.
    directions : int
        How many were compared.
    found : list of (int, Coordinate)
        Coordinates that bisection found to be wrong.
    remarks : list of str
        What is left open.
    """

    verdict: Verdict
    directions: int = 0
    found: list[tuple[int, Coordinate]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def compare_directions(inspector: Inspector, k: int, rng: np.random.Generator) -> Guilt:
    """Compare slopes along random directions of argument k; search for who is wrong."""
    guilt = Guilt(Verdict.PASS)
    if not np.all(np.isfinite(inspector.gradient[k])):
        return guilt
    for _ in range(_DIRECTIONS):
        weights = draw_direction(inspector, k, rng)
        verdict, _gap, measured = inspector.direction(k, weights)
        guilt.directions += 1
        if verdict is Verdict.WRONG:
            guilt.verdict = verdict
            guilt.found = bisect(inspector, k, weights)
            if not guilt.found:
                guilt.remarks.append(
                    f"a random direction has the slope {measured.value:.6g}, which the gradient "
                    "does not give; no single coordinate was found guilty"
                )
            return guilt
        if verdict is Verdict.KINK:
            guilt.remarks.append("a random direction meets a kink, and tells little")
        elif verdict is Verdict.NOISE:
            guilt.remarks.append(
                "a random direction is too noisy to show one wrong coordinate among all"
            )
    guilt.remarks = list(dict.fromkeys(guilt.remarks))
    return guilt


def draw_direction(inspector: Inspector, k: int, rng: np.random.Generator) -> Array:
    """Draw a direction: each coordinate by about its own size, tiny ones by more."""
    shape = inspector.point[k].shape
    scales = inspector.scales[k]
    sizes = np.maximum(scales, np.median(scales) / 8).reshape(shape)
    signs: Array = rng.choice(np.array([-1.0, 1.0]), shape)
    weights: Array = signs * rng.uniform(0.5, 1.0, shape) * sizes
    return weights


def bisect(inspector: Inspector, k: int, weights: Array) -> list[tuple[int, Coordinate]]:
    """Return coordinates that are wrong, the ones with the largest gaps first."""
    flat = weights.reshape(-1)
    found: list[tuple[int, Coordinate]] = []
    heap: list[tuple[float, int, int]] = [(0.0, 0, flat.size)]
    spent = 0
    while heap and len(found) < _CULPRITS and spent < _BUDGET:
        _, start, stop = heapq.heappop(heap)
        if stop - start == 1:
            c = inspector.coordinate(k, start)
            if c.verdict is Verdict.WRONG:
                found.append((start, c))
            continue
        middle = (start + stop) // 2
        for low, high in ((start, middle), (middle, stop)):
            part = np.zeros(flat.size)
            part[low:high] = flat[low:high]
            verdict, gap, _ = inspector.direction(k, part.reshape(weights.shape))
            spent += 1
            if verdict is Verdict.WRONG:
                heapq.heappush(heap, (-gap, low, high))
    return found
