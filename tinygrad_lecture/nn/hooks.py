"""Hooks: functions that see what a module gave, and what came back to it.

A hook observes.  It is called with numbers, not with the graph, so that it does the same whether
the code around it runs eagerly or as a program of `tinygrad_lecture.compile`: there, what hooks
are to see are further results of the program, which are handed over after each run, in the order
in which an eager call would have handed them over.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..engine import Value, nest
from ..engine.modes import recorder
from ..engine.ops.table import Op
from ..engine.value import apply, raw

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Hooks", "RemovableHandle"]

Hook = Callable[..., None]
_numbers = itertools.count().__next__


class RemovableHandle:
    """What a registration returns: `remove` takes the hook away; so does the end of `with`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> layer = tg.nn.ReLU()
    >>> with layer.register_forward_hook(lambda module, args, output: print(output.data)):
    ...     _ = layer([-1.0, 2.0])
    [0. 2.]
    >>> _ = layer([-1.0, 2.0])
    """

    def __init__(self, hooks: Hooks, kind: str, hook: Hook) -> None:
        self._hooks, self._kind, self._number = hooks, kind, _numbers()
        hooks.of[kind][self._number] = hook
        hooks.tell()

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self._hooks.of[self._kind].pop(self._number, None)
        self._hooks.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class _Outbox(dict[str, Any]):
    """Hands its items over as soon as all of them have been set, each time anew.

    While a function is recorded its items are outputs of the program, as those of any dict that
    the recorder has adopted; the program sets them after each run, and so hands them over.
    """

    def __init__(self, number: int, deliver: Callable[[list[Any]], None]) -> None:
        super().__init__((str(i), None) for i in range(number))
        self._deliver = deliver
        self._missing = number

    def send(self, items: list[Any]) -> None:
        """Set all items."""
        if (active := recorder()) is not None:
            active.adopt(self, ())
        for i, x in enumerate(items):
            self[str(i)] = x if active is not None else raw(x)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if recorder() is not None:
            return
        self._missing -= 1
        if not self._missing:
            self._missing = len(self)
            items = list(self.values())
            self.update(dict.fromkeys(self))  # nothing is kept from run to run
            self._deliver(items)


class Hooks:
    """The hooks of one module, by kind.

    A copy of a module has none: nobody has asked to look at it yet.

    Parameters
    ----------
    attributes : dict
        Of the module.  Which kinds there are is kept there as ``_hooked``, a setting like others,
        so that a program is run only with the kinds of hooks that it was recorded with.  (It has a
        number, because a copy of the module keeps this setting.)
    """

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.of: dict[str, dict[int, Hook]] = {"forward": {}, "gradient": {}}
        self._attributes = attributes
        self._number = _numbers()

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None

    def tell(self) -> None:
        """Note in the module which kinds of hooks there are."""
        kinds = [kind for kind, hooks in self.of.items() if hooks]
        self._attributes["_hooked"] = f"{self._number}: {', '.join(kinds)}" if kinds else None

    def watch(self, module: Module, args: tuple[Any, ...], output: Any) -> Any:
        """Show a call to the forward hooks; return the output, watched if its gradient is to be."""
        if self.of["forward"]:
            self._show_forward(module, args, output)
        if self.of["gradient"] and isinstance(output, Value):
            return apply(_WATCHED, (output,), {"module": module})
        if self.of["gradient"] and isinstance(output, (tuple, list, dict)):
            raise TypeError(
                f"{type(module).__name__} returned a {type(output).__name__}: a gradient hook needs"
                " a module that returns one Value; register it on the parts"
            )
        return output

    def _show_forward(self, module: Module, args: tuple[Any, ...], output: Any) -> None:
        leaves, structure = nest.flatten((args, output))
        places = [i for i, x in enumerate(leaves) if _is_numeric(x)]

        def deliver(numbers: list[Any]) -> None:
            seen = list(leaves)
            for i, x in zip(places, numbers, strict=True):
                seen[i] = Value(x)
            self._call("forward", module, *nest.unflatten(structure, seen))

        numbers = [leaves[i] for i in places]
        for i in places:  # no graph is kept
            leaves[i] = None
        _Outbox(len(places), deliver).send(numbers)

    def show_gradient(self, module: Module, g: Any) -> None:
        """Show the adjoint of an output to the gradient hooks."""

        def deliver(numbers: list[Any]) -> None:
            (x,) = numbers
            self._call("gradient", module, (x if type(x) is float else np.array(x),))

        _Outbox(1, deliver).send([g])

    def _call(self, kind: str, *args: Any) -> None:
        for hook in list(self.of[kind].values()):
            answer = hook(*args)
            if answer is not None:
                raise TypeError(
                    f"a {kind} hook of {type(args[0]).__name__} returned a"
                    f" {type(answer).__name__}: hooks observe, and return None; to change what a"
                    " module computes, wrap it in a module of your own"
                )


def _is_numeric(x: Any) -> bool:
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "fiub"
    return isinstance(x, (Value, float, int, np.number)) and not isinstance(x, bool)


def _show(i: int, g: Any, out: Any, x: Any, *, module: Any) -> Any:
    module._hooks.show_gradient(module, g)
    return g


# Named as the identity, which a program leaves out.
_WATCHED = Op(
    "identity", "linear", 1,
    lambda values, params: values[0], _show, lambda t, out, x, module: t[0],
    symbol="hook", formula="x", needed=frozenset(),
)  # fmt: skip
