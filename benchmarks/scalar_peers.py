"""Record plus backward in single scalars, next to micrograd (L10).

Three programs: micrograd's own demo (MLP 2-16-16-1, 100 samples, hinge loss, L2 penalty), a
random expression, and a long chain.  Both systems run the same code; gradients are compared
before any timing.  micrograd is timed as it is used, with Python's cyclic collector on, and with
the collector off but one collection per step, since most of its time is the collector's.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from harness import Table, measure, without_collector
from micrograd_peer import Micrograd
from scalar_programs import Program, chain, demo, random_expression, random_plan

import tinygrad_lecture as tg


def compare(name: str, program: Program, need: float, rounds: int) -> Table:
    """Check that the gradients agree, then time record + backward of both."""

    def step(value: type) -> Callable[[], list[float]]:
        def run() -> list[float]:
            inputs, out = program(value)
            out.backward()
            return [v.grad for v in inputs]

        return run

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
            "micrograd, collector off": without_collector(step(Micrograd)),
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
