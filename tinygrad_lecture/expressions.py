"""Expressions as text, read by a tokenizer and a grammar of one's own: never by ``eval``.

Two rooms read such text: `logic` (Boolean expressions) and `draw` (formulas on the command line).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .errors import UsageError

__all__ = ["ExpressionError", "Grammar", "Token", "parse"]


class ExpressionError(UsageError):
    """Text that is no expression of the grammar; the message starts with the column of the fault.

    Attributes
    ----------
    column : int
        Place of the fault, counted from 1.
    """

    def __init__(self, column: int, message: str) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column


class Token(NamedTuple):
    """A part of an expression, with its place in the text."""

    text: str
    column: int
    kind: Literal["operand", "prefix", "binary", "call", "open"]


@dataclass(frozen=True)
class Grammar:
    """What may stand in an expression.

    Attributes
    ----------
    token : re.Pattern
        Matches blanks and then one token, as its only group that takes part.
    prefix, binary : mapping of str to int
        Operators with how tightly they bind.
    right : frozenset of str
        Binary operators that group from the right.
    loose : frozenset of str
        Prefix operators that may not stand behind one that binds tighter.
    spellings : mapping of str to str
        Other signs for operators.
    functions : mapping of str to int
        With how many arguments each takes; if there are any, every name before "(" is one.
    operand, operator : str
        What is expected, for messages.
    hints : mapping of str to str
        What to say about signs that people try.
    """

    token: re.Pattern[str]
    prefix: Mapping[str, int]
    binary: Mapping[str, int]
    operand: str
    operator: str
    right: frozenset[str] = frozenset()
    loose: frozenset[str] = frozenset()
    spellings: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, int] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)


def parse(text: str, grammar: Grammar) -> tuple[Token, ...]:
    """Return the tokens in the order of their evaluation: operands before what is done with them.

    Nesting may be as deep as the text is long: there is no recursion.

    Raises
    ------
    ExpressionError
        With the column of the fault and what was expected there.
    """
    return _Yard(text, grammar).run()


class _Yard:
    """Dijkstra's shunting yard: operators wait on a stack until one that binds less comes."""

    def __init__(self, text: str, grammar: Grammar) -> None:
        self.text, self.grammar = text, grammar
        self.output: list[Token] = []
        self.waiting: list[Token] = []
        self.arguments: list[int] = []  # how many began, for each open parenthesis

    def run(self) -> tuple[Token, ...]:
        grammar, operand_next = self.grammar, True
        for token, column in _tokens(self.text, grammar):
            if operand_next:
                operand_next = self.operand(token, column)
            elif token == "(" and grammar.functions:
                self.call(column)
                operand_next = True
            elif token in grammar.binary:
                self.check_name()
                self.release(grammar.binary[token], token in grammar.right)
                self.waiting.append(Token(token, column, "binary"))
                operand_next = True
            elif token == ")":
                self.check_name()
                self.close(column)
            elif token == "," and grammar.functions:
                self.check_name()
                self.comma(column)
                operand_next = True
            else:
                raise ExpressionError(
                    column, f'an operator ({grammar.operator}) or ")" was expected, got "{token}"'
                )
        if operand_next:
            raise self.unexpected("the end", len(self.text) + 1)
        self.check_name()
        self.release(1)
        if self.waiting:
            raise ExpressionError(self.waiting[-1].column, 'this "(" is never closed')
        return tuple(self.output)

    def operand(self, token: str, column: int) -> bool:
        """Take what may stand where an operand is expected; tell whether one still is."""
        grammar = self.grammar
        if token == "(":
            self.open(column)
            return True
        if token in grammar.prefix:
            self.check_loose(token, column)
            self.waiting.append(Token(token, column, "prefix"))
            return True
        if token in grammar.binary or token in (")", ","):
            raise self.unexpected(f'"{token}"', column)
        self.output.append(Token(token, column, "operand"))
        return False

    def open(self, column: int) -> None:
        self.waiting.append(Token("(", column, "open"))
        self.arguments.append(1)

    def call(self, column: int) -> None:
        """Take "(" behind an operand: it has to be the name of a function."""
        functions, last = self.grammar.functions, self.output.pop()
        if last.kind != "operand" or not last.text.isidentifier():
            raise ExpressionError(
                column, f'an operator ({self.grammar.operator}) was expected, got "("'
            )
        if last.text not in functions:
            near = difflib.get_close_matches(last.text, functions, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {_list(functions)}"
            raise ExpressionError(last.column, f"there is no function {last.text}; {hint}")
        self.waiting.append(last._replace(kind="call"))
        self.open(column)

    def check_name(self) -> None:
        """Refuse a function that is not called."""
        last = self.output[-1]
        if last.kind == "operand" and last.text in self.grammar.functions:
            raise ExpressionError(last.column, f"{last.text} is a function: write {last.text}(...)")

    def release(self, precedence: int, right: bool = False) -> None:
        """Write out the operators that bind at least as tightly."""
        while self.waiting and self.precedence(self.waiting[-1]) >= precedence + right:
            self.output.append(self.waiting.pop())

    def precedence(self, token: Token) -> int:
        if token.kind == "prefix":
            return self.grammar.prefix[token.text]
        return self.grammar.binary[token.text] if token.kind == "binary" else 0

    def close(self, column: int) -> None:
        self.release(1)
        if not self.waiting:
            raise ExpressionError(column, 'this ")" closes nothing')
        self.waiting.pop()
        count = self.arguments.pop()
        if self.waiting and self.waiting[-1].kind == "call":
            call = self.waiting.pop()
            takes = self.grammar.functions[call.text]
            if count != takes:
                raise ExpressionError(
                    call.column,
                    f"{call.text} takes {takes} argument{'s' if takes > 1 else ''}, got {count}",
                )
            self.output.append(call)

    def comma(self, column: int) -> None:
        self.release(1)
        if len(self.waiting) < 2 or self.waiting[-2].kind != "call":
            raise ExpressionError(column, 'a "," stands between the arguments of a function alone')
        self.arguments[-1] += 1

    def check_loose(self, token: str, column: int) -> None:
        """Refuse ``a & not b``, as Python does: ``not`` binds less than ``&``."""
        grammar = self.grammar
        if (
            token in grammar.loose
            and self.waiting
            and self.precedence(self.waiting[-1]) > grammar.prefix[token]
        ):
            raise ExpressionError(
                column, f'"{token}" after "{self.waiting[-1].text}" needs parentheses; or write "~"'
            )

    def unexpected(self, got: str, column: int) -> ExpressionError:
        return ExpressionError(column, f"{self.grammar.operand} was expected, got {got}")


def _list(names: Mapping[str, int]) -> str:
    return ", ".join(sorted(names))


def _tokens(text: str, grammar: Grammar) -> Iterator[tuple[str, int]]:
    """Yield the tokens with their columns."""
    position, end = 0, len(text.rstrip())
    while position < end:
        match = grammar.token.match(text, position)
        if match is None:
            column = position + 1 + len(text[position:]) - len(text[position:].lstrip())
            sign = text[column - 1]
            hint = grammar.hints.get("digit" if sign.isdigit() else sign, "")
            raise ExpressionError(column, f"{sign!r} cannot be part of an expression{hint}")
        group = match.lastindex or 0
        token = match.group(group)
        yield grammar.spellings.get(token, token), match.start(group) + 1
        position = match.end()
