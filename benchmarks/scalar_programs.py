"""Programs in single scalars, for any class of scalars: micrograd's demo, an expression, a chain.

`demo`, `random_expression` and `chain` make their inputs from a class, micrograd's `Value` or
ours, and return inputs and output.  `demo_loss`, `evaluate`, `run_chain` and `rosenbrock` are the
same mathematics for inputs that are there already, CasADi's symbols too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

Program = Callable[[type], tuple[list[Any], Any]]

SIZES = (2, 16, 16, 1)


def demo_numbers(samples: int = 100) -> tuple[list[float], list[list[float]], list[int]]:
    """Return 337 parameters (w of a neuron, then its b), some points and their labels."""
    rng = random.Random(1)
    parameters: list[float] = []
    for nin, nout in pairwise(SIZES):
        for _ in range(nout):
            parameters += [*(rng.uniform(-1, 1) for _ in range(nin)), 0.0]
    points = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(samples)]
    return parameters, points, [rng.choice([-1, 1]) for _ in points]


def demo_loss(
    parameters: Sequence[Any],
    points: Sequence[Sequence[Any]],
    labels: Sequence[int],
    relu: Callable[[Any], Any] = lambda v: v.relu(),
) -> Any:
    """Hinge loss of an MLP 2-16-16-1 with L2 penalty, neuron by neuron."""
    numbers = iter(parameters)
    layers = [
        [([next(numbers) for _ in range(nin)], next(numbers)) for _ in range(nout)]
        for nin, nout in pairwise(SIZES)
    ]

    def model(x: Sequence[Any]) -> Any:
        for i, layer in enumerate(layers):
            sums = [sum((wi * xi for wi, xi in zip(w, x, strict=True)), b) for w, b in layer]
            x = [relu(s) for s in sums] if i < 2 else sums
        return x[0]

    losses = [relu(1 + -y * model(x)) for x, y in zip(points, labels, strict=True)]
    return sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in parameters)


def demo(value: type) -> tuple[list[Any], Any]:
    """micrograd's demo: one evaluation of the loss, with the parameters."""
    numbers, points, labels = demo_numbers()
    parameters = [value(p) for p in numbers]
    return parameters, demo_loss(parameters, [[value(x) for x in p] for p in points], labels)


def random_plan(n: int, window: int = 2000) -> list[tuple[int, int, int]]:
    """Draw ops and operand positions, each among the last `window` values."""
    rng = random.Random(0)
    plan = []
    for size in range(10, n + 10):
        i, j = (size - 1 - rng.randrange(min(size, window)) for _ in range(2))
        plan.append((rng.randrange(7), i, j))
    return plan


def random_inputs() -> list[float]:
    """Return the ten numbers that a random expression starts from."""
    rng = random.Random(3)
    return [rng.uniform(0.5, 1.5) for _ in range(10)]


def evaluate(plan: list[tuple[int, int, int]], inputs: Sequence[Any], *, guard: bool) -> Any:
    """Apply + - × ÷ sin tanh exp(-x²) as planned; about 1.6 ops per line of the plan.

    The guard squashes a value above 1000.  It never happens in ``random_plan(64_000)`` from
    `random_inputs`, and symbols have no value: for them it is off.
    """
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
        values.append(out.tanh() if guard and abs(out.data) > 1e3 else out)
    total = values[-1]
    for v in values[-2:-2000:-1]:
        total = total + v
    return total


def random_expression(plan: list[tuple[int, int, int]]) -> Program:
    """Return the program of a plan."""

    def run(value: type) -> tuple[list[Any], Any]:
        inputs = [value(x) for x in random_inputs()]
        return inputs, evaluate(plan, inputs, guard=True)

    return run


def run_chain(x: Any, y: Any, z: Any, n: int) -> Any:
    """z = z·x + y, n times: 2 n ops in a row."""
    for _ in range(n):
        z = z * x + y
    return z


def chain(n: int) -> Program:
    """Return the program of a chain of n links."""

    def run(value: type) -> tuple[list[Any], Any]:
        x, y, z = value(0.5), value(0.1), value(1.0)
        return [x, y, z], run_chain(x, y, z, n)

    return run


def rosenbrock(x: Sequence[Any]) -> Any:
    """Σ 100 (x[i+1] − x[i]²)² + (1 − x[i])²: eight ops a term."""
    total = None
    for a, b in pairwise(x):
        curve, slope = b - a * a, 1.0 - a
        term = curve * curve * 100.0 + slope * slope
        total = term if total is None else total + term
    return total
