"""``tinygrad-lecture logic``: a Boolean function as neurons."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from .. import nn, optim
from ..compiler import compile
from ..errors import UsageError
from ..logic import (
    BooleanFunction,
    CNFNet,
    DNFNet,
    Separation,
    draw_net,
    separate,
)  # fmt: skip
from ..train import Progress

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Show a Boolean function as neurons: truth table, network, sizes, and whether one neuron can do it.

FUNCTION is an expression such as "(a | b) & ~(a & b)", or a truth table of 2^n digits 0 and 1 whose
row k belongs to the inputs that are k in binary (0110 is XOR)."""

EPILOG = """\
examples:
  tinygrad-lecture logic "(a | b) & ~(a & b)"
  tinygrad-lecture logic 0110 --cnf --minimize
  tinygrad-lecture logic "a & (b | c)" --train --json

exit codes: 0 done, 1 the trained network is wrong on a row, 2 usage."""

MOST_ROWS = 64
MOST_INPUTS = 10  # the exact decision takes 1 s with 10 inputs and half a minute with 12
STEPS = 2000


def add_parser(subparsers: Any) -> None:
    """Add the command to the program."""
    parser = subparsers.add_parser(
        "logic",
        help="turn a Boolean function into neurons",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("function", metavar="FUNCTION", help="expression or truth table")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--dnf", action="store_true", help="OR of ANDs (the default)")
    form.add_argument("--cnf", action="store_true", help="AND of ORs")
    parser.add_argument(
        "--minimize", action="store_true", help="fewest terms there can be; up to 8 inputs"
    )
    parser.add_argument(
        "--train", action="store_true",
        help="train the network on, from sigmoids with random disturbances",
    )  # fmt: skip
    parser.add_argument(
        "--draw", metavar="FILE", help="write the network as .dot, or as .svg, .png or .pdf"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of --train; default 0")
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build, print, and return 0, or 1 if the trained network is wrong."""
    if args.seed < 0:
        raise UsageError(f"--seed must be at least 0, got {args.seed}")
    function = BooleanFunction.of(args.function)
    kind = CNFNet if args.cnf else DNFNet
    net = kind.from_truth_table(function, complement="auto", minimized=args.minimize)
    decided = function.n <= MOST_INPUTS
    separation = separate(function.X, function.table) if decided else Separation(None, {})
    report: dict[str, Any] = {
        "names": list(function.names),
        "table": "".join(map(str, function.y.tolist())),
        "form": "cnf" if args.cnf else "dnf",
        "formula": net.formula(),
        "hidden_units": net.n_hidden,
        "connections": net.n_connections,
        "separable": bool(separation) if decided else None,
        "single_neuron": None,
        "conflict": {str(row): weight for row, weight in separation.conflict.items()},
    }
    if separation.neuron is not None:
        layer = separation.neuron.layers[0]
        report["single_neuron"] = {
            "weights": np.ravel(layer.weight).tolist(), "bias": float(np.ravel(layer.bias)[0])
        }  # fmt: skip
    if args.train:
        report["training"] = _train(net, function, args.seed)
    if args.draw:
        draw_net(net, function.names).save(args.draw)
        report["drawing"] = args.draw
    if args.json:
        print(json.dumps(report))
    else:
        print(_text(report, function))
    return 1 if args.train and report["training"]["wrong_rows"] else 0


def _train(net: Any, function: BooleanFunction, seed: int) -> dict[str, Any]:
    """Disturb the network's weights and train it back, with sigmoids in place of thresholds."""
    model = net.to_module(4.0)
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data = p.data + rng.normal(0.0, 1.0, p.shape)
    rule = optim.Adam(model.parameters(), lr=0.05)
    X, y = function.X, function.y.astype(float)
    loss = nn.BCELoss()

    def measure() -> Any:
        return loss(model(X).reshape(-1), y)

    @compile
    def step() -> Any:
        rule.zero_grad()
        value = measure()
        value.backward()
        rule.step()
        return value

    before = measure().item()
    with Progress(STEPS, "train", "step") as progress:
        for _ in range(STEPS):
            step()
            progress.update()
    wrong = int(np.sum((np.ravel(model(X).data) >= 0.5) != function.table))
    return {
        "steps": STEPS, "loss_before": before, "loss": measure().item(), "wrong_rows": wrong
    }  # fmt: skip


def _text(report: dict[str, Any], function: BooleanFunction) -> str:
    names, table = report["names"], report["table"]
    widths = [len(name) for name in names]
    lines = ["  ".join([*names, "y"])]
    rows = function.X.astype(int).tolist()
    for row, y in zip(rows[:MOST_ROWS], table, strict=False):
        cells = (str(x).rjust(width) for x, width in zip(row, widths, strict=True))
        lines.append("  ".join([*cells, y]))
    if len(rows) > MOST_ROWS:
        lines.append(f"… {len(rows) - MOST_ROWS} more rows")
    lines += [
        "",
        f"{report['form']}: {report['formula']}",
        f"network: {len(names)}-{report['hidden_units']}-1 threshold neurons,"
        f" {report['connections']} connections",
    ]
    neuron = report["single_neuron"]
    if report["separable"] is None:
        lines.append(f"whether one neuron can do it is decided up to {MOST_INPUTS} inputs only")
    elif neuron is None:
        lines.append("one neuron cannot do it: " + _conflict(report["conflict"], rows, table))
    else:
        terms = " ".join(
            f"{weight:+g}·{name}"
            for weight, name in zip(neuron["weights"], names, strict=True)
            if weight
        )
        lines.append(f"one neuron can do it: y = [{terms} {neuron['bias']:+g} ≥ 0]")
    if "training" in report:
        told = report["training"]
        lines.append(
            f"trained: loss {told['loss_before']:.4g} → {told['loss']:.4g} in {told['steps']}"
            f" steps, {told['wrong_rows']} of {len(rows)} rows wrong"
        )
    if "drawing" in report:
        lines.append(f"wrote {report['drawing']}")
    return "\n".join(lines)


def _conflict(conflict: dict[str, int], rows: list[list[int]], table: str) -> str:
    """Say which points of both classes have the same weighted sum."""
    sides = []
    for label in "10":
        points = [
            (f"{weight}·" if weight != 1 else "") + "".join(map(str, rows[int(k)]))
            for k, weight in conflict.items()
            if table[int(k)] == label
        ]
        sides.append(f"{' + '.join(points)} (y = {label})")
    return " and ".join(sides) + " have the same sum"
