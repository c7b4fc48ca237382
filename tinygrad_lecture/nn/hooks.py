"""Hooks: functions that see what a module gave, and what came back to it.

A hook observes.  It is called with numbers, not with the graph, so that it does the same whether
the code around it runs eagerly or as a program of `tinygrad_lecture.compile`: there, what hooks
are to see are further results of the program, which are handed over after each run, in the order
in which an eager call would have handed them over.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from ..engine import Value, nest
from ..engine.modes import recorder
from ..engine.ops.table import Op
from ..engine.sweep import tracked
from ..engine.value import apply, raw

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Hooks", "RemovableHandle"]

Hook = Callable[..., Any]
_numbers = itertools.count().__next__


class Registry(Protocol):
    """Hooks by kind and number; `tell` is called when there is another one, or one less."""

    of: dict[str, dict[int, Callable[..., Any]]]

    def tell(self) -> None:
        """Note the change."""


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

    def __init__(self, hooks: Registry, kind: str, hook: Callable[..., Any]) -> None:
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
        self._adopted = False

    def send(self, items: list[Any]) -> None:
        """Set all items."""
        for i, x in enumerate(items):
            self.put(str(i), x)

    def put(self, key: str, x: Any) -> None:
        """Set one item: to a number or array, or as it is while a function is recorded."""
        if (active := recorder()) is not None and not self._adopted:
            active.adopt(self, ())
            self._adopted = True
        self[key] = x if active is not None else raw(x)

    def __setitem__(self, key: str, value: Any) -> None:
        if recorder() is not None:
            super().__setitem__(key, value)
            return
        if self[key] is not None:  # the next run; the last one did not come to all items
            self._clear()
        super().__setitem__(key, value)
        self._missing -= 1
        if not self._missing:
            items = list(self.values())
            self._clear()
            self._deliver(items)

    def _clear(self) -> None:
        self._missing = len(self)
        self.update(dict.fromkeys(self))


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
        self.of: dict[str, dict[int, Hook]] = {"forward": {}, "gradient": {}, "backward": {}}
        self._attributes = attributes
        self._number = _numbers()

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None

    def tell(self) -> None:
        """Note in the module which kinds of hooks there are."""
        kinds = [kind for kind, hooks in self.of.items() if hooks]
        self._attributes["_hooked"] = f"{self._number}: {', '.join(kinds)}" if kinds else None

    def run(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the module's forward pass, and watch what goes in and comes out of it."""
        name = type(module).__name__
        back = _BackwardPass(self, module, len(args)) if self.of["backward"] else None
        output = module.forward(*(args if back is None else back.watched(args)), **kwargs)
        if self.of["forward"]:
            self._show_forward(module, args, output)
        if back is None and not self.of["gradient"]:
            return output
        if isinstance(output, (tuple, list, dict)):
            raise TypeError(
                f"{name} returned a {type(output).__name__}: a gradient hook needs"
                " a module that returns one Value; register it on the parts"
            )
        if not isinstance(output, Value):
            return output

        def arrive(g: Any) -> None:
            if self.of["gradient"]:
                self._show_gradient(module, g)
            if back is not None:
                back.start(g)

        return apply(_WATCHED, (output,), {"of": _Watcher(arrive, f"output of {name}")})

    def _show_forward(self, module: Module, args: tuple[Any, ...], output: Any) -> None:
        leaves, structure = nest.flatten((args, output))
        places = [i for i, x in enumerate(leaves) if _is_numeric(x)]

        def deliver(numbers: list[Any]) -> None:
            seen = list(leaves)
            for i, x in zip(places, numbers, strict=True):
                seen[i] = Value(x)
            self.call("forward", module, *nest.unflatten(structure, seen))

        numbers = [leaves[i] for i in places]
        for i in places:  # no graph is kept
            leaves[i] = None
        _Outbox(len(places), deliver).send(numbers)

    def _show_gradient(self, module: Module, g: Any) -> None:
        def deliver(numbers: list[Any]) -> None:
            if not _is_zero(numbers[0]):
                self.call("gradient", module, (_own(numbers[0]),))

        _Outbox(1, deliver).send([g])

    def call(self, kind: str, *args: Any) -> None:
        """Call the hooks of a kind, which are not to answer."""
        for hook in list(self.of[kind].values()):
            answer = hook(*args)
            if answer is not None:
                raise TypeError(
                    f"a {kind} hook of {type(args[0]).__name__} returned a"
                    f" {type(answer).__name__}: hooks observe, and return None; to change what a"
                    " module computes, wrap it in a module of your own"
                )


def _is_tracked(x: Value, active: Any) -> bool:
    """Whether a Value of a recording would be one in an eager call: derivatives flow to it."""
    stack, seen = [x], {x._n}
    while stack:
        v = stack.pop()
        if id(v) in active.copies or (v.is_leaf and v._n not in active.sources):
            return True
        for _, a in tracked(v):
            if a._n not in seen:
                seen.add(a._n)
                stack.append(a)
    return False


def _is_numeric(x: Any) -> bool:
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "fiub"
    return isinstance(x, (Value, float, int, np.number)) and not isinstance(x, bool)


def _is_zero(g: Any) -> bool:
    """Whether an eager backward pass stops here: at a scalar whose adjoint is exactly 0."""
    return type(g) is float and g == 0.0


def _own(x: Any) -> Any:
    return x if type(x) is float else np.array(x)


class _BackwardPass:
    """Collects the adjoints of output and inputs of one call, each time when it is gone back."""

    def __init__(self, hooks: Hooks, module: Module, inputs: int) -> None:
        self.hooks, self.module, self.inputs = hooks, module, inputs
        self.places: list[int] = []
        self.box: _Outbox | None = None

    def watched(self, args: tuple[Any, ...]) -> list[Any]:
        """Return the arguments, with those watched that are Values (or would be, eagerly)."""
        active = recorder()
        self.places = [
            i
            for i, x in enumerate(args)
            if isinstance(x, Value) and (active is None or _is_tracked(x, active))
        ]
        passed = list(args)
        for key, i in enumerate(self.places, start=1):
            watcher = _Watcher(self._arrival(str(key)), f"input of {type(self.module).__name__}")
            passed[i] = apply(_WATCHED, (args[i],), {"of": watcher})
        return passed

    def start(self, g: Any) -> None:
        """Take the adjoint of the output: those of the inputs come later."""
        self.box = _Outbox(1 + len(self.places), self._deliver)
        self.box.put("0", g)

    def _arrival(self, key: str) -> Callable[[Any], None]:
        def arrive(g: Any) -> None:
            if self.box is not None:
                self.box.put(key, g)

        return arrive

    def _deliver(self, numbers: list[Any]) -> None:
        if _is_zero(numbers[0]):
            return
        grad_input: list[Any] = [None] * self.inputs
        for i, x in zip(self.places, numbers[1:], strict=True):
            grad_input[i] = _own(x)
        self.hooks.call("backward", self.module, tuple(grad_input), (_own(numbers[0]),))


class _Watcher:
    """What is to be called with an adjoint, under a name for tapes and pictures."""

    def __init__(self, arrive: Callable[[Any], None], name: str) -> None:
        self.arrive, self.name = arrive, name

    def __repr__(self) -> str:
        return self.name


def _back(i: int, g: Any, out: Any, x: Any, *, of: _Watcher) -> Any:
    of.arrive(g)
    return g


# Named as the identity, which a program leaves out.
_WATCHED = Op(
    "identity", "linear", 1,
    lambda values, params: values[0], _back, lambda t, out, x, of: t[0],
    symbol="hook", formula="x", needed=frozenset(),
)  # fmt: skip
