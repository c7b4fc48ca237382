from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lecture.data import bytes_to_unit, load_idx_folder, split, write_idx
from tinygrad_lecture.errors import UsageError

ROLES = {
    "train-images-idx3-ubyte": "training images",
    "train-labels-idx1-ubyte": "training labels",
    "t10k-images-idx3-ubyte": "test images",
    "t10k-labels-idx1-ubyte": "test labels",
}
NAMES = list(ROLES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small set: 6 training and 4 test images of 2×3, image i filled with i."""
    path = tmp_path / "small"
    path.mkdir()
    for part, n in (("train", 6), ("t10k", 4)):
        images = np.arange(n, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
        write_idx(path / f"{part}-images-idx3-ubyte", images)
        write_idx(path / f"{part}-labels-idx1-ubyte", np.arange(n, dtype=np.uint8) % 3)
    return path


def test_images_become_rows_of_the_unit_interval(folder: Path) -> None:
    train, test = load_idx_folder(folder)
    X, y = train[:]

    assert X.shape == (6, 6)
    assert X.dtype == np.float32
    assert np.array_equal(X[:, 0], np.arange(6, dtype=np.float32) / np.float32(255))
    assert y.tolist() == [0, 1, 2, 0, 1, 2]
    assert y.dtype == np.int64
    assert (train.name, train.n_classes, test.n_classes, len(test)) == ("small", 3, 3, 4)


def test_bytes_to_unit_reaches_both_ends() -> None:
    x = bytes_to_unit(np.arange(256, dtype=np.uint8))

    assert x.dtype == np.float32
    assert (x[0], x[255]) == (0, 1)
    assert np.all(np.diff(x) > 0)


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_all_spellings_are_found(folder: Path, mark: str, ending: str) -> None:
    for name in NAMES:
        stem, kind = name.split("-idx")
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / f"{stem}{mark}idx{kind}{ending}").write_bytes(data)

    assert len(load_idx_folder(str(folder))[0]) == 6


@pytest.mark.parametrize("other", ["-idx{}.gz", ".idx{}", ".idx{}.gz"])
def test_the_plain_file_with_a_hyphen_goes_first(folder: Path, other: str) -> None:
    for name in NAMES:
        stem, kind = name.split("-idx")
        (folder / f"{stem}{other.format(kind)}").write_bytes(b"not read")

    assert len(load_idx_folder(folder)[0]) == 6


@pytest.mark.parametrize("name", NAMES)
def test_the_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(
        UsageError, match=rf"small: missing {ROLES[name]} \({name}\); names may end"
    ):
        load_idx_folder(folder)


def test_all_missing_files_are_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_idx_folder(tmp_path)

    assert all(name in str(caught.value) for name in NAMES)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mnist: no such folder"):
        load_idx_folder(tmp_path / "mnist")


def test_a_damaged_file_is_named(folder: Path) -> None:
    path = folder / NAMES[2]
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(UsageError, match=f"{NAMES[2]}: truncated"):
        load_idx_folder(folder)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (NAMES[1], np.zeros(5, np.uint8), "holds 6 images, but .*train-labels.* 5 labels"),
        (NAMES[3], np.zeros(5, np.uint8), "holds 4 images, but .*t10k-labels.* 5 labels"),
        (NAMES[0], np.zeros((6, 6), np.uint8), r"3 dimensions, got uint8 of shape \(6, 6\)"),
        (NAMES[0], np.zeros((6, 2, 3), np.int16), "must hold uint8 in 3 dimensions, got int16"),
        (NAMES[1], np.zeros((6, 1), np.uint8), "must hold uint8 in 1 dimensions"),
        (NAMES[1], np.zeros(0, np.uint8), r"empty, shape \(0,\)"),
        (NAMES[0], np.zeros((6, 0, 3), np.uint8), r"empty, shape \(6, 0, 3\)"),
        (NAMES[2], np.zeros((4, 3, 2), np.uint8), "training images are 2×3, test images 3×2"),
    ],
)
def test_files_must_fit_together(
    folder: Path, name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], message: str
) -> None:
    write_idx(folder / name, array)

    with pytest.raises(UsageError, match=message):
        load_idx_folder(folder)


def test_memory_stays_below_twice_the_data(tmp_path: Path) -> None:
    size = 0
    for part, n in (("train", 6000), ("t10k", 1000)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", np.zeros((n, 28, 28), np.uint8))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", np.zeros(n, np.uint8))
        size += n * 28 * 28
    tracemalloc.start()
    try:
        train, test = load_idx_folder(tmp_path)
        loaded = tracemalloc.get_traced_memory()[1]
        train, validation = split(train, (0.9, 0.1))
        peak = tracemalloc.get_traced_memory()[1]
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert [len(train), len(validation), len(test)] == [5400, 600, 1000]
    assert loaded < 1.1 * size
    assert held < 1.1 * size
    assert peak < 2 * size
