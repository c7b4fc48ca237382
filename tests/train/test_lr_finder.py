"""The range test: its curve, its suggestion, and that it leaves no trace."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import data, nn, optim
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import fit, lr_range_test
from tinygrad_lecture.train.lr_finder import LRRange


def setup(seed: int, *extra: nn.Module) -> tuple[nn.Sequential, optim.SGD, data.DataLoader]:
    """Net and data of L25."""
    points = data.Dataset(*data.spirals(300, noise=0.2, seed=seed), "spirals", n_classes=3)
    rng = np.random.default_rng(seed)

    def linear(i: int, o: int) -> nn.Linear:
        return nn.Linear(i, o, rng=rng, init=nn.init.lecun_normal_)

    model = nn.Sequential(
        linear(2, 32), nn.Tanh(), *extra, linear(32, 32), nn.Tanh(), linear(32, 3)
    )
    return model, optim.SGD(model.parameters(), lr=0.1), data.DataLoader(points, 32, seed=seed)


@pytest.mark.parametrize("seed", range(3))
def test_the_rate_that_it_suggests_trains_well(seed: int) -> None:
    """The claim of L28: blow-up near the largest stable rate, training at a third of it works."""
    model, optimizer, loader = setup(seed)
    found = lr_range_test(model, nn.CrossEntropyLoss(), optimizer, loader, 1e-4, 100, 300)

    assert found.blew_up
    assert 1 < found.lrs[-1] < 10
    suggestion = found.suggest()
    assert 0.2 < suggestion.max_lr < 3
    assert suggestion.lr == pytest.approx(suggestion.max_lr / 3)
    assert suggestion.base_lr == pytest.approx(suggestion.max_lr / 4)
    optimizer.param_groups[0]["lr"] = suggestion.lr
    run = fit(model, nn.CrossEntropyLoss(), optimizer, loader, epochs=60, compile=True)
    assert run.history[-1]["train_loss"] < 0.05


@pytest.mark.parametrize("compile", [False, True])
def test_everything_is_as_before_bit_by_bit(compile: bool) -> None:
    def everything() -> list[Any]:
        return [
            {name: array.tobytes() for name, array in model.state_dict().items()},
            repr(optimizer.state_dict()),
            loader.state_dict(),
            dropout.rng.bit_generator.state,
            [m.training for m in model.modules()],
            [p.grad for p in model.parameters()],
        ]

    norm, dropout = nn.BatchNorm1d(32), nn.Dropout(0.1, rng=3)
    model, optimizer, loader = setup(0, norm, dropout)
    optimizer.param_groups[0]["momentum"] = 0.9
    fit(model, nn.CrossEntropyLoss(), optimizer, loader, epochs=1)
    next(iter(loader))
    model.eval()
    dropout.train()
    model.zero_grad()
    before = everything()
    lr_range_test(model, nn.CrossEntropyLoss(), optimizer, loader, steps=30, compile=compile)

    assert everything() == before


class Script(nn.Module):
    """One weight; the loss is looked up by the number of the batch."""

    def __init__(self) -> None:
        self.w = nn.Parameter(1.0)
        self.other = nn.Parameter(1.0)

    def forward(self, x: Any) -> Any:
        return self.w * x + 0.0 * self.other


def scripted(losses: list[float], steps: int = 5, **options: Any) -> LRRange:
    model = Script()
    groups: list[Any] = [{"params": [model.w]}, {"params": [model.other], "lr": 0.2}]
    optimizer = optim.SGD(groups, lr=0.1)
    batches = [(np.full((1,), value), np.zeros(1)) for value in losses]

    def loss(output: Any, target: Any) -> Any:
        seen.append([group["lr"] for group in optimizer.param_groups])
        return output.sum()

    seen: list[list[float]] = []
    found = lr_range_test(
        model, loss, optimizer, batches, 1e-12, 1e-8, steps, compile=False, **options
    )
    assert [rates[0] for rates in seen][: len(found.lrs)] == pytest.approx(found.lrs.tolist())
    assert all(rates[1] == pytest.approx(2 * rates[0]) for rates in seen)
    return found


def test_rates_rise_by_a_factor_or_a_step_and_groups_keep_their_ratio() -> None:
    assert scripted([1.0]).lrs == pytest.approx([1e-12, 1e-11, 1e-10, 1e-9, 1e-8])
    assert scripted([1.0], mode="linear").lrs == pytest.approx(np.linspace(1e-12, 1e-8, 5))


def test_the_mean_is_corrected_at_its_start() -> None:
    found = scripted([4.0, 2.0, 1.0], 3, smooth=0.5)

    assert found.losses == pytest.approx([4, 2, 1])
    assert found.smoothed == pytest.approx(
        [4, (2 / 2 + 4 / 4) / 0.75, (1 / 2 + 2 / 4 + 4 / 8) / 0.875]
    )
    assert not found.blew_up


def test_it_stops_where_the_loss_blows_up_or_is_not_finite() -> None:
    found = scripted([2.0, 1.0, 4.1, 1.0], smooth=0.0)
    assert (len(found.lrs), found.blew_up) == (3, True)
    assert found.suggest().max_lr == pytest.approx(1e-11)
    found = scripted([2.0, 1.0, math.nan], smooth=0.0)
    assert (found.losses.round(6).tolist(), found.blew_up) == ([2, 1], True)
    with pytest.raises(UsageError, match="the first loss is not finite"):
        scripted([math.inf])


def test_a_minimum_at_an_end_is_no_suggestion() -> None:
    with pytest.raises(UsageError, match="lr_min=1e-12: lower lr_min"):
        scripted([1.0, 2.0, 3.0, 3.0, 3.0], smooth=0.0).suggest()
    with pytest.raises(UsageError, match="still fell at lr_max=1e-08: raise lr_max"):
        scripted([5.0, 4.0, 3.0, 2.0, 1.0], smooth=0.0).suggest()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr_min": 0}, "needs 0 < lr_min < lr_max, got 0 and 100"),
        ({"lr_max": 1e-9}, "needs 0 < lr_min < lr_max"),
        ({"steps": 1}, "steps must be at least 2, got 1"),
        ({"mode": "log"}, 'mode is "exp" or "linear", got \'log\''),
        ({"smooth": 1}, "smooth must be at least 0 and below 1, got 1"),
        ({"stop_factor": 1}, "stop_factor must be above 1, got 1"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str) -> None:
    model, optimizer, loader = setup(0)
    with pytest.raises(UsageError, match=message):
        lr_range_test(model, nn.CrossEntropyLoss(), optimizer, loader, **options)


def test_data_without_batches_or_for_one_pass_are_refused() -> None:
    model, optimizer, loader = setup(0)
    with pytest.raises(UsageError, match="gave no batches"):
        lr_range_test(model, nn.CrossEntropyLoss(), optimizer, [])
    with pytest.raises(UsageError, match="give a loader or list"):
        lr_range_test(model, nn.CrossEntropyLoss(), optimizer, iter(loader))
