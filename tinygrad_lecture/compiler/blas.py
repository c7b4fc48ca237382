"""NumPy's own library of linear algebra, for two things that NumPy does not call it for.

``y ← a·x + b·y`` takes NumPy three passes over memory and room for a·x; the library takes one.
A column that is added to all columns of a matrix takes NumPy twice as long as the library, to
which it is an update of rank one.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ADDRESS", "SIZE", "Routine", "axpby", "column_added", "ger", "library"]

SIZE, ADDRESS = ctypes.c_int64, ctypes.c_void_p
"""Of the arguments; where a library takes sizes of 32 bits, it sees their lower half."""

LETTERS: dict[Any, tuple[str, Any]] = {
    np.dtype(np.float32): ("s", ctypes.c_float), np.dtype(np.float64): ("d", ctypes.c_double),
}  # fmt: skip

# As NumPy's wheels name it, and as distributions and MKL do.
NAMES = ("scipy_cblas_{}64_", "scipy_cblas_{}", "cblas_{}64_", "cblas_{}")

BY_ROWS = ctypes.c_int(101)


class Routine(NamedTuple):
    """A routine of the library for one dtype.

    Attributes
    ----------
    call : callable
        All its arguments are numbers of ctypes, which may be used again: to make them takes as
        long as the call of a short one.
    number : type
        Of its numbers; sizes and steps are `SIZE`, vectors and matrices `ADDRESS`.
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


def _routine(name: str, dtype: np.dtype[Any]) -> Routine | None:
    if dtype not in LETTERS or library() is None:
        return None
    letter, number = LETTERS[dtype]
    for pattern in NAMES:
        function: Any = getattr(library(), pattern.format(letter + name), None)
        if function is not None:
            function.restype = None
            return Routine(function, number)
    return None


@cache
def axpby(dtype: np.dtype[Any]) -> Routine | None:
    """Return ``call(n, a, x, 1, b, y, 1)``, which makes y a·x + b·y in place, if there is one.

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
    found = _routine("axpby", dtype)
    return found if found is not None and _adds(found, dtype) else None


def _adds(add: Routine, dtype: np.dtype[Any]) -> bool:
    """Whether a routine does what its name says."""
    x, y = np.arange(1, 36, dtype=dtype), np.arange(35, 0, -1, dtype=dtype)
    wanted = 2 * x + 3 * y
    wanted[-2:] = y[-2:]
    (at_x, at_y), one = (ADDRESS(a.ctypes.data) for a in (x, y)), SIZE(1)
    add.call(SIZE(33), add.number(2), at_x, one, add.number(3), at_y, one)
    return bool((y == wanted).all())


@cache
def ger(dtype: np.dtype[Any]) -> Routine | None:
    """Return ``call(101, n, m, a, x, 1, y, 1, z, m)``, which adds a·x·yᵀ to z, if there is one.

    101 says that z, n by m, lies by rows.
    """
    found = _routine("ger", dtype)
    if found is None:
        return None
    z, x = np.arange(35, dtype=dtype).reshape(5, 7), np.arange(10, dtype=dtype)[::2]
    wanted = z - x[:, None]
    _column_added(found, z, x, -1.0)()
    return found if (z == wanted).all() else None


def column_added(matrix: Any, column: Any, sign: float) -> Callable[[], None] | None:
    """Return a function that adds a column to all columns of a matrix, in place.

    Parameters
    ----------
    matrix : ndarray, shape (n, m)
        By rows without gaps; the function refers to its memory, not to the array.
    column : ndarray, shape (n,)
        Of the same dtype, elsewhere in memory; likewise.
    sign : 1.0 or -1.0
        -1 subtracts it.

    Returns
    -------
    callable or None
        None if the library has no routine for it.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.compiler.blas import column_added
    >>> z, mean = np.array([[1.0, 3.0], [4.0, 8.0]]), np.array([2.0, 6.0])
    >>> subtract = column_added(z, mean, -1.0)
    >>> if subtract is None:
    ...     z -= mean[:, None]
    ... else:
    ...     subtract()
    >>> z
    array([[-1.,  1.],
           [-2.,  2.]])
    """
    routine = ger(matrix.dtype)
    return routine and _column_added(routine, matrix, column, sign)


def _column_added(routine: Routine, z: Any, x: Any, sign: float) -> Callable[[], None]:
    n, m, one, step = SIZE(len(z)), SIZE(z.shape[1]), SIZE(1), SIZE(x.strides[0] // x.itemsize)
    at_x, at_ones, at_z = (ADDRESS(a.ctypes.data) for a in (x, _ones(z.shape[1], z.dtype), z))
    return partial(
        routine.call, BY_ROWS, n, m, routine.number(sign), at_x, step, at_ones, one, at_z, m
    )


@cache
def _ones(n: int, dtype: np.dtype[Any]) -> Any:
    return np.ones(n, dtype)
