"""`op`: a user's own elementwise op, as one row."""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
from collections.abc import Callable
from typing import Any

import numpy as np

from ..value import apply, raw
from .fast import ARGUMENTS, document, text_rule
from .table import NAMES, PUBLIC, TABLE, UFUNCS, elementwise_row, register


def op(
    name: str,
    forward: Callable[..., Any],
    derivatives: str | Callable[..., Any] | tuple[str | Callable[..., Any], ...],
    *,
    domain: tuple[float, float] | tuple[tuple[float, float], ...] = (-2.0, 2.0),
    symbol: str | None = None,
    formula: str = "",
    analytic: bool = False,
    summary: str = "",
) -> Callable[..., Any]:
    """Add an elementwise op as one row, and return its function.

    It is then recorded, differentiated (to any order and in both modes), checked by
    ``gradcheck --builtin``, drawn and printed like the built-in ones.

    Parameters
    ----------
    name : str
        An identifier that the op table does not have yet.
    forward : callable
        ``forward(x)`` or ``forward(x, y)``: the value, on arrays and on numbers.
    derivatives : str or callable, or a tuple with one per operand
        The local derivatives: text in terms of ``x``, ``y`` and ``out`` that may use every tg
        function by its name, such as ``"1 - out * out"``; or a callable ``(out, x)``,
        ``(out, x, y)`` written in tg functions and operators, so that it has derivatives itself.
    domain : (low, high), or one such pair per operand
        Where the op is smooth and may be tested.
    symbol, formula, summary : str, optional
        For pictures, tables and the docstring.
    analytic : bool
        Whether `forward` accepts complex arrays, for the complex step.

    Returns
    -------
    callable
        The op; its row is ``function.row``.

    Raises
    ------
    ValueError, TypeError
        If the name is taken or no identifier, or parts do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> gauss = tg.op("gauss", lambda x: np.exp(-x * x), "-2 * x * out", domain=(-2, 2))
    >>> tg.grad(gauss)(0.5), tg.grad(tg.grad(gauss))(0.0)
    (-0.7788007830714049, -2.0)
    >>> tg.remove_op("gauss")
    """
    if not str(name).isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"name={name!r} has to be an identifier, as it becomes a function's name")
    if name in TABLE:
        raise ValueError(f"name={name!r}: the op table has that row already; choose another name")
    if name in NAMES:
        raise ValueError(f"name={name!r} means something else in derivative texts; choose another")
    if not callable(forward):
        raise TypeError(f"forward has to be callable, not {type(forward).__name__}")
    rules = derivatives if isinstance(derivatives, tuple) else (derivatives,)
    arity = len(rules)
    if arity not in (1, 2):
        raise ValueError(f"derivatives: an op has one or two operands, and {arity} were given")
    _check_arity("forward", forward, arity)
    names = ", ".join(("out", *ARGUMENTS[:arity]))
    partials = []
    for rule in rules:
        if isinstance(rule, str):
            try:
                _check_names(rule, names.split(", "))
                rule = text_rule(name, names, rule)
            except SyntaxError as error:
                raise ValueError(
                    f"derivatives: {rule!r} is not an expression: {error.msg}"
                ) from None
        elif callable(rule):
            _check_arity("derivatives", rule, arity + 1)
        else:
            raise TypeError(f"derivatives have to be text or callables, not {type(rule).__name__}")
        partials.append(rule)
    where = domain if isinstance(domain[0], tuple) else (domain,) * arity
    if len(where) != arity or any(not low <= high for low, high in where):
        raise ValueError(f"domain={domain} has to give low <= high for each of {arity} operands")
    row = elementwise_row(
        name, forward, tuple(partials), symbol=symbol or name,
        formula=formula or f"{name}({names[5:]})",
        derivatives=tuple(r if isinstance(r, str) else "by a callable" for r in rules),
        domain=tuple((float(low), float(high)) for low, high in where),
        analytic=analytic,
    )  # fmt: skip

    def function(*args: Any) -> Any:
        if len(args) != arity:
            raise TypeError(
                f"{name} takes {arity} operand{'s' * (arity > 1)}, and {len(args)} came"
            )
        out = apply(row, args)
        shapes = [np.shape(raw(a)) for a in (*args, out)]
        if shapes[-1] != np.broadcast_shapes(*shapes[:-1]):
            raise ValueError(
                f"forward of {name} gave shape {shapes[-1]} for operands of shapes {shapes[:-1]}: "
                "an op works element by element; write others in terms of tg functions"
            )
        return out

    function.__name__ = function.__qualname__ = name
    function.__doc__ = document(row, summary, None)
    function.row = row  # type: ignore[attr-defined]
    fresh = isinstance(forward, np.ufunc) and forward not in UFUNCS
    register(row, function, [forward] if fresh else [])
    return function


def _check_names(text: str, arguments: list[str]) -> None:
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if isinstance(node, ast.Name) and node.id not in (*arguments, *NAMES, *dir(builtins)):
            raise ValueError(
                f"derivatives: {text!r} uses {node.id!r}, and texts know {', '.join(arguments)} "
                "and the tg functions by their names"
            )


def _check_arity(what: str, function: Callable[..., Any], n: int) -> None:
    try:
        inspect.signature(function).bind(*(0.0,) * n)
    except TypeError:
        raise TypeError(f"{what} has to take {n} argument{'s' * (n > 1)}") from None
    except ValueError:
        return  # NumPy's ufuncs have no signature to look at


def remove_op(name: str) -> None:
    """Take a user's op out of the table again.

    Raises
    ------
    KeyError
        If no user's op has that name.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> f = tg.op("doubled", lambda x: 2 * x, "2.0")
    >>> tg.remove_op("doubled")
    """
    if name not in TABLE or name in BUILTIN:
        raise KeyError(f"name={name!r} is not a user's op")
    for ufunc in [u for u, function in UFUNCS.items() if function is PUBLIC[name]]:
        del UFUNCS[ufunc]
    del TABLE[name], PUBLIC[name], NAMES[name]


BUILTIN = frozenset(TABLE)
