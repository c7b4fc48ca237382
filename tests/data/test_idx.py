from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from tinygrad_lecture.data import read_idx, write_idx
from tinygrad_lecture.data.idx import DTYPES
from tinygrad_lecture.errors import UsageError

any_array = st.tuples(
    st.sampled_from([*DTYPES.values(), *(dtype.newbyteorder() for dtype in DTYPES.values())]),
    array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
).flatmap(lambda parts: arrays(*parts))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx")


def header(code: int, *shape: int) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


def saved(folder: Path, data: bytes) -> Path:
    path = folder / "file.idx"
    path.write_bytes(data)
    return path


def assert_refused(path: Path, message: str) -> None:
    """The error is one line that starts with the name of the file."""
    with pytest.raises(UsageError, match=message) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def assert_read_or_refused(path: Path) -> None:
    refusal = None
    try:
        read_idx(path)
    except UsageError as error:
        refusal = str(error)
    assert refusal is None or refusal.startswith(f"{path}: ")


@given(array=any_array, name=st.sampled_from(["a.idx", "a.idx.gz"]), turned=st.booleans())
def test_what_is_written_is_read(folder: Path, array: Any, name: str, turned: bool) -> None:
    array = np.asarray(array).T if turned else np.asarray(array)
    write_idx(folder / name, array)
    result = read_idx(folder / name)

    assert result.dtype == array.dtype.newbyteorder("=")
    assert result.dtype.isnative
    assert result.shape == array.shape
    assert result.tobytes() == array.astype(result.dtype).tobytes()
    assert result.flags.writeable
    assert result.flags.c_contiguous


@pytest.mark.parametrize(
    ("dtype", "data", "expected"),
    [
        ("u1", "00 00 08 01 00 00 00 02 07 ff", [7, 255]),
        ("i1", "00 00 09 01 00 00 00 02 07 ff", [7, -1]),
        ("i2", "00 00 0b 02 00 00 00 01 00 00 00 02 01 02 ff fe", [[258, -2]]),
        ("i4", "00 00 0c 01 00 00 00 01 00 00 01 00", [256]),
        ("f4", "00 00 0d 01 00 00 00 01 3f c0 00 00", [1.5]),
        ("f8", "00 00 0e 01 00 00 00 01 c0 04 00 00 00 00 00 00", [-2.5]),
        ("u1", "00 00 08 00 05", 5),
        ("u1", "00 00 08 02 00 00 00 00 00 00 00 03", np.zeros((0, 3)).tolist()),
    ],
)
def test_bytes_are_those_of_the_format(
    tmp_path: Path, dtype: str, data: str, expected: Any
) -> None:
    path = saved(tmp_path, bytes.fromhex(data))
    result = read_idx(path)
    write_idx(tmp_path / "again", result)

    assert (result.dtype, result.tolist()) == (np.dtype(dtype), expected)
    assert (tmp_path / "again").read_bytes() == bytes.fromhex(data)


def test_gzip_is_told_by_the_bytes_and_not_by_the_name(tmp_path: Path) -> None:
    plain, packed = header(8, 1) + b"\x05", tmp_path / "packed"
    packed.write_bytes(gzip.compress(plain, mtime=0))
    (tmp_path / "plain.gz").write_bytes(plain)

    assert read_idx(packed).tolist() == [5]
    assert read_idx(str(tmp_path / "plain.gz")).tolist() == [5]


def test_gzip_in_several_members_is_one_stream(tmp_path: Path) -> None:
    path = saved(tmp_path, gzip.compress(header(8, 3), mtime=0) + gzip.compress(b"\1\2\3", mtime=0))

    assert read_idx(path).tolist() == [1, 2, 3]


def test_equal_arrays_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(5, dtype=np.int16))

    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert (tmp_path / "a.gz").read_bytes()[3:8] == bytes(5)  # flags and time (RFC 1952)
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()).startswith(b"\0\0\x0b\1")


VALID = [
    header(0x08, 2, 3) + bytes(range(6)),
    header(0x0B, 4) + bytes(8),
    header(0x0E, 1, 2, 1) + bytes(16),
]
FILES = [*VALID, *(gzip.compress(data, mtime=0) for data in VALID)]


@pytest.mark.parametrize("number", range(len(FILES)))
def test_every_truncation_is_refused(tmp_path: Path, number: int) -> None:
    whole = FILES[number]
    read_idx(saved(tmp_path, whole))
    for length in range(len(whole)):
        assert_refused(
            saved(tmp_path, whole[:length]),
            "truncated|damaged gzip data|not an IDX file: it starts with the bytes 1f,",
        )


@given(whole=st.sampled_from(FILES), data=st.data())
def test_a_mutated_file_is_read_or_refused(folder: Path, whole: bytes, data: st.DataObject) -> None:
    mutated = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(mutated)))
        end = data.draw(st.integers(start, min(len(mutated), start + 4)))
        mutated[start:end] = data.draw(st.binary(max_size=4))
    path = saved(folder, bytes(mutated))

    assert_read_or_refused(path)


@given(junk=st.binary(max_size=64), prefix=st.sampled_from([b"", b"\0\0", b"\x1f\x8b\x08"]))
def test_junk_is_read_or_refused(folder: Path, junk: bytes, prefix: bytes) -> None:
    path = saved(folder, prefix + junk)

    assert_read_or_refused(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated header: 0 of 4 bytes"),
        (b"\0\0\x08", "truncated header: 3 of 4 bytes"),
        (header(8, 2, 3)[:9], "truncated header: 9 of 12 bytes for 2 dimensions"),
        (b"\x89PNG\r\n", "not an IDX file: it starts with the bytes 89 50 4e 47, an IDX file"),
        (b"7", "not an IDX file: it starts with the bytes 37, an IDX file starts with 00 00"),
        (b"\0\0\x0a\x01", r"unknown type code 0a, IDX has 08 \(uint8\), .* 0e \(float64\)"),
        (b"\0\0\x08\xff", "255 dimensions, an array has at most 64"),
        (
            header(8, 2, 3) + b"\1\2\3\4",
            r"at most 4 of the 6 bytes of data that its header announces \(2×3 uint8\)",
        ),
        (header(8), r"at most 0 of the 1 bytes .* \(one uint8\)"),
        (
            header(0x0B, 1) + b"\0\0\0\0\0",
            r"holds 3 bytes of data beyond the 2 bytes .* announces \(1 int16\)",
        ),
        (header(8, 0) + b"\1", "holds 1 bytes of data beyond the 0 bytes"),
        (header(8, 1) + bytes(10**5), "holds 65536 or more bytes of data beyond the 1 bytes"),
        (header(0x0E, *[2**32 - 1] * 2), "absurd dimensions 4294967295×4294967295"),
        (header(8, 0, *[2**32 - 1] * 3), "absurd dimensions 0×4294967295×4294967295×4294967295"),
    ],
)
def test_the_reason_is_given(tmp_path: Path, data: bytes, message: str) -> None:
    assert_refused(saved(tmp_path, data), message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            gzip.compress(header(8, 2, 3) + b"\1\2\3\4", mtime=0),
            r"truncated: holds 4 of the 6 bytes of data that its header announces \(2×3 uint8\)",
        ),
        (
            gzip.compress(header(8, 1) + b"\1\2", mtime=0),
            "holds 1 bytes of data beyond the 1 bytes",
        ),
        (gzip.compress(b"hello", mtime=0), "not an IDX file: it starts with the bytes 68 65 6c 6c"),
        (
            gzip.compress(header(8, 5) + bytes(5), mtime=0)[:-9],
            "damaged gzip data: Compressed file ended",
        ),
        (b"\x1f\x8b", "damaged gzip data"),
        (b"\x1f\x8b\x07" + bytes(20), "damaged gzip data: Unknown compression method"),
        (
            gzip.compress(header(8, 1) + b"\1", mtime=0) + b"junk",
            "damaged gzip data: Not a gzipped file",
        ),
    ],
)
def test_the_reason_is_given_for_gzip(tmp_path: Path, data: bytes, message: str) -> None:
    assert_refused(saved(tmp_path, data), message)


def test_a_wrong_checksum_is_noticed(tmp_path: Path) -> None:
    good = header(8, 4) + b"\1\2\3\4"
    packed = bytearray(gzip.compress(good, mtime=0))
    packed[-8:-4] = struct.pack("<I", zlib.crc32(good) ^ 1)

    assert_refused(saved(tmp_path, bytes(packed)), "damaged gzip data: CRC check failed")


def peak_of_refusal(path: Path, message: str) -> int:
    tracemalloc.start()
    try:
        assert_refused(path, message)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [False, True])
def test_nothing_is_allocated_that_the_file_cannot_hold(tmp_path: Path, packed: bool) -> None:
    data = header(8, 2**20, 2**10) + bytes(1000)  # claims 1 GiB
    path = saved(tmp_path, gzip.compress(data, mtime=0) if packed else data)

    assert peak_of_refusal(path, "a file of this size holds at most") < 2**20


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(header(8, 10) + bytes(2**25))

    assert len(bomb) < 2**16
    assert peak_of_refusal(saved(tmp_path, bomb), "holds 65536 or more bytes") < 2**20


def test_max_bytes_limits_what_is_read(tmp_path: Path) -> None:
    for data in (header(8, 10**6) + bytes(10**6), gzip.compress(header(8, 10**6) + bytes(10**6))):
        path = saved(tmp_path, data)

        assert read_idx(path, max_bytes=10**6).shape == (10**6,)
        with pytest.raises(UsageError, match="more than max_bytes=999999 are needed for the 10000"):
            read_idx(path, max_bytes=10**6 - 1)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "f8"])
def test_reading_takes_the_memory_of_the_array_once(
    tmp_path: Path, packed: bool, dtype: str
) -> None:
    array: NDArray[Any] = np.zeros(4_000_000 // np.dtype(dtype).itemsize, dtype)
    path = tmp_path / ("a.gz" if packed else "a")
    write_idx(path, array)
    tracemalloc.start()
    try:
        read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 4_000_000 + 2**19


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert_refused(tmp_path / "none", "cannot be read: No such file or directory")
    assert_refused(tmp_path, "not a regular file")
    assert_refused(tmp_path / "pipe", "not a regular file")


def test_max_bytes_must_be_a_number(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="max_bytes must be at least 0, got -1"):
        read_idx(tmp_path, max_bytes=-1)


@pytest.mark.parametrize("dtype", ["i8", "u2", "?", "f2", "c16", "U1", "O"])
def test_a_type_that_idx_lacks_is_refused(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(UsageError, match=r"array has type .*, an IDX file holds uint8, int8"):
        write_idx(tmp_path / "a", np.zeros(2, dtype))
    assert not (tmp_path / "a").exists()


def test_a_dimension_of_more_than_32_bits_is_refused(tmp_path: Path) -> None:
    array = np.broadcast_to(np.uint8(0), (2**32, 1))

    with pytest.raises(UsageError, match=r"array has shape \(4294967296, 1\), an IDX dimension"):
        write_idx(tmp_path / "a", array)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none/a: cannot be written: No such file or directory"):
        write_idx(tmp_path / "none" / "a", np.zeros(1, np.uint8))
