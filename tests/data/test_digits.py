from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lecture.data
from tinygrad_lecture.data import load_digits, split_digits


def test_digits_are_the_test_part_of_the_uci_set() -> None:
    digits = load_digits()
    stored = (digits.inputs * 16).astype(np.uint8)

    assert digits.inputs.shape == (1797, 64)
    assert np.array_equal(stored / 16, digits.inputs)
    # The class counts that UCI publishes for optdigits.tes, then checksums of the values.
    assert np.bincount(digits.targets).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
    ]  # fmt: skip
    assert zlib.crc32(stored.tobytes()) == 4087501628
    assert zlib.crc32(digits.targets.astype(np.uint8).tobytes()) == 4168075561


def test_digits_are_scaled_to_the_unit_interval() -> None:
    digits = load_digits()

    assert digits.inputs.dtype == np.float64
    assert digits.targets.dtype == np.int64
    assert (digits.inputs.min(), digits.inputs.max()) == (0, 1)
    assert (digits.name, digits.n_classes) == ("digits", 10)


def test_the_parts_are_disjoint_complete_and_stratified() -> None:
    digits, parts = load_digits(), split_digits()
    rows = np.concatenate([part.inputs for part in parts])

    assert [len(part) for part in parts] == [1258, 270, 269]
    assert np.array_equal(
        np.sort(rows.view("V512").ravel()), np.sort(digits.inputs.view("V512").ravel())
    )
    for part, fraction in zip(parts, (0.7, 0.15, 0.15), strict=True):
        counts = np.bincount(part.targets)
        assert np.all(np.abs(counts - fraction * np.bincount(digits.targets)) <= 1)


def test_the_division_is_fixed() -> None:
    def checksums(seed: int) -> list[int]:
        parts = split_digits(seed)
        return [zlib.crc32((16 * part.inputs).astype(np.uint8).tobytes()) for part in parts]

    assert checksums(0) == [4188633774, 2950167485, 1755631273]
    assert checksums(1) != checksums(0)
    assert np.array_equal(split_digits().test.inputs, split_digits(0).test.inputs)


@pytest.mark.parametrize("words", ["CC BY 4.0", "E. Alpaydin and C. Kaynak (1998)", "10.24432"])
def test_source_and_licence_are_named_beside_the_file(words: str) -> None:
    folder = Path(tinygrad_lecture.data.__file__).parent

    assert words in (folder / "digits.md").read_text("utf-8")
    assert words in (folder / "digits.py").read_text("utf-8")
    assert (folder / "digits.npz").stat().st_size < 50_000
