"""How much a minimum minds noise on the weights (lecture L24)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..data.seeding import Seed, generator
from ..errors import UsageError
from ..nn import Module
from .evaluate import evaluate

__all__ = ["Sharpness", "sharpness"]


class Sharpness(NamedTuple):
    """Mean rise of the loss under noise, its standard error, and the loss without noise."""

    rise: float
    error: float
    loss: float


def sharpness(
    model: Module,
    batches: Iterable[Any],
    loss: Callable[[Any, Any], Any],
    eps: float = 0.01,
    draws: int = 20,
    seed: Seed = 0,
    relative: bool = False,
) -> Sharpness:
    """Measure the mean rise of the loss when normal noise is added to all weights (L24).

    ``E[L(θ + eps·n)] − L(θ)``, n ~ N(0, 1), in evaluation mode. For small eps this is eps²/2 times
    the trace of the Hessian, as far as θ is a minimum.

    It depends on how a model is parametrized: scaling one ReLU layer up and the next one down
    leaves the function as it is and makes it as sharp as one likes (Dinh et al. 2017). So compare
    solutions of one architecture, and conclude nothing about test error.

    Parameters
    ----------
    model : Module
        Its weights are put back bit by bit, also if the loss raises.
    batches : iterable of (inputs, targets)
        Run through once per draw: a list or a `DataLoader` without shuffling.
    loss : callable
    eps : float
        Positive.
    draws : int
        At least 2.
    seed : int or Generator
        Half of the draws are the others with the opposite sign, which cancels slopes exactly.
    relative : bool
        Scale the noise on each parameter array by the root mean square of its entries; this takes
        the scaling of whole layers out.

    Returns
    -------
    Sharpness

    Raises
    ------
    UsageError
        For settings out of their range, or data that are empty or can be run through only once.

    Examples
    --------
    The loss w²/2 · a rises by eps²/2 · a:

    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> model = tg.nn.Linear(1, 1, bias=False, rng=0, init=lambda w, rng: tg.nn.init.zeros_(w))
    >>> def loss(output, target):
    ...     return tg.mean(output * output) / 2
    >>> batch = (np.full((1, 1), 10.0), np.zeros((1, 1)))
    >>> tg.train.sharpness(model, [batch], loss, eps=0.1, draws=2000).rise
    0.5
    """
    if not (np.isfinite(eps) and eps > 0):
        raise UsageError(f"sharpness: eps must be a positive number, got {eps}")
    if draws < 2:
        raise UsageError(f"sharpness: draws must be at least 2, got {draws}")
    if isinstance(batches, Iterator):
        raise UsageError("sharpness runs through the batches once per draw: give a list")
    rng = generator(seed)
    parameters = list(model.parameters())
    saved = [np.array(p.data) for p in parameters]
    scales = [eps * (np.sqrt(np.mean(np.square(w))) if relative else 1.0) for w in saved]
    base = evaluate(model, batches, loss)["loss"]
    rises = []
    try:
        for draw in range(draws):
            if draw % 2 == 0:
                noise = [s * rng.normal(size=w.shape) for s, w in zip(scales, saved, strict=True)]
            sign = 1 - 2 * (draw % 2)
            for p, w, n in zip(parameters, saved, noise, strict=True):
                p.data = (w + sign * n).astype(w.dtype)
            rises.append(evaluate(model, batches, loss)["loss"] - base)
    finally:
        for p, w in zip(parameters, saved, strict=True):
            p.data = w
    pairs = [np.mean(rises[i : i + 2]) for i in range(0, draws, 2)]
    error = np.std(pairs, ddof=1) / np.sqrt(len(pairs)) if len(pairs) > 1 else np.nan
    return Sharpness(float(np.mean(rises)), float(error), base)
