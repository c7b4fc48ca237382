"""`curves`, `schedule`, `range_test`: how a training goes, and the learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .sheet import sheet
from .tables import column, read_rows, wide
from .theme import ThemeName

if TYPE_CHECKING:
    from .paper import Paper

__all__ = ["curves", "range_test", "schedule"]

PARTS = {"train": "training", "val": "validation"}


def curves(source: Any, *, theme: ThemeName = "light", title: str | None = None) -> Paper:
    """Draw loss and metrics over the epochs, training beside validation (L43).

    A dotted line marks the epoch of the smallest validation loss. Losses that differ by more than
    a factor of 30 are on a logarithmic axis. The learning rate has a panel if it changes.

    Parameters
    ----------
    source : Run, list of dict, or path
        A training, its ``history``, its ``metrics.csv``, or the folder that ``train`` wrote.
    theme : {"light", "dark"}
    title : str, optional

    Returns
    -------
    Paper
        A Matplotlib figure.

    Raises
    ------
    UsageError
        If there are no epochs, no column ``train_…`` or ``val_…``, the file cannot be read, or
        Matplotlib is missing.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> model = tg.nn.Linear(2, 2, rng=0)
    >>> run = tg.train.fit(
    ...     model,
    ...     tg.nn.CrossEntropyLoss(),
    ...     tg.optim.SGD(model.parameters(), lr=0.1),
    ...     tg.data.moons(40, seed=0),
    ...     epochs=3,
    ... )
    >>> figure = tg.plots.curves(run)
    >>> figure.axes[0].get_ylabel(), figure.axes[0].lines[0].get_xdata().tolist()
    ('loss', [1.0, 2.0, 3.0])
    """
    rows = read_rows(getattr(source, "history", source), "metrics.csv", ["epoch"])
    epochs = column(rows, "epoch")
    kinds: dict[str, list[str]] = {}
    for name in rows[0]:
        part, _, kind = name.partition("_")
        if part in PARTS and kind:
            kinds.setdefault(kind, []).append(part)
    if not kinds:
        raise UsageError(f"curves: no column train_… or val_…; there are {', '.join(rows[0])}")
    rates = column(rows, "lr")
    moving = len(rows) > 1 and np.nanmin(rates) < np.nanmax(rates) if "lr" in rows[0] else False
    validated = column(rows, "val_loss")
    best = int(np.nanargmin(validated)) if np.isfinite(validated).any() else None
    panels = [*kinds, *(["lr"] if moving else [])]
    heights = [0.45 if name == "lr" else 1.0 for name in panels]
    with sheet(theme, 6.4, 0.8 + 2.1 * sum(heights)) as paper:
        grid = paper.subplots(
            len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )[:, 0]
        for axes, name in zip(grid, panels, strict=True):
            if name == "lr":
                paper.curve(axes, epochs, rates)
                axes.set_ylabel("learning rate")
                axes.set_yscale(_rates_scale([rates]))
                continue
            values = {part: column(rows, f"{part}_{name}") for part in kinds[name]}
            for part, y in values.items():
                paper.curve(axes, epochs, y, PARTS[part])
            axes.set_ylabel(name)
            axes.set_yscale("log" if name == "loss" and wide(values.values()) else "linear")
            if best is not None and "val" in values:
                axes.axvline(epochs[best], color=paper.theme.faint, linestyle=":", linewidth=1.2)
                color = axes.lines[list(values).index("val")].get_color()
                axes.plot(epochs[best], values["val"][best], "o", color=color, markersize=5)
        if best is not None:
            above(paper, grid[0], f"best epoch {epochs[best]:.0f}", epochs[best])
        grid[-1].set_xlabel("epoch")
        grid[-1].locator_params(axis="x", integer=True)
        if title:
            grid[0].set_title(title, pad=18)
    return paper


def above(paper: Paper, axes: Any, text: str, x: float, **options: Any) -> None:
    """Write above a panel, at a place of its x axis."""
    paper.note(
        axes, text, x, 1.0, xycoords=("data", "axes fraction"),
        **{"xytext": (0, 3), "ha": "center", "color": paper.theme.faint, **options},
    )  # fmt: skip


def _rates_scale(rates: Iterable[NDArray[np.float64]]) -> Literal["log", "linear"]:
    """Choose the axis of rates: logarithmic if they span decades, and not at their end alone."""
    known = list(rates)
    together = np.concatenate(known)
    low = np.nanmedian(together) < 0.15 * np.nanmax(together)
    return "log" if low and wide(known, 100.0) else "linear"


def schedule(
    scheduler: Any, steps: int, *, theme: ThemeName = "light", title: str | None = None
) -> Paper:
    """Draw the learning rate over the steps, and the momentum if the schedule moves it (L26).

    Nothing is stepped: the curve is the formula, at the steps 0 to ``steps`` − 1.

    Parameters
    ----------
    scheduler : LRScheduler, or dict of str to LRScheduler
        One, or several to be compared, by name.
    steps : int
        At least 1.
    theme : {"light", "dark"}
    title : str, optional

    Returns
    -------
    Paper
        A Matplotlib figure.

    Raises
    ------
    UsageError
        If a schedule is no function of the step, as `ReduceLROnPlateau`, ``steps`` is below 1, or
        Matplotlib is missing.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> figure = tg.plots.schedule(tg.optim.lr_scheduler.ExponentialLR(optimizer, 0.5), 3)
    >>> figure.axes[0].lines[0].get_ydata()
    array([1.  , 0.5 , 0.25])
    """
    named = scheduler if isinstance(scheduler, Mapping) else {"": scheduler}
    if steps < 1:
        raise UsageError(f"schedule: steps must be at least 1, got {steps}")
    t = np.arange(steps)
    rates: dict[str, Any] = {}
    momenta: dict[str, Any] = {}
    for name, one in named.items():
        if not hasattr(one, "settings_at"):
            raise UsageError(
                f"schedule: {type(one).__name__} is no function of the step, so there is no curve"
                " before the training; draw the lr of its history by plots.curves"
            )
        settings = [one.settings_at(int(k)) for k in t]
        for group in range(len(settings[0])):
            several = f"group {group}" if len(settings[0]) > 1 else ""
            label = " ".join(filter(None, [name, several]))
            rates[label] = np.array([s[group]["lr"] for s in settings])
            moved = [_momentum(s[group]) for s in settings]
            if None not in moved:
                momenta[label] = np.array(moved, dtype=float)
    panels = {"learning rate": rates, **({"momentum": momenta} if momenta else {})}
    with sheet(theme, 6.4, 1.1 + 2.1 * len(panels)) as paper:
        grid = paper.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (what, lines) in zip(grid, panels.items(), strict=True):
            for label, y in lines.items():
                paper.curve(axes, t, y, label)
            axes.set_ylabel(what)
            if what == "learning rate":
                axes.set_yscale(_rates_scale(lines.values()))
                if axes.get_yscale() == "linear":
                    axes.set_ylim(bottom=0)
        grid[-1].set_xlabel("step")
        only = scheduler if not isinstance(scheduler, Mapping) else None
        grid[0].set_title(title or ("" if only is None else type(only).__name__))
    return paper


def _momentum(group: Mapping[str, Any]) -> float | None:
    value = group["betas"][0] if "betas" in group else group.get("momentum")
    return None if value is None else float(value)


def range_test(result: Any, *, theme: ThemeName = "light", title: str | None = None) -> Paper:
    """Draw a learning rate range test: loss over rising rates, and what it suggests (L28).

    Parameters
    ----------
    result : LRRange
        Of `tinygrad_lecture.train.lr_range_test`.
    theme : {"light", "dark"}
    title : str, optional

    Returns
    -------
    Paper
        A Matplotlib figure: single losses pale, their running mean strong, the range of a cycle
        shaded, the constant rate marked. If nothing is suggested, the title says why.

    Raises
    ------
    UsageError
        If Matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> lrs = np.geomspace(1e-3, 1, 4)
    >>> losses = np.array([1.0, 0.5, 0.2, 3.0])
    >>> figure = tg.plots.range_test(tg.train.LRRange(lrs, losses, losses, True))
    >>> figure.axes[0].get_xscale()
    'log'
    """
    lrs, losses, mean = (np.asarray(x) for x in (result.lrs, result.losses, result.smoothed))
    try:
        found, problem = result.suggest(), ""
    except UsageError as error:
        found, problem = None, str(error)
    with sheet(theme) as paper:
        axes = paper.subplots()
        ratios = lrs[1:] / lrs[:-1]
        axes.set_xscale("log" if len(lrs) > 2 and np.ptp(ratios) < 1e-6 * ratios[0] else "linear")
        blue, orange = paper.theme.hue(0), paper.theme.hue(1)
        axes.plot(lrs, losses, color=blue, alpha=0.3, linewidth=0.8, label="one batch")
        axes.plot(lrs, mean, color=blue, label="running mean")
        axes.legend(loc="lower left")
        if result.blew_up and mean.argmin() > 0:  # what matters lies before
            low, top = float(mean.min()), float(mean[: int(mean.argmin()) + 1].max())
            axes.set_ylim(low - 0.25 * (top - low), top + 0.6 * (top - low))
        if found:
            axes.axvspan(found.base_lr, found.max_lr, color=paper.theme.tint(1), zorder=0, lw=0)
            axes.axvline(found.lr, color=orange, linewidth=1.2)
            cycle = f"cycle {found.base_lr:.2g} to {found.max_lr:.2g}"
            above(paper, axes, f"lr {found.lr:.2g},", found.lr, ha="right", color=orange)
            above(paper, axes, cycle, found.lr, ha="left", xytext=(4, 3), color=orange)
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss of the batch")
        axes.set_title(title or problem, wrap=True, pad=18 if found else 6)
    return paper
