"""A training step: 784-512-512-10 with ReLU, batch 128, float32, Adam; and with batch norm.

Loss, backward and update are one step; the batch and its labels are its arguments, and four
batches take turns.  With batch norm (before each ReLU, training mode, running statistics updated)
the hidden layers have no bias of their own: its gradient would be rounding, which Adam blows up.
Parameters are compared in PyTorch's order and shapes, running means and variances after them.
"""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import Any

import numpy as np
from candidates import COMPILER, Candidate, Peer, Workload
from hand_adam import (
    BETA1,
    BETA2,
    BN_EPS,
    EPS,
    LR,
    MOMENTUM,
    SIZES,
    BlockedAdam,
    N,
    by_hand,
    candidate,
    start,
)
from harness import OURS, threads

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim

HAND = "hand numpy, out= buffers, blocked Adam"
MOMENTS = "the same, with PyTorch's moments"


def ours(norm: bool, dtype: Any, *, compiled: bool = True) -> Candidate:
    """Our modules and optimizer, compiled as one step, or eager."""
    modules: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(SIZES)):
        hidden = i < 2
        modules.append(nn.Linear(a, b, bias=not (norm and hidden), dtype=dtype))
        modules += [nn.BatchNorm1d(b, dtype=dtype)] if norm and hidden else []
        modules += [nn.ReLU()] if hidden else []
    model, loss_fn = nn.Sequential(*modules), nn.CrossEntropyLoss()
    norms = [m for m in modules if norm and isinstance(m, nn.BatchNorm1d)]
    parameters = list(model.parameters())
    optimizer = optim.Adam(parameters, lr=LR)
    fresh, untouched = (
        optimizer.state_dict(),
        {k: np.array(v) for k, v in model.state_dict().items()},
    )

    def train(x: np.ndarray, y: np.ndarray) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step = tg.compile(train) if compiled else train

    def restart() -> None:
        model.load_state_dict(untouched)
        for p, begin in zip(parameters, start(norm, dtype), strict=True):
            p.data = begin
        optimizer.load_state_dict(fresh)

    def numbers() -> list[Any]:
        return [*(p.data for p in parameters), *_statistics(norms)]

    return candidate(lambda x, y: step(x, y).data, dtype, np.array, numbers, restart)


def _statistics(norms: list[Any]) -> list[np.ndarray]:
    return [np.array(a) for m in norms for a in (m.running_mean, m.running_var)]


def loss_of(xp: Any, ps: list[Any], x: Any, y: Any, *, norm: bool, relu: Any) -> tuple[Any, Any]:
    """Return loss and batch statistics, in JAX's or autograd's NumPy."""
    parameters, stats = iter(ps), []
    for _ in range(2):
        x = x @ next(parameters).T
        if norm:
            mean = xp.mean(x, axis=0)
            x = x - mean
            var = xp.mean(x * x, axis=0)
            stats += [mean, var]
            x = x * (next(parameters) / xp.sqrt(var + BN_EPS))
        x = relu(x + next(parameters))
    logits = x @ next(parameters).T + next(parameters)
    logits = logits - xp.max(logits, axis=1, keepdims=True)
    loss = xp.mean(xp.log(xp.sum(xp.exp(logits), axis=1)) - logits[np.arange(N), y])
    return loss, stats


def running(old: list[Any], stats: list[Any]) -> list[Any]:
    """Return running means and variances after a batch; variances unbiased, as PyTorch's."""
    factors = [MOMENTUM, MOMENTUM * N / (N - 1)] * 2
    return [(1 - MOMENTUM) * r + f * s for r, f, s in zip(old, factors, stats, strict=False)]


def initial_statistics(norm: bool, dtype: Any) -> list[np.ndarray]:
    """Return running means and variances before the first batch."""
    return [np.full(512, value, dtype) for value in (0, 1, 0, 1) if norm]


def hips(norm: bool, dtype: Any) -> Candidate:
    """HIPS/autograd, with the blocked Adam of the step by hand."""
    import autograd
    import autograd.numpy as anp
    from autograd.tracer import getval

    adam = BlockedAdam([p.shape for p in start(norm, dtype)], dtype)
    seen: list[Any] = []
    statistics: list[list[Any]] = [[]]

    def loss(ps: list[Any], x: Any, y: Any) -> Any:
        value, stats = loss_of(anp, ps, x, y, norm=norm, relu=lambda a: anp.maximum(a, 0))
        seen[:] = [getval(s) for s in stats]
        return value

    value_and_grad = autograd.value_and_grad(loss)

    def train(x: np.ndarray, y: np.ndarray) -> float:
        value, grads = value_and_grad(adam.parameters, x, y)
        for g, found in zip(adam.grads, grads, strict=True):
            g[...] = found
        adam.step()
        statistics[0] = running(statistics[0], seen)
        return float(value)

    def restart() -> None:
        adam.restart(start(norm, dtype))
        statistics[0] = initial_statistics(norm, dtype)

    return candidate(train, dtype, np.array, lambda: [*adam.parameters, *statistics[0]], restart)


def pytorch(norm: bool, dtype: Any, *, fused: bool = False) -> Candidate:
    """PyTorch, eager, with its two implementations of Adam."""
    import torch

    torch.set_num_threads(threads())
    modules: list[Any] = []
    for i, (a, b) in enumerate(pairwise(SIZES)):
        modules.append(torch.nn.Linear(a, b, bias=not (norm and i < 2)))
        modules += [torch.nn.BatchNorm1d(b)] if norm and i < 2 else []
        modules += [torch.nn.ReLU()] if i < 2 else []
    model = torch.nn.Sequential(*modules).to(getattr(torch, np.dtype(dtype).name))
    parameters = list(model.parameters())
    norms = [m for m in modules if isinstance(m, torch.nn.BatchNorm1d)]
    optimizer = torch.optim.Adam(parameters, lr=LR, fused=fused or None)
    loss_fn = torch.nn.CrossEntropyLoss()

    def train(x: Any, y: Any) -> float:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    def restart() -> None:
        optimizer.state.clear()
        with torch.no_grad():
            for p, begin in zip(parameters, start(norm, dtype), strict=True):
                p.copy_(torch.tensor(begin))
        for m in norms:
            m.reset_running_stats()

    def numbers() -> list[Any]:
        return [*(p.detach().numpy() for p in parameters), *_statistics(norms)]

    return candidate(train, dtype, torch.tensor, numbers, restart)


def jax_step(norm: bool, dtype: Any) -> Candidate:
    """JAX, the whole step under jit; parameters and state are donated."""
    import jax
    import jax.numpy as jnp
    import jax_peer

    loss = functools.partial(loss_of, jnp, norm=norm, relu=jax.nn.relu)

    def update(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        ps, ms, vs, statistics, t = state
        (value, stats), grads = jax.value_and_grad(loss, has_aux=True)(ps, x, y)
        t = t + 1
        ms = [BETA1 * m + (1 - BETA1) * g for m, g in zip(ms, grads, strict=True)]
        vs = [BETA2 * v + (1 - BETA2) * g * g for v, g in zip(vs, grads, strict=True)]
        rate, root = LR / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
        ps = [p - rate * m / (jnp.sqrt(v) / root + EPS) for p, m, v in zip(ps, ms, vs, strict=True)]
        return (ps, ms, vs, running(statistics, stats), t), value

    step = jax.jit(update, donate_argnums=0)
    state: list[Any] = [None]

    def train(x: Any, y: Any) -> Any:
        state[0], value = step(state[0], x, y)
        return value.block_until_ready()

    def restart() -> None:
        begin = start(norm, dtype)
        zeros = [[jax_peer.array(0 * p) for p in begin] for _ in range(2)]
        statistics = [jax_peer.array(s) for s in initial_statistics(norm, dtype)]
        t = jax_peer.array(np.zeros((), dtype))
        state[0] = ([jax_peer.array(p) for p in begin], *zeros, statistics, t)

    return candidate(train, dtype, jax_peer.array, lambda: [*state[0][0], *state[0][3]], restart)


def peers(norm: bool, dtype: Any) -> dict[str, Peer]:
    """Return the rows of a table."""

    def peer(make: Any, *needs: str, builds: bool = False, **options: bool) -> Peer:
        return Peer(functools.partial(make, norm, dtype, **options), needs, builds)

    parts = ("tinygrad_lecture.optim:Adam", *["tinygrad_lecture.nn:BatchNorm1d"] * norm)
    return {
        OURS: peer(ours, *COMPILER, *parts, builds=True),
        HAND: peer(by_hand),
        MOMENTS: peer(by_hand, scaled=False),
        "torch eager, Adam fused": peer(pytorch, "torch", fused=True),
        "torch eager, Adam default": peer(pytorch, "torch"),
        "jax jit whole step": peer(jax_step, "jax", builds=True),
        f"{OURS}, eager": peer(ours, *parts, compiled=False),
        "autograd, blocked Adam": peer(hips, "autograd"),
    }


def workloads() -> list[Workload]:
    """Return a table without and one with batch norm."""
    return [
        Workload(
            f"784-512-512-10 ReLU{' + batch norm' * norm}, batch 128, float32, Adam",
            peers(norm, np.float32),
            HAND,
            relative=0.0,
            largest=1e-4,
            rms=0.03,
            twins={name: peer.make for name, peer in peers(norm, np.float64).items()},
            shares={HAND: 1} if norm else {HAND: 1.1, "torch eager, Adam fused": 1.3},
            seconds=0.15,
        )
        for norm in (False, True)
    ]
