"""One compiled path of a function: its program with memory, between objects outside."""

from __future__ import annotations

import contextvars
from typing import Any

import numpy as np

from ..engine.recording import Cell
from .borrow import borrowable
from .deliver import Delivery
from .execute import Executable
from .explain import explain, figures
from .feed import MISS, Feed
from .invalid import checked_rows, has_small_factors, nan_check
from .lend import Lent
from .program import Operands, Program
from .record import Recording
from .source import source
from .straight import StraightCode
from .surface import Surface
from .text import Text

__all__ = ["Path"]

MOST_MOVES = 8
"""After so many moves, what is written back is copied: somebody keeps looking at it."""


def _quiet_context() -> contextvars.Context:
    """Return a context in which NumPy warns of nothing: entered faster than one is made."""
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    return context


class Path:
    """A recorded path through a function, ready to run.

    Parameters
    ----------
    recording : Recording
        Where inputs come from and outputs go to.
    program : Program
        Planned; its outputs are those of the recording, in the same order.
    """

    def __init__(
        self, recording: Recording, program: Program, function: Any = None, *, exact: bool = False
    ) -> None:
        self.recording, self.program = recording, program
        self.function, self.exact = function, exact
        self.recorded_ops = int((Operands.of(recording.program.args).first >= 0).sum())
        self.build_seconds: dict[str, float] = {}
        self.calls = self.moves = 0
        self.surface = Surface(recording, program)
        recording.forget()
        self._set_up()

    # ------------------------------------------------------------------- what it tells

    def explain(self, limit: int | None = 200) -> str:
        """Return the program as a table of instructions.

        For each: shape of the result, how many recorded scalar ops it stands for, floating-point
        operations, bytes read and written, and what it was lifted from; a "take" row says how many
        elements had to be picked one by one, and from how many results.

        Parameters
        ----------
        limit : int or None
            Show at most so many instructions.

        Examples
        --------
        >>> import tinygrad_lecture as tg
        >>> f = tg.compile(tg.value_and_grad(lambda x: x * x))
        >>> f(3.0)
        (9.0, 6.0)
        >>> print(f.program.explain())
        5 recorded ops became 2 statements: too narrow to lift, so it runs as straight-line Python
        0 matrix products, 2 floating-point operations, 48 bytes moved, 72 bytes of memory
        """
        return explain(self, limit)

    def source(self) -> str:
        """Return the program as Python code that runs on its own.

        It defines ``program(inputs)``, which takes a list of numbers and arrays and returns one;
        its first lines say which.  What runs is the same, with memory planned ahead.  Where an
        operation is invalid, such as 0·inf, it gives nan, and the compiled function asks the
        original one instead.

        Raises
        ------
        TypeError
            If it calls functions of the engine that have no source to be printed.
        """
        return source(self)

    def stats(self) -> dict[str, Any]:
        """Return figures of the program.

        Returns
        -------
        dict
            ``kind``, ``recorded_ops``, ``instructions``, ``by_op``, ``matrix_products``,
            ``gathered_elements``, ``flops``, ``bytes_moved``, ``memory_bytes`` (all that it holds
            while it runs), ``guards``, ``build_seconds`` by pass, ``calls``, ``moves`` (how often
            it had to leave memory that somebody else kept).
        """
        return figures(self)

    # ---------------------------------------------------------------------------- set up

    def _set_up(self) -> None:
        """Give the program memory, and write the functions that feed it and write back."""
        program, surface = self.program, self.surface
        checked: list[int] = []
        memories: dict[Cell, Any] = {}
        exe: Any
        if program.place:
            checked = checked_rows(program, surface.leaving)
            by_factors = [row for row in checked if has_small_factors(program, row)]
            exe = Executable(program, surface.guards, by_factors, borrowable(program, checked))
            memories = {
                program.params[i]["cell"]: exe.array(i)
                for i, name in enumerate(program.op) if name == "input" and i not in exe.borrowed
            }  # fmt: skip
        else:
            exe = StraightCode(program, surface.guards)
        self.exe = exe
        self.quiet = None if exe.calls_out else _quiet_context()
        delivery = Delivery(surface, exe, memories, lend=self.moves < MOST_MOVES)
        self.deliver = delivery.deliver
        self.lent = Lent(delivery.lent, memories, surface.reached)
        feed = Feed(surface, exe, self.lent)
        self.load, self.vectors, self.draws = feed.load, feed.vectors, feed.draws
        self.last: list[Any] = [None] * len(self.vectors)
        self.unknown = nan_check(exe, surface.leaving, checked, Text(surface.reached))

    # --------------------------------------------------------------------------------- run

    def run(self, flat: list[Any], *, fresh: bool = False) -> Any:
        """Load inputs, run, write back; MISS if this is not the path for these inputs.

        Parameters
        ----------
        flat : list
            The arguments.
        fresh : bool
            Whether it was recorded with them just now.

        Raises
        ------
        FloatingPointError
            If an operation was invalid, such as 0·inf: nothing has been written then.
        """
        rngs = self.surface.generators
        states = [rng.bit_generator.state for rng in rngs] if rngs else None
        held = self.load(flat, fresh)
        if held is MISS:
            return MISS
        if self.lent.is_shared(held):
            self._move()
            held = self.load(flat, fresh)
        if held is not None:
            self.lent.take_in(held)
        if self.vectors:
            self._load_vectors()
        for rng, memory in self.draws:
            np.random.default_rng(rng).random(out=memory)
        if self.quiet is None:
            with np.errstate(all="ignore"):
                holds = self._compute(flat, states)
        else:
            holds = self.quiet.run(self._compute, flat, states)
        if not holds:
            return MISS
        self.calls += 1
        if held is not None:
            self.lent.hand_out(flat)
        return self.deliver(flat)  # last: hooks that it calls see the parameters of this run

    def _compute(self, flat: list[Any], states: Any) -> bool:
        """Run and commit the program; False, with nothing changed, if a guard does not hold."""
        exe = self.exe
        try:
            holds = exe.run(flat) is not False
            if holds and self.unknown():
                raise FloatingPointError("the result is not a number")
        except BaseException as error:
            self._rewind(states)
            if isinstance(error, exe.eager_errors):
                raise FloatingPointError from error
            raise
        if holds:
            exe.commit()
        else:
            self._rewind(states)
        return holds

    def _load_vectors(self) -> None:
        last = self.last
        for k, (owners, memory) in enumerate(self.vectors):
            now = [p._data for p in owners]
            if now != last[k]:
                memory[...] = now
                last[k] = now

    def _move(self) -> None:
        """Leave the memory to whoever else refers to it, and go on in memory of our own.

        That is somebody who kept an older view, or a graph that needs it.
        """
        self.moves += 1
        self._set_up()

    def _rewind(self, states: Any) -> None:
        if states:
            for rng, state in zip(self.surface.generators, states, strict=True):
                rng.bit_generator.state = state
