"""Where a hand-written module keeps its parameters and their gradients.

Parameters are the float arrays among the attributes of the object as it was constructed, also in
a dict ``params`` and in nested modules and lists of them; a plain float counts if a gradient is
stored for it.  The gradient of ``W`` is an attribute next to it (`GRADIENT_NAMES`: ``dW``,
``grad_W``, ``W_grad``, ...) or an entry of a dict next to it (`DICTIONARIES`).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

GRADIENT_NAMES = ("d{}", "grad_{}", "{}_grad", "d_{}", "g_{}", "grad{}", "{}grad", "delta_{}")
"""Attribute names under which the gradient of a parameter or an input is looked for."""

DICTIONARIES = ("grads", "gradients", "grad")
"""Dict attributes that are searched for the parameter's name and for these names."""

PARAMETERS = ("params", "parameters", "weights")
"""Dict attributes that hold parameters."""

Path: TypeAlias = tuple[str | int, ...]


def is_module(target: Any) -> bool:
    """Whether a target has ``forward`` and ``backward``."""
    return callable(getattr(target, "forward", None)) and callable(
        getattr(target, "backward", None)
    )


def parameter_paths(module: Any, after: Any) -> dict[str, Path]:
    """Return the paths of the parameters of a module, by printed name.

    Parameters
    ----------
    module : object
        The module as it was constructed.
    after : object
        A copy of it after ``forward`` and ``backward``, with the gradients.
    """
    found: dict[str, Path] = {}
    seen: set[int] = set()

    def visit(item: Any, path: Path, name: str) -> None:
        if isinstance(item, np.ndarray):
            if item.dtype.kind == "f" and not _names_gradient(module, path):
                found[name] = path
        elif isinstance(item, float):
            if gradient_at(after, path) is not None:
                found[name] = path
        elif isinstance(item, dict):
            if path[-1] in PARAMETERS:
                for key, part in item.items():
                    visit(part, (*path, key), f"{name}[{key!r}]")
        elif isinstance(item, list | tuple):
            for k, part in enumerate(item):
                if is_module(part):
                    visit(part, (*path, k), f"{name}[{k}]")
        elif (not path or is_module(item)) and id(item) not in seen:
            seen.add(id(item))
            for key, part in getattr(item, "__dict__", {}).items():
                visit(part, (*path, key), f"{name}.{key}" if name else key)

    visit(module, (), "")
    return found


def _names_gradient(module: Any, path: Path) -> bool:
    """Whether the last name on a path is that of the gradient of a neighbour."""
    holder = follow(module, path[:-1])
    neighbours = holder if isinstance(holder, dict) else getattr(holder, "__dict__", {})
    return any(path[-1] in spellings(str(name)) - {name} for name in neighbours)


def spellings(name: str) -> set[str]:
    """Return the names under which the gradient of `name` may come.

    Examples
    --------
    >>> from tinygrad_lecture.gradcheck.parameters import spellings
    >>> "dW" in spellings("W") and "W_grad" in spellings("W")
    True
    """
    return {name, *(pattern.format(name) for pattern in GRADIENT_NAMES)}


def follow(item: Any, path: Path) -> Any:
    """Return what is at the end of a path of attributes, keys and positions."""
    for step in path:
        inside = isinstance(item, dict) or isinstance(step, int)
        item = item[step] if inside else getattr(item, str(step))
    return item


def place(item: Any, path: Path, value: Any) -> None:
    """Put a value at the end of a path."""
    holder = follow(item, path[:-1])
    if isinstance(holder, dict):
        holder[path[-1]] = value
    else:
        setattr(holder, str(path[-1]), value)


def find_gradient(holder: Any, name: str | int) -> Any:
    """Return the gradient that is stored for `name` next to it, or None.

    `holder` is the object with the attribute `name`; for an entry of a dict ``params``, the
    module around that dict.
    """
    names = [pattern.format(name) for pattern in GRADIENT_NAMES]
    for spelling in names:
        stored = getattr(holder, spelling, None)
        if stored is not None and not callable(stored):
            return stored
    for dictionary in DICTIONARIES:
        stored = getattr(holder, dictionary, None)
        if isinstance(stored, dict):
            for spelling in (str(name), *names):
                if stored.get(spelling) is not None:
                    return stored[spelling]
    return None


def gradient_at(module: Any, path: Path) -> Any:
    """Return the gradient of the parameter at the end of a path, or None."""
    depth = -2 if len(path) > 1 and isinstance(follow(module, path[:-1]), dict) else -1
    return find_gradient(follow(module, path[:depth]), path[-1])
