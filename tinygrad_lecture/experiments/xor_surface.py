"""XOR nets: what they say over the plane, and the loss surface around a stuck one (L05)."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data, nn, optim
from ..engine import mean, swapaxes, tanh
from ..nn import functional as F
from .depth import right, train_binary
from .figure import Figure
from .outcome import Check, Outcome, above, at_most, below, equals
from .registry import claim
from .training import generators, logits, network, training_step

__all__ = ["decision_regions", "xor_losses", "xor_stuck"]

WEIGHTS = 9  # of a 2-2-1 net: 2·2 and 2 of the hidden layer, 2 and 1 of the output


@claim("L05", "one hidden neuron divides the plane by parallel lines only, and never learns XOR")
def decision_regions(
    *, seeds: int = 20, steps: int = 3000, quick: bool = False, seed: int = 0
) -> Outcome:
    """Train 2-H-1 on XOR for H = 1, 2, 3, and map what the net of the least loss of each says.

    Parameters
    ----------
    seeds, steps : int
        Nets of each width, and steps of gradient descent with α = 1.
    quick, seed
        Half of the nets; seed of start weights.

    Returns
    -------
    Outcome
        Figure: the output over the plane for each width, with the boundary of ½, and the points.
    """
    seeds = seeds // 2 if quick else seeds
    X, y = data.xor()
    axis = np.linspace(-0.5, 1.5, 81)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    figure = Figure("what 1, 2, 3 hidden neurons say", "x₁", "x₂")
    for label in (0, 1):
        figure = figure.add(f"y = {label}", *X[y == label].T, style="points")
    checks = []
    for width in (1, 2, 3):
        models = [network([2, width, 1], nn.Tanh, rng) for rng in generators(seed, seeds)]
        z = train_binary(list(models), X, y, 1.0, steps)
        best = int(np.argmin(np.mean(np.logaddexp(0.0, z) - y * z, axis=1)))
        bound = at_most(0.75) if width == 1 else equals(1.0)
        checks.append(Check(f"best accuracy, {width} hidden", float(right(z, y).max()), bound))
        output = 1.0 / (1.0 + np.exp(-logits(models[best], grid)))
        figure = figure.add_surface(
            f"{width} hidden", axis, axis, output.reshape(81, 81), levels=(0.5,)
        )
    return Outcome(checks, figure=figure)


def xor_losses(theta: Any) -> Any:
    """Return the mean binary cross-entropy on XOR of 2-2-1 nets with tanh.

    Parameters
    ----------
    theta : Value or ndarray, shape (N, 9)
        A net in each row: its weights and biases in the order of ``parameters()``.

    Returns
    -------
    Value or ndarray, shape (N,)

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.experiments import xor_losses
    >>> print(xor_losses(np.zeros((1, 9))).round(4))  # ln 2
    [0.6931]
    """
    X, y = data.xor()
    N = len(theta)
    hidden = X @ swapaxes(theta[:, :4].reshape(N, 2, 2), 1, 2) + theta[:, 4:6].reshape(N, 1, 2)
    z = (tanh(hidden) @ theta[:, 6:8].reshape(N, 2, 1)).reshape(N, 4) + theta[:, 8:]
    targets = np.broadcast_to(y.astype(float), (N, 4))
    return mean(F.binary_cross_entropy_with_logits(z, targets, reduction="none"), axis=1)


def lowest_pass(
    heights: NDArray[np.float64], start: tuple[int, int], end: tuple[int, int]
) -> float:
    """Return how high a way over a grid must rise, at least, to lead from one cell to another.

    Dijkstra's algorithm with the highest cell of a way as its length.
    """
    open_ = [(float(heights[start]), start)]
    seen = np.zeros(heights.shape, bool)
    while True:
        top, (i, j) = heapq.heappop(open_)
        if (i, j) == end:
            return top
        if seen[i, j]:
            continue
        seen[i, j] = True
        for cell in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
            inside = 0 <= cell[0] < heights.shape[0] and 0 <= cell[1] < heights.shape[1]
            if inside and not seen[cell]:
                heapq.heappush(open_, (max(top, float(heights[cell])), cell))


@claim("L05", "2-2-1 nets on XOR get stuck at ½ ln 2: flat there, with a hill before the solution")
def xor_stuck(*, seeds: int = 40, steps: int = 6000, quick: bool = False, seed: int = 0) -> Outcome:
    """Look at stuck nets, and at the loss on a plane through one of them and one that learned XOR.

    The third point of the plane is where the stuck net started.  Gradient descent within the plane,
    on its two coordinates, shows which parts of it lead where.

    Parameters
    ----------
    seeds, steps : int
        Nets, and steps of gradient descent with α = 1.
    quick, seed
        Half of the nets; seed of start weights.

    Returns
    -------
    Outcome
        Figure: the loss on the plane, both nets, and descents within it.  The coordinates are
        distances in the space of the nine weights.
    """
    seeds = seeds // 2 if quick else seeds
    X, y = data.xor()
    models = [network([2, 2, 1], nn.Tanh, rng) for rng in generators(seed, seeds)]
    starts = _weights(models)
    learned = right(train_binary(list(models), X, y, 1.0, steps), y) == 1.0
    ends = _weights(models)
    theta = nn.Parameter(ends)
    losses = xor_losses(theta)
    losses.backward(np.ones(seeds))
    stuck, solved = (int(np.flatnonzero(chosen)[0]) for chosen in (~learned, learned))
    plane = _Plane(ends[stuck], ends[solved], starts[stuck])
    solution, origin = plane.coordinates(np.stack([ends[solved], starts[stuck]]))
    low, high = (
        edge([[0.0, 0.0], solution, origin], axis=0) + sign * 0.3 * solution[0]
        for edge, sign in ((np.min, -1.0), (np.max, 1.0))
    )
    # Both nets are on a node of the grid: 40 steps between them, one size of steps both ways.
    size = solution[0] / 40
    x, t = (
        size * np.arange(np.floor(a / size), np.ceil(b / size) + 1)
        for a, b in zip(low, high, strict=True)
    )
    heights = plane.losses(np.stack(np.meshgrid(x, t), axis=-1))
    row, left = int(np.argmin(np.abs(t))), int(np.argmin(np.abs(x)))
    top = lowest_pass(heights, (row, left), (row, left + 40))

    figure = Figure("XOR: a plane in the space of weights", "from stuck to learned", "across")
    figure = figure.add_surface("loss", x, t, heights, scale="log", levels=(0.36, 0.5, top))
    grid = np.stack(np.meshgrid(x[4:-4:12], t[4:-4:12]), axis=-1).reshape(-1, 2)
    paths = plane.descend(np.append(grid, [origin], axis=0))
    outside = np.any((paths < [x[0], t[0]]) | (paths > [x[-1], t[-1]]), axis=-1, keepdims=True)
    gap = np.arange(len(paths))[:, None, None] == len(paths) - 1  # between one line and the next
    far = plane.losses(paths[-1]) > 0.3
    for label, chosen in (("descends, stays above 0.3", far), ("descends to 0", ~far)):
        if chosen.any():
            lines = np.where(outside | gap, np.nan, paths)[:, chosen].swapaxes(0, 1).reshape(-1, 2)
            figure = figure.add(label, *lines.T)
    for label, point in (("stuck", np.zeros(2)), ("its start", origin), ("learned", solution)):
        figure = figure.add(label, point[:1], point[1:], style="points")
    checks = [
        Check("loss of the stuck nets", losses.data[~learned], above(0.3), 0.347),
        Check("length of the gradient there", np.linalg.norm(theta.grad[~learned], axis=1),
              below(1e-3)),
        Check("loss of the others", losses.data[learned], below(0.02)),
        Check("lowest pass of the plane − loss of the stuck net", top - heights[row, left],
              above(0.0)),
        Check("share of descents within the plane that stay above 0.3", np.mean(far)),
    ]  # fmt: skip
    return Outcome(checks, figure=figure)


def _weights(models: list[nn.Sequential]) -> NDArray[np.float64]:
    """Return the parameters of 2-2-1 nets as rows, shape (nets, 9)."""
    return np.stack([np.concatenate([p.data.ravel() for p in m.parameters()]) for m in models])


class _Plane:
    """The plane through three points of the weight space: the first is its origin, (0, 0)."""

    def __init__(self, *points: NDArray[np.float64]) -> None:
        self.origin = points[0]
        # Q has right angles between its columns; the signs let both coordinates grow.
        Q, R = np.linalg.qr(np.stack([p - self.origin for p in points[1:]], axis=1))
        self.basis: NDArray[np.float64] = (Q * np.sign(np.diag(R))).T

    def coordinates(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        return (theta - self.origin) @ self.basis.T

    def losses(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = points.reshape(-1, 2) @ self.basis + self.origin
        return np.asarray(xor_losses(flat), np.float64).reshape(points.shape[:-1])

    def descend(
        self, points: NDArray[np.float64], lr: float = 0.3, steps: int = 3000, every: int = 20
    ) -> NDArray[np.float64]:
        """Return where gradient descent on the coordinates goes, shape (looks, points, 2)."""
        at = nn.Parameter(points)
        step = training_step(
            optim.SGD([at], lr=lr), lambda: xor_losses(at @ self.basis + self.origin)
        )
        path = [at.data.copy()]
        for t in range(1, steps + 1):
            step()
            if t % every == 0:
                path.append(at.data.copy())
        return np.array(path)
