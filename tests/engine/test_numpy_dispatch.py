"""NumPy on a `Value`: which side it stands on, what comes out, and what is refused with a way on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg


@pytest.mark.parametrize(
    "number",
    [np.float64(3), np.float32(3), np.int64(3), np.uint8(3), np.array(3), np.array(3.0), 3, 3.0],
)
def test_numbers_of_numpy_on_either_side_of_a_scalar(number: Any) -> None:
    v = tg.Value(2.0)
    results = [
        number * v,
        v * number,
        number + v,
        number - v,
        v - number,
        number / v,
        number**v,
        v**number,
        number % v,
    ]
    expected = [6.0, 6.0, 5.0, 1.0, -1.0, 1.5, 9.0, 8.0, 1.0]

    assert [type(r) for r in results] == [tg.Value] * 9
    assert [r.data for r in results] == expected
    assert all(type(r.data) is float for r in results)
    (number / v + v**number).backward()
    assert v.grad == -3 / 4 + 12


@pytest.mark.parametrize("array", [np.array([1.0, 2.0]), np.array([1, 2]), np.array([True, True])])
def test_arrays_on_the_left_are_not_spread_over_elements(array: Any) -> None:
    v, s = tg.Value([3.0, 4.0]), tg.Value(5.0)
    for result in (
        array * v,
        array + v,
        array - v,
        array / v,
        array // v,
        array**v,
        array * s,
        array - s,
    ):
        assert type(result) is tg.Value
        assert result.shape == (2,)
    total = array @ v + (array * s).sum()
    total.backward()

    np.testing.assert_array_equal(v.grad, array.astype(float))
    assert s.grad == array.sum()


def test_numpys_augmented_assignment_to_a_plain_array_is_refused() -> None:
    target = np.zeros(2)
    with pytest.raises(TypeError, match=r"np\.add on a Value takes no out=: call it without"):
        target += tg.Value([1.0, 2.0])

    np.testing.assert_array_equal(target, [0, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: np.exp(v, out=v), r"np\.exp cannot write into a Value: use v = np\.exp\(\.\.\.\) instead of out="),
        (lambda v: np.add(1.0, 2.0, out=v), r"np\.add cannot write into a Value"),
        (lambda v: np.exp(v, out=np.zeros(2)), r"np\.exp on a Value takes no out=: call it without"),
        (lambda v: np.exp(v, where=np.array([True, False])), r"np\.exp on a Value takes no where="),
        (lambda v: np.multiply(v, v, dtype=np.float32), r"np\.multiply on a Value takes no dtype="),
        (lambda v: np.sum(v, out=np.zeros(())), r"np\.sum on a Value: .*out"),
        (lambda v: np.sum(v, where=[True, False]), r"np\.sum on a Value: .*where"),
        (lambda v: np.cumsum(v, out=v), r"np\.cumsum on a Value: .*out"),
        (lambda v: np.add.at(v, [0], 1.0), r"np\.add\.at has no derivative here"),
        (lambda v: np.add.reduceat(v, [0, 1]), r"np\.add\.reduceat has no derivative here"),
        (lambda v: np.subtract.reduce(v), r"np\.subtract\.reduce has no derivative here; the nearest op is tg\.subtract"),
        (lambda v: np.add.outer(v, v), r"np\.add\.outer has no derivative here"),
        (lambda v: np.copyto(v, 1.0), r"np\.copyto has no derivative here"),
        (lambda v: np.fft.fft(v), r"np\.fft has no derivative here"),
        (lambda v: np.linalg.inv(v), r"np\.inv has no derivative here"),
        (lambda v: np.heaviside(v, 0.5), r"np\.heaviside has no derivative here"),
        (lambda v: np.median(v), r"np\.median has no derivative here"),
        (lambda v: np.logaddexp(v, v), r"np\.logaddexp has no derivative here; the nearest op is tg\."),
    ],
)  # fmt: skip
def test_what_is_not_supported_raises_and_says_what_to_do(
    call: Callable[[Any], Any], message: str
) -> None:
    v = tg.Value([1.0, 2.0])
    with pytest.raises(TypeError, match=message):
        call(v)

    np.testing.assert_array_equal(v.data, [1, 2])


@pytest.mark.parametrize(
    "make",
    [
        lambda v: np.array([v, 1.0]),
        lambda v: np.asarray([[v]]),
        lambda v: np.full(2, v),
        lambda v: np.add(np.zeros(2), [v, v]),
    ],
)
def test_nothing_falls_back_to_object_arrays(make: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"silently lose its gradient|holds Values"):
        make(tg.Value(2.0))


def test_functions_of_several_values() -> None:
    a, b = tg.Value([1.0, 2.0]), tg.Value([3.0, 4.0])
    out = (
        np.concatenate([a, np.ones(1), b]).sum()
        + np.stack([a, b]).mean()
        + np.dot(a, b)
        + np.where(a > 1, a, b).sum()
    )
    out.backward()

    np.testing.assert_allclose(a.grad, [1 + 0.25 + 3, 1 + 0.25 + 4 + 1])
    np.testing.assert_allclose(b.grad, [1 + 0.25 + 1 + 1, 1 + 0.25 + 2])


def test_a_model_in_plain_numpy_runs_on_values() -> None:
    """Code that was written for arrays gives gradients when it is handed Values."""

    def loss(w: Any, b: Any, x: Any, y: Any) -> Any:
        hidden = np.tanh(x @ w + b)
        error = np.mean(np.square(hidden - y), axis=0)
        return np.sum(error) + 0.1 * np.sum(w * w)

    rng = np.random.default_rng(1)
    w, b, x, y = (
        rng.normal(size=(3, 2)),
        rng.normal(size=2),
        rng.normal(size=(5, 3)),
        rng.normal(size=(5, 2)),
    )
    value, (dw, db) = tg.value_and_grad(loss, (0, 1))(w, b, x, y)

    assert value == pytest.approx(float(loss(w, b, x, y)), rel=1e-14)
    for place in np.ndindex(3, 2):
        step = np.zeros((3, 2))
        step[place] = 1e-6
        slope = (loss(w + step, b, x, y) - loss(w - step, b, x, y)) / 2e-6
        assert dw[place] == pytest.approx(slope, rel=1e-6)
    assert db.shape == (2,)


def test_numpy_under_no_grad_gives_leaves() -> None:
    v = tg.Value([1.0, 2.0])
    with tg.no_grad():
        results = [np.exp(v), np.sum(v), np.ones(2) * v, np.float64(2) * v, np.add.reduce(v)]

    assert all(isinstance(r, tg.Value) and r.is_leaf for r in results)
