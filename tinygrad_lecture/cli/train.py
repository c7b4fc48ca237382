"""``tinygrad-lecture train``: train a classifier, test it, write it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..train import (
    ProgressBar,
    Report,
    Settings,
    format_confusion,
    resume_classifier,
    train_classifier,
)
from ..train.choices import ACTIVATIONS, INITIALIZERS, OPTIMIZERS, SCHEDULES
from ..train.settings import IDX_RECIPE, RECIPES, as_text

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Train a classifier (standardization, then linear layers with ReLU) on DATASET: digits, moons,
circles, spirals, xor, or a folder of IDX files such as MNIST's. The weights of the epoch with
the smallest validation loss are kept, tested and written."""

EPILOG = """\
what is not given comes from the recipe of the data set:
{recipes}

examples:
  tinygrad-lecture train digits
  tinygrad-lecture train spirals --hidden 32,32 --lr 0.1 --seed 1 --out runs/small
  tinygrad-lecture train --resume runs/small --epochs 200

files in DIR: model.npz (best weights), config.json, metrics.csv (a row per epoch), monitor.csv
(rows per layer), checkpoint.npz (the whole state after the last finished epoch), and pictures:
curves.svg, layers.svg, backprop.svg (one sample; extras plots and viz).

Ctrl-C ends cleanly: the best model so far is tested and written, the exit code is 130, and
--resume goes on, bit for bit as if nothing had happened. A loss that is not finite ends the run
with exit code 1; the best model before it is kept."""

GIVEN = (
    "hidden", "epochs", "lr", "batch", "momentum", "weight_decay", "seed", "optimizer", "init",
    "activation", "schedule", "ema", "batch_norm", "residual", "dropout",
    "early_stopping", "monitor",
)  # fmt: skip


def _hidden(text: str) -> tuple[int, ...]:
    if text.strip() == "none":
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"widths separated by commas (64,32) or none are needed, got {text!r}"
        ) from None


def _source(text: str) -> str:
    """Return the name of a data set, or the full path of a folder: --resume may start elsewhere."""
    folder = Path(text)
    return str(folder.resolve()) if text not in RECIPES and folder.is_dir() else text


def _recipes() -> str:
    keys = ("hidden", "epochs", "lr", "batch", "weight_decay", "schedule", "dropout", "batch_norm")
    rows: list[tuple[str, ...]] = [("", *keys)]
    for name, recipe in {**RECIPES, "IDX folder": IDX_RECIPE}.items():
        rows.append((name, *(as_text(recipe.get(key, getattr(Settings, key, ""))) for key in keys)))
    return "\n".join("  " + "".join(f"{cell:<14}" for cell in row).rstrip() for row in rows)


def add_parser(subparsers: Any) -> None:
    """Add the command to the program."""
    parser = subparsers.add_parser(
        "train",
        help="train a classifier on digits, toy data or IDX files",
        description=DESCRIPTION,
        epilog=EPILOG.format(recipes=_recipes()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "dataset", nargs="?", type=_source, metavar="DATASET", help="name or folder (see above)"
    )
    parser.add_argument("--hidden", type=_hidden, metavar="64,32", help="widths of hidden layers")
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs in all")
    parser.add_argument("--lr", type=float, metavar="X", help="learning rate")
    parser.add_argument("--batch", type=int, metavar="N", help="samples per step")
    parser.add_argument("--momentum", type=float, metavar="X", help="default 0.9")
    parser.add_argument("--weight-decay", type=float, metavar="X", help="L2 penalty")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of start weights and order; default 0"
    )
    parser.add_argument("--optimizer", metavar="NAME", help=f"{', '.join(OPTIMIZERS)}; default sgd")
    parser.add_argument(
        "--init", metavar="NAME", help=f"{', '.join(INITIALIZERS)}; default kaiming_uniform"
    )
    parser.add_argument(
        "--activation", metavar="NAME", help=f"{', '.join(ACTIVATIONS)}; default relu"
    )
    parser.add_argument(
        "--schedule", metavar="NAME",
        help=f"of the learning rate over the epochs: {', '.join(SCHEDULES)}; default constant",
    )  # fmt: skip
    parser.add_argument(
        "--ema", type=float, nargs="?", const=0.995, metavar="D",
        help="validate and keep an exponential average of the weights; decay .995 without a number",
    )  # fmt: skip
    flag = argparse.BooleanOptionalAction
    parser.add_argument("--batch-norm", action=flag, help="before each activation")
    parser.add_argument("--residual", action=flag, help="shortcuts around layers of equal widths")
    parser.add_argument("--dropout", type=float, metavar="P", help="after each activation")
    parser.add_argument(
        "--early-stopping", type=int, nargs="?", const=10, metavar="N",
        help="stop after N epochs without a better validation loss; 10 without a number",
    )  # fmt: skip
    parser.add_argument(
        "--monitor", type=int, nargs="?", const=100, metavar="N",
        help="before every N-th step (100), measure all layers into monitor.csv; 0 is never;"
        " without the flag, at the start of epochs",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="default runs/DATASET")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on with the run in DIR")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier run in DIR")
    parser.add_argument(
        "--no-compile", action="store_true", help="train eagerly: slower, the same to rounding"
    )
    parser.add_argument("--no-pictures", action="store_true", help="write no .svg files")
    parser.add_argument(
        "--report", action="store_true",
        help="write report.html: one page with pictures, configuration, metrics, confusion matrix",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train or resume, report, and return 0, 1 (diverged) or 130 (Ctrl-C)."""
    options = {
        "callbacks": [ProgressBar()], "compile": not args.no_compile,
        "pictures": not args.no_pictures, "page": args.report,
    }  # fmt: skip
    given = {name: getattr(args, name) for name in GIVEN if getattr(args, name) is not None}
    if args.resume is not None:
        for name in ("out", "overwrite"):
            if getattr(args, name):
                raise UsageError(
                    f"--{name} does not go with --resume, which goes on in {args.resume}"
                )
        if args.dataset is not None:
            given["dataset"] = args.dataset
        report = resume_classifier(args.resume, **options, **given)
    else:
        if args.dataset is None:
            raise UsageError("DATASET is missing: digits, moons, circles, spirals, xor or a folder")
        settings = Settings.of(args.dataset, **given)
        folder = args.out or Path("runs", Path(args.dataset).resolve().name)
        report = train_classifier(settings, folder, overwrite=args.overwrite, **options)
    if args.json:
        print(json.dumps(report.to_json()))
    else:
        print(_text(report))
    if report.message:
        print(f"tinygrad-lecture: {report.message}", file=sys.stderr)
    return {"diverged": 1, "interrupted": 130}.get(report.reason, 0)


def _text(report: Report) -> str:
    settings, samples = report.settings, report.samples
    parts = ", ".join(f"{count} {name}" for name, count in samples.items())
    lines = [
        f"{settings.dataset}: {parts} samples; network {'-'.join(map(str, report.sizes))},"
        f" {report.parameters} parameters",
        f"{report.reason} after {report.epochs} of {settings.epochs} epochs,"
        f" {report.seconds:.1f} s",
    ]
    if report.confusion is None:
        lines.append("no epoch was finished, so there is no model to test or keep")
    else:
        right = int(report.confusion.trace())
        lines += [
            f"test accuracy {report.test_accuracy:.4f} ({right} of {samples['test']}),"
            f" loss {report.test_loss:.4f}, best epoch {report.best_epoch}",
            "",
            format_confusion(report.confusion),
            "",
        ]
    lines += [f"wrote {path}" for path in report.files.values()]
    lines += report.notes
    return "\n".join(lines)
