from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture.data.seeding import as_integer, generator, permutation
from tinygrad_lecture.errors import UsageError


def test_a_generator_passes_through() -> None:
    rng = np.random.default_rng(0)

    assert generator(rng) is rng


@given(seed=st.integers(0, 2**80))
def test_integers_of_any_size_are_seeds(seed: int) -> None:
    assert generator(seed).random() == generator(seed).random()
    assert as_integer(seed) == seed


def test_numpy_integers_are_seeds() -> None:
    seed: Any = np.int32(5)

    assert as_integer(seed) == 5
    assert type(as_integer(seed)) is int
    assert generator(seed).random() == generator(5).random()


@given(n=st.integers(0, 50), seed=st.integers(0, 2**32))
def test_permutation_holds_each_index_once(n: int, seed: int) -> None:
    assert sorted(permutation(np.random.PCG64(seed), n).tolist()) == list(range(n))


@pytest.mark.parametrize("seed", [-1, None, True, 1.0, "1", [1]])
def test_anything_else_is_refused(seed: Any) -> None:
    for convert in (generator, as_integer):
        with pytest.raises(UsageError, match="seed must be a non-negative integer or a numpy"):
            convert(seed)
