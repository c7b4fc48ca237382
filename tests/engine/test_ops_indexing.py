"""Indexing in all of NumPy's forms, functional writes, and the ops that move elements about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numeric_derivatives import check_gradients
from numpy.typing import NDArray

import tinygrad_lecture as tg

X = np.arange(24.0).reshape(2, 3, 4) * 0.25 - 1.0

newaxis = None

INDICES: list[Any] = [
    # integers, slices, ellipsis, newaxis
    0, -1, np.int64(1), (1, 2), (1, -1, 3), (0, 0, 0), (), ..., None, slice(None), slice(0, 0), slice(5, 9),
    slice(None, None, -1), slice(None, None, 2), slice(-1, None), slice(10, -10, -2), (slice(None), 1),
    (slice(None), slice(2, 0, -1)), (..., 0), (0, ...), (..., slice(None, None, -2)), (0, ..., 0), (1, ..., slice(1, 2)),
    (None, 1), (1, None), (..., None), (None, ..., None), (slice(None), None, 0), (None, None, slice(1), None, -1),
    (0, 1, 2, None), (0, 1, 2, ...), (slice(1, 1), 0),
    # integer arrays, with duplicates and negative entries
    [0], [0, 1, 0], [-1, 0, -1], [[0, 1], [1, 1]], np.array(1), np.array([1, 1], np.uint8), [], ([0, 1], [2, 2]),
    ([0, 0, 0], [1, 1, 1], [2, 2, 2]), ([[0], [1]], [[0, 2, 2]]), ([0, 1], 2), (1, [0, 0]), (np.array([0, 1]), np.array([[2], [0]])),
    # advanced beside basic: together, and apart (the axes then go to the front)
    ([1, 0], slice(None)), (slice(None), [2, 0, 2]), (slice(None), [2, 0], [3, 3]), ([0, 1], slice(None), [3, 0]),
    (0, slice(None), [1, 1]), ([0, 1], ..., 0), (..., [0, 0, 3]), (slice(None), slice(1, 3), [0, 3]), ([0], slice(None, None, -1), [[1], [2]]),
    (None, [0, 1]), ([0, 1], None), ([0, 1], None, [1, 1]), (slice(None), None, [0, 0], slice(None, None, 2)),
    (0, [1, 2], slice(None)), (slice(None), [0, 0], None, 1),
    # masks
    X > 0, X > 99, X < 99, np.array([True, False]), np.array([False, False]), (slice(None), np.array([True, False, True])),
    (0, np.array([True, True, False])), (X[:, :, 0] > 0, 1), (slice(None), X[0] > 0), (np.array([True, False]), slice(None), [0, 0]),
    (np.array([True, True]), [0, 2]), (..., np.array([True, False, True, True])), [True, False], True, False, np.bool_(True),
    (True, 0), (np.array([True, False]), None, 0), ((X > 0).tolist()),
]  # fmt: skip

indices = pytest.mark.parametrize("index", INDICES, ids=lambda i: str(i).replace("\n", "")[:60])


def as_array(x: Any) -> NDArray[Any]:
    return np.asarray(x._data if isinstance(x, tg.Value) else x)


# ----------------------------------------------------------------------------------- getitem


@indices
def test_getitem_is_numpys(index: Any) -> None:
    expected = X[index]
    for out in (tg.getitem(X, index), tg.Value(X)[index], tg.getitem(X.tolist(), index)):
        assert as_array(out).shape == np.shape(expected)
        np.testing.assert_array_equal(as_array(out), expected)
    assert type(tg.getitem(X, index)) is (float if np.ndim(expected) == 0 else np.ndarray)


@indices
def test_getitem_gradients(index: Any) -> None:
    weights = np.cos(np.arange(1.0, np.size(X[index]) + 1)).reshape(np.shape(X[index]))
    expected = np.zeros(X.shape)
    np.add.at(expected, index, weights)

    g = tg.grad(lambda x: tg.sum(x[index] * weights))(X)
    np.testing.assert_allclose(g, expected, rtol=1e-15)
    _, t = tg.jvp(lambda x: x[index], (X,), (expected,))
    np.testing.assert_array_equal(t, expected[index])
    h = tg.hvp(lambda x: tg.sum(x[index] ** 3 * weights), X, np.ones(X.shape))
    np.testing.assert_allclose(h, expected * 6 * X, rtol=1e-14)


@indices
def test_getitem_keeps_float32(index: Any) -> None:
    v = tg.Value(X.astype(np.float32))
    out = v[index]
    tg.sum(out).backward()
    assert out.dtype == (np.float32 if out.ndim else np.float64)
    assert v.grad.dtype == np.float32
    assert v.grad.shape == X.shape


@given(data=st.data(), shape=strategies.some_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
def test_any_basic_index(data: st.DataObject, shape: tuple[int, ...]) -> None:
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=6))
    check_index(np.arange(float(np.prod(shape))).reshape(shape), index)


@given(data=st.data(), shape=strategies.some_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
def test_any_index_by_integer_arrays_mixed_with_the_rest(
    data: st.DataObject, shape: tuple[int, ...]
) -> None:
    result = hnp.array_shapes(min_dims=0, max_dims=2, max_side=3)
    arrays = data.draw(hnp.integer_array_indices(shape, result_shape=result))
    parts: list[Any] = [
        part
        if data.draw(st.booleans())
        else data.draw(st.sampled_from([0, -1, slice(None, None, -1)]))
        for part in arrays
    ]
    if data.draw(st.booleans()):
        parts.insert(data.draw(st.integers(0, len(parts))), None)
    check_index(np.arange(float(np.prod(shape))).reshape(shape), tuple(parts))


@given(data=st.data(), shape=strategies.some_shapes(min_dims=1, max_dims=3))
def test_any_mask(data: st.DataObject, shape: tuple[int, ...]) -> None:
    size = data.draw(st.integers(1, len(shape)))
    mask = data.draw(hnp.arrays(bool, shape[:size]))
    check_index(np.arange(float(np.prod(shape))).reshape(shape), mask)


def check_index(x: NDArray[Any], index: Any) -> None:
    """Hold value, both modes, and the two functional writes of one index against NumPy."""
    expected = x[index]
    out, pullback = tg.vjp(lambda v: v[index], x)
    assert np.shape(out) == np.shape(expected)
    np.testing.assert_array_equal(out, expected)
    cotangent = np.asarray(np.arange(1.0, expected.size + 1)).reshape(expected.shape)
    scattered = np.zeros(x.shape)
    np.add.at(scattered, index, cotangent)
    np.testing.assert_array_equal(pullback(cotangent)[0], scattered)
    np.testing.assert_array_equal(tg.at_add(x, index, cotangent), x + scattered)
    written = x.copy()
    written[index] = cotangent
    np.testing.assert_array_equal(tg.at_set(tg.Value(x), index, cotangent).data, written)


def test_an_index_array_is_copied() -> None:
    places = np.array([0, 1])
    v = tg.Value([1.0, 2.0, 3.0])
    out = v[places].sum()
    places[:] = 2
    out.backward()
    np.testing.assert_array_equal(v.grad, [1.0, 1.0, 0.0])


def test_iteration_and_unpacking_are_indexing() -> None:
    v = tg.Value([[1.0, 2.0], [3.0, 4.0]])
    first, second = v
    (first * 2 + second).sum().backward()
    np.testing.assert_array_equal(v.grad, [[2.0, 2.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    "index",
    [(), ..., None, (None, ...), (..., None), (None, None), True, False, np.array(True), (True, None), np.False_],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("tracked", [True, False])
def test_a_scalar_is_indexed_as_an_array_without_axes(index: Any, tracked: bool) -> None:
    expected = np.asarray(2.5)[index]
    out = tg.getitem(tg.Value(2.5) if tracked else 2.5, index)
    assert as_array(out).shape == np.shape(expected)
    np.testing.assert_array_equal(as_array(out), expected)
    assert tg.grad(lambda x: tg.sum(x[index]))(2.5) == np.size(expected)


@pytest.mark.parametrize("index", [0, -1, [0], slice(None), (0, 0), np.array([0]), [True, False]])
def test_a_scalar_has_no_elements(index: Any) -> None:
    with pytest.raises(TypeError, match="a scalar cannot be indexed with"):
        tg.Value(1.0)[index]


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (2, IndexError, "index 2 is out of bounds for axis 0 with size 2"),
        ((0, 0, 0, 0), IndexError, "too many indices"),
        ([0.0], TypeError, "an index array has to hold integers or booleans, not float64"),
        (np.array([1.5]), TypeError, "an index array has to hold integers or booleans, not float64"),
        (["a"], TypeError, "an index array has to hold integers or booleans"),
        (tg.Value([0.0]), TypeError, r"and a Value came: use v\.data\.astype\(int\)"),
        ((0, tg.Value(1.0)), TypeError, r"an index has to be integers or booleans, and a Value came"),
        (1.0, IndexError, "only integers, slices"),
        (np.array([True, False, True]), IndexError, "boolean index did not match"),
        (([0, 1], [0, 1, 2]), IndexError, "shape mismatch"),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize(
    "use", [tg.getitem, lambda x, i: tg.at_set(x, i, 0.0), lambda x, i: tg.at_add(x, i, 0.0)]
)
def test_indices_that_do_not_fit_are_refused(
    use: Callable[..., Any], index: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        use(tg.Value(X), index)


# -------------------------------------------------------------------- at_set and at_add

WRITES: list[tuple[Any, Any]] = [
    (0, 9.0), (-1, np.arange(12.0).reshape(3, 4)), (..., 2.0), ((), np.arange(4.0)), ((slice(None), 1), np.ones((2, 4))),
    ((slice(None), slice(None, None, -2)), np.arange(4.0)), ((0, 1, 2), 7.0), ((1, ..., None), np.ones((3, 1, 1))),
    ([0, 1], np.ones((2, 1, 1))), (([0, 1], [2, 0]), np.arange(8.0).reshape(2, 4)), ((slice(None), [2, 0]), np.arange(4.0)),
    (([0, 1], slice(None), [3, 0]), np.arange(6.0).reshape(2, 3)), (X > 0, 5.0), (X > 0, np.arange(float((X > 0).sum()))),
    ((slice(None), np.array([True, False, True])), np.ones((1, 2, 1))), ([], 1.0), (X > 99, np.ones(0)), (slice(0, 0), 3.0),
    (0, [[1, 2, 3, 4]]),
]  # fmt: skip
DUPLICATES: list[tuple[Any, Any]] = [
    ([0, 0], np.arange(24.0).reshape(2, 3, 4)), (([0, 0, 1], [1, 1, 1]), np.arange(12.0).reshape(3, 4)),
    ((slice(None), [2, 2, 0]), np.arange(24.0).reshape(2, 3, 4)), (([1, 1, 1], [0, 0, 0], [2, 2, 2]), np.array([1.0, 2.0, 3.0])),
    ((slice(None), [-1, 2]), np.arange(16.0).reshape(2, 2, 4)), ([[0, 1], [0, 1]], np.arange(12.0).reshape(3, 4)), (([0, 0], [1, 1]), np.arange(8.0).reshape(2, 4)), ([0, 0], 4.0),
]  # fmt: skip

writes = pytest.mark.parametrize(
    ("index", "value"), WRITES + DUPLICATES, ids=lambda i: str(i).replace("\n", "")[:40]
)


@writes
def test_at_set_is_assignment(index: Any, value: Any) -> None:
    expected = X.copy()
    expected[index] = value
    before = X.copy()
    for x, v in (
        (X, value),
        (tg.Value(X), value),
        (X, as_value(value)),
        (tg.Value(X), as_value(value)),
    ):
        np.testing.assert_array_equal(as_array(tg.at_set(x, index, v)), expected)
    np.testing.assert_array_equal(X, before)


@writes
def test_at_add_is_unbuffered_addition(index: Any, value: Any) -> None:
    expected = X.copy()
    np.add.at(expected, index, value)
    for x, v in (
        (X, value),
        (tg.Value(X), value),
        (X, as_value(value)),
        (tg.Value(X), as_value(value)),
    ):
        np.testing.assert_allclose(as_array(tg.at_add(x, index, v)), expected, rtol=1e-15)


@writes
@pytest.mark.parametrize("write", [tg.at_set, tg.at_add])
def test_gradients_of_writes(write: Callable[..., Any], index: Any, value: Any) -> None:
    value = value if isinstance(value, float) else np.asarray(value, float)
    check_gradients(lambda x, v: write(x, index, v), X, value)
    check_gradients(lambda x: write(x, index, value), X)
    check_gradients(lambda v: write(X, index, v), value)
    tangents = np.sin(X), (np.cos(value) if isinstance(value, np.ndarray) else 0.5)
    _, pushed = tg.jvp(lambda x, v: write(x, index, v) ** 2, (X, value), tangents)
    _, pullback = tg.vjp(lambda x, v: write(x, index, v) ** 2, X, value)
    pulled = pullback(np.ones(X.shape))
    rise = sum(float(np.sum(g * t)) for g, t in zip(pulled, tangents, strict=True))
    assert float(np.sum(pushed)) == pytest.approx(rise, rel=1e-12)


def as_value(x: Any) -> tg.Value:
    return tg.Value(x)


def test_of_several_writes_to_one_place_the_last_alone_has_a_derivative() -> None:
    v = np.array([1.0, 2.0, 3.0])
    g = tg.grad(lambda v: tg.sum(tg.at_set(np.zeros(2), [1, 1, 0], v) * np.array([10.0, 100.0])))(v)
    np.testing.assert_array_equal(g, [0.0, 100.0, 10.0])
    (infinite,) = tg.vjp(lambda v: tg.at_set(np.zeros(2), [1, 1, 0], v), v)[1](
        np.array([1.0, np.inf])
    )
    np.testing.assert_array_equal(infinite, [0.0, np.inf, 1.0])


def test_a_place_that_was_overwritten_has_no_derivative() -> None:
    assert tg.grad(lambda x: tg.sum(tg.at_set(x, 0, 5.0)))(np.ones(3)).tolist() == [0.0, 1.0, 1.0]
    np.testing.assert_array_equal(
        tg.vjp(lambda x: tg.at_set(x, 0, 5.0), np.ones(2))[1](np.array([np.inf, 1.0]))[0],
        [0.0, 1.0],
    )


def test_writes_keep_float32_and_widen_for_wider_arrays() -> None:
    x = tg.Value(np.ones(3, np.float32))
    assert tg.at_set(x, 0, 2.0).dtype == np.float32
    assert tg.at_add(x, [0, 0], tg.Value(2.0)).dtype == np.float32
    assert tg.at_add(x, 0, np.ones(())).dtype == np.float32
    assert tg.at_set(x, slice(2), np.ones(2)).dtype == np.float64
    np.testing.assert_array_equal(tg.at_set(np.zeros(2, int), 0, 0.5), [0.5, 0.0])


@pytest.mark.parametrize("write", [tg.at_set, tg.at_add])
def test_writes_refuse(write: Callable[..., Any]) -> None:
    with pytest.raises(
        ValueError, match=r"value of shape \(3,\) does not fit x\[index\] of shape \(3, 4\)"
    ):
        write(tg.Value(X), 0, np.ones(3))
    with pytest.raises(
        ValueError, match=r"value of shape \(1, 2\) does not fit x\[index\] of shape \(2,\)"
    ):
        write(tg.Value([1.0, 2.0]), slice(None), np.ones((1, 2)))
    with pytest.raises(
        TypeError, match=f"{write.__name__} writes into an array, and a scalar came"
    ):
        write(tg.Value(1.0), (), 2.0)


# --------------------------------------------------- taking, padding, repeating, joining


MOVES: dict[str, list[Callable[[Any], Any]]] = {
    "take": [
        lambda x: tg.take(x, [0, 23, 0, -1]), lambda x: tg.take(x, [[1, 1], [0, 1]], 0),
        lambda x: tg.take(x, 2, -1), lambda x: tg.take(x, [2, 2, 2], 1), lambda x: tg.take(x, [], 1),
    ],
    "take_along_axis": [
        lambda x: tg.take_along_axis(x, np.argsort(-X, -1)[..., :2], -1),
        lambda x: tg.take_along_axis(x, np.zeros((2, 1, 4), int), 1),
        lambda x: tg.take_along_axis(x, np.array([[[0, 0, -1, 3, 3]]]), 2),
        lambda x: tg.take_along_axis(x, np.array([3, 3, 0]), None),
    ],
    "pad": [
        lambda x: tg.pad(x, 1), lambda x: tg.pad(x, ((0, 0), (1, 2), (3, 0)), constant_values=2.0),
        lambda x: tg.pad(x, (0, 1), constant_values=-1.0),
    ],
    "roll": [
        lambda x: tg.roll(x, 5), lambda x: tg.roll(x, -1, 0), lambda x: tg.roll(x, (1, -2), (0, 2)),
        lambda x: tg.roll(x, 3, (1, 2)),
    ],
    "repeat": [
        lambda x: tg.repeat(x, 2), lambda x: tg.repeat(x, 3, -2), lambda x: tg.repeat(x, [2, 0, 1], 1),
        lambda x: tg.repeat(x, 0, 0),
    ],
    "tile": [
        lambda x: tg.tile(x, 2), lambda x: tg.tile(x, (2, 1, 1)), lambda x: tg.tile(x, (2, 1, 2, 1)),
        lambda x: tg.tile(x, (1, 0, 1)),
    ],
    "flip": [lambda x: tg.flip(x), lambda x: tg.flip(x, -1), lambda x: tg.flip(x, (0, 1))],
    "split": [
        lambda x: tg.split(x, 2, -1)[1], lambda x: tg.split(x, [1], 1)[1], lambda x: tg.split(x, [1, 3], 2)[1],
        lambda x: tg.concatenate(tg.split(x, 3, 1)[::-1], 1),
    ],
    "stack": [
        lambda x: tg.stack([x, x * 2, x]), lambda x: tg.stack([x, x], -1), lambda x: tg.stack(list(x), 1),
    ],
    "concatenate": [
        lambda x: tg.concatenate([x, x]), lambda x: tg.concatenate([x, X[:, :1], 2 * x], 1),
        lambda x: tg.concatenate([x, X], axis=None), lambda x: tg.concatenate([x[:0], x]),
    ],
    "diagonal": [
        lambda x: tg.diagonal(x), lambda x: tg.diagonal(x, 1, 1, 2), lambda x: tg.diagonal(x, -1, 2, 0),
        lambda x: tg.trace(x, 1, 1, -1),
    ],
    "shape": [
        lambda x: x.reshape(4, 6), lambda x: tg.ravel(x), lambda x: tg.transpose(x, (1, 2, 0)), lambda x: x.T,
        lambda x: tg.swapaxes(x, 0, -1), lambda x: tg.moveaxis(x, 0, -1), lambda x: tg.expand_dims(x, (1, -1)),
        lambda x: tg.squeeze(x[:1], 0), lambda x: tg.broadcast_to(x[:, :1], (5, 2, 3, 4)),
    ],
    "sort": [lambda x: tg.sort(tg.sin(3 * x)), lambda x: tg.sort(tg.sin(3 * x), 0), lambda x: tg.sort(-x, None)],
}  # fmt: skip


@pytest.mark.parametrize(
    "move", [pytest.param(f, id=f"{n}-{i}") for n, fs in MOVES.items() for i, f in enumerate(fs)]
)
def test_gradients_of_moves(move: Callable[[Any], Any]) -> None:
    check_gradients(move, X)
    np.testing.assert_array_equal(as_array(move(tg.Value(X))), move(X))
    f32 = tg.Value(X.astype(np.float32))
    tg.sum(move(f32)).backward()
    assert f32.grad.dtype == np.float32


def test_split_sections_are_independent_records() -> None:
    v = tg.Value(np.arange(4.0))
    first, second = tg.split(v, 2)
    (first * 3).sum().backward()
    np.testing.assert_array_equal(v.grad, [3.0, 3.0, 0.0, 0.0])
    (second * second).sum().backward()
    np.testing.assert_array_equal(v.grad, [3.0, 3.0, 4.0, 6.0])


def test_stack_of_scalars_passes_each_its_own_adjoint() -> None:
    a, b = tg.Value(1.0), tg.Value(2.0)
    (tg.stack([a, b, a]) * np.array([1.0, 10.0, 100.0])).sum().backward()
    assert (a.grad, b.grad) == (101.0, 10.0)


def test_padding_with_infinity_reaches_no_derivative() -> None:
    """As max pooling pads."""
    v = tg.Value([1.0, 2.0])
    tg.max(tg.pad(v, 1, constant_values=-np.inf)).backward()
    np.testing.assert_array_equal(v.grad, [0.0, 1.0])


def test_a_long_chain_of_writes_builds_an_array() -> None:
    x = tg.Value(2.0)
    out: Any = np.zeros(50)
    for i in range(50):
        out = tg.at_set(out, i, x * i)
    tg.sum(out).backward()
    assert x.grad == 1225.0
