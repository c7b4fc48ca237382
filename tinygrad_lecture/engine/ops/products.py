"""Matrix products: matmul in all of NumPy's shapes, einsum, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..value import Value, apply, raw
from .elementwise import mul
from .indexing import at_set
from .shaping import axes_of, operand, ravel, reshape, shape_of
from .table import Op, composed, has_nan, publish, register, select_product
from .table import linear as linear_row

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _flipped(x: Any) -> Any:
    """Exchange the last two axes."""
    return x.swapaxes(-1, -2)


def _matmul_left(g: Any, a: Any, b: Any) -> Any:
    """Contribution to a: g·bᵀ, for vectors and stacks as well."""
    if len(shape_of(b)) == 1:
        row = b if not np.ndim(raw(g)) else reshape(g, (*shape_of(g), 1)) * b
        return g * row if not np.ndim(raw(g)) else row
    if len(shape_of(a)) == 1:
        return reshape(b @ reshape(g, (*shape_of(g), 1)), shape_of(b)[:-1])
    return g @ _flipped(b)


def _matmul_right(g: Any, a: Any, b: Any) -> Any:
    """Contribution to b: aᵀ·g, for vectors and stacks as well."""
    if len(shape_of(a)) == 1:
        if len(shape_of(b)) == 1:
            return g * a
        return reshape(a, (-1, 1)) * reshape(g, (*shape_of(g)[:-1], 1, shape_of(g)[-1]))
    if len(shape_of(b)) == 1:
        columns = _flipped(a) @ reshape(g, (*shape_of(g), 1))
        return reshape(columns, shape_of(columns)[:-1])
    if len(shape_of(b)) == 2 and len(shape_of(a)) > 2:  # one product, not a stack to be summed
        rows = math.prod(shape_of(a)[:-1])
        return reshape(a, (rows, shape_of(a)[-1])).T @ reshape(g, (rows, shape_of(g)[-1]))
    return _flipped(a) @ g


_SHAPES = (
    ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((4, 2, 3), (3, 2)),
    ((2, 1, 2, 3), (4, 3, 2)), ((3,), (2, 3, 2)), ((2, 2, 3), (3,)),
)  # fmt: skip
_MATMUL = linear_row(
    "matmul", np.matmul,
    lambda g, a, b: select_product(lambda g, b: _matmul_left(g, a, b), g, b),
    lambda g, a, b: select_product(lambda g, a: _matmul_right(g, a, b), g, a),
    symbol="@", formula="x @ y",
    cases=lambda rng: (tuple(rng.normal(size=s) for s in _SHAPES[rng.integers(len(_SHAPES))]), {}),
)  # fmt: skip


def matmul(x: Any, y: Any) -> Any:
    """x @ y, in all of NumPy's shapes: vectors, matrices, stacks that broadcast.

    The contributions are g·yᵀ and xᵀ·g (L10-L12).

    Raises
    ------
    ValueError
        If an operand is a scalar, or the inner lengths differ.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> w, x = tg.Value([[1.0, 2.0]]), tg.Value([3.0, 4.0])
    >>> (w @ x).sum().backward()
    >>> w.grad, x.grad
    (array([[3., 4.]]), array([1., 2.]))
    """
    x, y = operand(x), operand(y)
    a, b = shape_of(x), shape_of(y)
    if not a or not b:
        raise ValueError(f"matmul takes arrays, and shapes {a} and {b} came: use * for scalars")
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        raise ValueError(f"matmul of shapes {a} and {b}: the inner lengths differ")
    return apply(_MATMUL, (x, y))


publish("matmul", matmul, [np.matmul])
Value.__matmul__ = matmul  # type: ignore[method-assign]
Value.__rmatmul__ = lambda self, other: matmul(other, self)  # type: ignore[method-assign]

# ------------------------------------------------------------------------------------ linear


def _rows(x: Any) -> Any:
    """Join all axes but the last: one matrix, also for stacks and for a single row."""
    return reshape(x, (math.prod(shape_of(x)[:-1]), shape_of(x)[-1]))


def _linear_vjp(i: int, g: Any, out: Any, x: Any, w: Any, *bias: Any) -> Any:
    if i == 0:
        return select_product(lambda g, w: g @ w, g, w)
    if i == 1:
        return select_product(lambda g, x: _rows(g).T @ _rows(x), g, x)
    return g  # the sum over the rows is what `fit` makes of it


def _linear_jvp(tangents: dict[int, Any], out: Any, x: Any, w: Any, *bias: Any) -> Any:
    parts = {
        0: lambda t: select_product(lambda t, w: t @ _flipped(w), t, w),
        1: lambda t: select_product(lambda t, x: x @ _flipped(t), t, x),
        2: lambda t: t,
    }
    return sum(parts[i](t) for i, t in tangents.items())


def _linear_run(values: Any, params: Any) -> Any:
    out = values[0] @ values[1].T
    return out + values[2] if len(values) == 3 else out


_LINEAR = register(
    Op(
        "linear", "other", -1, _linear_run, _linear_vjp, _linear_jvp, symbol="W x + b",
        formula="x @ weight.T + bias", needed=frozenset({0, 1}),
        derivatives=("g @ weight, g.T @ x, Σ g",), cases=lambda rng: _linear_case(rng),
    )
)  # fmt: skip


def _linear_case(rng: np.random.Generator) -> Any:
    shapes = (
        ((2, 3), (4, 3), (4,)), ((2, 3), (4, 3)), ((2, 2, 3), (1, 3), (1,)), ((3,), (2, 3)),
    )  # fmt: skip
    return tuple(rng.normal(size=s) for s in shapes[rng.integers(len(shapes))]), {}


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """x @ weight.T + bias, the lecture's linear layer, as one op (L01, L12).

    Parameters
    ----------
    x : array_like or Value, shape (..., in)
        Rows are samples.
    weight : array_like or Value, shape (out, in)
    bias : array_like or Value, shape (out,), optional

    Returns
    -------
    ndarray or Value, shape (..., out)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.linear([[1.0, 1.0]], [[1.0, 2.0]], [0.5])
    array([[3.5]])
    """
    args = (operand(x), operand(weight), *(() if bias is None else (operand(bias),)))
    a, w, *b = (shape_of(part) for part in args)
    if len(w) != 2 or (b and b[0] != w[:1]):
        shown = f" and the bias of shape {b[0]}" if b else ""
        raise ValueError(f"linear: the weight of shape {w}{shown} must be (out, in) and (out,)")
    if a[-1:] != w[1:]:
        raise ValueError(
            f"linear: input of shape {a} must end in {w[1]}, the number of columns of the weight"
            f" of shape {w}"
        )
    return apply(_LINEAR, args)


publish("linear", linear)

# ------------------------------------------------------------------------------------ einsum


def _explicit(subscripts: str, shapes: list[tuple[int, ...]]) -> tuple[list[str], str]:
    """Write subscripts out: no ellipsis, an output, one letter per axis."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        raise ValueError(
            f"subscripts {subscripts!r} name {len(terms)} operands, and {len(shapes)} came"
        )
    unused = [c for c in LETTERS if c not in text]
    most = max(
        (
            len(s) - len(t.replace("...", ""))
            for t, s in zip(terms, shapes, strict=True)
            if "..." in t
        ),
        default=0,
    )
    dots = "".join(unused[:most])
    written = []
    for term, shape in zip(terms, shapes, strict=True):
        own = len(shape) - len(term.replace("...", ""))
        term = term.replace("...", dots[most - own :] if own > 0 else "")
        if len(term) != len(shape) or (not term.isalpha() and term):
            raise ValueError(
                f"subscripts {subscripts!r}: {term!r} does not fit an operand of shape {shape}"
            )
        written.append(term)
    if arrow:
        if dots and "..." not in output:
            raise ValueError(
                f"subscripts {subscripts!r}: the operands have axes under '...', so the output "
                "has to have '...' as well"
            )
        return written, output.replace("...", dots)
    letters = "".join(t.replace("...", "") for t in terms)
    return written, dots + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))


def _einsum_vjp(i: int, g: Any, out: Any, *args: Any, terms: list[str], output: str) -> Any:
    """Contract g with the other operands into operand i's letters.

    A letter that only operand i has was summed over, so it is spread again (by ones); one of
    length 1 may have been spread, so it is summed over.  A letter that operand i has twice
    stands for a diagonal, so the contribution is put there.
    """
    term, shape = terms[i], shape_of(args[i])
    others = [(t, a) for k, (t, a) in enumerate(zip(terms, args, strict=True)) if k != i]
    known = output + "".join(t for t, _ in others)
    sizes = dict(zip(term, shape, strict=True))
    unused = iter(c for c in LETTERS if c not in known + term)
    spread = {
        c: next(unused) if n == 1 else c for c, n in sizes.items() if n == 1 or c not in known
    }
    target = "".join(spread.get(c, c) for c in sizes)
    ones = [(new, np.ones(sizes[c], raw(args[i]).dtype)) for c, new in spread.items()]

    def contract(g: Any, *factors: tuple[str, Any]) -> Any:
        parts = [(output, g), *factors, *ones]
        return einsum(f"{','.join(t for t, _ in parts)}->{target}", *(a for _, a in parts))

    c = _contracted(contract, g, others)
    if len(sizes) == len(term):
        return c
    ranges = dict(zip(sizes, np.ix_(*(np.arange(n) for n in sizes.values())), strict=True))
    return at_set(np.zeros(shape, raw(args[i]).dtype), tuple(ranges[c] for c in term), c)


def _contracted(contract: Callable[..., Any], g: Any, others: list[tuple[str, Any]]) -> Any:
    """Contract g with the others; what no non-zero element of g reaches is exactly 0."""
    c = contract(g, *others)
    if not others or isinstance(c, Value) or not has_nan(np.asarray(c)):
        return c
    letters = "".join(dict.fromkeys("".join(t for t, _ in others)))
    factors = np.einsum(_text([t for t, _ in others], letters), *(a for _, a in others))
    return select_product(lambda g, w: contract(g, (letters, w)), g, np.asarray(factors))


def _einsum_jvp(
    tangents: dict[int, Any], out: Any, *args: Any, terms: list[str], output: str
) -> Any:
    total = None
    for i, t in tangents.items():
        others = [(t, a) for k, (t, a) in enumerate(zip(terms, args, strict=True)) if k != i]

        def contract(t: Any, *factors: tuple[str, Any], term: str = terms[i]) -> Any:
            parts = [(term, t), *factors]
            params = {"terms": [t for t, _ in parts], "output": output}
            return apply(_EINSUM, tuple(a for _, a in parts), params)

        part = _contracted(contract, t, others)
        total = part if total is None else total + part
    return total


_EINSUM = register(
    Op(
        "einsum", "linear", -1,
        lambda values, params: np.einsum(_text(**params), *values),
        _einsum_vjp, _einsum_jvp, symbol="einsum", formula="Σ of products by subscripts",
        cases=lambda rng: _einsum_case(rng),
    )
)  # fmt: skip


def _text(terms: list[str], output: str) -> str:
    return f"{','.join(terms)}->{output}"


def _einsum_case(rng: np.random.Generator) -> Any:
    text, *shapes = (
        ("ij,jk->ik", (2, 3), (3, 2)), ("ii->i", (3, 3)), ("ij->", (2, 3)), ("i,j", (2,), (3,)),
        ("...ij,...jk->...ik", (2, 2, 3), (3, 2)), ("ij,ij,j->i", (2, 3), (2, 3), (3,)),
        ("iij,j->i", (2, 2, 3), (3,)),
    )[rng.integers(7)]  # fmt: skip
    return (text, *(rng.normal(size=s) for s in shapes)), {}


def einsum(subscripts: str, *operands: Any) -> Any:
    """Sum of products, by Einstein's subscripts, with NumPy's ``...``.

    Raises
    ------
    ValueError
        If the subscripts do not fit the operands.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.grad(lambda x: tg.einsum("ii->", x))([[1.0, 2.0], [3.0, 4.0]])
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if not isinstance(subscripts, str):
        raise TypeError(
            f"subscripts have to be text such as 'ij,jk->ik', not {type(subscripts).__name__}"
        )
    args = tuple(operand(x) for x in operands)
    terms, output = _explicit(subscripts, [shape_of(a) for a in args])
    return apply(_EINSUM, args, {"terms": terms, "output": output})


publish("einsum", einsum, [np.einsum])


def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Sum of products over pairs of axes.

    Parameters
    ----------
    x, y : array_like or Value
    axes : int or (axes of x, axes of y)
        An int n pairs the last n axes of x with the first n of y.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.tensordot([[1.0, 2.0]], [[3.0], [4.0]], 1)
    array([[11.]])
    """
    x, y = operand(x), operand(y)
    n, m = len(shape_of(x)), len(shape_of(y))
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(n, m):
            raise ValueError(f"axes={axes} of tensordot has to lie in 0..{min(n, m)} here")
        left, right = tuple(range(n - int(axes), n)), tuple(range(int(axes)))
    else:
        left, right = axes_of(axes[0], n, "tensordot"), axes_of(axes[1], m, "tensordot")
    if len(left) != len(right) or any(
        shape_of(x)[i] != shape_of(y)[j] for i, j in zip(left, right, strict=True)
    ):
        raise ValueError(
            f"tensordot over axes={axes} of shapes {shape_of(x)} and {shape_of(y)}: the lengths "
            "do not pair up"
        )
    a, b = LETTERS[:n], list(LETTERS[26 : 26 + m])
    for i, j in zip(left, right, strict=True):
        b[j] = a[i]
    rest = "".join(c for i, c in enumerate(a) if i not in left) + "".join(
        c for j, c in enumerate(b) if j not in right
    )
    return einsum(f"{a},{''.join(b)}->{rest}", x, y)


def dot(x: Any, y: Any) -> Any:
    """NumPy's dot: product of scalars, inner product of vectors, matrix product of matrices.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.dot(tg.Value([1.0, 2.0]), [3.0, 4.0]).data
    11.0
    """
    x, y = operand(x), operand(y)
    n, m = len(shape_of(x)), len(shape_of(y))
    if not n or not m:
        return mul(x, y)
    if n <= 2 and m <= 2:
        return matmul(x, y)
    return tensordot(x, y, ((n - 1,), (max(m - 2, 0),)))


def outer(x: Any, y: Any) -> Any:
    """All products of an element of x with one of y; both are flattened.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> tg.outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])
    """
    return reshape(x, (-1, 1)) * ravel(y)


composed(
    "tensordot",
    tensordot,
    lambda rng: (
        (rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 3, 2))),
        {"axes": ((1, 2), (1, 0))},
    ),
    [np.tensordot],
)
composed(
    "dot", dot, lambda rng: ((rng.normal(size=(2, 3)), rng.normal(size=(2, 3, 2))), {}), [np.dot]
)
composed("outer", outer, lambda rng: ((rng.normal(size=2), rng.normal(size=3)), {}), [np.outer])
