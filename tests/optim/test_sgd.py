"""SGD: trajectories by hand in every variant, stability, and a trained network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.optim import SGD


def path(steps: int, start: float = 1.0, curvature: float = 1.0, **settings: Any) -> list[float]:
    """Positions on f = ½·curvature·x² after each step; ``lrs`` changes the rate step by step."""
    lrs = settings.pop("lrs", None)
    x = tg.Value(start)
    optimizer = SGD([x], **settings)
    positions = []
    for step in range(steps):
        if lrs is not None:
            optimizer.param_groups[0]["lr"] = lrs[step]
        optimizer.zero_grad()
        (0.5 * curvature * x * x).backward()
        optimizer.step()
        positions.append(x.data)
    return positions


# f = ½x², so g = x; lr = .1. Worked out by hand from the table in SGD's docstring.
PLAIN = [0.9, 0.81, 0.729, 0.6561, 0.59049]
MOMENTUM = [0.9, 0.76, 0.614, 0.4796, 0.36444]  # v: 1, 1.4, 1.46, 1.344, 1.1516
DAMPENED = [0.9, 0.7825, 0.6650625, 0.5564640625, 0.4604300390625]  # v: 1, 1.175, 1.174375, ...
NESTEROV = [0.85, 0.6975, 0.559125, 0.44094375, 0.3436678125]  # v: 1, 1.35, 1.3725, ...
DECAY = [0.85, 0.7225, 0.614125, 0.52200625, 0.4437053125]  # g = 1.5x
BOTH = [0.85, 0.6475, 0.449125, 0.28256875, 0.1569053125]  # v: 1.5, 2.025, 1.98375, ...
BY_HAND: list[tuple[dict[str, Any], list[float]]] = [
    ({}, PLAIN),
    ({"momentum": 0.5}, MOMENTUM),
    ({"momentum": 0.5, "momentum_form": "lecture"}, MOMENTUM),
    ({"momentum": 0.5, "dampening": 0.25}, DAMPENED),
    ({"momentum": 0.5, "nesterov": True}, NESTEROV),
    ({"momentum": 0.5, "nesterov": True, "momentum_form": "lecture"}, NESTEROV),
    ({"weight_decay": 0.5}, DECAY),
    ({"weight_decay": 0.5, "momentum": 0.5}, BOTH),
    ({"weight_decay": 0.5, "momentum": 0.5, "momentum_form": "lecture"}, BOTH),
]


@pytest.mark.parametrize(("settings", "expected"), BY_HAND, ids=[str(s) for s, _ in BY_HAND])
def test_five_steps_by_hand(settings: dict[str, Any], expected: list[float]) -> None:
    assert path(5, lr=0.1, **settings) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_both_forms_take_the_same_path_at_a_constant_rate(nesterov: bool, decay: float) -> None:
    settings: dict[str, Any] = {
        "lr": 0.1, "momentum": 0.9, "nesterov": nesterov, "weight_decay": decay,
    }  # fmt: skip
    torch = path(100, **settings)
    lecture = path(100, **settings, momentum_form="lecture")
    np.testing.assert_allclose(lecture, torch, rtol=0, atol=1e-12)


def test_the_forms_part_when_the_rate_changes() -> None:
    # L30: f = ½x², x₀ = 1, μ = .9, ten steps of α = .1, then ten of .01.
    lrs = [0.1] * 10 + [0.01] * 10
    settings: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "lrs": lrs}
    assert path(20, **settings)[-1] == pytest.approx(-0.358355, abs=1e-6)
    assert path(20, **settings, momentum_form="lecture")[-1] == pytest.approx(-0.292384, abs=1e-6)


def test_nesterovs_form_is_the_gradient_at_the_look_ahead_point() -> None:
    # V ← μV − α∇f(x + μV), x ← x + V (Sutskever 2013); the parameter is θ = x + μV.
    lr, mu, x, V = 0.1, 0.9, 1.0, 0.0
    expected = []
    for _ in range(30):
        V = mu * V - lr * (x + mu * V)
        x = x + V
        expected.append(x + mu * V)
    for form in ("pytorch", "lecture"):
        got = path(30, lr=lr, momentum=mu, nesterov=True, momentum_form=form)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_under_a_constant_gradient_the_step_grows_to_lr_over_one_minus_mu() -> None:
    x = tg.Value(0.0)
    optimizer = SGD([x], lr=0.1, momentum=0.9)
    for _ in range(300):
        before = x.data
        optimizer.zero_grad()
        (2.0 * x).backward()
        optimizer.step()
    assert before - x.data == pytest.approx(0.1 * 2.0 / (1 - 0.9), rel=1e-9)


@pytest.mark.parametrize("kappa", [10.0, 1000.0])
def test_gradient_descent_converges_below_two_over_the_largest_curvature_only(kappa: float) -> None:
    # L16: on a quadratic with curvatures 1..κ.
    inside = path(3000, curvature=kappa, lr=1.999 / kappa)
    outside = path(3000, curvature=kappa, lr=2.001 / kappa)
    assert abs(inside[-1]) < 0.1
    assert abs(outside[-1]) > 10


def test_steps_and_gradients_shrink_at_a_fixed_rate() -> None:
    positions = [1.0, *path(400, lr=0.1)]
    steps = np.abs(np.diff(positions))
    assert (np.diff(steps) < 0).all()
    assert steps[-1] < 1e-8
    assert abs(positions[-1]) < 1e-8


@pytest.mark.parametrize("form", ["pytorch", "lecture"])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arrays_follow_the_formula_and_keep_their_dtype(
    form: Any, nesterov: bool, dtype: Any
) -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 2)).astype(dtype)
    p = tg.Value(start)
    optimizer = SGD(
        [p], lr=np.float64(0.05), momentum=0.8, weight_decay=0.1, nesterov=nesterov,
        momentum_form=form,
    )  # fmt: skip
    theta, v = start.astype(np.float64), np.zeros((3, 2))
    for _ in range(20):
        gradient = rng.normal(size=(3, 2)).astype(dtype)
        optimizer.zero_grad()
        (p * gradient).sum().backward()
        optimizer.step()
        g = gradient + 0.1 * theta
        v = 0.8 * v + g
        theta = theta - 0.05 * (g + 0.8 * v if nesterov else v)
    assert p.dtype == dtype
    tolerance = 1e-12 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(p.data, theta, rtol=0, atol=tolerance)


def test_the_velocity_does_not_share_memory_with_the_gradient() -> None:
    p = tg.Value([1.0, 2.0])
    optimizer = SGD([p], lr=0.1, momentum=0.9)
    (p * 3.0).sum().backward()
    optimizer.step()
    p.grad[:] = 100.0
    assert optimizer.state[p]["momentum_buffer"].tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -0.1}, "lr must be at least 0, got -0.1"),
        ({"lr": math.nan}, "lr must be at least 0, got nan"),
        ({"lr": math.inf}, "lr must be at least 0, got inf"),
        ({"lr": 0.1, "momentum": -0.5}, "momentum must be at least 0 and below 1, got -0.5"),
        ({"lr": 0.1, "momentum": 1.0}, "momentum must be at least 0 and below 1, got 1.0"),
        ({"lr": 0.1, "weight_decay": -1.0}, "weight_decay must be at least 0"),
        ({"lr": 0.1, "momentum": 0.9, "dampening": 1.5}, "dampening must be at most 1, got 1.5"),
        ({"lr": 0.1, "nesterov": True}, "nesterov=True needs momentum > 0 and dampening = 0"),
        (
            {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "nesterov": True},
            "nesterov=True needs momentum > 0 and dampening = 0",
        ),
        ({"lr": 0.1, "momentum_form": "torch"}, '"pytorch" or "lecture", got \'torch\''),
        (
            {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "momentum_form": "lecture"},
            'dampening belongs to momentum_form="pytorch"',
        ),
    ],
)
def test_settings_out_of_their_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SGD([tg.Value(1.0)], **settings)


def test_spirals_are_learned_to_the_last_point() -> None:
    # L13: forward → loss → backward() → step().
    X, y = tg.data.spirals(300, noise=0.1, seed=0)
    rng = np.random.default_rng(0)
    he = nn.init.kaiming_normal_
    model = nn.Sequential(
        nn.Linear(2, 32, rng=rng, init=he), nn.ReLU(), nn.Linear(32, 32, rng=rng, init=he),
        nn.ReLU(), nn.Linear(32, 3, rng=rng, init=he),
    )  # fmt: skip
    loss, optimizer = nn.CrossEntropyLoss(), SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(400):
        optimizer.zero_grad()
        loss(model(X), y).backward()
        optimizer.step()
    assert (model(X).data.argmax(axis=1) == y).all()


def test_minibatch_gradients_are_unbiased_and_their_variance_falls_with_the_batch() -> None:
    # L18: variance times batch size is constant, drawn with replacement.
    rng = np.random.default_rng(0)
    X, target = rng.normal(size=(200, 3)), rng.normal(size=200)
    theta = tg.Value([0.5, -1.0, 2.0])

    def gradient(rows: Any) -> Any:
        theta.zero_grad()
        ((tg.matmul(X[rows], theta) - target[rows]) ** 2).mean().backward()
        return theta.grad

    full = gradient(np.arange(200))
    scaled = []
    for batch in (1, 4, 16):
        draws = np.array([gradient(rng.integers(200, size=batch)) for _ in range(2000)])
        error = draws.std(axis=0) / np.sqrt(2000)
        assert (np.abs(draws.mean(axis=0) - full) < 5 * error).all()
        scaled.append(batch * draws.var(axis=0).sum())
    np.testing.assert_allclose(scaled, np.mean(scaled), rtol=0.15)
