"""Residual MLP of 150 blocks, width 32, batch 64, float64: MSE loss and all 600 gradients.

Each block is x ← x + relu(x W1ᵀ + b1) W2ᵀ + b2.  Gradients are compared as four arrays over all
blocks: W1, b1, W2, b2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from candidates import COMPILER, Candidate, Peer, Workload
from harness import OURS, threads

import tinygrad_lecture as tg
from tinygrad_lecture import nn

BLOCKS, WIDTH, N = 150, 32, 64
rng = np.random.default_rng(0)
X, TARGET = rng.normal(size=(2, N, WIDTH))
START = [
    rng.normal(0, 0.1, (BLOCKS, WIDTH, WIDTH)),
    rng.normal(0, 0.1, (BLOCKS, WIDTH)),
    rng.normal(0, 0.02, (BLOCKS, WIDTH, WIDTH)),
    rng.normal(0, 0.1, (BLOCKS, WIDTH)),
]


class Block(nn.Module):
    """x + relu(x W1ᵀ + b1) W2ᵀ + b2."""

    def __init__(self, start: tuple[np.ndarray, ...]) -> None:
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        for p, begin in zip(self.parameters(), start, strict=True):
            p.data = begin.copy()

    def forward(self, x: Any) -> Any:
        """Apply the block."""
        return x + self.second(nn.functional.relu(self.first(x)))


def modules() -> tuple[Callable[[Any, Any], Any], nn.Module]:
    """Return the step of our modules, with ``loss.backward()``, and the model."""
    blocks = [Block(start) for start in zip(*START, strict=True)]
    model, loss_fn = nn.Sequential(*blocks), nn.MSELoss()

    def train(x: np.ndarray, target: np.ndarray) -> Any:
        model.zero_grad()
        loss = loss_fn(model(x), target)
        loss.backward()
        return loss

    return train, model


def module_candidate(step: Callable[[Any, Any], Any], model: nn.Module) -> Candidate:
    """Return the candidate of such a step."""

    def check() -> list[Any]:
        value = float(step(X, TARGET).data)
        grads = [p.grad for p in model.parameters()]
        return [value, *(np.stack(grads[i::4]) for i in range(4))]

    return Candidate(lambda: step(X, TARGET), check)


def ours(*, compiled: bool = True) -> Candidate:
    """Our modules, compiled as one step, or eager."""
    train, model = modules()
    return module_candidate(tg.compile(train) if compiled else train, model)


def by_hand_tuned() -> Candidate:
    """NumPy with buffers for all results, and as few calls as it gets.

    Everything is (features, samples) and negated, −x and −h, with a last row of −1 that makes the
    biases a row of the weights, which are transposed.  So relu is a minimum, and the sign bit of
    −h, shifted through the number, a mask of ones where h > 0; it is made again in the backward
    pass, which is cheaper than to fetch it from memory.
    """
    add, minimum, shift, both = np.add, np.minimum, np.right_shift, np.bitwise_and
    last, zero, scale = np.array(63), np.zeros(()), np.array(2 / (N * WIDTH))
    weights = np.zeros((2, BLOCKS, WIDTH + 1, WIDTH))
    weights[:, :, :-1], weights[:, :, -1] = np.swapaxes(START[::2], 2, 3), START[1::2]
    grads = np.zeros_like(weights)
    states, hidden = -np.ones((2, BLOCKS + 1, WIDTH + 1, N))
    states[0, :-1] = -X.T
    out, dx, dz = np.zeros((3, WIDTH, N))
    mask, dz_bits = np.zeros((WIDTH, N), np.int64), dz.view(np.int64)
    forward, backward = [], []
    for i in range(BLOCKS):
        (w1, w2), (g1, g2), x, h = weights[:, i], grads[:, i], states[i], hidden[i]
        forward.append((w1.T.dot, x, h[:-1], w2.T.dot, h, x[:-1], states[i + 1][:-1]))
        h_bits = h[:-1].view(np.int64)
        backward.append((h.dot, g2, w2[:-1].dot, h_bits, x.dot, g1, w1[:-1].dot))
    backward.reverse()
    end, target, flat, dxt, dzt = states[-1][:-1], TARGET.T.copy(), dx.ravel(), dx.T, dz.T
    square = flat.dot

    def step() -> float:
        for layer1, x, h_top, layer2, h, x_top, following in forward:
            layer1(x, h_top)
            minimum(h_top, zero, out=h_top)
            layer2(h, following)
            add(following, x_top, following)
        add(end, target, dx)  # target − x
        loss = float(square(flat)) / (N * WIDTH)
        np.multiply(dx, scale, dx)  # −d loss / d x
        for into_g2, g2, to_h, h_bits, into_g1, g1, to_x in backward:
            into_g2(dxt, g2)
            to_h(dx, dz)
            shift(h_bits, last, mask)
            both(dz_bits, mask, dz_bits)
            into_g1(dzt, g1)
            to_x(dz, out)
            add(dx, out, dx)
        return loss

    def check() -> list[Any]:
        loss = step()
        parts = [(np.swapaxes(g[:, :-1], 1, 2), g[:, -1]) for g in grads]
        return [loss, *(a.copy() for part in parts for a in part)]

    return Candidate(step, check)


def by_hand_out() -> Candidate:
    """Plain NumPy, operation by operation, with a buffer for each result."""
    blocks = list(zip(*(p.copy() for p in START), strict=True))
    grads = list(zip(*(np.zeros_like(p) for p in START), strict=True))
    states = [X, *np.zeros((BLOCKS, N, WIDTH))]
    hidden = list(np.zeros((BLOCKS, N, WIDTH)))
    difference, squares, d, dz, back = np.zeros((5, N, WIDTH))
    mask = np.zeros((N, WIDTH), bool)

    def step() -> tuple[Any, list[Any]]:
        for (w1, b1, w2, b2), x, h, out in zip(blocks, states, hidden, states[1:], strict=False):
            np.dot(x, w1.T, out=h)
            np.add(h, b1, out=h)
            np.maximum(h, 0, out=h)
            np.dot(h, w2.T, out=out)
            np.add(x, out, out=out)
            np.add(out, b2, out=out)
        np.subtract(states[-1], TARGET, out=difference)
        np.multiply(difference, difference, out=squares)
        loss = squares.mean()
        np.multiply(2 / difference.size, difference, out=d)
        for i in reversed(range(BLOCKS)):
            (w1, _, w2, _), (g1, gb1, g2, gb2), x, h = blocks[i], grads[i], states[i], hidden[i]
            np.dot(d, w2, out=dz)
            np.greater(h, 0, out=mask)
            np.multiply(dz, mask, out=dz)
            np.dot(dz.T, x, out=g1)
            dz.sum(axis=0, out=gb1)
            np.dot(d.T, h, out=g2)
            d.sum(axis=0, out=gb2)
            np.dot(dz, w1, out=back)
            np.add(d, back, out=d)
        return loss, grads

    return Candidate(step, lambda: _stacked(*step()))


def by_hand() -> Candidate:
    """Plain NumPy."""
    blocks = list(zip(*(p.copy() for p in START), strict=True))

    def step() -> tuple[Any, list[Any]]:
        x, saved = X, []
        for w1, b1, w2, b2 in blocks:
            h = np.maximum(x @ w1.T + b1, 0)
            saved.append((x, h))
            x = x + h @ w2.T + b2
        difference = x - TARGET
        loss = (difference * difference).mean()
        d, grads = 2 / difference.size * difference, []
        for (w1, _, w2, _), (x, h) in zip(reversed(blocks), reversed(saved), strict=True):
            dz = (d @ w2) * (h > 0)
            grads.append((dz.T @ x, dz.sum(0), d.T @ h, d.sum(0)))
            d = d + dz @ w1
        return loss, grads[::-1]

    return Candidate(step, lambda: _stacked(*step()))


def _stacked(loss: Any, grads: Any) -> list[Any]:
    return [float(loss), *(np.stack(list(g)) for g in zip(*grads, strict=True))]


def array_loss(blocks: Any, x: Any, target: Any, relu: Callable[[Any], Any]) -> Any:
    """The loss in any array system, block after block."""
    for w1, b1, w2, b2 in blocks:
        x = x + relu(x @ w1.T + b1) @ w2.T + b2
    difference = x - target
    return (difference * difference).mean()


def hips() -> Candidate:
    """HIPS/autograd."""
    import autograd
    import autograd.numpy as anp

    blocks = list(zip(*(p.copy() for p in START), strict=True))
    f = autograd.value_and_grad(lambda bs: array_loss(bs, X, TARGET, lambda a: anp.maximum(a, 0)))
    return Candidate(lambda: f(blocks), lambda: _stacked(*f(blocks)))


def pytorch(*, compiled: bool) -> Candidate:
    """PyTorch, eager or with the loss under ``torch.compile``."""
    import torch

    torch.set_num_threads(threads())
    parameters = [torch.tensor(p, requires_grad=True) for b in zip(*START, strict=True) for p in b]
    x, target = torch.tensor(X), torch.tensor(TARGET)

    def plain(ps: list[Any], x: Any, target: Any) -> Any:
        for w1, b1, w2, b2 in zip(ps[::4], ps[1::4], ps[2::4], ps[3::4], strict=True):
            h = torch.relu(torch.nn.functional.linear(x, w1, b1))
            x = x + torch.nn.functional.linear(h, w2, b2)
        return torch.nn.functional.mse_loss(x, target)

    loss_of = torch.compile(plain, fullgraph=True) if compiled else plain

    def step() -> tuple[Any, Any]:
        loss = loss_of(parameters, x, target)
        return loss.detach(), torch.autograd.grad(loss, parameters)

    def check() -> list[Any]:
        loss, grads = step()
        return [float(loss), *(np.stack([g.numpy() for g in grads[i::4]]) for i in range(4))]

    return Candidate(step, check)


def jax_step(*, scan: bool) -> Candidate:
    """JAX under jit, with a scan over the blocks or unrolled."""
    import jax
    import jax_peer

    x, target = jax_peer.array(X), jax_peer.array(TARGET)

    def scanned(ps: Any) -> Any:
        def block(x: Any, p: Any) -> tuple[Any, None]:
            w1, b1, w2, b2 = p
            return x + jax.nn.relu(x @ w1.T + b1) @ w2.T + b2, None

        difference = jax.lax.scan(block, x, ps)[0] - target
        return (difference * difference).mean()

    if scan:
        step = jax.jit(jax.value_and_grad(scanned))
        stacked = [jax_peer.array(p) for p in START]

        def check() -> list[Any]:
            loss, grads = step(stacked)
            return [float(loss), *grads]

        return Candidate(lambda: step(stacked)[0].block_until_ready(), check)
    unrolled = jax.jit(jax.value_and_grad(lambda bs: array_loss(bs, x, target, jax.nn.relu)))
    blocks = [tuple(map(jax_peer.array, b)) for b in zip(*START, strict=True)]
    return Candidate(
        lambda: unrolled(blocks)[0].block_until_ready(), lambda: _stacked(*unrolled(blocks))
    )


def workloads() -> list[Workload]:
    """Return the one table."""
    peers = {
        OURS: Peer(ours, COMPILER, builds=True),
        "hand numpy, tuned": Peer(by_hand_tuned),
        "hand numpy, out= buffers": Peer(by_hand_out),
        "hand numpy, plain": Peer(by_hand),
        "jax jit, lax.scan": Peer(lambda: jax_step(scan=True), ("jax",), builds=True),
        "jax jit, unrolled": Peer(lambda: jax_step(scan=False), ("jax",), builds=True),
        "torch eager": Peer(lambda: pytorch(compiled=False), ("torch",)),
        "torch.compile": Peer(lambda: pytorch(compiled=True), ("torch",), builds=True),
        f"{OURS}, eager": Peer(lambda: ours(compiled=False)),
        "autograd": Peer(hips, ("autograd",)),
    }
    title = "residual MLP of 150 blocks, width 32, batch 64, float64: loss and gradients"
    shares = {"hand numpy, out= buffers": 1.3}
    return [Workload(title, peers, "hand numpy, plain", shares=shares, seconds=0.15)]
