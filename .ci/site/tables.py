"""Pages that are generated from the code: ops, conventions, commands."""

from __future__ import annotations

import argparse
import inspect
import os
from collections.abc import Iterable
from unittest import mock

import tinygrad_lecture as tg
from tinygrad_lecture.cli import parser
from tinygrad_lecture.engine import TABLE, conventions

WIDTH = "88"
"""Columns of the commands' help; argparse asks the environment."""

OPS = """\
The table of ops
================

One op, one row: operators, NumPy's functions on a Value, both sweeps, the compiler, the gradient
tests and the pictures are derived from these {count} rows.  Derivatives are local ones: ``out`` is
the result, ``g`` the adjoint that comes in.  "Tested in" is where the gradient tests draw each
operand.  An op of your own is one more row: :py:obj:`tg.op`.
"""

CONVENTIONS = """\
Conventions at kinks and singular points
========================================

What the engine answers where calculus leaves a choice.  Each row is a test; in Python it is
:py:obj:`tg.conventions`, in a shell ``tinygrad-lecture conventions``.
"""

COMMANDS = """\
Commands
========

``tinygrad-lecture COMMAND``, or ``python -m tinygrad_lecture COMMAND``.
"""


def pages() -> dict[str, str]:
    """Return the generated pages as reStructuredText by path."""
    return {"ops.rst": ops(), "conventions.rst": kinks(), "commands.rst": commands()}


def ops() -> str:
    """Return the op table: all that its rows tell a reader."""
    head = ("name", "label", "kind", "value", "local derivatives", "tested in")
    return OPS.format(count=len(TABLE)) + _table(head, map(_op, TABLE), "ops")


def _op(name: str) -> tuple[str, ...]:
    row = TABLE[name]
    value = _code(row.formula)
    derivatives = "\n".join(map(_code, row.derivatives))
    if row.kind == "linear":
        derivatives = "linear: its transpose"
    elif row.kind == "composed":
        value = (inspect.getdoc(getattr(tg, name)) or "").split("\n\n")[0]
        derivatives = "those of the rows that it calls"
    elif not row.derivatives:
        derivatives = "a rule of its own"
    link = f":py:obj:`{name} <tg.{name}>`" if hasattr(tg, name) else name
    domain = "\n".join(f"{low:g} … {high:g}" for low, high in row.domain)
    return link, _code(row.symbol), row.kind, value, derivatives, domain


def kinks() -> str:
    """Return the table of conventions."""
    rows = [(_code(c.point), _code(str(c.answer)), c.reason) for c in conventions()]
    return CONVENTIONS + _table(("point", "derivative", "reason"), rows, "conventions")


def commands() -> str:
    """Return the help of all commands, as argparse prints it."""
    with mock.patch.dict(os.environ, COLUMNS=WIDTH):
        top = parser()
        action = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
        parts = [COMMANDS, _literal(top.format_help())]
        for name, command in action.choices.items():
            parts += [f"{name}\n{'-' * len(name)}\n", _literal(command.format_help())]
    return "\n".join(parts)


def _literal(text: str) -> str:
    lines = "\n".join(f"   {line}".rstrip() for line in text.splitlines())
    return f".. code-block:: text\n\n{lines}\n"


def _code(text: str) -> str:
    return f"``{text}``" if text else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], name: str) -> str:
    """Return a table; each line of a cell is a paragraph of its own."""
    lines = [f"\n.. list-table::\n   :header-rows: 1\n   :widths: auto\n   :class: {name}\n"]
    for row in (head, *rows):
        for k, cell in enumerate(row):
            first, *more = cell.split("\n")
            lines.append(f"   {'*' if k == 0 else ' '} - {first}".rstrip())
            lines += [f"\n       {line}" for line in more]
    return "\n".join(lines) + "\n"
