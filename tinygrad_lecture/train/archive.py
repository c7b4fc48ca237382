"""Archives: one ``.npz`` file that holds nested dicts and lists of numbers, text and arrays.

Arrays are members of their own, named by their path in the tree, so that `numpy.load` alone can
read them; all else is JSON in the member ``json``.  Nothing is ever pickled, so loading cannot run
code. Files are written beside their target, synced and renamed: a crash leaves the old file or the
new one.
"""

from __future__ import annotations

import json
import math
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import UsageError

__all__ = ["load_archive", "save_archive", "write_atomically"]

FORMAT = "tinygrad_lecture archive"
VERSION = 1
_PLAIN = re.compile(r"[\w.-]+(/[\w.-]+)*(?<!\.npy)", re.ASCII)  # paths that can name a zip member


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """Replace a file in one step: all of the new content, or the old file untouched.

    Parameters
    ----------
    path : path
        The file; its folder must exist.
    write : callable
        Called with the open temporary file ``<path>.tmp`` of the same folder.

    Raises
    ------
    UsageError
        If the folder or file cannot be written, with the system's reason.
    """
    target = Path(path)
    temporary = target.with_name(target.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"cannot write {target}: {error.strerror or error}") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save_archive(path: str | os.PathLike[str], kind: str, tree: Mapping[str, Any]) -> None:
    """Write a tree to a file, atomically.

    Parameters
    ----------
    path : path
        Usually ends in ``.npz``.
    kind : str
        What the file is, checked by `load_archive`.
    tree : dict
        Of dicts (keys become text), lists, tuples (become lists), arrays, numbers, text, bool,
        None.

    Raises
    ------
    TypeError
        If the tree holds something else, with its path.
    UsageError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from tinygrad_lecture.train import load_archive, save_archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "a.npz"
    ...     save_archive(file, "note", {"x": np.arange(3), "tags": ["a", None, 0.5]})
    ...     load_archive(file, "note")
    {'x': array([0, 1, 2]), 'tags': ['a', None, 0.5]}
    """
    arrays: dict[str, Any] = {"json": None}
    content = {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "tree": _encode(tree, (), arrays),
    }
    arrays["json"] = np.frombuffer(json.dumps(content, allow_nan=False).encode(), dtype=np.uint8)

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)

    write_atomically(path, write)


def _encode(node: Any, path: tuple[str, ...], arrays: dict[str, Any]) -> Any:
    if isinstance(node, Mapping):
        return {"dict": {str(k): _encode(v, (*path, str(k)), arrays) for k, v in node.items()}}
    if isinstance(node, (list, tuple)):
        return [_encode(item, (*path, str(i)), arrays) for i, item in enumerate(node)]
    if isinstance(node, np.ndarray):
        name = "/".join(path)
        if name in arrays or not _PLAIN.fullmatch(name):
            name = f"array {len(arrays)}"
        arrays[name] = node
        return {"array": name}
    if isinstance(node, np.generic):
        node = node.item()
    if isinstance(node, float) and not math.isfinite(node):
        return {"float": repr(node)}
    if node is None or isinstance(node, (bool, int, float, str)):
        return node
    raise TypeError(f"an archive cannot hold {type(node).__name__} (at {'/'.join(path)})")


def load_archive(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Read a file that `save_archive` wrote.

    Raises
    ------
    UsageError
        If the file is missing, truncated, damaged, of another program, version or kind.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()  # compares the checksum of every member
        if bad is not None:
            raise UsageError(f"{path} is damaged: the checksum of {bad} is wrong")
        with np.load(path, allow_pickle=False) as file:
            if "json" not in file.files:
                raise UsageError(
                    f"{path} was not written by tinygrad_lecture: no member json in it"
                )
            content = json.loads(file["json"].tobytes())
            arrays = {name: file[name] for name in file.files if name != "json"}
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise UsageError(
                f"{path} has format {content['format']!r}, version {content['version']}; this"
                f" program reads {FORMAT!r}, version {VERSION}"
            )
        if content["kind"] != kind:
            raise UsageError(f"{path} is a {content['kind']}, a {kind} is needed")
        return dict(_decode(content["tree"], arrays))
    except UsageError:
        raise
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist") from error
    except zipfile.BadZipFile as error:
        raise UsageError(f"{path} is truncated, damaged or no .npz file ({error})") from error
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path} is not a {kind} that can be read: {reason}") from error


def _decode(node: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_decode(item, arrays) for item in node]
    if isinstance(node, dict):
        ((tag, value),) = node.items()
        if tag == "dict":
            return {key: _decode(item, arrays) for key, item in value.items()}
        return arrays[value] if tag == "array" else float(value)
    return node
