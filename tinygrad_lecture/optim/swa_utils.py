"""Averages of weights along the way of training (L22, L40): EMA, SWA, and what they need."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..engine import no_grad
from ._checks import check_choice, check_count, check_number
from .lr_scheduler import LRScheduler
from .optimizer import Optimizer

if TYPE_CHECKING:
    from ..nn import Module

__all__ = ["SWALR", "AveragedModel", "get_ema_avg_fn", "get_swa_avg_fn", "update_bn"]

Average = Callable[[Any, Any, int], Any]
"""``avg_fn(averaged, current, n)``: the next average of one array after n earlier ones."""


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Return the exponential moving average, θ̄ ← d θ̄ + (1 − d) θ (L40).

    It remembers about 1/(1 − d) steps: 200 for the lecture's d = .995.

    Parameters
    ----------
    decay : float
        d in [0, 1].

    Raises
    ------
    ValueError
        If it lies outside.

    Examples
    --------
    >>> from tinygrad_lecture.optim.swa_utils import get_ema_avg_fn
    >>> get_ema_avg_fn(0.9)(1.0, 2.0, 5)
    1.1
    """
    d = check_number("get_ema_avg_fn", "decay", decay, 0.0)
    if d > 1.0:
        raise ValueError(f"get_ema_avg_fn: decay must lie in [0, 1], got {decay}")

    def average(averaged: Any, current: Any, n: int) -> Any:
        return d * averaged + (1.0 - d) * current

    return average


def get_swa_avg_fn() -> Average:
    """Return the plain mean of all so far, θ̄ ← θ̄ + (θ − θ̄)/(n + 1): Polyak and Ruppert (L22).

    Examples
    --------
    >>> from tinygrad_lecture.optim.swa_utils import get_swa_avg_fn
    >>> get_swa_avg_fn()(1.0, 4.0, 2)
    2.0
    """

    def average(averaged: Any, current: Any, n: int) -> Any:
        return averaged + (current - averaged) / (n + 1)

    return average


class AveragedModel:
    """A copy of a model whose parameters are an average of the model's over time (L40).

    The first update copies the weights: an average that began at the start weights, or at 0, would
    drag them along.  Normalization statistics belong to the weights of the model, not to their
    average: call `update_bn` before the average is used.  It is updated beside a compiled step, not
    inside of one, as `tinygrad_lecture.train.fit` does.

    Parameters
    ----------
    model : Module
        Copied; `module` is the copy.
    avg_fn : callable, optional
        ``avg_fn(averaged, current, n)`` for one array: `get_swa_avg_fn()`, the plain mean, by
        default; `get_ema_avg_fn(decay)`, or one of your own.
    use_buffers : bool
        Whether floating-point buffers are averaged as well; else they are copied from the model.

    Attributes
    ----------
    module : Module
        The averaged model; calling this object calls it.
    n_averaged : int
        Updates so far.

    Raises
    ------
    TypeError
        If `avg_fn` is not callable.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> model = tg.nn.Linear(1, 1, bias=False)
    >>> average = tg.optim.swa_utils.AveragedModel(model)
    >>> for w in (1.0, 2.0, 6.0):
    ...     model.weight.data = [[w]]
    ...     average.update_parameters(model)
    >>> average.module.weight.data, average.n_averaged
    (array([[3.]]), 3)
    """

    def __init__(
        self, model: Module, avg_fn: Average | None = None, use_buffers: bool = False
    ) -> None:
        if avg_fn is not None and not callable(avg_fn):
            raise TypeError(
                "AveragedModel: avg_fn takes (averaged, current, n) and gives the next average, got"
                f" {type(avg_fn).__name__}; get_ema_avg_fn(0.995) makes one"
            )
        self.module = copy.deepcopy(model)
        self.avg_fn = avg_fn or get_swa_avg_fn()
        self.use_buffers = bool(use_buffers)
        self.n_averaged = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the averaged model."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's weights, as they are now, into the average.

        Raises
        ------
        ValueError
            If the model has other parameters than the one that was copied.
        """
        ours, theirs = dict(self.module.named_parameters()), dict(model.named_parameters())
        shapes = [{k: v.shape for k, v in named.items()} for named in (ours, theirs)]
        if shapes[0] != shapes[1]:
            differing = sorted(set(shapes[0].items()) ^ set(shapes[1].items()))
            raise ValueError(
                f"AveragedModel.update_parameters: the model has other parameters than the one"
                f" that was copied: {differing[0][0]} of shape {differing[0][1]}"
            )
        for name, p in ours.items():
            p.data = self._next(p.data, theirs[name].data)
        mine = dict(self.module.named_modules())
        for path, module in model.named_modules():
            for name in module._buffers:
                now = np.asarray(getattr(module, name))
                averaged = self.use_buffers and now.dtype.kind == "f"
                fresh = self._next(getattr(mine[path], name), now) if averaged else now.copy()
                setattr(mine[path], name, fresh)
        self.n_averaged += 1

    def _next(self, averaged: Any, current: Any) -> Any:
        if self.n_averaged == 0:
            return np.array(current)
        return self.avg_fn(averaged, current, self.n_averaged)

    def state_dict(self) -> dict[str, Any]:
        """Return the averaged arrays by name, and ``n_averaged``."""
        state = {f"module.{name}": array for name, array in self.module.state_dict().items()}
        return {"n_averaged": np.array(self.n_averaged), **state}

    def load_state_dict(self, state: Any) -> None:
        """Go on with what `state_dict` gave.

        Raises
        ------
        KeyError, ValueError
            If it is of another model.
        """
        prefix = "module."
        arrays = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        self.module.load_state_dict(arrays)
        self.n_averaged = int(state["n_averaged"])


def update_bn(loader: Iterable[Any], model: Any) -> None:
    """Measure the statistics of all batch normalizations anew, as plain means over the batches.

    Averaged weights were never run in training, so nothing is known about what flows between
    their layers.

    Parameters
    ----------
    loader : iterable
        Of inputs, or of tuples whose first item they are.
    model : Module or AveragedModel
        Run forward in training mode, without derivatives; its mode is as before afterwards.

    Raises
    ------
    ValueError
        If there are no batches.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> model = tg.nn.Sequential(tg.nn.BatchNorm1d(1))
    >>> tg.optim.swa_utils.update_bn([np.array([[1.0], [3.0]]), np.array([[3.0], [5.0]])], model)
    >>> model[0].running_mean
    array([3.])
    """
    inner = model.module if isinstance(model, AveragedModel) else model
    modes = [(m, m.training) for m in inner.modules()]
    norms: list[Any] = [m for m, _ in modes if getattr(m, "running_mean", None) is not None]
    if not norms:
        return
    momenta = [(m, m.momentum) for m in norms]
    batches = 0
    try:
        inner.train()
        for m in norms:
            m.reset_running_stats()
            m.momentum = None  # the plain mean
        with no_grad():
            for batch in loader:
                inner(batch[0] if isinstance(batch, (tuple, list)) else batch)
                batches += 1
    finally:
        for m, momentum in momenta:
            m.momentum = momentum
        for m, mode in modes:
            m.training = mode
    if not batches:
        raise ValueError("update_bn: the loader gave no batches, so nothing was measured")


class SWALR(LRScheduler):
    """Go over to the constant rate of weight averaging, in `anneal_epochs` steps (L22, L40).

    lr(t) = α lr_swa + (1 − α) lr₀ with α = ½(1 − cos πs) or s; s = min(1, t/T), and 1 for T = 0.

    Parameters
    ----------
    optimizer : Optimizer
    swa_lr : float or list of float
        ≥ 0; one for all groups, or one each.
    anneal_epochs : int
        T ≥ 0.
    anneal_strategy : {"cos", "linear"}
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        For an unknown strategy, or settings out of their ranges.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> schedule = tg.optim.swa_utils.SWALR(optimizer, 0.5, 2, anneal_strategy="linear")
    >>> schedule.lrs(4)
    array([1.  , 0.75, 0.5 , 0.5 ])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_choice("SWALR", "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.optimizer = self._checked(optimizer)
        self.swa_lrs = self._per_group("swa_lr", swa_lr)
        self.anneal_epochs = check_count("SWALR", "anneal_epochs", anneal_epochs, 0)
        self.anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def lr_at(self, t: int) -> list[float]:
        """Rates at step t, for each group."""
        s = min(1.0, t / self.anneal_epochs) if self.anneal_epochs else 1.0
        alpha = s if self.anneal_strategy == "linear" else (1.0 - math.cos(math.pi * s)) / 2.0
        pairs = zip(self.swa_lrs, self.base_lrs, strict=True)
        return [alpha * end + (1.0 - alpha) * start for end, start in pairs]
