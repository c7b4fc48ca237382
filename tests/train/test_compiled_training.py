"""Training with a compiled step: the same metrics, ends and checkpoints as eagerly."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.cli import main
from tinygrad_lecture.train import (
    Checkpoint,
    DivergenceError,
    Run,
    Settings,
    accuracy,
    fit,
    load_checkpoint,
    resume_classifier,
    train_classifier,
)


def rows(path: Path) -> list[dict[str, float]]:
    with (path / "metrics.csv").open() as file:
        return [
            {k: float(v) for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("dataset", ["digits", "spirals"])
def test_both_ways_leave_the_same_metrics(dataset: str, tmp_path: Path) -> None:
    settings = Settings.of(dataset, epochs=3)
    for name, compile in (("compiled", True), ("eager", False)):
        train_classifier(settings, tmp_path / name, compile=compile)
    pairs = zip(rows(tmp_path / "compiled"), rows(tmp_path / "eager"), strict=True)
    for ours, theirs in pairs:
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_the_command_trains_compiled_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Any] = []
    plain = tg.compile

    def counted(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return plain(*args, **kwargs)

    monkeypatch.setattr("tinygrad_lecture.train.loop.compiled", counted)
    for k, options in enumerate(([], ["--no-compile"])):
        command = ["train", "xor", "--epochs", "1", "--out", str(tmp_path / str(k)), *options]
        assert main(command) == 0
    assert len(made) == 1
    assert main(["train", "--resume", str(tmp_path / "1"), "--no-compile", "--epochs", "2"]) == 0
    assert len(made) == 1
    capsys.readouterr()


def network(seed: int, dtype: Any = np.float64) -> nn.Sequential:
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(3, 8, rng=rng, dtype=dtype), nn.BatchNorm1d(8, dtype=dtype), nn.ReLU(),
        nn.Dropout(0.2, rng=seed), nn.Linear(8, 2, rng=rng, dtype=dtype),
    )  # fmt: skip


rng = np.random.default_rng(3)
X = rng.normal(size=(50, 3))
Y = (X.sum(axis=1) > 0).astype(int)
BATCHES = [(X[i : i + 16], Y[i : i + 16]) for i in range(0, 50, 16)]  # the last one is shorter


def trained(*, compile: bool, dtype: Any = np.float64, **options: Any) -> Run:
    model = network(0, dtype)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    batches = [(x.astype(dtype), y) for x, y in BATCHES]
    return fit(
        model, nn.CrossEntropyLoss(), optimizer, batches, batches, epochs=6,
        metrics={"accuracy": accuracy}, compile=compile, **options,
    )  # fmt: skip


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-2)])
def test_batch_norm_and_dropout_and_a_shorter_batch(dtype: Any, tolerance: float) -> None:
    ours, theirs = trained(compile=True, dtype=dtype), trained(compile=False, dtype=dtype)
    for a, b in zip(ours.history, theirs.history, strict=True):
        assert a == pytest.approx(b, rel=tolerance, abs=tolerance)
    if dtype == np.float64:
        for name, array in theirs.model.state_dict().items():
            np.testing.assert_allclose(ours.model.state_dict()[name], array, rtol=1e-8, atol=1e-10)


def test_one_program_per_batch_size_and_beginning() -> None:
    run = trained(compile=True)
    step: Any = run.take_step
    # the first step of all has no moments yet; then one program for each of two batch sizes
    assert len(step.programs) == 3


def test_a_diverging_loss_is_told_in_the_same_words() -> None:
    messages = []
    for compile in (True, False):
        model = nn.Sequential(nn.Linear(3, 8, rng=0), nn.ReLU(), nn.Linear(8, 2, rng=1))
        before = model.state_dict()
        optimizer = optim.SGD(model.parameters(), lr=1e200)
        with pytest.raises(DivergenceError) as caught:
            fit(model, nn.CrossEntropyLoss(), optimizer, BATCHES, epochs=3, compile=compile)
        messages.append(str(caught.value))
        for name, array in before.items():  # no epoch was finished: as before the training
            np.testing.assert_array_equal(model.state_dict()[name], array)
    assert messages[0] == messages[1]


def test_resuming_a_compiled_training_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    settings = Settings.of("moons", hidden=(8,), epochs=4, batch=64)
    train_classifier(settings, tmp_path / "whole")
    train_classifier(Settings.of("moons", hidden=(8,), epochs=2, batch=64), tmp_path / "halves")
    resume_classifier(tmp_path / "halves", epochs=4)
    whole, halves = (load_checkpoint(tmp_path / n / "checkpoint.npz") for n in ("whole", "halves"))
    for name, array in whole["model"].items():
        np.testing.assert_array_equal(halves["model"][name], array)
    assert whole["history"] == halves["history"]


def test_a_checkpoint_of_a_compiled_training_holds_the_optimizer(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    run = trained(compile=True, callbacks=[Checkpoint(path)])
    state = load_checkpoint(path)["optimizer"]["state"]
    assert {entry["step"] for entry in state.values()} == {float(run.step)}
