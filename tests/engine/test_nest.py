"""Nests are taken apart and put together again."""

from __future__ import annotations

import gc
import weakref
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture.engine import nest


class Pair(NamedTuple):
    a: Any
    b: Any


TREES = st.recursive(
    st.integers() | st.none() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2) | st.integers(0, 3), inner, max_size=3)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=12,
)


def equal(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


@given(TREES)
def test_unflatten_is_the_inverse_of_flatten(tree: Any) -> None:
    leaves, structure = nest.flatten(tree)

    assert equal(nest.unflatten(structure, leaves), tree)
    assert None not in leaves
    assert nest.flatten(nest.unflatten(structure, range(len(leaves))))[0] == list(
        range(len(leaves))
    )


@given(TREES)
def test_a_map_keeps_the_structure(tree: Any) -> None:
    doubled = nest.nest_map(lambda leaf: (leaf,), tree)

    assert nest.flatten(nest.nest_map(lambda leaf: "*", tree)) == nest.flatten(
        nest.flatten(tree)[1]
    )
    assert len(nest.flatten(doubled)[0]) == len(nest.flatten(tree)[0])


@pytest.mark.parametrize(
    ("tree", "leaves", "structure"),
    [
        (1.0, [1.0], "*"),
        (None, [], None),
        ((), [], ()),
        ([], [], []),
        ({}, [], {}),
        ("text", ["text"], "*"),
        ({"b": 1, "a": (2, [3, None])}, [1, 2, 3], {"b": "*", "a": ("*", ["*", None])}),
        (Pair(1, (2,)), [1, 2], Pair("*", ("*",))),
        (OrderedDict(z=1, a=2), [1, 2], {"z": "*", "a": "*"}),
        ({3: 1, "3": 2}, [1, 2], {3: "*", "3": "*"}),
    ],
)
def test_leaves_come_in_the_order_in_which_they_were_written(
    tree: Any, leaves: list[Any], structure: Any
) -> None:
    assert nest.flatten(tree) == (leaves, structure)


def test_arrays_values_and_sets_are_leaves() -> None:
    v, a, s = tg.Value(1.0), np.ones(2), {1, 2}
    leaves, _ = nest.flatten([v, {"a": a}, s])

    assert leaves[0] is v
    assert leaves[1] is a
    assert leaves[2] is s


def test_too_few_and_too_many_leaves() -> None:
    _, structure = nest.flatten((1, [2]))

    with pytest.raises(ValueError, match=r"structure \('\*', \['\*'\]\) has more places than 1"):
        nest.unflatten(structure, [1])
    with pytest.raises(ValueError, match=r"structure \('\*', \['\*'\]\) has fewer places than 3"):
        nest.unflatten(structure, [1, 2, 3])
    with pytest.raises(ValueError, match="has fewer places than 1"):
        nest.unflatten(None, [1])


def test_taking_apart_leaves_no_reference_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        v = tg.Value([1.0])
        ref = weakref.ref(v)
        leaves, structure = nest.flatten({"v": [v]})
        nest.unflatten(structure, leaves)
        nest.nest_map(lambda leaf: leaf, [v])
        del v, leaves
        assert ref() is None
    finally:
        gc.enable()
