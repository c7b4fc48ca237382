"""Members of an ensemble, in a file that other processes can import."""

from __future__ import annotations

import numpy as np

from tinygrad_lecture import data, nn, optim
from tinygrad_lecture.train import fit


def build(rng: np.random.Generator) -> nn.Module:
    """Give a small net."""
    return nn.Sequential(nn.Linear(2, 12, rng=rng), nn.Tanh(), nn.Linear(12, 3, rng=rng))


def train(model: nn.Module, rng: np.random.Generator) -> None:
    """Train it on spirals that everyone shares, in an order of its own."""
    points = data.Dataset(*data.spirals(120, noise=0.8, seed=0), "spirals", n_classes=3)
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    loader = data.DataLoader(points, 40, seed=rng)
    fit(model, nn.CrossEntropyLoss(), optimizer, loader, epochs=25, compile=True)


def final_loss(rng: np.random.Generator) -> float:
    """Give the loss of a net that was trained a little."""
    model = build(rng)
    train(model, rng)
    X, y = data.spirals(120, noise=0.8, seed=1)
    return float(nn.CrossEntropyLoss()(model(X), y).item())
