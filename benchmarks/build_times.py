"""What compiling costs, once: the demo with more and more samples, the residual net, an expression.

A build is the wall time of a first call minus that of a step; next to it, where the time went:
recording, and the passes with planning and writing of the program.  In every round the programs are
made anew, and their results compared with the step by hand.  micrograd's step is the demo's, as it
is used.  CasADi's build is expression, gradient and `Function`.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import hand_demo
import numpy as np
import peers_demo
import peers_expression
import peers_residual
from candidates import Candidate, Peer, agree
from harness import OURS, Report, Requirement, words
from scalar_programs import demo_loss, demo_numbers

import tinygrad_lecture as tg

SAMPLES = (50, 100, 200, 400, 1000)
ROUNDS = 3
EXPRESSION, RESIDUAL = "expression of about 100,000 ops", "residual MLP of 150 blocks"
MICROGRAD, CASADI = "micrograd, one step of the demo", f"casadi SX, {EXPRESSION}"

Build = Callable[[], tuple[Any, Candidate]]


def demo_name(samples: int) -> str:
    """Return the name of a row."""
    return f"demo, {samples:,} samples"


def demo(samples: int) -> Build:
    """The demo's scalar loss on so many samples, over one array of parameters."""
    numbers, points, labels = demo_numbers(samples)
    start = np.array(numbers)

    def make() -> tuple[Any, Candidate]:
        f = tg.compile(tg.value_and_grad(lambda w: demo_loss(list(w), points, labels, tg.relu)))
        return f, Candidate(lambda: f(start), lambda: list(f(start)))

    return make


def residual() -> tuple[Any, Candidate]:
    """The step of our modules, with ``loss.backward()``."""
    train, model = peers_residual.modules()
    f = tg.compile(train)
    return f, peers_residual.module_candidate(f, model)


def expression() -> tuple[Any, Candidate]:
    """Value and gradient of one array of ten numbers."""
    f, x = peers_expression.compiled(), peers_expression.X
    return f, Candidate(lambda: f(x), lambda: list(f(x)))


def clock(run: Callable[[], Any], *, collect: bool = True) -> float:
    """Return the seconds of one call, after a collection that is not its own."""
    if collect:
        gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def built(where: str, make: Build, wanted: list[Any]) -> dict[str, float]:
    """Compile anew and return seconds: of the build, of its parts by name, and of a step."""
    f, candidate = make()
    first = clock(candidate.step)
    step = min(clock(candidate.step, collect=False) for _ in range(20))
    agree(f"{where}: does not agree with the step by hand", candidate.check(), wanted, 1e-9, 1e-12)
    parts = f.program.build_seconds
    return {
        "wall": first - step,
        "sum": sum(parts.values()),
        "record": parts["record"],
        "step": step,
    }


def medians() -> tuple[dict[str, dict[str, float]], list[str]]:
    """Build everything in turn, a few times; return medians by row, and notes on who is missing."""
    makers: dict[str, Build] = {demo_name(n): demo(n) for n in SAMPLES}
    makers |= {RESIDUAL: residual, EXPRESSION: expression}
    by_hand = {EXPRESSION: peers_expression.by_hand(), RESIDUAL: peers_residual.by_hand()}
    for n in SAMPLES:
        _, points, labels = demo_numbers(n)
        by_hand[demo_name(n)] = hand_demo.by_hand(np.array(points), np.array(labels, float))
    wanted = {name: candidate.check() for name, candidate in by_hand.items()}
    peers: dict[str, Callable[[], Any]] = {}
    notes = []
    micrograd = Peer(lambda: peers_demo.micrograd_step(collector=True), ("micrograd",))
    if lacking := micrograd.missing():
        notes.append(f"{MICROGRAD}: skipped, there is no {lacking}")
    else:
        peers[MICROGRAD] = micrograd.make().step
        peers[MICROGRAD]()
    if lacking := Peer(expression, ("casadi",)).missing():
        notes.append(f"{CASADI}: skipped, there is no {lacking}")
    else:
        import casadi_peer

        peers[CASADI] = lambda: casadi_peer.function(
            len(peers_expression.X), peers_expression.expression
        )
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    gc.collect()
    gc.freeze()  # what other parts loaded is not what micrograd's collector has to go through
    try:
        for _ in range(ROUNDS):
            for name, run in peers.items():
                times[name]["wall"].append(clock(run))
            for name, make in makers.items():
                for part, seconds in built(name, make, wanted[name]).items():
                    times[name][part].append(seconds)
    finally:
        gc.unfreeze()
    found = {
        name: {part: statistics.median(seconds) for part, seconds in parts.items()}
        for name, parts in times.items()
    }
    return found, notes


def cells(name: str, parts: dict[str, float]) -> tuple[str, ...]:
    """Return one row of the table."""
    ms = {part: seconds * 1e3 for part, seconds in parts.items()}
    if name in (MICROGRAD, CASADI):
        return (name, words(ms["wall"]), "", "", "", "", "")
    each = {demo_name(n): words(ms["wall"] / n) for n in SAMPLES}
    inside = (words(ms[part]) for part in ("sum", "record"))
    passes = words(ms["sum"] - ms["record"])
    return (name, words(ms["wall"]), *inside, passes, words(ms["step"]), each.get(name, ""))


def tables() -> list[Report]:
    """Return the one table."""
    found, notes = medians()
    wall = {name: parts["wall"] for name, parts in found.items()}
    few, many = SAMPLES[0], SAMPLES[-1]
    growth = (wall[demo_name(many)] / many) / (wall[demo_name(few)] / few)
    required = [
        Requirement(f"build per sample, {many:,} over {few} samples", growth, 1.3),
        Requirement(f"build of the {RESIDUAL}, seconds", wall[RESIDUAL], 2),
    ]
    if MICROGRAD in wall:
        ratio = wall[demo_name(100)] / wall[MICROGRAD]
        required.insert(0, Requirement("build, demo, 100 samples / micrograd's step", ratio, 2))
    if CASADI in wall:
        ratio = wall[EXPRESSION] / wall[CASADI]
        required.append(Requirement("build, expression / casadi's build", ratio, 1))
    return [
        Report(
            f"builds of {OURS}: first call minus a step, medians of {ROUNDS}",
            ("what", "build", "sum of parts", "record", "passes", "one step", "build / sample"),
            [cells(name, parts) for name, parts in found.items()],
            required,
            notes,
        )
    ]
