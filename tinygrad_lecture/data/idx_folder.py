"""A folder with the four files of MNIST, or of a data set that comes in the same form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.data.dataset import Dataset
from tinygrad_lecture.data.idx import read_idx
from tinygrad_lecture.errors import UsageError

_FILES = {
    "training images": ("train-images", "idx3-ubyte"),
    "training labels": ("train-labels", "idx1-ubyte"),
    "test images": ("t10k-images", "idx3-ubyte"),
    "test labels": ("t10k-labels", "idx1-ubyte"),
}


def bytes_to_unit(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes 0 to 255 as float32 from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> tg.data.bytes_to_unit(np.array([0, 51, 255], dtype=np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    return np.divide(images, np.float32(255), dtype=np.float32)


def load_idx_folder(path: str | os.PathLike[str]) -> tuple[Dataset, Dataset]:
    """Training and test set of a folder of IDX files: MNIST, Fashion-MNIST, or your own.

    The folder holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
    ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, each plain or with ``.gz``, and each
    also in the spelling ``train-images.idx3-ubyte``. If one is there in several forms, the plain
    one is read, with ``-`` before ``.``.

    Parameters
    ----------
    path
        The folder.

    Returns
    -------
    tuple of Dataset
        Training and test set, with images flattened to rows. The images stay bytes in memory;
        `bytes_to_unit` is the transform that makes each batch float32 from 0 to 1. Converting all
        of them at once would take 4 times their memory, and 5 times while it lasts.

    Raises
    ------
    UsageError
        If a file is missing or damaged, or files do not fit together.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> images, labels = np.full((2, 3, 3), 255, np.uint8), np.array([0, 1], np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for part in ("train", "t10k"):
    ...         tg.data.write_idx(Path(folder, f"{part}-images-idx3-ubyte.gz"), images)
    ...         tg.data.write_idx(Path(folder, f"{part}-labels-idx1-ubyte.gz"), labels)
    ...     train, test = tg.data.load_idx_folder(folder)
    >>> X, y = train[:]
    >>> print(X.shape, X.dtype, X.max(), y)
    (2, 9) float32 1.0 [0 1]
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    found = {role: _find(folder, *name) for role, name in _FILES.items()}
    missing = [f"{role} ({'-'.join(_FILES[role])})" for role, file in found.items() if file is None]
    if missing:
        raise UsageError(
            f"{folder}: missing {', '.join(missing)}; "
            f"names may end with .gz, and have . for the - before idx"
        )
    files = [file for file in found.values() if file is not None]
    train_images, train_labels = _read_pair(*files[:2])
    test_images, test_labels = _read_pair(*files[2:])
    if train_images.shape[1:] != test_images.shape[1:]:
        raise UsageError(
            f"{folder}: training images are {_size(train_images)}, test images {_size(test_images)}"
        )
    n_classes = 1 + int(max(train_labels.max(), test_labels.max()))
    name = folder.resolve().name
    return (
        _dataset(train_images, train_labels, name, n_classes),
        _dataset(test_images, test_labels, name, n_classes),
    )


def _find(folder: Path, stem: str, kind: str) -> Path | None:
    names = [f"{stem}{mark}{kind}{ending}" for ending in ("", ".gz") for mark in "-."]
    return next((folder / name for name in names if (folder / name).exists()), None)


def _read_pair(image_file: Path, label_file: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images, labels = read_idx(image_file), read_idx(label_file)
    for file, array, ndim in ((image_file, images, 3), (label_file, labels, 1)):
        if array.dtype != np.uint8 or array.ndim != ndim:
            raise UsageError(
                f"{file}: must hold uint8 in {ndim} dimensions, "
                f"got {array.dtype} of shape {array.shape}"
            )
        if array.size == 0:
            raise UsageError(f"{file}: empty, shape {array.shape}")
    if len(images) != len(labels):
        raise UsageError(
            f"{image_file} holds {len(images)} images, but {label_file} {len(labels)} labels"
        )
    return images, labels


def _dataset(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], name: str, n_classes: int
) -> Dataset:
    rows = images.reshape(len(images), -1)
    return Dataset(rows, labels.astype(np.int64), name, n_classes, transforms=(bytes_to_unit,))


def _size(images: NDArray[Any]) -> str:
    return "×".join(map(str, images.shape[1:]))
