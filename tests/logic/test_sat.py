"""Formulas, their networks (L09), and solvers against each other."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture import logic
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.logic import CNF, Answer, SATNet
from tinygrad_lecture.logic.dpll import Search

ALL_EIGHT = CNF([[a, 2 * b, 3 * c] for a, b, c in itertools.product((1, -1), repeat=3)])


@st.composite
def formulas(draw: st.DrawFn, repeats: bool = True) -> CNF:
    n = draw(st.integers(1, 6))
    literals = st.integers(1, n).flatmap(lambda v: st.sampled_from([v, -v]))
    clauses = st.lists(literals, min_size=1, max_size=4, unique_by=None if repeats else abs)
    return CNF(draw(st.lists(clauses, max_size=14)), n)


def by_hand(cnf: CNF, assignment: list[bool]) -> int:
    return sum(not any(assignment[abs(v) - 1] == (v > 0) for v in c) for c in cnf.clauses)


# ------------------------------------------------------------------------------------ formulas


@given(formulas())
def test_violations_are_counted_clause_by_clause(cnf: CNF) -> None:
    rows = logic.vertices(cnf.n_variables).astype(bool)
    assert cnf.violated(rows).tolist() == [by_hand(cnf, row) for row in rows.tolist()]


@given(formulas())
def test_the_frozen_net_is_the_formula(cnf: CNF) -> None:
    rows = logic.vertices(cnf.n_variables)
    np.testing.assert_array_equal(cnf.to_net()(rows), cnf.violated(rows) == 0)


@pytest.mark.parametrize(
    ("n", "m", "k"), [(5, 30, 3), (3, 50, 3), (10, 0, 2), (40, 170, 7), (1, 4, 1)]
)
def test_random_formulas(n: int, m: int, k: int) -> None:
    cnf = CNF.random_ksat(n, m, k, seed=1)
    assert (cnf.n_variables, cnf.n_clauses) == (n, m)
    assert all(len({abs(v) for v in clause}) == k for clause in cnf.clauses)
    assert cnf == CNF.random_ksat(n, m, k, seed=1)
    assert hash(cnf) == hash(CNF.random_ksat(n, m, k, seed=1))
    assert m == 0 or cnf != CNF.random_ksat(n, m, k, seed=2)
    hidden = np.random.default_rng(0).integers(2, size=n)
    assert CNF.random_ksat(n, m, k, seed=1, planted=hidden).violated(hidden) == 0


def test_random_signs_and_variables_are_fair() -> None:
    codes = np.array(CNF.random_ksat(10, 20_000, 3, seed=0).clauses)
    counts = np.array([(codes == v).sum() for v in (*range(1, 11), *range(-10, 0))])
    assert np.abs(counts - 3000).max() < 5 * np.sqrt(3000)


@pytest.mark.parametrize("holes", [1, 2, 3])
def test_pigeons_do_not_fit(holes: int) -> None:
    cnf = CNF.pigeonhole(holes)
    assert cnf.n_clauses == holes + 1 + holes * holes * (holes + 1) // 2
    answer = logic.brute_force(cnf)
    assert (answer.status, answer.effort["violated"]) == ("UNSATISFIABLE", 1)


@pytest.mark.parametrize("n", [2, 3, 5, 7])
def test_parity_chains(n: int) -> None:
    yes, no = (CNF.parity_chain(n, seed=n, satisfiable=s) for s in (True, False))
    assert yes.n_variables == n + 2 * (n - 1)
    assert logic.brute_force(yes).effort["models"] == 2 ** (n - 1)
    assert logic.brute_force(no).effort["models"] == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CNF([[1, 0]]), "literals must be whole numbers other than 0"),
        (lambda: CNF([[1.5]]), "literals must be whole numbers"),  # type: ignore[list-item]
        (lambda: CNF([[3]], 2), "literal 3 is beyond n_variables=2"),
        (lambda: CNF.random_ksat(2, 5, 3), "k must be at most n=2"),
        (lambda: CNF.random_ksat(0, 5, 3), "n must be at least 1, got 0"),
        (lambda: CNF.random_ksat(3, 5, planted=[1, 0]), r"planted must be True or 3 truth values"),
        (lambda: CNF.pigeonhole(0), "holes must be at least 1"),
        (lambda: CNF.parity_chain(1), "n must be at least 2"),
        (lambda: CNF([[1]]).violated([1, 0]), "an assignment has 1 truth values, got shape"),
        (lambda: SATNet(CNF([[1]]), "soft"), 'relax is "product" or "neuron", got \'soft\''),  # type: ignore[arg-type]
        (lambda: SATNet(CNF([[1]]), loss="mse"), 'loss is "log" or "sum", got \'mse\''),  # type: ignore[arg-type]
        (lambda: SATNet(CNF([])), "at least one variable"),
        (lambda: SATNet(CNF([[], [1]])), 'an empty clause never holds: its "log" loss is infinite'),
        (lambda: SATNet(CNF([[1]]), restarts=0), "restarts must be at least 1, got 0"),
        (lambda: SATNet(CNF([[1]]), gain=-1.0), "gain must be positive, got -1"),
        (lambda: logic.brute_force(CNF([[25]])), "up to 24 variables, got 25"),
        (lambda: logic.solve_by_gradient(CNF([[1]]), restarts=0), "restarts must be at least 1"),
        (lambda: logic.solve_by_gradient(CNF([[1]]), lr=0.0), "lr must be positive, got 0"),
        (lambda: logic.solve_by_gradient(CNF([[1]]), seed=-1), "seed must be at least 0"),
    ],
)
def test_bad_settings_are_refused(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


# ------------------------------------------------------------------------------------ networks


@given(formulas(repeats=False), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_the_sum_is_the_expected_number_of_violations(cnf: CNF, seed: int) -> None:
    net = SATNet(cnf, loss="sum", rng=seed)
    x = 1 / (1 + np.exp(-net.theta.data))
    rows = logic.vertices(cnf.n_variables)
    chance = np.prod(np.where(rows == 1, x, 1 - x), axis=1)
    expected = float(chance @ cnf.violated(rows))
    assert net().item() == pytest.approx(expected, abs=1e-12)
    assert cnf.violated(net.round_conditional()) <= expected + 1e-9
    scalar = logic.scalar_sat_loss(cnf, net.theta.data.tolist(), "sum")
    assert scalar == pytest.approx(expected, abs=1e-12)


@given(formulas(), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_losses_of_all_relaxations(cnf: CNF, seed: int) -> None:
    for relax, loss in itertools.product(("product", "neuron"), ("sum", "log")):
        net = SATNet(cnf, relax, loss, gain=3.0, rng=seed)  # type: ignore[arg-type]
        P = net.violations().data if cnf.groups else np.zeros(0)
        want = P.sum() if loss == "sum" else -np.log1p(-P).sum()
        assert net().item() == pytest.approx(float(want), rel=1e-9)
        if relax == "neuron" and cnf.groups:
            x = 1 / (1 + np.exp(-net.theta.data))
            hidden = cnf.to_net().to_module(gain=3.0)[:2](x[None])  # type: ignore[index]
            np.testing.assert_allclose(1 - hidden.data[0], P, rtol=1e-9)


@pytest.mark.parametrize("relax", ["product", "neuron"])
@pytest.mark.parametrize("loss", ["sum", "log"])
def test_gradients(relax: Any, loss: Any) -> None:
    net = SATNet(CNF([[1, -2, 3], [-1, 2], [2], [1, 1, -3]]), relax, loss, gain=2.0, rng=0)

    def by_theta(theta: Any) -> Any:
        net.theta = theta
        return net()

    assert tg.gradcheck(by_theta, np.array([0.3, -0.7, 1.1])).verdict == "pass"


def test_nets_side_by_side_train_as_if_alone_and_compiled() -> None:
    cnf = CNF.random_ksat(12, 40, seed=0)
    together = SATNet(cnf, restarts=3, rng=0)
    start = together.theta.data.copy()
    optimizer = tg.optim.Adam(together.parameters(), lr=0.1)

    def step() -> Any:
        optimizer.zero_grad()
        losses = together()
        tg.sum(losses).backward()
        optimizer.step()
        return losses

    run: Any = tg.compile(step)
    for _ in range(20):
        losses = run()
    assert losses.shape == (3,)
    for row in range(3):
        alone = SATNet(cnf, rng=0)
        alone.theta.data = start[row].copy()
        one = tg.optim.Adam(alone.parameters(), lr=0.1)
        for _ in range(20):
            one.zero_grad()
            loss = alone()
            loss.backward()
            one.step()
        assert loss.item() == pytest.approx(losses.data[row], rel=1e-10)
        np.testing.assert_allclose(together.theta.data[row], alone.theta.data, rtol=1e-10)


def test_all_eight_clauses_leave_no_slope() -> None:
    for seed in range(5):
        net = SATNet(ALL_EIGHT, loss="sum", rng=seed)
        loss = net()
        loss.backward()
        assert loss.item() == pytest.approx(1.0, abs=1e-14)
        np.testing.assert_allclose(net.theta.grad, 0.0, atol=1e-15)


def test_far_weights_stay_finite() -> None:
    net = SATNet(CNF([[1, 2], [-1]]))
    net.theta.data = np.array([-300.0, -300.0])
    loss = net()
    loss.backward()
    assert loss.item() == pytest.approx(300 - np.log(2), rel=1e-12)
    np.testing.assert_allclose(net.theta.grad, [-0.5, -0.5], rtol=1e-9)


# ----------------------------------------------------------- clause by clause, in single scalars


@pytest.mark.parametrize(("loss", "forward", "both"), [("sum", 7, 28), ("log", 9, 33)])
def test_a_net_in_single_scalars_is_lifted(loss: Any, forward: int, both: int) -> None:
    cnf = CNF.random_ksat(200, 850, seed=0)

    def scalar(theta: Any) -> Any:
        return logic.scalar_sat_loss(cnf, theta, loss)

    theta = np.random.default_rng(0).normal(size=200).tolist()
    net = SATNet(cnf, loss=loss)
    net.theta.data = np.array(theta)
    want = net()
    want.backward()

    compiled: Any = tg.compile(scalar)
    assert float(compiled(theta)) == pytest.approx(want.item(), rel=1e-12)
    assert rows(compiled) <= forward

    derived: Any = tg.compile(tg.value_and_grad(scalar))
    value, gradient = derived(theta)
    assert float(value) == pytest.approx(want.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, net.theta.grad, rtol=1e-9, atol=1e-12)
    assert rows(derived) <= both


def rows(compiled: Any) -> int:
    """Read the number of instructions from what explain() prints first."""
    first = str(compiled.program.explain()).splitlines()[0]
    return int(first.split(" became ")[1].split()[0])


# ------------------------------------------------------------------------------------- solvers


def checked(cnf: CNF, answer: Answer, truth: bool) -> None:
    assert answer.satisfiable in (truth, None)
    if answer.satisfiable:
        assert answer.assignment is not None
        assert by_hand(cnf, answer.assignment.tolist()) == 0
        assert answer.literals == [
            v if true else -v for v, true in enumerate(answer.assignment.tolist(), 1)
        ]
    else:
        assert answer.assignment is None
        assert answer.literals == []


@given(formulas())
@settings(max_examples=60)
def test_dpll_against_all_assignments(cnf: CNF) -> None:
    truth = logic.brute_force(cnf)
    answer = logic.solve_by_dpll(cnf)
    assert answer.satisfiable == truth.satisfiable
    assert truth.satisfiable is not None
    checked(cnf, answer, truth.satisfiable)


def some_formula(seed: int) -> CNF:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 21))
    return CNF.random_ksat(n, int(n * rng.uniform(2, 6)), 3, rng)


def agree(seeds: range) -> int:
    pytest.importorskip("pysat")
    satisfiable = 0
    for seed in seeds:
        cnf = some_formula(seed)
        truth = logic.solve_by_pysat(cnf).satisfiable
        assert truth is not None
        answer = logic.solve_by_dpll(cnf)
        assert answer.satisfiable is truth, seed
        checked(cnf, answer, truth)
        satisfiable += truth
    return satisfiable


def test_dpll_agrees_with_pysat() -> None:
    assert 30 < agree(range(100)) < 90


@pytest.mark.slow
def test_dpll_agrees_with_pysat_on_a_thousand_formulas() -> None:
    assert 300 < agree(range(1000)) < 900


def test_dpll_counts_and_gives_up() -> None:
    hard = CNF.pigeonhole(6)
    seen: list[int] = []
    answer = logic.solve_by_dpll(hard, limit=50, tick=seen.append)
    assert (answer.status, answer.satisfiable, answer.effort["decisions"]) == ("UNKNOWN", None, 50)
    assert seen == list(range(1, 51))
    assert logic.solve_by_dpll(CNF.pigeonhole(5)).status == "UNSATISFIABLE"
    assert logic.solve_by_dpll(CNF.parity_chain(8, satisfiable=False)).status == "UNSATISFIABLE"
    assert logic.solve_by_dpll(CNF.parity_chain(30)).status == "SATISFIABLE"


@pytest.mark.parametrize(
    "solver", [logic.brute_force, logic.solve_by_dpll, logic.solve_by_gradient]
)
def test_formulas_at_the_edge(solver: Any) -> None:
    assert solver(CNF([], 0)).satisfiable is True
    assert solver(CNF([], 3)).satisfiable is True
    assert solver(CNF([[1, -1], [2, 2]])).satisfiable is True
    nothing = None if solver is logic.solve_by_gradient else False
    assert solver(CNF([[]], 0)).satisfiable is nothing
    assert solver(CNF([[], [1]])).satisfiable is nothing
    assert solver(CNF([[1], [-1]])).satisfiable is nothing


def solved(n: int, ratio: float, count: int) -> list[bool]:
    answers = []
    for seed in range(count):
        cnf = CNF.random_ksat(n, round(ratio * n), seed=seed, planted=True)
        answer = logic.solve_by_gradient(cnf, restarts=20)
        checked(cnf, answer, True)
        answers.append(bool(answer.satisfiable))
    return answers


def test_the_gradient_solves_planted_formulas() -> None:
    assert all(solved(50, 3.5, 10))


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [2.0, 3.0, 3.5])
def test_the_gradient_solves_a_hundred_planted_formulas(ratio: float) -> None:
    assert all(solved(50, ratio, 100))


def hard_ones(count: int) -> list[bool]:
    """Return for the satisfiable ones of random formulas at the threshold whether it solves them."""
    found = []
    for seed in range(count):
        cnf = CNF.random_ksat(20, 85, seed=seed)
        truth = bool(logic.solve_by_dpll(cnf).satisfiable)
        answer = logic.solve_by_gradient(cnf, restarts=20 if truth else 2)
        checked(cnf, answer, truth)
        if truth:
            found.append(bool(answer.satisfiable))
    return found


def test_the_gradient_solves_most_formulas_at_the_threshold() -> None:
    assert np.mean(hard_ones(20)) >= 0.8


@pytest.mark.slow
def test_the_gradient_solves_most_of_many_formulas_at_the_threshold() -> None:
    assert np.mean(hard_ones(100)) >= 0.8


@pytest.mark.slow
def test_a_hundred_variables_take_less_than_two_seconds() -> None:
    seconds = []
    for seed in range(100):
        cnf = CNF.random_ksat(100, 350, seed=seed, planted=True)
        start = time.perf_counter()
        answer = logic.solve_by_gradient(cnf)
        seconds.append(time.perf_counter() - start)
        assert answer.satisfiable in (True, None)
    assert np.median(seconds) < 2.0


def test_the_gradient_never_claims_that_there_is_no_assignment() -> None:
    for cnf in (ALL_EIGHT, CNF.pigeonhole(2), CNF([[1], [-1]])):
        answer = logic.solve_by_gradient(cnf, restarts=7, steps=30)
        assert (answer.status, answer.effort) == ("UNKNOWN", {"restarts": 7, "steps": 60})


def test_the_answer_does_not_depend_on_the_executor() -> None:
    cnf = CNF.random_ksat(20, 85, seed=5)
    seen: list[int] = []
    alone = logic.solve_by_gradient(cnf, restarts=20, steps=100, seed=3, tick=seen.append)
    with ThreadPoolExecutor(2) as executor:
        there = logic.solve_by_gradient(cnf, restarts=20, steps=100, seed=3, executor=executor)
    assert (alone.status, alone.literals, alone.effort) == (
        there.status,
        there.literals,
        there.effort,
    )
    assert seen == list(range(5, alone.effort["restarts"] + 1, 5))
    with tg.train.local_processes(2) as processes:
        far = logic.solve_by_gradient(cnf, restarts=20, steps=100, seed=3, executor=processes)
    assert (alone.literals, alone.effort) == (far.literals, far.effort)


def test_the_neuron_relaxation_and_the_sum_find_assignments_too() -> None:
    cnf = CNF.random_ksat(20, 50, seed=0, planted=True)
    assert logic.solve_by_gradient(cnf, relax="neuron").satisfiable
    assert logic.solve_by_gradient(cnf, loss="sum").satisfiable


def test_a_claim_that_is_wrong_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    cnf = CNF([[1], [2]])
    monkeypatch.setattr(Search, "assignment", lambda self: np.zeros(2, bool))
    with pytest.raises(
        RuntimeError, match="violates 2 of 2 clauses; this is a fault of the solver"
    ):
        logic.solve_by_dpll(cnf)


def test_without_pysat_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pysat.solvers", None)
    with pytest.raises(UsageError, match=r'pip install "tinygrad_lecture\[sat\]"'):
        logic.solve_by_pysat(CNF([[1]]))


def test_pysat_solvers_by_name() -> None:
    pytest.importorskip("pysat")
    cnf = CNF([[1, 2], [-1]])
    assert logic.solve_by_pysat(cnf, "glucose4").literals == [-1, 2]
    assert logic.solve_by_pysat(CNF([[1], [-1]])).status == "UNSATISFIABLE"
    with pytest.raises(UsageError, match="PySAT has no solver 'best'"):
        logic.solve_by_pysat(cnf, "best")
