"""Every module in one table: a new one is a line in it.

A line is the text of a constructor, run in our ``nn`` and in ``torch.nn``, and calls of it; a
module that PyTorch does not have gives a reference in its terms.  ``python tests/nn/module_cases.py``
writes PyTorch's numbers to ``torch_numbers.json``, against which the modules are tested wherever
there is no PyTorch.
"""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
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


def ignored(*shape: int) -> Draw:
    """Labels of three classes, some of them the one that does not count."""
    return lambda rng: rng.choice([0, -7, 2, 1], shape)


def distribution(*shape: int) -> Draw:
    def draw(rng: np.random.Generator) -> Any:
        x = rng.uniform(0.1, 1.0, shape)
        return x / x.sum(1, keepdims=True)

    return draw


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
    targets : bool
        Whether the second argument is a target, with respect to which nothing is differentiated.
    """

    text: str
    calls: tuple[tuple[Draw, ...], ...]
    reference: Callable[..., Any] | None = None
    modes: tuple[str, ...] = ("train",)
    targets: bool = False

    def make(self, namespace: Any) -> Any:
        tensor: Any = np.array
        if namespace is not nn:
            import torch

            tensor = torch.tensor
        return eval(self.text, {"nn": namespace, "tensor": tensor})

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

    def tracked(self) -> list[int]:
        """Return the positions of the arguments that are differentiated."""
        inputs = self.inputs()
        return [i for i, x in enumerate(inputs[: 1 if self.case.targets else None]) if is_float(x)]

    def state(self, module: nn.Module) -> Numbers:
        """Draw values for parameters and buffers."""
        rng = np.random.default_rng(zlib.crc32(self.case.text.encode()) + 1)
        state = module.state_dict()
        for name, array in state.items():
            if name.endswith("var"):
                state[name] = rng.uniform(0.5, 2.0, array.shape)
            elif name.endswith("weight") and name in module._buffers:
                state[name] = array
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
        inputs, tracked = self.inputs(dtype), self.tracked()
        inputs = [tg.Value(x) if i in tracked else x for i, x in enumerate(inputs)]
        out = module(*inputs)
        out.backward(seed=self.cotangent(out.shape))
        found = {"out": out.data}
        found.update((f"d input {i}", inputs[i].grad) for i in tracked)
        found.update((f"d {name}", p.grad) for name, p in module.named_parameters())
        if self.case.reference is None:
            found.update((name, buffer) for name, buffer in module.named_buffers())
        return found

    def pytorchs(self) -> Numbers:
        """Return the same of PyTorch's module, or of the reference."""
        import torch

        ours: nn.Module = self.case.make(nn)
        state = {name: torch.tensor(np.array(x)) for name, x in self.state(ours).items()}
        inputs = [
            torch.tensor(x, requires_grad=i in self.tracked()) for i, x in enumerate(self.inputs())
        ]
        buffers: Mapping[str, Any] = {}
        if self.case.reference is None:
            module = self.case.make(torch.nn).double().train(self.mode == "train")
            module.load_state_dict(state)
            parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Using padding='same'")  # of its speed
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
    return bool(x.dtype.kind == "f")


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


def _batch_norm(torch: Any, parameters: Any, training: bool, x: Any, prefix: str = "") -> Any:
    """In training, from its definition; in evaluation with the statistics that the state has."""
    if not training:
        buffers = Run(next(c for c in LAYERS if "fused" in c.text), 0, "eval").module()
        mean, var = (torch.tensor(np.array(b)) for b in list(buffers.buffers())[:2])
    else:
        axes = (0, *range(2, x.ndim))
        mean, var = x.mean(axes), x.var(axes, unbiased=False)
    shape = (-1, *(1,) * (x.ndim - 2))
    out = (x - mean.reshape(shape)) / torch.sqrt(var.reshape(shape) + 1e-5)
    if prefix + "weight" not in parameters:
        return out
    weight, bias = (parameters[prefix + name].reshape(shape) for name in ("weight", "bias"))
    return out * weight + bias


def _scaled_linear(torch: Any, parameters: Any, training: bool, x: Any) -> Any:
    return 0.1 * torch.nn.functional.linear(x, parameters["weight"], parameters["bias"])


def _maxout(torch: Any, parameters: Any, training: bool, x: Any) -> Any:
    units, pieces = (2, 4) if "bias" in parameters else (3, 1)
    out = torch.nn.functional.linear(x, parameters["weight"], parameters.get("bias"))
    return out.reshape(*x.shape[:-1], units, pieces).max(-1).values


def _residual(torch: Any, parameters: Any, training: bool, x: Any, prefix: str = "") -> Any:
    """The block as its docstring writes it; which form it is can be told by its parameters."""

    def linear(name: str, x: Any) -> Any:
        weight = parameters[f"{prefix}{name}.weight"]
        return torch.nn.functional.linear(x, weight, parameters.get(f"{prefix}{name}.bias"))

    def norm(name: str, x: Any) -> Any:
        known = f"{prefix}{name}.weight" in parameters
        return _batch_norm(torch, parameters, training, x, f"{prefix}{name}.") if known else x

    def shortcut(x: Any) -> Any:
        if f"{prefix}shortcut.0.weight" in parameters:
            return norm("shortcut.1", linear("shortcut.0", x))
        return linear("shortcut", x) if f"{prefix}shortcut.weight" in parameters else x

    normed, shape = (
        f"{prefix}norm1.weight" in parameters,
        parameters[f"{prefix}linear2.weight"].shape,
    )
    biased = f"{prefix}linear2.bias" in parameters
    pre_act = biased if normed else shape[0] == 2 or bool(prefix)
    if pre_act:
        return shortcut(x) + linear(
            "linear2", torch.relu(norm("norm2", linear("linear1", torch.relu(norm("norm1", x)))))
        )
    h = torch.relu(norm("norm1", linear("linear1", x)))
    return torch.relu(norm("norm2", linear("linear2", h)) + shortcut(x))


def _resnet(torch: Any, parameters: Any, training: bool, x: Any) -> Any:
    linear = torch.nn.functional.linear
    h = linear(x, parameters["first.weight"], parameters["first.bias"])
    h = _residual(torch, parameters, training, h, "blocks.0.")
    return linear(h, parameters["last.weight"], parameters["last.bias"])


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
    Case("nn.BatchNorm1d(3, fused=True)", _BATCHES, _batch_norm, ("train", "eval")),
    Case("nn.BatchNorm2d(3)", ((normal(2, 3, 4, 5),), (normal(1, 3, 1, 2),)), modes=("train", "eval")),
    Case("nn.BatchNorm2d(3, affine=False, fused=True)", ((normal(2, 3, 2, 3),),), _batch_norm),
    Case("nn.Identity()", _BATCHES),
    Case("nn.Flatten()", ((normal(2, 3, 2, 2),), (normal(1, 1),))),
    Case("nn.Flatten(-2, -1)", ((normal(2, 3, 2, 2),),)),
    Case("nn.ScaledLinear(3, 2, 0.1)", ((normal(4, 3),), (normal(1, 3),)), _scaled_linear),
    Case("nn.Maxout(3, 2, 4)", ((normal(4, 3),), (normal(1, 3),), (normal(2, 2, 3),)), _maxout),
    Case("nn.Maxout(1, 3, 1, bias=False)", ((normal(2, 1),),), _maxout),
    Case("nn.Dropout(0.0)", _BATCHES),
    Case("nn.Dropout(0.5)", _BATCHES, modes=("eval",)),
    Case("nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 2))", _BATCHES[:1]),
]  # fmt: skip

_IMAGES = ((normal(2, 3, 5, 4),), (normal(1, 3, 4, 7),))

IMAGES = [
    Case("nn.Conv2d(3, 2, 3)", _IMAGES),
    Case("nn.Conv2d(3, 2, (2, 3), stride=(2, 1), padding=(1, 2), bias=False)", _IMAGES),
    Case("nn.Conv2d(3, 4, 2, dilation=(2, 1), padding='valid')", _IMAGES),
    Case("nn.Conv2d(3, 2, (2, 3), padding='same', dilation=(1, 2))", _IMAGES),
    Case("nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3)", _IMAGES),
    Case("nn.Conv2d(1, 1, 1)", ((normal(1, 1, 1, 1),),)),
    Case("nn.MaxPool2d(2)", _IMAGES),
    Case("nn.MaxPool2d((3, 2), stride=(1, 2), padding=(1, 0))", _IMAGES),
    Case("nn.MaxPool2d(2, dilation=(2, 1), stride=1)", _IMAGES),
    Case("nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)", _IMAGES),
    Case("nn.MaxPool2d(1)", ((normal(1, 1, 1, 1),),)),
    Case("nn.AvgPool2d(2)", _IMAGES),
    Case("nn.AvgPool2d((3, 2), stride=(2, 1), padding=(1, 0))", _IMAGES),
    Case("nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True)", _IMAGES),
    Case("nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)", _IMAGES),
    Case("nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())", _IMAGES[:1]),
]  # fmt: skip

_ROWS = ((normal(7, 3),), (normal(3, 3),))

RESIDUAL = [
    Case("nn.ResidualBlock(3)", _ROWS, _residual),
    Case("nn.ResidualBlock(3, 4)", _ROWS, _residual),
    Case("nn.ResidualBlock(3, norm=False)", _ROWS, _residual),
    Case("nn.ResidualBlock(3, 2, pre_act=True)", _ROWS, _residual),
    Case("nn.ResidualBlock(3, 2, pre_act=True, norm=False)", ((normal(1, 3),),), _residual),
    Case("nn.ResNetMLP(4, 4, 3)", ((normal(5, 3),),), _resnet),
]

_PAIRS = ((normal(4, 3), normal(4, 3)), (normal(1, 1), normal(1, 1)))


def _weighted(text: str, *call: Draw) -> Case:
    """A loss with weights: an array in ours, a tensor in PyTorch's."""
    return Case(text.replace("=X", "=tensor([0.5, 2.0, 1.25])"), (call,))


_LOSSES = [
    Case("nn.MSELoss()", ((normal(4, 3), normal(4, 3)),)),
    *(
        Case(f"nn.{loss}Loss({settings})", _PAIRS, reference)
        for loss, settings, reference in (
            ("L1", "", None),
            ("Huber", "", None),
            ("Huber", "delta=0.7, reduction='sum'", None),
            ("SmoothL1", "beta=2.0", None),
            ("SmoothL1", "beta=0.0, reduction='none'", None),
            ("MSE", "reduction='sum'", None),
            ("MSE", "reduction='none'", None),
            ("HalfMSE", "", lambda torch, p, m, x, y: (x - y).square().mean() / 2),
        )
    ),
    Case("nn.BCELoss()", ((unit(4, 3), unit(4, 3)), (unit(1), unit(1)))),
    Case("nn.BCELoss(reduction='none')", ((unit(4, 3), unit(4, 3)),)),
    Case("nn.BCEWithLogitsLoss()", ((normal(4, 3), unit(4, 3)), (normal(1, 1), unit(1, 1)))),
    Case("nn.BCEWithLogitsLoss(reduction='sum')", ((normal(5), unit(5)),)),
    _weighted("nn.BCEWithLogitsLoss(weight=X, pos_weight=X)", normal(4, 3), unit(4, 3)),
    _weighted("nn.BCELoss(weight=X)", unit(4, 3), unit(4, 3)),
    Case("nn.CrossEntropyLoss()", (
        (normal(4, 3), labels(4, classes=3)), (normal(1, 1), labels(1, classes=1)),
        (normal(2, 3, 2, 4), labels(2, 2, 4, classes=3)),
        (normal(2, 3, 4), distribution(2, 3, 4)), (normal(1, 2), distribution(1, 2)),
    )),
    Case("nn.CrossEntropyLoss(reduction='none')", ((normal(4, 3), labels(4, classes=3)), (normal(2, 3, 4), labels(2, 4, classes=3)))),
    Case("nn.CrossEntropyLoss(ignore_index=1)", ((normal(6, 3), labels(6, classes=3)),)),
    Case("nn.CrossEntropyLoss(ignore_index=-7, reduction='sum')", ((normal(6, 3), ignored(6)),)),
    Case("nn.CrossEntropyLoss(ignore_index=-7, label_smoothing=0.3)", ((normal(6, 3), ignored(6)),)),
    Case("nn.CrossEntropyLoss(label_smoothing=0.1)", ((normal(4, 3), labels(4, classes=3)), (normal(4, 3), distribution(4, 3)))),
    _weighted("nn.CrossEntropyLoss(weight=X)", normal(4, 3), labels(4, classes=3)),
    _weighted("nn.CrossEntropyLoss(weight=X, reduction='none')", normal(4, 3), labels(4, classes=3)),
    _weighted("nn.CrossEntropyLoss(weight=X, ignore_index=-7, label_smoothing=0.2)", normal(6, 3), ignored(6)),
    _weighted("nn.CrossEntropyLoss(weight=X, label_smoothing=0.2)", normal(4, 3), distribution(4, 3)),
    Case("nn.NLLLoss()", ((normal(4, 3), labels(4, classes=3)), (normal(2, 3, 4), labels(2, 4, classes=3)))),
    _weighted("nn.NLLLoss(weight=X, ignore_index=-7)", normal(6, 3), ignored(6)),
    Case("nn.KLDivLoss(reduction='batchmean')", ((normal(4, 3), distribution(4, 3)),)),
    Case("nn.KLDivLoss(log_target=True, reduction='sum')", ((normal(4, 3), normal(4, 3)),)),
    Case("nn.SoftMarginLoss()", ((normal(4, 3), signs(4, 3)),)),
    Case("nn.MultiMarginLoss()", ((normal(4, 3), labels(4, classes=3)), (normal(1, 2), labels(1, classes=2)))),
    Case("nn.MultiMarginLoss(p=2, margin=0.5, reduction='sum')", ((normal(4, 3), labels(4, classes=3)),)),
    Case("nn.HingeLoss()", ((normal(4, 3), signs(4, 3)),), lambda torch, p, m, x, y: (1 - x * y).relu().mean()),
    Case("nn.HingeLoss(0.5, squared=True, reduction='sum')", ((normal(6), signs(6)),), lambda torch, p, m, x, y: (0.5 - x * y).relu().square().sum()),
    Case("nn.PerceptronLoss(reduction='none')", ((normal(4, 3), signs(4, 3)),), lambda torch, p, m, x, y: (-x * y).relu()),
]  # fmt: skip
LOSSES = [replace(case, targets=True) for case in _LOSSES]

CASES = [*ACTIVATIONS, *LAYERS, *IMAGES, *RESIDUAL, *LOSSES]
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
