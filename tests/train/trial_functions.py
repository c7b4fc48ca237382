"""Trials for other processes, which import this file and nothing of pytest."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lecture import data, nn, optim
from tinygrad_lecture.train import fit


def draw(scale: float, rng: np.random.Generator) -> float:
    """Give a number; short trials and long ones end in another order than they began."""
    time.sleep(0.02 * (scale % 3))
    return scale * float(rng.random())


def train_small(hidden: int, rng: np.random.Generator, compile: bool = True) -> dict[str, Any]:
    """Train a small net, all random parts of it from `rng`."""
    train = data.Dataset(*data.moons(60, seed=rng), "moons", n_classes=2)
    model = nn.Sequential(nn.Linear(2, hidden, rng=rng), nn.Tanh(), nn.Linear(hidden, 2, rng=rng))
    optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    loader = data.DataLoader(train, 16, seed=rng)
    fit(model, nn.CrossEntropyLoss(), optimizer, loader, epochs=3, compile=compile)
    return model.state_dict()


def die_at_first(files: tuple[str, int], rng: np.random.Generator) -> float:
    """Kill the own process on the first runs, and count all runs in a file."""
    path, deaths = Path(files[0]), files[1]
    with path.open("a") as file:
        file.write("x")
    if path.stat().st_size <= deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return float(rng.random())


def tell_pid_and_sleep(folder: str, rng: np.random.Generator) -> None:
    """Leave the number of the process as the name of a file, and stay."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)


def fail_from_two(number: int, rng: np.random.Generator) -> int:
    """Raise for numbers from 2; the later ones sooner."""
    time.sleep(0.1 if number == 2 else 0)
    if number >= 2:
        raise LookupError(f"nothing for {number}")
    return number


def give_a_value(number: int, rng: np.random.Generator) -> Any:
    """Give back what cannot travel."""
    return nn.Parameter(1.0)


def multiply(n: int, rng: np.random.Generator) -> bytes:
    """Give the bits of a product that is large enough for several threads."""
    return (rng.normal(size=(n, 784)) @ rng.normal(size=(784, n))).tobytes()
