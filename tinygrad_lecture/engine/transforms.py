"""Derivatives of functions: grad, vjp, jvp, jacobian, hvp, hessian.

All are pure: no ``.grad`` changes.  Arguments may be numbers, arrays, Values, or nests of them
(tuples, lists, dicts); inside the function the differentiated ones arrive as Values.  Called
with raw arguments, they answer with raw floats and arrays; called with Values, or inside of
another derivative, they answer with Values that have derivatives themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import nest, sweep
from .modes import nested, recorder
from .ops.shaping import IDENTITY, astype, reshape, stack
from .value import Value, _leaf_data, apply, bare, leaf, raw

ArgNums = int | Sequence[int]


class _Run:
    """One run of a function, and the sweeps over what it recorded."""

    def __init__(
        self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
        argnums: ArgNums, inside: bool,
    ) -> None:  # fmt: skip
        chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        positions = _positions(chosen, len(args))
        flat, self.structure = nest.flatten(tuple(args[i] for i in positions))
        given, _ = nest.flatten((args, kwargs))
        self.single = isinstance(argnums, int)
        self.record = inside or recorder() is not None or any(isinstance(a, Value) for a in given)
        active = recorder()  # called with raw arguments, an eager call answers with raw results
        self.bare = active is not None and not inside and not active.any_tracked(given)
        self.inputs = [_input(x, positions) for x in flat]
        if not self.inputs:
            raise ValueError(f"argnums={argnums} selects arguments that hold no numbers")
        self.floor = min(v._n for v in self.inputs)
        full = list(args)
        for i, tree in zip(positions, nest.unflatten(self.structure, self.inputs), strict=True):
            full[i] = tree
        self.output = f(*full, **kwargs)

    def scalar(self) -> Any:
        """Return the output, which has to be one number."""
        out = self.output
        if not isinstance(out, (Value, float, int, np.ndarray, np.number)):
            raise TypeError(
                f"the function has to return one number, and {type(out).__name__} came: use "
                "tg.vjp or tg.jacobian for other outputs"
            )
        if np.ndim(raw(out)):
            raise ValueError(
                f"the function has to return a scalar, and an array of shape {np.shape(raw(out))} "
                "came: reduce it with .sum(), or use tg.vjp or tg.jacobian"
            )
        return out

    @functools.cached_property
    def nodes(self) -> dict[int, Value]:
        """Everything that the outputs and the inputs have between them."""
        roots = [o for o in nest.flatten(self.output)[0] if isinstance(o, Value)]
        return sweep.collect([r for r in roots if r._n >= self.floor], self.floor)

    def pull(self, seeds: list[tuple[Any, Any]]) -> list[Any]:
        """Return the adjoints of the inputs for adjoints of outputs."""
        live = [(o, s) for o, s in seeds if isinstance(o, Value) and o._n in self.nodes]
        if self.record:
            adjoint = sweep.reverse_recorded(self.nodes, live, self.floor)
            found = [_as_value(adjoint.get(v._n, 0.0), v) for v in self.inputs]
            return list(map(bare, found)) if self.bare else found
        kept = sweep.reverse(self.nodes, live, self.floor)
        grads = [_zeros(v._data) if v._grad is None else v.grad for v in self.inputs]
        for v in self.nodes.values():  # also of values that the function made: no trace is left
            v._grad = None
        for v, old in kept:
            v._grad = old
        return grads

    def push(self, tangents: list[Any]) -> list[Any]:
        """Return the tangents of the outputs for tangents of the inputs."""
        given = {v._n: t for v, t in zip(self.inputs, tangents, strict=True)}
        found = sweep.forward(self.nodes, given, record=self.record)
        results: list[Any] = []
        for o in nest.flatten(self.output)[0]:
            t = found.get(o._n, 0.0) if isinstance(o, Value) else 0.0
            if self.record:
                results.append(bare(_as_value(t, o)) if self.bare else _as_value(t, o))
            else:
                like = raw(o)
                results.append(sweep.fit(t, like) if isinstance(like, (float, np.ndarray)) else 0.0)
        return results

    def arrange(self, leaves: list[Any]) -> Any:
        """Give one thing per input the shape of the arguments."""
        tree = nest.unflatten(self.structure, leaves)
        return tree[0] if self.single else tree

    def result(self) -> Any:
        """Return the output: raw, unless Values are wanted."""
        if self.record and not self.bare:
            return self.output
        return nest.nest_map(bare if self.bare else _detached, self.output)


def _zeros(x: Any) -> Any:
    return 0.0 if type(x) is float else np.zeros_like(x)


def _detached(x: Any) -> Any:
    return x._data if isinstance(x, Value) else x


def _positions(chosen: tuple[Any, ...], n: int) -> list[int]:
    positions = []
    for i in chosen:
        if not isinstance(i, (int, np.integer)) or not -n <= i < n:
            raise ValueError(f"argnums={i!r} is not the position of one of the {n} arguments")
        positions.append(int(i) % n)
    if len(set(positions)) != len(positions):
        raise ValueError(f"argnums={chosen} names an argument twice")
    return positions


def _input(x: Any, positions: list[int]) -> Value:
    if isinstance(x, Value):  # a new number, so that only ways through this use of x count
        if x.dtype.kind in "iub":  # an argument of a function that is compiled
            return astype(x, float)  # type: ignore[no-any-return]
        return apply(IDENTITY, (x,))  # type: ignore[no-any-return]
    try:
        return Value(x)
    except TypeError as error:
        raise TypeError(f"argument(s) {positions} are to be differentiated: {error}") from None


def _as_value(x: Any, like: Any) -> Value:
    if isinstance(x, Value):
        return x
    shape = np.shape(raw(like))
    return leaf(
        np.full(shape, x, getattr(raw(like), "dtype", float))
        if shape and np.shape(x) != shape
        else x
    )


def _checked(tree: Any, structure_of: Any, what: str) -> list[Any]:
    """Return the leaves of cotangents or tangents that have to match a nest."""
    leaves, structure = nest.flatten(tree)
    wanted, target = nest.flatten(structure_of)
    if structure != target:
        raise ValueError(f"{what} have the structure {structure}, and {target} is needed")
    for x, like in zip(leaves, wanted, strict=True):
        if np.shape(raw(x)) != np.shape(raw(like)):
            raise ValueError(
                f"{what} hold shape {np.shape(raw(x))} where {np.shape(raw(like))} is needed"
            )
    return [x if isinstance(x, Value) else _real(x, what) for x in leaves]


def _real(x: Any, what: str) -> Any:
    try:
        return _leaf_data(x)
    except TypeError as error:
        raise TypeError(f"{what}: {error}") from None


def value_and_grad(f: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """Return a function that gives the value of `f` and its gradient.

    Parameters
    ----------
    f : callable
        Returns a scalar.
    argnums : int or sequence of int, default 0
        Which positional arguments to differentiate with respect to.

    Returns
    -------
    callable
        ``(*args, **kwargs) -> (value, gradient)``; the gradient has the nest and shapes of the
        argument, or is a tuple of such for several argnums.

    Raises
    ------
    ValueError, TypeError
        From the call, if `f` returns no scalar or an argument holds no real numbers.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.value_and_grad(lambda p: p["w"] * p["b"])({"w": 2.0, "b": 3.0})
    (6.0, {'w': 3.0, 'b': 2.0})
    """

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        with nested() as inside:
            run = _Run(f, args, kwargs, argnums, inside)
            grads = run.pull([(run.scalar(), 1.0)])
        return run.result(), run.arrange(grads)

    return call


def grad(f: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """Return the gradient function of `f`; parameters as in `value_and_grad`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> cube = lambda x: x**3
    >>> tg.grad(cube)(2.0), tg.grad(tg.grad(cube))(2.0), tg.grad(tg.grad(tg.grad(cube)))(2.0)
    (12.0, 12.0, 6.0)
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return call


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Run `f` and return its output with a function that pulls cotangents back.

    Parameters
    ----------
    f : callable
    *args : numbers, arrays, Values or nests
        All are differentiated.

    Returns
    -------
    output : nest
    pullback : callable
        ``pullback(cotangents) -> tuple``, one entry per argument; may be called repeatedly.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> import numpy as np
    >>> out, pullback = tg.vjp(lambda x, y: x * y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pullback(np.array([1.0, 0.0]))
    (array([3., 0.]), array([1., 0.]))
    """
    with nested() as inside:
        run = _Run(f, args, {}, tuple(range(len(args))), inside)

    def pullback(cotangents: Any) -> tuple[Any, ...]:
        seeds = _checked(cotangents, run.output, "cotangents")
        outputs = nest.flatten(run.output)[0]
        if not run.record and any(isinstance(s, Value) for s in seeds):
            raise TypeError(
                "cotangents hold Values: call tg.vjp with Values to differentiate twice"
            )
        fitted = [
            s if isinstance(s, Value) else sweep.fit(s, raw(o))
            for s, o in zip(seeds, outputs, strict=True)
        ]
        return tuple(run.arrange(run.pull(list(zip(outputs, fitted, strict=True)))))

    return run.result(), pullback


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Push tangents forward: return the output of `f` and its directional derivative.

    Parameters
    ----------
    f : callable
    primals : sequence
        The arguments.
    tangents : sequence
        Of the nests and shapes of the primals.

    Returns
    -------
    output, tangent : nest

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.jvp(lambda x: x * x, (3.0,), (1.0,))
    (9.0, 6.0)
    """
    primals, tangents = tuple(primals), tuple(tangents)
    with nested() as inside:
        moving = any(isinstance(t, Value) for t in nest.flatten(tangents)[0])
        run = _Run(f, primals, {}, tuple(range(len(primals))), inside or moving)
        pushed = run.push(_checked(tangents, primals, "tangents"))
    return run.result(), nest.unflatten(nest.flatten(run.output)[1], pushed)


def jacobian(
    f: Callable[..., Any], argnums: ArgNums = 0, mode: str = "reverse"
) -> Callable[..., Any]:
    """Return a function that gives all partial derivatives of `f`.

    Parameters
    ----------
    f : callable
    argnums : int or sequence of int, default 0
    mode : {"reverse", "forward"}
        One sweep per output element, or one per input element: choose the fewer.

    Returns
    -------
    callable
        For one array out and one array in, an array of shape ``out.shape + in.shape``; for
        nests, the nest of outputs whose leaves are the nest of inputs.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> import numpy as np
    >>> tg.jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if mode not in ("reverse", "forward"):
        raise ValueError(f"mode={mode!r} has to be 'reverse' or 'forward'")

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        with nested() as inside:
            run = _Run(f, args, kwargs, argnums, inside)
            blocks = (_by_rows if mode == "reverse" else _by_columns)(run)
        structure = nest.flatten(run.output)[1]
        return nest.unflatten(structure, [run.arrange(row) for row in blocks])

    return call


def _by_rows(run: _Run) -> list[list[Any]]:
    blocks = []
    for o in nest.flatten(run.output)[0]:
        rows = [run.pull([(o, seed)]) for seed in _units(raw(o))]
        columns = zip(*rows, strict=True) if rows else [()] * len(run.inputs)
        shapes = [v.shape for v in run.inputs]
        blocks.append(
            [_joined(list(c), np.shape(raw(o)), s, 0) for c, s in zip(columns, shapes, strict=True)]
        )
    return blocks


def _by_columns(run: _Run) -> list[list[Any]]:
    outputs = nest.flatten(run.output)[0]
    blocks: list[list[Any]] = [[] for _ in outputs]
    for k, v in enumerate(run.inputs):
        columns = []
        for unit in _units(v._data):
            tangents = [
                unit if j == k else np.zeros(w.shape) if w.ndim else 0.0
                for j, w in enumerate(run.inputs)
            ]
            columns.append(run.push(tangents))
        for j, o in enumerate(outputs):
            blocks[j].append(_joined([c[j] for c in columns], np.shape(raw(o)), v.shape, -1))
    return blocks


def _units(x: Any) -> list[Any]:
    """Return one unit vector per element, each in the shape and dtype of x."""
    if np.ndim(x) == 0:
        return [1.0]
    return list(np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape))


def _joined(parts: list[Any], out: tuple[int, ...], into: tuple[int, ...], axis: int) -> Any:
    """Stack rows (axis 0) or columns (axis -1) of a Jacobian into shape out + into."""
    if not parts:
        return np.zeros(out + into)
    if len(parts) == 1 and not (out if axis == 0 else into):
        return parts[0]
    if any(isinstance(p, Value) for p in parts):
        return reshape(stack(parts, axis), out + into)
    return np.stack(parts, axis).reshape(out + into)


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """Hessian of scalar `f` at `x`, times `v`, without forming it: forward over reverse.

    Parameters
    ----------
    f : callable
        Of one argument; returns a scalar.
    x, v : number, array, Value or nest
        The point, and a direction of the same nest and shapes.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> import numpy as np
    >>> tg.hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    return jvp(grad(f), (x,), (v,))[1]


def hessian(f: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """Return a function that gives all second derivatives of scalar `f`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> import numpy as np
    >>> tg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnums), argnums)


__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]
