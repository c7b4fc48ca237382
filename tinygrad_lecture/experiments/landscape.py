"""Losses that are not convex: saddles, minima of different depth, minima of different width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import data, nn, optim
from ..data.seeding import generator
from ..engine import exp, grad, hessian, mean, square, sum
from ..nn import functional as F
from ..train import sharpness
from .figure import Figure
from .outcome import Check, Outcome, above, at_least, at_most, below, between, equals
from .registry import claim
from .stack import Stack
from .training import MakeOptimizer, generators, logits, network, training_step

__all__ = [
    "gd_leaves_sharp_minimum",
    "loss_spread",
    "saddle",
    "saddle_escape",
    "sharp_flat",
    "sharpness_depends_on_parameters",
    "two_wells",
]


def saddle(x: Any, y: Any) -> Any:
    """Return x² − y² + y⁴/4 (L23): a saddle at (0, 0), where f = 0; f = −1 at (0, ±√2)."""
    return square(x) - square(y) + 0.25 * square(square(y))


def two_wells(x: Any) -> Any:
    """Return −exp(−(x+1)²/(2·0.1²)) − exp(−(x−1)²/(2·0.7²)) + 0.01x²: two wells (L24)."""
    sharp, wide = square(x + 1.0) / (2 * 0.1**2), square(x - 1.0) / (2 * 0.7**2)
    return 0.01 * square(x) - exp(-sharp) - exp(-wide)


@claim("L23", "gradient descent stays at a saddle; a little noise in the gradient takes it away")
def saddle_escape(
    *,
    alpha: float = 0.05,
    noise: float = 1e-3,
    chains: int = 400,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Descend x² − y² + y⁴/4 from (1, 0), where ∂f/∂y = 0, without and with noise.

    Parameters
    ----------
    alpha : float
        Step size.
    noise : float
        Standard deviation of what is added to each coordinate of the gradient.
    chains : int
        Independent runs with noise.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Without effect, as it is quick; seed of the noise.

    Returns
    -------
    Outcome
        Figure: f over steps.
    """
    rng = generator(seed)
    paths = []
    for deviation, steps in ((0.0, 2000), (noise, 400)):
        x, y = nn.Parameter(np.ones(chains)), nn.Parameter(np.zeros(chains))
        step = training_step(
            optimizer([x, y], lr=alpha),
            # The gradient of u·x with a drawn u is the noise.
            lambda u, v, x=x, y=y: sum(saddle(x, y) + u * x + v * y),
        )
        path = []
        for _ in range(steps):
            step(*rng.normal(0.0, deviation, (2, chains)))
            path.append(np.asarray(saddle(x.data, y.data)))
        paths.append(np.array(path))
    still, noisy = paths
    escaped = np.argmax(noisy < -0.9, axis=0) + 1
    figure = Figure("a saddle", "step", "f").add("without noise", np.arange(400), still[:400, 0])
    return Outcome(
        [
            Check("|f| after 2000 steps without noise", np.abs(still[-1]).max(), at_most(1e-12)),
            Check("f after 400 steps with noise", noisy[-1], below(-0.9)),
            Check("steps to f < −0.9, median", np.median(escaped), None, 108),
        ],
        figure=figure.add(
            "with noise, mean", np.arange(400), noisy.mean(axis=1),
            low=noisy.min(axis=1), high=noisy.max(axis=1),
        ),
    )  # fmt: skip


@claim("L23", "on XOR bad minima are common for tiny nets, and gone for nets a little wider")
def loss_spread(
    *,
    widths: Sequence[int] = (2, 3, 4, 8),
    seeds: int = 40,
    steps: int = 3000,
    alpha: float = 1.0,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Train 2-H-1 with tanh on XOR, full batch, from many starts, and compare the final losses.

    Parameters
    ----------
    widths : sequence of int
        Hidden units H.
    seeds : int
        Starts, each with its own weights.
    steps : int
        Steps of gradient descent on the mean binary cross-entropy.
    alpha : float
        Step size.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        The first and the last width; seed of the start weights.

    Returns
    -------
    Outcome
        Figure: final losses over H.
    """
    X, labels = data.xor()
    targets = np.tile(labels[:, None].astype(float), (seeds, 1, 1))
    ends = {}
    for width in (widths[0], widths[-1]) if quick else widths:
        stack = Stack([network([2, width, 1], nn.Tanh, rng) for rng in generators(seed, seeds)])

        def losses(stack: Stack = stack) -> Any:
            z = stack(X)
            return mean(F.binary_cross_entropy_with_logits(z, targets, "none"), axis=(1, 2))

        step = training_step(
            optimizer(stack.parameters(), lr=alpha), lambda losses=losses: sum(losses())
        )
        for _ in range(steps):
            step()
        ends[width] = np.asarray(losses().data)
    figure = Figure("XOR from many starts", "H", "final loss", y_scale="log")
    for width, end in ends.items():
        figure = figure.add(f"H = {width}", np.full(seeds, width), end, style="points")
    first, last = min(ends), max(ends)
    return Outcome(
        [
            Check(f"largest final loss, H = {first}", ends[first].max(), above(0.3)),
            Check(f"largest final loss, H = {last}", ends[last].max(), below(0.01)),
            *(
                Check(f"share of starts that end below 0.1, H = {width}", np.mean(end < 0.1))
                for width, end in ends.items()
            ),
        ],
        figure=figure,
    )


@claim("L24", "SGD's noise leaves a sharp minimum for a wide one, and not the other way round")
def sharp_flat(
    *,
    alpha: float = 0.05,
    sigma: float = 1.0,
    chains: int = 400,
    steps: int = 5000,
    optimizer: MakeOptimizer = optim.SGD,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Start in both wells of `two_wells`, with and without noise in the gradient.

    Parameters
    ----------
    alpha : float
        Step size.
    sigma : float
        Standard deviation of the noise.
    chains : int
        Independent runs.
    steps : int
        Updates.
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Without effect, as it is quick; seed of the noise.

    Returns
    -------
    Outcome
        Figure: the loss, and where the chains are at the end.
    """
    rng = generator(seed)
    middle = -0.4  # between the wells, where f is largest
    line = np.linspace(-1.6, 2.6, 400)
    figure = Figure("a sharp and a wide well", "x", "f").add("f", line, two_wells(line))
    wide = {}
    for start, deviation in ((-1.0, 0.0), (-1.0, sigma), (1.0, sigma)):
        x = nn.Parameter(np.full(chains, start))
        step = training_step(
            optimizer([x], lr=alpha), lambda noise, x=x: sum(two_wells(x) + noise * x)
        )
        for _ in range(steps):
            step(rng.normal(0.0, deviation, chains))
        wide[start, deviation] = float(np.mean(x.data > middle))
        figure = figure.add(
            f"from {start:g}, σ = {deviation:g}", x.data, two_wells(x.data), style="points"
        )
    return Outcome(
        [
            Check("share that leaves the sharp well, σ = 0", wide[-1.0, 0.0], equals(0.0), 0.0),
            Check(
                f"share from the sharp to the wide well, σ = {sigma:g}", wide[-1.0, sigma],
                at_least(0.95), 1.0,
            ),
            Check(
                f"share from the wide to the sharp well, σ = {sigma:g}", 1.0 - wide[1.0, sigma],
                at_most(0.05), 0.0,
            ),
        ],
        notes=("sharpness depends on how a net is parametrized: nothing here is about test error",),
        figure=figure,
    )  # fmt: skip


@claim("L24", "gradient descent cannot rest at a minimum with a curvature above 2/α")
def gd_leaves_sharp_minimum(
    *, optimizer: MakeOptimizer = optim.SGD, quick: bool = False, seed: int = 0
) -> Outcome:
    """Start 1e-8 beside the sharp minimum of `two_wells`, with α a little to each side of 2/f″.

    Parameters
    ----------
    optimizer : callable
        ``optimizer(params, lr=α)``.
    quick, seed
        Without effect: it is quick, and nothing is drawn.

    Returns
    -------
    Outcome
        Figure: distance to the minimum over steps.
    """
    minimum = -1.0
    for _ in range(20):  # Newton's method: the start is close
        minimum -= float(grad(two_wells)(minimum)) / float(hessian(two_wells)(minimum))
    curvature = float(hessian(two_wells)(minimum))
    figure = Figure("beside a sharp minimum", "step", "distance", y_scale="log")
    ends = []
    for factor in (1.9, 2.1):
        x = nn.Parameter(minimum + 1e-8)
        step = training_step(optimizer([x], lr=factor / curvature), lambda x=x: two_wells(x))
        path = []
        for _ in range(1000):
            step()
            path.append(abs(x.data - minimum))
        ends.append(max(path[-100:]))
        figure = figure.add(f"α = {factor:g}/f″", np.arange(1, 1001), path)
    return Outcome(
        [
            Check("slope at the minimum", grad(two_wells)(minimum), between(-1e-12, 1e-12)),
            Check("distance at the end, α = 1.9/f″", ends[0], below(1e-10)),
            Check("distance at the end, α = 2.1/f″", ends[1], above(1e-3)),
            Check("curvature of the sharp minimum", curvature),
        ],
        figure=figure,
    )


class _Point(nn.Module):
    """A single parameter."""

    def __init__(self, x: float) -> None:
        self.x = nn.Parameter(x)

    def forward(self, _: Any) -> Any:
        """Return the parameter."""
        return self.x


@claim("L24", "a sharp minimum minds noise on the weights; how much depends on the parametrization")
def sharpness_depends_on_parameters(
    *,
    eps: float = 0.1,
    draws: int = 20_000,
    factor: float = 10.0,
    quick: bool = False,
    seed: int = 0,
) -> Outcome:
    """Measure `train.sharpness` in both wells, and of a ReLU net before and after a rescaling.

    With n ~ N(0, 1), E[exp(−(x + εn)²/(2s²))] = s/√(s² + ε²) · exp(−x²/(2(s² + ε²))), so that the
    sharpness of the wells is known.  Multiplying one layer by a factor and dividing the next one by
    it does not change what a ReLU net computes (Dinh et al. 2017).

    Parameters
    ----------
    eps : float
        Standard deviation of the noise.
    draws : int
        Of the noise.
    factor : float
        Of the rescaling.
    quick, seed
        A tenth of the draws; seed of noise, data and net.

    Returns
    -------
    Outcome
        Figure: loss of the ReLU net over the size of the noise.
    """
    draws = draws // 10 if quick else draws
    batch = [(np.zeros((1, 1)), np.zeros((1, 1)))]
    found, expected = {}, {}
    for at in (-1.0, 1.0):
        found[at] = sharpness(
            _Point(at), batch, lambda x, _: two_wells(x), eps=eps, draws=draws, seed=seed
        )
        smooth = 0.01 * (at**2 + eps**2)
        for center, width in ((-1.0, 0.1), (1.0, 0.7)):
            wide = width**2 + eps**2
            smooth -= width / np.sqrt(wide) * np.exp(-((at - center) ** 2) / (2 * wide))
        expected[at] = smooth - two_wells(at)

    rng = generator(seed)
    X, y = data.spirals(200, seed=rng)
    model = network([2, 16, 3], nn.ReLU, rng, init=nn.init.kaiming_normal_)
    scaled = network([2, 16, 3], nn.ReLU, rng)
    state = model.state_dict()
    scaled.load_state_dict(
        state | {"0.weight": factor * state["0.weight"], "0.bias": factor * state["0.bias"],
                 "2.weight": state["2.weight"] / factor}
    )  # fmt: skip
    losses = {}
    sizes = np.geomspace(1e-3, 0.3, 8)
    figure = Figure("one function, two sets of weights", "ε", "rise", (), "log", "log")
    for name, net in (("as drawn", model), ("rescaled", scaled)):
        losses[name] = [
            sharpness(net, [(X, y)], F.cross_entropy, eps=size, draws=100, seed=seed).rise
            for size in sizes
        ]
        figure = figure.add(name, sizes, losses[name])
    same = np.abs(logits(model, X) - logits(scaled, X)).max()
    return Outcome(
        [
            *(
                Check(
                    f"rise at {name} minus the formula, in standard errors",
                    abs(found[at].rise - expected[at]) / found[at].error, below(4.0),
                )
                for name, at in (("the sharp minimum", -1.0), ("the wide one", 1.0))
            ),
            Check("rise at the sharp minimum over the wide one", found[-1.0].rise / found[1.0].rise,
                  above(10.0)),
            Check("outputs of the rescaled net, difference", same, at_most(1e-12)),
            Check(f"rise of the rescaled net over the other, ε = {sizes[0]:.0e}",
                  losses["rescaled"][0] / losses["as drawn"][0], above(10.0)),
        ],
        figure=figure,
    )  # fmt: skip
