"""EarlyStopping and Patience: scripted sequences, nan, the best weights, inside of fit, resume."""

from __future__ import annotations

import math
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
    EarlyStopping,
    Patience,
    Run,
    fit,
    load_checkpoint,
)

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("options", "scores", "stop", "best"),
    [
        ({"patience": 1}, [3, 2, 2], 3, 2),
        ({"patience": 2}, [3, 2, 4, 1, 5, 1], 6, 4),
        ({"patience": 2}, [NAN, NAN], 2, None),
        ({"patience": 3}, [NAN, 5, NAN, -INF, 6], 5, 2),
        ({"patience": 2, "mode": "max"}, [1, 3, 2, INF], 4, 2),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.8, 2.6], 3, 3),  # small steps, none of them is progress
        ({"patience": 2, "min_delta": 0.5}, [3, 2.8, 2.4, 2.3, 2.2], 5, 5),  # together they are
        ({"patience": 3}, [1, 1, 1, 1], 4, 1),
    ],
)  # fmt: skip
def test_early_stopping_by_script(
    options: Any, scores: list[float], stop: int, best: int | None
) -> None:
    stopping = EarlyStopping(**options)
    answers = [stopping.step(score) for score in scores]
    assert answers == [False] * (stop - 1) + [True]
    assert stopping.best_at == best
    assert stopping.best_score == (None if best is None else scores[best - 1])


def test_patience_by_script() -> None:
    # L44: best at 100 and nothing after it: stops at 200
    patience = Patience(200)
    answers = {i: patience.step(i, 1.0 if i < 100 else 0.5 + i / 1e6) for i in range(10, 300, 10)}
    assert min(i for i, stop in answers.items() if stop) == 200
    assert patience.best_at == 100
    # a significant gain at 150 moves the end to 300
    patience = Patience(200)
    for i in range(10, 500, 10):
        if patience.step(i, 1.0 if i < 150 else 0.5):
            break
    assert (i, patience.best_at) == (300, 150)
    # gains of a thousandth each never extend it, but move the best
    patience = Patience(200)
    for i in range(10, 500, 10):
        if patience.step(i, 1.0 - i / 1e5):
            break
    assert (i, patience.best_at) == (200, 200)


@pytest.mark.parametrize(
    ("best", "score", "significant"),
    [(1.0, 0.99, True), (1.0, 0.996, False), (-1.0, -1.004, False), (-1.0, -1.01, True)],
)
def test_significance_also_of_negative_scores(best: float, score: float, significant: bool) -> None:
    for mode, sign in (("min", 1), ("max", -1)):
        patience = Patience(1, mode=mode)  # type: ignore[arg-type]
        patience.step(1, sign * best)
        patience.step(100, sign * score)
        assert (patience.patience == 200) == significant
        assert patience.best_at == 100


def test_patience_ignores_nan_and_can_be_renewed() -> None:
    patience = Patience(10)
    assert not patience.step(9, NAN)
    assert not patience.step(9, -INF)
    assert patience.step(10, NAN)
    assert patience.best_score is None
    patience.renew(10)
    assert not patience.step(19, 1.0)
    assert patience.patience == 38


def test_the_best_weights_are_copied_and_restored() -> None:
    model = nn.Linear(1, 1, bias=False, rng=0)
    stopping, patience = EarlyStopping(5), Patience(100)
    for rule in (stopping, patience):
        with pytest.raises(UsageError, match=f"{type(rule).__name__}.restore: there are no best"):
            rule.restore(model)
    for i, score in enumerate([3.0, 1.0, NAN, 2.0], start=1):
        model.weight.data = np.full((1, 1), float(i))
        stopping.step(score, model)
        patience.step(i, score, model)
    for rule in (stopping, patience):
        model.weight.data = np.zeros((1, 1))
        rule.restore(model)
        assert model.weight.data == 2.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarlyStopping(0), "patience must be at least 1, got 0"),
        (lambda: EarlyStopping(min_delta=-1), "min_delta must be at least 0, got -1"),
        (lambda: EarlyStopping(min_delta=NAN), "min_delta must be at least 0, got nan"),
        (lambda: EarlyStopping(mode="best"), 'mode is "min" or "max", got \'best\''),  # type: ignore[arg-type]
        (lambda: Patience(0), "initial must be at least 1, got 0"),
        (lambda: Patience(5, increase=1), "increase must be above 1, got 1"),
        (lambda: Patience(5, threshold=1.1), "threshold must be above 0 and at most 1, got 1.1"),
    ],
)
def test_bad_settings_are_refused(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def overfitting(folder: Path, rule: Any, *, compile: bool, epochs: int = 300, **options: Any) -> Run:  # fmt: skip
    """L43's kind of data: few points, wrong labels, a network that learns them by heart."""
    X, y = tg.data.spirals(60, noise=0.5, seed=0)
    V, v = tg.data.spirals(100, noise=0.5, seed=1)
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(2, 50, rng=rng), nn.Tanh(), nn.Linear(50, 3, rng=rng))
    callbacks: list[Callback] = [Checkpoint(folder / "c.npz", every=5), rule]
    return fit(
        model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.02), (X, y), (V, v),
        epochs=epochs, callbacks=callbacks, compile=compile, **options,
    )  # fmt: skip


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("make", [lambda: EarlyStopping(20), lambda: Patience(40)])
def test_in_fit_they_stop_and_the_model_has_the_best_weights(
    make: Any, compile: bool, tmp_path: Path
) -> None:
    rule = make()
    run = overfitting(tmp_path, rule, compile=compile)
    assert 20 <= run.epoch < 300
    assert run.reason.startswith(("no progress in val_loss for 20", "patience used up after"))
    losses = [row["val_loss"] for row in run.history]
    assert run.best is not None
    assert rule.best_at == run.best.epoch == 1 + int(np.argmin(losses))
    assert rule.best_score == min(losses)
    V, v = tg.data.spirals(100, noise=0.5, seed=1)
    measured = tg.train.evaluate(run.model, [(V, v)], nn.CrossEntropyLoss())["loss"]
    assert measured == min(losses)
    # a resumed training stops at the same place
    (tmp_path / "b").mkdir()
    overfitting(tmp_path / "b", make(), compile=compile, epochs=10)
    again = make()
    resumed = overfitting(
        tmp_path / "b", again, compile=compile, resume=load_checkpoint(tmp_path / "b" / "c.npz")
    )
    assert (resumed.epoch, resumed.reason) == (run.epoch, run.reason)
    assert resumed.history == run.history
    assert again.state_dict() == rule.state_dict()


def test_the_mode_has_to_be_that_of_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="EarlyStopping has mode='max', and fit has mode='min'"):
        overfitting(tmp_path, EarlyStopping(mode="max"), compile=False)


@pytest.mark.parametrize("tol", [1e-3, 1e-5])
def test_a_standstill_ends_gradient_descent(tol: float) -> None:
    X, y = tg.data.xor(signed=True)
    model = tg.nn.Linear(2, 2, rng=0)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.5)
    run = tg.train.fit(
        model, tg.nn.CrossEntropyLoss(), optimizer, (X, y), epochs=2000, tol=tol, progress=False
    )
    changes = np.abs(np.diff([row["train_loss"] for row in run.history]))
    assert changes[-1] < tol
    assert (changes[:-1] >= tol).all()
    assert run.reason == f"the training loss changes by less than {tol:g}"


def test_a_tolerance_is_above_zero() -> None:
    with pytest.raises(UsageError, match="tol must be above 0"):
        tg.train.Standstill(0.0)
