"""Parts of a training by name: what the command line's flags choose from."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import nn, optim
from ..errors import UsageError
from ..optim import lr_scheduler as schedules

__all__ = [
    "ACTIVATIONS", "INITIALIZERS", "OPTIMIZERS", "SCHEDULES", "choose", "make_optimizer",
]  # fmt: skip

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "swish": nn.Swish,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "lecun_tanh": nn.LeCunTanh,
    "sigmoid": nn.Sigmoid,
}

INITIALIZERS: dict[str, Callable[..., Any]] = {
    name: getattr(nn.init, f"{name}_")
    for name in (
        "kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal", "lecun_uniform",
        "lecun_normal",
    )
    if hasattr(nn.init, f"{name}_")
}  # fmt: skip

OPTIMIZERS: dict[str, type[optim.Optimizer]] = {
    name.lower(): kind
    for name, kind in vars(optim).items()
    if inspect.isclass(kind) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer
    if kind is not optim.LBFGS  # it asks for a closure, and for full batches
}

SCHEDULES: dict[str, Callable[[optim.Optimizer, int], Any]] = {
    "constant": lambda optimizer, epochs: None,
    "step": lambda optimizer, epochs: schedules.StepLR(optimizer, max(1, epochs // 3)),
    "exponential": lambda optimizer, epochs: schedules.ExponentialLR(
        optimizer, 0.01 ** (1 / epochs)
    ),
    "inverse_time": lambda optimizer, epochs: schedules.InverseTimeLR(
        optimizer, max(1.0, epochs / 10)
    ),
    "linear": lambda optimizer, epochs: schedules.PolynomialLR(optimizer, epochs),
    "cosine": lambda optimizer, epochs: schedules.CosineAnnealingLR(optimizer, epochs),
    "restarts": lambda optimizer, epochs: schedules.CosineAnnealingWarmRestarts(
        optimizer, max(1, epochs // 4)
    ),
    "plateau": lambda optimizer, epochs: schedules.ReduceLROnPlateau(
        optimizer, factor=0.3, patience=5
    ),
}
"""Learning rates that change from epoch to epoch, over so many epochs in all."""


def choose(what: str, name: str, names: Iterable[str]) -> str:
    """Return a name that is one of several, or say which there are and which is meant.

    Raises
    ------
    UsageError
        If there is none of this name.

    Examples
    --------
    >>> from tinygrad_lecture.train.choices import ACTIVATIONS, choose
    >>> choose("activation", "tanh", ACTIVATIONS)
    'tanh'
    """
    known = list(names)
    if name in known:
        return name
    near = difflib.get_close_matches(name.lower(), known, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"unknown {what} {name!r}: {meant}it is one of {', '.join(known)}")


def make_optimizer(name: str, params: Any, settings: Mapping[str, Any]) -> optim.Optimizer:
    """Return an optimizer with those settings that it has: Adam has no momentum.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.train.choices import make_optimizer
    >>> layer = tg.nn.Linear(1, 1)
    >>> type(make_optimizer("adam", layer.parameters(), {"lr": 0.1, "momentum": 0.9})).__name__
    'Adam'
    """
    kind: Any = OPTIMIZERS[choose("optimizer", name, OPTIMIZERS)]
    taken = inspect.signature(kind).parameters
    made: optim.Optimizer = kind(params, **{k: v for k, v in settings.items() if k in taken})
    return made
