"""Rebinding is always safe; writing into an array that a record needs raises and names the op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg


def put(data: Any) -> None:
    data[0] = 5.0


WRITES: list[Callable[[Any], Any]] = [
    put,
    lambda d: put(d[:2]),
    lambda d: d.fill(5.0),
    lambda d: d.sort(),
    lambda d: d.put([0], 5.0),
    lambda d: np.add(d, 1.0, out=d),
]


@pytest.mark.parametrize("write", WRITES)
def test_a_write_raises_while_a_record_lives_and_works_after_it(
    write: Callable[[Any], Any],
) -> None:
    p = tg.Value(np.array([3.0, 2.0, 1.0]), name="p")
    y = p * p
    with pytest.raises(ValueError, match=r"Value p: multiply \(record number \d+\) still needs"):
        write(p.data)
    np.testing.assert_array_equal(p.data, [3.0, 2.0, 1.0])
    del y
    write(p.data)

    assert not np.array_equal(p.data, [3.0, 2.0, 1.0])


def test_augmented_assignment_rebinds() -> None:
    p = tg.Value(np.array([1.0, 2.0]))
    y = (p * p).sum()
    p.data -= 1.0
    y.backward()

    np.testing.assert_array_equal(p.data, [0.0, 1.0])
    np.testing.assert_array_equal(p.grad, [2.0, 4.0])


def test_the_data_of_a_result_are_not_written_to() -> None:
    y = tg.Value(np.ones(2)) * 2.0
    with pytest.raises(ValueError, match="result of multiply"):
        y.data[0] = 1.0
    with pytest.raises(TypeError, match="only a leaf's data can be rebound"):
        y.data = np.ones(2)


def test_item_assignment_on_a_value_shows_the_rewrite() -> None:
    x = tg.Value(np.ones(2))
    with pytest.raises(TypeError, match=r"x = tg\.at_set\(x, i, v\)"):
        x[0] = 1.0


def test_a_constant_may_be_changed_afterwards() -> None:
    c = np.array([1.0, 2.0])
    x = tg.Value(np.ones(2))
    y = (x * c).sum()
    c[:] = 99.0
    y.backward()

    np.testing.assert_array_equal(x.grad, [1.0, 2.0])


def test_rebinding_keeps_the_shape() -> None:
    p = tg.Value(np.ones(2))
    with pytest.raises(ValueError, match=r"has shape \(2,\), and what came has shape \(3,\)"):
        p.data = np.ones(3)
