"""Branches that depend on data, IEEE's special numbers, and what a recording has to refuse."""

from __future__ import annotations

import builtins
import collections
import copy
import itertools
import math
import random
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiler_helpers import agree, bare, paths_of
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim

INF, NAN = math.inf, math.nan


def at_all(function: Callable[..., Any], points: Any, paths: int | None = None) -> Any:
    """Run compiled and eagerly at each of the points, twice over; return the compiled function."""
    compiled: Any = tg.compile(function)
    for point in [*points, *points]:
        agree(compiled(*point), function(*point))
    if paths is not None:
        assert paths_of(compiled) == paths
    return compiled


def with_gradient(function: Callable[..., Any], points: Any, paths: int | None = None) -> Any:
    """Do the same with the function and with its derivative by all arguments."""
    points = list(points)
    every = tuple(range(len(points[0])))
    at_all(function, points, paths)
    return at_all(tg.value_and_grad(function, every), points, paths)


# ------------------------------------------------------------------------------------- branches


def test_if() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            return tg.sin(x) * x
        return tg.exp(x) - 1.0

    with_gradient(f, [(1.0,), (-1.0,), (0.0,), (2.0,), (-3.0,)], 2)


def test_each_comparison() -> None:
    def f(x: Any, y: Any) -> Any:
        out = x * y
        if x < y:
            out = out + 1.0
        if x <= y:
            out = out * 2.0
        if x > y:
            out = tg.sin(out)
        if x >= y:
            out = out - x
        if x == y:
            out = out * 3.0
        if x != y:
            out = out + y * y
        return out

    with_gradient(f, [(1.0, 2.0), (2.0, 1.0), (1.5, 1.5)], 3)


def test_comparisons_with_the_number_first() -> None:
    def f(x: Any) -> Any:
        if 0.0 < x < 1.0:
            return x * x
        if x <= 3 and not x < -1.0:
            return -x
        return tg.tanh(x)

    with_gradient(f, [(0.5,), (2.0,), (-2.0,), (4.0,), (-0.5,)])


def test_and_or_not_and_bare_truth() -> None:
    def f(x: Any, y: Any) -> Any:
        out = x + y
        if x > 0 and y > 0:
            out = out * x
        if x > 0 or y > 0:
            out = out * y
        if not x > y:
            out = tg.sin(out)
        if x:
            out = out + 1.0
        return out

    with_gradient(f, itertools.product([-1.0, 0.0, 2.0], [-2.0, 0.0, 3.0]))


def test_a_while_loop() -> None:
    def f(x: Any) -> Any:
        steps = 0
        while x > 1.0:
            x = x / 2.0
            steps += 1
        return x * steps

    with_gradient(f, [(0.5,), (1.5,), (3.0,), (7.0,), (100.0,), (6.5,)], 5)


def test_newtons_method_until_it_stands_still() -> None:
    def root(a: Any) -> Any:
        x = a * 0.5 + 0.5
        while tg.abs(x * x - a) > 1e-9:
            x = 0.5 * (x + a / x)
        return x

    with_gradient(root, [(2.0,), (3.0,), (10.0,), (1.0,), (0.3,)])


def test_abs_and_max_by_comparison() -> None:
    def f(x: Any, y: Any, z: Any) -> Any:
        size = x if x > 0 else -x
        largest = x
        for v in (y, z):
            if v > largest:
                largest = v
        return size * largest + max(x, y, z) * min([x, y, z])

    with_gradient(f, itertools.permutations([-1.0, 0.5, 2.0]))


def test_sorting() -> None:
    def f(x: Any, y: Any, z: Any) -> Any:
        a, b, c = sorted([x, y, z])
        return a + 10.0 * b * c + sorted([x, y, z], key=lambda v: -v)[0]

    with_gradient(f, list(itertools.permutations([-1.0, 0.5, 2.0])))
    assert f(1.0, 2.0, 3.0) == 1.0 + 60.0 + 3.0


def test_any_and_all() -> None:
    def f(*xs: Any) -> Any:
        if any(x > 1.0 for x in xs):
            return xs[0] * xs[1]
        if all(x < 0.0 for x in xs):
            return tg.sin(xs[2])
        return sum(xs)

    with_gradient(f, [(0.0, 0.5, 0.5), (2.0, 0.0, 0.0), (-1.0, -1.0, -2.0), (0.0, 0.0, 5.0)])


def test_bubble_sort() -> None:
    def f(*xs: Any) -> Any:
        v = list(xs)
        for i in range(len(v)):
            for j in range(len(v) - 1 - i):
                if v[j] > v[j + 1]:
                    v[j], v[j + 1] = v[j + 1], v[j]
        return sum((k + 1.0) * x for k, x in enumerate(v))

    with_gradient(f, list(itertools.permutations([0.3, 0.1, 0.2])), 6)


def test_a_branch_on_an_array() -> None:
    def f(x: Any) -> Any:
        if np.any(x > 1.0):
            return tg.sum(x * x)
        if tg.sum(x) > 0:
            return tg.sum(tg.sin(x))
        if x[0] < x[-1]:
            return x[0] * x[1]
        return -tg.mean(x)

    points = [([0.1, 0.2, 0.3],), ([2.0, 0.0, 0.0],), ([-1.0, -0.2, 0.3],), ([0.3, 0.0, -1.0],)]
    with_gradient(f, [(np.array(x),) for (x,) in points], 4)


def test_a_branch_on_what_the_function_closes_over() -> None:
    def build() -> tuple[Any, tg.Value]:
        w = tg.Value(1.0)

        def f(x: float) -> Any:
            w.grad = None
            out = w * x if w > 0 else w * w * x
            out.backward()
            return out

        return f, w

    (ours, w), (theirs, v) = build(), build()
    compiled: Any = tg.compile(ours)
    for number in (1.0, -1.0, 2.0, -3.0):
        w.data = v.data = number
        agree(compiled(3.0), theirs(3.0))
        assert w.grad == v.grad
    assert paths_of(compiled) == 2


def test_a_branch_on_data_and_on_gradients() -> None:
    def build() -> tuple[Any, tg.Value]:
        w = tg.Value(1.0)

        def f(x: float) -> Any:
            w.grad = None
            out = (w * x - 1.0) ** 2
            out.backward()
            if w.grad > 0:
                w.data -= 0.1
            elif w.data < 5.0:
                w.data += 0.2
            return out

        return f, w

    (ours, w), (theirs, v) = build(), build()
    compiled: Any = tg.compile(ours)
    for x in (2.0, 0.1, -1.0, 3.0, 0.5, 0.2):
        agree(compiled(x), theirs(x))
        assert (w.data, w.grad) == pytest.approx((v.data, v.grad), rel=1e-12)
    assert paths_of(compiled) == 2


def test_the_same_question_asked_often() -> None:
    def f(x: Any) -> Any:
        out = x
        for _ in range(40):
            out = out * 0.9 if x > 0 else out + 0.1
        return out

    with_gradient(f, [(1.0,), (-1.0,), (3.0,)], 2)


def test_questions_whose_answer_is_fixed() -> None:
    def f(x: Any) -> Any:
        out = x
        if len(x.shape) == 1 and x.shape[0] > 2 and isinstance(x, tg.Value):
            out = out * 2.0
        if x.ndim == 1 and x.size == 3:
            out = out + 1.0
        return tg.sum(out)

    at_all(tg.value_and_grad(f), [(np.arange(3.0),), (-np.arange(3.0),)], 1)


def test_many_guards_of_lifted_scalars() -> None:
    """A hinge written as a branch, over many samples: one path for each pattern."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 3)).tolist()

    def f(w: Any) -> Any:
        total: Any = 0.0
        for x in rows:
            margin = 1.0 - sum(wi * xi for wi, xi in zip(w, x, strict=True))
            if margin > 0:
                total = total + margin * margin
        return total

    points = [(rng.normal(size=3).tolist(),) for _ in range(6)]
    at_all(tg.value_and_grad(f), points)


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
@settings(max_examples=60)
def test_a_tree_of_branches(xs: list[float]) -> None:
    compiled = _tree_compiled
    agree(compiled(*xs), _tree_gradient(*xs))
    assert paths_of(compiled) <= 8
    assert compiled.eager_calls == 0


def _tree(x: Any, y: Any, z: Any) -> Any:
    out = x * y - z
    if x > y:
        out = tg.sin(out)
    if y > z:
        out = out * x
    if out > 0.5:
        out = tg.exp(-out)
    return out


_tree_gradient = tg.value_and_grad(_tree, (0, 1, 2))
_tree_compiled: Any = tg.compile(_tree_gradient)


def test_a_path_that_does_not_hold_changes_nothing() -> None:
    """The guard comes last: by then the wrong path has computed all updates."""

    class Task:
        def __init__(self) -> None:
            rng = np.random.default_rng(0)
            self.model = nn.Sequential(
                nn.Linear(4, 5, rng=rng), nn.BatchNorm1d(5), nn.Dropout(0.5, rng=np.random.default_rng(1)),
                nn.Linear(5, 3, rng=rng),
            )  # fmt: skip
            self.optimizer = optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
            self.second = optim.Adam([tg.Value(1.0)])

        def step(self, x: Any, y: Any) -> Any:
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            first, *_ = self.model.parameters()
            if tg.sum(first * first) > 2.5 or loss > 1.0:
                first.data = first.data * 0.9
            return loss

        def everything(self) -> Any:
            state = self.optimizer.state_dict()
            return [
                *self.model.state_dict().values(),
                *(np.array(p.grad) for p in self.model.parameters()),
                *(e["momentum_buffer"] for e in state["state"].values()),
            ], vars(list(self.model.modules())[3])["rng"].bit_generator.state

    ours, theirs = Task(), Task()
    compiled: Any = tg.compile(ours.step)
    rng = np.random.default_rng(2)
    for k in range(20):
        x, y = rng.normal(size=(6, 4)) * (1.0 + k % 3), rng.integers(0, 3, 6)
        agree(compiled(x, y).data, theirs.step(x, y).data)
        (a, s), (b, t) = ours.everything(), theirs.everything()
        assert s == t
        for p, q in zip(a, b, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-11, atol=1e-12)
    assert compiled.eager_calls == 0


def test_draws_are_taken_back_when_a_path_does_not_hold() -> None:
    rngs = [np.random.default_rng(0), np.random.default_rng(0)]

    def build(rng: Any) -> Any:
        def f(x: Any) -> Any:
            y = nn.functional.dropout(x, 0.5, rng=rng)
            return tg.sum(y * 2.0) if tg.sum(y) > 2.0 else tg.sum(y) + 100.0

        return f

    ours, theirs = tg.compile(build(rngs[0])), build(rngs[1])
    for k in range(20):
        x = np.full(4, 1.0 + 0.01 * k)
        agree(ours(x), theirs(x))
        assert rngs[0].bit_generator.state == rngs[1].bit_generator.state


# --------------------------------------------------------------------------------- many paths


def halved(x: Any) -> Any:
    steps = 0
    while x > 1.0:  # the comparison that the error names
        x = x / 2.0
        steps += 1
    return x * steps


def test_a_seventeenth_path_is_refused_by_file_and_line() -> None:
    compiled: Any = tg.compile(halved)
    for k in range(16):
        assert compiled(1.5 * 2.0**k) == halved(1.5 * 2.0**k)
    line = halved.__code__.co_firstlineno + 2
    with pytest.raises(RuntimeError, match=rf"test_compile_guards\.py:{line}\b") as caught:
        compiled(1.5 * 2.0**16)
    assert "tg.where" in str(caught.value)
    for k in range(16):  # what is known still runs
        assert compiled(1.5 * 2.0**k) == halved(1.5 * 2.0**k)
    assert paths_of(compiled) == 16


def test_paths_are_counted_by_shapes() -> None:
    def f(x: Any) -> Any:
        return halved(tg.sum(x))

    compiled: Any = tg.compile(f)
    for n in (1, 2, 3):
        for k in range(12):
            x = np.full(n, 1.5 * 2.0**k / n)
            agree(compiled(x), f(x))
    assert paths_of(compiled) == 36


def test_a_replay_refuses_another_branch_by_file_and_line() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            return x * x
        return -x

    tape = tg.record(f, 2.0)
    assert tape.replay(3.0) == 9.0
    line = f.__code__.co_firstlineno + 1
    with pytest.raises(tg.BranchError, match=rf"test_compile_guards\.py:{line}\b"):
        tape.replay(-3.0)


# ----------------------------------------------------------------------- nan, inf, zero times inf


SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, INF, -INF, NAN, 1e308, -1e308, 5e-324, 1e-200]

UNARY = {
    "guarded root": lambda x: tg.where(x > 0, tg.sqrt(x), 0.0),
    "guarded logarithm": lambda x: tg.where(x > 0, tg.log(x), -1.0),
    "safe root": lambda x: tg.where(x > 0, tg.sqrt(tg.where(x > 0, x, 1.0)), 0.0),
    "guarded ratio": lambda x: tg.where(x == 0, 1.0, tg.sin(x) / x),
    "root": tg.sqrt,
    "logarithm": tg.log,
    "reciprocal": lambda x: 1.0 / x,
    "zero times": lambda x: 0.0 * x,
    "times zero, plus": lambda x: x * 0.0 + 1.0,
    "x - x": lambda x: x - x,
    "2x - x - x": lambda x: 2.0 * x - x - x,
    "x / x": lambda x: x / x,
    "square": lambda x: x**2,
    "half power": lambda x: x**0.5,
    "inverse power": lambda x: x**-1,
    "cube root": lambda x: x ** (1 / 3),
    "exp": tg.exp,
    "exp of the negative square": lambda x: tg.exp(-x * x),
    "tanh": tg.tanh,
    "sigmoid": tg.sigmoid,
    "softplus": tg.softplus,
    "relu": tg.relu,
    "abs": tg.abs,
    "maximum": lambda x: tg.maximum(x, 0.5),
    "minimum": lambda x: tg.minimum(0.5, x),
    "clip": lambda x: tg.clip(x, -1.0, 1.0),
    "sin": tg.sin,
    "sign": tg.sign,
    "sinh over cosh": lambda x: tg.sinh(x) / tg.cosh(x),
    "log of the sum": lambda x: tg.log(tg.exp(x) + 1.0),
    "hypot": lambda x: tg.hypot(x, 1.0),
    "arctan2": lambda x: tg.arctan2(x, x),
}


def same_numbers(got: Any, want: Any) -> None:
    """Compare with nan equal to nan and inf to inf; small differences are rounding."""
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(bare(a), bare(b), rtol=1e-12, atol=1e-300)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", UNARY)
def test_special_numbers_through_scalars(name: str) -> None:
    f = tg.value_and_grad(UNARY[name])
    compiled: Any = tg.compile(f)
    for x in [0.7, *SPECIAL, 0.7]:
        same_numbers(compiled(x), f(x))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", UNARY)
def test_special_numbers_through_arrays(name: str) -> None:
    f = tg.value_and_grad(lambda x: tg.sum(UNARY[name](x)[:3]) + tg.sum(UNARY[name](x) * 2.0))
    compiled: Any = tg.compile(f)
    for x in [
        np.full(5, 0.7),
        *(np.array([0.7, s, 0.3, s, -0.1]) for s in SPECIAL),
        np.array(SPECIAL[:5]),
    ]:
        same_numbers(compiled(x), f(x))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", UNARY)
def test_special_numbers_through_lifted_scalars(name: str) -> None:
    """Sixty scalars at once, one of them special: the others must not notice."""

    def loss(xs: Any) -> Any:
        return [UNARY[name](x) for x in xs]

    def f(xs: Any) -> Any:
        values, pullback = tg.vjp(loss, xs)
        return values, pullback([1.0 + 0.1 * k for k in range(60)])

    compiled: Any = tg.compile(f)
    plain = [0.1 * (k % 9) + 0.05 for k in range(60)]
    for s in [0.4, *SPECIAL]:
        if name == "2x - x - x" and abs(s) == 1e308:
            continue  # where a sum overflows depends on the order of its terms
        xs = [s if k in (3, 40) else x for k, x in enumerate(plain)]
        got, want = compiled(xs), f(xs)
        same_numbers(got[0], want[0])
        same_numbers(got[1][0], want[1][0])


BINARY = {
    "sum": lambda x, y: x + y,
    "difference": lambda x, y: x - y,
    "product": lambda x, y: x * y,
    "ratio": lambda x, y: x / y,
    "power": lambda x, y: x**y,
    "maximum": tg.maximum,
    "minimum": tg.minimum,
    "where": lambda x, y: tg.where(x > y, x * y, y),
    "sum minus one": lambda x, y: (x + y) - x,
    "two products": lambda x, y: x * y - y * x,
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", BINARY)
def test_pairs_of_special_numbers(name: str) -> None:
    f = tg.value_and_grad(BINARY[name], (0, 1))
    compiled: Any = tg.compile(f)
    compiled(0.7, 0.3)
    for x, y in itertools.product([0.0, -0.0, 1.0, -2.0, INF, -INF, NAN], repeat=2):
        got, want = compiled(x, y), f(x, y)
        if name in ("sum minus one", "two products") and want[0] != 0.0:
            assert bare(got[0]) == pytest.approx(bare(want[0]), nan_ok=True)
            continue
        same_numbers([got[0], *got[1]], [want[0], *want[1]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("special", [INF, -INF, NAN, 1e308])
def test_special_numbers_through_products_of_scalars(special: float) -> None:
    """Zero times inf inside of a lifted matrix product; one bad sample leaves the others alone."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 4))
    x[2, 1] = x[5, :] = 0.0
    rows = x.tolist()

    def f(w: Any, b: Any) -> Any:
        return [
            [
                tg.tanh(sum(wi * xi for wi, xi in zip(wj, xn, strict=True)) + bj)
                for wj, bj in zip(w, b, strict=True)
            ]
            for xn in rows
        ]

    w, b = rng.normal(size=(3, 4)).tolist(), rng.normal(size=3).tolist()
    compiled: Any = tg.compile(f)
    compiled(w, b)
    for j, i in itertools.product(range(3), range(4)):
        bad = copy.deepcopy(w)
        bad[j][i] = special
        for got, want in zip(compiled(bad, b), f(bad, b), strict=True):
            same_numbers(got, want)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("special", [INF, -INF, NAN])
def test_a_training_step_with_special_numbers(special: float) -> None:
    def build() -> Any:
        rng = np.random.default_rng(0)
        model = nn.Sequential(
            nn.Linear(3, 4, rng=rng),
            nn.ReLU(),
            nn.Dropout(0.5, rng=np.random.default_rng(2)),
            nn.Linear(4, 2, rng=rng),
        )
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = tg.mean(tg.tanh(model(x)) ** 2)
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    (ours, step), (theirs, eager) = build(), build()
    compiled: Any = tg.compile(step)
    rng = np.random.default_rng(1)
    for k in range(6):
        x = rng.normal(size=(5, 3))
        if k == 4:
            x[1, 2] = special
        same_numbers([compiled(x)], [eager(x)])
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.data, q.data, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(p.grad, q.grad, rtol=1e-12, atol=1e-12)


def test_branches_on_nan() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            return x * 2.0
        if not x <= 0:
            return x * 0.0 + 7.0
        if x != x:
            return x
        return -x

    compiled: Any = tg.compile(f)
    for x in (1.0, NAN, -1.0, INF, -INF, 0.0, NAN, 2.0):
        np.testing.assert_equal(compiled(x), f(x))


def test_warnings_are_not_given_by_programs() -> None:
    """Eager arithmetic of Values warns of nothing; programs neither."""
    compiled: Any = tg.compile(tg.value_and_grad(lambda x: tg.log(x) + tg.exp(x) / x))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x in (1.0, 0.0, -1.0, 1000.0, INF):
            compiled(x)


# ---------------------------------------------------------------------- what leaves the record


def without_gradients(v: Any) -> float:
    with tg.no_grad():
        return float(v)


def leaving(name: str) -> Callable[[Any], Any]:
    table = [1.0, 2.0, 3.0]
    array = np.arange(3.0)
    calls: dict[str, Any] = {
        "print": lambda v: print(v),  # noqa: T201
        "str": str,
        "repr": repr,
        "f-string": lambda v: f"{v}",
        "format": lambda v: f"{v:.2f}",
        "percent": lambda v: "%s" % v,  # noqa: UP031
        "float": float,
        "int": int,
        "complex": complex,
        "item": lambda v: v.item(),
        "math": math.exp,
        "index of a list": lambda v: table[v],
        "index of an array": lambda v: array[v],
        "range": lambda v: list(range(v)),
        "np.asarray": np.asarray,
        "np.array of a list": lambda v: np.array([v, v]),
        "np.float64": np.float64,
        "data": lambda v: float(v.data),
        "item of data": lambda v: v.data.item(),
        "a computed number": lambda v: float(v * 2.0),
        "without gradients": without_gradients,
    }
    call: Callable[[Any], Any] = calls[name]
    return call


LEAVING = [
    "print", "str", "repr", "f-string", "format", "percent", "float", "int", "complex", "item",
    "math", "index of a list", "index of an array", "range", "np.asarray", "np.array of a list",
    "np.float64", "data", "item of data", "a computed number", "without gradients",
]  # fmt: skip


@pytest.mark.parametrize("name", LEAVING)
@pytest.mark.parametrize("run", [tg.record, lambda f, *args: tg.compile(f)(*args)])
def test_numbers_do_not_leave_a_recording(name: str, run: Any) -> None:
    w = tg.Value(2.0)

    def f(x: Any) -> Any:
        out = w * x
        out.backward()
        w.data = 5.0
        leaving(name)(out)
        return out

    with pytest.raises(tg.RecordingError) as caught:
        run(f, 1.0)
    message = str(caught.value)
    assert Path(__file__).name in message
    assert "outside" in message
    assert (w.data, w.grad) == (2.0, None)  # nothing has happened
    assert float((w * 1.0).item()) == 2.0  # and all is allowed again


def test_a_number_that_is_written_into_an_array_is_refused() -> None:
    array = np.arange(3.0)
    with pytest.raises((tg.RecordingError, ValueError)) as caught:  # NumPy puts its own on top
        tg.compile(lambda x: array.__setitem__(0, x))(1.0)
    assert isinstance(caught.value.__cause__ or caught.value, tg.RecordingError)
    assert array.tolist() == [0.0, 1.0, 2.0]


def test_a_number_argument_does_not_leave_either() -> None:
    with pytest.raises(tg.RecordingError, match="test_compile_guards"):
        tg.compile(lambda x, n: sum(x for _ in range(n)))(1.0, 3)
    with pytest.raises(tg.RecordingError, match="test_compile_guards"):
        tg.compile(lambda x: math.sin(x))(1.0)
    with pytest.raises(tg.RecordingError, match="test_compile_guards"):
        tg.compile(lambda x: f"{x}")(np.ones(3))


def test_gradients_and_settings_do_not_leave_either() -> None:
    model = nn.Linear(2, 2, rng=0)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any, look: Callable[[], Any]) -> Any:
        optimizer.zero_grad()
        loss = tg.sum(model(x) ** 2)
        loss.backward()
        optimizer.step()
        return loss, look()

    looks: list[Callable[[], Any]] = [
        lambda: float(tg.sum(model.weight.grad)),
        lambda: np.asarray(model.weight.grad),
        lambda: np.linalg.norm(np.asarray(model.weight.data)),
        lambda: float(tg.sum(model.weight)),
    ]
    for look in looks:
        with pytest.raises(tg.RecordingError):
            tg.compile(step)(np.ones((3, 2)), look)
    assert model.weight.grad is None
    assert not optimizer.state


def test_a_value_from_outside_is_refused_if_it_has_a_history() -> None:
    w = tg.Value(2.0)
    outside = w * w
    with pytest.raises(tg.RecordingError, match=r"outside|detach"):
        tg.compile(lambda x: outside * x)(1.0)
    detached = outside.detach()
    assert bare(tg.compile(lambda x: detached * x)(3.0)) == 12.0


# ---------------------------------------------------------------------------- foreign objects

counter = 0
history: list[Any] = []


class Counting:
    """Counts its calls, as a user's class may."""

    def __init__(self) -> None:
        self.n = 0
        self.log: list[Any] = []
        self.inner = {"calls": 0}

    def counted(self, x: Any) -> Any:
        self.n += 1
        return x * 2.0

    def logged(self, x: Any) -> Any:
        self.log.append(x)
        return x * 2.0

    def nested(self, x: Any) -> Any:
        self.inner["calls"] += 1
        return x * 2.0

    def new_attribute(self, x: Any) -> Any:
        self.last = x
        return x * 2.0

    def harmless(self, x: Any) -> Any:
        local = [x, self.n]
        local.append(x)
        memo = {"a": x}
        memo["b"] = x * 2.0
        return memo["b"]


@pytest.mark.parametrize("method", ["counted", "logged", "nested", "new_attribute"])
def test_an_object_that_is_changed_is_refused(method: str) -> None:
    with pytest.raises(tg.RecordingError, match=r"chang"):
        tg.compile(getattr(Counting(), method))(1.0)
    thing = Counting()
    with pytest.raises(tg.RecordingError, match=r"chang"):
        tg.compile(lambda x: getattr(thing, method)(x))(1.0)


def test_local_objects_may_be_changed() -> None:
    compiled: Any = tg.compile(Counting().harmless)
    assert compiled(1.0) == 2.0
    assert compiled(2.0) == 4.0


def change_a_list(x: Any) -> Any:
    history.append(x)
    return x * 2.0


def change_a_global(x: Any) -> Any:
    global counter
    counter += 1
    return x * 2.0


def change_a_list_by_a_helper(x: Any) -> Any:
    return change_a_list(x)


@pytest.mark.parametrize(
    "function",
    [
        change_a_list,
        change_a_list_by_a_helper,
        change_a_global,
    ],
)
def test_globals_that_are_changed_are_refused(function: Any) -> None:
    with pytest.raises(tg.RecordingError, match=r"chang"):
        tg.compile(function)(1.0)


def counting() -> Callable[[Any], Any]:
    calls = 0

    def count(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x * 2.0

    return count


def change(what: str) -> Callable[[Any], Any]:
    """Return a function that changes something in its closure."""
    seen: Any = set()
    queue: Any = collections.deque()
    table: dict[str, Any] = {}
    tally: collections.Counter[str] = collections.Counter()
    numbers: Any = [0.0]
    totals = np.zeros(3)
    return {
        "count": counting(),
        "append": lambda x: (numbers.append(1.0), x)[1],
        "append the argument": lambda x: (numbers.append(x), x)[1],
        "item": lambda x: (numbers.__setitem__(0, x), x)[1],
        "pop": lambda x: (numbers.pop(), x)[1],
        "set": lambda x: (seen.add(len(seen)), x)[1],
        "dict": lambda x: (table.update(a=x), x)[1],
        "tally": lambda x: (tally.update(["a"]), x)[1],
        "queue": lambda x: (queue.append(x), x)[1],
        "array": lambda x: (totals.__setitem__(0, totals[0] + 1.0), x)[1],
    }[what]


@pytest.mark.parametrize(
    "what",
    [
        "count", "append", "append the argument", "item", "pop", "set", "dict", "tally",
        "queue", "array",
    ],
)  # fmt: skip
def test_closures_that_are_changed_are_refused(what: str) -> None:
    with pytest.raises(tg.RecordingError, match=r"chang"):
        tg.compile(change(what))(1.0)


def test_an_argument_that_is_changed_is_refused() -> None:
    with pytest.raises(tg.RecordingError, match=r"chang"):
        tg.compile(lambda x, log: (log.counted(x), x)[1])(1.0, Counting())


def test_a_module_that_counts_is_refused_or_counts() -> None:
    class CountingLayer(nn.Module):
        def __init__(self) -> None:
            self.calls = 0
            self.w = nn.Parameter(2.0)

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return self.w * x

    layer = CountingLayer()
    compiled: Any = tg.compile(lambda x: layer(x))
    try:
        for k in range(3):
            compiled(float(k))
    except tg.RecordingError:
        return
    assert layer.calls == 3


def test_a_generator_that_is_drawn_from_is_refused_or_drawn_from_again() -> None:
    """Noise that is frozen at the first call would be found by nobody."""
    rngs = [np.random.default_rng(0), np.random.default_rng(0)]

    def noisy(rng: Any, x: Any) -> Any:
        return x + rng.normal(size=3)

    compiled: Any = tg.compile(lambda x: noisy(rngs[0], x))
    try:
        outs = [compiled(np.ones(3)) for _ in range(3)]
    except tg.RecordingError:
        return
    for out in outs:
        np.testing.assert_allclose(out, noisy(rngs[1], np.ones(3)))


@pytest.mark.parametrize(
    "draw",
    [
        random.random,
        lambda: np.random.random(),  # noqa: NPY002
    ],
)
def test_global_chance_is_refused(draw: Callable[[], float]) -> None:
    with pytest.raises(tg.RecordingError):
        tg.compile(lambda x: x * draw())(2.0)


def test_what_is_read_and_not_changed_is_no_matter() -> None:
    settings_of_mine = {"scale": 2.0, "names": ["a", "b"]}
    thing = Counting()
    compiled: Any = tg.compile(lambda x: x * settings_of_mine["scale"] + thing.n)
    assert compiled(1.0) == 2.0
    assert compiled(3.0) == 6.0


# ------------------------------------------------------------------ arguments and results

ONES, RAMP = np.ones(3), np.arange(3.0)
CALLS: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]] = {
    "two numbers": (lambda x, y: x * y, [(2.0, 2.0), (3.0, 4.0)]),
    "integers": (lambda x, n: x * n, [(1.0, 2), (2.0, 3.0)]),
    "default": (lambda x, y=2.0: x * y, [(1.0,), (1.0, 3.0), (4.0,)]),
    "none": (lambda x, m=None: x * 2.0 if m is None else x * m, [(1.0,), (1.0, 3.0), (2.0, None)]),
    "text": (lambda x, m: x * 2.0 if m == "a" else x * 3.0, [(1.0, "a"), (1.0, "b"), (2.0, "a")]),
    "truth": (lambda x, m: x * 2.0 if m else x * 3.0, [(1.0, True), (1.0, False), (2.0, True)]),
    "dicts": (
        lambda d: {"a": d["x"] * d["y"], "b": [d["x"], (d["y"],)]},
        [({"x": 1.0, "y": 2.0},), ({"y": 1.0, "x": 5.0},), ({"x": ONES, "y": 2.0},)],
    ),
    "tuples": (lambda p: p[0] * p[1], [((1.0, 2.0),), ([1.0, 2.0],), ((ONES, 2.0),)]),
    "no arguments": (lambda: 3.0, [(), ()]),
    "no dependence": (lambda x: 3.0, [(1.0,), (2.0,)]),
    "constants among results": (lambda x: (x, 1.0, "s", None, RAMP), [(1.0,), (2.0,)]),
    "dtypes": (lambda x: x * 2.0 + 1.0, [(ONES.astype(t),) for t in (float, "f4", "f2", int, bool, ">f8")]),
    "gradients of dtypes": (
        tg.value_and_grad(lambda x: tg.sum(x * x)), [(RAMP.astype(t),) for t in ("f4", float)],
    ),
    "gradient of integers": (tg.value_and_grad(lambda x: tg.sum(x * x)), [(np.arange(3),)]),
    "no elements": (lambda x: (tg.sum(x), x * 2.0), [(np.zeros((0, 3)),), (np.ones((2, 0)),)]),
    "gradient of no elements": (tg.value_and_grad(lambda x: tg.sum(x * 2.0)), [(np.zeros((0, 3)),)]),
    "orders in memory": (
        lambda x: x @ x.T,
        [(np.asfortranarray(np.arange(6.0).reshape(2, 3)),), (np.arange(6.0).reshape(2, 3)[:, ::-1],)],
    ),
    "negative zero": (lambda x: tg.arctan2(x, -1.0), [(0.0,), (-0.0,), (0.0,)]),
    "hessian": (tg.hessian(lambda x: tg.sum(x**3) * x[0]), [(ONES,), (RAMP,)]),
    "jacobian": (tg.jacobian(lambda x: tg.sin(x) * x[0]), [(ONES,), (RAMP,)]),
    "forward jacobian": (tg.jacobian(lambda x: tg.sin(x) * x[0], mode="forward"), [(ONES,), (RAMP,)]),
    "hvp": (lambda x, v: tg.hvp(lambda x: tg.sum(x**3) * x[0], x, v), [(ONES, ONES), (RAMP, ONES)]),
    "jvp": (lambda x, v: tg.jvp(lambda x: tg.sin(x) * x[0], (x,), (v,)), [(ONES, ONES), (RAMP, ONES)]),
    "vjp": (lambda x, v: tg.vjp(lambda x: tg.sin(x) * x[0], x)[1](v), [(ONES, ONES), (RAMP, ONES)]),
    "second derivative": (tg.grad(tg.grad(lambda x: tg.sin(x) * x)), [(1.0,), (2.0,)]),
    "comparison": (lambda x: x > 1.0, [(ONES,), (RAMP,)]),
    "scalar comparison": (lambda x: x > 1.0, [(2.0,), (0.5,)]),
    "argsort": (lambda x: np.argsort(x), [(-RAMP,), (RAMP,)]),
    "argmax": (lambda x: np.argmax(x), [(RAMP,), (-RAMP,)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_arguments_and_results(name: str) -> None:
    function, calls = CALLS[name]
    compiled: Any = tg.compile(function)
    for args in [*calls, *calls]:
        got, want = compiled(*args), function(*args)
        agree(got, want)
        assert [np.signbit(bare(x)) for x in flat_floats(got)] == [
            np.signbit(bare(x)) for x in flat_floats(want)
        ]


def flat_floats(tree: Any) -> list[Any]:
    """Return the numbers of a nest, those without axes."""
    return [x for x in tg.engine.nest.flatten(tree)[0] if type(bare(x)) is float]


def test_keyword_arguments() -> None:
    def f(x: Any, *, y: Any = 2.0) -> Any:
        return x * y

    compiled: Any = tg.compile(f)
    for kwargs in ({}, {"y": 3.0}, {"y": ONES}, {"y": 5.0}):
        agree(compiled(1.5, **kwargs), f(1.5, **kwargs))
    assert compiled(x=3.0, y=2.0) == 6.0


def test_a_negative_zero_among_many_numbers_is_seen() -> None:
    w = [tg.Value(1.0 + k) for k in range(40)]
    compiled: Any = tg.compile(lambda: [tg.arctan2(v, -1.0) for v in w])
    compiled()
    for number in (0.0, -0.0, 0.0, NAN, INF):
        w[3].data = number
        np.testing.assert_equal(compiled()[3].data, math.atan2(number, -1.0))


@pytest.mark.parametrize("exact", [False, True])
def test_a_path_that_does_not_hold_gives_its_draws_back(exact: bool) -> None:
    def outcomes(compiled: bool) -> list[float]:
        net = nn.Dropout(0.5, rng=np.random.default_rng(0))

        def f(x: Any) -> Any:
            y = tg.sum(net(x) * np.arange(1.0, 9.0))
            return y * 2.0 if x[0] > 0.0 else y

        run = tg.compile(f, exact=exact) if compiled else f
        return [float(run(np.full(8, sign))) for sign in (1.0, -1.0, 1.0, -1.0, -1.0, 1.0)]

    assert outcomes(compiled=True) == outcomes(compiled=False)


def test_draws_of_other_threads_are_not_blamed_on_the_function() -> None:
    stop = threading.Event()

    def other() -> None:
        while not stop.is_set():
            random.random()

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    try:
        fast: Any = tg.compile(lambda x: sum(x * x for _ in range(5_000)).sum())
        assert fast(np.ones(3)) == 15_000.0
        with pytest.raises(tg.RecordingError, match="random state"):
            tg.compile(lambda x: x * random.random())(2.0)
        draw = random.random
        with pytest.raises(tg.RecordingError, match="random state"):
            tg.compile(lambda x: x * draw())(2.0)
    finally:
        stop.set()
        thread.join()


def test_what_a_compiled_function_keeps_for_itself_is_not_the_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its code's builtins, for one: in a notebook these hold the shell, which changes all the time.
    shell: list[int] = []
    monkeypatch.setattr(builtins, "shell_of_the_notebook", shell, raising=False)
    inner: Any = tg.compile(lambda x: x * 2.0 + 1.0)
    assert inner(1.0) == 3.0

    def outer(x: Any) -> Any:
        sys.modules["builtins"].shell_of_the_notebook.append(1)
        return inner(x) * 3.0

    assert float(tg.compile(outer)(1.0)) == 9.0

    calls: list[int] = []

    def counted(x: Any) -> Any:
        calls.append(1)
        return x * 2.0

    helper: Any = tg.compile(counted)
    with pytest.raises(tg.RecordingError, match="changes calls"):
        tg.compile(lambda x: helper(x) + 1.0)(1.0)
