"""Backpropagation: one sweep over the tape gives every gradient, by scalars, arrays or by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import engine, nn
from ..compiler import compile
from ..data.seeding import generator
from ..engine import Value, maximum, mean, tanh, vjp
from ..gradcheck.builtin import check_rows, rows
from ..gradcheck.verdicts import Verdict
from ..nn import manual
from .figure import Figure
from .outcome import Check, Outcome, at_most, below, equals, near
from .registry import claim
from .training import generators

__all__ = [
    "array_backprop",
    "manual_backprop",
    "ops_pass_gradcheck",
    "scalar_backprop",
    "scalars_and_arrays_agree",
]


def _apart(x: Any, y: Any) -> float:
    """Largest |x − y| / max(1, |y|)."""
    x, y = np.asarray(x), np.asarray(y)
    assert x.shape == y.shape
    return float(np.max(np.abs(x - y) / np.maximum(1.0, np.abs(y)), initial=0.0))


@claim("L10", "gradients of all uses of a value add up, in graphs of any shape and depth")
def scalar_backprop(*, depth: int = 100_000, quick: bool = False, seed: int = 0) -> Outcome:
    """Differentiate graphs whose gradients are known: reuse, a diamond, a kink, a long chain.

    Parameters
    ----------
    depth : int
        Ops in a chain of products, x·c·c·…·c, with the derivative cⁿ.
    quick, seed
        A tenth of the depth; seed of the points.

    Returns
    -------
    Outcome
        Figure: the adjoints along the chain, which are the powers of c.
    """
    depth = depth // 10 if quick else depth
    reused, twice, diamonds, clips = [], [], [], []
    for point in generator(seed).normal(size=20).tolist():
        x = Value(point)
        out = x * x + x
        out.backward()
        reused.append(abs(x.grad - (2 * point + 1)))
        out.backward()
        twice.append(abs(x.grad - 2 * (2 * point + 1)))
        x = Value(point)
        a = tanh(x)
        (a * x.exp() + a / (1.0 + x * x)).backward()
        t, e, q = math.tanh(point), math.exp(point), 1 + point**2
        diamonds.append(_apart(x.grad, (1 - t * t) * (e + 1 / q) + t * e - 2 * point * t / q**2))
        x = Value(point)
        maximum(x, 0.0).backward()
        clips.append(x.grad == (point > 0))
    x, c = Value(1.0), 1.0 + 1.0 / depth
    links = [x]
    for _ in range(depth):
        links.append(links[-1] * c)
    links[-1].backward()
    at = np.unique(np.linspace(0, depth - 1, 101).astype(int))
    figure = Figure("adjoints along a chain of products", "ops before", "adjoint")
    return Outcome(
        [
            Check("gradient of x·x + x, error", reused, at_most(1e-14)),
            Check("after a second backward, error to the double", twice, at_most(1e-14)),
            Check("gradient of a diamond, relative error", diamonds, at_most(1e-14)),
            Check("gradient of max(x, 0) is 1 or 0", clips, equals(True)),
            Check(f"gradient of {depth} products over cⁿ", x.grad / c**depth, near(1.0, abs=1e-9)),
        ],
        figure=figure.add("(1 + 1/n)ⁿ⁻ⁱ after i of n", at, c ** (depth - at.astype(float))).add(
            "measured", at, [links[i].grad for i in at], style="points"
        ),
    )


@claim("L10", "a net of single scalars has the loss and the gradients of the net of arrays")
def scalars_and_arrays_agree(
    *, nets: int = 5, batch: int = 3, quick: bool = False, seed: int = 0
) -> Outcome:
    """Give both nets the same weights and inputs, and compare; count the scalar ops besides.

    Parameters
    ----------
    nets : int
        Pairs of nets, 4-6-5-1 with ReLU, whose loss is the mean of (output − y)².
    batch : int
        Samples.
    quick, seed
        Two nets; seed of weights and data.

    Returns
    -------
    Outcome
        The cost of the gradient, in scalar ops over those of the loss, is reported: reverse mode
        needs a small multiple whatever the number of inputs (Baur and Strassen 1983).
    """
    rng = generator(seed)
    losses, gradients, costs = [], [], []
    for _ in range(2 if quick else nets):
        X, y = rng.normal(size=(batch, 4)), rng.normal(size=batch)
        scalar = nn.MLP(4, [6, 5, 1], rng=rng)
        for layer in scalar.layers:
            for neuron in layer.neurons:
                neuron.b.data = float(rng.normal())
        arrays = nn.Sequential(
            nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1)
        )
        flat = iter([p.data for p in scalar.parameters()])
        for linear in (m for m in arrays.modules() if isinstance(m, nn.Linear)):
            rows_ = [[next(flat) for _ in range(linear.in_features + 1)] for _ in linear.weight]
            numbers = np.array(rows_)
            linear.load_state_dict({"weight": numbers[:, :-1], "bias": numbers[:, -1]})

        def by_scalars(scalar: Any = scalar, X: Any = X, y: Any = y) -> Any:
            outputs = zip(map(scalar, X.tolist()), y.tolist(), strict=True)
            total: Any = 0.0
            for output, target in outputs:
                total = total + (output - target) ** 2
            return total / batch

        def with_gradients(scalar: Any = scalar, by_scalars: Any = by_scalars) -> Any:
            scalar.zero_grad()
            loss = by_scalars()
            loss.backward()
            return loss, [p.grad for p in scalar.parameters()]

        loss, found = with_gradients()
        expected = mean((arrays(X)[:, 0] - y) ** 2)
        expected.backward()
        losses.append(_apart(loss.data, expected.data))
        gradients.append(_apart(found, _rowwise(arrays)))
        costs.append(_ops(with_gradients) / _ops(by_scalars))
    return Outcome(
        [
            Check("losses, relative difference", losses, at_most(1e-12)),
            Check("gradients, relative difference", gradients, at_most(1e-12)),
            Check("ops of loss and gradient over those of the loss", costs),
        ]
    )


def _rowwise(model: nn.Module) -> NDArray[Any]:
    """Gradients in the order of the scalar net: for each neuron its weights, then its bias."""
    linears = (m for m in model.modules() if isinstance(m, nn.Linear))
    return np.concatenate(
        [np.column_stack([p.grad for p in linear.parameters()]).ravel() for linear in linears]
    )


def _ops(function: Callable[[], Any]) -> int:
    """Scalar ops of a call, those of its backward passes included."""
    compiled = compile(function)
    compiled()
    return compiled.program.recorded_ops


@claim("L11", "arrays: backward multiplies by the Jacobian's transpose, diagonal where elementwise")
def array_backprop(*, n: int = 6, m: int = 4, quick: bool = False, seed: int = 0) -> Outcome:
    """Hold products with the Jacobian's transpose against the Jacobian written out.

    Parameters
    ----------
    n, m : int
        Sizes of the arrays.
    quick, seed
        A tenth of the draws; seed of the arrays.

    Returns
    -------
    Outcome
        Checks of elementwise ops, of a layer tanh(x Wᵀ + b), and of broadcasting.
    """
    rng = generator(seed)
    beside, on, layers, shapes, sums, empties = [], [], [], [], [], []
    for _ in range(2 if quick else 20):
        A, u = rng.normal(size=n), rng.normal(size=n)
        J = engine.jacobian(tanh)(A)
        beside.append(np.max(np.abs(J - np.diag(np.diag(J)))))
        on.append(_apart(vjp(tanh, A)[1](u)[0], (1 - np.tanh(A) ** 2) * u))

        x, W, b = rng.normal(size=n), rng.normal(size=(m, n)), rng.normal(size=m)
        u = rng.normal(size=m)
        layer = (lambda x, W, b: tanh(W @ x + b)), x, W, b
        for k, pulled in enumerate(vjp(*layer)[1](u)):
            J = engine.jacobian(layer[0], argnums=k)(x, W, b)
            layers.append(_apart(pulled, np.tensordot(u, J, 1)))

        column, row, U = rng.normal(size=(n, 1)), rng.normal(size=m), rng.normal(size=(n, m))
        to_column, to_row = vjp(engine.add, column, row)[1](U)
        shapes += [to_column.shape == (n, 1), to_row.shape == (m,)]
        sums += [_apart(to_column, U.sum(axis=1, keepdims=True)), _apart(to_row, U.sum(axis=0))]
        nothing = vjp(engine.add, np.zeros((0, m)), row)[1](np.zeros((0, m)))
        empties += [nothing[0].shape == (0, m), not np.any(nothing[1])]
    return Outcome(
        [
            Check("Jacobian of an elementwise op beside its diagonal", beside, equals(0.0)),
            Check("its product, from g′(A) ⊙ ∂L/∂o", on, at_most(1e-12)),
            Check("products of a layer, from u·J", layers, below(1e-12), "< 1e-6"),
            Check("gradients of (n, 1) + (m,) have these shapes", shapes, equals(True)),
            Check("and are sums over the expanded axis, error", sums, at_most(1e-12)),
            Check("gradients through no rows are empty or 0", empties, equals(True)),
        ]
    )


@claim("L11", "the derivative of every op agrees with differences of its values")
def ops_pass_gradcheck(*, samples: int = 3, quick: bool = False, seed: int = 0) -> Outcome:
    """Check every row of the op table at random points, in reverse and in forward mode.

    Parameters
    ----------
    samples : int
        Random calls of each op.
    quick, seed
        One call of each, in first order alone; seed of the points.

    Returns
    -------
    Outcome
        Figure: worst relative error of each op.
    """
    results = check_rows(
        rows(), seed=seed, samples=1 if quick else samples, order=1 if quick else 2
    )
    bad = [r.name for r in results if r.verdict is not Verdict.PASS]
    figure = Figure("gradient check of all ops", "op", "relative error", y_scale="log")
    errors = [max(r.worst_error(1), 1e-17) for r in results]
    return Outcome(
        [
            Check("ops whose derivative is wrong", len(bad), equals(0)),
            Check("<u, J v> beside <Jᵀ u, v>", [r.modes_error for r in results], at_most(1e-9)),
            Check("worst relative errors", [r.worst_error(1) for r in results]),
        ],
        notes=tuple(f"{name} fails" for name in bad),
        figure=figure.add("order 1", np.arange(len(results)), errors, style="points"),
        data={"ops": [r.name for r in results]},
    )


@claim("L12", "modules with a forward and a backward by hand give the gradients of the tape")
def manual_backprop(*, batch: int = 7, quick: bool = False, seed: int = 0) -> Outcome:
    """Compare `nn.manual` with the tape on nets of three layers, in all their gradients.

    For a batch of rows: dX = dY·W, dW = dYᵀ·X, db = Σ dY.

    Parameters
    ----------
    batch : int
        Rows.
    quick, seed
        One net instead of ten; seed of weights and data.

    Returns
    -------
    Outcome
        Differences for each activation, and for the gradient of the input.
    """
    checks = []
    widths = (5, 8, 6, 4)
    for name in ("Tanh", "Sigmoid", "ReLU"):
        losses, weights, inputs = [], [], []
        for rng in generators(seed, 1 if quick else 10):
            X, labels = rng.normal(size=(batch, widths[0])), rng.integers(widths[-1], size=batch)
            linears = [manual.Linear(i, o, rng=rng) for i, o in pairwise(widths)]
            hand: list[Any] = [linears[0], getattr(manual, name)()]
            hand += [linears[1], getattr(manual, name)(), linears[2]]
            tape = nn.Sequential(
                *(getattr(nn, name)() if k % 2 else nn.Linear(*m.weight.T.shape)
                  for k, m in enumerate(hand))
            )  # fmt: skip
            for k, linear in enumerate(linears):
                state = {"weight": linear.weight, "bias": rng.normal(size=linear.bias.shape)}
                linear.bias = state["bias"]
                tape[2 * k].load_state_dict(state)

            loss = manual.SoftmaxCE()
            out = X
            for module in hand:
                out = module.forward(out)
            value = loss.forward(out, labels)
            flow = loss.backward()
            for module in reversed(hand):
                flow = module.backward(flow)

            x = Value(X)
            expected = nn.functional.cross_entropy(tape(x), labels)
            expected.backward()
            losses.append(_apart(value, expected.data))
            inputs.append(_apart(flow, x.grad))
            for k, linear in enumerate(linears):
                weights += [
                    _apart(linear.grads[key], p.grad) for key, p in tape[2 * k].named_parameters()
                ]
        checks += [
            Check(f"{name}: loss, difference", losses, at_most(1e-12)),
            Check(f"{name}: gradients of weights, biases, difference", weights, at_most(1e-12)),
            Check(f"{name}: gradient of the input, difference", inputs, at_most(1e-12)),
        ]
    return Outcome(checks)
