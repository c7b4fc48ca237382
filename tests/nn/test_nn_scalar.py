"""micrograd's Neuron, Layer and MLP, its README example and a small version of its demo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn


def test_the_example_of_micrograds_readme() -> None:
    a = tg.Value(-4.0)
    b = tg.Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert f"{a.grad:.4f}" == "138.8338"
    assert f"{b.grad:.4f}" == "645.5773"


def test_signatures_reprs_and_parameters_are_micrograds() -> None:
    assert repr(nn.Neuron(3)) == "ReLUNeuron(3)"
    assert repr(nn.Neuron(3, nonlin=False)) == "LinearNeuron(3)"
    assert repr(nn.Layer(2, 2, nonlin=False)) == "Layer of [LinearNeuron(2), LinearNeuron(2)]"
    model = nn.MLP(2, [2, 1])
    assert repr(model) == (
        "MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]"
    )
    parameters = model.parameters()
    assert isinstance(parameters, list)
    assert len(parameters) == 9
    assert [p.name for p in parameters[:3]] == ["w0", "w1", "b"]
    assert len(nn.MLP(2, [16, 16, 1]).parameters()) == 337


def test_weights_are_uniform_and_biases_zero() -> None:
    model = nn.MLP(50, [50], rng=0)
    weights = np.array([w.data for n in model.layers[0].neurons for w in n.w])
    assert -1 <= weights.min() < -0.99
    assert 0.99 < weights.max() <= 1
    assert weights.std() == pytest.approx(1 / np.sqrt(3), rel=0.03)
    assert all(n.b.data == 0.0 for n in model.layers[0].neurons)


def test_a_seed_repeats_and_no_seed_does_not() -> None:
    numbers = [[p.data for p in nn.MLP(2, [3, 1], rng=s).parameters()] for s in (1, 1, None, None)]
    assert numbers[0] == numbers[1]
    assert numbers[2] != numbers[3]
    neurons = nn.Layer(2, 2, rng=0).neurons
    assert neurons[0].w[0].data != neurons[1].w[0].data


def test_a_neuron_by_hand() -> None:
    neuron = nn.Neuron(2, rng=0)
    neuron.w[0].data, neuron.w[1].data, neuron.b.data = 0.5, -1.0, 0.25
    x = [tg.Value(2.0), tg.Value(0.5)]
    out = neuron(x)
    assert out.data == 0.75
    out.backward()
    assert [p.grad for p in neuron.parameters()] == [2.0, 0.5, 1.0]
    assert [v.grad for v in x] == [0.5, -1.0]
    assert neuron([0.0, 5.0]).data == 0.0
    neuron.zero_grad()
    assert [p.grad for p in neuron.parameters()] == [None, None, None]


def test_a_neuron_refuses_the_wrong_number_of_inputs() -> None:
    with pytest.raises(ValueError, match=r"ReLUNeuron\(2\) takes 2 inputs, got 3"):
        nn.Neuron(2)([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"takes 2 inputs, got 1"):
        nn.MLP(2, [2, 1])([1.0])


def test_one_output_comes_bare_and_several_as_a_list() -> None:
    x: list[Any] = [1.0, -2.0]
    assert isinstance(nn.MLP(2, [3, 1], rng=0)(x), tg.Value)
    assert isinstance(nn.MLP(2, [1, 1], rng=0)(x), tg.Value)
    out = nn.MLP(2, [3, 2], rng=0)(x)
    assert [type(v) for v in out] == [tg.Value, tg.Value]


def test_the_scalar_net_and_the_array_net_have_the_same_output_and_gradients() -> None:
    scalars = nn.MLP(3, [4, 2], rng=0)
    arrays = nn.Sequential(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 2, rng=0))
    linears = [arrays[0], arrays[2]]
    for linear, layer in zip(linears, scalars.layers, strict=True):
        linear.load_state_dict(
            {
                "weight": [[w.data for w in n.w] for n in layer.neurons],
                "bias": [n.b.data for n in layer.neurons],
            }
        )
    x = [0.5, -1.0, 2.0]
    out = scalars(x)
    (out[0] * out[1] + out[0]).backward()
    same = arrays(np.array(x))
    (same[0] * same[1] + same[0]).backward()
    np.testing.assert_allclose([v.data for v in out], same.data, rtol=1e-14)
    for linear, layer in zip(linears, scalars.layers, strict=True):
        weight, bias = linear.parameters()
        np.testing.assert_allclose([[w.grad for w in n.w] for n in layer.neurons], weight.grad)
        np.testing.assert_allclose([n.b.grad for n in layer.neurons], bias.grad)


def test_micrograds_demo_separates_two_moons() -> None:
    # Hinge loss, L2 and a falling learning rate, all loops in Python over single scalars.
    X, labels = tg.data.moons(30, noise=0.1, seed=1)
    y = 2 * labels - 1
    model = nn.MLP(2, [16, 16, 1], rng=1337)
    for step in range(60):
        scores = [model(row) for row in X.tolist()]
        hinge = [(1 - int(yi) * score).relu() for yi, score in zip(y, scores, strict=True)]
        penalty: Any = 1e-4 * sum(p * p for p in model.parameters())
        loss = sum(hinge) * (1.0 / len(hinge)) + penalty
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * step / 60) * p.grad
    signs = np.array([model(row).data > 0 for row in X.tolist()])
    assert (signs == (y > 0)).all()
