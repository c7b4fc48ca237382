"""Candidates of the compiled benchmarks: made lazily, checked against each other, then timed.

A workload lists its peers by name.  A peer whose package is not installed is skipped with a note.
Every candidate gets its data in its own kind of container (tensor, device array, NumPy array), and
training steps begin again from the initial state before each round: in long runs the momentum of
dead units decays to denormals, and every system slows down.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from harness import Step, Table, measure, threads

if threads() == 1 and hasattr(os, "sched_setaffinity"):
    # JAX knows none of the usual variables: it takes as many threads as there are cores to run on,
    # and twice the time where its helpers wake up on another one.  Before any peer is imported.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
os.environ.setdefault("JAX_PLATFORMS", "cpu")

COMPILER = ("tinygrad_lecture:compile",)  # what our compiled rows need

Numbers = list[Any]


def _stay() -> None:
    pass


@dataclass
class Candidate:
    """One system, ready to run.

    `step` takes the step that is timed.  `check` returns the arrays in which all systems have to
    agree: value and gradients, or, from the initial state, the losses of three steps and then the
    parameters.  `restart` brings back the initial state.
    """

    step: Step
    check: Callable[[], Numbers]
    restart: Callable[[], None] = _stay


@dataclass(frozen=True)
class Peer:
    """A candidate's maker and what it needs: packages, or "package:name" for a name in one.

    `builds` says that making it and its first step take time that is worth a column.
    """

    make: Callable[[], Candidate]
    needs: tuple[str, ...] = ()
    builds: bool = False

    def missing(self) -> str:
        """Import what is needed and return the first thing that is not there."""
        for need in self.needs:
            package, _, name = need.partition(":")
            try:
                module = importlib.import_module(package)
            except ImportError:
                return need
            if name and not hasattr(module, name):
                return need
        return ""


@dataclass(frozen=True)
class Workload:
    """One table: peers in order of their rows, and the hand-written one that all must agree with.

    `relative` bounds the difference of single numbers, `largest` the difference as a share of the
    largest number of their array.  If `rms` is given, that holds for the first array alone, the
    losses, and in the others it is the root of the mean square that is bounded, by `rms` of the
    largest number.  Float32 and Adam need that, since a gradient of rounding alone, or one sample
    on the other side of a ReLU, moves a parameter by the full rate: there `twins` are the same
    systems in float64, which have to agree exactly.

    A round takes about so many `seconds`, and `most` calls.  Rounds should be long, as a step of
    thousands of branches (CasADi's) takes hundreds of calls until the processor foresees them, but
    trainings short, for the denormals.
    """

    title: str
    peers: Mapping[str, Peer]
    reference: str
    relative: float = 1e-9
    largest: float = 1e-12
    rms: float = 0.0
    twins: Mapping[str, Callable[[], Candidate]] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    rounds: int = 9
    seconds: float = 0.1
    most: int = 20_000

    def calls(self, seconds: float) -> int:
        """Return how many calls make a round, for a step that takes so many seconds."""
        return max(1, min(self.most, int(self.seconds / seconds)))


def three_steps(candidate: Candidate, parameters: Callable[[], Numbers]) -> Callable[[], Numbers]:
    """Return the check of a training step: three losses, then the parameters."""

    def check() -> Numbers:
        candidate.restart()
        losses = [float(candidate.step()) for _ in range(3)]  # type: ignore[arg-type]
        found = [np.array(p) for p in parameters()]
        candidate.restart()
        return [np.array(losses), *found]

    return check


def training(
    step: Step, parameters: Callable[[], Numbers], restart: Callable[[], None]
) -> Candidate:
    """Return the candidate of a training step that returns its loss."""
    candidate = Candidate(step, list, restart)
    candidate.check = three_steps(candidate, parameters)
    return candidate


def agree(
    where: str, found: Numbers, wanted: Numbers, relative: float, largest: float, rms: float = 0.0
) -> None:
    """Leave with a message unless two candidates agree; see `Workload` for the bounds."""
    if len(found) != len(wanted):
        sys.exit(f"{where}: {len(found)} arrays came, and {len(wanted)} are needed")
    for i, (found_array, wanted_array) in enumerate(zip(found, wanted, strict=True)):
        a, b = np.asarray(found_array, float), np.asarray(wanted_array, float)
        if a.shape != b.shape:
            sys.exit(f"{where}: array {i} has shape {a.shape}, {b.shape} is needed")
        off, top = np.abs(a - b), np.max(np.abs(b))
        if rms and i:
            good = np.sqrt(np.mean(off * off)) <= rms * top
        else:
            good = np.all(off <= relative * np.abs(b) + largest * top)
        if not good:
            at = np.unravel_index(np.argmax(off), a.shape)
            sys.exit(
                f"{where}: array {i} differs, most at {tuple(map(int, at))}: {a[at]!r} came, and "
                f"{b[at]!r} is needed"
            )


def verify(workload: Workload, ready: Mapping[str, Candidate]) -> None:
    """Leave with a message unless all candidates agree with the one written by hand."""
    title, reference = workload.title, workload.reference
    wanted, bounds = ready[reference].check(), (workload.relative, workload.largest, workload.rms)
    for name, candidate in ready.items():
        where = f"{title}: {name} does not agree with {reference}"
        agree(where, candidate.check(), wanted, *bounds)
    exact: Numbers = workload.twins[reference]().check() if workload.twins else []
    for name in ready:
        if name in workload.twins:
            where = f"{title}: {name} does not agree with {reference} in float64"
            agree(where, workload.twins[name]().check(), exact, 1e-9, 1e-12)


def table(workload: Workload) -> Table:
    """Make all candidates, check that they agree, and time them."""
    ready: dict[str, Candidate] = {}
    builds: dict[str, float] = {}
    notes = []
    for name, peer in workload.peers.items():
        lacking = peer.missing()
        if lacking:
            notes.append(f"{name}: skipped, there is no {lacking.replace(':', '.')}")
            print(f"{workload.title}: {notes[-1]}", file=sys.stderr)
            continue
        start = time.perf_counter()
        ready[name] = peer.make()
        ready[name].step()
        if peer.builds:
            builds[name] = time.perf_counter() - start
    verify(workload, ready)
    gc.collect()
    gc.freeze()  # modules and compilers of the peers are not what the collector has to go through
    try:
        result = measure(
            workload.title,
            {name: candidate.step for name, candidate in ready.items()},
            rounds=workload.rounds,
            calls=workload.calls,
            limits=workload.limits,
            restarts={name: candidate.restart for name, candidate in ready.items()},
        )
    finally:
        gc.unfreeze()
    result.shares, result.notes = workload.shares, notes
    result.builds = {name: s - result.rows[name] / 1e3 for name, s in builds.items()}
    return result
