"""run_trials: the same results wherever they run, whatever dies meanwhile."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trial_functions import die_at_first, draw, fail_from_two, give_a_value, multiply, train_small

from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import (
    SerialExecutor,
    TrialError,
    WorkerDeathError,
    local_processes,
    run_trials,
)


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """Dask's executor on a local cluster that gives a task up when its worker dies once."""
    distributed = pytest.importorskip("distributed")
    import dask as core

    options = {"distributed.scheduler.allowed-failures": 0, "logging.distributed": "critical"}
    with (
        core.config.set(options),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


def expected(scales: list[float], seed: int) -> list[float]:
    return [
        s * np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,))).random()
        for i, s in enumerate(scales)
    ]


SCALES = [5.0, 3.0, 1.0, 4.0, 2.0]


@pytest.mark.parametrize("executor", [SerialExecutor(), ThreadPoolExecutor(3)])
def test_each_trial_has_its_own_seed_here(executor: Executor) -> None:
    assert run_trials(draw, SCALES, seed=7, executor=executor) == expected(SCALES, 7)


def test_each_trial_has_its_own_seed_in_processes(processes: ProcessPoolExecutor) -> None:
    assert run_trials(draw, SCALES, seed=7, executor=processes) == expected(SCALES, 7)


@pytest.mark.parametrize("workers", [1, 3])
def test_local_processes_are_the_default_and_their_number_changes_nothing(workers: int) -> None:
    assert run_trials(draw, SCALES, seed=7, workers=workers) == expected(SCALES, 7)


def test_each_trial_has_its_own_seed_on_dask(dask: Executor) -> None:
    assert run_trials(draw, SCALES, seed=7, executor=dask) == expected(SCALES, 7)


def weights(executor: Executor, compile: bool = True) -> list[bytes]:
    function = partial(train_small, compile=compile)
    states = run_trials(function, [4, 8, 4], seed=3, executor=executor)
    return [b"".join(array.tobytes() for array in state.values()) for state in states]


def test_trained_weights_are_the_same_bits_everywhere(processes: ProcessPoolExecutor) -> None:
    here = weights(SerialExecutor())

    assert len(set(here)) == 3
    assert weights(processes) == here


def test_large_products_are_the_same_bits_with_any_number_of_threads(
    processes: ProcessPoolExecutor,
) -> None:
    here = run_trials(multiply, [333, 256], executor=SerialExecutor())

    assert run_trials(multiply, [333, 256], executor=processes) == here
    assert run_trials(multiply, [333, 256], executor=ThreadPoolExecutor(2)) == here
    assert run_trials(multiply, [333, 256], workers=1) == here


def test_trained_weights_are_the_same_bits_on_dask(dask: Executor) -> None:
    # Not compiled: other threads of Dask's workers draw from `random`, which a recording takes for
    # a draw of the function.
    assert weights(dask, compile=False) == weights(SerialExecutor(), compile=False)


def test_more_trials_leave_the_first_ones_as_they_are() -> None:
    def run(n: int, seed: Any) -> list[float]:
        return run_trials(draw, [1.0] * n, seed=seed, executor=SerialExecutor())

    assert run(5, 0)[:2] == run(2, 0)
    assert run(2, (0, 1)) != run(2, 0) != run(2, 1)
    assert run(0, 0) == []


def test_ticks_tell_of_each_trial_once(processes: ProcessPoolExecutor) -> None:
    told: dict[int, float] = {}
    results = run_trials(draw, SCALES, executor=processes, tick=told.__setitem__)

    assert [told[number] for number in range(5)] == results


def runs(path: Path) -> int:
    return path.stat().st_size


def test_a_trial_whose_worker_was_killed_runs_again(tmp_path: Path) -> None:
    files = [(str(tmp_path / str(i)), 2 if i == 1 else 0) for i in range(4)]
    results = run_trials(die_at_first, files, seed=1, workers=2, retries=2)

    assert results == expected([1.0] * 4, 1)
    assert runs(tmp_path / "1") == 3  # killed twice
    assert all(runs(tmp_path / str(i)) <= 2 for i in (0, 2, 3))


def test_a_trial_that_always_kills_its_worker_is_named_and_given_up(tmp_path: Path) -> None:
    files = [(str(tmp_path / str(i)), 99 if i == 2 else 0) for i in range(4)]

    with pytest.raises(WorkerDeathError, match=r"under trial 2 \(\('.*/2', 99\)\) died 2 times"):
        run_trials(die_at_first, files, workers=2, retries=1)
    assert runs(tmp_path / "2") == 2


def test_without_retries_one_death_is_the_end(tmp_path: Path) -> None:
    with pytest.raises(WorkerDeathError, match=r"died 1 times .* and retries=0; no trial has fin"):
        run_trials(die_at_first, [(str(tmp_path / "0"), 1)], workers=1, retries=0)
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
        pytest.raises(WorkerDeathError, match=r"a worker of ProcessPoolExecutor died .* 1 trials"),
    ):
        run_trials(die_at_first, [(str(tmp_path / "1"), 1)], executor=pool, retries=0)


def test_a_pool_that_breaks_is_replaced(tmp_path: Path) -> None:
    files = [(str(tmp_path / str(i)), 1 if i == 1 else 0) for i in range(4)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        results = run_trials(die_at_first, files, seed=1, executor=pool, workers=1)

        with pytest.raises(concurrent.futures.BrokenExecutor):
            pool.submit(int)
    assert results == expected([1.0] * 4, 1)


def test_a_killed_worker_of_dask_is_survived(dask: Executor, tmp_path: Path) -> None:
    files = [(str(tmp_path / str(i)), 1 if i == 1 else 0) for i in range(4)]

    assert run_trials(die_at_first, files, seed=1, executor=dask) == expected([1.0] * 4, 1)
    assert runs(tmp_path / "1") == 2
    with pytest.raises(WorkerDeathError, match=r"under trial 0 .* died 2 times"):
        run_trials(die_at_first, [(str(tmp_path / "x"), 99)], executor=dask, retries=1)
    assert runs(tmp_path / "x") == 2


@pytest.mark.parametrize("pool", [SerialExecutor(), ThreadPoolExecutor(4), None])
def test_the_first_trial_that_raises_is_told_wherever_it_ran(pool: Executor | None) -> None:
    with pytest.raises(TrialError, match="trial 2 raised LookupError: nothing for 2") as caught:
        run_trials(fail_from_two, range(6), executor=pool, workers=2)
    assert (caught.value.number, caught.value.kind) == (2, "LookupError")
    assert "in fail_from_two" in caught.value.__notes__[0]


def test_an_executor_that_runs_at_once_stops_at_the_failure() -> None:
    seen: list[int] = []

    def note(number: int, rng: np.random.Generator) -> int:
        seen.append(number)
        return fail_from_two(number, rng)

    with contextlib.suppress(TrialError):
        run_trials(note, range(6), executor=SerialExecutor())
    assert seen == [0, 1, 2]


def test_results_that_cannot_travel_are_told() -> None:
    with pytest.raises(TrialError, match="trial 0 raised TypeError: a Value is not pickled"):
        run_trials(give_a_value, [0], workers=1)


def test_functions_that_cannot_travel_are_refused_at_once(processes: ProcessPoolExecutor) -> None:
    for executor in (None, processes):
        with pytest.raises(UsageError, match=r"cannot be sent .* executor=SerialExecutor\(\)"):
            run_trials(lambda number, rng: number, [1], executor=executor)


PROMPT = """
from tinygrad_lecture.train import run_trials
from tinygrad_lecture.errors import UsageError
def f(number, rng):
    return number
try:
    run_trials(f, [1])
except UsageError as error:
    print(error)
"""


def test_functions_of_the_prompt_are_refused_and_scripts_without_guard_advised(
    tmp_path: Path,
) -> None:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=False, timeout=120
        )

    assert "was defined at the prompt or in a notebook" in run("-c", PROMPT).stdout
    script = tmp_path / "script.py"
    script.write_text(PROMPT.replace("run_trials(f, [1])", "run_trials(f, [1], retries=0)"))
    assert 'does the script start its work under `if __name__ == "__main__":`?' in (
        run(str(script)).stderr
    )


SLEEPERS = """
import sys
from trial_functions import tell_pid_and_sleep
from tinygrad_lecture.train import run_trials
if __name__ == "__main__":
    run_trials(tell_pid_and_sleep, sys.argv[1:] * 2, workers=2)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_process_is_left_when_the_first_one_ends(tmp_path: Path, number: int) -> None:
    script, pids = tmp_path / "script.py", tmp_path / "pids"
    script.write_text(SLEEPERS)
    pids.mkdir()
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, str(script), str(pids)],
        start_new_session=True, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def wait_for(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)

    wait_for(lambda: len(list(pids.iterdir())) == 2)
    workers = [int(file.name) for file in pids.iterdir()]
    assert all(map(running, workers))
    if number == signal.SIGINT:  # Ctrl-C goes to all
        os.killpg(process.pid, number)
    else:
        process.kill()
    process.wait(60)
    wait_for(lambda: not any(map(running, workers)))


def running(pid: int) -> bool:
    """Tell whether a process is there and not a zombie that nobody has asked about yet."""
    try:
        os.kill(pid, 0)
        if not Path("/proc/self/stat").exists():
            return True
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_settings_out_of_their_range_are_refused() -> None:
    for options, message in [
        ({"seed": -1}, "seed must be an integer of at least 0, or several; got -1"),
        ({"seed": 0.5}, r"seed must be .* got 0\.5"),
        ({"seed": ()}, r"seed must be .* got \(\)"),
        ({"retries": -1}, "retries must be at least 0, got -1"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
    ]:
        with pytest.raises(UsageError, match=message):
            run_trials(draw, [1.0], **options)  # type: ignore[arg-type]


def test_each_local_process_has_one_thread_for_linear_algebra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with local_processes(1) as pool:
        assert pool.submit(os.getenv, "OPENBLAS_NUM_THREADS").result() == "1"
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "3"
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    assert os.environ["OMP_NUM_THREADS"] == "3"
