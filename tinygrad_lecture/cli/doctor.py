"""``tinygrad-lecture doctor``: what is installed, what works, and what to install."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..doctor import diagnose

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Tell which extras are there, which pictures can be drawn (each kind is tried), which library does
linear algebra with how many threads, and what to install for what is missing."""

EPILOG = """\
examples:
  tinygrad-lecture doctor
  tinygrad-lecture doctor --json

✓ there   ○ missing   ✗ there, and too old or broken

exit codes: 0 nothing is broken (extras may be missing), 1 something is, 2 usage."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the program."""
    parser = subparsers.add_parser(
        "doctor",
        help="tell what is installed, what works, and what to install",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, print, and return 0, or 1 if something is broken."""
    found = diagnose()
    print(json.dumps(found.to_json(), ensure_ascii=False, indent=2) if args.json else found)
    return 0 if found else 1
