"""DNF, CNF, minimized forms and parity: every function comes back, at the size that is claimed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lecture import logic
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.logic import BooleanFunction, CNFNet, DNFNet
from tinygrad_lecture.logic.cover import cover

FORMS = [DNFNet, CNFNet]


def reproduced(f: BooleanFunction, small: bool) -> None:
    """Build all nets of a function, and hold their functions and sizes against it."""
    true = int(f.table.sum())
    rows = {DNFNet: true, CNFNet: 2**f.n - true}
    for form in FORMS:
        plain = form.from_truth_table(f)
        negated = form.from_truth_table(f, "always")
        auto = form.from_truth_table(f, "auto")
        assert (plain.n_hidden, negated.n_hidden) == (rows[form], 2**f.n - rows[form])
        assert auto.n_hidden == min(plain.n_hidden, negated.n_hidden) <= 2 ** (f.n - 1)
        nets = [plain, negated, auto]
        if small:
            nets.append(form.from_truth_table(f, minimized=True))
            assert nets[-1].n_hidden <= plain.n_hidden
        for net in nets:
            assert net.function() == f
            assert BooleanFunction.from_expression(net.formula(), f.names) == f
            assert net.n_literals == np.count_nonzero(net.cubes)


@pytest.mark.parametrize("block", range(8))
def test_all_functions_of_three_inputs(block: int) -> None:
    for k in range(32 * block, 32 * (block + 1)):
        reproduced(BooleanFunction([k >> i & 1 for i in range(8)]), small=True)


@pytest.mark.parametrize("n", [4, 5, 6, 7, 8])
def test_random_functions(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(10):
        reproduced(BooleanFunction(rng.random(2**n) < rng.random()), small=n < 8)


@pytest.mark.slow
@pytest.mark.parametrize("n", [4, 5, 6, 7, 8])
def test_a_hundred_random_functions(n: int) -> None:
    rng = np.random.default_rng(100 + n)
    for _ in range(100):
        reproduced(BooleanFunction(rng.integers(2, size=2**n)), small=True)


@pytest.mark.parametrize("constant", [0, 1])
@pytest.mark.parametrize("form", FORMS)
def test_constants(form: type[DNFNet] | type[CNFNet], constant: int) -> None:
    f = BooleanFunction([constant] * 4)
    net = form.from_truth_table(f, minimized=True)
    assert net.n_hidden == (constant if form is DNFNet else 1 - constant)
    assert net.formula() == str(constant)
    soft = net.to_module(gain=20.0)(f.X).data[:, 0]
    np.testing.assert_allclose(soft, constant, atol=1e-4)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_modules_compute_the_same_softly(n: int, seed: int) -> None:
    f = BooleanFunction(np.random.default_rng(seed).integers(2, size=2**n))
    for form in FORMS:
        for complement in ("never", "always"):
            module = form.from_truth_table(f, complement).to_module(gain=20.0)
            np.testing.assert_allclose(module(f.X).data[:, 0], f.y, atol=1e-3)


def test_names_and_formulas() -> None:
    f = BooleanFunction.of("(p & q) | r")
    assert DNFNet.from_truth_table(f, minimized=True).formula() == "(p & q) | r"
    assert CNFNet.from_truth_table(f, minimized=True).formula() == "(p | r) & (q | r)"
    assert CNFNet.from_truth_table(f, "always", minimized=True).n_hidden == 2


@pytest.mark.parametrize("form", FORMS)
def test_bad_cubes_are_refused(form: type[DNFNet] | type[CNFNet]) -> None:
    with pytest.raises(UsageError, match="cubes must hold -1, 0 and 1"):
        form([[2, 0]], 2)
    with pytest.raises(UsageError, match='complement is "never", "auto" or "always", got \'no\''):
        form.from_truth_table("0110", "no")  # type: ignore[arg-type]


# -------------------------------------------------------------------------------- minimization


def all_cubes(f: BooleanFunction) -> list[tuple[int, ...]]:
    """Return the implicants of a function by trying all 3ⁿ cubes."""
    found = []
    for cube in itertools.product((-1, 0, 1), repeat=f.n):
        held = np.all((np.array(cube) == 0) | (cube == 2 * f.X - 1), axis=1)
        if np.all(f.table[held]):
            found.append(cube)
    return found


@given(st.integers(1, 4), st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=60)
def test_prime_implicants_by_definition(n: int, seed: int, share: float) -> None:
    f = BooleanFunction(np.random.default_rng(seed).random(2**n) < share)
    cubes = all_cubes(f)

    def wider(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        return a != b and all(x in (0, y) for x, y in zip(a, b, strict=True))

    prime = {b for b in cubes if not any(wider(a, b) for a in cubes)}
    assert {tuple(c) for c in logic.prime_implicants(f).tolist()} == prime


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_cover_is_the_cheapest_of_all(sets: int, elements: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    covers = rng.random((sets, elements)) < rng.uniform(0.2, 0.8)
    covers[rng.integers(sets, size=elements), np.arange(elements)] = True
    costs = rng.integers(1, rng.choice([2, 4, 20]), size=sets)
    chosen = cover(covers, costs)
    assert covers[chosen].any(axis=0).all()
    every = (
        sum(costs[list(some)])
        for k in range(sets + 1)
        for some in itertools.combinations(range(sets), k)
        if covers[list(some)].any(axis=0).all()
    )
    assert sum(costs[chosen]) == min(every)


@pytest.mark.parametrize("n", [4, 6])
def test_random_covers_against_an_integer_program(n: int) -> None:
    scipy = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(n)
    for _ in range(10):
        f = BooleanFunction(rng.random(2**n) < 0.7)
        cubes = logic.prime_implicants(f)
        covers = (2 * f.X[f.table] - 1) @ cubes.T == np.abs(cubes).sum(axis=1)
        costs = 1000 + np.abs(cubes).sum(axis=1)
        milp = scipy.milp(
            costs, integrality=np.ones(len(cubes)), bounds=scipy.Bounds(0, 1),
            constraints=scipy.LinearConstraint(covers.astype(float), lb=1),
        )  # fmt: skip
        best = logic.minimize(f)
        assert len(best) * 1000 + np.count_nonzero(best) == round(milp.fun)


@pytest.mark.parametrize(
    ("low", "high", "terms"),
    [(1, 4, 5), (2, 3, 10), (1, 3, 10), (5, 5, 1), (0, 5, 1), (0, 4, 5)],
)
def test_functions_that_are_all_symmetry(low: int, high: int, terms: int) -> None:
    counts = logic.vertices(5).sum(axis=1)
    assert len(logic.minimize((counts >= low) & (counts <= high))) == terms


def test_the_cyclic_core_of_mccluskey() -> None:
    # Six prime implicants in a ring: three of them do, and no essential one helps to find them.
    f = BooleanFunction.of("a & ~b | b & ~c | c & ~a")
    assert len(logic.prime_implicants(f)) == 6
    assert len(logic.minimize(f)) == 3


def test_more_than_eight_inputs_are_refused() -> None:
    f = BooleanFunction(np.zeros(512))
    for use in (logic.minimize, logic.prime_implicants):
        with pytest.raises(UsageError, match="functions of at most 8 inputs are minimized, got 9"):
            use(f)


# -------------------------------------------------------------------------------------- parity


@pytest.mark.parametrize("D", range(2, 11))
def test_parity_three_times(D: int) -> None:
    f = logic.parity(D)
    assert f.y.tolist() == [i.bit_count() % 2 for i in range(2**D)]
    for net in (logic.parity_dnf(D), logic.parity_tree(D), logic.parity_counting(D)):
        assert net.function() == f
    assert logic.parity_sizes(D) == {
        "dnf": 2 ** (D - 1) + 1,
        "tree": 3 * (D - 1),
        "counting": D + 1,
    }
    assert logic.parity_tree(D).depth == 2 * (D - 1).bit_length()


def test_parity_cannot_be_minimized() -> None:
    for D in (2, 4, 8):
        assert len(logic.minimize(logic.parity(D))) == 2 ** (D - 1)
    with pytest.raises(UsageError, match="D must be at least 2, got 1"):
        logic.parity_tree(1)
