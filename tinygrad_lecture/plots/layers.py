"""`layers`, `update_ratios`: what `Monitor` saw in every layer, over the steps (L41, L65)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError
from .sheet import sheet
from .tables import Row, Rows, column, read_rows, wide
from .theme import ThemeName

if TYPE_CHECKING:
    from .paper import Paper

__all__ = ["layers", "update_ratios"]

NEEDED = ("step", "layer", "kind")
RULE = 1e-3  # an update of a thousandth of the weights is a rule of thumb (cs231n)
UPDATES = "‖ΔW‖ / ‖W‖ per step"
PANELS = {
    "act_std": "deviation of outputs",
    "grad_std": "deviation of adjoints",
    "update_ratio": UPDATES,
    "dead_fraction": "share of dead units",
    "saturated_fraction": "share of saturated outputs",
}


def layers(
    rows: Rows, names: Sequence[str] | None = None, *, theme: ThemeName = "light",
    title: str | None = None,
) -> Paper:  # fmt: skip
    """Draw activations, adjoints, updates, dead and saturated units of each layer (L41).

    Parameters
    ----------
    rows : list of dict, or path
        ``Monitor.rows``, its ``monitor.csv``, or the folder that holds it.
    names : sequence of str, optional
        Layers to draw; by default those with weights, and for dead and saturated units those that
        can be so.
    theme : {"light", "dark"}
    title : str, optional

    Returns
    -------
    Paper
        A Matplotlib figure with a panel for each quantity that was measured.

    Raises
    ------
    UsageError
        If there are no rows, a layer is unknown, the file cannot be read, or Matplotlib is missing.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 8, rng=0), tg.nn.Tanh(), tg.nn.Linear(8, 2, rng=1))
    >>> monitor = tg.train.Monitor(every=1)
    >>> run = tg.train.fit(
    ...     model,
    ...     tg.nn.CrossEntropyLoss(),
    ...     tg.optim.SGD(model.parameters(), lr=0.1),
    ...     tg.data.moons(40, seed=0),
    ...     epochs=3,
    ...     callbacks=[monitor],
    ... )
    >>> for axes in tg.plots.layers(monitor.rows).axes:
    ...     print(axes.get_ylabel(), len(axes.lines))
    deviation of outputs 2
    deviation of adjoints 2
    ‖ΔW‖ / ‖W‖ per step 3
    share of saturated outputs 1
    """
    return _panels(rows, names, list(PANELS), theme, title)


def update_ratios(
    rows: Rows, names: Sequence[str] | None = None, *, theme: ThemeName = "light",
    title: str | None = None,
) -> Paper:  # fmt: skip
    """Draw how far each step moved the weights of each layer, relative to them (L65).

    Parameters, errors
        As for `layers`.

    Returns
    -------
    Paper
        A Matplotlib figure; a dotted line marks the rule of thumb, 1e-3.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> row = {"step": 0, "layer": "0", "kind": "Linear", "weight_norm": 1.0, "update_ratio": 1e-3}
    >>> tg.plots.update_ratios([row]).axes[0].get_yscale()
    'log'
    """
    return _panels(rows, names, ["update_ratio"], theme, title)


def _panels(
    source: Rows, names: Sequence[str] | None, wanted: list[str], theme: str, title: str | None
) -> Paper:
    rows = read_rows(source, "monitor.csv", NEEDED)
    table: dict[str, list[Row]] = {}
    for row in rows:
        table.setdefault(row["layer"], []).append(row)
    if names is not None:
        unknown = [name for name in names if name not in table]
        if unknown:
            raise UsageError(f"layer {unknown[0]!r} is not among {', '.join(table)}")
        table = {name: table[name] for name in names}
    measured = {}
    for panel in wanted:
        lines = {
            f"{name} {seen[0]['kind']}": (column(seen, "step"), column(seen, panel))
            for name, seen in table.items()
            if names is not None or "fraction" in panel or _weighted(seen)
        }
        lines = {label: xy for label, xy in lines.items() if np.isfinite(xy[1]).any()}
        if lines:
            measured[panel] = lines
    if not measured:
        raise UsageError(f"nothing was measured of {', '.join(PANELS[p] for p in wanted)}")
    columns = 1 if len(measured) == 1 else 2
    lines_of = -(-len(measured) // columns)
    with sheet(theme, 6.4 if columns == 1 else 10.0, 0.6 + 2.5 * lines_of) as paper:
        grid = paper.subplots(lines_of, columns, squeeze=False).ravel()
        for axes in grid[len(measured) :]:
            axes.remove()
        for axes, (panel, lines) in zip(grid, measured.items(), strict=False):
            colors = paper.ramp(len(lines))
            for color, (label, (x, y)) in zip(colors, lines.items(), strict=True):
                paper.curve(axes, x, y, label, color, linestyle="-")
            axes.set_ylabel(PANELS[panel])
            axes.set_xlabel("step")
            if "fraction" in panel:
                axes.set_ylim(-0.03, 1.03)
            elif panel == "update_ratio" or wide((y for _, y in lines.values()), 20.0):
                axes.set_yscale("log")
            if panel == "update_ratio":
                steps = np.concatenate([x for x, _ in lines.values()])
                paper.curve(
                    axes, [steps.min(), steps.max()], [RULE, RULE], "rule of thumb 10⁻³",
                    paper.theme.faint, linestyle=":", linewidth=1.2, marker="",
                )  # fmt: skip
        if title:
            paper.suptitle(title, x=0.01, ha="left", fontsize=11)
    return paper


def _weighted(seen: list[Row]) -> bool:
    return bool(np.isfinite(column(seen, "weight_norm")).any())
