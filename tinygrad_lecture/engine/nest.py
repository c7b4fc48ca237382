"""Nests: tuples, lists and dicts of values, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Structure = Any
"""What is left of a nest without its leaves: ``*`` for a leaf, None, or a container of these."""

LEAF = "*"


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves of a nest in order, and its structure.

    Dicts are gone through in the order of their keys as inserted; None is an empty nest.  A
    nest is as deep as its source text, so recursion is no concern here.

    Examples
    --------
    >>> flatten({"w": 1.0, "b": (2.0, None)})
    ([1.0, 2.0], {'w': '*', 'b': ('*', None)})
    """
    leaves: list[Any] = []
    return leaves, _take_apart(tree, leaves.append)


def _take_apart(node: Any, keep: Callable[[Any], None]) -> Structure:
    # a function of the module: a closure that calls itself would be a reference cycle, and the
    # leaves, with the graphs behind them, would live until the cyclic collector came by
    if node is None:
        return None
    if isinstance(node, dict):
        return {key: _take_apart(item, keep) for key, item in node.items()}
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return type(node)(*(_take_apart(item, keep) for item in node))
    if isinstance(node, (tuple, list)):
        return type(node)(_take_apart(item, keep) for item in node)
    keep(node)
    return LEAF


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """Put leaves into a structure; the inverse of `flatten`.

    Raises
    ------
    ValueError
        If there are more or fewer leaves than places.

    Examples
    --------
    >>> unflatten({"w": "*", "b": ("*", None)}, [1.0, 2.0])
    {'w': 1.0, 'b': (2.0, None)}
    """
    rest = iter(leaves)
    try:
        tree = _put_together(structure, rest)
    except StopIteration:
        raise ValueError(f"structure {structure} has more places than {len(leaves)}") from None
    if next(rest, LEAF) is not LEAF:
        raise ValueError(f"structure {structure} has fewer places than {len(leaves)}")
    return tree


def _put_together(node: Structure, rest: Iterator[Any]) -> Any:
    if node is None:
        return None
    if isinstance(node, dict):
        return {key: _put_together(item, rest) for key, item in node.items()}
    if isinstance(node, (tuple, list)):
        items = [_put_together(item, rest) for item in node]
        return type(node)(*items) if hasattr(node, "_fields") else type(node)(items)
    return next(rest)


def nest_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply a function to each leaf."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])
