"""Where a program meets objects outside: what it answers, writes, and relies on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .program import Program
from .record import Recording

__all__ = ["Surface"]


class Surface:
    """The results of a recorded function and the places that it read and wrote.

    Parameters
    ----------
    recording : Recording
        Not forgotten yet.
    program : Program
        Planned; its outputs are those of the recording, in the same order.

    Attributes
    ----------
    structure : Any
        Nest of the results.
    results : list of (operand or None, kind or constant)
        Its leaves.
    written : list of (Cell, operand or None, constant)
        What a call changes; a row or a constant.
    guards : list of (operand, bool)
        Answers on which the path depends.
    absent : list of Cell
        What must not be there before a call.
    fixed : list of (dict, key, value)
        What must be as it was while recording.
    equal : list of (dict, key, dict)
        Numbers that must be equal in two dicts.
    reached : dict
        Ways to dicts that an object may make anew; see `Text`.
    made : set of int
        Ids of the dicts that a call makes.
    marks : list of (owner, mark)
        What backward passes leave on leaves.
    generators : list of Generator
        From which a run draws.
    """

    def __init__(self, recording: Recording, program: Program) -> None:
        rows: Iterator[Any] = iter(program.outputs)
        self.structure = recording.structure
        self.results = [(next(rows) if i >= 0 else None, kind) for i, kind in recording.results]
        self.written = [
            (cell, next(rows) if i >= 0 else None, x) for cell, i, x in recording.outputs
        ]
        self.guards = [(next(rows), outcome) for _, outcome, _ in recording.guards]
        recorder = recording.recorder
        self.absent, self.fixed, self.equal = recorder.absent, recorder.fixed, recorder.equal
        self.reached, self.marks = recorder.reached, recorder.marks
        self.made = {id(x) for _, _, x in recording.outputs if isinstance(x, dict)}
        self.generators = [
            draw.rng for _, draw in recording.draws if isinstance(draw.rng, np.random.Generator)
        ]

    @property
    def leaving(self) -> Sequence[Any]:
        """Operands whose values leave the program."""
        rows = [row for row, _ in self.results] + [row for _, row, _ in self.written]
        return [row for row in rows if row is not None]
