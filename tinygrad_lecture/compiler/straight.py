"""Pass 5, the other way: straight-line Python on floats, one statement per op.

A graph that is too narrow to lift, such as a long chain, gains nothing from array ops; written
out as Python, without objects and without a tape, it still runs many times faster than eagerly.
With ``exact=True`` everything runs like this: each op by the very function that the engine calls,
so that the results are the same to the last bit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.modes import HOT
from ..engine.ops import TABLE
from .execute import caller, slots_of
from .program import Program
from .ufuncs import UFUNCS

__all__ = ["StraightCode"]

STATEMENTS = 2000
"""Statements per function: the time that Python takes to compile one grows with its length."""

COMPARISONS = {
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==",
    "not_equal": "!=",
}  # fmt: skip
LOGIC = {
    "logical_not": "not {0}", "logical_xor": "bool({0}) != bool({1})",
    "logical_and": "{0} and {1}", "logical_or": "{0} or {1}", "isnan": "{0} != {0}",
}  # fmt: skip


class StraightCode:
    """A program as Python functions over a list of results.

    Attributes
    ----------
    results : list
        What lives longer than a function: inputs, outputs, and what later functions read.
    slot : dict of int to int
        Where in `results` a row lies.
    texts : list of str
        The functions.
    """

    late: Sequence[str] = ()
    eager_errors: tuple[type[Exception], ...] = (ArithmeticError, ValueError)  # Python's floats

    def __init__(self, program: Program, guards: Sequence[tuple[int, bool]] = ()) -> None:
        self.program = program
        self.names: dict[str, Any] = dict(HOT)
        self.results: list[Any] = []
        self.slot: dict[int, int] = {}
        self.texts: list[str] = []
        self.asked: dict[int, bool] = {}
        self.called: dict[str, int] = {}
        self.templates: dict[str, str] = {}
        for row, outcome in guards:
            self.asked[row] = outcome
        self._write()

    @property
    def calls_out(self) -> bool:
        """Whether it calls anything but Python's and NumPy's functions of numbers."""
        return bool(self.called)

    def run(self, flat: Any = ()) -> Any:
        """Compute all rows; False if a guard does not hold."""
        for function in self.functions:
            if function() is False:
                return False
        return None

    def memory_bytes(self) -> int:
        """Return how much memory the results hold between runs."""
        return sum(x.nbytes if isinstance(x, np.ndarray) else 24 for x in self.results)

    def commit(self) -> None:
        """Do nothing: results are written back by who runs this."""

    # ---------------------------------------------------------------------------- writing

    def _write(self) -> None:
        program = self.program
        program.args = list(program.args)  # read one by one
        sources = [i for i, args in enumerate(program.args) if not args]
        rest = [i for i, args in enumerate(program.args) if args]
        part = {i: k // STATEMENTS for k, i in enumerate(rest)}
        for i in sources:
            if program.op[i] != "const" or program.shape[i]:
                self._keep(i)
            if program.op[i] == "const" and program.shape[i]:
                self.results[self.slot[i]] = program.params[i]["value"]
        for i in rest:
            for a in program.args[i]:
                if a in part and part[a] != part[i]:
                    self._keep(a)
        for i in program.outputs:
            if program.op[i] != "const":
                self._keep(i)
            else:
                self._keep(i)
                self.results[self.slot[i]] = program.params[i]["value"]
        self.functions: list[Callable[[], Any]] = []
        for start in range(0, len(rest), STATEMENTS):
            self._function(rest[start : start + STATEMENTS])
        if not rest:
            self._function([])

    def _keep(self, i: int) -> None:
        if i not in self.slot:
            self.slot[i] = len(self.results)
            self.results.append(None)

    def _function(self, rows: list[int]) -> None:
        local: dict[int, str] = {}
        lines: list[str] = []
        if not self.functions:
            lines += self._questions([i for i in self.asked if not self.program.args[i]], local)
        for i in rows:
            expression = self._expression(
                i, [self._operand(a, local) for a in self.program.args[i]]
            )
            local[i] = f"t{i}"
            target = f"t{i} = r[{self.slot[i]}]" if i in self.slot else f"t{i}"
            lines.append(f"{target} = {expression}")
            if i in self.asked:
                lines += self._questions([i], local)
        self.names["r"] = self.results
        text = "def run():\n" + "".join(f"    {line}\n" for line in lines or ["pass"])
        scope: dict[str, Any] = {}
        exec(compile(text, "<compiled program>", "exec"), self.names, scope)
        self.texts.append(text)
        self.functions.append(scope["run"])

    def _questions(self, rows: list[int], local: dict[int, str]) -> list[str]:
        return [
            f"if bool({self._operand(i, local)}) is not {self.asked[i]}: return False" for i in rows
        ]

    def _operand(self, a: int, local: dict[int, str]) -> str:
        if a in local:
            return local[a]
        program = self.program
        if program.op[a] == "const" and program.shape[a] == ():
            value = program.params[a]["value"]
            text = repr(float(value))
            return f"({text})" if np.isfinite(value) else f"float({text!r})"
        return f"r[{self.slot[a]}]"

    def _expression(self, i: int, names: list[str]) -> str:
        program = self.program
        op, params = program.op[i], program.params[i]
        row = TABLE.get(op)
        scalar = program.shape[i] == () and not any(program.shape[a] for a in program.args[i])
        if scalar and not params:
            if op in COMPARISONS:
                return f"float({names[0]} {COMPARISONS[op]} {names[1]})"
            if op in LOGIC:
                return f"float({LOGIC[op].format(*names)})"
            if row is not None and row.on_floats:
                if op not in self.templates:
                    self.templates[op] = _template(row.on_floats)
                return self.templates[op].format(*names)
        run = params.get("_row") or row
        if run is None:  # a plain function
            return self._call(i, lambda *values: _outcome(UFUNCS[op](*values)), names)
        rest = {k: v for k, v in params.items() if k != "_row"}
        count = len(names) - len(slots_of(rest))
        call = caller(run.run, rest, count)
        return self._call(i, lambda *values: _outcome(call(*values)), names)

    def _call(self, i: int, function: Any, names: list[str]) -> str:
        name = f"{self.program.op[i]}_{i}"
        self.names[name] = function
        self.called[name] = i
        return f"{name}({', '.join(names)})"


def _outcome(x: Any) -> Any:
    return x if isinstance(x, np.ndarray) and x.ndim else float(x)


def _template(text: str) -> str:
    """Return an expression of x and y as a template for `str.format`."""
    escaped = text.replace("{", "{{").replace("}", "}}")
    places = {"x": "{0}", "y": "{1}"}
    return "(" + re.sub(r"\b[xy]\b", lambda m: places[m.group()], escaped) + ")"
