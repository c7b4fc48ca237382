"""Schedules that PyTorch has as well: by name, settings and the rates that they begin with.

Run as a program, it writes PyTorch's rates over 100 steps to ``torch_schedules.json``, so that they
can be compared where PyTorch is not installed.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

STEPS = 100
RATES = (0.5, 0.02)  # of two parameter groups
FILE = Path(__file__).with_name("torch_schedules.json")

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "step": ("StepLR", {"step_size": 7, "gamma": 0.6}),
    "multi-step": ("MultiStepLR", {"milestones": [3, 10, 10, 60], "gamma": 0.3}),
    "exponential": ("ExponentialLR", {"gamma": 0.97}),
    "polynomial": ("PolynomialLR", {"total_iters": 40, "power": 2.5}),
    "constant": ("ConstantLR", {"factor": 0.25, "total_iters": 12}),
    "linear": ("LinearLR", {"start_factor": 0.1, "end_factor": 0.8, "total_iters": 30}),
    "cosine": ("CosineAnnealingLR", {"T_max": 30, "eta_min": 0.001}),
    "restarts": ("CosineAnnealingWarmRestarts", {"T_0": 9, "eta_min": 0.001}),
    "growing restarts": ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 2}),
    "triangular": (
        "CyclicLR",
        {"base_lr": 0.01, "max_lr": 0.4, "step_size_up": 8, "cycle_momentum": False},
    ),
    "triangular2": (
        "CyclicLR",
        {"base_lr": [0.01, 0.001], "max_lr": [0.4, 0.1], "step_size_up": 8, "step_size_down": 3,
         "mode": "triangular2", "cycle_momentum": False},
    ),
    "exp_range": (
        "CyclicLR",
        {"base_lr": 0.01, "max_lr": 0.4, "step_size_up": 11, "mode": "exp_range", "gamma": 0.98,
         "cycle_momentum": False},
    ),
    "one cycle": ("OneCycleLR", {"max_lr": 0.4, "total_steps": STEPS + 1}),
    "one cycle, linear": (
        "OneCycleLR",
        {"max_lr": [0.4, 0.1], "total_steps": STEPS + 1, "anneal_strategy": "linear",
         "pct_start": 0.4, "div_factor": 10.0},
    ),
    "one cycle, three phases": (
        "OneCycleLR", {"max_lr": 0.4, "epochs": 101, "steps_per_epoch": 1, "three_phase": True}
    ),
}  # fmt: skip

SWA: dict[str, dict[str, Any]] = {
    "swa": {"swa_lr": 0.05, "anneal_epochs": 20},
    "swa, linear": {"swa_lr": [0.05, 0.1], "anneal_epochs": 7, "anneal_strategy": "linear"},
    "swa, at once": {"swa_lr": 0.05, "anneal_epochs": 0},
}

LOSSES = [1.0 / (1 + t // 9) for t in range(STEPS)]  # improve at every ninth step
PLATEAUS: dict[str, dict[str, Any]] = {
    "plateau": {"factor": 0.5, "patience": 3},
    "plateau, cooldown": {"factor": 0.3, "patience": 2, "cooldown": 4, "min_lr": 1e-3},
    "plateau, max": {"mode": "max", "factor": 0.5, "patience": 5, "threshold_mode": "abs"},
}


def rates(optimizer: Any, optim: Any, name: str) -> list[list[float]]:
    """Return the rates of both groups at each step, of a schedule of PyTorch's or ours."""
    found = []
    modules = optim.lr_scheduler
    if name in SWA:
        schedule = optim.swa_utils.SWALR(optimizer, **SWA[name])
        steps: list[tuple[float, ...]] = [()] * STEPS
    elif name in PLATEAUS:
        schedule = modules.ReduceLROnPlateau(optimizer, **PLATEAUS[name])
        steps = [(loss,) for loss in LOSSES]
    else:
        kind, settings = CASES[name]
        schedule = getattr(modules, kind)(optimizer, **settings)
        steps = [()] * STEPS
    for args in steps:
        found.append([group["lr"] for group in optimizer.param_groups])
        schedule.step(*args)
    return found


def main() -> None:
    """Write PyTorch's rates down."""
    import torch
    import torch.optim.swa_utils

    answers = {}
    for name in [*CASES, *PLATEAUS, *SWA]:
        a, b = (torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(2))
        groups = [{"params": [p], "lr": lr} for p, lr in zip((a, b), RATES, strict=True)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optimizer = torch.optim.SGD(groups, momentum=0.9)
            answers[name] = rates(optimizer, torch.optim, name)
    FILE.write_text(json.dumps(answers, indent=0) + "\n")


if __name__ == "__main__":
    main()
