"""Timing side by side: all candidates in one run, round by round, and medians of the rounds."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Step = Callable[[], object]

OURS = "tinygrad_lecture"


def words(ms: float) -> str:
    """Return a time with its unit."""
    return f"{ms * 1e3:.1f} µs" if ms < 1 else f"{ms:.3f} ms" if ms < 10 else f"{ms:.1f} ms"


@dataclass
class Table:
    """Rows of one comparison, in milliseconds; the row `OURS` is what the others are held against.

    `limits` asks for peer / ours >= a number, `shares` for ours / peer <= a number.  `builds` are
    seconds that were needed once, `lowest` the fastest round of each row, and `notes` what a reader
    has to know, such as who is missing.
    """

    title: str
    limits: Mapping[str, float] = field(default_factory=dict)
    rows: dict[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    builds: dict[str, float] = field(default_factory=dict)
    lowest: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def verdict(self, name: str) -> tuple[str, bool]:
        """Return what is required against one peer, in words, and whether it is reached."""
        if OURS not in self.rows or name not in self.rows:
            return "", True
        ratio, found = self.rows[name] / self.rows[OURS], []
        if name in self.limits:
            found.append((f">= {self.limits[name]:g}", ratio >= self.limits[name]))
        if name in self.shares:
            found.append((f"ours / peer <= {self.shares[name]:g}", 1 / ratio <= self.shares[name]))
        text = ", ".join(f"{what}: {'yes' if kept else 'NO'}" for what, kept in found)
        return text, all(kept for _, kept in found)

    def kept(self) -> bool:
        """Whether every required ratio is reached; rows that are missing are not judged."""
        return all(self.verdict(name)[1] for name in self.rows)

    def cells(self) -> list[tuple[str, str, str, str, str]]:
        """Return system, time, peer / ours, build and what is required, row by row."""
        ours, lines = self.rows.get(OURS), []
        for name, ms in self.rows.items():
            ratio = "" if ours is None or name == OURS else f"{ms / ours:.2f}"
            build = f"{self.builds[name]:.2f} s" if name in self.builds else ""
            lines.append((name, words(ms), ratio, build, self.verdict(name)[0]))
        return lines

    def text(self) -> str:
        """Return the table with our time as a share of each peer's, and its inverse."""
        build = "build" if self.builds else ""
        wide = max(34, *(len(name) + 2 for name in self.rows)) if self.rows else 34
        lines = [self.title]
        head = ("system", "one step", "peer / ours", build, "required")
        for system, step, ratio, built, required in (head, *self.cells()):
            gap = f"{built:>10}" if build else ""
            lines.append(f"  {system:<{wide}}{step:>12}{ratio:>13}{gap}  {required}".rstrip())
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def markdown(self) -> str:
        """Return the same as a section in Markdown."""
        lines = [f"## {self.title}", ""]
        lines += ["| system | one step | peer / ours | build | required |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(cells)} |" for cells in self.cells()]
        return "\n".join([*lines, *(f"\n- {note}" for note in self.notes)])

    def data(self) -> dict[str, Any]:
        """Return the same for JSON."""
        rows = [
            {
                "system": name,
                "ms": ms,
                "lowest_ms": self.lowest.get(name),
                "build_s": self.builds.get(name),
            }
            for name, ms in self.rows.items()
        ]
        return {
            "title": self.title,
            "rows": rows,
            "peer_over_ours_at_least": dict(self.limits),
            "ours_over_peer_at_most": dict(self.shares),
            "kept": self.kept(),
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Requirement:
    """A number that must not be above another one."""

    what: str
    found: float
    most: float

    def kept(self) -> bool:
        """Whether it is reached."""
        return self.found <= self.most

    def text(self) -> str:
        """Return it in words."""
        verdict = "yes" if self.kept() else "NO"
        return f"{self.what}: {self.found:.2f}, required <= {self.most:g}: {verdict}"


@dataclass
class Report:
    """A table of any columns, the first of them names, and what is required of its numbers."""

    title: str
    head: tuple[str, ...]
    cells: list[tuple[str, ...]]
    required: list[Requirement]
    notes: list[str] = field(default_factory=list)

    def kept(self) -> bool:
        """Whether everything that is required is reached."""
        return all(r.kept() for r in self.required)

    def lines(self) -> list[str]:
        """Return what is required, and the notes."""
        return [*(r.text() for r in self.required), *(f"note: {note}" for note in self.notes)]

    def text(self) -> str:
        """Return the table as it is printed."""
        rows = [self.head, *self.cells]
        wide = [max(len(row[i]) for row in rows) + 2 for i in range(len(self.head))]
        lines = [self.title]
        for name, *numbers in rows:
            gaps = "".join(f"{cell:>{w}}" for cell, w in zip(numbers, wide[1:], strict=True))
            lines.append(f"  {name:<{wide[0]}}{gaps}".rstrip())
        return "\n".join([*lines, *(f"  {line}" for line in self.lines())])

    def markdown(self) -> str:
        """Return the same as a section in Markdown."""
        rows = [self.head, ("---",) * len(self.head), *self.cells]
        lines = [f"## {self.title}", "", *(f"| {' | '.join(row)} |" for row in rows)]
        return "\n".join([*lines, *(f"\n- {line}" for line in self.lines())])

    def data(self) -> dict[str, Any]:
        """Return the same for JSON."""
        return {
            "title": self.title,
            "rows": [dict(zip(self.head, row, strict=True)) for row in self.cells],
            "at_most": [{"what": r.what, "found": r.found, "most": r.most} for r in self.required],
            "kept": self.kept(),
            "notes": self.notes,
        }


def seconds(step: Step) -> float:
    """Return the time that one call takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def measure(
    title: str,
    steps: Mapping[str, Step],
    *,
    rounds: int = 5,
    calls: int | Callable[[float], int] = 1,
    limits: Mapping[str, float],
    restarts: Mapping[str, Callable[[], None]] | None = None,
) -> Table:
    """Time candidates in turn, `rounds` times, and keep the median of each.

    `calls` may be a function of the seconds that one call takes.  `restarts` bring a candidate
    back to its initial state before each round, outside of the time; so are the two calls after
    it, in which the caches fill and systems take in what they have been given.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    many: dict[str, int] = {}
    for name, step in steps.items():
        step()
        many[name] = calls(min(map(seconds, [step] * 3))) if callable(calls) else calls
    for _ in range(rounds):
        for name, step in steps.items():
            if restarts and name in restarts:
                restarts[name]()
                step()
                step()
            gc.collect()  # what the others left behind is not this one's; its own garbage is
            n = range(many[name])
            start = time.perf_counter()
            for _ in n:
                step()
            times[name].append((time.perf_counter() - start) / len(n) * 1e3)
    medians = {name: statistics.median(t) for name, t in times.items()}
    lowest = {name: min(t) for name, t in times.items()}
    return Table(title, limits, medians, lowest=lowest)


def without_collector(step: Step) -> Step:
    """Return the step with Python's cyclic collector off, and one collection after it."""

    def run() -> object:
        gc.disable()
        try:
            step()  # its result goes at once, or the collection would find the graph in use
        finally:
            gc.enable()
        return gc.collect()

    return run


def threads() -> int:
    """Return the number of threads that was asked for, or that the machine has."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine(*packages: str) -> str:
    """Return one line on machine, Python and versions; packages that are missing are left out."""
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return (
        f"{platform.machine()} ({_processor()}), {os.cpu_count()} cores, threads {threads()}, "
        f"Python {platform.python_version()}, {', '.join(versions)}, {time.strftime('%Y-%m-%d')}"
    )
