"""Verdicts: what a claimed slope and a measured one say together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .sweep import Estimate


class Verdict(StrEnum):
    """The five answers of a check, and the exit code that the command line gives for each."""

    PASS = "pass"
    WRONG = "wrong gradient"
    KINK = "kink"
    NOISE = "step noise"
    NONDETERMINISTIC = "nondeterministic"

    @property
    def exit_code(self) -> int:
        """0 for pass, 1 for a wrong gradient, 3 for whatever leaves the question open."""
        return {Verdict.PASS: 0, Verdict.WRONG: 1}.get(self, 3)


_SEVERITY = (
    Verdict.WRONG,
    Verdict.NONDETERMINISTIC,
    Verdict.NOISE,
    Verdict.KINK,
    Verdict.PASS,
)

SURE = 8.0
"""A claimed slope further from the measured one than this many error bars is wrong."""

SHARP = 1e-4
"""An error bar below this part of the slope is sharp enough to call the slope confirmed."""

BANDS = (
    (1e-2, "wrong, most likely"),
    (1e-4, "uncomfortable"),
    (1e-7, "fine with kinks, suspect without"),
    (0.0, "happy"),
)
"""The scale of the cs231n notes for relative errors: lower bound, words."""


def band(relative_error: float) -> str:
    """Return the words of the cs231n notes for a relative error (L14).

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.verdicts import band
    >>> band(0.5), band(1e-9)
    ('wrong, most likely', 'happy')
    """
    if math.isnan(relative_error):
        return "not a number"
    return next(words for bound, words in BANDS if relative_error > bound or bound == 0.0)


def relative_error(a: float, b: float) -> float:
    """|a - b| / (|a| + |b|) (L14): symmetric, 0 if both are 0, nan if one of them is nan.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.verdicts import relative_error
    >>> relative_error(3.0, 1.0), relative_error(0.0, 0.0)
    (0.5, 0.0)
    """
    if a == b:
        return 0.0
    if math.isnan(a) or math.isnan(b):
        return math.nan
    if math.isinf(a) or math.isinf(b):
        return 1.0
    largest = max(abs(a), abs(b))
    return abs(a / largest - b / largest) / (abs(a / largest) + abs(b / largest))


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the gravest of some verdicts; pass if there are none."""
    return min(verdicts, key=_SEVERITY.index, default=Verdict.PASS)


@dataclass(frozen=True)
class Tolerance:
    """What counts as equal.

    Attributes
    ----------
    relative, absolute : float
        |a - b| <= absolute + relative max(|a|, |b|).
    floor : float
        Size below which a slope at this place is rounding of the analytic side.
    """

    relative: float
    absolute: float = 0.0
    floor: float = 0.0

    @property
    def sharp(self) -> float:
        """An error bar below this part of the slope is sharp enough to confirm it."""
        return max(SHARP, self.relative)

    def equal(self, a: float, b: float) -> bool:
        """Whether two slopes are equal."""
        if a == b or not (math.isfinite(a) and math.isfinite(b)):
            return a == b
        return abs(a - b) <= self.absolute + self.relative * max(abs(a), abs(b))


def judge(claimed: float, measured: Estimate, tolerance: Tolerance) -> tuple[Verdict, str]:
    """Return the verdict on a claimed slope, and a remark where one is due.

    The measured slope comes with an error bar, so three things are told apart: the claim is
    within the tolerance or within a sharp bar (pass), outside of a wide bar (wrong), or the bar
    is too wide to tell (step noise).
    """
    if not math.isfinite(claimed):
        return _not_finite(claimed, measured)
    if measured.kink or (measured.edge and math.isfinite(measured.value)):
        return _at_kink(claimed, measured, tolerance)
    if math.isnan(measured.value):
        return Verdict.NOISE, "the function is not finite next to this point"
    gap = abs(claimed - measured.value)
    size = max(abs(claimed), abs(measured.value))
    if tolerance.equal(claimed, measured.value):
        return Verdict.PASS, ""
    if gap > SURE * measured.error:
        if abs(claimed) <= tolerance.floor and abs(measured.value) <= tolerance.floor:
            return Verdict.PASS, "both zero to rounding"
        if abs(claimed) >= measured.steepness:
            return Verdict.NOISE, "the function varies faster than the shortest step"
        return Verdict.WRONG, ""
    if abs(claimed) <= tolerance.floor and measured.error <= max(
        1e6 * tolerance.floor, 1e-6 * measured.span
    ):
        return Verdict.PASS, "zero to within the noise of the differences"
    if measured.error <= tolerance.sharp * size:
        return Verdict.PASS, ""
    return Verdict.NOISE, "no step shows the slope well enough"


def _not_finite(claimed: float, measured: Estimate) -> tuple[Verdict, str]:
    if math.isinf(claimed) and measured.unbounded:
        return Verdict.KINK, "the slope grows without bound here"
    if math.isfinite(measured.error) and not measured.unbounded:
        return Verdict.WRONG, f"yours is {claimed}, and the numeric slope is finite"
    return Verdict.NOISE, f"yours is {claimed}, and no numeric slope was found"


def _at_kink(claimed: float, measured: Estimate, tolerance: Tolerance) -> tuple[Verdict, str]:
    if measured.edge:
        gap = abs(claimed - measured.value)
        sharp = measured.error <= 1e-2 * max(abs(claimed), abs(measured.value))
        if measured.unbounded:
            return Verdict.KINK, "the domain ends here, and the slope grows without bound"
        if gap > SURE * measured.error and not tolerance.equal(claimed, measured.value) and sharp:
            return Verdict.WRONG, "the domain ends here; compared with the slope inside"
        return Verdict.KINK, "the domain ends here"
    slack = 1e-3 * (abs(measured.low) + abs(measured.high)) + SURE * measured.error
    if measured.low - slack <= claimed <= measured.high + slack:
        return Verdict.KINK, f"between the one-sided slopes {measured.low:g} and {measured.high:g}"
    return (
        Verdict.WRONG,
        f"outside of the one-sided slopes {measured.low:g} and {measured.high:g} at a kink",
    )
