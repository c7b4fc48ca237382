"""Plots of trainings, layers, planes, functions and claims: data in, a Matplotlib figure out.

Every function draws on a figure of its own and leaves pyplot and ``rcParams`` alone, so they work
without a display, in threads of a server, and beside plots of yours.  A figure is a `Paper`: it
shows itself in a notebook, ``save("plot.svg")`` writes it, the same bytes for the same data.
``theme="dark"`` draws on a dark background; colours are told apart by colour-blind readers.

Matplotlib is an extra (``pip install "tinygrad_lecture[plots]"``) and imported at the first plot.
"""

from __future__ import annotations

from .claims import claim
from .functions import activations, v_curve
from .layers import layers, update_ratios
from .plane import regions, surface
from .training import curves, range_test, schedule

__all__ = [
    "activations",
    "claim",
    "curves",
    "layers",
    "range_test",
    "regions",
    "schedule",
    "surface",
    "update_ratios",
    "v_curve",
]
