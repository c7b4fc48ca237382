"""One thread for linear algebra: sums are added up in an order that depends on the threads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache

from ..compiler.blas import library

__all__ = ["one_thread"]

# OpenBLAS as NumPy's wheels name it, as distributions do, and MKL.
NAMES = [
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
]
LOCK = threading.Lock()
INSIDE: list[int] = []  # numbers of threads to go back to, one for each block that is open


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let matrix products of the whole process run in one thread inside the block.

    The last bits of a product depend on the number of threads that share it. Blocks may overlap in
    several Python threads: the last one that ends puts the old number back. Where NumPy's library
    is neither OpenBLAS nor MKL, nothing happens.

    Examples
    --------
    >>> from tinygrad_lecture.train.blas import controls, one_thread
    >>> with one_thread():
    ...     controls() is None or controls()[0]() == 1
    True
    """
    control = controls()
    if control is None:
        yield
        return
    get, put = control
    with LOCK:
        INSIDE.append(INSIDE[0] if INSIDE else get())
        put(1)
    try:
        yield
    finally:
        with LOCK:
            before = INSIDE.pop()
            if not INSIDE:
                put(before)


@lru_cache(maxsize=1)
def controls() -> tuple[Callable[[], int], Callable[[int], object]] | None:
    """Return the functions that read and set the number of threads, if NumPy's library has them."""
    blas = library()
    for get, put in NAMES:
        if hasattr(blas, get) and hasattr(blas, put):
            return getattr(blas, get), getattr(blas, put)
    return None
