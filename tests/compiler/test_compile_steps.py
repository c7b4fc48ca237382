"""Whole training steps, compiled, against an eager twin: everything that the step leaves behind."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiler_helpers import paths_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.compiler import blocks, execute, plan

FEATURES, CLASSES, BATCH = 5, 4, 6
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}


class Task:
    """A model, its optimizer, and what one step does with a batch."""

    def __init__(
        self,
        model: Callable[[], Any],
        optimizer: Callable[[Any], Any],
        loss: Any = None,
        dtype: Any = np.float64,
    ) -> None:
        self.model = model()
        self.optimizer = optimizer(self.model)
        self.loss = nn.CrossEntropyLoss() if loss is None else loss
        self.dtype = dtype

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def evaluate(self, x: Any, y: Any) -> Any:
        return self.loss(self.model(x), y)

    def batch(self, k: int, n: int = BATCH) -> tuple[Any, Any]:
        rng = np.random.default_rng(k)
        x = rng.normal(size=(n, FEATURES)).astype(self.dtype)
        if isinstance(self.loss, nn.MSELoss):
            return x, rng.normal(size=(n, CLASSES)).astype(self.dtype)
        return x, rng.integers(0, CLASSES, n)

    def state(self) -> dict[str, Any]:
        """Return copies of all that a step may change."""
        found: dict[str, Any] = dict(self.model.state_dict())
        for name, p in self.model.named_parameters():
            g = p.grad
            found[f"{name}.grad"] = None if g is None else np.array(g)
        saved = self.optimizer.state_dict()
        for i, entry in saved["state"].items():
            found.update({f"{i}.{key}": np.array(x) for key, x in entry.items()})
        for k, group in enumerate(saved["param_groups"]):
            found[f"group {k}"] = group
        for name, module in self.model.named_modules():
            if isinstance(module, nn.Dropout):
                found[f"{name}.rng"] = module.rng.bit_generator.state
        return found


def equal(ours: Task, theirs: Task) -> None:
    """Compare everything, types and dtypes included."""
    rtol = TOLERANCE[ours.dtype]
    a, b = ours.state(), theirs.state()
    assert a.keys() == b.keys()
    for name, want in b.items():
        if isinstance(want, np.ndarray):
            assert a[name].dtype == want.dtype, name
            assert a[name].shape == want.shape, name
            scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
            np.testing.assert_allclose(a[name], want, rtol=rtol, atol=rtol * scale, err_msg=name)
        else:
            assert a[name] == want, name
    for p, q in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        assert type(p.data) is type(q.data)
        assert type(p.grad) is type(q.grad)
        assert p._b == q._b  # whether an optimizer has used the gradient
    for p, q in zip(ours.optimizer.state, theirs.optimizer.state, strict=True):
        kinds = {key: type(x) for key, x in theirs.optimizer.state[q].items()}
        assert {key: type(x) for key, x in ours.optimizer.state[p].items()} == kinds


def same_loss(got: Any, want: Any, dtype: Any = np.float64) -> None:
    assert type(got) is type(want)
    a, b = (x.data if isinstance(x, tg.Value) else x for x in (got, want))
    assert type(a) is type(b)
    assert a == pytest.approx(b, rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])


class Twins:
    """The same task twice: one stepped by a program, one eagerly."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ours, self.theirs = Task(*args, **kwargs), Task(*args, **kwargs)
        self.compiled: Any = tg.compile(self.ours.step)

    def step(self, k: int, n: int = BATCH) -> None:
        batch = self.ours.batch(k, n)
        same_loss(self.compiled(*batch), self.theirs.step(*batch), self.ours.dtype)

    def both(self, action: Callable[[Task], Any]) -> tuple[Any, Any]:
        return action(self.ours), action(self.theirs)

    def equal(self) -> None:
        equal(self.ours, self.theirs)
        assert self.compiled.eager_calls == 0

    @property
    def paths(self) -> int:
        return paths_of(self.compiled)


def plain(dtype: Any = np.float64) -> Any:
    """Return a small network; two like it start from the same numbers."""
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Linear(FEATURES, 8, rng=rng, dtype=dtype), nn.Tanh(),
        nn.Linear(8, CLASSES, rng=rng, dtype=dtype),
    )  # fmt: skip


def sgd(**settings: Any) -> Callable[[Any], Any]:
    return lambda model: optim.SGD(model.parameters(), **{"lr": 0.1, **settings})


def adam(**settings: Any) -> Callable[[Any], Any]:
    return lambda model: optim.Adam(model.parameters(), **{"lr": 0.05, **settings})


# -------------------------------------------------------------------- all layers and optimizers


def relu_net(rng: Any, dtype: Any) -> list[Any]:
    return [
        nn.Linear(FEATURES, 8, rng=rng, dtype=dtype),
        nn.ReLU(),
        nn.Linear(8, CLASSES, rng=rng, dtype=dtype),
    ]


def sigmoid_net(rng: Any, dtype: Any) -> list[Any]:
    return [
        nn.Linear(FEATURES, 7, bias=False, rng=rng, dtype=dtype), nn.Sigmoid(),
        nn.Linear(7, 6, rng=rng, dtype=dtype), nn.Tanh(), nn.Linear(6, CLASSES, rng=rng, dtype=dtype),
    ]  # fmt: skip


def batch_norm_net(rng: Any, dtype: Any) -> list[Any]:
    return [
        nn.Linear(FEATURES, 8, bias=False, rng=rng, dtype=dtype), nn.BatchNorm1d(8, dtype=dtype),
        nn.ReLU(), nn.Linear(8, CLASSES, rng=rng, dtype=dtype),
    ]  # fmt: skip


def plain_mean_norm_net(rng: Any, dtype: Any) -> list[Any]:
    return [
        nn.Linear(FEATURES, 8, bias=False, rng=rng, dtype=dtype),
        nn.BatchNorm1d(8, momentum=None, dtype=dtype), nn.Tanh(),
        nn.Linear(8, CLASSES, rng=rng, dtype=dtype),
        nn.BatchNorm1d(CLASSES, affine=False, track_running_stats=False, dtype=dtype),
    ]  # fmt: skip


def dropout_net(rng: Any, dtype: Any) -> list[Any]:
    chance = np.random.default_rng(7)
    return [
        nn.Dropout(0.1, rng=chance), nn.Linear(FEATURES, 8, rng=rng, dtype=dtype), nn.ReLU(),
        nn.Dropout(0.5, rng=chance), nn.Linear(8, CLASSES, rng=rng, dtype=dtype),
    ]  # fmt: skip


def all_net(rng: Any, dtype: Any) -> list[Any]:
    return [
        nn.Linear(FEATURES, 8, bias=False, rng=rng, dtype=dtype), nn.BatchNorm1d(8, dtype=dtype),
        nn.ReLU(), nn.Dropout(0.3, rng=5), nn.Linear(8, 6, rng=rng, dtype=dtype), nn.Sigmoid(),
        nn.Linear(6, CLASSES, rng=rng, dtype=dtype), nn.Tanh(),
    ]  # fmt: skip


def standardized_net(rng: Any, dtype: Any) -> list[Any]:
    return [
        nn.Standardize(np.arange(FEATURES) / 5, 2.0, dtype=dtype),
        nn.Linear(FEATURES, CLASSES, rng=rng, dtype=dtype),
    ]


NETS = [
    relu_net, sigmoid_net, batch_norm_net, plain_mean_norm_net, dropout_net, all_net,
    standardized_net,
]  # fmt: skip

OPTIMIZERS = {
    "sgd": sgd(),
    "momentum": sgd(momentum=0.9),
    "nesterov": sgd(momentum=0.9, nesterov=True),
    "lecture": sgd(momentum=0.9, momentum_form="lecture"),
    "lecture nesterov": sgd(momentum=0.8, momentum_form="lecture", nesterov=True),
    "decay": sgd(weight_decay=0.1),
    "dampening": sgd(momentum=0.9, dampening=0.5, weight_decay=0.01),
    "adam": adam(eps=1e-3),
    "adam with decay": adam(weight_decay=0.1, betas=(0.8, 0.9), eps=1e-3),
}


def make(net: Any, dtype: Any = np.float64) -> Callable[[], Any]:
    return lambda: nn.Sequential(*net(np.random.default_rng(0), dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_every_layer(net: Any, optimizer: str, dtype: Any) -> None:
    twins = Twins(make(net, dtype), OPTIMIZERS[optimizer], dtype=dtype)
    for k in range(6):
        twins.step(k)
        twins.equal()
    assert twins.paths == 2  # the first step makes the state of the optimizer


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, nn.MSELoss])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer: str, loss: Any, dtype: Any) -> None:
    twins = Twins(make(sigmoid_net, dtype), OPTIMIZERS[optimizer], loss(), dtype)
    for k in range(6):
        twins.step(k)
        twins.equal()
    assert twins.paths == (1 if optimizer in ("sgd", "decay") else 2)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, nn.MSELoss])
def test_reductions_of_losses(loss: Any, reduction: Any) -> None:
    twins = Twins(plain, sgd(lr=0.01), loss(reduction=reduction))
    for k in range(3):
        twins.step(k)
    twins.equal()


def test_no_reduction_and_a_sum_of_losses() -> None:
    class Own(Task):
        def step(self, x: Any, y: Any) -> Any:
            self.optimizer.zero_grad()
            losses = nn.CrossEntropyLoss(reduction="none")(self.model(x), y)
            total = tg.sum(losses * losses) + 0.01 * sum(
                tg.sum(p * p) for p in self.model.parameters()
            )
            total.backward()
            self.optimizer.step()
            return losses

    ours, theirs = Own(plain, sgd()), Own(plain, sgd())
    compiled: Any = tg.compile(ours.step)
    for k in range(3):
        got, want = compiled(*ours.batch(k)), theirs.step(*theirs.batch(k))
        np.testing.assert_allclose(got.data, want.data, rtol=1e-12)
    equal(ours, theirs)


def test_many_steps_stay_together() -> None:
    twins = Twins(make(all_net), adam(lr=0.01, eps=1e-3))
    for k in range(200):
        twins.step(k % 7)
    twins.equal()
    assert twins.paths == 2


def test_a_large_layer_is_updated_in_blocks() -> None:
    """Long elementwise updates run block by block; the last block is a short one."""

    def model() -> Any:
        rng = np.random.default_rng(0)
        return nn.Sequential(
            nn.Linear(FEATURES, 7001, rng=rng), nn.Tanh(), nn.Linear(7001, CLASSES, rng=rng)
        )

    for optimizer in (sgd(lr=0.01, momentum=0.9), adam(lr=1e-3, eps=1e-3)):
        twins = Twins(model, optimizer)
        for k in range(4):
            twins.step(k)
        twins.equal()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("block", [3, 7])
def test_updates_in_blocks(optimizer: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with blocks so short that every array has several."""
    for module in (blocks, execute, plan):
        monkeypatch.setattr(module, "BLOCK", block)
    twins = Twins(make(all_net), OPTIMIZERS[optimizer])
    for k in range(5):
        twins.step(k)
        twins.equal()


# --------------------------------------------------------------------- settings that are changed


def groups(model: Any) -> Any:
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    return optim.SGD(
        [
            {"params": weights, "lr": 0.2, "momentum": 0.9, "weight_decay": 0.01},
            {"params": biases[:1], "lr": 0.05},
            {"params": biases[1:], "momentum": 0.5, "nesterov": True},
        ],
        lr=0.1,
    )


def adam_groups(model: Any) -> Any:
    first, *rest = model.parameters()
    return optim.Adam(
        [
            {"params": [first], "lr": 0.01, "betas": (0.5, 0.9)},
            {"params": rest, "weight_decay": 0.1},
        ],
        eps=1e-3,
    )


@pytest.mark.parametrize("optimizer", [groups, adam_groups])
def test_groups_with_settings_of_their_own(optimizer: Any) -> None:
    twins = Twins(plain, optimizer)
    for k in range(5):
        twins.step(k)
    twins.equal()
    assert twins.paths == 2


@pytest.mark.parametrize(
    "optimizer", [sgd(momentum=0.9), sgd(), adam(eps=1e-3), groups, adam_groups]
)
def test_a_changed_learning_rate_needs_no_new_program(optimizer: Any) -> None:
    twins = Twins(plain, optimizer)
    twins.step(0)
    twins.step(1)
    before = twins.paths
    for k in range(2, 8):
        for task in (twins.ours, twins.theirs):
            for i, group in enumerate(task.optimizer.param_groups):
                group["lr"] = 0.1 / (k + i)
        twins.step(k)
        twins.equal()
    assert twins.paths == before


def test_other_numbers_among_the_settings_need_no_new_program() -> None:
    twins = Twins(plain, sgd(momentum=0.9, weight_decay=0.1))
    twins.step(0)
    twins.step(1)
    for k in range(2, 6):
        for task in (twins.ours, twins.theirs):
            task.optimizer.param_groups[0].update(momentum=0.9 / k, weight_decay=0.1 / k)
        twins.step(k)
        twins.equal()
    assert twins.paths == 2

    twins = Twins(plain, adam(eps=1e-3))
    twins.step(0)
    twins.step(1)
    for k in range(2, 6):
        for task in (twins.ours, twins.theirs):
            task.optimizer.param_groups[0].update(betas=(0.9 / k, 0.99), eps=1e-2 / k)
        twins.step(k)
        twins.equal()
    assert twins.paths == 2


def test_a_setting_that_becomes_zero_or_one_counts() -> None:
    """Momentum 0 keeps no velocity at all, nesterov is another formula: other paths."""
    twins = Twins(plain, sgd(momentum=0.9))
    changes: list[dict[str, Any]] = [
        {}, {}, {"momentum": 0.0}, {}, {"momentum": 0.5, "nesterov": True}, {"nesterov": False},
        {"weight_decay": 0.1}, {"weight_decay": 0.0}, {"dampening": 0.5}, {"dampening": 0.0},
        {"momentum_form": "lecture"}, {"lr": 0.0}, {"lr": 1},
    ]  # fmt: skip
    for k, change in enumerate(changes):
        for task in (twins.ours, twins.theirs):
            task.optimizer.param_groups[0].update(change)
        twins.step(k)
        twins.equal()


def test_an_integer_or_numpy_learning_rate() -> None:
    twins = Twins(plain, sgd())
    twins.step(0)
    for k, lr in enumerate([1, np.float64(0.1), np.float32(0.25), 0]):
        for task in (twins.ours, twins.theirs):
            task.optimizer.param_groups[0]["lr"] = lr
        twins.step(k)
        twins.equal()
    assert twins.paths == 1


def test_a_group_that_is_added_later() -> None:
    twins = Twins(plain, lambda model: optim.SGD(list(model.parameters())[:2], lr=0.1))
    twins.step(0)
    for task in (twins.ours, twins.theirs):
        task.optimizer.add_param_group({"params": list(task.model.parameters())[2:], "lr": 0.3})
    twins.step(1)
    twins.step(2)
    twins.equal()


@pytest.mark.parametrize("net", [batch_norm_net, dropout_net, all_net])
def test_training_and_evaluation_take_turns(net: Any) -> None:
    twins = Twins(make(net), sgd())
    for k, training in enumerate([True, False, True, True, False, False, True]):
        twins.both(lambda task, mode=training: task.model.train(mode))  # type: ignore[misc]
        twins.step(k)
        twins.equal()
    assert twins.paths == 2


def test_one_layer_in_evaluation() -> None:
    twins = Twins(make(all_net), sgd())
    for k in range(6):
        twins.both(lambda task, k=k: list(task.model.modules())[4].train(k % 2 == 0))  # type: ignore[misc]
        twins.step(k)
        twins.equal()


def test_a_probability_of_dropout_that_changes() -> None:
    twins = Twins(make(dropout_net), sgd())
    for k, p in enumerate([0.1, 0.2, 0.0, 0.5]):
        for task in (twins.ours, twins.theirs):
            list(task.model.modules())[1].p = p
        twins.step(k)
        twins.equal()


@pytest.mark.parametrize("net", [relu_net, batch_norm_net, dropout_net])
def test_every_batch_size_has_its_program(net: Any) -> None:
    twins = Twins(make(net), sgd())
    for k, n in enumerate([6, 3, 9, 6, 3, 2, 6]):
        twins.step(k, n)
        twins.equal()
    assert twins.paths == len({6, 3, 9, 2})


def test_other_dtypes_of_batches_have_their_programs() -> None:
    twins = Twins(plain, sgd())
    x, y = twins.ours.batch(0)
    for batch in [
        (x, y),
        (x.astype(np.float32), y),
        (x, y.astype(np.int32)),
        (x.round().astype(int), y),
        (x, y),
    ]:
        same_loss(twins.compiled(*batch), twins.theirs.step(*batch))
        twins.equal()
    assert twins.paths == 4


def test_batches_that_are_slices_views_or_read_only() -> None:
    twins = Twins(plain, sgd())
    rng = np.random.default_rng(0)
    data, labels = rng.normal(size=(FEATURES, 40)), rng.integers(0, CLASSES, 40)
    data.flags.writeable = False
    for k in range(0, 12, 2):
        x, y = data[:, k : k + BATCH].T, labels[::-1][k : k + BATCH]
        same_loss(twins.compiled(x, y), twins.theirs.step(x, y))
    twins.equal()
    assert twins.paths == 1


def test_a_label_out_of_range_changes_nothing() -> None:
    twins = Twins(make(dropout_net), sgd(momentum=0.9))
    twins.step(0)
    twins.step(1)
    before = twins.ours.state()
    x, y = twins.ours.batch(2)
    y = y.copy()
    y[3] = CLASSES
    for bad in (CLASSES, -1):
        y[3] = bad
        with pytest.raises(ValueError, match="labels"):
            twins.compiled(x, y)
        after = twins.ours.state()
        for name in [k for k in before if not k.endswith(".grad")]:
            if isinstance(before[name], np.ndarray):
                assert np.array_equal(before[name], after[name])
            else:
                assert before[name] == after[name]
    twins.step(3)
    twins.equal()


# ------------------------------------------------------- the user reads and writes in between


def test_state_that_is_loaded_in_between() -> None:
    for optimizer in (sgd(momentum=0.9), adam(eps=1e-3)):
        twins = Twins(make(all_net), optimizer)
        saved = twins.both(lambda task: (task.model.state_dict(), task.optimizer.state_dict()))
        for k in range(3):
            twins.step(k)
        middle = twins.both(lambda task: (task.model.state_dict(), task.optimizer.state_dict()))
        for k in range(3):
            twins.step(k)
        for states in (middle, saved, middle):
            for task, (model, state) in zip((twins.ours, twins.theirs), states, strict=True):
                task.model.load_state_dict(model)
                task.optimizer.load_state_dict(state)
            twins.equal()
            for k in range(3):
                twins.step(k)
                twins.equal()
        assert twins.paths == 2


def test_a_state_dict_does_not_change_afterwards() -> None:
    twins = Twins(make(all_net), adam(eps=1e-3))
    for k in range(3):
        twins.step(k)
        model, state = twins.ours.model.state_dict(), twins.ours.optimizer.state_dict()
        copies = {name: x.copy() for name, x in model.items()}
        moments = [np.copy(entry["exp_avg"]) for entry in state["state"].values()]
        twins.step(k + 10)
        assert all(np.array_equal(model[name], x) for name, x in copies.items())
        for entry, m in zip(state["state"].values(), moments, strict=True):
            assert np.array_equal(entry["exp_avg"], m)


@pytest.mark.parametrize("optimizer", [sgd(), sgd(momentum=0.9), adam(eps=1e-3)])
def test_parameters_that_the_user_rebinds(optimizer: Any) -> None:
    def rebind(task: Task, k: int) -> None:
        for i, p in enumerate(task.model.parameters()):
            if (i + k) % 2:
                p.data = np.full(p.shape, 0.1 * k) + np.arange(p.shape[-1])

    def scale(task: Task, k: int) -> None:
        for p in task.model.parameters():
            p.data *= 0.9

    def write(task: Task, k: int) -> None:
        for p in task.model.parameters():
            p.data[0] = 0.1 * k
            p.data[-1] += 0.5

    def swap(task: Task, k: int) -> None:
        first, *_ = task.model.parameters()
        first.data = first.data[::-1]

    def clip(task: Task, k: int) -> None:
        for p in task.model.parameters():
            np.clip(p.data, -0.3, 0.3, out=p.data)

    twins = Twins(plain, optimizer)
    for k, action in enumerate([rebind, scale, write, swap, clip] * 2):
        twins.step(k)
        action(twins.ours, k)
        action(twins.theirs, k)
        twins.equal()
    twins.step(99)
    twins.equal()
    assert twins.paths <= 2


def test_buffers_that_the_user_replaces() -> None:
    def write(task: Task) -> None:
        layer = list(task.model.modules())[2]
        layer.running_mean = np.arange(8.0)
        layer.running_var[:] = 2.0

    twins = Twins(make(batch_norm_net), sgd())
    for k in range(4):
        twins.step(k)
        twins.both(
            write if k % 2 else lambda task: list(task.model.modules())[2].reset_running_stats()
        )
        twins.equal()
    twins.step(9)
    twins.equal()
    assert twins.paths == 1


@pytest.mark.parametrize(
    "exact",
    [
        False,
        True,
    ],
)
def test_buffers_keep_their_kind(exact: bool) -> None:
    layer = nn.BatchNorm1d(FEATURES)
    before = {name: type(b) for name, b in layer.named_buffers()}
    compiled: Any = tg.compile(lambda x: layer(x), exact=exact)
    for k in range(2):
        compiled(np.random.default_rng(k).normal(size=(4, FEATURES)))
        assert {name: type(b) for name, b in layer.named_buffers()} == before
        layer.load_state_dict(layer.state_dict())


def test_moments_that_the_user_replaces() -> None:
    def write(task: Task) -> None:
        for entry in task.optimizer.state.values():
            entry["momentum_buffer"] = np.ones_like(entry["momentum_buffer"])

    def write_into(task: Task) -> None:
        for entry in task.optimizer.state.values():
            entry["momentum_buffer"][...] *= 0.5

    def forget(task: Task) -> None:
        task.optimizer.state.clear()

    def forget_one(task: Task) -> None:
        first, *_ = task.model.parameters()
        del task.optimizer.state[first]

    twins = Twins(plain, sgd(momentum=0.9))
    for k, action in enumerate([write, write_into, forget, write, forget_one, write_into]):
        twins.step(k)
        twins.both(action)
        twins.step(k + 20)
        twins.equal()


def keep(task: Task) -> list[Any]:
    """Hold on to everything that a step works on, as a user may."""
    kept: list[Any] = []
    for p in task.model.parameters():
        kept += [p.data, p.grad]
    for entry in task.optimizer.state.values():
        kept += entry.values()
    return kept + list(task.model.buffers())


@pytest.mark.parametrize(
    "optimizer",
    [sgd(), sgd(momentum=0.9), sgd(momentum=0.5, momentum_form="lecture"), adam(eps=1e-3)],
)
def test_what_the_user_keeps_does_not_change(optimizer: Any) -> None:
    twins = Twins(make(batch_norm_net), optimizer)
    kept: list[tuple[list[Any], list[Any]]] = []
    for k in range(14):
        twins.step(k)
        if k not in (4, 5, 6):
            arrays = keep(twins.ours)
            kept.append((arrays, [np.copy(x) for x in arrays]))
        for arrays, copies in kept:
            for x, y in zip(arrays, copies, strict=True):
                assert np.array_equal(x, y)
    twins.equal()


def test_a_kept_gradient_outlives_its_cell() -> None:
    w = tg.Value(np.ones((3, 2)))

    def accumulate(x: float) -> Any:
        loss = tg.sum(tg.tanh(w * x))
        loss.backward()
        return loss

    compiled: Any = tg.compile(accumulate)
    compiled(1.0)
    kept = [w.grad]
    copies = [w.grad.copy()]
    for k in range(2, 8):
        if k % 2:
            w.grad = None
        compiled(float(k))
        assert all(np.array_equal(x, y) for x, y in zip(kept, copies, strict=True))
        kept.append(w.grad)
        copies.append(w.grad.copy())


def test_a_kept_buffer_outlives_its_cell() -> None:
    twins = Twins(make(batch_norm_net), sgd(momentum=0.9))
    layer = list(twins.ours.model.modules())[2]
    kept: list[Any] = []
    copies: list[Any] = []
    for k in range(8):
        if k % 3 == 1:
            batch = twins.ours.batch(k)
            same_loss(twins.ours.step(*batch), twins.theirs.step(*batch))
        else:
            twins.step(k)
        kept += [layer.running_mean, layer.running_var]
        copies += [x.copy() for x in kept[-2:]]
        assert all(np.array_equal(x, y) for x, y in zip(kept, copies, strict=True))
    twins.equal()


def test_views_that_the_user_keeps_do_not_change() -> None:
    twins = Twins(plain, sgd(momentum=0.9))
    twins.step(0)
    twins.step(1)
    p, *_ = twins.ours.model.parameters()
    views = [
        np.asarray(p.data)[1:3].T,
        p.grad[0],
        twins.ours.optimizer.state[p]["momentum_buffer"].ravel(),
    ]
    copies = [x.copy() for x in views]
    for k in range(3):
        twins.step(k)
        assert all(np.array_equal(x, y) for x, y in zip(views, copies, strict=True))
    twins.equal()


def test_a_loss_that_the_user_keeps() -> None:
    twins = Twins(plain, sgd())
    losses = [twins.compiled(*twins.ours.batch(k)) for k in range(4)]
    want = [twins.theirs.step(*twins.theirs.batch(k)).data for k in range(4)]
    assert [loss.data for loss in losses] == pytest.approx(want, rel=1e-12)


def test_arrays_that_are_returned_do_not_change() -> None:
    model = plain()
    compiled: Any = tg.compile(lambda x: model(x))
    x = np.random.default_rng(0).normal(size=(3, FEATURES))
    outputs = [compiled(k * x) for k in range(1, 5)]
    for k, out in enumerate(outputs, start=1):
        np.testing.assert_allclose(out.data, model(k * x).data, rtol=1e-12)


def test_an_input_that_is_returned_is_not_the_memory_of_the_program() -> None:
    compiled: Any = tg.compile(lambda x: (x, x * 2.0, x.T))
    outs = [compiled(np.full((2, 3), float(k))) for k in range(3)]
    for k, (same, double, turned) in enumerate(outs):
        assert np.array_equal(same, np.full((2, 3), float(k)))
        assert np.array_equal(double, np.full((2, 3), 2.0 * k))
        assert np.array_equal(turned, np.full((3, 2), float(k)))


@pytest.mark.parametrize("optimizer", [sgd(), sgd(momentum=0.9), adam(eps=1e-3)])
def test_a_graph_recorded_before_the_step_keeps_its_numbers(optimizer: Any) -> None:
    twins = Twins(plain, optimizer)
    probe = np.random.default_rng(1).normal(size=(4, FEATURES))
    for k in range(3):
        twins.step(k)
        graphs = twins.both(lambda task: tg.sum(task.model(probe) ** 2))
        twins.step(k + 10)
        for task, graph in zip((twins.ours, twins.theirs), graphs, strict=True):
            task.model.zero_grad()
            graph.backward()
        twins.equal()
        assert graphs[0].data == pytest.approx(graphs[1].data, rel=1e-12)


def test_a_graph_recorded_before_several_steps_keeps_its_numbers() -> None:
    twins = Twins(plain, sgd(momentum=0.9))
    probe = np.random.default_rng(1).normal(size=(4, FEATURES))
    graphs = []
    for k in range(5):
        twins.step(k)
        graphs.append(twins.both(lambda task: tg.sum(tg.tanh(task.model(probe)))))
    for pair in graphs:
        for task, graph in zip((twins.ours, twins.theirs), pair, strict=True):
            task.model.zero_grad()
            graph.backward()
        twins.equal()


def test_a_graph_recorded_before_an_eager_and_a_compiled_step() -> None:
    twins = Twins(plain, sgd(momentum=0.9))
    probe = np.random.default_rng(1).normal(size=(4, FEATURES))
    for k in range(3):
        twins.step(k)
        graphs = twins.both(lambda task: tg.sum(tg.tanh(task.model(probe))))
        batch = twins.ours.batch(k + 30)
        same_loss(twins.ours.step(*batch), twins.theirs.step(*batch))
        twins.step(k + 10)
        for task, graph in zip((twins.ours, twins.theirs), graphs, strict=True):
            task.model.zero_grad()
            graph.backward()
        twins.equal()


# ------------------------------------------------------------------- gradients in many ways


def test_gradients_of_two_backward_calls_add_up() -> None:
    class Twice(Task):
        def step(self, x: Any, y: Any) -> Any:
            self.optimizer.zero_grad()
            for half in (slice(0, 3), slice(3, None)):
                loss = self.loss(self.model(x[half]), y[half]) * 0.5
                loss.backward()
            self.optimizer.step()
            return loss

    ours, theirs = Twice(plain, sgd(momentum=0.9)), Twice(plain, sgd(momentum=0.9))
    compiled: Any = tg.compile(ours.step)
    for k in range(4):
        same_loss(compiled(*ours.batch(k)), theirs.step(*theirs.batch(k)))
        equal(ours, theirs)
    assert paths_of(compiled) == 2


def test_gradients_that_add_up_over_calls() -> None:
    """Micro-batches: backward is one program, the step another."""
    pairs = []
    for compiling in (True, False):
        task = Task(plain, adam(eps=1e-3))

        def accumulate(x: Any, y: Any, task: Task = task) -> Any:
            loss = task.loss(task.model(x), y)
            loss.backward()
            return loss

        def update(task: Task = task) -> None:
            task.optimizer.step()
            task.optimizer.zero_grad()

        functions = (
            (tg.compile(accumulate), tg.compile(update)) if compiling else (accumulate, update)
        )
        for k in range(9):
            functions[0](*task.batch(k))
            if k % 3 == 2:
                functions[1]()
        functions[0](*task.batch(99))
        pairs.append(task)
    equal(*pairs)


def test_a_step_without_zero_grad_adds_up_and_warns() -> None:
    class Never(Task):
        def step(self, x: Any, y: Any) -> Any:
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            return loss

    def run(function: Any, task: Task) -> int:
        warnings = 0
        for k in range(4):
            try:
                function(*task.batch(k))
            except RuntimeWarning:  # an error in these tests: the step has been made by then
                warnings += 1
        return warnings

    ours, theirs = Never(plain, sgd()), Never(plain, sgd())
    for task in (ours, theirs):
        task.optimizer._warned = True
    compiled: Any = tg.compile(ours.step)
    assert run(compiled, ours) == run(theirs.step, theirs) == 0
    equal(ours, theirs)


def test_a_step_without_zero_grad_warns_while_it_runs() -> None:
    class Never(Task):
        def step(self, x: Any, y: Any) -> Any:
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            return loss

    ours = Never(plain, sgd())
    compiled: Any = tg.compile(ours.step)
    compiled(*ours.batch(0))
    with pytest.warns(RuntimeWarning, match="zero_grad"):
        compiled(*ours.batch(1))


def test_zero_grad_at_the_end() -> None:
    class AtTheEnd(Task):
        def step(self, x: Any, y: Any) -> Any:
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            return loss

    ours, theirs = AtTheEnd(plain, sgd(momentum=0.9)), AtTheEnd(plain, sgd(momentum=0.9))
    compiled: Any = tg.compile(ours.step)
    for k in range(4):
        same_loss(compiled(*ours.batch(k)), theirs.step(*theirs.batch(k)))
        equal(ours, theirs)
    assert all(p.grad is None for p in ours.model.parameters())
    assert paths_of(compiled) == 2


def test_a_closure_in_the_step() -> None:
    class WithClosure(Task):
        def step(self, x: Any, y: Any) -> Any:
            def closure() -> Any:
                self.optimizer.zero_grad()
                loss = self.loss(self.model(x), y)
                loss.backward()
                return loss

            return self.optimizer.step(closure)

    ours, theirs = WithClosure(plain, adam(eps=1e-3)), WithClosure(plain, adam(eps=1e-3))
    compiled: Any = tg.compile(ours.step)
    for k in range(4):
        same_loss(compiled(*ours.batch(k)), theirs.step(*theirs.batch(k)))
    equal(ours, theirs)


def test_gradients_that_are_clipped_by_their_norm() -> None:
    class Clipped(Task):
        def step(self, x: Any, y: Any) -> Any:
            self.optimizer.zero_grad()
            loss = self.loss(self.model(x), y)
            loss.backward()
            norm = sum(tg.sum(p.grad * p.grad) for p in self.model.parameters()) ** 0.5
            for p in self.model.parameters():
                p.grad = p.grad * tg.minimum(1.0, 0.1 / norm)
            self.optimizer.step()
            return loss

    ours, theirs = Clipped(plain, sgd()), Clipped(plain, sgd())
    compiled: Any = tg.compile(ours.step)
    for k in range(4):
        same_loss(compiled(*ours.batch(k)), theirs.step(*theirs.batch(k)))
        equal(ours, theirs)


def test_only_some_parameters_have_a_gradient() -> None:
    class Frozen(Task):
        def step(self, x: Any, y: Any) -> Any:
            self.optimizer.zero_grad()
            hidden = next(iter(self.model.children()))(x)
            loss = self.loss(hidden[:, :CLASSES], y)
            loss.backward()
            self.optimizer.step()
            return loss

    ours, theirs = Frozen(plain, adam(eps=1e-3)), Frozen(plain, adam(eps=1e-3))
    compiled: Any = tg.compile(ours.step)
    for k in range(4):
        same_loss(compiled(*ours.batch(k)), theirs.step(*theirs.batch(k)))
        equal(ours, theirs)


def test_two_optimizers_for_one_model() -> None:
    class Two(Task):
        def step(self, x: Any, y: Any) -> Any:
            if not hasattr(self, "second"):
                raise AssertionError
            self.model.zero_grad()
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            self.second.step()
            return loss

    def build() -> Two:
        task = Two(
            plain, lambda model: optim.SGD(list(model.parameters())[:2], lr=0.1, momentum=0.9)
        )
        task.second = optim.Adam(list(task.model.parameters())[2:], lr=0.01)  # type: ignore[attr-defined]
        return task

    ours, theirs = build(), build()
    compiled: Any = tg.compile(ours.step)
    for k in range(4):
        same_loss(compiled(*ours.batch(k)), theirs.step(*theirs.batch(k)))
        equal(ours, theirs)


def test_two_steps_in_one_program() -> None:
    class Double(Task):
        def step(self, x: Any, y: Any) -> Any:
            for _ in range(2):
                loss = super().step(x, y)
            return loss

    for optimizer in (sgd(momentum=0.9), adam(eps=1e-3)):
        ours, theirs = Double(make(all_net), optimizer), Double(make(all_net), optimizer)
        compiled: Any = tg.compile(ours.step)
        for k in range(4):
            same_loss(compiled(*ours.batch(k)), theirs.step(*theirs.batch(k)))
            equal(ours, theirs)


# --------------------------------------------------------------------- several who share a model


@pytest.mark.parametrize("net", [relu_net, batch_norm_net, all_net])
def test_a_step_and_an_evaluation_share_the_model(net: Any) -> None:
    twins = Twins(make(net), sgd(momentum=0.9))
    evaluate: Any = tg.compile(twins.ours.evaluate)
    for k in range(6):
        twins.step(k)
        twins.both(lambda task: task.model.eval())
        batch = twins.ours.batch(k + 50, 9)
        same_loss(evaluate(*batch), twins.theirs.evaluate(*batch))
        twins.both(lambda task: task.model.train())
        twins.equal()
    assert paths_of(evaluate) == 1
    assert twins.paths == 2


@pytest.mark.parametrize("optimizer", [sgd(), sgd(momentum=0.9), adam(eps=1e-3)])
@pytest.mark.parametrize("net", [relu_net, all_net])
def test_eager_and_compiled_steps_take_turns(net: Any, optimizer: Any) -> None:
    twins = Twins(make(net), optimizer)
    for k in range(10):
        if k % 3 == 1:
            batch = twins.ours.batch(k)
            same_loss(twins.ours.step(*batch), twins.theirs.step(*batch))
        else:
            twins.step(k)
        twins.equal()
    assert twins.paths <= 2


def test_two_programs_of_the_same_step_take_turns() -> None:
    twins = Twins(make(all_net), adam(eps=1e-3))
    second: Any = tg.compile(twins.ours.step)
    for k in range(8):
        if k % 2:
            twins.step(k)
        else:
            batch = twins.ours.batch(k)
            same_loss(second(*batch), twins.theirs.step(*batch))
        twins.equal()


def test_two_models_do_not_mix() -> None:
    """One compiled function, two models: the model is an argument."""
    ours, theirs = (
        [Task(plain, sgd(momentum=0.9)), Task(make(relu_net), adam(eps=1e-3))] for _ in range(2)
    )
    compiled: Any = tg.compile(lambda task, x, y: task.step(x, y))
    for k in range(6):
        mine, other = ours[k % 2], theirs[k % 2]
        same_loss(compiled(mine, *mine.batch(k)), other.step(*other.batch(k)))
    for mine, other in zip(ours, theirs, strict=True):
        equal(mine, other)


def test_one_optimizer_updates_what_two_programs_share() -> None:
    """Two losses, each with a program of its own, move the same parameters."""
    results = []
    for compiling in (True, False):
        task = Task(plain, sgd(momentum=0.9))

        def squares(x: Any, task: Task = task) -> Any:
            task.optimizer.zero_grad()
            loss = tg.mean(task.model(x) ** 2)
            loss.backward()
            task.optimizer.step()
            return loss

        functions: list[Any] = [task.step, squares]
        if compiling:
            functions = [tg.compile(f) for f in functions]
        for k in range(5):
            functions[0](*task.batch(k))
            functions[1](task.batch(k)[0])
        results.append(task)
    equal(*results)


# -------------------------------------------------------------------------------------- dropout


def test_dropout_draws_what_eager_dropout_draws() -> None:
    layers = [nn.Dropout(0.4, rng=np.random.default_rng(3)) for _ in range(2)]
    compiled: Any = tg.compile(lambda x: layers[0](x))
    x = np.ones((7, 5))
    for k in range(5):
        assert np.array_equal(compiled(x), layers[1](x))
        a, b = (layer.rng.bit_generator.state for layer in layers)
        assert a == b, k


def test_layers_that_share_a_generator_draw_in_turn() -> None:
    def build() -> Any:
        rng = np.random.default_rng(3)
        return nn.Sequential(nn.Dropout(0.4, rng=rng), nn.Dropout(0.2, rng=rng)), rng

    (ours, rng), (theirs, other) = build(), build()
    compiled: Any = tg.compile(lambda x: ours(x))
    x = np.ones((7, 5))
    for _ in range(4):
        assert np.array_equal(compiled(x), theirs(x))
        assert rng.random() == other.random()  # the user draws from it, too


def test_a_seed_gives_the_same_mask_in_each_call() -> None:
    def f(x: Any) -> Any:
        return nn.functional.dropout(x, 0.5, rng=4)

    compiled: Any = tg.compile(f)
    x = np.ones((4, 6))
    for k in range(3):
        assert np.array_equal(compiled(k * x), f(k * x))


def test_fresh_entropy_differs_from_call_to_call() -> None:
    compiled: Any = tg.compile(lambda x: nn.functional.dropout(x, 0.5))
    masks = {compiled(np.ones(200)).tobytes() for _ in range(4)}
    assert len(masks) == 4


def test_dropout_of_a_scalar_value() -> None:
    def build() -> Any:
        rng = np.random.default_rng(3)
        w = tg.Value(2.0)

        def f(x: float) -> Any:
            w.grad = None
            out = nn.functional.dropout(w * x, 0.5, rng=rng)
            out.backward()
            return out

        return f, w

    (ours, w), (theirs, v) = build(), build()
    compiled: Any = tg.compile(ours)
    for k in range(8):
        same_loss(compiled(float(k)), theirs(float(k)))
        assert w.grad == v.grad


# ------------------------------------------------------------------------------- scalar networks


class ScalarTask:
    """micrograd's training loop: a step of gradient descent on scalars."""

    def __init__(self, form: str) -> None:
        self.model = nn.MLP(2, [6, 6, 1], rng=3)
        self.form = form
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)

    def step(self, x: Any, y: Any, lr: float) -> Any:
        scores = [self.model([x[n, 0], x[n, 1]]) for n in range(len(x))]
        losses = [(1 + -y[n] * s).relu() for n, s in enumerate(scores)]
        total = sum(losses) * (1.0 / len(losses)) + 1e-3 * sum(
            p * p for p in self.model.parameters()
        )
        self.model.zero_grad()
        total.backward()
        if self.form == "in place":
            for p in self.model.parameters():
                p.data -= lr * p.grad
        elif self.form == "rebound":
            for p in self.model.parameters():
                p.data = p.data - p.grad * lr
        else:
            self.optimizer.step()
        return total


@pytest.mark.parametrize("form", ["in place", "rebound", "optimizer"])
def test_scalar_training_loops(form: str) -> None:
    ours, theirs = ScalarTask(form), ScalarTask(form)
    compiled: Any = tg.compile(ours.step)
    rng = np.random.default_rng(0)
    for k in range(8):
        x, y = rng.normal(size=(26, 2)), np.sign(rng.normal(size=26))
        lr = 1.0 - 0.9 * k / 100
        same_loss(compiled(x, y, lr), theirs.step(x, y, lr))
        for p, q in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
            assert type(p.data) is type(p.grad) is float
            assert p.data == pytest.approx(q.data, rel=1e-12, abs=1e-12)
            assert p.grad == pytest.approx(q.grad, rel=1e-12, abs=1e-12)
        if k == 4:
            for task in (ours, theirs):
                for p in task.model.parameters()[::3]:
                    p.data = 0.1
    states = [
        [task.optimizer.state.get(p, {}) for p in task.model.parameters()]
        for task in (ours, theirs)
    ]
    for a, b in zip(*states, strict=True):
        assert a.keys() == b.keys()
        assert list(a.values()) == pytest.approx(list(b.values()), rel=1e-12, abs=1e-12)
    assert paths_of(compiled) == (2 if form == "optimizer" else 1)


def test_a_scalar_loop_over_steps_in_one_program() -> None:
    """Gradient descent on one number, ten steps unrolled."""

    def descend(w: tg.Value, target: float) -> Any:
        for _ in range(10):
            w.grad = None
            loss = (w * w - target) ** 2
            loss.backward()
            w.data -= 0.01 * w.grad
        return loss

    ours, theirs = tg.Value(1.5), tg.Value(1.5)
    compiled: Any = tg.compile(lambda target: descend(ours, target))
    for target in (2.0, 3.0, 1.0):
        same_loss(compiled(target), descend(theirs, target))
        assert ours.data == pytest.approx(theirs.data, rel=1e-12)
        assert ours.grad == pytest.approx(theirs.grad, rel=1e-12)


def test_an_array_model_updated_by_hand() -> None:
    ours, theirs = plain(), plain()

    def step(model: Any, x: Any, y: Any, lr: float) -> Any:
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        for p in model.parameters():
            p.data -= lr * p.grad
        return loss

    compiled: Any = tg.compile(lambda x, y, lr: step(ours, x, y, lr))
    rng = np.random.default_rng(0)
    for k in range(5):
        x, y = rng.normal(size=(6, FEATURES)), rng.integers(0, CLASSES, 6)
        same_loss(compiled(x, y, 0.1 / (k + 1)), step(theirs, x, y, 0.1 / (k + 1)))
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(p.grad, q.grad, rtol=1e-12, atol=1e-12)


def test_a_result_has_no_graph_to_go_back_through() -> None:
    """Its history is in the program; a gradient that is silently missing would be worse."""
    twins = Twins(plain, sgd())
    loss = twins.compiled(*twins.ours.batch(0))
    with pytest.raises(TypeError, match="compile the whole step"):
        loss.backward()
    w = tg.Value(2.0)
    compiled: Any = tg.compile(lambda x: w * x)
    out = compiled(3.0)
    assert isinstance(out, tg.Value)
    with pytest.raises(TypeError, match="compile the whole step"):
        (out * out).backward()
    assert w.grad is None


def test_inside_of_another_recording_the_function_itself_runs() -> None:
    square: Any = tg.compile(lambda x: x * x * x)
    assert square(2.0) == 8.0
    outer: Any = tg.compile(tg.grad(lambda x: square(x) + x))
    assert outer(2.0) == 13.0
    assert outer(3.0) == 28.0
    assert tg.grad(square)(2.0) == 12.0
    x = tg.Value(2.0)
    (square(x * 1.0) * 2.0).backward()
    assert x.grad == 24.0


def test_an_exception_in_the_function_leaves_everything_as_it_was() -> None:
    task = Task(make(all_net), adam(eps=1e-3))

    def bad(x: Any, y: Any) -> Any:
        task.step(x, y)
        raise KeyError("no")

    before = task.state()
    compiled: Any = tg.compile(bad)
    with pytest.raises(KeyError, match="no"):
        compiled(*task.batch(0))
    after = task.state()
    assert before.keys() == after.keys()
    for name, x in before.items():
        assert np.array_equal(x, after[name]) if isinstance(x, np.ndarray) else x == after[name]


# ---------------------------------------------------------------------------------------- exact


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_exact_steps_are_equal_to_the_bit(net: Any, dtype: Any) -> None:
    for optimizer in OPTIMIZERS.values():
        ours, theirs = (Task(make(net, dtype), optimizer, dtype=dtype) for _ in range(2))
        compiled: Any = tg.compile(ours.step, exact=True)
        for k in range(3):
            batch = ours.batch(k)
            assert compiled(*batch).data == theirs.step(*batch).data
        a, b = ours.state(), theirs.state()
        for name, want in b.items():
            if isinstance(want, np.ndarray):
                assert a[name].tobytes() == want.tobytes(), name
            else:
                assert a[name] == want, name


@pytest.mark.parametrize("form", ["in place", "rebound", "optimizer"])
def test_exact_scalar_loops_are_equal_to_the_bit(form: str) -> None:
    ours, theirs = ScalarTask(form), ScalarTask(form)
    compiled: Any = tg.compile(ours.step, exact=True)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x, y = rng.normal(size=(9, 2)), np.sign(rng.normal(size=9))
        assert compiled(x, y, 0.1).data == theirs.step(x, y, 0.1).data
        for p, q in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
            assert (p.data, p.grad) == (q.data, q.grad)


# ------------------------------------------------------------------- all of this in any order


class Training(RuleBasedStateMachine):
    """A compiled task and its eager twin; whatever a user does in between is done to both."""

    @initialize(
        net=st.sampled_from([relu_net, batch_norm_net, dropout_net, all_net, plain_mean_norm_net]),
        optimizer=st.sampled_from(sorted(OPTIMIZERS)),
        exact=st.booleans(),
    )
    def begin(self, net: Any, optimizer: str, exact: bool) -> None:
        self.ours, self.theirs = (Task(make(net), OPTIMIZERS[optimizer]) for _ in range(2))
        self.tasks = self.ours, self.theirs
        self.compiled: Any = tg.compile(self.ours.step, exact=exact)
        self.evaluate: Any = tg.compile(self.ours.evaluate, exact=exact)

        def accumulate(x: Any, y: Any) -> Any:
            loss = self.ours.loss(self.ours.model(x), y)
            loss.backward()
            return loss

        self.accumulate: Any = tg.compile(accumulate, exact=exact)
        self.kept: list[tuple[Any, Any]] = []
        self.graphs: list[tuple[Any, Any]] = []
        self.saved: list[tuple[Any, Any]] = []

    @rule(k=st.integers(0, 99), n=st.sampled_from([6, 6, 3]))
    def step(self, k: int, n: int) -> None:
        batch = self.ours.batch(k, n)
        same_loss(self.compiled(*batch), self.theirs.step(*batch))

    @rule(k=st.integers(0, 99))
    def step_eagerly(self, k: int) -> None:
        batch = self.ours.batch(k)
        same_loss(self.ours.step(*batch), self.theirs.step(*batch))

    @rule(k=st.integers(0, 99))
    def look_at_the_loss(self, k: int) -> None:
        batch = self.ours.batch(k, 4)
        same_loss(self.evaluate(*batch), self.theirs.evaluate(*batch))

    @rule(k=st.integers(0, 99))
    def add_to_gradients(self, k: int) -> None:
        batch = self.ours.batch(k)
        loss = self.theirs.loss(self.theirs.model(batch[0]), batch[1])
        loss.backward()
        same_loss(self.accumulate(*batch), loss)

    @rule(training=st.booleans())
    def switch(self, training: bool) -> None:
        for task in self.tasks:
            task.model.train(training)

    @rule(lr=st.sampled_from([0.3, 0.01, 0.1]))
    def change_the_learning_rate(self, lr: float) -> None:
        for task in self.tasks:
            task.optimizer.param_groups[0]["lr"] = lr

    @rule()
    def forget_gradients(self) -> None:
        for task in self.tasks:
            task.model.zero_grad()

    @rule(i=st.integers(0, 5), how=st.sampled_from(["rebind", "scale", "write", "gradient"]))
    def touch(self, i: int, how: str) -> None:
        for task in self.tasks:
            parameters = list(task.model.parameters())
            p = parameters[i % len(parameters)]
            if how == "rebind":
                p.data = np.cos(np.arange(p.size)).reshape(p.shape)
            elif how == "scale":
                p.data *= 0.5
            elif how == "gradient":
                p.grad = np.sin(np.arange(p.size)).reshape(p.shape)
            else:
                with contextlib.suppress(ValueError):  # a graph that is kept needs the array
                    p.data[0] = 0.25
        if how in ("scale", "write"):
            self.kept.clear()  # these are the arrays that were written into

    @rule()
    def keep(self) -> None:
        arrays = [x for x in keep(self.ours) if x is not None]
        self.kept.append((arrays, [np.copy(x) for x in arrays]))

    @rule()
    def let_go(self) -> None:
        self.kept.clear()

    @rule()
    def save(self) -> None:
        a, b = ((t.model.state_dict(), t.optimizer.state_dict()) for t in self.tasks)
        self.saved.append((a, b))

    @rule(k=st.integers(0, 9))
    def load(self, k: int) -> None:
        if self.saved:
            pair = self.saved[k % len(self.saved)]
            for task, (model, state) in zip(self.tasks, pair, strict=True):
                task.model.load_state_dict(model)
                task.optimizer.load_state_dict(state)

    @rule(k=st.integers(0, 99))
    def record_a_graph(self, k: int) -> None:
        x, y = self.ours.batch(k, 5)
        a, b = (task.evaluate(x, y) for task in self.tasks)
        self.graphs.append((a, b))

    @rule(k=st.integers(0, 9))
    def go_back_through_a_graph(self, k: int) -> None:
        if self.graphs:
            for graph in self.graphs[k % len(self.graphs)]:
                graph.backward()

    @rule()
    def drop_graphs(self) -> None:
        self.graphs.clear()

    @invariant()
    def both_are_equal(self) -> None:
        if not hasattr(self, "ours"):
            return
        for task in self.tasks:
            task.optimizer._warned = True  # of gradients that add up
        a, b = self.ours.state(), self.theirs.state()
        assert a.keys() == b.keys()
        for name, want in b.items():
            if isinstance(want, np.ndarray):
                assert a[name].dtype == want.dtype
                scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
                np.testing.assert_allclose(
                    a[name], want, rtol=1e-8, atol=1e-8 * scale, err_msg=name
                )
            else:
                assert a[name] == want, name
        for arrays, copies in self.kept:
            assert all(np.array_equal(x, y) for x, y in zip(arrays, copies, strict=True))
        for graphs in self.graphs:
            same_loss(*graphs)
        for function in (self.compiled, self.evaluate, self.accumulate):
            assert function.eager_calls == 0


Training.TestCase.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)
TestTraining = Training.TestCase


class LongTraining(Training):
    """More of it."""


LongTraining.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, report_multiple_bugs=False
)
TestLongTraining = pytest.mark.slow(LongTraining.TestCase)


def wide_net(norm: bool) -> Any:
    """Return a training step whose products are wide enough to be turned, and its model."""
    rng = np.random.default_rng(0)
    norms = [nn.BatchNorm1d(300, dtype=np.float32)] if norm else []
    model = nn.Sequential(
        nn.Linear(200, 300, bias=not norm, dtype=np.float32, rng=rng), *norms, nn.ReLU(),
        nn.Linear(300, 300, dtype=np.float32, rng=rng), nn.Tanh(),
        nn.Linear(300, 5, dtype=np.float32, rng=rng),
    )  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, model


@pytest.mark.parametrize("norm", [False, True])
def test_wide_products_are_computed_by_columns(norm: bool) -> None:
    rng = np.random.default_rng(1)
    batches = [(rng.random((96, 200), np.float32), rng.integers(0, 5, 96)) for _ in range(4)]
    (eager, one), (step, other) = wide_net(norm), wide_net(norm)
    compiled: Any = tg.compile(step)
    for x, y in batches:
        want, got = eager(x, y), compiled(x, y)
        assert got.item() == pytest.approx(want.item(), rel=1e-4)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(b.data, a.data, rtol=1e-2, atol=2e-4)
    rows = [line for line in compiled.program.explain().splitlines() if "copy(" not in line]
    assert sum("300×96" in row for row in rows) > 6  # and what is elementwise follows
    assert not any("96×300" in row for row in rows)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_in_a_factor_is_found_in_the_product(bad: float) -> None:
    step, model = wide_net(norm=False)
    eager, same = wide_net(norm=False)
    compiled: Any = tg.compile(step)
    x = np.random.default_rng(1).random((96, 200), np.float32)
    y = np.arange(96) % 5
    compiled(x, y), eager(x, y)
    worse = x.copy()
    worse[3, 7] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got, want = compiled(worse, y), eager(worse, y)
    assert compiled.eager_calls == 1
    assert np.isnan(got.item())
    assert np.isnan(want.item())
    for a, b in zip(same.parameters(), model.parameters(), strict=True):
        np.testing.assert_array_equal(np.isnan(b.data), np.isnan(a.data))


def test_adjoints_and_new_leaves_come_back_as_they_do_eagerly() -> None:
    w = tg.Value([1.0, 2.0])

    def inside(a: Any) -> Any:
        x = tg.Value(a)
        (x * x * w).sum().backward()
        return x.grad, x * 2.0, a * 2.0

    def outside(a: Any) -> Any:
        w.grad = None
        (w * w * a).sum().backward()
        return w.grad, w * a

    for f in (inside, outside):
        compiled: Any = tg.compile(f)
        for a in ([3.0, 4.0], [-1.0, 0.5]):
            want, got = f(np.array(a)), compiled(np.array(a))
            assert [type(x) for x in got] == [type(x) for x in want]
            for x, y in zip(got, want, strict=True):
                np.testing.assert_array_equal(getattr(x, "data", x), getattr(y, "data", y))


def test_leaves_may_get_another_dtype() -> None:
    p = tg.Value(np.arange(4.0))

    def step(x: Any) -> Any:
        p.grad = None
        loss = (p * p * x).sum()
        loss.backward()
        p.data = p.data - 0.1 * p.grad
        return loss

    compiled: Any = tg.compile(step)
    compiled(2.0)
    p.data = np.arange(4.0, dtype=np.float32)
    compiled(2.0)
    assert p.data.dtype == np.float32
    np.testing.assert_allclose(p.data, 0.6 * np.arange(4.0), rtol=1e-6)
    assert len(compiled.programs) == 2


def test_an_axis_may_be_given_by_position() -> None:
    compiled: Any = tg.compile(lambda v: np.argmax(v * 2.0, 1))
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(4, 3))
        np.testing.assert_array_equal(compiled(x), np.argmax(x, 1))
