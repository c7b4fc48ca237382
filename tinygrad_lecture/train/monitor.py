"""`Monitor`: activations, gradients and updates of every layer over time (L41, L65)."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..data import _checks
from ..errors import UsageError
from .archive import write_atomically
from .checkpoint import checkpoint_paths, load_checkpoint
from .preserve import preserved
from .run import Callback, Run
from .state import load_random_state, undisturbed

__all__ = ["Monitor", "analyze", "look"]

Row = dict[str, Any]

BOUNDS: dict[type[nn.Module], tuple[float, float]] = {
    nn.Tanh: (-0.99, 0.99),
    nn.Sigmoid: (0.01, 0.99),
    nn.LeCunTanh: (-0.99 * 1.7159, 0.99 * 1.7159),
}
"""Outputs beyond these are saturated."""

STUCK, LARGE, SMALL = 0.5, 0.1, 1e-6  # when `Monitor.words` speaks


def look(model: nn.Module, loss: Callable[[Any, Any], Any], inputs: Any, targets: Any) -> list[Row]:
    """Measure every layer in one forward and backward pass of its own (L41).

    Modes, buffers, random generators and gradients are put back afterwards, so the next training
    step is the same to the last bit; with dropout, the pass sees the zeros of that step.

    Parameters
    ----------
    model : Module
        In the mode that it is in.
    loss : callable
        ``loss(model(inputs), targets)``, a scalar Value.
    inputs, targets
        One batch.

    Returns
    -------
    list of dict
        A row per module without children, in the order of their first calls: ``layer``, ``kind``;
        ``act_mean``, ``act_std`` of its output; ``grad_mean``, ``grad_std`` of the adjoint of its
        output; ``dead_fraction``, the share of ReLU units (axis 1) that are 0 for the whole batch;
        ``saturated_fraction``, the share of outputs of tanh beyond ±0.99, or of a sigmoid beyond
        0.01 and 0.99; ``weight_norm`` and ``weight_grad_norm``, of ``weight``; ``nonfinite``, how
        many numbers of output, adjoint and gradient are inf or nan, which the others leave out.
        What a layer does not have is None.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 4, rng=0), tg.nn.ReLU())
    >>> model[0].bias.data = np.full(4, -10.0)
    >>> rows = tg.train.look(model, tg.nn.MSELoss(), np.ones((3, 2)), np.ones((3, 4)))
    >>> [(row["layer"], row["dead_fraction"]) for row in rows]
    [('0', None), ('1', 1.0)]
    """
    with undisturbed(model, loss), np.errstate(all="ignore"), contextlib.ExitStack() as stack:
        seen: dict[str, tuple[nn.Module, Any]] = {}
        adjoints: dict[str, Any] = {}
        for name, module in model.named_modules():
            vars(module).update(_hooks=None, _hooked=None)  # hooks of others are not called
            if any(True for _ in module.children()):
                continue

            def keep(module: nn.Module, args: Any, output: Any, name: str = name) -> None:
                if hasattr(output, "data"):
                    seen.setdefault(name, (module, np.asarray(output.data)))

            def keep_adjoint(module: nn.Module, g: tuple[Any, ...], name: str = name) -> None:
                adjoints[name] = np.asarray(g[0])

            stack.enter_context(module.register_forward_hook(keep))
            stack.enter_context(module.register_full_backward_pre_hook(keep_adjoint))
        loss(model(inputs), targets).backward()
        return [
            _measure(name, module, output, adjoints.get(name))
            for name, (module, output) in seen.items()
        ]


def _measure(name: str, module: nn.Module, output: NDArray[Any], adjoint: Any) -> Row:
    weight = getattr(module, "weight", None)
    weight = weight if isinstance(weight, nn.Parameter) else None
    gradient = None if weight is None else weight.grad
    arrays = [x for x in (output, adjoint, gradient) if x is not None]
    act, back = _finite(output), None if adjoint is None else _finite(adjoint)
    row: Row = {
        "layer": name,
        "kind": type(module).__name__,
        "act_mean": float(act.mean()) if act.size else None,
        "act_std": float(act.std()) if act.size else None,
        "grad_mean": None if back is None or not back.size else float(back.mean()),
        "grad_std": None if back is None or not back.size else float(back.std()),
        "dead_fraction": None,
        "saturated_fraction": None,
        "weight_norm": None if weight is None else float(np.linalg.norm(weight.data)),
        "weight_grad_norm": None if gradient is None else float(np.linalg.norm(_finite(gradient))),
        "nonfinite": sum(int(np.count_nonzero(~np.isfinite(x))) for x in arrays),
    }
    if isinstance(module, nn.ReLU) and output.ndim > 1:
        others = tuple(axis for axis in range(output.ndim) if axis != 1)
        row["dead_fraction"] = float(np.mean(~(output > 0).any(axis=others)))
    if type(module) in BOUNDS and output.size:
        low, high = BOUNDS[type(module)]
        row["saturated_fraction"] = float(np.mean((output < low) | (output > high)))
    return row


def _finite(x: Any) -> NDArray[Any]:
    array: NDArray[Any] = np.asarray(x)
    finite: NDArray[Any] = array[np.isfinite(array)]
    return finite


class Monitor(Callback):
    """Watch every layer while `fit` trains: activations, gradients, updates (L41, L65).

    It looks by a pass of its own (`look`) just before a step, at the batch of that step, so that
    the training goes on to the last bit as if it were not there, eagerly and compiled.

    Parameters
    ----------
    every : int or callable
        Look before every so many steps, >= 1; or ``every(step)`` tells whether to look.
    path : path, optional
        A CSV file that is written at the end of each epoch; its folder must exist.

    Attributes
    ----------
    rows : list of dict
        As `look` gives them, with ``step``: how many steps the weights have behind them; and
        ``update_ratio``: ``‖W(t+1) - W(t)‖ / ‖W(t)‖`` of ``weight``, the actual update of whatever
        optimizer; about 1e-3 is a rule of thumb.

    Raises
    ------
    UsageError
        If ``every`` is below 1, or the file cannot be written.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 8, rng=0), tg.nn.Tanh(), tg.nn.Linear(8, 2, rng=1))
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> monitor = tg.train.Monitor(every=2)
    >>> run = tg.train.fit(
    ...     model,
    ...     tg.nn.CrossEntropyLoss(),
    ...     optimizer,
    ...     tg.data.moons(40, seed=0),
    ...     epochs=3,
    ...     callbacks=[monitor],
    ... )
    >>> [(row["step"], row["layer"]) for row in monitor.rows]
    [(0, '0'), (0, '1'), (0, '2'), (2, '0'), (2, '1'), (2, '2')]
    """

    def __init__(
        self,
        every: int | Callable[[int], bool] = 100,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        self.every = every if callable(every) else _checks.count("every", every, 1)
        self.path = None if path is None else Path(path)
        self.rows: list[Row] = []
        self._written = -1
        self._weights: list[tuple[Row, nn.Parameter, NDArray[Any]]] = []

    def on_batch(self, run: Run) -> None:
        """Look, if it is time, and keep the weights for the update ratio."""
        due = self.every(run.step) if callable(self.every) else run.step % self.every == 0
        if not due:
            return
        modules = dict(run.model.named_modules())
        for row in look(run.model, run.loss, run.inputs, run.targets):
            self.rows.append({"step": run.step, **row, "update_ratio": None})
            weight = getattr(modules[row["layer"]], "weight", None)
            if isinstance(weight, nn.Parameter):
                self._weights.append((self.rows[-1], weight, np.array(weight.data)))

    def on_step(self, run: Run) -> None:
        """Measure the update that the step made."""
        for row, weight, before in self._weights:
            norm = float(np.linalg.norm(before))
            moved = float(np.linalg.norm(np.asarray(weight.data) - before))
            row["update_ratio"] = moved / norm if norm else None
        self._weights = []

    def on_epoch(self, run: Run) -> None:
        """Write the file, if there are new rows."""
        if self.path is not None and self._written != len(self.rows):
            self.to_csv(self.path)
            self._written = len(self.rows)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write all rows; what a layer does not have stays empty."""
        out = io.StringIO()
        if self.rows:
            writer = csv.DictWriter(out, fieldnames=list(self.rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        write_atomically(path, lambda file: file.write(out.getvalue().encode()))

    def words(self) -> list[str]:
        """Say what is wrong in the newest rows, a sentence each; an empty list if nothing is."""
        newest = [row for row in self.rows if row["step"] == self.rows[-1]["step"]]
        said = []
        for row in newest:
            where = f"{row['layer']} ({row['kind']})"
            for share, what in (("dead_fraction", "units are dead: 0 for the whole batch"),
                                ("saturated_fraction", "outputs are saturated")):  # fmt: skip
                if (row[share] or 0.0) >= STUCK:
                    said.append(f"{where}: {row[share]:.0%} of the {what}")
            if row["nonfinite"]:
                said.append(f"{where}: {row['nonfinite']} numbers are inf or nan")
            ratio = row["update_ratio"]
            if ratio is not None and not SMALL <= ratio <= LARGE:
                rate = "large: lower" if ratio > LARGE else "small: raise"
                said.append(f"{where}: an update of {ratio:.1e} of the weights is {rate} the rate")
        return said

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, as JSON text: there may be many, and checkpoints are frequent."""
        return {"rows": json.dumps(self.rows)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after the rows of `state_dict`."""
        self.rows = json.loads(state["rows"])


def analyze(
    folder: str | os.PathLike[str],
    functions: Mapping[str, Callable[[nn.Module], Any]],
    model: nn.Module,
) -> list[Row]:
    """Measure the models that a `CheckpointManager` saved, after the training (L42).

    Parameters
    ----------
    folder : path
        With files ``step-<number>.npz``.
    functions : dict of str to callable
        Each gets the model with the weights, buffers and random state of a checkpoint, in training
        mode, and returns what is to be in its column.
    model : Module
        Of the architecture that was saved; it is as before afterwards.

    Returns
    -------
    list of dict
        A row per checkpoint, oldest first: ``step``, ``epoch`` and the columns.

    Raises
    ------
    UsageError
        If the folder holds no checkpoints, or one cannot be read or does not fit the model.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> model = tg.nn.Linear(2, 2, rng=0)
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> norm = {"norm": lambda model: float(np.linalg.norm(model.weight.data))}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = tg.train.fit(
    ...         model,
    ...         tg.nn.CrossEntropyLoss(),
    ...         optimizer,
    ...         tg.data.moons(40, seed=0),
    ...         epochs=3,
    ...         callbacks=[tg.train.CheckpointManager(folder, keep=None)],
    ...     )
    ...     rows = tg.train.analyze(folder, norm, model)
    >>> [row["step"] for row in rows], rows[-1]["norm"] == norm["norm"](model)
    ([0, 1, 2, 3], True)
    """
    paths = checkpoint_paths(Path(folder))
    if not paths:
        raise UsageError(f"{folder} holds no checkpoints (files step-<number>.npz)")
    rows = []
    for path in paths:
        state = load_checkpoint(path)
        with preserved(model):
            try:
                model.load_state_dict(state["model"])
                chance = {k: v for k, v in state["random"].items() if k.startswith("0")}
                load_random_state(chance, model)
            except (KeyError, ValueError) as error:
                raise UsageError(f"{path} does not fit the model: {error}") from error
            model.train()
            row: Row = {"step": state["step"], "epoch": state["epoch"]}
            row.update((name, function(model)) for name, function in functions.items())
        rows.append(row)
    return rows
