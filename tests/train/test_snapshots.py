"""Snapshot ensembles: rates of the cycles, weights at their ends, resume, and the claim of L39."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import data, nn, optim
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import (
    Callback,
    Checkpoint,
    Run,
    SnapshotEnsemble,
    fit,
    load_checkpoint,
)


def setup(seed: int = 0) -> tuple[nn.Sequential, optim.SGD, data.DataLoader]:
    points = data.Dataset(*data.spirals(60, noise=0.8, seed=seed), "spirals", n_classes=3)
    model = nn.Sequential(nn.Linear(2, 6, rng=seed), nn.BatchNorm1d(6), nn.Linear(6, 3, rng=1))
    return model, optim.SGD(model.parameters(), lr=9.0), data.DataLoader(points, 20, seed=seed)


class Watch(Callback):
    def __init__(self) -> None:
        self.lrs: list[float] = []
        self.weights: list[dict[str, Any]] = []

    def on_start(self, run: Run) -> None:
        self.next = run.optimizer.param_groups[0]["lr"]

    def on_step(self, run: Run) -> None:
        self.lrs.append(self.next)
        self.next = run.optimizer.param_groups[0]["lr"]
        self.weights.append(run.model.state_dict())


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_rates_are_cosines_and_snapshots_the_weights_at_the_ends_of_cycles() -> None:
    model, optimizer, loader = setup()
    snapshots, watch = SnapshotEnsemble(total=10, cycles=3, lr0=0.4), Watch()
    fit(
        model, nn.CrossEntropyLoss(), optimizer, loader, epochs=4, callbacks=[snapshots, watch],
        compile=True,
    )  # fmt: skip

    # C = ⌈10/3⌉ = 4: 0.2 (cos(π k/4) + 1), and what comes after step 10 is not kept.
    cycle = [0.4, 0.2 + 0.1 * np.sqrt(2), 0.2, 0.2 - 0.1 * np.sqrt(2)]
    assert watch.lrs == pytest.approx([*cycle, *cycle, *cycle], rel=1e-12)
    assert len(snapshots.snapshots) == 3
    for step, kept in zip((4, 8, 10), snapshots.snapshots, strict=True):
        assert same(kept, watch.weights[step - 1])
    ensemble = snapshots.ensemble(last=2)
    assert [
        same(m.state_dict(), s)
        for m, s in zip(ensemble.models, snapshots.snapshots[1:], strict=True)
    ] == [True, True]
    assert not any(module.training for module in ensemble.modules())
    assert model.training


def test_the_rates_are_those_of_the_schedule() -> None:
    schedules = pytest.importorskip("tinygrad_lecture.optim.lr_scheduler")
    _, optimizer, _ = setup()
    optimizer.param_groups[0]["lr"] = 0.7
    schedule = schedules.SnapshotCosineLR(optimizer, total=23, cycles=4)
    snapshots = SnapshotEnsemble(total=23, cycles=4, lr0=0.7)

    assert [snapshots.lr_at(t) for t in range(23)] == pytest.approx(schedule.lrs(23), rel=1e-12)


def test_a_resumed_training_has_the_same_snapshots(tmp_path: Path) -> None:
    def train(epochs: int, resume: Any = None) -> SnapshotEnsemble:
        model, optimizer, loader = setup()
        snapshots = SnapshotEnsemble(total=12, cycles=4, lr0=0.4)
        fit(
            model, nn.CrossEntropyLoss(), optimizer, loader, epochs=epochs, resume=resume,
            callbacks=[snapshots, Checkpoint(tmp_path / "c.npz")],
        )  # fmt: skip
        return snapshots

    whole = train(4)
    train(2)
    resumed = train(4, load_checkpoint(tmp_path / "c.npz"))

    assert len(whole.snapshots) == len(resumed.snapshots) == 4
    assert all(same(a, b) for a, b in zip(whole.snapshots, resumed.snapshots, strict=True))
    with pytest.raises(UsageError, match="the saved snapshots are of"):
        SnapshotEnsemble(12, 3, 0.4).load_state_dict(whole.state_dict())


@pytest.mark.parametrize("seed", range(2))
def test_the_ensemble_has_a_better_likelihood_than_its_last_snapshot(seed: int) -> None:
    """The claim of L39: spirals 0.8, n = 200, 2-30-30-3 tanh, M = 5, T = 4000, α₀ = 1, B = 20."""
    points = data.Dataset(*data.spirals(200, noise=0.8, seed=seed), "spirals", n_classes=3)
    X, y = data.spirals(2000, noise=0.8, seed=100 + seed)
    rng = np.random.default_rng(seed)

    def linear(i: int, o: int) -> nn.Linear:
        return nn.Linear(i, o, rng=rng, init=nn.init.lecun_normal_)

    model = nn.Sequential(linear(2, 30), nn.Tanh(), linear(30, 30), nn.Tanh(), linear(30, 3))
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    snapshots = SnapshotEnsemble(total=4000, cycles=5, lr0=1.0)
    loader = data.DataLoader(points, 20, seed=seed)
    fit(
        model, nn.CrossEntropyLoss(), optimizer, loader, epochs=400, callbacks=[snapshots],
        compile=True,
    )  # fmt: skip

    def nll(n: int) -> float:
        return float(nn.CrossEntropyLoss()(snapshots.ensemble(last=n)(X), y).item())

    assert nll(5) < 0.95 * nll(1)


def test_bad_arguments_are_refused() -> None:
    for total, cycles in ((4, 5), (4, 0), (0, 0)):
        with pytest.raises(UsageError, match="1 ≤ cycles ≤ total is needed"):
            SnapshotEnsemble(total, cycles, 1.0)
    with pytest.raises(UsageError, match="lr0 must be a positive number, got 0"):
        SnapshotEnsemble(4, 2, 0)
    snapshots = SnapshotEnsemble(4, 2, 0.1)
    with pytest.raises(UsageError, match="no snapshot yet: the first is taken after 2 steps"):
        snapshots.ensemble()
    model, optimizer, loader = setup()
    fit(model, nn.CrossEntropyLoss(), optimizer, loader, epochs=1, callbacks=[snapshots])
    with pytest.raises(UsageError, match="last must be between 1 and 1, got 2"):
        snapshots.ensemble(last=2)
