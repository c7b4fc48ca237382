"""``tinygrad-lecture grade``: an exercise in the files of a class."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections import Counter
from typing import Any

from ..errors import UsageError
from ..teach import EXERCISES, Exercise, Graded, Limits, assignment, exercise, find_files, grade
from ..teach.grading import NotStartedError
from ..teach.report import number
from ..train import Progress
from ..train.machine import cpus

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Check an exercise of the course in Python files or notebooks, and give points with reasons.
FILE is a file, a folder (all *.py and *.ipynb below it) or a pattern in quotes ("*/tanh.py")."""

EPILOG = """\
examples:
  tinygrad-lecture grade --list
  tinygrad-lecture grade --stub tanh > tanh.py        (what a student begins with)
  tinygrad-lecture grade --notebook tanh > source/week3/tanh.ipynb               (for nbgrader)
  tinygrad-lecture grade tanh.py --exercise tanh
  tinygrad-lecture grade submissions/ --exercise adam --jobs 4 --json > adam.json

Each file is imported in a process of its own, in an empty folder, without input; what it prints is
thrown away. A crash, a loop that never ends, too much memory, sys.exit or a syntax error costs the
points of that file and touches no other. The limits are for accidents: they do not keep code that
wants to from reading or deleting files, so grade strangers in a container.

exit codes: 0 all files have all points, 1 some have not, 2 usage."""


def _positive(kind: type, unit: str) -> Any:
    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{unit} greater than 0 are needed, got {text!r}")
        return value

    return parse


def add_parser(subparsers: Any) -> None:
    """Add the command to the program."""
    parser = subparsers.add_parser(
        "grade",
        help="check an exercise in the files of a class",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="what to check (see above)")
    parser.add_argument("--exercise", metavar="NAME", help="which exercise it is")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--list", action="store_true", help="list the exercises, check nothing")
    shown.add_argument("--stub", metavar="NAME", help="print what a student begins with")
    shown.add_argument(
        "--notebook",
        metavar="NAME",
        help="print it as a source notebook for nbgrader",
    )
    parser.add_argument(
        "--timeout", type=_positive(float, "seconds"), default=10.0, metavar="S",
        help="seconds for the import and for each call; a file may take three times as long, and "
        "15 s for its start; default 10",
    )  # fmt: skip
    parser.add_argument(
        "--memory", type=_positive(float, "megabytes"), default=1024.0, metavar="MB",
        help="memory for each file (Linux); default 1024",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=_positive(int, "jobs"), default=cpus(), metavar="N",
        help="processes side by side; default: as many as there are CPUs",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the cases; default 0")
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, print, and return 0 (all points everywhere) or 1."""
    if args.list or args.stub is not None or args.notebook is not None:
        if args.files or args.exercise:
            raise UsageError("--list, --stub and --notebook go without FILE and --exercise")
        print(_shown(args), end="")
        return 0
    if not args.files:
        raise UsageError("FILE is missing: a file, a folder or a pattern (or --list, --stub NAME)")
    if args.exercise is None:
        raise UsageError(f"--exercise is missing: one of {', '.join(EXERCISES)}")
    if args.seed < 0:
        raise UsageError(f"--seed must be at least 0, got {args.seed}")
    task = exercise(args.exercise)
    files = find_files(args.files)
    with Progress(len(files), f"grade {task.name}", "file") as progress:
        try:
            graded = grade(
                files, task.name, seed=args.seed, limits=Limits(args.timeout, args.memory),
                jobs=args.jobs, tick=lambda g: progress.update(note=f"{g.file} {_points(g)}"),
            )  # fmt: skip
        except NotStartedError as error:
            raise UsageError(" | ".join(str(error).split("\n")[-3:])) from error
    if args.json:
        document = {
            "exercise": task.name, "possible": graded[0].report.possible, "seed": args.seed,
            "files": [g.to_json() for g in graded],
        }  # fmt: skip
        print(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2))
    else:
        print(_table(graded))
    return 0 if all(g.full for g in graded) else 1


def _shown(args: argparse.Namespace) -> str:
    """Return what is shown without any file."""
    if args.list:
        return _list(args.json)
    if args.stub is not None:
        return _stub(exercise(args.stub))
    return json.dumps(assignment(args.notebook), ensure_ascii=False, indent=1) + "\n"


def _list(as_json: bool) -> str:
    rows = [
        {"name": e.name, "title": e.title, "ids": list(e.ids), "entry": e.entry, "points": e.points}
        for e in EXERCISES.values()
    ]
    if as_json:
        return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"
    width = max(map(len, EXERCISES))
    lines = [f"{e.name:<{width}}  {e.title} ({', '.join(e.ids)})" for e in EXERCISES.values()]
    return "\n".join(lines) + "\n"


def _stub(task: Exercise) -> str:
    """Return a Python file to begin with: the statement as comments, then the stub."""
    statement = "\n".join(f"# {line}".rstrip() for line in task.task.splitlines())
    return f"{statement}\n\n{task.stub.strip()}\n"


def _points(graded: Graded) -> str:
    return number(graded.report.points)


def _table(graded: list[Graded]) -> str:
    """Return the files with points, and below each what is wrong, once."""
    width = max(len("file"), *(len(str(g.file)) for g in graded))
    possible = number(graded[0].report.possible)
    lines = [f"{'file':<{width}}  points of {possible}"]
    for g in graded:
        parts = g.report.parts.items()
        told = ", ".join(f"{part} {number(got)}/{number(most)}" for part, (got, most) in parts)
        lines.append(f"{g.file!s:<{width}}  {_points(g):>6}  {told}")
        lines += [
            line
            for reason in g.report.reasons
            for line in textwrap.wrap(
                f"✗ {reason}", 100, initial_indent="    ", subsequent_indent="      "
            )
        ]
    return "\n".join(lines + (_summary(graded) if len(graded) > 1 else []))


def _summary(graded: list[Graded]) -> list[str]:
    points = [g.report.points for g in graded]
    full = sum(g.full for g in graded)
    mean = number(sum(points) / len(points))
    lines = ["", f"{len(graded)} files: {full} with all points, {mean} on average"]
    reasons = Counter(reason for g in graded for reason in g.report.reasons)
    often = [(count, reason) for reason, count in reasons.most_common(5) if count > 1]
    if often:
        lines.append("most often:")
        lines += [f"  {count} × {textwrap.shorten(reason, 90)}" for count, reason in often]
    return lines
