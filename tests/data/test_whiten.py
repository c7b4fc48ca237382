from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinygrad_lecture.data import Dataset, PCAWhiten, load_digits
from tinygrad_lecture.errors import UsageError


def correlated(seed: int, n: int = 60, d: int = 4) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


@given(seed=st.integers(0, 2**32), d=st.integers(1, 6))
@settings(max_examples=30)
def test_whitened_features_are_uncorrelated_with_variance_1(seed: int, d: int) -> None:
    X = correlated(seed, d=d)
    whiten = PCAWhiten().fit(X)
    Z = whiten(X)

    assert np.allclose(Z.mean(axis=0), 0, atol=1e-8)
    assert np.allclose(np.cov(Z.T, bias=True), np.eye(d), atol=1e-6)
    assert np.allclose(whiten.inverse(Z), X, atol=1e-8)


def test_numbers_by_hand() -> None:
    # Covariance [[5/2, 3/2], [3/2, 5/2]]: variance 4 along (1, 1)/√2 and 1 along (1, −1)/√2.
    along, across = np.array([2.0, 2.0]), np.array([1.0, -1.0])
    X = np.stack([along, -along, across, -across]) + np.array([10.0, 20.0])
    whiten = PCAWhiten(eps=0.5).fit(X)

    assert whiten.mean == pytest.approx([10, 20])
    assert whiten.variances == pytest.approx([4, 1])
    assert np.abs(whiten.components) == pytest.approx(np.full((2, 2), np.sqrt(0.5)))
    assert whiten(X[:1])[0] == pytest.approx([np.sqrt(8) / np.sqrt(4.5), 0])


def test_gradient_descent_on_whitened_data_is_done_in_two_steps_and_on_raw_data_is_not() -> None:
    """The claim of L66: the Hessian of least squares becomes the identity."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    X = (rng.normal(size=(500, 3)) * [1.0, 8.0, 100.0]) @ turn
    y = X @ rng.normal(size=3)

    def steps(X: NDArray[Any], limit: int) -> int:
        H, w = X.T @ X / len(X), np.zeros(X.shape[1])
        alpha = 1 / np.linalg.eigvalsh(H)[-1]
        for step in range(limit):
            error = X @ w - (y - y.mean())
            if np.sqrt(np.mean(error**2)) < 1e-6 * y.std():
                return step
            w -= alpha * X.T @ error / len(X)
        return limit

    Z = PCAWhiten().fit(X)(X)

    assert np.linalg.cond(Z.T @ Z / len(Z)) == pytest.approx(1, abs=1e-6)
    assert steps(Z, 10) <= 2
    assert np.linalg.cond(X.T @ X / len(X)) >= 4000
    assert steps(X - X.mean(axis=0), 2000) == 2000


def test_axes_without_variance_are_dropped_or_kept_small_by_eps() -> None:
    X = correlated(1)
    X = np.column_stack([X, X[:, 0], np.full(len(X), 3.0)])

    assert PCAWhiten().fit(X)(X).shape == (60, 4)
    assert PCAWhiten(eps=1e-3).fit(X)(X).shape == (60, 6)
    assert np.abs(PCAWhiten(eps=1e-3).fit(X)(X)[:, 4:]).max() < 1e-6
    assert PCAWhiten(n_components=2).fit(X)(X).shape == (60, 2)


def test_a_few_components_are_the_best_linear_summary_of_the_digits() -> None:
    digits = load_digits()
    whiten = PCAWhiten(n_components=10).fit(digits)
    X, _ = digits[:]
    rest = X - whiten.inverse(whiten(X))

    assert np.sum(rest**2) / len(X) == pytest.approx(
        np.sum(X.var(axis=0)) - np.sum(whiten.variances), rel=1e-9
    )
    assert digits.map(whiten)[:5][0].shape == (5, 10)


def test_float32_stays_and_integers_become_float64() -> None:
    X = correlated(2).astype(np.float32)

    assert PCAWhiten().fit(X)(X).dtype == np.float32
    assert PCAWhiten().fit(X).inverse(np.zeros((1, 4), np.int64)).dtype == np.float64


def test_state_dict_gives_the_same_transform_and_a_strange_one_is_refused() -> None:
    X = correlated(3)
    whiten, other = PCAWhiten(eps=0.1).fit(X), PCAWhiten()
    other.load_state_dict(whiten.state_dict())

    assert np.array_equal(other(X), whiten(X))
    good = whiten.state_dict()
    for change, message in [
        ({"mean": np.zeros(3)}, r"got shapes \(4, 4\), \(4,\), \(3,\) and \(\)"),
        ({"eps": np.array(-1.0)}, "eps ≥ 0"),
        ({"variances": np.full(4, -1.0)}, "positive variances"),
        ({"mean": np.full(4, np.nan)}, "finite means"),
    ]:
        with pytest.raises(UsageError, match=message):
            other.load_state_dict({**good, **change})
    with pytest.raises(UsageError, match="keys components, eps, mean and variances"):
        other.load_state_dict({"mean": np.zeros(3)})
    assert np.array_equal(other(X), whiten(X))


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.zeros((3, 2, 2)), {}, r"X must have shape \(n, d\).* got \(3, 2, 2\)"),
        (np.zeros((0, 2)), {}, "at least one row"),
        (np.array([[0.0, np.inf]]), {}, r"X must be finite, got inf in row 0, feature \(1,\)"),
        (np.array([[1e200], [-1e200]]), {}, "squares fit into float64"),
        (np.ones((5, 2)), {}, "at most 0"),
        (correlated(4), {"n_components": 5}, "at most 4.* got 5; a positive eps allows 4"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_cannot_be_fitted_is_refused(
    X: NDArray[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        PCAWhiten(**options).fit(X)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="eps must be"):
        PCAWhiten(eps=-1)
    with pytest.raises(UsageError, match="n_components must be at least 1, got 0"):
        PCAWhiten(n_components=0)
    with pytest.raises(UsageError, match="call fit"):
        PCAWhiten()(np.zeros((1, 2)))
    whiten = PCAWhiten(n_components=2).fit(Dataset(correlated(5), np.zeros(60)))
    with pytest.raises(UsageError, match=r"X must have shape \(n, 4\) as in fit, got \(1, 3\)"):
        whiten(np.zeros((1, 3)))
    with pytest.raises(UsageError, match=r"Z must have shape \(n, 2\) as in fit, got \(1, 4\)"):
        whiten.inverse(np.zeros((1, 4)))
