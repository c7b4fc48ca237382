"""`summary`: the modules of a model as a table, with the shapes of their outputs and counts."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..engine import Value, nest
from ..engine.modes import no_grad

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Row", "Summary", "summary"]


@dataclass(frozen=True)
class Row:
    """One module in a `Summary`.

    Attributes
    ----------
    path : str
        Dotted path; empty for the model itself.
    kind : str
        Name of the class.
    output_shape : tuple of int, list of such, or None
        Of the last call; a list for several outputs; None if the module was not called.
    parameters : int
        Trainable numbers of the module itself, without those of its children.  What two modules
        share counts for the first.
    """

    path: str
    kind: str
    output_shape: Any
    parameters: int


@dataclass(frozen=True)
class Summary:
    """What `summary` found; printed as a table.

    Attributes
    ----------
    rows : tuple of Row
        Parents before children, in the order of definition.
    """

    rows: tuple[Row, ...]
    buffers: int

    @property
    def parameters(self) -> int:
        """Number of trainable numbers in all."""
        return sum(row.parameters for row in self.rows)

    def __str__(self) -> str:
        cells = [("module", "kind", "output shape", "parameters")]
        for row in self.rows:
            shape = "not called" if row.output_shape is None else str(row.output_shape)
            cells.append((row.path or "(model)", row.kind, shape, f"{row.parameters:,}"))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join([*map(str.ljust, line[:3], widths), line[3].rjust(widths[3])])
            for line in cells
        ]
        return "\n".join([*lines, f"{self.parameters:,} parameters, {self.buffers:,} in buffers"])

    __repr__ = __str__


def summary(model: Module, *inputs: Any) -> Summary:
    """Call a model once, and list its modules with output shapes and numbers of parameters.

    Parameters
    ----------
    model : Module
    *inputs : array_like or Value
        Arguments of one call, a batch of zeros of the right shape for example.  The call is in
        evaluation mode and records nothing; the model is as it was afterwards.

    Returns
    -------
    Summary
        With ``rows``, ``parameters`` and ``buffers``; ``print`` gives the table.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lecture as tg
    >>> net = tg.nn.Sequential(
    ...     tg.nn.Linear(64, 32), tg.nn.BatchNorm1d(32), tg.nn.ReLU(), tg.nn.Linear(32, 10)
    ... )
    >>> tg.nn.summary(net, np.zeros((1, 64)))
    module   kind         output shape  parameters
    (model)  Sequential   (1, 10)                0
    0        Linear       (1, 32)            2,080
    1        BatchNorm1d  (1, 32)               64
    2        ReLU         (1, 32)                0
    3        Linear       (1, 10)              330
    2,474 parameters, 65 in buffers
    """
    modules = list(model.named_modules())
    shapes: dict[int, Any] = {}

    def note(module: Module, args: tuple[Any, ...], output: Any) -> None:
        found = [x.shape for x in nest.flatten(output)[0] if isinstance(x, Value)]
        shapes[id(module)] = found[0] if len(found) == 1 else found

    training = [(module, module.training) for _, module in modules]
    with ExitStack() as stack:
        for _, module in modules:
            stack.enter_context(module.register_forward_hook(note))
        model.eval()
        try:
            with no_grad():
                model(*inputs)
        finally:
            for module, mode in training:
                module.training = mode
    own = dict.fromkeys((id(module) for _, module in modules), 0)
    place = {path: id(module) for path, module in modules}
    for name, parameter in model.named_parameters():
        own[place[name.rpartition(".")[0]]] += parameter.size
    rows = (
        Row(path, type(module).__name__, shapes.get(id(module)), own[id(module)])
        for path, module in modules
    )
    return Summary(tuple(rows), sum(buffer.size for buffer in model.buffers()))
