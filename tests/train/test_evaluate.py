"""evaluate and predict measure without leaving traces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import accuracy, evaluate, predict

X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
y = np.array([0, 1, 0, 1, 1])


def model() -> nn.Linear:
    layer = nn.Linear(1, 2, rng=0)
    layer.load_state_dict({"weight": [[0.5], [1.0]], "bias": [0.0, -0.25]})
    return layer


def test_the_mean_is_over_samples_however_they_are_batched() -> None:
    whole = evaluate(model(), [(X, y)], nn.CrossEntropyLoss(), {"accuracy": accuracy})
    for cuts in ([1, 2], [3], [4]):
        batches = list(zip(np.split(X, cuts), np.split(y, cuts), strict=True))
        parts = evaluate(model(), batches, nn.CrossEntropyLoss(), {"accuracy": accuracy})
        assert parts == pytest.approx(whole, rel=1e-14)
        summed = evaluate(model(), batches, nn.CrossEntropyLoss(reduction="sum"))
        assert summed["loss"] == pytest.approx(whole["loss"], rel=1e-14)
    assert whole["accuracy"] == 4 / 5


def test_nothing_is_recorded_and_each_mode_comes_back() -> None:
    seen: list[Any] = []

    class Watch(nn.Module):
        def __init__(self) -> None:
            self.inner = model().eval()

        def forward(self, x: Any) -> Any:
            out = self.inner(x)
            seen.append((self.training, out.is_leaf))
            return out

    watch = Watch()
    evaluate(watch, [(X, y)], nn.CrossEntropyLoss())
    predict(watch, X)
    assert seen == [(False, True)] * 2
    assert watch.training
    assert not watch.inner.training
    assert all(p.grad is None for p in watch.parameters())


def test_modes_come_back_after_an_error_too() -> None:
    layer = model()
    with pytest.raises(ValueError, match="must end in 1"):
        evaluate(layer, [(np.ones((2, 3)), y[:2])], nn.CrossEntropyLoss())
    assert layer.training
    assert not (layer(X)).is_leaf


def test_predict_gives_plain_outputs_whatever_the_batch_size() -> None:
    expected = X @ np.array([[0.5, 1.0]]) + [0.0, -0.25]
    for batch_size in (1, 2, 5, 100):
        outputs = predict(model(), X, batch_size)
        assert type(outputs) is np.ndarray
        np.testing.assert_allclose(outputs, expected, rtol=1e-15)


def test_nothing_to_measure_is_told() -> None:
    with pytest.raises(UsageError, match="the data gave no batches"):
        evaluate(model(), [], nn.CrossEntropyLoss())
    with pytest.raises(UsageError, match="got 0 rows"):
        predict(model(), X[:0])
    with pytest.raises(UsageError, match="batch_size 0"):
        predict(model(), X, 0)


def test_a_loss_of_plain_numbers_is_taken_too() -> None:
    measured = evaluate(nn.ReLU(), [(X, X)], lambda a, b: float(np.abs(a - b).mean()))
    assert measured == {"loss": 0.0}
    tracked = evaluate(nn.ReLU(), [(tg.Value(X), X)], nn.MSELoss())
    assert tracked == {"loss": 0.0}
