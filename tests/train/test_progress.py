"""Progress: silent off a terminal, tqdm or one line on it."""

from __future__ import annotations

import importlib.util
import io
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.train import Progress, ProgressBar, accuracy, fit


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tqdm" else find(name)
    )


def test_nothing_is_written_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with Progress(10, "work", stream=stream) as progress:
        for _ in range(10):
            assert not progress.due()
            progress.update(note="x")
    assert progress.done == 10
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("without_tqdm")
def test_one_line_is_rewritten_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "interval", 0.0)
    stream = Terminal()
    with Progress(4, "work", "item", start=1, stream=stream) as progress:
        progress.update(note="loss=0.5")
        progress.update(2)
    assert stream.getvalue() == (
        "\r\x1b[2Kwork:  50% 2/4 items loss=0.5"
        "\r\x1b[2Kwork: 100% 4/4 items loss=0.5"
        "\r\x1b[2Kwork: 100% 4/4 items loss=0.5\n"
    )
    progress.close()
    progress.update()
    assert stream.getvalue().endswith("\n")


@pytest.mark.usefixtures("without_tqdm")
def test_updates_are_drawn_at_most_ten_times_a_second_and_the_end_always() -> None:
    stream = Terminal()
    with Progress(None, "work", stream=stream) as progress:
        for _ in range(1000):
            progress.update()
    assert stream.getvalue().count("\r") < 10
    assert stream.getvalue().endswith("work: 1000 steps \n")


def test_tqdm_is_used_where_it_is_installed() -> None:
    pytest.importorskip("tqdm")
    stream = Terminal()
    with Progress(4, "work", "item", stream=stream) as progress:
        progress.update(4, note="loss=0.5")
    text = stream.getvalue()
    assert "work: 100%" in text
    assert "4/4" in text
    assert "loss=0.5" in text


@pytest.mark.usefixtures("without_tqdm")
def test_the_bar_of_a_training_shows_loss_and_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "interval", 0.0)
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    X, y = tg.data.xor()
    model = nn.Linear(2, 2, rng=0)
    batches: list[Any] = [(X[:2], y[:2]), (X[2:], y[2:])]
    fit(
        model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), batches, [(X, y)],
        epochs=2, metrics={"accuracy": accuracy}, callbacks=[ProgressBar()],
    )  # fmt: skip
    lines = stream.getvalue().split("\r\x1b[2K")
    assert lines[1].startswith("training:  25% 1/4 steps epoch 1/2 loss=0.")
    assert "accuracy=0.5 " in lines[1] or "accuracy=0" in lines[1]
    assert "val_loss=" in lines[3]
    assert lines[-1].startswith("training: 100% 4/4 steps epoch 2/2 ")


@pytest.mark.usefixtures("without_tqdm")
def test_batches_of_unknown_number_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)

    class Stream:
        def __iter__(self) -> Any:
            yield np.ones((1, 1)), np.zeros((1, 1))

    model = nn.Linear(1, 1, rng=0)
    fit(
        model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), Stream(), epochs=3,
        callbacks=[ProgressBar()],
    )  # fmt: skip
    assert "training: 3 steps" in stream.getvalue()
