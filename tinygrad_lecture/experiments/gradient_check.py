"""Checking gradients by differences: how good differences are, and what the checker notices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.seeding import generator
from ..engine import cos, exp, grad, relu, square, sum, tanh
from ..gradcheck import gradcheck, taylor_test
from ..gradcheck.builtin import faulty, has_derivative, rows
from ..gradcheck.verdicts import Verdict
from .figure import Figure
from .outcome import Check, Outcome, at_least, below, equals, near
from .registry import claim

__all__ = ["checker_notices_faults", "difference_errors", "taylor_remainder"]


@claim("L14", "central differences err by h²|f‴|/6, forward ones by h|f″|/2")
def difference_errors(*, quick: bool = False, seed: int = 0) -> Outcome:
    """Measure both errors against the engine's gradient of f(x) = exp(3x) cos x.

    Parameters
    ----------
    quick, seed
        Five points instead of 50; seed of the points, from U(0.3, 0.7).

    Returns
    -------
    Outcome
        Figure: both errors over h, which fall until rounding takes over.
    """
    points = generator(seed).uniform(0.3, 0.7, 5 if quick else 50)

    def f(x: Any) -> Any:
        return exp(3.0 * x) * cos(x)

    def derivative(order: int) -> NDArray[np.float64]:
        power = 3 + 1j  # f is the real part of exp(power x)
        return np.asarray(np.abs(np.real(power**order * np.exp(power * points))))

    slope = grad(lambda x: sum(f(x)))(points)

    def central(h: float) -> NDArray[np.float64]:
        return np.asarray(np.abs((f(points + h) - f(points - h)) / (2 * h) - slope))

    def forward(h: float) -> NDArray[np.float64]:
        return np.asarray(np.abs((f(points + h) - f(points)) / h - slope))

    h = 1e-5
    steps = np.geomspace(1e-12, 1e-1, 45)
    figure = Figure(
        "differences of exp(3x) cos x", "h", "error, mean", x_scale="log", y_scale="log"
    )
    for name, error in (("central", central), ("forward", forward)):
        figure = figure.add(name, steps, [np.mean(error(step)) for step in steps])
    # At h = 1e-5 rounding, about 1e-16 |f| / h, is a hundredth of the central error.
    return Outcome(
        [
            Check("central error at h = 1e-5", central(h).max(), below(1e-8), 1.6e-9),
            Check("forward error at h = 1e-5", forward(h).max(), below(1e-3), 1.7e-4),
            Check("central error at h = 1e-3 over h²|f‴|/6",
                  central(1e-3) / (1e-6 / 6 * derivative(3)), near(1.0, rel=0.01)),
            Check("forward error at h = 1e-5 over h|f″|/2",
                  forward(h) / (h / 2 * derivative(2)), near(1.0, rel=0.01)),
            Check("central error at h = 1e-2 over that at 5e-3", central(1e-2) / central(5e-3),
                  near(4.0, abs=0.5)),
        ],
        figure=figure,
    )  # fmt: skip


@claim("L14", "the checker catches a derivative that is off by 0.1 %, and tells kinks from faults")
def checker_notices_faults(*, quick: bool = False, seed: int = 0) -> Outcome:
    """Scale the derivative of each op by 1.001; check ReLU at and beside its kink.

    Parameters
    ----------
    quick, seed
        Every fifth op; seed of the points.

    Returns
    -------
    Outcome
        Ops whose derivative is 0 at the points are left out: no factor shows there.
    """
    caught = {}
    for row in rows()[:: 5 if quick else 1]:
        reports = faulty(row, seed=seed, samples=1)
        if has_derivative(reports):
            caught[row.name] = any(r.verdict is Verdict.WRONG for r in reports)
    missed = [name for name, found in caught.items() if not found]

    def verdict(x: float, wrong: float = 0.0) -> Verdict:
        return gradcheck(lambda x: relu(x) + wrong * (x - x.detach()), x, seed=seed).verdict

    return Outcome(
        [
            Check("ops with a spoilt derivative", len(caught), at_least(10)),
            Check("of these, faults that were missed", len(missed), equals(0)),
            Check("ReLU at 0 is a kink", verdict(0.0) is Verdict.KINK, equals(True)),
            Check("ReLU at 1e-8 is no fault", verdict(1e-8) is not Verdict.WRONG, equals(True)),
            Check("ReLU at ±1 passes", [verdict(x) is Verdict.PASS for x in (-1.0, 1.0)],
                  equals(True)),
        ],
        notes=tuple(f"the fault in {name} was missed" for name in missed),
    )  # fmt: skip


@claim("L14", "Bottou's check: Q(z, w + δ) − Q(z, w) − δ·g is of second order in δ")
def taylor_remainder(*, features: int = 8, quick: bool = False, seed: int = 0) -> Outcome:
    """Measure the order of the remainder on one example, with the right and with wrong gradients.

    Parameters
    ----------
    features : int
        Size of w; Q(z, w) = (tanh(wᵀx) − y)².
    quick, seed
        Two examples instead of 20; seed of examples, weights and directions.

    Returns
    -------
    Outcome
        Figure: remainders of the last example over the step.
    """
    rng = generator(seed)
    right, wrong = [], []
    for k in range(2 if quick else 20):
        x, w, y = rng.normal(size=features), rng.normal(size=features), float(rng.normal())

        def Q(w: Any, x: Any = x, y: Any = y) -> Any:  # noqa: N802 - its name in the formula
            return square(tanh(sum(w * x)) - y)

        g = grad(Q)(w)
        right.append(taylor_test(Q, g, w, seed=seed + k))
        wrong.append(taylor_test(Q, 1.1 * g, w, seed=seed + k))
    figure = Figure("what the gradient leaves", "step", "remainder", x_scale="log", y_scale="log")
    for name, found in (("right gradient", right[-1]), ("10 % too long", wrong[-1])):
        figure = figure.add(name, found.steps, found.remainders)
    return Outcome(
        [
            Check("order, right gradient", [t.order for t in right], near(2.0, abs=0.2)),
            Check("order, 10 % too long", [t.order for t in wrong], near(1.0, abs=0.2)),
        ],
        figure=figure,
    )
