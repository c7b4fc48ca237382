from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinygrad_lecture.data import load, spirals, split_digits, write_idx
from tinygrad_lecture.errors import UsageError


@pytest.mark.parametrize(("name", "n_classes"), [("moons", 2), ("circles", 2), ("spirals", 3)])
def test_toy_sets_are_divided(name: str, n_classes: int) -> None:
    parts = load(name, seed=3)

    assert [len(part) for part in parts] == [700, 150, 150]
    for part in parts:
        assert (part.name, part.n_classes, part.sample_shape) == (name, n_classes, (2,))
        assert len(np.unique(part.targets)) == n_classes


def test_toy_sets_depend_on_the_seed() -> None:
    assert np.array_equal(load("moons", seed=1).test.inputs, load("moons", seed=1).test.inputs)
    assert not np.array_equal(load("moons").test.inputs, load("moons", seed=1).test.inputs)


def test_parts_hold_the_points_that_were_drawn() -> None:
    drawn, _ = spirals(1000, noise=0.1, seed=9)
    parts = np.concatenate([part.inputs for part in load("spirals", seed=9)])

    assert np.array_equal(np.sort(parts, axis=0), np.sort(drawn, axis=0))


def test_digits_are_split_digits() -> None:
    for seed in (0, 4):
        for part, expected in zip(load("digits", seed), split_digits(seed), strict=True):
            assert np.array_equal(part.inputs, expected.inputs)


def test_xor_is_whole_in_each_part() -> None:
    train, validation, test = load("xor")

    assert train is validation is test
    assert train[:][1].tolist() == [0, 1, 1, 0]


def test_a_folder_is_divided_into_three(tmp_path: Path) -> None:
    for part, n in (("train", 40), ("t10k", 8)):
        images = np.arange(n, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.arange(n, dtype=np.uint8) % 2)
    for source in (tmp_path, str(tmp_path)):
        train, validation, test = load(source, seed=1)

        assert [len(train), len(validation), len(test)] == [36, 4, 8]
        assert train.inputs.dtype == np.uint8
        assert test[:][0][-1].tolist() == pytest.approx([7 / 255] * 4)
        assert np.bincount(validation.targets).tolist() == [2, 2]


def test_a_name_goes_before_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits").mkdir()

    assert load("digits").train.name == "digits"
    with pytest.raises(UsageError, match="digits: missing training images"):
        load("./digits/../digits")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digts", "unknown data set 'digts': did you mean 'digits'?"),
        ("moon", "unknown data set 'moon': did you mean 'moons'?"),
        (
            "/nowhere/at/all",
            "unknown data set '/nowhere/at/all': "
            "There are digits, moons, circles, spirals, xor, and any folder of IDX files",
        ),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(source)

    assert str(caught.value).startswith(message)
    assert "digits, moons, circles, spirals, xor" in str(caught.value)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("1,2")

    with pytest.raises(UsageError, match=r"train\.csv: is a file, a folder of IDX files is needed"):
        load(file)
