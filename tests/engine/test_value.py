"""`Value`: what it takes, what it is, what it refuses, and how it prints."""

from __future__ import annotations

import ast
import copy
import math
import operator
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.engine import value as value_module


class Weight(tg.Value):
    __slots__ = ()


# ----------------------------------------------------------------------------- construction


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (2.5, 2.5), (3, 3.0), (True, 1.0), (np.float64(1.5), 1.5), (np.float32(0.5), 0.5),
        (np.int8(-3), -3.0), (np.bool_(False), 0.0), (np.array(4), 4.0), (np.array(0.5), 0.5),
        (math.inf, math.inf), (-0.0, -0.0), (np.float32(1) / 3, float(np.float32(1) / 3)),
    ],
)  # fmt: skip
def test_scalar_data_is_a_python_float(data: Any, expected: float) -> None:
    v = tg.Value(data)

    assert type(v.data) is float
    assert v.data == expected
    assert math.copysign(1, v.data) == math.copysign(1, expected)
    assert (v.shape, v.ndim, v.size, v.dtype) == ((), 0, 1, np.dtype(np.float64))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_arrays_keep_their_dtype_and_are_copied(dtype: type) -> None:
    source: Any = np.array([[1, 2, 3]], dtype)
    v = tg.Value(source)
    source[:] = 9

    assert v.dtype == dtype
    assert (v.shape, v.ndim, v.size) == ((1, 3), 2, 3)
    np.testing.assert_array_equal(v.data, [[1, 2, 3]])


@pytest.mark.parametrize(
    "data",
    [
        np.array([1, 2]), np.array([True, False]), [1, 2], ((1, 2), (3, 4)), np.array([7], np.uint8),
        np.array([1.0, 2.0], np.longdouble), np.array([1.0], ">f8"), np.array([1.0], ">f4"),
    ],
)  # fmt: skip
def test_other_real_arrays_become_native_float64(data: Any) -> None:
    v = tg.Value(data)

    assert v.dtype == np.float64
    assert v.dtype.isnative
    np.testing.assert_array_equal(v.data, np.asarray(data, float))


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_arrays_without_elements_are_values(shape: tuple[int, ...]) -> None:
    v = tg.Value(np.zeros(shape))

    assert (v.shape, v.size) == (shape, 0)


@pytest.mark.parametrize(
    ("data", "came"),
    [
        (1j, "complex"), (np.array([1j]), "an array of dtype complex128 and shape"),
        ("3", "'3' of type str"), (None, "NoneType"), ([None], "list"), ({}, "dict"),
        (np.array(["a"]), "an array of dtype <U1"), (10**400, "int"),
    ],
)  # fmt: skip
def test_data_that_are_not_real_numbers_are_refused(data: Any, came: str) -> None:
    with pytest.raises(TypeError, match=rf"data has to be real numbers, and {came}"):
        tg.Value(data)


def test_a_value_of_a_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"already a Value: use it as it is, or \.detach\(\)"):
        tg.Value(tg.Value(1.0))


@pytest.mark.parametrize("container", [list, tuple])
def test_a_value_of_values_is_refused_with_the_rewrite(container: type) -> None:
    with pytest.raises(TypeError, match=r"gradients would be lost: use tg\.stack"):
        tg.Value(container([tg.Value(1.0), 2.0]))


def test_data_of_another_value_are_copied() -> None:
    p = tg.Value([1.0, 2.0])
    q = tg.Value(p.data)
    q.data[0] = 9.0

    np.testing.assert_array_equal(p.data, [1, 2])


def test_there_is_no_dict_and_no_room_for_a_misspelt_attribute() -> None:
    for v in (tg.Value(1.0), Weight(1.0), tg.Value([1.0]) * 2):
        with pytest.raises(AttributeError):
            v.grda = 1.0  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            _ = v.__dict__


def test_stubs_for_the_type_checker_are_what_the_op_table_attaches() -> None:
    tree = ast.parse(Path(value_module.__file__).read_text("utf-8"))
    (body,) = (n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Value")
    own = {n.name for n in body if isinstance(n, ast.FunctionDef)}
    (stubs,) = (n.body for n in body if isinstance(n, ast.If))
    stated = {n.name for n in stubs if isinstance(n, ast.FunctionDef)} - {"__getattr__"}
    attached = {
        name
        for name in vars(tg.Value)
        if name.startswith("__") and callable(getattr(tg.Value, name)) and name not in own
    } - {"__hash__", "__array_ufunc__", "__array_function__"}

    assert stated - {"T"} == attached
    assert isinstance(vars(tg.Value)["T"], property)


# -------------------------------------------------------------------------------- data, grad


def test_data_of_a_leaf_rebinds() -> None:
    scalar, array = tg.Value(1.0), tg.Value(np.zeros(2, np.float32))
    scalar.data = 3
    array.data = np.array([1.0, 2.0], np.float32)

    assert type(scalar.data) is float
    assert scalar.data == 3.0
    np.testing.assert_array_equal(array.data, [1, 2])


def test_rebinding_copies() -> None:
    p, new = tg.Value([1.0, 2.0]), np.array([3.0, 4.0])
    p.data = new
    new[:] = 0

    np.testing.assert_array_equal(p.data, [3, 4])


def test_data_of_a_result_cannot_be_rebound() -> None:
    y = tg.Value(2.0, name="x") * 3.0
    y.name = "y"

    with pytest.raises(
        TypeError, match=r"data of Value y is the result of multiply: .*\.detach\(\)"
    ):
        y.data = 1.0


@pytest.mark.parametrize(("old", "new"), [(1.0, [1.0]), ([1.0], 1.0), ([1.0, 2.0], [1.0])])
def test_rebinding_to_another_shape_is_refused(old: Any, new: Any) -> None:
    p = tg.Value(old, name="p")

    with pytest.raises(ValueError, match=r"Value p has shape .* what came has shape"):
        p.data = new
    np.testing.assert_array_equal(p.data, old)


def test_rebinding_to_what_is_no_real_number_is_refused() -> None:
    p = tg.Value(1.0)

    with pytest.raises(TypeError, match=r"data has to be real numbers, and complex came"):
        p.data = 2j


def test_grad_is_none_before_any_backward_and_prints_as_not_computed() -> None:
    x = tg.Value(2.0)
    y = x * x

    assert x.grad is None
    assert y.grad is None
    assert repr(x) == "Value(2.0, grad=not computed)"


def test_grad_can_be_set_and_forgotten() -> None:
    p = tg.Value(np.zeros(3, np.float32))
    p.grad = [1, 2, 3]
    np.testing.assert_array_equal(p.grad, [1, 2, 3])
    p.grad = 0.5
    np.testing.assert_array_equal(p.grad, [0.5, 0.5, 0.5])
    p.zero_grad()
    assert p.grad is None


def test_the_grad_of_a_result_can_be_forgotten_too() -> None:
    x = tg.Value(2.0)
    y = x * x
    y.backward()
    y.zero_grad()

    grads = [y.grad, x.grad]
    y.backward()

    assert [*grads, y.grad, x.grad] == [None, 4.0, 1.0, 8.0]


def test_a_grad_that_was_set_is_added_to() -> None:
    p = tg.Value(2.0)
    p.grad = 10
    (p * p).backward()

    assert p.grad == 14.0


def test_a_grad_that_was_set_keeps_the_dtype_of_the_data() -> None:
    p = tg.Value(np.zeros(2, np.float32))
    p.grad = [1.0, 2.0]

    assert p.grad.dtype == np.float32


def test_grad_of_another_shape_is_refused() -> None:
    p = tg.Value([1.0, 2.0], name="p")

    with pytest.raises(ValueError, match=r"grad of Value p has to have shape \(2,\), not \(3,\)"):
        p.grad = np.zeros(3)
    with pytest.raises(ValueError, match=r"grad of a Value of shape \(\) has to have shape"):
        tg.Value(1.0).grad = [1.0]


def test_item_is_a_python_float() -> None:
    assert tg.Value(2.0).item() == 2.0
    for v in (tg.Value([3.0]), tg.Value(np.array([[3.0]], np.float32)), tg.Value([1.0, 2.0]).sum()):
        assert type(v.item()) is float
        assert v.item() == 3.0


def test_item_of_several_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"item\(\) needs one number, .* shape \(2,\)"):
        tg.Value([1.0, 2.0]).item()


# ---------------------------------------------------------------------------------- copies


@pytest.mark.parametrize("data", [2.0, [1.0, 2.0]])
def test_detach_gives_a_leaf_that_shares_nothing(data: Any) -> None:
    x = tg.Value(data, name="x")
    y = x * 2.0
    y.name = "y"
    d = y.detach()

    assert not y.is_leaf
    assert d.is_leaf
    assert d.name == "y"
    np.testing.assert_array_equal(d.data, y.data)
    (d * d).sum().backward()
    assert x.grad is None
    assert not np.shares_memory(d.data, y.data)


def test_copy_is_a_detached_leaf() -> None:
    x = tg.Value([1.0, 2.0])
    c = copy.copy(x * 2.0)

    assert c.is_leaf
    np.testing.assert_array_equal(c.data, [2, 4])


def test_deepcopy_of_a_leaf_keeps_class_name_and_grad_and_shares_nothing() -> None:
    for w in (Weight([1.0, 2.0], name="w"), Weight(3.0, name="w")):
        (w * w).sum().backward()
        twin = copy.deepcopy([w, w])[1]

        assert type(twin) is Weight
        assert twin.name == "w"
        np.testing.assert_array_equal(twin.data, w.data)
        np.testing.assert_array_equal(twin.grad, w.grad)
        twin.data = np.zeros(twin.shape)
        twin.zero_grad()
        assert np.all(np.not_equal(w.data, 0))
        assert w.grad is not None


def test_deepcopy_keeps_identity_within_one_copy() -> None:
    w = tg.Value(1.0)
    a, b = copy.deepcopy([w, w])

    assert a is b
    assert a is not w


def test_deepcopy_of_a_result_is_refused() -> None:
    with pytest.raises(TypeError, match=r"deepcopy of a Value of shape \(\): it is the result of "
                                        r"sin, .* use \.detach\(\)"):  # fmt: skip
        copy.deepcopy(tg.sin(tg.Value(1.0)))


def test_pickle_is_refused() -> None:
    with pytest.raises(TypeError, match=r"not pickled: save its \.data"):
        pickle.dumps(tg.Value(1.0))


# ---------------------------------------------------------------------------------- printing


@pytest.mark.parametrize(
    ("v", "text"),
    [
        (tg.Value(2.0), "Value(2.0, grad=not computed)"),
        (tg.Value(2, name="w"), "Value(2.0, grad=not computed, name='w')"),
        (tg.Value([1.0, 2.5]), "Value([1. , 2.5], grad=not computed)"),
        (tg.Value(np.array([1], np.float32)), "Value([1.], dtype=float32, grad=not computed)"),
        (tg.Value(np.zeros((0, 2))), "Value([], grad=not computed)"),
        (tg.Value([[1], [2]]), "Value([[1.],\n       [2.]], grad=not computed)"),
    ],
)  # fmt: skip
def test_repr_before_backward(v: tg.Value, text: str) -> None:
    assert repr(v) == text
    assert str(v) == text


def test_repr_after_backward() -> None:
    x, w = tg.Value(3.0), tg.Value(np.ones((2, 1), np.float32))
    (x * x).backward()
    w.sum().backward()

    assert repr(x) == "Value(3.0, grad=6.0)"
    assert repr(w) == "Value([[1.],\n       [1.]], dtype=float32, grad=<float32[2, 1]>)"


def test_repr_of_a_large_array_is_short() -> None:
    assert len(repr(tg.Value(np.arange(1000.0)))) < 100


def test_format_takes_a_number_spec() -> None:
    v = tg.Value(2.0 / 3.0)

    assert f"{v:.3f}" == "0.667"
    assert f"{v:>8.2f}" == "    0.67"
    assert f"{v}" == repr(v)


# ------------------------------------------------------------------------ Python's protocols


def test_hash_is_identity_so_values_live_in_sets_and_dicts() -> None:
    a, b = tg.Value(1.0), tg.Value(1.0)

    assert len({a, b}) == 2
    assert {a: "a", b: "b"}[b] == "b"


@pytest.mark.parametrize(
    ("data", "truth"), [(0.0, False), (-0.0, False), (2.0, True), ([0.0], False), ([3.0], True)]
)
def test_truth_follows_the_number(data: Any, truth: bool) -> None:
    assert bool(tg.Value(data)) is truth


def test_truth_of_an_array_is_numpys_error() -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        bool(tg.Value([1.0, 2.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (float, r"float\(\) or a math function of Value v would silently lose its gradient: "
                r"use tg\.exp\(v\) .*\.item\(\) or \.data"),
        (math.exp, r"math function of Value v .* tg\.exp\(v\)"),
        (math.sqrt, r"math function of Value v"),
        (int, r"int\(\) of Value v would silently lose its gradient: use floor division"),
        (np.asarray, r"np\.asarray\(\) of Value v .* tg\.stack\(\[\.\.\.\]\) for a list"),
        (np.array, r"np\.asarray\(\) of Value v"),
        (lambda v: np.array([v, v]), r"of Value v would silently lose its gradient"),
        (lambda v: np.array([[v], [v]]), r"of Value v would silently lose its gradient"),
        (lambda v: np.float64(v), r"of Value v would silently lose its gradient"),
    ],
)  # fmt: skip
def test_ways_out_of_tracking_raise_with_the_right_call(call: Any, message: str) -> None:
    leaf = tg.Value(2.0, name="v")
    result = tg.Value(1.0) * 2.0
    result.name = "v"

    for v in (leaf, result):
        with pytest.raises(TypeError, match=message):
            call(v)


def test_ways_out_of_tracking_are_open_under_no_grad() -> None:
    v, w = tg.Value(2.7), tg.Value([1.0, 2.0])
    with tg.no_grad():
        assert float(v) == 2.7
        assert int(v) == 2
        assert math.exp(v) == math.exp(2.7)
        np.testing.assert_array_equal(np.asarray(w), [1, 2])
        np.testing.assert_array_equal(np.array([v, v]), [2.7, 2.7])
        assert np.asarray(w, np.float32).dtype == np.float32
        bare = np.asarray(w)
        bare[0] = 9.0

    np.testing.assert_array_equal(w.data, [1, 2])


@pytest.mark.parametrize("context", [tg.debug, tg.engine.watch_branches])
def test_other_modes_do_not_open_them(context: Any) -> None:
    with context(), pytest.raises(TypeError, match="silently lose its gradient"):
        float(tg.Value(2.0))


def test_a_value_is_no_index() -> None:
    with pytest.raises(TypeError, match=r"Value i is not an index: use int\(v\.item\(\)\)"):
        operator.index(tg.Value(1.0, name="i"))
    with pytest.raises(TypeError, match="is not an index"):
        _ = [10, 20][tg.Value(1.0)]


def test_len_and_iteration() -> None:
    w = tg.Value([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    rows = list(w)

    assert len(w) == 3
    assert [row.shape for row in rows] == [(2,)] * 3
    a, b, c = w
    (a * 1 + b * 10 + c * 100).sum().backward()
    np.testing.assert_array_equal(w.grad, [[1, 1], [10, 10], [100, 100]])


def test_a_scalar_has_no_len_and_no_elements() -> None:
    with pytest.raises(TypeError, match=r"shape \(\) has no len\(\)"):
        len(tg.Value(1.0))
    with pytest.raises(TypeError, match="cannot be iterated over"):
        iter(tg.Value(1.0))


def test_writing_into_a_value_raises_and_shows_the_rewrite() -> None:
    x = tg.Value([1.0, 2.0], name="x")

    with pytest.raises(TypeError, match=r"x\[i\] = v would change Value x.*tg\.at_set\(x, i, v\).*"
                                        r"tg\.where\(mask, v, x\).*tg\.stack"):  # fmt: skip
        x[0] = 5.0
    with pytest.raises(TypeError, match="at_set"):
        x[0] += 5.0
    np.testing.assert_array_equal(x.data, [1, 2])


def test_augmented_assignment_makes_a_new_value() -> None:
    x = tg.Value([1.0, 2.0])
    y = x
    y += 1.0
    y *= 2.0
    y.sum().backward()

    np.testing.assert_array_equal(x.data, [1, 2])
    np.testing.assert_array_equal(y.data, [4, 6])
    np.testing.assert_array_equal(x.grad, [2, 2])


def test_an_unknown_operand_is_refused_by_name() -> None:
    for operand in ("2", None, object()):
        with pytest.raises(
            TypeError, match=r"multiply takes numbers, arrays and Values, and .* came"
        ):
            tg.Value(1.0) * operand


def test_complex_operands_are_refused() -> None:
    for operand in (1j, np.array([1j])):
        with pytest.raises(TypeError, match="multiply of a Value takes real numbers, and complex"):
            tg.Value(1.0) * operand


def test_a_list_that_holds_values_is_refused_as_an_operand() -> None:
    with pytest.raises(TypeError, match=r"add got a list that holds Values: use tg\.stack"):
        tg.Value([1.0, 2.0]) + [tg.Value(1.0), 2.0]  # noqa: RUF005 - no list is joined here


# -------------------------------------------------------------------------------- subclasses


def test_results_of_a_subclass_are_plain_values() -> None:
    w = Weight(3.0, name="w")
    y = w * w + 1.0

    assert type(y) is tg.Value
    assert type(w + 0.0) is tg.Value
    y.backward()
    assert w.grad == 6.0
    assert not isinstance(y, Weight)


def test_a_spent_grad_is_told_from_a_new_one() -> None:
    p = tg.Value(2.0)
    (p * p).backward()

    assert p._spend_grad() is False
    assert p._spend_grad() is True
    (p * p).backward()  # added to a gradient that was used: a step without zeroing
    assert p._spend_grad() is True
    p.grad = None
    (p * p).backward()
    assert p._spend_grad() is False
