"""fit: best weights, ends of all kinds, resume bit for bit, callbacks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import (
    Callback,
    Checkpoint,
    DivergenceError,
    MetricsCSV,
    Run,
    accuracy,
    fit,
    load_checkpoint,
)

ONE = np.ones((1, 1))
TRAIN = [(ONE, np.array([[0.0]]))]  # targets 0 mark training, 1 validation
VALIDATION = [(ONE, np.array([[1.0]]))]


class Counter(nn.Module):
    """One weight that the scripted loss raises by 1 in each step of SGD with lr = 1."""

    def __init__(self) -> None:
        self.w = nn.Parameter(0.0)

    def forward(self, x: Any) -> Any:
        return self.w * x


class Scripted:
    """Training loss −w; validation losses from a list, by the value that w has reached."""

    def __init__(self, *validation: float) -> None:
        self.validation = validation

    def __call__(self, output: Any, target: Any) -> Any:
        if target[0, 0] == 0.0:
            return -output.sum()
        return output.sum() * 0.0 + self.validation[round(output.item())]


def run_script(*validation: float, epochs: int, **options: Any) -> tuple[Counter, Run]:
    model = Counter()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    loss = Scripted(math.nan, *validation)
    options = {"compile": False, **options}  # the script reads the weight as a number
    return model, fit(model, loss, optimizer, TRAIN, VALIDATION, epochs=epochs, **options)


@pytest.mark.parametrize(
    ("validation", "best"),
    [
        ((3.0, 2.0, 1.0), 3),
        ((3.0, 1.0, 2.0), 2),
        ((1.0, 1.0, 1.0), 1),
        ((math.nan, 2.0, 3.0), 2),
        ((2.0, math.nan, 3.0), 1),
        ((2.0, -math.inf, 3.0), 1),
        ((math.inf, 5.0, math.nan), 2),
    ],
)
def test_the_weights_of_the_best_epoch_are_kept_and_nothing_non_finite_is_better(
    validation: tuple[float, ...], best: int
) -> None:
    model, run = run_script(*validation, epochs=3)
    assert run.best is not None
    assert (run.best.epoch, run.best.score) == (best, validation[best - 1])
    assert model.w.data == best
    assert run.reason == "finished"
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    for row, loss in zip(run.history, validation, strict=True):
        assert row["val_loss"] == loss or math.isnan(loss)


def test_mode_max_keeps_the_largest() -> None:
    model, run = run_script(1.0, 3.0, 2.0, epochs=3, mode="max")
    assert run.best is not None
    assert run.best.epoch == 2
    assert model.w.data == 2.0


def test_without_a_finite_score_the_last_weights_stay() -> None:
    model, run = run_script(math.nan, math.nan, epochs=2)
    assert run.best is None
    assert model.w.data == 2.0


def test_without_validation_the_training_loss_decides() -> None:
    model = Counter()
    run = fit(
        model, Scripted(), optim.SGD(model.parameters(), lr=1.0), TRAIN, epochs=3, compile=False
    )  # fmt: skip
    assert run.monitor == "train_loss"
    assert [row["train_loss"] for row in run.history] == [0.0, -1.0, -2.0]
    assert run.best is not None
    assert run.best.epoch == 3
    assert list(run.history[0]) == ["epoch", "step", "lr", "train_loss"]


def test_no_epochs_change_nothing() -> None:
    model, run = run_script(epochs=0)
    assert (run.epoch, run.step, run.history, run.best) == (0, 0, [], None)
    assert model.w.data == 0.0


class Interrupt(Callback):
    """Ctrl-C after a number of steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run: Run) -> None:
        if run.step == self.step:
            raise KeyboardInterrupt


def test_ctrl_c_ends_cleanly_with_the_best_weights() -> None:
    model, run = run_script(2.0, 1.0, 3.0, 0.0, epochs=4, callbacks=[Interrupt(4)])
    assert run.reason == "interrupted"
    assert run.epoch == 3
    assert model.w.data == 2.0


def test_ctrl_c_before_the_first_epoch_is_finished_leaves_the_weights() -> None:
    model, run = run_script(1.0, epochs=1, callbacks=[Interrupt(1)])
    assert run.reason == "interrupted"
    assert run.best is None
    assert model.w.data == 1.0


class Exploding(nn.Module):
    """log(w − 2): not finite once w has come down to 2 from 5, in steps of 1."""

    def __init__(self) -> None:
        self.w = nn.Parameter(5.0)

    def forward(self, x: Any) -> Any:
        return tg.log(self.w - 2.0) * 0.0 + self.w * x


def test_a_loss_that_is_not_finite_stops_with_its_place_and_the_first_bad_op() -> None:
    model = Exploding()
    batches = [(1.0, np.zeros(1)), (1.0, np.zeros(1))]
    seen: list[str] = []

    class Watch(Callback):
        def on_end(self, run: Run) -> None:
            seen.append(run.reason)

    with pytest.raises(DivergenceError) as caught:
        fit(
            model, lambda output, target: output, optim.SGD(model.parameters(), lr=1.0), batches,
            epochs=5, callbacks=[Watch()],
        )  # fmt: skip
    text = str(caught.value)
    place = r"the loss is nan at step 4 \(epoch 2, batch 2\)"
    assert re.fullmatch(rf"{place}: log\(0\.0?\) gave -inf at .*test_loop\.py:\d+", text)
    run = caught.value.run
    assert seen == ["diverged"]
    assert run.reason == "diverged"
    assert run.best is not None
    assert run.best.epoch == 1
    assert model.w.data == 3.0
    assert run.step == 3


def test_a_loss_that_diverges_in_the_first_epoch_brings_back_the_start() -> None:
    model = Exploding()
    batches = [(1.0, np.zeros(1))] * 5
    with pytest.raises(DivergenceError, match=r"step 4 \(epoch 1, batch 4\)"):
        fit(
            model, lambda output, target: output, optim.SGD(model.parameters(), lr=1.0), batches,
            epochs=1,
        )  # fmt: skip
    assert model.w.data == 5.0


def test_a_loss_that_is_not_finite_only_once_is_still_told() -> None:
    losses = iter([1.0, math.inf, 1.0])
    model = Counter()
    with pytest.raises(DivergenceError, match=r"inf at step 2 .* try a smaller learning rate"):
        fit(
            model, lambda output, target: output * 0.0 + next(losses),
            optim.SGD(model.parameters(), lr=1.0), [(1.0, np.zeros(1))], epochs=3, compile=False,
        )  # fmt: skip


def test_the_history_has_means_over_samples_metrics_and_the_rate() -> None:
    X, y = np.array([[0.0], [0.0], [3.0]]), np.array([0, 1, 1])
    model = nn.Linear(1, 2, rng=0)
    model.load_state_dict({"weight": [[0.0], [1.0]], "bias": [0.0, 0.0]})
    run = fit(
        model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.0),
        [(X[:2], y[:2]), (X[2:], y[2:])], [(X, y)], epochs=1, metrics={"accuracy": accuracy},
    )  # fmt: skip
    loss = (2 * math.log(2) + math.log1p(math.exp(-3))) / 3
    expected = {
        "epoch": 1, "step": 2, "lr": 0.0, "train_loss": loss, "train_accuracy": 2 / 3,
        "val_loss": loss, "val_accuracy": 2 / 3,
    }  # fmt: skip
    assert run.history == [pytest.approx(expected)]


def test_a_summed_loss_is_reported_per_sample() -> None:
    X, y = np.ones((4, 1)), np.zeros((4, 1))
    model = nn.Linear(1, 1, rng=0)
    model.load_state_dict({"weight": [[2.0]], "bias": [0.0]})
    run = fit(
        model, nn.MSELoss(reduction="sum"), optim.SGD(model.parameters(), lr=0.0),
        [(X[:3], y[:3]), (X[3:], y[3:])], epochs=1,
    )  # fmt: skip
    assert run.history[0]["train_loss"] == 4.0


def test_training_is_in_training_mode_and_validation_in_evaluation_mode() -> None:
    class Modes(Counter):
        def __init__(self) -> None:
            super().__init__()
            self.seen = ""

        def forward(self, x: Any) -> Any:
            self.seen += "t" if self.training else "e"
            return super().forward(x)

    model = Modes().eval()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    fit(
        model, Scripted(0.0, 1.0, 2.0), optimizer, TRAIN * 2, VALIDATION, epochs=1, compile=False
    )  # fmt: skip
    assert model.seen == "tte"
    assert model.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": -1}, "epochs must be at least 0, got -1"),
        ({"epochs": 1, "mode": "best"}, '"min" or "max", got \'best\''),
        ({"epochs": 1, "monitor": "acc"}, "monitor is one of epoch, .*val_loss; got 'acc'"),
        ({"epochs": 1, "train_data": []}, "the training data gave no batches"),
        ({"epochs": 1, "validation": []}, "the data gave no batches"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    model = Counter()
    options = {"train_data": TRAIN, "validation": VALIDATION, "compile": False, **options}
    with pytest.raises(UsageError, match=message):
        fit(model, Scripted(0.0, 1.0), optim.SGD(model.parameters(), lr=1.0), **options)


def test_callbacks_are_called_in_order_and_can_stop() -> None:
    calls: list[str] = []

    class Log(Callback):
        def __init__(self, name: str) -> None:
            self.name = name

        def on_start(self, run: Run) -> None:
            calls.append(f"{self.name} start")

        def on_step(self, run: Run) -> None:
            calls.append(f"{self.name} step {run.step}")

        def on_epoch(self, run: Run) -> None:
            calls.append(f"{self.name} epoch {run.epoch} of {len(run.history)}")
            if run.epoch == 2:
                run.stop("enough")

        def on_end(self, run: Run) -> None:
            calls.append(f"{self.name} end: {run.reason}")

    _, run = run_script(1.0, 2.0, 3.0, epochs=3, callbacks=[Log("a"), Log("b")])
    assert run.reason == "enough"
    assert calls == [
        "a start", "b start", "a step 1", "b step 1", "a epoch 1 of 1", "b epoch 1 of 1",
        "a step 2", "b step 2", "a epoch 2 of 2", "b epoch 2 of 2", "a end: enough",
        "b end: enough",
    ]  # fmt: skip


class Drop(Callback):
    """A callback with a state of its own: halves the rate every second epoch."""

    def __init__(self) -> None:
        self.count = 0

    def on_epoch(self, run: Run) -> None:
        self.count += 1
        if self.count % 2 == 0:
            run.optimizer.param_groups[0]["lr"] *= 0.5

    def state_dict(self) -> dict[str, int]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.count = state["count"]


def spirals_run(folder: Path, epochs: int, resume: bool = False, stop: int | None = None) -> Run:
    """Train on spirals, everything made anew as in another process."""
    train, validation, _ = tg.data.load("spirals")
    rng = np.random.default_rng(0 if not resume else 99)  # the start is overwritten by resuming
    model = nn.Sequential(nn.Linear(2, 8, rng=rng), nn.Tanh(), nn.Linear(8, 3, rng=rng))
    optimizer = optim.SGD(model.parameters(), lr=0.1 if not resume else 5.0, momentum=0.9)
    callbacks: list[Callback] = [
        Drop(), MetricsCSV(folder / "metrics.csv"), Checkpoint(folder / "checkpoint.npz"),
    ]  # fmt: skip
    if stop is not None:
        callbacks.insert(0, Interrupt(stop))  # its place must not matter
    return fit(
        model, nn.CrossEntropyLoss(), optimizer,
        tg.data.DataLoader(train, 50, seed=0 if not resume else 5),
        tg.data.DataLoader(validation, 1000, shuffle=False),
        epochs=epochs, metrics={"accuracy": accuracy}, callbacks=callbacks,
        resume=load_checkpoint(folder / "checkpoint.npz") if resume else None,
    )  # fmt: skip


def bits(state: Any) -> Iterator[Any]:
    """All that a state holds, floats and arrays as bytes."""
    if isinstance(state, dict):
        for key in sorted(state, key=str):
            yield str(key)
            yield from bits(state[key])
    elif isinstance(state, (list, tuple)):
        for item in state:
            yield from bits(item)
    elif isinstance(state, (np.ndarray, float)):
        yield np.asarray(state).tobytes()
    else:
        yield state


@pytest.mark.parametrize("stop", [1, 28, 29, 50])
def test_a_resumed_training_equals_the_uninterrupted_one_bit_for_bit(
    tmp_path: Path, stop: int
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = spirals_run(whole, 6)
    cut = spirals_run(parts, 6, stop=stop)
    assert cut.reason == "interrupted"
    assert cut.epoch == (stop - 1) // 14
    got = spirals_run(parts, 6, resume=True)

    assert got.step == expected.step == 6 * 14
    assert list(bits(got.state_dict())) == list(bits(expected.state_dict()))
    assert list(bits(got.model.state_dict())) == list(bits(expected.model.state_dict()))
    assert (parts / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    saved = [load_checkpoint(folder / "checkpoint.npz") for folder in (whole, parts)]
    assert list(bits(saved[0])) == list(bits(saved[1]))


def test_resuming_a_finished_training_brings_back_its_best_weights(tmp_path: Path) -> None:
    expected = spirals_run(tmp_path, 3)
    got = spirals_run(tmp_path, 3, resume=True)
    assert got.reason == "finished"
    assert list(bits(got.model.state_dict())) == list(bits(expected.model.state_dict()))


def test_more_epochs_continue_a_finished_training(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    expected = spirals_run(tmp_path / "whole", 5)
    spirals_run(tmp_path, 3)
    got = spirals_run(tmp_path, 5, resume=True)
    assert list(bits(got.state_dict())) == list(bits(expected.state_dict()))


def test_a_state_that_does_not_fit_is_refused_with_the_reason(tmp_path: Path) -> None:
    spirals_run(tmp_path, 1)
    state = load_checkpoint(tmp_path / "checkpoint.npz")
    model, other = Counter(), nn.Linear(1, 1, rng=0)
    for wrong, part, message in [
        (state, other, "cannot resume: state does not fit Linear: missing weight, bias"),
        ({"model": {"w": 1.0}}, model, "the saved state has no 'optimizer'"),
        ({**state, "model": {"w": 1.0}}, model, r"groups of \[4\] parameters.*has \[1\]"),
    ]:
        with pytest.raises(UsageError, match=message):
            fit(
                part, Scripted(), optim.SGD(part.parameters(), lr=1.0), TRAIN, epochs=1,
                resume=wrong,
            )  # fmt: skip


def test_checkpoints_can_be_written_less_often(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.npz"
    epochs: list[int] = []

    class Look(Callback):
        last = True

        def on_epoch(self, run: Run) -> None:
            epochs.append(load_checkpoint(file)["epoch"])

    run_script(*range(1, 6), epochs=5, callbacks=[Checkpoint(file, every=2), Look()])
    assert epochs == [0, 2, 2, 4, 5]
    with pytest.raises(UsageError, match="every must be at least 1, got 0"):
        Checkpoint(file, every=0)


def test_rows_of_epochs_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    spirals_run(tmp_path, 3)
    log = tmp_path / "metrics.csv"
    good = log.read_text()
    log.write_text(good + "4,56,0.1,0.5\n5,70,0.1")
    spirals_run(tmp_path, 3, resume=True)
    assert log.read_text() == good


def test_the_metrics_file_gives_the_history_back_exactly(tmp_path: Path) -> None:
    run = spirals_run(tmp_path, 2)
    header, *lines = (tmp_path / "metrics.csv").read_text().splitlines()
    names = header.split(",")
    back = [dict(zip(names, map(float, line.split(",")), strict=True)) for line in lines]
    assert back == run.history


def test_a_metrics_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*metrics\.csv"):
        run_script(1.0, epochs=1, callbacks=[MetricsCSV(tmp_path / "gone" / "metrics.csv")])
    log = MetricsCSV(tmp_path / "metrics.csv")

    class Vanish(Callback):
        def on_step(self, run: Run) -> None:
            log.path = tmp_path / "gone" / "metrics.csv"

    with pytest.raises(UsageError, match=r"cannot write .*metrics\.csv: No such file"):
        run_script(1.0, epochs=1, callbacks=[log, Vanish()])
