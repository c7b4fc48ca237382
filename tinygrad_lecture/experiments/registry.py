"""The claims of the lecture by their ids (L01 … L70): what `claim` registers and `claims` lists."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeVar

from ..errors import UsageError
from .outcome import Outcome

__all__ = ["Claim", "claim", "claims", "no_claim"]

Experiment = TypeVar("Experiment", bound=Callable[..., Outcome])


@dataclass(frozen=True)
class Claim:
    """A statement of the lecture and the experiment that measures it.

    Attributes
    ----------
    id : str
        Place in the lecture, L01 to L71. An id may have several claims.
    statement : str
        The claim in a line.
    experiment : callable or None
        ``experiment(*, quick=False, seed=0, ...)`` returns an `Outcome`.
    reason : str
        Why there is nothing to measure, where there is no experiment.
    """

    id: str
    statement: str
    experiment: Callable[..., Outcome] | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        """Name of the experiment, or the id where there is none."""
        return self.id if self.experiment is None else self.experiment.__name__


_CLAIMS: dict[str, Claim] = {}


def _register(new: Claim) -> None:
    if re.fullmatch(r"L\d\d", new.id) is None:
        raise UsageError(f"a claim's id is L and two digits (L07), got {new.id!r}")
    if new.name in _CLAIMS:
        raise UsageError(
            f"{new.name!r} is registered already, as a claim of {_CLAIMS[new.name].id}"
        )
    _CLAIMS[new.name] = new


def claim(id: str, statement: str) -> Callable[[Experiment], Experiment]:
    """Register the decorated experiment as what measures a statement of the lecture.

    Parameters
    ----------
    id : str
        Place in the lecture, such as "L20".
    statement : str
        The claim in a line.

    Returns
    -------
    callable
        A decorator that gives the function back as it is.

    Raises
    ------
    UsageError
        For an id of another form, or a name that is taken.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> [c.name for c in tg.experiments.claims(["L20"])]
    ['sgd_noise_floor', 'sgd_without_noise']
    """

    def register(experiment: Experiment) -> Experiment:
        _register(Claim(id, statement, experiment))
        return experiment

    return register


def no_claim(id: str, statement: str, reason: str) -> None:
    """Register that a place of the lecture has no measurable claim, and why.

    Raises
    ------
    UsageError
        As `claim`.
    """
    _register(Claim(id, statement, reason=reason))


def claims(names: Iterable[str] | None = None) -> list[Claim]:
    """Return claims in the order of the lecture.

    Parameters
    ----------
    names : iterable of str, optional
        Ids (L20, l20) or names of experiments (sgd_noise_floor); all by default.

    Raises
    ------
    UsageError
        For a name that nothing goes by, with the nearest ones.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.experiments.claims(["L20"])[0].statement
    'with a constant α, SGD stops at a noise floor: variance α s²/(2 − α)'
    """
    every = sorted(_CLAIMS.values(), key=lambda c: c.id)
    if names is None:
        return every
    chosen: set[str] = set()
    for name in names:
        found = {c.name for c in every if c.id == name.upper() or c.name == name}
        if not found:
            nearest = ", ".join(_nearest(name, {c.id for c in every} | set(_CLAIMS)))
            raise UsageError(f"there is no claim {name!r}; the nearest are {nearest}")
        chosen |= found
    return [c for c in every if c.name in chosen]


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    """Three names that are most like this one, in either case; of equals, those that begin so."""

    def distance(other: str) -> tuple[float, int, str]:
        likeness = max(difflib.SequenceMatcher(None, a, other).ratio() for a in cases)
        return -likeness, -max(_common(a, other) for a in cases), other

    cases = (name, name.upper())
    return sorted(known, key=distance)[:3]


def _common(a: str, b: str) -> int:
    """Length of the beginning that two names share."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))))
