"""One hidden layer computes any Boolean function: DNF and CNF as networks (L07).

A cube is a row of +1 (the input is 1), −1 (it is 0) and 0 (it does not matter).  As a term of a
disjunctive normal form it is the AND of its literals, as a clause of a conjunctive one their OR.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from .function import BooleanFunction
from .minimize import minimize
from .network import ThresholdNet

__all__ = ["CNFNet", "DNFNet"]

Complement = Literal["never", "auto", "always"]


class _NormalForm(ThresholdNet):
    """What both forms share: cubes as hidden neurons, one output neuron over them."""

    names: tuple[str, ...]

    def __init__(
        self, cubes: ArrayLike, names: Sequence[str] | int, complement: bool = False
    ) -> None:
        names = [f"x{i + 1}" for i in range(names)] if isinstance(names, int) else names
        super().__init__(len(names))
        self.names = tuple(names)
        self.cubes: NDArray[np.int64] = np.array(cubes, np.int64).reshape(-1, len(names))
        if not np.isin(self.cubes, (-1, 0, 1)).all():
            raise UsageError("cubes must hold -1, 0 and 1")
        self.complement = complement
        if len(self.cubes):
            self.add(self.cubes, self._hidden_bias())
            hidden = np.arange(len(names), len(names) + len(self.cubes))
        else:  # the output stands alone, and sees inputs that do not matter
            hidden = np.arange(len(names))
        sign = -1.0 if complement else 1.0
        weight = np.full((1, hidden.size), sign if len(self.cubes) else 0.0)
        self.add(weight, [sign * self._output_bias()], hidden)

    def _hidden_bias(self) -> NDArray[np.float64]:
        raise NotImplementedError

    def _output_bias(self) -> float:
        raise NotImplementedError

    @classmethod
    def _cubes(cls, f: BooleanFunction, minimized: bool) -> NDArray[np.int64]:
        raise NotImplementedError

    @classmethod
    def from_truth_table(
        cls, y: Any, complement: Complement = "never", *, minimized: bool = False
    ) -> Self:
        """Build the network of a Boolean function.

        Parameters
        ----------
        y : BooleanFunction, or what `BooleanFunction.of` takes
        complement : {"never", "auto", "always"}
            Whether to build ¬y and negate the output.  "auto" does so where that needs fewer hidden
            neurons, which are at most 2^(n−1) then.
        minimized : bool
            Take the fewest cubes that there can be (see `minimize`, up to 8 inputs) instead of one
            per row.

        Raises
        ------
        UsageError
            For another complement, or a table that is none.
        """
        if complement not in ("never", "auto", "always"):
            raise UsageError(f'complement is "never", "auto" or "always", got {complement!r}')
        f = BooleanFunction.of(y)
        plain = cls(cls._cubes(f, minimized), f.names)
        if complement == "never":
            return plain
        negated = cls(cls._cubes(~f, minimized), f.names, complement=True)
        if complement == "auto" and plain.n_hidden <= negated.n_hidden:
            return plain
        return negated

    @property
    def n_literals(self) -> int:
        """Number of literals in all cubes: wires into the hidden layer."""
        return int(np.count_nonzero(self.cubes))

    signs: ClassVar[tuple[str, str, str, str]]
    """Between literals, between cubes, the empty cube, no cube at all."""

    def formula(self) -> str:
        """Return the normal form as an expression that `BooleanFunction.of` reads."""
        inner, outer, empty, nothing = self.signs
        parts = []
        for cube in self.cubes.tolist():
            literals = [
                name if sign > 0 else f"~{name}"
                for name, sign in zip(self.names, cube, strict=True)
                if sign
            ]
            text = f" {inner} ".join(literals) or empty
            parts.append(f"({text})" if len(literals) > 1 and len(self.cubes) > 1 else text)
        whole = f" {outer} ".join(parts) or nothing
        return f"~({whole})" if self.complement else whole


class DNFNet(_NormalForm):
    """OR of ANDs: a hidden AND neuron per true row, or per term, and an output OR (L07).

    y = ⋁_{i: yⁱ=1} ⋀_d (x_d = x_dⁱ).  The neuron of a term t of +1, −1 and 0 has the weights t and
    the bias ½ − (number of its +1), so for a row w_d = 2x_dⁱ − 1, b = ½ − Σ_d x_dⁱ.

    Parameters
    ----------
    cubes : array_like of −1, 0 and 1, shape (terms, n)
    names : sequence of str, or int
        Names of the inputs, or how many there are.
    complement : bool
        Negate the output.

    Attributes
    ----------
    cubes, names, complement
        As above.
    n_hidden, n_units, n_literals, n_connections : int
        Sizes: hidden neurons, all neurons, literals, weights that are not 0.

    Examples
    --------
    >>> from tinygrad_lecture.logic import DNFNet
    >>> net = DNFNet.from_truth_table("a ^ b")
    >>> net.formula(), net.n_hidden
    ('(~a & b) | (a & ~b)', 2)
    >>> net([[0, 0], [0, 1]])
    array([0, 1])
    >>> DNFNet.from_truth_table("a | b", complement="auto").formula()
    '~(~a & ~b)'
    """

    signs = ("&", "|", "1", "0")

    def _hidden_bias(self) -> NDArray[np.float64]:
        return np.asarray(0.5 - (self.cubes > 0).sum(axis=1))

    def _output_bias(self) -> float:
        return -0.5

    @classmethod
    def _cubes(cls, f: BooleanFunction, minimized: bool) -> NDArray[np.int64]:
        return minimize(f) if minimized else (2 * f.X[f.table] - 1).astype(np.int64)


class CNFNet(_NormalForm):
    """AND of ORs: a hidden OR neuron per false row, or per clause, and an output AND (L07).

    The dual of `DNFNet`: the clause of a false row says that x is another one.  The neuron of a
    clause c has the weights c and the bias (number of its −1) − ½; the output of M clauses ½ − M.

    Parameters and attributes as for `DNFNet`; cubes are clauses.

    Examples
    --------
    >>> from tinygrad_lecture.logic import CNFNet
    >>> CNFNet.from_truth_table("a ^ b").formula()
    '(a | b) & (~a | ~b)'
    >>> CNFNet.from_truth_table("a & b", minimized=True).formula()
    'a & b'
    """

    signs = ("|", "&", "0", "1")

    def _hidden_bias(self) -> NDArray[np.float64]:
        return np.asarray((self.cubes < 0).sum(axis=1) - 0.5)

    def _output_bias(self) -> float:
        return 0.5 - len(self.cubes)

    @classmethod
    def _cubes(cls, f: BooleanFunction, minimized: bool) -> NDArray[np.int64]:
        return -minimize(~f) if minimized else (1 - 2 * f.X[~f.table]).astype(np.int64)
