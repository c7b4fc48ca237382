"""What the command line can point at: ``path/to/file.py:name`` and ``package.module:name``."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lecture.errors import UsageError

from .problem import TargetError


def load(target: str) -> Any:
    """Return the object that a target names.

    Parameters
    ----------
    target : str
        ``path/to/file.py:name`` or ``package.module:name``; ``name`` may have dots.

    Raises
    ------
    UsageError
        If the form is wrong, the file or module is missing, its syntax is wrong, or the name is
        not in it; as `TargetError` if it raises while it is imported.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.targets import load
    >>> load("math:sqrt")(4.0)
    2.0
    """
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name:
        raise UsageError(
            f"TARGET {target!r} names nothing in a file: write path/to/file.py:name or "
            "package.module:name"
        )
    is_file = where.endswith(".py") or "/" in where or "\\" in where
    module = _from_file(Path(where)) if is_file else _from_module(where)
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{where} has no name {part!r}{_hint(part, _public(found))}")
        found = getattr(found, part)
    return found


def _public(holder: Any) -> list[str]:
    return [n for n in dir(holder) if not n.startswith("_") and callable(getattr(holder, n, None))]


def _hint(name: str, names: Sequence[str]) -> str:
    similar = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if similar:
        return f"; did you mean {' or '.join(similar)}?"
    return f"; it has {', '.join(names[:8])}" if names else ""


def _from_file(path: Path) -> Any:
    if not path.exists():
        folder = path.parent if path.parent.is_dir() else Path()
        raise UsageError(f"no file {path}{_hint(path.name, [p.name for p in folder.glob('*.py')])}")
    if path.is_dir() or path.suffix != ".py":
        raise UsageError(f"{path} is not a Python file (its name has to end in .py)")
    try:
        compile(path.read_bytes(), str(path), "exec")
    except SyntaxError as error:
        raise UsageError(f"{path}:{error.lineno}: syntax error: {error.msg}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not Python source: {error}") from None
    name = f"gradcheck_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # a .py file always has a spec and a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader = spec.loader
    with _on_path(path.resolve().parent):
        _import(str(path), lambda: loader.exec_module(module))
    return module


def _from_module(name: str) -> Any:
    try:
        with _on_path(Path.cwd()):
            return _import(name, lambda: importlib.import_module(name))
    except TargetError as error:
        missing = error.original
        if isinstance(missing, ModuleNotFoundError) and f"{name}.".startswith(f"{missing.name}."):
            raise UsageError(
                f"no module called {missing.name}; for a file, write path/to/file.py:name"
            ) from None
        raise


def _import(label: str, call: Any) -> Any:
    try:
        return call()
    except SystemExit:
        raise UsageError(
            f"{label} ends the program when it is imported: put what it runs under "
            "if __name__ == '__main__':"
        ) from None
    except SyntaxError as error:
        raise UsageError(f"{error.filename}:{error.lineno}: syntax error: {error.msg}") from None
    except Exception as error:
        raise TargetError(label, error) from error


@contextlib.contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    """Let imports find what is beside the target."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of Python and NumPy, on which homework relies; restore them."""
    numpy_state = np.random.get_state()  # noqa: NPY002 (the target may use the global state)
    python_state = random.getstate()
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
