"""Running claims: each by itself, in order, on any executor, whatever some of them do."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from tinygrad_lecture import experiments
from tinygrad_lecture.experiments import (
    Check,
    Outcome,
    Result,
    below,
    claim,
    no_claim,
    registry,
    run_claims,
)


def scratch_good(*, quick: bool = False, seed: int = 0) -> Outcome:
    return Outcome([Check("seed", seed + quick, below(10.0))])


def scratch_bad(*, quick: bool = False, seed: int = 0) -> Outcome:
    return Outcome([Check("seed", seed, below(0.0))])


def scratch_raises(*, quick: bool = False, seed: int = 0) -> Outcome:
    raise ValueError("no data\nno fun")


def scratch_dies(*, quick: bool = False, seed: int = 0) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


NAMES = ["L98", "scratch_good", "scratch_bad", "scratch_raises"]


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_CLAIMS", {})
    for i, experiment in enumerate((scratch_good, scratch_bad, scratch_raises, scratch_dies)):
        claim(f"L{90 + i}", experiment.__name__)(experiment)
    no_claim("L98", "nothing", reason="no number")


def check(results: list[Result]) -> None:
    assert [(r.claim.id, r.verdict, r.ok) for r in results] == [
        ("L90", "holds", True),
        ("L91", "fails", False),
        ("L92", "error", False),
        ("L98", "no claim", True),
    ]
    assert results[0].outcome is not None
    assert results[0].outcome["seed"].measured == 8
    assert results[2].error == "ValueError: no data"
    assert "scratch_raises" in results[2].trace
    assert results[2].to_json() == {
        "id": "L92", "name": "scratch_raises", "claim": "scratch_raises", "verdict": "error",
        "checks": [], "notes": [], "reason": "", "error": "ValueError: no data",
        "seconds": results[2].to_json()["seconds"],
    }  # fmt: skip


def test_one_that_raises_fails_alone() -> None:
    seen: list[str] = []
    check(run_claims(NAMES, quick=True, seed=7, tick=lambda r: seen.append(r.claim.id)))
    assert seen == ["L90", "L91", "L92", "L98"]


def test_threads_and_processes_give_the_same() -> None:
    with ThreadPoolExecutor(2) as threads:
        check(run_claims(NAMES, quick=True, seed=7, executor=threads))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        check(run_claims(NAMES, quick=True, seed=7, executor=processes))


def test_a_claim_that_kills_its_worker_fails_alone() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        results = run_claims(["scratch_dies", *NAMES], quick=True, seed=7, executor=processes)
    dead = results.pop(3)
    assert (dead.claim.id, dead.verdict) == ("L93", "error")
    assert dead.error.startswith("BrokenProcessPool: ")
    check(results)


def test_time_is_measured() -> None:
    @claim("L95", "busy")
    def scratch_busy(*, quick: bool = False, seed: int = 0) -> Outcome:
        return Outcome([Check("sum", sum(range(10**6)), below(1e12))])

    (result,) = experiments.run_claims(["scratch_busy"])
    assert 0.0 < result.seconds < 10.0
    assert result.to_json()["seconds"] == round(result.seconds, 3)
