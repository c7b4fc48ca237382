"""Inputs for a target from the command line's ``--shape`` and ``--at``, or drawn."""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lecture.engine.ops.fast import ARGUMENTS
from tinygrad_lecture.engine.ops.table import Op
from tinygrad_lecture.errors import UsageError

from .kinds import problem_for
from .numeric import Array
from .parameters import is_module
from .problem import Problem, TargetError
from .targets import seeded

_DRAWS: tuple[Callable[[np.random.Generator, tuple[int, ...]], Any], ...] = (
    lambda rng, shape: rng.normal(size=shape),
    lambda rng, shape: rng.uniform(0.1, 0.9, shape),
    lambda rng, shape: rng.uniform(1.2, 3.0, shape),
)
"""Where to look for a point: anywhere, then in the domains of log and arcsin, then of arccosh."""

_SHAPE_WORDS = (
    "shape", "dimension", "broadcast", "matmul", "axis", "axes", "subscript", "index", "len()",
    "size", "iterable", "iterate", "unpack", "0-d", "'float'", "'numpy.float64'", "'float64'",
)  # fmt: skip


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Return name and shape from ``x=3,4``.

    Raises
    ------
    UsageError
        If the text has another form.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.points import parse_shape
    >>> parse_shape("x=3,4"), parse_shape("b=")
    (('x', (3, 4)), ('b', ()))
    """
    name, equals, rest = text.partition("=")
    parts = [p.strip() for p in rest.strip(" ()").split(",") if p.strip()]
    if not equals or not name.strip().isidentifier() or not all(p.isdigit() for p in parts):
        raise UsageError(
            f"--shape {text}: write NAME=LENGTHS, as in --shape x=3,4 (x= for a number)"
        )
    return name.strip(), tuple(map(int, parts))


def parse_value(text: str) -> tuple[str, Any]:
    """Return name and value from ``x=2.0`` or ``x=[[1, 2], [3, 4]]``.

    Raises
    ------
    UsageError
        If the text has another form.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.points import parse_value
    >>> parse_value("x=[1, 2]")
    ('x', [1, 2])
    """
    name, equals, rest = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise UsageError(f"--at {text}: write NAME=VALUE, as in --at x=2.0")
    try:
        return name.strip(), ast.literal_eval(rest.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise UsageError(
            f"--at {text}: {rest.strip()!r} is no number or list of numbers; write x=2.0 or "
            "x=[[1, 2], [3, 4]]"
        ) from None


def collect(pairs: Sequence[tuple[str, Any]], option: str) -> dict[str, Any]:
    """Return pairs as a dict; a name may come once.

    Raises
    ------
    UsageError
        If a name comes twice.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"{option} gives {name} twice")
        found[name] = value
    return found


def as_array(name: str, value: Any, *, constant: bool) -> Any:
    """Return a value from the command line as the input that it stands for.

    Integers become floats unless the input is a constant; text and None stay what they are.

    Raises
    ------
    UsageError
        If a list is ragged or holds something else than numbers.
    """
    if isinstance(value, bool | str | type(None)) or (constant and not isinstance(value, list)):
        return value
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, list):
        raise UsageError(
            f"--at {name}={value!r}: numbers and lists of numbers are taken, not "
            f"{type(value).__name__}"
        )
    try:
        array = np.array(value)
    except ValueError:
        raise UsageError(f"--at {name}={value!r}: the rows have different lengths") from None
    if array.dtype.kind not in "fiub":
        raise UsageError(f"--at {name}={value!r}: a list of numbers is needed")
    return array if constant else array.astype(np.float64)


class PointMaker:
    """Problems for a target, at the given or at drawn points.

    Parameters
    ----------
    target : object
        What was loaded.
    label : str
        Its name for the report.
    shapes, values : mapping
        From ``--shape`` and ``--at``.
    constants : collection of str
        Inputs that are not varied.
    seed : int
        Seed of all draws.
    kind : str
        As for `gradcheck`.
    """

    def __init__(
        self,
        target: Any,
        label: str,
        shapes: Mapping[str, tuple[int, ...]],
        values: Mapping[str, Any],
        constants: Collection[str],
        seed: int,
        kind: str = "auto",
    ) -> None:
        self.target = getattr(target, "row", target)
        self.label = label
        self.shapes = dict(shapes)
        self.values = dict(values)
        self.constants = set(constants)
        self.seed = seed
        self.kind = kind
        both = set(shapes) & set(values)
        if both:
            raise UsageError(f"--shape and --at both give {sorted(both)[0]}: one is enough")

    def problem(self) -> Problem:
        """Return the problem at the first point where the target gives finite numbers.

        Raises
        ------
        UsageError
            If the options do not fit the target; as `TargetError` if it raises.
        """
        if isinstance(self.target, Op):
            return self._row()
        module = is_module(self.target)
        target = self._instance() if isinstance(self.target, type) and module else self.target
        fn = target.forward if is_module(target) else target
        if not callable(fn):
            raise UsageError(
                f"{self.label} is of type {type(target).__name__}: a function, a class with "
                "forward and backward, or a tg.op can be checked"
            )
        given, keywords = self._parameters(fn)
        drawn = [p.name for p in given if p.name not in self.values]
        if keywords:
            target = functools.partial(target, **keywords)
        held = sorted(self.constants | self._held(given))
        first: UsageError | None = None
        for draw in _DRAWS if drawn else _DRAWS[:1]:
            rng = np.random.default_rng(self.seed)
            inputs = [self._input(p, rng, draw) for p in given]
            try:
                problem = problem_for(
                    target, inputs, seed=self.seed, constants=held, kind=self.kind,
                    name=self.label,
                )  # fmt: skip
                if np.all(np.isfinite(problem.evaluate(problem.point).values)):
                    return problem
                first = first or UsageError(f"{self.label} is not finite where it was tried")
            except UsageError as error:
                first = first or error
        assert first is not None
        raise self._advice(first, drawn)

    def _row(self) -> Problem:
        row = self.target
        inputs: list[Any] = []
        if self.shapes or self.values:
            names = ARGUMENTS[: row.arity]
            self._refuse_unknown(names)
            rng = np.random.default_rng(self.seed)
            for name, (low, high) in zip(names, row.domain, strict=True):
                if name in self.values:
                    inputs.append(as_array(name, self.values[name], constant=False))
                else:
                    drawn = rng.uniform(low, high, self.shapes.get(name, ()))
                    inputs.append(drawn)
        return problem_for(row, inputs, seed=self.seed, name=self.label)

    def _instance(self) -> Any:
        """Construct the class; arguments of its constructor come from ``--at``."""
        cls = self.target
        parameters = inspect.signature(cls).parameters
        given = {name: self.values.pop(name) for name in list(self.values) if name in parameters}
        for name, fresh in (("rng", np.random.default_rng(self.seed)), ("seed", self.seed)):
            if name in parameters and name not in given:
                given[name] = fresh
        try:
            inspect.signature(cls).bind(**given)
        except TypeError as error:
            raise UsageError(
                f"{self.label}{inspect.signature(cls)}: {error}; give the constructor's arguments "
                "with --at, as in --at n=3"
            ) from None
        with seeded(self.seed):
            try:
                return cls(**given)
            except Exception as error:
                raise TargetError(self.label, error) from error

    def _parameters(self, fn: Any) -> tuple[list[inspect.Parameter], dict[str, Any]]:
        """Return the positional parameters to fill, and keyword-only arguments."""
        try:
            parameters = list(inspect.signature(fn).parameters.values())
        except (TypeError, ValueError):
            raise UsageError(
                f"{self.label} does not tell its parameters: wrap it in a function that names them"
            ) from None
        known = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        only = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        if is_module(self.target):
            only = []  # forward is called with positional arguments
        named = {*self.shapes, *self.values}
        self._refuse_unknown([p.name for p in (*known, *only)])
        unknown = self.constants - {p.name for p in known}
        if unknown and not is_module(self.target):
            raise UsageError(
                f"--constant: {self.label} has no input {min(unknown)} (it has "
                f"{', '.join(p.name for p in known)})"
            )
        if not known:
            raise UsageError(
                f"{self.label} has no named positional parameter to vary: wrap it in a function "
                "such as def f(x): ..."
            )
        last = max(
            (k for k, p in enumerate(known) if p.default is p.empty or p.name in named), default=0
        )
        keywords = {
            p.name: as_array(p.name, self.values[p.name], constant=True)
            for p in only
            if p.name in self.values
        }
        return known[: last + 1], keywords

    def _refuse_unknown(self, names: Sequence[str]) -> None:
        for option, given in (("--shape", self.shapes), ("--at", self.values)):
            for name in given:
                if name not in names:
                    near = difflib.get_close_matches(name, names, n=1)
                    hint = f"; did you mean {near[0]}?" if near else ""
                    raise UsageError(
                        f"{option}: {self.label} has no input {name}{hint} (it has "
                        f"{', '.join(names)})"
                    )

    def _held(self, given: Sequence[inspect.Parameter]) -> set[str]:
        """Return the parameters that stay at their defaults, and those that are no numbers."""
        held = set()
        for p in given:
            if p.name in self.values:
                if isinstance(self.values[p.name], bool | str | type(None)):
                    held.add(p.name)
            elif p.name not in self.shapes and p.default is not p.empty:
                held.add(p.name)
        return held

    def _input(
        self, p: inspect.Parameter, rng: np.random.Generator,
        draw: Callable[[np.random.Generator, tuple[int, ...]], Any],
    ) -> Any:  # fmt: skip
        if p.name in self.values:
            constant = p.name in self.constants
            return as_array(p.name, self.values[p.name], constant=constant)
        if p.name not in self.shapes and p.default is not p.empty:
            return p.default
        shape = self.shapes.get(p.name, ())
        drawn: float | Array = draw(rng, shape)
        return drawn if shape else float(drawn)

    def _advice(self, error: UsageError, drawn: Sequence[str]) -> UsageError:
        """Say which flag would help, where the error looks like that of a wrong shape."""
        if not isinstance(error, TargetError):
            return error
        text = str(error.original).lower()
        scalars = [name for name in drawn if name not in self.shapes]
        if scalars and any(word in text for word in _SHAPE_WORDS):
            were = "was a number" if len(scalars) == 1 else "were numbers"
            hint = f"{', '.join(scalars)} {were}: give shapes, as in --shape {scalars[0]}=3,4"
        elif "integer" in text or "indices" in text:
            hint = "--constant NAME keeps the integers of --at as they are"
        else:
            return error
        return UsageError(f"{error}; {hint}")
