"""Adam: a trajectory by hand, PyTorch's numbers, its state, and what it is and is not good for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.optim import SGD, Adam
from tinygrad_lecture.train import load_archive, save_archive


def path(steps: int, start: float = 1.0, curvature: float = 1.0, **settings: Any) -> list[float]:
    """Positions on f = ½·curvature·x² after each step."""
    x = tg.Value(start)
    optimizer = Adam([x], **settings)
    positions = []
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * curvature * x * x).backward()
        optimizer.step()
        positions.append(x.data)
    return positions


def fed(gradients: Any, start: Any, **settings: Any) -> tuple[tg.Value, Adam]:
    """Step once for each gradient, whatever the position."""
    p = tg.Value(start)
    optimizer = Adam([p], **settings)
    for g in gradients:
        optimizer.zero_grad()
        p.grad = g
        optimizer.step()
    return p, optimizer


def test_three_steps_by_hand() -> None:
    # β₁ = β₂ = ½, ε = 0, α = 1, gradients 1, 1, −2 from θ = 10:
    #   m  = ½, ¾, −⅝           m̂ = m / (½, ¾, ⅞) = 1, 1, −5/7
    #   v  = ½, ¾, 19/8         v̂ = v / (½, ¾, ⅞) = 1, 1, 19/7
    gradients = [1.0, 1.0, -2.0]
    settings: dict[str, Any] = {"lr": 1.0, "betas": (0.5, 0.5), "eps": 0.0}
    expected = [9.0, 8.0, 8.0 + 5.0 / 7.0 / math.sqrt(19.0 / 7.0)]
    for n, position in enumerate(expected, start=1):
        p, _ = fed(gradients[:n], 10.0, **settings)
        assert p.data == pytest.approx(position, rel=1e-14)
    p, optimizer = fed(gradients, 10.0, **settings)
    assert optimizer.state[p] == {"step": 3.0, "exp_avg": -0.625, "exp_avg_sq": 2.375}


def test_eps_stands_outside_of_the_root_and_after_the_correction() -> None:
    # g = 2: m̂ = 2, √v̂ = 2 at once, whatever the betas; ε = 2 makes the step α·2/(2 + 2).
    p, _ = fed([2.0, 2.0], 1.0, lr=0.5, eps=2.0)
    assert p.data == pytest.approx(1.0 - 2 * 0.25, rel=1e-14)


def test_weight_decay_is_part_of_the_gradient() -> None:
    # At θ = 3 with λ = ½, g = −2: g + λθ = −½, so m = −½·.1 and v = ¼·.001.
    p, optimizer = fed([-2.0], 3.0, lr=0.1, weight_decay=0.5)
    assert p.data == pytest.approx(3.1, rel=1e-8)
    assert optimizer.state[p]["exp_avg"] == pytest.approx(-0.05, rel=1e-14)
    assert optimizer.state[p]["exp_avg_sq"] == pytest.approx(0.00025, rel=1e-14)


def test_the_defaults_are_the_papers_and_pytorchs() -> None:
    optimizer = Adam([tg.Value(1.0)])
    assert optimizer.defaults == {
        "lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False,
        "bias_correction": True,
    }  # fmt: skip
    assert repr(optimizer) == (
        "Adam(1 parameters, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0,"
        " amsgrad=False, bias_correction=True)"
    )


SETTINGS: list[dict[str, Any]] = [
    {},
    {"lr": 0.1},
    {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-3},
    {"lr": 0.01, "weight_decay": 0.1},
    {"lr": 0.01, "betas": (0.0, 0.0)},
    {"lr": 0.01, "betas": (0.99, 0.1)},
    {"lr": 0.0},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (0,)])
def test_pytorch_gives_the_same_numbers(settings: dict[str, Any], shape: tuple[int, ...]) -> None:
    torch: Any = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start = rng.normal(size=shape)
    p, optimizer = tg.Value(start), None
    theirs = torch.tensor(start, requires_grad=True)
    optimizer, other = Adam([p], **settings), torch.optim.Adam([theirs], **settings)
    for _ in range(500):
        g = rng.normal(size=shape) * 10.0 ** rng.uniform(-8, 4)
        optimizer.zero_grad()
        p.grad = g
        optimizer.step()
        theirs.grad = torch.tensor(g)
        other.step()
        np.testing.assert_allclose(p.data, theirs.detach().numpy(), rtol=1e-12, atol=1e-14)
    state = other.state[theirs]
    assert set(optimizer.state[p]) == set(state)
    for key, value in optimizer.state[p].items():
        np.testing.assert_allclose(value, state[key].numpy(), rtol=1e-12, atol=1e-14)


def test_pytorch_takes_the_same_path_through_a_network() -> None:
    torch: Any = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    ours = nn.Sequential(nn.Linear(3, 8, rng=0), nn.Tanh(), nn.Linear(8, 2, rng=1))
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)
    ).double()  # fmt: skip
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    optimizer = Adam(ours.parameters(), lr=0.01)
    other = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.mse_loss(ours(X), Y).backward()
        optimizer.step()
        other.zero_grad()
        torch.nn.functional.mse_loss(theirs(torch.tensor(X)), torch.tensor(Y)).backward()
        other.step()
    for name, parameter in theirs.named_parameters():
        np.testing.assert_allclose(
            ours.state_dict()[name], parameter.detach().numpy(), rtol=1e-9, atol=1e-11
        )


@pytest.mark.parametrize("number", [np.float64, np.float32, np.array, float])
def test_float32_stays_float32_whatever_the_settings_are_made_of(number: Any) -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 2)).astype(np.float32)
    gradients = rng.normal(size=(50, 3, 2)).astype(np.float32)
    p, optimizer = fed(
        gradients, start, lr=number(0.01), betas=(number(0.9), number(0.999)), eps=number(1e-8),
        weight_decay=number(0.1),
    )  # fmt: skip
    exact, _ = fed(
        gradients.astype(np.float64), start.astype(np.float64), lr=0.01, weight_decay=0.1
    )
    state = optimizer.state[p]
    assert p.dtype == state["exp_avg"].dtype == state["exp_avg_sq"].dtype == np.float32
    assert type(state["step"]) is float
    np.testing.assert_allclose(p.data, exact.data, rtol=0, atol=1e-5)


def test_a_numpy_number_set_later_as_rate_changes_no_dtype() -> None:
    for optimizer_of in (Adam, lambda params: SGD(params, lr=0.1)):
        p = tg.Value(np.ones(2, np.float32))
        optimizer = optimizer_of([p])
        optimizer.param_groups[0]["lr"] = np.float64(0.5) * np.cos(0.0)
        p.grad = np.ones(2, np.float32)
        optimizer.step()
        assert p.dtype == np.float32
        np.testing.assert_allclose(p.data, 0.5, rtol=1e-6)
        assert type(optimizer.param_groups[0]["lr"]) is float


def test_settings_become_floats_and_stay_the_same_objects() -> None:
    betas, lr = (0.5, 0.9), 0.1234
    _, optimizer = fed([1.0], 0.0, lr=lr, betas=betas)
    assert optimizer.param_groups[0]["betas"] is betas
    assert optimizer.param_groups[0]["lr"] is lr
    optimizer.param_groups[0]["betas"] = [0, np.float64(0.5)]
    optimizer.zero_grad()
    optimizer.param_groups[0]["params"][0].grad = 1.0
    optimizer.step()
    assert [type(beta) for beta in optimizer.param_groups[0]["betas"]] == [float, float]
    assert optimizer.param_groups[0]["betas"] == (0.0, 0.5)


def test_a_scalar_parameter_and_its_state_are_floats_and_move_as_arrays_do() -> None:
    gradients = np.random.default_rng(0).normal(size=100)
    p, optimizer = fed(list(gradients), 0.5, lr=0.1)
    array, _ = fed(list(gradients.reshape(-1, 1)), [0.5], lr=0.1)
    assert type(p.data) is float
    assert [type(value) for value in optimizer.state[p].values()] == [float] * 3
    assert p.data == pytest.approx(array.data[0], rel=1e-14)


def test_the_first_step_is_the_rate_against_the_sign_at_any_scale_of_the_loss() -> None:
    # L35: exactly α·g / (|g| + ε).
    for scale in (1e-8, 1e-3, 1.0, 1e6):
        g = scale * np.array([3.0, -0.5, 1e-2])
        p, _ = fed([g], np.zeros(3), lr=0.1)
        np.testing.assert_allclose(p.data, -0.1 * g / (np.abs(g) + 1e-8), rtol=1e-13)
        p, _ = fed([g], np.zeros(3), lr=0.1, eps=0.0)
        np.testing.assert_allclose(p.data, [-0.1, 0.1, -0.1], rtol=1e-13)


def test_a_factor_on_the_loss_changes_nothing_but_for_eps() -> None:
    np.testing.assert_allclose(
        path(200, curvature=1000.0, lr=0.01, eps=0.0), path(200, lr=0.01, eps=0.0), rtol=1e-9
    )


def test_without_memory_it_is_the_sign_of_the_gradient() -> None:
    p, _ = fed([3.0, -0.1, 1e-5, 7.0], 0.0, lr=0.25, betas=(0.0, 0.0), eps=0.0)
    assert p.data == pytest.approx(-0.5, rel=1e-14)


def test_zero_over_zero_is_nan_for_floats_as_for_arrays() -> None:
    p, _ = fed([0.0], 1.0)
    assert p.data == 1.0
    p, _ = fed([0.0], 1.0, eps=0.0)
    assert math.isnan(p.data)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        array, _ = fed([np.zeros(1)], [1.0], eps=0.0)
    assert np.isnan(array.data).all()


def test_each_parameter_counts_its_own_steps() -> None:
    a, b = tg.Value(1.0), tg.Value(1.0)
    optimizer = Adam([a, b], lr=0.1)
    a.grad = 1.0
    optimizer.step()
    assert b not in optimizer.state
    optimizer.zero_grad()
    a.grad = b.grad = 1.0
    optimizer.step()
    assert (optimizer.state[a]["step"], optimizer.state[b]["step"]) == (2.0, 1.0)
    assert b.data == pytest.approx(0.9)


def test_groups_have_settings_of_their_own() -> None:
    a, b = tg.Value(1.0), tg.Value(1.0)
    optimizer = Adam([{"params": [a]}, {"params": [b], "lr": 0.5, "betas": [0.0, 0.5]}], lr=0.1)
    assert optimizer.param_groups[1]["betas"] == (0.0, 0.5)
    (a + b).backward()
    optimizer.step()
    assert (a.data, b.data) == pytest.approx((0.9, 0.5))
    assert optimizer.state[b] == {"step": 1.0, "exp_avg": 1.0, "exp_avg_sq": 0.5}


def test_the_moments_share_no_memory_with_the_gradient_or_the_parameter() -> None:
    p, optimizer = fed([np.array([1.0, 2.0])], [0.0, 0.0], betas=(0.0, 0.0))
    before = p.data.copy()
    p.grad[:] = 100.0
    optimizer.state[p]["exp_avg"][:] = 100.0
    assert optimizer.state[p]["exp_avg_sq"].tolist() == [1.0, 4.0]
    np.testing.assert_array_equal(p.data, before)


def test_curvatures_along_the_axes_do_not_matter_where_sgd_needs_the_smallest_rate() -> None:
    # L37: λ = 10⁻³ .. 10³; SGD at the largest stable rate moves the flat directions hardly at all.
    # The scales are per coordinate, so a rotation takes the advantage away.
    curvatures = np.array([1e-3, 1e-1, 1e1, 1e3])
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))

    def rest(optimizer_of: Any, axes: Any) -> float:
        w = tg.Value(np.ones(4))
        optimizer = optimizer_of([w])
        for _ in range(1000):
            optimizer.zero_grad()
            (0.5 * curvatures * (axes @ w) ** 2).sum().backward()
            optimizer.step()
        return float(np.linalg.norm(w.data)) / 2.0

    assert rest(lambda w: Adam(w, lr=0.01), np.eye(4)) < 1e-3
    assert rest(lambda w: SGD(w, lr=1.99 / 1e3), np.eye(4)) > 0.6
    assert rest(lambda w: Adam(w, lr=0.01), rotation) > 0.1


def test_a_network_learns_a_wave() -> None:
    # L08: sin(3x) on [−2, 2].
    x = np.linspace(-2.0, 2.0, 64).reshape(-1, 1)
    model = nn.Sequential(nn.Linear(1, 20, rng=0), nn.Tanh(), nn.Linear(20, 1, rng=1))
    optimizer = Adam(model.parameters(), lr=0.02)
    for _ in range(1000):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), np.sin(3.0 * x))
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3


BAD: list[tuple[dict[str, Any], str]] = [
    ({"lr": -0.1}, "Adam: lr must be at least 0, got -0.1"),
    ({"lr": math.nan}, "Adam: lr must be at least 0, got nan"),
    ({"lr": math.inf}, "Adam: lr must be at least 0, got inf"),
    ({"betas": (1.0, 0.5)}, r"Adam: betas\[0\] must be at least 0 and below 1, got 1.0"),
    ({"betas": (0.5, 1.0)}, r"Adam: betas\[1\] must be at least 0 and below 1, got 1.0"),
    ({"betas": (-0.1, 0.5)}, r"Adam: betas\[0\] must be at least 0 and below 1, got -0.1"),
    ({"betas": (0.5, math.nan)}, r"Adam: betas\[1\] must be at least 0 and below 1, got nan"),
    ({"betas": 0.9}, r"Adam: betas must be a pair such as \(0.9, 0.999\), got 0.9"),
    ({"betas": (0.9,)}, r"Adam: betas must be a pair such as \(0.9, 0.999\), got \(0.9,\)"),
    ({"betas": "ab"}, "Adam: betas must be a pair such as .* got 'ab'"),
    ({"eps": -1e-8}, "Adam: eps must be at least 0, got -1e-08"),
    ({"weight_decay": -1.0}, "Adam: weight_decay must be at least 0, got -1.0"),
]


@pytest.mark.parametrize(("settings", "message"), BAD, ids=[str(s) for s, _ in BAD])
def test_settings_out_of_their_ranges_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Adam([tg.Value(1.0)], **settings)
    with pytest.raises(ValueError, match=f"^{message}$"):
        Adam([{"params": [tg.Value(1.0)], **settings}])


def test_a_tracked_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="would silently lose its gradient"):
        Adam([tg.Value(1.0)], lr=tg.Value(0.1))  # type: ignore[arg-type]


def trained(steps: int, reload_at: int | None, carry: Any = lambda state: state) -> Any:
    """Train a float, a float64 and a float32 array; save and load in the middle if asked."""
    rng = np.random.default_rng(0)
    params = [
        tg.Value(1.5, name="a"), tg.Value(rng.normal(size=(2, 3)), name="b"),
        tg.Value(rng.normal(size=3).astype(np.float32), name="c"),
    ]  # fmt: skip
    optimizer = Adam([{"params": params[:1], "lr": 0.2}, {"params": params[1:]}], lr=0.1)
    for step in range(steps):
        if step == reload_at:
            state = carry(optimizer.state_dict())
            optimizer = Adam(
                [{"params": params[:1]}, {"params": params[1:]}], lr=7.0, betas=(0.1, 0.2)
            )
            optimizer.load_state_dict(state)
        optimizer.zero_grad()
        for p in params:
            p.grad = rng.normal(size=p.shape)
        optimizer.step()
    return params, optimizer


def through_a_file(folder: Path) -> Any:
    def carry(state: dict[str, Any]) -> dict[str, Any]:
        save_archive(folder / "state.npz", "test", state)
        return load_archive(folder / "state.npz", "test")

    return carry


@pytest.mark.parametrize("file", [False, True])
def test_a_state_carried_over_in_the_middle_changes_nothing(file: bool, tmp_path: Path) -> None:
    carry = through_a_file(tmp_path) if file else lambda state: state
    params, optimizer = trained(10, reload_at=5, carry=carry)
    expected, whole = trained(10, reload_at=None)
    for p, q in zip(params, expected, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
        assert p.dtype == q.dtype
        for key, value in optimizer.state[p].items():
            assert type(value) is type(whole.state[q][key])
            np.testing.assert_array_equal(value, whole.state[q][key])
    assert repr(optimizer) == repr(whole)


def test_state_dict_is_plain_data_and_a_copy_in_both_directions() -> None:
    _, optimizer = trained(3, reload_at=None)
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1, 2]]
    assert state["param_groups"][0]["betas"] == (0.9, 0.999)
    assert list(state["state"]) == [0, 1, 2]
    assert [type(value) for value in state["state"][0].values()] == [float] * 3
    assert type(state["state"][1]["step"]) is float
    b = optimizer.param_groups[1]["params"][0]
    optimizer.load_state_dict(state)
    kept = optimizer.state[b]["exp_avg"].copy()
    state["state"][1]["exp_avg"][:] = 100.0
    optimizer.state_dict()["state"][1]["exp_avg"][:] = 100.0
    np.testing.assert_array_equal(optimizer.state[b]["exp_avg"], kept)


def test_a_state_of_pytorch_is_taken_in_our_types() -> None:
    torch: Any = pytest.importorskip("torch")
    theirs = torch.ones(3, requires_grad=True)
    other = torch.optim.Adam([theirs], lr=0.1)
    theirs.sum().backward()
    other.step()
    entry = {key: value.numpy() for key, value in other.state_dict()["state"][0].items()}
    p = tg.Value(theirs.detach().numpy().astype(np.float64))
    optimizer = Adam([p])
    optimizer.load_state_dict(
        {"state": {"0": entry}, "param_groups": [{**optimizer.param_groups[0], "lr": 0.1}]}
    )
    assert type(optimizer.state[p]["step"]) is float
    assert optimizer.state[p]["exp_avg"].dtype == np.float64
    p.grad = np.ones(3)
    optimizer.step()
    other.step()
    np.testing.assert_allclose(p.data, theirs.detach().numpy(), rtol=1e-6)


def test_an_integer_count_and_an_empty_entry_are_taken() -> None:
    p, optimizer = fed([np.ones(2)] * 3, [1.0, 2.0])
    state = optimizer.state_dict()
    state["state"][0]["step"] = 3
    optimizer.load_state_dict(state)
    assert type(optimizer.state[p]["step"]) is float
    state["state"] = {0: {}}
    optimizer.load_state_dict(state)
    assert p not in optimizer.state


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    p, optimizer = fed([np.ones(2)] * 3, [1.0, 2.0])
    good = optimizer.state_dict()
    entry, group = good["state"][0], good["param_groups"][0]
    label = r"Adam: the state of parameter 0 \(number 0, shape \(2,\)\) is wrong: "
    bad: list[tuple[dict[str, Any], str]] = [
        ({"state": {0: {"step": 3.0}}}, label + "it has step, not step, exp_avg, exp_avg_sq"),
        ({"state": {0: {"momentum_buffer": np.ones(2)}}}, label + "it has momentum_buffer, not"),
        ({"state": {0: {**entry, "step": -1.0}}}, label + "step must be .* at least 0, got -1.0"),
        ({"state": {0: {**entry, "step": math.nan}}}, label + "step must be .* 0, got nan"),
        ({"state": {0: {**entry, "step": "3"}}}, label + "step must be .* 0, got '3'"),
        ({"state": {0: {**entry, "step": np.ones(2)}}}, label + "step must be a number of at"),
        (
            {"state": {0: {**entry, "exp_avg": 1.0}}},
            label + r"exp_avg must have .* \(2,\), got 1.0",
        ),
        (
            {"state": {0: {**entry, "exp_avg_sq": np.ones(3)}}},
            r"exp_avg_sq of parameter 0 .*\(3,\)",
        ),
        ({"param_groups": [{**group, "betas": (0.9, 1.0)}]}, r"betas\[1\] must be at least 0 and"),
        ({"param_groups": [{**group, "momentum": 0.9}]}, "of another kind"),
    ]
    for part, message in bad:
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict({**good, **part})
        assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)
        assert optimizer.state[p]["step"] == 3.0
    _, scalar = fed([1.0], 1.0)
    state = scalar.state_dict()
    state["state"][0]["exp_avg"] = None
    with pytest.raises(ValueError, match=r"exp_avg must have the parameter's shape \(\), got None"):
        scalar.load_state_dict(state)
    sgd = SGD([tg.Value([1.0, 2.0])], lr=0.1)
    with pytest.raises(ValueError, match="of another kind"):
        sgd.load_state_dict(good)


def test_update_is_arithmetic_that_tracked_numbers_can_go_through() -> None:
    # What a recording relies on: with Values in the places of all numbers, the same comes out.
    for start in (np.array([1.0, -2.0]), 1.5):
        p, optimizer = fed([start, start], start, lr=0.1, weight_decay=0.01)
        q, twin = fed([start, start], start, lr=0.1, weight_decay=0.01)
        p.grad = q.grad = start
        optimizer.step()
        q._data = tg.Value(q._data)
        group, state = twin.param_groups[0], twin.state[q]
        for key in ("lr", "eps", "weight_decay"):
            group[key] = tg.Value(group[key])
        group["betas"] = tuple(tg.Value(beta) for beta in group["betas"])
        for key in state:
            state[key] = tg.Value(state[key])
        twin.update(group, [q])
        for traced, number in [
            (q._data, p._data), *((state[k], x) for k, x in optimizer.state[p].items()),
        ]:  # fmt: skip
            assert isinstance(traced, tg.Value)
            assert not traced.is_leaf
            np.testing.assert_allclose(traced.data, number, rtol=1e-15)
