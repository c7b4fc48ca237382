"""``tinygrad-lecture claims``: measure what the lecture claims."""

from __future__ import annotations

import argparse
import json
import textwrap
from typing import Any

from ..errors import UsageError
from ..experiments import Result, claims, index, run_claims
from ..train import Progress
from .executors import EXECUTORS, add_options, open_executor

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Run the experiments behind the lecture's claims and compare what they measure with thresholds.
CLAIM is an id of the lecture (L33) or the name of an experiment; without one, all are run."""

EPILOG = f"""\
examples:
  tinygrad-lecture claims --list
  tinygrad-lecture claims --index
  tinygrad-lecture claims L20 L21
  tinygrad-lecture claims --quick --workers 2
  tinygrad-lecture claims --executor dask --json > claims.json

{EXECUTORS}

Below each claim stands what was measured ("0.2 … 0.5 (10)": the range of 10 numbers), the
threshold, whether it holds, and the reference: what plain NumPy code gave when the threshold was
chosen. "reported" is not judged: a rule of thumb, or a number for comparison.

exit codes: 0 all hold, 1 a claim fails or raises, 2 usage."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the program."""
    parser = subparsers.add_parser(
        "claims",
        help="measure the claims of the lecture",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help="what to measure (see above)")
    parser.add_argument("--list", action="store_true", help="list the claims, measure nothing")
    parser.add_argument(
        "--index", action="store_true", help="print slides, functions, notebooks and claims"
    )
    parser.add_argument("--quick", action="store_true", help="fewer seeds and steps")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws; default 0")
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return 0 (all hold) or 1."""
    if args.seed < 0:
        raise UsageError(f"--seed must be at least 0, got {args.seed}")
    if args.index:
        if args.claims or args.json:
            raise UsageError(
                "--index prints the whole lecture, as Markdown: give no CLAIM, no --json"
            )
        print(index(), end="")
        return 0
    chosen = claims(args.claims or None)
    if args.list:
        rows = [{"id": c.id, "name": c.name, "claim": c.statement} for c in chosen]
        print(json.dumps(rows, ensure_ascii=False, indent=2) if args.json else _listed(rows))
        return 0
    pool = open_executor(args.executor, min(args.workers, len(chosen)))
    with pool as executor, Progress(len(chosen), "claims", "claim") as progress:
        results = run_claims(
            [c.name for c in chosen], quick=args.quick, seed=args.seed, executor=executor,
            tick=lambda result: progress.update(note=f"{result.claim.id} {result.verdict}"),
        )  # fmt: skip
    good = all(result.ok for result in results)
    if args.json:
        document = {
            "verdict": "holds" if good else "fails",
            "quick": args.quick,
            "seed": args.seed,
            "claims": [result.to_json() for result in results],
        }
        print(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2))
    else:
        print(_table(results))
    return 0 if good else 1


def _listed(rows: list[dict[str, str]]) -> str:
    width = max(len(row["name"]) for row in rows)
    return "\n".join(f"{row['id']}  {row['name']:<{width}}  {row['claim']}" for row in rows)


def _table(results: list[Result]) -> str:
    """Return the claims, each with its checks below, in columns."""
    rows: list[tuple[str, ...]] = [("id", "claim", "measured", "reference", "threshold", "verdict")]
    for result in results:
        rows.append((result.claim.id, result.claim.statement, "", "", "", result.verdict))
        if result.outcome is not None:
            rows += [
                ("", f"  {check.name}", check.measured_text, check.reference_text,
                 str(check.bound or ""), check.verdict)
                for check in result.outcome.checks
            ]  # fmt: skip
        texts = filter(None, (result.claim.reason, result.error))
        rows += [("", f"  {text}", "", "", "", "") for text in texts]
    widths = [max(min(len(row[k]), 64) for row in rows) for k in range(5)]
    lines = []
    for row in rows:
        indent = "  " if row[1].startswith("  ") else ""
        first, *more = textwrap.wrap(
            row[1].strip(), widths[1] - len(indent), initial_indent=indent,
            subsequent_indent=indent + "  ",
        )  # fmt: skip
        cells = (row[0], first, *row[2:])
        lines += ["  ".join(f"{c:<{w}}" for c, w in zip(cells, (*widths, 0), strict=True)).rstrip()]
        lines += [" " * (widths[0] + 2) + text for text in more]
    failed = [result.claim.name for result in results if not result.ok]
    seconds = sum(result.seconds for result in results)
    told = f"{len(failed)} fail: {', '.join(failed)}" if failed else "all hold"
    return "\n".join([*lines, "", f"{len(results)} claims, {told} ({seconds:.1f} s of CPU time)"])
