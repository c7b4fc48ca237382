"""Checks before training: inputs, initial loss, regularization, a tiny subset (L61, L62)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data import Dataset, shuffle_by_class
from ...engine import no_grad
from ...errors import UsageError
from ...nn import CrossEntropyLoss, Dropout, Module
from ...nn import functional as F
from ...optim import Adam
from ..evaluate import evaluate
from ..metrics import accuracy
from ..state import undisturbed
from .finding import Finding, Loss, Verdict, training_step

__all__ = ["check_initial_loss", "check_inputs", "check_regularization", "overfit_tiny"]

TINY_LOSS = 0.02


def check_inputs(X: NDArray[Any]) -> Finding:
    """Look whether what enters the first layer is centred and scaled (L61, L66).

    A mean of 0 and a standard deviation of 1, over all numbers together, is what initializers
    count on. Means beyond ±½ and deviations outside of ½ to 2 are told.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> images = tg.data.load_digits()[:][0] * 255
    >>> print(tg.train.babysit.check_inputs(images))
    warning inputs: mean 77.8, deviation 95.9: centre and scale them (data.Standardize)
    """
    X = np.asarray(X, dtype=float)
    if X.size == 0:
        raise UsageError(f"X must hold numbers, got shape {X.shape}")
    mean, std = float(X.mean()), float(X.std())
    numbers = {"mean": mean, "std": std}
    told = f"mean {mean:.3g}, deviation {std:.3g}"
    if not np.isfinite(X).all():
        return Finding("inputs", "failed", "some are inf or nan", numbers)
    if abs(mean) > 0.5 or not 0.5 < std < 2:
        advice = ": centre and scale them (data.Standardize)"
        return Finding("inputs", "warning", told + advice, numbers)
    return Finding("inputs", "ok", told, numbers)


def check_initial_loss(
    model: Module, batch: tuple[Any, Any], classes: int, tol: float = 0.05, loss: Loss | None = None
) -> Finding:
    """Compare the loss before training with that of equal probabilities, ln C (L61).

    A loss above it means that the network is confident of something before it has seen anything:
    its last layer is too large. With weights of the last layer times 0.01 the two agree.

    Parameters
    ----------
    model : Module
        Untrained.
    batch : (inputs, targets)
    classes : int
        C ≥ 2.
    tol : float
        Largest difference that is fine. From ln C on, the check fails.
    loss : callable, optional
        Without regularization; `CrossEntropyLoss` by default.

    Raises
    ------
    UsageError
        For fewer classes, or a tolerance that is not positive.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.load_digits()[:100]
    >>> model = tg.nn.Linear(64, 10, rng=0)
    >>> print(tg.train.babysit.check_initial_loss(model, (X, y), 10))
    ok      initial loss: 2.333, and ln 10 = 2.303
    >>> model.weight.data = 5 * model.weight.data
    >>> print(tg.train.babysit.check_initial_loss(model, (X, y), 10))
    warning initial loss: 3.127, and ln 10 = 2.303: make the weights of the last layer smaller
    """
    if classes < 2:
        raise UsageError(f"classes must be at least 2, got {classes}")
    if not tol > 0:
        raise UsageError(f"tol must be positive, got {tol}")
    inputs, targets = batch
    value = evaluate(model, [(inputs, targets)], loss or CrossEntropyLoss())["loss"]
    chance = math.log(classes)
    numbers = {"loss": value, "chance": chance}
    told = f"{value:.4g}, and ln {classes} = {chance:.4g}"
    if not math.isfinite(value):
        return Finding("initial loss", "failed", f"{value}: the network overflows", numbers)
    if abs(value - chance) <= tol:
        return Finding("initial loss", "ok", told, numbers)
    if value > chance:
        told += ": make the weights of the last layer smaller"
    else:
        told += ": lower than chance, so the network or its biases know the answers already"
    verdict: Verdict = "warning" if abs(value - chance) < chance else "failed"
    return Finding("initial loss", verdict, told, numbers)


def check_regularization(
    model: Module,
    batch: tuple[Any, Any],
    lams: Sequence[float] = (1e-3, 1e-1, 1e1, 1e3),
    loss: Loss | None = None,
    penalty: Callable[[Iterable[Any], float], Any] = F.l2_penalty,
) -> Finding:
    """Turn the regularization up: the loss must rise each time (L61).

    With the default penalty, loss(λ) = loss(0) + ½λ‖W‖².

    Parameters
    ----------
    model : Module
    batch : (inputs, targets)
    lams : sequence of float
        Rising, the first above 0.
    loss : callable, optional
        `CrossEntropyLoss` by default.
    penalty : callable
        ``penalty(parameters, lam)``, which is added to the loss.

    Raises
    ------
    UsageError
        If the strengths do not rise from above 0.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.load_digits()[:100]
    >>> model = tg.nn.Linear(64, 10, rng=0)
    >>> print(tg.train.babysit.check_regularization(model, (X, y), lams=[1e-3, 1.0]))
    ok      regularization: the loss rises with it: 2.333, 2.335 and 3.996 at 0, 0.001 and 1
    """
    strengths = [0.0, *map(float, lams)]
    if len(strengths) < 2 or any(a >= b for a, b in pairwise(strengths)):
        raise UsageError(f"lams must rise from above 0, got {list(lams)}")
    base = evaluate(model, [batch], loss or CrossEntropyLoss())["loss"]
    with no_grad():
        added = [np.asarray(penalty(list(model.parameters()), lam)) for lam in strengths]
    losses = [base + float(value) for value in added]
    told = f"{_listed(losses)} at {_listed(strengths)}"
    numbers = {"lams": strengths, "losses": losses}
    if all(a < b for a, b in pairwise(losses)):
        return Finding("regularization", "ok", f"the loss rises with it: {told}", numbers)
    text = f"the loss does not rise with it: {told}; the penalty is not added, or all weights are 0"
    return Finding("regularization", "failed", text, numbers)


def overfit_tiny(
    model: Module,
    data: Dataset,
    n: int = 20,
    steps: int = 500,
    lr: float = 0.01,
    loss: Loss | None = None,
    seed: int = 0,
    compile: bool = True,
) -> Finding:
    """Train a copy on a few examples, without regularization, until it knows them by heart (L62).

    A network that cannot do that has a bug: in the gradients, the labels, or the loss. It must
    reach a training accuracy of 1 and a loss below 0.02, by Adam on all examples at once.

    Parameters
    ----------
    model : Module
        Copied; dropout is off in the copy.
    data : Dataset
        With classes; `n` examples are drawn, all classes among them.
    n, steps : int
    lr : float
    loss : callable, optional
        `CrossEntropyLoss` by default.
    seed : int
        Draws the examples.
    compile : bool

    Raises
    ------
    UsageError
        If n or steps are below 1, or the data have no classes.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.spirals(300, noise=0.2, seed=0)
    >>> data = tg.data.Dataset(X, y, "spirals", n_classes=3)
    >>> model = tg.nn.Sequential(
    ...     tg.nn.Linear(2, 50, rng=0), tg.nn.Tanh(), tg.nn.Linear(50, 3, rng=1)
    ... )
    >>> tg.train.babysit.overfit_tiny(model, data).verdict
    'ok'
    """
    if n < 1 or steps < 1:
        raise UsageError(f"n and steps must be at least 1, got {n} and {steps}")
    inputs, targets = shuffle_by_class(data, seed)[:n]
    student, criterion = copy.deepcopy(model).train(), loss or CrossEntropyLoss()
    for module in student.modules():
        if isinstance(module, Dropout):
            module.eval()
    optimizer = Adam(student.parameters(), lr=lr)
    take_step = training_step(student, criterion, optimizer, compile)
    with np.errstate(over="ignore", invalid="ignore"):
        losses = [take_step(inputs, targets).item() for _ in range(steps)]
        with undisturbed(student, criterion), no_grad():
            outputs = student(inputs)
            final = criterion(outputs, targets).item()
    right = accuracy(np.asarray(outputs.data), targets)
    numbers = {"n": len(targets), "loss": final, "accuracy": right, "start": losses[0]}
    told = f"{len(targets)} examples: accuracy {right:.3g}, loss {final:.3g} after {steps} steps"
    if right == 1 and final < TINY_LOSS:
        return Finding("overfit a tiny subset", "ok", told, numbers)
    why = "; a network that cannot learn these by heart has a bug (gradients, labels, loss)"
    if math.isfinite(final) and final < losses[0] / 2:
        why = "; it learns: give it more steps, another learning rate, or more units"
    return Finding("overfit a tiny subset", "failed", told + why, numbers)


def _listed(numbers: Sequence[float]) -> str:
    *first, last = (f"{number:.4g}" for number in numbers)
    return f"{', '.join(first)} and {last}"
