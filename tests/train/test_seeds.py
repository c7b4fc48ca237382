"""Error bars: Student's quantiles, intervals that cover the mean, results over seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ensemble_functions import final_loss

from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import SerialExecutor, error_bar, over_seeds
from tinygrad_lecture.train.seeds import student_cdf, student_quantile

# From tables of Student's t: degrees of freedom, P = 0.95, 0.975, 0.995.
TABLE = """
1 6.313752 12.706205 63.656741
2 2.919986 4.302653 9.924843
3 2.353363 3.182446 5.840909
4 2.131847 2.776445 4.604095
9 1.833113 2.262157 3.249836
10 1.812461 2.228139 3.169273
30 1.697261 2.042272 2.749996
120 1.657651 1.979930 2.617421
"""


@pytest.mark.parametrize("row", TABLE.split("\n")[1:-1])
def test_quantiles_are_those_of_the_tables(row: str) -> None:
    freedom, *quantiles = map(float, row.split())
    for p, quantile in zip((0.95, 0.975, 0.995), quantiles, strict=True):
        assert student_quantile(p, int(freedom)) == pytest.approx(quantile, rel=1e-6)
        assert student_cdf(quantile, int(freedom)) == pytest.approx(p, abs=1e-7)


def test_numbers_by_hand() -> None:
    bar = error_bar([1.0, 2.0, 3.0])

    assert (bar.mean, bar.std) == (2, 1)
    assert bar.half_width == pytest.approx(4.302653 / math.sqrt(3))
    assert (bar.low + bar.high) / 2 == pytest.approx(2)
    assert str(error_bar([1.0, 2.0, 3.0], 0.9)) == "2 ± 1.7 (90%, 3 seeds)"


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        bar = error_bar(rng.normal(5, 2, size=4).tolist(), 0.8)
        covered += bar.low <= 5 <= bar.high

    assert covered / 2000 == pytest.approx(0.8, abs=0.03)


def test_seeds_give_different_runs_that_do_not_depend_on_the_executor() -> None:
    here = over_seeds(final_loss, 3, seed=1, executor=SerialExecutor())

    assert over_seeds(final_loss, 3, seed=1, workers=2) == here
    assert len(set(here.values)) == 3


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match=r"two finite values or more, got \[1\.0\]"):
        error_bar([1.0])
    with pytest.raises(UsageError, match=r"two finite values or more, got \[1\.0, nan\]"):
        error_bar([1.0, math.nan])
    with pytest.raises(UsageError, match="confidence must be between 0 and 1, got 95"):
        error_bar([1.0, 2.0], 95)
    with pytest.raises(UsageError, match="at least 2 seeds, got n=1"):
        over_seeds(final_loss, 1)
