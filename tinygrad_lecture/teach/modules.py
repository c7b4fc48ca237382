"""`check_module`: a student's class with NumPy ``forward`` and ``backward`` beside a reference."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import methodcaller
from typing import Any

import numpy as np

from ..data.seeding import Seed, as_integer
from ..errors import UsageError
from ..gradcheck.arguments import parameter_names
from ..gradcheck.kinds import target_name
from ..gradcheck.numeric import Array
from ..gradcheck.parameters import find_gradient, follow, gradient_at, parameter_paths, place
from .cases import checked_points, examples_like
from .functions import changed, parts_by_name, writes
from .judge import Mistake, Pair, as_array, judge, same
from .reference import Case, Reference, Truth, reference_for
from .report import Item, Report
from .student import Limits, NotDone, StudentError, begin, run

__all__ = ["check_module"]


@dataclass
class Run:
    """What a student's object gave for a case: values, or a `StudentError` in their place."""

    output: Any = None
    gradients: dict[str, Any] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Subject:
    """A student's module, and how it is handled.

    Attributes
    ----------
    make : callable
        ``make(params)`` returns a new object with these parameters.
    find : callable
        ``find(obj, name)`` returns the stored gradient of a parameter, or None.
    limits : Limits
        Of each call.
    """

    make: Callable[[dict[str, Array]], Any]
    find: Callable[[Any, str], Any]
    limits: Limits

    def run(self, case: Case, grad_output: Any = None, passes: int = 1) -> Run:
        """Run both passes of a new object, `passes` times."""
        found = Run()
        params = {name: value.copy() for name, value in case.params.items()}
        given = case.grad_output if grad_output is None else grad_output
        try:
            module = run(partial(self.make, params), self.limits)
            for _ in range(passes):
                before = case.inputs | {"grad_output": given}
                inputs = [x.copy() if isinstance(x, np.ndarray) else x for x in before.values()]
                found.output = run(
                    partial(methodcaller("forward", *inputs[:-1]), module), self.limits
                )
                self._backward(module, case, inputs[-1], found)
                found.written |= changed(before, inputs)
        except StudentError as error:
            found.output = error
            found.gradients = dict.fromkeys((*case.inputs, *case.params), error)
        found.written |= changed(case.params, list(params.values()))
        return found

    def _backward(self, module: Any, case: Case, given: Any, found: Run) -> None:
        floats = [n for n, x in case.inputs.items() if np.asarray(x).dtype.kind == "f"]
        names = [*floats, *case.params]
        first = floats[0] if floats else ""
        output = found.output.copy() if isinstance(found.output, np.ndarray) else found.output
        arguments = () if case.grad_output is None else (given,)
        try:
            returned = run(lambda: module.backward(*arguments), self.limits)
            stored = {n: run(partial(self.find, module, n), self.limits) for n in case.params}
            if returned is None and first:
                returned = run(lambda: find_gradient(module, first), self.limits)
        except StudentError as error:
            # Where the forward pass is not written, backward cannot do anything yet.
            early = output is None or output is ...
            found.gradients = dict.fromkeys(names, NotDone("not done yet") if early else error)
            return
        if isinstance(output, np.ndarray) and changed({"": output}, [found.output]):
            found.written.add("its own output")
            found.output = output
        # Of a loss, the gradient of the first input is enough.
        needed = len(floats) if case.grad_output is not None else min(1, len(floats))
        parts = run(partial(parts_by_name, returned, names, needed), self.limits)
        found.gradients = dict.fromkeys(names) | stored
        for n, g in parts.items():
            if g is not None and not (isinstance(g, StudentError) and stored.get(n) is not None):
                found.gradients[n] = g
        if returned is not None:
            for name in case.params:
                if found.gradients[name] is None:
                    text = f"no gradient of {name} is found: store it as self.d{name}"
                    found.gradients[name] = StudentError(text)


def module_items(
    subject: Subject,
    reference: Reference,
    cases: Sequence[Case],
    points: Mapping[str, float],
    mistakes: Mapping[str, Sequence[Mistake]],
) -> tuple[list[Item], set[str]]:
    """Return an item for the output and for each gradient, and what was written into.

    The keys of `points` and `mistakes` are ``"forward"`` and the names of inputs and parameters.
    """
    pairs: dict[str, list[Pair]] = {name: [] for name in points}
    written: set[str] = set()
    for case in cases:
        truth, found = reference.truth(case), subject.run(case)
        written |= found.written
        for name in points:
            pairs[name].append(pair_of(name, subject, case, truth, found))
    items = []
    for name, worth in points.items():
        part, check = ("forward", "output") if name == "forward" else ("backward", f"dL/d{name}")
        items.append(judge(part, check, worth, pairs[name], mistakes.get(name, ())))
    return items, written


def pair_of(name: str, subject: Subject, case: Case, truth: Truth, found: Run) -> Pair:
    """Return the student's output or gradient beside the right one."""
    if name == "forward":
        return Pair(found.output, truth.output, case, case.what, rtol=case.rtol)

    def with_ones() -> Array | None:
        if case.grad_output is None or np.size(case.grad_output) < 2:
            return None
        ones = subject.run(case, np.ones_like(case.grad_output))
        return as_array(ones.gradients.get(name))

    return Pair(
        found.gradients.get(name), truth.gradients[name], case, case.what,
        truth.evidence(name, case, with_ones), case.rtol,
    )  # fmt: skip


def check_module(
    student: Any,
    reference: Any,
    *inputs: Any,
    parameters: Mapping[str, str] | None = None,
    cases: int = 3,
    seed: Seed = 0,
    points: float = 10.0,
    rtol: float = 1e-6,
    limits: Limits | None = None,
    mistakes: Mapping[str, Sequence[Mistake]] | None = None,
    name: str | None = None,
) -> Report:
    """Compare a student's module, with NumPy ``forward`` and ``backward``, with a reference.

    For each case the parameters of both are set to the same seeded numbers, so that a bias that
    starts at 0 hides nothing.

    Parameters
    ----------
    student : object
        An instance; it is copied and never changed.  ``forward(x, ...)`` returns the output,
        ``backward(grad_output)`` the derivative with respect to the input; those of parameters are
        returned behind it or stored as ``dW``, ``grad_W``, ``W_grad`` or ``grads["W"]``.
    reference : Module, object with forward and backward, or function of Values
        What is right.  A function gets the inputs, and no parameters.
    *inputs : numbers and arrays
        An example of the inputs.  Of a loss, whose output is one number, ``backward()`` gets no
        argument and owes the gradient of the first input only.
    parameters : mapping, optional
        Names of the reference's parameters by the student's: ``{"W": "weight"}``.  Without it,
        parameters of the same name belong together, then those of the same shape.
    points : float
        30 % for the output, 60 % for the gradients, 10 % for leaving inputs as they are, and for
        the same gradients when both passes run twice.
    cases, seed, rtol, limits, mistakes, name
        See `check_forward` and `check_backward`; ``mistakes["forward"]`` is for the output.

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        If the example does not fit the reference, or `cases`, `points` or `seed` is none; see
        `check_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> class Tanh:
    ...     def forward(self, x):
    ...         self.y = np.tanh(x)
    ...         return self.y
    ...
    ...     def backward(self, grad_output):
    ...         return 1 - self.y**2
    >>> print(tg.teach.check_module(Tanh(), tg.nn.Tanh(), np.zeros((3, 2))))
    Tanh: 4 of 10 points
      ✓ forward, output (3 of 3)
      ✗ backward, dL/dx (0 of 6): wrong: grad_output is not used: the gradient is the same for
      every grad_output; yours ..., right ... at [...]
      ✓ edge cases, inputs stay as they are, the same again (1 of 1)
    """
    label = name or target_name(student)
    points = checked_points(points)
    limits = begin(limits)
    forward = reference.forward if hasattr(reference, "forward") else reference
    names = parameter_names(forward, len(inputs))
    truth_of = reference_for(reference, names, inputs)
    try:
        paths = run(lambda: parameter_paths(student, student), limits)
        own = {n: np.asarray(follow(student, p)) for n, p in paths.items()}
        match = _match(truth_of.params, own, parameters or {})
    except StudentError as error:
        return Report(label, (Item("forward", "output", points, "wrong", str(error)),))

    def make(params: dict[str, Array]) -> Any:
        module = copy.deepcopy(student)
        for key, value in params.items():
            place(module, paths[match[key]], value)
        return module

    subject = Subject(make, lambda obj, key: gradient_at(obj, paths[match[key]]), limits)
    drawn = _cases(truth_of, names, inputs, cases, seed, rtol)
    floats = list(drawn[0][1].gradients)
    if drawn[0][0].grad_output is None:  # a loss: its targets are constants
        floats = [n for n in floats if n not in names[1:]]
    shares = {"forward": 0.3 * points} | {n: 0.6 * points / len(floats) for n in floats}
    items, written = module_items(
        subject, truth_of, [case for case, _ in drawn], shares, mistakes or {}
    )
    repeated = repeated_item(subject, drawn[-1][0], floats, 0.1 * points, written)
    return Report(label, (*items, repeated))


def repeated_item(
    subject: Subject, case: Case, names: Sequence[str], worth: float, written: set[str]
) -> Item:
    """Return the item for inputs that stay, and for the same gradients when all runs twice."""
    check = "inputs stay as they are, the same again"
    if written:
        return Item("edge cases", check, worth, "wrong", writes(written))
    once, twice = subject.run(case), subject.run(case, passes=2)
    for name in names:
        g = once.gradients.get(name)
        h = twice.gradients.get(name)
        mine, again = as_array(g), as_array(h)
        if mine is None:
            return judge("edge cases", check, worth, [Pair(g, np.zeros(1))])
        if isinstance(h, StudentError):
            reason = f"when both passes run a second time, {h}"
            return Item("edge cases", check, worth, "wrong", reason)
        if again is None or again.shape != mine.shape or not same(again, mine, 1e-9):
            return Item("edge cases", check, worth, "wrong", f"dL/d{name}: {ADDS_UP}")
    return Item("edge cases", check, worth)


ADDS_UP = (
    "when both passes run a second time, other gradients come out: they add up from call to call; "
    "start each backward pass afresh"
)


def _match(
    right: dict[str, Array], own: dict[str, Array], given: Mapping[str, str]
) -> dict[str, str]:
    """Return the student's name of each parameter of the reference."""
    wanted = {theirs: mine for mine, theirs in given.items()}
    unknown = [theirs for theirs in wanted if theirs not in right]
    if unknown:
        raise UsageError(
            f"parameters: the reference has no {unknown[0]!r}, it has {', '.join(right)}"
        )
    match: dict[str, str] = {}
    for name, value in right.items():
        free = [n for n, x in own.items() if n not in match.values() and x.shape == value.shape]
        preferred = [n for n in (wanted.get(name), name) if n in free]
        if not free:
            there = ", ".join(f"{n} {x.shape}" for n, x in own.items()) or "none"
            raise StudentError(
                f"a parameter of shape {value.shape} is needed ({name}); float arrays among the "
                f"attributes are: {there}"
            )
        match[name] = (preferred or free)[0]
    return match


def _cases(
    reference: Reference, names: Sequence[str], inputs: Sequence[Any], count: int, seed: Seed,
    rtol: float,
) -> list[tuple[Case, Truth]]:  # fmt: skip
    rng = np.random.default_rng(as_integer(seed))
    found = []
    for values in examples_like(inputs, count, seed):
        params = {n: rng.normal(0.0, 0.7, p.shape) for n, p in reference.params.items()}
        inside = dict(zip(names, values, strict=True))
        output = reference.truth(Case(inside, params)).output
        incoming = rng.normal(size=output.shape) if output.ndim else None
        case = Case(inside, params, incoming, rtol=rtol)
        found.append((case, reference.truth(case)))
    return found
