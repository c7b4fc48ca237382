"""Formulas that are typed on the spot: ``tanh(w*x + b)``, read safely."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine import PUBLIC, TABLE, Value
from ..errors import UsageError
from ..expressions import Grammar, Token, parse

__all__ = ["Formula"]

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "**": operator.pow, "@": operator.matmul,
}  # fmt: skip
SIGNS: dict[str, Callable[[Any], Any]] = {"-": operator.neg, "+": operator.pos}
REDUCTIONS = ("sum", "mean", "prod", "max", "min", "logsumexp", "softmax", "log_softmax", "norm")

FUNCTIONS = {
    name: op.arity
    for name, op in TABLE.items()
    if (
        op.kind == "elementwise"
        and name.isidentifier()
        and name not in ("clip", "leaky_relu", "elu")
    )
    or name in REDUCTIONS
}
"""The op table's functions of numbers, with how many arguments each takes."""

GRAMMAR = Grammar(
    re.compile(r"\s*(?:([^\W\d]\w*)|((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(\*\*|[()+\-*/@,·×−]))"),
    prefix={"-": 3, "+": 3},
    binary={"+": 1, "-": 1, "*": 2, "/": 2, "@": 2, "**": 4},
    right=frozenset({"**"}),
    spellings={"·": "*", "×": "*", "−": "-"},
    functions=FUNCTIONS,
    operand='a variable, a number, a function, "-" or "("',
    operator="+, -, *, /, **, @",
    hints={
        "^": "; a power is written **",
        "[": "; lists go with --at",
        "=": "; values go with --at",
    },
)


@dataclass(frozen=True)
class Formula:
    """A formula that was read from text.

    Attributes
    ----------
    text : str
    names : tuple of str
        Its variables, in the order in which they appear first; ``pi`` is the number.
    tokens : tuple of Token
        In the order of their evaluation.

    Examples
    --------
    >>> from tinygrad_lecture.draw.formula import Formula
    >>> neuron = Formula.parse("tanh(w*x + b)")
    >>> neuron.names
    ('w', 'x', 'b')
    >>> float(f"{neuron.evaluate({'w': 2.0, 'x': 1.0, 'b': 0.0}):.4f}")
    0.964
    """

    text: str
    names: tuple[str, ...]
    tokens: tuple[Token, ...]

    @classmethod
    def parse(cls, text: str) -> Formula:
        """Read a formula: Python's operators and precedence, and the functions of the op table.

        Raises
        ------
        ExpressionError
            With the column of the fault and what was expected there.

        Examples
        --------
        >>> from tinygrad_lecture.draw.formula import Formula
        >>> from tinygrad_lecture.expressions import ExpressionError
        >>> try:
        ...     Formula.parse("tanh(w*x +)")
        ... except ExpressionError as error:
        ...     print(error)
        column 11: a variable, a number, a function, "-" or "(" was expected, got ")"
        """
        tokens = parse(text, GRAMMAR)
        variables = (t for t in tokens if t.kind == "operand" and _is_variable(t.text))
        names = dict.fromkeys(t.text for t in sorted(variables, key=lambda t: t.column))
        return cls(text, tuple(names), tokens)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the result for numbers, arrays or Values.

        Raises
        ------
        UsageError
            If a variable has no value.
        """
        missing = [name for name in self.names if name not in values]
        if missing:
            raise UsageError(
                f"{self.text!r} needs a value for {', '.join(missing)}: write "
                f"--at {','.join(f'{name}=1' for name in missing)}"
            )
        stack: list[Any] = []
        for token in self.tokens:
            if token.kind == "operand":
                known = values[token.text] if _is_variable(token.text) else _constant(token.text)
                stack.append(known)
            elif token.kind == "prefix":
                stack.append(SIGNS[token.text](stack.pop()))
            elif token.kind == "binary":
                right, left = stack.pop(), stack.pop()
                stack.append(_calculate(OPERATORS[token.text], left, right))
            else:
                count = FUNCTIONS[token.text]
                arguments = stack[-count:]
                del stack[-count:]
                stack.append(PUBLIC[token.text](*arguments))
        return stack.pop()


def _is_variable(text: str) -> bool:
    return text.isidentifier() and text != "pi"


def _constant(text: str) -> float:
    return math.pi if text == "pi" else float(text)


def _calculate(function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Apply an operator as the engine does, with inf and nan, also to two plain numbers."""
    if isinstance(left, float) and isinstance(right, float):
        result = function(Value(left), right)
        return result.item()
    return function(left, right)
