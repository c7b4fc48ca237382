"""Ensembles: three ways to combine, two theorems, and the same members on every executor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ensemble_functions import build, train
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_lecture as tg
from tinygrad_lecture import data, nn
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import (
    Ensemble,
    SerialExecutor,
    accuracy,
    evaluate,
    predict,
    train_ensemble,
)


class Fixed(nn.Module):
    """A model whose outputs are given."""

    def __init__(self, outputs: Any) -> None:
        self.outputs = nn.Parameter(np.asarray(outputs, dtype=float))

    def forward(self, x: Any) -> Any:
        return self.outputs


def members(seed: int, m: int, n: int = 7, c: int = 3) -> list[nn.Module]:
    rng = np.random.default_rng(seed)
    return [Fixed(3 * rng.normal(size=(n, c))) for _ in range(m)]


def nll(model: nn.Module, y: NDArray[Any]) -> float:
    return float(nn.CrossEntropyLoss()(model(np.zeros((len(y), 1))), y).item())


def test_numbers_by_hand() -> None:
    models = [Fixed([[math.log(3), 0.0]]), Fixed([[0.0, math.log(4)]])]  # ¾, ¼ and ⅕, ⅘
    x = np.zeros((1, 1))

    assert np.exp(Ensemble(models)(x).data)[0] == pytest.approx([0.475, 0.525])
    assert Ensemble(models, "logit")(x).data[0] == pytest.approx([math.log(3) / 2, math.log(2)])
    assert np.exp(Ensemble(models, "vote")(x))[0] == pytest.approx([0.5, 0.5])
    three = [*models, Fixed([[1.0, 0.0]])]
    assert np.exp(Ensemble(three, "vote")(x))[0] == pytest.approx([2 / 3, 1 / 3])
    assert Ensemble(models[:1], "vote")(x).tolist() == [[0.0, -math.inf]]


@given(seed=st.integers(0, 2**32), m=st.integers(1, 6))
@settings(max_examples=40)
def test_the_likelihood_of_the_mean_probability_is_at_least_the_mean_of_the_members(
    seed: int, m: int
) -> None:
    """The theorem of L38, for any data."""
    models, y = members(seed, m), np.random.default_rng(seed).integers(3, size=7)
    alone = [nll(model, y) for model in models]

    assert nll(Ensemble(models), y) <= np.mean(alone) + 1e-12
    assert nll(Ensemble(models[:1]), y) == pytest.approx(alone[0])


@given(seed=st.integers(0, 2**32), m=st.integers(1, 6))
@settings(max_examples=40)
def test_the_squared_error_is_the_mean_error_less_the_variance_of_the_members(
    seed: int, m: int
) -> None:
    """Krogh and Vedelsby 1995 (L38)."""
    models, target = members(seed, m, c=1), np.random.default_rng(seed).normal(size=(7, 1))
    ensemble, x = Ensemble(models, "logit"), np.zeros((7, 1))
    outputs = ensemble.members(x)
    mean_error = np.mean(np.square(outputs - target))
    disagreement = np.mean(np.square(outputs - outputs.mean(axis=0)))

    assert nn.MSELoss()(ensemble(x), target).item() == pytest.approx(mean_error - disagreement)


@pytest.mark.parametrize("combine", ["prob", "logit"])
def test_gradients_go_to_all_members(combine: Any) -> None:
    models, y = members(0, 3), np.array([0, 1, 2, 0, 1, 2, 0])
    ensemble, x = Ensemble(models, combine), np.zeros((7, 1))
    parameters = list(ensemble.parameters())

    def loss(*outputs: Any) -> Any:
        parts = tg.stack(outputs)
        if combine == "prob":
            return nn.CrossEntropyLoss()(tg.log(tg.mean(tg.softmax(parts, axis=-1), axis=0)), y)
        return nn.CrossEntropyLoss()(tg.mean(parts, axis=0), y)

    nn.CrossEntropyLoss()(ensemble(x), y).backward()
    expected = tg.grad(loss, (0, 1, 2))(*(p.data for p in parameters))
    for p, g in zip(parameters, expected, strict=True):
        assert p.grad == pytest.approx(g, abs=1e-12)


def test_an_ensemble_goes_where_a_model_goes() -> None:
    nets = [build(np.random.default_rng(seed)) for seed in range(3)]
    X, y = data.spirals(50, seed=0)
    combine: Any
    for combine in ("prob", "logit", "vote"):
        ensemble = Ensemble(nets, combine)
        assert predict(ensemble, X, batch_size=16).shape == (50, 3)
        if combine != "vote":
            row = evaluate(ensemble, [(X, y)], nn.CrossEntropyLoss(), {"accuracy": accuracy})
            assert row["accuracy"] == accuracy(predict(ensemble, X), y)
    assert (len(ensemble), ensemble.members(X).shape) == (3, (3, 50, 3))
    assert "combine='vote'" in repr(ensemble)
    fresh = Ensemble([build(np.random.default_rng(9)) for _ in range(3)])
    fresh.load_state_dict(Ensemble(nets).state_dict())
    assert np.array_equal(predict(fresh, X), predict(Ensemble(nets), X))


def test_trained_members_are_the_same_on_every_executor_and_better_together() -> None:
    here = train_ensemble(build, train, 4, seed=2, executor=SerialExecutor())
    there = train_ensemble(build, train, 4, seed=2, workers=2)

    for name, array in here.state_dict().items():
        assert np.array_equal(array, there.state_dict()[name])
    weights = [model.state_dict()["0.weight"].tobytes() for model in here.models]
    assert len(set(weights)) == 4
    assert not any(module.training for module in here.modules())
    X, y = data.spirals(400, noise=0.8, seed=1)
    alone = [nn.CrossEntropyLoss()(model(X), y).item() for model in here.models]
    assert nn.CrossEntropyLoss()(here(X), y).item() < np.mean(alone) - 0.01


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="an Ensemble needs at least one model"):
        Ensemble([])
    with pytest.raises(UsageError, match='combine is "prob", "logit" or "vote", got \'mean\''):
        Ensemble(members(0, 1), "mean")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match='combine is "prob", "logit" or "vote", got \'mean\''):
        train_ensemble(build, train, 1, combine="mean")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least 1 member, got n=0"):
        train_ensemble(build, train, 0)
    with pytest.raises(TypeError, match="holds modules, got int"):
        Ensemble([1])  # type: ignore[list-item]
