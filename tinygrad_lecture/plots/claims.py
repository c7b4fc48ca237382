"""`claim`: the figure of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from .plane import draw_path, draw_surface
from .sheet import sheet
from .theme import ThemeName

if TYPE_CHECKING:
    from .paper import Paper

__all__ = ["claim"]

MARKERS = "os^DvPX*"
MANY = 40  # points beyond which marks are small


def claim(outcome: Any, *, theme: ThemeName = "light", title: str | None = None) -> Paper:
    """Draw the figure of an experiment's outcome: curves, clouds, bars, surfaces.

    Parameters
    ----------
    outcome : Outcome or Figure
        Of `tinygrad_lecture.experiments`.
    theme : {"light", "dark"}
    title : str, optional
        Instead of the figure's own.

    Returns
    -------
    Paper
        A Matplotlib figure. Curves have their labels at their ends; clouds, bars and paths over a
        surface have a legend. Of several surfaces each has a panel, all with the same series.

    Raises
    ------
    UsageError
        If the outcome has no figure, the figure is empty, or Matplotlib is missing.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> outcome = tg.experiments.cosine_cycles()
    >>> tg.plots.claim(outcome).axes[0].get_title("left")
    'cosine cycles'
    """
    figure = getattr(outcome, "figure", outcome)
    if figure is None:
        raise UsageError("claim: this outcome has no figure")
    surfaces = list(figure.surfaces)
    if not figure.series and not surfaces:
        raise UsageError(f"claim: the figure {figure.title!r} is empty")
    panels = max(1, len(surfaces))
    size = (6.4, 3.8) if not surfaces else (4.4 * panels + 0.8, 4.0)
    with sheet(theme, *size) as paper:
        grid = np.ravel(paper.subplots(1, panels, squeeze=False))
        for axes, surface in zip(grid, surfaces or [None], strict=True):
            axes.set_xscale(figure.x_scale)
            axes.set_yscale(figure.y_scale)
            if surface is not None:
                draw_surface(
                    paper, axes, surface.x, surface.y, np.asarray(surface.z, dtype=float),
                    surface.scale, surface.label, surface.levels,
                )  # fmt: skip
            legend = _draw(paper, axes, figure, over=surface is not None)
            _settle(axes, figure, over=surface is not None)
            if panels > 1 and figure.x_scale == "linear":
                axes.locator_params(axis="x", nbins=5)
            axes.set_xlabel(figure.x_label)
            axes.set_ylabel(figure.y_label)
        if legend:
            paper.key()
        heading = figure.title if title is None else title
        if panels > 1:
            paper.suptitle(heading, x=0.01, ha="left", fontsize=11)
        else:
            grid[0].set_title(heading)
    return paper


def _draw(paper: Paper, axes: Any, figure: Any, over: bool) -> bool:
    """Draw all series into a panel, and tell whether they need a legend."""
    bars = [s for s in figure.series if s.style == "bars"]
    several = len(figure.series) > 1
    among_clouds = any(s.style == "points" for s in figure.series)
    legend = False
    clouds = 0
    for number, s in enumerate(figure.series):
        color = paper.theme.hue(number)
        if s.low is not None and s.high is not None:
            axes.fill_between(s.x, s.low, s.high, color=color, alpha=0.18, linewidth=0)
        if s.style == "bars":
            width = 0.8 / len(bars)
            shift = (bars.index(s) - (len(bars) - 1) / 2) * width
            axes.bar(s.x + shift, s.y, 0.9 * width, color=color, label=s.label, zorder=2)
            legend = True
        elif s.style == "points":
            axes.scatter(
                s.x, s.y, s=14 if len(s.x) > MANY else 26, color=color, label=s.label,
                marker=MARKERS[clouds % len(MARKERS)], zorder=5 if over else 3, linewidths=0.4,
                edgecolors=paper.theme.background,
            )  # fmt: skip
            clouds += 1
            legend = True
        elif over and len(s.x) > 1:
            draw_path(paper, axes, np.column_stack([s.x, s.y]), s.label, number)
            legend = True
        else:
            style = "-" if number < len(paper.theme.hues) else (0, (4, 1.5))
            endless = among_clouds and len(s.x) == 2
            line = paper.curve(
                axes, s.x, s.y, s.label if several and not endless else "", color, linestyle=style
            )
            if endless:
                line.set(label=s.label, marker="")
                legend = True
    return legend and (several or over)


def _settle(axes: Any, figure: Any, over: bool) -> None:
    """Choose whole numbers for counts, and limits by what has an extent.

    A line of two points among clouds is one without ends, such as a hyperplane.
    """
    if over:
        return
    if figure.x_scale == "linear" and all(
        np.array_equal(s.x, np.round(s.x)) for s in figure.series
    ):
        axes.locator_params(axis="x", integer=True)
    bounded = [s for s in figure.series if s.style != "line" or len(s.x) > 2]
    clouds = any(s.style == "points" for s in figure.series)
    if clouds and len(bounded) < len(figure.series) and figure.y_scale == "linear":
        low = min(float(np.min(s.y)) for s in bounded)
        high = max(float(np.max(s.y)) for s in bounded)
        edge = 0.1 * (high - low)
        axes.set_ylim(low - edge, high + edge)
