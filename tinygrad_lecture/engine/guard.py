"""The array that `Value.data` hands out: NumPy's, but a write that would spoil a record raises."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .value import Value


class GuardedArray(np.ndarray[Any, Any]):
    """A view of a Value's array that asks its owner before each write.

    Arithmetic gives plain arrays.  ``p.data -= step`` rebinds (it makes a new array), so it is
    always allowed; ``p.data[i] = x`` writes, so it is allowed on a leaf that no living record
    needs.  The memory is marked read-only, so no route around the question is left open.
    """

    owner: weakref.ref[Value] | None = None  # weak: who keeps the data keeps no graph alive
    source: np.ndarray[Any, Any] | None = None

    def __array_finalize__(self, obj: Any) -> None:
        if not self.flags.writeable:  # a copy has memory of its own, and nobody to ask
            self.owner = getattr(obj, "owner", None)
            self.source = getattr(obj, "source", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [unguarded(x) for x in inputs]
        out = kwargs.pop("out", ())
        if method == "at" and isinstance(inputs[0], GuardedArray):
            plain[0] = np.copy(plain[0])  # ufunc.at would write into read-only memory
            ufunc.at(*plain)
            inputs[0][...] = plain[0]
            return None
        if not any(isinstance(o, GuardedArray) for o in out):
            return getattr(ufunc, method)(*plain, **({"out": out} if out else {}), **kwargs)
        fresh = tuple(np.copy(unguarded(o)) if isinstance(o, GuardedArray) else o for o in out)
        result = getattr(ufunc, method)(*plain, out=fresh, **kwargs)
        for o, new in zip(out, fresh, strict=True):
            if isinstance(o, GuardedArray):
                o[...] = new
        return result

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func not in WRITERS or not isinstance(args[0] if args else None, GuardedArray):
            return super().__array_function__(func, types, args, kwargs)
        fresh = np.copy(unguarded(args[0]))
        func(fresh, *(unguarded(x) for x in args[1:]), **kwargs)
        args[0][...] = fresh
        return None

    def __repr__(self) -> str:
        return repr(unguarded(self))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._write(lambda: np.ndarray.__setitem__(self, key, value))

    def fill(self, value: Any) -> None:
        """Fill, if no record needs the array."""
        self[...] = value

    def sort(self, *args: Any, **kwargs: Any) -> None:
        """Sort in place, if no record needs the array."""
        self._write(lambda: np.ndarray.sort(self, *args, **kwargs))

    def put(self, *args: Any, **kwargs: Any) -> None:
        """Put, if no record needs the array."""
        self._write(lambda: np.ndarray.put(self, *args, **kwargs))

    def partition(self, *args: Any, **kwargs: Any) -> None:
        """Partition in place, if no record needs the array."""
        self._write(lambda: np.ndarray.partition(self, *args, **kwargs))

    def _write(self, write: Callable[[], None]) -> None:
        if self.owner is None or self.source is None:
            return write()
        owner = self.owner()
        if owner is None:
            raise ValueError("write into data of a Value that is gone: copy the array first")
        owner._refuse_write(self.source)
        self.source.flags.writeable = self.flags.writeable = True
        try:
            write()
        finally:
            self.source.flags.writeable = self.flags.writeable = False

    def __reduce__(self) -> Any:
        return unguarded(self).copy().__reduce__()


def _rebinding(ufunc: Any) -> Callable[[GuardedArray, Any], Any]:
    def operator(self: GuardedArray, other: Any) -> Any:
        return ufunc(unguarded(self), unguarded(other), out=np.empty_like(unguarded(self)))

    return operator


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.mod, "pow": np.power,
}.items():  # fmt: skip
    setattr(GuardedArray, f"__i{_name}__", _rebinding(_ufunc))


WRITERS = {np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal}
"""NumPy's functions that write into their first argument."""


def unguarded(x: Any) -> Any:
    """Return a plain view of a guarded array, and anything else as it is."""
    return x.view(np.ndarray) if isinstance(x, GuardedArray) else x


def guarded(array: np.ndarray[Any, Any], owner: Value) -> GuardedArray:
    """Return a guarded view of `array` that belongs to `owner`."""
    array.flags.writeable = False  # also the array behind the view, so that flags open no way
    view = array.view(GuardedArray)
    view.owner, view.source = weakref.ref(owner), array
    return view
