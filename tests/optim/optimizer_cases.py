"""Every optimizer in one table: a new one is a line in it.

A line is the text of a constructor, run in our ``optim`` and in ``torch.optim``, and the settings
of a second parameter group; an optimizer that PyTorch spells in another way gives its text too, and
one that PyTorch does not have gives None.  ``python tests/optim/optimizer_cases.py`` writes PyTorch's
paths through three problems to ``torch_numbers.json``, against which ours are tested wherever there
is no PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lecture as tg
from tinygrad_lecture import optim

NUMBERS = Path(__file__).with_name("torch_numbers.json")
STEPS = 100
KEPT = (1, 2, 10, 50, 51, 100)  # of the steps

SAME = "what ours says"


@dataclass(frozen=True)
class Case:
    """An optimizer with its settings; `second` are those of the second group."""

    ours: str
    second: dict[str, Any] = field(default_factory=dict)
    torch: str | None = SAME

    def make(self, w: Any, b: Any, where: Any = optim) -> Any:
        """Return it over two groups, ours or PyTorch's."""
        text = self.ours if self.torch in (SAME, None) or where is optim else self.torch
        groups = [{"params": [w]}, {"params": [b], **self.second}]
        assert isinstance(text, str)
        return eval(text, {**vars(where), "params": groups})


DECAY: dict[str, Any] = {"lr": 0.02, "weight_decay": 0.1}
NESTEROV = "SGD(params, lr=0.03, momentum=0.9, nesterov=True)"
CASES = [
    Case("SGD(params, lr=0.1)", DECAY),
    Case("SGD(params, lr=0.03, momentum=0.9, weight_decay=0.01)", {**DECAY, "momentum": 0.5}),
    Case("SGD(params, lr=0.03, momentum=0.9, dampening=0.3)", DECAY),
    Case(NESTEROV, DECAY),
    Case("SGD(params, lr=0.03, momentum=0.9, momentum_form='lecture')", DECAY,
         "SGD(params, lr=0.03, momentum=0.9)"),
    Case(NESTEROV[:-1] + ", momentum_form='lecture')", DECAY, NESTEROV),
    Case("ASGD(params, lr=0.05, lambd=0.1, t0=20)", {**DECAY, "alpha": 0.5}),
    Case("ASGD(params)", {"t0": 0.0}),
    Case("Adam(params, lr=0.05, weight_decay=0.01)", {**DECAY, "betas": (0.5, 0.9)}),
    Case("Adam(params, lr=0.05, amsgrad=True)", {**DECAY, "betas": (0.9, 0.5)}),
    Case("Adam(params, lr=0.02, bias_correction=False)", DECAY, None),
    Case("AdamW(params)", {"lr": 0.1, "weight_decay": 0.3}),
    Case("AdamW(params, lr=0.05, amsgrad=True)", {"betas": (0.9, 0.5)}),
    Case("Adamax(params, lr=0.05)", {**DECAY, "eps": 0.1}),
    Case("Adagrad(params, lr=0.3)", {**DECAY, "lr_decay": 0.05}),
    Case("Adagrad(params, lr=0.3, initial_accumulator_value=0.5, eps=0.01)", {"lr": 0.1}),
    Case("RMSprop(params)", DECAY),
    Case("RMSprop(params, alpha=0.9, momentum=0.5, eps=1e-3)", DECAY),
    Case("RMSprop(params, centered=True, weight_decay=0.01)", {"alpha": 0.9, "momentum": 0.8}),
    Case("RMSprop(params, eps=1e-3, eps_inside_sqrt=True)", {"centered": True}, None),
    Case("Rprop(params)", {"lr": 0.1, "etas": (0.3, 1.5)}),
    Case("Rprop(params, step_sizes=(0.001, 0.05))", {"lr": 1.0}),
    Case("Rprop(params, variant='rprop-')", {"lr": 0.1}, None),
    Case("Rprop(params, variant='rprop+')", {"lr": 0.1}, None),
    Case("Rprop(params, variant='irprop+')", {"lr": 0.1}, None),
    Case("GainSGD(params, lr=0.05)", {**DECAY, "clip": (0.5, 2.0)}, None),
]  # fmt: skip

Problem = Callable[[Any, Any, dict[str, Any], Any], Any]


def quadratic(w: Any, b: Any, batch: dict[str, Any], xp: Any) -> Any:
    away = w - batch["target"]
    return 0.5 * (batch["curvature"] * away * away).sum() + (b - 1.0) ** 2 + 0.1 * b * w.sum()


def logistic(w: Any, b: Any, batch: dict[str, Any], xp: Any) -> Any:
    return xp.log1p(xp.exp(-batch["sign"] * (xp.matmul(batch["x"], w) + b))).mean()


def noisy(w: Any, b: Any, batch: dict[str, Any], xp: Any) -> Any:
    residual = xp.matmul(batch["x"], w) + b - batch["y"]
    return (residual * residual).mean() + (batch["noise"] * w).sum()


PROBLEMS: dict[str, Problem] = {f.__name__: f for f in (quadratic, logistic, noisy)}


def draw() -> dict[str, Any]:
    """Return the data of the problems, short enough to read."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 4)).round(2)
    return {
        "start": rng.normal(size=4).round(2).tolist(),
        "quadratic": [{"target": [1.0, -2.0, 0.5, 0.0], "curvature": [0.05, 0.3, 1.0, 4.0]}],
        "logistic": [{"x": x.tolist(), "sign": np.sign(x[:, 0] + rng.normal(size=12)).tolist()}],
        "noisy": [
            {"x": x[rows].tolist(), "y": (x[rows, 1] - x[rows, 2] + 0.5).round(2).tolist(),
             "noise": rng.normal(size=4).round(2).tolist()}
            for rows in rng.integers(12, size=(7, 3))
        ],
    }  # fmt: skip


def arrays(batch: dict[str, Any]) -> dict[str, Any]:
    return {key: np.array(numbers) for key, numbers in batch.items()}


def torch_path(torch: Any, case: Case, problem: str, data: dict[str, Any]) -> list[list[float]]:
    """Return where PyTorch's parameters are after the steps to keep: w, then b."""
    torch.set_default_dtype(torch.float64)  # in which ASGD keeps its rate
    try:
        return _torch_path(torch, case, problem, data)
    finally:
        torch.set_default_dtype(torch.float32)


def _torch_path(torch: Any, case: Case, problem: str, data: dict[str, Any]) -> list[list[float]]:
    w = torch.tensor(data["start"], dtype=torch.float64, requires_grad=True)
    b = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    optimizer = case.make(w, b, torch.optim)
    batches = [
        {k: torch.tensor(x, dtype=torch.float64) for k, x in batch.items()}
        for batch in data[problem]
    ]
    path = []
    for step in range(STEPS):
        optimizer.zero_grad()
        PROBLEMS[problem](w, b, batches[step % len(batches)], torch).backward()
        optimizer.step()
        if step + 1 in KEPT:
            path.append([*w.tolist(), b.item()])
    return path


class Ours:
    """A problem on the way, step by step."""

    def __init__(self, case: Case, problem: str, data: dict[str, Any]) -> None:
        self.case, self.problem = case, PROBLEMS[problem]
        self.batches = [arrays(batch) for batch in data[problem]]
        self.w, self.b = tg.Value(data["start"], name="w"), tg.Value(0.5, name="b")
        self.optimizer = case.make(self.w, self.b)

    def take(self, batch: dict[str, Any]) -> Any:
        self.optimizer.zero_grad()
        loss = self.problem(self.w, self.b, batch, tg)
        loss.backward()
        self.optimizer.step(loss)
        return loss

    def batch(self, step: int) -> dict[str, Any]:
        return self.batches[step % len(self.batches)]

    @property
    def position(self) -> list[float]:
        return [*self.w.data.tolist(), self.b.data]


def write() -> None:
    import torch

    data = draw()
    numbers: dict[str, Any] = {"data": data, "paths": {}}
    for case in CASES:
        if case.torch is not None:
            numbers["paths"][repr(case)] = {p: torch_path(torch, case, p, data) for p in PROBLEMS}
    entries = [f"{json.dumps(key)}: {json.dumps(paths)}" for key, paths in numbers["paths"].items()]
    text = f'{{\n"data": {json.dumps(data)},\n"paths": {{\n' + ",\n".join(entries) + "\n}\n}\n"
    NUMBERS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
