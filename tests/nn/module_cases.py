"""Every module in one table: a new one is a line in it.

A line is the text of a constructor, run in our ``nn`` and in ``torch.nn``, and calls of it; a
module that PyTorch does not have gives a reference in its terms.  ``python tests/nn/module_cases.py``
writes PyTorch's numbers to ``torch_numbers.json``, against which the modules are tested wherever
there is no PyTorch.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lecture as tg
from tinygrad_lecture import nn

NUMBERS = Path(__file__).with_name("torch_numbers.json")

Draw = Callable[[np.random.Generator], Any]
Numbers = dict[str, Any]


def normal(*shape: int, scale: float = 1.5) -> Draw:
    return lambda rng: rng.normal(size=shape) * scale


def unit(*shape: int) -> Draw:
    return lambda rng: rng.uniform(0.05, 0.95, shape)


def labels(*shape: int, classes: int) -> Draw:
    return lambda rng: rng.integers(0, classes, shape)


def signs(*shape: int) -> Draw:
    return lambda rng: rng.choice([-1.0, 1.0], shape)


@dataclass(frozen=True)
class Case:
    """A module and calls of it.

    Attributes
    ----------
    text : str
        The constructor, in terms of ``nn``: ours, or PyTorch's.
    calls : tuple of tuples of Draw
        Arguments of each call; floats are differentiated, integers are not.
    reference : callable, optional
        ``reference(torch, parameters, training, *inputs)`` for modules that PyTorch lacks.
    modes : tuple of str
        "train", "eval", or both where they differ.
    """

    text: str
    calls: tuple[tuple[Draw, ...], ...]
    reference: Callable[..., Any] | None = None
    modes: tuple[str, ...] = ("train",)

    def make(self, namespace: Any) -> Any:
        return eval(self.text, {"nn": namespace, "np": np})

    def runs(self) -> Iterator[Run]:
        for i in range(len(self.calls)):
            for mode in self.modes:
                yield Run(self, i, mode)


@dataclass(frozen=True)
class Run:
    """One call of a case, in one mode."""

    case: Case
    call: int
    mode: str

    @property
    def name(self) -> str:
        return f"{self.case.text} call {self.call} {self.mode}"

    def inputs(self, dtype: Any = np.float64, more: int = 0) -> list[Any]:
        """Draw the arguments: always the same ones for the same `more`."""
        rng = np.random.default_rng([zlib.crc32(self.case.text.encode()), self.call, more])
        drawn = [np.asarray(draw(rng)) for draw in self.case.calls[self.call]]
        return [x.astype(dtype) if x.dtype.kind == "f" else x for x in drawn]

    def state(self, module: nn.Module) -> Numbers:
        """Draw values for parameters and buffers."""
        rng = np.random.default_rng(zlib.crc32(self.case.text.encode()) + 1)
        state = module.state_dict()
        for name, array in state.items():
            if name.endswith("var"):
                state[name] = rng.uniform(0.5, 2.0, array.shape)
            elif not name.endswith("tracked"):
                state[name] = rng.normal(size=array.shape) * 0.7
        return state

    def cotangent(self, shape: tuple[int, ...]) -> Any:
        return np.random.default_rng(7).normal(size=shape)

    def module(self, dtype: Any = np.float64) -> nn.Module:
        module: nn.Module = self.case.make(nn)
        module.load_state_dict(self.state(module))
        for parameter_of, name in places(module).values():
            old = getattr(parameter_of, name)
            setattr(parameter_of, name, nn.Parameter(np.asarray(old.data).astype(dtype), old.name))
        for below in module.modules():
            for name in below._buffers:
                setattr(below, name, getattr(below, name).astype(dtype))
        return module.train(self.mode == "train")

    def ours(self, dtype: Any = np.float64) -> Numbers:
        """Return output and gradients of our module, and its buffers afterwards."""
        module = self.module(dtype)
        inputs = [tg.Value(x) if x.dtype.kind == "f" else x for x in self.inputs(dtype)]
        out = module(*inputs)
        out.backward(seed=self.cotangent(out.shape))
        found = {"out": out.data}
        found.update((f"d input {i}", x.grad) for i, x in enumerate(inputs) if is_float(x))
        found.update((f"d {name}", p.grad) for name, p in module.named_parameters())
        found.update((name, buffer) for name, buffer in module.named_buffers())
        return found

    def pytorchs(self) -> Numbers:
        """Return the same of PyTorch's module, or of the reference."""
        import torch

        ours: nn.Module = self.case.make(nn)
        state = {name: torch.tensor(np.array(x)) for name, x in self.state(ours).items()}
        inputs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in self.inputs()]
        buffers: Mapping[str, Any] = {}
        if self.case.reference is None:
            module = self.case.make(torch.nn).double().train(self.mode == "train")
            module.load_state_dict(state)
            parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
            out = module(*inputs)
        else:
            parameters = {name: state[name].requires_grad_() for name, _ in ours.named_parameters()}
            out = self.case.reference(torch, parameters, self.mode == "train", *inputs)
        out.backward(torch.tensor(self.cotangent(tuple(out.shape))))
        found = {"out": out.detach().numpy()}
        found.update((f"d input {i}", grad(x)) for i, x in enumerate(inputs) if x.requires_grad)
        found.update((f"d {name}", grad(p)) for name, p in parameters.items())
        found.update((name, buffer.numpy()) for name, buffer in buffers.items())
        return found


def is_float(x: Any) -> bool:
    return isinstance(x, tg.Value)


def grad(x: Any) -> Any:
    return np.zeros(tuple(x.shape)) if x.grad is None else x.grad.numpy()


def places(module: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """Return, for each parameter, the module that has it, and the name of the attribute."""
    modules = dict(module.named_modules())
    return {
        path: (modules[path.rpartition(".")[0]], path.rpartition(".")[2])
        for path, _ in module.named_parameters()
    }


def _elementwise(text: str, reference: Callable[..., Any] | None = None) -> Case:
    calls = ((normal(3, 5, scale=3.0),), (normal(1, 1),), (normal(2, 1, 3),))
    return Case(text, calls, reference)


def _lecun(torch: Any, parameters: Any, training: bool, x: Any, twist: float = 0.0) -> Any:
    return 1.7159 * torch.tanh(2 * x / 3) + twist * x


def _swish(torch: Any, parameters: Any, training: bool, x: Any) -> Any:
    beta = parameters["beta"]
    return x * torch.sigmoid(beta.reshape(-1, *(1,) * (x.ndim - 2)) * x)


ACTIVATIONS = [
    _elementwise("nn.ReLU()"),
    _elementwise("nn.ReLU6()"),
    _elementwise("nn.LeakyReLU()"),
    _elementwise("nn.LeakyReLU(0.2)"),
    _elementwise("nn.PReLU()"),
    Case("nn.PReLU(3)", ((normal(4, 3),), (normal(1, 3),), (normal(2, 3, 5),))),
    _elementwise("nn.ELU()"),
    _elementwise("nn.ELU(0.7)"),
    _elementwise("nn.CELU(2.0)"),  # PyTorch rounds other alphas to float32
    _elementwise("nn.SELU()"),
    _elementwise("nn.GELU()"),
    _elementwise("nn.GELU(approximate='tanh')"),
    _elementwise("nn.Softplus()"),
    _elementwise("nn.Softplus(beta=3.0, threshold=4.0)"),
    _elementwise("nn.SiLU()"),
    _elementwise("nn.Mish()"),
    _elementwise("nn.Sigmoid()"),
    _elementwise("nn.LogSigmoid()"),
    # PyTorch's own derivative has 1/6 in float32
    _elementwise("nn.Hardsigmoid()", lambda torch, p, m, x: torch.clamp(x + 3, 0, 6) / 6),
    _elementwise("nn.Hardswish()"),
    _elementwise("nn.Tanh()"),
    _elementwise("nn.Hardtanh()"),
    _elementwise("nn.Hardtanh(-0.5, 2.0)"),
    _elementwise("nn.Softsign()"),
    _elementwise("nn.Tanhshrink()"),
    _elementwise("nn.Softshrink()"),
    _elementwise("nn.Hardshrink(0.8)"),
    _elementwise("nn.Threshold(0.3, -2.0)"),
    _elementwise("nn.LeCunTanh()", _lecun),
    _elementwise("nn.LeCunTanh(0.1)", lambda t, p, m, x: _lecun(t, p, m, x, 0.1)),
    Case("nn.Swish()", ((normal(4, 3),), (normal(1, 1),), (normal(2, 3, 5),)), _swish),
    Case("nn.Swish(num_parameters=3)", ((normal(4, 3),), (normal(2, 3, 5),)), _swish),
    Case("nn.Softmax(dim=1)", ((normal(3, 5),), (normal(1, 1),), (normal(2, 3, 4),))),
    Case("nn.Softmax(dim=-1)", ((normal(2, 3, 4),),)),
    Case("nn.Softmin(dim=0)", ((normal(3, 5),),)),
    Case("nn.LogSoftmax(dim=1)", ((normal(3, 5),), (normal(1, 1),), (normal(2, 3, 4),))),
    Case("nn.GLU()", ((normal(3, 6),), (normal(1, 2),))),
    Case("nn.GLU(dim=1)", ((normal(3, 4, 3),),)),
]  # fmt: skip

_BATCHES = ((normal(4, 3),), (normal(2, 3, 5),))

LAYERS = [
    Case("nn.Linear(3, 2)", ((normal(4, 3),), (normal(1, 3),), (normal(2, 5, 3),), (normal(3),))),
    Case("nn.Linear(1, 1, bias=False)", ((normal(1, 1),),)),
    Case("nn.BatchNorm1d(3)", _BATCHES, modes=("train", "eval")),
    Case("nn.BatchNorm1d(3, eps=0.1, momentum=None, affine=False)", _BATCHES, modes=("train", "eval")),
    Case("nn.BatchNorm1d(3, track_running_stats=False)", _BATCHES, modes=("train", "eval")),
    Case("nn.Dropout(0.0)", _BATCHES),
    Case("nn.Dropout(0.5)", _BATCHES, modes=("eval",)),
    Case("nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 2))", _BATCHES[:1]),
]  # fmt: skip

LOSSES = [
    Case("nn.MSELoss()", ((normal(4, 3), normal(4, 3)),)),
    Case("nn.CrossEntropyLoss()", ((normal(4, 3), labels(4, classes=3)),)),
]

CASES = [*ACTIVATIONS, *LAYERS, *LOSSES]
RUNS = [run for case in CASES for run in case.runs()]


def stored() -> dict[str, Numbers]:
    """Return PyTorch's numbers, by run."""
    found: dict[str, Numbers] = json.loads(NUMBERS.read_text())
    return found


def main() -> None:
    """Write PyTorch's numbers."""
    lines = []
    for run in RUNS:
        numbers = {k: np.asarray(x, float).tolist() for k, x in run.pytorchs().items()}
        lines.append(f"{json.dumps(run.name)}: {json.dumps(numbers)}")
    NUMBERS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
