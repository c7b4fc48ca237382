"""``tinygrad-lecture graph``: a computation with its derivatives, as a picture or step by step."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..draw import Drawing, Stepper, draw, stepper
from ..draw.draw import CHOICES
from ..draw.drawing import ENDINGS
from ..draw.formula import Formula
from ..draw.layout import find_dot
from ..engine import Tape, Value
from ..engine.value import raw
from ..errors import UsageError
from ..gradcheck.points import as_array, collect, parse_shape, parse_value
from ..gradcheck.problem import run_target
from ..gradcheck.targets import load, seeded
from ..nn import MLP, Layer, Neuron

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Draw a computation with its values, its derivatives and the local derivatives between them.
TARGET is path/to/file.py:name or package.module:name, and names a function of Values, a module (or
its class: arguments of its constructor go with --at, like those of the call), or a Value.
Inputs without --shape or --at are numbers, drawn from the seed.
Without --out, what would be drawn is printed as a table; with --step-through, step by step."""

EPILOG = """\
examples:
  tinygrad-lecture graph --expr "tanh(w*x+b)" --at w=2,x=1,b=0 --out neuron.svg
  tinygrad-lecture graph homework.py:loss --shape W=3,4 --at x=[1,2,3,4] --out loss.png
  tinygrad-lecture graph homework.py:net --shape x=5,2 --depth 1 --out net.svg
  tinygrad-lecture graph homework.py:loss --color adjoint --theme dark --out loss.html
  tinygrad-lecture graph --expr "tanh(w*x+b)" --at w=2,x=1,b=0 --step-through --out steps.html

pictures need pip install "tinygrad_lecture[viz]" or Graphviz's dot; .dot and .json need nothing."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the program."""
    parser = subparsers.add_parser(
        "graph",
        help="draw a computation with its derivatives",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help="what to draw (see above)")
    parser.add_argument("--expr", metavar="TEXT", help="a formula, such as tanh(w*x+b), instead")
    parser.add_argument(
        "--at", action="append", default=[], metavar="x=2.0",
        help="inputs: numbers or nested lists; several as w=2,x=1",
    )  # fmt: skip
    parser.add_argument(
        "--shape", action="append", default=[], metavar="x=3,4", help="shape of an input to draw"
    )
    parser.add_argument(
        "--constant", action="append", default=[], metavar="NAME",
        help="an input that no derivative is taken by; integers stay integers",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws; default 0")
    parser.add_argument(
        "--depth", type=int, metavar="N", help="modules at this depth as boxes; 0 is the whole"
    )
    parser.add_argument("--focus", metavar="NAME", help="only what is near this name, or v12")
    parser.add_argument(
        "--radius", type=int, default=2, metavar="N", help="how near, in edges; default 2"
    )
    for name, choices in CHOICES.items():
        parser.add_argument(
            f"--{name}", default=choices[0], choices=choices, help=f"default {choices[0]}"
        )
    parser.add_argument(
        "--digits", type=int, default=4, metavar="N", help="significant digits; default 4"
    )
    parser.add_argument(
        "--limit", type=int, default=400, metavar="N",
        help="beyond so many nodes, those that are alike are drawn as one; default 400",
    )  # fmt: skip
    parser.add_argument("--title", metavar="TEXT", help="instead of one that names the pass")
    parser.add_argument(
        "--step-through", action="store_true",
        help="forward and backward step by step; --out is a page that ends in .html",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="FILE", help=f"write here, as the ending says: {', '.join(ENDINGS)}"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the graph, or the steps, as JSON, nothing else"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the target once, draw it, and return 0."""
    if (args.target is None) == (args.expr is None):
        raise UsageError(
            "one of TARGET (path/to/file.py:name or package.module:name) and --expr is needed"
        )
    if args.seed < 0:
        raise UsageError(f"--seed must not be negative, got {args.seed}")
    values = collect([parse_value(part) for text in args.at for part in _split(text)], "--at")
    shapes = collect([parse_shape(text) for text in args.shape], "--shape")
    make: Callable[..., Drawing | Stepper] = draw
    names: tuple[str, ...] = ("radius", "digits", "limit", "title", "theme")
    if args.step_through:
        _check_steps(args)
        make = stepper
    else:
        names = (*names, "depth", "passes", "color")
        if args.out and Path(args.out).suffix.lower() not in (".dot", ".gv", ".json"):
            _check_renderer(args.out)
    options = {name: getattr(args, name) for name in names}
    # What the target prints must not mix with ours.
    with contextlib.redirect_stdout(sys.stderr), seeded(args.seed):
        inputs = _Inputs(values, shapes, args.constant, args.seed)
        name, thing, given = (
            _formula(args.expr, inputs) if args.expr is not None else _target(args.target, inputs)
        )
        inputs.check_used()
        picture = run_target(name, lambda: make(thing, *given, focus=args.focus, **options))
    if args.out:
        picture.save(args.out)
    if args.json:
        print(picture.json())
    elif args.out:
        many = (
            f"{len(picture.frames):,} steps"
            if isinstance(picture, Stepper)
            else f"{len(picture.graph):,} nodes"
        )
        print(f"wrote {args.out}: {many}")
    else:
        print(picture)
    return 0


def _split(text: str) -> list[str]:
    """Return the assignments in ``w=2,x=[1,2]``."""
    return re.split(r",(?=\s*[^\W\d]\w*\s*=)", text)


NEEDED = (
    'a picture needs the program dot or its port graphviz-pure: pip install "tinygrad_lecture[viz]"'
)


def _check_renderer(out: str) -> None:
    if find_dot() is None:
        raise UsageError(f"{out}: {NEEDED}; a file that ends in .dot needs nothing")


def _check_steps(args: argparse.Namespace) -> None:
    """Refuse what steps cannot have; tell when their page will be without a picture."""
    given = [name for name in ("passes", "color") if getattr(args, name) != CHOICES[name][0]]
    given += ["depth"] if args.depth is not None else []
    if given:
        raise UsageError(f"--{given[0]} goes without --step-through: steps show all entries")
    if args.out and Path(args.out).suffix.lower() != ".html":
        raise UsageError(f"--out {args.out}: steps are a page, so the ending must be .html")
    if args.out and find_dot() is None:
        print(f"{args.out} has the table alone: {NEEDED}", file=sys.stderr)


class _Inputs:
    """What was said about inputs on the command line, and what of it was asked for."""

    def __init__(
        self,
        values: Mapping[str, Any],
        shapes: Mapping[str, tuple[int, ...]],
        constants: list[str],
        seed: int,
    ) -> None:
        both = [name for name in values if name in shapes]
        if both:
            raise UsageError(f"{both[0]} has a value by --at and a shape by --shape: give one")
        self.values, self.shapes, self.constants = values, shapes, constants
        self.rng = np.random.default_rng(seed)
        self.used: set[str] = set()

    def known(self, name: str) -> bool:
        """Whether something was said about this input."""
        return name in self.values or name in self.shapes

    def get(self, name: str) -> Any:
        """Return an input: a Value under its name, or a constant."""
        self.used.add(name)
        constant = name in self.constants
        if name in self.values:
            data = as_array(name, self.values[name], constant=constant)
            if constant or isinstance(data, bool | str | type(None)):
                return data
        else:
            shape = self.shapes.get(name, ())
            data = self.rng.normal(size=shape) if shape else float(self.rng.normal())
            if constant:
                return data
        return Value(data, name)

    def check_used(self) -> None:
        """Refuse names that nothing asked for.

        Raises
        ------
        UsageError
            With the names of the inputs that there are.
        """
        for name in (*self.values, *self.shapes, *self.constants):
            if name not in self.used:
                there = ", ".join(sorted(self.used)) or "none"
                raise UsageError(f"there is no input {name}; inputs are: {there}")


def _formula(text: str, inputs: _Inputs) -> tuple[str, Any, tuple[Any, ...]]:
    formula = Formula.parse(text)
    missing = {name: None for name in formula.names if not inputs.known(name)}
    if missing:
        formula.evaluate(dict.fromkeys(set(formula.names) - set(missing)))
    values = {name: inputs.get(name) for name in formula.names}

    def compute() -> Any:
        return formula.evaluate(values)

    compute.__name__ = text
    return text, compute, ()


def _target(target: str, inputs: _Inputs) -> tuple[str, Any, tuple[Any, ...]]:
    thing = load(target)
    if isinstance(thing, (Value, Tape)):
        return target, thing, ()
    if inspect.isclass(thing):
        made = {
            key: inputs.values[key]
            for key in _parameters(thing.__init__)
            if key in inputs.values
        }  # fmt: skip
        inputs.used.update(made)
        thing = run_target(target, lambda: thing(**made))
    if not callable(thing):
        raise UsageError(
            f"{target} is {type(thing).__name__}: a function, a module, a Value or a Tape is drawn"
        )
    called = getattr(thing, "forward", thing)
    given = []
    for key, parameter in _parameters(called).items():
        needed = parameter.default is inspect.Parameter.empty
        if not needed and not inputs.known(key):
            break  # what follows goes by position, so it has its default as well
        given.append(inputs.get(key))
    if isinstance(thing, (Neuron, Layer, MLP)):  # of single numbers
        given = [_numbers(x) for x in given]
    if not inputs.constants:
        return target, thing, tuple(given)

    def apply() -> Any:  # `draw` would track numbers that are handed in
        return thing(*given)

    apply.__name__ = getattr(thing, "__name__", type(thing).__name__)
    return target, apply, ()


def _numbers(x: Any) -> Any:
    """Return an array input as a list of numbers, named by their places."""
    if np.ndim(raw(x)) != 1:
        return x
    if not isinstance(x, Value):
        return list(x)
    return [Value(number, f"{x.name}[{k}]") for k, number in enumerate(x.data.tolist())]


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise UsageError(f"{function!r} does not tell its inputs: wrap it in a function") from None
    usual = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {
        key: parameter
        for key, parameter in signature.parameters.items()
        if key != "self" and parameter.kind in usual
    }
