"""Batch normalization: its formulas, its derivative, and nets that train with it alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data, nn, optim
from ..data.seeding import generator
from ..engine import Value, sum
from ..gradcheck import gradcheck
from ..nn import functional as F
from ..nn import init
from .figure import Figure
from .outcome import Check, Outcome, at_most, below, equals, near
from .registry import claim
from .training import Init, generators, training_step

__all__ = ["bn_forward", "bn_gradient", "bn_rescue", "bn_scale_invariance"]

MakeNorm = Callable[..., nn.Module]


def _distance(a: Any, b: Any) -> float:
    return float(np.max(np.abs(np.asarray(a) - np.asarray(b))))


@claim(
    "L51", "normalized batches have mean 0 and variance σ²/(σ² + ε); evaluation is an affine map"
)
def bn_forward(
    *,
    n: int = 64,
    channels: int = 5,
    layer: MakeNorm = nn.BatchNorm1d,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Hold training, running statistics and evaluation of BatchNorm1d against the formulas.

    Parameters
    ----------
    n, channels : int
        Shape of a batch.
    layer : callable
        ``layer(channels, eps=..., momentum=...)``.
    quick, seed
        No effect: it is quick; seed of the batches.

    Returns
    -------
    Outcome
    """
    rng = generator(seed)
    batches = [3.0 + rng.uniform(0.1, 5.0, channels) * rng.normal(size=(n, channels))
               for _ in range(3)]  # fmt: skip
    norm: Any = layer(channels, eps=1e-5, momentum=0.1)
    plain: Any = layer(channels, eps=1e-5, momentum=None)
    outputs = [norm(x).data for x in batches]
    for x in batches:
        plain(x)
    mean, variance = np.zeros(channels), np.ones(channels)
    for x in batches:  # (1 − 0.1) running + 0.1 new, with the unbiased variance
        mean = 0.9 * mean + 0.1 * x.mean(axis=0)
        variance = 0.9 * variance + 0.1 * x.var(axis=0, ddof=1)
    sigma2 = batches[0].var(axis=0)
    norm.eval()
    norm.weight.data, norm.bias.data = rng.normal(size=channels), rng.normal(size=channels)
    slope = norm.weight.data / np.sqrt(variance + 1e-5)
    affine = slope * batches[0] + norm.bias.data - slope * mean
    whole = norm(batches[0]).data
    try:
        norm.train()(batches[0][:1])
        refused = False
    except ValueError:
        refused = True
    checks = [
        Check("mean of a normalized batch", np.abs(outputs[0].mean(axis=0)), at_most(1e-12)),
        Check("variance − σ²/(σ² + ε)",
              np.abs(outputs[0].var(axis=0) - sigma2 / (sigma2 + 1e-5)), at_most(1e-12)),
        Check("running mean after 3 batches − by hand", _distance(norm.running_mean, mean),
              at_most(1e-12)),
        Check("running variance after 3 batches − by hand",
              _distance(norm.running_var, variance), at_most(1e-12)),
        Check("momentum=None − mean over the batches",
              _distance(plain.running_mean, np.mean([x.mean(axis=0) for x in batches], axis=0)),
              at_most(1e-12)),
        Check("evaluation − γx/√(V + ε) + β − γE/√(V + ε)", _distance(whole, affine),
              at_most(1e-12)),
        Check("a row alone − the row in its batch",
              _distance(norm.eval()(batches[0][:1]).data, whole[:1]), at_most(1e-12)),
        Check("a batch of one row is refused in training", refused, equals(True)),
    ]  # fmt: skip
    return Outcome(checks)


def paper_gradient(
    x: NDArray[Any], gamma: NDArray[Any], dy: NDArray[Any], eps: float
) -> dict[str, NDArray[Any]]:
    """Backward pass of batch normalization as the paper writes it (sec. 3), in plain NumPy."""
    m = len(x)
    mu, sigma2 = x.mean(axis=0), x.var(axis=0)
    xhat = (x - mu) / np.sqrt(sigma2 + eps)
    dxhat = dy * gamma
    dsigma2 = np.sum(dxhat * (x - mu) * -0.5 * (sigma2 + eps) ** -1.5, axis=0)
    dmu = -np.sum(dxhat, axis=0) / np.sqrt(sigma2 + eps) + dsigma2 * np.sum(-2 * (x - mu), 0) / m
    dx = dxhat / np.sqrt(sigma2 + eps) + dsigma2 * 2 * (x - mu) / m + dmu / m
    return {
        "x": dx,
        "gamma": np.sum(dy * xhat, axis=0),
        "beta": np.sum(dy, axis=0),
        "compact": (dxhat - dxhat.mean(axis=0) - xhat * np.mean(dxhat * xhat, axis=0))
        / np.sqrt(sigma2 + eps),
    }


@claim("L52", "the gradient of batch normalization goes through mean and variance; Σ ∂x = 0")
def bn_gradient(
    *,
    n: int = 17,
    channels: int = 4,
    layer: MakeNorm = nn.BatchNorm1d,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Compare the layer's gradients with the paper's formulas, and with differences.

    Parameters
    ----------
    n, channels : int
        Shape of the batch.
    layer : callable
        ``layer(channels, eps=...)``.
    quick, seed
        No effect: it is quick; seed of batch, weights and ∂y.

    Returns
    -------
    Outcome
    """
    rng = generator(seed)
    eps = 1e-3
    norm: Any = layer(channels, eps=eps)
    norm.weight.data = rng.normal(1.0, 0.3, channels)
    norm.bias.data = rng.normal(size=channels)
    x = Value(rng.normal(2.0, 3.0, (n, channels)))
    dy = rng.normal(size=(n, channels))
    sum(norm(x) * dy).backward()
    paper = paper_gradient(x.data, norm.weight.data, dy, eps)
    checked = gradcheck(lambda v: sum(norm(v) * dy), x.data, rtol=1e-6)
    both = []
    for fused in (False, True):
        leaves = [Value(a.data) for a in (x, norm.weight, norm.bias)]
        out = F.batch_norm(
            leaves[0], weight=leaves[1], bias=leaves[2], training=True, eps=eps, fused=fused
        )
        sum(out * dy).backward()
        both.append([out.data, *(leaf.grad for leaf in leaves)])
    checks = [
        Check("∂x − the paper's", _distance(x.grad, paper["x"]), at_most(1e-10)),
        Check("∂x − the compact form", _distance(x.grad, paper["compact"]), at_most(1e-10)),
        Check("∂γ − the paper's", _distance(norm.weight.grad, paper["gamma"]), at_most(1e-10)),
        Check("∂β − the paper's", _distance(norm.bias.grad, paper["beta"]), at_most(1e-10)),
        Check("|Σ ∂x| over the batch", np.abs(np.sum(x.grad, axis=0)), at_most(1e-10)),
        Check("fused − composed, output and three gradients",
              [_distance(a, b) for a, b in zip(*both, strict=True)], at_most(1e-10)),
        Check("∂x agrees with central differences", checked.verdict.value == "pass", equals(True)),
    ]  # fmt: skip
    return Outcome(checks)


@claim("L53", "a factor a on the weights cancels behind batch normalization; its gradient is 1/a")
def bn_scale_invariance(
    *,
    factor: float = 8.0,
    layer: MakeNorm = nn.BatchNorm1d,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Compare BN(aWx) and BN(Wx), and the gradients by aW and by W, with ε = 0.

    Parameters
    ----------
    factor : float
        a > 0.
    layer : callable
        ``layer(channels, eps=0)``.
    quick, seed
        No effect: it is quick; seed of weights and batch.

    Returns
    -------
    Outcome
    """
    rng = generator(seed)
    x, dy = rng.normal(size=(20, 6)), rng.normal(size=(20, 4))
    W = rng.normal(size=(4, 6))
    outputs, gradients = [], []
    for a in (1.0, factor):
        linear = nn.Linear(6, 4, bias=False, rng=0)
        linear.weight.data = a * W
        y = layer(4, eps=0.0)(linear(x))
        sum(y * dy).backward()
        outputs.append(y.data)
        gradients.append(linear.weight.grad)
    return Outcome(
        [
            Check("BN(aWx) − BN(Wx)", _distance(*outputs), at_most(1e-6)),
            Check("a ∂(aW) − ∂W", _distance(factor * gradients[1], gradients[0]), at_most(1e-6)),
        ]
    )


@claim(
    "L53", "with batch normalization ten layers train from weights that are far too small or large"
)
def bn_rescue(
    *,
    depth: int = 10,
    width: int = 20,
    steps: int = 400,
    seeds: int = 5,
    norm: MakeNorm = nn.BatchNorm1d,
    optimizer: Any = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train ReLU nets on spirals, with and without batch normalization, from three scales.

    Parameters
    ----------
    depth, width : int
        Hidden layers and their units.
    steps : int
        Full-batch steps, α = 0.02, momentum 0.9.
    seeds : int
        Data sets and nets.
    norm : callable
        ``norm(width)``.
    optimizer : callable
        ``optimizer(params, lr=0.02, momentum=0.9)``.
    quick, seed
        One seed; seed of data and weights.

    Returns
    -------
    Outcome
        Figure: loss over steps, of the first seed.
    """
    starts: dict[str, Init] = {
        "N(0, 0.01²)": lambda t, rng: init.normal_(t, 0.0, 0.01, rng),
        "N(0, 1)": lambda t, rng: init.normal_(t, 0.0, 1.0, rng),
        "He": init.kaiming_normal_,
    }
    figure = Figure(f"{depth} ReLU layers", "step", "loss", (), "linear", "log")
    ends: dict[tuple[str, bool], list[float]] = {}
    for name, start in starts.items():
        for with_norm in (False, True):
            for i, rng in enumerate(generators(seed, 1 if quick else seeds)):
                X, y = data.spirals(300, noise=0.1, seed=rng)
                model = nn.Sequential()
                for fan_in in (2, *[width] * (depth - 1)):
                    model.append(nn.Linear(fan_in, width, rng=rng, init=start))
                    if with_norm:
                        model.append(norm(width))
                    model.append(nn.ReLU())
                model.append(nn.Linear(width, 3, rng=rng, init=start))
                losses = _losses(model, optimizer(model.parameters(), lr=0.02, momentum=0.9),
                                 X, y, steps)  # fmt: skip
                ends.setdefault((name, with_norm), []).append(losses[-1])
                if i == 0:
                    label = f"{name}, {'BN' if with_norm else 'plain'}"
                    figure = figure.add(label, np.arange(len(losses)), losses)
    large = np.array(ends["N(0, 1)", False])
    checks = [
        Check("loss, N(0, 0.01²), plain", ends["N(0, 0.01²)", False],
              near(math.log(3), abs=0.02), math.log(3)),
        Check("loss, N(0, 0.01²), BN", ends["N(0, 0.01²)", True], below(0.02)),
        Check("N(0, 1), plain, has learned (loss < 1)", large < 1.0, equals(False)),
        Check("N(0, 1), plain, share of nan", np.mean(np.isnan(large)), None, 1.0),
        Check("loss, N(0, 1), BN", ends["N(0, 1)", True], below(0.01)),
        Check("loss, He, plain", ends["He", False], below(0.1)),
        Check("loss, He, BN", ends["He", True], below(0.02)),
    ]  # fmt: skip
    note = "plain nets from N(0, 1) that do not end in nan have lost all their units, at ln 3"
    return Outcome(checks, (note,), figure)


def _losses(
    model: nn.Module, optimizer: optim.Optimizer, X: Any, y: Any, steps: int
) -> list[float]:
    """Train on the full batch until the loss is not finite; return the losses before each step."""
    step = training_step(optimizer, lambda: F.cross_entropy(model(X), y))
    losses: list[float] = []
    with np.errstate(over="ignore", invalid="ignore"):  # some of these nets blow up
        while len(losses) <= steps and (not losses or math.isfinite(losses[-1])):
            losses.append(step().item())
    return losses
