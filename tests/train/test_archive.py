"""Archives: round trips, atomic writing, and every kind of file that is refused."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import load_archive, save_archive
from tinygrad_lecture.train.archive import write_atomically

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.text()
    | st.lists(st.integers(-5, 5), max_size=3).map(np.array)
)
TREES = st.dictionaries(
    st.text(),
    st.recursive(
        LEAVES, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text(), t, max_size=3)
    ),
    max_size=4,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    return type(a) is type(b) and repr(a) == repr(b)


@given(tree=TREES)
def test_any_tree_comes_back_bit_for_bit(
    tree: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "tree.npz"
    save_archive(file, "tree", tree)
    assert same(load_archive(file, "tree"), tree)


def test_arrays_of_all_kinds_numpy_numbers_and_tuples(tmp_path: Path) -> None:
    arrays = [
        np.arange(6.0).reshape(2, 3).T,
        np.zeros((0, 3), np.float32),
        np.array(3.0),
        np.array([True, False]),
        np.array([1, 2], np.uint8)[::-1],
        np.array([np.nan, -0.0, np.inf]),
    ]
    tree = {"arrays": arrays, "number": np.float64(0.1), "count": np.int64(3), "pair": (1, "a")}
    keyed: dict[Any, Any] = {**tree, 7: "an integer key"}
    save_archive(tmp_path / "a.npz", "x", keyed)
    back = load_archive(tmp_path / "a.npz", "x")
    assert same(back.pop("arrays"), arrays)
    assert back == {"number": 0.1, "count": 3, "pair": [1, "a"], "7": "an integer key"}


def test_keys_that_look_like_paths_or_our_own_members_do_not_collide(tmp_path: Path) -> None:
    tree = {
        "a/b": np.array(1), "a": {"b": np.array(2)}, "json": np.array(3), "file": np.array(4),
        "dict": {"array": "a"},
    }  # fmt: skip
    save_archive(tmp_path / "a.npz", "x", tree)
    assert same(load_archive(tmp_path / "a.npz", "x"), tree)


def test_numpy_alone_reads_the_arrays_by_their_path(tmp_path: Path) -> None:
    save_archive(tmp_path / "a.npz", "model", {"weights": {"0.bias": np.array([1.0, 2.0])}})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert file["weights/0.bias"].tolist() == [1.0, 2.0]


def test_what_an_archive_cannot_hold_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"cannot hold object \(at a/1\)"):
        save_archive(tmp_path / "a.npz", "x", {"a": [1, object()]})
    with pytest.raises(ValueError, match="Object arrays"):
        save_archive(tmp_path / "a.npz", "x", {"a": np.array([object()])})
    assert list(tmp_path.iterdir()) == []


def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    save_archive(file, "x", {"a": 1})

    def half(stream: IO[bytes]) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, half)
    assert load_archive(file, "x") == {"a": 1}
    assert list(tmp_path.iterdir()) == [file]


def test_a_left_over_temporary_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "a.npz.tmp").write_bytes(b"from a killed process")
    save_archive(tmp_path / "a.npz", "x", {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*a\.npz: No such file or directory"):
        save_archive(tmp_path / "missing" / "a.npz", "x", {})
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(UsageError, match=r"cannot write .*folder\.npz: "):
        save_archive(tmp_path / "folder.npz", "x", {})
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npz"]


def saved(tmp_path: Path) -> bytes:
    file = tmp_path / "good.npz"
    save_archive(file, "checkpoint", {"weights": np.arange(50.0), "epoch": 3})
    return file.read_bytes()


def refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.npz"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        load_archive(file, "checkpoint")
    assert str(caught.value).startswith(f"{file} ")
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    content = saved(tmp_path)
    for size in [0, 1, 4, 30, len(content) // 2, len(content) - 22, len(content) - 1]:
        refused(tmp_path, content[:size], "truncated, damaged")


def test_a_file_with_a_flipped_bit_never_loads_as_something_else(tmp_path: Path) -> None:
    content = saved(tmp_path)
    good = load_archive(tmp_path / "good.npz", "checkpoint")
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        file = tmp_path / "bad.npz"
        file.write_bytes(damaged)
        try:
            back = load_archive(file, "checkpoint")
        except UsageError as error:
            assert "\n" not in str(error)  # noqa: PT017 - some bits carry nothing, so may load
        else:
            assert same(back, good)


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def as_json(content: Any) -> bytes:
    return npz(json=np.frombuffer(json.dumps(content).encode(), np.uint8))


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return stream.getvalue()


GOOD = {"format": "tinygrad_lecture archive", "version": 1, "kind": "checkpoint"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npz(weights=np.ones(3)), "not written by tinygrad_lecture: no member json"),
        (zipped(json=b"{}"), "is not a checkpoint that can be read"),
        (as_json({**GOOD, "kind": "model", "tree": {"dict": {}}}), "is a model, a checkpoint is"),
        (as_json({**GOOD, "version": 2, "tree": {"dict": {}}}), "version 2; this program reads"),
        (as_json({**GOOD, "format": "other", "tree": {"dict": {}}}), "has format 'other'"),
        (as_json({"some": "json"}), "is not a checkpoint that can be read"),
        (as_json([1, 2]), "is not a checkpoint that can be read"),
        (as_json({**GOOD, "tree": 3}), "is not a checkpoint that can be read"),
        (as_json({**GOOD, "tree": {"dict": {"a": {"array": "gone"}}}}), "can be read"),
        (as_json({**GOOD, "tree": {"dict": {"a": {"float": "x"}}}}), "can be read"),
        (as_json({**GOOD, "tree": {"dict": {"a": {"one": 1, "two": 2}}}}), "can be read"),
        (npz(json=np.frombuffer(b"no json", np.uint8)), "can be read"),
        (npz(json=np.frombuffer(b"[" * 100_000, np.uint8)), "can be read"),
        (pickle.dumps({"a": 1}), "truncated, damaged or no .npz file"),
        (b"\x93NUMPY and so on", "truncated, damaged or no .npz file"),
        (b"epoch,step\n1,2\n", "truncated, damaged or no .npz file"),
    ],
)
def test_foreign_files_are_refused_with_the_reason(
    tmp_path: Path, content: bytes, message: str
) -> None:
    refused(tmp_path, content, message)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_file_with_a_pickle_inside_is_refused_without_running_it(tmp_path: Path) -> None:
    bomb: Any = np.empty(1, dtype=object)
    bomb[0] = Bomb(tmp_path / "exploded")
    text = np.frombuffer(json.dumps({**GOOD, "tree": {"dict": {}}}).encode(), np.uint8)
    refused(tmp_path, npz(json=text, weights=bomb), "can be read: Object arrays cannot be loaded")
    assert not (tmp_path / "exploded").exists()


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.npz does not exist"):
        load_archive(tmp_path / "gone.npz", "checkpoint")
    with pytest.raises(UsageError, match="is not a checkpoint that can be read"):
        load_archive(tmp_path, "checkpoint")
