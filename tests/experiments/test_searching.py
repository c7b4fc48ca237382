"""Searches (L64): the test of uniformity, and claims that notice a search that is not random."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_lecture import experiments
from tinygrad_lecture.experiments.searching import kolmogorov_smirnov
from tinygrad_lecture.train import search
from tinygrad_lecture.train.space import Range


def test_the_statistic_by_hand() -> None:
    # F jumps to 1 at 0.9: the largest distance is 0.9, just before it.
    assert kolmogorov_smirnov(np.array([0.9])) == pytest.approx(0.9)
    assert kolmogorov_smirnov(np.array([0.5, 1.0])) == pytest.approx(0.5 * 2**0.5)


def test_the_statistic_rejects_one_percent_of_uniform_samples() -> None:
    rng = np.random.default_rng(0)
    rejected = np.mean([kolmogorov_smirnov(rng.random(500)) > 1.628 for _ in range(2000)])
    assert 0.004 < rejected < 0.016
    assert kolmogorov_smirnov(rng.random(500) ** 1.3) > 1.628


def test_draws_that_are_not_uniform_in_the_logarithm_are_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        Range, "sample", lambda self, rng: self.low + (self.high - self.low) * rng.random()
    )
    outcome = experiments.coarse_to_fine_search(quick=True)
    assert outcome["√n sup|F − u| of log10 of the draws"].verdict == "fails"


def test_draws_of_one_number_do_not_beat_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Range, "sample", lambda self, rng: self.at(0.5))
    outcome = experiments.random_beats_grid(quick=True)
    assert outcome["share of searches that random draws win"].verdict == "fails"


def test_no_warning_without_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "edge_warning", lambda *a: [])
    outcome = experiments.coarse_to_fine_search(quick=True)
    assert outcome["warnings for an optimum outside of the range"].verdict == "fails"
