"""Pictures of computations: the graph of backpropagation with its values and derivatives.

`draw` is the one call, and the room itself: ``tg.draw(loss)``.  A picture is a `Drawing`; behind it
is a `Graph`, plain data under stable ids, and DOT text, which `render` lays out with whichever dot
there is.  `stepper` is a page that goes through both passes one step at a time.  The command line
is ``tinygrad-lecture graph``.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from .draw import draw
from .drawing import Drawing
from .graph import Edge, Graph, Group, Node
from .layout import render
from .stepper import Stepper, stepper

__all__ = ["Drawing", "Edge", "Graph", "Group", "Node", "Stepper", "draw", "render", "stepper"]


class _Room(types.ModuleType):
    """The room under its name in the package is the function: ``tg.draw(loss)``."""

    def __call__(self, obj: Any, *inputs: Any, **options: Any) -> Drawing:
        """Call `draw`."""
        return draw(obj, *inputs, **options)


sys.modules[__name__].__class__ = _Room
