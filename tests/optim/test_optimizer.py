"""What all optimizers share: groups, refusals, warnings, state."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.optim import SGD


def stepped(x: tg.Value, optimizer: SGD) -> None:
    optimizer.zero_grad()
    (x * x).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("params", [[], (), iter([]), {}])
def test_no_parameters_are_refused(params: Any) -> None:
    with pytest.raises(ValueError, match="SGD: there are no parameters to train"):
        SGD(params, lr=0.1)


@pytest.mark.parametrize("params", [tg.Value(1.0), nn.Linear(1, 1, rng=0), 3.0])
def test_something_else_than_an_iterable_of_values_is_refused(params: Any) -> None:
    with pytest.raises(TypeError, match=r"such as model\.parameters\(\); got"):
        SGD(params, lr=0.1)


@pytest.mark.parametrize("wrong", [np.ones(2), 1.0, "w", nn.ReLU()])
def test_something_else_than_a_value_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"parameter 1 is {type(wrong).__name__}, a Value"):
        SGD([tg.Value(1.0), wrong], lr=0.1)


def test_a_parameter_given_twice_is_refused_by_name() -> None:
    w, b = nn.Linear(2, 1, rng=0).parameters()
    with pytest.raises(ValueError, match=r"parameter 2 \(weight, .* already given as number 0"):
        SGD([w, b, w], lr=0.1)
    with pytest.raises(ValueError, match=r"parameter 1 \(weight, .* already given as number 0"):
        SGD([{"params": [w]}, {"params": [w]}], lr=0.1)


def test_a_computed_value_is_refused() -> None:
    w = tg.Value([1.0, 2.0], name="w")
    with pytest.raises(ValueError, match="is the result of an operation; only leaves"):
        SGD([w, w * 2], lr=0.1)


def test_groups_have_settings_of_their_own_and_lr_changes_count_at_once() -> None:
    a, b = tg.Value(1.0), tg.Value(1.0)
    optimizer = SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    (a + b).backward()
    optimizer.step()
    assert (a.data, b.data) == (0.9, 0.5)
    optimizer.param_groups[1]["lr"] = 0.25
    optimizer.zero_grad()
    (a + b).backward()
    optimizer.step()
    assert (a.data, b.data) == pytest.approx((0.8, 0.25))


def test_a_group_added_later_is_trained() -> None:
    a, b = tg.Value(1.0), tg.Value(1.0)
    optimizer = SGD([a], lr=0.1)
    optimizer.add_param_group({"params": [b], "lr": 1.0})
    (a + b).backward()
    optimizer.step()
    assert b.data == 0.0


def test_bad_groups_are_refused() -> None:
    a = tg.Value(1.0)
    with pytest.raises(
        ValueError, match="unknown setting 'learning_rate' in a group; known are lr"
    ):
        SGD([{"params": [a], "learning_rate": 1.0}], lr=0.1)
    with pytest.raises(TypeError, match='a parameter group is a dict with "params"'):
        SGD([{"lr": 1.0}], lr=0.1)
    with pytest.raises(TypeError, match='a parameter group is a dict with "params", got Value'):
        SGD([{"params": [a]}, a], lr=0.1)
    with pytest.raises(ValueError, match="a group has no parameters"):
        SGD([{"params": [a]}, {"params": []}], lr=0.1)
    with pytest.raises(ValueError, match="lr must be at least 0, got -1"):
        SGD([{"params": [a], "lr": -1.0}], lr=0.1)


def test_a_step_without_any_gradient_raises_and_moves_nothing() -> None:
    a = tg.Value(1.0)
    optimizer = SGD([a, tg.Value(2.0)], lr=0.1)
    with pytest.raises(RuntimeError, match=r"none of the 2 parameters has a gradient; call loss"):
        optimizer.step()
    assert a.data == 1.0


def test_a_parameter_without_gradient_stays_even_with_weight_decay() -> None:
    a, b = tg.Value(1.0), tg.Value(1.0)
    optimizer = SGD([a, b], lr=0.1, weight_decay=0.5)
    (a * 2).backward()
    optimizer.step()
    assert a.data == pytest.approx(1 - 0.1 * 2.5)
    assert b.data == 1.0


@pytest.mark.parametrize(
    "again",
    [lambda p: (p * p).sum().backward(), lambda p: None],
    ids=["backward on top", "no backward at all"],
)
def test_a_step_without_zeroing_warns_once_and_names_the_parameters(again: Any) -> None:
    model = nn.Linear(2, 1, rng=0)
    optimizer = SGD(model.parameters(), lr=0.1)
    model(np.ones((1, 2))).sum().backward()
    optimizer.step()
    again(model.weight)
    with pytest.warns(
        RuntimeWarning, match=r"gradients of weight, shape \(1, 2\); bias.*zero_grad"
    ):
        optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()


def test_the_warning_abbreviates_long_lists() -> None:
    params = [tg.Value(float(i)) for i in range(6)]
    optimizer = SGD(params, lr=0.1)
    sum(params, tg.Value(0.0)).backward()
    optimizer.step()
    with pytest.warns(RuntimeWarning, match=r"number 0.*number 1.*number 2.* and 3 more"):
        optimizer.step()


def clear_by_optimizer(p: tg.Value, optimizer: SGD) -> None:
    optimizer.zero_grad()


def clear_by_value(p: tg.Value, optimizer: SGD) -> None:
    p.zero_grad()


def clear_by_none(p: tg.Value, optimizer: SGD) -> None:
    p.grad = None


def clear_as_micrograd_does(p: tg.Value, optimizer: SGD) -> None:
    p.grad = 0


@pytest.mark.parametrize(
    "clear", [clear_by_optimizer, clear_by_value, clear_by_none, clear_as_micrograd_does]
)
def test_every_way_of_zeroing_counts(clear: Any) -> None:
    p = tg.Value(1.0)
    optimizer = SGD([p], lr=0.1)
    for _ in range(3):
        clear(p, optimizer)
        (p * p).backward()
        optimizer.step()  # a warning would be an error
    assert p.data == pytest.approx(0.8**3)


def test_gradients_summed_over_several_backwards_before_a_step_are_no_mistake() -> None:
    p = tg.Value(1.0)
    optimizer = SGD([p], lr=0.1)
    for batches in (1, 3):
        optimizer.zero_grad()
        for _ in range(batches):
            (2 * p).backward()
        optimizer.step()
    assert p.data == pytest.approx(1 - 0.2 - 0.6)


@pytest.mark.parametrize("compile", [False, True])
def test_hooks_see_the_gradients_before_the_parameters_move(compile: bool) -> None:
    p = tg.Value([0.0, 0.0])
    optimizer = SGD([p], lr=1.0)

    def take(direction: Any) -> None:
        optimizer.zero_grad()
        (p * direction).sum().backward()
        optimizer.step()

    run: Any = tg.compile(take) if compile else take

    def step(direction: Any) -> Any:
        before = p.data
        run(np.array(direction))
        return (before - p.data).tolist()

    assert step([3.0, 4.0]) == [3.0, 4.0]
    handle = optimizer.register_step_pre_hook(lambda *_: nn.utils.clip_grad_norm_([p], 1.0))
    assert step([3.0, 4.0]) == pytest.approx([0.6, 0.8], rel=1e-6)
    assert step([0.3, 0.4]) == pytest.approx([0.3, 0.4], rel=1e-12)
    with optimizer.register_step_pre_hook(lambda *_: nn.utils.clip_grad_value_([p], 0.1)):
        assert step([3.0, 0.0]) == pytest.approx([0.1, 0.0], rel=1e-6)
    assert step([3.0, 0.0]) == pytest.approx([1.0, 0.0], rel=1e-6)
    handle.remove()
    handle.remove()
    assert step([3.0, 4.0]) == pytest.approx([3.0, 4.0], rel=1e-12)


def test_a_hook_gets_the_optimizer_and_what_the_step_got() -> None:
    p, seen = tg.Value(1.0), []
    optimizer = SGD([p], lr=0.1)
    optimizer.register_step_pre_hook(lambda *args: seen.append(args))
    (p * p).backward()
    optimizer.step(2.5)
    assert seen == [(optimizer, (2.5,), {})]


def test_fit_takes_clipped_steps() -> None:
    X, y = tg.data.xor(signed=True)
    lengths = []
    for compile in (False, True):
        model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
        params = list(model.parameters())
        optimizer = SGD(params, lr=1.0)
        optimizer.register_step_pre_hook(
            lambda *_, params=params: nn.utils.clip_grad_norm_(params, 1e-3)
        )
        start = [np.array(p.data) for p in params]
        tg.train.fit(
            model,
            nn.CrossEntropyLoss(),
            optimizer,
            (X, y),
            epochs=1,
            compile=compile,
            progress=False,
        )
        lengths.append(
            np.sqrt(sum(((p.data - q) ** 2).sum() for p, q in zip(params, start, strict=True)))
        )
    assert lengths == pytest.approx([1e-3, 1e-3], rel=1e-2)


def test_a_closure_is_called_first_and_its_loss_returned() -> None:
    p = tg.Value(3.0)
    optimizer = SGD([p], lr=0.5)

    def closure() -> tg.Value:
        optimizer.zero_grad()
        loss = p * p
        loss.backward()
        return loss

    assert optimizer.step(closure).data == 9.0
    assert p.data == 0.0
    p.data = 1.0
    assert optimizer.step(closure).data == 1.0


def test_what_was_recorded_before_a_step_keeps_its_gradient() -> None:
    p = tg.Value([1.0, 2.0])
    optimizer = SGD([p], lr=0.1)
    loss = (p * p).sum()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    assert p.grad.tolist() == [2.0, 4.0]


def test_state_dict_round_trip_in_the_middle_changes_nothing() -> None:
    def run(reload: bool) -> list[float]:
        x, y = tg.Value([1.0, -2.0], name="x"), tg.Value(3.0)
        optimizer = SGD([{"params": [x]}, {"params": [y], "lr": 0.02}], lr=0.1, momentum=0.9)
        for step in range(10):
            if step == 5 and reload:
                state = optimizer.state_dict()
                optimizer = SGD([{"params": [x]}, {"params": [y]}], lr=7.0)
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            ((x * x).sum() * y + y * y).backward()
            optimizer.step()
        return [*x.data.tolist(), y.data]

    assert run(reload=True) == run(reload=False)


def test_state_dict_is_plain_data_and_a_copy() -> None:
    x = tg.Value([1.0, 2.0])
    optimizer = SGD([x, tg.Value(0.0)], lr=0.1, momentum=0.5)
    stepped(x, optimizer)
    state = optimizer.state_dict()
    assert state["param_groups"][0]["params"] == [0, 1]
    assert state["param_groups"][0]["lr"] == 0.1
    assert list(state["state"]) == [0]
    state["state"][0]["momentum_buffer"][:] = 100.0
    assert optimizer.state[x]["momentum_buffer"].tolist() == [2.0, 4.0]


def test_load_state_dict_refuses_what_does_not_fit_and_changes_nothing() -> None:
    x = tg.Value([1.0, 2.0], name="x")
    optimizer = SGD([x], lr=0.1, momentum=0.5)
    stepped(x, optimizer)
    good = optimizer.state_dict()
    group = good["param_groups"][0]
    bad: list[tuple[dict[str, Any], str]] = [
        ({**good, "param_groups": [group, group]}, r"groups of \[1, 1\] parameters.*has \[1\]"),
        ({**good, "param_groups": [{**group, "lr": -1.0}]}, "lr must be at least 0"),
        ({**good, "param_groups": [{"params": [0], "lr": 0.1, "betas": 1}]}, "of another kind"),
        ({**good, "state": {0: {"momentum_buffer": np.ones(3)}}}, r"parameter 0 \(x, .*\(3,\)"),
        ({**good, "state": {4: {}}}, "speaks of parameter 4 of 1"),
    ]
    for state, message in bad:
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(state)
    assert optimizer.state_dict()["param_groups"] == good["param_groups"]
    assert optimizer.state[x]["momentum_buffer"].tolist() == [2.0, 4.0]


def test_repr_shows_the_settings() -> None:
    text = repr(SGD([tg.Value(1.0)], lr=0.1, momentum=0.9))
    assert text.startswith("SGD(1 parameters, lr=0.1, momentum=0.9, dampening=0.0")
