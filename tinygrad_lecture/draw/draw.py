"""`draw`: a picture of a computation, of a model, or of a program."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ..engine import Tape
from ..engine import sweep as sweeps
from ..engine.value import seed_of
from ..errors import UsageError
from .build import build
from .colors import THEMES
from .dot import Look, box_width
from .drawing import Drawing
from .graph import Graph
from .labels import shape_text
from .program import draw_program, is_program
from .room import BARE, goes_down, reach
from .subject import subject_of

__all__ = ["draw"]

CHOICES = {
    "passes": ("both", "forward", "backward"),
    "color": ("kind", "adjoint", "level"),
    "theme": tuple(THEMES),
}
TITLES = {
    ("both", True): "forward and backward pass of {}",
    ("both", False): "forward pass of {}, before its backward pass",
    ("forward", True): "forward pass of {}", ("forward", False): "forward pass of {}",
    ("backward", True): "backward pass of {}",
    ("backward", False): "backward pass of {}, not computed",
}  # fmt: skip
"""By the passes asked for, and whether there are adjoints."""
CALL_BACKWARD = "call backward() on the output first"


def draw(
    obj: Any,
    *inputs: Any,
    depth: int | None = None,
    focus: Any = None,
    radius: int = 2,
    passes: Literal["both", "forward", "backward"] = "both",
    color: Literal["kind", "adjoint", "level"] = "kind",
    digits: int = 4,
    theme: Literal["light", "dark"] = "light",
    limit: int = 400,
    title: str | None = None,
) -> Drawing:
    """Draw a computation with its values and derivatives.

    Each node shows a name and formula, its value, and after ∂ the derivative of the output with
    respect to it; each edge shows the local derivative of its end with respect to its start.  By
    the chain rule, ∂ of a node is the sum over its edges of local derivative times ∂ at the end.

    Parameters
    ----------
    obj : Value, nest of Values, Tape, module, function, or compiled function
        A module or function is run with the inputs, and gone back through if its result is one
        number; no ``.grad`` is touched.  A compiled function, or one of its programs, is drawn as
        its instructions; with inputs, beside the scalar ops that it was made from.
    *inputs : optional
        For a module or function: floats, and nests of them, are tracked; integers (labels) and
        Values are taken as they are.
    depth : int, optional
        Draw each call of a module at this depth as one box: 0 is the whole model, 1 its layers.
        Calls that are alike become one box with ×n.  For modules and functions.
    focus : Value, str, int, or list of such, optional
        Draw only what is near: a Value, a name, or the number of an entry.
    radius : int
        How many edges away from the focus.
    passes : {"both", "forward", "backward"}
        Values, derivatives, or both.
    color : {"kind", "adjoint", "level"}
        By kind of op; by |∂| on a scale of powers of ten, from dark (small) to bright, with
        grey for an exact 0 and orange for inf and nan; or by distance from the inputs.
    digits : int
        Significant digits.
    theme : {"light", "dark"}
    limit : int
        Most nodes that are drawn one by one; beyond, modules become boxes, or else entries that
        are alike: of one level, op and shape; or else of one op.  So is, at any limit, what is too
        tangled for a layout.
    title : str, optional
        Instead of one that names the pass and the output.

    Returns
    -------
    Drawing
        Shows itself in a notebook; ``save("picture.svg")``; ``graph`` is the data.

    Raises
    ------
    UsageError
        If an option has no such choice, nothing that can be drawn came, ``depth`` was asked for
        and no module was seen, or the focus is not there.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> w, x, b = tg.Value(2.0), tg.Value(1.0), tg.Value(0.0)
    >>> y = tg.tanh(w * x + b)
    >>> y.backward()
    >>> for node in tg.draw(y).graph:  # named by the variables
    ...     print(node.id, node.label, node.formula, round(node.adjoint, 4))
    e0 w  0.0707
    e1 x  0.1413
    e2 b  0.0707
    e3 v3 w · x 0.0707
    e4 v4 v3 + b 0.0707
    e5 y tanh(v4) 1.0
    >>> net = tg.nn.MLP(2, [16, 16, 1], rng=0)
    >>> for node in tg.draw(net, [0.5, -1.0], depth=2).graph:
    ...     print(node.label, node.count, node.details)
    Neuron 16 ('32 multiply, 32 add, 16 relu', '48 parameters')
    Neuron 16 ('256 multiply, 256 add, 16 relu', '272 parameters')
    neurons[0]: Neuron 1 ('16 multiply, 16 add', '17 parameters')
    x[0] 1 ()
    x[1] 1 ()
    """
    _check(passes=passes, color=color, theme=theme)
    for name, x in (("digits", digits), ("limit", limit)):
        if not x >= 1:
            raise UsageError(f"{name} must be at least 1, got {x}")
    look = Look(passes, color, digits, theme, title or "")
    if is_program(obj):
        if depth is not None or focus is not None or passes != "both" or color == "adjoint":
            raise UsageError(
                "a compiled function has neither modules, focus, passes nor adjoints: depth=, "
                'focus=, passes= and color="adjoint" go with the function that it was made from'
            )
        return draw_program(obj, inputs, look, limit)
    options: dict[str, Any] = {
        "depth": depth, "focus": focus, "radius": radius, "limit": limit, "digits": digits,
        "tidy": True,
    }  # fmt: skip
    subject = subject_of(obj, inputs)
    with _gone_back(subject.tape) if subject.called else contextlib.nullcontext():
        graph = build(subject.tape, names=subject.names, parts=subject.parts, **options)
    output = subject.called or _output_name(graph)
    missing = _why_not(subject.tape) if subject.called else CALL_BACKWARD
    back = any(node.adjoint is not None for node in graph)
    bare = reach(graph) > BARE
    return Drawing(
        graph,
        replace(
            look,
            title=title or TITLES[passes, back].format(output),
            legend=() if passes == "forward" else _legend(graph, back, bare, missing),
            bare=bare,
            down=goes_down(graph, [box_width(node, look) for node in graph]),
        ),
    )


def _legend(graph: Graph, back: bool, bare: bool, missing: str) -> tuple[str, ...]:
    if not back:
        return (f"∂ not computed: {missing}",)
    told = "∂: derivative of the output by this node; on an edge: local derivative"
    if bare:
        told = told.replace("on an edge:", "in the tooltip of an edge:")
    if any(isinstance(edge.derivative, str) for edge in graph.edges):
        told += ", as a rule of g, the ∂ where the edge ends, for ops on whole arrays"
    return (told,)


def _check(**chosen: str) -> None:
    for name, choice in chosen.items():
        if choice not in CHOICES[name]:
            raise UsageError(f"{name} must be one of {', '.join(CHOICES[name])}; got {choice!r}")


def _output_name(graph: Graph) -> str:
    names = [graph[id].label for id in graph.outputs]
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "") if names else "the output"


def _why_not(tape: Tape) -> str:
    """Say why a function has no derivative of its output."""
    if len(tape.roots) > 1:
        return f"the function returns {len(tape.roots)} results, and derivatives are of one number"
    shape = shape_text(tape.roots[0].shape)
    return f"the output is an array of shape {shape}; draw one number of it, such as its sum"


@contextlib.contextmanager
def _gone_back(tape: Tape) -> Iterator[None]:
    """Show the adjoints of an output of one number inside the block; then restore all ``.grad``."""
    before = [(v, v._grad) for v in tape.values]
    for v in tape.values:
        v._grad = None
    try:
        if len(tape.roots) == 1 and tape.roots[0].size == 1:
            root = tape.roots[0]
            sweeps.backward(root, seed_of(root, np.ones(root.shape) if root.ndim else None))
        yield
    finally:
        for v, grad in before:
            v._grad = grad
