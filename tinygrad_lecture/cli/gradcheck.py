"""``tinygrad-lecture gradcheck``: a claimed gradient against the function's own values."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any

from ..errors import UsageError
from ..gradcheck.builtin import check_rows, rows, rows_table
from ..gradcheck.check import check_options
from ..gradcheck.points import collect, parse_shape, parse_value
from ..gradcheck.report import dumps
from ..gradcheck.session import check_target
from ..gradcheck.verdicts import worst
from ..train import Progress

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Compare a gradient with numbers.  TARGET is path/to/file.py:name or package.module:name, and names
  a function of Values (the engine's derivative is checked),
  a NumPy function that returns (value, gradient), as in a homework or for SciPy,
  a class (or an object) with NumPy forward(...) and backward(grad_output), whose float arrays are
  its parameters, with gradients returned or stored as dW, grad_W, W_grad or grads["W"],
  an op made by tg.op.
Inputs without --shape or --at are numbers, drawn from the seed."""

EPILOG = """\
examples:
  tinygrad-lecture gradcheck homework.py:loss --shape W=3,4 --shape X=5,3
  tinygrad-lecture gradcheck layers.py:Linear --at n_in=3 --at n_out=2 --shape x=5,3
  tinygrad-lecture gradcheck homework.py:f --at x=2.0 --trials 200
  tinygrad-lecture gradcheck --builtin --op tanh

verdicts: pass, wrong gradient, kink (the point has no slope), step noise (no step shows the slope),
nondeterministic.  exit codes: 0 pass, 1 wrong gradient, 2 usage, bad input or a target that raises,
3 inconclusive."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the program."""
    parser = subparsers.add_parser(
        "gradcheck",
        help="check a gradient against numbers",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help="what to check (see above)")
    parser.add_argument("--builtin", action="store_true", help="check every row of the op table")
    parser.add_argument("--op", metavar="NAME", help="with --builtin: this row alone")
    parser.add_argument(
        "--shape", action="append", default=[], metavar="x=3,4", help="shape of an input to draw"
    )
    parser.add_argument(
        "--at", action="append", default=[], metavar="x=2.0",
        help="an input: a number or nested list; also arguments of a constructor",
    )  # fmt: skip
    parser.add_argument(
        "--constant", action="append", default=[], metavar="NAME",
        help="do not vary this input or parameter; integers stay integers",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws; default 0")
    parser.add_argument(
        "--order", type=int, choices=(1, 2),
        help="2: the derivative of the gradient as well; default 1, with --builtin 2",
    )  # fmt: skip
    parser.add_argument("--rtol", type=float, metavar="X", help="relative tolerance; default 1e-6")
    parser.add_argument(
        "--atol", type=float, default=0.0, metavar="X", help="absolute tolerance; default 0"
    )
    parser.add_argument(
        "--kind", default="auto", choices=("auto", "values", "pair", "module"),
        help="what TARGET is, if the guess is wrong",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=int, metavar="N", help="search N inputs for a failing one (hypothesis)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, print, and return 0 (pass), 1 (wrong gradient) or 3 (inconclusive)."""
    order = args.order or (2 if args.builtin else 1)
    options = {"order": order, "rtol": args.rtol, "atol": args.atol}
    check_options(**options)
    if args.builtin:
        return _builtin(args, options)
    if args.target is None:
        raise UsageError(
            "TARGET is missing: path/to/file.py:name, package.module:name or --builtin"
        )
    if args.op is not None:
        raise UsageError("--op goes with --builtin")
    shapes = collect([parse_shape(text) for text in args.shape], "--shape")
    values = collect([parse_value(text) for text in args.at], "--at")
    # What the target prints must not mix with the report.
    with contextlib.redirect_stdout(sys.stderr), Progress(None, "trials", "input") as progress:
        outcome = check_target(
            args.target, shapes=shapes, values=values, constants=args.constant, seed=args.seed,
            kind=args.kind, trials=args.trials, tick=progress.update, **options,
        )  # fmt: skip
    print(dumps(outcome.to_json()) if args.json else outcome)
    return outcome.exit_code


def _builtin(args: argparse.Namespace, options: dict[str, Any]) -> int:
    for name in ("target", "shape", "at", "constant", "trials"):
        if getattr(args, name):
            raise UsageError(f"--builtin checks the op table, and goes without {name}")
    chosen = rows(args.op)
    with Progress(len(chosen), "op table", "op") as progress:
        results = check_rows(chosen, seed=args.seed, tick=progress.update, **options)
    verdict = worst(r.verdict for r in results)
    if args.json:
        print(dumps({"verdict": str(verdict), "ops": [r.to_json() for r in results]}))
    else:
        print(rows_table(results))
    return verdict.exit_code
