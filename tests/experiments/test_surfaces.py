"""Rules on surfaces (L37): known counts, gradients, and the claim notices another rule."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tinygrad_lecture import experiments, optim
from tinygrad_lecture.experiments import surfaces
from tinygrad_lecture.gradcheck import gradcheck


def test_steps_count_until_the_goal_is_kept() -> None:
    columns = {
        3: [9, 9, 9, 1, 1], 4: [9, 1, 1, 9, 1], 5: [1, 1, 1, 1, 9], 0: [1, 1, 1, 1, 1],
        1: [np.nan, 1, 1, 1, 1],
    }  # fmt: skip
    heights = np.array(list(columns.values()), float).T
    assert surfaces._steps_below(heights, 2.0).tolist() == list(columns)


@pytest.mark.parametrize("place", surfaces.SURFACES)
def test_surfaces_have_the_least_value_0_and_checked_gradients(place: str) -> None:
    f = surfaces.SURFACES[place].f
    assert gradcheck(lambda w: f(w[0], w[1]), np.array([0.3, -0.7])).passed
    at = (1.0, 1.0) if place == "valley" else (0.0, 0.0)
    assert float(f(*at)) == 0.0
    around = np.random.default_rng(0).normal(at, 0.1, (100, 2))
    assert np.min(np.asarray(f(around[:, 0], around[:, 1]))) > 0.0


def test_counts_of_gradient_descent_are_those_of_its_formula() -> None:
    rates = np.array([1.0, 0.1, 3.0])
    heights, paths = surfaces._descend(surfaces.SURFACES["bowl"], optim.SGD, rates, 60, 1, 0)
    t = np.arange(61)[:, None]
    assert np.allclose(heights, 1.625 * (1.0 - rates) ** (2 * t), rtol=1e-9, atol=1e-12)
    assert np.allclose(paths[:, 1], (1.0 - rates[1]) ** t * np.array([-1.5, 1.0]))
    first = int(np.ceil(np.log(1e-3 / 1.625) / (2 * np.log(0.9))))
    assert surfaces._steps_below(heights, 1e-3).tolist() == [1, first, 61]


def test_the_noise_has_mean_zero_and_is_the_same_for_all_rates() -> None:
    noisy = surfaces.SURFACES["noisy bowl"]
    rates = np.array([0.01, 0.01])
    heights, _ = surfaces._descend(noisy, optim.SGD, rates, 1000, 200, 0)
    assert (heights[:, 0] == heights[:, 1]).all()
    floor = 0.01 / 2 * 0.09 * 9.0  # α s²/2 in each of two coordinates, halved by the ½ in f
    assert np.mean(heights[-100:]) == pytest.approx(floor, rel=0.1)


@pytest.mark.slow
def test_another_rule_is_noticed() -> None:
    outcome = experiments.no_rule_wins_everywhere(
        rules={"RMSProp": optim.SGD, "Rprop": partial(optim.SGD, momentum=0.5)}, quick=True
    )
    failed = {check.name.split(":")[0] for check in outcome.checks if not check.holds}
    assert {"RMSProp, noisy ravine", "Rprop, ravine"} <= failed
    assert outcome.data["steps"]["noisy ravine"]["RMSProp"] == outcome.data["most"] + 1
