"""``tinygrad-lecture search``: random search for hyper-parameters, from coarse to fine."""

from __future__ import annotations

import argparse
import json
import math
import re
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..train import Progress, SerialExecutor, TrialError, WorkerDeathError
from ..train.search import Search, Stage, coarse_to_fine
from ..train.settings import Settings
from ..train.tune import SPACE, ClassifierTrial, parameter_space
from .executors import EXECUTORS, add_options, open_executor

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Search hyper-parameters for the classifier of "train" on DATASET (a name or a folder of IDX files):
random draws, many with few epochs first, then fewer with more epochs around the best of them.
What counts is the validation part; the test part is not looked at."""

EPILOG = f"""\
examples:
  tinygrad-lecture search digits
  tinygrad-lecture search spirals --stages 30x5,15x20 --range lr=1e-3,1 --range width=8,128
  tinygrad-lecture search digits --journal digits.jsonl     (goes on there if it was stopped)

A range is NAME=LOW,HIGH for lr, weight_decay, momentum, batch or width (of all hidden layers);
without one, lr=1e-4,1 and weight_decay=1e-6,1e-1 are searched. momentum is drawn uniformly, the
others by their logarithm. The seed decides all draws: neither the executor nor the number of
workers changes a result.

{EXECUTORS}

exit codes: 0 done, 2 usage, or no trial gave a finite score."""


def _stages(text: str) -> list[Stage]:
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*(,[1-9]\d*x[1-9]\d*)*", text):
        raise argparse.ArgumentTypeError(
            f"trials times epochs of each stage, as in 20x3,10x15; got {text!r}"
        )
    pairs = [part.split("x") for part in text.split(",")]
    return [Stage(int(trials), {"epochs": int(epochs)}) for trials, epochs in pairs]


def _range(text: str) -> tuple[str, tuple[float, float]]:
    name, equals, ends = text.partition("=")
    try:
        low, high = map(float, ends.split(","))
    except ValueError:
        low = high = math.nan
    if not equals or math.isnan(low):
        raise argparse.ArgumentTypeError(f"NAME=LOW,HIGH, as in lr=1e-4,1; got {text!r}")
    return name, (low, high)


def add_parser(subparsers: Any) -> None:
    """Add the command to the program."""
    parser = subparsers.add_parser(
        "search",
        help="search hyper-parameters at random, from coarse to fine",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", metavar="DATASET", help="name or folder (see above)")
    parser.add_argument(
        "--stages", type=_stages, default="20x3,10x15", metavar="20x3,10x15",
        help="trials times epochs of each stage; default 20x3,10x15",
    )  # fmt: skip
    parser.add_argument(
        "--range", type=_range, action="append", default=[], metavar="NAME=LOW,HIGH",
        help="what to search (see below), once for each name",
    )  # fmt: skip
    parser.add_argument(
        "--measure", choices=("loss", "accuracy"), default="loss",
        help="what is best on the validation part; default loss",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws; default 0")
    add_options(parser)
    parser.add_argument(
        "--journal", type=Path, metavar="FILE",
        help="write each trial there (one file a stage), and do not repeat what is there",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Search, print, and return 0."""
    if args.seed < 0:
        raise UsageError(f"--seed must be at least 0, got {args.seed}")
    names = [name for name, _ in args.range]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--range {name} came twice")
    space = parameter_space(dict(args.range)) or dict(SPACE)
    recipe = Settings.of(args.dataset)
    fixed = {name: getattr(recipe, name) for name in ("lr", "batch", "momentum", "weight_decay")}
    trial = ClassifierTrial(args.dataset, recipe.hidden, fixed, args.measure)
    total = sum(stage.trials for stage in args.stages)
    with (
        open_executor(args.executor, args.workers) as executor,
        Progress(total, "search", "trial") as progress,
    ):
        try:
            searches = coarse_to_fine(
                space, trial, args.stages, seed=args.seed, journal=args.journal,
                mode="min" if args.measure == "loss" else "max",
                executor=executor or SerialExecutor(),
                tick=lambda tried: progress.update(note=f"{args.measure} {tried.score:.4g}"),
            )  # fmt: skip
            best = searches[-1].best
        except (TrialError, WorkerDeathError) as error:
            raise UsageError(str(error)) from error
    command = _command(args.dataset, best.params, len(recipe.hidden))
    if args.json:
        stages = [_plain(search) for search in searches]
        document = {
            "dataset": args.dataset, "measure": args.measure, "seed": args.seed,
            "stages": stages, "best": best.params, "command": command,
        }  # fmt: skip
        print(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2))
        return 0
    for number, (stage, search) in enumerate(zip(args.stages, searches, strict=True), start=1):
        print(f"stage {number}, {stage.settings['epochs']} epochs a trial,", end=" ")
        print(", ".join(f"{name} in {part}" for name, part in search.space.items()))
        print(f"{search}\n")
    print(f"best validation {args.measure}: {best.score:.4g}; train with these by\n  {command}")
    return 0


def _command(dataset: str, params: dict[str, Any], layers: int) -> str:
    """Return the ``train`` command with the parameters that were found."""
    words = ["tinygrad-lecture train", dataset]
    for name, value in params.items():
        if name == "width":
            words += ["--hidden", ",".join([str(value)] * layers)]
        else:
            text = str(value) if isinstance(value, int) else f"{value:.3g}"
            words += [f"--{name.replace('_', '-')}", text]
    return " ".join(words)


def _plain(search: Search) -> dict[str, Any]:
    trials = [
        {
            "trial": trial.number,
            "params": trial.params,
            "score": trial.score if math.isfinite(trial.score) else None,
            "error": trial.error,
        }
        for trial in search.trials
    ]
    space = {name: str(part) for name, part in search.space.items()}
    return {"space": space, "trials": trials, "edges": search.edges}
