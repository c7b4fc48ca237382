"""Solvers of formulas: gradient descent, DPLL, all assignments in turn, and PySAT as an oracle.

Every assignment is verified against the clauses before it is returned.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import optim
from ..compiler import compile
from ..data import _checks
from ..engine import sum
from ..errors import UsageError
from .cnf import CNF
from .dpll import Search
from .satnet import Loss, Relaxation, SATNet

__all__ = ["Answer", "brute_force", "solve_by_dpll", "solve_by_gradient", "solve_by_pysat"]

Status = Literal["SATISFIABLE", "UNSATISFIABLE", "UNKNOWN"]
Tick = Callable[[int], object]

LOOK_EVERY = 10  # steps between two looks at the rounded weights
BLOCK = 5  # restarts side by side
MAX_BRUTE_FORCE = 24


@dataclass(frozen=True, eq=False)
class Answer:
    """What a solver found out about a formula.

    Attributes
    ----------
    status : {"SATISFIABLE", "UNSATISFIABLE", "UNKNOWN"}
    assignment : ndarray of bool, shape (n_variables,), or None
        One that satisfies the formula, verified, if the status says that there is one.
    effort : dict
        What it took, by name: decisions, restarts, steps, ….
    """

    status: Status
    assignment: NDArray[np.bool_] | None = None
    effort: dict[str, int] = field(default_factory=dict)

    @property
    def satisfiable(self) -> bool | None:
        """True, False, or None if it is not known."""
        return {"SATISFIABLE": True, "UNSATISFIABLE": False}.get(self.status)

    @property
    def literals(self) -> list[int]:
        """The assignment as literals, as in DIMACS; empty without one."""
        if self.assignment is None:
            return []
        return [v if true else -v for v, true in enumerate(self.assignment.tolist(), 1)]


def _satisfied(cnf: CNF, assignment: NDArray[np.bool_], effort: dict[str, int]) -> Answer:
    """Return the answer for an assignment that a solver found, after looking at each clause."""
    wrong = int(cnf.violated(assignment))
    if wrong:
        raise RuntimeError(
            f"a solver gave an assignment that violates {wrong} of {cnf.n_clauses} clauses;"
            " this is a fault of the solver"
        )
    return Answer("SATISFIABLE", assignment, effort)


def brute_force(cnf: CNF) -> Answer:
    """Try all assignments: exact for formulas of up to 24 variables.

    Returns
    -------
    Answer
        ``effort["models"]`` counts the satisfying assignments, ``effort["violated"]`` the clauses
        that the best assignment violates (MaxSAT).

    Raises
    ------
    UsageError
        For more variables.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> answer = logic.brute_force(logic.CNF([[1, 2], [-1, 2]]))
    >>> answer.status, answer.effort["models"]
    ('SATISFIABLE', 2)
    """
    n = cnf.n_variables
    if n > MAX_BRUTE_FORCE:
        raise UsageError(f"brute_force takes up to {MAX_BRUTE_FORCE} variables, got {n}")
    models, best, least = 0, np.zeros(n, bool), cnf.n_clauses + 1
    for start in range(0, 2**n, 4096):
        numbers = np.arange(start, min(start + 4096, 2**n))
        rows = (numbers[:, None] >> np.arange(n) & 1).astype(bool)
        wrong = cnf.violated(rows)
        models += int(np.sum(wrong == 0))
        if wrong.min() < least:
            least, best = int(wrong.min()), rows[int(wrong.argmin())]
    effort = {"models": models, "violated": least}
    if models:
        return _satisfied(cnf, best, effort)
    return Answer("UNSATISFIABLE", effort=effort)


def solve_by_dpll(cnf: CNF, *, limit: int | None = None, tick: Tick | None = None) -> Answer:
    """Decide by DPLL: complete, in exponential time at worst.

    Parameters
    ----------
    cnf : CNF
    limit : int, optional
        Choices after which it gives up.
    tick : callable, optional
        Called with the number of choices, at each.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.solve_by_dpll(logic.CNF.pigeonhole(4)).status
    'UNSATISFIABLE'
    """
    search = Search(cnf)
    found = search.run(limit, tick)
    effort = {"decisions": search.decisions, "propagations": search.propagations}
    if found:
        return _satisfied(cnf, search.assignment(), effort)
    return Answer("UNKNOWN" if found is None else "UNSATISFIABLE", effort=effort)


def solve_by_pysat(cnf: CNF, solver: str = "cadical153") -> Answer:
    """Decide by a solver of PySAT (Ignatiev, Morgado & Marques-Silva 2018).

    Parameters
    ----------
    cnf : CNF
    solver : str
        Name of a solver there, such as ``"cadical153"`` or ``"glucose4"``.

    Raises
    ------
    UsageError
        If python-sat is not installed, or has no such solver.
    """
    try:
        solvers = importlib.import_module("pysat.solvers")
    except ImportError:
        raise UsageError('this needs python-sat: pip install "tinygrad_lecture[sat]"') from None
    if solver not in {name for names in _names(solvers) for name in names}:
        raise UsageError(f"PySAT has no solver {solver!r}; cadical153 and glucose4 are two")
    with solvers.Solver(name=solver, bootstrap_with=map(list, cnf.clauses)) as oracle:
        if not oracle.solve():
            return Answer("UNSATISFIABLE")
        true = {literal for literal in oracle.get_model() if literal > 0}
    return _satisfied(cnf, np.array([v in true for v in range(1, cnf.n_variables + 1)], bool), {})


def _names(solvers: Any) -> Iterator[tuple[str, ...]]:
    for value in vars(solvers.SolverNames).values():
        if isinstance(value, tuple):
            yield value


# -------------------------------------------------------------------------------- by gradient


def solve_by_gradient(
    cnf: CNF,
    *,
    restarts: int = 20,
    steps: int = 300,
    lr: float = 0.1,
    loss: Loss = "log",
    relax: Relaxation = "product",
    seed: int = 0,
    executor: Executor | None = None,
    tick: Tick | None = None,
) -> Answer:
    """Look for a satisfying assignment by training a `SATNet` with Adam (L09).

    Start weights are drawn anew at each restart.  Every ten steps the weights are rounded, each by
    itself and by conditional expectations, and the first rounding that satisfies all clauses is the
    answer.  A formula that is not satisfied that way is not thereby unsatisfiable: the status is
    "UNKNOWN" then, never "UNSATISFIABLE".

    Parameters
    ----------
    cnf : CNF
    restarts, steps : int
        Restarts, and steps of each.
    lr : float
        Of Adam.
    loss, relax
        See `SATNet`.
    seed : int
    executor : concurrent.futures.Executor, optional
        Where to run blocks of 5 restarts; in this thread by default.  The answer does not depend
        on it.
    tick : callable, optional
        Called with the number of restarts that are done.

    Raises
    ------
    UsageError
        For settings out of range.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> cnf = logic.CNF.random_ksat(30, 90, seed=0, planted=True)
    >>> answer = logic.solve_by_gradient(cnf)
    >>> answer.status, int(cnf.violated(answer.assignment))
    ('SATISFIABLE', 0)
    """
    restarts, steps = _checks.count("restarts", restarts, 1), _checks.count("steps", steps, 1)
    seed = _checks.count("seed", seed, 0)
    if not 0 < lr < np.inf:
        raise UsageError(f"lr must be positive, got {lr}")
    if any(codes.shape[1] == 0 for codes in cnf.groups):
        return Answer("UNKNOWN")  # an empty clause: there is nothing to train
    if not cnf.n_variables:
        return _satisfied(cnf, np.zeros(0, bool), {})
    SATNet(cnf, relax, loss, rng=0)  # refuses bad settings here rather than on a worker
    blocks = [min(BLOCK, restarts - first) for first in range(0, restarts, BLOCK)]
    jobs = [
        (cnf, size, steps, lr, loss, relax, (seed, number)) for number, size in enumerate(blocks)
    ]
    done = taken = 0
    for size, (found, used) in zip(blocks, _in_order(jobs, executor), strict=False):
        done, taken = done + size, taken + used
        if tick is not None:
            tick(done)
        if found is not None:
            return _satisfied(cnf, found, {"restarts": done, "steps": taken})
    return Answer("UNKNOWN", effort={"restarts": done, "steps": taken})


Job = tuple[CNF, int, int, float, Loss, Relaxation, tuple[int, int]]
Found = tuple[NDArray[np.bool_] | None, int]


def _in_order(jobs: list[Job], executor: Executor | None) -> Iterator[Found]:
    """Yield the results of the jobs in their order; those not begun are given up at the end."""
    if executor is None:
        yield from map(_train, jobs)
        return
    futures = [executor.submit(_train, job) for job in jobs]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _train(job: Job) -> Found:
    """Train one block of nets side by side; returns an assignment if one was found, and steps."""
    cnf, restarts, steps, lr, loss, relax, seed = job
    net = SATNet(
        cnf, relax, loss, restarts=restarts, rng=np.random.default_rng(np.random.SeedSequence(seed))
    )
    optimizer = optim.Adam(net.parameters(), lr=lr)

    def step() -> None:
        optimizer.zero_grad()
        sum(net()).backward()
        optimizer.step()

    run = compile(step)
    for t in range(steps + 1):
        if t % LOOK_EVERY == 0 or t == steps:
            rounded = net.assignment()
            right = np.flatnonzero(cnf.violated(rounded) == 0)
            if not right.size and t == steps:
                rounded = net.round_conditional()
                right = np.flatnonzero(cnf.violated(rounded) == 0)
            if right.size:
                return rounded[right[0]], t
        if t < steps:
            run()
    return None, steps
