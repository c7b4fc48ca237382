"""The perceptron against its bound (L17), and separability with proofs (L01, L02)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture import logic
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.logic import BooleanFunction, Perceptron, ThresholdNeuron, separate, vertices


def test_an_update_moves_the_activation_by_alpha_times_the_squared_length() -> None:
    rng = np.random.default_rng(0)
    for label, sign in ((1, 1.0), (0, -1.0)):
        for _ in range(50):
            p = Perceptron(4, lr=0.3)
            x = rng.normal(size=4)
            p.theta = rng.normal(size=5)
            before = p.neuron.activation(x)
            wrong = p.update(x, label)
            assert wrong == ((before >= 0) != label)
            rise = 0.3 * (x @ x + 1) * sign if wrong else 0.0
            assert p.neuron.activation(x) - before == pytest.approx(rise, abs=1e-12)


def test_at_the_threshold_the_answer_is_1() -> None:
    p = Perceptron(2)
    assert not p.update([1.0, 0.0], 1)
    assert p.update([1.0, 0.0], 0)
    assert p.theta.tolist() == [-1.0, 0.0, -1.0]


@pytest.mark.parametrize("seed", range(50))
def test_mistakes_stay_below_the_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = ThresholdNeuron(rng.normal(size=3), rng.normal() / 2)
    X = rng.normal(size=(100, 3))
    X = X[np.abs(truth.activation(X)) > 0.2]
    p = Perceptron(3, lr=0.5)
    fit = p.fit(X, truth(X), max_epochs=10_000)
    assert fit.converged
    np.testing.assert_array_equal(p(X), truth(X))
    assert 0 < fit.mistakes <= logic.mistake_bound(X, truth(X), truth)
    assert fit.mistakes <= logic.mistake_bound(X, truth(X), p.neuron)
    assert fit.trace.shape == (fit.mistakes + 1, 4)
    np.testing.assert_array_equal(fit.trace[-1], p.theta)


def test_xor_has_no_end() -> None:
    X, y = tg.data.xor()
    fit = Perceptron(2).fit(X, y, max_epochs=1000)
    assert (fit.converged, fit.epochs) == (False, 1000)
    assert fit.mistakes >= 1000
    # From the first epoch after which the weights return, it goes in circles.
    assert len(np.unique(fit.trace, axis=0)) < 20


def test_it_stops_on_features_set_by_hand() -> None:
    X, y = tg.data.xor()
    assert Perceptron(2).fit(logic.phi_or_and(X), y).converged


def test_fit_goes_on_where_it_stands_and_lr_only_scales() -> None:
    X, y = vertices(3), BooleanFunction("00010111").y
    slow, fast = Perceptron(3, lr=0.25), Perceptron(3, lr=4.0)
    assert slow.fit(X, y).mistakes == fast.fit(X, y).mistakes
    np.testing.assert_array_equal(fast.theta, 16 * slow.theta)
    again = slow.fit(X, y)
    assert (again.mistakes, again.epochs, again.converged) == (0, 1, True)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_counts_of_threshold_functions_agree_with_the_decision(n: int) -> None:
    X = vertices(n)
    tables = vertices(2**n) if n < 3 else (np.arange(256)[:, None] >> np.arange(8)) & 1
    assert sum(map(bool, (separate(X, y) for y in tables))) == logic.count_threshold_functions(n)
    assert logic.count_threshold_functions(n) == {1: 4, 2: 14, 3: 104}[n]


def test_the_count_for_four_and_five_inputs() -> None:
    assert logic.count_threshold_functions(4) == 1882
    assert logic.count_threshold_functions(5) == 94572
    for n in (0, 6):
        with pytest.raises(UsageError, match=f"n must be 1 to 5, got {n}"):
            logic.count_threshold_functions(n)


@pytest.mark.slow
def test_the_decision_finds_1882_of_the_65536_functions_of_four_inputs() -> None:
    X, bits = vertices(4), np.arange(16)
    assert sum(bool(separate(X, k >> bits & 1)) for k in range(65536)) == 1882


def proven(X: Any, y: Any) -> bool:
    """Check the proof that comes with an answer, and return the answer."""
    found = separate(X, y)
    X, y = np.asarray(X, float), np.asarray(y)
    if found.neuron is not None:
        assert not found.conflict
        np.testing.assert_array_equal(found.neuron(X), y)
        assert np.all(np.abs(found.neuron.activation(X)) > 0)
        return True
    assert all(w > 0 for w in found.conflict.values())
    sums = np.zeros((2, X.shape[1] + 1))
    for i, w in found.conflict.items():
        sums[y[i]] += w * np.append(X[i], 1.0)
    assert sums[0, -1] > 0
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-12)
    return False


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_answers_come_with_proofs(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = vertices(n)
    w, b = rng.integers(-5, 6, n), rng.integers(-5, 6)
    assert proven(X, X @ w + b >= 0)
    proven(X, rng.integers(2, size=2**n))


@given(st.integers(1, 3), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_points_of_fractions_are_decided_too(n: int, N: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, n)).astype(np.float16).astype(float)
    y = rng.integers(2, size=N)
    scipy = pytest.importorskip("scipy.optimize")
    signed = (2 * y - 1)[:, None] * np.column_stack([X, np.ones(N)])
    lp = scipy.linprog(np.zeros(n + 1), A_ub=-signed, b_ub=-np.ones(N), bounds=(None, None))
    assert proven(X, y) == (lp.status == 0)


def test_a_tiny_margin_is_no_conflict() -> None:
    X = [[0.0], [2.0**-40], [1.0]]
    assert proven(X, [0, 1, 1])
    assert not proven([[0.0], [0.0], [1.0]], [0, 1, 1])
    assert not proven(X, [0, 1, 0])


def test_weights_that_double_precision_cannot_hold_are_told() -> None:
    tiny = 2.0**-60
    X = [[1.0, tiny], [1.0, 2 * tiny], [1.0 + 2**-52, 0.0], [1.0 + 2**-52, tiny]]
    with pytest.raises(UsageError, match="separable, but only by weights finer than double"):
        separate(X, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([0.0, 1.0], [0, 1], r"X must have shape \(N, n\) and y \(N,\)"),
        ([[0.0], [1.0]], [0], r"got \(2, 1\) and \(1,\)"),
        (np.zeros((0, 2)), [], r"got \(0, 2\) and \(0,\)"),
        ([[0.0]], [2], "y must hold 0 and 1, got 2"),
        ([[np.nan]], [1], "X must be finite"),
    ],
)
def test_bad_samples_are_refused(X: Any, y: Any, message: str) -> None:
    for use in (separate, Perceptron(1).fit):
        with pytest.raises(UsageError, match=message):
            use(X, y)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="lr must be positive, got 0"):
        Perceptron(2, lr=0.0)
    with pytest.raises(UsageError, match="max_epochs must be at least 1, got 0"):
        Perceptron(1).fit([[0.0]], [1], max_epochs=0)
    with pytest.raises(UsageError, match=r"X must have shape \(N, 3\), got \(1, 1\)"):
        Perceptron(3).fit([[0.0]], [1])
    with pytest.raises(UsageError, match=r"does not divide the data: the margin is -1\.5"):
        logic.mistake_bound(vertices(2), [0, 1, 1, 0], logic.OR(2))
