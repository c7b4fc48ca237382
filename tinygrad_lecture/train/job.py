"""The whole job of ``tinygrad-lecture train``: data, network, training, test, files."""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..data import DataLoader, Dataset, Splits, load
from ..errors import UsageError
from ..nn import functional as F
from ..optim.swa_utils import AveragedModel, get_ema_avg_fn
from .archive import load_archive, save_archive, write_atomically
from .checkpoint import Checkpoint, load_checkpoint
from .choices import ACTIVATIONS, INITIALIZERS, SCHEDULES, make_optimizer
from .csv_log import MetricsCSV
from .evaluate import predict
from .loop import fit
from .metrics import accuracy, confusion_matrix
from .monitor import Monitor
from .page import THEMES, report_page
from .pictures import PICTURES, draw_pictures
from .run import Callback, DivergenceError, Run
from .settings import Settings, as_text
from .stopping import EarlyStopping

__all__ = ["Report", "load_model", "resume_classifier", "train_classifier"]

FILES = ("model.npz", "config.json", "metrics.csv", "monitor.csv", "checkpoint.npz")
MODEL, CONFIG, METRICS, MONITOR, CHECKPOINT = FILES
PAGE = "report.html"
ALL = (*FILES, *PICTURES, PAGE)
NETWORK = ("init", "activation", "batch_norm", "residual", "dropout")  # settings that `build` takes
ROWS = 1024  # of one batch when nothing is learned from it


@dataclass(frozen=True)
class Report:
    """What came out of a job.

    Attributes
    ----------
    settings : Settings
    reason : str
        "finished", "interrupted" (Ctrl-C) or "diverged" (the loss was not finite).
    message : str
        More about the reason, or empty.
    samples : dict
        Sizes of the parts "train", "validation", "test".
    sizes : list of int
        Widths of the network from input to output.
    parameters : int
        Number of trainable numbers.
    epochs : int
        Finished epochs.
    best_epoch : int or None
        The epoch whose weights were kept: the one of the smallest validation loss.
    test_accuracy, test_loss : float or None
        Of the best epoch; None if no epoch was finished.
    confusion : ndarray or None
        Confusion matrix on the test part.
    seconds : float
    files : dict of str to str
        What was written, by name.
    notes : list of str
        Why a picture is missing, such as a package that would have to be installed.
    """

    settings: Settings
    reason: str
    message: str
    samples: dict[str, int]
    sizes: list[int]
    parameters: int
    epochs: int
    best_epoch: int | None
    seconds: float
    test_accuracy: float | None = None
    test_loss: float | None = None
    confusion: NDArray[np.int64] | None = None
    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data for JSON."""
        plain = {**vars(self), "settings": asdict(self.settings)}
        plain["confusion"] = None if self.confusion is None else self.confusion.tolist()
        return plain


def build(
    sizes: Sequence[int],
    mean: Any,
    std: Any,
    dtype: Any,
    rng: Any,
    *,
    init: str = "kaiming_uniform",
    activation: str = "relu",
    batch_norm: bool = False,
    residual: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Return standardization, then linear layers with activations between them."""
    initializer = INITIALIZERS[init]
    rng = np.random.default_rng(rng)

    def linear(i: int) -> nn.Linear:
        return nn.Linear(sizes[i], sizes[i + 1], rng=rng, dtype=dtype, init=initializer)

    model = nn.Sequential(nn.Standardize(mean, std, dtype=dtype))
    for i in range(len(sizes) - 2):
        layer: list[nn.Module] = [linear(i)]
        if batch_norm:
            layer.append(nn.BatchNorm1d(sizes[i + 1], dtype=dtype))
        layer.append(ACTIVATIONS[activation]())
        if dropout:
            layer.append(nn.Dropout(dropout, rng=rng))
        parts = [Shortcut(*layer)] if residual and sizes[i] == sizes[i + 1] else layer
        for part in parts:
            model.append(part)
    return model.append(linear(len(sizes) - 2))


class Shortcut(nn.Sequential):
    """``x + f(x)``, f being a chain of modules that keeps the width (L58)."""

    def forward(self, x: Any) -> Any:
        """Add what the chain gives."""
        return x + super().forward(x)


def load_model(path: str | os.PathLike[str]) -> nn.Sequential:
    """Return the network that a job saved as ``model.npz``, in evaluation mode.

    It takes the features as `tinygrad_lecture.data.load` gives them and returns logits.

    Parameters
    ----------
    path : path
        The file, or the folder that holds ``model.npz``.

    Raises
    ------
    UsageError
        If the file is missing, damaged or something else.
    """
    file = Path(path, MODEL) if Path(path).is_dir() else Path(path)
    tree = load_archive(file, "model")
    try:
        model = build(
            tree["sizes"], 0.0, 1.0, np.dtype(tree["dtype"]), rng=0, **tree.get("network", {})
        )
        model.load_state_dict(tree["weights"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file} is not a model that can be read: {error}") from error
    return model.eval()


def train_classifier(
    settings: Settings,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    callbacks: Sequence[Callback] = (),
    compile: bool = True,
    pictures: bool = False,
    page: bool = False,
) -> Report:
    """Train a classifier and write model, configuration, metrics and checkpoint into a folder.

    Parameters
    ----------
    settings : Settings
    folder : path
        Made if it is not there.
    overwrite : bool
        Whether the files of an earlier run in the folder may be replaced.
    callbacks : sequence of Callback
        For progress.
    compile : bool, default True
        Compile the training step; both ways give the same to rounding.
    pictures : bool, default False
        Write ``curves.svg``, ``layers.svg`` and ``backprop.svg``; extras plots and viz.
    page : bool, default False
        Write ``report.html``: one page, that loads nothing, with pictures, configuration, metrics
        and confusion matrix.

    Returns
    -------
    Report
        Also after Ctrl-C or a diverged loss; see its ``reason``.

    Raises
    ------
    UsageError
        If the data cannot be read, the folder not be written, or it holds a run already.
    """
    data = load(settings.dataset)
    out = Path(folder)
    try:
        out.mkdir(parents=True, exist_ok=True)
        old = [name for name in ALL if (out / name).exists()]
        if old and not overwrite:
            raise UsageError(
                f"{out} already holds a run ({', '.join(old)}); go on with --resume {out}, start"
                " anew with --overwrite, or choose another folder with --out"
            )
        for name in old:
            (out / name).unlink()
    except OSError as error:
        raise UsageError(f"cannot write into {out}: {error.strerror or error}") from error
    _write_config(out, settings, data)
    return _job(settings, data, out, callbacks, None, compile, pictures, page)


def resume_classifier(
    folder: str | os.PathLike[str],
    *,
    epochs: int | None = None,
    callbacks: Sequence[Callback] = (),
    compile: bool = True,
    pictures: bool = False,
    page: bool = False,
    **given: Any,
) -> Report:
    """Go on with the run in a folder, bit for bit as if it had not ended.

    Parameters
    ----------
    folder : path
        Where `train_classifier` wrote.
    epochs : int, optional
        New number of epochs in all.
    callbacks : sequence of Callback
    compile, pictures, page : bool
        As in `train_classifier`.
    **given
        Other settings by name: accepted only if they are what the run was started with.

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        If the folder holds no run, files are damaged, the data changed, or settings differ.
    """
    out = Path(folder)
    config = _read_config(out)
    try:
        old = Settings(**{**config["settings"], "hidden": tuple(config["settings"]["hidden"])})
    except (KeyError, TypeError, UsageError) as error:
        raise UsageError(
            f"{out / CONFIG} is not a configuration that can be read: {error}"
        ) from error
    for name, value in given.items():
        if value != getattr(old, name):
            raise UsageError(
                f"{name} was {as_text(getattr(old, name))} when the run in {out} was started, got"
                f" {as_text(value)}; a resumed run keeps its settings, only epochs may change"
            )
    settings = old if epochs is None else replace(old, epochs=epochs)
    data = load(settings.dataset)
    if _fingerprint(data) != config.get("fingerprint"):
        raise UsageError(
            f"the data of {settings.dataset} are not those that the run in {out} started with"
        )
    if not ((out / CHECKPOINT).exists() or (out / MODEL).exists()):
        _write_config(out, settings, data)  # it ended before it had anything to go on with
        return _job(settings, data, out, callbacks, None, compile, pictures, page)
    state = load_checkpoint(out / CHECKPOINT)
    theirs, ours = state.get("info", {}), _info(settings, data)
    if theirs != ours:
        other = theirs.get("settings", {})
        differ = [k for k, v in ours["settings"].items() if other.get(k) != v] or ["data"]
        raise UsageError(
            f"{out / CHECKPOINT} belongs to another run: {', '.join(differ)} differ from {CONFIG}"
        )
    if settings.epochs < state["epoch"]:
        raise UsageError(
            f"epochs must be at least {state['epoch']}, which the run in {out} has finished; got"
            f" {settings.epochs}"
        )
    _write_config(out, settings, data)
    return _job(settings, data, out, callbacks, state, compile, pictures, page)


def _job(
    settings: Settings,
    data: Splits,
    out: Path,
    callbacks: Sequence[Callback],
    state: Any,
    compile: bool,
    pictures: bool,
    page: bool,
) -> Report:
    begin = time.perf_counter()
    dtype = np.dtype(np.float32) if data.train[:1][0].dtype == np.float32 else np.dtype(np.float64)
    classes = data.train.n_classes
    sizes = [data.train.sample_shape[0], *settings.hidden, int(classes or 0)]
    mean, std = _mean_and_std(data.train)
    model = build(
        sizes, mean, std, dtype, np.random.default_rng(settings.seed), **_network(settings)
    )
    optimizer = make_optimizer(settings.optimizer, model.parameters(), asdict(settings))
    ema = settings.ema and AveragedModel(model, get_ema_avg_fn(settings.ema))
    watching: list[Callback] = []
    if settings.early_stopping:
        watching.append(EarlyStopping(settings.early_stopping))
    loader = DataLoader(data.train, settings.batch, seed=settings.seed)
    every = _thinning(len(loader)) if settings.monitor is None else settings.monitor
    monitor = Monitor(every, out / MONITOR) if every else None
    if monitor is not None:
        watching.append(monitor)
    message = ""
    try:
        run = fit(
            model,
            nn.CrossEntropyLoss(),
            optimizer,
            loader,
            DataLoader(data.validation, ROWS, shuffle=False),
            epochs=settings.epochs,
            metrics={"accuracy": accuracy},
            callbacks=[
                *callbacks,
                *watching,
                MetricsCSV(out / METRICS),
                Checkpoint(out / CHECKPOINT, info=_info(settings, data)),
            ],
            scheduler=SCHEDULES[settings.schedule](optimizer, settings.epochs),
            average=ema or None,
            resume=state,
            compile=compile,
            progress=False,  # the caller's callbacks show it
        )
    except DivergenceError as error:
        run, message = error.run, str(error)
    report = Report(
        settings, run.reason, message, {name: len(part) for name, part in data._asdict().items()},
        sizes, model.num_parameters(), run.epoch, run.best.epoch if run.best else None,
        time.perf_counter() - begin,
    )  # fmt: skip
    report = _finish(report, run, data.test, out, str(dtype))
    if pictures or page:
        rows = monitor.rows if monitor is not None else []
        report = _show(report, run, rows, data.test[:1], out, pictures, page)
    return replace(report, files={n: str(out / n) for n in ALL if (out / n).exists()})


def _show(
    report: Report, run: Run, rows: list[dict[str, Any]], sample: Any, out: Path, pictures: bool,
    page: bool,
) -> Report:  # fmt: skip
    """Write pictures and page."""
    name = Path(report.settings.dataset).name
    drawn: dict[str, dict[str, str]] = {}
    notes: list[str] = []
    for theme in THEMES if page else THEMES[:1]:
        drawn[theme], notes = draw_pictures(
            run.history, rows, run.model, run.loss, sample, name, theme
        )
    if pictures:
        for file, svg in drawn[THEMES[0]].items():
            _write_text(out / file, svg)
    if page:
        _write_text(out / PAGE, report_page(report.to_json(), run.history, drawn, notes))
    return replace(report, notes=notes)


def _finish(report: Report, run: Run, test: Dataset, out: Path, dtype: str) -> Report:
    """Test the best weights and save them, if an epoch was finished."""
    if run.best is not None:
        tree = {"sizes": report.sizes, "dtype": dtype, "weights": run.best.weights,
                "network": _network(report.settings)}  # fmt: skip
        save_archive(out / MODEL, "model", tree)
        batches = list(DataLoader(test, ROWS, shuffle=False))
        logits = np.concatenate([predict(run.model, X) for X, _ in batches])
        labels = np.concatenate([y for _, y in batches])
        report = replace(
            report,
            test_accuracy=accuracy(logits, labels),
            test_loss=float(F.cross_entropy(logits, labels)),
            confusion=confusion_matrix(labels, logits.argmax(axis=1), report.sizes[-1]),
        )
    return report


def _mean_and_std(train: Dataset) -> tuple[float, float]:
    """Return one mean and deviation over all features, so that constant ones do no harm."""
    loader = DataLoader(train, ROWS, shuffle=False)
    count = len(train) * int(np.prod(train.sample_shape))
    mean = sum(float(X.sum(dtype=np.float64)) for X, _ in loader) / count
    square = sum(float(np.square(X - mean, dtype=np.float64).sum()) for X, _ in loader) / count
    return mean, float(np.sqrt(square)) or 1.0


def _thinning(per_epoch: int) -> Callable[[int], bool]:
    """Return a rule for looks: at 16 epochs, then every second until 32, every fourth until 64 ...

    It knows nothing of the number of epochs, which a resumed training may change.
    """

    def due(step: int) -> bool:
        epoch, later = divmod(step, per_epoch)
        return not later and epoch % (1 << (epoch // 16).bit_length()) == 0

    return due


def _network(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in NETWORK}


def _info(settings: Settings, data: Splits) -> dict[str, Any]:
    """Return what a checkpoint has to agree in with the run that goes on from it."""
    same = {name: value for name, value in asdict(settings).items() if name != "epochs"}
    return {"settings": {**same, "hidden": list(settings.hidden)}, "data": _fingerprint(data)}


def _fingerprint(data: Splits) -> int:
    crc = 0
    for part in data:
        for array in (part.inputs, part.targets):
            crc = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data, crc)
    return crc


def _write_config(out: Path, settings: Settings, data: Splits) -> None:
    config = {"settings": asdict(settings), "fingerprint": _fingerprint(data)}
    _write_text(out / CONFIG, json.dumps(config, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def _read_config(out: Path) -> dict[str, Any]:
    try:
        config = json.loads((out / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{out} holds no run to resume: there is no {CONFIG} in it") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{out / CONFIG} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise UsageError(f"{out / CONFIG} is not the configuration of a run")
    return config
