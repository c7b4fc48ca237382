"""Changing data after recording: rebinding is harmless, writing is refused while it would harm."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg

# ------------------------------------------------------------------------------- rebinding


@pytest.mark.parametrize("data", [3.0, [3.0, -1.0]], ids=["scalar", "array"])
@pytest.mark.parametrize(
    "f",
    [
        lambda p: p * p, lambda p: p**3, lambda p: 2.0 / p, lambda p: tg.sin(p) * p, lambda p: tg.tanh(p),
        lambda p: (p * p).sum() * p, lambda p: p.relu() + tg.exp(p), lambda p: tg.maximum(p, 0.5 * p),
    ],
)  # fmt: skip
def test_rebinding_changes_no_recorded_gradient(f: Callable[[Any], Any], data: Any) -> None:
    p, untouched = tg.Value(data), tg.Value(data)
    out, expected = f(p), f(untouched)
    p.data = np.full(np.shape(data), 77.0)
    out.sum().backward()
    expected.sum().backward()

    np.testing.assert_array_equal(p.grad, untouched.grad)
    np.testing.assert_array_equal(out.data, expected.data)
    np.testing.assert_array_equal(p.data, np.full(np.shape(data), 77.0))


def test_what_is_recorded_after_rebinding_sees_the_new_data() -> None:
    p = tg.Value(2.0)
    before = p * p
    p.data = 5.0
    after = p * p
    (before + after).backward()

    assert (before.data, after.data) == (4.0, 25.0)
    assert p.grad == 14.0


@pytest.mark.parametrize("data", [2.0, [2.0, 3.0]], ids=["scalar", "array"])
def test_a_second_derivative_through_a_rebound_leaf_raises(data: Any) -> None:
    x = tg.Value(data, name="x")
    _, pullback = tg.vjp(lambda y: (y * y * x).sum(), tg.Value(data))
    x.data = np.full(np.shape(data), 5.0)

    with pytest.raises(RuntimeError, match=r"second derivative goes through leaf x, whose data were rebound "
                                           r"after multiply had used them: record again"):  # fmt: skip
        pullback(1.0)


def test_a_leaf_without_name_is_named_by_its_number() -> None:
    x = tg.Value(2.0)
    _, pullback = tg.vjp(lambda y: y * x, tg.Value(1.0))
    x.data = 5.0

    with pytest.raises(RuntimeError, match=r"through leaf \d+, whose data were rebound"):
        pullback(1.0)


def test_a_second_derivative_after_recording_again_is_right() -> None:
    x = tg.Value(2.0)
    x.data = 3.0
    _, pullback = tg.vjp(lambda y: y * y * x, tg.Value(4.0))
    (slope,) = pullback(1.0)
    slope.backward()

    assert slope.data == 24.0
    assert x.grad == 8.0


def test_augmented_assignment_to_data_rebinds() -> None:
    p, q = tg.Value([1.0, 2.0]), tg.Value(3.0)
    out = (p * p).sum() + q * q
    p.data -= 0.5 * np.ones(2)
    q.data -= 1.0
    out.backward()

    np.testing.assert_array_equal(p.data, [0.5, 1.5])
    assert q.data == 2.0
    np.testing.assert_array_equal(p.grad, [2, 4])
    assert q.grad == 6.0


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("p.data += 2", [3.0, 5.0]), ("p.data -= 2", [-1.0, 1.0]), ("p.data *= 2", [2.0, 6.0]),
        ("p.data /= 2", [0.5, 1.5]), ("p.data //= 2", [0.0, 1.0]), ("p.data %= 2", [1.0, 1.0]),
        ("p.data **= 2", [1.0, 9.0]), ("p.data += p.data", [2.0, 6.0]),
    ],
)  # fmt: skip
def test_each_augmented_assignment_leaves_the_record_alone(
    statement: str, expected: list[float]
) -> None:
    p = tg.Value([1.0, 3.0])
    out = (p * p).sum()
    exec(statement, {"p": p})
    out.backward()

    np.testing.assert_array_equal(p.data, expected)
    np.testing.assert_array_equal(p.grad, [2, 6])
    assert p.is_leaf


def test_augmented_assignment_keeps_float32() -> None:
    p = tg.Value(np.ones(2, np.float32))
    p.data -= np.array([0.5, 0.25])

    assert p.dtype == np.float32
    np.testing.assert_array_equal(p.data, [0.5, 0.75])


def test_augmented_assignment_that_broadcasts_up_is_refused() -> None:
    p = tg.Value([1.0, 2.0])

    with pytest.raises(ValueError, match="non-broadcastable output"):
        p.data -= np.ones((3, 2))
    np.testing.assert_array_equal(p.data, [1, 2])


# --------------------------------------------------------------------------------- writing


def masked(p: tg.Value) -> None:
    p.data[p.data > 0] = 9.0


def through_slice(p: tg.Value) -> None:
    p.data[1:] += 1.0


WRITES: dict[str, Callable[[tg.Value], Any]] = {
    "an element": lambda p: p.data.__setitem__(0, 9.0),
    "a slice": lambda p: p.data.__setitem__(slice(1, None), 9.0),
    "everything": lambda p: p.data.__setitem__(..., 9.0),
    "a mask": masked,
    "a view": lambda p: p.data[1:].__setitem__(0, 9.0),
    "a view of a view": lambda p: p.data[::-1][1:].__setitem__(0, 9.0),
    "a reshaped view": lambda p: p.data.reshape(3, 1).T.__setitem__((0, 1), 9.0),
    "+= on a slice": through_slice,
    "fill": lambda p: p.data.fill(9.0),
    "fill of a view": lambda p: p.data[:2].fill(9.0),
    "sort": lambda p: p.data.sort(),
    "partition": lambda p: p.data.partition(1),
    "put": lambda p: p.data.put([0], 9.0),
    "np.put": lambda p: np.put(p.data, [0], 9.0),
    "np.copyto": lambda p: np.copyto(p.data, np.full(3, 9.0)),
    "np.copyto, where": lambda p: np.copyto(p.data, 9.0, where=[True, False, False]),
    "np.place": lambda p: np.place(p.data, np.array([True, False, True]), [9.0]),
    "np.putmask": lambda p: np.putmask(p.data, np.array([True, False, True]), 9.0),
    "np.put_along_axis": lambda p: np.put_along_axis(p.data, np.array([1]), 9.0, 0),
    "np.fill_diagonal": lambda p: np.fill_diagonal(p.data.reshape(3, 1), 9.0),
    "np.add out=": lambda p: np.add(p.data, 1.0, out=p.data),
    "np.exp out= a view": lambda p: np.exp(np.zeros(2), out=p.data[1:]),
    "np.divmod out=": lambda p: np.divmod(np.full(3, 8.0), 3.0, out=(p.data, np.zeros(3))),
    "np.sum out=": lambda p: np.sum(np.ones((2, 3)), axis=0, out=p.data),
    "np.clip out=": lambda p: np.clip(p.data, 5.0, 6.0, out=p.data),
    "cumsum out=": lambda p: np.full(3, 9.0).cumsum(out=p.data),
    "np.add.at": lambda p: np.add.at(p.data, [0, 0], 9.0),
    "np.negative.at": lambda p: np.negative.at(p.data, [1]),
}  # fmt: skip


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_is_refused_while_a_record_needs_the_array(
    write: Callable[[tg.Value], Any],
) -> None:
    p = tg.Value([3.0, 1.0, 2.0], name="p")
    out = (p * p).sum()

    with pytest.raises(ValueError, match=r"write into data of Value p: multiply \(record number \d+\) still needs "
                                         r"the array; rebind instead \(p\.data = new, or p\.data -= step\)"):  # fmt: skip
        write(p)
    np.testing.assert_array_equal(p.data, [3, 1, 2])
    out.backward()
    np.testing.assert_array_equal(p.grad, [6, 2, 4])


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_is_allowed_before_and_after(write: Callable[[tg.Value], Any]) -> None:
    p = tg.Value([3.0, 1.0, 2.0])
    write(p)
    assert not np.array_equal(p.data, [3, 1, 2])

    p.data = [3.0, 1.0, 2.0]
    out = (p * p).sum()
    out.backward()
    del out
    write(p)
    assert not np.array_equal(p.data, [3, 1, 2])
    p.zero_grad()
    (p * p).sum().backward()
    np.testing.assert_array_equal(p.grad, 2 * np.asarray(p.data))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_into_a_result_is_refused_always(write: Callable[[tg.Value], Any]) -> None:
    y = tg.Value([3.0, 1.0, 2.0]) + 0.0
    y.name = "y"

    with pytest.raises(ValueError, match=r"write into data of Value y: it is the result of add and belongs to the "
                                         r"record; copy it first: v\.data\.copy\(\)"):  # fmt: skip
        write(y)
    np.testing.assert_array_equal(y.data, [3, 1, 2])


def memory(p: tg.Value) -> None:
    view: Any = memoryview(p.data)
    view[0] = 9.0


SHUT: dict[str, Callable[[tg.Value], Any]] = {
    "flags": lambda p: setattr(p.data.flags, "writeable", True),
    "setflags": lambda p: p.data.setflags(write=True),
    "the array behind": lambda p: p.data.base.__setitem__(0, 9.0),
    "a plain view": lambda p: np.asarray(p.data).__setitem__(0, 9.0),
    "flags of a plain view": lambda p: setattr(np.asarray(p.data).flags, "writeable", True),
    "flat": lambda p: p.data.flat.__setitem__(0, 9.0),
    "byteswap": lambda p: p.data.byteswap(inplace=True),
    "shuffle": lambda p: np.random.default_rng(0).shuffle(p.data),
    "memoryview": memory,
}


@pytest.mark.parametrize("write", SHUT.values(), ids=SHUT.keys())
@pytest.mark.parametrize("needed", [True, False])
def test_no_route_around_the_question_is_open(
    write: Callable[[tg.Value], Any], needed: bool
) -> None:
    p = tg.Value([3.0, 1.0, 2.0])
    out = (p * p).sum() if needed else None

    with pytest.raises((ValueError, TypeError), match=r"read-only|WRITEABLE"):
        write(p)
    np.testing.assert_array_equal(p.data, [3, 1, 2])
    assert needed == (out is not None)


def test_the_message_names_the_last_record_that_needs_the_array() -> None:
    p = tg.Value([1.0, 2.0])
    a = tg.exp(p)
    b = tg.sin(p)
    with pytest.raises(ValueError, match="sin"):
        p.data[0] = 5.0
    del b
    with pytest.raises(ValueError, match="exp"):
        p.data[0] = 5.0
    del a
    p.data[0] = 5.0

    assert p.data[0] == 5.0


def test_an_op_that_needs_no_operand_does_not_forbid_a_write() -> None:
    p = tg.Value([1.0, 2.0])
    out = (p + 1.0).sum() + (p - p).sum() + tg.mean(p)
    p.data[0] = 50.0
    out.backward()

    np.testing.assert_array_equal(p.grad, [1.5, 1.5])


@pytest.mark.parametrize(
    "view",
    [
        lambda p: p.reshape(4), lambda p: p.T, lambda p: p[0], lambda p: p[:, ::-1], lambda p: p[None],
        lambda p: tg.broadcast_to(p, (3, 2, 2)), lambda p: tg.einsum("ij->ji", p), lambda p: tg.einsum("ii->i", p),
        lambda p: tg.swapaxes(p, 0, 1), lambda p: tg.squeeze(p[None]), lambda p: tg.flip(p), lambda p: tg.ravel(p),
        lambda p: tg.split(p, 2)[0],
    ],
)  # fmt: skip
def test_a_view_that_a_record_needs_forbids_a_write_into_the_leaf(
    view: Callable[[Any], Any],
) -> None:
    p = tg.Value([[1.0, 2.0], [3.0, 4.0]])
    q = view(p)
    before = q.data.copy()
    out = (q * q).sum()

    with pytest.raises(ValueError, match="still needs the array"):
        p.data[...] = 77.0
    np.testing.assert_array_equal(q.data, before)
    out.backward()
    np.testing.assert_array_equal(q.grad, 2 * before)


@pytest.mark.parametrize(
    "view",
    [lambda p: p.reshape(4), lambda p: p.T, lambda p: p[0], lambda p: tg.einsum("ij->ji", p)],
)
def test_results_under_no_grad_share_no_memory_with_a_leaf(view: Callable[[Any], Any]) -> None:
    p = tg.Value([[1.0, 2.0], [3.0, 4.0]])
    with tg.no_grad():
        q = view(p)
    out = (p * p).sum()
    q.data[...] = 9.0
    out.backward()

    np.testing.assert_array_equal(p.data, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(p.grad, [[2, 4], [6, 8]])


def test_an_own_op_that_gives_its_operand_back_does_not_open_a_way() -> None:
    same = tg.op("given_back", lambda x: x, "1.0")
    try:
        p = tg.Value([1.0, 2.0])
        q = same(p)
        out = (q * q).sum()
        with pytest.raises(ValueError, match=r"given_back .* still needs the array"):
            p.data[0] = 9.0
        with tg.no_grad():
            copied = same(p)
        copied.data[0] = 9.0
        out.backward()
    finally:
        tg.remove_op("given_back")

    np.testing.assert_array_equal(p.grad, [2, 4])


def test_data_that_were_read_before_a_rebinding_cannot_be_written() -> None:
    p = tg.Value([1.0, 2.0], name="p")
    old = p.data
    out = (p * p).sum()
    p.data = [5.0, 5.0]

    with pytest.raises(
        ValueError,
        match=r"write into earlier data of Value p, which was rebound since: read \.data",
    ):
        old[0] = 77.0
    out.backward()
    np.testing.assert_array_equal(p.grad, [2, 4])
    p.data[0] = 6.0
    np.testing.assert_array_equal(p.data, [6, 5])


def test_data_of_a_value_that_is_gone_cannot_be_written() -> None:
    data = tg.Value([1.0, 2.0]).data

    with pytest.raises(ValueError, match="of a Value that is gone: copy the array first"):
        data[0] = 5.0


def test_a_write_that_fails_leaves_the_array_guarded() -> None:
    p = tg.Value([1.0, 2.0])
    with pytest.raises(IndexError):
        p.data[5] = 1.0
    out = (p * p).sum()

    with pytest.raises(ValueError, match="still needs the array"):
        p.data[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(p.data)[0] = 1.0
    assert out.data == 5.0


def test_writing_into_no_elements_is_allowed() -> None:
    p = tg.Value(np.zeros((0, 2)))
    p.data[...] = 1.0
    p.data.fill(1.0)

    assert p.shape == (0, 2)


# ------------------------------------------------------------------------- copies of .data


@pytest.mark.parametrize(
    "copied",
    [
        lambda d: d.copy(), lambda d: d[[0, 1]], lambda d: d[d > 0], lambda d: d.astype(np.float32), np.array,
        lambda d: d + 0, lambda d: -d, lambda d: np.concatenate([d]), copy.copy, copy.deepcopy, np.copy,
        lambda d: pickle.loads(pickle.dumps(d)), np.empty_like, np.sort, lambda d: np.where(d > 0, d, 0),
    ],
)  # fmt: skip
def test_copies_are_free_to_be_written(copied: Callable[[Any], Any]) -> None:
    p = tg.Value([1.0, 2.0])
    y = p * p
    for v in (p, y):
        c = copied(v.data)
        c[0] = 77.0
        c.fill(5.0)
        c.sort()
        c += 1.0

        assert v.data[0] == 1.0
        np.testing.assert_array_equal(c, np.full(c.shape, 6.0))


def test_data_compute_like_numpys_arrays() -> None:
    d = tg.Value([[1.0, 2.0], [3.0, 4.0]]).data

    assert type(d + 1) is np.ndarray
    assert type(np.exp(d)) is np.ndarray
    assert type(1 - d) is np.ndarray
    assert type(d.sum()) is np.float64
    assert type(np.add.reduce(d)) is np.ndarray
    np.testing.assert_array_equal(np.add(d, 1, out=np.zeros((2, 2))), d + 1)
    np.testing.assert_array_equal(d @ d, [[7, 10], [15, 22]])
    np.testing.assert_allclose(np.linalg.inv(d) @ d, np.eye(2), atol=1e-12)
    np.testing.assert_array_equal(np.vstack([d, d]).shape, (4, 2))
    assert repr(d) == repr(np.array(d))
    assert str(d) == str(np.array(d))


def test_writing_functions_with_a_plain_first_argument_are_numpys() -> None:
    target, p = np.zeros(2), tg.Value([1.0, 2.0])
    out = p * p
    np.copyto(target, p.data)
    np.put(target, [0], p.data[1:])

    np.testing.assert_array_equal(target, [2, 2])
    assert out.shape == (2,)


# ------------------------------------------------------------------------------- constants


def test_a_constant_array_may_be_changed_afterwards() -> None:
    x, c = tg.Value([1.0, 2.0]), np.array([3.0, 4.0])
    out = (
        (x * c).sum()
        + (x + c).sum()
        + (c @ x)
        + tg.where(c > 3, x * c, x).sum()
        + tg.maximum(x, c).sum()
    )
    expected = out.data
    c[:] = -100.0
    out.backward()
    tape = tg.Tape(out)

    np.testing.assert_array_equal(x.grad, [8, 13])
    assert tape.replay() == expected
    tape.verify()


@pytest.mark.parametrize(
    "constant",
    [
        lambda c: c, lambda c: c[::-1], lambda c: np.broadcast_to(c, (2, 3)), lambda c: c.view(np.matrix).A1,
        lambda c: c.astype(int).view(), lambda c: np.frombuffer(c), np.asarray, lambda c: list(c),
    ],
)  # fmt: skip
def test_changing_the_memory_behind_a_constant_changes_nothing(
    constant: Callable[[Any], Any],
) -> None:
    c = np.array([3.0, 4.0, 5.0])
    x, k = tg.Value([1.0, 2.0, 6.0]), constant(c)
    expected = np.broadcast_to(np.array(k, float), (2, 3)).sum(axis=0) / (
        2 if np.ndim(k) == 1 else 1
    )
    out = (x * k).sum()
    second = tg.vjp(lambda y: (y * k).sum(), tg.Value([1.0, 2.0, 6.0]))[1]
    c[:] = -100.0
    if isinstance(k, np.ndarray) and k.flags.writeable:
        k[...] = -100
    out.backward()

    np.testing.assert_array_equal(x.grad, expected)
    np.testing.assert_array_equal(second(1.0)[0].data, expected)


def test_data_of_a_leaf_as_a_constant_may_be_written_afterwards() -> None:
    x, p = tg.Value([1.0, 2.0]), tg.Value([3.0, 4.0])
    out = (x * p.data).sum()
    p.data[0] = 50.0
    out.backward()

    np.testing.assert_array_equal(x.grad, [3, 4])
    np.testing.assert_array_equal(p.data, [50, 4])


@pytest.mark.parametrize(
    ("op", "index"),
    [
        (lambda x, i: x[i], [0, 2, 0]), (lambda x, i: tg.take(x, i), [0, 2, 0]),
        (lambda x, i: tg.at_add(x, i, 1.0), [0, 2, 0]), (lambda x, i: tg.at_set(x, i, 1.0), [0, 2, 0]),
        (lambda x, i: tg.take_along_axis(x, i, 0), [0, 2, 0]), (lambda x, i: tg.repeat(x, i), [2, 1, 0]),
        (lambda x, i: x[i > 0], [0, 2, 0]), (lambda x, i: tg.where(i > 0, x, 0.0), [0, 2, 0]),
        (lambda x, i: tg.softmax_cross_entropy(x.reshape(1, 3), i[:1]), [2, 0, 0]),
    ],
)  # fmt: skip
def test_index_arrays_masks_and_labels_may_be_changed_afterwards(
    op: Callable[..., Any], index: list[int]
) -> None:
    changed, kept = np.array(index), np.array(index)
    x, y = tg.Value([1.0, 2.0, 3.0]), tg.Value([1.0, 2.0, 3.0])
    out, expected = op(x, changed), op(y, kept)
    changed[:] = 1
    (out * np.arange(1, out.size + 1.0)).sum().backward()
    (expected * np.arange(1, out.size + 1.0)).sum().backward()

    np.testing.assert_array_equal(x.grad, y.grad)
    tg.Tape(out).verify()
