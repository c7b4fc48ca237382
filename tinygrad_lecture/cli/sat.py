"""``tinygrad-lecture sat``: decide a CNF formula, with the output of the SAT competition."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import textwrap
from typing import Any

from ..errors import UsageError
from ..logic import CNF, Answer, solve_by_dpll, solve_by_gradient, solve_by_pysat
from ..logic.dimacs import DimacsError
from ..train import Progress
from .executors import EXECUTORS, add_options, open_executor

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Decide whether a formula in DIMACS CNF can be satisfied; FILE may be - for standard input.

  dpll      complete, in exponential time at worst (the default)
  gradient  trains a SAT network with restarts (L09): finds assignments, never says unsatisfiable
  pysat     CaDiCaL through python-sat: pip install "tinygrad_lecture[sat]"

An assignment is checked against all clauses before it is printed."""

EPILOG = f"""\
examples:
  tinygrad-lecture sat formula.cnf
  tinygrad-lecture sat - --method gradient --restarts 50 --seed 1 < formula.cnf

{EXECUTORS}

The gradient method runs in this process by default.

exit codes: 10 satisfiable, 20 unsatisfiable, 0 not known, 2 usage or a bad file."""

CODES = {"SATISFIABLE": 10, "UNSATISFIABLE": 20, "UNKNOWN": 0}


def add_parser(subparsers: Any) -> None:
    """Add the command to the program."""
    parser = subparsers.add_parser(
        "sat",
        help="decide a CNF formula by gradient, DPLL or PySAT",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="DIMACS CNF, or - for standard input")
    parser.add_argument("--method", choices=("dpll", "gradient", "pysat"), default="dpll")
    parser.add_argument(
        "--restarts", type=int, default=20, metavar="N", help="of the gradient method; default 20"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of its start weights")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="decisions after which DPLL gives up; default never"
    )
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.set_defaults(run=run, executor="serial")


def run(args: argparse.Namespace) -> int:
    """Read, solve, print, and return the competition's exit code."""
    cnf = _standard_input() if args.file == "-" else CNF.read(args.file)
    answer = _solve(cnf, args)
    if args.json:
        report = {
            "status": answer.status, "assignment": answer.literals, "effort": answer.effort,
            "variables": cnf.n_variables, "clauses": cnf.n_clauses, "method": args.method,
        }  # fmt: skip
        print(json.dumps(report))
    else:
        print(f"c {args.method}: {cnf.n_variables} variables, {cnf.n_clauses} clauses")
        for name, number in answer.effort.items():
            print(f"c {name} {number}")
        print(f"s {answer.status}")
        if answer.assignment is not None:
            print("\n".join(_values(answer)))
    return CODES[answer.status]


def _standard_input() -> CNF:
    try:
        return CNF.parse_dimacs(sys.stdin.buffer.read())
    except DimacsError as error:
        raise UsageError(f"standard input: {error}") from error


def _solve(cnf: CNF, args: argparse.Namespace) -> Answer:
    if args.limit is not None and args.limit < 0:
        raise UsageError(f"--limit must be at least 0, got {args.limit}")
    if args.method == "pysat":
        return solve_by_pysat(cnf)
    if args.method == "dpll":
        with Progress(None, "dpll", "decision") as progress:
            return solve_by_dpll(
                cnf, limit=args.limit, tick=lambda n: progress.update(n - progress.done)
            )
    here = contextlib.nullcontext()  # one block after the other, only as many as are needed
    pool = here if args.executor == "serial" else open_executor(args.executor, args.workers)
    with pool as executor, Progress(args.restarts, "gradient", "restart") as progress:
        return solve_by_gradient(
            cnf, restarts=args.restarts, seed=args.seed, executor=executor,
            tick=lambda n: progress.update(n - progress.done),
        )  # fmt: skip


def _values(answer: Answer) -> list[str]:
    """Return the lines with the assignment, which end with 0."""
    text = " ".join(map(str, [*answer.literals, 0]))
    return [f"v {line}" for line in textwrap.wrap(text, 76)]
