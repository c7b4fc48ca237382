"""Maxout, scaled layers, residual blocks, fused batch normalization: what the lecture says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.nn import functional as F

Z = np.linspace(-3, 3, 13)[:, None]


@pytest.mark.parametrize(
    ("pieces", "function"),
    [([0.0, 1.0], F.relu), ([0.1, 1.0], lambda x: F.leaky_relu(x, 0.1)), ([1.0, -1.0], np.abs)],
    ids=["relu", "leaky", "abs"],
)
def test_two_pieces_of_maxout_are_relu_leaky_relu_and_the_absolute_value(
    pieces: list[float], function: Any
) -> None:
    unit = nn.Maxout(1, 1, 2, bias=False)
    unit.weight.data = np.array(pieces)[:, None]
    np.testing.assert_array_equal(unit(Z).data, function(Z))


def test_the_pieces_of_a_unit_follow_each_other_and_only_the_largest_learns() -> None:
    layer = nn.Maxout(3, 2, 4, rng=0)
    x = np.random.default_rng(1).normal(size=(1, 3))
    pieces = np.einsum("okn,bn->bok", layer.weight.data.reshape(2, 4, 3), x)
    pieces += layer.bias.data.reshape(2, 4)  # type: ignore[union-attr]
    y = layer(x)
    np.testing.assert_allclose(y.data, pieces.max(-1), rtol=1e-13)
    y.sum().backward()
    hit = layer.bias.grad.reshape(2, 4)  # type: ignore[union-attr]
    np.testing.assert_array_equal(hit, np.eye(4)[pieces[0].argmax(-1)])
    assert layer.weight.shape == (8, 3)
    assert np.abs(layer.weight.data).max() <= 1 / np.sqrt(3)
    assert repr(layer) == "Maxout(in_features=3, out_features=2, bias=True, num_pieces=4)"


def test_a_scaled_layer_takes_the_path_of_a_plain_one_at_a_hundredfold_rate() -> None:
    # L46: equal functions; the paths coincide to 1e-12 with 100 times the rate, also with momentum
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    plain, scaled = nn.Linear(3, 2, rng=1), nn.ScaledLinear(3, 2, 0.1, rng=1)
    optimizers = [
        tg.optim.SGD(plain.parameters(), lr=0.05, momentum=0.5),
        tg.optim.SGD(scaled.parameters(), lr=5.0, momentum=0.5),
    ]
    for _ in range(50):
        for layer, optimizer in zip((plain, scaled), optimizers, strict=True):
            optimizer.zero_grad()
            F.mse_loss(layer(x), y).backward()
            optimizer.step()
        np.testing.assert_allclose(scaled(x).data, plain(x).data, rtol=1e-12, atol=1e-12)
    assert repr(scaled) == "ScaledLinear(in_features=3, out_features=2, bias=True, scale=0.1)"
    single = nn.ScaledLinear(3, 2, 10.0, rng=1, dtype=np.float32)
    assert {p.dtype for p in single.parameters()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("pre_act", [False, True])
def test_a_block_whose_last_layer_is_zero_starts_as_the_identity(pre_act: bool, norm: bool) -> None:
    block = nn.ResidualBlock(4, None, pre_act, norm, zero_init_last=True, rng=0)
    x = tg.Value(np.random.default_rng(0).normal(size=(3, 4)))
    y = block(x)
    seed = np.random.default_rng(1).normal(size=(3, 4))
    y.backward(seed=seed)
    np.testing.assert_array_equal(y.data, x.data if pre_act else F.relu(x.data))
    np.testing.assert_array_equal(x.grad, seed if pre_act else seed * (x.data > 0))


def test_the_parts_of_a_block() -> None:
    kinds = {name: type(m).__name__ for name, m in nn.ResidualBlock(3, 4).named_modules()}
    assert kinds["shortcut"] == "Sequential"
    assert [name for name, _ in nn.ResidualBlock(3).named_children()] == [
        "linear1", "linear2", "norm1", "norm2",
    ]  # fmt: skip
    assert nn.ResidualBlock(3, 4).linear1.bias is None
    pre = nn.ResidualBlock(3, 4, pre_act=True)
    assert pre.norm1 is not None
    assert pre.norm1.num_features == 3
    assert pre.linear2.bias is not None
    assert isinstance(pre.shortcut, nn.Linear)


def test_shortcuts_carry_the_gradient_through_fifty_layers() -> None:
    x, y = tg.data.moons(64, seed=0)
    sizes = []
    for residual in (True, False):
        net = nn.ResNetMLP(50, 8, residual=residual, zero_init_last=False, rng=0)
        if residual:
            for name, p in net.named_parameters():
                p.data = p.data * (0.1 if name.endswith("linear2.weight") else 1.0)
        F.cross_entropy(net(x), y).backward()
        sizes.append(np.abs(net.first.weight.grad).mean())
        assert sum(p.size > 8 for p in net.parameters()) == 50
    assert sizes[0] > 100 * sizes[1]


@pytest.mark.slow
def test_150_layers_learn_the_moons_with_shortcuts_and_not_without() -> None:
    # L58: SGD .01 momentum .9, 200 full-batch steps; map: residual >= .98, plain <= .65
    x, y = tg.data.moons(256, noise=0.1, seed=0)
    x = (x - x.mean(0)) / x.std(0)
    for residual in (True, False):
        net = nn.ResNetMLP(150, 16, residual=residual, rng=0)
        optimizer = tg.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

        def step(net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        fast = tg.compile(step)
        for _ in range(200):
            fast()
        accuracy = (net(x).data.argmax(1) == y).mean()
        assert accuracy >= 0.98 if residual else accuracy <= 0.65


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 5), (2, 3, 2, 4)])
def test_fused_and_composed_batch_normalization_agree_in_all_they_do(shape: Any) -> None:
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    rng = np.random.default_rng(0)
    layers = kind(3), kind(3, fused=True)
    for layer in layers:
        layer.weight.data, layer.bias.data = [0.5, -2.0, 1.0], [1.0, 0.0, 3.0]  # type: ignore[union-attr]
    for _ in range(3):
        data, seed = 2.0 + rng.normal(size=shape), rng.normal(size=shape)
        found: list[Any] = []
        for layer in layers:
            x = tg.Value(data)
            layer.zero_grad()
            y = layer(x)
            y.backward(seed=seed)
            found.append([y.data, x.grad, *(p.grad for p in layer.parameters()), *layer.buffers()])
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        over = (0, *range(2, len(shape)))
        np.testing.assert_allclose(found[0][1].sum(over), 0.0, atol=1e-12)  # L52
    one, other = (layer.eval()(np.ones(shape)).data for layer in layers)
    np.testing.assert_array_equal(one, other)


def test_the_fused_rule_is_the_formula_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    x, dxhat, eps = rng.normal(size=(7, 3)), rng.normal(size=(7, 3)), 1e-3
    m, mu, var = len(x), x.mean(0), x.var(0)
    dvar = (dxhat * (x - mu) * -0.5 * (var + eps) ** -1.5).sum(0)
    dmu = -dxhat.sum(0) / np.sqrt(var + eps) + dvar * (-2 * (x - mu)).sum(0) / m
    dx = dxhat / np.sqrt(var + eps) + dvar * 2 * (x - mu) / m + dmu / m
    v = tg.Value(x)
    F.batch_norm(v, training=True, eps=eps, fused=True).backward(seed=dxhat)
    np.testing.assert_allclose(v.grad, dx, rtol=1e-11, atol=1e-13)


def test_the_fused_rule_has_second_derivatives() -> None:
    x = np.random.default_rng(0).normal(size=(4, 2))
    weights = np.random.default_rng(1).normal(size=(4, 2))

    def loss(fused: bool) -> Any:
        return lambda x: (F.batch_norm(x, training=True, fused=fused) ** 3 * weights).sum()

    fused, composed = (tg.hessian(loss(fused))(x) for fused in (True, False))
    np.testing.assert_allclose(fused, composed, rtol=1e-8, atol=1e-8)
