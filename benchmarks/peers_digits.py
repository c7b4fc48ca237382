"""A training step: digits 64-32-10, batch 64, SGD with momentum 0.9, in float64 and float32.

Loss, backward and update are one step; the batch and its labels are its arguments.  Four batches
take turns.  Parameters are compared in PyTorch's shapes: (out, in).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from candidates import COMPILER, Candidate, Peer, Workload
from hand_digits import (
    LR,
    MOMENTUM,
    START,
    N,
    by_hand,
    by_hand_out,
    by_hand_tuned,
    candidate,
    with_momentum,
)
from harness import OURS, threads

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim


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
    return candidate(
        lambda x, y: step(x, y).data, dtype, lambda: [p.data for p in parameters], restart
    )


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

    return with_momentum(dtype, autograd.value_and_grad(loss))


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
    return candidate(
        train, dtype, lambda: [p.detach().numpy() for p in parameters], restart, torch.tensor
    )


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
    return candidate(train, dtype, lambda: state[0][0], restart, jax_peer.array)


def peers(dtype: Any) -> dict[str, Peer]:
    """Return the rows of a table."""

    def peer(make: Any, *needs: str, builds: bool = False, **options: bool) -> Peer:
        return Peer(functools.partial(make, dtype, **options), needs, builds)

    return {
        OURS: peer(ours, *COMPILER, builds=True),
        "hand numpy, tuned": peer(by_hand_tuned),
        "hand numpy, out= buffers": peer(by_hand_out),
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
            shares={"hand numpy, out= buffers": 1.25, "torch eager, SGD fused": 0.5},
            most=400,
        )
        for dtype, relative, largest in ((np.float64, 1e-9, 1e-12), (np.float32, 0.0, 1e-4))
    ]
