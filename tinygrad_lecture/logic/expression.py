"""Boolean expressions as text.

The grammar and its precedence are Python's, for the operators that make sense for truth values::

    or  <  and  <  not  <  |  <  ^  <  &  <  ~

``!`` and ``¬`` are other signs for ``~``, ``∧`` for ``&``, ``∨`` for ``|``, ``⊕`` for ``^``;
constants are ``0``, ``1``, ``False`` and ``True``, and every other word is a variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..expressions import ExpressionError, Grammar, parse

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


GRAMMAR = Grammar(
    _TOKEN, PREFIX, BINARY, loose=frozenset({"not"}), spellings=SPELLINGS,
    operand='a variable, 0, 1, "not", "~" or "("', operator="&, |, ^, and, or",
    hints={"digit": "; the only numbers are 0 and 1"},
)  # fmt: skip


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
        tokens = parse(text, GRAMMAR)
        variables = (t for t in tokens if t.kind == "operand" and t.text not in CONSTANTS)
        names = dict.fromkeys(t.text for t in sorted(variables, key=lambda t: t.column))
        return cls(text, tuple(names), tuple(t.text for t in tokens))

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
