"""Matrix products in all of NumPy's shapes, einsum in all of its texts, and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numeric_derivatives import check_gradients
from numpy.typing import NDArray

import tinygrad_lecture as tg

Shape = tuple[int, ...]

MATMUL: list[tuple[Shape, Shape]] = [
    ((3,), (3,)), ((1,), (1,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((1, 3), (3, 1)),
    ((5, 2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)), ((1, 2, 3), (5, 3, 4)), ((5, 2, 3), (1, 3, 4)),
    ((2, 1, 2, 3), (1, 4, 3, 2)), ((2, 2, 2, 3), (3,)), ((3,), (2, 2, 3, 2)), ((2, 2, 2, 3), (3, 2)),
    ((1, 1), (1, 1)), ((2, 5, 1, 3), (5, 3, 1)),
]  # fmt: skip

matmul_shapes = pytest.mark.parametrize(("left", "right"), MATMUL, ids=str)


def normal(*shapes: Shape, seed: int = 0) -> list[NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=s)) for s in shapes]


def as_primal(x: NDArray[Any]) -> Any:
    return x if x.ndim else float(x)


# ------------------------------------------------------------------------------------ matmul


@matmul_shapes
def test_matmul_is_numpys(left: Shape, right: Shape) -> None:
    a, b = normal(left, right)
    expected = a @ b
    for out in (tg.matmul(a, b), (tg.Value(a) @ b)._data, tg.matmul(a, tg.Value(b))._data):
        assert np.shape(out) == expected.shape
        assert type(out) is (float if expected.ndim == 0 else np.ndarray)
        np.testing.assert_array_equal(out, expected)


@matmul_shapes
def test_matmul_gradients(left: Shape, right: Shape) -> None:
    check_gradients(tg.matmul, *normal(left, right))


@matmul_shapes
def test_matmul_with_a_constant_on_either_side(left: Shape, right: Shape) -> None:
    a, b = normal(left, right)
    both = tg.grad(lambda x, y: tg.sum(tg.sin(x @ y)), (0, 1))(a, b)
    np.testing.assert_array_equal(tg.grad(lambda x: tg.sum(tg.sin(x @ b)))(a), both[0])
    np.testing.assert_array_equal(tg.grad(lambda y: tg.sum(tg.sin(a @ y)))(b), both[1])


@matmul_shapes
def test_matmul_hessian_vector_products(left: Shape, right: Shape) -> None:
    a, b = normal(left, right)
    s, t = normal(left, right, seed=1)

    def gradient(x: Any, y: Any) -> Any:
        return tg.grad(lambda p, q: tg.sum(tg.sin(p @ q)), (0, 1))(x, y)

    h = 2.0**-17
    up, down = gradient(a + h * s, b + h * t), gradient(a - h * s, b - h * t)
    for pushed, p, m in zip(tg.jvp(gradient, (a, b), (s, t))[1], up, down, strict=True):
        np.testing.assert_allclose(pushed, (p - m) / (2 * h), rtol=1e-6, atol=1e-8)


@matmul_shapes
def test_matmul_in_float32(left: Shape, right: Shape) -> None:
    a, b = (tg.Value(x.astype(np.float32)) for x in normal(left, right))
    out = tg.sum(a @ b)
    out.backward()
    assert a.grad.dtype == b.grad.dtype == np.float32


def test_the_same_operand_on_both_sides() -> None:
    (a,) = normal((3, 3))
    g = tg.grad(lambda x: tg.sum(x @ x))(a)
    ones = np.ones((3, 3))
    np.testing.assert_allclose(g, ones @ a.T + a.T @ ones, rtol=1e-14)


def test_matmul_takes_lists_integers_and_lists_of_values() -> None:
    assert tg.matmul([[1, 2]], [3, 4]).tolist() == [11.0]
    row = [tg.Value(1.0), tg.Value(2.0)]
    out = tg.matmul(row, [3.0, 4.0])
    out.backward()
    assert out.data == 11.0
    assert [v.grad for v in row] == [3.0, 4.0]


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ((), (3,), r"matmul takes arrays, and shapes \(\) and \(3,\) came: use \* for scalars"),
        ((3,), (), r"matmul takes arrays, and shapes \(3,\) and \(\) came: use \* for scalars"),
        ((2, 3), (2, 3), r"matmul of shapes \(2, 3\) and \(2, 3\): the inner lengths differ"),
        ((3,), (2,), r"matmul of shapes \(3,\) and \(2,\): the inner lengths differ"),
        ((3,), (2, 3), r"matmul of shapes \(3,\) and \(2, 3\): the inner lengths differ"),
        ((2, 2, 3), (3, 3, 2), r"broadcast|mismatch"),
    ],
)
def test_matmul_refuses(left: Shape, right: Shape, message: str) -> None:
    a, b = map(as_primal, normal(left, right))
    for x, y in ((tg.Value(a), b), (a, tg.Value(b))):
        with pytest.raises(ValueError, match=message):
            tg.matmul(x, y)


# ------------------------------------------------------------------- dot, outer and tensordot


@pytest.mark.parametrize(
    ("left", "right"),
    [((), ()), ((), (3,)), ((2, 3), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)),
     ((2, 3), (3, 4)), ((2, 2, 3), (3,)), ((2, 3), (2, 3, 4)), ((2, 2, 3), (4, 3, 2)),
     ((3,), (2, 3, 2)), ((2, 2, 3), (3, 2))],
    ids=str,
)  # fmt: skip
def test_dot(left: Shape, right: Shape) -> None:
    a, b = normal(left, right)
    out = tg.dot(tg.Value(a), tg.Value(b))
    assert out.shape == np.dot(a, b).shape
    np.testing.assert_allclose(out.data, np.dot(a, b), rtol=1e-14)
    np.testing.assert_allclose(np.dot(tg.Value(a), b).data, np.dot(a, b), rtol=1e-14)
    np.testing.assert_allclose(tg.dot(as_primal(a), as_primal(b)), np.dot(a, b), rtol=1e-14)
    check_gradients(tg.dot, as_primal(a), as_primal(b))


@pytest.mark.parametrize(
    ("left", "right"), [((2,), (3,)), ((2, 2), (3,)), ((), (3,)), ((1,), (2, 1, 2))], ids=str
)
def test_outer(left: Shape, right: Shape) -> None:
    a, b = normal(left, right)
    np.testing.assert_array_equal(tg.outer(tg.Value(a), b).data, np.outer(a, b))
    check_gradients(tg.outer, as_primal(a), as_primal(b))


@pytest.mark.parametrize(
    ("left", "right", "axes"),
    [
        ((2, 3, 4), (3, 4, 2), 2), ((2, 3), (3, 4), 1), ((2, 3), (4,), 0), ((2, 3), (2, 3), 2),
        ((2, 3, 4), (4, 3, 2), ((1, 2), (1, 0))), ((2, 3), (4, 3), (1, 1)), ((2, 3), (4, 3), (-1, -1)),
        ((2, 3, 4), (4, 2, 5), ([0, -1], [1, 0])), ((3, 3), (3, 3), ((0, 1), (1, 0))), ((2, 3), (4,), ((), ())),
        ((2, 3), (3, 4), np.int64(1)),
    ],
    ids=str,
)  # fmt: skip
def test_tensordot(left: Shape, right: Shape, axes: Any) -> None:
    a, b = normal(left, right)
    expected = np.tensordot(a, b, axes)
    dispatched: Any = np.tensordot(a, tg.Value(b), axes)
    for out in (tg.tensordot(tg.Value(a), b, axes), dispatched):
        assert out.shape == expected.shape
        np.testing.assert_allclose(out.data, expected, rtol=1e-13)
    check_gradients(lambda x, y: tg.tensordot(x, y, axes), a, b)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (3, r"axes=3 of tensordot has to lie in 0\.\.2 here"),
        (-1, r"axes=-1 of tensordot has to lie in 0\.\.2 here"),
        (
            2,
            r"tensordot over axes=2 of shapes \(2, 3\) and \(3, 2, 4\): the lengths do not pair up",
        ),
        (((0, 1), (0,)), "the lengths do not pair up"),
        (((0,), (0,)), "the lengths do not pair up"),
        (((0, 0), (1, 1)), r"tensordot: axis=\(0, 0\) names an axis twice"),
        (((5,), (0,)), r"tensordot: axis=\(5,\) is out of range for an array with 2 axes"),
    ],
)
def test_tensordot_refuses(axes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tg.tensordot(tg.Value(np.ones((2, 3))), np.ones((3, 2, 4)), axes)


# ------------------------------------------------------------------------------------ einsum

EINSUM: list[tuple[str, list[Shape]]] = [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("ij,jk->ki", [(2, 3), (3, 4)]),
    ("ij,ij->", [(2, 3), (2, 3)]), ("i,i", [(3,), (3,)]), ("i,j->ij", [(2,), (3,)]), ("i,i->i", [(3,), (3,)]),
    # traces, diagonals, repeated letters
    ("ii", [(3, 3)]), ("ii->", [(3, 3)]), ("ii->i", [(3, 3)]), ("iii->i", [(2, 2, 2)]), ("iijj->ij", [(2, 2, 3, 3)]),
    ("ijij->", [(2, 3, 2, 3)]), ("iij,jk->ik", [(2, 2, 3), (3, 4)]), ("ii,i->i", [(3, 3), (3,)]),
    ("ii,jj->ij", [(2, 2), (3, 3)]), ("ij,jj->i", [(2, 3), (3, 3)]), ("iji->j", [(2, 3, 2)]),
    # permutations, sums, spectators
    ("ij->ji", [(2, 3)]), ("ji", [(2, 3)]), ("ba", [(2, 3)]), ("ij->", [(2, 3)]), ("ij->j", [(2, 3)]), ("ijk->k", [(2, 3, 4)]),
    ("ij,k->", [(2, 3), (4,)]), ("ij,k->k", [(2, 3), (4,)]), ("i->i", [(3,)]), ("->", [()]), (",i->i", [(), (3,)]),
    (",->", [(), ()]), ("Ab,bA->A", [(2, 3), (3, 2)]), ("aB", [(2, 3)]),
    # three and more operands
    ("i,j,k->kji", [(2,), (3,), (4,)]), ("bij,bjk,bk->i", [(2, 3, 4), (2, 4, 5), (2, 5)]),
    ("ij,ij,ij->ij", [(2, 3)] * 3), ("i,ij,j", [(2,), (2, 3), (3,)]), ("ab,bc,cd,da->", [(2, 3), (3, 2), (2, 3), (3, 2)]),
    # ellipsis
    ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]), ("...ij,...jk->...ik", [(2, 3), (5, 3, 4)]),
    ("...ij,...jk->...ik", [(2, 1, 2, 3), (4, 3, 2)]), ("...ij,...jk", [(5, 2, 3), (5, 3, 4)]),
    ("b...i,bi->b...", [(2, 4, 5, 3), (2, 3)]), ("...,...", [(2, 3), (3,)]), ("...,...->...", [(2, 1), (3,)]),
    ("i...->...i", [(2, 3, 4)]), ("...i->...", [(2, 3)]), ("...ii->...", [(2, 3, 3)]), ("...ii->...i", [(2, 3, 3)]),
    ("...->...", [(2, 3)]), ("...", [()]), ("i...,i...->...", [(2, 3), (2,)]), ("...i,j->...ij", [(2, 3), (4,)]),
    (" i j , j k -> i k ", [(2, 3), (3, 4)]),
    # axes of length 1 that broadcast
    ("ij,jk->ik", [(2, 1), (3, 4)]), ("ij,jk->ik", [(2, 3), (1, 4)]), ("ij,ij->ij", [(1, 3), (2, 3)]), ("ij,ij", [(1, 3), (2, 1)]),
    ("i,i->", [(1,), (3,)]), ("ii,i->i", [(1, 1), (3,)]), ("ii,i->", [(3, 3), (1,)]), ("ij,jk->", [(1, 1), (3, 4)]),
    ("...i,...i->...", [(1, 3), (2, 1)]), ("ij->", [(1, 3)]), ("i,j->ij", [(1,), (3,)]), ("ii->i", [(1, 1)]),
]  # fmt: skip

einsum_calls = pytest.mark.parametrize(("text", "shapes"), EINSUM, ids=str)


@einsum_calls
def test_einsum_is_numpys(text: str, shapes: list[Shape]) -> None:
    arrays = normal(*shapes)
    expected = np.einsum(text, *arrays)
    for operands in (arrays, list(map(tg.Value, arrays)), [tg.Value(arrays[0]), *arrays[1:]]):
        for out in (tg.einsum(text, *operands), np.einsum(text, *operands)):
            out = out._data if isinstance(out, tg.Value) else out
            assert np.shape(out) == np.shape(expected)
            np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-14)


@einsum_calls
def test_einsum_gradients(text: str, shapes: list[Shape]) -> None:
    primals = list(map(as_primal, normal(*shapes)))
    check_gradients(lambda *x: tg.einsum(text, *x), *primals)


@einsum_calls
def test_einsum_forward_mode_and_second_derivatives(text: str, shapes: list[Shape]) -> None:
    primals = list(map(as_primal, normal(*shapes)))
    tangents = list(map(as_primal, normal(*shapes, seed=1)))

    def f(*x: Any) -> Any:
        return tg.sum(tg.sin(tg.einsum(text, *x)))

    def gradient(*x: Any) -> Any:
        return list(tg.grad(f, tuple(range(len(x))))(*x))

    _, slope = tg.jvp(f, primals, tangents)
    rise = sum(float(np.sum(g * t)) for g, t in zip(gradient(*primals), tangents, strict=True))
    assert slope == pytest.approx(rise, rel=1e-12, abs=1e-13)
    twice = tg.vjp(gradient, *primals)[1](tangents)
    _, pushed = tg.jvp(gradient, primals, tangents)
    h = 2.0**-17
    up = gradient(*(x + h * t for x, t in zip(primals, tangents, strict=True)))
    down = gradient(*(x - h * t for x, t in zip(primals, tangents, strict=True)))
    for r, t, u, d in zip(twice, pushed, up, down, strict=True):
        np.testing.assert_allclose(r, t, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(r, (np.asarray(u) - d) / (2 * h), rtol=1e-5, atol=1e-7)


@einsum_calls
def test_einsum_in_float32(text: str, shapes: list[Shape]) -> None:
    leaves = [tg.Value(x.astype(np.float32)) for x in normal(*shapes)]
    out = tg.einsum(text, *leaves)
    wide = () in shapes or not out.ndim  # scalars are Python floats, and NumPy's einsum widens
    assert out.dtype == (np.float64 if wide else np.float32)
    tg.sum(out).backward()
    for leaf in leaves:
        assert np.asarray(leaf.grad).dtype == leaf.dtype


@given(data=st.data())
def test_random_products_of_two_factors(data: st.DataObject) -> None:
    """Any subscripts over three letters, axes of length 1 included."""
    letters = st.text("abc", max_size=3)
    left, right = data.draw(letters), data.draw(letters)
    output = "".join(data.draw(st.permutations(sorted({*left, *right}))))
    output = output[: data.draw(st.integers(0, len(output)))]
    sizes = dict(zip("abc", data.draw(st.tuples(*[st.integers(0, 3)] * 3)), strict=True))
    shapes = [tuple(sizes[c] for c in term) for term in (left, right)]
    a, b = normal(*shapes)
    text = f"{left},{right}->{output}"
    out = tg.einsum(text, tg.Value(a), tg.Value(b))
    np.testing.assert_allclose(out.data, np.einsum(text, a, b), rtol=1e-13, atol=1e-14)
    check_gradients(lambda x, y: tg.einsum(text, x, y), as_primal(a), as_primal(b))


def test_einsum_of_a_shared_operand() -> None:
    (a,) = normal((3, 3))
    np.testing.assert_allclose(
        tg.grad(lambda x: tg.einsum("ij,ji->", x, x))(a), 2 * a.T, rtol=1e-14
    )


def test_a_diagonal_takes_an_infinite_adjoint_to_its_own_places_only() -> None:
    g = tg.vjp(lambda x: tg.einsum("ii->i", x), np.ones((2, 2)))[1](np.array([np.inf, 1.0]))[0]
    np.testing.assert_array_equal(g, [[np.inf, 0.0], [0.0, 1.0]])


def test_einsum_copies_nothing_of_the_callers_lists() -> None:
    rows: list[list[Any]] = [[tg.Value(1.0), 2.0], [3.0, 4.0]]
    out = tg.einsum("ii", rows)
    out.backward()
    assert out.data == 5.0
    assert isinstance(rows[0][0], tg.Value)
    assert rows[0][0].grad == 1.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (("ij,jk", (2, 3)), ValueError, r"subscripts 'ij,jk' name 2 operands, and 1 came"),
        (("ij", (2, 3), (3,)), ValueError, r"subscripts 'ij' name 1 operands, and 2 came"),
        (("i", (2, 3)), ValueError, r"subscripts 'i': 'i' does not fit an operand of shape \(2, 3\)"),
        (("ijk", (2, 3)), ValueError, r"'ijk' does not fit an operand of shape \(2, 3\)"),
        (("...ijk->i", (2, 3)), ValueError, r"'ijk' does not fit an operand of shape \(2, 3\)"),
        (("i1", (2, 3)), ValueError, r"subscripts 'i1': 'i1' does not fit"),
        (("i.", (2, 3)), ValueError, r"subscripts 'i\.': 'i\.' does not fit"),
        (("...i->i", (2, 3)), ValueError, r"the output has to have '\.\.\.' as well"),
        (("ij->ik", (2, 3)), ValueError, "output subscript 'k'|'k' which never appeared"),
        (("ij->ii", (2, 3)), ValueError, "'i' multiple times|already"),
        (("ij,jk", (2, 3), (4, 2)), ValueError, "could not be broadcast|mismatch"),
        (("ii", (2, 3)), ValueError, "don't match"),
    ],
)  # fmt: skip
def test_einsum_refuses(call: Any, error: type[Exception], message: str) -> None:
    text, *shapes = call
    operands = [tg.Value(np.ones(s)) for s in shapes]
    with pytest.raises(error, match=message):
        tg.einsum(text, *operands)


def test_einsum_wants_its_subscripts_as_text() -> None:
    with pytest.raises(
        TypeError, match="subscripts have to be text such as 'ij,jk->ik', not Value"
    ):
        tg.einsum(tg.Value([1.0]), [0], [0])  # type: ignore[arg-type]
