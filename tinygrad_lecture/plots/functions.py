"""`activations`, `v_curve`: functions with their derivatives, and derivatives with their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..engine import Value
from ..errors import UsageError
from ..nn import functional as F
from .sheet import sheet
from .theme import ThemeName

if TYPE_CHECKING:
    from .paper import Paper

__all__ = ["activations", "v_curve"]

LECTURE = (
    "Sigmoid", "Tanh", "LeCunTanh", "ReLU", "LeakyReLU", "ELU", "Softplus", "Swish", "GELU",
)  # fmt: skip
JUMP = 0.1  # a curve that moves so far from one point to the next, and suddenly, has a jump there
SUDDEN = 5.0  # times as far as from the points beside them
VIEW = (-2.2, 3.0)  # of f; functions that grow leave it
STEEPEST = 6.0  # of f′, which is in view as a whole up to here
AWAY = 5.0  # so far above the errors lie the slopes that they are compared with
Named = str | Callable[[Any], Any]
Array = NDArray[np.float64]


def activations(
    names: Sequence[Named] | Named = LECTURE,
    *,
    low: float = -4.0,
    high: float = 4.0,
    theme: ThemeName = "light",
    title: str | None = None,
) -> Paper:
    """Draw activation functions and their derivatives, which the engine computes (L59).

    Parameters
    ----------
    names : str, module or function, or sequence of such
        Names of `tinygrad_lecture.nn` ("ReLU") or of ``nn.functional`` ("relu"), modules, or
        functions of Values; by default those of the lecture and their heirs.
    low, high : float
        Ends of x.
    theme : {"light", "dark"}
    title : str, optional

    Returns
    -------
    Paper
        A Matplotlib figure, a panel for each function: f solid, f′ dashed, with gaps at jumps.

    Raises
    ------
    UsageError
        If a name is unknown, a function does not keep the shape, ``low`` is not below ``high``, or
        Matplotlib is missing.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> figure = tg.plots.activations(["Tanh", tg.nn.LeakyReLU(0.1)])
    >>> [axes.get_title("left") for axes in figure.axes]
    ['Tanh', 'LeakyReLU(negative_slope=0.1)']
    """
    if not low < high:
        raise UsageError(f"activations: low must be below high, got {low} and {high}")
    chosen = [names] if isinstance(names, str) or callable(names) else list(names)
    functions = [(_title(name), _find(name)) for name in chosen]
    if not functions:
        raise UsageError("activations: names must hold at least one")
    x = np.linspace(low, high, 401)
    columns = min(3, len(functions))
    rows = -(-len(functions) // columns)
    with sheet(theme, 2.9 * columns + 0.4, 2.3 * rows + 0.3) as paper:
        grid = paper.subplots(rows, columns, sharex=True, squeeze=False)
        for axes in grid.ravel()[len(functions) :]:
            axes.remove()
        for k, (axes, (name, f)) in enumerate(zip(grid.ravel(), functions, strict=False)):
            y, slope = _with_slope(f, x)
            axes.axhline(0, color=paper.theme.faint, linewidth=0.6)
            axes.axvline(0, color=paper.theme.faint, linewidth=0.6)
            axes.plot(*_broken(x, y), color=paper.theme.hue(0), linewidth=1.8, label="f")
            axes.plot(
                *_broken(x, slope), label="f′", color=paper.theme.hue(1), linestyle=(0, (4, 1.5))
            )
            axes.set_title(name, fontsize=9.5)
            axes.set_ylim(_window(y, slope))
            if k == 0:
                axes.legend(loc="upper left", borderpad=0.1)
            if k + columns >= len(functions):
                axes.set_xlabel("x")
                axes.tick_params(labelbottom=True)
        if title:
            paper.suptitle(title, x=0.01, ha="left", fontsize=11)
    return paper


def _title(name: Named) -> str:
    if isinstance(name, str):
        return name
    return repr(name) if isinstance(name, nn.Module) else getattr(name, "__name__", repr(name))


def _find(name: Named) -> Callable[[Any], Any]:
    if not isinstance(name, str):
        return name
    if name in nn.activations.__all__:
        module: Callable[[Any], Any] = getattr(nn, name)()
        return module
    found = getattr(F, name, None)
    if not callable(found):
        known = ", ".join(nn.activations.__all__)
        raise UsageError(f"activations: no function {name!r}; there are {known}")
    function: Callable[[Any], Any] = found
    return function


def _with_slope(f: Callable[[Any], Any], x: Array) -> tuple[Array, Array]:
    at = Value(x)
    y = f(at)
    if np.shape(y) != x.shape:
        raise UsageError(
            f"activations: {f} must act on each number alone; from shape {x.shape} it made"
            f" {np.shape(y)}"
        )
    y.sum().backward()
    return np.asarray(y.data), np.asarray(at.grad)


def _broken(x: Array, y: Array) -> tuple[Array, Array]:
    """Return a curve with gaps at its jumps."""
    moves = np.abs(np.diff(y))
    beside = np.maximum(np.append(moves[1:], 0.0), np.append(0.0, moves[:-1]))
    gaps = np.flatnonzero((moves > JUMP) & (moves > SUDDEN * beside)) + 1
    return np.insert(x, gaps, x[gaps]), np.insert(y, gaps, np.nan)


def _window(y: Array, slope: Array) -> tuple[float, float]:
    """Return the limits of a panel: all of f′ is in view, and f where it is not far away."""
    known, steep = y[np.isfinite(y)], slope[np.isfinite(slope)]
    low = min(max(known.min(initial=0.0), VIEW[0]), max(steep.min(initial=0.0), -STEEPEST))
    high = max(min(known.max(initial=0.0), VIEW[1]), min(steep.max(initial=0.0), STEEPEST))
    edge = 0.05 * (high - low) + 0.05
    return low - edge, high + edge


def v_curve(
    sweep: Any,
    exact: float | None = None,
    *,
    theme: ThemeName = "light",
    title: str | None = None,
) -> Paper:
    """Draw the error of difference quotients against the step, on logarithmic axes: a V (L14).

    Parameters
    ----------
    sweep : Sweep, (steps, errors), or dict of str to either
        Of `tinygrad_lecture.gradcheck.sweep_steps`; several are drawn by name.
    exact : float, optional
        The true derivative: then the errors of a sweep are measured against it, and otherwise they
        are those that the sweep estimates without knowing it.
    theme : {"light", "dark"}
    title : str, optional

    Returns
    -------
    Paper
        A Matplotlib figure. An error of exactly 0 has no place on the axis and is left out. For
        one sweep, a dot marks the best step, and dotted lines the slopes that theory names: h² of
        the formula, 1/h of rounding.

    Raises
    ------
    UsageError
        If steps and errors are not of one length, no error is positive, or Matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> figure = tg.plots.v_curve(tg.gradcheck.sweep_steps(np.exp, 0.0), exact=1.0)
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('step h', 'error of the slope')
    """
    named = sweep if isinstance(sweep, Mapping) else {"": sweep}
    found = {name: _errors(one, exact) for name, one in named.items()}
    with sheet(theme, 6.0, 3.8) as paper:
        axes = paper.subplots()
        axes.set(xscale="log", yscale="log", xlabel="step h", ylabel="error of the slope")
        for name, (steps, errors) in found.items():
            paper.curve(axes, steps, errors, name, marker="o", markersize=3)
        if len(found) == 1:
            _explain_v(paper, axes, *next(iter(found.values())))
        if title:
            axes.set_title(title)
    return paper


def _errors(sweep: Any, exact: float | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if hasattr(sweep, "errors_against"):
        given = sweep.errors if exact is None else sweep.errors_against(exact)
        steps, errors = np.array(sweep.steps), np.array(given)
    else:
        steps, errors = (np.array(part, dtype=float) for part in sweep)
    if steps.ndim != 1 or steps.shape != errors.shape:
        raise UsageError(
            f"v_curve: steps and errors must be of one length, got {steps.shape} and {errors.shape}"
        )
    drawn = (errors > 0) & np.isfinite(errors) & (steps > 0)
    if not drawn.any():
        raise UsageError("v_curve: no error is positive, so there is nothing on a logarithmic axis")
    return steps[drawn], errors[drawn]


def _explain_v(
    paper: Paper, axes: Any, steps: NDArray[np.float64], errors: NDArray[np.float64]
) -> None:
    best = int(errors.argmin())
    top = axes.get_ylim()[1]
    color = paper.theme.faint
    for power, text, side in ((2, "∝ h²: the formula", steps >= steps[best]),
                              (-1, "∝ 1/h: rounding", steps <= steps[best])):  # fmt: skip
        h, e = steps[side], errors[side]
        if len(h) < 5:
            continue
        height = AWAY * np.exp(np.median(np.log(e[1:-1]) - power * np.log(h[1:-1])))
        axes.plot(h, height * h**power, color=color, linestyle=":", linewidth=1.2)
        middle = len(h) // 2
        paper.note(
            axes, text, h[middle], height * h[middle] ** power, color=color,
            xytext=(-8, 4) if power > 0 else (8, 6), ha="right" if power > 0 else "left",
        )  # fmt: skip
    axes.set_ylim(errors[best] / 20, top)
    axes.plot(steps[best], errors[best], "o", color=paper.theme.hue(1), markersize=6, zorder=4)
    paper.note(
        axes, f"best: h = {steps[best]:.1e}, error {errors[best]:.0e}", steps[best], errors[best],
        xytext=(0, -13), ha="center", color=paper.theme.hue(1),
    )  # fmt: skip
