"""`regions`, `surface`: pictures over a plane."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from ..nn import Module, Parameter
from ..nn.evaluating import evaluating
from .sheet import sheet
from .theme import ThemeName

if TYPE_CHECKING:
    from .paper import Paper

__all__ = ["regions", "surface"]

MARKERS = "os^DvPX*"
FEW = 16  # hyperplanes that are drawn strong enough to be followed one by one
DEEP = 100.0  # a tenth of the heights down to 0 so far below the highest asks for a log scale
DECADES = 1e-4  # of the highest, the lowest contour on a logarithmic scale
Array = NDArray[Any]


def regions(
    model: Callable[[Any], Any],
    X: ArrayLike,
    y: ArrayLike,
    hyperplanes: bool = True,
    *,
    threshold: float | None = None,
    names: Sequence[str] | None = None,
    n: int = 201,
    theme: ThemeName = "light",
    title: str | None = None,
) -> Paper:
    """Draw the regions of the plane that a classifier gives to each class, over the data (L01-L05).

    Points that it gets wrong have a ring.

    Parameters
    ----------
    model : Module or callable
        From an array of shape (N, 2) to one of shape (N, K), a score for each class of which the
        largest decides, or to (N, 1) or (N,), which says class 1 where it exceeds `threshold`. A
        module is asked in evaluation mode, and its mode comes back.
    X : array_like, shape (N, 2)
    y : array_like of int, shape (N,)
        Classes, counted from 0.
    hyperplanes : bool
        Draw, for a module, where each unit of the first hidden layer is 0 before its activation.
    threshold : float, optional
        Of a single output: by default ½ where all outputs over the plane lie in [0, 1], as those of
        a sigmoid do, and else 0, as for logits.
    names : sequence of str, optional
        Of the classes.
    n : int
        Points of the grid along each side, at least 2.
    theme : {"light", "dark"}
    title : str, optional

    Returns
    -------
    Paper
        A Matplotlib figure.

    Raises
    ------
    UsageError
        If a shape is another one, y is not of classes, or Matplotlib is missing.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> X, y = tg.data.xor()
    >>> net = tg.nn.Sequential(tg.nn.Linear(2, 4, rng=0), tg.nn.Tanh(), tg.nn.Linear(4, 2, rng=1))
    >>> figure = tg.plots.regions(net, X, y)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['class 0', 'class 1', 'decision', '4 hidden units at 0', 'wrong: 1 of 4']
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y)
    if X.ndim != 2 or X.shape[1] != 2 or not len(X):
        raise UsageError(f"regions: X must have the shape (N, 2), got {X.shape}")
    if y.shape != (len(X),) or not np.array_equal(y, np.round(y)) or y.min() < 0:
        raise UsageError(f"regions: y must be {len(X)} classes 0, 1, ...; got shape {y.shape}")
    if n < 2:
        raise UsageError(f"regions: n must be at least 2, got {n}")
    y = y.astype(int)
    middle, half = (X.max(axis=0) + X.min(axis=0)) / 2, np.ptp(X, axis=0).max() * 0.6 or 1.0
    xs, ys = (np.linspace(m - half, m + half, n) for m in middle)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    scores, hidden = _ask(model, grid, hyperplanes)
    at_points, _ = _ask(model, X, False)
    if scores.shape[1] == 1:
        if threshold is None:
            threshold = 0.5 if scores.min() >= 0 and scores.max() <= 1 else 0.0
        scores, at_points = (np.hstack([threshold - s, s - threshold]) for s in (scores, at_points))
    classes = max(scores.shape[1], y.max() + 1)
    wrong = at_points.argmax(axis=1) != y
    with sheet(theme, 6.0, 4.4) as paper:
        axes = paper.subplots()
        axes.grid(False)
        for k in range(scores.shape[1]):
            others = np.delete(scores, k, axis=1).max(axis=1)
            margin = (scores[:, k] - others).reshape(n, n)
            if margin.max() > 0:
                axes.contourf(
                    xs, ys, margin, levels=[0, np.inf], colors=[paper.theme.tint(k)], zorder=0
                )
                if margin.min() < 0:
                    axes.contour(
                        xs, ys, margin, levels=[0], colors=[paper.theme.ink], linewidths=1.3,
                        zorder=2,
                    )  # fmt: skip
        strength = 0.8 if hidden.shape[1] <= FEW else 0.35
        for unit in hidden.T.reshape(-1, n, n):
            if unit.min() < 0 < unit.max():
                axes.contour(
                    xs, ys, unit, levels=[0], colors=[paper.theme.faint], linewidths=0.9,
                    linestyles="dashed", alpha=strength, zorder=1,
                )  # fmt: skip
        size = float(np.clip(6000 / len(X), 14, 60))
        marks = []
        for k in range(classes):
            for ring in (False, True):
                chosen = (y == k) & (wrong == ring)
                cloud = axes.scatter(
                    X[chosen, 0], X[chosen, 1], s=size, marker=MARKERS[k % len(MARKERS)],
                    color=paper.theme.hue(k), zorder=3 + ring, linewidths=1.4 if ring else 0.5,
                    edgecolors=paper.theme.ink if ring else paper.theme.background,
                    label=names[k] if names else f"class {k}",
                )  # fmt: skip
                if not ring:
                    marks.append(cloud)
        marks.append(_line(axes, paper.theme.ink, "-", "decision"))
        if hidden.shape[1]:
            text = f"{hidden.shape[1]} hidden units at 0"
            marks.append(_line(axes, paper.theme.faint, "--", text))
        if wrong.any():
            nowhere: list[float] = []
            marks.append(
                axes.scatter(
                    nowhere, nowhere, s=30, facecolors="none", edgecolors=paper.theme.ink,
                    linewidths=1.4, label=f"wrong: {wrong.sum()} of {len(y)}",
                )
            )  # fmt: skip
        axes.legend(handles=marks, loc="upper left", bbox_to_anchor=(1.01, 1.0))
        axes.set(xlabel="x₁", ylabel="x₂", aspect="equal", xlim=xs[[0, -1]], ylim=ys[[0, -1]])
        if title:
            axes.set_title(title)
    return paper


def _line(axes: Any, color: str, linestyle: str, label: str) -> Any:
    """Return an entry of a legend: contours have none."""
    return axes.plot([], [], color=color, linestyle=linestyle, linewidth=1.2, label=label)[0]


def _plain(output: Any) -> Array:
    return np.asarray(output.data if hasattr(output, "backward") else output, dtype=float)


def _ask(model: Any, X: Array, hidden: bool) -> tuple[Array, Array]:
    """Return scores (N, K), and the first hidden layer before its activation (N, H or 0)."""
    seen: list[Array] = []
    with contextlib.ExitStack() as stack:
        if isinstance(model, Module):
            stack.enter_context(evaluating(model))
            layers = [m for m in model.modules() if _is_layer(m)]
            if hidden and len(layers) > 1:

                def keep(module: Module, args: Any, output: Any) -> None:
                    seen.append(_plain(output))

                for layer in layers:
                    stack.enter_context(layer.register_forward_hook(keep))
        scores = _plain(model(X))
    if scores.shape == (len(X),):
        scores = scores[:, None]
    if scores.ndim != 2 or len(scores) != len(X):
        raise UsageError(
            f"regions: the model must give (N, K) or (N,) for {len(X)} points, got {scores.shape}"
        )
    first = seen[0] if seen and seen[0].ndim == 2 else np.empty((len(X), 0))
    return scores, first


def _is_layer(module: Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Parameter) and weight.ndim == 2


def surface(
    fn: Callable[[Array], Any] | ArrayLike,
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    paths: Mapping[str, ArrayLike] | None = None,
    *,
    n: int = 121,
    scale: str = "auto",
    label: str = "f",
    x_label: str = "w₁",
    y_label: str = "w₂",
    theme: ThemeName = "light",
    title: str | None = None,
) -> Paper:
    """Draw a function of two variables by its contours, and the paths of optimizers over it (L24).

    Parameters
    ----------
    fn : callable or array_like
        ``fn(w)`` with ``w`` of shape (2,), a number or scalar Value; or its values, of shape
        (rows along y, columns along x), on the evenly spaced grid of the limits.
    xlim, ylim : (float, float)
    paths : dict of str to array_like of shape (steps, 2), optional
        A circle marks where each begins, a dot where it ends. What leaves the limits is cut off.
    n : int
        Points along each side, for a callable; at least 2.
    scale : {"auto", "linear", "log"}
        Of the contours: "auto" is "log" for positive values over a factor of 30, and for values
        down to 0 of which a tenth are so far below the highest.
    label, x_label, y_label : str
    theme : {"light", "dark"}
    title : str, optional

    Returns
    -------
    Paper
        A Matplotlib figure.

    Raises
    ------
    UsageError
        If limits do not ascend, values or a path have another shape, the scale is unknown or does
        not fit, or Matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> path = [[-1.0, 1.0], [0.0, 0.5], [0.5, 0.1]]
    >>> figure = tg.plots.surface(
    ...     lambda w: w[0] ** 2 + 4 * w[1] ** 2, (-2, 2), (-1, 1), {"descent": path}, n=21
    ... )
    >>> figure.axes[0].lines[0].get_xdata()
    array([-1. ,  0. ,  0.5])
    """
    for name, (low, high) in (("xlim", xlim), ("ylim", ylim)):
        if not low < high:
            raise UsageError(f"surface: {name} must ascend, got {low} and {high}")
    if n < 2:
        raise UsageError(f"surface: n must be at least 2, got {n}")
    if callable(fn):
        xs, ys = np.linspace(*xlim, n), np.linspace(*ylim, n)
        z = np.array([[float(_plain(fn(np.array([x, y])))) for x in xs] for y in ys])
    else:
        z = np.asarray(fn, dtype=float)
        if z.ndim != 2 or min(z.shape) < 2:
            raise UsageError(f"surface: the values must have two axes, got shape {z.shape}")
        xs, ys = np.linspace(*xlim, z.shape[1]), np.linspace(*ylim, z.shape[0])
    ways = {name: np.asarray(path, dtype=float) for name, path in (paths or {}).items()}
    for name, way in ways.items():
        if way.ndim != 2 or way.shape[1] != 2 or not len(way):
            raise UsageError(
                f"surface: path {name!r} must have the shape (steps, 2), got {way.shape}"
            )
    with sheet(theme, 6.4, 4.2) as paper:
        axes = paper.subplots()
        draw_surface(paper, axes, xs, ys, z, scale, label)
        for number, (name, way) in enumerate(ways.items()):
            draw_path(paper, axes, way, name, number)
        if ways:
            paper.key()
        axes.set(xlabel=x_label, ylabel=y_label)
        if title:
            axes.set_title(title)
    return paper


def draw_path(paper: Paper, axes: Any, way: Array, name: str, number: int) -> None:
    """Draw a path with its beginning and its end."""
    color = paper.theme.hue(number)
    few = {"marker": ".", "markersize": 4} if len(way) <= 60 else {}
    axes.plot(*way.T, color=color, linewidth=1.4, label=name, zorder=3, **few)
    background = paper.theme.background
    gaps = np.flatnonzero(~np.isfinite(way).all(axis=1))
    pieces = [piece[np.isfinite(piece).all(axis=1)] for piece in np.split(way, gaps)]
    for piece in filter(len, pieces):  # several paths may share a name, with nan between them
        axes.plot(*piece[0], "o", color=color, markerfacecolor=background, markersize=6, zorder=4)
        axes.plot(*piece[-1], "o", color=color, markeredgecolor=background, markersize=7, zorder=4)


def draw_surface(
    paper: Paper, axes: Any, xs: Array, ys: Array, z: Array, scale: str, label: str,
    marked: Sequence[float] = (),
) -> None:  # fmt: skip
    """Fill a panel with contours and name their heights; draw the marked ones strong."""
    finite = z[np.isfinite(z)]
    if not finite.size:
        raise UsageError(f"surface {label!r}: no height is finite")
    low, high = float(finite.min()), float(finite.max())
    if scale not in ("auto", "linear", "log"):
        raise UsageError(f'surface: scale must be "auto", "linear" or "log", got {scale!r}')
    if scale == "log" and low <= 0:
        raise UsageError(f"surface {label!r}: a log scale needs positive heights, got {low:g}")
    # A bowl down to 0 is fine on a linear scale; a valley far below the highest edge is not.
    deep = 0 < 30 * low < high or (low == 0 and 0 < DEEP * np.quantile(finite, 0.1) < high)
    log = scale == "log" or (scale == "auto" and deep)
    if low == high:
        low, high = low - 0.5, high + 0.5
    # Near a minimum of 0, ever more decades would leave few contours for all the rest.
    levels = (
        np.geomspace(max(low, high * DECADES), high, 15) if log else paper.round_levels(low, high)
    )
    shown = np.ma.masked_invalid(np.maximum(z, levels[0]))
    norm = "log" if log else "linear"
    filled = axes.contourf(xs, ys, shown, levels=levels, cmap=paper.relief(), norm=norm, zorder=0)
    axes.contour(
        xs, ys, shown, levels=levels, colors=[paper.theme.faint], linewidths=0.4, alpha=0.7,
        zorder=1, linestyles="solid",
    )  # fmt: skip
    strong = sorted(level for level in marked if low < level < high)
    if strong:
        lines = axes.contour(
            xs, ys, shown, levels=strong, colors=[paper.theme.ink], linewidths=1.4, zorder=2,
            linestyles="solid",
        )  # fmt: skip
        axes.clabel(lines, fontsize=8, fmt="%.3g")
    bar = paper.colorbar(filled, ax=axes, label=label, ticks=levels[::2], format=_height, pad=0.02)
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    axes.grid(False)
    axes.set(xlim=xs[[0, -1]], ylim=ys[[0, -1]])
    axes.locator_params(nbins=6)


def _height(x: float, _: Any) -> str:
    return f"{x:,.0f}" if 1e3 <= abs(x) < 1e6 else f"{x:.3g}"
