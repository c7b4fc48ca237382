"""NumPy's own library of linear algebra, for the one thing that NumPy does not call it for.

``y ← a·x + b·y`` takes NumPy three passes over memory and room for a·x; the library takes one.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ADDRESS", "SIZE", "Axpby", "axpby", "library"]

SIZE, ADDRESS = ctypes.c_int64, ctypes.c_void_p
"""Of the arguments; where a library takes sizes of 32 bits, it sees their lower half."""

LETTERS: dict[Any, tuple[str, Any]] = {
    np.dtype(np.float32): ("s", ctypes.c_float), np.dtype(np.float64): ("d", ctypes.c_double),
}  # fmt: skip

# As NumPy's wheels name it, and as distributions and MKL do.
NAMES = ("scipy_cblas_{}axpby64_", "scipy_cblas_{}axpby", "cblas_{}axpby64_", "cblas_{}axpby")


class Axpby(NamedTuple):
    """A function of the library for one dtype.

    Attributes
    ----------
    call : callable
        ``call(n, a, x, 1, b, y, 1)`` makes y a·x + b·y in place.  All arguments are numbers of
        ctypes, which may be used again: to make them takes as long as the call of a short one.
    number : type
        Of a and b.  n and the two steps are `SIZE`, x and y are `ADDRESS`.
    """

    call: Callable[..., None]
    number: Any


@cache
def library() -> ctypes.PyDLL | None:
    """Return NumPy's library of linear algebra; None if it does not show its functions."""
    module = importlib.import_module("numpy._core._multiarray_umath")
    try:
        return ctypes.PyDLL(str(module.__file__))  # it is loaded already: finds what it links to
    except OSError:
        return None


@cache
def axpby(dtype: np.dtype[Any]) -> Axpby | None:
    """Return the function for a dtype, if there is one.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.compiler.blas import ADDRESS, SIZE, axpby
    >>> add = axpby(np.dtype(float))
    >>> x, y = np.ones(3), np.arange(3.0)
    >>> if add is None:
    ...     y[:] = 2.0 * x + 10.0 * y
    ... else:
    ...     a, b, one = add.number(2.0), add.number(10.0), SIZE(1)
    ...     add.call(SIZE(3), a, ADDRESS(x.ctypes.data), one, b, ADDRESS(y.ctypes.data), one)
    >>> y
    array([ 2., 12., 22.])
    """
    if dtype not in LETTERS or library() is None:
        return None
    letter, number = LETTERS[dtype]
    for name in NAMES:
        function: Any = getattr(library(), name.format(letter), None)
        if function is not None:
            function.restype = None
            found = Axpby(function, number)
            return found if _adds(found, dtype) else None
    return None


def _adds(add: Axpby, dtype: np.dtype[Any]) -> bool:
    """Whether a function does what its name says."""
    x, y = np.arange(1, 36, dtype=dtype), np.arange(35, 0, -1, dtype=dtype)
    wanted = 2 * x + 3 * y
    wanted[-2:] = y[-2:]
    (at_x, at_y), one = (ADDRESS(a.ctypes.data) for a in (x, y)), SIZE(1)
    add.call(SIZE(33), add.number(2), at_x, one, add.number(3), at_y, one)
    return bool((y == wanted).all())
