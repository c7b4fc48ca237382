"""Where the memory of a program lies."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from tinygrad_lecture.compiler.memory import LARGE_PAGE, zeroed


@pytest.mark.parametrize("spare", [0, 300_000, 50_000_000])
@pytest.mark.parametrize("size", [0, 1, 100_000, 1_900_000, 2 << 20, 4_100_000, 9_000_001])
def test_memory_is_zero_and_lies_at_the_start_of_a_page(
    size: int, spare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        memory = zeroed(size, spare)
        assert memory.shape == (size,)
        assert memory.dtype == np.uint8
        assert not memory.any()
        memory[...] = 255
        large = size > 0 and size + spare >= LARGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE")
        assert (memory.base is not None) == large
        assert not large or memory.ctypes.data % LARGE_PAGE == 0
        monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)


def test_a_kernel_without_large_pages_gives_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(mmap.mmap):
        def madvise(self, *args: int) -> None:
            raise OSError("Invalid argument")

    monkeypatch.setattr(mmap, "mmap", Refusing)
    memory = zeroed(2 * LARGE_PAGE)
    assert memory.shape == (2 * LARGE_PAGE,)
    assert not memory.any()
