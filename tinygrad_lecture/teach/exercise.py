"""What an exercise is: a statement, a stub, and a check that gives points part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..data.seeding import Seed, as_integer
from ..gradcheck.numeric import Array
from ..gradcheck.parameters import find_gradient
from .judge import Mistake, Pair, judge, known_mistake
from .modules import Subject, module_items, pair_of, repeated_item
from .reference import Case, Reference
from .report import Item, Report
from .student import Limits, NotDone, StudentError, begin, run

__all__ = ["Bench", "Exercise", "Layer"]


@dataclass
class Bench:
    """Where a student's code is looked at.

    Attributes
    ----------
    find : callable
        Returns the class or function that the exercise asks for; raises `StudentError`.
    limits : Limits
        Of each call.
    seed : int
    """

    find: Callable[[], Any]
    limits: Limits
    seed: int

    def rng(self, *more: int) -> np.random.Generator:
        """Return a generator for the cases of a part."""
        return np.random.default_rng((self.seed, *more))

    def call(self, function: Callable[[Any], Any]) -> Any:
        """Return what a function of the student's class gives, or a `StudentError`."""
        try:
            return run(lambda: function(self.find()), self.limits)
        except StudentError as error:
            return error


@dataclass(frozen=True)
class Exercise:
    """A graded exercise.

    Attributes
    ----------
    name, title : str
    ids : tuple of str
        The claims of the lecture that it belongs to.
    entry : str
        Name of the class or function that a student writes.
    statement : str
        What is asked for.
    stub : str
        Python code to begin with: the expected signature.
    parts : sequence of callable
        Each takes a `Bench` and returns items.
    """

    name: str
    title: str
    ids: tuple[str, ...]
    entry: str
    statement: str
    stub: str
    parts: Sequence[Callable[[Bench], list[Item]]] = field(repr=False)

    def check(self, student: Any, *, seed: Seed = 0, limits: Limits | None = None) -> Report:
        """Check a solution; whatever it does, the report says it.

        Parameters
        ----------
        student : class, function, module or dict
            The class or function itself, or what holds it under its name.
        seed : int or numpy.random.Generator
            Of the cases.
        limits : Limits, optional
            Of each call: 10 s and 1024 MB by default.
        """
        held = student
        if isinstance(student, Mapping):
            held = student.get(self.entry)
        elif not callable(student):
            held = getattr(student, self.entry, None)

        def find() -> Any:
            if held is None or held is ...:
                raise NotDone(f"there is no {self.entry} yet")
            return held

        return self.examine(Bench(find, begin(limits), as_integer(seed)))

    def examine(self, bench: Bench, begin_part: Callable[[], None] = lambda: None) -> Report:
        """Run all parts; `begin_part` is called before each."""
        items: list[Item] = []
        for part in self.parts:
            begin_part()
            items += part(bench)
        return Report(self.name, tuple(items))

    @property
    def points(self) -> float:
        """Points to reach."""
        return self.check({}).possible

    @property
    def task(self) -> str:
        """Name, statement and points, to be shown."""
        parts = self.check({}).parts
        told = ", ".join(f"{part} {possible:g}" for part, (_, possible) in parts.items())
        ids = ", ".join(self.ids)
        return f"{self.name}: {self.title} ({ids})\n\n{self.statement.strip()}\n\nPoints: {told}."

    def __str__(self) -> str:
        return f"{self.task}\n\n{self.stub.strip()}\n"


@dataclass(frozen=True)
class Edge:
    """An edge case of a layer: what is compared, for one case.

    Attributes
    ----------
    check : str
    points : float
    case : callable
        ``case(rng)`` returns the case, or several.
    names : tuple of str
        What is compared: ``"forward"`` and names of gradients.
    mistakes : sequence of Mistake
    dtype : numpy.dtype, optional
        Of the output.
    """

    check: str
    points: float
    case: Callable[[np.random.Generator], Case]
    names: tuple[str, ...] = ("forward",)
    mistakes: Sequence[Mistake] = ()
    dtype: Any = None


@dataclass(frozen=True)
class Layer:
    """The parts of an exercise about a class with ``forward`` and ``backward``.

    Attributes
    ----------
    reference : callable
        ``reference(inputs, params)``, two dicts of Values, returns a Value.
    make : callable
        ``make(cls, params)`` returns an object of the student's class.
    cases : callable
        ``cases(rng)`` returns the seeded cases.
    points : dict
        By ``"forward"`` and names of gradients.
    mistakes : dict
        By the same names.
    edges : sequence of Edge
    repeated : float
        Points for inputs that stay, and gradients that do not add up from call to call.
    """

    reference: Callable[[dict[str, Any], dict[str, Any]], Any]
    make: Callable[[Any, dict[str, Array]], Any]
    cases: Callable[[np.random.Generator], list[Case]]
    points: Mapping[str, float]
    mistakes: Mapping[str, Sequence[Mistake]]
    edges: Sequence[Edge] = ()
    repeated: float = 1.0

    def subject(self, bench: Bench) -> Subject:
        """Return the student's class as something to run."""

        def make(params: dict[str, Array]) -> Any:
            return self.make(bench.find(), params)

        return Subject(make, find_gradient, bench.limits)

    def passes(self, bench: Bench) -> list[Item]:
        """Return the items of forward and backward."""
        cases = self.cases(bench.rng(0))
        return module_items(
            self.subject(bench), Reference(self.reference), cases, self.points, self.mistakes
        )[0]

    def edge_cases(self, bench: Bench) -> list[Item]:
        """Return the items of the edge cases."""
        subject, truth_of = self.subject(bench), Reference(self.reference)
        items = []
        for k, edge in enumerate(self.edges):
            case = edge.case(bench.rng(1, k))
            truth, found = truth_of.truth(case), subject.run(case)
            came = found.output.dtype if isinstance(found.output, np.ndarray) else edge.dtype
            if edge.dtype is not None and came != edge.dtype:
                found.output = StudentError(
                    f"{came} comes out where {np.dtype(edge.dtype)} went in: np.zeros and np.ones "
                    "make float64 without dtype=x.dtype"
                )
            pairs = {name: pair_of(name, subject, case, truth, found) for name in edge.names}
            items.append(self._edge_item(bench, edge, pairs))
        case = self.cases(bench.rng(2))[-1]
        written = subject.run(case).written
        names = [name for name in self.points if name != "forward"]
        items.append(repeated_item(subject, case, names, self.repeated, written))
        return items

    def _edge_item(self, bench: Bench, edge: Edge, pairs: Mapping[str, Pair]) -> Item:
        """Return the item of an edge case: right, or its first pair that is not.

        A mistake that is there in all cases is told by the same words as in `passes`.
        """
        subject, truth_of = self.subject(bench), Reference(self.reference)
        for name, pair in pairs.items():
            item = judge("edge cases", edge.check, edge.points, [pair], edge.mistakes)
            if item.result == "wrong" and item.reason not in {m.words for m in edge.mistakes}:
                usual = [
                    pair_of(name, subject, case, truth_of.truth(case), subject.run(case))
                    for case in self.cases(bench.rng(0))
                ]
                words = known_mistake([*usual, pair], self.mistakes.get(name, ()))
                item = replace(item, reason=words or item.reason)
            if item.result != "right":
                return item
        return Item("edge cases", edge.check, edge.points)

    @property
    def parts(self) -> tuple[Callable[[Bench], list[Item]], ...]:
        """Return the parts of the exercise."""
        return self.passes, self.edge_cases


def single(cases: Callable[[np.random.Generator], list[Case]]) -> Edge:
    """Return the edge case float32: the output is float32 as well."""

    def case(rng: np.random.Generator) -> Case:
        c = cases(rng)[-1]

        def low(x: Any) -> Any:
            array = np.asarray(x)
            return array.astype(np.float32) if array.dtype.kind == "f" else x

        return Case(
            {n: low(x) for n, x in c.inputs.items()}, {n: low(x) for n, x in c.params.items()},
            None if c.grad_output is None else low(c.grad_output), "float32", 1e-4,
        )  # fmt: skip

    return Edge("float32 stays float32", 0.5, case, dtype=np.float32)
