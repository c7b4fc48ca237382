"""Nests: tuples, lists and dicts of values, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    def walk(node: Any) -> Structure:
        if node is None:
            return None
        if isinstance(node, dict):
            return {key: walk(item) for key, item in node.items()}
        if isinstance(node, tuple) and hasattr(node, "_fields"):
            return type(node)(*(walk(item) for item in node))
        if isinstance(node, (tuple, list)):
            return type(node)(walk(item) for item in node)
        leaves.append(node)
        return LEAF

    return leaves, walk(tree)


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

    def walk(node: Structure) -> Any:
        if node is None:
            return None
        if isinstance(node, dict):
            return {key: walk(item) for key, item in node.items()}
        if isinstance(node, tuple) and hasattr(node, "_fields"):
            return type(node)(*(walk(item) for item in node))
        if isinstance(node, (tuple, list)):
            return type(node)(walk(item) for item in node)
        try:
            return next(rest)
        except StopIteration:
            raise ValueError(f"structure {structure} has more places than {len(leaves)}") from None

    tree = walk(structure)
    if next(rest, LEAF) is not LEAF:
        raise ValueError(f"structure {structure} has fewer places than {len(leaves)}")
    return tree


def nest_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply a function to each leaf."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])
