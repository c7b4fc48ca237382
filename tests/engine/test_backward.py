"""`Value.backward`: order, accumulation, seeds, shapes, and what a failure leaves behind."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_lecture as tg

# ------------------------------------------------------- the right order on shared values
#
# Each of these goes wrong where backward follows the graph depth first, pushing adjoints on as
# they come, instead of finishing an op's adjoint before passing it on.


def test_micrograd_64_a_result_that_is_used_twice() -> None:
    a = tg.Value(1.0)
    b = a + a
    c = b + b
    c.backward()

    assert (a.grad, b.grad, c.grad) == (4.0, 2.0, 1.0)


def test_micrograd_68_sum_and_product_of_two_shared_results() -> None:
    a, b = tg.Value(2.0), tg.Value(3.0)
    c, d = a + b, a * b
    e, f = c + d, c * d
    y = e + f
    y.backward()

    assert y.data == 41.0
    assert (e.grad, f.grad) == (1.0, 1.0)
    assert (c.grad, d.grad) == (7.0, 6.0)
    assert (a.grad, b.grad) == (25.0, 19.0)


def test_micrograd_2_a_result_that_comes_back_later() -> None:
    x = tg.Value(3.0)
    y = x * x
    z = y + x
    w = z * y
    w.backward()

    assert x.grad == 4 * 3.0**3 + 3 * 3.0**2


def test_the_shorter_way_does_not_run_ahead_of_the_longer() -> None:
    a = tg.Value(2.0)
    b = a * 3.0
    long = ((b + 1.0) * 1.0 + 0.0).tanh() * 0.0
    (b * b + long * 1.0).backward()

    assert b.grad == 12.0
    assert a.grad == 36.0


BOTH: list[tuple[Callable[[Any], Any], float]] = [
    (lambda v: v * v, 6.0),
    (lambda v: v + v, 2.0),
    (lambda v: v - v, 0.0),
    (lambda v: v / v, 0.0),
]


@pytest.mark.parametrize(("f", "slope"), BOTH)
def test_one_value_as_both_operands(f: Callable[[Any], Any], slope: float) -> None:
    x, w = tg.Value(3.0), tg.Value([3.0, 3.0])
    f(x).backward()
    f(w).sum().backward()

    assert x.grad == pytest.approx(slope, abs=1e-15)
    assert w.grad == pytest.approx([slope, slope], abs=1e-15)


@pytest.mark.parametrize("n", [1, 2, 10, 60])
def test_a_ladder_of_diamonds_has_2_to_the_n_paths(n: int) -> None:
    x = tg.Value(1.0)
    y = x
    for _ in range(n):
        y = y + y
    y.backward()

    assert x.grad == 2.0**n


def test_diamonds_of_arrays() -> None:
    a = tg.Value(np.ones((2, 3)))
    b = a + a
    c = b * b
    (c + b).sum().backward()

    np.testing.assert_array_equal(a.grad, np.full((2, 3), 10.0))
    np.testing.assert_array_equal(b.grad, np.full((2, 3), 5.0))


# ------------------------------------------------------------------------ calling it again


@pytest.mark.parametrize("data", [3.0, [3.0, 1.0]])
def test_leaves_accumulate_and_inner_values_show_the_last_call(data: Any) -> None:
    x = tg.Value(data)
    y = x * x
    out = (y * x).sum()
    out.backward()
    first, inner = np.copy(x.grad), np.copy(y.grad)
    out.backward()
    out.backward()

    np.testing.assert_allclose(first, 3 * np.square(data))
    np.testing.assert_array_equal(x.grad, 3 * first)
    np.testing.assert_array_equal(y.grad, inner)
    assert out.grad == 1.0


def test_zeroing_the_leaf_is_enough_to_start_afresh() -> None:
    x = tg.Value(3.0)
    y = x * x * x  # micrograd gives 45 at the second call, as inner gradients add up there
    y.backward()
    x.zero_grad()
    y.backward()

    assert x.grad == 27.0


def test_two_outputs_over_one_shared_part() -> None:
    x = tg.Value(2.0)
    shared = x * x
    a, b = shared * 3.0, shared * 5.0
    a.backward()
    assert (x.grad, shared.grad) == (12.0, 3.0)
    b.backward()
    assert (x.grad, shared.grad) == (32.0, 5.0)
    assert a.grad == 1.0


def test_backward_from_an_inner_value_leaves_what_lies_above_alone() -> None:
    x = tg.Value(2.0)
    y = x * x
    z = y * 3.0
    z.backward()
    y.backward()

    assert (x.grad, y.grad, z.grad) == (16.0, 1.0, 1.0)


def test_values_that_backward_does_not_reach_stay_none() -> None:
    x, other = tg.Value(1.0), tg.Value([1.0])
    unused = x * 2.0
    (x * 3.0).backward()

    assert other.grad is None
    assert unused.grad is None


def test_no_gradient_is_zero_not_none_where_backward_reached() -> None:
    x, w = tg.Value(-1.0), tg.Value([-1.0, -2.0])
    (x.relu() * 1.0).backward()
    w.relu().sum().backward()

    assert x.grad == 0.0
    np.testing.assert_array_equal(w.grad, [0, 0])
    assert w.grad.dtype == np.float64


def test_an_array_behind_an_exactly_zero_adjoint_has_a_gradient_of_zeros() -> None:
    w = tg.Value(np.ones((2, 2), np.float32))
    h = w * 2.0
    (h.sum() * 0.0).backward()

    for v in (h, w):
        np.testing.assert_array_equal(v.grad, np.zeros((2, 2)))
        assert v.grad.dtype == np.float32
    assert "grad=<float32[2, 2]>" in repr(h)
    np.testing.assert_array_equal(tg.Tape(h)[1].adjoint, np.zeros((2, 2)))


def test_backward_of_a_leaf_is_its_seed() -> None:
    x, w = tg.Value(5.0), tg.Value([1.0, 2.0])
    x.backward()
    x.backward()
    w.backward([3.0, 4.0])

    assert x.grad == 2.0
    np.testing.assert_array_equal(w.grad, [3, 4])


def test_gradients_are_accumulated_over_a_loop_of_losses() -> None:
    w = tg.Value(0.0)
    for x, y in ((1.0, 2.0), (2.0, 4.0), (3.0, 6.0)):
        error = w * x - y
        (error * error).backward()

    assert w.grad == sum(-2 * x * y for x, y in ((1, 2), (2, 4), (3, 6)))


# ----------------------------------------------------------------------------------- seeds


def test_an_array_needs_a_seed() -> None:
    y = tg.Value([1.0, 2.0]) * 2.0

    with pytest.raises(ValueError, match=r"backward\(\) starts at a scalar, .* shape \(2,\): reduce it with "
                                         r"\.sum\(\), or pass seed= .* or use tg\.jacobian"):  # fmt: skip
        y.backward()
    with pytest.raises(ValueError, match=r"shape \(1,\)"):
        (tg.Value([1.0]) * 2.0).backward()


def test_seeds_weigh_the_outputs() -> None:
    x = tg.Value([1.0, 2.0, 3.0])
    y = x * x
    y.backward(seed=[1, 0, -1])

    np.testing.assert_array_equal(x.grad, [2, 0, -6])
    np.testing.assert_array_equal(y.grad, [1, 0, -1])


@pytest.mark.parametrize("seed", [2, 2.0, np.float32(2), np.array(2.0), True + 1])
def test_a_scalar_takes_a_number_as_seed(seed: Any) -> None:
    x = tg.Value(3.0)
    (x * x).backward(seed)

    assert x.grad == 12.0
    assert type(x.grad) is float


def test_a_seed_is_copied_and_may_be_a_value() -> None:
    x, seed = tg.Value([1.0, 2.0]), np.array([1.0, 1.0])
    y = x * 1.0
    y.backward(seed)
    seed[:] = 7

    np.testing.assert_array_equal(y.grad, [1, 1])
    y.backward(tg.Value([2.0, 3.0]))
    np.testing.assert_array_equal(x.grad, [3, 4])


@pytest.mark.parametrize(
    ("data", "seed", "shape"),
    [(1.0, [1.0], r"\(1,\)"), ([1.0, 2.0], [1.0], r"\(1,\)"), ([1.0, 2.0], 1.0, r"\(\)")],
)
def test_a_seed_of_another_shape_is_refused(data: Any, seed: Any, shape: str) -> None:
    y = tg.Value(data) * 2.0

    with pytest.raises(ValueError, match=rf"seed has shape {shape}, and the Value has shape"):
        y.backward(seed)


def test_a_seed_that_is_no_real_number_is_refused() -> None:
    with pytest.raises(TypeError, match="data has to be real numbers"):
        (tg.Value(1.0) * 2.0).backward(1j)


def test_a_zero_seed_gives_zero_gradients() -> None:
    x, w = tg.Value(0.0), tg.Value([0.0, 1.0])
    tg.sqrt(x).backward(0.0)
    tg.sqrt(w).backward([0.0, 0.0])

    assert x.grad == 0.0
    np.testing.assert_array_equal(w.grad, [0, 0])


# ---------------------------------------------------------------------- shapes and dtypes

SHAPES = [
    (),
    (1,),
    (3,),
    (1, 1),
    (2, 1),
    (1, 3),
    (2, 3),
    (4, 2, 3),
    (4, 1, 1),
    (0,),
    (2, 0),
    (0, 3),
    (1, 0),
]
PAIRS = [
    (a, b)
    for a, b in itertools.product(SHAPES, SHAPES)
    if all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))
]


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_a_broadcast_operand_gets_the_sum_in_its_own_shape(
    left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    x, y = tg.Value(rng.normal(size=left)), tg.Value(rng.normal(size=right))
    out = x * y
    shape = np.broadcast_shapes(left, right)
    seed = rng.normal(size=shape)
    out.backward(seed)

    assert out.shape == shape
    for v, other in ((x, y), (y, x)):
        expected = summed_into(v.shape, np.broadcast_to(seed * np.asarray(other.data), shape))
        assert type(v.grad) is (float if v.shape == () else np.ndarray)
        assert np.shape(v.grad) == v.shape
        np.testing.assert_allclose(v.grad, expected, atol=1e-12)


def summed_into(shape: tuple[int, ...], full: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add each element of `full` to the one of `shape` that broadcasting made it from."""
    out = np.zeros(shape)
    for place in np.ndindex(full.shape):
        own = place[full.ndim - len(shape) :]
        out[tuple(0 if n == 1 else k for n, k in zip(shape, own, strict=True))] += full[place]
    return out


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gradients_have_the_dtype_of_the_data(dtype: type) -> None:
    x = tg.Value(np.array([[1.0, 2.0]], dtype))
    out = ((x * 2.0 + 1) @ x.T).sum()
    out.backward()

    assert (x * 2.0 + 1).dtype == dtype
    assert x.grad.dtype == dtype
    assert x.grad.shape == (1, 2)
    out.backward()
    assert x.grad.dtype == dtype


def test_mixed_dtypes_promote_and_each_gradient_comes_back_in_its_own() -> None:
    x, w, s = tg.Value(np.ones(3, np.float32)), tg.Value(np.ones(3)), tg.Value(2.0)
    y = x * w
    assert y.dtype == np.float64
    (y * s).sum().backward()

    assert x.grad.dtype == np.float32
    assert w.grad.dtype == np.float64
    assert type(s.grad) is float
    assert (x * s).dtype == np.float32


@pytest.mark.parametrize(
    "constant", [np.arange(3), np.array([True, False, True]), [0, 1, 2], range(3)]
)
def test_integer_constants_count_as_floats(constant: Any) -> None:
    x = tg.Value([1.0, 2.0, 3.0])
    (x * (list(constant) if isinstance(constant, range) else constant)).sum().backward()

    np.testing.assert_array_equal(x.grad, np.asarray(constant, float))


def test_scalars_stay_python_floats_on_every_way() -> None:
    w = tg.Value([1.0, 2.0])
    scalars = [
        tg.Value(2),
        tg.Value(2) * 3,
        w.sum(),
        w[0],
        w @ w,
        w.mean() + 1,
        w.max(),
        1 / tg.Value(np.float32(3)),
    ]
    for v in scalars:
        assert type(v.data) is float
        v.backward()
        assert type(v.grad) is float


# ----------------------------------------------------------------------- no shared memory


def test_leaf_gradients_share_memory_with_nothing() -> None:
    a, b, c = (tg.Value(np.ones((2, 2))) for _ in range(3))
    seed = np.ones((2, 2))
    inner = a + b
    out = (inner + c).reshape(4).reshape(2, 2).T.T[:]
    out.backward(seed)
    arrays = [a.grad, b.grad, c.grad]
    arrays[0][0, 0] = 100.0

    assert all(g.flags.writeable and g.flags.owndata for g in arrays)
    for g, other in itertools.product(arrays, [*arrays, inner.grad, out.grad, seed]):
        assert g is other or not np.shares_memory(g, other)
    np.testing.assert_array_equal(b.grad, np.ones((2, 2)))
    np.testing.assert_array_equal(c.grad, np.ones((2, 2)))
    np.testing.assert_array_equal(inner.grad, np.ones((2, 2)))


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a.T + b.T, lambda a, b: a.reshape(9) + b.reshape(9),
        lambda a, b: tg.concatenate([a, b]), lambda a, b: tg.stack([a, b]), lambda a, b: tg.einsum("ij->ji", a) + b,
        lambda a, b: tg.where(True, a, b) + b, lambda a, b: a[:] + b[::-1], lambda a, b: tg.broadcast_to(a, (2, 3, 3)) + b,
        lambda a, b: a.sum() + b.sum(), lambda a, b: tg.diagonal(a) + tg.diagonal(b), lambda a, b: a.relu() + b.mean(),
        lambda a, b: tg.maximum(a, b), lambda a, b: tg.at_add(a, slice(0, 1), b[:1]), lambda a, b: +a + b,
    ],
)  # fmt: skip
def test_no_op_makes_two_leaves_share_a_gradient(f: Any) -> None:
    a, b = tg.Value(np.ones((3, 3))), tg.Value(np.ones((3, 3)))
    y = f(a, b)
    y.backward(np.ones(y.shape) if y.ndim else None)
    before = b.grad.copy()
    a.grad[...] = 100.0

    np.testing.assert_array_equal(b.grad, before)
    assert not np.shares_memory(a.grad, b.grad)
    assert not np.shares_memory(a.grad, a.data)


def test_inner_gradients_are_read_only_views() -> None:
    x = tg.Value([1.0, 2.0])
    y = x * 1.0
    (y + y * 0.0).sum().backward()

    with pytest.raises(ValueError, match="read-only"):
        y.grad[0] = 5.0


def test_a_leaf_gradient_may_be_changed_in_place() -> None:
    x = tg.Value([3.0, 4.0])
    (x * x).sum().backward()
    x.grad /= 10
    x.grad[0] = 0.0

    np.testing.assert_array_equal(x.grad, [0, 0.8])


def test_accumulating_makes_a_new_array() -> None:
    x = tg.Value([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    first = x.grad
    y.backward()

    np.testing.assert_array_equal(first, [2, 4])
    np.testing.assert_array_equal(x.grad, [4, 8])


# ------------------------------------------------------------------------------- zeros, inf


def test_an_exactly_zero_adjoint_contributes_zero_even_times_inf() -> None:
    x, w = tg.Value(0.0), tg.Value([0.0, 4.0])
    tiny, inf = tg.Value(5e-324), tg.Value(math.inf)
    (tg.sqrt(x) * 0.0).backward()
    (tg.sqrt(w) * np.array([0.0, 1.0])).sum().backward()
    (tg.log(tiny) * 0.0).backward()  # 1 / x is inf without an exception on the way
    (0.0 * tg.minimum(inf * inf, 1.0)).backward()

    assert [x.grad, tiny.grad, inf.grad] == [0.0, 0.0, 0.0]
    np.testing.assert_array_equal(w.grad, [0, 0.25])


def test_an_infinite_derivative_is_given_as_it_is() -> None:
    x = tg.Value(0.0)
    tg.sqrt(x).backward()

    assert x.grad == math.inf


# ----------------------------------------------------------------------------------- failure


def test_a_failing_rule_restores_the_gradients_and_the_next_call_works() -> None:
    broken: list[bool] = [True]

    def slope(out: Any, x: Any) -> Any:
        if broken:
            raise RuntimeError("no derivative today")
        return 2 * x

    f = tg.op("moody_square", lambda x: np.square(x), slope)
    try:
        x, w, unreached = tg.Value(3.0), tg.Value([3.0, 4.0]), tg.Value(1.0)
        w.grad = [10.0, 10.0]
        out: Any = (f(w * 1.0).sum() + f(x * 1.0) * 2.0) * 1.0
        with pytest.raises(RuntimeError, match="no derivative today"):
            out.backward()
        assert [x.grad, out.grad, unreached.grad] == [None, None, None]
        np.testing.assert_array_equal(w.grad, [10, 10])
        broken.clear()
        out.backward()
        assert x.grad == 12.0
        np.testing.assert_array_equal(w.grad, [16, 18])
        assert unreached.grad is None
    finally:
        tg.remove_op("moody_square")


def test_a_failure_in_debug_mode_restores_the_gradients() -> None:
    x = tg.Value(0.0)
    x.grad = 5.0
    y = tg.sqrt(x * 1.0)

    with tg.debug(), pytest.raises(FloatingPointError):
        y.backward()
    assert x.grad == 5.0
    assert y.grad is None


def test_no_warning_comes_from_backward() -> None:
    w = tg.Value([0.0, 1e308, -1.0])
    with np.errstate(all="ignore"):
        y = (1.0 / w).sum() + (w * w).sum()
    with np.errstate(all="raise"):
        y.backward()

    assert w.grad[0] == -math.inf


def test_an_interrupt_before_the_sweep_leaves_the_gradients_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, w = tg.Value(2.0), tg.Value(np.ones(2))
    y = (w * x).sum()
    y.backward()

    def interrupt(v: tg.Value) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_lecture.engine.sweep._NUMBER", interrupt)
    with pytest.raises(KeyboardInterrupt):
        y.backward()

    assert x.grad == 2.0
    np.testing.assert_array_equal(w.grad, [2.0, 2.0])
    assert y.grad is None
