"""`record`: a tape with marked inputs and outputs, which replays the ops one by one.

Slow, obvious, and the reference for all that the passes of the compiler do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import Tape, nest
from ..engine.recording import Cell, Recorder
from ..engine.sweep import operands, parameters
from ..engine.value import Value, raw
from .program import Program
from .record import Recording, run_traced, take_down, traced_params

__all__ = ["BranchError", "Recorded", "record"]


class BranchError(RuntimeError):
    """New inputs take another branch than the recorded one."""


class Recorded(Tape):
    """A tape with marked inputs and outputs that runs again with new inputs.

    Made by `record`.  Each run goes through the recorded ops one by one.

    Attributes
    ----------
    inputs : list of Value
        What stands for the arguments.
    outputs : nest
        What the function returned.
    """

    def __init__(
        self, function: Callable[..., Any], recorder: Recorder, structure: Any, flat: list[Any]
    ) -> None:
        self._function = function
        self._recorder, self._structure, self._flat = recorder, structure, flat
        self._recording = take_down(recorder)
        super().__init__(recorder.result)
        self.inputs = [v for cell, v in recorder.inputs.items() if cell.kind == "argument"]

    def replay(self, *args: Any, **kwargs: Any) -> Any:
        """Run the recorded ops, one by one, on new arguments of the same nest and shapes.

        Leaves that the function closed over are read anew, random ops draw afresh; nothing is
        written to them.

        Returns
        -------
        nest
            Raw outputs.

        Raises
        ------
        ValueError
            If nest or shapes differ from those of the recording.
        BranchError
            If a comparison that Python branched on comes out differently, naming its file and
            line: the recorded ops would answer from the wrong path.
        """
        flat, structure = nest.flatten((args, kwargs))
        if structure != self._structure:
            raise ValueError(
                f"the arguments have the structure {structure}, and {self._structure} was recorded"
            )
        for i, (x, old) in enumerate(zip(flat, self._flat, strict=True)):
            if np.shape(raw(x)) != np.shape(raw(old)):
                raise ValueError(
                    f"argument {i} has shape {np.shape(raw(x))}, and {np.shape(raw(old))} was "
                    "recorded"
                )
        results = interpret(self._recording, flat)
        leaves = [results[i] if i >= 0 else constant for i, constant in self._recording.results]
        if not self._recording.outputs and any(
            np.any(np.isnan(x)) for x in leaves if _is_number(x)
        ):
            # recorded, a derivative has no short cut for zero adjoints: 0·inf is nan
            with np.errstate(all="ignore"):
                return nest.nest_map(raw, self._function(*args, **kwargs))
        return nest.unflatten(self._recording.structure, leaves)


def _is_number(x: Any) -> bool:
    return isinstance(x, float) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")


def read_cell(cell: Cell, flat: list[Any]) -> Any:
    """Return what a place holds now, bare."""
    owner = flat[cell.owner] if isinstance(cell.owner, int) else cell.owner
    if cell.kind == "argument":
        return raw(owner)
    if cell.kind == "data":
        return owner._data
    if cell.kind == "grad":
        return owner._grad
    if cell.kind == "element":
        return owner[cell.key[0]][cell.key[1]]
    return owner[cell.key]


def interpret(recording: Recording, flat: list[Any]) -> dict[int, Any]:
    """Run the recorded ops one by one; return the result of each row."""
    out: dict[int, Any] = {}
    program = recording.program
    drawn = {i: np.random.default_rng(d.rng).random(d.shape) for i, d in recording.draws}
    with np.errstate(all="ignore"):
        for v, i in zip(recording.nodes, recording.rows, strict=True):
            if i in out:
                continue
            x: Any
            if v._a is None:
                if i in drawn:
                    x = drawn[i]
                elif program.op[i] == "input":
                    x = read_cell(program.params[i]["cell"], flat)
                    x = float(x) if program.shape[i] == () else np.asarray(x, program.dtype[i])
                else:
                    x = v._data
                out[i] = x
                continue
            ids = program.args[i]
            args = [_constant_or(program, out, k) for k in ids]
            params = _filled(parameters(v), args, recording)
            count = len(operands(v))
            x = v._op.run(args[:count], params)
            out[i] = x if isinstance(x, np.ndarray) and x.ndim else float(x)
    for i, outcome, (file, line) in recording.guards:
        if bool(out[i]) != outcome:
            raise BranchError(
                f"the comparison at {file}:{line} came out {not outcome}, and {outcome} was "
                "recorded: these inputs take another path; record again, or use tg.compile, which "
                "keeps one program per path"
            )
    for i in [i for i, _ in recording.results if i >= 0]:
        out.setdefault(i, _constant_or(program, out, i))
    return out


def _constant_or(program: Program, out: dict[int, Any], i: int) -> Any:
    return program.params[i]["value"] if program.op[i] == "const" else out[i]


def _filled(params: Any, args: list[Any], recording: Recording) -> Any:
    """Return parameters with the data of what is traced in them."""
    count = len(args)
    traced = iter(args[count - len(traced_params(params)) :])

    def fill(x: Any) -> Any:
        if isinstance(x, Value):
            return next(traced)
        if isinstance(x, dict):
            return {k: fill(item) for k, item in x.items()}
        if type(x) in (tuple, list):
            return type(x)(fill(item) for item in x)
        return x

    return fill(params)


def record(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Recorded:
    """Run a function once, and keep its tape with marked inputs and outputs.

    Parameters
    ----------
    function : callable
        Of numbers, arrays, Values or nests of them; derivative-taking functions included.
    *args, **kwargs
        Example inputs.  Numbers and arrays among them become inputs of the tape; leaves that the
        function closes over are inputs as well, read anew at each replay.

    Returns
    -------
    Recorded
        A `Tape` whose ``replay(*args)`` runs the ops again.

    Raises
    ------
    RecordingError
        If the function does what a record cannot repeat: prints a value, converts it to a float,
        uses it as an index.
    TypeError
        If nothing that it returns depends on an input.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tape = tg.record(tg.value_and_grad(lambda x: x * x), 3.0)
    >>> tape.replay(5.0)
    (25.0, 10.0)
    """
    flat, structure = nest.flatten((args, kwargs))
    return Recorded(function, run_traced(function, args, kwargs), structure, flat)
