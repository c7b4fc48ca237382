"""`Value`, the one class of the engine, and `apply`, the one way in which an op is recorded."""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import sweep
from .guard import guarded, unguarded
from .modes import HOT, TRACING, Modes, Site, current, recorder

if TYPE_CHECKING:
    from .ops.table import Op

next_number = itertools.count().__next__
new = object.__new__


class Value:
    """A tracked number or array.

    A plain number or array is a constant; a `Value` is something that derivatives are taken
    with respect to, or the result of ops on such.  Of shape ``()`` its data is a Python float.

    Parameters
    ----------
    data : number, array_like
        Integers and booleans become float64; float16, float32 and float64 arrays stay as they
        are, and are copied.  Complex and non-numeric data are refused.
    name : str, optional
        A label for tables and pictures.

    Attributes
    ----------
    data : float or ndarray
        The primal.  On a leaf, assignment rebinds it: what was recorded before keeps the old one.
    grad : float, ndarray or None
        The adjoint; None before any `backward`.  Leaves accumulate over calls.
    name : str or None

    Raises
    ------
    TypeError
        If the data are complex, text, objects or already tracked.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> x = tg.Value(3.0, name="x")
    >>> y = x * x + x
    >>> y.backward()
    >>> y.data, x.grad
    (12.0, 7.0)
    """

    __slots__ = ("__weakref__", "_a", "_b", "_data", "_grad", "_n", "_name", "_op", "_p", "_q")

    _data: Any
    _grad: Any
    _name: str | None  # unset on a record without a name
    _n: int
    _op: Any  # a row of the op table, or None for a leaf
    _a: Any
    _b: Any
    _p: Any
    _q: Any

    def __init__(self, data: Any, name: str | None = None) -> None:
        self._grad = self._op = self._a = self._b = self._p = self._q = None
        if TRACING and isinstance(data, Value) and (active := recorder()) is not None:
            active.copy_into(self, data)
        else:
            self._data = data if type(data) is float else _leaf_data(data)
        self._n = next_number()
        self._name = name

    # ---------------------------------------------------------------- reading and writing

    @property
    def data(self) -> Any:
        """The primal: a float, or a guarded view of the array."""
        if TRACING and (active := recorder()) is not None:
            return active.primal(self)
        d = self._data
        return d if type(d) is float else guarded(d, self)

    @data.setter
    def data(self, new_data: Any) -> None:
        if self._a is not None:
            raise TypeError(
                f"data of {self._describe()} is the result of {self._op.name}: only a leaf's "
                "data can be rebound; use .detach() to get a leaf"
            )
        traced = TRACING and isinstance(new_data, Value) and recorder() is not None
        fresh = new_data if type(new_data) is float or traced else _leaf_data(new_data)
        if np.shape(fresh) != self.shape:
            raise ValueError(
                f"data of {self._describe()} has shape {self.shape}, and what came has shape "
                f"{np.shape(fresh)}: rebinding keeps the shape; make a new Value for another one"
            )
        self._rebind(fresh)

    def _rebind(self, fresh: Any) -> None:
        """Rebind a leaf to data of its shape that nobody else will write to."""
        if TRACING and (active := recorder()) is not None:
            fresh = active.rebind(self, fresh)
        self._data = fresh
        self._p = next_number()
        self._q = None

    def _current(self) -> Any:
        """Return the data as whoever replaces them reads them: bare, or traced in a recording."""
        if TRACING and (active := recorder()) is not None:
            return active.primal(self)
        return self._data

    @property
    def grad(self) -> Any:
        """The adjoint, or None if no backward pass has reached this value."""
        if TRACING and (active := recorder()) is not None:
            return active.adjoint(self)
        g = self._grad
        if g is None or (type(g) is float and type(self._data) is float):
            return g
        if type(g) is float:
            g = self._grad = sweep.zero_filled(self)
        if self._a is None:
            return g
        view = g.view()  # adjoints of inner values may share memory with each other
        view.flags.writeable = False
        return view

    @grad.setter
    def grad(self, g: Any) -> None:
        if TRACING and (active := recorder()) is not None:
            active.set_adjoint(self, g)
            return
        if g is not None:
            g = _leaf_data(g)
            if np.shape(g) != self.shape:
                if np.ndim(g) != 0:
                    raise ValueError(
                        f"grad of {self._describe()} has to have shape {self.shape}, not "
                        f"{np.shape(g)}"
                    )
                g = np.full(self.shape, g, self.dtype)
            elif type(g) is not float:
                g = g.astype(self.dtype, copy=False)
        self._grad = g
        if self._a is None:
            self._b = None

    @property
    def name(self) -> str | None:
        """The label for tables and pictures."""
        return getattr(self, "_name", None)

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name

    def zero_grad(self) -> None:
        """Forget the accumulated gradient: ``grad`` is None again."""
        self.grad = None

    def _spend_grad(self) -> bool:
        """Mark a leaf's gradient as used by an optimizer; return whether it already was.

        Backward leaves the mark alone, so a gradient that was added to a used one is found.
        """
        if TRACING and (active := recorder()) is not None:
            return bool(active.spend_adjoint(self))
        spent = self._b is True
        self._b = True
        return spent

    def item(self) -> float:
        """Return the data as a Python float.

        Raises
        ------
        ValueError
            If there is not exactly one number.
        """
        self._refuse_leaving("item()")
        if self.size != 1:
            raise ValueError(f"item() needs one number, and this Value has shape {self.shape}")
        return float(self._data if type(self._data) is float else self._data.reshape(()))

    def detach(self) -> Value:
        """Return a new leaf with the same data and no history."""
        return Value(self._data, self.name)

    def __copy__(self) -> Value:
        return self.detach()

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        if self._a is not None:
            raise TypeError(
                f"deepcopy of {self._describe()}: it is the result of {self._op.name}, and its "
                "history is not copied; use .detach(), or copy the leaves and record again"
            )
        twin = type(self).__new__(type(self))
        Value.__init__(twin, self._data, self.name)
        twin._grad = self._grad.copy() if isinstance(self._grad, np.ndarray) else self._grad
        return twin

    def __reduce__(self) -> Any:
        raise TypeError("a Value is not pickled: save its .data, as state_dict and .npz do")

    @property
    def is_leaf(self) -> bool:
        """Whether this is an input rather than the result of a recorded op."""
        return self._a is None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape; ``()`` for a scalar."""
        return () if type(self._data) is float else self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return 0 if type(self._data) is float else self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return 1 if type(self._data) is float else self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype; float64 for a scalar."""
        return np.dtype(np.float64) if type(self._data) is float else self._data.dtype

    def backward(self, seed: Any = None) -> None:
        """Propagate adjoints from this value to everything behind it.

        Leaves gain the gradient (call `zero_grad`, or set ``grad = None``, between steps); inner
        values show the adjoint of this call.  Calling it twice is safe.

        Parameters
        ----------
        seed : number or array_like of this value's shape, optional
            The adjoint of this value: 1 for a scalar.

        Raises
        ------
        ValueError
            If this value is an array and no seed is given, or the seed has another shape.

        Examples
        --------
        >>> import tinygrad_lecture as tg
        >>> a = tg.Value(2.0)
        >>> b = a + a
        >>> (b + b).backward()
        >>> a.grad
        4.0
        """
        if TRACING and (active := recorder()) is not None:
            active.backward(self, seed)
        else:
            sweep.backward(self, seed_of(self, seed))

    # ---------------------------------------------------------------- Python protocols

    def _describe(self) -> str:
        return f"Value {self.name}" if self.name else f"a Value of shape {self.shape}"

    def _refuse_leaving(self, call: str) -> None:
        if TRACING and (active := recorder()) is not None:
            active.refuse(self, call)

    def __repr__(self) -> str:
        self._refuse_leaving("printing")
        data = (
            repr(self._data)
            if type(self._data) is float
            else np.array2string(self._data, separator=", ", threshold=50, prefix="Value(")
        )
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        grad = (
            "not computed"
            if self._grad is None
            else (repr(self.grad) if self.ndim == 0 else f"<{self.dtype}{list(self.shape)}>")
        )
        name = f", name={self.name!r}" if self.name else ""
        return f"Value({data}{dtype}, grad={grad}{name})"

    def __format__(self, spec: str) -> str:
        self._refuse_leaving("printing")
        return format(self._data, spec) if spec else repr(self)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        outcome = bool(self._data)
        if TRACING and (active := recorder()) is not None:
            active.guard(self, outcome)
        note_branch("bool", outcome)
        return outcome

    def __invert__(self) -> Any:
        return self._logical(np.logical_not)

    def __and__(self, other: Any) -> Any:
        return self._logical(np.logical_and, other)

    def __or__(self, other: Any) -> Any:
        return self._logical(np.logical_or, other)

    def __rand__(self, other: Any) -> Any:
        return self & other

    def __ror__(self, other: Any) -> Any:
        return self | other

    def _logical(self, function: Any, *other: Any) -> Any:
        """Combine outcomes of comparisons, which are Values while a function is recorded."""
        if TRACING and (active := recorder()) is not None:
            return active.plain(function, (self, *other), {})
        raise TypeError(
            f"{function.__name__} of {self._describe()}: it holds numbers; &, | and ~ combine "
            "comparisons, such as (x > 0) & (x < 1)"
        )

    def _refuse_number(self, call: str, instead: str) -> None:
        self._refuse_leaving(call)
        if not HOT["special"] or current().recording:
            raise TypeError(
                f"{call} of {self._describe()} would silently lose its gradient: use {instead}; "
                "for the bare number use .item() or .data"
            )

    def __float__(self) -> float:
        self._refuse_number(
            "float() or a math function", "tg.exp(v) and the like, which are tracked"
        )
        return self.item()

    def __int__(self) -> int:
        self._refuse_number("int()", "floor division, which is tracked")
        return int(self.item())

    def __index__(self) -> int:
        self._refuse_leaving("indexing")
        raise TypeError(f"{self._describe()} is not an index: use int(v.item())")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self._refuse_number("np.asarray()", "tg.stack([...]) for a list of Values, or tg functions")
        return np.array(self._data, dtype=dtype)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("a Value of shape () has no len()")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Value]:
        if self.ndim == 0:
            raise TypeError("a Value of shape () cannot be iterated over")
        return (self[i] for i in range(self.shape[0]))

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError(
            f"x[i] = v would change {self._describe()}, which records may need: write "
            "x = tg.at_set(x, i, v), or tg.where(mask, v, x), or build it with tg.stack([...])"
        )

    def _refuse_write(self, array: Any) -> None:
        if self._a is not None:
            raise ValueError(
                f"write into data of {self._describe()}: it is the result of {self._op.name} and "
                "belongs to the record; copy it first: v.data.copy()"
            )
        if array is not self._data:
            raise ValueError(
                f"write into earlier data of {self._describe()}, which was rebound since: read "
                ".data again, and write there"
            )
        users = [user for user in (ref() for ref in self._q or ()) if user is not None]
        if users:
            raise ValueError(
                f"write into data of {self._describe()}: {users[-1]._op.name} (record number "
                f"{users[-1]._n}) still needs the array; rebind instead (p.data = new, or "
                "p.data -= step), or drop the output first"
            )

    if TYPE_CHECKING:  # attached from the op table, row by row; a test compares the two lists

        def __add__(self, other: Any) -> Value: ...
        def __radd__(self, other: Any) -> Value: ...
        def __sub__(self, other: Any) -> Value: ...
        def __rsub__(self, other: Any) -> Value: ...
        def __mul__(self, other: Any) -> Value: ...
        def __rmul__(self, other: Any) -> Value: ...
        def __truediv__(self, other: Any) -> Value: ...
        def __rtruediv__(self, other: Any) -> Value: ...
        def __floordiv__(self, other: Any) -> Value: ...
        def __rfloordiv__(self, other: Any) -> Value: ...
        def __mod__(self, other: Any) -> Value: ...
        def __rmod__(self, other: Any) -> Value: ...
        def __pow__(self, other: Any) -> Value: ...
        def __rpow__(self, other: Any) -> Value: ...
        def __matmul__(self, other: Any) -> Value: ...
        def __rmatmul__(self, other: Any) -> Value: ...
        def __neg__(self) -> Value: ...
        def __pos__(self) -> Value: ...
        def __abs__(self) -> Value: ...
        def __lt__(self, other: Any) -> Any: ...
        def __le__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __ge__(self, other: Any) -> Any: ...
        def __eq__(self, other: object) -> Any: ...
        def __ne__(self, other: object) -> Any: ...
        def __getitem__(self, key: Any) -> Value: ...
        @property
        def T(self) -> Value: ...  # noqa: N802, D102 - NumPy's name; documented at transpose
        def __getattr__(self, name: str) -> Callable[..., Value]: ...


def _leaf_data(data: Any) -> Any:
    """Return data as a float, or as a float array of its own."""
    if isinstance(data, Value):
        raise TypeError("data is already a Value: use it as it is, or .detach() for a new leaf")
    if isinstance(data, (list, tuple)) and any(isinstance(d, Value) for d in data):
        raise TypeError("data holds Values, whose gradients would be lost: use tg.stack([...])")
    array = np.asarray(unguarded(data))
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"data has to be real numbers, and {brief_type(data)} came: floats, ints, booleans "
            "and arrays of them are taken"
        )
    if array.ndim == 0:
        return float(array)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8 or not array.dtype.isnative:
        return array.astype(np.float64)
    return array.copy() if isinstance(data, np.ndarray) else array


def brief_type(x: Any) -> str:
    """Name a type, with dtype and shape for arrays, for messages."""
    if isinstance(x, np.ndarray):
        return f"an array of dtype {x.dtype} and shape {x.shape}"
    return f"{x!r} of type {type(x).__name__}" if isinstance(x, str) else type(x).__name__


def seed_of(v: Value, seed: Any) -> Any:
    """Check the seed of a reverse sweep that starts at `v`."""
    if seed is None:
        if v.ndim:
            raise ValueError(
                f"backward() starts at a scalar, and this Value has shape {v.shape}: reduce it "
                "with .sum(), or pass seed= (an array of this shape), or use tg.jacobian"
            )
        return 1.0
    checked = _leaf_data(seed._data if isinstance(seed, Value) else seed)
    if np.shape(checked) != v.shape:
        raise ValueError(f"seed has shape {np.shape(checked)}, and the Value has shape {v.shape}")
    return checked if type(checked) is float else checked.astype(v.dtype, copy=False)


def note_branch(label: str, outcome: Any) -> None:
    """Tell whoever watches branches which way one went."""
    if HOT["special"]:
        for log in current().watchers:
            log.append((label, np.asarray(outcome).tobytes()))


def raw(x: Any) -> Any:
    """Return the plain float or array behind a Value, and anything else as it is."""
    return x._data if isinstance(x, Value) else unguarded(x)


def bare(x: Any) -> Any:
    """Return the data behind x as a constant of differentiation.

    Rules that look at the data (which piece of a kink, is it zero) use this, not `raw`, so that
    a recording takes the look again at each run.
    """
    if TRACING and isinstance(x, Value) and (active := recorder()) is not None:
        return active.primal(x)
    return raw(x)


def plain_params(params: Any) -> Any:
    """Return parameters with the data of traced ones, such as labels that are an input."""
    if isinstance(params, dict):
        return {key: plain_params(item) for key, item in params.items()}
    if isinstance(params, (tuple, list)):
        return type(params)(plain_params(item) for item in params)
    return raw(params)


def apply(op: Op, args: tuple[Any, ...], params: dict[str, Any] | None = None) -> Any:
    """Run an op; record it if an operand is tracked and recording is on.

    This is the general way, for arrays and for whatever the fast scalar functions leave to it.
    Raw operands give a raw result.
    """
    params = params or {}
    values = []
    flows = []
    for i, a in enumerate(args):
        if isinstance(a, Value):
            flows.append(i)
            values.append(a._data)
        else:
            ready = type(a) is np.ndarray and a.dtype.kind == "f" and a.ndim
            values.append(a if ready else _constant(op, a))
    tracer = recorder() if TRACING else None
    out = op.run(values, params if tracer is None else plain_params(params))
    if type(out) is not np.ndarray:
        out = float(out) if not isinstance(out, complex) else out
    elif out.ndim == 0 and out.dtype.kind != "c":
        out = float(out)
    if not flows and (tracer is None or not tracer.traced_params(params)):
        return out
    if type(out) is complex or (type(out) is not float and out.dtype.kind == "c"):
        raise TypeError(f"{op.name} of a Value takes real numbers, and complex ones came")
    view = type(out) is np.ndarray and (
        out.base is not None or out is values[0] or out is values[-1]
    )
    modes: Modes | None = current() if HOT["special"] else None
    if modes is not None:
        if modes.watchers and op.branch is not None:
            with np.errstate(all="ignore"):
                note_branch(op.name, op.branch(*values, **params))
        if modes.debugging:
            _check_forward(op, values, out)
        if not modes.recording:
            if tracer is None:
                return leaf(out.copy() if view else out)
            flows = []
    v = new(Value)
    v._data = out
    v._op = op
    for i, a in enumerate(args):
        if isinstance(a, Value):
            if a._a is None and (view or op.needs(i)) and type(a._data) is not float:
                _register_user(a, v)
        elif type(values[i]) is np.ndarray:  # the user may write into a constant later on
            values[i] = _own(values[i])
            args = (*args[:i], values[i], *args[i + 1 :])
    v._a = args
    v._b = params
    v._p = tuple(values)
    v._q = tuple(flows)
    v._grad = None
    v._n = next_number()
    if modes is not None and modes.debugging:
        modes.sites[v._n] = user_site()
    return v


def leaf(data: Any) -> Value:
    """Return a Value without history around data that nobody else holds."""
    v = new(Value)
    v._data = data
    v._grad = v._op = v._a = v._b = v._p = v._q = None
    v._n = next_number()
    return v


def _constant(op: Op, x: Any) -> Any:
    """Return a constant operand as a Python number or a plain array."""
    if type(x) is float or type(x) is complex:
        return x
    if isinstance(x, (list, tuple)) and any(isinstance(item, Value) for item in x):
        raise TypeError(f"{op.name} got a list that holds Values: use tg.stack([...]) first")
    array = np.asarray(unguarded(x))
    if array.dtype.kind not in "fiubc":
        raise TypeError(f"{op.name} takes numbers, arrays and Values, and {brief_type(x)} came")
    if array.ndim:
        return array if array.dtype.kind in "fc" else array.astype(np.float64)
    return complex(array) if array.dtype.kind == "c" else float(array)


def _own(x: Any) -> Any:
    """Return a constant array that nobody can write into."""
    if x.flags.writeable or x.base is not None:
        x = x.copy()
        x.flags.writeable = False
    return x


def _register_user(a: Value, user: Value) -> None:
    """Remember, without holding it, that a record needs the array of leaf `a`."""
    users = a._q
    if users is None:
        users = a._q = []
    elif len(users) >= 32 and not len(users) & (len(users) - 1):  # now and then, drop the dead
        users[:] = [ref for ref in users if ref() is not None]
    users.append(weakref.ref(user))


def _check_forward(op: Op, values: list[Any], out: Any) -> None:
    if not np.all(np.isfinite(out)):
        file, line = user_site()
        args = ", ".join(sweep.brief(x) for x in values)
        raise FloatingPointError(f"{op.name}({args}) gave {sweep.brief(out)} at {file}:{line}")


def user_site() -> Site:
    """Return file and line of the innermost frame that does not belong to this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((sweep.PACKAGE, "<op ")):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno
