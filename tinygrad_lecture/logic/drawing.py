"""Networks of threshold neurons as graphs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..draw.layout import render, save_dot
from ..errors import UsageError
from .network import ThresholdNet

__all__ = ["NetDrawing", "draw_net"]

BLUE, ORANGE = "#0072b2", "#d55e00"  # told apart by all eyes
FEW = 12  # weights of ±1 that are written


@dataclass(frozen=True, repr=False)
class NetDrawing:
    """A network as a picture, which shows itself in a notebook; made by `draw_net`.

    Attributes
    ----------
    source : str
        DOT text; it needs no other package, and is the same for the same network.
    weights : int
        Weights that are not 0.
    """

    source: str
    weights: int

    def svg(self) -> str:
        """Return an SVG picture.

        Raises
        ------
        UsageError
            As `tinygrad_lecture.draw.render`.
        """
        return render(self.source, "svg").decode()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file as its ending says: DOT text for .dot and .gv, else a picture.

        Raises
        ------
        UsageError
            If the file cannot be written, or a picture is wanted and there is no dot to make it.
        """
        save_dot(self.source, path)

    def __repr__(self) -> str:
        return f"<NetDrawing of {self.weights} weights>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the picture for a notebook; without a dot, DOT text and what is missing."""
        try:
            return {"image/svg+xml": self.svg(), "text/plain": repr(self)}
        except UsageError as error:
            return {"text/plain": f"{self!r}: {error}\n\n{self.source}"}


def draw_net(net: ThresholdNet, names: Sequence[str] | None = None) -> NetDrawing:
    """Draw inputs, neurons with their biases, and the weights between them.

    Negative weights are orange and dashed; where all weights are ±1, as in logic, their numbers are
    left out of larger networks.

    Parameters
    ----------
    net : ThresholdNet
    names : sequence of str, optional
        Of the inputs; x1, x2, … by default.

    Returns
    -------
    NetDrawing
        ``.source`` is DOT text, ``.save("net.svg")`` writes a picture.

    Raises
    ------
    UsageError
        If the names are not as many as the inputs.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> picture = logic.draw_net(logic.xor_net(), names=["a", "b"])
    >>> picture
    <NetDrawing of 6 weights>
    >>> 'v3 -> v4 [headlabel="-1"' in picture.source
    True
    """
    names = [f"x{k + 1}" for k in range(net.n_inputs)] if names is None else list(names)
    if len(names) != net.n_inputs:
        raise UsageError(f"names must be {net.n_inputs}, one for each input; got {len(names)}")
    sizes = {float(size) for layer in net.layers for size in np.abs(layer.weight).flat}
    written = net.n_connections <= FEW or not sizes <= {0.0, 1.0}
    inputs = [f"v{k}" for k in range(net.n_inputs)]
    lines = [
        "digraph {",
        "  graph [rankdir=LR, ranksep=1.1, nodesep=0.35, ordering=in]",
        '  node [shape=circle, fixedsize=true, width=0.62, fontname="Arial", fontsize=12]',
        '  edge [fontname="Arial", fontsize=11, arrowsize=0.7, labeldistance=2.2, labelangle=14]',
        *(
            f"  {v} [shape=plain, fixedsize=false, label={_quoted(name)}]"
            for v, name in zip(inputs, names, strict=True)
        ),
    ]
    if len(inputs) > 1:  # one below the other
        lines.append(f"  {{rank=same; {' -> '.join(inputs)} [style=invis]}}")
    number = net.n_inputs
    for layer in net.layers:
        for weights, bias in zip(layer.weight, layer.bias.tolist(), strict=True):
            lines.append(f'  v{number} [label="{bias:+g}"]')
            for j in np.flatnonzero(weights).tolist():
                colour, style = (BLUE, "solid") if weights[j] > 0 else (ORANGE, "dashed")
                label = f'headlabel="{weights[j]:+g}", ' if written else ""
                lines.append(
                    f"  v{layer.inputs[j]} -> v{number} [{label}style={style}, "
                    f'color="{colour}", fontcolor="{colour}"]'
                )
            number += 1
    lines += ["  y [shape=plain, fixedsize=false]", f"  v{number - 1} -> y", "}", ""]
    return NetDrawing("\n".join(lines), net.n_connections)


def _quoted(text: str) -> str:
    safe = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{safe}"'
