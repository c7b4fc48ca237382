"""`Paper`: a Matplotlib figure with a theme, labels beside its curves, and files without dates."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib import style as styles
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from .theme import Theme

__all__ = ["Paper"]

DECADES = 300.0
"""A logarithmic axis whose ends differ by less has 0.1, 0.2, 0.5, 1 at its ticks."""

ENDINGS = (".svg", ".png", ".pdf")
EARLY = 0.8
"""A curve that ends left of this part of the axes has its label at its end, not in the margin."""

BESIDE = ((5, 5), (-5, 5), (-14, 3), (5, -12), (-5, -12))
"""Points to the right, and up, from the end of a curve at which its label may be."""


class Paper(Figure):
    """A Matplotlib figure that belongs to no window and to no global state.

    Parameters
    ----------
    theme : Theme
    size : (float, float)
        Width and height in inches.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> paper = tg.plots.curves([{"epoch": 1, "train_loss": 0.7}, {"epoch": 2, "train_loss": 0.4}])
    >>> paper.svg() == paper.svg(), paper.png()[1:4]
    (True, b'PNG')
    """

    def __init__(self, theme: Theme, size: tuple[float, float]) -> None:
        self.theme = theme
        self._ends: list[tuple[Axes, str, str, NDArray[Any], NDArray[Any]]] = []
        with self.style():
            super().__init__(figsize=size, dpi=100, layout="constrained")

    @contextlib.contextmanager
    def style(self) -> Iterator[None]:
        """Let Matplotlib's settings be the theme's inside the block, whatever they are outside."""
        with styles.context(["default", self.theme.style]):
            yield

    def curve(
        self,
        axes: Axes,
        x: ArrayLike,
        y: ArrayLike,
        label: str = "",
        color: str | None = None,
        **options: Any,
    ) -> Line2D:
        """Draw a curve with its label at its end; few points are marked one by one."""
        x, y = np.asarray(x), np.asarray(y, dtype=float)
        number = len(axes.lines)
        options.setdefault("linestyle", "-" if number < len(self.theme.hues) else (0, (4, 1.5)))
        if len(x) <= 12:
            options = {"marker": "o", "markersize": 3.5, **options}
        color = color or self.theme.hue(number)
        (line,) = axes.plot(x, y, color=color, **options)
        if label:
            self._ends.append((axes, label, color, x, y))
        return line

    def note(self, axes: Axes, text: str, x: float, y: float, **options: Any) -> Any:
        """Write beside a point of the data, with a halo that keeps it readable over curves."""
        note = axes.annotate(
            text, (x, y), **{"xytext": (5, 5), "textcoords": "offset points", "fontsize": 8.5,
                             "color": self.theme.ink, **options},
        )  # fmt: skip
        note.set_path_effects(
            [patheffects.withStroke(linewidth=3, foreground=self.theme.background)]
        )
        return note

    def key(self, handles: Sequence[Any] | None = None) -> None:
        """Put the legend of the first panel below all of them, where it covers nothing."""
        if handles is None:
            handles = self.axes[0].get_legend_handles_labels()[0]
        for columns in range(min(len(handles), 4), 0, -1):  # as many as the paper is wide
            legend = self.legend(handles=handles, loc="outside lower center", ncols=columns)
            if columns == 1 or legend.get_window_extent().width <= self.bbox.width:
                break
            legend.remove()

    def round_levels(self, low: float, high: float) -> NDArray[Any]:
        """Return up to 15 round numbers from `low` or below to `high` or above."""
        return np.asarray(MaxNLocator(14, steps=[1, 2, 5, 10]).tick_values(low, high))

    def relief(self) -> LinearSegmentedColormap:
        """Return the colours of surfaces, from low to high."""
        return LinearSegmentedColormap.from_list("relief", list(self.theme.relief))

    def ramp(self, n: int) -> list[str]:
        """Return n colours in an order: the hues if they suffice, else a scale."""
        if n <= len(self.theme.hues):
            return list(self.theme.hues[:n])
        scale = LinearSegmentedColormap.from_list("ramp", list(self.theme.ramp))
        parts = (scale(k / (n - 1)) for k in range(n))
        return ["#" + "".join(f"{round(255 * c):02x}" for c in color[:3]) for color in parts]

    def finish(self) -> None:
        """Put the labels beside the ends of their curves, apart from each other."""
        for axes in self.axes:
            sides = ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim()))
            for axis, ends_at in sides:
                if axis.get_scale() == "log" and max(ends_at) < DECADES * min(ends_at):
                    _number_plainly(axis)
        self.draw_without_rendering()  # lays the axes out
        early = []
        for axes in self.axes:
            margin = []
            for _, label, color, x, y in (end for end in self._ends if end[0] is axes):
                end = _end_in_view(axes, x, y)
                if end is None:
                    continue
                if end[0] < EARLY:
                    early.append((axes, label, color, end))
                else:
                    margin.append((end[1], label, color, end[0]))
            self._label_margin(axes, sorted(margin))
        self._ends = []
        for _ in range(2):  # the first layout makes room for the labels, the second is settled
            self.draw_without_rendering()
        for place in early:
            self._label_end(*place)
        self.draw_without_rendering()
        self.set_layout_engine("none")  # the same places at each drawing

    def _label_end(self, axes: Axes, label: str, color: str, end: tuple[float, float]) -> None:
        """Write beside the end of a curve, through no curve if there is such a place.

        If there is none, above other labels of curves.
        """
        paths = [line.get_transform().transform_path(line.get_path()) for line in axes.lines]
        above = [(BESIDE[0][0], BESIDE[0][1] + 11 * k) for k in range(12)]
        for number, (right, up) in enumerate((*BESIDE, *above)):
            labels = [text.get_window_extent() for text in axes.texts]
            note = self.note(
                axes, label, *end, color=color, xycoords="axes fraction", xytext=(right, up),
                ha="left" if right > 0 else "right",
            )  # fmt: skip
            box = note.get_window_extent()
            inside = box.x0 >= axes.bbox.x0 and box.y0 >= axes.bbox.y0
            alone = not any(box.overlaps(other) for other in labels)
            crossed = any(path.intersects_bbox(box, False) for path in paths)
            if alone and (number >= len(BESIDE) or (inside and not crossed)):
                return
            note.remove()
        self.note(axes, label, *end, color=color, xycoords="axes fraction")

    def _label_margin(self, axes: Axes, ends: Sequence[tuple[float, str, str, float]]) -> None:
        height = axes.get_window_extent().height / self.dpi * 72  # points
        places = spread([end[0] for end in ends], 11.0 / height)
        for (up, label, color, across), place in zip(ends, places, strict=True):
            axes.annotate(
                label, (across, up), xycoords="axes fraction", xytext=(1.025, place),
                textcoords="axes fraction", ha="left", va="center", color=color, fontsize=9,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "relpos": (0, 0.5), "color": color,
                            "linewidth": 0.5, "alpha": 0.7, "shrinkA": 0, "shrinkB": 2},
            )  # fmt: skip

    def draw(self, renderer: Any) -> None:
        """Draw with the theme's settings, which Matplotlib reads again for ticks and text."""
        with self.style(), warnings.catch_warnings():
            # A figure that is made tiny for a thumbnail is drawn without this layout, and well.
            warnings.filterwarnings("ignore", "constrained_layout not applied")
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Write a file as Matplotlib does, without dates and random ids."""
        name = str(options.get("format") or os.fspath(fname)).lower()
        dated = {"svg": "Date", "pdf": "CreationDate"}
        options.setdefault("metadata", {dated[e]: None for e in dated if name.endswith(e)} or None)
        with self.style():
            super().savefig(fname, **options)

    def _bytes(self, kind: str, **options: Any) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format=kind, **options)
        return out.getvalue()

    def svg(self) -> str:
        """Return an SVG picture."""
        return self._bytes("svg").decode()

    def png(self, dpi: float = 200) -> bytes:
        """Return a PNG picture."""
        return self._bytes("png", dpi=dpi)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file as its ending says: .svg, .png or .pdf.

        Raises
        ------
        UsageError
            If the ending is another one, or the file cannot be written.
        """
        file = Path(path)
        kind = file.suffix.lower()
        if kind not in ENDINGS:
            raise UsageError(f"{file}: the ending must be one of {', '.join(ENDINGS)}")
        content = self.png() if kind == ".png" else self._bytes(kind[1:])
        try:
            file.write_bytes(content)
        except OSError as error:
            raise UsageError(f"cannot write {file}: {error.strerror or error}") from error

    def _repr_svg_(self) -> str:
        """Show itself in a notebook, with shorter paths: in one line, to 0.01 pt."""
        return re.sub(r' d="[^"]+"', _rounded, self.svg())


def _rounded(path: re.Match[str]) -> str:
    line = " ".join(path[0].split())
    return " " + re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", line)


def _end_in_view(axes: Axes, x: NDArray[Any], y: NDArray[Any]) -> tuple[float, float] | None:
    """Return where a curve is seen last, as parts of the axes; None if it is not seen."""
    if len(x) == 2:  # a straight line may leave the view between its points
        x, y = np.linspace(x[0], x[1], 201), np.linspace(y[0], y[1], 201)
    there = np.isfinite(y) & np.isfinite(np.asarray(x, dtype=float))
    points = axes.transData.transform(np.column_stack([x[there], y[there]]).astype(float))
    parts = axes.transAxes.inverted().transform(points)
    parts = parts[((parts > -1e-6) & (parts < 1 + 1e-6)).all(axis=1)]
    if not len(parts):
        return None
    across, up = parts[int(np.argmax(parts[:, 0]))]
    return float(across), min(max(float(up), 0.0), 1.0)


def _number_plainly(axis: Axis) -> None:
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Move ascending places in [0, 1] as little as possible, so that neighbours have a distance.

    The least squares of the moves: with i·gap taken off the i-th place, what is left must not
    descend, which pooling neighbours that do achieves (isotonic regression).

    Examples
    --------
    >>> from tinygrad_lecture.plots.paper import spread
    >>> spread([0.2, 0.2, 0.9], 0.1)
    [0.15, 0.25, 0.9]
    """
    gap = min(gap, 1.0 / max(len(places) - 1, 1))
    pools: list[tuple[float, int]] = []
    for i, place in enumerate(places):
        mean, count = place - i * gap, 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        pools.append((mean, count))
    top = 1.0 - (len(places) - 1) * gap
    flat = [min(max(mean, 0.0), top) for mean, count in pools for _ in range(count)]
    return [place + i * gap for i, place in enumerate(flat)]
