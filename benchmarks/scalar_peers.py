"""Record plus backward in single scalars, next to micrograd (L10).

Three programs: micrograd's own demo (MLP 2-16-16-1, 100 samples, hinge loss, L2 penalty), a
random expression, and a long chain.  Both systems run the same code; gradients are compared
before any timing.  micrograd is timed as it is used, with Python's cyclic collector on, and with
the collector off but one collection per step, since most of its time is the collector's.
"""

from __future__ import annotations

import gc
import math
import random
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import micrograd.engine
from harness import Table, measure

import tinygrad_lecture as tg

sys.setrecursionlimit(10**6)  # micrograd's backward recurses as deep as the graph

Program = Callable[[type], tuple[list[Any], Any]]


Micrograd = micrograd.engine.Value


def _unary(forward: Callable[[float], float], slope: Callable[[float, float], float]) -> Any:
    """Return a function for micrograd's Value, in micrograd's own manner."""

    def method(self: Any) -> Any:
        out = Micrograd(forward(self.data), (self,), "f")

        def _backward() -> None:
            self.grad += slope(self.data, out.data) * out.grad

        out._backward = _backward
        return out

    return method


Micrograd.sin = _unary(math.sin, lambda x, out: math.cos(x))
Micrograd.tanh = _unary(math.tanh, lambda x, out: 1 - out * out)
Micrograd.exp = _unary(math.exp, lambda x, out: out)


def demo(value: type) -> tuple[list[Any], Any]:
    """micrograd's demo: one evaluation of the loss, with the parameters."""
    rng = random.Random(1)

    class Neuron:
        def __init__(self, nin: int, *, nonlin: bool) -> None:
            self.w = [value(rng.uniform(-1, 1)) for _ in range(nin)]
            self.b = value(0)
            self.nonlin = nonlin

        def __call__(self, x: list[Any]) -> Any:
            act = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
            return act.relu() if self.nonlin else act

    sizes = [2, 16, 16, 1]
    layers = [
        [Neuron(a, nonlin=i < 2) for _ in range(b)] for i, (a, b) in enumerate(pairwise(sizes))
    ]
    parameters = [p for layer in layers for n in layer for p in (*n.w, n.b)]
    points = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(100)]
    labels = [rng.choice([-1, 1]) for _ in points]

    def model(x: list[Any]) -> Any:
        for layer in layers:
            x = [n(x) for n in layer]
        return x[0]

    scores = [model(list(map(value, p))) for p in points]
    losses = [(1 + -y * s).relu() for y, s in zip(labels, scores, strict=True)]
    data_loss = sum(losses) * (1.0 / len(losses))
    penalty = 1e-4 * sum(p * p for p in parameters)
    return parameters, data_loss + penalty


def random_plan(n: int, window: int = 2000) -> list[tuple[int, int, int]]:
    """Draw ops and operand positions, each among the last `window` values."""
    rng = random.Random(0)
    plan = []
    for size in range(10, n + 10):
        i, j = (size - 1 - rng.randrange(min(size, window)) for _ in range(2))
        plan.append((rng.randrange(7), i, j))
    return plan


def random_expression(plan: list[tuple[int, int, int]]) -> Program:
    """+ - × ÷ sin tanh exp(-x²) on random operands; about 1.6 ops per line of the plan."""

    def run(value: type) -> tuple[list[Any], Any]:
        rng = random.Random(3)
        inputs: list[Any] = [value(rng.uniform(0.5, 1.5)) for _ in range(10)]
        values = list(inputs)
        for k, i, j in plan:
            a, b = values[i], values[j]
            match k:
                case 0:
                    out = a + b
                case 1:
                    out = a - b
                case 2:
                    out = a * b
                case 3:
                    out = a / (b * b + 1.0)
                case 4:
                    out = a.sin()
                case 5:
                    out = a.tanh()
                case _:
                    out = (a * a * -1.0).exp()
            values.append(out.tanh() if abs(out.data) > 1e3 else out)
        total = values[-1]
        for v in values[-2:-2000:-1]:
            total = total + v
        return inputs, total

    return run


def chain(n: int) -> Program:
    """z = z·x + y, n times: 2 n ops in a row."""

    def run(value: type) -> tuple[list[Any], Any]:
        x, y, z = value(0.5), value(0.1), value(1.0)
        inputs = [x, y, z]
        for _ in range(n):
            z = z * x + y
        return inputs, z

    return run


def compare(name: str, program: Program, need: float, rounds: int) -> Table:
    """Check that the gradients agree, then time record + backward of both."""

    def step(value: type) -> Callable[[], list[float]]:
        def run() -> list[float]:
            inputs, out = program(value)
            out.backward()
            return [v.grad for v in inputs]

        return run

    def collector_off() -> object:
        gc.disable()
        try:
            step(Micrograd)()
        finally:
            gc.enable()
        return gc.collect()

    ours, theirs = step(tg.Value)(), step(Micrograd)()
    largest = max(map(abs, theirs))  # where terms cancel, what is left of them is rounding
    for a, b in zip(ours, theirs, strict=True):
        if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12 * largest):
            sys.exit(f"{name}: gradients differ, {a} and {b}")
    ops = tg.Tape(program(tg.Value)[1]).stats()["entries"]
    return measure(
        f"{name} ({ops:,} entries)",
        {
            "tinygrad_lecture": step(tg.Value),
            "micrograd": step(Micrograd),
            "micrograd, collector off": collector_off,
        },
        rounds=rounds,
        calls=4,
        limits={"micrograd": need},
    )


def tables() -> list[Table]:
    """Run the three comparisons."""
    return [
        compare("micrograd's demo step", demo, 12, 5),
        compare("random expression", random_expression(random_plan(64_000)), 6, 5),
        compare("chain z = z·x + y", chain(50_000), 4, 5),
    ]
