"""Schedules: first steps by hand, 100 steps against PyTorch, state in the middle, compiled."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from schedules import CASES, FILE, PLATEAUS, RATES, STEPS, SWA, rates

import tinygrad_lecture as tg
from tinygrad_lecture.optim import SGD, Adam
from tinygrad_lecture.optim import lr_scheduler as schedules

TORCH = json.loads(FILE.read_text())


def two_groups() -> SGD:
    groups = [{"params": [tg.Value(0.0)], "lr": lr} for lr in RATES]
    return SGD(groups, lr=1.0, momentum=0.9)


def one(lr: float = 1.0, **settings: Any) -> SGD:
    return SGD([tg.Value(0.0)], lr=lr, **settings)


BY_HAND: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "LambdaLR": (lambda o: schedules.LambdaLR(o, lambda t: 2.0**-t), [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16]),
    "StepLR": (lambda o: schedules.StepLR(o, 2, 0.5), [1, 1, 0.5, 0.5, 0.25]),
    "MultiStepLR": (lambda o: schedules.MultiStepLR(o, [1, 4], 0.5), [1, 0.5, 0.5, 0.5, 0.25]),
    "ExponentialLR": (lambda o: schedules.ExponentialLR(o, 0.5), [1, 0.5, 0.25, 0.125, 0.0625]),
    "InverseTimeLR": (lambda o: schedules.InverseTimeLR(o, 2.0), [1, 2 / 3, 1 / 2, 2 / 5, 1 / 3]),
    "PolynomialLR": (lambda o: schedules.PolynomialLR(o, 4, 2.0), [1, 9 / 16, 1 / 4, 1 / 16, 0]),
    "ConstantLR": (lambda o: schedules.ConstantLR(o, 0.5, 2), [0.5, 0.5, 1, 1, 1]),
    "LinearLR": (lambda o: schedules.LinearLR(o, 0.5, 1.0, 2), [0.5, 0.75, 1, 1, 1]),
    "CosineAnnealingLR": (
        lambda o: schedules.CosineAnnealingLR(o, 4), [1, (2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4, 0]
    ),
    "CosineAnnealingWarmRestarts": (
        lambda o: schedules.CosineAnnealingWarmRestarts(o, 2), [1, 0.5, 1, 0.5, 1]
    ),
    "SnapshotCosineLR": (
        lambda o: schedules.SnapshotCosineLR(o, total=4, cycles=2), [1, 0.5, 1, 0.5]
    ),
    "CyclicLR": (lambda o: schedules.CyclicLR(o, 0.0, 1.0, 2), [0, 0.5, 1, 0.5, 0]),
    "CyclicLR, triangular2": (
        lambda o: schedules.CyclicLR(o, 0.0, 1.0, 1, mode="triangular2"), [0, 1, 0, 0.5, 0]
    ),
    "CyclicLR, exp_range": (
        lambda o: schedules.CyclicLR(o, 0.0, 1.0, 1, mode="exp_range", gamma=0.5),
        [0, 0.5, 0, 0.125, 0],
    ),
    "OneCycleLR": (
        lambda o: schedules.OneCycleLR(
            o, 1.0, 5, pct_start=0.6, anneal_strategy="linear", div_factor=2.0,
            final_div_factor=2.0, cycle_momentum=False,
        ),
        [0.5, 0.75, 1, 0.625, 0.25],
    ),
    "BottouLR": (lambda o: schedules.BottouLR(o, lam=1.0), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),
    "BengioLR": (lambda o: schedules.BengioLR(o, tau=2), [1, 1, 1, 2 / 3, 1 / 2]),
    "SequentialLR": (
        lambda o: schedules.SequentialLR(
            o, [schedules.LinearLR(o, 0.5, 1.0, 2), schedules.ExponentialLR(o, 0.5)], [2]
        ),
        [0.5, 0.75, 1, 0.5, 0.25],
    ),
    "ChainedScheduler": (
        lambda o: schedules.ChainedScheduler(
            [schedules.StepLR(o, 2, 0.5), schedules.ExponentialLR(o, 0.5)]
        ),
        [1, 0.5, 0.125, 0.0625, 1 / 64],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_first_steps_by_hand(name: str) -> None:
    make, expected = BY_HAND[name]
    optimizer = one()
    schedule = make(optimizer)
    np.testing.assert_allclose(schedule.lrs(len(expected)), expected, rtol=1e-14, atol=1e-15)
    for t, lr in enumerate(expected):  # and stepped, as lr_at says
        assert optimizer.param_groups[0]["lr"] == pytest.approx(lr, rel=1e-14, abs=1e-15)
        assert schedule.get_last_lr() == [optimizer.param_groups[0]["lr"]]
        if t < len(expected) - 1:
            schedule.step()


@pytest.mark.parametrize("name", [*CASES, *PLATEAUS, *SWA])
def test_a_hundred_steps_of_two_groups_are_pytorchs(name: str) -> None:
    ours = rates(two_groups(), tg.optim, name)
    np.testing.assert_allclose(ours, TORCH[name], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", [*CASES, *PLATEAUS, *SWA])
def test_the_stored_numbers_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("torch.optim.swa_utils")
    groups = [
        {"params": [torch.zeros(1, dtype=torch.float64, requires_grad=True)], "lr": lr}
        for lr in RATES
    ]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)
        theirs = rates(optimizer, torch.optim, name)
    np.testing.assert_allclose(theirs, TORCH[name], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_state_goes_on_where_it_was(name: str) -> None:
    kind, settings = CASES[name]
    optimizer = two_groups()
    schedule = getattr(schedules, kind)(optimizer, **settings)
    for _ in range(37):
        schedule.step()
    state, of_optimizer = schedule.state_dict(), optimizer.state_dict()
    fresh = two_groups()
    again = getattr(schedules, kind)(fresh, **settings)
    fresh.load_state_dict(of_optimizer)
    again.load_state_dict(json.loads(json.dumps(state)))
    for t in range(37, STEPS):
        assert [g["lr"] for g in fresh.param_groups] == [g["lr"] for g in optimizer.param_groups]
        np.testing.assert_allclose(
            [g["lr"] for g in fresh.param_groups], TORCH[name][t], rtol=1e-12, atol=1e-15
        )
        schedule.step()
        again.step()


def test_momentum_goes_the_other_way_in_one_cycle() -> None:
    optimizer = one(momentum=0.9)
    schedule = schedules.OneCycleLR(
        optimizer, 1.0, 5, pct_start=0.6, anneal_strategy="linear", base_momentum=0.5,
        max_momentum=0.9,
    )  # fmt: skip
    found = []
    for _ in range(4):
        found.append(optimizer.param_groups[0]["momentum"])
        schedule.step()
    assert found == pytest.approx([0.9, 0.7, 0.5, 0.7])


def test_momentum_warmup_moves_momentum_alone() -> None:
    for optimizer in (one(momentum=0.1), Adam([tg.Value(0.0)], lr=1.0)):
        schedule = schedules.MomentumWarmup(optimizer, 0.5, 0.9, steps=4)
        found = []
        for _ in range(6):
            group = optimizer.param_groups[0]
            found.append(group["momentum"] if "momentum" in group else group["betas"][0])
            assert group["lr"] == 1.0
            schedule.step()
        assert found == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 0.9])


@pytest.mark.parametrize(
    "make",
    [lambda o: schedules.StepLR(o, 2, 0.5), lambda o: schedules.MomentumWarmup(o, 0.5, 0.9, 5)],
)
def test_a_compiled_step_reads_what_the_schedule_set(make: Callable[[Any], Any]) -> None:
    def train(compiled: bool) -> Any:
        w = tg.Value(np.array([1.0, -2.0]))
        optimizer = SGD([w], lr=0.1, momentum=0.5)
        schedule = make(optimizer)

        def step() -> Any:
            optimizer.zero_grad()
            loss = (w * w * np.array([1.0, 3.0])).sum()
            loss.backward()
            optimizer.step()
            return loss

        run: Any = tg.compile(step) if compiled else step
        for _ in range(8):
            run()
            schedule.step()
        if compiled:
            assert len(run.programs) <= 2  # one before there is momentum, one with it
        return w.data

    np.testing.assert_allclose(train(compiled=True), train(compiled=False), rtol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "satisfied"),
    [
        (lambda t: 1.0 / (1 + t), True),
        (lambda t: (1.0 + t) ** -0.7, True),
        (lambda t: (1.0 + t) ** -0.5, False),
        (lambda t: 0.1, False),
        (lambda t: 0.9**t, False),
        (lambda t: (1.0 + t) ** -1.5, False),
    ],
)
def test_robbins_monro(schedule: Callable[[int], float], satisfied: bool) -> None:
    verdict = schedules.robbins_monro(schedule)
    assert verdict.satisfied is satisfied
    assert bool(verdict) is satisfied
    assert verdict.reason


def test_robbins_monro_of_schedules() -> None:
    assert schedules.robbins_monro(schedules.BottouLR(one(), lam=1e-3))
    assert schedules.robbins_monro(schedules.InverseTimeLR(one(), 10.0))
    assert not schedules.robbins_monro(schedules.ExponentialLR(one(), 0.9))


ERRORS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda o: schedules.StepLR("sgd", 3), TypeError, "optimizer"),  # type: ignore[arg-type]
    (lambda o: schedules.StepLR(o, 0), ValueError, "step_size"),
    (lambda o: schedules.ExponentialLR(o, -1.0), ValueError, "gamma"),
    (lambda o: schedules.InverseTimeLR(o, 0.0), ValueError, "t0"),
    (lambda o: schedules.CosineAnnealingLR(o, 0), ValueError, "T_max"),
    (lambda o: schedules.CyclicLR(o, 0.1, 1.0, mode="sawtooth"), ValueError, "sawtooth"),  # type: ignore[arg-type]
    (lambda o: schedules.OneCycleLR(o, 0.1), ValueError, "total_steps"),
    (lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 3)], [2]), ValueError, "milestone"),
    (lambda o: schedules.MomentumWarmup(one(), 0.5, 1.5), ValueError, "end"),
    (lambda o: schedules.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor"),
    (lambda o: schedules.LambdaLR(o, [lambda t: 1.0] * 2), ValueError, "2"),
    (lambda o: schedules.robbins_monro(lambda t: -1.0), ValueError, "step 0"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_name_what_was_wrong(case: int) -> None:
    make, kind, words = ERRORS[case]
    with pytest.raises(kind, match=words):
        make(one())


def test_one_cycle_ends() -> None:
    schedule = schedules.OneCycleLR(one(), 0.1, 3, cycle_momentum=False)
    schedule.step()
    schedule.step()
    with pytest.raises(ValueError, match="beyond the last one"):
        schedule.step()
