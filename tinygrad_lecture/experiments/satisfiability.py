"""SAT nets: what their loss is, how they learn, and which formulas they solve (L09)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import logic, optim
from ..data.seeding import generator
from .figure import Figure
from .outcome import Check, Outcome, above, at_least, at_most, equals, near
from .registry import claim
from .training import training_step

__all__ = ["sat_by_gradient", "sat_loss", "sat_path"]


@claim("L09", "a SAT net's loss is the expected number of violated clauses; its least is MaxSAT's")
def sat_loss(*, formulas: int = 20, quick: bool = False, seed: int = 0) -> Outcome:
    """Compare the loss of SAT nets with an average over all assignments, and its rounding.

    Parameters
    ----------
    formulas : int
        Random 3-SAT formulas of 8 variables and 30 clauses.
    quick, seed
        No effect, as it is quick; seed of formulas and weights.

    Returns
    -------
    Outcome
    """
    rng = generator(seed)
    corners = logic.vertices(8).astype(bool)
    differences, rises = [], []
    for k in range(formulas):
        cnf = logic.CNF.random_ksat(8, 30, seed=seed + k)
        net = logic.SATNet(cnf, loss="sum", rng=rng)
        p = 1.0 / (1.0 + np.exp(-net.theta.data))
        chances = np.prod(np.where(corners, p, 1.0 - p), axis=1)
        expected = float(chances @ np.asarray(cnf.violated(corners), float))
        loss = net().item()
        differences.append(abs(loss - expected))
        rises.append(float(cnf.violated(net.round_conditional())) - loss)
    every = logic.CNF([[a, b, c] for a in (1, -1) for b in (2, -2) for c in (3, -3)], n_variables=3)
    net = logic.SATNet(every, loss="sum", rng=rng)
    loss = net()
    loss.backward()
    checks = [
        Check("loss − expected number of violated clauses", differences, at_most(1e-12)),
        Check("violated after rounding − loss", rises, at_most(1e-9)),
        Check("loss of all 8 clauses on 3 variables", loss.item(), near(1.0, abs=1e-12)),
        Check("its gradient", np.max(np.abs(net.theta.grad)), at_most(1e-12)),
    ]
    return Outcome(checks)


@claim("L09", "while a SAT net learns, violated clauses go down with its loss, to none")
def sat_path(
    *, n: int = 50, ratio: float = 3.0, seeds: int = 5, quick: bool = False, seed: int = 0
) -> Outcome:
    """Train SAT nets of planted formulas, and count the violated clauses on the way.

    Parameters
    ----------
    n, ratio
        Variables, and clauses per variable.
    seeds : int
        Formulas; each net has up to 10 starts.
    quick, seed
        No effect, as it is quick; seed of formulas and weights.

    Returns
    -------
    Outcome
        Figure: loss and violated clauses over steps, for the first formula.
    """
    figure = Figure("a SAT net learns", "step", "loss, clauses")
    lowest, together = [], []
    for k in range(seeds):
        cnf = logic.CNF.random_ksat(n, round(ratio * n), seed=1000 * seed + k, planted=True)
        best: NDArray[np.float64] = np.full((1, 2), np.inf)
        for start in range(10):
            net = logic.SATNet(cnf, rng=np.random.default_rng([seed, k, start]))
            step = training_step(optim.Adam(net.parameters(), lr=0.1), net)
            path = np.array([(step().item(), cnf.violated(net.assignment())) for _ in range(300)])
            if path[:, 1].min() < best[:, 1].min():
                best = path
            if best[:, 1].min() == 0:
                break
        lowest.append(best[:, 1].min())
        together.append(np.corrcoef(best[:, 0], best[:, 1])[0, 1])
        if k == 0:
            t = np.arange(1, 301)
            figure = figure.add("loss", t, best[:, 0]).add("violated clauses", t, best[:, 1])
    checks = [
        Check("fewest violated clauses", lowest, equals(0.0)),
        Check("correlation of loss and violated clauses", together, above(0.5)),
    ]
    return Outcome(checks, figure=figure)


@claim("L09", "gradient descent solves nearly all easy formulas, and most at the threshold of 4.26")
def sat_by_gradient(
    *, formulas: int = 60, n: int = 20, quick: bool = False, seed: int = 0
) -> Outcome:
    """Solve random 3-SAT by SAT nets with 20 restarts, for ratios m/n on both sides of 4.26.

    Of the satisfiable formulas that were tried when the bounds were chosen, gradient descent solved
    all at m/n ≤ 3, and 94 % (of 360) at 4 to 5, where one ratio alone scatters too much.

    Parameters
    ----------
    formulas, n : int
        Formulas of each ratio, and their variables.
    quick, seed
        Twelve formulas of each, with a wider bound; seed of formulas and start weights.

    Returns
    -------
    Outcome
        Figure: share of formulas that are satisfiable, for n and 2n variables, and share of the
        satisfiable ones that are solved, over m/n.
    """
    formulas = min(formulas, 12) if quick else formulas
    ratios = np.array([2.0, 3.0, 3.5, 4.0, 4.26, 4.5, 5.0, 6.0])
    satisfiable, solved, of_more = (np.zeros(len(ratios), int) for _ in range(3))
    claimed = 0
    for r, ratio in enumerate(ratios.tolist()):
        for k in range(formulas):
            draw = 1000 * seed + k
            more = logic.CNF.random_ksat(2 * n, round(ratio * 2 * n), seed=draw)
            of_more[r] += logic.solve_by_dpll(more).satisfiable is True
            cnf = logic.CNF.random_ksat(n, round(ratio * n), seed=draw)
            truth = logic.solve_by_dpll(cnf).satisfiable is True
            answer = logic.solve_by_gradient(cnf, restarts=20 if truth else 1, seed=seed)
            satisfiable[r] += truth
            solved[r] += answer.satisfiable is True
            claimed += answer.satisfiable is False
    easy, hard = ratios <= 3.0, (ratios >= 4.0) & (ratios <= 5.0)
    checks = [
        Check("solved of the satisfiable ones, m/n ≤ 3",
              solved[easy].sum() / satisfiable[easy].sum(), at_least(0.9), 1.0),
        Check("solved of the satisfiable ones, 4 ≤ m/n ≤ 5",
              solved[hard].sum() / satisfiable[hard].sum(), at_least(0.6 if quick else 0.8), 0.94),
        Check(f"satisfiable at m/n = 3, n = {2 * n}", of_more[1] / formulas, at_least(0.8), 1.0),
        Check(f"satisfiable at m/n = 6, n = {2 * n}", of_more[-1] / formulas, at_most(0.2), 0.0),
        Check("formulas said to be unsatisfiable", claimed, equals(0)),
    ]  # fmt: skip
    figure = Figure("random 3-SAT around m/n = 4.26", "m/n", "share")
    figure = figure.add(f"satisfiable, n = {n}", ratios, satisfiable / formulas)
    figure = figure.add(f"satisfiable, n = {2 * n}", ratios, of_more / formulas)
    some = satisfiable > 0
    return Outcome(
        checks,
        figure=figure.add(
            f"solved by gradient of the satisfiable, n = {n}", ratios[some],
            solved[some] / satisfiable[some], style="points",
        ),
    )  # fmt: skip
