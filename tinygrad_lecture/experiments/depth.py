"""Depth matters: one neuron, XOR, logic networks, what a hidden layer can (L01 to L08)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data, logic, nn, optim
from ..data.seeding import generator
from ..engine import square, sum
from ..nn import functional as F
from .figure import Figure
from .outcome import Check, Outcome, above, at_least, at_most, below, between, equals, near
from .registry import claim
from .stack import Stack
from .training import generators, logits, network, training_step

__all__ = [
    "boolean_approximation",
    "depth_of_parity",
    "features_by_hand",
    "fit_a_curve",
    "gates_as_neurons",
    "single_neuron",
    "xor_by_one_neuron",
    "xor_net",
]


def binary_losses(z: Any, y: Any) -> Any:
    """Return the mean binary cross-entropy of each net side by side: z of shape (S, N, 1)."""
    flat = z.reshape(z.shape[:2])
    return sum(F.binary_cross_entropy_with_logits(flat, y, reduction="none"), axis=1) / y.shape[-1]


def train_binary(
    models: list[nn.Sequential], X: NDArray[Any], y: NDArray[Any], lr: float, steps: int
) -> NDArray[np.float64]:
    """Train nets by gradient descent on all samples, side by side; return their outputs, (S, N)."""
    stack = Stack(models)
    inputs = np.broadcast_to(X, (len(models), *X.shape)).copy()
    targets = np.broadcast_to(y.astype(float), (len(models), len(y))).copy()
    rule = optim.SGD(stack.parameters(), lr=lr)
    step = training_step(rule, lambda x, t: binary_losses(stack(x), t))
    for _ in range(steps):
        step(inputs, targets)
    for number, model in enumerate(models):
        for p, q in zip(model.parameters(), stack.parameters(), strict=True):
            p.data = q.data[number].reshape(p.shape)
    return np.asarray(logits(stack, inputs)[:, :, 0])


def right(z: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of right answers of each net."""
    return np.asarray(np.mean((z >= 0) == (y == 1), axis=-1))


@claim("L01", "a neuron divides space by a hyperplane: of few Boolean functions can it be one")
def single_neuron(*, quick: bool = False, seed: int = 0) -> Outcome:
    """Compare σ(θᵀx + b) ≥ ½ with θᵀx + b ≥ 0, and count the functions that one neuron computes.

    Parameters
    ----------
    quick, seed
        Without the functions of 4 inputs; seed of neurons and points.

    Returns
    -------
    Outcome
    """
    rng = generator(seed)
    differing = 0
    for _ in range(20):
        neuron = logic.ThresholdNeuron(rng.normal(size=3), float(rng.normal()))
        X = rng.normal(size=(500, 3))
        soft = np.ravel(neuron.as_sigmoid()(X).data) >= 0.5
        differing += int(np.sum(soft != (neuron(X) == 1)))
    known = {2: 14, 3: 104} if quick else {2: 14, 3: 104, 4: 1882}
    checks = [Check("points where σ ≥ ½ and θᵀx + b ≥ 0 differ", differing, equals(0))]
    checks += [
        Check(f"functions of {n} inputs, of {2 ** 2**n}", logic.count_threshold_functions(n),
              equals(count), count)
        for n, count in known.items()
    ]  # fmt: skip
    return Outcome(checks)


@claim("L02", "one neuron gets three of the four points of XOR at most; its best loss is ln 2")
def xor_by_one_neuron(
    *, seeds: int = 10, steps: int = 2000, quick: bool = False, seed: int = 0
) -> Outcome:
    """Train single neurons on XOR, and look for the best threshold neuron on parity.

    Parameters
    ----------
    seeds, steps : int
        Neurons, and steps of each.
    quick, seed
        No effect, as it is quick; seed of start weights.

    Returns
    -------
    Outcome
        Figure: outputs of the trained neurons at the four points.
    """
    X, y = data.xor()
    models: list[nn.Sequential] = [network([2, 1], nn.Tanh, rng) for rng in generators(seed, seeds)]
    z = train_binary(models, X, y, 1.0, steps)
    losses = np.mean(np.logaddexp(0.0, z) - y * z, axis=1)
    checks = [
        Check("accuracy of trained neurons", right(z, y), at_most(0.75)),
        Check("their loss", losses, near(math.log(2.0), abs=1e-3), 0.6931),
    ]
    for n, best in ((2, 0.75), (3, 0.75), (4, 0.6875)):
        checks.append(
            Check(f"best share of parity of {n} inputs", _best_threshold(n), equals(best), best)
        )
    figure = Figure("neurons trained on XOR", "point", "σ(θᵀx + b)")
    return Outcome(checks, figure=figure.add("neurons", np.arange(4), 1 / (1 + np.exp(-z[0]))))


def _best_threshold(n: int) -> float:
    """Return the largest share of rows of parity that a threshold neuron gets right.

    Whole weights up to 1, 2, 3 (n = 2, 3, 4) give all threshold functions; parity is symmetric, so
    that weights of one sign and size would do, but all are tried.
    """
    most = {2: 1, 3: 2, 4: 3}[n]
    X, y = logic.vertices(n), logic.parity(n).table
    weights = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * n), axis=-1).reshape(-1, n)
    sums = weights @ X.T
    best = 0.0
    for b in np.arange(-n * most, n * most + 1) - 0.5:
        best = max(best, float(np.mean((sums + b >= 0) == y, axis=1).max()))
    return best


@claim("L03", "XOR is linear in the features x₁ OR x₂ and x₁ AND x₂: one neuron learns it")
def features_by_hand(*, seeds: int = 10, quick: bool = False, seed: int = 0) -> Outcome:
    """Train single neurons and perceptrons on φ(x) = [x₁ OR x₂, x₁ AND x₂].

    Parameters
    ----------
    seeds : int
        Neurons.
    quick, seed
        No effect, as it is quick; seed of start weights.

    Returns
    -------
    Outcome
    """
    X, y = data.xor()
    phi = logic.phi_or_and(X)
    models: list[nn.Sequential] = [network([2, 1], nn.Tanh, rng) for rng in generators(seed, seeds)]
    z = train_binary(models, phi, y, 1.0, 500)
    fits = [logic.Perceptron(2).fit(phi[order], y[order]) for order in _orders(seed, seeds)]
    checks = [
        Check("accuracy of neurons on φ(x)", right(z, y), equals(1.0)),
        Check("perceptrons that stop", [fit.converged for fit in fits], equals(True)),
        Check("a hyperplane divides φ(x)", bool(logic.separate(phi, y)), equals(True)),
        Check("a hyperplane divides x", bool(logic.separate(X, y)), equals(False)),
    ]
    return Outcome(checks)


def _orders(seed: int, n: int) -> list[NDArray[np.int64]]:
    return [rng.permutation(4) for rng in generators(seed, n)]


@claim("L04", "OR, AND and NOT are neurons; with a gain of 20 their sigmoids are as good as steps")
def gates_as_neurons(*, most: int = 8, quick: bool = False, seed: int = 0) -> Outcome:
    """Compare gates of up to 8 inputs with Python's own logic, as steps and as sigmoids.

    Parameters
    ----------
    most : int
        Largest number of inputs.
    quick, seed
        No effect: it is quick, and nothing is random.

    Returns
    -------
    Outcome
    """
    truth: dict[str, Callable[[Any], Any]] = {
        "OR": lambda X: X.any(axis=1),
        "AND": lambda X: X.all(axis=1),
        "NAND": lambda X: ~X.all(axis=1),
        "NOR": lambda X: ~X.any(axis=1),
    }
    checks, worst = [], 0.0
    for name, by_python in truth.items():
        wrong = 0
        for n in range(1, most + 1):
            X = logic.vertices(n)
            gate = getattr(logic, name)(n)
            wanted = by_python(X.astype(bool))
            wrong += int(np.sum((gate(X) == 1) != wanted))
            soft = np.ravel(gate.as_sigmoid(20.0)(X).data)
            worst = max(worst, float(np.max(np.abs(soft - wanted))))
        checks.append(Check(f"rows on which {name} is wrong, 1 to {most} inputs", wrong, equals(0)))
    bit = logic.vertices(1)
    wrong = int(np.sum((logic.NOT()(bit) == 1) == (bit[:, 0] == 1)))
    checks += [
        Check("rows on which NOT is wrong", wrong, equals(0)),
        Check("largest |σ − gate| with gain 20", worst, below(5e-5), 1 / (1 + math.exp(10.0))),
    ]
    return Outcome(checks)


@claim("L05", "XOR as a 2-2-1 net by hand is exact; trained ones get stuck, wider ones rarely")
def xor_net(*, seeds: int = 400, steps: int = 3000, quick: bool = False, seed: int = 0) -> Outcome:
    """Train 2-H-1 on XOR from many start weights, by gradient descent with α = 1.

    Of 2000 nets each, 56 % learned it with H = 2, 93 % with 3, 99.7 % with 4, and all with 8, so
    that the bounds below are several standard deviations away for any seed.

    Parameters
    ----------
    seeds, steps : int
        Nets of each width, and steps.
    quick, seed
        Half of the nets; seed of start weights.

    Returns
    -------
    Outcome
        Figure: share of nets that learn XOR, over H.
    """
    seeds = seeds // 2 if quick else seeds
    X, y = data.xor()
    wrong = int(np.sum((logic.xor_net()(X) == 1) != (y == 1)))
    widths = (2, 3, 4, 8)
    shares, losses = [], np.zeros(0)
    for width in widths:
        models: list[nn.Sequential] = [
            network([2, width, 1], nn.Tanh, rng) for rng in generators(seed, seeds)
        ]
        z = train_binary(models, X, y, 1.0, steps)
        learned = right(z, y) == 1.0
        shares.append(float(np.mean(learned)))
        if width == 2:
            losses = np.mean(np.logaddexp(0.0, z) - y * z, axis=1)[~learned]
    checks = [
        Check("points on which the net by hand is wrong", wrong, equals(0)),
        Check("share of trained 2-2-1 nets that learn it", shares[0], between(0.35, 0.8), 0.585),
        Check("chance that one of ten restarts of 2-2-1 learns it", 1.0 - (1.0 - shares[0]) ** 10,
              at_least(0.98)),
        Check("share of 2-4-1 nets", shares[2], at_least(0.95), 1.0),
        Check("share of 2-8-1 nets", shares[3], at_least(0.95), 1.0),
    ]  # fmt: skip
    if losses.size:
        checks.append(Check("loss of 2-2-1 nets that are stuck", losses, above(0.3), 0.347))
    figure = Figure("trained on XOR", "hidden neurons", "share that learns it")
    return Outcome(checks, figure=figure.add("2-H-1, tanh", widths, shares, style="points"))


@claim("L06", "parity: 2^(D−1) + 1 neurons as a flat DNF, 3(D − 1) as a tree, D + 1 by counting")
def depth_of_parity(*, most: int = 10, quick: bool = False, seed: int = 0) -> Outcome:
    """Compare three networks of parity with parity itself, and count their neurons.

    Parameters
    ----------
    most : int
        Largest number of inputs D.
    quick, seed
        D up to 8; nothing is random.

    Returns
    -------
    Outcome
        Figure: neurons over D.
    """
    sizes: dict[str, list[int]] = {"dnf": [], "tree": [], "counting": []}
    wrong, D = 0, np.arange(2, (min(most, 8) if quick else most) + 1)
    for n in D.tolist():
        X, table = logic.vertices(n), logic.parity(n).table
        for net in (logic.parity_dnf(n), logic.parity_tree(n), logic.parity_counting(n)):
            wrong += int(np.sum((np.ravel(net(X)) == 1) != table))
        for name, size in logic.parity_sizes(n).items():
            sizes[name].append(size)
    formulas = {"dnf": 2 ** (D - 1) + 1, "tree": 3 * (D - 1), "counting": D + 1}
    checks = [Check("rows on which one of them is wrong", wrong, equals(0))]
    figure = Figure("neurons for parity", "inputs D", "neurons", y_scale="log")
    for name, counted in sizes.items():
        same = counted == formulas[name].tolist()
        checks.append(Check(f"neurons as {name}: as the formula says", same, equals(True)))
        figure = figure.add(name, D, counted)
    return Outcome(checks, figure=figure)


@claim("L07", "one hidden layer is any Boolean function, with 2^(D−1) hidden neurons at most")
def boolean_approximation(*, quick: bool = False, seed: int = 0) -> Outcome:
    """Build the DNF and CNF nets of all functions of 3 inputs and of random ones of 6.

    Parameters
    ----------
    quick, seed
        A fifth of the random functions; seed of these.

    Returns
    -------
    Outcome
        Figure: hidden neurons of the random functions over their true rows.
    """
    rng = generator(seed)
    tables = [[int(c) for c in f"{k:08b}"] for k in range(256)]
    tables += rng.integers(2, size=(40 if quick else 200, 64)).tolist()
    wrong = unlike = 0
    true_rows, hidden, largest = [], [], 0.0
    for table in tables:
        f = logic.BooleanFunction.of(table)
        for kind in (logic.DNFNet, logic.CNFNet):
            wrong += int(np.sum((np.ravel(kind.from_truth_table(f)(f.X)) == 1) != f.table))
        unlike += int(logic.DNFNet.from_truth_table(f).n_hidden != f.table.sum())
        auto = logic.DNFNet.from_truth_table(f, complement="auto")
        wrong += int(np.sum((np.ravel(auto(f.X)) == 1) != f.table))
        largest = max(largest, auto.n_hidden / 2 ** (f.n - 1))
        if f.n == 6:
            true_rows.append(int(f.table.sum()))
            hidden.append(auto.n_hidden)
    checks = [
        Check("rows on which a net is wrong", wrong, equals(0)),
        Check("DNF nets whose hidden neurons are not the true rows", unlike, equals(0)),
        Check("hidden neurons over 2^(D−1), at most", largest, at_most(1.0)),
        Check("hidden neurons of parity, D = 6", logic.parity_dnf(6).n_hidden, equals(32), 32),
    ]
    figure = Figure("functions of 6 inputs", "true rows", "hidden neurons")
    return Outcome(checks, figure=figure.add("DNF or ¬DNF", true_rows, hidden, style="points"))


@claim("L08", "twenty hidden neurons fit a sine, one does not")
def fit_a_curve(
    *, seeds: int = 10, steps: int = 2000, quick: bool = False, seed: int = 0
) -> Outcome:
    """Fit sin 3x on [−2, 2] with 1-H-1 and tanh by Adam; the loss is ½·MSE.

    Start weights and biases of the hidden layer are N(0, 1): each neuron bends somewhere else.
    With biases of zero all would bend at x = 0, and 2000 steps be too few.

    Parameters
    ----------
    seeds, steps : int
        Nets of each width, and steps.
    quick, seed
        Three nets; seed of start weights.

    Returns
    -------
    Outcome
        Figure: the curve and the fits of one seed.
    """
    seeds = min(seeds, 3) if quick else seeds
    x = np.linspace(-2.0, 2.0, 200)[:, None]
    y = np.sin(3.0 * x)
    figure = Figure("sin 3x", "x", "y").add("sin 3x", x[:, 0], y[:, 0])
    checks = [Check("½·MSE of the best constant", float(0.5 * np.var(y)), reference=0.26)]
    bounds = {1: (above(0.15), 0.18), 20: (below(1e-3), 2e-5)}
    for width, (bound, reference) in bounds.items():
        rngs = generators(seed, seeds)
        models: list[Any] = [network([1, width, 1], nn.Tanh, rng) for rng in rngs]
        for model, rng in zip(models, rngs, strict=True):
            model[0].weight.data = rng.normal(size=(width, 1))
            model[0].bias.data = rng.normal(size=width)
        stack = Stack(models)
        inputs = np.broadcast_to(x, (seeds, *x.shape)).copy()
        targets = np.broadcast_to(y, inputs.shape).copy()
        rule = optim.Adam(stack.parameters(), lr=0.02)
        step = training_step(
            rule, lambda x, t, stack=stack: sum(square(stack(x) - t), axis=(1, 2)) / (2 * 200)
        )
        for _ in range(steps):
            step(inputs, targets)
        fits = logits(stack, inputs)
        losses = 0.5 * np.mean(np.square(fits - targets), axis=(1, 2))
        checks.append(Check(f"½·MSE, {width} hidden", losses, bound, reference))
        figure = figure.add(f"{width} hidden", x[:, 0], fits[0, :, 0])
    return Outcome(checks, figure=figure)
