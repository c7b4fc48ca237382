"""`check_optimizer`: the path of a student's optimizer beside that of a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..data.seeding import Seed, generator
from ..engine import Value
from ..gradcheck.kinds import target_name
from ..gradcheck.numeric import Array
from ..optim.optimizer import Optimizer
from .cases import checked_number, checked_points
from .functions import changed, writes
from .judge import Mistake, Pair, as_array, judge, known_mistake, same
from .report import Item, Report
from .student import Limits, NotDone, StudentError, begin, run

__all__ = ["Problem", "check_optimizer"]


@dataclass(frozen=True)
class Problem:
    """A seeded quadratic with noise, on which optimizers go their way.

    The gradient at θ in step t is ``A(θ - c) + noise[t]`` over the elements of θ.

    Attributes
    ----------
    start : ndarray or float
        θ at the beginning.
    curvature : ndarray
        A, one positive number for each element.
    center : ndarray
    noise : ndarray, shape (steps, ...)
    settings : dict
        Of the optimizer.
    rates : dict
        Learning rates that are set before a step, by its number.
    ahead : bool
        Whether the optimizer needs a method ``lookahead``.
    what : str
        In words, for edge cases.
    """

    start: Any
    curvature: Array
    center: Array
    noise: Array
    settings: dict[str, Any] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)
    ahead: bool = False
    what: str = ""

    def gradient(self, theta: Any, t: int) -> Any:
        """Return the gradient in step t."""
        g = self.curvature * (theta - self.center) + self.noise[t]
        return float(g) if np.ndim(g) == 0 else g


def problem(
    rng: np.random.Generator, shape: tuple[int, ...] = (4,), steps: int = 6, **options: Any
) -> Problem:
    """Draw a problem."""
    start = rng.normal(size=shape)
    return Problem(
        start if shape else float(start), rng.uniform(0.5, 3.0, shape), rng.normal(size=shape),
        0.3 * rng.normal(size=(steps, *shape)), **options,
    )  # fmt: skip


class Engine:
    """An optimizer of `tinygrad_lecture.optim` with the interface of the exercises."""

    def __init__(self, kind: Callable[..., Optimizer], **settings: Any) -> None:
        self.p = Value(0.0)
        self.kind, self.settings = kind, settings
        self.optimizer: Optimizer | None = None

    def step(self, theta: Any, grad: Any) -> Any:
        """Return θ after one step."""
        if self.optimizer is None:
            self.p = Value(theta)
            self.optimizer = self.kind([self.p], **self.settings)
        self.p.grad = grad
        for group in self.optimizer.param_groups:
            group["lr"] = getattr(self, "lr", group["lr"])
        self.optimizer.step()
        return self.p.data.copy() if isinstance(self.p.data, np.ndarray) else self.p.data


def interface(kind: Any) -> Callable[..., Any]:
    """Return a class or factory as it is, and one of tg.optim with the method ``step``."""
    if isinstance(kind, type) and issubclass(kind, Optimizer):
        return lambda **settings: Engine(kind, **settings)
    return kind  # type: ignore[no-any-return]  # whatever a student gave


def path(make: Callable[..., Any], task: Problem, limits: Limits | None, written: set[str]) -> Any:
    """Return the points of all steps as one array, or a `StudentError`.

    An optimizer with a method ``lookahead(theta)`` gets the gradient at the point which that
    returns; these points are in the array as well, before the step that follows.
    """
    theta = task.start
    points: list[Any] = []
    try:
        optimizer = run(lambda: make(**task.settings), limits)
        looks = run(lambda: hasattr(optimizer, "lookahead"), limits)
        if task.ahead and not looks:
            raise StudentError("there is no lookahead(theta), which returns θ + μV")
        for t in range(len(task.noise)):
            if t in task.rates:
                run(lambda t=t: setattr(optimizer, "lr", task.rates[t]), limits)  # type: ignore[misc]
            where = theta
            if looks:
                given = _copied(theta)
                where = run(lambda g=given: optimizer.lookahead(g), limits)  # type: ignore[misc]
                written |= changed({"theta": theta}, [given])
                points.append(_checked(where, theta, "lookahead"))
            grad = task.gradient(where, t)
            arguments = [_copied(theta), _copied(grad)]
            new = run(lambda a=arguments: optimizer.step(*a), limits)  # type: ignore[misc]
            written |= changed({"theta": theta, "grad": grad}, arguments)
            theta = _checked(new, theta, "step")
            points.append(theta)
    except StudentError as error:
        return error
    return np.array(points)


def _copied(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _checked(new: Any, old: Any, method: str) -> Any:
    """Return a new point, which has to look like the old one."""
    if new is None or new is ...:
        raise NotDone(f"{method} returns None" if new is None else "")
    array = as_array(new)
    if array is None or array.shape != np.shape(old):
        came = type(new).__name__ if array is None else f"an array of shape {array.shape}"
        raise StudentError(
            f"{method} returned {came}; the new parameters, of shape {np.shape(old)}, are needed"
        )
    return new


def steps_item(
    part: str, check: str, points: float, pairs: Sequence[Pair], mistakes: Sequence[Mistake] = ()
) -> Item:
    """Judge paths; where no mistake is known, tell the first step that goes wrong."""
    item = judge(part, check, points, pairs, mistakes)
    known = {m.words for m in mistakes}
    if item.result == "wrong" and not any(item.reason.startswith(w) for w in known):
        for pair in pairs:
            if isinstance(pair.got, np.ndarray) and pair.got.shape == pair.right.shape:
                good = [same(g, r, pair.rtol) for g, r in zip(pair.got, pair.right, strict=True)]
                k = good.index(False) if False in good else 0
                if k:
                    told = f"right up to point {k}, wrong from then on: what is remembered between"
                    reason = f"{told} the steps is wrong, or not remembered; {item.reason}"
                    return Item(part, check, points, "wrong", reason)
    return item


def check_optimizer(
    student: Callable[..., Any],
    reference: Callable[..., Any],
    *,
    steps: int = 8,
    seed: Seed = 0,
    points: float = 10.0,
    rtol: float = 1e-6,
    limits: Limits | None = None,
    mistakes: Sequence[Mistake] = (),
    name: str | None = None,
    **settings: Any,
) -> Report:
    """Compare the path of a student's optimizer with that of a reference.

    Parameters
    ----------
    student : class or callable
        ``student(**settings)`` makes an optimizer with ``step(theta, grad)``, which returns the new
        θ and leaves the old array alone; or an `Optimizer` of `tinygrad_lecture.optim`.  With a
        method ``lookahead(theta)``, gradients are taken at the point which that returns.
    reference : class or callable
        What is right, in the same way.
    steps : int
        Number of steps, with noisy gradients of a quadratic.
    points : float
        30 % for the first step, 50 % for all steps, 20 % for two optimizers that do not share what
        they remember, and for leaving arrays as they are.
    mistakes : sequence of Mistake
        Known errors; their formulas get a `Problem` and return the points of all steps.
    seed, rtol, limits, name
        See `check_forward`.
    **settings
        Of both: ``lr=0.1`` ...

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        If `steps` is less than 1, or `points` or `seed` is none; see `check_forward`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> class Forgetful:
    ...     def __init__(self, lr, momentum):
    ...         self.lr, self.momentum = lr, momentum
    ...
    ...     def step(self, theta, grad):
    ...         v = 0.0
    ...         v = self.momentum * v + grad
    ...         return theta - self.lr * v
    >>> print(tg.teach.check_optimizer(Forgetful, tg.optim.SGD, lr=0.1, momentum=0.9))
    Forgetful: 5 of 10 points
      ✓ steps, the first step (3 of 3)
      ✗ steps, all steps (0 of 5): wrong: right up to point 1, wrong from then on: what is
      remembered between the steps is wrong, or not remembered; ...
      ✓ edge cases, two optimizers, arrays stay as they are (2 of 2)
    """
    label = name or target_name(student)
    steps, points = checked_number("steps", steps), checked_points(points)
    limits = begin(limits)
    rng = generator(seed)
    tasks = [problem(rng, shape, steps, settings=settings) for shape in ((4,), (2, 3), ())]
    make, right = interface(student), interface(reference)
    written: set[str] = set()
    pairs = path_pairs(
        make, lambda task: path(right, task, None, set()), tasks, limits, written, rtol
    )
    return Report(
        label,
        (
            first_item(pairs, 0.3 * points, mistakes),
            steps_item("steps", "all steps", 0.5 * points, pairs, mistakes),
            apart_item(make, pairs[0], limits, written, 0.2 * points),
        ),
    )


def path_pairs(
    make: Callable[..., Any], right: Callable[[Problem], Array], tasks: Sequence[Problem],
    limits: Limits | None, written: set[str], rtol: float = 1e-6,
) -> list[Pair]:  # fmt: skip
    """Return the student's paths beside the right ones."""
    return [
        Pair(path(make, task, limits, written), right(task), task, task.what, rtol=rtol)
        for task in tasks
    ]


def first_item(pairs: Sequence[Pair], worth: float, mistakes: Sequence[Mistake]) -> Item:
    """Return the item for the first step of all paths.

    Different mistakes may begin with the same step: the one that explains whole paths is told.
    """

    def head(points: Any, task: Problem) -> Any:
        whole = isinstance(points, np.ndarray)
        return points[: len(points) // len(task.noise)] if whole else points

    def first(formula: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda task: head(formula(task), task)

    firsts = [replace(p, got=head(p.got, p.case), right=head(p.right, p.case)) for p in pairs]
    whole = known_mistake(pairs, mistakes)
    likely = sorted(mistakes, key=lambda m: m.words != whole)
    known = [Mistake(m.words, first(m.formula)) for m in likely]
    return judge("steps", "the first step", worth, firsts, known)


def apart_item(
    make: Callable[..., Any], pair: Pair, limits: Limits | None, written: set[str], worth: float
) -> Item:
    """Return the item for a second optimizer, which has to go the same way as the first one."""
    check = "two optimizers, arrays stay as they are"
    again = path(make, pair.case, limits, written)
    if isinstance(again, StudentError) or again is None:
        return judge("edge cases", check, worth, [Pair(again, pair.right)])
    if written:
        return Item("edge cases", check, worth, "wrong", writes(written))
    if not isinstance(pair.got, np.ndarray) or not same(again, pair.got, 1e-12):
        return Item("edge cases", check, worth, "wrong", SHARED)
    return Item("edge cases", check, worth)


SHARED = (
    "a second optimizer goes another way than the first one did: what is remembered belongs to the "
    "class (or is global), and should belong to the object (self....)"
)


def trajectory(step: Callable[..., Any], task: Problem) -> Array:
    """Return the points of a formula.

    ``step(theta, gradient, state, t, lr, **settings)`` returns the points of one step, the last of
    which is the new θ; ``gradient(point)`` is the gradient of this step, `state` a dict that is
    empty at first, and t counts from 1.
    """
    points = [task.start]
    state: dict[str, Any] = {}
    settings = dict(task.settings)
    lr = settings.pop("lr")
    for t in range(len(task.noise)):
        lr = task.rates.get(t, lr)
        gradient = partial(task.gradient, t=t)
        points += step(points[-1], gradient, state, t + 1, lr, **settings)
    return np.array(points[1:])
