"""Random numbers of this room: a seed or a generator, never global state."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.errors import UsageError

Seed: TypeAlias = int | np.random.Generator


def generator(seed: Seed) -> np.random.Generator:
    """Generator for a seed; a generator passes through and goes on where it stands.

    Parameters
    ----------
    seed
        Non-negative integer, or a `numpy.random.Generator`.

    Raises
    ------
    UsageError
        For anything else. `None` is refused too: a run that nobody can repeat helps nobody.

    Examples
    --------
    >>> from tinygrad_lecture.data.seeding import generator
    >>> generator(3).random(3).tolist() == generator(3).random(3).tolist()
    True
    """
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.Generator(np.random.PCG64(_checked(seed)))


def as_integer(seed: Seed) -> int:
    """Seed as a plain integer; a generator gives its next one (63 bits).

    Raises
    ------
    UsageError
        If `seed` is neither a non-negative integer nor a generator.

    Examples
    --------
    >>> from tinygrad_lecture.data.seeding import as_integer
    >>> as_integer(7)
    7
    """
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**63))
    return _checked(seed)


def permutation(bits: np.random.BitGenerator, n: int) -> NDArray[np.intp]:
    """Random order of `n` things, the same in every version of NumPy.

    NumPy promises the raw stream of a bit generator for all time, but not what
    `Generator.permutation` makes of it (NEP 19). The order is the rank of raw draws.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.data.seeding import permutation
    >>> permutation(np.random.PCG64(0), 5)
    array([3, 2, 1, 0, 4])
    """
    draws: NDArray[np.uint64] = bits.random_raw(n)
    return np.argsort(draws, kind="stable")


def _checked(seed: Any) -> int:
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise UsageError(
            f"seed must be a non-negative integer or a numpy.random.Generator, got {seed!r}"
        )
    return int(seed)
