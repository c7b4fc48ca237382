"""Random programs: eager, replayed, compiled, printed as source, and finite differences agree.

Three kinds: straight-line programs on scalars, on arrays and scalars mixed, and loops over tables
of scalars, which are what `lift` is made for.  All are held against each other at points other
than the recorded one.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import pytest
from compiler_helpers import bare, leaves
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numeric_derivatives import numeric_gradients
from strategies import array_programs, numbers, on, programs

import tinygrad_lecture as tg
from tinygrad_lecture.compiler import blocks as blocks_module
from tinygrad_lecture.compiler import execute as execute_module
from tinygrad_lecture.compiler import lift as lift_module
from tinygrad_lecture.compiler import plan as plan_module
from tinygrad_lecture.compiler import turn as turn_module
from tinygrad_lecture.compiler.compile import _alike, _updates
from tinygrad_lecture.compiler.expand import expand
from tinygrad_lecture.compiler.lift import lift
from tinygrad_lecture.compiler.pack import pack
from tinygrad_lecture.compiler.plan import plan
from tinygrad_lecture.compiler.program import verify
from tinygrad_lecture.compiler.record import run_traced, take_down
from tinygrad_lecture.compiler.simplify import simplify
from tinygrad_lecture.engine import watch_branches

Function = Callable[..., Any]
Point = tuple[Any, ...]

COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    "report_multiple_bugs": False,
}
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of raw arrays
few = settings(max_examples=20, **COMMON)
many = settings(max_examples=500, **COMMON)


# ---------------------------------------------------------------------------- the comparisons


def flat(tree: Any) -> list[Any]:
    """Return the numbers of a nest, one array per leaf."""
    return [np.asarray(bare(x), float) for x in leaves(tree)]


def pieces(f: Function, point: Point) -> list[tuple[str, bytes]]:
    """Return which way each comparison and each kink goes."""
    with watch_branches() as log:
        f(*(tg.Value(x) if np.shape(x) or type(x) is float else x for x in point))
    return log


def moved(point: Point, rng: np.random.Generator, step: float) -> Point:
    """Return a point nearby."""

    def near(x: Any) -> Any:
        y = np.asarray(x) + step * rng.uniform(-1, 1, np.shape(x))
        return float(y) if np.ndim(y) == 0 else y

    return tuple(tg.engine.nest.nest_map(near, x) for x in point)


def on_a_kink(f: Function, point: Point) -> bool:
    """Whether rounding decides which way a comparison goes: a tie that is broken nearby."""
    rng = np.random.default_rng(0)
    nested = any(isinstance(x, list) for x in point)
    if nested:
        here, *there = [_pieces_nested(f, p) for p in _around(point, rng)]
    else:
        here, *there = [pieces(f, p) for p in _around(point, rng)]
    return any(log != here for log in there)


def _around(point: Point, rng: np.random.Generator) -> list[Point]:
    return [point, *(moved(point, rng, 1e-9) for _ in range(3))]


def _pieces_nested(f: Function, point: Point) -> list[tuple[str, bytes]]:
    with watch_branches() as log:
        f(*(tg.engine.nest.nest_map(tg.Value, x) for x in point))
    return log


def objection(got: Any, want: Any, rtol: float = 1e-9) -> str:
    """Say what differs, nan being equal to nan; or nothing."""
    ours, theirs = flat(got), flat(want)
    if [x.shape for x in ours] != [x.shape for x in theirs]:
        return f"shapes {[x.shape for x in ours]} for {[x.shape for x in theirs]}"
    largest = max([float(np.abs(x[np.isfinite(x)]).max(initial=0.0)) for x in theirs], default=0.0)
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if not np.allclose(a, b, rtol=rtol, atol=rtol * (1.0 + largest), equal_nan=True):
            return f"leaf {k}: {a} for {b}"
    return ""


def moderate(values: Any, limit: float = 1e4) -> bool:
    """Whether rounding has not been blown up on the way: sin(1e12) says nothing."""
    return all(bool(np.all(np.abs(x) < limit)) for x in flat(values))


@contextlib.contextmanager
def thresholds(narrow: float, small: int) -> Iterator[None]:
    """Let programs be lifted that are too small for it to pay."""
    with (
        mock.patch.object(lift_module, "NARROW", narrow),
        mock.patch.object(lift_module, "FEW", small),
        mock.patch.object(lift_module, "POOL", 10 * small),
        mock.patch.object(turn_module, "LEAST", 1),
    ):
        yield


@contextlib.contextmanager
def short_blocks(block: int) -> Iterator[None]:
    """Let elementwise ops run block by block on arrays that are not long at all."""
    with contextlib.ExitStack() as stack:
        for module in (blocks_module, execute_module, plan_module):
            stack.enter_context(mock.patch.object(module, "BLOCK", block))
        yield


def run_source(path: Any, point: Point) -> list[Any]:
    """Execute the printed program on its own."""
    scope: dict[str, Any] = {}
    text = path.source()
    exec(compile(text, "<source>", "exec"), scope)
    listed = [line.split(". ", 1)[1] for line in text.split('"""')[1].splitlines() if ". " in line]
    given_points = leaves((point, {}))
    inputs = [
        given_points[int(name.split(",")[0].removeprefix("argument "))]
        for name in listed
        if name.startswith("argument ")
    ]
    outputs: list[Any] = scope["program"](inputs)
    return outputs


def verify_passes(f: Function, point: Point) -> None:
    """Run the verifier after each pass."""
    recording = take_down(run_traced(f, point, {}))
    program = verify(recording.program)
    program = verify(simplify(program))
    program = verify(expand(program))
    program = verify(simplify(program))
    lifted = lift(program)
    if lifted is None:
        return
    lifted = verify(turn_module.turn(verify(pack(verify(lifted), _alike(recording)))))
    planned = verify(plan(lifted, _updates(recording, lifted)))
    assert len(planned.place) == len(planned)


def check(f: Function, points: Sequence[Point], values: Function | None = None) -> None:
    """Hold all ways of running a function of scalars or arrays against each other.

    The first point is the recorded one.  `values` gives all intermediate results, which have to
    be moderate at a point for it to be compared.
    """
    compiled: Any = tg.compile(f)
    recorded = tg.record(f, *points[0]) if _depends(f, points[0]) else None
    verify_passes(f, points[0])
    for point in points:
        want = f(*point)
        if values is not None and not moderate(values(*point)):
            compiled(*point)
            continue
        found = [objection(compiled(*point), want)]
        if recorded is not None:
            try:
                found.append(objection(recorded.replay(*point), want))
            except tg.BranchError:
                found.append(objection(tg.record(f, *point).replay(*point), want))
        if any(found) and not on_a_kink(f, point):
            raise AssertionError(f"at {point}: {found}")


def _depends(f: Function, point: Point) -> bool:
    """Whether something that the function returns depends on its inputs: else `record` refuses."""
    try:
        tg.record(f, *point)
    except tg.RecordingError:
        raise
    except TypeError:
        return False
    return True


def check_numerically(f: Function, point: Point) -> None:
    """Hold the compiled gradient of a scalar function against finite differences."""
    every = tuple(range(len(point)))
    compiled: Any = tg.compile(tg.value_and_grad(f, every))
    ours = compiled(*point)[1]
    if not moderate(ours, 1e3):
        return

    def close(step: float, tolerance: float) -> bool:
        numeric = numeric_gradients(lambda *xs: bare(f(*xs)), point, step)
        pairs = zip(ours, numeric, strict=True)
        return all(
            np.allclose(
                bare(a), n, rtol=tolerance, atol=tolerance * (1 + np.max(np.abs(n), initial=0))
            )
            for a, n in pairs
        )

    if close(2.0**-9, 1e-6) or close(2.0**-13, 1e-5) or close(2.0**-17, 1e-4):
        return
    here = pieces(f, point)
    rng = np.random.default_rng(0)
    if all(pieces(f, moved(point, rng, 2.0**-7)) == here for _ in range(20)):
        raise AssertionError(f"at {point}: {ours}")


def exact(f: Function, points: Sequence[Point]) -> None:
    """Demand the very bits of the eager run, but for nan, which has many."""
    compiled: Any = tg.compile(f, exact=True)
    for point in points:
        inputs = tuple(tg.engine.nest.nest_map(tg.Value, x) for x in point)
        for a, b in zip(flat(compiled(*inputs)), flat(f(*inputs)), strict=True):
            assert a.shape == b.shape
            finite = ~np.isnan(b)
            assert np.array_equal(np.isnan(a), ~finite)
            assert a[finite].tobytes() == b[finite].tobytes(), (point, a, b)


def test_exact_sums_go_through_elements_in_the_same_order() -> None:
    table = np.arange(1.0, 7.0).reshape(3, 2)

    def f(a: Any) -> Any:  # the adjoint of sin is 1·cos, where 1 lies by rows and cos by columns
        b = tg.transpose(tg.reshape(a, (3, 1)) * table)
        return tg.sum(tg.sin(b * tg.tanh(tg.sum(a))))

    rng = np.random.default_rng(0)
    exact(tg.grad(f), [(rng.normal(size=3),) for _ in range(60)])


def printed(f: Function, points: Sequence[Point]) -> None:
    """Compare what the printed source computes."""
    compiled: Any = tg.compile(f)
    for point in points:
        want = f(*point)
        if not moderate(want):
            continue
        eagerly = compiled.eager_calls
        compiled(*point)
        if compiled.eager_calls > eagerly:
            continue  # an operation is invalid here: the source, as NumPy does, says nan
        outputs = run_source(compiled.program, point)
        wanted = [
            w
            for w, (row, _) in zip(flat(want), compiled.program.surface.results, strict=True)
            if row is not None
        ]
        found = objection(outputs[: len(wanted)], wanted)
        if found and not on_a_kink(f, point):
            raise AssertionError(f"at {point}: {found}")


# ------------------------------------------------------------------------------------ scalars

OPS = on(tg)


def scalar_points(program: Any, data: st.DataObject) -> list[Point]:
    return [program.inputs, *(tuple(data.draw(numbers) for _ in program.inputs) for _ in range(2))]


def scalar_functions(program: Any) -> tuple[Function, Function]:
    """Return all values, and the last of them."""
    return (
        lambda *xs: program.run(xs, OPS)[len(xs) :],
        lambda *xs: program.run(xs, OPS)[-1],
    )


def check_scalars(program: Any, data: st.DataObject) -> None:
    points = scalar_points(program, data)
    values, last = scalar_functions(program)
    every = tuple(range(len(points[0])))
    with thresholds(data.draw(st.sampled_from([0, 200])), data.draw(st.sampled_from([1, 24]))):
        check(values, points, values)
        check(tg.value_and_grad(last, every), points, values)
        if moderate(values(*points[1])):
            check_numerically(last, points[1])


@given(programs(), st.data())
@few
def test_scalar_programs(program: Any, data: st.DataObject) -> None:
    check_scalars(program, data)


@pytest.mark.slow
@given(programs(most_lines=40), st.data())
@many
def test_five_hundred_scalar_programs(program: Any, data: st.DataObject) -> None:
    check_scalars(program, data)


# --------------------------------------------------------------------- arrays and scalars mixed


def weights(x: Any) -> Any:
    """Return fixed irregular numbers of the shape of x."""
    return np.cos(np.arange(1.0, np.size(bare(x)) + 1.0)).reshape(np.shape(bare(x)))


def branch(a: Any, b: Any, k: int) -> Any:
    if tg.sum(a) > 0.3 * k:
        return tg.sin(a)
    if tg.sum(a) < -0.5:
        return a * 2.0 - k
    return a * a


def loop(a: Any, b: Any, k: int) -> Any:
    return sum(a[i] * b[i] for i in range(a.shape[0])) + k


def elements(a: Any, b: Any, k: int) -> Any:
    rows = [tg.tanh(x) * (j + 1.0) for j, x in enumerate(a)]
    return tg.stack(rows)


def scalars_of(a: Any, b: Any, k: int) -> Any:
    total: Any = 0.0
    for place in np.ndindex(a.shape):
        total = total + tg.sin(a[place]) * (sum(place) + k)
    return total


UNARY: dict[str, Callable[[Any], Any]] = {
    "sin": tg.sin, "cos": tg.cos, "tanh": tg.tanh, "sigmoid": tg.sigmoid, "softplus": tg.softplus,
    "log_sigmoid": tg.log_sigmoid, "relu": tg.relu, "leaky_relu": tg.leaky_relu, "elu": tg.elu,
    "abs": tg.abs, "sign": tg.sign, "square": tg.square, "negative": tg.negative,
    "arctan": tg.arctan, "arcsinh": tg.arcsinh, "erf": tg.erf, "cbrt": lambda a: tg.cbrt(a + 3.0),
    "exp": lambda a: tg.exp(-a * a), "expm1": lambda a: tg.expm1(tg.tanh(a)),
    "log": lambda a: tg.log(a * a + 0.5), "log1p": lambda a: tg.log1p(a * a),
    "log2": lambda a: tg.log2(a * a + 1.0), "log10": lambda a: tg.log10(a * a + 1.0),
    "sqrt": lambda a: tg.sqrt(a * a + 1.0), "reciprocal": lambda a: tg.reciprocal(a * a + 1.0),
    "tan": lambda a: tg.tan(tg.tanh(a)), "arcsin": lambda a: tg.arcsin(0.9 * tg.tanh(a)),
    "arccos": lambda a: tg.arccos(0.9 * tg.sin(a)), "sinh": lambda a: tg.sinh(tg.sin(a)),
    "cosh": lambda a: tg.cosh(tg.cos(a)), "arctanh": lambda a: tg.arctanh(0.5 * tg.sin(a)),
    "arccosh": lambda a: tg.arccosh(a * a + 1.5), "clip": lambda a: tg.clip(a, -0.5, 0.7),
    "root": lambda a: (a * a + 1.0) ** 0.5, "cube": lambda a: a**3, "fourth": lambda a: a**4,
    "inverse": lambda a: (a * a + 1.0) ** -1, "inverse square": lambda a: (a * a + 1.0) ** -2.0,
    "2 ** a": lambda a: 2.0 ** tg.tanh(a),
}  # fmt: skip
GUARDED: dict[str, Callable[[Any], Any]] = {
    "guarded root": lambda a: tg.where(a > 0, tg.sqrt(a), 0.0),
    "guarded log": lambda a: tg.where(a > 0.1, tg.log(a), a),
}  # fmt: skip


def _of_first(f: Callable[[Any], Any]) -> Callable[[Any, Any, int], Any]:
    return lambda a, b, k: f(a)


MIXED: dict[str, Callable[[Any, Any, int], Any]] = {
    **{name: _of_first(f) for name, f in {**UNARY, **GUARDED}.items()},
    "add": lambda a, b, k: a + b, "subtract": lambda a, b, k: a - b,
    "multiply": lambda a, b, k: a * b, "ratio": lambda a, b, k: a / (b * b + 1.0),
    "by a constant": lambda a, b, k: a / (k + 2.0), "minus a constant": lambda a, b, k: k - a,
    "times one": lambda a, b, k: 1.0 * a, "plus zero": lambda a, b, k: 0.0 + a,
    "times zero": lambda a, b, k: a * 0.0 + b, "minus itself": lambda a, b, k: a - a + b,
    "power": lambda a, b, k: (a * a + 1.0) ** tg.tanh(b), "hypot": lambda a, b, k: tg.hypot(a, b + 2.0),
    "maximum": lambda a, b, k: tg.maximum(a, b), "minimum": lambda a, b, k: tg.minimum(a, b),
    "arctan2": lambda a, b, k: tg.arctan2(a, b * b + 1.0),
    "where": lambda a, b, k: tg.where(a > b, a * 2.0, b),
    "where of the sign": lambda a, b, k: tg.where(a > 0, a, b),
    "where of a mask": lambda a, b, k: tg.where(weights(a) > 0, a, 0.5),
    "mask": lambda a, b, k: a * (b > 0),
    "dense": lambda a, b, k: a + np.asarray(weights(a)) * b,
    "matmul": lambda a, b, k: a @ b, "gram": lambda a, b, k: a @ a.T, "outer": lambda a, b, k: tg.outer(a, b),
    "dot": lambda a, b, k: tg.dot(a, b), "einsum": lambda a, b, k: tg.einsum("ij,kj->ik", a, b),
    "linear": lambda a, b, k: tg.linear(a, b), "tensordot": lambda a, b, k: tg.tensordot(a, b, 1),
    "sum": lambda a, b, k: tg.sum(a), "sum 0": lambda a, b, k: tg.sum(a, axis=0),
    "sum last, kept": lambda a, b, k: tg.sum(a, axis=-1, keepdims=True),
    "mean": lambda a, b, k: tg.mean(a), "mean last": lambda a, b, k: tg.mean(a, axis=-1),
    "max": lambda a, b, k: tg.max(a), "max last": lambda a, b, k: tg.max(a, axis=-1),
    "min 0": lambda a, b, k: tg.min(a, axis=0), "prod last": lambda a, b, k: tg.prod(a, axis=-1),
    "var": lambda a, b, k: tg.var(a, axis=-1), "std": lambda a, b, k: tg.std(a + weights(a)),
    "norm": lambda a, b, k: tg.norm(a + 2.0), "logsumexp": lambda a, b, k: tg.logsumexp(a, axis=-1),
    "softmax": lambda a, b, k: tg.softmax(a, axis=-1),
    "log_softmax": lambda a, b, k: tg.log_softmax(a, axis=-1),
    "cross entropy": lambda a, b, k: tg.softmax_cross_entropy(a, [j % a.shape[1] for j in range(a.shape[0])]),
    "cumsum": lambda a, b, k: tg.cumsum(a, axis=-1), "cumprod": lambda a, b, k: tg.cumprod(a, axis=-1),
    "sort": lambda a, b, k: tg.sort(a), "flatten": lambda a, b, k: a.reshape(-1),
    "transpose": lambda a, b, k: a.T, "swapaxes": lambda a, b, k: tg.swapaxes(a, 0, -1),
    "squeeze": lambda a, b, k: tg.squeeze(a), "first": lambda a, b, k: a[0], "last": lambda a, b, k: a[..., -1],
    "slice": lambda a, b, k: a[1:], "backwards": lambda a, b, k: a[::-1], "steps": lambda a, b, k: a[..., ::2],
    "some twice": lambda a, b, k: a[[0, -1, 0]], "where true": lambda a, b, k: a[weights(a) > 0],
    "new axis": lambda a, b, k: a[None], "element": lambda a, b, k: a[(k % max(a.shape[0], 1),) * a.ndim],
    "join": lambda a, b, k: tg.concatenate([tg.ravel(a), tg.ravel(b)]),
    "stack": lambda a, b, k: tg.stack([a, b]), "split": lambda a, b, k: tg.split(a, a.shape[0])[0],
    "spread": lambda a, b, k: tg.broadcast_to(a, (2, *np.shape(bare(a)))),
    "pad": lambda a, b, k: tg.pad(a, 1), "roll": lambda a, b, k: tg.roll(a, 1), "flip": lambda a, b, k: tg.flip(a),
    "repeat": lambda a, b, k: tg.repeat(a, 2), "tile": lambda a, b, k: tg.tile(a, 2),
    "diagonal": lambda a, b, k: tg.diagonal(a), "trace": lambda a, b, k: tg.trace(a),
    "at_add": lambda a, b, k: tg.at_add(a, 0, 1.0 + k), "at_set": lambda a, b, k: tg.at_set(a, 0, tg.sum(b)),
    "take": lambda a, b, k: tg.take(a, [0, 0, -1]), "branch": branch, "loop": loop,
    "elements": elements, "scalars of": scalars_of,
}  # fmt: skip


@dataclass(frozen=True)
class Mixed:
    """A straight-line program on arrays and scalars."""

    shapes: tuple[tuple[int, ...], ...]
    lines: tuple[tuple[str, int, int, int], ...]

    def values(self, *inputs: Any) -> list[Any]:
        found = list(inputs)
        for name, i, j, k in self.lines:
            found.append(MIXED[name](found[i], found[j], k))
        return found[len(inputs) :]

    def total(self, *inputs: Any) -> Any:
        total: Any = 0.0
        for v in [*inputs, *self.values(*inputs)]:
            total = total + tg.sum(tg.sin(v))
        return total

    def point(self, seed: int) -> Point:
        rng = np.random.default_rng(seed)
        drawn = [rng.uniform(-1.5, 1.5, s) for s in self.shapes]
        return tuple(x if x.ndim else float(x) for x in drawn)


SHAPES = [(), (), (1,), (3,), (4,), (2, 3), (3, 2), (3, 3), (2, 1), (1, 3), (2, 3, 2)]
SCALAR_TOO = {
    *UNARY, "add", "subtract", "multiply", "ratio", "by a constant", "minus a constant", "times one",
    "plus zero", "times zero", "minus itself", "power", "hypot", "maximum", "minimum", "arctan2",
    "where", "where of the sign", "branch", "mask",
}  # fmt: skip


@st.composite
def mixed_programs(draw: st.DrawFn, most_lines: int = 8, shapes: Any = SHAPES) -> Mixed:
    """Draw a program whose values are moderate at the first point."""
    shapes = tuple(draw(st.lists(st.sampled_from(shapes), min_size=1, max_size=3)))
    lines: list[tuple[str, int, int, int]] = []
    start = [tg.Value(x) for x in Mixed(shapes, ()).point(0)]
    values: list[Any] = list(start)
    for _ in range(draw(st.integers(1, most_lines))):
        i, j = (draw(st.integers(0, len(values) - 1)) for _ in range(2))
        scalar = values[i].ndim == 0
        name = draw(st.sampled_from(sorted(SCALAR_TOO if scalar else MIXED)))
        k = draw(st.integers(0, 3))
        if name == "where of a mask" and values[i].size == 0:
            continue  # test_where_of_a_mask_without_elements
        try:
            out = MIXED[name](values[i], values[j], k)
        except (ValueError, IndexError, TypeError):  # the shapes do not fit
            continue
        if isinstance(out, tg.Value) and out.size <= 60 and np.all(np.abs(out.data) < 100):
            values.append(out)
            lines.append((name, i, j, k))
    assume(lines)
    return Mixed(shapes, tuple(lines))


def check_mixed(program: Any, data: st.DataObject, points: list[Point]) -> None:
    every = tuple(range(len(points[0])))
    with thresholds(data.draw(st.sampled_from([0, 200])), data.draw(st.sampled_from([1, 24]))):
        check(program.values, points, program.values)
        check(tg.value_and_grad(program.total, every), points, program.values)
        if moderate(program.values(*points[1]), 100.0):
            check_numerically(program.total, points[1])


@given(mixed_programs(), st.data())
@few
def test_mixed_programs(program: Mixed, data: st.DataObject) -> None:
    check_mixed(program, data, [program.point(k) for k in range(3)])


@pytest.mark.slow
@given(mixed_programs(most_lines=20), st.data())
@many
def test_five_hundred_mixed_programs(program: Mixed, data: st.DataObject) -> None:
    check_mixed(program, data, [program.point(k) for k in range(3)])


def check_blocks(program: Mixed, block: int) -> None:
    points = [program.point(k) for k in range(3)]
    every = tuple(range(len(points[0])))
    with short_blocks(block):
        check(program.values, points, program.values)
        check(tg.value_and_grad(program.total, every), points, program.values)


LONG = [(11,), (11,), (9,), (8,), (), (1,)]


@given(mixed_programs(shapes=LONG), st.sampled_from([3, 4]))
@few
def test_long_arrays_in_blocks(program: Mixed, block: int) -> None:
    check_blocks(program, block)


@pytest.mark.slow
@given(mixed_programs(most_lines=20, shapes=LONG), st.sampled_from([2, 3, 4, 5]))
@many
def test_five_hundred_programs_of_long_arrays(program: Mixed, block: int) -> None:
    check_blocks(program, block)


@pytest.mark.slow
@given(array_programs(most_lines=10))
@many
def test_five_hundred_array_programs(program: Any) -> None:
    rng = np.random.default_rng(1)
    points = [
        program.inputs,
        *(
            tuple(np.asarray(x + rng.uniform(-1, 1, x.shape)) for x in program.inputs)
            for _ in range(2)
        ),
    ]
    every = tuple(range(len(points[0])))
    check(program.run, points)
    check(tg.value_and_grad(program.run, every), points)


@pytest.mark.parametrize("name", [*UNARY, *GUARDED])
def test_each_unary_op(name: str) -> None:
    """Alone, on a scalar, on an array, and on sixty scalars at once."""
    for shape in ((), (4,)):
        program = Mixed((shape,), ((name, 0, 0, 1),))
        points = [program.point(k) for k in range(4)]
        check(program.values, points)
        check(tg.value_and_grad(program.total), points)
        check_numerically(program.total, points[1])
    rng = np.random.default_rng(0)
    tables = [(rng.uniform(-1.5, 1.5, 60).tolist(),) for _ in range(3)]

    op = {**UNARY, **GUARDED}[name]

    def total(xs: Any) -> Any:
        return sum(op(x) * (k + 1.0) for k, x in enumerate(xs))

    with thresholds(0, 24):
        check(lambda xs: [op(x) for x in xs], tables)
        check(tg.value_and_grad(total), tables)


# ------------------------------------------------------------------- loops over tables of scalars

Table = list[list[Any]]
CONSTANTS = [0.0, 1.0, -1.0, 1.0, 0.5, 2.0, 0.0, -1.0, 0.3, 1.0, -0.7]


def constant(i: int, j: int, k: int) -> float:
    """Return one of few numbers: data with many zeros and ones."""
    return CONSTANTS[(3 * i + 5 * j + k) % len(CONSTANTS)]


def each(f: Callable[[Any], Any]) -> Callable[[Table, Table, int], Table]:
    return lambda a, b, k: [[f(x) for x in row] for row in a]


def pairs(f: Callable[[Any, Any], Any]) -> Callable[[Table, Table, int], Table]:
    """Combine two tables; the second is repeated where it is too small."""
    return lambda a, b, k: [
        [f(x, b[i % len(b)][j % len(b[0])]) for j, x in enumerate(row)] for i, row in enumerate(a)
    ]


def product(a: Table, b: Table, k: int) -> Table:
    n = min(len(a[0]), len(b))
    return [[sum(row[m] * b[m][j] for m in range(n)) for j in range(len(b[0]))] for row in a]


def product_with_bias(a: Table, b: Table, k: int) -> Table:
    n = min(len(a[0]), len(b))
    out = []
    for i, row in enumerate(a):
        line = []
        for j in range(len(b[0])):
            acc = b[0][j] if k % 2 else a[i][0]
            for m in reversed(range(n)) if k > 1 else range(n):
                acc = acc + (b[m][j] * row[m] if (m + k) % 2 else row[m] * b[m][j])
            line.append(acc)
        out.append(line)
    return out


def product_with_constants(a: Table, b: Table, k: int) -> Table:
    return [
        [sum(x * constant(j, m, k) for m, x in enumerate(row)) + 0.1 * j for j in range(3 + k)]
        for row in a
    ]


def convolution(a: Table, b: Table, k: int) -> Table:
    kernel = b[k % len(b)][:3]
    n = len(a[0]) - len(kernel) + 1
    if n < 1:
        return a
    return [[sum(w * row[t + m] for m, w in enumerate(kernel)) for t in range(n)] for row in a]


def neighbours(a: Table, b: Table, k: int) -> Table:
    """Return differences with the neighbours, which are missing at the borders."""
    out = []
    for row in a:
        line = []
        for t, x in enumerate(row):
            acc = 2.0 * x
            if t > 0:
                acc = acc - row[t - 1]
            if t + 1 < len(row):
                acc -= row[t + 1]
            line.append(acc)
        out.append(line)
    return out


def running(a: Table, b: Table, k: int) -> Table:
    out = []
    for row in a:
        acc: Any = 0.0
        line = []
        for x in row:
            acc = acc + x
            line.append(acc)
        out.append(line)
    return out


def triangle(a: Table, b: Table, k: int) -> Table:
    """Return sums of different lengths."""
    return [
        [sum(row[m] * b[0][m % len(b[0])] for m in range(j + 1)) for j in range(len(row))]
        for row in a
    ]


def recurrence(a: Table, b: Table, k: int) -> Table:
    out = []
    for row in a:
        h: Any = 0.0
        line = []
        for x in row:
            h = tg.tanh(0.5 * h + x)
            line.append(h)
        out.append(line)
    return out


def decided(a: Table, b: Table, k: int) -> Table:
    if a[0][0] > b[0][0]:
        return [[x * 2.0 for x in row] for row in a]
    return [[tg.sin(x) for x in row] for row in a]


def sums(a: Table, b: Table, k: int) -> Table:
    return [[sum(row), sum(x * x for x in row), sum(-x for x in row) * 0.5] for row in a]


def shuffled(a: Table, b: Table, k: int) -> Table:
    flat_list = [x for row in a for x in row]
    order = np.random.default_rng(k).permutation(len(flat_list))
    n = len(a[0])
    mixed = [flat_list[o] for o in order]
    return [mixed[i : i + n] for i in range(0, len(mixed), n)]


LOOPS: dict[str, Callable[[Table, Table, int], Table]] = {
    "tanh": each(tg.tanh), "relu": each(tg.relu), "sin": each(tg.sin), "square": each(lambda x: x**2),
    "bell": each(lambda x: tg.exp(-x * x)), "cube": each(lambda x: x**3), "negative": each(lambda x: -x),
    "double": each(lambda x: x + x), "shifted": each(lambda x: x + 1.0), "halved": each(lambda x: x / 2.0),
    "root": each(lambda x: tg.sqrt(x * x + 1.0)), "abs": each(tg.abs), "one minus": each(lambda x: 1.0 - x),
    "add": pairs(lambda x, y: x + y), "subtract": pairs(lambda x, y: x - y),
    "multiply": pairs(lambda x, y: x * y), "ratio": pairs(lambda x, y: x / (y * y + 1.0)),
    "maximum": pairs(tg.maximum), "where": pairs(lambda x, y: tg.where(x > y, x, y * 0.5)),
    "scaled sum": pairs(lambda x, y: 0.3 * x - 2.0 * y + 1.0), "same twice": pairs(lambda x, y: x * y + y * x),
    "cancelled": pairs(lambda x, y: x * y - y * x + x),
    "constants": lambda a, b, k: [[x * constant(i, j, k) for j, x in enumerate(row)] for i, row in enumerate(a)],
    "constants added": lambda a, b, k: [[constant(i, j, k) + x for j, x in enumerate(row)] for i, row in enumerate(a)],
    "product": product, "product with bias": product_with_bias,
    "product with constants": product_with_constants, "convolution": convolution,
    "neighbours": neighbours, "running": running, "triangle": triangle, "recurrence": recurrence,
    "decided": decided, "sums": sums, "shuffled": shuffled,
    "transposed": lambda a, b, k: [list(row) for row in zip(*a, strict=True)],
    "backwards": lambda a, b, k: [row[::-1] for row in a[::-1]], "joined": lambda a, b, k: [*a, *a[: k + 1]],
    "of rows": lambda a, b, k: [[row[0] * x for x in row[1:]] or row for row in a],
}  # fmt: skip


@dataclass(frozen=True)
class Loops:
    """A program on tables of scalars: every number is a Value of its own."""

    sizes: tuple[tuple[int, int], ...]
    lines: tuple[tuple[str, int, int, int], ...]

    def values(self, *tables: Any) -> list[Any]:
        found = list(tables)
        for name, i, j, k in self.lines:
            found.append(LOOPS[name](found[i], found[j], k))
        return found[len(tables) :]

    def total(self, *tables: Any) -> Any:
        total: Any = 0.0
        for table in self.values(*tables):
            for i, row in enumerate(table):
                for j, x in enumerate(row):
                    total = total + tg.sin(x) * math.cos(i + 2.0 * j)
        return total

    def point(self, seed: int) -> Point:
        rng = np.random.default_rng(seed)
        return tuple(rng.uniform(-1.2, 1.2, size).tolist() for size in self.sizes)


@st.composite
def loop_programs(draw: st.DrawFn, most_lines: int = 6) -> Loops:
    sides = st.integers(1, 6)
    sizes = tuple(draw(st.lists(st.tuples(sides, sides), min_size=1, max_size=3)))
    lines: list[tuple[str, int, int, int]] = []
    values: list[Any] = list(Loops(sizes, ()).point(0))
    for _ in range(draw(st.integers(1, most_lines))):
        name = draw(st.sampled_from(sorted(LOOPS)))
        i, j = (draw(st.integers(0, len(values) - 1)) for _ in range(2))
        k = draw(st.integers(0, 3))
        out = LOOPS[name](values[i], values[j], k)
        if sum(map(len, out)) <= 60 and moderate(out, 30.0):
            values.append(out)
            lines.append((name, i, j, k))
    assume(lines)
    return Loops(sizes, tuple(lines))


def check_loops(program: Loops, data: st.DataObject) -> None:
    points = [program.point(k) for k in range(3)]
    every = tuple(range(len(points[0])))
    with thresholds(
        data.draw(st.sampled_from([0, 0, 200])), data.draw(st.sampled_from([1, 8, 24]))
    ):
        check(program.values, points, program.values)
        check(tg.value_and_grad(program.total, every), points, program.values)


@given(loop_programs(), st.data())
@few
def test_loop_programs(program: Loops, data: st.DataObject) -> None:
    check_loops(program, data)


@pytest.mark.slow
@given(loop_programs(most_lines=12), st.data())
@many
def test_five_hundred_loop_programs(program: Loops, data: st.DataObject) -> None:
    check_loops(program, data)


@pytest.mark.slow
@given(loop_programs(most_lines=5))
@settings(max_examples=60, **COMMON)
def test_gradients_of_loops_agree_with_finite_differences(program: Loops) -> None:
    point = program.point(1)
    assume(moderate(program.values(*point), 50.0))
    sizes = [np.array(table).shape for table in point]

    def f(*flat_tables: Any) -> Any:
        tables = [
            [[x[i * m + j] for j in range(m)] for i in range(n)]
            for x, (n, m) in zip(flat_tables, sizes, strict=True)
        ]
        return program.total(*tables)

    with thresholds(0, 1):
        check_numerically(f, tuple(np.array(table).reshape(-1) for table in point))


# ------------------------------------------------------------------------------ exact and source


def test_exact_functions_of_raw_numbers() -> None:
    compiled: Any = tg.compile(tg.tanh, exact=True)
    xs = np.random.default_rng(0).normal(size=200).tolist()
    assert [compiled(x) for x in xs] == [tg.tanh(x) for x in xs]


def test_one_element_arrays_and_scalars() -> None:
    one = [(0.3, np.array([0.5])), (0.7, np.array([-0.2])), (-1.0, np.array([1.0]))]
    for op in (
        lambda a, b: b - a,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / (b + 3.0),
    ):
        check(op, one)
        check(tg.value_and_grad(lambda a, b, op=op: tg.sum(tg.sin(op(a, b))), (0, 1)), one)
        check(tg.value_and_grad(lambda a, b, op=op: tg.sum(tg.sin(op(b[None], a))), (0, 1)), one)


def test_where_of_a_mask_without_elements() -> None:
    def f(x: Any) -> Any:
        return tg.where(np.zeros(0, bool), x[1:], 0.5)

    points = [(np.ones(1),), (np.zeros(1),)]
    check(f, points)
    check(tg.value_and_grad(lambda x: tg.sum(f(x)) + tg.sum(tg.sin(x))), points)


def test_masks_of_constants_and_values() -> None:
    signs = np.array([1.0, -1.0, 1.0])

    def f(x: Any) -> Any:
        first = tg.where((signs > 0) & (x > 0), x * x, 0.0)
        second = tg.where((x > 0) | (signs < 0), 1.0, x)
        return tg.sum(first * second + tg.where(~(x > 0.5) & (x < 2.0), x, 0.0))

    rng = np.random.default_rng(0)
    points = [(rng.normal(size=3),) for _ in range(4)]
    check(f, points)
    check(tg.value_and_grad(f), points)


@given(programs(), st.data())
@few
def test_exact_scalar_programs(program: Any, data: st.DataObject) -> None:
    points = scalar_points(program, data)
    values, last = scalar_functions(program)
    exact(values, points)
    exact(tg.value_and_grad(last, tuple(range(len(points[0])))), points)


@given(mixed_programs())
@few
def test_exact_mixed_programs(program: Mixed) -> None:
    points = [program.point(k) for k in range(3)]
    exact(program.values, points)
    exact(tg.value_and_grad(program.total, tuple(range(len(points[0])))), points)


@given(loop_programs())
@few
def test_exact_loop_programs(program: Loops) -> None:
    points = [program.point(k) for k in range(2)]
    exact(program.values, points)
    exact(tg.value_and_grad(program.total, tuple(range(len(points[0])))), points)


@pytest.mark.slow
@given(mixed_programs(most_lines=20))
@many
def test_five_hundred_exact_programs(program: Mixed) -> None:
    points = [program.point(k) for k in range(3)]
    exact(tg.value_and_grad(program.total, tuple(range(len(points[0])))), points)


@given(mixed_programs(), st.sampled_from([0, 200]))
@few
def test_source_of_mixed_programs(program: Mixed, narrow: int) -> None:
    points = [program.point(k) for k in range(3)]
    with thresholds(narrow, 24):
        printed(tg.value_and_grad(program.total, tuple(range(len(points[0])))), points)


@given(loop_programs(), st.sampled_from([0, 200]))
@few
def test_source_of_loop_programs(program: Loops, narrow: int) -> None:
    points = [program.point(k) for k in range(2)]
    with thresholds(narrow, 8):
        printed(tg.value_and_grad(program.total, tuple(range(len(points[0])))), points)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (3, 3)])
def test_source_of_labels_of_a_transpose(shape: tuple[int, int]) -> None:
    """A copy that kept the layout of the transpose would be picked from at other places."""

    def loss(x: Any) -> Any:
        total = tg.exp(x).sum()
        for _ in range(4):
            x = 2.0**x
        logits = tg.swapaxes(x, 0, 1)
        labels = [j % shape[0] for j in range(shape[1])]
        return total + tg.softmax_cross_entropy(logits, labels).sum()

    points = [(np.random.default_rng(k).uniform(-1, 0.3, shape),) for k in range(3)]
    with thresholds(0, 24):
        printed(tg.value_and_grad(loss), points)


@pytest.mark.slow
@given(mixed_programs(most_lines=20), st.sampled_from([0, 200]))
@many
def test_five_hundred_sources(program: Mixed, narrow: int) -> None:
    points = [program.point(k) for k in range(3)]
    with thresholds(narrow, 24):
        printed(tg.value_and_grad(program.total, tuple(range(len(points[0])))), points)
