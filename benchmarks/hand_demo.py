"""micrograd's demo step by hand, in four ways; see `peers_demo`.

Gradients are in micrograd's order: a neuron's weights, then its bias.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from candidates import Candidate
from scalar_programs import demo_numbers

NUMBERS, POINTS, LABELS = demo_numbers()
START = np.array(NUMBERS)
X = np.array(POINTS)
Y = np.array(LABELS, float)


def layers(p: np.ndarray) -> list[np.ndarray]:
    """Return views of 337 numbers: per layer, a row for each neuron, its bias last."""
    return [p[:48].reshape(16, 3), p[48:320].reshape(16, 17), p[320:].reshape(1, 17)]


def matrices() -> list[np.ndarray]:
    """Return weights and bias of each layer as arrays of their own."""
    return [a.copy() for w in layers(START) for a in (w[:, :-1], w[:, -1])]


def joined(value: Any, grads: Any) -> list[Any]:
    """Return value and gradients of those arrays, in micrograd's order."""
    arrays = [np.asarray(g) for g in grads]
    rows = [np.c_[w, b].ravel() for w, b in zip(arrays[::2], arrays[1::2], strict=True)]
    return [float(value), np.concatenate(rows)]


def by_hand_bits() -> Candidate:
    """NumPy as fast as it gets: buffers, and the bits of the sign as masks.

    Layers are kept negated, −h and −z: the sign bit of −z, shifted through the number, is then a
    mask of ones where z > 0, and serves relu (−h = −z & mask) and its derivative alike.  A last
    row of −1 makes the bias a column of the weights.
    """
    shift, both, add, multiply = np.right_shift, np.bitwise_and, np.add, np.multiply
    subtract = np.subtract
    p, g, scaled = START.copy(), np.zeros(337), np.zeros(337)
    (w1, w2, w3), (g1, g2, g3) = layers(p), layers(g)
    x = np.full((3, 100), -1.0)
    x[:2] = -X.T
    z, d2, d1 = np.zeros((16, 100)), np.zeros((16, 100)), np.zeros((17, 100))
    h1, h2 = np.full((17, 100), -1.0), np.full((17, 100), -1.0)
    s, m, d = np.zeros(100), np.zeros(100), np.zeros((1, 100))
    mask1, mask2, mask3 = (np.zeros(a.shape, np.int64) for a in (z, z, d[0]))
    z_bits, h1_bits, h2_bits, d2_bits, d1_bits, m_bits, d_bits = (
        a.view(np.int64) for a in (z, h1[:16], h2[:16], d2, d1[:16], m, d[0])
    )
    share = (Y / 100).view(np.int64)
    last, zero, decay = np.array(63), np.zeros(()), np.array(2e-4)
    xt, h1t, d_row = x.T, h1.T, d[0]
    layer1, layer2, layer3, into_g3 = w1.dot, w2.dot, w3[0].dot, h2.dot
    outer, back2, into_g1, into_g2 = w3[0, :16, None].dot, w2.T.dot, d1[:16].dot, d2.dot
    data_loss, square, g3_row = d_row.dot, p.dot, g3[0]

    def step() -> Any:
        layer1(x, z)
        shift(z_bits, last, mask1)
        both(z_bits, mask1, h1_bits)
        layer2(h1, z)
        shift(z_bits, last, mask2)
        both(z_bits, mask2, h2_bits)
        layer3(h2, s)  # −score
        add(s, Y, s)  # y − score; times y it is the margin 1 − y·score, as y² = 1
        multiply(s, Y, m)
        subtract(zero, m, m)
        shift(m_bits, last, mask3)
        both(share, mask3, d_bits)  # −d loss / d score
        loss = data_loss(s)
        into_g3(d_row, g3_row)
        outer(d, d2)
        both(d2_bits, mask2, d2_bits)
        into_g2(h1t, g2)
        back2(d2, d1)
        both(d1_bits, mask1, d1_bits)
        into_g1(xt, g1)
        multiply(p, decay, scaled)
        add(g, scaled, g)
        return loss + 1e-4 * square(p)

    return Candidate(step, lambda: [step(), g.copy()])


def by_hand_tuned() -> Candidate:
    """NumPy with few calls: transposed, biases as columns of the weights, masks of 0.0 and 1.0."""
    add, multiply, greater = np.add, np.multiply, np.greater
    p, g, scaled = START.copy(), np.zeros(337), np.zeros(337)
    (w1, w2, w3), (g1, g2, g3) = layers(p), layers(g)
    x = np.ones((3, 100))  # a last row of ones makes the bias a column of the weights
    x[:2] = X.T
    z, d2, d1 = np.zeros((16, 100)), np.zeros((16, 100)), np.zeros((17, 100))
    h1, h2 = np.ones((17, 100)), np.ones((17, 100))
    mask1, mask2, s, mask3, d = (np.zeros(a) for a in ((16, 100), (16, 100), 100, 100, (1, 100)))
    minus_y, share, mean = -Y, -Y / 100, np.full(100, 0.01).dot
    zero, one, decay = np.zeros(()), np.ones(()), np.array(2e-4)
    xt, h1t, d_row, h1_top, h2_top, d1_top = x.T, h1.T, d[0], h1[:16], h2[:16], d1[:16]
    layer1, layer2, layer3, into_g3 = w1.dot, w2.dot, w3[0].dot, h2.dot
    outer, back2, into_g1, into_g2 = w3[0, :16, None].dot, w2.T.dot, d1_top.dot, d2.dot
    square, g3_row = p.dot, g3[0]

    def step() -> Any:
        layer1(x, z)
        greater(z, zero, mask1)
        multiply(z, mask1, h1_top)
        layer2(h1, z)
        greater(z, zero, mask2)
        multiply(z, mask2, h2_top)
        layer3(h2, s)
        multiply(s, minus_y, s)
        add(s, one, s)
        greater(s, zero, mask3)
        multiply(mask3, share, d_row)
        multiply(s, mask3, s)
        loss = mean(s)
        into_g3(d_row, g3_row)
        outer(d, d2)
        multiply(d2, mask2, d2)
        into_g2(h1t, g2)
        back2(d2, d1)
        multiply(d1_top, mask1, d1_top)
        into_g1(xt, g1)
        multiply(p, decay, scaled)
        add(g, scaled, g)
        return loss + 1e-4 * square(p)

    return Candidate(step, lambda: [step(), g.copy()])


def by_hand_out() -> Candidate:
    """Plain NumPy, operation by operation, with a buffer for each result."""
    parameters = matrices()
    grads, scaled = ([np.zeros_like(p) for p in parameters] for _ in range(2))
    w1, b1, w2, b2, w3, b3 = parameters
    g1, gb1, g2, gb2, g3, gb3 = grads
    n = len(X)
    a1, h1, d1, a2, h2, d2 = np.zeros((6, n, 16))
    mask1, mask2 = np.zeros((2, n, 16), bool)
    score, d = np.zeros((2, n, 1))
    margin, hinge = np.zeros((2, n))
    active, share = np.zeros(n, bool), -Y / n

    def step() -> tuple[Any, list[np.ndarray]]:
        np.dot(X, w1.T, out=a1)
        np.add(a1, b1, out=a1)
        np.maximum(a1, 0, out=h1)
        np.dot(h1, w2.T, out=a2)
        np.add(a2, b2, out=a2)
        np.maximum(a2, 0, out=h2)
        np.dot(h2, w3.T, out=score)
        np.add(score, b3, out=score)
        np.multiply(Y, score[:, 0], out=margin)
        np.subtract(1, margin, out=margin)
        np.maximum(margin, 0, out=hinge)
        np.greater(margin, 0, out=active)
        np.multiply(share, active, out=d[:, 0])
        np.dot(d, w3, out=d2)
        np.greater(a2, 0, out=mask2)
        np.multiply(d2, mask2, out=d2)
        np.dot(d2, w2, out=d1)
        np.greater(a1, 0, out=mask1)
        np.multiply(d1, mask1, out=d1)
        np.dot(d1.T, X, out=g1)
        d1.sum(axis=0, out=gb1)
        np.dot(d2.T, h1, out=g2)
        d2.sum(axis=0, out=gb2)
        np.dot(d.T, h2, out=g3)
        d.sum(axis=0, out=gb3)
        penalty = 0.0
        for p, g, s in zip(parameters, grads, scaled, strict=True):
            np.multiply(p, p, out=s)
            penalty += s.sum()
            np.multiply(p, 2e-4, out=s)
            np.add(g, s, out=g)
        return hinge.mean() + 1e-4 * penalty, grads

    return Candidate(step, lambda: joined(*step()))


def by_hand(x: np.ndarray = X, y: np.ndarray = Y) -> Candidate:
    """Plain NumPy, for the demo's points or others."""
    parameters = matrices()

    def step() -> tuple[Any, list[np.ndarray]]:
        w1, b1, w2, b2, w3, b3 = parameters
        a1 = x @ w1.T + b1
        h1 = np.maximum(a1, 0)
        a2 = h1 @ w2.T + b2
        h2 = np.maximum(a2, 0)
        margin = 1 - y * (h2 @ w3.T + b3)[:, 0]
        loss = np.maximum(margin, 0).mean() + 1e-4 * sum((p * p).sum() for p in parameters)
        d = np.where(margin > 0, -y / len(y), 0)[:, None]
        d2 = (d @ w3) * (a2 > 0)
        d1 = (d2 @ w2) * (a1 > 0)
        grads = (d1.T @ x, d1.sum(0), d2.T @ h1, d2.sum(0), d.T @ h2, d.sum(0))
        return loss, [g + 2e-4 * p for g, p in zip(grads, parameters, strict=True)]

    return Candidate(step, lambda: joined(*step()))
