"""Boolean expressions as text: read by an own tokenizer, never by ``eval``.

The grammar and its precedence are Python's, for the operators that make sense for truth values::

    or  <  and  <  not  <  |  <  ^  <  &  <  ~

``!`` and ``¬`` are other signs for ``~``, ``∧`` for ``&``, ``∨`` for ``|``, ``⊕`` for ``^``;
constants are ``0``, ``1``, ``False`` and ``True``, and every other word is a variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

__all__ = ["Expression", "ExpressionError"]

SPELLINGS = {"!": "~", "¬": "~", "∧": "&", "∨": "|", "⊕": "^"}
CONSTANTS = {"0": False, "1": True, "False": False, "True": True}
PREFIX = {"not": 3, "~": 7}
BINARY = {"or": 1, "and": 2, "|": 4, "^": 5, "&": 6}
EVALUATE: dict[str, Callable[..., Any]] = {
    "or": np.logical_or, "|": np.logical_or, "and": np.logical_and, "&": np.logical_and,
    "^": np.logical_xor, "not": np.logical_not, "~": np.logical_not,
}  # fmt: skip

_TOKEN = re.compile(r"\s*(?:([^\W\d]\w*|[01]\b)|([()~!¬&∧|∨^⊕]))")


class ExpressionError(UsageError):
    """Text that is no Boolean expression; the message starts with the column of the fault.

    Attributes
    ----------
    column : int
        Place of the fault, counted from 1.
    """

    def __init__(self, column: int, message: str) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column


@dataclass(frozen=True)
class Expression:
    """A Boolean expression that was read from text.

    Attributes
    ----------
    text : str
    names : tuple of str
        Its variables, in the order in which they appear first.
    postfix : tuple of str
        Variables, constants and operators in the order of their evaluation.

    Examples
    --------
    >>> from tinygrad_lecture.logic import Expression
    >>> xor = Expression.parse("(a | b) & ~(a & b)")
    >>> xor.names, xor.postfix
    (('a', 'b'), ('a', 'b', '|', 'a', 'b', '&', '~', '&'))
    >>> bool(xor.evaluate({"a": True, "b": False}))
    True
    """

    text: str
    names: tuple[str, ...]
    postfix: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Read an expression.

        Nesting may be as deep as the text is long: there is no recursion.

        Raises
        ------
        ExpressionError
            With the column of the fault and what was expected there.

        Examples
        --------
        >>> from tinygrad_lecture.logic import Expression, ExpressionError
        >>> try:
        ...     Expression.parse("a & | b")
        ... except ExpressionError as error:
        ...     print(error)
        column 5: a variable, 0, 1, "not", "~" or "(" was expected, got "|"
        """
        # Dijkstra's shunting yard: operators wait on a stack until one that binds less comes.
        output: list[str] = []
        waiting: list[tuple[str, int]] = []
        names: dict[str, None] = {}
        operand_next = True

        def release(precedence: int) -> None:
            while waiting and _precedence(waiting[-1][0]) >= precedence:
                output.append(waiting.pop()[0])

        for token, column in _tokens(text):
            if operand_next:
                if token in PREFIX or token == "(":
                    _check_not(token, column, waiting)
                    waiting.append((token, column))
                    continue
                if token in BINARY or token == ")":
                    raise _unexpected(token, column)
                if token not in CONSTANTS:
                    names[token] = None
                output.append(token)
                operand_next = False
            elif token in BINARY:
                release(BINARY[token])
                waiting.append((token, column))
                operand_next = True
            elif token == ")":
                release(1)
                if not waiting:
                    raise ExpressionError(column, 'this ")" closes nothing')
                waiting.pop()
            else:
                raise ExpressionError(
                    column, f'an operator (&, |, ^, and, or) or ")" was expected, got "{token}"'
                )
        if operand_next:
            raise _unexpected("the end", len(text) + 1)
        release(1)
        if waiting:
            raise ExpressionError(waiting[-1][1], 'this "(" is never closed')
        return cls(text, tuple(names), tuple(output))

    def evaluate(self, values: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Return the truth values for those of the variables, which may be arrays.

        Parameters
        ----------
        values : mapping of str to bool or array_like of bool
            A value for each of ``names``; arrays broadcast.
        """
        stack: list[Any] = []
        for token in self.postfix:
            if token in PREFIX:
                stack.append(EVALUATE[token](stack.pop()))
            elif token in BINARY:
                right, left = stack.pop(), stack.pop()
                stack.append(EVALUATE[token](left, right))
            else:
                stack.append(CONSTANTS[token] if token in CONSTANTS else values[token])
        return np.asarray(stack.pop(), dtype=bool)


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Yield the tokens with their columns."""
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            column = position + 1 + len(text[position:]) - len(text[position:].lstrip())
            sign = text[column - 1]
            hint = "; the only numbers are 0 and 1" if sign.isdigit() else ""
            raise ExpressionError(column, f"{sign!r} cannot be part of an expression{hint}")
        group = match.lastindex or 0
        token = match.group(group)
        yield SPELLINGS.get(token, token), match.start(group) + 1
        position = match.end()


def _precedence(token: str) -> int:
    return PREFIX.get(token) or BINARY.get(token, 0)  # 0 for "(": only ")" takes it away


def _check_not(token: str, column: int, waiting: list[tuple[str, int]]) -> None:
    """Refuse ``a & not b``, as Python does: ``not`` binds less than ``&``."""
    if token == "not" and waiting and _precedence(waiting[-1][0]) > PREFIX["not"]:
        raise ExpressionError(
            column, f'"not" after "{waiting[-1][0]}" needs parentheses; or write "~"'
        )


def _unexpected(token: str, column: int) -> ExpressionError:
    got = token if token == "the end" else f'"{token}"'
    return ExpressionError(
        column, f'a variable, 0, 1, "not", "~" or "(" was expected, got {got}'
    )  # fmt: skip
