"""The babysitting list: each check passes where it should, and objects to a planted fault."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import data, nn, optim
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import Settings, diagnose_curve, tune
from tinygrad_lecture.train.babysit import (
    calibrate_lr,
    check_gap,
    check_initial_loss,
    check_inputs,
    check_regularization,
    check_update_ratio,
    overfit_tiny,
    probe_lr,
    walk,
)


def net(seed: int, classes: int = 3, last: float = 1.0, inputs: int = 2) -> nn.Sequential:
    """20-50-C with ReLU and He initialization; the last layer times `last`."""
    rng = np.random.default_rng(seed)

    def linear(i: int, o: int) -> nn.Linear:
        return nn.Linear(i, o, rng=rng, init=nn.init.kaiming_normal_)

    model = nn.Sequential(linear(inputs, 50), nn.ReLU(), linear(50, classes))
    for p in model[2].parameters():
        p.data = last * p.data
    return model


def spirals(seed: int = 0, noise: float = 0.2) -> data.Dataset:
    return data.Dataset(*data.spirals(300, noise=noise, seed=seed), "spirals", n_classes=3)


def test_inputs_are_to_be_centred_and_scaled() -> None:
    rng = np.random.default_rng(0)

    assert check_inputs(rng.normal(size=(100, 5))).ok
    for X in (rng.normal(size=(100, 5)) + 3, 30 * rng.normal(size=(100, 5)), np.zeros((5, 2))):
        finding = check_inputs(X)
        assert finding.verdict == "warning"
        assert "centre and scale them" in finding.text
    assert check_inputs(np.array([[1.0, np.nan]])).verdict == "failed"
    with pytest.raises(UsageError, match=r"X must hold numbers, got shape \(0, 3\)"):
        check_inputs(np.zeros((0, 3)))


@pytest.mark.parametrize("seed", range(3))
def test_the_initial_loss_is_ln_c_with_a_small_last_layer_and_not_with_a_full_one(
    seed: int,
) -> None:
    """The claim of L61."""
    X = np.random.default_rng(seed).normal(size=(200, 20))
    y = np.arange(200) % 10

    small = check_initial_loss(net(seed, 10, 0.01, 20), (X, y), 10)
    assert small.ok
    assert abs(small.numbers["loss"] - math.log(10)) < 0.01
    full = check_initial_loss(net(seed, 10, 1.0, 20), (X, y), 10)
    assert full.verdict == "warning"
    assert "make the weights of the last layer smaller" in full.text
    assert check_initial_loss(net(seed, 10, 10.0, 20), (X, y), 10).verdict == "failed"


def test_a_network_that_knows_the_answers_or_overflows_is_told() -> None:
    X, y = np.eye(4), np.arange(4)
    model = nn.Linear(4, 4, rng=0)
    model.weight.data = 2 * np.eye(4)

    known = check_initial_loss(model, (X, y), 4)
    assert known.verdict == "warning"
    assert "know the answers already" in known.text
    model.weight.data = np.full((4, 4), np.nan)
    broken = check_initial_loss(model, (X, y), 4)
    assert broken.verdict == "failed"
    assert "overflows" in broken.text
    with pytest.raises(UsageError, match="classes must be at least 2, got 1"):
        check_initial_loss(model, (X, y), 1)
    with pytest.raises(UsageError, match="tol must be positive, got 0"):
        check_initial_loss(model, (X, y), 4, tol=0)


def test_regularization_raises_the_loss_by_its_formula() -> None:
    """loss(λ) = loss(0) + ½λ‖W‖², exactly (L61)."""
    model, batch = net(0), spirals()[:50]
    finding = check_regularization(model, batch)
    norm = sum(float(np.sum(np.square(p.data))) for p in model.parameters())
    lams, losses = finding.numbers["lams"], finding.numbers["losses"]

    assert finding.ok
    assert lams == [0, 1e-3, 1e-1, 1e1, 1e3]
    assert losses == pytest.approx([losses[0] + 0.5 * lam * norm for lam in lams], rel=1e-12)


def test_regularization_that_is_not_added_is_found() -> None:
    finding = check_regularization(net(0), spirals()[:50], penalty=lambda params, lam: 0.0)

    assert finding.verdict == "failed"
    assert "the loss does not rise with it" in finding.text
    for lams in ([], [0.0], [1.0, 0.1]):
        with pytest.raises(UsageError, match="lams must rise from above 0"):
            check_regularization(net(0), spirals()[:50], lams)


@pytest.mark.parametrize("seed", range(3))
def test_a_network_learns_a_tiny_subset_by_heart(seed: int) -> None:
    """The claim of L62."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(2, 50, rng=rng), nn.Tanh(), nn.Linear(50, 3, rng=rng))
    before = model.state_dict()
    finding = overfit_tiny(model, spirals(seed))

    assert finding.ok
    assert finding.numbers["accuracy"] == 1
    assert finding.numbers["loss"] < 0.02
    assert all(np.array_equal(a, before[name]) for name, a in model.state_dict().items())


@pytest.mark.parametrize("compile", [True, False])
def test_zeroed_gradients_are_found(compile: bool) -> None:
    class Mute(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 0.0

    model = nn.Sequential(nn.Linear(2, 20, rng=0), Mute(), nn.Linear(20, 3, rng=1))
    finding = overfit_tiny(model, spirals(), steps=100, compile=compile)

    assert finding.verdict == "failed"
    assert "has a bug (gradients, labels, loss)" in finding.text


def test_a_network_that_needs_more_time_is_told_so_and_dropout_is_off() -> None:
    slow = overfit_tiny(net(0), spirals(), steps=40)
    assert slow.verdict == "failed"
    assert "it learns: give it more steps" in slow.text
    model = nn.Sequential(
        nn.Linear(2, 50, rng=0), nn.BatchNorm1d(50), nn.Tanh(), nn.Dropout(0.9, rng=0),
        nn.Linear(50, 3, rng=1),
    )  # fmt: skip
    assert overfit_tiny(model, spirals(), steps=800).ok
    assert model.training
    with pytest.raises(UsageError, match="n and steps must be at least 1, got 0 and 500"):
        overfit_tiny(model, spirals(), n=0)


def build() -> nn.Module:
    """Net of L25."""
    rng = np.random.default_rng(0)

    def linear(i: int, o: int) -> nn.Linear:
        return nn.Linear(i, o, rng=rng, init=nn.init.lecun_normal_)

    return nn.Sequential(linear(2, 32), nn.Tanh(), linear(32, 32), nn.Tanh(), linear(32, 3))


def test_learning_rates_are_too_low_good_and_diverging() -> None:
    """The claim of L63, with the net of L25: 60 epochs of 10 batches are its 600 steps."""
    loader = data.DataLoader(spirals(), 32, seed=1)
    next(iter(loader))
    place = loader.state_dict()
    probes, finding = probe_lr(build, loader, [1e3, 1e-5, 0.3, 10.0], epochs=60)

    assert loader.state_dict() == place
    assert [(p.lr, p.verdict) for p in probes] == [
        (1e-5, "too_low"), (0.3, "good"), (10.0, "diverging"), (1e3, "diverging"),
    ]  # fmt: skip
    assert probes[1].loss < 0.1
    assert len(probes[1].losses) > 590
    assert 10 <= len(probes[3].losses) < 30  # stopped at 3 times the start
    assert finding.ok
    assert finding.numbers["lr"] == 0.3
    assert "too low: 1e-05; good: 0.3; diverging: 10, 1000; 0.3 ends lowest" in finding.text


@pytest.mark.parametrize(
    ("lrs", "verdict", "text"),
    [
        ([1e-6, 1e-5], "failed", "try larger rates or more epochs"),
        ([1e2, 1e3], "failed", "try smaller rates"),
        ([1e-6, 1e3], "failed", "try rates between them"),
        ([1e-6, 0.5], "warning", "is the last one tried: try more"),
    ],
)
def test_probing_says_what_to_try_next(lrs: list[float], verdict: str, text: str) -> None:
    _, finding = probe_lr(build, data.DataLoader(spirals(), 32), lrs, epochs=15)

    assert finding.verdict == verdict
    assert text in finding.text


def test_probing_takes_other_optimizers_and_iterators_and_refuses_nothing() -> None:
    batches = list(data.DataLoader(spirals(), 32))
    probes, finding = probe_lr(build, iter(batches), [1e-7, 0.01], 15, optimizer=optim.Adam)

    assert probes[1].verdict == "good"
    assert finding.numbers["lr"] == 0.01
    with pytest.raises(UsageError, match=r"needs learning rates and an epoch, got \[\] and 1"):
        probe_lr(build, batches, [])
    with pytest.raises(UsageError, match="gave no batches"):
        probe_lr(build, [], [0.1])


def test_the_update_ratio_is_that_of_the_norms_and_doubles_with_the_rate() -> None:
    """The claims of L65."""
    batches = [spirals()[:64]]

    def ratio(lr: float) -> float:
        model = nn.Linear(2, 3, rng=0)
        before = model.state_dict()
        optimizer = optim.SGD(model.parameters(), lr=lr)
        finding = check_update_ratio(model, batches, optimizer, steps=1)
        assert all(np.array_equal(a, before[name]) for name, a in model.state_dict().items())
        assert list(finding.numbers) == ["weight"]
        return float(finding.numbers["weight"])

    model = nn.Linear(2, 3, rng=0)
    nn.CrossEntropyLoss()(model(batches[0][0]), batches[0][1]).backward()
    step = 0.1 * np.linalg.norm(model.weight.grad) / np.linalg.norm(model.weight.data)
    assert ratio(0.1) == pytest.approx(step, rel=1e-9)
    assert ratio(0.2) == pytest.approx(2 * ratio(0.1), rel=1e-9)


@pytest.mark.parametrize(
    ("lr", "verdict", "text"),
    [(0.1, "ok", "per step"), (1e-7, "warning", "raise the"), (1e3, "warning", "lower the")],
)
def test_update_ratios_far_off_are_told(lr: float, verdict: str, text: str) -> None:
    model = net(0)
    optimizer = optim.SGD(model.parameters(), lr=lr)
    finding = check_update_ratio(model, data.DataLoader(spirals(), 32), optimizer)

    assert finding.verdict == verdict
    assert text in finding.text


def test_update_ratio_refuses_what_has_no_weights() -> None:
    model = nn.PReLU()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UsageError, match="no weight matrix"):
        check_update_ratio(model, [], optimizer)
    with pytest.raises(UsageError, match="steps must be at least 1, got 0"):
        check_update_ratio(model, [], optimizer, steps=0)


def test_gaps_in_words() -> None:
    assert check_gap(0.1, 0.3).verdict == "warning"
    assert check_gap(0.1, 0.12).ok
    assert "a larger network may do better" in check_gap(0.1, 0.1).text


def test_a_network_that_dies_at_a_high_rate_is_not_told_to_go_faster() -> None:
    batches = list(data.DataLoader(data.split_digits().train, 16))

    def relu_net() -> nn.Module:
        rng = np.random.default_rng(0)
        return tune.classifier(data.split_digits().train, (64, 32), rng)

    def momentum(params: Any, lr: float) -> optim.SGD:
        return optim.SGD(params, lr, 0.9)

    probes, _ = probe_lr(relu_net, batches, [1e-5, 1e-2, 1.0], 3, optimizer=momentum)

    assert diagnose_curve(probes[2].losses) == "too_low"  # flat at ln 10: its units are dead
    assert [probe.verdict for probe in probes] == ["too_low", "good", "too_high"]


def test_the_walk_ends_where_no_rate_is_good() -> None:
    settings = Settings.of("xor", hidden=(), batch=4)  # one neuron a class cannot learn xor
    findings = list(walk(settings, trials=2))

    assert [finding.check for finding in findings] == [
        "inputs", "initial loss", "regularization", "overfit a tiny subset", "learning rate",
    ]  # fmt: skip
    assert findings[3].verdict == findings[4].verdict == "failed"


def test_a_rate_chosen_on_a_sample_does_well_on_all_data() -> None:
    """Bottou's advice (L22): least squares with N(0, 1) features, where rates above 2/λ diverge."""
    rng = np.random.default_rng(0)
    X, truth = rng.normal(size=(2000, 5)), rng.normal(size=(5, 1))
    y = X @ truth + 0.1 * rng.normal(size=(2000, 1))
    batches = [(X[i : i + 10], y[i : i + 10]) for i in range(0, 2000, 10)]
    candidates = [1e-4, 1e-3, 1e-2, 1e-1, 10.0, 1e3]

    def line() -> nn.Module:
        return nn.Linear(5, 1, rng=0)

    def final(lr: float) -> float:
        model = line()
        optimizer = optim.SGD(model.parameters(), lr)
        for inputs, targets in batches:
            optimizer.zero_grad()
            nn.MSELoss()(model(inputs), targets).backward()
            optimizer.step()
        return float(nn.MSELoss()(model(X), y).item())

    found = calibrate_lr(line, batches[:30], candidates, loss=nn.MSELoss())
    assert found == 1e-1
    assert final(found) < 0.02
    assert final(found) == min(final(lr) for lr in (1e-4, 1e-3, 1e-2, 1e-1))
    with pytest.raises(UsageError, match=r"no candidate of \[1e\+200\] gives a finite loss"):
        calibrate_lr(line, batches[:30], [1e200], loss=nn.MSELoss())
    with pytest.raises(UsageError, match=r"an epoch and a sample, got .* and 0 batches"):
        calibrate_lr(line, [])
