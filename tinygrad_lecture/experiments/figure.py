"""Data of figures, without any drawing: curves, clouds of points, bars, and surfaces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError

__all__ = ["Figure", "Series", "Surface"]


@dataclass(frozen=True, eq=False)
class Series:
    """One curve or cloud of a figure.

    Attributes
    ----------
    label : str
    x, y : ndarray, shape (n,)
    style : {"line", "points", "bars"}
    low, high : ndarray, shape (n,), optional
        Band around y, such as the range over seeds.

    Raises
    ------
    UsageError
        If the shapes differ, or there is nothing to draw.
    """

    label: str
    x: NDArray[Any]
    y: NDArray[Any]
    style: Literal["line", "points", "bars"] = "line"
    low: NDArray[Any] | None = None
    high: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        for name in ("x", "y", "low", "high"):
            value = getattr(self, name)
            array = None if value is None else np.asarray(value)
            object.__setattr__(self, name, array)
            if array is not None and (array.shape != self.x.shape or array.ndim != 1):
                raise UsageError(
                    f"series {self.label!r}: {name} must have the shape (n,) of x, "
                    f"got {array.shape} beside x {self.x.shape}"
                )
        if self.x.size == 0:
            raise UsageError(f"series {self.label!r} has no points")


@dataclass(frozen=True, eq=False)
class Surface:
    """A function of two variables on a grid: the loss over two weights, an output over the plane.

    Attributes
    ----------
    label : str
    x : ndarray, shape (n,)
    y : ndarray, shape (m,)
        Increasing, as x.
    z : ndarray, shape (m, n)
        ``z[i, j]`` belongs to (x[j], y[i]), as in Matplotlib's ``contour``; nan leaves a hole.
    scale : {"linear", "log"}
        Of the colours of z.
    levels : tuple of float
        Contours that matter, such as the ½ at which a class begins; to be drawn beside others.

    Raises
    ------
    UsageError
        If the shapes do not fit, or x or y does not increase.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.experiments import Surface
    >>> x, y = np.linspace(-1, 1, 5), np.linspace(0, 1, 3)
    >>> Surface("a bowl", x, y, np.square(x) + np.square(y)[:, None]).z.shape
    (3, 5)
    """

    label: str
    x: NDArray[Any]
    y: NDArray[Any]
    z: NDArray[Any]
    scale: Literal["linear", "log"] = "linear"
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("x", "y", "z"):
            object.__setattr__(self, name, np.asarray(getattr(self, name)))
        for name in ("x", "y"):
            axis = getattr(self, name)
            if axis.ndim != 1 or len(axis) < 2 or not (np.diff(axis) > 0).all():
                raise UsageError(
                    f"surface {self.label!r}: {name} must be two increasing numbers or more"
                )
        if self.z.shape != (len(self.y), len(self.x)):
            raise UsageError(
                f"surface {self.label!r}: z must have the shape (len(y), len(x)) ="
                f" {(len(self.y), len(self.x))}, got {self.z.shape}"
            )


@dataclass(frozen=True, eq=False)
class Figure:
    """Data of a figure, without any drawing: a plotting module or a notebook draws it.

    Attributes
    ----------
    title, x_label, y_label : str
    series : tuple of Series
    x_scale, y_scale : {"linear", "log"}
    surfaces : tuple of Surface
        One is drawn below the series; of several, each is a panel of its own below all series.

    Examples
    --------
    >>> from tinygrad_lecture.experiments import Figure
    >>> figure = Figure("losses", "step", "loss").add("α = 0.1", [0, 1, 2], [1.0, 0.5, 0.25])
    >>> figure.series[0].label
    'α = 0.1'
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...] = ()
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"
    surfaces: tuple[Surface, ...] = ()

    def add(self, label: str, x: ArrayLike, y: ArrayLike, **options: Any) -> Figure:
        """Return the figure with one more series; ``options`` as in `Series`."""
        more = Series(label, np.asarray(x), np.asarray(y), **options)
        return replace(self, series=(*self.series, more))

    def add_surface(
        self, label: str, x: ArrayLike, y: ArrayLike, z: ArrayLike, **options: Any
    ) -> Figure:
        """Return the figure with one more surface; ``options`` as in `Surface`."""
        more = Surface(label, np.asarray(x), np.asarray(y), np.asarray(z), **options)
        return replace(self, surfaces=(*self.surfaces, more))
