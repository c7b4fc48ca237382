"""Containers of modules: `Sequential` runs its children in turn, `ModuleList` only holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self, overload

from .module import Module

__all__ = ["ModuleList", "Sequential"]


class _Numbered(Module):
    """Children under the attributes ``0``, ``1``, ...: what both containers share."""

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns the container."""
        self._put(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; returns the container."""
        for module in modules:
            self.append(module)
        return self

    def _put(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__} holds modules, got {type(module).__name__}"
                f" at position {name}"
            )
        setattr(self, name, module)

    def __len__(self) -> int:
        return sum(1 for _ in self.named_children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Module | Self:
        if isinstance(index, slice):
            return type(self)().extend(list(self.children())[index])
        return self._child(index)[1]

    def __setitem__(self, index: int, module: Module) -> None:
        self._put(self._child(index)[0], module)

    def _child(self, index: int) -> tuple[str, Module]:
        children = list(self.named_children())
        if not -len(children) <= index < len(children):
            raise IndexError(
                f"{type(self).__name__} has {len(children)} modules, there is no number {index}"
            )
        return children[index]


class Sequential(_Numbered):
    """Chain of modules: the output of one is the input of the next (L13).

    Parameters
    ----------
    *modules : Module
        In the order of the forward pass.

    Raises
    ------
    TypeError
        If an argument is not a `Module`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> net = tg.nn.Sequential(tg.nn.Linear(2, 4, rng=0), tg.nn.Tanh(), tg.nn.Linear(4, 1, rng=1))
    >>> net
    Sequential(
      (0): Linear(in_features=2, out_features=4, bias=True)
      (1): Tanh()
      (2): Linear(in_features=4, out_features=1, bias=True)
    )
    >>> net([[0.0, 1.0], [1.0, 0.0]]).shape
    (2, 1)
    >>> net[1], len(net)
    (Tanh(), 3)
    """

    def __init__(self, *modules: Module) -> None:
        for module in modules:
            self.append(module)

    def forward(self, x: Any) -> Any:
        """Pass ``x`` through all modules in turn."""
        for module in vars(self).values():
            if isinstance(module, Module):
                x = module(x)
        return x


class ModuleList(_Numbered):
    """List of modules that a `Module` can keep as an attribute; it has no forward of its own.

    Parameters
    ----------
    modules : iterable of Module, optional

    Raises
    ------
    TypeError
        If an item is not a `Module`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> layers = tg.nn.ModuleList(tg.nn.Linear(3, 3, rng=i) for i in range(2))
    >>> [name for name, _ in layers.named_parameters()]
    ['0.weight', '0.bias', '1.weight', '1.bias']
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        for module in modules:
            self.append(module)
