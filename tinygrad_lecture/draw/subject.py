"""What is drawn: a tape, and what its Values are called, from whatever was handed in."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from ..engine import Tape, Value, nest
from ..engine.parts import Part, watch_parts
from ..errors import UsageError

__all__ = ["Subject", "run", "subject_of"]

_PACKAGE = str(Path(__file__).parents[1])


@dataclass(frozen=True)
class Subject:
    """What is drawn.

    Attributes
    ----------
    tape : Tape
    names : dict of int to str
        From ``id(value)`` to what Values without a name of their own are called.
    parts : list of Part
        Calls of modules while a function was run.
    called : str
        Name of the function or module that was run; empty for what had been computed before.
    """

    tape: Tape
    names: dict[int, str]
    parts: list[Part] = field(default_factory=list)
    called: str = ""


def subject_of(obj: Any, inputs: tuple[Any, ...]) -> Subject:
    """Return what there is to draw of a Value, a nest of them, a Tape, or a function with inputs.

    Raises
    ------
    UsageError
        If it is something else, inputs come with what has been computed, or the function returns
        no Value.
    """
    computed = any(isinstance(item, Value) for item in nest.flatten(obj)[0])
    if isinstance(obj, Tape) or computed:
        if inputs:
            raise UsageError("inputs go with a module or function; a Value has been computed")
        tape = obj if isinstance(obj, Tape) else Tape(obj)
        return Subject(tape, _distinct(tape, _caller_names()))
    if callable(obj):
        tape, names, parts = run(obj, inputs)
        return Subject(
            tape, _distinct(tape, names), parts, getattr(obj, "__name__", type(obj).__name__)
        )
    raise UsageError(
        "what is drawn must be a Value, a Tape, a module or function with its inputs, or a "
        f"compiled function; got {type(obj).__name__}"
    )


def _distinct(tape: Tape, names: dict[int, str]) -> dict[int, str]:
    """Return the names without those that another Value has: of ``h = tanh(h)``, one is h."""
    taken = {v.name for v in tape.values if v.name}
    kept: dict[int, str] = {}
    for v in tape.values:
        name = names.get(id(v))
        if name is not None and not v.name and name not in taken:
            taken.add(name)
            kept[id(v)] = name
    return kept


def _caller_names() -> dict[int, str]:
    """Return what the variables of the code that asks for a picture call their Values."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return {} if frame is None else _named(frame.f_globals) | _named(frame.f_locals)


def _named(variables: Mapping[str, Any]) -> dict[int, str]:
    names: dict[int, str] = {}
    for name, x in variables.items():
        if name.startswith("_") or not name.isidentifier():  # a notebook's last results
            continue
        if isinstance(x, Value):
            names.setdefault(id(x), name)
        elif type(x) in (list, tuple) and len(x) <= 1000:
            for k, item in enumerate(x):
                if isinstance(item, Value):
                    names.setdefault(id(item), f"{name}[{k}]")
    return names


def run(
    function: Callable[..., Any], inputs: Iterable[Any]
) -> tuple[Tape, dict[int, str], list[Part]]:
    """Run a function once with tracked inputs; return tape, names of Values, calls of modules."""
    taken = [_tracked(x) for x in inputs]
    called = getattr(function, "forward", function)
    try:
        keys = list(inspect.signature(called).parameters.values())
    except (TypeError, ValueError):  # a builtin
        keys = []
    names: dict[int, str] = {}
    for k, x in enumerate(taken):
        one = k < len(keys) and keys[k].kind is not inspect.Parameter.VAR_POSITIONAL
        names.update(_named({keys[k].name if one else f"x{k}": x}))
    code = getattr(function, "__code__", None)

    def look(frame: FrameType, event: str, arg: Any) -> None:
        if event == "return" and frame.f_code is code:
            for id, name in _named(frame.f_locals).items():
                names.setdefault(id, name)

    before = sys.getprofile()
    with watch_parts() as parts:
        if code is not None:
            sys.setprofile(look)
        try:
            output = function(*taken)
        finally:
            if code is not None:
                sys.setprofile(before)
    if not any(isinstance(item, Value) for item in nest.flatten(output)[0]):
        raise UsageError(
            f"{getattr(function, '__name__', type(function).__name__)} returned no Value, so there "
            f"is nothing to draw: {type(output).__name__} came"
        )
    return Tape(output), names, parts


def _tracked(x: Any) -> Any:
    def track(leaf: Any) -> Any:
        number = isinstance(leaf, float) or (
            isinstance(leaf, (np.ndarray, np.floating)) and leaf.dtype.kind == "f"
        )
        return Value(leaf) if number else leaf

    return nest.nest_map(track, x)
