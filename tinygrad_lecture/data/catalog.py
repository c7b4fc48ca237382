"""Data sets by name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from tinygrad_lecture.data import toys
from tinygrad_lecture.data.dataset import Dataset, Splits
from tinygrad_lecture.data.digits import split_digits
from tinygrad_lecture.data.idx_folder import load_idx_folder
from tinygrad_lecture.data.seeding import Seed, generator
from tinygrad_lecture.data.split import split
from tinygrad_lecture.errors import UsageError

_TOY_SIZE = 1000
_TOY_NOISE = 0.1


def load(source: str | os.PathLike[str], seed: Seed = 0) -> Splits:
    """Training, validation and test part of a data set.

    ============  ==================================================================
    ``digits``    `split_digits`: 1,258, 270 and 269 handwritten digits
    ``moons``     1,000 points with noise 0.1, divided 70 : 15 : 15, as
    ``circles``   are these
    ``spirals``   and these, in 3 classes
    ``xor``       the 4 rows of the truth table, the same in all three parts
    a folder      `load_idx_folder`; a tenth of its training set is for validation
    ============  ==================================================================

    Parameters
    ----------
    source
        One of these names, or a path. A name goes before a folder of that name; write
        ``./digits`` for the folder.
    seed
        Draws the toy sets and divides. The files of a folder decide what its test part is.

    Raises
    ------
    UsageError
        If `source` is none of these, or a file in the folder is missing or damaged.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> train, validation, test = tg.data.load("spirals", seed=1)
    >>> train
    Dataset('spirals': 700 samples of shape (2,), float64, 3 classes)
    """
    if source in _NAMED:
        return _NAMED[str(source)](seed)
    folder = Path(source)
    if folder.is_dir():
        train, test = load_idx_folder(folder)
        return Splits._make([*split(train, (0.9, 0.1), seed=seed), test])
    if folder.exists():
        raise UsageError(f"{folder}: is a file, a folder of IDX files is needed")
    close = difflib.get_close_matches(str(source), _NAMED, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UsageError(
        f"unknown data set {str(source)!r}: {hint}"
        f"There are {', '.join(_NAMED)}, and any folder of IDX files"
    )


def _xor(seed: Seed) -> Splits:
    dataset = Dataset(*toys.xor(), "xor", n_classes=2)
    return Splits(dataset, dataset, dataset)


def _drawn(name: str, draw: Callable[..., toys.Points], n_classes: int) -> Callable[[Seed], Splits]:
    def splits(seed: Seed) -> Splits:
        rng = generator(seed)
        points = draw(_TOY_SIZE, noise=_TOY_NOISE, seed=rng)
        return Splits._make(split(Dataset(*points, name, n_classes), seed=rng))

    return splits


_NAMED: dict[str, Callable[[Seed], Splits]] = {
    "digits": split_digits,
    "moons": _drawn("moons", toys.moons, 2),
    "circles": _drawn("circles", toys.circles, 2),
    "spirals": _drawn("spirals", toys.spirals, 3),
    "xor": _xor,
}
