"""What a search draws hyper-parameters from: ranges and choices."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..errors import UsageError

__all__ = [
    "Choice", "Distribution", "Range", "Space", "choice", "edge_warning", "integers",
    "loguniform", "uniform",
]  # fmt: skip


class Distribution(ABC):
    """What one hyper-parameter is drawn from."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Any:
        """Draw a value."""

    @abstractmethod
    def around(self, values: Sequence[Any], trials: int) -> Distribution:
        """Return the part that holds these values, the best of so many trials."""

    @abstractmethod
    def end(self, value: Any, margin: float) -> str:
        """Return "lower", "upper" or "": the end that a value lies within `margin` of."""


@dataclass(frozen=True)
class Range(Distribution):
    """Numbers from `low` to `high`, uniform, or uniform in their logarithm.

    Made by `uniform`, `loguniform` and `integers`.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def __post_init__(self) -> None:
        finite = math.isfinite(self.low) and math.isfinite(self.high)
        if not (finite and self.low < self.high) or (self.log and self.low <= 0):
            least = "0 < low < high" if self.log else "low < high"
            raise UsageError(f"a range needs finite ends, {least}; got {self.low} to {self.high}")

    def sample(self, rng: np.random.Generator) -> float | int:
        """Draw a number."""
        return self.at(float(rng.random()))

    def at(self, share: float) -> float | int:
        """Return the number at a share in [0, 1] of the range, equally probable below and above."""
        # Each integer stands for the interval up to the next one.
        low, high = self._scale(self.low), self._scale(self.high + self.integer)
        x = low + share * (high - low)
        number = min(max(math.exp(x) if self.log else x, self.low), self.high + self.integer)
        return min(math.floor(number), int(self.high)) if self.integer else float(number)

    def share(self, number: float) -> float:
        """Return where a number lies: 0 at the low end, 1 at the high one."""
        low, high = self._scale(self.low), self._scale(self.high)
        return (self._scale(number) - low) / (high - low)

    def around(self, values: Sequence[float], trials: int) -> Range:
        """Return the part of the range that holds these numbers, the best of so many trials.

        Widened on both sides by their mean distance, which makes up for ends that no trial hit,
        and by 1/trials of the range at least.
        """
        shares = sorted(self.share(number) for number in values)
        gap = (shares[-1] - shares[0]) / max(len(shares) - 1, 1)
        gap = max(gap, 1 / trials)
        low, high = max(shares[0] - gap, 0.0), min(shares[-1] + gap, 1.0)
        if not self.integer:
            return Range(float(self.at(low)), float(self.at(high)), self.log)
        first, last = int(self.at(low)), int(self.at(high))
        if first == last:  # a range needs two integers
            first, last = (first, last + 1) if first < self.high else (first - 1, last)
        return Range(first, last, self.log, integer=True)

    def end(self, value: float, margin: float) -> str:
        """Return "lower", "upper" or "": the end that a number lies within `margin` of."""
        share = self.share(value)
        return "lower" if share <= margin else "upper" if share >= 1 - margin else ""

    def _scale(self, number: float) -> float:
        return math.log(number) if self.log else number

    def __str__(self) -> str:
        kind = " (log)" if self.log else ""
        return f"[{self.low:.3g}, {self.high:.3g}]{kind}"


@dataclass(frozen=True)
class Choice(Distribution):
    """One of some options, all equally probable; made by `choice`."""

    options: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.options:
            raise UsageError("choice needs at least one option")

    def sample(self, rng: np.random.Generator) -> Any:
        """Draw an option."""
        return self.options[int(rng.integers(len(self.options)))]

    def around(self, values: Sequence[Any], trials: int) -> Choice:
        """Return the options that are among these."""
        return Choice(tuple(option for option in self.options if option in values))

    def end(self, value: Any, margin: float) -> str:
        """Options have no order, so none lies at an end."""
        return ""

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.options)) + "}"


Space: TypeAlias = Mapping[str, Distribution]
"""What a search draws from: a distribution for each name."""


def uniform(low: float, high: float) -> Range:
    """Real numbers, uniform between `low` and `high`.

    Raises
    ------
    UsageError
        Unless both are finite and low < high.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.train.search import uniform
    >>> 0.5 <= uniform(0.5, 0.99).sample(np.random.default_rng(0)) <= 0.99
    True
    """
    return Range(float(low), float(high))


def loguniform(low: float, high: float) -> Range:
    """Positive numbers with a uniform logarithm: 10^U(log₁₀ low, log₁₀ high) (L64).

    For what acts by its order of magnitude, as learning rates and weight decays do.

    Raises
    ------
    UsageError
        Unless both are finite and 0 < low < high.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.train.search import loguniform
    >>> round(loguniform(1e-6, 1e-2).at(0.5), 10)
    0.0001
    """
    return Range(float(low), float(high), log=True)


def integers(low: int, high: int, log: bool = False) -> Range:
    """Integers from `low` to `high`, both included; with `log`, small ones are drawn more often.

    Raises
    ------
    UsageError
        Unless both are integers with low < high, and 0 < low if `log`.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.train.search import integers
    >>> rng = np.random.default_rng(0)
    >>> sorted({integers(1, 4).sample(rng) for _ in range(100)})
    [1, 2, 3, 4]
    """
    if int(low) != low or int(high) != high:
        raise UsageError(f"integers needs integers as ends, got {low!r} to {high!r}")
    return Range(int(low), int(high), log, integer=True)


def choice(*options: Any) -> Choice:
    """One of the options, all equally probable.

    Raises
    ------
    UsageError
        Without options.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.train.search import choice
    >>> choice("relu", "tanh").sample(np.random.default_rng(0))
    'tanh'
    """
    return Choice(options)


def check_space(space: Space) -> dict[str, Distribution]:
    """Return a space as a dict, or raise UsageError that says what would be right."""
    for name, part in space.items():
        if not isinstance(part, Distribution):
            raise UsageError(
                f"space[{name!r}] must be uniform(…), loguniform(…), integers(…) or choice(…),"
                f" got {part!r}"
            )
    return dict(space)


def edge_warning(space: Space, *best: Mapping[str, Any], margin: float = 0.15) -> list[str]:
    """Say which of the best values lie at an end of their range, where still better may lie beyond.

    The best trial must lie within `margin` of the end, and the next ones, if they are given, within
    twice as much: where a parameter does not matter, the best of all is near an end by chance in
    30% of searches, the best three are in 3%.

    Parameters
    ----------
    space : mapping of str to Distribution
    *best : mapping of str to number
        Parameters of the best trial, and perhaps of the next ones.
    margin : float
        A share of the range (of its logarithm, if it was drawn so).

    Returns
    -------
    list of str
        A sentence for each; empty if there is none.

    Examples
    --------
    >>> from tinygrad_lecture.train.search import edge_warning, loguniform
    >>> edge_warning({"lr": loguniform(1e-5, 1e-2)}, {"lr": 9.1e-3}, {"lr": 4e-3})
    ['the best lr, 0.0091, lies at the upper end of [1e-05, 0.01] (log): widen that range']
    """
    warnings = []
    for name, part in space.items():
        first, *others = (params[name] for params in best)
        end = part.end(first, margin)
        if end and all(part.end(other, 2 * margin) == end for other in others):
            warnings.append(
                f"the best {name}, {first:.3g}, lies at the {end} end of {part}: widen that range"
            )
    return warnings
