"""``tinygrad-lecture notebooks``: the course, listed or copied into a folder of yours."""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from typing import Any

from ..errors import UsageError
from ..teach import copy_course, lessons

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
List the notebooks of the course with what you learn in each, or copy them into a folder."""

EPILOG = """\
examples:
  tinygrad-lecture notebooks
  tinygrad-lecture notebooks --copy course
  cd course && jupyter lab

To run them: pip install "tinygrad_lecture[notebooks]" jupyterlab

A notebook that you changed is never overwritten, unless you say --force.

exit codes: 0 listed or copied, 2 usage, or a changed notebook is in the way."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "notebooks",
        help="list the course, or copy it into a folder",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--copy", metavar="DIR", help="copy the notebooks into this folder")
    parser.add_argument(
        "--force", action="store_true", help="with --copy: overwrite notebooks that were changed"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List or copy, and return 0."""
    if args.copy is None:
        if args.force:
            raise UsageError("--force says what --copy may overwrite: give --copy DIR as well")
        print(_json() if args.json else _listed())
        return 0
    written, kept = copy_course(args.copy, force=args.force)
    if args.json:
        print(json.dumps({"written": list(map(str, written)), "kept": list(map(str, kept))}))
        return 0
    for path in written:
        print(f"wrote {path}")
    if kept:
        print(f"{len(kept)} of {len(written) + len(kept)} notebooks are there already, unchanged")
    return 0


def _listed() -> str:
    blocks = []
    for lesson in lessons():
        goals = textwrap.fill(
            " ".join(re.sub("[*`]", "", lesson.goals).split()),
            96,
            initial_indent="    ",
            subsequent_indent="    ",
        )
        blocks.append(f"{lesson.number}  {lesson.title}\n{goals}")
    return "\n".join(
        [*blocks, "", "To put them into a folder: tinygrad-lecture notebooks --copy DIR"]
    )


def _json() -> str:
    rows = [
        {"name": x.name, "title": x.title, "goals": x.goals, "path": str(x.path)} for x in lessons()
    ]
    return json.dumps({"notebooks": rows}, ensure_ascii=False, indent=2)
