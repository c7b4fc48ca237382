"""Computations of a given size, and names that could break out, for tests of pages."""

from __future__ import annotations

import numpy as np
from strategies import BINARY, on

import tinygrad_lecture as tg

HOSTILE = [
    "</script>", "</SCRIPT >", "<script>alert(1)</script>", "<!--", "-->", "]]>", "</title><b>", "</style>", "$title $data ${x} $$",
    "&lt;", "&amp;amp;", '"', "'", "\\", "\\u003c", "a\nb", "\r\n\t", "x" * 10_000, "</svg>", "\x00\x1b[2J", "\u202eevil",
    "\ud800", "\ufffe", "\u2028", "∂ σ ₁", "日本語", "{{x}}", "`${x}`", "$(rm)",
]  # fmt: skip


def random_output(seed: int) -> tg.Value:
    """Return the last value of a random program; all others are behind it."""
    rng = np.random.default_rng(seed)
    ops = on(tg)
    values = [tg.Value(float(x)) for x in rng.normal(size=int(rng.integers(1, 4)))]
    for _ in range(int(rng.integers(3, 12))):
        name = str(rng.choice(sorted(ops)))
        picked = rng.integers(max(0, len(values) - 5), len(values), 2 if name in BINARY else 1)
        values.append(ops[name](*(values[k] for k in picked)))
    total = values[0]
    for v in values[1:]:
        total = total + v
    return total


def long_graph(entries: int) -> tg.Value:
    """Return the end of a graph of so many entries, most of them with two operands."""
    rng = np.random.default_rng(0)
    values = [tg.Value(float(x), name=f"x{k}") for k, x in enumerate(rng.normal(size=12))]
    while len(values) < entries / 2:
        near = values[-1 - int(rng.integers(12))]
        values.append(near * values[-12] if len(values) % 3 else values[-12] - near)
    while len(values) > 1:  # a tree of sums, so that all are behind the end
        pairs = zip(values[::2], values[1::2], strict=False)
        values = [*(a + b for a, b in pairs), *values[len(values) & ~1 :]]
    return values[0]
