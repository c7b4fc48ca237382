"""Timing side by side: all candidates in one run, round by round, and medians of the rounds."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Step = Callable[[], object]


@dataclass
class Table:
    """Rows of one comparison, in milliseconds; the first row is ours."""

    title: str
    limits: dict[str, float] = field(default_factory=dict)
    rows: dict[str, float] = field(default_factory=dict)

    def text(self) -> str:
        """Return the table with our time as a share of each peer's, and its inverse."""
        ours = next(iter(self.rows.values()))
        lines = [self.title, f"  {'system':<34}{'one step':>12}{'peer / ours':>13}  required"]
        for name, ms in self.rows.items():
            ratio = "" if ms is ours else f"{ms / ours:.2f}"
            limit = self.limits.get(name)
            verdict = (
                "" if limit is None else f">= {limit:g}: {'yes' if ms / ours >= limit else 'NO'}"
            )
            shown = f"{ms:.3f} ms" if ms < 10 else f"{ms:.1f} ms"
            lines.append(f"  {name:<34}{shown:>12}{ratio:>13}  {verdict}".rstrip())
        return "\n".join(lines)

    def kept(self) -> bool:
        """Whether every required ratio is reached."""
        ours = next(iter(self.rows.values()))
        return all(self.rows[name] / ours >= limit for name, limit in self.limits.items())


def measure(
    title: str, steps: dict[str, Step], *, rounds: int = 5, calls: int = 1, limits: dict[str, float]
) -> Table:
    """Time candidates in turn, `rounds` times, and keep the median of each."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(rounds):
        for name, step in steps.items():
            gc.collect()  # what the others left behind is not this one's; its own garbage is
            start = time.perf_counter()
            for _ in range(calls):
                step()
            times[name].append((time.perf_counter() - start) / calls * 1e3)
    medians = {name: statistics.median(t) for name, t in times.items()}
    return Table(title, limits, medians)


def machine(*packages: str) -> str:
    """Return one line on machine, Python and versions."""
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{versions}, {time.strftime('%Y-%m-%d')}"
    )
