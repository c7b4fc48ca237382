"""The three sweeps over a recorded graph: reverse, reverse while recording, and forward.

Node layout (the slots of `Value`; this file and `value.py` are the only ones that read it raw).
A record is one object and, for scalars, nothing else: no tuple, no closure, no list.

===========  ==========================  ===========================  ======================
slot         leaf                        scalar record                array record
===========  ==========================  ===========================  ======================
``_op``      None                        row of the op table          row of the op table
``_a``       None                        first tracked operand        tuple of all operands
``_b``       True: gradient was used     see `operands`               dict of parameters
``_p``       number of the last rebind   d out / d _a, a float        tuple of operand primals
``_q``       who needs its array         d out / d _b, or None        positions of the tracked
===========  ==========================  ===========================  ======================

No function here recurses, so depth is limited by memory alone.  Nodes are numbered as they are
recorded, so descending numbers are a reverse topological order: whatever uses a value has a
larger number, and its adjoint is complete when its turn comes.  (Following the graph depth
first instead, and pushing adjoints on as they come, is the classic wrong shortcut: in
b = a + a, c = b + b it would push b's adjoint on before all of it has arrived.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from .modes import current

if TYPE_CHECKING:
    from .value import Value

PACKAGE = __file__.rpartition("engine")[0]


def operands(v: Value) -> tuple[Any, ...]:
    """Return the operands of a record in the order in which they were written.

    A scalar record keeps a constant second operand as a float in ``_b``, a constant first
    operand as a 1-tuple in ``_b``, and has None there when the op is unary.
    """
    if v._op is None:
        return ()
    if type(v._p) is tuple:
        return v._a  # type: ignore[no-any-return]
    if v._b is None:
        return (v._a,)
    if type(v._b) is tuple:
        return (v._b[0], v._a)
    return (v._a, v._b)


def tracked(v: Value) -> tuple[tuple[int, Value], ...]:
    """Return (position, operand) for each operand that derivatives flow to."""
    if v._op is None:
        return ()
    if type(v._p) is tuple:
        return tuple((i, v._a[i]) for i in v._q)
    if type(v._b) is tuple:
        return ((1, v._a),)
    return ((0, v._a),) if v._q is None else ((0, v._a), (1, v._b))


def parameters(v: Value) -> dict[str, Any]:
    """Return the parameters (axis, shape, index, ...) that the op was called with."""
    return v._b if v._op is not None and type(v._p) is tuple else {}


def collect(roots: Iterable[Value], floor: int = -1) -> dict[int, Value]:
    """Return all records with a number of at least `floor` behind `roots`, keyed by number."""
    nodes = {root._n: root for root in roots}
    stack = list(nodes.values())
    pop, push = stack.pop, stack.append
    while stack:
        v = pop()
        a = v._a
        if a is None:
            continue
        p = v._p
        if type(p) is float:
            n = a._n
            if n not in nodes and n >= floor:
                nodes[n] = a
                push(a)
            if v._q is not None:
                a = v._b
                n = a._n
                if n not in nodes and n >= floor:
                    nodes[n] = a
                    push(a)
        else:
            for i in v._q:
                n = a[i]._n
                if n not in nodes and n >= floor:
                    nodes[n] = a[i]
                    push(a[i])
    return nodes


def fit(c: Any, like: Any) -> Any:
    """Give a contribution the shape and dtype of the operand `like` that it belongs to.

    Broadcasting an operand means using it several times, so its derivative is the sum over the
    axes along which it was spread.
    """
    if type(like) is float:
        return c if type(c) is float else float(np.sum(c))
    if type(c) is float or c.shape != like.shape:
        c = np.asarray(c)
        extra = c.ndim - like.ndim
        if extra > 0:
            c = c.sum(axis=tuple(range(extra)))
        elif extra < 0:
            c = c.reshape((1,) * -extra + c.shape)
        spread = tuple(i for i, n in enumerate(like.shape) if n == 1 and c.shape[i] != 1)
        if spread:
            c = c.sum(axis=spread, keepdims=True)
        if c.shape != like.shape:  # a contribution that is itself constant along some axis
            c = np.broadcast_to(c, like.shape)
    return c if c.dtype == like.dtype else c.astype(like.dtype)


def backward(root: Value, seed: Any) -> None:
    """Sweep the whole graph behind `root`: leaves gain the adjoint, inner nodes show it."""
    if current().debugging:
        reverse(collect([root]), [(root, seed)])
        return
    order: list[Value] = []
    kept: list[tuple[Value, Any]] = []
    try:
        _mark(root, order, kept)
        order.sort(key=_NUMBER, reverse=True)
        root._grad = root._grad + seed
        with np.errstate(all="ignore"):
            _sweep(order)
    except BaseException:
        _undo(order, kept)
        raise
    _accumulate(kept)


_NUMBER = attrgetter("_n")


def _mark(root: Value, order: list[Value], kept: list[tuple[Value, Any]]) -> None:
    """Fill in all nodes, and what the leaves had before; set all adjoints to 0.

    A leaf is kept before it is marked, so that an interrupt at any point loses nothing.

    The 0 is an object of its own, so that it also marks what was visited: no set of a million
    numbers is needed, and most nodes are gone on with without being put on the stack.
    """
    zero = float("0")
    v = root
    stack: list[Value] = []
    pop, push, add = stack.pop, stack.append, order.append
    if v._a is None:
        kept.append((v, v._grad))
    add(v)
    v._grad = zero
    while True:
        p = v._p
        if type(p) is float:
            if v._q is not None:
                a = v._b
                old = a._grad
                if old is not zero:
                    if a._a is None:
                        kept.append((a, old))
                    else:
                        push(a)
                    add(a)
                    a._grad = zero
            v = v._a
            old = v._grad
            if old is not zero:
                if v._a is None:
                    kept.append((v, old))
                add(v)
                v._grad = zero
                if v._a is not None:
                    continue
        elif v._a is not None:
            for i in v._q:
                a = v._a[i]
                old = a._grad
                if old is not zero:
                    if a._a is None:
                        kept.append((a, old))
                    else:
                        push(a)
                    add(a)
                    a._grad = zero
        if not stack:
            return
        v = pop()


def _sweep(order: list[Value]) -> None:
    """Go through a whole graph: the loop that every training step runs in."""
    for v in order:
        g = v._grad
        p = v._p
        if type(p) is float:
            if g:  # an exactly zero adjoint contributes exactly zero, even times inf
                a = v._a
                a._grad += g * p
                q = v._q
                if q is not None:
                    a = v._b
                    a._grad += g * q
        elif v._a is not None:
            _spread_array(v, g, -1)


def reverse(
    nodes: dict[int, Value], seeds: Sequence[tuple[Value, Any]], floor: int = -1
) -> list[tuple[Value, Any]]:
    """Sweep the part of a graph from `floor` on, for transforms and for debug mode.

    Operands below `floor` are not touched: they belong to somebody else, perhaps to another
    thread.  What the leaves had before is returned, for callers that only want to look.
    """
    order = [nodes[n] for n in sorted(nodes, reverse=True)]
    kept = [(v, v._grad) for v in order if v._a is None]
    for v in order:
        v._grad = 0.0
    try:
        for root, seed in seeds:
            root._grad = root._grad + seed
        with np.errstate(all="ignore"):
            _sweep_part(nodes, order, floor, _blame if current().debugging else None)
    except BaseException:
        _undo(order, kept)
        raise
    _accumulate(kept)
    return kept


def _accumulate(kept: list[tuple[Value, Any]]) -> None:
    """Add to each leaf's adjoint what it had before the sweep."""
    for a, old in kept:
        if type(a._grad) is float and type(a._data) is not float:
            a._grad = np.zeros_like(a._data)
        if old is not None:
            a._grad = old + a._grad


def _undo(order: list[Value], kept: list[tuple[Value, Any]]) -> None:
    """Leave no trace of a sweep that failed."""
    for v in order:
        v._grad = None
    for a, old in kept:
        a._grad = old


def _sweep_part(nodes: dict[int, Value], order: list[Value], floor: int, check: Any) -> None:
    """Go through the part of a graph from `floor` on, and `check` what each op passes on."""
    for v in order:
        g = v._grad
        p = v._p
        if type(p) is float:
            if g:
                a = v._a
                if a._n >= floor:
                    a._grad += g * p
                q = v._q
                if q is not None:
                    b = v._b
                    if b._n >= floor:
                        b._grad += g * q
                if check is not None:
                    check(nodes, v, (g * p,) if q is None else (g * p, g * q))
        elif v._a is not None:
            for c in _spread_array(v, g, floor):
                if check is not None:
                    check(nodes, v, (c,))


def _spread_array(v: Value, g: Any, floor: int) -> tuple[Any, ...]:
    """Add what adjoint `g` of an array record contributes to its operands, and return it."""
    if type(g) is float and g == 0.0:
        return ()
    passed = []
    args, p, params, vjp, out = v._a, v._p, v._b, v._op.vjp, v._data
    for i in v._q:
        a = args[i]
        if a._n < floor:
            continue
        like = a._data
        c = fit(vjp(i, g, out, *p, **params), like)
        passed.append(c)
        h = a._grad
        if type(like) is float or type(h) is not float:
            a._grad = h + c
        else:  # the first contribution; a leaf must own its array
            a._grad = c.copy() if a._a is None and (c is g or c.base is not None) else c
    return tuple(passed)


def contribution(v: Value, i: int, g: Any) -> Any:
    """Return what adjoint `g` of a record contributes to the adjoint of its operand `i`."""
    if type(v._p) is float:
        return g * (v._p if tracked(v)[0][0] == i else v._q) if g else 0.0
    like = v._a[i]._data
    if type(g) is float and g == 0.0:
        return 0.0 if type(like) is float else np.zeros_like(like)
    return fit(v._op.vjp(i, g, v._data, *v._p, **v._b), like)


def zero_filled(v: Value) -> Any:
    """Return the adjoint of a swept node in the node's own shape."""
    g = v._grad
    if type(g) is float and type(v._data) is not float:
        return np.full(v._data.shape, g, v._data.dtype)
    return g


def _blame(nodes: dict[int, Value], v: Value, derivatives: Sequence[Any]) -> None:
    if np.all(np.isfinite(v._grad)) and not all(np.all(np.isfinite(d)) for d in derivatives):
        site = current().sites.get(v._n)
        where = "" if site is None else f", recorded at {site[0]}:{site[1]}"
        values = ", ".join(brief(a if not hasattr(a, "_data") else a._data) for a in operands(v))
        names = _names_above(nodes, v)
        path = f"; on the way to the output: {' -> '.join(names)}" if names else ""
        raise FloatingPointError(
            f"the derivative of {v._op.name}({values}) is not finite{where} "
            f"(adjoint {brief(v._grad)} came in){path}"
        )


def _names_above(nodes: dict[int, Value], v: Value) -> list[str]:
    """Return the names met on one path from `v` to the output, nearest first."""
    names, reached = ([v.name] if v.name else []), {v._n}
    for n in sorted(k for k in nodes if k > v._n):
        if any(a._n in reached for _, a in tracked(nodes[n])):
            reached.add(n)
            if nodes[n].name:
                names.append(str(nodes[n].name))
    return names


def brief(x: Any) -> str:
    """Return a short text of a number or array, for messages."""
    if isinstance(x, np.ndarray) and x.size > 6:
        with np.errstate(all="ignore"):
            bad = int(x.size - np.isfinite(x).sum()) if x.dtype.kind in "fc" else 0
            ends = f"min {np.min(x):.6g}, max {np.max(x):.6g}"
        return f"<{x.dtype}{list(x.shape)} {ends}{f', {bad} not finite' if bad else ''}>"
    return np.array2string(np.asarray(x), precision=6, separator=", ").replace("\n", "")


def _fresh_operands(v: Value) -> tuple[Any, ...]:
    args = operands(v)
    for _, a in tracked(v):
        if a._a is None and a._p is not None and a._p > v._n:
            raise RuntimeError(
                f"a second derivative goes through leaf {a.name or a._n}, whose data were rebound "
                f"after {v._op.name} had used them: record again before differentiating twice"
            )
    return args


def reverse_recorded(
    nodes: dict[int, Value],
    seeds: Sequence[tuple[Value, Any]],
    floor: int = -1,
    wanted: Any = None,
) -> dict[int, Any]:
    """Return the adjoints as tracked Values, keyed by number: derivatives that have derivatives.

    No short cut for zero adjoints is taken here: x·0 is zero, but its derivative is not.  With
    `wanted`, only what lies between the roots and the leaves of these numbers is gone through.

    Adjoints of single elements of an array are gathered one by one, through views as well, and
    put into an array when its turn comes: a loop over n elements makes one array, not n.
    """
    adjoint: dict[int, Any] = {}
    elements: dict[int, dict[int, Any]] = {}  # by flat position
    scattered: Any = None
    order = sorted(nodes)
    live = None if wanted is None else _between(nodes, order, wanted)

    def receives(a: Value) -> bool:
        m = a._n
        return m >= floor and (a._q != () if live is None else m in live)

    for root, seed in seeds:
        adjoint[root._n] = adjoint[root._n] + seed if root._n in adjoint else seed
    with np.errstate(all="ignore"):
        for n in reversed(order):
            v = nodes[n]
            if n in elements:
                have = elements.pop(n)
                if v._a and v._op.name in _VIEWS and n not in adjoint and receives(v._a[0]):
                    _move_elements(v, have, elements.setdefault(v._a[0]._n, {}))
                    continue
                c = scattered(have, v)
                adjoint[n] = adjoint[n] + c if n in adjoint else c
            if v._a is None or n not in adjoint:
                continue
            g, args, params = adjoint[n], _fresh_operands(v), parameters(v)
            row = v._op
            for i, a in tracked(v):
                if not receives(a):
                    continue
                m = a._n
                if type(v._p) is float:
                    text = row.derivatives[i]
                    if text == "1.0":
                        c = g
                    elif text == "-1.0":
                        c = -g
                    else:
                        c = g * row.partials[i](v, *args)
                elif row.name == "getitem" and type(v._data) is float:
                    place = _place(params["index"], a._data.shape)
                    if place >= 0:
                        scattered = row.scattered
                        have = elements.setdefault(m, {})
                        have[place] = have[place] + g if place in have else g
                        continue
                    c = row.fit(row.vjp(i, g, v, *args, **params), a)
                else:
                    c = row.fit(row.vjp(i, g, v, *args, **params), a)
                adjoint[m] = adjoint[m] + c if m in adjoint else c
    return adjoint


_VIEWS = ("getitem", "reshape", "transpose")


def _move_elements(v: Value, have: dict[int, Any], target: dict[int, Any]) -> None:
    """Pass adjoints of elements of a view on to the elements that it shows."""
    shape = v._a[0]._data.shape
    shown = np.arange(v._a[0]._data.size).reshape(shape)
    flat = v._op.run([shown], v._b).ravel()
    for place, g in have.items():
        k = int(flat[place])
        target[k] = target[k] + g if k in target else g


def _between(nodes: dict[int, Value], order: list[int], wanted: Any) -> set[int]:
    """Return the numbers of the wanted leaves and of all that depends on them."""
    live: set[int] = set()
    for n in order:
        v = nodes[n]
        if v._a is None or not (type(v._p) is float or v._q):
            if n in wanted:
                live.add(n)
        elif any(a._n in live for _, a in tracked(v)):
            live.add(n)
    return live


def _place(index: Any, shape: tuple[int, ...]) -> int:
    """Return the flat position that an index of plain ints picks, or -1 for other indices."""
    place = 0
    parts = index if type(index) is tuple else (index,)
    for i, n in zip(parts, shape, strict=False):
        if not isinstance(i, (int, np.integer)) or isinstance(i, bool):
            return -1
        place = place * n + int(i) % n
    return place if len(parts) == len(shape) else -1


def forward(
    nodes: dict[int, Value], tangents: dict[int, Any], *, record: bool = False
) -> dict[int, Any]:
    """Push tangents (keyed by number) from the inputs to all nodes that depend on them."""
    tangents = dict(tangents)
    with np.errstate(all="ignore"):
        for n in sorted(nodes):
            v = nodes[n]
            if v._a is None or n in tangents:
                continue
            flows = tracked(v)
            incoming = {i: tangents[a._n] for i, a in flows if a._n in tangents}
            if not incoming:
                continue
            if record:
                t = v._op.jvp(incoming, v, *_fresh_operands(v), **parameters(v))
            elif type(v._p) is float:
                parts = zip(flows, (v._p, v._q), strict=False)
                t = sum((incoming[i] * d for (i, _), d in parts if incoming.get(i)), 0.0)
            else:
                t = v._op.jvp(incoming, v._data, *v._p, **v._b)
            tangents[n] = v._op.fit(t, v) if record else fit(t, v._data)
    return tangents
