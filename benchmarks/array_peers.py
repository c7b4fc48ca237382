"""An eager training step on arrays: digits 64-32-10, batch 64, float64, SGD with momentum (L18).

The same step in tinygrad_lecture's `nn` and `optim`, HIPS/autograd, PyTorch, and plain NumPy
with a hand-written backward pass.  Losses and parameters after three steps are compared first.
"""

from __future__ import annotations

import sys
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import torch
from harness import Step, Table, measure

from tinygrad_lecture import nn, optim

LR, MOMENTUM = 0.1, 0.9
rng = np.random.default_rng(0)
X = rng.random((64, 64))
Y = rng.integers(0, 10, 64)
START = [rng.normal(0, 0.1, s) for s in ((32, 64), (32,), (10, 32), (10,))]
X.flags.writeable = False


def ours() -> tuple[Step, list[Any]]:
    """Our modules and optimizer."""
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    loss_fn = nn.CrossEntropyLoss()
    parameters = list(model.parameters())
    for p, start in zip(parameters, START, strict=True):
        p.data = start
    optimizer = optim.SGD(parameters, lr=LR, momentum=MOMENTUM)

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_fn(model(X), Y)
        loss.backward()
        optimizer.step()
        return float(loss.data)

    return step, parameters


def hips() -> tuple[Step, list[Any]]:
    """HIPS/autograd, with momentum by hand."""
    parameters = [p.copy() for p in START]
    velocity = [np.zeros_like(p) for p in START]
    rows = np.arange(64)

    def loss(ps: list[Any]) -> Any:
        w1, b1, w2, b2 = ps
        logits = anp.dot(anp.maximum(anp.dot(X, w1.T) + b1, 0), w2.T) + b2
        logits = logits - anp.max(logits, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(logits), axis=1)) - logits[rows, Y])

    value_and_grad = autograd.value_and_grad(loss)

    def step() -> float:
        value, grads = value_and_grad(parameters)
        for p, v, g in zip(parameters, velocity, grads, strict=True):
            v *= MOMENTUM
            v += g
            p -= LR * v
        return float(value)

    return step, parameters


def pytorch() -> tuple[Step, list[Any]]:
    """PyTorch, eager."""
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    model.double()
    parameters = list(model.parameters())
    with torch.no_grad():
        for p, start in zip(parameters, START, strict=True):
            p.copy_(torch.tensor(start))
    optimizer = torch.optim.SGD(parameters, lr=LR, momentum=MOMENTUM)
    loss_fn, x, y = torch.nn.CrossEntropyLoss(), torch.tensor(X.copy()), torch.tensor(Y)

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step, parameters


def by_hand() -> tuple[Step, list[Any]]:
    """NumPy with a hand-written backward pass."""
    parameters = [p.copy() for p in START]
    velocity = [np.zeros_like(p) for p in START]
    rows = np.arange(64)

    def step() -> float:
        w1, b1, w2, b2 = parameters
        a = X @ w1.T + b1
        h = np.maximum(a, 0)
        logits = h @ w2.T + b2
        logits -= logits.max(axis=1, keepdims=True)
        e = np.exp(logits)
        total = e.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(total[:, 0]) - logits[rows, Y])
        d = e / total
        d[rows, Y] -= 1
        d /= 64
        da = (d @ w2) * (a > 0)
        grads = (da.T @ X, da.sum(axis=0), d.T @ h, d.sum(axis=0))
        for p, v, g in zip(parameters, velocity, grads, strict=True):
            v *= MOMENTUM
            v += g
            p -= LR * v
        return float(loss)

    return step, parameters


def tables() -> list[Table]:
    """Check that all four agree, then time them."""
    torch.set_num_threads(1)
    makers = {
        "tinygrad_lecture": ours,
        "autograd": hips,
        "torch eager": pytorch,
        "numpy by hand": by_hand,
    }
    steps, ends, losses = {}, {}, {}
    for name, make in makers.items():
        steps[name], parameters = make()
        losses[name] = [steps[name]() for _ in range(3)]
        ends[name] = [
            np.array(
                p.data if name == "tinygrad_lecture" else p.detach() if name == "torch eager" else p
            )
            for p in parameters
        ]
    for name in makers:
        same = np.allclose(losses[name], losses["numpy by hand"], rtol=1e-9, atol=0)
        if not same or not all(
            np.allclose(a, b, rtol=1e-9, atol=1e-12)
            for a, b in zip(ends[name], ends["numpy by hand"], strict=True)
        ):
            sys.exit(f"{name}: three steps do not agree with the step by hand")
    return [
        measure(
            "digits step 64-32-10, batch 64, float64, SGD momentum",
            steps,  # type: ignore[arg-type]
            rounds=9,
            calls=300,
            limits={"autograd": 2.0, "torch eager": 1 / 1.2},
        )
    ]
