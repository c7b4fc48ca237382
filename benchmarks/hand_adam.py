"""A training step by hand: 784-512-512-10 with ReLU, batch 128, Adam; and with batch norm.

Also what all systems begin with: batches, parameters and hyper-parameters.  See `peers_adam`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import cycle, pairwise
from typing import Any

import numpy as np
from candidates import Candidate, training

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8  # PyTorch's defaults
MOMENTUM, BN_EPS = 0.1, 1e-5
N, SIZES = 128, (784, 512, 512, 10)
BLOCK = 32_768  # numbers per Adam block: five float32 arrays of it stay in the L2 cache
rng = np.random.default_rng(0)
BATCHES = [(rng.random((N, 784)), rng.integers(0, 10, N)) for _ in range(4)]
WEIGHTS = [rng.uniform(-1, 1, (b, a)) / math.sqrt(a) for a, b in pairwise(SIZES)]
BIASES = [rng.uniform(-1, 1, b) / math.sqrt(a) for a, b in pairwise(SIZES)]


def start(norm: bool, dtype: Any) -> list[np.ndarray]:
    """Return the initial parameters in PyTorch's order."""
    found = []
    for i, (w, b) in enumerate(zip(WEIGHTS, BIASES, strict=True)):
        found += [w, np.ones_like(b), 0 * b] if norm and i < 2 else [w, b]
    return [p.astype(dtype) for p in found]


def candidate(
    train: Callable[[Any, Any], Any],
    dtype: Any,
    pack: Callable[[np.ndarray], Any],
    numbers: Callable[[], list[Any]],
    restart: Callable[[], None],
) -> Candidate:
    """Return a step that takes the batches in turn; a restart begins with the first."""
    batches = [(pack(x.astype(dtype)), pack(y)) for x, y in BATCHES]
    turns = [cycle(batches)]

    def begin() -> None:
        turns[0] = cycle(batches)
        restart()

    begin()
    return training(lambda: train(*next(turns[0])), numbers, begin)


class BlockedAdam:
    """Adam on one flat array, block by block; g is where the gradients have to be.

    PyTorch's formula takes twelve calls a block; with `scaled` moments, M = m / (1 − β₁) and
    V = v / (1 − β₂), ten: M ← β₁M + g, V ← β₂V + g², θ ← θ − a·M / (√V + e), where a and e hold
    both bias corrections.  m and v are then nowhere to be read.
    """

    def __init__(self, shapes: list[tuple[int, ...]], dtype: Any, *, scaled: bool = True) -> None:
        sizes = [math.prod(s) for s in shapes]
        self.p, self.g, self.m, self.v = flat = np.zeros((4, sum(sizes)), dtype)
        at = [0, *np.cumsum(sizes)]
        cuts = list(zip(at, at[1:], shapes, strict=False))
        self.parameters = [self.p[i:j].reshape(s) for i, j, s in cuts]
        self.grads = [self.g[i:j].reshape(s) for i, j, s in cuts]
        scratch = np.zeros(BLOCK, dtype)
        ends = [(i, min(i + BLOCK, sum(sizes))) for i in range(0, sum(sizes), BLOCK)]
        self.blocks = [(*(a[i:j] for a in flat), scratch[: j - i]) for i, j in ends]
        self.beta1, self.beta2 = np.array(BETA1, dtype), np.array(BETA2, dtype)
        self.rest1, self.rest2 = np.array(1 - BETA1, dtype), np.array(1 - BETA2, dtype)
        self.scaled = scaled
        self.rate, self.eps = np.zeros((), dtype), np.zeros((), dtype)
        self.t = 0

    def step(self) -> None:
        """Move all parameters."""
        self.t += 1
        c = math.sqrt(1 - BETA2**self.t)
        unit = math.sqrt(1 - BETA2) if self.scaled else 1.0  # of √v
        self.rate[()] = LR * c / (1 - BETA1**self.t) / unit * (1 - BETA1 if self.scaled else 1.0)
        self.eps[()] = EPS * c / unit
        multiply, add, sqrt, divide, subtract = np.multiply, np.add, np.sqrt, np.divide, np.subtract
        beta1, beta2, rest1, rest2 = self.beta1, self.beta2, self.rest1, self.rest2
        rate, eps, scaled = self.rate, self.eps, self.scaled
        for p, g, m, v, t in self.blocks:
            multiply(m, beta1, m)
            add(m, g if scaled else multiply(g, rest1, t), m)
            multiply(g, g, t)
            if not scaled:
                multiply(t, rest2, t)
            multiply(v, beta2, v)
            add(v, t, v)
            sqrt(v, t)
            add(t, eps, t)
            divide(m, t, t)
            multiply(t, rate, t)
            subtract(p, t, p)

    def restart(self, parameters: list[np.ndarray]) -> None:
        """Begin again from some parameters."""
        self.t = 0
        self.m[:] = self.v[:] = 0
        for p, begin in zip(self.parameters, parameters, strict=True):
            p[...] = begin


class _Norm:
    """Batch norm of (features, samples) in buffers, forward and backward."""

    def __init__(self, views: list[np.ndarray], grads: list[np.ndarray], dtype: Any) -> None:
        self.gamma, self.beta = views
        self.g_gamma, self.g_beta = grads
        n = len(self.gamma)
        self.running = np.zeros((2, n), dtype)  # mean, variance
        self.stats, self.scale, self.small = (np.zeros(s, dtype) for s in ((2, n), n, n))
        self.inverse, self.work = np.zeros(n, dtype), np.zeros((n, N), dtype)
        self.share, self.ones = np.full(N, 1 / N, dtype), np.ones(N, dtype)
        self.unbiased = np.array([[MOMENTUM], [MOMENTUM * N / (N - 1)]], dtype)

    def forward(self, z: np.ndarray, out: np.ndarray) -> None:
        mean, var = self.stats
        z.dot(self.share, mean)
        np.subtract(z, mean[:, None], z)  # z stays centred for the backward pass
        np.vecdot(z, z, out=var)
        np.multiply(var, self.share[0], var)
        np.add(var, BN_EPS, self.inverse)
        np.sqrt(self.inverse, self.inverse)
        np.divide(1.0, self.inverse, self.inverse)
        np.multiply(self.gamma, self.inverse, self.scale)
        np.multiply(z, self.scale[:, None], out)
        np.add(out, self.beta[:, None], out)
        np.multiply(self.running, 1 - MOMENTUM, self.running)
        np.multiply(self.stats, self.unbiased, self.stats)
        np.add(self.running, self.stats, self.running)

    def backward(self, z: np.ndarray, d: np.ndarray) -> None:
        small = self.small
        d.dot(self.ones, self.g_beta)
        np.vecdot(d, z, out=small)
        np.multiply(small, self.inverse, self.g_gamma)
        np.multiply(self.g_gamma, self.inverse, small)
        np.multiply(small, -self.share[0], small)
        np.multiply(z, small[:, None], z)
        np.add(d, z, d)
        np.multiply(self.g_beta, self.share[0], small)
        np.subtract(d, small[:, None], d)
        np.multiply(d, self.scale[:, None], d)


def by_hand(norm: bool, dtype: Any, *, scaled: bool = True) -> Candidate:
    """NumPy with buffers for all results; (features, samples) is how BLAS is fastest."""
    shapes = [p.shape for p in start(norm, dtype)]
    shapes[-2] = shapes[-2][::-1]  # the last weights transposed
    adam = BlockedAdam(shapes, dtype, scaled=scaled)
    *_, w3, b3 = adam.parameters
    *_, g3, gb3 = adam.grads
    k = 3 if norm else 2
    w1, w2 = adam.parameters[0], adam.parameters[k]
    g1, g2 = adam.grads[0], adam.grads[k]
    (b1, b2), (gb1, gb2) = ([a[1], a[k + 1]] for a in (adam.parameters, adam.grads))
    norms = [
        _Norm(adam.parameters[i : i + 2], adam.grads[i : i + 2], dtype) for i in (1, k + 1) if norm
    ]
    z1, z2, h1, h2, mask1, mask2, d1, d2 = np.zeros((8, 512, N), dtype)
    s, e, total, top = (np.zeros(shape, dtype) for shape in ((10, N), (10, N), N, N))
    rows, ones, zero = np.arange(N), np.ones(N, dtype), np.zeros((), dtype)
    add, multiply, greater = np.add, np.multiply, np.greater

    def hidden(i: int, z: np.ndarray, mask: np.ndarray, h: np.ndarray) -> None:
        if norm:
            norms[i].forward(z, h)
        else:
            add(z, (b1, b2)[i][:, None], h)
        greater(h, zero, mask)
        multiply(h, mask, h)

    def back(i: int, z: np.ndarray, mask: np.ndarray, d: np.ndarray) -> None:
        multiply(d, mask, d)
        if norm:
            norms[i].backward(z, d)
        else:
            d.dot(ones, (gb1, gb2)[i])

    def train(x: np.ndarray, y: np.ndarray) -> float:
        w1.dot(x.T, z1)
        hidden(0, z1, mask1, h1)
        w2.dot(h1, z2)
        hidden(1, z2, mask2, h2)
        w3.T.dot(h2, s)
        add(s, b3[:, None], s)
        np.maximum.reduce(s, 0, out=top)
        np.subtract(s, top, s)
        np.exp(s, e)
        np.add.reduce(e, 0, out=total)
        picked = s[y, rows]
        np.divide(e, total, e)
        loss = (float(np.log(total, total).dot(ones)) - float(picked.dot(ones))) / N
        e[y, rows] -= 1
        multiply(e, 1 / N, e)
        h2.dot(e.T, g3)
        e.dot(ones, gb3)
        w3.dot(e, d2)
        back(1, z2, mask2, d2)
        d2.dot(h1.T, g2)
        w2.T.dot(d2, d1)
        back(0, z1, mask1, d1)
        d1.dot(x, g1)
        adam.step()
        return loss

    def restart() -> None:
        begin = start(norm, dtype)
        begin[-2] = begin[-2].T
        adam.restart(begin)
        for n in norms:
            n.running[0], n.running[1] = 0, 1

    def numbers() -> list[Any]:
        *first, last, bias = adam.parameters
        return [*first, last.T, bias, *(a for n in norms for a in n.running)]

    return candidate(train, dtype, np.array, numbers, restart)
