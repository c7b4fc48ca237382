"""The op table: complete rows, and all that is derived from them."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numeric_derivatives import Problem

import tinygrad_lecture as tg
from tinygrad_lecture.engine import PUBLIC, TABLE
from tinygrad_lecture.engine.ops.methods import COMPARISONS, METHODS, PLAIN
from tinygrad_lecture.engine.ops.table import FUNCTIONS, NAMES, UFUNCS, register

KINDS = {"elementwise", "reduction", "linear", "other", "composed"}

SPECIFIED = (
    "add subtract multiply divide floor_divide mod power negative abs sign "
    "exp expm1 log log1p log2 log10 sqrt cbrt square reciprocal "
    "sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh "
    "sigmoid log_sigmoid softplus relu leaky_relu elu erf hypot maximum minimum clip where "
    "sum mean var std prod max min logsumexp norm cumsum cumprod softmax log_softmax "
    "matmul dot outer einsum tensordot trace diagonal "
    "reshape ravel transpose swapaxes moveaxis expand_dims squeeze broadcast_to flip roll pad "
    "repeat tile concatenate stack split take take_along_axis getitem at_set at_add sort astype"
).split()
"""What the engine has to have, by name."""

rows = pytest.mark.parametrize("name", sorted(TABLE))


def wrapped(x: Any) -> Any:
    """Turn the float operands of a sample into Values."""
    if isinstance(x, list) and x and isinstance(x[0], np.ndarray):
        return [tg.Value(item) for item in x]
    return tg.Value(x) if type(x) is float or getattr(x, "dtype", None) == np.float64 else x


def plain(x: Any) -> Any:
    return [plain(item) for item in x] if isinstance(x, list) else x.data


def test_the_table_holds_every_op_that_is_specified() -> None:
    assert set(SPECIFIED) <= set(TABLE)


@pytest.mark.parametrize("name", SPECIFIED)
def test_the_public_function_is_exported_under_the_name_of_the_row(name: str) -> None:
    assert getattr(tg, name) is PUBLIC[name]
    assert PUBLIC[name].__name__ == name or name == "abs"
    assert PUBLIC[name] is NAMES[name]


def test_each_row_has_one_public_function_and_each_function_a_row() -> None:
    assert set(TABLE) == set(PUBLIC)
    assert len(set(map(id, PUBLIC.values()))) == len(PUBLIC)


@rows
def test_rows_are_complete(name: str) -> None:
    row = TABLE[name]

    assert row.name == name
    assert name.isidentifier()
    assert repr(row) == f"<op {name}>"
    assert row.kind in KINDS
    assert row.symbol
    assert row.arity == -1 or row.arity >= 1
    assert callable(row.run)
    assert callable(row.vjp)
    assert callable(row.jvp)
    assert bool(row.formula) or row.kind == "composed"


@rows
def test_derivatives_and_domains_are_stated_where_the_kind_asks_for_them(name: str) -> None:
    row = TABLE[name]

    if row.kind == "elementwise":
        assert len(row.partials) == len(row.derivatives) == len(row.domain) == row.arity
        assert all(low <= high for low, high in row.domain)
        assert all(row.derivatives)
    else:
        assert not row.partials
    if row.kind == "reduction":
        assert all(row.derivatives)
        assert row.arity == 1
    if row.branch is not None:
        assert not row.analytic or name in {"abs", "where"}
    operands = row.arity if row.arity > 0 else len(row.sample(np.random.default_rng(0))[0])
    assert row.needed is None or all(0 <= i < operands for i in row.needed)


@rows
def test_samples_are_valid_calls_and_repeat_with_the_seed(name: str) -> None:
    row = TABLE[name]
    for seed in range(4):
        args, kwargs = row.sample(np.random.default_rng(seed))
        again, _ = row.sample(np.random.default_rng(seed))
        problem, twin = Problem(row.call, args, kwargs), Problem(row.call, again, kwargs)

        assert problem.primals
        for x, y in zip(problem.primals, twin.primals, strict=True):
            np.testing.assert_array_equal(x, y)
            if row.kind == "elementwise" and row.cases is None:
                low, high = (min(ends) for ends in zip(*row.domain, strict=True))
                high = max(high for _, high in row.domain)
                assert np.all(low <= np.asarray(x))
                assert np.all(np.asarray(x) <= high)
        for out in problem(*problem.primals):
            assert isinstance(out, float | np.ndarray)
            assert np.all(np.isfinite(out))


@pytest.mark.parametrize("name", sorted(n for n, row in TABLE.items() if row.kind == "elementwise"))
def test_samples_of_elementwise_rows_come_as_scalars_and_as_arrays(name: str) -> None:
    kinds = {type(TABLE[name].sample(np.random.default_rng(s))[0][0]) for s in range(20)}
    assert np.ndarray in kinds
    assert float in kinds or TABLE[name].cases is not None


@pytest.mark.parametrize("name", sorted(set(TABLE) - {"identity"}))
def test_docstrings_have_a_summary_and_examples_that_run(name: str) -> None:
    doc = PUBLIC[name].__doc__

    assert doc is not None
    assert doc.splitlines()[0].strip().endswith((".", "`."))
    assert ">>> import tinygrad_lecture as tg" in doc
    test = doctest.DocTestParser().get_doctest(doc, {}, name, None, 0)
    failures: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=failures.append)
    assert result.attempted >= 2
    assert result.failed == 0, "".join(failures)


@pytest.mark.parametrize(
    "name", sorted(n for n, row in TABLE.items() if row.kind == "elementwise" and row.arity <= 2)
)
def test_docstrings_of_elementwise_rows_state_value_and_derivatives(name: str) -> None:
    row = TABLE[name]
    if row.cases is None:
        assert f"out = {row.formula}" in PUBLIC[name].__doc__
        for argument, text in zip("xy", row.derivatives, strict=False):
            assert f"d/d{argument} = {text}" in PUBLIC[name].__doc__


@rows
def test_recorded_calls_verify_and_replay_to_the_same_output(name: str) -> None:
    row = TABLE[name]
    for seed in range(3):
        args, kwargs = row.sample(np.random.default_rng(seed))
        with np.errstate(all="raise"):
            raw = row.call(*args, **kwargs)
            out = row.call(*map(wrapped, args), **kwargs)
        tape = tg.Tape(out)
        tape.verify()
        outs = list(zip(*([[o] for o in (out, raw)]), strict=True))
        if isinstance(out, list):
            outs = list(zip(out, raw, strict=True))
        replayed = tape.replay()
        replayed = replayed if isinstance(out, list) else [replayed]
        for (value, bare), again in zip(outs, replayed, strict=True):
            assert isinstance(value, tg.Value)
            assert type(bare) is (float if value.ndim == 0 else np.ndarray)
            np.testing.assert_allclose(value.data, bare, rtol=1e-15)  # math and NumPy differ a bit
            np.testing.assert_allclose(again, bare, rtol=1e-15)


@rows
def test_a_recorded_call_names_its_row_unless_composed(name: str) -> None:
    row = TABLE[name]
    args, kwargs = row.sample(np.random.default_rng(0))
    out = row.call(*map(wrapped, args), **kwargs)
    last = tg.Tape(out)
    ops = {entry.op for entry in last}
    assert (name in ops) is (row.kind != "composed")


@pytest.mark.parametrize("name", sorted(n for n, row in TABLE.items() if row.kind == "composed"))
def test_a_composed_row_has_no_rule_of_its_own(name: str) -> None:
    row = TABLE[name]
    rules: tuple[Any, ...] = (row.run, row.vjp, row.jvp)
    for rule in rules:
        with pytest.raises(TypeError, match="composed row has no rule of its own"):
            rule()


def test_a_name_is_entered_once() -> None:
    with pytest.raises(ValueError, match="the op table has a row 'exp' already"):
        register(TABLE["exp"])


@pytest.mark.parametrize("name", sorted(n for n, row in TABLE.items() if row.branch is not None))
def test_kinked_rows_tell_which_piece_each_element_is_on(name: str) -> None:
    row = TABLE[name]
    args, kwargs = row.sample(np.random.default_rng(1))
    logs = []
    for _ in range(2):
        with tg.engine.watch_branches() as log:
            row.call(*map(wrapped, args), **kwargs)
        logs.append(log)
    assert [label for label, _ in logs[0]].count(name) == 1
    assert logs[0] == logs[1]
    bare = row.call(*args, **kwargs)
    assert isinstance(bare, float | np.ndarray)


# ----------------------------------------------------------------------------------- methods


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_the_public_functions(name: str) -> None:
    assert getattr(tg.Value, name) is PUBLIC[name]
    args, kwargs = TABLE[name].sample(np.random.default_rng(2))
    first, *rest = map(wrapped, args)
    method = getattr(first, name)(*rest, **kwargs)
    np.testing.assert_allclose(method.data, TABLE[name].call(*args, **kwargs), rtol=1e-15)


OPERATORS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "+": ("add", lambda a, b: a + b),
    "-": ("subtract", lambda a, b: a - b),
    "*": ("multiply", lambda a, b: a * b),
    "/": ("divide", lambda a, b: a / b),
    "//": ("floor_divide", lambda a, b: a // b),
    "%": ("mod", lambda a, b: a % b),
    "**": ("power", lambda a, b: a**b),
}


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("left", [2.5, np.array([2.5, 1.5])], ids=["scalar", "array"])
@pytest.mark.parametrize("right", [0.75, 2, np.array([0.5, 3.0])], ids=["float", "int", "array"])
def test_operators_work_on_either_side_of_numbers_and_arrays(
    symbol: str, left: Any, right: Any
) -> None:
    name, operate = OPERATORS[symbol]
    expected = operate(np.asarray(left), np.asarray(right))
    for a, b in (
        (tg.Value(left), tg.Value(right)),
        (tg.Value(left), right),
        (left, tg.Value(right)),
    ):
        out = operate(a, b)
        assert isinstance(out, tg.Value)
        assert tg.Tape(out)[-1].op == name
        constants = [i for i in tg.Tape(out)[-1].inputs if isinstance(i, tuple)]
        assert len(constants) == sum(not isinstance(x, tg.Value) for x in (a, b))
        np.testing.assert_array_max_ulp(np.asarray(out.data), np.asarray(expected), 1)


def test_unary_operators() -> None:
    v = tg.Value([-1.0, 2.0])
    np.testing.assert_array_equal((-v).data, [1.0, -2.0])
    np.testing.assert_array_equal(abs(v).data, [1.0, 2.0])
    assert +v is v


def test_matmul_operator_on_either_side() -> None:
    a, b = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    for out in (tg.Value(a) @ tg.Value(b), tg.Value(a) @ b, a @ tg.Value(b)):
        np.testing.assert_array_equal(out.data, [[11.0]])


# --------------------------------------------------------------------------- NumPy's dispatch

DISPATCHED = {**UFUNCS, **FUNCTIONS}
NAME_OF = {id(function): name for name, function in PUBLIC.items()}


def sample_for(function: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Return the op that answers a NumPy function, and a call that both understand."""
    own = {np.var: "var", np.std: "std", np.clip: "clip"}
    name = own.get(function) or NAME_OF[id(DISPATCHED[function])]
    args, kwargs = TABLE[name].sample(np.random.default_rng(3))
    if name == "clip":
        kwargs = {"a_min": kwargs["low"], "a_max": kwargs["high"]}
    if name == "norm":
        kwargs = {**kwargs, "axis": 0}
    if name == "take_along_axis":
        args = (args[0], np.array(args[1]), *args[2:])
    return name, args, kwargs


@pytest.mark.parametrize("function", DISPATCHED, ids=lambda f: f.__name__)
def test_numpy_functions_on_values_are_the_ops_of_the_same_meaning(function: Any) -> None:
    name, args, kwargs = sample_for(function)
    expected = function(*args, **kwargs)
    out = function(*map(wrapped, args), **kwargs)

    if isinstance(out, list):
        assert all(isinstance(o, tg.Value) for o in out)
        for o, e in zip(out, expected, strict=True):
            np.testing.assert_array_equal(o.data, e)
        return
    assert isinstance(out, tg.Value)
    assert out.shape == np.shape(expected)
    np.testing.assert_allclose(out.data, expected, rtol=1e-14)
    ops = {entry.op for entry in tg.Tape(out)}
    assert name in ops or TABLE[name].kind == "composed"


NUMPY_NAMES = (
    "add subtract multiply divide true_divide floor_divide mod remainder power float_power "
    "negative abs absolute fabs sign exp expm1 log log1p log2 log10 sqrt cbrt square reciprocal "
    "sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh hypot "
    "maximum minimum clip where sum mean var std prod max min cumsum cumprod matmul dot outer "
    "einsum tensordot trace diagonal reshape ravel transpose swapaxes moveaxis expand_dims squeeze "
    "broadcast_to flip roll pad repeat tile concatenate stack split take take_along_axis sort"
).split()


def test_every_op_that_numpy_has_is_found_under_numpys_names() -> None:
    assert [n for n in NUMPY_NAMES if getattr(np, n) not in DISPATCHED] == []
    assert np.linalg.norm in DISPATCHED


def test_the_dispatched_result_is_tracked() -> None:
    v = tg.Value([1.0, 4.0])
    np.sum(np.sqrt(v) * np.array([1.0, 2.0])).backward()
    np.testing.assert_array_equal(v.grad, [0.5, 0.5])


def test_numpy_scalars_and_arrays_on_the_left() -> None:
    v = tg.Value(3.0)
    assert isinstance(np.float64(2) * v, tg.Value)
    assert (np.float32(2) - v).data == -1.0
    assert (np.int64(2) ** v).data == 8.0
    out: Any = np.array([1.0, 2.0]) / v
    assert isinstance(out, tg.Value)
    np.testing.assert_allclose(out.data, [1 / 3, 2 / 3])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda v: np.add.reduce(v), [4.0, 6.0]),
        (lambda v: np.add.reduce(v, axis=1), [3.0, 7.0]),
        (lambda v: np.add.reduce(v, 1, keepdims=True), [[3.0], [7.0]]),
        (lambda v: np.multiply.reduce(v), [3.0, 8.0]),
        (lambda v: np.maximum.reduce(v, axis=None), 4.0),
        (lambda v: np.minimum.reduce(v), [1.0, 2.0]),
        (lambda v: np.add.accumulate(v), [[1.0, 2.0], [4.0, 6.0]]),
        (lambda v: np.multiply.accumulate(v, axis=1), [[1.0, 2.0], [3.0, 12.0]]),
    ],
)
def test_reduce_and_accumulate(call: Callable[[tg.Value], tg.Value], expected: Any) -> None:
    v = tg.Value([[1.0, 2.0], [3.0, 4.0]])
    out = call(v)
    assert isinstance(out, tg.Value)
    np.testing.assert_array_equal(out.data, expected)


def test_outer_of_multiply_has_the_axes_of_both() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0])
    for x, y in ((tg.Value(a), b), (a, tg.Value(b))):
        np.testing.assert_array_equal(np.multiply.outer(x, y).data, np.multiply.outer(a, b))


def _named(function: Any) -> str:
    return str(function.__name__)


@pytest.mark.parametrize("function", sorted(PLAIN, key=_named), ids=_named)
def test_what_carries_no_derivative_answers_with_plain_numbers(function: Any) -> None:
    array = np.array([3.0, -1.0, 2.0])
    rest: tuple[Any, ...] = ()
    if function in {np.array_equal, np.allclose, np.isclose, np.may_share_memory}:
        rest = (array.copy(),)
    if function is np.shares_memory or function is np.full_like:
        rest = (np.zeros(3),) if function is np.shares_memory else (7.0,)
    out = function(tg.Value(array), *rest)
    expected = function(array, *rest)
    assert type(out) is type(expected)
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("ufunc", COMPARISONS, ids=lambda f: f.__name__)
def test_comparisons_give_plain_booleans_and_are_branches(ufunc: Any) -> None:
    v = tg.Value([1.0, 2.0, 3.0])
    with tg.engine.watch_branches() as log:
        out = ufunc(v, 2.0)
        mirrored = ufunc(2.0, v)
    assert type(out) is np.ndarray
    np.testing.assert_array_equal(out, ufunc(np.array([1.0, 2.0, 3.0]), 2.0))
    np.testing.assert_array_equal(mirrored, ufunc(2.0, np.array([1.0, 2.0, 3.0])))
    assert log == [(COMPARISONS[ufunc], out.tobytes()), (COMPARISONS[ufunc], mirrored.tobytes())]


@pytest.mark.parametrize("symbol", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize("other", [2.0, 2], ids=["float", "int"])
def test_comparison_operators_of_scalars_give_bools(symbol: str, other: Any) -> None:
    v = tg.Value(2.0)
    expected = symbol in {"<=", ">=", "=="}
    with tg.engine.watch_branches() as log:
        out = eval(f"v {symbol} other", {"v": v, "other": other})
        both = eval(f"v {symbol} w", {"v": v, "w": tg.Value(2.0)})
    assert type(out) is bool
    assert out is both is expected
    assert [label for label, _ in log] == [symbol, symbol]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: np.amax(v), r"np\.amax has no derivative here; the nearest op is tg\.max"),
        (lambda v: np.exp2(v), r"np\.exp2 has no derivative here; the nearest op is tg\.exp"),
        (lambda v: np.vstack([v, v]), r"np\.vstack .*; the nearest op is tg\.stack"),
        (lambda v: np.deg2rad(v), r"np\.deg2rad .*; tg\.op\(\.\.\.\) adds one, and \.data gives"),
        (lambda v: np.diff(v), r"np\.diff has no derivative here; tg\.op"),
        (lambda v: np.add.at(v, [0], 1.0), r"np\.add\.at has no derivative here"),
        (lambda v: np.add.outer(v, v), r"np\.add\.outer has no derivative here"),
        (lambda v: np.add(v, 1.0, dtype=np.float32), r"np\.add on a Value takes no dtype="),
        (lambda v: np.exp(v, where=np.array([True])), r"np\.exp on a Value takes no where="),
        (lambda v: np.add(np.ones(2), 1.0, out=v), r"np\.add cannot write into a Value: use v = "),
        (lambda v: np.sum(v, dtype=np.float32), r"np\.sum on a Value: .* 'dtype'"),
        (lambda v: np.reshape(v, (2, 1), order="F"), r"np\.reshape on a Value: .* 'order'"),
        (lambda v: np.var(v, 0, None), r"np\.var on a Value: var\(\) takes from 1 to 2 positional"),
        (lambda v: np.clip(v, 0, 1, out=None), r"np\.clip on a Value: clip\(\) got .* 'out'"),
        (lambda v: np.where(v), r"np\.where on a Value: .*missing 2 required positional"),
        (lambda v: np.multiply.reduceat(v, [0]), r"np\.multiply\.reduceat has no derivative"),
        (lambda v: np.subtract.reduce(v), r"np\.subtract\.reduce has no derivative here"),
        (lambda v: np.maximum.accumulate(v), r"np\.maximum\.accumulate has no derivative here"),
    ],
)
def test_what_is_not_supported_raises_and_names_a_way_on(
    call: Callable[[tg.Value], Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        call(tg.Value([1.0, 2.0]))


def test_an_error_inside_of_an_op_passes_through_the_dispatch() -> None:
    with pytest.raises(
        TypeError, match=r"^sum: axis has to be an int or a tuple of ints, not 'a'$"
    ):
        np.sum(tg.Value([1.0]), axis="a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^sum: axis=3 is out of range"):
        np.sum(tg.Value([1.0]), axis=3)


@pytest.mark.parametrize(
    "call",
    [
        lambda v: np.clip(v, 0.0, 1.0),
        lambda v: np.clip(v, a_min=0.0, a_max=1.0),
        lambda v: np.clip(v, min=0.0, max=1.0),
        lambda v: np.clip(v, 0.0, max=1.0),
    ],
)
def test_numpys_names_for_the_bounds_of_clip(call: Callable[[tg.Value], tg.Value]) -> None:
    np.testing.assert_array_equal(call(tg.Value([-1.0, 0.5, 2.0])).data, [0.0, 0.5, 1.0])


def test_a_scaled_row_keeps_name_kind_and_value() -> None:
    faulty = TABLE["exp"].with_scaled_derivative(1.001)
    assert (faulty.name, faulty.kind, faulty.factor) == ("exp", "elementwise", 1.001)
    x = tg.Value(0.5)
    out = faulty.call(x)
    out.backward()
    assert out.data == tg.exp(0.5)
    assert x.grad == pytest.approx(1.001 * out.data, rel=1e-15)
    assert faulty.call(0.5) == out.data
    (drawn,), _ = faulty.sample(np.random.default_rng(0))
    (same,), _ = TABLE["exp"].sample(np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, same)
