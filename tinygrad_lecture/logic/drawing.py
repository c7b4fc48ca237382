"""Networks of threshold neurons as graphs."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..draw.layout import save_dot
from ..errors import UsageError
from .network import ThresholdNet

__all__ = ["draw_net", "save_drawing"]


def draw_net(net: ThresholdNet, names: Sequence[str] | None = None) -> Any:
    """Draw inputs, neurons with their biases, and the weights between them.

    Parameters
    ----------
    net : ThresholdNet
    names : sequence of str, optional
        Of the inputs; x1, x2, … by default.

    Returns
    -------
    graphviz.Digraph
        ``.source`` is DOT text.

    Raises
    ------
    UsageError
        If the package graphviz is missing, or the names are not as many as the inputs.

    Examples
    --------
    >>> from tinygrad_lecture import logic
    >>> "v0 -> v1 [label=-1" in logic.draw_net(logic.NOT()).source
    True
    """
    try:
        graphviz = importlib.import_module("graphviz")
    except ImportError:
        raise UsageError('drawing needs graphviz: pip install "tinygrad_lecture[viz]"') from None
    names = [f"x{k + 1}" for k in range(net.n_inputs)] if names is None else list(names)
    if len(names) != net.n_inputs:
        raise UsageError(f"names must be {net.n_inputs}, one for each input; got {len(names)}")
    graph = graphviz.Digraph(graph_attr={"rankdir": "LR"}, node_attr={"shape": "circle"})
    for k, name in enumerate(names):
        graph.node(f"v{k}", graphviz.escape(name), shape="plain")
    number = net.n_inputs
    for layer in net.layers:
        for weights, bias in zip(layer.weight, layer.bias.tolist(), strict=True):
            graph.node(f"v{number}", f"{bias:+g}")
            for j in np.flatnonzero(weights).tolist():
                colour = "#0072b2" if weights[j] > 0 else "#d55e00"  # told apart by all eyes
                graph.edge(
                    f"v{layer.inputs[j]}", f"v{number}", label=f"{weights[j]:+g}", color=colour,
                    fontcolor=colour,
                )  # fmt: skip
            number += 1
    graph.node("y", shape="plain")
    graph.edge(f"v{number - 1}", "y")
    return graph


def save_drawing(graph: Any, path: str | os.PathLike[str]) -> None:
    """Write a graph as its ending says: DOT text for .dot and .gv, else a picture.

    Raises
    ------
    UsageError
        If the file cannot be written, or a picture is wanted and there is no dot to make it.
    """
    save_dot(graph.source, path)
