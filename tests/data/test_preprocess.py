from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from tinygrad_lecture.data import Dataset, Standardize, bytes_to_unit
from tinygrad_lecture.errors import UsageError

values = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
matrices = arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=6), elements=values)


@given(X=matrices)
def test_result_has_mean_0_and_deviation_1_or_is_constant(X: NDArray[Any]) -> None:
    standardize = Standardize().fit(X)
    Z = standardize.transform(X)
    constant = X.max(axis=0) == X.min(axis=0)

    assert np.allclose(Z.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(Z.std(axis=0), np.where(constant, 0, 1), atol=1e-6)
    assert np.all(standardize.std[constant] == 1)
    assert np.allclose(standardize.mean, X.mean(axis=0), rtol=1e-9, atol=1e-9)


@given(X=matrices)
def test_inverse_undoes_transform(X: NDArray[Any]) -> None:
    standardize = Standardize().fit(X)

    assert np.allclose(standardize.inverse(standardize.transform(X)), X, rtol=1e-9, atol=1e-9)


def test_statistics_come_from_fit_and_not_from_transform() -> None:
    standardize = Standardize().fit(np.array([[0.0], [2.0]]))

    assert standardize.transform(np.array([[5.0], [1.0]])).tolist() == [[4], [0]]
    assert standardize.inverse(np.array([[4.0], [0.0]])).tolist() == [[5], [1]]


def test_a_constant_feature_is_only_shifted() -> None:
    X = np.array([[0.1, 1.0], [0.1, 3.0], [0.1, 5.0]])
    standardize = Standardize().fit(X)

    assert np.array_equal(standardize.mean, [0.1, 3.0])
    assert standardize.std[0] == 1
    assert standardize.transform(X)[:, 0].tolist() == [0, 0, 0]
    assert standardize.transform(np.array([[1.1, 3.0]])) == pytest.approx(np.array([[1.0, 0.0]]))


@pytest.mark.parametrize(
    "X",
    [
        [[1e9], [1e9 + 1e-6]],  # a large offset
        [[1e200], [-1e200]],  # squares overflow
        [[1e-200], [-1e-200]],  # squares underflow
        [[8e307], [8.5e307], [8.2e307]],  # the sum overflows
        [[5e-324], [0.0], [0.0]],  # the deviation underflows
    ],
)
def test_extreme_scales(X: list[list[float]]) -> None:
    Z = Standardize().fit(np.array(X)).transform(np.array(X))

    assert np.isfinite(Z).all()
    if X[0][0] != 5e-324:
        assert Z.std() == pytest.approx(1)
        assert Z.mean() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    ("given_type", "result_type"),
    [("f8", "f8"), ("f4", "f4"), ("f2", "f2"), ("u1", "f8"), ("i8", "f8"), ("?", "f8")],
)
def test_types(given_type: str, result_type: str) -> None:
    X = np.array([[0], [1], [1], [0]], dtype=given_type)
    standardize = Standardize().fit(X)

    assert standardize.transform(X).dtype == np.dtype(result_type)
    assert standardize.inverse(X).dtype == np.dtype(result_type)
    assert standardize.transform(X).tolist() == [[-1], [1], [1], [-1]]


def test_a_dataset_is_read_with_its_transforms_and_can_be_mapped() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(3000, 5), dtype=np.uint8)
    dataset = Dataset(images, np.zeros(3000), "images").map(bytes_to_unit)
    standardize = Standardize().fit(dataset)
    Z = dataset.map(standardize)[:][0]

    assert np.allclose(standardize.mean, (images / 255).mean(axis=0), atol=1e-6)
    assert np.allclose(standardize.std, (images / 255).std(axis=0), atol=1e-6)
    assert Z.dtype == np.float32
    assert np.allclose(Z.std(axis=0), 1, atol=1e-5)


def test_state_goes_to_another_object() -> None:
    X = np.random.default_rng(0).normal(3, 5, size=(20, 4))
    standardize, other = Standardize().fit(X), Standardize()
    state = standardize.state_dict()
    other.load_state_dict(state)
    state["mean"][:] = 0

    assert np.array_equal(other.transform(X), standardize.transform(X))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((0, 2)), r"X must have at least one row, got shape \(0, 2\)"),
        (np.float64(1), r"X must have at least one row, got shape \(\)"),
        (
            np.array([[0.0, 1.0], [0.0, np.nan]]),
            r"X must be finite, got nan in row 1, feature \(1,\)",
        ),
        (np.array([[np.inf], [0.0]]), r"got inf in row 0, feature \(0,\)"),
        (np.array([[1e308], [-1e308]]), "X must have features whose range fits into float64"),
    ],
)
def test_what_cannot_be_fitted_is_refused(X: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Standardize().fit(X)


def test_a_bad_row_is_named_by_its_place_in_the_whole() -> None:
    X = np.zeros((2500, 3))
    X[2100, 2] = np.nan

    with pytest.raises(UsageError, match=r"in row 2100, feature \(2,\)"):
        Standardize().fit(X)


def test_what_is_not_fitted_says_so() -> None:
    for call in (Standardize().transform, Standardize().inverse):
        with pytest.raises(UsageError, match=r"no statistics yet: call fit\(X\)"):
            call(np.zeros((1, 1)))
    with pytest.raises(UsageError, match=r"no statistics yet: call fit\(X\)"):
        Standardize().state_dict()


@pytest.mark.parametrize("shape", [(3,), (4, 2), (4, 3, 1), ()])
def test_other_features_than_in_fit_are_refused(shape: tuple[int, ...]) -> None:
    standardize = Standardize().fit(np.zeros((5, 3)))

    with pytest.raises(UsageError, match=r"X must have shape \(n, 3\) as in fit, got \("):
        standardize.transform(np.zeros(shape))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"mean": [0.0]}, r"state must have the keys mean and std, got \['mean'\]"),
        ({"mean": [0.0], "std": [1.0, 1.0]}, r"got shapes \(1,\) and \(2,\)"),
        ({"mean": [0.0], "std": [0.0]}, "finite means and positive deviations"),
        ({"mean": [np.nan], "std": [1.0]}, "finite means and positive deviations"),
    ],
)
def test_a_bad_state_is_refused(state: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Standardize().load_state_dict(state)
