"""`BooleanFunction`: a truth table, whatever it was made from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from .expression import Expression

__all__ = ["BooleanFunction", "vertices"]

MAX_INPUTS = 20


def vertices(n: int) -> NDArray[np.float64]:
    """Return all 2ⁿ inputs of 0 and 1, the rows of a truth table: the first input varies slowest.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.vertices(2).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    if not 1 <= n <= MAX_INPUTS:
        raise UsageError(f"a truth table has 1 to {MAX_INPUTS} inputs, got {n}")
    rows = np.arange(2**n)[:, None] >> np.arange(n - 1, -1, -1)
    return (rows & 1).astype(np.float64)


class BooleanFunction:
    """A Boolean function of n inputs, kept as its truth table (L07).

    Parameters
    ----------
    table : array_like of 0 and 1, shape (2**n,), or str
        Value of each row, in the order of `vertices`: row i has the binary digits of i as inputs,
        the first input first.  Text such as ``"0110"`` is read digit by digit.
    names : sequence of str, optional
        Names of the inputs; x1, x2, … by default.

    Attributes
    ----------
    table : ndarray of bool, shape (2**n,)
        Read-only.
    names : tuple of str
    n : int
        Number of inputs, 1 to 20.

    Raises
    ------
    UsageError
        If the table's length is no power of 2, a value is neither 0 nor 1, or the names are not
        n different ones.

    Examples
    --------
    >>> from tinygrad_lecture.logic import BooleanFunction
    >>> xor = BooleanFunction("0110")
    >>> xor([[0, 1], [1, 1]])
    array([1, 0])
    >>> xor == BooleanFunction.from_callable(lambda a, b: a != b)
    True
    >>> print(BooleanFunction.from_expression("a & ~b"))
    a b | y
    0 0 | 0
    0 1 | 0
    1 0 | 1
    1 1 | 0
    """

    def __init__(self, table: ArrayLike, names: Sequence[str] | None = None) -> None:
        values = np.array([*table] if isinstance(table, str) else table)
        if values.dtype.kind == "U":
            wrong = [sign for sign in values.tolist() if sign not in ("0", "1")]
            if wrong:
                raise UsageError(f"a truth table holds 0 and 1, got {wrong[0]!r}")
            values = values == "1"
        n = max(values.size.bit_length() - 1, 0)
        if values.shape != (2**n,) or not 1 <= n <= MAX_INPUTS:
            raise UsageError(
                f"a truth table has 2, 4, 8, … or 2**{MAX_INPUTS} values in one row,"
                f" got the shape {values.shape}"
            )
        if values.dtype != bool and not np.isin(values, (0, 1)).all():
            wrong = values[~np.isin(values, (0, 1))][0]
            raise UsageError(f"a truth table holds 0 and 1, got {wrong}")
        self.table: NDArray[np.bool_] = values.astype(bool)
        self.table.flags.writeable = False
        self.names = tuple(f"x{i + 1}" for i in range(n)) if names is None else tuple(names)
        if len(self.names) != n or len(set(self.names)) != n:
            raise UsageError(f"names must be {n} different ones, got {', '.join(self.names)}")

    @property
    def n(self) -> int:
        """Number of inputs."""
        return len(self.names)

    @property
    def X(self) -> NDArray[np.float64]:  # noqa: N802 - its mathematical name
        """The rows of the table, shape (2**n, n)."""
        return vertices(self.n)

    @property
    def y(self) -> NDArray[np.int64]:
        """The values of the rows as classes 0 and 1."""
        return self.table.astype(np.int64)

    @classmethod
    def from_callable(cls, f: Callable[..., Any], n: int | None = None) -> BooleanFunction:
        """Evaluate a Python function on all rows.

        Parameters
        ----------
        f : callable
            Takes n positional arguments, False or True, and returns a truth value: False, True, 0
            or 1.
        n : int, optional
            Number of inputs; by default that of f's positional parameters, whose names are taken.

        Raises
        ------
        UsageError
            If n is not given and f takes any number of arguments, or f returns something else.

        Examples
        --------
        >>> from tinygrad_lecture.logic import BooleanFunction
        >>> BooleanFunction.from_callable(lambda *x: sum(x) >= 2, n=3).table.astype(int)
        array([0, 0, 0, 1, 0, 1, 1, 1])
        """
        names = None
        if n is None:
            parameters = inspect.signature(f).parameters.values()
            kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            if not all(p.kind in kinds for p in parameters):
                raise UsageError("n must be given for a function of any number of arguments")
            names, n = [p.name for p in parameters], len(parameters)
        table = []
        for row in vertices(n).astype(bool).tolist():
            value = f(*row)
            if not (np.ndim(value) == 0 and value in (0, 1)):
                raise UsageError(
                    f"the function must return 0 or 1, got {value!r} for {tuple(row)}"
                    ' ("~" of a Python bool is no truth value: write "not")'
                )
            table.append(bool(value))
        return cls(table, names)

    @classmethod
    def from_expression(cls, text: str, names: Sequence[str] | None = None) -> BooleanFunction:
        """Read an expression such as ``"(a | b) & ~(a & b)"`` (see `Expression` for its grammar).

        Parameters
        ----------
        text : str
        names : sequence of str, optional
            Inputs and their order; more than the expression's variables may be named.  By default
            the variables in the order in which they appear.

        Raises
        ------
        ExpressionError
            With the column of the fault.
        UsageError
            If there are no or too many variables, or names lack one.
        """
        expression = Expression.parse(text)
        names = expression.names if names is None else tuple(names)
        missing = [name for name in expression.names if name not in names]
        if missing:
            raise UsageError(f"names lack the variable {missing[0]!r} of the expression")
        if not names:
            raise UsageError("the expression has no variables; give the inputs as names")
        columns = vertices(len(names)).T.astype(bool)
        values = expression.evaluate(dict(zip(names, columns, strict=True)))
        return cls(np.broadcast_to(values, (2 ** len(names),)), names)

    @classmethod
    def of(cls, source: Any) -> BooleanFunction:
        """Make a function from a table, text of 0 and 1, an expression, or a Python function.

        Examples
        --------
        >>> from tinygrad_lecture.logic import BooleanFunction
        >>> BooleanFunction.of("0110") == BooleanFunction.of("a ^ b")
        True
        """
        if isinstance(source, cls):
            return source
        if isinstance(source, str):
            if len(source) > 1 and set(source) <= {"0", "1"}:
                return cls(source)
            return cls.from_expression(source)
        if callable(source):
            return cls.from_callable(source)
        return cls(source)

    def __call__(self, X: ArrayLike) -> Any:
        """Look up rows of 0 and 1, shape (..., n); the result has shape (...,)."""
        X = np.asarray(X)
        if X.shape[-1:] != (self.n,) or not np.isin(X, (0, 1)).all():
            raise UsageError(f"inputs must be rows of {self.n} numbers 0 or 1, got shape {X.shape}")
        return self.y[X.astype(np.int64) @ (1 << np.arange(self.n - 1, -1, -1))]

    def __invert__(self) -> BooleanFunction:
        return BooleanFunction(~self.table, self.names)

    def __eq__(self, other: object) -> bool:
        """Compare tables; names do not matter."""
        if not isinstance(other, BooleanFunction):
            return NotImplemented
        return np.array_equal(self.table, other.table)

    def __hash__(self) -> int:
        return hash(self.table.tobytes())

    def __repr__(self) -> str:
        if self.n > 6:
            return f"BooleanFunction of {', '.join(self.names)}, {self.table.sum()} true rows"
        return f"BooleanFunction({''.join(map(str, self.y))!r}, names={self.names})"

    def __str__(self) -> str:
        """Return the truth table as text."""
        lines = [" ".join([*self.names, "|", "y"])]
        for row, value in zip(self.X.astype(int).tolist(), self.y.tolist(), strict=True):
            cells = [f"{x:>{len(name)}}" for x, name in zip(row, self.names, strict=True)]
            lines.append(" ".join([*cells, "|", str(value)]))
        return "\n".join(lines)
