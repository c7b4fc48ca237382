"""Start weights: which scale keeps numbers alive on their way through many layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data, nn
from ..data.seeding import generator
from ..engine import no_grad, sum
from ..nn import init
from .figure import Figure
from .outcome import Check, Outcome, above, below, between, equals, near
from .registry import claim
from .training import Init, generators, layer_outputs, network

__all__ = [
    "gain_of_rectifiers",
    "glorot_keeps_gradients",
    "he_keeps_relu_alive",
    "tanh_fixed_point",
    "uniform_rule",
    "variance_rule",
]


def _scales(
    widths: Sequence[int],
    activation: Callable[[], nn.Module],
    rng: np.random.Generator,
    start: Init,
    samples: int,
    root_mean_square: bool = False,
) -> NDArray[np.float64]:
    """Standard deviations (or root mean squares) behind each activation, inputs from N(0, 1)."""
    x = rng.normal(size=(samples, widths[0]))
    with no_grad():
        outputs = layer_outputs(
            network([*widths, 1], activation, rng, start), x, type(activation())
        )
    arrays = [h.data for h in outputs[:-1]]
    return np.array(
        [np.sqrt(np.mean(np.square(h))) if root_mean_square else np.std(h) for h in arrays]
    )


def _small_uniform(tensor: Any, rng: Any) -> Any:
    """U(±1/√n): PyTorch's default for the weights of `Linear`, here with biases of 0."""
    return init.variance_scaling_(tensor, 1.0, 3 * tensor.shape[1], "uniform", rng)


@claim(
    "L47", "a sum of n products has the deviation δ√(n E[x²]): 1 for δ = 1/√n and standard inputs"
)
def variance_rule(
    *,
    sizes: Sequence[int] = (10, 100, 1000),
    draws: int = 100_000,
    start: Callable[..., Any] = init.lecun_normal_,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Draw inputs and weights, each used once, and measure the deviation of Σ wᵢxᵢ.

    What enters is E[x²], not the variance: behind a ReLU it is ½, and the deviation √½ (L50).

    Parameters
    ----------
    sizes : sequence of int
        Numbers of inputs n.
    draws : int
        Sums a size.
    start : callable
        Initializer that is to give the deviation 1/√n.
    quick, seed
        A fifth of the draws; seed of inputs and weights.

    Returns
    -------
    Outcome
        Figure: deviation over n, by kind of inputs.
    """
    draws = draws // 5 if quick else draws
    rng = generator(seed)
    kinds: dict[str, tuple[float, Callable[[NDArray[Any]], NDArray[Any]]]] = {
        "standard inputs": (1.0, lambda x: x),
        "inputs ten times as large": (10.0, lambda x: 10.0 * x),
        "inputs behind a ReLU": (math.sqrt(0.5), lambda x: np.maximum(x, 0.0)),
    }
    totals = {kind: np.zeros(len(sizes)) for kind in kinds}
    for i, n in enumerate(sizes):
        rows = max(1, min(draws, 1_000_000 // n))
        for _ in range(draws // rows):
            x = rng.normal(size=(rows, n))
            w = start(np.empty((rows, n)), rng=rng)
            for kind, (_, transform) in kinds.items():
                totals[kind][i] += np.square(np.einsum("ij,ij->i", w, transform(x))).mean()
        for kind in kinds:
            totals[kind][i] /= draws // rows
    deviations = {kind: np.sqrt(total) for kind, total in totals.items()}
    raw = 3.0 + 10.0 * rng.normal(size=(2000, sizes[0]))
    standardized = data.Standardize().fit(raw).transform(raw)
    behind = {
        name: np.square(x @ np.asarray(start(np.empty((2000, sizes[0])), rng=rng)).T).mean() ** 0.5
        for name, x in (("raw", raw), ("standardized", standardized))
    }
    figure = Figure("deviation of Σ wᵢxᵢ, weights of deviation 1/√n", "n", "deviation", (), "log")
    for kind, values in deviations.items():
        figure = figure.add(kind, sizes, values, style="points")
    return Outcome(
        [
            *(
                Check(f"deviation, {kind}", deviations[kind], near(factor, rel=0.02))
                for kind, (factor, _) in kinds.items()
            ),
            Check(
                "deviation, inputs 3 + 10 N(0, 1)", behind["raw"], near(math.sqrt(109), rel=0.02)
            ),
            Check("the same, standardized", behind["standardized"], near(1.0, rel=0.02)),
        ],
        figure=figure,
    )


def tanh_fixed_point(gain: float) -> float:
    """Deviation that a deep tanh net settles at: s² = E tanh²(g s z), z ~ N(0, 1) (L48).

    The mean-field limit of wide layers with weights of deviation g/√n, by sums over a grid.

    Examples
    --------
    >>> from tinygrad_lecture.experiments import tanh_fixed_point
    >>> round(tanh_fixed_point(5 / 3), 3)
    0.651
    """
    z = np.linspace(-12.0, 12.0, 2401)
    weight = np.exp(-0.5 * z**2)
    weight = weight / weight.sum()
    s = 1.0
    for _ in range(10_000):
        s, before = math.sqrt(float(np.sum(weight * np.tanh(gain * s * z) ** 2))), s
        if abs(s - before) < 1e-12:
            break
    return s


@claim("L48", "weights from U(±√3/√n) have the deviation 1/√n; deep tanh nets need the gain 5/3")
def uniform_rule(
    *,
    width: int = 256,
    depth: int = 50,
    seeds: int = 5,
    samples: int = 200,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Measure the deviation of drawn weights, and of activations in a deep tanh net.

    With the gain 1 the net's activations fade slowly, since tanh shrinks; with PyTorch's gain 5/3
    they settle at a fixed point (`tanh_fixed_point`); with PyTorch's default of `Linear`,
    U(±1/√n), which is √3 smaller than the rule, they vanish.

    Parameters
    ----------
    width, depth : int
        Of the net.
    seeds : int
        Nets of each kind.
    samples : int
        Inputs, from N(0, 1).
    quick, seed
        One net of each kind; seed of weights and inputs.

    Returns
    -------
    Outcome
        Figure: deviation of the activations over the layers.
    """
    gain = init.calculate_gain("tanh")

    def scaled(tensor: Any, rng: Any) -> Any:
        return init.variance_scaling_(tensor, gain, tensor.shape[1], "uniform", rng)

    kinds: dict[str, Init] = {
        "gain 1": init.lecun_uniform_, "gain 5/3": scaled, "U(±1/√n)": _small_uniform,
    }  # fmt: skip
    layer = nn.Linear(width, width, rng=generator(seed), init=init.lecun_uniform_)
    assert layer.bias is not None
    figure = Figure("tanh layers", "layer", "deviation of activations", (), "linear", "log")
    last = {}
    for kind, start in kinds.items():
        scales = np.array([
            _scales([width] * (depth + 1), nn.Tanh, rng, start, samples)
            for rng in generators(seed, 1 if quick else seeds)
        ])  # fmt: skip
        last[kind] = scales[:, -1]
        figure = figure.add(
            kind, np.arange(1, depth + 1), scales.mean(axis=0), low=scales.min(axis=0),
            high=scales.max(axis=0),
        )  # fmt: skip
    weights = np.abs(layer.weight.data)
    theory = tanh_fixed_point(gain)
    checks = [
        Check("deviation of weights times √n", np.std(layer.weight.data) * math.sqrt(width),
              near(1.0, rel=0.02)),
        Check("largest weight over √3/√n", weights.max() * math.sqrt(width / 3),
              between(0.999, 1.0)),
        Check("biases that are not 0", np.count_nonzero(layer.bias.data), equals(0)),
        Check("fixed point with gain 5/3", theory, near(0.651, abs=5e-4), 0.651),
        Check("deviation at the last layer, gain 1", last["gain 1"], between(0.07, 0.14), 0.10),
        Check("deviation at the last layer, gain 5/3", last["gain 5/3"], near(theory, abs=0.05),
              0.65),
        Check("deviation at the last layer, U(±1/√n)", last["U(±1/√n)"], below(1e-10), 1e-12),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)


@claim("L49", "Glorot's U(±√6/√(n+m)) keeps activations and gradients of ten tanh layers")
def glorot_keeps_gradients(
    *,
    width: int = 256,
    depth: int = 10,
    seeds: int = 5,
    samples: int = 200,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Compare the scale of activations and of their gradients at both ends of a tanh net.

    The gradient is that of Σ c·h over the last activations h, with c from N(0, 1), and taken by
    the activations: what arrives at the last layer has one scale whatever the weights are.

    Parameters
    ----------
    width, depth : int
        Of the net.
    seeds : int
        Nets of each kind.
    samples : int
        Inputs, from N(0, 1).
    quick, seed
        Two nets of each kind; seed of weights and inputs.

    Returns
    -------
    Outcome
        Figure: deviation of activations and gradients over the layers.
    """
    kinds: dict[str, Init] = {"Glorot": init.xavier_uniform_, "U(±1/√n)": _small_uniform}
    figure = Figure("tanh layers", "layer", "deviation", (), "linear", "log")
    ratios: dict[str, list[tuple[float, float]]] = {}
    for kind, start in kinds.items():
        both = []
        for rng in generators(seed, 2 if quick else seeds):
            model = network([width] * (depth + 1), nn.Tanh, rng, start)
            model.append(nn.Tanh())
            *hidden, _ = layer_outputs(model, rng.normal(size=(samples, width)), nn.Tanh)
            sum(hidden[-1] * rng.normal(size=(samples, width))).backward()
            both.append([[np.std(h.data), np.std(h.grad)] for h in hidden])
        scales = np.array(both)  # (seeds, depth, 2)
        ratios[kind] = [(s[-1, 0] / s[0, 0], s[0, 1] / s[-1, 1]) for s in scales]
        layers = np.arange(1, depth + 1)
        for i, name in enumerate(("activations", "gradients")):
            figure = figure.add(f"{name}, {kind}", layers, scales[:, :, i].mean(axis=0))
    rng = generator(seed)
    bounds = []
    for out, fan_in in ((30, 20), (200, 300)):
        w = np.abs(np.asarray(init.xavier_uniform_(np.empty((out, fan_in)), rng=rng)))
        bounds.append(w.max() * math.sqrt((out + fan_in) / 6))
    good, bad = np.array(ratios["Glorot"]), np.array(ratios["U(±1/√n)"])
    checks = [
        Check("largest weight over √6/√(n+m)", bounds, between(0.98, 1.0)),
        Check("activations, last over first, Glorot", good[:, 0], above(0.15), 0.36),
        Check("gradients, first over last, Glorot", good[:, 1], above(0.15), 0.28),
        Check("activations, last over first, U(±1/√n)", bad[:, 0], below(0.03), 0.0065),
        Check("gradients, first over last, U(±1/√n)", bad[:, 1], below(0.03), 0.0053),
    ]
    return Outcome(checks, figure=figure)


@claim("L50", "He's √(2/n) keeps E[h²] from layer to layer; leaky rectifiers need √(2/(1+a²)/n)")
def gain_of_rectifiers(
    *,
    width: int = 64,
    draws: int = 200_000,
    slopes: Sequence[float] = (0.0, 0.01, 0.2, 0.5),
    start: Callable[..., Any] = init.kaiming_normal_,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Average the square of one layer's outputs over many weights, for a given input.

    Parameters
    ----------
    width : int
        Inputs of the layer.
    draws : int
        Units with weights of their own.
    slopes : sequence of float
        Slopes a of the rectifier max(ax, x); 0 is ReLU.
    start : callable
        ``start(tensor, a=slope, rng=rng)``.
    quick, seed
        A fifth of the draws; seed of weights and input.

    Returns
    -------
    Outcome
        Figure: E[h²] after the layer over that before, by slope.
    """
    draws = draws // 5 if quick else draws
    rng = generator(seed)
    ratios = []
    for slope in slopes:
        h = np.maximum(rng.normal(size=width), 0.0)
        z = np.asarray(start(np.empty((draws, width)), a=slope, rng=rng)) @ h
        ratios.append(np.square(np.maximum(slope * z, z)).mean() / np.square(h).mean())
    figure = Figure("E[h²] after one layer over before", "slope", "ratio")
    return Outcome(
        [Check("E[h²] after the layer over before", ratios, near(1.0, rel=0.025))],
        figure=figure.add("measured", slopes, ratios, style="points"),
    )


@claim("L50", "He's start keeps 50 ReLU layers of width 512 alive; smaller weights let them die")
def he_keeps_relu_alive(
    *,
    width: int = 512,
    depth: int = 50,
    seeds: int = 20,
    samples: int = 64,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Follow the root mean square of activations through a ReLU net.

    E[h²] is kept only on average over the weights: the logarithm of the root mean square does a
    random walk of deviation about ½√(5 depth/width), so that narrow nets stray further.

    Parameters
    ----------
    width, depth : int
        Of the wide net; the narrow one has half the width.
    seeds : int
        Nets of both kinds; N(0, 0.01²) and 1/√n are run once.
    samples : int
        Inputs, from N(0, 1).
    quick, seed
        Two wide nets, no narrow ones; seed of weights and inputs.

    Returns
    -------
    Outcome
        Figure: root mean square over the layers.
    """

    def tiny(tensor: Any, rng: Any) -> Any:
        return init.normal_(tensor, 0.0, 0.01, rng)

    def run(width: int, seeds: int, start: Init) -> NDArray[np.float64]:
        return np.array([
            _scales([width] * (depth + 1), nn.ReLU, rng, start, samples, root_mean_square=True)
            for rng in generators(seed, seeds)
        ])  # fmt: skip

    runs = {
        f"He, width {width}": run(width, 2 if quick else seeds, init.kaiming_normal_),
        "1/√n": run(width, 1, init.lecun_normal_),
        "N(0, 0.01²)": run(width, 1, tiny),
    }
    checks = [
        Check(f"RMS at all layers, He, width {width}", runs[f"He, width {width}"],
              between(0.4, 2.5), "0.63 to 1.87"),
        Check("RMS at the last layer, 1/√n", runs["1/√n"][:, -1], below(1e-6)),
        Check("RMS at the last layer, N(0, 0.01²)", runs["N(0, 0.01²)"][:, -1], below(1e-30)),
    ]  # fmt: skip
    if not quick:
        narrow = run(width // 2, seeds, init.kaiming_normal_)
        runs[f"He, width {width // 2}"] = narrow
        spread = np.log(runs[f"He, width {width}"][:, -1]).std(ddof=1)
        theory = 0.5 * math.sqrt(5 * depth / width)
        checks += [
            Check(f"RMS at all layers, He, width {width // 2}", narrow, None, "0.26 to 2.6"),
            Check("deviation of ln RMS at the last layer over ½√(5 depth/width)",
                  spread / theory, between(0.6, 1.5)),
        ]  # fmt: skip
    figure = Figure("ReLU layers", "layer", "root mean square", (), "linear", "log")
    for kind, scales in runs.items():
        figure = figure.add(
            kind, np.arange(1, depth + 1), np.exp(np.log(scales).mean(axis=0)),
            low=scales.min(axis=0), high=scales.max(axis=0),
        )  # fmt: skip
    return Outcome(checks, figure=figure)
