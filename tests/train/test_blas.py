"""One thread for linear algebra, and the bits that depend on it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tinygrad_lecture.train import blas
from tinygrad_lecture.train.blas import one_thread


@pytest.fixture
def threads() -> object:
    control = blas.controls()
    if control is None:
        pytest.skip("NumPy's library of linear algebra does not let its threads be set")
    return control


def test_the_number_comes_back_after_blocks_within_blocks(threads: object) -> None:
    get, put = blas.controls() or (None, None)
    assert get is not None
    assert put is not None
    before = get()
    put(2)
    try:
        with one_thread():
            assert get() == 1
            with one_thread():
                assert get() == 1
            assert get() == 1
        assert get() == 2
        with pytest.raises(KeyError), one_thread():
            raise KeyError
        assert get() == 2
    finally:
        put(before)


def test_blocks_may_overlap_in_threads(threads: object) -> None:
    get, put = blas.controls() or (None, None)
    assert get is not None
    assert put is not None
    before = get()
    barrier = Barrier(3)

    def work(_: int) -> int:
        with one_thread():
            barrier.wait(10)
            return get()

    put(2)
    try:
        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(work, range(3))) == [1, 1, 1]
        assert get() == 2
    finally:
        put(before)


def test_without_control_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "controls", lambda: None)
    with one_thread():
        pass
    assert blas.INSIDE == []
