"""A chain z = z·x + y, 50,000 times (100,000 ops): gradient for x, y and the first z."""

from __future__ import annotations

from typing import Any

from candidates import COMPILER, Candidate, Peer, Workload
from harness import OURS, without_collector
from scalar_programs import run_chain

import tinygrad_lecture as tg

LINKS = 50_000
START = (0.9999, 0.1, 1.0)  # an x that leaves adjoints to carry back to the first link


def ours() -> Candidate:
    """Compile value and gradients of three scalars."""
    step = tg.compile(
        tg.value_and_grad(lambda x, y, z: run_chain(x, y, z, LINKS), argnums=(0, 1, 2))
    )

    def check() -> list[Any]:
        value, grads = step(*START)
        return [value, list(grads)]

    return Candidate(lambda: step(*START), check)


def _recorded(kind: Any) -> Any:
    """Return record + backward of a class of scalars."""

    def step() -> tuple[float, list[float]]:
        x, y, first = (kind(v) for v in START)
        z = run_chain(x, y, first, LINKS)
        z.backward()
        return z.data, [x.grad, y.grad, first.grad]

    return step


def ours_eager() -> Candidate:
    """Record and sweep back with our engine."""
    step = _recorded(tg.Value)
    return Candidate(step, lambda: list(step()))


def micrograd_step(*, collector: bool) -> Candidate:
    """micrograd, as it is used, or with one collection per step."""
    from micrograd_peer import Micrograd

    step = _recorded(Micrograd)
    return Candidate(step if collector else without_collector(step), lambda: list(step()))


def by_hand() -> Candidate:
    """Two loops over floats in plain Python."""

    def step() -> tuple[float, list[float]]:
        x, y, z = START
        states: list[float] = []
        keep = states.append
        for _ in range(LINKS):
            keep(z)
            z = z * x + y
        d, gx, gy = 1.0, 0.0, 0.0
        for state in reversed(states):
            gx += d * state
            gy += d
            d *= x
        return z, [gx, gy, d]

    return Candidate(step, lambda: list(step()))


def workloads() -> list[Workload]:
    """Return the one table."""
    peers = {
        OURS: Peer(ours, COMPILER, builds=True),
        "python by hand, two loops": Peer(by_hand),
        f"{OURS}, eager": Peer(ours_eager),
        "micrograd": Peer(lambda: micrograd_step(collector=True), ("micrograd",)),
        "micrograd, collector off": Peer(lambda: micrograd_step(collector=False), ("micrograd",)),
    }
    title = "chain z = z·x + y, 100,000 ops: value and three gradients"
    limits = {f"{OURS}, eager": 3}
    return [Workload(title, peers, "python by hand, two loops", limits=limits, rounds=5)]
