"""BatchNorm1d: the formula, its gradients, PyTorch's numbers, running statistics, modes, refusals."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from numeric_derivatives import check_gradients

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.optim import SGD

C = 3
SHAPES = [(6, C), (2, C), (4, C, 5), (1, C, 2)]


def layer_with(weight: Any, bias: Any, **settings: Any) -> Any:
    """Give a layer whose weight and bias are the operands of a function."""
    layer: Any = nn.BatchNorm1d(C, **settings)
    layer.weight, layer.bias = weight, bias
    return layer


def columns(x: Any) -> Any:
    """Numbers by channel: (n, C)."""
    return x if x.ndim == 2 else np.moveaxis(x, 1, 2).reshape(-1, C)


@pytest.mark.parametrize("shape", SHAPES)
def test_training_gives_each_channel_mean_bias_and_deviation_weight(shape: tuple[int, ...]) -> None:
    x = 100.0 + 5.0 * np.random.default_rng(0).normal(size=shape)
    out = layer_with(np.array([1.0, 2.0, -3.0]), np.array([0.0, -1.0, 5.0]), eps=0.0)(x)
    assert out.shape == shape
    np.testing.assert_allclose(columns(out).mean(axis=0), [0.0, -1.0, 5.0], atol=1e-12)
    np.testing.assert_allclose(columns(out).std(axis=0), [1.0, 2.0, 3.0], rtol=1e-12)


def test_one_batch_by_hand() -> None:
    # Channel values 1 and 5: μ = 3, σ² = 4, unbiased 8; with ε = 12, √(σ² + ε) = 4.
    layer = nn.BatchNorm1d(1, eps=12.0, momentum=0.25)
    assert layer([[1.0], [5.0]]).data.tolist() == [[-0.5], [0.5]]
    assert layer.running_mean.tolist() == [0.75]  # type: ignore[union-attr]
    assert layer.running_var.tolist() == [0.75 + 2.0]  # type: ignore[union-attr]
    assert layer.num_batches_tracked == 1
    layer.eval()
    layer.load_state_dict(
        {**layer.state_dict(), "running_var": [4.0], "weight": [2.0], "bias": [1]}
    )
    assert layer([[2.75]]).data.tolist() == [[2.0]]  # (2.75 − 0.75) / 4 · 2 + 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_gradients_agree_with_differences(shape: tuple[int, ...], training: bool) -> None:
    rng = np.random.default_rng(1)
    mean, var = rng.normal(size=C), rng.uniform(0.5, 2.0, size=C)

    def f(x: Any, weight: Any, bias: Any) -> Any:
        layer = layer_with(weight, bias, eps=1e-3).train(training)
        layer.running_mean, layer.running_var = mean, var
        return layer(x)

    check_gradients(f, rng.normal(size=shape), rng.normal(size=C), rng.normal(size=C))


def test_gradients_without_weights_agree_with_differences() -> None:
    layer = nn.BatchNorm1d(C, affine=False, track_running_stats=False)
    x = np.random.default_rng(2).normal(size=(5, C))
    check_gradients(layer, x)
    check_gradients(layer.eval(), x)


def test_the_gradient_is_the_papers() -> None:
    # L52, compact: ∂x = (∂x̂ − mean ∂x̂ − x̂·mean(∂x̂·x̂)) / √(σ² + ε).
    rng = np.random.default_rng(3)
    layer = nn.BatchNorm1d(C)
    layer.weight.data = weight = rng.normal(size=C)  # type: ignore[union-attr]
    x, seed = tg.Value(rng.normal(size=(7, C))), rng.normal(size=(7, C))
    layer(x).backward(seed=seed)
    root = np.sqrt(x.data.var(axis=0) + layer.eps)
    normal, inner = (x.data - x.data.mean(axis=0)) / root, seed * weight
    expected = (inner - inner.mean(axis=0) - normal * (inner * normal).mean(axis=0)) / root
    np.testing.assert_allclose(x.grad, expected, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(x.grad.sum(axis=0), 0.0, atol=1e-13)
    np.testing.assert_allclose(layer.weight.grad, (seed * normal).sum(axis=0), rtol=1e-11)  # type: ignore[union-attr]
    np.testing.assert_allclose(layer.bias.grad, seed.sum(axis=0), rtol=1e-12)  # type: ignore[union-attr]


def test_second_derivatives_exist() -> None:
    layer = nn.BatchNorm1d(1, affine=False)
    x = np.array([0.3, -1.2, 0.7, 2.0])
    hessian = tg.hessian(lambda v: (layer(v.reshape(4, 1)) ** 3).sum())(x)
    step = 1e-5
    gradient = tg.grad(lambda v: (layer(v.reshape(4, 1)) ** 3).sum())
    for i in range(4):
        e = step * np.eye(4)[i]
        np.testing.assert_allclose(
            hessian[i], (gradient(x + e) - gradient(x - e)) / (2 * step), rtol=1e-5, atol=1e-7
        )


SETTINGS: list[dict[str, Any]] = [
    {},
    {"eps": 1e-2, "momentum": 0.3},
    {"momentum": None},
    {"momentum": 0.0},
    {"momentum": 1.0},
    {"affine": False},
    {"track_running_stats": False},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("tail", [(), (5,)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_pytorch_gives_the_same_outputs_gradients_and_buffers(
    settings: dict[str, Any], tail: tuple[int, ...], dtype: Any
) -> None:
    torch: Any = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    ours: Any = nn.BatchNorm1d(C, **settings, dtype=dtype)
    theirs = torch.nn.BatchNorm1d(C, **settings, dtype=getattr(torch, np.dtype(dtype).name))
    tolerance: Any = {"rtol": 1e-10, "atol": 1e-12}
    if dtype is np.float32:
        tolerance = {"rtol": 1e-5, "atol": 1e-5}
    if ours.affine:
        state = {
            "weight": rng.normal(size=C).astype(dtype),
            "bias": rng.normal(size=C).astype(dtype),
        }
        ours.load_state_dict(state, strict=False)
        theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=False)
    for n, training in [(4, True), (2, True), (9, True), (3, False), (5, True), (6, False)]:
        ours.train(training)
        theirs.train(training)
        ours.zero_grad()
        theirs.zero_grad()
        data = (2.0 + 3.0 * rng.normal(size=(n, C, *tail))).astype(dtype)
        seed = rng.normal(size=data.shape).astype(dtype)
        x, y = tg.Value(data), torch.tensor(data, requires_grad=True)
        out, other = ours(x), theirs(y)
        out.backward(seed=seed)
        other.backward(torch.tensor(seed))
        assert out.dtype == x.grad.dtype == dtype
        np.testing.assert_allclose(out.data, other.detach().numpy(), **tolerance)
        np.testing.assert_allclose(x.grad, y.grad.numpy(), **tolerance)
        for name, parameter in theirs.named_parameters():
            np.testing.assert_allclose(
                getattr(ours, name).grad, parameter.grad.numpy(), **tolerance
            )
        buffers = dict(theirs.named_buffers())
        assert {name for name, _ in ours.named_buffers()} == set(buffers)
        for name, buffer in ours.named_buffers():
            np.testing.assert_allclose(buffer, buffers[name].numpy(), **tolerance)
            assert buffer.dtype == (np.float64 if name == "num_batches_tracked" else dtype)
            assert buffer.shape == tuple(buffers[name].shape)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    # PyTorch's state is ours; ours is PyTorch's.
    twin = nn.BatchNorm1d(C, **settings, dtype=dtype).eval()
    twin.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    if settings.get("track_running_stats", True):
        np.testing.assert_allclose(
            twin(data).data if ours.affine else twin(data), out.data, **tolerance
        )


def test_the_running_mean_over_all_batches_is_the_mean_of_their_statistics() -> None:
    rng = np.random.default_rng(0)
    layer = nn.BatchNorm1d(C, momentum=None)
    batches = rng.normal(size=(7, 5, C))
    for batch in batches:
        layer(batch)
    np.testing.assert_allclose(layer.running_mean, batches.mean(axis=(0, 1)), rtol=1e-12)  # type: ignore[arg-type]
    unbiased = batches.var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(layer.running_var, unbiased, rtol=1e-12)  # type: ignore[arg-type]
    assert layer.num_batches_tracked == 7
    layer.reset_running_stats()
    assert layer.num_batches_tracked == 0
    assert layer.running_mean.tolist() == [0.0] * C  # type: ignore[union-attr]
    assert layer.running_var.tolist() == [1.0] * C  # type: ignore[union-attr]
    assert sorted(name for name, _ in layer.named_buffers()) == [
        "num_batches_tracked", "running_mean", "running_var",
    ]  # fmt: skip


def test_resetting_statistics_that_are_not_kept_does_nothing() -> None:
    layer = nn.BatchNorm1d(C, track_running_stats=False)
    layer.reset_running_stats()
    assert layer.running_mean is layer.running_var is layer.num_batches_tracked is None
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_evaluation_treats_rows_one_by_one_and_changes_no_buffer() -> None:
    rng = np.random.default_rng(0)
    layer = nn.BatchNorm1d(C)
    for _ in range(20):
        layer(rng.normal(size=(8, C)))
    layer.eval()
    before = layer.state_dict()
    x = rng.normal(size=(4, C))
    together = layer(x).data
    for i in range(4):
        np.testing.assert_array_equal(layer(x[i : i + 1]).data[0], together[i])
    assert layer(np.zeros((0, C))).shape == (0, C)
    for name, buffer in layer.state_dict().items():
        np.testing.assert_array_equal(buffer, before[name])
    # Straight from the definition (L51): an affine map with fixed coefficients.
    factor = 1.0 / np.sqrt(before["running_var"] + 1e-5)
    np.testing.assert_allclose(together, x * factor - before["running_mean"] * factor, atol=1e-12)
    layer.train()
    assert not np.allclose(layer(x).data, together)


def test_running_statistics_carry_no_derivative_and_share_no_memory() -> None:
    layer = nn.BatchNorm1d(C, momentum=1.0)
    x = tg.Value(np.random.default_rng(0).normal(size=(4, C)))
    out = layer(x)
    for _, buffer in layer.named_buffers():
        assert type(buffer) is np.ndarray
    expected = tg.grad(lambda v: (nn.BatchNorm1d(C)(v) ** 3).sum())(x.data)
    layer.running_mean[:] = 99.0  # type: ignore[index]
    layer.running_var[:] = 99.0  # type: ignore[index]
    (out**3).sum().backward()
    np.testing.assert_allclose(x.grad, expected, rtol=1e-12)


def test_statistics_are_kept_without_recording_too() -> None:
    layer = nn.BatchNorm1d(C)
    with tg.no_grad():
        layer(tg.Value(np.random.default_rng(0).normal(size=(4, C))))
    assert layer.num_batches_tracked == 1
    assert layer.running_mean.any()  # type: ignore[union-attr]


@pytest.mark.parametrize("momentum", [0.1, np.float64(0.1), None])
def test_buffers_keep_their_dtype_whatever_comes_in(momentum: Any) -> None:
    single = nn.BatchNorm1d(C, dtype=np.float32, momentum=momentum)
    single(np.random.default_rng(0).normal(size=(4, C)))
    single(np.arange(12).reshape(4, C))
    assert [b.dtype for b in single.buffers()] == [np.float32, np.float32, np.float64]
    assert single(np.ones((4, C), np.float32)).dtype == np.float32


def test_plain_arrays_give_plain_arrays_without_parameters() -> None:
    layer = nn.BatchNorm1d(C, affine=False)
    assert type(layer(np.random.default_rng(0).normal(size=(4, C)))) is np.ndarray
    assert list(layer.parameters()) == []
    assert layer.weight is layer.bias is None


def test_a_factor_before_cancels_and_divides_the_gradient() -> None:
    # L53: BN(aWx) = BN(Wx), and the gradient with respect to aW is 1/a of that for W.
    rng = np.random.default_rng(0)
    x, W = rng.normal(size=(10, 4)), rng.normal(size=(C, 4))
    layer = nn.BatchNorm1d(C, eps=0.0, affine=False)

    def loss(weight: Any) -> Any:
        return (layer(tg.linear(x, weight)) ** 3).sum()

    np.testing.assert_allclose(loss(10.0 * W), loss(W), rtol=1e-10)
    np.testing.assert_allclose(tg.grad(loss)(10.0 * W), tg.grad(loss)(W) / 10.0, rtol=1e-8)


def test_state_goes_round_and_a_copy_stands_on_its_own() -> None:
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(2, C, rng=0), nn.BatchNorm1d(C), nn.ReLU())
    model(rng.normal(size=(5, 2)))
    state = model.state_dict()
    assert list(state) == [
        "0.weight", "0.bias", "1.weight", "1.bias",
        "1.running_mean", "1.running_var", "1.num_batches_tracked",
    ]  # fmt: skip
    twin = nn.Sequential(nn.Linear(2, C, rng=1), nn.BatchNorm1d(C), nn.ReLU())
    twin.load_state_dict(state)
    x = rng.normal(size=(3, 2))
    np.testing.assert_array_equal(model.eval()(x).data, twin.eval()(x).data)
    other = copy.deepcopy(model).train()
    other(x)
    np.testing.assert_array_equal(model.state_dict()["1.running_mean"], state["1.running_mean"])
    assert other.state_dict()["1.num_batches_tracked"] == 2
    assert repr(model[1]) == (
        "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"
    )


def test_it_rescues_a_deep_network_from_a_bad_start() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)

    def accuracy(norm: bool) -> float:
        start = np.random.default_rng(0)
        parts: list[nn.Module] = []
        for width in (2, 16, 16, 16, 16, 16, 16, 16):
            layer = nn.Linear(width, 16, rng=start)
            layer.weight.data = 0.2 * layer.weight.data
            parts.append(layer)
            parts += [nn.BatchNorm1d(16)] * norm
            parts.append(nn.ReLU())
        model = nn.Sequential(*parts, nn.Linear(16, 2, rng=start))
        optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
        for _ in range(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X), y).backward()
            optimizer.step()
        return float((model(X).data.argmax(axis=1) == y).mean())

    assert accuracy(norm=False) < 0.7
    assert accuracy(norm=True) > 0.95


BAD: list[tuple[dict[str, Any], str]] = [
    ({"num_features": 0}, "BatchNorm1d: num_features must be at least 1, got 0"),
    ({"eps": -1e-5}, "BatchNorm1d: eps must be at least 0 and finite, got -1e-05"),
    ({"eps": float("nan")}, "BatchNorm1d: eps must be at least 0 and finite, got nan"),
    ({"eps": float("inf")}, "BatchNorm1d: eps must be at least 0 and finite, got inf"),
    ({"momentum": 1.5}, r"BatchNorm1d: momentum must lie in \[0, 1\], or be None .*, got 1.5"),
    ({"momentum": -0.1}, r"BatchNorm1d: momentum must lie in \[0, 1\], or be None .*, got -0.1"),
    ({"momentum": float("nan")}, r"BatchNorm1d: momentum must lie in .*, got nan"),
]


@pytest.mark.parametrize(("settings", "message"), BAD, ids=[str(s) for s, _ in BAD])
def test_settings_out_of_their_ranges_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        nn.BatchNorm1d(**{"num_features": C, **settings})


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(), (C,), (4, 2), (4, 1), (4, 5, C), (2, C, 2, 2)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...], training: bool) -> None:
    layer = nn.BatchNorm1d(C).train(training)
    for x in (np.ones(shape), tg.Value(np.ones(shape))):
        with pytest.raises(ValueError, match=r"must have shape \(N, 3\) or \(N, 3, L\), got \("):
            layer(x)
    assert layer.num_batches_tracked == 0


@pytest.mark.parametrize(("shape", "n"), [((1, C), 1), ((1, C, 1), 1), ((0, C), 0), ((4, C, 0), 0)])
def test_a_batch_without_spread_is_refused_where_its_statistics_count(
    shape: tuple[int, ...], n: int
) -> None:
    layer = nn.BatchNorm1d(C)
    message = rf"at least 2 values per channel, got {n} in an input of shape \({shape[0]}, 3.*"
    with pytest.raises(ValueError, match=message + r"\); call .eval\(\) to use the running ones$"):
        layer(np.ones(shape))
    assert layer.num_batches_tracked == 0
    assert layer.eval()(np.ones(shape)).shape == shape
    untracked = nn.BatchNorm1d(C, track_running_stats=False).eval()
    with pytest.raises(ValueError, match=message + r"\)$"):
        untracked(np.ones(shape))
