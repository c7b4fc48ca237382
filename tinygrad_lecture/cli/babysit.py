"""``tinygrad-lecture babysit``: the list of checks before and while a network is trained."""

from __future__ import annotations

import argparse
import json
import math
import textwrap
from dataclasses import asdict
from typing import Any

from ..errors import UsageError
from ..train import Progress, SerialExecutor, Settings, TrialError, WorkerDeathError
from ..train.babysit import CHECKS, Finding, walk
from .executors import EXECUTORS, add_options, open_executor
from .train import _hidden

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Walk the babysitting list of the lecture (L61 to L65) for the classifier of "train" on DATASET (a
name or a folder of IDX files), and say what each check found:
  inputs               are centred and scaled
  initial loss         is that of chance, ln C
  regularization       raises the loss
  a tiny subset        is learned by heart
  learning rate        by decades: too low, good, too high, diverging
  search               of learning rate and weight decay around the best decade
  update ratio         of weights per step
  gap                  between training and validation loss after a training with what was found"""

EPILOG = f"""\
examples:
  tinygrad-lecture babysit digits
  tinygrad-lecture babysit spirals --hidden 32,32 --trials 30 --json

{EXECUTORS}

exit codes: 0 no check failed, 1 a check failed (the walk ends if no learning rate is good),
2 usage or bad input."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the program."""
    parser = subparsers.add_parser(
        "babysit",
        help="check a training step by step and say what to mend",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", metavar="DATASET", help="name or folder (see above)")
    parser.add_argument("--hidden", type=_hidden, metavar="64,32", help="widths of hidden layers")
    parser.add_argument("--batch", type=int, metavar="N", help="samples per step")
    parser.add_argument("--epochs", type=int, metavar="N", help="of the training at the end")
    parser.add_argument("--momentum", type=float, metavar="X", help="default 0.9")
    parser.add_argument(
        "--trials", type=int, default=12, metavar="N", help="of the search; default 12"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws; default 0")
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Walk, print, and return 0 or 1."""
    if args.trials < 1:
        raise UsageError(f"--trials must be at least 1, got {args.trials}")
    names = ("hidden", "batch", "epochs", "momentum", "seed")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    settings = Settings.of(args.dataset, **given)
    findings: list[Finding] = []
    with (
        open_executor(args.executor, args.workers) as executor,
        Progress(CHECKS + args.trials, "babysit", "check") as progress,
    ):
        try:
            for finding in walk(
                settings, trials=args.trials, executor=executor or SerialExecutor(),
                tick=progress.update,
            ):  # fmt: skip
                findings.append(finding)
                progress.update(note=f"{finding.check}: {finding.verdict}")
        except (TrialError, WorkerDeathError) as error:
            raise UsageError(str(error)) from error
    failed = [finding.check for finding in findings if finding.verdict == "failed"]
    if args.json:
        document = {
            "dataset": args.dataset,
            "verdict": "failed" if failed else "ok",
            "findings": [_finite(asdict(finding)) for finding in findings],
        }
        print(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2))
    else:
        for finding in findings:
            print(textwrap.fill(str(finding), 100, subsequent_indent=" " * 8))
        print(
            f"\n{len(failed)} of {len(findings)} checks failed" if failed else "\nno check failed"
        )
    return 1 if failed else 0


def _finite(node: Any) -> Any:
    """Return plain data without inf and nan, which JSON does not have."""
    if isinstance(node, dict):
        return {key: _finite(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_finite(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node
