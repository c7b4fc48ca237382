"""Depth and memory: a chain of up to 1,000,000 scalar ops, and bytes per recorded scalar (L10)."""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc

import tinygrad_lecture as tg

LENGTHS = (10_000, 100_000, 1_000_000)


def record(n: int) -> tuple[tg.Value, tg.Value]:
    """Record z = z·x + y until n ops are there."""
    x, y, z = tg.Value(0.999), tg.Value(0.1), tg.Value(1.0)
    for _ in range(n // 2):
        z = z * x + y
    return x, z


def once(n: int) -> dict[str, float]:
    """Time, in nanoseconds per op, of each thing that is done with a chain of n ops."""
    gc.collect()
    marks = [time.perf_counter()]
    _, z = record(n)
    marks.append(time.perf_counter())
    z.backward()
    marks.append(time.perf_counter())
    str(tg.Tape(z))
    marks.append(time.perf_counter())
    del z
    marks.append(time.perf_counter())
    names = ("record", "backward", "table", "free")
    return {k: (b - a) / n * 1e9 for k, a, b in zip(names, marks, marks[1:], strict=False)}


def bytes_per_scalar(n: int = 200_000) -> float:
    """Bytes that one recorded scalar op holds."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = record(n)
        return (tracemalloc.get_traced_memory()[0] - before) / n if kept else 0.0
    finally:
        tracemalloc.stop()


def measured() -> dict[int, dict[str, float]]:
    """Return the median of three runs for each length."""
    runs = {n: [once(n) for _ in range(3)] for n in LENGTHS}
    return {n: {k: statistics.median(r[k] for r in rs) for k in rs[0]} for n, rs in runs.items()}


def report() -> tuple[str, bool]:
    """Return the table as text, and whether all limits are kept.

    Python's cyclic collector goes through all living records again and again while they grow,
    so the chain is timed with the collector on, as a user has it, and off.
    """
    lines, good = ["chain of scalar ops, ns per op"], True
    for collector in ("on", "off"):
        if collector == "off":
            gc.disable()
        try:
            medians = measured()
        finally:
            gc.enable()
        lines.append(f"  collector {collector}")
        lines.append(f"  {'ops':>9}  record  backward  table   free    all")
        for n, m in medians.items():
            widths = zip((6, 8, 5, 5, 5), (*m.values(), sum(m.values())), strict=True)
            lines.append("  ".join([f"  {n:>9,}", *(f"{ns:{w}.0f}" for w, ns in widths)]))
        growth = sum(medians[LENGTHS[-1]].values()) / sum(medians[LENGTHS[0]].values())
        good &= growth <= 1.5
        lines.append(f"  1,000,000 against 10,000, per op: {growth:.2f}  (required <= 1.5)")
    size = bytes_per_scalar()
    lines.append(f"  bytes per recorded scalar: {size:.0f}  (required <= 200)")
    return "\n".join(lines), good and size <= 200
