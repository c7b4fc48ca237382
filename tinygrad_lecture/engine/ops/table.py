"""What a row of the op table is, and how the four kinds of row are made.

One op, one record.  A row holds everything that is known about an op; operators and methods of
`Value`, NumPy dispatch, both sweeps, the gradient tests, pictures and the printed table are all
derived from it.

===========  ==============================================================================
kind         what the row states
===========  ==============================================================================
elementwise  one local derivative per operand; VJP and JVP are products with it
reduction    one local derivative of the operand's shape; VJP spreads, JVP sums
linear       one transpose per operand; the op is its own JVP
other        VJP and JVP, both written out
composed     nothing: a function of other rows, listed so that it is checked like them
===========  ==============================================================================

Elementwise rows state value and derivatives as text, as the lecture writes them, in terms of
``x``, ``y`` and the result ``out``.  The same text becomes the fast function on Python floats,
the rule on arrays, the tracked expression for second derivatives, and the formula in the docs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import sweep
from ..value import Value, apply, bare, next_number, raw

Rule = Callable[..., Any]
Call = tuple[tuple[Any, ...], dict[str, Any]]

TABLE: dict[str, Op] = {}
"""All rows by name, in the order of their definition."""

PUBLIC: dict[str, Any] = {}
"""The public function of each row."""

NAMES: dict[str, Any] = {"raw": bare, "np": np}
"""The names that derivative texts and rules may use: all public functions, and a few helpers."""

UFUNCS: dict[Any, Rule] = {}
FUNCTIONS: dict[Any, Rule] = {}


@dataclass(frozen=True, eq=False)
class Op:
    """One row of the op table.

    Attributes
    ----------
    name, kind, symbol : str
        Name, kind (see the module), and label in tables and pictures.
    arity : int
        Number of operands; -1 for any number.
    run : callable
        ``run(values, params)``: the primal of raw operands.
    vjp : callable
        ``vjp(i, g, out, *args, **params)``: the contribution of adjoint g to operand i.
    jvp : callable
        ``jvp(tangents, out, *args, **params)``, tangents keyed by position.
    partials : tuple of callables
        Local derivatives ``(out, *args)`` of an elementwise row.
    formula, derivatives : str, tuple of str
        Value and local derivatives as text.
    on_floats : str
        The value as an expression of Python floats, where a fast scalar function has one.
    domain : tuple of (low, high)
        Where each operand may be tested, smoothly.
    needed : frozenset of int, or None
        Operands whose arrays the derivative of another, or their own, needs; None for all.
    analytic : bool
        Whether the op accepts complex operands, for the complex step.
    branch : callable, optional
        Which piece of a kinked op each element is on.
    cases : callable, optional
        ``cases(rng)`` gives one random valid call.
    """

    name: str
    kind: str
    arity: int
    run: Callable[[Sequence[Any], dict[str, Any]], Any]
    vjp: Rule
    jvp: Rule
    partials: tuple[Rule, ...] = ()
    symbol: str = ""
    formula: str = ""
    derivatives: tuple[str, ...] = ()
    on_floats: str = ""
    domain: tuple[tuple[float, float], ...] = ()
    needed: frozenset[int] | None = None
    analytic: bool = True
    branch: Rule | None = None
    cases: Callable[[np.random.Generator], Call] | None = None

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def needs(self, i: int) -> bool:
        """Whether a record of this op needs the array of operand `i` later."""
        return self.needed is None or i in self.needed

    @staticmethod
    def fit(c: Any, a: Value) -> Any:
        """Give a tracked contribution the shape and dtype of its operand: `sweep.fit` in ops."""
        if not isinstance(c, Value):
            return sweep.fit(c, a._data)
        if c.shape == a.shape and c.dtype == a.dtype:
            return c
        extra = c.ndim - a.ndim
        if extra > 0:
            c = NAMES["sum"](c, axis=tuple(range(extra)))
        if c.ndim == a.ndim:
            pairs = zip(a.shape, c.shape, strict=True)
            spread = tuple(i for i, (n, m) in enumerate(pairs) if n == 1 and m != 1)
            if spread:
                c = NAMES["sum"](c, axis=spread, keepdims=True)
        c = NAMES["reshape" if c.size == a.size else "broadcast_to"](c, a.shape)
        return c if c.dtype == a.dtype else NAMES["astype"](c, a.dtype)

    @staticmethod
    def scattered(elements: dict[int, Any], like: Value) -> Any:
        """Return an array of the shape of `like` with elements at flat places, zero elsewhere."""
        return NAMES["scatter"](list(elements.values()), elements, like.shape, like.dtype)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the public function of the row."""
        return PUBLIC[self.name](*args, **kwargs)

    def sample(self, rng: np.random.Generator) -> Call:
        """Draw one valid call: arrays that broadcast, or scalars, inside the domain."""
        if self.cases is not None:
            return self.cases(rng)
        shapes: Sequence[tuple[int, ...]] = [(), ()] if rng.random() < 0.3 else [(2, 3), (3,)]
        return tuple(
            draw(rng, s, lo, hi) for (lo, hi), s in zip(self.domain, shapes, strict=False)
        ), {}

    def with_scaled_derivative(self, factor: float) -> ScaledOp:
        """Return this row with every derivative multiplied by `factor`: a fault to be found."""
        return ScaledOp(self, factor)


class ScaledOp:
    """A row with a deliberate fault, for testing the gradient checker."""

    def __init__(self, row: Op, factor: float) -> None:
        self.name, self.kind, self.row, self.factor = row.name, row.kind, row, factor
        self.sample = row.sample
        # a derivative that is 0 everywhere stays right when scaled: shift it instead
        shift = factor - 1.0 if set(row.derivatives) == {"0.0"} else 0.0

        def spoilt(c: Any, *through: Any) -> Any:
            return c * factor + shift * sum(through) if shift else c * factor

        self.faulty = replace(
            row,
            vjp=lambda i, g, *a, **k: spoilt(row.vjp(i, g, *a, **k), g),
            jvp=lambda t, *a, **k: spoilt(row.jvp(t, *a, **k), *t.values()),
            partials=tuple(lambda *a, d=d, **k: d(*a, **k) * factor + shift for d in row.partials),
        )
        self.shift = shift

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the row, and spoil what it recorded."""
        start = next_number()
        out = self.row.call(*args, **kwargs)
        if self.row.kind == "composed":
            if isinstance(out, list):
                return [_spoil(o, self.factor) for o in out]
            return _spoil(out, self.factor)
        for v in sweep.collect([out] if isinstance(out, Value) else []).values():
            if v._op is self.row and v._n > start:
                v._op = self.faulty
                if type(v._p) is float:
                    v._p = v._p * self.factor + self.shift
                    v._q = None if v._q is None else v._q * self.factor + self.shift
        return out


def _spoil(out: Any, factor: float) -> Any:
    return apply(_SPOILER, (out,), {"factor": factor}) if isinstance(out, Value) else out


def draw(rng: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> Any:
    """Draw floats from (low, high): a Python float for shape ``()``."""
    x = rng.uniform(low, high, shape)
    return float(x) if shape == () else x


def has_nan(x: np.ndarray[Any, Any]) -> bool:
    """Whether a float array holds a nan: one dot product tells, without a temporary array."""
    flat = x.ravel()
    return math.isnan(flat.dot(flat))


def select(g: Any, c: Any, axis: tuple[int, ...] | None = None) -> Any:
    """Make an exactly zero adjoint contribute exactly zero, also times inf or nan.

    With `axis`, a contribution is made of all adjoints along these axes.  Products that came
    out as nan are rare, so that is looked for first.  Tracked expressions pass through: while
    a derivative is being recorded there is no short cut.
    """
    if isinstance(c, np.ndarray):
        if has_nan(c):
            zero = np.asarray(g) == 0
            return np.where(zero if axis is None else zero.all(axis, keepdims=True), 0, c)
    elif not isinstance(c, Value) and c != c and g == 0:
        return 0.0
    return c


def times(g: Any, d: Any) -> Any:
    """Adjoint times local derivative, with the zeros of the adjoint taken as exact."""
    return select(g, g * d)


def select_product(rule: Rule, g: Any, w: Any) -> Any:
    """Apply a rule that is linear in `g` and in `w`, with the zeros of `g` taken as exact.

    A product such as g @ w.T meets 0·inf where w is not finite; what no non-zero adjoint
    reaches is to be 0.  The finite part of w goes through the rule as it is; then the rule,
    applied to indicators, tells which results a non-zero adjoint reaches with inf or nan.
    """
    c = rule(g, w)
    if isinstance(c, Value) or not isinstance(w, np.ndarray):
        return c
    if not has_nan(np.asarray(c)) or np.all(np.isfinite(w)):
        return c
    finite = rule(g, np.where(np.isfinite(w), w, 0.0))
    up, down = (np.asarray(g) > 0) * 1.0, (np.asarray(g) < 0) * 1.0
    lost = (np.isnan(np.asarray(g)) | (np.asarray(g) != 0)) * 1.0
    plus = rule(up, (w == np.inf) * 1.0) + rule(down, (w == -np.inf) * 1.0)
    minus = rule(up, (w == -np.inf) * 1.0) + rule(down, (w == np.inf) * 1.0)
    unknown = rule(lost, np.isnan(w) * 1.0) > 0
    infinite = np.where(plus > 0, np.inf, 0.0) - np.where(minus > 0, np.inf, 0.0)
    return np.where(unknown, np.nan, finite + infinite)


def register(op: Op, function: Rule | None = None, numpy: Sequence[Any] = ()) -> Op:
    """Enter a row into the table, with its public function and NumPy's names for it."""
    if op.name in TABLE:
        raise ValueError(f"name: the op table has a row {op.name!r} already; choose another name")
    TABLE[op.name] = op
    if function is not None:
        publish(op.name, function, numpy)
    return op


def publish(name: str, function: Rule, numpy: Sequence[Any] = ()) -> Rule:
    """Make `function` the public function of a row, also under NumPy's names."""
    PUBLIC[name] = NAMES[name] = function
    for f in numpy:
        (UFUNCS if isinstance(f, np.ufunc) else FUNCTIONS)[f] = function
    return function


# ------------------------------------------------------------------------------- elementwise


def elementwise_row(
    name: str,
    array: Rule,
    partials: tuple[Rule, ...],
    *,
    bounded: bool = False,
    symbol: str = "",
    derivatives: tuple[str, ...] = (),
    domain: Any = None,
    **fields: Any,
) -> Op:
    """Make an elementwise row: its VJP and JVP are products with the local derivatives.

    Parameters
    ----------
    bounded : bool
        Local derivatives are finite everywhere, at inf and nan too, so that nothing has to guard
        against 0 · inf.
    domain : tuple of (low, high)
        Where each operand may be tested; (-2, 2) by default.
    """
    arity = len(partials)
    texts = derivatives or ("",) * arity
    unit = {i: {"1.0": 1.0, "-1.0": -1.0}[t] for i, t in enumerate(texts) if t in ("1.0", "-1.0")}

    safe = tuple(map(_following_ieee, partials))

    def run(values: Sequence[Any], params: dict[str, Any]) -> Any:
        if type(values[0]) is float and type(values[-1]) is float:
            with np.errstate(
                all="ignore"
            ):  # scalars follow IEEE without a word, arrays follow NumPy
                return array(*values, **params)
        return array(*values, **params)

    def product(i: int, g: Any, out: Any, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if i in unit:
            return g if unit[i] == 1.0 else -g
        c = g * safe[i](out, *args, **params)
        return c if bounded else select(g, c)

    def vjp(i: int, g: Any, out: Any, *args: Any, **params: Any) -> Any:
        return product(i, g, out, args, params)

    def jvp(tangents: dict[int, Any], out: Any, *args: Any, **params: Any) -> Any:
        terms = [product(i, t, out, args, params) for i, t in tangents.items()]
        return terms[0] if len(terms) == 1 else terms[0] + terms[1]

    return Op(
        name, "elementwise", arity, run, vjp, jvp, safe, symbol or name,
        derivatives=texts, domain=domain or ((-2.0, 2.0),) * arity,
        needed=frozenset() if len(unit) == arity else None, **fields,
    )  # fmt: skip


def _following_ieee(partial: Rule) -> Rule:
    """Take a local derivative again on arrays of one number where Python's floats raise."""

    def call(out: Any, *args: Any, **params: Any) -> Any:
        try:
            return partial(out, *args, **params)
        except (ArithmeticError, ValueError):
            d = partial(*(np.array([x]) if type(x) is float else x for x in (out, *args)), **params)
            return float(d[0]) if isinstance(d, np.ndarray) and d.shape == (1,) else d

    return call


# ---------------------------------------------------------------- reduction, linear, other


def reduction(name: str, run: Rule, derivative: Rule, **fields: Any) -> Op:
    """Make a reduction row from ``run(x, axis, ...)`` and its local derivative.

    ``derivative(out, x, axis, ...)`` has the shape of x, and is given `out` with the reduced
    axes kept.  The parameters hold ``axis`` (a tuple of non-negative ints) and ``keepdims``.
    """

    def kept(g: Any, x: Any, axis: tuple[int, ...]) -> Any:
        if not np.ndim(raw(x)):
            return g
        shape = tuple(1 if i in axis else n for i, n in enumerate(np.shape(raw(x))))
        return NAMES["reshape"](g, shape)

    def vjp(i: int, g: Any, out: Any, x: Any, *, axis: Any, keepdims: bool, **params: Any) -> Any:
        g = kept(g, x, axis)
        return select(g, g * derivative(kept(out, x, axis), x, axis=axis, **params))

    def jvp(
        t: dict[int, Any], out: Any, x: Any, *, axis: Any, keepdims: bool, **params: Any
    ) -> Any:
        c = select(t[0], t[0] * derivative(kept(out, x, axis), x, axis=axis, **params))
        return NAMES["sum"](c, axis=axis, keepdims=keepdims)

    def on_arrays(values: Sequence[Any], params: dict[str, Any]) -> Any:
        return run(values[0], **params)

    return register(Op(name, "reduction", 1, on_arrays, vjp, jvp, **fields))


def linear(name: str, run: Rule, *transposes: Rule, jointly: bool = False, **fields: Any) -> Op:
    """Make a linear row from ``run(*args, **params)`` and one transpose per operand.

    ``transposes[i](g, *args, **params)`` is the contribution of g to operand i.  The row is its
    own JVP: in each operand separately (matmul), or, with `jointly`, in all at once (where).
    """

    def vjp(i: int, g: Any, out: Any, *args: Any, **params: Any) -> Any:
        return transposes[i](g, *args, **params)

    def jvp(tangents: dict[int, Any], out: Any, *args: Any, **params: Any) -> Any:
        if jointly:
            zeros = [np.zeros(np.shape(raw(a))) if np.ndim(raw(a)) else 0.0 for a in args]
            return apply(row, tuple(tangents.get(i, z) for i, z in enumerate(zeros)), params)
        terms = [moved(i, t, args, params) for i, t in tangents.items()]
        return terms[0] if len(terms) == 1 else terms[0] + terms[1]

    def moved(i: int, t: Any, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if arity == 1:
            return apply(row, (t,), params)

        def product(t: Any, w: Any) -> Any:
            return apply(row, (t, w) if i == 0 else (w, t), params)

        return select_product(product, t, args[1 - i])

    def on_arrays(values: Sequence[Any], params: dict[str, Any]) -> Any:
        return run(*values, **params)

    arity = len(transposes)
    fields.setdefault("needed", frozenset() if arity == 1 or jointly else None)
    fields.setdefault("symbol", name)
    row = Op(name, "linear", arity, on_arrays, vjp, jvp, **fields)
    return register(row)


def other(name: str, run: Rule, vjp: Rule, jvp: Rule, **fields: Any) -> Op:
    """Make a row of one operand from its value and both rules, all written out.

    The calls are ``run(x, ...)``, ``vjp(g, out, x, ...)`` and ``jvp(t, out, x, ...)``.
    """
    fields.setdefault("symbol", name)
    return register(
        Op(
            name, "other", 1,
            lambda values, params: run(values[0], **params),
            lambda i, g, out, x, **params: vjp(g, out, x, **params),
            lambda t, out, x, **params: jvp(t[0], out, x, **params),
            **fields,
        )
    )  # fmt: skip


def composed(
    name: str, function: Rule, cases: Rule, numpy: Sequence[Any] = (), **fields: Any
) -> Rule:
    """List a function that is made of other rows, so that it is checked and found like them."""
    row = Op(name, "composed", -1, _no_rule, _no_rule, _no_rule, symbol=name, cases=cases, **fields)
    register(row, function, numpy)
    return function


def _no_rule(*args: Any, **kwargs: Any) -> Any:
    raise TypeError("a composed row has no rule of its own: the rows that it calls have")


_SPOILER = elementwise_row("scaled", lambda x, factor: x, (lambda out, x, factor: factor,))
