"""Functions written as text: reading and writing places without looking anything up."""

from __future__ import annotations

from typing import Any

from ..engine.recording import Cell

__all__ = ["Text", "is_known"]


def is_known(cell: Cell) -> bool:
    """Whether a place belongs to an object, and not to whatever an argument will be."""
    return not isinstance(cell.owner, int)


class Text:
    """The text of a function under way, and the objects that it names.

    With `once`, the way to an owner, such as an optimizer's state of a parameter, is gone once in
    a call of the function: it has to be there before its first line.
    """

    def __init__(self, reached: dict[int, Any], *, once: bool = False) -> None:
        self.reached, self.once = reached, once
        self.owners: dict[int, str] = {}
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self._known: dict[int, str] = {}

    def name(self, x: Any) -> str:
        """Return the name of an object."""
        if id(x) not in self._known:
            self._known[id(x)] = f"x{len(self._known)}"
            self.names[self._known[id(x)]] = x
        return self._known[id(x)]

    def owner(self, x: Any) -> str:
        """Return the expression of what holds a place: an object, an argument, or a way to it."""
        if isinstance(x, int):
            return f"flat[{x}]"
        if id(x) not in self.reached:
            return self.name(x)
        _, root, attribute, keys = self.reached[id(x)]
        way = f"{self.name(root)}.{attribute}" + "".join(f"[{self.name(k)}]" for k in keys)
        if not self.once:
            return way
        if id(x) not in self.owners:
            self.owners[id(x)] = f"owner{len(self.owners)}"
            self.lines.append(f"{self.owners[id(x)]} = {way}")
        return self.owners[id(x)]

    def key(self, cell: Cell) -> str:
        """Return the expression of an item's key."""
        return repr(cell.key) if isinstance(cell.key, str) else self.name(cell.key)

    def read(self, cell: Cell) -> str:
        """Return the expression of a place, to be read or assigned to."""
        owner = self.owner(cell.owner)
        if cell.kind == "argument":
            return owner
        if cell.kind in ("data", "grad"):
            return f"{owner}._{cell.kind}"
        if cell.kind == "element":
            return f"{owner}[{cell.key[0]!r}][{cell.key[1]}]"
        return f"{owner}[{self.key(cell)}]"

    def function(self, name: str, parameters: str) -> Any:
        """Compile the text."""
        body = "".join(f"    {line}\n" for line in self.lines or ["pass"])
        scope: dict[str, Any] = {}
        exec(compile(f"def {name}({parameters}):\n{body}", f"<compiled {name}>", "exec"),
             self.names, scope)  # fmt: skip
        return scope[name]
