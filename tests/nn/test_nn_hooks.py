"""Hooks: what they see is what was computed, eagerly and compiled alike; summary, apply."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn

Log = list[tuple[Any, ...]]


def log_all(model: nn.Module) -> Log:
    """Hook every module of a model, forward and backward."""
    log: Log = []

    def watch(name: str, module: nn.Module) -> None:
        def forward(module: nn.Module, args: Any, output: Any) -> None:
            log.append(("forward", name, np.array(args[0].data), np.array(output.data)))

        def backward(module: nn.Module, grad_output: Any) -> None:
            log.append(("backward", name, *grad_output))

        def full(module: nn.Module, grad_input: Any, grad_output: Any) -> None:
            log.append(("full", name, *grad_output, *(g for g in grad_input if g is not None)))

        module.register_forward_hook(forward)
        module.register_full_backward_hook(full)
        module.register_full_backward_pre_hook(backward)

    for name, module in model.named_modules():
        watch(name, module)
    return log


def make(dtype: Any = np.float64) -> tuple[nn.Sequential, Callable[[Any, Any], Any]]:
    model = nn.Sequential(
        nn.Linear(3, 4, rng=0, dtype=dtype), nn.BatchNorm1d(4, dtype=dtype), nn.Tanh(),
        nn.Dropout(0.3, rng=5), nn.Linear(4, 2, rng=1, dtype=dtype),
    )  # fmt: skip
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def batches(count: int, dtype: Any = np.float64) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(6, 3)).astype(dtype), rng.integers(0, 2, 6)) for _ in range(count)]


def test_hooks_see_what_numpy_computes() -> None:
    layer, act = nn.Linear(3, 2, rng=0), nn.ReLU()
    log = log_all(nn.Sequential(layer, act))
    x = np.array([[0.5, -1.0, 2.0], [1.0, 1.0, -3.0]])
    seed = np.array([[1.0, 2.0], [3.0, 4.0]])
    act(layer(x)).backward(seed=seed)
    z = x @ layer.weight.data.T + layer.bias.data  # type: ignore[union-attr]
    assert [entry[:2] for entry in log] == [
        ("forward", "0"), ("forward", "1"), ("backward", "1"), ("full", "1"), ("backward", "0"),
        ("full", "0"),
    ]  # fmt: skip
    np.testing.assert_array_equal(log[0][2], x)
    np.testing.assert_allclose(log[0][3], z, rtol=1e-14)
    np.testing.assert_allclose(log[1][3], np.maximum(z, 0), rtol=1e-14)
    np.testing.assert_array_equal(log[2][2], seed)
    np.testing.assert_array_equal(log[3][2], seed)
    np.testing.assert_array_equal(log[3][3], seed * (z > 0))
    np.testing.assert_array_equal(log[4][2], seed * (z > 0))
    assert len(log[5]) == 3  # x is no Value


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_compiled_step_shows_all_that_an_eager_one_shows(exact: bool, dtype: Any) -> None:
    eager, step = make(dtype)
    ours, our_step = make(dtype)
    want, got = log_all(eager), log_all(ours)
    compiled = tg.compile(our_step, exact=exact)
    for x, y in batches(4, dtype):
        step(x, y)
        compiled(x, y)
    assert compiled.eager_calls == 0
    assert len(want) == 4 * 3 * 6
    assert [entry[:2] for entry in got] == [entry[:2] for entry in want]
    tolerance = 1e-12 if dtype is np.float64 else 1e-4
    for ours_seen, theirs in zip(got, want, strict=True):
        for a, b in zip(ours_seen[2:], theirs[2:], strict=True):
            assert a.dtype == b.dtype == dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("compiled", [False, True])
def test_watching_changes_nothing(compiled: bool) -> None:
    plain, step = make()
    watched, watched_step = make()
    log = log_all(watched)
    if compiled:
        step, watched_step = tg.compile(step), tg.compile(watched_step)
    for x, y in batches(5):
        step(x, y)
        watched_step(x, y)
    assert log
    for name, array in plain.state_dict().items():
        assert watched.state_dict()[name].tobytes() == array.tobytes(), name


def test_a_compiled_function_notices_that_hooks_come_and_go() -> None:
    model = nn.Sequential(nn.Tanh(), nn.Tanh())
    f = tg.compile(lambda x: model(x).sum())
    seen: list[float] = []
    x = np.array([1.0, 2.0])
    f(x)
    for _ in range(3):
        handle = model[0].register_forward_hook(lambda m, a, out: seen.append(out.data[0]))
        f(x)
        handle.remove()
        f(2 * x)
    assert seen == pytest.approx([np.tanh(1.0)] * 3)
    assert len(f.programs) == 2  # with and without: another hook of the kind needs no other program


def test_a_compiled_call_that_falls_back_shows_its_numbers_once() -> None:
    layer = nn.ReLU()
    seen: list[float] = []
    layer.register_forward_hook(lambda module, args, out: seen.append(out.item()))
    f = tg.compile(lambda x: layer(x) * 0.0)
    assert f(2.0) == 0.0
    with np.errstate(invalid="ignore"):
        assert np.isnan(f(np.inf))
    assert f.eager_calls == 1
    assert seen == [2.0, np.inf]


def test_a_module_called_twice_is_shown_twice_and_a_second_backward_again() -> None:
    layer = nn.Tanh()
    log = log_all(layer)

    def run(x: Any) -> Any:
        p = tg.Value(x)
        out = layer(layer(p))
        out.backward()
        out.backward()
        return p.grad

    g = run(0.5)
    assert [entry[0] for entry in log] == ["forward"] * 2 + ["backward", "full"] * 4
    first, second = np.tanh(0.5), np.tanh(np.tanh(0.5))
    assert [entry[3] for entry in log[:2]] == pytest.approx([first, second])
    assert [entry[2] for entry in log[2::2]] == pytest.approx([1.0, 1 - second**2] * 2)
    eager, log[:] = list(log), []
    assert tg.compile(run)(0.5) == pytest.approx(g)
    assert [entry[:2] for entry in log] == [entry[:2] for entry in eager]
    np.testing.assert_allclose([e[2] for e in log], [e[2] for e in eager], rtol=1e-14)


def test_what_a_hook_gets_is_its_own() -> None:
    layer = nn.Tanh()
    kept: list[Any] = []

    def spoil(module: nn.Module, args: Any, output: Any) -> None:
        assert output.is_leaf
        output.data[...] = 7.0
        args[0].data[...] = 7.0
        kept.append(output)

    def spoil_gradient(module: nn.Module, grad_output: Any) -> None:
        grad_output[0][...] = 7.0

    layer.register_forward_hook(spoil)
    layer.register_full_backward_pre_hook(spoil_gradient)
    x = tg.Value([0.1, 0.2])
    y = layer(x)
    y.sum().backward()
    np.testing.assert_allclose(y.data, np.tanh([0.1, 0.2]), rtol=1e-15)
    np.testing.assert_allclose(x.grad, 1 - np.tanh([0.1, 0.2]) ** 2, rtol=1e-14)
    assert kept[0].data.tolist() == [7.0, 7.0]


def test_hooks_in_the_order_of_registration_and_removable_in_any() -> None:
    layer, seen = nn.ReLU(), ""

    def note(letter: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            nonlocal seen
            seen += letter

        return hook

    a, b = (layer.register_forward_hook(note(letter)) for letter in "ab")
    same = note("c")
    layer.register_forward_hook(same)
    last = layer.register_forward_hook(same)
    layer(1.0)
    a.remove()
    a.remove()
    last.remove()
    layer(1.0)
    with b:
        layer(1.0)
    layer(1.0)
    assert seen == "abcc" + "bc" + "bc" + "c"


def test_inputs_that_are_no_numbers_and_nested_outputs_are_shown_as_they_are() -> None:
    class Parts(nn.Module):
        def forward(self, x: Any, how: str, labels: Any) -> Any:
            return {"double": 2 * x, "how": how}

    part, seen = Parts(), []
    part.register_forward_hook(lambda module, args, output: seen.append((args, output)))
    part(tg.Value([1.0]), "so", np.array([3, 4]))
    ((x, how, labels), output), = seen  # fmt: skip
    assert (x.data.tolist(), how, labels.data.tolist()) == ([1.0], "so", [3.0, 4.0])
    assert (output["double"].data.tolist(), output["how"]) == ([2.0], "so")
    part.register_full_backward_pre_hook(lambda module, grad_output: None)
    with pytest.raises(TypeError, match="Parts returned a dict: a gradient hook needs"):
        part(tg.Value([1.0]), "so", np.array([3, 4]))


def test_the_adjoints_of_all_inputs_are_told_apart() -> None:
    class Product(nn.Module):
        def forward(self, a: Any, n: int, b: Any) -> Any:
            return a * b * n

    module = Product()
    seen: list[Any] = []
    module.register_full_backward_hook(lambda module, gi, go: seen.append((gi, go)))

    def run(a: Any, b: Any) -> Any:
        x, y = tg.Value(a), tg.Value(b)
        module(x, 3, y).backward()
        module(x, 3, x).backward()
        return x.grad, y.grad

    for f in (run, tg.compile(run)):
        seen.clear()
        assert f(2.0, 5.0) == (27.0, 6.0)
        assert seen == [((15.0, None, 6.0), (1.0,)), ((6.0, None, 6.0), (1.0,))]
    module.register_forward_hook(lambda module, args, output: seen.append(args[1]))
    run(2.0, 5.0)
    assert seen[-2].data == 3.0  # a number, as Values are


@pytest.mark.parametrize("compiled", [False, True])
def test_an_input_without_influence_leaves_the_hook_uncalled(compiled: bool) -> None:
    class First(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return 2.0 * a

    module, model = First(), nn.Tanh()
    seen: list[Any] = []
    module.register_full_backward_hook(lambda module, gi, go: seen.append(gi))
    handle = model.register_full_backward_hook(lambda module, gi, go: seen.append(gi[0].tolist()))

    def run(a: Any) -> Any:
        x, y = tg.Value(a), tg.Value(a)
        module(x, model(y)).sum().backward()
        model(x).sum().backward()
        return x.grad

    f: Any = tg.compile(run) if compiled else run
    for _ in range(4):
        f(np.zeros(2))
    assert seen == [[1.0, 1.0]] * 4
    handle.remove()
    f(np.zeros(2))
    assert len(seen) == 4


@pytest.mark.parametrize("compiled", [False, True])
def test_a_scalar_output_with_an_adjoint_of_zero_is_not_reached(compiled: bool) -> None:
    layer = nn.Tanh()
    log = log_all(layer)

    def run(a: Any) -> Any:
        x = tg.Value(a)
        layer(x).relu().backward()
        return x.grad

    f: Any = tg.compile(run) if compiled else run
    for a in (0.5, -0.5, 0.25):
        f(a)
    assert [entry[0] for entry in log] == [
        "forward", "backward", "full", "forward", "forward", "backward", "full",
    ]  # fmt: skip


def test_a_compiled_module_shows_its_own_output() -> None:
    model = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh())
    log = log_all(model)
    f = tg.compile(model)
    for k in range(3):
        f(np.full((1, 2), float(k)))
    assert [entry[1] for entry in log] == ["0", "1", ""] * 3
    assert [entry[2][0, 0] for entry in log[::3]] == [0.0, 1.0, 2.0]


def test_no_hook_without_a_gradient() -> None:
    layer = nn.Tanh()
    log = log_all(layer)
    layer(np.ones(2))
    with tg.no_grad():
        layer(tg.Value(1.0))
    assert [entry[0] for entry in log] == ["forward", "forward"]


def test_a_tape_names_what_is_watched() -> None:
    layer = nn.Tanh()
    log_all(layer)
    text = str(tg.Tape(layer(tg.Value(0.5))))
    assert "identity(of=input of Tanh)" in text
    assert "identity(of=output of Tanh)" in text


def test_second_derivatives_and_forward_mode_pass_a_hook() -> None:
    layer = nn.Tanh()
    plain = tg.hessian(lambda x: (layer(x) ** 2).sum())(np.array([0.3, -0.2]))
    tangent = tg.jvp(layer, (0.3,), (1.0,))
    log_all(layer)
    np.testing.assert_array_equal(
        tg.hessian(lambda x: (layer(x) ** 2).sum())(np.array([0.3, -0.2])), plain
    )
    assert tg.jvp(layer, (0.3,), (1.0,)) == tangent


def test_a_copy_has_no_hooks() -> None:
    layer = nn.Tanh()
    log = log_all(layer)
    twin = copy.deepcopy(layer)
    f = tg.compile(lambda x: twin(x))
    f(1.0)
    assert not log
    ours = log_all(twin)
    f(1.0)
    assert len(ours) == 1
    assert not log


@pytest.mark.parametrize(
    "kind",
    ["register_forward_hook", "register_full_backward_pre_hook", "register_full_backward_hook"],
)
def test_a_hook_that_returns_something_or_cannot_be_called_is_refused(kind: str) -> None:
    layer = nn.Tanh()
    with pytest.raises(TypeError, match="a hook has to be callable, got int"):
        getattr(layer, kind)(3)
    getattr(layer, kind)(lambda *args: args[-1])
    with pytest.raises(TypeError, match=r"hook of Tanh returned a .*: hooks observe"):
        layer(tg.Value(1.0)).backward()


def test_apply_reaches_all_modules_children_first() -> None:
    model = nn.Sequential(nn.Sequential(nn.ReLU()), nn.Tanh())
    names: list[str] = []
    assert model.apply(lambda module: names.append(type(module).__name__)) is model
    assert names == ["Tanh", "ReLU", "Sequential", "Sequential"]


def test_summary_lists_shapes_and_counts_and_leaves_the_model_as_it_was() -> None:
    shared = nn.Linear(3, 3, rng=0)
    model = nn.Sequential(shared, nn.BatchNorm1d(3), nn.Sequential(shared, nn.Dropout()))
    model.unused = nn.Linear(1, 1, rng=0)
    model.forward = lambda x: model[2](model[1](model[0](x)))  # type: ignore[method-assign]
    model[1].eval()
    before = model.state_dict()
    found = nn.summary(model, np.ones((5, 3)))
    assert [(row.path, row.kind, row.output_shape, row.parameters) for row in found.rows] == [
        ("", "Sequential", (5, 3), 0),
        ("0", "Linear", (5, 3), 12),
        ("1", "BatchNorm1d", (5, 3), 6),
        ("2", "Sequential", (5, 3), 0),
        ("2.1", "Dropout", (5, 3), 0),
        ("unused", "Linear", None, 2),
    ]
    assert (found.parameters, found.buffers) == (20, 7)
    assert "unused   Linear       not called             2" in str(found)
    assert [m.training for m in model.modules()] == [True, True, False, True, True, True]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(ValueError, match="must end in 3"):
        nn.summary(model, np.ones((5, 2)))
    assert model.training
