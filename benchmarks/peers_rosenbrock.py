"""Rosenbrock's function of 1,000 variables: value and gradient of one array.

Scalar systems run the loop Σ 100 (x[i+1] − x[i]²)² + (1 − x[i])², array systems two slices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from candidates import COMPILER, Candidate, Peer, Workload
from harness import OURS, without_collector
from scalar_programs import rosenbrock

import tinygrad_lecture as tg

N = 1000
X = np.random.default_rng(0).normal(size=N)


def ours(*, compiled: bool = True) -> Candidate:
    """The scalar loop over one array, compiled or eager."""
    value_and_grad = tg.value_and_grad(lambda x: rosenbrock(list(x)))
    step = tg.compile(value_and_grad) if compiled else value_and_grad
    return Candidate(lambda: step(X), lambda: list(step(X)))


def by_hand_buffers() -> Candidate:
    """NumPy with buffers; the gradient is written once."""
    add, multiply, subtract = np.add, np.multiply, np.subtract
    x, g = X.copy(), np.zeros(N)
    curve, slope, work = np.zeros((3, N - 1))
    head, tail, g_head, g_tail = x[:-1], x[1:], g[:-1], g[1:]
    one, two, c200 = np.ones(()), np.array(2.0), np.array(200.0)
    square_curve, square_slope = curve.dot, slope.dot

    def step() -> Any:
        multiply(head, head, curve)
        subtract(tail, curve, curve)  # x[i+1] − x[i]²
        subtract(head, one, slope)
        value = 100.0 * square_curve(curve) + square_slope(slope)
        multiply(curve, c200, curve)
        multiply(curve, head, work)
        subtract(slope, work, slope)
        multiply(slope, two, g_head)
        g[-1] = 0.0
        add(g_tail, curve, g_tail)
        return value

    return Candidate(step, lambda: [step(), g.copy()])


def by_hand() -> Candidate:
    """Plain NumPy."""

    def step() -> tuple[Any, np.ndarray]:
        head, tail = X[:-1], X[1:]
        curve, slope = tail - head**2, 1 - head
        g = np.zeros(N)
        g[:-1] = -400 * curve * head - 2 * slope
        g[1:] += 200 * curve
        return 100 * (curve**2).sum() + (slope**2).sum(), g

    return Candidate(step, lambda: list(step()))


def array_value(x: Any) -> Any:
    """The value in any array system."""
    curve, slope = x[1:] - x[:-1] * x[:-1], 1 - x[:-1]
    return 100 * (curve * curve).sum() + (slope * slope).sum()


def jax_step() -> Candidate:
    """JAX on arrays, value and gradient under jit."""
    import jax
    import jax_peer

    x = jax_peer.array(X)
    step = jax.jit(jax.value_and_grad(array_value))
    return Candidate(lambda: step(x)[0].block_until_ready(), lambda: list(step(x)))


def hips() -> Candidate:
    """HIPS/autograd on arrays."""
    import autograd

    step = autograd.value_and_grad(array_value)
    return Candidate(lambda: step(X), lambda: list(step(X)))


def casadi_step(*, buffer: bool) -> Candidate:
    """CasADi's scalars."""
    import casadi_peer

    return (casadi_peer.by_buffer if buffer else casadi_peer.by_call)(N, rosenbrock, X)


def micrograd_step(*, collector: bool) -> Candidate:
    """micrograd, as it is used, or with one collection per step."""
    from micrograd_peer import Micrograd

    def step() -> tuple[float, list[float]]:
        x = [Micrograd(v) for v in X.tolist()]
        value = rosenbrock(x)
        value.backward()
        return value.data, [v.grad for v in x]

    return Candidate(step if collector else without_collector(step), lambda: list(step()))


def workloads() -> list[Workload]:
    """Return the one table."""
    peers = {
        OURS: Peer(ours, COMPILER, builds=True),
        "hand numpy, out= buffers": Peer(by_hand_buffers),
        "hand numpy, plain": Peer(by_hand),
        "jax arrays, jit": Peer(jax_step, ("jax",), builds=True),
        "casadi SX, buffer()": Peer(lambda: casadi_step(buffer=True), ("casadi",), builds=True),
        "casadi SX, call": Peer(lambda: casadi_step(buffer=False), ("casadi",), builds=True),
        "autograd arrays": Peer(hips, ("autograd",)),
        f"{OURS}, eager": Peer(lambda: ours(compiled=False)),
        "micrograd": Peer(lambda: micrograd_step(collector=True), ("micrograd",)),
        "micrograd, collector off": Peer(lambda: micrograd_step(collector=False), ("micrograd",)),
    }
    return [
        Workload(
            "Rosenbrock n=1000, scalar loop (7,991 ops)",
            peers,
            "hand numpy, plain",
            shares={
                "hand numpy, out= buffers": 3,
                "casadi SX, buffer()": 1,
                "casadi SX, call": 1,
            },
        )
    ]
