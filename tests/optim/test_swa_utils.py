"""Averaged weights: by hand, in training, with batch normalization, from a saved state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.optim import SGD
from tinygrad_lecture.optim.swa_utils import (
    SWALR,
    AveragedModel,
    get_ema_avg_fn,
    get_swa_avg_fn,
    update_bn,
)


def net(seed: int = 0, dtype: Any = np.float64) -> Any:
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(3, 4, rng=rng, dtype=dtype), nn.BatchNorm1d(4, dtype=dtype), nn.Tanh(),
        nn.Linear(4, 2, rng=rng, dtype=dtype),
    )  # fmt: skip


def wander(model: nn.Module, steps: int) -> list[list[Any]]:
    """Move the weights at random; return them after each step."""
    rng = np.random.default_rng(1)
    path = []
    for _ in range(steps):
        for p in model.parameters():
            p.data = p.data + rng.normal(size=p.shape).astype(p.dtype)
        path.append([p.data.copy() for p in model.parameters()])
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_plain_mean_is_the_mean_of_all_weights(dtype: Any) -> None:
    model = net(dtype=dtype)
    average = AveragedModel(model)
    path: list[list[Any]] = []
    for seed in range(7):
        rng = np.random.default_rng(seed)
        for p in model.parameters():
            p.data = rng.normal(size=p.shape).astype(dtype)
        path.append([p.data.copy() for p in model.parameters()])
        average.update_parameters(model)
    for k, p in enumerate(average.module.parameters()):
        assert p.dtype == dtype
        np.testing.assert_allclose(p.data, np.mean([w[k] for w in path], 0), rtol=1e-4, atol=1e-6)
    assert average.n_averaged == 7


def test_an_exponential_average_weighs_by_powers_of_the_decay() -> None:
    model: Any = nn.Linear(2, 1, rng=0)
    average: Any = AveragedModel(model, get_ema_avg_fn(0.9))
    path = []
    for t in range(6):
        model.weight.data = np.array([[float(t), t * t]])
        path.append(model.weight.data)
        average.update_parameters(model)
    weights = np.array([0.9**5, *(0.1 * 0.9 ** (5 - t) for t in range(1, 6))])
    want = np.tensordot(weights, np.array(path), 1)
    np.testing.assert_allclose(average.module.weight.data, want, rtol=1e-13)


def test_the_model_and_its_average_share_nothing() -> None:
    model = net()
    average = AveragedModel(model)
    average.update_parameters(model)
    before = [p.data.copy() for p in average.module.parameters()]
    wander(model, 2)
    for p, w in zip(average.module.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.data, w)


def test_buffers_are_copied_or_averaged() -> None:
    model = net()
    copies: Any
    means: Any
    copies, means = AveragedModel(model), AveragedModel(model, use_buffers=True)
    seen = []
    for seed in range(3):
        model(np.random.default_rng(seed).normal(size=(5, 3)))
        seen.append(model[1].running_mean.copy())
        copies.update_parameters(model)
        means.update_parameters(model)
    np.testing.assert_array_equal(copies.module[1].running_mean, seen[-1])
    np.testing.assert_allclose(means.module[1].running_mean, np.mean(seen, 0), rtol=1e-13)


def test_update_bn_measures_plain_means_over_the_batches() -> None:
    model = net()
    wander(model, 1)
    rng = np.random.default_rng(3)
    batches = [rng.normal(2.0, 3.0, (6, 3)) for _ in range(4)]
    model.eval()
    model[0].train()
    update_bn([(x, None) for x in batches], model)
    hidden = [x @ model[0].weight.data.T + model[0].bias.data for x in batches]
    np.testing.assert_allclose(model[1].running_mean, np.mean([h.mean(0) for h in hidden], 0))
    np.testing.assert_allclose(model[1].running_var, np.mean([h.var(0, ddof=1) for h in hidden], 0))
    assert model[1].momentum == 0.1
    assert [m.training for m in model.modules()] == [False, True, False, False, False]


def test_averages_against_pytorch() -> None:
    torch = pytest.importorskip("torch")
    utils = pytest.importorskip("torch.optim.swa_utils")
    ours: Any
    ours, theirs = nn.Linear(3, 2, rng=0), torch.nn.Linear(3, 2).double()
    pairs: list[tuple[Any, Any]] = [
        (AveragedModel(ours), utils.AveragedModel(theirs)),
        (
            AveragedModel(ours, get_ema_avg_fn(0.7)),
            utils.AveragedModel(theirs, avg_fn=utils.get_ema_avg_fn(0.7)),
        ),
    ]
    rng = np.random.default_rng(0)
    for _ in range(100):
        w, b = rng.normal(size=(2, 3)), rng.normal(size=2)
        ours.weight.data, ours.bias.data = w, b
        with torch.no_grad():
            theirs.weight.copy_(torch.tensor(w))
            theirs.bias.copy_(torch.tensor(b))
        for one, other in pairs:
            one.update_parameters(ours)
            other.update_parameters(theirs)
            got, want = one.module.weight.data, other.module.weight.detach().numpy()
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("compile", [False, True])
def test_fit_validates_and_keeps_the_average(compile: bool) -> None:
    X, y = tg.data.xor(signed=True)
    model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 2, rng=1))
    optimizer = SGD(model.parameters(), lr=0.3)
    average = AveragedModel(model, get_ema_avg_fn(0.5))
    tg.train.fit(
        model, nn.CrossEntropyLoss(), optimizer, (X, y), (X, y), epochs=5, average=average,
        compile=compile, progress=False,
    )  # fmt: skip
    assert average.n_averaged == 5
    for p, q in zip(model.parameters(), average.module.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)  # the best weights are those of the average


def test_state_goes_on_where_it_was() -> None:
    model, fn = net(), get_ema_avg_fn(0.8)
    average = AveragedModel(model, fn)
    wander(model, 1)
    average.update_parameters(model)
    again = AveragedModel(net(5), fn)
    again.load_state_dict(average.state_dict())
    wander(model, 1)
    for one in (average, again):
        one.update_parameters(model)
    for name, array in average.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array)


def test_errors() -> None:
    model = net()
    with pytest.raises(TypeError, match="avg_fn"):
        AveragedModel(model, 0.99)  # type: ignore[arg-type]
    for decay in (-0.1, 1.1):
        with pytest.raises(ValueError, match="decay"):
            get_ema_avg_fn(decay)
    with pytest.raises(ValueError, match="other parameters"):
        AveragedModel(model).update_parameters(nn.Linear(3, 4))
    with pytest.raises(ValueError, match="no batches"):
        update_bn([], model)
    update_bn([], nn.Linear(1, 1))  # nothing to measure
    with pytest.raises(ValueError, match="anneal_strategy"):
        SWALR(SGD([tg.Value(0.0)], lr=1.0), 0.1, anneal_strategy="step")  # type: ignore[arg-type]
    assert get_swa_avg_fn()(2.0, 4.0, 1) == 3.0
