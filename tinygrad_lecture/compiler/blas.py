"""NumPy's own library of linear algebra, for the one thing that NumPy does not call it for.

``y ← a·x + b·y`` takes NumPy three passes over memory and room for a·x; the library takes one.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

__all__ = ["axpby", "library"]

LETTERS: dict[Any, tuple[str, Any]] = {
    np.dtype(np.float32): ("s", ctypes.c_float), np.dtype(np.float64): ("d", ctypes.c_double),
}  # fmt: skip

# As NumPy's wheels name it, and as distributions and MKL do.
NAMES = ("scipy_cblas_{}axpby64_", "scipy_cblas_{}axpby", "cblas_{}axpby64_", "cblas_{}axpby")


@cache
def library() -> ctypes.PyDLL | None:
    """Return NumPy's library of linear algebra; None if it does not show its functions."""
    module = importlib.import_module("numpy._core._multiarray_umath")
    try:
        return ctypes.PyDLL(str(module.__file__))  # it is loaded already: finds what it links to
    except OSError:
        return None


@cache
def axpby(
    dtype: np.dtype[Any],
) -> Callable[[int, float, int, int, float, int, int], None] | None:
    """Return ``axpby(n, a, x, 1, b, y, 1)``, which makes y a·x + b·y in place, if there is one.

    Parameters
    ----------
    dtype : dtype
        Of x and y, which are given by the addresses of n numbers each.

    Notes
    -----
    Sizes are passed as 64 bits: where the library takes 32, it sees their lower half.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.compiler.blas import axpby
    >>> add = axpby(np.dtype(float))
    >>> x, y = np.ones(3), np.arange(3.0)
    >>> if add is None:
    ...     y[:] = 2.0 * x + 10.0 * y
    ... else:
    ...     add(3, 2.0, x.ctypes.data, 1, 10.0, y.ctypes.data, 1)
    >>> y
    array([ 2., 12., 22.])
    """
    if dtype not in LETTERS or library() is None:
        return None
    letter, number = LETTERS[dtype]
    size, address = ctypes.c_int64, ctypes.c_void_p
    for name in NAMES:
        function: Any = getattr(library(), name.format(letter), None)
        if function is not None:
            function.argtypes = [size, number, address, size, number, address, size]
            function.restype = None
            return function if _adds(function, dtype) else None
    return None


def _adds(function: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a function does what its name says."""
    x, y = np.arange(1, 36, dtype=dtype), np.arange(35, 0, -1, dtype=dtype)
    wanted = 2 * x + 3 * y
    wanted[-2:] = y[-2:]
    function(33, 2.0, x.ctypes.data, 1, 3.0, y.ctypes.data, 1)
    return bool((y == wanted).all())
