"""Elementwise rows from texts, each with a fast function on scalars.

This is the one place where code is generated: a function per elementwise row, with the row's own
texts written into it.  It records a scalar without calling anything but the float function
itself.  Whatever it does not cover (arrays, modes, points where Python's floats raise instead of
following IEEE) goes to `apply`.

Compiling forty functions would take a third of the time that importing the package takes, so
each is compiled when it is first called.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from inspect import Parameter, Signature
from types import FunctionType
from typing import Any

import numpy as np

from ..modes import HOT
from ..value import Value, apply, new, next_number
from .table import NAMES, Op, Rule, elementwise_row, register

ARGUMENTS = ("x", "y", "z")
_POSITIONAL = Parameter.POSITIONAL_ONLY

_RECORD = """
{pad}    v._op = row_{name}
{pad}    v._a = {a}
{pad}    v._b = {b}
{pad}    v._grad = None
{pad}    v._n = next_number()
{pad}    return v
"""

_ATTEMPT = """
{pad}    v = new(Value)
{pad}    try:{extra}
{pad}        v._data = out = {value}
{pad}        v._p = {p}
{pad}        v._q = {q}
{pad}    except (ArithmeticError, ValueError):
{pad}        return apply(row_{name}, {args})"""

_UNARY = """
def op_{name}(a, /):
    if type(a) is Value and not special:
        x = a._data
        if type(x) is float:{unary}
    return apply(row_{name}, (a,))
"""

_BINARY = """
def op_{name}(a, b, /):
    if type(a) is Value and not special:
        x = a._data
        if type(x) is float:
            if type(b) is Value:
                y = b._data
                if type(y) is float:{both}
            elif type(b) is float or type(b) is int:{first}
    return apply(row_{name}, (a, b))
"""

_REFLECTED = """
def reflected_{name}(b, a, /):
    if type(b) is Value and not special and (type(a) is float or type(a) is int):
        y = b._data
        if type(y) is float:{second}
    return apply(row_{name}, (a, b))
"""

HOT.update(
    {f: getattr(math, f) for f in dir(math) if not f.startswith("_")},
    Value=Value, apply=apply, new=new, next_number=next_number,
)  # fmt: skip


def elementwise(
    name: str,
    value: str,
    derivatives: str | tuple[str, ...],
    array: Rule,
    *,
    scalar: tuple[str, ...] | None = None,
    numpy: Sequence[Any] | None = None,
    branch: str | None = None,
    operator: str | None = None,
    summary: str = "",
    example: tuple[str, str] | None = None,
    **fields: Any,
) -> Any:
    """Make an elementwise row from texts, and return its public function.

    Parameters
    ----------
    name, value, derivatives : str
        The op, its value and its local derivatives in terms of x, y and out.
    array : callable
        The value on arrays and, where Python's floats would raise, on NumPy scalars.
    scalar : tuple of str, optional
        Value and derivatives on Python floats, where these need other words.
    numpy : sequence of NumPy functions, optional
        What dispatches here; `array` itself if it is a ufunc.
    branch : str, optional
        Which piece each element is on, for a kinked op.
    operator : str, optional
        Python's operator of two operands, without the underscores.
    **fields
        See `elementwise_row`.
    """
    texts = (derivatives,) if isinstance(derivatives, str) else derivatives
    arity = len(texts)
    names = ", ".join(ARGUMENTS[:arity])
    row = elementwise_row(
        name, array, tuple(text_rule(name, f"out, {names}", text) for text in texts), formula=value,
        on_floats=(scalar or (value,))[0], derivatives=texts,
        branch=text_rule(name, names, branch) if branch else None, **fields,
    )  # fmt: skip
    on_floats, *slopes = scalar or (value, *texts)
    row = replace(row, run=_run_of(name, names, on_floats, row.run))
    HOT[f"row_{name}"] = row
    function = _deferred(f"op_{name}", _source(name, on_floats, slopes))
    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = document(row, summary, example)
    function.__signature__ = Signature([Parameter(n, _POSITIONAL) for n in ARGUMENTS[:arity]])
    ufuncs = [array] if isinstance(array, np.ufunc) else []
    register(row, function, ufuncs if numpy is None else numpy)
    if operator:
        setattr(Value, f"__{operator}__", function)
        source = _reflected_source(name, on_floats, slopes[-1])
        setattr(Value, f"__r{operator}__", _deferred(f"reflected_{name}", source))
    return function


def _run_of(name: str, names: str, on_floats: str, on_arrays: Any) -> Any:
    """Return the primal of raw operands: of floats by the same text as for scalar Values."""
    made: list[Any] = []

    def run(values: Sequence[Any], params: dict[str, Any]) -> Any:
        if type(values[0]) is float and type(values[-1]) is float:
            if not made:
                text = f"lambda {names}: {on_floats}"
                made.append(eval(compile(text, f"<op {name}>", "eval"), HOT))
            try:
                return made[0](*values)
            except (ArithmeticError, ValueError):  # where Python's floats raise, NumPy's go on
                pass
        return on_arrays(values, params)

    return run


def _deferred(name: str, source: str) -> Any:
    """Return the function `name` that `source` defines, to be compiled at its first call."""
    function = FunctionType(_first_call.__code__, HOT, name)
    function.__kwdefaults__ = {"_build": lambda: _build(function, name, source)}
    return function


def _first_call(*args: Any, _build: Any) -> Any:
    return _build()(*args)


def _build(function: FunctionType, name: str, source: str) -> FunctionType:
    """Give a deferred function its own code; from then on it is as if it had always had it."""
    scope: dict[str, Any] = {}
    exec(compile(source, f"<op {name.partition('_')[2]}>", "exec"), HOT, scope)
    function.__code__ = scope[name].__code__
    function.__kwdefaults__ = None
    return function


def text_rule(name: str, params: str, text: str) -> Rule:
    """Make a rule from the text of an expression; SyntaxError if it is none."""
    rule: Rule = eval(compile(f"lambda {params}: {text}", f"<op {name}>", "eval"), NAMES)
    return rule


def _block(
    depth: int, name: str, value: str, *, a: str, b: str, p: str, q: str | None = None,
    extra: str = "", args: str = "(a, b)",
) -> str:  # fmt: skip
    """Return the lines that record one scalar op."""
    pad = "    " * depth
    extra = extra and f"\n{pad}        {extra}"
    return (_ATTEMPT + _RECORD).format(
        name=name, pad=pad, extra=extra, value=value, p=p, q=q, args=args, a=a, b=b
    )


def _source(name: str, value: str, slopes: Sequence[str]) -> str:
    """Return the source of the fast function of a row."""
    if len(slopes) == 1:
        unary = _block(2, name, value, a="a", b="None", p=slopes[0], args="(a,)")
        return _UNARY.format(name=name, unary=unary)
    dx, dy = slopes
    return _BINARY.format(
        name=name,
        both=_block(4, name, value, a="a", b="b", p=dx, q=dy),
        first=_block(3, name, value, a="a", b="y", p=dx, extra="y = b * 1.0"),
    )


def _reflected_source(name: str, value: str, slope: str) -> str:
    """Return the source of the function behind a reflected operator, as in 2 - x."""
    second = _block(2, name, value, a="b", b="(x,)", p=slope, extra="x = a * 1.0")
    return _REFLECTED.format(name=name, second=second)


def document(row: Op, summary: str, example: tuple[str, str] | None) -> str:
    """Write the docstring of an elementwise row from what the row states."""
    names = ARGUMENTS[: row.arity]
    slopes = "\n".join(f"    d/d{n} = {t}" for n, t in zip(names, row.derivatives, strict=True))
    text = (
        f"{summary or row.name}, elementwise.\n\n    out = {row.formula}\n{slopes}\n\n"
        f"Parameters\n----------\n{', '.join(names)} : number, array_like or Value\n"
        "    Broadcast against each other.\n\n"
        "Returns\n-------\nfloat, ndarray or Value\n    A Value if an operand is one.\n"
    )
    if example:
        at, slope = example
        text += (
            "\nExamples\n--------\n>>> import tinygrad_lecture as tg\n"
            f">>> tg.grad(tg.{row.name})({at})\n{slope}\n"
        )
    return text
