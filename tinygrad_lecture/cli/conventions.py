"""``tinygrad-lecture conventions``: what the engine answers at kinks and singular points."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..engine import conventions

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "conventions",
        help="print the derivatives at kinks and singular points",
        description="Print what the engine answers at kinks and singular points, and why.",
        epilog="example: tinygrad-lecture conventions --json",
    )
    parser.add_argument("--json", action="store_true", help="print JSON; inf and nan as text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    table = conventions()
    if args.json:
        rows = [{"point": c.point, "answer": _plain(c.answer), "reason": c.reason} for c in table]
        print(json.dumps(rows))
    else:
        print(table)
    return 0


def _plain(x: Any) -> Any:
    if isinstance(x, list):
        return [_plain(item) for item in x]
    return x if abs(x) < float("inf") else str(x)
