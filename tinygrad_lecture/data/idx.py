"""IDX files, the format of MNIST: one array of up to 255 dimensions, plain or inside gzip.

A file starts with the bytes 0, 0, type code, number of dimensions; then come the dimensions as
32-bit integers and the values, all big-endian (http://yann.lecun.com/exdb/mnist/). Whether a file
is compressed is read from its first bytes, never from its name.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.data import _checks
from tinygrad_lecture.errors import UsageError

DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}

_GZIP = b"\x1f\x8b"
_GZIP_RATIO = 1032  # deflate spends at least 2 bits on 258 bytes (RFC 1951)
_MAX_NDIM = 64  # of a NumPy array
_MAX_BYTES = 2**31
_PIECE = 2**16


def read_idx(path: str | os.PathLike[str], max_bytes: int = _MAX_BYTES) -> NDArray[Any]:
    """Array in an IDX file.

    Parameters
    ----------
    path
        Regular file, gzip or not.
    max_bytes
        Size of the largest array to read, by default 2 GiB: a small compressed file can claim,
        and even hold, a thousand times its size.

    Returns
    -------
    ndarray
        Of the shape and type that the file names, in the machine's byte order.

    Raises
    ------
    UsageError
        If the file cannot be read or is damaged. The message names the file and what is wrong
        with it. Nothing is allocated before the size of the file allows for it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels-idx1-ubyte")
    ...     tg.data.write_idx(path, np.array([7, 2, 1], dtype=np.uint8))
    ...     tg.data.read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path, max_bytes = Path(path), _checks.count("max_bytes", max_bytes, 0)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block when it is opened
            raise UsageError(f"{path}: not a regular file")
        with path.open("rb") as file:
            compressed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            size = os.fstat(file.fileno()).st_size
            if not compressed:
                return _read(file, path, size, max_bytes)
            with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                return _read(stream, path, size * _GZIP_RATIO, max_bytes)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{path}: damaged gzip data: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error


def write_idx(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Write an array as an IDX file; through gzip if the name ends with ``.gz``.

    Equal arrays give equal files: no time or name is stored.

    Parameters
    ----------
    path
        File to write. One that exists is replaced.
    array
        Of type uint8, int8, int16, int32, float32 or float64, in any byte order and layout.

    Raises
    ------
    UsageError
        If IDX has no such type, a dimension does not fit into 32 bits, or the file cannot be
        written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "small.idx")
    ...     tg.data.write_idx(path, np.array([[1, 2]], dtype=np.int16))
    ...     print(path.read_bytes().hex(" ", 4))
    00000b02 00000001 00000002 00010002
    """
    path, array = Path(path), np.asarray(array)
    codes = [code for code, dtype in DTYPES.items() if dtype == array.dtype.newbyteorder("=")]
    if not codes:
        names = ", ".join(str(dtype) for dtype in DTYPES.values())
        raise UsageError(
            f"array has type {array.dtype}, an IDX file holds {names}: convert it with astype"
        )
    if any(length >= 2**32 for length in array.shape):
        raise UsageError(f"array has shape {array.shape}, an IDX dimension is less than 2**32")
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[0], array.ndim, *array.shape)
    values = array.astype(array.dtype.newbyteorder(">"), copy=False)
    try:
        with path.open("wb") as file:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream:
                    stream.write(header)
                    stream.write(values.tobytes())
            else:
                file.write(header)
                file.write(values.tobytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error


def _read(stream: io.BufferedIOBase, path: Path, capacity: int, max_bytes: int) -> NDArray[Any]:
    """Array in a stream that can hold at most `capacity` bytes."""
    dtype, shape, header_size = _read_header(stream, path)
    size = math.prod(shape) * dtype.itemsize
    claim = f"{'×'.join(map(str, shape))} {dtype}" if shape else f"one {dtype}"
    claim = f"the {size} bytes of data that its header announces ({claim})"
    if size > capacity - header_size:
        raise UsageError(
            f"{path}: truncated or false header: a file of this size holds at most "
            f"{capacity - header_size} of {claim}"
        )
    if size > max_bytes:
        raise UsageError(f"{path}: more than max_bytes={max_bytes} are needed for {claim}")
    data = np.empty(size, dtype=np.uint8)
    filled = 0
    # In pieces, since gzip's readinto makes a copy of all that it is asked for.
    while filled < size and (got := stream.readinto(data.data[filled : filled + _PIECE])):
        filled += got
    if filled < size:
        raise UsageError(f"{path}: truncated: holds {filled} of {claim}")
    # Reading on also makes gzip compare its checksum.
    if surplus := len(stream.read(_PIECE)):
        more = " or more" if surplus == _PIECE else ""
        raise UsageError(f"{path}: holds {surplus}{more} bytes of data beyond {claim}")
    values = data.view(dtype.newbyteorder(">")).reshape(shape)
    if values.dtype.isnative:
        return values
    return values.byteswap(inplace=True).view(dtype)


def _read_header(
    stream: io.BufferedIOBase, path: Path
) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    magic = stream.read(4)
    if magic[:2] != b"\0\0"[: len(magic)]:
        raise UsageError(
            f"{path}: not an IDX file: it starts with the bytes {magic.hex(' ')}, "
            f"an IDX file starts with 00 00, a type code and the number of dimensions"
        )
    if len(magic) < 4:
        raise UsageError(f"{path}: truncated header: {len(magic)} of 4 bytes")
    code, ndim = magic[2], magic[3]
    if code not in DTYPES:
        known = ", ".join(f"{key:02x} ({dtype})" for key, dtype in DTYPES.items())
        raise UsageError(f"{path}: unknown type code {code:02x}, IDX has {known}")
    if ndim > _MAX_NDIM:
        raise UsageError(f"{path}: {ndim} dimensions, an array has at most {_MAX_NDIM}")
    lengths = stream.read(4 * ndim)
    if len(lengths) < 4 * ndim:
        raise UsageError(
            f"{path}: truncated header: {4 + len(lengths)} of {4 + 4 * ndim} bytes "
            f"for {ndim} dimensions"
        )
    shape: tuple[int, ...] = struct.unpack(f">{ndim}I", lengths)
    if math.prod(length or 1 for length in shape) * DTYPES[code].itemsize >= 2**63:
        raise UsageError(f"{path}: absurd dimensions {'×'.join(map(str, shape))}")
    return DTYPES[code], shape, 4 + 4 * ndim
