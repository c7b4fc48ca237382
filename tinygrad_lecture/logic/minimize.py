"""The smallest DNF of a Boolean function: prime implicants, then an exact cover.

Quine 1952, American Mathematical Monthly 59; McCluskey 1956, Bell System Technical Journal 35.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .cover import cover
from .function import BooleanFunction

__all__ = ["minimize", "prime_implicants"]

MAX_INPUTS = 8


def prime_implicants(function: Any) -> NDArray[np.int64]:
    """Return all cubes that imply a function and of which no literal can be left out.

    Parameters
    ----------
    function : BooleanFunction, or what `BooleanFunction.of` takes
        Of at most 8 inputs.

    Returns
    -------
    ndarray of −1, 0 and 1, shape (cubes, n)
        +1 is x, −1 is ¬x, 0 stands for an input that does not matter.

    Raises
    ------
    UsageError
        For more inputs.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.prime_implicants("a & b | a & ~b | ~b & c").tolist()
    [[1, 0, 0], [0, -1, 1]]
    """
    f = _small(function)
    # One axis per input, with the places ¬x, x and "either"; either holds iff both do.
    implicant = f.table.reshape((2,) * f.n)
    for axis in range(f.n):
        both = implicant.all(axis=axis, keepdims=True)
        implicant = np.concatenate([implicant, both], axis=axis)
    prime = implicant.copy()
    for axis in range(f.n):
        wider = np.take(implicant, [2, 2], axis=axis)
        nothing = np.zeros_like(np.take(implicant, [2], axis=axis))
        prime &= ~np.concatenate([wider, nothing], axis=axis)
    return np.array([-1, 1, 0])[np.argwhere(prime)]


def minimize(function: Any) -> NDArray[np.int64]:
    """Return a DNF of the fewest terms, and of the fewest literals among those (exactly).

    Parameters
    ----------
    function : BooleanFunction, or what `BooleanFunction.of` takes
        Of at most 8 inputs.

    Returns
    -------
    ndarray of −1, 0 and 1, shape (terms, n)
        What `DNFNet` takes: no term for the constant 0, one empty term for 1.

    Raises
    ------
    UsageError
        For more inputs.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> logic.minimize("~a & b | a & ~b | a & b").tolist()
    [[1, 0], [0, 1]]
    """
    f = _small(function)
    cubes = prime_implicants(f)
    rows = f.X[f.table]
    # A cube covers a row if none of its literals differs from it.
    covers = ((2 * rows - 1) @ cubes.T == np.abs(cubes).sum(axis=1)).T
    literals = np.abs(cubes).sum(axis=1)
    # No difference in literals outweighs a term.
    return cubes[sorted(cover(covers, 1 + literals + f.n * len(rows)))]


def _small(function: Any) -> BooleanFunction:
    f = BooleanFunction.of(function)
    if f.n > MAX_INPUTS:
        raise UsageError(f"functions of at most {MAX_INPUTS} inputs are minimized, got {f.n}")
    return f
