"""Objects outside hold a program's memory, whatever their owner does to them between two calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.compiler import Compiled

X = np.random.default_rng(0).normal(size=(6, 12, 5))
Y = np.random.default_rng(1).integers(0, 3, (6, 12))


class Training:
    """A model with running statistics under Adam, eager or compiled."""

    def __init__(self, *, compiled: bool) -> None:
        self.model = nn.Sequential(
            nn.Linear(5, 8, bias=False, rng=0), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3, rng=1)
        )
        self.optimizer: Any = optim.Adam(self.model.parameters(), lr=0.05)
        self.loss = nn.CrossEntropyLoss()
        self.kept: list[tuple[Any, np.ndarray]] = []
        self.step: Any = tg.compile(self.train) if compiled else self.train

    def train(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    @property
    def weights(self) -> list[Any]:
        return list(self.model.parameters())

    def keep(self, x: Any) -> None:
        self.kept.append((x, np.array(x)))

    def numbers(self) -> list[np.ndarray]:
        found = [p.data for p in self.weights] + [p.grad for p in self.weights]
        found += [self.optimizer.state[p][k] for p in self.weights for k in ("exp_avg", "step")]
        norm: Any = self.model[1]
        return [*found, norm.running_mean, norm.running_var, norm.num_batches_tracked]


def rebind(t: Training) -> None:
    t.weights[0].data = t.weights[0].data * 0.9


def swap(t: Training) -> None:
    a, b = t.weights[1], t.weights[2]
    a.data, b.data = np.array(b.data), np.array(a.data)


def keep_weights(t: Training) -> None:
    t.keep(t.weights[0].data)


def keep_gradient(t: Training) -> None:
    if t.weights[1].grad is not None:
        t.keep(t.weights[1].grad)


def keep_a_row(t: Training) -> None:
    t.keep(t.weights[3].data[1])


def keep_a_moment(t: Training) -> None:
    if t.weights[0] in t.optimizer.state:
        t.keep(t.optimizer.state[t.weights[0]]["exp_avg_sq"])


def no_gradients(t: Training) -> None:
    t.optimizer.zero_grad()


def other_moments(t: Training) -> None:
    for state in t.optimizer.state.values():
        state["exp_avg"] = state["exp_avg"] * 0.5


def forget_moments(t: Training) -> None:
    t.optimizer.state.clear()


def forget_one(t: Training) -> None:
    t.optimizer.state.pop(t.weights[2], None)


def reload(t: Training) -> None:
    t.optimizer.load_state_dict(t.optimizer.state_dict())
    t.model.load_state_dict(t.model.state_dict())


def other_rate(t: Training) -> None:
    t.optimizer.param_groups[0]["lr"] *= 0.7


def other_statistics(t: Training) -> None:
    norm: Any = t.model[1]
    norm.running_mean = norm.running_mean + 0.1


def count_anew(t: Training) -> None:
    norm: Any = t.model[1]
    norm.num_batches_tracked = 3


ACTIONS: list[Callable[[Training], None]] = [
    rebind, swap, keep_weights, keep_gradient, keep_a_row, keep_a_moment, no_gradients,
    other_moments, forget_moments, forget_one, reload, other_rate, other_statistics, count_anew,
]  # fmt: skip


def check(rounds: list[list[Callable[[Training], None]]]) -> Compiled:
    """Train twice, eagerly and compiled, and let the actions of a round precede its step."""
    eager, compiled = (Training(compiled=c) for c in (False, True))
    for actions, x, y in zip(rounds, X, Y, strict=False):
        for action in actions:
            action(eager)
            action(compiled)
        wanted, found = eager.step(x, y), compiled.step(x, y)
        np.testing.assert_allclose(found.data, wanted.data, rtol=1e-9)
        for a, b in zip(compiled.numbers(), eager.numbers(), strict=True):
            assert type(a) is type(b)
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)
        for shown, before in compiled.kept:
            np.testing.assert_array_equal(shown, before)
    made: Compiled = compiled.step
    return made


@pytest.mark.parametrize("action", ACTIONS)
def test_one_action_before_each_step(action: Callable[[Training], None]) -> None:
    fast = check([[], [], [], [action], [], [action]])
    assert fast.eager_calls == 0
    if action is not forget_one:
        assert len(fast.programs) == 2


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from(ACTIONS), max_size=3), min_size=6, max_size=6))
def test_any_actions_between_steps(rounds: list[list[Callable[[Training], None]]]) -> None:
    check(rounds)


def test_nothing_is_written_where_nobody_touched_anything() -> None:
    training = Training(compiled=True)
    for x, y in zip(X[:3], Y, strict=False):
        training.step(x, y)
    held = [id(x) for p in training.weights for x in (p._data, p._grad)]
    training.step(X[3], Y[3])
    assert [id(x) for p in training.weights for x in (p._data, p._grad)] == held
    assert training.step.program.moves == 0
    kept = training.weights[0].data
    before = np.array(kept)
    training.step(X[4], Y[4])
    assert training.step.program.moves == 1
    np.testing.assert_array_equal(kept, before)


def test_another_precision_is_another_program() -> None:
    training = Training(compiled=True)
    for x, y in zip(X[:3], Y, strict=False):
        training.step(x, y)
    before = len(training.step.programs)
    for p in training.weights:
        p.data = p.data.astype(np.float32)
    training.step(X[3], Y[3])
    assert len(training.step.programs) == before + 1
    training.step(X[4], Y[4])
    assert training.step.eager_calls == 0


class Remembers(nn.Module):
    """Keeps the last sum where a vector was."""

    def __init__(self) -> None:
        self.register_buffer("last", np.zeros(3, np.float32))

    def forward(self, x: Any) -> Any:
        self.last = tg.sum(x)
        return x * 2.0


def test_a_number_takes_the_place_of_a_vector() -> None:
    eager, compiled = Remembers(), Remembers()
    fast = tg.compile(lambda x: compiled(x).sum())
    for x in X[:3, 0]:
        eager(x)
        fast(x)
        assert compiled.last.shape == eager.last.shape == ()
        np.testing.assert_allclose(compiled.last, eager.last, rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (5,)], ids=str)
def test_hooks_see_the_parameters_of_their_run(shape: tuple[int, ...]) -> None:
    p = nn.Parameter(np.ones(shape) if shape else 1.0)
    layer = nn.Tanh()
    seen: list[Any] = []
    layer.register_forward_hook(lambda *args: seen.append((np.array(p.data), np.array(p.grad))))
    optimizer: Any = optim.SGD([p], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = tg.sum(layer(p * x))
        loss.backward()
        optimizer.step()
        return loss

    fast = tg.compile(step)
    for x in (0.5, 0.7, 0.9):
        fast(x)
        data, grad = seen.pop()
        np.testing.assert_array_equal(data, p.data)
        np.testing.assert_array_equal(grad, p.grad)
