"""The exercise about the reverse pass over a list of entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from ..exercise import Bench, Exercise
from ..judge import Mistake, Pair, judge
from ..report import Item

Entries: TypeAlias = list[list[tuple[int, float]]]
M = Mistake


def adjoints(entries: Entries) -> list[float]:
    """Return the derivative of the last entry with respect to each: what the exercise asks for."""
    return sweep(entries)


def sweep(
    entries: Entries,
    *,
    add: Callable[[float, float], float] = lambda old, new: old + new,
    combine: Callable[[float, float], float] = lambda adjoint, local: adjoint * local,
    start: float = 0.0,
    seed: float = 1.0,
    order: Callable[[Sequence[int]], Sequence[int]] = lambda numbers: numbers[::-1],
    distinct: bool = False,
) -> list[float]:
    """Go over the entries from the last to the first; the options are what can be wrong with it."""
    found = [start] * len(entries)
    found[-1] = seed
    for k in order(range(len(entries))):
        pairs = list(dict(entries[k]).items()) if distinct else entries[k]
        for number, local in pairs:
            found[number] = add(found[number], combine(found[k], local))
    return found


def _recursive(entries: Entries) -> list[float]:
    """Walk from the output into the inputs, passing on what has been added up so far."""
    found = [0.0] * len(entries)
    found[-1] = 1.0

    def visit(k: int) -> None:
        for number, local in entries[k]:
            found[number] += found[k] * local
            visit(number)

    visit(len(entries) - 1)
    return found


MISTAKES = [
    M("one input that an operation uses twice (x·x) counts once: add up both contributions",
      lambda e: sweep(e, distinct=True)),
    M("= for +=: an entry that is used several times gets one contribution from each use, and "
      "their sum is its adjoint", lambda e: sweep(e, add=lambda old, new: new)),
    M("the output's own adjoint is missing: it starts with 1", lambda e: sweep(e, seed=0.0)),
    M("the entries are gone through from the first to the last; an adjoint is complete only "
      "when all later entries are done: go backwards",
      lambda e: sweep(e, order=lambda numbers: numbers)),
    M("the local derivatives are added along the way, and the chain rule multiplies them",
      lambda e: sweep(e, combine=lambda adjoint, local: adjoint + local)),
    M("the adjoint of the entry is not used: each contribution is adjoint · local derivative",
      lambda e: sweep(e, combine=lambda adjoint, local: local)),
    M("every adjoint starts with 1; only the output's does, all others with 0",
      lambda e: sweep(e, start=1.0)),
    M("the sign: all adjoints come out negative", lambda e: [-a for a in sweep(e)]),
    M("an entry hands on its adjoint before all uses of it have been added up, and hands it on "
      "again for the next use: go through the list once, from the last entry to the first",
      _recursive),
    M("the list comes back in reverse order: adjoint k belongs to entry k",
      lambda e: sweep(e)[::-1]),
]  # fmt: skip


def _chain(rng: np.random.Generator, n: int) -> Entries:
    """Entries that are used once each: a tree."""
    entries: Entries = [[] for _ in range(3)]
    open_ones = [0, 1, 2]
    while len(entries) < n or len(open_ones) > 1:
        count = min(int(rng.integers(1, 3)), len(open_ones)) if len(entries) < n else 2
        chosen = [open_ones.pop(int(rng.integers(len(open_ones)))) for _ in range(count)]
        entries.append([(k, float(rng.normal())) for k in chosen])
        open_ones.append(len(entries) - 1)
    return entries


def _shared(rng: np.random.Generator, n: int) -> Entries:
    """Entries that are used several times."""
    entries: Entries = [[], []]
    for k in range(2, n):
        chosen = rng.choice(k, size=2, replace=False)
        entries.append([(int(j), float(rng.normal())) for j in chosen])
    entries.append([(j, float(rng.normal())) for j in range(n)])
    return entries


def _item(
    bench: Bench, part: str, check: str, points: float, all_entries: list[Entries], what: str = ""
) -> Item:
    pairs = []
    for entries in all_entries:
        got = bench.call(lambda f, e=entries: f([list(pairs) for pairs in e]))  # type: ignore[misc]
        pairs.append(Pair(got, np.array(adjoints(entries)), entries, what))
    return judge(part, check, points, pairs, MISTAKES)


def _main(bench: Bench) -> list[Item]:
    rng = bench.rng(0)
    return [
        _item(bench, "chain rule", "entries that are used once", 3.0,
              [_chain(rng, n) for n in (6, 9, 12)]),
        _item(bench, "reuse", "entries that are used several times", 4.0,
              [_shared(rng, n) for n in (4, 7, 10)]),
    ]  # fmt: skip


def _edges(bench: Bench) -> list[Item]:
    rng = bench.rng(1)
    x = float(rng.normal())
    square: Entries = [[], [(0, x), (0, x)], [(1, 3.0)]]
    unused: Entries = [[], [], [(0, 2.0)], [(1, 5.0)], [(2, x)]]
    deep: Entries = [[], *([(k, (2.0, 0.5)[k % 2])] for k in range(5000))]
    return [
        _item(bench, "edge cases", "x·x: one input twice in one entry", 1.0, [square]),
        _item(bench, "edge cases", "entries that the output does not depend on get 0", 1.0,
              [unused]),
        _item(bench, "edge cases", "5,000 entries in a row (no recursion)", 1.0, [deep]),
    ]  # fmt: skip


backprop = Exercise(
    "backprop", "the reverse pass over a list of entries", ("L10", "L11"), "backprop",
    """
A calculation is a list of entries in the order in which they were computed.  Each entry is a list
of pairs (number of an input, local derivative with respect to it); a leaf has no pairs.  So [[],
[], [(0, 3.0), (1, 0.5)], [(2, 2.0), (2, 2.0)]] has two leaves, a product of them, and an entry
that uses the product twice. Return the list of adjoints: the derivative of the last entry with
respect to each entry.""",
    '''
def backprop(entries):
    """Return a list with the adjoint of each entry; the last one is 1."""
    ...
''', (_main, _edges),
)  # fmt: skip
