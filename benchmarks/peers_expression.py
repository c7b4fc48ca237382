"""A random expression of about 100,000 scalar ops, and its gradient for ten inputs.

The build of CasADi is expression, gradient and `Function`.  Eager systems record and sweep back in
every step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from candidates import COMPILER, Candidate, Peer, Workload
from harness import OURS, without_collector
from scalar_programs import evaluate, random_inputs, random_plan

import tinygrad_lecture as tg

PLAN = random_plan(64_000)
START = random_inputs()
X = np.array(START)


def expression(inputs: Any) -> Any:
    """The last value of the plan plus the 1,998 before it."""
    return evaluate(PLAN, inputs, guard=False)


def compiled() -> Any:
    """Compile value and gradient of one array of ten numbers."""
    return tg.compile(tg.value_and_grad(lambda x: expression(list(x))))


def ours() -> Candidate:
    """Our compiled step."""
    step = compiled()
    return Candidate(lambda: step(X), lambda: list(step(X)))


def _recorded(value: Any) -> Any:
    """Return record + backward of a class of scalars."""

    def step() -> tuple[float, list[float]]:
        inputs = [value(x) for x in START]
        out = expression(inputs)
        out.backward()
        return out.data, [v.grad for v in inputs]

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
    """A sweep over lists of floats in plain Python: what needs no recording and no classes."""
    last = len(START) + len(PLAN)

    def step() -> tuple[float, list[float]]:
        v = START.copy()
        append = v.append
        for k, i, j in PLAN:
            a, b = v[i], v[j]
            match k:
                case 0:
                    append(a + b)
                case 1:
                    append(a - b)
                case 2:
                    append(a * b)
                case 3:
                    append(a / (b * b + 1.0))
                case 4:
                    append(math.sin(a))
                case 5:
                    append(math.tanh(a))
                case _:
                    append(math.exp(-a * a))
        g = [0.0] * (last - 1999) + [1.0] * 1999
        for n in range(last - 1, len(START) - 1, -1):
            d = g[n]
            if not d:
                continue
            k, i, j = PLAN[n - len(START)]
            a, b = v[i], v[j]
            match k:
                case 0:
                    g[i] += d
                    g[j] += d
                case 1:
                    g[i] += d
                    g[j] -= d
                case 2:
                    g[i] += d * b
                    g[j] += d * a
                case 3:
                    c = b * b + 1.0
                    g[i] += d / c
                    g[j] -= d * a * 2.0 * b / (c * c)
                case 4:
                    g[i] += d * math.cos(a)
                case 5:
                    g[i] += d * (1.0 - v[n] * v[n])
                case _:
                    g[i] -= d * 2.0 * a * v[n]
        return sum(v[-1999:]), g[: len(START)]

    return Candidate(step, lambda: list(step()))


def casadi_step(*, buffer: bool) -> Candidate:
    """CasADi's scalars."""
    import casadi_peer

    return (casadi_peer.by_buffer if buffer else casadi_peer.by_call)(len(X), expression, X)


def workloads() -> list[Workload]:
    """Return the one table."""
    peers = {
        OURS: Peer(ours, COMPILER, builds=True),
        "casadi SX, buffer()": Peer(lambda: casadi_step(buffer=True), ("casadi",), builds=True),
        "casadi SX, call": Peer(lambda: casadi_step(buffer=False), ("casadi",), builds=True),
        "python by hand, two loops": Peer(by_hand),
        f"{OURS}, eager": Peer(ours_eager),
        "micrograd": Peer(lambda: micrograd_step(collector=True), ("micrograd",)),
        "micrograd, collector off": Peer(lambda: micrograd_step(collector=False), ("micrograd",)),
    }
    title = "random expression, about 100,000 ops: value and gradient of ten inputs"
    return [
        Workload(
            title,
            peers,
            "python by hand, two loops",
            limits={f"{OURS}, eager": 10},
            shares={"casadi SX, buffer()": 4},
            rounds=5,
        )
    ]
