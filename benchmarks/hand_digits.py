"""The digits step by hand, in three ways, and what all systems begin with; see `peers_digits`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
from candidates import Candidate, training

LR, MOMENTUM, N = 0.1, 0.9, 64
rng = np.random.default_rng(0)
BATCHES = [(rng.random((N, 64)), rng.integers(0, 10, N)) for _ in range(4)]
SHAPES = ((32, 64), (32,), (10, 32), (10,))
START = [rng.normal(0, 0.1, shape) for shape in SHAPES]

Train = Callable[[Any, Any], Any]


def candidate(
    train: Train,
    dtype: Any,
    parameters: Any,
    restart: Callable[[], None],
    pack: Callable[[np.ndarray], Any] = np.array,
) -> Candidate:
    """Return a step that takes the batches in turn; a restart begins with the first."""
    batches = [(pack(x.astype(dtype)), pack(y)) for x, y in BATCHES]
    turns = [cycle(batches)]

    def step() -> Any:
        return train(*next(turns[0]))

    def begin() -> None:
        turns[0] = cycle(batches)
        restart()

    return training(step, parameters, begin)


def by_hand_tuned(dtype: Any) -> Candidate:
    """NumPy with buffers for all results, and as few calls as it gets.

    Activations are (features, samples), so a last row of ones makes the second bias a column of
    its weights; the first weights are kept transposed, which is how BLAS is fastest.  The learning
    rate goes into the scale of the softmax, so that the velocity is the step.
    """
    add, multiply, subtract, divide = np.add, np.multiply, np.subtract, np.divide
    greater, exp, log, top_of = np.greater, np.exp, np.log, np.maximum.reduce
    scale = LR / N
    p, g, v = np.zeros((3, 2410), dtype)

    def parts(a: np.ndarray) -> list[np.ndarray]:
        return [a[:2048].reshape(64, 32), a[2048:2080], a[2080:].reshape(10, 33)]

    (w1, b1, w2), (g1, gb1, g2) = parts(p), parts(g)
    z, mask, h, dh = (np.ones((n, N), dtype) for n in (32, 32, 33, 33))
    h_top, dh_top, s, e, hot, total = h[:32], dh[:32], *np.zeros((4, 10, N), dtype)
    top, logs = np.zeros((2, N), dtype)
    zero, momentum = np.zeros((), dtype), np.array(MOMENTUM, dtype)
    ones, scaled_rows = np.ones(N, dtype), (scale * np.eye(10)).astype(dtype)
    b1_column, ht, dht, total_row, flat = b1[:, None], h.T, dh_top.T, total[0], s.ravel()
    layer1, layer2, back2, into_g2, into_gb1 = w1.T.dot, w2.dot, w2.T.dot, e.dot, dh_top.dot
    sum_classes, one_hot = np.full((10, 10), 1 / scale, dtype).dot, scaled_rows.take
    sum_logs, pick, constant = logs.dot, hot.ravel().dot, float(np.log(scale))

    def train(x: np.ndarray, y: np.ndarray) -> float:
        xt = x.T
        layer1(xt, z)
        add(z, b1_column, z)
        greater(z, zero, mask)
        multiply(z, mask, h_top)
        layer2(h, s)
        top_of(s, 0, None, top)
        subtract(s, top, s)
        exp(s, e)
        sum_classes(e, total)  # divided by the scale, in all ten rows: no broadcasting below
        log(total_row, logs)
        one_hot(y, 1, hot, "clip")
        loss = float(sum_logs(ones)) / N + constant - float(pick(flat)) / LR
        divide(e, total, e)
        subtract(e, hot, e)
        into_g2(ht, g2)
        back2(e, dh)
        multiply(dh_top, mask, dh_top)
        xt.dot(dht, g1)
        into_gb1(ones, gb1)
        multiply(v, momentum, v)
        add(v, g, v)
        subtract(p, v, p)
        return loss

    def restart() -> None:
        w1[:], b1[:], w2[:, :32], w2[:, 32] = START[0].T, START[1], START[2], START[3]
        v[:] = 0

    restart()
    return candidate(train, dtype, lambda: [w1.T, b1, w2[:, :32], w2[:, 32]], restart)


def by_hand_out(dtype: Any) -> Candidate:
    """Plain NumPy, operation by operation, with a buffer for each result."""
    w1, b1, w2, b2 = parameters = [p.astype(dtype) for p in START]
    velocity, grads, steps = ([np.zeros_like(p) for p in parameters] for _ in range(3))
    g1, gb1, g2, gb2 = grads
    a, h, da = np.zeros((3, N, 32), dtype)
    mask, rows = np.zeros((N, 32), bool), np.arange(N)
    logits, d = np.zeros((2, N, 10), dtype)
    top, total = np.zeros((2, N, 1), dtype)
    losses = np.zeros(N, dtype)

    def train(x: np.ndarray, y: np.ndarray) -> float:
        np.dot(x, w1.T, out=a)
        np.add(a, b1, out=a)
        np.maximum(a, 0, out=h)
        np.dot(h, w2.T, out=logits)
        np.add(logits, b2, out=logits)
        logits.max(axis=1, keepdims=True, out=top)
        np.subtract(logits, top, out=logits)
        np.exp(logits, out=d)
        d.sum(axis=1, keepdims=True, out=total)
        np.log(total[:, 0], out=losses)
        np.subtract(losses, logits[rows, y], out=losses)
        loss = losses.mean()
        np.divide(d, total, out=d)
        d[rows, y] -= 1
        np.divide(d, N, out=d)
        np.dot(d, w2, out=da)
        np.greater(a, 0, out=mask)
        np.multiply(da, mask, out=da)
        np.dot(da.T, x, out=g1)
        da.sum(axis=0, out=gb1)
        np.dot(d.T, h, out=g2)
        d.sum(axis=0, out=gb2)
        for p, v, g, s in zip(parameters, velocity, grads, steps, strict=True):
            np.multiply(v, MOMENTUM, out=v)
            np.add(v, g, out=v)
            np.multiply(v, LR, out=s)
            np.subtract(p, s, out=p)
        return float(loss)

    def restart() -> None:
        for p, v, start in zip(parameters, velocity, START, strict=True):
            p[...], v[...] = start, 0

    return candidate(train, dtype, lambda: parameters, restart)


def with_momentum(dtype: Any, value_and_grad: Callable[..., tuple[Any, Any]]) -> Candidate:
    """Return the step of a gradient in plain NumPy."""
    parameters = [p.astype(dtype) for p in START]
    velocity = [np.zeros_like(p) for p in parameters]

    def train(x: np.ndarray, y: np.ndarray) -> float:
        loss, grads = value_and_grad(parameters, x, y)
        for p, v, g in zip(parameters, velocity, grads, strict=True):
            v *= MOMENTUM
            v += g
            p -= LR * v
        return float(loss)

    def restart() -> None:
        for p, v, start in zip(parameters, velocity, START, strict=True):
            p[...], v[...] = start, 0

    return candidate(train, dtype, lambda: parameters, restart)


def by_hand(dtype: Any) -> Candidate:
    """Plain NumPy."""
    rows = np.arange(N)

    def value_and_grad(ps: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        w1, b1, w2, b2 = ps
        a = x @ w1.T + b1
        h = np.maximum(a, 0)
        logits = h @ w2.T + b2
        logits -= logits.max(axis=1, keepdims=True)
        e = np.exp(logits)
        total = e.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(total[:, 0]) - logits[rows, y])
        d = e / total
        d[rows, y] -= 1
        d /= N
        da = (d @ w2) * (a > 0)
        return loss, (da.T @ x, da.sum(axis=0), d.T @ h, d.sum(axis=0))

    return with_momentum(dtype, value_and_grad)
