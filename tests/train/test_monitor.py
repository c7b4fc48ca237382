"""Monitor: values by NumPy, stuck units, the same training to the last bit; analysis offline."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import CheckpointManager, Monitor, Run, analyze, fit, look

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(40, 3)), rng.integers(2, size=40)


def network() -> nn.Sequential:
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Linear(3, 8, rng=rng), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3, rng=7),
        nn.Linear(8, 8, rng=rng), nn.Tanh(), nn.Linear(8, 2, rng=rng),
    )  # fmt: skip


def trained(callbacks: Any, *, compile: bool = True, lr: float = 0.1, epochs: int = 3) -> Run:
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return fit(
        model, nn.CrossEntropyLoss(), optimizer, (X, Y), (X, Y), batch_size=16, epochs=epochs,
        callbacks=callbacks, compile=compile, restore_best=False,
    )  # fmt: skip


def test_the_numbers_are_those_of_numpy_on_a_net_by_hand() -> None:
    model = nn.Sequential(nn.Linear(3, 5, rng=0), nn.ReLU(), nn.Linear(5, 1, rng=1))
    target = rng.normal(size=(40, 1))
    first, second = model[0], model[2]
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    W, V = first.weight.data, second.weight.data
    assert first.bias is not None
    assert second.bias is not None
    z = X @ W.T + first.bias.data
    h = np.maximum(z, 0)
    out = h @ V.T + second.bias.data
    g_out = 2 * (out - target) / out.size
    g_h = g_out @ V
    g_z = g_h * (z > 0)
    rows = look(model, nn.MSELoss(), X, target)
    assert [(row["layer"], row["kind"]) for row in rows] == [("0", "Linear"), ("1", "ReLU"), ("2", "Linear")]  # fmt: skip
    for row, act, grad in zip(rows, (z, h, out), (g_z, g_h, g_out), strict=True):
        got = [row[k] for k in ("act_mean", "act_std", "grad_mean", "grad_std")]
        np.testing.assert_allclose(
            got, [act.mean(), act.std(), grad.mean(), grad.std()], rtol=1e-10, atol=1e-15
        )
        assert row["nonfinite"] == 0
    np.testing.assert_allclose(rows[0]["weight_norm"], np.linalg.norm(W), rtol=1e-12)
    np.testing.assert_allclose(rows[0]["weight_grad_norm"], np.linalg.norm(g_z.T @ X), rtol=1e-10)
    assert rows[1]["weight_norm"] is None
    assert all(p.grad is None for p in model.parameters())


def test_dead_and_saturated_units_are_found_and_said() -> None:
    model = nn.Sequential(nn.Linear(3, 5, rng=0), nn.ReLU(), nn.Linear(5, 2, rng=1))
    model.load_state_dict({**model.state_dict(), "0.bias": np.array([-100.0] * 4 + [100.0])})
    rows = look(model, nn.CrossEntropyLoss(), X, Y)
    assert [row["dead_fraction"] for row in rows] == [None, 0.8, None]
    model = nn.Sequential(nn.Linear(3, 5, rng=0), nn.Tanh())
    model.load_state_dict({k: 100 * v for k, v in model.state_dict().items()})
    (_, tanh) = look(model, nn.MSELoss(), X, np.zeros((40, 5)))
    assert tanh["saturated_fraction"] > 0.8
    monitor = Monitor(every=1)
    fit(
        model, nn.MSELoss(), optim.SGD(model.parameters(), lr=1e-12), (X, np.zeros((40, 5))),
        epochs=1, callbacks=[monitor],
    )  # fmt: skip
    said = monitor.words()
    assert any(text.startswith("1 (Tanh): ") and "outputs are saturated" in text for text in said)
    assert any(text.startswith("0 (Linear): ") and "small: raise the rate" in text for text in said)


def test_it_survives_nan_and_counts() -> None:
    bad = X.copy()
    bad[0] = np.nan
    model = nn.Sequential(nn.Linear(3, 5, rng=0), nn.Tanh())
    rows = look(model, nn.MSELoss(), bad, np.zeros((40, 5)))
    assert rows[0]["nonfinite"] >= 5
    assert np.isfinite(rows[0]["act_mean"])


@pytest.mark.parametrize("compile", [True, False])
def test_watching_does_not_change_the_training_by_a_bit(compile: bool) -> None:
    plain = trained([], compile=compile)
    watched = trained([Monitor(every=1)], compile=compile)
    assert watched.history == plain.history
    for name, array in plain.model.state_dict().items():
        assert array.tobytes() == watched.model.state_dict()[name].tobytes()


def test_hooks_of_others_do_not_see_the_extra_pass() -> None:
    calls = []
    model = network()
    with model[0].register_forward_hook(lambda module, args, output: calls.append(1)):
        look(model, nn.CrossEntropyLoss(), X, Y)
        assert calls == []
        model(X)
    assert calls == [1]


@pytest.mark.parametrize("compile", [True, False])
def test_the_update_ratio_is_that_of_the_step(compile: bool) -> None:
    weights: list[Any] = []

    class Watch(tg.train.Callback):
        def on_batch(self, run: Run) -> None:
            weights.append(run.model.state_dict()["0.weight"])

    ratios = {}
    for lr in (0.01, 0.02):
        monitor = Monitor(every=1)
        weights.clear()
        trained([monitor, Watch()], compile=compile, lr=lr)
        rows = [row for row in monitor.rows if row["layer"] == "0"]
        expected = [
            np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in itertools.pairwise(weights)
        ]
        np.testing.assert_array_equal([row["update_ratio"] for row in rows[:-1]], expected)
        ratios[lr] = rows[0]["update_ratio"]
    assert ratios[0.02] == pytest.approx(2 * ratios[0.01], rel=1e-9)  # L65


def test_offline_statistics_equal_online_ones(tmp_path: Path) -> None:
    monitor = Monitor(every=1, path=tmp_path / "monitor.csv")
    batches: list[Any] = []

    class Watch(tg.train.Callback):
        def on_batch(self, run: Run) -> None:
            batches.append((run.inputs, run.targets))

    manager = CheckpointManager(tmp_path / "all", keep=None, unit="step")
    trained([monitor, Watch(), manager])
    step = iter(batches)

    def stats(model: nn.Module) -> Any:
        batch = next(step, None)
        return None if batch is None else look(model, nn.CrossEntropyLoss(), *batch)

    model = network()
    before = {name: array.tobytes() for name, array in model.state_dict().items()}
    rows = analyze(tmp_path / "all", {"layers": stats}, model)
    assert {name: array.tobytes() for name, array in model.state_dict().items()} == before
    assert [row["step"] for row in rows] == list(range(10))
    online = [{k: v for k, v in row.items() if k not in ("step", "update_ratio")} for row in monitor.rows]  # fmt: skip
    assert [layer for row in rows[:-1] for layer in row["layers"]] == online
    with (tmp_path / "monitor.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["act_std"]) for row in table] == [row["act_std"] for row in monitor.rows]


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="every must be at least 1, got 0"):
        Monitor(every=0)
    with pytest.raises(UsageError, match="holds no checkpoints"):
        analyze(tmp_path, {}, network())
    trained([CheckpointManager(tmp_path)], epochs=1)
    with pytest.raises(UsageError, match=r"step-0+\.npz does not fit the model: state does not"):
        analyze(tmp_path, {}, nn.Linear(2, 2))
