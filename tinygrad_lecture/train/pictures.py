"""The pictures of a job: curves, layers, and backpropagation of one sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from ..draw import draw
from ..errors import UsageError
from ..nn import Module
from ..plots import curves, layers

__all__ = ["PICTURES", "draw_pictures"]

PICTURES = ("curves.svg", "layers.svg", "backprop.svg")


def draw_pictures(
    history: Sequence[dict[str, float]],
    rows: Sequence[dict[str, Any]],
    model: Module,
    loss: Callable[[Any, Any], Any],
    sample: tuple[Any, Any],
    name: str,
    theme: Literal["light", "dark"] = "light",
) -> tuple[dict[str, str], list[str]]:
    """Draw what there is to draw of a training.

    Parameters
    ----------
    history : list of dict
        A row per epoch.
    rows : list of dict
        Of a `Monitor`.
    model, loss
        As for `fit`; asked in evaluation mode, which stays.
    sample : (inputs, targets)
        One sample, as a batch.
    name : str
        Of the data, for titles.
    theme : {"light", "dark"}

    Returns
    -------
    pictures : dict of str to str
        SVG by file name.
    missing : list of str
        Why others are not there, a line for each reason, such as a package to install.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.train.pictures import draw_pictures
    >>> loss, sample = tg.nn.MSELoss(), (np.ones((1, 2)), np.ones((1, 1)))
    >>> drawn, why = draw_pictures([], [], tg.nn.Linear(2, 1, rng=0), loss, sample, "ones")
    >>> print(why[0])
    no curves.svg, layers.svg: there are no rows to draw
    """
    inputs, targets = sample
    model.eval()

    def backprop(x: Any) -> Any:
        return loss(model(x), targets)

    makers: dict[str, Callable[[], str]] = {
        "curves.svg": lambda: curves(history, theme=theme, title=name).svg(),
        "layers.svg": lambda: layers(rows, theme=theme, title=f"{name}: layers").svg(),
        "backprop.svg": lambda: draw(
            backprop, inputs, theme=theme, title=f"{name}: forward and backward pass of one sample"
        ).svg(),
    }
    drawn: dict[str, str] = {}
    reasons: dict[str, list[str]] = {}
    for file, make in makers.items():
        try:
            drawn[file] = make()
        except UsageError as error:
            reasons.setdefault(str(error), []).append(file)
    return drawn, [f"no {', '.join(files)}: {reason}" for reason, files in reasons.items()]
