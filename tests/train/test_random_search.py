"""Random search: distributions, reproducibility, journals, stages, edges."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_functions import bowl, noisy_bowl

from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import SerialExecutor, TrialError
from tinygrad_lecture.train.search import (
    Range,
    Search,
    Stage,
    Tried,
    choice,
    coarse_to_fine,
    edge_warning,
    integers,
    loguniform,
    random_search,
    uniform,
)

HERE = SerialExecutor()
SPACE = {"lr": loguniform(1e-5, 1e-1), "width": integers(4, 64, log=True)}


def kolmogorov(values: Any) -> float:
    """p-value of the Kolmogorov-Smirnov test against U(0, 1), asymptotically."""
    u, n = np.sort(values), len(values)
    ranks = np.arange(n + 1) / n
    d = max(np.max(ranks[1:] - u), np.max(u - ranks[:-1]))
    x = (np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n)) * d
    return float(2 * sum((-1) ** (k - 1) * math.exp(-2 * k**2 * x**2) for k in range(1, 101)))


@pytest.mark.parametrize("part", [uniform(-2, 5), loguniform(1e-6, 1e2)])
def test_draws_are_uniform_on_their_scale(part: Range) -> None:
    """The claim of L64: log10 of the draws is uniform."""
    rng = np.random.default_rng(0)
    draws = [part.sample(rng) for _ in range(5000)]

    assert kolmogorov([part.share(x) for x in draws]) > 0.01
    assert min(draws) >= part.low
    assert max(draws) <= part.high
    skewed = np.square([part.share(x) for x in draws])
    assert kolmogorov(skewed) < 1e-6  # the test can tell


def test_integers_are_drawn_by_the_lengths_of_their_intervals() -> None:
    rng = np.random.default_rng(1)
    plain = np.bincount([int(integers(0, 4).sample(rng)) for _ in range(10_000)])
    log = np.bincount([int(integers(1, 7, log=True).sample(rng)) for _ in range(10_000)])

    assert plain / 10_000 == pytest.approx(np.full(5, 0.2), abs=0.015)
    assert log[1:] / 10_000 == pytest.approx(
        [math.log((k + 1) / k) / math.log(8) for k in range(1, 8)], abs=0.015
    )


@given(low=st.floats(1e-6, 1e3), factor=st.floats(1.001, 1e6), share=st.floats(0, 1))
def test_share_is_the_inverse_of_at(low: float, factor: float, share: float) -> None:
    for part in (uniform(low, low * factor), loguniform(low, low * factor)):
        assert part.low <= part.at(share) <= part.high
        assert part.share(part.at(share)) == pytest.approx(share, abs=1e-6)


def test_trials_are_reproducible_independent_of_their_number_and_of_the_workers() -> None:
    here = random_search(SPACE, noisy_bowl, 6, seed=4, executor=HERE)

    assert random_search(SPACE, noisy_bowl, 6, seed=4, workers=2) == here
    assert random_search(SPACE, noisy_bowl, 3, seed=4, executor=HERE).trials == here.trials[:3]
    assert random_search(SPACE, noisy_bowl, 6, seed=5, executor=HERE) != here
    assert len({trial.score for trial in here.trials}) == 6


def test_best_is_the_smallest_or_the_largest_finite_score() -> None:
    def trial(number: int, score: float) -> Tried:
        return Tried(number, {"x": 0.5}, score)

    scores = [math.nan, 2.0, -math.inf, 1.0, 3.0, 1.0, math.inf]
    trials = tuple(trial(i, score) for i, score in enumerate(scores))
    space = {"x": uniform(0, 1)}

    assert [t.number for t in Search(space, "min", trials).ranked] == [3, 5, 1, 4]
    assert Search(space, "max", trials).best.number == 4
    with pytest.raises(UsageError, match="none of the 1 trials gave a finite score"):
        _ = Search(space, "min", trials[:1]).best


def breaks_down(params: dict[str, Any], rng: Any) -> float:
    if params["lr"] > 1e-3:
        raise FloatingPointError("the loss is nan")
    return bowl(params, rng)


def test_a_trial_that_breaks_down_is_kept_with_its_reason_and_never_best() -> None:
    search = random_search(SPACE, breaks_down, 20, executor=HERE)
    broken = [trial for trial in search.trials if trial.error]

    assert 0 < len(broken) < 20
    assert all(trial.params["lr"] > 1e-3 and math.isnan(trial.score) for trial in broken)
    assert broken[0].error == "FloatingPointError: the loss is nan"
    assert search.best.params["lr"] <= 1e-3
    assert f"20 trials, {len(broken)} of them broke down" in str(search)
    only = random_search({"lr": uniform(1, 2)}, breaks_down, 3, executor=HERE)
    with pytest.raises(UsageError, match=r"none of the 3 .*: FloatingPointError: the loss is nan"):
        _ = only.best
    assert str(only) == "3 trials, 3 of them broke down"


def test_another_error_of_a_trial_is_not_hidden() -> None:
    with pytest.raises(TrialError, match="trial 0 raised KeyError: 'momentum'"):
        random_search(SPACE, lambda params, rng: params["momentum"], 3, executor=HERE)
    with pytest.raises(TrialError, match=r"UsageError: a trial must return one number .* got \[1"):
        random_search(SPACE, lambda params, rng: [1, 2], 3, executor=HERE)  # type: ignore[arg-type,return-value]


def test_a_best_value_at_the_end_of_its_range_is_told() -> None:
    """The claim of L64: an optimum outside of the range is noticed, one inside is let be."""
    outside = {"lr": loguniform(1e-9, 1e-3), "width": integers(4, 64, log=True)}
    told = [random_search(outside, bowl, 40, seed=seed, executor=HERE).edges for seed in range(10)]

    assert all("best lr" in e[0] and "upper end of [1e-09, 0.001] (log): w" in e[0] for e in told)
    inside = {"lr": loguniform(1e-4, 1.0), "width": integers(4, 64, log=True)}
    told = [random_search(inside, bowl, 40, seed=seed, executor=HERE).edges for seed in range(10)]
    assert told == [[]] * 10


def test_two_trials_say_nothing_about_edges() -> None:
    x = {"x": uniform(0, 10)}
    trials = tuple(Tried(i, {"x": 9.9 - i / 10}, float(i)) for i in range(3))

    assert Search(x, "min", trials[:2]).edges == []
    assert len(Search(x, "min", trials).edges) == 1


def test_edges_by_hand() -> None:
    space = {
        "a": uniform(0, 10),
        "b": integers(1, 3),
        "c": choice("x", "y"),
        "d": loguniform(1, 1e4),
    }

    assert edge_warning(space, {"a": 5.0, "b": 2, "c": "x", "d": 100.0}) == []
    assert edge_warning(space, {"a": 0.9, "b": 3, "c": "y", "d": 2.4}, margin=0.1) == [
        "the best a, 0.9, lies at the lower end of [0, 10]: widen that range",
        "the best b, 3, lies at the upper end of [1, 3]: widen that range",
        "the best d, 2.4, lies at the lower end of [1, 1e+04] (log): widen that range",
    ]
    assert edge_warning(space, {"a": 0.9, "b": 2, "c": "y", "d": 2.6}, margin=0.05) == []
    a, upper = {"a": uniform(0, 10)}, ({"a": 9.0}, {"a": 7.1})
    assert len(edge_warning(a, *upper)) == 1
    assert edge_warning(a, *upper, {"a": 6.9}) == edge_warning(a, *upper, {"a": 0.1}) == []


def test_stages_close_in_on_the_optimum_with_the_settings_of_each() -> None:
    seen: list[tuple[int, float]] = []

    def score(params: dict[str, Any], rng: np.random.Generator) -> float:
        seen.append((params["epochs"], params["lr"]))
        return noisy_bowl(params, rng)

    stages = [Stage(30, {"epochs": 1}), Stage(15, {"epochs": 4}), Stage(10, {"epochs": 9})]
    space = {"lr": loguniform(1e-8, 1e2), "width": integers(4, 64, log=True)}
    searches = coarse_to_fine(space, score, stages, seed=2, executor=HERE)
    widths = []

    assert [epochs for epochs, _ in seen] == [1] * 30 + [4] * 15 + [9] * 10
    for search in searches:
        lr = search.space["lr"]
        assert isinstance(lr, Range)
        assert lr.low < 1e-2 < lr.high  # the optimum is never cut off
        widths.append(math.log10(lr.high / lr.low))
    assert widths[0] > widths[1] > widths[2]
    assert abs(math.log10(searches[-1].best.params["lr"]) + 2) < 0.5  # of 10 decades
    assert searches[0].trials[0].params["lr"] != searches[1].trials[0].params["lr"]


def test_narrowing_keeps_the_best_part_and_stays_inside() -> None:
    def search(space: dict[str, Any], *values: dict[str, Any]) -> Search:
        return Search(space, "min", tuple(Tried(i, v, float(i)) for i, v in enumerate(values)))

    x = {"x": uniform(0, 10)}
    found = search(x, *({"x": v} for v in (4.0, 5.0, 6.0, 0.1, 9.9)))
    assert found.narrowed() == {"x": uniform(2, 8)}  # a fifth of the range on both sides
    assert found.narrowed(keep=1) == {"x": uniform(0, 10)}
    n = {"n": integers(1, 8), "c": choice("a", "b", "c")}
    found = search(n, *({"n": v, "c": c} for v, c in ((8, "c"), (8, "a"), (8, "c"), (1, "b"))))
    assert found.narrowed() == {"n": integers(7, 8), "c": choice("a", "c")}
    with pytest.raises(UsageError, match="keep must be a share"):
        found.narrowed(keep=0)


def test_a_search_that_was_stopped_goes_on_from_its_journal(tmp_path: Path) -> None:
    path, calls = tmp_path / "search.jsonl", [0]

    def score(params: dict[str, Any], rng: np.random.Generator) -> float:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        return noisy_bowl(params, rng) if calls[0] != 2 else math.nan

    options: dict[str, Any] = {"seed": 3, "executor": HERE, "journal": path}
    space = {
        **SPACE,
        "act": choice("relu", math.tanh),
    }  # what JSON does not have is written as text
    with pytest.raises(KeyboardInterrupt):
        random_search(space, score, 6, **options)
    assert len(path.read_text().splitlines()) == 3
    path.write_text(path.read_text() + '{"trial": 3, "par')  # a line that a crash cut off
    told: list[int] = []
    search = random_search(space, score, 6, tick=lambda t: told.append(t.number), **options)

    assert calls[0] == 4 + 3
    assert told == list(range(6))
    assert math.isnan(search.trials[1].score)
    fresh = random_search(space, noisy_bowl, 6, seed=3, executor=HERE)
    assert [t for i, t in enumerate(search.trials) if i != 1] == [
        t for i, t in enumerate(fresh.trials) if i != 1
    ]
    assert [json.loads(line)["trial"] for line in path.read_text().splitlines()] == list(range(6))
    random_search(space, score, 8, **options)
    assert calls[0] == 7 + 2
    random_search(space, score, 2, **options)
    assert calls[0] == 9


def test_journals_of_another_search_or_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.jsonl"
    random_search(SPACE, bowl, 2, seed=3, executor=HERE, journal=path)
    with pytest.raises(UsageError, match="is the journal of another search: its trial 0 had"):
        random_search(SPACE, bowl, 2, seed=4, executor=HERE, journal=path)
    path.write_text("score,lr\n")
    with pytest.raises(UsageError, match="is not a journal of trials"):
        random_search(SPACE, bowl, 2, executor=HERE, journal=path)
    path.write_text("[1]\n")
    with pytest.raises(UsageError, match="line 1 is no JSON object"):
        random_search(SPACE, bowl, 2, executor=HERE, journal=path)
    with pytest.raises(UsageError, match=r"cannot write .*: No such file"):
        random_search(SPACE, bowl, 2, executor=HERE, journal=tmp_path / "no" / "search.jsonl")


def test_each_stage_has_its_journal(tmp_path: Path) -> None:
    stages = [Stage(5), Stage(4)]
    options: dict[str, Any] = {"executor": HERE, "journal": tmp_path / "log.jsonl"}
    searches = coarse_to_fine(SPACE, bowl, stages, **options)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["log-1.jsonl", "log-2.jsonl"]
    assert coarse_to_fine(SPACE, breaks_down, stages, **options) == searches  # nothing runs again


def test_bad_settings_are_refused() -> None:
    with pytest.raises(UsageError, match=r"low < high; got 1\.0 to 1\.0"):
        uniform(1, 1)
    with pytest.raises(UsageError, match=r"0 < low < high; got 0\.0 to 1\.0"):
        loguniform(0, 1)
    with pytest.raises(UsageError, match=r"integers needs integers as ends, got 0\.5 to 3"):
        integers(0.5, 3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least one option"):
        choice()
    with pytest.raises(UsageError, match=r"space\['lr'\] must be uniform\(…\).* got \(0, 1\)"):
        random_search({"lr": (0, 1)}, bowl, 1)  # type: ignore[dict-item]
    with pytest.raises(UsageError, match="at least 1 trial, got 0"):
        random_search(SPACE, bowl, 0)
    with pytest.raises(UsageError, match='mode is "min" or "max", got \'low\''):
        random_search(SPACE, bowl, 1, mode="low")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="needs stages"):
        coarse_to_fine(SPACE, bowl, [])
