"""What `Value` gets from the table: methods, comparisons, and NumPy's functions by dispatch."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..modes import TRACING, recorder
from ..value import Value, note_branch, raw
from .table import FUNCTIONS, PUBLIC, UFUNCS

METHODS = """
    exp expm1 log log1p log2 log10 sqrt cbrt square reciprocal sin cos tan arcsin arccos arctan
    sinh cosh tanh arcsinh arccosh arctanh sigmoid log_sigmoid softplus relu leaky_relu elu erf
    abs sign clip sum mean var std prod max min logsumexp norm cumsum cumprod softmax
    log_softmax dot reshape ravel transpose swapaxes squeeze repeat take diagonal trace astype
""".split()  # noqa: SIM905 - sixty names read better as words
"""Public functions that are methods as well; NumPy's or PyTorch's tensors have most of them."""

for _name in METHODS:
    setattr(Value, _name, PUBLIC[_name])
Value.T = property(PUBLIC["transpose"])  # type: ignore[assignment,method-assign]


def _plain_call(function: Any, args: Any, kwargs: Any) -> Any:
    """Call a function whose results carry no derivative: recorded, while a function is."""
    if TRACING and (active := recorder()) is not None:
        return active.plain(function, args, kwargs)
    return function(*_plain(args), **{k: _plain(v) for k, v in kwargs.items()})


def _comparison(ufunc: Any, symbol: str) -> Callable[[Value, Any], Any]:
    compare = getattr(operator, METHOD_OF[symbol])

    def method(self: Value, other: Any) -> Any:
        if TRACING and (active := recorder()) is not None:
            return active.plain(ufunc, (self, other), {})
        outcome = compare(self._data, raw(other))
        note_branch(symbol, outcome)
        return outcome

    return method


# NumPy functions whose results carry no derivative by nature: they answer with plain arrays.
PLAIN = {
    np.isfinite, np.isnan, np.isinf, np.signbit, np.logical_not, np.argmax, np.argmin, np.argsort,
    np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.full_like, np.array_equal,
    np.allclose, np.isclose, np.any, np.all, np.count_nonzero, np.array2string, np.array_repr,
    np.array_str, np.result_type, np.may_share_memory, np.shares_memory,
}  # fmt: skip
COMPARISONS = {
    np.less: "<", np.less_equal: "<=", np.greater: ">", np.greater_equal: ">=", np.equal: "==",
    np.not_equal: "!=",
}  # fmt: skip
LOGICAL = {
    np.bitwise_and: np.logical_and, np.bitwise_or: np.logical_or, np.invert: np.logical_not,
    np.bitwise_xor: np.logical_xor, np.logical_and: np.logical_and, np.logical_or: np.logical_or,
    np.logical_xor: np.logical_xor,
}  # fmt: skip
"""What combines comparisons, as long as these are Values: while a function is recorded."""

METHOD_OF = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
for _ufunc, _symbol in COMPARISONS.items():
    setattr(Value, f"__{METHOD_OF[_symbol]}__", _comparison(_ufunc, _symbol))
REDUCED = {
    np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min",
}  # fmt: skip
ACCUMULATED = {np.add: "cumsum", np.multiply: "cumprod"}


def array_ufunc(self: Value, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Answer ``np.exp(v)``, ``array * v``, ``np.add.reduce(v)`` with the op of the same meaning."""
    name = f"np.{ufunc.__name__}"
    if any(isinstance(x, Value) for x in kwargs.get("out", ())):
        raise TypeError(f"{name} cannot write into a Value: use v = {name}(...) instead of out=")
    if method == "__call__" and not kwargs:
        if ufunc in UFUNCS:
            return UFUNCS[ufunc](*inputs)
        if TRACING and ufunc in LOGICAL and recorder() is not None:
            return _plain_call(LOGICAL[ufunc], inputs, {})
        if ufunc in PLAIN or (TRACING and ufunc in COMPARISONS and recorder() is not None):
            return _plain_call(ufunc, inputs, {})
        if ufunc in COMPARISONS:
            outcome = ufunc(*(raw(x) for x in inputs))
            note_branch(COMPARISONS[ufunc], outcome)
            return outcome
    elif method in ("reduce", "accumulate"):
        table = REDUCED if method == "reduce" else ACCUMULATED
        if ufunc in table:
            return _call(f"{name}.{method}", PUBLIC[table[ufunc]], inputs, {"axis": 0, **kwargs})
    elif method == "outer" and ufunc is np.multiply:
        shape = np.shape(raw(inputs[0])) + np.shape(raw(inputs[1]))
        return PUBLIC["reshape"](PUBLIC["outer"](*inputs), shape)
    what = name if method == "__call__" else f"{name}.{method}"
    if method == "__call__" and kwargs and ufunc in UFUNCS:
        raise TypeError(f"{what} on a Value takes no {', '.join(kwargs)}=: call it without")
    raise TypeError(f"{what} has no derivative here{_nearest(ufunc.__name__)}")


def array_function(self: Value, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """Answer ``np.sum(v, axis=0)`` and the like with the op of the same meaning."""
    name = f"np.{func.__name__}"
    if func in FUNCTIONS:
        return _call(name, FUNCTIONS[func], args, kwargs)
    if func in PLAIN:
        return _plain_call(func, args, kwargs)
    raise TypeError(f"{name} has no derivative here{_nearest(func.__name__)}")


def _call(name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        if "unexpected keyword" in str(error) or "positional argument" in str(error):
            raise TypeError(f"{name} on a Value: {error}") from None
        raise


def _plain(x: Any) -> Any:
    return type(x)(_plain(item) for item in x) if isinstance(x, (list, tuple)) else raw(x)


def _nearest(name: str) -> str:
    import difflib  # only when an error is shown: importing the package stays cheap

    near = difflib.get_close_matches(name, PUBLIC, 1, 0.5)
    return (
        f"; the nearest op is tg.{near[0]}"
        if near
        else "; tg.op(...) adds one" + (", and .data gives the bare array")
    )


Value.__array_ufunc__ = array_ufunc  # type: ignore[attr-defined]
Value.__array_function__ = array_function  # type: ignore[attr-defined]
