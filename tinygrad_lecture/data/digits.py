"""The handwritten digits that come with the package, 1,797 images of 8×8.

Source: *Optical Recognition of Handwritten Digits*, E. Alpaydin and C. Kaynak (1998), UCI Machine
Learning Repository, https://doi.org/10.24432/C50P49, its test part; licence CC BY 4.0. The file
``digits.md`` beside this one has the details.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinygrad_lecture.data.dataset import Dataset, Splits
from tinygrad_lecture.data.seeding import Seed
from tinygrad_lecture.data.split import split


def load_digits() -> Dataset:
    """All 1,797 digits, ten classes of 174 to 183 images.

    Returns
    -------
    Dataset
        Inputs of shape (1797, 64) in float64, brightness from 0 to 1 in steps of 1/16, row by row
        of the image; labels 0 to 9 in int64.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> digits = tg.data.load_digits()
    >>> digits
    Dataset('digits': 1797 samples of shape (64,), float64, 10 classes)
    >>> image, label = digits[0]
    >>> for row in image.reshape(8, 8):
    ...     print("".join(" .:*#"[round(4 * x)] for x in row).rstrip())
      .*:
      *#:#.
     .#  *:
     .*  ::
     .:  ::
     .*  *:
      #.:*
      :*:
    >>> int(label)
    0
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        images, labels = file["images"], file["labels"]
    return Dataset(images / 16, labels.astype(np.int64), "digits", n_classes=10)


def split_digits(seed: Seed = 0) -> Splits:
    """Digits in three fixed parts: 1,258 to train, 270 to validate, 269 to test, stratified.

    The division depends on `seed` alone, in every version of NumPy. Leave it at 0 to compare with
    others on the same test part, whatever the seed of the training is.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> parts = tg.data.split_digits()
    >>> [len(part) for part in parts]
    [1258, 270, 269]
    """
    return Splits._make(split(load_digits(), seed=seed))
