"""micrograd's demo step: loss and all 337 gradients of an MLP 2-16-16-1 on 100 points.

Hinge loss and L2 penalty 1e-4.  Scalar systems run it neuron by neuron, array systems with a
matrix per layer.  Gradients are compared in micrograd's order: a neuron's weights, then its bias.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from candidates import COMPILER, Candidate, Peer, Workload
from hand_demo import (
    LABELS,
    NUMBERS,
    POINTS,
    START,
    X,
    Y,
    by_hand,
    by_hand_bits,
    by_hand_out,
    by_hand_tuned,
    joined,
    matrices,
)
from harness import OURS, Step, threads, without_collector
from scalar_programs import demo_loss

import tinygrad_lecture as tg
from tinygrad_lecture import nn


def ours() -> Candidate:
    """Compile value and gradient of the scalar loss, over one array of parameters."""
    step = tg.compile(tg.value_and_grad(lambda w: demo_loss(list(w), POINTS, LABELS, tg.relu)))
    return Candidate(lambda: step(START), lambda: list(step(START)))


def _with_modules() -> tuple[Step, nn.MLP]:
    model = nn.MLP(2, [16, 16, 1])
    for p, start in zip(model.parameters(), NUMBERS, strict=True):
        p.data = start

    def step() -> Any:
        model.zero_grad()
        losses = [(1.0 - y * model(x)).relu() for x, y in zip(POINTS, LABELS, strict=True)]
        penalty = 1e-4 * sum(p * p for p in model.parameters())
        loss = sum(losses) * (1.0 / len(losses)) + penalty
        loss.backward()
        return loss

    return step, model


def _module_candidate(step: Any, model: nn.MLP) -> Candidate:
    return Candidate(step, lambda: [step().data, np.array([p.grad for p in model.parameters()])])


def ours_modules() -> Candidate:
    """Compile a step over `nn.MLP` that calls ``loss.backward()``."""
    step, model = _with_modules()
    return _module_candidate(tg.compile(step), model)


def ours_eager() -> Candidate:
    """Run the same without the compiler."""
    return _module_candidate(*_with_modules())


def array_loss(parameters: Any, x: Any, y: Any, relu: Callable[[Any], Any]) -> Any:
    """The loss with a matrix per layer, in any array system."""
    w1, b1, w2, b2, w3, b3 = parameters
    score = (relu(relu(x @ w1.T + b1) @ w2.T + b2) @ w3.T + b3)[:, 0]
    penalty = 0.0
    for p in parameters:
        penalty = penalty + (p * p).sum()
    return relu(1 - y * score).mean() + 1e-4 * penalty


def hips() -> Candidate:
    """HIPS/autograd."""
    import autograd
    import autograd.numpy as anp

    parameters = matrices()
    step = autograd.value_and_grad(lambda ps: array_loss(ps, X, Y, lambda a: anp.maximum(a, 0)))
    return Candidate(lambda: step(parameters), lambda: joined(*step(parameters)))


def torch_step(*, compiled: bool) -> Candidate:
    """PyTorch, eager or with the loss under ``torch.compile``."""
    import torch

    torch.set_num_threads(threads())
    parameters = [torch.tensor(p, requires_grad=True) for p in matrices()]
    x, y = torch.tensor(X), torch.tensor(Y)

    def loss_of(*ps: Any) -> Any:
        return array_loss(ps, x, y, torch.relu)

    loss_fn = torch.compile(loss_of, fullgraph=True) if compiled else loss_of

    def step() -> tuple[Any, Any]:
        loss = loss_fn(*parameters)
        return loss.detach(), torch.autograd.grad(loss, parameters)

    return Candidate(step, lambda: joined(*step()))


def jax_step() -> Candidate:
    """JAX, value and gradient under jit."""
    import jax
    import jax_peer

    parameters = [jax_peer.array(p) for p in matrices()]
    step = jax.jit(jax.value_and_grad(lambda ps: array_loss(ps, X, Y, jax.nn.relu)))
    return Candidate(
        lambda: step(parameters)[0].block_until_ready(), lambda: joined(*step(parameters))
    )


def pytensor_step() -> Candidate:
    """pytensor in its default mode; parameters are inputs, and inputs are not checked."""
    import pytensor
    import pytensor.tensor as pt

    parameters = matrices()
    symbols = [pt.dmatrix() if p.ndim == 2 else pt.dvector() for p in parameters]
    loss = array_loss(symbols, pt.constant(X), pt.constant(Y), lambda a: pt.switch(a > 0, a, 0.0))
    outputs = [pytensor.Out(o, borrow=True) for o in (loss, *pytensor.grad(loss, symbols))]
    f = pytensor.function([pytensor.In(s, borrow=True) for s in symbols], outputs)
    f.trust_input = True

    def check() -> list[Any]:
        value, *grads = f(*parameters)
        return joined(value, grads)

    return Candidate(lambda: f(*parameters), check)


def casadi_step(*, buffer: bool) -> Candidate:
    """CasADi's scalars."""
    import casadi
    import casadi_peer

    maker = casadi_peer.by_buffer if buffer else casadi_peer.by_call
    return maker(337, lambda p: demo_loss(p, POINTS, LABELS, lambda v: casadi.fmax(v, 0)), START)


def micrograd_step(*, collector: bool) -> Candidate:
    """micrograd, as it is used, or with one collection per step."""
    from micrograd_peer import Micrograd

    parameters = [Micrograd(p) for p in NUMBERS]

    def step() -> Any:
        for p in parameters:
            p.grad = 0
        loss = demo_loss(parameters, [[Micrograd(x) for x in p] for p in POINTS], LABELS)
        loss.backward()
        return loss

    def check() -> list[Any]:
        return [step().data, np.array([p.grad for p in parameters])]

    return Candidate(step if collector else without_collector(step), check)


def workloads() -> list[Workload]:
    """Return the one table."""
    peers = {
        OURS: Peer(ours, COMPILER, builds=True),
        f"{OURS}, nn.MLP and backward()": Peer(ours_modules, COMPILER, builds=True),
        "hand numpy, tuned, sign bits": Peer(by_hand_bits),
        "hand numpy, tuned": Peer(by_hand_tuned),
        "hand numpy, out= buffers": Peer(by_hand_out),
        "hand numpy, plain": Peer(by_hand),
        "pytensor": Peer(pytensor_step, ("pytensor",), builds=True),
        "jax jit value_and_grad": Peer(jax_step, ("jax",), builds=True),
        "torch.compile": Peer(lambda: torch_step(compiled=True), ("torch",), builds=True),
        "torch eager": Peer(lambda: torch_step(compiled=False), ("torch",)),
        "autograd": Peer(hips, ("autograd",)),
        "casadi SX, buffer()": Peer(lambda: casadi_step(buffer=True), ("casadi",), builds=True),
        "casadi SX, call": Peer(lambda: casadi_step(buffer=False), ("casadi",), builds=True),
        f"{OURS}, eager": Peer(ours_eager),
        "micrograd": Peer(lambda: micrograd_step(collector=True), ("micrograd",)),
        "micrograd, collector off": Peer(lambda: micrograd_step(collector=False), ("micrograd",)),
    }
    return [
        Workload(
            "micrograd's demo step: loss and 337 gradients",
            peers,
            "hand numpy, plain",
            limits={"torch eager": 4, "casadi SX, call": 6},
            shares={"hand numpy, out= buffers": 1.5, "jax jit value_and_grad": 1},
        )
    ]
