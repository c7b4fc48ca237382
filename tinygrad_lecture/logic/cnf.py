"""`CNF`: a formula as an AND of clauses (L09)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.seeding import Seed
from ..errors import UsageError
from . import dimacs, formulas
from .normalform import CNFNet

__all__ = ["CNF"]


class CNF:
    """A formula in conjunctive normal form: an AND of clauses, each an OR of literals (L09).

    Parameters
    ----------
    clauses : iterable of sequence of int
        Literals as in DIMACS files: v for variable v, −v for its negation, v from 1.
    n_variables : int, optional
        The largest variable by default.

    Attributes
    ----------
    n_variables, n_clauses : int

    Raises
    ------
    UsageError
        For a literal that is 0, no whole number, or beyond n_variables.

    Examples
    --------
    >>> from tinygrad_lecture.logic import CNF
    >>> cnf = CNF([[1, 2], [-1, -2]])
    >>> cnf
    CNF of 2 variables and 2 clauses
    >>> cnf.violated([[0, 0], [0, 1]])
    array([1, 0])
    """

    def __init__(self, clauses: Iterable[Sequence[int]], n_variables: int | None = None) -> None:
        rows = [list(clause) for clause in clauses]
        flat = np.array([literal for row in rows for literal in row])
        if flat.size and (flat.dtype.kind != "i" or (flat == 0).any()):
            raise UsageError("literals must be whole numbers other than 0")
        largest = int(np.abs(flat).max(initial=0))
        self.n_variables = largest if n_variables is None else int(n_variables)
        if largest > self.n_variables:
            raise UsageError(f"literal {largest} is beyond n_variables={self.n_variables}")
        self._literals = flat.astype(np.int32)
        self._ends = np.cumsum([len(row) for row in rows], dtype=np.int64)

    @property
    def n_clauses(self) -> int:
        """Number of clauses."""
        return len(self._ends)

    @property
    def clauses(self) -> list[tuple[int, ...]]:
        """The clauses as tuples of literals."""
        flat = self._literals.tolist()
        ends = self._ends.tolist()
        return [tuple(flat[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=False)]

    # ------------------------------------------------------------------------------------ files

    @classmethod
    def parse_dimacs(cls, text: str | bytes) -> CNF:
        r"""Read the text of a DIMACS CNF file.

        Raises
        ------
        DimacsError
            With the line of the fault.

        Examples
        --------
        >>> from tinygrad_lecture.logic import CNF
        >>> CNF.parse_dimacs("c two clauses over three lines\np cnf 3 2\n1 -2\n3 0 -1 0").clauses
        [(1, -2, 3), (-1,)]
        """
        data = text.encode("utf-8", "replace") if isinstance(text, str) else text
        variables, literals, ends = dimacs.parse(data)
        cnf = cls((), variables)
        cnf._literals = np.array(literals, np.int32)
        cnf._ends = np.array(ends, np.int64)
        return cnf

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> CNF:
        """Read a DIMACS CNF file.

        Raises
        ------
        UsageError
            With the file's name, and the line of the fault if it is in the text.
        """
        path = Path(path)
        try:
            if path.exists() and not path.is_file():  # a pipe would block, a device has no end
                raise UsageError(f"{path}: not a regular file")
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
        try:
            return cls.parse_dimacs(data)
        except dimacs.DimacsError as error:
            raise UsageError(f"{path}: {error}") from error

    def to_dimacs(self, *comments: str) -> str:
        """Return the formula as the text of a DIMACS CNF file.

        Examples
        --------
        >>> from tinygrad_lecture.logic import CNF
        >>> print(CNF([[1, -2]]).to_dimacs("one clause"), end="")
        c one clause
        p cnf 2 1
        1 -2 0
        """
        return dimacs.write(self.n_variables, self.clauses, comments)

    def write(self, path: str | os.PathLike[str], *comments: str) -> None:
        """Write a DIMACS CNF file."""
        try:
            Path(path).write_text(self.to_dimacs(*comments), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error

    # --------------------------------------------------------------------------------- families

    @classmethod
    def random_ksat(
        cls, n: int, m: int, k: int = 3, seed: Seed = 0, *, planted: bool | ArrayLike = False
    ) -> CNF:
        """Draw a random k-SAT formula: each clause has k distinct variables and random signs.

        For k = 3, formulas change from almost surely satisfiable to almost surely not near
        m/n = 4.26, and are hardest there (Mitchell, Selman & Levesque 1992).

        Parameters
        ----------
        n, m : int
            Variables and clauses.
        k : int
            Literals of a clause, 1 to n.
        seed : int or numpy.random.Generator
        planted : bool or array_like of n truth values
            Draw only clauses that a hidden assignment satisfies: this one, or a random one (True).

        Examples
        --------
        >>> from tinygrad_lecture.logic import CNF
        >>> hidden = [1, 0, 1, 0, 1]
        >>> int(CNF.random_ksat(5, 40, seed=1, planted=hidden).violated(hidden))
        0
        """
        return cls(formulas.random_ksat(n, m, k, seed, planted), n)

    @classmethod
    def pigeonhole(cls, holes: int) -> CNF:
        """Claim that holes + 1 pigeons fit into holes, one each: unsatisfiable, with long proofs.

        Examples
        --------
        >>> from tinygrad_lecture.logic import CNF
        >>> CNF.pigeonhole(3)
        CNF of 12 variables and 22 clauses
        """
        n, clauses = formulas.pigeonhole(holes)
        return cls(clauses, n)

    @classmethod
    def parity_chain(cls, n: int, seed: Seed = 0, *, satisfiable: bool = True) -> CNF:
        """Claim the parity of n inputs twice, by chains of XOR in two orders.

        The second order is random.  Both chains end in 1; if it shall not be satisfiable, one does
        and the other does not.

        Examples
        --------
        >>> from tinygrad_lecture.logic import CNF
        >>> CNF.parity_chain(4)
        CNF of 10 variables and 26 clauses
        """
        variables, clauses = formulas.parity_chain(n, seed, satisfiable)
        return cls(clauses, variables)

    # ------------------------------------------------------------------------------- evaluation

    @cached_property
    def groups(self) -> list[NDArray[np.intp]]:
        """The clauses by their number of literals, as codes of shape (clauses, literals).

        The code of literal v is v − 1, that of −v is n_variables + v − 1.  A literal that is twice
        in a clause counts once, and clauses with both v and −v, which are always true, are left
        out.
        """
        by_length: dict[int, list[list[int]]] = {}
        n = self.n_variables
        for clause in self.clauses:
            literals = set(clause)
            if not any(-literal in literals for literal in literals):
                codes = [v - 1 if v > 0 else n - v - 1 for v in dict.fromkeys(clause)]
                by_length.setdefault(len(codes), []).append(codes)
        return [
            np.array(rows, np.intp).reshape(len(rows), k) for k, rows in sorted(by_length.items())
        ]

    def violated(self, assignment: ArrayLike) -> Any:
        """Count the clauses that assignments violate.

        Parameters
        ----------
        assignment : array_like of truth values, shape (..., n_variables)

        Returns
        -------
        ndarray of int, shape (...,)

        Raises
        ------
        UsageError
            If the last axis is not n_variables long.
        """
        values = np.asarray(assignment).astype(bool)
        if values.shape[-1:] != (self.n_variables,):
            raise UsageError(
                f"an assignment has {self.n_variables} truth values, got shape {values.shape}"
            )
        both = np.concatenate([values, ~values], axis=-1)
        count = np.zeros(values.shape[:-1], np.int64)
        for codes in self.groups:
            count = count + np.sum(~both[..., codes].any(axis=-1), axis=-1)
        return count

    def to_net(self) -> CNFNet:
        """Return the formula as a frozen network: an OR neuron per clause, an AND over them."""
        cubes = []
        for codes in self.groups:
            rows = np.zeros((len(codes), self.n_variables), np.int64)
            signs = np.where(codes < self.n_variables, 1, -1)
            np.put_along_axis(rows, codes % max(self.n_variables, 1), signs, axis=1)
            cubes.append(rows)
        return CNFNet(np.concatenate(cubes) if cubes else [], self.n_variables)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CNF):
            return NotImplemented
        return self.n_variables == other.n_variables and self.clauses == other.clauses

    def __hash__(self) -> int:
        return hash((self.n_variables, self._literals.tobytes(), self._ends.tobytes()))

    def __repr__(self) -> str:
        return f"CNF of {self.n_variables} variables and {self.n_clauses} clauses"
