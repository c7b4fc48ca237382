"""A training step: digits 64-32-10, batch 64, SGD with momentum 0.9, in float64 and float32.

Loss, backward and update are one step; the batch and its labels are its arguments.  Four batches
take turns.  Parameters are compared in PyTorch's shapes: (out, in).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
from candidates import COMPILER, Candidate, Peer, Workload, training
from harness import OURS, threads

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim

LR, MOMENTUM, N = 0.1, 0.9, 64
rng = np.random.default_rng(0)
BATCHES = [(rng.random((N, 64)), rng.integers(0, 10, N)) for _ in range(4)]
SHAPES = ((32, 64), (32,), (10, 32), (10,))
START = [rng.normal(0, 0.1, shape) for shape in SHAPES]

Train = Callable[[Any, Any], Any]


def _batches(dtype: Any, pack: Callable[[np.ndarray], Any] = lambda a: a) -> list[tuple[Any, Any]]:
    return [(pack(x.astype(dtype)), pack(y)) for x, y in BATCHES]


def _candidate(
    train: Train, batches: list[tuple[Any, Any]], parameters: Any, restart: Callable[[], None]
) -> Candidate:
    """Return a step that takes the batches in turn; a restart begins with the first."""
    turns = [cycle(batches)]

    def step() -> Any:
        return train(*next(turns[0]))

    def begin() -> None:
        turns[0] = cycle(batches)
        restart()

    return training(step, parameters, begin)


def ours(dtype: Any, *, compiled: bool = True) -> Candidate:
    """Our modules and optimizer, compiled as one step, or eager."""
    model = nn.Sequential(nn.Linear(64, 32, dtype=dtype), nn.ReLU(), nn.Linear(32, 10, dtype=dtype))
    loss_fn = nn.CrossEntropyLoss()
    parameters = list(model.parameters())
    optimizer = optim.SGD(parameters, lr=LR, momentum=MOMENTUM)
    fresh = optimizer.state_dict()

    def train(x: np.ndarray, y: np.ndarray) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def restart() -> None:
        for p, start in zip(parameters, START, strict=True):
            p.data = start.astype(dtype)
        optimizer.load_state_dict(fresh)

    restart()
    step = tg.compile(train) if compiled else train
    return _candidate(
        lambda x, y: step(x, y).data,
        _batches(dtype),
        lambda: [p.data for p in parameters],
        restart,
    )


def by_hand_buffers(dtype: Any) -> Candidate:
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
    return _candidate(train, _batches(dtype), lambda: [w1.T, b1, w2[:, :32], w2[:, 32]], restart)


def _with_momentum(dtype: Any, value_and_grad: Callable[..., tuple[Any, Any]]) -> Candidate:
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

    return _candidate(train, _batches(dtype), lambda: parameters, restart)


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

    return _with_momentum(dtype, value_and_grad)


def hips(dtype: Any) -> Candidate:
    """HIPS/autograd, with momentum by hand."""
    import autograd
    import autograd.numpy as anp

    rows = np.arange(N)

    def loss(ps: list[Any], x: Any, y: Any) -> Any:
        w1, b1, w2, b2 = ps
        logits = anp.dot(anp.maximum(anp.dot(x, w1.T) + b1, 0), w2.T) + b2
        logits = logits - anp.max(logits, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(logits), axis=1)) - logits[rows, y])

    return _with_momentum(dtype, autograd.value_and_grad(loss))


def pytorch(dtype: Any, *, fused: bool = False, compiled: bool = False) -> Candidate:
    """PyTorch: eager, with its two implementations of SGD, or with the loss compiled."""
    import torch

    torch.set_num_threads(threads())
    kind = getattr(torch, np.dtype(dtype).name)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    model.to(kind)
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=LR, momentum=MOMENTUM, fused=fused or None)
    loss_fn = torch.nn.CrossEntropyLoss()

    def plain(x: Any, y: Any) -> Any:
        return loss_fn(model(x), y)

    loss_of = torch.compile(plain, fullgraph=True) if compiled else plain

    def train(x: Any, y: Any) -> float:
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    def restart() -> None:
        optimizer.state.clear()
        with torch.no_grad():
            for p, start in zip(parameters, START, strict=True):
                p.copy_(torch.tensor(start))

    restart()
    batches = _batches(dtype, lambda a: torch.tensor(a))
    return _candidate(train, batches, lambda: [p.detach().numpy() for p in parameters], restart)


def jax_step(dtype: Any) -> Candidate:
    """JAX, the whole step under jit; parameters and velocity are donated."""
    import jax
    import jax.numpy as jnp
    import jax_peer

    def loss(ps: Any, x: Any, y: Any) -> Any:
        w1, b1, w2, b2 = ps
        logits = jax.nn.relu(x @ w1.T + b1) @ w2.T + b2
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(N), y])

    def update(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        ps, vs = state
        value, grads = jax.value_and_grad(loss)(ps, x, y)
        vs = [MOMENTUM * v + g for v, g in zip(vs, grads, strict=True)]
        return ([p - LR * v for p, v in zip(ps, vs, strict=True)], vs), value

    step = jax.jit(update, donate_argnums=0)
    state: list[Any] = [None]

    def train(x: Any, y: Any) -> Any:
        state[0], value = step(state[0], x, y)
        return value.block_until_ready()

    def restart() -> None:
        ps = [jax_peer.array(p.astype(dtype)) for p in START]
        state[0] = (ps, [jnp.zeros_like(p) for p in ps])

    restart()
    return _candidate(train, _batches(dtype, jax_peer.array), lambda: state[0][0], restart)


def peers(dtype: Any) -> dict[str, Peer]:
    """Return the rows of a table."""

    def peer(make: Any, *needs: str, builds: bool = False, **options: bool) -> Peer:
        return Peer(functools.partial(make, dtype, **options), needs, builds)

    return {
        OURS: peer(ours, *COMPILER, builds=True),
        "hand numpy, buffers": peer(by_hand_buffers),
        "hand numpy, plain": peer(by_hand),
        "jax jit whole step": peer(jax_step, "jax", builds=True),
        "torch eager, SGD fused": peer(pytorch, "torch", fused=True),
        "torch eager, SGD default": peer(pytorch, "torch"),
        "torch.compile of the loss": peer(pytorch, "torch", builds=True, fused=True, compiled=True),
        f"{OURS}, eager": peer(ours, compiled=False),
        "autograd": peer(hips, "autograd"),
    }


def workloads() -> list[Workload]:
    """Return a table for each precision."""
    return [
        Workload(
            f"digits step 64-32-10, batch 64, SGD momentum, {np.dtype(dtype).name}",
            peers(dtype),
            "hand numpy, plain",
            relative=relative,
            largest=largest,
            most=400,
        )
        for dtype, relative, largest in ((np.float64, 1e-9, 1e-12), (np.float32, 0.0, 1e-4))
    ]
