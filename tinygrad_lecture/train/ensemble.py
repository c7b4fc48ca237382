"""Ensembles: the averaged predictions of several models (lecture L38)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ..engine import log_softmax, logsumexp, mean, stack
from ..errors import UsageError
from ..nn import Module, ModuleList
from .evaluate import predict
from .trials import check_seed, run_trials, trial_rng

__all__ = ["Ensemble", "train_ensemble"]

Combine: TypeAlias = Literal["prob", "logit", "vote"]


class Ensemble(Module):
    """Several models as one, whose outputs are combined (L38).

    With the members' outputs z₁ … z_M, of shape (N, C):

    ===========  =====================  ===================================================
    ``combine``  output                 use
    ===========  =====================  ===================================================
    ``"prob"``   log (Σ softmax(z)/M)   mean of the probabilities
    ``"logit"``  Σ z / M                mean of the outputs: logits, or numbers in a regression
    ``"vote"``   log (votes / M)        share of members that choose the class; not differentiable
    ===========  =====================  ===================================================

    Each is the logarithm of probabilities (of unnormalized ones for ``"logit"``), so the ensemble
    goes wherever a model with logits goes: `CrossEntropyLoss`, `evaluate`, `accuracy`, `predict`.

    Whatever the data: the negative log-likelihood of the mean probability is at most the mean of
    the members' (Jensen), and for squared errors MSE(mean f) = mean MSE − mean variance of the
    members (Krogh and Vedelsby 1995), so an ensemble gains what its members disagree.

    Parameters
    ----------
    models : iterable of Module
        At least one; shared, not copied.
    combine : {"prob", "logit", "vote"}

    Raises
    ------
    UsageError
        Without models, or for another way to combine.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> nets = [tg.nn.Linear(2, 3, rng=seed) for seed in range(5)]
    >>> ensemble = tg.train.Ensemble(nets)
    >>> x = np.ones((4, 2))
    >>> bool(np.allclose(np.exp(ensemble(x).data).sum(axis=1), 1))
    True
    """

    def __init__(self, models: Iterable[Module], combine: Combine = "prob") -> None:
        self.models = ModuleList(models)
        if len(self.models) == 0:
            raise UsageError("an Ensemble needs at least one model")
        if combine not in get_args(Combine):
            raise UsageError(f'combine is "prob", "logit" or "vote", got {combine!r}')
        self.combine = combine

    def __len__(self) -> int:
        return len(self.models)

    def forward(self, x: Any) -> Any:
        """Combine the outputs of all members."""
        outputs = stack([model(x) for model in self.models])
        if self.combine == "prob":
            return logsumexp(log_softmax(outputs, axis=-1), axis=0) - np.log(len(self))
        if self.combine == "logit":
            return mean(outputs, axis=0)
        plain = np.asarray(outputs.data if hasattr(outputs, "backward") else outputs)
        chosen = plain.argmax(axis=-1)[..., None] == np.arange(plain.shape[-1])
        with np.errstate(divide="ignore"):  # no vote at all is −inf
            return np.log(chosen.mean(axis=0))

    def members(self, inputs: NDArray[Any], batch_size: int = 1024) -> NDArray[Any]:
        """Return the outputs of each member in evaluation mode, shape (M, N, ...)."""
        return np.stack([predict(model, inputs, batch_size) for model in self.models])

    def extra_repr(self) -> str:
        """Way to combine."""
        return f"combine={self.combine!r}"


def train_ensemble(
    build: Callable[[np.random.Generator], Module],
    train: Callable[[Module, np.random.Generator], object],
    n: int,
    *,
    combine: Combine = "prob",
    seed: int | Sequence[int] = 0,
    executor: Executor | None = None,
    workers: int | None = None,
    retries: int = 2,
    tick: Callable[[int, Any], object] | None = None,
) -> Ensemble:
    """Train `n` models that differ in their random numbers alone, on any executor.

    Parameters
    ----------
    build : callable
        ``build(rng)`` gives a new model.
    train : callable
        ``train(model, rng)`` trains it in place, with the generator that `build` has drawn from.
        Both must be able to travel, see `run_trials`.
    n : int
        Members, >= 1.
    combine : {"prob", "logit", "vote"}
    seed, executor, workers, retries, tick
        See `run_trials`; a result is a ``state_dict``.

    Returns
    -------
    Ensemble
        In evaluation mode; the same on every executor.

    Raises
    ------
    UsageError, TrialError, WorkerDeathError
        See `run_trials`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.moons(100, seed=0)
    >>> def build(rng):
    ...     return tg.nn.Sequential(
    ...         tg.nn.Linear(2, 8, rng=rng), tg.nn.Tanh(), tg.nn.Linear(8, 2, rng=rng)
    ...     )
    >>> def train(model, rng):
    ...     optimizer = tg.optim.Adam(model.parameters(), lr=0.05)
    ...     tg.train.fit(model, tg.nn.CrossEntropyLoss(), optimizer, [(X, y)], epochs=100)
    >>> ensemble = tg.train.train_ensemble(build, train, 3, executor=tg.train.SerialExecutor())
    >>> tg.train.accuracy(ensemble(X).data, y) > 0.9
    True
    """
    if n < 1:
        raise UsageError(f"an ensemble needs at least 1 member, got n={n}")
    if combine not in get_args(Combine):
        raise UsageError(f'combine is "prob", "logit" or "vote", got {combine!r}')
    states = run_trials(
        partial(_trained, build, train), [None] * n, seed=seed, executor=executor,
        workers=workers, retries=retries, tick=tick,
    )  # fmt: skip
    models = []
    for number, state in enumerate(states):
        model = build(trial_rng(check_seed(seed), number))
        model.load_state_dict(state)
        models.append(model)
    return Ensemble(models, combine).eval()


def _trained(
    build: Callable[[np.random.Generator], Module],
    train: Callable[[Module, np.random.Generator], object],
    _: None,
    rng: np.random.Generator,
) -> dict[str, NDArray[Any]]:
    model = build(rng)
    train(model, rng)
    return model.state_dict()
