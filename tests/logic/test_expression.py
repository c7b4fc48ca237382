"""Expressions: Python's grammar and values, and faults told by column."""

from __future__ import annotations

import ast
import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.logic import BooleanFunction, Expression, ExpressionError

NAMES = ("a", "b", "c", "x1")

ATOMS = st.sampled_from([*NAMES, "0", "1", "True", "False"])


def _joined(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    spaced = st.sampled_from([" {} ", "{}", "  {}\t"])
    signs = st.builds(str.format, spaced, st.sampled_from("&|^"))
    words = st.sampled_from([" and ", " or "])
    return st.one_of(
        st.builds("({})".format, children),
        st.builds("~{}".format, children),
        st.builds("not {}".format, children),
        st.builds("{}{}{}".format, children, st.one_of(signs, words), children),
    )


EXPRESSIONS = st.recursive(ATOMS, _joined, max_leaves=12)


class TildeIsNot(ast.NodeTransformer):
    """``~`` of a Python bool is −1 or −2; everything else about truth values Python has itself."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return ast.UnaryOp(ast.Not(), node.operand)


def by_python(text: str, names: tuple[str, ...]) -> list[bool]:
    tree = ast.fix_missing_locations(TildeIsNot().visit(ast.parse(text.strip(), mode="eval")))
    code = compile(tree, "expression", "eval")
    rows = itertools.product([False, True], repeat=len(names))
    return [bool(eval(code, {}, dict(zip(names, row, strict=True)))) for row in rows]


@given(EXPRESSIONS)
@example("not a & b | ~c ^ a and x1 or 0")
@example("not not a")
@example("a & not b")
def test_expressions_mean_what_they_mean_in_python(text: str) -> None:
    try:
        want = by_python(text, NAMES)
    except SyntaxError:  # such as "a & not b"
        with pytest.raises(ExpressionError, match='"not" after'):
            Expression.parse(text)
        return
    assert BooleanFunction.from_expression(text, NAMES).table.tolist() == want


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "was expected, got the end"),
        ("   ", 4, "was expected, got the end"),
        ("a &", 4, "was expected, got the end"),
        ("a & | b", 5, 'was expected, got "|"'),
        ("a b", 3, 'an operator (&, |, ^, and, or) or ")" was expected, got "b"'),
        ("a ~ b", 3, 'was expected, got "~"'),
        ("a (b)", 3, 'was expected, got "("'),
        ("()", 2, 'was expected, got ")"'),
        ("(a | b", 1, 'this "(" is never closed'),
        ("a & ((b)", 5, 'this "(" is never closed'),
        ("a)", 2, 'this ")" closes nothing'),
        ("a & not b", 5, '"not" after "&" needs parentheses; or write "~"'),
        ("a + b", 3, "'+' cannot be part of an expression"),
        ("a & 2", 5, "'2' cannot be part of an expression; the only numbers are 0 and 1"),
        ("a & 10", 5, "'1' cannot be part of an expression; the only numbers are 0 and 1"),
        ("a.b", 2, "'.' cannot be part"),
        ("a == b", 3, "'=' cannot be part"),
        ("__import__('os')", 11, 'was expected, got "("'),
        ("a\n& £", 5, "'£' cannot be part"),
    ],
)
def test_faults_are_told_by_column(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text)
    assert caught.value.column == column
    assert str(caught.value).startswith(f"column {column}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
@example("ªº & ²")
@example("a & b")
def test_any_text_is_read_or_refused_with_a_column_inside_it(text: str) -> None:
    column = 1
    try:
        Expression.parse(text)
    except ExpressionError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


def test_nesting_may_be_deep() -> None:
    n = 50_000
    assert BooleanFunction.of("(" * n + "~" * n + "a" + ")" * n).table.tolist() == [False, True]
    with pytest.raises(ExpressionError, match=r'column 1: this "[(]" is never closed'):
        Expression.parse("(" * n + "a" + ")" * (n - 1))


def test_other_signs() -> None:
    assert BooleanFunction.of("¬a ∧ !b ∨ a ⊕ b") == BooleanFunction.of("(~a & ~b) | (a ^ b)")


def test_words_that_begin_like_operators_are_variables() -> None:
    assert Expression.parse("notes & origin | android").names == ("notes", "origin", "android")


@pytest.mark.parametrize(
    ("names", "message"),
    [(None, "has no variables"), (("b",), "names lack the variable 'a'")],
)
def test_names_must_hold_the_variables(names: tuple[str, ...] | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        BooleanFunction.from_expression("1" if names is None else "a", names)


def test_too_many_variables_are_refused() -> None:
    text = " & ".join(f"v{i}" for i in range(21))
    with pytest.raises(UsageError, match="1 to 20 inputs, got 21"):
        BooleanFunction.from_expression(text)
