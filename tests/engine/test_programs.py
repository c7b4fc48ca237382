"""Random programs against naive references: dual numbers for scalars, NumPy alone for arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)
from strategies import (
    BINARY,
    DUAL,
    ArrayProgram,
    Program,
    array_programs,
    dual,
    numbers,
    on,
    programs,
)

import tinygrad_lecture as tg

OPS = on(tg)


def close(a: float, b: float, scale: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-8, abs_tol=1e-9 * scale)


def scale_of(program: Program) -> float:
    """Return the largest number in a program: cancellation is measured against it."""
    n = len(program.inputs) + len(program.lines)
    parts = [
        abs(x)
        for k in range(n)
        for i in range(len(program.inputs))
        for x in dual(program, program.inputs, i, k)
    ]
    assume(max(parts) < 1e8)
    return 1.0 + max(parts)


# ---------------------------------------------------------------------------------- scalars


@given(programs())
@settings(max_examples=150)
def test_scalar_programs_equal_dual_numbers_by_every_route(program: Program) -> None:
    scale = scale_of(program)
    expected = [dual(program, program.inputs, k) for k in range(len(program.inputs))]

    def f(*inputs: Any) -> Any:
        return program.run(inputs, OPS)[-1]

    leaves = [tg.Value(x) for x in program.inputs]
    out = f(*leaves)
    out.backward()
    every = tuple(range(len(leaves)))
    value, gradient = tg.value_and_grad(f, every)(*program.inputs)
    tape = tg.Tape(out)
    tape.verify()
    totals = {s.target: s.total for s in tape.steps()}
    assert type(value) is float
    for k, (v, slope) in enumerate(expected):
        unit = [float(i == k) for i in every]
        behind = any(leaves[k] is v for v in tape.values)  # == compares the numbers
        assert close(out.data, v, scale)
        assert close(value, v, scale)
        assert (leaves[k].grad is None) == (not behind)
        if out is not leaves[k]:
            routes = [
                leaves[k].grad or 0.0,
                gradient[k],
                tg.jvp(f, program.inputs, unit)[1],
                tg.grad(f, k)(*program.inputs),
                tg.vjp(f, *program.inputs)[1](1.0)[k],
                totals.get(tape.position(leaves[k]), 0.0) if behind else 0.0,
                tg.grad(f, k)(*map(tg.Value, program.inputs)).data,
            ]
            assert all(close(r, slope, scale) for r in routes), (slope, routes)


@given(programs(most_lines=8), st.data())
@settings(max_examples=60)
def test_a_replay_elsewhere_equals_a_fresh_run(program: Program, data: st.DataObject) -> None:
    leaves = [tg.Value(x) for x in program.inputs]
    tape = tg.Tape(program.run(leaves, OPS))
    elsewhere = [data.draw(numbers) for _ in leaves]

    fresh = program.run([tg.Value(x) for x in elsewhere], OPS)

    # math's functions and NumPy's differ in the last bit
    for a, b in zip(tape.replay(dict(zip(leaves, elsewhere, strict=True))), fresh, strict=True):
        assert close(a, b.data, abs(b.data) + scale_of(program))


@given(programs(most_inputs=2, most_lines=6))
@settings(max_examples=60)
def test_second_derivatives_are_slopes_of_first_ones(program: Program) -> None:
    """Forward over reverse equals reverse over reverse, and the dual numbers' slope changes so."""
    scale = scale_of(program)
    assume(scale < 1e3)

    def f(*inputs: Any) -> Any:
        return program.run(inputs, OPS)[-1]

    every = tuple(range(len(program.inputs)))
    hessian = tg.hessian(f, every)(*program.inputs)
    forward = tg.jacobian(tg.grad(f, every), every, mode="forward")(*program.inputs)
    for i in every:
        assert hessian[i] == pytest.approx(forward[i], rel=1e-9, abs=1e-9 * scale**2)
    with tg.engine.watch_branches() as here:
        f(*map(tg.Value, program.inputs))
    h = 1e-5
    for k in every:
        up, down = ([x + s * (i == k) for i, x in enumerate(program.inputs)] for s in (h, -h))
        logs = []
        for point in (up, down):
            with tg.engine.watch_branches() as log:
                f(*map(tg.Value, point))
            logs.append(log)
        if logs[0] == logs[1] == here:  # no kink in between
            for i in every:
                slope = (dual(program, up, i)[1] - dual(program, down, i)[1]) / (2 * h)
                assert hessian[i][k] == pytest.approx(slope, rel=1e-4, abs=1e-5 * scale**2)


@given(programs(most_lines=8))
@settings(max_examples=60)
def test_arrays_of_one_number_and_subclasses_say_the_same(program: Program) -> None:
    class Weight(tg.Value):  # leaves the fast functions aside
        __slots__ = ()

    scalars = [tg.Value(x) for x in program.inputs]
    others = [Weight(x) for x in program.inputs]
    arrays = [tg.Value([x, x]) for x in program.inputs]
    program.run(scalars, OPS)[-1].backward()
    program.run(others, OPS)[-1].backward()
    program.run(arrays, OPS)[-1].backward([1.0, 2.0])
    for s, w, a in zip(scalars, others, arrays, strict=True):
        assert (s.grad is None) == (a.grad is None) == (w.grad is None)
        if s.grad is not None:
            assert w.grad == pytest.approx(s.grad, rel=1e-12, abs=1e-12)
            np.testing.assert_allclose(a.grad, [s.grad, 2 * s.grad], rtol=1e-9, atol=1e-9)


# ----------------------------------------------------------------------------------- arrays


@given(array_programs())
@settings(max_examples=120)
def test_array_programs_equal_numpy_and_central_differences(program: ArrayProgram) -> None:
    leaves = [tg.Value(x) for x in program.inputs]
    out = program.run(*leaves)
    out.backward()
    expected = program.numeric()
    every = tuple(range(len(leaves)))
    gradient = tg.grad(program.run, every)(*program.inputs)
    tangents = [np.asarray(np.cos(np.arange(x.size))).reshape(x.shape) for x in program.inputs]
    _, pushed = tg.jvp(program.run, program.inputs, tangents)
    tg.Tape(out).verify()

    assert out.data == pytest.approx(float(program.run(*program.inputs)), rel=1e-12, abs=1e-12)
    for v, g, n in zip(leaves, gradient, expected, strict=True):
        assert np.shape(v.grad) == np.shape(g) == v.shape
        np.testing.assert_allclose(v.grad, g, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(
            v.grad, n, rtol=1e-5, atol=1e-6 * (1 + np.max(np.abs(n), initial=0))
        )
    dot = sum(float(np.sum(g * t)) for g, t in zip(gradient, tangents, strict=True))
    assert pushed == pytest.approx(dot, rel=1e-9, abs=1e-9)


@given(array_programs(most_lines=4))
@settings(max_examples=40)
def test_recorded_derivatives_of_array_programs_equal_plain_ones(program: ArrayProgram) -> None:
    every = tuple(range(len(program.inputs)))
    plain = tg.grad(program.run, every)(*program.inputs)
    recorded = tg.grad(program.run, every)(*map(tg.Value, program.inputs))
    tangents = [np.ones(x.shape) for x in program.inputs]

    for p, r in zip(plain, recorded, strict=True):
        np.testing.assert_allclose(r.data, p, rtol=1e-10, atol=1e-12)

    def inner(*inputs: Any) -> Any:
        return sum(
            (g * np.cos(1.0 + k)).sum() for k, g in enumerate(tg.grad(program.run, every)(*inputs))
        )

    reverse = tg.grad(inner, every)(*program.inputs)
    _, pushed = tg.jvp(inner, program.inputs, tangents)
    assert pushed == pytest.approx(sum(float(np.sum(g)) for g in reverse), rel=1e-8, abs=1e-8)


# ------------------------------------------------------- a graph that is built step by step


class Twin:
    """A number that carries its derivative by every leaf along: no graph, no order, no sweep."""

    def __init__(self, value: float, slopes: dict[int, float]) -> None:
        self.value = value
        self.slopes = slopes


Pair = tuple[Any, Twin]


class GraphOfScalars(RuleBasedStateMachine):
    """Record, rebind, call backward, zero, forget, in any order; the twin says what must come."""

    values = Bundle("values")
    leaf_values = Bundle("leaf_values")

    def __init__(self) -> None:
        super().__init__()
        self.leaves: list[tg.Value] = []
        self.data: list[float] = []
        self.grads: list[float | None] = []

    def _new(self, x: float) -> tuple[tg.Value, Twin, int]:
        k = len(self.leaves)
        self.leaves.append(tg.Value(x))
        self.data.append(x)
        self.grads.append(None)
        return self.leaves[k], Twin(x, {k: 1.0}), k

    @initialize(target=leaf_values, x=numbers, y=numbers)
    def two_leaves(self, x: float, y: float) -> Any:
        return multiple(self._new(x)[2], self._new(y)[2])

    @rule(target=leaf_values, x=numbers)
    def new_leaf(self, x: float) -> int:
        return self._new(x)[2]

    @rule(target=values, k=leaf_values)
    def use_leaf(self, k: int) -> int:
        return k

    def _now(self, a: int | Pair) -> Pair:
        """Return a result as it was recorded, and a leaf as it is now."""
        if isinstance(a, int):
            return self.leaves[a], Twin(self.data[a], {a: 1.0})
        return a

    def _apply(self, name: str, *given: int | Pair) -> Pair:
        operands = [self._now(a) for a in given]
        keys = sorted({k for _, t in operands for k in t.slopes})
        value = DUAL[name](*((t.value, 0.0) for _, t in operands))[0]
        slopes = {
            k: DUAL[name](*((t.value, t.slopes.get(k, 0.0)) for _, t in operands))[1] for k in keys
        }
        assume(abs(value) < 1e4 and all(abs(s) < 1e6 for s in slopes.values()))
        return OPS[name](*(v for v, _ in operands)), Twin(value, slopes)

    @rule(target=values, name=st.sampled_from(sorted(set(DUAL) - set(BINARY))), a=values)
    def unary(self, name: str, a: int | Pair) -> Pair:
        return self._apply(name, a)

    @rule(target=values, name=st.sampled_from(BINARY), a=values, b=values)
    def binary(self, name: str, a: int | Pair, b: int | Pair) -> Pair:
        return self._apply(name, a, b)

    @rule(target=values, name=st.sampled_from(BINARY), a=values, c=numbers, first=st.booleans())
    def with_constant(self, name: str, a: int | Pair, c: float, first: bool) -> Pair:
        constant = (c, Twin(c, {}))
        return self._apply(name, constant, a) if first else self._apply(name, a, constant)

    @rule(k=leaf_values, x=numbers)
    def rebind(self, k: int, x: float) -> None:
        self.leaves[k].data = x
        self.data[k] = x

    @rule(k=leaf_values, x=numbers)
    def add_to_data(self, k: int, x: float) -> None:
        self.leaves[k].data += x
        self.data[k] += x

    @rule(k=leaf_values)
    def zero(self, k: int) -> None:
        self.leaves[k].zero_grad()
        self.grads[k] = None

    @rule(a=values, seed=numbers | st.none())
    def backward(self, a: int | Pair, seed: float | None) -> None:
        out, twin = self._now(a)
        out.backward(seed)
        for k, slope in twin.slopes.items():
            before = self.grads[k] or 0.0
            self.grads[k] = before + slope * (1.0 if seed is None else seed)
        if not out.is_leaf:
            assert out.grad == (1.0 if seed is None else seed)

    @rule(a=values)
    def backward_fails(self, a: int | Pair) -> None:
        out, _ = self._now(a)
        with pytest.raises(ValueError, match="seed has shape"):
            out.backward([1.0])

    @rule(a=values)
    def look(self, a: int | Pair) -> None:
        out, _ = self._now(a)
        list(tg.Tape(out).steps())
        repr(out)
        with tg.no_grad():
            assert (out * 2.0).is_leaf

    @rule(a=values)
    def take_a_gradient_meanwhile(self, a: int | Pair) -> None:
        v, twin = self._now(a)
        assert tg.grad(lambda x: v * x)(1.0) == pytest.approx(twin.value, rel=1e-9, abs=1e-9)

    @invariant()
    def leaves_are_as_the_twin_says(self) -> None:
        for v, x, g in zip(self.leaves, self.data, self.grads, strict=True):
            assert v.data == x
            assert (v.grad is None) == (g is None)
            if g is not None:
                assert v.grad == pytest.approx(g, rel=1e-7, abs=1e-6)


GraphOfScalars.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestGraphOfScalars = GraphOfScalars.TestCase
